/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/kernels.c against plain loops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "quant/kernels.h"
#include "rng.h"

enum { MOST = 2100 };

static const mq_dtype types[] = { MQ_INT8, MQ_UINT8, MQ_INT4, MQ_UINT4, MQ_INT2, MQ_UINT2, MQ_INT16, MQ_UINT16 };

/* How a run of values is filled. */
typedef enum fill {
    FILL_RANDOM,
    FILL_ZERO,
    FILL_NEGATIVE_ZERO,
    FILL_NAN,
    FILL_INF,
    FILL_MIXED,     /* a few NaN and infinities among others */
    FILL_DENORMAL,
    FILL_HUGE,      /* up to FLT_MAX */
    FILL_TIES,      /* halves of the scale 1 */
    FILL_WIDE,      /* from denormal to huge */
    FILL_POSITIVE,
    N_FILLS,
} fill;

static float one_value(fill kind, uint64_t *rng)
{
    const float r = rng_float(rng);

    switch (kind) {
    case FILL_RANDOM: return r;
    case FILL_NEGATIVE_ZERO: return -0.0f;
    case FILL_NAN: return NAN;
    case FILL_INF: return r < 0 ? -INFINITY : INFINITY;
    case FILL_MIXED: return r < -0.9f ? NAN : r > 0.9f ? INFINITY : r > 0.85f ? -INFINITY : r;
    case FILL_DENORMAL: return r * 0x1p-130f;
    case FILL_HUGE: return r < -0.8f ? -FLT_MAX : r > 0.8f ? FLT_MAX : r * FLT_MAX;
    case FILL_TIES: return (float)((int)rng_below(rng, 600) - 300) / 2;
    case FILL_WIDE: return ldexpf(r, (int)rng_below(rng, 270) - 140);
    case FILL_POSITIVE: return 1 + r;
    default: return 0;
    }
}

/* n values at an address that is `skew` bytes off. */
static const mq_unaligned_f32 *values(unsigned char *room, size_t skew, size_t n, fill kind, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) {
        const float f = one_value(kind, &seed);
        memcpy(room + skew + 4 * i, &f, sizeof f);
    }
    return (const mq_unaligned_f32 *)(room + skew);
}

static int plain_quantize(const mq_scheme *s, float w, float scale, int zp)
{
    double x = nearbyint((double)(w / scale)) + zp; /* the default rounding: half to even */

    return isnan(w) ? zp : x > s->q_max ? s->q_max : x < s->q_min ? s->q_min : (int)x;
}

static int integer(const mq_scheme *s, const void *q, size_t i)
{
    switch (s->type) {
    case MQ_INT16: return ((const int16_t *)q)[i];
    case MQ_UINT16: return ((const uint16_t *)q)[i];
    default: return mq_dtype_is_signed(s->type) ? ((const int8_t *)q)[i] : ((const uint8_t *)q)[i];
    }
}

static void check_range(const mq_unaligned_f32 *w, size_t n, float *lo, float *hi)
{
    mq_nonfinite got = { 100, 200 }, want = { 100, 200 };

    *lo = 0.25f;
    *hi = 0.5f;
    for (size_t i = 0; i < n; i++) {
        want.n_nan += isnan(w[i]) != 0;
        want.n_inf += isinf(w[i]) != 0;
        if (isfinite(w[i])) {
            *lo = w[i] < *lo ? w[i] : *lo;
            *hi = w[i] > *hi ? w[i] : *hi;
        }
    }
    {
        float a = 0.25f, b = 0.5f;
        mq_run_range(w, n, &a, &b, &got);
        assert_true(a == *lo && b == *hi);
        assert_memory_equal(&got, &want, sizeof got);
    }
}

static void check_columns_range(const mq_unaligned_f32 *w, size_t n, uint64_t seed)
{
    static float lo[MOST], hi[MOST], want_lo[MOST], want_hi[MOST];
    mq_nonfinite got = { 0 }, want = { 0 };

    for (size_t i = 0; i < n; i++) {
        lo[i] = want_lo[i] = -fabsf(rng_float(&seed));
        hi[i] = want_hi[i] = fabsf(rng_float(&seed));
        want.n_nan += isnan(w[i]) != 0;
        want.n_inf += isinf(w[i]) != 0;
        if (isfinite(w[i]) && w[i] < lo[i])
            want_lo[i] = w[i];
        if (isfinite(w[i]) && w[i] > hi[i])
            want_hi[i] = w[i];
    }
    mq_columns_range(w, n, lo, hi, &got);
    assert_memory_equal(lo, want_lo, n * sizeof *lo);
    assert_memory_equal(hi, want_hi, n * sizeof *hi);
    assert_memory_equal(&got, &want, sizeof got);
}

static bool near(double a, double b)
{
    return a == b || fabs(a - b) <= 1e-12 * fabs(b);
}

