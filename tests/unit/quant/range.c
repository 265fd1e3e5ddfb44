/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/range.c: ranges from histograms beside what the values themselves say, tried out one by one. */
#include "quant/range.h"

#include <setjmp.h>
#include <stdarg.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/isa.h"
#include "quant/kernels.h"
#include "rng.h"

enum { MOST = 1000000, SOME = 8000 };

static float data[MOST];
static mq_observer seen;

static void observe(size_t n)
{
    const int64_t dims[1] = { (int64_t)n };
    mq_array *a = NULL;
    mq_error err;

    assert_int_equal(mq_array_wrap(&a, MQ_FLOAT, 1, dims, data, NULL, &err), MQ_OK);
    assert_int_equal(mq_observer_add(&seen, a, 1, &err), MQ_OK);
    mq_array_unref(a);
}

static int forget(void **state)
{
    (void)state;
    mq_observer_release(&seen);
    return 0;
}

static double normal(uint64_t *rng)
{
    const double u = (double)(rng_next(rng) >> 11) * 0x1p-53, v = (double)(rng_next(rng) >> 11) * 0x1p-53;

    return sqrt(-2 * log(1 - u)) * cos(2 * 3.14159265358979 * v);
}

/* Distributions as activations have them. */
enum { NORMAL, UNIFORM, RELU, RELU6, LAPLACE, SHIFTED, SIGMOID, GELU, NEGATIVE, CUBED, KINDS };

static void fill(size_t n, int kind)
{
    uint64_t rng = 7;

    for (size_t i = 0; i < n; i++) {
        double g = normal(&rng);
        switch (kind) {
        case UNIFORM: g = (double)rng_float(&rng); break;
        case RELU: g = fmax(0, g); break;
        case RELU6: g = fmin(6, fmax(0, 4 * g)); break;
        case LAPLACE: g = copysign(log((double)(1.0001f + rng_float(&rng)) / 2), g); break;
        case SHIFTED: g = g + 2; break;
        case SIGMOID: g = 1 / (1 + exp(-3 * g)); break;
        case GELU: g = g * (1 + erf(g / sqrt(2))) / 2; break;
        case NEGATIVE: g = -fabs(g) * 1000; break;
        case CUBED: g = 1e-3 * g * g * g; break;
        default: break;
        }
        data[i] = (float)g;
    }
}

static double real_error(const mq_scheme *s, size_t n, double lo, double hi)
{
    int32_t zero_point;
    float scale;

    mq_scheme_affine(s, (float)lo, (float)hi, &scale, &zero_point);
    return mq_run_error(s, data, n, scale, zero_point) / (double)n;
}

/* The least error of any range of a fine grid. */
static double least_error(const mq_scheme *s, size_t n, float lo, float hi)
{
    double least = INFINITY;

    for (int a = lo < 0 ? 1 : 40; a <= 40; a++)
        for (int b = hi > 0 ? 1 : 40; b <= 40; b++)
            if (!s->symmetric || a == b || lo == 0 || hi == 0)
                least = fmin(least, real_error(s, n, (double)lo * a / 40, (double)hi * b / 40));
    return least;
}

static const mq_dtype types[] = { MQ_UINT8, MQ_INT8, MQ_UINT16, MQ_INT16, MQ_INT4 };

static void test_least_squared_error(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        fill(SOME, kind);
        forget(NULL);
        observe(SOME);
        for (size_t i = 0; i < 2 * MQ_ARRAY_LEN(types); i++) {
            const mq_scheme s = mq_scheme_of(types[i / 2], i & 1, false, MQ_FLOAT);
            double want, real, mse, power;
            float lo, hi;
            if (s.peak)
                continue;
            mq_observer_range(&seen, MQ_CALIBRATE_MSE, 0, &s, &lo, &hi);
            assert_true(lo <= 0 && hi >= 0 && lo >= fminf(seen.min, 0) && hi <= fmaxf(seen.max, 0));
            want = least_error(&s, SOME, fminf(seen.min, 0), fmaxf(seen.max, 0));
            real = real_error(&s, SOME, (double)lo, (double)hi);
            mq_observer_error(&seen, &s, lo, hi, &mse, &power);
            if (!(real <= want * 1.03) || !(fabs(mse / real - 1) < 0.1))
                fail_msg("kind %d type %s %d: %g..%g: error %g, least %g, thought %g", kind, mq_dtype_name(s.type),
                         s.symmetric, (double)lo, (double)hi, real, want, mse);
        }
    }
}

