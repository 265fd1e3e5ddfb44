/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* RoiAlign and CropAndResize: regions of feature maps by bilinear sampling; ImageDecoder, which needs libraries that
 * this room does not have. */
#include <math.h>
#include <string.h>

#include "exec/ref/util.h"

/* More sampling points along one axis of a bin are no sensible region. */
enum { MAX_GRID = 4096 };

typedef struct regions {
    int64_t height, width;         /* of the feature map */
    int64_t out_height, out_width; /* of a pooled region */
    int64_t ratio;
    double scale, offset;
    bool max, f32; /* f32: the coordinates are computed in float */
} regions;

/* One region in the feature map. */
typedef struct region {
    double top, left, bin_height, bin_width;
    int64_t grid_height, grid_width; /* sampling points of a bin */
} region;

static double rounded(const regions *r, double v)
{
    return r->f32 ? (double)(float)v : v;
}

/* Sampling points of a bin: the attribute, or enough for the region. Not a number gives none; -1: far too many. */
static int64_t grid_of(const regions *r, double size, int64_t bins)
{
    const double n = r->ratio > 0 ? (double)r->ratio : ceil(rounded(r, size / (double)bins));

    return n > MAX_GRID ? -1 : n > 0 ? (int64_t)n : 0;
}

static mq_status find_region(mq_call *c, const regions *r, size_t i, region *out)
{
    const mq_array *rois = c->in[1];
    double edge[4], height, width;

    for (size_t k = 0; k < 4; k++)
        edge[k] = rounded(r, rounded(r, mq_array_f64(rois, i * 4 + k) * r->scale) - r->offset);
    width = rounded(r, edge[2] - edge[0]);
    height = rounded(r, edge[3] - edge[1]);
    if (r->offset == 0) { /* the old way: no region is smaller than one element */
        width = width > 1 || isnan(width) ? width : 1;
        height = height > 1 || isnan(height) ? height : 1;
    }
    *out = (region){ .left = edge[0], .top = edge[1], .bin_width = rounded(r, width / (double)r->out_width),
                     .bin_height = rounded(r, height / (double)r->out_height),
                     .grid_width = grid_of(r, width, r->out_width), .grid_height = grid_of(r, height, r->out_height) };
    if (out->grid_width < 0 || out->grid_height < 0)
        return mq_call_fail(c, "region %zu (%g by %g) needs over %d sampling points a bin", i, width, height, MAX_GRID);
    return MQ_OK;
}

/* The four elements around a point and their weights; false: outside of the map. */
static bool around(double y, double x, int64_t height, int64_t width, int64_t at[4], double w[4])
{
    int64_t top, left, bottom, right;

    if (!(y >= -1 && y <= (double)height && x >= -1 && x <= (double)width))
        return false;
    y = y > 0 ? y : 0;
    x = x > 0 ? x : 0;
    top = (int64_t)y;
    left = (int64_t)x;
    if (top >= height - 1)
        y = (double)(top = height - 1);
    if (left >= width - 1)
        x = (double)(left = width - 1);
    bottom = top + (top < height - 1);
    right = left + (left < width - 1);
    y -= (double)top;
    x -= (double)left;
    at[0] = top * width + left;
    at[1] = top * width + right;
    at[2] = bottom * width + left;
    at[3] = bottom * width + right;
    w[0] = (1 - y) * (1 - x);
    w[1] = (1 - y) * x;
    w[2] = y * (1 - x);
    w[3] = y * x;
    return true;
}

static double element(const mq_array *x, int64_t at)
{
    return x->dtype == MQ_FLOAT ? (double)((const float *)x->data)[at] : ((const double *)x->data)[at];
}

static void put(mq_dtype dtype, void *out, int64_t at, double v)
{
    if (dtype == MQ_FLOAT)
        ((float *)out)[at] = (float)v;
    else
        ((double *)out)[at] = v;
}

/* One bin of one channel, whose map begins at `base`. */
static double pool_bin(const regions *r, const region *g, const mq_array *x, int64_t base, int64_t row, int64_t col)
{
    double sum = 0, best = -INFINITY;
    int64_t at[4];
    double w[4];

    for (int64_t i = 0; i < g->grid_height; i++) {
        const double py = g->top + (double)row * g->bin_height + ((double)i + 0.5) * g->bin_height / (double)g->grid_height;

        for (int64_t k = 0; k < g->grid_width; k++) {
            const double px =
                g->left + (double)col * g->bin_width + ((double)k + 0.5) * g->bin_width / (double)g->grid_width;
            const bool inside = around(py, px, r->height, r->width, at, w);

            for (int n = 0; n < 4; n++) {
                const double v = inside ? w[n] * element(x, base + at[n]) : 0;

                sum += v;
                best = v > best || isnan(v) ? v : best;
            }
        }
    }
    if (g->grid_height == 0 || g->grid_width == 0)
        return 0;
    return r->max ? best : sum / (double)(g->grid_height * g->grid_width);
}

