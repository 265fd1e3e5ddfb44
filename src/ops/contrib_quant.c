/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* ONNX Runtime's quantized operators: products with blocked weights, QLinear operators, quantization itself. */
#include "ops/contents.h"
#include "ops/families.h"
#include "ops/rule_parts.h"

#define MS "com.microsoft"

/* ---- products ----------------------------------------------------------------------------------------------------- */

/* Output `out` is A [..., K] with N in the place of K, both said by attributes. */
static mq_status out_with_width(mq_infer *in, size_t out, const char *width)
{
    const int64_t n = mq_node_attr_int(in->node, width, 0), k = mq_node_attr_int(in->node, "K", 0);
    int rank;
    mq_dim *dims;

    if (mq_attrs_open(in))
        return MQ_OK;
    if (n < 1 || k < 1)
        return mq_fail(in->err, MQ_ERR_INPUT, "attributes '%s' and 'K' are %lld and %lld, they must be at least 1", width,
                       (long long)n, (long long)k);
    MQ_RULE_TRY(mq_want_rank(in, 0, 1, INT32_MAX));
    MQ_RULE_TRY(mq_dims_copy_in(in, 0, &rank, &dims));
    if (rank < 0)
        return MQ_OK;
    MQ_RULE_TRY(mq_want_same(in, &dims[rank - 1], MQ_DIM(k), "the last axis and attribute 'K'"));
    dims[rank - 1] = MQ_DIM(n);
    return mq_out_shape(in, out, rank, dims);
}

static mq_status matmul_nbits(mq_infer *in)
{
    return out_with_width(in, 0, "N");
}

static int64_t matmul_nbits_macs(const mq_node *n)
{
    return mq_macs_mul(mq_macs_count(mq_macs_in(n, 0)), mq_node_attr_int(n, "N", -1));
}

static mq_status matmul_nbits_qkv(mq_infer *in)
{
    MQ_RULE_TRY(out_with_width(in, 0, "Nq"));
    MQ_RULE_TRY(out_with_width(in, 1, "Nkv"));
    MQ_RULE_TRY(out_with_width(in, 2, "Nkv"));
    return mq_out_like(in, 3, 0);
}

static int64_t matmul_nbits_qkv_macs(const mq_node *n)
{
    const int64_t kv = mq_node_attr_int(n, "Nkv", -1);

    return mq_macs_mul(mq_macs_count(mq_macs_in(n, 0)),
                       mq_macs_add(mq_node_attr_int(n, "Nq", -1), mq_macs_add(kv, kv)));
}

static mq_status matmul_nbits_mlp(mq_infer *in)
{
    MQ_RULE_TRY(out_with_width(in, 0, "N"));
    return mq_out_like(in, 1, 0);
}

/* A gate and an up projection. */
static int64_t matmul_nbits_mlp_macs(const mq_node *n)
{
    return mq_macs_mul(matmul_nbits_macs(n), 2);
}

/* The weights are opaque bytes; their shape is a constant [K, N]. */
static mq_status matmul_fpq4(mq_infer *in)
{
    int n;
    mq_dim *b;

    MQ_RULE_TRY(mq_in_shape(in, 2, &n, &b));
    return b ? mq_infer_matmul_dims(in, 0, mq_in_rank(in, 0), mq_in_dims(in, 0), n, b) : MQ_OK;
}

static mq_status matmul(mq_infer *in)
{
    return mq_infer_matmul_with(in, 0, 1);
}

static int64_t matmul_macs(const mq_node *n)
{
    return mq_macs_matmul_with(n, 0, false);
}

/* Factors 0 and 2, each followed by its scale. */
static mq_status q_ordered_matmul(mq_infer *in)
{
    return mq_infer_matmul_with(in, 0, 2);
}

static mq_status q_gemm(mq_infer *in)
{
    const mq_dtype t = mq_in_has(in, 8) ? mq_in_dtype(in, 8) : MQ_FLOAT;

    MQ_RULE_TRY(mq_out_dtype(in, 0, t));
    return mq_infer_gemm_with(in, 0, 3);
}

static int64_t q_gemm_macs(const mq_node *n)
{
    return mq_macs_matmul_with(n, 0, mq_node_attr_int(n, "transA", 0) != 0);
}

static mq_status quantized_lstm(mq_infer *in)
{
    return mq_infer_recurrent(in, true);
}

static int64_t quantized_lstm_macs(const mq_node *n)
{
    return mq_macs_recurrent(n, 4, true);
}

