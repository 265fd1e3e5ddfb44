/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Element types and conversion to numbers. The formats are those of the ONNX IR specification ("Float stored in 8 bits",
 * "4-bit", "2-bit" chapters); 6-bit floats are a stream of bits, low bits first. */
#include "base/dtype.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "base/compiler.h"

enum { F_FLOAT = 1, F_INT = 2, F_SIGNED = 4 };

static const struct {
    const char *name;
    uint8_t bits, flags;
} infos[MQ_N_DTYPES] = {
    [MQ_UNDEFINED] = { "undefined", 0, 0 },
    [MQ_FLOAT] = { "float", 32, F_FLOAT | F_SIGNED },
    [MQ_UINT8] = { "uint8", 8, F_INT },
    [MQ_INT8] = { "int8", 8, F_INT | F_SIGNED },
    [MQ_UINT16] = { "uint16", 16, F_INT },
    [MQ_INT16] = { "int16", 16, F_INT | F_SIGNED },
    [MQ_INT32] = { "int32", 32, F_INT | F_SIGNED },
    [MQ_INT64] = { "int64", 64, F_INT | F_SIGNED },
    [MQ_STRING] = { "string", 0, 0 },
    [MQ_BOOL] = { "bool", 8, 0 },
    [MQ_FLOAT16] = { "float16", 16, F_FLOAT | F_SIGNED },
    [MQ_DOUBLE] = { "double", 64, F_FLOAT | F_SIGNED },
    [MQ_UINT32] = { "uint32", 32, F_INT },
    [MQ_UINT64] = { "uint64", 64, F_INT },
    [MQ_COMPLEX64] = { "complex64", 64, F_SIGNED },
    [MQ_COMPLEX128] = { "complex128", 128, F_SIGNED },
    [MQ_BFLOAT16] = { "bfloat16", 16, F_FLOAT | F_SIGNED },
    [MQ_FLOAT8E4M3FN] = { "float8e4m3fn", 8, F_FLOAT | F_SIGNED },
    [MQ_FLOAT8E4M3FNUZ] = { "float8e4m3fnuz", 8, F_FLOAT | F_SIGNED },
    [MQ_FLOAT8E5M2] = { "float8e5m2", 8, F_FLOAT | F_SIGNED },
    [MQ_FLOAT8E5M2FNUZ] = { "float8e5m2fnuz", 8, F_FLOAT | F_SIGNED },
    [MQ_UINT4] = { "uint4", 4, F_INT },
    [MQ_INT4] = { "int4", 4, F_INT | F_SIGNED },
    [MQ_FLOAT4E2M1] = { "float4e2m1", 4, F_FLOAT | F_SIGNED },
    [MQ_FLOAT8E8M0] = { "float8e8m0", 8, F_FLOAT },
    [MQ_UINT2] = { "uint2", 2, F_INT },
    [MQ_INT2] = { "int2", 2, F_INT | F_SIGNED },
    [MQ_FLOAT6E2M3] = { "float6e2m3", 6, F_FLOAT | F_SIGNED },
    [MQ_FLOAT6E3M2] = { "float6e3m2", 6, F_FLOAT | F_SIGNED },
};

static bool valid(mq_dtype t)
{
    return (unsigned)t < MQ_N_DTYPES;
}

const char *mq_dtype_name(mq_dtype t)
{
    return infos[valid(t) ? t : MQ_UNDEFINED].name;
}

mq_dtype mq_dtype_from_name(const char *name)
{
    static const struct {
        const char *name;
        mq_dtype t;
    } aliases[] = { { "fp32", MQ_FLOAT }, { "float32", MQ_FLOAT }, { "fp16", MQ_FLOAT16 },
                    { "bf16", MQ_BFLOAT16 }, { "fp64", MQ_DOUBLE }, { "float64", MQ_DOUBLE } };

    for (int t = 1; t < MQ_N_DTYPES; t++)
        if (strcasecmp(infos[t].name, name) == 0)
            return (mq_dtype)t;
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (strcasecmp(aliases[i].name, name) == 0)
            return aliases[i].t;
    return MQ_UNDEFINED;
}

int mq_dtype_bits(mq_dtype t)
{
    return valid(t) ? infos[t].bits : 0;
}

bool mq_dtype_is_float(mq_dtype t)
{
    return valid(t) && infos[t].flags & F_FLOAT;
}

bool mq_dtype_is_integer(mq_dtype t)
{
    return valid(t) && infos[t].flags & F_INT;
}

bool mq_dtype_is_signed(mq_dtype t)
{
    return valid(t) && infos[t].flags & F_SIGNED;
}

