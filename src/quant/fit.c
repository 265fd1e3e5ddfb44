/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "quant/fit.h"

#include <math.h>
#include <string.h>

#include "base/compiler.h"
#include "quant/kernels.h"

bool mq_fit_needs_values(const mq_fit *f)
{
    return f->kind == MQ_FIT_STDDEV || f->kind == MQ_FIT_MSE || f->kind == MQ_FIT_HQQ;
}

static void fit_stddev(const mq_fit *f, const mq_scheme *s, const float *w, size_t n, float *scale, int16_t *zp)
{
    double mean = 0, var = 0, spread;

    for (size_t i = 0; i < n; i++)
        mean += (double)w[i];
    mean /= (double)n;
    for (size_t i = 0; i < n; i++)
        var += ((double)w[i] - mean) * ((double)w[i] - mean);
    spread = (double)f->k * sqrt(var / (double)n);
    mq_scheme_affine(s, (float)(mean - spread), (float)(mean + spread), scale, zp);
}

/* ---- squared error ------------------------------------------------------------------------------------------------- */

struct best {
    double error;
    float scale, ratio;
    int16_t zp;
};

/* Keeps the range [lo, hi] * ratio when it has less error than the best so far. */
static void try_ratio(struct best *b, const mq_scheme *s, const float *w, size_t n, float lo, float hi, float ratio)
{
    struct best c = { .ratio = ratio };

    mq_scheme_affine(s, lo * ratio, hi * ratio, &c.scale, &c.zp);
    c.error = mq_run_error(s, w, n, c.scale, c.zp);
    if (c.error < b->error)
        *b = c;
}

/* The error falls and rises again as the range shrinks: coarse steps down to 0.4 for few bits (0.7 for many) until it has
 * risen twice, then a finer look around the best. */
static void fit_mse(const mq_scheme *s, const float *w, size_t n, float lo, float hi, float *scale, int16_t *zp)
{
    const float step = s->q_max - s->q_min < 64 ? 0.06f : 0.03f;
    struct best b = { .error = INFINITY };
    int risen = 0;

    try_ratio(&b, s, w, n, lo, hi, 1.0f);
    for (int k = 1; k <= 10 && risen < 2 && b.error > 0; k++) {
        double before = b.error;
        try_ratio(&b, s, w, n, lo, hi, 1.0f - (float)k * step);
        risen = b.error < before ? 0 : risen + 1;
    }
    if (b.error > 0) {
        float middle = b.ratio;
        try_ratio(&b, s, w, n, lo, hi, middle + step / 2 < 1 ? middle + step / 2 : middle + step / 4);
        try_ratio(&b, s, w, n, lo, hi, middle - step / 2);
    }
    *scale = b.scale;
    *zp = b.zp;
}

/* ---- half-quadratic ------------------------------------------------------------------------------------------------ */

/* One round: with q = round(w / scale) + zp, the part of the error that is shrunk away (generalized soft threshold) is
 * taken off w, and the zero point moves to the mean of what is left. The norm's p is 0.75, near the paper's 0.7: its powers
 * are square roots, which come out the same on every machine. */
MQ_CLONES static double shrink_round(const float *restrict w, size_t n, float scale, float zp, float q_min, float q_max,
                                     float beta)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        float q = (w[i] / scale + zp + 12582912.0f) - 12582912.0f, e, a;
        q = q > q_max ? q_max : q < q_min ? q_min : q;
        e = w[i] - (q - zp) * scale;
        a = fabsf(e);
        a = a - 1 / (beta * sqrtf(sqrtf(a))); /* |e| - |e|^(p-1) / beta; -inf for 0 */
        a = a > 0 ? a : 0;
        e = e < 0 ? -a : a;
        sum += (double)(q - (w[i] - e) / scale);
    }
    return sum / (double)n;
}

static double p_norm(const mq_scheme *s, const float *w, size_t n, float scale, int16_t zp, double *squares)
{
    double sum = 0;

    *squares = 0;
    for (size_t i = 0; i < n; i++) {
        float q = nearbyintf(w[i] / scale) + zp, e;
        q = q > (float)s->q_max ? (float)s->q_max : q < (float)s->q_min ? (float)s->q_min : q;
        e = fabsf(w[i] - (q - zp) * scale);
        sum += e > 0 ? (double)(e / sqrtf(sqrtf(e))) : 0;
        *squares += (double)e * (double)e;
    }
    return sum;
}

/* The real-valued zero point of the paper has to become an integer here; the range is shifted by the same amount in the
 * other direction, which keeps most of the gain. Kept only when the norm that it minimizes is lower than plain rounding's
 * and the squared error hardly higher. */
static void fit_hqq(const mq_scheme *s, const float *w, size_t n, float lo, float hi, float *scale, int16_t *zp)
{
    float beta = 10, z, span = hi - lo;
    float new_scale;
    int16_t new_zp;
    double plain, plain_squares, got, got_squares;

    mq_scheme_affine(s, lo, hi, scale, zp);
    plain = p_norm(s, w, n, *scale, *zp, &plain_squares);
    if (s->symmetric || !(span > 0) || plain <= 0)
        return;
    z = *zp;
    beta /= span * sqrtf(sqrtf(span)); /* the paper's beta is for weights of size one: |e|^(2-p) scales with them */
    for (int i = 0; i < 20; i++, beta *= 1.01f)
        z = (float)shrink_round(w, n, *scale, z, (float)s->q_min, (float)s->q_max, beta);
    /* q_min and q_max stand for these values with the real zero point */
    mq_scheme_affine(s, ((float)s->q_min - z) * *scale, ((float)s->q_max - z) * *scale, &new_scale, &new_zp);
    got = p_norm(s, w, n, new_scale, new_zp, &got_squares);
    if (got < plain && got_squares < 1.02 * plain_squares) {
        *scale = new_scale;
        *zp = new_zp;
    }
}

void mq_fit_group(const mq_fit *f, const mq_scheme *s, const float *w, size_t n, float lo, float hi, float *scale,
                  int16_t *zero_point)
{
    switch (f->kind) {
    case MQ_FIT_FIXED: mq_scheme_affine(s, f->lo, f->hi, scale, zero_point); break;
    case MQ_FIT_STDDEV: fit_stddev(f, s, w, n, scale, zero_point); break;
    case MQ_FIT_MSE: fit_mse(s, w, n, lo, hi, scale, zero_point); break;
    case MQ_FIT_HQQ: fit_hqq(s, w, n, lo, hi, scale, zero_point); break;
    default: mq_scheme_affine(s, lo, hi, scale, zero_point); break;
    }
}
