/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/base/dtype.c. Values of the small floats are those of the ONNX specification's tables; the sums over all codes
 * of a type are those of ml_dtypes 0.6 and numpy 2.4 (FNV-1a over the float32 bits, every NaN as 0x7fc00000). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/dtype.h"

static uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return isnan(f) ? 0x7fc00000 : u;
}

static float of_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static uint64_t fnv(const float *values, size_t n)
{
    uint64_t h = 0xcbf29ce484222325;

    for (size_t i = 0; i < n; i++)
        for (int b = 0; b < 32; b += 8)
            h = (h ^ (bits_of(values[i]) >> b & 0xff)) * 0x100000001b3;
    return h;
}

static void test_names(void **state)
{
    (void)state;
    for (int t = 1; t < MQ_N_DTYPES; t++)
        assert_int_equal(mq_dtype_from_name(mq_dtype_name((mq_dtype)t)), t);
    assert_string_equal(mq_dtype_name(MQ_UNDEFINED), "undefined");
    assert_string_equal(mq_dtype_name((mq_dtype)MQ_N_DTYPES), "undefined");
    assert_string_equal(mq_dtype_name((mq_dtype)-1), "undefined");
    assert_int_equal(mq_dtype_from_name("undefined"), MQ_UNDEFINED);
    assert_int_equal(mq_dtype_from_name(""), MQ_UNDEFINED);
    assert_int_equal(mq_dtype_from_name("fp16"), MQ_FLOAT16);
    assert_int_equal(mq_dtype_from_name("bf16"), MQ_BFLOAT16);
    assert_int_equal(mq_dtype_from_name("fp32"), MQ_FLOAT);
    assert_int_equal(mq_dtype_from_name("fp64"), MQ_DOUBLE);
    assert_int_equal(mq_dtype_from_name("INT8"), MQ_INT8);
}

/* The number of the type in the standard, bits, float, integer, signed. */
static void test_properties(void **state)
{
    static const struct {
        mq_dtype t;
        int number, bits, is_float, is_integer, is_signed;
    } table[] = {
        { MQ_UNDEFINED, 0, 0, 0, 0, 0 },      { MQ_FLOAT, 1, 32, 1, 0, 1 },          { MQ_UINT8, 2, 8, 0, 1, 0 },
        { MQ_INT8, 3, 8, 0, 1, 1 },           { MQ_UINT16, 4, 16, 0, 1, 0 },         { MQ_INT16, 5, 16, 0, 1, 1 },
        { MQ_INT32, 6, 32, 0, 1, 1 },         { MQ_INT64, 7, 64, 0, 1, 1 },          { MQ_STRING, 8, 0, 0, 0, 0 },
        { MQ_BOOL, 9, 8, 0, 0, 0 },           { MQ_FLOAT16, 10, 16, 1, 0, 1 },       { MQ_DOUBLE, 11, 64, 1, 0, 1 },
        { MQ_UINT32, 12, 32, 0, 1, 0 },       { MQ_UINT64, 13, 64, 0, 1, 0 },        { MQ_COMPLEX64, 14, 64, 0, 0, 1 },
        { MQ_COMPLEX128, 15, 128, 0, 0, 1 },  { MQ_BFLOAT16, 16, 16, 1, 0, 1 },      { MQ_FLOAT8E4M3FN, 17, 8, 1, 0, 1 },
        { MQ_FLOAT8E4M3FNUZ, 18, 8, 1, 0, 1 }, { MQ_FLOAT8E5M2, 19, 8, 1, 0, 1 },    { MQ_FLOAT8E5M2FNUZ, 20, 8, 1, 0, 1 },
        { MQ_UINT4, 21, 4, 0, 1, 0 },         { MQ_INT4, 22, 4, 0, 1, 1 },           { MQ_FLOAT4E2M1, 23, 4, 1, 0, 1 },
        { MQ_FLOAT8E8M0, 24, 8, 1, 0, 0 },    { MQ_UINT2, 25, 2, 0, 1, 0 },          { MQ_INT2, 26, 2, 0, 1, 1 },
        { MQ_FLOAT6E2M3, 27, 6, 1, 0, 1 },    { MQ_FLOAT6E3M2, 28, 6, 1, 0, 1 },
    };

    (void)state;
    assert_int_equal(MQ_ARRAY_LEN(table), MQ_N_DTYPES);
    for (size_t i = 0; i < MQ_ARRAY_LEN(table); i++) {
        assert_int_equal(table[i].t, table[i].number);
        assert_int_equal(mq_dtype_bits(table[i].t), table[i].bits);
        assert_int_equal(mq_dtype_is_float(table[i].t), table[i].is_float);
        assert_int_equal(mq_dtype_is_integer(table[i].t), table[i].is_integer);
        assert_int_equal(mq_dtype_is_signed(table[i].t), table[i].is_signed);
    }
    assert_int_equal(mq_dtype_bits((mq_dtype)99), 0);
    assert_false(mq_dtype_is_float((mq_dtype)-5));
}