int64_t mq_dtype_min(mq_dtype t)
{
    int bits = mq_dtype_bits(t);
    if (!mq_dtype_is_signed(t))
        return 0;
    return bits >= 64 ? INT64_MIN : -((int64_t)1 << (bits - 1));
}

int64_t mq_dtype_max(mq_dtype t)
{
    int bits = mq_dtype_bits(t) - mq_dtype_is_signed(t);
    return bits >= 63 ? INT64_MAX : ((int64_t)1 << bits) - 1;
}

bool mq_dtype_bytes(mq_dtype t, uint64_t n, uint64_t *bytes)
{
    uint64_t bits = (uint64_t)mq_dtype_bits(t);

    if (bits == 0)
        return false;
    if (bits >= 8)
        return !__builtin_mul_overflow(n, bits / 8, bytes);
    *bytes = n / 8 * bits + (n % 8 * bits + 7) / 8;
    return true;
}

/* A float with `exp_bits` and `man_bits`, bias as given, no infinities or NaN handled here. */
static float small_float(unsigned v, int exp_bits, int man_bits, int bias)
{
    unsigned man = v & ((1u << man_bits) - 1), exp = (v >> man_bits) & ((1u << exp_bits) - 1);
    bool negative = v >> (man_bits + exp_bits) & 1;
    float f = exp ? ldexpf((float)(man + (1u << man_bits)), (int)exp - bias - man_bits)
                  : ldexpf((float)man, 1 - bias - man_bits);
    return negative ? -f : f;
}

static float small_to_f32(mq_dtype t, unsigned v)
{
    switch (t) {
    case MQ_FLOAT8E4M3FN:
        return (v & 0x7f) == 0x7f ? NAN : small_float(v, 4, 3, 7);
    case MQ_FLOAT8E4M3FNUZ:
        return v == 0x80 ? NAN : small_float(v, 4, 3, 8);
    case MQ_FLOAT8E5M2:
        if ((v & 0x7f) >= 0x7c)
            return (v & 0x7f) > 0x7c ? NAN : v & 0x80 ? -INFINITY : INFINITY;
        return small_float(v, 5, 2, 15);
    case MQ_FLOAT8E5M2FNUZ:
        return v == 0x80 ? NAN : small_float(v, 5, 2, 16);
    case MQ_FLOAT8E8M0:
        return v == 0xff ? NAN : ldexpf(1.0f, (int)v - 127);
    case MQ_FLOAT4E2M1:
        return small_float(v, 2, 1, 1);
    case MQ_FLOAT6E2M3:
        return small_float(v, 2, 3, 1);
    default: /* MQ_FLOAT6E3M2 */
        return small_float(v, 3, 2, 3);
    }
}

/* ---- half floats: without branches, so that loops over them become vector code ----------------------------------- */

MQ_INLINE uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

MQ_INLINE float of_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

/* All ones when the condition holds. */
MQ_INLINE uint32_t mask(bool condition)
{
    return -(uint32_t)condition;
}

MQ_INLINE uint32_t choose(uint32_t m, uint32_t yes, uint32_t no)
{
    return (yes & m) | (no & ~m);
}

/* The exponent is moved by a product, which is exact and takes denormals along. */
MQ_INLINE float f16_widen(uint32_t h)
{
    const uint32_t shifted = (h & 0x7fff) << 13, moved = bits_of(of_bits(shifted) * 0x1p112f);

    return of_bits((h & 0x8000) << 16 | choose(mask((h & 0x7c00) == 0x7c00), shifted | 0x7f800000, moved));
}

MQ_INLINE uint16_t f16_narrow(uint32_t u)
{
    const uint32_t sign = u >> 16 & 0x8000, mag = u & 0x7fffffff;
    const uint32_t normal = (mag + 0xfff + (mag >> 13 & 1) - 0x38000000) >> 13;
    const uint32_t denormal = bits_of(of_bits(mag) + 0.5f) - 0x3f000000; /* a multiple of 2^-24: the sum rounds to it */
    uint32_t h = choose(mask(mag < 0x38800000), denormal, normal);

    h = choose(mask(mag >= 0x477ff000), 0x7c00, h); /* 65520 and above round to infinity */
    h = choose(mask(mag > 0x7f800000), 0x7e00 | (mag >> 13 & 0x3ff), h);
    return (uint16_t)(sign | h);
}

MQ_INLINE uint16_t bf16_narrow(uint32_t u)
{
    return (uint16_t)choose(mask((u & 0x7fffffff) > 0x7f800000), u >> 16 | 0x40, (u + 0x7fff + (u >> 16 & 1)) >> 16);
}

