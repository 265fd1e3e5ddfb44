/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/ops/reshape.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/one_node.h"

#define RESHAPE(dims, ...)            \
    one_node t;                       \
    one_open(&t, "Reshape", 21);      \
    one_in(&t, MQ_FLOAT, dims);       \
    one_ints(&t, __VA_ARGS__)

static void minus_one_is_solved(void **state)
{
    (void)state;
    RESHAPE("2,3,4", -1, 6);
    one_gives(&t, "float[4,6]");
}

static void symbols_cancel(void **state)
{
    (void)state;
    one_node t;

    one_open(&t, "Reshape", 21);
    one_in(&t, MQ_FLOAT, "batch,seq,64");
    one_shape_of(&t, "batch,seq,8,8");
    one_gives(&t, "float[batch,seq,8,8]");
}

static void symbol_is_left(void **state)
{
    (void)state;
    RESHAPE("batch,3,4", -1, 4);
    one_gives(&t, "float[3*batch,4]");
}

static void factor_of_a_symbol_cancels(void **state)
{
    (void)state;
    one_node t;

    one_open(&t, "Reshape", 21);
    one_in(&t, MQ_FLOAT, "12*batch,7");
    one_ints(&t, -1, 12);
    one_gives(&t, "float[7*batch,12]");
}

static void copied_size_cancels_unknown(void **state)
{
    (void)state;
    RESHAPE("?,10,?", 0, -1, 0);
    one_gives(&t, "float[?,10,?]");
}

static void unknown_element_is_solved_too(void **state)
{
    (void)state;
    one_node t;

    one_open(&t, "Reshape", 21);
    one_in(&t, MQ_FLOAT, "6,N");
    one_shape_of(&t, "?,3");
    one_gives(&t, "float[2*N,3]");
}

static void two_symbols_stay_unknown(void **state)
{
    (void)state;
    RESHAPE("batch,seq", -1);
    one_gives(&t, "float[?]");
}

static void zero_copies(void **state)
{
    (void)state;
    RESHAPE("N,3,4", 0, -1);
    one_gives(&t, "float[N,12]");
}

static void zero_is_a_size_with_allowzero(void **state)
{
    (void)state;
    RESHAPE("0,3", 3, 0);
    one_attr(&t, "allowzero", 1);
    one_gives(&t, "float[3,0]");
}

static void zero_beside_minus_one_is_unknown(void **state)
{
    (void)state;
    RESHAPE("0,3", 0, -1);
    one_gives(&t, "float[0,3]");
}

static void scalar_from_an_empty_shape(void **state)
{
    (void)state;
    one_node t;

    one_open(&t, "Reshape", 21);
    one_in(&t, MQ_FLOAT, "1,1");
    one_const(&t, MQ_INT64, 0, NULL);
    one_gives(&t, "float[]");
}

static void contents_go_along(void **state)
{
    (void)state;
    one_node t;

    one_open(&t, "Reshape", 21);
    one_shape_of(&t, "N,?,5");
    one_ints(&t, -1);
    one_gives_contents(&t, "int64[3]", "N,?,5");
}

static void unknown_rank_keeps_the_wanted_one(void **state)
{
    (void)state;
    RESHAPE("...", -1, 7, 0);
    one_gives(&t, "float[?,7,?]");
}

static void attribute_before_opset_5(void **state)
{
    (void)state;
    one_node t;

    one_open(&t, "Reshape", 1);
    one_in(&t, MQ_FLOAT, "2,6");
    one_attr_ints(&t, "shape", 3, -1);
    one_gives(&t, "float[3,4]");
}

static void overflow_is_unknown(void **state)
{
    (void)state;
    RESHAPE("4611686018427387904,4", -1, 2);
    one_gives(&t, "float[?,2]");
}

static void refuses_what_does_not_divide(void **state)
{
    (void)state;
    RESHAPE("2,5", -1, 3);
    one_refused(&t, 1, "cannot be divided");
}

static void refuses_another_count(void **state)
{
    (void)state;
    RESHAPE("2,5", 3, 3);
    one_refused(&t, 1, "do not fit");
}

static void refuses_two_open_sizes(void **state)
{
    (void)state;
    RESHAPE("2,5", -1, -1);
    one_refused(&t, 1, "only one");
}

static void refuses_negative_sizes(void **state)
{
    (void)state;
    RESHAPE("2,5", -2, 5);
    one_refused(&t, 1, "is -2");
}

static void refuses_zero_past_the_rank(void **state)
{
    (void)state;
    RESHAPE("2,5", 2, 5, 0);
    one_refused(&t, 1, "rank 2");
}

static void refuses_allowzero_with_zero_and_minus_one(void **state)
{
    (void)state;
    RESHAPE("0,5", 0, -1);
    one_attr(&t, "allowzero", 1);
    one_refused(&t, 1, "allowzero");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(minus_one_is_solved),
        cmocka_unit_test(symbols_cancel),
        cmocka_unit_test(symbol_is_left),
        cmocka_unit_test(factor_of_a_symbol_cancels),
        cmocka_unit_test(copied_size_cancels_unknown),
        cmocka_unit_test(unknown_element_is_solved_too),
        cmocka_unit_test(two_symbols_stay_unknown),
        cmocka_unit_test(zero_copies),
        cmocka_unit_test(zero_is_a_size_with_allowzero),
        cmocka_unit_test(zero_beside_minus_one_is_unknown),
        cmocka_unit_test(scalar_from_an_empty_shape),
        cmocka_unit_test(contents_go_along),
        cmocka_unit_test(unknown_rank_keeps_the_wanted_one),
        cmocka_unit_test(attribute_before_opset_5),
        cmocka_unit_test(overflow_is_unknown),
        cmocka_unit_test(refuses_what_does_not_divide),
        cmocka_unit_test(refuses_another_count),
        cmocka_unit_test(refuses_two_open_sizes),
        cmocka_unit_test(refuses_negative_sizes),
        cmocka_unit_test(refuses_zero_past_the_rank),
        cmocka_unit_test(refuses_allowzero_with_zero_and_minus_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
