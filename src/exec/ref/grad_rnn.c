/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* LSTMGrad, GRUGrad and RNNGrad (ops/grad_ops.h), in double: the forward pass is computed again and kept, then steps are
 * walked back (Werbos 1990); products over all steps make the gradients of weights and input. Rows of all arrays stand
 * in the order in which steps run, [step][batch row]; a row whose sequence has ended has gradients of zero there and
 * hands its state on. */
#include <math.h>
#include <string.h>

#include "exec/ref/families.h"
#include "exec/ref/grad_core.h"
#include "exec/ref/rnn.h"
#include "exec/ref/util.h"
#include "ops/grad_ops.h"

enum { IN_X, IN_W, IN_R, IN_B, IN_LENS, IN_H, IN_C, IN_P, MOST_IN = 11 };
enum { OUT_X, OUT_W, OUT_R, OUT_B, OUT_H, OUT_C, OUT_P, MOST_OUT };
enum { LSTM_I, LSTM_O, LSTM_F, LSTM_C };
enum { GRU_Z, GRU_R, GRU_H };

typedef struct back {
    mq_call *c;
    mq_rnn l;
    int dir;
    bool reverse;
    int64_t rows, n;             /* seq * batch; gates * hidden */
    const double *in[MOST_IN];   /* NULL: absent */
    const double *dy, *dy_h, *dy_c;
    mq_grad_out out[MOST_OUT];
    double *x;                   /* [rows][input] */
    double *gates;               /* [rows][n], activated */
    double *states, *cells;      /* [rows + batch][hidden]: before each step, and at the end */
    double *inner;               /* GRU, [rows][hidden]: what R's last gate sees or gives, by linear_before_reset */
    double *d_gates, *d_state;   /* [rows][n]: of the gates before activation, by their input's and their state's part */
    double *dh, *dc, *from;      /* [batch][hidden] (from: [batch][n]) */
} back;

/* ---- places ------------------------------------------------------------------------------------------------------- */

static int64_t time_of(const back *k, int64_t s, int64_t b)
{
    const int64_t n = mq_call_has(k->c, IN_LENS) ? mq_array_i64(k->c->in[IN_LENS], (size_t)b) : k->l.seq;

    return s >= n ? -1 : k->reverse ? n - 1 - s : s;
}

static int64_t x_at(const back *k, int64_t t, int64_t b)
{
    return (k->l.batch_first ? b * k->l.seq + t : t * k->l.batch + b) * k->l.input;
}

static int64_t y_at(const back *k, int64_t t, int64_t b)
{
    const mq_rnn *l = &k->l;

    return (l->batch_first ? (b * l->seq + t) * l->dirs + k->dir : (t * l->dirs + k->dir) * l->batch + b) * l->hidden;
}

static int64_t state_at(const back *k, int64_t b)
{
    return (k->l.batch_first ? b * k->l.dirs + k->dir : k->dir * k->l.batch + b) * k->l.hidden;
}

/* A direction's part of an input of `size` for each direction. */
static const double *part(const back *k, size_t i, int64_t size)
{
    return k->in[i] ? k->in[i] + k->dir * size : NULL;
}

/* ---- activations -------------------------------------------------------------------------------------------------- */

static void activate(const back *k, int which, double *x)
{
    mq_activation_run(&k->l.act[k->dir * k->l.functions + which], MQ_DOUBLE, x, k->l.hidden);
}

/* The slope where the result is y. */
static double slope(const back *k, int which, double y)
{
    const mq_activation *a = &k->l.act[k->dir * k->l.functions + which];

    switch (a->kind) {
    case MQ_ACT_AFFINE: return a->alpha;
    case MQ_ACT_ELU: return y > 0 ? 1 : y + a->alpha;
    case MQ_ACT_HARD_SIGMOID: return y > 0 && y < 1 ? a->alpha : 0;
    case MQ_ACT_LEAKY_RELU: return y > 0 ? 1 : a->alpha;
    case MQ_ACT_RELU:
    case MQ_ACT_THRESHOLDED_RELU: return y > 0 ? 1 : 0;
    case MQ_ACT_SCALED_TANH: return a->beta * (a->alpha - y * y / a->alpha);
    case MQ_ACT_SIGMOID: return y * (1 - y);
    case MQ_ACT_SOFTPLUS: return 1 - exp(-y);
    case MQ_ACT_SOFTSIGN: return (1 - fabs(y)) * (1 - fabs(y));
    default: return 1 - y * y; /* Tanh */
    }
}

