/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/passes/util.c: looking at graphs and changing them, as passes do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

static void readers(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_node(g, "Exp", "x", "a");
    make_node(g, "Neg", "a", "b");
    make_node(g, "Abs", "x", "c");
    make_node(g, "Add", "c,c", "d");
    make_output(g, "b");
    assert_ptr_equal(mq_only_reader(mq_graph_find(g, "a")), mq_graph_find(g, "b")->producer);
    assert_null(mq_only_reader(mq_graph_find(g, "b"))); /* an output */
    assert_null(mq_only_reader(mq_graph_find(g, "c"))); /* twice */
    assert_null(mq_only_reader(mq_graph_find(g, "x")));
    assert_null(mq_only_reader(NULL));
    assert_ptr_equal(mq_pass_only_producer(mq_graph_find(g, "a"), "Exp"), mq_graph_find(g, "a")->producer);
    assert_null(mq_pass_only_producer(mq_graph_find(g, "a"), "Log"));
    assert_null(mq_pass_only_producer(mq_graph_find(g, "x"), "Exp"));
}

static void numbers(void **state)
{
    const double d = 1.0 / 3;
    const int64_t big = 1 << 20;
    const int32_t small = -5;
    const float *f;
    double got;

    (void)state;
    make_float("f", 0.25f);
    make_init(g, "d", MQ_DOUBLE, "1,1", &d);
    make_init(g, "i", MQ_INT64, "", &big);
    make_init(g, "j", MQ_INT32, "1", &small);
    make_init(g, "two", MQ_FLOAT, "2", (float[]){ 1, 2 });
    make_input(g, "x", MQ_FLOAT, "");
    assert_true(mq_constant_number(mq_graph_find(g, "f"), &got) && got == 0.25);
    assert_true(mq_constant_number(mq_graph_find(g, "d"), &got) && got == d);
    assert_true(mq_constant_number(mq_graph_find(g, "i"), &got) && got == 1 << 20);
    assert_true(mq_constant_number(mq_graph_find(g, "j"), &got) && got == -5);
    assert_false(mq_constant_number(mq_graph_find(g, "two"), &got));
    assert_false(mq_constant_number(mq_graph_find(g, "x"), &got));
    assert_false(mq_constant_number(NULL, &got));
    assert_non_null(f = mq_constant_floats(mq_graph_find(g, "two"), 2));
    assert_true(f[0] == 1 && f[1] == 2);
    assert_null(mq_constant_floats(mq_graph_find(g, "two"), 1));
    assert_null(mq_constant_floats(mq_graph_find(g, "d"), 1));
}

static void shapes(void **state)
{
    const mq_value *x, *w;

    (void)state;
    x = make_input(g, "x", MQ_FLOAT, "N,4");
    make_input(g, "y", MQ_FLOAT, "N,4");
    make_input(g, "z", MQ_FLOAT, "M,4");
    w = make_random("w", MQ_INT8, "3,5");
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    assert_true(mq_same_shape(x, mq_graph_find(g, "y")));
    assert_false(mq_same_shape(x, mq_graph_find(g, "z")));
    assert_false(mq_same_shape(x, w));
    assert_int_equal(mq_value_rank(w), 2);
    assert_int_equal(mq_value_dtype(w), MQ_INT8);
    assert_int_equal(mq_value_dim(w, -1).value, 5);
    assert_int_equal(mq_value_dim(x, 1).value, 4);
    assert_string_equal(mq_value_dim(x, 0).symbol, "N");
    assert_int_equal(mq_value_dim(x, 2).value, -1);
    assert_int_equal(mq_value_dim(x, -3).value, -1);
    assert_int_equal(mq_value_rank(NULL), -1);
    assert_int_equal(mq_value_dtype(NULL), MQ_UNDEFINED);
}

static void bypassing(void **state)
{
    bool done;

    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_node(g, "Identity", "x", "a");
    make_node(g, "Exp", "a", "b");
    make_output(g, "b");
    assert_int_equal(mq_value_bypass(mq_graph_find(g, "a"), mq_graph_find(g, "x"), &done, NULL), MQ_OK);
    assert_true(done);
    assert_int_equal(mq_value_bypass(mq_graph_find(g, "b"), mq_graph_find(g, "x"), &done, NULL), MQ_OK);
    assert_false(done); /* an output keeps its name */
    mq_graph_drop_dead(g, NULL);
    pass_ops("Exp");
    graph_check(m);
}

/* A node instead of another, and what only that one needed goes with it. */
static void taking_over(void **state)
{
    mq_node *old, *made;
    mq_value *x;

    (void)state;
    x = make_input(g, "x", MQ_FLOAT, "N,4");
    make_node(g, "Exp", "x", "a");
    make_node(g, "Neg", "a", "b");
    old = node_int(make_node(g, "Softmax", "b", "y"), "axis", 1);
    make_node(g, "Neg", "a", "z");
    make_output(g, "y");
    make_output(g, "z");
    assert_int_equal(mq_pass_insert(old, "com.microsoft", "QuickGelu", old, (mq_value *const[]){ x, NULL }, 2, &made, NULL),
                     MQ_OK);
    assert_int_equal(made->n_inputs, 1);
    assert_int_equal(mq_node_attr_int(made, "axis", 0), 1);
    assert_int_equal(mq_pass_take_over(made, old, NULL), MQ_OK);
    assert_ptr_equal(mq_graph_find(g, "y")->producer, made);
    pass_ops("Exp QuickGelu Neg"); /* 'a' is still read */
    assert_true(mq_opset_of(g, "com.microsoft") > 0);
}

