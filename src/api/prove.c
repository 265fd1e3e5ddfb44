/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The proof that a written model still does what its original does: both are run on the same data. */
#include "api/prove.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "report/report.h"

/* Up to this size models are run unasked (the command line's contract). */
#define SMALL_MODEL (64u << 20)

static bool asked(const mq_proof_opts *o)
{
    return o->verify == MQ_VERIFY_RUN || isfinite(o->min_sqnr);
}

bool mq_proof_runs(const mq_proof_opts *o)
{
    if (o->verify == MQ_VERIFY_NONE || o->verify == MQ_VERIFY_LOAD)
        return isfinite(o->min_sqnr);
    return asked(o) || o->source->n_data || (o->input_bytes < SMALL_MODEL && strcmp(o->input, "-") != 0);
}

static const mq_agreement *worst_output(const mq_against_result *r)
{
    const mq_agreement *worst = NULL;

    for (size_t i = 0; i < r->n_tensors; i++)
        if (r->tensors[i].is_output && (!worst || !(r->tensors[i].sqnr >= worst->sqnr)))
            worst = &r->tensors[i];
    return worst;
}

static mq_status add_bound(const mq_proof_opts *o, const mq_agreement *worst, mq_report *report, mq_error *err)
{
    mq_str asked_text = { 0 }, got = { 0 };
    mq_status rc;

    if (!isfinite(o->min_sqnr))
        return MQ_OK;
    mq_str_addf(&asked_text, ">= %g dB", o->min_sqnr);
    mq_str_addf(&got, "%.2f dB ('%s')", worst->sqnr, worst->name);
    rc = asked_text.failed || got.failed ? mq_oom(err)
                                         : mq_report_add_bound(report, "min-sqnr", asked_text.s, got.s,
                                                               worst->sqnr >= o->min_sqnr, err);
    mq_str_release(&asked_text);
    mq_str_release(&got);
    return rc;
}

static mq_status report_proof(const mq_proof_opts *o, const mq_against_result *r, mq_report *report, mq_error *err)
{
    const mq_agreement *worst = worst_output(r);
    mq_str note = { 0 };
    mq_status rc;

    if (!worst)
        return mq_fail(err, MQ_ERR_INPUT, "the model has no output that could be compared");
    mq_str_addf(&note, "run against the original on %llu %ssample%s: worst output '%s' has ",
                (unsigned long long)r->n_samples,
                r->generated ? "generated " : "", r->n_samples == 1 ? "" : "s", worst->name);
    if (*worst->note)
        mq_str_addf(&note, "not been compared: %s", worst->note);
    else if (isinf(worst->sqnr) && worst->sqnr > 0)
        mq_str_add(&note, "no difference");
    else
        mq_str_addf(&note, "%.2f dB", worst->sqnr);
    rc = note.failed ? mq_oom(err) : add_bound(o, worst, report, err);
    if (rc == MQ_OK)
        mq_report_set_proof(report, "run", true, note.s);
    mq_str_release(&note);
    return rc;
}

mq_status mq_prove_run(const mq_proof_opts *o, mq_model *written, mq_report *report, const mq_hooks *hooks, mq_error *err)
{
    mq_against_opts against = mq_against_opts_default();
    mq_against_result *r = NULL;
    mq_model *original = NULL;
    mq_error why = { 0 };
    mq_status rc;

    if (strcmp(o->input, "-") == 0)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "a model from standard input cannot be read again to be run");
    against.source = *o->source;
    against.has_tolerance = false;
    against.min_sqnr = o->min_sqnr;
    MQ_TRY(mq_model_load(&original, o->input, &why));
    MQ_TRY(mq_check_against(written, original, &against, report, hooks, &r, &why));
    rc = report_proof(o, r, report, &why);
done:
    mq_against_result_free(r);
    mq_model_free(original);
    if (rc == MQ_ERR_UNSUPPORTED && !asked(o)) {
        char note[MQ_ERROR_SIZE + 64];

        snprintf(note, sizeof note, "the written file was read again and checked; not run: %s", why.text);
        mq_report_set_proof(report, "load", true, note);
        return MQ_OK;
    }
    if (rc != MQ_OK && err)
        *err = why;
    return rc;
}
