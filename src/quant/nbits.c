/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The forms of com.microsoft with blocked integers (ONNX Runtime, docs/ContribOperators.md): MatMulNBits for products,
 * GatherBlockQuantized for embeddings. */
#include "passes/trace.h"
#include "quant/emit.h"

/* MatMul(A, W), Gemm(A, W [, C]) => MatMulNBits(A, W_quantized, W_scale [, W_zero_point, , C]). Integers are unsigned, rows
 * of outputs in blocks; left out, the zero point is the middle of the type. */
void mq_rewrite_nbits(mq_emit *e)
{
    mq_quant_item *it = e->item;
    mq_weight *w = &it->weight;
    const mq_grid *g = &w->grid;
    int64_t bits = mq_dtype_bits(w->scheme.type), n_scales = (int64_t)g->n_scales;
    int64_t dims[3] = { (int64_t)g->outer, (int64_t)g->n_blocks, (int64_t)g->block * bits / 8 };
    int64_t zero_bytes;

    mq_weight_init_makers(w);
    zero_bytes = (int64_t)mq_weight_zero_point_bytes(w);
    e->q = mq_emit_made(e, "_quantized", MQ_UINT8, 3, dims, &w->make_integers);
    e->scale = mq_emit_made(e, "_scale", w->scheme.scale_type, 1, &n_scales, &w->make_scales);
    if (!w->scheme.symmetric || mq_scheme_middle(&w->scheme) != 1 << (bits - 1))
        e->zero_point = mq_emit_made(e, "_zero_point", MQ_UINT8, 1, &zero_bytes, &w->make_zero_points);
    while (e->rc == MQ_OK && it->value->uses.n) {
        mq_node *old = it->value->uses.items[it->value->uses.n - 1].node, *made;
        mq_value *added = mq_node_is(old, "", "Gemm") && old->n_inputs > 2 ? old->inputs[2] : NULL;
        mq_value *in[6] = { old->inputs[0], e->q, e->scale, e->zero_point, NULL, added }, *out = old->outputs[0];
        const char *base = mq_node_label(old);
        e->rc = mq_node_set_output(old, 0, NULL, e->err);
        made = mq_emit_node(e, old, old->graph, "com.microsoft", "MatMulNBits", base, in, 6, out);
        if (!made)
            return;
        mq_emit_attr_int(e, made, "K", (int64_t)g->n);
        mq_emit_attr_int(e, made, "N", (int64_t)g->outer);
        mq_emit_attr_int(e, made, "bits", bits);
        mq_emit_attr_int(e, made, "block_size", (int64_t)g->block);
        mq_emit_attr_int(e, made, "accuracy_level", e->accuracy_level);
        if (e->rc == MQ_OK)
            mq_node_remove(old);
    }
}

/* Gather(W, ids) => GatherBlockQuantized(W_quantized, ids, W_scale [, W_zero_point]). */
void mq_rewrite_gather_nbits(mq_emit *e)
{
    mq_quant_item *it = e->item;

    mq_emit_params(e);
    for (size_t i = it->value->uses.n; e->rc == MQ_OK && i-- > 0;) {
        mq_node *old = it->value->uses.items[i].node, *made;
        if (mq_trace_passes_on(old)) /* for another item */
            continue;
        mq_value *in[4] = { e->q, old->inputs[1], e->scale, e->zero_point }, *out = old->outputs[0];
        const char *base = mq_node_label(old);
        e->rc = mq_node_set_output(old, 0, NULL, e->err);
        made = mq_emit_node(e, old, old->graph, "com.microsoft", "GatherBlockQuantized", base, in, 4, out);
        if (!made)
            return;
        mq_emit_attr_int(e, made, "gather_axis", 0);
        mq_emit_attr_int(e, made, "quantize_axis", it->axis);
        mq_emit_attr_int(e, made, "block_size", (int64_t)it->weight.grid.block);
        if (e->rc == MQ_OK)
            mq_node_remove(old);
    }
}
