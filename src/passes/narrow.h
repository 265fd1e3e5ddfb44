/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* From a model to a narrower one: finding its groups of channels, picking some of each, taking the others out. */
#ifndef MQ_PASSES_NARROW_H
#define MQ_PASSES_NARROW_H

#include "graph/channels.h"

typedef struct mq_narrow {
    mq_model *model;
    mq_channels *channels;
    mq_error conflict;     /* what type inference complained about before anything went; empty: nothing */
} mq_narrow;

/* Infers m's types and finds its groups. w: {0}. m: functions inlined, nodes sorted. Errors: those of mq_channels_find. */
mq_status mq_narrow_begin(mq_narrow *w, mq_model *m, mq_error *err);
/* Takes out what keep says (mq_channels_shrink), drops what nobody reads any more and infers types anew. MQ_ERR_UNSUPPORTED
 * when what is left does not fit together, though it did before; the groups may only be read
 * and released then. */
mq_status mq_narrow_finish(mq_narrow *w, const bool *const *keep, mq_error *err);
void mq_narrow_release(mq_narrow *w);

/* MQ_ERR_UNSUPPORTED: no channels can go, with the first reason. */
mq_status mq_narrow_fail_nothing(const mq_channels *c, mq_error *err);

/* Sets the flags of the `left` largest of n scores; of equal ones the lower. NaN is the largest. */
mq_status mq_narrow_pick(const double *scores, size_t n, size_t left, bool *keep, mq_error *err);

#endif
