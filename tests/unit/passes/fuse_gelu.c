/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_fuse_gelu, mq_pass_fuse_gate;

#define TOLERANCE 2e-5

static void constants(void)
{
    make_input(g, "x", MQ_FLOAT, "N,40");
    make_float("half", 0.5f);
    make_float("one", 1);
    make_float("three", 3);
    make_float("six", 6);
    make_float("zero", 0);
    make_float("root2", 1.41421356f);
    make_float("cube", 0.044715f);
    make_float("k", 0.7978845608f);
    make_float("quick", 1.702f);
}

static void by_erf(void **state)
{
    (void)state;
    constants();
    make_node(g, "Div", "x,root2", "a");
    make_node(g, "Erf", "a", "b");
    make_node(g, "Add", "b,one", "c");
    make_node(g, "Mul", "x,c", "d");
    make_node(g, "Mul", "d,half", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_gelu, "Gelu", TOLERANCE);
}

static void by_erf_in_another_order(void **state)
{
    (void)state;
    constants();
    make_node(g, "Mul", "half,x", "h");
    make_node(g, "Div", "x,root2", "a");
    make_node(g, "Erf", "a", "b");
    make_node(g, "Add", "one,b", "c");
    make_node(g, "Mul", "c,h", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_gelu, "Gelu", TOLERANCE);
}

static void by_tanh(void **state)
{
    (void)state;
    constants();
    make_node(g, "Pow", "x,three", "p");
    make_node(g, "Mul", "p,cube", "q");
    make_node(g, "Add", "x,q", "r");
    make_node(g, "Mul", "r,k", "s");
    make_node(g, "Tanh", "s", "t");
    make_node(g, "Add", "t,one", "u");
    make_node(g, "Mul", "x,half", "v");
    make_node(g, "Mul", "v,u", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_gelu, "Gelu", TOLERANCE);
    assert_true(mq_node_attr_is(g->first, "approximate", "tanh"));
}

static void by_tanh_with_x_outside(void **state)
{
    (void)state;
    constants();
    make_node(g, "Mul", "x,cube", "p");
    make_node(g, "Mul", "p,x", "q");
    make_node(g, "Add", "q,one", "r");
    make_node(g, "Mul", "x,k", "s");
    make_node(g, "Mul", "s,r", "t");
    make_node(g, "Tanh", "t", "u");
    make_node(g, "Add", "u,one", "v");
    make_node(g, "Mul", "x,v", "w");
    make_node(g, "Mul", "w,half", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_gelu, "Gelu", TOLERANCE);
}

static void gates(void **state)
{
    (void)state;
    constants();
    make_node(g, "Sigmoid", "x", "a");
    make_node(g, "Mul", "x,a", "b");
    make_node(g, "Mul", "quick,b", "c");
    make_node(g, "Sigmoid", "c", "d");
    make_node(g, "Mul", "d,b", "e");
    node_float(make_node(g, "HardSigmoid", "e", "f"), "alpha", 1.0f / 6);
    make_node(g, "Mul", "e,f", "h");
    make_node(g, "Add", "h,three", "i");
    make_node(g, "Clip", "i,zero,six", "j");
    make_node(g, "Mul", "h,j", "l");
    make_node(g, "Div", "l,six", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_gelu, "Swish Swish HardSwish HardSwish", TOLERANCE);
}

static void not_fused_with_another_constant(void **state)
{
    (void)state;
    constants();
    make_node(g, "Mul", "x,root2", "a");
    make_node(g, "Erf", "a", "b");
    make_node(g, "Add", "b,one", "c");
    make_node(g, "Mul", "x,c", "d");
    make_node(g, "Mul", "d,half", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_gelu);
}

static void not_fused_with_another_reader(void **state)
{
    (void)state;
    constants();
    make_node(g, "Sigmoid", "x", "a");
    make_node(g, "Mul", "x,a", "y");
    make_output(g, "y");
    make_output(g, "a");
    pass_leaves(&mq_pass_fuse_gelu);
}

static void not_fused_when_another_value_is_gated(void **state)
{
    (void)state;
    constants();
    make_input(g, "z", MQ_FLOAT, "N,40");
    make_node(g, "Sigmoid", "x", "a");
    make_node(g, "Mul", "z,a", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_gelu);
}

/* ---- in a file of some opset --------------------------------------------------------------------------------------- */

static void gelu_at(int opset)
{
    assert_int_equal(mq_opset_set(m, "", opset, NULL), MQ_OK);
    constants();
    make_node(g, "Div", "x,root2", "a");
    make_node(g, "Erf", "a", "b");
    make_node(g, "Add", "b,one", "c");
    make_node(g, "Mul", "x,c", "d");
    make_node(g, "Mul", "d,half", "y");
    make_output(g, "y");
}

static void hard_swish_at(int opset)
{
    assert_int_equal(mq_opset_set(m, "", opset, NULL), MQ_OK);
    constants();
    make_node(g, "Add", "x,three", "a");
    make_node(g, "Clip", "a,zero,six", "b");
    make_node(g, "Mul", "x,b", "c");
    make_node(g, "Div", "c,six", "y");
    make_output(g, "y");
}

static void swish_at(int opset)
{
    assert_int_equal(mq_opset_set(m, "", opset, NULL), MQ_OK);
    constants();
    make_node(g, "Sigmoid", "x", "a");
    make_node(g, "Mul", "x,a", "y");
    make_output(g, "y");
}

static void a_file_has_gelu_from_20_on(void **state)
{
    (void)state;
    gelu_at(20);
    pass_becomes(&mq_pass_fuse_gate, "Gelu", TOLERANCE);
}

static void a_file_has_hard_swish_from_14_on(void **state)
{
    (void)state;
    hard_swish_at(14);
    pass_becomes(&mq_pass_fuse_gate, "HardSwish", TOLERANCE);
}

static void a_file_has_swish_from_24_on(void **state)
{
    (void)state;
    swish_at(24);
    pass_becomes(&mq_pass_fuse_gate, "Swish", TOLERANCE);
}

static void not_fused_when_the_opset_lacks_gelu(void **state)
{
    (void)state;
    gelu_at(19);
    pass_leaves(&mq_pass_fuse_gate);
}

static void not_fused_when_the_opset_lacks_hard_swish(void **state)
{
    (void)state;
    hard_swish_at(13);
    pass_leaves(&mq_pass_fuse_gate);
}

static void not_fused_when_the_opset_lacks_swish(void **state)
{
    (void)state;
    swish_at(23);
    pass_leaves(&mq_pass_fuse_gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(by_erf),
        ON_MODEL(by_erf_in_another_order),
        ON_MODEL(by_tanh),
        ON_MODEL(by_tanh_with_x_outside),
        ON_MODEL(gates),
        ON_MODEL(not_fused_with_another_constant),
        ON_MODEL(not_fused_with_another_reader),
        ON_MODEL(not_fused_when_another_value_is_gated),
        ON_MODEL(a_file_has_gelu_from_20_on),
        ON_MODEL(a_file_has_hard_swish_from_14_on),
        ON_MODEL(a_file_has_swish_from_24_on),
        ON_MODEL(not_fused_when_the_opset_lacks_gelu),
        ON_MODEL(not_fused_when_the_opset_lacks_hard_swish),
        ON_MODEL(not_fused_when_the_opset_lacks_swish),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