static void test_ranges(void **state)
{
    static const struct {
        mq_dtype t;
        int64_t min, max;
    } table[] = {
        { MQ_INT2, -2, 1 },           { MQ_UINT2, 0, 3 },         { MQ_INT4, -8, 7 },         { MQ_UINT4, 0, 15 },
        { MQ_INT8, -128, 127 },       { MQ_UINT8, 0, 255 },       { MQ_INT16, -32768, 32767 }, { MQ_UINT16, 0, 65535 },
        { MQ_INT32, INT32_MIN, INT32_MAX }, { MQ_UINT32, 0, UINT32_MAX }, { MQ_INT64, INT64_MIN, INT64_MAX },
        { MQ_UINT64, 0, INT64_MAX },
    };

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(table); i++) {
        assert_true(mq_dtype_min(table[i].t) == table[i].min);
        assert_true(mq_dtype_max(table[i].t) == table[i].max);
    }
}

static void bytes_are(mq_dtype t, uint64_t n, uint64_t want)
{
    uint64_t got = 0;

    assert_true(mq_dtype_bytes(t, n, &got));
    assert_int_equal(got, want);
}

static void test_bytes(void **state)
{
    uint64_t got;

    (void)state;
    for (uint64_t n = 0; n < 40; n++) {
        bytes_are(MQ_INT2, n, (2 * n + 7) / 8);
        bytes_are(MQ_UINT4, n, (4 * n + 7) / 8);
        bytes_are(MQ_FLOAT6E2M3, n, (6 * n + 7) / 8);
        bytes_are(MQ_INT8, n, n);
        bytes_are(MQ_FLOAT, n, 4 * n);
        bytes_are(MQ_COMPLEX128, n, 16 * n);
    }
    bytes_are(MQ_INT4, UINT64_MAX, UINT64_MAX / 2 + 1);
    bytes_are(MQ_FLOAT6E3M2, UINT64_MAX, UINT64_MAX / 8 * 6 + 6);
    bytes_are(MQ_INT8, UINT64_MAX, UINT64_MAX);
    assert_false(mq_dtype_bytes(MQ_FLOAT, UINT64_MAX / 4 + 1, &got));
    assert_false(mq_dtype_bytes(MQ_COMPLEX128, UINT64_MAX / 8, &got));
    assert_false(mq_dtype_bytes(MQ_STRING, 1, &got));
    assert_false(mq_dtype_bytes(MQ_UNDEFINED, 1, &got));
}

/* ---- small floats -------------------------------------------------------------------------------------------------- */

/* Packs codes of `bits` bits, low bits first, as one stream. */
static void pack(const uint8_t *codes, size_t n, unsigned bits, uint8_t *out)
{
    memset(out, 0, (n * bits + 7) / 8);
    for (size_t i = 0; i < n * bits; i++)
        if (codes[i / bits] >> i % bits & 1)
            out[i / 8] |= (uint8_t)(1u << i % 8);
}

static void all_codes(mq_dtype t, float *values)
{
    size_t n = (size_t)1 << mq_dtype_bits(t);
    uint8_t codes[256], packed[256];

    for (size_t i = 0; i < n; i++)
        codes[i] = (uint8_t)i;
    pack(codes, n, (unsigned)mq_dtype_bits(t), packed);
    mq_dtype_to_f32(t, packed, 0, n, values);
}

