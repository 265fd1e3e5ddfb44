/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Scaled dot-product attention: a block of queries of one head at a time, so that only that block's scores are in memory. */
#include "exec/ref/attention_core.h"

#ifdef _OPENMP
#include <omp.h>
#endif
#include <math.h>
#include <string.h>

#include "exec/ref/gemm.h"
#include "exec/ref/sums.h"
#include "exec/ref/util.h"
#include "exec/ref/vmath.h"

enum { ROWS = 48 };

static void exp_f32(float *x, int64_t n)
{
    mq_vexp(x, x, n);
}

static void exp_f64(double *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = exp(x[i]);
}

#define T float
#define N(name) name##_f32
#include "exec/ref/attention.inc"
#undef T
#undef N
#define T double
#define N(name) name##_f64
#include "exec/ref/attention.inc"
#undef T
#undef N

mq_heads mq_heads_apart(const void *data, int64_t heads, int64_t rows, int64_t n)
{
    return (mq_heads){ data, heads * rows * n, rows * n, n };
}

mq_heads mq_heads_joined(const void *data, int64_t heads, int64_t rows, int64_t n)
{
    return (mq_heads){ data, heads * rows * n, n, heads * n };
}

mq_status mq_attention_set_mask(mq_call *c, const mq_attention *t, const mq_array *a, mq_attention_mask *m)
{
    const int64_t dims[4] = { t->batch, t->heads, t->queries, t->keys };
    int64_t strides[MQ_MAX_RANK];
    char text[160];

    memset(m, 0, sizeof *m);
    mq_array_text(a, text, sizeof text);
    if (a->dtype != MQ_BOOL && a->dtype != MQ_FLOAT && a->dtype != MQ_DOUBLE && !mq_dtype_is_integer(a->dtype))
        return mq_call_bad_type(c, a->dtype);
    if (a->rank < 1 || a->rank > 4)
        return mq_call_fail(c, "mask is %s; 1 to 4 axes are allowed", text);
    mq_strides(a->rank, a->dims, strides);
    for (int k = 0; k < a->rank; k++) {
        const int d = 4 - a->rank + k;
        if (d < 3 && a->dims[k] != 1 && a->dims[k] != dims[d])
            return mq_call_fail(c, "mask is %s, which does not stretch to [%lld, %lld, %lld, %lld]", text,
                                (long long)dims[0], (long long)dims[1], (long long)dims[2], (long long)dims[3]);
        m->strides[d] = a->dims[k] == 1 && d < 3 ? 0 : strides[k];
    }
    m->keys = a->dims[a->rank - 1];
    if (m->keys > t->keys)
        return mq_call_fail(c, "mask is %s; there are %lld keys", text, (long long)t->keys);
    m->a = a;
    return MQ_OK;
}

mq_status mq_attention_run(mq_call *c, const mq_attention *t)
{
    const size_t elem = (size_t)mq_dtype_bits(t->dtype) / 8;
    const int64_t blocks = (t->queries + ROWS - 1) / ROWS, n = t->batch * t->heads * blocks;
    const mq_gemm first = { .dtype = t->dtype, .m = ROWS, .n = t->keys, .k = t->size };
    const mq_gemm second = { .dtype = t->dtype, .m = ROWS, .n = t->v_size, .k = t->keys };
    const size_t a = mq_gemm_scratch(&first), b = mq_gemm_scratch(&second);
    const size_t size = ((size_t)(ROWS + 1) * (size_t)t->keys * elem + 191) / 64 * 64 + (a > b ? a : b);
    const double work = (double)n * ROWS * (double)t->keys * (double)(t->size + t->v_size);
    int threads = mq_call_threads(c, work < 1e15 ? (int64_t)work : (int64_t)1e15);

    if (n == 0)
        return MQ_OK;
    threads = threads > n ? (int)n : threads;
    char *memory = mq_call_scratch(c, size * (size_t)threads);
    if (!memory)
        return MQ_ERR_NOMEM;
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < n; i++) {
        char *mine = memory;
#ifdef _OPENMP
        mine += size * (size_t)omp_get_thread_num();
#endif
        const int64_t bh = i / blocks;
        if (t->dtype == MQ_FLOAT)
            block_f32(t, bh / t->heads, bh % t->heads, i % blocks * ROWS, mine);
        else
            block_f64(t, bh / t->heads, bh % t->heads, i % blocks * ROWS, mine);
    }
    return MQ_OK;
}
