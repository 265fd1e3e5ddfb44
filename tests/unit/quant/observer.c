/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/observer.c: every value is counted in the bin that the definition says, however the data are cut up. */
#include "quant/observer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/isa.h"
#include "rng.h"

enum { MOST = 500000 };

static float data[MOST];

static void add_type(mq_observer *o, mq_dtype type, const void *values, size_t n, int n_threads)
{
    const int64_t dims[1] = { (int64_t)n };
    mq_array *a = NULL;
    mq_error err = { 0 };

    assert_int_equal(mq_array_wrap(&a, type, 1, dims, (void *)(uintptr_t)values, NULL, &err), MQ_OK);
    if (mq_observer_add(o, a, n_threads, &err) != MQ_OK)
        fail_msg("%s", err.text);
    mq_array_unref(a);
}

static void add(mq_observer *o, const float *values, size_t n)
{
    add_type(o, MQ_FLOAT, values, n, 1);
}

static void same(const mq_observer *a, const mq_observer *b)
{
    assert_memory_equal(&a->min, &b->min, sizeof a->min);
    assert_memory_equal(&a->max, &b->max, sizeof a->max);
    assert_true(a->n == b->n && a->n_zero == b->n_zero && a->n_nan == b->n_nan && a->n_inf == b->n_inf);
    assert_int_equal(a->n_bins, b->n_bins);
    assert_int_equal(a->n_window, b->n_window);
    assert_true(a->exponent == b->exponent && a->first == b->first);
    if (a->n_bins)
        assert_memory_equal(a->counts, b->counts, a->n_bins * sizeof *a->counts);
    for (size_t i = 0; i < a->n_window; i++)
        assert_memory_equal(a->window[(a->start + i) % MQ_OBSERVER_WINDOW], b->window[(b->start + i) % MQ_OBSERVER_WINDOW],
                            sizeof *a->window);
}

/* By the definition. */
static void right(const mq_observer *o, const float *values, size_t n)
{
    uint64_t *want = calloc(o->n_bins + 1, sizeof *want), n_zero = 0, n_nan = 0, n_inf = 0;
    float min = INFINITY, max = -INFINITY;

    assert_non_null(want);
    assert_true(o->n_bins <= MQ_OBSERVER_BINS);
    for (size_t i = 0; i < n; i++) {
        double k = floor(ldexp((double)values[i], -o->exponent)) - (double)o->first;
        n_zero += values[i] == 0;
        n_nan += isnan(values[i]) != 0;
        n_inf += isinf(values[i]) != 0;
        if (!isfinite(values[i]))
            continue;
        min = fminf(min, values[i]);
        max = fmaxf(max, values[i]);
        if (values[i] == 0)
            continue;
        assert_true(k >= 0 && k < (double)o->n_bins);
        want[(size_t)k]++;
    }
    assert_true(o->n_zero == n_zero && o->n_nan == n_nan && o->n_inf == n_inf && o->n == n - n_nan - n_inf);
    if (o->n) {
        assert_true(o->min == min && o->max == max && o->n_bins > 0);
        assert_memory_equal(o->counts, want, o->n_bins * sizeof *want);
        assert_true(!signbit(o->min) == !(o->min < 0) && !signbit(o->max) == !(o->max < 0));
    }
    free(want);
}

/* Of any magnitude, with zeros of both signs, or what is not finite too. */
static void fill(uint64_t *rng, size_t n, int kind)
{
    for (size_t i = 0; i < n; i++) {
        float x = rng_float(rng);
        switch (kind) {
        case 0: break;
        case 1: x = x < 0 ? 0 : 6 * x; break;
        case 2: x = ldexpf(x, (int)rng_below(rng, 250) - 140); break;
        case 3: x = 100 + x / 64; break;
        case 4: x = rng_below(rng, 3) ? x : -0.0f; break;
        case 5: x = FLT_MAX * x; break;
        case 6: x = FLT_MIN * x; break;
        default: x = rng_below(rng, 50) ? x : rng_below(rng, 2) ? NAN : rng_below(rng, 2) ? INFINITY : -INFINITY; break;
        }
        data[i] = x;
    }
}

enum { KINDS = 8 };

