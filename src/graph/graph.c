/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Models, graphs, nodes and values: creation, lookup and editing. Tensors are in tensor.c, attributes in attr.c, sorting in
 * sort.c. */
#include "graph/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"

/* ---- model -------------------------------------------------------------------------------------------------------- */

mq_status mq_model_create(mq_model **out, mq_error *err)
{
    mq_arena *a = mq_arena_create();
    mq_model *m = a ? mq_arena_alloc(a, sizeof *m) : NULL;

    if (!m) {
        mq_arena_free(a);
        return mq_oom(err);
    }
    m->arena = a;
    m->path = m->producer_name = m->producer_version = "";
    *out = m;
    return MQ_OK;
}

void mq_model_free(mq_model *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->tensors.n; i++)
        free(m->tensors.items[i]->unpacked);
    for (size_t i = 0; i < m->graphs.n; i++)
        mq_map_release(&m->graphs.items[i]->names);
    for (size_t i = 0; i < m->bufs.n; i++)
        mq_buf_unref(m->bufs.items[i]);
    for (size_t i = 0; i < m->joined.n; i++)
        mq_model_free(m->joined.items[i]);
    mq_map_release(&m->external);
    mq_map_release(&m->function_names);
    mq_arena_free(m->arena);
}

mq_status mq_model_keep_buf(mq_model *m, mq_buf *buf, mq_error *err)
{
    if (mq_vec_push_in(m->arena, &m->bufs, buf))
        return MQ_OK;
    mq_buf_unref(buf);
    return mq_oom(err);
}

const char *mq_domain_norm(const char *domain)
{
    return strcmp(domain, "ai.onnx") == 0 ? "" : domain;
}

static mq_opset *find_opset(const mq_opset_vec *v, const char *domain)
{
    for (size_t i = 0; i < v->n && i < MQ_MAX_IMPORTS; i++)
        if (strcmp(mq_domain_norm(v->items[i].domain), mq_domain_norm(domain)) == 0)
            return &v->items[i];
    return NULL;
}

int64_t mq_opset_of(const mq_graph *g, const char *domain)
{
    const mq_opset *o;

    while (g->parent)
        g = g->parent;
    o = find_opset(g->function ? &g->function->opsets : &g->model->opsets, domain);
    return o ? o->version : 0;
}

mq_status mq_opset_set(mq_model *m, const char *domain, int64_t version, mq_error *err)
{
    mq_opset *o = find_opset(&m->opsets, domain);
    mq_opset added = { .domain = mq_arena_strdup(m->arena, domain), .version = version };

    if (o)
        o->version = version;
    else if (!added.domain || !mq_vec_push_in(m->arena, &m->opsets, added))
        return mq_oom(err);
    return MQ_OK;
}

bool mq_node_is(const mq_node *n, const char *domain, const char *op_type)
{
    return strcmp(n->op_type, op_type) == 0 && strcmp(mq_domain_norm(n->domain), domain) == 0;
}

bool mq_node_is_any(const mq_node *n, const char *domain, const char *const *op_types, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (domain ? mq_node_is(n, domain, op_types[i]) : strcmp(n->op_type, op_types[i]) == 0)
            return true;
    return false;
}

mq_status mq_model_add_function(mq_model *m, mq_function *f, mq_error *err)
{
    mq_function *last = mq_map_get(&m->function_names, f->name), **list = m->functions;
    size_t n = m->n_functions;
    bool full = (n & (n - 1)) == 0; /* there is room up to the next power of two */

    if (full && !(list = mq_arena_grow(m->arena, list, n, n ? 2 * n : 1, sizeof *list)))
        return mq_oom(err);
    if (!last && !mq_map_put(&m->function_names, f->name, f))
        return mq_oom(err);
    while (last && last->same_name)
        last = last->same_name;
    if (last)
        last->same_name = f;
    list[m->n_functions++] = f;
    m->functions = list;
    return MQ_OK;
}

mq_function *mq_node_function(const mq_node *n)
{
    mq_function *f = mq_map_get(&n->graph->model->function_names, n->op_type);

    while (f && (strcmp(f->overload, n->overload) != 0 || strcmp(mq_domain_norm(f->domain), mq_domain_norm(n->domain)) != 0))
        f = f->same_name;
    return f;
}

const char *mq_node_label(const mq_node *n)
{
    if (n->name[0])
        return n->name;
    for (size_t i = 0; i < n->n_outputs; i++)
        if (n->outputs[i])
            return n->outputs[i]->name;
    return n->op_type;
}

/* ---- values ------------------------------------------------------------------------------------------------------- */

