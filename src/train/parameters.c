/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Initializers that are weights. */
#include "train/parameters.h"

#include <math.h>

#include "base/compiler.h"
#include "passes/pass.h"

enum { DEPTH = 16 }; /* of nodes that only move elements */

#define MASKED 1e4 /* no weight is so large: what is added to scores to shut places out */

/* Inputs that hold weights, bit by bit. */
static const struct {
    const char *domain, *op;
    unsigned inputs;
} holders[] = {
    { "", "Conv", 6 },
    { "", "ConvTranspose", 6 },
    { "", "Gemm", 7 },
    { "", "MatMul", 3 },
    { "", "LSTM", 0x8e },
    { "", "GRU", 0xe },
    { "", "RNN", 0xe },
    { "", "Gather", 1 },
    { "", "Einsum", 0xff },
    { "", "PRelu", 2 },
    { "", "BatchNormalization", 6 },
    { "", "InstanceNormalization", 6 },
    { "", "GroupNormalization", 6 },
    { "", "LayerNormalization", 6 },
    { "", "RMSNormalization", 2 },
    { "mq", "BatchNormTrain", 6 },
};

static const char *const movers[] = { "Identity", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Concat",
                                      "Slice" };
static const char *const elementwise[] = { "Add", "Sub", "Mul", "Div", "Cast", "Transpose" };

/* Is v an input of the graph, or made of one and constants by element-wise operators? */
static bool is_raw_input(const mq_value *v)
{
    for (int i = 0; i < DEPTH && v; i++) {
        const mq_node *n = v->producer;

        if (!n)
            return v->is_input && !v->init;
        if (!mq_node_is_any(n, "", elementwise, MQ_ARRAY_LEN(elementwise)))
            return false;
        v = n->n_inputs > 1 && n->inputs[0] && mq_value_constant(n->inputs[0], true) ? n->inputs[1] : n->inputs[0];
    }
    return false;
}

static bool is_mask(mq_tensor *t)
{
    const int64_t n = mq_tensor_count(t);
    const void *data;

    if (n < 0 || mq_tensor_bytes(t, &data, NULL) != MQ_OK)
        return true;
    for (int64_t i = 0; i < n; i++)
        if (!(fabsf(((const mq_unaligned_f32 *)data)[i]) < (float)MASKED))
            return true;
    return false;
}

static bool is_read_as_weight(const mq_value *v, const mq_value *weight, int depth)
{
    for (size_t i = 0; i < v->uses.n; i++) {
        const mq_node *n = v->uses.items[i].node;
        const size_t at = v->uses.items[i].index;
        const bool sum = mq_node_is(n, "", "Add") || mq_node_is(n, "", "Mul");

        for (size_t k = 0; k < MQ_ARRAY_LEN(holders); k++)
            if (mq_node_is(n, holders[k].domain, holders[k].op) && at < 8 && holders[k].inputs >> at & 1)
                return true;
        if (sum && n->n_inputs == 2 && mq_tensor_count(weight->init) > 1 && !is_raw_input(n->inputs[1 - at]) &&
            !is_mask(weight->init))
            return true;
        if (depth < DEPTH && mq_node_is_any(n, "", movers, MQ_ARRAY_LEN(movers)) && n->n_outputs && n->outputs[0] &&
            is_read_as_weight(n->outputs[0], weight, depth + 1))
            return true;
    }
    return false;
}

bool mq_is_weight(const mq_value *v)
{
    return v->init && v->init->dtype == MQ_FLOAT && mq_tensor_count(v->init) > 0 && is_read_as_weight(v, v, 0);
}
