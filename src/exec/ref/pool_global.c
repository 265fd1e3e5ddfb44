/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Pooling over whole planes, over regions of interest, and back from MaxPool's indices. */
#include <math.h>
#include <string.h>

#include "exec/ref/families.h"
#include "exec/ref/slide.h"
#include "exec/ref/sums.h"
#include "exec/ref/util.h"

static void put(mq_array *a, int64_t i, double v)
{
    if (a->dtype == MQ_FLOAT)
        ((float *)a->data)[i] = (float)v;
    else
        ((double *)a->data)[i] = v;
}

static double element(const mq_array *a, int64_t i)
{
    return a->dtype == MQ_FLOAT ? (double)((const float *)a->data)[i] : ((const double *)a->data)[i];
}

/* ---- whole planes ------------------------------------------------------------------------------------------------- */

static double average(mq_dtype dtype, const void *x, int64_t n, MQ_UNUSED int64_t p)
{
    return mq_sum(dtype, x, n) / (double)n;
}

static double largest(mq_dtype dtype, const void *x, int64_t n, MQ_UNUSED int64_t p)
{
    return mq_largest(dtype, x, n);
}

static double norm(mq_dtype dtype, const void *x, int64_t n, int64_t p)
{
    double sum = 0;

    if (p == 1)
        return mq_sum_abs(dtype, x, n);
    if (p == 2)
        return sqrt(mq_sum_squares(dtype, x, n, 0));
    for (int64_t i = 0; i < n; i++)
        sum += pow(fabs(dtype == MQ_FLOAT ? (double)((const float *)x)[i] : ((const double *)x)[i]), (double)p);
    return pow(sum, 1 / (double)p);
}

static mq_status global(mq_call *c, double (*fn)(mq_dtype, const void *, int64_t, int64_t), int64_t p)
{
    int64_t dims[MQ_MAX_RANK];
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 1));
    const mq_array *x = c->in[0];
    if (x->dtype != MQ_FLOAT && x->dtype != MQ_DOUBLE)
        return mq_call_bad_type(c, x->dtype);
    if (x->rank < 2)
        return mq_call_fail(c, "input has rank %d; at least 2 is wanted", x->rank);
    for (int d = 0; d < x->rank; d++)
        dims[d] = d < 2 ? x->dims[d] : 1;
    MQ_TRY(mq_call_out(c, 0, x->dtype, x->rank, dims, NULL));
    const int64_t planes = (int64_t)c->out[0]->count, n = mq_window_count(x->rank - 2, x->dims + 2);
    const int threads = mq_call_threads(c, (int64_t)x->count);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < planes; i++)
        put(c->out[0], i, fn(x->dtype, (const char *)x->data + (size_t)(i * n) * mq_array_elem_size(x), n, p));
done:
    return rc;
}

static mq_status op_global_average_pool(mq_call *c)
{
    return global(c, average, 0);
}

static mq_status op_global_max_pool(mq_call *c)
{
    return global(c, largest, 0);
}

static mq_status op_global_lp_pool(mq_call *c)
{
    const int64_t p = mq_node_attr_int(c->node, "p", 2);

    if (p < 1)
        return mq_call_fail(c, "attribute 'p' is %lld; at least 1 is wanted", (long long)p);
    return global(c, norm, p);
}

/* ---- back from indices -------------------------------------------------------------------------------------------- */

/* The shape that the indices count in, and the result's. */
static mq_status unpool_shapes(mq_call *c, int64_t inner[MQ_MAX_RANK], int64_t outer[MQ_MAX_RANK])
{
    const mq_array *x = c->in[0];
    mq_window w;
    size_t n = 0;
    mq_status rc = MQ_OK;

    if (x->rank < 3)
        return mq_call_fail(c, "input has rank %d; at least 3 is wanted", x->rank);
    MQ_TRY(mq_call_window_attrs(c, x->rank - 2, x->dims + 2, NULL, &w));
    for (int d = 0; d < x->rank; d++) {
        const int s = d - 2;
        inner[d] = d < 2 ? x->dims[d] : (x->dims[d] - 1) * w.stride[s] - w.lo[s] - w.hi[s] + w.kernel[s];
        outer[d] = inner[d];
        if (inner[d] < 0)
            return mq_call_fail(c, "the result would have %lld elements along axis %d", (long long)inner[d], d);
    }
    if (mq_call_has(c, 2)) {
        MQ_TRY(mq_call_ints(c, 2, outer, MQ_MAX_RANK, &n));
        if (n != (size_t)x->rank)
            return mq_call_fail(c, "output_shape has %zu elements; %d are wanted", n, x->rank);
    }
    for (int d = 0; d < x->rank; d++) {
        if (outer[d] < inner[d])
            return mq_call_fail(c, "output_shape holds %lld for axis %d; at least %lld is wanted", (long long)outer[d], d,
                                (long long)inner[d]);
    }
done:
    return rc;
}

