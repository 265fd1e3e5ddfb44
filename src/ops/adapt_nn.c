/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Adapters of layers: convolution, pooling, normalization, softmax, recurrent networks, matrix products.
 *
 * Steps that say more clearly what runtimes have always done have no function: padding of ConvTranspose with an output
 * shape (11), windows of the pools that start in the padding (22), the count of AveragePool with ceil_mode (19).
 * LayerNormalization was in runtimes before it was in ONNX (17), in the same form. */
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "ops/adapters.h"

/* ---- BatchNormalization ------------------------------------------------------------------------------------------- */

static bool asks_for_output(const mq_node *n, size_t first)
{
    for (size_t i = first; i < n->n_outputs; i++)
        if (n->outputs[i])
            return true;
    return false;
}

static mq_status check_batch_norm_9(const mq_node *n, int to, mq_error *err)
{
    if (mq_node_attr_int(n, "spatial", 1) == 0 && asks_for_output(n, 1))
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "it trains with spatial=0, which opset 9 has no form for");
    return mq_adapt_check_plain(n, to, err);
}

/* Statistics per element (spatial=0): the same as statistics per channel of the flattened input. */
static mq_status batch_norm_9(mq_node *n, int to, mq_error *err)
{
    static const int64_t flat = -1;
    bool spatial = mq_node_attr_int(n, "spatial", 1) != 0;
    mq_value *x = mq_adapt_input(n, 0), *v, *in[2];
    mq_status rc = MQ_OK;

    (void)to;
    mq_node_remove_attr(n, "spatial");
    if (spatial || !x || n->n_inputs != 5 || !mq_adapt_output(n, 0))
        return MQ_OK;
    MQ_TRY(mq_adapt_before(n, "Flatten", "flat", 1, &x, &v, NULL, err));
    MQ_TRY(mq_node_set_input(n, 0, v, err));
    MQ_TRY(mq_adapt_ints(n, "list", &flat, 1, &in[1], err));
    for (size_t i = 1; i < 5; i++) {
        in[0] = n->inputs[i];
        MQ_TRY(mq_adapt_before(n, "Reshape", "list", 2, in, &v, NULL, err));
        MQ_TRY(mq_node_set_input(n, i, v, err));
    }
    MQ_TRY(mq_adapt_restore_shape(n, x, err));
done:
    return rc;
}

static mq_status check_batch_norm_14(const mq_node *n, int to, mq_error *err)
{
    for (size_t i = 3; i < n->n_outputs; i++)
        if (n->outputs[i] && !mq_value_unused(n->outputs[i]))
            return mq_fail(err, MQ_ERR_UNSUPPORTED, "its output '%s' (saved statistics) is used, and opset %d has none",
                           n->outputs[i]->name, to);
    return MQ_OK;
}

/* Before 14, further outputs are what says that the node trains. */
static mq_status batch_norm_14(mq_node *n, int to, mq_error *err)
{
    bool trains = asks_for_output(n, 1);
    mq_status rc = check_batch_norm_14(n, to, err);

    if (rc == MQ_OK)
        rc = mq_adapt_drop_outputs(n, trains ? 3 : 1, err);
    if (rc == MQ_OK && trains)
        rc = mq_node_set_attr_int(n, "training_mode", 1, err);
    return rc;
}

/* Runtimes had one in ai.onnx before ONNX did, with other attributes. */
static mq_status check_mean_variance_9(const mq_node *n, int to, mq_error *err)
{
    (void)n;
    return mq_fail(err, MQ_ERR_UNSUPPORTED, "before opset %d it is not ONNX's operator", to);
}

/* ---- Dropout ------------------------------------------------------------------------------------------------------ */

/* The mask has another type from 10 on, and from 12 on other contents where nothing is trained. */
static mq_status check_dropout(const mq_node *n, int to, mq_error *err)
{
    const mq_value *mask = mq_adapt_output(n, 1);

    if (mask && !mq_value_unused(mask))
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "its mask '%s' is used, which opset %d makes differently", mask->name,
                       to);
    return mq_adapt_check_plain(n, to, err);
}

static mq_status dropout_10(mq_node *n, int to, mq_error *err)
{
    mq_status rc = check_dropout(n, to, err);
    return rc == MQ_OK ? mq_adapt_drop_outputs(n, 1, err) : rc;
}

/* The ratio counts in training only, but it is the author's: it stays, as an input. */
static mq_status dropout_12(mq_node *n, int to, mq_error *err)
{
    mq_value *ratio = NULL;
    mq_status rc;

    MQ_TRY(dropout_10(n, to, err));
    if (!mq_node_attr(n, "ratio"))
        return MQ_OK;
    MQ_TRY(mq_adapt_scalar(n, "ratio", MQ_FLOAT, mq_node_attr_float(n, "ratio", 0.5f), &ratio, err));
    MQ_TRY(mq_node_set_input(n, 1, ratio, err));
    mq_node_remove_attr(n, "ratio");
done:
    return rc;
}

/* ---- GroupNormalization ------------------------------------------------------------------------------------------- */