mq_graph *mq_graph_create(mq_model *m, mq_graph *parent, mq_node *owner, const char *name)
{
    mq_graph *g = mq_arena_alloc(m->arena, sizeof *g);

    if (!g || !(g->name = mq_arena_strdup(m->arena, name)) || !mq_vec_push_in(m->arena, &m->graphs, g))
        return NULL;
    g->model = m;
    g->parent = parent;
    g->owner = owner;
    return g;
}

mq_value *mq_graph_find_here(const mq_graph *g, const char *name)
{
    return mq_map_get(&g->names, name);
}

mq_value *mq_graph_find(const mq_graph *g, const char *name)
{
    mq_value *v = NULL;

    for (; g && !v; g = g->parent)
        v = mq_graph_find_here(g, name);
    return v;
}

mq_value *mq_value_create(mq_graph *g, const char *name)
{
    mq_arena *a = g->model->arena;
    mq_value *v = mq_arena_alloc(a, sizeof *v);

    if (!v || !(v->name = mq_arena_strdup(a, name)) || !mq_vec_push_in(a, &g->values, v))
        return NULL;
    v->graph = g;
    v->duplicate = mq_graph_find_here(g, name) != NULL;
    return v->duplicate || mq_map_put(&g->names, v->name, v) ? v : NULL;
}

static bool value_name_taken(const mq_model *m, const char *name)
{
    for (size_t i = 0; i < m->graphs.n; i++)
        if (mq_graph_find_here(m->graphs.items[i], name))
            return true;
    return false;
}

static bool node_name_taken(const mq_model *m, const char *name)
{
    for (size_t i = 0; i < m->graphs.n; i++)
        for (const mq_node *n = m->graphs.items[i]->first; n; n = n->next)
            if (strcmp(n->name, name) == 0)
                return true;
    return false;
}

static const char *unique_name(mq_model *m, const char *base, bool (*taken)(const mq_model *, const char *))
{
    char *name, *longest;
    size_t n = strlen(base);

    if (!taken(m, base))
        return mq_arena_strdup(m->arena, base);
    if (!(longest = mq_arena_alloc(m->arena, n + 24)))
        return NULL;
    for (unsigned long i = 1;; i++) {
        name = longest;
        snprintf(name, n + 24, "%s_%lu", base, i);
        if (!taken(m, name))
            return name;
    }
}

const char *mq_unique_value_name(mq_model *m, const char *base)
{
    return unique_name(m, base, value_name_taken);
}

const char *mq_unique_node_name(mq_model *m, const char *base)
{
    return unique_name(m, base, node_name_taken);
}

mq_value *mq_value_create_unique(mq_graph *g, const char *base)
{
    const char *name = mq_unique_value_name(g->model, base);
    return name ? mq_value_create(g, name) : NULL;
}

mq_status mq_value_rename(mq_value *v, const char *name, mq_error *err)
{
    mq_graph *g = v->graph;
    const char *copy;

    if (strcmp(v->name, name) == 0)
        return MQ_OK;
    if (mq_graph_find_here(g, name))
        return mq_fail(err, MQ_ERR_USAGE, "cannot rename '%s' to '%s': the name is taken", v->name, name);
    if (!(copy = mq_arena_strdup(g->model->arena, name)))
        return mq_oom(err);
    if (!v->duplicate)
        mq_map_remove(&g->names, v->name);
    v->name = copy;
    v->duplicate = false;
    if (v->init)
        v->init->name = copy;
    if (v->sparse)
        v->sparse->values->name = copy;
    return mq_map_put(&g->names, copy, v) ? MQ_OK : mq_oom(err);
}

static mq_status read_one(const mq_graph *g, mq_value *v, mq_read_fn visit, void *user)
{
    return v && v->graph == g ? visit(user, v) : MQ_OK;
}

mq_status mq_node_each_read(const mq_node *n, const mq_graph *g, mq_read_fn visit, void *user)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < n->n_inputs && rc == MQ_OK; i++)
        rc = read_one(g, n->inputs[i], visit, user);
    for (size_t i = 0; i < n->n_attrs && rc == MQ_OK; i++)
        for (size_t k = 0; n->attrs[i]->graphs && k < n->attrs[i]->n && rc == MQ_OK; k++) {
            const mq_graph *body = n->attrs[i]->graphs[k];

            for (const mq_node *inner = body->first; inner && rc == MQ_OK; inner = inner->next)
                rc = mq_node_each_read(inner, g, visit, user);
            for (size_t o = 0; o < body->outputs.n && rc == MQ_OK; o++)
                rc = read_one(g, body->outputs.items[o], visit, user);
        }
    return rc;
}

bool mq_value_unused(const mq_value *v)
{
    return v->uses.n == 0 && v->n_output_uses == 0;
}

/* ---- inputs, outputs, initializers -------------------------------------------------------------------------------- */

