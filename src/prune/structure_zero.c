/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Making channels zero instead of taking them out. A channel is zero when whatever makes it gives 0; where an operator
 * behind that makes something else of 0 (Sigmoid), whatever reads it multiplies by 0, too. */
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "passes/pass.h"
#include "prune/structure_parts.h"

#define CONTRIB "com.microsoft"

static bool is_product(const mq_node *n)
{
    static const char *const products[] = { "Conv", "ConvTranspose", "Gemm", "MatMul" };
    static const char *const contrib[] = { "FusedConv", "FusedGemm" };

    return mq_node_is_any(n, "", products, MQ_ARRAY_LEN(products)) || mq_node_is_any(n, CONTRIB, contrib, 2);
}

/* Are zeros in input `index` of n zeros of what it makes, or of what it makes of a channel that is zero? */
static bool zeroes(const mq_node *n, size_t index)
{
    static const char *const layers[] = { "LSTM", "GRU", "RNN" }, *const contrib_sums[] = { "BiasGelu", "FastGelu" };
    static const char *const norms[] = { "BatchNormalization", "InstanceNormalization", "LayerNormalization",
                                         "RMSNormalization" };
    static const char *const contrib_norms[] = { "SkipLayerNormalization", "SkipSimplifiedLayerNormalization" };
    static const char *const sums[] = { "Add", "Mul" };

    if (is_product(n) || mq_node_is_any(n, "", layers, MQ_ARRAY_LEN(layers)) || mq_node_is_any(n, "", sums, 2) ||
        mq_node_is_any(n, CONTRIB, contrib_sums, 2))
        return true;
    if (mq_node_is_any(n, "", norms, MQ_ARRAY_LEN(norms)))
        return index == 1 || index == 2;
    if (mq_node_is_any(n, CONTRIB, contrib_norms, MQ_ARRAY_LEN(contrib_norms)))
        return index > 1;
    if (mq_node_is(n, CONTRIB, "Attention"))
        return index == 1 || index == 2;
    if (mq_node_is(n, CONTRIB, "MultiHeadAttention"))
        return index == 3;
    return (mq_node_is(n, "", "Sub") && index == 1) || (mq_node_is(n, "", "Gather") && index == 0);
}

static bool can_be_zero(const mq_value *v)
{
    const mq_tensor *t = mq_value_constant(v, true);

    if (!t || !mq_dtype_is_float(t->dtype) || mq_tensor_size(t) <= 0 || v->uses.n == 0)
        return false;
    for (size_t i = 0; i < v->uses.n; i++)
        if (!zeroes(v->uses.items[i].node, v->uses.items[i].index))
            return false;
    return true;
}

/* The bytes of v's constant, ours to write to. */
static mq_status own_bytes(mq_model *m, mq_value *v, char **out, mq_error *err)
{
    mq_tensor *t = mq_value_constant(v, true), *made = mq_tensor_create(m, v->name, t->dtype, t->n_dims, t->dims, NULL);
    const size_t size = (size_t)mq_tensor_size(t);
    const void *bytes;
    char *data = NULL;
    mq_buf *buf;
    mq_status rc = made ? MQ_OK : mq_oom(err);

    if (rc != MQ_OK || (rc = mq_tensor_bytes(t, &bytes, err)) != MQ_OK)
        return rc;
    if (!(data = malloc(size + 1)))
        return mq_oom(err);
    memcpy(data, bytes, size);
    *out = data;
    if ((rc = mq_buf_from_heap(&buf, data, size, err)) != MQ_OK)
        return rc;
    made->storage = MQ_STORE_RAW;
    made->buf = buf;
    made->data = buf->data;
    made->n_bytes = size;
    if ((rc = mq_model_keep_buf(m, buf, err)) != MQ_OK)
        return rc;
    if (v->producer)
        mq_node_remove(v->producer);
    return mq_value_set_init(v, made, err);
}

/* In the bytes of t: zeros for what `keep` does not have. */
static void clear_slices(const mq_channel_axis *a, const mq_tensor *t, const bool *keep, char *data)
{
    size_t outer = 1, inner = (size_t)mq_dtype_bits(t->dtype) / 8;

    for (int i = 0; i < t->n_dims; i++)
        if (i != a->axis)
            *(i < a->axis ? &outer : &inner) *= (size_t)t->dims[i];
    for (size_t i = 0; i < outer * a->n; i++) {
        const int32_t channel = a->channel[i % a->n];

        if (channel >= 0 && !keep[channel])
            memset(data + i * inner, 0, inner);
    }
}

static mq_status zero_axis(mq_structure *s, const mq_structure_group *g, const mq_channel_axis *a, mq_error *err)
{
    char *data = NULL;
    mq_status rc;

    if ((rc = own_bytes(s->narrow.model, a->value, &data, err)) == MQ_OK)
        clear_slices(a, mq_value_constant(a->value, true), g->keep, data);
    return rc;
}

