/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/base/threads.c. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/threads.h"

static void test_wanted_is_taken(void **state)
{
    (void)state;
    assert_int_equal(mq_threads(1), 1);
    assert_int_equal(mq_threads(7), 7);
    assert_int_equal(mq_threads(1000), 1000);
}

static void test_default_is_what_is_allowed(void **state)
{
    int n = mq_threads(0);

    (void)state;
    assert_true(n >= 1);
    assert_true(n <= sysconf(_SC_NPROCESSORS_CONF));
    assert_int_equal(mq_threads(-1), n);
}

static void test_affinity(void **state)
{
    cpu_set_t all, first;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    CPU_ZERO(&first);
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &all)) {
            CPU_SET(i, &first);
            break;
        }
    assert_int_equal(sched_setaffinity(0, sizeof first, &first), 0);
    assert_int_equal(mq_threads(0), 1);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wanted_is_taken),
        cmocka_unit_test(test_default_is_what_is_allowed),
        cmocka_unit_test(test_affinity),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
