/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Products of packed columns of 4 or 8 bits with rows of 8-bit integers, in steps of 64 bytes of codes. Of each four bytes
 * (and, of 4 bits, of their low and high halves) the products are an exact integer; it is multiplied by its block's factor
 * and added to one of 16 lanes: the same bits whatever the instruction set. */
#ifndef MQ_EXEC_NBITS_DOT_H
#define MQ_EXEC_NBITS_DOT_H

#include <stdint.h>

#define MQ_NBITS_STEP 64  /* bytes of codes */
#define MQ_NBITS_LANES 16
#define MQ_NBITS_ROWS 4   /* at a time */

/* A column. factors are those of the blocks for one row after the other, factors_row apart; behind the last block there
 * are zeros, three at least. So it is with zeros (NULL: half of the range everywhere). */
typedef struct mq_nbits_column {
    int bits;
    const uint8_t *codes;
    int64_t bytes;
    int shift; /* a block has 1 << shift bytes: 16 or more */
    const float *factors;
    int64_t factors_row;
    const int32_t *zeros;
} mq_nbits_column;

/* A row as the codes lie: for each step 64 integers, or of 4 bits 128, those for low halves first; zeros behind the last
 * one. sums: of each four bytes (and halves). */
typedef struct mq_nbits_row {
    const int8_t *q;
    const int32_t *sums;
} mq_nbits_row;

/* The products of a column with 1 or MQ_NBITS_ROWS rows. */
void mq_nbits_dot(const mq_nbits_column *c, int rows, const mq_nbits_row *a, float *out);

#endif
