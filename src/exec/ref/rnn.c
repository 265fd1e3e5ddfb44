/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* RNN, GRU and LSTM: the input's part of all gates is one product for the whole sequence; then step by step the state's.
 * A batch row whose sequence has ended keeps its state; reversed ones start at their own end. */
#include "exec/ref/rnn.h"

#include <math.h>
#include <string.h>

#include "exec/ref/families.h"
#include "exec/ref/util.h"

enum { IN_X, IN_W, IN_R, IN_B, IN_LENS, IN_H, IN_C, IN_P };

#define T float
#define N(name) name##_f32
#include "exec/ref/rnn.inc"
#undef T
#undef N
#define T double
#define N(name) name##_f64
#include "exec/ref/rnn.inc"
#undef T
#undef N

/* ---- reading ------------------------------------------------------------------------------------------------------ */

/* The next of the numbers that functions with a parameter take in turn. */
static void take(const mq_attr *list, size_t *next, double *out)
{
    if (list && list->type == MQ_ATTR_FLOATS && *next < list->n)
        *out = (double)list->floats[(*next)++];
}

static mq_status read_activations(mq_call *c, mq_rnn *l)
{
    static const char *const usual[][3] = { { "Tanh" }, { "Sigmoid", "Tanh" }, { "Sigmoid", "Tanh", "Tanh" } };
    const mq_attr *names = mq_node_attr(c->node, "activations");
    const mq_attr *alpha = mq_node_attr(c->node, "activation_alpha"), *beta = mq_node_attr(c->node, "activation_beta");
    const size_t n = (size_t)l->dirs * (size_t)l->functions;
    size_t next_alpha = 0, next_beta = 0;

    if (names && names->type == MQ_ATTR_STRINGS && names->n > 0 && names->n != n)
        return mq_call_fail(c, "attribute 'activations' has %zu elements; %zu are wanted", names->n, n);
    for (size_t i = 0; i < n; i++) {
        const char *name = usual[l->kind][i % (size_t)l->functions];
        const mq_bytes s = names && names->type == MQ_ATTR_STRINGS && names->n > 0 ? names->strings[i]
                                                                                   : (mq_bytes){ name, strlen(name) };
        mq_activation *a = &l->act[i];
        if (!mq_activation_find(s, a) || a->kind == MQ_ACT_CLIP || a->kind == MQ_ACT_GELU || a->kind == MQ_ACT_GELU_TANH)
            return mq_call_fail(c, "activation '%.*s' is not known", (int)s.n, (const char *)s.data);
        switch (a->kind) {
        case MQ_ACT_AFFINE:
        case MQ_ACT_HARD_SIGMOID:
        case MQ_ACT_SCALED_TANH:
            take(alpha, &next_alpha, &a->alpha);
            take(beta, &next_beta, &a->beta);
            break;
        case MQ_ACT_ELU:
        case MQ_ACT_LEAKY_RELU:
        case MQ_ACT_THRESHOLDED_RELU: take(alpha, &next_alpha, &a->alpha); break;
        default: break;
        }
    }
    return MQ_OK;
}

/* Input i, when it is there: these dims, of the layer's element type. */
static mq_status check_dims(mq_call *c, const mq_rnn *l, size_t i, int rank, const int64_t *dims)
{
    if (!mq_call_has(c, i))
        return MQ_OK;
    const mq_array *a = c->in[i];
    bool ok = a->rank == rank;
    for (int d = 0; ok && d < rank; d++)
        ok = a->dims[d] == dims[d];
    if (!ok) {
        char text[160];
        mq_array_text(a, text, sizeof text);
        return mq_call_fail(c, "input %zu is %s, which does not fit the others", i, text);
    }
    if (a->dtype != l->dtype)
        return mq_call_fail(c, "input %zu has element type %s, not %s", i, mq_dtype_name(a->dtype), mq_dtype_name(l->dtype));
    return MQ_OK;
}

