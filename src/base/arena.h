/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* A region of memory that is freed at once. Nothing in it is freed alone. */
#ifndef MQ_BASE_ARENA_H
#define MQ_BASE_ARENA_H

#include <stddef.h>

#include "mq/status.h"

typedef struct mq_arena mq_arena;

/* NULL when out of memory. */
mq_arena *mq_arena_create(void);
void mq_arena_free(mq_arena *a);

/* Zeroed, aligned for any type, valid until mq_arena_free; size 0 gives a valid pointer. NULL when out of memory. */
void *mq_arena_alloc(mq_arena *a, size_t size);

/* n * size with an overflow check. */
void *mq_arena_calloc(mq_arena *a, size_t n, size_t size);

/* Copies; NULL when out of memory (or, for strdup, when s is NULL). */
void *mq_arena_memdup(mq_arena *a, const void *p, size_t n);
char *mq_arena_strdup(mq_arena *a, const char *s);
char *mq_arena_printf(mq_arena *a, const char *fmt, ...) MQ_PRINTF(2, 3);

/* A larger copy of an array of `old_n` elements with room for `new_n`; the old one stays behind in the arena. */
void *mq_arena_grow(mq_arena *a, const void *p, size_t old_n, size_t new_n, size_t size);

/* Bytes handed out so far. */
size_t mq_arena_used(const mq_arena *a);

#endif
