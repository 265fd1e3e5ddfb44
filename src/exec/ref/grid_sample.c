/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Sampling at places that another tensor names: GridSample (any number of spatial axes up to MAX_AXES) and AffineGrid,
 * which makes such places. Sums are in double; coordinates in the grid's own type, so that ties fall as everywhere. */
#include <math.h>
#include <string.h>

#include "exec/ref/util.h"

enum { MAX_AXES = 4, MAX_TAPS = 256 /* 4 to the power of MAX_AXES */ };

typedef enum sample_mode { LINEAR, NEAREST, CUBIC } sample_mode;
typedef enum padding { ZEROS, BORDER, REFLECTION } padding;

typedef struct sampler {
    sample_mode mode;
    padding pad;
    bool align;
    int n_axes;
    int64_t dims[MAX_AXES], strides[MAX_AXES]; /* of the input's spatial axes */
} sampler;

/* The elements that one point is made of; index -1: outside, counts as 0. */
typedef struct taps {
    int n;
    int64_t at[MAX_TAPS];
    double w[MAX_TAPS];
} taps;

/* ---- one coordinate ----------------------------------------------------------------------------------------------- */

/* From -1..1 to elements. Not a number counts as -1. */
static double denormalize_f32(const sampler *s, float v, int64_t n)
{
    if (isnan(v))
        v = -1;
    return (double)(s->align ? (v + 1) / 2 * (float)(n - 1) : ((v + 1) * (float)n - 1) / 2);
}

static double denormalize_f64(const sampler *s, double v, int64_t n)
{
    if (isnan(v))
        v = -1;
    return s->align ? (v + 1) / 2 * (double)(n - 1) : ((v + 1) * (double)n - 1) / 2;
}

/* Mirrored at low and high until it lies between them. */
static double reflect(double x, double low, double high)
{
    const double range = high - low;
    double d;

    if (x >= low && x <= high)
        return x;
    if (!(range > 0) || isinf(x))
        return low;
    d = fmod(x < low ? low - x : x - high, 2 * range);
    d = d < range ? d : 2 * range - d;
    return x < low ? low + d : high - d;
}

static double low_edge(const sampler *s)
{
    return s->align ? 0 : -0.5;
}

static double high_edge(const sampler *s, int64_t n)
{
    return (double)n - (s->align ? 1 : 0.5);
}

static double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

/* Where a coordinate outside is looked up. Far away all is the same. */
static double pad_coordinate(const sampler *s, double x, int64_t n)
{
    const double low = low_edge(s), high = high_edge(s, n);

    if (x >= low && x <= high)
        return x;
    if (s->pad == BORDER && s->mode != CUBIC) /* cubic weighs what is outside too, as where the operator comes from */
        return clamp(x, 0, (double)(n - 1));
    if (s->pad == REFLECTION)
        return reflect(x, low, high);
    return clamp(x, -4, (double)n + 4);
}

/* The same for a neighbour; -1: none. */
static int64_t pad_index(const sampler *s, int64_t i, int64_t n)
{
    if (i >= 0 && i < n)
        return i;
    if (s->pad == ZEROS)
        return -1;
    if (s->pad == BORDER)
        return i < 0 ? 0 : n - 1;
    return (int64_t)clamp(reflect((double)i, low_edge(s), high_edge(s, n)), 0, (double)(n - 1));
}

