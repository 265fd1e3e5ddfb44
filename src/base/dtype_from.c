/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Numbers to packed elements of each type: what dtype.c reads. */
#include <math.h>
#include <string.h>

#include "base/bits.h"
#include "base/compiler.h"
#include "base/dtype.h"

uint16_t mq_f16_from_f32(float f)
{
    return mq_bits_f16(mq_bits_of(f));
}

uint16_t mq_bf16_from_f32(float f)
{
    return mq_bits_bf16(mq_bits_of(f));
}

/* n floats to elements of 16 bits at any address. */
#define NARROW_LOOP(name, narrow)                                                            \
    MQ_CLONES(void, name, (const float *restrict in, uint64_t n, uint8_t *p), (in, n, p))    \
    {                                                                                        \
        for (uint64_t i = 0; i < n; i++) {                                                   \
            const uint16_t h = narrow(mq_bits_of(in[i]));                                    \
            memcpy(p + 2 * i, &h, sizeof h);                                                 \
        }                                                                                    \
    }

NARROW_LOOP(f16_from_f32, mq_bits_f16)
NARROW_LOOP(bf16_from_f32, mq_bits_bf16)

/* How a small float is written: `sign` is its sign bit, `max` its largest magnitude, `over` the code beyond that,
 * `nan` that of NaN. Types whose only NaN is "minus zero" have no sign on it and none on 0. */
typedef struct small_format {
    int man_bits, bias;
    uint32_t sign, max, over, nan;
    bool one_zero;
} small_format;

MQ_INLINE uint8_t small_code(uint32_t u, small_format f)
{
    const uint32_t mag = u & 0x7fffffff, shift = (uint32_t)(23 - f.man_bits);
    const uint32_t magic = (uint32_t)(127 + 24 - f.bias - f.man_bits) << 23; /* its last place is the least denormal */
    const uint32_t normal = ((mag + ((1u << (shift - 1)) - 1) + (mag >> shift & 1)) >> shift) -
                            ((uint32_t)(127 - f.bias) << f.man_bits);
    const uint32_t denormal = mq_bits_of(mq_bits_float(mag) + mq_bits_float(magic)) - magic;
    const uint32_t is_denormal = mq_bits_mask(mag < (uint32_t)(128 - f.bias) << 23);
    uint32_t code = mq_bits_choose(is_denormal, denormal, normal), sign = u >> 31 ? f.sign : 0;

    code = mq_bits_choose(mq_bits_mask(code > f.max), f.over, code);
    code = mq_bits_choose(mq_bits_mask(mag > 0x7f800000), f.nan, code);
    if (f.one_zero)
        sign &= ~mq_bits_mask((code & 0x7f) == 0);
    return (uint8_t)(sign | code);
}

#define SMALL_LOOP(name, ...)                                                                              \
    MQ_CLONES(void, name, (const float *restrict in, uint64_t n, bool saturate, uint8_t *restrict out),    \
              (in, n, saturate, out))                                                                      \
    {                                                                                                      \
        small_format f = { __VA_ARGS__ };                                                                  \
        f.over = saturate ? f.max : f.over;                                                                \
        for (uint64_t i = 0; i < n; i++)                                                                   \
            out[i] = small_code(mq_bits_of(in[i]), f);                                                        \
    }

SMALL_LOOP(to_e4m3fn, 3, 7, 0x80, 0x7e, 0x7f, 0x7f, false)
SMALL_LOOP(to_e4m3fnuz, 3, 8, 0x80, 0x7f, 0x80, 0x80, true)
SMALL_LOOP(to_e5m2, 2, 15, 0x80, 0x7b, 0x7c, 0x7e, false)
SMALL_LOOP(to_e5m2fnuz, 2, 16, 0x80, 0x7f, 0x80, 0x80, true)
SMALL_LOOP(to_e2m1, 1, 1, 0x08, 0x07, 0x07, 0x08, false)
SMALL_LOOP(to_e2m3, 3, 1, 0x20, 0x1f, 0x1f, 0x20, false)
SMALL_LOOP(to_e3m2, 2, 3, 0x20, 0x1f, 0x1f, 0x20, false)

