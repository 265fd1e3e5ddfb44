/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"
#include "qdq_make.h"

extern const mq_pass mq_pass_fuse_qdq;

/* Integers: one step. Floats (outputs that are not quantized): rounding of sums. */
#define STEP 1
#define ROUNDING 1e-5

static void end(const char *f, mq_dtype dtype, float scale, int zero)
{
    make_parameters("y", dtype, scale, zero);
    quantize(f, "y_q", "y");
    make_output(g, "y_q");
}

static void conv_becomes(mq_dtype x, mq_dtype w, const char *channels, const char *bias, const char *ops)
{
    make_quantized("x", x, "N,4,6,6", 0.02f, x == MQ_UINT8 ? 120 : -3);
    make_weights("w", w, "6,2,3,3", channels, 0);
    if (*bias)
        make_random(bias, MQ_FLOAT, "6");
    node_ints(node_int(make_node(g, "Conv", *bias ? "x,w,b" : "x,w", "t"), "group", 2), "pads", "1,1,1,1");
    end("t", x, 0.5f, x == MQ_UINT8 ? 127 : 2);
    pass_becomes(&mq_pass_fuse_qdq, ops, STEP);
}

static void conv_u8s8(void **state)
{
    (void)state;
    conv_becomes(MQ_UINT8, MQ_INT8, "", "", "QLinearConv");
}

static void conv_u8u8(void **state)
{
    (void)state;
    conv_becomes(MQ_UINT8, MQ_UINT8, "", "b", "QLinearConv");
}

static void conv_s8s8_by_channel(void **state)
{
    (void)state;
    conv_becomes(MQ_INT8, MQ_INT8, "6", "b", "QLinearConv");
}

static void conv_with_quantized_bias(void **state)
{
    float step[6];

    (void)state;
    make_quantized("x", MQ_UINT8, "1,4,6,6", 0.02f, 128);
    make_weights("w", MQ_INT8, "6,4,3,3", "6", 0);
    for (int i = 0; i < 6; i++)
        step[i] = 0.02f * ((const float *)mq_graph_find(g, "w_s")->init->data)[i];
    make_random("b_q", MQ_INT32, "6");
    make_init(g, "b_s", MQ_FLOAT, "6", step);
    node_int(make_node(g, "DequantizeLinear", "b_q,b_s", "b"), "axis", 0);
    make_node(g, "Conv", "x,w,b", "t");
    end("t", MQ_UINT8, 0.7f, 128);
    pass_becomes(&mq_pass_fuse_qdq, "QLinearConv", STEP);
    assert_int_equal(((const int32_t *)g->first->inputs[8]->init->data)[5],
                     ((const int32_t *)mq_graph_find(g, "b_q")->init->data)[5]);
}

/* Channels without weights have tiny scales: their bias takes many steps. */
static void conv_with_a_dead_channel(void **state)
{
    float scale[6] = { 0.01f, 0.02f, 1e-11f, 0.01f, 0.03f, 0.01f };

    (void)state;
    make_quantized("x", MQ_UINT8, "1,4,6,6", 0.02f, 128);
    make_random("w_q", MQ_INT8, "6,4,3,3");
    make_init(g, "w_s", MQ_FLOAT, "6", scale);
    node_int(make_node(g, "DequantizeLinear", "w_q,w_s", "w"), "axis", 0);
    make_random("b", MQ_FLOAT, "6");
    make_node(g, "Conv", "x,w,b", "t");
    end("t", MQ_UINT8, 0.7f, 128);
    pass_becomes(&mq_pass_fuse_qdq, "QLinearConv", STEP);
}

/* Channels of zeros may have any scale: here one in which the bias is too coarse. */
static void conv_with_a_channel_of_zeros(void **state)
{
    float scale[6] = { 0.01f, 0.02f, 1, 0.01f, 0.03f, 0.01f };
    uint8_t *codes;

    (void)state;
    make_quantized("x", MQ_UINT8, "1,4,6,6", 0.02f, 128);
    codes = mq_arena_memdup(m->arena, make_random("w_q", MQ_INT8, "6,4,3,3")->init->data, 216);
    memset(codes + 72, 0, 36);
    mq_graph_find(g, "w_q")->init->data = codes;
    make_init(g, "w_s", MQ_FLOAT, "6", scale);
    node_int(make_node(g, "DequantizeLinear", "w_q,w_s", "w"), "axis", 0);
    make_random("b", MQ_FLOAT, "6");
    make_node(g, "Conv", "x,w,b", "t");
    end("t", MQ_UINT8, 0.02f, 128);
    pass_becomes(&mq_pass_fuse_qdq, "QLinearConv", STEP);
}

