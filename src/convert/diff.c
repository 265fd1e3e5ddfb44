/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The difference of two models as a list, graph by graph: first nodes find their partners, then partners are compared. */
#include "convert/diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "convert/diff_values.h"
#include "model/onnx_info.h"

#define DEEPEST 64

typedef struct diffing {
    mq_differences *d;
    const mq_hooks *hooks;
    mq_error *err;
    int depth;
} diffing;

/* Two graphs, and where they lie: "" for the main ones. */
typedef struct graph_pair {
    const mq_graph *a, *b;
    const char *where;
} graph_pair;

/* text may be incomplete when memory ran out: that is told here. It is released. */
static mq_status add(const diffing *f, char sign, const char *code, const char *place, mq_str *text)
{
    mq_differences *d = f->d;
    mq_difference e = { sign, code, NULL, NULL };
    mq_status rc = text->failed || !place ? mq_oom(f->err) : MQ_OK;

    *(sign == '-' ? &d->n_removed : sign == '+' ? &d->n_added : &d->n_changed) += 1;
    if (rc == MQ_OK && d->items.n < d->most) {
        e.place = mq_arena_strdup(d->arena, place);
        e.text = mq_arena_strdup(d->arena, text->s ? text->s : "");
        if (!e.place || !e.text || !mq_vec_push_in(d->arena, &d->items, e))
            rc = mq_oom(f->err);
    }
    mq_str_release(text);
    return rc;
}

static const char *place_of(const diffing *f, const char *where, const char *what, const char *name)
{
    return mq_arena_printf(f->d->arena, "%s%s '%s'", where, what, name);
}

static mq_status add_changed(const diffing *f, const char *code, const char *place, const char *a, const char *b)
{
    mq_str text = { 0 };

    mq_str_addf(&text, "%s -> %s", a, b);
    return add(f, '~', code, place, &text);
}

/* ---- nodes: who is who --------------------------------------------------------------------------------------------- */

static const char *first_output(const mq_node *n)
{
    for (size_t i = 0; i < n->n_outputs; i++)
        if (n->outputs[i])
            return n->outputs[i]->name;
    return "";
}

typedef enum key_kind { KEY_NAME, KEY_OUTPUT, KEY_INPUTS, N_KEYS } key_kind;

/* What nodes are known again by; "": nothing. Lives in the arena or in the model. NULL: out of memory. */
static const char *key_of(const diffing *f, const mq_node *n, key_kind kind)
{
    mq_str s = { 0 };
    const char *key;

    if (kind == KEY_NAME)
        return n->name;
    if (kind == KEY_OUTPUT)
        return first_output(n);
    if (!n->n_inputs)
        return ""; /* constants are not alike because they are constants */
    mq_str_addf(&s, "%s:%s(", mq_domain_norm(n->domain), n->op_type);
    for (size_t i = 0; i < n->n_inputs; i++)
        mq_str_addf(&s, "%s,", n->inputs[i] ? n->inputs[i]->name : "");
    key = s.failed ? NULL : mq_arena_strdup(f->d->arena, s.s);
    mq_str_release(&s);
    return key;
}

/* Nodes of b by key; of several with one key the first that is left. */
static mq_status pair_by(const diffing *f, const graph_pair *g, key_kind kind, mq_node **partner, mq_node **back)
{
    mq_map keys = { 0 };
    mq_status rc = MQ_OK;

    for (mq_node *n = g->b->last; n && rc == MQ_OK; n = n->prev) {
        const char *key = back[n->tag] ? "" : key_of(f, n, kind);

        if (!key || (*key && !mq_map_put(&keys, key, n)))
            rc = mq_oom(f->err);
    }
    for (mq_node *n = g->a->first; n && rc == MQ_OK; n = n->next) {
        const char *key = partner[n->tag] ? "" : key_of(f, n, kind);

        if (!key) {
            rc = mq_oom(f->err);
        } else if (*key && (partner[n->tag] = mq_map_get(&keys, key))) {
            mq_map_remove(&keys, key);
            back[partner[n->tag]->tag] = n;
        }
    }
    mq_map_release(&keys);
    return rc;
}

