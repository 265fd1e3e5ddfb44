/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_fuse_length;

#define TOLERANCE 2e-6

static void operands(void)
{
    make_input(g, "x", MQ_FLOAT, "N,3,8");
    make_longs("last", "1", (const int64_t[]){ -1 });
    make_longs("middle", "1", (const int64_t[]){ 1 });
    make_float("least", 1e-12f);
    make_float("much", 1e-3f);
    make_float("two", 2);
}

static void divided(const char *length)
{
    char in[32];

    snprintf(in, sizeof in, "x,%s", length);
    make_node(g, "Div", in, "y");
    make_output(g, "y");
}

/* As PyTorch exports F.normalize. */
static void normalized(void **state)
{
    (void)state;
    operands();
    make_node(g, "ReduceL2", "x,last", "a");
    make_node(g, "Clip", "a,least", "b");
    make_node(g, "Shape", "x", "s");
    make_node(g, "Expand", "b,s", "c");
    divided("c");
    pass_becomes(&mq_pass_fuse_length, "LpNormalization", TOLERANCE);
    assert_int_equal(mq_node_attr_int(g->first, "axis", 0), -1);
    assert_int_equal(mq_node_attr_int(g->first, "p", 0), 2);
}

static void old_files_have_attributes(void **state)
{
    (void)state;
    assert_int_equal(mq_opset_set(m, "", 9, NULL), MQ_OK);
    make_input(g, "x", MQ_FLOAT, "N,3,8");
    node_ints(make_node(g, "ReduceL1", "x", "a"), "axes", "2");
    node_float(make_node(g, "Clip", "a", "b"), "min", 1e-12f);
    divided("b");
    pass_becomes(&mq_pass_fuse_length, "LpNormalization", TOLERANCE);
    assert_int_equal(mq_node_attr_int(g->first, "p", 0), 1);
}

static void root_of_a_sum(void **state)
{
    (void)state;
    operands();
    make_node(g, "Mul", "x,x", "a");
    make_node(g, "ReduceSum", "a,last", "b");
    make_node(g, "Sqrt", "b", "c");
    divided("c");
    pass_becomes(&mq_pass_fuse_length, "LpNormalization", TOLERANCE);
}

static void root_of_powers_by_reciprocal(void **state)
{
    (void)state;
    operands();
    make_node(g, "Pow", "x,two", "a");
    make_node(g, "ReduceSum", "a,last", "b");
    make_node(g, "Sqrt", "b", "c");
    make_node(g, "Max", "least,c", "d");
    make_node(g, "Reciprocal", "d", "e");
    make_node(g, "Mul", "e,x", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_length, "LpNormalization", TOLERANCE);
}

static void root_of_squares(void **state)
{
    (void)state;
    operands();
    make_node(g, "ReduceSumSquare", "x,last", "b");
    make_node(g, "Sqrt", "b", "c");
    divided("c");
    pass_becomes(&mq_pass_fuse_length, "LpNormalization", TOLERANCE);
}

static void not_fused_when_the_axis_is_not_the_last(void **state)
{
    (void)state;
    operands();
    make_node(g, "ReduceL2", "x,middle", "a");
    divided("a");
    pass_leaves(&mq_pass_fuse_length);
}

static void not_fused_when_the_least_length_is_large(void **state)
{
    (void)state;
    operands();
    make_node(g, "ReduceL2", "x,last", "a");
    make_node(g, "Clip", "a,much", "b");
    divided("b");
    pass_leaves(&mq_pass_fuse_length);
}

static void not_fused_when_there_is_a_largest_length(void **state)
{
    (void)state;
    operands();
    make_node(g, "ReduceL2", "x,last", "a");
    make_node(g, "Clip", "a,least,two", "b");
    divided("b");
    pass_leaves(&mq_pass_fuse_length);
}

static void not_fused_when_the_length_is_read(void **state)
{
    (void)state;
    operands();
    make_node(g, "ReduceL2", "x,last", "a");
    divided("a");
    make_output(g, "a");
    pass_leaves(&mq_pass_fuse_length);
}

static void not_fused_when_it_is_the_length_of_another(void **state)
{
    (void)state;
    operands();
    make_input(g, "z", MQ_FLOAT, "N,3,8");
    make_node(g, "ReduceL2", "z,last", "a");
    divided("a");
    pass_leaves(&mq_pass_fuse_length);
}

static void not_fused_when_the_power_is_another(void **state)
{
    (void)state;
    operands();
    make_float("three", 3);
    make_node(g, "Pow", "x,three", "a");
    make_node(g, "ReduceSum", "a,last", "b");
    make_node(g, "Sqrt", "b", "c");
    divided("c");
    pass_leaves(&mq_pass_fuse_length);
}

static void not_fused_when_many_are_squared(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "3,65");
    make_longs("last", "1", (const int64_t[]){ -1 });
    make_node(g, "Mul", "x,x", "a");
    make_node(g, "ReduceSum", "a,last", "b");
    make_node(g, "Sqrt", "b", "c");
    divided("c");
    pass_leaves(&mq_pass_fuse_length);
}

static void not_fused_when_expand_makes_it_larger(void **state)
{
    (void)state;
    operands();
    make_longs("more", "4", (const int64_t[]){ 5, 1, 1, 1 });
    make_node(g, "ReduceL2", "x,last", "a");
    make_node(g, "Expand", "a,more", "b");
    divided("b");
    pass_leaves(&mq_pass_fuse_length);
}

static void not_fused_when_the_type_is_not_float(void **state)
{
    (void)state;
    make_input(g, "x", MQ_DOUBLE, "N,3,8");
    make_longs("last", "1", (const int64_t[]){ -1 });
    make_node(g, "ReduceL2", "x,last", "a");
    divided("a");
    pass_leaves(&mq_pass_fuse_length);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(normalized),
        ON_MODEL(old_files_have_attributes),
        ON_MODEL(root_of_a_sum),
        ON_MODEL(root_of_powers_by_reciprocal),
        ON_MODEL(root_of_squares),
        ON_MODEL(not_fused_when_the_axis_is_not_the_last),
        ON_MODEL(not_fused_when_the_least_length_is_large),
        ON_MODEL(not_fused_when_there_is_a_largest_length),
        ON_MODEL(not_fused_when_the_length_is_read),
        ON_MODEL(not_fused_when_it_is_the_length_of_another),
        ON_MODEL(not_fused_when_the_power_is_another),
        ON_MODEL(not_fused_when_many_are_squared),
        ON_MODEL(not_fused_when_expand_makes_it_larger),
        ON_MODEL(not_fused_when_the_type_is_not_float),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
