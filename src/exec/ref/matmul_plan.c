/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* How a matrix product of two arrays is made of products of matrices. */
#include <string.h>

#include "exec/ref/matmul.h"
#include "exec/ref/util.h"

/* One operand: a matrix and the axes that it is repeated over. */
typedef struct view {
    int n_batch;
    int64_t batch[MQ_MAX_RANK], strides[MQ_MAX_RANK];
    int64_t rows, cols, row, col; /* sizes and strides of the matrix */
} view;

static void view_of(const mq_array *a, mq_matmul_side side, bool right, view *v)
{
    int64_t strides[MQ_MAX_RANK];
    const int last = a->rank - 1;

    mq_strides(a->rank, a->dims, strides);
    memset(v, 0, sizeof *v);
    if (a->rank == 1) {
        *v = (view){ .rows = right ? a->dims[0] : 1, .cols = right ? 1 : a->dims[0], .row = 1, .col = 1 };
        return;
    }
    const int row = side.batch_first_row ? 0 : last - 1;
    for (int d = 0; d < last; d++) {
        if (d != row) {
            v->batch[v->n_batch] = a->dims[d];
            v->strides[v->n_batch++] = strides[d];
        }
    }
    v->rows = side.transposed ? a->dims[last] : a->dims[row];
    v->cols = side.transposed ? a->dims[row] : a->dims[last];
    v->row = side.transposed ? strides[last] : strides[row];
    v->col = side.transposed ? strides[row] : strides[last];
}

/* Right-aligned broadcasting of the batch axes of both; strides of stretched axes become 0. */
static mq_status broadcast(mq_call *c, view *a, view *b, int64_t *dims, int *n)
{
    view *both[] = { a, b };

    *n = a->n_batch > b->n_batch ? a->n_batch : b->n_batch;
    for (int s = 0; s < 2; s++) {
        view *v = both[s];
        const int gap = *n - v->n_batch;
        memmove(v->batch + gap, v->batch, (size_t)v->n_batch * sizeof *v->batch);
        memmove(v->strides + gap, v->strides, (size_t)v->n_batch * sizeof *v->strides);
        for (int d = 0; d < gap; d++)
            v->batch[d] = 1;
    }
    for (int d = 0; d < *n; d++) {
        if (a->batch[d] != b->batch[d] && a->batch[d] != 1 && b->batch[d] != 1)
            return mq_call_fail(c, "batch axes have %lld and %lld elements", (long long)a->batch[d], (long long)b->batch[d]);
        dims[d] = a->batch[d] == 1 ? b->batch[d] : a->batch[d];
        for (int s = 0; s < 2; s++) {
            if (both[s]->batch[d] == 1)
                both[s]->strides[d] = 0;
        }
    }
    return MQ_OK;
}

/* Batches of A that all meet the same B and lie behind each other are one tall matrix. */
static bool merge_batches(const view *a, const view *b, int n, int64_t batch, mq_gemm *g)
{
    int64_t step = g->m * g->a_row;

    for (int d = n - 1; d >= 0; d--) {
        if (b->strides[d] != 0 && b->batch[d] != 1)
            return false;
        if (a->batch[d] != 1 && a->strides[d] != step)
            return false;
        if (a->batch[d] == 1 && b->batch[d] != 1)
            return false;
        step *= a->batch[d];
    }
    g->m *= batch;
    g->batch = 1;
    return true;
}

static mq_status batch_offsets(mq_call *c, const view *a, const view *b, int n, const int64_t *dims, mq_gemm *g)
{
    int64_t *at = mq_call_scratch(c, (size_t)g->batch * 3 * sizeof *at);

    if (!at)
        return MQ_ERR_NOMEM;
    for (int64_t q = 0; q < g->batch; q++) {
        at[q] = mq_offset_at(n, dims, a->strides, q);
        at[g->batch + q] = mq_offset_at(n, dims, b->strides, q);
        at[2 * g->batch + q] = q * g->m * g->n;
    }
    g->a_at = at;
    g->b_at = at + g->batch;
    g->c_at = at + 2 * g->batch;
    return MQ_OK;
}

mq_status mq_matmul_plan(mq_call *c, const mq_array *a, const mq_array *b, mq_matmul_side ta, mq_matmul_side tb,
                         mq_matmul *m)
{
    mq_gemm *g = &m->g;
    view va, vb;
    int n = 0;
    mq_status rc = MQ_OK;

    memset(m, 0, sizeof *m);
    if (a->rank < 1 || b->rank < 1)
        return mq_call_fail(c, "a scalar is no operand of a matrix product");
    view_of(a, ta, false, &va);
    view_of(b, tb, true, &vb);
    if (va.cols != vb.rows)
        return mq_call_fail(c, "rows of the left side have %lld elements, columns of the right side %lld",
                            (long long)va.cols, (long long)vb.rows);
    MQ_TRY(broadcast(c, &va, &vb, m->dims, &n));
    *g = (mq_gemm){ .m = va.rows, .n = vb.cols, .k = va.cols, .a_row = va.row, .a_col = va.col, .b_row = vb.row,
                    .b_col = vb.col, .c_row = vb.cols, .batch = 1 };
    m->rank = n;
    if (a->rank > 1)
        m->dims[m->rank++] = va.rows;
    if (b->rank > 1)
        m->dims[m->rank++] = vb.cols;
    for (int d = 0; d < m->rank; d++) {
        if (m->dims[d] == 0) { /* no product is asked for; other dims may be of any size */
            g->batch = 0;
            goto done;
        }
    }
    for (int d = 0; d < n; d++) {
        if (__builtin_mul_overflow(g->batch, m->dims[d], &g->batch) || g->batch > INT64_MAX / 64)
            return mq_call_fail(c, "the result is too large");
    }
    const int64_t batch = g->batch;
    if (batch > 1 && !merge_batches(&va, &vb, n, batch, g))
        MQ_TRY(batch_offsets(c, &va, &vb, n, m->dims, g));
done:
    return rc;
}
