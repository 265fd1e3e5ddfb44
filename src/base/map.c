/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Open addressing with linear probing and backward-shift deletion. */
#include "base/map.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static size_t home_slot(const mq_map *m, const char *key)
{
    return (size_t)XXH3_64bits(key, strlen(key)) & (m->cap - 1);
}

void mq_map_release(mq_map *m)
{
    free(m->slots);
    *m = (mq_map){ 0 };
}

/* The slot that holds key, or the empty one where it belongs. Needs cap > n. */
static mq_map_slot *find_slot(const mq_map *m, const char *key)
{
    size_t i = home_slot(m, key);
    while (m->slots[i].key && strcmp(m->slots[i].key, key) != 0)
        i = (i + 1) & (m->cap - 1);
    return &m->slots[i];
}

void *mq_map_get(const mq_map *m, const char *key)
{
    return m->cap ? find_slot(m, key)->value : NULL;
}

static bool grow(mq_map *m)
{
    mq_map bigger = { .cap = m->cap ? m->cap * 2 : 16, .n = m->n };
    bigger.slots = calloc(bigger.cap, sizeof *bigger.slots);
    if (!bigger.slots)
        return false;
    for (size_t i = 0; i < m->cap; i++)
        if (m->slots[i].key)
            *find_slot(&bigger, m->slots[i].key) = m->slots[i];
    free(m->slots);
    *m = bigger;
    return true;
}

bool mq_map_put(mq_map *m, const char *key, void *value)
{
    mq_map_slot *s;
    if (m->n + 1 > m->cap / 4 * 3 && !grow(m))
        return false;
    s = find_slot(m, key);
    if (!s->key)
        m->n++;
    *s = (mq_map_slot){ key, value };
    return true;
}

void mq_map_remove(mq_map *m, const char *key)
{
    mq_map_slot *s;
    size_t hole, i;

    if (!m->cap || !(s = find_slot(m, key))->key)
        return;
    m->n--;
    hole = i = (size_t)(s - m->slots);
    for (;;) {
        i = (i + 1) & (m->cap - 1);
        if (!m->slots[i].key)
            break;
        /* an entry may move back into the hole when its home is not between hole and itself */
        if (((i - home_slot(m, m->slots[i].key)) & (m->cap - 1)) >= ((i - hole) & (m->cap - 1))) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (mq_map_slot){ 0 };
}
