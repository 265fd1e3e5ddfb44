/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Recurrent layers: what RNN, GRU, LSTM and the quantized LSTM share. */
#ifndef MQ_EXEC_REF_RNN_H
#define MQ_EXEC_REF_RNN_H

#include "exec/ref/fused_activation.h"
#include "exec/ref/gemm.h"

typedef enum mq_rnn_kind { MQ_RNN_PLAIN, MQ_RNN_GRU, MQ_RNN_LSTM } mq_rnn_kind;

/* A layer and its weights; inputs have LSTM's numbers (X, W, R, B, sequence_lens, initial_h, initial_c, P). */
typedef struct mq_rnn {
    mq_rnn_kind kind;
    mq_dtype dtype; /* FLOAT or DOUBLE */
    int gates, functions;
    int64_t dirs, seq, batch, input, hidden;
    bool batch_first, reverse_only, before_reset, coupled;
    double clip;    /* INFINITY: none */
    mq_activation act[6]; /* `functions` per direction */
    const void *w, *r; /* [dir][gate * hidden][input or hidden], or, `by_row`, [dir][input or hidden][gate * hidden] */
    bool by_row;
    /* Changes X, or a state, before it is multiplied; NULL: not. */
    void (*prepare)(const float *x, float *out, int64_t n);
} mq_rnn;

/* Reads attributes and shapes; w and r are shapes of the weights with rows and columns as `by_row` says. */
mq_status mq_rnn_read(mq_call *c, mq_rnn_kind kind, bool by_row, mq_rnn *l);
/* Makes the outputs. */
mq_status mq_rnn_run(mq_call *c, mq_rnn *l);

#endif
