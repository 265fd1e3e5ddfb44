/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Looking up the level of a layer: there are a few hundred at most. */
#include "quant/levels.h"

#include <string.h>

const mq_level *mq_levels_find(const mq_levels *l, const char *name)
{
    for (size_t i = 0; l && i < l->n; i++)
        if (strcmp(l->items[i].name, name) == 0)
            return &l->items[i];
    return NULL;
}
