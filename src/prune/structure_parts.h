/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the parts of src/prune/structure*.c share. */
#ifndef MQ_PRUNE_STRUCTURE_PARTS_H
#define MQ_PRUNE_STRUCTURE_PARTS_H

#include "base/vec.h"
#include "prune/structure.h"

/* How many indices of an axis a channel of a group holds. */
typedef struct mq_structure_share {
    size_t group, per_channel;
    size_t next; /* of the same axis: place in `shares` + 1; 0: none */
} mq_structure_share;

/* An axis whose size is a factor of a term: `size` indices, less what groups lose. */
typedef struct mq_structure_factor {
    double size;
    size_t shares; /* first one + 1; 0: none, then it is no factor at all */
} mq_structure_factor;

/* A number of units that shrinks with its axes. */
typedef struct mq_structure_term {
    mq_structure_unit unit;
    double whole;
    size_t first, n; /* in `factors` */
} mq_structure_term;

struct mq_structure {
    mq_narrow narrow;
    mq_arena *arena;
    mq_structure_group *groups;
    size_t n_groups;
    MQ_VEC(mq_structure_share) shares;
    MQ_VEC(mq_structure_factor) factors;
    MQ_VEC(mq_structure_term) terms;
    size_t *terms_of;          /* lists of terms, one after the other: of group i from first_term[i] to first_term[i + 1] */
    size_t *first_term;
};

/* Fills shares, factors and terms (structure_cost.c). Uses the tags of values. */
mq_status mq_structure_count(mq_structure *s, mq_error *err);

#endif
