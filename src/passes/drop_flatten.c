/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* drop-flatten: a product with a matrix of weights needs no flat input.
 *   Reshape [b,s,k] to [b*s,k] -> MatMul [k,n] [-> arithmetic with rows or numbers] -> Reshape to [b,s,n]
 *       =>  MatMul [-> arithmetic]
 * Skipped when a value between the product and the last Reshape has another reader or is an output, when the last Reshape
 * does not bring back the sizes from before the first one, and when the weights are no constant of two dimensions.
 * Numerics: exact, the same rows are multiplied. */
#include "passes/pass.h"

#define MAX_BETWEEN 8

static bool is_view(const mq_node *n)
{
    return mq_node_is(n, "", "Reshape") || mq_node_is(n, "", "Flatten") || mq_node_is(n, "", "Squeeze") ||
           mq_node_is(n, "", "Unsqueeze");
}

/* Arithmetic of v with a constant that lies along the last axis, or of v alone. */
static bool keeps_rows(const mq_node *n, const mq_value *v)
{
    static const char *const alone[] = { "Abs", "Cast", "Clip", "Erf", "Exp", "Gelu", "HardSigmoid", "HardSwish",
                                         "LeakyRelu", "Neg", "Relu", "Sigmoid", "Sqrt", "Tanh" };
    static const char *const pairs[] = { "Add", "Div", "Mul", "Sub" };

    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++)
        if (mq_node_is(n, "", alone[i]))
            return n->inputs[0] == v;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (mq_node_is(n, "", pairs[i]) && n->n_inputs == 2) {
            const mq_tensor *t = mq_constant_input(n, n->inputs[0] == v ? 1 : 0);
            return t && t->n_dims <= 1;
        }
    return false;
}

/* The Reshape that undoes the flattening, with the last node before it in *last. */
static mq_node *reshape_behind(mq_node *n, mq_node **last)
{
    *last = n;
    for (int i = 0; i < MAX_BETWEEN; i++) {
        const mq_value *v = (*last)->outputs[0];
        mq_node *reader = mq_only_reader(v);

        if (!reader || reader->graph != n->graph || reader->n_outputs != 1 || !reader->outputs[0])
            return NULL;
        if (is_view(reader))
            return reader->inputs[0] == v ? reader : NULL;
        if (!keeps_rows(reader, v))
            return NULL;
        *last = reader;
    }
    return NULL;
}

/* Equal sizes but for the last one. */
static bool same_rows(const mq_value *x, const mq_value *y)
{
    const int rank = mq_value_rank(x);

    if (rank < 2 || mq_value_rank(y) != rank)
        return false;
    for (int i = 0; i < rank - 1; i++)
        if (!mq_dim_equal(mq_value_dim(x, i), mq_value_dim(y, i)))
            return false;
    return true;
}

static bool last_is(const mq_value *v, int64_t size)
{
    return mq_dim_known(mq_value_dim(v, -1)) && mq_value_dim(v, -1).value == size;
}

static mq_status unflatten(mq_node *n, size_t *n_changed, mq_error *err)
{
    mq_node *flat = n->inputs[0]->producer, *last, *back;
    const mq_tensor *w = mq_constant_input(n, 1);
    mq_status rc = MQ_OK;
    mq_value *x, *y;

    if (!flat || !is_view(flat) || flat->graph != n->graph || !(x = flat->inputs[0]) || !w || w->n_dims != 2 ||
        !(back = reshape_behind(n, &last)))
        return MQ_OK;
    y = back->outputs[0];
    if (!same_rows(x, y) || !last_is(x, w->dims[0]) || !last_is(n->inputs[0], w->dims[0]) || !last_is(y, w->dims[1]) ||
        !last_is(last->outputs[0], w->dims[1]))
        return MQ_OK;
    MQ_TRY(mq_node_set_input(n, 0, x, err));
    mq_pass_drop(flat);
    for (mq_node *at = n; at != last; at = mq_only_reader(at->outputs[0]))
        MQ_TRY(mq_pass_renew_output(at, NULL, err));
    MQ_TRY(mq_pass_take_over(last, back, err));
    ++*n_changed;
done:
    return rc;
}

static mq_status visit(mq_node *n, size_t *n_changed, mq_error *err)
{
    if (!mq_node_is(n, "", "MatMul") || n->n_inputs != 2 || !n->inputs[0] || !n->outputs[0])
        return MQ_OK;
    return unflatten(n, n_changed, err);
}

const mq_pass mq_pass_drop_flatten = {
    .name = "drop-flatten",
    .summary = "multiply by a matrix without flattening before and unflattening behind",
    .node = visit,
};
