/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The rules applied: as a mask, or to the bytes of a weight while it is written. */
#ifndef MQ_PRUNE_ZERO_H
#define MQ_PRUNE_ZERO_H

#include "prune/target.h"

/* The item's mask: 1 for what stays, an element a byte, in the order of the tensor; to be freed with free(). */
mq_status mq_prune_mask(const mq_prune_plan *plan, const mq_prune_item *it, const mq_hooks *hooks, uint8_t **out,
                        mq_error *err);

/* From now on the item's tensor is made when it is written, with zeros; it->view still reads what was there. Its stats are
 * filled in then. */
mq_status mq_prune_defer(const mq_prune_plan *plan, mq_prune_item *it, mq_error *err);

/* Fills in the stats of an item without writing. */
mq_status mq_prune_measure(const mq_prune_plan *plan, mq_prune_item *it, const mq_hooks *hooks, mq_error *err);

#endif