uint8_t mq_e8m0_from_f32(float f, mq_round_mode mode, bool saturate)
{
    const uint32_t u = mq_bits_of(f) & 0x7fffffff;
    uint32_t code = u >> 23, rest = u & 0x7fffff, half = 0x400000;

    if (u > 0x7f800000)
        return 0xff;
    if (u < 0x400000 || u == 0x7f800000) /* beneath 2^-127 */
        return !saturate ? 0xff : u < 0x400000 ? 0 : 0xfe;
    if (code == 0) { /* from 2^-127 to 2^-126 floats are denormal */
        rest -= 0x400000;
        half = 0x200000;
    }
    if (mode == MQ_ROUND_UP ? rest > 0 : mode == MQ_ROUND_NEAREST && rest >= half)
        code++;
    return code < 0xff || !saturate ? (uint8_t)code : 0xfe;
}

static void to_e8m0(const float *in, uint64_t n, bool saturate, uint8_t *out)
{
    for (uint64_t i = 0; i < n; i++)
        out[i] = mq_e8m0_from_f32(in[i], MQ_ROUND_UP, saturate);
}

float mq_f32_to_odd(double d)
{
    const float f = (float)d;
    uint32_t u = mq_bits_of(f);

    if ((double)f == d || d != d)
        return f;
    if (fabs((double)f) > fabs(d))
        u--;
    return mq_bits_float(u | 1);
}

float mq_f32_to_odd_i64(int64_t i)
{
    if (i > -((int64_t)1 << 53) && i < (int64_t)1 << 53)
        return mq_f32_to_odd((double)i);
    /* to 53 bits, the last of which stands for the rest: a double holds them */
    return mq_f32_to_odd((double)((i >> 11) | ((i & 0x7ff) != 0)) * 2048.0);
}

void mq_dtype_pack(mq_dtype t, const uint8_t *codes, uint64_t n, void *packed)
{
    const unsigned bits = (unsigned)mq_dtype_bits(t);
    uint8_t *out = packed;
    unsigned have = 0, held = 0;

    for (uint64_t i = 0; i < n; i++) {
        have |= (codes[i] & ((1u << bits) - 1)) << held;
        held += bits;
        if (held >= 8) {
            *out++ = (uint8_t)have;
            have >>= 8;
            held -= 8;
        }
    }
    if (held)
        *out = (uint8_t)have;
}

/* Integers under 8 bits: to the nearest, halves to even. */
static void to_few_bits(mq_dtype t, const float *in, uint64_t n, uint8_t *out)
{
    const float low = (float)mq_dtype_min(t), high = (float)mq_dtype_max(t);

    for (uint64_t i = 0; i < n; i++) {
        const float v = in[i];
        out[i] = (uint8_t)(int)(v != v ? 0 : v < low ? low : v > high ? high : rintf(v));
    }
}

void mq_dtype_codes_from_f32(mq_dtype t, const float *in, uint64_t n, uint8_t *codes, bool saturate)
{
    switch (t) {
    case MQ_FLOAT4E2M1:
        to_e2m1(in, n, true, codes);
        break;
    case MQ_FLOAT6E2M3:
        to_e2m3(in, n, true, codes);
        break;
    case MQ_FLOAT6E3M2:
        to_e3m2(in, n, true, codes);
        break;
    case MQ_FLOAT8E4M3FN:
        to_e4m3fn(in, n, saturate, codes);
        break;
    case MQ_FLOAT8E4M3FNUZ:
        to_e4m3fnuz(in, n, saturate, codes);
        break;
    case MQ_FLOAT8E5M2:
        to_e5m2(in, n, saturate, codes);
        break;
    case MQ_FLOAT8E5M2FNUZ:
        to_e5m2fnuz(in, n, saturate, codes);
        break;
    case MQ_FLOAT8E8M0:
        to_e8m0(in, n, saturate, codes);
        break;
    default:
        if (mq_dtype_bits(t) < 8)
            to_few_bits(t, in, n, codes);
        else
            mq_dtype_from_f32(t, in, n, codes, saturate);
    }
}

