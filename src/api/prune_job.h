/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the parts of `mq prune` share while one file is made. */
#ifndef MQ_API_PRUNE_JOB_H
#define MQ_API_PRUNE_JOB_H

#include <jansson.h>

#include "api/bounds.h"
#include "api/job.h"
#include "mq/prune.h"
#include "prune/target.h"

/* What was gained (prune_worth.c). */
typedef struct mq_prune_worth {
    int64_t macs_before, macs;           /* negative: not known */
    uint64_t dense_bytes, sparse_bytes;  /* of the pruned weights, each in its smaller form in the second */
    uint64_t gzip_before, gzip;          /* about, of all files; 0: not looked at */
    bool smaller, faster;
    json_t *section;                     /* in the report, borrowed; NULL: not begun */
} mq_prune_worth;

typedef struct mq_prune_job {
    mq_job job;
    const mq_prune_opts *opts;
    mq_prune_plan plan;
    mq_judging *judging;
    mq_prune_worth worth;
} mq_prune_job;

/* The section `prune` of the report, and what the pass over the weights found out; MQ_ERR_USAGE when nothing is left of a
 * weight that was to lose a share of its own. */
mq_status mq_prune_tell(mq_prune_job *j);

/* ---- prune_worth.c -------------------------------------------------------------------------------------------------- */

/* Before anything is changed: what a run costs, and a word where neither size nor time will be gained. */
mq_status mq_prune_worth_begin(mq_prune_job *j);
/* --storage sparse: initializers that are smaller as coordinates become so; those of pruned weights that are not are
 * warned about. After all else, before the file is written. */
mq_status mq_prune_store(mq_prune_job *j);
/* What a pruned weight takes, into its entry of the report, and into the sums. */
void mq_prune_worth_add(mq_prune_job *j, json_t *to, mq_dtype type, uint64_t elements, uint64_t zeros, bool stored_sparse);
/* `worth` of the section `prune`; after all weights were added. */
mq_status mq_prune_worth_tell(mq_prune_job *j);
/* For mq_job.look: adds sizes after compression, by samples. */
mq_status mq_prune_look(void *job, const mq_model *written);

#endif
