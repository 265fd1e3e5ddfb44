/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_fuse_gelu, mq_pass_fuse_gate, mq_pass_fuse_smooth;

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

static void mish(void **state)
{
    (void)state;
    constants();
    make_node(g, "Exp", "x", "a");
    make_node(g, "Add", "one,a", "b");
    make_node(g, "Log", "b", "c");
    make_node(g, "Tanh", "c", "d");
    make_node(g, "Mul", "d,x", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_gelu, "Mish", TOLERANCE);
}

static void softplus(void **state)
{
    (void)state;
    constants();
    make_node(g, "Exp", "x", "a");
    make_node(g, "Add", "a,one", "b");
    make_node(g, "Log", "b", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_gelu, "Softplus", TOLERANCE);
}

/* Clip(x + 3, 0, 6) / 6, the same with Min, Max and Relu, and 0.7 * x + 0.5 within 0 and 1. */
static void hard_sigmoids(void **state)
{
    (void)state;
    constants();
    make_float("sixth", 1.0f / 6);
    make_node(g, "Add", "x,three", "a");
    make_node(g, "Clip", "a,zero,six", "b");
    make_node(g, "Div", "b,six", "c");
    make_node(g, "Add", "three,c", "d");
    make_node(g, "Max", "zero,d", "e");
    make_node(g, "Min", "e,six", "f");
    make_node(g, "Mul", "sixth,f", "h");
    make_node(g, "Min", "h,six", "i");
    make_node(g, "Max", "i,zero", "j");
    make_node(g, "Mul", "j,sixth", "l");
    make_node(g, "Relu", "l", "n");
    make_node(g, "Min", "n,six", "o");
    make_node(g, "Div", "o,six", "p");
    make_node(g, "Mul", "p,k", "q");
    make_node(g, "Add", "q,half", "r");
    make_node(g, "Clip", "r,zero,one", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_gelu, "HardSigmoid HardSigmoid HardSigmoid HardSigmoid HardSigmoid", TOLERANCE);
    assert_float_equal(mq_node_attr_float(g->first, "alpha", 0), 1.0f / 6, 1e-7);
    assert_float_equal(mq_node_attr_float(g->first, "beta", 0), 0.5f, 1e-7);
    assert_float_equal(mq_node_attr_float(g->last, "alpha", 0), 0.7978845608f, 1e-7);
}

static void hard_swish_of_a_hard_sigmoid_written_out(void **state)
{
    (void)state;
    constants();
    make_node(g, "Add", "x,three", "a");
    make_node(g, "Clip", "a,zero,six", "b");
    make_node(g, "Div", "b,six", "c");
    make_node(g, "Mul", "x,c", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_gelu, "HardSwish", TOLERANCE);
}

static void not_made_hard_sigmoid_when_the_bounds_are_others(void **state)
{
    (void)state;
    constants();
    make_node(g, "Add", "x,three", "a");
    make_node(g, "Clip", "a,one,six", "b"); /* not from 0 */
    make_node(g, "Div", "b,six", "c");
    make_node(g, "Clip", "c,zero,three", "d"); /* not to 1 */
    make_node(g, "Div", "d,six", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_gelu);
}

static void not_made_hard_sigmoid_when_only_bounds_are_there(void **state)
{
    (void)state;
    constants();
    make_node(g, "Clip", "x,zero,one", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_gelu);
}

static void not_made_hard_sigmoid_when_the_bound_is_computed(void **state)
{
    (void)state;
    constants();
    make_input(g, "top", MQ_FLOAT, "");
    make_node(g, "Add", "x,three", "a");
    make_node(g, "Clip", "a,zero,top", "b");
    make_node(g, "Div", "b,six", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_gelu);
}

static void not_made_hard_sigmoid_when_the_type_is_integer(void **state)
{
    const int32_t three = 3, zero = 0, one = 1;

    (void)state;
    make_input(g, "x", MQ_INT32, "N,40");
    make_init(g, "three", MQ_INT32, "", &three);
    make_init(g, "zero", MQ_INT32, "", &zero);
    make_init(g, "one", MQ_INT32, "", &one);
    make_node(g, "Add", "x,three", "a");
    make_node(g, "Clip", "a,zero,one", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_gelu);
}

static void not_made_softplus_when_the_number_is_another(void **state)
{
    (void)state;
    constants();
    make_node(g, "Exp", "x", "a");
    make_node(g, "Add", "a,three", "b");
    make_node(g, "Log", "b", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_gelu);
}

static void not_made_mish_when_another_value_is_gated(void **state)
{
    (void)state;
    constants();
    make_input(g, "z", MQ_FLOAT, "N,40");
    make_node(g, "Softplus", "x", "a");
    make_node(g, "Tanh", "a", "b");
    make_node(g, "Mul", "z,b", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_gelu);
}

static void not_fused_when_the_result_is_larger(void **state)
{
    const float ones[] = { 1, 1 };

    (void)state;
    constants();
    make_init(g, "pair", MQ_FLOAT, "1,1,1,1", ones);
    make_node(g, "Sigmoid", "x", "a");
    make_node(g, "Mul", "x,a", "b");
    make_node(g, "Mul", "b,pair", "y"); /* of more axes */
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_gelu, "Swish Mul", TOLERANCE);
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

static void mish_at(int opset)
{
    assert_int_equal(mq_opset_set(m, "", opset, NULL), MQ_OK);
    constants();
    make_node(g, "Softplus", "x", "a");
    make_node(g, "Tanh", "a", "b");
    make_node(g, "Mul", "x,b", "y");
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
    pass_becomes(&mq_pass_fuse_smooth, "Swish", TOLERANCE);
}

static void a_file_has_mish_from_18_on(void **state)
{
    (void)state;
    mish_at(18);
    pass_becomes(&mq_pass_fuse_gate, "Mish", TOLERANCE);
}

