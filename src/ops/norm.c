/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Normalizations. Nearly all keep the shape; what they add are statistics as further outputs, and checks that scale and
 * bias fit the channels. */
#include "ops/contents.h"
#include "ops/families.h"
#include "ops/rule_parts.h"

/* The channels: axis 1, or one channel for a tensor of rank 1. Inputs first..last (rank 1 where known) must have as many. */
static mq_status channels(mq_infer *in, size_t first, size_t last, mq_dim *c)
{
    const int rank = mq_in_rank(in, 0);

    *c = rank > 1 ? mq_in_dims(in, 0)[1] : rank == 1 ? MQ_DIM(1) : MQ_DIM_UNKNOWN;
    for (size_t i = first; i <= last; i++) {
        MQ_RULE_TRY(mq_want_rank(in, i, 1, 1));
        if (mq_in_rank(in, i) == 1)
            MQ_RULE_TRY(mq_want_same(in, c, mq_in_dims(in, i)[0], "channels of the data and of the scale or bias"));
    }
    return MQ_OK;
}

/* Before version 9, spatial = 0 normalizes each element by itself: scale has the shape of one sample. */
static mq_status batch_norm_per_element(mq_infer *in)
{
    for (size_t i = 1; i < in->node->n_outputs; i++)
        MQ_RULE_TRY(mq_out_like(in, i, 1));
    return MQ_OK;
}

static mq_status batch_norm(mq_infer *in)
{
    mq_dim c;

    MQ_RULE_TRY(mq_want_rank(in, 0, 1, INT32_MAX));
    MQ_RULE_TRY(mq_out_like(in, 0, 0));
    if (mq_attr_open(in, "spatial"))
        return MQ_OK;
    if (in->version < 9 && mq_node_attr_int(in->node, "spatial", 1) == 0)
        return batch_norm_per_element(in);
    MQ_RULE_TRY(channels(in, 1, 4, &c));
    for (size_t i = 1; i < in->node->n_outputs; i++)
        MQ_RULE_TRY(mq_out_shape(in, i, 1, &c));
    return MQ_OK;
}

static mq_status instance_norm(mq_infer *in)
{
    mq_dim c;

    MQ_RULE_TRY(channels(in, 1, 2, &c));
    return mq_out_like(in, 0, 0);
}

static mq_status group_norm(mq_infer *in)
{
    const int64_t groups = mq_node_attr_int(in->node, "num_groups", 1);
    mq_dim c;

    if (groups < 1)
        return mq_fail(in->err, MQ_ERR_INPUT, "attribute 'num_groups' is %lld, it must be at least 1", (long long)groups);
    /* version 18 has one scale per group, later ones one per channel */
    if (in->version >= 21)
        MQ_RULE_TRY(channels(in, 1, 2, &c));
    else
        c = mq_in_rank(in, 0) > 1 ? mq_in_dims(in, 0)[1] : MQ_DIM_UNKNOWN;
    if (mq_dim_known(c) && c.value % groups)
        return mq_fail(in->err, MQ_ERR_INPUT, "%lld channels cannot be divided into %lld groups", (long long)c.value,
                       (long long)groups);
    return mq_out_like(in, 0, 0);
}

mq_status mq_infer_layer_norm(mq_infer *in, size_t mean)
{
    mq_dtype stash;
    int rank, axis;
    mq_dim *dims;

    MQ_RULE_TRY(mq_out_like(in, 0, 0));
    MQ_RULE_TRY(mq_attr_dtype(in, "stash_type", MQ_FLOAT, &stash));
    for (size_t i = mean; i < mean + 2; i++)
        MQ_RULE_TRY(mq_out_dtype(in, i, stash));
    MQ_RULE_TRY(mq_dims_copy_in(in, 0, &rank, &dims));
    if (rank < 0 || mq_attr_open(in, "axis"))
        return MQ_OK;
    MQ_RULE_TRY(mq_norm_axis(in, mq_node_attr_int(in->node, "axis", -1), rank, &axis));
    for (int i = axis; i < rank; i++)
        dims[i] = MQ_DIM(1);
    MQ_RULE_TRY(mq_out_shape(in, mean, rank, dims));
    return mq_out_shape(in, mean + 1, rank, dims);
}

static mq_status layer_norm(mq_infer *in)
{
    return mq_infer_layer_norm(in, 1);
}

/* Normalizations along `axis`, checked only. */
static mq_status axis_norm(mq_infer *in)
{
    int ignored;

    if (mq_in_rank(in, 0) >= 0 && !mq_attr_open(in, "axis"))
        MQ_RULE_TRY(mq_norm_axis(in, mq_node_attr_int(in->node, "axis", -1), mq_in_rank(in, 0), &ignored));
    return mq_out_like(in, 0, 0);
}

static mq_status lrn(mq_infer *in)
{
    if (mq_node_attr_int(in->node, "size", 1) < 1)
        return mq_fail(in->err, MQ_ERR_INPUT, "attribute 'size' is %lld, it must be at least 1",
                       (long long)mq_node_attr_int(in->node, "size", 1));
    return mq_out_like(in, 0, 0);
}

const mq_op_rule mq_rules_norm[] = {
    { "", "BatchNormalization", batch_norm, NULL, NULL },
    { "", "GroupNormalization", group_norm, NULL, NULL },
    { "", "InstanceNormalization", instance_norm, NULL, NULL },
    { "", "LRN", lrn, NULL, NULL },
    { "", "LayerNormalization", layer_norm, NULL, NULL },
    { "", "LpNormalization", axis_norm, NULL, NULL },
    { "", "MeanVarianceNormalization", mq_infer_same, NULL, NULL },
    { "", "RMSNormalization", axis_norm, NULL, NULL },
};
const size_t mq_rules_norm_n = sizeof mq_rules_norm / sizeof *mq_rules_norm;
