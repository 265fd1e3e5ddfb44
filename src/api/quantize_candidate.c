/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Quantized models that are tried: made on copies of the prepared one, from the calibration that has been found. */
#include "api/quantize_layers.h"
#include "graph/clone.h"
#include "ops/ops.h"
#include "report/report.h"

mq_status mq_candidate_open(mq_candidate *c, const mq_quantize_job *j, const mq_levels *levels, bool plain)
{
    mq_status rc;

    *c = (mq_candidate){ .job = *j, .opts = *j->opts };
    if (j->job.hooks)
        c->quiet = *j->job.hooks;
    c->quiet.warn = NULL;
    c->quiet.progress = NULL;
    c->opts.note = NULL;
    if (plain) {
        c->opts.format = MQ_FORMAT_QDQ;
        c->opts.mode = c->opts.mode == MQ_MODE_STATIC ? MQ_MODE_STATIC : MQ_MODE_WEIGHT;
    }
    c->job.opts = &c->opts;
    c->job.levels = levels;
    c->job.plan = (mq_quant_plan){ 0 };
    c->job.job.model = c->job.job.plain = NULL;
    c->job.job.hooks = &c->quiet;
    c->job.job.report = NULL;
    c->job.job.opts.ceiling = false;
    MQ_TRY(mq_report_create(&c->aside, "quantize", j->job.err));
    c->job.job.report = c->aside;
    MQ_TRY(mq_model_clone(&c->job.job.model, j->job.model, j->job.err));
    MQ_TRY(mq_infer_model(c->job.job.model, NULL, NULL, j->job.err));
    rc = mq_job_choose(&c->job);
done:
    return rc;
}

mq_status mq_candidate_build(mq_candidate *c)
{
    return mq_job_build(&c->job);
}

mq_status mq_candidate_size(mq_candidate *c, uint64_t *bytes)
{
    mq_saved sizes = { 0 };
    const mq_status rc = mq_saving_estimate(c->job.job.model, c->job.job.output, &c->opts.save, &sizes, c->job.job.err);

    *bytes = sizes.model_bytes + sizes.data_bytes;
    return rc;
}

void mq_candidate_close(mq_candidate *c)
{
    mq_job_close(&c->job.job);
    mq_quant_plan_release(&c->job.plan);
    mq_report_free(c->aside);
    *c = (mq_candidate){ 0 };
}
