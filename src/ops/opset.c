/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Raising the opset of ai.onnx, version by version: finds what stops it before anything changes, then calls the
 * adapters. What a version means for an operator is in adapt_*.c; nothing here knows one. Other domains stay as they
 * are. */
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/str.h"
#include "ops/adapters.h"

#define OLDEST 7
#define LISTED 8 /* refusals told one by one */
#define MOST_FORMS 64 /* of one operator: more than there are versions */

/* ---- rows --------------------------------------------------------------------------------------------------------- */

typedef struct family {
    const mq_op_adapter *rows;
    const size_t *n;
} family;

#define FAMILY(name) { mq_adapters_##name, &mq_adapters_##name##_n },
static const family families[] = { MQ_ADAPTER_FAMILIES(FAMILY) };
#undef FAMILY

static int compare_rows(const void *a, const void *b)
{
    const mq_op_adapter *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order ? order : x->to - y->to;
}

const mq_op_adapter *mq_adapter_find(const char *name, int to)
{
    const mq_op_adapter key = { .name = name, .to = to }, *row = NULL;

    for (size_t i = 0; i < MQ_ARRAY_LEN(families) && !row; i++)
        row = bsearch(&key, families[i].rows, *families[i].n, sizeof key, compare_rows);
    return row;
}

const mq_op_adapter *mq_adapter_at(size_t i)
{
    for (size_t k = 0; k < MQ_ARRAY_LEN(families); k++) {
        if (i < *families[k].n)
            return &families[k].rows[i];
        i -= *families[k].n;
    }
    return NULL;
}

int mq_ir_for_opset(int opset)
{
    static const struct { int opset, ir; } steps[] = {
        { 28, 14 }, { 25, 13 }, { 24, 12 }, { 23, 11 }, { 21, 10 }, { 19, 9 },
        { 15, 8 },  { 12, 7 },  { 11, 6 },  { 10, 5 },  { 9, 4 },
    };

    for (size_t i = 0; i < MQ_ARRAY_LEN(steps); i++)
        if (opset >= steps[i].opset)
            return steps[i].ir;
    return 3;
}

/* ---- scopes: the model's graph, and each function, with their own imports ----------------------------------------- */

static int64_t import_of(const mq_opset_vec *opsets)
{
    for (size_t i = 0; i < opsets->n; i++)
        if (strcmp(mq_domain_norm(opsets->items[i].domain), "") == 0)
            return opsets->items[i].version;
    return 0;
}

static void set_import(mq_opset_vec *opsets, int version)
{
    for (size_t i = 0; i < opsets->n; i++)
        if (strcmp(mq_domain_norm(opsets->items[i].domain), "") == 0)
            opsets->items[i].version = version;
}

static bool is_detached(const mq_graph *g)
{
    for (; g->owner; g = g->parent)
        if (!g->owner->graph || !g->parent)
            return true;
    return false;
}

/* What a walk does with a node. It may remove or replace n, and add nodes beside it. */
typedef mq_status (*visit_fn)(mq_node *n, void *user, mq_error *err);

/* Every ai.onnx node of a scope (f NULL: the model's graph), subgraphs included. Nodes that a visit adds are not
 * visited. */
static mq_status walk(mq_model *m, const mq_function *f, visit_fn visit, void *user, mq_error *err)
{
    size_t n_graphs = m->graphs.n;
    mq_status rc = MQ_OK;

    for (size_t i = 0; rc == MQ_OK && i < n_graphs; i++) {
        mq_graph *g = m->graphs.items[i];
        if (is_detached(g) || mq_graph_function(g) != f)
            continue;
        for (mq_node *n = g->first, *next; rc == MQ_OK && n; n = next) {
            next = n->next;
            if (strcmp(mq_domain_norm(n->domain), "") == 0 && !mq_node_function(n))
                rc = visit(n, user, err);
        }
    }
    return rc;
}

/* ---- looking for what stops it ------------------------------------------------------------------------------------ */

