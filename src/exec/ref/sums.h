/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Sums of contiguous floats and doubles in double, in lanes of a fixed number. */
#ifndef MQ_EXEC_REF_SUMS_H
#define MQ_EXEC_REF_SUMS_H

#include <math.h>

#include "base/dtype.h"

/* Of x[i], of (x[i] - mean)^2, of |x[i]|. */
double mq_sum(mq_dtype dtype, const void *x, int64_t n);
double mq_sum_squares(mq_dtype dtype, const void *x, int64_t n, double mean);
double mq_sum_abs(mq_dtype dtype, const void *x, int64_t n);
/* The larger of two floating-point numbers; a NaN counts as more than anything. */
#define MQ_MORE(a, b) ((a) > (b) || isnan(a) ? (a) : (b))
/* The largest in that sense; -infinity for none. */
double mq_largest(mq_dtype dtype, const void *x, int64_t n);

#endif
