/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What leaves the elements as they are and changes the shape, or asks for it: Identity, Flatten, Squeeze, Unsqueeze,
 * Transpose, Expand, Shape, Size. Reshape is in reshape.c. Contents go along. */
#include "base/compiler.h"
#include "ops/contents.h"
#include "ops/families.h"
#include "ops/reshape.h"

/* Also of sequences and optionals (since opset 14). */
static mq_status infer_identity(mq_infer *in)
{
    const mq_type *t = mq_in_type(in, 0);

    if (t && t->kind != MQ_TYPE_TENSOR)
        return mq_out_type(in, 0, t);
    MQ_RULE_TRY(mq_out_like(in, 0, 0));
    return mq_out_contents_of(in, 0, 0);
}

/* Product of dims from..to-1. */
static mq_dim product(mq_infer *in, const mq_dim *dims, int from, int to)
{
    mq_dim p = MQ_DIM(1);

    for (int i = from; i < to; i++)
        p = mq_dim_mul(in, p, dims[i]);
    return p;
}

/* The axis may be the rank itself: everything goes into the first dimension. */
static mq_status infer_flatten(mq_infer *in)
{
    int64_t axis = mq_node_attr_int(in->node, "axis", 1);
    const mq_dim *dims = mq_in_dims(in, 0);
    const int rank = mq_in_rank(in, 0);
    mq_dim out[2] = { MQ_DIM_UNKNOWN, MQ_DIM_UNKNOWN };

    if (!dims)
        return mq_out_shape(in, 0, 2, out);
    if (axis < -rank || axis > rank)
        return mq_fail(in->err, MQ_ERR_INPUT, "axis %lld is outside -%d..%d", (long long)axis, rank, rank);
    if (axis < 0)
        axis += rank;
    out[0] = product(in, dims, 0, (int)axis);
    out[1] = product(in, dims, (int)axis, rank);
    MQ_RULE_TRY(mq_out_shape(in, 0, 2, out));
    return mq_out_contents_of(in, 0, 0);
}

/* ---- Squeeze, Unsqueeze ------------------------------------------------------------------------------------------- */

/* Axes are an attribute before opset 13 and an input since. */
static mq_status read_axes(mq_infer *in, mq_elems *axes)
{
    return in->version < 13 ? mq_attr_elems(in, "axes", axes) : mq_in_elems(in, 1, axes);
}

static bool axes_given(const mq_infer *in)
{
    return in->version < 13 ? mq_node_attr(in->node, "axes") != NULL : mq_in_has(in, 1);
}

/* Without axes every dimension of size 1 goes: the rank is known only when every size is, or cannot be 1. */
static mq_status squeeze_ones(mq_infer *in, int rank, const mq_dim *dims)
{
    mq_dim *out = mq_dims_new(in, rank);
    int n = 0;

    if (!out)
        return mq_oom(in->err);
    for (int i = 0; i < rank; i++) {
        if (!mq_dim_known(dims[i]))
            return mq_out_rank(in, 0, -1);
        if (dims[i].value != 1)
            out[n++] = dims[i];
    }
    return mq_out_shape(in, 0, n, out);
}

static mq_status squeeze_axes(mq_infer *in, int rank, const mq_dim *dims, const int *at, int n_axes)
{
    bool *gone = mq_arena_calloc(in->model->arena, (size_t)rank, sizeof *gone);
    mq_dim *out = mq_dims_new(in, rank);
    int n = 0;

    if (!gone || !out)
        return mq_oom(in->err);
    for (int k = 0; k < n_axes; k++) {
        if (mq_dim_known(dims[at[k]]) && dims[at[k]].value != 1)
            return mq_fail(in->err, MQ_ERR_INPUT, "axis %d has size %lld, only size 1 can be removed", at[k],
                           (long long)dims[at[k]].value);
        gone[at[k]] = true;
    }
    for (int i = 0; i < rank; i++)
        if (!gone[i])
            out[n++] = dims[i];
    return mq_out_shape(in, 0, n, out);
}

