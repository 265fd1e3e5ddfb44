/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Operators that ONNX Runtime adds: fused products and convolutions, activations, normalizations, the blocked layout, and
 * what it put into ONNX's own domain. Attention is in contrib_attention.c, quantized operators in contrib_quant.c. Decoder
 * loops (BeamSearch and kin) only have their graphs inferred. */
#include "ops/contents.h"
#include "ops/families.h"
#include "ops/rule_parts.h"

#define MS "com.microsoft"
#define NCHWC "com.microsoft.nchwc"

/* ---- products ----------------------------------------------------------------------------------------------------- */

/* The dims of factor i as the product sees them: transBatch moves the first axis behind the batch axes, trans swaps the
 * last two. */
static mq_status turned(mq_infer *in, size_t i, bool trans, bool trans_batch, int *rank, mq_dim **dims)
{
    MQ_RULE_TRY(mq_dims_copy_in(in, i, rank, dims));
    if (*rank < 2)
        return MQ_OK;
    if (trans_batch) {
        const mq_dim first = (*dims)[0];

        for (int k = 0; k < *rank - 2; k++)
            (*dims)[k] = (*dims)[k + 1];
        (*dims)[*rank - 2] = first;
    }
    if (trans) {
        const mq_dim last = (*dims)[*rank - 1];

        (*dims)[*rank - 1] = (*dims)[*rank - 2];
        (*dims)[*rank - 2] = last;
    }
    return MQ_OK;
}

static mq_status fused_matmul(mq_infer *in)
{
    const mq_node *n = in->node;
    int ra, rb;
    mq_dim *a, *b;

    if (mq_attr_open(in, "transA") || mq_attr_open(in, "transB") || mq_attr_open(in, "transBatchA") ||
        mq_attr_open(in, "transBatchB"))
        return MQ_OK;
    MQ_RULE_TRY(turned(in, 0, mq_node_attr_int(n, "transA", 0) != 0, mq_node_attr_int(n, "transBatchA", 0) != 0, &ra, &a));
    MQ_RULE_TRY(turned(in, 1, mq_node_attr_int(n, "transB", 0) != 0, mq_node_attr_int(n, "transBatchB", 0) != 0, &rb, &b));
    return mq_infer_matmul_dims(in, 0, ra, a, rb, b);
}

static int64_t fused_matmul_macs(const mq_node *n)
{
    const bool trans = mq_node_attr_int(n, "transA", 0) != 0, trans_batch = mq_node_attr_int(n, "transBatchA", 0) != 0;
    const mq_value *a = mq_macs_in(n, 0);

    /* with both, the first axis is the one that is summed */
    if (trans && trans_batch && a && a->type && a->type->rank > 1)
        return mq_macs_mul(mq_macs_count(mq_macs_out(n, 0)), mq_macs_dim(a, 0));
    return mq_macs_matmul_with(n, 0, trans);
}

static mq_status gemm(mq_infer *in)
{
    return mq_infer_gemm_with(in, 0, 1);
}

static int64_t gemm_macs(const mq_node *n)
{
    return mq_macs_matmul_with(n, 0, mq_node_attr_int(n, "transA", 0) != 0);
}

static mq_status gemm_float8(mq_infer *in)
{
    mq_dtype t;

    MQ_RULE_TRY(mq_attr_dtype(in, "dtype", MQ_FLOAT, &t));
    MQ_RULE_TRY(mq_out_dtype(in, 0, t));
    return mq_infer_gemm_with(in, 0, 1);
}

static mq_status matmul(mq_infer *in)
{
    return mq_infer_matmul_with(in, 0, 1);
}

static int64_t matmul_macs(const mq_node *n)
{
    return mq_macs_matmul_with(n, 0, false);
}

/* ---- convolution and pooling -------------------------------------------------------------------------------------- */

static mq_status conv(mq_infer *in)
{
    return mq_infer_conv_with(in, 0, 1, false);
}

static int64_t conv_macs(const mq_node *n)
{
    return mq_macs_conv_with(n, 1, false);
}

static mq_status conv_last(mq_infer *in)
{
    return mq_infer_conv_with(in, 0, 1, true);
}

static int64_t conv_last_macs(const mq_node *n)
{
    return mq_macs_conv_with(n, 1, true);
}

static mq_status pool(mq_infer *in)
{
    return mq_infer_pool_with(in, false);
}

