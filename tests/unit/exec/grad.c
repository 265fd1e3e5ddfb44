/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The reference kernels of gradients in double: each against central finite differences of the operator that it belongs to,
 * over random shapes and attributes, within 1e-6. And what they refuse. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/rng.h"
#include "lib/run_one.h"

#define STEP 1e-5
#define BOUND 1e-6

static uint64_t seed;

static int64_t pick(int64_t low, int64_t high)
{
    return low + (int64_t)rng_below(&seed, (uint64_t)(high - low + 1));
}

static double number(void)
{
    return (double)rng_float(&seed);
}

/* An input of random numbers in [-1, 1), or of those at `data`. */
static mq_array *input(run_one *t, int rank, const int64_t *dims, const double *data)
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

static void copy_of(run_one *t, const mq_array *a)
{
    input(t, a->rank, a->dims, a->data);
}

static void list(run_one *t, const int64_t *v, size_t n)
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

static void probe_all(probe *p, size_t n_out, size_t n_dy)
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

static void probe_run(probe *p, size_t n_out)
{
    probe_all(p, n_out, 1);
}

static double loss(probe *p)
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
static void check(probe *p, size_t i, const mq_array *dx)
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

static void probe_close(probe *p)
{
    for (size_t k = 0; k < p->n_dy; k++)
        mq_array_unref(p->dy[k]);
    run_close(&p->f);
}

static void grad_open(run_one *g, const char *op, const run_one *like)
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

static void set_ints(run_one *t, const char *name, const int64_t *v, size_t n)
{
    assert_int_equal(mq_node_set_attr_ints(t->node, name, v, n, NULL), MQ_OK);
}

static void set_int(run_one *t, const char *name, int64_t v)
{
    assert_int_equal(mq_node_set_attr_int(t->node, name, v, NULL), MQ_OK);
}

/* Strides, dilations, pads, and for pools kernel_shape of at most the image. */
static void set_window(run_one *t, int rank, const int64_t *kernel, bool pool)
{
    int64_t strides[3], dilations[3], pads[6];

    for (int d = 0; d < rank; d++) {
        strides[d] = pick(1, 2);
        dilations[d] = pick(0, 2) ? 1 : 2;
        pads[d] = pick(0, kernel[d] - 1);
        pads[rank + d] = pick(0, kernel[d] - 1);
    }
    set_ints(t, "strides", strides, (size_t)rank);
    set_ints(t, "dilations", dilations, (size_t)rank);
    set_ints(t, "pads", pads, 2 * (size_t)rank);
    if (pool) {
        set_ints(t, "kernel_shape", kernel, (size_t)rank);
        set_int(t, "ceil_mode", pick(0, 1));
    }
}

static void test_conv(void **state)
{
    (void)state;
    for (uint64_t k = 1; k <= 25; k++) {
        seed = k;
        const int rank = (int)pick(1, 3);
        const int64_t group = pick(1, 2), in = pick(1, 2), out = pick(1, 2);
        int64_t x[5] = { pick(1, 2), group * in }, w[5] = { group * out, in }, b = group * out;
        probe p;
        run_one g;

        for (int d = 0; d < rank; d++) {
            w[d + 2] = pick(1, 3);
            x[d + 2] = pick(5, 6);
        }
        run_open(&p.f, "", "Conv");
        set_window(&p.f, rank, w + 2, false);
        set_int(&p.f, "group", group);
        input(&p.f, rank + 2, x, NULL);
        input(&p.f, rank + 2, w, NULL);
        input(&p.f, 1, &b, NULL);
        probe_run(&p, 1);
        grad_open(&g, "ConvGradInput", &p.f);
        copy_of(&g, p.dy[0]);
        copy_of(&g, p.f.in[1]);
        copy_of(&g, p.f.in[0]);
        run_node(&g, 1);
        check(&p, 0, g.out[0]);
        run_close(&g);
        grad_open(&g, "ConvGradWeight", &p.f);
        copy_of(&g, p.f.in[0]);
        copy_of(&g, p.dy[0]);
        copy_of(&g, p.f.in[1]);
        run_node(&g, 2);
        check(&p, 1, g.out[0]);
        check(&p, 2, g.out[1]);
        run_close(&g);
        probe_close(&p);
    }
}

