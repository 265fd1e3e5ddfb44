/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The Reduce operators. The input is seen as [outer, n, inner] with n reduced, transposed first where it is not so.
 * Sums of floats are kept in double, of integers modulo 2^64; the order of additions does not depend on threads. */
#include <math.h>

#include "exec/ref/util.h"

#define REDUCE_LANES 256 /* neighbours along the inner axes that are worked on together */

typedef enum reduce_kind {
    REDUCE_SUM,
    REDUCE_MEAN,
    REDUCE_L1,
    REDUCE_L2,
    REDUCE_SUM_SQUARE,
    REDUCE_LOG_SUM,
    REDUCE_LOG_SUM_EXP,
    REDUCE_PROD,
    REDUCE_MAX,
    REDUCE_MIN,
} reduce_kind;

typedef struct reduce_job {
    reduce_kind kind;
    int64_t outer, n, inner;
    bool is_bool;
} reduce_job;

/* ---- one element type --------------------------------------------------------------------------------------------- */

static double finish_float(const reduce_job *j, double acc)
{
    switch (j->kind) {
    case REDUCE_MEAN: return acc / (double)j->n;
    case REDUCE_L2: return sqrt(acc);
    case REDUCE_LOG_SUM: return log(acc);
    default: return acc;
    }
}

/* Means are rounded towards 0; the mean of nothing is 0. */
static uint64_t finish_unsigned(const reduce_job *j, uint64_t acc)
{
    switch (j->kind) {
    case REDUCE_MEAN: return j->n > 0 ? acc / (uint64_t)j->n : 0;
    case REDUCE_L2: return (uint64_t)sqrt((double)acc);
    default: return acc;
    }
}

static uint64_t finish_signed(const reduce_job *j, uint64_t acc)
{
    if (j->kind == REDUCE_MEAN)
        return j->n > 0 ? (uint64_t)((int64_t)acc / j->n) : 0;
    return finish_unsigned(j, acc);
}

#define T float
#define ACC double
#define FN(name) name##_float
#define ABSOLUTE(x, v) fabs(v)
#define IS_NAN(x) isnan(x)
#define FINISH(j, acc) finish_float(j, acc)
#define LOWEST (-INFINITY)
#define HIGHEST INFINITY
#include "exec/ref/reduce.inc"

#define T double
#define ACC double
#define FN(name) name##_double
#define ABSOLUTE(x, v) fabs(v)
#define IS_NAN(x) isnan(x)
#define FINISH(j, acc) finish_float(j, acc)
#define LOWEST (-(double)INFINITY)
#define HIGHEST (double)INFINITY
#include "exec/ref/reduce.inc"

#define T int8_t
#define ACC uint64_t
#define FN(name) name##_int8
#define ABSOLUTE(x, v) ((x) < 1 ? 0 - (v) : (v)) /* 1: no warning about unsigned types */
#define IS_NAN(x) false
#define FINISH(j, acc) finish_signed(j, acc)
#define LOWEST INT8_MIN
#define HIGHEST INT8_MAX
#include "exec/ref/reduce.inc"

#define T uint8_t
#define ACC uint64_t
#define FN(name) name##_uint8
#define ABSOLUTE(x, v) ((x) < 1 ? 0 - (v) : (v)) /* 1: no warning about unsigned types */
#define IS_NAN(x) false
#define FINISH(j, acc) finish_unsigned(j, acc)
#define LOWEST 0
#define HIGHEST UINT8_MAX
#include "exec/ref/reduce.inc"

#define T int16_t
#define ACC uint64_t
#define FN(name) name##_int16
#define ABSOLUTE(x, v) ((x) < 1 ? 0 - (v) : (v)) /* 1: no warning about unsigned types */
#define IS_NAN(x) false
#define FINISH(j, acc) finish_signed(j, acc)
#define LOWEST INT16_MIN
#define HIGHEST INT16_MAX
#include "exec/ref/reduce.inc"

#define T uint16_t
#define ACC uint64_t
#define FN(name) name##_uint16
#define ABSOLUTE(x, v) ((x) < 1 ? 0 - (v) : (v)) /* 1: no warning about unsigned types */
#define IS_NAN(x) false
#define FINISH(j, acc) finish_unsigned(j, acc)
#define LOWEST 0
#define HIGHEST UINT16_MAX
#include "exec/ref/reduce.inc"

#define T int32_t
#define ACC uint64_t
#define FN(name) name##_int32
#define ABSOLUTE(x, v) ((x) < 1 ? 0 - (v) : (v)) /* 1: no warning about unsigned types */
#define IS_NAN(x) false
#define FINISH(j, acc) finish_signed(j, acc)
#define LOWEST INT32_MIN
#define HIGHEST INT32_MAX
#include "exec/ref/reduce.inc"

