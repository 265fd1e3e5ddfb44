/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_fuse_layernorm, mq_pass_fuse_norm, mq_pass_fuse_skip;

#define TOLERANCE 2e-5

/* d of x, and what it is divided by. */
static void deviation(const char *square)
{
    make_input(g, "x", MQ_FLOAT, "N,3,8");
    make_longs("last", "1", (const int64_t[]){ -1 });
    make_float("two", 2);
    make_float("epsilon", 1e-3f);
    make_random("scale", MQ_FLOAT, "8");
    make_random("bias", MQ_FLOAT, "8");
    make_node(g, "ReduceMean", "x,last", "mean");
    make_node(g, "Sub", "x,mean", "d");
    make_node(g, square, strcmp(square, "Pow") == 0 ? "d,two" : "d,d", "square");
    make_node(g, "ReduceMean", "square,last", "variance");
    make_node(g, "Add", "variance,epsilon", "sum");
    make_node(g, "Sqrt", "sum", "root");
}

static void written_out(void **state)
{
    (void)state;
    deviation("Pow");
    make_node(g, "Div", "d,root", "t");
    make_node(g, "Mul", "t,scale", "u");
    make_node(g, "Add", "bias,u", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_layernorm, "LayerNormalization", TOLERANCE);
    assert_true(mq_node_attr_float(g->first, "epsilon", 0) == 1e-3f);
}

static void without_scale(void **state)
{
    (void)state;
    deviation("Mul");
    make_node(g, "Reciprocal", "root", "r");
    make_node(g, "Mul", "d,r", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_layernorm, "LayerNormalization", TOLERANCE);
}

static void tensorflow_form(void **state)
{
    (void)state;
    deviation("Mul");
    make_node(g, "Reciprocal", "root", "r");
    make_node(g, "Mul", "r,scale", "s");
    make_node(g, "Mul", "x,s", "xs");
    make_node(g, "Mul", "mean,s", "ms");
    make_node(g, "Sub", "bias,ms", "rest");
    make_node(g, "Add", "xs,rest", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_layernorm, "LayerNormalization", TOLERANCE);
}

static void root_mean_square(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,3,8");
    make_longs("last", "1", (const int64_t[]){ 2 });
    make_float("two", 2);
    make_float("epsilon", 1e-3f);
    make_random("scale", MQ_FLOAT, "8");
    make_node(g, "Pow", "x,two", "square");
    make_node(g, "ReduceMean", "square,last", "mean");
    make_node(g, "Add", "mean,epsilon", "sum");
    make_node(g, "Sqrt", "sum", "root");
    make_node(g, "Div", "x,root", "t");
    make_node(g, "Mul", "scale,t", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_layernorm, "RMSNormalization", TOLERANCE);
}

static void sum_before(void **state)
{
    (void)state;
    make_input(g, "a", MQ_FLOAT, "N,3,8");
    make_input(g, "b", MQ_FLOAT, "N,3,8");
    make_random("scale", MQ_FLOAT, "8");
    make_random("bias", MQ_FLOAT, "8");
    make_node(g, "Add", "a,b", "sum");
    make_node(g, "LayerNormalization", "sum,scale,bias", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_layernorm, "SkipLayerNormalization", TOLERANCE);
}

static void only_the_sum_before(void **state)
{
    (void)state;
    deviation("Pow");
    make_node(g, "Div", "d,root", "u");
    make_node(g, "Add", "u,x", "sum_of_two");
    make_node(g, "LayerNormalization", "sum_of_two,scale,bias", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_skip, "ReduceMean Sub Pow ReduceMean Add Sqrt Div SkipLayerNormalization", TOLERANCE);
}

static void sum_that_others_read(void **state)
{
    (void)state;
    make_input(g, "a", MQ_FLOAT, "N,3,8");
    make_input(g, "b", MQ_FLOAT, "N,3,8");
    make_random("scale", MQ_FLOAT, "8");
    make_node(g, "Add", "a,b", "sum");
    make_node(g, "Exp", "sum", "z");
    make_node(g, "LayerNormalization", "sum,scale", "y");
    make_output(g, "y");
    make_output(g, "z");
    make_output(g, "sum");
    pass_becomes(&mq_pass_fuse_layernorm, "SkipLayerNormalization Exp", TOLERANCE);
}

