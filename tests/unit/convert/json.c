/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/convert/json.c: what is there, and that any names and numbers are JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <math.h>

#include "convert/convert.h"
#include "graph_make.h"

static json_t *json_of(const mq_model *m)
{
    mq_str text = { 0 };
    json_t *o;

    assert_int_equal(mq_convert_json(m, &text, NULL), MQ_OK);
    o = json_loads(text.s, 0, NULL);
    assert_non_null(o);
    mq_str_release(&text);
    return o;
}

static void a_model(void **state)
{
    static const float w[] = { 1, NAN, -INFINITY };
    mq_model *m = make_model(17);
    mq_graph *g = m->graph;
    const json_t *graph, *node, *value;
    json_t *o;

    (void)state;
    make_input(g, "x", MQ_FLOAT, "3");
    make_init(g, "w", MQ_FLOAT, "3", w);
    assert_int_equal(mq_node_set_attr_int(make_node(g, "Cast", "x", "a"), "to", 1, NULL), MQ_OK);
    make_node(g, "Add", "a,w", "y\xff");
    make_output(g, "y\xff");
    o = json_of(m);
    graph = json_object_get(o, "graph");
    node = json_array_get(json_object_get(graph, "node"), 0);
    assert_string_equal(json_string_value(json_object_get(node, "opType")), "Cast");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(node, "attribute"), "to")), 1);
    value = json_object_get(json_array_get(json_object_get(graph, "initializer"), 0), "values");
    assert_string_equal(json_string_value(json_array_get(value, 1)), "nan");
    assert_string_equal(json_string_value(json_array_get(value, 2)), "-inf");
    assert_int_equal(json_array_size(json_object_get(graph, "output")), 1);
    json_decref(o);
    mq_model_free(m);
}

static void large_constants_are_told_by_their_shape(void **state)
{
    static const float w[17];
    mq_model *m = make_model(17);
    const json_t *init;
    json_t *o;

    (void)state;
    make_init(m->graph, "w", MQ_FLOAT, "17", w);
    o = json_of(m);
    init = json_array_get(json_object_get(json_object_get(o, "graph"), "initializer"), 0);
    assert_null(json_object_get(init, "values"));
    assert_int_equal(json_integer_value(json_array_get(json_object_get(init, "dims"), 0)), 17);
    json_decref(o);
    mq_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model),
        cmocka_unit_test(large_constants_are_told_by_their_shape),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
