/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* fuse-gemm: a product of two matrices takes what it is added to, and its operands as they lie.
 *   MatMul [m,k] x [k,n], or Gemm of two -> Add of what spreads to [m,n]   =>  Gemm of three
 *   Transpose of a matrix -> MatMul or Gemm                                =>  Gemm with transA or transB turned
 * Skipped for other ranks and integers, when the sum has a larger shape than the product, and when the product, or the
 * turned matrix, has another reader or is an output.
 * Numerics: a library may start from the addend or add it at the end. */
#include "passes/pass.h"

#define GEMM_OF_TWO 11 /* opset */

static bool has_gemm(mq_dtype t)
{
    return t == MQ_FLOAT || t == MQ_DOUBLE || t == MQ_FLOAT16;
}

static bool is_product(const mq_node *n)
{
    if (n->n_inputs < 2 || !n->inputs[0] || !n->inputs[1] || n->n_outputs != 1 || !n->outputs[0])
        return false;
    if (mq_node_is(n, "", "Gemm"))
        return true;
    return mq_node_is(n, "", "MatMul") && n->n_inputs == 2 && mq_value_rank(n->inputs[0]) == 2 &&
           mq_value_rank(n->inputs[1]) == 2 && has_gemm(mq_value_dtype(n->inputs[0]));
}

/* Does c spread to the shape of y, which stays as it is? */
static bool spreads_to(const mq_value *c, const mq_value *y)
{
    const int rank = mq_value_rank(c);

    if (rank < 0 || rank > 2 || mq_value_rank(y) != 2)
        return false;
    for (int i = 1; i <= rank; i++) {
        const mq_dim d = mq_value_dim(c, -i);

        if (!mq_dim_equal(d, MQ_DIM(1)) && !mq_dim_equal(d, mq_value_dim(y, -i)))
            return false;
    }
    return true;
}

/* *made: the new node; NULL when nothing was changed. */
static mq_status add_inside(mq_node *n, mq_node **made, mq_error *err)
{
    mq_value *y = n->outputs[0], *in[3] = { n->inputs[0], n->inputs[1] };
    mq_node *sum = mq_only_reader(y);
    mq_status rc = MQ_OK;

    if ((n->n_inputs > 2 && n->inputs[2]) || !sum || sum->graph != n->graph || !mq_node_is(sum, "", "Add") ||
        sum->n_inputs != 2 || sum->n_outputs != 1 || !sum->outputs[0])
        return MQ_OK;
    in[2] = sum->inputs[sum->inputs[0] == y ? 1 : 0];
    if (!spreads_to(in[2], y))
        return MQ_OK;
    MQ_TRY(mq_pass_insert(sum, "", "Gemm", n, in, 3, made, err));
    mq_node_remove_attr(*made, "beta");
    rc = mq_pass_take_over(*made, sum, err);
done:
    return rc;
}

/* What input i is the transpose of; NULL: it is none, or others read it too. */
static mq_value *turned_input(const mq_node *n, size_t i)
{
    const mq_node *t = mq_pass_only_producer(n->inputs[i], "Transpose");
    size_t count;
    const int64_t *perm = t ? mq_node_attr_ints(t, "perm", &count) : NULL;

    if (!t || mq_value_rank(t->inputs[0]) != 2 || (perm && (count != 2 || perm[0] != 1 || perm[1] != 0)))
        return NULL;
    return t->inputs[0];
}

/* The same. */
static mq_status turn_inside(mq_node *n, mq_node **made, mq_error *err)
{
    static const char *const names[] = { "transA", "transB" };
    mq_value *turned[2] = { turned_input(n, 0), turned_input(n, 1) }, *in[3] = { NULL };
    mq_status rc = MQ_OK;

    if ((!turned[0] && !turned[1]) || (n->n_inputs < 3 && mq_opset_of(n->graph, "") < GEMM_OF_TWO))
        return MQ_OK;
    for (size_t i = 0; i < n->n_inputs && i < 3; i++)
        in[i] = i < 2 && turned[i] ? turned[i] : n->inputs[i];
    MQ_TRY(mq_pass_insert(n, "", "Gemm", n, in, 3, made, err));
    for (size_t i = 0; i < 2; i++)
        if (turned[i])
            MQ_TRY(mq_node_set_attr_int(*made, names[i], !mq_node_attr_int(n, names[i], 0), err));
    rc = mq_pass_take_over(*made, n, err);
done:
    return rc;
}

static mq_status visit(mq_node *n, size_t *n_changed, mq_error *err)
{
    mq_status rc = MQ_OK;
    mq_node *made;

    do { /* what was made may take in more */
        made = NULL;
        if (is_product(n))
            rc = add_inside(n, &made, err);
        if (rc == MQ_OK && !made && is_product(n))
            rc = turn_inside(n, &made, err);
        *n_changed += made != NULL;
        n = made;
    } while (made && rc == MQ_OK);
    return rc;
}

const mq_pass mq_pass_fuse_gemm = {
    .name = "fuse-gemm", .summary = "make Gemm of products of matrices with sums and Transposes", .node = visit
};
