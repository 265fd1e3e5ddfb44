/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the parts of `mq distill-export` share. */
#ifndef MQ_API_DISTILL_JOB_H
#define MQ_API_DISTILL_JOB_H

#include "api/bounds.h"
#include "api/job.h"
#include "api/train_job.h"
#include "mq/distill.h"

typedef struct mq_distill_figure {
    double metric;
    double half;         /* of the 95 % interval of its loss against the teacher's; NAN: none */
    uint64_t bytes;      /* as stored; 0: not written */
    int64_t macs;        /* of one sample; -1: not known */
    int64_t int8_macs;   /* of these, products of integers */
} mq_distill_figure;

typedef struct mq_distill_job {
    mq_job job;
    const mq_distill_opts *opts;
    mq_model *teacher;
    mq_train_job train;
    mq_bounds by_bounds;     /* what of the bounds the judging looks at */
    mq_data_source judge_on; /* where it runs models */
    mq_judging *judging;
    double in_float;         /* the student's metric before it was quantized */
    mq_distill_figure of_teacher, of_control, of_student;
    mq_loop_result loop, control_loop;
} mq_distill_job;

/* ---- the teacher's outputs in files (distill_cache.c) ---------------------------------------------------------------- */

/* What the teacher says of all samples to train on, per output of its run: from the cache, or by running it. Writes what was
 * asked for. `job` is a mq_distill_job. */
mq_status mq_distill_ask(void *job, mq_array **out);

/* ---- quantizing (distill_quantize.c) --------------------------------------------------------------------------------- */

/* j->job.model becomes its static quantization, with ranges found on the training data. */
mq_status mq_distill_quantize(mq_distill_job *j);

#endif