static void test_small_floats(void **state)
{
    static const struct {
        mq_dtype t;
        uint64_t sum;
        struct {
            int code;
            float value;
        } some[8];
    } table[] = {
        { MQ_FLOAT8E4M3FN, 0xdad1d9c50f749ca5,
          { { 1, 0x1p-9f }, { 0x38, 1 }, { 0x7e, 448 }, { 0xfe, -448 }, { 0x7f, NAN }, { 0xff, NAN },
            { 0x80, -0.0f } } },
        { MQ_FLOAT8E4M3FNUZ, 0xf51851cb11c63018,
          { { 1, 0x1p-10f }, { 0x40, 1 }, { 0x7f, 240 }, { 0xff, -240 }, { 0x80, NAN } } },
        { MQ_FLOAT8E5M2, 0x6c1e56b6fb09c905,
          { { 1, 0x1p-16f }, { 0x3c, 1 }, { 0x7b, 57344 }, { 0x7c, INFINITY }, { 0xfc, -INFINITY },
            { 0x7d, NAN }, { 0xff, NAN } } },
        { MQ_FLOAT8E5M2FNUZ, 0x94ae6fc493d49818,
          { { 1, 0x1p-17f }, { 0x40, 1 }, { 0x7f, 57344 }, { 0xff, -57344 }, { 0x80, NAN } } },
        { MQ_FLOAT8E8M0, 0x6d2c8b41c3f0e5a5,
          { { 0, 0x1p-127f }, { 127, 1 }, { 128, 2 }, { 254, 0x1p127f }, { 255, NAN } } },
        { MQ_FLOAT4E2M1, 0x2403bb76b85dfea5,
          { { 1, 0.5f }, { 2, 1 }, { 3, 1.5f }, { 5, 3 }, { 7, 6 }, { 15, -6 }, { 8, -0.0f } } },
        { MQ_FLOAT6E2M3, 0x7ffacb24ad8b0aa5,
          { { 1, 0.125f }, { 8, 1 }, { 31, 7.5f }, { 63, -7.5f } } },
        { MQ_FLOAT6E3M2, 0x25da13434201d785,
          { { 1, 0.0625f }, { 12, 1 }, { 31, 28 }, { 63, -28 } } },
    };
    float values[256];

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(table); i++) {
        all_codes(table[i].t, values);
        for (size_t k = 0; k < 8 && (k == 0 || table[i].some[k].code); k++)
            assert_int_equal(bits_of(values[table[i].some[k].code]), bits_of(table[i].some[k].value));
        assert_true(fnv(values, (size_t)1 << mq_dtype_bits(table[i].t)) == table[i].sum);
    }
}

/* As onnx.numpy_helper.from_array writes the codes 0 to 15. */
static void test_six_bits_as_onnx_packs_them(void **state)
{
    static const uint8_t packed[] = { 0x40, 0x20, 0x0c, 0x44, 0x61, 0x1c, 0x48, 0xa2, 0x2c, 0x4c, 0xe3, 0x3c };
    float values[16];

    (void)state;
    mq_dtype_to_f32(MQ_FLOAT6E2M3, packed, 0, 16, values);
    for (int i = 0; i < 16; i++)
        assert_true(values[i] == (float)i / 8);
}

/* Any stretch of a packed tensor reads like that part of the whole. */
static void test_packed_stretches(void **state)
{
    static const mq_dtype types[] = { MQ_INT2, MQ_UINT2, MQ_INT4, MQ_UINT4, MQ_FLOAT4E2M1, MQ_FLOAT6E2M3, MQ_FLOAT6E3M2 };
    enum { N = 41 };

    (void)state;
    for (size_t t = 0; t < MQ_ARRAY_LEN(types); t++) {
        unsigned bits = (unsigned)mq_dtype_bits(types[t]);
        uint8_t codes[N], *packed = malloc((N * bits + 7) / 8); /* exactly: reading past the end is seen */
        float whole[N], part[N];
        int64_t ints[N];
        assert_non_null(packed);
        for (size_t i = 0; i < N; i++)
            codes[i] = (uint8_t)((i * 37 + 11) & ((1u << bits) - 1));
        pack(codes, N, bits, packed);
        mq_dtype_to_f32(types[t], packed, 0, N, whole);
        mq_dtype_to_i64(types[t], packed, 0, N, ints);
        for (size_t i = 0; i < N; i++) {
            assert_int_equal(ints[i], (int64_t)whole[i]);
            if (types[t] == MQ_UINT2 || types[t] == MQ_UINT4)
                assert_int_equal(ints[i], codes[i]);
            if (types[t] == MQ_INT2 || types[t] == MQ_INT4)
                assert_int_equal(ints[i], codes[i] >= 1u << (bits - 1) ? codes[i] - (1 << bits) : codes[i]);
        }
        for (size_t start = 0; start <= N; start++) {
            mq_dtype_to_f32(types[t], packed, start, N - start, part);
            assert_memory_equal(part, whole + start, (N - start) * sizeof *part);
        }
        free(packed);
    }
}

