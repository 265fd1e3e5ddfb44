/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the parts of `mq quantize` share while one file is made. */
#ifndef MQ_API_QUANTIZE_JOB_H
#define MQ_API_QUANTIZE_JOB_H

#include "api/bounds.h"
#include "api/cache.h"
#include "api/job.h"
#include "base/hash.h"
#include "mq/quantize.h"
#include "quant/calibration.h"
#include "quant/mode.h"
#include "quant/quant.h"
#include "quant/rounding.h"
#include "quant/smooth.h"

typedef struct mq_quantize_job {
    mq_job job;
    const mq_quantize_opts *opts;
    mq_quant_plan plan;
    const mq_levels *levels;   /* that the plan is made with; NULL: the options alone decide */
    mq_quant_work work;
    mq_judging *judging;
    char hash[MQ_SHA256_HEX]; /* of the input, with --calibration-cache */
    mq_cache *cache;           /* what is known of activations already */
    mq_calibration calibration; /* of the activations of the plan that was there first */
    bool looks_at_channels;
    mq_channel_table channels; /* of the prepared model, as it is now; empty where they are not looked at */
    mq_channel_table seen;     /* the same before smoothing */
    mq_smooth_result smoothed;
    size_t n_corrected; /* biases */
    mq_rounded_table *rounded; /* weights that were rounded by data; copies of the job share it */
    double round_until; /* mq_seconds, with opts.time_limit: searches end, and no rounding begins, for whichever copy */
} mq_quantize_job;

/* ---- one model (quantize_build.c) ----------------------------------------------------------------------------------- */

/* Decides for j->job.model what becomes of each weight, and raises its opset as far as that needs. */
mq_status mq_job_choose(mq_quantize_job *j);
/* After mq_job_choose: the model is rewritten. */
mq_status mq_job_build(mq_quantize_job *j);

/* ---- activations (quantize_static.c) ------------------------------------------------------------------------------- */

/* Options that only programs can get wrong: data, caches and parts that do not go together. MQ_ERR_USAGE. */
mq_status mq_job_check_static(const mq_quantize_opts *o, mq_error *err);
/* Before anything is chosen: the model is prepared, and channels are smoothed. */
mq_status mq_job_prepare_static(mq_quantize_job *j);
/* After it: sees what the activations hold, once. With calibrate_only that is all. */
mq_status mq_job_calibrate(mq_quantize_job *j);
/* For the plan as it is: ranges of activations. */
mq_status mq_job_find_ranges(mq_quantize_job *j);
/* Finds the ranges and puts the integers of activations into the graph. */
mq_status mq_job_quantize_activations(mq_quantize_job *j);
void mq_job_report_smoothed(const mq_quantize_job *j);
void mq_job_release_static(mq_quantize_job *j);
/* After the rewrite, with --format qoperator: QuantizeLinear and DequantizeLinear become operators on integers. */
mq_status mq_job_make_operators(mq_quantize_job *j);

/* ---- rounding by data (quantize_round.c) --------------------------------------------------------------------------- */

/* MQ_ERR_USAGE: it is asked for and there are no data. */
mq_status mq_job_check_round(const mq_quantize_opts *o, mq_error *err);
/* Before anything is chosen, with AWQ: channels that are large get finer weights. */
mq_status mq_job_prepare_awq(mq_quantize_job *j);
/* Into the report, after it: how many weights of the plan are rounded by data, and the mean gain of their layers' results in
 * dB. */
void mq_job_report_rounding(const mq_quantize_job *j);
/* Gives the weights of j->plan, whose model is not rewritten yet, the integers with which their layers' results are nearest,
 * if the options ask for it. What is in j->rounded is only copied; what is found anew goes there. */
mq_status mq_job_round_weights(mq_quantize_job *j);

#endif
