/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Comparisons, shifts and Where: what the ONNX node tests leave out. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "lib/run_one.h"

/* Two inputs of one type, and the bytes that come out. */
static void gives(const char *op, mq_dtype in, mq_dtype out, const char *da, const void *a, const char *db, const void *b,
                  const char *dy, const void *y)
{
    run_one t;

    run_open(&t, "", op);
    run_input(&t, in, da, a, false);
    run_input(&t, in, db, b, false);
    run_node(&t, 1);
    assert_true(run_is(&t, 0, out, dy, y));
    run_close(&t);
}

#define I32(...) (const int32_t[]){ __VA_ARGS__ }
#define F32(...) (const float[]){ __VA_ARGS__ }
#define BOOLS(...) (const uint8_t[]){ __VA_ARGS__ }

static void test_comparisons_with_nan_are_false(void **state)
{
    static const char *const ops[] = { "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal" };

    (void)state;
    for (size_t k = 0; k < MQ_ARRAY_LEN(ops); k++)
        gives(ops[k], MQ_FLOAT, MQ_BOOL, "3", F32(NAN, 1, NAN), "3", F32(1, NAN, NAN), "3", BOOLS(0, 0, 0));
    gives("Equal", MQ_FLOAT, MQ_BOOL, "2", F32(0, INFINITY), "2", F32(-0.0f, INFINITY), "2", BOOLS(1, 1));
    gives("Less", MQ_FLOAT, MQ_BOOL, "0", NULL, "1", F32(1), "0", NULL);
}

static void test_any_byte_is_true(void **state)
{
    (void)state;
    gives("And", MQ_BOOL, MQ_BOOL, "3", BOOLS(2, 4, 0), "3", BOOLS(1, 3, 5), "3", BOOLS(1, 1, 0));
    gives("Xor", MQ_BOOL, MQ_BOOL, "2", BOOLS(2, 4), "2", BOOLS(1, 0), "2", BOOLS(0, 1));
}

static void test_where_over_and_under(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "", "Where");
    run_input(&t, MQ_BOOL, "2,1", BOOLS(1, 0), false);
    run_f32(&t, "3", F32(1, 2, NAN));
    run_f32(&t, "", F32(-5));
    run_node(&t, 1);
    assert_true(run_is_f32(&t, 0, "2,3", F32(1, 2, NAN, -5, -5, -5), 0));
    run_close(&t);
}

static void test_shift_by_nonsense(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "", "BitShift");
    assert_int_equal(mq_node_set_attr_string(t.node, "direction", "RIGHT", NULL), MQ_OK);
    run_input(&t, MQ_INT32, "4", I32(-8, -8, -8, 8), false);
    run_input(&t, MQ_INT32, "4", I32(1, 99, INT32_MIN, -1), false);
    run_node(&t, 1);
    assert_true(run_is(&t, 0, MQ_INT32, "4", I32(-4, -1, -1, 0)));
    run_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comparisons_with_nan_are_false),
        cmocka_unit_test(test_any_byte_is_true),
        cmocka_unit_test(test_where_over_and_under),
        cmocka_unit_test(test_shift_by_nonsense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
