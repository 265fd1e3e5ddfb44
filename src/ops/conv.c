/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Convolutions: Conv and its integer, quantized, deformable and transposed forms, Col2Im. Shapes, multiply-accumulates and
 * which axis of the weights is quantized; padding amounts are the kernels' business. */
#include "ops/contents.h"
#include "ops/families.h"
#include "ops/rule_parts.h"

const mq_quant_traits mq_quant_conv = { .weight_input = 1, .weight_input2 = -1, .channel_axis = 0 };
/* [C, M/group, k...]: with several groups axis 1 holds the channels of one group only, so that an entry scales group
 * channels at once: still exact, only less fine */
static const mq_quant_traits quant_conv_transpose = { .weight_input = 1, .weight_input2 = -1, .channel_axis = 1 };

/* The rank that inputs x and w agree on; -1: unknown. */
static mq_status spatial_rank(mq_infer *in, size_t x, size_t w, int *rank)
{
    const int rx = mq_in_rank(in, x), rw = mq_in_rank(in, w);

    MQ_RULE_TRY(mq_want_rank(in, x, 3, INT32_MAX));
    MQ_RULE_TRY(mq_want_rank(in, w, 3, INT32_MAX));
    if (rx >= 0 && rw >= 0 && rx != rw)
        return mq_fail(in->err, MQ_ERR_INPUT, "the data have rank %d, the weights %d", rx, rw);
    *rank = rx >= 0 ? rx : rw;
    return MQ_OK;
}

static mq_status read_group(mq_infer *in, int64_t *group)
{
    *group = mq_node_attr_int(in->node, "group", 1);
    if (*group < 1)
        return mq_fail(in->err, MQ_ERR_INPUT, "attribute 'group' is %lld, it must be at least 1", (long long)*group);
    return MQ_OK;
}

/* The kernel's sizes as the weights have them. */
static mq_status kernel_from_weights(mq_infer *in, size_t w, mq_window *win)
{
    const mq_dim *dims = mq_in_dims(in, w);

    for (int i = 0; dims && i < win->n; i++)
        MQ_RULE_TRY(mq_want_same(in, &win->kernel[i], dims[i + 2], "attribute 'kernel_shape' and the weights"));
    return MQ_OK;
}

/* Input channels must be those of the weights times group, output channels a multiple of group. */
static mq_status check_channels(mq_infer *in, mq_dim c, mq_dim per_group, mq_dim m, int64_t group)
{
    int64_t total;

    if (mq_dim_known(c) && mq_dim_known(per_group) &&
        (__builtin_mul_overflow(per_group.value, group, &total) || total != c.value))
        return mq_fail(in->err, MQ_ERR_INPUT, "the data have %lld channels, the weights are for %lld in each of %lld groups",
                       (long long)c.value, (long long)per_group.value, (long long)group);
    if (mq_dim_known(m) && m.value % group)
        return mq_fail(in->err, MQ_ERR_INPUT, "%lld output channels cannot be divided into %lld groups", (long long)m.value,
                       (long long)group);
    return MQ_OK;
}

mq_status mq_infer_conv_with(mq_infer *in, size_t x, size_t w, bool channels_last)
{
    const mq_dim *xd = mq_in_dims(in, x), *wd = mq_in_dims(in, w);
    int rank;
    int64_t group;
    mq_window win;
    mq_dim *out;

    MQ_RULE_TRY(spatial_rank(in, x, w, &rank));
    MQ_RULE_TRY(read_group(in, &group));
    if (rank < 0 || mq_attrs_open(in))
        return MQ_OK;
    MQ_RULE_TRY(mq_window_read(in, rank - 2, &win));
    /* channels-last operators differ in where their weights have the kernel's axes: the attribute says it there */
    if (!channels_last || !mq_node_attr(in->node, "kernel_shape"))
        MQ_RULE_TRY(kernel_from_weights(in, w, &win));
    out = mq_dims_new(in, rank);
    if (!out)
        return mq_oom(in->err);
    const int channel = channels_last ? rank - 1 : 1, first = channels_last ? 1 : 2;
    if (wd) {
        out[channel] = wd[0];
        if (!channels_last)
            MQ_RULE_TRY(check_channels(in, xd ? xd[1] : MQ_DIM_UNKNOWN, wd[1], wd[0], group));
    }
    if (xd) {
        out[0] = xd[0];
        for (int i = 0; i < win.n; i++)
            MQ_RULE_TRY(mq_window_slide(in, &win, i, xd[first + i], &out[first + i]));
    }
    return mq_out_shape(in, 0, rank, out);
}

