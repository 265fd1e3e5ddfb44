/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/ops/shape.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/one_node.h"

static void flatten_at_an_axis(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Flatten", 13);
    one_in(&t, MQ_FLOAT, "2,3,N");
    one_attr(&t, "axis", -1);
    one_gives(&t, "float[6,N]");
}

static void flatten_at_the_rank(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Flatten", 13);
    one_in(&t, MQ_FLOAT, "2,3");
    one_attr(&t, "axis", 2);
    one_gives(&t, "float[6,1]");
}

static void flatten_overflows(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Flatten", 13);
    one_in(&t, MQ_FLOAT, "3,4611686018427387904,4");
    one_gives(&t, "float[3,?]");
}

static void flatten_refuses_an_axis(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Flatten", 13);
    one_in(&t, MQ_FLOAT, "2,3");
    one_attr(&t, "axis", 3);
    one_refused(&t, 1, "axis 3");
}

static void squeeze_by_attribute(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Squeeze", 11);
    one_in(&t, MQ_FLOAT, "1,N,1");
    one_attr_ints(&t, "axes", -1);
    one_gives(&t, "float[1,N]");
}

static void squeeze_by_input(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Squeeze", 13);
    one_in(&t, MQ_FLOAT, "1,N,?");
    one_ints(&t, 0, 2);
    one_gives(&t, "float[N]");
}

static void squeeze_all_ones(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Squeeze", 13);
    one_in(&t, MQ_FLOAT, "1,3,1,2");
    one_gives(&t, "float[3,2]");
}

static void squeeze_all_ones_of_symbols(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Squeeze", 13);
    one_in(&t, MQ_FLOAT, "1,N");
    one_gives(&t, "float[...]");
}

static void squeeze_refuses_another_size(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Squeeze", 13);
    one_in(&t, MQ_FLOAT, "1,3");
    one_ints(&t, 1);
    one_refused(&t, 1, "size 3");
}

static void squeeze_refuses_an_axis_twice(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Squeeze", 13);
    one_in(&t, MQ_FLOAT, "1,3");
    one_ints(&t, 0, -2);
    one_refused(&t, 1, "twice");
}

static void unsqueeze_counts_from_the_result(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Unsqueeze", 13);
    one_in(&t, MQ_FLOAT, "2,N");
    one_ints(&t, -1, 0);
    one_gives(&t, "float[1,2,N,1]");
}

static void unsqueeze_of_axes_not_known(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Unsqueeze", 13);
    one_in(&t, MQ_FLOAT, "2,N");
    one_in(&t, MQ_INT64, "2");
    one_gives(&t, "float[?,?,?,?]");
}

static void unsqueeze_of_a_scalar_keeps_contents(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Unsqueeze", 13);
    one_scalar(&t, -9);
    one_ints(&t, 0);
    one_gives_contents(&t, "int64[1]", "-9");
}

static void unsqueeze_refuses_an_axis(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Unsqueeze", 13);
    one_in(&t, MQ_FLOAT, "2,N");
    one_ints(&t, INT64_MAX);
    one_refused(&t, 1, "outside");
}

static void transpose_permutes(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Transpose", 13);
    one_in(&t, MQ_FLOAT, "2,N,?");
    one_attr_ints(&t, "perm", 2, 0, 1);
    one_gives(&t, "float[?,2,N]");
}

static void transpose_reverses(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Transpose", 13);
    one_in(&t, MQ_FLOAT, "2,N,4");
    one_gives(&t, "float[4,N,2]");
}

static void transpose_of_unknown_rank(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Transpose", 13);
    one_in(&t, MQ_FLOAT, "...");
    one_attr_ints(&t, "perm", 1, 0);
    one_gives(&t, "float[?,?]");
}

static void transpose_refuses_an_axis_out_of_range(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Transpose", 13);
    one_in(&t, MQ_FLOAT, "2,3");
    one_attr_ints(&t, "perm", 0, 2);
    one_refused(&t, 1, "outside");
}

static void transpose_refuses_an_axis_twice(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Transpose", 13);
    one_in(&t, MQ_FLOAT, "2,3");
    one_attr_ints(&t, "perm", 1, 1);
    one_refused(&t, 1, "twice");
}

