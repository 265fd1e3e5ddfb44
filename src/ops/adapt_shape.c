/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Adapters of operators that move, cut and join data. Most steps add types; the others turn lists in attributes into
 * inputs.
 *
 * OneHot (11): negative indices count from the end now; before they were not allowed. */
#include "base/compiler.h"
#include "ops/adapters.h"

static mq_status axes_13(mq_node *n, int to, mq_error *err)
{
    (void)to;
    return mq_adapt_list_to_input(n, "axes", 1, err);
}

/* An empty list is what "equal parts" looks like in some files. */
static mq_status split_13(mq_node *n, int to, mq_error *err)
{
    const mq_attr *split = mq_node_attr(n, "split");

    (void)to;
    if (split && !split->ref && split->n == 0) {
        mq_node_remove_attr(n, "split");
        return MQ_OK;
    }
    return mq_adapt_list_to_input(n, "split", 1, err);
}

/* Equal parts must be counted now. */
static mq_status split_18(mq_node *n, int to, mq_error *err)
{
    (void)to;
    if (mq_adapt_input(n, 1))
        return MQ_OK;
    return mq_node_set_attr_int(n, "num_outputs", (int64_t)n->n_outputs, err);
}

static mq_status slice_10(mq_node *n, int to, mq_error *err)
{
    mq_status rc = MQ_OK;

    (void)to;
    MQ_TRY(mq_adapt_list_to_input(n, "starts", 1, err));
    MQ_TRY(mq_adapt_list_to_input(n, "ends", 2, err));
    MQ_TRY(mq_adapt_list_to_input(n, "axes", 3, err));
done:
    return rc;
}

/* The value that a Pad of version 2 fills with; 0 where none is asked for or the mode takes none. */
static float pad_value(const mq_node *n)
{
    bool constant = !mq_node_attr(n, "mode") || mq_node_attr_is(n, "mode", "constant");
    return constant ? mq_node_attr_float(n, "value", 0) : 0;
}

static mq_status check_pad_11(const mq_node *n, int to, mq_error *err)
{
    mq_status rc = mq_adapt_check_plain(n, to, err);

    if (rc == MQ_OK && pad_value(n) != 0)
        rc = mq_adapt_check_dtype(n, err);
    return rc;
}

static mq_status pad_11(mq_node *n, int to, mq_error *err)
{
    float value = pad_value(n);
    mq_value *v = NULL;
    mq_status rc;

    MQ_TRY(check_pad_11(n, to, err));
    MQ_TRY(mq_adapt_list_to_input(n, "pads", 1, err));
    if (value != 0) {
        MQ_TRY(mq_adapt_scalar(n, "value", mq_adapt_dtype(n, 0), value, &v, err));
        MQ_TRY(mq_node_set_input(n, 2, v, err));
    }
    mq_node_remove_attr(n, "value");
done:
    return rc;
}

static mq_status scatter_11(mq_node *n, int to, mq_error *err)
{
    (void)to;
    return mq_adapt_rename(n, "ScatterElements", err);
}

/* ---- rows --------------------------------------------------------------------------------------------------------- */

const mq_op_adapter mq_adapters_shape[] = {
    { "Compress", 11 }, { "Compress", 28 },
    { "Concat", 11 }, { "Concat", 13 },
    { "Expand", 13 },
    { "EyeLike", 22 },
    { "Flatten", 9 }, { "Flatten", 11 }, { "Flatten", 13 }, { "Flatten", 21 }, { "Flatten", 23 },
    { "Flatten", 24 }, { "Flatten", 25 },
    { "Gather", 11 }, { "Gather", 13 },
    { "GatherElements", 13 },
    { "GatherND", 12 }, { "GatherND", 13 },
    { "NonZero", 13 },
    { "OneHot", 11 }, { "OneHot", 28 },
    { "Pad", 11, pad_11, check_pad_11 }, { "Pad", 13 }, { "Pad", 18 }, { "Pad", 19 }, { "Pad", 21 },
    { "Pad", 23 }, { "Pad", 24 }, { "Pad", 25 },
    { "Range", 27 },
    { "Reshape", 13 }, { "Reshape", 14 }, { "Reshape", 19 }, { "Reshape", 21 }, { "Reshape", 23 },
    { "Reshape", 24 }, { "Reshape", 25 },
    { "ReverseSequence", 28 },
    { "Scatter", 11, scatter_11, NULL },
    { "ScatterElements", 13 }, { "ScatterElements", 16 }, { "ScatterElements", 18 },
    { "ScatterND", 13 }, { "ScatterND", 16 }, { "ScatterND", 18 },
    { "Shape", 13 }, { "Shape", 15 }, { "Shape", 19 }, { "Shape", 21 }, { "Shape", 23 }, { "Shape", 24 },
    { "Shape", 25 },
    { "Size", 13 }, { "Size", 19 }, { "Size", 21 }, { "Size", 23 }, { "Size", 24 }, { "Size", 25 },
    { "Slice", 10, slice_10, mq_adapt_check_plain }, { "Slice", 11 }, { "Slice", 13 },
    { "Split", 11 }, { "Split", 13, split_13, mq_adapt_check_lists }, { "Split", 18, split_18, NULL },
    { "Squeeze", 11 }, { "Squeeze", 13, axes_13, mq_adapt_check_lists }, { "Squeeze", 21 }, { "Squeeze", 23 },
    { "Squeeze", 24 }, { "Squeeze", 25 },
    { "Tile", 13 },
    { "Transpose", 13 }, { "Transpose", 21 }, { "Transpose", 23 }, { "Transpose", 24 }, { "Transpose", 25 },
    { "Unique", 28 },
    { "Unsqueeze", 11 }, { "Unsqueeze", 13, axes_13, mq_adapt_check_lists }, { "Unsqueeze", 21 },
    { "Unsqueeze", 23 }, { "Unsqueeze", 24 }, { "Unsqueeze", 25 },
    { "Where", 16 },
};
const size_t mq_adapters_shape_n = MQ_ARRAY_LEN(mq_adapters_shape);
