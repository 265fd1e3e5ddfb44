/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Pixels to inputs. Everything up to the arithmetic works on pixels in rows with their channels together, eight-bit
 * as decoded or float; the arithmetic is in float32, in the order that is written: times the scale, minus the mean,
 * divided by the deviation. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/convert.h"
#include "data/image.h"
#include "data/preprocess_spec.h"
#include "model/onnx_info.h"

/* ---- the input ------------------------------------------------------------------------------------------------------ */

static int64_t size_at(const mq_type *t, int axis)
{
    return mq_dim_known(t->dims[axis]) ? t->dims[axis].value : -1;
}

static bool is_channels(int64_t n)
{
    return n == 1 || n == 3 || n == 4;
}

/* Channels first unless only the last axis could be them. */
static void read_layout(mq_pipeline *p, const mq_type *t)
{
    const int first = t->rank - 3;

    if (p->layout == MQ_LAYOUT_AUTO)
        p->layout = !is_channels(size_at(t, first)) && is_channels(size_at(t, first + 2)) ? MQ_LAYOUT_NHWC : MQ_LAYOUT_NCHW;
    p->channels = size_at(t, p->layout == MQ_LAYOUT_NCHW ? first : first + 2);
    p->height = size_at(t, p->layout == MQ_LAYOUT_NCHW ? first + 1 : first);
    p->width = size_at(t, p->layout == MQ_LAYOUT_NCHW ? first + 2 : first + 1);
}

/* "224x?" */
static void sides_text(char *out, size_t size, int64_t height, int64_t width)
{
    char each[2][24] = { "?", "?" };

    if (height >= 0)
        snprintf(each[0], sizeof each[0], "%lld", (long long)height);
    if (width >= 0)
        snprintf(each[1], sizeof each[1], "%lld", (long long)width);
    snprintf(out, size, "%sx%s", each[0], each[1]);
}

/* The size after cropping or fitting against the input's. */
static mq_status check_sides(const mq_pipeline *p, const char *name, int64_t height, int64_t width, mq_error *err)
{
    char want[64];

    if ((p->height < 0 || p->height == height) && (p->width < 0 || p->width == width))
        return MQ_OK;
    sides_text(want, sizeof want, p->height, p->width);
    return mq_fail(err, MQ_ERR_USAGE,
                   "--preprocess '%s' makes pictures of %lldx%lld (height x width), but input '%s' takes %s%s",
                   p->text, (long long)height, (long long)width, name, want,
                   height == p->width && width == p->height ? ": height and width are swapped" : "");
}

static mq_status need_size(const mq_pipeline *p, const char *name, const char *key, mq_error *err)
{
    return mq_fail(err, MQ_ERR_USAGE, "--preprocess '%s': %s needs a size: input '%s' does not declare one", p->text,
                   key, name);
}

static mq_status bind_sizes(mq_pipeline *p, const char *name, mq_error *err)
{
    const char *key = p->fit == MQ_FIT_LETTERBOX ? "letterbox" : "resize";
    mq_status rc = MQ_OK;

    if (p->fit >= MQ_FIT_EXACT && !p->fit_height) {
        if (p->height < 1 || p->width < 1)
            return need_size(p, name, key, err);
        p->fit_height = p->height;
        p->fit_width = p->width;
    }
    if (p->crop && !p->crop_height) {
        if (p->height < 1 || p->width < 1)
            return need_size(p, name, "crop", err);
        p->crop_height = p->height;
        p->crop_width = p->width;
    }
    if (p->crop)
        rc = check_sides(p, name, p->crop_height, p->crop_width, err);
    else if (p->fit >= MQ_FIT_EXACT)
        rc = check_sides(p, name, p->fit_height, p->fit_width, err);
    if (rc == MQ_OK && p->crop && p->fit != MQ_FIT_NONE && (p->crop_height > p->fit_height || p->crop_width > p->fit_width))
        rc = mq_fail(err, MQ_ERR_USAGE, "--preprocess '%s': crop is larger than %s", p->text, key);
    return rc;
}

