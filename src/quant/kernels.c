/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The inner loops of weight quantization. Plain C in fixed lanes: sums come out the same for every instruction set and every
 * number of threads. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/compiler.h"
#include "quant/quant.h"

enum { LANES = 16, BLOCK = 1024 };

/* Adding and subtracting it rounds a float of magnitude below 2^22 to an integer, half to even. */
#define ROUND_MAGIC 12582912.0f

float mq_scale_symmetric(float max_abs, int q_max)
{
    float scale = max_abs / (float)q_max;

    if (!(max_abs > 0))
        return 1.0f;
    if (scale * (float)q_max > FLT_MAX) /* rounded up: the largest value would come back as infinity */
        scale = nextafterf(scale, 0);
    return scale < FLT_MIN ? FLT_MIN : scale;
}

/* Is any of the values NaN or infinite? w * 0 is 0 or -0 for finite values and NaN for the others. */
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

MQ_CLONES static float finite_max_abs(const mq_unaligned_f32 *w, size_t n)
{
    float lanes[LANES] = { 0 }, max = 0;
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) {
            float a = fabsf(w[i + (size_t)k]);
            lanes[k] = a > lanes[k] ? a : lanes[k];
        }
    for (; i < n; i++)
        max = fabsf(w[i]) > max ? fabsf(w[i]) : max;
    for (int k = 0; k < LANES; k++)
        max = lanes[k] > max ? lanes[k] : max;
    return max;
}

static void count_nonfinite(const mq_unaligned_f32 *w, size_t n, int64_t *n_nan, int64_t *n_inf)
{
    for (size_t i = 0; i < n; i++) {
        *n_nan += isnan(w[i]) != 0;
        *n_inf += isinf(w[i]) != 0;
    }
}

float mq_run_max_abs(const mq_unaligned_f32 *w, size_t n, int64_t *n_nan, int64_t *n_inf)
{
    float max = finite_max_abs(w, n); /* NaN never compares greater */

    if (max <= FLT_MAX && all_finite(w, n))
        return max;
    count_nonfinite(w, n, n_nan, n_inf);
    max = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(w[i]) && fabsf(w[i]) > max)
            max = fabsf(w[i]);
    return max;
}

MQ_CLONES static void finite_columns_max_abs(const mq_unaligned_f32 *restrict w, size_t n, float *restrict max_abs)
{
    for (size_t i = 0; i < n; i++) {
        float a = fabsf(w[i]);
        max_abs[i] = a > max_abs[i] ? a : max_abs[i];
    }
}

void mq_columns_max_abs(const mq_unaligned_f32 *w, size_t n, float *max_abs, int64_t *n_nan, int64_t *n_inf)
{
    if (all_finite(w, n)) {
        finite_columns_max_abs(w, n, max_abs);
        return;
    }
    count_nonfinite(w, n, n_nan, n_inf);
    for (size_t i = 0; i < n; i++)
        if (isfinite(w[i]) && fabsf(w[i]) > max_abs[i])
            max_abs[i] = fabsf(w[i]);
}

/* Sums of one block, lane by lane. */
struct lanes {
    double signal[LANES], error[LANES]; /* the square of a large float does not fit a float */
    float max_error[LANES];
};

/* Quantizes a block; step 0: one scale, step 1: one per value. Three plain loops, which every compiler vectorizes. */
MQ_INLINE void quantize_block(const mq_unaligned_f32 *restrict w, size_t n, const float *restrict scales, size_t step,
                              int8_t *restrict q, struct lanes *restrict out)
{
    double signal[LANES] = { 0 }, error[LANES] = { 0 };
    float worst[LANES] = { 0 };
    float r[BLOCK], d[BLOCK];
    size_t whole = n / LANES * LANES;

    for (size_t i = 0; i < n; i++) {
        float s = scales[i * step], x = w[i] / s;
        x = x > 127.0f ? 127.0f : x;
        x = x < -127.0f ? -127.0f : x;
        r[i] = (x + ROUND_MAGIC) - ROUND_MAGIC;
        d[i] = w[i] - r[i] * s;
    }
    for (size_t i = 0; i < n; i++)
        q[i] = (int8_t)r[i];
    for (size_t i = 0; i < whole; i += LANES)
        for (int k = 0; k < LANES; k++) {
            double wk = (double)w[i + (size_t)k], dk = (double)d[i + (size_t)k];
            signal[k] += wk * wk;
            error[k] += dk * dk;
        }
    for (size_t i = 0; i < whole; i += LANES)
        for (int k = 0; k < LANES; k++) {
            float e = fabsf(d[i + (size_t)k]);
            worst[k] = e > worst[k] ? e : worst[k];
        }
    for (size_t i = whole; i < n; i++) {
        int k = (int)(i - whole);
        signal[k] += (double)w[i] * (double)w[i];
        error[k] += (double)d[i] * (double)d[i];
        worst[k] = fabsf(d[i]) > worst[k] ? fabsf(d[i]) : worst[k];
    }
    memcpy(out->signal, signal, sizeof signal);
    memcpy(out->error, error, sizeof error);
    memcpy(out->max_error, worst, sizeof worst);
}

MQ_CLONES static void block_one_scale(const mq_unaligned_f32 *w, size_t n, float scale, int8_t *q, struct lanes *l)
{
    quantize_block(w, n, &scale, 0, q, l);
}

MQ_CLONES static void block_scales(const mq_unaligned_f32 *w, size_t n, const float *scales, int8_t *q, struct lanes *l)
{
    quantize_block(w, n, scales, 1, q, l);
}

static void add_lanes(mq_quant_sums *sums, const struct lanes *l)
{
    for (int k = 0; k < LANES; k++) {
        sums->signal += l->signal[k];
        sums->error += l->error[k];
        if (l->max_error[k] > sums->max_error)
            sums->max_error = l->max_error[k];
    }
}

/* Values that are not finite have no error to speak of: they are left out of the sums. */
static void block_nonfinite(const mq_unaligned_f32 *w, size_t n, const float *scales, size_t step, int8_t *q,
                            mq_quant_sums *sums)
{
    struct lanes l;

    for (size_t i = 0; i < n; i++) {
        if (isfinite(w[i])) {
            quantize_block(&w[i], 1, &scales[i * step], 0, &q[i], &l);
            add_lanes(sums, &l);
        } else {
            q[i] = isnan(w[i]) ? 0 : w[i] > 0 ? 127 : -127;
        }
    }
}

void mq_run_quantize(const mq_unaligned_f32 *w, size_t n, float scale, int8_t *q, mq_quant_sums *sums)
{
    for (size_t at = 0; at < n; at += BLOCK) {
        size_t m = n - at < BLOCK ? n - at : BLOCK;
        struct lanes l;
        if (all_finite(w + at, m)) {
            block_one_scale(w + at, m, scale, q + at, &l);
            add_lanes(sums, &l);
        } else {
            block_nonfinite(w + at, m, &scale, 0, q + at, sums);
        }
    }
}

void mq_columns_quantize(const mq_unaligned_f32 *w, size_t n, const float *scales, int8_t *q, mq_quant_sums *sums)
{
    for (size_t at = 0; at < n; at += BLOCK) {
        size_t m = n - at < BLOCK ? n - at : BLOCK;
        struct lanes l;
        if (all_finite(w + at, m)) {
            block_scales(w + at, m, scales + at, q + at, &l);
            add_lanes(sums, &l);
        } else {
            block_nonfinite(w + at, m, scales + at, 1, q + at, sums);
        }
    }
}
