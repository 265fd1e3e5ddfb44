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

/* About that, to compare scales by: three quarters of the logarithm, read off the bits of the float. Within 6 %, rising with
 * |x|, and several times faster than roots. */
MQ_INLINE float rough_power(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    bits = bits << 1 >> 1;
    bits = bits - (bits >> 2) + (127u << 21);
    memcpy(&x, &bits, sizeof bits);
    return x;
}

/* errors[k] += error of the values u with scale scales[k]; lo and hi: the lowest and highest integer less the zero point;
 * importance: what squares count, NULL: 1. */
MQ_INLINE void add_errors(const float *restrict u, const float *restrict importance, size_t n, const float *restrict inverse,
                          const float *restrict scales, float lo, float hi, bool squares, double *restrict errors)
{
    float sum[TRIES] = { 0 };

    for (size_t i = 0; i < n; i++) {
        float x = u[i], counts = importance ? importance[i] : 1;
        for (int k = 0; k < TRIES; k++) {
            float q = x * inverse[k], d;
            q = q > hi ? hi : q;
            q = q < lo ? lo : q;
            q = (q + ROUND_MAGIC) - ROUND_MAGIC;
            d = x - q * scales[k];
            sum[k] += squares ? importance ? counts * d * d : d * d : rough_power(d);
        }
    }
    for (int k = 0; k < TRIES; k++)
        errors[k] += (double)sum[k];
}

MQ_CLONES(void, add_squares, (const float *restrict u, size_t n, const float *restrict inverse,
                              const float *restrict scales, float lo, float hi, double *restrict errors),
          (u, n, inverse, scales, lo, hi, errors))
{
    add_errors(u, NULL, n, inverse, scales, lo, hi, true, errors);
}

MQ_CLONES(void, add_powers, (const float *restrict u, size_t n, const float *restrict inverse,
                             const float *restrict scales, float lo, float hi, double *restrict errors),
          (u, n, inverse, scales, lo, hi, errors))
{
    add_errors(u, NULL, n, inverse, scales, lo, hi, false, errors);
}

MQ_CLONES(void, add_weighted, (const float *restrict u, const float *restrict importance, size_t n,
                               const float *restrict inverse, const float *restrict scales, float lo, float hi,
                               double *restrict errors), (u, importance, n, inverse, scales, lo, hi, errors))
{
    add_errors(u, importance, n, inverse, scales, lo, hi, true, errors);
}

MQ_CLONES(void, divide, (const mq_unaligned_f32 *restrict w, size_t n, float unit, float *restrict u),
          (w, n, unit, u))
{
    for (size_t i = 0; i < n; i++)
        u[i] = w[i] / unit;
}

/* Scales that are tried together. */
struct scales {
    float of[TRIES], inverse[TRIES];
};

/* from, from * step, from * step^2, ... */
static void scales_from(struct scales *s, float from, float step)
{
    for (int k = 0; k < TRIES; k++, from *= step)
        s->of[k] = from;
    for (int k = 0; k < TRIES; k++)
        s->inverse[k] = 1 / s->of[k];
}

static void scales_negate(struct scales *s)
{
    for (int k = 0; k < TRIES; k++) {
        s->of[k] = -s->of[k];
        s->inverse[k] = -s->inverse[k];
    }
}

/* The first half, and the same with the other sign. */
static void scales_of_both_signs(struct scales *s)
{
    for (int k = 0; k < TRIES / 2; k++) {
        s->of[TRIES / 2 + k] = -s->of[k];
        s->inverse[TRIES / 2 + k] = -s->inverse[k];
    }
}

struct search {
    const mq_scheme *s;
    const mq_unaligned_f32 *w;
    const float *importance; /* of squares; NULL: all count alike */
    size_t n;
    bool squares;
    float unit; /* plain rounding's scale */
    float first[CHUNK]; /* w / unit, as far as it fits */
    double error; /* the least so far, of: */
    float ratio;  /* scale / unit */
    int32_t zero_point;
};

static void search_init(struct search *b, const mq_scheme *s, const mq_unaligned_f32 *w, size_t n, bool squares, float unit)
{
    b->s = s;
    b->w = w;
    b->n = n;
    b->squares = squares;
    b->unit = unit;
    b->error = INFINITY;
    divide(w, n < CHUNK ? n : CHUNK, unit, b->first);
}

/* The first of the least. */
MQ_CLONES(int, first_least, (const double *restrict errors), (errors))
{
    double least[TRIES / 2];
    int k = 0;

    for (int i = 0; i < TRIES / 2; i++)
        least[i] = errors[i + TRIES / 2] < errors[i] ? errors[i + TRIES / 2] : errors[i];
    for (int half = TRIES / 4; half; half /= 2)
        for (int i = 0; i < half; i++)
            least[i] = least[i + half] < least[i] ? least[i + half] : least[i];
    while (k < TRIES - 1 && errors[k] != least[0])
        k++;
    return k;
}

static void try_scales(struct search *b, const struct scales *s, int32_t zero_point)
{
    float lo = (float)(b->s->q_min - zero_point), hi = (float)(b->s->q_max - zero_point), room[CHUNK];
    double errors[TRIES] = { 0 };
    int best;

    for (size_t at = 0; at < b->n; at += CHUNK) {
        size_t n = b->n - at < CHUNK ? b->n - at : CHUNK;
        if (at)
            divide(b->w + at, n, b->unit, room);
        if (b->importance)
            add_weighted(at ? room : b->first, b->importance + at, n, s->inverse, s->of, lo, hi, errors);
        else
            (b->squares ? add_squares : add_powers)(at ? room : b->first, n, s->inverse, s->of, lo, hi, errors);
    }
    best = first_least(errors);
    if (errors[best] < b->error) {
        b->error = errors[best];
        b->ratio = s->of[best];
        b->zero_point = zero_point;
    }
}

