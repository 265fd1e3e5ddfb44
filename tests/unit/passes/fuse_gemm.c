/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_fuse_gemm;

#define TOLERANCE 1e-5

static void product(const char *inputs, const char *out)
{
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_random("w", MQ_FLOAT, "4,5");
    make_node(g, "MatMul", inputs, out);
}

static void added_row(void **state)
{
    (void)state;
    product("x,w", "t");
    make_random("b", MQ_FLOAT, "5");
    make_node(g, "Add", "b,t", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_gemm, "Gemm", TOLERANCE);
}

static void added_matrix_of_another_product(void **state)
{
    (void)state;
    product("x,w", "t");
    make_node(g, "MatMul", "x,w", "u");
    make_node(g, "Add", "t,u", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_gemm, "MatMul Gemm", TOLERANCE);
}

static void gemm_of_two_has_room(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_random("w", MQ_FLOAT, "5,4");
    make_random("b", MQ_FLOAT, "1,5");
    node_float(node_float(node_int(make_node(g, "Gemm", "x,w", "t"), "transB", 1), "alpha", 0.5f), "beta", 3);
    make_node(g, "Add", "t,b", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_gemm, "Gemm", TOLERANCE);
}

static void turned_operands(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "4,N");
    make_input(g, "z", MQ_FLOAT, "5,4");
    make_random("b", MQ_FLOAT, "5");
    node_ints(make_node(g, "Transpose", "x", "xt"), "perm", "1,0");
    make_node(g, "Transpose", "z", "zt");
    make_node(g, "MatMul", "xt,zt", "t");
    make_node(g, "Add", "t,b", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_gemm, "Gemm", TOLERANCE);
}

static void turned_twice_is_not_turned(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_random("w", MQ_FLOAT, "4,5");
    make_node(g, "Transpose", "x", "t");
    node_int(make_node(g, "Gemm", "t,w", "y"), "transA", 1);
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_gemm, "Gemm", TOLERANCE);
    assert_int_equal(mq_node_attr_int(g->first, "transA", 1), 0);
}

static void not_added_when_the_product_is_read_elsewhere(void **state)
{
    (void)state;
    product("x,w", "t");
    make_random("b", MQ_FLOAT, "5");
    make_node(g, "Add", "b,t", "y");
    make_output(g, "y");
    make_output(g, "t");
    pass_leaves(&mq_pass_fuse_gemm);
}

static void not_added_when_the_sum_is_larger(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "1,4");
    make_random("w", MQ_FLOAT, "4,5");
    make_random("b", MQ_FLOAT, "3,5");
    make_node(g, "MatMul", "x,w", "t");
    make_node(g, "Add", "t,b", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_gemm);
}

static void not_added_when_the_sum_has_more_dimensions(void **state)
{
    (void)state;
    product("x,w", "t");
    make_random("b", MQ_FLOAT, "1,1,5");
    make_node(g, "Add", "t,b", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_gemm);
}

static void not_added_when_the_product_is_no_matrix(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,3,4");
    make_random("w", MQ_FLOAT, "4,5");
    make_random("b", MQ_FLOAT, "5");
    make_node(g, "MatMul", "x,w", "t");
    make_node(g, "Add", "t,b", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_gemm);
}

static void not_added_when_elements_are_integers(void **state)
{
    (void)state;
    make_input(g, "x", MQ_INT32, "2,4");
    make_random("w", MQ_INT32, "4,5");
    make_random("b", MQ_INT32, "5");
    make_node(g, "MatMul", "x,w", "t");
    make_node(g, "Add", "t,b", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_gemm);
}

static void not_added_when_there_is_an_addend(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_random("w", MQ_FLOAT, "4,5");
    make_random("b", MQ_FLOAT, "5");
    make_node(g, "Gemm", "x,w,b", "t");
    make_node(g, "Add", "t,b", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_gemm);
}

static void not_turned_when_others_read_the_turned_matrix(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "4,N");
    make_random("w", MQ_FLOAT, "4,5");
    make_node(g, "Transpose", "x", "t");
    make_node(g, "MatMul", "t,w", "y");
    make_output(g, "t");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_gemm);
}

static void not_turned_when_gemm_needs_three(void **state)
{
    (void)state;
    assert_int_equal(mq_opset_set(m, "", 9, NULL), MQ_OK);
    make_input(g, "x", MQ_FLOAT, "4,N");
    make_random("w", MQ_FLOAT, "4,5");
    make_node(g, "Transpose", "x", "t");
    make_node(g, "MatMul", "t,w", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_gemm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(added_row),
        ON_MODEL(added_matrix_of_another_product),
        ON_MODEL(gemm_of_two_has_room),
        ON_MODEL(turned_operands),
        ON_MODEL(turned_twice_is_not_turned),
        ON_MODEL(not_added_when_the_product_is_read_elsewhere),
        ON_MODEL(not_added_when_the_sum_is_larger),
        ON_MODEL(not_added_when_the_sum_has_more_dimensions),
        ON_MODEL(not_added_when_the_product_is_no_matrix),
        ON_MODEL(not_added_when_elements_are_integers),
        ON_MODEL(not_added_when_there_is_an_addend),
        ON_MODEL(not_turned_when_others_read_the_turned_matrix),
        ON_MODEL(not_turned_when_gemm_needs_three),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