static mq_status read_sizes(mq_call *c, mq_rnn *l)
{
    const mq_array *x = c->in[IN_X], *w = c->in[IN_W], *r = c->in[IN_R];

    if (x->dtype != MQ_FLOAT && x->dtype != MQ_DOUBLE)
        return mq_call_bad_type(c, x->dtype);
    l->dtype = x->dtype;
    if (x->rank != 3 || w->rank != 3 || r->rank != 3)
        return mq_call_fail(c, "X, W and R have ranks %d, %d and %d; 3 is wanted", x->rank, w->rank, r->rank);
    l->seq = x->dims[l->batch_first];
    l->batch = x->dims[!l->batch_first];
    l->input = x->dims[2];
    l->hidden = l->by_row ? r->dims[1] : r->dims[2];
    const int64_t rows = l->by_row ? w->dims[2] : w->dims[1], cols = l->by_row ? w->dims[1] : w->dims[2];
    if (w->dims[0] != l->dirs || r->dims[0] != l->dirs || cols != l->input || rows / l->gates != l->hidden ||
        rows % l->gates || (l->by_row ? r->dims[2] : r->dims[1]) != rows)
        return mq_call_fail(c, "W and R do not fit each other, X and 'direction'");
    if (mq_node_attr_int(c->node, "hidden_size", l->hidden) != l->hidden)
        return mq_call_fail(c, "attribute 'hidden_size' is not the weights' %lld", (long long)l->hidden);
    return MQ_OK;
}

static mq_status check_optional(mq_call *c, const mq_rnn *l)
{
    const int64_t bias[] = { l->dirs, 2 * l->gates * l->hidden }, peep[] = { l->dirs, 3 * l->hidden };
    const int64_t first = l->batch_first ? l->batch : l->dirs, second = l->batch_first ? l->dirs : l->batch;
    const int64_t state[] = { first, second, l->hidden };
    mq_status rc = MQ_OK;

    MQ_TRY(check_dims(c, l, IN_B, 2, bias));
    MQ_TRY(check_dims(c, l, IN_H, 3, state));
    if (l->kind == MQ_RNN_LSTM) {
        MQ_TRY(check_dims(c, l, IN_C, 3, state));
        MQ_TRY(check_dims(c, l, IN_P, 2, peep));
    }
    const mq_array *lens = mq_call_has(c, IN_LENS) ? c->in[IN_LENS] : NULL;
    if (lens && (lens->dtype != MQ_INT32 || lens->rank != 1 || lens->dims[0] != l->batch))
        return mq_call_fail(c, "sequence_lens must be a list of %lld int32", (long long)l->batch);
    for (size_t i = 0; lens && i < lens->count; i++) {
        const int64_t n = mq_array_i64(lens, i);
        if (n < 0 || n > l->seq)
            return mq_call_fail(c, "a sequence has length %lld; 0 to %lld are allowed", (long long)n, (long long)l->seq);
    }
done:
    return rc;
}

mq_status mq_rnn_read(mq_call *c, mq_rnn_kind kind, bool by_row, mq_rnn *l)
{
    static const int gates[] = { 1, 3, 4 }, functions[] = { 1, 2, 3 };
    const mq_attr *clip = mq_node_attr(c->node, "clip");
    const bool both = mq_node_attr_is(c->node, "direction", "bidirectional");
    mq_status rc = MQ_OK;

    memset(l, 0, sizeof *l);
    MQ_TRY(mq_call_need(c, 3));
    l->kind = kind;
    l->by_row = by_row;
    l->gates = gates[kind];
    l->functions = functions[kind];
    l->dirs = both ? 2 : 1;
    l->reverse_only = mq_node_attr_is(c->node, "direction", "reverse");
    if (!both && !l->reverse_only && mq_node_attr(c->node, "direction") && !mq_node_attr_is(c->node, "direction", "forward"))
        return mq_call_fail(c, "attribute 'direction' must be forward, reverse or bidirectional");
    l->batch_first = mq_node_attr_int(c->node, "layout", 0) != 0;
    l->before_reset = mq_node_attr_int(c->node, "linear_before_reset", 0) != 0;
    l->coupled = mq_node_attr_int(c->node, "input_forget", 0) != 0;
    l->clip = clip && clip->type == MQ_ATTR_FLOAT && clip->f > 0 ? (double)clip->f : (double)INFINITY;
    l->w = c->in[IN_W]->data;
    l->r = c->in[IN_R]->data;
    MQ_TRY(read_sizes(c, l));
    MQ_TRY(check_optional(c, l));
    MQ_TRY(read_activations(c, l));
done:
    return rc;
}

