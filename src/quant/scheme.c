/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Scales from ranges, and the geometry of scales. This is the one place that turns a range into a scale. */
#include "quant/scheme.h"

#include <float.h>
#include <math.h>

mq_scheme mq_scheme_of(mq_dtype type, bool symmetric, bool reduce_range, mq_dtype scale_type)
{
    mq_scheme s = { .type = type, .symmetric = symmetric, .q_min = (int)mq_dtype_min(type),
                    .q_max = (int)mq_dtype_max(type), .scale_type = scale_type };

    if (reduce_range) {
        s.q_min /= 2;
        s.q_max /= 2;
    }
    s.peak = symmetric && mq_dtype_bits(type) <= 4;
    if (symmetric && !s.peak)
        s.q_min++;
    return s;
}

int32_t mq_scheme_middle(const mq_scheme *s)
{
    return mq_dtype_is_signed(s->type) ? 0 : (s->q_max + 1) / 2;
}

size_t mq_scheme_width(const mq_scheme *s)
{
    return mq_dtype_bits(s->type) > 8 ? 2 : 1;
}

/* A positive number in the type of the scales, to the nearest; what float16 holds with few bits is rounded up, so that no
 * value is left out. */
static float round_to(mq_dtype type, double size)
{
    if (type == MQ_FLOAT16 && size < 0x1p-14)
        return (float)(ceil(size * 0x1p24) * 0x1p-24);
    if (type == MQ_FLOAT16)
        return mq_f16_to_f32(mq_f16_from_f32((float)size));
    return type == MQ_BFLOAT16 ? mq_bf16_to_f32(mq_bf16_from_f32((float)size)) : (float)size;
}

/* The next one in magnitude, smaller or larger. */
static float step(mq_dtype type, float f, bool up)
{
    if (type == MQ_FLOAT16)
        return mq_f16_to_f32((uint16_t)(mq_f16_from_f32(f) + (up ? 1 : -1)));
    if (type == MQ_BFLOAT16)
        return mq_bf16_to_f32((uint16_t)(mq_bf16_from_f32(f) + (up ? 1 : -1)));
    return nextafterf(f, up ? INFINITY : 0);
}

/* For scales of 16 bits, and near the ends of what a float holds. */
static float store_carefully(const mq_scheme *s, double scale, int32_t zero_point)
{
    double top = s->scale_type == MQ_FLOAT16 ? 65504.0 : s->scale_type == MQ_BFLOAT16 ? 0x1.fep127 : (double)FLT_MAX;
    double least = s->scale_type == MQ_FLOAT16 ? 0x1p-24 : (double)FLT_MIN;
    int below = zero_point - s->q_min, above = s->q_max - zero_point, most = below > above ? below : above;
    double given = fabs(scale), largest = top / (most > 1 ? most : 1);
    double size = given < least ? least : given > largest ? largest : given;
    float f = round_to(s->scale_type, size);

    if ((size - (double)f) * (s->q_max - s->q_min) > 0.5 * (double)f) /* 16 bits: many integers would be missing */
        f = step(s->scale_type, f, true);
    while ((double)f * most > top)
        f = step(s->scale_type, f, false);
    return scale < 0 ? -f : f;
}

float mq_scheme_store(const mq_scheme *s, double scale, int32_t zero_point)
{
    if (s->scale_type == MQ_FLOAT && fabs(scale) >= (double)FLT_MIN && fabs(scale) < 0x1p100)
        return (float)scale;
    return store_carefully(s, scale, zero_point);
}