int64_t mq_macs_conv_with(const mq_node *n, size_t w, bool channels_last)
{
    const mq_value *out = mq_macs_out(n, 0), *weight = mq_macs_in(n, w);
    const int64_t m = mq_macs_dim(out, channels_last ? -1 : 1);
    int64_t per_pixel = mq_macs_count(weight);

    /* each output pixel uses every weight once */
    if (m == 0)
        return 0;
    if (m < 0 || per_pixel < 0 || mq_macs_count(out) < 0)
        return -1;
    return mq_macs_mul(mq_macs_count(out) / m, per_pixel);
}

static mq_status conv(mq_infer *in)
{
    return mq_infer_conv_with(in, 0, 1, false);
}

static int64_t conv_macs(const mq_node *n)
{
    return mq_macs_conv_with(n, 1, false);
}

static mq_status qlinear_conv(mq_infer *in)
{
    return mq_infer_conv_with(in, 0, 3, false);
}

static int64_t qlinear_conv_macs(const mq_node *n)
{
    return mq_macs_conv_with(n, 3, false);
}

/* auto_pad SAME: size * stride, but no more than there is without padding. */
static mq_dim transpose_same(mq_infer *in, mq_dim size, int64_t stride, mq_dim extent, int64_t out_pad)
{
    const mq_dim full = mq_dim_mul(in, size, MQ_DIM(stride));
    const mq_dim reach = out_pad >= 0 ? mq_dim_add(in, extent, MQ_DIM(out_pad)) : MQ_DIM_UNKNOWN;

    if (stride == 1 || (mq_dim_known(reach) && reach.value >= stride))
        return full;
    return mq_dim_add(in, mq_dim_sub(in, full, MQ_DIM(stride)), reach);
}

/* stride * (size - 1) + output_padding + extent - pads, or what auto_pad says instead. */
static mq_status transpose_axis(mq_infer *in, const mq_window *w, int i, mq_dim size, int64_t out_pad, mq_dim *out)
{
    const mq_dim extent = mq_window_extent(in, w, i), full = mq_dim_mul(in, size, MQ_DIM(w->strides[i]));
    int64_t v = 0, pads = 0;

    *out = w->auto_pad == MQ_PAD_SAME ? transpose_same(in, size, w->strides[i], extent, out_pad) : MQ_DIM_UNKNOWN;
    if (w->auto_pad == MQ_PAD_SAME || !mq_dim_known(extent))
        return MQ_OK;
    /* v = output_padding + extent - pads - stride */
    if ((w->auto_pad == MQ_PAD_EXPLICIT && __builtin_add_overflow(w->pads[i], w->pads[w->n + i], &pads)) ||
        __builtin_add_overflow(extent.value, out_pad, &v) || __builtin_sub_overflow(v, pads, &v) ||
        __builtin_sub_overflow(v, w->strides[i], &v))
        return mq_fail(in->err, MQ_ERR_INPUT, "attributes 'pads' and 'output_padding' are out of range");
    if (!mq_dim_known(full)) {
        *out = v >= 0 ? mq_dim_add(in, full, MQ_DIM(v)) : v > INT64_MIN ? mq_dim_sub(in, full, MQ_DIM(-v)) : *out;
        return MQ_OK;
    }
    if (__builtin_add_overflow(full.value, v, &v))
        return MQ_OK;
    if (v < 0)
        return mq_fail(in->err, MQ_ERR_INPUT, "spatial axis %d would have the size %lld: pads are too large", i,
                       (long long)v);
    *out = MQ_DIM(v);
    return MQ_OK;
}

