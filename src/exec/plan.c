/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Makes a plan: a private copy of the model, cut to what is asked for, raised to the newest opset, rewritten by the
 * engine's passes, and turned into steps. */
#include "exec/exec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec/internal.h"
#include "exec/optimize.h"
#include "graph/clone.h"
#include "model/sparse.h"
#include "ops/ops.h"
#include "passes/edges.h"
#include "passes/pass.h"

#define OLDEST_RAISED 7 /* the first opset that adapters know */
#define LISTED 8 /* operators without a kernel that are told one by one */

/* ---- the part to run ----------------------------------------------------------------------------------------------- */

static mq_status find_named(mq_graph *g, const char *name, mq_value **out, mq_error *err)
{
    mq_value *v = mq_graph_find_here(g, name);

    if (!v)
        return mq_fail(err, MQ_ERR_USAGE, "the model has no tensor '%s'", name);
    *out = v;
    return MQ_OK;
}

/* Boundary tensors become the graph's inputs, in the order given. */
static mq_status set_inputs(mq_graph *g, const mq_plan_opts *o, mq_error *err)
{
    mq_status rc = MQ_OK;

    while (g->inputs.n)
        mq_graph_remove_input(g, g->inputs.items[g->inputs.n - 1]);
    for (size_t i = 0; i < o->n_inputs && rc == MQ_OK; i++) {
        mq_value *v = NULL;

        if ((rc = find_named(g, o->inputs[i], &v, err)) != MQ_OK)
            break;
        if (v->producer)
            rc = mq_node_set_output(v->producer, v->producer_index, NULL, err);
        mq_value_clear_init(v);
        if (rc == MQ_OK && !v->is_input)
            rc = mq_graph_add_input(g, v, err);
    }
    return rc;
}

/* Outputs, then kept tensors: those stay because they are outputs to every pass; bodies leave them out again. */
static mq_status set_outputs(mq_plan *p, mq_error *err)
{
    mq_graph *g = p->model->graph;
    const mq_plan_opts *o = &p->opts;
    mq_status rc = MQ_OK;
    mq_value *v = NULL;

    if (o->outputs)
        mq_graph_clear_outputs(g);
    for (size_t i = 0; o->outputs && i < o->n_outputs && rc == MQ_OK; i++)
        if ((rc = find_named(g, o->outputs[i], &v, err)) == MQ_OK)
            rc = mq_graph_add_output(g, v, err);
    p->n_real_outputs = g->outputs.n;
    for (size_t i = 0; i < o->n_keep && rc == MQ_OK; i++)
        if ((rc = find_named(g, o->keep[i], &v, err)) == MQ_OK)
            rc = mq_graph_add_output(g, v, err);
    for (size_t i = 0; o->keep_all && i < g->values.n && rc == MQ_OK; i++)
        if (g->values.items[i]->producer && !g->values.items[i]->n_output_uses)
            rc = mq_graph_add_output(g, g->values.items[i], err);
    return rc;
}

/* ---- what has no kernel -------------------------------------------------------------------------------------------- */

static bool graph_lacks_kernel(const mq_plan *p, const mq_graph *g);

static bool lacks_kernel(const mq_plan *p, const mq_node *n)
{
    const char *domain = mq_domain_norm(n->domain);

    if (!mq_kernel_find(domain, n->op_type) && (p->opts.reference || !mq_fast_find(domain, n->op_type, NULL)))
        return true;
    for (size_t i = 0; i < n->n_attrs; i++)
        for (size_t j = 0; n->attrs[i]->graphs && j < n->attrs[i]->n; j++)
            if (graph_lacks_kernel(p, n->attrs[i]->graphs[j]))
                return true;
    return false;
}

static bool graph_lacks_kernel(const mq_plan *p, const mq_graph *g)
{
    for (const mq_node *n = g->first; n; n = n->next)
        if (lacks_kernel(p, n))
            return true;
    return false;
}

