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

#include "quant/quant.h"
#include "rng.h"

enum { MOST = 2100 };

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

static int8_t plain_quantize(float w, float scale)
{
    float x = w / scale;

    if (isnan(w))
        return 0;
    x = x > 127 ? 127 : x < -127 ? -127 : x;
    return (int8_t)nearbyintf(x); /* the default rounding: half to even */
}

static void check_max(const mq_unaligned_f32 *w, size_t n)
{
    int64_t n_nan = 100, n_inf = 200, nan = 100, inf = 200;
    float max = 0;

    for (size_t i = 0; i < n; i++) {
        nan += isnan(w[i]) != 0;
        inf += isinf(w[i]) != 0;
        if (isfinite(w[i]) && fabsf(w[i]) > max)
            max = fabsf(w[i]);
    }
    assert_true(mq_run_max_abs(w, n, &n_nan, &n_inf) == max);
    assert_int_equal(n_nan, nan);
    assert_int_equal(n_inf, inf);
}

static void check_columns_max(const mq_unaligned_f32 *w, size_t n, uint64_t seed)
{
    static float got[MOST], want[MOST];
    int64_t n_nan = 0, n_inf = 0, nan = 0, inf = 0;

    for (size_t i = 0; i < n; i++)
        got[i] = want[i] = fabsf(rng_float(&seed));
    for (size_t i = 0; i < n; i++) {
        nan += isnan(w[i]) != 0;
        inf += isinf(w[i]) != 0;
        if (isfinite(w[i]) && fabsf(w[i]) > want[i])
            want[i] = fabsf(w[i]);
    }
    mq_columns_max_abs(w, n, got, &n_nan, &n_inf);
    assert_memory_equal(got, want, n * sizeof *got);
    assert_int_equal(n_nan, nan);
    assert_int_equal(n_inf, inf);
}

static bool near(double a, double b)
{
    return a == b || fabs(a - b) <= 1e-12 * fabs(b);
}

/* scales: one, or one per value. */
static void check_quantize(const mq_unaligned_f32 *w, size_t n, const float *scales, bool columns)
{
    static int8_t q[MOST + 1];
    mq_quant_sums sums = { 1, 2, 0 }, want = { 1, 2, 0 };

    q[n] = 77;
    if (columns)
        mq_columns_quantize(w, n, scales, q, &sums);
    else
        mq_run_quantize(w, n, *scales, q, &sums);
    assert_int_equal(q[n], 77);
    for (size_t i = 0; i < n; i++) {
        const float s = columns ? scales[i] : *scales;
        const float d = w[i] - (float)plain_quantize(w[i], s) * s;
        assert_int_equal(q[i], plain_quantize(w[i], s));
        if (!isfinite(w[i]))
            continue;
        want.signal += (double)w[i] * (double)w[i];
        want.error += (double)d * (double)d;
        want.max_error = fabsf(d) > want.max_error ? fabsf(d) : want.max_error;
    }
    assert_true(near(sums.signal, want.signal));
    assert_true(near(sums.error, want.error));
    assert_true(sums.max_error == want.max_error);
    assert_true(isfinite(sums.error));
}

static void check_all(size_t n, fill kind, size_t skew)
{
    static unsigned char room[4 * MOST + 8];
    static float scales[MOST];
    const mq_unaligned_f32 *w = values(room, skew, n, kind, n * 31 + kind);
    int64_t ignored = 0;
    float scale = mq_scale_symmetric(mq_run_max_abs(w, n, &ignored, &ignored), 127);

    check_max(w, n);
    check_columns_max(w, n, n);
    if (kind == FILL_TIES)
        scale = 1;
    check_quantize(w, n, &scale, false);
    for (size_t i = 0; i < n; i++)
        scales[i] = i % 3 ? scale : kind == FILL_TIES ? 0.5f : mq_scale_symmetric(isfinite(w[i]) ? fabsf(w[i]) : 0, 127);
    check_quantize(w, n, scales, true);
}