/* output_shape names the spatial axes; files with all axes in it exist and are understood too. */
static mq_status transpose_given(mq_infer *in, int n, const int64_t *given, size_t n_given, mq_dim *spatial)
{
    if (n_given == (size_t)n + 2)
        given += 2;
    else if (n_given != (size_t)n)
        return mq_fail(in->err, MQ_ERR_INPUT, "attribute 'output_shape' has %zu entries, %d are needed", n_given, n);
    for (int i = 0; i < n; i++) {
        if (given[i] < 1)
            return mq_fail(in->err, MQ_ERR_INPUT, "attribute 'output_shape' holds %lld, it must be at least 1",
                           (long long)given[i]);
        spatial[i] = MQ_DIM(given[i]);
    }
    return MQ_OK;
}

static mq_status transpose_spatial(mq_infer *in, const mq_window *w, mq_dim *spatial)
{
    const mq_dim *xd = mq_in_dims(in, 0);
    size_t n_given, n_out_pad;
    const int64_t *given = mq_node_attr_ints(in->node, "output_shape", &n_given);
    const int64_t *out_pad = mq_node_attr_ints(in->node, "output_padding", &n_out_pad);

    if (out_pad && n_out_pad != (size_t)w->n)
        return mq_fail(in->err, MQ_ERR_INPUT, "attribute 'output_padding' has %zu entries, %d are needed", n_out_pad, w->n);
    if (given && n_given > 0)
        return transpose_given(in, w->n, given, n_given, spatial);
    for (int i = 0; xd && i < w->n; i++)
        MQ_RULE_TRY(transpose_axis(in, w, i, xd[i + 2], out_pad ? out_pad[i] : 0, &spatial[i]));
    return MQ_OK;
}

static mq_status conv_transpose(mq_infer *in)
{
    const mq_dim *xd = mq_in_dims(in, 0), *wd = mq_in_dims(in, 1);
    int rank;
    int64_t group;
    mq_window win;
    mq_dim *out;

    MQ_RULE_TRY(spatial_rank(in, 0, 1, &rank));
    MQ_RULE_TRY(read_group(in, &group));
    if (rank < 0 || mq_attrs_open(in))
        return MQ_OK;
    MQ_RULE_TRY(mq_window_read(in, rank - 2, &win));
    MQ_RULE_TRY(kernel_from_weights(in, 1, &win));
    out = mq_dims_new(in, rank);
    if (!out)
        return mq_oom(in->err);
    if (xd)
        out[0] = xd[0];
    if (wd) {
        mq_dim c = wd[0];

        if (xd)
            MQ_RULE_TRY(mq_want_same(in, &c, xd[1], "channels of the data and of the weights"));
        MQ_RULE_TRY(check_channels(in, MQ_DIM_UNKNOWN, wd[1], c, group));
        out[1] = mq_dim_mul(in, wd[1], MQ_DIM(group));
    }
    MQ_RULE_TRY(transpose_spatial(in, &win, out + 2));
    return mq_out_shape(in, 0, rank, out);
}

/* Each input pixel meets every weight of its channel once. */
static int64_t conv_transpose_macs(const mq_node *n)
{
    const mq_value *x = mq_macs_in(n, 0);
    const int64_t c = mq_macs_dim(x, 1), weights = mq_macs_count(mq_macs_in(n, 1));

    if (c == 0)
        return 0;
    if (c < 0 || weights < 0 || mq_macs_count(x) < 0)
        return -1;
    return mq_macs_mul(mq_macs_count(x) / c, weights);
}

/* Number of spatial axes of Col2Im: as many as image_shape or block_shape has entries; -1: not known. */
static mq_status col2im_axes(mq_infer *in, const mq_dim *image, int n_image, const mq_elems *block, int *n)
{
    if (image && block->n >= 0 && n_image != block->n)
        return mq_fail(in->err, MQ_ERR_INPUT, "image_shape has %d entries, block_shape %d", n_image, block->n);
    *n = image ? n_image : block->n;
    return MQ_OK;
}