static mq_status bind_channels(const mq_pipeline *p, const char *name, mq_error *err)
{
    const int counts[] = { p->n_mean, p->n_std };

    for (int i = 0; i < 2; i++)
        if (counts[i] > 1 && p->channels >= 0 && counts[i] != p->channels)
            return mq_fail(err, MQ_ERR_USAGE,
                           "--preprocess '%s': %s has %d values, but input '%s' has %lld channels", p->text,
                           i ? "std" : "mean", counts[i], name, (long long)p->channels);
    if (p->order == MQ_ORDER_GRAY && p->channels > 1)
        return mq_fail(err, MQ_ERR_USAGE, "--preprocess '%s': order=gray gives 1 channel, but input '%s' has %lld",
                       p->text, name, (long long)p->channels);
    return MQ_OK;
}

mq_status mq_pipeline_bind(mq_pipeline *p, const mq_value *input, mq_error *err)
{
    const mq_type *t = input->type ? input->type : input->declared;
    mq_edge edge;
    mq_status rc;

    if (!t || t->kind != MQ_TYPE_TENSOR || !t->dtype)
        return mq_fail(err, MQ_ERR_USAGE, "--preprocess '%s': input '%s' is no tensor of a known type", p->text,
                       input->name);
    if (!mq_can_convert(MQ_FLOAT, t->dtype) && !mq_dtype_is_integer(t->dtype))
        return mq_fail(err, MQ_ERR_USAGE, "--preprocess '%s': input '%s' holds %s", p->text, input->name,
                       mq_dtype_name(t->dtype));
    p->dtype = mq_edge_get(input, &edge) ? MQ_FLOAT : t->dtype; /* integers that stand for numbers are made of those */
    if (t->rank == 3 || t->rank == 4)
        read_layout(p, t);
    else if (p->layout == MQ_LAYOUT_AUTO)
        p->layout = MQ_LAYOUT_NCHW;
    if (t->rank >= 0 && t->rank < 3 && (p->fit != MQ_FIT_NONE || p->crop || p->order != MQ_ORDER_RGB))
        return mq_fail(err, MQ_ERR_USAGE, "--preprocess '%s': input '%s' has %d axes: no picture", p->text,
                       input->name, t->rank);
    if ((rc = bind_sizes(p, input->name, err)) != MQ_OK)
        return rc;
    return bind_channels(p, input->name, err);
}

void mq_pipeline_dims(const mq_pipeline *p, int64_t dims[3])
{
    const bool first = p->layout == MQ_LAYOUT_NCHW;
    const int64_t height = p->crop ? p->crop_height : p->fit >= MQ_FIT_EXACT ? p->fit_height : -1;
    const int64_t width = p->crop ? p->crop_width : p->fit >= MQ_FIT_EXACT ? p->fit_width : -1;

    dims[first ? 0 : 2] = p->order == MQ_ORDER_GRAY ? 1 : -1;
    dims[first ? 1 : 0] = height;
    dims[first ? 2 : 1] = width;
}

/* ---- pixels in ------------------------------------------------------------------------------------------------------ */

static size_t count_of(const mq_pixels *p)
{
    return (size_t)p->height * (size_t)p->width * (size_t)p->channels;
}

static mq_status allocate(mq_pixels *p, mq_error *err)
{
    const size_t n = count_of(p);

    p->data = malloc((n ? n : 1) * (p->is_float ? sizeof(float) : 1));
    return p->data ? MQ_OK : mq_oom(err);
}

/* Where an array of pixels has its channels: as `from` says, else by what can be channels, else as the input has it. */
static bool channels_first(const mq_pipeline *p, const mq_array *row)
{
    if (p->from != MQ_LAYOUT_AUTO)
        return p->from == MQ_LAYOUT_NCHW;
    if (is_channels(row->dims[0]) != is_channels(row->dims[2]))
        return is_channels(row->dims[0]);
    return p->layout == MQ_LAYOUT_NCHW;
}

static void put_pixel(mq_pixels *out, size_t to, const mq_array *row, size_t from)
{
    if (out->is_float)
        ((float *)out->data)[to] = ((const float *)row->data)[from];
    else
        ((uint8_t *)out->data)[to] = ((const uint8_t *)row->data)[from];
}

