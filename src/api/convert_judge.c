/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Bounds of mq convert besides size and signal to noise: multiply-accumulates, memory of activations, a command's verdict,
 * and what ONNX Runtime computes. The last two are given a copy of the result under a name. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/convert_job.h"
#include "api/eval_cmd.h"
#include "api/inspect_parts.h"
#include "base/str.h"
#include "mq/inspect.h"
#include "ops/ops.h"

#define PEER_SQNR 40 /* dB: engines round differently, and a value at the edge between two integers may fall either way */

/* ---- counted ------------------------------------------------------------------------------------------------------- */

/* As mq inspect counts: first sizes that nobody knows are 1. */
static mq_status count(mq_convert_job *j, mq_convert_cost *cost)
{
    mq_inspect_opts o = mq_inspect_opts_default();
    mq_inspection *in = NULL;
    mq_status rc;

    o.read_limit = 0;
    rc = mq_inspect(j->job.model, &o, NULL, NULL, &in, j->job.err);
    if (rc == MQ_OK)
        *cost = (mq_convert_cost){ in->macs, in->macs_unknown, in->activation_peak, in->activations_unknown };
    mq_inspection_free(in);
    return rc == MQ_OK ? mq_infer_model(j->job.model, NULL, NULL, j->job.err) : rc;
}

mq_status mq_convert_count_macs(mq_convert_job *j, int64_t *macs)
{
    mq_convert_cost c;
    mq_status rc = MQ_OK;

    *macs = mq_model_macs(j->job.model);
    if (*macs < 0 && (rc = count(j, &c)) == MQ_OK && !c.macs_unknown && c.macs <= INT64_MAX)
        *macs = (int64_t)c.macs;
    return rc;
}

mq_status mq_convert_count_before(mq_convert_job *j)
{
    mq_status rc = MQ_OK;

    if (!(j->opts->max_macs_ratio > 0))
        return MQ_OK;
    if ((rc = count(j, &j->cost)) == MQ_OK && j->cost.macs_unknown)
        rc = mq_fail(j->job.err, MQ_ERR_USAGE, "--max-macs %g%%: the MACs of %llu nodes of the input are not known: --shape "
                     "and --dim give sizes", j->opts->max_macs_ratio * 100, (unsigned long long)j->cost.macs_unknown);
    return rc;
}

static mq_status add_bound(mq_convert_job *j, const char *name, mq_str *asked, mq_str *got, bool pass)
{
    const mq_status rc = asked->failed || got->failed
                             ? mq_oom(j->job.err)
                             : mq_report_add_bound(j->job.report, name, asked->s, got->s, pass, j->job.err);

    mq_str_release(asked);
    mq_str_release(got);
    return rc;
}

static mq_status bound_macs(mq_convert_job *j, const mq_convert_cost *c)
{
    const mq_convert_opts *o = j->opts;
    const double was = (double)j->cost.macs, most = o->max_macs_ratio > 0 ? o->max_macs_ratio * was : o->max_macs;
    mq_str asked = { 0 }, got = { 0 };

    if (!(o->max_macs > 0) && !(o->max_macs_ratio > 0))
        return MQ_OK;
    if (o->max_macs_ratio > 0)
        mq_str_addf(&asked, "<= %g%%", o->max_macs_ratio * 100);
    else
        mq_str_addf(&asked, "<= %g", o->max_macs);
    mq_str_add_count(&got, c->macs);
    if (c->macs_unknown)
        mq_str_addf(&got, " and %llu nodes that are not known", (unsigned long long)c->macs_unknown);
    else if (o->max_macs_ratio > 0 && was > 0)
        mq_str_addf(&got, " (%.1f%%)", 100 * (double)c->macs / was);
    return add_bound(j, "max-macs", &asked, &got, !c->macs_unknown && (double)c->macs <= most);
}

static mq_status bound_ram(mq_convert_job *j, const mq_convert_cost *c)
{
    mq_str asked = { 0 }, got = { 0 };

    if (!j->opts->max_ram)
        return MQ_OK;
    mq_str_add(&asked, "<= ");
    mq_str_add_bytes(&asked, j->opts->max_ram);
    mq_str_add_bytes(&got, c->peak);
    if (c->sizes_unknown)
        mq_str_addf(&got, " and %llu tensors whose size is not known", (unsigned long long)c->sizes_unknown);
    return add_bound(j, "max-ram", &asked, &got, !c->sizes_unknown && c->peak <= j->opts->max_ram);
}

mq_status mq_convert_bound_cost(mq_convert_job *j)
{
    const mq_convert_opts *o = j->opts;
    mq_convert_cost c;
    mq_status rc;

    if (!(o->max_macs > 0) && !(o->max_macs_ratio > 0) && !o->max_ram)
        return MQ_OK;
    if ((rc = count(j, &c)) == MQ_OK && (rc = bound_macs(j, &c)) == MQ_OK)
        rc = bound_ram(j, &c);
    return rc;
}

