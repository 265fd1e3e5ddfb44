/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Resize: every output coordinate becomes a coordinate of the input, axis by axis. Nearest picks elements of any type;
 * linear and cubic weigh neighbours along one axis after the other, in double. Coordinates are computed in float, as
 * runtimes do it, so that ties and edges fall on the same side. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "exec/ref/util.h"

typedef enum coord_mode {
    HALF_PIXEL,
    HALF_PIXEL_SYMMETRIC,
    PYTORCH_HALF_PIXEL,
    ALIGN_CORNERS,
    ASYMMETRIC,
    TF_HALF_PIXEL,
    TF_CROP,
} coord_mode;

typedef enum resize_mode { NEAREST, LINEAR, CUBIC } resize_mode;
typedef enum nearest_mode { PREFER_FLOOR, PREFER_CEIL, FLOOR, CEIL } nearest_mode;

/* What is done along one axis. */
typedef struct axis_plan {
    int64_t n_in, n_out;
    float scale;
    float width;        /* of the output, before it was rounded to n_out */
    float start, end;   /* of the region, TF_CROP */
    bool same;          /* nothing to do along this axis */
    int64_t *first;     /* per output position: the first neighbour (may be outside); -1 from nearest: extrapolated */
    bool *outside;      /* per output position: extrapolated (TF_CROP) */
    int64_t n_taps;     /* neighbours per output position */
    double *weights;    /* n_out times n_taps */
} axis_plan;

typedef struct resize {
    coord_mode coord;
    resize_mode mode;
    nearest_mode nearest;
    bool antialias, exclude_outside;
    float cubic_a;
    double extrapolation;
    int rank;
    axis_plan axes[MQ_MAX_RANK];
    int64_t dims[MQ_MAX_RANK]; /* of the output */
} resize;

/* ---- attributes and sizes ----------------------------------------------------------------------------------------- */

/* The index of the attribute's text in names (ended by NULL); absent: 0. */
static mq_status choice(mq_call *c, const char *attr, const char *const *names, int *out)
{
    *out = 0;
    if (!mq_node_attr(c->node, attr))
        return MQ_OK;
    for (int i = 0; names[i]; i++) {
        if (mq_node_attr_is(c->node, attr, names[i])) {
            *out = i;
            return MQ_OK;
        }
    }
    return mq_call_fail(c, "attribute '%s' has an unknown value", attr);
}

static mq_status read_attrs(mq_call *c, resize *r)
{
    static const char *const coords[] = { "half_pixel",    "half_pixel_symmetric", "pytorch_half_pixel",
                                          "align_corners", "asymmetric",           "tf_half_pixel_for_nn",
                                          "tf_crop_and_resize", NULL };
    static const char *const modes[] = { "nearest", "linear", "cubic", NULL };
    static const char *const roundings[] = { "round_prefer_floor", "round_prefer_ceil", "floor", "ceil", NULL };
    int coord, mode, rounding;
    mq_status rc = MQ_OK;

    MQ_TRY(choice(c, "coordinate_transformation_mode", coords, &coord));
    MQ_TRY(choice(c, "mode", modes, &mode));
    MQ_TRY(choice(c, "nearest_mode", roundings, &rounding));
    r->coord = (coord_mode)coord;
    r->mode = (resize_mode)mode;
    r->nearest = (nearest_mode)rounding;
    r->antialias = mq_node_attr_int(c->node, "antialias", 0) != 0;
    r->exclude_outside = mq_node_attr_int(c->node, "exclude_outside", 0) != 0;
    r->cubic_a = mq_node_attr_float(c->node, "cubic_coeff_a", -0.75f);
    r->extrapolation = (double)mq_node_attr_float(c->node, "extrapolation_value", 0);
    if (r->antialias && r->mode == NEAREST)
        return mq_call_fail(c, "attribute 'antialias' is for linear and cubic, not for nearest");
done:
    return rc;
}

/* at[k]: the axis that scale or size k belongs to. */
static mq_status axes_in_order(mq_call *c, int rank, int at[MQ_MAX_RANK], int *n)
{
    size_t count;
    const int64_t *axes = mq_node_attr_ints(c->node, "axes", &count);
    bool seen[MQ_MAX_RANK] = { 0 };
    mq_status rc = MQ_OK;

    if (axes && count > (size_t)rank)
        return mq_call_fail(c, "attribute 'axes' has %zu elements, the rank is %d", count, rank);
    *n = axes ? (int)count : rank;
    for (int i = 0; i < *n; i++) {
        at[i] = i;
        if (axes)
            MQ_TRY(mq_call_axis(c, axes[i], rank, &at[i]));
        if (seen[at[i]])
            return mq_call_fail(c, "attribute 'axes' names axis %d twice", at[i]);
        seen[at[i]] = true;
    }
done:
    return rc;
}

