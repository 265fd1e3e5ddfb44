/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Merging models. For each link a value of the new graph stands for both of its ends, so that it does not matter which of
 * the two models comes first; nodes are sorted at the end. */
#include "convert/merge.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "convert/convert.h"
#include "convert/merge_parts.h"
#include "graph/clone.h"
#include "graph/cut.h"
#include "model/onnx_info.h"

#define MOST_CLASHES 3 /* in a message */

typedef struct merging {
    const mq_merge_part *parts;
    size_t n;
    mq_model *m;
    mq_merge_shared shared;
    mq_error *err;
} merging;

mq_status mq_merge_set_prefixes(mq_merge_part *parts, size_t n, const char *const *prefixes, size_t n_prefixes,
                                bool by_number, mq_error *err)
{
    const size_t skip = n - n_prefixes;

    if (n_prefixes && n_prefixes != n && n_prefixes + 1 != n)
        return mq_fail(err, MQ_ERR_USAGE, "--prefix: %zu models have %zu prefixes, or %zu when the first keeps its names, "
                       "not %zu", n, n, n - 1, n_prefixes);
    for (size_t i = 0; i < n; i++) {
        parts[i].prefix = n_prefixes && i >= skip ? prefixes[i - skip] : "";
        if (!n_prefixes && by_number && !(parts[i].prefix = mq_arena_printf(parts[i].model->arena, "m%zu/", i + 1)))
            return mq_oom(err);
    }
    return MQ_OK;
}

/* ---- names that several models have -------------------------------------------------------------------------------- */

typedef struct clashes {
    mq_map main, inner; /* name in the result -> the part that has it: of main graphs, of graphs inside them */
    mq_str text;
    size_t n;
} clashes;

static bool is_in_function(const mq_graph *g)
{
    while (g->parent)
        g = g->parent;
    return g->function != NULL;
}

/* Names of inner graphs must differ from those around them, not from each other. */
static mq_status note_name(const merging *k, clashes *c, const mq_merge_part *p, const mq_graph *g, const mq_value *v)
{
    const char *name = *p->prefix ? mq_arena_printf(k->m->arena, "%s%s", p->prefix, v->name) : v->name;
    mq_map *own = g->parent ? &c->inner : &c->main;
    const mq_merge_part *main = name ? mq_map_get(&c->main, name) : NULL;
    const mq_merge_part *inner = name && !g->parent ? mq_map_get(&c->inner, name) : NULL;

    if (!name)
        return mq_oom(k->err);
    if ((main && main != p) || (inner && inner != p)) {
        if (c->n++ < MOST_CLASHES)
            mq_str_addf(&c->text, "%s'%s'", c->n > 1 ? ", " : "", name);
        return MQ_OK;
    }
    return mq_map_put(own, name, (void *)p) ? MQ_OK : mq_oom(k->err);
}

/* Does anything give v its value? Nothing does any more for constants that an earlier part has. */
static bool is_defined(const mq_value *v)
{
    return v->producer || v->init || v->sparse || v->is_input || v->graph->parent;
}

/* bound: values that get no name of their own. */
static mq_status check_clashes(const merging *k, bool (*bound)(const void *user, const mq_value *v), const void *user)
{
    clashes c = { 0 };
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < k->n; i++) {
        const mq_model *m = k->parts[i].model;

        for (size_t j = 0; j < m->graphs.n; j++) {
            const mq_graph *g = m->graphs.items[j];

            for (size_t v = 0; rc == MQ_OK && !is_in_function(g) && v < g->values.n; v++)
                if (is_defined(g->values.items[v]) && !bound(user, g->values.items[v]))
                    rc = note_name(k, &c, &k->parts[i], g, g->values.items[v]);
        }
    }
    if (rc == MQ_OK && c.n)
        rc = c.text.failed ? mq_oom(k->err)
                           : mq_fail(k->err, MQ_ERR_USAGE, "several models have the name%s %s%s: --prefix makes them "
                                     "different", c.n > 1 ? "s" : "", c.text.s, c.n > MOST_CLASHES ? ", ..." : "");
    mq_map_release(&c.main);
    mq_map_release(&c.inner);
    mq_str_release(&c.text);
    return rc;
}

