/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Cross-layer equalization (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019):
 * between two products the channels are rescaled so that the largest weights on either side become alike, and so does what
 * the channels hold. The function stays what it is, but for rounding of floats. */
#ifndef MQ_QUANT_EQUALIZE_H
#define MQ_QUANT_EQUALIZE_H

#include "graph/graph.h"

/* A Conv, or Gemm, with constant float weights, and those that read it (one or several, and nobody else); between them
 * nothing, or operators that take a factor per channel through (Relu, LeakyRelu, PRelu, Clip from 0 without an upper end,
 * pooling), each read once. Depthwise and other groups too. Weights and biases become new constants, of the same names where
 * nobody else reads them. *n_pairs: how many tensors between products were rescaled. Only the main graph is looked at. */
mq_status mq_equalize(mq_model *m, size_t *n_pairs, mq_error *err);

#endif
