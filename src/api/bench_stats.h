/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Figures of measured times: quantiles, and intervals that say what they can be trusted for. */
#ifndef MQ_API_BENCH_STATS_H
#define MQ_API_BENCH_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MQ_STATS_PLACEMENT 0.03 /* medians of one model differ by so much from process to process, either way */

typedef struct mq_interval {
    double lo, hi;
} mq_interval;

/* Sorts ascending. */
void mq_stats_sort(double *v, size_t n);
/* The smallest element that at least the share q of all does not exceed (nearest rank); q 0.5: the mean of the middle
 * two. Sorted; 0 for n = 0. */
double mq_stats_quantile(const double *sorted, size_t n, double q);
double mq_stats_median(double *v, size_t n); /* reorders v */

/* Around the median of v (in the order of time): order statistics, so nothing is assumed about how times are spread. Times
 * that follow each other depend on each other (clocks, neighbours): the interval is widened by how much more the share
 * above the median varies from stretch to stretch than it would for independent times. It is meant to hold the median of
 * a second run of the same length 95 times in 100, and so is wider than one for the true median by the square root of 2.
 * sorted: the same times. */
mq_interval mq_stats_median_interval(const double *v, const double *sorted, size_t n);

/* What a run cannot see in its own times, but a second one may meet: where the buffers of a process lie in memory (a share
 * of the time, either way), other programs (of the share `busy` of the machine's CPUs: they slow caches and sibling threads
 * down) and waiting for a CPU (the share `waited` of the time: a second run may not wait, or twice as long). */
typedef struct mq_unrest {
    double waited, busy; /* 0 to 1 */
} mq_unrest;
mq_interval mq_stats_widen(mq_interval i, double value, const mq_unrest *u);
/* The interval of a / b, which took turns: waiting for a CPU, as long as both do, changes nothing. */
mq_interval mq_stats_widen_ratio(mq_interval i, const mq_unrest *a, const mq_unrest *b);

/* 95 % interval of median(a) / median(b) by a bootstrap over n pairs: a[i] and b[i] were measured together, so they are
 * drawn together, and in blocks of neighbours. The same seed gives the same interval. scratch: 2 * n. */
mq_interval mq_stats_ratio_interval(const double *a, const double *b, size_t n, uint64_t seed, double *scratch);

/* A small generator of random numbers (splitmix64): the next one below n; n > 0. */
uint64_t mq_stats_below(uint64_t *state, uint64_t n);

#endif
