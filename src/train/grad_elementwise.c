/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Gradients of functions of several numbers, element by element, with broadcasting; and of what only passes on. */
#include "passes/pass.h"
#include "train/grad_families.h"

/* ---- sums ---------------------------------------------------------------------------------------------------------- */

/* Add and Sum */
static void sum(mq_grad *k)
{
    for (size_t i = 0; i < k->n->n_inputs; i++)
        mq_grad_give_summed(k, i, k->dy[0]);
}

static void mean(mq_grad *k)
{
    mq_value *part = mq_grad_scale(k, k->dy[0], 1.0 / (double)k->n->n_inputs);

    for (size_t i = 0; i < k->n->n_inputs; i++)
        mq_grad_give_summed(k, i, part);
}

static void sub(mq_grad *k)
{
    mq_grad_give_summed(k, 0, k->dy[0]);
    if (mq_grad_wants(k, 1))
        mq_grad_give_summed(k, 1, mq_grad_op(k, "Neg", k->dy[0]));
}

/* ---- products ------------------------------------------------------------------------------------------------------ */

static void mul(mq_grad *k)
{
    for (size_t i = 0; i < 2; i++)
        if (mq_grad_wants(k, i))
            mq_grad_give_summed(k, i, mq_grad_op(k, "Mul", k->dy[0], mq_grad_in(k, 1 - i)));
}

/* y = a / b: dy / b, and -dy / b y */
static void divide(mq_grad *k)
{
    mq_value *part = mq_grad_op(k, "Div", k->dy[0], mq_grad_in(k, 1));

    mq_grad_give_summed(k, 0, part);
    if (mq_grad_wants(k, 1))
        mq_grad_give_summed(k, 1, mq_grad_op(k, "Neg", mq_grad_op(k, "Mul", part, mq_grad_out(k, 0))));
}

/* e x^(e - 1), 0 where e is 0 (x^-1 may be infinite). */
static mq_value *power_slope(mq_grad *k)
{
    mq_value *base = mq_grad_in(k, 0), *e, *slope;
    double exponent = 0;

    if (mq_constant_number(mq_grad_in(k, 1), &exponent) && exponent == 2)
        return mq_grad_scale(k, base, 2);
    e = mq_grad_cast(k, mq_grad_in(k, 1));
    slope = mq_grad_op(k, "Mul", e, mq_grad_op(k, "Pow", base, mq_grad_op(k, "Sub", e, mq_grad_number(k, 1))));
    return mq_grad_choose(k, mq_grad_op(k, "Equal", e, mq_grad_number(k, 0)), NULL, slope);
}

/* y = x^e: and y log(x) for the exponent, 0 where x is not positive. */
static void power(mq_grad *k)
{
    mq_value *base = mq_grad_in(k, 0), *positive, *log;

    if (mq_grad_wants(k, 0))
        mq_grad_give_summed(k, 0, mq_grad_op(k, "Mul", k->dy[0], power_slope(k)));
    if (!mq_grad_wants(k, 1))
        return;
    positive = mq_grad_op(k, "Greater", base, mq_grad_number(k, 0));
    log = mq_grad_op(k, "Log", mq_grad_op(k, "Where", positive, base, mq_grad_number(k, 1)));
    mq_grad_give_summed(k, 1, mq_grad_op(k, "Mul", k->dy[0], mq_grad_op(k, "Mul", mq_grad_out(k, 0), log)));
}

/* y = x, or slope x below 0. */
static void prelu(mq_grad *k)
{
    mq_value *x = mq_grad_in(k, 0), *positive = mq_grad_op(k, "Greater", x, mq_grad_number(k, 0));

    if (mq_grad_wants(k, 0)) {
        mq_value *below = mq_grad_op(k, "Mul", k->dy[0], mq_grad_in(k, 1));

        mq_grad_give(k, 0, mq_grad_op(k, "Where", positive, k->dy[0], below));
    }
    if (mq_grad_wants(k, 1))
        mq_grad_give_summed(k, 1, mq_grad_choose(k, positive, NULL, mq_grad_op(k, "Mul", k->dy[0], x)));
}

/* ---- choices ------------------------------------------------------------------------------------------------------- */

static void where(mq_grad *k)
{
    if (mq_grad_wants(k, 1))
        mq_grad_give_summed(k, 1, mq_grad_choose(k, mq_grad_in(k, 0), k->dy[0], NULL));
    if (mq_grad_wants(k, 2))
        mq_grad_give_summed(k, 2, mq_grad_choose(k, mq_grad_in(k, 0), NULL, k->dy[0]));
}

/* Min and Max: to those that equal the result, in equal parts. */
static void extreme(mq_grad *k)
{
    const size_t n = k->n->n_inputs;
    mq_value **hits = mq_arena_calloc(k->g->model->arena, n + 1, sizeof(mq_value *)), *count = NULL, *part;

    if (!hits && k->rc == MQ_OK)
        k->rc = mq_oom(k->err);
    for (size_t i = 0; i < n && k->rc == MQ_OK; i++) {
        hits[i] = mq_grad_cast(k, mq_grad_op(k, "Equal", mq_grad_in(k, i), mq_grad_out(k, 0)));
        count = count ? mq_grad_op(k, "Add", count, hits[i]) : hits[i];
    }
    part = mq_grad_op(k, "Div", k->dy[0], count);
    for (size_t i = 0; i < n && k->rc == MQ_OK; i++)
        if (mq_grad_wants(k, i))
            mq_grad_give_summed(k, i, mq_grad_op(k, "Mul", part, hits[i]));
}

/* ---- passing on ---------------------------------------------------------------------------------------------------- */

static void identity(mq_grad *k)
{
    mq_grad_give(k, 0, k->dy[0]);
}

/* Cast and CastLike */
static void cast(mq_grad *k)
{
    k->flat = 1 << 1; /* CastLike asks its second input for the type alone */
    if (mq_grad_wants(k, 0))
        mq_grad_give(k, 0, mq_grad_cast(k, k->dy[0]));
}

/* What is kept counts 1 / (1 - ratio). */
static void dropout(mq_grad *k)
{
    const mq_value *training = mq_grad_in(k, 2);
    mq_value *ratio = mq_grad_in(k, 1), *kept;
    double on = 0;

    if (training && !mq_constant_number(training, &on))
        mq_grad_refuse(k, "'training_mode' is no constant");
    if (on == 0) {
        k->flat = 1 << 1;
        mq_grad_give(k, 0, k->dy[0]);
        return;
    }
    ratio = ratio ? mq_grad_cast(k, ratio) : mq_grad_number(k, 0.5);
    kept = mq_grad_op(k, "Div", k->dy[0], mq_grad_one_minus(k, ratio));
    mq_grad_give(k, 0, mq_grad_choose(k, mq_grad_out(k, 1), kept, NULL));
}

const mq_grad_rule mq_grad_rules_elementwise[] = {
    { "", "Add", sum },
    { "", "Cast", cast },
    { "", "CastLike", cast },
    { "", "Div", divide },
    { "", "Dropout", dropout },
    { "", "Identity", identity },
    { "", "Max", extreme },
    { "", "Mean", mean },
    { "", "Min", extreme },
    { "", "Mul", mul },
    { "", "PRelu", prelu },
    { "", "Pow", power },
    { "", "Sub", sub },
    { "", "Sum", sum },
    { "", "Where", where },
    { 0 },
};