static void one_pool(const char *op, const char *grad, bool max)
{
    const int rank = (int)pick(1, 3);
    int64_t x[5] = { pick(1, 2), pick(1, 2) }, kernel[3];
    probe p;
    run_one g;

    for (int d = 0; d < rank; d++) {
        kernel[d] = pick(1, 3);
        x[d + 2] = pick(5, 7);
    }
    run_open(&p.f, "", op);
    set_window(&p.f, rank, kernel, true);
    if (!max)
        set_int(&p.f, "count_include_pad", pick(0, 1));
    input(&p.f, rank + 2, x, NULL);
    probe_run(&p, 1);
    grad_open(&g, grad, &p.f);
    copy_of(&g, max ? p.f.in[0] : p.dy[0]);
    copy_of(&g, max ? p.dy[0] : p.f.in[0]);
    run_node(&g, 1);
    check(&p, 0, g.out[0]);
    run_close(&g);
    probe_close(&p);
}

static void test_pool(void **state)
{
    const int64_t x[4] = { 2, 3, 2, 5 };
    probe p;
    run_one g;

    (void)state;
    for (uint64_t k = 1; k <= 25; k++) {
        seed = k;
        one_pool("MaxPool", "MaxPoolGrad", true);
        one_pool("AveragePool", "AveragePoolGrad", false);
    }
    run_open(&p.f, "", "GlobalAveragePool");
    input(&p.f, 4, x, NULL);
    probe_run(&p, 1);
    grad_open(&g, "GlobalAveragePoolGrad", NULL);
    copy_of(&g, p.dy[0]);
    copy_of(&g, p.f.in[0]);
    run_node(&g, 1);
    check(&p, 0, g.out[0]);
    run_close(&g);
    probe_close(&p);
}

/* Of equal elements the first one takes all. */
static void test_max_ties(void **state)
{
    run_one g;

    (void)state;
    run_open(&g, "mq", "MaxPoolGrad");
    g.reference = true;
    set_ints(&g, "kernel_shape", (int64_t[]){ 2, 2 }, 2);
    run_f32(&g, "1,1,2,3", (float[]){ 1, 2, 2, 2, 1, 2 });
    run_f32(&g, "1,1,1,2", (float[]){ 10, 20 });
    run_node(&g, 1);
    assert_true(run_is_f32(&g, 0, "1,1,2,3", (float[]){ 0, 30, 0, 0, 0, 0 }, 0));
    run_close(&g);
}

static void test_batch_norm(void **state)
{
    (void)state;
    for (uint64_t k = 1; k <= 20; k++) {
        seed = k;
        const int rank = (int)pick(2, 4);
        int64_t x[4] = { pick(3, 4), pick(1, 3), pick(2, 3), pick(2, 4) };
        probe p;
        run_one g;

        run_open(&p.f, "mq", "BatchNormTrain");
        input(&p.f, rank, x, NULL);
        for (int i = 0; i < 4; i++)
            input(&p.f, 1, &x[1], NULL);
        probe_run(&p, 5);
        grad_open(&g, "BatchNormGrad", NULL);
        copy_of(&g, p.f.in[0]);
        copy_of(&g, p.dy[0]);
        copy_of(&g, p.f.in[1]);
        copy_of(&g, p.f.out[3]);
        copy_of(&g, p.f.out[4]);
        run_node(&g, 3);
        for (size_t i = 0; i < 3; i++)
            check(&p, i, g.out[i]);
        run_close(&g);
        probe_close(&p);
    }
}

/* The same numbers as BatchNormalization's in training, running statistics included. */
static void test_batch_norm_is_onnx(void **state)
{
    const int64_t x[4] = { 3, 2, 4, 5 };
    run_one a, b;

    (void)state;
    seed = 7;
    run_open(&a, "mq", "BatchNormTrain");
    run_open(&b, "", "BatchNormalization");
    set_int(&b, "training_mode", 1);
    assert_int_equal(mq_node_set_attr_float(a.node, "momentum", 0.25f, NULL), MQ_OK);
    assert_int_equal(mq_node_set_attr_float(b.node, "momentum", 0.25f, NULL), MQ_OK);
    a.reference = b.reference = true;
    input(&a, 4, x, NULL);
    for (int i = 0; i < 4; i++)
        input(&a, 1, &x[1], NULL);
    for (int i = 0; i < 5; i++)
        copy_of(&b, a.in[i]);
    run_node(&a, 5);
    run_node(&b, 3);
    for (int k = 0; k < 3; k++)
        for (size_t i = 0; i < a.out[k]->count; i++)
            assert_true(fabs(((double *)a.out[k]->data)[i] - ((double *)b.out[k]->data)[i]) < 1e-12);
    run_close(&a);
    run_close(&b);
}

