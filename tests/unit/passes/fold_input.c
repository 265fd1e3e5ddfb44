/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_fold_input;

#define TOLERANCE 2e-5

static mq_node *batchnorm(const char *channels)
{
    make_random("s", MQ_FLOAT, channels);
    make_random("b", MQ_FLOAT, channels);
    make_random("mean", MQ_FLOAT, channels);
    make_positive("var", channels, 0.5f);
    return make_node(g, "BatchNormalization", "x,s,b,mean,var", "t");
}

static mq_node *conv(const char *inputs, const char *w_dims)
{
    mq_node *n;

    make_random("w", MQ_FLOAT, w_dims);
    make_random("c", MQ_FLOAT, "6");
    n = make_node(g, "Conv", inputs, "y");
    make_output(g, "y");
    return n;
}

static void image(void)
{
    make_input(g, "x", MQ_FLOAT, "N,4,6,6");
}

static void batchnorm_goes_into_conv(void **state)
{
    (void)state;
    image();
    batchnorm("4");
    conv("t,w,c", "6,4,3,3");
    pass_becomes(&mq_pass_fold_input, "Conv", TOLERANCE);
}

static void conv_in_groups_gets_a_bias(void **state)
{
    (void)state;
    image();
    batchnorm("4");
    node_int(conv("t,w", "6,2,3,3"), "group", 2);
    pass_becomes(&mq_pass_fold_input, "Conv", TOLERANCE);
    assert_int_equal(g->first->n_inputs, 3);
}

static void mean_and_deviation_of_an_image(void **state)
{
    (void)state;
    image();
    make_random("mean", MQ_FLOAT, "4,1,1");
    make_positive("std", "1,4,1,1", 0.5f);
    make_node(g, "Sub", "x,mean", "u");
    make_node(g, "Div", "u,std", "t");
    conv("t,w,c", "6,4,3,3");
    pass_becomes(&mq_pass_fold_input, "Conv", TOLERANCE);
}

static void a_factor_may_be_padded(void **state)
{
    (void)state;
    image();
    make_float("f", 0.25f);
    make_node(g, "Mul", "f,x", "t");
    node_ints(conv("t,w", "6,4,3,3"), "pads", "1,1,1,1");
    pass_becomes(&mq_pass_fold_input, "Conv", TOLERANCE);
    assert_int_equal(g->first->n_inputs, 2);
}

static void gemm_both_ways(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    batchnorm("4");
    make_random("w", MQ_FLOAT, "5,4");
    make_random("c", MQ_FLOAT, "1");
    make_random("w2", MQ_FLOAT, "5,3");
    make_random("row", MQ_FLOAT, "5");
    node_float(node_float(node_int(make_node(g, "Gemm", "t,w,c", "u"), "transB", 1), "alpha", 0.5f), "beta", 2);
    make_node(g, "Relu", "u", "v");
    make_node(g, "Add", "v,row", "z");
    make_node(g, "Gemm", "z,w2", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fold_input, "Gemm Relu Gemm", TOLERANCE);
}

static void matmul_that_needs_a_bias_is_gemm(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    batchnorm("4");
    make_random("w", MQ_FLOAT, "4,5");
    make_node(g, "MatMul", "t,w", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fold_input, "Gemm", TOLERANCE);
}

static void matmul_takes_factors(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_positive("f", "4", 0.5f);
    make_random("w", MQ_FLOAT, "4,5");
    make_node(g, "Div", "x,f", "t");
    make_node(g, "MatMul", "t,w", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fold_input, "MatMul", TOLERANCE);
}

static void not_folded_when_an_offset_would_be_padded(void **state)
{
    (void)state;
    image();
    batchnorm("4");
    node_ints(conv("t,w,c", "6,4,3,3"), "pads", "0,0,0,1");
    pass_leaves(&mq_pass_fold_input);
}

static void not_folded_when_padding_is_automatic(void **state)
{
    (void)state;
    image();
    batchnorm("4");
    assert_int_equal(mq_node_set_attr_string(conv("t,w,c", "6,4,3,3"), "auto_pad", "SAME_UPPER", NULL), MQ_OK);
    pass_leaves(&mq_pass_fold_input);
}

static void not_folded_when_the_input_is_read_elsewhere(void **state)
{
    (void)state;
    image();
    batchnorm("4");
    conv("t,w,c", "6,4,3,3");
    make_output(g, "t");
    pass_leaves(&mq_pass_fold_input);
}

static void not_folded_when_the_weights_are_read_elsewhere(void **state)
{
    (void)state;
    image();
    batchnorm("4");
    conv("t,w,c", "6,4,3,3");
    make_node(g, "Neg", "w", "z");
    make_output(g, "z");
    pass_leaves(&mq_pass_fold_input);
}

static void not_folded_when_the_bias_is_no_constant(void **state)
{
    (void)state;
    image();
    batchnorm("4");
    make_input(g, "d", MQ_FLOAT, "6");
    conv("t,w,d", "6,4,3,3");
    pass_leaves(&mq_pass_fold_input);
}

static void not_folded_when_the_constant_makes_the_channels(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,1,6,6");
    make_random("k", MQ_FLOAT, "4,1,1");
    make_node(g, "Mul", "x,k", "t");
    conv("t,w,c", "6,4,3,3");
    pass_leaves(&mq_pass_fold_input);
}

static void not_folded_when_the_constant_lies_along_another_axis(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4,6,4");
    make_random("k", MQ_FLOAT, "4");
    make_node(g, "Mul", "x,k", "t");
    conv("t,w,c", "6,4,3,3");
    pass_leaves(&mq_pass_fold_input);
}

static void not_folded_when_the_input_is_transposed(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "4,4");
    batchnorm("4");
    make_random("w", MQ_FLOAT, "4,5");
    node_int(make_node(g, "Gemm", "t,w", "y"), "transA", 1);
    make_output(g, "y");
    pass_leaves(&mq_pass_fold_input);
}

static void not_folded_when_the_product_has_more_dimensions(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,4,4");
    make_random("k", MQ_FLOAT, "4,1");
    make_random("w", MQ_FLOAT, "4,5");
    make_node(g, "Mul", "x,k", "t");
    make_node(g, "MatMul", "t,w", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fold_input);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(batchnorm_goes_into_conv),
        ON_MODEL(conv_in_groups_gets_a_bias),
        ON_MODEL(mean_and_deviation_of_an_image),
        ON_MODEL(a_factor_may_be_padded),
        ON_MODEL(gemm_both_ways),
        ON_MODEL(matmul_that_needs_a_bias_is_gemm),
        ON_MODEL(matmul_takes_factors),
        ON_MODEL(not_folded_when_an_offset_would_be_padded),
        ON_MODEL(not_folded_when_padding_is_automatic),
        ON_MODEL(not_folded_when_the_input_is_read_elsewhere),
        ON_MODEL(not_folded_when_the_weights_are_read_elsewhere),
        ON_MODEL(not_folded_when_the_bias_is_no_constant),
        ON_MODEL(not_folded_when_the_constant_makes_the_channels),
        ON_MODEL(not_folded_when_the_constant_lies_along_another_axis),
        ON_MODEL(not_folded_when_the_input_is_transposed),
        ON_MODEL(not_folded_when_the_product_has_more_dimensions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
