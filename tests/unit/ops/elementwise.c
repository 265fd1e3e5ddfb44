/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/ops/elementwise.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/one_node.h"

/* A node of two inputs, the second a constant vector. */
static void open_with_shape(one_node *t, const char *op_type, const char *dims)
{
    one_open(t, op_type, 18);
    one_shape_of(t, dims);
}

static void broadcasts_symbols(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Add", 14);
    one_in(&t, MQ_FLOAT, "N,1,?,4");
    one_in(&t, MQ_FLOAT, "3,7,4");
    one_gives(&t, "float[N,3,7,4]");
}

static void keeps_the_first_shape_before_opset_7(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Add", 6);
    one_in(&t, MQ_FLOAT, "2,3,4,5");
    one_in(&t, MQ_FLOAT, "3,4");
    one_attr(&t, "broadcast", 1);
    one_attr(&t, "axis", 1);
    one_gives(&t, "float[2,3,4,5]");
}

static void refuses_shapes_that_do_not_fit(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Mul", 14);
    one_in(&t, MQ_FLOAT, "2,3");
    one_in(&t, MQ_FLOAT, "2,4");
    one_refused(&t, 1, "do not broadcast");
}

static void comparison_gives_bool(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Less", 13);
    one_in(&t, MQ_FLOAT, "N,3");
    one_in(&t, MQ_FLOAT, "...");
    one_gives(&t, "bool[...]");
}

static void adds_contents_with_symbols(void **state)
{
    one_node t;

    (void)state;
    open_with_shape(&t, "Add", "N,?,5");
    one_ints(&t, 0, 1, -7);
    one_gives_contents(&t, "int64[3]", "N,?,-2");
}

static void multiplies_contents(void **state)
{
    one_node t;

    (void)state;
    open_with_shape(&t, "Mul", "N,4");
    one_scalar(&t, 3);
    one_gives_contents(&t, "int64[2]", "3*N,12");
}

static void division_rounds_towards_zero(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Div", 14);
    one_ints(&t, -7, 7, 7);
    one_ints(&t, 2, -2, 0);
    one_gives_contents(&t, "int64[3]", "-3,-3,?");
}

static void overflow_is_unknown(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Mul", 14);
    one_ints(&t, (int64_t)1 << 62, 3);
    one_scalar(&t, 4);
    one_gives_contents(&t, "int64[2]", "?,12");
}

static void what_int32_cannot_hold_is_unknown(void **state)
{
    one_node t;

    (void)state;
    const int32_t big = INT32_MAX, one = 1;

    one_open(&t, "Add", 14);
    one_const(&t, MQ_INT32, -1, &big);
    one_const(&t, MQ_INT32, -1, &one);
    one_gives_contents(&t, "int32[]", "?");
}

static void modulo_has_the_sign_of_the_divisor(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Mod", 13);
    one_ints(&t, -7, 7, -7, INT64_MAX, 1);
    one_ints(&t, 3, -3, -3, -1, 0);
    one_gives_contents(&t, "int64[5]", "2,-2,-1,0,?");
}

static void fmod_has_the_sign_of_the_dividend(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Mod", 13);
    one_ints(&t, -7, 7);
    one_ints(&t, 3, -3);
    one_attr(&t, "fmod", 1);
    one_gives_contents(&t, "int64[2]", "-1,1");
}

static void a_size_is_no_negative_number(void **state)
{
    one_node t;

    (void)state;
    open_with_shape(&t, "Equal", "N,?,3,1");
    one_ints(&t, -1, -1, 3, 3);
    one_gives_contents(&t, "bool[4]", "0,?,1,0");
}

static void extremes_of_a_size(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Max", 13);
    one_shape_of(&t, "N,N,4");
    one_ints(&t, 0, 1, 9);
    one_gives_contents(&t, "int64[3]", "N,?,9");
}

