/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the files of mq_bench share: the job, its models, and who takes turns in a case (one number of threads, one
 * batch). */
#ifndef MQ_API_BENCH_PARTS_H
#define MQ_API_BENCH_PARTS_H

#include "api/bench_stats.h"
#include "api/running.h"
#include "mq/bench.h"
#include "report/report.h"

typedef struct mq_peer mq_peer; /* another engine, in a process of its own: peer.h */

typedef MQ_VEC(double) mq_times;

/* A model. */
typedef struct mq_bench_entry {
    const char *path;
    mq_model *model;
    mq_running run;
    mq_dataset *data;   /* of the batch at hand */
    mq_array ***calls;  /* inputs of a few runs, held */
    size_t n_calls;
    size_t samples;     /* of one run */
    mq_bench_model *out;
} mq_bench_entry;

/* Who takes turns. */
typedef struct mq_racer {
    mq_bench_entry *entry;
    mq_peer *peer;      /* NULL: mq's own engine */
    mq_times ms;        /* timed runs in order */
    mq_times rounds;    /* the median of each turn */
    size_t per_turn;    /* runs that are counted */
    bool cold;          /* short runs: the first of a turn finds the caches of others and is not counted */
    double first_ms;
    size_t n_warmup;
    size_t peak;
    mq_times waits;     /* of each turn the share in which the calling thread had no CPU, by run; empty: a peer */
    mq_unrest unrest;   /* so far */
} mq_racer;

typedef struct mq_bench_job {
    const mq_bench_opts *opts;
    const mq_hooks *hooks;
    mq_report *report;
    mq_arena *arena;      /* of the result */
    mq_bench_entry *entries;
    size_t n_entries;
    mq_bench_model *peers; /* what bench_quality.c finds out of each in ONNX Runtime; NULL: nothing */
    int threads;          /* of the case at hand */
    int64_t batch;
    uint64_t random;
    MQ_VEC(mq_bench_latency) rows;
    double deadline;      /* of all of the work, as mq_seconds counts; INFINITY: none */
    size_t n_shares;      /* cases that are still to be measured, and one for judging */
    size_t case_first;    /* row that the case at hand begins with */
} mq_bench_job;

/* bench_time.c: warms up, measures in turns, and adds a row for each. */
mq_status mq_bench_race(mq_bench_job *j, mq_racer *racers, size_t n, mq_error *err);
/* The median and its interval; the speedup over another that took the same turns, and its interval. */
mq_status mq_racer_median(const mq_racer *r, mq_bench_figure *out, mq_error *err);
mq_status mq_racer_speedup(const mq_racer *first, const mq_racer *r, mq_bench_figure *out, mq_error *err);

/* bench_profile.c: costs of each model's nodes in the case at hand, and the trace. */
mq_status mq_bench_profile(mq_bench_job *j, mq_error *err);

/* bench_bounds.c */
mq_status mq_bench_check_bounds(const char *const *files, size_t n_files, const mq_bench_opts *o, mq_error *err);
/* Does a bound of time lie inside an interval of what has been measured? */
mq_status mq_bench_straddles(const mq_bench_job *j, const mq_racer *racers, size_t n, bool *out, mq_error *err);
/* Bounds of the case that has just been measured; those that hold for all cases, at the end. */
mq_status mq_bench_case_bounds(mq_bench_job *j, const mq_racer *racers, size_t n, mq_error *err);
mq_status mq_bench_model_bounds(mq_bench_job *j, mq_error *err);

/* bench_quality.c: metrics on the data; nothing when nobody asked and the data say nothing about what is right. */
mq_status mq_bench_quality(mq_bench_job *j, mq_error *err);
/* MQ_ERR_USAGE when a metric is asked for that the data cannot give: before anything is measured. */
mq_status mq_bench_check_quality(const mq_bench_job *j, mq_error *err);
/* bench_eval.c: --eval-cmd for each model. */
mq_status mq_bench_eval(mq_bench_job *j, mq_error *err);

/* bench_report.c */
mq_status mq_bench_fill_report(const mq_bench_job *j, mq_error *err);

/* "a.onnx", with the folder where two models have the same name. */
const char *mq_bench_label(const mq_bench_job *j, const char *path);

#endif
