/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Plain C in fixed lanes: results are the same for every instruction set and every number of threads. Each kernel works on
 * blocks that stay in the first-level cache, in simple loops that compilers vectorize. */
#include "quant/kernels.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { LANES = 16, BLOCK = 1024 };

/* Adding and subtracting it rounds a float of magnitude below 2^22 to an integer, half to even. */
#define ROUND_MAGIC 12582912.0f

/* ---- finite or not ------------------------------------------------------------------------------------------------- */

/* Is every value finite? w * 0 is 0 or -0 for finite values and NaN for the others. */
MQ_CLONES static bool all_finite(const mq_unaligned_f32 *w, size_t n)
{
    float lanes[LANES] = { 0 }, sum = 0;
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++)
            lanes[k] += w[i + (size_t)k] * 0.0f;
    for (; i < n; i++)
        sum += w[i] * 0.0f;
    for (int k = 0; k < LANES; k++)
        sum += lanes[k];
    return sum == 0;
}

static void count_nonfinite(const mq_unaligned_f32 *w, size_t n, mq_nonfinite *bad)
{
    for (size_t i = 0; i < n; i++) {
        bad->n_nan += isnan(w[i]) != 0;
        bad->n_inf += isinf(w[i]) != 0;
    }
}

/* ---- ranges -------------------------------------------------------------------------------------------------------- */

MQ_CLONES static void finite_run_range(const mq_unaligned_f32 *w, size_t n, float *lo, float *hi)
{
    float least[LANES], most[LANES];
    size_t i = 0;

    for (int k = 0; k < LANES; k++) {
        least[k] = *lo;
        most[k] = *hi;
    }
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) {
            float x = w[i + (size_t)k];
            least[k] = x < least[k] ? x : least[k];
            most[k] = x > most[k] ? x : most[k];
        }
    for (; i < n; i++) {
        least[0] = w[i] < least[0] ? w[i] : least[0];
        most[0] = w[i] > most[0] ? w[i] : most[0];
    }
    for (int k = 0; k < LANES; k++) {
        *lo = least[k] < *lo ? least[k] : *lo;
        *hi = most[k] > *hi ? most[k] : *hi;
    }
}

MQ_CLONES static void finite_columns_range(const mq_unaligned_f32 *restrict w, size_t n, float *restrict lo,
                                           float *restrict hi)
{
    for (size_t i = 0; i < n; i++) {
        float x = w[i];
        lo[i] = x < lo[i] ? x : lo[i];
        hi[i] = x > hi[i] ? x : hi[i];
    }
}

void mq_run_range(const mq_unaligned_f32 *w, size_t n, float *lo, float *hi, mq_nonfinite *bad)
{
    float least = *lo, most = *hi;

    finite_run_range(w, n, &least, &most); /* NaN never compares */
    if (least >= -FLT_MAX && most <= FLT_MAX && all_finite(w, n)) {
        *lo = least;
        *hi = most;
        return;
    }
    count_nonfinite(w, n, bad);
    for (size_t i = 0; i < n; i++)
        if (isfinite(w[i])) {
            *lo = w[i] < *lo ? w[i] : *lo;
            *hi = w[i] > *hi ? w[i] : *hi;
        }
}

void mq_columns_range(const mq_unaligned_f32 *w, size_t n, float *lo, float *hi, mq_nonfinite *bad)
{
    if (all_finite(w, n)) {
        finite_columns_range(w, n, lo, hi);
        return;
    }
    count_nonfinite(w, n, bad);
    for (size_t i = 0; i < n; i++)
        if (isfinite(w[i])) {
            lo[i] = w[i] < lo[i] ? w[i] : lo[i];
            hi[i] = w[i] > hi[i] ? w[i] : hi[i];
        }
}

/* ---- integers ------------------------------------------------------------------------------------------------------ */

/* Sums of one block, lane by lane. */
struct lanes {
    double signal[LANES], error[LANES]; /* the square of a large float does not fit a float */
    float max_error[LANES];
    int clipped[LANES];
};

