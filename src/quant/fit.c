/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* MSE and HQQ look for the scale and the zero point with the least sum of errors among many: first scales 5 % apart, for
 * each zero point near that of the range, then finer ones around the best. The errors of TRIES scales are summed side by
 * side, so that each has its own lane and sums do not depend on the instruction set. Scales are counted in units of plain
 * rounding's, which keeps squares within the range of a float. */
#include "quant/fit.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/compiler.h"
#include "quant/kernels.h"

enum {
    TRIES = 32,   /* more than compilers unroll whole, which would keep them from vectorizing */
    CHUNK = 1024, /* values whose errors are summed as float */
};

/* Adding and subtracting it rounds a float of magnitude below 2^22 to an integer, half to even. */
#define ROUND_MAGIC 12582912.0f

/* Coarse scales go from 1.1 times plain rounding's down to 0.22 of it, fine ones from 5 % above the best to 5 % below. */
#define COARSE_FROM 1.1f
#define COARSE_STEP 0.95f
#define FINE_FROM 1.05f
#define FINE_STEP 0.9969f

bool mq_fit_needs_values(const mq_fit *f)
{
    return f->kind == MQ_FIT_STDDEV || f->kind == MQ_FIT_MSE || f->kind == MQ_FIT_HQQ;
}

static void fit_stddev(const mq_fit *f, const mq_scheme *s, const mq_unaligned_f32 *w, size_t n, float *scale,
                       int32_t *zero_point)
{
    double mean = 0, var = 0, spread;

    for (size_t i = 0; i < n; i++)
        mean += (double)w[i];
    mean /= (double)n;
    for (size_t i = 0; i < n; i++)
        var += ((double)w[i] - mean) * ((double)w[i] - mean);
    spread = (double)f->k * sqrt(var / (double)n);
    mq_scheme_affine(s, (float)fmax(mean - spread, -(double)FLT_MAX), (float)fmin(mean + spread, (double)FLT_MAX), scale,
                     zero_point);
}

/* ---- many scales at once ------------------------------------------------------------------------------------------- */

/* |x|^0.75, near the 0.7 of the paper: square roots come out the same on every machine. */
MQ_INLINE float power(float x)
{
    float root = sqrtf(fabsf(x));
    return root * sqrtf(root);
}

/* errors[k] += error of the values u with scale scales[k]; lo and hi: the lowest and highest integer less the zero point. */
MQ_INLINE void add_errors(const float *restrict u, size_t n, const float *restrict inverse, const float *restrict scales,
                          float lo, float hi, bool squares, double *restrict errors)
{
    float sum[TRIES] = { 0 };

    for (size_t i = 0; i < n; i++) {
        float x = u[i];
        for (int k = 0; k < TRIES; k++) {
            float q = x * inverse[k], d;
            q = q > hi ? hi : q;
            q = q < lo ? lo : q;
            q = (q + ROUND_MAGIC) - ROUND_MAGIC;
            d = x - q * scales[k];
            sum[k] += squares ? d * d : power(d);
        }
    }
    for (int k = 0; k < TRIES; k++)
        errors[k] += (double)sum[k];
}

MQ_CLONES static void add_squares(const float *restrict u, size_t n, const float *restrict inverse,
                                  const float *restrict scales, float lo, float hi, double *restrict errors)
{
    add_errors(u, n, inverse, scales, lo, hi, true, errors);
}

MQ_CLONES static void add_powers(const float *restrict u, size_t n, const float *restrict inverse,
                                 const float *restrict scales, float lo, float hi, double *restrict errors)
{
    add_errors(u, n, inverse, scales, lo, hi, false, errors);
}

MQ_CLONES static void divide(const mq_unaligned_f32 *restrict w, size_t n, float unit, float *restrict u)
{
    for (size_t i = 0; i < n; i++)
        u[i] = w[i] / unit;
}

struct search {
    const mq_scheme *s;
    const mq_unaligned_f32 *w;
    size_t n;
    bool squares;
    float unit; /* plain rounding's scale */
    double error; /* the least so far, of: */
    float ratio;  /* scale / unit */
    int32_t zero_point;
};

/* Tries the scales from, from * step, from * step^2, ... */
static void try_scales(struct search *b, float from, float step, int32_t zero_point)
{
    float scales[TRIES], inverse[TRIES], u[CHUNK];
    float lo = (float)(b->s->q_min - zero_point), hi = (float)(b->s->q_max - zero_point);
    double errors[TRIES] = { 0 };

    for (int k = 0; k < TRIES; k++, from *= step) {
        scales[k] = from;
        inverse[k] = 1 / from;
    }
    for (size_t at = 0; at < b->n; at += CHUNK) {
        size_t n = b->n - at < CHUNK ? b->n - at : CHUNK;
        divide(b->w + at, n, b->unit, u);
        (b->squares ? add_squares : add_powers)(u, n, inverse, scales, lo, hi, errors);
    }
    for (int k = 0; k < TRIES; k++)
        if (errors[k] < b->error) {
            b->error = errors[k];
            b->ratio = scales[k];
            b->zero_point = zero_point;
        }
}

