/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/hessian/factor.c: U' U is the inverse of the damped sums, at sizes around blocks; dead columns, fewer vectors
 * than columns, nothing seen. */
#include "hessian/factor.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "rng.h"

static mq_error err;

/* Sums of `vectors` random vectors of n elements whose neighbours are alike; column `dead` is always 0. */
static mq_gram sums(int64_t n, int64_t vectors, int64_t dead)
{
    mq_gram g = { .groups = 1, .n = n, .sums = calloc((size_t)(n * n), sizeof(double)) };
    double *x = malloc((size_t)n * sizeof *x);
    uint64_t seed = 11;

    assert_true(g.sums && x);
    for (int64_t v = 0; v < vectors; v++) {
        for (int64_t i = 0; i < n; i++)
            x[i] = i == dead ? 0 : (double)rng_float(&seed) + (i && i - 1 != dead ? 0.7 * x[i - 1] : 0);
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < n; j++)
                g.sums[i * n + j] += x[i] * x[j];
    }
    free(x);
    return g;
}

/* The largest element of U (H + damping) U' - I. */
static double distance(const mq_factor *f, const mq_gram *g)
{
    const int64_t n = f->n;
    double *half = calloc((size_t)(n * n), sizeof *half), most = 0, mean = 0;

    for (int64_t i = 0; i < n; i++)
        mean += g->sums[i * n + i] / (double)n;
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = i; k < n; k++)
            for (int64_t j = 0; j < n; j++)
                half[i * n + j] += f->u[i * n + k] * (g->sums[k * n + j] + (k == j ? f->share * mean : 0));
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) {
            double s = i == j ? -1 : 0;
            for (int64_t k = j; k < n; k++)
                s += half[i * n + k] * f->u[j * n + k];
            most = fmax(most, fabs(s));
        }
    free(half);
    return most;
}

static void test_inverse(void **state)
{
    static const int64_t sizes[] = { 1, 2, 9, 63, 64, 65, 130, 200, 450 };
    mq_factor f;

    (void)state;
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        mq_gram g = sums(sizes[k], 2 * sizes[k] + 3, -1);
        assert_int_equal(mq_factor_make(&f, &g, 0, 0.01, &err), MQ_OK);
        assert_true(f.share == 0.01);
        assert_true(distance(&f, &g) <= 1e-10);
        for (int64_t i = 0; i < f.n; i++)
            for (int64_t j = 0; j < i; j++)
                assert_true(f.u[i * f.n + j] == 0);
        mq_factor_release(&f);
        mq_gram_release(&g);
    }
}

static void test_fewer_vectors_than_columns(void **state)
{
    mq_gram g = sums(150, 20, -1);
    mq_factor f;

    (void)state;
    assert_int_equal(mq_factor_make(&f, &g, 0, 0.01, &err), MQ_OK);
    assert_true(distance(&f, &g) <= 1e-9);
    mq_factor_release(&f);
    assert_int_equal(mq_factor_make(&f, &g, 0, 0, &err), MQ_OK); /* damped as much as it needs */
    assert_true(f.share >= 0 && f.share < 0.01);
    mq_factor_release(&f);
    mq_gram_release(&g);
}

static void test_dead_column(void **state)
{
    mq_gram g = sums(70, 200, 66);
    mq_factor f;

    (void)state;
    assert_int_equal(mq_factor_make(&f, &g, 0, 0.01, &err), MQ_OK);
    for (int64_t i = 0; i < 70; i++) {
        assert_int_equal(f.dead[i], i == 66);
        assert_true(i == 66 || f.u[i * 70 + 66] == 0);
        assert_true(i == 66 || f.u[66 * 70 + i] == 0);
    }
    assert_true(f.u[66 * 70 + 66] > 0 && isfinite(f.u[66 * 70 + 66]));
    mq_factor_release(&f);
    mq_gram_release(&g);
}

static void test_second_group(void **state)
{
    mq_gram a = sums(5, 30, -1), both = { .groups = 2, .n = 5, .sums = calloc(50, sizeof(double)) };
    mq_factor f, second;

    (void)state;
    memcpy(both.sums + 25, a.sums, 25 * sizeof(double));
    assert_int_equal(mq_factor_make(&f, &a, 0, 0.01, &err), MQ_OK);
    assert_int_equal(mq_factor_make(&second, &both, 1, 0.01, &err), MQ_OK);
    assert_memory_equal(f.u, second.u, 25 * sizeof(double));
    mq_factor_release(&f);
    mq_factor_release(&second);
    mq_gram_release(&a);
    mq_gram_release(&both);
}

static void test_nothing_to_go_by(void **state)
{
    mq_gram g = sums(4, 0, -1);
    mq_factor f = { 0 };

    (void)state;
    assert_int_equal(mq_factor_make(&f, &g, 0, 0.01, &err), MQ_ERR_INPUT);
    assert_null(f.u);
    g.sums[5] = INFINITY;
    assert_int_equal(mq_factor_make(&f, &g, 0, 0.01, &err), MQ_ERR_INPUT);
    for (int i = 0; i < 4; i++)
        g.sums[i * 5] = 1;
    g.sums[1] = g.sums[4] = 1e6; /* no sum of squares */
    assert_int_equal(mq_factor_make(&f, &g, 0, 0.01, &err), MQ_ERR_INPUT);
    mq_gram_release(&g);
}

/* --bench: 1536 and 3072 columns. */
static void measure(void)
{
    for (int64_t n = 1536; n <= 3072; n *= 2) {
        mq_gram g = { .groups = 1, .n = n, .sums = calloc((size_t)(n * n), sizeof(double)) };
        struct timespec a, b;
        mq_factor f;
        for (int64_t i = 0; i < n * n; i++)
            g.sums[i] = i / n == i % n ? 2 : 1.0 / (double)(n + llabs(i / n - i % n));
        clock_gettime(CLOCK_MONOTONIC, &a);
        assert_int_equal(mq_factor_make(&f, &g, 0, 0.01, &err), MQ_OK);
        clock_gettime(CLOCK_MONOTONIC, &b);
        printf("%lld columns: %.2f s\n", (long long)n,
               (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec));
        mq_factor_release(&f);
        mq_gram_release(&g);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inverse),      cmocka_unit_test(test_fewer_vectors_than_columns),
        cmocka_unit_test(test_dead_column),  cmocka_unit_test(test_second_group),
        cmocka_unit_test(test_nothing_to_go_by),
    };

    if (argc > 1 && strcmp(argv[1], "--bench") == 0) {
        measure();
        return 0;
    }
    return cmocka_run_group_tests_name("hessian/factor", tests, NULL, NULL);
}
