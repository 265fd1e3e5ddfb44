/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* MaxPool, AveragePool and LpPool of any spatial rank. A row of results is made at once: tap after tap is added to (or
 * compared with) all of the row, where the tap lies inside the image. Sums are double, but for narrow averages. A
 * NaN is the largest, but not where indices are wanted. */
#include "exec/ref/pool.h"

#ifdef _OPENMP
#include <omp.h>
#endif
#include <math.h>
#include <string.h>

#include "exec/ref/families.h"
#include "exec/ref/sums.h"
#include "exec/ref/util.h"

/* What one tap does to a stretch of a row: n results, input elements `step` apart; `at` is the first element's place. */
typedef void (*tap_fn)(const void *x, int64_t at, int64_t step, int64_t n, void *acc, int64_t *where, double p);

#define MORE_INT(a, b) ((a) > (b) ? (a) : (b))

#define MAX_TAP(T, MORE)                                                                                               \
    MQ_CLONES(void, max_##T, (const void *x, int64_t at, int64_t step, int64_t n, void *acc, MQ_UNUSED int64_t *where, \
                              MQ_UNUSED double p), (x, at, step, n, acc, where, p))                                    \
    {                                                                                                                  \
        const T *restrict v = (const T *)x + at;                                                                       \
        T *restrict a = acc;                                                                                           \
        if (step == 1) {                                                                                               \
            for (int64_t j = 0; j < n; j++)                                                                            \
                a[j] = MORE(v[j], a[j]);                                                                               \
        } else {                                                                                                       \
            for (int64_t j = 0; j < n; j++)                                                                            \
                a[j] = MORE(v[j * step], a[j]);                                                                        \
        }                                                                                                              \
    }                                                                                                                  \
    static void max_at_##T(const void *x, int64_t at, int64_t step, int64_t n, void *acc, int64_t *where,              \
                           MQ_UNUSED double p)                                                                         \
    {                                                                                                                  \
        T *a = acc;                                                                                                    \
        for (int64_t j = 0; j < n; j++, at += step) {                                                                  \
            if (where[j] < 0 || ((const T *)x)[at] > a[j]) {                                                           \
                a[j] = ((const T *)x)[at];                                                                             \
                where[j] = at;                                                                                         \
            }                                                                                                          \
        }                                                                                                              \
    }
MAX_TAP(float, MQ_MORE)
MAX_TAP(double, MQ_MORE)
MAX_TAP(int8_t, MORE_INT)
MAX_TAP(uint8_t, MORE_INT)

#define SUM_TAP(name, T, term)                                                                                   \
    MQ_CLONES(void, name##_##T, (const void *x, int64_t at, int64_t step, int64_t n, void *acc,                  \
                                 MQ_UNUSED int64_t *where, MQ_UNUSED double p), (x, at, step, n, acc, where, p)) \
    {                                                                                                            \
        const T *restrict v = (const T *)x + at;                                                                 \
        double *restrict a = acc;                                                                                \
        for (int64_t j = 0; j < n; j++) {                                                                        \
            const double e = (double)v[j * step];                                                                \
            a[j] += (term);                                                                                      \
        }                                                                                                        \
    }
SUM_TAP(sum, float, e)
SUM_TAP(sum, double, e)
SUM_TAP(abs, float, fabs(e))
SUM_TAP(abs, double, fabs(e))
SUM_TAP(squares, float, e * e)
SUM_TAP(squares, double, e * e)
SUM_TAP(powers, float, pow(fabs(e), p))
SUM_TAP(powers, double, pow(fabs(e), p))

MQ_CLONES(void, narrow_sum, (const void *x, int64_t at, int64_t step, int64_t n, void *acc, MQ_UNUSED int64_t *where,
                             MQ_UNUSED double p), (x, at, step, n, acc, where, p))
{
    const float *restrict v = (const float *)x + at;
    float *restrict a = acc;

    for (int64_t j = 0; j < n; j++)
        a[j] += v[j * step];
}

