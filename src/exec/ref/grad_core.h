/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the reference kernels of gradients share: they compute in double, whatever the type of the arrays. */
#ifndef MQ_EXEC_REF_GRAD_CORE_H
#define MQ_EXEC_REF_GRAD_CORE_H

#include "exec/kernel.h"

/* The first n inputs are there: tensors of float, or all of double. */
mq_status mq_grad_need(mq_call *c, size_t n);
/* Input i must have the shape `dims`; MQ_ERR_INPUT naming `what`. */
mq_status mq_grad_want_shape(mq_call *c, size_t i, int rank, const int64_t *dims, const char *what);
/* Input i as doubles, its own or a copy for this call; *out is never NULL. */
mq_status mq_grad_read(mq_call *c, size_t i, const double **out);

/* An output that is written as doubles. Open makes it (or scratch, when the node does not name it); close puts it into the
 * array where that is float. */
typedef struct mq_grad_out {
    size_t output;
    double *data; /* never NULL */
    int64_t count;
} mq_grad_out;
mq_status mq_grad_open(mq_call *c, mq_grad_out *o, size_t i, mq_dtype dtype, int rank, const int64_t *dims);
void mq_grad_close(mq_call *c, const mq_grad_out *o);

#endif
