/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Copies models and graphs. Payloads are never copied. */
#include <string.h>

#include "graph/clone.h"
#include "graph/copy.h"

static mq_status copy_graph(mq_copying *k, const mq_graph *g, mq_graph *parent, mq_node *owner, mq_graph **out);

static mq_status copy_tensor(const mq_copying *k, mq_tensor *t, mq_tensor **out)
{
    mq_tensor *c = mq_arena_memdup(k->to->arena, t, sizeof *t);
    const void *data = t->unpacked;
    mq_status rc = MQ_OK;

    if (!c)
        return mq_oom(k->err);
    if (k->resolve_files && t->storage == MQ_STORE_EXTERNAL)
        rc = mq_tensor_bytes(t, &data, k->err);
    c->buf = t->buf; /* known by now */
    if (data) { /* the original's conversion serves the copy too */
        c->storage = MQ_STORE_RAW;
        c->data = data;
        c->n_bytes = (size_t)mq_tensor_size(t);
        if (t->storage == MQ_STORE_EXTERNAL)
            c->origin = NULL; /* its message has the bytes elsewhere */
    }
    c->unpacked = NULL;
    c->model = k->to;
    *out = c;
    return rc;
}

/* The attribute that a reference in a function body stands for: the call's, else the function's default; NULL: left out. */
static const mq_attr *resolve(const mq_copying *k, const mq_attr *a)
{
    if (!a->ref || !k->call)
        return a;
    for (size_t i = 0; i < k->call->n_attrs; i++)
        if (strcmp(k->call->attrs[i]->name, a->ref) == 0)
            return k->call->attrs[i];
    for (size_t i = 0; i < k->function->n_attr_protos; i++)
        if (strcmp(k->function->attr_protos[i]->name, a->ref) == 0)
            return k->function->attr_protos[i];
    return NULL;
}

static mq_status copy_attr(mq_copying *k, const mq_attr *a, const char *name, mq_node *owner, mq_attr **out)
{
    mq_arena *arena = k->to->arena;
    mq_attr *c = mq_arena_memdup(arena, a, sizeof *a);
    mq_status rc = MQ_OK;

    if (!c || !(c->name = mq_arena_strdup(arena, name)))
        return mq_oom(k->err);
    if (a->tensors) {
        if (!(c->tensors = mq_arena_calloc(arena, a->n, sizeof *c->tensors)))
            return mq_oom(k->err);
        for (size_t i = 0; i < a->n && rc == MQ_OK; i++)
            rc = copy_tensor(k, a->tensors[i], &c->tensors[i]);
    }
    if (a->graphs) {
        if (!(c->graphs = mq_arena_calloc(arena, a->n, sizeof *c->graphs)))
            return mq_oom(k->err);
        for (size_t i = 0; i < a->n && rc == MQ_OK; i++)
            rc = copy_graph(k, a->graphs[i], owner->graph, owner, &c->graphs[i]);
    }
    *out = c;
    return rc;
}

static mq_status copy_attrs(mq_copying *k, const mq_node *from, mq_node *to)
{
    mq_status rc = MQ_OK;

    if (!(to->attrs = mq_arena_calloc(k->to->arena, from->n_attrs, sizeof *to->attrs)))
        return mq_oom(k->err);
    for (size_t i = 0; i < from->n_attrs && rc == MQ_OK; i++) {
        const mq_attr *a = resolve(k, from->attrs[i]);

        if (a && (rc = copy_attr(k, a, from->attrs[i]->name, to, &to->attrs[to->n_attrs])) == MQ_OK)
            to->n_attrs++;
    }
    return rc;
}

const char *mq_copy_name(const mq_copying *k, const char *name)
{
    return k->prefix ? mq_arena_printf(k->to->arena, "%s%s%s", k->prefix, k->join, name) : name;
}

