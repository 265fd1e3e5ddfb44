/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_fuse_dynamic;

#define TOLERANCE 1e-5

static void product(const char *scales)
{
    make_input(g, "x", MQ_FLOAT, "N,3,8");
    make_random("w", MQ_INT8, "8,5");
    make_random("w_z", MQ_INT8, "5");
    make_positive("w_s", scales, 0.01f);
    make_random("b", MQ_FLOAT, "5");
    make_node(g, "DynamicQuantizeLinear", "x", "x_q,x_s,x_z");
    make_node(g, "MatMulInteger", "x_q,w,x_z,w_z", "p");
    node_int(make_node(g, "Cast", "p", "f"), "to", MQ_FLOAT);
}

static void scales_multiplied(void **state)
{
    (void)state;
    product("5");
    make_node(g, "Mul", "x_s,w_s", "s");
    make_node(g, "Mul", "f,s", "t");
    make_node(g, "Add", "t,b", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_dynamic, "DynamicQuantizeLinear MatMulIntegerToFloat", TOLERANCE);
    assert_int_equal(g->last->n_inputs, 7);
}

static void scales_one_after_the_other(void **state)
{
    (void)state;
    product("");
    make_node(g, "Mul", "w_s,f", "s");
    make_node(g, "Mul", "s,x_s", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_dynamic, "DynamicQuantizeLinear MatMulIntegerToFloat", TOLERANCE);
}

static void not_fused_with_another_reader(void **state)
{
    (void)state;
    product("5");
    make_node(g, "Mul", "x_s,w_s", "s");
    make_node(g, "Mul", "f,s", "y");
    make_output(g, "y");
    make_output(g, "f");
    pass_leaves(&mq_pass_fuse_dynamic);
}

static void not_fused_when_weights_vary(void **state)
{
    (void)state;
    product("5");
    make_input(g, "w", MQ_INT8, "8,5");
    make_node(g, "Mul", "x_s,w_s", "s");
    make_node(g, "Mul", "f,s", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_dynamic);
}

static void not_fused_with_scales_of_another_shape(void **state)
{
    (void)state;
    product("3,1");
    make_node(g, "Mul", "x_s,w_s", "s");
    make_node(g, "Mul", "f,s", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_dynamic);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(scales_multiplied),
        ON_MODEL(scales_one_after_the_other),
        ON_MODEL(not_fused_with_another_reader),
        ON_MODEL(not_fused_when_weights_vary),
        ON_MODEL(not_fused_with_scales_of_another_shape),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
