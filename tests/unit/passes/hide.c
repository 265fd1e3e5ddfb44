/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/passes/hide.c: what is hidden no pass of mq convert changes, and it is itself again afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"
#include "passes/hide.h"

/* Not the nodes of this operator. */
static bool takes(void *user, const mq_node *n)
{
    return strcmp(n->op_type, user) != 0;
}

/* All rewrites, with the nodes of `op` hidden (NULL: none); what is left is in `text`. */
static void settle(const char *op, char *text, size_t size)
{
    mq_convert_run run = { 0 };
    mq_hidden hidden = { 0 };
    mq_error err = { 0 };

    memset(run.on, 1, sizeof run.on);
    assert_int_equal(mq_infer_model(m, NULL, NULL, &err), MQ_OK);
    if (op)
        assert_int_equal(mq_nodes_hide(m, takes, (void *)op, &hidden, &err), MQ_OK);
    assert_int_equal(mq_passes_settle(m, &run, &(mq_pass_ctx){ 0 }, &err), MQ_OK);
    mq_nodes_show(&hidden);
    graph_check(m);
    *text = 0;
    for (const mq_node *n = g->first; n; n = n->next)
        snprintf(text + strlen(text), size - strlen(text), "%s ", n->op_type);
}

/* Two pairs of which one node each goes, and two equal nodes. */
static void make_graph(void)
{
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_node(g, "Identity", "x", "a");
    make_node(g, "Exp", "a", "b");
    make_node(g, "Exp", "a", "c");
    make_node(g, "Add", "b,c", "y");
    make_output(g, "y");
}

static void rewritten_when_nothing_is_hidden(void **state)
{
    char text[200];

    (void)state;
    make_graph();
    settle(NULL, text, sizeof text);
    assert_string_equal(text, "Exp Add ");
}

static void not_dropped_when_hidden(void **state)
{
    char text[200];

    (void)state;
    make_graph();
    settle("Identity", text, sizeof text);
    assert_string_equal(text, "Identity Exp Add ");
}

static void not_merged_when_hidden(void **state)
{
    char text[200];

    (void)state;
    make_graph();
    settle("Exp", text, sizeof text);
    assert_string_equal(text, "Exp Exp Add ");
}

static void types_are_known_behind_what_is_hidden(void **state)
{
    char text[200];

    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,4");
    make_node(g, "Exp", "x", "a");
    make_node(g, "Flatten", "a", "y"); /* does nothing to a tensor of rank 2, and only to that */
    make_node(g, "Neg", "y", "z");
    make_output(g, "z");
    settle("Exp", text, sizeof text);
    assert_string_equal(text, "Exp Neg ");
    assert_null(mq_graph_find_here(g, "a")->declared);
}

/* The branch of an If with a constant condition is copied to where the If stood. */
static void copies_are_themselves_again(void **state)
{
    const bool yes = true;
    char text[200];
    mq_graph *inner;
    mq_node *n;

    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,4");
    make_init(g, "cond", MQ_BOOL, "", &yes);
    n = make_node(g, "If", "cond", "y");
    for (int b = 0; b < 2; b++) {
        inner = make_subgraph(n, b ? "else_branch" : "then_branch");
        make_node(inner, "Exp", "x", b ? "c" : "a");
        make_node(inner, "Neg", b ? "c" : "a", b ? "d" : "b");
        make_output(inner, b ? "d" : "b");
    }
    make_output(g, "y");
    settle("Exp", text, sizeof text);
    assert_string_equal(text, "Exp Neg Identity "); /* the output keeps its name */
    assert_string_equal(g->first->domain, "");
}

static void dead_ones_go_all_the_same(void **state)
{
    char text[200];

    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,4");
    make_node(g, "Exp", "x", "a");
    make_node(g, "Neg", "x", "y");
    make_output(g, "y");
    settle("Exp", text, sizeof text);
    assert_string_equal(text, "Neg ");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        ON_MODEL(rewritten_when_nothing_is_hidden),
        ON_MODEL(not_dropped_when_hidden),
        ON_MODEL(not_merged_when_hidden),
        ON_MODEL(types_are_known_behind_what_is_hidden),
        ON_MODEL(copies_are_themselves_again),
        ON_MODEL(dead_ones_go_all_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