/* Any array of pixels: uint8 stays, everything else becomes float. */
static mq_status take_pixels(mq_pixels *out, const mq_pipeline *p, const mq_array *row, bool image, mq_error *err)
{
    const bool flat = row->rank == 2, first = !flat && !image && channels_first(p, row);
    const int64_t *d = row->dims;
    mq_array *a = NULL;
    mq_status rc;

    *out = (mq_pixels){ .height = d[first ? 1 : 0], .width = d[first ? 2 : 1], .channels = 1,
                        .is_float = row->dtype != MQ_UINT8 };
    if (!flat && d[first ? 0 : 2] > MQ_MAX_CHANNELS)
        return mq_fail(err, MQ_ERR_INPUT, "the picture has %lld channels; its layout may be another (from=nhwc, from=nchw)",
                       (long long)d[first ? 0 : 2]);
    out->channels = flat ? 1 : (int)d[first ? 0 : 2];
    if ((uint64_t)out->height * (uint64_t)out->width > MQ_MAX_PIXELS)
        return mq_fail(err, MQ_ERR_INPUT, "the picture has too many pixels");
    MQ_TRY(mq_array_convert(&a, row, out->is_float ? MQ_FLOAT : MQ_UINT8, err));
    MQ_TRY(allocate(out, err));
    if (!first && a->count) {
        memcpy(out->data, a->data, mq_array_bytes(a));
    } else {
        const size_t plane = (size_t)(out->height * out->width), n = (size_t)out->channels;

        for (size_t i = 0; i < plane; i++)
            for (size_t c = 0; c < n; c++)
                put_pixel(out, i * n + c, a, c * plane + i);
    }
done:
    mq_array_unref(a);
    return rc;
}

/* ---- steps: each gives new pixels and frees the old ------------------------------------------------------------------ */

static void swap_channels(mq_pixels *p)
{
    const size_t n = (size_t)p->height * (size_t)p->width;

    for (size_t i = 0; i < n; i++) {
        if (p->is_float) {
            float *f = (float *)p->data + 3 * i, c = f[0];

            f[0] = f[2];
            f[2] = c;
        } else {
            uint8_t *u = (uint8_t *)p->data + 3 * i, c = u[0];

            u[0] = u[2];
            u[2] = c;
        }
    }
}

/* The weights of ITU-R 601 in 16 bits, as PIL's "L". */
static void make_gray(mq_pixels *p)
{
    const size_t n = (size_t)p->height * (size_t)p->width;

    for (size_t i = 0; i < n; i++) {
        if (p->is_float) {
            const float *f = (const float *)p->data + 3 * i;

            ((float *)p->data)[i] = f[0] * 0.299f + f[1] * 0.587f + f[2] * 0.114f;
        } else {
            const uint8_t *u = (const uint8_t *)p->data + 3 * i;

            ((uint8_t *)p->data)[i] = (uint8_t)((u[0] * 19595u + u[1] * 38470u + u[2] * 7471u + 0x8000u) >> 16);
        }
    }
    p->channels = 1;
}

static mq_status order_channels(mq_pixels *p, mq_channel_order order, mq_error *err)
{
    if (order == MQ_ORDER_RGB || (order == MQ_ORDER_GRAY && p->channels == 1))
        return MQ_OK;
    if (p->channels != 3)
        return mq_fail(err, MQ_ERR_INPUT, "the picture has %d channels, where order=%s wants 3", p->channels,
                       order == MQ_ORDER_BGR ? "bgr" : "gray");
    if (order == MQ_ORDER_BGR)
        swap_channels(p);
    else
        make_gray(p);
    return MQ_OK;
}

static mq_status resize_to(mq_pixels *p, int64_t height, int64_t width, const mq_pipeline *spec, mq_error *err)
{
    mq_pixels out = { .height = height, .width = width };
    mq_status rc;

    if (height == p->height && width == p->width)
        return MQ_OK;
    if (height < 1 || width < 1 || p->height < 1 || p->width < 1 || (uint64_t)height * (uint64_t)width > MQ_MAX_PIXELS)
        return mq_fail(err, MQ_ERR_INPUT, "a picture of %lldx%lld cannot be made %lldx%lld", (long long)p->height,
                       (long long)p->width, (long long)height, (long long)width);
    rc = mq_pixels_resize(&out, p, spec->interp, spec->antialias, err);
    if (rc == MQ_OK) {
        free(p->data);
        *p = out;
    } else {
        free(out.data);
    }
    return rc;
}

static void fill_pixels(mq_pixels *p, int v)
{
    const size_t n = count_of(p);

    for (size_t i = 0; p->is_float && i < n; i++)
        ((float *)p->data)[i] = (float)v;
    if (!p->is_float)
        memset(p->data, v, n);
}

