/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the parts of `mq merge` share while one file is made. */
#ifndef MQ_API_MERGE_JOB_H
#define MQ_API_MERGE_JOB_H

#include "api/job.h"
#include "convert/merge.h"
#include "mq/merge.h"

typedef struct merge_job {
    mq_job job;
    const mq_merge_opts *opts;
    mq_merge_part *parts;
    size_t n;
    mq_merge_links links; /* of a chain; names and places stay valid, values do not */
    bool exact;           /* no half precision and nothing quantized: the proof expects more */
} merge_job;

/* Runs the models one after another, and what was written of them, on the same data (merge_prove.c). */
mq_status mq_merge_prove(const merge_job *j, mq_model *written, mq_error *err);

#endif
