/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Picking and placing elements by index: Gather and Scatter in their forms, TopK, OneHot, Unique, NonZero, Compress, and
 * what moves elements within an unchanged shape (ReverseSequence, Trilu). Contents flow through Gather only, which is how
 * single sizes are taken out of a shape. */
#include "base/compiler.h"
#include "ops/contents.h"
#include "ops/families.h"

/* ---- Gather ------------------------------------------------------------------------------------------------------- */

/* Elements of a vector at known places; a place outside is an error. */
static mq_status gather_contents(mq_infer *in)
{
    size_t n, n_at;
    const mq_dim *e = mq_in_known(in, 0, &n), *at = mq_in_known(in, 1, &n_at);
    mq_dim *elems;

    if (!e || !at || n > MQ_KNOWN_MAX || n_at > MQ_KNOWN_MAX)
        return MQ_OK;
    elems = mq_dims_new(in, (int)n_at);
    if (!elems)
        return mq_oom(in->err);
    for (size_t k = 0; k < n_at; k++) {
        const int64_t i = at[k].value < 0 ? at[k].value + (int64_t)n : at[k].value;

        elems[k] = MQ_ELEM_UNKNOWN;
        if (!mq_elem_known(at[k]))
            continue;
        if (i < 0 || i >= (int64_t)n)
            return mq_fail(in->err, MQ_ERR_INPUT, "index %lld is outside a vector of %zu", (long long)at[k].value, n);
        elems[k] = e[i];
    }
    return mq_out_contents(in, 0, elems, n_at);
}

static mq_status infer_gather(mq_infer *in)
{
    const mq_dim *data = mq_in_dims(in, 0), *indices = mq_in_dims(in, 1);
    const int r = mq_in_rank(in, 0), q = mq_in_rank(in, 1);
    int axis, n = 0;
    mq_dim *out;

    if (r == 0)
        return mq_fail(in->err, MQ_ERR_INPUT, "the data are a scalar");
    if (!data || !indices)
        return mq_out_rank(in, 0, -1);
    MQ_RULE_TRY(mq_norm_axis(in, mq_node_attr_int(in->node, "axis", 0), r, &axis));
    out = mq_dims_new(in, r + q - 1);
    if (!out)
        return mq_oom(in->err);
    for (int i = 0; i < axis; i++)
        out[n++] = data[i];
    for (int i = 0; i < q; i++)
        out[n++] = indices[i];
    for (int i = axis + 1; i < r; i++)
        out[n++] = data[i];
    MQ_RULE_TRY(mq_out_shape(in, 0, n, out));
    return r == 1 ? gather_contents(in) : MQ_OK;
}

/* As many results as indices, each in its place. */
static mq_status infer_gather_elements(mq_infer *in)
{
    const int r = mq_in_rank(in, 0), q = mq_in_rank(in, 1);
    int axis;

    if (r >= 0 && q >= 0 && r != q)
        return mq_fail(in->err, MQ_ERR_INPUT, "the data have rank %d, the indices %d", r, q);
    if (r >= 0)
        MQ_RULE_TRY(mq_norm_axis(in, mq_node_attr_int(in->node, "axis", 0), r, &axis));
    return mq_out_shape(in, 0, q, mq_in_dims(in, 1));
}

/* indices[..., k] pick slices of data behind its first batch + k dimensions. */
static mq_status infer_gather_nd(mq_infer *in)
{
    const mq_dim *data = mq_in_dims(in, 0), *indices = mq_in_dims(in, 1);
    const int r = mq_in_rank(in, 0), q = mq_in_rank(in, 1);
    const int64_t batch = mq_node_attr_int(in->node, "batch_dims", 0);
    int64_t k;
    int n = 0;
    mq_dim *out;

    if (!data || !indices)
        return mq_out_rank(in, 0, -1);
    if (r < 1 || q < 1)
        return mq_fail(in->err, MQ_ERR_INPUT, "the data have rank %d, the indices %d, both must be at least 1", r, q);
    if (batch < 0 || batch >= r || batch >= q)
        return mq_fail(in->err, MQ_ERR_INPUT, "attribute 'batch_dims' is %lld, the ranks are %d and %d", (long long)batch,
                       r, q);
    if (!mq_dim_known(indices[q - 1]))
        return mq_out_rank(in, 0, -1);
    k = indices[q - 1].value;
    if (k < 1 || k > r - batch)
        return mq_fail(in->err, MQ_ERR_INPUT, "the last dimension of the indices is %lld, it must be 1 to %lld",
                       (long long)k, (long long)(r - batch));
    out = mq_dims_new(in, q + r);
    if (!out)
        return mq_oom(in->err);
    for (int i = 0; i < q - 1; i++)
        out[n++] = indices[i];
    for (int i = (int)(batch + k); i < r; i++)
        out[n++] = data[i];
    return mq_out_shape(in, 0, n, out);
}

