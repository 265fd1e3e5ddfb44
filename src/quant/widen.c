/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* [(0 - z) s, (255 - z) s] in steps of s is the same range in 257 times as many steps of s / 257, with zero point 257 z. */
#include "quant/widen.h"

#include "ops/ops.h"
#include "passes/pass.h"

enum { STEPS = 257, FIRST_OPSET = 21 };

typedef struct wide {
    mq_dtype type;
    float scale;
    int32_t zero_point;
} wide;

/* What the node's parameters become; false: it makes no 8-bit integers by one known scale. */
static bool widened(const mq_node *n, wide *out)
{
    mq_tensor *scale = mq_constant_input(n, 1), *zero = mq_constant_input(n, 2);
    int64_t z;
    float s;

    if (!scale || !zero || scale->dtype != MQ_FLOAT || (zero->dtype != MQ_UINT8 && zero->dtype != MQ_INT8) ||
        mq_tensor_count(scale) != 1 || mq_tensor_count(zero) != 1 ||
        mq_tensor_read_f32(scale, 0, 1, &s, NULL) != MQ_OK || mq_tensor_read_i64(zero, 0, 1, &z, NULL) != MQ_OK)
        return false;
    out->type = zero->dtype == MQ_UINT8 ? MQ_UINT16 : MQ_INT16;
    out->scale = s / STEPS;
    out->zero_point = (int32_t)(zero->dtype == MQ_UINT8 ? z * STEPS : (z - INT8_MIN) * STEPS + INT16_MIN);
    return true;
}

static bool only_dequantized(const mq_value *v)
{
    for (size_t i = 0; v && i < v->uses.n; i++)
        if (!mq_node_is(v->uses.items[i].node, "", "DequantizeLinear") || v->uses.items[i].index != 0)
            return false;
    return v && !v->n_output_uses;
}

static mq_status set_parameters(mq_node *n, mq_value *scale, mq_value *zero, mq_error *err)
{
    mq_status rc = mq_node_set_input(n, 1, scale, err);

    return rc == MQ_OK ? mq_node_set_input(n, 2, zero, err) : rc;
}

static mq_status widen_pair(mq_node *n, const wide *w, mq_error *err)
{
    const uint8_t bytes[2] = { (uint8_t)w->zero_point, (uint8_t)((uint32_t)w->zero_point >> 8) };
    mq_value *q = n->outputs[0], *scale, *zero;
    mq_status rc;

    MQ_TRY(mq_constant_of(n->graph, "wide_scale", MQ_FLOAT, 0, NULL, &w->scale, &scale, err));
    MQ_TRY(mq_constant_of(n->graph, "wide_zero_point", w->type, 0, NULL, bytes, &zero, err));
    MQ_TRY(set_parameters(n, scale, zero, err));
    for (size_t i = 0; i < q->uses.n; i++)
        MQ_TRY(set_parameters(q->uses.items[i].node, scale, zero, err));
    q->type = q->declared = NULL;
done:
    return rc;
}

/* The first one from n on that can be widened. */
static mq_node *next_of(mq_node *n, wide *w)
{
    while (n && !(mq_node_is(n, "", "QuantizeLinear") && only_dequantized(n->outputs[0]) && widened(n, w)))
        n = n->next;
    return n;
}

mq_status mq_quant_widen(mq_model *m, size_t *n, mq_error *err)
{
    wide w;
    mq_status rc = MQ_OK;

    *n = 0;
    if (!m->graph || !next_of(m->graph->first, &w))
        return MQ_OK;
    if (mq_opset_of(m->graph, "") < FIRST_OPSET) {
        MQ_TRY(mq_infer_model(m, NULL, NULL, err));
        MQ_TRY(mq_opset_raise(m, FIRST_OPSET, NULL, err));
    }
    for (mq_node *node = m->graph->first; (node = next_of(node, &w)); node = node->next, ++*n)
        MQ_TRY(widen_pair(node, &w, err));
done:
    return rc;
}