static void test_every_value_is_in_its_bin(void **state)
{
    uint64_t rng = 1;

    (void)state;
    for (int kind = 0; kind < KINDS; kind++)
        for (size_t n = 0; n < 9000; n += n < 20 ? 1 : 1 + rng_below(&rng, 3000)) {
            mq_observer o = { 0 };
            fill(&rng, n, kind);
            add(&o, data, n);
            right(&o, data, n);
            mq_observer_release(&o);
        }
}

static void test_more_than_a_chunk(void **state)
{
    uint64_t rng = 2;

    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        mq_observer one = { 0 }, many = { 0 };
        fill(&rng, MOST, kind);
        add_type(&one, MQ_FLOAT, data, MOST, 1);
        right(&one, data, MOST);
        add_type(&many, MQ_FLOAT, data, MOST, 3);
        same(&one, &many);
        mq_observer_release(&one);
        mq_observer_release(&many);
    }
}

static void test_the_same_on_every_instruction_set(void **state)
{
    uint64_t rng = 6;

    (void)state;
    for (int isa = MQ_ISA_NATIVE; isa < MQ_N_ISAS; isa++)
        for (int kind = 0; kind < KINDS && mq_isa_is_there((mq_isa)isa); kind++) {
            mq_observer o = { 0 };
            mq_isa_limit((mq_isa)isa);
            fill(&rng, 3001, kind);
            add(&o, data, 3001);
            right(&o, data, 3001);
            mq_observer_release(&o);
        }
    mq_isa_limit(MQ_ISA_NATIVE);
}

/* All in one bin, and none: no counter of a chunk runs over. */
static void test_one_value(void **state)
{
    static const float values[] = { 0, -0.0f, 1, -1, 6, 0.1f, FLT_MAX, -FLT_MAX, 1e-45f, -1e-45f, FLT_MIN };

    (void)state;
    for (size_t v = 0; v < MQ_ARRAY_LEN(values); v++) {
        mq_observer o = { 0 };
        for (size_t i = 0; i < MOST; i++)
            data[i] = values[v];
        add(&o, data, MOST);
        right(&o, data, MOST);
        assert_int_equal(o.n_bins, 1);
        mq_observer_release(&o);
    }
}

/* Runs of one observer, and the same runs dealt to several that are merged. */
static void test_parts_give_the_whole(void **state)
{
    uint64_t rng = 3;

    (void)state;
    for (int round = 0; round < 300; round++) {
        const size_t n_parts = 1 + rng_below(&rng, 7), n_runs = round < 290 ? rng_below(&rng, 30) : 1500;
        mq_observer whole = { 0 }, sum = { 0 }, parts[7] = { 0 };
        mq_error err;
        for (size_t r = 0; r < n_runs; r++) {
            const size_t n = rng_below(&rng, 40);
            fill(&rng, n, (int)rng_below(&rng, KINDS));
            add(&whole, data, n);
            add(&parts[r * n_parts / n_runs], data, n);
        }
        for (size_t p = 0; p < n_parts; p++)
            assert_int_equal(mq_observer_merge(&sum, &parts[p], &err), MQ_OK);
        same(&whole, &sum);
        for (size_t p = 0; p < 7; p++)
            mq_observer_release(&parts[p]);
        mq_observer_release(&whole);
        mq_observer_release(&sum);
    }
}

static void test_other_types(void **state)
{
    static const mq_dtype types[] = { MQ_FLOAT16, MQ_BFLOAT16, MQ_DOUBLE };
    static double room[3000];
    uint64_t rng = 4;

    (void)state;
    for (size_t t = 0; t < MQ_ARRAY_LEN(types); t++)
        for (int kind = 0; kind < KINDS; kind++) {
            mq_observer o = { 0 }, want = { 0 };
            fill(&rng, 3000, kind);
            mq_dtype_from_f32(types[t], data, 3000, room, true);
            mq_dtype_to_f32(types[t], room, 0, 3000, data);
            add_type(&o, types[t], room, 3000, 2);
            add(&want, data, 3000);
            same(&o, &want);
            mq_observer_release(&o);
            mq_observer_release(&want);
        }
}

static void test_refused(void **state)
{
    static int32_t integers[4];
    const int64_t dims[1] = { 4 };
    mq_observer o = { 0 };
    mq_array *a = NULL;
    mq_error err;

    (void)state;
    assert_int_equal(mq_array_wrap(&a, MQ_INT32, 1, dims, integers, NULL, &err), MQ_OK);
    assert_int_equal(mq_observer_add(&o, a, 1, &err), MQ_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "int32"));
    assert_int_equal(o.n, 0);
    mq_array_unref(a);
}

