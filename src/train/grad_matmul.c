/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Gradients of matrix products. */
#include "passes/pass.h"
#include "train/grad_families.h"

#define MAX_RANK 16 /* of a product's operands */

/* alpha a' b', each transposed or not. */
static mq_value *product(mq_grad *k, mq_value *a, bool turn_a, mq_value *b, bool turn_b, double alpha)
{
    mq_node *n = mq_grad_make(k, "", "Gemm", NULL, 1, a, b);

    if (turn_a)
        mq_grad_set_int(k, n, "transA", 1);
    if (turn_b)
        mq_grad_set_int(k, n, "transB", 1);
    if (alpha != 1 && k->rc == MQ_OK)
        k->rc = mq_node_set_attr_float(n, "alpha", (float)alpha, k->err);
    return mq_grad_first(n);
}

/* Y = alpha A' B' + beta C: dA' = alpha dY B'^T, dB' = alpha A'^T dY, each turned back where A or B is. */
static void gemm(mq_grad *k)
{
    const bool ta = mq_node_attr_int(k->n, "transA", 0) != 0, tb = mq_node_attr_int(k->n, "transB", 0) != 0;
    const double alpha = (double)mq_node_attr_float(k->n, "alpha", 1), beta = (double)mq_node_attr_float(k->n, "beta", 1);
    mq_value *a = mq_grad_in(k, 0), *b = mq_grad_in(k, 1), *dy = k->dy[0];

    if (mq_grad_wants(k, 0))
        mq_grad_give(k, 0, ta ? product(k, b, tb, dy, true, alpha) : product(k, dy, false, b, !tb, alpha));
    if (mq_grad_wants(k, 1))
        mq_grad_give(k, 1, tb ? product(k, dy, true, a, ta, alpha) : product(k, a, !ta, dy, false, alpha));
    if (mq_grad_wants(k, 2))
        mq_grad_give_summed(k, 2, beta == 1 ? dy : mq_grad_scale(k, dy, beta));
}

/* The last two axes change places. */
static mq_value *turned(mq_grad *k, mq_value *v, int rank)
{
    int64_t perm[MAX_RANK];

    for (int i = 0; i < rank; i++)
        perm[i] = i < rank - 2 ? i : 2 * rank - 3 - i;
    return mq_grad_transpose(k, v, perm, (size_t)rank);
}

static mq_value *unsqueezed(mq_grad *k, mq_value *v, int64_t axis)
{
    return mq_grad_op(k, "Unsqueeze", v, mq_grad_ints(k, &axis, 1));
}

/* b is one matrix for all rows of a: two plain products. */
static void matmul_rows(mq_grad *k, int rank)
{
    static const int64_t all[] = { -1 };
    mq_value *a = mq_grad_in(k, 0), *b = mq_grad_in(k, 1), *dy = k->dy[0];

    if (mq_grad_wants(k, 0))
        mq_grad_give(k, 0, rank == 2 ? product(k, dy, false, b, true, 1) : mq_grad_op(k, "MatMul", dy, turned(k, b, 2)));
    if (mq_grad_wants(k, 1)) {
        if (rank > 2) {
            mq_value *last = mq_grad_ints(k, all, 1);
            mq_node *n = mq_grad_make(k, "", "Shape", NULL, 1, b), *o = mq_grad_make(k, "", "Shape", NULL, 1, b);

            mq_grad_set_int(k, n, "end", 1);
            mq_grad_set_int(k, o, "start", 1);
            n = mq_grad_make(k, "", "Concat", NULL, 1, last, mq_grad_first(n));
            o = mq_grad_make(k, "", "Concat", NULL, 1, last, mq_grad_first(o));
            a = mq_grad_op(k, "Reshape", a, mq_grad_set_int(k, n, "axis", 0));
            dy = mq_grad_op(k, "Reshape", dy, mq_grad_set_int(k, o, "axis", 0));
        }
        mq_grad_give(k, 1, product(k, a, true, dy, false, 1));
    }
}

/* A vector counts as a matrix of one row (a) or column (b), which the result has not. */
static void matmul(mq_grad *k)
{
    const int ra = mq_grad_rank(k, mq_grad_in(k, 0)), rb = mq_grad_rank(k, mq_grad_in(k, 1));
    mq_value *a = mq_grad_in(k, 0), *b = mq_grad_in(k, 1), *dy = k->dy[0];

    if (k->rc != MQ_OK)
        return;
    if (ra < 1 || rb < 1 || ra > MAX_RANK || rb > MAX_RANK) {
        mq_grad_refuse(k, "its operands have such ranks");
        return;
    }
    if (rb == 2 && ra >= 2) {
        matmul_rows(k, ra);
        return;
    }
    if (rb == 1)
        dy = unsqueezed(k, dy, -1);
    if (ra == 1)
        dy = unsqueezed(k, dy, -2);
    a = ra == 1 ? unsqueezed(k, a, 0) : a;
    b = rb == 1 ? unsqueezed(k, b, 1) : b;
    for (size_t i = 0; i < 2; i++) {
        mq_value *in = mq_grad_in(k, i), *d;

        if (!mq_grad_wants(k, i))
            continue;
        d = i == 0 ? mq_grad_op(k, "MatMul", dy, turned(k, b, rb == 1 ? 2 : rb))
                   : mq_grad_op(k, "MatMul", turned(k, a, ra == 1 ? 2 : ra), dy);
        /* a vector's place among the axes: the last one (of a), or the one before (of b) */
        if (i == 1 && rb == 1)
            d = mq_grad_op(k, "Squeeze", d, mq_grad_ints(k, &(int64_t){ -1 }, 1));
        if (i == 0 && ra == 1)
            d = mq_grad_op(k, "Squeeze", d, mq_grad_ints(k, &(int64_t){ -2 }, 1));
        mq_grad_give(k, i, ra == 2 && rb == 2 ? d : mq_grad_own(k, "ReduceTo", d, in));
    }
}

const mq_grad_rule mq_grad_rules_matmul[] = {
    { "", "Gemm", gemm },
    { "", "MatMul", matmul },
    { 0 },
};
