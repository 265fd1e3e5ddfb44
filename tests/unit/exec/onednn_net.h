/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Small random models for tests of fast kernels: run by the reference kernels, by the fast ones with one and with two
 * threads. The fast results must lie within a bound of the reference, and not depend on the threads. With --bench both
 * are timed. Include it after cmocka.h. */
#ifndef MQ_TESTS_ONEDNN_NET_H
#define MQ_TESTS_ONEDNN_NET_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/isa.h"
#include "exec/exec.h"
#include "graph_make.h"
#include "rng.h"

#define NET_MAX 8

typedef struct net {
    mq_model *m;
    mq_graph *g;
    mq_array *in[NET_MAX];
    size_t n_in;
    uint64_t seed; /* moves on */
    uint64_t first_seed;
} net;

static bool net_bench;
static const char *net_last_kernel; /* that ran the last node that did */

static inline void net_open(net *t, uint64_t seed)
{
    *t = (net){ .m = make_model(22), .seed = seed, .first_seed = seed };
    t->g = t->m->graph;
    assert_int_equal(mq_opset_set(t->m, "com.microsoft", 1, NULL), MQ_OK);
}

static inline int64_t net_pick(net *t, int64_t low, int64_t high)
{
    return low + (int64_t)rng_below(&t->seed, (uint64_t)(high - low + 1));
}

/* Floats in [-1, 1); integers over their whole range. */
static inline void net_fill(net *t, mq_dtype dtype, void *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (dtype == MQ_FLOAT)
            ((float *)data)[i] = rng_float(&t->seed);
        else if (dtype == MQ_INT32)
            ((int32_t *)data)[i] = (int32_t)rng_below(&t->seed, 4001) - 2000;
        else
            ((uint8_t *)data)[i] = (uint8_t)rng_next(&t->seed);
    }
}

static inline mq_array *net_input(net *t, const char *name, mq_dtype dtype, int rank, const int64_t *dims)
{
    mq_value *v = make_value(t->g, name);
    mq_dim d[MQ_MAX_RANK];
    mq_array *a = NULL;

    for (int i = 0; i < rank; i++)
        d[i] = MQ_DIM(dims[i]);
    v->declared = mq_type_create(t->m, MQ_TYPE_TENSOR, dtype, rank, d);
    assert_non_null(v->declared);
    assert_int_equal(mq_graph_add_input(t->g, v, NULL), MQ_OK);
    assert_int_equal(mq_array_create(&a, dtype, rank, dims, NULL), MQ_OK);
    net_fill(t, dtype, a->data, a->count);
    t->in[t->n_in++] = a;
    return a;
}

/* An initializer; its bytes may be changed before the first run. */
static inline void *net_const(net *t, const char *name, mq_dtype dtype, int rank, const int64_t *dims)
{
    mq_tensor *x = mq_tensor_create(t->m, name, dtype, rank, dims, NULL);
    size_t n = 1;
    void *data;

    for (int i = 0; i < rank; i++)
        n *= (size_t)dims[i];
    data = mq_arena_alloc(t->m->arena, n * 4 + 1);
    assert_true(x && data);
    net_fill(t, dtype, data, n);
    x->storage = MQ_STORE_RAW;
    x->data = data;
    x->n_bytes = n * (size_t)mq_dtype_bits(dtype) / 8;
    assert_int_equal(mq_value_set_init(make_value(t->g, name), x, NULL), MQ_OK);
    return data;
}

/* An input or an initializer. */
static inline void *net_either(net *t, bool constant, const char *name, mq_dtype dtype, int rank, const int64_t *dims)
{
    return constant ? net_const(t, name, dtype, rank, dims) : net_input(t, name, dtype, rank, dims)->data;
}

static inline void *net_scalar(net *t, const char *name, mq_dtype dtype, double value)
{
    void *p = net_const(t, name, dtype, 0, NULL);

    if (dtype == MQ_FLOAT)
        *(float *)p = (float)value;
    else
        *(int8_t *)p = (int8_t)(int)value;
    return p;
}

static inline mq_node *net_node(net *t, const char *domain, const char *op, const char *in, const char *out)
{
    mq_node *n = make_node(t->g, op, in, out);

    n->domain = domain;
    return n;
}

static inline void net_ints(mq_node *n, const char *name, size_t count, const int64_t *v)
{
    assert_int_equal(mq_node_set_attr_ints(n, name, v, count, NULL), MQ_OK);
}

static inline void net_int(mq_node *n, const char *name, int64_t v)
{
    assert_int_equal(mq_node_set_attr_int(n, name, v, NULL), MQ_OK);
}

static inline void net_float(mq_node *n, const char *name, float v)
{
    assert_int_equal(mq_node_set_attr_float(n, name, v, NULL), MQ_OK);
}

static inline void net_floats(mq_node *n, const char *name, size_t count, const float *v)
{
    mq_attr *a;

    net_int(n, name, 0);
    a = mq_node_attr(n, name);
    a->type = MQ_ATTR_FLOATS;
    a->n = count;
    a->floats = mq_arena_memdup(n->graph->model->arena, v, count * sizeof *v);
    assert_non_null(a->floats);
}

static inline void net_string(mq_node *n, const char *name, const char *v)
{
    assert_int_equal(mq_node_set_attr_string(n, name, v, NULL), MQ_OK);
}