mq_status mq_graph_add_input(mq_graph *g, mq_value *v, mq_error *err)
{
    if (!mq_vec_push_in(g->model->arena, &g->inputs, v))
        return mq_oom(err);
    v->is_input = true;
    return MQ_OK;
}

mq_status mq_graph_add_output(mq_graph *g, mq_value *v, mq_error *err)
{
    if (!mq_vec_push_in(g->model->arena, &g->outputs, v))
        return mq_oom(err);
    v->n_output_uses++;
    return MQ_OK;
}

static bool vec_take_out(mq_value_vec *vec, const mq_value *v)
{
    for (size_t i = 0; i < vec->n; i++)
        if (vec->items[i] == v) {
            mq_vec_remove(vec, i);
            return true;
        }
    return false;
}

void mq_graph_remove_input(mq_graph *g, mq_value *v)
{
    if (vec_take_out(&g->inputs, v))
        v->is_input = false;
}

void mq_graph_remove_output(mq_graph *g, mq_value *v)
{
    if (vec_take_out(&g->outputs, v))
        v->n_output_uses--;
}

void mq_graph_clear_outputs(mq_graph *g)
{
    while (g->outputs.n)
        mq_graph_remove_output(g, g->outputs.items[g->outputs.n - 1]);
}

size_t mq_graph_unlist_inits(mq_graph *g)
{
    size_t n = 0;

    for (size_t i = g->inputs.n; i-- > 0;)
        if (g->inputs.items[i]->init || g->inputs.items[i]->sparse) {
            mq_graph_remove_input(g, g->inputs.items[i]);
            n++;
        }
    return n;
}

void mq_graph_drop_unused_inits(mq_graph *g)
{
    for (size_t i = g->inits.n; i-- > 0;)
        if (mq_value_unused(g->inits.items[i]) && !g->inits.items[i]->is_input)
            mq_value_clear_init(g->inits.items[i]);
}

mq_status mq_value_set_init(mq_value *v, mq_tensor *t, mq_error *err)
{
    if (!v->init && !v->sparse && !mq_vec_push_in(v->graph->model->arena, &v->graph->inits, v))
        return mq_oom(err);
    t->name = v->name;
    v->init = t;
    v->sparse = NULL;
    return MQ_OK;
}

mq_status mq_value_set_constant(mq_value *v, mq_tensor *t, mq_error *err)
{
    static const char *const others[] = { "sparse_value", "value_float", "value_floats", "value_int", "value_ints" };

    if (!v->producer)
        return mq_value_set_init(v, t, err);
    for (size_t i = 0; i < MQ_ARRAY_LEN(others); i++) /* a Constant has one */
        mq_node_remove_attr(v->producer, others[i]);
    return mq_node_set_attr_tensor(v->producer, "value", t, err);
}

mq_status mq_value_set_sparse(mq_value *v, mq_sparse *s, mq_error *err)
{
    if (!v->init && !v->sparse && !mq_vec_push_in(v->graph->model->arena, &v->graph->inits, v))
        return mq_oom(err);
    s->values->name = v->name;
    v->sparse = s;
    v->init = NULL;
    return MQ_OK;
}

mq_status mq_value_retype(mq_value *v, mq_dtype dtype, mq_error *err)
{
    const mq_type *t = v->declared ? v->declared : v->type;
    mq_type *to = mq_type_create(v->graph->model, MQ_TYPE_TENSOR, dtype, t ? t->rank : -1, t ? t->dims : NULL);

    if (!to)
        return mq_oom(err);
    v->declared = v->type = to;
    v->redeclared = true;
    return MQ_OK;
}

void mq_value_clear_init(mq_value *v)
{
    v->init = NULL;
    v->sparse = NULL;
    vec_take_out(&v->graph->inits, v);
}

/* ---- nodes -------------------------------------------------------------------------------------------------------- */

/* Puts an unlinked node into g's list before `before` (NULL: at the end). */
static void link_node(mq_graph *g, mq_node *n, mq_node *before)
{
    n->graph = g;
    n->next = before;
    n->prev = before ? before->prev : g->last;
    *(n->prev ? &n->prev->next : &g->first) = n;
    *(before ? &before->prev : &g->last) = n;
    g->n_nodes++;
}

static void unlink_node(mq_node *n)
{
    mq_graph *g = n->graph;

    *(n->prev ? &n->prev->next : &g->first) = n->next;
    *(n->next ? &n->next->prev : &g->last) = n->prev;
    if (g->walk == n)
        g->walk = n->next;
    n->prev = n->next = NULL;
    n->graph = NULL;
    g->n_nodes--;
}

