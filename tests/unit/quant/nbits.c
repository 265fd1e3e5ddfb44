/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/nbits.c: the graph with the operators of com.microsoft, as text. */
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
    opts.format = MQ_FORMAT_NBITS;
    opts.type = opts.ends_type = "int4";
    make_input(g, "x", MQ_FLOAT, "N,70");
    return 0;
}

static void test_asymmetric(void **state)
{
    (void)state;
    opts.symmetric = MQ_CHOICE_NO;
    make_weight(g, "w", "70,40");
    make_node(g, "MatMul", "x,w", "y");
    make_output(g, "y");
    quant_becomes("opset com.microsoft 1\n"
                  "input x float[N,70]\n"
                  "init w_quantized uint8[40,3,16]\n" /* 70 is no multiple of 32 */
                  "init w_scale float[120]\n"
                  "init w_zero_point uint8[80]\n"
                  "node 'y_MatMulNBits' com.microsoft.MatMulNBits(x, w_quantized, w_scale, w_zero_point) -> y K=70 N=40 "
                  "bits=4 block_size=32 accuracy_level=4\n"
                  "output y ?\n");
}

static void test_symmetric(void **state)
{
    (void)state;
    opts.symmetric = MQ_CHOICE_YES;
    opts.block_size = 16;
    opts.accuracy_level = 0;
    make_weight(g, "w", "70,40");
    make_node(g, "MatMul", "x,w", "y");
    make_node(g, "MatMul", "x,w", "z"); /* one set of integers for both */
    make_output(g, "y");
    make_output(g, "z");
    quant_becomes("opset com.microsoft 1\n"
                  "input x float[N,70]\n"
                  "init w_quantized uint8[40,5,8]\n"
                  "init w_scale float[200]\n"
                  "node 'y_MatMulNBits' com.microsoft.MatMulNBits(x, w_quantized, w_scale) -> y K=70 N=40 bits=4 "
                  "block_size=16 accuracy_level=0\n"
                  "node 'z_MatMulNBits' com.microsoft.MatMulNBits(x, w_quantized, w_scale) -> z K=70 N=40 bits=4 "
                  "block_size=16 accuracy_level=0\n"
                  "output y ?\n"
                  "output z ?\n");
}

/* Without zero points, 128 is meant: 7 of 8 bits have 64. */
static void test_reduced_range(void **state)
{
    (void)state;
    opts.type = "int8";
    opts.symmetric = opts.reduce_range = MQ_CHOICE_YES;
    make_weight(g, "w", "70,40");
    make_node(g, "MatMul", "x,w", "y");
    make_output(g, "y");
    quant_becomes("opset com.microsoft 1\n"
                  "input x float[N,70]\n"
                  "init w_quantized uint8[40,3,32]\n"
                  "init w_scale float[120]\n"
                  "init w_zero_point uint8[120]\n"
                  "node 'y_MatMulNBits' com.microsoft.MatMulNBits(x, w_quantized, w_scale, w_zero_point) -> y K=70 N=40 "
                  "bits=8 block_size=32 accuracy_level=4\n"
                  "output y ?\n");
}

static void test_embedding(void **state)
{
    (void)state;
    opts.symmetric = MQ_CHOICE_NO;
    make_input(g, "ids", MQ_INT64, "N,S");
    make_weight(g, "table", "100,64");
    make_node(g, "Gather", "table,ids", "y");
    make_output(g, "y");
    quant_becomes("opset com.microsoft 1\n"
                  "input x float[N,70]\n"
                  "input ids int64[N,S]\n"
                  "init table_quantized int4[100,64]\n"
                  "init table_scale float[100,2]\n"
                  "init table_zero_point int4[100,2]\n"
                  "node 'y_GatherBlockQuantized' com.microsoft.GatherBlockQuantized(table_quantized, ids, table_scale, "
                  "table_zero_point) -> y gather_axis=0 quantize_axis=1 block_size=32\n"
                  "output y ?\n");
}

/* The table is also multiplied with, transposed. */
static void test_embedding_and_product(void **state)
{
    (void)state;
    opts.symmetric = MQ_CHOICE_NO;
    make_input(g, "ids", MQ_INT64, "N");
    make_weight(g, "table", "100,64");
    make_node(g, "Gather", "table,ids", "h");
    make_node(g, "Transpose", "table", "head");
    make_node(g, "MatMul", "h,head", "y");
    make_output(g, "y");
    quant_becomes("opset com.microsoft 1\n"
                  "input x float[N,70]\n"
                  "input ids int64[N]\n"
                  "init table_quantized int4[100,64]\n"
                  "init table_scale float[100,2]\n"
                  "init table_zero_point int4[100,2]\n"
                  "init head_quantized uint8[100,2,16]\n"
                  "init head_scale float[200]\n"
                  "init head_zero_point uint8[100]\n"
                  "node 'h_GatherBlockQuantized' com.microsoft.GatherBlockQuantized(table_quantized, ids, table_scale, "
                  "table_zero_point) -> h gather_axis=0 quantize_axis=1 block_size=32\n"
                  "node 'y_MatMulNBits' com.microsoft.MatMulNBits(h, head_quantized, head_scale, head_zero_point) -> y "
                  "K=64 N=100 bits=4 block_size=32 accuracy_level=4\n"
                  "output y ?\n");
}

