/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* merge-equal: of nodes with the same operator, attributes and inputs one stays, and its outputs serve all. Small
 * constants count as equal when their contents are. Not merged: random operators, nodes with graphs or large tensors
 * as attributes, nodes whose outputs are graph outputs (the names must stay), unless the first one's are.
 * Numerics: exact. */
#include <string.h>

#include "base/compiler.h"
#include "base/map.h"
#include "base/str.h"
#include "passes/pass.h"

#define SMALL 64 /* bytes of a constant that is compared by contents */

static bool is_random(const mq_node *n)
{
    static const char *const ops[] = { "Bernoulli", "Dropout", "Multinomial", "RandomNormal", "RandomNormalLike",
                                       "RandomUniform", "RandomUniformLike" };

    return mq_node_is_any(n, NULL, ops, MQ_ARRAY_LEN(ops));
}

static void add_bytes(mq_str *key, const void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        mq_str_addf(key, "%02x", ((const unsigned char *)p)[i]);
}

/* Type, shape and contents; false: it is too large, or cannot be read. */
static bool add_tensor(mq_str *key, mq_tensor *t)
{
    const int64_t size = mq_tensor_size(t);
    const void *data;

    if (t->dtype == MQ_STRING || size < 0 || size > SMALL || mq_tensor_bytes(t, &data, NULL) != MQ_OK)
        return false;
    mq_str_addf(key, "t%d", (int)t->dtype);
    for (int i = 0; i < t->n_dims; i++)
        mq_str_addf(key, ",%lld", (long long)t->dims[i]);
    mq_str_add(key, ":");
    add_bytes(key, data, (size_t)size);
    return true;
}

static bool add_attr(mq_str *key, const mq_attr *a)
{
    mq_str_addf(key, "|%s=%d:", a->name, (int)a->type);
    switch (a->type) {
    case MQ_ATTR_FLOAT: add_bytes(key, &a->f, sizeof a->f); return true;
    case MQ_ATTR_INT: mq_str_addf(key, "%lld", (long long)a->i); return true;
    case MQ_ATTR_STRING: add_bytes(key, a->s.data, a->s.n); return true;
    case MQ_ATTR_FLOATS: add_bytes(key, a->floats, a->n * sizeof *a->floats); return true;
    case MQ_ATTR_INTS: add_bytes(key, a->ints, a->n * sizeof *a->ints); return true;
    case MQ_ATTR_TENSOR: return a->n == 1 && add_tensor(key, a->tensors[0]);
    default: return false;
    }
}

/* What makes two nodes equal, as text; false: n is equal to none. Attributes are taken in the order they stand. */
static bool add_node(mq_str *key, const mq_node *n)
{
    mq_str_addf(key, "%s.%s/%zu", mq_domain_norm(n->domain), n->op_type, n->n_outputs);
    for (size_t i = 0; i < n->n_inputs; i++) {
        mq_tensor *t = n->inputs[i] ? mq_value_constant(n->inputs[i], false) : NULL;

        mq_str_add(key, "(");
        if (!t || !add_tensor(key, t))
            mq_str_addf(key, "%p", (void *)n->inputs[i]);
    }
    for (size_t i = 0; i < n->n_attrs; i++)
        if (!add_attr(key, n->attrs[i]))
            return false;
    return true;
}

/* Everything that n makes, first makes too, and n's names may go. */
static bool can_serve(const mq_node *first, const mq_node *n)
{
    for (size_t i = 0; i < n->n_outputs; i++)
        if (n->outputs[i] && (n->outputs[i]->n_output_uses || !first->outputs[i]))
            return false;
    return true;
}

static mq_status merge(mq_map *seen, mq_node *n, const char *key, size_t *n_changed, mq_error *err)
{
    mq_node *first = mq_map_get(seen, key);
    mq_status rc = MQ_OK;

    if (!first)
        return mq_map_put(seen, mq_arena_strdup(n->graph->model->arena, key), n) ? MQ_OK : mq_oom(err);
    if (!can_serve(first, n))
        return MQ_OK;
    for (size_t i = 0; i < n->n_outputs && rc == MQ_OK; i++)
        if (n->outputs[i])
            rc = mq_value_replace_uses(n->outputs[i], first->outputs[i], err);
    mq_node_remove(n);
    ++*n_changed;
    return rc;
}

static mq_status run(mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    mq_status rc = MQ_OK;
    mq_map seen = { 0 };

    (void)ctx;
    for (mq_node *n = g->first, *next; n && rc == MQ_OK; n = next) {
        mq_str key = { 0 };

        next = n->next;
        if (n->n_outputs && !is_random(n) && !mq_node_is(n, "", "Constant") && add_node(&key, n) && !key.failed)
            rc = merge(&seen, n, key.s, n_changed, err);
        mq_str_release(&key);
    }
    mq_map_release(&seen);
    return rc;
}

const mq_pass mq_pass_merge_equal = {
    .name = "merge-equal", .summary = "compute what is asked for several times once", .run = run
};
