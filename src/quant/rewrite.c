/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Puts the integers and scales into the graph.
 *
 *   W (float)        =>  W_quantized, W_scale -> DequantizeLinear -> W
 *   Gather(W, ids)   =>  Gather(W_quantized, ids), Gather(W_scale, ids) -> DequantizeLinear
 *
 * The second form never expands the table. DequantizeLinear takes one scale per index of one axis, so ids of rank 2 and more
 * are flattened before and the result is given its shape back. */
#include <stdio.h>
#include <string.h>

#include "quant/quant.h"

struct rewriter {
    mq_quant_item *item;
    mq_model *model;
    mq_graph *graph;
    mq_value *q, *scale;
    mq_error *err;
};

/* A new value whose name begins with another's. */
static mq_value *derived(mq_graph *g, const char *base, const char *suffix)
{
    const char *name = mq_arena_printf(g->model->arena, "%s%s", base, suffix);
    return name ? mq_value_create_unique(g, name) : NULL;
}

/* A node `op` named after base, before `before`, with one output. in2 may be NULL. */
static mq_status add_node(struct rewriter *r, mq_node *before, mq_graph *g, const char *op, const char *base, mq_value *in1,
                          mq_value *in2, mq_value *out, mq_node **made)
{
    const char *wanted = mq_arena_printf(r->model->arena, "%s_%s", base, op);
    const char *name = wanted ? mq_unique_node_name(r->model, wanted) : NULL;
    mq_node *n = name ? mq_node_create(g, before, "", op, name) : NULL;
    mq_status rc;

    if (!n || !out)
        return mq_oom(r->err);
    if (made)
        *made = n;
    rc = mq_node_set_input(n, 0, in1, r->err);
    if (rc == MQ_OK && in2)
        rc = mq_node_set_input(n, 1, in2, r->err);
    return rc == MQ_OK ? mq_node_set_output(n, 0, out, r->err) : rc;
}

/* An initializer with a name made of base and suffix; maker NULL: data are given. */
static mq_status add_init(struct rewriter *r, const char *base, const char *suffix, mq_dtype dtype, int n_dims,
                          const int64_t *dims, const void *data, const mq_maker *maker, mq_value **out)
{
    mq_value *v = derived(r->graph, base, suffix);
    mq_tensor *t = v ? mq_tensor_create(r->model, v->name, dtype, n_dims, dims, data) : NULL;

    if (!t)
        return mq_oom(r->err);
    if (maker) {
        t->storage = MQ_STORE_MADE;
        t->maker = maker;
    }
    *out = v;
    return mq_value_set_init(v, t, r->err);
}

static mq_status add_quantized(struct rewriter *r)
{
    mq_quant_item *it = r->item;
    const char *name = it->value->name;
    int scale_dims = it->axis >= 0;
    mq_status rc;

    mq_weight_makers_init(it);
    rc = add_init(r, name, "_quantized", MQ_INT8, it->tensor->n_dims, it->tensor->dims, NULL, &it->make_q, &r->q);
    if (rc == MQ_OK)
        rc = add_init(r, name, "_scale", MQ_FLOAT, scale_dims, &it->n_channels, NULL, &it->make_scale, &r->scale);
    return rc;
}

/* Takes the float weight out: its initializer, its place among the inputs, or its Constant node. */
static void remove_float(mq_quant_item *it)
{
    mq_value *v = it->value;

    if (v->init) {
        mq_value_clear_init(v);
        mq_graph_remove_input(v->graph, v);
    } else if (v->producer) {
        mq_node_remove(v->producer);
    }
}

/* Where the DequantizeLinear stands: before the only user, or first of all. */
static mq_node *place_for(const mq_value *v)
{
    if (v->uses.n == 1 && v->uses.items[0].node->graph == v->graph)
        return v->uses.items[0].node;
    return v->graph->first;
}

static mq_status put_behind_dequantize(struct rewriter *r)
{
    mq_value *v = r->item->value;
    mq_node *dq = NULL;
    mq_status rc = add_node(r, place_for(v), r->graph, "DequantizeLinear", v->name, r->q, r->scale, v, &dq);

    if (rc == MQ_OK && r->item->axis >= 0)
        rc = mq_node_set_attr_int(dq, "axis", r->item->axis, r->err);
    return rc;
}

/* ---- embeddings --------------------------------------------------------------------------------------------------- */

/* Gathers rows of table by ids into a new value. */
static mq_status gather(struct rewriter *r, mq_node *before, mq_value *table, mq_value *ids, const char *base,
                        const char *suffix, mq_value **out)
{
    mq_value *v = derived(before->graph, base, suffix);

    *out = v;
    return add_node(r, before, before->graph, "Gather", base, table, ids, v, NULL);
}

