/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The order in which weights go, as keys of 32 bits: the smallest goes first. Zeros have key 0, so that those which are
 * there already count; NaN has the largest, so that it goes last. Weights of 64 bits are compared as floats. */
#ifndef MQ_PRUNE_SCORE_H
#define MQ_PRUNE_SCORE_H

#include "base/compiler.h"
#include "prune/target.h"

/* Keys of n elements, the first of which has index `from` as it is stored (random keys depend on it). */
void mq_prune_keys(mq_prune_method method, uint64_t seed, const mq_unaligned_f32 *x, uint64_t from, size_t n,
                   uint32_t *keys);

/* The key of a magnitude: elements below it have smaller ones. threshold >= 0. */
uint32_t mq_prune_key_of(double threshold);

/* Where the blocks of a weight lie in what is stored: [a, x, b, y, c], blocks of bx by by along x and y. The last along an
 * axis may be smaller. */
typedef struct mq_prune_blocks {
    size_t x, b, y, c; /* sizes */
    size_t bx, by;
    size_t nx, ny;     /* blocks along x and y */
    size_t n;          /* blocks of the weight, in the order in which their first elements are stored */
} mq_prune_blocks;

mq_prune_blocks mq_prune_blocks_of(const mq_prune_plan *plan, const mq_prune_item *it);
/* The block of each of n elements from `from` on. */
void mq_prune_block_of(const mq_prune_blocks *b, uint64_t from, size_t n, uint64_t *block);

/* Keys of all blocks of a weight, by the mean of their elements (l1, random: magnitudes; l2: squares; max, min: values).
 * To be freed with free(). */
mq_status mq_prune_block_keys(const mq_prune_plan *plan, const mq_prune_item *it, const mq_hooks *hooks, uint32_t **out,
                              mq_error *err);

#endif
