/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* inline-functions: calls of model functions become the functions' nodes where that leaves no more of these: a function that
 * is called once, or has one node. Types are known there, so that other passes see what is inside.
 * Skipped for functions of several nodes that are called more than once (the file would grow), for those that import another
 * version of a domain than the model, have attributes, or read or give out what nobody makes, and for calls in the bodies of
 * other functions, which no pass changes.
 * Numerics: exact. */
#include <stdlib.h>
#include <string.h>

#include "graph/clone.h"
#include "passes/pass.h"

typedef struct calls {
    const mq_function *f;
    size_t n;
} calls;

typedef struct census {
    calls *of; /* for each function of the model, in order of address */
    size_t n;
} census;

static int by_address(const void *a, const void *b)
{
    const uintptr_t x = (uintptr_t)((const calls *)a)->f, y = (uintptr_t)((const calls *)b)->f;

    return x < y ? -1 : x > y;
}

static calls *find(const census *c, const mq_function *f)
{
    return bsearch(&(calls){ .f = f }, c->of, c->n, sizeof *c->of, by_address);
}

static void count_graph(census *c, const mq_graph *g)
{
    for (const mq_node *n = g->first; n; n = n->next) {
        const mq_function *f = mq_node_function(n);
        calls *k = f ? find(c, f) : NULL;

        if (k)
            k->n++;
        for (size_t i = 0; i < n->n_attrs; i++)
            for (size_t j = 0; n->attrs[i]->graphs && j < n->attrs[i]->n; j++)
                count_graph(c, n->attrs[i]->graphs[j]);
    }
}

/* Every call in the model. */
static void count_calls(census *c, const mq_model *m)
{
    c->n = m->n_functions;
    for (size_t i = 0; i < c->n; i++)
        c->of[i] = (calls){ .f = m->functions[i] };
    qsort(c->of, c->n, sizeof *c->of, by_address);
    count_graph(c, m->graph);
    for (size_t i = 0; i < m->n_functions; i++)
        count_graph(c, m->functions[i]->body);
}

/* The model sees the operators that the function sees. */
static bool same_versions(const mq_function *f)
{
    const mq_graph *main = f->body->model->graph;

    for (size_t i = 0; i < f->opsets.n; i++) {
        const mq_opset *o = &f->opsets.items[i];
        const int64_t here = mq_opset_of(main, mq_domain_norm(o->domain));

        if (here && here != o->version)
            return false;
    }
    return true;
}

/* Constant nodes are no nodes of the model's count. */
static size_t count_nodes(const mq_graph *g)
{
    size_t n = 0;

    for (const mq_node *k = g->first; k; k = k->next)
        n += !mq_node_is(k, "", "Constant");
    return n;
}

static bool is_made(const mq_value *v)
{
    return !v || v->producer || v->init || v->sparse || v->is_input;
}

/* Everything that is read or given out is made: a function may be broken, and its calls would pass it on. */
static bool is_whole(const mq_graph *g)
{
    bool whole = true;

    for (const mq_node *n = g->first; n && whole; n = n->next) {
        for (size_t i = 0; i < n->n_inputs; i++)
            whole = whole && is_made(n->inputs[i]);
        for (size_t i = 0; i < n->n_attrs; i++)
            for (size_t j = 0; n->attrs[i]->graphs && j < n->attrs[i]->n; j++)
                whole = whole && is_whole(n->attrs[i]->graphs[j]);
    }
    for (size_t i = 0; i < g->outputs.n; i++)
        whole = whole && is_made(g->outputs.items[i]);
    return whole;
}

static bool takes(void *user, const mq_function *f)
{
    const calls *k = find(user, f);

    return k && !f->n_attrs && !f->n_attr_protos && (k->n == 1 || count_nodes(f->body) <= 1) && same_versions(f) &&
           is_whole(f->body);
}

/* Those that were inlined everywhere, and then those that only they called. */
static mq_status drop_functions(census *wanted, mq_model *m, mq_error *err)
{
    census left = { .of = calloc(m->n_functions + 1, sizeof *left.of) };
    size_t before = m->n_functions + 1;
    mq_status rc = left.of ? MQ_OK : mq_oom(err);

    while (rc == MQ_OK && m->n_functions < before) {
        before = m->n_functions;
        count_calls(&left, m);
        for (size_t i = m->n_functions; i-- > 0 && rc == MQ_OK;)
            if (find(&left, m->functions[i])->n == 0 && find(wanted, m->functions[i])->n > 0)
                rc = mq_model_remove_function(m, m->functions[i], err);
    }
    free(left.of);
    return rc;
}

/* Outputs of graphs come through Identity: what it reads takes their names. */
static mq_status join_outputs(mq_graph *g, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (mq_node *n = g->first, *next; n && rc == MQ_OK; n = next) {
        const bool same = mq_node_is(n, "", "Identity") && n->n_inputs == 1 && n->n_outputs == 1;
        mq_value *in = same ? n->inputs[0] : NULL, *out = same ? n->outputs[0] : NULL;
        mq_node *maker = in ? in->producer : NULL;

        next = n->next;
        for (size_t i = 0; i < n->n_attrs && rc == MQ_OK; i++)
            for (size_t j = 0; n->attrs[i]->graphs && j < n->attrs[i]->n && rc == MQ_OK; j++)
                rc = join_outputs(n->attrs[i]->graphs[j], err);
        if (!out || !out->n_output_uses || !maker || maker->graph != g || in->n_output_uses)
            continue;
        const size_t index = in->producer_index;

        mq_node_remove(n);
        MQ_TRY(mq_node_set_output(maker, index, NULL, err));
        MQ_TRY(mq_node_set_output(maker, index, out, err));
        MQ_TRY(mq_value_replace_uses(in, out, err));
    }
done:
    return rc;
}

static mq_status run(mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    mq_model *m = g->model;
    census c = { .n = 0 };
    size_t n = 0;
    mq_status rc;

    if (g != m->graph || !m->n_functions || ctx->keep_functions)
        return MQ_OK;
    if (!(c.of = calloc(m->n_functions, sizeof *c.of)))
        return mq_oom(err);
    count_calls(&c, m);
    rc = mq_model_inline_some(m, takes, &c, &n, err);
    if (rc == MQ_OK && n)
        rc = drop_functions(&c, m, err);
    if (rc == MQ_OK && n)
        rc = join_outputs(g, err);
    *n_changed += n;
    free(c.of);
    return rc;
}

const mq_pass mq_pass_inline_functions = {
    .name = "inline-functions",
    .summary = "put the nodes of functions that are called once in the place of the call",
    .run = run,
};
