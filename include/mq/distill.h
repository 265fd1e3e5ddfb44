/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* A small model trained from a large one: what `mq distill-export` does, as one call. */
#ifndef MQ_DISTILL_H
#define MQ_DISTILL_H

#include "mq/bounds.h"
#include "mq/model.h"
#include "mq/report.h"
#include "mq/run.h"
#include "mq/status.h"
#include "mq/train.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mq_distill_opts {
    mq_train_opts train;
    const char *student;      /* file; NULL: derived from the teacher */
    double width, depth;      /* shares of channels and blocks (default 0.5, 1) */
    bool random_init;         /* fresh weights instead of the teacher's most important channels (default false) */
    uint64_t n_students;      /* by seed; more than one are written as NAME-1.onnx, NAME-2.onnx, ... (default 1) */
    mq_names hints;           /* "TEACHER=STUDENT": inner tensors that are to agree */
    const char *teacher_cache; /* .npz: the teacher's outputs, read when they belong to these data, else written */
    const char *soft_labels;  /* .npz: the teacher's outputs are written there, class scores as probabilities */
    bool quantize;            /* static quantization of the student, ranges found on the training data (default false) */
    const char *target;       /* who takes its integers: as mq_quantize_opts.target (default "onnx") */
    bool control;             /* train the same student without the teacher, too */
    mq_data_source train_on, judge_on; /* judge_on without data: val_split of the training data */
    double val_split;         /* share held out for judging (default 0.1) */
    mq_bounds bounds;         /* of the student against the teacher; its metric also chooses the best epoch; no min_sqnr */
    int opset;                /* of the output; 0 (default): the teacher's */
    mq_verify verify;
    bool strict, dry_run;
    bool hash;                /* SHA-256 of files and the speed of both models into the report (default false) */
    const char *keep_failed;
    mq_save_opts save;
    void (*note)(void *user, const char *text);   /* what should be said about the data; may be NULL */
    void (*detail)(void *user, const char *text); /* a line after each epoch; may be NULL */
    void *user;
} mq_distill_opts;

MQ_API mq_distill_opts mq_distill_opts_default(void);

/* Trains a student of `teacher` and writes `output`. Fills the report (not NULL). A bound that is missed is no failure: the
 * report says so (mq_report_n_missed) and output is not put in place. hooks may be NULL.
 * Errors: MQ_ERR_INPUT (a file is missing, corrupt or invalid; data, labels or student do not fit the teacher; the loss is
 * not finite), MQ_ERR_USAGE (output exists, options that contradict each other or the data), MQ_ERR_UNSUPPORTED (an operator
 * without a gradient, channels that cannot go, named), MQ_ERR_SYSTEM, MQ_ERR_CANCELLED. */
MQ_API mq_status mq_distill_file(const char *teacher, const char *output, const mq_distill_opts *opts, mq_report *report,
                                 const mq_hooks *hooks, mq_error *err);

#ifdef __cplusplus
}
#endif
#endif
