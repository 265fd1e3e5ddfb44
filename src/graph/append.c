/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* One model's graph behind another's. */
#include <stdlib.h>
#include <string.h>

#include "graph/clone.h"
#include "graph/copy.h"

static mq_status merge_imports(mq_model *m, const mq_model *from, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < from->opsets.n && rc == MQ_OK; i++) {
        const mq_opset *o = &from->opsets.items[i];
        const int64_t here = mq_opset_of(m->graph, o->domain);

        if (here && here != o->version)
            rc = mq_fail(err, MQ_ERR_INPUT, "the models import versions %lld and %lld of '%s'", (long long)here,
                         (long long)o->version, o->domain[0] ? o->domain : "ai.onnx");
        else if (!here)
            rc = mq_opset_set(m, o->domain, o->version, err);
    }
    if (from->ir_version > m->ir_version)
        m->ir_version = from->ir_version;
    return rc;
}

static const mq_function *same_function(const mq_model *m, const mq_function *f)
{
    for (size_t i = 0; i < m->n_functions; i++) {
        const mq_function *other = m->functions[i];

        if (strcmp(other->name, f->name) == 0 && strcmp(mq_domain_norm(other->domain), mq_domain_norm(f->domain)) == 0 &&
            strcmp(other->overload, f->overload) == 0)
            return other;
    }
    return NULL;
}

static bool same_text(const mq_graph *a, const mq_graph *b, mq_error *err, mq_status *rc)
{
    char *texts[2] = { mq_graph_dump(a), mq_graph_dump(b) };
    const bool same = texts[0] && texts[1] && strcmp(texts[0], texts[1]) == 0;

    if (!texts[0] || !texts[1])
        *rc = mq_oom(err);
    free(texts[0]);
    free(texts[1]);
    return same;
}

/* Functions are called by name: of two that have the same one, both must do the same. */
static mq_status merge_functions(mq_model *m, const mq_model *from, mq_error *err)
{
    mq_copying k = { .to = m, .resolve_files = true, .err = err }; /* names inside a function meet no others */
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < from->n_functions && rc == MQ_OK; i++) {
        const mq_function *f = from->functions[i], *there = same_function(m, f);

        if (!there)
            rc = mq_copy_function(&k, f);
        else if (!same_text(there->body, f->body, err, &rc) && rc == MQ_OK)
            rc = mq_fail(err, MQ_ERR_INPUT, "both models have a function '%s', and they differ", f->name);
    }
    return rc;
}

/* Is g part of a function's body? Its names meet no others then. */
static bool is_apart(const mq_graph *g)
{
    while (g->parent)
        g = g->parent;
    return g->function != NULL;
}

/* Would the name meet another in m? Those of inner graphs must differ from those around them, not from each other. */
static bool is_taken(const mq_model *m, const char *name, bool inner)
{
    if (inner)
        return mq_graph_find_here(m->graph, name) != NULL;
    for (size_t i = 0; i < m->graphs.n; i++)
        if (!is_apart(m->graphs.items[i]) && mq_graph_find_here(m->graphs.items[i], name))
            return true;
    return false;
}

/* Is v no more than a declaration of what the graph does not have? */
static bool is_stale(const mq_value *v)
{
    return !v->producer && !v->is_input && !v->init && !v->sparse && !v->uses.n && !v->n_output_uses;
}

static mq_status check_names(const mq_copying *k, const mq_model *from)
{
    for (size_t i = 0; i < from->graphs.n; i++) {
        const mq_graph *g = from->graphs.items[i];

        for (size_t j = 0; !is_apart(g) && j < g->values.n; j++) {
            const mq_value *v = g->values.items[j];
            const char *name = mq_copy_name(k, v->name);

            if (!name)
                return mq_oom(k->err);
            if (!is_stale(v) && !mq_map_get(&k->bound, v->name) && is_taken(k->to, name, g != from->graph))
                return mq_fail(k->err, MQ_ERR_USAGE, "both models have a tensor '%s'", name);
        }
    }
    return MQ_OK;
}

static mq_status append_lists(const mq_copying *k, const mq_graph *g, mq_graph *to)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < g->inputs.n && rc == MQ_OK; i++)
        if (!mq_map_get(&k->bound, g->inputs.items[i]->name)) {
            mq_value *w = mq_copy_value(k, to, g->inputs.items[i]);

            rc = w ? mq_graph_add_input(to, w, k->err) : mq_oom(k->err);
        }
    for (size_t i = 0; i < g->outputs.n && rc == MQ_OK; i++) {
        mq_value *w = mq_copy_value(k, to, g->outputs.items[i]);

        if (w && w->n_output_uses)
            continue;
        rc = w ? mq_graph_add_output(to, w, k->err) : mq_oom(k->err);
    }
    return rc;
}

mq_status mq_model_append(mq_model *m, mq_model *from, const char *prefix, const mq_binding *bindings, size_t n_bindings,
                          mq_error *err)
{
    mq_copying k = { .to = m, .prefix = prefix, .join = "", .resolve_files = true, .err = err };
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < n_bindings; i++)
        if (!mq_map_put(&k.bound, bindings[i].from, bindings[i].to))
            MQ_TRY(mq_oom(err));
    MQ_TRY(merge_imports(m, from, err));
    MQ_TRY(check_names(&k, from));
    MQ_TRY(merge_functions(m, from, err));
    MQ_TRY(mq_copy_values(&k, from->graph, m->graph));
    MQ_TRY(mq_copy_inits(&k, from->graph, m->graph));
    MQ_TRY(mq_copy_body(&k, from->graph, m->graph, NULL));
    MQ_TRY(append_lists(&k, from->graph, m->graph));
    m->had_external |= from->had_external;
done:
    mq_map_release(&k.bound);
    return rc;
}

