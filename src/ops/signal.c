/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Fourier transforms and what goes with them: DFT, STFT, MelWeightMatrix. Windows (HannWindow and kin) make constants and
 * belong to that family. */
#include "ops/contents.h"
#include "ops/families.h"
#include "ops/rule_parts.h"

/* n / 2 + 1 */
static mq_dim half(mq_infer *in, mq_dim n)
{
    return mq_dim_add(in, mq_dim_div(in, n, MQ_DIM(2)), MQ_DIM(1));
}

/* The axis of a DFT: an attribute up to version 19, an input since; *known false when the input's value is not. */
static mq_status dft_axis(mq_infer *in, int rank, int *axis, bool *known)
{
    int64_t v = in->version < 20 ? mq_node_attr_int(in->node, "axis", 1) : -2;

    *known = in->version < 20 || !mq_in_has(in, 2) || mq_in_scalar(in, 2, &v);
    if (!*known)
        return MQ_OK;
    MQ_RULE_TRY(mq_norm_axis(in, v, rank, axis));
    if (*axis == rank - 1)
        return mq_fail(in->err, MQ_ERR_INPUT, "axis %lld is the one of real and imaginary parts", (long long)v);
    return MQ_OK;
}

static mq_status dft(mq_infer *in)
{
    const bool inverse = mq_node_attr_int(in->node, "inverse", 0) != 0;
    const bool onesided = mq_node_attr_int(in->node, "onesided", 0) != 0;
    int rank, axis = 0;
    bool axis_known;
    mq_dim *dims, n;

    MQ_RULE_TRY(mq_want_rank(in, 0, 2, INT32_MAX));
    MQ_RULE_TRY(mq_dims_copy_in(in, 0, &rank, &dims));
    if (rank < 0 || mq_attrs_open(in))
        return MQ_OK;
    MQ_RULE_TRY(dft_axis(in, rank, &axis, &axis_known));
    dims[rank - 1] = MQ_DIM(inverse && onesided ? 1 : 2);
    if (!axis_known) {
        /* as long as the length stays what it is, it matters little along which axis */
        for (int i = 0; i < rank - 1 && (onesided || mq_in_has(in, 1)); i++)
            dims[i] = MQ_DIM_UNKNOWN;
        return mq_out_shape(in, 0, rank, dims);
    }
    n = dims[axis];
    if (mq_in_has(in, 1))
        n = mq_dim_of_elem(mq_in_element(in, 1));
    else if (inverse && onesided)
        n = mq_dim_mul(in, mq_dim_sub(in, n, MQ_DIM(1)), MQ_DIM(2));
    dims[axis] = onesided && !inverse ? half(in, n) : n;
    return mq_out_shape(in, 0, rank, dims);
}

/* Length of a frame: said, else the window's, else the signal's. */
static mq_status frame_length(mq_infer *in, mq_dim *len)
{
    MQ_RULE_TRY(mq_want_rank(in, 2, 1, 1));
    if (mq_in_has(in, 3))
        *len = mq_dim_of_elem(mq_in_element(in, 3));
    if (mq_in_has(in, 2)) {
        const mq_dim window = mq_in_dims(in, 2) ? mq_in_dims(in, 2)[0] : MQ_DIM_UNKNOWN;

        if (mq_in_has(in, 3))
            return mq_want_same(in, len, window, "frame_length and the window");
        *len = window;
    }
    return MQ_OK;
}

/* [batch, signal, 1 or 2] -> [batch, frames, bins, 2] */
static mq_status stft(mq_infer *in)
{
    const mq_dim *signal = mq_in_dims(in, 0);
    const mq_dim step = mq_dim_of_elem(mq_in_element(in, 1));
    mq_dim out[4] = { MQ_DIM_UNKNOWN, MQ_DIM_UNKNOWN, MQ_DIM_UNKNOWN, MQ_DIM(2) };
    mq_dim len = mq_in_rank(in, 0) == 3 ? signal[1] : MQ_DIM_UNKNOWN;

    MQ_RULE_TRY(mq_want_rank(in, 0, 3, 3));
    MQ_RULE_TRY(frame_length(in, &len));
    if (mq_in_has(in, 1) && mq_dim_known(step) && step.value == 0)
        return mq_fail(in->err, MQ_ERR_INPUT, "frame_step is 0, it must be at least 1");
    if (signal) {
        if (mq_dim_known(len) && mq_dim_known(signal[1]) && len.value > signal[1].value)
            return mq_fail(in->err, MQ_ERR_INPUT, "a frame of %lld is longer than the signal of %lld", (long long)len.value,
                           (long long)signal[1].value);
        out[0] = signal[0];
        out[1] = mq_dim_add(in, mq_dim_div(in, mq_dim_sub(in, signal[1], len), step), MQ_DIM(1));
    }
    if (!mq_attrs_open(in))
        out[2] = mq_node_attr_int(in->node, "onesided", 1) != 0 ? half(in, len) : len;
    return mq_out_shape(in, 0, 4, out);
}

/* [dft_length / 2 + 1, num_mel_bins] */
static mq_status mel_weights(mq_infer *in)
{
    const mq_dim bins = mq_dim_of_elem(mq_in_element(in, 0)), len = mq_dim_of_elem(mq_in_element(in, 1));
    mq_dtype t;

    MQ_RULE_TRY(mq_attr_dtype(in, "output_datatype", MQ_FLOAT, &t));
    MQ_RULE_TRY(mq_out_dtype(in, 0, t));
    return mq_out_shape(in, 0, 2, (const mq_dim[]){ half(in, len), bins });
}

const mq_op_rule mq_rules_signal[] = {
    { "", "DFT", dft, NULL, NULL },
    { "", "MelWeightMatrix", mel_weights, NULL, NULL },
    { "", "STFT", stft, NULL, NULL },
};
const size_t mq_rules_signal_n = sizeof mq_rules_signal / sizeof *mq_rules_signal;