/* The mean square of rounding to a step. */
static double of_step(double step)
{
    return step * step / 12;
}

static void test_uniform_needs_all(void **state)
{
    const mq_scheme s = mq_scheme_of(MQ_UINT8, false, false, MQ_FLOAT);
    static const mq_calibration_method methods[] = { MQ_CALIBRATE_MSE, MQ_CALIBRATE_ENTROPY, MQ_CALIBRATE_MINMAX };
    double mse, power;
    float lo, hi;

    (void)state;
    fill(MOST, UNIFORM);
    observe(MOST);
    for (size_t i = 0; i < MQ_ARRAY_LEN(methods); i++) {
        mq_observer_range(&seen, methods[i], 0, &s, &lo, &hi);
        assert_true(lo >= -1 && lo < -0.99f && hi <= 1 && hi > 0.99f);
        mq_observer_error(&seen, &s, lo, hi, &mse, &power);
        assert_true(fabs(mse / of_step(2.0 / 255) - 1) < 0.02);
        assert_true(fabs(power * 3 - 1) < 0.01);
    }
}

/* The best uniform steps for a normal distribution are 0.3352 of its deviation for 16 levels, 0.0308 for 256 (Max,
 * "Quantizing for minimum distortion", 1960, and its continuations). */
static void test_normal_is_clipped_where_known(void **state)
{
    static const struct {
        mq_dtype type;
        double at;
    } known[] = { { MQ_INT8, 127 * 0.0308 }, { MQ_INT4, 8 * 0.3352 } };
    float lo, hi;

    (void)state;
    fill(MOST, NORMAL);
    observe(MOST);
    for (size_t i = 0; i < MQ_ARRAY_LEN(known); i++) {
        mq_scheme s = mq_scheme_of(known[i].type, true, false, MQ_FLOAT);
        mq_observer_range(&seen, MQ_CALIBRATE_MSE, 0, &s, &lo, &hi);
        if (!(fabs((double)hi / known[i].at - 1) < 0.04) || lo != -hi)
            fail_msg("%s: %g..%g", mq_dtype_name(s.type), (double)lo, (double)hi);
    }
}

static void test_outlier(void **state)
{
    const mq_scheme s = mq_scheme_of(MQ_INT8, true, false, MQ_FLOAT);
    float lo, hi;

    (void)state;
    fill(MOST, NORMAL);
    data[77] = 20;
    observe(MOST);
    mq_observer_range(&seen, MQ_CALIBRATE_MINMAX, 0, &s, &lo, &hi);
    assert_true(hi == 20 && lo == seen.min);
    mq_observer_range(&seen, MQ_CALIBRATE_MSE, 0, &s, &lo, &hi);
    assert_true(hi < 6 && hi > 3);
    mq_observer_range(&seen, MQ_CALIBRATE_ENTROPY, 0, &s, &lo, &hi);
    assert_true(hi < 6 && hi > 3);
    mq_observer_range(&seen, MQ_CALIBRATE_PERCENTILE, 99.99, &s, &lo, &hi);
    assert_true(hi < 5 && hi > 3);
}

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

