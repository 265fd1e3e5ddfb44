/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Which layers get how much of it: a level for each of several items, so that much is gained and little lost.
 *
 * Each item has been measured alone at each of its levels. Of these measurements only the upper concave hull counts (the
 * most gain for its cost); the steps along all hulls in the order of gain per cost are a path (Shoham and Gersho, 1988), and
 * one level after the other for all items, cheapest first, is a second one. Where asked for, a third
 * one goes from items as they are to their last levels, cheapest first. Losses do not add up, so whole choices are
 * measured: each path is bisected, from where the sums of single measurements point to; the better end is then filled up
 * with further steps, many at a time while that works. What is chosen has been measured itself. Deterministic. */
#ifndef MQ_API_SEARCH_H
#define MQ_API_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* One level of an item, measured alone: what it gains over the item as it is, and what is lost by it. Numbers that are not
 * finite, or a gain that is not positive: the level is not used. A cost below 0 counts as 0. */
typedef struct mq_search_level {
    double gain, cost;
} mq_search_level;

/* Level k of an item is levels[k - 1]; level 0 is the item as it is, without gain and cost. */
typedef struct mq_search_item {
    const mq_search_level *levels;
    size_t n;
} mq_search_item;

typedef struct mq_search_goal {
    double max_cost;   /* INFINITY: none */
    double min_gain;   /* 0: as much as max_cost allows; else this much at the least cost */
    size_t max_evals;  /* calls of `cost` */
    bool straight;     /* the third path, too */
} mq_search_goal;

/* level: one for each item. An error ends the search. */
typedef struct mq_search_calls {
    mq_status (*cost)(void *user, const size_t *level, double *cost, mq_error *err); /* NULL: the sum of the items' */
    mq_status (*gain)(void *user, const size_t *level, double *gain, mq_error *err); /* the same; assumed to cost little */
    bool (*stop)(void *user); /* asked before each call of `cost`: is the time up? NULL: never */
    void *user;
} mq_search_calls;

typedef struct mq_search_result {
    double gain, cost; /* of the choice: NaN when none was measured */
    bool met;          /* it holds what was asked for */
    bool stopped;      /* max_evals or stop ended the search before its own end */
    size_t evals;
} mq_search_result;

/* Chooses level[n]. When the goal cannot be met: what has the least cost (or, with min_gain, comes nearest to it).
 * Errors: those of the calls, MQ_ERR_NOMEM. */
mq_status mq_search(const mq_search_item *items, size_t n, const mq_search_goal *goal, const mq_search_calls *calls,
                    size_t *level, mq_search_result *result, mq_error *err);

#endif