/* Nodes go by their names, too, though none has to have one of its own. */
static mq_status name_nodes(const merging *k)
{
    mq_map seen = { 0 };
    mq_status rc = MQ_OK;

    for (mq_node *n = k->m->graph->first; n && rc == MQ_OK; n = n->next) {
        if (n->name[0] && mq_map_get(&seen, n->name) && !(n->name = mq_unique_node_name(k->m, n->name)))
            rc = mq_oom(k->err);
        else if (n->name[0] && !mq_map_put(&seen, n->name, n))
            rc = mq_oom(k->err);
    }
    mq_map_release(&seen);
    return rc;
}

/* ---- the new model ------------------------------------------------------------------------------------------------- */

static mq_status create_model(merging *k)
{
    const mq_model *first = k->parts[0].model;
    mq_status rc = mq_model_create(&k->m, k->err);

    if (rc != MQ_OK)
        return rc;
    k->m->path = first->path;
    k->m->origin = first->origin;
    k->m->producer_name = first->producer_name;
    k->m->producer_version = first->producer_version;
    k->m->has_ir_version = true;
    if (!(k->m->graph = mq_graph_create(k->m, NULL, NULL, first->graph->name)))
        return mq_oom(k->err);
    if (!k->parts[0].prefix[0])
        k->m->graph->origin = first->graph->origin; /* what it says is about names that stay */
    return MQ_OK;
}

/* What the files say of integers at the edges that are still edges. */
static mq_status keep_edges(const merging *k, const mq_merge_part *p)
{
    const mq_value_vec *lists[] = { &p->model->graph->inputs, &p->model->graph->outputs };
    mq_status rc = MQ_OK;

    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; i < lists[l]->n && rc == MQ_OK; i++) {
            const char *name = mq_arena_printf(k->m->arena, "%s%s", p->prefix, lists[l]->items[i]->name);
            const mq_value *v = name ? mq_graph_find_here(k->m->graph, name) : NULL;
            mq_edge edge;

            if (!name)
                rc = mq_oom(k->err);
            else if (v && (v->is_input || v->n_output_uses) && mq_edge_get(lists[l]->items[i], &edge))
                rc = mq_edge_set(v, &edge, k->err);
        }
    return rc;
}

static mq_status append(const merging *k, size_t i, const mq_binding *bindings, size_t n)
{
    const mq_merge_part *p = &k->parts[i];
    mq_status rc = mq_model_append(k->m, p->model, *p->prefix ? p->prefix : NULL, bindings, n, k->err);

    if (rc == MQ_ERR_INPUT || rc == MQ_ERR_UNSUPPORTED)
        mq_error_prefix(k->err, "%s", p->label);
    return rc == MQ_OK ? keep_edges(k, p) : rc;
}

/* ---- a chain ------------------------------------------------------------------------------------------------------- */

/* g's outputs with w in v's place. */
static mq_status swap_output(mq_graph *g, mq_value *v, mq_value *w, mq_error *err)
{
    mq_value **old = malloc((g->outputs.n + 1) * sizeof *old);
    const size_t n = g->outputs.n;
    mq_status rc = MQ_OK;

    if (!old)
        return mq_oom(err);
    memcpy(old, g->outputs.items, n * sizeof *old);
    for (size_t i = 0; i < n; i++)
        mq_graph_remove_output(g, old[i]);
    for (size_t i = 0; i < n && rc == MQ_OK; i++)
        rc = mq_graph_add_output(g, old[i] == v ? w : old[i], err);
    free(old);
    return rc;
}

static bool lists(const mq_value_vec *vec, const mq_value *v)
{
    for (size_t i = 0; i < vec->n; i++)
        if (vec->items[i] == v)
            return true;
    return false;
}

/* An output that is an input or a constant itself becomes what an Identity makes of it, which can be linked, or stay an
 * output, by itself. keep_name: the output has the name afterwards, else the input. */
