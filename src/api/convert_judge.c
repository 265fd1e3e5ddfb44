/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Bounds of mq convert besides size and signal to noise: its options in the words of bounds.h. */
#include <math.h>

#include "api/convert_job.h"
#include "api/inspect_parts.h"

mq_status mq_convert_count_macs(mq_convert_job *j, int64_t *macs)
{
    mq_measured c;
    mq_status rc = MQ_OK;

    *macs = mq_model_macs(j->job.model);
    if (*macs < 0 && (rc = mq_judging_count(j->job.model, &c, j->job.err)) == MQ_OK && !c.macs_unknown &&
        c.macs <= INT64_MAX)
        *macs = (int64_t)c.macs;
    return rc;
}

mq_status mq_convert_open_bounds(mq_convert_job *j)
{
    const mq_convert_opts *o = j->opts;

    j->bounds = (mq_bounds){
        .limits = { .has_drop = o->eval_cmd != NULL, .max_drop = o->max_drop, .has_sqnr = isfinite(o->min_sqnr),
                    .min_sqnr = o->min_sqnr, .max_macs = o->max_macs, .max_macs_ratio = o->max_macs_ratio,
                    .max_ram = o->max_ram },
        .metric = o->metric, .eval_cmd = o->eval_cmd, .lower_is_better = o->lower_is_better, .max_evals = 1,
        .with_onnxruntime = o->with_onnxruntime,
    };
    return mq_judging_open(&j->judging, &(mq_judging_opts){ .asked = &j->bounds, .input = j->job.input,
                                                            .output = j->job.output, .source = &o->verify_on,
                                                            .report = j->job.report, .hooks = j->job.hooks },
                           j->job.model, j->job.err);
}

mq_status mq_convert_judge(void *user)
{
    mq_convert_job *j = user;

    return mq_judging_run(j->judging, j->job.model, j->job.err);
}
