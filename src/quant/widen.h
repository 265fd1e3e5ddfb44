/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* A quantized model with finer activations: what is lost still is lost to the weights, or to the ranges. */
#ifndef MQ_QUANT_WIDEN_H
#define MQ_QUANT_WIDEN_H

#include "graph/graph.h"

/* Each QuantizeLinear of the main graph that makes 8-bit integers, for DequantizeLinear alone, makes 16-bit ones of the same
 * range; the opset rises to what that needs. *n counts them. */
mq_status mq_quant_widen(mq_model *m, size_t *n, mq_error *err);

#endif