/* ---- products ----------------------------------------------------------------------------------------------------- */

/* to[m][n] = a b, each with its strides. */
static mq_status multiply(back *k, int64_t m, int64_t n, int64_t depth, const double *a, int64_t a_row, int64_t a_col,
                          const double *b, int64_t b_row, int64_t b_col, double *to, int64_t to_row)
{
    const mq_gemm g = { .dtype = MQ_DOUBLE, .m = m, .n = n, .k = depth, .a = a, .a_row = a_row, .a_col = a_col, .b = b,
                        .b_row = b_row, .b_col = b_col, .c = to, .c_row = to_row, .batch = 1 };

    return mq_gemm_run(k->c, &g);
}

/* from[b][gates first..first+count) = h R^T */
static mq_status state_product(back *k, const double *h, int64_t first, int64_t count)
{
    const int64_t hidden = k->l.hidden;
    const double *r = part(k, IN_R, k->n * hidden) + first * hidden * hidden;

    return multiply(k, k->l.batch, count * hidden, hidden, h, hidden, 1, r, 1, hidden, k->from + first * hidden, k->n);
}

/* to[b][hidden] = the gradients d (a step's rows) of gates first..first+count times R */
static mq_status state_gradient(back *k, const double *d, int64_t first, int64_t count, double *to)
{
    const int64_t hidden = k->l.hidden;
    const double *r = part(k, IN_R, k->n * hidden) + first * hidden * hidden;

    return multiply(k, k->l.batch, hidden, count * hidden, d + first * hidden, k->n, 1, r, hidden, 1, to, hidden);
}

/* ---- forward ------------------------------------------------------------------------------------------------------ */

/* x in the order of steps; gates = x W^T + biases. */
static mq_status start_gates(back *k)
{
    const mq_rnn *l = &k->l;
    const double *b = part(k, IN_B, 2 * k->n);
    mq_status rc = MQ_OK;

    for (int64_t row = 0; row < k->rows; row++) {
        const int64_t t = time_of(k, row / l->batch, row % l->batch);

        if (t < 0)
            memset(k->x + row * l->input, 0, (size_t)l->input * sizeof *k->x);
        else
            memcpy(k->x + row * l->input, k->in[IN_X] + x_at(k, t, row % l->batch), (size_t)l->input * sizeof *k->x);
    }
    MQ_TRY(multiply(k, k->rows, k->n, l->input, k->x, l->input, 1, part(k, IN_W, k->n * l->input), 1, l->input, k->gates,
                    k->n));
    const int64_t with = l->kind == MQ_RNN_GRU && l->before_reset ? 2 * l->hidden : k->n; /* state's bias comes later */
    for (int64_t row = 0; b && row < k->rows; row++)
        for (int64_t j = 0; j < k->n; j++)
            k->gates[row * k->n + j] += b[j] + (j < with ? b[k->n + j] : 0);
done:
    return rc;
}

static void plain_row(const back *k, int64_t row, const double *from)
{
    double *g = k->gates + row * k->n;

    for (int64_t j = 0; j < k->n; j++)
        g[j] += from[j];
    activate(k, 0, g);
    memcpy(k->states + (row + k->l.batch) * k->n, g, (size_t)k->n * sizeof *g);
}