#define T uint32_t
#define ACC uint64_t
#define FN(name) name##_uint32
#define ABSOLUTE(x, v) ((x) < 1 ? 0 - (v) : (v)) /* 1: no warning about unsigned types */
#define IS_NAN(x) false
#define FINISH(j, acc) finish_unsigned(j, acc)
#define LOWEST 0
#define HIGHEST UINT32_MAX
#include "exec/ref/reduce.inc"

#define T int64_t
#define ACC uint64_t
#define FN(name) name##_int64
#define ABSOLUTE(x, v) ((x) < 1 ? 0 - (v) : (v)) /* 1: no warning about unsigned types */
#define IS_NAN(x) false
#define FINISH(j, acc) finish_signed(j, acc)
#define LOWEST INT64_MIN
#define HIGHEST INT64_MAX
#include "exec/ref/reduce.inc"

#define T uint64_t
#define ACC uint64_t
#define FN(name) name##_uint64
#define ABSOLUTE(x, v) ((x) < 1 ? 0 - (v) : (v)) /* 1: no warning about unsigned types */
#define IS_NAN(x) false
#define FINISH(j, acc) finish_unsigned(j, acc)
#define LOWEST 0
#define HIGHEST UINT64_MAX
#include "exec/ref/reduce.inc"

typedef void (*reduce_fn)(const reduce_job *j, const void *in, void *to, int64_t o, int64_t from, int64_t m);

/* NULL: a type that cannot be reduced so. */
static reduce_fn find_fn(mq_dtype dtype, reduce_kind kind)
{
    const bool real = kind == REDUCE_LOG_SUM || kind == REDUCE_LOG_SUM_EXP;

    switch (dtype) {
    case MQ_FLOAT: return reduce_float;
    case MQ_DOUBLE: return reduce_double;
    case MQ_INT8: return real ? NULL : reduce_int8;
    case MQ_UINT8: return real ? NULL : reduce_uint8;
    case MQ_INT16: return real ? NULL : reduce_int16;
    case MQ_UINT16: return real ? NULL : reduce_uint16;
    case MQ_INT32: return real ? NULL : reduce_int32;
    case MQ_UINT32: return real ? NULL : reduce_uint32;
    case MQ_INT64: return real ? NULL : reduce_int64;
    case MQ_UINT64: return real ? NULL : reduce_uint64;
    case MQ_BOOL: return kind == REDUCE_MAX || kind == REDUCE_MIN ? reduce_uint8 : NULL;
    default: return NULL;
    }
}

/* log(sum(exp(x))) of one lane, without overflow. */
static double log_sum_exp(mq_dtype dtype, const void *x, int64_t n, int64_t step)
{
    double max = -(double)INFINITY, sum = 0;

    for (int64_t i = 0; i < n; i++) {
        const double v = dtype == MQ_FLOAT ? (double)((const float *)x)[i * step] : ((const double *)x)[i * step];

        max = v > max || isnan(v) ? v : max;
    }
    if (!isfinite(max))
        return max;
    for (int64_t i = 0; i < n; i++)
        sum += exp((dtype == MQ_FLOAT ? (double)((const float *)x)[i * step] : ((const double *)x)[i * step]) - max);
    return max + log(sum);
}

/* ---- the operators ------------------------------------------------------------------------------------------------ */

static void run_log_sum_exp(const reduce_job *j, mq_dtype dtype, const void *in, void *out, int threads)
{
    const size_t elem = dtype == MQ_FLOAT ? sizeof(float) : sizeof(double);

    #pragma omp parallel for num_threads(threads)
    for (int64_t lane = 0; lane < j->outer * j->inner; lane++) {
        const int64_t at = lane / j->inner * j->n * j->inner + lane % j->inner;
        const double v = log_sum_exp(dtype, (const char *)in + (size_t)at * elem, j->n, j->inner);

        if (dtype == MQ_FLOAT)
            ((float *)out)[lane] = (float)v;
        else
            ((double *)out)[lane] = v;
    }
}

static void run(const reduce_job *j, reduce_fn fn, const void *in, void *out, int threads)
{
    const int64_t blocks = (j->inner + REDUCE_LANES - 1) / REDUCE_LANES;

    #pragma omp parallel for num_threads(threads)
    for (int64_t b = 0; b < j->outer * blocks; b++) {
        const int64_t from = b % blocks * REDUCE_LANES, left = j->inner - from;

        fn(j, in, out, b / blocks, from, left < REDUCE_LANES ? left : REDUCE_LANES);
    }
}

