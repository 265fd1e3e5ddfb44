/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Float approximations of one element, without branches or calls, so that a loop over them becomes vector code. Used
 * by vmath.c and by kernels that fuse more into the same loop. NaN stays NaN, infinities and denormals come out
 * right. Coefficients are minimax fits of the function named beside them; sums are in a fixed order and nothing is
 * contracted, so every instruction set gives the same bits. */
#ifndef MQ_EXEC_REF_VMATH_LANE_H
#define MQ_EXEC_REF_VMATH_LANE_H

#include <math.h>
#include <stdint.h>

#include "base/bits.h"
#include "base/compiler.h"

/* Chooses by a mask of all ones or all zeros: compilers will not do this for floats when a branch could trap. */
MQ_INLINE float mq_lane_select(uint32_t mask, float yes, float no)
{
    return mq_bits_float(mq_bits_choose(mask, mq_bits_of(yes), mq_bits_of(no)));
}

MQ_INLINE float mq_lane_at_least(float x, float least)
{
    return mq_lane_select(mq_bits_mask(x < least), least, x);
}

MQ_INLINE float mq_lane_at_most(float x, float most)
{
    return mq_lane_select(mq_bits_mask(x > most), most, x);
}

/* a + b = n ln2 + r with |r| <= ln2/2 and an integer n; *n is 2^23 * 1.5 + n, whose low bits are n. NaN goes to r.
 * `a` may be large when it is exact: b is added where little is left of it. */
MQ_INLINE float mq_lane_reduce(float a, float b, float *n)
{
    const float magic = 0x1.8p23f, shifted = (a + b) * 0x1.715476p0f + magic, k = shifted - magic;

    *n = shifted;
    return ((a - k * 0x1.62ep-1f) + b) - k * 0x1.0bfbe8p-15f; /* ln2 in two parts: k times the first is exact */
}

/* e^r - 1 for |r| <= ln2/2. */
MQ_INLINE float mq_lane_expm1_small(float r)
{
    float p = 0x1.6d771cp-10f;

    p = p * r + 0x1.120cbep-7f;
    p = p * r + 0x1.5554b8p-5f;
    p = p * r + 0x1.5554dcp-3f;
    p = p * r + 0.5f;
    return p * r * r + r;
}

/* m * 2^n for the n of mq_lane_reduce, from -252 to 254: in two steps, because the result may be denormal, or finite
 * where 2^n is not. */
MQ_INLINE float mq_lane_scale(float m, float n)
{
    const int32_t k = (int32_t)(mq_bits_of(n) - 0x4b400000u), half = k >> 1;

    return m * mq_bits_float((uint32_t)(half + 127) << 23) * mq_bits_float((uint32_t)(k - half + 127) << 23);
}

/* e^(a + b), where a may be large (down to -inf) and |b| < 1. */
MQ_INLINE float mq_lane_exp2(float a, float b)
{
    float n, r;

    a = mq_lane_at_most(mq_lane_at_least(a, -105.0f), 90.0f); /* beneath the least denormal; above the largest float */
    r = mq_lane_reduce(a, b, &n);
    return mq_lane_scale(1.0f + mq_lane_expm1_small(r), n);
}

MQ_INLINE float mq_lane_exp(float x)
{
    return mq_lane_exp2(x, 0.0f);
}

MQ_INLINE float mq_lane_expm1(float x)
{
    float n, p, one;

    x = mq_lane_at_most(mq_lane_at_least(x, -40.0f), 89.0f);
    p = mq_lane_expm1_small(mq_lane_reduce(x, 0.0f, &n));
    one = mq_lane_scale(0.5f, n); /* half of it, or 2^128 would be infinite */
    return ((one - 0.5f) + one * p) * 2.0f;
}

MQ_INLINE float mq_lane_log(float x)
{
    const uint32_t denormal = mq_bits_mask(x < 0x1p-126f);
    const uint32_t u = mq_bits_of(mq_lane_select(denormal, x * 0x1p23f, x));
    const uint32_t from_root = u - 0x3f3504f3u; /* exponent counted from sqrt(1/2) */
    const float e = (float)((int32_t)from_root >> 23) - mq_lane_select(denormal, 23.0f, 0.0f);
    const float f = mq_bits_float((from_root & 0x007fffffu) + 0x3f3504f3u) - 1.0f, ff = f * f;
    float p = 0x1.1b3ec4p-4f, y;

    p = p * f - 0x1.e2e804p-4f;
    p = p * f + 0x1.e6519p-4f;
    p = p * f - 0x1.fb4384p-4f;
    p = p * f + 0x1.2332b4p-3f;
    p = p * f - 0x1.5562ep-3f;
    p = p * f + 0x1.99a546p-3f;
    p = p * f - 0x1.ffffeep-3f;
    p = p * f + 0x1.555546p-2f;
    y = p * f * ff + e * 0x1.0bfbe8p-15f;
    y = (y - 0.5f * ff) + f;
    y = y + e * 0x1.62ep-1f;
    y = mq_lane_select(mq_bits_mask(x == 0.0f), -INFINITY, y);
    y = mq_lane_select(mq_bits_mask(!(x >= 0.0f)), NAN, y); /* NaN too */
    return mq_lane_select(mq_bits_mask(x == INFINITY), x, y);
}

