/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Dynamic quantization: activations become uint8 with a range found at run time (DynamicQuantizeLinear), products are summed
 * as integers and scaled back.
 *
 *   MatMul(A, W)         =>  MatMulInteger(A_q, W_q, A_zp [, W_zp]) -> Cast -> Mul(A_scale * W_scale)
 *   Gemm(A, W, C)        =>  the same and Add(C)
 *   Conv(X, W, B)        =>  ConvInteger(...) -> DequantizeLinear(X_scale * W_scale) -> Add(B)
 *
 * ONNX Runtime fuses the first into one kernel. Per channel the last is faster there with DequantizeLinear than with Cast
 * and a broadcast Mul, which one scale, and opsets before 13, have. Operators that take the same activation share its
 * DynamicQuantizeLinear. LSTM is in dynamic_lstm.c. */
#include <string.h>

#include "quant/dynamic_lstm.h"

/* What DynamicQuantizeLinear gives for an activation. */
struct quantized {
    mq_value *q, *scale, *zero_point;
};

/* The one that node `user` can use: one that is there already, before it, or a new one. */
static struct quantized quantize_activation(mq_emit *e, mq_node *user, mq_value *x)
{
    struct quantized out = { 0 };
    mq_node *n;

    for (size_t i = 0; i < x->uses.n; i++) {
        n = x->uses.items[i].node;
        if (n->graph == user->graph && mq_node_is(n, "", "DynamicQuantizeLinear") && n->n_outputs == 3)
            return (struct quantized){ n->outputs[0], n->outputs[1], n->outputs[2] };
    }
    out.q = mq_emit_value(e, user->graph, x->name, "_quantized");
    out.scale = mq_emit_value(e, user->graph, x->name, "_scale");
    out.zero_point = mq_emit_value(e, user->graph, x->name, "_zero_point");
    /* directly behind its producer, so that every other user in the graph can take it */
    n = x->producer && x->producer->graph == user->graph ? x->producer->next : user->graph->first;
    n = mq_emit_node(e, n, user->graph, "", "DynamicQuantizeLinear", x->name, &x, 1, out.q);
    if (n && e->rc == MQ_OK)
        e->rc = mq_node_set_output(n, 1, out.scale, e->err);
    if (n && e->rc == MQ_OK)
        e->rc = mq_node_set_output(n, 2, out.zero_point, e->err);
    return out;
}

/* Both scales in one. */
static mq_value *multiply_scales(mq_emit *e, mq_node *before, const char *base, mq_value *x_scale)
{
    mq_value *scales[2] = { x_scale, e->scale }, *factor = mq_emit_value(e, before->graph, base, "_factor");

    mq_emit_node(e, before, before->graph, "", "Mul", base, scales, 2, factor);
    return factor;
}

/* int32 sums -> float. */
static void scale_back(mq_emit *e, mq_node *before, const char *base, mq_value *sums, mq_value *x_scale, mq_value *out)
{
    mq_graph *g = before->graph;
    mq_value *both[2] = { mq_emit_value(e, g, base, "_sums"), NULL };
    mq_node *cast = mq_emit_node(e, before, g, "", "Cast", base, &sums, 1, both[0]);

    if (cast)
        mq_emit_attr_int(e, cast, "to", MQ_FLOAT);
    both[1] = multiply_scales(e, before, base, x_scale);
    mq_emit_node(e, before, g, "", "Mul", base, both, 2, out);
}

/* The same along the channels of a convolution. */
static void scale_channels_back(mq_emit *e, mq_node *before, const char *base, mq_value *sums, mq_value *x_scale,
                                mq_value *out)
{
    mq_value *in[2] = { sums, multiply_scales(e, before, base, x_scale) };
    mq_node *n = mq_emit_node(e, before, before->graph, "", "DequantizeLinear", base, in, 2, out);

    if (n)
        mq_emit_attr_int(e, n, "axis", 1);
}

/* Does DequantizeLinear take scales per channel? */
static bool has_axis(const mq_emit *e)
{
    return mq_opset_of(e->graph, "") >= 13;
}

static void add(mq_emit *e, mq_node *before, const char *base, mq_value *a, mq_value *b, mq_value *out)
{
    mq_value *in[2] = { a, b };
    mq_emit_node(e, before, before->graph, "", "Add", base, in, 2, out);
}

/* The integers of the weight in the form of MatMulInteger, or of ConvInteger: where Mul applies the scales per channel, they
 * are broadcast over the spatial axes behind them. */