/* ---- convolution and pooling -------------------------------------------------------------------------------------- */

static bool channels_last(const mq_node *n)
{
    return mq_node_attr_int(n, "channels_last", 0) != 0;
}

static mq_status qlinear_conv(mq_infer *in)
{
    return mq_infer_conv_with(in, 0, 3, channels_last(in->node));
}

static int64_t qlinear_conv_macs(const mq_node *n)
{
    return mq_macs_conv_with(n, 3, channels_last(n));
}

static mq_status qlinear_pool(mq_infer *in)
{
    return mq_infer_pool_with(in, channels_last(in->node));
}

static mq_status qlinear_global_pool(mq_infer *in)
{
    return mq_infer_global_pool_with(in, channels_last(in->node));
}

/* ---- element by element ------------------------------------------------------------------------------------------- */

static mq_status qlinear_binary(mq_infer *in)
{
    return mq_infer_broadcast_of(in, 2, (const size_t[]){ 0, 3 });
}

static mq_status qlinear_where(mq_infer *in)
{
    return mq_infer_broadcast_of(in, 3, (const size_t[]){ 0, 1, 4 });
}

static mq_status mul_integer(mq_infer *in)
{
    return mq_infer_broadcast_of(in, 2, (const size_t[]){ 0, 2 });
}

static mq_status qlinear_reduce(mq_infer *in)
{
    const bool keep = mq_node_attr_int(in->node, "keepdims", 1) != 0;
    int rank, n = 0, *at;
    bool known, gone;
    mq_elems axes;
    mq_dim *dims;

    MQ_RULE_TRY(mq_dims_copy_in(in, 0, &rank, &dims));
    MQ_RULE_TRY(mq_attr_elems(in, "axes", &axes));
    if (rank < 0 || axes.n < 0 || mq_attrs_open(in))
        return MQ_OK;
    MQ_RULE_TRY(mq_axes_norm(in, axes, rank, &at, &known));
    for (int i = 0; i < rank; i++) {
        gone = axes.n == 0;
        for (int k = 0; k < axes.n; k++)
            gone |= at[k] == i;
        if (!gone)
            dims[n++] = dims[i];
        else if (keep)
            dims[n++] = MQ_DIM(1);
    }
    return mq_out_shape(in, 0, n, dims);
}

/* Scale and zero point of the result, then triples of tensor, scale and zero point. */
static mq_status qlinear_concat(mq_infer *in)
{
    int rank, axis;
    mq_dim *dims, total;

    MQ_RULE_TRY(mq_dims_copy_in(in, 2, &rank, &dims));
    if (mq_in_dtype(in, 1) != MQ_UNDEFINED)
        MQ_RULE_TRY(mq_out_dtype(in, 0, mq_in_dtype(in, 1)));
    if (rank < 0 || mq_attrs_open(in))
        return MQ_OK;
    MQ_RULE_TRY(mq_norm_axis(in, mq_node_attr_int(in->node, "axis", 0), rank, &axis));
    total = dims[axis];
    for (size_t i = 5; i < in->node->n_inputs; i += 3) {
        const mq_dim *d = mq_in_dims(in, i);

        MQ_RULE_TRY(mq_want_rank(in, i, rank, rank));
        total = d ? mq_dim_add(in, total, d[axis]) : MQ_DIM_UNKNOWN;
        for (int k = 0; d && k < rank; k++)
            if (k != axis)
                MQ_RULE_TRY(mq_want_same(in, &dims[k], d[k], "axes of the tensors put together"));
    }
    dims[axis] = total;
    return mq_out_shape(in, 0, rank, dims);
}

/* ---- quantization ------------------------------------------------------------------------------------------------- */

static mq_status quantize(mq_infer *in)
{
    return mq_infer_quantized(in, 2, MQ_UINT8);
}

static mq_status dequantize(mq_infer *in)
{
    return mq_infer_quantized(in, 1, MQ_UNDEFINED);
}

static mq_status keep_shape(mq_infer *in)
{
    return mq_out_shape(in, 0, mq_in_rank(in, 0), mq_in_dims(in, 0));
}

static mq_status dequantize_with_order(mq_infer *in)
{
    mq_dtype t;

    MQ_RULE_TRY(mq_attr_dtype(in, "to", MQ_UNDEFINED, &t));
    if (t != MQ_UNDEFINED)
        MQ_RULE_TRY(mq_out_dtype(in, 0, t));
    return keep_shape(in);
}

