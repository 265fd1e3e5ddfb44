/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Figures of a tensor's elements, read once (twice with a histogram) in blocks; pages that have been read are given back. */
#ifndef MQ_API_TENSOR_STATS_H
#define MQ_API_TENSOR_STATS_H

#include "graph/graph.h"
#include "mq/inspect.h"

/* Everything, the histogram too. Complex numbers count by their real parts. Errors: those of mq_tensor_bytes,
 * MQ_ERR_CANCELLED. */
mq_status mq_tensor_measure(mq_tensor *t, mq_tensor_stats *out, const mq_hooks *hooks, mq_error *err);

/* Do zeros mean something in this type: float, or signed integer? */
bool mq_dtype_has_zeros(mq_dtype t);
/* Elements that are zero (of either sign), of a type that has zeros. Same errors. */
mq_status mq_tensor_count_zeros(mq_tensor *t, uint64_t *zeros, const mq_hooks *hooks, mq_error *err);

#endif
