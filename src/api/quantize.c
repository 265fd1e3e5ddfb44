/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* `mq quantize` from file to file: load, repair what can be, check, choose, rewrite, write beside, read back, report, and
 * only then put in place. */
#include "mq/quantize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/prove.h"
#include "api/quantize_job.h"
#include "api/sound.h"
#include "base/str.h"
#include "base/threads.h"
#include "model/external.h"
#include "model/save.h"
#include "mq/check.h"
#include "ops/ops.h"
#include "quant/mode.h"
#include "quant/quant.h"
#include "quant/targets.h"
#include "report/report.h"

mq_quantize_opts mq_quantize_opts_default(void)
{
    return (mq_quantize_opts){ .type = "int8", .ends_type = "int8", .block_size = 32, .accuracy_level = 4,
                               .percentile = 99.99, .target = "onnx", .max_size_ratio = 1.0, .min_sqnr = -INFINITY, .save =
                                   mq_save_opts_default() };
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

mq_status mq_job_end_step(mq_quantize_job *j, const char *name)
{
    double t = now();
    mq_status rc = mq_report_add_step(j->report, name, t - j->since, j->err);

    j->since = t;
    return rc;
}

/* ---- input -------------------------------------------------------------------------------------------------------- */

/* Operators that only quantized models have. */
static const mq_node *find_quantized(const mq_model *m)
{
    static const char *const names[] = {
        "DequantizeLinear", "QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger",
        "MatMulInteger", "MatMulNBits", "GatherBlockQuantized", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM",
        "MatMulIntegerToFloat", "QGemm",
    };

    for (size_t i = 0; i < m->graphs.n; i++)
        for (const mq_node *n = m->graphs.items[i]->first; n; n = n->next)
            for (size_t k = 0; k < MQ_ARRAY_LEN(names); k++)
                if (strcmp(n->op_type, names[k]) == 0)
                    return n;
    return NULL;
}

mq_status mq_job_report_file(const mq_quantize_job *j, const char *role, const char *path, uint64_t bytes)
{
    char hex[MQ_SHA256_HEX];
    mq_status rc = MQ_OK;

    if (j->opts->hash && strcmp(path, "-") != 0)
        rc = mq_sha256_file(path, hex, j->err);
    if (rc == MQ_OK)
        mq_report_add_file(j->report, role, path, bytes, j->opts->hash && strcmp(path, "-") != 0 ? hex : NULL);
    return rc;
}

/* Sizes before, and the external files for those who keep track. */
static mq_status describe_input(mq_quantize_job *j)
{
    const mq_model *m = j->model;
    mq_map seen = { 0 };
    mq_status rc = MQ_OK;

    j->bytes_before = m->file_bytes;
    for (size_t i = 0; i < m->graphs.n; i++)
        for (size_t k = 0; rc == MQ_OK && k < m->graphs.items[i]->inits.n; k++) {
            const mq_tensor *t = m->graphs.items[i]->inits.items[k]->init;
            char *path = NULL;
            if (!t || t->storage != MQ_STORE_EXTERNAL)
                continue;
            j->data_before += mq_tensor_size(t) > 0 ? (uint64_t)mq_tensor_size(t) : 0;
            if (mq_map_get(&seen, t->external.location))
                continue;
            if ((rc = mq_external_path(m, t->external.location, &path, j->err)) != MQ_OK)
                break;
            mq_note_file(j->hooks, path, false);
            free(path);
            rc = mq_map_put(&seen, t->external.location, (void *)t) ? MQ_OK : mq_oom(j->err);
        }
    mq_map_release(&seen);
    mq_report_set_model(j->report, MQ_REPORT_BEFORE, m, j->bytes_before, j->data_before);
    return rc;
}

static mq_status open_input(mq_quantize_job *j)
{
    const mq_node *q;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_model_load(&j->model, j->input, j->err));
    MQ_TRY(describe_input(j));
    MQ_TRY(mq_sound_mend(j->model, j->input, j->hooks, j->err));
    MQ_TRY(mq_sound_check(j->model, j->input, NULL, j->hooks, j->err));
    if (!j->opts->requantize && (q = find_quantized(j->model)))
        rc = mq_fail(j->err, MQ_ERR_USAGE, "the model is quantized already: node '%s' is a %s", mq_node_label(q),
                     q->op_type);
done:
    return rc;
}

