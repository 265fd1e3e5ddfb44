/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_merge_numbers;

#define TOLERANCE 1e-6

static void make_two(const char *first, const char *in, const char *second, const char *in2)
{
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_float("a", 3);
    make_float("b", 7);
    make_positive("row", "4", 1);
    make_positive("rows", "1,4", 1);
    make_node(g, first, in, "t");
    make_node(g, second, in2, "y");
    make_output(g, "y");
}

static void products(void **state)
{
    (void)state;
    make_two("Mul", "a,x", "Mul", "t,rows");
    pass_becomes(&mq_pass_merge_numbers, "Mul", TOLERANCE);
}

static void product_and_quotient(void **state)
{
    (void)state;
    make_two("Mul", "x,row", "Div", "t,b");
    pass_becomes(&mq_pass_merge_numbers, "Mul", TOLERANCE);
}

static void quotient_and_product(void **state)
{
    (void)state;
    make_two("Div", "x,row", "Mul", "a,t");
    pass_becomes(&mq_pass_merge_numbers, "Mul", TOLERANCE);
}

static void quotients(void **state)
{
    (void)state;
    make_two("Div", "x,a", "Div", "t,b");
    pass_becomes(&mq_pass_merge_numbers, "Div", TOLERANCE);
}

static void sums_and_differences(void **state)
{
    (void)state;
    make_two("Sub", "x,a", "Add", "row,t");
    make_node(g, "Add", "y,a", "u");
    make_node(g, "Sub", "u,b", "z");
    make_output(g, "z");
    pass_becomes(&mq_pass_merge_numbers, "Add Add", TOLERANCE);
}

static void not_merged_when_it_is_the_divisor(void **state)
{
    (void)state;
    make_two("Mul", "x,a", "Div", "b,t");
    pass_leaves(&mq_pass_merge_numbers);
}

static void not_merged_when_a_sum_is_multiplied(void **state)
{
    (void)state;
    make_two("Add", "x,a", "Mul", "t,b");
    pass_leaves(&mq_pass_merge_numbers);
}

static void not_merged_when_shapes_differ(void **state)
{
    (void)state;
    make_two("Mul", "x,row", "Mul", "t,rows");
    pass_leaves(&mq_pass_merge_numbers);
}

static void not_merged_when_another_reads_between(void **state)
{
    (void)state;
    make_two("Mul", "x,a", "Mul", "t,b");
    make_node(g, "Exp", "t", "z");
    make_output(g, "z");
    pass_leaves(&mq_pass_merge_numbers);
}

static void not_merged_when_the_result_is_not_finite(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_float("a", 1e30f);
    make_node(g, "Mul", "x,a", "t");
    make_node(g, "Mul", "t,a", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_merge_numbers);
}

static void not_merged_when_the_type_is_not_float(void **state)
{
    const double a = 3, b = 7;

    (void)state;
    make_input(g, "x", MQ_DOUBLE, "N,4");
    make_init(g, "a", MQ_DOUBLE, "", &a);
    make_init(g, "b", MQ_DOUBLE, "", &b);
    make_node(g, "Mul", "x,a", "t");
    make_node(g, "Mul", "t,b", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_merge_numbers);
}

static void not_merged_when_the_value_between_is_an_output(void **state)
{
    (void)state;
    make_two("Mul", "x,a", "Mul", "t,b");
    make_output(g, "t");
    pass_leaves(&mq_pass_merge_numbers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(products),
        ON_MODEL(product_and_quotient),
        ON_MODEL(quotient_and_product),
        ON_MODEL(quotients),
        ON_MODEL(sums_and_differences),
        ON_MODEL(not_merged_when_it_is_the_divisor),
        ON_MODEL(not_merged_when_a_sum_is_multiplied),
        ON_MODEL(not_merged_when_shapes_differ),
        ON_MODEL(not_merged_when_another_reads_between),
        ON_MODEL(not_merged_when_the_result_is_not_finite),
        ON_MODEL(not_merged_when_the_type_is_not_float),
        ON_MODEL(not_merged_when_the_value_between_is_an_output),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
