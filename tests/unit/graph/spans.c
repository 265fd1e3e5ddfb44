/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/graph/spans.c: what crosses each place of a graph with a branch, a constant part and an inner graph. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph/spans.h"
#include "graph_make.h"

/* 1 a(x,w); 2 wt(w2); 3 b(a,wt); 4 if(c: reads x inside); 5 y(b,c) */
static mq_model *make(void)
{
    mq_model *m = make_model(17);
    mq_graph *g = m->graph, *then;
    const float one = 1;

    make_input(g, "x", MQ_FLOAT, "1");
    make_input(g, "unfed", MQ_FLOAT, "1");
    make_init(g, "w", MQ_FLOAT, "1", &one);
    make_init(g, "w2", MQ_FLOAT, "1", &one);
    make_init(g, "yes", MQ_BOOL, "", &(uint8_t){ 1 });
    make_node(g, "Mul", "x,w", "a");
    make_node(g, "Neg", "w2", "wt");
    make_node(g, "Mul", "a,wt", "b");
    then = make_subgraph(make_node(g, "If", "yes", "c"), "then_branch");
    make_node(then, "Mul", "x,w2", "c1");
    make_output(then, "c1");
    make_node(g, "Add", "b,c", "y");
    make_output(g, "y");
    return m;
}

static bool is_x(void *user, const mq_value *input)
{
    (void)user;
    return strcmp(input->name, "x") == 0;
}

static void crossing(const mq_spans *s, size_t place, const char *want)
{
    char got[64] = "";

    for (size_t i = 0; i < s->n; i++)
        if (mq_span_crosses(&s->items[i], place))
            strcat(strcat(got, s->items[i].value->name), " ");
    assert_string_equal(got, want);
}

static void what_crosses(void **state)
{
    mq_model *m = make();
    mq_spans s;

    (void)state;
    assert_int_equal(mq_spans_find(&s, m->graph, is_x, NULL, NULL), MQ_OK);
    assert_int_equal(s.n, 5);
    crossing(&s, 1, "x ");
    crossing(&s, 2, "x a ");
    crossing(&s, 3, "x a ");
    crossing(&s, 4, "x b ");
    crossing(&s, 5, "b c ");
    crossing(&s, 6, "");
    assert_int_equal(mq_value_first_read(mq_graph_find_here(m->graph, "w"), m->graph), 1);
    assert_int_equal(mq_value_first_read(mq_graph_find_here(m->graph, "w2"), m->graph), 2);
    assert_int_equal(mq_value_first_read(mq_graph_find_here(m->graph, "y"), m->graph), 0);
    mq_spans_release(&s);
    assert_int_equal(mq_spans_find(&s, m->graph, NULL, NULL, NULL), MQ_OK);
    assert_int_equal(s.n, 6);
    mq_spans_release(&s);
    mq_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(what_crosses) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
