/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/graph/graph.c: after every edit, all links hold both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "graph_check.h"
#include "graph_make.h"
#include "rng.h"

static mq_model *m;
static mq_graph *g;

static int setup(void **state)
{
    (void)state;
    m = make_model(17);
    g = m->graph;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    graph_check(m);
    mq_model_free(m);
    return 0;
}

/* x -> a -> b, b is the output; If(cond) with a branch that reads a and returns it too. */
static mq_graph *with_branch(void)
{
    mq_graph *branch;
    mq_node *n;

    make_input(g, "x", MQ_FLOAT, "2");
    make_node(g, "Relu", "x", "a");
    make_node(g, "Relu", "a", "b");
    n = make_node(g, "If", "x", "c");
    branch = make_subgraph(n, "then_branch");
    make_node(branch, "Add", "a,b", "inner");
    make_output(branch, "inner");
    make_output(branch, "a");
    make_output(g, "b");
    make_output(g, "c");
    graph_check(m);
    return branch;
}

static void test_create_and_find(void **state)
{
    mq_graph *branch = with_branch();

    (void)state;
    assert_ptr_equal(mq_graph_find(branch, "a"), mq_graph_find_here(g, "a"));
    assert_null(mq_graph_find_here(branch, "a"));
    assert_null(mq_graph_find(g, "inner"));
    assert_non_null(mq_graph_find(branch, "inner"));
    assert_null(mq_graph_find(branch, "nothing"));
    assert_int_equal(mq_graph_find(g, "a")->uses.n, 2);
    assert_int_equal(mq_graph_find(g, "a")->n_output_uses, 1);
    assert_int_equal(g->n_nodes, 3);
}

static void test_duplicate_names(void **state)
{
    mq_value *first = mq_value_create(g, "v"), *second = mq_value_create(g, "v");

    (void)state;
    assert_false(first->duplicate);
    assert_true(second->duplicate);
    assert_ptr_equal(mq_graph_find_here(g, "v"), first);
    assert_int_equal(mq_value_rename(second, "w", NULL), MQ_OK);
    assert_false(second->duplicate);
    assert_ptr_equal(mq_graph_find_here(g, "w"), second);
    assert_ptr_equal(mq_graph_find_here(g, "v"), first);
}

static void test_inputs_are_replaced_and_cleared(void **state)
{
    mq_node *n = make_node(g, "Clip", "x,-,hi", "y");
    mq_value *x = mq_graph_find(g, "x"), *z = make_value(g, "z");

    (void)state;
    assert_int_equal(n->n_inputs, 3);
    assert_int_equal(mq_node_set_input(n, 0, z, NULL), MQ_OK);
    assert_true(mq_value_unused(x));
    assert_int_equal(mq_node_set_input(n, 0, z, NULL), MQ_OK); /* the same once more */
    assert_int_equal(z->uses.n, 1);
    assert_int_equal(mq_node_set_input(n, 1, z, NULL), MQ_OK); /* twice in one node */
    assert_int_equal(z->uses.n, 2);
    graph_check(m);
    assert_int_equal(mq_node_set_input(n, 2, NULL, NULL), MQ_OK);
    assert_int_equal(mq_node_set_input(n, 1, NULL, NULL), MQ_OK);
    assert_int_equal(mq_node_set_input(n, 5, NULL, NULL), MQ_OK); /* makes room */
    assert_int_equal(n->n_inputs, 6);
    mq_node_trim_inputs(n);
    assert_int_equal(n->n_inputs, 1);
    assert_true(mq_value_unused(mq_graph_find(g, "hi")));
}

static void test_outputs_are_replaced(void **state)
{
    mq_node *n = make_node(g, "Split", "x", "p,-,q");
    mq_value *p = mq_graph_find(g, "p"), *r = make_value(g, "r");

    (void)state;
    assert_int_equal(mq_node_set_output(n, 0, r, NULL), MQ_OK);
    assert_null(p->producer);
    assert_ptr_equal(r->producer, n);
    assert_int_equal(mq_node_set_output(n, 1, p, NULL), MQ_OK);
    assert_int_equal(p->producer_index, 1);
    assert_int_equal(mq_node_set_output(n, 2, NULL, NULL), MQ_OK);
    assert_null(mq_graph_find(g, "q")->producer);
    assert_string_equal(mq_node_label(n), "p,-,q");
}

static void test_replace_uses_reaches_inner_graphs_and_outputs(void **state)
{
    mq_graph *branch = with_branch();
    mq_value *a = mq_graph_find(g, "a"), *x = mq_graph_find(g, "x");

    (void)state;
    assert_int_equal(mq_value_replace_uses(a, x, NULL), MQ_OK);
    assert_true(mq_value_unused(a));
    assert_ptr_equal(branch->first->inputs[0], x);
    assert_ptr_equal(branch->outputs.items[1], x);
    assert_int_equal(x->n_output_uses, 1);
    graph_check(m);
    assert_int_equal(mq_value_replace_uses(x, x, NULL), MQ_OK);
    assert_int_equal(x->n_output_uses, 1);
}

