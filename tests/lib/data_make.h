/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* A dataset over files made in the test: arrays put into the scratch folder, a model whose inputs are only looked
 * at, and what the runs are given. Include it after cmocka.h. */
#ifndef MQ_TESTS_DATA_MAKE_H
#define MQ_TESTS_DATA_MAKE_H

#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "data/data.h"
#include "data/npy.h"
#include "graph_make.h"
#include "ops/ops.h"
#include "scratch.h"

static mq_model *m;
static mq_dataset *ds;
static mq_data_opts data;
static mq_error err;
static char warned[400];

static inline void data_warn(void *user, const mq_warning *w)
{
    (void)user;
    snprintf(warned, sizeof warned, "%s: %s", w->code, w->text);
}

static const mq_hooks hooks = { .warn = data_warn };

static inline int data_setup(void **state)
{
    m = make_model(17);
    ds = NULL;
    data = (mq_data_opts){ 0 };
    err = (mq_error){ 0 };
    warned[0] = '\0';
    return scratch_open(state);
}

static inline int data_teardown(void **state)
{
    mq_dataset_free(ds);
    mq_model_free(m);
    return scratch_close(state);
}

#define ON_DATA(test) cmocka_unit_test_setup_teardown(test, data_setup, data_teardown)

/* x.npy of that type and shape, its elements as memory has them. */
static inline void put_npy(const char *path, mq_dtype dtype, const char *dims_text, const void *elements)
{
    char room[MQ_NPY_ROOM + 4096];
    int64_t dims[16];
    const int rank = make_dims(dims_text, dims);
    size_t n = mq_npy_header(room, dtype, 0, false, rank, dims), count = 1;

    for (int i = 0; i < rank; i++)
        count *= (size_t)dims[i];
    count *= (size_t)mq_dtype_bits(dtype) / 8;
    assert_true(count <= 4096);
    memcpy(room + n, elements, count);
    scratch_put(path, room, n + count);
}

/* 0, 1, 2, ... */
static inline void put_floats(const char *path, const char *dims)
{
    float f[1024];

    for (int i = 0; i < 1024; i++)
        f[i] = (float)i;
    put_npy(path, MQ_FLOAT, dims, f);
}

static inline mq_status data_try(void)
{
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    mq_dataset_free(ds);
    ds = NULL;
    return mq_dataset_open(&ds, &data, (const mq_value *const *)m->graph->inputs.items, m->graph->inputs.n,
                           (const mq_value *const *)m->graph->outputs.items, m->graph->outputs.n, &hooks, &err);
}

/* Opens with one --data more. */
#define DATA(...)                                                                        \
    do {                                                                                 \
        static const char *const list_[] = { __VA_ARGS__ };                              \
        data.data = list_;                                                               \
        data.n_data = MQ_ARRAY_LEN(list_);                                               \
        if (data_try() != MQ_OK)                                                         \
            fail_msg("%s", err.text);                                                    \
    } while (0)

/* The same, and it fails with a sentence that holds `text`. */
#define REFUSED(code_, part_, ...)                                                       \
    do {                                                                                 \
        static const char *const list_[] = { __VA_ARGS__ };                              \
        data.data = list_;                                                               \
        data.n_data = MQ_ARRAY_LEN(list_);                                               \
        assert_int_equal(data_try(), code_);                                            \
        if (!strstr(err.text, part_))                                                     \
            fail_msg("'%s' is not in: %s", part_, err.text);                              \
    } while (0)

static inline const mq_data_call *next(void)
{
    const mq_data_call *call = NULL;

    if (mq_dataset_next(ds, &call, &err) != MQ_OK)
        fail_msg("%s", err.text);
    return call;
}

/* "float[2,3]: 0 1 2 3 4 5" */
static inline void array_is(const mq_array *a, const char *want)
{
    char got[600];
    size_t n;

    assert_non_null(a);
    mq_array_text(a, got, sizeof got);
    n = strlen(got);
    n += (size_t)snprintf(got + n, sizeof got - n, ":");
    for (size_t i = 0; i < a->count && n < sizeof got - 20; i++)
        n += (size_t)snprintf(got + n, sizeof got - n, " %g", mq_array_f64(a, i));
    assert_string_equal(got, want);
}

static inline bool noted(const char *text)
{
    const char *const *notes;

    for (size_t i = 0, n = mq_dataset_notes(ds, &notes); i < n; i++)
        if (strstr(notes[i], text))
            return true;
    return false;
}

#endif
