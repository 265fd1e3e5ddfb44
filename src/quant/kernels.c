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

MQ_INLINE int is_bad(float x)
{
    return !(fabsf(x) <= FLT_MAX);
}

MQ_CLONES(bool, all_finite, (const mq_unaligned_f32 *w, size_t n), (w, n))
{
    int bad = 0;

    for (size_t i = 0; i < n; i++)
        bad += is_bad(w[i]);
    return bad == 0;
}

static void count_nonfinite(const mq_unaligned_f32 *w, size_t n, mq_nonfinite *bad)
{
    for (size_t i = 0; i < n; i++) {
        bad->n_nan += isnan(w[i]) != 0;
        bad->n_inf += isinf(w[i]) != 0;
    }
}

/* ---- ranges -------------------------------------------------------------------------------------------------------- */

/* The lanes' ranges become that of lane 0. */
MQ_INLINE void fold_lanes(float *restrict least, float *restrict most, int from)
{
    for (int k = 0; k < from; k++) {
        least[k] = least[k + from] < least[k] ? least[k + from] : least[k];
        most[k] = most[k + from] > most[k] ? most[k + from] : most[k];
    }
}

MQ_INLINE void finite_range(const mq_unaligned_f32 *w, size_t n, float *lo, float *hi)
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
    fold_lanes(least, most, 8);
    fold_lanes(least, most, 4);
    fold_lanes(least, most, 2);
    fold_lanes(least, most, 1);
    *lo = least[0];
    *hi = most[0];
}

MQ_CLONES(void, finite_run_range, (const mq_unaligned_f32 *w, size_t n, float *lo, float *hi), (w, n, lo, hi))
{
    finite_range(w, n, lo, hi);
}

MQ_CLONES(void, finite_blocks_range, (const mq_unaligned_f32 *w, size_t n, size_t block, float *restrict lo,
                                      float *restrict hi), (w, n, block, lo, hi))
{
    for (size_t b = 0; b * block < n; b++)
        finite_range(w + b * block, n - b * block < block ? n - b * block : block, &lo[b], &hi[b]);
}

/* How many are not finite; these are left out. */
MQ_CLONES(int, block_of_columns_range, (const mq_unaligned_f32 *restrict w, size_t n, float *restrict lo,
                                        float *restrict hi), (w, n, lo, hi))
{
    int bad = 0;

    for (size_t i = 0; i < n; i++) {
        float x = w[i], low = x >= -FLT_MAX ? x : 0, high = x <= FLT_MAX ? x : 0;
        lo[i] = low < lo[i] ? low : lo[i];
        hi[i] = high > hi[i] ? high : hi[i];
        bad += is_bad(x);
    }
    return bad;
}

static void widen(float x, float *lo, float *hi)
{
    if (!isfinite(x))
        return;
    *lo = x < *lo ? x : *lo;
    *hi = x > *hi ? x : *hi;
}

void mq_run_range(const mq_unaligned_f32 *w, size_t n, float *lo, float *hi, mq_nonfinite *bad)
{
    for (size_t at = 0; at < n; at += BLOCK) {
        size_t m = n - at < BLOCK ? n - at : BLOCK;
        if (all_finite(w + at, m)) {
            finite_run_range(w + at, m, lo, hi);
            continue;
        }
        count_nonfinite(w + at, m, bad);
        for (size_t i = at; i < at + m; i++)
            widen(w[i], lo, hi);
    }
}

void mq_columns_range(const mq_unaligned_f32 *w, size_t n, float *lo, float *hi, mq_nonfinite *bad)
{
    for (size_t at = 0; at < n; at += BLOCK) {
        size_t m = n - at < BLOCK ? n - at : BLOCK;
        if (block_of_columns_range(w + at, m, lo + at, hi + at))
            count_nonfinite(w + at, m, bad);
    }
}

void mq_blocks_range(const mq_unaligned_f32 *w, size_t n, size_t block, float *lo, float *hi, mq_nonfinite *bad)
{
    size_t most = block < BLOCK ? BLOCK / block * block : block; /* whole blocks */

    for (size_t at = 0; at < n; at += most) {
        size_t m = n - at < most ? n - at : most;
        if (all_finite(w + at, m)) {
            finite_blocks_range(w + at, m, block, lo + at / block, hi + at / block);
            continue;
        }
        count_nonfinite(w + at, m, bad);
        for (size_t i = at; i < at + m; i++)
            widen(w[i], &lo[i / block], &hi[i / block]);
    }
}

