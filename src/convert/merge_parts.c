/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Models that were one before have constants in common, which become one again. Models that never were have names of sizes
 * in common, which stay apart. */
#include "convert/merge_parts.h"

#include <string.h>

#include "base/map.h"
#include "convert/diff_values.h"
#include "exec/kernel.h"

/* ---- constants ----------------------------------------------------------------------------------------------------- */

typedef struct sharing {
    mq_map known; /* name in the result -> const mq_value of the first part that has such a constant */
    mq_merge_shared *shared;
    mq_error *err;
} sharing;

/* Tags of a part's values. */
enum { OTHER, CONSTANT, SHARED };

static const char *name_of(const mq_merge_part *p, const mq_value *v)
{
    return *p->prefix ? mq_arena_printf(p->model->arena, "%s%s", p->prefix, v->name) : v->name;
}

/* The part has a constant v: shared, when `same`, else known from now on. */
static mq_status note(sharing *k, const mq_merge_part *p, mq_value *v, bool same)
{
    const char *name = name_of(p, v);

    v->tag = same ? SHARED : CONSTANT;
    if (!name)
        return mq_oom(k->err);
    if (same)
        return mq_vec_push(&k->shared->values, v) ? MQ_OK : mq_oom(k->err);
    return mq_map_get(&k->known, name) || mq_map_put(&k->known, name, v) ? MQ_OK : mq_oom(k->err);
}

static mq_status equal_tensors(sharing *k, mq_tensor *a, mq_tensor *b, bool *same)
{
    mq_str text = { 0 };
    const mq_status rc = mq_diff_tensors(a, b, &text, k->err);

    *same = rc == MQ_OK && text.n == 0 && !text.failed;
    mq_str_release(&text);
    return rc;
}

static mq_status share_inits(sharing *k, const mq_merge_part *p)
{
    mq_value_vec *inits = &p->model->graph->inits;
    mq_status rc = MQ_OK;

    for (size_t i = inits->n; i-- > 0 && rc == MQ_OK;) {
        mq_value *v = inits->items[i];
        const char *name = name_of(p, v);
        const mq_value *other = name ? mq_map_get(&k->known, name) : NULL;
        bool same = false;

        if (!name)
            return mq_oom(k->err);
        if (!v->init || v->is_input)
            continue;
        if (other && other->init && !v->n_output_uses)
            rc = equal_tensors(k, other->init, v->init, &same);
        if (rc == MQ_OK)
            rc = note(k, p, v, same);
        if (same)
            mq_value_clear_init(v);
    }
    return rc;
}

/* Is it determined by constants alone? Those that draw random numbers are not. */
static bool is_constant(const mq_node *n)
{
    const mq_kernel *kernel = mq_kernel_find(mq_domain_norm(n->domain), n->op_type);

    for (size_t i = 0; i < n->n_inputs; i++)
        if (n->inputs[i] && n->inputs[i]->tag == OTHER)
            return false;
    for (size_t i = 0; i < n->n_attrs; i++)
        if (n->attrs[i]->graphs)
            return false;
    return mq_node_is(n, "", "Constant") || (n->n_inputs > 0 && kernel && !(kernel->flags & MQ_KERNEL_RANDOM));
}

/* The node of an earlier part that makes the same names; NULL: there is none. */
static const mq_node *twin_of(const sharing *k, const mq_merge_part *p, const mq_node *n)
{
    const mq_node *twin = NULL;

    for (size_t i = 0; i < n->n_outputs; i++) {
        const char *name = n->outputs[i] ? name_of(p, n->outputs[i]) : NULL;
        const mq_value *other = name ? mq_map_get(&k->known, name) : NULL;

        if (!n->outputs[i])
            continue;
        if (!other || !other->producer || (twin && other->producer != twin) || n->outputs[i]->n_output_uses)
            return NULL;
        twin = other->producer;
    }
    return twin;
}

static mq_status equal_nodes(sharing *k, const mq_merge_part *p, const mq_node *a, const mq_node *b, bool *same)
{
    mq_status rc = MQ_OK;

    *same = strcmp(a->op_type, b->op_type) == 0 && strcmp(mq_domain_norm(a->domain), mq_domain_norm(b->domain)) == 0 &&
            a->n_inputs == b->n_inputs && a->n_outputs == b->n_outputs && a->n_attrs == b->n_attrs;
    for (size_t i = 0; *same && i < a->n_inputs; i++) {
        const char *name = b->inputs[i] ? name_of(p, b->inputs[i]) : NULL;

        *same = !a->inputs[i] == !b->inputs[i] &&
                (!name || (b->inputs[i]->tag == SHARED && mq_map_get(&k->known, name) == a->inputs[i]));
    }
    for (size_t i = 0; *same && i < a->n_attrs && rc == MQ_OK; i++) {
        const mq_attr *other = mq_node_attr(b, a->attrs[i]->name);

        *same = other && !a->attrs[i]->graphs;
        if (*same)
            rc = mq_diff_attrs(a->attrs[i], other, same, k->err);
    }
    return rc;
}

static mq_status share_nodes(sharing *k, const mq_merge_part *p)
{
    mq_status rc = MQ_OK;

    for (mq_node *n = p->model->graph->first, *next; n && rc == MQ_OK; n = next) {
        const mq_node *twin;
        bool same = false;

        next = n->next;
        if (!is_constant(n))
            continue;
        if ((twin = twin_of(k, p, n)))
            rc = equal_nodes(k, p, twin, n, &same);
        for (size_t i = 0; i < n->n_outputs && rc == MQ_OK; i++)
            if (n->outputs[i])
                rc = note(k, p, n->outputs[i], same);
        if (rc == MQ_OK && same)
            mq_node_remove(n);
    }
    return rc;
}

