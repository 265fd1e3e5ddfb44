/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Searching and sorting along axes: NaN, ties, nothing at all. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/run_one.h"

#define I64(...) (const int64_t[]){ __VA_ARGS__ }
#define F32(...) (const float[]){ __VA_ARGS__ }
#define BOOLS(...) (const uint8_t[]){ __VA_ARGS__ }

static void test_arg_of_nan_and_ties(void **state)
{
    static const int64_t want[2][2][3] = { { { 1, 1, 0 }, { 3, 3, 3 } }, { { 1, 0, 0 }, { 3, 2, 3 } } };

    (void)state;
    for (int min = 0; min < 2; min++)
        for (int last = 0; last < 2; last++) {
            run_one t;

            run_open(&t, "", min ? "ArgMin" : "ArgMax");
            assert_int_equal(mq_node_set_attr_int(t.node, "select_last_index", last, NULL), MQ_OK);
            assert_int_equal(mq_node_set_attr_int(t.node, "keepdims", 0, NULL), MQ_OK);
            run_f32(&t, "4,3", F32(1, 5, 7, NAN, 6, 7, 9, 5, 7, NAN, 6, 7));
            run_node(&t, 1);
            assert_true(run_is(&t, 0, MQ_INT64, "3", want[min][last]));
            run_close(&t);
        }
}

static void test_arg_of_nothing(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "", "ArgMax");
    run_f32(&t, "0,2", F32(0));
    assert_int_equal(run_try(&t, 1), MQ_ERR_INPUT);
    run_close(&t);
    run_open(&t, "", "ArgMax");
    run_f32(&t, "2,0", F32(0));
    run_node(&t, 1);
    assert_true(run_has_shape(&t, 0, MQ_INT64, "1,0"));
    run_close(&t);
}

static void test_sums_wrap(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "", "CumSum");
    run_i64(&t, "3", I64(INT64_MAX, 1, 1));
    run_i64(&t, "", I64(0));
    run_node(&t, 1);
    assert_true(run_is(&t, 0, MQ_INT64, "3", I64(INT64_MAX, INT64_MIN, INT64_MIN + 1)));
    run_close(&t);
}

static void test_non_zero(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "", "NonZero");
    run_f32(&t, "2,2", F32(-0.0f, NAN, 0, 1e-40f));
    run_node(&t, 1);
    assert_true(run_is(&t, 0, MQ_INT64, "2,2", I64(0, 1, 1, 1)));
    run_close(&t);
    run_open(&t, "", "NonZero"); /* a scalar counts as a list of one */
    run_input(&t, MQ_BOOL, "", BOOLS(2), false);
    run_node(&t, 1);
    assert_true(run_is(&t, 0, MQ_INT64, "1,1", I64(0)));
    run_close(&t);
}

/* NaN is the greatest; of equals the first comes first; -0 equals 0. */
static void test_top_of_odd_numbers(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "", "TopK");
    run_f32(&t, "6", F32(0, -0.0f, NAN, INFINITY, -INFINITY, 0));
    run_i64(&t, "1", I64(6));
    run_node(&t, 2);
    assert_true(run_is(&t, 1, MQ_INT64, "6", I64(2, 3, 0, 1, 5, 4)));
    run_close(&t);
    run_open(&t, "", "TopK");
    assert_int_equal(mq_node_set_attr_int(t.node, "largest", 0, NULL), MQ_OK);
    run_f32(&t, "6", F32(0, -0.0f, NAN, INFINITY, -INFINITY, 0));
    run_i64(&t, "1", I64(4));
    run_node(&t, 2);
    assert_true(run_is(&t, 1, MQ_INT64, "4", I64(4, 0, 1, 5)));
    run_close(&t);
}

static void test_unique_strings(void **state)
{
    const mq_bytes in[] = { { "b", 1 }, { "", 0 }, { "b", 1 }, { "ab", 2 }, { NULL, 0 } };
    run_one t;

    (void)state;
    run_open(&t, "", "Unique");
    run_input(&t, MQ_STRING, "5", in, false);
    run_node(&t, 4);
    assert_true(run_is(&t, 1, MQ_INT64, "3", I64(1, 3, 0)));
    assert_true(run_is(&t, 2, MQ_INT64, "5", I64(2, 0, 2, 1, 0)));
    assert_true(run_is(&t, 3, MQ_INT64, "3", I64(2, 1, 2)));
    run_close(&t);
}

static void test_unique_counts_nan_once(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "", "Unique");
    run_f32(&t, "5", F32(NAN, 0, -0.0f, NAN, -1));
    run_node(&t, 4);
    assert_true(run_is_f32(&t, 0, "3", F32(-1, 0, NAN), 0));
    assert_true(run_is(&t, 3, MQ_INT64, "3", I64(1, 2, 2)));
    run_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arg_of_nan_and_ties),
        cmocka_unit_test(test_arg_of_nothing),
        cmocka_unit_test(test_sums_wrap),
        cmocka_unit_test(test_non_zero),
        cmocka_unit_test(test_top_of_odd_numbers),
        cmocka_unit_test(test_unique_strings),
        cmocka_unit_test(test_unique_counts_nan_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