#define MAX_CHANNELS (1 << 24) /* more are not repeated in memory, but by nodes */

static mq_status check_group_norm_21(const mq_node *n, int to, mq_error *err)
{
    const mq_attr *groups = mq_node_attr(n, "num_groups");

    (void)to;
    if (n->n_inputs != 3 || !n->inputs[0] || !n->inputs[1] || !n->inputs[2])
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "it has %zu inputs instead of 3", n->n_inputs);
    if (!groups || groups->ref || groups->type != MQ_ATTR_INT || groups->i <= 0)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "its attribute 'num_groups' is no positive number");
    return MQ_OK;
}

/* Channels of input 0 when they are known and `groups` divides them; else 0. */
static int64_t channels_of(const mq_node *n, int64_t groups)
{
    const mq_type *t = mq_adapt_type(n, 0);
    int64_t c = t && t->rank > 1 ? t->dims[1].value : 0;

    return c > 0 && c % groups == 0 ? c : 0;
}

/* Each element `times` times; *out stays NULL when input i is no constant that it can be done with. */
static mq_status repeat_constant(mq_node *n, size_t i, int64_t groups, int64_t times, mq_value **out, mq_error *err)
{
    mq_tensor *t = mq_value_constant(n->inputs[i], false);
    size_t size = t ? (size_t)mq_dtype_bits(t->dtype) / 8 : 0;
    const void *from = NULL;
    int64_t count = groups * times;
    char *to = NULL;
    mq_status rc = MQ_OK;

    if (!t || !size || t->n_dims != 1 || t->dims[0] != groups || t->storage == MQ_STORE_MADE)
        return MQ_OK;
    MQ_TRY(mq_tensor_bytes(t, &from, err));
    if (!(to = malloc((size_t)count * size)))
        return mq_oom(err);
    for (int64_t k = 0; k < count; k++)
        memcpy(to + (size_t)k * size, (const char *)from + (size_t)(k / times) * size, size);
    MQ_TRY(mq_adapt_const(n, i == 1 ? "scale" : "bias", t->dtype, 1, &count, to, out, err));
done:
    free(to);
    return rc;
}

/* [1, channels / groups], as a constant where the channels are known. */
static mq_status repeat_shape(mq_node *n, int64_t groups, int64_t channels, mq_value **out, mq_error *err)
{
    int64_t list[2] = { 1, channels / groups };
    mq_value *in[2];
    mq_node *node = NULL;
    mq_status rc = MQ_OK;

    if (channels)
        return mq_adapt_ints(n, "repeats", list, 2, out, err);
    MQ_TRY(mq_adapt_before(n, "Shape", "channels", 1, &n->inputs[0], &in[0], &node, err));
    MQ_TRY(mq_node_set_attr_int(node, "start", 1, err));
    MQ_TRY(mq_node_set_attr_int(node, "end", 2, err));
    MQ_TRY(mq_adapt_ints(n, "groups", &groups, 1, &in[1], err));
    MQ_TRY(mq_adapt_before(n, "Div", "repeats", 2, in, &in[1], NULL, err));
    MQ_TRY(mq_adapt_ints(n, "one", list, 1, &in[0], err));
    MQ_TRY(mq_adapt_before(n, "Concat", "repeats", 2, in, out, &node, err));
    MQ_TRY(mq_node_set_attr_int(node, "axis", 0, err));
done:
    return rc;
}

/* Reshape to a column, Expand to repeats, Reshape to a list. */
static mq_status repeat_by_nodes(mq_node *n, size_t i, mq_value *repeats, mq_value **out, mq_error *err)
{
    static const int64_t column[2] = { -1, 1 };
    const char *what = i == 1 ? "scale" : "bias";
    mq_value *in[2] = { n->inputs[i], NULL };
    mq_status rc = MQ_OK;

    MQ_TRY(mq_adapt_ints(n, "column", column, 2, &in[1], err));
    MQ_TRY(mq_adapt_before(n, "Reshape", what, 2, in, &in[0], NULL, err));
    in[1] = repeats;
    MQ_TRY(mq_adapt_before(n, "Expand", what, 2, in, &in[0], NULL, err));
    MQ_TRY(mq_adapt_ints(n, "list", column, 1, &in[1], err));
    MQ_TRY(mq_adapt_before(n, "Reshape", what, 2, in, out, NULL, err));
done:
    return rc;
}

/* Scale and bias are per channel instead of per group; the first stage is computed in stash_type, which was the type of
 * the data. */
