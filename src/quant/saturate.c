/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Finds the two largest and the two smallest weights of each channel in one pass. As rounding keeps their order, only those
 * four become integers. */
#include "quant/saturate.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "base/compiler.h"

enum {
    STEP = 1 << 14, /* elements that are read at a time */
    LARGEST = 32767,
    SMALLEST = -32768,
};

/* The extremes of one channel's weights, the utmost first. */
typedef struct extremes {
    float high[2], low[2];
} extremes;

/* A weight as [outer, n, inner] around its channels. */
struct view {
    size_t n, inner;
    extremes *channels;
};

/* What is not finite is written as 0, and as the largest. */
static void see(extremes *e, float value)
{
    const float x = isnan(value) ? 0 : fminf(fmaxf(value, -FLT_MAX), FLT_MAX);

    if (x > e->high[1]) {
        e->high[1] = x > e->high[0] ? e->high[0] : x;
        e->high[0] = x > e->high[0] ? x : e->high[0];
    }
    if (x < e->low[1]) {
        e->low[1] = x < e->low[0] ? e->low[0] : x;
        e->low[0] = x < e->low[0] ? x : e->low[0];
    }
}

static mq_status view_of(const mq_quant_item *it, struct view *v, mq_error *err)
{
    const mq_source *s = &it->weight.source;
    const int axis = it->axis >= 0 ? it->axis : it->channel_axis;

    *v = (struct view){ .n = 1, .inner = (size_t)s->n };
    if (axis >= 0) {
        v->n = (size_t)s->dims[axis];
        v->inner = 1;
    }
    for (int i = axis + 1; axis >= 0 && i < s->n_dims; i++)
        v->inner *= (size_t)s->dims[i];
    if (!(v->channels = malloc((v->n + 1) * sizeof *v->channels)))
        return mq_oom(err);
    for (size_t i = 0; i < v->n; i++)
        v->channels[i] = (extremes){ { -INFINITY, -INFINITY }, { INFINITY, INFINITY } };
    return MQ_OK;
}

static const mq_unaligned_f32 *read_integers(const mq_weight *w, size_t from, size_t n, float *room)
{
    for (size_t i = 0; i < n; i++)
        room[i] = (float)mq_weight_integer(w, from + i);
    return (const mq_unaligned_f32 *)room;
}

/* Of the integers themselves, where they were made beforehand. */
static mq_status find_extremes(const mq_quant_item *it, const struct view *v, mq_error *err)
{
    const mq_source *s = &it->weight.source;
    const size_t n = (size_t)s->n;
    const void *bytes;
    float *room = malloc(STEP * sizeof *room);
    size_t channel = 0, left = v->inner;
    mq_status rc = room ? mq_tensor_bytes(s->tensor, &bytes, err) : mq_oom(err);

    for (size_t from = 0; rc == MQ_OK && from < n; from += STEP) {
        const size_t count = n - from < STEP ? n - from : STEP;
        const mq_unaligned_f32 *x = it->weight.rounded ? read_integers(&it->weight, from, count, room)
                                                       : mq_source_read(s, bytes, from, count, room);
        for (size_t i = 0; i < count; i++) {
            see(&v->channels[channel], x[i]);
            if (--left == 0) {
                left = v->inner;
                channel = channel + 1 < v->n ? channel + 1 : 0;
            }
        }
    }
    free(room);
    return rc;
}

/* The integer that a weight becomes; 0 where there is none. */
static long integer_of(const mq_weight *w, size_t channel, float x)
{
    const size_t at = w->grid.n_scales == 1 ? 0 : channel;
    double q;

    if (!isfinite(x) || w->rounded)
        return isfinite(x) ? (long)x : 0;
    q = rint((double)x / (double)w->scales[at]) + w->zero_points[at];
    return (long)fmin(fmax(q, w->scheme.q_min), w->scheme.q_max);
}

/* The sum of two products that is furthest from 0. */
static long worst_sum(const mq_weight *w, const struct view *v, long largest)
{
    long worst = 0;

    for (size_t i = 0; i < v->n; i++) {
        const extremes *e = &v->channels[i];
        const long high = integer_of(w, i, e->high[0]), high2 = integer_of(w, i, e->high[1]);
        const long low = integer_of(w, i, e->low[0]), low2 = integer_of(w, i, e->low[1]);
        const long up = largest * (high + (high2 > 0 ? high2 : 0)), down = largest * (low + (low2 < 0 ? low2 : 0));
        worst = labs(up) > labs(worst) ? up : worst;
        worst = labs(down) > labs(worst) ? down : worst;
    }
    return worst;
}

/* The largest integer that the kernel multiplies: int8 is moved up by 128 for it. Padding is the zero point. */
static long largest_activation(const mq_point *pt, const mq_calibration *c)
{
    const mq_calibrated *seen = mq_calibration_find(c, pt->value->name);
    const float most = seen && !seen->has_range && seen->observer.n ? seen->observer.max : pt->hi;
    const float q = rintf(most / pt->scale) + (float)pt->zero_point;
    const float largest = fminf(fmaxf(q, (float)pt->zero_point), (float)pt->scheme.q_max);

    return (long)largest + (pt->scheme.type == MQ_INT8 ? 128 : 0);
}

