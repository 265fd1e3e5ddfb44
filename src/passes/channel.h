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

/* What reads the product n (Conv, ConvTranspose, Gemm) alone and scales or moves its channels goes into n's weights, which
 * keep their name: the rewrite of fold-batchnorm, of one node. A new node stands in n's place. *n_changed grows when it was
 * done. */
mq_status mq_channel_fold(mq_node *n, size_t *n_changed, mq_error *err);

/* Initializers that only n read, which is removed already, are none any more. A file must not keep numbers that are in
 * other constants now. */
void mq_channel_drop_constants(const mq_node *n);

#endif