/* Quantizes finite values. step 0: one scale and zero point for all, step 1: one per value. r: the integers, d: w - w'. */
MQ_INLINE void round_block(int q_min, int q_max, const mq_unaligned_f32 *restrict w, size_t n,
                           const float *restrict scales, const int32_t *restrict zero_points, size_t step,
                           float *restrict r, float *restrict d)
{
    for (size_t i = 0; i < n; i++) {
        float s = scales[i * step], zp = zero_points[i * step], lo = (float)q_min - zp, hi = (float)q_max - zp;
        float x = w[i] / s;
        x = x > hi ? hi : x;
        x = x < lo ? lo : x;
        x = (x + ROUND_MAGIC) - ROUND_MAGIC;
        r[i] = x + zp;
        d[i] = w[i] - x * s;
    }
}

MQ_INLINE void sum_block(const mq_unaligned_f32 *restrict w, const float *restrict d, size_t n,
                         const float *restrict scales, size_t step, struct lanes *restrict out)
{
    double signal[LANES] = { 0 }, error[LANES] = { 0 };
    float worst[LANES] = { 0 };
    int clipped[LANES] = { 0 };
    size_t whole = n / LANES * LANES;

    for (size_t i = 0; i < whole; i += LANES)
        for (int k = 0; k < LANES; k++) {
            double wk = (double)w[i + (size_t)k], dk = (double)d[i + (size_t)k];
            signal[k] += wk * wk;
            error[k] += dk * dk;
        }
    for (size_t i = 0; i < whole; i += LANES)
        for (int k = 0; k < LANES; k++) {
            float e = fabsf(d[i + (size_t)k]), half = fabsf(scales[(i + (size_t)k) * step]) * 0.5001f;
            worst[k] = e > worst[k] ? e : worst[k];
            clipped[k] += e > half;
        }
    for (size_t i = whole; i < n; i++) {
        int k = (int)(i - whole);
        float e = fabsf(d[i]);
        signal[k] += (double)w[i] * (double)w[i];
        error[k] += (double)d[i] * (double)d[i];
        worst[k] = e > worst[k] ? e : worst[k];
        clipped[k] += e > fabsf(scales[i * step]) * 0.5001f;
    }
    memcpy(out->signal, signal, sizeof signal);
    memcpy(out->error, error, sizeof error);
    memcpy(out->max_error, worst, sizeof worst);
    memcpy(out->clipped, clipped, sizeof clipped);
}

MQ_INLINE void quantize_block(int q_min, int q_max, size_t width, const mq_unaligned_f32 *w, size_t n,
                              const float *scales, const int32_t *zero_points, size_t step, void *q, struct lanes *l)
{
    float r[BLOCK], d[BLOCK];

    round_block(q_min, q_max, w, n, scales, zero_points, step, r, d);
    if (width == 1)
        for (size_t i = 0; i < n; i++)
            ((uint8_t *)q)[i] = (uint8_t)(int)r[i];
    else
        for (size_t i = 0; i < n; i++)
            ((uint16_t *)q)[i] = (uint16_t)(int)r[i];
    if (l)
        sum_block(w, d, n, scales, step, l);
}

MQ_CLONES static void block_of_run(int q_min, int q_max, size_t width, const mq_unaligned_f32 *w, size_t n, float scale,
                                   int32_t zero_point, void *q, struct lanes *l)
{
    quantize_block(q_min, q_max, width, w, n, &scale, &zero_point, 0, q, l);
}

MQ_CLONES static void block_of_columns(int q_min, int q_max, size_t width, const mq_unaligned_f32 *w, size_t n,
                                       const float *scales, const int32_t *zero_points, void *q, struct lanes *l)
{
    quantize_block(q_min, q_max, width, w, n, scales, zero_points, 1, q, l);
}

static void add_lanes(mq_quant_sums *sums, const struct lanes *l)
{
    for (int k = 0; k < LANES; k++) {
        sums->signal += l->signal[k];
        sums->error += l->error[k];
        sums->n_clipped += l->clipped[k];
        if (l->max_error[k] > sums->max_error)
            sums->max_error = l->max_error[k];
    }
}

static void store_integer(const mq_scheme *s, void *q, size_t i, int v)
{
    if (mq_scheme_width(s) == 1)
        ((uint8_t *)q)[i] = (uint8_t)v;
    else
        ((uint16_t *)q)[i] = (uint16_t)v;
}

