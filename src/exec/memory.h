/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Memory of activations: blocks that lie side by side in one range of addresses and are used again as soon as they are given
 * back, neighbours that lie free as one. Memory is taken from the system as far up as blocks have ever lain. */
#ifndef MQ_EXEC_MEMORY_H
#define MQ_EXEC_MEMORY_H

#include "graph/array.h"

typedef struct mq_pool_range mq_pool_range;
typedef struct mq_pool_span mq_pool_span;

typedef struct mq_pool {
    mq_pool_range *ranges;
    mq_pool_span *spare;            /* to be used again */
    mq_arena *arena;                /* that spans lie in */
    size_t live_bytes, peak_bytes;  /* handed out now; most at one time since mq_pool_start */
    size_t n_live;
    size_t limit;                   /* what the machine has: more is refused */
    bool closed; /* the runner is gone: the last block that comes back frees the pool */
} mq_pool;

mq_pool *mq_pool_create(void); /* NULL: out of memory */
/* Blocks still in use stay valid; memory beside them is given back. NULL is fine. */
void mq_pool_close(mq_pool *p);
/* A block of at least `size` bytes, aligned to 64. NULL: out of memory. */
mq_block *mq_pool_block(mq_pool *p, size_t size);
/* Starts a new peak. What lies far above all that the last one needed goes back to the system. */
void mq_pool_start(mq_pool *p);
/* Bytes that may be resident: as far up as blocks have lain. */
size_t mq_pool_extent(const mq_pool *p);

#endif
