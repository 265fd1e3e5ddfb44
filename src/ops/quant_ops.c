/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear: per tensor, per axis and blocked. Types and shapes, and
 * whether the scales fit the data; values are nobody's business here. */
#include "ops/contents.h"
#include "ops/families.h"
#include "ops/rule_parts.h"

/* Blocked: scales have the rank of the data, and ceil(size / block_size) entries along the axis. */
static mq_status check_blocks(mq_infer *in, int axis, int64_t block)
{
    const mq_dim *x = mq_in_dims(in, 0), *s = mq_in_dims(in, 1);

    for (int i = 0; i < mq_in_rank(in, 0); i++) {
        mq_dim want = x[i];

        if (i == axis && (!mq_dim_known(x[i]) || x[i].value > INT64_MAX - block))
            continue;
        if (i == axis)
            want = MQ_DIM((x[i].value + block - 1) / block);
        MQ_RULE_TRY(mq_want_same(in, &want, s[i], "blocks of the data and of the scale"));
    }
    return MQ_OK;
}

/* The scale in input 1 must be a scalar, have one entry per slice along the axis, or one per block. */
static mq_status check_scale(mq_infer *in)
{
    const int rank = mq_in_rank(in, 0), scale_rank = mq_in_rank(in, 1);
    const int64_t block = mq_node_attr_int(in->node, "block_size", 0);
    const mq_dim *x = mq_in_dims(in, 0), *s = mq_in_dims(in, 1);
    int axis;
    mq_dim d;

    if (block < 0)
        return mq_fail(in->err, MQ_ERR_INPUT, "attribute 'block_size' is %lld, it must not be negative", (long long)block);
    if (rank < 0 || scale_rank < 0 || mq_attrs_open(in))
        return MQ_OK;
    /* one entry is taken as a scalar by every runtime */
    if (scale_rank == 0 || (scale_rank == 1 && mq_dim_known(s[0]) && s[0].value == 1))
        return MQ_OK;
    if (block > 0 && scale_rank != rank)
        return mq_fail(in->err, MQ_ERR_INPUT, "the scale has rank %d, blocks need the rank of the data, %d", scale_rank,
                       rank);
    if (block == 0 && scale_rank != 1)
        return mq_fail(in->err, MQ_ERR_INPUT, "the scale has rank %d, without blocks it must be 0 or 1", scale_rank);
    MQ_RULE_TRY(mq_norm_axis(in, mq_node_attr_int(in->node, "axis", 1), rank, &axis));
    if (block > 0)
        return check_blocks(in, axis, block);
    d = x[axis];
    return mq_want_same(in, &d, s[0], "slices along the axis and entries of the scale");
}

mq_status mq_infer_quantized(mq_infer *in, size_t zp, mq_dtype absent)
{
    const mq_dtype t = mq_in_has(in, zp) ? mq_in_dtype(in, zp) : absent;

    if (t != MQ_UNDEFINED)
        MQ_RULE_TRY(mq_out_dtype(in, 0, t));
    return mq_out_shape(in, 0, mq_in_rank(in, 0), mq_in_dims(in, 0));
}

static mq_status quantize(mq_infer *in)
{
    const int64_t asked = mq_node_attr_int(in->node, "output_dtype", 0);
    mq_dtype absent = MQ_UINT8;

    /* 0 says what leaving it out says: uint8, or the zero point's type */
    if (asked != 0)
        MQ_RULE_TRY(mq_attr_dtype(in, "output_dtype", MQ_UINT8, &absent));
    else if (mq_attr_open(in, "output_dtype"))
        absent = MQ_UNDEFINED;
    if (asked != 0 && mq_in_has(in, 2) && mq_in_dtype(in, 2) != MQ_UNDEFINED && mq_in_dtype(in, 2) != absent)
        return mq_fail(in->err, MQ_ERR_INPUT, "attribute 'output_dtype' is %s, the zero point is %s", mq_dtype_name(absent),
                       mq_dtype_name(mq_in_dtype(in, 2)));
    MQ_RULE_TRY(mq_infer_quantized(in, 2, absent));
    return check_scale(in);
}

static mq_status dequantize(mq_infer *in)
{
    mq_dtype t = mq_in_dtype(in, 1);

    /* before version 19 the output was float whatever the scale: the schema has said so already */
    if (in->version >= 19) {
        if (mq_node_attr_int(in->node, "output_dtype", 0) != 0)
            MQ_RULE_TRY(mq_attr_dtype(in, "output_dtype", t, &t));
        else if (mq_attr_open(in, "output_dtype"))
            t = MQ_UNDEFINED;
        if (t != MQ_UNDEFINED)
            MQ_RULE_TRY(mq_out_dtype(in, 0, t));
    }
    MQ_RULE_TRY(mq_out_shape(in, 0, mq_in_rank(in, 0), mq_in_dims(in, 0)));
    return check_scale(in);
}

static mq_status dynamic_quantize(mq_infer *in)
{
    MQ_RULE_TRY(mq_out_shape(in, 0, mq_in_rank(in, 0), mq_in_dims(in, 0)));
    MQ_RULE_TRY(mq_out_shape(in, 1, 0, &MQ_DIM(1)));
    return mq_out_shape(in, 2, 0, &MQ_DIM(1));
}

const mq_op_rule mq_rules_quant[] = {
    { "", "DequantizeLinear", dequantize, NULL, NULL },
    { "", "DynamicQuantizeLinear", dynamic_quantize, NULL, NULL },
    { "", "QuantizeLinear", quantize, NULL, NULL },
};
const size_t mq_rules_quant_n = sizeof mq_rules_quant / sizeof *mq_rules_quant;
