/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/convert/which.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "convert/which.h"
#include "graph_make.h"

static mq_model *m;
static mq_graph *g;

static int setup(void **state)
{
    (void)state;
    m = make_model(17);
    g = m->graph;
    make_input(g, "x", MQ_FLOAT, "4");
    make_node(g, "Exp", "x", "a");
    make_node(g, "Neg", "a", "b");
    make_node(g, "Exp", "b", "y");
    make_output(g, "y");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mq_model_free(m);
    return 0;
}

/* The nodes that are meant, by their first outputs. */
static void means(const mq_which_names *names, const char *want)
{
    char text[64] = "";
    mq_which *w = NULL;

    assert_int_equal(mq_which_create(&w, names, m, NULL), MQ_OK);
    for (const mq_node *n = g->first; n; n = n->next)
        if (mq_which_takes(w, n))
            strcat(text, n->outputs[0]->name);
    mq_which_free(w);
    assert_string_equal(text, want);
}

static void each_list_narrows(void **state)
{
    static const char *const a[] = { "a", "b" }, *const y[] = { "y" }, *const exps[] = { "E*" };

    (void)state;
    means(&(mq_which_names){ .nodes = { NULL, 0 } }, "aby");
    means(&(mq_which_names){ .nodes = { a, 2 } }, "ab");
    means(&(mq_which_names){ .exclude_nodes = { a, 2 } }, "y");
    means(&(mq_which_names){ .op_types = { exps, 1 } }, "ay");
    means(&(mq_which_names){ .exclude_op_types = { exps, 1 } }, "b");
    means(&(mq_which_names){ .op_types = { exps, 1 }, .exclude_nodes = { y, 1 } }, "a");
}

static void not_made_when_a_pattern_matches_nothing(void **state)
{
    static const char *const wrong[] = { "aa" };
    mq_error err = { 0 };
    mq_which *w = NULL;

    (void)state;
    assert_int_equal(mq_which_create(&w, &(mq_which_names){ .exclude_nodes = { wrong, 1 } }, m, &err), MQ_ERR_USAGE);
    assert_non_null(strstr(err.text, "--exclude-nodes"));
    assert_int_equal(mq_which_create(&w, &(mq_which_names){ .op_types = { wrong, 1 } }, m, &err), MQ_ERR_USAGE);
    assert_null(w);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_list_narrows, setup, teardown),
        cmocka_unit_test_setup_teardown(not_made_when_a_pattern_matches_nothing, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
