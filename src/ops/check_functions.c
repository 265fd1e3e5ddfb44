/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Model-local functions: their names are unique, none calls itself, the opsets they import agree with the model's,
 * their bodies name only attributes that they have, and calls give them what they take. Order and single assignment
 * in bodies are graph/verify.h's. */
#include "ops/check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Limits of the specification's checker. */
#define MAX_FUNCTIONS 10000
#define MAX_CALL_DEPTH 100

typedef enum visit { UNSEEN, OPEN, DONE } visit;

/* A function, the functions that it calls, and where the search for cycles stands with it. */
typedef struct entry {
    mq_function *f;
    mq_map attrs; /* names that the body may refer to */
    MQ_VEC(struct entry *) calls;
    visit visit;
} entry;

typedef struct checker {
    mq_model *m;
    mq_findings *fs;
    mq_error *err;
    mq_arena *arena; /* keys */
    mq_map by_key;   /* "domain:name:overload" -> entry */
    entry *entries;
    entry *caller;   /* whose body is being walked; NULL: the main graph */
    mq_opset_vec imports; /* the model's, and of other domains the first that a function asks for */
} checker;

static void error(const checker *c, const char *code, mq_place at, const char *what)
{
    mq_finding_add(c->fs, MQ_SEVERITY_ERROR, code, at, "%s", what);
}

static const char *key_of(checker *c, const char *domain, const char *name, const char *overload)
{
    return mq_arena_printf(c->arena, "%s:%s:%s", mq_domain_norm(domain ? domain : ""), name,
                           overload ? overload : "");
}

static mq_place at_function(const mq_function *f)
{
    return MQ_PLACE_GRAPH(f->body);
}

/* ---- names -------------------------------------------------------------------------------------------------------- */

static mq_status index_functions(checker *c)
{
    for (size_t i = 0; i < c->m->n_functions; i++) {
        mq_function *f = c->m->functions[i];
        const char *key = key_of(c, f->domain, f->name, f->overload);

        c->entries[i].f = f;
        if (!key)
            return mq_oom(c->err);
        if (!*f->name)
            error(c, "function-name", at_function(f), "the function has no name");
        if (mq_map_get(&c->by_key, key))
            error(c, "function-duplicate", at_function(f),
                  "there are two functions of this domain, name and overload");
        else if (!mq_map_put(&c->by_key, key, &c->entries[i]))
            return mq_oom(c->err);
    }
    return MQ_OK;
}

/* Adds a name; twice is an error. */
static mq_status add_name(checker *c, mq_map *seen, const mq_function *f, const char *what, const char *name)
{
    if (mq_map_get(seen, name))
        mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "function-names", at_function(f), "%s '%s' is listed twice", what,
                       name);
    else if (!mq_map_put(seen, name, c))
        return mq_oom(c->err);
    return MQ_OK;
}

static mq_status check_names(checker *c, entry *e)
{
    mq_status rc = MQ_OK;
    mq_map outputs = { 0 };

    for (size_t i = 0; i < e->f->body->outputs.n; i++)
        MQ_TRY(add_name(c, &outputs, e->f, "output", e->f->body->outputs.items[i]->name));
    for (size_t i = 0; i < e->f->n_attrs; i++)
        MQ_TRY(add_name(c, &e->attrs, e->f, "attribute", e->f->attrs[i]));
    for (size_t i = 0; i < e->f->n_attr_protos; i++)
        if (!mq_map_put(&e->attrs, e->f->attr_protos[i]->name, e))
            MQ_TRY(mq_oom(c->err));
done:
    mq_map_release(&outputs);
    return rc;
}

/* ---- calls -------------------------------------------------------------------------------------------------------- */

/* The specification's checker does not compare calls with functions: warnings. */
static void check_call(checker *c, const mq_node *n, const entry *callee)
{
    const mq_function *f = callee->f;
    mq_place at = MQ_PLACE_NODE(n);

    if (n->n_inputs > f->body->inputs.n)
        mq_finding_add(c->fs, MQ_SEVERITY_WARNING, "function-call", at,
                       "it has %zu inputs, but the function takes %zu",
                       n->n_inputs, f->body->inputs.n);
    if (n->n_outputs > f->body->outputs.n)
        mq_finding_add(c->fs, MQ_SEVERITY_WARNING, "function-call", at,
                       "it has %zu outputs, but the function gives %zu",
                       n->n_outputs, f->body->outputs.n);
    for (size_t i = 0; i < n->n_attrs; i++)
        if (!mq_map_get(&callee->attrs, n->attrs[i]->name))
            mq_finding_add(c->fs, MQ_SEVERITY_WARNING, "function-call", at, "the function has no attribute '%s'",
                           n->attrs[i]->name);
}

static void check_refs(checker *c, const mq_node *n)
{
    for (size_t i = 0; i < n->n_attrs; i++)
        if (n->attrs[i]->ref && *n->attrs[i]->ref && !(c->caller && mq_map_get(&c->caller->attrs, n->attrs[i]->ref)))
            mq_finding_add(c->fs, MQ_SEVERITY_WARNING, "attr-ref",
                           (mq_place){ .node = n, .tensor = n->attrs[i]->name },
                           c->caller ? "attribute '%s' refers to '%s', which the function does not have"
                                     : "attribute '%s' refers to '%s', but only bodies of functions can refer",
                           n->attrs[i]->name, n->attrs[i]->ref);
}

