/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* fold-scale: a product with one number goes into weights further up.
 *   MatMul or Gemm or Conv of weights w -> Add b -> Reshape, Transpose -> MatMul with anything -> Div by c
 *       =>  the same with w / c and b / c, and no Div: attention divides its scores so.
 * All steps between are linear in what goes through them; of a MatMul either operand may lead to the weights.
 * Skipped when a value on the way has another reader or is an output, when weights or bias are read elsewhere too (the
 * file would grow), and when the node's result is a graph output (the name must stay).
 * Numerics: exact in real arithmetic; the weights are rounded to float once more. */
#include <math.h>
#include <stdlib.h>

#include "passes/pass.h"

#define MAX_CONSTANTS 8
#define MAX_WAY 12

/* What has to be multiplied. */
typedef struct constants {
    mq_value *v[MAX_CONSTANTS];
    size_t n;
} constants;

static bool add_constant(constants *c, mq_value *v)
{
    const mq_tensor *t = v ? mq_value_constant(v, false) : NULL;

    if (!t || t->dtype != MQ_FLOAT || mq_tensor_count(t) <= 0 || !mq_only_reader(v) || c->n == MAX_CONSTANTS)
        return false;
    c->v[c->n++] = v;
    return true;
}

static bool reach(const mq_value *v, int way, constants *c);

/* One operand of a sum is a constant, the other leads on. */
static bool reach_sum(const mq_node *n, int way, constants *c)
{
    for (size_t i = 0; i < 2; i++) {
        const size_t saved = c->n;

        if (n->inputs[0] != n->inputs[1] && add_constant(c, n->inputs[i]) && reach(n->inputs[1 - i], way, c))
            return true;
        c->n = saved;
    }
    return false;
}

static bool reach_product(const mq_node *n, int way, constants *c)
{
    for (size_t i = 2; i-- > 0;) {
        const size_t saved = c->n;

        if (n->inputs[0] != n->inputs[1] && (add_constant(c, n->inputs[i]) || reach(n->inputs[i], way, c)))
            return true;
        c->n = saved;
    }
    return false;
}

/* The weights behind v: true when v is linear in what c holds then. */
static bool reach(const mq_value *v, int way, constants *c)
{
    static const char *const moves[] = { "Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze" };
    const mq_node *n = v ? v->producer : NULL, *reader = v ? mq_only_reader(v) : NULL;

    /* not from a graph around the reader's: it may read several times */
    if (!n || !reader || reader->graph != n->graph || v->producer_index != 0 || n->n_inputs < 1 || way == 0)
        return false;
    for (size_t i = 0; i < sizeof moves / sizeof *moves; i++)
        if (mq_node_is(n, "", moves[i]))
            return reach(n->inputs[0], way - 1, c);
    if (n->n_inputs == 2 && (mq_node_is(n, "", "Add") || mq_node_is(n, "", "Sub")))
        return reach_sum(n, way - 1, c);
    if (n->n_inputs == 2 && mq_node_is(n, "", "MatMul"))
        return reach_product(n, way - 1, c);
    if (!mq_node_is(n, "", "Gemm") && !mq_node_is(n, "", "Conv"))
        return false;
    return n->n_inputs >= 2 && add_constant(c, n->inputs[1]) &&
           (n->n_inputs < 3 || !n->inputs[2] || add_constant(c, n->inputs[2]));
}

static mq_status scale(mq_value *v, double factor, mq_error *err)
{
    mq_tensor *t = mq_value_constant(v, false);
    const int64_t count = mq_tensor_count(t);
    float *x = malloc((size_t)count * sizeof *x);
    mq_status rc = MQ_OK;
    mq_node *reader = mq_only_reader(v);
    mq_value *made;

    if (!x)
        return mq_oom(err);
    if ((rc = mq_tensor_read_f32(t, 0, (uint64_t)count, x, err)) != MQ_OK) {
        free(x);
        return rc;
    }
    for (int64_t i = 0; i < count; i++)
        x[i] = (float)((double)x[i] * factor);
    if ((rc = mq_constant_of_heap(v->graph, v->name, MQ_FLOAT, t->n_dims, t->dims, x, &made, err)) != MQ_OK)
        return rc;
    for (size_t i = 0; i < reader->n_inputs && rc == MQ_OK; i++)
        if (reader->inputs[i] == v)
            rc = mq_node_set_input(reader, i, made, err);
    if (rc == MQ_OK && v->init && !v->is_input)
        mq_value_clear_init(v);
    return rc == MQ_OK ? mq_constant_take_name(made, v, err) : rc;
}

/* n = x * number or x / number: the number, and x. */
static mq_value *scaled(const mq_node *n, double *factor)
{
    const bool div = mq_node_is(n, "", "Div");
    double c;

    if ((!div && !mq_node_is(n, "", "Mul")) || n->n_inputs != 2 || n->n_outputs != 1 || !n->outputs[0])
        return NULL;
    for (size_t i = div ? 1 : 0; i < 2; i++) {
        if (!mq_constant_number(n->inputs[i], &c) || mq_value_rank(n->inputs[i]) > mq_value_rank(n->inputs[1 - i]))
            continue;
        *factor = div ? 1 / c : c;
        return isfinite(*factor) && *factor != 0 ? n->inputs[1 - i] : NULL;
    }
    return NULL;
}

static mq_status fold(mq_node *n, size_t *n_changed, mq_error *err)
{
    constants c = { .n = 0 };
    mq_status rc = MQ_OK;
    double factor;
    mq_value *x = scaled(n, &factor);
    bool done = false;

    if (!x || n->outputs[0]->n_output_uses || mq_value_dtype(x) != MQ_FLOAT || !reach(x, MAX_WAY, &c))
        return MQ_OK;
    for (size_t i = 0; i < c.n && rc == MQ_OK; i++)
        rc = scale(c.v[i], factor, err);
    if (rc == MQ_OK)
        rc = mq_value_bypass(n->outputs[0], x, &done, err);
    if (rc == MQ_OK) {
        mq_node_remove(n);
        ++*n_changed;
    }
    return rc;
}

const mq_pass mq_pass_fold_scale = {
    .name = "fold-scale", .summary = "multiply weights by a number that stands further down", .node = fold
};