/* The activation that a node multiplies by v as its right factor, when both are 8 bits; NULL: it does not. */
static const mq_point *multiplied(const mq_placement *p, const mq_use *u)
{
    static const char *const products[] = { "Conv", "ConvTranspose", "Gemm", "MatMul" };
    const mq_point *pt = NULL;

    for (size_t i = 0; i < MQ_ARRAY_LEN(products) && u->index == 1; i++)
        if (mq_node_is(u->node, "", products[i]) && u->node->inputs[0])
            pt = mq_placement_find(p, u->node->inputs[0]);
    return pt && pt->scale > 0 && mq_dtype_bits(pt->scheme.type) == 8 ? pt : NULL;
}

struct product {
    const mq_node *node; /* NULL: none */
    long largest;        /* of its activation */
};

static void find_product(struct product *found, const mq_value *v, const mq_placement *p, const mq_calibration *c)
{
    for (size_t i = 0; i < v->uses.n; i++) {
        const mq_point *pt = multiplied(p, &v->uses.items[i]);
        const long largest = pt ? largest_activation(pt, c) : -1;
        if (pt && (!found->node || largest > found->largest))
            *found = (struct product){ v->uses.items[i].node, largest };
    }
}

/* The one with the largest activation, of all that use the integers of `it`. */
static struct product product_of(const mq_quant_item *it, const mq_quant_plan *plan, const mq_calibration *c)
{
    struct product found = { 0 };

    find_product(&found, it->value, plan->placement, c);
    for (size_t i = 0; i < plan->items.n; i++)
        if (plan->items.items[i]->tied == it)
            find_product(&found, plan->items.items[i]->value, plan->placement, c);
    return found;
}

/* One bit less; scales and zero points are found anew. */
static void reduce(mq_weight *w)
{
    w->scheme = mq_scheme_of(w->scheme.type, w->scheme.symmetric, true, w->scheme.scale_type);
    free(w->scales);
    free(w->zero_points);
    w->scales = NULL;
    w->zero_points = NULL;
}

static bool saturates(long sum)
{
    return sum < SMALLEST || sum > LARGEST;
}

static mq_status find_sum(const mq_quant_item *it, long largest, long *sum, mq_error *err)
{
    struct view v = { 0 };
    mq_status rc;

    MQ_TRY(view_of(it, &v, err));
    MQ_TRY(find_extremes(it, &v, err));
    *sum = worst_sum(&it->weight, &v, largest);
done:
    free(v.channels);
    return rc;
}

static mq_status look_at(mq_saturation *s, mq_quant_item *it, const struct product *by, const mq_hooks *hooks,
                         mq_error *err)
{
    const char *label = mq_arena_strdup(by->node->graph->model->arena, mq_node_label(by->node)); /* nodes may go */
    const bool given = it->weight.scales != NULL || it->reduce_range == MQ_CHOICE_NO;
    long sum;
    mq_status rc = MQ_OK;

    if (!label)
        return mq_oom(err);
    MQ_TRY(mq_weight_find_params(&it->weight, hooks, err));
    MQ_TRY(find_sum(it, by->largest, &sum, err));
    s->n_checked++;
    if (!saturates(sum))
        goto done;
    MQ_TRY(mq_vec_push(&s->items, ((mq_saturating){ it, label, sum, !given })) ? MQ_OK : mq_oom(err));
    if (!given)
        reduce(&it->weight);
done:
    return rc;
}

/* The product that `it` could saturate; none of any other type. */
static struct product watched_product(const mq_quant_item *it, const mq_quant_plan *plan, const mq_calibration *c)
{
    if (it->stay != MQ_STAY_NOT || it->tied || it->weight.scheme.type != MQ_INT8 || it->weight.grid.kind == MQ_PER_BLOCK)
        return (struct product){ 0 };
    return product_of(it, plan, c);
}

mq_status mq_saturation_reduce(mq_saturation *s, const mq_quant_plan *plan, const mq_calibration *c, const mq_hooks *hooks,
                               mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < plan->items.n; i++) {
        mq_quant_item *it = plan->items.items[i];
        const struct product by = watched_product(it, plan, c);
        if (by.node)
            MQ_TRY(look_at(s, it, &by, hooks, err));
    }
done:
    return rc;
}

/* Rounded to nearest again, with the scales that were found safe. */
static mq_status round_to_nearest(mq_weight *w, const mq_hooks *hooks, mq_error *err)
{
    free(w->rounded);
    w->rounded = NULL;
    if (w->given)
        return MQ_OK;
    mq_weight_release(w);
    return mq_weight_find_params(w, hooks, err);
}

mq_status mq_saturation_unround(const mq_quant_plan *plan, const mq_calibration *c, const mq_hooks *hooks, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < plan->items.n; i++) {
        mq_quant_item *it = plan->items.items[i];
        const struct product by = it->weight.rounded ? watched_product(it, plan, c) : (struct product){ 0 };
        long sum = 0;
        if (by.node)
            MQ_TRY(find_sum(it, by.largest, &sum, err));
        if (!saturates(sum))
            continue;
        mq_warn(hooks, "round-saturates", it->value->name,
                "weight '%s' is rounded to nearest: sums of two products could saturate at 16 bits with the integers found "
                "by data", it->value->name);
        MQ_TRY(round_to_nearest(&it->weight, hooks, err));
    }
done:
    return rc;
}

void mq_saturation_release(mq_saturation *s)
{
    mq_vec_release(&s->items);
}
