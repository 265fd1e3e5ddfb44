/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The gradient of Attention. The probabilities are computed again from queries and keys: the forward pass does not keep
 * them. */
#include <math.h>

#include "passes/pass.h"
#include "train/grad_families.h"

enum { Q, K, V, MASK, N_READ };

typedef struct attention {
    mq_value *in[3];    /* [batch, heads, rows, size] each */
    mq_value *dy;       /* the same way */
    mq_value *keep;     /* bool: the scores that count; NULL: all */
    mq_value *cap;      /* tanh(score / softcap); NULL: no softcap */
    mq_value *p;        /* probabilities: [batch, heads, queries, keys] */
    mq_value *scale;
    bool joined;        /* inputs and output are [batch, rows, heads * size] */
} attention;

/* What this file does not do. */
static void check(mq_grad *k)
{
    const mq_node *n = k->n;
    const bool joined = mq_grad_rank(k, mq_grad_in(k, Q)) == 3;
    const mq_dim q_heads = mq_value_dim(mq_grad_in(k, Q), 1), heads = mq_value_dim(mq_grad_in(k, K), 1);

    for (size_t i = N_READ; i < n->n_inputs; i++)
        if (n->inputs[i])
            mq_grad_refuse(k, "it has a past, or lengths of its keys");
    for (size_t i = 1; i < n->n_outputs; i++)
        if (k->dy[i])
            mq_grad_refuse(k, "the loss depends on another output than the first");
    if (mq_node_attr_int(n, "left_window_size", -1) >= 0 || mq_node_attr_int(n, "right_window_size", -1) >= 0)
        mq_grad_refuse(k, "it has a window");
    if (joined ? mq_node_attr_int(n, "q_num_heads", 0) != mq_node_attr_int(n, "kv_num_heads", 0)
               : mq_dim_known(heads) && heads.value != 1 && mq_dim_known(q_heads) && heads.value != q_heads.value)
        mq_grad_refuse(k, "queries and keys have different heads");
}

static mq_value *swap_heads(mq_grad *k, mq_value *v)
{
    return mq_grad_transpose(k, v, (const int64_t[]){ 0, 2, 1, 3 }, 4);
}

/* [batch, rows, heads * size] -> [batch, heads, rows, size] */
static mq_value *apart(mq_grad *k, const attention *a, mq_value *v)
{
    const int64_t heads = mq_node_attr_int(k->n, "q_num_heads", 1);

    return a->joined ? swap_heads(k, mq_grad_reshape_to(k, v, (const int64_t[]){ 0, 0, heads, -1 }, 4)) : v;
}

static mq_value *turned(mq_grad *k, mq_value *v)
{
    return mq_grad_transpose(k, v, (const int64_t[]){ 0, 1, 3, 2 }, 4);
}

/* As the operator: one through the root of a head's size. */
static mq_value *read_scale(mq_grad *k, const attention *a)
{
    const int64_t size = mq_value_dim(mq_grad_in(k, Q), -1).value;
    const int64_t heads = a->joined ? mq_node_attr_int(k->n, "q_num_heads", 1) : 1;
    mq_value *v;

    if (mq_node_attr(k->n, "scale"))
        return mq_grad_number(k, (double)mq_node_attr_float(k->n, "scale", 1));
    if (size > 0 && heads > 0)
        return mq_grad_number(k, 1 / sqrt((double)(size / heads)));
    v = mq_grad_op(k, "Gather", mq_grad_shape(k, mq_grad_in(k, Q)), mq_grad_int(k, -1));
    v = mq_grad_cast(k, mq_grad_op(k, "Div", v, mq_grad_int(k, heads)));
    return mq_grad_op(k, "Reciprocal", mq_grad_op(k, "Sqrt", v));
}

