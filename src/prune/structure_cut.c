/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Taking channels out, or making them zero. A channel is zero when whatever makes it gives 0 and whatever reads it
 * multiplies by 0: the second is needed where an operator in between makes something of 0 (Sigmoid). */
#include <stdlib.h>
#include <string.h>

#include "prune/structure_parts.h"

mq_status mq_structure_pick(mq_structure *s, size_t *n_gone, mq_error *err)
{
    mq_status rc = MQ_OK;

    *n_gone = 0;
    for (size_t i = 0; i < s->n_groups && rc == MQ_OK; i++) {
        mq_structure_group *g = &s->groups[i];

        *n_gone += g->n - g->left;
        rc = mq_narrow_pick(g->scores, g->n, g->left, g->keep, err);
    }
    return rc;
}

mq_status mq_structure_shrink(mq_structure *s, mq_error *err)
{
    const bool **keep = calloc(s->n_groups + 1, sizeof *keep);
    mq_status rc;

    if (!keep)
        return mq_oom(err);
    for (size_t i = 0; i < s->n_groups; i++)
        keep[i] = s->groups[i].left < s->groups[i].n ? s->groups[i].keep : NULL;
    rc = mq_narrow_finish(&s->narrow, keep, err);
    free(keep);
    return rc;
}

/* ---- zeros ---------------------------------------------------------------------------------------------------------- */

/* Are zeros in input `index` of n zeros of what it makes, or of what it makes of a channel that is zero? */
static bool zeroes(const mq_node *n, size_t index)
{
    static const char *const products[] = { "Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN" };
    static const char *const norms[] = { "BatchNormalization", "InstanceNormalization", "LayerNormalization",
                                         "RMSNormalization" };
    static const char *const sums[] = { "Add", "Mul" };

    if (mq_node_is_any(n, "", products, sizeof products / sizeof *products) || mq_node_is_any(n, "", sums, 2))
        return true;
    if (mq_node_is_any(n, "", norms, sizeof norms / sizeof *norms))
        return index == 1 || index == 2;
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

static mq_status zero_axis(mq_structure *s, const mq_structure_group *g, const mq_channel_axis *a, mq_error *err)
{
    const mq_tensor *t = mq_value_constant(a->value, true);
    size_t outer = 1, inner = (size_t)mq_dtype_bits(t->dtype) / 8;
    char *data = NULL;
    mq_status rc;

    for (int i = 0; i < t->n_dims; i++)
        if (i != a->axis)
            *(i < a->axis ? &outer : &inner) *= (size_t)t->dims[i];
    if ((rc = own_bytes(s->narrow.model, a->value, &data, err)) != MQ_OK)
        return rc;
    for (size_t i = 0; i < outer * a->n; i++) {
        const int32_t channel = a->channel[i % a->n];

        if (channel >= 0 && !g->keep[channel])
            memset(data + i * inner, 0, inner);
    }
    return MQ_OK;
}

mq_status mq_structure_zero(mq_structure *s, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < s->n_groups; i++) {
        const mq_structure_group *g = &s->groups[i];

        for (size_t k = 0; g->left < g->n && k < g->channels->n_axes && rc == MQ_OK; k++)
            if (can_be_zero(g->channels->axes[k].value))
                rc = zero_axis(s, g, &g->channels->axes[k], err);
    }
    return rc;
}
