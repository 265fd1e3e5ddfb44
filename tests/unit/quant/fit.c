/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/fit.c: what each fit promises against plain rounding, on many kinds of values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "quant/fit.h"
#include "quant/kernels.h"
#include "rng.h"

enum { MOST = 3000 };

static const mq_dtype types[] = { MQ_INT8, MQ_UINT8, MQ_INT4, MQ_UINT4, MQ_INT2, MQ_UINT2, MQ_INT16, MQ_UINT16 };
static const mq_dtype scale_types[] = { MQ_FLOAT, MQ_FLOAT16, MQ_BFLOAT16 };
static const mq_fit minmax = { .kind = MQ_FIT_MINMAX }, mse = { .kind = MQ_FIT_MSE }, hqq = { .kind = MQ_FIT_HQQ };

/* Laplacian, now and then an outlier. */
static float weight(uint64_t *rng, unsigned outliers)
{
    const float u = rng_float(rng), e = -logf(1 - fabsf(u) * 0.999999f), x = u < 0 ? -e : e;
    return 0.02f * (outliers && rng_below(rng, outliers) == 0 ? 8 * x : x);
}

static void fill(float *w, size_t n, int kind, uint64_t *rng)
{
    for (size_t i = 0; i < n; i++) {
        const float x = weight(rng, 50);
        switch (kind) {
        case 0: w[i] = x; break;
        case 1: w[i] = 0; break;
        case 2: w[i] = -0.75f; break;
        case 3: w[i] = i ? 0 : x; break;
        case 4: w[i] = fabsf(x) + 0.1f; break;
        case 5: w[i] = x * 0x1p-125f; break;
        case 6: w[i] = i % 3 ? x * FLT_MAX : i % 2 ? FLT_MAX : -FLT_MAX; break;
        case 7: w[i] = (float)((int)rng_below(rng, 15) - 7); break; /* exact already */
        default: w[i] = ldexpf(rng_float(rng), (int)rng_below(rng, 200) - 100); break;
        }
    }
}

struct fitted {
    float scale;
    int32_t zp;
    double error, norm;
};

static struct fitted fitted(const mq_fit *f, const mq_scheme *s, const float *w, size_t n)
{
    struct fitted r;
    float lo = 0, hi = 0;
    mq_nonfinite bad = { 0 };

    mq_run_range(w, n, &lo, &hi, &bad);
    mq_fit_group(f, s, w, n, lo, hi, &r.scale, &r.zp);
    assert_true(isfinite(r.scale) && r.scale != 0);
    assert_in_range(r.zp - s->q_min, 0, s->q_max - s->q_min);
    if (s->symmetric)
        assert_int_equal(r.zp, lo < hi ? (mq_scheme_middle(s)) : r.zp);
    r.error = mq_run_error(s, w, n, r.scale, r.zp);
    r.norm = 0;
    for (size_t i = 0; i < n; i++) {
        double q = nearbyint((double)(w[i] / r.scale)) + r.zp;
        q = q < s->q_min ? s->q_min : q > s->q_max ? s->q_max : q;
        r.norm += pow(fabs((double)w[i] - (q - r.zp) * (double)r.scale), 0.75);
    }
    return r;
}

static void test_promises(void **state)
{
    static float w[MOST];
    static const size_t lengths[] = { 1, 2, 7, 16, 32, 33, 128, 1023, 1024, 2500 };
    uint64_t rng = 1;

    (void)state;
    for (int kind = 0; kind < 9; kind++)
        for (size_t l = 0; l < MQ_ARRAY_LEN(lengths); l++)
            for (size_t t = 0; t < MQ_ARRAY_LEN(types) * 2; t++) {
                const mq_scheme s = mq_scheme_of(types[t / 2], t % 2, false, scale_types[(l + t) % 3]);
                const size_t n = lengths[l];
                struct fitted plain, best, robust;
                fill(w, n, kind, &rng);
                plain = fitted(&minmax, &s, w, n);
                best = fitted(&mse, &s, w, n);
                robust = fitted(&hqq, &s, w, n);
                assert_true(best.error <= plain.error);
                assert_true(robust.error <= 1.01 * plain.error);
                assert_true(robust.norm <= plain.norm * 1.0001); /* the fit's own sum is of floats */
            }
}

/* The mean gain in dB over plain rounding, and the share of groups in which the fit finds something better. */
static double gain(const mq_fit *f, const mq_scheme *s, size_t n, unsigned outliers, double *share)
{
    static float w[MOST];
    double plain_error = 0, error = 0;
    int better = 0;
    uint64_t rng = 5;

    for (int group = 0; group < 400; group++) {
        struct fitted plain, got;
        for (size_t i = 0; i < n; i++)
            w[i] = weight(&rng, outliers);
        plain = fitted(&minmax, s, w, n);
        got = fitted(f, s, w, n);
        plain_error += f->kind == MQ_FIT_HQQ ? plain.norm : plain.error;
        error += f->kind == MQ_FIT_HQQ ? got.norm : got.error;
        better += got.scale != plain.scale || got.zp != plain.zp;
    }
    *share = better / 400.0;
    return 10 * log10(plain_error / error);
}

