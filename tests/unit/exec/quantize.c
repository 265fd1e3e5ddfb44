/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* QuantizeLinear and DequantizeLinear: edges that the ONNX node tests leave out. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "lib/run_one.h"

#define F32(...) (const float[]){ __VA_ARGS__ }
#define U8(...) (const uint8_t[]){ __VA_ARGS__ }

static void test_specials_saturate(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "", "QuantizeLinear");
    run_f32(&t, "8", F32(NAN, INFINITY, -INFINITY, 0.5f, 1.5f, 2.5f, 1e30f, -3));
    run_f32(&t, "", F32(1));
    run_input(&t, MQ_UINT8, "", U8(10), false);
    run_node(&t, 1);
    assert_true(run_is(&t, 0, MQ_UINT8, "8", U8(0, 255, 0, 10, 12, 12, 255, 7)));
    run_close(&t);
}

static void test_scale_of_zero(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "", "QuantizeLinear");
    run_f32(&t, "3", F32(0, 1, -1));
    run_f32(&t, "", F32(0));
    run_input(&t, MQ_INT8, "", U8(0), false);
    run_node(&t, 1);
    assert_true(run_is(&t, 0, MQ_INT8, "3", (const int8_t[]){ -128, 127, -128 }));
    run_close(&t);
}

/* The last block of the axis is short; rows begin within a byte. */
static void test_blocks_of_int4(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "", "DequantizeLinear");
    assert_int_equal(mq_node_set_attr_int(t.node, "axis", -1, NULL), MQ_OK);
    assert_int_equal(mq_node_set_attr_int(t.node, "block_size", 2, NULL), MQ_OK);
    run_input(&t, MQ_INT4, "3,3", U8(0x21, 0xf3, 0x45, 0x86, 0x07), false);
    run_f32(&t, "3,2", F32(1, 10, 2, 20, 3, 30));
    run_node(&t, 1);
    assert_true(run_is_f32(&t, 0, "3,3", F32(1, 2, 30, -2, 10, 80, 18, -24, 210), 0));
    run_close(&t);
}

/* Shapes and attributes that cannot be. */
static void refuses(const char *op, const char *scale_dims, int64_t axis, int64_t block)
{
    static const float ones[64] = { 1 };
    run_one t;

    run_open(&t, "", op);
    assert_int_equal(mq_node_set_attr_int(t.node, "axis", axis, NULL), MQ_OK);
    assert_int_equal(mq_node_set_attr_int(t.node, "block_size", block, NULL), MQ_OK);
    if (*op == 'Q')
        run_f32(&t, "4,4", ones);
    else
        run_input(&t, MQ_UINT8, "4,4", ones, false);
    run_f32(&t, scale_dims, ones);
    assert_int_not_equal(run_try(&t, 1), MQ_OK);
    run_close(&t);
}

static void test_impossible_granularity(void **state)
{
    static const char *const ops[] = { "QuantizeLinear", "DequantizeLinear" };

    (void)state;
    for (int k = 0; k < 2; k++) {
        refuses(ops[k], "3", 1, 0);
        refuses(ops[k], "4", 2, 0);
        refuses(ops[k], "4", INT64_MIN, 0);
        refuses(ops[k], "4,4", 1, 0);
        refuses(ops[k], "4,2", 1, -1);
        refuses(ops[k], "4,2", 1, INT64_MAX);
        refuses(ops[k], "4,2", 1, 1);
        refuses(ops[k], "2,4", 1, 2);
        refuses(ops[k], "0", 1, 0);
    }
}

static void test_dynamic(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "", "DynamicQuantizeLinear");
    run_f32(&t, "0", NULL);
    run_node(&t, 3);
    assert_true(run_has_shape(&t, 0, MQ_UINT8, "0") && run_has_shape(&t, 1, MQ_FLOAT, ""));
    assert_true(run_is(&t, 2, MQ_UINT8, "", U8(0)));
    run_close(&t);
    run_open(&t, "", "DynamicQuantizeLinear");
    run_f32(&t, "4", F32(-1, NAN, 0, 1.55f));
    run_node(&t, 3);
    assert_true(run_is_f32(&t, 1, "", F32(0.01f), 1e-7f));
    assert_true(run_is(&t, 2, MQ_UINT8, "", U8(100)));
    assert_true(run_is(&t, 0, MQ_UINT8, "4", U8(0, 0, 100, 255)));
    run_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_specials_saturate),
        cmocka_unit_test(test_scale_of_zero),
        cmocka_unit_test(test_blocks_of_int4),
        cmocka_unit_test(test_impossible_granularity),
        cmocka_unit_test(test_dynamic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
