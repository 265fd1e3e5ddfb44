/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Models: load an ONNX file, save it. */
#ifndef MQ_MODEL_H
#define MQ_MODEL_H

#include "mq/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mq_model mq_model;

/* Reads an ONNX model (gzip by content; "-" is standard input), or a model in parts by its list (mq/split.h). Weights are
 * not read: the file stays mapped until mq_model_free, and must not be changed in place meanwhile. External data files are
 * opened when first needed.
 * A graph that breaks ONNX's rules loads; mq_check (mq/check.h) tells. *out is untouched on failure.
 * Errors: MQ_ERR_INPUT (missing, not a model, corrupt), MQ_ERR_NOMEM. */
MQ_API mq_status mq_model_load(mq_model **out, const char *path, mq_error *err);

/* NULL is fine. */
MQ_API void mq_model_free(mq_model *model);

/* Names or patterns: exact, glob, "re:REGEX". */
typedef struct mq_names {
    const char *const *items;
    size_t n;
} mq_names;

typedef enum mq_verify {
    MQ_VERIFY_AUTO, /* RUN for inputs under 64 MB or when data are given, if the engine can; else LOAD */
    MQ_VERIFY_NONE, /* the written file is not looked at */
    MQ_VERIFY_LOAD, /* it is read again and checked before it is put in place */
    MQ_VERIFY_RUN,  /* and run against its input on the same data */
} mq_verify;

typedef enum mq_external_mode {
    MQ_EXTERNAL_AUTO,       /* tensors that were external stay so; all large ones when the file would pass 2 GB */
    MQ_EXTERNAL_NONE,       /* everything in the model file (MQ_ERR_UNSUPPORTED over 2 GB) */
    MQ_EXTERNAL_FILE,       /* all large ones in one file */
    MQ_EXTERNAL_PER_TENSOR, /* each large one in a file of its own */
} mq_external_mode;

typedef struct mq_save_opts {
    bool force;                /* replace an existing file (default false: MQ_ERR_USAGE) */
    bool sync;                 /* fsync before renaming (default false) */
    mq_external_mode external; /* default MQ_EXTERNAL_AUTO */
    const char *external_file; /* name of the data file beside the model; NULL: the model's name + ".data" */
    uint64_t external_threshold; /* smaller tensors stay inside, in bytes (default 1024) */
} mq_save_opts;

MQ_API mq_save_opts mq_save_opts_default(void);

/* What was written. */
typedef struct mq_saved {
    uint64_t model_bytes; /* the model file, as stored (after gzip) */
    uint64_t data_bytes;  /* all external data files together */
} mq_saved;

/* Writes the model: beside the target first, then renamed, so that a failure leaves what was there before; a name that
 * ends in ".gz" is compressed; "-" is standard output. saved and hooks may be NULL.
 * Errors: MQ_ERR_USAGE (exists), MQ_ERR_SYSTEM (cannot write, disk full), MQ_ERR_UNSUPPORTED (2 GB), MQ_ERR_INPUT (external
 * data missing), MQ_ERR_CANCELLED. */
MQ_API mq_status mq_model_save(mq_model *model, const char *path, const mq_save_opts *opts, const mq_hooks *hooks,
                               mq_saved *saved, mq_error *err);

#ifdef __cplusplus
}
#endif
#endif