/* ---- Scatter ------------------------------------------------------------------------------------------------------ */

/* The updates have the shape of the indices, the result that of the data. */
static mq_status infer_scatter_elements(mq_infer *in)
{
    const int rank = mq_in_rank(in, 0);
    int axis;

    for (size_t i = 1; i < 3; i++)
        if (rank >= 0 && mq_in_rank(in, i) >= 0 && mq_in_rank(in, i) != rank)
            return mq_fail(in->err, MQ_ERR_INPUT, "input %zu has rank %d, the data have %d", i, mq_in_rank(in, i), rank);
    if (rank >= 0)
        MQ_RULE_TRY(mq_norm_axis(in, mq_node_attr_int(in->node, "axis", 0), rank, &axis));
    return mq_out_like(in, 0, 0);
}

static mq_status infer_scatter_nd(mq_infer *in)
{
    const mq_dim *indices = mq_in_dims(in, 1);
    const int r = mq_in_rank(in, 0), q = mq_in_rank(in, 1);

    if (r == 0 || q == 0)
        return mq_fail(in->err, MQ_ERR_INPUT, "the data and the indices must have rank 1 at least");
    if (r > 0 && indices && mq_dim_known(indices[q - 1]) && indices[q - 1].value > r)
        return mq_fail(in->err, MQ_ERR_INPUT, "the last dimension of the indices is %lld, the data have rank %d",
                       (long long)indices[q - 1].value, r);
    return mq_out_like(in, 0, 0);
}

/* The sequence axis cannot be the batch, which is axis 0. */
static mq_status infer_tensor_scatter(mq_infer *in)
{
    const int rank = mq_in_rank(in, 0);
    int axis = -1;

    if (rank >= 0) {
        MQ_RULE_TRY(mq_norm_axis(in, mq_node_attr_int(in->node, "axis", -2), rank, &axis));
        if (axis == 0)
            return mq_fail(in->err, MQ_ERR_INPUT, "axis 0 is the batch and cannot be the sequence");
    }
    return mq_out_like(in, 0, 0);
}

/* ---- choosing ----------------------------------------------------------------------------------------------------- */

/* Without an axis the input counts as flat. How many are taken is known only when it runs. */
static mq_status infer_compress(mq_infer *in)
{
    const mq_attr *a = mq_node_attr(in->node, "axis");
    int rank, axis;
    mq_dim *out;

    MQ_RULE_TRY(mq_want_rank(in, 1, 1, 1));
    if (!a)
        return mq_out_rank(in, 0, 1);
    MQ_RULE_TRY(mq_dims_copy_in(in, 0, &rank, &out));
    if (!out)
        return mq_out_rank(in, 0, rank);
    MQ_RULE_TRY(mq_norm_axis(in, mq_node_attr_int(in->node, "axis", 0), rank, &axis));
    out[axis] = MQ_DIM_UNKNOWN;
    return mq_out_shape(in, 0, rank, out);
}

/* One row per dimension, one column per element found. */
static mq_status infer_non_zero(mq_infer *in)
{
    const int rank = mq_in_rank(in, 0);
    const mq_dim out[2] = { rank < 0 ? MQ_DIM_UNKNOWN : MQ_DIM(rank), MQ_DIM_UNKNOWN };

    return mq_out_shape(in, 0, 2, out);
}

/* Of the outputs only the inverse indices have a length that is known: one for each element or slice of the input. */
static mq_status infer_unique(mq_infer *in)
{
    const bool flat = mq_node_attr(in->node, "axis") == NULL;
    mq_dim *out, inverse = MQ_DIM(1);
    int rank, axis;

    MQ_RULE_TRY(mq_out_rank(in, 1, 1));
    MQ_RULE_TRY(mq_out_rank(in, 3, 1));
    MQ_RULE_TRY(mq_dims_copy_in(in, 0, &rank, &out));
    if (!out) {
        MQ_RULE_TRY(mq_out_rank(in, 2, 1));
        return mq_out_rank(in, 0, flat ? 1 : rank);
    }
    if (flat) {
        for (int i = 0; i < rank; i++)
            inverse = mq_dim_mul(in, inverse, out[i]);
        MQ_RULE_TRY(mq_out_rank(in, 0, 1));
    } else {
        MQ_RULE_TRY(mq_norm_axis(in, mq_node_attr_int(in->node, "axis", 0), rank, &axis));
        inverse = out[axis];
        out[axis] = MQ_DIM_UNKNOWN;
        MQ_RULE_TRY(mq_out_shape(in, 0, rank, out));
    }
    return mq_out_shape(in, 2, 1, &inverse);
}