static void lstm_row(const back *k, int64_t row, const double *from)
{
    const int64_t h = k->l.hidden, next = (row + k->l.batch) * h;
    const double *p = part(k, IN_P, 3 * h), *cell = k->cells + row * h;
    double *g = k->gates + row * k->n;

    for (int64_t j = 0; j < k->n; j++)
        g[j] += from[j];
    for (int64_t j = 0; p && j < h; j++) {
        g[LSTM_I * h + j] += p[j] * cell[j];
        g[LSTM_F * h + j] += p[2 * h + j] * cell[j];
    }
    activate(k, 0, g + LSTM_I * h);
    activate(k, 0, g + LSTM_F * h);
    activate(k, 1, g + LSTM_C * h);
    for (int64_t j = 0; j < h; j++) {
        const double c = g[LSTM_F * h + j] * cell[j] + g[LSTM_I * h + j] * g[LSTM_C * h + j];

        k->cells[next + j] = k->states[next + j] = c;
        g[LSTM_O * h + j] += p ? p[h + j] * c : 0;
    }
    activate(k, 0, g + LSTM_O * h);
    activate(k, 2, k->states + next);
    for (int64_t j = 0; j < h; j++)
        k->states[next + j] *= g[LSTM_O * h + j];
}

/* Up to the reset gate; inner is then what R's last gate makes of the state, or is to be given. */
static void gru_reset_row(const back *k, int64_t row, const double *from)
{
    const int64_t h = k->l.hidden;
    const double *b = part(k, IN_B, 2 * k->n), *state = k->states + row * h;
    double *g = k->gates + row * k->n, *inner = k->inner + row * h;

    for (int64_t j = 0; j < 2 * h; j++)
        g[j] += from[j];
    activate(k, 0, g + GRU_Z * h);
    activate(k, 0, g + GRU_R * h);
    for (int64_t j = 0; j < h; j++)
        inner[j] = k->l.before_reset ? from[2 * h + j] + (b ? b[k->n + 2 * h + j] : 0) : g[GRU_R * h + j] * state[j];
}

static void gru_finish_row(const back *k, int64_t row, const double *from)
{
    const int64_t h = k->l.hidden, next = (row + k->l.batch) * h;
    const double *state = k->states + row * h, *inner = k->inner + row * h;
    double *g = k->gates + row * k->n;

    for (int64_t j = 0; j < h; j++)
        g[GRU_H * h + j] += k->l.before_reset ? g[GRU_R * h + j] * inner[j] : from[2 * h + j];
    activate(k, 1, g + GRU_H * h);
    for (int64_t j = 0; j < h; j++)
        k->states[next + j] = (1 - g[GRU_Z * h + j]) * g[GRU_H * h + j] + g[GRU_Z * h + j] * state[j];
}

/* A row that has ended: its state stays, and what the gradient reads is zero. */
static void idle_row(const back *k, int64_t row)
{
    const int64_t h = k->l.hidden, next = (row + k->l.batch) * h;

    memcpy(k->states + next, k->states + row * h, (size_t)h * sizeof *k->states);
    memcpy(k->cells + next, k->cells + row * h, (size_t)h * sizeof *k->cells);
    memset(k->gates + row * k->n, 0, (size_t)k->n * sizeof *k->gates);
    memset(k->inner + row * h, 0, (size_t)h * sizeof *k->inner);
}

static mq_status forward_step(back *k, int64_t s)
{
    const mq_rnn *l = &k->l;
    const bool gru = l->kind == MQ_RNN_GRU, split = gru && !l->before_reset;
    const int64_t first = s * l->batch;
    const int threads = mq_call_threads(k->c, 32 * l->batch * k->n);
    mq_status rc = MQ_OK;

    MQ_TRY(state_product(k, k->states + first * l->hidden, 0, split ? 2 : l->gates));
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t b = 0; b < l->batch; b++) {
        if (time_of(k, s, b) < 0)
            idle_row(k, first + b);
        else if (gru)
            gru_reset_row(k, first + b, k->from + b * k->n);
        else if (l->kind == MQ_RNN_LSTM)
            lstm_row(k, first + b, k->from + b * k->n);
        else
            plain_row(k, first + b, k->from + b * k->n);
    }
    if (split)
        MQ_TRY(state_product(k, k->inner + first * l->hidden, GRU_H, 1));
    for (int64_t b = 0; gru && b < l->batch; b++)
        if (time_of(k, s, b) >= 0)
            gru_finish_row(k, first + b, k->from + b * k->n);
done:
    return rc;
}

/* ---- backward ----------------------------------------------------------------------------------------------------- */

