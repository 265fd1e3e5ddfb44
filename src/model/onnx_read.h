/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* From unpacked ONNX messages to the graph in memory. The messages live in the model's arena; strings are borrowed. */
#ifndef MQ_MODEL_ONNX_READ_H
#define MQ_MODEL_ONNX_READ_H

#include "graph/graph.h"
#include "onnx.pb-c.h"

/* Fills an empty model. A graph that breaks rules is read as far as it goes (see mq_value.duplicate). */
mq_status mq_onnx_read_model(mq_model *m, Onnx__ModelProto *msg, mq_error *err);

/* One tensor. */
mq_status mq_onnx_read_tensor(mq_model *m, const Onnx__TensorProto *msg, mq_tensor **out, mq_error *err);

mq_status mq_onnx_read_sparse(mq_model *m, const Onnx__SparseTensorProto *msg, mq_sparse **out, mq_error *err);

/* The type that TensorProto-like messages declare; NULL for an absent or empty TypeProto. */
mq_status mq_onnx_read_type(mq_model *m, const Onnx__TypeProto *msg, mq_type **out, mq_error *err);

#endif
