/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_inline_if;

/* If in `outer` on "c": x * 2 + inner constant, or -x. */
static mq_node *make_if(mq_graph *outer, const char *out)
{
    const float k = 7;
    mq_node *n = make_node(outer, "If", "c", out);
    mq_graph *yes = make_subgraph(n, "then_branch"), *no = make_subgraph(n, "else_branch");

    make_init(yes, "k", MQ_FLOAT, "", &k);
    make_node(yes, "Add", "x,x", "t");
    make_node(yes, "Add", "t,k", "u");
    assert_int_equal(mq_graph_add_output(yes, mq_graph_find_here(yes, "u"), NULL), MQ_OK);
    make_node(no, "Neg", "x", "u");
    assert_int_equal(mq_graph_add_output(no, mq_graph_find_here(no, "u"), NULL), MQ_OK);
    return n;
}

static void condition(int value)
{
    const uint8_t b = (uint8_t)value;

    make_init(g, "c", MQ_BOOL, "", &b);
    make_input(g, "x", MQ_FLOAT, "N,4");
}

static void true_takes_the_first(void **state)
{
    (void)state;
    condition(1);
    make_if(g, "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_inline_if, "Add Add Identity", 0);
}

static void false_takes_the_second(void **state)
{
    (void)state;
    condition(0);
    make_if(g, "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_inline_if, "Neg Identity", 0);
}

static void two_with_the_same_names(void **state)
{
    (void)state;
    condition(1);
    make_if(g, "v");
    make_if(g, "w");
    make_node(g, "Add", "v,w", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_inline_if, "Add Add Identity Add Add Identity Add", 0);
}

static void graphs_inside_come_along(void **state)
{
    const uint8_t b = 1;
    mq_node *outer;
    mq_graph *yes, *no;

    (void)state;
    make_init(g, "c2", MQ_BOOL, "", &b);
    make_input(g, "c", MQ_BOOL, "");
    make_input(g, "x0", MQ_FLOAT, "N,4");
    outer = make_node(g, "If", "c2", "y");
    yes = make_subgraph(outer, "then_branch");
    no = make_subgraph(outer, "else_branch");
    make_node(yes, "Exp", "x0", "x");
    make_if(yes, "v");
    assert_int_equal(mq_graph_add_output(yes, mq_graph_find_here(yes, "v"), NULL), MQ_OK);
    make_node(no, "Neg", "x0", "v");
    assert_int_equal(mq_graph_add_output(no, mq_graph_find_here(no, "v"), NULL), MQ_OK);
    make_output(g, "y");
    pass_becomes(&mq_pass_inline_if, "Exp If Identity", 0);
}

static void not_inlined_when_the_condition_varies(void **state)
{
    (void)state;
    make_input(g, "c", MQ_BOOL, "");
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_if(g, "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_inline_if);
}

static void not_inlined_when_a_caller_may_set_the_condition(void **state)
{
    (void)state;
    condition(1);
    make_input(g, "c", MQ_BOOL, "");
    make_if(g, "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_inline_if);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(true_takes_the_first),
        ON_MODEL(false_takes_the_second),
        ON_MODEL(two_with_the_same_names),
        ON_MODEL(graphs_inside_come_along),
        ON_MODEL(not_inlined_when_the_condition_varies),
        ON_MODEL(not_inlined_when_a_caller_may_set_the_condition),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
