/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* fuse-length: vectors that are divided by their length become one operator.
 *   x / length, x * Reciprocal(length)  =>  LpNormalization
 * length: ReduceL2(x), Sqrt(ReduceSumSquare(x)), Sqrt(ReduceSum(x^2)), or ReduceL1(x), at least 1e-12 by Clip or Max, and in
 * the shape of x by Expand. Vectors lie along the last axis, and those whose elements are squared by an operator of their
 * own have at most 64: for others ONNX Runtime takes longer for the one operator.
 * Skipped when what is inside has another reader or is an output, for other types than float, and for a larger least length.
 * Numerics: the same sums in another order; vectors of a length under 1e-12 are given length 1, of length 0 stay 0 where
 * they became NaN. */
#include <math.h>

#include "passes/pass.h"

#define MOST_SQUARED 64
#define LEAST 1.001e-12 /* the number that frameworks write, rounded to float */

/* v = the larger of a small number and another value: that. Else v. */
static mq_value *behind_least(mq_value *v)
{
    const mq_node *n = mq_pass_only_producer(v, "Clip");
    double x = (double)INFINITY;

    if (n && n->n_inputs == 1 && !mq_node_attr(n, "max"))
        x = (double)mq_node_attr_float(n, "min", INFINITY);
    else if (n && (n->n_inputs < 2 || (n->n_inputs == 3 && n->inputs[2]) || !mq_constant_number(n->inputs[1], &x)))
        return v;
    if (n)
        return x <= LEAST ? n->inputs[0] : v;
    n = mq_pass_only_producer(v, "Max");
    for (size_t i = 0; n && n->n_inputs == 2 && i < 2; i++)
        if (n->inputs[1 - i] && mq_constant_number(n->inputs[i], &x) && x <= LEAST)
            return n->inputs[1 - i];
    return v;
}

/* v = x^2. */
static bool is_square(const mq_value *v, const mq_value *x)
{
    const mq_node *n = mq_pass_only_producer(v, "Mul");
    double two;

    if (n)
        return n->n_inputs == 2 && n->inputs[0] == x && n->inputs[1] == x;
    n = mq_pass_only_producer(v, "Pow");
    return n && n->inputs[0] == x && n->n_inputs == 2 && mq_constant_number(n->inputs[1], &two) && two == 2;
}

static bool is_short(const mq_value *x)
{
    const mq_dim size = mq_value_dim(x, -1);

    return mq_dim_known(size) && size.value <= MOST_SQUARED;
}

/* v = op(x) over the last axis, for nobody else. */
static const mq_node *reduced(const mq_value *v, const char *op)
{
    const mq_node *n = mq_pass_only_producer(v, op);

    return n && mq_pass_reduces_last(n) ? n : NULL;
}

/* Which length of x v is: 1, 2, or 0 for none. */
static int read_length(mq_value *v, const mq_value *x)
{
    const mq_node *n = mq_pass_only_producer(v, "Expand");

    v = behind_least(n ? n->inputs[0] : v);
    if ((n = reduced(v, "ReduceL2")))
        return n->inputs[0] == x ? 2 : 0;
    if ((n = reduced(v, "ReduceL1")))
        return n->inputs[0] == x ? 1 : 0;
    if (!(n = mq_pass_only_producer(v, "Sqrt")))
        return 0;
    v = n->inputs[0];
    if ((n = reduced(v, "ReduceSumSquare")))
        return n->inputs[0] == x ? 2 : 0;
    n = reduced(v, "ReduceSum");
    return n && is_square(n->inputs[0], x) && is_short(x) ? 2 : 0;
}

/* n divides *x by its length: which. */
static int read_quotient(const mq_node *n, mq_value **x)
{
    const bool div = mq_node_is(n, "", "Div");
    int p = 0;

    if ((!div && !mq_node_is(n, "", "Mul")) || n->n_inputs != 2 || !n->inputs[0] || !n->inputs[1])
        return 0;
    for (size_t i = 0; i < (div ? 1 : 2) && !p; i++) {
        const mq_node *inverse = div ? NULL : mq_pass_only_producer(n->inputs[1 - i], "Reciprocal");

        *x = n->inputs[i];
        if (div || inverse)
            p = read_length(div ? n->inputs[1] : inverse->inputs[0], *x);
    }
    return p;
}

static mq_status fuse(mq_node *n, size_t *n_changed, mq_error *err)
{
    mq_status rc = MQ_OK;
    mq_value *x;
    mq_node *made;
    int p;

    if (n->n_outputs != 1 || !n->outputs[0] || mq_value_dtype(n->outputs[0]) != MQ_FLOAT || !(p = read_quotient(n, &x)) ||
        !mq_same_shape(x, n->outputs[0]))
        return MQ_OK;
    MQ_TRY(mq_pass_insert(n, "", "LpNormalization", NULL, &x, 1, &made, err));
    MQ_TRY(mq_node_set_attr_int(made, "axis", -1, err));
    MQ_TRY(mq_node_set_attr_int(made, "p", p, err));
    MQ_TRY(mq_pass_take_over(made, n, err));
    ++*n_changed;
done:
    return rc;
}

const mq_pass mq_pass_fuse_length = {
    .name = "fuse-length", .summary = "make one operator of the division of vectors by their length", .node = fuse
};
