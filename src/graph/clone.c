/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Copies models and graphs, and inlines function calls. Payloads are never copied. */
#include "graph/clone.h"

#include <stdio.h>
#include <string.h>

#define MAX_DEPTH 64
#define MAX_CALLS 100000 /* inlined calls: a small file can ask for 2^n of them */

/* Where a copied graph's values come from: by name in the copy, renamed by `prefix` for what an inlined body defines. */
typedef struct copying {
    mq_model *to;
    const char *prefix;   /* NULL: names stay */
    const mq_node *call;  /* whose attributes fill references; NULL: keep them */
    const mq_function *function;
    int depth;
    mq_error *err;
} copying;

static mq_status copy_graph(copying *k, const mq_graph *g, mq_graph *parent, mq_node *owner, mq_graph **out);

static mq_tensor *copy_tensor(mq_model *to, const mq_tensor *t)
{
    mq_tensor *c = mq_arena_memdup(to->arena, t, sizeof *t);

    if (c) {
        if (t->unpacked) { /* the original's conversion serves the copy too */
            c->storage = MQ_STORE_RAW;
            c->data = t->unpacked;
            c->n_bytes = (size_t)mq_tensor_size(t);
        }
        c->unpacked = NULL;
        c->model = to;
    }
    return c;
}

/* The attribute that a reference in a function body stands for: the call's, else the function's default; NULL: left out. */
static const mq_attr *resolve(const copying *k, const mq_attr *a)
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

static mq_status copy_attr(copying *k, const mq_attr *a, const char *name, mq_node *owner, mq_attr **out)
{
    mq_arena *arena = k->to->arena;
    mq_attr *c = mq_arena_memdup(arena, a, sizeof *a);
    mq_status rc = MQ_OK;

    if (!c || !(c->name = mq_arena_strdup(arena, name)))
        return mq_oom(k->err);
    if (a->tensors) {
        if (!(c->tensors = mq_arena_calloc(arena, a->n, sizeof *c->tensors)))
            return mq_oom(k->err);
        for (size_t i = 0; i < a->n; i++)
            if (!(c->tensors[i] = copy_tensor(k->to, a->tensors[i])))
                return mq_oom(k->err);
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

static mq_status copy_attrs(copying *k, const mq_node *from, mq_node *to)
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

static const char *new_name(const copying *k, const char *name)
{
    return k->prefix ? mq_arena_printf(k->to->arena, "%s/%s", k->prefix, name) : name;
}

/* The copy's value for a value of the original: found by name from the graph outwards, or made where it stands. */
static mq_value *value_for(const copying *k, mq_graph *g, const mq_value *v)
{
    const char *name = new_name(k, v->name);
    mq_value *found = name ? mq_graph_find(g, name) : NULL;

    return found || !name ? found : mq_value_create(g, name);
}

static mq_status copy_node(copying *k, const mq_node *n, mq_graph *g, mq_node *before, mq_node **out)
{
    const char *name = n->name[0] ? new_name(k, n->name) : "";
    mq_node *c = name ? mq_node_create(g, before, n->domain, n->op_type, name) : NULL;
    mq_status rc = MQ_OK;

    if (!c || !(c->overload = mq_arena_strdup(k->to->arena, n->overload)))
        return mq_oom(k->err);
    c->origin = n->origin;
    for (size_t i = 0; i < n->n_inputs && rc == MQ_OK; i++) {
        mq_value *v = n->inputs[i] ? value_for(k, g, n->inputs[i]) : NULL;

        rc = n->inputs[i] && !v ? mq_oom(k->err) : mq_node_set_input(c, i, v, k->err);
    }
    for (size_t i = 0; i < n->n_outputs && rc == MQ_OK; i++) {
        const char *out_name = n->outputs[i] ? new_name(k, n->outputs[i]->name) : NULL;
        mq_value *v = out_name ? mq_graph_find_here(g, out_name) : NULL;

        if (out_name && !v && !(v = mq_value_create(g, out_name)))
            return mq_oom(k->err);
        rc = n->outputs[i] && !v ? mq_oom(k->err) : mq_node_set_output(c, i, v, k->err);
    }
    *out = c;
    return rc == MQ_OK ? copy_attrs(k, n, c) : rc;
}

/* Inputs, initializers and declared inner values: what has no producer but a place in the lists. */
static mq_status copy_values(const copying *k, const mq_graph *g, mq_graph *c)
{
    for (size_t i = 0; i < g->values.n; i++) {
        const mq_value *v = g->values.items[i];
        const char *name = new_name(k, v->name);
        mq_value *w;

        if (v->duplicate || (!v->producer && !v->is_input && !v->init && !v->sparse))
            continue;
        if (!name || !(w = mq_value_create(c, name)))
            return mq_oom(k->err);
        w->declared = v->declared;
        w->origin = v->origin;
        w->redeclared = v->redeclared;
    }
    return MQ_OK;
}

static mq_status copy_inits(const copying *k, const mq_graph *g, mq_graph *c)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < g->inits.n && rc == MQ_OK; i++) {
        const mq_value *v = g->inits.items[i];
        mq_value *w = value_for(k, c, v);
        mq_tensor *t = v->init ? copy_tensor(k->to, v->init) : NULL;

        if (!w || (v->init && !t))
            return mq_oom(k->err);
        if (t) {
            rc = mq_value_set_init(w, t, k->err);
        } else {
            w->sparse = v->sparse;
            if (!mq_vec_push_in(k->to->arena, &c->inits, w))
                return mq_oom(k->err);
        }
    }
    return rc;
}