static mq_status pool_last(mq_infer *in)
{
    return mq_infer_pool_with(in, true);
}

static mq_status global_pool(mq_infer *in)
{
    return mq_infer_global_pool_with(in, false);
}

/* Into the blocked layout: channels are rounded up to a block whose size is the machine's. */
static mq_status reorder_input(mq_infer *in)
{
    const bool last = mq_node_attr_int(in->node, "channels_last", 0) != 0;
    int rank;
    mq_dim *dims;

    MQ_RULE_TRY(mq_want_rank(in, 0, 3, INT32_MAX));
    MQ_RULE_TRY(mq_dims_copy_in(in, 0, &rank, &dims));
    if (rank < 0 || mq_attrs_open(in))
        return MQ_OK;
    for (int i = rank - 1; last && i > 1; i--)
        dims[i] = dims[i - 1];
    dims[1] = MQ_DIM_UNKNOWN;
    return mq_out_shape(in, 0, rank, dims);
}

static mq_status reorder_output(mq_infer *in)
{
    const int64_t channels = mq_node_attr_int(in->node, "channels", -1);
    const bool last = mq_node_attr_int(in->node, "channels_last", 0) != 0;
    int rank;
    mq_dim *dims;

    MQ_RULE_TRY(mq_want_rank(in, 0, 3, INT32_MAX));
    MQ_RULE_TRY(mq_dims_copy_in(in, 0, &rank, &dims));
    if (rank < 0 || mq_attrs_open(in))
        return MQ_OK;
    for (int i = 1; last && i < rank - 1; i++)
        dims[i] = dims[i + 1];
    dims[last ? rank - 1 : 1] = channels > 0 ? MQ_DIM(channels) : MQ_DIM_UNKNOWN;
    return mq_out_shape(in, 0, rank, dims);
}

/* ---- element by element ------------------------------------------------------------------------------------------- */

static mq_status binary(mq_infer *in)
{
    return mq_infer_broadcast_of(in, 2, (const size_t[]){ 0, 1 });
}

/* Outputs 0 and 1 like the input. */
static mq_status same_twice(mq_infer *in)
{
    MQ_RULE_TRY(mq_out_like(in, 0, 0));
    return mq_out_shape(in, 1, mq_in_rank(in, 0), mq_in_dims(in, 0));
}

/* Two halves of the last axis become one. */
static mq_status bias_split_gelu(mq_infer *in)
{
    int rank;
    mq_dim *dims;

    MQ_RULE_TRY(mq_want_rank(in, 0, 1, INT32_MAX));
    MQ_RULE_TRY(mq_dims_copy_in(in, 0, &rank, &dims));
    if (rank < 0)
        return MQ_OK;
    if (mq_dim_known(dims[rank - 1]) && dims[rank - 1].value % 2)
        return mq_fail(in->err, MQ_ERR_INPUT, "the last axis has the odd size %lld", (long long)dims[rank - 1].value);
    dims[rank - 1] = mq_dim_div(in, dims[rank - 1], MQ_DIM(2));
    return mq_out_shape(in, 0, rank, dims);
}

static mq_status like_second(mq_infer *in)
{
    return mq_out_like(in, 0, 1);
}

/* What is ONNX's own operator under another domain, and does not depend on the version. */
static mq_status as_onnx(mq_infer *in)
{
    const mq_op_rule *rule = mq_rule_find("", in->node->op_type);

    return rule && rule->infer ? rule->infer(in) : MQ_OK;
}

/* Values that occur, where each of x is among them, and how often each occurs. */
static mq_status unique(mq_infer *in)
{
    const mq_dim some = MQ_DIM_UNKNOWN;

    MQ_RULE_TRY(mq_want_rank(in, 0, 1, 1));
    MQ_RULE_TRY(mq_out_shape(in, 0, 1, &some));
    MQ_RULE_TRY(mq_out_shape(in, 1, mq_in_rank(in, 0), mq_in_dims(in, 0)));
    return mq_out_shape(in, 2, 1, &some);
}

static mq_status is_all_finite(mq_infer *in)
{
    return mq_out_shape(in, 0, 0, &MQ_DIM(1));
}

