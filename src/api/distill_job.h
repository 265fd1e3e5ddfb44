/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the parts of `mq distill-export` share. */
#ifndef MQ_API_DISTILL_JOB_H
#define MQ_API_DISTILL_JOB_H

#include "api/job.h"
#include "api/running.h"
#include "exec/metrics.h"
#include "mq/distill.h"
#include "train/loop.h"

/* ---- samples (distill_samples.c) ------------------------------------------------------------------------------------ */

/* All samples of a source in memory: arrays with a row for each. */
typedef struct mq_samples {
    uint64_t n, n_labelled;
    mq_array **in;       /* per input of the teacher */
    size_t n_in;
    mq_array *labels;    /* int64 (below 0: none) or float; NULL: there are none at all */
} mq_samples;

/* Reads a source for a running model. MQ_ERR_INPUT when samples are not all of one shape, or there are none. */
mq_status mq_samples_read(mq_samples *out, const mq_data_source *source, const mq_running *run, const mq_hooks *hooks,
                          void (*note)(void *user, const char *text), void *user, mq_error *err);
/* Rows `list` of s, as samples of their own. */
mq_status mq_samples_take(mq_samples *out, const mq_samples *s, const uint64_t *list, uint64_t n, mq_error *err);
void mq_samples_release(mq_samples *s);

/* Runs a model on samples, in batches; out gets an array with a row for each sample for each of its outputs. MQ_ERR_INPUT
 * when an output has no row per sample. */
mq_status mq_samples_run(mq_array **out, mq_running *run, const mq_samples *s, const mq_hooks *hooks, mq_error *err);

/* The best class of each row along the class axis (1 of rank 4 and 5, else the last), int64. */
mq_status mq_best_classes(mq_array **out, const mq_array *scores, mq_error *err);

/* Puts BatchNormalization behind convolutions that have none; unless their weights are fresh, the model computes what it did
 * (on the first of these samples). */
mq_status mq_samples_normalize(mq_model *m, const mq_samples *s, bool fresh, const mq_hooks *hooks, mq_error *err);

/* ---- judging (distill_judge.c) -------------------------------------------------------------------------------------- */

typedef struct mq_distill_figure {
    double metric;
    uint64_t bytes;      /* as stored; 0: not written */
    int64_t macs;        /* of one sample; -1: not known */
} mq_distill_figure;

/* What models are judged on. */
typedef struct mq_distill_judge {
    mq_samples samples;
    mq_array *truth;     /* int64 classes or float values, a row per sample */
    bool classes, by_teacher;
    bool held_out;       /* a part of the training data */
    mq_metric metric;
} mq_distill_judge;

/* Settles truth and metric; teacher: its outputs on the samples (the first one counts). */
mq_status mq_judge_settle(mq_distill_judge *j, const mq_array *teacher, bool classes, const char *metric, mq_error *err);
/* The metric of a model on the samples. */
mq_status mq_judge_model(const mq_distill_judge *j, mq_model *m, const mq_hooks *hooks, double *metric, mq_error *err);
void mq_judge_release(mq_distill_judge *j);

/* ---- one file ------------------------------------------------------------------------------------------------------- */

enum { MQ_MOST_LOSSES = 32 };

/* Where a loss term's target comes from. */
typedef enum mq_target_kind { MQ_TARGET_LABELS, MQ_TARGET_BEST, MQ_TARGET_TEACHER } mq_target_kind;

typedef struct mq_distill_job {
    mq_job job;
    const mq_distill_opts *opts;
    mq_model *teacher;
    mq_running run;          /* the teacher, up to what is learned from */
    size_t n_scores;         /* of run's outputs, those that stand for the model's outputs, in their order; then hints */
    bool classes;            /* the first output is scores of classes */
    mq_samples samples;      /* to train on */
    mq_array **taught;       /* per output of run: the teacher's, a row per sample; NULL while it runs in the loop */
    mq_distill_judge judge;
    double in_float;         /* the student's metric before it was quantized */
    mq_augment augment;
    mq_distill_figure of_teacher, of_control, of_student;
    mq_loop_result loop, control_loop;

} mq_distill_job;

/* ---- the teacher's outputs in files (distill_cache.c) ---------------------------------------------------------------- */

/* What the teacher says of all of j->samples, per output of its run: from the cache, or by running it. Writes what was asked
 * for. */
mq_status mq_distill_ask(mq_distill_job *j, mq_array **out);

/* ---- quantizing (distill_quantize.c) --------------------------------------------------------------------------------- */

/* j->job.model becomes its static quantization, with ranges found on the training data. */
mq_status mq_distill_quantize(mq_distill_job *j);

/* ---- training (distill_train.c) ------------------------------------------------------------------------------------- */

/* Trains m; control: on labels alone. `seed` is that of this student; name: of its checkpoint. Afterwards m holds the
 * parameters of the best epoch, BatchNormalization folded. */
mq_status mq_distill_train(mq_distill_job *j, mq_model *m, bool control, uint64_t seed, const char *name,
                           mq_loop_result *out);

#endif
