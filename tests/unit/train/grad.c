/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The walk back from a loss: what is reached, what is added up, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "graph_check.h"
#include "graph_make.h"
#include "ops/ops.h"
#include "train/grad.h"

static mq_model *m;
static mq_error err;

static int setup(void **state)
{
    (void)state;
    m = make_model(mq_schema_newest_opset());
    make_input(m->graph, "x", MQ_FLOAT, "2,3");
    make_input(m->graph, "w", MQ_FLOAT, "2,3");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mq_model_free(m);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static mq_value *value(const char *name)
{
    return mq_graph_find(m->graph, name);
}

static mq_value *sum_of(const char *name)
{
    mq_node *n = make_node(m->graph, "ReduceSum", name, "loss");

    assert_int_equal(mq_node_set_attr_int(n, "keepdims", 0, NULL), MQ_OK);
    make_output(m->graph, "loss");
    return value("loss");
}

static mq_status append(size_t n, mq_value **wrt, mq_value **out)
{
    mq_status rc = mq_grad_prepare(m, NULL, NULL, &err);

    if (rc == MQ_OK)
        rc = mq_grad_append(m->graph, value("loss"), wrt, n, out, &err);
    graph_check(m);
    return rc;
}

/* d(x x w) / dx = 2 x w: both readings of x count. */
static void adds_up(void **state)
{
    mq_value *wrt[] = { value("x"), value("w") }, *out[2];

    (void)state;
    make_node(m->graph, "Mul", "x,x", "a");
    make_node(m->graph, "Mul", "a,w", "b");
    sum_of("b");
    assert_int_equal(append(2, wrt, out), MQ_OK);
    assert_non_null(out[0]);
    assert_string_equal(out[0]->producer->op_type, "Add");
    assert_ptr_equal(out[0]->type, wrt[0]->type);
    assert_string_equal(out[1]->producer->op_type, "Mul");
}

static void nothing_where_the_loss_does_not_depend(void **state)
{
    mq_value *wrt[] = { value("w"), value("x") }, *out[2];

    (void)state;
    make_node(m->graph, "Neg", "w", "a");
    make_output(m->graph, "a");
    make_node(m->graph, "NonZero", "w", "b"); /* has no gradient, and none is asked of it */
    make_output(m->graph, "b");
    sum_of("x");
    assert_int_equal(append(2, wrt, out), MQ_OK);
    assert_null(out[0]);
    assert_non_null(out[1]);
}

static void each_gets_a_value_of_its_own(void **state)
{
    mq_value *wrt[] = { value("x"), value("w") }, *out[2];

    (void)state;
    make_node(m->graph, "Add", "x,w", "a");
    sum_of("a");
    assert_int_equal(append(2, wrt, out), MQ_OK);
    assert_ptr_not_equal(out[0], out[1]);
}

static void an_inner_value(void **state)
{
    mq_value *wrt[2], *out[2];

    (void)state;
    assert_true(mq_grad_known(make_node(m->graph, "Exp", "x", "a")));
    make_node(m->graph, "Sin", "a", "b");
    sum_of("b");
    wrt[0] = value("a");
    wrt[1] = value("x");
    assert_int_equal(append(2, wrt, out), MQ_OK);
    assert_true(out[0] && out[1]);
}

static void names_what_has_no_gradient(void **state)
{
    mq_value *wrt[] = { value("x") }, *out[1];
    size_t before;

    (void)state;
    make_node(m->graph, "Det", "x", "d")->name = "first";
    make_node(m->graph, "Det", "d", "e");
    assert_false(mq_grad_known(value("e")->producer));
    sum_of("e");
    assert_int_equal(mq_grad_prepare(m, NULL, NULL, &err), MQ_OK);
    before = m->graph->n_nodes;
    assert_int_equal(mq_grad_append(m->graph, value("loss"), wrt, 1, out, &err), MQ_ERR_UNSUPPORTED);
    assert_string_equal(err.text, "node 'first' (Det 28) has no gradient");
    assert_int_equal(m->graph->n_nodes, before);
}

/* A value that an inner graph reads leads through the node that holds the graph. */
static void sees_inner_graphs(void **state)
{
    mq_value *wrt[] = { value("x") }, *out[1];
    mq_node *branch;
    mq_graph *g;

    (void)state;
    make_input(m->graph, "c", MQ_BOOL, "");
    branch = make_node(m->graph, "If", "c", "y");
    g = make_subgraph(branch, "then_branch");
    make_node(g, "Neg", "x", "t");
    make_output(g, "t");
    g = make_subgraph(branch, "else_branch");
    make_node(g, "Abs", "x", "e");
    make_output(g, "e");
    sum_of("y");
    assert_int_equal(append(1, wrt, out), MQ_ERR_UNSUPPORTED);
    assert_string_equal(err.text, "node 'y' (If 28) has no gradient");
}

static void takes_the_branch_that_is_known(void **state)
{
    mq_value *wrt[] = { value("x") }, *out[1];
    mq_node *branch;
    mq_graph *g;

    (void)state;
    make_init(m->graph, "c", MQ_BOOL, "", &(uint8_t){ 1 });
    branch = make_node(m->graph, "If", "c", "y");
    g = make_subgraph(branch, "then_branch");
    make_node(g, "Neg", "x", "t");
    make_output(g, "t");
    g = make_subgraph(branch, "else_branch");
    make_node(g, "Abs", "x", "e");
    make_output(g, "e");
    sum_of("y");
    assert_int_equal(append(1, wrt, out), MQ_OK);
    assert_non_null(out[0]);
}

static void wants_one_number(void **state)
{
    mq_value *wrt[] = { value("x") }, *out[1];

    (void)state;
    make_node(m->graph, "Neg", "x", "loss");
    make_output(m->graph, "loss");
    assert_int_equal(append(1, wrt, out), MQ_ERR_USAGE);
}

static void refuses_attributes(void **state)
{
    mq_value *wrt[] = { value("x") }, *out[1];

    (void)state;
    make_input(m->graph, "low", MQ_FLOAT, "");
    wrt[0] = value("low");
    make_node(m->graph, "Clip", "x,low", "y");
    sum_of("y");
    assert_int_equal(append(1, wrt, out), MQ_ERR_UNSUPPORTED);
    assert_string_equal(err.text, "node 'y' (Clip 28) has no gradient here: its bounds depend on a parameter");
}

/* Its rule gives nothing for the weights of classes: that is said, not taken for 0. */
static void refuses_what_a_rule_leaves_out(void **state)
{
    mq_value *wrt[1], *out[1];

    (void)state;
    make_init(m->graph, "t", MQ_INT64, "2", (int64_t[]){ 0, 2 });
    make_input(m->graph, "c", MQ_FLOAT, "3");
    wrt[0] = value("c");
    make_node(m->graph, "SoftmaxCrossEntropyLoss", "x,t,c", "loss");
    make_output(m->graph, "loss");
    assert_int_equal(append(1, wrt, out), MQ_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "has no gradient here: none with respect to its input 2, from 0"));
}

