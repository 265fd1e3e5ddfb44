/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_fold_batchnorm;

#define TOLERANCE 2e-5

static mq_node *batchnorm(const char *in, const char *out, const char *channels)
{
    char list[100];

    make_random("s", MQ_FLOAT, channels);
    make_random("b", MQ_FLOAT, channels);
    make_random("mean", MQ_FLOAT, channels);
    make_positive("var", channels, 0.5f);
    snprintf(list, sizeof list, "%s,s,b,mean,var", in);
    return make_node(g, "BatchNormalization", list, out);
}

static void conv(const char *inputs)
{
    make_input(g, "x", MQ_FLOAT, "N,4,6,6");
    make_random("w", MQ_FLOAT, "6,4,3,3");
    make_random("c", MQ_FLOAT, "6");
    make_node(g, "Conv", inputs, "t");
}

static void conv_takes_batchnorm(void **state)
{
    (void)state;
    conv("x,w,c");
    batchnorm("t", "y", "6");
    make_output(g, "y");
    pass_becomes(&mq_pass_fold_batchnorm, "Conv", TOLERANCE);
}

static void conv_without_bias(void **state)
{
    (void)state;
    conv("x,w");
    batchnorm("t", "y", "6");
    make_output(g, "y");
    pass_becomes(&mq_pass_fold_batchnorm, "Conv", TOLERANCE);
    assert_int_equal(g->first->n_inputs, 3);
}

static void grouped_transposed_conv(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4,5,5");
    make_random("w", MQ_FLOAT, "4,3,3,3");
    node_int(make_node(g, "ConvTranspose", "x,w", "t"), "group", 2);
    batchnorm("t", "y", "6");
    make_output(g, "y");
    pass_becomes(&mq_pass_fold_batchnorm, "ConvTranspose", TOLERANCE);
}

static void gemm_both_ways(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_random("w", MQ_FLOAT, "5,4");
    make_random("w2", MQ_FLOAT, "5,5");
    make_random("c", MQ_FLOAT, "1,5");
    node_float(node_float(node_int(make_node(g, "Gemm", "x,w,c", "t"), "transB", 1), "alpha", 0.5f), "beta", 2);
    batchnorm("t", "u", "5");
    make_node(g, "Gemm", "u,w2", "v");
    make_node(g, "Add", "v,c", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fold_batchnorm, "Gemm Gemm", TOLERANCE);
}

static void arithmetic_in_a_row(void **state)
{
    (void)state;
    conv("x,w,c");
    make_random("k1", MQ_FLOAT, "6,1,1");
    make_positive("k2", "1,6,1,1", 1);
    make_float("k3", 0.25f);
    make_node(g, "Mul", "k1,t", "t1");
    make_node(g, "Div", "t1,k2", "t2");
    make_node(g, "Add", "t2,k1", "t3");
    make_node(g, "Sub", "t3,k3", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fold_batchnorm, "Conv", TOLERANCE);
}

static void not_folded_with_another_reader(void **state)
{
    (void)state;
    conv("x,w,c");
    batchnorm("t", "y", "6");
    make_node(g, "Relu", "t", "z");
    make_output(g, "y");
    make_output(g, "z");
    pass_leaves(&mq_pass_fold_batchnorm);
}

static void not_folded_when_an_output(void **state)
{
    (void)state;
    conv("x,w,c");
    batchnorm("t", "y", "6");
    make_output(g, "y");
    make_output(g, "t");
    pass_leaves(&mq_pass_fold_batchnorm);
}

static void not_folded_in_training(void **state)
{
    (void)state;
    conv("x,w,c");
    node_int(batchnorm("t", "y", "6"), "training_mode", 1);
    make_output(g, "y");
    pass_leaves(&mq_pass_fold_batchnorm);
}

static void not_folded_when_the_bias_varies(void **state)
{
    (void)state;
    make_input(g, "c2", MQ_FLOAT, "6");
    conv("x,w,c2");
    batchnorm("t", "y", "6");
    make_output(g, "y");
    pass_leaves(&mq_pass_fold_batchnorm);
}

static void not_folded_along_another_axis(void **state)
{
    (void)state;
    conv("x,w,c"); /* t is [N,6,4,4] */
    make_random("k", MQ_FLOAT, "4");
    make_node(g, "Mul", "t,k", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fold_batchnorm);
}

static void not_folded_when_subtracted_from(void **state)
{
    (void)state;
    conv("x,w,c");
    make_float("k", 2);
    make_node(g, "Sub", "k,t", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fold_batchnorm);
}

static void not_folded_when_divided_by_zero(void **state)
{
    (void)state;
    conv("x,w,c");
    make_float("k", 0);
    make_node(g, "Div", "t,k", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fold_batchnorm);
}

static void older_files_are_read(void **state)
{
    (void)state;
    assert_int_equal(mq_opset_set(m, "", 9, NULL), MQ_OK);
    make_input(g, "x", MQ_FLOAT, "1,4,5,5");
    make_random("w", MQ_FLOAT, "6,4,3,3");
    make_node(g, "Conv", "x,w", "t");
    batchnorm("t", "y", "6");
    make_output(g, "y");
    pass_becomes(&mq_pass_fold_batchnorm, "Conv", TOLERANCE);
}

static void not_folded_when_statistics_are_per_element(void **state)
{
    (void)state;
    assert_int_equal(mq_opset_set(m, "", 7, NULL), MQ_OK);
    make_input(g, "x", MQ_FLOAT, "1,4,1,1");
    make_random("w", MQ_FLOAT, "6,4,1,1");
    make_node(g, "Conv", "x,w", "t");
    node_int(batchnorm("t", "y", "6"), "spatial", 0);
    make_output(g, "y");
    pass_leaves(&mq_pass_fold_batchnorm);
}

static void not_folded_when_the_weights_are_computed(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,6,5,5");
    make_input(g, "w", MQ_FLOAT, "4,6,1,1");
    make_float("c", 2);
    make_node(g, "Conv", "x,w", "a");
    make_node(g, "Mul", "a,c", "b");
    make_node(g, "Exp", "b", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fold_batchnorm);
}

static void not_folded_when_the_type_is_not_float(void **state)
{
    const double w[] = { 1, 2, 3, 4 }, c[] = { 2, 3 };

    (void)state;
    make_input(g, "x", MQ_DOUBLE, "2,2");
    make_init(g, "w", MQ_DOUBLE, "2,2", w);
    make_init(g, "c", MQ_DOUBLE, "2", c);
    make_node(g, "Gemm", "x,w", "a");
    make_node(g, "Mul", "a,c", "b");
    make_node(g, "Exp", "b", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fold_batchnorm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(conv_takes_batchnorm),
        ON_MODEL(conv_without_bias),
        ON_MODEL(grouped_transposed_conv),
        ON_MODEL(gemm_both_ways),
        ON_MODEL(arithmetic_in_a_row),
        ON_MODEL(not_folded_with_another_reader),
        ON_MODEL(not_folded_when_an_output),
        ON_MODEL(not_folded_in_training),
        ON_MODEL(not_folded_when_the_bias_varies),
        ON_MODEL(not_folded_along_another_axis),
        ON_MODEL(not_folded_when_subtracted_from),
        ON_MODEL(not_folded_when_divided_by_zero),
        ON_MODEL(older_files_are_read),
        ON_MODEL(not_folded_when_statistics_are_per_element),
        ON_MODEL(not_folded_when_the_weights_are_computed),
        ON_MODEL(not_folded_when_the_type_is_not_float),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
