/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Gradients against central finite differences in double, and in float against those in double. Include it after cmocka.h.
 *
 *     probe p;
 *     run_open(&p.f, "", "Relu");
 *     input(&p.f, 2, dims, NULL);
 *     probe_run(&p, 1);                    // outputs; a loss of random weights
 *     grad_open(&g, "ReluGrad", NULL);
 *     copy_of(&g, p.f.out[0]);
 *     copy_of(&g, p.dy[0]);
 *     run_node(&g, 1);
 *     check(&p, 0, g.out[0]);
 *     grad_close(&g);
 *     probe_close(&p); */
#ifndef MQ_TESTS_GRAD_PROBE_H
#define MQ_TESTS_GRAD_PROBE_H

#include <math.h>
#include <string.h>

#include "lib/rng.h"
#include "lib/run_one.h"

#define STEP 1e-5
#define BOUND 1e-6

static uint64_t seed;

static inline int64_t pick(int64_t low, int64_t high)
{
    return low + (int64_t)rng_below(&seed, (uint64_t)(high - low + 1));
}

static inline double number(void)
{
    return (double)rng_float(&seed);
}

/* An input of random numbers in [-1, 1), or of those at `data`. */
static inline mq_array *input(run_one *t, int rank, const int64_t *dims, const double *data)
{
    char text[128] = "";

    for (int i = 0; i < rank; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%lld", i ? "," : "", (long long)dims[i]);
    run_input(t, MQ_DOUBLE, text, NULL, false);
    mq_array *a = t->in[t->n_in - 1];
    for (size_t i = 0; i < a->count; i++)
        ((double *)a->data)[i] = data ? data[i] : number();
    return a;
}

static inline void copy_of(run_one *t, const mq_array *a)
{
    input(t, a->rank, a->dims, a->data);
}

static inline void list(run_one *t, const int64_t *v, size_t n)
{
    char text[24];

    snprintf(text, sizeof text, "%zu", n);
    run_i64(t, text, v);
}

/* The forward operator and the weight of each element of its outputs in the loss; none for outputs from n_dy on. */
typedef struct probe {
    run_one f;
    mq_array *dy[3];
    size_t n_dy;
} probe;

static inline void probe_all(probe *p, size_t n_out, size_t n_dy)
{
    p->f.reference = true;
    run_node(&p->f, n_out);
    p->n_dy = n_dy;
    for (size_t k = 0; k < n_dy; k++) {
        assert_int_equal(mq_array_create(&p->dy[k], MQ_DOUBLE, p->f.out[k]->rank, p->f.out[k]->dims, NULL), MQ_OK);
        for (size_t i = 0; i < p->dy[k]->count; i++)
            ((double *)p->dy[k]->data)[i] = number();
    }
}

static inline void probe_run(probe *p, size_t n_out)
{
    probe_all(p, n_out, 1);
}

static inline double loss(probe *p)
{
    mq_array *out[RUN_MAX] = { 0 };
    double sum = 0;

    assert_int_equal(mq_runner_run(p->f.runner, p->f.in, out, &p->f.err), MQ_OK);
    for (size_t k = 0; k < p->n_dy; k++)
        for (size_t i = 0; i < p->dy[k]->count; i++)
            sum += ((double *)p->dy[k]->data)[i] * ((double *)out[k]->data)[i];
    for (size_t i = 0; i < p->f.n_out; i++)
        mq_array_unref(out[i]);
    return sum;
}

/* Is dx the gradient of the loss by input i? */
static inline void check(probe *p, size_t i, const mq_array *dx)
{
    double *x = p->f.in[i]->data;

    assert_int_equal(dx->rank, p->f.in[i]->rank);
    assert_memory_equal(dx->dims, p->f.in[i]->dims, (size_t)dx->rank * sizeof *dx->dims);
    for (size_t k = 0; k < dx->count; k++) {
        const double was = x[k], have = ((const double *)dx->data)[k];

        x[k] = was + STEP;
        const double more = loss(p);
        x[k] = was - STEP;
        const double slope = (more - loss(p)) / (2 * STEP);
        x[k] = was;
        if (!(fabs(have - slope) <= BOUND * (1 + fabs(slope))))
            fail_msg("%s: input %zu, element %zu: %.12g, not %.12g", p->f.node->op_type, i, k, have, slope);
    }
}

static inline void probe_close(probe *p)
{
    for (size_t k = 0; k < p->n_dy; k++)
        mq_array_unref(p->dy[k]);
    run_close(&p->f);
}

static inline void grad_open(run_one *g, const char *op, const run_one *like)
{
    run_open(g, "mq", op);
    g->reference = true;
    for (size_t i = 0; like && i < like->node->n_attrs; i++) {
        const mq_attr *a = like->node->attrs[i];

        if (a->type == MQ_ATTR_INTS)
            assert_int_equal(mq_node_set_attr_ints(g->node, a->name, a->ints, a->n, NULL), MQ_OK);
        else if (a->type == MQ_ATTR_INT)
            assert_int_equal(mq_node_set_attr_int(g->node, a->name, a->i, NULL), MQ_OK);
    }
}

/* Input i of g as an input of f: double becomes float. */
static inline void float_input(run_one *f, const mq_array *a)
{
    char text[128] = "";

    for (int d = 0; d < a->rank; d++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%lld", d ? "," : "", (long long)a->dims[d]);
    run_input(f, a->dtype == MQ_DOUBLE ? MQ_FLOAT : a->dtype, text, a->dtype == MQ_DOUBLE ? NULL : a->data, false);
    for (size_t k = 0; a->dtype == MQ_DOUBLE && k < a->count; k++)
        ((float *)f->in[f->n_in - 1]->data)[k] = (float)((const double *)a->data)[k];
}

/* The same in float, by whatever kernel the engine takes: near the doubles, and the same bytes on one thread and two. */
static inline void check_float(const run_one *g)
{
    run_one f[2];

    for (int k = 0; k < 2; k++) {
        size_t next = 0;

        run_open(&f[k], "mq", g->node->op_type);
        f[k].threads = k + 1;
        f[k].node->attrs = g->node->attrs;
        f[k].node->n_attrs = g->node->n_attrs;
        for (size_t i = 0; i < g->node->n_inputs; i++) {
            if (g->node->inputs[i])
                float_input(&f[k], g->in[next++]);
            else
                run_absent(&f[k]);
        }
        run_node(&f[k], g->n_out);
    }
    for (size_t i = 0; i < g->n_out; i++) {
        const float *have = f[0].out[i]->data;

        assert_int_equal(f[0].out[i]->count, g->out[i]->count);
        if (g->out[i]->count)
            assert_memory_equal(have, f[1].out[i]->data, mq_array_bytes(f[0].out[i]));
        for (size_t k = 0; k < g->out[i]->count; k++) {
            const double want = ((const double *)g->out[i]->data)[k];

            if (!(fabs((double)have[k] - want) <= 1e-4 * (1 + fabs(want))))
                fail_msg("%s in float: output %zu, element %zu: %g, not %g", g->node->op_type, i, k, (double)have[k], want);
        }
    }
    run_close(&f[0]);
    run_close(&f[1]);
}

static inline void grad_close(run_one *g)
{
    check_float(g);
    run_close(g);
}

static inline void set_ints(run_one *t, const char *name, const int64_t *v, size_t n)
{
    assert_int_equal(mq_node_set_attr_ints(t->node, name, v, n, NULL), MQ_OK);
}

static inline void set_int(run_one *t, const char *name, int64_t v)
{
    assert_int_equal(mq_node_set_attr_int(t->node, name, v, NULL), MQ_OK);
}

#endif