static void test_layer_norm(void **state)
{
    (void)state;
    for (uint64_t k = 1; k <= 20; k++) {
        seed = k;
        const int64_t x[4] = { pick(1, 3), pick(2, 4), pick(2, 5), pick(2, 5) };
        const int axis = (int)pick(1, 3);
        probe p;
        run_one g;

        run_open(&p.f, "", "LayerNormalization");
        set_int(&p.f, "axis", pick(0, 1) ? axis : axis - 4);
        input(&p.f, 4, x, NULL);
        input(&p.f, 4 - axis, x + axis, NULL);
        input(&p.f, 4 - axis, x + axis, NULL);
        probe_run(&p, 1);
        grad_open(&g, "LayerNormGrad", &p.f);
        copy_of(&g, p.f.in[0]);
        copy_of(&g, p.dy[0]);
        copy_of(&g, p.f.in[1]);
        run_node(&g, 3);
        for (size_t i = 0; i < 3; i++)
            check(&p, i, g.out[i]);
        run_close(&g);
        probe_close(&p);
    }
}

static void test_softmax(void **state)
{
    static const char *const ops[] = { "Softmax", "LogSoftmax" }, *const grads[] = { "SoftmaxGrad", "LogSoftmaxGrad" };

    (void)state;
    for (uint64_t k = 1; k <= 20; k++) {
        seed = k;
        const int64_t x[3] = { pick(1, 4), pick(1, 4), pick(1, 4) };
        const int which = (int)pick(0, 1);
        probe p;
        run_one g;

        run_open(&p.f, "", ops[which]);
        set_int(&p.f, "axis", pick(-3, 2));
        input(&p.f, 3, x, NULL);
        probe_run(&p, 1);
        grad_open(&g, grads[which], &p.f);
        copy_of(&g, p.f.out[0]);
        copy_of(&g, p.dy[0]);
        run_node(&g, 1);
        check(&p, 0, g.out[0]);
        run_close(&g);
        probe_close(&p);
    }
}

static void test_relu(void **state)
{
    const int64_t x[2] = { 7, 11 };
    probe p;
    run_one g;

    (void)state;
    run_open(&p.f, "", "Relu");
    input(&p.f, 2, x, NULL);
    probe_run(&p, 1);
    grad_open(&g, "ReluGrad", NULL);
    copy_of(&g, p.f.out[0]);
    copy_of(&g, p.dy[0]);
    run_node(&g, 1);
    check(&p, 0, g.out[0]);
    run_close(&g);
    probe_close(&p);
}

static void test_reduce_to(void **state)
{
    (void)state;
    for (uint64_t k = 1; k <= 25; k++) {
        seed = k;
        const int rank = (int)pick(0, 4), more = (int)pick(0, 2);
        int64_t x[4], y[6];
        probe p;
        run_one g;

        for (int d = 0; d < more; d++)
            y[d] = pick(1, 3);
        for (int d = 0; d < rank; d++) {
            y[more + d] = pick(1, 3);
            x[d] = pick(0, 1) ? 1 : y[more + d];
        }
        run_open(&p.f, "", "Expand");
        input(&p.f, rank, x, NULL);
        list(&p.f, y, (size_t)(rank + more));
        probe_run(&p, 1);
        grad_open(&g, "ReduceTo", NULL);
        copy_of(&g, p.dy[0]);
        copy_of(&g, p.f.in[0]);
        run_node(&g, 1);
        check(&p, 0, g.out[0]);
        run_close(&g);
        probe_close(&p);
    }
}

static void test_gather(void **state)
{
    (void)state;
    for (uint64_t k = 1; k <= 20; k++) {
        seed = k;
        const int64_t x[3] = { pick(1, 4), pick(1, 4), pick(1, 4) }, n = pick(1, 6);
        const int axis = (int)pick(0, 2);
        int64_t at[6];
        probe p;
        run_one g;

        for (int64_t i = 0; i < n; i++)
            at[i] = pick(-x[axis], x[axis] - 1);
        run_open(&p.f, "", "Gather");
        set_int(&p.f, "axis", axis);
        input(&p.f, 3, x, NULL);
        list(&p.f, at, (size_t)n);
        probe_run(&p, 1);
        grad_open(&g, "GatherGrad", &p.f);
        copy_of(&g, p.dy[0]);
        list(&g, at, (size_t)n);
        copy_of(&g, p.f.in[0]);
        run_node(&g, 1);
        check(&p, 0, g.out[0]);
        run_close(&g);
        probe_close(&p);
    }
}

