/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Gradients of functions of one number. Where a function has a corner its derivative there is torch's. */
#include <math.h>

#include "train/grad_families.h"

static mq_value *x(const mq_grad *k)
{
    return mq_grad_in(k, 0);
}

static mq_value *y(mq_grad *k)
{
    return mq_grad_out(k, 0);
}

/* ---- elementary ---------------------------------------------------------------------------------------------------- */

static void neg(mq_grad *k)
{
    mq_grad_give(k, 0, mq_grad_op(k, "Neg", k->dy[0]));
}

static void absolute(mq_grad *k)
{
    mq_grad_give_product(k, mq_grad_op(k, "Sign", x(k)));
}

static void exponential(mq_grad *k)
{
    mq_grad_give_product(k, y(k));
}

static void logarithm(mq_grad *k)
{
    mq_grad_give(k, 0, mq_grad_op(k, "Div", k->dy[0], x(k)));
}

/* dy / (2 y) */
static void square_root(mq_grad *k)
{
    mq_grad_give(k, 0, mq_grad_op(k, "Div", mq_grad_scale(k, k->dy[0], 0.5), y(k)));
}

static void reciprocal(mq_grad *k)
{
    mq_grad_give_product(k, mq_grad_op(k, "Neg", mq_grad_square(k, y(k))));
}

/* 2 / sqrt(pi) exp(-x^2) */
static void erf_rule(mq_grad *k)
{
    mq_value *bell = mq_grad_op(k, "Exp", mq_grad_op(k, "Neg", mq_grad_square(k, x(k))));

    mq_grad_give_product(k, mq_grad_scale(k, bell, M_2_SQRTPI));
}

static void sine(mq_grad *k)
{
    mq_grad_give_product(k, mq_grad_op(k, "Cos", x(k)));
}

static void cosine(mq_grad *k)
{
    mq_grad_give_product(k, mq_grad_op(k, "Neg", mq_grad_op(k, "Sin", x(k))));
}

/* 1 + y^2 */
static void tangent(mq_grad *k)
{
    mq_grad_give_product(k, mq_grad_op(k, "Add", mq_grad_square(k, y(k)), mq_grad_number(k, 1)));
}

static void sinh_rule(mq_grad *k)
{
    mq_grad_give_product(k, mq_grad_op(k, "Cosh", x(k)));
}

static void cosh_rule(mq_grad *k)
{
    mq_grad_give_product(k, mq_grad_op(k, "Sinh", x(k)));
}

/* 1 / (1 + x^2) */
static void atan_rule(mq_grad *k)
{
    mq_grad_give(k, 0, mq_grad_op(k, "Div", k->dy[0], mq_grad_op(k, "Add", mq_grad_square(k, x(k)), mq_grad_number(k, 1))));
}

/* sign dy / sqrt(a x^2 + b): Asin (a -1, b 1), Acos (the same, sign -1), Asinh (1, 1), Acosh (1, -1) */
static void give_inverse(mq_grad *k, double sign, double a, double b)
{
    mq_value *below = mq_grad_op(k, "Add", mq_grad_scale(k, mq_grad_square(k, x(k)), a), mq_grad_number(k, b));

    mq_grad_give(k, 0, mq_grad_op(k, "Div", mq_grad_scale(k, k->dy[0], sign), mq_grad_op(k, "Sqrt", below)));
}

static void asin_rule(mq_grad *k)
{
    give_inverse(k, 1, -1, 1);
}

static void acos_rule(mq_grad *k)
{
    give_inverse(k, -1, -1, 1);
}

static void asinh_rule(mq_grad *k)
{
    give_inverse(k, 1, 1, 1);
}

static void acosh_rule(mq_grad *k)
{
    give_inverse(k, 1, 1, -1);
}

static void atanh_rule(mq_grad *k)
{
    mq_grad_give(k, 0, mq_grad_op(k, "Div", k->dy[0], mq_grad_one_minus(k, mq_grad_square(k, x(k)))));
}

/* The derivative is 0 almost everywhere: nothing passes. */
static void flat(mq_grad *k)
{
    k->flat = 1;
}

/* ---- sigmoids ------------------------------------------------------------------------------------------------------ */

/* s (1 - s) */
static mq_value *bump(mq_grad *k, mq_value *s)
{
    return mq_grad_op(k, "Mul", s, mq_grad_one_minus(k, s));
}

static void sigmoid(mq_grad *k)
{
    mq_grad_give_product(k, bump(k, y(k)));
}

static void tanh_rule(mq_grad *k)
{
    mq_grad_give_product(k, mq_grad_one_minus(k, mq_grad_square(k, y(k))));
}

static void softplus(mq_grad *k)
{
    mq_grad_give_product(k, mq_grad_op(k, "Sigmoid", x(k)));
}