/* ---- nodes: what changed ------------------------------------------------------------------------------------------- */

static void node_text(const mq_node *n, mq_str *to)
{
    mq_str_addf(to, "%s(", n->op_type);
    for (size_t i = 0; i < n->n_inputs; i++)
        mq_str_addf(to, "%s%s", i ? ", " : "", n->inputs[i] ? n->inputs[i]->name : "-");
    mq_str_add(to, ") ->");
    for (size_t i = 0; i < n->n_outputs; i++)
        mq_str_addf(to, "%s %s", i ? "," : "", n->outputs[i] ? n->outputs[i]->name : "-");
}

static void change(mq_str *to, const char *what, const char *a, const char *b)
{
    mq_str_addf(to, "%s%s %s -> %s", to->n ? ", " : "", what, a, b);
}

static const char *name_at(mq_value *const *list, size_t n, size_t i)
{
    return i < n && list[i] ? list[i]->name : "none";
}

static void compare_lists(mq_str *to, const char *what, mq_value *const *a, size_t n_a, mq_value *const *b, size_t n_b)
{
    char label[64];

    for (size_t i = 0; i < n_a || i < n_b; i++) {
        const char *x = name_at(a, n_a, i), *y = name_at(b, n_b, i);

        snprintf(label, sizeof label, "%s %zu", what, i);
        if (strcmp(x, y) != 0)
            change(to, label, x, y);
    }
}

static const mq_attr *find_attr(const mq_node *n, const char *name)
{
    for (size_t i = 0; i < n->n_attrs; i++)
        if (strcmp(n->attrs[i]->name, name) == 0)
            return n->attrs[i];
    return NULL;
}

static mq_status diff_graphs(diffing *f, const graph_pair *g);

/* Inner graphs have differences of their own. */
static mq_status compare_inner(diffing *f, const mq_node *owner, const mq_attr *a, const mq_attr *b, const char *where)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < a->n && i < b->n && rc == MQ_OK; i++) {
        const char *inner = mq_arena_printf(f->d->arena, "%s%s of node '%s': ", where, a->name, mq_node_label(owner));

        rc = inner ? diff_graphs(f, &(graph_pair){ a->graphs[i], b->graphs[i], inner }) : mq_oom(f->err);
    }
    return rc;
}

static mq_status compare_attr(diffing *f, const mq_node *owner, const mq_attr *a, const mq_attr *b, const char *where,
                              mq_str *to)
{
    bool same = a && b;
    mq_status rc;

    if (a && b && a->graphs && b->graphs && a->n == b->n)
        return compare_inner(f, owner, a, b, where);
    rc = same ? mq_diff_attrs(a, b, &same, f->err) : MQ_OK;
    if (rc != MQ_OK || same)
        return rc;
    mq_str_addf(to, "%s%s ", to->n ? ", " : "", a ? a->name : b->name);
    mq_diff_attr_text(a, to);
    mq_str_add(to, " -> ");
    mq_diff_attr_text(b, to);
    if (a && b && a->tensors && b->tensors)
        mq_str_add(to, " (other contents)");
    return MQ_OK;
}