static void where_chooses_contents(void **state)
{
    one_node t;

    (void)state;
    const bool cond[] = { true, false };
    mq_node *n;

    one_open(&t, "Where", 16);
    one_const(&t, MQ_BOOL, 2, cond);
    one_shape_of(&t, "N,4");
    one_ints(&t, 7, 8);
    /* initializers of bool hold no contents, constants do */
    n = mq_node_create(t.model->graph, t.node, "", "Constant", "k");
    assert_int_equal(mq_node_set_attr_tensor(n, "value", t.node->inputs[0]->init, NULL), MQ_OK);
    assert_int_equal(mq_node_set_output(n, 0, one_value(&t, "cond"), NULL), MQ_OK);
    assert_int_equal(mq_node_set_input(t.node, 0, n->outputs[0], NULL), MQ_OK);
    one_gives_contents(&t, "int64[2]", "N,8");
}

static void lengths_that_differ_have_no_contents(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Add", 14);
    one_ints(&t, 1, 2);
    one_in(&t, MQ_INT64, "2");
    one_gives_contents(&t, "int64[2]", NULL);
}

static void smallest_number_negated(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Neg", 13);
    one_ints(&t, INT64_MIN + 1, -5);
    one_gives_contents(&t, "int64[2]", "9223372036854775807,5");
}

static void clip_bounds_contents(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Clip", 13);
    one_ints(&t, -4, 0, 9);
    one_absent(&t);
    one_scalar(&t, 3);
    one_gives_contents(&t, "int64[3]", "-4,0,3");
}

static void prelu_keeps_its_input(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "PRelu", 16);
    one_in(&t, MQ_FLOAT, "N,3");
    one_in(&t, MQ_FLOAT, "3");
    one_gives(&t, "float[N,3]");
}

static void dropout_has_a_mask(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Dropout", 13);
    one_in(&t, MQ_FLOAT, "N,3");
    one_run(&t, 2);
    one_type(&t, 0, "float[N,3]");
    one_type(&t, 1, "bool[N,3]");
    mq_model_free(t.model);
}

static void softmax_checks_its_axis(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Softmax", 13);
    one_in(&t, MQ_FLOAT, "N,3");
    one_attr(&t, "axis", INT64_MIN);
    one_refused(&t, 1, "axis");
}

static void softmax_had_another_default(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Softmax", 11);
    one_in(&t, MQ_FLOAT, "7");
    one_refused(&t, 1, "axis 1");
}

static void swiglu_wants_one_shape(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "SwiGLU", 28);
    one_in(&t, MQ_FLOAT, "N,?,4");
    one_in(&t, MQ_FLOAT, "2,3,?");
    one_gives(&t, "float[2,3,4]");
}

static void swiglu_refuses_two_shapes(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "SwiGLU", 28);
    one_in(&t, MQ_FLOAT, "2,4");
    one_in(&t, MQ_FLOAT, "2,1");
    one_refused(&t, 1, "dimension 1");
}

static void no_inputs_at_all(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Sum", 13);
    one_run(&t, 1);
    mq_model_free(t.model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broadcasts_symbols),
        cmocka_unit_test(keeps_the_first_shape_before_opset_7),
        cmocka_unit_test(refuses_shapes_that_do_not_fit),
        cmocka_unit_test(comparison_gives_bool),
        cmocka_unit_test(adds_contents_with_symbols),
        cmocka_unit_test(multiplies_contents),
        cmocka_unit_test(division_rounds_towards_zero),
        cmocka_unit_test(overflow_is_unknown),
        cmocka_unit_test(what_int32_cannot_hold_is_unknown),
        cmocka_unit_test(modulo_has_the_sign_of_the_divisor),
        cmocka_unit_test(fmod_has_the_sign_of_the_dividend),
        cmocka_unit_test(a_size_is_no_negative_number),
        cmocka_unit_test(extremes_of_a_size),
        cmocka_unit_test(where_chooses_contents),
        cmocka_unit_test(lengths_that_differ_have_no_contents),
        cmocka_unit_test(smallest_number_negated),
        cmocka_unit_test(clip_bounds_contents),
        cmocka_unit_test(prelu_keeps_its_input),
        cmocka_unit_test(dropout_has_a_mask),
        cmocka_unit_test(softmax_checks_its_axis),
        cmocka_unit_test(softmax_had_another_default),
        cmocka_unit_test(swiglu_wants_one_shape),
        cmocka_unit_test(swiglu_refuses_two_shapes),
        cmocka_unit_test(no_inputs_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
