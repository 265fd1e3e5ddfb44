/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* LSTMGrad, GRUGrad and RNNGrad in double against central finite differences, over random shapes, attributes and inputs
 * that are there, within 1e-6; in float against double. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "grad_probe.h"

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
    bool lstm, plain, lens, biased, states, peephole, before_reset, batch_first;
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
        set_strings(t, "activations", l->lstm ? acts : gru_acts, (size_t)l->dirs * (l->lstm ? 3 : l->plain ? 1 : 2));
}

static layer any_layer(bool lstm, bool plain)
{
    layer l = { .lstm = lstm, .plain = plain, .lens = pick(0, 1), .biased = pick(0, 2), .states = pick(0, 2),
                .peephole = pick(0, 1),
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
    const int64_t n = (l->lstm ? 4 : l->plain ? 1 : 3) * l->hidden, x[] = { l->seq, l->batch, l->input };
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

static void one_layer(bool lstm, bool plain)
{
    static const int of[] = { 0, 1, 2, 3, 5, 6, 7 };
    const layer l = any_layer(lstm, plain);
    const size_t n_y = lstm ? 3 : 2;
    int at[8] = { 0 };
    char text[24];
    probe p;
    run_one g;

    run_open(&p.f, "", lstm ? "LSTM" : plain ? "RNN" : "GRU");
    set_layer(&p.f, &l);
    layer_inputs(&p.f, &l, at);
    probe_all(&p, n_y, n_y);
    run_open(&g, "mq", lstm ? "LSTMGrad" : plain ? "RNNGrad" : "GRUGrad");
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
    grad_close(&g);
    probe_close(&p);
}

static void test_recurrent(void **state)
{
    (void)state;
    for (uint64_t k = 1; k <= 120; k++) {
        seed = k;
        one_layer(k % 3 == 0, k % 3 == 1);
    }
}

/* What has no gradient here is said so. */
static void test_unsupported(void **state)
{
    run_one g;

    (void)state;
    for (int k = 0; k < 2; k++) {
        run_open(&g, "mq", "LSTMGrad");
        if (k)
            set_int(&g, "input_forget", 1);
        else
            assert_int_equal(mq_node_set_attr_float(g.node, "clip", 0.5f, NULL), MQ_OK);
        run_f32(&g, "2,1,3", NULL);
        run_f32(&g, "1,8,3", NULL);
        run_f32(&g, "1,8,2", NULL);
        assert_int_equal(run_try(&g, 1), MQ_ERR_UNSUPPORTED);
        run_close(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recurrent),
        cmocka_unit_test(test_unsupported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
