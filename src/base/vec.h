/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Growing arrays: a struct of {items, n, cap} on the heap or in an arena. */
#ifndef MQ_BASE_VEC_H
#define MQ_BASE_VEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/arena.h"

/* MQ_VEC(int) v = {0}; */
#define MQ_VEC(type)        \
    struct {                \
        type *items;        \
        size_t n, cap;      \
    }

/* Appends to a heap vector; false when out of memory. mq_vec_release frees it. */
#define mq_vec_push(v, item)                                                                         \
    ((v)->n < (v)->cap || mq_vec_grow((void **)&(v)->items, &(v)->cap, sizeof *(v)->items)           \
         ? ((v)->items[(v)->n++] = (item), true)                                                     \
         : false)
#define mq_vec_release(v) (free((v)->items), (v)->items = NULL, (v)->n = (v)->cap = 0)

/* The same in an arena: nothing to release. */
#define mq_vec_push_in(a, v, item)                                                                   \
    ((v)->n < (v)->cap || mq_vec_grow_in(a, (void **)&(v)->items, (v)->n, &(v)->cap, sizeof *(v)->items) \
         ? ((v)->items[(v)->n++] = (item), true)                                                     \
         : false)

/* Removes item i, keeping the order. */
#define mq_vec_remove(v, i)                                                                          \
    (memmove(&(v)->items[i], &(v)->items[(i) + 1], ((v)->n - (i) - 1) * sizeof *(v)->items), (v)->n--)

bool mq_vec_grow(void **items, size_t *cap, size_t size);
bool mq_vec_grow_in(mq_arena *a, void **items, size_t n, size_t *cap, size_t size);

#endif