static mq_status read_regions(mq_call *c, regions *r)
{
    const mq_array *x = c->in[0], *rois = c->in[1], *batch = c->in[2];
    const mq_node *n = c->node;

    *r = (regions){ .out_height = mq_node_attr_int(n, "output_height", 1),
                    .out_width = mq_node_attr_int(n, "output_width", 1),
                    .ratio = mq_node_attr_int(n, "sampling_ratio", 0),
                    .scale = (double)mq_node_attr_float(n, "spatial_scale", 1),
                    .offset = mq_node_attr_is(n, "coordinate_transformation_mode", "output_half_pixel") ? 0 : 0.5,
                    .max = mq_node_attr_is(n, "mode", "max"), .f32 = x->dtype == MQ_FLOAT };
    if (x->dtype != MQ_FLOAT && x->dtype != MQ_DOUBLE)
        return mq_call_bad_type(c, x->dtype);
    if (x->rank != 4 || rois->rank != 2 || rois->dims[1] != 4 || batch->rank != 1 || batch->dims[0] != rois->dims[0])
        return mq_call_fail(c, "the input must be [N, C, H, W], the regions [n, 4] and the batch indices [n]");
    if (r->out_height < 1 || r->out_width < 1 || r->ratio < 0 || r->ratio > MAX_GRID)
        return mq_call_fail(c, "output sizes of %lld and %lld with a sampling ratio of %lld are not possible",
                            (long long)r->out_height, (long long)r->out_width, (long long)r->ratio);
    r->height = x->dims[2];
    r->width = x->dims[3];
    for (size_t i = 0; i < batch->count; i++)
        if (mq_array_i64(batch, i) < 0 || mq_array_i64(batch, i) >= x->dims[0])
            return mq_call_fail(c, "batch index %zu is %lld, it must be below %lld", i, (long long)mq_array_i64(batch, i),
                                (long long)x->dims[0]);
    if (batch->count > 0 && x->dims[1] > 0 && (r->height == 0 || r->width == 0))
        return mq_call_fail(c, "the input has no elements to sample");
    return MQ_OK;
}

static mq_status op_roi_align(mq_call *c)
{
    int64_t dims[4], bins;
    region *found;
    const mq_array *x;
    mq_status rc = MQ_OK;
    regions r;
    void *out;

    MQ_TRY(mq_call_need(c, 3));
    MQ_TRY(read_regions(c, &r));
    x = c->in[0];
    dims[0] = c->in[2]->dims[0];
    dims[1] = x->dims[1];
    dims[2] = r.out_height;
    dims[3] = r.out_width;
    MQ_TRY(mq_call_out(c, 0, x->dtype, 4, dims, &out));
    if (mq_span(dims, 0, 4) == 0)
        goto done;
    found = mq_call_scratch(c, ((size_t)dims[0] + 1) * sizeof *found);
    if (!found)
        return MQ_ERR_NOMEM;
    for (int64_t i = 0; i < dims[0]; i++)
        MQ_TRY(find_region(c, &r, (size_t)i, &found[i]));
    bins = r.out_height * r.out_width;
#pragma omp parallel for num_threads(mq_call_threads(c, dims[0] * dims[1] * bins * 64)) schedule(dynamic)
    for (int64_t k = 0; k < dims[0] * dims[1]; k++) {
        const int64_t i = k / dims[1], n = mq_array_i64(c->in[2], (size_t)i);
        const int64_t base = (n * dims[1] + k % dims[1]) * r.height * r.width;

        for (int64_t b = 0; b < bins; b++)
            put(x->dtype, out, k * bins + b, pool_bin(&r, &found[i], x, base, b / r.out_width, b % r.out_width));
    }
done:
    return rc;
}

/* ---- CropAndResize ------------------------------------------------------------------------------------------------ */