/* One value at a time; step as above. */
static void block_with_nonfinite(const mq_scheme *s, const mq_unaligned_f32 *w, size_t n, const float *scales,
                                 const int32_t *zero_points, size_t step, uint8_t *q, mq_quant_sums *sums)
{
    struct lanes l;

    for (size_t i = 0; i < n; i++) {
        float scale = scales[i * step];
        int32_t zp = zero_points[i * step];
        if (isfinite(w[i])) {
            block_of_run(s->q_min, s->q_max, mq_scheme_width(s), &w[i], 1, scale, zp, q + i * mq_scheme_width(s), &l);
            if (sums)
                add_lanes(sums, &l);
        } else {
            store_integer(s, q, i, isnan(w[i]) ? zp : (w[i] > 0) == (scale > 0) ? s->q_max : s->q_min);
        }
    }
}

void mq_run_quantize(const mq_scheme *s, const mq_unaligned_f32 *w, size_t n, float scale, int32_t zero_point, void *q,
                     mq_quant_sums *sums)
{
    size_t width = mq_scheme_width(s);
    uint8_t *out = q;
    struct lanes l;

    for (size_t at = 0; at < n; at += BLOCK) {
        size_t m = n - at < BLOCK ? n - at : BLOCK;
        if (!all_finite(w + at, m)) {
            block_with_nonfinite(s, w + at, m, &scale, &zero_point, 0, out + at * width, sums);
            continue;
        }
        block_of_run(s->q_min, s->q_max, width, w + at, m, scale, zero_point, out + at * width, sums ? &l : NULL);
        if (sums)
            add_lanes(sums, &l);
    }
}

void mq_columns_quantize(const mq_scheme *s, const mq_unaligned_f32 *w, size_t n, const float *scales,
                         const int32_t *zero_points, void *q, mq_quant_sums *sums)
{
    size_t width = mq_scheme_width(s);
    uint8_t *out = q;
    struct lanes l;

    for (size_t at = 0; at < n; at += BLOCK) {
        size_t m = n - at < BLOCK ? n - at : BLOCK;
        if (!all_finite(w + at, m)) {
            block_with_nonfinite(s, w + at, m, scales + at, zero_points + at, 1, out + at * width, sums);
            continue;
        }
        block_of_columns(s->q_min, s->q_max, width, w + at, m, scales + at, zero_points + at, out + at * width,
                         sums ? &l : NULL);
        if (sums)
            add_lanes(sums, &l);
    }
}

MQ_CLONES static double block_error(int q_min, int q_max, const mq_unaligned_f32 *w, size_t n, float scale,
                                    int32_t zero_point)
{
    float r[BLOCK], d[BLOCK];
    double lanes[LANES] = { 0 }, sum = 0;
    size_t i = 0;

    round_block(q_min, q_max, w, n, &scale, &zero_point, 0, r, d);
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++)
            lanes[k] += (double)d[i + (size_t)k] * (double)d[i + (size_t)k];
    for (; i < n; i++)
        sum += (double)d[i] * (double)d[i];
    for (int k = 0; k < LANES; k++)
        sum += lanes[k];
    return sum;
}

double mq_run_error(const mq_scheme *s, const mq_unaligned_f32 *w, size_t n, float scale, int32_t zero_point)
{
    double sum = 0;

    for (size_t at = 0; at < n; at += BLOCK)
        sum += block_error(s->q_min, s->q_max, w + at, n - at < BLOCK ? n - at : BLOCK, scale, zero_point);
    return sum;
}

void mq_pack_bits(int bits, const uint8_t *q, size_t n, uint8_t *out)
{
    size_t per = 8 / (size_t)bits, whole = n / per;
    unsigned mask = (1u << bits) - 1, last = 0;

    if (bits == 4)
        for (size_t i = 0; i < whole; i++)
            out[i] = (uint8_t)((q[2 * i] & 0xf) | q[2 * i + 1] << 4);
    else
        for (size_t i = 0; i < whole; i++)
            out[i] = (uint8_t)((q[4 * i] & 3) | (q[4 * i + 1] & 3) << 2 | (q[4 * i + 2] & 3) << 4 | q[4 * i + 3] << 6);
    for (size_t i = whole * per; i < n; i++)
        last |= (q[i] & mask) << ((i - whole * per) * (size_t)bits);
    if (n % per)
        out[whole] = (uint8_t)last;
}
