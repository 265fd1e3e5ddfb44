/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* BatchNormalization behind convolutions that have none: exporters fold it away, and without it a student learns slowly or
 * not at all. It is folded again before the student is written. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "distill/derive.h"
#include "passes/pass.h"

#define EPSILON 1e-5f
#define SCALE_NAME "norm_scale" /* what the scales that are put in are called */
#define TINY 1e-20 /* sums of squares of filters that are as good as zero: made large they would overflow the statistics */
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

/* Filter by filter, the factor that brings it to the size that fresh ones have. */
static void find_factors(const float *weight, int64_t per, int64_t channels, double *factor)
{
    for (int64_t c = 0; c < channels; c++) {
        double squares = 0;

        for (int64_t i = 0; i < per; i++)
            squares += (double)weight[c * per + i] * (double)weight[c * per + i];
        factor[c] = squares > TINY && isfinite(squares) ? sqrt(2 / squares) : 1; /* rms: the root of 2 / fan_in */
    }
}

/* data: rows of `per` numbers, each times its factor. */
static void scale_rows(float *data, int64_t per, int64_t channels, const double *factor)
{
    for (int64_t c = 0; c < channels; c++)
        for (int64_t i = 0; i < per; i++)
            data[c * per + i] = (float)((double)data[c * per + i] * factor[c]);
}

static bool is_own(const mq_value *v, int64_t count)
{
    return v && v->init && !v->is_input && v->uses.n == 1 && !v->n_output_uses && v->init->dtype == MQ_FLOAT &&
           mq_tensor_count(v->init) == count;
}

/* The BatchNormalization that was put behind a Conv, all of whose weights are their own; else NULL. */
static mq_node *norm_of(const mq_node *conv)
{
    const mq_value *y = mq_node_is(conv, "", "Conv") && conv->n_outputs ? conv->outputs[0] : NULL;
    const mq_value *w = y && conv->n_inputs > 1 ? conv->inputs[1] : NULL;
    mq_node *norm = w && y->uses.n == 1 && !y->n_output_uses ? y->uses.items[0].node : NULL;
    const int64_t channels = w && w->init && w->init->n_dims > 2 ? w->init->dims[0] : 0;

    if (!norm || norm->graph != conv->graph || !mq_node_is(norm, "", "BatchNormalization") || norm->n_inputs != 5 ||
        channels < 1 || !is_own(w, mq_tensor_count(w->init)) ||
        (conv->n_inputs > 2 && conv->inputs[2] && !is_own(conv->inputs[2], channels)))
        return NULL;
    for (size_t i = 1; i < 5; i++)
        if (!is_own(norm->inputs[i], channels))
            return NULL;
    return strncmp(norm->inputs[1]->name, SCALE_NAME, strlen(SCALE_NAME)) == 0 ? norm : NULL;
}

static mq_status resize(mq_node *conv, mq_node *norm, mq_error *err)
{
    mq_value *const tensors[] = { conv->inputs[1], conv->n_inputs > 2 ? conv->inputs[2] : NULL, norm->inputs[1],
                                  norm->inputs[3], norm->inputs[4] };
    const double epsilon = (double)mq_node_attr_float(norm, "epsilon", EPSILON);
    const int64_t channels = conv->inputs[1]->init->dims[0];
    double *k = mq_arena_alloc(conv->graph->model->arena, (size_t)channels * sizeof *k);
    float *data[5] = { NULL }, *scale, *mean, *var;
    int64_t n[5] = { 0 };
    mq_status rc = MQ_OK;

    if (!k)
        return mq_oom(err);
    for (int i = 0; i < 5; i++)
        if (tensors[i])
            MQ_TRY(floats_of(tensors[i], &data[i], &n[i], err));
    find_factors(data[0], n[0] / channels, channels, k);
    for (int i = 0; i < 2; i++)
        if (data[i])
            scale_rows(data[i], n[i] / channels, channels, k);
    scale = data[2];
    mean = data[3];
    var = data[4];
    for (int64_t c = 0; c < channels; c++) {
        const double was = (double)var[c] + epsilon, now = (double)var[c] * k[c] * k[c] + epsilon;

        if (was > 0 && now > 0)
            scale[c] = (float)((double)scale[c] * sqrt(now / was) / k[c]);
        mean[c] = (float)((double)mean[c] * k[c]);
        var[c] = (float)((double)var[c] * k[c] * k[c]);
    }
    for (int i = 0; i < 5; i++)
        if (data[i])
            MQ_TRY(put_floats(tensors[i], data[i], err));
done:
    return rc;
}

mq_status mq_norms_resize(mq_model *m, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (mq_node *n = m->graph->first; n && rc == MQ_OK; n = n->next) {
        mq_node *norm = norm_of(n);

        if (norm)
            rc = resize(n, norm, err);
    }
    return rc;
}

static mq_status add_norm(mq_node *conv, float *const *params, int64_t channels, mq_error *err)
{
    static const char *const names[] = { SCALE_NAME, "norm_bias", "norm_mean", "norm_var" };
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
    float *params[4];

    for (size_t i = 0; i < 4; i++)
        if (!(params[i] = mq_arena_alloc(a, (size_t)channels * sizeof *params[i] + 1)))
            return mq_oom(err);
    for (int64_t c = 0; c < channels; c++) {
        params[0][c] = mean ? (float)sqrt(variance[c] + (double)EPSILON) : 1;
        params[1][c] = params[2][c] = mean ? (float)mean[c] : 0;
        params[3][c] = mean ? (float)variance[c] : 1;
    }
    return add_norm(conv, params, channels, err);
}
