/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Statistics of times. Knows nothing about models. */
#include "api/bench_stats.h"

#include <math.h>
#include <stdlib.h>

#include "base/random.h"

enum {
    STRETCHES = 20,   /* that a series is cut into to see how it wanders */
    ENOUGH = 100,     /* below that many times stretches say nothing */
    RESAMPLES = 1000,
    WORST = 25,       /* place of the 2.5 % quantile among the resamples */
};
/* 97.5 % of a t-distribution with STRETCHES - 1 degrees of freedom, times sqrt(2). */
#define WIDTH (2.093 * 1.4142135623730951)
#define LEAST_SHARE 0.1 /* of its time a program has the CPU all the same */
#define NEIGHBOURS 0.08 /* by so much other programs slow a run down that does not wait for them, where they use all CPUs */

uint64_t mq_stats_below(uint64_t *state, uint64_t n)
{
    return mq_random_next(state) % n;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

void mq_stats_sort(double *v, size_t n)
{
    qsort(v, n, sizeof *v, compare);
}

double mq_stats_quantile(const double *sorted, size_t n, double q)
{
    size_t at;

    if (n == 0)
        return 0;
    if (q == 0.5)
        return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
    at = (size_t)ceil(q * (double)n);
    return sorted[at == 0 ? 0 : at > n ? n - 1 : at - 1];
}

/* Puts the k-th smallest into its place, smaller ones before it. */
static double nth(double *v, size_t n, size_t k)
{
    size_t lo = 0, hi = n - 1;

    while (lo < hi) {
        const double pivot = v[lo + (hi - lo) / 2];
        size_t i = lo, j = hi;

        for (;;) {
            while (v[i] < pivot)
                i++;
            while (v[j] > pivot)
                j--;
            if (i >= j)
                break;
            const double t = v[i];
            v[i++] = v[j];
            v[j--] = t;
        }
        j = j < hi && v[j] <= pivot ? j : j - 1; /* v[lo..j] <= pivot <= v[j+1..hi] */
        if (k <= j)
            hi = j;
        else
            lo = j + 1;
    }
    return v[k];
}

double mq_stats_median(double *v, size_t n)
{
    double upper;

    if (n == 0)
        return 0;
    upper = nth(v, n, n / 2);
    if (n % 2)
        return upper;
    for (size_t i = 0; i + 1 < n / 2; i++) /* the largest of the lower half */
        if (v[i] > v[n / 2 - 1])
            v[n / 2 - 1] = v[i];
    return (v[n / 2 - 1] + upper) / 2;
}

/* How much more the share above the median varies between stretches than that of independent times: 1 or more. */
static double dependence(const double *v, size_t n, double median)
{
    const size_t m = n / STRETCHES;
    double share[STRETCHES], mean = 0, var = 0, factor;

    if (n < ENOUGH)
        return 1;
    for (size_t s = 0; s < STRETCHES; s++) {
        share[s] = 0;
        for (size_t i = 0; i < m; i++) {
            const double x = v[s * m + i];

            share[s] += x > median ? 1 : x == median ? 0.5 : 0;
        }
        share[s] /= (double)m;
        mean += share[s] / STRETCHES;
    }
    for (size_t s = 0; s < STRETCHES; s++)
        var += (share[s] - mean) * (share[s] - mean) / (STRETCHES - 1);
    factor = var * (double)m / 0.25;
    return factor > 1 ? factor : 1;
}

mq_interval mq_stats_median_interval(const double *v, const double *sorted, size_t n)
{
    double half, lo, hi;

    if (n == 0)
        return (mq_interval){ 0, 0 };
    half = WIDTH * sqrt((double)n * dependence(v, n, mq_stats_quantile(sorted, n, 0.5))) / 2;
    lo = floor((double)(n - 1) / 2 - half);
    hi = ceil((double)(n - 1) / 2 + half);
    return (mq_interval){ sorted[lo < 0 ? 0 : (size_t)lo], sorted[hi > (double)(n - 1) ? n - 1 : (size_t)hi] };
}

mq_interval mq_stats_widen(mq_interval i, double value, const mq_unrest *u)
{
    const double others = MQ_STATS_PLACEMENT + NEIGHBOURS * u->busy;

    return (mq_interval){ fmax(0, i.lo - others * value) * (1 - u->waited), (i.hi + others * value) * (1 + u->waited) };
}

mq_interval mq_stats_widen_ratio(mq_interval i, const mq_unrest *a, const mq_unrest *b)
{
    const double more = a->waited - b->waited;

    if (more >= 0)
        return (mq_interval){ i.lo * (1 - more), i.hi * (1 + more) };
    return (mq_interval){ i.lo / (1 - more), i.hi / fmax(1 + more, LEAST_SHARE) };
}

mq_interval mq_stats_ratio_interval(const double *a, const double *b, size_t n, uint64_t seed, double *scratch)
{
    const size_t block = n < 20 ? 1 : (size_t)sqrt((double)n);
    double ratios[RESAMPLES];

    if (n == 0)
        return (mq_interval){ 0, 0 };
    for (size_t r = 0; r < RESAMPLES; r++) {
        double below;

        for (size_t k = 0; k < n; k += block) {
            const size_t from = (size_t)mq_stats_below(&seed, n - block + 1);

            for (size_t i = 0; i < block && k + i < n; i++) {
                scratch[k + i] = a[from + i];
                scratch[n + k + i] = b[from + i];
            }
        }
        below = mq_stats_median(scratch + n, n);
        ratios[r] = below > 0 ? mq_stats_median(scratch, n) / below : 0;
    }
    mq_stats_sort(ratios, RESAMPLES);
    return (mq_interval){ ratios[WORST - 1], ratios[RESAMPLES - WORST] };
}
