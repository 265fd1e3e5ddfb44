/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/convert/diff.c: a change each, and what it is called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "convert/diff.h"
#include "graph_make.h"

static const float w[] = { 1, 2, 3, 4 };
static mq_model *a, *b;
static mq_differences d;
static mq_error err;

/* x -> Gemm(w) -> h -> Relu -> t -> If(c) { t -> Neg } else { t } -> y */
static mq_model *make(void)
{
    mq_model *m = make_model(17);
    mq_node *n;
    mq_graph *inner;

    make_input(m->graph, "x", MQ_FLOAT, "2,2");
    make_input(m->graph, "c", MQ_BOOL, "");
    make_init(m->graph, "w", MQ_FLOAT, "2,2", w);
    n = make_node(m->graph, "Gemm", "x,w", "h");
    assert_int_equal(mq_node_set_attr_float(n, "alpha", 1, NULL), MQ_OK);
    make_node(m->graph, "Relu", "h", "t");
    n = make_node(m->graph, "If", "c", "y");
    inner = make_subgraph(n, "then_branch");
    make_node(inner, "Neg", "t", "n");
    make_output(inner, "n");
    inner = make_subgraph(n, "else_branch");
    make_output(inner, "t");
    make_type(make_output(m->graph, "y"), MQ_FLOAT, "2,2");
    return m;
}

static int setup(void **state)
{
    (void)state;
    a = make();
    b = make();
    d = (mq_differences){ .arena = mq_arena_create(), .most = 100 };
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mq_model_free(a);
    mq_model_free(b);
    mq_arena_free(d.arena);
    return 0;
}

static void is(char sign, const char *place, const char *text)
{
    assert_int_equal(mq_diff_models(&d, a, b, NULL, &err), MQ_OK);
    assert_int_equal(d.n_removed + d.n_added + d.n_changed, 1);
    assert_int_equal(d.items.items[0].sign, sign);
    assert_string_equal(d.items.items[0].place, place);
    assert_string_equal(d.items.items[0].text, text);
}

static mq_node *node_of(mq_model *m, const char *output)
{
    return mq_graph_find_here(m->graph, output)->producer;
}

static void nothing_when_equal(void **state)
{
    (void)state;
    assert_int_equal(mq_diff_models(&d, a, b, NULL, &err), MQ_OK);
    assert_int_equal(d.n_removed + d.n_added + d.n_changed, 0);
}

static void an_attribute(void **state)
{
    (void)state;
    assert_int_equal(mq_node_set_attr_float(node_of(b, "h"), "alpha", 0.5f, NULL), MQ_OK);
    is('~', "node 'h' (Gemm)", "alpha 1 -> 0.5");
}

static void an_attribute_more(void **state)
{
    (void)state;
    assert_int_equal(mq_node_set_attr_int(node_of(b, "h"), "transB", 1, NULL), MQ_OK);
    is('~', "node 'h' (Gemm)", "transB none -> 1");
}

static void an_operator(void **state)
{
    (void)state;
    node_of(b, "t")->op_type = "Elu";
    is('~', "node 't' (Relu)", "operator Relu -> Elu");
}

static void an_input(void **state)
{
    (void)state;
    assert_int_equal(mq_node_set_input(node_of(b, "t"), 0, mq_graph_find_here(b->graph, "x"), NULL), MQ_OK);
    is('~', "node 't' (Relu)", "input 0 h -> x");
}

static void a_name_is_no_other_node(void **state)
{
    (void)state;
    node_of(b, "t")->name = "";
    is('~', "node 't' (Relu)", "name t -> none");
}

static void a_node_more_and_less(void **state)
{
    (void)state;
    make_node(b->graph, "Exp", "x", "more");
    is('+', "node 'more'", "Exp(x) -> more");
    d = (mq_differences){ .arena = d.arena, .most = 100 };
    make_node(a->graph, "Exp", "x", "more");
    make_node(a->graph, "Log", "x,-", "less,-");
    is('-', "node 'less,-'", "Log(x, -) -> less, -");
}

static void contents(void **state)
{
    static const float other[] = { 1, 2, 3, 4.25f };

    (void)state;
    mq_graph_find_here(b->graph, "w")->init->data = other;
    is('~', "initializer 'w'", "1 of 4 elements differ, by 0.25 at most");
}

static void a_shape(void **state)
{
    (void)state;
    mq_graph_find_here(b->graph, "w")->init->dims[0] = 1;
    mq_graph_find_here(b->graph, "w")->init->dims[1] = 4;
    is('~', "initializer 'w'", "float[2,2] -> float[1,4]");
}

static void types_of_edges(void **state)
{
    (void)state;
    make_type(mq_graph_find_here(b->graph, "x"), MQ_FLOAT, "N,2");
    is('~', "input 'x'", "float[2,2] -> float[N,2]");
}

static void inside_an_inner_graph(void **state)
{
    (void)state;
    node_of(b, "y")->attrs[0]->graphs[0]->first->op_type = "Abs";
    is('~', "then_branch of node 'y': node 'n' (Neg)", "operator Neg -> Abs");
}

static void versions(void **state)
{
    (void)state;
    b->opsets.items[0].version = 18;
    is('~', "opset 'ai.onnx'", "17 -> 18");
}

static void counted_when_there_are_too_many(void **state)
{
    (void)state;
    d.most = 1;
    b->opsets.items[0].version = 18;
    b->ir_version = 9;
    node_of(b, "t")->op_type = "Elu";
    assert_int_equal(mq_diff_models(&d, a, b, NULL, &err), MQ_OK);
    assert_int_equal(d.n_changed, 3);
    assert_int_equal(d.items.n, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(nothing_when_equal), TEST(an_attribute), TEST(an_attribute_more), TEST(an_operator), TEST(an_input),
        TEST(a_name_is_no_other_node), TEST(a_node_more_and_less), TEST(contents), TEST(a_shape), TEST(types_of_edges),
        TEST(inside_an_inner_graph), TEST(versions), TEST(counted_when_there_are_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