/* With `peak` the lowest integer may be on the other side: negative scales. */
static void try_coarse(struct search *b, int32_t zero_point)
{
    struct scales s;

    scales_from(&s, COARSE_FROM, COARSE_STEP);
    if (b->s->peak && !b->squares) /* norms need no smaller scales */
        scales_of_both_signs(&s);
    try_scales(b, &s, zero_point);
    if (!b->s->symmetric && zero_point > b->s->q_min)
        try_scales(b, &s, zero_point - 1);
    if (!b->s->symmetric && zero_point < b->s->q_max)
        try_scales(b, &s, zero_point + 1);
    if (b->s->peak && b->squares) {
        scales_negate(&s);
        try_scales(b, &s, zero_point);
    }
}

/* From plain rounding's scale and zero point to better ones. */
static void search(const mq_scheme *scheme, const mq_unaligned_f32 *w, const float *importance, size_t n, bool squares,
                   float *scale, int32_t *zero_point)
{
    struct search b;
    struct scales s;

    search_init(&b, scheme, w, n, squares, *scale);
    b.importance = importance;
    b.ratio = 1;
    b.zero_point = *zero_point;
    try_coarse(&b, *zero_point);
    scales_from(&s, b.ratio * FINE_FROM, FINE_STEP);
    try_scales(&b, &s, b.zero_point);
    *zero_point = b.zero_point;
    *scale = mq_scheme_store(scheme, (double)b.ratio * (double)b.unit, b.zero_point);
}

static void fit_mse(const mq_scheme *s, const mq_unaligned_f32 *w, size_t n, float *scale, int32_t *zero_point)
{
    float plain = *scale;
    int32_t plain_zero_point = *zero_point;

    search(s, w, NULL, n, true, scale, zero_point);
    if (!(mq_run_error(s, w, n, *scale, *zero_point) < mq_run_error(s, w, n, plain, plain_zero_point))) {
        *scale = plain;
        *zero_point = plain_zero_point;
    }
}

/* ---- half-quadratic ------------------------------------------------------------------------------------------------ */

MQ_CLONES(void, chunk_powers, (int q_min, int q_max, const mq_unaligned_f32 *restrict w, size_t n, float scale,
                               int32_t zero_point, float *restrict powers),
          (q_min, q_max, w, n, scale, zero_point, powers))
{
    float lo = (float)(q_min - zero_point), hi = (float)(q_max - zero_point);

    for (size_t i = 0; i < n; i++) {
        float u = w[i] / scale, q = u > hi ? hi : u;
        q = q < lo ? lo : q;
        q = (q + ROUND_MAGIC) - ROUND_MAGIC;
        powers[i] = power(u - q);
    }
}

static double p_norm(const mq_scheme *s, const mq_unaligned_f32 *w, size_t n, float scale, int32_t zero_point)
{
    double lanes[4] = { 0 };
    float powers[CHUNK];

    for (size_t at = 0; at < n; at += CHUNK) {
        size_t m = n - at < CHUNK ? n - at : CHUNK;
        chunk_powers(s->q_min, s->q_max, w + at, m, scale, zero_point, powers);
        for (size_t i = 0; i < m; i++)
            lanes[i % 4] += (double)powers[i];
    }
    return (lanes[0] + lanes[1] + lanes[2] + lanes[3]) * (double)power(scale);
}

/* The paper's iterations move a zero point that is a real number, with the scale as it is. ONNX has integer zero points, and
 * what the iterations find is rounded back to where they began; so the paper's norm is minimized by search instead, over
 * scales too. What raises the squared error gives way to the scale of least squared error, and that to plain rounding's,
 * unless the norm is lower. */
static void fit_hqq(const mq_scheme *s, const mq_unaligned_f32 *w, size_t n, float *scale, int32_t *zero_point)
{
    float plain = *scale;
    int32_t plain_zero_point = *zero_point;
    double norm = p_norm(s, w, n, plain, plain_zero_point);

    search(s, w, NULL, n, false, scale, zero_point);
    if (p_norm(s, w, n, *scale, *zero_point) < norm &&
        mq_run_error(s, w, n, *scale, *zero_point) <= 1.01 * mq_run_error(s, w, n, plain, plain_zero_point))
        return;
    *scale = plain;
    *zero_point = plain_zero_point;
    fit_mse(s, w, n, scale, zero_point);
    if (!(p_norm(s, w, n, *scale, *zero_point) < norm)) {
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

void mq_fit_weighted(const mq_scheme *s, const mq_unaligned_f32 *w, const float *importance, size_t n, float *scale,
                     int32_t *zero_point)
{
    float lo = 0, hi = 0;

    for (size_t i = 0; i < n; i++) {
        lo = w[i] < lo ? w[i] : lo;
        hi = w[i] > hi ? w[i] : hi;
    }
    mq_scheme_affine(s, lo, hi, scale, zero_point);
    if (lo < hi)
        search(s, w, importance, n, true, scale, zero_point);
}
