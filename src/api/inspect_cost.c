/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What running costs, from inferred shapes: multiply-accumulates, and the memory of activations when nodes run in the
 * file's order and every result has a buffer of its own from the node that makes it to the last that reads it. Bodies of
 * loops count once, bodies of functions for each call; both branches of an If count. Constants are no activations, those
 * behind DequantizeLinear neither. */
#include <stdlib.h>
#include <string.h>

#include "api/inspect_parts.h"
#include "graph/verify.h"

/* Functions that call functions that ... can mean more calls than there is time: after so many nodes the rest is unknown. */
enum { BUDGET = 20000, BUDGET_FACTOR = 16, LIST_BUDGET = 200000 };

static void add_to(uint64_t *sum, uint64_t n)
{
    if (__builtin_add_overflow(*sum, n, sum))
        *sum = UINT64_MAX;
}

/* The function whose body a node runs: operators of the table are no calls even when the model has such a function. */
static const mq_graph *called_body(const mq_node *n)
{
    const mq_function *f =
        n->graph->model->n_functions && !mq_rule_find(mq_domain_norm(n->domain), n->op_type) ? mq_node_function(n) : NULL;
    return f ? f->body : NULL;
}

/* ---- MACs --------------------------------------------------------------------------------------------------------- */

typedef struct macs {
    uint64_t known, unknown;
    size_t left; /* of the budget */
} macs;

static void count_graph(macs *sum, const mq_graph *g, int depth);

static void count_node(macs *sum, const mq_node *n, int depth)
{
    const bool given_up = sum->left == 0 || depth >= MQ_MAX_NESTING;
    const mq_op_rule *rule = given_up ? NULL : mq_rule_find(mq_domain_norm(n->domain), n->op_type);
    const int64_t own = given_up ? -1 : rule && rule->macs ? rule->macs(n) : 0;
    const mq_graph *body;

    if (own < 0)
        add_to(&sum->unknown, 1);
    else
        add_to(&sum->known, (uint64_t)own);
    sum->left -= sum->left > 0; /* what is too deep costs time as well */
    if (given_up || sum->left == 0)
        return;
    if (!rule && (body = called_body(n)))
        count_graph(sum, body, depth + 1);
    for (size_t i = 0; i < n->n_attrs; i++)
        for (size_t k = 0; n->attrs[i]->graphs && k < n->attrs[i]->n; k++)
            count_graph(sum, n->attrs[i]->graphs[k], depth + 1);
}

static void count_graph(macs *sum, const mq_graph *g, int depth)
{
    for (const mq_node *n = g->first; n && sum->left > 0; n = n->next)
        count_node(sum, n, depth);
}

int64_t mq_inspect_node_macs(mq_inspect_ctx *c, const mq_node *n)
{
    const size_t left = c->macs_seen < LIST_BUDGET ? LIST_BUDGET - c->macs_seen : 1;
    macs sum = { .left = left };

    count_node(&sum, n, 0);
    c->macs_seen += left - sum.left;
    return sum.unknown || sum.known > INT64_MAX ? -1 : (int64_t)sum.known;
}

int64_t mq_node_macs(const mq_node *n)
{
    macs sum = { .left = LIST_BUDGET };

    count_node(&sum, n, 0);
    return sum.unknown || sum.known > INT64_MAX ? -1 : (int64_t)sum.known;
}

int64_t mq_model_macs(const mq_model *m)
{
    macs sum = { .left = LIST_BUDGET };

    if (m->graph)
        count_graph(&sum, m->graph, 0);
    return sum.unknown || sum.left == 0 || sum.known > INT64_MAX ? -1 : (int64_t)sum.known;
}

/* ---- activations -------------------------------------------------------------------------------------------------- */

typedef struct memory {
    uint64_t sum, unknown;
    const mq_node *peak_at; /* in the outermost graph */
    size_t left;            /* of the budget */
} memory;

/* Bytes of a value; false when they are not known. */
static bool value_bytes(const mq_value *v, uint64_t *bytes)
{
    const mq_type *t = v->type ? v->type : v->declared;
    uint64_t n = 1;

    if (!t || t->kind != MQ_TYPE_TENSOR || t->rank < 0)
        return false;
    for (int i = 0; i < t->rank; i++)
        if (!mq_dim_known(t->dims[i]) || __builtin_mul_overflow(n, (uint64_t)t->dims[i].value, &n))
            return false;
    return mq_dtype_bytes(t->dtype, n, bytes);
}

/* The place in g's list of the node that u belongs to, directly or by a graph inside; 0 when it is elsewhere. */
static size_t place_in(const mq_graph *g, const mq_node *u)
{
    while (u && u->graph && u->graph != g)
        u = u->graph->owner;
    return u && u->graph == g ? u->tag : 0;
}

