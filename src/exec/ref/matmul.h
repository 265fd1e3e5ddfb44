/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The shapes of matrix products of arrays of any rank. */
#ifndef MQ_EXEC_REF_MATMUL_H
#define MQ_EXEC_REF_MATMUL_H

#include "exec/ref/gemm.h"

/* Which axes of an operand are its matrix: the last two, exchanged or not; with `batch_first_row` (of FusedMatMul) the
 * rows are the first axis, and those behind it are the batch. */
typedef struct mq_matmul_side {
    bool transposed, batch_first_row;
} mq_matmul_side;

typedef struct mq_matmul {
    mq_gemm g; /* all but dtype, a, b, c */
    int rank;
    int64_t dims[MQ_MAX_RANK]; /* of the result */
} mq_matmul;

/* NumPy's matmul of arrays with the shapes of a and b: vectors, and batches that are broadcast. MQ_ERR_INPUT when they
 * do not fit. The offsets of batches are scratch memory of the call. */
mq_status mq_matmul_plan(mq_call *c, const mq_array *a, const mq_array *b, mq_matmul_side ta, mq_matmul_side tb,
                         mq_matmul *m);

#endif
