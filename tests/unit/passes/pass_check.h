/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* One pass on a model made by hand: the model runs in the reference engine before and after, on the same random
 * inputs. Include it after cmocka.h. The graph is `g` of model `m`, opset 28; symbolic sizes are 3 when it runs. */
#ifndef MQ_TESTS_PASS_CHECK_H
#define MQ_TESTS_PASS_CHECK_H

#include <math.h>
#include <stdlib.h>

#include "graph_check.h"
#include "graph_make.h"
#include "rng.h"
#include "base/compiler.h"
#include "exec/exec.h"
#include "graph/verify.h"
#include "ops/ops.h"
#include "passes/pass.h"

#define PASS_SYMBOL 3
#define PASS_MAX_IO 8

static mq_model *m;
static mq_graph *g;
static uint64_t pass_seed;

static inline int pass_setup(void **state)
{
    (void)state;
    m = make_model(28);
    g = m->graph;
    pass_seed = 1;
    return mq_opset_set(m, "com.microsoft", 1, NULL) == MQ_OK ? 0 : -1;
}

static inline int pass_teardown(void **state)
{
    (void)state;
    mq_model_free(m);
    return 0;
}

#define ON_MODEL(test) cmocka_unit_test_setup_teardown(test, pass_setup, pass_teardown)

/* ---- constants
 * ----------------------------------------------------------------------------------------------------- */

static inline void fill_random(mq_dtype dtype, void *data, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        switch (dtype) {
        case MQ_FLOAT: ((float *)data)[i] = rng_float(&pass_seed) * 2; break;
        case MQ_INT64: ((int64_t *)data)[i] = (int64_t)rng_below(&pass_seed, 2); break;
        case MQ_INT32: ((int32_t *)data)[i] = (int32_t)rng_below(&pass_seed, 2000) - 1000; break;
        default: ((uint8_t *)data)[i] = (uint8_t)rng_next(&pass_seed); break;
        }
    }
}

/* A constant of random numbers; 4-bit types are filled byte by byte. */
static inline mq_value *make_random(const char *name, mq_dtype dtype, const char *dims)
{
    mq_value *v = make_init(g, name, dtype, dims, NULL);
    const int64_t size = mq_tensor_size(v->init);
    const bool wide = dtype == MQ_FLOAT || dtype == MQ_INT32 || dtype == MQ_INT64;
    void *data = mq_arena_calloc(m->arena, (size_t)size + 8, 1);

    assert_true(size >= 0 && data);
    fill_random(dtype, data, wide ? mq_tensor_count(v->init) : size);
    v->init->data = data;
    v->init->n_bytes = (size_t)size;
    return v;
}

/* Positive ones, for scales and variances. */
static inline mq_value *make_positive(const char *name, const char *dims, float least)
{
    mq_value *v = make_random(name, MQ_FLOAT, dims);
    float *f = mq_arena_memdup(m->arena, v->init->data, v->init->n_bytes);

    for (int64_t i = 0; i < mq_tensor_count(v->init); i++)
        f[i] = least * (1 + fabsf(f[i]));
    v->init->data = f;
    return v;
}

static inline mq_value *make_float(const char *name, float x)
{
    return make_init(g, name, MQ_FLOAT, "", &x);
}

static inline mq_value *make_byte(const char *name, mq_dtype dtype, int x)
{
    const uint8_t b = (uint8_t)x;

    return make_init(g, name, dtype, "", &b);
}

static inline mq_value *make_longs(const char *name, const char *dims, const int64_t *x)
{
    return make_init(g, name, MQ_INT64, dims, x);
}

static inline mq_node *node_int(mq_node *n, const char *attr, int64_t v)
{
    assert_int_equal(mq_node_set_attr_int(n, attr, v, NULL), MQ_OK);
    return n;
}

static inline mq_node *node_float(mq_node *n, const char *attr, float v)
{
    assert_int_equal(mq_node_set_attr_float(n, attr, v, NULL), MQ_OK);
    return n;
}

static inline mq_node *node_ints(mq_node *n, const char *attr, const char *text)
{
    int64_t v[16];
    const int count = make_dims(text, v);

    assert_int_equal(mq_node_set_attr_ints(n, attr, v, (size_t)count, NULL), MQ_OK);
    return n;
}

/* ---- running
 * ------------------------------------------------------------------------------------------------------- */

typedef struct pass_io {
    mq_array *in[PASS_MAX_IO], *out[PASS_MAX_IO];
    size_t n_in, n_out;
} pass_io;

static inline mq_array *random_input(const mq_value *v)
{
    int64_t dims[MQ_MAX_RANK];
    mq_array *a = NULL;

    for (int i = 0; i < v->declared->rank; i++)
        dims[i] = v->declared->dims[i].value >= 0 ? v->declared->dims[i].value : PASS_SYMBOL;
    assert_int_equal(mq_array_create(&a, v->declared->dtype, v->declared->rank, dims, NULL), MQ_OK);
    fill_random(a->dtype, a->data, (int64_t)a->count);
    return a;
}