static void relu_is_absorbed(void **state)
{
    (void)state;
    make_quantized("x", MQ_UINT8, "1,4,6,6", 0.02f, 128);
    make_weights("w", MQ_INT8, "6,4,3,3", "6", 0);
    make_node(g, "Conv", "x,w", "t");
    make_node(g, "Relu", "t", "u");
    end("u", MQ_UINT8, 0.5f, 0);
    pass_becomes(&mq_pass_fuse_qdq, "QLinearConv", STEP);
}

static void relu_becomes_a_bound(void **state)
{
    (void)state;
    make_quantized("x", MQ_INT8, "1,4,6,6", 0.02f, 0);
    make_weights("w", MQ_INT8, "6,4,3,3", "6", 0);
    make_node(g, "Conv", "x,w", "t");
    make_node(g, "Relu", "t", "u");
    end("u", MQ_INT8, 0.5f, 0);
    pass_becomes(&mq_pass_fuse_qdq, "QLinearConv Clip", STEP);
}

static void clip_keeps_what_it_cuts(void **state)
{
    (void)state;
    make_quantized("x", MQ_UINT8, "1,4,6,6", 0.02f, 128);
    make_weights("w", MQ_INT8, "6,4,3,3", "6", 0);
    make_float("low", 0);
    make_float("high", 6);
    make_node(g, "Conv", "x,w", "t");
    make_node(g, "Clip", "t,low,high", "u");
    make_node(g, "Relu", "u", "v");
    end("v", MQ_UINT8, 0.1f, 0);
    pass_becomes(&mq_pass_fuse_qdq, "QLinearConv Clip", STEP);
    assert_null(g->last->inputs[1]);
    assert_int_equal(*(const uint8_t *)g->last->inputs[2]->init->data, 60);
}

static void matmul_of_activations(void **state)
{
    (void)state;
    make_quantized("a", MQ_UINT8, "N,2,3,5", 0.02f, 128);
    make_quantized("b", MQ_UINT8, "N,2,5,4", 0.03f, 100);
    make_node(g, "MatMul", "a,b", "t");
    end("t", MQ_UINT8, 0.2f, 128);
    pass_becomes(&mq_pass_fuse_qdq, "QLinearMatMul", STEP);
}

/* ONNX Runtime has no kernel of these types: a file keeps them apart, here they are one. */
static void matmul_of_int8_by_uint8(void **state)
{
    (void)state;
    make_quantized("a", MQ_INT8, "N,2,3,5", 0.02f, 3);
    make_quantized("b", MQ_UINT8, "N,2,5,4", 0.03f, 100);
    make_node(g, "MatMul", "a,b", "t");
    end("t", MQ_UINT8, 0.2f, 128);
    assert_int_equal(pass_apply(&mq_pass_fuse_qdq, &(mq_pass_ctx){ .for_file = true }), 0);
    pass_becomes(&mq_pass_fuse_qdq, "QLinearMatMul", STEP);
}

static void matmul_by_column(void **state)
{
    (void)state;
    make_quantized("a", MQ_INT8, "N,3,5", 0.02f, 4);
    make_weights("w", MQ_INT8, "5,4", "4", 1);
    make_node(g, "MatMul", "a,w", "t");
    end("t", MQ_INT8, 0.2f, 3);
    pass_becomes(&mq_pass_fuse_qdq, "QLinearMatMul", STEP);
}

static void matmul_to_float(void **state)
{
    (void)state;
    make_quantized("a", MQ_UINT8, "N,3,5", 0.02f, 4);
    make_weights("w", MQ_INT8, "5,4", "4", 1);
    make_node(g, "MatMul", "a,w", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_qdq, "MatMulIntegerToFloat", ROUNDING);
}

