/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Resampling in two passes, along rows and then along columns, each a weighted sum of neighbours. Eight-bit pixels
 * are summed in integers of 22 fractional bits and rounded after each pass, as PIL does it, so that results are
 * equal to PIL's. */
#include "data/preprocess_resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BITS 22

/* The neighbours of one output position. */
struct taps {
    int64_t start;
    int n;
    double *weights;
    int32_t *fixed;
};

struct kernel {
    double support;
    double (*at)(double x);
};

static double triangle(double x)
{
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

static double cubic(double x, double a)
{
    x = fabs(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

static double cubic_pil(double x)
{
    return cubic(x, -0.5);
}

static double cubic_opencv(double x)
{
    return cubic(x, -0.75);
}

static double box(double x)
{
    return x > -0.5 && x <= 0.5 ? 1 : 0;
}

static struct kernel kernel_of(mq_interp interp, bool antialias)
{
    if (interp == MQ_INTERP_AREA)
        return (struct kernel){ 0.5, box };
    if (interp == MQ_INTERP_BICUBIC)
        return (struct kernel){ 2, antialias ? cubic_pil : cubic_opencv };
    return (struct kernel){ 1, triangle };
}

/* ---- weights -------------------------------------------------------------------------------------------------------- */

/* The kernel widened by the scale when the picture shrinks; cut off at the borders and made to add up to 1. */
static void taps_pil(struct taps *t, int64_t at, int64_t in, double scale, struct kernel k)
{
    const double wide = scale < 1 ? 1 : scale, support = k.support * wide, center = ((double)at + 0.5) * scale;
    int64_t low = (int64_t)(center - support + 0.5), high = (int64_t)(center + support + 0.5);
    double sum = 0;

    low = low < 0 ? 0 : low;
    high = high > in ? in : high;
    t->start = low;
    t->n = (int)(high - low);
    for (int i = 0; i < t->n; i++)
        sum += t->weights[i] = k.at(((double)(i + low) - center + 0.5) / wide);
    for (int i = 0; sum != 0 && i < t->n; i++)
        t->weights[i] /= sum;
}

/* Adds weight to an input position; positions outside count for the border. */
static void add_weight(struct taps *t, int64_t at, int64_t in, double w)
{
    at = at < 0 ? 0 : at >= in ? in - 1 : at;
    if (!t->n)
        t->start = at;
    while (t->start + t->n <= at)
        t->weights[t->n++] = 0;
    t->weights[at - t->start] += w;
}

/* The kernel as it is, at the pixel's centre. */
static void taps_opencv(struct taps *t, int64_t at, int64_t in, double scale, struct kernel k)
{
    const double center = ((double)at + 0.5) * scale - 0.5;
    const int64_t first = (int64_t)floor(center) - (int64_t)k.support + 1;

    t->n = 0;
    for (int i = 0; i < 2 * (int)k.support; i++)
        add_weight(t, first + i, in, k.at((double)(first + i) - center));
}

/* What of each input pixel the output pixel covers; when the picture grows, a line between two pixels at their
 * border only. */
static void taps_area(struct taps *t, int64_t at, int64_t in, double scale)
{
    const double low = (double)at * scale, high = low + scale;

    t->n = 0;
    if (scale <= 1) {
        const int64_t first = (int64_t)floor(low);
        double share = (double)(at + 1) - (double)(first + 1) / scale;

        share = share <= 0 ? 0 : share - floor(share);
        add_weight(t, first, in, 1 - share);
        add_weight(t, first + 1, in, share);
        return;
    }
    for (int64_t i = (int64_t)floor(low); i < in && (double)i < high - 1e-9; i++) {
        const double from = (double)i > low ? (double)i : low, to = (double)(i + 1) < high ? (double)(i + 1) : high;

        add_weight(t, i, in, (to - from) / scale);
    }
}

/* `at` in the input: PIL adds up steps, which is not the same as multiplying in the last bit. */
static void taps_nearest(struct taps *t, double at, int64_t in)
{
    t->n = 0;
    add_weight(t, (int64_t)floor(at), in, 1);
}

static void free_taps(struct taps *list, int64_t n)
{
    for (int64_t i = 0; list && i < n; i++) {
        free(list[i].weights);
        free(list[i].fixed);
    }
    free(list);
}

static mq_status make_taps(struct taps **out, int64_t from, int64_t to, mq_interp interp, bool antialias, mq_error *err)
{
    const struct kernel k = kernel_of(interp, antialias);
    const double scale = (double)from / (double)to;
    const size_t room = (size_t)ceil(k.support * (scale < 1 ? 1 : scale)) * 2 + 3;
    struct taps *list = calloc((size_t)to, sizeof *list);
    double middle = scale * 0.5;

    for (int64_t i = 0; list && i < to; i++) {
        struct taps *t = &list[i];

        t->weights = calloc(room, sizeof *t->weights);
        t->fixed = calloc(room, sizeof *t->fixed);
        if (!t->weights || !t->fixed) {
            free_taps(list, to);
            return mq_oom(err);
        }
        if (interp == MQ_INTERP_NEAREST)
            taps_nearest(t, antialias ? middle : (double)i * scale, from);
        else if (antialias)
            taps_pil(t, i, from, scale, k);
        else if (interp == MQ_INTERP_AREA)
            taps_area(t, i, from, scale);
        else
            taps_opencv(t, i, from, scale, k);
        for (int j = 0; j < t->n; j++)
            t->fixed[j] = (int32_t)(t->weights[j] * (1 << BITS) + (t->weights[j] < 0 ? -0.5 : 0.5));
        middle += scale;
    }
    *out = list;
    return list ? MQ_OK : mq_oom(err);
}

/* ---- passes --------------------------------------------------------------------------------------------------------- */

static uint8_t clip(int32_t sum)
{
    const int32_t v = sum >> BITS;

    return v < 0 ? 0 : v > 255 ? 255 : (uint8_t)v;
}

/* n elements, each the weighted sum of elements `step` apart. */
static void sum_u8(uint8_t *out, const uint8_t *in, const struct taps *t, size_t n, size_t step)
{
    for (size_t i = 0; i < n; i++) {
        int32_t sum = 1 << (BITS - 1);

        for (int k = 0; k < t->n; k++)
            sum += in[i + (size_t)k * step] * t->fixed[k];
        out[i] = clip(sum);
    }
}

static void sum_f32(float *out, const float *in, const struct taps *t, size_t n, size_t step)
{
    for (size_t i = 0; i < n; i++) {
        double sum = 0;

        for (int k = 0; k < t->n; k++)
            sum += (double)in[i + (size_t)k * step] * t->weights[k];
        out[i] = (float)sum;
    }
}

static void sum_at(mq_pixels *out, size_t to, const mq_pixels *in, size_t from, const struct taps *t, size_t n, size_t step)
{
    if (in->is_float)
        sum_f32((float *)out->data + to, (const float *)in->data + from, t, n, step);
    else
        sum_u8((uint8_t *)out->data + to, (const uint8_t *)in->data + from, t, n, step);
}

static mq_status allocate(mq_pixels *p, mq_error *err)
{
    const size_t n = (size_t)p->height * (size_t)p->width * (size_t)p->channels;

    p->data = malloc((n ? n : 1) * (p->is_float ? sizeof(float) : 1));
    return p->data ? MQ_OK : mq_oom(err);
}

static mq_status pass_rows(mq_pixels *out, const mq_pixels *in, mq_interp interp, bool antialias, mq_error *err)
{
    const size_t c = (size_t)in->channels;
    struct taps *taps = NULL;
    mq_status rc;

    MQ_TRY(make_taps(&taps, in->width, out->width, interp, antialias, err));
    MQ_TRY(allocate(out, err));
    for (int64_t y = 0; y < in->height; y++)
        for (int64_t x = 0; x < out->width; x++)
            sum_at(out, ((size_t)y * (size_t)out->width + (size_t)x) * c, in,
                   ((size_t)y * (size_t)in->width + (size_t)taps[x].start) * c, &taps[x], c, c);
done:
    free_taps(taps, out->width);
    return rc;
}

static mq_status pass_columns(mq_pixels *out, const mq_pixels *in, mq_interp interp, bool antialias, mq_error *err)
{
    const size_t line = (size_t)in->width * (size_t)in->channels;
    struct taps *taps = NULL;
    mq_status rc;

    MQ_TRY(make_taps(&taps, in->height, out->height, interp, antialias, err));
    MQ_TRY(allocate(out, err));
    for (int64_t y = 0; y < out->height; y++)
        sum_at(out, (size_t)y * line, in, (size_t)taps[y].start * line, &taps[y], line, line);
done:
    free_taps(taps, out->height);
    return rc;
}

mq_status mq_pixels_resize(mq_pixels *out, const mq_pixels *in, mq_interp interp, bool antialias, mq_error *err)
{
    mq_pixels half = { .height = in->height, .width = out->width, .channels = in->channels, .is_float = in->is_float };
    mq_status rc;

    out->channels = in->channels;
    out->is_float = in->is_float;
    out->data = NULL;
    if (out->width == in->width)
        return pass_columns(out, in, interp, antialias, err);
    if (out->height == in->height)
        return pass_rows(out, in, interp, antialias, err);
    MQ_TRY(pass_rows(&half, in, interp, antialias, err));
    rc = pass_columns(out, &half, interp, antialias, err);
done:
    free(half.data);
    return rc;
}