void mq_scheme_affine(const mq_scheme *s, float lo, float hi, float *scale, int32_t *zero_point)
{
    double from = lo < 0 ? (double)lo : 0, to = hi > 0 ? (double)hi : 0;
    int middle = mq_scheme_middle(s);
    double zp;

    *zero_point = s->symmetric ? middle : 0; /* every type has 0 */
    if (!(to - from > 0)) {
        *scale = 1;
        return;
    }
    if (s->peak) {
        *scale = mq_scheme_store(s, (-from > to ? from : to) / (s->q_min - middle), middle);
    } else if (s->symmetric) {
        *scale = mq_scheme_store(s, (-from > to ? -from : to) / (s->q_max - middle), middle);
    } else {
        *scale = mq_scheme_store(s, (to - from) / (s->q_max - s->q_min), middle);
        zp = nearbyint(s->q_min - from / (double)*scale);
        *zero_point = (int32_t)(zp < s->q_min ? s->q_min : zp > s->q_max ? s->q_max : zp);
        *scale = mq_scheme_store(s, (double)*scale, *zero_point); /* more integers may lie on one side of it now */
    }
}

mq_grid mq_grid_of(mq_granularity kind, int n_dims, const int64_t *dims, int axis, size_t block)
{
    mq_grid g = { .kind = kind, .outer = 1, .n = 1, .inner = 1, .block = block };

    for (int i = 0; i < n_dims; i++) {
        if (kind == MQ_PER_TENSOR || i > axis)
            g.inner *= (size_t)dims[i];
        else if (i < axis)
            g.outer *= (size_t)dims[i];
        else
            g.n = (size_t)dims[i];
    }
    g.n_blocks = kind == MQ_PER_BLOCK ? (g.n + block - 1) / block : g.n;
    g.n_scales = kind == MQ_PER_BLOCK ? g.outer * g.n_blocks * g.inner : g.n;
    return g;
}

mq_line mq_grid_line(const mq_grid *g, size_t from)
{
    size_t i = from % g->inner, k = from / g->inner % g->n, o = from / g->inner / g->n;

    if (g->kind != MQ_PER_BLOCK) {
        if (g->inner == 1 && g->n > 1)
            return (mq_line){ .n = g->n - k, .scale = k, .columns = true };
        return (mq_line){ .n = g->inner - i, .scale = k };
    }
    if (g->inner == 1) {
        size_t left = g->block - k % g->block, scale = o * g->n_blocks + k / g->block;
        if (left == g->block)
            return (mq_line){ .n = g->n - k, .scale = scale, .block = g->block };
        return (mq_line){ .n = left < g->n - k ? left : g->n - k, .scale = scale };
    }
    return (mq_line){ .n = g->inner - i, .scale = (o * g->n_blocks + k / g->block) * g->inner + i, .columns = true };
}

size_t mq_grid_scale_at(const mq_grid *g, size_t at)
{
    const size_t i = at % g->inner, k = at / g->inner % g->n, o = at / g->inner / g->n;

    return g->kind == MQ_PER_BLOCK ? (o * g->n_blocks + k / g->block) * g->inner + i : k;
}

mq_grid mq_grid_turned(const mq_grid *g)
{
    mq_grid turned = *g;

    turned.outer = g->inner;
    turned.inner = g->outer;
    return turned;
}

size_t mq_grid_turned_scale(const mq_grid *g, size_t scale)
{
    size_t i = scale % g->inner, b = scale / g->inner % g->n_blocks, o = scale / g->inner / g->n_blocks;

    return g->kind == MQ_PER_BLOCK ? (i * g->n_blocks + b) * g->outer + o : scale;
}

mq_group mq_grid_group(const mq_grid *g, size_t scale)
{
    size_t i, b, o, first, n;

    if (g->kind != MQ_PER_BLOCK)
        return (mq_group){ .from = scale * g->inner, .piece = g->inner, .stride = g->n * g->inner, .n_pieces = g->outer };
    i = scale % g->inner;
    b = scale / g->inner % g->n_blocks;
    o = scale / g->inner / g->n_blocks;
    first = b * g->block;
    n = g->n - first < g->block ? g->n - first : g->block;
    if (g->inner == 1)
        return (mq_group){ .from = o * g->n + first, .piece = n, .stride = n, .n_pieces = 1 };
    return (mq_group){ .from = (o * g->n + first) * g->inner + i, .piece = 1, .stride = g->inner, .n_pieces = n };
}