static mq_status compare_nodes(diffing *f, const mq_node *a, const mq_node *b, const char *where)
{
    const char *place = mq_arena_printf(f->d->arena, "%snode '%s' (%s)", where, mq_node_label(a), a->op_type);
    mq_str text = { 0 };
    mq_status rc = MQ_OK;

    if (strcmp(a->name, b->name) != 0)
        change(&text, "name", *a->name ? a->name : "none", *b->name ? b->name : "none");
    if (strcmp(a->op_type, b->op_type) != 0 || strcmp(a->overload, b->overload) != 0)
        change(&text, "operator", a->op_type, b->op_type);
    if (strcmp(mq_domain_norm(a->domain), mq_domain_norm(b->domain)) != 0)
        change(&text, "domain", *a->domain ? a->domain : "ai.onnx", *b->domain ? b->domain : "ai.onnx");
    compare_lists(&text, "input", a->inputs, a->n_inputs, b->inputs, b->n_inputs);
    compare_lists(&text, "output", a->outputs, a->n_outputs, b->outputs, b->n_outputs);
    for (size_t i = 0; i < a->n_attrs && rc == MQ_OK; i++)
        rc = compare_attr(f, a, a->attrs[i], find_attr(b, a->attrs[i]->name), where, &text);
    for (size_t i = 0; i < b->n_attrs && rc == MQ_OK; i++)
        if (!find_attr(a, b->attrs[i]->name))
            rc = compare_attr(f, a, NULL, b->attrs[i], where, &text);
    if (rc == MQ_OK && (text.n || text.failed))
        return add(f, '~', "node", place, &text);
    mq_str_release(&text);
    return rc;
}

static mq_status add_node(const diffing *f, char sign, const mq_node *n, const char *where)
{
    mq_str text = { 0 };

    node_text(n, &text);
    return add(f, sign, "node", place_of(f, where, "node", mq_node_label(n)), &text);
}

static mq_status diff_nodes(diffing *f, const graph_pair *g)
{
    mq_node **partner = calloc(g->a->n_nodes + 1, sizeof *partner), **back = calloc(g->b->n_nodes + 1, sizeof *back);
    size_t i = 0;
    mq_status rc = partner && back ? MQ_OK : mq_oom(f->err);

    for (mq_node *n = g->a->first; n; n = n->next)
        n->tag = i++;
    i = 0;
    for (mq_node *n = g->b->first; n; n = n->next)
        n->tag = i++;
    for (int kind = 0; kind < N_KEYS && rc == MQ_OK; kind++)
        rc = pair_by(f, g, (key_kind)kind, partner, back);
    for (const mq_node *n = g->a->first; n && rc == MQ_OK; n = n->next)
        rc = partner[n->tag] ? compare_nodes(f, n, partner[n->tag], g->where) : add_node(f, '-', n, g->where);
    for (const mq_node *n = g->b->first; n && rc == MQ_OK; n = n->next)
        if (!back[n->tag])
            rc = add_node(f, '+', n, g->where);
    free(partner);
    free(back);
    return rc;
}

/* ---- initializers -------------------------------------------------------------------------------------------------- */

static bool is_constant(const mq_value *v)
{
    return v && (v->init || v->sparse);
}

static mq_status add_init(const diffing *f, char sign, const mq_value *v, const char *where)
{
    mq_str text = { 0 };

    mq_diff_tensor_text(v->init ? v->init : v->sparse->values, &text);
    mq_str_add(&text, v->init ? "" : ", sparse");
    return add(f, sign, "initializer", place_of(f, where, "initializer", v->name), &text);
}

static mq_status compare_inits(const diffing *f, const mq_value *v, const mq_value *w, const char *where)
{
    mq_str text = { 0 };
    mq_status rc = MQ_OK;

    if (!v->init != !w->init) {
        mq_str_add(&text, v->init ? "dense -> sparse" : "sparse -> dense");
    } else if (v->init) {
        rc = mq_diff_tensors(v->init, w->init, &text, f->err);
    } else {
        rc = mq_diff_tensors(v->sparse->values, w->sparse->values, &text, f->err);
        if (rc == MQ_OK && !text.n)
            rc = mq_diff_tensors(v->sparse->indices, w->sparse->indices, &text, f->err);
    }
    if (rc == MQ_OK && (text.n || text.failed))
        return add(f, '~', "initializer", place_of(f, where, "initializer", v->name), &text);
    mq_str_release(&text);
    return rc;
}

