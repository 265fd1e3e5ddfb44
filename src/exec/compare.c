/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Comparing arrays. Sums are in double, in the order of the elements. */
#include "exec/compare.h"

#include <math.h>
#include <string.h>

#define BLOCK 1024

static bool same_shape(const mq_array *a, const mq_array *b)
{
    return a->kind == b->kind && a->dtype == b->dtype && a->rank == b->rank &&
           memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) == 0;
}

/* d is |a-b|: for large integers more than the doubles say. */
static void add_difference(mq_compare *c, double a, double b, double d, double rtol, double atol)
{
    bool out;

    c->count++;
    if ((a == b && !(d > 0)) || (isnan(a) && isnan(b))) {
        if (isfinite(a)) {
            c->sum_aa += a * a;
            c->sum_bb += b * b;
            c->sum_ab += a * b;
        }
        return;
    }
    c->differ++;
    out = !(d <= atol + rtol * fabs(b)) || !isfinite(a) || !isfinite(b);
    if (out && !c->has_first) {
        c->has_first = true;
        c->first = c->count - 1;
        c->first_a = a;
        c->first_b = b;
    }
    c->outside += out;
    if (!isfinite(a) || !isfinite(b)) {
        c->nonfinite++;
        c->max_abs = INFINITY;
        return;
    }
    if (d > c->max_abs)
        c->max_abs = d;
    if (b != 0 && d / fabs(b) > c->max_rel)
        c->max_rel = d / fabs(b);
    c->sum_aa += a * a;
    c->sum_bb += b * b;
    c->sum_ab += a * b;
    c->sum_dd += d * d;
}

static void add_pair(mq_compare *c, double a, double b, double rtol, double atol)
{
    add_difference(c, a, b, fabs(a - b), rtol, atol);
}

/* Elements [start, start+n) as doubles; 64-bit integers beyond 2^53 lose their low bits here. */
static void read_block(const mq_array *a, size_t start, size_t n, double *out)
{
    float f[BLOCK];

    if (a->dtype == MQ_FLOAT) {
        for (size_t i = 0; i < n; i++)
            out[i] = (double)((const float *)a->data)[start + i];
    } else if (mq_dtype_is_float(a->dtype) && a->dtype != MQ_DOUBLE && !a->codes) {
        mq_dtype_to_f32(a->dtype, a->data, start, n, f);
        for (size_t i = 0; i < n; i++)
            out[i] = (double)f[i];
    } else {
        for (size_t i = 0; i < n; i++)
            out[i] = mq_array_f64(a, start + i);
    }
}

static void add_numbers(mq_compare *c, const mq_array *a, const mq_array *b, double rtol, double atol)
{
    const bool wide = a->dtype == MQ_INT64 || a->dtype == MQ_UINT64;
    double x[BLOCK], y[BLOCK];

    for (size_t at = 0; at < a->count; at += BLOCK) {
        const size_t n = a->count - at < BLOCK ? a->count - at : BLOCK;

        read_block(a, at, n, x);
        read_block(b, at, n, y);
        for (size_t i = 0; i < n; i++) {
            double d = fabs(x[i] - y[i]);

            if (wide && d == 0) { /* doubles may agree where the integers do not */
                const uint64_t p = ((const uint64_t *)a->data)[at + i], q = ((const uint64_t *)b->data)[at + i];

                d = fabs((double)(int64_t)(p - q));
            }
            add_difference(c, x[i], y[i], d, rtol, atol);
        }
    }
}

/* Complex numbers: real and imaginary parts as elements. */
static void add_complex(mq_compare *c, const mq_array *a, const mq_array *b, double rtol, double atol)
{
    for (size_t i = 0; i < 2 * a->count; i++) {
        const bool f = a->dtype == MQ_COMPLEX64;

        add_pair(c, f ? (double)((const float *)a->data)[i] : ((const double *)a->data)[i],
                 f ? (double)((const float *)b->data)[i] : ((const double *)b->data)[i], rtol, atol);
    }
}

static void add_strings(mq_compare *c, const mq_array *a, const mq_array *b)
{
    const mq_bytes *x = a->data, *y = b->data;

    for (size_t i = 0; i < a->count; i++, c->count++) {
        if (x[i].n == y[i].n && (x[i].n == 0 || memcmp(x[i].data, y[i].data, x[i].n) == 0))
            continue;
        c->differ++;
        c->outside++;
    }
}

static size_t largest(const mq_array *a, size_t start, size_t n)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++)
        if (mq_array_f64(a, start + i) > mq_array_f64(a, start + best))
            best = i;
    return best;
}

static void add_rows(mq_compare *c, const mq_array *a, const mq_array *b)
{
    const size_t n = a->rank ? (size_t)a->dims[a->rank - 1] : 0;

    if (n < 2 || !mq_dtype_is_float(a->dtype))
        return;
    for (size_t at = 0; at + n <= a->count; at += n, c->rows++)
        c->agree += largest(a, at, n) == largest(b, at, n);
}

mq_status mq_compare_add(mq_compare *c, const mq_array *a, const mq_array *b, double rtol, double atol, mq_error *err)
{
    char have[256], want[256];
    mq_status rc = MQ_OK;

    if (!same_shape(a, b) || a->n_items != b->n_items) {
        mq_array_text(a, have, sizeof have);
        mq_array_text(b, want, sizeof want);
        return mq_fail(err, MQ_ERR_INPUT, "%s cannot be compared with %s", have, want);
    }
    for (size_t i = 0; i < a->n_items && rc == MQ_OK; i++)
        rc = mq_compare_add(c, a->items[i], b->items[i], rtol, atol, err);
    if (a->kind != MQ_TYPE_TENSOR)
        return rc;
    if (a->dtype == MQ_STRING) {
        add_strings(c, a, b);
    } else if (a->dtype == MQ_COMPLEX64 || a->dtype == MQ_COMPLEX128) {
        add_complex(c, a, b, rtol, atol);
    } else {
        add_numbers(c, a, b, rtol, atol);
        add_rows(c, a, b);
    }
    return rc;
}

double mq_compare_sqnr(const mq_compare *c)
{
    if (c->nonfinite || (c->sum_bb == 0 && c->sum_dd > 0))
        return -INFINITY;
    return c->sum_dd == 0 ? INFINITY : 10 * log10(c->sum_bb / c->sum_dd);
}

double mq_compare_cosine(const mq_compare *c)
{
    if (c->sum_aa == 0 || c->sum_bb == 0)
        return c->sum_aa == c->sum_bb;
    return c->sum_ab / (sqrt(c->sum_aa) * sqrt(c->sum_bb));
}

double mq_compare_agreement(const mq_compare *c)
{
    return c->rows ? (double)c->agree / (double)c->rows : 1;
}