static void plain_back_row(const back *k, int64_t row, double *dh)
{
    for (int64_t j = 0; j < k->n; j++) {
        k->d_gates[row * k->n + j] = dh[j] * slope(k, 0, k->gates[row * k->n + j]);
        dh[j] = 0;
    }
}

/* dh and dc are those behind the step, and become those before it, but for what comes through R. */
static void lstm_back_row(const back *k, int64_t row, double *dh, double *dc)
{
    const int64_t h = k->l.hidden;
    const double *p = part(k, IN_P, 3 * h), *before = k->cells + row * h, *after = k->cells + (row + k->l.batch) * h;
    const double *g = k->gates + row * k->n;
    const mq_activation *last = &k->l.act[k->dir * k->l.functions + 2];
    double *d = k->d_gates + row * k->n;

    for (int64_t j = 0; j < h; j++) {
        const double i = g[LSTM_I * h + j], o = g[LSTM_O * h + j], f = g[LSTM_F * h + j], c = g[LSTM_C * h + j];
        double of_cell = after[j];

        mq_activation_run(last, MQ_DOUBLE, &of_cell, 1);
        const double d_o = dh[j] * of_cell * slope(k, 0, o);
        const double all = dc[j] + dh[j] * o * slope(k, 2, of_cell) + (p ? d_o * p[h + j] : 0);
        const double d_i = all * c * slope(k, 0, i), d_f = all * before[j] * slope(k, 0, f);

        d[LSTM_I * h + j] = d_i;
        d[LSTM_O * h + j] = d_o;
        d[LSTM_F * h + j] = d_f;
        d[LSTM_C * h + j] = all * i * slope(k, 1, c);
        dc[j] = all * f + (p ? d_i * p[j] + d_f * p[2 * h + j] : 0);
        dh[j] = 0;
    }
}

/* Likewise; the reset gate's part follows where R's last gate reads behind it. */
static void gru_back_row(const back *k, int64_t row, double *dh)
{
    const int64_t h = k->l.hidden;
    const double *before = k->states + row * h, *g = k->gates + row * k->n, *inner = k->inner + row * h;
    double *d = k->d_gates + row * k->n, *e = k->d_state + row * k->n;

    for (int64_t j = 0; j < h; j++) {
        const double z = g[GRU_Z * h + j], r = g[GRU_R * h + j], y = g[GRU_H * h + j];
        const double d_h = dh[j] * (1 - z) * slope(k, 1, y);

        d[GRU_Z * h + j] = e[GRU_Z * h + j] = dh[j] * (before[j] - y) * slope(k, 0, z);
        d[GRU_H * h + j] = d_h;
        e[GRU_H * h + j] = k->l.before_reset ? d_h * r : d_h;
        d[GRU_R * h + j] = e[GRU_R * h + j] = k->l.before_reset ? d_h * inner[j] * slope(k, 0, r) : 0;
        dh[j] *= z;
    }
}

/* from: what the last gate's gradient gives to reset * state. */
static void gru_back_reset_row(const back *k, int64_t row, const double *from, double *dh)
{
    const int64_t h = k->l.hidden;
    const double *before = k->states + row * h, *r = k->gates + row * k->n + GRU_R * h;
    double *d = k->d_gates + row * k->n + GRU_R * h, *e = k->d_state + row * k->n + GRU_R * h;

    for (int64_t j = 0; j < h; j++) {
        d[j] = e[j] = from[j] * before[j] * slope(k, 0, r[j]);
        dh[j] += from[j] * r[j];
    }
}

static void back_row(const back *k, int64_t s, int64_t b)
{
    const mq_rnn *l = &k->l;
    const int64_t t = time_of(k, s, b), h = l->hidden, row = s * l->batch + b;
    double *dh = k->dh + b * h;

    if (t < 0) {
        memset(k->d_gates + row * k->n, 0, (size_t)k->n * sizeof *k->d_gates);
        memset(k->d_state + row * k->n, 0, (size_t)k->n * sizeof *k->d_state);
        return;
    }
    for (int64_t j = 0; k->dy && j < h; j++)
        dh[j] += k->dy[y_at(k, t, b) + j];
    if (l->kind == MQ_RNN_GRU)
        gru_back_row(k, row, dh);
    else if (l->kind == MQ_RNN_LSTM)
        lstm_back_row(k, row, dh, k->dc + b * h);
    else
        plain_back_row(k, row, dh);
}