static mq_status murmur_hash(mq_infer *in)
{
    if (!mq_attr_open(in, "positive"))
        MQ_RULE_TRY(mq_out_dtype(in, 0, mq_node_attr_int(in->node, "positive", 1) != 0 ? MQ_UINT32 : MQ_INT32));
    return mq_out_shape(in, 0, mq_in_rank(in, 0), mq_in_dims(in, 0));
}

/* ---- normalization and embedding ---------------------------------------------------------------------------------- */

static mq_status layer_norm(mq_infer *in)
{
    return mq_infer_layer_norm(in, 1);
}

/* The sum of input, skip and bias, normalized; with statistics and the sum itself as further outputs. */
static mq_status skip_layer_norm(mq_infer *in)
{
    int rank;
    mq_dim *dims;

    MQ_RULE_TRY(mq_out_like(in, 0, 0));
    MQ_RULE_TRY(mq_out_like(in, 3, 0));
    MQ_RULE_TRY(mq_out_dtype(in, 1, MQ_FLOAT));
    MQ_RULE_TRY(mq_out_dtype(in, 2, MQ_FLOAT));
    MQ_RULE_TRY(mq_want_rank(in, 0, 1, INT32_MAX));
    MQ_RULE_TRY(mq_dims_copy_in(in, 0, &rank, &dims));
    if (rank < 0)
        return MQ_OK;
    dims[rank - 1] = MQ_DIM(1);
    MQ_RULE_TRY(mq_out_shape(in, 1, rank, dims));
    return mq_out_shape(in, 2, rank, dims);
}

/* Ids [batch, length] in a table [words, hidden] -> [batch, length, hidden], a length per sample, and the plain sum. */
static mq_status embed_layer_norm(mq_infer *in)
{
    const mq_dim *ids = mq_in_dims(in, 0), *table = mq_in_dims(in, 2);
    mq_dim out[3] = { MQ_DIM_UNKNOWN, MQ_DIM_UNKNOWN, MQ_DIM_UNKNOWN };

    MQ_RULE_TRY(mq_want_rank(in, 0, 2, 2));
    MQ_RULE_TRY(mq_want_rank(in, 2, 2, 2));
    for (int i = 0; ids && i < 2; i++)
        out[i] = ids[i];
    if (table)
        out[2] = table[1];
    MQ_RULE_TRY(mq_out_shape(in, 0, 3, out));
    MQ_RULE_TRY(mq_out_shape(in, 1, 1, out));
    return mq_out_shape(in, 2, 3, out);
}

/* ---- indexing ----------------------------------------------------------------------------------------------------- */

static const mq_quant_traits quant_embedding = {
    .weight_input = 0, .weight_input2 = -1, .channel_axis = 0, .embedding = true
};

/* indices... and the width of the table */
static mq_status torch_embedding(mq_infer *in)
{
    MQ_RULE_TRY(mq_want_rank(in, 0, 2, 2));
    return mq_out_one_more(in, 0, 1, mq_in_dims(in, 0) ? mq_in_dims(in, 0)[1] : MQ_DIM_UNKNOWN);
}

static mq_status expand_dims(mq_infer *in)
{
    const int rank = mq_in_rank(in, 0);
    int64_t axis;
    int at;
    mq_dim *dims;

    if (rank < 0)
        return MQ_OK;
    dims = mq_dims_new(in, rank + 1);
    if (!dims)
        return mq_oom(in->err);
    if (mq_in_scalar(in, 1, &axis)) {
        MQ_RULE_TRY(mq_norm_axis(in, axis, rank + 1, &at));
        for (int i = 0; i <= rank; i++)
            dims[i] = i == at ? MQ_DIM(1) : mq_in_dims(in, 0)[i < at ? i : i - 1];
    }
    return mq_out_shape(in, 0, rank + 1, dims);
}

