/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Blocks of a network, and leaving some of them out.
 *
 * A block is a run of nodes between two tensors of the same type through which everything passes: either a residual branch
 * with its Add, or a stretch that stands there several times in a row (equal operators and sizes of weights). */
#ifndef MQ_PASSES_BLOCKS_H
#define MQ_PASSES_BLOCKS_H

#include "graph/graph.h"

typedef struct mq_blocks_item {
    const mq_value *from, *to; /* what goes in and what comes out */
    mq_value *const *weights;  /* float constants of rank 2 and more that it reads; in the list's memory */
    size_t n_weights;
    size_t run;                /* number of the run of equal blocks that it belongs to, of which one has to stay; 0: none */
    bool first;                /* of that run */
} mq_blocks_item;

typedef struct mq_blocks mq_blocks;

/* Finds the blocks of m's main graph, in its order. Types must have been inferred (value->type), nodes sorted. Nothing is
 * changed but tags of nodes. Borrows m, whose main graph must stay as it is until the blocks are used or freed. */
mq_status mq_blocks_find(mq_blocks **out, mq_model *m, mq_error *err);
void mq_blocks_free(mq_blocks *b); /* NULL is fine */
const mq_blocks_item *mq_blocks_list(const mq_blocks *b, size_t *n);

/* Leaves out the blocks whose flag is set; what is left of their nodes nobody reads any more, and types are to be inferred
 * anew. The blocks are used up: free them. */
mq_status mq_blocks_leave_out(mq_blocks *b, const bool *gone, mq_error *err);

/* Flags of the blocks to leave out so that this share of them stays (0 to 1), evenly spread; the first of each run always
 * stays. Returns how many go. */
size_t mq_blocks_spread(const mq_blocks *b, double depth, bool *gone);

#endif