/* ---- half floats --------------------------------------------------------------------------------------------------- */

static void test_half_all_values(void **state)
{
    float *f16 = malloc(65536 * sizeof *f16), *bf16 = malloc(65536 * sizeof *bf16);

    (void)state;
    assert_true(f16 && bf16);
    for (unsigned h = 0; h < 65536; h++) {
        f16[h] = mq_f16_to_f32((uint16_t)h);
        bf16[h] = mq_bf16_to_f32((uint16_t)h);
        if (isnan(f16[h]))
            assert_true(isnan(mq_f16_to_f32(mq_f16_from_f32(f16[h]))));
        else
            assert_int_equal(mq_f16_from_f32(f16[h]), h);
        if (isnan(bf16[h]))
            assert_true(isnan(mq_bf16_to_f32(mq_bf16_from_f32(bf16[h]))));
        else
            assert_int_equal(mq_bf16_from_f32(bf16[h]), h);
    }
    assert_true(fnv(f16, 65536) == 0x1f87f165810ea7c5);
    assert_true(fnv(bf16, 65536) == 0xcf8e09175d8f5ba5);
    free(f16);
    free(bf16);
}

/* Between each value and the next: what is below the middle goes down, above it up, the middle itself to the even one. This
 * says everything about rounding to nearest. The one after the largest finite value is infinity. */
static void rounds(uint16_t h, float low, float high, uint16_t (*from)(float))
{
    float middle = (float)(((double)low + (double)high) / 2);
    uint16_t even = h & 1 ? (uint16_t)(h + 1) : h;

    assert_int_equal(from(middle), even);
    assert_int_equal(from(-middle), even | 0x8000);
    assert_int_equal(from(nextafterf(middle, low)), h);
    assert_int_equal(from(nextafterf(middle, INFINITY)), h + 1);
    assert_int_equal(from(nextafterf(high, low)), h + 1);
    assert_int_equal(from(nextafterf(low, high)), h);
}

static void test_half_rounding(void **state)
{
    (void)state;
    for (unsigned h = 0; h < 0x7c00; h++)
        rounds((uint16_t)h, mq_f16_to_f32((uint16_t)h), h == 0x7bff ? 65536.0f : mq_f16_to_f32((uint16_t)(h + 1)),
               mq_f16_from_f32);
    for (unsigned h = 0; h < 0x7f7f; h++)
        rounds((uint16_t)h, mq_bf16_to_f32((uint16_t)h), mq_bf16_to_f32((uint16_t)(h + 1)), mq_bf16_from_f32);
    assert_int_equal(mq_bf16_from_f32(FLT_MAX), 0x7f80);
    assert_int_equal(mq_f16_from_f32(FLT_MAX), 0x7c00);
    assert_int_equal(mq_f16_from_f32(INFINITY), 0x7c00);
    assert_int_equal(mq_f16_from_f32(-INFINITY), 0xfc00);
    assert_int_equal(mq_bf16_from_f32(-INFINITY), 0xff80);
}

/* A NaN whose payload lies only in the bits that are cut off stays a NaN. */
static void test_half_nan(void **state)
{
    static const uint32_t nans[] = { 0x7f800001, 0xff800001, 0x7fc00000, 0xffffffff, 0x7f801fff };

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(nans); i++) {
        uint16_t h = mq_f16_from_f32(of_bits(nans[i])), b = mq_bf16_from_f32(of_bits(nans[i]));
        assert_true(isnan(mq_f16_to_f32(h)));
        assert_true(isnan(mq_bf16_to_f32(b)));
        assert_int_equal(h >> 15, nans[i] >> 31);
        assert_int_equal(b >> 15, nans[i] >> 31);
    }
}

