/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the two halves of planning a split share: split.c, which finds balanced cuts, and split_parts.c. */
#ifndef MQ_CONVERT_SPLIT_PARTS_H
#define MQ_CONVERT_SPLIT_PARTS_H

#include "convert/split.h"

#define MQ_SPLIT_NONE SIZE_MAX

/* A node that is not set aside. */
typedef struct mq_split_step {
    mq_node *node;
    uint64_t own;        /* cost without initializers */
    size_t first_init, n_inits; /* in splitting.used */
    uint64_t price;      /* bytes handed over when a part begins here */
    size_t closed;       /* how many tensors would be handed over that cannot be an edge: no part begins here */
    size_t part;
} mq_split_step;

typedef struct mq_splitting {
    mq_graph *g;
    const mq_split_plan_opts *o;
    mq_split_step *steps;
    size_t n;
    MQ_VEC(size_t) used; /* initializers, by index, step after step */
    uint64_t *init_bytes;
    size_t *seen; /* per value: the last step that looked at it, + 1; later, per initializer: how often the window has it */
    size_t *first, *last; /* [end]: beginnings of a part that ends before step `end` for which it is neither too dear nor too
                           * cheap: first <= beginning < last */
    mq_error *err;
} mq_splitting;

/* Tags: of main-graph nodes, their step, or for those that constants determine MQ_SPLIT_NONE less the length of the chain of
 * such nodes before them; of initializers, their index. */
#define MQ_SPLIT_CHAIN 64

/* Is n a node that constants determine, which each part repeats? */
static inline bool mq_split_is_aside(const mq_node *n)
{
    return n->tag >= MQ_SPLIT_NONE - MQ_SPLIT_CHAIN;
}

/* Is v absent, a constant, or what one set aside makes? */
static inline bool mq_split_is_fixed(const mq_value *v)
{
    return !v || v->init || v->sparse || (v->producer && v->producer->graph == v->graph && mq_split_is_aside(v->producer));
}

/* Cuts behind the tensors of s->o->at: sets each step's part. MQ_ERR_USAGE as of mq_split_plan. */
mq_status mq_split_at_tensors(mq_splitting *s, size_t *n_parts);
/* What each of n parts takes and gives, by the steps' parts. */
mq_status mq_split_make_parts(mq_splitting *s, mq_split_part **out, size_t n);

#endif
