/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Which constants are pruned: the float weights of layers, biases and parameters of normalizations never. Each that stays
 * has a reason. */
#ifndef MQ_PRUNE_TARGET_H
#define MQ_PRUNE_TARGET_H

#include "base/vec.h"
#include "mq/prune.h"
#include "passes/source.h"

/* Why a weight stays as it is; the report names it. */
typedef enum mq_prune_stay {
    MQ_PRUNE_GOES,         /* it is pruned */
    MQ_PRUNE_EXCLUDED,     /* by a filter */
    MQ_PRUNE_SPARED,       /* the sparsity asked for it is 0 */
    MQ_PRUNE_FIRST,        /* of a first layer, see keep_ends */
    MQ_PRUNE_LAST,         /* of a last layer */
    MQ_PRUNE_OTHER_TYPE,   /* its elements are no floating-point numbers, or there are too many dimensions */
    MQ_PRUNE_SHARED,       /* something else than such layers uses it too */
    MQ_PRUNE_OUTPUT,       /* it is also an output of the graph */
    MQ_PRUNE_IN_FUNCTION,  /* in the body of a function, whose constants belong to every call */
    MQ_PRUNE_EMPTY,        /* no elements */
    MQ_PRUNE_NO_PATTERN,   /* the pattern does not fit */
    MQ_PRUNE_N_STAYS,
} mq_prune_stay;

/* How zeros are chosen within one weight. */
typedef enum mq_prune_kind {
    MQ_PRUNE_KEYS,   /* by a threshold of keys (score.h) */
    MQ_PRUNE_GROUPS, /* the smallest keys of each M along the reduction axis */
    MQ_PRUNE_BLOCKS, /* by a threshold of the keys of blocks */
} mq_prune_kind;

/* Goes: what has a smaller key, and of those with the same key what lies before tie_end. */
typedef struct mq_prune_rule {
    uint32_t key;
    uint64_t tie_end; /* an element's index as it is stored; a block's */
} mq_prune_rule;

/* What a weight was and became. */
typedef struct mq_prune_stats {
    uint64_t n, zeros_before, zeros, n_nan;
    double energy_before, energy; /* sums of squares; NaN counts 0 */
    bool measured;
} mq_prune_stats;

/* A constant that at least one layer takes as its weight. */
typedef struct mq_prune_item {
    mq_value *constant;      /* where the numbers are stored */
    mq_source view;          /* as the first layer sees it; plain strides over what is stored, or turned */
    int channel_axis;        /* of output channels in the view; -1: none */
    int reduce_axis;         /* that products are summed over; -1: none */
    mq_prune_stay stay;
    const char *stay_detail; /* the other user's name, the type, ... or "" */
    const char *op_type;     /* of the first layer */
    const char **users;      /* labels of the layers */
    size_t n_users, users_room;
    bool first, last;        /* of such a layer */
    bool own;                /* has a sparsity of its own: not in the common choice of a global scope */
    double ratio;            /* asked for this weight */
    uint64_t seed;           /* of random keys */
    mq_prune_rule rule;
    mq_prune_stats stats;
    bool done;               /* its numbers are pruned already: nothing is left to do but to count */
} mq_prune_item;

typedef struct mq_prune_plan {
    mq_model *model;
    const mq_prune_opts *opts;
    double share;            /* of what is asked for, in this round: up to 1; 0 (default) is 1 */
    mq_prune_kind kind;      /* what opts->pattern says */
    size_t keep, of;         /* N:M */
    size_t rows, cols;       /* RxC */
    MQ_VEC(mq_prune_item *) items; /* in the order in which nodes name them, in the model's arena */
    size_t n_pruned;         /* that do not stay */
    uint64_t n_bytes;        /* of these */
} mq_prune_plan;

/* Finds every weight and decides; plan: model and opts are set. Types and shapes must have been inferred. Errors:
 * MQ_ERR_USAGE for patterns without a match and values that do not exist. */
mq_status mq_prune_find(mq_prune_plan *plan, mq_error *err);
void mq_prune_plan_release(mq_prune_plan *plan);

/* "first", "excluded", ... and the sentence for people. */
const char *mq_prune_stay_code(mq_prune_stay stay);
const char *mq_prune_stay_text(mq_prune_stay stay);

#endif