static void sum_of_other_shapes_stays(void **state)
{
    (void)state;
    make_input(g, "a", MQ_FLOAT, "N,3,8");
    make_input(g, "b", MQ_FLOAT, "1,3,8");
    make_random("scale", MQ_FLOAT, "8");
    make_node(g, "Add", "a,b", "sum");
    make_node(g, "LayerNormalization", "sum,scale", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_layernorm);
}

static void not_fused_over_another_axis(void **state)
{
    (void)state;
    deviation("Pow");
    *(int64_t *)(uintptr_t)mq_graph_find(g, "last")->init->data = 1;
    make_node(g, "Div", "d,root", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_layernorm);
}

static void not_fused_when_the_deviation_is_read(void **state)
{
    (void)state;
    deviation("Pow");
    make_node(g, "Div", "d,root", "y");
    make_output(g, "y");
    make_output(g, "root");
    pass_leaves(&mq_pass_fuse_layernorm);
}

static void not_fused_with_another_power(void **state)
{
    const float three = 3;

    (void)state;
    deviation("Pow");
    mq_graph_find(g, "two")->init->data = &three;
    make_node(g, "Div", "d,root", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_layernorm);
}

/* ---- in a file of some opset --------------------------------------------------------------------------------------- */

static void deviation_at(int opset)
{
    assert_int_equal(mq_opset_set(m, "", opset, NULL), MQ_OK);
    make_input(g, "x", MQ_FLOAT, "N,3,8");
    make_float("epsilon", 1e-3f);
    make_random("scale", MQ_FLOAT, "8");
    make_random("bias", MQ_FLOAT, "8");
    node_ints(make_node(g, "ReduceMean", "x", "mean"), "axes", "2");
    make_node(g, "Sub", "x,mean", "d");
    make_node(g, "Mul", "d,d", "square");
    node_ints(make_node(g, "ReduceMean", "square", "variance"), "axes", "-1");
    make_node(g, "Add", "variance,epsilon", "sum");
    make_node(g, "Sqrt", "sum", "root");
}

static void spread(void)
{
    make_node(g, "Reciprocal", "root", "r");
    make_node(g, "Mul", "r,scale", "s");
    make_node(g, "Mul", "x,s", "a");
    make_node(g, "Mul", "mean,s", "b");
    make_node(g, "Sub", "bias,b", "c");
    make_node(g, "Add", "a,c", "y");
    make_output(g, "y");
}

static void a_file_of_opset_17_has_the_operator(void **state)
{
    (void)state;
    deviation_at(17);
    spread();
    pass_becomes(&mq_pass_fuse_norm, "LayerNormalization", TOLERANCE);
}

static void an_older_file_takes_the_ordinary_form(void **state)
{
    (void)state;
    deviation_at(11);
    spread();
    pass_becomes(&mq_pass_fuse_norm, "ReduceMean Sub Mul ReduceMean Add Sqrt Div Mul Add", TOLERANCE);
}

static void not_fused_when_the_opset_lacks_it(void **state)
{
    (void)state;
    deviation_at(16);
    make_node(g, "Div", "d,root", "t");
    make_node(g, "Mul", "t,scale", "u");
    make_node(g, "Add", "bias,u", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_norm);
}

static void not_fused_when_the_opset_lacks_root_mean_square(void **state)
{
    (void)state;
    assert_int_equal(mq_opset_set(m, "", 22, NULL), MQ_OK);
    make_input(g, "x", MQ_FLOAT, "N,3,8");
    make_longs("last", "1", (const int64_t[]){ -1 });
    make_float("two", 2);
    make_float("epsilon", 1e-3f);
    make_node(g, "Pow", "x,two", "square");
    make_node(g, "ReduceMean", "square,last", "mean");
    make_node(g, "Add", "mean,epsilon", "sum");
    make_node(g, "Sqrt", "sum", "root");
    make_node(g, "Div", "x,root", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_norm);
}

/* x / root mean square, by 1 / Sqrt or by Pow. */
static void inverse_at(int opset, bool power, float exponent)
{
    assert_int_equal(mq_opset_set(m, "", opset, NULL), MQ_OK);
    make_input(g, "x", MQ_FLOAT, "N,3,8");
    make_longs("last", "1", (const int64_t[]){ -1 });
    make_float("one", 1);
    make_float("two", 2);
    make_float("exponent", exponent);
    make_float("epsilon", 1e-3f);
    make_random("scale", MQ_FLOAT, "8");
    make_node(g, "Pow", "x,two", "square");
    make_node(g, "ReduceMean", "square,last", "mean");
    make_node(g, "Add", "epsilon,mean", "sum");
    if (!power)
        make_node(g, "Sqrt", "sum", "root");
    make_node(g, power ? "Pow" : "Div", power ? "sum,exponent" : "one,root", "inverse");
    make_node(g, "Mul", "x,inverse", "t");
    make_node(g, "Mul", "scale,t", "y");
    make_output(g, "y");
}