static mq_status copy_lists(const copying *k, const mq_graph *g, mq_graph *c)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < g->inputs.n && rc == MQ_OK; i++) {
        mq_value *w = value_for(k, c, g->inputs.items[i]);

        rc = w ? mq_graph_add_input(c, w, k->err) : mq_oom(k->err);
    }
    for (size_t i = 0; i < g->value_info.n && rc == MQ_OK; i++) {
        mq_value *w = mq_graph_find_here(c, g->value_info.items[i]->name);

        if (w && !k->prefix && !mq_vec_push_in(k->to->arena, &c->value_info, w))
            rc = mq_oom(k->err);
    }
    return rc;
}

static mq_status copy_body(copying *k, const mq_graph *g, mq_graph *c, mq_node *before)
{
    mq_status rc = MQ_OK;
    mq_node *made;

    for (const mq_node *n = g->first; n && rc == MQ_OK; n = n->next)
        rc = copy_node(k, n, c, before, &made);
    return rc;
}

static mq_status copy_graph(copying *k, const mq_graph *g, mq_graph *parent, mq_node *owner, mq_graph **out)
{
    mq_graph *c;
    mq_status rc;

    if (++k->depth > MAX_DEPTH)
        return mq_fail(k->err, MQ_ERR_INPUT, "graphs are nested more than %d deep", MAX_DEPTH);
    if (!(c = mq_graph_create(k->to, parent, owner, g->name)))
        return mq_oom(k->err);
    c->origin = g->origin;
    MQ_TRY(copy_values(k, g, c));
    MQ_TRY(copy_inits(k, g, c));
    MQ_TRY(copy_lists(k, g, c));
    MQ_TRY(copy_body(k, g, c, NULL));
    for (size_t i = 0; i < g->outputs.n && rc == MQ_OK; i++) {
        mq_value *w = value_for(k, c, g->outputs.items[i]);

        rc = w ? mq_graph_add_output(c, w, k->err) : mq_oom(k->err);
    }
    *out = c;
done:
    k->depth--;
    return rc;
}

static mq_status copy_function(copying *k, const mq_function *f)
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
    copying k = { .err = err };
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
    for (size_t i = 0; i < m->opsets.n; i++)
        if (!mq_vec_push_in(c->arena, &c->opsets, m->opsets.items[i]))
            MQ_TRY(mq_oom(err));
    for (size_t i = 0; i < m->external.cap; i++) /* files that are open already: one without a name cannot be opened again */
        if (m->external.slots[i].key && !mq_map_put(&c->external, m->external.slots[i].key, m->external.slots[i].value))
            MQ_TRY(mq_oom(err));
    for (size_t i = 0; i < m->n_functions; i++)
        MQ_TRY(copy_function(&k, m->functions[i]));
    if (m->graph)
        MQ_TRY(copy_graph(&k, m->graph, NULL, NULL, &c->graph));
    *out = c;
    c = NULL;
done:
    mq_model_free(c);
    return rc;
}

/* ---- inlining ----------------------------------------------------------------------------------------------------- */

/* Do the nodes of g see the same operators in the model as in the function? */
static mq_status same_opsets(const mq_function *f, const mq_graph *g, mq_model *m, mq_error *err)
{
    for (const mq_node *n = g->first; n; n = n->next) {
        const int64_t there = mq_opset_of(g, n->domain), here = mq_opset_of(m->graph, n->domain);
        mq_status rc;

        if (here && there && here != there)
            return mq_fail(err, MQ_ERR_UNSUPPORTED, "function '%s' uses version %lld of '%s', the model version %lld",
                           f->name, (long long)there, n->domain[0] ? n->domain : "ai.onnx", (long long)here);
        if (!here && there && (rc = mq_opset_set(m, n->domain, there, err)) != MQ_OK)
            return rc;
        for (size_t i = 0; i < n->n_attrs; i++)
            for (size_t j = 0; n->attrs[i]->graphs && j < n->attrs[i]->n; j++)
                if ((rc = same_opsets(f, n->attrs[i]->graphs[j], m, err)) != MQ_OK)
                    return rc;
    }
    return MQ_OK;
}

/* The function's formal parameters become the call's values: they are bound under their new names by Identity nodes,
 * which cost nothing at run time and keep every name of the caller. */