/* ---- running ------------------------------------------------------------------------------------------------------ */

/* One direction at work. All memory is of the layer's element type. */
typedef struct run {
    mq_call *c;
    mq_rnn *l;
    int dir;
    bool reverse;
    size_t elem;
    char *gates;         /* of the input: [row of X][gates * hidden] */
    char *from_state;    /* [batch][gates * hidden] */
    char *state, *cell;  /* [batch][hidden] */
    char *reset;         /* [batch][hidden]: r * h */
    mq_gemm step;        /* from_state from state */
} run;

static int64_t length_of(const run *r, int64_t b)
{
    return mq_call_has(r->c, IN_LENS) ? mq_array_i64(r->c->in[IN_LENS], (size_t)b) : r->l->seq;
}

/* Element offset of state row b in initial_h, Y_h, ... */
static int64_t state_at(const run *r, int64_t b)
{
    const mq_rnn *l = r->l;

    return (l->batch_first ? b * l->dirs + r->dir : r->dir * l->batch + b) * l->hidden;
}

static const void *row_of(const run *r, size_t i, int64_t n)
{
    return mq_call_has(r->c, i) ? (const char *)r->c->in[i]->data + (size_t)(r->dir * n) * r->elem : NULL;
}

/* Weights of a direction as the right side of a product. */
static void weights(const run *r, const void *w, int64_t width, int64_t first_gate, mq_gemm *g)
{
    const mq_rnn *l = r->l;
    const int64_t rows = l->gates * l->hidden;

    g->b_row = l->by_row ? rows : 1;
    g->b_col = l->by_row ? 1 : width;
    g->b = (const char *)w + (size_t)(r->dir * rows * width + first_gate * l->hidden * g->b_col) * r->elem;
}

/* gates = X W + biases, for all steps. */
static mq_status input_gates(run *r)
{
    const mq_rnn *l = r->l;
    const mq_array *x = r->c->in[IN_X];
    const int64_t rows = l->seq * l->batch, n = l->gates * l->hidden;
    mq_gemm g = { .dtype = l->dtype, .m = rows, .n = n, .k = l->input, .a = x->data, .a_row = l->input, .a_col = 1,
                  .c = r->gates, .c_row = n, .batch = 1 };
    mq_status rc = MQ_OK;

    if (l->prepare && x->count > 0) {
        float *copy = mq_call_scratch(r->c, x->count * sizeof *copy);
        if (!copy)
            return MQ_ERR_NOMEM;
        l->prepare(x->data, copy, (int64_t)x->count);
        g.a = copy;
    }
    weights(r, l->w, l->input, 0, &g);
    MQ_TRY(mq_gemm_run(r->c, &g));
    const void *b = row_of(r, IN_B, 2 * n);
    const int64_t without = l->kind == MQ_RNN_GRU && l->before_reset ? l->hidden : 0;
    if (b && l->dtype == MQ_FLOAT)
        add_bias_f32((float *)(void *)r->gates, rows, n, b, without);
    else if (b)
        add_bias_f64((double *)(void *)r->gates, rows, n, b, without);
done:
    return rc;
}

/* from_state's gates from `first` on = a R. */
static mq_status state_gates(run *r, const void *a, int64_t first, int64_t count)
{
    const mq_rnn *l = r->l;
    mq_gemm *g = &r->step;
    mq_status rc = MQ_OK;

    g->a = a;
    g->n = count * l->hidden;
    g->c = r->from_state + (size_t)(first * l->hidden) * r->elem;
    weights(r, l->r, l->hidden, first, g);
    MQ_TRY(mq_gemm_run(r->c, g));
done:
    return rc;
}

/* The time of step s for batch row b; -1: its sequence has ended. */
static int64_t time_of(const run *r, int64_t s, int64_t b)
{
    const int64_t n = length_of(r, b);

    return s >= n ? -1 : r->reverse ? n - 1 - s : s;
}

static void *gates_at(const run *r, int64_t t, int64_t b)
{
    const mq_rnn *l = r->l;
    const int64_t row = l->batch_first ? b * l->seq + t : t * l->batch + b;

    return r->gates + (size_t)(row * l->gates * l->hidden) * r->elem;
}

