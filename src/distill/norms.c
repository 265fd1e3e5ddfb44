/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* BatchNormalization behind convolutions that have none: exporters fold it away, and without it a student learns slowly or
 * not at all. It is folded again before the student is written. */
#include <math.h>
#include <stdlib.h>

#include "distill/derive.h"
#include "passes/pass.h"

#define EPSILON 1e-5f
enum { OLDEST_OPSET = 9 }; /* whose BatchNormalization has five inputs and no mode */

static bool lacks_norm(const mq_node *n)
{
    const mq_value *y = n->n_outputs ? n->outputs[0] : NULL, *w = n->n_inputs > 1 ? n->inputs[1] : NULL;

    if (!mq_node_is(n, "", "Conv") || !y || !w || !w->init || w->is_input || w->uses.n != 1 || w->init->dtype != MQ_FLOAT ||
        w->init->n_dims < 3 || y->n_output_uses || !y->uses.n)
        return false;
    for (size_t i = 0; i < y->uses.n; i++)
        if (y->uses.items[i].node->graph != n->graph || mq_node_is(y->uses.items[i].node, "", "BatchNormalization"))
            return false;
    return true;
}

mq_status mq_norms_find(mq_model *m, mq_node ***out, size_t *n, mq_error *err)
{
    mq_node **list = mq_arena_calloc(m->arena, m->graph->n_nodes + 1, sizeof *list);
    size_t at = 0;

    if (!list)
        return mq_oom(err);
    for (mq_node *node = m->graph->first; node; node = node->next)
        if (mq_opset_of(m->graph, "") >= OLDEST_OPSET && lacks_norm(node))
            list[at++] = node;
    *out = list;
    *n = at;
    return MQ_OK;
}

/* Elements of the constant as floats of its own, in the arena. */
static mq_status floats_of(mq_value *v, float **out, int64_t *n, mq_error *err)
{
    *n = mq_tensor_count(v->init);
    *out = *n >= 0 ? mq_arena_alloc(v->graph->model->arena, (size_t)*n * sizeof **out + 1) : NULL;
    return *out ? mq_tensor_read_f32(v->init, 0, (uint64_t)*n, *out, err) : mq_oom(err);
}

static mq_status put_floats(mq_value *v, const float *data, mq_error *err)
{
    mq_tensor *t = mq_tensor_create(v->graph->model, v->name, MQ_FLOAT, v->init->n_dims, v->init->dims, data);

    return t ? mq_value_set_init(v, t, err) : mq_oom(err);
}

/* Each filter to the size that fresh ones have, because an optimizer's steps are made for those: what is behind it takes
 * the factor out again. factor: channels of them. */
static mq_status resize_filters(mq_node *conv, float *factor, mq_error *err)
{
    mq_value *w = conv->inputs[1], *b = conv->n_inputs > 2 ? conv->inputs[2] : NULL;
    const int64_t channels = w->init->dims[0];
    float *weight, *bias;
    int64_t n, nb;
    mq_status rc;

    MQ_TRY(floats_of(w, &weight, &n, err));
    for (int64_t c = 0; c < channels; c++) {
        const int64_t per = n / channels;
        double squares = 0;

        for (int64_t i = 0; i < per; i++)
            squares += (double)weight[c * per + i] * (double)weight[c * per + i];
        factor[c] = squares > 0 && isfinite(squares) ? (float)sqrt(2 / squares) : 1; /* rms: the root of 2 / fan_in */
        for (int64_t i = 0; i < per; i++)
            weight[c * per + i] *= factor[c];
    }
    MQ_TRY(put_floats(w, weight, err));
    if (!b || !b->init || b->uses.n != 1 || b->init->dtype != MQ_FLOAT)
        goto done;
    MQ_TRY(floats_of(b, &bias, &nb, err));
    for (int64_t c = 0; c < nb && nb == channels; c++)
        bias[c] *= factor[c];
    rc = put_floats(b, bias, err);
done:
    return rc;
}

static mq_status add_norm(mq_node *conv, float *const *params, int64_t channels, mq_error *err)
{
    static const char *const names[] = { "norm_scale", "norm_bias", "norm_mean", "norm_var" };
    mq_graph *g = conv->graph;
    mq_value *y = conv->outputs[0], *raw = mq_value_create_unique(g, "conv_raw");
    mq_node *norm = raw ? mq_node_create(g, conv->next, "", "BatchNormalization", "") : NULL;
    mq_status rc;

    if (!norm)
        return mq_oom(err);
    MQ_TRY(mq_node_set_output(conv, 0, raw, err));
    MQ_TRY(mq_node_set_input(norm, 0, raw, err));
    for (size_t i = 0; i < 4; i++) {
        mq_value *v;

        MQ_TRY(mq_constant_of(g, names[i], MQ_FLOAT, 1, &channels, params[i], &v, err));
        MQ_TRY(mq_node_set_input(norm, i + 1, v, err));
    }
    MQ_TRY(mq_node_set_attr_float(norm, "epsilon", EPSILON, err));
    rc = mq_node_set_output(norm, 0, y, err);
done:
    return rc;
}

mq_status mq_norms_insert(mq_node *conv, const double *mean, const double *variance, mq_error *err)
{
    const int64_t channels = conv->inputs[1]->init->dims[0];
    mq_arena *a = conv->graph->model->arena;
    float *params[4], *factor = mq_arena_alloc(a, (size_t)channels * sizeof *factor + 1);
    mq_status rc;

    for (size_t i = 0; i < 4; i++)
        if (!(params[i] = mq_arena_alloc(a, (size_t)channels * sizeof *params[i] + 1)))
            return mq_oom(err);
    if (!factor)
        return mq_oom(err);
    for (int64_t c = 0; c < channels; c++)
        factor[c] = 1;
    if (mean)
        MQ_TRY(resize_filters(conv, factor, err));
    for (int64_t c = 0; c < channels; c++) {
        const double k = (double)factor[c];

        params[0][c] = mean ? (float)sqrt(variance[c] + (double)EPSILON / (k * k)) : 1;
        params[1][c] = mean ? (float)mean[c] : 0;
        params[2][c] = mean ? (float)(mean[c] * k) : 0;
        params[3][c] = mean ? (float)(variance[c] * k * k) : 1;
    }
    rc = add_norm(conv, params, channels, err);
done:
    return rc;
}
