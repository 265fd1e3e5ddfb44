/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What a model loses when channels of one group go: each group alone, at several levels. */
#ifndef MQ_API_PRUNE_CURVES_H
#define MQ_API_PRUNE_CURVES_H

#include "api/prune_job.h"
#include "api/sensitivity.h"
#include "prune/structure.h"

#define MQ_PRUNE_LOUD 2.302585093 /* cost behind which outputs hardly tell more from less: see below */

enum { MQ_PRUNE_LEVELS = 9 }; /* 10, 20, ... 90 % */

/* The cost of noise n (its power by the outputs') is -log(1 - n): of what the outputs say 1 - n is left, and what several
 * groups leave multiplies. Behind n = 0.9 outputs hardly tell more from less: each further share of the channels costs the
 * same there, much. */

/* One chosen group that can lose channels. */
typedef struct mq_prune_curve {
    mq_structure_group *group;
    size_t left[MQ_PRUNE_LEVELS];  /* channels that stay at each level; as many as before: the level is none of its own */
    double cost[MQ_PRUNE_LEVELS];  /* what is lost there, never less than at the level before; NAN: not measured */
} mq_prune_curve;

typedef struct mq_prune_curves {
    mq_prune_curve *items;
    size_t n;
} mq_prune_curves;

/* Lists the groups of s that can lose channels, and their levels. out: {0}; to be released in any case. */
mq_status mq_prune_curves_list(mq_prune_curves *out, mq_structure *s, mq_error *err);
/* Measures them on j's data, else on what judges, else on generated inputs; what is least important goes first. The curves
 * go into the report. deadline: of mq_seconds, 0: none. MQ_ERR_UNSUPPORTED: the model cannot be run. */
mq_status mq_prune_curves_measure(mq_prune_curves *c, mq_prune_job *j, double deadline);
/* A curve between its levels; `left` channels stay. NAN: not known. */
double mq_prune_curve_cost(const mq_prune_curve *c, size_t left);
void mq_prune_curves_release(mq_prune_curves *c);

#endif
