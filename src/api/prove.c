/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The proof that a written model still does what its original does: both are run on the same data. */
#include "api/prove.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/running.h"
#include "base/str.h"
#include "report/report.h"

/* Up to this size models are run unasked (the command line's contract). */
#define SMALL_MODEL (64u << 20)
#define ROUNDING 1e-6

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

/* What runs nobody asked for, on inputs that nobody described, may fail: that is said and no more. */
static bool may_fail(const mq_proof_opts *o, mq_status rc)
{
    const mq_data_source *s = o->source;
    const bool nobody = !s->n_data && !s->n_shapes && !s->n_dims && !s->n_fills && !s->n_carry;

    return !asked(o) && (rc == MQ_ERR_UNSUPPORTED || (nobody && (rc == MQ_ERR_INPUT || rc == MQ_ERR_USAGE ||
                                                                 rc == MQ_ERR_NOMEM)));
}

/* The output that could not be compared (unless only those count that were), else that with the lowest SQNR. */
static const mq_agreement *worst_output(const mq_against_result *r, bool compared)
{
    const mq_agreement *worst = NULL;

    for (size_t i = 0; i < r->n_tensors; i++) {
        const mq_agreement *a = &r->tensors[i];

        if (!a->is_output)
            continue;
        if (*a->note && compared)
            continue;
        if (*a->note)
            return a;
        if (!worst || a->sqnr < worst->sqnr)
            worst = a;
    }
    return worst;
}

/* Where nobody asked for a bound, rounding beside an output of nothing but zeros is none of its signal. */
static bool holds(const mq_proof_opts *o, const mq_agreement *worst, double bound)
{
    return !*worst->note && (worst->sqnr >= bound || (!isfinite(o->min_sqnr) && !worst->nonfinite &&
                                                      worst->max_abs <= ROUNDING));
}

bool mq_prove_holds(const mq_proof_opts *o, const mq_against_result *r, const mq_agreement **worst)
{
    *worst = worst_output(r, !isfinite(o->min_sqnr));
    return !*worst || holds(o, *worst, isfinite(o->min_sqnr) ? o->min_sqnr : o->expected_sqnr);
}

static mq_status add_bound(const mq_proof_opts *o, const mq_against_result *r, mq_report *report, mq_error *err)
{
    const double bound = isfinite(o->min_sqnr) ? o->min_sqnr : o->expected_sqnr;
    const mq_agreement *worst = worst_output(r, !isfinite(o->min_sqnr));
    mq_str asked_text = { 0 }, got = { 0 };
    mq_status rc;

    if (!isfinite(bound) || !worst)
        return MQ_OK;
    mq_str_addf(&asked_text, ">= %g dB", bound);
    if (*worst->note)
        mq_str_addf(&got, "not compared: %s", worst->note);
    else if (isfinite(worst->sqnr))
        mq_str_addf(&got, "%.2f dB", worst->sqnr);
    else
        mq_str_add(&got, worst->sqnr > 0 ? "no difference" : "NaN, infinity or no signal");
    rc = asked_text.failed || got.failed
             ? mq_oom(err)
             : mq_report_add_bound_of(report, "min-sqnr", worst->name, asked_text.s, got.s,
                                      holds(o, worst, bound), err);
    mq_str_release(&asked_text);
    mq_str_release(&got);
    return rc;
}

mq_status mq_prove_judge(const mq_proof_opts *o, const mq_against_result *r, mq_report *report, mq_error *err)
{
    const mq_agreement *worst = worst_output(r, false);
    mq_str note = { 0 };
    mq_status rc;

    if (!worst)
        return mq_fail(err, MQ_ERR_INPUT, "the model has no output that could be compared");
    mq_str_addf(&note, "run against %s on %llu %ssample%s: worst output '%s' has ",
                o->beside ? o->beside : "the original", (unsigned long long)r->n_samples,
                r->generated ? "generated " : "", r->n_samples == 1 ? "" : "s", worst->name);
    if (*worst->note)
        mq_str_addf(&note, "not been compared: %s", worst->note);
    else if (isinf(worst->sqnr) && worst->sqnr > 0)
        mq_str_add(&note, "no difference");
    else if (isinf(worst->sqnr))
        mq_str_add(&note, worst->nonfinite ? "NaN or infinity where the original has none"
                                           : "noise where the original is 0");
    else
        mq_str_addf(&note, "%.1f dB", worst->sqnr);
    if (!*worst->note && !r->generated)
        mq_str_addf(&note, ", its largest element is the same one in %.2f%%", worst->agree * 100);
    rc = note.failed ? mq_oom(err) : add_bound(o, r, report, err);
    if (rc == MQ_OK)
        mq_report_set_proof(report, "run", true, note.s);
    mq_str_release(&note);
    return rc;
}

mq_status mq_prove_settle(const mq_proof_opts *o, mq_status rc, const mq_error *why, mq_report *report, mq_error *err)
{
    if (may_fail(o, rc)) {
        char note[MQ_ERROR_SIZE + 64];

        snprintf(note, sizeof note, "the written file was read again and checked; not run: %s", why->text);
        mq_report_set_proof(report, "load", true, note);
        return MQ_OK;
    }
    if (rc == MQ_ERR_INPUT && !o->source->n_data)
        return mq_fail(err, rc, "%s (on generated inputs: --val-data gives better ones, --shape and --dim sizes)",
                       why->text);
    if (rc != MQ_OK && err)
        *err = *why;
    return rc;
}

mq_status mq_prove_run(const mq_proof_opts *o, mq_model *written, mq_report *report, const mq_hooks *hooks, mq_error *err)
{
    mq_against_opts against = mq_against_opts_default();
    mq_against_result *r = NULL;
    mq_model *original = NULL;
    mq_error why = { 0 };
    mq_data_source shaped;
    mq_proven proven;
    mq_status rc;

    if (strcmp(o->input, "-") == 0)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "a model from standard input cannot be read again to be run");
    against.source = *o->source;
    against.only_measure = true; /* the bound is on the worst output */
    MQ_TRY(mq_model_load(&original, o->input, &why));
    if (o->prepare)
        MQ_TRY(o->prepare(o->user, original, &why));
    MQ_TRY(mq_check_against(written, original, &against, report, hooks, &r, &why));
    MQ_TRY(mq_prove_judge(o, r, report, &why));
    shaped = *o->source;
    shaped.n_shapes = shaped.n_dims = 0; /* both models have them by now */
    proven = (mq_proven){ o->plain ? o->plain : written, original, &shaped, report, hooks };
    if (o->ceiling && o->plain)
        MQ_TRY(mq_source_declare(o->source, o->plain, &why));
    if (o->ceiling)
        MQ_TRY(mq_prove_ceiling(&proven, &why));
    proven.written = written;
    if (o->speed)
        MQ_TRY(mq_prove_speed(&proven, &why));
done:
    mq_against_result_free(r);
    mq_model_free(original);
    return mq_prove_settle(o, rc, &why, report, err);
}
