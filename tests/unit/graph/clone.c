/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Copies are equal and their own; function calls become the function's nodes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "graph/clone.h"
#include "graph_check.h"
#include "graph_make.h"

static mq_model *with_branches(void)
{
    mq_model *m = make_model(17);
    mq_graph *g = m->graph, *then, *other;
    mq_node *n;

    make_input(g, "c", MQ_BOOL, "1");
    make_input(g, "x", MQ_FLOAT, "2");
    make_init(g, "w", MQ_FLOAT, "2", (float[]){ 1, 2 });
    n = make_node(g, "If", "c", "y");
    then = make_subgraph(n, "then_branch");
    make_node(then, "Add", "x,w", "t");
    make_output(then, "t");
    other = make_subgraph(n, "else_branch");
    make_node(other, "Neg", "x", "e");
    make_output(other, "e");
    make_output(g, "y");
    return m;
}

static void a_copy_reads_the_same(void **state)
{
    mq_model *m = with_branches(), *c = NULL;
    char *before = mq_model_dump(m), *after;

    (void)state;
    assert_int_equal(mq_model_clone(&c, m, NULL), MQ_OK);
    graph_check(c);
    make_dump_is(c, before);
    assert_ptr_equal(mq_graph_find(c->graph, "w")->init->data, mq_graph_find(m->graph, "w")->init->data);
    mq_node_remove(c->graph->first);
    after = mq_model_dump(m);
    assert_string_equal(before, after); /* the original does not notice */
    graph_check(m);
    free(before);
    free(after);
    mq_model_free(c);
    mq_model_free(m);
}

static mq_attr *add_ref(mq_node *n, const char *name, mq_attr_type type, const char *ref)
{
    mq_arena *a = n->graph->model->arena;
    mq_attr *at = mq_arena_alloc(a, sizeof *at);

    assert_non_null(at);
    *at = (mq_attr){ .name = name, .type = type, .ref = ref, .n = 0 };
    n->attrs = mq_arena_grow(a, n->attrs, n->n_attrs, n->n_attrs + 1, sizeof *n->attrs);
    assert_non_null(n->attrs);
    n->attrs[n->n_attrs++] = at;
    return at;
}

/* local::Scaled(x, b?) = LeakyRelu<alpha=@slope>(x + b) */
static mq_function *add_function(mq_model *m, const char *name)
{
    mq_function *f = mq_arena_alloc(m->arena, sizeof *f);
    const mq_opset o = { .domain = "", .version = 17 };

    assert_non_null(f);
    f->domain = "local";
    f->name = mq_arena_strdup(m->arena, name);
    f->overload = "";
    assert_true(mq_vec_push_in(m->arena, &f->opsets, o));
    f->body = mq_graph_create(m, NULL, NULL, name);
    f->body->function = f;
    assert_int_equal(mq_model_add_function(m, f, NULL), MQ_OK);
    return f;
}

static void calls_become_nodes(void **state)
{
    mq_model *m = make_model(17);
    mq_function *f = add_function(m, "Scaled");
    mq_node *call;
    size_t n = 0;

    (void)state;
    assert_int_equal(mq_opset_set(m, "local", 1, NULL), MQ_OK);
    assert_int_equal(mq_graph_add_input(f->body, make_value(f->body, "x"), NULL), MQ_OK);
    make_node(f->body, "Exp", "x", "inner");
    add_ref(make_node(f->body, "LeakyRelu", "inner", "out"), "alpha", MQ_ATTR_FLOAT, "slope");
    make_output(f->body, "out");
    make_input(m->graph, "a", MQ_FLOAT, "2");
    call = make_node(m->graph, "Scaled", "a", "y");
    call->domain = "local";
    assert_int_equal(mq_node_set_attr_float(call, "slope", 0.25f, NULL), MQ_OK);
    make_output(m->graph, "y");
    assert_int_equal(mq_model_inline_functions(m, &n, NULL), MQ_OK);
    assert_int_equal(n, 1);
    graph_check(m);
    for (const mq_node *k = m->graph->first; k; k = k->next) {
        assert_string_equal(k->domain, "");
        if (strcmp(k->op_type, "LeakyRelu") == 0)
            assert_true(mq_node_attr_float(k, "alpha", 0) == 0.25f);
    }
    assert_int_equal(m->graph->n_nodes, 4); /* two and two Identity */
    mq_model_free(m);
}

static void functions_that_call_themselves_are_refused(void **state)
{
    mq_model *m = make_model(17);
    mq_function *f = add_function(m, "Loop");
    mq_error err;

    (void)state;
    assert_int_equal(mq_graph_add_input(f->body, make_value(f->body, "x"), NULL), MQ_OK);
    make_node(f->body, "Loop", "x", "out")->domain = "local";
    make_output(f->body, "out");
    make_input(m->graph, "a", MQ_FLOAT, "2");
    make_node(m->graph, "Loop", "a", "y")->domain = "local";
    make_output(m->graph, "y");
    assert_int_equal(mq_model_inline_functions(m, NULL, &err), MQ_ERR_INPUT);
    mq_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_reads_the_same), cmocka_unit_test(calls_become_nodes),
        cmocka_unit_test(functions_that_call_themselves_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