static void in_the_middle(void **state)
{
    mq_node *y, *made;
    mq_value *v;

    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    y = make_node(g, "Exp", "x", "y");
    make_output(g, "y");
    assert_int_equal(mq_pass_insert(y, "", "Abs", NULL, (mq_value *const[]){ y->inputs[0] }, 1, &made, NULL), MQ_OK);
    assert_int_equal(mq_pass_give_output(made, y->outputs[0], &v, NULL), MQ_OK);
    assert_int_equal(mq_node_set_input(y, 0, v, NULL), MQ_OK);
    assert_string_not_equal(v->name, "y");
    pass_ops("Abs Exp");
    graph_check(m);
}

static void constants(void **state)
{
    const int64_t dims[] = { 2, 2 };
    float *heap = malloc(4 * sizeof *heap);
    mq_value *a, *b;
    const float *f;

    (void)state;
    assert_non_null(heap);
    for (int i = 0; i < 4; i++)
        heap[i] = (float)i;
    assert_int_equal(mq_constant_of(g, "c", MQ_FLOAT, 2, dims, heap, &a, NULL), MQ_OK);
    assert_int_equal(mq_constant_of_heap(g, "c", MQ_FLOAT, 2, dims, heap, &b, NULL), MQ_OK);
    assert_string_not_equal(a->name, b->name);
    assert_true(mq_same_shape(a, b));
    assert_non_null(f = mq_constant_floats(b, 4));
    assert_true(f[3] == 3);
    assert_memory_equal(f, mq_constant_floats(a, 4), 4 * sizeof *f);
    make_input(g, "x", MQ_FLOAT, "2,2");
    make_node(g, "Exp", "x", "y");
    make_output(g, "y");
    assert_int_equal(mq_value_make_constant(mq_graph_find(g, "y"), a->init, NULL), MQ_OK);
    mq_graph_drop_dead(g, NULL);
    pass_ops("");
    assert_non_null(mq_value_constant(mq_graph_find(g, "y"), false));
}

static void the_dead(void **state)
{
    size_t n = 1;

    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_node(g, "Exp", "x", "a");
    make_node(g, "Neg", "a", "b");
    make_node(g, "Abs", "x", "y");
    make_output(g, "y");
    mq_graph_drop_dead(g, &n);
    assert_int_equal(n, 3); /* counted on */
    pass_ops("Abs");
}

/* Initializers that nobody reads go, those that a caller may set stay. */
static void unused_constants(void **state)
{
    mq_graph *branch;

    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_float("used", 1);
    make_float("unused", 1);
    make_float("given", 1);
    make_type(mq_graph_find(g, "given"), MQ_FLOAT, "");
    assert_int_equal(mq_graph_add_input(g, mq_graph_find(g, "given"), NULL), MQ_OK);
    make_float("read_inside", 1);
    make_float("result", 1);
    make_node(g, "Add", "x,used", "y");
    branch = make_subgraph(make_node(g, "If", "x", "z"), "then_branch");
    make_init(branch, "unused_inside", MQ_FLOAT, "1", (const float[]){ 1 });
    make_node(branch, "Neg", "read_inside", "inner");
    make_output(branch, "inner");
    make_output(g, "y");
    make_output(g, "result");
    mq_model_drop_unused(m);
    graph_check(m);
    assert_int_equal(g->inits.n, 4);
    assert_null(mq_graph_find(g, "unused")->init);
    assert_int_equal(branch->inits.n, 0);
    mq_model_drop_unused(m);
    assert_int_equal(g->inits.n, 4);
}

static void reductions(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,3,8");
    make_input(g, "axis", MQ_INT64, "1");
    make_longs("last", "1", (const int64_t[]){ -1 });
    make_longs("two", "2", (const int64_t[]){ 0, 1 });
    make_longs("far", "1", (const int64_t[]){ 3 });
    mq_node *last = make_node(g, "ReduceSum", "x,last", "a"), *both = make_node(g, "ReduceSum", "x,two", "b");
    mq_node *far = make_node(g, "ReduceSum", "x,far", "c"), *any = make_node(g, "ReduceSum", "x,axis", "d");
    mq_node *old = node_ints(make_node(g, "ReduceMax", "x", "e"), "axes", "1"), *all = make_node(g, "ReduceMax", "x", "f");
    mq_node *gone = node_int(make_node(g, "ReduceSum", "x,last", "h"), "keepdims", 0);

    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    assert_int_equal(mq_pass_reduced_axis(last), 2);
    assert_int_equal(mq_pass_reduced_axis(old), 1);
    assert_true(mq_pass_reduces_last(last) && !mq_pass_reduces_last(old));
    assert_int_equal(mq_pass_reduced_axis(both), -1);
    assert_int_equal(mq_pass_reduced_axis(far), -1);
    assert_int_equal(mq_pass_reduced_axis(any), -1);
    assert_int_equal(mq_pass_reduced_axis(all), -1);
    assert_int_equal(mq_pass_reduced_axis(gone), -1);
    assert_ptr_equal(mq_pass_producer(last->outputs[0], "ReduceSum"), last);
    assert_null(mq_pass_producer(last->outputs[0], "ReduceMax"));
    assert_null(mq_pass_producer(last->inputs[0], "ReduceSum"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(readers),     ON_MODEL(numbers),       ON_MODEL(shapes),    ON_MODEL(bypassing),
        ON_MODEL(taking_over), ON_MODEL(in_the_middle), ON_MODEL(constants), ON_MODEL(the_dead),
        ON_MODEL(unused_constants), ON_MODEL(reductions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
