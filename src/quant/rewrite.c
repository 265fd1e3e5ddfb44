/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Puts the integers and scales into the graph.
 *
 *   W (float)        =>  W_quantized, W_scale [, W_zero_point] -> DequantizeLinear -> W
 *   Gather(W, ids)   =>  Gather(W_quantized, ids), Gather(W_scale, ids) -> DequantizeLinear
 *
 * The second form never expands the table. DequantizeLinear takes one scale per index of one axis, so ids of rank 2 and more
 * are flattened before and the result is given its shape back. The other forms are in nbits.c, dynamic.c and
 * dynamic_lstm.c. */
#include <string.h>

#include "passes/trace.h"
#include "quant/dynamic_lstm.h"
#include "quant/emit.h"

/* Where the DequantizeLinear of a weight stands: before its only user, or first of all. */
static mq_node *place_for(const mq_value *v)
{
    if (v->uses.n == 1 && v->uses.items[0].node->graph == v->graph)
        return v->uses.items[0].node;
    return v->graph->first;
}

/* The value loses its float constant, or the operators that made it from one. */
static mq_status free_value(mq_emit *e)
{
    mq_value *v = e->item->value;

    if (v->init) {
        mq_value_clear_init(v);
        mq_graph_remove_input(v->graph, v);
        return MQ_OK;
    }
    if (v->producer && mq_node_is(v->producer, "", "Constant")) {
        mq_node_remove(v->producer);
        return MQ_OK;
    }
    return v->producer ? mq_node_set_output(v->producer, v->producer_index, NULL, e->err) : MQ_OK;
}

static void rewrite_dequantize(mq_emit *e)
{
    static const int64_t swap[2] = { 1, 0 };
    mq_quant_item *it = e->item;
    mq_value *v = it->value, *q = e->q;
    mq_node *before, *turn;

    e->rc = free_value(e);
    before = place_for(v);
    if (it->tied) { /* the embedding's integers, transposed; its scale per row is the scale per column here */
        q = mq_emit_value(e, v->graph, v->name, "_transposed");
        turn = mq_emit_node(e, before, v->graph, "", "Transpose", v->name, &e->q, 1, q);
        if (turn && e->rc == MQ_OK)
            e->rc = mq_node_set_attr_ints(turn, "perm", swap, 2, e->err);
    }
    mq_emit_dequantize(e, before, v->graph, v->name, q, e->scale, e->zero_point, it->axis, v);
}

/* ---- embeddings ---------------------------------------------------------------------------------------------------- */

static mq_value *gather(mq_emit *e, mq_node *before, mq_value *table, mq_value *ids, const char *base, const char *suffix)
{
    mq_value *out = table ? mq_emit_value(e, before->graph, base, suffix) : NULL;
    mq_value *in[2] = { table, ids };

    if (out)
        mq_emit_node(e, before, before->graph, "", "Gather", base, in, 2, out);
    return out;
}

/* ids as a vector. */
static mq_value *flatten(mq_emit *e, mq_node *before, mq_value *ids, const char *base)
{
    static const int64_t minus_one[1] = { -1 }, one = 1;
    mq_value *in[2] = { ids, mq_emit_const(e, base, "_flat_shape", MQ_INT64, 1, &one, minus_one) };
    mq_value *out = mq_emit_value(e, before->graph, base, "_flat_ids");

    mq_emit_node(e, before, before->graph, "", "Reshape", base, in, 2, out);
    return out;
}

/* rows, one per id, in the shape of ids followed by the shape of a row. */
static void unflatten(mq_emit *e, mq_node *before, mq_value *rows, mq_value *ids, const char *base, mq_value *out)
{
    const mq_source *s = &e->item->weight.source;
    int64_t n_tail = s->n_dims - 1;
    mq_value *tail = mq_emit_const(e, base, "_row_shape", MQ_INT64, 1, &n_tail, s->dims + 1);
    mq_value *ids_shape = mq_emit_value(e, before->graph, base, "_ids_shape");
    mq_value *shape = mq_emit_value(e, before->graph, base, "_rows_shape");
    mq_value *parts[2] = { ids_shape, tail };
    mq_node *concat;

    mq_emit_node(e, before, before->graph, "", "Shape", base, &ids, 1, ids_shape);
    if ((concat = mq_emit_node(e, before, before->graph, "", "Concat", base, parts, 2, shape)))
        mq_emit_attr_int(e, concat, "axis", 0);
    mq_emit_reshape(e, before, base, rows, shape, out);
}

static int rank_of(const mq_value *v)
{
    return v->type && v->type->kind == MQ_TYPE_TENSOR ? v->type->rank : -1;
}

/* One Gather of the table. */
static void rewrite_gather(mq_emit *e, mq_node *g)
{
    const char *base = mq_arena_strdup(e->model->arena, mq_node_label(g));
    mq_value *ids = g->inputs[1], *out = g->outputs[0], *rows = out, *flat = ids, *q;
    mq_value *scale = e->scale, *zero_point = e->zero_point;
    bool per_row = e->item->axis >= 0, flattened = per_row && rank_of(ids) != 0 && rank_of(ids) != 1;

    if (!base) {
        e->rc = mq_oom(e->err);
        return;
    }
    e->rc = mq_node_set_output(g, 0, NULL, e->err);
    if (flattened) {
        flat = flatten(e, g, ids, base);
        rows = mq_emit_value(e, g->graph, base, "_rows");
    }
    q = gather(e, g, e->q, flat, base, "_quantized");
    if (per_row) {
        scale = gather(e, g, e->scale, flat, base, "_scale");
        zero_point = gather(e, g, e->zero_point, flat, base, "_zero_point");
    }
    mq_emit_dequantize(e, g, g->graph, base, q, scale, zero_point, per_row && rank_of(ids) != 0 ? 0 : -1, rows);
    if (flattened)
        unflatten(e, g, rows, ids, base, out);
    if (e->rc == MQ_OK)
        mq_node_remove(g);
}

