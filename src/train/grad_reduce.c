/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Gradients of reductions. */
#include "train/grad_families.h"

/* v, an output's value or gradient, with the axes that the reduction has taken away: ready to be broadcast against its
 * input. Without axes all are, and one number is broadcast anyway. */
static mq_value *widened(mq_grad *k, mq_value *v)
{
    mq_value *axes = mq_grad_in(k, 1);

    if (mq_node_attr_int(k->n, "keepdims", 1) || !axes)
        return v;
    return mq_grad_op(k, "Unsqueeze", v, axes);
}

static mq_value *dy(mq_grad *k)
{
    return widened(k, k->dy[0]);
}

static mq_value *y(mq_grad *k)
{
    return widened(k, mq_grad_out(k, 0));
}

static mq_value *x(const mq_grad *k)
{
    return mq_grad_in(k, 0);
}

/* Reduces as the node does, keeping axes. */
static mq_value *again(mq_grad *k, const char *op, mq_value *v)
{
    mq_node *n = mq_grad_make(k, "", op, k->n, 1, v, mq_grad_in(k, 1));

    return mq_grad_set_int(k, n, "keepdims", 1);
}

static void give_spread(mq_grad *k, mq_value *v)
{
    mq_grad_give(k, 0, mq_grad_op(k, "Expand", v, mq_grad_shape(k, x(k))));
}

static void give_product(mq_grad *k, mq_value *by)
{
    mq_grad_give(k, 0, mq_grad_op(k, "Mul", dy(k), by));
}

static void reduce_sum(mq_grad *k)
{
    give_spread(k, dy(k));
}

static void reduce_mean(mq_grad *k)
{
    mq_value *share = mq_grad_count_ratio(k, mq_grad_out(k, 0), x(k));

    give_spread(k, mq_grad_op(k, "Mul", dy(k), share));
}

/* To those that equal the result, in equal parts. */
static void reduce_extreme(mq_grad *k)
{
    mq_value *hits = mq_grad_cast(k, mq_grad_op(k, "Equal", x(k), y(k)));

    mq_grad_give(k, 0, mq_grad_op(k, "Mul", hits, mq_grad_op(k, "Div", dy(k), again(k, "ReduceSum", hits))));
}

/* y / x; where one element is 0, it alone gets the product of the others. */
static void reduce_prod(mq_grad *k)
{
    mq_value *zero = mq_grad_op(k, "Equal", x(k), mq_grad_number(k, 0)), *one = mq_grad_number(k, 1);
    mq_value *count = again(k, "ReduceSum", mq_grad_cast(k, zero));
    mq_value *filled = mq_grad_op(k, "Where", zero, one, x(k)), *others = again(k, "ReduceProd", filled);
    mq_value *at_zero = mq_grad_choose(k, mq_grad_op(k, "Equal", count, one), others, NULL);
    mq_value *elsewhere = mq_grad_op(k, "Div", y(k), filled);

    give_product(k, mq_grad_op(k, "Where", zero, at_zero, elsewhere));
}

static void reduce_l1(mq_grad *k)
{
    give_product(k, mq_grad_op(k, "Sign", x(k)));
}

/* x / y; 0 where all elements are */
static void reduce_l2(mq_grad *k)
{
    mq_value *norm = y(k), *zero = mq_grad_op(k, "Equal", norm, mq_grad_number(k, 0));
    mq_value *below = mq_grad_op(k, "Where", zero, mq_grad_number(k, 1), norm);

    give_product(k, mq_grad_op(k, "Div", x(k), below));
}

/* 1 / exp(y) */
static void reduce_log_sum(mq_grad *k)
{
    give_spread(k, mq_grad_op(k, "Div", dy(k), mq_grad_op(k, "Exp", y(k))));
}

/* exp(x - y) */
static void reduce_log_sum_exp(mq_grad *k)
{
    give_product(k, mq_grad_op(k, "Exp", mq_grad_op(k, "Sub", x(k), y(k))));
}

static void reduce_sum_square(mq_grad *k)
{
    give_product(k, mq_grad_scale(k, x(k), 2));
}

const mq_grad_rule mq_grad_rules_reduce[] = {
    { "", "ReduceL1", reduce_l1 },
    { "", "ReduceL2", reduce_l2 },
    { "", "ReduceLogSum", reduce_log_sum },
    { "", "ReduceLogSumExp", reduce_log_sum_exp },
    { "", "ReduceMax", reduce_extreme },
    { "", "ReduceMean", reduce_mean },
    { "", "ReduceMin", reduce_extreme },
    { "", "ReduceProd", reduce_prod },
    { "", "ReduceSum", reduce_sum },
    { "", "ReduceSumSquare", reduce_sum_square },
    { 0 },
};