static mq_status back_step(back *k, int64_t s)
{
    const mq_rnn *l = &k->l;
    const bool split = l->kind == MQ_RNN_GRU && !l->before_reset;
    const int64_t first = s * l->batch, h = l->hidden;
    const int threads = mq_call_threads(k->c, 32 * l->batch * k->n);
    const double *d = (l->kind == MQ_RNN_GRU ? k->d_state : k->d_gates) + first * k->n;
    mq_status rc = MQ_OK;

#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t b = 0; b < l->batch; b++)
        back_row(k, s, b);
    if (split) {
        MQ_TRY(state_gradient(k, d, GRU_H, 1, k->from));
        for (int64_t b = 0; b < l->batch; b++)
            if (time_of(k, s, b) >= 0)
                gru_back_reset_row(k, first + b, k->from + b * h, k->dh + b * h);
    }
    MQ_TRY(state_gradient(k, d, 0, split ? 2 : l->gates, k->from));
    for (int64_t i = 0; i < l->batch * h; i++)
        k->dh[i] += k->from[i];
done:
    return rc;
}

/* ---- what the steps add up to ------------------------------------------------------------------------------------- */

static void bias_gradient(const back *k, const double *e)
{
    double *db = k->out[OUT_B].data + k->dir * 2 * k->n;

    memset(db, 0, 2 * (size_t)k->n * sizeof *db);
    for (int64_t row = 0; row < k->rows; row++)
        for (int64_t j = 0; j < k->n; j++) {
            db[j] += k->d_gates[row * k->n + j];
            db[k->n + j] += e[row * k->n + j];
        }
}

static void peephole_gradient(const back *k)
{
    const int64_t h = k->l.hidden;
    double *dp = k->out[OUT_P].data + k->dir * 3 * h;

    memset(dp, 0, 3 * (size_t)h * sizeof *dp);
    for (int64_t row = 0; row < k->rows; row++)
        for (int64_t j = 0; j < h; j++) {
            const double *d = k->d_gates + row * k->n, before = k->cells[row * h + j];

            dp[j] += d[LSTM_I * h + j] * before;
            dp[h + j] += d[LSTM_O * h + j] * k->cells[(row + k->l.batch) * h + j];
            dp[2 * h + j] += d[LSTM_F * h + j] * before;
        }
}

/* dx of this direction is added to what the other one gave. x's memory is used for it. */
static mq_status input_gradient(back *k)
{
    const mq_rnn *l = &k->l;
    mq_status rc = MQ_OK;

    MQ_TRY(multiply(k, k->rows, l->input, k->n, k->d_gates, k->n, 1, part(k, IN_W, k->n * l->input), l->input, 1, k->x,
                    l->input));
    for (int64_t row = 0; row < k->rows; row++) {
        const int64_t t = time_of(k, row / l->batch, row % l->batch);

        for (int64_t j = 0; t >= 0 && j < l->input; j++)
            k->out[OUT_X].data[x_at(k, t, row % l->batch) + j] += k->x[row * l->input + j];
    }
done:
    return rc;
}

/* Sums over all rows: dW = d^T x, dR = e^T h; R's last gate of a GRU may have seen reset * h. */
static mq_status finish(back *k)
{
    const mq_rnn *l = &k->l;
    const bool gru = l->kind == MQ_RNN_GRU;
    const double *e = gru ? k->d_state : k->d_gates;
    const int64_t h = l->hidden, direct = gru && !l->before_reset ? 2 * h : k->n;
    double *dr = k->out[OUT_R].data + k->dir * k->n * h;
    mq_status rc = MQ_OK;

    MQ_TRY(multiply(k, k->n, l->input, k->rows, k->d_gates, 1, k->n, k->x, l->input, 1,
                    k->out[OUT_W].data + k->dir * k->n * l->input, l->input));
    MQ_TRY(multiply(k, direct, h, k->rows, e, 1, k->n, k->states, h, 1, dr, h));
    if (direct < k->n)
        MQ_TRY(multiply(k, h, h, k->rows, e + direct, 1, k->n, k->inner, h, 1, dr + direct * h, h));
    if (mq_call_wants(k->c, OUT_B) && k->in[IN_B])
        bias_gradient(k, e);
    if (l->kind == MQ_RNN_LSTM && mq_call_wants(k->c, OUT_P) && k->in[IN_P])
        peephole_gradient(k);
    MQ_TRY(input_gradient(k));
done:
    return rc;
}