/* The node that is to be named: the innermost one without a kernel. */
static const mq_node *innermost(const mq_plan *p, const mq_node *n)
{
    for (size_t i = 0; i < n->n_attrs; i++)
        for (size_t j = 0; n->attrs[i]->graphs && j < n->attrs[i]->n; j++)
            for (const mq_node *k = n->attrs[i]->graphs[j]->first; k; k = k->next)
                if (lacks_kernel(p, k))
                    return innermost(p, k);
    return n;
}

static mq_status add_missing(mq_plan *p, const mq_node *n, mq_error *err)
{
    const mq_node *at = innermost(p, n);
    const mq_missing m = { .node = mq_node_label(at), .op_type = at->op_type, .domain = at->domain,
                           .version = mq_opset_of(at->graph, at->domain) };

    return mq_vec_push(&p->missing, m) ? MQ_OK : mq_oom(err);
}

static mq_status fail_missing(const mq_plan *p, mq_error *err)
{
    const mq_missing *first = &p->missing.items[0];
    char others[512] = "";
    size_t n = 0, told = 0;

    for (size_t i = 1; i < p->missing.n && told < LISTED; i++) {
        bool seen = false;

        for (size_t k = 0; k < i && !seen; k++)
            seen = strcmp(p->missing.items[k].op_type, p->missing.items[i].op_type) == 0;
        if (!seen && n < sizeof others) {
            n += (size_t)snprintf(others + n, sizeof others - n, "%s%s", told ? ", " : "; also: ",
                                  p->missing.items[i].op_type);
            told++;
        }
    }
    return mq_fail(err, MQ_ERR_UNSUPPORTED, "node '%s' (%s%s%s %lld) has no kernel here%s", first->node,
                   mq_domain_norm(first->domain), *mq_domain_norm(first->domain) ? "::" : "", first->op_type,
                   (long long)first->version, others);
}

/* Takes out nodes without a kernel and everything that needs what they make; an output that goes with them stays in the
 * list, without a producer. */
static mq_status drop_missing(mq_plan *p, mq_error *err)
{
    mq_graph *g = p->model->graph;

    for (mq_node *n = g->first; n; n = n->next)
        n->tag = 0; /* k: lies behind the k-th missing node, or is it */
    for (mq_node *n = g->first; n; n = n->next) {
        if (lacks_kernel(p, n)) {
            mq_status rc = add_missing(p, n, err);

            if (rc != MQ_OK)
                return rc;
            n->tag = p->missing.n;
            continue;
        }
        for (size_t i = 0; i < n->n_inputs && !n->tag; i++)
            if (n->inputs[i] && n->inputs[i]->producer && n->inputs[i]->graph == g)
                n->tag = n->inputs[i]->producer->tag;
        if (n->tag)
            p->missing.items[n->tag - 1].behind++;
    }
    if (p->missing.n && !p->opts.partial)
        return fail_missing(p, err);
    for (mq_node *n = g->last, *prev; n; n = prev) {
        prev = n->prev;
        if (n->tag)
            mq_node_remove(n);
    }
    return MQ_OK;
}

/* ---- making -------------------------------------------------------------------------------------------------------- */

/* Does every operator mean the same in both versions? */
static bool same_since(const mq_graph *g, int64_t now, int64_t newest)
{
    for (const mq_node *n = g->first; n; n = n->next) {
        const mq_op_schema *a, *b;

        if (*mq_domain_norm(n->domain))
            continue;
        a = mq_schema_find("", n->op_type, now);
        b = mq_schema_find("", n->op_type, newest);
        if (!a || !b || a->since != b->since)
            return false;
    }
    return true;
}