float mq_f16_to_f32(uint16_t h)
{
    return f16_widen(h);
}

uint16_t mq_f16_from_f32(float f)
{
    return f16_narrow(bits_of(f));
}

float mq_bf16_to_f32(uint16_t h)
{
    return of_bits((uint32_t)h << 16);
}

uint16_t mq_bf16_from_f32(float f)
{
    return bf16_narrow(bits_of(f));
}

/* n elements of 16 bits at any address to floats, and back. */
#define HALF_LOOPS(name, widen, narrow)                                                              \
    MQ_CLONES(void, name##_to_f32, (const uint8_t *p, uint64_t n, float *restrict out), (p, n, out)) \
    {                                                                                                \
        for (uint64_t i = 0; i < n; i++) {                                                           \
            uint16_t h;                                                                              \
            memcpy(&h, p + 2 * i, sizeof h);                                                         \
            out[i] = widen;                                                                          \
        }                                                                                            \
    }                                                                                                \
    MQ_CLONES(void, name##_from_f32, (const float *restrict in, uint64_t n, uint8_t *p), (in, n, p)) \
    {                                                                                                \
        for (uint64_t i = 0; i < n; i++) {                                                           \
            const uint16_t h = narrow(bits_of(in[i]));                                               \
            memcpy(p + 2 * i, &h, sizeof h);                                                         \
        }                                                                                            \
    }

HALF_LOOPS(f16, f16_widen(h), f16_narrow)
HALF_LOOPS(bf16, of_bits((uint32_t)h << 16), bf16_narrow)

/* Element i of a packed sub-byte type, not sign-extended; elements of 6 bits may lie across two bytes. */
static unsigned packed_bits(const uint8_t *p, uint64_t i, unsigned bits)
{
    uint64_t at = i / 8 * bits + i % 8 * bits / 8;
    unsigned shift = (unsigned)(i % 8 * bits % 8), v = p[at];

    if (shift + bits > 8)
        v |= (unsigned)p[at + 1] << 8;
    return v >> shift & ((1u << bits) - 1);
}

static int sign_extend(unsigned v, unsigned bits)
{
    return (int)(v ^ (1u << (bits - 1))) - (1 << (bits - 1));
}

/* Both halves of each byte; (v ^ flip) - flip extends the sign when flip is the sign's bit. */
MQ_CLONES(void, nibble_pairs, (const uint8_t *p, uint64_t n, int flip, float *restrict out), (p, n, flip, out))
{
    for (uint64_t i = 0; i < n; i++) {
        out[2 * i] = (float)(((p[i] & 15) ^ flip) - flip);
        out[2 * i + 1] = (float)(((p[i] >> 4) ^ flip) - flip);
    }
}

static void nibbles_to_f32(const uint8_t *p, uint64_t start, uint64_t n, int flip, float *out)
{
    p += start / 2;
    if (n && start % 2) {
        *out++ = (float)(((*p++ >> 4) ^ flip) - flip);
        n--;
    }
    nibble_pairs(p, n / 2, flip, out);
    if (n % 2)
        out[n - 1] = (float)(((p[n / 2] & 15) ^ flip) - flip);
}

/* Where there are many elements, each code is converted once. */
static void small_floats_to_f32(mq_dtype t, const uint8_t *p, uint64_t start, uint64_t n, float *out)
{
    const unsigned bits = (unsigned)mq_dtype_bits(t), codes = 1u << bits;
    float table[256];

    if (n >= codes)
        for (unsigned k = 0; k < codes; k++)
            table[k] = small_to_f32(t, k);
    for (uint64_t i = 0; i < n; i++) {
        const unsigned v = bits == 8 ? p[start + i] : packed_bits(p, start + i, bits);
        out[i] = n >= codes ? table[v] : small_to_f32(t, v);
    }
}

/* Runs `body` for each element with `type v` read from unaligned bytes. */
#define EACH(type, body)                                             \
    for (uint64_t i = 0; i < n; i++) {                               \
        type v;                                                      \
        memcpy(&v, p + (start + i) * sizeof v, sizeof v);            \
        body;                                                        \
    }                                                                \
    break

void mq_dtype_to_f32(mq_dtype t, const void *packed, uint64_t start, uint64_t n, float *out)
{
    const uint8_t *p = packed;

    switch (t) {
    case MQ_FLOAT:
        if (n)
            memcpy(out, p + start * 4, n * 4);
        break;
    case MQ_FLOAT16:
        f16_to_f32(p + 2 * start, n, out);
        break;
    case MQ_BFLOAT16:
        bf16_to_f32(p + 2 * start, n, out);
        break;
    case MQ_DOUBLE: EACH(double, out[i] = (float)v);
    case MQ_UINT8: EACH(uint8_t, out[i] = v);
    case MQ_INT8: EACH(int8_t, out[i] = v);
    case MQ_BOOL: EACH(uint8_t, out[i] = v != 0);
    case MQ_UINT16: EACH(uint16_t, out[i] = v);
    case MQ_INT16: EACH(int16_t, out[i] = v);
    case MQ_UINT32: EACH(uint32_t, out[i] = (float)v);
    case MQ_INT32: EACH(int32_t, out[i] = (float)v);
    case MQ_UINT64: EACH(uint64_t, out[i] = (float)v);
    case MQ_INT64: EACH(int64_t, out[i] = (float)v);
    case MQ_COMPLEX64:
        for (uint64_t i = 0; i < n; i++)
            memcpy(&out[i], p + (start + i) * 8, sizeof *out);
        break;
    case MQ_COMPLEX128:
        for (uint64_t i = 0; i < n; i++) {
            double re;
            memcpy(&re, p + (start + i) * 16, sizeof re);
            out[i] = (float)re;
        }
        break;
    case MQ_UINT2:
        for (uint64_t i = 0; i < n; i++)
            out[i] = (float)packed_bits(p, start + i, 2);
        break;
    case MQ_INT2:
        for (uint64_t i = 0; i < n; i++)
            out[i] = (float)sign_extend(packed_bits(p, start + i, 2), 2);
        break;
    case MQ_UINT4:
        nibbles_to_f32(p, start, n, 0, out);
        break;
    case MQ_INT4:
        nibbles_to_f32(p, start, n, 8, out);
        break;
    case MQ_FLOAT4E2M1:
    case MQ_FLOAT6E2M3:
    case MQ_FLOAT6E3M2:
    case MQ_FLOAT8E4M3FN:
    case MQ_FLOAT8E4M3FNUZ:
    case MQ_FLOAT8E5M2:
    case MQ_FLOAT8E5M2FNUZ:
    case MQ_FLOAT8E8M0:
        small_floats_to_f32(t, p, start, n, out);
        break;
    default:
        if (n)
            memset(out, 0, n * sizeof *out);
    }
}

static int64_t saturate(double v)
{
    if (isnan(v))
        return 0;
    if (v >= 0x1p63)
        return INT64_MAX;
    return v < -0x1p63 ? INT64_MIN : (int64_t)v;
}

void mq_dtype_to_i64(mq_dtype t, const void *packed, uint64_t start, uint64_t n, int64_t *out)
{
    const uint8_t *p = packed;
    float f;

    switch (t) {
    case MQ_INT64: EACH(int64_t, out[i] = v);
    case MQ_UINT64: EACH(uint64_t, out[i] = v > INT64_MAX ? INT64_MAX : (int64_t)v);
    case MQ_INT32: EACH(int32_t, out[i] = v);
    case MQ_UINT32: EACH(uint32_t, out[i] = v);
    case MQ_DOUBLE: EACH(double, out[i] = saturate(v));
    default: /* the others are exact in float */
        for (uint64_t i = 0; i < n; i++) {
            mq_dtype_to_f32(t, packed, start + i, 1, &f);
            out[i] = saturate((double)f);
        }
    }
}

/* ---- floats to packed elements ----------------------------------------------------------------------------------- */

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
    const uint32_t denormal = bits_of(of_bits(mag) + of_bits(magic)) - magic;
    uint32_t code = choose(mask(mag < (uint32_t)(128 - f.bias) << 23), denormal, normal), sign = u >> 31 ? f.sign : 0;

    code = choose(mask(code > f.max), f.over, code);
    code = choose(mask(mag > 0x7f800000), f.nan, code);
    if (f.one_zero)
        sign &= ~mask((code & 0x7f) == 0);
    return (uint8_t)(sign | code);
}

#define SMALL_LOOP(name, ...)                                                                              \
    MQ_CLONES(void, name, (const float *restrict in, uint64_t n, bool saturate, uint8_t *restrict out),    \
              (in, n, saturate, out))                                                                      \
    {                                                                                                      \
        small_format f = { __VA_ARGS__ };                                                                  \
        f.over = saturate ? f.max : f.over;                                                                \
        for (uint64_t i = 0; i < n; i++)                                                                   \
            out[i] = small_code(bits_of(in[i]), f);                                                        \
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
    const uint32_t u = bits_of(f) & 0x7fffffff;
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
    uint32_t u = bits_of(f);

    if ((double)f == d || d != d)
        return f;
    if (fabs((double)f) > fabs(d))
        u--;
    return of_bits(u | 1);
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