static mq_status diff_inits(const diffing *f, const graph_pair *g)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < g->a->inits.n && rc == MQ_OK; i++) {
        const mq_value *v = g->a->inits.items[i], *w = mq_graph_find_here(g->b, v->name);

        rc = is_constant(w) ? compare_inits(f, v, w, g->where) : add_init(f, '-', v, g->where);
        if (rc == MQ_OK)
            rc = mq_check_cancelled(f->hooks, f->err);
    }
    for (size_t i = 0; i < g->b->inits.n && rc == MQ_OK; i++)
        if (!is_constant(mq_graph_find_here(g->a, g->b->inits.items[i]->name)))
            rc = add_init(f, '+', g->b->inits.items[i], g->where);
    return rc;
}

/* ---- inputs and outputs -------------------------------------------------------------------------------------------- */

static const mq_value *find_edge(const mq_value_vec *vec, const char *name, size_t *at)
{
    for (*at = 0; *at < vec->n; (*at)++)
        if (strcmp(vec->items[*at]->name, name) == 0)
            return vec->items[*at];
    return NULL;
}

static mq_status diff_edges(const diffing *f, const mq_value_vec *a, const mq_value_vec *b, const char *code,
                            const char *where)
{
    char x[256], y[256];
    size_t at;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < a->n && rc == MQ_OK; i++) {
        const mq_value *v = a->items[i], *w = find_edge(b, v->name, &at);
        mq_str text = { 0 };

        mq_type_text(v->declared, x, sizeof x);
        mq_type_text(w ? w->declared : NULL, y, sizeof y);
        if (!w)
            mq_str_add(&text, x);
        else if (strcmp(x, y) != 0)
            mq_str_addf(&text, "%s -> %s", x, y);
        else if (at != i && a->n == b->n)
            mq_str_addf(&text, "place %zu -> %zu", i, at);
        if (text.n || text.failed)
            rc = add(f, w ? '~' : '-', code, place_of(f, where, code, v->name), &text);
    }
    for (size_t i = 0; i < b->n && rc == MQ_OK; i++)
        if (!find_edge(a, b->items[i]->name, &at)) {
            mq_str text = { 0 };

            mq_type_text(b->items[i]->declared, x, sizeof x);
            mq_str_add(&text, x);
            rc = add(f, '+', code, place_of(f, where, code, b->items[i]->name), &text);
        }
    return rc;
}

static mq_status diff_graphs(diffing *f, const graph_pair *g)
{
    mq_status rc = MQ_OK;

    if (++f->depth > DEEPEST)
        return mq_fail(f->err, MQ_ERR_INPUT, "graphs are nested more than %d deep", DEEPEST);
    MQ_TRY(diff_edges(f, &g->a->inputs, &g->b->inputs, "input", g->where));
    MQ_TRY(diff_edges(f, &g->a->outputs, &g->b->outputs, "output", g->where));
    MQ_TRY(diff_nodes(f, g));
    MQ_TRY(diff_inits(f, g));
done:
    f->depth--;
    return rc;
}

/* ---- the model around ---------------------------------------------------------------------------------------------- */

static int64_t version_of(const mq_model *m, const char *domain)
{
    for (size_t i = 0; i < m->opsets.n; i++)
        if (strcmp(mq_domain_norm(m->opsets.items[i].domain), mq_domain_norm(domain)) == 0)
            return m->opsets.items[i].version;
    return 0;
}

static mq_status compare_version(const diffing *f, const char *domain, int64_t a, int64_t b)
{
    const char *place = mq_arena_printf(f->d->arena, "opset '%s'", *mq_domain_norm(domain) ? domain : "ai.onnx");
    mq_str text = { 0 };

    if (a == b)
        return MQ_OK;
    if (a && b)
        mq_str_addf(&text, "%lld -> %lld", (long long)a, (long long)b);
    else
        mq_str_addf(&text, "%lld", (long long)(a ? a : b));
    return add(f, a && b ? '~' : a ? '-' : '+', "opset", place, &text);
}