/* ---- integers ------------------------------------------------------------------------------------------------------ */

/* Sums of one block, lane by lane. */
struct lanes {
    double signal[LANES], error[LANES]; /* the square of a large float does not fit a float */
    float max_error;
    int clipped;
};

/* How many values are not finite; their integers mean nothing. step 0: one scale and zero point for all, step 1: one per
 * value. r: the integers, d: w - w'. */
MQ_INLINE int round_block(int q_min, int q_max, const mq_unaligned_f32 *restrict w, size_t n,
                          const float *restrict scales, const int32_t *restrict zero_points, size_t step,
                          int32_t *restrict r, float *restrict d)
{
    int bad = 0;

    for (size_t i = 0; i < n; i++) {
        float s = scales[i * step], zp = (float)zero_points[i * step], lo = (float)q_min - zp, hi = (float)q_max - zp;
        float x = w[i] / s;
        x = x < hi ? x : hi; /* NaN becomes hi, so that there is an integer */
        x = x > lo ? x : lo;
        x = (x + ROUND_MAGIC) - ROUND_MAGIC;
        r[i] = (int32_t)(x + zp);
        d[i] = w[i] - x * s;
        bad += is_bad(w[i]);
    }
    return bad;
}

/* Bits of |x|, which are in the order of the numbers. */
MQ_INLINE int32_t magnitude_bits(float x)
{
    int32_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits & INT32_MAX;
}

/* sums[k] = sum of squares of every LANES-th value from k on. One list at a time: compilers vectorize no more. */
MQ_INLINE void sum_squares(const mq_unaligned_f32 *w, size_t n, double *restrict sums)
{
    double lanes[LANES] = { 0 };
    size_t whole = n / LANES * LANES;

    for (size_t i = 0; i < whole; i += LANES)
        for (int k = 0; k < LANES; k++)
            lanes[k] += (double)w[i + (size_t)k] * (double)w[i + (size_t)k];
    for (size_t i = whole; i < n; i++)
        lanes[i - whole] += (double)w[i] * (double)w[i];
    memcpy(sums, lanes, sizeof lanes);
}

MQ_INLINE void sum_block(const mq_unaligned_f32 *restrict w, const float *restrict d, size_t n,
                         const float *restrict scales, size_t step, struct lanes *restrict out)
{
    int32_t worst = 0;
    int clipped = 0;

    for (size_t i = 0; i < n; i++) {
        int32_t e = magnitude_bits(d[i]);
        worst = e > worst ? e : worst;
        clipped += fabsf(d[i]) > fabsf(scales[i * step]) * 0.505f;
    }
    memcpy(&out->max_error, &worst, sizeof worst);
    out->clipped = clipped;
    sum_squares(w, n, out->signal);
    sum_squares((const mq_unaligned_f32 *)d, n, out->error);
}

MQ_INLINE bool quantize_block(int q_min, int q_max, size_t width, const mq_unaligned_f32 *w, size_t n,
                              const float *scales, const int32_t *zero_points, size_t step, void *q, struct lanes *l)
{
    int32_t r[BLOCK];
    float d[BLOCK];

    if (round_block(q_min, q_max, w, n, scales, zero_points, step, r, d))
        return false;
    if (width == 1)
        for (size_t i = 0; i < n; i++)
            ((uint8_t *)q)[i] = (uint8_t)r[i];
    else
        for (size_t i = 0; i < n; i++)
            ((uint16_t *)q)[i] = (uint16_t)r[i];
    if (l)
        sum_block(w, d, n, scales, step, l);
    return true;
}

/* Both: false when not all values are finite. */
MQ_CLONES(bool, block_of_run, (int q_min, int q_max, size_t width, const mq_unaligned_f32 *w, size_t n, float scale,
                               int32_t zero_point, void *q, struct lanes *l),
          (q_min, q_max, width, w, n, scale, zero_point, q, l))
{
    return quantize_block(q_min, q_max, width, w, n, &scale, &zero_point, 0, q, l);
}

MQ_CLONES(bool, block_of_columns, (int q_min, int q_max, size_t width, const mq_unaligned_f32 *w, size_t n,
                                   const float *scales, const int32_t *zero_points, void *q, struct lanes *l),
          (q_min, q_max, width, w, n, scales, zero_points, q, l))
{
    return quantize_block(q_min, q_max, width, w, n, scales, zero_points, 1, q, l);
}

