/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Which inputs and outputs of the model become integers (--io-type): the tensor that a runtime is fed, or gives back, is the
 * quantized one, and the metadata say what it stands for. */
#ifndef MQ_QUANT_IO_TYPE_H
#define MQ_QUANT_IO_TYPE_H

#include "graph/graph.h"
#include "mq/quantize.h"

/* Checks the entries by themselves and against mode and type of activations, which follows them when nobody set it. Errors:
 * MQ_ERR_USAGE. */
mq_status mq_io_types_apply(mq_quantize_opts *o, mq_error *err);

/* Adds the inputs and outputs of g that become integers to `out` (in the model's arena), inputs first. Errors: MQ_ERR_USAGE
 * for names that g does not have and tensors that cannot. */
mq_status mq_io_types_find(const mq_quantize_opts *o, const mq_graph *g, mq_value_vec *out, mq_error *err);

#endif
