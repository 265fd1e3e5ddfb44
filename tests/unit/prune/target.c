/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/prune/target.c and ask.c: which constants are pruned, which stay and why, and what is asked of each. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_make.h"
#include "ops/ops.h"
#include "prune/target.h"

static mq_model *m;
static mq_graph *g;
static mq_prune_plan plan;
static mq_prune_opts opts;
static mq_error err;

static int setup(void **state)
{
    (void)state;
    m = make_model(21);
    g = m->graph;
    opts = mq_prune_opts_default();
    make_input(g, "x", MQ_FLOAT, "2,8");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mq_prune_plan_release(&plan);
    mq_model_free(m);
    return 0;
}

static void weight_of(mq_graph *graph, const char *name, mq_dtype type, const char *dims)
{
    static const double zeros[4096];

    mq_value *v = make_init(graph, name, type, dims, NULL);
    v->init->data = zeros;
    v->init->n_bytes = (size_t)mq_tensor_size(v->init);
}

static void weight(const char *name, const char *dims)
{
    weight_of(g, name, MQ_FLOAT, dims);
}

static mq_status find(const char *first, const char *second)
{
    static const char *asked[2];

    asked[0] = first;
    asked[1] = second;
    opts.sparsity = (mq_names){ asked, (first != NULL) + (second != NULL) };
    plan = (mq_prune_plan){ .model = m, .opts = &opts };
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    return mq_prune_find(&plan, &err);
}

static const mq_prune_item *item(const char *name)
{
    for (size_t i = 0; i < plan.items.n; i++)
        if (strcmp(plan.items.items[i]->constant->name, name) == 0)
            return plan.items.items[i];
    return NULL;
}

static void stays(const char *name, const char *code)
{
    assert_non_null(item(name));
    assert_string_equal(mq_prune_stay_code(item(name)->stay), code);
    assert_true(strlen(mq_prune_stay_text(item(name)->stay)) > 0 || !*code);
}

/* Two ways from the input to the output, of which one passes another layer. */
static void test_ends(void **state)
{
    (void)state;
    weight("a", "8,8");
    weight("b", "8,8");
    weight("c", "8,8");
    make_node(g, "MatMul", "x,a", "p");
    make_node(g, "Relu", "p", "q");
    make_node(g, "MatMul", "q,b", "r");
    make_node(g, "Add", "r,x", "s");
    make_node(g, "MatMul", "s,c", "t");
    make_node(g, "Softmax", "t", "y");
    make_output(g, "y");
    assert_int_equal(find("0.5", NULL), MQ_OK);
    stays("a", "first");
    stays("b", "");
    stays("c", "last"); /* that the Add brings the input to it does not make it a first one */
    assert_true(!item("c")->first && !item("b")->last && !item("b")->first);
    assert_int_equal(plan.n_pruned, 1);
    mq_prune_plan_release(&plan);
    assert_int_equal(find("0.5", "[ac]=0.25"), MQ_OK); /* what is named is pruned */
    stays("a", "");
    assert_true(item("a")->own && fabs(item("a")->ratio - 0.25) < 1e-12 && fabs(item("b")->ratio - 0.5) < 1e-12);
    mq_prune_plan_release(&plan);
    assert_int_equal(find("0.5", "b=0"), MQ_OK);
    stays("b", "spared");
    mq_prune_plan_release(&plan);
    opts.keep_ends = false;
    assert_int_equal(find("0.5", NULL), MQ_OK);
    assert_int_equal(plan.n_pruned, 3);
}

/* Sizes of the input and of what a first layer makes reach every Reshape, but that makes no layer an end. */
static void test_sizes_are_no_way(void **state)
{
    (void)state;
    weight("a", "8,8");
    weight("b", "8,8");
    weight("c", "8,8");
    make_node(g, "MatMul", "x,a", "p");
    make_node(g, "Shape", "x", "of_x");
    make_node(g, "Reshape", "p,of_x", "q");
    make_node(g, "MatMul", "q,b", "r");
    make_node(g, "Shape", "r", "of_r");
    make_node(g, "MatMul", "r,c", "t");
    make_node(g, "Reshape", "t,of_r", "y");
    make_output(g, "y");
    assert_int_equal(find("0.5", NULL), MQ_OK);
    stays("a", "first");
    stays("b", "");
    stays("c", "last");
    assert_int_equal(plan.n_pruned, 1);
}

