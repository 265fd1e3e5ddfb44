/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/passes/table.c: running a list of passes, and the engine's own list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

static size_t n_runs;
static char seen[200];

/* Turns every Exp into Neg, and notes the graph. */
static mq_status exp_to_neg(mq_graph *graph, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    (void)ctx;
    (void)err;
    n_runs++;
    for (mq_node *n = graph->first; n; n = n->next) {
        snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%s ", n->op_type);
        if (mq_node_is(n, "", "Exp")) {
            n->op_type = "Neg";
            ++*n_changed;
        }
    }
    return MQ_OK;
}

static mq_status fails(mq_graph *graph, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    (void)graph;
    (void)ctx;
    (void)n_changed;
    return mq_fail(err, MQ_ERR_UNSUPPORTED, "no");
}

static const mq_pass changing = { "exp-to-neg", "for this test", exp_to_neg }, failing = { "fails", "for this test", fails };

static int setup(void **state)
{
    n_runs = 0;
    *seen = 0;
    return pass_setup(state);
}

static mq_status run_list(const mq_pass *const *list, mq_error *err)
{
    const mq_pass_ctx ctx = { 0 };

    return mq_passes_run(m, list, &ctx, err);
}

/* Inner graphs come first; what nobody reads is gone after a pass. */
static void every_graph(void **state)
{
    mq_graph *inner;
    mq_node *n;

    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_input(g, "c", MQ_BOOL, "");
    n = make_node(g, "If", "c", "i");
    for (int k = 0; k < 2; k++) {
        inner = make_subgraph(n, k ? "else_branch" : "then_branch");
        make_node(inner, k ? "Exp" : "Abs", "x", k ? "e" : "t");
        assert_int_equal(mq_graph_add_output(inner, mq_graph_find_here(inner, k ? "e" : "t"), NULL), MQ_OK);
    }
    make_node(g, "Exp", "i", "y");
    make_node(g, "Abs", "x", "dead");
    make_output(g, "y");
    assert_int_equal(run_list((const mq_pass *const[]){ &changing, &changing, NULL }, NULL), MQ_OK);
    assert_int_equal(n_runs, 6);
    assert_string_equal(seen, "Abs Exp If Exp Abs Abs Neg If Neg ");
    pass_ops("If Neg");
}

static void a_failure_ends_it(void **state)
{
    mq_error err = { 0 };

    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_node(g, "Exp", "x", "y");
    make_output(g, "y");
    assert_int_equal(run_list((const mq_pass *const[]){ &failing, &changing, NULL }, &err), MQ_ERR_UNSUPPORTED);
    assert_string_equal(err.text, "no");
    assert_int_equal(n_runs, 0);
}

/* Names are what users type; an empty list is as good as none. */
static void the_engines_list(void **state)
{
    size_t n = 0;

    (void)state;
    for (const mq_pass *const *p = mq_engine_passes; *p; p++, n++) {
        assert_true(!(*p)->run != !(*p)->node);
        assert_true(*(*p)->summary);
        assert_int_equal(strspn((*p)->name, "abcdefghijklmnopqrstuvwxyz-"), strlen((*p)->name));
    }
    assert_true(n > 10);
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_node(g, "Identity", "x", "a");
    make_node(g, "Exp", "a", "y");
    make_output(g, "y");
    assert_int_equal(run_list((const mq_pass *const[]){ NULL }, NULL), MQ_OK);
    pass_ops("Identity Exp");
    assert_int_equal(run_list(mq_engine_passes, NULL), MQ_OK);
    pass_ops("Exp");
}

/* Rows that are switched on run until nothing changes; what they leave is not read any more and goes. */
static void a_fixed_point(void **state)
{
    mq_convert_run r = { .on = { true } };
    const mq_pass_ctx ctx = { 0 };
    size_t n = 0;

    (void)state;
    while (mq_convert_passes[n].pass)
        r.on[n++] = true;
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_random("unused", MQ_FLOAT, "4");
    make_node(g, "Identity", "x", "a");
    make_node(g, "Identity", "a", "b");
    make_node(g, "Exp", "b", "y");
    make_node(g, "Abs", "b", "dead");
    make_output(g, "y");
    assert_int_equal(mq_passes_settle(m, &r, &ctx, NULL), MQ_OK);
    pass_ops("Exp");
    assert_true(r.settled);
    assert_int_equal(g->inits.n, 0);
    r = (mq_convert_run){ .on = { true } };
    assert_int_equal(mq_passes_settle(m, &r, &ctx, NULL), MQ_OK);
    assert_int_equal(r.n_rounds, 1);
}

/* Files keep their opset: a row runs only where it knows it; levels and names are what users type. */
static void rows_for_files(void **state)
{
    mq_convert_run r = { .on = { true } };
    const mq_pass_ctx ctx = { 0 };
    size_t n = 0;

    (void)state;
    for (; mq_convert_passes[n].pass; n++) {
        assert_in_range(mq_convert_passes[n].level, 1, MQ_CONVERT_NAMED);
        assert_true(mq_convert_passes[n].opset >= 7);
        assert_in_range(mq_convert_passes[n].targets, 1, MQ_PASS_ALL);
        r.on[n] = true;
        for (size_t k = 0; k < n; k++)
            assert_string_not_equal(mq_convert_passes[k].pass->name, mq_convert_passes[n].pass->name);
    }
    assert_true(n < MQ_MAX_CONVERT_PASSES);
    assert_int_equal(mq_opset_set(m, "", 5, NULL), MQ_OK);
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_node(g, "Identity", "x", "a");
    make_node(g, "Exp", "a", "y");
    make_output(g, "y");
    assert_int_equal(mq_passes_settle(m, &r, &ctx, NULL), MQ_OK);
    pass_ops("Identity Exp");
}

#define LISTS(test) cmocka_unit_test_setup_teardown(test, setup, pass_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = { LISTS(every_graph), LISTS(a_failure_ends_it), LISTS(the_engines_list),
                                        LISTS(a_fixed_point), LISTS(rows_for_files) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
