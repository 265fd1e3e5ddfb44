/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The rows of A of MatMulNBits at accuracy level 4: integers of 8 bits, with a scale for each block of the weights' size.
 * Every kernel rounds by these functions, so that only the order of sums differs. */
#ifndef MQ_EXEC_REF_NBITS_ROWS_H
#define MQ_EXEC_REF_NBITS_ROWS_H

#include "graph/graph.h"

/* Does the node ask for rounded rows? Levels below 4 are kept as floats; so are groups (g_idx), whose blocks are not A's. */
bool mq_nbits_rounds(const mq_node *n, bool has_groups);

/* A row of k floats as integers from -127 to 127, halves to even, and scales; zeros fill the last block. A block's scale is
 * its largest magnitude / 127, and 0 where that is too small for full precision. false: NaN or infinity are among them,
 * and nothing useful has been written. */
bool mq_nbits_round_row(const float *a, int64_t k, int64_t block, int8_t *q, float *scales);

/* The floats that those integers stand for, of m rows of k each; rows that are not finite stay as they are, all of them when
 * one is not. q and scales are room for a row. */
void mq_nbits_round_floats(const float *a, int64_t m, int64_t k, int64_t block, int8_t *q, float *scales, float *out);

#endif
