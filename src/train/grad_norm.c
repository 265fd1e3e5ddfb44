/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Gradients of normalizations and of Softmax. */
#include "passes/pass.h"
#include "train/grad_families.h"

static double epsilon(const mq_grad *k)
{
    return (double)mq_node_attr_float(k->n, "epsilon", 1e-5f);
}

/* Only its first output has a gradient. */
static void first_output_only(mq_grad *k)
{
    for (size_t i = 1; i < k->n->n_outputs; i++)
        if (k->dy[i])
            mq_grad_refuse(k, "the loss depends on another output than the first");
}

/* ---- Softmax ------------------------------------------------------------------------------------------------------- */

static void softmax(mq_grad *k)
{
    const mq_node *n = mq_grad_make(k, MQ_GRAD_DOMAIN, "SoftmaxGrad", k->n, 1, mq_grad_out(k, 0), k->dy[0]);

    mq_grad_give(k, 0, mq_grad_first(n));
}

static void log_softmax(mq_grad *k)
{
    const mq_node *n = mq_grad_make(k, MQ_GRAD_DOMAIN, "LogSoftmaxGrad", k->n, 1, mq_grad_out(k, 0), k->dy[0]);

    mq_grad_give(k, 0, mq_grad_first(n));
}

/* ---- over the batch ------------------------------------------------------------------------------------------------ */

static void give_outputs(mq_grad *k, const mq_node *n)
{
    for (size_t i = 0; n && i < n->n_outputs; i++)
        mq_grad_give(k, i, n->outputs[i]);
}

static void batch_norm_train(mq_grad *k)
{
    first_output_only(k);
    if (mq_grad_wants(k, 3) || mq_grad_wants(k, 4))
        mq_grad_refuse(k, "a running statistic is a parameter");
    give_outputs(k, mq_grad_make(k, MQ_GRAD_DOMAIN, "BatchNormGrad", k->n, 3, mq_grad_in(k, 0), mq_grad_dy(k, 0),
                                 mq_grad_in(k, 1), mq_grad_out(k, 3), mq_grad_out(k, 4)));
}

/* A list of one number per channel, to be broadcast against v: [C, 1, 1, ...]. */
static mq_value *per_channel(mq_grad *k, mq_value *list, const mq_value *v)
{
    int64_t dims[64] = { -1 };
    const int rank = mq_grad_rank(k, v);

    if (k->rc == MQ_OK && (rank < 2 || rank > 64))
        mq_grad_refuse(k, "what it reads has such a rank");
    for (int i = 1; i < rank - 1 && k->rc == MQ_OK; i++)
        dims[i] = 1;
    return mq_grad_reshape_to(k, list, dims, rank > 1 ? (size_t)rank - 1 : 0);
}

/* v summed over everything but channels, in the shape of the list `like`. */
static mq_value *by_channel(mq_grad *k, mq_value *v, mq_value *like)
{
    return mq_grad_reshape(k, mq_grad_own(k, "ReduceTo", v, per_channel(k, like, mq_grad_in(k, 0))), like);
}

/* With statistics that are constants: y = (x - mean) inv scale + b. */
static void batch_norm(mq_grad *k)
{
    mq_value *x = mq_grad_in(k, 0), *scale = mq_grad_in(k, 1), *b = mq_grad_in(k, 2), *dy = k->dy[0], *inv, *centred;

    first_output_only(k);
    if (mq_node_attr_int(k->n, "training_mode", 0))
        mq_grad_refuse(k, "it is in training mode, as an operator of the file");
    if (mq_grad_wants(k, 3) || mq_grad_wants(k, 4))
        mq_grad_refuse(k, "a running statistic is a parameter");
    inv = mq_grad_op(k, "Add", mq_grad_in(k, 4), mq_grad_number(k, epsilon(k)));
    inv = mq_grad_op(k, "Reciprocal", mq_grad_op(k, "Sqrt", inv));
    if (mq_grad_wants(k, 0))
        mq_grad_give(k, 0, mq_grad_op(k, "Mul", dy, per_channel(k, mq_grad_op(k, "Mul", scale, inv), x)));
    if (mq_grad_wants(k, 1)) {
        centred = mq_grad_op(k, "Sub", x, per_channel(k, mq_grad_in(k, 3), x));
        mq_grad_give(k, 1, mq_grad_op(k, "Mul", by_channel(k, mq_grad_op(k, "Mul", dy, centred), scale), inv));
    }
    if (mq_grad_wants(k, 2))
        mq_grad_give(k, 2, by_channel(k, dy, b));
}

/* ---- over each sample ---------------------------------------------------------------------------------------------- */

