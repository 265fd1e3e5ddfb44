/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/convert/merge.c, merge_links.c and merge_parts.c: who feeds whom, edges that are inputs and outputs at once,
 * names, cycles, what the models have in common. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "convert/merge.h"
#include "graph_check.h"
#include "graph_make.h"
#include "ops/ops.h"

static mq_merge_part parts[3];
static mq_merge_links links;
static mq_model *out;
static mq_error err;

/* in -> op -> result. */
static mq_model *make(const char *op, const char *in, const char *result, const char *dims)
{
    mq_model *m = make_model(17);
    char *names = mq_arena_strdup(m->arena, in), *save = NULL;

    for (char *p = strtok_r(names, ",", &save); p; p = strtok_r(NULL, ",", &save))
        make_input(m->graph, p, MQ_FLOAT, dims);
    make_node(m->graph, op, in, result);
    make_type(make_output(m->graph, result), MQ_FLOAT, dims);
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    return m;
}

static void part(size_t i, mq_model *m, const char *label, const char *prefix)
{
    parts[i] = (mq_merge_part){ m, label, prefix };
}

static int setup(void **state)
{
    (void)state;
    memset(parts, 0, sizeof parts);
    links = (mq_merge_links){ 0 };
    out = NULL;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mq_model_free(out);
    for (size_t i = 0; i < 3; i++)
        mq_model_free(parts[i].model);
    free(links.items);
    return 0;
}

static mq_status chain(size_t n, const char *const *connect, size_t n_connect)
{
    mq_status rc = mq_merge_connect(parts, n, connect, n_connect, &links, &err);

    if (rc == MQ_OK)
        rc = mq_merge_chain(&out, parts, n, &links, &err);
    if (rc == MQ_OK)
        graph_check(out);
    return rc;
}

static void fails(mq_status got, mq_status want, const char *why)
{
    assert_int_equal(got, want);
    assert_null(out);
    if (!strstr(err.text, why))
        fail_msg("'%s' is not about '%s'", err.text, why);
}

static void edges_are(const char *in, const char *result)
{
    assert_int_equal(out->graph->inputs.n, 1);
    assert_int_equal(out->graph->outputs.n, 1);
    assert_string_equal(out->graph->inputs.items[0]->name, in);
    assert_string_equal(out->graph->outputs.items[0]->name, result);
}

static void by_name(void **state)
{
    (void)state;
    part(0, make("Relu", "x", "h", "2,N"), "a", "");
    part(1, make("Neg", "h", "y", "2,4"), "b", "");
    assert_int_equal(chain(2, NULL, 0), MQ_OK);
    edges_are("x", "y");
    assert_int_equal(out->graph->n_nodes, 2);
    assert_ptr_equal(out->graph->last->inputs[0]->producer, out->graph->first);
}

static void by_connection_in_any_order(void **state)
{
    static const char *const connect[] = { "h=g" };

    (void)state;
    part(0, make("Neg", "g", "y", "4"), "b", "");
    part(1, make("Relu", "x", "h", "4"), "a", "");
    assert_int_equal(chain(2, connect, 1), MQ_OK);
    edges_are("x", "y");
    assert_string_equal(out->graph->first->op_type, "Relu"); /* sorted */
}

static void prefixes_go_before_all_names(void **state)
{
    static const char *const prefixes[] = { "p/" };

    (void)state;
    part(0, make("Relu", "x", "x1", "4"), "a", NULL);
    part(1, make("Relu", "x1", "x", "4"), "b", NULL);
    assert_int_equal(mq_merge_set_prefixes(parts, 2, prefixes, 1, false, &err), MQ_OK);
    assert_int_equal(chain(2, NULL, 0), MQ_OK);
    edges_are("x", "p/x");
    assert_string_equal(out->graph->last->name, "p/x");
}

static void an_output_that_is_an_input_is_passed_on(void **state)
{
    mq_model *m = make("Relu", "x", "r", "4");

    (void)state;
    make_output(m->graph, "x");
    part(0, m, "a", "");
    part(1, make("Neg", "x", "y", "4"), "b", "b/");
    assert_int_equal(chain(2, NULL, 0), MQ_OK);
    assert_int_equal(out->graph->inputs.n, 1);
    assert_int_equal(out->graph->outputs.n, 2); /* r, y */
    assert_int_equal(out->graph->n_nodes, 3);   /* an Identity between */
}