/* ---- measured ------------------------------------------------------------------------------------------------------ */

static mq_status bound_drop(mq_convert_job *j, const char *copy)
{
    const mq_convert_opts *o = j->opts;
    const mq_eval e = { .command = o->eval_cmd, .reference = j->job.input, .metric = o->metric, .hooks = j->job.hooks };
    mq_str asked = { 0 }, got = { 0 };
    double was = 0, is = 0, drop;
    mq_status rc;

    if (!o->eval_cmd)
        return MQ_OK;
    if ((rc = mq_eval_run(&e, j->job.input, &was, j->job.err)) != MQ_OK ||
        (rc = mq_eval_run(&e, copy, &is, j->job.err)) != MQ_OK)
        return rc;
    drop = mq_eval_drop(was, is, o->lower_is_better);
    mq_str_addf(&asked, "%s: <= %g%%", o->metric ? o->metric : "eval", o->max_drop * 100);
    mq_str_addf(&got, "%.3g%% (%.6g, was %.6g)", drop * 100, is, was);
    return add_bound(j, "max-drop", &asked, &got, drop <= o->max_drop + 1e-12);
}

/* The output furthest from what ONNX Runtime gives. */
static const mq_agreement *worst_of(const mq_against_result *r)
{
    const mq_agreement *worst = NULL;

    for (size_t i = 0; i < r->n_tensors; i++)
        if (!*r->tensors[i].note && (!worst || r->tensors[i].sqnr < worst->sqnr))
            worst = &r->tensors[i];
    return worst;
}

static mq_status judge_peer(mq_convert_job *j, const mq_against_result *r)
{
    const double bound = isfinite(j->opts->min_sqnr) ? j->opts->min_sqnr : PEER_SQNR;
    const mq_agreement *worst = r->refused && *r->refused ? NULL : worst_of(r);
    char asked[64], got[MQ_ERROR_SIZE + 64];

    snprintf(asked, sizeof asked, ">= %g dB", bound);
    if (r->refused && *r->refused)
        snprintf(got, sizeof got, "refused: %s", r->refused);
    else if (!worst)
        snprintf(got, sizeof got, "no output could be compared");
    else if (isinf(worst->sqnr) && worst->sqnr > 0)
        snprintf(got, sizeof got, "no difference");
    else
        snprintf(got, sizeof got, "%.2f dB, output '%s'", worst->sqnr, worst->name);
    return mq_report_add_bound_of(j->job.report, "min-sqnr", *r->engine ? r->engine : "onnxruntime", asked, got,
                                  worst && worst->sqnr >= bound, j->job.err);
}

/* What ONNX Runtime computes with the result, beside what is computed here; that this is what the input computes has been
 * proved. */
static mq_status bound_peer(mq_convert_job *j, const char *copy)
{
    mq_against_opts o = mq_against_opts_default();
    mq_against_result *r = NULL;
    mq_model *m = NULL;
    mq_status rc = MQ_OK;

    if (!j->opts->with_onnxruntime)
        return MQ_OK;
    o.source = j->opts->verify_on;
    o.only_measure = o.with_onnxruntime = true;
    MQ_TRY(mq_model_load(&m, copy, j->job.err));
    MQ_TRY(mq_check_against(m, NULL, &o, NULL, j->job.hooks, &r, j->job.err));
    rc = judge_peer(j, r);
done:
    mq_against_result_free(r);
    mq_model_free(m);
    return rc;
}

/* The result under a name, in a folder that is removed again. */
mq_status mq_convert_judge(void *user)
{
    mq_convert_job *j = user;
    mq_save_opts save = mq_save_opts_default();
    const char *tmp = getenv("TMPDIR");
    char folder[256], model[300], data[300];
    mq_status rc = MQ_OK;

    if (!j->opts->eval_cmd && !j->opts->with_onnxruntime)
        return MQ_OK;
    snprintf(folder, sizeof folder, "%.200s/mq-model-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(folder))
        return mq_fail_errno(j->job.err, MQ_ERR_SYSTEM, "make the folder", folder);
    snprintf(model, sizeof model, "%s/model.onnx", folder);
    snprintf(data, sizeof data, "%.290s.data", model);
    save.external = MQ_EXTERNAL_FILE;
    save.external_threshold = 1u << 20; /* 2 GB may be too few for one file */
    MQ_TRY(mq_model_save(j->job.model, model, &save, NULL, NULL, j->job.err));
    MQ_TRY(bound_drop(j, model));
    rc = bound_peer(j, model);
done:
    unlink(model);
    unlink(data);
    rmdir(folder);
    return rc;
}
