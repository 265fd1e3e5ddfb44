/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Pooling, softmax, norms and attention: NaN, infinities, windows that see nothing, rows without a key. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/run_one.h"

#define F32(...) (const float[]){ __VA_ARGS__ }

/* Whoever looks for NaN finds it: ONNX Runtime keeps one or not, by its place in the window. */
static void test_nan_is_kept(void **state)
{
    static const char *const ops[] = { "GlobalMaxPool", "MaxPool" };
    run_one t;

    (void)state;
    for (int i = 0; i < 2; i++) {
        run_open(&t, "", ops[i]);
        t.reference = true;
        if (i == 1)
            assert_int_equal(mq_node_set_attr_ints(t.node, "kernel_shape", (int64_t[]){ 2, 2 }, 2, NULL), MQ_OK);
        run_f32(&t, "1,3,2,2", F32(1, NAN, 3, 4, NAN, NAN, NAN, NAN, -INFINITY, -1, -2, -3));
        run_node(&t, 1);
        assert_true(run_is_f32(&t, 0, "1,3,1,1", F32(NAN, NAN, -1), 0));
        run_close(&t);
    }
    run_open(&t, "", "MaxPool");
    t.reference = true;
    run_f32(&t, "1,1,4", F32(NAN, -INFINITY, 3, NAN));
    assert_int_equal(mq_node_set_attr_ints(t.node, "kernel_shape", (int64_t[]){ 2 }, 1, NULL), MQ_OK);
    run_node(&t, 1);
    assert_true(run_is_f32(&t, 0, "1,1,3", F32(NAN, 3, NAN), 0));
    run_close(&t);
}

/* The last window of ceil_mode reaches beyond the padding: that part never counts. */
static void test_average_counts(void **state)
{
    run_one t;

    (void)state;
    for (int pads = 0; pads < 2; pads++) {
        run_open(&t, "", "AveragePool");
        t.reference = true;
        run_f32(&t, "1,1,4", F32(1, 2, 3, 4));
        assert_int_equal(mq_node_set_attr_ints(t.node, "kernel_shape", (int64_t[]){ 3 }, 1, NULL), MQ_OK);
        assert_int_equal(mq_node_set_attr_ints(t.node, "strides", (int64_t[]){ 2 }, 1, NULL), MQ_OK);
        assert_int_equal(mq_node_set_attr_ints(t.node, "pads", (int64_t[]){ 1, 0 }, 2, NULL), MQ_OK);
        assert_int_equal(mq_node_set_attr_int(t.node, "ceil_mode", 1, NULL), MQ_OK);
        assert_int_equal(mq_node_set_attr_int(t.node, "count_include_pad", pads, NULL), MQ_OK);
        run_node(&t, 1);
        assert_true(run_is_f32(&t, 0, "1,1,2", pads ? F32(1, 3) : F32(1.5f, 3), 0));
        run_close(&t);
    }
}

static void test_huge_kernel(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "", "MaxPool");
    t.reference = true;
    run_f32(&t, "1,1,2", F32(1, 2));
    assert_int_equal(mq_node_set_attr_ints(t.node, "kernel_shape", (int64_t[]){ INT32_MAX }, 1, NULL), MQ_OK);
    assert_int_equal(mq_node_set_attr_ints(t.node, "pads", (int64_t[]){ INT32_MAX - 1, 0 }, 2, NULL), MQ_OK);
    run_node(&t, 1);
    assert_true(run_is_f32(&t, 0, "1,1,2", F32(1, 2), 0));
    run_close(&t);
}

static void test_softmax_edges(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "", "Softmax");
    t.reference = true;
    run_f32(&t, "3,2", F32(1000, 1000, -INFINITY, 0, NAN, 0));
    run_node(&t, 1);
    assert_true(run_is_f32(&t, 0, "3,2", F32(0.5f, 0.5f, 0, 1, NAN, NAN), 1e-7f));
    run_close(&t);
    run_open(&t, "", "LogSoftmax");
    t.reference = true;
    run_f32(&t, "0,3", NULL);
    run_node(&t, 1);
    assert_true(run_has_shape(&t, 0, MQ_FLOAT, "0,3"));
    run_close(&t);
    run_open(&t, "", "LogSoftmax"); /* of a sure answer: next to nothing, not the rounding of a logarithm */
    run_f32(&t, "2,2", F32(20, 0, 7, -INFINITY));
    run_node(&t, 1);
    assert_true(run_is_f32(&t, 0, "2,2", F32(-2e-9f, -20, 0, -INFINITY), 1e-8f));
    run_close(&t);
}

/* A query that sees no key gives zeros, whatever the values are. */
static void test_row_without_a_key(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "", "Attention");
    t.reference = true;
    run_f32(&t, "1,1,2,1", F32(1, 1));
    run_f32(&t, "1,1,2,1", F32(1, 1));
    run_f32(&t, "1,1,2,1", F32(5, 7));
    run_f32(&t, "2,2", F32(-INFINITY, -INFINITY, 0, -INFINITY));
    run_node(&t, 1);
    assert_true(run_is_f32(&t, 0, "1,1,2,1", F32(0, 5), 1e-6f));
    run_close(&t);
}

/* A zero vector has no direction. */
static void test_norm_of_zero(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "", "LpNormalization");
    t.reference = true;
    run_f32(&t, "2,2", F32(0, 0, 3, -4));
    run_node(&t, 1);
    assert_true(run_is_f32(&t, 0, "2,2", F32(0, 0, 0.6f, -0.8f), 1e-7f));
    run_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_average_counts),
        cmocka_unit_test(test_huge_kernel),
        cmocka_unit_test(test_nan_is_kept),
        cmocka_unit_test(test_softmax_edges),
        cmocka_unit_test(test_row_without_a_key),
        cmocka_unit_test(test_norm_of_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
