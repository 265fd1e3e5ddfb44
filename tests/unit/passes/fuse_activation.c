/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_fuse_activation;

#define TOLERANCE 1e-5

static void conv(const char *out, const char *weights)
{
    char in[20];

    if (!mq_graph_find(g, "x"))
        make_input(g, "x", MQ_FLOAT, "N,4,5,5");
    make_random(weights, MQ_FLOAT, "6,4,3,3");
    snprintf(in, sizeof in, "x,%s", weights);
    make_node(g, "Conv", in, out);
}

static void each_activation(void **state)
{
    static const char *const ops[] = { "Elu", "Gelu", "HardSigmoid", "LeakyRelu", "Relu", "Sigmoid", "Tanh" };

    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        pass_setup(state);
        conv("t", "w");
        make_node(g, ops[i], "t", "y");
        make_output(g, "y");
        pass_becomes(&mq_pass_fuse_activation, "FusedConv", TOLERANCE);
        assert_true(mq_node_attr_is(g->first, "activation", ops[i]));
        pass_teardown(state);
    }
}

static void clip_and_its_bounds(void **state)
{
    (void)state;
    conv("t", "w");
    make_float("low", -0.5f);
    make_float("high", 1.5f);
    make_node(g, "Clip", "t,low,high", "u");
    make_node(g, "Conv", "u,w2", "v");
    make_random("w2", MQ_FLOAT, "2,6,1,1");
    make_node(g, "Clip", "v,-,high", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_activation, "FusedConv FusedConv", TOLERANCE);
}

static void sum_and_relu(void **state)
{
    (void)state;
    conv("a", "w");
    conv("b", "w2");
    make_node(g, "Add", "b,a", "t");
    make_node(g, "Relu", "t", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_activation, "Conv FusedConv", TOLERANCE);
    assert_string_equal(g->last->inputs[1]->name, "w2"); /* the later one */
    assert_int_equal(g->last->n_inputs, 4);
}

static void sum_without_activation(void **state)
{
    (void)state;
    make_input(g, "z", MQ_FLOAT, "N,6,3,3");
    conv("a", "w");
    make_node(g, "Add", "z,a", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_activation, "FusedConv", TOLERANCE);
}

static void sum_of_another_shape_stays(void **state)
{
    (void)state;
    make_input(g, "z", MQ_FLOAT, "1,6,3,3");
    conv("a", "w");
    make_node(g, "Add", "z,a", "t");
    make_node(g, "Relu", "t", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_activation);
}

static void matrices_become_gemm(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_random("w", MQ_FLOAT, "4,5");
    make_random("b", MQ_FLOAT, "5");
    make_node(g, "MatMul", "x,w", "t");
    make_node(g, "Add", "b,t", "u");
    node_float(make_node(g, "LeakyRelu", "u", "y"), "alpha", 0.2f);
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_activation, "FusedGemm", TOLERANCE);
}

static void more_axes_are_reshaped(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,7,4");
    make_random("w", MQ_FLOAT, "4,5");
    make_random("b", MQ_FLOAT, "5");
    make_node(g, "MatMul", "x,w", "t");
    make_node(g, "Add", "t,b", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_activation, "Reshape Gemm Reshape", TOLERANCE);
}

static void activation_before_reshape(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,S,4");
    make_random("w", MQ_FLOAT, "4,5");
    make_random("b", MQ_FLOAT, "5");
    make_random("v", MQ_FLOAT, "5,4");
    make_node(g, "MatMul", "x,w", "t");
    make_node(g, "Add", "t,b", "u");
    make_node(g, "Gelu", "u", "s");
    make_node(g, "MatMul", "s,v", "r");
    make_random("c", MQ_FLOAT, "4");
    make_node(g, "Add", "c,r", "q");
    assert_int_equal(mq_node_set_attr_string(make_node(g, "Gelu", "q", "y"), "approximate", "tanh", NULL), MQ_OK);
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_activation, "Reshape Shape Concat FusedGemm Reshape Reshape Shape Concat FusedGemm Reshape",
                 TOLERANCE);
}

static void not_moved_before_a_read_reshape(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,7,4");
    make_random("w", MQ_FLOAT, "4,5");
    make_random("b", MQ_FLOAT, "5");
    make_node(g, "MatMul", "x,w", "t");
    make_node(g, "Add", "t,b", "u");
    make_node(g, "Relu", "u", "y");
    make_output(g, "y");
    make_output(g, "u");
    pass_becomes(&mq_pass_fuse_activation, "Reshape Gemm Reshape Relu", TOLERANCE);
}

static void two_unknown_sizes_are_looked_up(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,S,4");
    make_random("w", MQ_FLOAT, "4,5");
    make_random("b", MQ_FLOAT, "5");
    make_node(g, "MatMul", "x,w", "t");
    make_node(g, "Add", "t,b", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_activation, "Reshape Gemm Shape Concat Reshape", TOLERANCE);
}

static void not_fused_with_another_reader(void **state)
{
    (void)state;
    conv("t", "w");
    make_node(g, "Relu", "t", "y");
    make_node(g, "Exp", "t", "z");
    make_output(g, "y");
    make_output(g, "z");
    pass_leaves(&mq_pass_fuse_activation);
}

static void not_fused_when_an_output(void **state)
{
    (void)state;
    conv("t", "w");
    make_node(g, "Relu", "t", "y");
    make_output(g, "y");
    make_output(g, "t");
    pass_leaves(&mq_pass_fuse_activation);
}

