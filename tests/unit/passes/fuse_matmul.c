/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_fuse_matmul;

#define TOLERANCE 1e-5

static void factors(void)
{
    make_input(g, "a", MQ_FLOAT, "N,2,4,5");
    make_input(g, "b", MQ_FLOAT, "N,2,6,5");
    make_float("half", 0.5f);
    make_float("eight", 8);
}

static void turned(const char *in, const char *out, const char *perm)
{
    node_ints(make_node(g, "Transpose", in, out), "perm", perm);
}

static void is_fused(int64_t trans_a, int64_t trans_b, float alpha)
{
    assert_true(mq_node_is(g->first, "com.microsoft", "FusedMatMul"));
    assert_int_equal(mq_node_attr_int(g->first, "transA", 0), trans_a);
    assert_int_equal(mq_node_attr_int(g->first, "transB", 0), trans_b);
    assert_true(mq_node_attr_float(g->first, "alpha", 0) == alpha);
}

static void second_factor_turned(void **state)
{
    (void)state;
    factors();
    turned("b", "t", "0,1,3,2");
    make_node(g, "MatMul", "a,t", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_matmul, "FusedMatMul", TOLERANCE);
    is_fused(0, 1, 1);
}

static void matrices_turned_without_perm(void **state)
{
    (void)state;
    make_input(g, "a", MQ_FLOAT, "5,4");
    make_input(g, "b", MQ_FLOAT, "6,5");
    make_node(g, "Transpose", "a", "s");
    make_node(g, "Transpose", "b", "t");
    make_node(g, "MatMul", "s,t", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_matmul, "FusedMatMul", TOLERANCE);
    is_fused(1, 1, 1);
}

static void numbers_before_and_behind(void **state)
{
    (void)state;
    factors();
    make_node(g, "Mul", "half,a", "s");
    turned("b", "t", "0,1,3,2");
    make_node(g, "Mul", "t,half", "u");
    make_node(g, "MatMul", "s,u", "v");
    make_node(g, "Div", "v,eight", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_matmul, "FusedMatMul", TOLERANCE);
    is_fused(0, 1, 0.03125f);
}

static void what_is_fused_takes_more(void **state)
{
    mq_node *n;

    (void)state;
    factors();
    turned("b", "t", "0,1,3,2");
    n = node_float(node_int(make_node(g, "FusedMatMul", "a,t", "u"), "transB", 0), "alpha", 0.5f);
    n->domain = "com.microsoft";
    make_node(g, "Mul", "u,half", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_matmul, "FusedMatMul", TOLERANCE);
    is_fused(0, 1, 0.25f);
}

static void not_fused_when_other_axes_move(void **state)
{
    (void)state;
    factors();
    turned("b", "t", "1,0,3,2");
    make_node(g, "MatMul", "t,t", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_matmul);
}

static void not_fused_when_the_factor_is_read(void **state)
{
    (void)state;
    factors();
    turned("b", "t", "0,1,3,2");
    make_node(g, "MatMul", "a,t", "y");
    make_output(g, "y");
    make_output(g, "t");
    pass_leaves(&mq_pass_fuse_matmul);
}

static void not_fused_when_the_product_is_read(void **state)
{
    (void)state;
    make_input(g, "a", MQ_FLOAT, "4,5");
    make_input(g, "b", MQ_FLOAT, "5,6");
    make_float("half", 0.5f);
    make_node(g, "MatMul", "a,b", "t");
    make_node(g, "Mul", "t,half", "y");
    make_output(g, "y");
    make_output(g, "t");
    pass_leaves(&mq_pass_fuse_matmul);
}

static void not_fused_when_the_number_varies(void **state)
{
    (void)state;
    make_input(g, "a", MQ_FLOAT, "4,5");
    make_input(g, "b", MQ_FLOAT, "5,6");
    make_input(g, "c", MQ_FLOAT, "");
    make_node(g, "MatMul", "a,b", "t");
    make_node(g, "Mul", "t,c", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_matmul);
}

static void not_fused_when_it_is_divided_by(void **state)
{
    (void)state;
    make_input(g, "a", MQ_FLOAT, "4,5");
    make_input(g, "b", MQ_FLOAT, "5,6");
    make_float("half", 0.5f);
    make_node(g, "MatMul", "a,b", "t");
    make_node(g, "Div", "half,t", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_matmul);
}

static void not_fused_when_the_number_has_more_axes(void **state)
{
    (void)state;
    make_input(g, "a", MQ_FLOAT, "4,5");
    make_input(g, "b", MQ_FLOAT, "5,6");
    make_random("c", MQ_FLOAT, "1,1,1");
    make_node(g, "MatMul", "a,b", "t");
    make_node(g, "Mul", "t,c", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_matmul);
}

static void not_fused_when_the_number_is_zero(void **state)
{
    (void)state;
    make_input(g, "a", MQ_FLOAT, "4,5");
    make_input(g, "b", MQ_FLOAT, "5,6");
    make_float("zero", 0);
    make_node(g, "MatMul", "a,b", "t");
    make_node(g, "Mul", "t,zero", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_matmul);
}

static void not_fused_when_a_factor_is_a_vector(void **state)
{
    (void)state;
    make_input(g, "a", MQ_FLOAT, "5");
    make_input(g, "b", MQ_FLOAT, "6,5");
    make_node(g, "Transpose", "b", "t");
    make_node(g, "MatMul", "a,t", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_matmul);
}

static void not_fused_when_other_types(void **state)
{
    (void)state;
    make_input(g, "a", MQ_DOUBLE, "4,5");
    make_input(g, "b", MQ_DOUBLE, "6,5");
    make_node(g, "Transpose", "b", "t");
    make_node(g, "MatMul", "a,t", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_matmul);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(second_factor_turned),
        ON_MODEL(matrices_turned_without_perm),
        ON_MODEL(numbers_before_and_behind),
        ON_MODEL(what_is_fused_takes_more),
        ON_MODEL(not_fused_when_other_axes_move),
        ON_MODEL(not_fused_when_the_factor_is_read),
        ON_MODEL(not_fused_when_the_product_is_read),
        ON_MODEL(not_fused_when_the_number_varies),
        ON_MODEL(not_fused_when_it_is_divided_by),
        ON_MODEL(not_fused_when_the_number_has_more_axes),
        ON_MODEL(not_fused_when_the_number_is_zero),
        ON_MODEL(not_fused_when_a_factor_is_a_vector),
        ON_MODEL(not_fused_when_other_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