/* Nothing finite: counted, and no run of the average. */
static void test_outline(void **state)
{
    const float values[] = { -4, -3.5f, 0, 0.5f, 3.75f, 4 };
    const uint64_t want[] = { 2, 0, 1, 2 };
    mq_observer o = { 0 };
    uint64_t got[4];

    (void)state;
    add(&o, values, sizeof values / sizeof *values);
    mq_observer_outline(&o, got, 4);
    assert_memory_equal(got, want, sizeof want);
    mq_observer_release(&o);
    add(&o, values, 1);
    mq_observer_outline(&o, got, 4);
    assert_int_equal(got[0], 1);
    mq_observer_release(&o);
}

static void test_nothing_finite(void **state)
{
    static const float bad[3] = { NAN, INFINITY, -INFINITY };
    mq_observer o = { 0 };

    (void)state;
    add(&o, bad, 3);
    assert_true(o.n == 0 && o.n_nan == 1 && o.n_inf == 2 && o.n_window == 0 && o.n_bins == 0);
    add(&o, &data[0], 0);
    assert_int_equal(o.n_window, 0);
    mq_observer_release(&o);
}

static void test_window_keeps_the_last(void **state)
{
    mq_observer o = { 0 };

    (void)state;
    for (int i = 0; i < 3000; i++) {
        const float run[2] = { (float)-i, (float)(2 * i) };
        add(&o, run, 2);
    }
    assert_int_equal(o.n_window, MQ_OBSERVER_WINDOW);
    for (size_t i = 0; i < MQ_OBSERVER_WINDOW; i++) {
        const float *run = o.window[(o.start + i) % MQ_OBSERVER_WINDOW];
        assert_true(run[1] == (float)(2 * (3000 - MQ_OBSERVER_WINDOW + (int)i)) && run[0] == -run[1] / 2);
    }
    mq_observer_release(&o);
}

static void refused(const mq_observer *parts, const char *sentence)
{
    mq_observer o = { 0 };
    mq_error err = { 0 };

    if (mq_observer_restore(&o, parts, &err) != MQ_ERR_INPUT || !strstr(err.text, sentence))
        fail_msg("'%s' does not hold '%s'", err.text, sentence);
    assert_int_equal(o.n, 0);
}

static void test_restored(void **state)
{
    mq_observer o = { 0 }, copy = { 0 }, bad;
    uint64_t rng = 5;
    mq_error err;
    float extreme;

    (void)state;
    for (int round = 0; round < 50; round++) {
        fill(&rng, 1000, round % KINDS);
        add(&o, data, 1000);
        assert_int_equal(mq_observer_restore(&copy, &o, &err), MQ_OK);
        same(&o, &copy);
    }
    mq_observer_release(&copy);
    bad = o, bad.n_zero = o.n + 1, refused(&bad, "more zeros");
    bad = o, bad.n++, refused(&bad, "the bins hold");
    bad = o, bad.n = UINT64_MAX, refused(&bad, "counted");
    bad = o, bad.n_nan = UINT64_MAX, refused(&bad, "counted");
    bad = o, bad.exponent++, refused(&bad, "bins of exponent");
    bad = o, bad.first = INT64_MIN, refused(&bad, "bins of exponent");
    bad = o, bad.n_bins--, refused(&bad, "bins of exponent");
    bad = o, bad.min = NAN, refused(&bad, "not within min and max");
    bad = o, bad.n_window = 0, refused(&bad, "the window has 0 runs");
    bad = o, bad.n_window = 2000, refused(&bad, "the window has 2000 runs");
    extreme = o.window[7][0], o.window[7][0] = NAN, refused(&o, "run 8 "), o.window[7][0] = extreme;
    o.counts[1] += o.counts[0], o.counts[0] = 0;
    refused(&o, "the first bin is empty, but has the least value");
    o.counts[0] = UINT64_MAX;
    refused(&o, "counted");
    mq_observer_release(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_value_is_in_its_bin), cmocka_unit_test(test_more_than_a_chunk),
        cmocka_unit_test(test_the_same_on_every_instruction_set), cmocka_unit_test(test_one_value),
        cmocka_unit_test(test_parts_give_the_whole), cmocka_unit_test(test_other_types), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_outline),
        cmocka_unit_test(test_nothing_finite), cmocka_unit_test(test_window_keeps_the_last), cmocka_unit_test(test_restored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