static void test_slice(void **state)
{
    (void)state;
    for (uint64_t k = 1; k <= 20; k++) {
        seed = k;
        const int64_t x[3] = { pick(1, 5), pick(1, 5), pick(1, 5) }, axes[2] = { 2, -3 };
        int64_t starts[2], ends[2], steps[2];
        probe p;
        run_one g;

        for (int i = 0; i < 2; i++) {
            steps[i] = pick(0, 1) ? pick(1, 2) : -pick(1, 2);
            starts[i] = steps[i] > 0 ? pick(-2, 2) : pick(1, 5);
            ends[i] = steps[i] > 0 ? pick(2, 6) : pick(-9, 0);
        }
        run_open(&p.f, "", "Slice");
        input(&p.f, 3, x, NULL);
        list(&p.f, starts, 2);
        list(&p.f, ends, 2);
        list(&p.f, axes, 2);
        list(&p.f, steps, 2);
        probe_run(&p, 1);
        grad_open(&g, "SliceGrad", NULL);
        copy_of(&g, p.dy[0]);
        copy_of(&g, p.f.in[0]);
        list(&g, starts, 2);
        list(&g, ends, 2);
        list(&g, axes, 2);
        list(&g, steps, 2);
        run_node(&g, 1);
        check(&p, 0, g.out[0]);
        run_close(&g);
        probe_close(&p);
    }
}

/* ---- recurrent layers --------------------------------------------------------------------------------------------- */

static void set_strings(run_one *t, const char *name, const char *const *v, size_t n)
{
    mq_attr *a;
    mq_bytes b[6];

    set_int(t, name, 0);
    a = mq_node_attr(t->node, name);
    for (size_t i = 0; i < n; i++)
        b[i] = (mq_bytes){ v[i], strlen(v[i]) };
    a->type = MQ_ATTR_STRINGS;
    a->n = n;
    a->strings = mq_arena_memdup(t->model->arena, b, n * sizeof *b);
    assert_non_null(a->strings);
}

/* Attributes of the layer and of its gradient. */
typedef struct layer {
    bool lstm, lens, biased, states, peephole, before_reset, batch_first;
    int direction; /* forward, reverse, bidirectional */
    bool others;   /* activations other than the usual ones */
    int64_t seq, batch, input, hidden, dirs;
    int32_t len[3];
} layer;

static void set_layer(run_one *t, const layer *l)
{
    static const char *const directions[] = { "forward", "reverse", "bidirectional" };
    static const char *const acts[] = { "HardSigmoid", "Softsign", "Softplus", "HardSigmoid", "Elu", "ScaledTanh" };
    static const char *const gru_acts[] = { "Sigmoid", "LeakyRelu", "HardSigmoid", "Affine" };

    assert_int_equal(mq_node_set_attr_string(t->node, "direction", directions[l->direction], NULL), MQ_OK);
    set_int(t, "layout", l->batch_first);
    set_int(t, "linear_before_reset", l->before_reset);
    if (l->others)
        set_strings(t, "activations", l->lstm ? acts : gru_acts, (size_t)l->dirs * (l->lstm ? 3 : 2));
}

static layer any_layer(bool lstm)
{
    layer l = { .lstm = lstm, .lens = pick(0, 1), .biased = pick(0, 2), .states = pick(0, 2), .peephole = pick(0, 1),
                .before_reset = pick(0, 1), .batch_first = pick(0, 1), .direction = (int)pick(0, 2), .others = !pick(0, 2),
                .seq = pick(1, 4), .batch = pick(1, 3), .input = pick(1, 3), .hidden = pick(1, 3) };

    l.dirs = l.direction == 2 ? 2 : 1;
    for (int i = 0; i < 3; i++)
        l.len[i] = (int32_t)pick(0, l.seq);
    return l;
}

/* X, W, R, B, sequence_lens, initial_h, and for LSTM initial_c and P; at[i] is the number of input i among those of the
 * graph, -1 when it is absent. */
