/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* `mq quantize` from file to file: load, repair what can be, check, choose, rewrite, write beside, read back, report, and
 * only then put in place. */
#include "mq/quantize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/quantize_layers.h"
#include "api/running.h"
#include "base/file.h"
#include "base/str.h"
#include "base/threads.h"
#include "model/sparse.h"
#include "ops/ops.h"
#include "passes/weight_inputs.h"
#include "quant/mode.h"
#include "quant/quant.h"
#include "quant/targets.h"
#include "report/report.h"

mq_quantize_opts mq_quantize_opts_default(void)
{
    mq_quantize_opts o = { .type = "int8", .ends_type = "int8", .block_size = 32, .accuracy_level = 4, .percentile = 99.99,
                           .target = "onnx", .bounds = mq_bounds_default(), .save = mq_save_opts_default() };

    o.bounds.limits.max_size_ratio = 1.0;
    return o;
}

/* ---- input -------------------------------------------------------------------------------------------------------- */

static mq_status open_input(mq_quantize_job *j)
{
    const mq_node *q;
    mq_status rc = mq_job_open(&j->job);

    if (rc != MQ_OK || (rc = mq_model_make_dense(j->job.model, j->job.err)) != MQ_OK)
        return rc;
    if (!j->opts->requantize && (q = mq_weight_find_quantized(j->job.model)))
        rc = mq_fail(j->job.err, MQ_ERR_USAGE, "the model is quantized already: node '%s' is a %s", mq_node_label(q),
                     q->op_type);
    return rc;
}

/* ---- report ------------------------------------------------------------------------------------------------------- */

/* A form that was asked for and is nowhere in the result: the types or the operators do not allow it. */
static void warn_unused_form(const mq_quantize_job *j)
{
    size_t n[MQ_TREAT_DYNAMIC + 1] = { 0 };

    for (size_t i = 0; i < j->plan.items.n; i++)
        n[j->plan.items.items[i]->treatment] += j->plan.items.items[i]->stay == MQ_STAY_NOT;
    if (j->opts->mode == MQ_MODE_DYNAMIC && !n[MQ_TREAT_DYNAMIC])
        mq_warn(j->job.hooks, "dynamic-none", "",
                "--mode dynamic: no operator is computed with integers, only weights are smaller");
    if (j->opts->format == MQ_FORMAT_NBITS && !n[MQ_TREAT_NBITS] && !n[MQ_TREAT_GATHER_NBITS])
        mq_warn(j->job.hooks, "nbits-none", "",
                "--format nbits: no weight fits MatMulNBits or GatherBlockQuantized, all are behind DequantizeLinear");
}

static void report_changed(const mq_quantize_job *j, const mq_quant_item *it)
{
    const mq_weight *w = &(it->tied ? it->tied : it)->weight;
    mq_report_changed c = {
        .name = it->value->name, .nodes = it->users, .n_nodes = it->n_users,
        .treatment = it->tied ? "tied" : mq_treatment_name(it), .from = w->source.tensor->dtype, .to = w->scheme.type,
        .dims = it->weight.source.dims, .n_dims = it->weight.source.n_dims, .axis = it->axis,
        .block_size = w->grid.kind == MQ_PER_BLOCK ? w->grid.block : 0, .has_error = w->measured,
        .sqnr_db = mq_weight_sqnr(w), .max_abs_error = (double)w->sums.max_error,
        .clipped = (uint64_t)w->sums.n_clipped, .bytes_before = it->bytes_before, .bytes_after = it->bytes_after,
    };
    mq_report_add_changed(j->job.report, &c);
}

static mq_status report_kept(const mq_quantize_job *j, const mq_quant_item *it)
{
    const mq_tensor *t = mq_value_constant(it->constant, true);
    char *reason = mq_arena_printf(j->job.model->arena, "%s%s%s", mq_stay_text(it->stay), *it->stay_detail ? " " : "",
                                   it->stay_detail);

    if (!reason)
        return mq_oom(j->job.err);
    mq_report_add_kept(j->job.report, &(mq_report_kept){ .name = it->value->name, .node = it->n_users ? it->users[0] : "",
                                                     .op_type = it->op_type, .type = t ? t->dtype : MQ_UNDEFINED,
                                                     .bytes = it->bytes_before, .code = mq_stay_code(it->stay),
                                                     .reason = reason });
    return MQ_OK;
}

static mq_status report_tensors(mq_quantize_job *j)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; rc == MQ_OK && i < j->plan.items.n; i++) {
        const mq_quant_item *it = j->plan.items.items[i];
        if (it->stay == MQ_STAY_NOT)
            report_changed(j, it);
        else
            rc = report_kept(j, it);
    }
    return rc == MQ_OK ? mq_report_status(j->job.report, j->job.err) : rc;
}

/* What the pass over the weights found out. */
static void warn_about_weights(const mq_quantize_job *j)
{
    for (size_t i = 0; i < j->plan.items.n; i++) {
        const mq_quant_item *it = j->plan.items.items[i];
        const mq_weight *w = &it->weight;
        if (it->stay != MQ_STAY_NOT || it->tied)
            continue;
        if (w->bad.n_nan || w->bad.n_inf)
            mq_warn(j->job.hooks, "weight-nonfinite", it->value->name,
                    "weight '%s' has %lld NaN (written as 0) and %lld infinities (written as the largest value)",
                    it->value->name, (long long)w->bad.n_nan, (long long)w->bad.n_inf);
        if (w->n_zero_groups && w->grid.kind == MQ_PER_CHANNEL)
            mq_warn(j->job.hooks, "channel-zero", it->value->name, "weight '%s': %zu of %zu channels are all zero",
                    it->value->name, w->n_zero_groups, w->grid.n_scales);
        if (w->sums.n_clipped && !w->rounded && w->fit.kind != MQ_FIT_MSE && w->fit.kind != MQ_FIT_HQQ)
            mq_warn(j->job.hooks, "weight-clipped", it->value->name,
                    "weight '%s': %lld of %lld values lie outside the range",
                    it->value->name, (long long)w->sums.n_clipped, (long long)w->source.n);
    }
}

