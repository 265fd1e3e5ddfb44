/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Weights and biases of integer operators. A sum of products and the bias share one int32, in steps of x_scale *
 * w_scale. Channels with hardly any weight have tiny scales, in which their bias can take more steps than int32 has:
 * they get a larger scale, and their weights, which matter little beside that bias, are rounded to it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "passes/qdq.h"

#define ROOMY_BIAS 0x1p29 /* what a bias is brought down to when it is too large */

bool mq_qweight_read(const mq_value *v, int axis, mq_qweight *w)
{
    const mq_qdq *q = &w->q;
    const mq_tensor *t;

    if (!mq_qdq_made(v, &w->q) || (q->dtype != MQ_INT8 && q->dtype != MQ_UINT8) || q->block)
        return false;
    if (!(t = mq_value_constant(q->codes, false)) || t->n_dims < 2 || mq_tensor_count(t) < 1)
        return false;
    if (!q->one && (q->axis < 0 ? q->axis + t->n_dims : q->axis) != axis)
        return false;
    w->channels = t->dims[axis];
    w->inner = 1;
    for (int k = axis + 1; k < t->n_dims; k++)
        w->inner *= t->dims[k];
    if (mq_tensor_count(t) / w->channels > MQ_QWEIGHT_DEPTH)
        return false;
    return (w->scales = mq_constant_floats(q->scale, q->one ? 1 : w->channels)) != NULL;
}

/* ---- the bias as numbers ------------------------------------------------------------------------------------------- */

static bool zeros_are_zero(mq_tensor *t)
{
    for (int64_t i = 0; t && i < mq_tensor_count(t); i++) {
        int64_t zero;

        if (mq_tensor_read_i64(t, (uint64_t)i, 1, &zero, NULL) != MQ_OK || zero != 0)
            return false;
    }
    return true;
}

/* int32 behind DequantizeLinear, with one scale or one per channel. */
static float *dequantized_bias(const mq_node *dq, int64_t channels)
{
    mq_tensor *codes = mq_constant_input(dq, 0), *scale = mq_constant_input(dq, 1);
    mq_arena *arena = dq->graph->model->arena;
    const bool has_zero = dq->n_inputs > 2 && dq->inputs[2];
    float *out = mq_arena_calloc(arena, (size_t)channels + 1, sizeof *out), *scales;
    int64_t *ints = mq_arena_calloc(arena, (size_t)channels + 1, sizeof *ints), n_scales;

    if (!out || !ints || !codes || !scale || codes->dtype != MQ_INT32 || codes->n_dims != 1 || codes->dims[0] != channels ||
        mq_node_attr_int(dq, "block_size", 0) || (has_zero && !mq_constant_input(dq, 2)) ||
        !zeros_are_zero(has_zero ? mq_constant_input(dq, 2) : NULL))
        return NULL;
    n_scales = mq_tensor_count(scale) == 1 ? 1 : channels;
    scales = mq_constant_floats(dq->inputs[1], n_scales);
    if (!scales || mq_tensor_read_i64(codes, 0, (uint64_t)channels, ints, NULL) != MQ_OK)
        return NULL;
    for (int64_t i = 0; i < channels; i++)
        out[i] = (float)ints[i] * scales[n_scales == 1 ? 0 : i];
    return out;
}

static float *bias_numbers(const mq_value *v, int64_t channels)
{
    const mq_node *dq = v->producer;

    return dq && mq_node_is(dq, "", "DequantizeLinear") ? dequantized_bias(dq, channels) : mq_constant_floats(v, channels);
}

/* ---- weights as integers ------------------------------------------------------------------------------------------- */

typedef struct codes {
    const void *data, *zeros; /* zeros NULL: 0 */
    int64_t count;
    bool is_signed, one_zero;
} codes;

static bool read_codes(const mq_qweight *w, codes *c)
{
    mq_tensor *t = mq_value_constant(w->q.codes, false), *zero = w->q.zero ? mq_value_constant(w->q.zero, false) : NULL;

    *c = (codes){ .count = mq_tensor_count(t), .is_signed = w->q.dtype == MQ_INT8, .one_zero = w->q.one };
    return mq_tensor_bytes(t, &c->data, NULL) == MQ_OK && (!zero || mq_tensor_bytes(zero, &c->zeros, NULL) == MQ_OK);
}

static int byte_at(const codes *c, const void *p, int64_t i)
{
    return c->is_signed ? ((const int8_t *)p)[i] : ((const uint8_t *)p)[i];
}

static int zero_at(const codes *c, int64_t channel)
{
    return c->zeros ? byte_at(c, c->zeros, c->one_zero ? 0 : channel) : 0;
}

