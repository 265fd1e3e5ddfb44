/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The pool of a runner's activations: best fit over a sorted list. Used by one thread at a time. */
#include "exec/memory.h"

#include <stdlib.h>
#include <string.h>

#define MAX_FREE 64 /* blocks that lie free: with more, the smallest go */

mq_pool *mq_pool_create(void)
{
    return calloc(1, sizeof(mq_pool));
}

/* The first free block of at least `size` bytes. */
static size_t find_fit(const mq_pool *p, size_t size)
{
    size_t low = 0, high = p->n_free;

    while (low < high) {
        const size_t mid = low + (high - low) / 2;

        if (p->free_blocks[mid]->size < size)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static mq_block *take(mq_pool *p, size_t i)
{
    mq_block *b = p->free_blocks[i];

    memmove(&p->free_blocks[i], &p->free_blocks[i + 1], (p->n_free - i - 1) * sizeof *p->free_blocks);
    p->n_free--;
    p->free_bytes -= b->size;
    return b;
}

static void give_back(mq_block *b)
{
    mq_pool *p = b->owner;
    size_t i;

    p->live_bytes -= b->size;
    p->n_live--;
    if (p->closed) {
        free(b);
        if (p->n_live == 0)
            free(p);
        return;
    }
    if (p->n_free == MAX_FREE)
        free(take(p, 0));
    if (p->n_free == p->cap && !mq_vec_grow((void **)&p->free_blocks, &p->cap, sizeof *p->free_blocks)) {
        free(b);
        return;
    }
    i = find_fit(p, b->size);
    memmove(&p->free_blocks[i + 1], &p->free_blocks[i], (p->n_free - i) * sizeof *p->free_blocks);
    p->free_blocks[i] = b;
    p->n_free++;
    p->free_bytes += b->size;
}

mq_block *mq_pool_block(mq_pool *p, size_t size)
{
    const size_t fit = find_fit(p, size);
    mq_block *b;

    if (fit < p->n_free && p->free_blocks[fit]->size / 2 <= size) {
        b = take(p, fit);
    } else {
        for (size_t freed = 0; p->n_free && freed < size;) { /* the largest: the fewest calls */
            b = take(p, p->n_free - 1);
            freed += b->size;
            free(b);
        }
        if (!(b = mq_block_create(size)))
            return NULL;
    }
    b->refs = 1;
    b->free = give_back;
    b->owner = p;
    p->n_live++;
    p->live_bytes += b->size;
    if (p->live_bytes > p->peak_bytes)
        p->peak_bytes = p->live_bytes;
    return b;
}

void mq_pool_start(mq_pool *p)
{
    p->peak_bytes = p->live_bytes;
}

void mq_pool_close(mq_pool *p)
{
    if (!p)
        return;
    while (p->n_free)
        free(take(p, p->n_free - 1));
    free(p->free_blocks);
    p->free_blocks = NULL;
    p->cap = 0;
    p->closed = true;
    if (p->n_live == 0)
        free(p);
}
