/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the channels of an activation held: extremes, mean and power of each. Nothing is kept per sample. */
#ifndef MQ_QUANT_CHANNELS_H
#define MQ_QUANT_CHANNELS_H

#include "base/map.h"
#include "graph/array.h"

typedef struct mq_channels {
    char *name;        /* heap */
    mq_value *value;   /* NULL: read from a file */
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
/* Adds an empty one of a name that is not there. */
mq_status mq_channel_table_add_name(mq_channel_table *t, const char *name, int axis, mq_channels **out, mq_error *err);
/* The same statistics in a table of their own, which is {0}. */
mq_status mq_channel_table_copy(mq_channel_table *to, const mq_channel_table *from, mq_error *err);
/* Each tensor of `to`, empty yet, gets what `from` has of it. MQ_ERR_INPUT: one is not there, or has another axis. */
mq_status mq_channel_table_fill(mq_channel_table *to, const mq_channel_table *from, mq_error *err);
/* Adds what `more` saw of the same tensors, on other data. */
mq_status mq_channel_table_join(mq_channel_table *t, const mq_channel_table *more, mq_error *err);
bool mq_channel_table_equal(const mq_channel_table *a, const mq_channel_table *b);
/* NULL: none of that name. */
mq_channels *mq_channel_table_find(const mq_channel_table *t, const char *name);

/* Adds the values of one run: float32 in plain layout; others are passed over. Non-finite values count as 0. */
mq_status mq_channels_add(mq_channels *c, const mq_array *values, mq_error *err);

/* Room for n channels that saw nothing. */
mq_status mq_channels_begin(mq_channels *c, size_t n, mq_error *err);
/* Adds v, which may be c's value under a new name: it holds what c saw divided by f, channel by channel. */
mq_status mq_channels_divide(mq_channel_table *t, const mq_channels *c, mq_value *v, const double *f, mq_error *err);

/* The mean that is expected of channel i when values beyond [low, high] become that: what is cut off is taken for the tail
 * of an exponential distribution (one sign, many zeros) or a normal one, of the channel's mean and power; nothing where no
 * value was seen beyond. */
double mq_channels_clipped_mean(const mq_channels *c, size_t i, double low, double high);

#endif