static void rewrite_embedding(mq_emit *e)
{
    const mq_value *v = e->item->value;

    /* a Transpose may see the table, too, for another item */
    for (size_t i = v->uses.n; e->rc == MQ_OK && i-- > 0;)
        if (!mq_trace_passes_on(v->uses.items[i].node))
            rewrite_gather(e, v->uses.items[i].node);
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

/* Takes away a constant that nobody uses any more, with the operators behind it that nobody uses either. */
static void drop_unused(mq_value *v)
{
    for (size_t i = v->uses.n; i-- > 0;) {
        mq_node *n = i < v->uses.n ? v->uses.items[i].node : NULL; /* one removal may take several uses along */
        mq_value *out = n && n->n_outputs == 1 ? n->outputs[0] : NULL;
        if (!n || n->n_outputs != 1 || !mq_trace_passes_on(n))
            continue;
        if (out)
            drop_unused(out);
        if (!out || mq_value_unused(out))
            mq_emit_drop_node(n);
    }
    mq_emit_drop_constant(v);
}

static mq_status rewrite_item(mq_quant_item *it, const mq_quant_plan *plan, mq_error *err)
{
    mq_emit e = { .model = plan->model, .item = it, .graph = it->value->graph, .err = err,
                  .accuracy_level = plan->opts->accuracy_level };

    switch (it->treatment) {
    case MQ_TREAT_NBITS: mq_rewrite_nbits(&e); break;
    case MQ_TREAT_GATHER_NBITS: mq_rewrite_gather_nbits(&e); break;
    case MQ_TREAT_DYNAMIC: mq_rewrite_dynamic(&e); break;
    case MQ_TREAT_EMBEDDING:
        mq_emit_params(&e);
        rewrite_embedding(&e);
        break;
    case MQ_TREAT_DEQUANTIZE:
        mq_emit_params(&e);
        rewrite_dequantize(&e);
        break;
    }
    return e.rc;
}

/* Tied items come after what they are tied to. */
static mq_status rewrite_all(mq_quant_plan *plan, bool tied, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; rc == MQ_OK && i < plan->items.n; i++) {
        mq_quant_item *it = plan->items.items[i];
        if (it->stay == MQ_STAY_NOT && (it->tied != NULL) == tied)
            rc = rewrite_item(it, plan, err);
    }
    return rc;
}

static void drop_floats(const mq_quant_plan *plan)
{
    for (size_t i = 0; i < plan->items.n; i++)
        if (plan->items.items[i]->stay == MQ_STAY_NOT)
            drop_unused(plan->items.items[i]->constant);
}

static bool needs_microsoft(const mq_quant_plan *plan)
{
    for (size_t i = 0; i < plan->items.n; i++) {
        const mq_quant_item *it = plan->items.items[i];
        if (it->stay == MQ_STAY_NOT && (it->treatment == MQ_TREAT_NBITS || it->treatment == MQ_TREAT_GATHER_NBITS ||
                                        (it->treatment == MQ_TREAT_DYNAMIC && strcmp(it->op_type, "LSTM") == 0)))
            return true;
    }
    return false;
}

void mq_quant_raise_ir(mq_model *m, const mq_hooks *hooks)
{
    if (m->ir_version >= 4)
        return;
    mq_warn(hooks, "ir-raised", "", "IR version %lld is raised to 4, for initializers that are not inputs",
            (long long)m->ir_version);
    m->ir_version = 4;
    m->has_ir_version = true;
}

mq_status mq_quant_rewrite(mq_quant_plan *plan, const mq_hooks *hooks, mq_error *err)
{
    size_t n_inputs = 0;
    const char *first = NULL;
    mq_status rc = MQ_OK;

    mq_lstm_warn(plan, hooks);
    for (size_t i = 0; i < plan->items.n; i++) {
        const mq_quant_item *it = plan->items.items[i];
        if (it->stay == MQ_STAY_NOT && it->constant->is_input) {
            n_inputs++;
            first = first ? first : it->constant->name;
        }
    }
    if (needs_microsoft(plan) && !mq_opset_of(plan->model->graph, "com.microsoft"))
        MQ_TRY(mq_opset_set(plan->model, "com.microsoft", 1, err));
    MQ_TRY(rewrite_all(plan, false, err));
    MQ_TRY(rewrite_all(plan, true, err));
    MQ_TRY(mq_lstm_rewrite(plan, err));
    drop_floats(plan);
    if (plan->n_quantized)
        mq_quant_raise_ir(plan->model, hooks);
    if (n_inputs)
        mq_warn(hooks, "weight-input", first, "%zu quantized weights were also graph inputs (as '%s') and are not any more",
                n_inputs, first);
done:
    return rc;
}

mq_status mq_quant_make_all(const mq_quant_plan *plan, const mq_hooks *hooks, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t g = 0; g < plan->model->graphs.n; g++) {
        const mq_graph *graph = plan->model->graphs.items[g];
        for (size_t i = 0; i < graph->inits.n; i++)
            if (graph->inits.items[i]->init)
                MQ_TRY(mq_tensor_make(graph->inits.items[i]->init, hooks, err));
    }
done:
    return rc;
}