static mq_status raise_opset(mq_plan *p, mq_error *err)
{
    const int newest = mq_schema_newest_opset();
    const int64_t now = mq_opset_of(p->model->graph, "");
    mq_status rc;

    if (now <= 0 || now >= newest || (now < OLDEST_RAISED && same_since(p->model->graph, now, newest)))
        return MQ_OK;
    if ((rc = mq_infer_model(p->model, NULL, NULL, err)) != MQ_OK)
        return rc;
    return mq_opset_raise(p->model, newest, NULL, err);
}

/* Kernels make every required output: one that the node leaves unnamed gets a name that nobody reads. */
static mq_status name_outputs(mq_node *n, mq_error *err)
{
    const mq_op_schema *schema = mq_node_schema(n);
    mq_status rc = MQ_OK;

    for (size_t i = 0; schema && i < n->n_outputs && rc == MQ_OK; i++) {
        const mq_op_param *p = mq_schema_output(schema, i);
        mq_value *v;

        if (n->outputs[i] || !p || p->option == MQ_PARAM_OPTIONAL)
            continue;
        rc = (v = mq_value_create_unique(n->graph, "unnamed")) ? mq_node_set_output(n, i, v, err) : mq_oom(err);
    }
    return rc;
}

static mq_status name_required_outputs(mq_model *m, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < m->graphs.n && rc == MQ_OK; i++)
        for (mq_node *n = m->graphs.items[i]->first; n && rc == MQ_OK; n = n->next)
            rc = name_outputs(n, err);
    return rc;
}

static mq_status mark_watched(mq_plan *p, mq_error *err)
{
    mq_body *b = p->main;
    const mq_graph *g = p->model->graph;

    if (!(b->watched = mq_arena_calloc(p->model->arena, b->n_slots + 1, sizeof *b->watched)))
        return mq_oom(err);
    if (!p->opts.n_keep && !p->opts.keep_all)
        return MQ_OK;
    for (size_t i = 0; i < g->outputs.n; i++) {
        const mq_value *v = g->outputs.items[i];

        if (v->tag && v->graph == g && (i >= p->n_real_outputs || p->opts.keep_all))
            b->watched[v->tag - 1] = v;
    }
    return MQ_OK;
}

/* What was looked at to make the plan need not stay resident: runs read what they need. */
static void give_pages(const mq_model *m)
{
    for (size_t i = 0; i < m->bufs.n; i++)
        mq_buf_done_with(m->bufs.items[i], m->bufs.items[i]->data, m->bufs.items[i]->size);
}

static mq_status make_plan(mq_plan *p, const mq_model *m, mq_error *err)
{
    size_t moved;
    mq_status rc;

    if (!m->graph)
        return mq_fail(err, MQ_ERR_INPUT, "the model has no graph");
    MQ_TRY(mq_model_clone(&p->model, m, err));
    if (p->opts.float_edges)
        MQ_TRY(mq_edges_to_float(p->model, NULL, err));
    if (m->has_ir_version && m->ir_version < 4) /* each had to be listed then, and none could be overridden */
        mq_graph_unlist_inits(p->model->graph);
    if (p->opts.inputs)
        MQ_TRY(set_inputs(p->model->graph, &p->opts, err));
    MQ_TRY(set_outputs(p, err));
    MQ_TRY(mq_model_inline_functions(p->model, NULL, err));
    MQ_TRY(mq_graph_sort(p->model->graph, &moved, err));
    mq_graph_drop_dead(p->model->graph, NULL);
    MQ_TRY(mq_model_make_dense(p->model, err)); /* kernels and passes know no other tensors */
    MQ_TRY(raise_opset(p, err));
    MQ_TRY(drop_missing(p, err));
    if (!p->opts.reference && !p->opts.training)
        MQ_TRY(mq_plan_optimize(p, err));
    else
        MQ_TRY(mq_infer_model(p->model, NULL, NULL, err));
    mq_graph_drop_dead(p->model->graph, NULL);
    MQ_TRY(name_required_outputs(p->model, err));
    MQ_TRY(mq_plan_build(p, err));
    MQ_TRY(mark_watched(p, err));
    give_pages(m);
    give_pages(p->model);
done:
    return rc;
}