/* ---- the other types ----------------------------------------------------------------------------------------------- */

/* Elements 1 and 2 of {a, b, c}, from bytes that are not aligned. */
#define READS(t, type, a, b, c, f1, f2, i1, i2)                                \
    do {                                                                       \
        const type in[3] = { a, b, c };                                        \
        uint8_t bytes[sizeof in + 1];                                          \
        float f[2];                                                            \
        int64_t n[2];                                                          \
        memcpy(bytes + 1, in, sizeof in);                                      \
        mq_dtype_to_f32(t, bytes + 1, 1, 2, f);                                \
        mq_dtype_to_i64(t, bytes + 1, 1, 2, n);                                \
        assert_int_equal(bits_of(f[0]), bits_of(f1));                          \
        assert_int_equal(bits_of(f[1]), bits_of(f2));                          \
        assert_true(n[0] == (i1));                                             \
        assert_true(n[1] == (i2));                                             \
    } while (0)

static void test_plain_types(void **state)
{
    (void)state;
    READS(MQ_FLOAT, float, 0, -1.75f, 3.5f, -1.75f, 3.5f, -1, 3);
    READS(MQ_DOUBLE, double, 0, -2.9, 1e300, -2.9f, INFINITY, -2, INT64_MAX);
    READS(MQ_UINT8, uint8_t, 0, 255, 1, 255, 1, 255, 1);
    READS(MQ_INT8, int8_t, 0, -128, 127, -128, 127, -128, 127);
    READS(MQ_UINT16, uint16_t, 0, 65535, 1, 65535, 1, 65535, 1);
    READS(MQ_INT16, int16_t, 0, -32768, 5, -32768, 5, -32768, 5);
    READS(MQ_UINT32, uint32_t, 0, UINT32_MAX, 16777217, 4294967296.0f, 16777216, UINT32_MAX, 16777217);
    READS(MQ_INT32, int32_t, 0, INT32_MIN, 16777217, -2147483648.0f, 16777216, INT32_MIN, 16777217);
    READS(MQ_UINT64, uint64_t, 0, UINT64_MAX, 9007199254740993, 18446744073709551616.0f, 9007199254740992.0f, INT64_MAX,
          9007199254740993);
    READS(MQ_INT64, int64_t, 0, INT64_MIN, 9007199254740993, -9223372036854775808.0f, 9007199254740992.0f, INT64_MIN,
          9007199254740993);
    READS(MQ_BOOL, uint8_t, 0, 1, 2, 1, 1, 1, 1);
    READS(MQ_FLOAT16, uint16_t, 0, 0xc000, 0x7c00, -2, INFINITY, -2, INT64_MAX);
    READS(MQ_BFLOAT16, uint16_t, 0, 0xc040, 0x7fc0, -3, NAN, -3, 0);
}

static void test_floats_to_integers_saturate(void **state)
{
    (void)state;
    READS(MQ_FLOAT, float, 0, NAN, INFINITY, NAN, INFINITY, 0, INT64_MAX);
    READS(MQ_FLOAT, float, 0, -INFINITY, 0x1p63f, -INFINITY, 0x1p63f, INT64_MIN, INT64_MAX);
    READS(MQ_FLOAT, float, 0, -0x1p63f, -0x1.000002p63f, -0x1p63f, -0x1.000002p63f, INT64_MIN, INT64_MIN);
    READS(MQ_DOUBLE, double, 0, NAN, -0x1p62, NAN, -0x1p62f, 0, -((int64_t)1 << 62));
}

static void test_complex_gives_the_real_part(void **state)
{
    static const float c64[] = { 1, 2, 3, 4 };
    static const double c128[] = { 5, 6, 7, 8 };
    float f[2];

    (void)state;
    mq_dtype_to_f32(MQ_COMPLEX64, c64, 0, 2, f);
    assert_true(f[0] == 1 && f[1] == 3);
    mq_dtype_to_f32(MQ_COMPLEX128, c128, 1, 1, f);
    assert_true(f[0] == 7);
}