static mq_status see_node(void *user, mq_node *n)
{
    checker *c = user;
    const char *key = key_of(c, n->domain, n->op_type, n->overload);
    entry *callee = key ? mq_map_get(&c->by_key, key) : NULL;

    if (!key)
        return mq_oom(c->err);
    check_refs(c, n);
    if (!callee)
        return MQ_OK;
    check_call(c, n, callee);
    return !c->caller || mq_vec_push(&c->caller->calls, callee) ? MQ_OK : mq_oom(c->err);
}

/* Depth first; every function is entered once. False once the calls are too deep or go round. */
static bool follow(checker *c, entry *e, int depth)
{
    if (depth > MAX_CALL_DEPTH) {
        error(c, "function-cycle", at_function(e->f), "calls go deeper than 100 functions");
        return false;
    }
    e->visit = OPEN;
    for (size_t i = 0; i < e->calls.n; i++) {
        entry *next = e->calls.items[i];

        if (next->visit == OPEN) {
            mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "function-cycle", at_function(e->f),
                           "it calls '%s::%s', which calls it: functions may not be recursive", next->f->domain,
                           next->f->name);
            return false;
        }
        if (next->visit == UNSEEN && !follow(c, next, depth + 1))
            return false;
    }
    e->visit = DONE;
    return true;
}

/* ---- opsets ------------------------------------------------------------------------------------------------------- */

static mq_status merge_imports(checker *c)
{
    int64_t version;

    for (size_t i = 0; i < c->m->opsets.n; i++)
        if (!mq_vec_push(&c->imports, c->m->opsets.items[i]))
            return mq_oom(c->err);
    for (size_t i = 0; i < c->m->n_functions; i++)
        for (size_t k = 0; k < c->m->functions[i]->opsets.n && c->imports.n < 1000; k++) {
            const mq_opset *o = &c->m->functions[i]->opsets.items[k];

            if (!mq_opset_import(&c->imports, o->domain, &version) && !mq_vec_push(&c->imports, *o))
                return mq_oom(c->err);
        }
    return MQ_OK;
}

/* The version as written: here "" and "ai.onnx" are not the same. */
static bool exact_import(const mq_opset_vec *imports, const char *domain, int64_t *version)
{
    for (size_t i = imports->n; i-- > 0;)
        if (strcmp(imports->items[i].domain, domain) == 0) {
            *version = imports->items[i].version;
            return true;
        }
    return false;
}

/* A body may import another version than the model only where the operator is the same in both. Nodes of the body
 * itself are asked, as the specification's checker does, not those of its subgraphs. */
static void check_versions(checker *c, const mq_node *n)
{
    int64_t here = 0, there = 0;
    const mq_op_schema *a, *b;

    if (!exact_import(&c->caller->f->opsets, n->domain, &here)) {
        mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "function-opset", MQ_PLACE_NODE(n),
                       "the function imports no opset of its domain '%s'", n->domain);
        return;
    }
    if (!exact_import(&c->imports, n->domain, &there) || here == there)
        return;
    a = mq_schema_of_spec(n->domain, n->op_type, here);
    b = mq_schema_of_spec(n->domain, n->op_type, there);
    if (a != b)
        mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "function-opset", MQ_PLACE_NODE(n),
                       "the function imports opset %" PRId64 " of '%s', the model %" PRId64 ", and %s differs in them",
                       here, n->domain, there, n->op_type);
}

/* ---- all ---------------------------------------------------------------------------------------------------------- */

static mq_status check_function(checker *c, entry *e)
{
    mq_status rc = MQ_OK;

    c->caller = e;
    MQ_TRY(mq_nodes_visit(e->f->body, see_node, c));
    for (const mq_node *n = e->f->body->first; n; n = n->next)
        check_versions(c, n);
done:
    c->caller = NULL;
    return rc;
}

static mq_status check_all(checker *c)
{
    mq_status rc = MQ_OK;
    bool sound = true;

    MQ_TRY(index_functions(c));
    for (size_t i = 0; i < c->m->n_functions; i++)
        MQ_TRY(check_names(c, &c->entries[i]));
    MQ_TRY(merge_imports(c));
    for (size_t i = 0; i < c->m->n_functions; i++)
        MQ_TRY(check_function(c, &c->entries[i]));
    for (size_t i = 0; sound && i < c->m->n_functions; i++)
        if (c->entries[i].visit == UNSEEN)
            sound = follow(c, &c->entries[i], 1);
    if (c->m->graph)
        MQ_TRY(mq_nodes_visit(c->m->graph, see_node, c));
done:
    return rc;
}

mq_status mq_check_functions(mq_model *m, mq_findings *fs, mq_error *err)
{
    mq_status rc = MQ_OK;
    checker c = { .m = m, .fs = fs, .err = err };

    if (m->n_functions > MAX_FUNCTIONS) {
        mq_finding_add(fs, MQ_SEVERITY_ERROR, "function-count", MQ_PLACE_MODEL, "%zu functions are more than %d",
                       m->n_functions, MAX_FUNCTIONS);
        return MQ_OK;
    }
    c.arena = mq_arena_create();
    c.entries = calloc(m->n_functions + 1, sizeof *c.entries);
    if (!c.arena || !c.entries)
        MQ_TRY(mq_oom(err));
    MQ_TRY(check_all(&c));
done:
    for (size_t i = 0; c.entries && i < m->n_functions; i++) {
        mq_map_release(&c.entries[i].attrs);
        mq_vec_release(&c.entries[i].calls);
    }
    free(c.entries);
    mq_vec_release(&c.imports);
    mq_map_release(&c.by_key);
    mq_arena_free(c.arena);
    return rc;
}