/* ids as a vector. */
static mq_status flatten(struct rewriter *r, mq_node *before, mq_value *ids, const char *base, mq_value **out)
{
    static const int64_t minus_one[1] = { -1 }, one = 1;
    mq_value *shape = NULL, *v = derived(before->graph, base, "_flat_ids");
    mq_status rc = add_init(r, base, "_flat_shape", MQ_INT64, 1, &one, minus_one, NULL, &shape);

    *out = v;
    return rc == MQ_OK ? add_node(r, before, before->graph, "Reshape", base, ids, shape, v, NULL) : rc;
}

/* rows, one per id, in the shape of ids followed by the shape of a row. */
static mq_status unflatten(struct rewriter *r, mq_node *before, mq_value *rows, mq_value *ids, const char *base,
                           mq_value *out)
{
    const mq_tensor *t = r->item->tensor;
    int64_t n_tail = t->n_dims - 1;
    mq_value *tail = NULL, *ids_shape = derived(before->graph, base, "_ids_shape");
    mq_value *shape = derived(before->graph, base, "_rows_shape");
    mq_node *concat = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(add_init(r, base, "_row_shape", MQ_INT64, 1, &n_tail, t->dims + 1, NULL, &tail));
    MQ_TRY(add_node(r, before, before->graph, "Shape", base, ids, NULL, ids_shape, NULL));
    MQ_TRY(add_node(r, before, before->graph, "Concat", base, ids_shape, tail, shape, &concat));
    MQ_TRY(mq_node_set_attr_int(concat, "axis", 0, r->err));
    MQ_TRY(add_node(r, before, before->graph, "Reshape", base, rows, shape, out, NULL));
done:
    return rc;
}

static int rank_of(const mq_value *v)
{
    return v->type && v->type->kind == MQ_TYPE_TENSOR ? v->type->rank : -1;
}

/* One Gather of the table. */
static mq_status rewrite_gather(struct rewriter *r, mq_node *g)
{
    const char *base = mq_arena_strdup(r->model->arena, mq_node_label(g));
    mq_value *ids = g->inputs[1], *out = g->outputs[0], *q = NULL, *scale = r->scale, *flat = ids, *rows = out;
    bool per_row = r->item->axis >= 0, flattened = per_row && rank_of(ids) != 0 && rank_of(ids) != 1;
    mq_node *dq = NULL;
    mq_status rc = MQ_OK;

    if (!base)
        return mq_oom(r->err);
    MQ_TRY(mq_node_set_output(g, 0, NULL, r->err));
    if (flattened) {
        MQ_TRY(flatten(r, g, ids, base, &flat));
        rows = derived(g->graph, base, "_rows");
    }
    MQ_TRY(gather(r, g, r->q, flat, base, "_quantized", &q));
    if (per_row)
        MQ_TRY(gather(r, g, r->scale, flat, base, "_scale", &scale));
    MQ_TRY(add_node(r, g, g->graph, "DequantizeLinear", base, q, scale, rows, &dq));
    if (per_row && rank_of(ids) != 0)
        MQ_TRY(mq_node_set_attr_int(dq, "axis", 0, r->err));
    if (flattened)
        MQ_TRY(unflatten(r, g, rows, ids, base, out));
    mq_node_remove(g);
done:
    return rc;
}

static mq_status rewrite_embedding(struct rewriter *r)
{
    mq_value *v = r->item->value;
    mq_status rc = MQ_OK;

    while (rc == MQ_OK && v->uses.n)
        rc = rewrite_gather(r, v->uses.items[0].node);
    return rc;
}

static mq_status rewrite_item(mq_quant_item *it, mq_model *m, mq_error *err)
{
    struct rewriter r = { .item = it, .model = m, .graph = it->value->graph, .err = err };
    mq_status rc = add_quantized(&r);

    if (rc != MQ_OK)
        return rc;
    remove_float(it);
    return it->embedding ? rewrite_embedding(&r) : put_behind_dequantize(&r);
}

/* Before IR 4 every initializer had to be a graph input as well; the new ones are none. */
static void raise_ir(mq_model *m, const mq_hooks *hooks)
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

    for (size_t i = 0; rc == MQ_OK && i < plan->items.n; i++) {
        mq_quant_item *it = plan->items.items[i];
        if (it->stay != MQ_STAY_NOT)
            continue;
        if (it->value->is_input) {
            n_inputs++;
            first = first ? first : it->value->name;
        }
        rc = rewrite_item(it, plan->model, err);
    }
    if (rc == MQ_OK && plan->n_quantized)
        raise_ir(plan->model, hooks);
    if (rc == MQ_OK && n_inputs)
        mq_warn(hooks, "weight-input", first, "%zu quantized weights were also graph inputs (as '%s') and are not any more",
                n_inputs, first);
    return rc;
}
