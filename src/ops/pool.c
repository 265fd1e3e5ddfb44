/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Pooling: windows, whole axes, regions, and MaxUnpool. Shapes only: pooling multiplies nothing worth counting. */
#include "ops/contents.h"
#include "ops/families.h"
#include "ops/rule_parts.h"

/* Outputs 0 and 1 (the indices of MaxPool) get the same shape. */
static mq_status out_both(mq_infer *in, int rank, const mq_dim *dims)
{
    MQ_RULE_TRY(mq_out_shape(in, 0, rank, dims));
    return mq_out_shape(in, 1, rank, dims);
}

mq_status mq_infer_pool_with(mq_infer *in, bool channels_last)
{
    int rank;
    mq_dim *dims;
    mq_window win;

    MQ_RULE_TRY(mq_want_rank(in, 0, 3, INT32_MAX));
    MQ_RULE_TRY(mq_dims_copy_in(in, 0, &rank, &dims));
    if (rank < 0 || mq_attrs_open(in))
        return MQ_OK;
    MQ_RULE_TRY(mq_window_read(in, rank - 2, &win));
    const int first = channels_last ? 1 : 2;
    for (int i = 0; i < win.n; i++)
        MQ_RULE_TRY(mq_window_slide(in, &win, i, dims[first + i], &dims[first + i]));
    return out_both(in, rank, dims);
}

mq_status mq_infer_global_pool_with(mq_infer *in, bool channels_last)
{
    int rank;
    mq_dim *dims;

    MQ_RULE_TRY(mq_want_rank(in, 0, 2, INT32_MAX));
    MQ_RULE_TRY(mq_dims_copy_in(in, 0, &rank, &dims));
    if (rank < 0)
        return MQ_OK;
    const int channel = channels_last ? rank - 1 : 1;
    for (int i = 1; i < rank; i++)
        if (i != channel)
            dims[i] = MQ_DIM(1);
    return mq_out_shape(in, 0, rank, dims);
}

static mq_status pool(mq_infer *in)
{
    return mq_infer_pool_with(in, false);
}

static mq_status global_pool(mq_infer *in)
{
    return mq_infer_global_pool_with(in, false);
}

/* (size - 1) * stride + kernel - pads along each spatial axis. */
static mq_status unpool_spatial(mq_infer *in, const mq_window *w, mq_dim *dims)
{
    for (int i = 0; i < w->n; i++) {
        const mq_dim pads = mq_dim_add(in, MQ_DIM(w->pads[i]), MQ_DIM(w->pads[w->n + i]));
        mq_dim d = mq_dim_mul(in, mq_dim_sub(in, dims[i + 2], MQ_DIM(1)), MQ_DIM(w->strides[i]));

        d = mq_dim_add(in, d, w->kernel[i]);
        if (mq_dim_known(pads) && mq_dim_known(d) && pads.value > d.value)
            return mq_fail(in->err, MQ_ERR_INPUT, "spatial axis %d: %lld of padding leaves nothing of %lld", i,
                           (long long)pads.value, (long long)d.value);
        /* negative pads are no sizes, so arithmetic on sizes does not cover them */
        dims[i + 2] = w->pads[i] < 0 || w->pads[w->n + i] < 0 ? MQ_DIM_UNKNOWN : mq_dim_sub(in, d, pads);
    }
    return MQ_OK;
}

static mq_status max_unpool(mq_infer *in)
{
    int rank, n_given;
    mq_dim *dims, *given;
    mq_window win;

    MQ_RULE_TRY(mq_want_rank(in, 0, 3, INT32_MAX));
    MQ_RULE_TRY(mq_dims_copy_in(in, 0, &rank, &dims));
    MQ_RULE_TRY(mq_in_shape(in, 2, &n_given, &given));
    if (given && rank >= 0 && n_given != rank)
        return mq_fail(in->err, MQ_ERR_INPUT, "output_shape has %d entries, %d are needed", n_given, rank);
    if (given)
        return mq_out_shape(in, 0, n_given, given);
    if (rank < 0 || mq_attrs_open(in))
        return MQ_OK;
    if (mq_in_has(in, 2)) {
        dims = mq_dims_new(in, rank);
        return dims ? mq_out_shape(in, 0, rank, dims) : mq_oom(in->err);
    }
    MQ_RULE_TRY(mq_window_read(in, rank - 2, &win));
    MQ_RULE_TRY(unpool_spatial(in, &win, dims));
    return mq_out_shape(in, 0, rank, dims);
}

/* [num_rois, C, pooled_shape...] */
static mq_status max_roi_pool(mq_infer *in)
{
    size_t n;
    const int64_t *pooled = mq_node_attr_ints(in->node, "pooled_shape", &n);
    const mq_dim *xd, *rois;
    mq_dim out[4] = { MQ_DIM_UNKNOWN, MQ_DIM_UNKNOWN, MQ_DIM_UNKNOWN, MQ_DIM_UNKNOWN };

    MQ_RULE_TRY(mq_want_rank(in, 0, 4, 4));
    MQ_RULE_TRY(mq_want_rank(in, 1, 2, 2));
    if (pooled && (n != 2 || pooled[0] < 1 || pooled[1] < 1))
        return mq_fail(in->err, MQ_ERR_INPUT, "attribute 'pooled_shape' must be two positive sizes");
    xd = mq_in_dims(in, 0);
    rois = mq_in_dims(in, 1);
    if (rois)
        out[0] = rois[0];
    if (xd)
        out[1] = xd[1];
    for (int i = 0; pooled && i < 2; i++)
        out[i + 2] = MQ_DIM(pooled[i]);
    return mq_out_shape(in, 0, 4, out);
}

const mq_op_rule mq_rules_pool[] = {
    { "", "AveragePool", pool, NULL, NULL },
    { "", "GlobalAveragePool", global_pool, NULL, NULL },
    { "", "GlobalLpPool", global_pool, NULL, NULL },
    { "", "GlobalMaxPool", global_pool, NULL, NULL },
    { "", "LpPool", pool, NULL, NULL },
    { "", "MaxPool", pool, NULL, NULL },
    { "", "MaxRoiPool", max_roi_pool, NULL, NULL },
    { "", "MaxUnpool", max_unpool, NULL, NULL },
};
const size_t mq_rules_pool_n = sizeof mq_rules_pool / sizeof *mq_rules_pool;