/* k is an attribute before opset 10 and an input since. */
static mq_status infer_top_k(mq_infer *in)
{
    const mq_dim k = in->version < 10 ? MQ_DIM(mq_node_attr_int(in->node, "k", INT64_MIN)) : mq_in_element(in, 1);
    mq_dim *out;
    int rank, axis;

    MQ_RULE_TRY(mq_dims_copy_in(in, 0, &rank, &out));
    if (mq_elem_known(k) && k.value < 0)
        return mq_fail(in->err, MQ_ERR_INPUT, "%lld elements are asked for", (long long)k.value);
    for (size_t i = 0; i < 2; i++)
        MQ_RULE_TRY(mq_out_rank(in, i, rank));
    if (!out)
        return MQ_OK;
    MQ_RULE_TRY(mq_norm_axis(in, mq_node_attr_int(in->node, "axis", -1), rank, &axis));
    if (mq_elem_known(k) && mq_dim_known(out[axis]) && k.value > out[axis].value)
        return mq_fail(in->err, MQ_ERR_INPUT, "%lld elements are asked for, the axis has %lld", (long long)k.value,
                       (long long)out[axis].value);
    out[axis] = mq_dim_of_elem(k);
    for (size_t i = 0; i < 2; i++)
        MQ_RULE_TRY(mq_out_shape(in, i, rank, out));
    return MQ_OK;
}

/* The depth becomes a dimension, by default the last. */
static mq_status infer_one_hot(mq_infer *in)
{
    const mq_dim *dims = mq_in_dims(in, 0), depth = mq_in_element(in, 1);
    const int rank = mq_in_rank(in, 0);
    mq_dim *out;
    int axis;

    if (mq_elem_known(depth) && depth.value < 0)
        return mq_fail(in->err, MQ_ERR_INPUT, "the depth is %lld", (long long)depth.value);
    if (!dims)
        return mq_out_rank(in, 0, rank < 0 ? -1 : rank + 1);
    MQ_RULE_TRY(mq_norm_axis(in, mq_node_attr_int(in->node, "axis", -1), rank + 1, &axis));
    out = mq_dims_new(in, rank + 1);
    if (!out)
        return mq_oom(in->err);
    for (int i = 0, k = 0; i <= rank; i++)
        out[i] = i == axis ? mq_dim_of_elem(depth) : dims[k++];
    return mq_out_shape(in, 0, rank + 1, out);
}

/* ---- within the shape --------------------------------------------------------------------------------------------- */

static mq_status infer_reverse_sequence(mq_infer *in)
{
    if (mq_in_rank(in, 0) >= 0 && mq_in_rank(in, 0) < 2)
        return mq_fail(in->err, MQ_ERR_INPUT, "the input has rank %d, it must be 2 at least", mq_in_rank(in, 0));
    MQ_RULE_TRY(mq_want_rank(in, 1, 1, 1));
    return mq_out_like(in, 0, 0);
}

static mq_status infer_trilu(mq_infer *in)
{
    if (mq_in_rank(in, 0) >= 0 && mq_in_rank(in, 0) < 2)
        return mq_fail(in->err, MQ_ERR_INPUT, "the input has rank %d, it must be 2 at least", mq_in_rank(in, 0));
    return mq_out_like(in, 0, 0);
}

/* A row of the table is a row of the weight. */
static const mq_quant_traits quant_gather = { .weight_input = 0, .weight_input2 = -1, .channel_axis = 0, .embedding = true };

const mq_op_rule mq_rules_gather[] = {
    { "", "Compress", infer_compress, NULL, NULL },
    { "", "Gather", infer_gather, NULL, &quant_gather },
    { "", "GatherElements", infer_gather_elements, NULL, NULL },
    { "", "GatherND", infer_gather_nd, NULL, NULL },
    { "", "NonZero", infer_non_zero, NULL, NULL },
    { "", "OneHot", infer_one_hot, NULL, NULL },
    { "", "ReverseSequence", infer_reverse_sequence, NULL, NULL },
    { "", "Scatter", infer_scatter_elements, NULL, NULL },
    { "", "ScatterElements", infer_scatter_elements, NULL, NULL },
    { "", "ScatterND", infer_scatter_nd, NULL, NULL },
    { "", "TensorScatter", infer_tensor_scatter, NULL, NULL },
    { "", "TopK", infer_top_k, NULL, NULL },
    { "", "Trilu", infer_trilu, NULL, NULL },
    { "", "Unique", infer_unique, NULL, NULL },
};
const size_t mq_rules_gather_n = MQ_ARRAY_LEN(mq_rules_gather);