/* Every tap that meets the image of the row of results at at[] (all dims but the last). */
static void run_row(const mq_window *w, const int64_t *strides, const void *x, const int64_t *at, tap_fn fn, size_t elem,
                    char *acc, int64_t *where, double p)
{
    const int last = w->rank - 1;
    int64_t start[MQ_MAX_WINDOW], taps[MQ_MAX_WINDOW], tap[MQ_MAX_WINDOW] = { 0 }, from, to, unused;

    for (int d = 0; d < last; d++) {
        const int64_t first = at[d] * w->stride[d] - w->lo[d];
        mq_window_taps_in(w, d, first, 0, w->in[d], &from, &to);
        if (from >= to)
            return;
        start[d] = first + from * w->dilation[d];
        taps[d] = to - from;
    }
    mq_window_taps_in(w, last, -w->lo[last], 0, w->in[last], &unused, &to);
    mq_window_taps_in(w, last, (w->out[last] - 1) * w->stride[last] - w->lo[last], 0, w->in[last], &from, &unused);
    do {
        int64_t row = 0;
        for (int d = 0; d < last; d++)
            row += (start[d] + tap[d] * w->dilation[d]) * strides[d];
        for (int64_t t = from; t < to; t++) {
            int64_t left, right;
            mq_window_inside(w, last, t, &left, &right);
            if (left < right)
                fn(x, row + left * w->stride[last] + t * w->dilation[last] - w->lo[last], w->stride[last], right - left,
                   acc + (size_t)left * elem, where ? where + left : NULL, p);
        }
    } while (mq_window_next(last, taps, tap));
}

mq_status mq_pool_shape(mq_call *c, const mq_array *x, mq_window *w, int64_t dims[MQ_MAX_RANK])
{
    mq_status rc = MQ_OK;

    if (x->rank < 3)
        return mq_call_fail(c, "input has rank %d; at least 3 is wanted", x->rank);
    MQ_TRY(mq_call_window(c, x->rank - 2, x->dims + 2, NULL, w));
    dims[0] = x->dims[0];
    dims[1] = x->dims[1];
    memcpy(dims + 2, w->out, (size_t)w->rank * sizeof *dims);
done:
    return rc;
}

/* ---- sums --------------------------------------------------------------------------------------------------------- */

typedef struct sum_job {
    const mq_window *w;
    int64_t strides[MQ_MAX_WINDOW];
    tap_fn fn;
    mq_dtype dtype;
    double p;                    /* of LpPool; 0: an average */
    bool pads;                   /* count padding */
    bool narrow;                 /* sums are float */
    const int64_t *last_counts;  /* of taps along the last dim, for an average */
    int64_t plane_in, plane_out;
} sum_job;

/* One row from the sums. */
static void finish_row(const sum_job *s, const int64_t *at, const double *acc, void *y)
{
    const mq_window *w = s->w;
    double outer = 1;

    for (int d = 0; s->p == 0 && d < w->rank - 1; d++)
        outer *= (double)mq_window_count_taps(w, d, at[d], s->pads);
    for (int64_t j = 0; j < w->out[w->rank - 1]; j++) {
        double v = s->narrow ? (double)((const float *)acc)[j] : acc[j];
        if (s->p == 0) {
            const double n = outer * (double)s->last_counts[j];
            v = n > 0 ? v / n : 0;
        } else if (s->p == 2) {
            v = sqrt(v);
        } else if (s->p != 1) {
            v = pow(v, 1 / s->p);
        }
        if (s->dtype == MQ_FLOAT)
            ((float *)y)[j] = (float)v;
        else
            ((double *)y)[j] = v;
    }
}

static void sum_plane(const sum_job *s, const char *x, char *y, double *acc)
{
    const mq_window *w = s->w;
    const int64_t n = w->out[w->rank - 1];
    const size_t elem = (size_t)mq_dtype_bits(s->dtype) / 8;
    int64_t at[MQ_MAX_WINDOW] = { 0 };

    do {
        memset(acc, 0, (size_t)n * sizeof *acc);
        if (s->plane_in > 0)
            run_row(w, s->strides, x, at, s->fn, s->narrow ? sizeof(float) : sizeof(double), (char *)acc, NULL, s->p);
        finish_row(s, at, acc, y);
        y += (size_t)n * elem;
    } while (mq_window_next(w->rank - 1, w->out, at));
}

