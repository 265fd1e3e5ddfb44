/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* LSTM with products of integers: com.microsoft DynamicQuantizeLSTM. Both weights of a node take part, or none does; so it
 * is decided after the single weights, and written after them. */
#ifndef MQ_QUANT_DYNAMIC_LSTM_H
#define MQ_QUANT_DYNAMIC_LSTM_H

#include "quant/emit.h"

/* With --mode dynamic: the weights of each LSTM that DynamicQuantizeLSTM can compute get MQ_TREAT_DYNAMIC, its view and its
 * scales. A weight that would have stayed as too small goes along when the pair is worth it. A second call changes nothing.
 * Uses the tags of nodes and values. */
mq_status mq_lstm_plan(mq_quant_plan *plan, mq_error *err);

/* Warns "dynamic-lstm-float", with the reason, for each LSTM whose weights keep DequantizeLinear. Not after a rewrite. */
void mq_lstm_warn(const mq_quant_plan *plan, const mq_hooks *hooks);

/* The initializers of one weight. */
void mq_lstm_emit_weight(mq_emit *e);

/* The nodes; their weights are emitted. */
mq_status mq_lstm_rewrite(mq_quant_plan *plan, mq_error *err);

#endif