static inline void net_output(net *t, const char *name)
{
    assert_int_equal(mq_graph_add_output(t->g, make_value(t->g, name), NULL), MQ_OK);
}

static inline double net_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static inline void net_fail(const net *t, const char *what, const char *text)
{
    char *dump = mq_model_dump(t->m);

    fprintf(stderr, "seed %llu: %s: %s\n%s", (unsigned long long)t->first_seed, what, text, dump ? dump : "");
    free(dump);
    fail();
}

/* Runs it twice (kernels' states are used again); out: NET_MAX references.
 * *slow counts nodes that a reference kernel ran. */
static inline bool net_run(net *t, bool reference, int threads, mq_array **out, size_t *slow)
{
    const mq_plan_opts opts = { .reference = reference };
    mq_error err = { 0 };
    mq_plan *p = NULL;
    mq_runner *r = NULL;
    const mq_node_stat *stats;
    bool ok;
    size_t n;

    if (mq_plan_create(&p, t->m, &opts, NULL, &err) != MQ_OK || mq_runner_create(&r, p, threads, &err) != MQ_OK)
        net_fail(t, "plan", err.text);
    mq_runner_profile(r, true);
    ok = mq_runner_run(r, t->in, out, &err) == MQ_OK;
    if (ok && !reference) {
        for (size_t i = 0; i < mq_plan_n_outputs(p); i++)
            mq_array_unref(out[i]);
        ok = mq_runner_run(r, t->in, out, &err) == MQ_OK;
    }
    if (!ok && !reference)
        net_fail(t, "run", err.text);
    stats = mq_runner_stats(r, &n);
    *slow = 0;
    for (size_t i = 0; i < n; i++) {
        *slow += stats[i].kernel && strcmp(stats[i].kernel, "reference") == 0;
        net_last_kernel = stats[i].kernel ? stats[i].kernel : net_last_kernel;
    }
    if (ok && net_bench) {
        double best = INFINITY;
        mq_array *again[NET_MAX];

        for (int k = 0; k < 20; k++) {
            const double start = net_now();

            assert_int_equal(mq_runner_run(r, t->in, again, &err), MQ_OK);
            best = fmin(best, net_now() - start);
            for (size_t i = 0; i < mq_plan_n_outputs(p); i++)
                mq_array_unref(again[i]);
        }
        printf("%s %d: %.1f us  ", reference ? "reference" : "fast", threads, best * 1e6);
    }
    mq_runner_free(r);
    mq_plan_free(p);
    return ok;
}

static inline double net_value(const mq_array *a, size_t i)
{
    return mq_array_f64(a, i);
}

/* `bound`: of the absolute difference, beside 1e-5 of the value (floats only). */
static inline void net_compare(const net *t, const mq_array *want, const mq_array *have, double bound)
{
    char text[200];

    if (want->dtype != have->dtype || want->rank != have->rank ||
        memcmp(want->dims, have->dims, (size_t)want->rank * sizeof *want->dims) != 0)
        net_fail(t, "compare", "type or shape");
    for (size_t i = 0; i < want->count; i++) {
        const double w = net_value(want, i), h = net_value(have, i);
        const double most = bound + (want->dtype == MQ_FLOAT ? 1e-5 * fabs(w) : 0);

        if (!(fabs(w - h) <= most) && !(isnan(w) && isnan(h)) && w != h) {
            snprintf(text, sizeof text, "element %zu of %zu is %.9g, not %.9g", i, want->count, h, w);
            net_fail(t, "compare", text);
        }
    }
}

/* oneDNN has all of its kernels here: AVX-512 with VNNI. On other machines it has fewer. */
static inline bool net_all_kernels(void)
{
#ifdef MQ_HAVE_ONEDNN
    return mq_isa_now() >= MQ_ISA_AVX512_VNNI;
#else
    return true;
#endif
}

/* All nodes but `fast` may be run by reference kernels, where the library has all of its own (passes may have fused
 * some). False: the reference refuses the
 * model. */
static inline bool net_check(net *t, double bound, size_t fast)
{
    mq_array *want[NET_MAX] = { 0 }, *one[NET_MAX] = { 0 }, *two[NET_MAX] = { 0 };
    const size_t n = t->g->outputs.n;
    size_t slow;
    const bool ok = net_run(t, true, 1, want, &slow);

    if (ok) {
        net_run(t, false, 1, one, &slow);
        if (slow + fast > t->g->n_nodes && want[0]->count && net_all_kernels())
            net_fail(t, "kernels", "too few nodes were taken by fast ones");
        net_run(t, false, 2, two, &slow);
        for (size_t i = 0; i < n; i++) {
            net_compare(t, want[i], one[i], bound);
            if (memcmp(one[i]->data, two[i]->data, mq_array_bytes(one[i])) != 0)
                net_fail(t, "threads", "two threads give other bytes than one");
        }
        if (net_bench)
            printf("\n");
    }
    for (size_t i = 0; i < n; i++) {
        mq_array_unref(want[i]);
        mq_array_unref(one[i]);
        mq_array_unref(two[i]);
    }
    return ok;
}

static inline void net_close(net *t)
{
    for (size_t i = 0; i < t->n_in; i++)
        mq_array_unref(t->in[i]);
    mq_model_free(t->m);
}

#endif