/* ---- choosing and rewriting --------------------------------------------------------------------------------------- */

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
        return mq_fail(j->err, MQ_ERR_UNSUPPORTED, "%s: nothing to quantize: no operator has a constant %sweight", j->input,
                       find_quantized(j->model) ? "float " : "");
    return mq_fail(j->err, MQ_ERR_UNSUPPORTED, "%s: nothing to quantize: %zu of %zu weights stay as they are: %s", j->input,
                   counts[most], p->items.n, mq_stay_text(most));
}

static mq_status raise_opset(mq_quantize_job *j)
{
    int64_t have = mq_opset_of(j->model->graph, ""), want = j->plan.needed_opset;
    const char *what = j->plan.needed_for;
    const mq_quantize_opts *o = j->opts;
    mq_status rc = MQ_OK;

    if (o->opset && o->opset < want)
        return mq_fail(j->err, MQ_ERR_UNSUPPORTED, "--opset %d: opset %lld is needed for %s", o->opset, (long long)want,
                       what);
    if (o->opset && o->opset < have)
        return mq_fail(j->err, MQ_ERR_UNSUPPORTED, "--opset %d: the model has opset %lld, which is not lowered", o->opset,
                       (long long)have);
    if (o->opset > want)
        want = o->opset;
    if (have >= want)
        return MQ_OK;
    mq_quant_plan_release(&j->plan);
    MQ_TRY(mq_opset_raise(j->model, (int)want, j->hooks, j->err));
    MQ_TRY(mq_infer_model(j->model, NULL, NULL, j->err));
    j->plan = (mq_quant_plan){ .model = j->model, .opts = o };
    MQ_TRY(mq_quant_select(&j->plan, j->hooks, j->err));
done:
    return rc;
}

static mq_status choose(mq_quantize_job *j)
{
    mq_status rc = MQ_OK;

    j->plan = (mq_quant_plan){ .model = j->model, .opts = j->opts };
    MQ_TRY(mq_quant_select(&j->plan, j->hooks, j->err));
    if (!j->plan.n_quantized)
        return fail_nothing(j);
    MQ_TRY(raise_opset(j));
    j->work = mq_quant_work_of(&j->plan);
    mq_quant_mode_warn(&j->work, j->hooks);
done:
    if (rc == MQ_ERR_USAGE)
        mq_error_prefix(j->err, "%s", j->input); /* an option and what is in this model */
    return rc;
}

/* A form that was asked for and is nowhere in the result: the types or the operators do not allow it. */
static void warn_unused_form(const mq_quantize_job *j)
{
    size_t n[MQ_TREAT_DYNAMIC + 1] = { 0 };

    for (size_t i = 0; i < j->plan.items.n; i++)
        n[j->plan.items.items[i]->treatment] += j->plan.items.items[i]->stay == MQ_STAY_NOT;
    if (j->opts->mode == MQ_MODE_DYNAMIC && !n[MQ_TREAT_DYNAMIC])
        mq_warn(j->hooks, "dynamic-none", "",
                "--mode dynamic: no operator is computed with integers, only weights are smaller");
    if (j->opts->format == MQ_FORMAT_NBITS && !n[MQ_TREAT_NBITS] && !n[MQ_TREAT_GATHER_NBITS])
        mq_warn(j->hooks, "nbits-none", "",
                "--format nbits: no weight fits MatMulNBits or GatherBlockQuantized, all are behind DequantizeLinear");
}

/* ---- report ------------------------------------------------------------------------------------------------------- */

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
    mq_report_add_changed(j->report, &c);
}