/* An input counts as left out, too, when it is empty: older versions had no other way. */
static bool given(const mq_call *c, size_t i)
{
    return mq_call_has(c, i) && c->in[i]->count > 0;
}

static mq_status check_length(mq_call *c, size_t input, size_t n)
{
    if (c->in[input]->rank != 1 || c->in[input]->count != n)
        return mq_call_fail(c, "input %zu must be a list of %zu elements", input, n);
    return MQ_OK;
}

static mq_status set_size(mq_call *c, axis_plan *a, double size)
{
    if (!(size >= 0 && size < 1e15))
        return mq_call_fail(c, "an output size of %g is not possible", size);
    a->n_out = (int64_t)size;
    return MQ_OK;
}

static mq_status by_scales(mq_call *c, resize *r, const int *at, int n)
{
    mq_status rc = MQ_OK;

    MQ_TRY(check_length(c, 2, (size_t)n));
    for (int i = 0; i < n; i++) {
        axis_plan *a = &r->axes[at[i]];
        const float scale = (float)mq_array_f64(c->in[2], (size_t)i);

        if (!(scale > 0) || isinf(scale))
            return mq_call_fail(c, "scale %d is %g, it must be positive", i, (double)scale);
        a->scale = scale;
        a->width = (float)a->n_in * scale;
        MQ_TRY(set_size(c, a, floor((double)a->width)));
    }
done:
    return rc;
}

/* One scale for all axes, the smallest or the largest that the sizes ask for. */
static mq_status keep_ratio(mq_call *c, resize *r, const int *at, int n, bool smallest)
{
    double scale = 1;
    mq_status rc = MQ_OK;

    for (int i = 0; i < n; i++) {
        const double s = mq_array_f64(c->in[3], (size_t)i) / (double)r->axes[at[i]].n_in;

        scale = i == 0 || (smallest ? s < scale : s > scale) ? s : scale;
    }
    for (int i = 0; i < n; i++) {
        axis_plan *a = &r->axes[at[i]];

        a->scale = (float)scale;
        a->width = (float)(scale * (double)a->n_in);
        MQ_TRY(set_size(c, a, floor(scale * (double)a->n_in + 0.5)));
    }
done:
    return rc;
}

static mq_status by_sizes(mq_call *c, resize *r, const int *at, int n)
{
    static const char *const policies[] = { "stretch", "not_larger", "not_smaller", NULL };
    mq_status rc = MQ_OK;
    int policy;

    MQ_TRY(check_length(c, 3, (size_t)n));
    MQ_TRY(choice(c, "keep_aspect_ratio_policy", policies, &policy));
    if (policy != 0)
        return keep_ratio(c, r, at, n, policy == 1);
    for (int i = 0; i < n; i++) {
        axis_plan *a = &r->axes[at[i]];

        MQ_TRY(set_size(c, a, mq_array_f64(c->in[3], (size_t)i)));
        a->scale = (float)a->n_out / (float)a->n_in;
        a->width = (float)a->n_out;
    }
done:
    return rc;
}

static mq_status read_sizes(mq_call *c, resize *r)
{
    const mq_array *x = c->in[0];
    int at[MQ_MAX_RANK], n = 0;
    mq_status rc = MQ_OK;

    r->rank = x->rank;
    for (int i = 0; i < x->rank; i++)
        r->axes[i] = (axis_plan){ .n_in = x->dims[i], .n_out = x->dims[i], .scale = 1, .end = 1,
                                  .width = (float)x->dims[i] };
    MQ_TRY(axes_in_order(c, x->rank, at, &n));
    if (given(c, 3))
        MQ_TRY(by_sizes(c, r, at, n));
    else if (given(c, 2))
        MQ_TRY(by_scales(c, r, at, n));
    else if (n > 0)
        return mq_call_fail(c, "neither scales nor sizes are given");
    if (r->coord == TF_CROP && given(c, 1)) {
        MQ_TRY(check_length(c, 1, 2 * (size_t)n));
        for (int i = 0; i < n; i++) {
            r->axes[at[i]].start = (float)mq_array_f64(c->in[1], (size_t)i);
            r->axes[at[i]].end = (float)mq_array_f64(c->in[1], (size_t)(n + i));
        }
    }
    for (int i = 0; i < x->rank; i++) {
        axis_plan *a = &r->axes[i];

        r->dims[i] = a->n_out;
        a->same = a->n_out == a->n_in && fabsf(a->scale - 1) < 1e-6f && a->start == 0 && a->end == 1;
        if (a->n_in == 0 && a->n_out > 0)
            return mq_call_fail(c, "axis %d has no elements, it cannot grow to %lld", i, (long long)a->n_out);
    }
done:
    return rc;
}