static void a_fed_input_that_is_an_output_stays_one(void **state)
{
    mq_model *m = make("Neg", "h", "y", "4");

    (void)state;
    make_output(m->graph, "h");
    part(0, make("Relu", "x", "h", "4"), "a", "");
    part(1, m, "b", "b/");
    assert_int_equal(chain(2, NULL, 0), MQ_OK);
    assert_int_equal(out->graph->outputs.n, 2);
    assert_string_equal(out->graph->outputs.items[0]->name, "b/y");
    assert_string_equal(out->graph->outputs.items[1]->name, "b/h");
}

static void not_chained_in_a_cycle(void **state)
{
    static const char *const connect[] = { "h=g", "y=x" };

    (void)state;
    part(0, make("Relu", "x", "h", "4"), "a", "");
    part(1, make("Neg", "g", "y", "4"), "b", "");
    fails(chain(2, connect, 2), MQ_ERR_USAGE, "cycle");
}

static void not_chained_when_names_clash(void **state)
{
    static const char *const connect[] = { "h=g" };

    (void)state;
    part(0, make("Relu", "x", "h", "4"), "a", "");
    part(1, make("Neg", "g", "x", "4"), "b", "");
    fails(chain(2, connect, 1), MQ_ERR_USAGE, "'x'");
}

static void not_chained_when_edges_do_not_fit(void **state)
{
    static const char *const unknown[] = { "hh=h" }, *const twice[] = { "h=h", "h=h" };

    (void)state;
    part(0, make("Relu", "x", "h", "4"), "a", "");
    part(1, make("Neg", "h", "y", "5"), "b", "");
    fails(chain(2, NULL, 0), MQ_ERR_USAGE, "float[5]");
    fails(chain(2, unknown, 1), MQ_ERR_USAGE, "did you mean 'h'");
    mq_model_free(parts[1].model);
    part(1, make("Neg", "h", "y", "4"), "b", "");
    fails(chain(2, twice, 2), MQ_ERR_USAGE, "twice");
}

static void not_chained_when_nothing_is_called_alike(void **state)
{
    (void)state;
    part(0, make("Relu", "x", "h", "4"), "a", "");
    part(1, make("Neg", "g", "y", "4"), "b", "");
    fails(chain(2, NULL, 0), MQ_ERR_USAGE, "'g' float[4]");
}

static void averaged(void **state)
{
    (void)state;
    part(0, make("Relu", "x", "y", "4"), "a", NULL);
    part(1, make("Neg", "x", "y", "4"), "b", NULL);
    assert_int_equal(mq_merge_set_prefixes(parts, 2, NULL, 0, true, &err), MQ_OK);
    assert_int_equal(mq_merge_average(&out, parts, 2, &err), MQ_OK);
    graph_check(out);
    edges_are("x", "y");
    assert_string_equal(out->graph->last->op_type, "Mean");
    assert_string_equal(out->graph->last->inputs[1]->name, "m2/y");
}

static void not_averaged_when_unlike_or_no_floats(void **state)
{
    (void)state;
    part(0, make("Relu", "x", "y", "4"), "a", "a/");
    part(1, make("Neg", "x", "z", "4"), "b", "b/");
    fails(mq_merge_average(&out, parts, 2, &err), MQ_ERR_USAGE, "'y'");
    for (size_t i = 0; i < 2; i++) {
        mq_model_free(parts[i].model);
        part(i, make("ArgMax", "x", "y", "4"), "a", i ? "b/" : "a/");
        make_type(mq_graph_find_here(parts[i].model->graph, "y"), MQ_INT64, "1");
        assert_int_equal(mq_infer_model(parts[i].model, NULL, NULL, NULL), MQ_OK);
    }
    fails(mq_merge_average(&out, parts, 2, &err), MQ_ERR_UNSUPPORTED, "int64");
}

/* ---- what models have in common ------------------------------------------------------------------------------------ */