/* Rows of a quantized table; uint8 bytes hold several numbers of the last axis. */
static mq_status gather_block_quantized(mq_infer *in)
{
    const int64_t bits = mq_node_attr_int(in->node, "bits", 4);
    const int rank = mq_in_rank(in, 0), n_index = mq_in_rank(in, 1);
    int axis, n = 0;
    mq_dim *dims, *out;

    if (bits != 2 && bits != 4 && bits != 8)
        return mq_fail(in->err, MQ_ERR_INPUT, "attribute 'bits' is %lld, it must be 2, 4 or 8", (long long)bits);
    if (rank < 0 || n_index < 0 || mq_attrs_open(in))
        return MQ_OK;
    MQ_RULE_TRY(mq_norm_axis(in, mq_node_attr_int(in->node, "gather_axis", 0), rank, &axis));
    MQ_RULE_TRY(mq_dims_copy_in(in, 0, &(int){ 0 }, &dims));
    out = mq_dims_new(in, rank + n_index - 1);
    if (!out)
        return mq_oom(in->err);
    if (mq_in_dtype(in, 0) == MQ_UINT8)
        dims[rank - 1] = mq_dim_mul(in, dims[rank - 1], MQ_DIM(8 / bits));
    for (int i = 0; i < rank; i++) {
        if (i != axis)
            out[n++] = dims[i];
        else
            for (int k = 0; k < n_index; k++)
                out[n++] = mq_in_dims(in, 1)[k];
    }
    return mq_out_shape(in, 0, n, out);
}

const mq_op_rule mq_rules_contrib_quant[] = {
    { MS, "DequantizeLinear", dequantize, NULL, NULL },
    { MS, "DequantizeWithOrder", dequantize_with_order, NULL, NULL },
    { MS, "DynamicQuantizeLSTM", quantized_lstm, quantized_lstm_macs, NULL },
    { MS, "DynamicQuantizeMatMul", matmul, matmul_macs, NULL },
    { MS, "GatherBlockQuantized", gather_block_quantized, NULL, NULL },
    { MS, "MatMulBnb4", matmul_nbits, matmul_nbits_macs, NULL },
    { MS, "MatMulFpQ4", matmul_fpq4, matmul_macs, NULL },
    { MS, "MatMulIntegerToFloat", matmul, matmul_macs, NULL },
    { MS, "MatMulNBits", matmul_nbits, matmul_nbits_macs, NULL },
    { MS, "MatMulNBitsMlp", matmul_nbits_mlp, matmul_nbits_mlp_macs, NULL },
    { MS, "MatMulNBitsQkv", matmul_nbits_qkv, matmul_nbits_qkv_macs, NULL },
    { MS, "MulInteger", mul_integer, NULL, NULL },
    { MS, "QGemm", q_gemm, q_gemm_macs, NULL },
    { MS, "QLinearAdd", qlinear_binary, NULL, NULL },
    { MS, "QLinearAveragePool", qlinear_pool, NULL, NULL },
    { MS, "QLinearConcat", qlinear_concat, NULL, NULL },
    { MS, "QLinearConv", qlinear_conv, qlinear_conv_macs, NULL },
    { MS, "QLinearGlobalAveragePool", qlinear_global_pool, NULL, NULL },
    { MS, "QLinearLeakyRelu", mq_infer_same, NULL, NULL },
    { MS, "QLinearMul", qlinear_binary, NULL, NULL },
    { MS, "QLinearReduceMean", qlinear_reduce, NULL, NULL },
    { MS, "QLinearSigmoid", mq_infer_same, NULL, NULL },
    { MS, "QLinearSoftmax", mq_infer_same, NULL, NULL },
    { MS, "QLinearWhere", qlinear_where, NULL, NULL },
    { MS, "QMoE", mq_infer_same, NULL, NULL },
    { MS, "QOrderedGelu", mq_infer_same, NULL, NULL },
    { MS, "QOrderedLayerNormalization", mq_infer_same, NULL, NULL },
    { MS, "QOrderedLongformerAttention", mq_infer_same, NULL, NULL },
    { MS, "QOrderedMatMul", q_ordered_matmul, matmul_macs, NULL },
    { MS, "QuantizeLinear", quantize, NULL, NULL },
    { MS, "QuantizeWithOrder", keep_shape, NULL, NULL },
    { MS, "ReduceSumInteger", qlinear_reduce, NULL, NULL },
};
const size_t mq_rules_contrib_quant_n = sizeof mq_rules_contrib_quant / sizeof *mq_rules_contrib_quant;