mq_value *mq_copy_value(const mq_copying *k, mq_graph *g, const mq_value *v)
{
    mq_value *found = v->graph->parent ? NULL : mq_map_get(&k->bound, v->name);
    const char *name = found ? NULL : mq_copy_name(k, v->name);

    if (name && !(found = mq_graph_find(g, name)))
        found = mq_value_create(g, name);
    return found;
}

/* The same for what a node of g makes: never a value of a graph around it. */
static mq_value *output_for(const mq_copying *k, mq_graph *g, const mq_value *v)
{
    mq_value *found = v->graph->parent ? NULL : mq_map_get(&k->bound, v->name);
    const char *name = found ? NULL : mq_copy_name(k, v->name);

    if (name && !(found = mq_graph_find_here(g, name)))
        found = mq_value_create(g, name);
    return found;
}

static mq_status copy_node(mq_copying *k, const mq_node *n, mq_graph *g, mq_node *before, mq_node **out)
{
    const char *name = n->name[0] ? mq_copy_name(k, n->name) : "";
    mq_node *c = name ? mq_node_create(g, before, n->domain, n->op_type, name) : NULL;
    mq_status rc = MQ_OK;

    if (!c || !(c->overload = mq_arena_strdup(k->to->arena, n->overload)))
        return mq_oom(k->err);
    c->origin = n->origin;
    for (size_t i = 0; i < n->n_inputs && rc == MQ_OK; i++) {
        mq_value *v = n->inputs[i] ? mq_copy_value(k, g, n->inputs[i]) : NULL;

        rc = n->inputs[i] && !v ? mq_oom(k->err) : mq_node_set_input(c, i, v, k->err);
    }
    for (size_t i = 0; i < n->n_outputs && rc == MQ_OK; i++) {
        mq_value *v = n->outputs[i] ? output_for(k, g, n->outputs[i]) : NULL;

        rc = n->outputs[i] && !v ? mq_oom(k->err) : mq_node_set_output(c, i, v, k->err);
    }
    *out = c;
    return rc == MQ_OK ? copy_attrs(k, n, c) : rc;
}

mq_status mq_copy_values(const mq_copying *k, const mq_graph *g, mq_graph *c)
{
    for (size_t i = 0; i < g->values.n; i++) {
        const mq_value *v = g->values.items[i];
        const char *name = mq_copy_name(k, v->name);
        mq_value *w;

        if (v->duplicate || (!v->producer && !v->is_input && !v->init && !v->sparse))
            continue;
        if (!g->parent && mq_map_get(&k->bound, v->name))
            continue;
        if (!name || !(w = mq_value_create(c, name)))
            return mq_oom(k->err);
        w->declared = v->declared;
        w->origin = v->origin;
        w->redeclared = v->redeclared;
    }
    return MQ_OK;
}

mq_status mq_copy_inits(const mq_copying *k, const mq_graph *g, mq_graph *c)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < g->inits.n && rc == MQ_OK; i++) {
        const mq_value *v = g->inits.items[i];
        mq_value *w = mq_copy_value(k, c, v);
        mq_tensor *t = NULL;

        if (!w)
            return mq_oom(k->err);
        if (v->init) {
            if ((rc = copy_tensor(k, v->init, &t)) == MQ_OK)
                rc = mq_value_set_init(w, t, k->err);
        } else {
            w->sparse = v->sparse;
            if (!mq_vec_push_in(k->to->arena, &c->inits, w))
                return mq_oom(k->err);
        }
    }
    return rc;
}

static mq_status copy_lists(const mq_copying *k, const mq_graph *g, mq_graph *c)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < g->inputs.n && rc == MQ_OK; i++) {
        mq_value *w = mq_copy_value(k, c, g->inputs.items[i]);

        rc = w ? mq_graph_add_input(c, w, k->err) : mq_oom(k->err);
    }
    for (size_t i = 0; i < g->value_info.n && rc == MQ_OK; i++) {
        mq_value *w = mq_graph_find_here(c, g->value_info.items[i]->name);

        if (w && !k->prefix && !mq_vec_push_in(k->to->arena, &c->value_info, w))
            rc = mq_oom(k->err);
    }
    return rc;
}