static mq_status bind(mq_graph *g, mq_node *before, mq_value *from, mq_value *to, mq_error *err)
{
    mq_node *id = mq_node_create(g, before, "", "Identity", "");
    mq_status rc;

    if (!id)
        return mq_oom(err);
    if ((rc = mq_node_set_input(id, 0, from, err)) == MQ_OK)
        rc = mq_node_set_output(id, 0, to, err);
    return rc;
}

/* An input that the call leaves out is left out of every node of the body that takes it. */
static mq_status drop_uses(mq_value *v, mq_error *err)
{
    mq_status rc = MQ_OK;

    while (v->uses.n && rc == MQ_OK)
        rc = mq_node_set_input(v->uses.items[0].node, v->uses.items[0].index, NULL, err);
    return rc;
}

static mq_status inline_call(mq_node *call, const mq_function *f, size_t serial, mq_error *err)
{
    mq_graph *g = call->graph;
    mq_model *m = g->model;
    copying k = { .to = m, .call = call, .function = f, .err = err };
    mq_status rc;

    MQ_TRY(same_opsets(f, f->body, m, err));
    if (!(k.prefix = mq_arena_printf(m->arena, "%s/%s#%zu", mq_node_label(call), f->name, serial)))
        MQ_TRY(mq_oom(err));
    MQ_TRY(copy_values(&k, f->body, g));
    MQ_TRY(copy_inits(&k, f->body, g));
    for (size_t i = 0; i < f->body->inputs.n; i++) {
        mq_value *formal = value_for(&k, g, f->body->inputs.items[i]);

        if (!formal)
            MQ_TRY(mq_oom(err));
        if (i < call->n_inputs && call->inputs[i])
            MQ_TRY(bind(g, call, call->inputs[i], formal, err));
    }
    MQ_TRY(copy_body(&k, f->body, g, call));
    for (size_t i = 0; i < f->body->inputs.n; i++)
        if (i >= call->n_inputs || !call->inputs[i])
            MQ_TRY(drop_uses(value_for(&k, g, f->body->inputs.items[i]), err));
    for (size_t i = 0; i < call->n_outputs && i < f->body->outputs.n; i++) {
        mq_value *to = call->outputs[i], *from = value_for(&k, g, f->body->outputs.items[i]);

        if (!to)
            continue;
        if (!from)
            MQ_TRY(mq_oom(err));
        MQ_TRY(mq_node_set_output(call, i, NULL, err));
        MQ_TRY(bind(g, call, from, to, err));
    }
    mq_node_remove(call);
done:
    return rc;
}

/* Inlines the calls of g and its inner graphs; new nodes stand before the call and are walked again. */
static mq_status inline_graph(mq_graph *g, size_t *count, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (mq_node *n = g->first, *next; n && rc == MQ_OK; n = next) {
        mq_node *prev = n->prev;
        const mq_function *f = mq_node_function(n);

        next = n->next;
        if (!f) {
            for (size_t i = 0; i < n->n_attrs && rc == MQ_OK; i++)
                for (size_t j = 0; n->attrs[i]->graphs && j < n->attrs[i]->n && rc == MQ_OK; j++)
                    rc = inline_graph(n->attrs[i]->graphs[j], count, err);
            continue;
        }
        rc = inline_call(n, f, ++*count, err);
        next = prev ? prev->next : g->first;
    }
    return rc;
}

/* How deep the functions called in g call each other; more than MAX_DEPTH: they never end, or are not worth following. */
static mq_status check_calls(const mq_graph *g, int depth, size_t *n_looked, mq_error *err)
{
    mq_status rc = MQ_OK;

    if (depth > MAX_DEPTH || ++*n_looked > MAX_CALLS)
        return mq_fail(err, MQ_ERR_INPUT, "functions call each other more than %d deep or %d times (or themselves)",
                       MAX_DEPTH,
                       MAX_CALLS);
    for (const mq_node *n = g->first; n && rc == MQ_OK; n = n->next) {
        const mq_function *f = mq_node_function(n);

        if (f)
            rc = check_calls(f->body, depth + 1, n_looked, err);
        for (size_t i = 0; i < n->n_attrs && rc == MQ_OK; i++)
            for (size_t j = 0; n->attrs[i]->graphs && j < n->attrs[i]->n && rc == MQ_OK; j++)
                rc = check_calls(n->attrs[i]->graphs[j], depth, n_looked, err);
    }
    return rc;
}

mq_status mq_model_inline_functions(mq_model *m, size_t *n_inlined, mq_error *err)
{
    size_t count = 0, n_looked = 0;
    mq_status rc = MQ_OK;

    if (m->graph && m->n_functions && (rc = check_calls(m->graph, 0, &n_looked, err)) == MQ_OK)
        rc = inline_graph(m->graph, &count, err);
    if (n_inlined)
        *n_inlined = count;
    return rc;
}