/* Bounds are attributes there. */
static void a_file_has_hard_sigmoid_everywhere(void **state)
{
    mq_node *n;

    (void)state;
    assert_int_equal(mq_opset_set(m, "", 7, NULL), MQ_OK);
    constants();
    make_node(g, "Add", "x,three", "a");
    n = make_node(g, "Clip", "a", "b");
    node_float(node_float(n, "min", 0), "max", 6);
    make_node(g, "Div", "b,six", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_gate, "HardSigmoid", TOLERANCE);
}

static void not_fused_when_a_bound_is_missing(void **state)
{
    (void)state;
    assert_int_equal(mq_opset_set(m, "", 7, NULL), MQ_OK);
    constants();
    make_node(g, "Add", "x,three", "a");
    node_float(make_node(g, "Clip", "a", "b"), "max", 6);
    make_node(g, "Div", "b,six", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_gate);
}

static void not_fused_when_the_opset_lacks_mish(void **state)
{
    (void)state;
    mish_at(17);
    pass_leaves(&mq_pass_fuse_gate);
}

/* Runtimes lack the kernels. */
static void not_fused_in_a_file_when_the_type_is_not_float(void **state)
{
    (void)state;
    assert_int_equal(mq_opset_set(m, "", 20, NULL), MQ_OK);
    make_input(g, "x", MQ_FLOAT16, "N,40");
    make_node(g, "Softplus", "x", "a");
    make_node(g, "Tanh", "a", "b");
    make_node(g, "Mul", "x,b", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_gate);
}

static void a_file_has_softplus_when_it_is_named(void **state)
{
    (void)state;
    assert_int_equal(mq_opset_set(m, "", 9, NULL), MQ_OK);
    constants();
    make_node(g, "Exp", "x", "a");
    make_node(g, "Add", "a,one", "b");
    make_node(g, "Log", "b", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_gate);
    pass_becomes(&mq_pass_fuse_smooth, "Softplus", TOLERANCE);
}

static void not_made_gelu_by_the_slow_ones(void **state)
{
    (void)state;
    gelu_at(24);
    pass_leaves(&mq_pass_fuse_smooth);
}

static void not_made_swish_when_nobody_names_it(void **state)
{
    (void)state;
    swish_at(24);
    pass_leaves(&mq_pass_fuse_gate);
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
    pass_leaves(&mq_pass_fuse_smooth);
}

/* ---- ONNX Runtime's own ---------------------------------------------------------------------------------------------- */

static void becomes_contrib(const char *op)
{
    file_becomes(&mq_pass_fuse_gelu, op, TOLERANCE);
    assert_string_equal(g->first->domain, "com.microsoft");
}

static void an_older_file_takes_contrib_gelu(void **state)
{
    (void)state;
    gelu_at(19);
    becomes_contrib("Gelu");
}

static void an_older_file_takes_quick_gelu(void **state)
{
    (void)state;
    swish_at(23);
    becomes_contrib("QuickGelu");
}

static void an_older_file_takes_fast_gelu(void **state)
{
    (void)state;
    assert_int_equal(mq_opset_set(m, "", 17, NULL), MQ_OK);
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
    becomes_contrib("FastGelu");
}

static void a_newer_file_takes_the_standards(void **state)
{
    (void)state;
    gelu_at(20);
    file_becomes(&mq_pass_fuse_gelu, "Gelu", TOLERANCE);
    assert_string_equal(g->first->domain, "");
}

static void not_fused_when_nobody_has_hard_swish(void **state)
{
    (void)state;
    hard_swish_at(13);
    file_leaves(&mq_pass_fuse_gelu);
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
        ON_MODEL(mish),
        ON_MODEL(softplus),
        ON_MODEL(hard_sigmoids),
        ON_MODEL(hard_swish_of_a_hard_sigmoid_written_out),
        ON_MODEL(not_made_hard_sigmoid_when_the_bounds_are_others),
        ON_MODEL(not_made_hard_sigmoid_when_only_bounds_are_there),
        ON_MODEL(not_made_hard_sigmoid_when_the_bound_is_computed),
        ON_MODEL(not_made_hard_sigmoid_when_the_type_is_integer),
        ON_MODEL(not_made_softplus_when_the_number_is_another),
        ON_MODEL(not_made_mish_when_another_value_is_gated),
        ON_MODEL(not_fused_when_the_result_is_larger),
        ON_MODEL(a_file_has_gelu_from_20_on),
        ON_MODEL(a_file_has_hard_swish_from_14_on),
        ON_MODEL(a_file_has_swish_from_24_on),
        ON_MODEL(a_file_has_mish_from_18_on),
        ON_MODEL(a_file_has_hard_sigmoid_everywhere),
        ON_MODEL(not_fused_when_a_bound_is_missing),
        ON_MODEL(not_fused_when_the_opset_lacks_mish),
        ON_MODEL(not_fused_in_a_file_when_the_type_is_not_float),
        ON_MODEL(a_file_has_softplus_when_it_is_named),
        ON_MODEL(not_made_gelu_by_the_slow_ones),
        ON_MODEL(not_made_swish_when_nobody_names_it),
        ON_MODEL(not_fused_when_the_opset_lacks_gelu),
        ON_MODEL(not_fused_when_the_opset_lacks_hard_swish),
        ON_MODEL(not_fused_when_the_opset_lacks_swish),
        ON_MODEL(an_older_file_takes_contrib_gelu),
        ON_MODEL(an_older_file_takes_quick_gelu),
        ON_MODEL(an_older_file_takes_fast_gelu),
        ON_MODEL(a_newer_file_takes_the_standards),
        ON_MODEL(not_fused_when_nobody_has_hard_swish),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