/* Adds to each channel's sum how far its integers are from zero: what products with bytes can reach is 255 times that. */
static void add_reach(const mq_qweight *w, const codes *c, double *sums)
{
    for (int64_t e = 0; e < c->count; e++) {
        const int64_t channel = e / w->inner % w->channels;

        sums[channel] += abs(byte_at(c, c->data, e) - zero_at(c, channel));
    }
}

/* Channels' scales become `factors` times as large; there is a scale and a zero point per channel then. */
static mq_status rescale(mq_graph *g, mq_qweight *w, const codes *c, const double *factors, mq_error *err)
{
    const mq_tensor *t = mq_value_constant(w->q.codes, false);
    uint8_t *data = malloc((size_t)c->count), *zeros = mq_arena_calloc(g->model->arena, (size_t)w->channels, 1);
    float *scales = mq_arena_calloc(g->model->arena, (size_t)w->channels, sizeof *scales);
    mq_qdq *q = &w->q;
    mq_status rc = MQ_OK;

    if (!data || !zeros || !scales) {
        free(data);
        return mq_oom(err);
    }
    for (int64_t e = 0; e < c->count; e++) {
        const int64_t channel = e / w->inner % w->channels;
        const int zero = zero_at(c, channel);

        data[e] = (uint8_t)(zero + (int)nearbyint((byte_at(c, c->data, e) - zero) / factors[channel]));
    }
    for (int64_t i = 0; i < w->channels; i++) {
        zeros[i] = (uint8_t)zero_at(c, i);
        scales[i] = (float)((double)w->scales[q->one ? 0 : i] * factors[i]);
    }
    MQ_TRY(mq_constant_of_heap(g, q->codes->name, q->dtype, t->n_dims, t->dims, data, &q->codes, err));
    MQ_TRY(mq_constant_of(g, q->scale->name, MQ_FLOAT, 1, &w->channels, scales, &q->scale, err));
    MQ_TRY(mq_constant_of(g, q->codes->name, q->dtype, 1, &w->channels, zeros, &q->zero, err));
    q->one = false;
    w->scales = scales;
done:
    return rc;
}

/* The code of one channel's bias in steps of *step, which is made larger (or, without any weights, whatever suits)
 * when the code does not fit. False: weights or bias would be more than a quarter of a step of y_scale off. */
static bool fit_bias(double number, double reach, double depth, double y_scale, double *step, int32_t *code)
{
    const double old = *step;
    const bool fits = fabs(number / old) + reach * UINT8_MAX < INT32_MAX, fine = y_scale == 0 || old <= y_scale / 2;

    if (reach == 0 && y_scale > 0 && !(fits && fine)) {
        *step = fmax(y_scale / 256, fabs(number) / ROOMY_BIAS);
    } else if (!fits) {
        *step = fmax(old, fabs(number) / ROOMY_BIAS);
        /* each weight is off by half a new step, times a byte */
        if (!(*step * UINT8_MAX / 2 * depth <= y_scale / 4) ||
            !(fabs(number / *step) + (reach * old / *step + depth) * UINT8_MAX < INT32_MAX))
            return false;
    } else if (!fine) {
        return false;
    }
    if (!isfinite(number / *step))
        return false;
    *code = (int32_t)nearbyint(number / *step);
    return true;
}

mq_status mq_qweight_bias(mq_graph *g, mq_qweight *w, mq_value *v, double factor, float x_scale, float y_scale,
                          mq_value **out, bool *good, mq_error *err)
{
    mq_arena *arena = g->model->arena;
    const float *numbers = bias_numbers(v, w->channels);
    double *sums = mq_arena_calloc(arena, (size_t)w->channels, sizeof *sums);
    double *factors = mq_arena_calloc(arena, (size_t)w->channels, sizeof *factors);
    int32_t *ints = mq_arena_calloc(arena, (size_t)w->channels, sizeof *ints);
    bool changed = false;
    mq_status rc = MQ_OK;
    codes c;

    *good = false;
    if (!sums || !factors || !ints)
        return mq_oom(err);
    if (!numbers || !read_codes(w, &c))
        return MQ_OK;
    add_reach(w, &c, sums);
    const double depth = (double)(c.count / w->channels);

    for (int64_t i = 0; i < w->channels; i++) {
        const double old = (double)x_scale * (double)w->scales[w->q.one ? 0 : i];
        double step = old;

        if (!fit_bias((double)numbers[i] * factor, sums[i], depth, (double)y_scale, &step, &ints[i]))
            return MQ_OK;
        factors[i] = step / old;
        changed |= step != old;
    }
    if (changed)
        MQ_TRY(rescale(g, w, &c, factors, err));
    MQ_TRY(mq_constant_of(g, v->name, MQ_INT32, 1, &w->channels, ints, out, err));
    *good = true;
done:
    return rc;
}
