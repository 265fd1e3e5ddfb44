/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Nodes that multiply and move each channel of a tensor by constants. */
#ifndef MQ_PASSES_CHANNEL_H
#define MQ_PASSES_CHANNEL_H

#include "passes/pass.h"

/* Does n make x * factor[c] + offset[c] of its input x, c being the index along axis 1, which has `channels` elements?
 * n: BatchNormalization outside training, or Mul, Div, Add, Sub with a float constant of one element or of one per
 * channel. The lists hold `channels` numbers. */
bool mq_channel_read(const mq_node *n, const mq_value *x, int64_t channels, double *factor, double *offset);

/* Initializers that only n read, which is removed already, are none any more. A file must not keep numbers that are in
 * other constants now. */
void mq_channel_drop_constants(const mq_node *n);

#endif
