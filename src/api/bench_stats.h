/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Figures of measured times: quantiles, and intervals that say what they can be trusted for. */
#ifndef MQ_API_BENCH_STATS_H
#define MQ_API_BENCH_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* 95 % interval of median(a) / median(b) by a bootstrap over n pairs: a[i] and b[i] were measured together, so they are
 * drawn together, and in blocks of neighbours. The same seed gives the same interval. scratch: 2 * n. */
mq_interval mq_stats_ratio_interval(const double *a, const double *b, size_t n, uint64_t seed, double *scratch);

/* A small generator of random numbers (splitmix64): the next one below n; n > 0. */
uint64_t mq_stats_below(uint64_t *state, uint64_t n);

#endif