mq_status mq_merge_share_constants(const mq_merge_part *parts, size_t n, mq_merge_shared *shared, mq_error *err)
{
    sharing k = { .shared = shared, .err = err };
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < n && rc == MQ_OK; i++) {
        const mq_graph *g = parts[i].model->graph;

        for (size_t v = 0; v < g->values.n; v++)
            g->values.items[v]->tag = OTHER;
        rc = share_inits(&k, &parts[i]);
        if (rc == MQ_OK)
            rc = share_nodes(&k, &parts[i]);
    }
    mq_map_release(&k.known);
    return rc;
}

/* ---- names of sizes ------------------------------------------------------------------------------------------------ */

typedef struct symbols {
    mq_map taken;  /* names of sizes of the parts so far */
    mq_map given;  /* of one part: name -> its name in the result */
    const mq_merge_part *parts;
    const mq_merge_links *links;
    size_t part;
    mq_error *err;
} symbols;

/* Do both ends of a link have the size at the same place? */
static bool link_has(const mq_merge_link *l, const char *symbol)
{
    const mq_type *a = l->out->type, *b = l->in->type;

    if (!a || !b || a->kind != MQ_TYPE_TENSOR || b->kind != MQ_TYPE_TENSOR || a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i].symbol && b->dims[i].symbol && strcmp(a->dims[i].symbol, symbol) == 0 &&
            strcmp(b->dims[i].symbol, symbol) == 0)
            return true;
    return false;
}

static bool is_linked(const symbols *k, const char *symbol)
{
    for (size_t i = 0; i < k->links->n; i++) {
        const mq_merge_link *l = &k->links->items[i];

        if ((l->from == k->part || l->to == k->part) && (l->from < k->part || l->to < k->part) && link_has(l, symbol))
            return true;
    }
    return false;
}

/* What the part's size is called in the result; NULL: out of memory. */
static const char *name_for(symbols *k, const char *symbol)
{
    const mq_merge_part *p = &k->parts[k->part];
    const char *name = mq_map_get(&k->given, symbol);

    if (name)
        return name;
    name = symbol;
    if (mq_map_get(&k->taken, symbol) && !is_linked(k, symbol))
        name = mq_arena_printf(p->model->arena, *p->prefix ? "%s%s" : "%s%s_2", p->prefix, symbol);
    for (size_t i = 3; name && name != symbol && mq_map_get(&k->taken, name); i++)
        name = mq_arena_printf(p->model->arena, "%s%s_%zu", p->prefix, symbol, i);
    return name && mq_map_put(&k->given, symbol, (void *)name) ? name : NULL;
}

/* A copy of the type with the names of the result; itself when they are the same. */
static mq_status rename_dims(symbols *k, mq_type **type)
{
    const mq_type *t = *type;
    mq_arena *arena = k->parts[k->part].model->arena;
    mq_type *elem = t ? t->elem : NULL, *copy = NULL;
    mq_status rc = elem ? rename_dims(k, &elem) : MQ_OK;

    for (int i = 0; t && i < t->rank && rc == MQ_OK; i++) {
        const char *name = t->dims[i].symbol ? name_for(k, t->dims[i].symbol) : NULL;

        if (!t->dims[i].symbol)
            continue;
        if (name && strcmp(name, t->dims[i].symbol) == 0)
            continue;
        if (!copy && name && (copy = mq_arena_memdup(arena, t, sizeof *t)))
            copy->dims = mq_arena_memdup(arena, t->dims, (size_t)t->rank * sizeof *t->dims);
        if (!name || !copy || !copy->dims)
            return mq_oom(k->err);
        copy->dims[i].symbol = name;
    }
    if (rc == MQ_OK && t && elem != t->elem && !copy && !(copy = mq_arena_memdup(arena, t, sizeof *t)))
        rc = mq_oom(k->err);
    if (copy)
        copy->elem = elem;
    *type = copy ? copy : *type;
    return rc;
}

static mq_status rename_value(symbols *k, mq_value *v)
{
    const mq_type *declared = v->declared;
    mq_status rc = rename_dims(k, &v->declared);

    v->redeclared |= v->declared != declared;
    if (rc == MQ_OK)
        rc = rename_dims(k, &v->type);
    v->known = NULL; /* contents by their old names */
    v->n_known = 0;
    return rc;
}

/* The names of this part are taken from now on. */
static mq_status take(symbols *k, const mq_type *t)
{
    for (; t; t = t->elem)
        for (int i = 0; i < t->rank; i++)
            if (t->dims[i].symbol && !mq_map_put(&k->taken, t->dims[i].symbol, (void *)t->dims[i].symbol))
                return mq_oom(k->err);
    return MQ_OK;
}

mq_status mq_merge_separate_dims(const mq_merge_part *parts, size_t n, const mq_merge_links *links, mq_error *err)
{
    symbols k = { .parts = parts, .links = links, .err = err };
    mq_status rc = MQ_OK;

    for (; k.part < n && rc == MQ_OK; k.part++) {
        const mq_model *m = parts[k.part].model;

        for (int pass = 0; pass < 2; pass++)
            for (size_t g = 0; g < m->graphs.n; g++)
                for (size_t i = 0; i < m->graphs.items[g]->values.n && rc == MQ_OK; i++) {
                    mq_value *v = m->graphs.items[g]->values.items[i];

                    rc = pass == 0 ? rename_value(&k, v) : take(&k, v->declared ? v->declared : v->type);
                }
        mq_map_release(&k.given);
    }
    mq_map_release(&k.taken);
    return rc;
}