typedef struct refusals {
    int from, to;      /* of the scope being looked at */
    const char *place; /* " of function 'F'" or "" */
    mq_str text;
    size_t n;
} refusals;

static void refuse(refusals *r, const mq_node *n, const char *why)
{
    if (r->n++ < LISTED)
        mq_str_addf(&r->text, "%s'%.80s' (%s)%s: %s", r->n > 1 ? "; " : "", mq_node_label(n), n->op_type, r->place,
                    why);
}

/* Did version `to` bring a new form of an operator that was there before? */
static bool form_changed(const char *op_type, int to)
{
    const mq_op_schema *now = mq_schema_find("", op_type, to);
    return now && now->since == to && mq_schema_find("", op_type, to - 1);
}

/* The versions after `from` up to `to` that brought an operator a form of its own, newest first. Adapters stand at such
 * versions only, and most operators have few. */
static size_t new_forms(const char *op_type, int from, int to, int versions[MOST_FORMS])
{
    size_t n = 0;

    for (const mq_op_schema *s = mq_schema_find("", op_type, to); s && s->since > from && n < MOST_FORMS;
         s = mq_schema_find("", op_type, s->since - 1))
        versions[n++] = s->since;
    return n;
}

bool mq_op_is_newest(const char *op_type, int64_t version)
{
    const int newest = mq_schema_newest_opset();
    int versions[MOST_FORMS];

    if (version < 1 || !mq_schema_find("", op_type, version))
        return false;
    for (size_t i = new_forms(op_type, version < newest ? (int)version : newest, newest, versions); i-- > 0;) {
        const mq_op_adapter *row = mq_adapter_find(op_type, versions[i]);

        if (!row || row->adapt || row->check)
            return false;
    }
    return true;
}

bool mq_op_only_grew(const char *op_type, int to)
{
    const mq_op_adapter *row = form_changed(op_type, to) ? mq_adapter_find(op_type, to) : NULL;

    return row && !row->adapt;
}

static mq_status look_at(mq_node *n, void *user, mq_error *err)
{
    refusals *r = user;
    int versions[MOST_FORMS];
    mq_error why = { 0 };

    for (size_t i = new_forms(n->op_type, r->from, r->to, versions); i-- > 0;) {
        const int to = versions[i];
        const mq_op_adapter *row = mq_adapter_find(n->op_type, to);
        mq_status rc = MQ_OK;

        if (!row && form_changed(n->op_type, to))
            rc = mq_fail(&why, MQ_ERR_UNSUPPORTED, "its way to opset %d is not known", to);
        else if (row && row->check)
            rc = row->check(n, to, &why);
        if (rc == MQ_ERR_NOMEM)
            return mq_oom(err);
        if (rc != MQ_OK) {
            refuse(r, n, why.text);
            break;
        }
    }
    return MQ_OK;
}

static mq_status look_at_scope(mq_model *m, const mq_function *f, refusals *r, mq_error *err)
{
    int64_t from = import_of(f ? &f->opsets : &m->opsets);

    if (from == 0 || from >= r->to)
        return MQ_OK;
    if (from < OLDEST)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "opset %lld%s is below %d, from where on it can be raised",
                       (long long)from, r->place, OLDEST);
    r->from = (int)from;
    return walk(m, f, look_at, r, err);
}

/* MQ_ERR_UNSUPPORTED with the nodes that have no way to `version`. Changes nothing. */
static mq_status look(mq_model *m, int version, mq_error *err)
{
    refusals r = { .to = version, .place = "" };
    mq_status rc;

    MQ_TRY(look_at_scope(m, NULL, &r, err));
    for (size_t i = 0; i < m->n_functions; i++) {
        if (!(r.place = mq_arena_printf(m->arena, " of function '%s'", m->functions[i]->name)))
            return mq_oom(err);
        MQ_TRY(look_at_scope(m, m->functions[i], &r, err));
    }
    if (r.n > LISTED)
        mq_str_addf(&r.text, "; and %zu more", r.n - LISTED);
    if (r.text.failed)
        rc = mq_oom(err);
    else if (r.n)
        rc = mq_fail(err, MQ_ERR_UNSUPPORTED, "%zu node%s cannot be raised to opset %d: %s", r.n, r.n == 1 ? "" : "s",
                     version, r.text.s);
done:
    mq_str_release(&r.text);
    return rc;
}

