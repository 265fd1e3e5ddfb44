/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* A hash map from strings to pointers. Iteration order is not part of it: walk your own list instead. */
#ifndef MQ_BASE_MAP_H
#define MQ_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>

typedef struct mq_map_slot {
    const char *key; /* borrowed; NULL: empty */
    void *value;
} mq_map_slot;

/* {0} is an empty map. */
typedef struct mq_map {
    mq_map_slot *slots;
    size_t n, cap; /* cap is 0 or a power of two */
} mq_map;

void mq_map_release(mq_map *m);

/* The value under key, or NULL. */
void *mq_map_get(const mq_map *m, const char *key);

/* Sets or replaces; the key is borrowed and must outlive its entry. false when out of memory. */
bool mq_map_put(mq_map *m, const char *key, void *value);

/* Removes the entry when there is one. */
void mq_map_remove(mq_map *m, const char *key);

#endif