/* Under 8 bits: through codes, a block at a time (of whole bytes). */
static void pack_from_f32(mq_dtype t, const float *in, uint64_t n, uint8_t *out)
{
    uint8_t codes[256];

    for (uint64_t i = 0; i < n; i += sizeof codes) {
        const uint64_t m = n - i < sizeof codes ? n - i : sizeof codes;

        mq_dtype_codes_from_f32(t, in + i, m, codes, true);
        mq_dtype_pack(t, codes, m, out + i / 8 * (uint64_t)mq_dtype_bits(t));
    }
}

/* Writes `expr` of each element x as `type` to unaligned bytes. */
#define PUT(type, expr)                                              \
    for (uint64_t i = 0; i < n; i++) {                               \
        const float x = in[i];                                       \
        const type v = (type)(expr);                                 \
        memcpy(p + i * sizeof v, &v, sizeof v);                      \
    }                                                                \
    break
/* `above` is the least float over the type's range. */
#define PUT_INT(type, low, above, high) \
    PUT(type, x != x ? 0 : x >= (above) ? (high) : x <= (float)(low) ? (low) : (type)rintf(x))

static void ints_from_f32(mq_dtype t, const float *in, uint64_t n, uint8_t *p)
{
    switch (t) {
    case MQ_UINT8: PUT_INT(uint8_t, 0, 255.0f, UINT8_MAX);
    case MQ_INT8: PUT_INT(int8_t, INT8_MIN, 127.0f, INT8_MAX);
    case MQ_UINT16: PUT_INT(uint16_t, 0, 65535.0f, UINT16_MAX);
    case MQ_INT16: PUT_INT(int16_t, INT16_MIN, 32767.0f, INT16_MAX);
    case MQ_UINT32: PUT_INT(uint32_t, 0, 0x1p32f, UINT32_MAX);
    case MQ_INT32: PUT_INT(int32_t, INT32_MIN, 0x1p31f, INT32_MAX);
    case MQ_UINT64: PUT_INT(uint64_t, 0, 0x1p64f, UINT64_MAX);
    default: PUT_INT(int64_t, INT64_MIN, 0x1p63f, INT64_MAX);
    }
}

void mq_dtype_from_f32(mq_dtype t, const float *in, uint64_t n, void *packed, bool saturate)
{
    uint8_t *p = packed;

    if (n == 0)
        return;
    switch (t) {
    case MQ_FLOAT:
        memcpy(p, in, n * 4);
        break;
    case MQ_FLOAT16:
        f16_from_f32(in, n, p);
        break;
    case MQ_BFLOAT16:
        bf16_from_f32(in, n, p);
        break;
    case MQ_DOUBLE: PUT(double, x);
    case MQ_BOOL: PUT(uint8_t, x != 0);
    case MQ_COMPLEX64:
        for (uint64_t i = 0; i < n; i++)
            memcpy(p + i * 8, (float[]){ in[i], 0 }, 8);
        break;
    case MQ_COMPLEX128:
        for (uint64_t i = 0; i < n; i++)
            memcpy(p + i * 16, (double[]){ (double)in[i], 0 }, 16);
        break;
    case MQ_FLOAT8E4M3FN:
    case MQ_FLOAT8E4M3FNUZ:
    case MQ_FLOAT8E5M2:
    case MQ_FLOAT8E5M2FNUZ:
    case MQ_FLOAT8E8M0:
        mq_dtype_codes_from_f32(t, in, n, p, saturate);
        break;
    default:
        if (mq_dtype_bits(t) > 0 && mq_dtype_bits(t) < 8)
            pack_from_f32(t, in, n, p);
        else if (mq_dtype_is_integer(t))
            ints_from_f32(t, in, n, p);
    }
}
