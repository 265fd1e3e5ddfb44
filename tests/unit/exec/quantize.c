/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* QuantizeLinear and DequantizeLinear: edges that the ONNX node tests leave out. com.microsoft's QLinear operators: where
 * a half falls; the numbers are ONNX Runtime's. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "lib/rng.h"
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
    run_open(&t, "", "DynamicQuantizeLinear"); /* no range: the scale is 1, as in ONNX Runtime */
    run_f32(&t, "2", F32(0, 0));
    run_node(&t, 3);
    assert_true(run_is_f32(&t, 1, "", F32(1), 0));
    run_close(&t);
    run_open(&t, "", "DynamicQuantizeLinear");
    run_f32(&t, "4", F32(-1, NAN, 0, 1.55f));
    run_node(&t, 3);
    assert_true(run_is_f32(&t, 1, "", F32(0.01f), 1e-7f));
    assert_true(run_is(&t, 2, MQ_UINT8, "", U8(100)));
    assert_true(run_is(&t, 0, MQ_UINT8, "4", U8(0, 0, 100, 255)));
    run_close(&t);
}

/* A quantized input: codes, scale, zero point. */
static void run_codes(run_one *t, const char *dims, const uint8_t *codes, float scale, uint8_t zero)
{
    run_input(t, MQ_UINT8, dims, codes, false);
    run_f32(t, "", &scale);
    run_input(t, MQ_UINT8, "", &zero, false);
}

static void run_grid(run_one *t, float scale, uint8_t zero)
{
    run_f32(t, "", &scale);
    run_input(t, MQ_UINT8, "", &zero, false);
}

/* The zero point is in the sum that is rounded: a half above 3 is 3.5, which goes to 4. */
static void test_sum_of_halves(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "com.microsoft", "QLinearAdd");
    run_codes(&t, "6", U8(10, 11, 12, 13, 200, 0), 0.25f, 10);
    run_codes(&t, "6", U8(20, 20, 20, 20, 255, 0), 0.25f, 20);
    run_grid(&t, 0.5f, 3);
    run_node(&t, 1);
    assert_true(run_is(&t, 0, MQ_UINT8, "6", U8(3, 4, 4, 4, 216, 0)));
    run_close(&t);
}

static void test_product_of_halves(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "com.microsoft", "QLinearMul");
    run_codes(&t, "2,3", U8(10, 11, 12, 13, 9, 255), 0.5f, 10);
    run_codes(&t, "1", U8(22), 0.5f, 21);
    run_grid(&t, 0.5f, 3);
    run_node(&t, 1);
    assert_true(run_is(&t, 0, MQ_UINT8, "2,3", U8(3, 4, 4, 4, 2, 126)));
    run_close(&t);
}

/* Averages: of a window like a sum, of the whole image before the zero point is added. */
static void test_average_of_halves(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "com.microsoft", "QLinearAveragePool");
    assert_int_equal(mq_node_set_attr_ints(t.node, "kernel_shape", (const int64_t[]){ 2 }, 1, NULL), MQ_OK);
    run_codes(&t, "1,1,4", U8(3, 4, 5, 6), 0.5f, 3);
    run_grid(&t, 0.5f, 3);
    run_node(&t, 1);
    assert_true(run_is(&t, 0, MQ_UINT8, "1,1,3", U8(4, 4, 6)));
    run_close(&t);

    run_open(&t, "com.microsoft", "QLinearAveragePool");
    assert_int_equal(mq_node_set_attr_ints(t.node, "kernel_shape", (const int64_t[]){ 2 }, 1, NULL), MQ_OK);
    run_codes(&t, "1,3,2", U8(3, 4, 4, 5, 5, 6), 0.5f, 3);
    run_grid(&t, 0.5f, 3);
    run_node(&t, 1);
    assert_true(run_is(&t, 0, MQ_UINT8, "1,3,1", U8(3, 5, 5)));
    run_close(&t);
}