/* ---- the whole ---------------------------------------------------------------------------------------------------- */

/* rows = a state by batch row, or zero. */
static void read_state(const back *k, const double *from, double *rows)
{
    const size_t n = (size_t)k->l.hidden;

    for (int64_t b = 0; b < k->l.batch; b++) {
        if (from)
            memcpy(rows + b * k->l.hidden, from + state_at(k, b), n * sizeof *rows);
        else
            memset(rows + b * k->l.hidden, 0, n * sizeof *rows);
    }
}

static void write_state(const back *k, const double *rows, size_t out)
{
    for (int64_t b = 0; b < k->l.batch; b++)
        memcpy(k->out[out].data + state_at(k, b), rows + b * k->l.hidden, (size_t)k->l.hidden * sizeof *rows);
}

static mq_status run_direction(back *k)
{
    mq_status rc = MQ_OK;

    read_state(k, k->in[IN_H], k->states);
    read_state(k, k->l.kind == MQ_RNN_LSTM ? k->in[IN_C] : NULL, k->cells);
    MQ_TRY(start_gates(k));
    for (int64_t s = 0; s < k->l.seq; s++)
        MQ_TRY(forward_step(k, s));
    read_state(k, k->dy_h, k->dh);
    read_state(k, k->dy_c, k->dc);
    for (int64_t s = k->l.seq; s-- > 0;)
        MQ_TRY(back_step(k, s));
    MQ_TRY(finish(k));
    if (mq_call_wants(k->c, OUT_H) && k->in[IN_H])
        write_state(k, k->dh, OUT_H);
    if (k->l.kind == MQ_RNN_LSTM && mq_call_wants(k->c, OUT_C) && k->in[IN_C])
        write_state(k, k->dc, OUT_C);
done:
    return rc;
}

/* Inputs as doubles, outputs opened: output i is the gradient of input of[i], which must be there where it is wanted. */
static mq_status open_all(back *k, size_t n_in, const size_t *of, size_t n_out)
{
    mq_call *c = k->c;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < n_in; i++)
        if (i != IN_LENS && mq_call_has(c, i)) {
            if (c->in[i]->dtype != k->l.dtype)
                return mq_call_fail(c, "inputs have different element types");
            MQ_TRY(mq_grad_read(c, i, &k->in[i]));
        }
    for (size_t i = 0; i < n_out; i++) {
        if (!mq_call_has(c, of[i]) && !mq_call_wants(c, i))
            continue;
        if (!mq_call_has(c, of[i]))
            return mq_call_fail(c, "output %zu is the gradient of input %zu, which is absent", i, of[i]);
        MQ_TRY(mq_grad_open(c, &k->out[i], i, k->l.dtype, c->in[of[i]]->rank, c->in[of[i]]->dims));
    }
done:
    return rc;
}

static mq_status make_room(back *k)
{
    const mq_rnn *l = &k->l;
    const int64_t h = l->hidden;
    mq_status rc = MQ_OK;

    if ((double)l->seq * (double)l->batch * (double)(l->gates * h + l->input + 1) > 1e12)
        return mq_call_fail(k->c, "the sequence is too long");
    k->rows = l->seq * l->batch;
    k->n = l->gates * h;
    const struct { double **to; int64_t n; } parts[] = {
        { &k->x, k->rows * l->input }, { &k->gates, k->rows * k->n }, { &k->states, (k->rows + l->batch) * h },
        { &k->cells, (k->rows + l->batch) * h }, { &k->inner, k->rows * h }, { &k->d_gates, k->rows * k->n },
        { &k->d_state, k->rows * k->n }, { &k->dh, l->batch * h }, { &k->dc, l->batch * h }, { &k->from, l->batch * k->n },
    };
    for (size_t i = 0; i < MQ_ARRAY_LEN(parts) && rc == MQ_OK; i++)
        if (!(*parts[i].to = mq_call_scratch(k->c, ((size_t)parts[i].n + 1) * sizeof(double))))
            rc = MQ_ERR_NOMEM;
    return rc;
}

