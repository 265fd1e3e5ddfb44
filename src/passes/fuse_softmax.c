/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* fuse-softmax: Softmax that is written out becomes one operator.
 *   Exp(d) / ReduceSum(Exp(d)), Exp(d) * Reciprocal(ReduceSum(Exp(d)))                  =>  Softmax
 *   d - Log(ReduceSum(Exp(d))), d - ReduceLogSum(Exp(d)), d - ReduceLogSumExp(d)        =>  LogSoftmax
 *   Log(Softmax(x))                                                                     =>  LogSoftmax
 * d is x or x - ReduceMax(x). Sums are over the last axis, which stays: for others runtimes turn the tensor twice, and take
 * longer for one operator than for all of them.
 * Skipped when what is inside has another reader or is an output, and for other types than float.
 * Numerics: the same function; where Exp made something infinite, the result is finite now. */
#include "passes/pass.h"

/* sum = reduce(v) over the last axis, for nobody else. */
static const mq_node *reduced(const mq_value *sum, const char *reduce, const mq_value *v)
{
    const mq_node *n = mq_pass_only_producer(sum, reduce);

    return n && n->inputs[0] == v && mq_pass_reduces_last(n) ? n : NULL;
}

/* d = x - ReduceMax(x), read `uses` times: x. Else d itself. */
static mq_value *unshifted(mq_value *d, size_t uses)
{
    const mq_node *sub = mq_pass_producer(d, "Sub");

    if (!sub || sub->n_inputs != 2 || d->uses.n != uses || d->n_output_uses)
        return d;
    return reduced(sub->inputs[1], "ReduceMax", sub->inputs[0]) ? sub->inputs[0] : d;
}

/* n = e / ReduceSum(e), for e = Exp(d) of nobody else: x. */
static mq_value *read_softmax(const mq_node *n)
{
    const bool div = mq_node_is(n, "", "Div");
    const mq_node *inverse, *e;

    if ((!div && !mq_node_is(n, "", "Mul")) || n->n_inputs != 2 || !n->inputs[1])
        return NULL;
    for (size_t i = 0; i < (div ? 1 : 2); i++) {
        const mq_value *sum = n->inputs[1 - i];

        if (!div && (inverse = mq_pass_only_producer(sum, "Reciprocal")))
            sum = inverse->inputs[0];
        else if (!div)
            continue;
        e = mq_pass_producer(n->inputs[i], "Exp");
        if (e && e->graph == n->graph && e->outputs[0]->uses.n == 2 && !e->outputs[0]->n_output_uses &&
            reduced(sum, "ReduceSum", e->outputs[0]))
            return unshifted(e->inputs[0], 1);
    }
    return NULL;
}

/* v = Log(ReduceSum(Exp(d))), in one of its spellings, for nobody else. */
static bool is_log_sum(const mq_value *v, const mq_value *d)
{
    const mq_node *n = mq_pass_only_producer(v, "Log"), *e;
    const char *reduce = n ? "ReduceSum" : "ReduceLogSum";

    if (reduced(v, "ReduceLogSumExp", d))
        return true;
    v = n ? n->inputs[0] : v;
    n = mq_pass_only_producer(v, reduce);
    e = n ? mq_pass_only_producer(n->inputs[0], "Exp") : NULL;
    return e && e->inputs[0] == d && reduced(v, reduce, n->inputs[0]);
}

/* n = d - the logarithm of the sum of its powers: x. */
static mq_value *read_log_softmax(const mq_node *n)
{
    if (!mq_node_is(n, "", "Sub") || n->n_inputs != 2 || !n->inputs[0] || !is_log_sum(n->inputs[1], n->inputs[0]))
        return NULL;
    return unshifted(n->inputs[0], 2);
}

static mq_status replace(mq_node *n, const char *op, const mq_node *like, mq_value *x, size_t *n_changed, mq_error *err)
{
    mq_status rc = MQ_OK;
    mq_node *made;

    MQ_TRY(mq_pass_insert(n, "", op, like, &x, 1, &made, err));
    if (!like) /* from 0 on: what Softmax before opset 13 calls axis is the first of those it joins */
        MQ_TRY(mq_node_set_attr_int(made, "axis", mq_value_rank(n->outputs[0]) - 1, err));
    MQ_TRY(mq_pass_take_over(made, n, err));
    ++*n_changed;
done:
    return rc;
}

static mq_status fuse(mq_node *n, size_t *n_changed, mq_error *err)
{
    const mq_node *softmax;
    mq_value *x;

    if (n->n_outputs != 1 || !n->outputs[0] || mq_value_dtype(n->outputs[0]) != MQ_FLOAT || !n->n_inputs || !n->inputs[0] ||
        mq_value_rank(n->outputs[0]) < 1)
        return MQ_OK;
    if (mq_node_is(n, "", "Log") && (softmax = mq_pass_only_producer(n->inputs[0], "Softmax")))
        return replace(n, "LogSoftmax", softmax, softmax->inputs[0], n_changed, err);
    if ((x = read_softmax(n)))
        return replace(n, "Softmax", NULL, x, n_changed, err);
    if ((x = read_log_softmax(n)))
        return replace(n, "LogSoftmax", NULL, x, n_changed, err);
    return MQ_OK;
}

const mq_pass mq_pass_fuse_softmax = {
    .name = "fuse-softmax", .summary = "make one operator of Softmax and LogSoftmax written out", .node = fuse
};
