/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Checking: is a model valid, and does a runtime take it. docs/check.md explains every code. */
#ifndef MQ_CHECK_H
#define MQ_CHECK_H

#include "mq/model.h"
#include "mq/report.h"
#include "mq/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum mq_severity {
    MQ_SEVERITY_WARNING, /* the ONNX specification's checker takes it, but it is not as it should be */
    MQ_SEVERITY_ERROR,   /* the model breaks a rule of ONNX, or cannot work in the target */
} mq_severity;

/* One thing that is wrong, and where. Strings are never NULL; "" where there is nothing to say. */
typedef struct mq_finding {
    mq_severity severity;
    const char *code;   /* stable, for scripts: "undefined", "op-unknown", ... */
    const char *place;  /* for reading: "node 'conv1' (Conv)", "tensor 'w'", "graph 'main'" */
    const char *graph;  /* "" for the main graph, else "function 'local::Gelu'" or "then_branch of node 'if_1' (If)" */
    const char *node;   /* its name, else its first output's name */
    const char *tensor; /* name of the value, tensor or attribute it is about */
    const char *text;   /* what was found and what is allowed; lower case, no full stop */
} mq_finding;

typedef struct mq_check_opts {
    const char *target; /* "onnx" (default), "onnxruntime", "tensorrt", "c", "portable": also check what it takes */
    bool strict;        /* warnings make the verdict bad too (default false) */
    const char *const *shapes; /* "input=1x3x224x224": check as if the inputs were declared so (default none) */
    size_t n_shapes;
    const char *const *dims; /* "batch=8": sizes of symbolic dimensions (default none) */
    size_t n_dims;
} mq_check_opts;

MQ_API mq_check_opts mq_check_opts_default(void);

/* What was found, errors and warnings in the order of the file. */
typedef struct mq_check_result {
    bool ok;                    /* no error (strict: and no warning) */
    bool valid;                 /* no error against ONNX itself; the target may still refuse the model */
    const mq_finding *findings;
    size_t n_findings;          /* at most 1000 are kept; the counts below are of all */
    size_t n_errors, n_warnings;
    int64_t ir_version;
    int64_t opset;              /* of ai.onnx; 0: not imported */
    size_t n_nodes;             /* of all graphs and functions */
} mq_check_result;

/* Checks a loaded model. An invalid model is no failure of the call: look at (*out)->ok. The findings are also
 * added to the report. opts, report and hooks may be NULL. Types are inferred on the way: the model's own bytes
 * stay as they are. Errors: MQ_ERR_USAGE (unknown target, input or dimension), MQ_ERR_NOMEM, MQ_ERR_CANCELLED. */
MQ_API mq_status mq_check(mq_model *model, const mq_check_opts *opts, mq_report *report, const mq_hooks *hooks,
                          mq_check_result **out, mq_error *err);

/* NULL is fine. */
MQ_API void mq_check_result_free(mq_check_result *result);

/* The names that mq_check_opts.target may have, NULL-terminated. */
MQ_API const char *const *mq_check_targets(void);

#ifdef __cplusplus
}
#endif
#endif
