/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/graph/attr.c: attributes, constants behind values, types. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_make.h"

static mq_model *m;
static mq_node *n;

static int setup(void **state)
{
    (void)state;
    m = make_model(17);
    n = make_node(m->graph, "Op", "x", "y");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mq_model_free(m);
    return 0;
}

static void test_set_and_get(void **state)
{
    const int64_t *got;
    size_t count = 99;

    (void)state;
    assert_int_equal(mq_node_set_attr_int(n, "i", -5, NULL), MQ_OK);
    assert_int_equal(mq_node_set_attr_float(n, "f", 0.5f, NULL), MQ_OK);
    assert_int_equal(mq_node_set_attr_string(n, "s", "text", NULL), MQ_OK);
    assert_int_equal(mq_node_set_attr_ints(n, "is", (const int64_t[]){ 1, 2, 3 }, 3, NULL), MQ_OK);
    assert_int_equal(mq_node_set_attr_ints(n, "none", NULL, 0, NULL), MQ_OK);
    assert_int_equal(n->n_attrs, 5);
    assert_int_equal(mq_node_attr_int(n, "i", 0), -5);
    assert_true(mq_node_attr_float(n, "f", 0) == 0.5f);
    assert_true(mq_node_attr_is(n, "s", "text"));
    assert_false(mq_node_attr_is(n, "s", "tex"));
    assert_false(mq_node_attr_is(n, "s", "text "));
    got = mq_node_attr_ints(n, "is", &count);
    assert_int_equal(count, 3);
    assert_int_equal(got[2], 3);
    mq_node_attr_ints(n, "none", &count);
    assert_int_equal(count, 0);
}

static void test_absent_and_other_types(void **state)
{
    size_t count = 99;

    (void)state;
    assert_int_equal(mq_node_set_attr_float(n, "f", 1, NULL), MQ_OK);
    assert_int_equal(mq_node_attr_int(n, "f", 7), 7);
    assert_int_equal(mq_node_attr_int(n, "absent", 7), 7);
    assert_true(mq_node_attr_float(n, "absent", 7) == 7);
    assert_false(mq_node_attr_is(n, "absent", ""));
    assert_null(mq_node_attr_ints(n, "f", &count));
    assert_int_equal(count, 0);
    assert_null(mq_node_attr(n, "absent"));
    mq_node_attr(n, "f")->ref = "of_the_function"; /* its value is not known here */
    assert_true(mq_node_attr_float(n, "f", 7) == 7);
}

static void test_replace_keeps_the_place(void **state)
{
    (void)state;
    mq_node_set_attr_int(n, "a", 1, NULL);
    mq_node_set_attr_int(n, "b", 2, NULL);
    mq_node_set_attr_string(n, "a", "now text", NULL);
    assert_int_equal(n->n_attrs, 2);
    assert_string_equal(n->attrs[0]->name, "a");
    assert_true(mq_node_attr_is(n, "a", "now text"));
    assert_int_equal(mq_node_attr_int(n, "a", 0), 0);
    mq_node_remove_attr(n, "a");
    mq_node_remove_attr(n, "a");
    assert_int_equal(n->n_attrs, 1);
    assert_int_equal(mq_node_attr_int(n, "b", 0), 2);
    mq_node_remove_attr(n, "b");
    assert_int_equal(n->n_attrs, 0);
}

static mq_attr *add(mq_node *c, const char *name, mq_attr_type type)
{
    mq_attr *a = NULL;

    assert_int_equal(mq_node_set_attr_int(c, name, 0, NULL), MQ_OK);
    a = mq_node_attr(c, name);
    a->type = type;
    return a;
}

/* The tensor behind Constant with that attribute, as floats. */
static void constant_is(const mq_value *v, mq_dtype dtype, int n_dims, const float *want, size_t count)
{
    mq_tensor *t = mq_value_constant(v, false);
    float got[4];

    assert_non_null(t);
    assert_int_equal(t->dtype, dtype);
    assert_int_equal(t->n_dims, n_dims);
    assert_int_equal(mq_tensor_count(t), count);
    assert_int_equal(mq_tensor_read_f32(t, 0, count, got, NULL), MQ_OK);
    assert_memory_equal(got, want, count * sizeof *got);
}