/* in -> Add w -> middle -> Mul c -> result, where c is made of k by Neg. */
static mq_model *make_weighted(const char *in, const char *middle, const char *result, float w, float k)
{
    mq_model *m = make_model(17);
    char names[32];

    make_input(m->graph, in, MQ_FLOAT, "N,4");
    make_init(m->graph, "w", MQ_FLOAT, "", &w);
    make_init(m->graph, "k", MQ_FLOAT, "", &k);
    make_node(m->graph, "Neg", "k", "c");
    snprintf(names, sizeof names, "%s,w", in);
    make_node(m->graph, "Add", names, middle);
    snprintf(names, sizeof names, "%s,c", middle);
    make_node(m->graph, "Mul", names, result);
    make_type(make_output(m->graph, result), MQ_FLOAT, "N,4");
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    return m;
}

static void equal_constants_are_one(void **state)
{
    (void)state;
    part(0, make_weighted("x", "a", "h", 1, 2), "a", "");
    part(1, make_weighted("h", "b", "y", 1, 2), "b", "");
    assert_int_equal(chain(2, NULL, 0), MQ_OK);
    edges_are("x", "y");
    assert_int_equal(out->graph->inits.n, 2);
    assert_int_equal(out->graph->n_nodes, 5); /* one Neg */
    assert_int_equal(mq_graph_find_here(out->graph, "c")->uses.n, 2);
    assert_int_equal(mq_graph_find_here(out->graph, "w")->uses.n, 2);
}

static void not_one_when_contents_differ(void **state)
{
    (void)state;
    part(0, make_weighted("x", "a", "h", 1, 2), "a", "");
    part(1, make_weighted("h", "b", "y", 3, 2), "b", "");
    fails(chain(2, NULL, 0), MQ_ERR_USAGE, "name 'w'");
}

static void not_one_when_what_it_is_made_of_differs(void **state)
{
    (void)state;
    part(0, make_weighted("x", "a", "h", 1, 2), "a", "");
    part(1, make_weighted("h", "b", "y", 1, 3), "b", "");
    fails(chain(2, NULL, 0), MQ_ERR_USAGE, "'k', 'c'");
}

/* ---- names of sizes ------------------------------------------------------------------------------------------------- */

static const char *symbol_of(const char *value)
{
    return mq_graph_find_here(out->graph, value)->declared->dims[0].symbol;
}

static void linked_sizes_keep_their_name(void **state)
{
    (void)state;
    part(0, make("Relu", "x", "h", "N,4"), "a", "");
    part(1, make("Add", "h,z", "y", "N,4"), "b", "p/");
    assert_int_equal(chain(2, NULL, 0), MQ_OK);
    assert_string_equal(symbol_of("x"), "N");
    assert_string_equal(symbol_of("p/z"), "N");
}

static void sizes_that_are_not_linked_are_apart(void **state)
{
    (void)state;
    part(0, make("Relu", "x", "h", "N,4"), "a", "");
    part(1, make("Add", "h,z", "y", "N,4"), "b", "");
    make_type(mq_graph_find_here(parts[0].model->graph, "h"), MQ_FLOAT, "5,4");
    make_type(mq_graph_find_here(parts[0].model->graph, "x"), MQ_FLOAT, "5,4");
    make_type(make_input(parts[0].model->graph, "other", MQ_FLOAT, "N"), MQ_FLOAT, "N");
    make_node(parts[0].model->graph, "Neg", "other", "second");
    make_type(make_output(parts[0].model->graph, "second"), MQ_FLOAT, "N");
    assert_int_equal(mq_infer_model(parts[0].model, NULL, NULL, NULL), MQ_OK);
    assert_int_equal(chain(2, NULL, 0), MQ_OK);
    assert_string_equal(symbol_of("other"), "N");
    assert_string_equal(symbol_of("z"), "N_2");
    assert_string_equal(symbol_of("y"), "N_2");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(by_name), TEST(by_connection_in_any_order), TEST(prefixes_go_before_all_names),
        TEST(an_output_that_is_an_input_is_passed_on), TEST(a_fed_input_that_is_an_output_stays_one),
        TEST(not_chained_in_a_cycle), TEST(not_chained_when_names_clash), TEST(not_chained_when_edges_do_not_fit),
        TEST(not_chained_when_nothing_is_called_alike), TEST(equal_constants_are_one), TEST(not_one_when_contents_differ),
        TEST(not_one_when_what_it_is_made_of_differs), TEST(linked_sizes_keep_their_name),
        TEST(sizes_that_are_not_linked_are_apart), TEST(averaged), TEST(not_averaged_when_unlike_or_no_floats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
