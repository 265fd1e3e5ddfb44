/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/ops/control.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/one_node.h"

/* A body of the node with so many inputs; each of its outputs comes from a node of its own. */
static mq_graph *add_body(one_node *t, const char *attr, size_t n_inputs)
{
    mq_arena *a = t->model->arena;
    mq_graph *g = mq_graph_create(t->model, t->model->graph, t->node, attr);
    mq_attr **list = mq_arena_grow(a, t->node->attrs, t->node->n_attrs, t->node->n_attrs + 1, sizeof *list);
    mq_attr *at = mq_arena_alloc(a, sizeof *at);

    assert_true(g && list && at);
    *at = (mq_attr){ .name = attr, .type = MQ_ATTR_GRAPH, .n = 1, .graphs = mq_arena_memdup(a, &g, sizeof(mq_graph *)) };
    list[t->node->n_attrs++] = at;
    t->node->attrs = list;
    for (size_t i = 0; i < n_inputs; i++)
        assert_int_equal(mq_graph_add_input(g, mq_value_create_unique(g, "in"), NULL), MQ_OK);
    return g;
}

/* An output op(a, b) of the body; b may be NULL. */
static mq_node *body_gives(mq_graph *g, const char *op, mq_value *a, mq_value *b)
{
    mq_node *n = mq_node_create(g, NULL, "", op, "");
    mq_value *v = mq_value_create_unique(g, "out");

    assert_int_equal(mq_node_set_input(n, 0, a, NULL), MQ_OK);
    if (b)
        assert_int_equal(mq_node_set_input(n, 1, b, NULL), MQ_OK);
    assert_int_equal(mq_node_set_output(n, 0, v, NULL), MQ_OK);
    assert_int_equal(mq_graph_add_output(g, v, NULL), MQ_OK);
    return n;
}

static mq_value *input_of(mq_graph *g, size_t i)
{
    return g->inputs.items[i];
}

/* A loop over one carried value, with the condition handed through. */
static mq_graph *open_loop(one_node *t, const char *carried)
{
    mq_graph *g;

    one_open(t, "Loop", 16);
    one_scalar(t, 5);
    one_absent(t);
    one_in(t, MQ_FLOAT, carried);
    g = add_body(t, "body", 3);
    body_gives(g, "Identity", input_of(g, 1), NULL);
    return g;
}

static void loop_keeps_what_stays(void **state)
{
    one_node t;
    mq_graph *g = open_loop(&t, "N,3");

    (void)state;
    body_gives(g, "Relu", input_of(g, 2), NULL);
    body_gives(g, "Transpose", input_of(g, 2), NULL);
    one_run(&t, 2);
    assert_string_equal(t.finding, "");
    one_type(&t, 0, "float[N,3]");
    one_type(&t, 1, "float[?,3,N]");
    mq_model_free(t.model);
}

static void loop_gives_up_what_changes(void **state)
{
    one_node t;
    mq_graph *g = open_loop(&t, "4,3");
    mq_node *n;

    (void)state;
    n = body_gives(g, "Concat", input_of(g, 2), input_of(g, 2)); /* grows along axis 0 */
    assert_int_equal(mq_node_set_attr_int(n, "axis", 0, NULL), MQ_OK);
    one_run(&t, 1);
    assert_string_equal(t.finding, "");
    one_type(&t, 0, "float[?,3]");
    mq_model_free(t.model);
    g = open_loop(&t, "4,3");
    n = body_gives(g, "Unsqueeze", input_of(g, 2), t.node->inputs[0]); /* another rank each time */
    one_run(&t, 1);
    one_type(&t, 0, "float[...]");
    mq_model_free(t.model);
}

static void loop_with_wrong_counts(void **state)
{
    one_node t;
    mq_graph *g;

    (void)state;
    one_open(&t, "Loop", 16);
    one_scalar(&t, 5);
    one_absent(&t);
    one_in(&t, MQ_FLOAT, "N");
    add_body(&t, "body", 2);
    one_refused(&t, 1, "2 inputs, it must have 3");
    open_loop(&t, "N");
    one_refused(&t, 1, "1 outputs, it must have 2");
    one_open(&t, "Loop", 16);
    add_body(&t, "body", 0);
    one_refused(&t, 0, "0 inputs, it must have 2");
    one_open(&t, "Loop", 16);
    one_run(&t, 1); /* no body at all */
    mq_model_free(t.model);
    g = open_loop(&t, "N");
    body_gives(g, "Shape", input_of(g, 2), NULL);
    one_refused(&t, 1, "another type");
}