static void transpose_refuses_a_negative_axis(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Transpose", 13);
    one_in(&t, MQ_FLOAT, "2,3");
    one_attr_ints(&t, "perm", 0, -1);
    one_refused(&t, 1, "-1");
}

static void transpose_refuses_another_length(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Transpose", 13);
    one_in(&t, MQ_FLOAT, "2,3");
    one_attr_ints(&t, "perm", 0);
    one_refused(&t, 1, "rank 2");
}

static void expand_both_ways(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Expand", 13);
    one_in(&t, MQ_FLOAT, "3,1");
    one_shape_of(&t, "N,1,4");
    one_gives(&t, "float[N,3,4]");
}

static void expand_to_a_length(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Expand", 13);
    one_in(&t, MQ_FLOAT, "3,1");
    one_in(&t, MQ_INT64, "3");
    one_gives(&t, "float[?,3,?]");
}

static void expand_contents(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Expand", 13);
    one_ints(&t, 5);
    one_ints(&t, 3);
    one_gives_contents(&t, "int64[3]", "5,5,5");
}

static void expand_refuses_negative_sizes(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Expand", 13);
    one_in(&t, MQ_FLOAT, "3,1");
    one_ints(&t, 3, -1);
    one_refused(&t, 1, "is -1");
}

static void shape_has_contents(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Shape", 13);
    one_in(&t, MQ_FLOAT, "N,?,5");
    one_gives_contents(&t, "int64[3]", "N,?,5");
}

static void shape_is_cut_and_clamped(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Shape", 15);
    one_in(&t, MQ_FLOAT, "N,7,5");
    one_attr(&t, "start", -2);
    one_attr(&t, "end", INT64_MAX);
    one_gives_contents(&t, "int64[2]", "7,5");
}

static void shape_cut_to_nothing(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Shape", 15);
    one_in(&t, MQ_FLOAT, "N,7,5");
    one_attr(&t, "start", 2);
    one_attr(&t, "end", INT64_MIN);
    one_gives_contents(&t, "int64[0]", "");
}

static void size_is_a_product(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Size", 13);
    one_in(&t, MQ_FLOAT, "N,7,5");
    one_gives_contents(&t, "int64[]", "35*N");
}

static void size_overflows(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Size", 13);
    one_in(&t, MQ_FLOAT, "4611686018427387904,4");
    one_gives_contents(&t, "int64[]", "?");
}

static void identity_keeps_contents(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Identity", 13);
    one_shape_of(&t, "N,2");
    one_gives_contents(&t, "int64[2]", "N,2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flatten_at_an_axis),
        cmocka_unit_test(flatten_at_the_rank),
        cmocka_unit_test(flatten_overflows),
        cmocka_unit_test(flatten_refuses_an_axis),
        cmocka_unit_test(squeeze_by_attribute),
        cmocka_unit_test(squeeze_by_input),
        cmocka_unit_test(squeeze_all_ones),
        cmocka_unit_test(squeeze_all_ones_of_symbols),
        cmocka_unit_test(squeeze_refuses_another_size),
        cmocka_unit_test(squeeze_refuses_an_axis_twice),
        cmocka_unit_test(unsqueeze_counts_from_the_result),
        cmocka_unit_test(unsqueeze_of_axes_not_known),
        cmocka_unit_test(unsqueeze_of_a_scalar_keeps_contents),
        cmocka_unit_test(unsqueeze_refuses_an_axis),
        cmocka_unit_test(transpose_permutes),
        cmocka_unit_test(transpose_reverses),
        cmocka_unit_test(transpose_of_unknown_rank),
        cmocka_unit_test(transpose_refuses_an_axis_out_of_range),
        cmocka_unit_test(transpose_refuses_an_axis_twice),
        cmocka_unit_test(transpose_refuses_a_negative_axis),
        cmocka_unit_test(transpose_refuses_another_length),
        cmocka_unit_test(expand_both_ways),
        cmocka_unit_test(expand_to_a_length),
        cmocka_unit_test(expand_contents),
        cmocka_unit_test(expand_refuses_negative_sizes),
        cmocka_unit_test(shape_has_contents),
        cmocka_unit_test(shape_is_cut_and_clamped),
        cmocka_unit_test(shape_cut_to_nothing),
        cmocka_unit_test(size_is_a_product),
        cmocka_unit_test(size_overflows),
        cmocka_unit_test(identity_keeps_contents),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