static void test_types_without_numbers_give_zero(void **state)
{
    float f[2] = { 1, 1 };
    int64_t i[2] = { 1, 1 };

    (void)state;
    mq_dtype_to_f32(MQ_STRING, "ab", 0, 2, f);
    mq_dtype_to_i64(MQ_UNDEFINED, "ab", 0, 2, i);
    assert_true(f[0] == 0 && f[1] == 0 && i[0] == 0 && i[1] == 0);
    mq_dtype_to_f32(MQ_FLOAT, NULL, 0, 0, NULL); /* nothing of nothing */
    mq_dtype_to_i64(MQ_INT64, NULL, 0, 0, NULL);
}

/* ---- from float ---------------------------------------------------------------------------------------------------- */

static uint8_t code_of(mq_dtype t, float f, bool saturate)
{
    uint8_t code;

    mq_dtype_codes_from_f32(t, &f, 1, &code, saturate);
    return code;
}

/* As test_half_rounding: each value, the middle to the next one, and what lies beside it. */
static void test_small_float_rounding(void **state)
{
    static const struct {
        mq_dtype t;
        int max;   /* the code of the largest finite value */
        int sign;  /* added for negative values */
        float top; /* the middle between the largest and what would be the next one */
    } table[] = {
        { MQ_FLOAT8E4M3FN, 0x7e, 0x80, 464 }, { MQ_FLOAT8E4M3FNUZ, 0x7f, 0x80, 248 }, { MQ_FLOAT8E5M2, 0x7b, 0x80, 61440 },
        { MQ_FLOAT8E5M2FNUZ, 0x7f, 0x80, 61440 }, { MQ_FLOAT4E2M1, 7, 8, 7 }, { MQ_FLOAT6E2M3, 0x1f, 0x20, 7.75f },
        { MQ_FLOAT6E3M2, 0x1f, 0x20, 30 },
    };
    float values[256];

    (void)state;
    for (size_t k = 0; k < MQ_ARRAY_LEN(table); k++) {
        const mq_dtype t = table[k].t;
        all_codes(t, values);
        for (int c = 0; c < table[k].max; c++) {
            const float middle = (values[c] + values[c + 1]) / 2;
            assert_int_equal(code_of(t, values[c], false), c);
            assert_int_equal(code_of(t, middle, false), c % 2 ? c + 1 : c);
            assert_int_equal(code_of(t, nextafterf(middle, 0), false), c);
            assert_int_equal(code_of(t, nextafterf(middle, INFINITY), false), c + 1);
            if (c > 0)
                assert_int_equal(code_of(t, -values[c], false), c + table[k].sign);
        }
        assert_int_equal(code_of(t, nextafterf(table[k].top, 0), false), table[k].max);
        assert_int_equal(code_of(t, INFINITY, true), table[k].max);
        assert_int_equal(code_of(t, FLT_MAX, true), table[k].max);
        assert_int_equal(code_of(t, -FLT_MAX, true), table[k].max + table[k].sign);
        assert_int_equal(code_of(t, 0x1p-149f, true), 0);
    }
}

