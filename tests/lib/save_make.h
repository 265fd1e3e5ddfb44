/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Saving a model made by hand: fixtures, tensors that are made while they are written, and looking at what came out.
 * Include it after cmocka.h. */
#ifndef MQ_TESTS_SAVE_MAKE_H
#define MQ_TESTS_SAVE_MAKE_H

#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "graph_make.h"
#include "model/save.h"
#include "scratch.h"

/* Each test works in an empty folder with a model of x, MatMul weights and a small one. */
static mq_model *m;
static char warnings[400];

static void warn(void *user, const mq_warning *w)
{
    (void)user;
    strncat(warnings, w->code, sizeof warnings - strlen(warnings) - 1);
}

static const mq_hooks hooks = { .warn = warn };

/* Fills a tensor with a byte pattern, in two pieces, the second first. */
static inline mq_status make_pattern(void *user, mq_sink *sink, const mq_hooks *h, mq_error *err)
{
    const mq_maker *maker = user;
    size_t n = maker->n_bytes, half = n / 2;
    char *data = malloc(n + 1);
    mq_status rc;

    (void)h;
    assert_non_null(data);
    for (size_t i = 0; i < n; i++)
        data[i] = (char)(i * 3 + 1);
    rc = sink->write_at(sink, half, data + half, n - half, err);
    if (rc == MQ_OK)
        rc = sink->write_at(sink, 0, data, half, err);
    free(data);
    return rc;
}

static inline mq_value *made(const char *name, int64_t n, mq_status (*make)(void *, mq_sink *, const mq_hooks *, mq_error *))
{
    mq_maker *maker = mq_arena_alloc(m->arena, sizeof *maker);
    mq_tensor *t = mq_tensor_create(m, name, MQ_INT8, 1, &n, NULL);
    mq_value *v = make_value(m->graph, name);

    *maker = (mq_maker){ .n_bytes = (uint64_t)n, .make = make, .user = maker };
    t->storage = MQ_STORE_MADE;
    t->maker = maker;
    assert_int_equal(mq_value_set_init(v, t, NULL), MQ_OK);
    return v;
}

static inline int setup(void **state)
{
    static float w[1000];

    if (scratch_open(state) != 0)
        return -1;
    warnings[0] = '\0';
    for (int i = 0; i < 1000; i++)
        w[i] = (float)i;
    m = make_model(17);
    make_input(m->graph, "x", MQ_FLOAT, "N,10");
    make_init(m->graph, "w", MQ_FLOAT, "10,100", w);
    make_init(m->graph, "small", MQ_FLOAT, "2", w);
    make_node(m->graph, "MatMul", "x,w", "y");
    make_type(make_output(m->graph, "y"), MQ_FLOAT, "N,100");
    return 0;
}

static inline int teardown(void **state)
{
    mq_model_free(m);
    return scratch_close(state);
}

static inline mq_save_opts with(mq_external_mode mode, uint64_t threshold)
{
    mq_save_opts o = mq_save_opts_default();

    o.external = mode;
    o.external_threshold = threshold;
    o.force = true;
    return o;
}

static inline void save_as(mq_model *model, const char *path, const mq_save_opts *o, mq_saved *sizes)
{
    mq_error err = { 0 };

    if (mq_model_save(model, path, o, &hooks, sizes, &err) != MQ_OK)
        fail_msg("%s", err.text);
}

static inline mq_model *load(const char *path)
{
    mq_model *got = NULL;
    mq_error err = { 0 };

    if (mq_model_load(&got, path, &err) != MQ_OK)
        fail_msg("%s", err.text);
    return got;
}

/* A tensor of a saved model begins with that byte pattern (kind 'f': the floats of w; 'm': make_pattern). */
static inline void holds(mq_model *model, const char *name, char kind)
{
    mq_tensor *t = mq_graph_find(model->graph, name)->init;
    const unsigned char *data = NULL;
    mq_error err = { 0 };
    float f;

    if (mq_tensor_bytes(t, (const void **)&data, &err) != MQ_OK)
        fail_msg("%s", err.text);
    for (int64_t i = 0; i < mq_tensor_count(t); i++) {
        if (kind == 'm') {
            assert_int_equal(data[i], (unsigned char)(i * 3 + 1));
            continue;
        }
        memcpy(&f, data + 4 * i, sizeof f);
        assert_true(f == (float)i);
    }
}

static inline void same_files(const char *a, const char *b)
{
    size_t n, k;
    char *one = scratch_get(a, &n), *two = scratch_get(b, &k);

    assert_int_equal(n, k);
    assert_memory_equal(one, two, n);
    free(one);
    free(two);
}

/* Where a tensor of a saved model lies; NULL: inside. */
static inline const mq_external *where(const mq_model *model, const char *name)
{
    const mq_tensor *t = mq_graph_find(model->graph, name)->init;

    return t->storage == MQ_STORE_EXTERNAL ? &t->external : NULL;
}

#endif
