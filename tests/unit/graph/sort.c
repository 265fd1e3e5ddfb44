/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/graph/sort.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_check.h"
#include "graph_make.h"
#include "rng.h"

static mq_model *m;
static mq_graph *g;

static int setup(void **state)
{
    (void)state;
    m = make_model(17);
    g = m->graph;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    graph_check(m);
    mq_model_free(m);
    return 0;
}

/* Names of the nodes in order, separated by blanks. */
static void order_is(const mq_graph *of, const char *want)
{
    char got[256] = "";

    for (const mq_node *n = of->first; n; n = n->next) {
        strcat(got, n->name);
        strcat(got, n->next ? " " : "");
    }
    assert_string_equal(got, want);
}

static void sorts(size_t moved)
{
    size_t n = 0;

    assert_int_equal(mq_graph_sort(g, &n, NULL), MQ_OK);
    assert_int_equal(n, moved);
    graph_check(m);
}

static void test_empty(void **state)
{
    (void)state;
    sorts(0);
}

static void test_sorted_stays(void **state)
{
    (void)state;
    make_node(g, "Relu", "x", "a");
    make_node(g, "Relu", "x", "b");
    make_node(g, "Add", "b,a", "c");
    make_node(g, "Relu", "x", "d");
    sorts(0);
    order_is(g, "a b c d");
}

static void test_only_what_must_moves(void **state)
{
    (void)state;
    make_node(g, "Add", "b,a", "c");
    make_node(g, "Relu", "x", "z");
    make_node(g, "Relu", "x", "a");
    make_node(g, "Relu", "a", "b");
    make_node(g, "Relu", "x", "last");
    sorts(4);
    order_is(g, "a b c z last");
    sorts(0);
}

static void test_absent_and_repeated_inputs(void **state)
{
    (void)state;
    make_node(g, "Clip", "a,-,a", "c");
    make_node(g, "Relu", "x", "a");
    sorts(2);
    order_is(g, "a c");
}

/* A chain of 100000 nodes in reverse: no recursion. */
static void test_long_reversed_chain(void **state)
{
    enum { N = 100000 };
    mq_value **v = calloc(N + 1, sizeof *v);
    size_t moved = 0, i = 0;
    char name[16];

    (void)state;
    assert_non_null(v);
    for (i = 0; i <= N; i++) {
        snprintf(name, sizeof name, "v%zu", i);
        v[i] = mq_value_create(g, name);
    }
    for (i = N; i > 0; i--) {
        mq_node *n = mq_node_create(g, NULL, "", "Relu", "");
        assert_int_equal(mq_node_set_input(n, 0, v[i - 1], NULL), MQ_OK);
        assert_int_equal(mq_node_set_output(n, 0, v[i], NULL), MQ_OK);
    }
    assert_int_equal(mq_graph_sort(g, &moved, NULL), MQ_OK);
    assert_int_equal(moved, N);
    i = 1;
    for (const mq_node *n = g->first; n; n = n->next)
        assert_ptr_equal(n->outputs[0], v[i++]);
    assert_int_equal(i, N + 1);
    free(v);
    mq_model_free(m); /* the fixture's own check takes time that grows with the square of the values */
    m = make_model(17);
    g = m->graph;
}

static void test_cycle(void **state)
{
    mq_error err = { 0 };
    size_t moved = 0;

    (void)state;
    make_node(g, "Relu", "b", "late");
    make_node(g, "Add", "x,b", "a");
    make_node(g, "Relu", "a", "b");
    assert_int_equal(mq_graph_sort(g, &moved, &err), MQ_ERR_INPUT);
    assert_string_equal(err.text, "graph 'main': nodes 'b' and 'a' lie on a cycle");
    order_is(g, "late a b");
}

static void test_node_that_needs_itself(void **state)
{
    mq_error err = { 0 };
    size_t moved = 0;

    (void)state;
    make_node(g, "Add", "x,a", "a");
    assert_int_equal(mq_graph_sort(g, &moved, &err), MQ_ERR_INPUT);
    assert_string_equal(err.text, "graph 'main': nodes 'a' and 'a' lie on a cycle");
}

/* What a subgraph reads from outside is needed by the node that holds it, at any depth; subgraphs are sorted too. */
static void test_captures(void **state)
{
    mq_node *outer = make_node(g, "If", "x", "c"), *inner;
    mq_graph *branch = make_subgraph(outer, "then_branch"), *deep;

    (void)state;
    make_value(g, "a");
    make_value(g, "b");
    make_node(branch, "Relu", "p", "q");
    make_node(branch, "Relu", "x", "p");
    inner = make_node(branch, "If", "x", "r");
    deep = make_subgraph(inner, "else_branch");
    make_node(deep, "Relu", "a", "s");
    make_output(deep, "b"); /* a capture without a node */
    make_node(g, "Relu", "x", "a");
    make_node(g, "Relu", "a", "b");
    sorts(5);
    order_is(g, "a b c");
    order_is(branch, "p q r");
}

static void test_cycle_through_a_subgraph(void **state)
{
    mq_node *outer = make_node(g, "If", "x", "c");
    mq_graph *branch = make_subgraph(outer, "then_branch");
    mq_error err = { 0 };
    size_t moved = 0;

    (void)state;
    make_value(g, "d");
    make_node(branch, "Relu", "d", "inside");
    make_node(g, "Relu", "c", "d");
    assert_int_equal(mq_graph_sort(g, &moved, &err), MQ_ERR_INPUT);
    order_is(g, "c d");
}

/* A random shuffle of a random graph comes out in an order in which everything is there before it is needed. */
static void test_random_graphs(void **state)
{
    enum { N = 60 };
    uint64_t rng = 5;

    (void)state;
    for (int round = 0; round < 30; round++) {
        mq_node *nodes[N];
        size_t moved = 0, at = 0;
        teardown(NULL);
        setup(NULL);
        for (int i = 0; i < N; i++) {
            mq_value *v = mq_value_create_unique(g, "v");
            nodes[i] = mq_node_create(g, NULL, "", "Op", v->name);
            for (size_t k = 0; i && k < rng_below(&rng, 4); k++)
                mq_node_set_input(nodes[i], k, nodes[rng_below(&rng, (uint64_t)i)]->outputs[0], NULL);
            mq_node_set_output(nodes[i], 0, v, NULL);
        }
        for (int i = 0; i < 200; i++)
            mq_node_move(nodes[rng_below(&rng, N)], nodes[rng_below(&rng, N)]);
        assert_int_equal(mq_graph_sort(g, &moved, NULL), MQ_OK);
        for (mq_node *n = g->first; n; n = n->next)
            n->tag = ++at;
        assert_int_equal(at, N);
        for (const mq_node *n = g->first; n; n = n->next)
            for (size_t k = 0; k < n->n_inputs; k++)
                assert_true(!n->inputs[k] || n->inputs[k]->producer->tag < n->tag);
    }
}

#define ON_MODEL(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(test_empty),
        ON_MODEL(test_sorted_stays),
        ON_MODEL(test_only_what_must_moves),
        ON_MODEL(test_absent_and_repeated_inputs),
        ON_MODEL(test_long_reversed_chain),
        ON_MODEL(test_cycle),
        ON_MODEL(test_node_that_needs_itself),
        ON_MODEL(test_captures),
        ON_MODEL(test_cycle_through_a_subgraph),
        ON_MODEL(test_random_graphs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
