/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/api/bench_stats.c: values worked out by hand, and how often intervals hold what they promise in simulated
 * runs. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/bench_stats.h"
#include "rng.h"

enum { N = 400, TRIALS = 400 };

static void quantiles_by_hand(void **state)
{
    const double v[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };

    (void)state;
    assert_float_equal(mq_stats_quantile(v, 10, 0.5), 5.5, 0);
    assert_float_equal(mq_stats_quantile(v, 9, 0.5), 5, 0);
    assert_float_equal(mq_stats_quantile(v, 10, 0.9), 9, 0);
    assert_float_equal(mq_stats_quantile(v, 10, 0.99), 10, 0);
    assert_float_equal(mq_stats_quantile(v, 1, 0.9), 1, 0);
    assert_float_equal(mq_stats_quantile(v, 0, 0.9), 0, 0);
}

static void medians_are_those_of_sorted_values(void **state)
{
    uint64_t seed = 3;

    (void)state;
    for (size_t n = 1; n < 200; n++) {
        double v[200], sorted[200];

        for (size_t i = 0; i < n; i++)
            v[i] = sorted[i] = (double)rng_below(&seed, 1 + n / 2); /* ties */
        mq_stats_sort(sorted, n);
        assert_float_equal(mq_stats_median(v, n), mq_stats_quantile(sorted, n, 0.5), 0);
    }
}

/* Times with a tail: most near 1, some far above; `keep` is how much of the wander a time takes from the one before it. */
static void simulate(double *v, size_t n, double keep, uint64_t *seed)
{
    double wander = 0;

    for (size_t i = 0; i < 50 + n; i++) {
        const double u = (rng_float(seed) + 1) / 2;

        wander = keep * wander + 0.02 * rng_float(seed);
        if (i >= 50)
            v[i - 50] = 1 + wander + 0.05 * u * u * u * u;
    }
}

static double coverage(double keep)
{
    uint64_t seed = 11;
    size_t held = 0;

    for (size_t t = 0; t < TRIALS; t++) {
        double first[N], sorted[N], second[N], median;
        mq_interval ci;

        simulate(first, N, keep, &seed);
        simulate(second, N, keep, &seed);
        memcpy(sorted, first, sizeof sorted);
        mq_stats_sort(sorted, N);
        ci = mq_stats_median_interval(first, sorted, N);
        median = mq_stats_median(second, N);
        held += ci.lo <= median && median <= ci.hi;
        assert_true(ci.lo <= sorted[N / 2] && sorted[N / 2] <= ci.hi);
    }
    return (double)held / TRIALS;
}

static void intervals_hold_the_median_of_a_second_run(void **state)
{
    (void)state;
    assert_true(coverage(0) >= 0.93);
    assert_true(coverage(0.5) >= 0.92);
    assert_true(coverage(0.8) >= 0.9);
}

/* What disturbs times on real machines. */
enum { STEPS = 1, DRIFT = 2, SPIKES = 4, PLACEMENT = 8, NEIGHBOURS = 16 };

static double uniform(uint64_t *seed)
{
    return (rng_float(seed) + 1) / 2;
}

/* A run in a process of its own. Steps: the clock goes to and fro between two levels, 4 % apart. Drift: warmer and cooler
 * by 2 %, beginning anywhere. Spikes: one time in twenty is up to four times as long, often several in a row. Placement: the
 * whole run is up to 2 % faster or slower. Neighbours: for all of the run or for nothing of it, 6 % slower. */
static void simulate_process(double *v, size_t n, int what, uint64_t *seed)
{
    const double place = what & PLACEMENT ? 1 + 0.02 * rng_float(seed) : 1;
    const double beside = what & NEIGHBOURS && uniform(seed) < 0.5 ? 1.06 : 1, phase = 6.283 * uniform(seed);
    bool slow = uniform(seed) < 0.5, spike = false;

    simulate(v, n, 0.3, seed);
    for (size_t i = 0; i < n; i++) {
        slow ^= uniform(seed) < 25.0 / (double)n;
        spike = uniform(seed) < (spike ? 0.6 : 0.02);
        v[i] *= place * beside;
        if (what & STEPS && slow)
            v[i] *= 1.04;
        if (what & DRIFT)
            v[i] *= 1 + 0.02 * sin(phase + 12.57 * (double)i / (double)n);
        if (what & SPIKES && spike)
            v[i] *= 1 + 3 * uniform(seed);
    }
}

