/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* One model into a chain of parts: what `mq split` does, as one call. */
#ifndef MQ_SPLIT_H
#define MQ_SPLIT_H

#include "mq/model.h"
#include "mq/report.h"
#include "mq/run.h"
#include "mq/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mq_split_opts {
    size_t n_parts;      /* default 2; 0: as few as max_size allows */
    mq_names at;         /* cut behind these tensors instead; default: none */
    uint64_t max_size;   /* of each part with its external data, in bytes; 0 (default): no bound */
    bool by_macs;        /* balance multiply-accumulates instead of bytes (default false) */
    mq_verify verify;    /* default MQ_VERIFY_AUTO */
    mq_data_source verify_on; /* what parts and whole are run on (default: generated inputs) */
    bool dry_run;        /* plan and report, write nothing */
    bool hash;           /* SHA-256 of the files into the report (default false) */
    mq_save_opts save;   /* external_file does not count: each part has its own */
} mq_split_opts;

MQ_API mq_split_opts mq_split_opts_default(void);

/* Splits `input` into folder `output` (made when it is not there): MODEL.1of2.onnx, MODEL.2of2.onnx, … and
 * MODEL.parts.json, which every call that loads a model takes for the whole. All files are put in place when all are
 * written and proved, the list last. Fills the report (not NULL). hooks may be NULL.
 * Errors: MQ_ERR_INPUT (input missing, corrupt or invalid), MQ_ERR_USAGE (a file exists; fewer nodes than parts; unknown
 * tensors), MQ_ERR_UNSUPPORTED (one node is larger than max_size; a tensor between parts whose type is not known),
 * MQ_ERR_SYSTEM. */
MQ_API mq_status mq_split_file(const char *input, const char *output, const mq_split_opts *opts, mq_report *report,
                               const mq_hooks *hooks, mq_error *err);

#ifdef __cplusplus
}
#endif
#endif
