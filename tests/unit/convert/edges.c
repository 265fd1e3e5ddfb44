/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/convert/edges.c: cutting, sizes, names, and inputs that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "convert/convert.h"
#include "graph/cut.h"
#include "graph_check.h"
#include "graph_make.h"
#include "ops/ops.h"

static mq_model *m;
static mq_graph *g;
static mq_error err;

/* x[N,4] -> Exp -> a -> Add(w) -> b -> Neg -> y[N,4] */
static int setup(void **state)
{
    static const float w[] = { 1, 2, 3, 4 };

    (void)state;
    m = make_model(17);
    g = m->graph;
    make_type(make_input(g, "x", MQ_FLOAT, "N,4"), MQ_FLOAT, "N,4");
    make_init(g, "w", MQ_FLOAT, "4", w);
    make_node(g, "Exp", "x", "a");
    make_node(g, "Add", "a,w", "b");
    make_node(g, "Neg", "b", "y");
    make_type(make_output(g, "y"), MQ_FLOAT, "N,4");
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mq_model_free(m);
    return 0;
}

static void type_is(const char *name, const char *want)
{
    char text[200];

    mq_type_text(mq_graph_find(g, name)->declared, text, sizeof text);
    assert_string_equal(text, want);
}

static void cut_between_tensors(void **state)
{
    static const char *const in[] = { "a" }, *const out[] = { "b" };

    (void)state;
    assert_int_equal(mq_convert_cut(m, in, 1, out, 1, &err), MQ_OK);
    graph_check(m);
    assert_int_equal(g->n_nodes, 1);
    assert_int_equal(g->inputs.n, 1);
    assert_string_equal(g->inputs.items[0]->name, "a");
    type_is("a", "float[N,4]");
    type_is("b", "float[N,4]");
}

static void cut_at_outputs_only(void **state)
{
    static const char *const out[] = { "a" };

    (void)state;
    assert_int_equal(mq_convert_cut(m, NULL, 0, out, 1, &err), MQ_OK);
    assert_int_equal(g->n_nodes, 1);
    assert_string_equal(g->inputs.items[0]->name, "x");
    assert_int_equal(g->inits.n, 0);
}

static void not_cut_when_an_output_needs_more(void **state)
{
    static const char *const in[] = { "b" }, *const out[] = { "a" };

    (void)state;
    assert_int_equal(mq_convert_cut(m, in, 1, out, 1, &err), MQ_ERR_USAGE);
}

static void sizes_are_written(void **state)
{
    static const char *const dims[] = { "N=3" };

    (void)state;
    assert_int_equal(mq_convert_shapes(m, NULL, 0, dims, 1, &err), MQ_OK);
    type_is("x", "float[3,4]");
    type_is("y", "float[3,4]");
    assert_true(mq_graph_find(g, "x")->redeclared && mq_graph_find(g, "y")->redeclared);
}

static void sizes_are_freed(void **state)
{
    static const char *const fixed[] = { "x=2x4" }, *const open[] = { "x=rows,4" };

    (void)state;
    assert_int_equal(mq_convert_shapes(m, fixed, 1, NULL, 0, &err), MQ_OK);
    type_is("y", "float[2,4]");
    assert_int_equal(mq_convert_shapes(m, open, 1, NULL, 0, &err), MQ_OK);
    type_is("y", "float[rows,4]");
}

static void unknown_sizes_are_refused(void **state)
{
    static const char *const dims[] = { "M=3" };

    (void)state;
    assert_int_equal(mq_convert_shapes(m, NULL, 0, dims, 1, &err), MQ_ERR_USAGE);
}

static void names_change(void **state)
{
    static const char *const pairs[] = { "x=image", "w=weight" };

    (void)state;
    assert_int_equal(mq_convert_rename(m, pairs, 2, &err), MQ_OK);
    graph_check(m);
    assert_string_equal(g->inputs.items[0]->name, "image");
    assert_string_equal(mq_graph_find(g, "weight")->init->name, "weight");
    assert_null(mq_graph_find(g, "x"));
}

static void not_renamed_when_taken_unknown_or_malformed(void **state)
{
    static const char *const taken[] = { "a=y" }, *const unknown[] = { "A=z" }, *const odd[] = { "a=" };

    (void)state;
    assert_int_equal(mq_convert_rename(m, taken, 1, &err), MQ_ERR_USAGE);
    assert_int_equal(mq_convert_rename(m, unknown, 1, &err), MQ_ERR_USAGE);
    assert_int_equal(mq_convert_rename(m, odd, 1, &err), MQ_ERR_USAGE);
}

static void initializers_are_no_inputs(void **state)
{
    (void)state;
    assert_int_equal(mq_graph_add_input(g, mq_graph_find(g, "w"), NULL), MQ_OK);
    assert_int_equal(mq_model_unlist_inits(m), 1);
    assert_int_equal(g->inputs.n, 1);
    assert_int_equal(m->ir_version, 8);
    assert_int_equal(mq_graph_add_input(g, mq_graph_find(g, "w"), NULL), MQ_OK);
    m->ir_version = 3;
    assert_int_equal(mq_model_unlist_inits(m), 0);
    assert_int_equal(g->inputs.n, 1);
    assert_int_equal(m->ir_version, 4);
}

static void new_initializers_raise_the_ir_version(void **state)
{
    (void)state;
    m->ir_version = 3;
    mq_convert_raise_ir(m);
    assert_int_equal(m->ir_version, 4);
    m->ir_version = 3;
    assert_int_equal(mq_graph_add_input(g, mq_graph_find(g, "w"), NULL), MQ_OK);
    mq_convert_raise_ir(m);
    assert_int_equal(m->ir_version, 3);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(cut_between_tensors),
        TEST(cut_at_outputs_only),
        TEST(not_cut_when_an_output_needs_more),
        TEST(sizes_are_written),
        TEST(sizes_are_freed),
        TEST(unknown_sizes_are_refused),
        TEST(names_change),
        TEST(not_renamed_when_taken_unknown_or_malformed),
        TEST(initializers_are_no_inputs),
        TEST(new_initializers_raise_the_ir_version),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
