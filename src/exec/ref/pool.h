/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Average pooling of plain float or double planes, for other operators too. */
#ifndef MQ_EXEC_REF_POOL_H
#define MQ_EXEC_REF_POOL_H

#include "exec/ref/slide.h"

/* [N, C, spatial...] and the node's window attributes; dims get the result's shape. */
mq_status mq_pool_shape(mq_call *c, const mq_array *x, mq_window *w, int64_t dims[MQ_MAX_RANK]);
/* The averages of n planes (not empty results). */
mq_status mq_pool_average(mq_call *c, const mq_window *w, int64_t planes, bool count_pads, mq_dtype dtype, const void *x,
                          void *y);
/* The same of floats, summed in float in the order of the window. */
mq_status mq_pool_average_narrow(mq_call *c, const mq_window *w, int64_t planes, bool count_pads, const float *x, float *y);

#endif
