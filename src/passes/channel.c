/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Reading what changes each channel of a tensor by constants. */
#include "passes/channel.h"

#include <math.h>

static bool read_batchnorm(const mq_node *bn, int64_t channels, double *factor, double *offset)
{
    const double epsilon = (double)mq_node_attr_float(bn, "epsilon", 1e-5f);
    const float *in[4];

    /* before opset 9: statistics per element */
    if (bn->n_inputs != 5 || mq_node_attr_int(bn, "training_mode", 0) || !mq_node_attr_int(bn, "spatial", 1))
        return false;
    for (size_t i = 1; i < bn->n_outputs; i++)
        if (bn->outputs[i])
            return false;
    for (size_t i = 0; i < 4; i++)
        if (!bn->inputs[i + 1] || !(in[i] = mq_constant_floats(bn->inputs[i + 1], channels)))
            return false;
    for (int64_t c = 0; c < channels; c++) {
        factor[c] = (double)in[0][c] / sqrt((double)in[3][c] + epsilon);
        offset[c] = (double)in[1][c] - (double)in[2][c] * factor[c];
    }
    return true;
}

/* A constant of one element per channel along axis 1 of x, or of one element: per channel, in the arena. */
static float *per_channel(const mq_value *x, int64_t channels, const mq_value *v, int64_t *step)
{
    const mq_tensor *t = v ? mq_value_constant(v, false) : NULL;
    const int rank = mq_value_rank(x);

    if (!t || rank < 2 || t->n_dims > rank)
        return NULL;
    for (int i = 0; i < t->n_dims; i++)
        if (t->dims[i] != 1 && (t->n_dims - i != rank - 1 || t->dims[i] != channels))
            return NULL;
    *step = mq_tensor_count(t) == 1 ? 0 : 1;
    return mq_constant_floats(v, *step ? channels : 1);
}

static bool read_arithmetic(const mq_node *n, const mq_value *x, int64_t channels, double *factor, double *offset)
{
    const bool div = mq_node_is(n, "", "Div"), sub = mq_node_is(n, "", "Sub");
    int64_t step;
    float *k;

    if ((!div && !sub && !mq_node_is(n, "", "Mul") && !mq_node_is(n, "", "Add")) || n->n_inputs != 2)
        return false;
    if (n->inputs[0] != x && (div || sub))
        return false;
    if (!(k = per_channel(x, channels, n->inputs[n->inputs[0] == x ? 1 : 0], &step)))
        return false;
    for (int64_t c = 0; c < channels; c++) {
        const double v = (double)k[c * step];

        factor[c] = div ? 1 / v : mq_node_is(n, "", "Mul") ? v : 1;
        offset[c] = sub ? -v : mq_node_is(n, "", "Add") ? v : 0;
        if (!isfinite(factor[c]) || !isfinite(offset[c]))
            return false;
    }
    return true;
}

bool mq_channel_read(const mq_node *n, const mq_value *x, int64_t channels, double *factor, double *offset)
{
    if (mq_node_is(n, "", "BatchNormalization"))
        return n->inputs[0] == x && read_batchnorm(n, channels, factor, offset);
    return read_arithmetic(n, x, channels, factor, offset);
}

void mq_channel_drop_constants(const mq_node *n)
{
    for (size_t i = 0; i < n->n_inputs; i++) {
        mq_value *v = n->inputs[i];
        if (v && v->init && !v->is_input && mq_value_unused(v))
            mq_value_clear_init(v);
    }
}
