/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Selecting and rewriting in a model made by hand: the graph `g` of model `m`, quantized with `opts`. Include it after
 * cmocka.h. */
#ifndef MQ_TESTS_QUANT_MAKE_H
#define MQ_TESTS_QUANT_MAKE_H

#include <stdlib.h>

#include "graph/verify.h"
#include "graph_check.h"
#include "graph_make.h"
#include "ops/ops.h"
#include "quant/quant.h"

static mq_model *m;
static mq_graph *g;
static mq_quant_plan plan;
static mq_quantize_opts opts;
static char warned[300];

static inline int quant_setup(void **state)
{
    (void)state;
    m = make_model(21);
    g = m->graph;
    plan = (mq_quant_plan){ 0 };
    opts = mq_quantize_opts_default();
    warned[0] = '\0';
    return 0;
}

static inline int quant_teardown(void **state)
{
    (void)state;
    mq_quant_plan_release(&plan);
    mq_model_free(m);
    return 0;
}

#define ON_MODEL(test) cmocka_unit_test_setup_teardown(test, quant_setup, quant_teardown)

/* An initializer of that shape, all zeros. */
static inline mq_value *make_weight_of(mq_graph *graph, const char *name, mq_dtype dtype, const char *dims)
{
    static const float zeros[20000];
    mq_value *v = make_init(graph, name, dtype, dims, NULL);

    assert_true(mq_tensor_size(v->init) >= 0 && (size_t)mq_tensor_size(v->init) <= sizeof zeros);
    v->init->data = zeros;
    v->init->n_bytes = (size_t)mq_tensor_size(v->init);
    return v;
}

static inline mq_value *make_weight(mq_graph *graph, const char *name, const char *dims)
{
    return make_weight_of(graph, name, MQ_FLOAT, dims);
}

static inline mq_node *make_node_int(mq_graph *graph, const char *op, const char *in, const char *out, const char *attr,
                                     int64_t v)
{
    mq_node *n = make_node(graph, op, in, out);

    assert_int_equal(mq_node_set_attr_int(n, attr, v, NULL), MQ_OK);
    return n;
}

/* Selects anew. */
static inline mq_status quant_try(mq_error *err)
{
    mq_quant_plan_release(&plan);
    plan = (mq_quant_plan){ .model = m, .opts = &opts };
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    return mq_quant_select(&plan, NULL, err);
}

static inline void quant_select(void)
{
    mq_error err = { 0 };

    if (quant_try(&err) != MQ_OK)
        fail_msg("%s", err.text);
}

static inline const mq_quant_item *quant_find(const char *name)
{
    for (size_t i = 0; i < plan.items.n; i++)
        if (strcmp(plan.items.items[i]->value->name, name) == 0)
            return plan.items.items[i];
    fail_msg("no item '%s'", name);
    return NULL;
}

static inline void quant_note_warning(void *user, const mq_warning *w)
{
    (void)user;
    snprintf(warned, sizeof warned, "%s: %s", w->code, w->text);
}

/* Selects, rewrites and compares the text of the graph, without the line of the opset. The result is a valid graph whose
 * links hold. */
static inline void quant_becomes(const char *want)
{
    const mq_hooks hooks = { .warn = quant_note_warning };
    mq_error err = { 0 };
    char *got;

    quant_select();
    if (mq_quant_rewrite(&plan, &hooks, &err) != MQ_OK || mq_model_verify(m, &err) != MQ_OK)
        fail_msg("%s", err.text);
    graph_check(m);
    got = mq_model_dump(m);
    assert_string_equal(strchr(got, '\n') + 1, want);
    free(got);
}

/* What the maker writes, NUL-terminated; to be freed. */
struct quant_memory {
    mq_sink base;
    unsigned char *bytes, *seen;
    uint64_t n;
};

static inline mq_status quant_memory_write(mq_sink *base, uint64_t offset, const void *data, size_t n, mq_error *err)
{
    struct quant_memory *s = (struct quant_memory *)base;

    (void)err;
    assert_true(offset <= s->n && n <= s->n - offset);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(s->seen[offset + i]++, 0);
    memcpy(s->bytes + offset, data, n);
    return MQ_OK;
}

/* Runs a maker; each byte must come once. */
static inline unsigned char *quant_made(const mq_maker *maker, int n_threads)
{
    struct quant_memory s = { { quant_memory_write }, calloc(1, maker->n_bytes + 1), calloc(1, maker->n_bytes + 1),
                              maker->n_bytes };
    const mq_hooks hooks = { .n_threads = n_threads };
    mq_error err = { 0 };

    assert_true(s.bytes && s.seen);
    if (maker->make(maker->user, &s.base, &hooks, &err) != MQ_OK)
        fail_msg("%s", err.text);
    for (uint64_t i = 0; i < s.n; i++)
        assert_int_equal(s.seen[i], 1);
    free(s.seen);
    return s.bytes;
}

#endif