static void layer_norm(mq_grad *k)
{
    mq_node *n;

    first_output_only(k);
    n = mq_grad_make(k, MQ_GRAD_DOMAIN, "LayerNormGrad", k->n, 3, mq_grad_in(k, 0), mq_grad_dy(k, 0), mq_grad_in(k, 1));
    if (!n)
        return;
    mq_node_remove_attr(n, "stash_type");
    give_outputs(k, n);
    for (size_t i = 1; i < 3; i++) /* scale and bias may be broadcast */
        if (mq_grad_wants(k, i) && !mq_same_shape(mq_grad_in(k, i), mq_grad_in(k, 1)))
            mq_grad_give(k, i, mq_grad_own(k, "ReduceTo", n->outputs[i], mq_grad_in(k, i)));
}

/* What a normalization by groups is made of: h = (v - mean(v)) inv, inv = 1 / sqrt(variance(v) + epsilon). */
typedef struct group {
    mq_value *axes;
    mq_value *inv, *h;
} group;

/* axes of v are normalized together; centred: the mean is taken off, too (RMSNormalization does not). */
static group normalized(mq_grad *k, mq_value *v, mq_value *axes, bool centred, double eps)
{
    group g = { .axes = axes };
    mq_value *square;

    if (centred)
        v = mq_grad_op(k, "Sub", v, mq_grad_reduce(k, "ReduceMean", v, axes));
    square = mq_grad_reduce(k, "ReduceMean", mq_grad_square(k, v), axes);
    square = mq_grad_op(k, "Add", square, mq_grad_number(k, eps));
    g.inv = mq_grad_op(k, "Reciprocal", mq_grad_op(k, "Sqrt", square));
    g.h = mq_grad_op(k, "Mul", v, g.inv);
    return g;
}

/* dv from dh: inv (dh - mean(dh) - h mean(dh h)), the first mean only when centred. */
static mq_value *through(mq_grad *k, const group *g, mq_value *dh, bool centred)
{
    mq_value *along = mq_grad_reduce(k, "ReduceMean", mq_grad_op(k, "Mul", dh, g->h), g->axes);
    mq_value *rest = mq_grad_op(k, "Sub", dh, mq_grad_op(k, "Mul", g->h, along));

    if (centred)
        rest = mq_grad_op(k, "Sub", rest, mq_grad_reduce(k, "ReduceMean", dh, g->axes));
    return mq_grad_op(k, "Mul", rest, g->inv);
}

/* [N, C, ...] as [N, groups, the rest]; 0: a group per channel. */
static mq_value *grouped(mq_grad *k, mq_value *v, int64_t groups)
{
    return mq_grad_reshape_to(k, v, (const int64_t[]){ 0, groups, -1 }, 3);
}

/* GroupNormalization, and InstanceNormalization with a group per channel; a scale and a bias per channel. */
static void by_groups(mq_grad *k, int64_t groups)
{
    mq_value *x = mq_grad_in(k, 0), *scale = mq_grad_in(k, 1), *dy = k->dy[0];
    const group g = normalized(k, grouped(k, x, groups), mq_grad_ints(k, (const int64_t[]){ 2 }, 1), true, epsilon(k));
    mq_value *dh = grouped(k, mq_grad_op(k, "Mul", dy, per_channel(k, scale, x)), groups);

    if (mq_grad_wants(k, 0))
        mq_grad_give(k, 0, mq_grad_reshape(k, through(k, &g, dh, true), x));
    if (mq_grad_wants(k, 1))
        mq_grad_give(k, 1, by_channel(k, mq_grad_op(k, "Mul", dy, mq_grad_reshape(k, g.h, x)), scale));
    if (mq_grad_wants(k, 2))
        mq_grad_give(k, 2, by_channel(k, dy, mq_grad_in(k, 2)));
}

static void instance_norm(mq_grad *k)
{
    by_groups(k, 0);
}

static void group_norm(mq_grad *k)
{
    by_groups(k, mq_node_attr_int(k->n, "num_groups", 1));
}

/* Over the axes from `axis` on. */
static void rms_norm(mq_grad *k)
{
    mq_value *x = mq_grad_in(k, 0), *scale = mq_grad_in(k, 1), *dy = k->dy[0];
    const int rank = mq_grad_rank(k, x);
    int64_t axes[64], axis = mq_node_attr_int(k->n, "axis", -1);
    size_t n = 0;
    group g;

    axis = axis < 0 ? axis + rank : axis;
    if (k->rc == MQ_OK && (axis < 0 || axis >= rank || rank > 64))
        mq_grad_refuse(k, "'axis' is none of its input's");
    for (; axis < rank && k->rc == MQ_OK; axis++)
        axes[n++] = axis;
    if (k->rc != MQ_OK)
        return;
    g = normalized(k, x, mq_grad_ints(k, axes, n), false, epsilon(k));
    if (mq_grad_wants(k, 0))
        mq_grad_give(k, 0, through(k, &g, mq_grad_op(k, "Mul", dy, scale), false));
    if (mq_grad_wants(k, 1))
        mq_grad_give_summed(k, 1, mq_grad_op(k, "Mul", dy, g.h));
}