static mq_status detach(mq_value *v, bool keep_name, mq_value **made, mq_error *err)
{
    mq_graph *g = v->graph;
    mq_node *n = mq_node_create(g, NULL, "", "Identity", "");
    mq_value *w = mq_value_create_unique(g, v->name);
    const char *name = v->name;
    mq_status rc = MQ_OK;

    if (!n || !w)
        return mq_oom(err);
    w->declared = v->declared;
    w->type = v->type;
    w->redeclared = true; /* its origin says nothing */
    MQ_TRY(mq_node_set_input(n, 0, v, err));
    MQ_TRY(mq_node_set_output(n, 0, w, err));
    MQ_TRY(swap_output(g, v, w, err));
    if (keep_name) {
        const char *spare = mq_unique_value_name(g->model, name);

        if (!spare)
            return mq_oom(err);
        MQ_TRY(mq_value_rename(v, spare, err));
        MQ_TRY(mq_value_rename(w, name, err));
    }
    *made = w;
done:
    return rc;
}

static mq_status prepare_links(const merging *k, mq_merge_links *links)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < links->n; i++) {
        mq_value *v = links->items[i].out, *made = NULL;

        if (v->producer)
            continue;
        MQ_TRY(detach(v, false, &made, k->err));
        for (size_t j = i; j < links->n; j++)
            if (links->items[j].out == v)
                links->items[j].out = made;
    }
    for (size_t i = 0; i < links->n; i++) {
        mq_value *v = links->items[i].in, *made;

        if (lists(&v->graph->outputs, v))
            MQ_TRY(detach(v, true, &made, k->err));
        mq_value_clear_init(v); /* a default that is never used */
    }
    for (size_t i = 0; i < links->n; i++)
        while (lists(&links->items[i].out->graph->outputs, links->items[i].out))
            mq_graph_remove_output(links->items[i].out->graph, links->items[i].out);
done:
    return rc;
}

static bool is_linked_input(const void *user, const mq_value *v)
{
    const mq_merge_links *links = user;

    for (size_t i = 0; v->is_input && i < links->n; i++)
        if (links->items[i].in == v)
            return true;
    return false;
}

/* The values that stand for both ends, by link: one for each output. */
static mq_status make_joints(const merging *k, const mq_merge_links *links, mq_value **joints)
{
    for (size_t i = 0; i < links->n; i++) {
        const mq_merge_link *l = &links->items[i];
        const char *name;

        for (size_t j = 0; j < i && !joints[i]; j++)
            joints[i] = links->items[j].out == l->out ? joints[j] : NULL;
        if (joints[i])
            continue;
        name = mq_arena_printf(k->m->arena, "%s%s", k->parts[l->from].prefix, l->out->name);
        if (!name || !(joints[i] = mq_value_create(k->m->graph, name)))
            return mq_oom(k->err);
    }
    return MQ_OK;
}

static mq_status append_linked(const merging *k, size_t i, const mq_merge_links *links, mq_value *const *joints)
{
    mq_binding *bindings = calloc(2 * links->n + k->shared.values.n + 1, sizeof *bindings);
    size_t n = 0;
    mq_status rc;

    if (!bindings)
        return mq_oom(k->err);
    for (size_t s = 0; s < k->shared.values.n; s++) {
        const mq_value *v = k->shared.values.items[s];
        const char *name = mq_arena_printf(k->m->arena, "%s%s", k->parts[i].prefix, v->name);

        if (!name) {
            free(bindings);
            return mq_oom(k->err);
        }
        if (v->graph->model == k->parts[i].model)
            bindings[n++] = (mq_binding){ v->name, mq_graph_find_here(k->m->graph, name) };
    }
    for (size_t l = 0; l < links->n; l++) {
        if (links->items[l].from == i)
            bindings[n++] = (mq_binding){ links->items[l].out->name, joints[l] };
        if (links->items[l].to == i)
            bindings[n++] = (mq_binding){ links->items[l].in->name, joints[l] };
    }
    rc = append(k, i, bindings, n);
    free(bindings);
    return rc;
}

