/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* LSTMGrad, GRUGrad and RNNGrad (ops/grad_ops.h): the forward pass is computed again and kept, then steps are walked back
 * (Werbos 1990); products over all steps make the gradients of weights and input. */
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

typedef struct grad_kind {
    mq_rnn_kind kind;
    size_t first, n;   /* inputs that are gradients of outputs: Y, Y_h, and Y_c */
    const size_t *of;  /* the inputs whose gradients are the outputs */
    size_t n_of;
} grad_kind;

#define T float
#define TYPE MQ_FLOAT
#define N(name) name##_f32
#include "exec/ref/grad_rnn.inc"
#undef T
#undef TYPE
#undef N
#define T double
#define TYPE MQ_DOUBLE
#define N(name) name##_f64
#include "exec/ref/grad_rnn.inc"
#undef T
#undef TYPE
#undef N

static mq_status run_kind(mq_call *c, const grad_kind *g)
{
    mq_rnn l;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_rnn_read(c, g->kind, false, &l));
    if (l.clip < (double)INFINITY || l.coupled)
        return mq_call_unsupported(c, "there is no gradient with attribute '%s'", l.coupled ? "input_forget" : "clip");
    rc = l.dtype == MQ_FLOAT ? run_grad_f32(c, &l, g) : run_grad_f64(c, &l, g);
done:
    return rc;
}

static mq_status op_lstm_grad(mq_call *c)
{
    static const size_t of[] = { IN_X, IN_W, IN_R, IN_B, IN_H, IN_C, IN_P };

    return run_kind(c, &(grad_kind){ MQ_RNN_LSTM, 8, 3, of, MQ_ARRAY_LEN(of) });
}

static const size_t plain_of[] = { IN_X, IN_W, IN_R, IN_B, IN_H };

static mq_status op_gru_grad(mq_call *c)
{
    return run_kind(c, &(grad_kind){ MQ_RNN_GRU, 6, 2, plain_of, MQ_ARRAY_LEN(plain_of) });
}

static mq_status op_rnn_grad(mq_call *c)
{
    return run_kind(c, &(grad_kind){ MQ_RNN_PLAIN, 6, 2, plain_of, MQ_ARRAY_LEN(plain_of) });
}

const mq_kernel mq_kernels_grad_rnn[] = {
    { MQ_GRAD_DOMAIN, "GRUGrad", op_gru_grad, 0 },
    { MQ_GRAD_DOMAIN, "LSTMGrad", op_lstm_grad, 0 },
    { MQ_GRAD_DOMAIN, "RNNGrad", op_rnn_grad, 0 },
    { 0 },
};
