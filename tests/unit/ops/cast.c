/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/ops/cast.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/one_node.h"

static void type_and_contents(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Cast", 13);
    one_shape_of(&t, "N,?,5");
    one_attr(&t, "to", MQ_INT32);
    one_gives_contents(&t, "int32[3]", "N,?,5");
}

static void small_types_lose_what_they_cannot_hold(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Cast", 13);
    one_ints(&t, 5, 300, -1);
    one_attr(&t, "to", MQ_UINT8);
    one_gives_contents(&t, "uint8[3]", "5,?,?");
}

static void bool_is_zero_or_one(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Cast", 13);
    one_ints(&t, 5, 0, -1);
    one_attr(&t, "to", MQ_BOOL);
    one_gives_contents(&t, "bool[3]", "1,0,1");
}

static void floats_have_no_contents(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Cast", 13);
    one_ints(&t, 5);
    one_attr(&t, "to", MQ_FLOAT);
    one_gives_contents(&t, "float[1]", NULL);
}

static void spelled_out_before_opset_6(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Cast", 1);
    one_in(&t, MQ_FLOAT, "N");
    assert_int_equal(mq_node_set_attr_string(t.node, "to", "FLOAT16", NULL), MQ_OK);
    one_gives(&t, "float16[N]");
}

static void refuses_a_type_that_is_none(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Cast", 13);
    one_in(&t, MQ_FLOAT, "N");
    one_attr(&t, "to", 4711);
    one_refused(&t, 1, "4711");
}

static void refuses_a_long_name(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Cast", 1);
    one_in(&t, MQ_FLOAT, "N");
    assert_int_equal(mq_node_set_attr_string(t.node, "to", "FLOATFLOATFLOATFLOATFLOATFLOATFLOATFLOAT", NULL), MQ_OK);
    one_refused(&t, 1, "no data type");
}

static void like_another(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "CastLike", 19);
    one_in(&t, MQ_FLOAT, "N,2");
    one_in(&t, MQ_INT8, "...");
    one_gives(&t, "int8[N,2]");
}

static void bits_of_the_same_width(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "BitCast", 26);
    one_in(&t, MQ_FLOAT, "N,2");
    one_attr(&t, "to", MQ_INT32);
    one_gives(&t, "int32[N,2]");
}

static void refuses_bits_of_another_width(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "BitCast", 26);
    one_in(&t, MQ_FLOAT, "N,2");
    one_attr(&t, "to", MQ_INT64);
    one_refused(&t, 1, "another width");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(type_and_contents),
        cmocka_unit_test(small_types_lose_what_they_cannot_hold),
        cmocka_unit_test(bool_is_zero_or_one),
        cmocka_unit_test(floats_have_no_contents),
        cmocka_unit_test(spelled_out_before_opset_6),
        cmocka_unit_test(refuses_a_type_that_is_none),
        cmocka_unit_test(refuses_a_long_name),
        cmocka_unit_test(like_another),
        cmocka_unit_test(bits_of_the_same_width),
        cmocka_unit_test(refuses_bits_of_another_width),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