/* A window of p beginning at (top, left), which may lie outside; what is outside is `fill`. */
static mq_status window(mq_pixels *p, int64_t top, int64_t left, int64_t height, int64_t width, int fill, mq_error *err)
{
    mq_pixels out = { .height = height, .width = width, .channels = p->channels, .is_float = p->is_float };
    const size_t size = (size_t)p->channels * (p->is_float ? sizeof(float) : 1);
    const int64_t x0 = left < 0 ? -left : 0, x1 = p->width - left < width ? p->width - left : width;
    mq_status rc = allocate(&out, err);

    if (rc != MQ_OK)
        return rc;
    fill_pixels(&out, fill);
    for (int64_t y = 0; y < height; y++) {
        const int64_t from = y + top;

        if (from >= 0 && from < p->height && x1 > x0)
            memcpy((char *)out.data + (size_t)(y * width + x0) * size,
                   (const char *)p->data + (size_t)(from * p->width + x0 + left) * size, (size_t)(x1 - x0) * size);
    }
    free(p->data);
    *p = out;
    return MQ_OK;
}

/* The largest size of the same shape that fits, in the middle: rounded as Ultralytics does it. */
static mq_status letterbox(mq_pixels *p, const mq_pipeline *s, mq_error *err)
{
    const double by_height = (double)s->fit_height / (double)(p->height ? p->height : 1);
    const double by_width = (double)s->fit_width / (double)(p->width ? p->width : 1);
    const double ratio = by_height < by_width ? by_height : by_width;
    int64_t height = llrint((double)p->height * ratio), width = llrint((double)p->width * ratio), top, left;
    mq_status rc;

    height = height < 1 ? 1 : height;
    width = width < 1 ? 1 : width;
    if ((rc = resize_to(p, height, width, s, err)) != MQ_OK)
        return rc;
    top = s->top_left ? 0 : llrint((double)(s->fit_height - height) / 2 - 0.1);
    left = s->top_left ? 0 : llrint((double)(s->fit_width - width) / 2 - 0.1);
    return window(p, -top, -left, s->fit_height, s->fit_width, s->fill, err);
}

static mq_status fit(mq_pixels *p, const mq_pipeline *s, mq_error *err)
{
    switch (s->fit) {
    case MQ_FIT_NONE: return MQ_OK;
    case MQ_FIT_EXACT: return resize_to(p, s->fit_height, s->fit_width, s, err);
    case MQ_FIT_LETTERBOX: return letterbox(p, s, err);
    case MQ_FIT_SHORT: break;
    }
    if (p->height < 1 || p->width < 1)
        return mq_fail(err, MQ_ERR_INPUT, "the picture has no pixels");
    if (p->width <= p->height) /* the long side is cut to a whole number, as torchvision does it */
        return resize_to(p, s->fit_height * p->height / p->width, s->fit_height, s, err);
    return resize_to(p, s->fit_height, s->fit_height * p->width / p->height, s, err);
}

static mq_status crop(mq_pixels *p, const mq_pipeline *s, mq_error *err)
{
    if (!s->crop)
        return MQ_OK;
    if (p->height < s->crop_height || p->width < s->crop_width)
        return mq_fail(err, MQ_ERR_INPUT, "a picture of %lldx%lld is smaller than crop=%lldx%lld", (long long)p->height,
                       (long long)p->width, (long long)s->crop_height, (long long)s->crop_width);
    return window(p, llrint((double)(p->height - s->crop_height) / 2),
                  llrint((double)(p->width - s->crop_width) / 2), s->crop_height, s->crop_width, 0, err);
}

/* ---- arithmetic ----------------------------------------------------------------------------------------------------- */

struct line {
    float multiply, divide, mean, std;
};

static struct line line_of(const mq_pipeline *p, int channel)
{
    return (struct line){ (float)p->multiply, (float)p->divide, p->mean[p->n_mean > 1 ? channel : 0],
                          p->std[p->n_std > 1 ? channel : 0] };
}

static float apply(struct line l, float x)
{
    x = l.multiply != 1 ? x * l.multiply : x;
    x = l.divide != 1 ? x / l.divide : x;
    x -= l.mean;
    return l.std != 1 ? x / l.std : x;
}

/* Floats to what the input holds, whole numbers rounded and held inside the type. */
static mq_status finish(mq_array **out, mq_array *floats, mq_dtype dtype, mq_error *err)
{
    mq_array *a = NULL;
    mq_status rc;

    if (dtype == MQ_FLOAT) {
        *out = mq_array_ref(floats);
        return MQ_OK;
    }
    if (mq_can_convert(MQ_FLOAT, dtype))
        return mq_array_convert(out, floats, dtype, err);
    if ((rc = mq_array_create(&a, dtype, floats->rank, floats->dims, err)) != MQ_OK)
        return rc;
    for (size_t i = 0; i < floats->count; i++) {
        const double v = (double)((const float *)floats->data)[i];

        mq_put_f64(dtype, a->data, i, &v, 1);
    }
    *out = a;
    return MQ_OK;
}