static mq_status report_kept(const mq_quantize_job *j, const mq_quant_item *it)
{
    const mq_tensor *t = mq_value_constant(it->constant, true);
    char *reason = mq_arena_printf(j->model->arena, "%s%s%s", mq_stay_text(it->stay), *it->stay_detail ? " " : "",
                                   it->stay_detail);

    if (!reason)
        return mq_oom(j->err);
    mq_report_add_kept(j->report, &(mq_report_kept){ .name = it->value->name, .node = it->n_users ? it->users[0] : "",
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
    return rc == MQ_OK ? mq_report_status(j->report, j->err) : rc;
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
            mq_warn(j->hooks, "weight-nonfinite", it->value->name,
                    "weight '%s' has %lld NaN (written as 0) and %lld infinities (written as the largest value)",
                    it->value->name, (long long)w->bad.n_nan, (long long)w->bad.n_inf);
        if (w->n_zero_groups && w->grid.kind == MQ_PER_CHANNEL)
            mq_warn(j->hooks, "channel-zero", it->value->name, "weight '%s': %zu of %zu channels are all zero",
                    it->value->name, w->n_zero_groups, w->grid.n_scales);
        if (w->sums.n_clipped && w->fit.kind != MQ_FIT_MSE && w->fit.kind != MQ_FIT_HQQ)
            mq_warn(j->hooks, "weight-clipped", it->value->name, "weight '%s': %lld of %lld values lie outside the range",
                    it->value->name, (long long)w->sums.n_clipped, (long long)w->source.n);
    }
}

static mq_status report_mode(const mq_quantize_job *j)
{
    static const char *const names[] = { "weight", "weight", "dynamic", "static" }; /* auto chooses weight */
    mq_str note = { 0 };
    bool chosen = j->opts->mode == MQ_MODE_AUTO;

    if (chosen)
        mq_quant_mode_note(&note, &j->work, j->opts, j->bytes_before + j->data_before,
                           j->after.model_bytes + j->after.data_bytes);
    if (note.failed) {
        mq_str_release(&note);
        return mq_oom(j->err);
    }
    mq_report_set_mode(j->report, names[j->opts->mode], chosen ? note.s : NULL);
    mq_str_release(&note);
    return MQ_OK;
}

/* ---- bounds ------------------------------------------------------------------------------------------------------- */

static mq_status add_size_bound(const mq_quantize_job *j)
{
    uint64_t before = j->bytes_before + j->data_before, after = j->after.model_bytes + j->after.data_bytes;
    double ratio = before ? (double)after / (double)before : 0;
    const mq_quantize_opts *o = j->opts;
    mq_str asked = { 0 }, got = { 0 };
    bool pass = (!(o->max_size_ratio > 0) || ratio <= o->max_size_ratio) && (!o->max_size || after <= o->max_size);
    mq_status rc = MQ_OK;

    if (!(o->max_size_ratio > 0) && !o->max_size)
        return MQ_OK;
    mq_str_add(&asked, "<= ");
    if (o->max_size)
        mq_str_add_bytes(&asked, o->max_size);
    else
        mq_str_addf(&asked, "%.4g%%", o->max_size_ratio * 100);
    mq_str_add_bytes(&got, after);
    mq_str_addf(&got, " (%.1f%%)", ratio * 100);
    if (asked.failed || got.failed)
        rc = mq_oom(j->err);
    else
        rc = mq_report_add_bound(j->report, "max-size", asked.s, got.s, pass, j->err);
    mq_str_release(&asked);
    mq_str_release(&got);
    return rc;
}

static bool missed(const mq_quantize_job *j)
{
    return mq_report_n_missed(j->report) > 0 || (j->opts->strict && mq_report_n_warnings(j->report) > 0);
}

/* ---- output ------------------------------------------------------------------------------------------------------- */

/* Reads the written files and checks them as a stranger would; then runs them, where that is asked for or cheap. */
static mq_status verify(mq_quantize_job *j, const mq_saving *saving)
{
    const mq_proof_opts proof = { .verify = j->opts->verify, .source = &j->opts->verify_on, .input = j->input,
                                  .input_bytes = j->bytes_before + j->data_before, .min_sqnr = j->opts->min_sqnr };
    mq_model *m = NULL;
    mq_check_result *result = NULL;
    mq_status rc = MQ_OK;

    if (j->opts->verify == MQ_VERIFY_NONE && !mq_proof_runs(&proof)) {
        mq_report_set_model(j->report, MQ_REPORT_AFTER, j->model, j->after.model_bytes, j->after.data_bytes);
        mq_report_set_proof(j->report, "none", true, NULL);
        return MQ_OK;
    }
    MQ_TRY(mq_saving_reload(saving, &m, j->err));
    mq_report_set_model(j->report, MQ_REPORT_AFTER, m, j->after.model_bytes, j->after.data_bytes);
    MQ_TRY(mq_check(m, NULL, NULL, j->hooks, &result, j->err));
    mq_report_set_proof(j->report, "load", result->valid, "the written file was read again and checked");
    if (!result->valid)
        rc = mq_fail(j->err, MQ_ERR_SYSTEM, "%s: the written model is not valid: %s: %s (please report this)", j->output,
                     result->n_findings ? result->findings[0].place : "",
                     result->n_findings ? result->findings[0].text : "");
    else if (mq_proof_runs(&proof))
        rc = mq_prove_run(&proof, m, j->report, j->hooks, j->err);
done:
    mq_check_result_free(result);
    mq_model_free(m);
    return rc;
}

/* Puts a result that missed a bound where the user wants it, if anywhere. */
static mq_status keep_failed(mq_quantize_job *j)
{
    mq_save_opts save = j->opts->save;

    if (!j->opts->keep_failed)
        return MQ_OK;
    save.force = true;
    save.external_file = NULL; /* that name may belong to the pair that stays in place */
    return mq_model_save(j->model, j->opts->keep_failed, &save, j->hooks, NULL, j->err);
}

static mq_status put_in_place(mq_quantize_job *j, mq_saving *saving)
{
    const char *data;
    uint64_t bytes;
    mq_status rc = MQ_OK;

    for (size_t i = 0; (data = mq_saving_data_file(saving, i, &bytes)); i++) {
        char *copy = mq_arena_strdup(j->model->arena, data);
        if (!copy) {
            mq_saving_abort(saving);
            return mq_oom(j->err);
        }
        mq_note_file(j->hooks, copy, true);
        mq_report_add_file(j->report, "output-data", copy, bytes, NULL);
    }
    MQ_TRY(mq_saving_commit(saving, j->err));
    if ((rc = mq_job_report_file(j, "output", j->output, j->after.model_bytes)) != MQ_OK)
        mq_error_prefix(j->err, "the model was written and stays in place, but not its report");
done:
    return rc;
}

static mq_status write_output(mq_quantize_job *j)
{
    mq_saving *saving = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_saving_begin(&saving, j->model, j->output, &j->opts->save, j->hooks, j->err));
    j->after = mq_saving_sizes(saving);
    warn_about_weights(j);
    MQ_TRY(mq_job_end_step(j, "quantize and write"));
    MQ_TRY(verify(j, saving));
    MQ_TRY(mq_job_end_step(j, "verify"));
    MQ_TRY(report_mode(j));
    MQ_TRY(report_tensors(j));
    MQ_TRY(add_size_bound(j));
    if (missed(j)) {
        rc = keep_failed(j);
        goto done;
    }
    rc = put_in_place(j, saving);
    saving = NULL;
done:
    mq_saving_abort(saving);
    return rc;
}

