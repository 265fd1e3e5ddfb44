/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* float16 and bfloat16 become float: constants, declared types, and the attributes that name a type. Every operator that
 * takes one of them takes float. */
#include <string.h>

#include "convert/precision_parts.h"

static bool is_short(mq_dtype t)
{
    return t == MQ_FLOAT16 || t == MQ_BFLOAT16;
}

static mq_status widen_constant(mq_precision *p, mq_value *v, mq_error *err)
{
    mq_precision_item item = { .value = v, .node = v->uses.n ? v->uses.items[0].node : NULL };
    mq_tensor *t = NULL;
    mq_status rc;

    if (!v->init || !is_short(v->init->dtype))
        return MQ_OK;
    if ((rc = mq_halves_measure(v->init, MQ_FLOAT, &item, err)) == MQ_OK)
        rc = mq_halves_make(v->init, MQ_FLOAT, &t, err);
    if (rc == MQ_OK)
        rc = mq_value_set_init(v, t, err);
    return rc != MQ_OK || mq_vec_push(&p->items, item) ? rc : mq_oom(err);
}

/* In sequences, too. NULL: it has none of the types; types are shared, so a new one is made. */
static mq_status widen_type(mq_model *m, mq_type *t, mq_type **out, mq_error *err)
{
    mq_type *elem = NULL;
    mq_status rc;

    *out = NULL;
    if (!t)
        return MQ_OK;
    if ((rc = widen_type(m, t->elem, &elem, err)) != MQ_OK || (!elem && !is_short(t->dtype)))
        return rc;
    if (!(*out = mq_type_create(m, t->kind, is_short(t->dtype) ? MQ_FLOAT : t->dtype, t->rank, t->dims)))
        return mq_oom(err);
    (*out)->elem = elem ? elem : t->elem;
    return MQ_OK;
}

static mq_status widen_declared(const mq_precision *p, mq_value *v, mq_error *err)
{
    const mq_graph *main = v->graph->model->graph;
    mq_type *t = NULL;
    mq_status rc;

    if (p->keep_io && v->graph == main && v->is_input && !v->init)
        return MQ_OK;
    if ((rc = widen_type(v->graph->model, v->declared, &t, err)) == MQ_OK && t) {
        v->declared = t;
        v->redeclared = true;
    }
    return rc;
}

static mq_status widen_attr(mq_node *n, mq_attr *a, mq_error *err)
{
    static const char *const types[] = { "to", "dtype", "output_dtype", "stash_type", "softmax_precision" };
    mq_tensor *t = NULL;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (a->type == MQ_ATTR_INT && !a->ref && strcmp(a->name, types[i]) == 0 &&
            (a->i == MQ_FLOAT16 || a->i == MQ_BFLOAT16))
            return mq_node_set_attr_int(n, a->name, MQ_FLOAT, err);
    if (a->type == MQ_ATTR_TENSOR && a->n == 1 && is_short(a->tensors[0]->dtype) &&
        (rc = mq_halves_make(a->tensors[0], MQ_FLOAT, &t, err)) == MQ_OK)
        rc = mq_node_set_attr_tensor(n, a->name, t, err);
    return rc;
}

static mq_status widen_graph(mq_precision *p, mq_graph *g, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < g->values.n && rc == MQ_OK; i++)
        if ((rc = widen_constant(p, g->values.items[i], err)) == MQ_OK)
            rc = widen_declared(p, g->values.items[i], err);
    for (mq_node *n = g->first; n && rc == MQ_OK; n = n->next) {
        for (size_t i = 0; i < n->n_attrs && rc == MQ_OK; i++)
            rc = widen_attr(n, n->attrs[i], err);
        p->n_half++;
    }
    return rc;
}

/* Inputs that keep their type are cast behind, outputs before they get their name. */
static mq_status keep_edges(mq_precision *p, mq_model *m, mq_type *const *outputs, mq_error *err)
{
    mq_value *made;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_precision_cast_inputs(m, MQ_FLOAT16, MQ_FLOAT16, MQ_FLOAT, &p->n_casts, err));
    MQ_TRY(mq_precision_cast_inputs(m, MQ_BFLOAT16, MQ_BFLOAT16, MQ_FLOAT, &p->n_casts, err));
    for (size_t i = 0; i < m->graph->outputs.n; i++) {
        mq_value *v = m->graph->outputs.items[i];

        if (!outputs[i] || outputs[i] == v->declared || !is_short(outputs[i]->dtype) || !v->producer || v->graph != m->graph)
            continue;
        MQ_TRY(mq_precision_cast_output(v, MQ_FLOAT, outputs[i]->dtype, &made, err));
        v->declared = outputs[i];
        p->n_casts++;
    }
done:
    return rc;
}

mq_status mq_precision_widen(mq_model *m, mq_precision *p, mq_error *err)
{
    mq_type **outputs = mq_arena_calloc(m->arena, m->graph->outputs.n + 1, sizeof *outputs);
    const size_t n_graphs = m->graphs.n;
    mq_status rc = outputs ? MQ_OK : mq_oom(err);

    for (size_t i = 0; rc == MQ_OK && i < m->graph->outputs.n; i++)
        outputs[i] = m->graph->outputs.items[i]->declared;
    for (size_t i = 0; rc == MQ_OK && i < n_graphs; i++)
        rc = widen_graph(p, m->graphs.items[i], err);
    if (rc == MQ_OK && !p->items.n)
        rc = mq_fail(err, MQ_ERR_UNSUPPORTED, "nothing to change: no constant is float16 or bfloat16");
    return rc == MQ_OK && p->keep_io ? keep_edges(p, m, outputs, err) : rc;
}
