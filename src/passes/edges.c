/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "passes/edges.h"

#include "base/compiler.h"
#include "model/onnx_info.h"
#include "passes/pass.h"

enum { FIRST_OPSET = 10 };

/* QuantizeLinear or DequantizeLinear in front of `before` (NULL: at the end), with the scale of an edge. */
static mq_status add_node(mq_graph *g, mq_node *before, const char *op, mq_value *from, mq_value *to, const mq_edge *by,
                          mq_dtype type, mq_error *err)
{
    const uint8_t zero[2] = { (uint8_t)by->zero_point, (uint8_t)((uint32_t)by->zero_point >> 8) };
    const char *name = mq_unique_node_name(g->model, to->name);
    mq_value *scale, *zero_point;
    mq_node *n = name ? mq_node_create(g, before, "", op, name) : NULL;
    mq_status rc;

    if (!n)
        return mq_oom(err);
    MQ_TRY(mq_constant_of(g, "edge_scale", MQ_FLOAT, 0, NULL, &by->scale, &scale, err));
    MQ_TRY(mq_constant_of(g, "edge_zero_point", type, 0, NULL, zero, &zero_point, err));
    MQ_TRY(mq_node_set_input(n, 0, from, err));
    MQ_TRY(mq_node_set_input(n, 1, scale, err));
    MQ_TRY(mq_node_set_input(n, 2, zero_point, err));
    rc = mq_node_set_output(n, 0, to, err);
done:
    return rc;
}

static mq_dtype dtype_of(const mq_value *v)
{
    return v->declared ? v->declared->dtype : v->type->dtype; /* mq_edge_get has seen that there is one */
}

static mq_status open_input(mq_value *v, const mq_edge *by, mq_error *err)
{
    const mq_dtype type = dtype_of(v);
    mq_value *q = mq_value_create_unique(v->graph, v->name);
    mq_status rc = MQ_OK;

    if (!q)
        return mq_oom(err);
    for (size_t i = v->uses.n; i-- > 0;)
        MQ_TRY(mq_use_redirect(v->uses.items[i], q, err));
    MQ_TRY(mq_value_retype(v, MQ_FLOAT, err));
    rc = add_node(v->graph, v->graph->first, "QuantizeLinear", v, q, by, type, err);
done:
    return rc;
}

static mq_status open_output(mq_value *v, const mq_edge *by, mq_error *err)
{
    const mq_dtype type = dtype_of(v);
    mq_node *producer = v->producer;
    const size_t at = v->producer_index;
    mq_value *q = mq_value_create_unique(v->graph, v->name);
    mq_status rc = MQ_OK;

    if (!q)
        return mq_oom(err);
    for (size_t i = v->uses.n; i-- > 0;)
        MQ_TRY(mq_use_redirect(v->uses.items[i], q, err));
    MQ_TRY(mq_node_set_output(producer, at, NULL, err));
    MQ_TRY(mq_node_set_output(producer, at, q, err));
    MQ_TRY(mq_value_retype(v, MQ_FLOAT, err));
    rc = add_node(v->graph, NULL, "DequantizeLinear", q, v, by, type, err);
done:
    return rc;
}

mq_status mq_edges_to_float(mq_model *m, size_t *n, mq_error *err)
{
    const int64_t opset = m->graph ? mq_opset_of(m->graph, "") : 0;
    mq_edge by;
    mq_status rc = MQ_OK;

    if (n)
        *n = 0;
    for (size_t i = 0; opset >= FIRST_OPSET && i < m->graph->inputs.n; i++) {
        mq_value *v = m->graph->inputs.items[i];
        if (v->init || v->n_output_uses || !mq_edge_get(v, &by))
            continue;
        MQ_TRY(open_input(v, &by, err));
        if (n)
            ++*n;
    }
    for (size_t i = 0; opset >= FIRST_OPSET && i < m->graph->outputs.n; i++) {
        mq_value *v = m->graph->outputs.items[i];
        if (!v->producer || v->graph != m->graph || !mq_edge_get(v, &by))
            continue;
        MQ_TRY(open_output(v, &by, err));
        if (n)
            ++*n;
    }
done:
    return rc;
}