static void a_file_of_opset_23_has_root_mean_square(void **state)
{
    (void)state;
    inverse_at(23, false, 0);
    pass_becomes(&mq_pass_fuse_norm, "RMSNormalization", TOLERANCE);
}

static void root_mean_square_by_a_power(void **state)
{
    (void)state;
    inverse_at(24, true, -0.5f);
    pass_becomes(&mq_pass_fuse_norm, "RMSNormalization", TOLERANCE);
}

static void not_fused_when_the_power_is_no_root(void **state)
{
    (void)state;
    inverse_at(23, true, -1);
    pass_leaves(&mq_pass_fuse_norm);
}

/* The scale of one number belongs to something else. */
static void a_scale_of_another_size_stays(void **state)
{
    (void)state;
    deviation("Pow");
    make_float("one", 0.5f);
    make_node(g, "Div", "d,root", "t");
    make_node(g, "Mul", "t,one", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_layernorm, "LayerNormalization Mul", TOLERANCE);
}

static void not_fused_when_the_type_is_not_float(void **state)
{
    const double two = 2, epsilon = 1e-3;

    (void)state;
    make_input(g, "x", MQ_DOUBLE, "N,3,8");
    make_longs("last", "1", (const int64_t[]){ -1 });
    make_init(g, "two", MQ_DOUBLE, "", &two);
    make_init(g, "epsilon", MQ_DOUBLE, "", &epsilon);
    make_node(g, "Pow", "x,two", "square");
    make_node(g, "ReduceMean", "square,last", "mean");
    make_node(g, "Add", "mean,epsilon", "sum");
    make_node(g, "Sqrt", "sum", "root");
    make_node(g, "Div", "x,root", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_layernorm);
}

static void not_fused_when_the_axis_goes(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "8,8");
    make_longs("last", "1", (const int64_t[]){ -1 });
    make_float("two", 2);
    make_float("epsilon", 1e-3f);
    make_node(g, "Pow", "x,two", "square");
    node_int(make_node(g, "ReduceMean", "square,last", "mean"), "keepdims", 0);
    make_node(g, "Add", "mean,epsilon", "sum");
    make_node(g, "Sqrt", "sum", "root");
    make_node(g, "Div", "x,root", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_layernorm);
}

static void not_fused_when_the_size_is_unknown(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "3,W");
    make_longs("last", "1", (const int64_t[]){ -1 });
    make_float("two", 2);
    make_float("epsilon", 1e-3f);
    make_node(g, "Pow", "x,two", "square");
    make_node(g, "ReduceMean", "square,last", "mean");
    make_node(g, "Add", "mean,epsilon", "sum");
    make_node(g, "Sqrt", "sum", "root");
    make_node(g, "Div", "x,root", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_layernorm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(written_out),
        ON_MODEL(without_scale),
        ON_MODEL(tensorflow_form),
        ON_MODEL(root_mean_square),
        ON_MODEL(sum_before),
        ON_MODEL(only_the_sum_before),
        ON_MODEL(sum_that_others_read),
        ON_MODEL(sum_of_other_shapes_stays),
        ON_MODEL(not_fused_over_another_axis),
        ON_MODEL(not_fused_when_the_deviation_is_read),
        ON_MODEL(not_fused_with_another_power),
        ON_MODEL(a_file_of_opset_17_has_the_operator),
        ON_MODEL(an_older_file_takes_the_ordinary_form),
        ON_MODEL(not_fused_when_the_opset_lacks_it),
        ON_MODEL(not_fused_when_the_opset_lacks_root_mean_square),
        ON_MODEL(a_file_of_opset_23_has_root_mean_square),
        ON_MODEL(root_mean_square_by_a_power),
        ON_MODEL(not_fused_when_the_power_is_no_root),
        ON_MODEL(a_scale_of_another_size_stays),
        ON_MODEL(not_fused_when_the_type_is_not_float),
        ON_MODEL(not_fused_when_the_axis_goes),
        ON_MODEL(not_fused_when_the_size_is_unknown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
