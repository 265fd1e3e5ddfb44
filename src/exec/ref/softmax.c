/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Softmax and LogSoftmax: the largest is taken off first; sums are double. NaN anywhere in a set makes all of it NaN. */
#include "exec/ref/softmax.h"

#include <math.h>

#include "exec/ref/families.h"
#include "exec/ref/sums.h"
#include "exec/ref/util.h"
#include "exec/ref/vmath.h"

enum { WIDTH = 512 }; /* sets that are done side by side when they do not lie in one piece */

static void exp_float(float *x, int64_t n)
{
    mq_vexp(x, x, n);
}

static void exp_double(double *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = exp(x[i]);
}

#define SOFTMAX(T)                                                                                                    \
    MQ_CLONES(void, less_##T, (const T *x, int64_t n, T off, T *y), (x, n, off, y))                                   \
    {                                                                                                                 \
        for (int64_t i = 0; i < n; i++)                                                                               \
            y[i] = x[i] - off;                                                                                        \
    }                                                                                                                 \
    MQ_CLONES(void, times_##T, (T *y, int64_t n, T f), (y, n, f))                                                     \
    {                                                                                                                 \
        for (int64_t i = 0; i < n; i++)                                                                               \
            y[i] *= f;                                                                                                \
    }                                                                                                                 \
    static void row_##T(mq_dtype dtype, const T *x, int64_t n, T *y)                                                  \
    {                                                                                                                 \
        less_##T(x, n, (T)mq_largest(dtype, x, n), y);                                                                \
        exp_##T(y, n);                                                                                                \
        times_##T(y, n, (T)(1 / mq_sum(dtype, y, n)));                                                                \
    }                                                                                                                 \
    static void log_row_##T(mq_dtype dtype, const T *x, int64_t n, T *y)                                              \
    {                                                                                                                 \
        enum { PIECE = 256 };                                                                                         \
        T e[PIECE];                                                                                                   \
        double sum = 0;                                                                                               \
        less_##T(x, n, (T)mq_largest(dtype, x, n), y);                                                                \
        for (int64_t i = 0; i < n; i += PIECE) {                                                                      \
            const int64_t m = n - i < PIECE ? n - i : PIECE;                                                          \
            less_##T(y + i, m, 0, e);                                                                                 \
            exp_##T(e, m);                                                                                            \
            sum += mq_sum(dtype, e, m);                                                                               \
        }                                                                                                             \
        less_##T(y, n, (T)log(sum), y);                                                                               \
    }                                                                                                                 \
    /* `width` sets side by side; their elements are `inner` apart. */                                                \
    static void sets_##T(const T *x, int64_t n, int64_t inner, int64_t width, T *y, bool as_log)                      \
    {                                                                                                                 \
        T most[WIDTH], e[WIDTH];                                                                                      \
        double sum[WIDTH];                                                                                            \
        for (int64_t j = 0; j < width; j++) {                                                                         \
            most[j] = (T)-INFINITY;                                                                                   \
            sum[j] = 0;                                                                                               \
        }                                                                                                             \
        for (int64_t i = 0; i < n; i++)                                                                               \
            for (int64_t j = 0; j < width; j++)                                                                       \
                most[j] = x[i * inner + j] > most[j] ? x[i * inner + j] : most[j];                                    \
        for (int64_t i = 0; i < n; i++) {                                                                             \
            for (int64_t j = 0; j < width; j++)                                                                       \
                e[j] = x[i * inner + j] - most[j];                                                                    \
            for (int64_t j = 0; as_log && j < width; j++)                                                             \
                y[i * inner + j] = e[j];                                                                              \
            exp_##T(e, width);                                                                                        \
            for (int64_t j = 0; j < width; j++)                                                                       \
                sum[j] += (double)e[j];                                                                               \
            for (int64_t j = 0; !as_log && j < width; j++)                                                            \
                y[i * inner + j] = e[j];                                                                              \
        }                                                                                                             \
        for (int64_t j = 0; j < width; j++)                                                                           \
            e[j] = (T)(as_log ? log(sum[j]) : 1 / sum[j]);                                                            \
        for (int64_t i = 0; i < n; i++)                                                                               \
            for (int64_t j = 0; j < width; j++)                                                                       \
                y[i * inner + j] = as_log ? y[i * inner + j] - e[j] : y[i * inner + j] * e[j];                        \
    }
SOFTMAX(float)
SOFTMAX(double)

void mq_softmax_row(mq_dtype dtype, const void *x, int64_t n, void *y, bool log)
{
    if (dtype == MQ_FLOAT)
        log ? log_row_float(dtype, x, n, y) : row_float(dtype, x, n, y);
    else
        log ? log_row_double(dtype, x, n, y) : row_double(dtype, x, n, y);
}

void mq_softmax(const mq_call *c, mq_dtype dtype, int64_t outer, int64_t n, int64_t inner, const void *x, void *y, bool log)
{
    if (outer == 0 || n == 0 || inner == 0)
        return;
    const int64_t pieces = (inner + WIDTH - 1) / WIDTH;
    const int threads = mq_call_threads(c, outer * n * inner);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t t = 0; t < outer * pieces; t++) {
        const int64_t j = t % pieces * WIDTH, at = t / pieces * n * inner + j, width = inner - j < WIDTH ? inner - j : WIDTH;
        if (dtype == MQ_FLOAT && inner > 1)
            sets_float((const float *)x + at, n, inner, width, (float *)y + at, log);
        else if (inner > 1)
            sets_double((const double *)x + at, n, inner, width, (double *)y + at, log);
        else if (dtype == MQ_FLOAT)
            mq_softmax_row(dtype, (const float *)x + at, n, (float *)y + at, log);
        else
            mq_softmax_row(dtype, (const double *)x + at, n, (double *)y + at, log);
    }
}

static mq_status softmax(mq_call *c, bool log)
{
    void *y = NULL;
    int axis = 0;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 1));
    const mq_array *x = c->in[0];
    if (x->dtype != MQ_FLOAT && x->dtype != MQ_DOUBLE)
        return mq_call_bad_type(c, x->dtype);
    MQ_TRY(mq_call_axis(c, mq_node_attr_int(c->node, "axis", -1), x->rank, &axis));
    MQ_TRY(mq_call_out_over(c, 0, 0, x->dtype, x->rank, x->dims, &y));
    if (x->count > 0)
        mq_softmax(c, x->dtype, mq_span(x->dims, 0, axis), x->dims[axis], mq_span(x->dims, axis + 1, x->rank), x->data, y,
                   log);
done:
    return rc;
}

static mq_status op_softmax(mq_call *c)
{
    return softmax(c, false);
}

static mq_status op_log_softmax(mq_call *c)
{
    return softmax(c, true);
}

const mq_kernel mq_kernels_softmax[] = {
    { "", "LogSoftmax", op_log_softmax, MQ_KERNEL_WIDEN },
    { "", "Softmax", op_softmax, MQ_KERNEL_WIDEN },
    { 0 },
};
