/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Weights that get new numbers now, not when they are written. */
#ifndef MQ_PRUNE_RENEW_H
#define MQ_PRUNE_RENEW_H

#include "prune/target.h"

/* All elements of a view as floats, in its order; to be freed with free(). */
mq_status mq_renew_read(const mq_source *view, float **out, mq_error *err);

/* The item's tensor holds these numbers from now on (in the order of the view; numbers that did not change keep their bits);
 * the item is done, and its stats say what became of it. */
mq_status mq_renew_item(mq_prune_item *it, const mq_source *view, const float *weight, mq_error *err);

#endif