/* Gemm adds its row; its weight may be stored by rows of outputs already. */
static void test_gemm(void **state)
{
    (void)state;
    opts.symmetric = MQ_CHOICE_YES;
    make_weight(g, "w", "40,70");
    make_weight(g, "b", "40");
    make_node(g, "Gemm", "x,w,b", "y");
    mq_node_set_attr_int(g->last, "transB", 1, NULL);
    make_weight(g, "w2", "40,48");
    make_node(g, "Gemm", "y,w2", "z");
    make_output(g, "z");
    quant_becomes("opset com.microsoft 1\n"
                  "input x float[N,70]\n"
                  "init b float[40]\n"
                  "init w_quantized uint8[40,3,16]\n"
                  "init w_scale float[120]\n"
                  "init w2_quantized uint8[48,2,16]\n"
                  "init w2_scale float[96]\n"
                  "node 'y_MatMulNBits' com.microsoft.MatMulNBits(x, w_quantized, w_scale, -, -, b) -> y K=70 N=40 bits=4 "
                  "block_size=32 accuracy_level=4\n"
                  "node 'z_MatMulNBits' com.microsoft.MatMulNBits(y, w2_quantized, w2_scale) -> z K=40 N=48 bits=4 "
                  "block_size=32 accuracy_level=4\n"
                  "output z ?\n");
}

/* A Gemm that does more than that. */
static void test_gemm_does_not_fit(void **state)
{
    static const char *const attrs[] = { "alpha", "beta", "transA" };

    (void)state;
    make_weight(g, "b", "70,40");
    make_input(g, "a", MQ_FLOAT, "70,70");
    make_weight(g, "w", "70,40");
    make_node(g, "Gemm", "a,w,b", "y"); /* not a row */
    make_output(g, "y");
    quant_select();
    assert_int_equal(quant_find("w")->treatment, MQ_TREAT_DEQUANTIZE);
    for (size_t i = 0; i < 3; i++) {
        char w[8] = "w0", y[8] = "y0";
        w[1] = y[1] = (char)('1' + i);
        make_weight(g, w, "70,40");
        make_node(g, "Gemm", (char[]){ 'a', ',', w[0], w[1], 0 }, y);
        assert_int_equal(i < 2 ? mq_node_set_attr_float(g->last, attrs[i], 2, NULL)
                               : mq_node_set_attr_int(g->last, attrs[i], 1, NULL), MQ_OK);
        make_output(g, y);
        quant_select();
        assert_int_equal(quant_find(w)->treatment, MQ_TREAT_DEQUANTIZE);
    }
}

/* What the operators cannot say becomes standard ONNX. */
static void test_what_does_not_fit(void **state)
{
    (void)state;
    opts.symmetric = MQ_CHOICE_YES;
    make_weight(g, "left", "40,64");
    make_input(g, "z", MQ_FLOAT, "64,N");
    make_node(g, "MatMul", "left,z", "y");
    make_weight(g, "gemm", "70,40");
    make_node(g, "Gemm", "x,gemm", "y2");
    mq_node_set_attr_float(g->last, "alpha", 2, NULL);
    make_output(g, "y");
    make_output(g, "y2");
    quant_becomes("input x float[N,70]\n"
                  "input z float[64,N]\n"
                  "init left_quantized int4[40,64]\n"
                  "init left_scale float[40,2]\n"
                  "init gemm_quantized int4[70,40]\n"
                  "init gemm_scale float[3,40]\n"
                  "node 'left_DequantizeLinear' DequantizeLinear(left_quantized, left_scale) -> left axis=1 block_size=32\n"
                  "node 'y' MatMul(left, z) -> y\n"
                  "node 'gemm_DequantizeLinear' DequantizeLinear(gemm_quantized, gemm_scale) -> gemm axis=0 block_size=32\n"
                  "node 'y2' Gemm(x, gemm) -> y2 alpha=2\n"
                  "output y ?\n"
                  "output y2 ?\n");
}

#define NBITS(test) cmocka_unit_test_setup_teardown(test, setup, quant_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NBITS(test_asymmetric), NBITS(test_symmetric),         NBITS(test_reduced_range),
        NBITS(test_embedding),  NBITS(test_what_does_not_fit),
        NBITS(test_embedding_and_product), NBITS(test_gemm),   NBITS(test_gemm_does_not_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