/* Every length about a vector, and about a block of 1024. */
static void test_all_fills_and_lengths(void **state)
{
    (void)state;
    for (fill kind = FILL_RANDOM; kind < N_FILLS; kind++) {
        for (size_t n = 0; n <= 70; n++)
            check_all(n, kind, n % 4);
        for (size_t n = 1020; n <= 1045; n++)
            check_all(n, kind, n % 4);
        check_all(2048, kind, 1);
        check_all(2099, kind, 3);
    }
}

static void test_ties_to_even(void **state)
{
    static const float w[] = { 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 126.5f, -126.5f, 125.5f, 127.5f, -127.5f,
                               0.49999997f };
    static const int8_t want[] = { 0, 2, 2, 0, -2, -2, 126, -126, 126, 127, -127, 0 };
    int8_t q[sizeof want];
    mq_quant_sums sums = { 0 };

    (void)state;
    mq_run_quantize(w, sizeof want, 1.0f, q, &sums);
    assert_memory_equal(q, want, sizeof want);
}

/* Every integer of the range comes back as it was, and -128 is never written. */
static void test_range_is_symmetric(void **state)
{
    float w[301];
    int8_t q[301];
    mq_quant_sums sums = { 0 };

    (void)state;
    for (int i = 0; i < 301; i++)
        w[i] = (float)(i - 150) * 0.25f;
    mq_run_quantize(w, 301, 0.25f, q, &sums);
    for (int i = 0; i < 301; i++)
        assert_int_equal(q[i], i - 150 > 127 ? 127 : i - 150 < -127 ? -127 : i - 150);
}

/* Whatever the range: zero stays zero, the largest value uses the whole range and comes back finite. */
static void test_scale(void **state)
{
    static const float ranges[] = { FLT_TRUE_MIN, 1e-44f, 0x1p-130f, FLT_MIN, FLT_MIN * 100, FLT_MIN * 127, FLT_MIN * 128,
                                    1e-30f, 0.1f, 1, 127, 1e30f, FLT_MAX / 2, FLT_MAX };

    (void)state;
    assert_true(mq_scale_symmetric(0, 127) == 1);
    assert_true(mq_scale_symmetric(127, 127) == 1);
    assert_true(mq_scale_symmetric(7, 7) == 1);
    for (size_t i = 0; i < MQ_ARRAY_LEN(ranges); i++) {
        const float s = mq_scale_symmetric(ranges[i], 127), w[2] = { ranges[i], -ranges[i] };
        mq_quant_sums sums = { 0 };
        int8_t q[2];
        assert_true(isnormal(s));
        mq_run_quantize(w, 2, s, q, &sums);
        assert_int_equal(q[0], -q[1]);
        if (ranges[i] >= FLT_MIN * 127)
            assert_int_equal(q[0], 127);
        assert_true(isfinite((float)q[0] * s));
        assert_true(isfinite(sums.error));
        assert_true(fabsf((float)q[0] * s - w[0]) <= s / 2);
    }
}

/* The sums do not depend on how a run is split at multiples of a block, nor on where it lies. */
static void test_same_sums_everywhere(void **state)
{
    static unsigned char room[4 * MOST + 8];
    static int8_t q[MOST];
    mq_quant_sums first = { 0 }, other;

    (void)state;
    mq_run_quantize(values(room, 0, 2048, FILL_WIDE, 9), 2048, 1e-3f, q, &first);
    for (size_t skew = 0; skew < 8; skew++) {
        const mq_unaligned_f32 *w = values(room, skew, 2048, FILL_WIDE, 9);
        other = (mq_quant_sums){ 0 };
        mq_run_quantize(w, 1024, 1e-3f, q, &other);
        mq_run_quantize(w + 1024, 1024, 1e-3f, q, &other);
        assert_memory_equal(&other, &first, sizeof first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_fills_and_lengths), cmocka_unit_test(test_ties_to_even),
        cmocka_unit_test(test_range_is_symmetric),    cmocka_unit_test(test_scale),
        cmocka_unit_test(test_same_sums_everywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