/* Queries see the keys up to their own place. */
static mq_value *causal(mq_grad *k, mq_value *scores)
{
    mq_value *shape = mq_grad_op(k, "Shape", scores), *ones;
    mq_node *n;

    shape = mq_grad_op(k, "Gather", shape, mq_grad_ints(k, (const int64_t[]){ 2, 3 }, 2));
    ones = mq_grad_op(k, "Expand", mq_grad_number(k, 1), shape);
    n = mq_grad_make(k, "", "Trilu", NULL, 1, ones);
    return mq_grad_op(k, "Greater", mq_grad_set_int(k, n, "upper", 0), mq_grad_number(k, 0));
}

static void probabilities(mq_grad *k, attention *a)
{
    const double softcap = (double)mq_node_attr_float(k->n, "softcap", 0);
    mq_value *scores = mq_grad_op(k, "Mul", a->scale, mq_grad_op(k, "MatMul", a->in[Q], turned(k, a->in[K])));
    mq_value *mask = mq_grad_in(k, MASK);

    if (softcap != 0) {
        a->cap = mq_grad_op(k, "Tanh", mq_grad_scale(k, scores, 1 / softcap));
        scores = mq_grad_scale(k, a->cap, softcap);
    }
    if (mq_node_attr_int(k->n, "is_causal", 0))
        a->keep = causal(k, scores);
    if (mask && mq_value_dtype(mask) == MQ_BOOL)
        a->keep = a->keep ? mq_grad_op(k, "And", a->keep, mask) : mask;
    else if (mask)
        scores = mq_grad_op(k, "Add", scores, mask);
    if (a->keep)
        scores = mq_grad_op(k, "Where", a->keep, scores, mq_grad_number(k, (double)-INFINITY));
    a->p = mq_grad_op(k, "Softmax", scores);
    if (a->keep) /* a query that sees nothing has zeros, not NaN */
        a->p = mq_grad_choose(k, a->keep, a->p, NULL);
}

/* Keys and values of one head may serve all queries. */
static void give(mq_grad *k, const attention *a, size_t i, mq_value *v)
{
    mq_value *x = mq_grad_in(k, i);

    if (a->joined)
        v = mq_grad_reshape(k, swap_heads(k, v), x);
    else if (i != Q && !mq_dim_equal(mq_value_dim(x, 1), mq_value_dim(mq_grad_in(k, Q), 1)))
        v = mq_grad_own(k, "ReduceTo", v, x);
    mq_grad_give(k, i, v);
}

static void attention_rule(mq_grad *k)
{
    attention a = { .joined = mq_grad_rank(k, mq_grad_in(k, Q)) == 3 };
    mq_value *ds;

    check(k);
    a.scale = read_scale(k, &a);
    if (k->rc != MQ_OK)
        return;
    for (size_t i = 0; i < 3; i++)
        a.in[i] = apart(k, &a, mq_grad_in(k, i));
    a.dy = apart(k, &a, k->dy[0]);
    probabilities(k, &a);
    ds = mq_grad_own(k, "SoftmaxGrad", a.p, mq_grad_op(k, "MatMul", a.dy, turned(k, a.in[V])));
    if (mq_grad_wants(k, MASK))
        mq_grad_give(k, MASK, mq_grad_own(k, "ReduceTo", ds, mq_grad_in(k, MASK)));
    if (a.cap)
        ds = mq_grad_op(k, "Mul", ds, mq_grad_one_minus(k, mq_grad_square(k, a.cap)));
    ds = mq_grad_op(k, "Mul", ds, a.scale);
    if (mq_grad_wants(k, Q))
        give(k, &a, Q, mq_grad_op(k, "MatMul", ds, a.in[K]));
    if (mq_grad_wants(k, K))
        give(k, &a, K, mq_grad_op(k, "MatMul", turned(k, ds), a.in[Q]));
    if (mq_grad_wants(k, V))
        give(k, &a, V, mq_grad_op(k, "MatMul", turned(k, a.p), a.dy));
}

const mq_grad_rule mq_grad_rules_attention[] = {
    { "", "Attention", attention_rule },
    { 0 },
};