/* Beside the sorted values: within a bin. */
static void test_percentile(void **state)
{
    static const double percents[] = { 50, 99, 99.9, 99.99, 100 };
    const mq_scheme s = mq_scheme_of(MQ_UINT8, false, false, MQ_FLOAT);

    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        fill(SOME, kind);
        forget(NULL);
        observe(SOME);
        qsort(data, SOME, sizeof *data, by_value);
        for (size_t i = 0; i < MQ_ARRAY_LEN(percents); i++) {
            const bool both = data[0] < 0 && data[SOME - 1] > 0;
            const size_t out = (size_t)(SOME * (100 - percents[i]) / 100 / (both ? 2 : 1) + 1e-6);
            const double width = ldexp(1, seen.exponent);
            double want_lo = fmin((double)data[out], 0), want_hi = fmax((double)data[SOME - 1 - out], 0);
            float lo, hi;
            mq_observer_range(&seen, MQ_CALIBRATE_PERCENTILE, percents[i], &s, &lo, &hi);
            if (!(fabs((double)lo - want_lo) <= width) || !(fabs((double)hi - want_hi) <= width))
                fail_msg("kind %d, %g %%: %g..%g, want %g..%g", kind, percents[i], (double)lo, (double)hi, want_lo, want_hi);
            if (percents[i] == 100)
                assert_true((double)lo == want_lo && (double)hi == want_hi);
        }
    }
}

static void test_average(void **state)
{
    const mq_scheme s = mq_scheme_of(MQ_UINT8, false, false, MQ_FLOAT);
    double from = 0, to = 0;
    float lo, hi;

    (void)state;
    for (int run = 0; run < 200; run++) {
        data[0] = (float)-run;
        data[1] = (float)(run % 7 + 1);
        observe(2);
        from = run ? 0.98 * from + 0.02 * (double)data[0] : (double)data[0];
        to = run ? 0.98 * to + 0.02 * (double)data[1] : (double)data[1];
    }
    mq_observer_range(&seen, MQ_CALIBRATE_EMA, 0, &s, &lo, &hi);
    assert_true(fabs((double)lo - from) < 1e-4 && fabs((double)hi - to) < 1e-6);
}

/* The divergence by its definition, bin by bin, less what chance alone makes: half a value for each bin beyond a step's
 * first. */
static double plain_divergence(const mq_scheme *s, double lo, double hi)
{
    const double width = ldexp(1, seen.exponent), first = (double)seen.first;
    const size_t n = seen.n_bins, from = (size_t)fmax(0, nearbyint(lo / width - 0.5 - first));
    const size_t to = (size_t)fmin((double)n, nearbyint(hi / width + 0.5 - first));
    double *p = calloc(n, sizeof *p), *q = calloc(n, sizeof *q), all = 0, inside = 0, sum = 0;
    int32_t zero_point;
    float scale;

    assert_true(p && q && from < to);
    mq_scheme_affine(s, (float)lo, (float)hi, &scale, &zero_point);
    for (size_t k = 0; k < n; k++) {
        p[k < from ? from : k >= to ? to - 1 : k] += (double)seen.counts[k];
        all += (double)seen.counts[k];
        inside += k >= from && k < to ? (double)seen.counts[k] : 0;
    }
    for (size_t a = from, b; a < to; a = b) {
        const double m = floor((first + (double)a + 0.5) * width / (double)scale + 0.5);
        double mass = 0, filled = 0, own = 0;
        for (b = a; b < to && floor((first + (double)b + 0.5) * width / (double)scale + 0.5) == m; b++) {
            mass += (double)seen.counts[b];
            filled += p[b] > 0;
            own += seen.counts[b] > 0;
        }
        sum -= own > 0 ? (own - 1) / 2 / all : 0;
        for (size_t k = a; k < b; k++)
            q[k] = p[k] > 0 ? mass / filled : 0;
    }
    for (size_t k = from; k < to; k++)
        if (p[k] > 0)
            sum += q[k] > 0 ? p[k] / all * log(p[k] / all * inside / q[k]) : (double)INFINITY;
    free(p);
    free(q);
    return sum;
}

