/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* One node run by the engine on given arrays: for tests of kernels. Include it after cmocka.h.
 *
 *     run_one t;
 *     run_open(&t, "", "Add");                       // domain, operator; newest opset
 *     run_f32(&t, "2,3", (float[]){ 1, 2, 3, 4, 5, 6 });
 *     run_f32(&t, "3", (float[]){ 10, 20, 30 });
 *     run_node(&t, 1);                               // outputs; asserts success
 *     assert_true(run_is_f32(&t, 0, "2,3", (float[]){ 11, 22, 33, 14, 25, 36 }, 0));
 *     run_close(&t);
 */
#ifndef MQ_TESTS_RUN_ONE_H
#define MQ_TESTS_RUN_ONE_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec/exec.h"
#include "ops/ops.h"

#define RUN_MAX 16

typedef struct run_one {
    mq_model *model;
    mq_node *node;
    mq_array *in[RUN_MAX], *out[RUN_MAX]; /* in: by graph input */
    size_t n_in, n_out;
    mq_plan *plan;
    mq_runner *runner;
    mq_error err;
    bool reference; /* set before run_node: reference kernels only */
    int threads;    /* 0: 2 */
} run_one;

static inline int run_dims(const char *text, int64_t *dims)
{
    int n = 0;

    for (const char *p = text; *p; p += *p == ',')
        dims[n++] = strtoll(p, (char **)(uintptr_t)&p, 10);
    return n;
}

static inline void run_open(run_one *t, const char *domain, const char *op)
{
    *t = (run_one){ 0 };
    assert_int_equal(mq_model_create(&t->model, NULL), MQ_OK);
    assert_int_equal(mq_opset_set(t->model, "", mq_schema_newest_opset(), NULL), MQ_OK);
    if (*domain)
        assert_int_equal(mq_opset_set(t->model, domain, 1, NULL), MQ_OK);
    t->model->graph = mq_graph_create(t->model, NULL, NULL, "g");
    assert_non_null(t->model->graph);
    t->node = mq_node_create(t->model->graph, NULL, domain, op, "n");
    assert_non_null(t->node);
}

/* The next input of the node: a graph input of that type and shape, or (constant) an initializer. Data are copied. */
static inline void run_input(run_one *t, mq_dtype dtype, const char *dims, const void *data, bool constant)
{
    int64_t d[MQ_MAX_RANK];
    const int rank = run_dims(dims, d);
    char name[24];
    mq_value *v;

    snprintf(name, sizeof name, "x%zu", t->node->n_inputs);
    v = mq_value_create(t->model->graph, name);
    assert_non_null(v);
    assert_int_equal(mq_node_set_input(t->node, t->node->n_inputs, v, NULL), MQ_OK);
    if (constant) {
        mq_tensor *c = mq_tensor_create(t->model, name, dtype, rank, d, data);

        assert_non_null(c);
        assert_int_equal(mq_value_set_init(v, c, NULL), MQ_OK);
        return;
    }
    assert_int_equal(mq_graph_add_input(t->model->graph, v, NULL), MQ_OK);
    assert_int_equal(mq_array_create(&t->in[t->n_in], dtype, rank, d, &t->err), MQ_OK);
    if (data && mq_array_bytes(t->in[t->n_in]))
        memcpy(t->in[t->n_in]->data, data, mq_array_bytes(t->in[t->n_in]));
    t->n_in++;
}

static inline void run_f32(run_one *t, const char *dims, const float *data)
{
    run_input(t, MQ_FLOAT, dims, data, false);
}

static inline void run_i64(run_one *t, const char *dims, const int64_t *data)
{
    run_input(t, MQ_INT64, dims, data, false);
}

static inline void run_absent(run_one *t)
{
    assert_int_equal(mq_node_set_input(t->node, t->node->n_inputs, NULL, NULL), MQ_OK);
}

/* Attributes are set on t->node with mq_node_set_attr_*. Runs; the status is returned, the sentence is in t->err. */
static inline mq_status run_try(run_one *t, size_t n_out)
{
    const mq_plan_opts opts = { .reference = t->reference };
    mq_status rc;

    for (size_t i = 0; i < n_out; i++) {
        char name[24];
        mq_value *v;

        snprintf(name, sizeof name, "y%zu", i);
        v = mq_value_create(t->model->graph, name);
        assert_non_null(v);
        assert_int_equal(mq_node_set_output(t->node, i, v, NULL), MQ_OK);
        assert_int_equal(mq_graph_add_output(t->model->graph, v, NULL), MQ_OK);
    }
    t->n_out = n_out;
    if ((rc = mq_plan_create(&t->plan, t->model, &opts, NULL, &t->err)) != MQ_OK)
        return rc;
    if ((rc = mq_runner_create(&t->runner, t->plan, t->threads ? t->threads : 2, &t->err)) != MQ_OK)
        return rc;
    return mq_runner_run(t->runner, t->in, t->out, &t->err);
}

static inline void run_node(run_one *t, size_t n_out)
{
    if (run_try(t, n_out) != MQ_OK)
        fail_msg("%s", t->err.text);
}

static inline bool run_has_shape(const run_one *t, size_t i, mq_dtype dtype, const char *dims)
{
    int64_t d[MQ_MAX_RANK];
    const int rank = run_dims(dims, d);

    return t->out[i] && t->out[i]->dtype == dtype && t->out[i]->rank == rank &&
           memcmp(t->out[i]->dims, d, (size_t)rank * sizeof *d) == 0;
}

/* Output i has this shape and these elements (|difference| <= bound; NaN equals NaN). */
static inline bool run_is_f32(const run_one *t, size_t i, const char *dims, const float *want, float bound)
{
    if (!run_has_shape(t, i, MQ_FLOAT, dims))
        return false;
    for (size_t k = 0; k < t->out[i]->count; k++) {
        const float got = ((const float *)t->out[i]->data)[k];

        if (!(got == want[k] || fabsf(got - want[k]) <= bound || (isnan(got) && isnan(want[k])))) {
            print_error("element %zu is %g, not %g\n", k, (double)got, (double)want[k]);
            return false;
        }
    }
    return true;
}

/* The same bytes. */
static inline bool run_is(const run_one *t, size_t i, mq_dtype dtype, const char *dims, const void *want)
{
    return run_has_shape(t, i, dtype, dims) &&
           (!t->out[i]->count || memcmp(t->out[i]->data, want, mq_array_bytes(t->out[i])) == 0);
}

static inline void run_close(run_one *t)
{
    for (size_t i = 0; i < RUN_MAX; i++) {
        mq_array_unref(t->in[i]);
        mq_array_unref(t->out[i]);
    }
    mq_runner_free(t->runner);
    mq_plan_free(t->plan);
    mq_model_free(t->model);
}

#endif