static mq_status op_max_unpool(mq_call *c)
{
    int64_t inner[MQ_MAX_RANK], outer[MQ_MAX_RANK], strides[MQ_MAX_RANK];
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 2));
    const mq_array *x = c->in[0], *at = c->in[1];
    if (x->dtype != MQ_FLOAT && x->dtype != MQ_DOUBLE)
        return mq_call_bad_type(c, x->dtype);
    if (at->dtype != MQ_INT64 || at->count != x->count)
        return mq_call_fail(c, "indices must be int64, as many as input elements");
    MQ_TRY(unpool_shapes(c, inner, outer));
    MQ_TRY(mq_call_out(c, 0, x->dtype, x->rank, outer, NULL));
    mq_array *y = c->out[0];
    memset(y->data, 0, mq_array_bytes(y));
    if (x->count == 0 || y->count == 0)
        return MQ_OK;
    mq_strides(x->rank, outer, strides);
    const int64_t count = mq_window_count(x->rank, inner);
    for (int64_t i = 0; i < (int64_t)x->count; i++) {
        int64_t index = ((const int64_t *)at->data)[i], to = 0;
        if (index < 0 || index >= count)
            return mq_call_fail(c, "index %lld is outside of [0, %lld)", (long long)index, (long long)count);
        for (int d = x->rank - 1; d >= 0; d--) {
            to += index % inner[d] * strides[d];
            index /= inner[d];
        }
        put(y, to, element(x, i));
    }
done:
    return rc;
}

/* ---- regions of interest ------------------------------------------------------------------------------------------ */

static int64_t clamp(double v, int64_t low, int64_t high)
{
    return v > (double)low ? (v < (double)high ? (int64_t)v : high) : low;
}

/* Of a region that starts at `start` and has `size` elements in `bins` bins: bin b is [*from, *to) of n elements. */
static void bin(double start, double size, int64_t bins, int64_t b, int64_t n, int64_t *from, int64_t *to)
{
    const float step = (float)size / (float)bins;

    *from = clamp(floor((double)((float)b * step)) + start, 0, n);
    *to = clamp(ceil((double)((float)(b + 1) * step)) + start, 0, n);
}

/* A coordinate, rounded; multiplied in the coordinates' type, so that halves fall as everywhere. */
static double scaled(mq_dtype dtype, double v, float scale)
{
    return dtype == MQ_FLOAT ? (double)roundf((float)v * scale) : round(v * (double)scale);
}

/* One region of one channel. */
static void pool_region(const mq_array *x, int64_t plane, const double *roi, mq_array *y, int64_t to)
{
    const int64_t height = x->dims[2], width = x->dims[3], rows = y->dims[2], cols = y->dims[3];
    const double h = fmax(roi[4] - roi[2] + 1, 1), w = fmax(roi[3] - roi[1] + 1, 1);

    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < cols; j++) {
            int64_t top, bottom, left, right;
            bin(roi[2], h, rows, i, height, &top, &bottom);
            bin(roi[1], w, cols, j, width, &left, &right);
            double most = top < bottom && left < right ? -(double)INFINITY : 0;
            for (int64_t r = top; r < bottom; r++)
                for (int64_t k = left; k < right; k++)
                    most = fmax(most, element(x, (plane * height + r) * width + k));
            put(y, to + i * cols + j, most);
        }
    }
}

static mq_status op_max_roi_pool(mq_call *c)
{
    const float scale = mq_node_attr_float(c->node, "spatial_scale", 1.0f);
    size_t n = 0;
    const int64_t *size = mq_node_attr_ints(c->node, "pooled_shape", &n);
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 2));
    const mq_array *x = c->in[0], *rois = c->in[1];
    if ((x->dtype != MQ_FLOAT && x->dtype != MQ_DOUBLE) || rois->dtype != x->dtype)
        return mq_call_bad_type(c, x->dtype);
    if (x->rank != 4 || rois->rank != 2 || rois->dims[1] != 5)
        return mq_call_fail(c, "input must have rank 4 and regions the shape [n, 5]");
    if (n != 2 || size[0] < 1 || size[1] < 1)
        return mq_call_fail(c, "attribute 'pooled_shape' must hold two positive numbers");
    const int64_t channels = x->dims[1], dims[4] = { rois->dims[0], channels, size[0], size[1] };
    MQ_TRY(mq_call_out(c, 0, x->dtype, 4, dims, NULL));
    if (c->out[0]->count == 0)
        return MQ_OK;
    for (int64_t i = 0; i < rois->dims[0]; i++) {
        double roi[5];
        for (int k = 0; k < 5; k++)
            roi[k] = k ? scaled(x->dtype, element(rois, i * 5 + k), scale) : element(rois, i * 5);
        if (!(roi[0] >= 0 && roi[0] < (double)x->dims[0]))
            return mq_call_fail(c, "region %lld is of image %g; there are %lld", (long long)i, roi[0],
                                (long long)x->dims[0]);
        for (int64_t ch = 0; ch < channels; ch++)
            pool_region(x, (int64_t)roi[0] * channels + ch, roi, c->out[0], (i * channels + ch) * size[0] * size[1]);
    }
done:
    return rc;
}

const mq_kernel mq_kernels_pool_global[] = {
    { "", "GlobalAveragePool", op_global_average_pool, MQ_KERNEL_WIDEN },
    { "", "GlobalLpPool", op_global_lp_pool, MQ_KERNEL_WIDEN },
    { "", "GlobalMaxPool", op_global_max_pool, MQ_KERNEL_WIDEN },
    { "", "MaxRoiPool", op_max_roi_pool, MQ_KERNEL_WIDEN },
    { "", "MaxUnpool", op_max_unpool, MQ_KERNEL_WIDEN },
    { 0 },
};
