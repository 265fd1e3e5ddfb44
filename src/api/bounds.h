/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Judging what a job makes: figures of a model in memory beside the original's, and the bounds on them. Size on disk and
 * --min-sqnr are api/job.h's.
 *
 *   mq_judging_open(&j, &opts, model, err)    before anything is changed: `model` is the original
 *   mq_judging_measure(j, m, what, &f, err)   as often as a search needs
 *   mq_judging_cost(j, m, err)                bounds that need no run: for mq_job_finish's facts
 *   mq_judging_run(j, m, err)                 the others: for mq_job.judge
 *   mq_judging_close(j)
 */
#ifndef MQ_API_BOUNDS_H
#define MQ_API_BOUNDS_H

#include <jansson.h>

#include "graph/graph.h"
#include "mq/bounds.h"

typedef struct mq_judging mq_judging;

/* All borrowed until mq_judging_close. */
typedef struct mq_judging_opts {
    const mq_bounds *asked;
    const char *input;     /* the original's file; "-": standard input */
    const char *output;    /* what the report calls the result */
    const mq_data_source *source; /* what models are measured on; n_data 0: generated inputs */
    double seconds;        /* of one comparison of times; 0: as mq_bench does by itself */
    mq_report *report;     /* may be NULL */
    const mq_hooks *hooks; /* may be NULL */
} mq_judging_opts;

/* What is measured; bits. */
typedef enum mq_measure {
    MQ_MEASURE_COST = 1 << 0,   /* macs, ram */
    MQ_MEASURE_METRIC = 1 << 1, /* metric, drop: of eval_cmd, else on the data */
    MQ_MEASURE_TIME = 1 << 2,   /* latency, speedup */
} mq_measure;

/* Figures of a model beside the original's. */
typedef struct mq_measured {
    uint64_t macs, macs_unknown; /* the second: nodes of which they are not known */
    uint64_t ram, ram_unknown;   /* bytes of activations; tensors whose size is not known */
    char metric_name[64];
    double metric, drop;         /* NAN: not measured; drop: as mq_bench_bounds.max_drop counts */
    bool lower_is_better;
    mq_bench_figure latency;     /* seconds */
    mq_bench_figure speedup;     /* over the original */
} mq_measured;

/* What bounds need to know of the original, and its copy where its file cannot be read a second time. Types of `original`
 * must be inferred, and are afterwards. MQ_ERR_USAGE: a share of MACs that are not known. */
mq_status mq_judging_open(mq_judging **out, const mq_judging_opts *opts, mq_model *original, mq_error *err);
void mq_judging_close(mq_judging *j); /* NULL is fine */
const mq_judging_opts *mq_judging_asked(const mq_judging *j);

/* Does anything have to be run, so that a dry run cannot tell? */
bool mq_judging_runs(const mq_bounds *asked);
/* A file of the original that can be read: the input's, or the copy's until mq_judging_close. */
const char *mq_judging_original(const mq_judging *j);

/* Measures a model that need not be written: it is saved to a folder that is removed again. Types of m must be inferred,
 * and are afterwards. Nothing goes into the report. MQ_ERR_USAGE when `max_evals` are used up. */
mq_status mq_judging_measure(mq_judging *j, mq_model *m, unsigned what, mq_measured *out, mq_error *err);

/* What a model is worth by the bounds on quality: --max-drop, --min-metric, --min-sqnr. */
typedef struct mq_quality {
    double metric, drop; /* as in mq_measured; NAN: no bound on either */
    double sqnr;         /* dB, of the output that has least; NAN: no bound on it */
    double share;        /* of what the bounds allow, the largest that is used: at most 1 when all hold; NAN: a metric has no
                          * value */
} mq_quality;

/* bounds_quality.c. Measures m, as mq_judging_measure does; signal to noise beside `original`, which stays as it is, on
 * `proof`. */
mq_status mq_judging_quality(mq_judging *j, mq_model *m, const mq_model *original, const mq_data_source *proof,
                             mq_quality *out, mq_error *err);
/* "metric", "drop", "sqnr_db", "held" of an entry of the report. */
void mq_quality_put(mq_report *r, json_t *to, const mq_quality *q);

/* --max-macs, --max-ram of m, into the report. */
mq_status mq_judging_cost(mq_judging *j, mq_model *m, mq_error *err);
/* --max-drop, --min-metric (of eval_cmd, else on the data), --max-latency, --min-speedup, --with-onnxruntime: into the
 * report, with the metrics. The last run of eval_cmd is never refused for max_evals. */
mq_status mq_judging_run(mq_judging *j, mq_model *m, mq_error *err);

/* As mq inspect counts: first sizes that nobody knows are 1. Types must be inferred, and are afterwards. */
mq_status mq_judging_count(mq_model *m, mq_measured *out, mq_error *err);

#endif
