/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/convert/split.c: plans of random chains and graphs against all cuts there are, and what parts hand on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "convert/split.h"
#include "graph_make.h"
#include "ops/ops.h"
#include "rng.h"

#define MOST_NODES 10

static mq_model *m;
static mq_graph *g;
static mq_error err;
static mq_split_part *parts;
static size_t n_parts;

static int setup(void **state)
{
    (void)state;
    m = make_model(17);
    g = m->graph;
    make_input(g, "x", MQ_FLOAT, "2,4");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mq_model_free(m);
    return 0;
}

static mq_status plan(const mq_split_plan_opts *o)
{
    assert_int_equal(mq_infer_model(m, NULL, NULL, &err), MQ_OK);
    return mq_split_plan(m, o, &parts, &n_parts, &err);
}

static bool has(const mq_value_vec *vec, const char *name)
{
    for (size_t i = 0; i < vec->n; i++)
        if (strcmp(vec->items[i]->name, name) == 0)
            return true;
    return false;
}

/* Each tensor is given by one part, once, and taken only by later ones; what a part takes there is. */
static void hands_on_rightly(void)
{
    mq_map given = { 0 };

    for (size_t k = 0; k < n_parts; k++) {
        mq_map taken = { 0 };

        for (size_t i = 0; i < parts[k].inputs.n; i++) {
            const mq_value *v = parts[k].inputs.items[i];

            assert_null(mq_map_get(&taken, v->name));
            assert_true(mq_map_put(&taken, v->name, (void *)v));
            assert_true(v->is_input || mq_map_get(&given, v->name));
            assert_null(v->init);
        }
        for (size_t i = 0; i < parts[k].outputs.n; i++) {
            const mq_value *v = parts[k].outputs.items[i];

            assert_null(mq_map_get(&given, v->name));
            assert_true(mq_map_put(&given, v->name, (void *)v));
        }
        mq_map_release(&taken);
    }
    for (size_t i = 0; i < g->outputs.n; i++)
        assert_non_null(mq_map_get(&given, g->outputs.items[i]->name));
    mq_map_release(&given);
}

/* ---- against all cuts ---------------------------------------------------------------------------------------------- */

static int64_t weight_of(const mq_node *n)
{
    return mq_node_attr_int(n, "test_macs", 0);
}

/* Nodes n0, n1, ...: each reads one or two values before it; what nobody reads is an output. */
static size_t make_random(uint64_t *seed, bool chain)
{
    const size_t n = 2 + rng_below(seed, MOST_NODES - 1);
    char in[64], out[16];

    for (size_t i = 0; i < n; i++) {
        const size_t a = chain ? i : rng_below(seed, i + 1), b = chain ? i : rng_below(seed, i + 1);
        mq_node *node;

        snprintf(out, sizeof out, "n%zu", i + 1);
        snprintf(in, sizeof in, a ? "n%zu," : "x,", a);
        snprintf(in + strlen(in), 16, b ? "n%zu" : "x", b);
        node = make_node(g, "Add", in, out);
        assert_int_equal(mq_node_set_attr_int(node, "test_macs", (int64_t)rng_below(seed, 1000), NULL), MQ_OK);
    }
    for (const mq_node *node = g->first; node; node = node->next)
        if (!node->outputs[0]->uses.n)
            make_output(g, node->outputs[0]->name);
    return n;
}

static uint64_t cost_of(const uint64_t *cost, size_t from, size_t to)
{
    uint64_t sum = 0;

    for (; from < to; from++)
        sum += cost[from];
    return sum;
}

/* The least that the dearest of k parts of cost[from..n) can cost. */
static uint64_t best_of_all(const uint64_t *cost, size_t from, size_t n, size_t k)
{
    uint64_t best = UINT64_MAX;

    if (k == 1)
        return cost_of(cost, from, n);
    for (size_t end = from + 1; end + k - 1 <= n; end++) {
        const uint64_t head = cost_of(cost, from, end), rest = best_of_all(cost, end, n, k - 1);
        const uint64_t dearest = head > rest ? head : rest;

        best = dearest < best ? dearest : best;
    }
    return best;
}