static mq_status lay_out(mq_array **out, const mq_pipeline *s, const mq_pixels *p, mq_error *err)
{
    const bool first = s->layout == MQ_LAYOUT_NCHW;
    const int64_t dims[3] = { first ? p->channels : p->height, first ? p->height : p->width,
                              first ? p->width : p->channels };
    const size_t plane = (size_t)p->height * (size_t)p->width, n = (size_t)p->channels;
    mq_array *a = NULL;
    mq_status rc;
    float *to;

    if ((s->n_mean > 1 && s->n_mean != p->channels) || (s->n_std > 1 && s->n_std != p->channels))
        return mq_fail(err, MQ_ERR_INPUT, "the picture has %d channels, mean and std are for %d", p->channels,
                       s->n_mean > 1 ? s->n_mean : s->n_std);
    if ((rc = mq_array_create(&a, MQ_FLOAT, 3, dims, err)) != MQ_OK)
        return rc;
    to = a->data;
    for (size_t c = 0; c < n; c++) {
        const struct line l = line_of(s, (int)c);

        for (size_t i = 0; i < plane; i++) {
            const float x = p->is_float ? ((const float *)p->data)[i * n + c] : (float)((const uint8_t *)p->data)[i * n + c];

            to[first ? c * plane + i : i * n + c] = apply(l, x);
        }
    }
    rc = finish(out, a, s->dtype, err);
    mq_array_unref(a);
    return rc;
}

/* Rows that are no pictures: features that only take part in the arithmetic. */
static mq_status run_plain(const mq_pipeline *s, const mq_array *row, mq_array **out, mq_error *err)
{
    const struct line l = line_of(s, 0);
    mq_array *a = NULL, *floats = NULL;
    mq_status rc;

    if (s->fit != MQ_FIT_NONE || s->crop || s->n_mean > 1 || s->n_std > 1)
        return mq_fail(err, MQ_ERR_INPUT,
                       "rows of %d axes are no pictures: only scale, and one mean and std, can be applied", row->rank);
    MQ_TRY(mq_array_convert(&a, row, MQ_FLOAT, err));
    MQ_TRY(mq_array_create(&floats, MQ_FLOAT, row->rank, row->dims, err));
    for (size_t i = 0; i < a->count; i++)
        ((float *)floats->data)[i] = apply(l, ((const float *)a->data)[i]);
    rc = finish(out, floats, s->dtype, err);
done:
    mq_array_unref(a);
    mq_array_unref(floats);
    return rc;
}

static mq_status check_size(const mq_pipeline *s, const mq_pixels *p, mq_error *err)
{
    char want[64];

    if ((s->height < 0 || s->height == p->height) && (s->width < 0 || s->width == p->width) &&
        (s->channels < 0 || s->channels == p->channels))
        return MQ_OK;
    if (s->channels >= 0 && s->channels != p->channels)
        return mq_fail(err, MQ_ERR_INPUT, "the picture has %d channels, the input takes %lld%s", p->channels,
                       (long long)s->channels, s->channels == 1 ? " (order=gray)" : "");
    sides_text(want, sizeof want, s->height, s->width);
    return mq_fail(err, MQ_ERR_INPUT,
                   "the picture is %lldx%lld (height x width), the input takes %s%s (resize, letterbox or crop)",
                   (long long)p->height, (long long)p->width, want,
                   s->height == p->width && s->width == p->height ? ": height and width are swapped" : "");
}

mq_status mq_pipeline_run(const mq_pipeline *s, const mq_array *row, bool image, mq_array **out, mq_error *err)
{
    mq_pixels p = { 0 };
    mq_status rc;

    if (row->rank != 3 && row->rank != 2)
        return run_plain(s, row, out, err);
    MQ_TRY(take_pixels(&p, s, row, image, err));
    MQ_TRY(order_channels(&p, s->order, err));
    MQ_TRY(fit(&p, s, err));
    MQ_TRY(crop(&p, s, err));
    MQ_TRY(check_size(s, &p, err));
    rc = lay_out(out, s, &p, err);
done:
    free(p.data);
    return rc;
}
