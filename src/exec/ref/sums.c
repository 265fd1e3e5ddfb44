/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Sums in double. Sixteen lanes, added in order at the end: the same bits with every instruction set. */
#include "exec/ref/sums.h"

#include "base/compiler.h"

enum { LANES = 16 };

#define SUM(name, T, term)                                                          \
    MQ_CLONES(double, name, (const T *v, int64_t n, MQ_UNUSED double m), (v, n, m)) \
    {                                                                               \
        double lane[LANES] = { 0 }, sum = 0;                                        \
        int64_t i = 0;                                                              \
        for (; i + LANES <= n; i += LANES) {                                        \
            for (int k = 0; k < LANES; k++) {                                       \
                const double x = (double)v[i + k];                                  \
                lane[k] += (term);                                                  \
            }                                                                       \
        }                                                                           \
        for (; i < n; i++) {                                                        \
            const double x = (double)v[i];                                          \
            sum += (term);                                                          \
        }                                                                           \
        for (int k = 0; k < LANES; k++)                                             \
            sum += lane[k];                                                         \
        return sum;                                                                 \
    }

SUM(sum_f32, float, x)
SUM(sum_f64, double, x)
SUM(squares_f32, float, (x - m) * (x - m))
SUM(squares_f64, double, (x - m) * (x - m))
SUM(abs_f32, float, fabs(x))
SUM(abs_f64, double, fabs(x))

#define LARGEST(name, T)                                           \
    MQ_CLONES(double, name, (const T *v, int64_t n), (v, n))       \
    {                                                              \
        T lane[LANES], most = (T)-INFINITY;                        \
        int64_t i = 0;                                             \
        for (int k = 0; k < LANES; k++)                            \
            lane[k] = most;                                        \
        for (; i + LANES <= n; i += LANES)                         \
            for (int k = 0; k < LANES; k++)                        \
                lane[k] = MQ_MORE(v[i + k], lane[k]);              \
        for (; i < n; i++)                                         \
            most = MQ_MORE(v[i], most);                            \
        for (int k = 0; k < LANES; k++)                            \
            most = MQ_MORE(lane[k], most);                         \
        return (double)most;                                       \
    }

LARGEST(largest_f32, float)
LARGEST(largest_f64, double)

double mq_sum(mq_dtype dtype, const void *x, int64_t n)
{
    return dtype == MQ_FLOAT ? sum_f32(x, n, 0) : sum_f64(x, n, 0);
}

double mq_sum_squares(mq_dtype dtype, const void *x, int64_t n, double mean)
{
    return dtype == MQ_FLOAT ? squares_f32(x, n, mean) : squares_f64(x, n, mean);
}

double mq_sum_abs(mq_dtype dtype, const void *x, int64_t n)
{
    return dtype == MQ_FLOAT ? abs_f32(x, n, 0) : abs_f64(x, n, 0);
}

double mq_largest(mq_dtype dtype, const void *x, int64_t n)
{
    return dtype == MQ_FLOAT ? largest_f32(x, n) : largest_f64(x, n);
}
