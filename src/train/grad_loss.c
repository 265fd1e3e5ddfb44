/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Gradients of the losses that ONNX has as operators. */
#include "train/grad_families.h"

/* A loss of targets [N, ...] and scores [N, C, ...]. */
typedef struct targets {
    mq_value *at;     /* [N, 1, ...]: the class; 0 where none counts */
    mq_value *weight; /* [N, ...]: how much the target counts */
} targets;

static mq_value *in_classes(mq_grad *k, mq_value *v)
{
    return mq_grad_op(k, "Unsqueeze", v, mq_grad_ints(k, (const int64_t[]){ 1 }, 1));
}

static targets read_targets(mq_grad *k)
{
    mq_value *t = mq_grad_set_int(k, mq_grad_make(k, "", "Cast", NULL, 1, mq_grad_in(k, 1)), "to", MQ_INT64);
    mq_value *weights = mq_grad_in(k, 2), *zero = mq_grad_int(k, 0), *counts;
    targets out;

    if (mq_node_attr(k->n, "ignore_index")) {
        mq_value *ignored = mq_grad_int(k, mq_node_attr_int(k->n, "ignore_index", -1));

        counts = mq_grad_op(k, "Not", mq_grad_op(k, "Equal", t, ignored));
        t = mq_grad_op(k, "Where", counts, t, zero);
    } else {
        counts = mq_grad_op(k, "GreaterOrEqual", t, zero);
    }
    out.weight = mq_grad_cast(k, counts);
    if (weights)
        out.weight = mq_grad_op(k, "Mul", out.weight, mq_grad_op(k, "Gather", weights, t));
    out.at = in_classes(k, t);
    return out;
}

/* What a target's loss counts in the result, times dy: [N, 1, ...]. */
static mq_value *shares(mq_grad *k, const targets *t)
{
    mq_value *share = mq_grad_op(k, "Mul", t->weight, k->dy[0]);
    const mq_attr *reduction = mq_node_attr(k->n, "reduction");
    mq_node *total;

    if (!reduction || mq_node_attr_is(k->n, "reduction", "mean")) {
        total = mq_grad_make(k, "", "ReduceSum", NULL, 1, t->weight);
        share = mq_grad_op(k, "Div", share, mq_grad_set_int(k, total, "keepdims", 0));
    }
    return in_classes(k, share);
}

/* v at the targets' classes, 0 elsewhere: in the scores' shape. */
static mq_value *at_targets(mq_grad *k, const targets *t, mq_value *v)
{
    mq_node *n = mq_grad_make(k, "", "ScatterElements", NULL, 1, mq_grad_zeros(k, mq_grad_in(k, 0)), t->at, v);

    return mq_grad_set_int(k, n, "axis", 1);
}

static void likelihood(mq_grad *k)
{
    const targets t = read_targets(k);

    mq_grad_give(k, 0, mq_grad_op(k, "Neg", at_targets(k, &t, shares(k, &t))));
}

/* softmax(x) minus one at the class, times what the target counts; and what comes by the log-probabilities. */
static void cross_entropy(mq_grad *k)
{
    mq_node *n = mq_grad_make(k, "", "LogSoftmax", NULL, 1, mq_grad_in(k, 0));
    mq_value *logs = mq_grad_set_int(k, n, "axis", 1), *dx = NULL, *by_logs;

    if (k->dy[0]) {
        const targets t = read_targets(k);
        mq_value *share = shares(k, &t), *spread = mq_grad_op(k, "Mul", mq_grad_op(k, "Exp", logs), share);

        dx = mq_grad_op(k, "Sub", spread, at_targets(k, &t, share));
    }
    if (k->n->n_outputs > 1 && k->dy[1]) {
        n = mq_grad_make(k, MQ_GRAD_DOMAIN, "LogSoftmaxGrad", NULL, 1, logs, k->dy[1]);
        by_logs = mq_grad_set_int(k, n, "axis", 1);
        dx = dx ? mq_grad_op(k, "Add", dx, by_logs) : by_logs;
    }
    mq_grad_give(k, 0, dx);
}

const mq_grad_rule mq_grad_rules_loss[] = {
    { "", "NegativeLogLikelihoodLoss", likelihood },
    { "", "SoftmaxCrossEntropyLoss", cross_entropy },
    { 0 },
};