static void test_constant_nodes(void **state)
{
    static const float fs[] = { 1.5f, -2, 7 };
    static const int64_t is[] = { 3, -4, 5 };
    mq_node *c = make_node(m->graph, "Constant", "", "c");
    const mq_value *v = mq_graph_find(m->graph, "c");
    int64_t dim = 2;
    mq_attr *a;

    (void)state;
    assert_null(mq_value_constant(v, false));
    assert_int_equal(mq_node_set_attr_tensor(c, "value", mq_tensor_create(m, "t", MQ_FLOAT, 1, &dim, fs), NULL), MQ_OK);
    constant_is(v, MQ_FLOAT, 1, fs, 2);
    mq_node_remove_attr(c, "value");
    mq_node_set_attr_int(c, "value_int", -9, NULL);
    constant_is(v, MQ_INT64, 0, (const float[]){ -9 }, 1);
    mq_node_remove_attr(c, "value_int");
    mq_node_set_attr_ints(c, "value_ints", is, 3, NULL);
    constant_is(v, MQ_INT64, 1, (const float[]){ 3, -4, 5 }, 3);
    mq_node_remove_attr(c, "value_ints");
    mq_node_set_attr_float(c, "value_float", 2.5f, NULL);
    constant_is(v, MQ_FLOAT, 0, (const float[]){ 2.5f }, 1);
    mq_node_remove_attr(c, "value_float");
    a = add(c, "value_floats", MQ_ATTR_FLOATS);
    a->n = 2;
    a->floats = fs;
    constant_is(v, MQ_FLOAT, 1, fs, 2);
    assert_int_equal(mq_value_set_constant(mq_graph_find(m->graph, "c"), mq_tensor_create(m, "t", MQ_FLOAT, 1, &dim, fs + 1),
                                           NULL), MQ_OK);
    assert_int_equal(c->n_attrs, 1); /* one of them, as the standard has it */
    mq_node_remove_attr(c, "value");
    mq_node_set_attr_string(c, "value_string", "no number", NULL);
    assert_null(mq_value_constant(v, false));
}

/* An attribute of the right name and the wrong type is no constant, and nothing is read past it. */
static void test_constant_of_the_wrong_type(void **state)
{
    mq_node *c = make_node(m->graph, "Constant", "", "c");
    const mq_value *v = mq_graph_find(m->graph, "c");

    (void)state;
    add(c, "value_ints", MQ_ATTR_FLOATS)->n = 3;
    assert_null(mq_value_constant(v, false));
    mq_node_remove_attr(c, "value_ints");
    add(c, "value_floats", MQ_ATTR_INTS)->n = 3;
    assert_null(mq_value_constant(v, false));
    mq_node_remove_attr(c, "value_floats");
    mq_node_set_attr_float(c, "value_int", 1, NULL);
    assert_null(mq_value_constant(v, false));
    mq_node_remove_attr(c, "value_int");
    mq_node_set_attr_int(c, "value", 1, NULL);
    assert_null(mq_value_constant(v, false));
}

static void test_constant_initializers(void **state)
{
    const float w[2] = { 1, 2 };
    mq_value *v = make_init(m->graph, "w", MQ_FLOAT, "2", w);

    (void)state;
    assert_ptr_equal(mq_value_constant(v, false), v->init);
    mq_graph_add_input(m->graph, v, NULL); /* a caller may replace it */
    assert_null(mq_value_constant(v, false));
    assert_ptr_equal(mq_value_constant(v, true), v->init);
    assert_null(mq_value_constant(mq_graph_find(m->graph, "x"), true));
    assert_null(mq_value_constant(mq_graph_find(m->graph, "y"), true));
}

static void test_types_and_dims(void **state)
{
    mq_dim dims[2] = { MQ_DIM(3), { .value = -1, .symbol = "n" } };
    const mq_type *t = mq_type_create(m, MQ_TYPE_TENSOR, MQ_FLOAT, 2, dims);

    (void)state;
    dims[0] = MQ_DIM(9);
    assert_int_equal(t->dims[0].value, 3);
    assert_non_null(mq_type_create(m, MQ_TYPE_TENSOR, MQ_FLOAT, -1, NULL));
    assert_non_null(mq_type_create(m, MQ_TYPE_TENSOR, MQ_FLOAT, 0, NULL));
    assert_true(mq_dim_known(MQ_DIM(0)));
    assert_false(mq_dim_known(MQ_DIM_UNKNOWN));
    assert_true(mq_dim_equal(MQ_DIM(3), MQ_DIM(3)));
    assert_false(mq_dim_equal(MQ_DIM(3), MQ_DIM_UNKNOWN));
    assert_false(mq_dim_equal(MQ_DIM_UNKNOWN, MQ_DIM_UNKNOWN));
    assert_true(mq_dim_equal(dims[1], (mq_dim){ .value = -1, .symbol = "n" }));
    assert_false(mq_dim_equal(dims[1], (mq_dim){ .value = -1, .symbol = "m" }));
}

#define ON_MODEL(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(test_set_and_get),
        ON_MODEL(test_absent_and_other_types),
        ON_MODEL(test_replace_keeps_the_place),
        ON_MODEL(test_constant_nodes),
        ON_MODEL(test_constant_of_the_wrong_type),
        ON_MODEL(test_constant_initializers),
        ON_MODEL(test_types_and_dims),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