/* 1 / (1 + |x|)^2 */
static void softsign(mq_grad *k)
{
    mq_value *below = mq_grad_op(k, "Add", mq_grad_op(k, "Abs", x(k)), mq_grad_number(k, 1));

    mq_grad_give(k, 0, mq_grad_op(k, "Div", k->dy[0], mq_grad_square(k, below)));
}

/* y = x s(a x): s + a x s (1 - s) */
static void swish(mq_grad *k)
{
    const double alpha = (double)mq_node_attr_float(k->n, "alpha", 1);
    mq_value *ax = alpha == 1 ? x(k) : mq_grad_scale(k, x(k), alpha), *s = mq_grad_op(k, "Sigmoid", ax);

    mq_grad_give_product(k, mq_grad_op(k, "Add", s, mq_grad_op(k, "Mul", ax, bump(k, s))));
}

/* y = x t, t = tanh(softplus(x)): t + x (1 - t^2) s(x) */
static void mish(mq_grad *k)
{
    mq_value *t = mq_grad_op(k, "Tanh", mq_grad_op(k, "Softplus", x(k)));
    mq_value *slope = mq_grad_op(k, "Mul", mq_grad_one_minus(k, mq_grad_square(k, t)), mq_grad_op(k, "Sigmoid", x(k)));

    mq_grad_give_product(k, mq_grad_op(k, "Add", t, mq_grad_op(k, "Mul", x(k), slope)));
}

/* y = x P(x), P the normal distribution: P + x p, with p = exp(-x^2 / 2) / sqrt(2 pi) */
static mq_value *gelu_exact(mq_grad *k)
{
    mq_value *erf = mq_grad_op(k, "Erf", mq_grad_scale(k, x(k), M_SQRT1_2));
    mq_value *normal = mq_grad_scale(k, mq_grad_op(k, "Add", erf, mq_grad_number(k, 1)), 0.5);
    mq_value *bell = mq_grad_op(k, "Exp", mq_grad_scale(k, mq_grad_square(k, x(k)), -0.5));

    bell = mq_grad_scale(k, mq_grad_op(k, "Mul", x(k), bell), 0.5 * M_SQRT1_2 * M_2_SQRTPI);
    return mq_grad_op(k, "Add", normal, bell);
}

/* y = x (1 + t) / 2, t = tanh(u), u = c (x + d x^3): (1 + t) / 2 + x (1 - t^2) u' / 2, u' = c + 3 c d x^2 */
static mq_value *gelu_tanh(mq_grad *k)
{
    const double c = M_SQRT2 * 0.5 * M_2_SQRTPI, d = 0.044715;
    mq_value *xx = mq_grad_square(k, x(k));
    mq_value *u = mq_grad_op(k, "Add", mq_grad_scale(k, xx, c * d), mq_grad_number(k, c));
    mq_value *t = mq_grad_op(k, "Tanh", mq_grad_op(k, "Mul", u, x(k)));
    mq_value *slope = mq_grad_op(k, "Add", mq_grad_scale(k, xx, 3 * c * d), mq_grad_number(k, c));
    mq_value *side = mq_grad_op(k, "Mul", mq_grad_one_minus(k, mq_grad_square(k, t)), mq_grad_op(k, "Mul", x(k), slope));

    return mq_grad_scale(k, mq_grad_op(k, "Add", mq_grad_op(k, "Add", t, mq_grad_number(k, 1)), side), 0.5);
}

static void gelu(mq_grad *k)
{
    mq_grad_give_product(k, mq_node_attr_is(k->n, "approximate", "tanh") ? gelu_tanh(k) : gelu_exact(k));
}

/* ---- by pieces ----------------------------------------------------------------------------------------------------- */

static mq_value *above(mq_grad *k, mq_value *v, double bound)
{
    return mq_grad_op(k, "Greater", v, mq_grad_number(k, bound));
}

/* dy where x > bound, dy * below elsewhere (NULL: 0). */
static void give_above(mq_grad *k, double bound, mq_value *below)
{
    mq_value *other = below ? mq_grad_op(k, "Mul", k->dy[0], below) : NULL;

    mq_grad_give(k, 0, mq_grad_choose(k, above(k, x(k), bound), k->dy[0], other));
}

static void relu(mq_grad *k)
{
    mq_grad_give(k, 0, mq_grad_own(k, "ReluGrad", y(k), k->dy[0]));
}

static void leaky_relu(mq_grad *k)
{
    give_above(k, 0, mq_grad_number(k, (double)mq_node_attr_float(k->n, "alpha", 0.01f)));
}

/* y = alpha (exp(x) - 1) below 0: y + alpha */
static void elu(mq_grad *k)
{
    const double alpha = (double)mq_node_attr_float(k->n, "alpha", 1);

    give_above(k, 0, mq_grad_op(k, "Add", y(k), mq_grad_number(k, alpha)));
}