/* Runs m as it is, without passes, on io->in (made when n_in is 0). */
static inline void pass_run(pass_io *io)
{
    const mq_plan_opts o = { .reference = true };
    mq_runner *r = NULL;
    mq_plan *p = NULL;
    mq_error err = { 0 };

    if (mq_plan_create(&p, m, &o, NULL, &err) != MQ_OK || mq_runner_create(&r, p, 1, &err) != MQ_OK)
        fail_msg("%s", err.text);
    io->n_out = mq_plan_n_outputs(p);
    if (!io->n_in)
        for (io->n_in = 0; io->n_in < g->inputs.n; io->n_in++)
            io->in[io->n_in] = random_input(g->inputs.items[io->n_in]);
    if (mq_runner_run(r, io->in, io->out, &err) != MQ_OK)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < io->n_out; i++) { /* they outlive the plan */
        mq_array *copy = NULL;

        assert_int_equal(mq_array_copy(&copy, io->out[i], NULL), MQ_OK);
        mq_array_unref(io->out[i]);
        io->out[i] = copy;
    }
    mq_runner_free(r);
    mq_plan_free(p);
}

static inline void pass_release(mq_array **list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        mq_array_unref(list[i]);
}

/* Each output of b within `steps` of a's (integers), or within `steps` of 1 + its size (floats). */
static inline void pass_near(const pass_io *a, const pass_io *b, double steps)
{
    assert_int_equal(a->n_out, b->n_out);
    for (size_t i = 0; i < a->n_out; i++) {
        const mq_array *x = a->out[i], *y = b->out[i];

        assert_int_equal(x->dtype, y->dtype);
        assert_int_equal(x->rank, y->rank);
        assert_memory_equal(x->dims, y->dims, (size_t)x->rank * sizeof *x->dims);
        for (size_t k = 0; k < x->count; k++) {
            const double want = mq_array_f64(x, k), got = mq_array_f64(y, k);

            if (!(fabs(got - want) <= steps * (x->dtype == MQ_FLOAT ? 1 + fabs(want) : 1)))
                fail_msg("output %zu, element %zu: %g before, %g after", i, k, want, got);
        }
    }
}

/* ---- passes
 * -------------------------------------------------------------------------------------------------------- */

/* The operators in order, separated by blanks. */
static inline void pass_ops(const char *want)
{
    char got[1000] = "";
    size_t n = 0;

    for (const mq_node *node = g->first; node; node = node->next)
        n += (size_t)snprintf(got + n, sizeof got - n, "%s%s", n ? " " : "", node->op_type);
    assert_string_equal(got, want);
}

static inline size_t pass_apply(const mq_pass *pass, const mq_pass_ctx *ctx)
{
    const mq_pass_ctx none = { 0 };
    size_t n_changed = 0;
    mq_error err = { 0 };

    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    if (mq_pass_run(pass, g, ctx ? ctx : &none, &n_changed, &err) != MQ_OK)
        fail_msg("%s", err.text);
    mq_graph_drop_dead(g, NULL);
    graph_check(m);
    if (mq_model_verify(m, &err) != MQ_OK)
        fail_msg("%s", err.text);
    return n_changed;
}

/* After the pass the graph has these operators, gives the same within `steps`, and a second run changes nothing. */
static inline void pass_becomes_with(const mq_pass *pass, const mq_pass_ctx *ctx, const char *ops, double steps)
{
    pass_io before = { .n_in = 0 }, after;

    pass_run(&before);
    after = before;
    assert_true(pass_apply(pass, ctx) > 0);
    pass_ops(ops);
    pass_run(&after);
    pass_near(&before, &after, steps);
    assert_int_equal(pass_apply(pass, ctx), 0);
    pass_ops(ops);
    pass_release(before.in, before.n_in);
    pass_release(before.out, before.n_out);
    pass_release(after.out, after.n_out);
}

static inline void pass_becomes(const mq_pass *pass, const char *ops, double steps)
{
    pass_becomes_with(pass, NULL, ops, steps);
}

/* The pass finds nothing to do. */
static inline void pass_leaves(const mq_pass *pass)
{
    assert_int_equal(pass_apply(pass, NULL), 0);
}

/* The same of a model that is to be written. */
static inline void file_becomes(const mq_pass *pass, const char *ops, double steps)
{
    pass_becomes_with(pass, &(const mq_pass_ctx){ .for_file = true }, ops, steps);
}

static inline void file_leaves(const mq_pass *pass)
{
    assert_int_equal(pass_apply(pass, &(const mq_pass_ctx){ .for_file = true }), 0);
}

#endif
