/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Gradients of convolutions and poolings. */
#include "train/grad_families.h"

#define MAX_SPATIAL 16

static mq_value *own(mq_grad *k, const char *op, mq_value *a, mq_value *b)
{
    return mq_grad_first(mq_grad_make(k, MQ_GRAD_DOMAIN, op, k->n, 1, a, b));
}

/* ---- convolutions -------------------------------------------------------------------------------------------------- */

static void conv(mq_grad *k)
{
    mq_value *x = mq_grad_in(k, 0), *w = mq_grad_in(k, 1), *dy = k->dy[0];

    if (mq_grad_wants(k, 0))
        mq_grad_give(k, 0, mq_grad_first(mq_grad_make(k, MQ_GRAD_DOMAIN, "ConvGradInput", k->n, 1, dy, w, x)));
    if (mq_grad_wants(k, 1) || mq_grad_wants(k, 2)) {
        const size_t n_out = mq_grad_wants(k, 2) ? 2 : 1;
        const mq_node *n = mq_grad_make(k, MQ_GRAD_DOMAIN, "ConvGradWeight", k->n, n_out, x, dy, w);

        mq_grad_give(k, 1, mq_grad_first(n));
        if (n && n_out == 2)
            mq_grad_give(k, 2, n->outputs[1]);
    }
}

/* Padding that depends on sizes is not known here, and output_padding from the stride on leaves rows that the convolution
 * back would read. */
static bool plain_padding(const mq_node *n)
{
    size_t n_out, n_strides;
    const int64_t *out = mq_node_attr_ints(n, "output_padding", &n_out);
    const int64_t *strides = mq_node_attr_ints(n, "strides", &n_strides);
    const mq_attr *pad = mq_node_attr(n, "auto_pad");

    for (size_t i = 0; i < n_out; i++)
        if (out[i] >= (strides && i < n_strides ? strides[i] : 1) && out[i] > 0)
            return false;
    return !mq_node_attr(n, "output_shape") &&
           (!pad || mq_node_attr_is(n, "auto_pad", "NOTSET") || mq_node_attr_is(n, "auto_pad", "VALID"));
}

/* Conv and its gradients do not have this attribute of ConvTranspose. */
static mq_value *as_conv(mq_node *n)
{
    if (n)
        mq_node_remove_attr(n, "output_padding");
    return mq_grad_first(n);
}

/* The axes of pixels, as a list; with that of the batch in front. */
static mq_value *pixel_axes(mq_grad *k, const mq_value *v, bool batch)
{
    const int rank = mq_grad_rank(k, v);
    int64_t axes[MAX_SPATIAL] = { 0 };
    size_t n = batch;

    if (k->rc == MQ_OK && (rank < 2 || rank > MAX_SPATIAL))
        mq_grad_refuse(k, "what it reads has such a rank");
    for (int i = 2; i < rank && k->rc == MQ_OK; i++)
        axes[n++] = i;
    return mq_grad_ints(k, axes, n);
}

/* It does to its input what the gradient of Conv does to dy: so its own gradient is Conv, and dy and x change places. */
static void conv_transpose(mq_grad *k)
{
    mq_value *x = mq_grad_in(k, 0), *w = mq_grad_in(k, 1), *dy = k->dy[0];
    mq_node *n;

    if (!plain_padding(k->n))
        mq_grad_refuse(k, "'auto_pad', 'output_shape', or 'output_padding' not below the stride");
    if (mq_grad_wants(k, 0))
        mq_grad_give(k, 0, as_conv(mq_grad_make(k, "", "Conv", k->n, 1, dy, w)));
    if (mq_grad_wants(k, 1))
        mq_grad_give(k, 1, as_conv(mq_grad_make(k, MQ_GRAD_DOMAIN, "ConvGradWeight", k->n, 1, dy, x, w)));
    if (mq_grad_wants(k, 2)) {
        n = mq_grad_make(k, "", "ReduceSum", NULL, 1, dy, pixel_axes(k, x, true));
        mq_grad_give(k, 2, mq_grad_set_int(k, n, "keepdims", 0));
    }
}

/* ---- pooling ------------------------------------------------------------------------------------------------------- */

static void max_pool(mq_grad *k)
{
    mq_grad_give(k, 0, own(k, "MaxPoolGrad", mq_grad_in(k, 0), k->dy[0]));
}

static void average_pool(mq_grad *k)
{
    mq_grad_give(k, 0, own(k, "AveragePoolGrad", k->dy[0], mq_grad_in(k, 0)));
}

static void global_average_pool(mq_grad *k)
{
    mq_grad_give(k, 0, own(k, "GlobalAveragePoolGrad", k->dy[0], mq_grad_in(k, 0)));
}

/* To all of the largest elements of a channel, in equal parts. */
static void global_max_pool(mq_grad *k)
{
    mq_value *hits = mq_grad_cast(k, mq_grad_op(k, "Equal", mq_grad_in(k, 0), mq_grad_out(k, 0)));
    mq_value *count = mq_grad_reduce(k, "ReduceSum", hits, pixel_axes(k, mq_grad_in(k, 0), false));

    mq_grad_give(k, 0, mq_grad_op(k, "Mul", hits, mq_grad_op(k, "Div", k->dy[0], count)));
}

const mq_grad_rule mq_grad_rules_conv[] = {
    { "", "AveragePool", average_pool },
    { "", "Conv", conv },
    { "", "ConvTranspose", conv_transpose },
    { "", "GlobalAveragePool", global_average_pool },
    { "", "GlobalMaxPool", global_max_pool },
    { "", "MaxPool", max_pool },
    { 0 },
};