mq_node *mq_node_create(mq_graph *g, mq_node *before, const char *domain, const char *op_type, const char *name)
{
    mq_arena *a = g->model->arena;
    mq_node *n = mq_arena_alloc(a, sizeof *n);

    if (!n || !(n->name = mq_arena_strdup(a, name)) || !(n->op_type = mq_arena_strdup(a, op_type)) ||
        !(n->domain = mq_arena_strdup(a, domain)))
        return NULL;
    n->overload = "";
    link_node(g, n, before);
    return n;
}

void mq_node_move(mq_node *n, mq_node *before)
{
    mq_graph *g = n->graph;

    if (before == n || (n->next == before))
        return;
    unlink_node(n);
    link_node(g, n, before);
}

/* From the end: what was linked last is taken out first, by mq_node_remove and those who remove many nodes. */
static void drop_use(mq_value *v, const mq_node *n, size_t index)
{
    for (size_t i = v ? v->uses.n : 0; i-- > 0;)
        if (v->uses.items[i].node == n && v->uses.items[i].index == index) {
            mq_vec_remove(&v->uses, i);
            return;
        }
}

/* Makes room for index in an array of pointers; new slots are NULL. The room of an array of n is the power of two from n
 * on, so that filling one takes linear time and memory. */
static bool extend(mq_arena *a, mq_value ***items, size_t *n, size_t index)
{
    size_t room = *n ? 1 : 0, want = 1;
    mq_value **p;

    if (index < *n)
        return true;
    while (room && room < *n)
        room *= 2;
    while (want <= index)
        want *= 2;
    if (want > room) {
        if (!(p = mq_arena_grow(a, *items, *n, want, sizeof *p)))
            return false;
        *items = p;
    }
    while (*n <= index)
        (*items)[(*n)++] = NULL;
    return true;
}

mq_status mq_node_set_input(mq_node *n, size_t index, mq_value *v, mq_error *err)
{
    mq_arena *a = n->graph->model->arena;

    if (!extend(a, &n->inputs, &n->n_inputs, index) ||
        (v && !mq_vec_push_in(a, &v->uses, ((mq_use){ n, index }))))
        return mq_oom(err);
    drop_use(n->inputs[index], n, index);
    n->inputs[index] = v;
    return MQ_OK;
}

mq_status mq_node_set_output(mq_node *n, size_t index, mq_value *v, mq_error *err)
{
    if (!extend(n->graph->model->arena, &n->outputs, &n->n_outputs, index))
        return mq_oom(err);
    if (n->outputs[index])
        n->outputs[index]->producer = NULL;
    n->outputs[index] = v;
    if (v) {
        v->producer = n;
        v->producer_index = index;
    }
    return MQ_OK;
}

void mq_node_trim_inputs(mq_node *n)
{
    while (n->n_inputs && !n->inputs[n->n_inputs - 1])
        n->n_inputs--;
}

/* Everything inside a graph stops using what is outside (and itself); its output list lets go of outer values too. */
static void detach_graph(mq_graph *g)
{
    for (mq_node *n = g->first, *next; n; n = next) {
        next = n->next;
        mq_node_remove(n);
    }
    for (size_t i = 0; i < g->outputs.n; i++)
        g->outputs.items[i]->n_output_uses--;
    g->outputs.n = 0;
    mq_map_release(&g->names);
}

void mq_node_remove(mq_node *n)
{
    for (size_t i = n->n_inputs; i-- > 0;)
        drop_use(n->inputs[i], n, i);
    for (size_t i = 0; i < n->n_outputs; i++)
        if (n->outputs[i])
            n->outputs[i]->producer = NULL;
    for (size_t i = 0; i < n->n_attrs; i++)
        for (size_t k = 0; n->attrs[i]->graphs && k < n->attrs[i]->n; k++)
            detach_graph(n->attrs[i]->graphs[k]);
    unlink_node(n);
}

mq_status mq_use_redirect(mq_use use, mq_value *to, mq_error *err)
{
    return mq_node_set_input(use.node, use.index, to, err);
}

mq_status mq_value_replace_uses(mq_value *from, mq_value *to, mq_error *err)
{
    mq_status rc = MQ_OK;

    if (from == to)
        return MQ_OK;
    while (rc == MQ_OK && from->uses.n)
        rc = mq_use_redirect(from->uses.items[from->uses.n - 1], to, err);
    for (size_t i = 0; rc == MQ_OK && from->n_output_uses && i < from->graph->model->graphs.n; i++) {
        mq_value_vec *outs = &from->graph->model->graphs.items[i]->outputs;
        for (size_t k = 0; k < outs->n; k++)
            if (outs->items[k] == from) {
                outs->items[k] = to;
                from->n_output_uses--;
                to->n_output_uses++;
            }
    }
    return rc;
}