static void add_lanes(mq_quant_sums *sums, const struct lanes *l)
{
    for (int k = 0; k < LANES; k++) {
        sums->signal += l->signal[k];
        sums->error += l->error[k];
    }
    sums->n_clipped += l->clipped;
    if (l->max_error > sums->max_error)
        sums->max_error = l->max_error;
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
        if (block_of_run(s->q_min, s->q_max, mq_scheme_width(s), &w[i], 1, scale, zp, q + i * mq_scheme_width(s), &l)) {
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
        if (!block_of_run(s->q_min, s->q_max, width, w + at, m, scale, zero_point, out + at * width, sums ? &l : NULL))
            block_with_nonfinite(s, w + at, m, &scale, &zero_point, 0, out + at * width, sums);
        else if (sums)
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
        if (!block_of_columns(s->q_min, s->q_max, width, w + at, m, scales + at, zero_points + at, out + at * width,
                              sums ? &l : NULL))
            block_with_nonfinite(s, w + at, m, scales + at, zero_points + at, 1, out + at * width, sums);
        else if (sums)
            add_lanes(sums, &l);
    }
}

/* Of short blocks: a scale per value, which makes them columns. */
MQ_CLONES(void, spread, (size_t n, size_t block, const float *restrict scales, const int32_t *restrict zero_points,
                         float *restrict s, int32_t *restrict zp), (n, block, scales, zero_points, s, zp))
{
    for (size_t b = 0; b * block < n; b++) {
        size_t m = n - b * block < block ? n - b * block : block;
        float scale = scales[b];
        int32_t zero_point = zero_points[b];
        for (size_t i = 0; i < m; i++)
            s[b * block + i] = scale;
        for (size_t i = 0; i < m; i++)
            zp[b * block + i] = zero_point;
    }
}

void mq_blocks_quantize(const mq_scheme *s, const mq_unaligned_f32 *w, size_t n, size_t block, const float *scales,
                        const int32_t *zero_points, void *q, mq_quant_sums *sums)
{
    size_t width = mq_scheme_width(s), most = block <= BLOCK ? BLOCK / block * block : block;
    float each_scale[BLOCK];
    int32_t each_zero_point[BLOCK];
    uint8_t *out = q;

    for (size_t at = 0; at < n; at += most) {
        size_t m = n - at < most ? n - at : most, b = at / block;
        if (block > BLOCK) {
            mq_run_quantize(s, w + at, m, scales[b], zero_points[b], out + at * width, sums);
            continue;
        }
        spread(m, block, scales + b, zero_points + b, each_scale, each_zero_point);
        mq_columns_quantize(s, w + at, m, each_scale, each_zero_point, out + at * width, sums);
    }
}

MQ_CLONES(double, block_error, (int q_min, int q_max, const mq_unaligned_f32 *w, size_t n, float scale,
                                int32_t zero_point), (q_min, q_max, w, n, scale, zero_point))
{
    int32_t r[BLOCK];
    float d[BLOCK];
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

/* ---- packing ------------------------------------------------------------------------------------------------------- */

MQ_CLONES(void, pack_fours, (const uint8_t *restrict q, size_t n, uint8_t *restrict out), (q, n, out))
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)((q[2 * i] & 0xf) | q[2 * i + 1] << 4);
}

MQ_CLONES(void, pack_twos, (const uint8_t *restrict q, size_t n, uint8_t *restrict out), (q, n, out))
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)((q[4 * i] & 3) | (q[4 * i + 1] & 3) << 2 | (q[4 * i + 2] & 3) << 4 | q[4 * i + 3] << 6);
}

void mq_pack_bits(int bits, const uint8_t *q, size_t n, uint8_t *out)
{
    size_t per = 8 / (size_t)bits, whole = n / per;
    unsigned mask = (1u << bits) - 1, last = 0;
    uint8_t packed[BLOCK];

    for (size_t i = whole * per; i < n; i++)
        last |= (q[i] & mask) << ((i - whole * per) * (size_t)bits);
    for (size_t at = 0; at < whole; at += BLOCK) { /* through a room of its own, since out may be q */
        size_t m = whole - at < BLOCK ? whole - at : BLOCK;
        (bits == 4 ? pack_fours : pack_twos)(q + at * per, m, packed);
        memcpy(out + at, packed, m);
    }
    if (n % per)
        out[whole] = (uint8_t)last;
}
