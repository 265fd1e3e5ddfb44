/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Doubling arrays. */
#include "base/vec.h"

#include <stdint.h>

bool mq_vec_grow(void **items, size_t *cap, size_t size)
{
    size_t new_cap = *cap ? *cap * 2 : 8;
    void *p;

    if (new_cap < *cap || new_cap > SIZE_MAX / size || !(p = realloc(*items, new_cap * size)))
        return false;
    *items = p;
    *cap = new_cap;
    return true;
}

bool mq_vec_grow_in(mq_arena *a, void **items, size_t n, size_t *cap, size_t size)
{
    size_t new_cap = *cap ? *cap * 2 : 2;
    void *p = mq_arena_grow(a, *items, n, new_cap, size);

    if (!p)
        return false;
    *items = p;
    *cap = new_cap;
    return true;
}
