/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/passes/qdq.c: what is read as quantization, and integers by it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"
#include "passes/qdq.h"
#include "qdq_make.h"

static mq_qdq read_it(const char *name)
{
    mq_qdq q;

    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    assert_true(mq_qdq_made(mq_graph_find(g, name), &q));
    return q;
}

static bool is_read(const char *name)
{
    mq_qdq q;

    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    return mq_qdq_made(mq_graph_find(g, name), &q);
}

static void one_scale(void **state)
{
    mq_qdq q;

    (void)state;
    make_quantized("x", MQ_UINT8, "N,4", 0.5f, 7);
    q = read_it("x");
    assert_true(q.one && q.s == 0.5f && q.z == 7 && q.block == 0);
    assert_int_equal(q.dtype, MQ_UINT8);
    assert_int_equal(q.type, MQ_FLOAT);
    assert_string_equal(q.real->name, "x");
    assert_string_equal(q.codes->name, "x_q");
    assert_true(mq_qdq_is_i8(&q));
    assert_false(mq_qdq_quantize(q.node, &q));
}

static void a_scale_per_channel(void **state)
{
    mq_qdq q;

    (void)state;
    make_weights("w", MQ_INT8, "6,4", "4", 1);
    q = read_it("w");
    assert_false(q.one || mq_qdq_is_i8(&q) || mq_qdq_equal(&q, &q));
    assert_int_equal(q.axis, 1);
    assert_null(q.zero);
}

static void quantizing_is_read(void **state)
{
    mq_qdq q;

    (void)state;
    make_input(g, "f", MQ_FLOAT, "N,4");
    make_parameters("y", MQ_INT8, 0.25f, -3);
    quantize("f", "y", "y");
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    assert_true(mq_qdq_quantize(g->first, &q));
    assert_true(q.one && q.s == 0.25f && q.z == -3);
    assert_string_equal(q.real->name, "f");
    assert_string_equal(q.codes->name, "y");
    node_int(g->first, "precision", MQ_FLOAT16);
    assert_false(mq_qdq_quantize(g->first, &q));
}

/* Integers would not keep their order, or not come back. */
static void scales_that_are_not_read(void **state)
{
    const float bad[] = { 0, -1, 1e-40f, INFINITY, NAN, 1e31f };

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(bad); i++) {
        char name[8] = { 'x', (char)('0' + i), 0 };

        make_quantized(name, MQ_INT8, "N,4", bad[i], 0);
        assert_false(is_read(name));
    }
}

static void parameters_that_are_not_read(void **state)
{
    (void)state;
    make_input(g, "codes", MQ_INT8, "N,4");
    make_input(g, "wide", MQ_INT32, "N,4");
    make_input(g, "fed", MQ_FLOAT, "");
    make_float("s", 1);
    make_byte("z", MQ_INT8, 0);
    make_byte("other", MQ_UINT8, 0);
    make_random("many", MQ_INT8, "4");
    make_node(g, "DequantizeLinear", "codes,fed", "a"); /* no constant */
    make_node(g, "DequantizeLinear", "wide,s", "b");    /* int32 */
    make_node(g, "DequantizeLinear", "codes,s,other", "c");
    make_node(g, "DequantizeLinear", "codes,s,many", "d");
    make_node(g, "DequantizeLinear", "codes,s,z", "e");
    assert_false(is_read("a"));
    assert_false(is_read("b"));
    assert_false(is_read("c"));
    assert_false(is_read("d"));
    assert_true(is_read("e"));
    assert_false(is_read("codes"));
}

static void equal_ones(void **state)
{
    mq_qdq a, b;

    (void)state;
    make_quantized("a", MQ_INT8, "N,4", 0.5f, 1);
    make_quantized("b", MQ_INT8, "N,4", 0.5f, 1);
    make_quantized("c", MQ_INT8, "N,4", 0.5f, 2);
    make_quantized("d", MQ_UINT8, "N,4", 0.5f, 1);
    a = read_it("a");
    b = read_it("b");
    assert_true(mq_qdq_equal(&a, &b));
    b = read_it("c");
    assert_false(mq_qdq_equal(&a, &b));
    b = read_it("d");
    assert_false(mq_qdq_equal(&a, &b));
}

static void ranges_and_codes(void **state)
{
    static const struct {
        mq_dtype type;
        int64_t low, high;
    } ranges[] = { { MQ_INT2, -2, 1 },      { MQ_UINT2, 0, 3 },     { MQ_INT4, -8, 7 },        { MQ_UINT4, 0, 15 },
                   { MQ_INT8, -128, 127 }, { MQ_UINT8, 0, 255 },   { MQ_INT16, -32768, 32767 }, { MQ_UINT16, 0, 65535 } };
    const mq_qdq q = { .dtype = MQ_INT8, .one = true, .s = 0.5f, .z = 10 };

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(ranges); i++) {
        int64_t low, high;

        mq_qdq_range(ranges[i].type, &low, &high);
        assert_int_equal(low, ranges[i].low);
        assert_int_equal(high, ranges[i].high);
    }
    assert_int_equal(mq_qdq_code(&q, 0), 10);
    assert_int_equal(mq_qdq_code(&q, 0.25), 10); /* half to even */
    assert_int_equal(mq_qdq_code(&q, 0.75), 12);
    assert_int_equal(mq_qdq_code(&q, -0.75), 8);
    assert_int_equal(mq_qdq_code(&q, 1e9), 127);
    assert_int_equal(mq_qdq_code(&q, -1e9), -128);
    assert_int_equal(mq_qdq_code(&q, (double)NAN), -128);
}

/* Scalars for operators that want them, made where the model has something else. */
static void as_inputs(void **state)
{
    const float s = 0.5f;
    const int8_t z = -3;
    mq_value *scale, *zero;
    double number;
    mq_qdq q;

    (void)state;
    make_input(g, "codes", MQ_INT8, "N,4");
    make_init(g, "s", MQ_FLOAT, "1", &s);
    make_init(g, "z", MQ_INT8, "1", &z);
    make_node(g, "DequantizeLinear", "codes,s,z", "a");
    make_node(g, "DequantizeLinear", "codes,s", "b");
    q = read_it("a");
    assert_int_equal(mq_qdq_scale(g, &q, &scale, NULL), MQ_OK);
    assert_int_equal(mq_qdq_zero(g, &q, &zero, NULL), MQ_OK);
    assert_int_equal(mq_value_rank(scale), 0);
    assert_int_equal(mq_value_rank(zero), 0);
    assert_true(mq_constant_number(scale, &number) && number == 0.5);
    assert_true(mq_constant_number(zero, &number) && number == -3);
    assert_int_equal(mq_value_dtype(zero), MQ_INT8);
    q = read_it("b");
    assert_int_equal(mq_qdq_zero(g, &q, &zero, NULL), MQ_OK);
    assert_true(mq_constant_number(zero, &number) && number == 0);
    make_weights("w", MQ_UINT8, "6,4", "4", 1); /* zeros per channel */
    q = read_it("w");
    assert_int_equal(mq_qdq_zero(g, &q, &zero, NULL), MQ_OK);
    assert_int_equal(mq_value_rank(zero), 1);
    assert_int_equal(mq_value_dtype(zero), MQ_UINT8);
    assert_int_equal(mq_value_dim(zero, 0).value, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(one_scale),
        ON_MODEL(a_scale_per_channel),
        ON_MODEL(quantizing_is_read),
        ON_MODEL(scales_that_are_not_read),
        ON_MODEL(parameters_that_are_not_read),
        ON_MODEL(equal_ones),
        ON_MODEL(ranges_and_codes),
        ON_MODEL(as_inputs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