/* [N, C * prod(block), L] -> [N, C, image...] */
static mq_status col2im(mq_infer *in)
{
    const mq_dim *xd;
    mq_elems block;
    mq_dim *image, *out, area = MQ_DIM(1);
    int n_image, n = -1;

    MQ_RULE_TRY(mq_want_rank(in, 0, 3, 3));
    MQ_RULE_TRY(mq_in_shape(in, 1, &n_image, &image));
    MQ_RULE_TRY(mq_in_elems(in, 2, &block));
    MQ_RULE_TRY(col2im_axes(in, image, n_image, &block, &n));
    if (n < 0)
        return MQ_OK;
    out = mq_dims_new(in, n + 2);
    if (!out)
        return mq_oom(in->err);
    for (int i = 0; i < n; i++) {
        out[i + 2] = image ? image[i] : MQ_DIM_UNKNOWN;
        area = block.n >= 0 ? mq_dim_mul(in, area, mq_dim_of_elem(block.e[i])) : MQ_DIM_UNKNOWN;
    }
    xd = mq_in_dims(in, 0);
    if (xd) {
        if (mq_dim_known(xd[1]) && mq_dim_known(area) && (area.value == 0 || xd[1].value % area.value))
            return mq_fail(in->err, MQ_ERR_INPUT, "axis 1 has the size %lld, no multiple of the block's %lld",
                           (long long)xd[1].value, (long long)area.value);
        out[0] = xd[0];
        out[1] = mq_dim_div(in, xd[1], area);
    }
    return mq_out_shape(in, 0, n + 2, out);
}

/* Depthwise over [N, C, L] with weights [C, 1, k] and k - 1 columns of state. */
static mq_status causal_conv(mq_infer *in)
{
    const mq_dim *xd = mq_in_dims(in, 0), *wd = mq_in_dims(in, 1), *past = mq_in_dims(in, 3);
    mq_dim state[3] = { MQ_DIM_UNKNOWN, MQ_DIM_UNKNOWN, MQ_DIM_UNKNOWN };

    for (size_t i = 0; i < 2; i++)
        MQ_RULE_TRY(mq_want_rank(in, i, 3, 3));
    MQ_RULE_TRY(mq_want_rank(in, 3, 3, 3));
    MQ_RULE_TRY(mq_out_like(in, 0, 0));
    if (xd) {
        state[0] = xd[0];
        state[1] = xd[1];
    }
    if (wd) {
        MQ_RULE_TRY(mq_want_same(in, &state[1], wd[0], "channels of the data and of the weights"));
        if (mq_dim_known(wd[2]) && wd[2].value < 1)
            return mq_fail(in->err, MQ_ERR_INPUT, "the kernel's size is %lld, it must be at least 1",
                           (long long)wd[2].value);
        state[2] = mq_dim_sub(in, wd[2], MQ_DIM(1));
    }
    for (int i = 0; past && i < 3; i++)
        MQ_RULE_TRY(mq_want_same(in, &state[i], past[i], "past_state and the state that the weights need"));
    return mq_out_shape(in, 1, 3, state);
}

static int64_t causal_conv_macs(const mq_node *n)
{
    return mq_macs_mul(mq_macs_count(mq_macs_in(n, 0)), mq_macs_dim(mq_macs_in(n, 1), 2));
}

const mq_op_rule mq_rules_conv[] = {
    { "", "CausalConvWithState", causal_conv, causal_conv_macs, &mq_quant_conv },
    { "", "Col2Im", col2im, NULL, NULL },
    { "", "Conv", conv, conv_macs, &mq_quant_conv },
    { "", "ConvInteger", conv, conv_macs, NULL },
    { "", "ConvTranspose", conv_transpose, conv_transpose_macs, &quant_conv_transpose },
    { "", "DeformConv", conv, conv_macs, &mq_quant_conv },
    { "", "QLinearConv", qlinear_conv, qlinear_conv_macs, NULL },
};
const size_t mq_rules_conv_n = sizeof mq_rules_conv / sizeof *mq_rules_conv;
