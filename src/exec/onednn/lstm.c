/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* LSTM of floats in either direction or both, with constant weights, the usual activations, no peepholes and whole
 * sequences. ONNX's gates stand in the order i o f c, the library's in i f c o; both biases are one there. */
#include <stdlib.h>
#include <string.h>

#include "exec/onednn/kernels.h"
#include "exec/ref/rnn.h"

enum { IN_X, IN_W, IN_R, IN_B, IN_LENS, IN_H, IN_C, IN_P };
enum { OUT_Y, OUT_H, OUT_C };
enum { GATES = 4 };
static const int place_of[GATES] = { 0, 3, 1, 2 }; /* of ONNX's gate in the library's order */

typedef struct lstm_state {
    mq_dn_op *op;
    mq_rnn l;
    mq_dn_desc w_plain, w_want, r_plain, r_want;
} lstm_state;

static void release(void *state)
{
    lstm_state *s = state;

    mq_dn_free(s->op);
    free(s);
}

/* ---- weights ------------------------------------------------------------------------------------------------------ */

/* [dir][gate * hidden][n] to [dir][n][gate][hidden]. */
static void turn(const lstm_state *s, const float *from, int64_t n, float *to)
{
    const int64_t hidden = s->l.hidden;

    for (int64_t d = 0; d < s->l.dirs; d++)
        for (int g = 0; g < GATES; g++)
            for (int64_t h = 0; h < hidden; h++)
                for (int64_t i = 0; i < n; i++)
                    memcpy(&to[((d * n + i) * GATES + place_of[g]) * hidden + h],
                           &from[((d * GATES + g) * hidden + h) * n + i], sizeof *to);
}

static mq_status pack(mq_call *c, size_t i, void *user, void **out)
{
    const lstm_state *s = user;
    const mq_dn_desc *plain = i == IN_W ? &s->w_plain : &s->r_plain, *want = i == IN_W ? &s->w_want : &s->r_want;
    mq_block *turned = mq_block_create(c->in[i]->count * sizeof(float)), *b = mq_block_create(mq_dn_bytes(want));
    mq_dn_op *op = NULL;
    mq_status rc = MQ_OK;

    if (!turned || !b) {
        rc = mq_oom(c->err);
    } else {
        turn(s, c->in[i]->data, i == IN_W ? s->l.input : s->l.hidden, turned->data);
        rc = mq_dn_make_reorder(c->n_threads, plain, want, &op, c->err);
        if (rc == MQ_OK && !op)
            rc = mq_call_unsupported(c, "weights cannot be put into the order of the kernel");
        if (rc == MQ_OK)
            rc = mq_dn_run(c, op, 2, (mq_dn_arg[]){ { DNNL_ARG_FROM, turned->data }, { DNNL_ARG_TO, b->data } });
    }
    mq_dn_free(op);
    mq_block_unref(turned);
    if (rc == MQ_OK)
        *out = b;
    else
        mq_block_unref(b);
    return rc;
}

/* [dir][2 gates hidden] to [dir][gate][hidden]; without a bias (then i is that of W) zeros. */
static mq_status pack_bias(mq_call *c, size_t i, void *user, void **out)
{
    const lstm_state *s = user;
    const int64_t hidden = s->l.hidden;
    mq_block *b = mq_block_create((size_t)(s->l.dirs * GATES * hidden) * sizeof(float));

    if (!b)
        return mq_oom(c->err);
    memset(b->data, 0, b->size);
    for (int64_t d = 0; i == IN_B && d < s->l.dirs; d++)
        for (int g = 0; g < GATES; g++)
            for (int64_t h = 0; h < hidden; h++) {
                const size_t at = (size_t)((d * 2 * GATES + g) * hidden + h);

                ((float *)b->data)[(d * GATES + place_of[g]) * hidden + h] =
                    (float)mq_array_f64(c->in[i], at) + (float)mq_array_f64(c->in[i], at + (size_t)(GATES * hidden));
            }
    *out = b;
    return MQ_OK;
}

static void release_block(void *thing)
{
    mq_block_unref(thing);
}