static void test_least_divergence(void **state)
{
    const mq_scheme s = mq_scheme_of(MQ_INT8, true, false, MQ_FLOAT), a = mq_scheme_of(MQ_UINT8, false, false, MQ_FLOAT);

    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        double least = INFINITY, least_sym = INFINITY, most;
        float lo, hi;
        fill(MOST / 2, kind);
        forget(NULL);
        observe(MOST / 2);
        most = fmax((double)seen.max, -(double)seen.min);
        for (int i = 4; i <= 40; i++) {
            for (int j = 4; j <= 40; j++)
                least = fmin(least, plain_divergence(&a, fmin((double)seen.min, 0) * i / 40,
                                                     fmax((double)seen.max, 0) * j / 40));
            least_sym = fmin(least_sym, plain_divergence(&s, fmax(fmin((double)seen.min, 0), -most * i / 40),
                                                         fmin(fmax((double)seen.max, 0), most * i / 40)));
        }
        mq_observer_range(&seen, MQ_CALIBRATE_ENTROPY, 0, &a, &lo, &hi);
        if (!(plain_divergence(&a, (double)lo, (double)hi) <= least + 0.15 * fabs(least) + 1e-4))
            fail_msg("kind %d: %g..%g: %g, least %g", kind, (double)lo, (double)hi,
                     plain_divergence(&a, (double)lo, (double)hi), least);
        mq_observer_range(&seen, MQ_CALIBRATE_ENTROPY, 0, &s, &lo, &hi);
        if (!(plain_divergence(&s, (double)lo, (double)hi) <= least_sym + 0.15 * fabs(least_sym) + 1e-4))
            fail_msg("kind %d, symmetric: %g..%g: %g, least %g", kind, (double)lo, (double)hi,
                     plain_divergence(&s, (double)lo, (double)hi), least_sym);
    }
}

/* With few values most of what a fine histogram shows is chance; what is cut off for it is lost. */
static void test_divergence_of_few_values(void **state)
{
    const mq_scheme s = mq_scheme_of(MQ_UINT8, false, false, MQ_FLOAT);

    (void)state;
    for (size_t n = 100; n <= 20000; n *= 2)
        for (int kind = 0; kind < KINDS; kind++) {
            double mse, power;
            float lo, hi;
            if (kind == CUBED) /* so few are large that no count can tell */
                continue;
            fill(n, kind);
            forget(NULL);
            observe(n);
            mq_observer_range(&seen, MQ_CALIBRATE_ENTROPY, 0, &s, &lo, &hi);
            mq_observer_error(&seen, &s, lo, hi, &mse, &power);
            if (!(10 * log10(power / mse) > 25))
                fail_msg("kind %d, %zu values: %g..%g of %g..%g: %g dB", kind, n, (double)lo, (double)hi, (double)seen.min,
                         (double)seen.max, 10 * log10(power / mse));
        }
}

static void test_clipped(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        fill(SOME, kind);
        forget(NULL);
        observe(SOME);
        assert_int_equal(mq_observer_clipped(&seen, seen.min, seen.max), 0);
        for (int i = 0; i < 20; i++) {
            const double lo = (double)seen.min * i / 20, hi = (double)seen.max * i / 20;
            int64_t want = 0, within = 0, got = (int64_t)mq_observer_clipped(&seen, (float)lo, (float)hi);
            for (size_t k = 0; k < SOME; k++) {
                const double x = (double)data[k], width = ldexp(1, seen.exponent);
                want += x < lo || x > hi;
                within += (x != lo && fabs(x - lo) < width) || (x != hi && fabs(x - hi) < width);
            }
            if (llabs(got - want) > within + 1)
                fail_msg("kind %d, %g..%g: %lld clipped, want %lld +- %lld", kind, lo, hi, (long long)got, (long long)want,
                         (long long)within);
        }
    }
}

