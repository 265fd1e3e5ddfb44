/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the options ask of each weight: how many zeros (--sparsity, --threshold, --nonzeros), and in which pattern. */
#ifndef MQ_PRUNE_ASK_H
#define MQ_PRUNE_ASK_H

#include "prune/target.h"

typedef struct mq_prune_ask mq_prune_ask;

/* plan: its pattern has been read. MQ_ERR_USAGE for values that are no ratio, and when nothing or too much is asked for. */
mq_status mq_prune_ask_create(mq_prune_ask **out, const mq_prune_plan *plan, mq_error *err);
void mq_prune_ask_free(mq_prune_ask *a); /* NULL is fine */

/* There is such a weight: to be said of all before the first question. */
void mq_prune_ask_offer(mq_prune_ask *a, const mq_value *weight);
/* *ratio: what is asked of it (0 with a threshold or a number); true: by a pattern of its own. */
bool mq_prune_ask_find(mq_prune_ask *a, const mq_value *weight, double *ratio);
/* MQ_ERR_USAGE when a pattern matched no weight. */
mq_status mq_prune_ask_check(const mq_prune_ask *a, mq_error *err);

/* Reads plan->opts->pattern into kind, keep, of, rows, cols. */
mq_status mq_prune_ask_pattern(mq_prune_plan *plan, mq_error *err);

/* Is there no number of zeros, but a bound on what the model computes, by which one is looked for? */
bool mq_prune_by_bounds(const mq_prune_opts *o);

/* S x n, halves to the even neighbour: as torch.nn.utils.prune counts. */
uint64_t mq_prune_count(double ratio, uint64_t n);

#endif