static mq_status infer_squeeze(mq_infer *in)
{
    const mq_dim *dims = mq_in_dims(in, 0);
    const int rank = mq_in_rank(in, 0);
    mq_elems axes;
    bool known;
    int *at;

    if (!dims)
        return mq_out_rank(in, 0, -1);
    if (!axes_given(in)) {
        MQ_RULE_TRY(squeeze_ones(in, rank, dims));
        return mq_out_contents_of(in, 0, 0);
    }
    MQ_RULE_TRY(read_axes(in, &axes));
    /* an empty list removes nothing in NumPy and every 1 in ONNX Runtime: not known here */
    if (axes.n <= 0)
        return mq_out_rank(in, 0, -1);
    MQ_RULE_TRY(mq_axes_norm(in, axes, rank, &at, &known));
    if (!known)
        return mq_out_rank(in, 0, -1);
    MQ_RULE_TRY(squeeze_axes(in, rank, dims, at, axes.n));
    return mq_out_contents_of(in, 0, 0);
}

static mq_status infer_unsqueeze(mq_infer *in)
{
    const mq_dim *dims = mq_in_dims(in, 0);
    const int rank = mq_in_rank(in, 0);
    mq_elems axes;
    mq_dim *out;
    bool known, *added;
    int *at;

    MQ_RULE_TRY(read_axes(in, &axes));
    if (!dims || axes.n < 0)
        return mq_out_rank(in, 0, -1);
    MQ_RULE_TRY(mq_axes_norm(in, axes, rank + axes.n, &at, &known));
    out = mq_dims_new(in, rank + axes.n);
    added = mq_arena_calloc(in->model->arena, (size_t)(rank + axes.n), sizeof *added);
    if (!out || !added)
        return mq_oom(in->err);
    if (!known)
        return mq_out_shape(in, 0, rank + axes.n, out);
    for (int k = 0; k < axes.n; k++)
        added[at[k]] = true;
    for (int i = 0, k = 0; i < rank + axes.n; i++)
        out[i] = added[i] ? MQ_DIM(1) : dims[k++];
    MQ_RULE_TRY(mq_out_shape(in, 0, rank + axes.n, out));
    return mq_out_contents_of(in, 0, 0);
}

/* ---- Transpose, Expand -------------------------------------------------------------------------------------------- */

/* at NULL: all axes in reverse. */
static mq_status transpose_contents(mq_infer *in, int rank, const int *at)
{
    int64_t *own, *strides = mq_arena_calloc(in->model->arena, (size_t)rank, sizeof *strides);

    if (!strides)
        return mq_oom(in->err);
    MQ_RULE_TRY(mq_in_strides(in, &own));
    if (!own)
        return MQ_OK;
    for (int i = 0; i < rank; i++)
        strides[i] = own[at ? at[i] : rank - 1 - i];
    return mq_out_contents_strided(in, 0, 0, strides);
}

static mq_status infer_transpose(mq_infer *in)
{
    const mq_dim *dims = mq_in_dims(in, 0);
    int rank = mq_in_rank(in, 0);
    mq_elems perm;
    mq_dim *out;
    bool known;
    int *at;

    MQ_RULE_TRY(mq_attr_elems(in, "perm", &perm));
    if (rank >= 0 && perm.n >= 0 && perm.n != rank)
        return mq_fail(in->err, MQ_ERR_INPUT, "attribute 'perm' has %d entries, the input has rank %d", perm.n, rank);
    rank = rank < 0 ? perm.n : rank;
    if (rank < 0)
        return mq_out_rank(in, 0, -1);
    for (int i = 0; i < perm.n; i++)
        if (perm.e[i].value < 0)
            return mq_fail(in->err, MQ_ERR_INPUT, "attribute 'perm' holds %lld", (long long)perm.e[i].value);
    MQ_RULE_TRY(mq_axes_norm(in, perm, rank, &at, &known));
    out = mq_dims_new(in, rank);
    if (!out)
        return mq_oom(in->err);
    for (int i = 0; dims && i < rank; i++)
        out[i] = dims[perm.n >= 0 ? at[i] : rank - 1 - i];
    MQ_RULE_TRY(mq_out_shape(in, 0, rank, out));
    return transpose_contents(in, rank, perm.n >= 0 ? at : NULL);
}

