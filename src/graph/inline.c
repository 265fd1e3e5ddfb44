/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Function calls become the function's nodes. */
#include <string.h>

#include "graph/clone.h"
#include "graph/copy.h"

#define MAX_CALLS 100000 /* inlined calls: a small file can ask for 2^n of them */

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
    mq_copying k = { .to = m, .join = "/", .call = call, .function = f, .err = err };
    mq_status rc;

    MQ_TRY(same_opsets(f, f->body, m, err));
    if (!(k.prefix = mq_arena_printf(m->arena, "%s/%s#%zu", mq_node_label(call), f->name, serial)))
        MQ_TRY(mq_oom(err));
    MQ_TRY(mq_copy_values(&k, f->body, g));
    MQ_TRY(mq_copy_inits(&k, f->body, g));
    for (size_t i = 0; i < f->body->inputs.n; i++) {
        mq_value *formal = mq_copy_value(&k, g, f->body->inputs.items[i]);

        if (!formal)
            MQ_TRY(mq_oom(err));
        if (i < call->n_inputs && call->inputs[i])
            MQ_TRY(bind(g, call, call->inputs[i], formal, err));
    }
    MQ_TRY(mq_copy_body(&k, f->body, g, call));
    for (size_t i = 0; i < f->body->inputs.n; i++)
        if (i >= call->n_inputs || !call->inputs[i])
            MQ_TRY(drop_uses(mq_copy_value(&k, g, f->body->inputs.items[i]), err));
    for (size_t i = 0; i < call->n_outputs && i < f->body->outputs.n; i++) {
        mq_value *to = call->outputs[i], *from = mq_copy_value(&k, g, f->body->outputs.items[i]);

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

/* Which calls: all when `takes` is NULL; and how many it have been. */
typedef struct inlining {
    bool (*takes)(void *user, const mq_function *f);
    void *user;
    size_t count;
} inlining;

/* Inlines the calls of g and its inner graphs; new nodes stand before the call and are walked again. */
static mq_status inline_graph(mq_graph *g, inlining *t, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (mq_node *n = g->first, *next; n && rc == MQ_OK; n = next) {
        mq_node *prev = n->prev;
        const mq_function *f = mq_node_function(n);

        next = n->next;
        if (!f || (t->takes && !t->takes(t->user, f))) {
            for (size_t i = 0; i < n->n_attrs && rc == MQ_OK; i++)
                for (size_t j = 0; n->attrs[i]->graphs && j < n->attrs[i]->n && rc == MQ_OK; j++)
                    rc = inline_graph(n->attrs[i]->graphs[j], t, err);
            continue;
        }
        rc = inline_call(n, f, ++t->count, err);
        next = prev ? prev->next : g->first;
    }
    return rc;
}

/* How deep the functions called in g call each other; more than MQ_COPY_DEPTH: they never end, or are not worth it. */
static mq_status check_calls(const mq_graph *g, int depth, size_t *n_looked, mq_error *err)
{
    mq_status rc = MQ_OK;

    if (depth > MQ_COPY_DEPTH || ++*n_looked > MAX_CALLS)
        return mq_fail(err, MQ_ERR_INPUT, "functions call each other more than %d deep or %d times (or themselves)",
                       MQ_COPY_DEPTH,
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

mq_status mq_model_inline_some(mq_model *m, bool (*takes)(void *user, const mq_function *f), void *user, size_t *n_inlined,
                               mq_error *err)
{
    inlining t = { .takes = takes, .user = user };
    size_t n_looked = 0;
    mq_status rc = MQ_OK;

    if (m->graph && m->n_functions && (rc = check_calls(m->graph, 0, &n_looked, err)) == MQ_OK)
        rc = inline_graph(m->graph, &t, err);
    if (n_inlined)
        *n_inlined = t.count;
    return rc;
}

mq_status mq_model_inline_functions(mq_model *m, size_t *n_inlined, mq_error *err)
{
    return mq_model_inline_some(m, NULL, NULL, n_inlined, err);
}

mq_status mq_model_remove_function(mq_model *m, mq_function *f, mq_error *err)
{
    mq_function *at = mq_map_get(&m->function_names, f->name);
    size_t i = 0;

    if (at == f) {
        if (f->same_name && !mq_map_put(&m->function_names, f->same_name->name, f->same_name))
            return mq_oom(err);
        if (!f->same_name)
            mq_map_remove(&m->function_names, f->name);
    }
    while (at && at != f && at->same_name != f)
        at = at->same_name;
    if (at && at != f)
        at->same_name = f->same_name;
    f->same_name = NULL;
    while (f->body->last)
        mq_node_remove(f->body->last);
    while (i < m->n_functions && m->functions[i] != f)
        i++;
    if (i < m->n_functions)
        memmove(&m->functions[i], &m->functions[i + 1], (--m->n_functions - i) * sizeof *m->functions);
    return MQ_OK;
}
