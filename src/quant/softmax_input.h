/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What Softmax reads, as calibration has to see it. Masks put -10000 or -3.4e38 beside scores of a few units; with them in
 * the range no step would be left for the scores. Softmax takes the largest of its row off first, and what lies far below
 * that makes nothing of the result: so it counts as lying only just that far below. */
#ifndef MQ_QUANT_SOFTMAX_INPUT_H
#define MQ_QUANT_SOFTMAX_INPUT_H

#include "graph/array.h"

/* Does nobody but a Softmax read v? *axis: its axis, may be negative. */
bool mq_softmax_reads(const mq_value *v, int *axis);

/* A copy of the floats of a (plain layout) with rows along the axis lifted so; from malloc. Rows of one value, which any
 * mask may be, become 0. MQ_ERR_NOMEM. */
mq_status mq_softmax_lift(const mq_array *a, int axis, float **out, mq_error *err);

#endif
