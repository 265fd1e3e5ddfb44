/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* A model that takes and gives integers, seen as the float model that it was made from. */
#ifndef MQ_PASSES_EDGES_H
#define MQ_PASSES_EDGES_H

#include "graph/graph.h"

/* Inputs and outputs whose integers the metadata explain (onnx_info.h) become float under their own names, by QuantizeLinear
 * behind the inputs and DequantizeLinear before the outputs. *n counts them (may be NULL). Before opset 10, which has
 * neither, nothing is changed. */
mq_status mq_edges_to_float(mq_model *m, size_t *n, mq_error *err);

#endif
