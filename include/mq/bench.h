/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Measuring models: how long they take, what they need, how right they are; several of them in one run, taking turns, so
 * that what disturbs the machine disturbs all of them. Models are compared with the first one (docs/bench.md). */
#ifndef MQ_BENCH_H
#define MQ_BENCH_H

#include "mq/run.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A figure and the 95 % interval around it. Of a median: it holds the median of a second run in another process; it is
 * made of order statistics, batch means, and what a process cannot see of itself (docs/bench.md, "Intervals"). */
typedef struct mq_bench_figure {
    double value;
    double lo, hi;
} mq_bench_figure;

/* What is asked of the last models, or of the only one. Those with a ratio need a first model to compare with. */
typedef struct mq_bench_bounds {
    bool has_drop, has_metric, has_sqnr;
    double max_drop;      /* metrics between 0 and 1: points; others: share of the first model's value */
    double min_metric;
    double min_sqnr;      /* dB of every output, against the first model's outputs */
    double max_latency;   /* seconds, of the median; 0: no bound. This one and the next in every case that is measured */
    double min_speedup;   /* over the first model; 0: no bound */
    uint64_t max_size;    /* bytes with external data; 0: no bound */
    double max_size_ratio; /* 0: no bound */
    double max_macs, max_macs_ratio; /* of one run of the first case; 0: no bound */
    uint64_t max_ram;     /* bytes of activations; 0: no bound */
} mq_bench_bounds;

typedef struct mq_bench_opts {
    mq_data_source source;  /* its batch is not looked at */
    const int *threads;     /* each is a case of its own; n_threads 0: the CPUs that the process may use */
    size_t n_threads;
    const int64_t *batches; /* likewise; n_batches 0: the model's, else 1 */
    size_t n_batches;
    const char *const *inputs; /* tensors to feed instead of the models' inputs; NULL: those */
    size_t n_inputs;
    const char *const *outputs; /* tensors wanted instead of the models' outputs; NULL: those */
    size_t n_outputs;
    uint64_t runs;    /* timed runs of each model in each case, never more; 0 (default): as `seconds` says */
    double seconds;   /* that long for each case; 0 (default): until intervals are narrow, at most 10 s */
    double time_limit; /* seconds for all of the work, shared by the cases and by judging; 0 (default): none */
    int64_t warmup;   /* runs before the timed ones; -1 (default): until times no longer fall */
    bool profile;     /* time by node and by operator, in the first case */
    const char *trace; /* where a Chrome trace goes; NULL: nowhere */
    bool with_onnxruntime; /* measure ONNX Runtime beside, on the same inputs */
    const char *metric;        /* "top1", ...; with eval_cmd a key of its object; NULL: by labels and output */
    const char *metric_output; /* the output that is judged; NULL: the first that fits */
    const char *eval_cmd;      /* measures a model instead; NULL: none */
    bool lower_is_better;      /* of eval_cmd's number */
    uint64_t max_evals;        /* runs of eval_cmd behind that of the first model; default 50 */
    mq_bench_bounds bounds;
    void (*note)(void *user, const char *text);   /* what should be said about data and models; may be NULL */
    void (*detail)(void *user, const char *text); /* shapes and ranges of the first sample; may be NULL */
    void *user;
} mq_bench_opts;

/* One model (or one engine beside mq) in one case. */
typedef struct mq_bench_latency {
    const char *file;
    const char *engine; /* "mq", or "onnxruntime 1.31.1" */
    int threads;
    int64_t batch;      /* samples of one run */
    const double *raw_ms; /* every timed run, in order */
    size_t n_runs;
    double min_ms, p90_ms, p99_ms;
    mq_bench_figure median_ms;
    double per_second;    /* samples, at the median */
    mq_bench_figure speedup; /* over the first row of the case: 2 is half the time; the first row has 1 */
    double first_ms;      /* the first run, which also packs weights */
    size_t n_warmup;
    uint64_t peak_bytes;  /* of activations; 0: not known (other engines) */
} mq_bench_latency;

/* What one node or one kind of operator takes in one run. */
typedef struct mq_bench_cost {
    const char *name;     /* of the node; of the operator */
    const char *op_type;
    const char *kernel;   /* "reference", "onednn:conv"; operators: "" */
    size_t n_nodes;
    double ms, share;     /* share of all nodes */
    double macs, bytes;   /* macs 0: none, or not known; bytes: read and written */
    double gflops, gbytes; /* a second; 0: not known */
} mq_bench_cost;

/* How right a model is. */
typedef struct mq_bench_metric {
    const char *name;
    double value;
    bool known;           /* false: nothing could be measured */
    bool main;            /* the one that bounds are about */
    bool lower_is_better;
    bool has_drop;        /* against the first model; positive is worse, as max_drop counts it */
    mq_bench_figure drop; /* of the paired difference; lo == hi == value where none can be given */
    bool has_interval;
} mq_bench_metric;

typedef struct mq_bench_class {
    double precision, recall, f1;
    uint64_t n; /* samples of the class */
    const char *name; /* as the model's metadata say; "": they do not */
} mq_bench_class;

typedef struct mq_bench_model {
    const char *file;
    const char *engine;               /* "mq", or "onnxruntime 1.31.1": then only metrics and sqnr are set */
    uint64_t model_bytes, data_bytes; /* external data */
    double load_ms, plan_ms;          /* reading and checking; making ready to run */
    double macs;                      /* of one run of the first case; 0: not measured */
    const mq_bench_cost *nodes, *operators; /* with profile: slowest first */
    size_t n_nodes, n_operators;
    const mq_bench_metric *metrics;
    size_t n_metrics;
    const char *metric_output; /* that they are about; "" for eval_cmd */
    uint64_t n_judged;         /* samples */
    const mq_bench_class *classes; /* by number; NULL: no classes, or too many to list */
    size_t n_classes;
    double sqnr;               /* against the first model, of the worst output; NAN: not measured */
    const char *sqnr_output;
} mq_bench_model;

typedef struct mq_bench_result {
    const mq_bench_model *models; /* as given */
    size_t n_models;
    const mq_bench_model *peers; /* the same in ONNX Runtime: with_onnxruntime, where metrics are measured */
    size_t n_peers;
    const mq_bench_latency *latency; /* case by case; in a case as given, then other engines */
    size_t n_latency;
    bool generated; /* on generated inputs */
} mq_bench_result;

MQ_API mq_bench_opts mq_bench_opts_default(void);

/* Loads and measures models. A missed bound is no failure: it is in the report (mq_report_n_missed), which may be NULL.
 * Errors: as mq_model_load and mq_run; MQ_ERR_USAGE for options that contradict each other; MQ_ERR_UNSUPPORTED when
 * there is no ONNX Runtime to be found. hooks may be NULL; hooks.n_threads counts where opts->threads does not. */
MQ_API mq_status mq_bench(const char *const *files, size_t n_files, const mq_bench_opts *opts, mq_report *report,
                          const mq_hooks *hooks, mq_bench_result **out, mq_error *err);
MQ_API void mq_bench_result_free(mq_bench_result *result); /* NULL is fine */

#ifdef __cplusplus
}
#endif
#endif