/* The tables of the ONNX Cast operator. */
static void test_small_float_specials(void **state)
{
    static const struct {
        mq_dtype t;
        float in;
        int saturated, not_saturated;
    } table[] = {
        { MQ_FLOAT8E4M3FN, NAN, 0x7f, 0x7f },     { MQ_FLOAT8E4M3FN, INFINITY, 0x7e, 0x7f },
        { MQ_FLOAT8E4M3FN, -INFINITY, 0xfe, 0xff }, { MQ_FLOAT8E4M3FN, 464, 0x7e, 0x7e },
        { MQ_FLOAT8E4M3FN, 465, 0x7e, 0x7f },     { MQ_FLOAT8E4M3FN, -0.0f, 0x80, 0x80 },
        { MQ_FLOAT8E4M3FNUZ, NAN, 0x80, 0x80 },   { MQ_FLOAT8E4M3FNUZ, INFINITY, 0x7f, 0x80 },
        { MQ_FLOAT8E4M3FNUZ, -INFINITY, 0xff, 0x80 }, { MQ_FLOAT8E4M3FNUZ, -0.0f, 0, 0 },
        { MQ_FLOAT8E4M3FNUZ, -1e-9f, 0, 0 },      { MQ_FLOAT8E4M3FNUZ, 248, 0x7f, 0x80 },
        { MQ_FLOAT8E5M2, NAN, 0x7e, 0x7e },       { MQ_FLOAT8E5M2, INFINITY, 0x7b, 0x7c },
        { MQ_FLOAT8E5M2, -INFINITY, 0xfb, 0xfc }, { MQ_FLOAT8E5M2, 61440, 0x7b, 0x7c },
        { MQ_FLOAT8E5M2FNUZ, NAN, 0x80, 0x80 },   { MQ_FLOAT8E5M2FNUZ, 1e9f, 0x7f, 0x80 },
        { MQ_FLOAT8E5M2FNUZ, -0.0f, 0, 0 },       { MQ_FLOAT4E2M1, NAN, 8, 8 },
        { MQ_FLOAT4E2M1, -INFINITY, 15, 15 },     { MQ_FLOAT6E2M3, NAN, 0x20, 0x20 },
        { MQ_FLOAT6E3M2, 1e9f, 0x1f, 0x1f },      { MQ_FLOAT8E8M0, NAN, 0xff, 0xff },
    };

    (void)state;
    for (size_t k = 0; k < MQ_ARRAY_LEN(table); k++) {
        assert_int_equal(code_of(table[k].t, table[k].in, true), table[k].saturated);
        assert_int_equal(code_of(table[k].t, table[k].in, false), table[k].not_saturated);
    }
}

static void test_e8m0(void **state)
{
    static const struct {
        float in;
        int up, down, nearest;
    } table[] = {
        { 1, 127, 127, 127 },       { 1.25f, 128, 127, 127 },        { 1.5f, 128, 127, 128 },
        { 1.75f, 128, 127, 128 },   { 0x1p-127f, 0, 0, 0 },          { 0x1.4p-127f, 1, 0, 0 },
        { 0x1.8p-127f, 1, 0, 1 },   { 0x1.8p-126f, 2, 1, 2 },        { 0, 0, 0, 0 },
        { 0x1p-140f, 0, 0, 0 },     { FLT_MAX, 254, 254, 254 },      { 0x1p127f, 254, 254, 254 },
        { INFINITY, 254, 254, 254 }, { NAN, 255, 255, 255 },
    };

    (void)state;
    for (size_t k = 0; k < MQ_ARRAY_LEN(table); k++) {
        assert_int_equal(mq_e8m0_from_f32(table[k].in, MQ_ROUND_UP, true), table[k].up);
        assert_int_equal(mq_e8m0_from_f32(table[k].in, MQ_ROUND_DOWN, true), table[k].down);
        assert_int_equal(mq_e8m0_from_f32(table[k].in, MQ_ROUND_NEAREST, true), table[k].nearest);
    }
    assert_int_equal(mq_e8m0_from_f32(0, MQ_ROUND_NEAREST, false), 255);
    assert_int_equal(mq_e8m0_from_f32(FLT_MAX, MQ_ROUND_NEAREST, false), 255);
    assert_int_equal(mq_e8m0_from_f32(INFINITY, MQ_ROUND_UP, false), 255);
}

/* What is written reads back, for any number of elements, and nothing beyond is touched. */
static void test_from_f32_and_back(void **state)
{
    static const float in[] = { 0, 1, 2, 3, 1, 0, 2, 1, 3, 3, 0, 2, 1 };

    (void)state;
    for (int t = 1; t < MQ_N_DTYPES; t++) {
        if (t == MQ_STRING || t == MQ_BOOL || t == MQ_INT2 || t == MQ_FLOAT8E8M0)
            continue;
        for (uint64_t n = 0; n <= MQ_ARRAY_LEN(in); n++) {
            uint64_t bytes = 0;
            float out[MQ_ARRAY_LEN(in)];
            uint8_t *packed;
            assert_true(mq_dtype_bytes((mq_dtype)t, n, &bytes));
            packed = malloc(bytes + 1);
            assert_non_null(packed);
            packed[bytes] = 0x5a;
            mq_dtype_from_f32((mq_dtype)t, in, n, packed, true);
            mq_dtype_to_f32((mq_dtype)t, packed, 0, n, out);
            assert_int_equal(packed[bytes], 0x5a);
            assert_memory_equal(out, in, n * sizeof *in);
            free(packed);
        }
    }
}

