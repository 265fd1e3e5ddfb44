/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* A part of a graph: what is needed stays, in its order; the rest goes; what cannot be is refused before anything
 * changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "graph/cut.h"
#include "graph_check.h"
#include "graph_make.h"
#include "ops/ops.h"

static mq_error err;

/* x, w -> a; a -> b (its branches take a and k); b, z -> y; a -> other */
static mq_model *made(void)
{
    mq_model *m = make_model(17);
    mq_graph *g = m->graph, *body;
    mq_node *n;

    make_input(g, "x", MQ_FLOAT, "2");
    make_input(g, "c", MQ_BOOL, "");
    make_input(g, "z", MQ_FLOAT, "2");
    make_init(g, "w", MQ_FLOAT, "2", (float[]){ 1, 2 });
    make_init(g, "k", MQ_FLOAT, "2", (float[]){ 3, 4 });
    make_node(g, "Add", "x,w", "a");
    make_node(g, "Neg", "a", "other");
    n = make_node(g, "If", "c", "b");
    body = make_subgraph(n, "then_branch");
    make_node(body, "Mul", "a,k", "t");
    make_output(body, "t");
    body = make_subgraph(n, "else_branch");
    make_node(body, "Identity", "a", "e");
    make_output(body, "e");
    make_node(g, "Sub", "b,z", "y");
    make_output(g, "y");
    make_output(g, "other");
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    return m;
}

static mq_status cut(mq_model *m, const char *inputs, const char *outputs, bool keep)
{
    mq_value *in[8], *out[8];
    size_t n_in = 0, n_out = 0;
    char names[2][100], *save = NULL;

    snprintf(names[0], sizeof names[0], "%s", inputs);
    snprintf(names[1], sizeof names[1], "%s", outputs);
    for (char *p = strtok_r(names[0], ",", &save); p; p = strtok_r(NULL, ",", &save))
        in[n_in++] = mq_graph_find(m->graph, p);
    for (char *p = strtok_r(names[1], ",", &save); p; p = strtok_r(NULL, ",", &save))
        out[n_out++] = mq_graph_find(m->graph, p);
    err = (mq_error){ 0 };
    return mq_model_cut(m, in, n_in, out, n_out, keep, &err);
}

/* The lists of the main graph by name: "inputs -> outputs | nodes | initializers". */
static void has(mq_model *m, const char *want)
{
    const mq_graph *g = m->graph;
    char got[400] = "";

#define PUT(...) snprintf(got + strlen(got), sizeof got - strlen(got), __VA_ARGS__)
    graph_check(m);
    for (size_t i = 0; i < g->inputs.n; i++)
        PUT("%s ", g->inputs.items[i]->name);
    PUT("->");
    for (size_t i = 0; i < g->outputs.n; i++)
        PUT(" %s", g->outputs.items[i]->name);
    PUT(" |");
    for (const mq_node *n = g->first; n; n = n->next)
        PUT(" %s", n->name);
    PUT(" |");
    for (size_t i = 0; i < g->inits.n; i++)
        PUT(" %s", g->inits.items[i]->name);
    assert_string_equal(got, want);
}

static void keeps_what_outputs_need(void **state)
{
    mq_model *m = made();

    (void)state;
    assert_int_equal(cut(m, "x", "other", false), MQ_OK);
    has(m, "x -> other | a other | w");
    mq_model_free(m);
}

static void an_inner_value_becomes_an_input(void **state)
{
    mq_model *m = made();

    (void)state;
    assert_int_equal(cut(m, "z,c,a", "y", false), MQ_OK);
    has(m, "z c a -> y | b y | k"); /* what branches capture is needed */
    assert_int_equal(mq_graph_find(m->graph, "a")->declared->rank, 1);
    mq_model_free(m);
}

static void an_initializer_becomes_an_input(void **state)
{
    mq_model *m = made();

    (void)state;
    assert_int_equal(cut(m, "x,w", "a", false), MQ_OK);
    has(m, "x w -> a | a |");
    assert_int_equal(mq_graph_find(m->graph, "w")->declared->dims[0].value, 2);
    mq_model_free(m);
}

static void other_inputs_stay_when_told(void **state)
{
    mq_model *m = made();

    (void)state;
    assert_int_equal(cut(m, "b", "y", true), MQ_OK);
    has(m, "b z -> y | y |");
    mq_model_free(m);
}

static void outputs_stand_in_the_order_given(void **state)
{
    mq_model *m = made();

    (void)state;
    assert_int_equal(cut(m, "a", "other,a", false), MQ_OK);
    has(m, "a -> other a | other |"); /* a goes straight through */
    mq_model_free(m);
}

static void not_changed_when_refused(void **state)
{
    mq_model *m = made();
    char *before = mq_model_dump(m);

    (void)state;
    assert_int_equal(cut(m, "a", "other,y", false), MQ_ERR_USAGE);
    assert_string_equal(err.text, "output 'y' also needs input 'z'");
    assert_int_equal(cut(m, "x", "a,other,a", false), MQ_ERR_USAGE);
    assert_string_equal(err.text, "output 'a' is listed twice");
    mq_graph_find(m->graph, "b")->type = NULL;
    assert_int_equal(cut(m, "b", "y", true), MQ_ERR_UNSUPPORTED);
    assert_string_equal(err.text, "tensor 'b' cannot be an input: its type is not known, or its rank");
    assert_int_equal(cut(m, "x", "b", true), MQ_ERR_UNSUPPORTED);
    make_dump_is(m, before);
    free(before);
    mq_model_free(m);
}

/* IR 3 lists initializers among the inputs: they stay there. */
static void initializers_among_inputs_stay(void **state)
{
    mq_model *m = made();

    (void)state;
    make_type(mq_graph_find(m->graph, "w"), MQ_FLOAT, "2");
    assert_int_equal(mq_graph_add_input(m->graph, mq_graph_find(m->graph, "w"), NULL), MQ_OK);
    assert_int_equal(cut(m, "x", "other", false), MQ_OK);
    has(m, "x w -> other | a other | w");
    assert_int_equal(cut(m, "a", "other", false), MQ_OK);
    has(m, "a -> other | other |");
    mq_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_outputs_need),
        cmocka_unit_test(an_inner_value_becomes_an_input),
        cmocka_unit_test(an_initializer_becomes_an_input),
        cmocka_unit_test(other_inputs_stay_when_told),
        cmocka_unit_test(outputs_stand_in_the_order_given),
        cmocka_unit_test(not_changed_when_refused),
        cmocka_unit_test(initializers_among_inputs_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
