/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Running models.
 *
 * A plan is a model made ready: a private copy of its graph, raised to the newest opset, functions inlined, constants
 * folded, operators fused, a kernel chosen for every node. A plan can be used by several threads at once; each has a
 * runner, which holds what belongs to one run: activations, kernels' states for the shapes seen so far. The model must
 * outlive the plan.
 *
 * Tensors go by their names in the model as it was read. */
#ifndef MQ_EXEC_EXEC_H
#define MQ_EXEC_EXEC_H

#include "graph/array.h"

typedef struct mq_plan mq_plan;
typedef struct mq_runner mq_runner;

typedef struct mq_plan_opts {
    bool reference; /* reference kernels only, and no passes: what everything else is compared with (default false) */
    bool no_fast;   /* passes, but reference kernels only */
    bool partial;   /* nodes without a kernel, and what lies behind them, are left out and named (default: an error) */
    bool float_edges; /* inputs and outputs that stand for numbers by a scale in the metadata are float (passes/edges.h) */
    bool training;  /* batch statistics and random operators as in training; every value is kept until the next run */
    /* The part to run: boundary tensors to be fed instead of the model's inputs, and the tensors wanted. NULL: the
     * model's. */
    const char *const *inputs;
    size_t n_inputs;
    const char *const *outputs;
    size_t n_outputs;
    /* Tensors that must exist during a run, to be watched or replaced, and constants to be exchanged: no pass removes
     * them. */
    const char *const *keep;
    size_t n_keep;
    bool keep_all; /* every tensor of the main graph that has a name in the file */
} mq_plan_opts;

/* Errors: MQ_ERR_UNSUPPORTED naming operators without kernels; MQ_ERR_INPUT for graphs that cannot run (cycles, values
 * nobody makes, functions that call themselves); MQ_ERR_USAGE for names in opts that the graph does not have;
 * MQ_ERR_NOMEM. opts and hooks may be NULL. */
mq_status mq_plan_create(mq_plan **out, mq_model *m, const mq_plan_opts *opts, const mq_hooks *hooks, mq_error *err);
void mq_plan_free(mq_plan *p); /* after its runners; NULL is fine */

/* Inputs and outputs in order; a value's name and type (declared and inferred) may be read. */
size_t mq_plan_n_inputs(const mq_plan *p);
size_t mq_plan_n_outputs(const mq_plan *p);
const mq_value *mq_plan_input(const mq_plan *p, size_t i);
const mq_value *mq_plan_output(const mq_plan *p, size_t i);
/* Input i has a default (an initializer of the same name): it need not be fed. */
bool mq_plan_input_optional(const mq_plan *p, size_t i);

/* What a partial plan left out: nodes without a kernel; `behind` counts the nodes that need what they make. A missing
 * output's value is NULL in mq_plan_output's place at run time. */
typedef struct mq_missing {
    const char *node, *op_type, *domain;
    int64_t version; /* of the domain */
    size_t behind;
} mq_missing;
const mq_missing *mq_plan_missing(const mq_plan *p, size_t *n);

/* The graph that runs (after passes), for looking at: mq_model_dump. Borrowed. */
const mq_model *mq_plan_model(const mq_plan *p);

/* Gives constant `name` (kept by opts) other contents of the same type and shape, copied; packed forms are made anew. No
 * runner may be running. MQ_ERR_USAGE when it is no constant of the plan. */
mq_status mq_plan_set_constant(mq_plan *p, const char *name, const mq_array *value, mq_error *err);

/* ---- running ------------------------------------------------------------------------------------------------------ */

/* n_threads 0: all CPUs that the process may use. */
mq_status mq_runner_create(mq_runner **out, mq_plan *p, int n_threads, mq_error *err);
void mq_runner_free(mq_runner *r);

/* Called for each kept tensor (opts.keep, keep_all) when it has been made; constants are not told. The array is in plain
 * layout and may be written to: what follows sees the change. Borrowed: not to be kept without a copy. An error ends the
 * run. */
typedef mq_status (*mq_watch_fn)(void *user, const mq_value *value, mq_array *array, mq_error *err);
void mq_runner_watch(mq_runner *r, mq_watch_fn fn, void *user);

/* Asked between steps whether to stop (MQ_ERR_CANCELLED); borrowed, NULL for none. */
void mq_runner_hooks(mq_runner *r, const mq_hooks *hooks);

/* For random operators without a seed of their own; the default is 0. */
void mq_runner_seed(mq_runner *r, uint64_t seed);

/* Runs once. in: an array for each input of the plan (NULL: its default), plain layout, only read, borrowed. out: an
 * array for each output, a reference each, valid for as long as it is kept (strings: until the next run); NULL for what
 * a partial plan lacks. On failure nothing is handed over. Shapes may differ from run to run.
 * Errors: MQ_ERR_INPUT (input missing, of another type or shape than the model says, or shapes that do not fit inside),
 * MQ_ERR_UNSUPPORTED (a case that a kernel does not have), MQ_ERR_NOMEM. */
mq_status mq_runner_run(mq_runner *r, mq_array *const *in, mq_array **out, mq_error *err);

/* ---- measuring ---------------------------------------------------------------------------------------------------- */

/* What one node has cost since mq_runner_profile(r, true). One struct for profiles, sensitivity and latency bounds. */
typedef struct mq_node_stat {
    const mq_node *node;   /* of the plan's graph */
    const char *kernel;    /* "reference", or a fast kernel's name */
    uint64_t runs;
    uint64_t ns;
    int64_t macs;          /* multiply-accumulates of the last run; 0: none, or not known */
    uint64_t bytes;        /* read and written in the last run: inputs and outputs */
    uint64_t last_start, last_ns; /* the last run, on the clock CLOCK_MONOTONIC */
} mq_node_stat;
void mq_runner_profile(mq_runner *r, bool on);
/* In order of execution, main graph only; borrowed until the runner is freed. */
const mq_node_stat *mq_runner_stats(const mq_runner *r, size_t *n);
/* Most bytes of activations at one time in the last run. */
size_t mq_runner_peak(const mq_runner *r);

#endif
