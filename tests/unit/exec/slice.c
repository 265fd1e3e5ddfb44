/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Slicing, padding, gathering, scattering: ends, negative pads, indices outside. */
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

static void slice(const char *dx, int64_t start, int64_t end, int64_t step, const char *dy, const float *y)
{
    run_one t;

    run_open(&t, "", "Slice");
    run_f32(&t, dx, F32(0, 1, 2, 3, 4));
    run_i64(&t, "1", &start);
    run_i64(&t, "1", &end);
    run_i64(&t, "1", I64(0));
    run_i64(&t, "1", &step);
    run_node(&t, 1);
    assert_true(run_is_f32(&t, 0, dy, y, 0));
    run_close(&t);
}

static void test_slices_beyond_the_ends(void **state)
{
    (void)state;
    slice("5", INT64_MIN, INT64_MAX, INT64_MAX, "1", F32(0));
    slice("5", INT64_MAX, INT64_MIN, INT64_MIN, "1", F32(4));
    slice("5", INT64_MAX, INT64_MIN, -2, "3", F32(4, 2, 0));
    slice("5", -2, -4, -1, "2", F32(3, 2));
    slice("5", 3, 1, 1, "0", NULL);
    slice("0", INT64_MAX, INT64_MIN, -1, "0", NULL);
}

/* Two axes given away by negative pads, and put back. */
static void test_negative_pads(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "", "Pad");
    run_f32(&t, "2,3", F32(1, 2, 3, 4, 5, 6));
    run_i64(&t, "4", I64(-1, 1, 1, -1));
    run_node(&t, 1);
    assert_true(run_is_f32(&t, 0, "2,3", F32(0, 4, 5, 0, 0, 0), 0));
    run_close(&t);
    run_open(&t, "", "Pad");
    run_f32(&t, "2,3", F32(1, 2, 3, 4, 5, 6));
    run_i64(&t, "4", I64(-3, 0, 0, 0));
    assert_int_equal(run_try(&t, 1), MQ_ERR_INPUT);
    run_close(&t);
}

/* Reflections longer than the axis go back and forth, as in NumPy. */
static void test_long_reflections(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "", "Pad");
    assert_int_equal(mq_node_set_attr_string(t.node, "mode", "reflect", NULL), MQ_OK);
    run_f32(&t, "3", F32(1, 2, 3));
    run_i64(&t, "2", I64(5, 4));
    run_node(&t, 1);
    assert_true(run_is_f32(&t, 0, "12", F32(2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3), 0));
    run_close(&t);
}

static void test_elements_of_four_bits(void **state)
{
    const uint8_t in[] = { 0x21, 0x43, 0x65 }, want[] = { 0x41, 0x52, 0x63 };
    run_one t;

    (void)state;
    run_open(&t, "", "Transpose");
    run_input(&t, MQ_UINT4, "2,3", in, false);
    run_node(&t, 1);
    assert_true(run_is(&t, 0, MQ_UINT4, "3,2", want));
    run_close(&t);
}

/* The updates and the data are the same array: nothing may be written over them too early. */
static void test_scatter_of_itself(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "", "ScatterElements");
    run_f32(&t, "3", F32(1, 2, 3));
    run_i64(&t, "3", I64(1, 2, 0));
    assert_int_equal(mq_node_set_input(t.node, 2, t.node->inputs[0], NULL), MQ_OK);
    run_node(&t, 1);
    assert_true(run_is_f32(&t, 0, "3", F32(3, 1, 2), 0));
    run_close(&t);
}

static void test_indices_outside(void **state)
{
    static const char *const ops[] = { "Gather", "GatherElements", "GatherND" };

    (void)state;
    for (size_t k = 0; k < 3; k++)
        for (int64_t bad = 3; bad >= -4; bad -= 7) {
            run_one t;

            run_open(&t, "", ops[k]);
            run_f32(&t, "3", F32(1, 2, 3));
            run_i64(&t, "1", &bad);
            assert_int_equal(run_try(&t, 1), MQ_ERR_INPUT);
            assert_non_null(strstr(t.err.text, bad < 0 ? "index -4 " : "index 3 "));
            run_close(&t);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slices_beyond_the_ends),
        cmocka_unit_test(test_negative_pads),
        cmocka_unit_test(test_long_reflections),
        cmocka_unit_test(test_elements_of_four_bits),
        cmocka_unit_test(test_scatter_of_itself),
        cmocka_unit_test(test_indices_outside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