static void test_redirect_one_use(void **state)
{
    mq_value *a, *z = make_value(g, "z");

    (void)state;
    with_branch();
    a = mq_graph_find(g, "a");
    assert_int_equal(mq_use_redirect(a->uses.items[0], z, NULL), MQ_OK);
    assert_int_equal(a->uses.n, 1);
    assert_int_equal(z->uses.n, 1);
}

static void test_remove_with_subgraph(void **state)
{
    mq_graph *branch = with_branch();
    mq_node *n = branch->owner;

    (void)state;
    mq_node_remove(n);
    graph_check(m);
    assert_null(n->graph);
    assert_int_equal(mq_graph_find(g, "a")->uses.n, 1);
    assert_int_equal(mq_graph_find(g, "a")->n_output_uses, 0);
    assert_int_equal(mq_graph_find(g, "b")->uses.n, 0);
    assert_null(mq_graph_find(g, "c")->producer);
    /* names inside are free again */
    assert_string_equal(mq_unique_value_name(m, "inner"), "inner");
}

static void test_remove_first_middle_last(void **state)
{
    mq_node *a = make_node(g, "Relu", "x", "a"), *b = make_node(g, "Relu", "a", "b"), *c = make_node(g, "Relu", "b", "c");

    (void)state;
    mq_node_remove(b);
    graph_check(m);
    assert_ptr_equal(a->next, c);
    mq_node_remove(a);
    graph_check(m);
    assert_ptr_equal(g->first, c);
    mq_node_remove(c);
    assert_null(g->first);
    assert_int_equal(g->n_nodes, 0);
}

static void test_move(void **state)
{
    mq_node *n[4];
    static const struct {
        int which, before;
        const char *order;
    } moves[] = { { 3, 0, "3012" }, { 3, -1, "0123" }, { 0, -1, "1230" }, { 0, 1, "0123" }, { 1, 3, "0213" },
                  { 1, 3, "0213" }, { 1, 1, "0213" }, { 3, -1, "0213" } };

    (void)state;
    for (int i = 0; i < 4; i++)
        n[i] = mq_node_create(g, NULL, "", "Relu", (const char *[]){ "0", "1", "2", "3" }[i]);
    for (size_t i = 0; i < MQ_ARRAY_LEN(moves); i++) {
        char order[5] = "";
        mq_node_move(n[moves[i].which], moves[i].before < 0 ? NULL : n[moves[i].before]);
        for (const mq_node *p = g->first; p; p = p->next)
            strcat(order, p->name);
        assert_string_equal(order, moves[i].order);
        graph_check(m);
    }
}

static void test_insert_before(void **state)
{
    mq_node *a = make_node(g, "Relu", "x", "a"), *first, *middle;

    (void)state;
    first = mq_node_create(g, a, "", "Neg", "first");
    middle = mq_node_create(g, a, "", "Neg", "middle");
    assert_ptr_equal(g->first, first);
    assert_ptr_equal(first->next, middle);
    assert_ptr_equal(g->last, a);
}

static void test_rename(void **state)
{
    const float w[2] = { 1, 2 };
    mq_value *v = make_init(g, "w", MQ_FLOAT, "2", w);
    mq_error err = { 0 };

    (void)state;
    make_value(g, "taken");
    assert_int_equal(mq_value_rename(v, "weight", NULL), MQ_OK);
    assert_string_equal(v->init->name, "weight");
    assert_null(mq_graph_find(g, "w"));
    assert_int_equal(mq_value_rename(v, "taken", &err), MQ_ERR_USAGE);
    assert_string_equal(err.text, "cannot rename 'weight' to 'taken': the name is taken");
    assert_int_equal(mq_value_rename(v, "weight", NULL), MQ_OK);
}

static void test_unique_names(void **state)
{
    mq_graph *branch = with_branch();

    (void)state;
    assert_string_equal(mq_unique_value_name(m, "new"), "new");
    assert_string_equal(mq_unique_value_name(m, "inner"), "inner_1"); /* no shadowing, from outside either */
    assert_string_equal(mq_value_create_unique(g, "a")->name, "a_1");
    assert_string_equal(mq_value_create_unique(branch, "a")->name, "a_2");
    assert_string_equal(mq_unique_node_name(m, "inner"), "inner_1");
    assert_string_equal(mq_unique_node_name(m, "fresh"), "fresh");
    assert_false(mq_graph_find(g, "a_1")->duplicate);
}

static void test_initializers_and_inputs(void **state)
{
    const float w[2] = { 1, 2 };
    mq_value *v = make_init(g, "w", MQ_FLOAT, "2", w);

    (void)state;
    make_init(g, "w2", MQ_FLOAT, "2", w);
    make_init(g, "w", MQ_FLOAT, "2", w); /* replaced in its place */
    assert_int_equal(g->inits.n, 2);
    assert_int_equal(mq_graph_add_input(g, v, NULL), MQ_OK);
    graph_check(m);
    mq_graph_remove_input(g, v);
    mq_graph_remove_input(g, v);
    assert_false(v->is_input);
    mq_value_clear_init(v);
    assert_int_equal(g->inits.n, 1);
    assert_string_equal(g->inits.items[0]->name, "w2");
    mq_value_clear_init(v);
}

