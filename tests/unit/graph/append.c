/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* One model behind another: names, connections, imports, functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "graph/clone.h"
#include "graph_check.h"
#include "graph_make.h"

static mq_error err;

/* in -> Add(in, w) -> out, with an If that captures the sum when `branches`. */
static mq_model *made(const char *in, const char *inner, const char *out, bool branches)
{
    mq_model *m = make_model(17);
    char pair[50];

    make_input(m->graph, in, MQ_FLOAT, "2");
    make_init(m->graph, "w", MQ_FLOAT, "2", (float[]){ 1, 2 });
    snprintf(pair, sizeof pair, "%s,w", in);
    make_node(m->graph, "Add", pair, branches ? inner : out);
    if (branches) {
        make_init(m->graph, "yes", MQ_BOOL, "", (char[]){ 1 });
        mq_node *n = make_node(m->graph, "If", "yes", out);
        mq_graph *then = make_subgraph(n, "then_branch"), *other = make_subgraph(n, "else_branch");

        make_node(then, "Neg", inner, "t");
        make_output(then, "t");
        make_node(other, "Abs", inner, "e");
        make_output(other, "e");
    }
    make_output(m->graph, out);
    return m;
}

static mq_value *value(mq_model *m, const char *name)
{
    mq_value *v = mq_graph_find(m->graph, name);

    assert_non_null(v);
    return v;
}

static void connected_by_a_binding(void **state)
{
    mq_model *a = made("x", "", "y", false), *b = made("in", "mid", "out", true);

    (void)state;
    assert_int_equal(mq_model_append(a, b, "b.", &(mq_binding){ "in", value(a, "y") }, 1, &err), MQ_OK);
    mq_graph_remove_output(a->graph, value(a, "y"));
    graph_check(a);
    make_dump_is(a, "opset ai.onnx 17\n"
                    "input x float[2]\n"
                    "init w float[2]\n"
                    "init b.w float[2]\n"
                    "init b.yes bool[]\n"
                    "node 'y' Add(x, w) -> y\n"
                    "node 'b.mid' Add(y, b.w) -> b.mid\n"
                    "node 'b.out' If(b.yes) -> b.out then_branch=(type 5, 1) else_branch=(type 5, 1)\n"
                    "  then_branch:\n"
                    "    node 'b.t' Neg(b.mid) -> b.t\n"
                    "    output b.t ?\n"
                    "  else_branch:\n"
                    "    node 'b.e' Abs(b.mid) -> b.e\n"
                    "    output b.e ?\n"
                    "output b.out ?\n");
    mq_model_free(a);
    mq_model_free(b);
}

/* What the second makes may feed the first: the nodes are then sorted. */
static void an_output_may_feed_an_input(void **state)
{
    mq_model *a = made("x", "", "y", false), *b = made("in", "", "out", false);
    size_t n_moved = 0;

    (void)state;
    mq_graph_remove_input(a->graph, value(a, "x"));
    assert_int_equal(mq_model_append(a, b, "b.", &(mq_binding){ "out", value(a, "x") }, 1, &err), MQ_OK);
    assert_int_equal(mq_graph_sort(a->graph, &n_moved, &err), MQ_OK);
    assert_true(n_moved > 0);
    assert_string_equal(a->graph->first->inputs[0]->name, "b.in");
    assert_ptr_equal(a->graph->first->outputs[0], a->graph->last->inputs[0]);
    mq_model_free(a);
    mq_model_free(b);
}

static void not_appended_when_names_clash(void **state)
{
    mq_model *a = made("x", "t", "y", true), *b = made("in", "", "out", false);

    (void)state;
    err = (mq_error){ 0 };
    assert_int_equal(mq_model_append(a, b, NULL, NULL, 0, &err), MQ_ERR_USAGE);
    assert_string_equal(err.text, "both models have a tensor 'w'");
    mq_model_free(b);
    b = made("e", "", "out", false); /* a's else branch has one of that name */
    assert_int_equal(mq_value_rename(value(b, "w"), "v", NULL), MQ_OK);
    assert_int_equal(mq_model_append(a, b, NULL, NULL, 0, &err), MQ_ERR_USAGE);
    assert_string_equal(err.text, "both models have a tensor 'e'");
    mq_model_free(a);
    mq_model_free(b);
}

static void imports_must_agree(void **state)
{
    mq_model *a = made("x", "", "y", false), *b = made("x", "", "y", false);

    (void)state;
    assert_int_equal(mq_opset_set(b, "com.example", 3, NULL), MQ_OK);
    assert_int_equal(mq_model_append(a, b, "b.", NULL, 0, &err), MQ_OK);
    assert_int_equal(mq_opset_of(a->graph, "com.example"), 3);
    assert_int_equal(mq_opset_set(b, "", 18, NULL), MQ_OK);
    assert_int_equal(mq_model_append(a, b, "c.", NULL, 0, &err), MQ_ERR_INPUT);
    assert_string_equal(err.text, "the models import versions 17 and 18 of 'ai.onnx'");
    mq_model_free(a);
    mq_model_free(b);
}

static void add_function(mq_model *m, const char *op)
{
    mq_function *f = mq_arena_alloc(m->arena, sizeof *f);

    assert_non_null(f);
    *f = (mq_function){ .domain = "local", .name = "F", .overload = "" };
    f->body = mq_graph_create(m, NULL, NULL, "F");
    f->body->function = f;
    make_value(f->body, "in");
    assert_int_equal(mq_graph_add_input(f->body, mq_graph_find(f->body, "in"), NULL), MQ_OK);
    make_node(f->body, op, "in", "y");
    make_output(f->body, "y");
    assert_true(mq_vec_push_in(m->arena, &f->opsets, ((mq_opset){ .domain = "", .version = 17 })));
    assert_int_equal(mq_model_add_function(m, f, NULL), MQ_OK);
}

static void functions_of_one_name_must_be_the_same(void **state)
{
    mq_model *a = made("x", "", "y", false), *b = made("in", "", "out", false), *c = made("in", "", "out", false);

    (void)state;
    add_function(b, "Neg");
    assert_int_equal(mq_model_append(a, b, "b.", &(mq_binding){ "in", value(a, "y") }, 1, &err), MQ_OK);
    graph_check(a);
    assert_int_equal(a->n_functions, 1);
    assert_string_equal(a->functions[0]->body->inputs.items[0]->name, "in"); /* its names are its own */
    add_function(c, "Neg");
    assert_int_equal(mq_model_append(a, c, "c.", NULL, 0, &err), MQ_OK);
    assert_int_equal(a->n_functions, 1);
    mq_model_free(c);
    c = made("in", "", "out", false);
    add_function(c, "Abs");
    assert_int_equal(mq_model_append(a, c, "d.", NULL, 0, &err), MQ_ERR_INPUT);
    assert_string_equal(err.text, "both models have a function 'F', and they differ");
    mq_model_free(a);
    mq_model_free(b);
    mq_model_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connected_by_a_binding),
        cmocka_unit_test(an_output_may_feed_an_input),
        cmocka_unit_test(not_appended_when_names_clash),
        cmocka_unit_test(imports_must_agree),
        cmocka_unit_test(functions_of_one_name_must_be_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