static void check_random(uint64_t *seed, bool chain)
{
    uint64_t cost[MOST_NODES + 1], dearest = 0, best;
    const size_t n = make_random(seed, chain), k = 1 + rng_below(seed, n);
    size_t at = 0, i = 0;

    for (const mq_node *node = g->first; node; node = node->next)
        cost[i++] = weight_of(node) ? (uint64_t)weight_of(node) + 1 : 1;
    best = best_of_all(cost, 0, n, k);
    assert_int_equal(plan(&(mq_split_plan_opts){ .n_parts = k, .macs = weight_of }), MQ_OK);
    assert_int_equal(n_parts, k);
    for (size_t p = 0; p < k; p++) {
        const uint64_t c = cost_of(cost, at, at + parts[p].n_nodes);

        assert_true(parts[p].n_nodes > 0);
        dearest = c > dearest ? c : dearest;
        at += parts[p].n_nodes;
    }
    assert_int_equal(at, n);
    if (dearest > best + best / 10)
        fail_msg("%zu nodes in %zu parts: the dearest costs %llu, it could %llu", n, k, (unsigned long long)dearest,
                 (unsigned long long)best);
    hands_on_rightly();
}

static void balanced_as_well_as_any(void **state)
{
    uint64_t seed = 1;

    for (int i = 0; i < 400; i++) {
        check_random(&seed, i % 2);
        teardown(state);
        setup(state);
    }
}

/* ---- weights ------------------------------------------------------------------------------------------------------- */

static float zeros[4 * 4000];

/* x -> n1 -> n2 -> ...: node i uses initializer w[uses[i]]. The operator is one that nothing is known of. */
static void make_weights(const size_t *uses, size_t n)
{
    char in[64], out[16], name[16];

    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, "w%zu", uses[i]);
        if (!mq_graph_find_here(g, name))
            make_init(g, name, MQ_FLOAT, "4000,4", zeros);
        if (i)
            snprintf(in, sizeof in, "n%zu,%s", i, name);
        else
            snprintf(in, sizeof in, "x,%s", name);
        snprintf(out, sizeof out, "n%zu", i + 1);
        make_node(g, "Custom", in, out);
    }
    make_output(g, out);
    for (mq_node *node = g->first; node; node = node->next)
        make_type(node->outputs[0], MQ_FLOAT, "2,4");
}

static void tied_weights_count_once_in_a_part(void **state)
{
    static const size_t uses[] = { 0, 0, 0, 1, 2, 3 };

    (void)state;
    make_weights(uses, 6);
    assert_int_equal(plan(&(mq_split_plan_opts){ .n_parts = 2 }), MQ_OK);
    assert_int_equal(parts[0].n_nodes, 4); /* w0 w1 | w2 w3 */
    hands_on_rightly();
}

static void a_bound_takes_as_few_parts_as_it_can(void **state)
{
    static const size_t uses[] = { 0, 1, 2, 3, 4, 0 };

    (void)state;
    make_weights(uses, 6);
    assert_int_equal(plan(&(mq_split_plan_opts){ .max_bytes = 2 * sizeof zeros + 4096 }), MQ_OK);
    assert_int_equal(n_parts, 3);
    for (size_t i = 0; i < n_parts; i++)
        assert_int_equal(parts[i].n_nodes, 2);
    hands_on_rightly();
}

static void not_planned_when_one_node_is_too_large(void **state)
{
    static const size_t uses[] = { 0, 1 };

    (void)state;
    make_weights(uses, 2);
    assert_int_equal(plan(&(mq_split_plan_opts){ .max_bytes = 1000 }), MQ_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "n1"));
}

static void not_planned_when_parts_outnumber_nodes(void **state)
{
    static const size_t uses[] = { 0, 1 };

    (void)state;
    make_weights(uses, 2);
    assert_int_equal(plan(&(mq_split_plan_opts){ .n_parts = 3 }), MQ_ERR_USAGE);
}

/* ---- unknown types --------------------------------------------------------------------------------------------------- */

/* The middle is behind n3; from n2 on nobody knows the types. */
static void make_unknown(void)
{
    make_node(g, "Exp", "x", "n1");
    make_node(g, "Custom", "n1", "n2");
    make_node(g, "Neg", "n2", "n3");
    make_node(g, "Abs", "n3", "n4");
    make_node(g, "Neg", "n4", "n5");
    make_output(g, "n5");
}

static void not_cut_where_the_type_is_unknown(void **state)
{
    (void)state;
    make_unknown();
    assert_int_equal(plan(&(mq_split_plan_opts){ .n_parts = 2 }), MQ_OK);
    assert_int_equal(parts[0].n_nodes, 1);
    assert_true(has(&parts[0].outputs, "n1"));
    hands_on_rightly();
}

static void not_planned_when_too_few_types_are_known(void **state)
{
    (void)state;
    make_unknown();
    assert_int_equal(plan(&(mq_split_plan_opts){ .n_parts = 3 }), MQ_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "not known"));
}

/* ---- constants ----------------------------------------------------------------------------------------------------- */