/* log(1 + x) for x in [0, 1]: what the sum 1 + x lost is put back. */
MQ_INLINE float mq_lane_log1p(float x)
{
    const float u = 1.0f + x;

    return mq_lane_log(u) + (x - (u - 1.0f)) / u;
}

MQ_INLINE float mq_lane_sigmoid(float x)
{
    const float e = mq_lane_exp(-fabsf(x));

    return mq_lane_select(mq_bits_mask(x < 0.0f), e, 1.0f) / (1.0f + e);
}

MQ_INLINE float mq_lane_tanh(float x)
{
    const float t = fabsf(x), s = x * x, e = mq_lane_exp(-2.0f * t);
    const uint32_t sign = mq_bits_of(x) & 0x80000000u;
    float p = 0x1.1baa34p-9f, far;

    p = p * s - 0x1.0ccddep-7f;
    p = p * s + 0x1.63bd36p-6f;
    p = p * s - 0x1.b9f3e4p-5f;
    p = p * s + 0x1.111088p-3f;
    p = p * s - 0x1.555554p-2f;
    far = 1.0f - 2.0f * e / (1.0f + e);
    return mq_lane_select(mq_bits_mask(t < 0.625f), x + x * (s * p), mq_bits_float(mq_bits_of(far) | sign));
}

/* erfc(t) for t >= 0, given t's square as hi + lo with hi exact: e^(-t^2) times a fit of e^(t^2) erfc(t) (t + 2). */
MQ_INLINE float mq_lane_erfc(float t, float hi, float lo)
{
    const float r = 1.0f / (t + 2.0f), q = (t - 2.0f) * r;
    float p = 0x1.2f1044p-14f;

    p = p * q + 0x1.b48e84p-15f;
    p = p * q - 0x1.36e058p-11f;
    p = p * q - 0x1.b6b982p-11f;
    p = p * q + 0x1.9147e4p-9f;
    p = p * q + 0x1.a88006p-8f;
    p = p * q - 0x1.6057dep-6f;
    p = p * q - 0x1.2a8854p-5f;
    p = p * q + 0x1.1e2dd6p-2f;
    p = p * q - 0x1.5fd386p-1f;
    p = p * q + 0x1.058672p0f;
    return p * r * mq_lane_exp2(-hi, -lo);
}

/* |x| cut to 12 bits (its square is exact) and what is left of the square. Clamped: squares beyond give 0 anyway. */
MQ_INLINE float mq_lane_square(float t, float *lo)
{
    const float c = mq_lane_at_most(t, 16.0f), cut = mq_bits_float(mq_bits_of(c) & 0xfffff000u);

    *lo = (c - cut) * (c + cut);
    return cut * cut;
}

/* erf(x) for |x| < 0.92. */
MQ_INLINE float mq_lane_erf_small(float x)
{
    const float s = x * x;
    float p = 0x1.603538p-14f;

    p = p * s - 0x1.ab4744p-11f;
    p = p * s + 0x1.54e624p-8f;
    p = p * s - 0x1.b811bep-6f;
    p = p * s + 0x1.ce2e3p-4f;
    p = p * s - 0x1.812744p-2f;
    p = p * s + 0x1.06eba8p-3f;
    return x + x * p;
}

MQ_INLINE float mq_lane_erf(float x)
{
    const float t = mq_lane_at_most(fabsf(x), 16.0f);
    const uint32_t sign = mq_bits_of(x) & 0x80000000u;
    float lo;
    const float hi = mq_lane_square(t, &lo), far = 1.0f - mq_lane_erfc(t, hi, lo);

    return mq_lane_select(mq_bits_mask(t < 0.92f), mq_lane_erf_small(x), mq_bits_float(mq_bits_of(far) | sign));
}

/* x (1 + erf(x / sqrt 2)) / 2, also far to the left, where 1 + erf would cancel. */
MQ_INLINE float mq_lane_gelu(float x)
{
    const float a = fabsf(x), t = mq_lane_at_most(a, 16.0f) * 0x1.6a09e6p-1f;
    float lo;
    const float hi = mq_lane_square(a, &lo), tail = 0.5f * mq_lane_erfc(t, 0.5f * hi, 0.5f * lo);
    const float far = mq_lane_select(mq_bits_mask(x < 0.0f), tail, 1.0f - tail);
    const float near = 0.5f + 0.5f * mq_lane_erf_small(x * 0x1.6a09e6p-1f);

    return x * mq_lane_select(mq_bits_mask((x > -0.5f) & (x < 1.3f)), near, far);
}

/* x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2: tanh as a sigmoid of twice the argument. */
MQ_INLINE float mq_lane_gelu_tanh(float x)
{
    return x * mq_lane_sigmoid(2.0f * 0.79788456f * x * (1.0f + 0.044715f * x * x));
}

/* log(1 + e^x) */
MQ_INLINE float mq_lane_softplus(float x)
{
    return mq_lane_at_least(x, 0.0f) + mq_lane_log1p(mq_lane_exp(-fabsf(x)));
}

/* x tanh(softplus(x)): with w = e^x it is x (w^2 + 2w) / (w^2 + 2w + 2), and x from 20 on. */
MQ_INLINE float mq_lane_mish(float x)
{
    const float w = mq_lane_exp(mq_lane_at_most(x, 20.0f)), v = w * (w + 2.0f);

    return x * (v / (v + 2.0f));
}

#endif