static mq_status estimate_output(mq_quantize_job *j)
{
    mq_status rc = MQ_OK;

    MQ_TRY(mq_saving_estimate(j->model, j->output, &j->opts->save, &j->after, j->err));
    mq_report_set_model(j->report, MQ_REPORT_AFTER, j->model, j->after.model_bytes, j->after.data_bytes);
    mq_report_set_proof(j->report, "none", true, "dry run: nothing was written");
    MQ_TRY(report_mode(j));
    MQ_TRY(report_tensors(j));
    MQ_TRY(add_size_bound(j));
done:
    return rc;
}

mq_status mq_quantize_file(const char *input, const char *output, const mq_quantize_opts *opts, mq_report *report,
                           const mq_hooks *hooks, mq_error *err)
{
    mq_quantize_opts filled = opts ? *opts : mq_quantize_opts_default(); /* as the target has it */
    mq_quantize_job j = { .input = input, .output = output, .opts = &filled, .report = report,
                          .hooks = hooks, .err = err, .since = now() };
    mq_status rc = MQ_OK;

    if (filled.mode == MQ_MODE_AUTO && (filled.calibrate_on.n_data || filled.calibration_cache.n))
        filled.mode = MQ_MODE_STATIC;
    MQ_TRY(mq_job_check_static(&filled, err));
    mq_report_set_threads(report, mq_threads(hooks ? hooks->n_threads : 0));
    MQ_TRY(mq_quant_apply_target(&filled, hooks, err));
    MQ_TRY(open_input(&j));
    MQ_TRY(mq_job_report_file(&j, "input", input, j.bytes_before));
    MQ_TRY(mq_job_end_step(&j, "load and check"));
    if (filled.mode == MQ_MODE_STATIC)
        MQ_TRY(mq_job_prepare_static(&j));
    MQ_TRY(choose(&j));
    if (filled.mode == MQ_MODE_STATIC)
        MQ_TRY(mq_job_quantize_activations(&j));
    if (filled.calibrate_only)
        goto done;
    MQ_TRY(mq_quant_rewrite(&j.plan, hooks, err));
    if (filled.format == MQ_FORMAT_QOPERATOR)
        MQ_TRY(mq_job_make_operators(&j));
    warn_unused_form(&j);
    MQ_TRY(mq_job_end_step(&j, "rewrite"));
    rc = j.opts->dry_run ? estimate_output(&j) : write_output(&j);
done:
    mq_model_free(j.model);
    mq_quant_plan_release(&j.plan);
    return rc;
}