/* ---- coordinates -------------------------------------------------------------------------------------------------- */

/* Where output position `at` lies in the input. */
static float coordinate(const resize *r, const axis_plan *a, int64_t at)
{
    const float x = (float)at, n_in = (float)a->n_in;

    switch (r->coord) {
    case ALIGN_CORNERS:
        return a->width == 1 ? 0 : x * (n_in - 1) / (a->width - 1);
    case ASYMMETRIC:
        return x / a->scale;
    case TF_HALF_PIXEL:
        return (x + 0.5f) / a->scale;
    case PYTORCH_HALF_PIXEL:
        return a->n_out > 1 ? (x + 0.5f) / a->scale - 0.5f : 0;
    case HALF_PIXEL_SYMMETRIC:
        return n_in / 2 * (1 - (float)a->n_out / a->width) + (x + 0.5f) / a->scale - 0.5f;
    case TF_CROP:
        if (a->width == 1)
            return (float)(0.5 * (double)(a->start + a->end) * (double)(n_in - 1));
        return a->start * (n_in - 1) + x * (a->end - a->start) * (n_in - 1) / (a->width - 1);
    case HALF_PIXEL:
        break;
    }
    return (x + 0.5f) / a->scale - 0.5f;
}

static bool is_outside(const resize *r, const axis_plan *a, float x)
{
    return r->coord == TF_CROP && !(x >= 0 && x <= (float)(a->n_in - 1));
}

static int64_t clamp(double x, int64_t n)
{
    return !(x > 0) ? 0 : x >= (double)n ? n - 1 : (int64_t)x;
}

static int64_t nearest_index(const resize *r, const axis_plan *a, float x)
{
    float at = x;

    switch (r->nearest) {
    case PREFER_FLOOR:
        at = ceilf(x - 0.5f);
        break;
    case PREFER_CEIL:
        at = floorf(x + 0.5f);
        break;
    case FLOOR:
        at = floorf(x);
        break;
    case CEIL:
        at = ceilf(x);
        break;
    }
    return clamp((double)at, a->n_in);
}

