/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/dynamic.c: the graph with integer products, as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "quant_make.h"

static int setup(void **state)
{
    quant_setup(state);
    opts.mode = MQ_MODE_DYNAMIC;
    return 0;
}

/* Two products of one activation share its integers. */
static void test_products(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,64");
    make_weight(g, "w1", "64,40");
    make_weight(g, "w2", "64,50");
    make_node(g, "MatMul", "x,w1", "y");
    make_node(g, "MatMul", "x,w2", "z");
    make_output(g, "y");
    make_output(g, "z");
    quant_becomes("input x float[N,64]\n"
                  "init w1_quantized int8[64,40]\n"
                  "init w1_scale float[40]\n"
                  "init w2_quantized int8[64,50]\n"
                  "init w2_scale float[50]\n"
                  "node 'x_DynamicQuantizeLinear' DynamicQuantizeLinear(x) -> x_quantized, x_scale, x_zero_point\n"
                  "node 'y_MatMulInteger' MatMulInteger(x_quantized, w1_quantized, x_zero_point) -> y_int32\n"
                  "node 'y_Cast' Cast(y_int32) -> y_sums to=1\n"
                  "node 'y_Mul' Mul(x_scale, w1_scale) -> y_factor\n"
                  "node 'y_Mul_1' Mul(y_sums, y_factor) -> y\n"
                  "node 'z_MatMulInteger' MatMulInteger(x_quantized, w2_quantized, x_zero_point) -> z_int32\n"
                  "node 'z_Cast' Cast(z_int32) -> z_sums to=1\n"
                  "node 'z_Mul' Mul(x_scale, w2_scale) -> z_factor\n"
                  "node 'z_Mul_1' Mul(z_sums, z_factor) -> z\n"
                  "output y ?\n"
                  "output z ?\n");
}

static void test_gemm(void **state)
{
    (void)state;
    opts.symmetric = MQ_CHOICE_NO;
    opts.type = "uint8";
    make_input(g, "x", MQ_FLOAT, "N,64");
    make_weight(g, "w", "40,64");
    make_weight(g, "c", "40");
    make_node_int(g, "Gemm", "x,w,c", "y", "transB", 1);
    make_output(g, "y");
    quant_becomes("input x float[N,64]\n"
                  "init c float[40]\n"
                  "init w_quantized uint8[64,40]\n"
                  "init w_scale float[40]\n"
                  "init w_zero_point uint8[40]\n"
                  "node 'x_DynamicQuantizeLinear' DynamicQuantizeLinear(x) -> x_quantized, x_scale, x_zero_point\n"
                  "node 'y_MatMulInteger' MatMulInteger(x_quantized, w_quantized, x_zero_point, w_zero_point) -> y_int32\n"
                  "node 'y_Cast' Cast(y_int32) -> y_sums to=1\n"
                  "node 'y_Mul' Mul(x_scale, w_scale) -> y_factor\n"
                  "node 'y_Mul_1' Mul(y_sums, y_factor) -> y_product\n"
                  "node 'y_Add' Add(y_product, c) -> y\n"
                  "output y ?\n");
}

static void test_conv(void **state)
{
    mq_node *n;

    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,8,16,16");
    make_weight(g, "w", "12,8,3,3");
    make_weight(g, "b", "12");
    n = make_node(g, "Conv", "x,w,b", "y");
    mq_node_set_attr_ints(n, "pads", (const int64_t[]){ 1, 1, 1, 1 }, 4, NULL);
    make_output(g, "y");
    quant_becomes("input x float[N,8,16,16]\n"
                  "init b float[12]\n"
                  "init w_quantized int8[12,8,3,3]\n"
                  "init w_scale float[12]\n"
                  "init y_bias_shape int64[3]\n"
                  "node 'x_DynamicQuantizeLinear' DynamicQuantizeLinear(x) -> x_quantized, x_scale, x_zero_point\n"
                  "node 'y_ConvInteger' ConvInteger(x_quantized, w_quantized, x_zero_point) -> y_int32 pads=[1,1,1,1]\n"
                  "node 'y_Mul' Mul(x_scale, w_scale) -> y_factor\n"
                  "node 'y_DequantizeLinear' DequantizeLinear(y_int32, y_factor) -> y_product axis=1\n"
                  "node 'y_Reshape' Reshape(b, y_bias_shape) -> y_bias\n"
                  "node 'y_Add' Add(y_product, y_bias) -> y\n"
                  "output y ?\n");
}