static void gemm(void **state)
{
    (void)state;
    make_quantized("a", MQ_UINT8, "N,5", 0.02f, 4);
    make_weights("w", MQ_INT8, "4,5", "4", 0);
    make_random("b", MQ_FLOAT, "4");
    node_float(node_float(node_int(make_node(g, "Gemm", "a,w,b", "t"), "transB", 1), "beta", 2), "alpha", 0.5f);
    end("t", MQ_UINT8, 0.1f, 128);
    pass_becomes(&mq_pass_fuse_qdq, "QGemm", STEP);
}

static void gemm_to_float(void **state)
{
    (void)state;
    make_quantized("a", MQ_UINT8, "N,5", 0.02f, 4);
    make_weights("w", MQ_INT8, "5,4", "4", 1);
    make_random("b", MQ_FLOAT, "4");
    make_node(g, "Gemm", "a,w,b", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_qdq, "QGemm", 1e-3); /* the bias is rounded to steps of a_scale * w_scale */
}

static void pairs(void **state)
{
    static const char *const ops[][2] = { { "Add", "QLinearAdd" }, { "Mul", "QLinearMul" } };

    for (size_t i = 0; i < 2; i++) {
        pass_setup(state);
        make_quantized("a", MQ_UINT8, "N,4,5", 0.02f, 100);
        make_quantized("b", MQ_UINT8, "4,1", 0.03f, 130);
        make_node(g, ops[i][0], "a,b", "t");
        end("t", MQ_UINT8, 0.06f, 120);
        pass_becomes(&mq_pass_fuse_qdq, ops[i][1], STEP);
        pass_teardown(state);
    }
}

static void concat(void **state)
{
    (void)state;
    make_quantized("a", MQ_INT8, "N,4,5", 0.02f, 10);
    make_quantized("b", MQ_INT8, "N,2,5", 0.03f, -7);
    node_int(make_node(g, "Concat", "a,b", "t"), "axis", 1);
    end("t", MQ_INT8, 0.03f, 0);
    pass_becomes(&mq_pass_fuse_qdq, "QLinearConcat", STEP);
}

static void ones_in_one_out(void **state)
{
    static const struct {
        const char *op, *made;
    } ops[] = { { "Sigmoid", "QLinearSigmoid" }, { "LeakyRelu", "QLinearLeakyRelu" }, { "Softmax", "QLinearSoftmax" },
                { "GlobalAveragePool", "QLinearGlobalAveragePool" }, { "AveragePool", "QLinearAveragePool" } };

    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        mq_node *n;

        pass_setup(state);
        make_quantized("x", MQ_UINT8, "N,3,6,6", 0.05f, 100);
        n = make_node(g, ops[i].op, "x", "t");
        if (strcmp(ops[i].op, "AveragePool") == 0)
            node_ints(n, "kernel_shape", "2,3");
        end("t", MQ_UINT8, 0.04f, 10);
        pass_becomes(&mq_pass_fuse_qdq, ops[i].made, STEP);
        pass_teardown(state);
    }
}

static void mean_over_the_image(void **state)
{
    (void)state;
    make_quantized("x", MQ_UINT8, "N,3,6,6", 0.05f, 100);
    make_longs("axes", "2", (const int64_t[]){ -1, 2 });
    node_int(make_node(g, "ReduceMean", "x,axes", "t"), "keepdims", 0);
    end("t", MQ_UINT8, 0.04f, 10);
    pass_becomes(&mq_pass_fuse_qdq, "QLinearGlobalAveragePool Flatten", STEP);
}

/* Others may read what DequantizeLinear and QuantizeLinear give. */
static void shared_ends(void **state)
{
    (void)state;
    make_quantized("x", MQ_UINT8, "N,3,6,6", 0.05f, 100);
    make_node(g, "Sigmoid", "x", "t");
    make_node(g, "Exp", "x", "e");
    make_output(g, "e");
    end("t", MQ_UINT8, 0.04f, 10);
    dequantize("y_q", "y", "y");
    make_node(g, "Neg", "y", "z");
    make_output(g, "z");
    pass_becomes(&mq_pass_fuse_qdq, "DequantizeLinear Exp QLinearSigmoid DequantizeLinear Neg", STEP);
}