static void emit_weight(mq_emit *e, bool conv)
{
    mq_quant_item *it = e->item;
    mq_weight *w = &it->weight;
    int64_t dims[MQ_SOURCE_MAX_DIMS] = { (int64_t)w->grid.n };
    int n_dims = w->grid.kind == MQ_PER_CHANNEL ? 1 : 0;
    uint8_t middle = (uint8_t)mq_scheme_middle(&w->scheme);

    for (int i = 2; conv && n_dims && !has_axis(e) && i < w->source.n_dims; i++)
        dims[n_dims++] = 1;
    mq_weight_init_makers(w);
    e->q = mq_emit_made(e, "_quantized", w->scheme.type, w->source.n_dims, w->source.dims, &w->make_integers);
    e->scale = mq_emit_made(e, "_scale", MQ_FLOAT, n_dims, dims, &w->make_scales);
    if (conv && w->scheme.symmetric && middle) /* ConvInteger takes one for all, in ONNX Runtime */
        e->zero_point = mq_emit_const(e, it->value->name, "_zero_point", w->scheme.type, 0, NULL, &middle);
    else if (!w->scheme.symmetric || middle)
        e->zero_point = mq_emit_made(e, "_zero_point", w->scheme.type, n_dims ? 1 : 0, dims, &w->make_zero_points);
}

static void rewrite_product(mq_emit *e, mq_node *old, const char *base)
{
    struct quantized x = quantize_activation(e, old, old->inputs[0]);
    mq_value *bias = mq_node_is(old, "", "Gemm") && old->n_inputs > 2 ? old->inputs[2] : NULL;
    mq_value *out = old->outputs[0], *sums = mq_emit_value(e, old->graph, base, "_int32");
    mq_value *product = bias ? mq_emit_value(e, old->graph, base, "_product") : out;
    mq_value *in[4] = { x.q, e->q, x.zero_point, e->zero_point };

    if (e->rc != MQ_OK)
        return;
    e->rc = mq_node_set_output(old, 0, NULL, e->err);
    mq_emit_node(e, old, old->graph, "", "MatMulInteger", base, in, 4, sums);
    scale_back(e, old, base, sums, x.scale, product);
    if (bias)
        add(e, old, base, product, bias, out);
}

/* A bias per channel as [C, 1, ...]. */
static mq_value *spread_bias(mq_emit *e, mq_node *before, const char *base, mq_value *bias)
{
    int64_t shape[MQ_SOURCE_MAX_DIMS] = { -1, 1, 1, 1, 1, 1, 1, 1 }, n = e->item->weight.source.n_dims - 1;
    mq_value *in[2] = { bias, mq_emit_const(e, base, "_bias_shape", MQ_INT64, 1, &n, shape) };
    mq_value *out = mq_emit_value(e, before->graph, base, "_bias");

    mq_emit_node(e, before, before->graph, "", "Reshape", base, in, 2, out);
    return out;
}

static void rewrite_conv(mq_emit *e, mq_node *old, const char *base)
{
    struct quantized x = quantize_activation(e, old, old->inputs[0]);
    mq_value *bias = old->n_inputs > 2 ? old->inputs[2] : NULL, *out = old->outputs[0];
    mq_value *sums = mq_emit_value(e, old->graph, base, "_int32");
    mq_value *product = bias ? mq_emit_value(e, old->graph, base, "_product") : out;
    mq_value *in[4] = { x.q, e->q, x.zero_point, e->zero_point };
    mq_node *n;

    if (e->rc != MQ_OK)
        return;
    e->rc = mq_node_set_output(old, 0, NULL, e->err);
    if ((n = mq_emit_node(e, old, old->graph, "", "ConvInteger", base, in, 4, sums))) {
        n->attrs = old->attrs; /* ConvInteger has Conv's attributes */
        n->n_attrs = old->n_attrs;
    }
    if (e->item->weight.grid.kind == MQ_PER_CHANNEL && has_axis(e))
        scale_channels_back(e, old, base, sums, x.scale, product);
    else
        scale_back(e, old, base, sums, x.scale, product);
    if (bias)
        add(e, old, base, product, spread_bias(e, old, base, bias), out);
}

void mq_rewrite_dynamic(mq_emit *e)
{
    mq_value *v = e->item->value;
    bool conv = strcmp(e->item->op_type, "Conv") == 0;

    if (strcmp(e->item->op_type, "LSTM") == 0) {
        mq_lstm_emit_weight(e); /* the node needs both weights: later */
        return;
    }
    emit_weight(e, conv);
    while (e->rc == MQ_OK && v->uses.n) {
        mq_node *old = v->uses.items[v->uses.n - 1].node;
        const char *base = mq_arena_strdup(e->model->arena, mq_node_label(old));
        if (!base)
            e->rc = mq_oom(e->err);
        else if (conv)
            rewrite_conv(e, old, base);
        else
            rewrite_product(e, old, base);
        if (e->rc == MQ_OK)
            mq_node_remove(old);
    }
}
