/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Loop and Scan: loops that turn not at all, that would never end, and stacks of small types. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/graph_make.h"
#include "lib/run_one.h"

#define I64(...) (const int64_t[]){ __VA_ARGS__ }

/* The body of t's node, with inputs and outputs by name; types as given (NULL: unknown). */
static mq_graph *body(run_one *t)
{
    mq_graph *g = mq_graph_create(t->model, t->model->graph, t->node, "body");
    mq_attr *a = mq_arena_alloc(t->model->arena, sizeof *a);
    mq_attr **list = mq_arena_calloc(t->model->arena, t->node->n_attrs + 1, sizeof *list);

    assert_true(g && a && list);
    *a = (mq_attr){ .name = "body", .type = MQ_ATTR_GRAPH, .n = 1 };
    a->graphs = mq_arena_calloc(t->model->arena, 1, sizeof *a->graphs);
    assert_non_null(a->graphs);
    a->graphs[0] = g;
    if (t->node->n_attrs)
        memcpy(list, t->node->attrs, t->node->n_attrs * sizeof *list);
    list[t->node->n_attrs++] = a;
    t->node->attrs = list;
    return g;
}

static void add_input(mq_graph *g, const char *name, mq_dtype dtype, int rank, const mq_dim *dims)
{
    mq_value *v = mq_value_create(g, name);

    assert_non_null(v);
    v->declared = mq_type_create(g->model, MQ_TYPE_TENSOR, dtype, rank, dims);
    assert_non_null(v->declared);
    assert_int_equal(mq_graph_add_input(g, v, NULL), MQ_OK);
}

static void add_output(mq_graph *g, const char *name)
{
    assert_int_equal(mq_graph_add_output(g, mq_graph_find_here(g, name), NULL), MQ_OK);
}

/* A loop that carries an int64 list of two, and stacks the turn's number beside it. */
static void open_loop(run_one *t, const int64_t *trips, const uint8_t *cond)
{
    const mq_dim two = MQ_DIM(2);
    mq_graph *g;

    run_open(t, "", "Loop");
    if (trips)
        run_i64(t, "", trips);
    else
        run_absent(t);
    if (cond)
        run_input(t, MQ_BOOL, "", cond, false);
    else
        run_absent(t);
    run_i64(t, "2", I64(1, 2));
    g = body(t);
    add_input(g, "i", MQ_INT64, 0, NULL);
    add_input(g, "c", MQ_BOOL, 0, NULL);
    add_input(g, "v", MQ_INT64, 1, &two);
    make_node(g, "Identity", "c", "c_out");
    make_node(g, "Add", "v,v", "v_out");
    make_node(g, "Add", "v,i", "s");
    add_output(g, "c_out");
    add_output(g, "v_out");
    add_output(g, "s");
}

static void test_loop_stacks_each_turn(void **state)
{
    run_one t;

    (void)state;
    open_loop(&t, I64(3), NULL);
    run_node(&t, 2);
    assert_true(run_is(&t, 0, MQ_INT64, "2", I64(8, 16)));
    assert_true(run_is(&t, 1, MQ_INT64, "3,2", I64(1, 2, 3, 5, 6, 10)));
    run_close(&t);
}

static void test_loop_without_a_turn(void **state)
{
    static const int64_t trips[] = { 0, -1, INT64_MIN };
    static const uint8_t no = 0;
    run_one t;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        open_loop(&t, i < 3 ? &trips[i] : NULL, i < 3 ? NULL : &no);
        run_node(&t, 2);
        assert_true(run_is(&t, 0, MQ_INT64, "2", I64(1, 2)));
        assert_true(run_has_shape(&t, 1, MQ_INT64, "0,2"));
        run_close(&t);
    }
}

static void test_loop_that_would_never_end(void **state)
{
    run_one t;

    (void)state;
    open_loop(&t, NULL, NULL);
    assert_int_equal(run_try(&t, 2), MQ_ERR_INPUT);
    assert_non_null(strstr(t.err.text, "never end"));
    run_close(&t);
    open_loop(&t, I64(INT64_MAX), NULL);
    assert_int_equal(run_try(&t, 2), MQ_ERR_INPUT);
    assert_non_null(strstr(t.err.text, "does not fit into memory"));
    run_close(&t);
}

/* A scan of [2,3] along an axis, forwards or backwards, that hands its slices on. */
static void scan(int64_t axis, int64_t out_axis, int64_t back, const char *dims, const int64_t *want)
{
    const mq_dim unknown = MQ_DIM_UNKNOWN;
    run_one t;
    mq_graph *g;

    run_open(&t, "", "Scan");
    run_i64(&t, "2,3", I64(1, 2, 3, 4, 5, 6));
    g = body(&t);
    add_input(g, "x", MQ_INT64, 1, &unknown);
    make_node(g, "Identity", "x", "y");
    add_output(g, "y");
    assert_int_equal(mq_node_set_attr_int(t.node, "num_scan_inputs", 1, NULL), MQ_OK);
    assert_int_equal(mq_node_set_attr_ints(t.node, "scan_input_axes", &axis, 1, NULL), MQ_OK);
    assert_int_equal(mq_node_set_attr_ints(t.node, "scan_output_axes", &out_axis, 1, NULL), MQ_OK);
    assert_int_equal(mq_node_set_attr_ints(t.node, "scan_input_directions", &back, 1, NULL), MQ_OK);
    run_node(&t, 1);
    assert_true(run_is(&t, 0, MQ_INT64, dims, want));
    run_close(&t);
}

static void test_scan_axes_and_directions(void **state)
{
    (void)state;
    scan(0, 0, 0, "2,3", I64(1, 2, 3, 4, 5, 6));
    scan(1, 0, 0, "3,2", I64(1, 4, 2, 5, 3, 6));
    scan(-1, -1, 0, "2,3", I64(1, 2, 3, 4, 5, 6));
    scan(1, 1, 1, "2,3", I64(3, 2, 1, 6, 5, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loop_stacks_each_turn),
        cmocka_unit_test(test_loop_without_a_turn),
        cmocka_unit_test(test_loop_that_would_never_end),
        cmocka_unit_test(test_scan_axes_and_directions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
