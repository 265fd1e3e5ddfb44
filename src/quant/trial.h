/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Rounding one weight in several ways, by its layer's sums, and keeping the one whose results are nearest. */
#ifndef MQ_QUANT_TRIAL_H
#define MQ_QUANT_TRIAL_H

#include "quant/round.h"
#include "quant/rounding.h"

/* What weights that see the same vectors share. */
typedef struct mq_trial_base {
    mq_round_kind kind;
    int64_t n_groups, cols;
    mq_round_base **groups;
    double *diagonal; /* [n_groups][cols]: what counts for finding scales */
} mq_trial_base;

/* Of a finished gram, with so much of its mean diagonal added to the diagonal. MQ_ERR_INPUT when nothing, or nothing finite,
 * was seen; MQ_ERR_NOMEM. */
mq_status mq_trial_base_make(mq_trial_base *b, const mq_gram *g, double damping, mq_round_kind kind,
                             mq_error *err);
void mq_trial_base_release(mq_trial_base *b);

/* Rounds w, whose elements lie as r says: e has room for all of it and the scales that w has now, and gets the scales and
 * integers with the least error, which are those of rounding to nearest at worst. MQ_ERR_INPUT: not all of w is finite. */
mq_status mq_trial_round(const mq_trial_base *b, const mq_weight *w, const mq_reduction *r, mq_rounded *e, mq_error *err);

#endif