/* One output element: the box's corners are normalized to the map; what lies outside is the extrapolation value. */
static double crop_point(const mq_array *x, int64_t base, double y, double px, bool nearest, double outside)
{
    const int64_t height = x->dims[2], width = x->dims[3];
    int64_t at[4];
    double w[4], sum = 0;

    if (!(y >= 0 && y <= (double)(height - 1) && px >= 0 && px <= (double)(width - 1)))
        return outside;
    if (nearest)
        return element(x, base + (int64_t)round(y) * width + (int64_t)round(px));
    around(y, px, height, width, at, w);
    for (int n = 0; n < 4; n++)
        sum += w[n] * element(x, base + at[n]);
    return sum;
}

static double box_at(double low, double high, int64_t n_in, int64_t i, int64_t n_out)
{
    if (n_out == 1)
        return 0.5 * (low + high) * (double)(n_in - 1);
    return low * (double)(n_in - 1) + (double)i * (high - low) * (double)(n_in - 1) / (double)(n_out - 1);
}

static mq_status check_crop(mq_call *c, int64_t size[2])
{
    const mq_array *x = c->in[0], *boxes = c->in[1], *batch = c->in[2];
    mq_status rc = MQ_OK;
    size_t n;

    MQ_TRY(mq_call_ints(c, 3, size, 2, &n));
    if (n != 2 || x->rank != 4 || boxes->rank != 2 || boxes->dims[1] != 4 || batch->rank != 1 ||
        batch->dims[0] != boxes->dims[0])
        return mq_call_fail(c, "the input must be [N, C, H, W], the boxes [n, 4], the batch indices [n], the size [2]");
    if (x->dtype != MQ_FLOAT && x->dtype != MQ_DOUBLE)
        return mq_call_bad_type(c, x->dtype);
    for (size_t i = 0; i < batch->count; i++)
        if (mq_array_i64(batch, i) < 0 || mq_array_i64(batch, i) >= x->dims[0])
            return mq_call_fail(c, "batch index %zu is %lld, it must be below %lld", i, (long long)mq_array_i64(batch, i),
                                (long long)x->dims[0]);
done:
    return rc;
}

static mq_status op_crop_and_resize(mq_call *c)
{
    const bool nearest = mq_node_attr_is(c->node, "mode", "nearest");
    const double outside = (double)mq_node_attr_float(c->node, "extrapolation_value", 0);
    int64_t dims[4], size[2];
    const mq_array *x;
    mq_status rc = MQ_OK;
    void *out;

    MQ_TRY(mq_call_need(c, 4));
    MQ_TRY(check_crop(c, size));
    x = c->in[0];
    dims[0] = c->in[1]->dims[0];
    dims[1] = x->dims[1];
    dims[2] = size[0];
    dims[3] = size[1];
    MQ_TRY(mq_call_out(c, 0, x->dtype, 4, dims, &out));
    if (mq_span(dims, 0, 4) == 0)
        goto done;
#pragma omp parallel for num_threads(mq_call_threads(c, dims[0] * dims[1] * size[0] * size[1] * 8)) schedule(static)
    for (int64_t k = 0; k < dims[0] * dims[1]; k++) {
        const int64_t i = k / dims[1], n = mq_array_i64(c->in[2], (size_t)i);
        const int64_t base = (n * dims[1] + k % dims[1]) * x->dims[2] * x->dims[3];
        double box[4];

        for (size_t e = 0; e < 4; e++)
            box[e] = mq_array_f64(c->in[1], (size_t)i * 4 + e);
        for (int64_t row = 0; row < size[0]; row++)
            for (int64_t col = 0; col < size[1]; col++)
                put(x->dtype, out, (k * size[0] + row) * size[1] + col,
                    crop_point(x, base, box_at(box[0], box[2], x->dims[2], row, size[0]),
                               box_at(box[1], box[3], x->dims[3], col, size[1]), nearest, outside));
    }
done:
    return rc;
}

/* ---- ImageDecoder ------------------------------------------------------------------------------------------------- */

static mq_status op_image_decoder(mq_call *c)
{
    return mq_call_unsupported(c, "images inside a model cannot be decoded: decode them before, and feed the pixels");
}

const mq_kernel mq_kernels_image[] = {
    { "", "ImageDecoder", op_image_decoder, 0 },
    { "", "RoiAlign", op_roi_align, MQ_KERNEL_WIDEN },
    { "com.microsoft", "CropAndResize", op_crop_and_resize, MQ_KERNEL_WIDEN },
    { 0 },
};
