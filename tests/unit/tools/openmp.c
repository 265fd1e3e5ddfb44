/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The program's OpenMP runtime (tools/openmp.c) under the pragmas that the library has. */
#include <limits.h>
#include <omp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define N 1000

static const int teams[] = { 2, 3, 1, 8, 2, 5, 64 };

/* Each turn once, whatever the schedule, the step and the type of the variable. */
static void test_each_turn_once(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof teams / sizeof *teams; k++) {
        int counts[6][N] = { 0 };

#pragma omp parallel for num_threads(teams[k]) schedule(static)
        for (int i = 0; i < N; i++)
            counts[0][i]++;
#pragma omp parallel for num_threads(teams[k]) schedule(dynamic)
        for (size_t i = 0; i < N; i++)
            counts[1][i]++;
#pragma omp parallel for num_threads(teams[k]) schedule(dynamic, 7)
        for (int64_t i = N - 1; i >= 0; i--)
            counts[2][i]++;
#pragma omp parallel for num_threads(teams[k]) schedule(dynamic, 3)
        for (size_t i = N; i > 1; i -= 2)
            counts[3][i - 1]++;
#pragma omp parallel for num_threads(teams[k]) schedule(dynamic, INT_MAX)
        for (int i = -N; i < 0; i += 3)
            counts[4][i + N]++;
#pragma omp parallel for num_threads(teams[k]) schedule(dynamic)
        for (size_t i = 5; i < 5; i++)
            counts[5][i]++;
        for (int i = 0; i < N; i++) {
            assert_int_equal(counts[0][i], 1);
            assert_int_equal(counts[1][i], 1);
            assert_int_equal(counts[2][i], 1);
            assert_int_equal(counts[3][i], i % 2);
            assert_int_equal(counts[4][i], i % 3 == 0);
            assert_int_equal(counts[5][i], 0);
        }
    }
}

/* Several loops in one region, a thread ahead of the others. */
static void test_loops_in_a_row(void **state)
{
    (void)state;
    for (int n = 1; n < 6; n++) {
        int counts[5][N] = { 0 };

#pragma omp parallel num_threads(n)
        {
            for (int k = 0; k < 5; k++) {
#pragma omp for schedule(dynamic, 5) nowait
                for (int i = 0; i < N; i++)
                    counts[k][i]++;
            }
#pragma omp for schedule(dynamic)
            for (int i = 0; i < N; i++)
                counts[0][i]++;
        }
        for (int k = 0; k < 5; k++)
            for (int i = 0; i < N; i++)
                assert_int_equal(counts[k][i], k == 0 ? 2 : 1);
    }
}

/* Parts have numbers of their own, as many as asked for; what others wrote before a barrier is seen behind it. */
static void test_parts_and_barriers(void **state)
{
    (void)state;
    for (int n = 1; n <= 9; n++)
        for (int round = 0; round < 50; round++) {
            int seen[9] = { 0 }, wrong = 0;

#pragma omp parallel num_threads(n) reduction(+ : wrong)
            {
                const int me = omp_get_thread_num();

                wrong += omp_get_num_threads() != n || (n > 1 && !omp_in_parallel());
                for (int step = 1; step <= 20; step++) {
                    seen[me] = step;
#pragma omp barrier
                    for (int i = 0; i < n; i++)
                        wrong += seen[i] != step;
#pragma omp barrier
                }
            }
            assert_int_equal(wrong, 0);
        }
}

static void test_sums(void **state)
{
    (void)state;
    for (int n = 1; n < 5; n++) {
        double a = 0, b = 1;
        size_t c = 0;

#pragma omp parallel for num_threads(n) reduction(+ : a, c) reduction(* : b)
        for (int i = 0; i < N; i++) {
            a += i;
            c += (size_t)i;
            b *= i % 100 == 0 ? 2 : 1;
        }
        assert_true(a == N * (N - 1) / 2);
        assert_int_equal(c, N * (N - 1) / 2);
        assert_true(b == 1024);
    }
}

/* An inner region has one thread, and the outer one is as it was behind it. */
static void test_inner_regions(void **state)
{
    int inner[4] = { 0 }, wrong = 0;

    (void)state;
#pragma omp parallel num_threads(4) reduction(+ : wrong)
    {
        const int me = omp_get_thread_num();

#pragma omp parallel num_threads(3)
        {
            inner[me] += omp_get_num_threads() * 10 + omp_get_thread_num();
#pragma omp barrier
        }
#pragma omp parallel for num_threads(3) schedule(dynamic)
        for (int i = 0; i < 5; i++)
            inner[me] += 100;
        wrong += omp_get_thread_num() != me || omp_get_num_threads() != 4;
#pragma omp barrier
    }
    assert_int_equal(wrong, 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(inner[i], 510);
    assert_int_equal(omp_get_thread_num(), 0);
    assert_int_equal(omp_get_num_threads(), 1);
    assert_false(omp_in_parallel());
}

/* Sections that one thread at a time is in, also inside one another. */
static void test_critical_sections(void **state)
{
    volatile int a, b; /* not kept in registers */

    (void)state;
    for (size_t k = 0; k < sizeof teams / sizeof *teams; k++) {
        a = b = 0;
#pragma omp parallel for num_threads(teams[k])
        for (int i = 0; i < 20 * N; i++) {
#pragma omp critical
            {
                a = a + 1;
#pragma omp critical(inner)
                b = b + 1;
            }
#pragma omp critical(inner)
            b = b + 1;
        }
        assert_int_equal(a, 20 * N);
        assert_int_equal(b, 2 * 20 * N);
    }
}

static void test_number_of_threads(void **state)
{
    int n = 0;

    (void)state;
    assert_true(omp_get_max_threads() > 0);
    omp_set_num_threads(3);
    assert_int_equal(omp_get_max_threads(), 3);
#pragma omp parallel reduction(+ : n)
    n++;
    assert_int_equal(n, 3);
}

static void *many_regions(void *user)
{
    size_t *wrong = user;

    for (int round = 0; round < 300; round++) {
        int counts[N] = { 0 };

#pragma omp parallel for num_threads(2 + round % 3) schedule(dynamic, 10)
        for (int i = 0; i < N; i++)
            counts[i]++;
        for (int i = 0; i < N; i++)
            *wrong += counts[i] != 1;
    }
    return NULL;
}

/* Threads that open regions each have a team, which goes with them. */
static void test_several_at_once(void **state)
{
    pthread_t threads[4];
    size_t wrong[4] = { 0 };

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, many_regions, &wrong[i]), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(wrong[i], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_turn_once),    cmocka_unit_test(test_loops_in_a_row),
        cmocka_unit_test(test_parts_and_barriers), cmocka_unit_test(test_sums),
        cmocka_unit_test(test_inner_regions),     cmocka_unit_test(test_number_of_threads),
        cmocka_unit_test(test_several_at_once),    cmocka_unit_test(test_critical_sections),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