/* Windows of `size`, `step` apart, along `dim`; the window's elements become a new last axis. */
static mq_status unfold_tensor(mq_infer *in)
{
    const int64_t size = mq_node_attr_int(in->node, "size", 1), step = mq_node_attr_int(in->node, "step", 1);
    const int rank = mq_in_rank(in, 0);
    int axis;
    mq_dim *dims;

    if (size < 1 || step < 1)
        return mq_fail(in->err, MQ_ERR_INPUT, "attributes 'size' and 'step' are %lld and %lld, they must be at least 1",
                       (long long)size, (long long)step);
    if (rank < 0 || mq_attrs_open(in))
        return MQ_OK;
    MQ_RULE_TRY(mq_norm_axis(in, mq_node_attr_int(in->node, "dim", -1), rank, &axis));
    dims = mq_dims_new(in, rank + 1);
    if (!dims)
        return mq_oom(in->err);
    for (int i = 0; i < rank; i++)
        dims[i] = mq_in_dims(in, 0)[i];
    if (mq_dim_known(dims[axis]) && dims[axis].value < size)
        return mq_fail(in->err, MQ_ERR_INPUT, "a window of %lld is larger than the axis, %lld", (long long)size,
                       (long long)dims[axis].value);
    dims[axis] = mq_dim_add(in, mq_dim_div(in, mq_dim_sub(in, dims[axis], MQ_DIM(size)), MQ_DIM(step)), MQ_DIM(1));
    dims[rank] = MQ_DIM(size);
    return mq_out_shape(in, 0, rank + 1, dims);
}

/* [num_rois, C, crop height, crop width] */
static mq_status crop_and_resize(mq_infer *in)
{
    mq_dim out[4] = { MQ_DIM_UNKNOWN, MQ_DIM_UNKNOWN, MQ_DIM_UNKNOWN, MQ_DIM_UNKNOWN };
    mq_dim *size;
    int n;

    MQ_RULE_TRY(mq_want_rank(in, 0, 4, 4));
    MQ_RULE_TRY(mq_want_rank(in, 1, 2, 2));
    MQ_RULE_TRY(mq_in_shape(in, 3, &n, &size));
    if (size && n != 2)
        return mq_fail(in->err, MQ_ERR_INPUT, "crop_size has %d entries, it must have 2", n);
    if (mq_in_dims(in, 1))
        out[0] = mq_in_dims(in, 1)[0];
    if (mq_in_dims(in, 0))
        out[1] = mq_in_dims(in, 0)[1];
    for (int i = 0; size && i < 2; i++)
        out[i + 2] = size[i];
    return mq_out_shape(in, 0, 4, out);
}

/* [M, K] and [N, K] -> [M, N] */
static mq_status c_dist(mq_infer *in)
{
    mq_dim out[2] = { MQ_DIM_UNKNOWN, MQ_DIM_UNKNOWN };

    for (size_t i = 0; i < 2; i++) {
        MQ_RULE_TRY(mq_want_rank(in, i, 2, 2));
        if (mq_in_dims(in, i))
            out[i] = mq_in_dims(in, i)[0];
    }
    return mq_out_shape(in, 0, 2, out);
}

/* Every graph among the attributes, with the types that its inputs declare. */
static mq_status graphs_only(mq_infer *in)
{
    for (size_t i = 0; i < in->node->n_attrs; i++) {
        const mq_attr *a = in->node->attrs[i];

        for (size_t k = 0; a->type == MQ_ATTR_GRAPH && k < a->n; k++) {
            for (size_t v = 0; a->graphs[k] && v < a->graphs[k]->inputs.n; v++) {
                a->graphs[k]->inputs.items[v]->type = NULL;
                a->graphs[k]->inputs.items[v]->known = NULL;
            }
            if (a->graphs[k])
                MQ_RULE_TRY(in->infer_graph(in, a->graphs[k], in->err));
        }
    }
    return MQ_OK;
}