/* ---- preparing ----------------------------------------------------------------------------------------------------- */

static void make_norm(void)
{
    static const float ones[3] = { 1, 1, 1 };

    make_init(m->graph, "scale", MQ_FLOAT, "3", ones);
    make_init(m->graph, "bias", MQ_FLOAT, "3", ones);
    make_init(m->graph, "mean", MQ_FLOAT, "3", ones);
    make_init(m->graph, "var", MQ_FLOAT, "3", ones);
    make_node(m->graph, "BatchNormalization", "x,scale,bias,mean,var", "y");
    sum_of("y");
}

static void running_statistics(void **state)
{
    const mq_grad_opts opts = { .batch_stats = true };
    mq_grad_stats stats = { 0 };
    mq_value *wrt[2], *out[2];

    (void)state;
    make_norm();
    assert_int_equal(mq_grad_prepare(m, &opts, &stats, &err), MQ_OK);
    assert_string_equal(value("y")->producer->op_type, "BatchNormTrain");
    assert_int_equal(stats.n, 2);
    assert_ptr_equal(stats.items[0].before, value("mean"));
    assert_ptr_equal(stats.items[1].before, value("var"));
    assert_ptr_equal(stats.items[1].after->producer, value("y")->producer);
    wrt[0] = value("scale");
    wrt[1] = value("x");
    assert_int_equal(mq_grad_append(m->graph, value("loss"), wrt, 2, out, &err), MQ_OK);
    graph_check(m);
    mq_vec_release(&stats);
}

static void statistics_stay_without_the_option(void **state)
{
    mq_grad_stats stats = { 0 };

    (void)state;
    make_norm();
    assert_int_equal(mq_grad_prepare(m, NULL, &stats, &err), MQ_OK);
    assert_string_equal(value("y")->producer->op_type, "BatchNormalization");
    assert_int_equal(stats.n, 0);
}

static void dropout_as_asked(void **state)
{
    const mq_grad_opts opts = { .dropout = true };
    mq_value *wrt[] = { value("x") }, *out[1];

    (void)state;
    make_node(m->graph, "Dropout", "x", "y");
    sum_of("y");
    assert_int_equal(mq_grad_prepare(m, &opts, NULL, &err), MQ_OK);
    assert_int_equal(mq_grad_append(m->graph, value("loss"), wrt, 1, out, &err), MQ_OK);
    assert_string_equal(out[0]->producer->op_type, "Where");
    assert_int_equal(value("y")->producer->n_outputs, 2);
    graph_check(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(adds_up),
        TEST(nothing_where_the_loss_does_not_depend),
        TEST(each_gets_a_value_of_its_own),
        TEST(an_inner_value),
        TEST(names_what_has_no_gradient),
        TEST(sees_inner_graphs),
        TEST(takes_the_branch_that_is_known),
        TEST(wants_one_number),
        TEST(refuses_attributes),
        TEST(refuses_what_a_rule_leaves_out),
        TEST(running_statistics),
        TEST(statistics_stay_without_the_option),
        TEST(dropout_as_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
