/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What passes share. */
#include <string.h>

#include "passes/pass.h"

mq_node *mq_only_reader(const mq_value *v)
{
    return v && v->uses.n == 1 && !v->n_output_uses ? v->uses.items[0].node : NULL;
}

mq_tensor *mq_constant_input(const mq_node *n, size_t i)
{
    return i < n->n_inputs && n->inputs[i] ? mq_value_constant(n->inputs[i], false) : NULL;
}

mq_dtype mq_value_dtype(const mq_value *v)
{
    const mq_tensor *t = v ? mq_value_constant(v, false) : NULL;

    if (t)
        return t->dtype;
    return v && v->type && v->type->kind == MQ_TYPE_TENSOR ? v->type->dtype : MQ_UNDEFINED;
}

int mq_value_rank(const mq_value *v)
{
    const mq_tensor *t = v ? mq_value_constant(v, false) : NULL;

    if (t)
        return t->n_dims;
    return v && v->type && v->type->kind == MQ_TYPE_TENSOR ? v->type->rank : -1;
}

static mq_type *type_of_tensor(mq_model *m, const mq_tensor *t)
{
    mq_dim *dims = mq_arena_calloc(m->arena, (size_t)t->n_dims, sizeof *dims);

    if (!dims)
        return NULL;
    for (int i = 0; i < t->n_dims; i++)
        dims[i] = MQ_DIM(t->dims[i]);
    return mq_type_create(m, MQ_TYPE_TENSOR, t->dtype, t->n_dims, dims);
}

mq_status mq_value_make_constant(mq_value *v, mq_tensor *t, mq_error *err)
{
    mq_status rc = MQ_OK;

    if (v->producer)
        rc = mq_node_set_output(v->producer, v->producer_index, NULL, err);
    if (rc == MQ_OK)
        rc = mq_value_set_init(v, t, err);
    if (rc == MQ_OK && !(v->type = type_of_tensor(v->graph->model, t)))
        rc = mq_oom(err);
    return rc;
}

mq_status mq_constant_create(mq_graph *g, const char *base, mq_tensor *t, mq_value **out, mq_error *err)
{
    mq_value *v = mq_value_create_unique(g, base);
    mq_status rc = v ? mq_value_make_constant(v, t, err) : mq_oom(err);

    if (rc == MQ_OK)
        *out = v;
    return rc;
}

mq_status mq_value_bypass(mq_value *from, mq_value *to, bool *done, mq_error *err)
{
    *done = from->n_output_uses == 0;
    return *done ? mq_value_replace_uses(from, to, err) : MQ_OK;
}

void mq_graph_drop_dead(mq_graph *g, size_t *n_dropped)
{
    size_t n = 0;

    for (mq_node *node = g->last, *prev; node; node = prev) {
        bool used = false;

        prev = node->prev;
        for (size_t i = 0; i < node->n_outputs && !used; i++)
            used = node->outputs[i] && !mq_value_unused(node->outputs[i]);
        if (!used) {
            mq_node_remove(node);
            n++;
        }
    }
    if (n_dropped)
        *n_dropped += n;
}