/* A weight in disguise: the Constant node, or DequantizeLinear of a constant. */
static bool is_constant(const mq_value *v)
{
    const mq_node *n = v->producer;

    if (v->init || v->sparse || (n && mq_node_is(n, "", "Constant")))
        return true;
    return n && mq_node_is(n, "", "DequantizeLinear") && n->n_inputs > 0 && n->inputs[0] &&
           mq_value_constant(n->inputs[0], true);
}

static bool is_activation(const mq_value *v, bool inner)
{
    if (is_constant(v))
        return false;
    return v->producer || (v->is_input && !inner); /* what goes into an inner graph is alive outside */
}

/* Adds the life of every value of g to alive: +bytes where it begins, -bytes behind its end (sums modulo 2^64 are exact as
 * long as the true ones fit). */
static void add_lives(memory *m, const mq_graph *g, uint64_t *alive, bool inner)
{
    for (size_t i = 0; i < g->values.n; i++) {
        const mq_value *v = g->values.items[i];
        size_t begin = v->producer ? v->producer->tag : 0, end = begin;
        uint64_t bytes;
        if (!is_activation(v, inner))
            continue;
        if (!value_bytes(v, &bytes)) {
            m->unknown++;
            continue;
        }
        for (size_t k = 0; k < v->uses.n; k++) {
            size_t at = place_in(g, v->uses.items[k].node);
            end = at > end ? at : end;
        }
        if (v->n_output_uses)
            end = g->n_nodes;
        alive[begin] += bytes;
        alive[end + 1] -= bytes;
        add_to(&m->sum, bytes);
    }
}

static mq_status graph_peak(memory *m, const mq_graph *g, int depth, uint64_t *peak, mq_error *err);

/* The largest peak of the graphs that a node runs. */
static mq_status inner_peak(memory *m, const mq_node *n, int depth, uint64_t *peak, mq_error *err)
{
    const mq_graph *body = called_body(n);
    mq_status rc = MQ_OK;

    *peak = 0;
    if (depth >= MQ_MAX_NESTING || m->left == 0)
        return MQ_OK;
    if (body)
        MQ_TRY(graph_peak(m, body, depth + 1, peak, err));
    for (size_t i = 0; i < n->n_attrs; i++)
        for (size_t k = 0; n->attrs[i]->graphs && k < n->attrs[i]->n; k++) {
            uint64_t one = 0;
            MQ_TRY(graph_peak(m, n->attrs[i]->graphs[k], depth + 1, &one, err));
            *peak = one > *peak ? one : *peak;
        }
done:
    return rc;
}

static mq_status graph_peak(memory *m, const mq_graph *g, int depth, uint64_t *peak, mq_error *err)
{
    uint64_t *alive, now, inner;
    size_t i = 0;
    mq_status rc = MQ_OK;

    if (m->left < g->n_nodes + g->values.n) {
        m->left = 0;
        m->unknown++;
        return MQ_OK;
    }
    m->left -= g->n_nodes + g->values.n;
    if (!(alive = calloc(g->n_nodes + 2, sizeof *alive)))
        return mq_oom(err);
    for (mq_node *n = g->first; n; n = n->next)
        n->tag = ++i;
    add_lives(m, g, alive, depth > 0);
    *peak = now = alive[0];
    i = 0;
    for (const mq_node *n = g->first; n; n = n->next) {
        MQ_TRY(inner_peak(m, n, depth, &inner, err));
        now += alive[++i];
        if (now + inner > *peak) {
            *peak = now + inner;
            if (depth == 0)
                m->peak_at = n;
        }
    }
done:
    free(alive);
    return rc;
}

mq_status mq_inspect_cost(mq_inspect_ctx *c, mq_error *err)
{
    size_t budget = BUDGET;
    memory m = { 0 };
    macs total = { 0 };
    mq_status rc;

    for (size_t i = 0; i < c->model->graphs.n; i++)
        budget += BUDGET_FACTOR * (c->model->graphs.items[i]->n_nodes + c->model->graphs.items[i]->values.n);
    m.left = total.left = budget;
    count_graph(&total, c->model->graph, 0);
    c->out->macs = total.known;
    c->out->macs_unknown = total.unknown;
    rc = graph_peak(&m, c->model->graph, 0, &c->out->activation_peak, err);
    c->out->activation_sum = m.sum;
    c->out->activations_unknown = m.unknown;
    c->out->activation_peak_at = "";
    if (rc == MQ_OK && m.peak_at && !(c->out->activation_peak_at = mq_inspect_node_text(c, m.peak_at)))
        rc = mq_oom(err);
    return rc;
}
