/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Moving elements: one strided copy for everything that slices, transposes, repeats, joins or splits. */
#ifndef MQ_EXEC_REF_MOVE_H
#define MQ_EXEC_REF_MOVE_H

#include "exec/ref/util.h"

#define MQ_MOVE_RANK (2 * MQ_MAX_RANK) /* Tile walks each axis as two */

/* Elements at position p go from src + sum(p * src[i]) to dst + sum(p * dst[i]); strides in elements, of any sign; a source
 * stride of 0 repeats. Axes stand in the destination's order. Positions of the destination must not meet. */
typedef struct mq_move {
    int rank;
    int64_t dims[MQ_MOVE_RANK];
    int64_t src[MQ_MOVE_RANK], dst[MQ_MOVE_RANK];
} mq_move;

/* elem is 1, 2, 4, 8 or 16 bytes; src and dst are the addresses of position 0. */
void mq_move_run(const mq_move *m, const void *src, void *dst, size_t elem, int n_threads);

/* A contiguous copy by several threads. */
void mq_move_bytes(const void *src, void *dst, size_t n, int n_threads);

/* n copies of one element. */
void mq_move_fill(const void *value, void *dst, size_t n, size_t elem);

#endif
