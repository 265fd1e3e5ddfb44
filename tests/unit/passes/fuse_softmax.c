/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_fuse_softmax;

#define TOLERANCE 2e-6

static void operands(void)
{
    make_input(g, "x", MQ_FLOAT, "N,3,8");
    make_longs("last", "1", (const int64_t[]){ -1 });
    make_longs("middle", "1", (const int64_t[]){ 1 });
}

static void shift(const char *axis)
{
    char in[32];

    snprintf(in, sizeof in, "x,%s", axis);
    make_node(g, "ReduceMax", in, "most");
    make_node(g, "Sub", "x,most", "d");
}

static void quotient(const char *d, const char *axis)
{
    char in[32];

    make_node(g, "Exp", d, "e");
    snprintf(in, sizeof in, "e,%s", axis);
    make_node(g, "ReduceSum", in, "sum");
    make_node(g, "Div", "e,sum", "y");
    make_output(g, "y");
}

static void written_out(void **state)
{
    (void)state;
    operands();
    shift("last");
    quotient("d", "last");
    pass_becomes(&mq_pass_fuse_softmax, "Softmax", TOLERANCE);
    assert_int_equal(mq_node_attr_int(g->first, "axis", -5), 2);
}

static void without_the_largest(void **state)
{
    (void)state;
    operands();
    quotient("x", "last");
    pass_becomes(&mq_pass_fuse_softmax, "Softmax", TOLERANCE);
}

static void by_reciprocal(void **state)
{
    (void)state;
    operands();
    shift("last");
    make_node(g, "Exp", "d", "e");
    make_node(g, "ReduceSum", "e,last", "sum");
    make_node(g, "Reciprocal", "sum", "r");
    make_node(g, "Mul", "r,e", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_softmax, "Softmax", TOLERANCE);
}

static void old_files_have_attributes(void **state)
{
    (void)state;
    assert_int_equal(mq_opset_set(m, "", 9, NULL), MQ_OK);
    make_input(g, "x", MQ_FLOAT, "N,3,8");
    node_ints(make_node(g, "ReduceMax", "x", "most"), "axes", "2");
    make_node(g, "Sub", "x,most", "d");
    make_node(g, "Exp", "d", "e");
    node_ints(make_node(g, "ReduceSum", "e", "sum"), "axes", "2");
    make_node(g, "Div", "e,sum", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_softmax, "Softmax", TOLERANCE);
}

static void a_shift_that_others_read_stays(void **state)
{
    (void)state;
    operands();
    shift("last");
    make_output(g, "d");
    quotient("d", "last");
    pass_becomes(&mq_pass_fuse_softmax, "ReduceMax Sub Softmax", TOLERANCE);
}

static void a_shift_along_another_axis_stays(void **state)
{
    (void)state;
    operands();
    shift("middle");
    quotient("d", "last");
    pass_becomes(&mq_pass_fuse_softmax, "ReduceMax Sub Softmax", TOLERANCE);
}

static void logarithm_of_softmax(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,3,8");
    node_int(make_node(g, "Softmax", "x", "p"), "axis", 1);
    make_node(g, "Log", "p", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_softmax, "LogSoftmax", TOLERANCE);
    assert_int_equal(mq_node_attr_int(g->first, "axis", -5), 1);
}

static void logarithm_of_the_sum(void **state)
{
    (void)state;
    operands();
    shift("last");
    make_node(g, "Exp", "d", "e");
    make_node(g, "ReduceSum", "e,last", "sum");
    make_node(g, "Log", "sum", "l");
    make_node(g, "Sub", "d,l", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_softmax, "LogSoftmax", TOLERANCE);
}

static void reduced_to_the_logarithm(void **state)
{
    (void)state;
    operands();
    make_node(g, "ReduceLogSumExp", "x,last", "a");
    make_node(g, "Sub", "x,a", "b");
    make_node(g, "Exp", "b", "c");
    make_node(g, "ReduceLogSum", "c,last", "d");
    make_node(g, "Sub", "b,d", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_softmax, "LogSoftmax LogSoftmax", TOLERANCE);
}

static void not_fused_when_the_axis_is_not_the_last(void **state)
{
    (void)state;
    operands();
    quotient("x", "middle");
    pass_leaves(&mq_pass_fuse_softmax);
}

static void not_fused_when_the_axis_goes(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "8,8");
    make_longs("last", "1", (const int64_t[]){ -1 });
    make_node(g, "Exp", "x", "e");
    node_int(make_node(g, "ReduceSum", "e,last", "sum"), "keepdims", 0);
    make_node(g, "Div", "e,sum", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_softmax);
}

static void not_fused_when_the_powers_are_read_elsewhere(void **state)
{
    (void)state;
    operands();
    quotient("x", "last");
    make_output(g, "e");
    pass_leaves(&mq_pass_fuse_softmax);
}

static void not_fused_when_the_sum_is_read_elsewhere(void **state)
{
    (void)state;
    operands();
    quotient("x", "last");
    make_output(g, "sum");
    pass_leaves(&mq_pass_fuse_softmax);
}

static void not_fused_when_another_sum_divides(void **state)
{
    (void)state;
    operands();
    make_input(g, "z", MQ_FLOAT, "N,3,8");
    make_node(g, "Exp", "x", "e");
    make_node(g, "Exp", "z", "f");
    make_node(g, "ReduceSum", "f,last", "sum");
    make_node(g, "Div", "e,sum", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_softmax);
}

static void not_fused_when_the_type_is_not_float(void **state)
{
    (void)state;
    make_input(g, "x", MQ_DOUBLE, "N,3,8");
    make_longs("last", "1", (const int64_t[]){ -1 });
    quotient("x", "last");
    pass_leaves(&mq_pass_fuse_softmax);
}

static void not_fused_when_the_probabilities_are_read(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,3,8");
    make_node(g, "Softmax", "x", "p");
    make_node(g, "Log", "p", "y");
    make_output(g, "p");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_softmax);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(written_out),
        ON_MODEL(without_the_largest),
        ON_MODEL(by_reciprocal),
        ON_MODEL(old_files_have_attributes),
        ON_MODEL(a_shift_that_others_read_stays),
        ON_MODEL(a_shift_along_another_axis_stays),
        ON_MODEL(logarithm_of_softmax),
        ON_MODEL(logarithm_of_the_sum),
        ON_MODEL(reduced_to_the_logarithm),
        ON_MODEL(not_fused_when_the_axis_is_not_the_last),
        ON_MODEL(not_fused_when_the_axis_goes),
        ON_MODEL(not_fused_when_the_powers_are_read_elsewhere),
        ON_MODEL(not_fused_when_the_sum_is_read_elsewhere),
        ON_MODEL(not_fused_when_another_sum_divides),
        ON_MODEL(not_fused_when_the_type_is_not_float),
        ON_MODEL(not_fused_when_the_probabilities_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