static mq_status sum_planes(mq_call *c, sum_job *s, int64_t planes, const void *x, void *y)
{
    const mq_window *w = s->w;
    const int64_t n = w->out[w->rank - 1];
    const size_t elem = (size_t)mq_dtype_bits(s->dtype) / 8;

    s->plane_in = mq_window_count(w->rank, w->in);
    s->plane_out = mq_span(w->out, 0, w->rank);
    if (s->plane_in > 0)
        mq_strides(w->rank, w->in, s->strides);
    int threads = mq_call_threads(c, planes * s->plane_in + planes * s->plane_out);
    threads = threads > planes ? (int)planes : threads;
    int64_t *counts = mq_call_scratch(c, (size_t)n * sizeof *counts);
    double *acc = mq_call_scratch(c, (size_t)n * (size_t)threads * sizeof *acc);
    if (!counts || !acc)
        return MQ_ERR_NOMEM;
    for (int64_t j = 0; j < n; j++)
        counts[j] = mq_window_count_taps(w, w->rank - 1, j, s->pads);
    s->last_counts = counts;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t p = 0; p < planes; p++) {
        int me = 0;
#ifdef _OPENMP
        me = omp_get_thread_num();
#endif
        sum_plane(s, (const char *)x + (size_t)(p * s->plane_in) * elem, (char *)y + (size_t)(p * s->plane_out) * elem,
                  acc + me * n);
    }
    return MQ_OK;
}

mq_status mq_pool_average(mq_call *c, const mq_window *w, int64_t planes, bool count_pads, mq_dtype dtype, const void *x,
                          void *y)
{
    sum_job s = { .w = w, .dtype = dtype, .pads = count_pads, .fn = dtype == MQ_FLOAT ? sum_float : sum_double };

    return sum_planes(c, &s, planes, x, y);
}

mq_status mq_pool_average_narrow(mq_call *c, const mq_window *w, int64_t planes, bool count_pads, const float *x, float *y)
{
    sum_job s = { .w = w, .dtype = MQ_FLOAT, .pads = count_pads, .fn = narrow_sum, .narrow = true };

    return sum_planes(c, &s, planes, x, y);
}

static mq_status op_average_pool(mq_call *c)
{
    int64_t dims[MQ_MAX_RANK];
    mq_window w;
    void *y = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 1));
    const mq_array *x = c->in[0];
    if (x->dtype != MQ_FLOAT && x->dtype != MQ_DOUBLE)
        return mq_call_bad_type(c, x->dtype);
    MQ_TRY(mq_pool_shape(c, x, &w, dims));
    MQ_TRY(mq_call_out(c, 0, x->dtype, x->rank, dims, &y));
    if (c->out[0]->count > 0)
        MQ_TRY(mq_pool_average(c, &w, dims[0] * dims[1], mq_node_attr_int(c->node, "count_include_pad", 0) != 0, x->dtype,
                               x->data, y));
done:
    return rc;
}

static mq_status op_lp_pool(mq_call *c)
{
    const int64_t p = mq_node_attr_int(c->node, "p", 2);
    int64_t dims[MQ_MAX_RANK];
    mq_window w;
    void *y = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 1));
    const mq_array *x = c->in[0];
    const bool f = x->dtype == MQ_FLOAT;
    if (!f && x->dtype != MQ_DOUBLE)
        return mq_call_bad_type(c, x->dtype);
    if (p < 1)
        return mq_call_fail(c, "attribute 'p' is %lld; at least 1 is wanted", (long long)p);
    MQ_TRY(mq_pool_shape(c, x, &w, dims));
    MQ_TRY(mq_call_out(c, 0, x->dtype, x->rank, dims, &y));
    if (c->out[0]->count == 0)
        return MQ_OK;
    sum_job s = { .w = &w, .dtype = x->dtype, .p = (double)p };
    s.fn = p == 1 ? (f ? abs_float : abs_double) : p == 2 ? (f ? squares_float : squares_double)
                                                          : (f ? powers_float : powers_double);
    MQ_TRY(sum_planes(c, &s, dims[0] * dims[1], x->data, y));
done:
    return rc;
}

/* ---- maxima ------------------------------------------------------------------------------------------------------- */

typedef struct max_job {
    mq_window w;
    int64_t strides[MQ_MAX_WINDOW];
    int64_t column[MQ_MAX_WINDOW]; /* strides of the index output */
    int64_t plane_in, plane_out;
    tap_fn fn;
    const mq_array *x;
} max_job;