mq_status mq_plan_create(mq_plan **out, mq_model *m, const mq_plan_opts *opts, const mq_hooks *hooks, mq_error *err)
{
    mq_plan *p = calloc(1, sizeof *p);
    mq_status rc;

    if (!p)
        return mq_oom(err);
    if (opts)
        p->opts = *opts;
    pthread_mutex_init(&p->lock, NULL);
    if ((rc = mq_check_cancelled(hooks, err)) == MQ_OK)
        rc = make_plan(p, m, err);
    if (rc == MQ_OK)
        *out = p;
    else
        mq_plan_free(p);
    return rc;
}

static void free_derived_of(mq_step *s, size_t input, bool all)
{
    mq_derived *d = atomic_load(&s->derived), *kept = NULL, *next;

    for (; d; d = next) {
        next = d->next;
        if (!all && d->input != input) {
            d->next = kept;
            kept = d;
            continue;
        }
        d->release(d->thing);
        free(d->key);
        free(d);
    }
    atomic_store(&s->derived, kept);
}

void mq_plan_free(mq_plan *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->steps.n; i++)
        free_derived_of(p->steps.items[i], 0, true);
    for (size_t i = 0; i < p->constants.n; i++) {
        p->constants.items[i]->constant = false;
        mq_array_unref(p->constants.items[i]);
    }
    for (mq_layout_note *l = p->layouts, *next; l; l = next) {
        next = l->next;
        free(l);
    }
    mq_vec_release(&p->constants);
    mq_vec_release(&p->missing);
    mq_map_release(&p->constant_of);
    mq_model_free(p->model);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* ---- asking -------------------------------------------------------------------------------------------------------- */

size_t mq_plan_n_inputs(const mq_plan *p)
{
    return p->main->n_inputs;
}

size_t mq_plan_n_outputs(const mq_plan *p)
{
    return p->main->n_outputs;
}

const mq_value *mq_plan_input(const mq_plan *p, size_t i)
{
    return p->model->graph->inputs.items[i];
}

const mq_value *mq_plan_output(const mq_plan *p, size_t i)
{
    return p->model->graph->outputs.items[i];
}

bool mq_plan_input_optional(const mq_plan *p, size_t i)
{
    const mq_type *t = p->model->graph->inputs.items[i]->declared;

    return p->main->defaults[i] || (t && t->kind == MQ_TYPE_OPTIONAL);
}

const mq_missing *mq_plan_missing(const mq_plan *p, size_t *n)
{
    *n = p->missing.n;
    return p->missing.items;
}

const mq_model *mq_plan_model(const mq_plan *p)
{
    return p->model;
}

mq_status mq_plan_set_constant(mq_plan *p, const char *name, const mq_array *value, mq_error *err)
{
    mq_array *a = mq_map_get(&p->constant_of, name), *copy;
    mq_status rc;

    if (!a)
        return mq_fail(err, MQ_ERR_USAGE, "'%s' is no constant that the plan kept", name);
    if (value->kind != a->kind || value->dtype != a->dtype || value->rank != a->rank ||
        memcmp(value->dims, a->dims, (size_t)a->rank * sizeof *a->dims) != 0 || value->layout)
        return mq_fail(err, MQ_ERR_USAGE, "constant '%s' cannot change its type or shape", name);
    if ((rc = mq_array_copy(&copy, value, err)) != MQ_OK)
        return rc;
    mq_block_unref(a->block);
    a->block = mq_block_ref(copy->block);
    a->data = copy->data;
    p->generation++;
    mq_array_unref(copy);
    for (size_t i = 0; i < p->steps.n; i++)
        for (size_t k = 0; k < p->steps.items[i]->node->n_inputs; k++)
            if (p->steps.items[i]->in[k].constant == a)
                free_derived_of(p->steps.items[i], k, false);
    return MQ_OK;
}