/* The share of second runs whose median lies in the interval of the first; *half: the mean half width. */
static double coverage_between(int what, double *half)
{
    const mq_unrest unrest = { .busy = what & NEIGHBOURS ? 1 : 0 };
    uint64_t seed = 23;
    size_t held = 0;

    *half = 0;
    for (size_t t = 0; t < TRIALS; t++) {
        double first[N], sorted[N], second[N], median;
        mq_interval ci;

        simulate_process(first, N, what, &seed);
        simulate_process(second, N, what, &seed);
        memcpy(sorted, first, sizeof sorted);
        mq_stats_sort(sorted, N);
        ci = mq_stats_median_interval(first, sorted, N);
        ci = mq_stats_widen(ci, mq_stats_quantile(sorted, N, 0.5), &unrest);
        median = mq_stats_median(second, N);
        held += ci.lo <= median && median <= ci.hi;
        *half += (ci.hi - ci.lo) / 2 / TRIALS;
    }
    return (double)held / TRIALS;
}

static void intervals_hold_on_machines_as_they_are(void **state)
{
    static const int kinds[] = { PLACEMENT, PLACEMENT | STEPS, PLACEMENT | DRIFT, PLACEMENT | SPIKES,
                                 PLACEMENT | STEPS | DRIFT | SPIKES, PLACEMENT | STEPS | DRIFT | SPIKES | NEIGHBOURS };

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        double half;
        const double held = coverage_between(kinds[i], &half);

        if (!(held >= 0.9) || !(half < (kinds[i] & NEIGHBOURS ? 0.16 : 0.08)))
            fail_msg("disturbances %d: %.3f held, half width %.3f", kinds[i], held, half);
    }
}

/* Who waited a third of the time may wait for nothing, or for twice as much. */
static void waiting_widens(void **state)
{
    const mq_unrest none = { 0 }, some = { .waited = 1.0 / 3 };
    const mq_interval tight = { 9, 12 };
    mq_interval w = mq_stats_widen(tight, 10, &none);

    (void)state;
    assert_float_equal(w.lo, 9 - 10 * MQ_STATS_PLACEMENT, 1e-12);
    assert_float_equal(w.hi, 12 + 10 * MQ_STATS_PLACEMENT, 1e-12);
    w = mq_stats_widen(tight, 10, &some);
    assert_float_equal(w.lo, (9 - 10 * MQ_STATS_PLACEMENT) * 2 / 3, 1e-12);
    assert_float_equal(w.hi, (12 + 10 * MQ_STATS_PLACEMENT) * 4 / 3, 1e-12);
    assert_true(mq_stats_widen((mq_interval){ 0.1, 30 }, 10, &none).lo == 0);
    w = mq_stats_widen_ratio(tight, &some, &some);
    assert_true(w.lo == 9 && w.hi == 12);
    w = mq_stats_widen_ratio(tight, &some, &none);
    assert_float_equal(w.lo, 6, 1e-12);
    assert_float_equal(w.hi, 16, 1e-12);
    w = mq_stats_widen_ratio(tight, &none, &some);
    assert_float_equal(w.lo, 9 * 0.75, 1e-12);
    assert_float_equal(w.hi, 18, 1e-12);
}

static void few_times_give_all_of_them(void **state)
{
    const double v[] = { 3, 1, 2 }, sorted[] = { 1, 2, 3 };
    const mq_interval ci = mq_stats_median_interval(v, sorted, 3);

    (void)state;
    assert_float_equal(ci.lo, 1, 0);
    assert_float_equal(ci.hi, 3, 0);
}

static void ratios_hold_the_true_one(void **state)
{
    uint64_t seed = 5;
    size_t held = 0;

    (void)state;
    for (size_t t = 0; t < 100; t++) {
        double a[N], b[N], scratch[2 * N];
        mq_interval ci;

        simulate(a, N, 0.5, &seed);
        simulate(b, N, 0.5, &seed);
        for (size_t i = 0; i < N; i++)
            b[i] *= 2;
        ci = mq_stats_ratio_interval(a, b, N, t, scratch);
        held += ci.lo <= 0.5 && 0.5 <= ci.hi;
    }
    assert_true(held >= 85);
}

static void the_same_seed_gives_the_same_interval(void **state)
{
    double a[50], b[50], scratch[100];
    uint64_t seed = 1;
    mq_interval x, y;

    (void)state;
    simulate(a, 50, 0, &seed);
    simulate(b, 50, 0, &seed);
    x = mq_stats_ratio_interval(a, b, 50, 9, scratch);
    y = mq_stats_ratio_interval(a, b, 50, 9, scratch);
    assert_memory_equal(&x, &y, sizeof x);
    assert_true(x.lo < x.hi);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_by_hand),
        cmocka_unit_test(medians_are_those_of_sorted_values),
        cmocka_unit_test(intervals_hold_the_median_of_a_second_run),
        cmocka_unit_test(intervals_hold_on_machines_as_they_are),
        cmocka_unit_test(waiting_widens),
        cmocka_unit_test(few_times_give_all_of_them),
        cmocka_unit_test(ratios_hold_the_true_one),
        cmocka_unit_test(the_same_seed_gives_the_same_interval),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