static void branches(void **state)
{
    one_node t;
    mq_graph *g;

    (void)state;
    one_open(&t, "If", 16);
    one_in(&t, MQ_BOOL, "");
    mq_value *x = one_graph_input(&t, MQ_FLOAT, "N,3,4");
    g = add_body(&t, "then_branch", 0);
    body_gives(g, "Relu", x, NULL);
    g = add_body(&t, "else_branch", 0);
    body_gives(g, "Transpose", x, NULL);
    one_gives(&t, "float[?,3,?]");

    one_open(&t, "If", 16);
    one_in(&t, MQ_BOOL, "");
    x = one_graph_input(&t, MQ_FLOAT, "N,3,4");
    g = add_body(&t, "then_branch", 0);
    body_gives(g, "Relu", x, NULL);
    g = add_body(&t, "else_branch", 0);
    one_refused(&t, 1, "0 outputs");

    one_open(&t, "If", 16);
    one_in(&t, MQ_BOOL, "");
    x = one_graph_input(&t, MQ_FLOAT, "N,3,4");
    g = add_body(&t, "then_branch", 0);
    body_gives(g, "Relu", x, NULL);
    g = add_body(&t, "else_branch", 0);
    body_gives(g, "Shape", x, NULL);
    one_refused(&t, 1, "different types");
}

/* A scan over one state and one sequence */
static mq_graph *open_scan(one_node *t, int opset, const char *state, const char *sequence)
{
    mq_graph *g;

    one_open(t, "Scan", opset);
    if (opset < 9)
        one_absent(t);
    one_in(t, MQ_FLOAT, state);
    one_in(t, MQ_FLOAT, sequence);
    g = add_body(t, "body", 2);
    body_gives(g, "Add", input_of(g, 0), input_of(g, 1));
    body_gives(g, "Relu", input_of(g, 1), NULL);
    return g;
}

static void scan(void **state)
{
    one_node t;

    (void)state;
    open_scan(&t, 16, "4", "4,S");
    one_attr(&t, "num_scan_inputs", 1);
    one_attr_ints(&t, "scan_input_axes", -1);
    one_attr_ints(&t, "scan_output_axes", 1);
    one_run(&t, 2);
    assert_string_equal(t.finding, "");
    one_type(&t, 0, "float[4]");
    one_type(&t, 1, "float[4,S]");
    mq_model_free(t.model);
    open_scan(&t, 8, "B,4", "B,S,4");
    one_attr(&t, "num_scan_inputs", 1);
    one_run(&t, 2);
    assert_string_equal(t.finding, "");
    one_type(&t, 0, "float[B,4]");
    one_type(&t, 1, "float[B,S,4]");
    mq_model_free(t.model);
}

static void scan_refuses_nonsense(void **state)
{
    static const int64_t counts[] = { 0, -1, 3, INT64_MAX, INT64_MIN };
    one_node t;

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(counts); i++) {
        open_scan(&t, 16, "4", "S,4");
        one_attr(&t, "num_scan_inputs", counts[i]);
        one_refused(&t, 2, "num_scan_inputs");
    }
    open_scan(&t, 16, "4", "S,4");
    one_attr(&t, "num_scan_inputs", 1);
    one_attr_ints(&t, "scan_input_axes", 0, 0);
    one_refused(&t, 2, "2 entries, 1 are needed");
    open_scan(&t, 16, "4", "S,4");
    one_attr(&t, "num_scan_inputs", 1);
    one_attr_ints(&t, "scan_input_axes", 2);
    one_refused(&t, 2, "outside");
    open_scan(&t, 8, "B,4", "S");
    one_attr(&t, "num_scan_inputs", 1);
    one_refused(&t, 2, "batch axis");
}

/* Loops in loops must end, and soon. */
static void deep_loops(void **state)
{
    one_node t, inner;
    mq_graph *g = open_loop(&t, "4,3");

    (void)state;
    inner = t;
    for (int depth = 0; depth < 40; depth++) {
        inner.node = body_gives(g, "Loop", NULL, NULL);
        assert_int_equal(mq_node_set_input(inner.node, 1, NULL, NULL), MQ_OK);
        assert_int_equal(mq_node_set_input(inner.node, 2, input_of(g, 2), NULL), MQ_OK);
        g = add_body(&inner, "body", 3);
        body_gives(g, "Identity", input_of(g, 1), NULL);
    }
    body_gives(g, "Relu", input_of(g, 2), NULL);
    one_run(&t, 1);
    mq_model_free(t.model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loop_keeps_what_stays),  cmocka_unit_test(loop_gives_up_what_changes),
        cmocka_unit_test(loop_with_wrong_counts), cmocka_unit_test(branches),
        cmocka_unit_test(scan),                   cmocka_unit_test(scan_refuses_nonsense),
        cmocka_unit_test(deep_loops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
