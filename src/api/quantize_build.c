/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* One quantized model in memory: from the prepared float model, and what calibration saw of it, to the rewritten graph. A
 * search calls it as often as it tries something, each time on a copy. */
#include "api/quantize_job.h"
#include "ops/ops.h"
#include "passes/weight_inputs.h"

/* ---- choosing ------------------------------------------------------------------------------------------------------ */

static mq_status fail_nothing(const mq_quantize_job *j)
{
    const mq_quant_plan *p = &j->plan;
    size_t counts[MQ_N_STAYS] = { 0 };
    mq_stay most = MQ_STAY_NOT;

    for (size_t i = 0; i < p->items.n; i++)
        counts[p->items.items[i]->stay]++;
    for (mq_stay s = MQ_STAY_NOT; s < MQ_N_STAYS; s++)
        most = counts[s] > counts[most] ? s : most;
    if (!p->items.n)
        return mq_fail(j->job.err, MQ_ERR_UNSUPPORTED, "%s: nothing to quantize: no operator has a constant %sweight",
                       j->job.input, mq_weight_find_quantized(j->job.model) ? "float " : "");
    return mq_fail(j->job.err, MQ_ERR_UNSUPPORTED, "%s: nothing to quantize: %zu of %zu weights stay as they are: %s",
                   j->job.input, counts[most], p->items.n, mq_stay_text(most));
}

static mq_status raise_opset(mq_quantize_job *j)
{
    int64_t have = mq_opset_of(j->job.model->graph, ""), want = j->plan.needed_opset;
    const char *what = j->plan.needed_for;
    const mq_quantize_opts *o = j->opts;
    mq_status rc = MQ_OK;

    if (o->opset && o->opset < want)
        return mq_fail(j->job.err, MQ_ERR_UNSUPPORTED, "--opset %d: opset %lld is needed for %s", o->opset, (long long)want,
                       what);
    if (o->opset && o->opset < have)
        return mq_fail(j->job.err, MQ_ERR_UNSUPPORTED, "--opset %d: the model has opset %lld, which is not lowered",
                       o->opset, (long long)have);
    if (o->opset > want)
        want = o->opset;
    if (have >= want)
        return MQ_OK;
    mq_quant_plan_release(&j->plan);
    MQ_TRY(mq_opset_raise(j->job.model, (int)want, j->job.hooks, j->job.err));
    MQ_TRY(mq_infer_model(j->job.model, NULL, NULL, j->job.err));
    j->plan = (mq_quant_plan){ .model = j->job.model, .opts = o, .levels = j->levels };
    MQ_TRY(mq_quant_select(&j->plan, j->job.hooks, j->job.err));
done:
    return rc;
}

mq_status mq_job_choose(mq_quantize_job *j)
{
    mq_status rc = MQ_OK;
    bool again;

    mq_quant_plan_release(&j->plan);
    j->plan = (mq_quant_plan){ .model = j->job.model, .opts = j->opts, .levels = j->levels };
    MQ_TRY(mq_quant_select(&j->plan, j->job.hooks, j->job.err));
    if (!j->plan.n_quantized && !j->levels)
        return fail_nothing(j);
    MQ_TRY(raise_opset(j));
    again = j->work.most != NULL;
    j->work = mq_quant_work_of(&j->plan);
    if (!again) /* a search has it chosen twice */
        mq_quant_mode_warn(&j->work, j->job.hooks);
done:
    if (rc == MQ_ERR_USAGE)
        mq_error_prefix(j->job.err, "%s", j->job.input); /* an option and what is in this model */
    return rc;
}

/* ---- rewriting ----------------------------------------------------------------------------------------------------- */

mq_status mq_job_build(mq_quantize_job *j)
{
    mq_status rc = MQ_OK;

    if (j->opts->mode == MQ_MODE_STATIC)
        MQ_TRY(mq_job_quantize_activations(j));
    else
        MQ_TRY(mq_job_round_weights(j));
    mq_job_report_rounding(j);
    MQ_TRY(mq_quant_rewrite(&j->plan, j->job.hooks, j->job.err));
    if (j->opts->format == MQ_FORMAT_QOPERATOR)
        MQ_TRY(mq_job_make_operators(j));
done:
    return rc;
}
