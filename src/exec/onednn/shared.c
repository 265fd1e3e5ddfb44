/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What several kernels of this room need: the end of prepare, checks of types, requantizing, activations as post-ops. */
#include <stdlib.h>

#include "exec/onednn/kernels.h"
#include "exec/ref/fused_activation.h"

mq_status mq_dn_prepared(mq_status rc, bool taken, void *s, void (*release)(void *), void **state)
{
    if (rc == MQ_OK && taken) {
        *state = s;
        return MQ_OK;
    }
    release(s);
    return rc == MQ_ERR_NOMEM ? rc : MQ_OK;
}

bool mq_dn_inputs_are(const mq_call *c, unsigned mask, mq_dtype dtype)
{
    for (size_t i = 0; mask; i++, mask >>= 1)
        if (mask & 1 && (!mq_call_has(c, i) || c->in[i]->kind != MQ_TYPE_TENSOR || c->in[i]->dtype != dtype))
            return false;
    return true;
}

bool mq_dn_all_inputs_are(const mq_call *c, mq_dtype dtype)
{
    for (size_t i = 0; i < c->n_in; i++)
        if (c->in[i] && (c->in[i]->kind != MQ_TYPE_TENSOR || c->in[i]->dtype != dtype))
            return false;
    return true;
}

bool mq_dn_is_const(const mq_call *c, size_t i, mq_dtype dtype)
{
    return i < c->n_in && c->in[i] && c->in[i]->constant && c->in[i]->dtype == dtype && c->in[i]->count > 0;
}

bool mq_dn_is_symmetric(const mq_call *c, size_t w, size_t zero)
{
    const int64_t middle = c->in[w]->dtype == MQ_UINT8 ? 128 : 0;

    if (!mq_call_has(c, zero))
        return middle == 0;
    if (!mq_dn_is_const(c, zero, c->in[w]->dtype))
        return false;
    for (size_t i = 0; i < c->in[zero]->count; i++)
        if (mq_array_i64(c->in[zero], i) != middle)
            return false;
    return true;
}

mq_status mq_dn_add_requantize(const mq_call *c, mq_dn_attr *a, size_t x, size_t w, size_t y, int axis, float **scales)
{
    const mq_array *ws = c->in[w];
    const float xs = (float)mq_array_f64(c->in[x], 0), ys = (float)mq_array_f64(c->in[y], 0);

    if (!(*scales = malloc(ws->count * sizeof **scales)))
        return mq_oom(c->err);
    for (size_t i = 0; i < ws->count; i++)
        (*scales)[i] = xs * (float)mq_array_f64(ws, i) / ys;
    a->n_scales = (int64_t)ws->count;
    a->scales = *scales;
    a->scale_axis = axis;
    a->src_zero = mq_array_i64(c->in[x + 1], 0) != 0;
    a->dst_zero = mq_array_i64(c->in[y + 1], 0) != 0;
    /* the library adds the zero point before it rounds: a half would fall to the other side of an odd one */
    if (a->dst_zero)
        mq_dn_add_eltwise(a, dnnl_eltwise_round, 0, 0);
    return MQ_OK;
}

static bool add_activation(const mq_activation *act, mq_dn_attr *a)
{
    const float alpha = (float)act->alpha, beta = (float)act->beta;

    switch (act->kind) {
    case MQ_ACT_NONE:
        return true;
    case MQ_ACT_RELU:
        return mq_dn_add_eltwise(a, dnnl_eltwise_relu, 0, 0);
    case MQ_ACT_LEAKY_RELU:
        return mq_dn_add_eltwise(a, dnnl_eltwise_relu, alpha, 0);
    case MQ_ACT_ELU:
        return mq_dn_add_eltwise(a, dnnl_eltwise_elu, alpha, 0);
    case MQ_ACT_GELU:
        return mq_dn_add_eltwise(a, dnnl_eltwise_gelu_erf, 0, 0);
    case MQ_ACT_GELU_TANH:
        return mq_dn_add_eltwise(a, dnnl_eltwise_gelu_tanh, 0, 0);
    case MQ_ACT_CLIP:
        return alpha <= beta && mq_dn_add_eltwise(a, dnnl_eltwise_clip, alpha, beta);
    case MQ_ACT_SIGMOID:
        return mq_dn_add_eltwise(a, dnnl_eltwise_logistic, 0, 0);
    case MQ_ACT_TANH:
        return mq_dn_add_eltwise(a, dnnl_eltwise_tanh, 0, 0);
    case MQ_ACT_SOFTPLUS:
        return mq_dn_add_eltwise(a, dnnl_eltwise_soft_relu, 0, 0);
    case MQ_ACT_AFFINE:
        return mq_dn_add_eltwise(a, dnnl_eltwise_linear, alpha, beta);
    case MQ_ACT_HARD_SIGMOID:
        return mq_dn_add_eltwise(a, dnnl_eltwise_linear, alpha, beta) && mq_dn_add_eltwise(a, dnnl_eltwise_clip, 0, 1);
    default:
        return false;
    }
}

static bool read_activation(const mq_node *n, mq_activation *act)
{
    const mq_attr *name = mq_node_attr(n, "activation");

    *act = (mq_activation){ .kind = MQ_ACT_NONE };
    return !name || name->type != MQ_ATTR_STRING || name->s.n == 0 || mq_activation_find(name->s, act);
}

bool mq_dn_add_activation_attr(const mq_node *n, mq_dn_attr *a)
{
    const mq_attr *params = mq_node_attr(n, "activation_params");
    mq_activation act;

    if (!read_activation(n, &act))
        return false;
    if (params && params->type == MQ_ATTR_FLOATS && params->n > 0)
        act.alpha = (double)params->floats[0];
    if (params && params->type == MQ_ATTR_FLOATS && params->n > 1)
        act.beta = (double)params->floats[1];
    return add_activation(&act, a);
}

bool mq_dn_add_scalar_activation(const mq_node *n, mq_dn_attr *a)
{
    mq_activation act;

    if (!read_activation(n, &act))
        return false;
    act.alpha = (double)mq_node_attr_float(n, "activation_alpha", (float)act.alpha);
    act.beta = (double)mq_node_attr_float(n, "activation_beta", (float)act.beta);
    return add_activation(&act, a);
}
