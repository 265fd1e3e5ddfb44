/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* fuse-matmul: MatMul takes along what turns or scales its factors or its result; an operator of ONNX Runtime.
 *   Transpose of the last two axes -> MatMul           =>  FusedMatMul, transA or transB
 *   Mul or Div by a number, before or behind a MatMul  =>  FusedMatMul, alpha
 * Numbers of constants are left to fold-scale. Skipped when what is between has another reader or is an output, for other
 * types than float, and where a number has more axes than what it scales.
 * Numerics: exact in real arithmetic; the number is multiplied once, behind the sums. */
#include <math.h>

#include "passes/pass.h"

typedef struct product {
    mq_value *in[2];
    bool turned[2];
    double alpha;
    mq_node *last; /* whose output is replaced */
} product;

/* Does n exchange the last two axes, and leave the others? */
static bool turns(const mq_node *n)
{
    const int64_t rank = mq_value_rank(n->inputs[0]);
    size_t count;
    const int64_t *perm = mq_node_attr_ints(n, "perm", &count);

    if (rank < 2)
        return false;
    if (!perm)
        return rank == 2;
    if (count != (size_t)rank || perm[rank - 1] != rank - 2 || perm[rank - 2] != rank - 1)
        return false;
    for (int64_t i = 0; i < rank - 2; i++)
        if (perm[i] != i)
            return false;
    return true;
}

/* n = x * number or x / number: x, or NULL. */
static mq_value *scaled(const mq_node *n, double *number)
{
    const bool div = mq_node_is(n, "", "Div");

    if ((!div && !mq_node_is(n, "", "Mul")) || n->n_inputs != 2 || n->n_outputs != 1)
        return NULL;
    for (size_t i = div ? 1 : 0; i < 2; i++) {
        if (!mq_constant_number(n->inputs[i], number) || mq_value_rank(n->inputs[i]) > mq_value_rank(n->inputs[1 - i]))
            continue;
        *number = div ? 1 / *number : *number;
        return isfinite(*number) && *number != 0 ? n->inputs[1 - i] : NULL;
    }
    return NULL;
}

/* What leads to factor i, as long as it can be taken along. */
static void read_factor(product *p, size_t i)
{
    for (;;) {
        mq_value *v = p->in[i], *x;
        const mq_node *n = v->producer;
        double number;

        if (!n || mq_only_reader(v) == NULL || v->producer->graph != p->last->graph)
            return;
        if (mq_pass_only_producer(v, "Transpose") && turns(n)) {
            p->turned[i] = !p->turned[i];
            p->in[i] = n->inputs[0];
        } else if (n->n_inputs == 2 && (x = scaled(n, &number)) && mq_value_rank(x) >= 2) {
            p->alpha *= number;
            p->in[i] = x;
        } else {
            return;
        }
    }
}

/* The numbers that the result alone is multiplied by. */
static void read_behind(product *p)
{
    for (;;) {
        const mq_value *y = p->last->outputs[0];
        mq_node *n = mq_only_reader(y);
        double number;

        if (!n || n->graph != p->last->graph || scaled(n, &number) != y || !n->outputs[0])
            return;
        p->alpha *= number;
        p->last = n;
    }
}

static bool read_product(mq_node *n, product *p)
{
    const bool fused = mq_node_is(n, "com.microsoft", "FusedMatMul");

    if ((!fused && !mq_node_is(n, "", "MatMul")) || n->n_inputs != 2 || n->n_outputs != 1 || !n->outputs[0] ||
        mq_node_attr_int(n, "transBatchA", 0) || mq_node_attr_int(n, "transBatchB", 0))
        return false;
    *p = (product){ .alpha = 1, .last = n };
    for (size_t i = 0; i < 2; i++) {
        if (mq_value_dtype(n->inputs[i]) != MQ_FLOAT || mq_value_rank(n->inputs[i]) < 2)
            return false;
        p->in[i] = n->inputs[i];
        p->turned[i] = mq_node_attr_int(n, i ? "transB" : "transA", 0) != 0;
    }
    p->alpha = (double)mq_node_attr_float(n, "alpha", 1);
    read_factor(p, 0);
    read_factor(p, 1);
    read_behind(p);
    return p->last != n || p->in[0] != n->inputs[0] || p->in[1] != n->inputs[1];
}

static mq_status fuse(const product *p, size_t *n_changed, mq_error *err)
{
    mq_status rc = MQ_OK;
    mq_node *made;

    MQ_TRY(mq_pass_insert(p->last, "com.microsoft", "FusedMatMul", NULL, p->in, 2, &made, err));
    MQ_TRY(mq_node_set_attr_float(made, "alpha", (float)p->alpha, err));
    MQ_TRY(mq_node_set_attr_int(made, "transA", p->turned[0], err));
    MQ_TRY(mq_node_set_attr_int(made, "transB", p->turned[1], err));
    MQ_TRY(mq_pass_take_over(made, p->last, err));
    ++*n_changed;
done:
    return rc;
}

static mq_status run(mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    mq_status rc = MQ_OK;

    (void)ctx;
    for (mq_node *n = g->last, *prev; n && rc == MQ_OK; n = prev) { /* backwards: what goes lies before n, or just behind */
        product p;

        prev = n->prev;
        if (!read_product(n, &p) || !isfinite((float)p.alpha))
            continue;
        rc = fuse(&p, n_changed, err);
        prev = g->last; /* which of the nodes around n have gone is not known */
    }
    return rc;
}

const mq_pass mq_pass_fuse_matmul = {
    .name = "fuse-matmul", .summary = "make FusedMatMul of products with transposed factors, or times a number", .run = run
};