/* The kernel at distance x. */
static double kernel_at(const resize *r, double x)
{
    const double a = (double)r->cubic_a;

    x = fabs(x);
    if (r->mode == LINEAR)
        return x < 1 ? 1 - x : 0;
    if (x <= 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/* The weights of one output position: n_taps neighbours from `first` on; `stretch` is below 1 when the filter is
 * widened. */
static void set_weights(const resize *r, const axis_plan *a, double x, double stretch, int64_t first, double *w)
{
    double sum = 0;

    for (int64_t k = 0; k < a->n_taps; k++) {
        const int64_t at = first + k;

        w[k] = kernel_at(r, stretch * ((double)at - x));
        if (r->exclude_outside && (at < 0 || at >= a->n_in))
            w[k] = 0;
        sum += w[k];
    }
    for (int64_t k = 0; (r->antialias || r->exclude_outside) && sum != 0 && k < a->n_taps; k++)
        w[k] /= sum;
}

/* Tables of one axis for linear and cubic. The window is the same for all positions: as many whole steps to either
 * side as the (widened) kernel reaches, and a position that is whole counts to the left. */
static mq_status plan_axis(mq_call *c, const resize *r, axis_plan *a)
{
    const double stretch = r->antialias && a->scale < 1 ? (double)a->scale : 1;
    const double reach = floor((r->mode == CUBIC ? -2 : -1) / stretch) + 1;
    size_t bytes;

    if (!(-reach < 8 * (double)a->n_in + 16))
        return mq_call_unsupported(c, "a scale of %g for %lld elements needs too wide a filter", (double)a->scale,
                                   (long long)a->n_in);
    a->n_taps = 2 - 2 * (int64_t)reach;
    if (__builtin_mul_overflow((size_t)a->n_out, (size_t)a->n_taps * sizeof(double), &bytes))
        return mq_oom(c->err);
    a->first = mq_call_scratch(c, (size_t)a->n_out * sizeof *a->first + 1);
    a->outside = mq_call_scratch(c, (size_t)a->n_out + 1);
    a->weights = mq_call_scratch(c, bytes + 1);
    if (!a->first || !a->outside || !a->weights)
        return MQ_ERR_NOMEM;
    for (int64_t i = 0; i < a->n_out; i++) {
        const float at = coordinate(r, a, i);
        /* far outside only the edge is seen; not a number counts as there too */
        const double limit = (double)a->n_in + (double)a->n_taps;
        const double x = !((double)at > -limit) ? -limit : (double)at > 2 * limit ? 2 * limit : (double)at;

        a->outside[i] = is_outside(r, a, at);
        a->first[i] = (int64_t)ceil(x) - 1 + (int64_t)reach;
        set_weights(r, a, x, stretch, a->first[i], a->weights + i * a->n_taps);
    }
    return MQ_OK;
}

/* Integers are rounded to nearest even and saturated; not a number gives the lowest. */
static void from_double(const double *in, mq_dtype dtype, int64_t n, void *out)
{
    const bool wide = dtype == MQ_UINT64, whole = mq_dtype_is_integer(dtype);
    const int64_t low = whole ? mq_dtype_min(dtype) : 0, high = whole ? mq_dtype_max(dtype) : 0;
    const double above = wide ? 0x1p64 : (double)high;

#define WRITE_FLOAT(T) \
    for (int64_t i = 0; i < n; i++) \
        ((T *)out)[i] = (T)in[i]; \
    return;
#define WRITE(T) \
    for (int64_t i = 0; i < n; i++) { \
        const double v = rint(in[i]); \
        ((T *)out)[i] = v >= above ? (wide ? (T)UINT64_MAX : (T)high) : v > (double)low ? (T)v : (T)low; \
    } \
    return;
    switch (dtype) {
        MQ_CASES_FLOAT(WRITE_FLOAT)
        MQ_CASES_INTEGER(WRITE)
    default:
        return;
    }
#undef WRITE_FLOAT
#undef WRITE
}

/* ---- nearest ------------------------------------------------------------------------------------------------------ */

static mq_status plan_nearest(mq_call *c, const resize *r, axis_plan *a)
{
    a->first = mq_call_scratch(c, (size_t)a->n_out * sizeof *a->first + 1);
    if (!a->first)
        return MQ_ERR_NOMEM;
    for (int64_t i = 0; i < a->n_out; i++) {
        const float x = coordinate(r, a, i);

        a->first[i] = a->same ? i : is_outside(r, a, x) ? -1 : nearest_index(r, a, x);
    }
    return MQ_OK;
}

/* The extrapolation value as one element; types that are no numbers get zeros (an empty string). */
static void fill_element(mq_dtype dtype, double v, char fill[16])
{
    memset(fill, 0, 16);
    from_double(&v, dtype, 1, fill);
}

/* One row (the last axis) from its row of the input; at NULL: all extrapolated. */
static void nearest_row(const axis_plan *a, size_t elem, const char *in, char *out, const char *fill)
{
#define PICK(T) \
    for (int64_t i = 0; i < a->n_out; i++) \
        ((T *)out)[i] = in && a->first[i] >= 0 ? ((const T *)in)[a->first[i]] : *(const T *)fill; \
    return;
    switch (elem) {
    case 1:
        PICK(uint8_t)
    case 2:
        PICK(uint16_t)
    case 4:
        PICK(uint32_t)
    case 8:
        PICK(uint64_t)
    default:
        for (int64_t i = 0; i < a->n_out; i++)
            memcpy(out + (size_t)i * elem, in && a->first[i] >= 0 ? in + (size_t)a->first[i] * elem : fill, elem);
    }
#undef PICK
}

static mq_status run_nearest(mq_call *c, resize *r)
{
    const mq_array *x = c->in[0];
    const size_t elem = mq_array_elem_size(x);
    const int last = r->rank - 1;
    int64_t rows, strides[MQ_MAX_RANK];
    _Alignas(16) char fill[16];
    mq_status rc = MQ_OK;
    char *out = NULL;

    MQ_TRY(mq_call_out(c, 0, x->dtype, r->rank, r->dims, (void **)&out));
    if (mq_span(r->dims, 0, r->rank) == 0)
        goto done;
    for (int i = 0; i < r->rank; i++)
        MQ_TRY(plan_nearest(c, r, &r->axes[i]));
    fill_element(x->dtype, r->extrapolation, fill);
    mq_strides(x->rank, x->dims, strides);
    rows = mq_span(r->dims, 0, last);
#pragma omp parallel for num_threads(mq_call_threads(c, rows * r->dims[last])) schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        int64_t rest = row, offset = 0;
        bool outside = false;

        for (int i = last - 1; i >= 0; i--) {
            const int64_t at = r->axes[i].first[rest % r->dims[i]];

            outside |= at < 0;
            offset += at * strides[i];
            rest /= r->dims[i];
        }
        nearest_row(&r->axes[last], elem, outside ? NULL : (const char *)x->data + (size_t)offset * elem,
                    out + (size_t)(row * r->dims[last]) * elem, fill);
    }
done:
    return rc;
}

/* ---- linear and cubic --------------------------------------------------------------------------------------------- */

/* in is outer times n_in times inner, out the same with n_out. */
static void weigh_axis(const mq_call *c, const resize *r, const axis_plan *a, const double *in, double *out, int64_t outer,
                       int64_t inner)
{
    const int64_t rows = outer * a->n_out;

#pragma omp parallel for num_threads(mq_call_threads(c, rows * inner * a->n_taps)) schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        const int64_t at = row % a->n_out;
        const double *from = in + row / a->n_out * a->n_in * inner, *w = a->weights + at * a->n_taps;
        double *to = out + row * inner;

        for (int64_t j = 0; j < inner; j++)
            to[j] = a->outside[at] ? r->extrapolation : 0;
        for (int64_t k = 0; !a->outside[at] && k < a->n_taps; k++) {
            const double *src = from + clamp((double)(a->first[at] + k), a->n_in) * inner;

            for (int64_t j = 0; w[k] != 0 && j < inner; j++)
                to[j] += w[k] * src[j];
        }
    }
}