mq_status mq_merge_chain(mq_model **out, const mq_merge_part *parts, size_t n, const mq_merge_links *links, mq_error *err)
{
    merging k = { .parts = parts, .n = n, .err = err };
    mq_merge_links own = { malloc((links->n + 1) * sizeof *own.items), links->n, links->n };
    mq_value **joints = calloc(links->n + 1, sizeof *joints);
    size_t n_moved = 0;
    mq_status rc = own.items && joints ? create_model(&k) : mq_oom(err);

    if (rc != MQ_OK)
        goto done;
    memcpy(own.items, links->items, links->n * sizeof *own.items);
    MQ_TRY(prepare_links(&k, &own));
    MQ_TRY(mq_merge_separate_dims(parts, n, &own, err));
    MQ_TRY(mq_merge_share_constants(parts, n, &k.shared, err));
    MQ_TRY(check_clashes(&k, is_linked_input, &own));
    MQ_TRY(make_joints(&k, &own, joints));
    for (size_t i = 0; i < n; i++)
        MQ_TRY(append_linked(&k, i, &own, joints));
    MQ_TRY(name_nodes(&k));
    if ((rc = mq_graph_sort(k.m->graph, &n_moved, err)) == MQ_ERR_INPUT) {
        mq_error_prefix(err, "--connect makes a cycle");
        rc = MQ_ERR_USAGE;
    }
    if (rc == MQ_OK) {
        *out = k.m;
        k.m = NULL;
    }
done:
    mq_model_free(k.m);
    mq_vec_release(&k.shared.values);
    free(own.items);
    free(joints);
    return rc;
}

/* ---- an average ---------------------------------------------------------------------------------------------------- */

static mq_value *find_edge(const mq_value_vec *vec, const char *name)
{
    for (size_t i = 0; i < vec->n; i++)
        if (strcmp(vec->items[i]->name, name) == 0)
            return vec->items[i];
    return NULL;
}

/* Each of a's edges is one of b's, and fits. */
static mq_status check_equal(const merging *k, const mq_merge_part *a, const mq_merge_part *b, bool outputs)
{
    const mq_value_vec *has = outputs ? &a->model->graph->outputs : &a->model->graph->inputs;
    const mq_value_vec *other = outputs ? &b->model->graph->outputs : &b->model->graph->inputs;
    const char *what = outputs ? "output" : "input";
    char x[256], y[256];

    for (size_t i = 0; i < has->n; i++) {
        const mq_value *v = has->items[i], *w = find_edge(other, v->name);

        if (!w)
            return mq_fail(k->err, MQ_ERR_USAGE, "--average: %s has an %s '%s', which %s has not", a->label, what, v->name,
                           b->label);
        if (mq_merge_fits(v->type, w->type))
            continue;
        mq_type_text(v->type, x, sizeof x);
        mq_type_text(w->type, y, sizeof y);
        return mq_fail(k->err, MQ_ERR_USAGE, "--average: %s '%s' is %s in %s, but %s in %s", what, v->name, x, a->label, y,
                       b->label);
    }
    return MQ_OK;
}

static mq_status check_output(const merging *k, const mq_value *v)
{
    const mq_type *t = v->type;
    char text[256];

    if (v->is_input)
        return mq_fail(k->err, MQ_ERR_UNSUPPORTED, "--average: output '%s' is an input itself", v->name);
    if (t && t->kind == MQ_TYPE_TENSOR && (t->dtype == MQ_FLOAT || t->dtype == MQ_DOUBLE || t->dtype == MQ_FLOAT16 ||
                                           (t->dtype == MQ_BFLOAT16 && mq_opset_of(v->graph, "") >= 13)))
        return MQ_OK;
    mq_type_text(t, text, sizeof text);
    return mq_fail(k->err, MQ_ERR_UNSUPPORTED, "--average: output '%s' is %s: only tensors of floats have a mean", v->name,
                   text);
}

static mq_status check_alike(const merging *k)
{
    const mq_value_vec *outputs = &k->parts[0].model->graph->outputs;
    mq_status rc = MQ_OK;

    for (size_t i = 1; i < k->n; i++)
        for (int outs = 0; outs < 2; outs++) {
            MQ_TRY(check_equal(k, &k->parts[0], &k->parts[i], outs));
            MQ_TRY(check_equal(k, &k->parts[i], &k->parts[0], outs));
        }
    for (size_t i = 0; i < outputs->n; i++)
        MQ_TRY(check_output(k, outputs->items[i]));
done:
    return rc;
}