static mq_status group_norm_21(mq_node *n, int to, mq_error *err)
{
    mq_dtype dtype = mq_adapt_dtype(n, 0);
    int64_t groups = mq_node_attr_int(n, "num_groups", 0), channels;
    mq_value *repeats = NULL;
    mq_status rc;

    MQ_TRY(check_group_norm_21(n, to, err));
    channels = channels_of(n, groups);
    for (size_t i = 1; i < 3; i++) {
        mq_value *v = NULL;
        if (channels && channels <= MAX_CHANNELS)
            MQ_TRY(repeat_constant(n, i, groups, channels / groups, &v, err));
        if (!v && !repeats)
            MQ_TRY(repeat_shape(n, groups, channels, &repeats, err));
        if (!v)
            MQ_TRY(repeat_by_nodes(n, i, repeats, &v, err));
        MQ_TRY(mq_adapt_drop_input(n, i, err));
        MQ_TRY(mq_node_set_input(n, i, v, err));
    }
    if (dtype == MQ_DOUBLE || dtype == MQ_FLOAT16 || dtype == MQ_BFLOAT16)
        MQ_TRY(mq_node_set_attr_int(n, "stash_type", dtype, err));
done:
    return rc;
}

/* ---- Softmax, LogSoftmax, Hardmax --------------------------------------------------------------------------------- */

/* Up to 12 they run over all dims from `axis` on together. That is one dim when the others have size 1: its index,
 * or -1. */
static int only_dim(const mq_type *t, int64_t axis)
{
    int found = -1;

    if (!t || t->rank < 1)
        return -1;
    if (axis < 0)
        axis += t->rank;
    if (axis < 0 || axis >= t->rank)
        return -1;
    for (int i = (int)axis; i < t->rank; i++) {
        if (t->dims[i].value == 1)
            continue;
        if (found >= 0)
            return -1;
        found = i;
    }
    return found >= 0 ? found : t->rank - 1;
}

static mq_status softmax_13(mq_node *n, int to, mq_error *err)
{
    const mq_type *t = mq_adapt_type(n, 0);
    int64_t axis = mq_node_attr_int(n, "axis", 1);
    int dim = only_dim(t, axis);
    mq_value *x = mq_adapt_input(n, 0), *flat = NULL;
    mq_node *flatten = NULL;
    mq_status rc = MQ_OK;

    (void)to;
    if (!x || !mq_adapt_output(n, 0))
        return MQ_OK;
    if (dim >= 0)
        return mq_node_set_attr_int(n, "axis", dim == t->rank - 1 ? -1 : dim, err);
    MQ_TRY(mq_adapt_before(n, "Flatten", "flat", 1, &x, &flat, &flatten, err));
    MQ_TRY(mq_node_set_attr_int(flatten, "axis", axis, err));
    MQ_TRY(mq_node_set_input(n, 0, flat, err));
    MQ_TRY(mq_node_set_attr_int(n, "axis", -1, err));
    MQ_TRY(mq_adapt_restore_shape(n, x, err));
done:
    return rc;
}

/* ---- rows --------------------------------------------------------------------------------------------------------- */

const mq_op_adapter mq_adapters_nn[] = {
    { "Attention", 24 }, { "Attention", 25 },
    { "AveragePool", 10 }, { "AveragePool", 11 }, { "AveragePool", 19 }, { "AveragePool", 22 },
    { "BatchNormalization", 9, batch_norm_9, check_batch_norm_9 },
    { "BatchNormalization", 14, batch_norm_14, check_batch_norm_14 }, { "BatchNormalization", 15 },
    { "Conv", 11 }, { "Conv", 22 },
    { "ConvTranspose", 11 }, { "ConvTranspose", 22 },
    { "DeformConv", 22 },
    { "Dropout", 10, dropout_10, check_dropout }, { "Dropout", 12, dropout_12, check_dropout },
    { "Dropout", 13 }, { "Dropout", 22 },
    { "GRU", 14 }, { "GRU", 22 },
    { "Gemm", 9 }, { "Gemm", 11 }, { "Gemm", 13 },
    { "GlobalAveragePool", 22 },
    { "GlobalLpPool", 22 },
    { "GlobalMaxPool", 22 },
    { "GroupNormalization", 21, group_norm_21, check_group_norm_21 },
    { "Hardmax", 11 }, { "Hardmax", 13, softmax_13, mq_adapt_check_plain },
    { "InstanceNormalization", 22 },
    { "LRN", 13 },
    { "LSTM", 14 }, { "LSTM", 22 },
    { "LayerNormalization", 17 },
    { "LogSoftmax", 11 }, { "LogSoftmax", 13, softmax_13, mq_adapt_check_plain },
    { "LpNormalization", 22 },
    { "LpPool", 11 }, { "LpPool", 18 }, { "LpPool", 22 },
    { "MatMul", 9 }, { "MatMul", 13 },
    { "MaxPool", 8 }, { "MaxPool", 10 }, { "MaxPool", 11 }, { "MaxPool", 12 }, { "MaxPool", 22 },
    { "MaxRoiPool", 22 },
    { "MaxUnpool", 11 }, { "MaxUnpool", 22 },
    { "MeanVarianceNormalization", 9, NULL, check_mean_variance_9 }, { "MeanVarianceNormalization", 13 },
    { "RNN", 14 }, { "RNN", 22 },
    { "Softmax", 11 }, { "Softmax", 13, softmax_13, mq_adapt_check_plain },
};
const size_t mq_adapters_nn_n = MQ_ARRAY_LEN(mq_adapters_nn);
