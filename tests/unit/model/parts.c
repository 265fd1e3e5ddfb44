/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/model/parts.c: joining parts, and lists of parts that are broken in every way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "graph_check.h"
#include "graph_make.h"
#include "model/parts.h"
#include "mq/model.h"
#include "rng.h"
#include "scratch.h"

static mq_error err;
static const float w[] = { 1, 2, 3, 4 };
static const char *const x[] = { "x" }, *const y[] = { "y" };

/* x -> Add(w) -> a */
static mq_model *first(void)
{
    mq_model *m = make_model(17);

    make_input(m->graph, "x", MQ_FLOAT, "4");
    make_init(m->graph, "w", MQ_FLOAT, "4", w);
    make_node(m->graph, "Add", "x,w", "a");
    make_type(make_output(m->graph, "a"), MQ_FLOAT, "4");
    return m;
}

/* a -> Mul(w) -> y: w is the same constant. */
static mq_model *second(void)
{
    mq_model *m = make_model(17);

    make_input(m->graph, "a", MQ_FLOAT, "4");
    make_init(m->graph, "w", MQ_FLOAT, "4", w);
    make_node(m->graph, "Mul", "a,w", "y");
    make_type(make_output(m->graph, "y"), MQ_FLOAT, "4");
    return m;
}

/* ---- joining ------------------------------------------------------------------------------------------------------- */

static void joined_parts_are_the_whole(void **state)
{
    mq_model *parts[] = { first(), second() }, *whole = NULL;

    (void)state;
    assert_int_equal(mq_parts_join(&whole, parts, 2, x, 1, y, 1, &err), MQ_OK);
    graph_check(whole);
    assert_int_equal(whole->graph->n_nodes, 2);
    assert_int_equal(whole->graph->inits.n, 1); /* w once */
    assert_int_equal(whole->graph->inputs.n, 1);
    assert_int_equal(whole->graph->outputs.n, 1);
    assert_ptr_equal(mq_graph_find_here(whole->graph, "a")->producer, whole->graph->first);
    assert_ptr_equal(whole->graph->last->inputs[0], mq_graph_find_here(whole->graph, "a"));
    mq_model_free(whole);
}

static void one_part_is_the_whole(void **state)
{
    static const char *const a[] = { "a" };
    mq_model *parts[] = { first() }, *whole = NULL;

    (void)state;
    assert_int_equal(mq_parts_join(&whole, parts, 1, x, 1, a, 1, &err), MQ_OK);
    assert_int_equal(whole->graph->n_nodes, 1);
    mq_model_free(whole);
}

static void not_joined(mq_model *a, mq_model *b, const char *const *in, const char *const *out, const char *why)
{
    mq_model *parts[] = { a, b }, *whole = NULL;

    assert_int_not_equal(mq_parts_join(&whole, parts, 2, in, 1, out, 1, &err), MQ_OK);
    assert_null(whole);
    if (!strstr(err.text, why))
        fail_msg("'%s' is not about '%s'", err.text, why);
}

static void not_joined_when_parts_do_not_fit(void **state)
{
    static const char *const none[] = { "none" };
    mq_model *old = second(), *empty = make_model(17);

    (void)state;
    old->opsets.items[0].version = 9;
    empty->graph = NULL;
    not_joined(first(), old, x, y, "versions 17 and 9");
    not_joined(first(), empty, x, y, "no graph");
    not_joined(first(), second(), none, y, "'none'");
    not_joined(first(), second(), x, none, "'none'");
    not_joined(first(), second(), y, y, "'y'");
}

/* ---- lists --------------------------------------------------------------------------------------------------------- */

static int setup(void **state)
{
    static const mq_save_opts opts = { .external_threshold = 1024 };
    mq_model *a = first(), *b = second();

    scratch_open(state);
    assert_int_equal(mq_model_save(a, "1.onnx", &opts, NULL, NULL, &err), MQ_OK);
    assert_int_equal(mq_model_save(b, "2.onnx", &opts, NULL, NULL, &err), MQ_OK);
    mq_model_free(a);
    mq_model_free(b);
    return 0;
}

/* The list of both, as it is written. */
static char *list_text(void)
{
    mq_model *a = first(), *b = second(), *parts[2], *whole = NULL;
    const mq_parts_entry entries[] = { { "1.onnx", 100, 7, a->graph }, { "2.onnx", 200, -1, b->graph } };
    char *text;

    parts[0] = first();
    parts[1] = second();
    assert_int_equal(mq_parts_join(&whole, parts, 2, x, 1, y, 1, &err), MQ_OK);
    text = mq_parts_text("m.onnx", whole->graph, entries, 2);
    assert_non_null(text);
    mq_model_free(whole);
    mq_model_free(a);
    mq_model_free(b);
    return text;
}

static void a_list_is_read_back(void **state)
{
    char *text = list_text();
    mq_model *m = NULL;

    (void)state;
    scratch_put_text("m.parts.json", text);
    assert_int_equal(mq_model_load(&m, "m.parts.json", &err), MQ_OK);
    graph_check(m);
    assert_int_equal(m->graph->n_nodes, 2);
    mq_model_free(m);
    free(text);
}

/* Bytes changed, doubled, cut off: each is read or refused with a sentence. */
static void mutated_lists_are_refused_with_a_sentence(void **state)
{
    char *text = list_text(), *bad = malloc(2 * strlen(text) + 1);
    const size_t n = strlen(text);
    uint64_t seed = 1;

    (void)state;
    for (int round = 0; round < 3000; round++) {
        const size_t at = rng_below(&seed, n), len = 1 + rng_below(&seed, 12);
        mq_model *m = NULL;

        memcpy(bad, text, n + 1);
        switch (rng_below(&seed, 4)) {
        case 0:
            bad[at] = (char)(32 + rng_below(&seed, 95));
            break;
        case 1:
            bad[at] = '\0';
            break;
        case 2: /* a piece goes */
            memmove(bad + at, bad + (at + len < n ? at + len : n), n - (at + len < n ? at + len : n) + 1);
            break;
        default: /* a piece from elsewhere takes the place of another */
            memmove(bad + at, text + rng_below(&seed, n - 12), at + len < n ? len : n - at);
        }
        scratch_put_text("bad.parts.json", bad);
        err.text[0] = '\0';
        if (mq_model_load(&m, "bad.parts.json", &err) == MQ_OK)
            graph_check(m);
        else
            assert_true(err.text[0] != '\0' && !m);
        mq_model_free(m);
    }
    free(bad);
    free(text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(joined_parts_are_the_whole),
        cmocka_unit_test(one_part_is_the_whole),
        cmocka_unit_test(not_joined_when_parts_do_not_fit),
        cmocka_unit_test_setup_teardown(a_list_is_read_back, setup, scratch_close),
        cmocka_unit_test_setup_teardown(mutated_lists_are_refused_with_a_sentence, setup, scratch_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