static void not_fused_with_another_reader(void **state)
{
    (void)state;
    make_quantized("x", MQ_UINT8, "N,3,6,6", 0.05f, 100);
    make_node(g, "Sigmoid", "x", "t");
    make_output(g, "t");
    end("t", MQ_UINT8, 0.04f, 10);
    pass_leaves(&mq_pass_fuse_qdq);
}

static void not_fused_when_types_differ(void **state)
{
    (void)state;
    make_quantized("a", MQ_UINT8, "N,4", 0.02f, 100);
    make_quantized("b", MQ_INT8, "N,4", 0.03f, 0);
    make_node(g, "Add", "a,b", "t");
    end("t", MQ_UINT8, 0.06f, 120);
    pass_leaves(&mq_pass_fuse_qdq);
}

static void not_fused_when_the_bias_is_finer(void **state)
{
    (void)state;
    make_quantized("x", MQ_UINT8, "1,4,6,6", 2.0f, 128);
    make_weights("w", MQ_INT8, "6,4,3,3", "6", 0);
    make_random("b", MQ_FLOAT, "6");
    make_node(g, "Conv", "x,w,b", "t");
    end("t", MQ_UINT8, 0.001f, 128);
    pass_leaves(&mq_pass_fuse_qdq);
}

static void not_fused_when_scales_vary(void **state)
{
    (void)state;
    make_input(g, "y_s", MQ_FLOAT, "");
    make_byte("y_z", MQ_UINT8, 0);
    make_quantized("x", MQ_UINT8, "N,4", 0.05f, 100);
    make_node(g, "Sigmoid", "x", "t");
    quantize("t", "y_q", "y");
    make_output(g, "y_q");
    pass_leaves(&mq_pass_fuse_qdq);
}

static void not_fused_with_weights_along_the_inner_axis(void **state)
{
    (void)state;
    make_quantized("a", MQ_INT8, "N,5", 0.02f, 4);
    make_weights("w", MQ_INT8, "5,4", "5", 0);
    make_node(g, "MatMul", "a,w", "t");
    end("t", MQ_INT8, 0.2f, 3);
    pass_leaves(&mq_pass_fuse_qdq);
}

static void not_fused_with_holes_in_the_window(void **state)
{
    (void)state;
    make_quantized("x", MQ_UINT8, "N,3,6,6", 0.05f, 100);
    node_ints(node_ints(make_node(g, "AveragePool", "x", "t"), "kernel_shape", "2,2"), "dilations", "2,2");
    end("t", MQ_UINT8, 0.04f, 10);
    pass_leaves(&mq_pass_fuse_qdq);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(conv_u8s8),
        ON_MODEL(conv_u8u8),
        ON_MODEL(conv_s8s8_by_channel),
        ON_MODEL(conv_with_quantized_bias),
        ON_MODEL(conv_with_a_dead_channel),
        ON_MODEL(conv_with_a_channel_of_zeros),
        ON_MODEL(relu_is_absorbed),
        ON_MODEL(relu_becomes_a_bound),
        ON_MODEL(clip_keeps_what_it_cuts),
        ON_MODEL(matmul_of_activations),
        ON_MODEL(matmul_of_int8_by_uint8),
        ON_MODEL(matmul_by_column),
        ON_MODEL(matmul_to_float),
        ON_MODEL(gemm),
        ON_MODEL(gemm_to_float),
        cmocka_unit_test(pairs),
        ON_MODEL(concat),
        cmocka_unit_test(ones_in_one_out),
        ON_MODEL(mean_over_the_image),
        ON_MODEL(shared_ends),
        ON_MODEL(not_fused_with_another_reader),
        ON_MODEL(not_fused_when_types_differ),
        ON_MODEL(not_fused_when_the_bias_is_finer),
        ON_MODEL(not_fused_when_scales_vary),
        ON_MODEL(not_fused_with_weights_along_the_inner_axis),
        ON_MODEL(not_fused_with_holes_in_the_window),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