/* Both fits must be worth their time. */
static void test_gains(void **state)
{
    static const struct {
        mq_dtype type;
        bool symmetric;
        size_t n;
        unsigned outliers;
        double mse, hqq; /* dB at least: of the squared error, of the norm */
    } want[] = {
        { MQ_INT4, false, 32, 0, 0.3, 0.2 },    { MQ_INT4, true, 32, 0, 0.3, 0.1 }, { MQ_UINT4, false, 128, 50, 0.25, 0.1 },
        { MQ_INT2, false, 32, 0, 1.2, 0.7 },    { MQ_INT8, true, 512, 50, 0.02, 0.01 },
    };

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(want); i++) {
        const mq_scheme s = mq_scheme_of(want[i].type, want[i].symmetric, false, MQ_FLOAT);
        double mse_share, hqq_share, mse_gain, hqq_gain;
        mse_gain = gain(&mse, &s, want[i].n, want[i].outliers, &mse_share);
        hqq_gain = gain(&hqq, &s, want[i].n, want[i].outliers, &hqq_share);
        print_message("%s, symmetric %d, %zu values: mse %.2f dB (%.0f %% of groups), hqq %.2f dB (%.0f %%)\n",
                      mq_dtype_name(want[i].type), want[i].symmetric, want[i].n, mse_gain, 100 * mse_share, hqq_gain,
                      100 * hqq_share);
        assert_true(mse_gain >= want[i].mse && hqq_gain >= want[i].hqq);
        assert_true(mse_share > 0.8 && hqq_share > 0.5);
    }
}

/* Not far from the best of all scales and zero points. */
static void test_mse_is_near_the_best(void **state)
{
    const mq_scheme s = mq_scheme_of(MQ_INT4, false, false, MQ_FLOAT);
    double found = 0, best = 0;
    uint64_t rng = 11;
    float w[32];

    (void)state;
    for (int group = 0; group < 30; group++) {
        struct fitted plain, got;
        double least = INFINITY;
        for (size_t i = 0; i < 32; i++)
            w[i] = weight(&rng, 0);
        plain = fitted(&minmax, &s, w, 32);
        got = fitted(&mse, &s, w, 32);
        for (int32_t zp = s.q_min; zp <= s.q_max; zp++)
            for (int k = 0; k < 900; k++) {
                const double e = mq_run_error(&s, w, 32, plain.scale * (0.3f + 0.001f * (float)k), zp);
                least = e < least ? e : least;
            }
        found += got.error;
        best += least;
    }
    assert_true(found <= 1.02 * best);
}

static void test_fixed_and_stddev(void **state)
{
    static float w[MOST];
    const mq_scheme s = mq_scheme_of(MQ_UINT8, false, false, MQ_FLOAT);
    mq_fit fixed = { .kind = MQ_FIT_FIXED, .lo = -55, .hi = 200 }, stddev = { .kind = MQ_FIT_STDDEV, .k = 2 };
    double mean = 0, var = 0;
    uint64_t rng = 4;
    float scale, want;
    int32_t zp, want_zp;

    (void)state;
    assert_false(mq_fit_needs_values(&fixed) || mq_fit_needs_values(&minmax));
    assert_true(mq_fit_needs_values(&stddev) && mq_fit_needs_values(&mse) && mq_fit_needs_values(&hqq));
    mq_fit_group(&fixed, &s, NULL, 0, -1, 1, &scale, &zp);
    assert_true(scale == 1 && zp == 55);
    for (size_t i = 0; i < MOST; i++) {
        w[i] = rng_float(&rng) + 0.5f;
        mean += (double)w[i] / MOST;
    }
    for (size_t i = 0; i < MOST; i++)
        var += ((double)w[i] - mean) * ((double)w[i] - mean) / MOST;
    mq_scheme_affine(&s, (float)(mean - 2 * sqrt(var)), (float)(mean + 2 * sqrt(var)), &want, &want_zp);
    mq_fit_group(&stddev, &s, w, MOST, -0.5f, 1.5f, &scale, &zp);
    assert_true(fabsf(scale - want) < 1e-6f * want && zp == want_zp);
    for (size_t i = 0; i < MOST; i++)
        w[i] = i % 2 ? FLT_MAX : -FLT_MAX; /* mean + 2 stddev is no float any more */
    mq_fit_group(&stddev, &s, w, MOST, -FLT_MAX, FLT_MAX, &scale, &zp);
    assert_true(isfinite(scale) && scale > 0);
}

/* What counts more loses less than with the fit in which all count alike. */
static void test_weighted(void **state)
{
    const mq_scheme s = mq_scheme_of(MQ_UINT4, false, false, MQ_FLOAT);
    float w[200], importance[200], scale;
    double weighted = 0, alike = 0;
    uint64_t rng = 5;
    int32_t zp;

    (void)state;
    for (int round = 0; round < 20; round++) {
        struct fitted other;
        fill(w, 200, 0, &rng);
        for (int i = 0; i < 200; i++)
            importance[i] = i % 10 ? 0.01f : 1 + (float)rng_below(&rng, 4);
        other = fitted(&mse, &s, w, 200);
        mq_fit_weighted(&s, w, importance, 200, &scale, &zp);
        for (int i = 0; i < 200; i++) {
            weighted += (double)importance[i] * mq_run_error(&s, &w[i], 1, scale, zp);
            alike += (double)importance[i] * mq_run_error(&s, &w[i], 1, other.scale, other.zp);
        }
    }
    assert_true(weighted < 0.8 * alike);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_promises), cmocka_unit_test(test_gains), cmocka_unit_test(test_mse_is_near_the_best),
        cmocka_unit_test(test_fixed_and_stddev), cmocka_unit_test(test_weighted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