/* Row b's new state, but for GRU only up to the reset gate (`part` 0) or from there (1). */
static void cell_row(const run *r, int64_t s, int64_t b, int part)
{
    const mq_rnn *l = r->l;
    const int64_t t = time_of(r, s, b), n = l->hidden;
    if (t < 0)
        return;
    void *x = gates_at(r, t, b), *state = r->state + (size_t)(b * n) * r->elem, *cell = r->cell + (size_t)(b * n) * r->elem;
    char *h = r->from_state + (size_t)(b * l->gates * n) * r->elem;
    const void *last = h + (size_t)(2 * n) * r->elem, *p = l->kind == MQ_RNN_LSTM ? row_of(r, IN_P, 3 * n) : NULL;
    const char *b0 = row_of(r, IN_B, 2 * l->gates * n);
    const void *bias = b0 && l->kind == MQ_RNN_GRU ? b0 + (size_t)(5 * n) * r->elem : NULL;
    void *reset = r->reset + (size_t)(b * n) * r->elem;

    if (l->dtype == MQ_FLOAT) {
        if (l->kind == MQ_RNN_PLAIN) {
            plain_f32(l, r->dir, x, (float *)(void *)h, state);
        } else if (l->kind == MQ_RNN_LSTM) {
            lstm_f32(l, r->dir, x, (float *)(void *)h, p, state, cell);
        } else if (part == 0) {
            gru_reset_f32(l, r->dir, x, (float *)(void *)h);
            product_f32(reset, (float *)x + n, state, n);
        } else {
            gru_finish_f32(l, r->dir, x, last, bias, state);
        }
    } else if (l->kind == MQ_RNN_PLAIN) {
        plain_f64(l, r->dir, x, (double *)(void *)h, state);
    } else if (l->kind == MQ_RNN_LSTM) {
        lstm_f64(l, r->dir, x, (double *)(void *)h, p, state, cell);
    } else if (part == 0) {
        gru_reset_f64(l, r->dir, x, (double *)(void *)h);
        product_f64(reset, (double *)x + n, state, n);
    } else {
        gru_finish_f64(l, r->dir, x, last, bias, state);
    }
}

static void all_rows(const run *r, int64_t s, int part)
{
    const int threads = mq_call_threads(r->c, 8 * r->l->batch * r->l->gates * r->l->hidden);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t b = 0; b < r->l->batch; b++)
        cell_row(r, s, b, part);
}

static mq_status run_step(run *r, int64_t s)
{
    const mq_rnn *l = r->l;
    const bool split = l->kind == MQ_RNN_GRU && !l->before_reset;
    const int64_t n = l->hidden;
    const void *state = r->state;
    mq_status rc = MQ_OK;

    if (l->prepare) {
        l->prepare((const float *)(const void *)r->state, (float *)(void *)r->reset, l->batch * n);
        state = r->reset;
    }
    MQ_TRY(state_gates(r, state, 0, split ? 2 : l->gates));
    all_rows(r, s, 0);
    if (split)
        MQ_TRY(state_gates(r, r->reset, 2, 1));
    if (l->kind == MQ_RNN_GRU)
        all_rows(r, s, 1);
    for (int64_t b = 0; mq_call_wants(r->c, 0) && b < l->batch; b++) {
        const int64_t t = time_of(r, s, b);
        const int64_t at = l->batch_first ? (b * l->seq + t) * l->dirs + r->dir : (t * l->dirs + r->dir) * l->batch + b;
        if (t >= 0)
            memcpy((char *)r->c->out[0]->data + (size_t)(at * n) * r->elem, r->state + (size_t)(b * n) * r->elem,
                   (size_t)n * r->elem);
    }
done:
    return rc;
}

/* States from an input (or zero), or to an output. */
static void move_states(const run *r, char *rows, const mq_array *from, mq_array *to)
{
    const size_t row = (size_t)r->l->hidden * r->elem;

    for (int64_t b = 0; b < r->l->batch; b++) {
        const size_t at = (size_t)state_at(r, b) * r->elem;
        if (to)
            memcpy((char *)to->data + at, rows + (size_t)b * row, row);
        else if (from)
            memcpy(rows + (size_t)b * row, (const char *)from->data + at, row);
        else
            memset(rows + (size_t)b * row, 0, row);
    }
}