static void not_fused_when_bounds_vary(void **state)
{
    (void)state;
    make_input(g, "low", MQ_FLOAT, "");
    conv("t", "w");
    make_node(g, "Clip", "t,low", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_activation);
}

static void not_fused_when_bounds_cross(void **state)
{
    (void)state;
    conv("t", "w");
    make_float("low", 2);
    make_float("high", 1);
    make_node(g, "Clip", "t,low,high", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_activation);
}

/* ---- in a file ----------------------------------------------------------------------------------------------------- */

static void a_file_fuses_what_a_conv_has(void **state)
{
    static const char *const ops[] = { "HardSigmoid", "LeakyRelu", "Relu", "Sigmoid", "Tanh" };

    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        pass_setup(state);
        conv("t", "w");
        make_node(g, ops[i], "t", "y");
        make_output(g, "y");
        file_becomes(&mq_pass_fuse_activation, "FusedConv", TOLERANCE);
        assert_true(mq_node_attr_is(g->first, "activation", ops[i]));
        pass_teardown(state);
    }
}

static void a_file_fuses_what_a_gemm_has(void **state)
{
    static const char *const ops[] = { "Elu", "HardSigmoid", "LeakyRelu", "Relu", "Sigmoid", "Tanh" };

    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        pass_setup(state);
        make_input(g, "x", MQ_FLOAT, "N,4");
        make_random("w", MQ_FLOAT, "4,5");
        make_node(g, "Gemm", "x,w", "t");
        make_node(g, ops[i], "t", "y");
        make_output(g, "y");
        file_becomes(&mq_pass_fuse_activation, "FusedGemm", TOLERANCE);
        assert_true(mq_node_attr_is(g->first, "activation", ops[i]));
        pass_teardown(state);
    }
}

/* Bounds were attributes before opset 11. */
static void bounds_of_an_older_file(void **state)
{
    (void)state;
    assert_int_equal(mq_opset_set(m, "", 10, NULL), MQ_OK);
    conv("t", "w");
    node_float(make_node(g, "Clip", "t", "y"), "max", 0.5f);
    make_output(g, "y");
    file_becomes(&mq_pass_fuse_activation, "FusedConv", TOLERANCE);
    assert_true(mq_node_attr(g->first, "activation_params")->floats[1] == 0.5f);
}

static void a_file_fuses_the_sum(void **state)
{
    (void)state;
    make_input(g, "z", MQ_FLOAT, "N,6,3,3");
    conv("a", "w");
    make_node(g, "Add", "z,a", "t");
    make_node(g, "Relu", "t", "y");
    make_output(g, "y");
    file_becomes(&mq_pass_fuse_activation, "FusedConv", TOLERANCE);
}

static void not_fused_in_a_file_when_conv_lacks_it(void **state)
{
    static const char *const ops[] = { "Elu", "Gelu", "Softplus" };

    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        pass_setup(state);
        conv("t", "w");
        make_node(g, ops[i], "t", "y");
        make_output(g, "y");
        file_leaves(&mq_pass_fuse_activation);
        pass_teardown(state);
    }
}

static void not_fused_in_a_file_when_gemm_lacks_it(void **state)
{
    static const char *const ops[] = { "Clip", "Gelu" };

    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        pass_setup(state);
        make_input(g, "x", MQ_FLOAT, "N,4");
        make_random("w", MQ_FLOAT, "4,5");
        make_node(g, "Gemm", "x,w", "t");
        make_node(g, ops[i], "t", "y");
        make_output(g, "y");
        file_leaves(&mq_pass_fuse_activation);
        pass_teardown(state);
    }
}

static void not_fused_in_a_file_when_a_product_is_no_gemm(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,7,4");
    make_random("w", MQ_FLOAT, "4,5");
    make_random("b", MQ_FLOAT, "5");
    make_node(g, "MatMul", "x,w", "t");
    make_node(g, "Add", "t,b", "y");
    make_output(g, "y");
    file_leaves(&mq_pass_fuse_activation);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_activation),
        ON_MODEL(clip_and_its_bounds),
        ON_MODEL(sum_and_relu),
        ON_MODEL(sum_without_activation),
        ON_MODEL(sum_of_another_shape_stays),
        ON_MODEL(matrices_become_gemm),
        ON_MODEL(more_axes_are_reshaped),
        ON_MODEL(activation_before_reshape),
        ON_MODEL(not_moved_before_a_read_reshape),
        ON_MODEL(two_unknown_sizes_are_looked_up),
        ON_MODEL(not_fused_with_another_reader),
        ON_MODEL(not_fused_when_an_output),
        ON_MODEL(not_fused_when_bounds_vary),
        ON_MODEL(not_fused_when_bounds_cross),
        cmocka_unit_test(a_file_fuses_what_a_conv_has),
        cmocka_unit_test(a_file_fuses_what_a_gemm_has),
        ON_MODEL(bounds_of_an_older_file),
        ON_MODEL(a_file_fuses_the_sum),
        cmocka_unit_test(not_fused_in_a_file_when_conv_lacks_it),
        cmocka_unit_test(not_fused_in_a_file_when_gemm_lacks_it),
        ON_MODEL(not_fused_in_a_file_when_a_product_is_no_gemm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
