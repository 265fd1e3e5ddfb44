/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Softmax along the middle of [outer][n][inner], for other operators too. */
#ifndef MQ_EXEC_REF_SOFTMAX_H
#define MQ_EXEC_REF_SOFTMAX_H

#include "exec/kernel.h"

/* FLOAT or DOUBLE; y may be x. `log`: the logarithm of it. */
void mq_softmax(const mq_call *c, mq_dtype dtype, int64_t outer, int64_t n, int64_t inner, const void *x, void *y, bool log);
/* One contiguous row, on the calling thread. */
void mq_softmax_row(mq_dtype dtype, const void *x, int64_t n, void *y, bool log);

#endif