mq_status mq_copy_body(mq_copying *k, const mq_graph *g, mq_graph *c, mq_node *before)
{
    mq_status rc = MQ_OK;
    mq_node *made;

    for (const mq_node *n = g->first; n && rc == MQ_OK; n = n->next)
        rc = copy_node(k, n, c, before, &made);
    return rc;
}

static mq_status copy_graph(mq_copying *k, const mq_graph *g, mq_graph *parent, mq_node *owner, mq_graph **out)
{
    mq_graph *c;
    mq_status rc;

    if (++k->depth > MQ_COPY_DEPTH)
        return mq_fail(k->err, MQ_ERR_INPUT, "graphs are nested more than %d deep", MQ_COPY_DEPTH);
    if (!(c = mq_graph_create(k->to, parent, owner, g->name)))
        return mq_oom(k->err);
    c->origin = g->origin;
    MQ_TRY(mq_copy_values(k, g, c));
    MQ_TRY(mq_copy_inits(k, g, c));
    MQ_TRY(copy_lists(k, g, c));
    MQ_TRY(mq_copy_body(k, g, c, NULL));
    for (size_t i = 0; i < g->outputs.n && rc == MQ_OK; i++) {
        mq_value *w = mq_copy_value(k, c, g->outputs.items[i]);

        rc = w ? mq_graph_add_output(c, w, k->err) : mq_oom(k->err);
    }
    *out = c;
done:
    k->depth--;
    return rc;
}

mq_status mq_copy_function(mq_copying *k, const mq_function *f)
{
    mq_function *c = mq_arena_memdup(k->to->arena, f, sizeof *f);
    mq_status rc;

    if (!c)
        return mq_oom(k->err);
    c->same_name = NULL;
    c->opsets.items = mq_arena_memdup(k->to->arena, f->opsets.items, f->opsets.n * sizeof *f->opsets.items);
    if (!c->opsets.items)
        return mq_oom(k->err);
    if ((rc = copy_graph(k, f->body, NULL, NULL, &c->body)) != MQ_OK)
        return rc;
    c->body->function = c;
    return mq_model_add_function(k->to, c, k->err);
}

mq_status mq_model_clone(mq_model **out, const mq_model *m, mq_error *err)
{
    mq_model *c = NULL;
    mq_copying k = { .err = err };
    mq_status rc;

    MQ_TRY(mq_model_create(&c, err));
    k.to = c;
    c->path = m->path;
    c->dir = m->dir;
    c->ir_version = m->ir_version;
    c->has_ir_version = m->has_ir_version;
    c->producer_name = m->producer_name;
    c->producer_version = m->producer_version;
    c->open_external = m->open_external;
    c->had_external = m->had_external;
    c->file_bytes = m->file_bytes;
    c->origin = m->origin;
    for (size_t i = 0; i < m->opsets.n; i++)
        if (!mq_vec_push_in(c->arena, &c->opsets, m->opsets.items[i]))
            MQ_TRY(mq_oom(err));
    for (size_t i = 0; i < m->metadata.n; i++)
        if (!mq_vec_push_in(c->arena, &c->metadata, m->metadata.items[i]))
            MQ_TRY(mq_oom(err));
    for (size_t i = 0; i < m->external.cap; i++) /* files that are open already: one without a name cannot be opened again */
        if (m->external.slots[i].key && !mq_map_put(&c->external, m->external.slots[i].key, m->external.slots[i].value))
            MQ_TRY(mq_oom(err));
    for (size_t i = 0; i < m->n_functions; i++)
        MQ_TRY(mq_copy_function(&k, m->functions[i]));
    if (m->graph)
        MQ_TRY(copy_graph(&k, m->graph, NULL, NULL, &c->graph));
    *out = c;
    c = NULL;
done:
    mq_model_free(c);
    return rc;
}