/* Over `axes`, without scale and bias; 1e-9 of the deviation is 1e-18 of the variance, and as little. */
static void mean_variance_norm(mq_grad *k)
{
    static const int64_t usual[] = { 0, 2, 3 };
    size_t n;
    const int64_t *axes = mq_node_attr_ints(k->n, "axes", &n);
    const group g = normalized(k, mq_grad_in(k, 0), mq_grad_ints(k, axes ? axes : usual, axes ? n : 3), true, 1e-18);

    mq_grad_give(k, 0, through(k, &g, k->dy[0], true));
}

/* The sum over `size` neighbours among the channels of v, an input of rank 3 or more; turned: the channels in whose sums
 * each stands. */
static mq_value *channel_sums(mq_grad *k, mq_value *v, int64_t size, bool turned)
{
    const int64_t less = (size - 1) / 2, more = size - 1 - less;
    const int64_t pads[] = { turned ? more : less, 0, turned ? less : more, 0 };
    mq_value *flat = mq_grad_reshape_to(k, v, (const int64_t[]){ 0, 0, -1 }, 3);
    mq_node *n;

    flat = mq_grad_op(k, "Unsqueeze", flat, mq_grad_ints(k, (const int64_t[]){ 1 }, 1));
    n = mq_grad_make(k, "", "AveragePool", NULL, 1, flat);
    mq_grad_set_ints(k, n, "kernel_shape", (const int64_t[]){ size, 1 }, 2);
    mq_grad_set_ints(k, n, "pads", pads, 4);
    flat = mq_grad_set_int(k, n, "count_include_pad", 1);
    return mq_grad_reshape(k, mq_grad_scale(k, flat, (double)size), mq_grad_in(k, 0));
}

/* y = x / s^beta, s = bias + alpha / size sums(x^2): dy / s^beta - 2 alpha beta / size x sums'(dy y / s). */
static void lrn(mq_grad *k)
{
    const double alpha = (double)mq_node_attr_float(k->n, "alpha", 1e-4f);
    const double beta = (double)mq_node_attr_float(k->n, "beta", 0.75f);
    const double bias = (double)mq_node_attr_float(k->n, "bias", 1);
    const int64_t size = mq_node_attr_int(k->n, "size", 1);
    mq_value *x = mq_grad_in(k, 0), *s, *direct, *around;

    if (size < 1 || size > INT32_MAX || mq_grad_rank(k, x) < 3) {
        mq_grad_refuse(k, "such a 'size' or rank");
        return;
    }
    s = mq_grad_scale(k, channel_sums(k, mq_grad_square(k, x), size, false), alpha / (double)size);
    s = mq_grad_op(k, "Add", s, mq_grad_number(k, bias));
    direct = mq_grad_op(k, "Mul", k->dy[0], mq_grad_op(k, "Pow", s, mq_grad_number(k, -beta)));
    around = mq_grad_op(k, "Div", mq_grad_op(k, "Mul", k->dy[0], mq_grad_out(k, 0)), s);
    around = mq_grad_scale(k, channel_sums(k, around, size, true), 2 * alpha * beta / (double)size);
    mq_grad_give(k, 0, mq_grad_op(k, "Sub", direct, mq_grad_op(k, "Mul", x, around)));
}

/* y = x / |x|, the length by squares (p 2) or absolute values (p 1): (dy - u sum(dy y)) / |x|, u = y or the signs of x. */
static void lp_norm(mq_grad *k)
{
    const int64_t p = mq_node_attr_int(k->n, "p", 2), axis = mq_node_attr_int(k->n, "axis", -1);
    mq_value *x = mq_grad_in(k, 0), *y = mq_grad_out(k, 0), *axes = mq_grad_ints(k, &axis, 1);
    mq_value *length = mq_grad_reduce(k, p == 1 ? "ReduceL1" : "ReduceL2", x, axes);
    mq_value *along = mq_grad_reduce(k, "ReduceSum", mq_grad_op(k, "Mul", k->dy[0], y), axes);
    mq_value *zero = mq_grad_op(k, "Equal", length, mq_grad_number(k, 0));
    mq_value *rest = mq_grad_op(k, "Sub", k->dy[0], mq_grad_op(k, "Mul", along, p == 1 ? mq_grad_op(k, "Sign", x) : y));

    length = mq_grad_op(k, "Where", zero, mq_grad_number(k, 1), length);
    mq_grad_give(k, 0, mq_grad_choose(k, zero, NULL, mq_grad_op(k, "Div", rest, length)));
}

const mq_grad_rule mq_grad_rules_norm[] = {
    { "", "BatchNormalization", batch_norm },
    { "", "GroupNormalization", group_norm },
    { "", "InstanceNormalization", instance_norm },
    { "", "LRN", lrn },
    { "", "LayerNormalization", layer_norm },
    { "", "LogSoftmax", log_softmax },
    { "", "LpNormalization", lp_norm },
    { "", "MeanVarianceNormalization", mean_variance_norm },
    { "", "RMSNormalization", rms_norm },
    { "", "Softmax", softmax },
    { MQ_GRAD_DOMAIN, "BatchNormTrain", batch_norm_train },
    { 0 },
};