static void test_the_same_on_every_instruction_set(void **state)
{
    const mq_scheme s = mq_scheme_of(MQ_UINT8, false, false, MQ_FLOAT);
    double mse, power, want_mse, want_power;
    float lo, hi, want_lo, want_hi;

    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        fill(SOME, kind);
        forget(NULL);
        observe(SOME);
        mq_observer_range(&seen, MQ_CALIBRATE_MSE, 0, &s, &want_lo, &want_hi);
        mq_observer_error(&seen, &s, want_lo, want_hi, &want_mse, &want_power);
        for (int isa = MQ_ISA_NATIVE; isa < MQ_N_ISAS; isa++) {
            if (!mq_isa_is_there((mq_isa)isa))
                continue;
            mq_isa_limit((mq_isa)isa);
            mq_observer_range(&seen, MQ_CALIBRATE_MSE, 0, &s, &lo, &hi);
            mq_observer_error(&seen, &s, lo, hi, &mse, &power);
            assert_true(lo == want_lo && hi == want_hi && mse == want_mse && power == want_power);
        }
        mq_isa_limit(MQ_ISA_NATIVE);
    }
}

/* Every method, for values that leave nothing to choose. */
static void test_degenerate(void **state)
{
    static const float values[] = { 0, 5, -5, 1e-45f, -3e38f, 3e38f };

    (void)state;
    for (size_t v = 0; v <= MQ_ARRAY_LEN(values); v++)
        for (int method = MQ_CALIBRATE_MINMAX; method <= MQ_CALIBRATE_MSE; method++)
            for (size_t i = 0; i < 2 * MQ_ARRAY_LEN(types); i++) {
                const mq_scheme s = mq_scheme_of(types[i / 2], i & 1, false, MQ_FLOAT);
                const float value = v < MQ_ARRAY_LEN(values) ? values[v] : 0;
                double mse, power;
                float lo = 1, hi = 1;
                forget(NULL);
                for (int k = 0; k < 10; k++)
                    data[k] = value;
                if (v < MQ_ARRAY_LEN(values)) /* else: nothing was seen */
                    observe(10);
                mq_observer_range(&seen, (mq_calibration_method)method, 99.99, &s, &lo, &hi);
                assert_true(lo == fminf(value, 0) && hi == fmaxf(value, 0));
                mq_observer_error(&seen, &s, lo, hi, &mse, &power);
                assert_true(mse >= 0 && mse <= 1e-6 * power + 1e-80);
                assert_int_equal(mq_observer_clipped(&seen, lo, hi), 0);
            }
}

/* Both ends of what floats hold, and a range far from the values. */
static void test_extremes(void **state)
{
    const mq_scheme s = mq_scheme_of(MQ_UINT8, false, false, MQ_FLOAT);
    double mse, power;
    float lo, hi;

    (void)state;
    data[0] = -3.4e38f;
    data[1] = 3.4e38f;
    data[2] = 1e-45f;
    observe(3);
    for (int method = MQ_CALIBRATE_MINMAX; method <= MQ_CALIBRATE_MSE; method++) {
        mq_observer_range(&seen, (mq_calibration_method)method, 99.99, &s, &lo, &hi);
        assert_true(isfinite(lo) && isfinite(hi) && lo <= 0 && hi >= 0);
    }
    mq_observer_error(&seen, &s, -1e-38f, 1e-38f, &mse, &power);
    assert_true(isfinite(mse) && fabs(mse / power - 1) < 1e-6);
    assert_in_range(mq_observer_clipped(&seen, -1, 1), 2, 3); /* the third shares a bin with what is clipped */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_least_squared_error, forget),
        cmocka_unit_test_teardown(test_uniform_needs_all, forget),
        cmocka_unit_test_teardown(test_normal_is_clipped_where_known, forget),
        cmocka_unit_test_teardown(test_outlier, forget),
        cmocka_unit_test_teardown(test_percentile, forget),
        cmocka_unit_test_teardown(test_average, forget),
        cmocka_unit_test_teardown(test_least_divergence, forget),
        cmocka_unit_test_teardown(test_divergence_of_few_values, forget),
        cmocka_unit_test_teardown(test_clipped, forget),
        cmocka_unit_test_teardown(test_the_same_on_every_instruction_set, forget),
        cmocka_unit_test_teardown(test_degenerate, forget),
        cmocka_unit_test_teardown(test_extremes, forget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
