/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Going through a weight in the order in which it is stored, in steps that threads share and of which none cuts a group of
 * N:M: pages are asked for and given back, so that memory does not grow with the weight. */
#ifndef MQ_PRUNE_WALK_H
#define MQ_PRUNE_WALK_H

#include "base/compiler.h"
#include "prune/target.h"

/* How groups lie in what is stored: `outer` slabs of `depth` rows of `inner` neighbours; groups go down the rows. */
typedef struct mq_prune_slabs {
    size_t depth, inner;
} mq_prune_slabs;

mq_prune_slabs mq_prune_slabs_of(const mq_prune_item *it);

typedef struct mq_prune_step {
    size_t index;   /* of the step */
    uint64_t from;  /* the first element */
    size_t n;
    const mq_unaligned_f32 *x; /* the elements as float */
} mq_prune_step;

typedef struct mq_prune_walk {
    mq_source stored;    /* the weight in its own order */
    const void *bytes;
    size_t width;        /* bytes of an element */
    uint64_t slab, part; /* elements of a slab, and of a step within it */
    size_t n_parts;      /* steps of a slab */
    size_t n_steps;
    size_t longest;      /* elements of the longest step */
    int n_threads;
    bool give_back;      /* pages that are done with */
    const mq_hooks *hooks;
} mq_prune_walk;

/* Prepares a walk through the item's weight; opens its bytes. */
mq_status mq_prune_walk_init(mq_prune_walk *w, const mq_prune_plan *plan, const mq_prune_item *it, const mq_hooks *hooks,
                             mq_error *err);

/* How many threads a walk has. */
int mq_prune_walk_threads(const mq_hooks *hooks);

/* Calls fn for each step, from several threads at once; thread: 0 to n_threads - 1. `name` is told as progress. */
typedef mq_status (*mq_prune_step_fn)(void *user, int thread, const mq_prune_step *step, mq_error *err);
mq_status mq_prune_walk_run(const mq_prune_walk *w, const char *name, mq_prune_step_fn fn, void *user, mq_error *err);

#endif
