/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* From one model file to another, whatever is done in between: loading, mending and checking; writing beside, reading back,
 * running against the input, bounds, and putting in place. */
#ifndef MQ_API_JOB_H
#define MQ_API_JOB_H

#include "graph/graph.h"
#include "model/save.h"
#include "mq/model.h"
#include "mq/report.h"
#include "mq/run.h"

typedef struct mq_job_opts {
    mq_save_opts save;
    mq_verify verify;
    const mq_data_source *verify_on;
    double min_sqnr;        /* asked for, dB; -INFINITY: no bound */
    double expected_sqnr;   /* what every output must have when the models are run anyhow, dB; -INFINITY: nothing */
    double max_size_ratio;  /* 0: no bound */
    uint64_t max_size;      /* 0: no bound */
    bool ceiling, speed;    /* where the models are run: as in prove.h */
    bool strict, dry_run, hash;
    const char *keep_failed;
} mq_job_opts;

typedef struct mq_job {
    const char *input, *output;
    const char *original;   /* a file of the same model that can be read again; NULL: the input's */
    mq_job_opts opts;
    mq_report *report;
    const mq_hooks *hooks;
    mq_error *err;
    mq_model *model;
    mq_model *plain;        /* as in prove.h; freed with the model */
    mq_status (*prepare)(void *user, mq_model *original, mq_error *err); /* as in prove.h; NULL: nothing to do */
    /* Looks at the model as it was written, before it is run; not in a dry run or where nothing is verified. NULL: none. */
    mq_status (*look)(void *user, const mq_model *written);
    /* What runs the written model instead of mq_prove_run, where there is no one model to run it against. */
    mq_status (*prove)(void *user, mq_model *written, mq_error *err);
    /* More bounds, of what was written: j->model is its graph. NULL: none. */
    mq_status (*judge)(void *user);
    void *user;
    uint64_t bytes_before, data_before;
    mq_saved after;
    double since; /* when the running step began: mq_seconds() */
} mq_job;

/* Ends a step: its time goes into the report. */
mq_status mq_job_end_step(mq_job *j, const char *name);
/* A file that was read or written, with its hash where that is asked for. */
mq_status mq_job_report_file(const mq_job *j, const char *role, const char *path, uint64_t bytes);

/* Loads the input, mends it, checks it; sizes and files go into the report. */
mq_status mq_job_open(mq_job *j);
/* The same of one of several inputs, whose model is the caller's; sizes are added up. */
mq_status mq_job_open_one(mq_job *j, const char *input, mq_model **out);

/* Writes the model beside its place (a dry run: estimates it), calls facts (may be NULL) when the sizes are known, proves
 * it, judges the bounds, and puts it in place unless one is missed. `step` names the writing in the report. */
mq_status mq_job_finish(mq_job *j, const char *step, mq_status (*facts)(void *user), void *user);

/* Is a bound missed, or with `strict` something warned about? Then the result is not put in place. */
bool mq_job_missed(const mq_job *j);

/* Frees the model. */
void mq_job_close(mq_job *j);

#endif
