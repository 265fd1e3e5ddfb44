/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What prune_structure.c (what goes) and prune_cut.c (in rounds) share. */
#ifndef MQ_API_PRUNE_STRUCTURE_H
#define MQ_API_PRUNE_STRUCTURE_H

#include "api/prune_job.h"
#include "base/vec.h"
#include "passes/filters.h"
#include "prune/structure.h"

/* A weight that loses slices, as it was. */
typedef struct mq_prune_changed {
    mq_value *value;
    uint64_t bytes;
} mq_prune_changed;

struct mq_prune_structured {
    mq_structure *groups;      /* of channels, heads, columns, as the model had them */
    mq_blocks *blocks;         /* or of blocks */
    mq_filters *filters;
    double *asked;             /* per group: the share that was to go; NAN: a budget chose */
    const char **names;        /* of blocks */
    double *scores;            /* of blocks */
    bool *gone;
    size_t n_blocks, n_gone;   /* n_gone: channels or blocks, in all */
    MQ_VEC(mq_prune_changed) weights;
    double macs, bytes;        /* before, as mq_structure_cost has them */
    size_t *left;              /* per group: channels that are left after the rounds so far; NULL: before the first one */
    size_t n_cut;              /* blocks that are gone by then */
};

/* prune_importance.c: the scores of the chosen groups of s, which are those of the model as it is now. */
mq_status mq_prune_structure_score(mq_prune_job *j, mq_structure *s);
/* prune_goals.c: is there no share of channels, but a bound by which it is looked for? */
bool mq_prune_structure_by_bounds(const mq_prune_opts *o);
/* What each group loses alone, into the report (sensitivity); with such bounds sets how many channels of each are left. */
mq_status mq_prune_structure_goals(mq_prune_job *j);
/* Remembers the weights that make channels which go, before any do. Uses the tags of values. */
mq_status mq_prune_structure_note(mq_prune_job *j);

#endif
