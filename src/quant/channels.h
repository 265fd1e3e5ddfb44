/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the channels of an activation held: extremes, mean and power of each. Nothing is kept per sample. */
#ifndef MQ_QUANT_CHANNELS_H
#define MQ_QUANT_CHANNELS_H

#include "base/map.h"
#include "graph/array.h"

typedef struct mq_channels {
    mq_value *value;
    int axis;          /* of the channels: 1 for convolutions, -1 (the last) for matrix products */
    size_t n;          /* 0: nothing was seen, or the number of channels changed */
    float *low, *high; /* n of each, heap; zero is always between them */
    double *sum, *square;
    uint64_t count;    /* values per channel */
} mq_channels;

typedef struct mq_channel_table {
    MQ_VEC(mq_channels *) items;
    mq_map by_name;
} mq_channel_table;

void mq_channel_table_release(mq_channel_table *t);
/* Adds an empty one; nothing when the value is there. */
mq_status mq_channel_table_add(mq_channel_table *t, mq_value *v, int axis, mq_error *err);
/* NULL: none of that name. */
mq_channels *mq_channel_table_find(const mq_channel_table *t, const char *name);

/* Adds the values of one run: float32 in plain layout; others are passed over. Non-finite values count as 0. */
mq_status mq_channels_add(mq_channels *c, const mq_array *values, mq_error *err);

#endif
