/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/ops/constant.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/one_node.h"

static void set_value(one_node *t, mq_dtype dtype, int n_dims, const int64_t *dims, const void *data)
{
    mq_tensor *v = mq_tensor_create(t->model, "", dtype, n_dims, dims, data);

    assert_non_null(v);
    assert_int_equal(mq_node_set_attr_tensor(t->node, "value", v, NULL), MQ_OK);
}

static void value_with_contents(void **state)
{
    one_node t;

    (void)state;
    const int32_t v[] = { -3, 4 };

    one_open(&t, "Constant", 13);
    set_value(&t, MQ_INT32, 1, (const int64_t[]){ 2 }, v);
    one_gives_contents(&t, "int32[2]", "-3,4");
}

static void value_of_floats(void **state)
{
    one_node t;

    (void)state;
    const float v[] = { 1, 2, 3, 4 };

    one_open(&t, "Constant", 13);
    set_value(&t, MQ_FLOAT, 2, (const int64_t[]){ 2, 2 }, v);
    one_gives_contents(&t, "float[2,2]", NULL);
}

static void plain_integers(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Constant", 13);
    one_attr_ints(&t, "value_ints", 7, -8);
    one_gives_contents(&t, "int64[2]", "7,-8");
}

static void plain_integer(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Constant", 13);
    one_attr(&t, "value_int", -8);
    one_gives_contents(&t, "int64[]", "-8");
}

static void without_any_value(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Constant", 13);
    one_run(&t, 1);
    mq_model_free(t.model);
}

static void value_missing_its_bytes(void **state)
{
    one_node t;

    (void)state;
    mq_tensor *v;

    one_open(&t, "Constant", 13);
    v = mq_tensor_create(t.model, "", MQ_INT64, 1, (const int64_t[]){ 3 }, NULL);
    v->storage = MQ_STORE_EXTERNAL;
    v->external = (mq_external){ .location = "nowhere", .length = -1 };
    assert_int_equal(mq_node_set_attr_tensor(t.node, "value", v, NULL), MQ_OK);
    one_gives_contents(&t, "int64[3]", NULL);
}

static void value_of_negative_size(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Constant", 13);
    set_value(&t, MQ_INT64, 1, (const int64_t[]){ -2 }, NULL);
    one_run(&t, 1);
    assert_true(t.n_findings > 0);
    mq_model_free(t.model);
}

static void of_shape_with_symbols(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "ConstantOfShape", 9);
    one_shape_of(&t, "N,?,5");
    one_gives(&t, "float[N,?,5]");
}

static void of_shape_with_contents(void **state)
{
    one_node t;

    (void)state;
    const int64_t v = -1;

    one_open(&t, "ConstantOfShape", 9);
    one_ints(&t, 3);
    set_value(&t, MQ_INT64, 1, (const int64_t[]){ 1 }, &v);
    one_gives_contents(&t, "int64[3]", "-1,-1,-1");
}

static void of_shape_with_contents_too_many(void **state)
{
    one_node t;

    (void)state;
    const int64_t v = -1;

    one_open(&t, "ConstantOfShape", 9);
    one_ints(&t, (int64_t)1 << 62);
    set_value(&t, MQ_INT64, 1, (const int64_t[]){ 1 }, &v);
    one_gives_contents(&t, "int64[4611686018427387904]", NULL);
}

static void of_shape_of_huge_rank(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "ConstantOfShape", 9);
    one_in(&t, MQ_INT64, "4611686018427387904");
    one_gives(&t, "float[...]");
}

static void refuses_a_negative_shape(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "ConstantOfShape", 9);
    one_ints(&t, 3, -1);
    one_refused(&t, 1, "size 1 of the shape is -1");
}

static void range_counts(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Range", 11);
    one_scalar(&t, 10);
    one_scalar(&t, 0);
    one_scalar(&t, -4);
    one_gives_contents(&t, "int64[3]", "10,6,2");
}

static void range_of_nothing(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Range", 11);
    one_scalar(&t, 0);
    one_scalar(&t, -4);
    one_scalar(&t, 1);
    one_gives_contents(&t, "int64[0]", "");
}

