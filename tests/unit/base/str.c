/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/base/str.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

static void test_builds(void **state)
{
    mq_str s = { 0 };

    (void)state;
    mq_str_add(&s, "");
    assert_string_equal(s.s, "");
    mq_str_add(&s, "ab");
    mq_str_add_n(&s, "cdef", 2);
    mq_str_addf(&s, "-%d-%s", 12, "x");
    assert_string_equal(s.s, "abcd-12-x");
    assert_int_equal(s.n, 9);
    mq_str_release(&s);
    assert_null(s.s);
}

/* Every length around the sizes at which the buffer grows. */
static void test_grows(void **state)
{
    (void)state;
    for (size_t first = 55; first < 70; first++)
        for (size_t second = 0; second < 140; second++) {
            char text[256];
            mq_str s = { 0 };
            memset(text, 'x', sizeof text);
            mq_str_add_n(&s, text, first);
            mq_str_addf(&s, "%.*s", (int)second, text);
            assert_int_equal(s.n, first + second);
            assert_int_equal(strlen(s.s), first + second);
            assert_false(s.failed);
            mq_str_release(&s);
        }
}

static void bytes_are(uint64_t n, const char *want)
{
    mq_str s = { 0 };

    mq_str_add_bytes(&s, n);
    assert_string_equal(s.s, want);
    mq_str_release(&s);
}

static void test_bytes(void **state)
{
    (void)state;
    bytes_are(0, "0 B");
    bytes_are(1, "1 B");
    bytes_are(345, "345 B");
    bytes_are(999, "999 B");
    bytes_are(1000, "1.00 kB");
    bytes_are(1234, "1.23 kB");
    bytes_are(9994, "9.99 kB");
    bytes_are(9995, "10.0 kB");
    bytes_are(12345, "12.3 kB");
    bytes_are(99949, "99.9 kB");
    bytes_are(99950, "100 kB");
    bytes_are(999499, "999 kB");
    bytes_are(999500, "1.00 MB");
    bytes_are(1000000, "1.00 MB");
    bytes_are(403000000, "403 MB");
    bytes_are(3200000000, "3.20 GB");
    bytes_are(UINT64_MAX, "18.4 EB");
}

static void count_is(uint64_t n, const char *want)
{
    mq_str s = { 0 };

    mq_str_add_count(&s, n);
    assert_string_equal(s.s, want);
    mq_str_release(&s);
}

static void test_counts(void **state)
{
    (void)state;
    count_is(0, "0");
    count_is(12, "12");
    count_is(999, "999");
    count_is(1000, "1,000");
    count_is(1234567, "1,234,567");
    count_is(UINT64_MAX, "18,446,744,073,709,551,615");
}

/* After a failure nothing more is added, and what is there stays readable. */
static void test_failure_is_remembered(void **state)
{
    mq_str s = { 0 };

    (void)state;
    mq_str_add(&s, "kept");
    s.failed = true;
    mq_str_add(&s, "lost");
    mq_str_addf(&s, "%d", 1);
    assert_string_equal(s.s, "kept");
    mq_str_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_builds), cmocka_unit_test(test_grows),  cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_counts), cmocka_unit_test(test_failure_is_remembered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
