/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Random operators: their distributions, and that threads do not matter. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/run_one.h"

enum { N = 200000 };

/* N numbers of RandomNormal or RandomUniform into out; seed < 0: none. */
static void draw(const char *op, float seed, int threads, float *out)
{
    const int64_t shape[] = { N };
    run_one t;

    run_open(&t, "", op);
    t.threads = threads;
    assert_int_equal(mq_node_set_attr_ints(t.node, "shape", shape, 1, NULL), MQ_OK);
    if (seed >= 0)
        assert_int_equal(mq_node_set_attr_float(t.node, "seed", seed, NULL), MQ_OK);
    run_node(&t, 1);
    memcpy(out, t.out[0]->data, N * sizeof *out);
    run_close(&t);
}

static float a[N], b[N];

static void moments(const float *x, double *mean, double *variance)
{
    double sum = 0, squares = 0;

    for (int i = 0; i < N; i++) {
        sum += x[i];
        squares += (double)x[i] * x[i];
    }
    *mean = sum / N;
    *variance = squares / N - *mean * *mean;
}

static void test_distributions(void **state)
{
    double mean, variance;

    (void)state;
    draw("RandomNormal", 3, 1, a);
    moments(a, &mean, &variance);
    assert_true(fabs(mean) < 0.01 && fabs(variance - 1) < 0.02);
    draw("RandomUniform", -1, 1, a);
    moments(a, &mean, &variance);
    assert_true(fabs(mean - 0.5) < 0.005 && fabs(variance - 1.0 / 12) < 0.002);
    for (int i = 0; i < N; i++)
        assert_true(a[i] >= 0 && a[i] <= 1);
}

static void test_same_at_any_thread_count(void **state)
{
    (void)state;
    for (int seed = -1; seed < 2; seed++) {
        draw("RandomNormal", (float)seed, 1, a);
        draw("RandomNormal", (float)seed, 3, b);
        assert_memory_equal(a, b, sizeof a);
    }
    draw("RandomNormal", 0, 1, a);
    assert_memory_not_equal(a, b, sizeof a); /* another seed */
}

static void test_bernoulli_and_multinomial(void **state)
{
    int32_t counts[3] = { 0 };
    float p[1000];
    double mean = 0;
    run_one t;

    (void)state;
    for (int i = 0; i < 1000; i++)
        p[i] = 0.25f;
    run_open(&t, "", "Bernoulli");
    run_f32(&t, "1000", p);
    run_node(&t, 1);
    for (int i = 0; i < 1000; i++)
        mean += ((const float *)t.out[0]->data)[i] / 1000;
    assert_true(fabs(mean - 0.25) < 0.06);
    run_close(&t);
    run_open(&t, "", "Multinomial");
    assert_int_equal(mq_node_set_attr_int(t.node, "sample_size", 10000, NULL), MQ_OK);
    run_f32(&t, "1,3", (const float[]){ 0, -INFINITY, logf(3) });
    run_node(&t, 1);
    for (int i = 0; i < 10000; i++)
        counts[((const int32_t *)t.out[0]->data)[i]]++;
    assert_true(counts[1] == 0 && abs(counts[0] - 2500) < 300);
    run_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distributions),
        cmocka_unit_test(test_same_at_any_thread_count),
        cmocka_unit_test(test_bernoulli_and_multinomial),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