/* Weights of the four neighbours around a point t behind the second. */
static void cubic_weights(double t, double w[4])
{
    const double a = -0.75;

    w[0] = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a;
    w[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
    w[2] = ((a + 2) * (1 - t) - (a + 3)) * (1 - t) * (1 - t) + 1;
    w[3] = ((a * (2 - t) - 5 * a) * (2 - t) + 8 * a) * (2 - t) - 4 * a;
}

/* ---- one point ---------------------------------------------------------------------------------------------------- */

/* Neighbours along one axis: their number, places and weights. */
static int axis_taps(const sampler *s, double x, int64_t n, int64_t at[4], double w[4])
{
    const int count = s->mode == NEAREST ? 1 : s->mode == LINEAR ? 2 : 4;
    int64_t first;

    if (s->mode == NEAREST)
        x = rint(x);
    x = pad_coordinate(s, x, n);
    first = (int64_t)floor(x);
    w[0] = 1;
    if (s->mode == NEAREST)
        first = (int64_t)x; /* a mirrored half goes to 0 */
    if (s->mode == LINEAR) {
        w[1] = x - (double)first;
        w[0] = 1 - w[1];
    } else if (s->mode == CUBIC) {
        cubic_weights(x - (double)first, w);
        first--;
    }
    for (int i = 0; i < count; i++)
        at[i] = pad_index(s, first + i, n);
    return count;
}

/* All neighbours of a point: every combination of those along the axes. x: one coordinate per axis, in elements. */
static void point_taps(const sampler *s, const double *x, taps *out)
{
    out->n = 1;
    out->at[0] = 0;
    out->w[0] = 1;
    for (int axis = 0; axis < s->n_axes; axis++) {
        const int before = out->n;
        int64_t at[4];
        double w[4];
        const int count = axis_taps(s, x[axis], s->dims[axis], at, w);

        for (int i = count - 1; i >= 0; i--) { /* the first block is overwritten last */
            for (int k = 0; k < before; k++) {
                const bool none = at[i] < 0 || out->at[k] < 0;

                out->at[i * before + k] = none ? -1 : out->at[k] + at[i] * s->strides[axis];
                out->w[i * before + k] = out->w[k] * w[i];
            }
        }
        out->n = before * count;
    }
}

/* The point in all channels: in and out step from channel to channel. Integers are cut off and saturated. */
static void combine(const taps *t, mq_dtype dtype, const void *in, void *out, int64_t channels, int64_t in_step,
                    int64_t out_step)
{
    const bool wide = dtype == MQ_UINT64, whole = mq_dtype_is_integer(dtype);
    const int64_t low = whole ? mq_dtype_min(dtype) : 0, high = whole ? mq_dtype_max(dtype) : 0;
    const double above = wide ? 0x1p64 : (double)high;

#define SUM(T) \
    const T *x = (const T *)in + c * in_step; \
    double sum = 0; \
    for (int i = 0; i < t->n; i++) \
        sum += t->at[i] >= 0 ? t->w[i] * (double)x[t->at[i]] : 0;
#define COMBINE_FLOAT(T) \
    for (int64_t c = 0; c < channels; c++) { \
        SUM(T) \
        ((T *)out)[c * out_step] = (T)sum; \
    } \
    return;
#define COMBINE(T) \
    for (int64_t c = 0; c < channels; c++) { \
        SUM(T) \
        ((T *)out)[c * out_step] = sum >= above ? (wide ? (T)UINT64_MAX : (T)high) : sum > (double)low ? (T)sum : (T)low; \
    } \
    return;
    switch (dtype) {
        MQ_CASES_FLOAT(COMBINE_FLOAT)
        MQ_CASES_INTEGER(COMBINE)
    default:
        return;
    }
#undef SUM
#undef COMBINE_FLOAT
#undef COMBINE
}

/* The one element of nearest in all channels, of any type. */
static void pick(int64_t at, size_t elem, const char *in, char *out, int64_t channels, int64_t in_step, int64_t out_step)
{
    for (int64_t c = 0; c < channels; c++) {
        char *to = out + (size_t)(c * out_step) * elem;

        if (at >= 0)
            memcpy(to, in + (size_t)(c * in_step + at) * elem, elem);
        else
            memset(to, 0, elem);
    }
}

/* ---- GridSample --------------------------------------------------------------------------------------------------- */

static mq_status read_attrs(mq_call *c, sampler *s)
{
    const mq_node *n = c->node;

    s->align = mq_node_attr_int(n, "align_corners", 0) != 0;
    if (mq_node_attr_is(n, "mode", "nearest"))
        s->mode = NEAREST;
    else if (mq_node_attr_is(n, "mode", "cubic") || mq_node_attr_is(n, "mode", "bicubic"))
        s->mode = CUBIC;
    else if (mq_node_attr(n, "mode") && !mq_node_attr_is(n, "mode", "linear") && !mq_node_attr_is(n, "mode", "bilinear"))
        return mq_call_fail(c, "attribute 'mode' must be linear, nearest or cubic");
    if (mq_node_attr_is(n, "padding_mode", "border"))
        s->pad = BORDER;
    else if (mq_node_attr_is(n, "padding_mode", "reflection"))
        s->pad = REFLECTION;
    else if (mq_node_attr(n, "padding_mode") && !mq_node_attr_is(n, "padding_mode", "zeros"))
        return mq_call_fail(c, "attribute 'padding_mode' must be zeros, border or reflection");
    return MQ_OK;
}

static mq_status check_shapes(mq_call *c, sampler *s, int64_t dims[MQ_MAX_RANK])
{
    const mq_array *x = c->in[0], *grid = c->in[1];
    const int n = x->rank - 2;

    if (n < 1 || grid->rank != x->rank || grid->dims[grid->rank - 1] != n || grid->dims[0] != x->dims[0])
        return mq_call_fail(c, "a grid of rank %d does not fit an input of rank %d: it must be [N, ..., %d]", grid->rank,
                            x->rank, n);
    if (n > MAX_AXES)
        return mq_call_unsupported(c, "%d spatial axes are too many, at most %d are supported", n, MAX_AXES);
    if (grid->dtype != MQ_FLOAT && grid->dtype != MQ_DOUBLE)
        return mq_call_bad_type(c, grid->dtype);
    if (s->mode != NEAREST && x->dtype != MQ_FLOAT && x->dtype != MQ_DOUBLE && !mq_dtype_is_integer(x->dtype))
        return mq_call_bad_type(c, x->dtype);
    s->n_axes = n;
    memcpy(s->dims, x->dims + 2, (size_t)n * sizeof *s->dims);
    mq_strides(n, s->dims, s->strides);
    dims[0] = x->dims[0];
    dims[1] = x->dims[1];
    memcpy(dims + 2, grid->dims + 1, (size_t)n * sizeof *dims);
    if (x->count == 0 && mq_span(dims, 0, n + 2) != 0)
        return mq_call_fail(c, "the input has no elements to sample");
    return MQ_OK;
}

/* Point p of the grid; coordinates are listed from the innermost axis outwards. */
static void grid_point(const sampler *s, const mq_array *grid, int64_t p, double *x)
{
    for (int i = 0; i < s->n_axes; i++) {
        const int64_t at = p * s->n_axes + s->n_axes - 1 - i;

        x[i] = grid->dtype == MQ_FLOAT ? denormalize_f32(s, ((const float *)grid->data)[at], s->dims[i])
                                       : denormalize_f64(s, ((const double *)grid->data)[at], s->dims[i]);
    }
}

static mq_status op_grid_sample(mq_call *c)
{
    sampler s = { 0 };
    int64_t dims[MQ_MAX_RANK], channels, points, plane;
    const mq_array *x;
    mq_status rc = MQ_OK;
    size_t elem;
    char *out;

    MQ_TRY(mq_call_need(c, 2));
    MQ_TRY(read_attrs(c, &s));
    MQ_TRY(check_shapes(c, &s, dims));
    x = c->in[0];
    elem = mq_array_elem_size(x);
    MQ_TRY(mq_call_out(c, 0, x->dtype, x->rank, dims, (void **)&out));
    if (mq_span(dims, 0, x->rank) == 0)
        goto done;
    channels = x->dims[1];
    points = mq_span(dims, 2, x->rank);
    plane = mq_span(x->dims, 2, x->rank);
#pragma omp parallel for num_threads(mq_call_threads(c, dims[0] * points * channels * 8)) schedule(static)
    for (int64_t p = 0; p < dims[0] * points; p++) {
        const int64_t n = p / points;
        const char *from = (const char *)x->data + (size_t)(n * channels * plane) * elem;
        char *to = out + (size_t)(n * channels * points + p % points) * elem;
        double at[MAX_AXES];
        taps t;

        grid_point(&s, c->in[1], p, at);
        point_taps(&s, at, &t);
        if (s.mode == NEAREST)
            pick(t.at[0], elem, from, to, channels, plane, points);
        else
            combine(&t, x->dtype, from, to, channels, plane, points);
    }
done:
    return rc;
}

/* ---- AffineGrid --------------------------------------------------------------------------------------------------- */

/* Position i of n evenly spaced ones between -1 and 1. */
static double spaced(int64_t i, int64_t n, bool align)
{
    if (align)
        return n > 1 ? -1 + 2 * (double)i / (double)(n - 1) : -1;
    return (2 * (double)i + 1) / (double)n - 1;
}

/* Output row `row` (batch and position) of `axes` numbers. dims: the grid's spatial dims. */
static void affine_row(const mq_array *theta, int axes, const int64_t *dims, bool align, int64_t row, double *out)
{
    double x[4] = { 1, 1, 1, 1 }; /* innermost axis first, then the constant 1 */
    int64_t rest = row;

    for (int i = axes - 1; i >= 0; i--) {
        x[axes - 1 - i] = spaced(rest % dims[i], dims[i], align);
        rest /= dims[i];
    }
    for (int i = 0; i < axes; i++) {
        out[i] = 0;
        for (int k = 0; k <= axes; k++)
            out[i] += x[k] * mq_array_f64(theta, (size_t)((rest * axes + i) * (axes + 1) + k));
    }
}

static mq_status op_affine_grid(mq_call *c)
{
    const bool align = mq_node_attr_int(c->node, "align_corners", 0) != 0;
    int64_t size[5] = { 0 }, dims[5], rows;
    const mq_array *theta;
    mq_status rc = MQ_OK;
    size_t n;
    void *out;
    int axes;

    MQ_TRY(mq_call_need(c, 2));
    MQ_TRY(mq_call_ints(c, 1, size, 5, &n));
    theta = c->in[0];
    axes = (int)n - 2;
    if (axes < 2 || theta->rank != 3 || theta->dims[1] != axes || theta->dims[2] != axes + 1 || theta->dims[0] != size[0])
        return mq_call_fail(c, "theta must be [N, 2, 3] with 4 sizes or [N, 3, 4] with 5, and the first size N");
    if (theta->dtype != MQ_FLOAT && theta->dtype != MQ_DOUBLE)
        return mq_call_bad_type(c, theta->dtype);
    dims[0] = size[0];
    memcpy(dims + 1, size + 2, (size_t)axes * sizeof *dims);
    dims[axes + 1] = axes;
    MQ_TRY(mq_call_out(c, 0, theta->dtype, axes + 2, dims, &out));
    rows = mq_span(dims, 0, axes + 1);
#pragma omp parallel for num_threads(mq_call_threads(c, rows * 8)) schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        double v[3];

        affine_row(theta, axes, dims + 1, align, row, v);
        for (int i = 0; i < axes; i++) {
            if (theta->dtype == MQ_FLOAT)
                ((float *)out)[row * axes + i] = (float)v[i];
            else
                ((double *)out)[row * axes + i] = v[i];
        }
    }
done:
    return rc;
}

const mq_kernel mq_kernels_grid_sample[] = {
    { "", "AffineGrid", op_affine_grid, MQ_KERNEL_WIDEN },
    { "", "GridSample", op_grid_sample, MQ_KERNEL_WIDEN },
    { "com.microsoft", "GridSample", op_grid_sample, MQ_KERNEL_WIDEN },
    { 0 },
};
