/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Weights as matrices, by operator. */
#include "hessian/reduction.h"

#include <string.h>

/* Product of dims[from..to); -1 when it overflows or a size is negative. */
static int64_t product(const int64_t *dims, int from, int to)
{
    int64_t n = 1;

    for (int i = from; i < to; i++)
        if (dims[i] < 0 || __builtin_mul_overflow(n, dims[i], &n))
            return -1;
    return n;
}

static bool conv(mq_reduction *r)
{
    const int64_t taps = r->rank >= 3 ? product(r->dims, 2, r->rank) : -1;

    r->groups = mq_node_attr_int(r->node, "group", 1);
    if (taps < 1 || r->groups < 1 || r->dims[0] % r->groups != 0)
        return false;
    r->windows = true;
    r->rows = r->dims[0] / r->groups;
    r->run = r->dims[1];
    r->cols = r->run * taps;
    r->group_step = r->rows * r->cols;
    r->row_step = r->cols;
    r->run_step = 1;
    r->col_step = taps;
    return true;
}

/* [channels in, channels out of a group, taps]: what a pixel gives to each tap's result. */
static bool conv_transpose(mq_reduction *r)
{
    r->groups = mq_node_attr_int(r->node, "group", 1);
    if (r->rank < 3 || r->groups < 1 || r->dims[0] % r->groups != 0)
        return false;
    r->axis = 1;
    r->rows = product(r->dims, 1, r->rank);
    r->run = r->cols = r->dims[0] / r->groups;
    r->col_step = r->rows;
    r->row_step = 1;
    r->group_step = r->rows * r->cols;
    return true;
}

/* A matrix whose rows (results) lie along axis 0 or 1. */
static bool matrix(mq_reduction *r, int result_axis, int axis)
{
    if (r->rank != 2)
        return false;
    r->axis = axis;
    r->groups = 1;
    r->rows = r->dims[result_axis];
    r->run = r->cols = r->dims[1 - result_axis];
    r->row_step = result_axis == 0 ? r->dims[1] : 1;
    r->col_step = result_axis == 0 ? 1 : r->dims[1];
    return true;
}

static bool gemm(mq_reduction *r)
{
    const bool trans_a = mq_node_attr_int(r->node, "transA", 0) != 0, trans_b = mq_node_attr_int(r->node, "transB", 0) != 0;

    if (r->weight == 1)
        return matrix(r, trans_b ? 0 : 1, trans_a ? 0 : 1);
    return r->weight == 0 && matrix(r, trans_a ? 1 : 0, trans_b ? 1 : 0);
}

static bool matmul(mq_reduction *r)
{
    if (r->weight == 1)
        return matrix(r, 1, -1);
    return r->weight == 0 && matrix(r, 0, -2);
}

/* W is [directions, gates, inputs]; all directions see the same vectors. */
static bool recurrent(mq_reduction *r)
{
    if (r->rank != 3 || r->weight != 1)
        return false;
    r->axis = -1;
    r->groups = 1;
    r->rows = product(r->dims, 0, 2);
    r->run = r->cols = r->row_step = r->dims[2];
    r->col_step = 1;
    return true;
}

bool mq_reduction_of(mq_reduction *out, const mq_node *n, size_t weight, int rank, const int64_t *dims)
{
    mq_reduction r = { .node = n, .weight = weight, .rank = rank, .x = weight == 0 ? 1 : 0 };
    bool known = false;

    if (rank < 1 || rank > MQ_MAX_RANK || r.x >= n->n_inputs || !n->inputs[r.x] || product(dims, 0, rank) < 1)
        return false;
    memcpy(r.dims, dims, (size_t)rank * sizeof *dims);
    if (mq_node_is(n, "", "Conv"))
        known = weight == 1 && conv(&r);
    else if (mq_node_is(n, "", "ConvTranspose"))
        known = weight == 1 && conv_transpose(&r);
    else if (mq_node_is(n, "", "Gemm"))
        known = gemm(&r);
    else if (mq_node_is(n, "", "MatMul"))
        known = matmul(&r);
    else if (mq_node_is(n, "", "LSTM") || mq_node_is(n, "", "GRU") || mq_node_is(n, "", "RNN"))
        known = recurrent(&r);
    if (known)
        *out = r;
    return known;
}

/* What shapes windows, and nothing else does. */
static bool same_windows(const mq_node *a, const mq_node *b)
{
    static const char *const lists[] = { "strides", "dilations", "pads" };
    static const char *const ways[] = { "SAME_UPPER", "SAME_LOWER", "VALID" };

    for (size_t i = 0; i < 3; i++) {
        size_t n_a = 0, n_b = 0;
        const int64_t *of_a = mq_node_attr_ints(a, lists[i], &n_a), *of_b = mq_node_attr_ints(b, lists[i], &n_b);
        if (n_a != n_b || (n_a && memcmp(of_a, of_b, n_a * sizeof *of_a) != 0))
            return false;
        if (mq_node_attr_is(a, "auto_pad", ways[i]) != mq_node_attr_is(b, "auto_pad", ways[i]))
            return false;
    }
    return true;
}

bool mq_reduction_same_vectors(const mq_reduction *a, const mq_reduction *b)
{
    if (a->node->inputs[a->x] != b->node->inputs[b->x] || a->windows != b->windows || a->groups != b->groups ||
        a->cols != b->cols || a->run != b->run)
        return false;
    if (!a->windows)
        return a->axis == b->axis;
    return a->rank == b->rank && memcmp(a->dims + 2, b->dims + 2, (size_t)(a->rank - 2) * sizeof *a->dims) == 0 &&
           same_windows(a->node, b->node);
}

int64_t mq_reduction_at(const mq_reduction *r, int64_t group, int64_t row, int64_t col)
{
    return group * r->group_step + row * r->row_step + col / r->run * r->run_step + col % r->run * r->col_step;
}

void mq_reduction_gather(const mq_reduction *r, const float *weight, int64_t group, float *out)
{
    for (int64_t row = 0; row < r->rows; row++)
        for (int64_t col = 0; col < r->cols; col += r->run, out += r->run) {
            const float *from = weight + mq_reduction_at(r, group, row, col);
            for (int64_t c = 0; c < r->run; c++)
                out[c] = from[c * r->col_step];
        }
}

void mq_reduction_scatter(const mq_reduction *r, const float *in, int64_t group, float *weight)
{
    for (int64_t row = 0; row < r->rows; row++)
        for (int64_t col = 0; col < r->cols; col += r->run, in += r->run) {
            float *to = weight + mq_reduction_at(r, group, row, col);
            for (int64_t c = 0; c < r->run; c++)
                to[c * r->col_step] = in[c];
        }
}
