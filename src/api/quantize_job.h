/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the parts of `mq quantize` share while one file is made. */
#ifndef MQ_API_QUANTIZE_JOB_H
#define MQ_API_QUANTIZE_JOB_H

#include "base/hash.h"
#include "model/save.h"
#include "mq/quantize.h"
#include "quant/mode.h"
#include "quant/quant.h"
#include "quant/smooth.h"

typedef struct mq_quantize_job {
    const char *input, *output;
    const mq_quantize_opts *opts;
    mq_report *report;
    const mq_hooks *hooks;
    mq_error *err;
    mq_model *model;
    mq_quant_plan plan;
    mq_quant_work work;
    char hash[MQ_SHA256_HEX]; /* of the input, with --calibration-cache */
    mq_smooth_result smoothed;
    size_t n_corrected; /* biases */
    uint64_t bytes_before, data_before;
    mq_saved after;
    double since; /* when the running step began */
} mq_quantize_job;

/* Ends a step: its time goes into the report. */
mq_status mq_job_end_step(mq_quantize_job *j, const char *name);
/* A file that was read or written, with its hash where that is asked for. */
mq_status mq_job_report_file(const mq_quantize_job *j, const char *role, const char *path, uint64_t bytes);

/* ---- activations (quantize_static.c) ------------------------------------------------------------------------------- */

/* Options that only programs can get wrong: data, caches and parts that do not go together. MQ_ERR_USAGE. */
mq_status mq_job_check_static(const mq_quantize_opts *o, mq_error *err);
/* Before anything is chosen: the model is prepared, and channels are smoothed. */
mq_status mq_job_prepare_static(mq_quantize_job *j);
/* After it: finds the ranges of activations and puts their integers into the graph. */
mq_status mq_job_quantize_activations(mq_quantize_job *j);
/* After the rewrite, with --format qoperator: QuantizeLinear and DequantizeLinear become operators on integers. */
mq_status mq_job_make_operators(mq_quantize_job *j);

#endif