size_t mq_structure_zeroed(const mq_structure_group *g, mq_value **out)
{
    size_t n = 0;

    for (size_t i = 0; i < g->channels->n_axes; i++) {
        mq_value *v = g->channels->axes[i].value;
        bool seen = !can_be_zero(v);

        for (size_t k = 0; k < n && !seen; k++)
            seen = out[k] == v;
        if (!seen)
            out[n++] = v;
    }
    return n;
}

void mq_structure_zero_slices(const mq_structure_group *g, const mq_value *v, const bool *keep, void *data)
{
    const mq_tensor *t = mq_value_constant(v, true);

    for (size_t i = 0; i < g->channels->n_axes; i++)
        if (g->channels->axes[i].value == v)
            clear_slices(&g->channels->axes[i], t, keep, data);
}

/* ---- where a zero is one still --------------------------------------------------------------------------------------- */

enum { LOST, KEPT }; /* tags of values: a channel that is made zero arrives as zero, or may not */

static bool is_kept(const mq_node *n, size_t i)
{
    return i < n->n_inputs && n->inputs[i] && n->inputs[i]->tag == KEPT;
}

/* The data inputs from `first` on; those that are left out do no harm. */
static bool all_kept(const mq_node *n, size_t first)
{
    for (size_t i = first; i < n->n_inputs; i++)
        if (n->inputs[i] && !is_kept(n, i))
            return false;
    return true;
}

/* Is what n makes of zeros zero? */
static bool keeps_zero(const mq_node *n)
{
    static const char *const of_first[] = { "Abs", "AveragePool", "Cast", "Celu", "Dropout", "Elu", "Erf", "Flatten", "Gelu",
        "GlobalAveragePool", "GlobalMaxPool", "HardSwish", "Identity", "LeakyRelu", "MaxPool", "Mish", "Neg", "PRelu",
        "Relu", "Reshape", "Selu", "Slice", "Softsign", "Split", "Sqrt", "Squeeze", "Tanh", "Transpose", "Unsqueeze" };
    static const char *const of_all[] = { "Add", "Concat", "Max", "Min", "Sub", "Sum" };

    if (mq_node_is(n, "", "Mul"))
        return is_kept(n, 0) || is_kept(n, 1);
    if (is_product(n)) /* its own rows have to be zero, and its bias */
        return !mq_node_attr(n, "activation") && is_kept(n, 1) && all_kept(n, 2);
    if (mq_node_is(n, "", "BatchNormalization"))
        return is_kept(n, 1) && is_kept(n, 2);
    return mq_node_is_any(n, "", of_all, MQ_ARRAY_LEN(of_all)) ? all_kept(n, 0) :
           mq_node_is_any(n, "", of_first, MQ_ARRAY_LEN(of_first)) && is_kept(n, 0);
}

/* Tags every value of the graph, whose nodes are sorted. */
static void follow_zeros(mq_structure *s)
{
    mq_graph *g = s->narrow.model->graph;

    for (size_t i = 0; i < g->values.n; i++)
        g->values.items[i]->tag = LOST;
    for (size_t i = 0; i < s->n_groups; i++)
        for (size_t k = 0; k < s->groups[i].channels->n_axes; k++) {
            const mq_channel_axis *a = &s->groups[i].channels->axes[k];

            if (can_be_zero(a->value))
                a->value->tag = KEPT;
        }
    for (const mq_node *n = g->first; n; n = n->next)
        for (size_t i = 0; i < n->n_outputs; i++)
            if (n->outputs[i])
                n->outputs[i]->tag = keeps_zero(n) ? KEPT : LOST;
}

/* Are these slices of weights that read channels which arrive as zero? Then they may be what they are. */
static bool reads_zeros(const mq_channel_axis *a)
{
    for (size_t i = 0; i < a->value->uses.n && !a->born; i++) {
        const mq_use *u = &a->value->uses.items[i];

        if (!is_product(u->node) || u->index != 1 || !is_kept(u->node, 0))
            return false;
    }
    return !a->born;
}

mq_status mq_structure_zero(mq_structure *s, mq_error *err)
{
    size_t n_zeroed = 0;
    mq_status rc = MQ_OK;

    follow_zeros(s);
    for (size_t i = 0; i < s->n_groups; i++) {
        const mq_structure_group *g = &s->groups[i];

        for (size_t k = 0; g->left < g->n && k < g->channels->n_axes && rc == MQ_OK; k++) {
            const mq_channel_axis *a = &g->channels->axes[k];

            if (can_be_zero(a->value) && !reads_zeros(a)) {
                rc = zero_axis(s, g, a, err);
                n_zeroed++;
            }
        }
        if (rc == MQ_OK && g->left < g->n && !n_zeroed)
            rc = mq_fail(err, MQ_ERR_UNSUPPORTED, "--zero-only: no weight that makes or reads the channels of '%s' can be "
                         "zero: others read it, too", g->channels->name);
        n_zeroed = 0;
    }
    return rc;
}