static mq_status diff_versions(const diffing *f, const mq_model *a, const mq_model *b)
{
    char x[32], y[32];
    mq_status rc = MQ_OK;

    snprintf(x, sizeof x, "%lld", (long long)a->ir_version);
    snprintf(y, sizeof y, "%lld", (long long)b->ir_version);
    if (a->ir_version != b->ir_version)
        rc = add_changed(f, "ir", "IR version", x, y);
    for (size_t i = 0; i < a->opsets.n && rc == MQ_OK; i++)
        rc = compare_version(f, a->opsets.items[i].domain, a->opsets.items[i].version,
                             version_of(b, a->opsets.items[i].domain));
    for (size_t i = 0; i < b->opsets.n && rc == MQ_OK; i++)
        if (!version_of(a, b->opsets.items[i].domain))
            rc = compare_version(f, b->opsets.items[i].domain, 0, b->opsets.items[i].version);
    return rc;
}

/* What only a has, and with sign '-' what both have and is not the same. */
static mq_status diff_metadata(const diffing *f, const mq_model *a, const mq_model *b, char sign)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < mq_onnx_n_metadata(a) && rc == MQ_OK; i++) {
        const char *key, *value, *other;
        mq_str text = { 0 };

        mq_onnx_metadata(a, i, &key, &value);
        other = mq_metadata_get(b, key);
        if (other && (sign == '+' || strcmp(other, value) == 0))
            continue;
        mq_str_addf(&text, "'%.100s'", value);
        if (other)
            mq_str_addf(&text, " -> '%.100s'", other);
        rc = add(f, other ? '~' : sign, "metadata", place_of(f, "", "metadata", key), &text);
    }
    return rc;
}

static const mq_function *find_function(const mq_model *m, const mq_function *f)
{
    for (size_t i = 0; i < m->n_functions; i++)
        if (strcmp(m->functions[i]->name, f->name) == 0 && strcmp(m->functions[i]->domain, f->domain) == 0 &&
            strcmp(m->functions[i]->overload, f->overload) == 0)
            return m->functions[i];
    return NULL;
}

static mq_status add_function(const diffing *f, char sign, const mq_function *fn)
{
    mq_str text = { 0 };

    mq_str_addf(&text, "%zu nodes", fn->body->n_nodes);
    return add(f, sign, "function", place_of(f, "", "function", fn->name), &text);
}

static mq_status diff_functions(diffing *f, const mq_model *a, const mq_model *b)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < a->n_functions && rc == MQ_OK; i++) {
        const mq_function *fn = a->functions[i], *other = find_function(b, fn);
        const char *where = mq_arena_printf(f->d->arena, "function '%s': ", fn->name);

        if (!where)
            rc = mq_oom(f->err);
        else
            rc = other ? diff_graphs(f, &(graph_pair){ fn->body, other->body, where }) : add_function(f, '-', fn);
    }
    for (size_t i = 0; i < b->n_functions && rc == MQ_OK; i++)
        if (!find_function(a, b->functions[i]))
            rc = add_function(f, '+', b->functions[i]);
    return rc;
}

mq_status mq_diff_models(mq_differences *d, mq_model *a, mq_model *b, const mq_hooks *hooks, mq_error *err)
{
    diffing f = { .d = d, .hooks = hooks, .err = err };
    mq_status rc = MQ_OK;

    MQ_TRY(diff_versions(&f, a, b));
    MQ_TRY(diff_metadata(&f, a, b, '-'));
    MQ_TRY(diff_metadata(&f, b, a, '+'));
    MQ_TRY(diff_functions(&f, a, b));
    if (!a->graph || !b->graph)
        MQ_TRY(mq_fail(err, MQ_ERR_INPUT, "the %s model has no graph", a->graph ? "second" : "first"));
    rc = diff_graphs(&f, &(graph_pair){ a->graph, b->graph, "" });
done:
    return rc;
}