/* The same edge in the new graph. */
static mq_value *copy_edge(const merging *k, const mq_value *v)
{
    mq_value *w = mq_graph_find_here(k->m->graph, v->name) ? NULL : mq_value_create(k->m->graph, v->name);

    if (!w)
        return NULL;
    w->declared = v->declared;
    w->origin = v->origin;
    w->redeclared = v->redeclared;
    return w;
}

static bool is_input(const void *user, const mq_value *v)
{
    (void)user;
    return v->is_input && !v->graph->parent;
}

static mq_status append_alike(const merging *k, size_t i, mq_value *const *shared)
{
    mq_graph *g = k->parts[i].model->graph;
    mq_binding *bindings = calloc(g->inputs.n + 1, sizeof *bindings);
    mq_status rc;

    if (!bindings)
        return mq_oom(k->err);
    for (size_t e = 0; e < g->inputs.n; e++)
        bindings[e] = (mq_binding){ shared[e]->name, shared[e] };
    while (g->outputs.n)
        mq_graph_remove_output(g, g->outputs.items[0]);
    rc = append(k, i, bindings, g->inputs.n);
    free(bindings);
    return rc;
}

static mq_status add_mean(const merging *k, const mq_value *v)
{
    const char *name = mq_arena_printf(k->m->arena, "mean/%s", v->name);
    mq_value *out = copy_edge(k, v);
    mq_node *n = name ? mq_node_create(k->m->graph, NULL, "", "Mean", name) : NULL;
    mq_status rc = MQ_OK;

    if (!out)
        return mq_fail(k->err, MQ_ERR_USAGE, "'%s' is the name of an output, and with its prefix of an inner tensor: "
                       "another --prefix makes them different", v->name);
    if (!n)
        return mq_oom(k->err);
    for (size_t i = 0; i < k->n; i++) {
        const char *inner = mq_arena_printf(k->m->arena, "%s%s", k->parts[i].prefix, v->name);

        if (!inner)
            return mq_oom(k->err);
        MQ_TRY(mq_node_set_input(n, i, mq_graph_find_here(k->m->graph, inner), k->err));
    }
    MQ_TRY(mq_node_set_output(n, 0, out, k->err));
    rc = mq_graph_add_output(k->m->graph, out, k->err);
done:
    return rc;
}

mq_status mq_merge_average(mq_model **out, const mq_merge_part *parts, size_t n, mq_error *err)
{
    merging k = { .parts = parts, .n = n, .err = err };
    const mq_graph *first = parts[0].model->graph;
    const size_t n_outputs = first->outputs.n;
    mq_value **outputs = NULL, **shared = NULL;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < n; i++)
        mq_model_unlist_inits(parts[i].model);
    MQ_TRY(check_alike(&k));
    MQ_TRY(create_model(&k));
    outputs = mq_arena_memdup(k.m->arena, first->outputs.items, n_outputs * sizeof *outputs);
    shared = mq_arena_calloc(k.m->arena, first->inputs.n, sizeof *shared);
    if (!outputs || !shared)
        MQ_TRY(mq_oom(err));
    MQ_TRY(check_clashes(&k, is_input, NULL));
    for (size_t i = 0; i < first->inputs.n; i++) {
        if (!(shared[i] = copy_edge(&k, first->inputs.items[i])))
            MQ_TRY(mq_oom(err));
        MQ_TRY(mq_graph_add_input(k.m->graph, shared[i], err));
    }
    for (size_t i = 0; i < n; i++)
        MQ_TRY(append_alike(&k, i, shared));
    for (size_t i = 0; i < n_outputs; i++)
        MQ_TRY(add_mean(&k, outputs[i]));
    MQ_TRY(name_nodes(&k));
    *out = k.m;
    k.m = NULL;
done:
    mq_model_free(k.m);
    return rc;
}
