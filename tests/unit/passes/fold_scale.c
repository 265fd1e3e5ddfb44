/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_fold_scale;

/* q = Transpose(Reshape(x w + b)), then the product with k */
static void make_scores(void)
{
    make_input(g, "x", MQ_FLOAT, "2,5,8");
    make_input(g, "k", MQ_FLOAT, "2,2,4,5");
    make_random("w", MQ_FLOAT, "8,8");
    make_random("bias", MQ_FLOAT, "8");
    make_longs("heads", "4", (const int64_t[]){ 0, 0, 2, 4 });
    make_node(g, "MatMul", "x,w", "p");
    make_node(g, "Add", "p,bias", "a");
    make_node(g, "Reshape", "a,heads", "r");
    node_ints(make_node(g, "Transpose", "r", "q"), "perm", "0,2,1,3");
    make_node(g, "MatMul", "q,k", "s");
}

static void finish(const char *op, const char *in)
{
    make_node(g, op, in, "d");
    make_node(g, "Exp", "d", "y");
    make_output(g, "y");
}

static void scores_are_scaled_in_the_weights(void **state)
{
    (void)state;
    make_scores();
    make_float("c", 3);
    finish("Div", "s,c");
    pass_becomes(&mq_pass_fold_scale, "MatMul Add Reshape Transpose MatMul Exp", 1e-4);
    assert_non_null(mq_graph_find(g, "w")->init);
    assert_int_equal(mq_graph_find(g, "w")->uses.n, 1);
}

static void a_convolution_takes_it(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "1,3,5,5");
    make_random("w", MQ_FLOAT, "4,3,1,1");
    make_random("bias", MQ_FLOAT, "4");
    make_float("c", 0.25f);
    make_node(g, "Conv", "x,w,bias", "s");
    finish("Mul", "c,s");
    pass_becomes(&mq_pass_fold_scale, "Conv Exp", 1e-4);
}

static void not_folded_when_the_weights_are_read_twice(void **state)
{
    (void)state;
    make_scores();
    make_float("c", 3);
    make_node(g, "Neg", "w", "z");
    make_output(g, "z");
    finish("Div", "s,c");
    pass_leaves(&mq_pass_fold_scale);
}

static void not_folded_when_a_value_between_is_read_twice(void **state)
{
    (void)state;
    make_scores();
    make_float("c", 3);
    make_node(g, "Neg", "a", "z");
    make_output(g, "z");
    finish("Div", "s,c");
    pass_leaves(&mq_pass_fold_scale);
}

static void not_folded_when_it_is_no_factor(void **state)
{
    (void)state;
    make_scores();
    make_float("c", 3);
    finish("Div", "c,s");
    pass_leaves(&mq_pass_fold_scale);
}

static void not_folded_when_the_number_is_zero(void **state)
{
    (void)state;
    make_scores();
    make_float("c", 0);
    finish("Div", "s,c");
    pass_leaves(&mq_pass_fold_scale);
}

static void not_folded_when_the_way_is_not_linear(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,8");
    make_random("w", MQ_FLOAT, "8,8");
    make_float("c", 3);
    make_node(g, "MatMul", "x,w", "p");
    make_node(g, "Relu", "p", "s");
    finish("Div", "s,c");
    pass_leaves(&mq_pass_fold_scale);
}

static void not_folded_when_it_is_an_output(void **state)
{
    (void)state;
    make_scores();
    make_float("c", 3);
    make_node(g, "Div", "s,c", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fold_scale);
}

static void not_folded_when_a_value_between_is_an_output(void **state)
{
    (void)state;
    make_scores();
    make_float("c", 3);
    make_output(g, "r");
    finish("Div", "s,c");
    pass_leaves(&mq_pass_fold_scale);
}

static void not_folded_when_there_are_no_weights(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,8");
    make_input(g, "w", MQ_FLOAT, "8,8");
    make_float("c", 3);
    make_node(g, "MatMul", "x,w", "s");
    finish("Mul", "s,c");
    pass_leaves(&mq_pass_fold_scale);
}

static void not_folded_when_the_number_adds_axes(void **state)
{
    const float c = 3;

    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,8");
    make_random("w", MQ_FLOAT, "8,8");
    make_init(g, "c", MQ_FLOAT, "1,1,1", &c);
    make_node(g, "MatMul", "x,w", "s");
    finish("Mul", "s,c");
    pass_leaves(&mq_pass_fold_scale);
}

static void not_folded_when_the_type_is_not_float(void **state)
{
    const double w[] = { 1, 2, 3, 4 }, c = 3;

    (void)state;
    make_input(g, "x", MQ_DOUBLE, "2,2");
    make_init(g, "w", MQ_DOUBLE, "2,2", w);
    make_init(g, "c", MQ_DOUBLE, "", &c);
    make_node(g, "MatMul", "x,w", "s");
    finish("Mul", "s,c");
    pass_leaves(&mq_pass_fold_scale);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(scores_are_scaled_in_the_weights),
        ON_MODEL(a_convolution_takes_it),
        ON_MODEL(not_folded_when_the_weights_are_read_twice),
        ON_MODEL(not_folded_when_a_value_between_is_read_twice),
        ON_MODEL(not_folded_when_it_is_no_factor),
        ON_MODEL(not_folded_when_the_number_is_zero),
        ON_MODEL(not_folded_when_the_way_is_not_linear),
        ON_MODEL(not_folded_when_it_is_an_output),
        ON_MODEL(not_folded_when_a_value_between_is_an_output),
        ON_MODEL(not_folded_when_there_are_no_weights),
        ON_MODEL(not_folded_when_the_number_adds_axes),
        ON_MODEL(not_folded_when_the_type_is_not_float),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