/* scales and zero points: one, or one per value. */
static void check_quantize(const mq_scheme *s, const mq_unaligned_f32 *w, size_t n, const float *scales, const int32_t *zps,
                           bool columns)
{
    static uint16_t room[MOST + 1], again[MOST + 1];
    const size_t width = mq_scheme_width(s);
    uint8_t *q = (uint8_t *)room;
    mq_quant_sums sums = { 1, 2, 0, 3 }, want = { 1, 2, 0, 3 };
    bool finite = true;

    memset(q + n * width, 77, width);
    if (columns)
        mq_columns_quantize(s, w, n, scales, zps, q, &sums);
    else
        mq_run_quantize(s, w, n, *scales, *zps, q, &sums);
    assert_int_equal(q[n * width], 77);
    for (size_t i = 0; i < n; i++) {
        const float scale = columns ? scales[i] : *scales;
        const int zp = columns ? zps[i] : *zps, v = plain_quantize(s, w[i], scale, zp);
        const float d = w[i] - (float)(v - zp) * scale;
        assert_int_equal(integer(s, q, i), v);
        if (w[i] == 0)
            assert_int_equal(v, zp);
        finite &= isfinite(w[i]) != 0;
        if (!isfinite(w[i]))
            continue;
        want.signal += (double)w[i] * (double)w[i];
        want.error += (double)d * (double)d;
        want.max_error = fabsf(d) > want.max_error ? fabsf(d) : want.max_error;
        want.n_clipped += fabsf(d) > fabsf(scale) * 0.505f;
    }
    assert_true(near(sums.signal, want.signal) && near(sums.error, want.error) && isfinite(sums.error));
    assert_true(sums.max_error == want.max_error);
    assert_int_equal(sums.n_clipped, want.n_clipped);
    if (columns)
        mq_columns_quantize(s, w, n, scales, zps, again, NULL);
    else
        mq_run_quantize(s, w, n, *scales, *zps, again, NULL);
    assert_memory_equal(room, again, n * width);
    if (!columns && finite)
        assert_true(near(mq_run_error(s, w, n, *scales, *zps), want.error - 2) || fabs(want.error) < 1e3);
}

static void check_all(const mq_scheme *s, size_t n, fill kind, size_t skew)
{
    static unsigned char room[4 * MOST + 8];
    static float scales[MOST];
    static int32_t zps[MOST];
    const mq_unaligned_f32 *w = values(room, skew, n, kind, n * 31 + kind);
    float lo, hi, scale;
    int32_t zp;

    check_range(w, n, &lo, &hi);
    check_columns_range(w, n, n);
    mq_scheme_affine(s, lo, hi, &scale, &zp);
    if (kind == FILL_TIES)
        scale = 1;
    check_quantize(s, w, n, &scale, &zp, false);
    for (size_t i = 0; i < n; i++) {
        scales[i] = scale;
        zps[i] = zp;
        if (i % 3 == 0 && kind == FILL_TIES)
            scales[i] = 0.5f;
        else if (i % 3 == 0)
            mq_scheme_affine(s, isfinite(w[i]) ? w[i] : 0, isfinite(w[i]) ? w[i] : 0, &scales[i], &zps[i]);
    }
    check_quantize(s, w, n, scales, zps, true);
}

/* Blocks are runs one after the other. */
static void check_blocks(const mq_scheme *s, const mq_unaligned_f32 *w, size_t n, size_t block)
{
    static float lo[MOST], hi[MOST], scales[MOST];
    static int32_t zps[MOST];
    static uint16_t room[MOST + 1], again[MOST + 1];
    const size_t width = mq_scheme_width(s);
    mq_quant_sums sums = { 0 }, want = { 0 };
    mq_nonfinite bad = { 0 }, want_bad = { 0 };

    memset(lo, 0, sizeof lo);
    memset(hi, 0, sizeof hi);
    memset((uint8_t *)room + n * width, 77, width);
    mq_blocks_range(w, n, block, lo, hi, &bad);
    for (size_t b = 0; b * block < n; b++) {
        const size_t at = b * block, len = n - at < block ? n - at : block;
        float low = 0, high = 0;
        mq_run_range(w + at, len, &low, &high, &want_bad);
        assert_true(lo[b] == low && hi[b] == high);
        mq_scheme_affine(s, low, high, &scales[b], &zps[b]);
        mq_run_quantize(s, w + at, len, scales[b], zps[b], (uint8_t *)again + at * width, &want);
    }
    assert_memory_equal(&bad, &want_bad, sizeof bad);
    mq_blocks_quantize(s, w, n, block, scales, zps, room, &sums);
    assert_memory_equal(room, again, n * width);
    assert_int_equal(((uint8_t *)room)[n * width], 77);
    assert_true(near(sums.signal, want.signal) && near(sums.error, want.error));
    assert_true(sums.max_error == want.max_error && sums.n_clipped == want.n_clipped);
}

