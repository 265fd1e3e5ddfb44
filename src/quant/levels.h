/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What single layers get instead of what the options say for all: a search by bounds decides it. */
#ifndef MQ_QUANT_LEVELS_H
#define MQ_QUANT_LEVELS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/dtype.h"

typedef struct mq_level {
    const char *name;  /* of a weight as its operators see it, or of the result of a product of two activations */
    mq_dtype type;     /* of the weight; MQ_FLOAT: it stays; MQ_UNDEFINED: as the options say */
    bool float_inputs; /* the layer is computed in float, whatever its weight is stored as */
} mq_level;

typedef struct mq_levels {
    const mq_level *items;
    size_t n;
} mq_levels;

/* NULL: the options alone decide. l may be NULL. */
const mq_level *mq_levels_find(const mq_levels *l, const char *name);

#endif
