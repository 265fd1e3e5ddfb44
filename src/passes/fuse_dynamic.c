/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* fuse-dynamic: the products of dynamic quantization go back to float in one step.
 *   MatMulInteger -> Cast -> Mul by both scales [-> Add of a constant row]  =>  MatMulIntegerToFloat
 *   MatMulIntegerToFloat -> Add of a constant row                           =>  with the row as its bias
 * The scales may come multiplied already, or one after the other. DynamicQuantizeLinear stays: several products share
 * it.
 * Skipped when what is between has another reader, and for weights that are no constant matrix or have scales of
 * another shape.
 * Numerics: the same products and sums; the scales' product is rounded in another place. */
#include <string.h>

#include "passes/pass.h"

enum { A, B, A_SCALE, B_SCALE, A_ZERO, B_ZERO, BIAS, N_INPUTS };

/* One number, or as many as columns: the scale of one side. */
static bool is_scale(const mq_value *v, int64_t columns)
{
    const int rank = mq_value_rank(v);

    if (mq_value_dtype(v) != MQ_FLOAT)
        return false;
    return rank == 0 || (rank == 1 && (mq_value_dim(v, 0).value == 1 || mq_value_dim(v, 0).value == columns));
}

static bool is_one(const mq_value *v)
{
    return mq_value_rank(v) == 0 || (mq_value_rank(v) == 1 && mq_value_dim(v, 0).value == 1);
}

/* MatMulInteger behind a Cast to float, both for nobody else. */
static mq_node *integer_product(const mq_value *v)
{
    const mq_node *cast = mq_pass_only_producer(v, "Cast");

    if (!cast || mq_node_attr_int(cast, "to", 0) != MQ_FLOAT)
        return NULL;
    return mq_pass_only_producer(cast->inputs[0], "MatMulInteger");
}

/* n = Cast(product) * other: the product, and what stands beside it. */
static mq_node *scaled_product(const mq_node *n, mq_value **other)
{
    mq_node *m;

    if (!n || !mq_node_is(n, "", "Mul") || n->n_inputs != 2 || !n->inputs[0] || !n->inputs[1])
        return NULL;
    for (size_t i = 0; i < 2; i++) {
        *other = n->inputs[1 - i];
        if ((m = integer_product(n->inputs[i])))
            return m;
    }
    return NULL;
}

/* The product behind n, which multiplies by the last scale, and both scales. */
static mq_node *find_product(const mq_node *n, mq_value **one, mq_value **two)
{
    mq_node *m = scaled_product(n, one), *inner;

    if (m) {
        inner = mq_pass_only_producer(*one, "Mul");
        if (!inner || inner->n_inputs != 2)
            return NULL;
        *one = inner->inputs[0];
        *two = inner->inputs[1];
        return *one && *two ? m : NULL;
    }
    for (size_t i = 0; mq_node_is(n, "", "Mul") && n->n_inputs == 2 && i < 2; i++) {
        *two = n->inputs[1 - i];
        if (*two && (m = scaled_product(mq_pass_only_producer(n->inputs[i], "Mul"), one)))
            return m;
    }
    return NULL;
}

static bool zeros_fit(const mq_node *m, size_t i, int64_t columns)
{
    const mq_tensor *t;

    if (i >= m->n_inputs || !m->inputs[i])
        return true;
    if (i == 2)
        return is_one(m->inputs[i]);
    t = mq_constant_input(m, i);
    return t && (mq_tensor_count(t) == 1 || (t->n_dims == 1 && t->dims[0] == columns));
}

static bool matches(const mq_node *n, mq_value *in[N_INPUTS])
{
    mq_value *one = NULL, *two = NULL;
    const mq_node *m = find_product(n, &one, &two);
    const mq_tensor *b = m ? mq_constant_input(m, 1) : NULL;

    if (!b || b->n_dims != 2 || !m->inputs[0] || mq_value_rank(m->inputs[0]) < 2 || !is_scale(one, b->dims[1]) ||
        !is_scale(two, b->dims[1]) || !zeros_fit(m, 2, b->dims[1]) || !zeros_fit(m, 3, b->dims[1]))
        return false;
    if (mq_value_constant(one, false) && !mq_value_constant(two, false)) {
        mq_value *t = one;

        one = two;
        two = t;
    }
    if (!is_one(one))
        return false;
    in[A] = m->inputs[0];
    in[B] = m->inputs[1];
    in[A_SCALE] = one;
    in[B_SCALE] = two;
    in[A_ZERO] = m->n_inputs > 2 ? m->inputs[2] : NULL;
    in[B_ZERO] = m->n_inputs > 3 ? m->inputs[3] : NULL;
    return true;
}

/* The constant row that the only reader of n adds; *add is that reader. */
static mq_value *row_behind(const mq_node *n, int64_t columns, mq_node **add)
{
    mq_value *row;
    const mq_tensor *t;

    *add = n->outputs[0] ? mq_only_reader(n->outputs[0]) : NULL;
    if (!*add || (*add)->graph != n->graph || !mq_node_is(*add, "", "Add") || (*add)->n_inputs != 2 || !(*add)->outputs[0])
        return NULL;
    row = (*add)->inputs[(*add)->inputs[0] == n->outputs[0] ? 1 : 0];
    t = row ? mq_value_constant(row, false) : NULL;
    return t && t->dtype == MQ_FLOAT && t->n_dims == 1 && t->dims[0] == columns ? row : NULL;
}

/* `last` and what stands before it becomes one product of `in`. */
static mq_status replace(mq_node *last, mq_value *const in[N_INPUTS], size_t *n_changed, mq_error *err)
{
    mq_node *made;
    mq_status rc = mq_pass_insert(last, "com.microsoft", "MatMulIntegerToFloat", NULL, in, N_INPUTS, &made, err);

    if (rc == MQ_OK)
        rc = mq_pass_take_over(made, last, err);
    ++*n_changed;
    return rc;
}

static mq_status take_row(mq_node *n, size_t *n_changed, mq_error *err)
{
    const mq_tensor *b = mq_constant_input(n, B);
    mq_value *in[N_INPUTS] = { NULL };
    mq_node *add;

    if (!b || b->n_dims != 2 || n->n_inputs > BIAS)
        return MQ_OK;
    memcpy(in, n->inputs, n->n_inputs * sizeof *in);
    return (in[BIAS] = row_behind(n, b->dims[1], &add)) ? replace(add, in, n_changed, err) : MQ_OK;
}

static mq_status run(mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    mq_status rc = MQ_OK;

    (void)ctx;
    for (mq_node *n = g->first, *next; n && rc == MQ_OK; n = next) {
        mq_value *in[N_INPUTS] = { NULL };

        next = n->next;
        if (n->n_outputs == 1 && n->outputs[0] && mq_node_is(n, "", "Mul") && matches(n, in))
            rc = replace(n, in, n_changed, err);
    }
    for (mq_node *n = g->first, *next; n && rc == MQ_OK; n = next) {
        next = n->next;
        if (!mq_node_is(n, "com.microsoft", "MatMulIntegerToFloat"))
            continue;
        if (next && next == mq_only_reader(n->outputs[0]))
            next = next->next; /* it may go too */
        rc = take_row(n, n_changed, err);
    }
    return rc;
}

const mq_pass mq_pass_fuse_dynamic = {
    .name = "fuse-dynamic", .summary = "scale products of integers back to float in one step", .run = run
};