/* Before opset 13 DequantizeLinear has no axis; one scale needs none. */
static void test_conv_without_axis(void **state)
{
    (void)state;
    assert_int_equal(mq_opset_set(m, "", 12, NULL), MQ_OK);
    make_input(g, "x", MQ_FLOAT, "N,8,16,16");
    make_weight(g, "w", "12,8,3,3");
    make_node(g, "Conv", "x,w", "y");
    make_output(g, "y");
    quant_becomes("input x float[N,8,16,16]\n"
                  "init w_quantized int8[12,8,3,3]\n"
                  "init w_scale float[12,1,1]\n"
                  "node 'x_DynamicQuantizeLinear' DynamicQuantizeLinear(x) -> x_quantized, x_scale, x_zero_point\n"
                  "node 'y_ConvInteger' ConvInteger(x_quantized, w_quantized, x_zero_point) -> y_int32\n"
                  "node 'y_Cast' Cast(y_int32) -> y_sums to=1\n"
                  "node 'y_Mul' Mul(x_scale, w_scale) -> y_factor\n"
                  "node 'y_Mul_1' Mul(y_sums, y_factor) -> y\n"
                  "output y ?\n");
}

static void test_conv_per_tensor(void **state)
{
    (void)state;
    opts.per_tensor = true;
    make_input(g, "x", MQ_FLOAT, "N,8,16");
    make_weight(g, "w", "12,8,3");
    make_node(g, "Conv", "x,w", "y");
    make_output(g, "y");
    quant_becomes("input x float[N,8,16]\n"
                  "init w_quantized int8[12,8,3]\n"
                  "init w_scale float[]\n"
                  "node 'x_DynamicQuantizeLinear' DynamicQuantizeLinear(x) -> x_quantized, x_scale, x_zero_point\n"
                  "node 'y_ConvInteger' ConvInteger(x_quantized, w_quantized, x_zero_point) -> y_int32\n"
                  "node 'y_Cast' Cast(y_int32) -> y_sums to=1\n"
                  "node 'y_Mul' Mul(x_scale, w_scale) -> y_factor\n"
                  "node 'y_Mul_1' Mul(y_sums, y_factor) -> y\n"
                  "output y ?\n");
}

static void test_per_tensor(void **state)
{
    (void)state;
    opts.per_tensor = true;
    make_input(g, "x", MQ_FLOAT, "N,64");
    make_weight(g, "w", "64,40");
    make_node(g, "MatMul", "x,w", "y");
    make_output(g, "y");
    quant_becomes("input x float[N,64]\n"
                  "init w_quantized int8[64,40]\n"
                  "init w_scale float[]\n"
                  "node 'x_DynamicQuantizeLinear' DynamicQuantizeLinear(x) -> x_quantized, x_scale, x_zero_point\n"
                  "node 'y_MatMulInteger' MatMulInteger(x_quantized, w_quantized, x_zero_point) -> y_int32\n"
                  "node 'y_Cast' Cast(y_int32) -> y_sums to=1\n"
                  "node 'y_Mul' Mul(x_scale, w_scale) -> y_factor\n"
                  "node 'y_Mul_1' Mul(y_sums, y_factor) -> y\n"
                  "output y ?\n");
}

/* What has no integer product keeps its weight behind DequantizeLinear: a factor, a product from the left, 16 bits. */
static void test_what_does_not_fit(void **state)
{
    mq_node *n;

    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,64");
    make_weight(g, "scaled", "64,64");
    n = make_node(g, "Gemm", "x,scaled", "y");
    mq_node_set_attr_float(n, "alpha", 0.5f, NULL);
    make_weight(g, "left", "64,64");
    make_node(g, "MatMul", "left,y", "z");
    make_output(g, "z");
    quant_select();
    assert_string_equal(mq_treatment_name(quant_find("scaled")), "qdq-weight");
    assert_string_equal(mq_treatment_name(quant_find("left")), "qdq-weight");
    opts.type = "int16";
    quant_select();
    assert_string_equal(mq_treatment_name(quant_find("left")), "qdq-weight");
}

#define DYNAMIC(test) cmocka_unit_test_setup_teardown(test, setup, quant_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DYNAMIC(test_products), DYNAMIC(test_gemm), DYNAMIC(test_conv), DYNAMIC(test_conv_without_axis),
        DYNAMIC(test_conv_per_tensor), DYNAMIC(test_per_tensor), DYNAMIC(test_what_does_not_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