static mq_status to_double(mq_call *c, const mq_array *x, double *out)
{
    const int64_t n = (int64_t)x->count;

#define READ(T) \
    for (int64_t i = 0; i < n; i++) \
        out[i] = (double)((const T *)x->data)[i]; \
    return MQ_OK;
    switch (x->dtype) {
        MQ_CASES_NUMERIC(READ)
    default:
        return mq_call_bad_type(c, x->dtype);
    }
#undef READ
}

static mq_status doubles(mq_call *c, int64_t outer, int64_t n, int64_t inner, double **out)
{
    int64_t count;
    size_t bytes;

    if (__builtin_mul_overflow(outer, n, &count) || __builtin_mul_overflow(count, inner, &count) ||
        __builtin_mul_overflow((size_t)count, sizeof **out, &bytes))
        return mq_oom(c->err);
    *out = malloc(bytes + 1);
    return *out ? MQ_OK : mq_oom(c->err);
}

static mq_status run_weighted(mq_call *c, resize *r)
{
    const mq_array *x = c->in[0];
    int64_t dims[MQ_MAX_RANK];
    double *from = NULL, *to = NULL;
    mq_status rc = MQ_OK;
    void *out = NULL;

    MQ_TRY(mq_call_out(c, 0, x->dtype, r->rank, r->dims, &out));
    memcpy(dims, x->dims, sizeof dims);
    MQ_TRY(doubles(c, (int64_t)x->count, 1, 1, &from));
    MQ_TRY(to_double(c, x, from));
    if (mq_span(r->dims, 0, r->rank) == 0)
        goto done;
    for (int i = 0; i < r->rank; i++) {
        axis_plan *a = &r->axes[i];
        const int64_t outer = mq_span(dims, 0, i), inner = mq_span(dims, i + 1, r->rank);

        if (a->same)
            continue;
        MQ_TRY(plan_axis(c, r, a));
        MQ_TRY(doubles(c, outer, a->n_out, inner, &to));
        weigh_axis(c, r, a, from, to, outer, inner);
        free(from);
        from = to;
        to = NULL;
        dims[i] = a->n_out;
    }
    from_double(from, x->dtype, mq_span(r->dims, 0, r->rank), out);
done:
    free(from);
    free(to);
    return rc;
}

static mq_status op_resize(mq_call *c)
{
    resize r = { 0 };
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 1));
    MQ_TRY(read_attrs(c, &r));
    MQ_TRY(read_sizes(c, &r));
    if (r.rank == 0)
        return mq_call_out_view(c, 0, 0, 0, NULL);
    rc = r.mode == NEAREST ? run_nearest(c, &r) : run_weighted(c, &r);
done:
    return rc;
}

const mq_kernel mq_kernels_resize[] = {
    { "", "Resize", op_resize, MQ_KERNEL_WIDEN },
    { 0 },
};
