/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Memory of activations: blocks that are given back are used again by the same runner. What lies free never adds to a
 * new peak: a request that no free block fits gives free ones back to the system first. */
#ifndef MQ_EXEC_MEMORY_H
#define MQ_EXEC_MEMORY_H

#include "graph/array.h"

typedef struct mq_pool {
    mq_block **free_blocks; /* by size, smallest first */
    size_t n_free, cap;
    size_t free_bytes;
    size_t live_bytes, peak_bytes; /* handed out now; most at one time since mq_pool_start */
    size_t n_live;
    bool closed; /* the runner is gone: blocks that come back are freed, the last one frees the pool */
} mq_pool;

mq_pool *mq_pool_create(void); /* NULL: out of memory */
/* Frees what lies free; blocks still in use stay valid. NULL is fine. */
void mq_pool_close(mq_pool *p);
/* A block of at least `size` bytes, aligned to 64. NULL: out of memory. */
mq_block *mq_pool_block(mq_pool *p, size_t size);
/* Starts a new peak. */
void mq_pool_start(mq_pool *p);

#endif
