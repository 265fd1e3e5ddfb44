/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* ReduceTo and ReluGrad (ops/grad_ops.h). */
#include <string.h>

#include "exec/ref/families.h"
#include "exec/ref/grad_core.h"
#include "exec/ref/util.h"
#include "ops/grad_ops.h"

#define RELU_GRAD(T)                                                                                        \
    MQ_CLONES(void, relu_grad_##T, (const T *y, const T *dy, int64_t n, T *dx), (y, dy, n, dx))             \
    {                                                                                                       \
        MQ_LANES                                                                                            \
        for (int64_t i = 0; i < n; i++)                                                                     \
            dx[i] = y[i] > 0 ? dy[i] : 0;                                                                   \
    }
RELU_GRAD(float)
RELU_GRAD(double)

static mq_status op_relu_grad(mq_call *c)
{
    void *dx = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_grad_need(c, 2));
    const mq_array *y = c->in[0], *dy = c->in[1];
    MQ_TRY(mq_grad_want_shape(c, 1, y->rank, y->dims, "input 0"));
    MQ_TRY(mq_call_out_over(c, 0, 1, y->dtype, y->rank, y->dims, &dx));
    const int64_t n = (int64_t)y->count, piece = 16384;
    const int threads = mq_call_threads(c, n);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t k = 0; k < n; k += piece) {
        const int64_t m = n - k < piece ? n - k : piece;

        if (y->dtype == MQ_FLOAT)
            relu_grad_float((const float *)y->data + k, (const float *)dy->data + k, m, (float *)dx + k);
        else
            relu_grad_double((const double *)y->data + k, (const double *)dy->data + k, m, (double *)dx + k);
    }
done:
    return rc;
}

/* ---- ReduceTo ----------------------------------------------------------------------------------------------------- */

/* dy seen from the result: the axes that stay, and those that are summed, each with their strides in dy. Neighbours of one
 * kind are one axis. */
typedef struct reduction {
    int rank, summed_rank;
    int64_t dims[MQ_MAX_RANK], strides[MQ_MAX_RANK];
    int64_t summed[MQ_MAX_RANK], summed_strides[MQ_MAX_RANK];
    int64_t n, n_summed;
} reduction;

static mq_status read_reduction(mq_call *c, reduction *r)
{
    const mq_array *dy = c->in[0], *like = c->in[1];
    const int ahead = dy->rank - like->rank;
    int64_t strides[MQ_MAX_RANK];

    memset(r, 0, sizeof *r);
    r->n = r->n_summed = 1;
    mq_strides(dy->rank, dy->dims, strides);
    for (int d = 0; d < dy->rank; d++) {
        const int64_t dim = dy->dims[d], kept = d < ahead ? 1 : like->dims[d - ahead];

        if (ahead < 0 || (kept != dim && kept != 1))
            return mq_call_fail(c, "the gradient's shape is not that of input 1, broadcast");
        if (dim == 1)
            continue;
        if (kept == dim) {
            r->dims[r->rank] = dim;
            r->strides[r->rank++] = strides[d];
            r->n *= dim;
        } else {
            r->summed[r->summed_rank] = dim;
            r->summed_strides[r->summed_rank++] = strides[d];
            r->n_summed *= dim;
        }
    }
    return ahead < 0 ? mq_call_fail(c, "the gradient has fewer axes than input 1") : MQ_OK;
}

enum { LANES = 64 }; /* results that are summed side by side */

/* Results [from, from + m), neighbours in dy (or the last axis, `step` apart), summed in dy's order. */
#define REDUCE(T)                                                                                                      \
    static void reduce_##T(const reduction *r, const T *dy, int64_t first, int64_t m, int64_t step, T *dx)             \
    {                                                                                                                  \
        const int last = r->summed_rank - 1;                                                                           \
        const int64_t inner = r->summed[last], inner_step = r->summed_strides[last], outer = r->n_summed / inner;      \
        double sum[LANES] = { 0 };                                                                                     \
        for (int64_t k = 0; k < outer; k++) {                                                                          \
            const T *at = dy + first + mq_offset_at(last, r->summed, r->summed_strides, k);                            \
            for (int64_t i = 0; i < inner; i++, at += inner_step)                                                      \
                for (int64_t j = 0; j < m; j++)                                                                        \
                    sum[j] += (double)at[j * step];                                                                    \
        }                                                                                                              \
        for (int64_t j = 0; j < m; j++)                                                                                \
            dx[j] = (T)sum[j];                                                                                         \
    }
REDUCE(float)
REDUCE(double)

static mq_status op_reduce_to(mq_call *c)
{
    reduction r;
    void *dx = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_grad_need(c, 2));
    const mq_array *dy = c->in[0], *like = c->in[1];
    MQ_TRY(read_reduction(c, &r));
    if (r.n_summed == 1)
        return mq_call_out_view(c, 0, 0, like->rank, like->dims);
    MQ_TRY(mq_call_out(c, 0, dy->dtype, like->rank, like->dims, &dx));
    if (like->count == 0 || !dx)
        return MQ_OK;
    if (dy->count == 0) {
        memset(dx, 0, mq_array_bytes(c->out[0]));
        return MQ_OK;
    }
    const int last = r.rank - 1;
    const int64_t row = r.rank ? r.dims[last] : 1, step = r.rank ? r.strides[last] : 1, pieces = (row + LANES - 1) / LANES;
    const int threads = mq_call_threads(c, (int64_t)dy->count);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t k = 0; k < r.n / row * pieces; k++) {
        const int64_t from = k % pieces * LANES, m = row - from < LANES ? row - from : LANES;
        const int64_t at = (last > 0 ? mq_offset_at(last, r.dims, r.strides, k / pieces) : 0) + from * step;
        const int64_t to = k / pieces * row + from;

        if (dy->dtype == MQ_FLOAT)
            reduce_float(&r, dy->data, at, m, step, (float *)dx + to);
        else
            reduce_double(&r, dy->data, at, m, step, (double *)dx + to);
    }
done:
    return rc;
}

const mq_kernel mq_kernels_grad[] = {
    { MQ_GRAD_DOMAIN, "ReduceTo", op_reduce_to, 0 },
    { MQ_GRAD_DOMAIN, "ReluGrad", op_relu_grad, 0 },
    { 0 },
};
