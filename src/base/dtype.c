/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Element types and conversion to numbers; the way back is in dtype_from.c. The formats are those of the ONNX IR
 * specification ("Float stored in 8 bits", "4-bit", "2-bit" chapters); 6-bit floats are a stream of bits, low bits first. */
#include "base/dtype.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "base/bits.h"
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

float mq_f16_to_f32(uint16_t h)
{
    return mq_bits_widen_f16(h);
}

float mq_bf16_to_f32(uint16_t h)
{
    return mq_bits_float((uint32_t)h << 16);
}

/* n elements of 16 bits at any address to floats. */
#define WIDEN_LOOP(name, expr)                                                              \
    MQ_CLONES(void, name, (const uint8_t *p, uint64_t n, float *restrict out), (p, n, out)) \
    {                                                                                       \
        for (uint64_t i = 0; i < n; i++) {                                                  \
            uint16_t h;                                                                     \
            memcpy(&h, p + 2 * i, sizeof h);                                                \
            out[i] = expr;                                                                  \
        }                                                                                   \
    }

WIDEN_LOOP(f16_to_f32, mq_bits_widen_f16(h))
WIDEN_LOOP(bf16_to_f32, mq_bits_float((uint32_t)h << 16))

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