static void range_up_to_a_symbol(void **state)
{
    one_node t;

    (void)state;
    mq_node *n;

    one_open(&t, "Range", 11);
    one_scalar(&t, 0);
    one_shape_of(&t, "N");
    one_scalar(&t, 1);
    n = mq_node_create(t.model->graph, t.node, "", "Squeeze", "q");
    assert_int_equal(mq_node_set_input(n, 0, t.node->inputs[1], NULL), MQ_OK);
    assert_int_equal(mq_node_set_output(n, 0, one_value(&t, "q"), NULL), MQ_OK);
    assert_int_equal(mq_node_set_input(t.node, 1, n->outputs[0], NULL), MQ_OK);
    one_gives_contents(&t, "int64[N]", NULL);
}

static void range_over_everything(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Range", 11);
    one_scalar(&t, INT64_MIN + 1);
    one_scalar(&t, INT64_MAX);
    one_scalar(&t, (int64_t)1 << 62);
    one_gives_contents(&t, "int64[4]", "-9223372036854775807,-4611686018427387903,1,4611686018427387905");
}

static void range_too_long_to_count(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Range", 11);
    one_scalar(&t, INT64_MIN + 1);
    one_scalar(&t, INT64_MAX);
    one_scalar(&t, 1);
    one_gives(&t, "int64[?]");
}

static void range_of_floats(void **state)
{
    one_node t;

    (void)state;
    const float start = 0, limit = 1, delta = 0.3f;

    one_open(&t, "Range", 11);
    one_const(&t, MQ_FLOAT, -1, &start);
    one_const(&t, MQ_FLOAT, -1, &limit);
    one_const(&t, MQ_FLOAT, -1, &delta);
    one_gives(&t, "float[4]");
}

static void refuses_a_step_of_zero(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Range", 11);
    one_scalar(&t, 1);
    one_scalar(&t, 2);
    one_scalar(&t, 0);
    one_refused(&t, 1, "step");
}

static void eye_wants_a_matrix(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "EyeLike", 9);
    one_in(&t, MQ_FLOAT, "2,3,4");
    one_refused(&t, 1, "rank 3");
}

static void eye_of_another_type(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "EyeLike", 9);
    one_in(&t, MQ_FLOAT, "2,N");
    one_attr(&t, "dtype", MQ_DOUBLE);
    one_gives(&t, "double[2,N]");
}

static void refuses_a_random_shape_below_zero(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "RandomNormal", 1);
    one_attr_ints(&t, "shape", 2, -3);
    one_refused(&t, 1, "-3");
}

static void multinomial_samples(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Multinomial", 7);
    one_in(&t, MQ_FLOAT, "N,10");
    one_attr(&t, "sample_size", 5);
    one_gives(&t, "int32[N,5]");
}

static void window_of_a_size(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "HannWindow", 17);
    one_scalar(&t, 10);
    one_gives(&t, "float[10]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(value_with_contents),
        cmocka_unit_test(value_of_floats),
        cmocka_unit_test(plain_integers),
        cmocka_unit_test(plain_integer),
        cmocka_unit_test(without_any_value),
        cmocka_unit_test(value_missing_its_bytes),
        cmocka_unit_test(value_of_negative_size),
        cmocka_unit_test(of_shape_with_symbols),
        cmocka_unit_test(of_shape_with_contents),
        cmocka_unit_test(of_shape_with_contents_too_many),
        cmocka_unit_test(of_shape_of_huge_rank),
        cmocka_unit_test(refuses_a_negative_shape),
        cmocka_unit_test(range_counts),
        cmocka_unit_test(range_of_nothing),
        cmocka_unit_test(range_up_to_a_symbol),
        cmocka_unit_test(range_over_everything),
        cmocka_unit_test(range_too_long_to_count),
        cmocka_unit_test(range_of_floats),
        cmocka_unit_test(refuses_a_step_of_zero),
        cmocka_unit_test(eye_wants_a_matrix),
        cmocka_unit_test(eye_of_another_type),
        cmocka_unit_test(refuses_a_random_shape_below_zero),
        cmocka_unit_test(multinomial_samples),
        cmocka_unit_test(window_of_a_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