/* If passes on what its branches read from outside, and is a layer where one of them holds one. */
static void test_inner_graphs(void **state)
{
    mq_graph *body;
    mq_node *n;

    (void)state;
    make_input(g, "yes", MQ_BOOL, "1");
    weight("a", "8,8");
    weight("b", "8,8");
    weight("c", "8,8");
    weight("d", "8,8");
    make_node(g, "MatMul", "x,a", "p");
    n = make_node(g, "If", "yes", "q");
    body = make_subgraph(n, "then_branch");
    make_node(body, "Relu", "p", "t");
    make_output(body, "t");
    make_output(make_subgraph(n, "else_branch"), "p");
    make_node(g, "MatMul", "q,b", "r");
    n = make_node(g, "If", "yes", "s");
    body = make_subgraph(n, "then_branch");
    make_node(body, "MatMul", "r,c", "u");
    make_output(body, "u");
    make_output(make_subgraph(n, "else_branch"), "r");
    make_node(g, "Relu", "s", "y");
    make_output(g, "y");
    n = make_node(g, "If", "yes", "v");
    body = make_subgraph(n, "then_branch");
    make_node(body, "MatMul", "x,c", "w");
    make_output(body, "w");
    make_output(make_subgraph(n, "else_branch"), "x");
    make_node(g, "MatMul", "v,d", "z");
    make_output(g, "z");
    assert_int_equal(find("0.5", NULL), MQ_OK);
    stays("a", "first");
    assert_false(item("a")->last);
    assert_false(item("b")->first);
    stays("b", "");
    assert_false(item("d")->first);
    stays("d", "last");
}

/* The list of a weight's readers does not take the square of their number. */
static void test_many_readers(void **state)
{
    enum { READERS = 2000 };
    size_t before;

    (void)state;
    weight("a", "8,8");
    for (int i = 0; i < READERS; i++) {
        const char *y = mq_arena_printf(m->arena, "y%d", i);

        make_node(g, "MatMul", "x,a", y);
        make_output(g, y);
    }
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    before = mq_arena_used(m->arena);
    assert_int_equal(find("0.5", NULL), MQ_OK);
    assert_int_equal(item("a")->n_users, READERS);
    assert_string_equal(item("a")->users[0], "y0");
    assert_string_equal(item("a")->users[READERS - 1], "y1999");
    assert_true(mq_arena_used(m->arena) - before < 4 << 20);
}

/* A table in front is a layer, and not pruned; one that is a last layer, too, is shared. */
static void test_tables(void **state)
{
    static const int64_t perm[2] = { 1, 0 };
    mq_node *n;

    (void)state;
    make_input(g, "ids", MQ_INT64, "4");
    weight("table", "10,8");
    weight("w", "8,8");
    weight("odd", "8,0");
    weight_of(g, "whole", MQ_INT32, "8,8");
    make_node(g, "Gather", "table,ids", "e");
    make_node(g, "MatMul", "e,w", "h");
    n = make_node(g, "Transpose", "table", "turned");
    assert_int_equal(mq_node_set_attr_ints(n, "perm", perm, 2, NULL), MQ_OK);
    make_node(g, "MatMul", "h,turned", "y");
    make_node(g, "MatMul", "h,odd", "z");
    make_node(g, "MatMul", "x,whole", "v");
    make_output(g, "y");
    make_output(g, "z");
    make_output(g, "v");
    assert_int_equal(find("0.5", NULL), MQ_OK);
    stays("w", ""); /* it is behind the table */
    stays("table", "shared");
    stays("odd", "empty");
    stays("whole", "type");
}

static void test_outputs_and_filters(void **state)
{
    static const char *const op[] = { "Gemm" };

    (void)state;
    weight("a", "8,8");
    weight("b", "8,8");
    make_node(g, "MatMul", "x,a", "p");
    make_node(g, "Gemm", "p,b", "y");
    make_output(g, "y");
    make_output(g, "b");
    opts.keep_ends = false;
    opts.op_types = (mq_names){ op, 1 };
    assert_int_equal(find("0.5", NULL), MQ_OK);
    stays("a", "excluded");
    stays("b", "output");
    mq_prune_plan_release(&plan);
    assert_int_equal(find("0.5", "nothing=0.1"), MQ_ERR_USAGE);
    assert_non_null(strstr(err.text, "nothing"));
}

/* Where N:M finds no M, and how a layer that sees the weight turned has its axes. */
static void test_patterns(void **state)
{
    (void)state;
    weight("short", "2,8");
    weight("w", "8,6");
    make_node(g, "MatMul", "x,w", "p");
    make_node(g, "Slice", "p", "q");
    make_node(g, "MatMul", "q,short", "y");
    make_output(g, "y");
    opts.keep_ends = false;
    opts.pattern = "2:4";
    assert_int_equal(find(NULL, NULL), MQ_OK);
    stays("short", "pattern");
    stays("w", "");
    assert_int_equal(item("w")->reduce_axis, 0);
    assert_true(fabs(item("w")->ratio - 0.5) < 1e-12);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = { CASE(test_ends), CASE(test_sizes_are_no_way), CASE(test_tables),
                                        CASE(test_outputs_and_filters), CASE(test_patterns),
                                        CASE(test_inner_graphs), CASE(test_many_readers) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