static mq_status run_direction(run *r)
{
    const mq_rnn *l = r->l;
    const bool lstm = l->kind == MQ_RNN_LSTM;
    mq_status rc = MQ_OK;

    move_states(r, r->state, mq_call_has(r->c, IN_H) ? r->c->in[IN_H] : NULL, NULL);
    move_states(r, r->cell, lstm && mq_call_has(r->c, IN_C) ? r->c->in[IN_C] : NULL, NULL);
    MQ_TRY(input_gates(r));
    for (int64_t s = 0; s < l->seq; s++)
        MQ_TRY(run_step(r, s));
    if (mq_call_wants(r->c, 1))
        move_states(r, r->state, NULL, r->c->out[1]);
    if (lstm && mq_call_wants(r->c, 2))
        move_states(r, r->cell, NULL, r->c->out[2]);
done:
    return rc;
}

mq_status mq_rnn_run(mq_call *c, mq_rnn *l)
{
    const int64_t first = l->batch_first ? l->batch : l->dirs, second = l->batch_first ? l->dirs : l->batch;
    const int64_t state[] = { first, second, l->hidden };
    const int64_t y0[] = { l->seq, l->dirs, l->batch, l->hidden }, y1[] = { l->batch, l->seq, l->dirs, l->hidden };
    run r = { .c = c, .l = l, .elem = (size_t)mq_dtype_bits(l->dtype) / 8 };
    void *y = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_out(c, 0, l->dtype, 4, l->batch_first ? y1 : y0, &y));
    MQ_TRY(mq_call_out(c, 1, l->dtype, 3, state, NULL));
    if (l->kind == MQ_RNN_LSTM)
        MQ_TRY(mq_call_out(c, 2, l->dtype, 3, state, NULL));
    if (y)
        memset(y, 0, mq_array_bytes(c->out[0]));
    if (l->batch == 0 || l->hidden == 0)
        return MQ_OK;
    if ((double)l->seq * (double)l->batch * (double)l->gates * (double)l->hidden > 1e15)
        return mq_call_fail(c, "the sequence is too long");
    const size_t rows = (size_t)l->batch * r.elem, n = (size_t)l->hidden;
    r.gates = mq_call_scratch(c, rows * n * (size_t)l->seq * (size_t)l->gates + 1);
    r.from_state = mq_call_scratch(c, rows * n * (size_t)l->gates);
    r.state = mq_call_scratch(c, rows * n);
    r.cell = mq_call_scratch(c, rows * n);
    r.reset = mq_call_scratch(c, rows * n);
    r.step = (mq_gemm){ .dtype = l->dtype, .m = l->batch, .n = l->gates * l->hidden, .k = l->hidden, .a_row = l->hidden,
                        .a_col = 1, .c_row = l->gates * l->hidden, .batch = 1 };
    r.step.scratch = mq_call_scratch(c, mq_gemm_scratch(&r.step) * (size_t)c->n_threads);
    if (!r.gates || !r.from_state || !r.state || !r.cell || !r.reset || !r.step.scratch)
        return MQ_ERR_NOMEM;
    for (r.dir = 0; r.dir < l->dirs; r.dir++) {
        r.reverse = l->reverse_only || r.dir == 1;
        MQ_TRY(run_direction(&r));
    }
done:
    return rc;
}

static mq_status run_kind(mq_call *c, mq_rnn_kind kind)
{
    mq_rnn l;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_rnn_read(c, kind, false, &l));
    if (c->in[IN_W]->dtype != l.dtype || c->in[IN_R]->dtype != l.dtype)
        return mq_call_fail(c, "X, W and R have different element types");
    MQ_TRY(mq_rnn_run(c, &l));
done:
    return rc;
}

static mq_status op_rnn(mq_call *c)
{
    return run_kind(c, MQ_RNN_PLAIN);
}

static mq_status op_gru(mq_call *c)
{
    return run_kind(c, MQ_RNN_GRU);
}

static mq_status op_lstm(mq_call *c)
{
    return run_kind(c, MQ_RNN_LSTM);
}

const mq_kernel mq_kernels_rnn[] = {
    { "", "GRU", op_gru, MQ_KERNEL_WIDEN },
    { "", "LSTM", op_lstm, MQ_KERNEL_WIDEN },
    { "", "RNN", op_rnn, MQ_KERNEL_WIDEN },
    { 0 },
};
