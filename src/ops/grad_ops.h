/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Operators of the domain "mq" (version 1) that only graphs of training steps have: gradients that ONNX has no operators
 * for. Never written to a file. All numbers of a node are float, or all are double; an input called x, w or like that is
 * said to be there for its shape is not read. dy is the gradient of the operator's result, dx that of its input x.
 *
 *   AveragePoolGrad(dy, x) -> dx              AveragePool's attributes; x for its shape
 *   BatchNormGrad(x, dy, scale, saved_mean, saved_inv_std) -> dx, dscale, db
 *                                             dscale and db may be absent
 *   BatchNormTrain(x, scale, b, mean, var) -> y, running_mean, running_var, saved_mean, saved_inv_std
 *                                             attributes epsilon (1e-5) and momentum (0.9) as BatchNormalization's with
 *                                             training_mode 1: normalizes by the batch's mean and population variance;
 *                                             running_* = mean or var * momentum + the batch's * (1 - momentum);
 *                                             saved_inv_std = 1 / sqrt(variance + epsilon). All but y may be absent
 *   ConvGradInput(dy, w, x) -> dx             Conv's attributes; x for its shape
 *   ConvGradWeight(x, dy, w) -> dw, db        Conv's attributes; w for its shape; db ([M]) may be absent
 *   GRUGrad(X, W, R, B, sequence_lens, initial_h, dY, dY_h) -> dX, dW, dR, dB, dinitial_h
 *                                             GRU's attributes; inputs from B on may be absent, as may all outputs
 *   GatherGrad(dy, indices, like) -> dx       attribute axis (0); what Gather read several times adds up in the order of
 *                                             the indices; `like` (Gather's data) for its shape
 *   GlobalAveragePoolGrad(dy, x) -> dx        x for its shape
 *   LSTMGrad(X, W, R, B, sequence_lens, initial_h, initial_c, P, dY, dY_h, dY_c)
 *       -> dX, dW, dR, dB, dinitial_h, dinitial_c, dP
 *                                             LSTM's attributes; inputs from B on may be absent, as may all outputs
 *   LayerNormGrad(x, dy, scale) -> dx, dscale, db
 *                                             attributes axis (-1) and epsilon (1e-5); scale has the shape of the axes from
 *                                             `axis` on (ones before them are fine); dscale and db have it too, and may be
 *                                             absent
 *   LogSoftmaxGrad(y, dy) -> dx               attribute axis (-1); y is the result of LogSoftmax
 *   MaxPoolGrad(x, dy) -> dx                  MaxPool's attributes; a window's gradient goes to the first of its largest
 *                                             elements, row by row
 *   RNNGrad(X, W, R, B, sequence_lens, initial_h, dY, dY_h) -> dX, dW, dR, dB, dinitial_h
 *                                             RNN's attributes; the rest as GRUGrad
 *   ReduceTo(dy, like) -> dx                  sums dy over what broadcasting like's shape to dy's has repeated
 *   ReluGrad(y, dy) -> dx                     dy where y > 0, else 0; y is Relu's result or its input
 *   SliceGrad(dy, x, starts, ends, axes, steps) -> dx
 *                                             inputs from starts on as Slice's; x for its shape; the rest of dx is 0
 *   SoftmaxGrad(y, dy) -> dx                  attribute axis (-1); y is the result of Softmax */
#ifndef MQ_OPS_GRAD_OPS_H
#define MQ_OPS_GRAD_OPS_H

#include "ops/ops.h"

#define MQ_GRAD_DOMAIN "mq"

/* The schema of an operator above; NULL: there is no such. */
const mq_op_schema *mq_grad_schema_find(const char *op_type);

#endif