static void test_opsets(void **state)
{
    mq_function f = { .domain = "d", .name = "F", .overload = "" };
    mq_graph *body = mq_graph_create(m, NULL, NULL, "F"), *inner = mq_graph_create(m, body, NULL, "inner");
    mq_opset eleven = { .domain = "ai.onnx", .version = 11 };

    (void)state;
    body->function = &f;
    assert_true(mq_vec_push_in(m->arena, &f.opsets, eleven));
    assert_int_equal(mq_opset_of(g, ""), 17);
    assert_int_equal(mq_opset_of(g, "ai.onnx"), 17);
    assert_int_equal(mq_opset_of(g, "com.microsoft"), 0);
    assert_int_equal(mq_opset_of(inner, ""), 11);
    assert_int_equal(mq_opset_set(m, "ai.onnx", 21, NULL), MQ_OK); /* the same domain, not a second entry */
    assert_int_equal(m->opsets.n, 1);
    assert_int_equal(mq_opset_set(m, "com.microsoft", 1, NULL), MQ_OK);
    assert_int_equal(mq_opset_of(g, "com.microsoft"), 1);
    body->function = NULL;
}

static void test_node_is_and_labels(void **state)
{
    mq_node *n = mq_node_create(g, NULL, "ai.onnx", "Relu", ""), *ms = mq_node_create(g, NULL, "com.microsoft", "Relu", "r");

    (void)state;
    assert_true(mq_node_is(n, "", "Relu"));
    assert_false(mq_node_is(n, "", "Neg"));
    assert_false(mq_node_is(ms, "", "Relu"));
    assert_true(mq_node_is(ms, "com.microsoft", "Relu"));
    assert_true(mq_node_is_any(n, "", (const char *const[]){ "Neg", "Relu" }, 2));
    assert_false(mq_node_is_any(n, "", (const char *const[]){ "Neg", "Relu" }, 1));
    assert_false(mq_node_is_any(ms, "", (const char *const[]){ "Neg", "Relu" }, 2));
    assert_true(mq_node_is_any(ms, NULL, (const char *const[]){ "Neg", "Relu" }, 2));
    assert_false(mq_node_is_any(ms, NULL, (const char *const[]){ "Neg" }, 1));
    assert_string_equal(mq_node_label(n), "Relu");
    assert_int_equal(mq_node_set_output(n, 1, make_value(g, "second"), NULL), MQ_OK);
    assert_string_equal(mq_node_label(n), "second");
    assert_string_equal(mq_node_label(ms), "r");
}

/* Thousands of random edits, checked all the way: nothing is ever left behind. */
static void test_random_edits(void **state)
{
    enum { NODES = 40, VALUES = 60 };
    mq_node *nodes[NODES];
    mq_value *values[VALUES];
    uint64_t rng = 3;

    (void)state;
    for (int i = 0; i < VALUES; i++)
        values[i] = mq_value_create_unique(g, "v");
    for (int i = 0; i < NODES; i++)
        nodes[i] = mq_node_create(g, NULL, "", "Op", "n");
    for (int step = 0; step < 4000; step++) {
        mq_node **n = &nodes[rng_below(&rng, NODES)], *at = nodes[rng_below(&rng, NODES)];
        mq_value *v = values[rng_below(&rng, VALUES)];
        switch (rng_below(&rng, 7)) {
        case 0: mq_node_set_input(*n, rng_below(&rng, 5), v, NULL); break;
        case 1: mq_node_set_input(*n, rng_below(&rng, 5), NULL, NULL); break;
        case 2:
            if (!v->producer)
                mq_node_set_output(*n, rng_below(&rng, 3), v, NULL);
            break;
        case 3: mq_node_move(*n, at); break;
        case 4: mq_node_trim_inputs(*n); break;
        case 5: mq_value_replace_uses(v, values[rng_below(&rng, VALUES)], NULL); break;
        default:
            mq_node_remove(*n);
            *n = NULL;
            *n = mq_node_create(g, at->graph ? at : NULL, "", "Op", "n");
        }
        if (step % 16 == 0)
            graph_check(m);
    }
}

static void test_free_of_nothing(void **state)
{
    (void)state;
    mq_model_free(NULL);
}

#define ON_MODEL(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(test_create_and_find),
        ON_MODEL(test_duplicate_names),
        ON_MODEL(test_inputs_are_replaced_and_cleared),
        ON_MODEL(test_outputs_are_replaced),
        ON_MODEL(test_replace_uses_reaches_inner_graphs_and_outputs),
        ON_MODEL(test_redirect_one_use),
        ON_MODEL(test_remove_with_subgraph),
        ON_MODEL(test_remove_first_middle_last),
        ON_MODEL(test_move),
        ON_MODEL(test_insert_before),
        ON_MODEL(test_rename),
        ON_MODEL(test_unique_names),
        ON_MODEL(test_initializers_and_inputs),
        ON_MODEL(test_opsets),
        ON_MODEL(test_node_is_and_labels),
        ON_MODEL(test_random_edits),
        cmocka_unit_test(test_free_of_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