/* ---- raising ------------------------------------------------------------------------------------------------------ */

typedef struct raising {
    int from; /* the lowest version that was found and raised; 0: none */
    int to;
    size_t n_rewritten;
    const mq_hooks *hooks;
} raising;

/* Differs when an adapter has changed n: editing gives a node new attributes, other values, or another operator. */
static uint64_t form_of(const mq_node *n)
{
    uint64_t h = (uintptr_t)n->op_type ^ (uintptr_t)n->graph;

    for (size_t i = 0; i < n->n_inputs; i++)
        h = h * 31 + (uintptr_t)n->inputs[i];
    for (size_t i = 0; i < n->n_outputs; i++)
        h = h * 37 + (uintptr_t)n->outputs[i];
    for (size_t i = 0; i < n->n_attrs; i++)
        h = h * 41 + (uintptr_t)n->attrs[i];
    return h;
}

static mq_status adapt(mq_node *n, void *user, mq_error *err)
{
    raising *r = user;
    const mq_op_schema *schema = mq_schema_find("", n->op_type, r->to);
    const mq_op_adapter *row = schema && schema->since == r->to ? mq_adapter_find(n->op_type, r->to) : NULL;
    const char *label = mq_node_label(n), *op_type = n->op_type;
    uint64_t before;
    mq_status rc;

    if (!row || !row->adapt)
        return MQ_OK;
    before = form_of(n);
    rc = row->adapt(n, r->to, err);
    if (rc == MQ_ERR_UNSUPPORTED || rc == MQ_ERR_INPUT)
        mq_error_prefix(err, "'%s' (%s)", label, op_type);
    r->n_rewritten += form_of(n) != before;
    return rc;
}

static mq_status raise_scope(mq_model *m, mq_function *f, int version, raising *r, mq_error *err)
{
    mq_opset_vec *opsets = f ? &f->opsets : &m->opsets;
    int64_t from = import_of(opsets);
    mq_status rc = MQ_OK;

    if (from == 0 || from >= version)
        return MQ_OK;
    if (!r->from || from < r->from)
        r->from = (int)from;
    for (int to = (int)from + 1; to <= version; to++) {
        MQ_TRY(mq_check_cancelled(r->hooks, err));
        r->to = to;
        MQ_TRY(walk(m, f, adapt, r, err));
        set_import(opsets, to);
    }
done:
    return rc;
}

/* A failure past the look (no memory, cancelled, unreadable constants) leaves a model that is good for freeing only. */
mq_status mq_opset_raise(mq_model *m, int version, const mq_hooks *hooks, mq_error *err)
{
    raising r = { .hooks = hooks };
    int64_t from = import_of(&m->opsets);
    mq_status rc = MQ_OK;

    if (version > mq_schema_newest_opset())
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "opset %d is newer than %d, the newest known", version,
                       mq_schema_newest_opset());
    if (from > version)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "opset %lld cannot be lowered to %d", (long long)from, version);
    MQ_TRY(look(m, version, err));
    MQ_TRY(raise_scope(m, NULL, version, &r, err));
    for (size_t i = 0; i < m->n_functions; i++)
        MQ_TRY(raise_scope(m, m->functions[i], version, &r, err));
    if (!from) /* none of its nodes is of ai.onnx so far */
        MQ_TRY(mq_opset_set(m, "", version, err));
    else if (!r.from)
        return MQ_OK;
    if (!m->has_ir_version || m->ir_version < mq_ir_for_opset(version))
        m->ir_version = mq_ir_for_opset(version);
    m->has_ir_version = true;
    if (r.from)
        mq_warn(hooks, "opset-raised", "", "opset %d is raised to %d, nodes rewritten: %zu", r.from, version,
                r.n_rewritten);
done:
    return rc;
}
