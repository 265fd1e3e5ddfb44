/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* merge-numbers: arithmetic with two constants in a row becomes arithmetic with one.
 *   x * a * b, x * a / b, x / a * b  =>  x * c;  x / a / b  =>  x / c;  x + a - b and the like  =>  x + c
 * The constants have one shape, or one of them has one element: the new one is no larger than they are.
 * Skipped for other types than float, when what is between has another reader, and when the result is not finite.
 * Numerics: exact in real arithmetic; computed in double and rounded once. */
#include <math.h>
#include <string.h>

#include "passes/pass.h"

#define MAX_RANK 8

/* x op constant: which operator, which input is x. */
typedef struct step {
    mq_value *x, *c;
    bool product, inverse; /* Mul or Div (else Add or Sub); Div or Sub */
} step;

static bool read_step(const mq_node *n, step *s)
{
    *s = (step){ .inverse = mq_node_is(n, "", "Div") || mq_node_is(n, "", "Sub"),
                 .product = mq_node_is(n, "", "Div") || mq_node_is(n, "", "Mul") };
    if ((!s->inverse && !s->product && !mq_node_is(n, "", "Add")) || n->n_inputs != 2 || n->n_outputs != 1 ||
        !n->outputs[0] || !n->inputs[0] || !n->inputs[1])
        return false;
    for (size_t i = s->inverse ? 1 : 0; i < 2; i++) {
        const mq_tensor *t = mq_value_constant(n->inputs[i], false);

        if (!t || t->dtype != MQ_FLOAT || t->n_dims > MAX_RANK || mq_value_constant(n->inputs[1 - i], false))
            continue;
        s->c = n->inputs[i];
        s->x = n->inputs[1 - i];
        return mq_tensor_count(t) > 0;
    }
    return false;
}

/* The shape that both have together; false: it is larger than either. */
static bool joint_shape(const mq_tensor *a, const mq_tensor *b, int *rank, int64_t *dims)
{
    const mq_tensor *large = mq_tensor_count(a) == 1 ? b : a, *small = large == a ? b : a;

    *rank = a->n_dims > b->n_dims ? a->n_dims : b->n_dims;
    if (mq_tensor_count(small) != 1 &&
        (a->n_dims != b->n_dims || memcmp(a->dims, b->dims, (size_t)a->n_dims * sizeof *a->dims) != 0))
        return false;
    for (int i = 0; i < *rank; i++)
        dims[i] = i < *rank - large->n_dims ? 1 : large->dims[i - (*rank - large->n_dims)];
    return true;
}

/* first, then second: x op (constant), where op is second's inverse only when both are inverse. */
static float combine(const step *first, const step *second, float a, float b)
{
    const double x = (double)a, y = (double)b;

    if (first->inverse == second->inverse)
        return (float)(first->product ? x * y : x + y);
    if (first->product)
        return (float)(first->inverse ? y / x : x / y);
    return (float)(first->inverse ? y - x : x - y);
}

static mq_status merge(mq_node *n, const step *first, const step *second, size_t *n_changed, mq_error *err)
{
    const mq_tensor *a = mq_value_constant(first->c, false), *b = mq_value_constant(second->c, false);
    const int64_t n_a = mq_tensor_count(a), n_b = mq_tensor_count(b), count = n_a > n_b ? n_a : n_b;
    const bool inverse = first->inverse && second->inverse;
    const char *op = first->product ? inverse ? "Div" : "Mul" : inverse ? "Sub" : "Add";
    int64_t dims[MAX_RANK];
    mq_value *in[2] = { first->x };
    mq_status rc = MQ_OK;
    int rank;
    float *p, *q, *r;
    mq_node *made;

    if (!joint_shape(a, b, &rank, dims) || !(p = mq_constant_floats(first->c, n_a)) ||
        !(q = mq_constant_floats(second->c, n_b)))
        return MQ_OK;
    if (!(r = mq_arena_calloc(n->graph->model->arena, (size_t)count, sizeof *r)))
        return mq_oom(err);
    for (int64_t i = 0; i < count; i++) {
        r[i] = combine(first, second, p[n_a == 1 ? 0 : i], q[n_b == 1 ? 0 : i]);
        if (!isfinite(r[i]))
            return MQ_OK;
    }
    MQ_TRY(mq_constant_of(n->graph, second->c->name, MQ_FLOAT, rank, dims, r, &in[1], err));
    MQ_TRY(mq_pass_insert(n, "", op, NULL, in, 2, &made, err));
    MQ_TRY(mq_pass_take_over(made, n, err));
    ++*n_changed;
done:
    return rc;
}

static mq_status visit(mq_node *n, size_t *n_changed, mq_error *err)
{
    step first, second;

    if (!read_step(n, &second) || !second.x->producer || second.x->producer->graph != n->graph ||
        !mq_only_reader(second.x) || !read_step(second.x->producer, &first) || first.product != second.product)
        return MQ_OK;
    return merge(n, &first, &second, n_changed, err);
}

const mq_pass mq_pass_merge_numbers = {
    .name = "merge-numbers", .summary = "make one constant of two that are added or multiplied in a row", .node = visit
};
