/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Running models: in a program, tensor by tensor (mq_engine), and on data, as `mq run` does (mq_run). */
#ifndef MQ_RUN_H
#define MQ_RUN_H

#include "mq/model.h"
#include "mq/report.h"
#include "mq/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- a tensor as somebody else's memory ---------------------------------------------------------------------------- */

#define MQ_VIEW_MAX_RANK 12

/* Elements lie row-major, packed as ONNX's raw_data, little-endian. Borrowed: who made the view says for how long. */
typedef struct mq_view {
    int type; /* ONNX's TensorProto.DataType: 1 float, 7 int64, ...; see mq_type_name */
    int rank;
    int64_t dims[MQ_VIEW_MAX_RANK];
    const void *data;
    size_t n_bytes; /* of data */
} mq_view;

/* "float", "int64", ...; "undefined" for unknown numbers. */
MQ_API const char *mq_type_name(int type);
/* Elements of the view; 0 when a dim is negative or the product overflows. */
MQ_API size_t mq_view_count(const mq_view *view);
/* Element i as a number (0 for strings); i must be below mq_view_count. */
MQ_API double mq_view_number(const mq_view *view, size_t i);

/* ---- the engine ---------------------------------------------------------------------------------------------------- */

/* A model made ready to run: usable by several threads at once. */
typedef struct mq_engine mq_engine;
/* One run at a time, with its memory: one per thread. */
typedef struct mq_execution mq_execution;

/* The model is borrowed until mq_engine_free. hooks may be NULL. Errors: MQ_ERR_UNSUPPORTED naming operators that have
 * no kernel, MQ_ERR_INPUT for graphs that cannot run, MQ_ERR_NOMEM. */
MQ_API mq_status mq_engine_create(mq_engine **out, mq_model *model, const mq_hooks *hooks, mq_error *err);
MQ_API void mq_engine_free(mq_engine *engine); /* after its executions; NULL is fine */

/* Inputs and outputs in order; NULL behind the last. */
MQ_API const char *mq_engine_input(const mq_engine *engine, size_t i);
MQ_API const char *mq_engine_output(const mq_engine *engine, size_t i);
/* "float[N,3,224,224]": what input i takes, into a buffer of `size`. */
MQ_API void mq_engine_input_text(const mq_engine *engine, size_t i, char *out, size_t size);
/* The same as numbers: type, rank and sizes of input i, -1 for open ones; no data. false: no tensor of a known rank. */
MQ_API bool mq_engine_input_view(const mq_engine *engine, size_t i, mq_view *out);

/* n_threads 0: all CPUs that the process may use. Results do not depend on it. */
MQ_API mq_status mq_execution_create(mq_execution **out, mq_engine *engine, int n_threads, mq_error *err);
MQ_API void mq_execution_free(mq_execution *x); /* NULL is fine */

/* Feeds an input; data are borrowed until the next set of that input or mq_execution_free. Shapes may change from run to
 * run. MQ_ERR_INPUT: no such input (the sentence lists them), strings, or n_bytes that do not fit. */
MQ_API mq_status mq_execution_set(mq_execution *x, const char *input, const mq_view *view, mq_error *err);
/* Runs once on what was set. MQ_ERR_INPUT: an input is missing or does not fit what the model says. */
MQ_API mq_status mq_execution_run(mq_execution *x, mq_error *err);
/* An output of the last run, borrowed until the next one. MQ_ERR_USAGE: no such output, or nothing has run.
 * MQ_ERR_UNSUPPORTED: it is no tensor of numbers. */
MQ_API mq_status mq_execution_get(const mq_execution *x, const char *output, mq_view *view, mq_error *err);

/* ---- on data ------------------------------------------------------------------------------------------------------- */

/* What --data and its companions say, as written on the command line (docs/data.md); {0} is nothing. Lists are borrowed
 * for the call. */
typedef struct mq_data_source {
    const char *const *data;
    size_t n_data;
    const char *const *labels;
    size_t n_labels;
    const char *const *preprocess;
    size_t n_preprocess;
    const char *const *fills;
    size_t n_fills;
    const char *const *carry;
    size_t n_carry;
    const char *const *shapes; /* "input=1x3x224x224" */
    size_t n_shapes;
    const char *const *dims; /* "batch=8" */
    size_t n_dims;
    uint64_t samples; /* 0: all */
    int64_t batch;    /* 0: the model's, else 1 */
    uint64_t seed;
    bool skip_bad;
    bool allow_nonfinite; /* default false: NaN and infinity in data are warned about, or refused for calibration */
    bool val;             /* sentences say --val-data for --data */
} mq_data_source;

/* One result of one run, told as it comes: that of n_samples samples, which lie along axis 0 when it is batched. */
typedef struct mq_run_result {
    const char *name;
    size_t n_samples;
    const uint64_t *samples;    /* their numbers in the data */
    const char *const *sources; /* where they come from: "dir/cat.jpg", "x.npz, row 12"; "" for generated ones */
    bool batched;
    bool is_tensor; /* false: a sequence or optional; view says nothing then, text does */
    mq_view view;   /* borrowed for the call */
    const char *text; /* "float[1,1000]" */
} mq_run_result;

typedef struct mq_run_opts {
    mq_data_source source;
    const char *const *inputs; /* tensors to feed instead of the model's inputs; NULL: those */
    size_t n_inputs;
    const char *const *outputs; /* tensors wanted instead of the model's outputs; NULL: those */
    size_t n_outputs;
    const char *const *tensors; /* patterns of further tensors */
    size_t n_tensors;
    const char *save; /* .npz, .npy, .pb; NULL: nothing is saved */
    bool force;       /* replace an existing file */
    bool sync;
    void (*result)(void *user, const mq_run_result *result); /* NULL: nobody listens */
    void (*note)(void *user, const char *text);              /* what should be said about the data; may be NULL */
    void (*detail)(void *user, const char *text);            /* shapes and ranges of the first sample; may be NULL */
    void *user;
} mq_run_opts;

