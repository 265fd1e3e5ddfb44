/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_inline_functions;

/* local.NAME(a) -> b, of `ops` in a row, separated by commas */
static mq_function *make_function(const char *name, int64_t opset, const char *first, const char *second)
{
    mq_function *f = mq_arena_calloc(m->arena, 1, sizeof *f);
    const mq_opset used = { .domain = "", .version = opset };

    assert_non_null(f);
    f->domain = "local";
    f->name = name;
    f->overload = "";
    assert_true(mq_vec_push_in(m->arena, &f->opsets, used));
    assert_non_null(f->body = mq_graph_create(m, NULL, NULL, name));
    f->body->function = f;
    assert_int_equal(mq_graph_add_input(f->body, mq_value_create(f->body, "a"), NULL), MQ_OK);
    make_node(f->body, first, "a", second ? "t" : "b");
    if (second)
        make_node(f->body, second, "t", "b");
    assert_int_equal(mq_graph_add_output(f->body, mq_graph_find_here(f->body, "b"), NULL), MQ_OK);
    assert_int_equal(mq_model_add_function(m, f, NULL), MQ_OK);
    assert_int_equal(mq_opset_set(m, "local", 1, NULL), MQ_OK);
    return f;
}

static void call(mq_graph *in, const char *name, const char *x, const char *y)
{
    make_node(in, name, x, y)->domain = "local";
}

static void what_is_called_once_is_inlined(void **state)
{
    (void)state;
    make_function("twice", 28, "Exp", "Neg");
    make_input(g, "x", MQ_FLOAT, "N,4");
    call(g, "twice", "x", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_inline_functions, "Identity Exp Neg", 0);
    assert_int_equal(m->n_functions, 0);
    assert_null(mq_map_get(&m->function_names, "twice"));
}

static void one_node_is_inlined_everywhere(void **state)
{
    (void)state;
    make_function("once", 28, "Exp", NULL);
    make_input(g, "x", MQ_FLOAT, "N,4");
    call(g, "once", "x", "t");
    call(g, "once", "t", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_inline_functions, "Identity Exp Identity Identity Exp", 0);
    assert_int_equal(m->n_functions, 0);
}

static void others_of_that_name_stay(void **state)
{
    mq_function *first, *second;

    (void)state;
    first = make_function("f", 28, "Exp", "Neg");
    second = make_function("f", 28, "Abs", "Neg");
    second->overload = "2";
    make_input(g, "x", MQ_FLOAT, "N,4");
    call(g, "f", "x", "t");
    call(g, "f", "t", "u");
    call(g, "f", "u", "y");
    g->first->next->overload = g->last->overload = "2";
    make_output(g, "y");
    pass_becomes(&mq_pass_inline_functions, "Identity Exp Neg Identity f f", 0);
    assert_int_equal(m->n_functions, 1);
    assert_ptr_equal(m->functions[0], second);
    assert_ptr_equal(mq_map_get(&m->function_names, "f"), second);
    assert_null(first->body->first);
}

static void inner_calls_follow(void **state)
{
    mq_function *outer;

    (void)state;
    make_function("inner", 28, "Exp", "Neg");
    outer = make_function("outer", 28, "Abs", NULL);
    call(outer->body, "inner", "b", "c");
    outer->body->outputs.n = 0;
    mq_graph_find_here(outer->body, "b")->n_output_uses = 0;
    assert_int_equal(mq_graph_add_output(outer->body, mq_graph_find_here(outer->body, "c"), NULL), MQ_OK);
    make_input(g, "x", MQ_FLOAT, "N,4");
    call(g, "outer", "x", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_inline_functions, "Identity Abs Identity Exp Neg Identity", 0);
    assert_int_equal(m->n_functions, 0);
}

static void not_inlined_when_it_is_called_twice(void **state)
{
    (void)state;
    make_function("twice", 28, "Exp", "Neg");
    make_input(g, "x", MQ_FLOAT, "N,4");
    call(g, "twice", "x", "t");
    call(g, "twice", "t", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_inline_functions);
    assert_int_equal(m->n_functions, 1);
}

static void not_inlined_when_the_opset_is_another(void **state)
{
    (void)state;
    make_function("once", 17, "Exp", NULL);
    make_input(g, "x", MQ_FLOAT, "N,4");
    call(g, "once", "x", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_inline_functions);
}

static void not_inlined_when_it_has_attributes(void **state)
{
    static const char *const names[] = { "slope" };
    const char **list = mq_arena_memdup(m->arena, names, sizeof names);
    mq_function *f;

    (void)state;
    f = make_function("once", 28, "Exp", NULL);
    f->attrs = list;
    f->n_attrs = 1;
    make_input(g, "x", MQ_FLOAT, "N,4");
    call(g, "once", "x", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_inline_functions);
}

static void not_inlined_when_it_reads_what_nobody_makes(void **state)
{
    size_t n = 0;

    (void)state;
    make_node(make_function("once", 28, "Exp", NULL)->body, "Neg", "nobody", "u");
    make_input(g, "x", MQ_FLOAT, "N,4");
    call(g, "once", "x", "y");
    make_output(g, "y");
    assert_int_equal(mq_pass_inline_functions.run(g, &(mq_pass_ctx){ 0 }, &n, NULL), MQ_OK);
    assert_int_equal(n, 0);
}

static void not_inlined_when_functions_are_to_stay(void **state)
{
    const mq_pass_ctx ctx = { .keep_functions = true };

    (void)state;
    make_function("once", 28, "Exp", NULL);
    make_input(g, "x", MQ_FLOAT, "N,4");
    call(g, "once", "x", "y");
    make_output(g, "y");
    assert_int_equal(pass_apply(&mq_pass_inline_functions, &ctx), 0);
}

/* What nobody calls is the file's own affair. */
static void not_dropped_when_nobody_calls_it(void **state)
{
    (void)state;
    make_function("never", 28, "Exp", "Neg");
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_node(g, "Abs", "x", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_inline_functions);
    assert_int_equal(m->n_functions, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(what_is_called_once_is_inlined),
        ON_MODEL(one_node_is_inlined_everywhere),
        ON_MODEL(others_of_that_name_stay),
        ON_MODEL(inner_calls_follow),
        ON_MODEL(not_inlined_when_it_is_called_twice),
        ON_MODEL(not_inlined_when_the_opset_is_another),
        ON_MODEL(not_inlined_when_it_has_attributes),
        ON_MODEL(not_inlined_when_it_reads_what_nobody_makes),
        ON_MODEL(not_inlined_when_functions_are_to_stay),
        ON_MODEL(not_dropped_when_nobody_calls_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
