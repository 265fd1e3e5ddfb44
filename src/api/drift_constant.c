/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What can be computed from constants alone, and its values. One pass in the order of the nodes tells it; each node is
 * computed once, however many read it. */
#include <string.h>

#include "api/drift_job.h"
#include "base/map.h"
#include "exec/kernel.h"
#include "passes/weight_inputs.h"

#define DEPTH 16 /* of nodes between a constant and who reads it */

/* ---- which ---------------------------------------------------------------------------------------------------------- */

bool mq_layers_has_graphs(const mq_node *n)
{
    for (size_t i = 0; i < n->n_attrs; i++)
        if (n->attrs[i]->graphs)
            return true;
    return false;
}

/* Nodes up to what the value comes from; 0: it is none, or too deep. */
static size_t depth_of(const mq_node *n)
{
    const mq_kernel *k = mq_kernel_find(mq_domain_norm(n->domain), n->op_type);
    size_t deepest = 0;

    if (n->n_inputs == 0 || mq_layers_has_graphs(n) || (k && k->flags & MQ_KERNEL_RANDOM))
        return 0;
    for (size_t i = 0; i < n->n_inputs; i++) {
        if (!n->inputs[i] || mq_value_constant(n->inputs[i], false))
            continue;
        if (n->inputs[i]->tag == 0)
            return 0;
        deepest = n->inputs[i]->tag > deepest ? n->inputs[i]->tag : deepest;
    }
    return deepest < DEPTH ? deepest + 1 : 0;
}

void mq_layers_mark(mq_graph *g)
{
    for (size_t i = 0; i < g->values.n; i++)
        g->values.items[i]->tag = 0;
    for (const mq_node *n = g->first; n; n = n->next) {
        const size_t depth = depth_of(n);

        for (size_t i = 0; i < n->n_outputs; i++)
            if (n->outputs[i])
                n->outputs[i]->tag = depth;
    }
}

bool mq_layers_is_constant(const mq_value *v)
{
    return v->tag || mq_value_constant(v, false);
}

bool mq_layers_is_dequantized(const mq_value *v)
{
    const mq_node *n = v->producer;

    for (int depth = DEPTH; n && depth > 0; depth--) {
        if (mq_node_is(n, "", "DequantizeLinear") || mq_node_is(n, "com.microsoft", "DequantizeLinear"))
            return mq_layers_is_constant(v);
        n = n->n_inputs && n->inputs[0] ? n->inputs[0]->producer : NULL;
    }
    return false;
}

const mq_value *mq_layers_stored(const mq_value *v)
{
    for (int depth = DEPTH; v && v->producer && depth > 0 && !mq_value_constant(v, false); depth--)
        v = v->producer->n_inputs ? v->producer->inputs[0] : NULL;
    return v;
}

/* ---- values --------------------------------------------------------------------------------------------------------- */

/* Of values with several readers, for one call. */
typedef struct made {
    mq_layers_job *j;
    mq_map by_name;
    MQ_VEC(mq_array *) held;
} made;

static mq_status evaluate(made *m, const mq_value *v, mq_array **out);

static mq_status keep(made *m, const mq_value *v, mq_array *a)
{
    if (v->uses.n < 2)
        return MQ_OK;
    if (!mq_vec_push(&m->held, a))
        return mq_oom(m->j->err);
    mq_array_ref(a);
    return mq_map_put(&m->by_name, v->name, a) ? MQ_OK : mq_oom(m->j->err);
}

static mq_status evaluate_node(made *m, const mq_value *v, mq_array **out)
{
    mq_node *n = v->producer;
    mq_array **in = calloc(n->n_inputs + 1, sizeof *in), **results = calloc(n->n_outputs + 1, sizeof *results);
    mq_status rc = in && results ? mq_check_cancelled(m->j->hooks, m->j->err) : mq_oom(m->j->err);

    for (size_t i = 0; i < n->n_inputs && rc == MQ_OK; i++)
        if (n->inputs[i])
            rc = evaluate(m, n->inputs[i], &in[i]);
    if (rc == MQ_OK)
        rc = mq_evaluator_run(m->j->evaluator, n, in, results, m->j->err);
    if (rc == MQ_OK)
        rc = keep(m, v, results[v->producer_index]);
    if (rc == MQ_OK)
        *out = mq_array_ref(results[v->producer_index]);
    for (size_t i = 0; in && i < n->n_inputs; i++)
        mq_array_unref(in[i]);
    for (size_t i = 0; results && i < n->n_outputs; i++)
        mq_array_unref(results[i]);
    free(in);
    free(results);
    return rc;
}

/* Depth is bounded: mq_layers_is_constant has said so. */
static mq_status evaluate(made *m, const mq_value *v, mq_array **out)
{
    mq_tensor *t = mq_value_constant(v, false);
    mq_array *known = mq_map_get(&m->by_name, v->name);

    if (known) {
        *out = mq_array_ref(known);
        return MQ_OK;
    }
    return t ? mq_array_of_tensor(out, t, true, m->j->err) : evaluate_node(m, v, out);
}

mq_status mq_layers_evaluate(mq_layers_job *j, const mq_value *v, mq_array **out)
{
    made m = { .j = j };
    const mq_status rc = evaluate(&m, v, out);

    for (size_t i = 0; i < m.held.n; i++)
        mq_array_unref(m.held.items[i]);
    mq_vec_release(&m.held);
    mq_map_release(&m.by_name);
    return rc;
}

/* ---- axes ----------------------------------------------------------------------------------------------------------- */

int mq_layers_weight_axis(const mq_node *n, const char *op, size_t k, int rank)
{
    int channel = -1, reduce;

    if (strcmp(n->op_type, op) == 0 && mq_weight_traits(n))
        mq_weight_axes(n, k, rank, &channel, &reduce);
    else if (strcmp(op, "Conv") == 0 || mq_node_attr_int(n, "transB", 0))
        channel = 0;
    return channel >= 0 ? channel : rank - 1;
}

int mq_layers_value_axis(const mq_node *n, int rank)
{
    const bool conv = mq_node_is(n, "", "Conv") || mq_node_is(n, "", "ConvTranspose");

    return rank > 1 && (conv || (rank >= 4 && !mq_weight_traits(n))) ? 1 : rank - 1;
}