static void test_from_f32_to_integers(void **state)
{
    static const float in[] = { NAN, INFINITY, -INFINITY, 0.5f, 1.5f, -2.5f, 3e9f, -1e20f, 126.5f, 1e20f };
    static const int64_t i8[] = { 0, 127, -128, 0, 2, -2, 127, -128, 126, 127 };
    static const int64_t u4[] = { 0, 15, 0, 0, 2, 0, 15, 0, 15, 15 };
    static const int64_t i32[] = { 0, INT32_MAX, INT32_MIN, 0, 2, -2, INT32_MAX, INT32_MIN, 126, INT32_MAX };
    static const int64_t i64[] = { 0, INT64_MAX, INT64_MIN, 0, 2, -2, 3000000000, INT64_MIN, 126, INT64_MAX };
    static const struct {
        mq_dtype t;
        const int64_t *want;
    } table[] = { { MQ_INT8, i8 }, { MQ_UINT4, u4 }, { MQ_INT32, i32 }, { MQ_INT64, i64 } };
    uint8_t packed[sizeof i64];
    int64_t got[MQ_ARRAY_LEN(in)];

    (void)state;
    for (size_t k = 0; k < MQ_ARRAY_LEN(table); k++) {
        mq_dtype_from_f32(table[k].t, in, MQ_ARRAY_LEN(in), packed, true);
        mq_dtype_to_i64(table[k].t, packed, 0, MQ_ARRAY_LEN(in), got);
        assert_memory_equal(got, table[k].want, sizeof got);
    }
}

static void test_round_to_odd(void **state)
{
    (void)state;
    assert_int_equal(bits_of(mq_f32_to_odd(1.0)), bits_of(1.0f));
    assert_int_equal(bits_of(mq_f32_to_odd(1 + 0x1p-40)), bits_of(1 + 0x1p-23f));
    assert_int_equal(bits_of(mq_f32_to_odd(1 - 0x1p-40)), bits_of(1 - 0x1p-24f));
    assert_int_equal(bits_of(mq_f32_to_odd(-1e300)), bits_of(-FLT_MAX));
    assert_int_equal(bits_of(mq_f32_to_odd(1e-300)), 1);
    assert_true(isnan(mq_f32_to_odd((double)NAN)) && isinf(mq_f32_to_odd((double)INFINITY)));
    /* a tie for float16 that only the last bit of the double breaks */
    assert_int_equal(mq_f16_from_f32(mq_f32_to_odd(1 + 0x1p-11)), 0x3c00);
    assert_int_equal(mq_f16_from_f32(mq_f32_to_odd(1 + 0x1p-11 + 0x1p-50)), 0x3c01);
    assert_true(mq_f32_to_odd_i64(3) == 3 && mq_f32_to_odd_i64(-7) == -7 && mq_f32_to_odd_i64(0) == 0);
    assert_true(mq_f32_to_odd_i64(INT64_MIN) == -0x1p63f);
    assert_int_equal(bits_of(mq_f32_to_odd_i64(((int64_t)1 << 60) + 1)), bits_of(0x1p60f) + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_properties),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_small_floats),
        cmocka_unit_test(test_six_bits_as_onnx_packs_them),
        cmocka_unit_test(test_packed_stretches),
        cmocka_unit_test(test_half_all_values),
        cmocka_unit_test(test_half_rounding),
        cmocka_unit_test(test_half_nan),
        cmocka_unit_test(test_plain_types),
        cmocka_unit_test(test_floats_to_integers_saturate),
        cmocka_unit_test(test_complex_gives_the_real_part),
        cmocka_unit_test(test_types_without_numbers_give_zero),
        cmocka_unit_test(test_small_float_rounding),
        cmocka_unit_test(test_small_float_specials),
        cmocka_unit_test(test_e8m0),
        cmocka_unit_test(test_from_f32_and_back),
        cmocka_unit_test(test_from_f32_to_integers),
        cmocka_unit_test(test_round_to_odd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