static mq_status report_mode(const mq_quantize_job *j)
{
    static const char *const names[] = { "weight", "weight", "dynamic", "static" }; /* auto chooses weight */
    mq_str note = { 0 };
    bool chosen = j->opts->mode == MQ_MODE_AUTO;

    if (chosen)
        mq_quant_mode_note(&note, &j->work, j->opts, j->job.bytes_before + j->job.data_before,
                           j->job.after.model_bytes + j->job.after.data_bytes);
    if (note.failed) {
        mq_str_release(&note);
        return mq_oom(j->job.err);
    }
    mq_report_set_mode(j->job.report, names[j->opts->mode], chosen ? note.s : NULL);
    mq_str_release(&note);
    return MQ_OK;
}

/* What the report says of the result, as soon as its size is known. */
static mq_status tell(void *user)
{
    mq_quantize_job *j = user;
    mq_status rc = MQ_OK;

    if (!j->opts->dry_run)
        warn_about_weights(j);
    MQ_TRY(report_mode(j));
    MQ_TRY(report_tensors(j));
    rc = mq_judging_cost(j->judging, j->job.model, j->job.err);
done:
    return rc;
}

static mq_status judge(void *user)
{
    const mq_quantize_job *j = user;

    return mq_judging_run(j->judging, j->job.model, j->job.err);
}

static mq_job_opts job_opts(const mq_quantize_opts *o)
{
    const mq_bench_bounds *limits = &o->bounds.limits;

    return (mq_job_opts){ .save = o->save, .verify = o->verify, .verify_on = &o->verify_on,
                          .min_sqnr = limits->has_sqnr ? limits->min_sqnr : -INFINITY, .expected_sqnr = -INFINITY,
                          .max_size_ratio = limits->max_size_ratio, .max_size = limits->max_size,
                          .ceiling = o->mode == MQ_MODE_STATIC && o->effort != MQ_EFFORT_FAST,
                          .speed = o->hash && (o->mode == MQ_MODE_STATIC || o->mode == MQ_MODE_DYNAMIC),
                          .strict = o->strict, .dry_run = o->dry_run, .hash = o->hash, .keep_failed = o->keep_failed };
}

mq_status mq_quantize_file(const char *input, const char *output, const mq_quantize_opts *opts, mq_report *report,
                           const mq_hooks *hooks, mq_error *err)
{
    mq_quantize_opts filled = opts ? *opts : mq_quantize_opts_default(); /* as the target has it */
    mq_rounded_table rounded = { 0 };
    mq_quantize_job j = { .opts = &filled, .rounded = &rounded,
                          .job = { .input = input, .output = output, .report = report, .hooks = hooks, .err = err,
                                   .since = mq_seconds() } };
    const mq_judging_opts judged = { .asked = &filled.bounds, .input = input, .output = output, .source = &filled.judge_on,
                                     .report = report, .hooks = hooks };
    mq_status rc = MQ_OK;

    if (filled.mode == MQ_MODE_AUTO && (filled.calibrate_on.n_data || filled.calibration_cache.n))
        filled.mode = MQ_MODE_STATIC;
    MQ_TRY(mq_job_check_static(&filled, err));
    MQ_TRY(mq_job_check_round(&filled, err));
    mq_report_set_threads(report, mq_threads(hooks ? hooks->n_threads : 0));
    MQ_TRY(mq_quant_apply_target(&filled, hooks, err));
    j.job.opts = job_opts(&filled);
    j.job.judge = judge;
    j.job.user = &j;
    MQ_TRY(open_input(&j));
    if (!filled.dry_run && !filled.calibrate_only) /* what is sure to fail behind long work fails before it */
        MQ_TRY(mq_outfile_try(output, filled.save.force, err));
    MQ_TRY(mq_judging_open(&j.judging, &judged, j.job.model, err));
    j.job.original = mq_judging_original(j.judging);
    MQ_TRY(mq_job_end_step(&j.job, "load and check"));
    if (filled.mode == MQ_MODE_STATIC)
        MQ_TRY(mq_job_prepare_static(&j));
    else
        MQ_TRY(mq_job_prepare_awq(&j));
    MQ_TRY(mq_job_choose(&j));
    if (filled.mode == MQ_MODE_STATIC)
        MQ_TRY(mq_job_calibrate(&j));
    if (filled.calibrate_only)
        goto done;
    j.round_until = mq_seconds() + filled.time_limit;
    MQ_TRY(mq_job_search(&j));
    MQ_TRY(mq_job_build(&j));
    warn_unused_form(&j);
    MQ_TRY(mq_job_end_step(&j.job, "rewrite"));
    rc = mq_job_finish(&j.job, "quantize and write", tell, &j);
done:
    mq_judging_close(j.judging);
    mq_job_release_static(&j);
    mq_job_close(&j.job);
    mq_quant_plan_release(&j.plan);
    mq_rounded_table_release(&rounded);
    return rc;
}
