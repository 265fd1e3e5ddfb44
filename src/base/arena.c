/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Blocks from malloc, filled from the front. Under AddressSanitizer the unused part of a block is poisoned and a red
 * zone stays between allocations, so that overruns are still seen. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"

#define BLOCK_SIZE ((size_t)64 << 10)
#define ALIGN 16

struct block {
    struct block *next;
    size_t size, used; /* of data[] */
    _Alignas(ALIGN) char data[];
};

struct mq_arena {
    struct block *blocks;
    size_t used;
};

mq_arena *mq_arena_create(void)
{
    return calloc(1, sizeof(mq_arena));
}

void mq_arena_free(mq_arena *a)
{
    if (!a)
        return;
    for (struct block *b = a->blocks, *next; b; b = next) {
        next = b->next;
        MQ_UNPOISON(b->data, b->size);
        free(b);
    }
    free(a);
}

static struct block *new_block(mq_arena *a, size_t need)
{
    size_t size = need > BLOCK_SIZE / 4 ? need : BLOCK_SIZE;
    struct block *b = malloc(sizeof *b + size);
    if (!b)
        return NULL;
    b->size = size;
    b->used = 0;
    MQ_POISON(b->data, size);
    if (a->blocks && size != BLOCK_SIZE) { /* a large one of its own: keep filling the current block */
        b->next = a->blocks->next;
        a->blocks->next = b;
    } else {
        b->next = a->blocks;
        a->blocks = b;
    }
    return b;
}

void *mq_arena_alloc(mq_arena *a, size_t size)
{
    struct block *b = a->blocks;
    size_t need;
    void *p;

    if (size > SIZE_MAX / 2)
        return NULL;
    need = (size + MQ_RED_ZONE + ALIGN) / ALIGN * ALIGN;
    if (!b || b->size - b->used < need)
        b = new_block(a, need);
    if (!b)
        return NULL;
    p = b->data + b->used;
    b->used += need;
    a->used += size;
    MQ_UNPOISON(p, size);
    memset(p, 0, size);
    return p;
}

void *mq_arena_calloc(mq_arena *a, size_t n, size_t size)
{
    size_t bytes;
    return __builtin_mul_overflow(n, size, &bytes) ? NULL : mq_arena_alloc(a, bytes);
}

void *mq_arena_memdup(mq_arena *a, const void *p, size_t n)
{
    void *copy = mq_arena_alloc(a, n);
    if (copy && n)
        memcpy(copy, p, n);
    return copy;
}

char *mq_arena_strdup(mq_arena *a, const char *s)
{
    return s ? mq_arena_memdup(a, s, strlen(s) + 1) : NULL;
}

char *mq_arena_printf(mq_arena *a, const char *fmt, ...)
{
    va_list ap;
    char *s;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || !(s = mq_arena_alloc(a, (size_t)n + 1)))
        return NULL;
    va_start(ap, fmt);
    vsnprintf(s, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return s;
}

void *mq_arena_grow(mq_arena *a, const void *p, size_t old_n, size_t new_n, size_t size)
{
    void *q = mq_arena_calloc(a, new_n, size);
    if (q && old_n)
        memcpy(q, p, old_n * size);
    return q;
}

size_t mq_arena_used(const mq_arena *a)
{
    return a->used;
}
