/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Several models into one: what `mq merge` does, as one call. */
#ifndef MQ_MERGE_H
#define MQ_MERGE_H

#include "mq/model.h"
#include "mq/report.h"
#include "mq/run.h"
#include "mq/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mq_merge_opts {
    mq_names connect;    /* "OUT=IN"; default: outputs and inputs of the same name, type and shape */
    mq_names prefix;     /* of each model's names, or of each but the first's; default: names stay */
    bool average;        /* equal models side by side, their outputs averaged, instead of a chain (default false) */
    int opset;           /* of the output; 0 (default): the newest of the inputs' */
    mq_verify verify;    /* default MQ_VERIFY_AUTO */
    mq_data_source verify_on; /* what models are run on (default: generated inputs) */
    double min_sqnr;     /* of every output against the models run by themselves, in dB; -INFINITY (default): when they
                          * are run, 100, or 40 with half precision or quantized */
    double max_size_ratio; /* of the inputs' bytes together, external data included; 0 (default): no bound */
    uint64_t max_size;   /* in bytes; 0 (default): no bound */
    bool strict;         /* a warning counts as a missed bound (default false) */
    bool dry_run;        /* decide and report, write nothing */
    bool hash;           /* SHA-256 of inputs and output into the report (default false) */
    const char *keep_failed; /* where a result that misses a bound is put; NULL: nowhere */
    mq_save_opts save;
} mq_merge_opts;

MQ_API mq_merge_opts mq_merge_opts_default(void);

/* Merges `inputs`, two or more, into `output`. Fills the report (not NULL): sizes, connections, bounds, proof. A bound that
 * is missed is no failure: the report says so and output is not put in place. hooks may be NULL.
 * Errors: MQ_ERR_INPUT (an input missing, corrupt or invalid; imports or functions that contradict each other),
 * MQ_ERR_USAGE (output exists, names that several models have, unknown names, types that do not fit, a cycle, nothing to
 * connect), MQ_ERR_UNSUPPORTED (an opset that cannot be raised, an output that has no mean), MQ_ERR_SYSTEM. */
MQ_API mq_status mq_merge_files(const char *const *inputs, size_t n_inputs, const char *output, const mq_merge_opts *opts,
                                mq_report *report, const mq_hooks *hooks, mq_error *err);

#ifdef __cplusplus
}
#endif
#endif
