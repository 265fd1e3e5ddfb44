/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Inputs that no data give: --fill and random:N. Their shapes come from the declared ones, whose symbols get their
 * sizes from what is fed in the same run. */
#ifndef MQ_DATA_FILL_H
#define MQ_DATA_FILL_H

#include "data/parse.h"
#include "graph/array.h"

/* Sizes of symbols in one run. */
typedef struct mq_bound {
    const char *symbol;
    int64_t size;
} mq_bound;
typedef struct mq_sizes {
    MQ_VEC(mq_bound) list;
} mq_sizes;

void mq_sizes_release(mq_sizes *s);
/* The first size that a symbol is given stays. */
mq_status mq_sizes_set(mq_sizes *s, const char *symbol, int64_t size, mq_error *err);
/* Symbols of a declared shape by the array that is fed. */
mq_status mq_sizes_learn(mq_sizes *s, const mq_type *declared, const mq_array *a, mq_error *err);
/* A symbol, or an expression of symbols and numbers with + - * ("past + seq"); -1: not known. */
int64_t mq_sizes_get(const mq_sizes *s, const char *symbol);

/* One run. */
typedef struct mq_fill_run {
    mq_sizes sizes;
    size_t rows;             /* of the batch axis; 0 counts as 1 */
    const uint64_t *samples; /* the samples of its first n rows: each has values of its own, whatever the batch */
    size_t n;
    mq_array *const *fed; /* of all inputs, NULL where nothing is fed (yet) */
    size_t n_fed;
    uint64_t seed;
    bool is_state; /* the one at hand is carried from run to run: its batch is that of the others */
    bool guess; /* sizes that nothing says are assumed (random:N), and told to `note` */
    void (*note)(void *user, const char *text);
    void *user;
} mq_fill_run;

/* The shape that input number `index` gets. MQ_ERR_USAGE when it cannot be said, with the option that says it. */
mq_status mq_fill_shape(mq_fill_run *run, const mq_value *input, const mq_fill *f, int *rank, int64_t *dims, mq_error *err);
mq_status mq_fill_make(mq_array **out, mq_fill_run *run, size_t index, const mq_value *input, const mq_fill *f,
                       mq_error *err);

/* The values of --fill random (random.c): each row of axis 0 from its sample's own stream when axis 0 has run->rows rows.
 * limit: indices stay below it. */
mq_status mq_random_fill(mq_array *a, const mq_fill_run *run, size_t index, int64_t limit, const mq_distribution *d,
                         mq_error *err);

#endif