/* Input 0's elements again and again: along what is added or was 1 the stride is 0. */
static mq_status expand_contents(mq_infer *in, int rank, const mq_dim *out)
{
    const int added = rank - mq_in_rank(in, 0);
    const mq_dim *dims = mq_in_dims(in, 0);
    int64_t *own, *strides = mq_arena_calloc(in->model->arena, (size_t)rank, sizeof *strides);

    if (!strides)
        return mq_oom(in->err);
    MQ_RULE_TRY(mq_in_strides(in, &own));
    if (!own)
        return MQ_OK;
    for (int k = added; k < rank; k++)
        strides[k] = dims[k - added].value == out[k].value ? own[k - added] : 0;
    return mq_out_contents_strided(in, 0, 0, strides);
}

static mq_status infer_expand(mq_infer *in)
{
    const mq_dim *dims = mq_in_dims(in, 0);
    mq_dim *target, *out;
    int n_target, rank;

    MQ_RULE_TRY(mq_in_shape(in, 1, &n_target, &target));
    if (!dims || n_target < 0)
        return mq_out_rank(in, 0, -1);
    MQ_RULE_TRY(mq_broadcast(in, 2, (const mq_dim *const[]){ dims, target }, (const int[]){ mq_in_rank(in, 0), n_target },
                             &rank, &out));
    MQ_RULE_TRY(mq_out_shape(in, 0, rank, out));
    return expand_contents(in, rank, out);
}

/* ---- Shape, Size -------------------------------------------------------------------------------------------------- */

/* A bound of Shape's slice: counted from the end when negative, then clamped into 0..rank. */
static int clamp_bound(int64_t at, int rank)
{
    if (at < 0)
        at = at < -rank ? 0 : at + rank;
    return at > rank ? rank : (int)at;
}

static mq_status infer_shape(mq_infer *in)
{
    const mq_dim *dims = mq_in_dims(in, 0);
    const int rank = mq_in_rank(in, 0);
    mq_dim n = MQ_DIM_UNKNOWN, *elems;
    int start, end;

    MQ_RULE_TRY(mq_out_dtype(in, 0, MQ_INT64));
    if (!dims)
        return mq_out_shape(in, 0, 1, &n);
    start = clamp_bound(mq_node_attr_int(in->node, "start", 0), rank);
    end = clamp_bound(mq_node_attr_int(in->node, "end", rank), rank);
    n = MQ_DIM(end > start ? end - start : 0);
    elems = mq_dims_new(in, (int)n.value);
    if (!elems)
        return mq_oom(in->err);
    for (int i = 0; i < (int)n.value; i++)
        elems[i] = mq_elem_of_dim(dims[start + i]);
    MQ_RULE_TRY(mq_out_shape(in, 0, 1, &n));
    return mq_out_contents(in, 0, elems, (size_t)n.value);
}

static mq_status infer_size(mq_infer *in)
{
    const mq_dim *dims = mq_in_dims(in, 0);
    mq_dim count;

    MQ_RULE_TRY(mq_out_dtype(in, 0, MQ_INT64));
    MQ_RULE_TRY(mq_out_shape(in, 0, 0, &(mq_dim){ 0 }));
    if (!dims)
        return MQ_OK;
    count = mq_elem_of_dim(product(in, dims, 0, mq_in_rank(in, 0)));
    return mq_out_contents(in, 0, &count, 1);
}

const mq_op_rule mq_rules_shape[] = {
    { "", "Expand", infer_expand, NULL, NULL },
    { "", "Flatten", infer_flatten, NULL, NULL },
    { "", "Identity", infer_identity, NULL, NULL },
    { "", "Reshape", mq_infer_reshape, NULL, NULL },
    { "", "Shape", infer_shape, NULL, NULL },
    { "", "Size", infer_size, NULL, NULL },
    { "", "Squeeze", infer_squeeze, NULL, NULL },
    { "", "Transpose", infer_transpose, NULL, NULL },
    { "", "Unsqueeze", infer_unsqueeze, NULL, NULL },
};
const size_t mq_rules_shape_n = MQ_ARRAY_LEN(mq_rules_shape);
