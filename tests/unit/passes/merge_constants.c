/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_merge_constants;

/* Two matrices that differ in one element, or not */
static void make_two(const char *dims, float last)
{
    float a[32], b[32];

    for (int i = 0; i < 32; i++)
        a[i] = b[i] = (float)i / 8;
    b[31] = last;
    make_input(g, "x", MQ_FLOAT, "4,8");
    make_init(g, "a", MQ_FLOAT, "4,8", a);
    make_init(g, "b", MQ_FLOAT, dims, b);
    make_node(g, "Add", "x,a", "t");
}

static void finish(void)
{
    make_node(g, "Mul", "t,b", "y");
    make_output(g, "y");
}

static void equal_ones_are_one(void **state)
{
    (void)state;
    make_two("4,8", 31.0f / 8);
    finish();
    pass_becomes(&mq_pass_merge_constants, "Add Mul", 0);
    assert_int_equal(g->inits.n, 1);
    assert_int_equal(mq_graph_find(g, "a")->uses.n, 2);
}

static void not_merged_when_the_last_element_differs(void **state)
{
    (void)state;
    make_two("4,8", 4);
    finish();
    pass_leaves(&mq_pass_merge_constants);
    assert_int_equal(g->inits.n, 2);
}

static void not_merged_when_shapes_differ(void **state)
{
    (void)state;
    make_two("1,4,8", 31.0f / 8);
    finish();
    pass_leaves(&mq_pass_merge_constants);
}

static void not_merged_when_it_is_an_output(void **state)
{
    (void)state;
    make_two("4,8", 31.0f / 8);
    finish();
    make_output(g, "b");
    pass_leaves(&mq_pass_merge_constants);
}

static void not_merged_when_callers_may_set_it(void **state)
{
    (void)state;
    make_two("4,8", 31.0f / 8);
    make_input(g, "b", MQ_FLOAT, "4,8");
    finish();
    pass_leaves(&mq_pass_merge_constants);
}

static void not_merged_when_types_differ(void **state)
{
    const int32_t ints[] = { 0, 0, 0, 0 };
    const float floats[] = { 0, 0, 0, 0 };

    (void)state;
    make_input(g, "x", MQ_FLOAT, "4");
    make_init(g, "a", MQ_FLOAT, "4", floats);
    make_init(g, "b", MQ_INT32, "4", ints);
    make_node(g, "Add", "x,a", "y");
    make_node(g, "Abs", "b", "z");
    make_output(g, "y");
    make_output(g, "z");
    pass_leaves(&mq_pass_merge_constants);
}

static void not_merged_when_nothing_is_in_them(void **state)
{
    (void)state;
    make_init(g, "a", MQ_FLOAT, "0", "");
    make_init(g, "b", MQ_FLOAT, "0", "");
    make_node(g, "Abs", "a", "y");
    make_node(g, "Neg", "b", "z");
    make_output(g, "y");
    make_output(g, "z");
    pass_leaves(&mq_pass_merge_constants);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(equal_ones_are_one),
        ON_MODEL(not_merged_when_the_last_element_differs),
        ON_MODEL(not_merged_when_shapes_differ),
        ON_MODEL(not_merged_when_it_is_an_output),
        ON_MODEL(not_merged_when_callers_may_set_it),
        ON_MODEL(not_merged_when_types_differ),
        ON_MODEL(not_merged_when_nothing_is_in_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