static tap_fn max_fn(mq_dtype dtype, bool where)
{
    switch (dtype) {
    case MQ_FLOAT: return where ? max_at_float : max_float;
    case MQ_DOUBLE: return where ? max_at_double : max_double;
    case MQ_INT8: return where ? max_at_int8_t : max_int8_t;
    case MQ_UINT8: return where ? max_at_uint8_t : max_uint8_t;
    default: return NULL;
    }
}

/* What no element is less than. */
static void fill_least(mq_dtype dtype, void *y, int64_t n)
{
    for (int64_t j = 0; j < n; j++) {
        switch (dtype) {
        case MQ_FLOAT: ((float *)y)[j] = -INFINITY; break;
        case MQ_DOUBLE: ((double *)y)[j] = -(double)INFINITY; break;
        case MQ_INT8: ((int8_t *)y)[j] = INT8_MIN; break;
        default: ((uint8_t *)y)[j] = 0; break;
        }
    }
}

/* Places inside a plane become indices of the whole input, in row-major or column-major order within the plane. */
static void finish_where(const max_job *m, int64_t plane, int64_t *where)
{
    for (int64_t j = 0; j < m->plane_out; j++) {
        int64_t index = 0, rest = where[j];
        if (rest < 0)
            continue;
        for (int d = 0; d < m->w.rank; d++) {
            index += rest / m->strides[d] * m->column[d];
            rest %= m->strides[d];
        }
        where[j] = plane * m->plane_in + index;
    }
}

static void max_plane(const max_job *m, int64_t plane, char *y, int64_t *where)
{
    const mq_window *w = &m->w;
    const size_t elem = mq_array_elem_size(m->x);
    const char *x = (const char *)m->x->data + (size_t)(plane * m->plane_in) * elem;
    const int64_t n = w->out[w->rank - 1];
    int64_t at[MQ_MAX_WINDOW] = { 0 }, row = 0;

    y += (size_t)(plane * m->plane_out) * elem;
    fill_least(m->x->dtype, y, m->plane_out);
    for (int64_t j = 0; where && j < m->plane_out; j++)
        where[plane * m->plane_out + j] = -1;
    if (m->plane_in == 0)
        return;
    do {
        run_row(w, m->strides, x, at, m->fn, elem, y + (size_t)row * elem,
                where ? where + plane * m->plane_out + row : NULL, 0);
        row += n;
    } while (mq_window_next(w->rank - 1, w->out, at));
    if (where)
        finish_where(m, plane, where + plane * m->plane_out);
}

static mq_status op_max_pool(mq_call *c)
{
    const bool by_column = mq_node_attr_int(c->node, "storage_order", 0) != 0;
    int64_t dims[MQ_MAX_RANK], *where = NULL, step = 1;
    max_job m = { 0 };
    char *y = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 1));
    const mq_array *x = m.x = c->in[0];
    if (!mq_call_wants(c, 0))
        return mq_call_fail(c, "the first output has no name");
    m.fn = max_fn(x->dtype, mq_call_wants(c, 1));
    if (!m.fn)
        return mq_call_bad_type(c, x->dtype);
    MQ_TRY(mq_pool_shape(c, x, &m.w, dims));
    MQ_TRY(mq_call_out(c, 0, x->dtype, x->rank, dims, (void **)&y));
    MQ_TRY(mq_call_out(c, 1, MQ_INT64, x->rank, dims, (void **)&where));
    if (c->out[0]->count == 0)
        return MQ_OK;
    m.plane_in = mq_window_count(m.w.rank, m.w.in);
    m.plane_out = mq_span(m.w.out, 0, m.w.rank);
    if (m.plane_in > 0) {
        mq_strides(m.w.rank, m.w.in, m.strides);
        memcpy(m.column, m.strides, sizeof m.column);
    }
    for (int d = 0; by_column && d < m.w.rank && m.plane_in > 0; step *= m.w.in[d], d++)
        m.column[d] = step;
    const int threads = mq_call_threads(c, (int64_t)x->count + (int64_t)c->out[0]->count);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t p = 0; p < dims[0] * dims[1]; p++)
        max_plane(&m, p, y, where);
done:
    return rc;
}

const mq_kernel mq_kernels_pool[] = {
    { "", "AveragePool", op_average_pool, MQ_KERNEL_WIDEN },
    { "", "LpPool", op_lp_pool, MQ_KERNEL_WIDEN },
    { "", "MaxPool", op_max_pool, MQ_KERNEL_WIDEN },
    { 0 },
};