const mq_op_rule mq_rules_contrib[] = {
    { "", "Affine", mq_infer_same, NULL, NULL },
    { "", "ImageScaler", mq_infer_same, NULL, NULL },
    { "", "ParametricSoftplus", mq_infer_same, NULL, NULL },
    { "", "Scale", mq_infer_same, NULL, NULL },
    { "", "ScaledTanh", mq_infer_same, NULL, NULL },
    { "", "SimplifiedLayerNormalization", layer_norm, NULL, NULL },
    { MS, "BeamSearch", graphs_only, NULL, NULL },
    { MS, "BiasAdd", mq_infer_same, NULL, NULL },
    { MS, "BiasDropout", same_twice, NULL, NULL },
    { MS, "BiasGelu", binary, NULL, NULL },
    { MS, "BiasSoftmax", mq_infer_same, NULL, NULL },
    { MS, "BiasSplitGelu", bias_split_gelu, NULL, NULL },
    { MS, "BitmaskBiasDropout", mq_infer_same, NULL, NULL },
    { MS, "BitmaskDropout", mq_infer_same, NULL, NULL },
    { MS, "CDist", c_dist, NULL, NULL },
    { MS, "CausalConvWithState", mq_infer_same, NULL, NULL },
    { MS, "ComplexMul", binary, NULL, NULL },
    { MS, "ComplexMulConj", binary, NULL, NULL },
    { MS, "CropAndResize", crop_and_resize, NULL, NULL },
    { MS, "EmbedLayerNormalization", embed_layer_norm, NULL, NULL },
    { MS, "ExpandDims", expand_dims, NULL, NULL },
    { MS, "FastGelu", mq_infer_same, NULL, NULL },
    { MS, "FusedConv", conv, conv_macs, &mq_quant_conv },
    { MS, "FusedGemm", gemm, gemm_macs, &mq_quant_gemm },
    { MS, "FusedMatMul", fused_matmul, fused_matmul_macs, &mq_quant_matmul },
    { MS, "FusedMatMulActivation", fused_matmul, fused_matmul_macs, &mq_quant_matmul },
    { MS, "GatedAdd", mq_infer_same, NULL, NULL },
    { MS, "GatedRMSNorm", mq_infer_same, NULL, NULL },
    { MS, "GatherND", as_onnx, NULL, NULL },
    { MS, "Gelu", mq_infer_same, NULL, NULL },
    { MS, "GemmFastGelu", matmul, matmul_macs, &mq_quant_matmul },
    { MS, "GemmFloat8", gemm_float8, gemm_macs, NULL },
    { MS, "GreedySearch", graphs_only, NULL, NULL },
    { MS, "GridSample", as_onnx, NULL, NULL },
    { MS, "GroupNorm", mq_infer_same, NULL, NULL },
    { MS, "Inverse", mq_infer_same, NULL, NULL },
    { MS, "IsAllFinite", is_all_finite, NULL, NULL },
    { MS, "MatMulInteger16", matmul, matmul_macs, NULL },
    { MS, "MaxpoolWithMask", pool, NULL, NULL },
    { MS, "MoE", mq_infer_same, NULL, NULL },
    { MS, "MurmurHash3", murmur_hash, NULL, NULL },
    { MS, "NGramRepeatBlock", like_second, NULL, NULL },
    { MS, "NhwcConv", conv_last, conv_last_macs, &mq_quant_conv },
    { MS, "NhwcFusedConv", conv_last, conv_last_macs, &mq_quant_conv },
    { MS, "NhwcMaxPool", pool_last, NULL, NULL },
    { MS, "QEmbedLayerNormalization", embed_layer_norm, NULL, NULL },
    { MS, "QuickGelu", mq_infer_same, NULL, NULL },
    { MS, "SampleOp", mq_infer_same, NULL, NULL },
    { MS, "Sampling", graphs_only, NULL, NULL },
    { MS, "ScaledSiLU", mq_infer_same, NULL, NULL },
    { MS, "SkipGroupNorm", same_twice, NULL, NULL },
    { MS, "SkipLayerNormalization", skip_layer_norm, NULL, NULL },
    { MS, "SkipSimplifiedLayerNormalization", skip_layer_norm, NULL, NULL },
    { MS, "TorchEmbedding", torch_embedding, NULL, &quant_embedding },
    { MS, "TransposeMatMul", fused_matmul, fused_matmul_macs, &mq_quant_matmul },
    { MS, "Trilu", mq_infer_same, NULL, NULL },
    { MS, "UnfoldTensor", unfold_tensor, NULL, NULL },
    { MS, "Unique", unique, NULL, NULL },
    { MS, "WhisperBeamSearch", graphs_only, NULL, NULL },
    { NCHWC, "AveragePool", pool, NULL, NULL },
    { NCHWC, "Conv", conv, conv_macs, NULL },
    { NCHWC, "GlobalAveragePool", global_pool, NULL, NULL },
    { NCHWC, "GlobalMaxPool", global_pool, NULL, NULL },
    { NCHWC, "MaxPool", pool, NULL, NULL },
    { NCHWC, "ReorderInput", reorder_input, NULL, NULL },
    { NCHWC, "ReorderOutput", reorder_output, NULL, NULL },
};
const size_t mq_rules_contrib_n = sizeof mq_rules_contrib / sizeof *mq_rules_contrib;