static void chains_of_constants_are_handed_to_nobody(void **state)
{
    static const float c[8];

    (void)state;
    make_init(g, "c", MQ_FLOAT, "2,4", c);
    make_node(g, "Neg", "c", "c1");
    make_node(g, "Abs", "c1", "c2");
    make_node(g, "Add", "x,c2", "a");
    make_node(g, "Mul", "a,c2", "b");
    make_output(g, "b");
    assert_int_equal(plan(&(mq_split_plan_opts){ .n_parts = 2 }), MQ_OK);
    assert_int_equal(parts[0].n_nodes, 1);
    assert_int_equal(parts[1].n_nodes, 1);
    assert_int_equal(parts[1].inputs.n, 1);
    assert_true(has(&parts[1].inputs, "a"));
    hands_on_rightly();
}

/* ---- at tensors ---------------------------------------------------------------------------------------------------- */

static void make_skip(void)
{
    make_node(g, "Exp", "x", "a");
    make_node(g, "Neg", "a", "b");
    make_node(g, "Abs", "b", "c");
    make_node(g, "Add", "a,c", "d");
    make_output(g, "d");
}

static void at_a_tensor_what_skips_it_comes_along(void **state)
{
    mq_value *at[1];

    (void)state;
    make_skip();
    at[0] = mq_graph_find_here(g, "b");
    assert_int_equal(plan(&(mq_split_plan_opts){ .at = at, .n_at = 1 }), MQ_OK);
    assert_int_equal(n_parts, 2);
    assert_int_equal(parts[0].n_nodes, 2);
    assert_true(has(&parts[0].outputs, "a") && has(&parts[0].outputs, "b"));
    assert_int_equal(parts[1].inputs.n, 2);
    hands_on_rightly();
}

static void at_takes_only_what_the_tensor_needs(void **state)
{
    mq_value *at[1];

    (void)state;
    make_node(g, "Exp", "x", "other");
    make_node(g, "Neg", "x", "a");
    make_node(g, "Add", "other,a", "y");
    make_output(g, "y");
    at[0] = mq_graph_find_here(g, "a");
    assert_int_equal(plan(&(mq_split_plan_opts){ .at = at, .n_at = 1 }), MQ_OK);
    assert_int_equal(parts[0].n_nodes, 1);
    assert_int_equal(parts[0].outputs.n, 1);
    assert_true(has(&parts[1].inputs, "x") && has(&parts[1].inputs, "a"));
    hands_on_rightly();
}

static void not_at_an_input_or_the_end(void **state)
{
    mq_value *at[1];

    (void)state;
    make_skip();
    at[0] = mq_graph_find_here(g, "x");
    assert_int_equal(plan(&(mq_split_plan_opts){ .at = at, .n_at = 1 }), MQ_ERR_USAGE);
    at[0] = mq_graph_find_here(g, "d");
    assert_int_equal(plan(&(mq_split_plan_opts){ .at = at, .n_at = 1 }), MQ_ERR_USAGE);
}

static void what_inner_graphs_take_is_handed_on(void **state)
{
    mq_value *at[1];
    mq_node *n;
    mq_graph *inner;

    (void)state;
    make_input(g, "cond", MQ_BOOL, "");
    make_node(g, "Exp", "x", "a");
    make_node(g, "Neg", "x", "b");
    n = make_node(g, "If", "cond", "y");
    inner = make_subgraph(n, "then_branch");
    make_node(inner, "Abs", "a", "t");
    make_output(inner, "t");
    inner = make_subgraph(n, "else_branch");
    make_output(inner, "b"); /* given out without a node that reads it */
    make_output(g, "y");
    at[0] = mq_graph_find_here(g, "b");
    assert_int_equal(plan(&(mq_split_plan_opts){ .n_parts = 2, .macs = NULL }), MQ_OK);
    hands_on_rightly();
    assert_int_equal(plan(&(mq_split_plan_opts){ .at = at, .n_at = 1 }), MQ_OK);
    assert_true(has(&parts[0].outputs, "b"));
    assert_true(has(&parts[1].inputs, "b") && has(&parts[1].inputs, "cond"));
    hands_on_rightly();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(balanced_as_well_as_any),
        TEST(tied_weights_count_once_in_a_part),
        TEST(a_bound_takes_as_few_parts_as_it_can),
        TEST(not_planned_when_one_node_is_too_large),
        TEST(not_planned_when_parts_outnumber_nodes),
        TEST(not_cut_where_the_type_is_unknown),
        TEST(not_planned_when_too_few_types_are_known),
        TEST(chains_of_constants_are_handed_to_nobody),
        TEST(at_a_tensor_what_skips_it_comes_along),
        TEST(at_takes_only_what_the_tensor_needs),
        TEST(not_at_an_input_or_the_end),
        TEST(what_inner_graphs_take_is_handed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
