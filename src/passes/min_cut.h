/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The cheapest way to divide things in two, where each pair that is divided has its price: a minimum cut, found by the
 * maximum flow along shortest paths (Edmonds and Karp, 1972). For graphs of some thousand edges. */
#ifndef MQ_PASSES_MIN_CUT_H
#define MQ_PASSES_MIN_CUT_H

#include "base/vec.h"

/* More than any sum of prices. */
#define MQ_CUT_NEVER (INT64_MAX / 4)

typedef struct mq_cut_edge {
    int to, next; /* next: the following edge of the same thing, -1 none; edge i's way back is i ^ 1 */
    int64_t left;
} mq_cut_edge;

/* Zero is a cut with nothing in it. */
typedef struct mq_cut {
    MQ_VEC(mq_cut_edge) edges;
    MQ_VEC(int) first; /* edge of each thing, -1 none */
    MQ_VEC(int) via;   /* after solving: -1 where the thing is on the second side */
    MQ_VEC(int) queue;
    bool failed; /* out of memory */
} mq_cut;

#define MQ_CUT_FIRST 0  /* stands for the first side; made with the first new thing */
#define MQ_CUT_SECOND 1

/* A new thing, from 2 on. */
int mq_cut_add(mq_cut *c);
/* `price` is due when a is on the first side and b on the second. */
void mq_cut_price(mq_cut *c, int a, int b, int64_t price);
/* false: out of memory, or more than `effort` steps would be needed. */
bool mq_cut_solve(mq_cut *c, uint64_t effort);
/* After that: is the thing on the first side? Of equally cheap divisions the one with the fewest there is taken. */
bool mq_cut_is_first(const mq_cut *c, int thing);
void mq_cut_release(mq_cut *c);

#endif