/* From plain rounding's scale and zero point to better ones. */
static void search(struct search *b, float *scale, int32_t *zero_point)
{
    b->unit = *scale;
    b->error = INFINITY;
    b->ratio = 1;
    b->zero_point = *zero_point;
    try_scales(b, COARSE_FROM, COARSE_STEP, *zero_point);
    if (b->s->peak) /* the lowest integer on the other side */
        try_scales(b, -COARSE_FROM, COARSE_STEP, *zero_point);
    if (!b->s->symmetric && *zero_point > b->s->q_min)
        try_scales(b, COARSE_FROM, COARSE_STEP, *zero_point - 1);
    if (!b->s->symmetric && *zero_point < b->s->q_max)
        try_scales(b, COARSE_FROM, COARSE_STEP, *zero_point + 1);
    try_scales(b, b->ratio * FINE_FROM, FINE_STEP, b->zero_point);
    *zero_point = b->zero_point;
    *scale = mq_scheme_store(b->s, (double)b->ratio * (double)b->unit, b->zero_point);
}

static void fit_mse(const mq_scheme *s, const mq_unaligned_f32 *w, size_t n, float *scale, int32_t *zero_point)
{
    struct search b = { .s = s, .w = w, .n = n, .squares = true };
    float plain = *scale;
    int32_t plain_zero_point = *zero_point;

    search(&b, scale, zero_point);
    if (!(mq_run_error(s, w, n, *scale, *zero_point) < mq_run_error(s, w, n, plain, plain_zero_point))) {
        *scale = plain;
        *zero_point = plain_zero_point;
    }
}

/* ---- half-quadratic ------------------------------------------------------------------------------------------------ */

MQ_CLONES static double p_norm(int q_min, int q_max, const mq_unaligned_f32 *w, size_t n, float scale, int32_t zero_point)
{
    float lo = (float)(q_min - zero_point), hi = (float)(q_max - zero_point);
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        float u = w[i] / scale, q = u > hi ? hi : u;
        q = q < lo ? lo : q;
        q = (q + ROUND_MAGIC) - ROUND_MAGIC;
        sum += (double)power(u - q);
    }
    return sum * (double)power(scale);
}

/* The paper's iterations move a zero point that is a real number, with the scale as it is. ONNX has integer zero points, and
 * what the iterations find is rounded back to where they began; so the paper's norm is minimized by search instead, over
 * scales too. What raises the squared error gives way to the scale of least squared error, and that to plain rounding's,
 * unless the norm is lower. */
static void fit_hqq(const mq_scheme *s, const mq_unaligned_f32 *w, size_t n, float *scale, int32_t *zero_point)
{
    struct search b = { .s = s, .w = w, .n = n };
    float plain = *scale;
    int32_t plain_zero_point = *zero_point;
    double norm = p_norm(s->q_min, s->q_max, w, n, plain, plain_zero_point);

    search(&b, scale, zero_point);
    if (p_norm(s->q_min, s->q_max, w, n, *scale, *zero_point) < norm &&
        mq_run_error(s, w, n, *scale, *zero_point) <= 1.02 * mq_run_error(s, w, n, plain, plain_zero_point))
        return;
    *scale = plain;
    *zero_point = plain_zero_point;
    fit_mse(s, w, n, scale, zero_point);
    if (!(p_norm(s->q_min, s->q_max, w, n, *scale, *zero_point) < norm)) {
        *scale = plain;
        *zero_point = plain_zero_point;
    }
}

void mq_fit_group(const mq_fit *f, const mq_scheme *s, const mq_unaligned_f32 *w, size_t n, float lo, float hi,
                  float *scale, int32_t *zero_point)
{
    if (f->kind == MQ_FIT_FIXED) {
        mq_scheme_affine(s, f->lo, f->hi, scale, zero_point);
    } else if (f->kind == MQ_FIT_STDDEV) {
        fit_stddev(f, s, w, n, scale, zero_point);
    } else {
        mq_scheme_affine(s, lo, hi, scale, zero_point);
        if (f->kind == MQ_FIT_MSE && lo < hi)
            fit_mse(s, w, n, scale, zero_point);
        else if (f->kind == MQ_FIT_HQQ && lo < hi)
            fit_hqq(s, w, n, scale, zero_point);
    }
}
