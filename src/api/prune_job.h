/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the parts of `mq prune` share while one file is made. */
#ifndef MQ_API_PRUNE_JOB_H
#define MQ_API_PRUNE_JOB_H

#include "api/bounds.h"
#include "api/job.h"
#include "mq/prune.h"
#include "prune/target.h"

typedef struct mq_prune_job {
    mq_job job;
    const mq_prune_opts *opts;
    mq_prune_plan plan;
    mq_judging *judging;
} mq_prune_job;

/* The section `prune` of the report, and what the pass over the weights found out; MQ_ERR_USAGE when nothing is left of a
 * weight that was to lose a share of its own. */
mq_status mq_prune_tell(mq_prune_job *j);

#endif
