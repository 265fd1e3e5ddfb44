/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "passes/weight_inputs.h"

#include <string.h>

#include "base/compiler.h"
#include "passes/trace.h"

const mq_quant_traits *mq_weight_traits(const mq_node *n)
{
    const mq_op_rule *rule = mq_rule_find(mq_domain_norm(n->domain), n->op_type);

    return rule ? rule->quant : NULL;
}

bool mq_weight_is_input(const mq_node *n, size_t at)
{
    const mq_quant_traits *t = mq_weight_traits(n);

    if (!t)
        return false;
    if ((int)at == t->weight_input || (int)at == t->weight_input2)
        return true;
    return at == 0 && mq_node_is(n, "", "MatMul") && n->n_inputs > 1 && n->inputs[1] && !mq_trace_behind(n->inputs[1]);
}

void mq_weight_axes(const mq_node *n, size_t at, int rank, int *channel, int *reduce)
{
    const mq_quant_traits *t = mq_weight_traits(n);

    *channel = *reduce = -1;
    if (rank < 2 || t->channel_axis == MQ_AXIS_NONE)
        return;
    if (mq_node_is(n, "", "MatMul") || mq_node_is(n, "com.microsoft", "FusedMatMul")) {
        bool left = at == 0, turned = mq_node_attr_int(n, left ? "transA" : "transB", 0) != 0;
        *channel = left != turned ? rank - 2 : rank - 1;
        *reduce = left != turned ? rank - 1 : rank - 2;
    } else if (t->channel_axis == MQ_AXIS_GEMM) {
        *channel = mq_node_attr_int(n, "transB", 0) ? 0 : 1;
        *reduce = 1 - *channel;
    } else if (t->embedding) {
        *channel = 0;
        *reduce = rank - 1;
    } else {
        *channel = t->channel_axis < rank ? t->channel_axis : -1;
        *reduce = mq_node_is(n, "", "ConvTranspose") ? 0 : rank == 3 && t->weight_input2 >= 0 ? 2 : 1;
    }
}

bool mq_weight_in_function(const mq_node *n)
{
    const mq_graph *g = n->graph;

    while (g->parent)
        g = g->parent;
    return g->function != NULL;
}

static const mq_node *other_user(const mq_value *v, int depth, bool *is_output)
{
    *is_output |= v->n_output_uses > 0;
    for (size_t i = 0; i < v->uses.n; i++) {
        const mq_node *n = v->uses.items[i].node, *other;
        size_t at = v->uses.items[i].index;
        if (mq_weight_is_input(n, at))
            continue;
        if (at != 0 || depth > 16 || n->n_outputs != 1 || !n->outputs[0] || mq_trace_behind(n->outputs[0]) == NULL)
            return n;
        if ((other = other_user(n->outputs[0], depth + 1, is_output)))
            return other;
    }
    return NULL;
}

const mq_node *mq_weight_other_user(const mq_value *constant, bool *is_output)
{
    return other_user(constant, 0, is_output);
}

const mq_node *mq_weight_find_quantized(const mq_model *m)
{
    static const char *const names[] = {
        "DequantizeLinear", "QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger",
        "MatMulInteger", "MatMulNBits", "GatherBlockQuantized", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM",
        "MatMulIntegerToFloat", "QGemm",
    };

    for (size_t i = 0; i < m->graphs.n; i++)
        for (const mq_node *n = m->graphs.items[i]->first; n; n = n->next)
            for (size_t k = 0; k < MQ_ARRAY_LEN(names); k++)
                if (strcmp(n->op_type, names[k]) == 0)
                    return n;
    return NULL;
}