/* Fills outer, n, inner; *data is the input's elements, or a copy with the reduced axes last. */
static mq_status arrange(mq_call *c, const bool *flag, reduce_job *j, const void **data)
{
    const mq_array *a = c->in[0];
    int64_t before[3] = { 1, 1, 1 }; /* kept, reduced, kept */
    int perm[MQ_MAX_RANK], part = 0, r = 0;
    void *copy;

    for (int i = 0; i < a->rank; i++) {
        if (a->dims[i] == 1)
            continue;
        part += part < 3 && flag[i] != (part == 1);
        if (part < 3)
            before[part] = (int64_t)((uint64_t)before[part] * (uint64_t)a->dims[i]); /* dims beside a 0 may be anything */
    }
    *data = a->data;
    if (part < 3) {
        j->outer = part == 0 ? 1 : before[0]; /* nothing reduced: all are lanes of one */
        j->n = before[1];
        j->inner = part == 0 ? before[0] : before[2];
        return MQ_OK;
    }
    j->outer = j->n = j->inner = 1;
    for (int turn = 0; turn < 2; turn++)
        for (int i = 0; i < a->rank; i++)
            if (flag[i] == (turn == 1)) {
                perm[r++] = i;
                if (turn == 1)
                    j->n = (int64_t)((uint64_t)j->n * (uint64_t)a->dims[i]);
                else
                    j->outer *= a->dims[i];
            }
    if (!(copy = mq_call_scratch(c, mq_array_bytes(a))))
        return MQ_ERR_NOMEM;
    mq_transpose(a->data, copy, a->rank, a->dims, perm, mq_array_elem_size(a), c->n_threads);
    *data = copy;
    return MQ_OK;
}

static mq_status reduce(mq_call *c, reduce_kind kind)
{
    const bool keep = mq_node_attr_int(c->node, "keepdims", 1) != 0;
    reduce_job j = { .kind = kind };
    const mq_array *a;
    bool flag[MQ_MAX_RANK], given;
    int64_t dims[MQ_MAX_RANK];
    const void *data;
    reduce_fn fn;
    int rank = 0;
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 1));
    a = c->in[0];
    j.is_bool = a->dtype == MQ_BOOL;
    if (!(fn = find_fn(a->dtype, kind)))
        return mq_call_bad_type(c, a->dtype);
    MQ_TRY(mq_call_axes(c, 1, "axes", a->rank, flag, &given));
    for (int i = 0; i < a->rank; i++) {
        flag[i] |= !given && mq_node_attr_int(c->node, "noop_with_empty_axes", 0) == 0;
        if (!flag[i] || keep)
            dims[rank++] = flag[i] ? 1 : a->dims[i];
    }
    MQ_TRY(mq_call_out(c, 0, a->dtype, rank, dims, &out));
    if (!out || c->out[0]->count == 0)
        return MQ_OK;
    MQ_TRY(arrange(c, flag, &j, &data));
    if (kind == REDUCE_LOG_SUM_EXP)
        run_log_sum_exp(&j, a->dtype, data, out, mq_call_threads(c, 16 * (int64_t)a->count));
    else
        run(&j, fn, data, out, mq_call_threads(c, (int64_t)a->count));
done:
    return rc;
}

static mq_status op_reduce_l1(mq_call *c)
{
    return reduce(c, REDUCE_L1);
}

static mq_status op_reduce_l2(mq_call *c)
{
    return reduce(c, REDUCE_L2);
}

static mq_status op_reduce_log_sum(mq_call *c)
{
    return reduce(c, REDUCE_LOG_SUM);
}

static mq_status op_reduce_log_sum_exp(mq_call *c)
{
    return reduce(c, REDUCE_LOG_SUM_EXP);
}

static mq_status op_reduce_max(mq_call *c)
{
    return reduce(c, REDUCE_MAX);
}

static mq_status op_reduce_mean(mq_call *c)
{
    return reduce(c, REDUCE_MEAN);
}

static mq_status op_reduce_min(mq_call *c)
{
    return reduce(c, REDUCE_MIN);
}

static mq_status op_reduce_prod(mq_call *c)
{
    return reduce(c, REDUCE_PROD);
}

static mq_status op_reduce_sum(mq_call *c)
{
    return reduce(c, REDUCE_SUM);
}

static mq_status op_reduce_sum_square(mq_call *c)
{
    return reduce(c, REDUCE_SUM_SQUARE);
}

const mq_kernel mq_kernels_reduce[] = {
    { "", "ReduceL1", op_reduce_l1, MQ_KERNEL_WIDEN },
    { "", "ReduceL2", op_reduce_l2, MQ_KERNEL_WIDEN },
    { "", "ReduceLogSum", op_reduce_log_sum, MQ_KERNEL_WIDEN },
    { "", "ReduceLogSumExp", op_reduce_log_sum_exp, MQ_KERNEL_WIDEN },
    { "", "ReduceMax", op_reduce_max, MQ_KERNEL_WIDEN },
    { "", "ReduceMean", op_reduce_mean, MQ_KERNEL_WIDEN },
    { "", "ReduceMin", op_reduce_min, MQ_KERNEL_WIDEN },
    { "", "ReduceProd", op_reduce_prod, MQ_KERNEL_WIDEN },
    { "", "ReduceSum", op_reduce_sum, MQ_KERNEL_WIDEN },
    { "", "ReduceSumSquare", op_reduce_sum_square, MQ_KERNEL_WIDEN },
    { 0 },
};