static mq_status take_weights(mq_call *c, lstm_state *s, size_t i, mq_dn_arg *arg, int what)
{
    const mq_dn_desc *want = i == IN_W ? &s->w_want : &s->r_want;
    void *b = NULL;
    mq_status rc;

    if (what == DNNL_ARG_BIAS)
        rc = mq_call_derived(c, i, "bias", 5, pack_bias, s, release_block, &b);
    else
        rc = mq_call_derived(c, i, want, sizeof *want, pack, s, release_block, &b);
    if (rc == MQ_OK)
        *arg = (mq_dn_arg){ what, ((mq_block *)b)->data };
    return rc;
}

/* ---- running ------------------------------------------------------------------------------------------------------ */

/* [t][n][dir hidden] to [t][dir][n][hidden]. */
static void split_directions(const mq_rnn *l, const float *from, float *to)
{
    for (int64_t t = 0; t < l->seq; t++)
        for (int64_t n = 0; n < l->batch; n++)
            for (int64_t d = 0; d < l->dirs; d++)
                memcpy(to + ((t * l->dirs + d) * l->batch + n) * l->hidden,
                       from + ((t * l->batch + n) * l->dirs + d) * l->hidden,
                       (size_t)l->hidden * sizeof *to);
}

static mq_status make_outputs(mq_call *c, const mq_rnn *l, float **y, float **h, float **cell)
{
    const int64_t state[] = { l->dirs, l->batch, l->hidden }, all[] = { l->seq, l->dirs, l->batch, l->hidden };
    const size_t bytes = (size_t)(l->dirs * l->batch * l->hidden) * sizeof(float);
    mq_status rc;

    MQ_TRY(mq_call_out(c, OUT_Y, MQ_FLOAT, 4, all, (void **)y));
    MQ_TRY(mq_call_out(c, OUT_H, MQ_FLOAT, 3, state, (void **)h));
    MQ_TRY(mq_call_out(c, OUT_C, MQ_FLOAT, 3, state, (void **)cell));
    if ((!*h && !(*h = mq_call_scratch(c, bytes))) || (!*cell && !(*cell = mq_call_scratch(c, bytes))))
        rc = MQ_ERR_NOMEM;
done:
    return rc;
}

static mq_status run(mq_call *c, void *state)
{
    lstm_state *s = state;
    const mq_rnn *l = &s->l;
    float *y = NULL, *h = NULL, *cell = NULL, *both;
    mq_dn_arg args[9];
    int n = 0;
    mq_status rc;

    MQ_TRY(make_outputs(c, l, &y, &h, &cell));
    both = y;
    const size_t bytes = (size_t)(l->seq * l->dirs * l->batch * l->hidden) * sizeof *both;
    if ((l->dirs > 1 || !y) && !(both = mq_call_scratch(c, bytes)))
        return MQ_ERR_NOMEM;
    args[n++] = (mq_dn_arg){ DNNL_ARG_SRC_LAYER, c->in[IN_X]->data };
    MQ_TRY(take_weights(c, s, IN_W, &args[n++], DNNL_ARG_WEIGHTS_LAYER));
    MQ_TRY(take_weights(c, s, IN_R, &args[n++], DNNL_ARG_WEIGHTS_ITER));
    MQ_TRY(take_weights(c, s, mq_call_has(c, IN_B) ? IN_B : IN_W, &args[n++], DNNL_ARG_BIAS));
    if (mq_call_has(c, IN_H)) {
        args[n++] = (mq_dn_arg){ DNNL_ARG_SRC_ITER, c->in[IN_H]->data };
        args[n++] = (mq_dn_arg){ DNNL_ARG_SRC_ITER_C, c->in[IN_C]->data };
    }
    args[n++] = (mq_dn_arg){ DNNL_ARG_DST_LAYER, both };
    args[n++] = (mq_dn_arg){ DNNL_ARG_DST_ITER, h };
    args[n++] = (mq_dn_arg){ DNNL_ARG_DST_ITER_C, cell };
    MQ_TRY(mq_dn_run(c, s->op, n, args));
    if (y && y != both)
        split_directions(l, both, y);
done:
    return rc;
}

/* ---- making ------------------------------------------------------------------------------------------------------- */

