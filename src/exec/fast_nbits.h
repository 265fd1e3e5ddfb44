/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* MatMulNBits of few rows: what its two kernels share. */
#ifndef MQ_EXEC_FAST_NBITS_H
#define MQ_EXEC_FAST_NBITS_H

#include "base/compiler.h"
#include "exec/kernel.h"

#define MQ_NBITS_COLUMNS 32 /* that a thread takes at a time */

typedef struct mq_nbits {
    int bits;
    int64_t m, n, k, block, blocks, blob, zero_row;
    bool rounds; /* A becomes integers of 8 bits first */
    int threads;
} mq_nbits;

typedef struct mq_nbits_operands {
    const uint8_t *codes, *zeros;
    const mq_unaligned_f32 *scales, *float_zeros, *bias; /* constants lie anywhere */
    const float *a;
    float *y;
} mq_nbits_operands;

/* The product in integers, where A is to be rounded. *done false: nothing has been written (other blocks than powers of two,
 * zero points that are floats, or rows that are not finite). */
mq_status mq_nbits_run_rounded(mq_call *c, const mq_nbits *w, const mq_nbits_operands *o, bool *done);

#endif
