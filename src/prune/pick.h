/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* From a number of zeros to the rules that give exactly so many: the key below which weights go, found by two histograms of
 * 16 bits each over streamed keys, and where ties end. */
#ifndef MQ_PRUNE_PICK_H
#define MQ_PRUNE_PICK_H

#include "prune/target.h"

/* Sets the rule of every item of the plan that does not stay. Nothing is changed but rules. */
mq_status mq_prune_pick(const mq_prune_plan *plan, const mq_hooks *hooks, mq_error *err);

/* The same for n of the items: `count` of all their units (elements, or blocks) go, those with the smallest keys; ties go by
 * item and index. */
mq_status mq_prune_pick_count(const mq_prune_plan *plan, mq_prune_item *const *items, size_t n, uint64_t count,
                              const mq_hooks *hooks, mq_error *err);

/* How many of `total` units go where `ratio` of them, or the options' number, is asked for. */
uint64_t mq_prune_count_of(const mq_prune_plan *plan, double ratio, uint64_t total);

/* Elements of an item, or its blocks. */
uint64_t mq_prune_units(const mq_prune_plan *plan, const mq_prune_item *it);

#endif
