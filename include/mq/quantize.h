/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Quantization of a model file: what `mq quantize` does, as one call. */
#ifndef MQ_QUANTIZE_H
#define MQ_QUANTIZE_H

#include "mq/model.h"
#include "mq/report.h"
#include "mq/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Names or patterns: exact, glob, "re:REGEX". */
typedef struct mq_names {
    const char *const *items;
    size_t n;
} mq_names;

typedef enum mq_verify {
    MQ_VERIFY_AUTO, /* what is right for the size (in this version: LOAD) */
    MQ_VERIFY_NONE, /* the written file is not looked at */
    MQ_VERIFY_LOAD, /* it is read again and checked before it is put in place */
} mq_verify;

typedef struct mq_quantize_opts {
    mq_names nodes, exclude_nodes;       /* default: all nodes */
    mq_names tensors, exclude_tensors;   /* names of weights; default: all */
    mq_names op_types, exclude_op_types; /* default: Conv, MatMul, Gemm, Gather */
    bool per_tensor;       /* one scale for a whole weight (default false: one per output channel) */
    int opset;             /* never above it; 0 (default): the input's, raised as far as needed */
    double max_size_ratio; /* of the input's bytes, external data included (default 1.0); 0: no bound */
    uint64_t max_size;     /* in bytes; 0 (default): no bound */
    mq_verify verify;      /* default MQ_VERIFY_AUTO */
    bool strict;           /* a warning counts as a missed bound (default false) */
    bool dry_run;          /* decide and report, write nothing */
    bool hash;             /* SHA-256 of input and output into the report (reads both files once more; default false) */
    const char *keep_failed; /* where a result that misses a bound is put; NULL: nowhere */
    mq_save_opts save;
} mq_quantize_opts;

MQ_API mq_quantize_opts mq_quantize_opts_default(void);

/* Quantizes the weights of `input` to int8 and writes `output`. Fills the report (not NULL): sizes, each tensor's
 * treatment and error, bounds, steps. A bound that is missed is no failure: the report says so (mq_report_n_missed) and
 * output is not put in place. hooks may be NULL.
 * Errors: MQ_ERR_INPUT (input missing, corrupt or invalid), MQ_ERR_USAGE (filters without a match, output exists, already
 * quantized), MQ_ERR_UNSUPPORTED (nothing to quantize; opts->opset too low), MQ_ERR_SYSTEM. */
MQ_API mq_status mq_quantize_file(const char *input, const char *output, const mq_quantize_opts *opts, mq_report *report,
                                  const mq_hooks *hooks, mq_error *err);

#ifdef __cplusplus
}
#endif
#endif
