/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* fuse-projection: self-attention takes its projections along; operators of ONNX Runtime.
 *   MatMul of weights -> Add of a bias -> Split into Q, K, V -> MultiHeadAttention  =>  Attention
 * The sequence may come first in the product, between two Transposes: rows of a product keep to themselves.
 * merge-products makes the one MatMul of the three. Skipped when what is between has another reader or is an output, when
 * the three parts are not of one size or in another order, and for a MultiHeadAttention with anything but attention_bias.
 * Numerics: the same sums, perhaps in another order. */
#include <string.h>

#include "passes/pass.h"

enum { M_BIAS = 3, M_MASK, M_ADD }; /* inputs of MultiHeadAttention */
enum { A_BIAS = 2, A_ADD = 5, A_INPUTS };

typedef struct projection {
    mq_value *x, *weights, *bias;
} projection;

/* Does n read Q, K and V, and nothing more than attention_bias? */
static bool is_plain(const mq_node *n)
{
    if (!mq_node_is(n, "com.microsoft", "MultiHeadAttention") || n->n_inputs < 3 || n->n_outputs != 1 || !n->outputs[0])
        return false;
    for (size_t i = 0; i < n->n_inputs; i++)
        if (i < M_BIAS ? !n->inputs[i] : i != M_ADD && n->inputs[i])
            return false;
    return true;
}

/* The Split whose three outputs of `width` are n's Q, K and V; NULL: there is none. */
static mq_node *split_before(const mq_node *n, int64_t *width)
{
    mq_node *split = n->inputs[0]->producer;
    const int64_t axis = split ? mq_node_attr_int(split, "axis", 0) : 0;

    if (!split || !mq_node_is(split, "", "Split") || split->n_outputs != 3 || (axis != -1 && axis != 2) || !split->n_inputs)
        return NULL;
    *width = mq_value_dim(n->inputs[0], 2).value;
    for (size_t i = 0; i < 3; i++)
        if (split->outputs[i] != n->inputs[i] || mq_only_reader(n->inputs[i]) != n || mq_value_rank(n->inputs[i]) != 3 ||
            mq_value_dim(n->inputs[i], 2).value != *width)
            return NULL;
    return *width > 0 ? split : NULL;
}

static bool is_constant(const mq_value *v, int rank, int64_t columns)
{
    const mq_tensor *t = v ? mq_value_constant(v, false) : NULL;

    return t && t->dtype == MQ_FLOAT && t->n_dims == rank && t->dims[rank - 1] == columns;
}

/* Do the first two of three axes change places? */
static bool swaps(const mq_node *n)
{
    static const int64_t want[3] = { 1, 0, 2 };
    size_t count;
    const int64_t *perm = n ? mq_node_attr_ints(n, "perm", &count) : NULL;

    return perm && count == 3 && memcmp(perm, want, sizeof want) == 0;
}

static bool read_projection(const mq_node *n, projection *p)
{
    int64_t width, columns;
    const mq_node *split = is_plain(n) ? split_before(n, &width) : NULL;
    const mq_node *back = split ? mq_pass_only_producer(split->inputs[0], "Transpose") : NULL;
    const mq_node *add = split ? mq_pass_only_producer(swaps(back) ? back->inputs[0] : split->inputs[0], "Add") : NULL;

    if (!add || split->graph != n->graph || add->n_inputs != 2 || __builtin_mul_overflow(width, 3, &columns))
        return false;
    for (size_t i = 0; i < 2; i++) {
        const mq_node *product = mq_pass_only_producer(add->inputs[i], "MatMul");
        const mq_node *turned = product ? mq_pass_producer(product->inputs[0], "Transpose") : NULL;

        if (!product || (swaps(back) && !swaps(turned)) || product->n_inputs != 2 ||
            !is_constant(add->inputs[1 - i], 1, columns) || !is_constant(product->inputs[1], 2, columns) ||
            mq_value_rank(product->inputs[0]) != 3 || mq_value_dtype(product->inputs[0]) != MQ_FLOAT)
            continue;
        *p = (projection){ swaps(back) ? turned->inputs[0] : product->inputs[0], product->inputs[1], add->inputs[1 - i] };
        return true;
    }
    return false;
}

static mq_status fuse(mq_node *n, const projection *p, size_t *n_changed, mq_error *err)
{
    mq_value *in[A_INPUTS] = { p->x, p->weights };
    mq_status rc = MQ_OK;
    mq_node *made;

    in[A_BIAS] = p->bias;
    in[A_ADD] = n->n_inputs > M_ADD ? n->inputs[M_ADD] : NULL;
    MQ_TRY(mq_pass_insert(n, "com.microsoft", "Attention", n, in, A_INPUTS, &made, err));
    MQ_TRY(mq_pass_take_over(made, n, err));
    ++*n_changed;
done:
    return rc;
}

static mq_status visit(mq_node *n, size_t *n_changed, mq_error *err)
{
    projection p;

    return read_projection(n, &p) ? fuse(n, &p, n_changed, err) : MQ_OK;
}

const mq_pass mq_pass_fuse_projection = {
    .name = "fuse-projection", .summary = "make Attention of MultiHeadAttention and the product before it", .node = visit
};
