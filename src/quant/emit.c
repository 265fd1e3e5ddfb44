/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "quant/emit.h"

#include <string.h>

#define FAIL_OOM(e) ((e)->rc = (e)->rc == MQ_OK ? mq_oom((e)->err) : (e)->rc)

mq_value *mq_emit_value(mq_emit *e, mq_graph *g, const char *base, const char *suffix)
{
    const char *name = e->rc == MQ_OK ? mq_arena_printf(e->model->arena, "%s%s", base, suffix) : NULL;
    mq_value *v = name ? mq_value_create_unique(g, name) : NULL;

    if (!v)
        FAIL_OOM(e);
    return v;
}

mq_node *mq_emit_node(mq_emit *e, mq_node *before, mq_graph *g, const char *domain, const char *op, const char *base,
                      mq_value *const *inputs, size_t n_inputs, mq_value *out)
{
    const char *wanted = e->rc == MQ_OK ? mq_arena_printf(e->model->arena, "%s_%s", base, op) : NULL;
    const char *name = wanted ? mq_unique_node_name(e->model, wanted) : NULL;
    mq_node *n = name ? mq_node_create(g, before, domain, op, name) : NULL;

    if (!n) {
        FAIL_OOM(e);
        return NULL;
    }
    for (size_t i = 0; i < n_inputs && e->rc == MQ_OK; i++)
        e->rc = mq_node_set_input(n, i, inputs[i], e->err);
    mq_node_trim_inputs(n);
    if (e->rc == MQ_OK)
        e->rc = mq_node_set_output(n, 0, out, e->err);
    return n;
}

void mq_emit_attr_int(mq_emit *e, mq_node *n, const char *name, int64_t v)
{
    if (e->rc == MQ_OK)
        e->rc = mq_node_set_attr_int(n, name, v, e->err);
}

void mq_emit_reshape(mq_emit *e, mq_node *before, const char *base, mq_value *in, mq_value *shape, mq_value *out)
{
    mq_value *inputs[2] = { in, shape };
    mq_node *n = mq_emit_node(e, before, before->graph, "", "Reshape", base, inputs, 2, out);

    if (n && mq_opset_of(before->graph, "") >= 14)
        mq_emit_attr_int(e, n, "allowzero", 1);
}

void mq_emit_drop_constant(mq_value *v)
{
    if (!mq_value_unused(v))
        return;
    if (v->init) {
        mq_value_clear_init(v);
        mq_graph_remove_input(v->graph, v);
    } else if (v->producer && mq_node_is(v->producer, "", "Constant")) {
        mq_node_remove(v->producer);
    }
}

void mq_emit_drop_node(mq_node *n)
{
    for (size_t i = 1; i < n->n_inputs; i++) {
        mq_value *v = n->inputs[i];
        if (v && !v->is_input && mq_node_set_input(n, i, NULL, NULL) == MQ_OK)
            mq_emit_drop_constant(v);
    }
    mq_node_remove(n);
}

static mq_value *add_init(mq_emit *e, mq_value *v, mq_tensor *t)
{
    if (!v || !t) {
        FAIL_OOM(e);
        return NULL;
    }
    e->rc = mq_value_set_init(v, t, e->err);
    return e->rc == MQ_OK ? v : NULL;
}

mq_value *mq_emit_const(mq_emit *e, const char *base, const char *suffix, mq_dtype dtype, int n_dims, const int64_t *dims,
                        const void *data)
{
    mq_value *v = mq_emit_value(e, e->graph, base, suffix);
    return add_init(e, v, v ? mq_tensor_create(e->model, v->name, dtype, n_dims, dims, data) : NULL);
}

mq_value *mq_emit_made(mq_emit *e, const char *suffix, mq_dtype dtype, int n_dims, const int64_t *dims,
                       const mq_maker *maker)
{
    mq_value *v = mq_emit_value(e, e->graph, e->item->value->name, suffix);
    mq_tensor *t = v ? mq_tensor_create(e->model, v->name, dtype, n_dims, dims, NULL) : NULL;

    if (t) {
        t->storage = MQ_STORE_MADE;
        t->maker = maker;
    }
    return add_init(e, v, t);
}

/* The shape of scales and zero points: [] , [channels], or the view's with blocks along the axis. */
static int scale_dims(const mq_quant_item *it, int64_t *dims)
{
    const mq_grid *g = &it->weight.grid;

    if (g->kind == MQ_PER_TENSOR)
        return 0;
    if (g->kind == MQ_PER_CHANNEL) {
        dims[0] = (int64_t)g->n;
        return 1;
    }
    memcpy(dims, it->weight.source.dims, sizeof it->weight.source.dims);
    dims[it->axis] = (int64_t)g->n_blocks;
    return it->weight.source.n_dims;
}

void mq_emit_params(mq_emit *e)
{
    mq_quant_item *it = e->item->tied ? e->item->tied : e->item;
    mq_weight *w = &it->weight;
    int64_t dims[MQ_SOURCE_MAX_DIMS];
    int n_dims = scale_dims(it, dims);

    if (e->item->tied) { /* they were made with the embedding */
        e->q = it->q;
        e->scale = it->scale;
        e->zero_point = it->zero_point;
        return;
    }
    mq_weight_init_makers(w);
    e->q = mq_emit_made(e, "_quantized", w->scheme.type, w->source.n_dims, w->source.dims, &w->make_integers);
    e->scale = mq_emit_made(e, "_scale", w->scheme.scale_type, n_dims, dims, &w->make_scales);
    if (!w->scheme.symmetric || mq_scheme_middle(&w->scheme) || it->all_zero_points)
        e->zero_point = mq_emit_made(e, "_zero_point", w->scheme.type, n_dims, dims, &w->make_zero_points);
    it->q = e->q;
    it->scale = e->scale;
    it->zero_point = e->zero_point;
}

void mq_emit_dequantize(mq_emit *e, mq_node *before, mq_graph *g, const char *base, mq_value *q, mq_value *scale,
                        mq_value *zero_point, int axis, mq_value *out)
{
    mq_value *in[3] = { q, scale, zero_point };
    mq_node *n = mq_emit_node(e, before, g, "", "DequantizeLinear", base, in, 3, out);

    if (n && axis >= 0)
        mq_emit_attr_int(e, n, "axis", axis);
    if (n && axis >= 0 && e->item->weight.grid.kind == MQ_PER_BLOCK)
        mq_emit_attr_int(e, n, "block_size", (int64_t)e->item->weight.grid.block);
}