static void test_blocks(void **state)
{
    static const size_t blocks[] = { 1, 3, 16, 32, 48, 256, 700, 1024, 1025, 2000 };
    static unsigned char room[4 * MOST + 8];

    (void)state;
    for (size_t t = 0; t < MQ_ARRAY_LEN(types); t++)
        for (fill kind = FILL_RANDOM; kind < N_FILLS; kind++)
            for (size_t b = 0; b < MQ_ARRAY_LEN(blocks); b++) {
                const mq_scheme s = mq_scheme_of(types[t], b % 2, false, MQ_FLOAT);
                check_blocks(&s, values(room, b % 4, 2080, kind, b), 2080, blocks[b]);
                check_blocks(&s, values(room, b % 4, 65, kind, b), 65, blocks[b]);
            }
}

/* Every length about a vector, and about a block of 1024. */
static void test_all_fills_and_lengths(void **state)
{
    (void)state;
    for (size_t t = 0; t < MQ_ARRAY_LEN(types); t++)
        for (int symmetric = 0; symmetric < 2; symmetric++)
            for (fill kind = FILL_RANDOM; kind < N_FILLS; kind++) {
                const mq_scheme s = mq_scheme_of(types[t], symmetric, false, MQ_FLOAT);
                for (size_t n = 0; n <= 70; n++)
                    check_all(&s, n, kind, n % 4);
                for (size_t n = 1022; n <= 1042; n += 3)
                    check_all(&s, n, kind, n % 4);
                check_all(&s, 2099, kind, 3);
            }
}

static void test_ties_to_even(void **state)
{
    static const float w[] = { 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 126.5f, -126.5f, 125.5f, 127.5f, -127.5f,
                               0.49999997f };
    static const int8_t want[] = { 0, 2, 2, 0, -2, -2, 126, -126, 126, 127, -127, 0 };
    const mq_scheme s = mq_scheme_of(MQ_INT8, true, false, MQ_FLOAT);
    int8_t q[sizeof want];

    (void)state;
    mq_run_quantize(&s, w, sizeof want, 1.0f, 0, q, NULL);
    assert_memory_equal(q, want, sizeof want);
}

/* An infinity goes to the end on its side, also when the scale is negative. */
static void test_infinities(void **state)
{
    static const float w[] = { INFINITY, -INFINITY, NAN, 2 };
    static const int8_t up[] = { 7, -8, 0, 2 }, down[] = { -8, 7, 0, -2 };
    const mq_scheme s = mq_scheme_of(MQ_INT4, true, false, MQ_FLOAT);
    int8_t q[4];

    (void)state;
    mq_run_quantize(&s, w, 4, 1.0f, 0, q, NULL);
    assert_memory_equal(q, up, sizeof up);
    mq_run_quantize(&s, w, 4, -1.0f, 0, q, NULL);
    assert_memory_equal(q, down, sizeof down);
}

/* The sums do not depend on how a run is split at multiples of a block, nor on where it lies. */
static void test_same_sums_everywhere(void **state)
{
    static unsigned char room[4 * MOST + 8];
    static int8_t q[MOST];
    const mq_scheme s = mq_scheme_of(MQ_INT8, true, false, MQ_FLOAT);
    mq_quant_sums first = { 0 }, other;

    (void)state;
    mq_run_quantize(&s, values(room, 0, 2048, FILL_WIDE, 9), 2048, 1e-3f, 0, q, &first);
    for (size_t skew = 0; skew < 8; skew++) {
        const mq_unaligned_f32 *w = values(room, skew, 2048, FILL_WIDE, 9);
        other = (mq_quant_sums){ 0 };
        mq_run_quantize(&s, w, 1024, 1e-3f, 0, q, &other);
        mq_run_quantize(&s, w + 1024, 1024, 1e-3f, 0, q, &other);
        assert_memory_equal(&other, &first, sizeof first);
    }
}

static void test_pack_bits(void **state)
{
    static uint8_t q[9000], out[9000];
    uint64_t rng = 3;

    (void)state;
    for (int bits = 2; bits <= 4; bits += 2)
        for (size_t n = 0; n <= 8 * 1024 + 65; n += n < 65 ? 1 : 1009) { /* longer than the room within */
            const size_t per = 8 / (size_t)bits, bytes = (n + per - 1) / per;
            for (size_t i = 0; i < sizeof q; i++)
                q[i] = (uint8_t)rng_next(&rng); /* upper bits as signed integers have them */
            memset(out, 0xa5, sizeof out);
            mq_pack_bits(bits, q, n, out);
            assert_int_equal(out[bytes], 0xa5);
            for (size_t i = 0; i < bytes * per; i++)
                assert_int_equal(out[i / per] >> i % per * (size_t)bits & ((1 << bits) - 1),
                                 i < n ? q[i] & ((1 << bits) - 1) : 0);
            mq_pack_bits(bits, q, n, q);
            assert_memory_equal(q, out, bytes);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_fills_and_lengths), cmocka_unit_test(test_ties_to_even),
        cmocka_unit_test(test_infinities), cmocka_unit_test(test_same_sums_everywhere), cmocka_unit_test(test_pack_bits),
        cmocka_unit_test(test_blocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