/* y = alpha (exp(x / alpha) - 1) below 0: y / alpha + 1 */
static void celu(mq_grad *k)
{
    const double alpha = (double)mq_node_attr_float(k->n, "alpha", 1);

    give_above(k, 0, mq_grad_op(k, "Add", mq_grad_scale(k, y(k), 1 / alpha), mq_grad_number(k, 1)));
}

/* gamma above 0, y + gamma alpha below */
static void selu(mq_grad *k)
{
    const double alpha = (double)mq_node_attr_float(k->n, "alpha", 1.67326319217681884765625f);
    const double gamma = (double)mq_node_attr_float(k->n, "gamma", 1.05070102214813232421875f);
    mq_value *below = mq_grad_op(k, "Add", y(k), mq_grad_number(k, gamma * alpha));

    mq_grad_give_product(k, mq_grad_choose(k, above(k, x(k), 0), mq_grad_number(k, gamma), below));
}

static void thresholded_relu(mq_grad *k)
{
    give_above(k, (double)mq_node_attr_float(k->n, "alpha", 1), NULL);
}

static void shrink(mq_grad *k)
{
    mq_value *far = above(k, mq_grad_op(k, "Abs", x(k)), (double)mq_node_attr_float(k->n, "lambd", 0.5f));

    mq_grad_give(k, 0, mq_grad_choose(k, far, k->dy[0], NULL));
}

/* low < v < high */
static mq_value *between(mq_grad *k, mq_value *v, double low, double high)
{
    return mq_grad_op(k, "And", above(k, v, low), mq_grad_op(k, "Less", v, mq_grad_number(k, high)));
}

static void hard_sigmoid(mq_grad *k)
{
    const double alpha = (double)mq_node_attr_float(k->n, "alpha", 0.2f);

    mq_grad_give(k, 0, mq_grad_choose(k, between(k, y(k), 0, 1), mq_grad_scale(k, k->dy[0], alpha), NULL));
}

/* y = x (x + 3) / 6 between -3 and 3: x / 3 + 1 / 2; 1 above */
static void hard_swish(mq_grad *k)
{
    mq_value *line = mq_grad_op(k, "Add", mq_grad_scale(k, x(k), 1.0 / 3), mq_grad_number(k, 0.5));
    mq_value *side = mq_grad_choose(k, above(k, x(k), 0), mq_grad_number(k, 1), NULL);

    mq_grad_give_product(k, mq_grad_op(k, "Where", between(k, x(k), -3, 3), line, side));
}

/* The bounds themselves pass. */
static void clip(mq_grad *k)
{
    mq_value *v = k->dy[0], *low = mq_grad_in(k, 1), *high = mq_grad_in(k, 2);

    if (mq_grad_wants(k, 1) || mq_grad_wants(k, 2))
        mq_grad_refuse(k, "its bounds depend on a parameter");
    if (low)
        v = mq_grad_choose(k, mq_grad_op(k, "GreaterOrEqual", x(k), low), v, NULL);
    if (high)
        v = mq_grad_choose(k, mq_grad_op(k, "LessOrEqual", x(k), high), v, NULL);
    mq_grad_give(k, 0, v);
}

const mq_grad_rule mq_grad_rules_activation[] = {
    { "", "Abs", absolute },
    { "", "Acos", acos_rule },
    { "", "Acosh", acosh_rule },
    { "", "Asin", asin_rule },
    { "", "Asinh", asinh_rule },
    { "", "Atan", atan_rule },
    { "", "Atanh", atanh_rule },
    { "", "Ceil", flat },
    { "", "Celu", celu },
    { "", "Clip", clip },
    { "", "Cos", cosine },
    { "", "Cosh", cosh_rule },
    { "", "Elu", elu },
    { "", "Erf", erf_rule },
    { "", "Exp", exponential },
    { "", "Floor", flat },
    { "", "Gelu", gelu },
    { "", "Hardmax", flat },
    { "", "HardSigmoid", hard_sigmoid },
    { "", "HardSwish", hard_swish },
    { "", "LeakyRelu", leaky_relu },
    { "", "Log", logarithm },
    { "", "Mish", mish },
    { "", "Neg", neg },
    { "", "Reciprocal", reciprocal },
    { "", "Relu", relu },
    { "", "Round", flat },
    { "", "Selu", selu },
    { "", "Shrink", shrink },
    { "", "Sigmoid", sigmoid },
    { "", "Sign", flat },
    { "", "Sin", sine },
    { "", "Sinh", sinh_rule },
    { "", "Softplus", softplus },
    { "", "Softsign", softsign },
    { "", "Sqrt", square_root },
    { "", "Swish", swish },
    { "", "Tan", tangent },
    { "", "Tanh", tanh_rule },
    { "", "ThresholdedRelu", thresholded_relu },
    { 0 },
};