/* Gradients of outputs, from input `first` on: Y, Y_h, and Y_c. */
static mq_status read_gradients(back *k, size_t first, size_t n)
{
    const mq_rnn *l = &k->l;
    const int64_t a = l->batch_first ? l->batch : l->dirs, b = l->batch_first ? l->dirs : l->batch;
    const int64_t state[] = { a, b, l->hidden }, y0[] = { l->seq, l->dirs, l->batch, l->hidden };
    const int64_t y1[] = { l->batch, l->seq, l->dirs, l->hidden };
    mq_status rc = MQ_OK;

    if (k->in[first])
        MQ_TRY(mq_grad_want_shape(k->c, first, 4, l->batch_first ? y1 : y0, "Y"));
    for (size_t i = first + 1; i < first + n; i++)
        if (k->in[i])
            MQ_TRY(mq_grad_want_shape(k->c, i, 3, state, "the last state"));
    k->dy = k->in[first];
    k->dy_h = k->in[first + 1];
    k->dy_c = n > 2 ? k->in[first + 2] : NULL;
done:
    return rc;
}

static mq_status run_grad(mq_call *c, mq_rnn_kind kind, size_t first, size_t n, const size_t *of, size_t n_out)
{
    back k = { .c = c };
    mq_status rc = MQ_OK;

    MQ_TRY(mq_rnn_read(c, kind, false, &k.l));
    if (k.l.clip < (double)INFINITY || k.l.coupled)
        return mq_call_unsupported(c, "gradients with attribute '%s' are not there", k.l.coupled ? "input_forget" : "clip");
    MQ_TRY(open_all(&k, first + n, of, n_out));
    MQ_TRY(read_gradients(&k, first, n));
    MQ_TRY(make_room(&k));
    for (size_t i = 0; i < n_out; i++)
        if (k.out[i].data)
            memset(k.out[i].data, 0, (size_t)k.out[i].count * sizeof(double));
    for (k.dir = 0; k.dir < k.l.dirs && k.l.batch > 0 && k.l.hidden > 0; k.dir++) {
        k.reverse = k.l.reverse_only || k.dir == 1;
        MQ_TRY(run_direction(&k));
    }
    for (size_t i = 0; i < n_out; i++)
        if (k.out[i].data)
            mq_grad_close(c, &k.out[i]);
done:
    return rc;
}

static mq_status op_lstm_grad(mq_call *c)
{
    static const size_t of[] = { IN_X, IN_W, IN_R, IN_B, IN_H, IN_C, IN_P };

    return run_grad(c, MQ_RNN_LSTM, 8, 3, of, MQ_ARRAY_LEN(of));
}

static const size_t plain_of[] = { IN_X, IN_W, IN_R, IN_B, IN_H };

static mq_status op_gru_grad(mq_call *c)
{
    return run_grad(c, MQ_RNN_GRU, 6, 2, plain_of, MQ_ARRAY_LEN(plain_of));
}

static mq_status op_rnn_grad(mq_call *c)
{
    return run_grad(c, MQ_RNN_PLAIN, 6, 2, plain_of, MQ_ARRAY_LEN(plain_of));
}

const mq_kernel mq_kernels_grad_rnn[] = {
    { MQ_GRAD_DOMAIN, "GRUGrad", op_gru_grad, 0 },
    { MQ_GRAD_DOMAIN, "LSTMGrad", op_lstm_grad, 0 },
    { MQ_GRAD_DOMAIN, "RNNGrad", op_rnn_grad, 0 },
    { 0 },
};