/* What a run came to. */
typedef struct mq_run_summary {
    uint64_t n_samples, n_runs;
    double seconds;      /* in the engine, data not counted */
    size_t peak_bytes;   /* of activations */
    uint64_t nonfinite;  /* samples with NaN or infinity in an input */
    uint64_t skipped;    /* samples that could not be read */
} mq_run_summary;

/* Runs a model on data. Without source.data one run on generated inputs is made (said through note).
 * Errors: as mq_engine_create; MQ_ERR_USAGE for values and patterns that match nothing; MQ_ERR_INPUT for data that do
 * not fit; MQ_ERR_SYSTEM when the file cannot be written. report, hooks and summary may be NULL. */
MQ_API mq_status mq_run(mq_model *model, const mq_run_opts *opts, mq_report *report, const mq_hooks *hooks,
                        mq_run_summary *summary, mq_error *err);

/* ---- do two models agree -------------------------------------------------------------------------------------------- */

/* How far one tensor is from its reference, over all samples. */
typedef struct mq_agreement {
    const char *name;
    const char *reference; /* the tensor's name in the reference */
    bool is_output;
    bool ok;          /* within the bounds; outputs without reference values are not judged */
    uint64_t count;   /* elements */
    uint64_t differ;  /* that are not equal */
    uint64_t outside; /* outside atol + rtol*|reference| */
    uint64_t nonfinite; /* NaN or infinite in one and not the same in the other */
    double max_abs, max_rel;
    double sqnr;      /* dB; infinite when equal, -infinite when something is not finite in one only */
    double cosine;
    double agree;     /* share of rows (along the last axis) whose largest element is the same one */
    const char *note; /* why it could not be compared, or "" */
} mq_agreement;

typedef struct mq_against_opts {
    mq_data_source source;
    const char *const *outputs; /* NULL: all */
    size_t n_outputs;
    const char *const *tensors; /* patterns of inner tensors that are compared too, where both models have the name */
    size_t n_tensors;
    /* Bounds of every output; inner tensors are measured and decide nothing. Without either the tolerance below counts. */
    double min_sqnr;    /* dB; -INFINITY (default): no bound */
    bool has_tolerance; /* atol and rtol are a bound (default false) */
    double atol, rtol;  /* |a-b| <= atol + rtol*|b| for every element; default 1e-5 and 1e-3 */
    bool only_measure;  /* nothing is judged: no bound goes into the report (default false) */
    bool with_onnxruntime; /* compare with ONNX Runtime's outputs of the same model (default false) */
    void (*note)(void *user, const char *text);   /* what should be said about data and names; may be NULL */
    void (*detail)(void *user, const char *text); /* shapes and ranges of the first sample; may be NULL */
    void *user;
} mq_against_opts;

typedef struct mq_against_result {
    bool ok;
    const char *engine;  /* with_onnxruntime: "onnxruntime 1.31.1"; else "" */
    const char *refused; /* what ONNX Runtime says when it does not take or run the model: nothing was compared then */
    const mq_agreement *tensors; /* outputs first */
    size_t n_tensors;
    uint64_t n_samples;
    bool generated; /* on generated inputs */
} mq_against_result;

MQ_API mq_against_opts mq_against_opts_default(void);

/* Runs both models on the same data and compares output by output. reference NULL: the data hold reference outputs, or
 * with_onnxruntime: the model's own file is run there, in a process of a Python ($MQ_PYTHON, else python3). A difference
 * is no failure, nor is a model that ONNX Runtime refuses: look at (*out)->ok. Errors as mq_run; MQ_ERR_UNSUPPORTED
 * without a Python that has onnxruntime. */
MQ_API mq_status mq_check_against(mq_model *model, mq_model *reference, const mq_against_opts *opts, mq_report *report,
                                  const mq_hooks *hooks, mq_against_result **out, mq_error *err);
MQ_API void mq_against_result_free(mq_against_result *result); /* NULL is fine */

/* ---- ONNX test folders ---------------------------------------------------------------------------------------------- */

typedef enum mq_test_outcome {
    MQ_TEST_EQUAL,
    MQ_TEST_DIFFERS,
    MQ_TEST_UNSUPPORTED, /* something has no kernel: the text names it */
    MQ_TEST_BROKEN,      /* files that cannot be read, or a model that cannot run */
    MQ_TEST_RANDOM,      /* differs, and the model draws random numbers: neither right nor wrong */
} mq_test_outcome;

typedef struct mq_tests_opts {
    bool reference;    /* plain reference kernels, no rewrites (default false) */
    bool has_tolerance; /* else tol.txt of the folder ("rtol atol"), else rtol 1e-3 and atol 1e-7 as ONNX's own runner */
    double atol, rtol;
    void (*outcome)(void *user, const char *folder, mq_test_outcome outcome, const char *text); /* text: "" when equal */
    void *user;
} mq_tests_opts;

typedef struct mq_tests_summary {
    size_t n_equal, n_differs, n_unsupported, n_broken, n_random;
} mq_tests_summary;

/* Runs a test folder (model.onnx, test_data_set_N with input_K.pb and output_K.pb), or every one in a folder, sorted by
 * name. MQ_ERR_INPUT when there is none. */
MQ_API mq_status mq_check_tests(const char *folder, const mq_tests_opts *opts, mq_report *report, const mq_hooks *hooks,
                                mq_tests_summary *out, mq_error *err);

#ifdef __cplusplus
}
#endif
#endif