static void test_global_average_of_halves(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "com.microsoft", "QLinearGlobalAveragePool");
    assert_int_equal(mq_node_set_attr_int(t.node, "channels_last", 1, NULL), MQ_OK);
    run_codes(&t, "1,2,3", U8(3, 4, 5, 4, 5, 6), 0.5f, 3);
    run_grid(&t, 0.5f, 3);
    run_node(&t, 1);
    assert_true(run_is(&t, 0, MQ_UINT8, "1,1,3", U8(3, 5, 5)));
    run_close(&t);
}

/* 1 in steps of the result is a whole number: 254 where the scale is a little over 1 / 255. */
static void test_softmax_of_codes(void **state)
{
    run_one t;

    (void)state;
    for (int by_row = 0; by_row < 2; by_row++) {
        run_open(&t, "com.microsoft", "QLinearSoftmax");
        assert_int_equal(mq_node_set_attr_int(t.node, "axis", by_row, NULL), MQ_OK);
        assert_int_equal(mq_node_set_attr_int(t.node, "opset", 13, NULL), MQ_OK);
        run_codes(&t, "2,2", by_row ? U8(0, 255, 100, 100) : U8(0, 100, 255, 100), 0.1f, 7);
        run_grid(&t, 0.003921569f, 0);
        run_node(&t, 1);
        assert_true(run_is(&t, 0, MQ_UINT8, "2,2", by_row ? U8(0, 254, 127, 127) : U8(0, 127, 254, 127)));
        run_close(&t);
    }
}

/* Rows side by side give what each gives alone: along the other axis, where they are taken one by one. */
static void test_softmax_of_rows(void **state)
{
    enum { HEIGHT = 19, WIDTH = 300 };
    static uint8_t codes[2][HEIGHT * WIDTH], got[2][HEIGHT * WIDTH];
    uint64_t seed = 1;

    (void)state;
    for (int type = MQ_UINT8; type <= MQ_INT8; type++) {
        for (int i = 0; i < HEIGHT * WIDTH; i++) {
            codes[0][i] = (uint8_t)rng_below(&seed, 256);
            codes[1][i % WIDTH * HEIGHT + i / WIDTH] = codes[0][i];
        }
        for (int turned = 0; turned < 2; turned++) {
            const float scale[2] = { 0.03f, 0.0005f };
            const uint8_t zero[2] = { 9, 3 };
            run_one t;

            run_open(&t, "com.microsoft", "QLinearSoftmax");
            assert_int_equal(mq_node_set_attr_int(t.node, "axis", !turned, NULL), MQ_OK);
            assert_int_equal(mq_node_set_attr_int(t.node, "opset", 13, NULL), MQ_OK);
            run_input(&t, (mq_dtype)type, turned ? "300,19" : "19,300", codes[turned], false);
            run_f32(&t, "", &scale[0]);
            run_input(&t, (mq_dtype)type, "", &zero[0], false);
            run_f32(&t, "", &scale[1]);
            run_input(&t, (mq_dtype)type, "", &zero[1], false);
            run_node(&t, 1);
            memcpy(got[turned], t.out[0]->data, sizeof got[turned]);
            run_close(&t);
        }
        for (int i = 0; i < HEIGHT * WIDTH; i++)
            assert_int_equal(got[0][i], got[1][i % WIDTH * HEIGHT + i / WIDTH]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_specials_saturate),
        cmocka_unit_test(test_scale_of_zero),
        cmocka_unit_test(test_blocks_of_int4),
        cmocka_unit_test(test_impossible_granularity),
        cmocka_unit_test(test_dynamic),
        cmocka_unit_test(test_sum_of_halves),
        cmocka_unit_test(test_product_of_halves),
        cmocka_unit_test(test_average_of_halves),
        cmocka_unit_test(test_global_average_of_halves),
        cmocka_unit_test(test_softmax_of_codes),
        cmocka_unit_test(test_softmax_of_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