static void layer_inputs(run_one *t, const layer *l, int *at)
{
    const int64_t n = (l->lstm ? 4 : 3) * l->hidden, x[] = { l->seq, l->batch, l->input };
    const int64_t first[] = { l->batch, l->seq, l->input }, w[] = { l->dirs, n, l->input }, r[] = { l->dirs, n, l->hidden };
    const int64_t b[] = { l->dirs, 2 * n }, p[] = { l->dirs, 3 * l->hidden };
    const int64_t h[] = { l->batch_first ? l->batch : l->dirs, l->batch_first ? l->dirs : l->batch, l->hidden };
    const struct { bool there; int rank; const int64_t *dims; } in[] = {
        { true, 3, l->batch_first ? first : x }, { true, 3, w }, { true, 3, r }, { l->biased, 2, b }, { l->lens, 1, NULL },
        { l->states, 3, h }, { l->states && l->lstm, 3, h }, { l->peephole && l->lstm, 2, p } };
    char text[24];

    for (int i = 0; i < (l->lstm ? 8 : 6); i++) {
        at[i] = in[i].there ? (int)t->n_in : -1;
        snprintf(text, sizeof text, "%lld", (long long)l->batch);
        if (!in[i].there)
            run_absent(t);
        else if (i == 4)
            run_input(t, MQ_INT32, text, l->len, false);
        else
            input(t, in[i].rank, in[i].dims, NULL);
    }
}

static void one_layer(bool lstm)
{
    static const int of[] = { 0, 1, 2, 3, 5, 6, 7 };
    const layer l = any_layer(lstm);
    const size_t n_y = lstm ? 3 : 2;
    int at[8] = { 0 };
    char text[24];
    probe p;
    run_one g;

    run_open(&p.f, "", lstm ? "LSTM" : "GRU");
    set_layer(&p.f, &l);
    layer_inputs(&p.f, &l, at);
    probe_all(&p, n_y, n_y);
    run_open(&g, "mq", lstm ? "LSTMGrad" : "GRUGrad");
    g.reference = true;
    set_layer(&g, &l);
    snprintf(text, sizeof text, "%lld", (long long)l.batch);
    for (int i = 0; i < (lstm ? 8 : 6); i++) {
        if (at[i] < 0)
            run_absent(&g);
        else if (i == 4)
            run_input(&g, MQ_INT32, text, l.len, false);
        else
            copy_of(&g, p.f.in[at[i]]);
    }
    for (size_t i = 0; i < n_y; i++)
        copy_of(&g, p.dy[i]);
    /* the node names only gradients of inputs that are there: run_node names the first ones, so absent ones end the list */
    size_t n = 3;
    while (n < (lstm ? 7u : 5u) && at[of[n]] >= 0)
        n++;
    run_node(&g, n);
    for (size_t i = 0; i < n; i++)
        check(&p, (size_t)at[of[i]], g.out[i]);
    run_close(&g);
    probe_close(&p);
}

static void test_recurrent(void **state)
{
    (void)state;
    for (uint64_t k = 1; k <= 80; k++) {
        seed = k;
        one_layer(k % 2);
    }
}

/* Shapes that cannot be are refused. */
static void refuse(const char *op, const char *a, const char *b, const char *third)
{
    const char *const dims[] = { a, b, third };
    run_one g;

    run_open(&g, "mq", op);
    g.reference = true;
    for (int i = 0; i < 3 && dims[i]; i++)
        run_f32(&g, dims[i], NULL);
    assert_int_equal(run_try(&g, 1), MQ_ERR_INPUT);
    run_close(&g);
}

static void test_refused(void **state)
{
    (void)state;
    refuse("ConvGradInput", "1,2,4", "2,3,3", "1,3,7");
    refuse("ConvGradInput", "1,2,5", "2,3,3", "1,4,7");
    refuse("ConvGradWeight", "1,3,7", "1,2,6", "2,3,3");
    refuse("MaxPoolGrad", "1,3,7", "1,3,7", NULL);
    refuse("GlobalAveragePoolGrad", "1,3", "1,2,4", NULL);
    refuse("ReluGrad", "3", "4", NULL);
    refuse("SoftmaxGrad", "3", "3,1", NULL);
    refuse("ReduceTo", "3,4", "3", NULL);
    refuse("ReduceTo", "3", "1,3", NULL);
    refuse("LayerNormGrad", "3,4", "4,3", "4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv),       cmocka_unit_test(test_pool),
        cmocka_unit_test(test_max_ties),   cmocka_unit_test(test_batch_norm),
        cmocka_unit_test(test_batch_norm_is_onnx),
        cmocka_unit_test(test_layer_norm), cmocka_unit_test(test_softmax),
        cmocka_unit_test(test_relu),       cmocka_unit_test(test_reduce_to),
        cmocka_unit_test(test_gather),     cmocka_unit_test(test_slice),
        cmocka_unit_test(test_recurrent),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