static bool usual_activations(const mq_rnn *l)
{
    for (int64_t d = 0; d < l->dirs; d++)
        if (l->act[3 * d].kind != MQ_ACT_SIGMOID || l->act[3 * d + 1].kind != MQ_ACT_TANH ||
            l->act[3 * d + 2].kind != MQ_ACT_TANH)
            return false;
    return true;
}

static bool inputs_fit(mq_call *c, mq_rnn *l)
{
    if (c->n_in < 3 || !mq_dn_inputs_are(c, 7, MQ_FLOAT) || !c->in[IN_W]->constant || !c->in[IN_R]->constant ||
        mq_call_has(c, IN_LENS) || mq_call_has(c, IN_P) || mq_call_has(c, IN_H) != mq_call_has(c, IN_C) ||
        mq_node_attr(c->node, "clip") || mq_node_attr_int(c->node, "input_forget", 0) ||
        mq_node_attr_int(c->node, "layout", 0))
        return false;
    if (mq_call_has(c, IN_B) && !c->in[IN_B]->constant)
        return false;
    return mq_rnn_read(c, MQ_RNN_LSTM, false, l) == MQ_OK && usual_activations(l) && l->seq > 0 && l->batch > 0 &&
           l->hidden > 0 &&
           l->input > 0;
}

static bool describe(const mq_call *c, lstm_state *s, mq_dn_lstm *p)
{
    const mq_rnn *l = &s->l;
    const int64_t w[] = { 1, l->dirs, l->input, GATES, l->hidden }, r[] = { 1, l->dirs, l->hidden, GATES, l->hidden };
    const int64_t state[] = { 1, l->dirs, l->batch, l->hidden }, bias[] = { 1, l->dirs, GATES, l->hidden };
    const int64_t x[] = { l->seq, l->batch, l->input }, y[] = { l->seq, l->batch, l->dirs * l->hidden };

    p->direction = l->dirs > 1        ? dnnl_bidirectional_concat
                   : l->reverse_only ? dnnl_unidirectional_right2left
                                     : dnnl_unidirectional_left2right;
    mq_dn_none(&p->h);
    mq_dn_none(&p->c);
    if (mq_call_has(c, IN_H) && (!mq_dn_plain(&p->h, MQ_FLOAT, 4, state) || !mq_dn_plain(&p->c, MQ_FLOAT, 4, state)))
        return false;
    return mq_dn_plain(&p->bias, MQ_FLOAT, 4, bias) && mq_dn_plain(&p->x, MQ_FLOAT, 3, x) &&
           mq_dn_any(&p->w, MQ_FLOAT, 5, w) && mq_dn_any(&p->r, MQ_FLOAT, 5, r) &&
           mq_dn_plain(&s->w_plain, MQ_FLOAT, 5, w) && mq_dn_plain(&s->r_plain, MQ_FLOAT, 5, r) &&
           mq_dn_plain(&p->y, MQ_FLOAT, 3, y) && mq_dn_plain(&p->y_h, MQ_FLOAT, 4, state) &&
           mq_dn_plain(&p->y_c, MQ_FLOAT, 4, state);
}

static mq_status prepare(mq_call *c, void **state)
{
    lstm_state *s = calloc(1, sizeof *s);
    mq_dn_lstm p;
    mq_status rc = MQ_OK;

    if (!s)
        return mq_oom(c->err);
    if (inputs_fit(c, &s->l) && describe(c, s, &p)) {
        const mq_rnn *l = &s->l;
        const double macs = (double)l->dirs * (double)l->batch * GATES * (double)l->hidden * (double)(l->input + l->hidden);

        rc = mq_dn_make_lstm(c, mq_dn_threads_macs(c, macs), &p, &s->op); /* it forks at every step */
        if (s->op) {
            s->w_want = mq_dn_wants(s->op, DNNL_ARG_WEIGHTS_LAYER);
            s->r_want = mq_dn_wants(s->op, DNNL_ARG_WEIGHTS_ITER);
        }
    }
    return mq_dn_prepared(rc, s->op, s, release, state);
}

const mq_fast mq_dn_lstm_rows[] = {
    { "", "LSTM", "onednn:lstm", prepare, run, release, 0 },
    { 0 },
};
