/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Which rewrite changes what a model computes: after each that changed something a copy of the model is run beside the
 * input. What is read and changed before is in convert.c. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/convert_job.h"
#include "api/prove.h"
#include "base/str.h"
#include "graph/clone.h"

struct mq_convert_search {
    mq_convert_job *job;
    mq_model *original;
    mq_bisect *found;
};

mq_status mq_convert_search_open(mq_convert_job *j, mq_bisect *found)
{
    mq_convert_search *s = mq_arena_calloc(j->job.model->arena, 1, sizeof *s);
    mq_error *err = j->job.err;
    mq_status rc = MQ_OK;

    if (!s)
        return mq_oom(err);
    j->search = s;
    s->job = j;
    s->found = found;
    if (strcmp(j->job.input, "-") == 0)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "a model from standard input cannot be read again to be run");
    MQ_TRY(mq_model_load(&s->original, j->job.input, err));
    rc = j->job.prepare(j->job.user, s->original, err);
done:
    return rc;
}

void mq_convert_search_close(mq_convert_search *s)
{
    if (s)
        mq_model_free(s->original);
}

/* What a proof of this job would ask for. */
static mq_proof_opts bounds_of(const mq_convert_search *s)
{
    return (mq_proof_opts){ .min_sqnr = s->job->job.opts.min_sqnr, .expected_sqnr = s->job->job.opts.expected_sqnr };
}

static void note(mq_convert_search *s, const mq_agreement *worst)
{
    if (!worst)
        return;
    s->found->sqnr = worst->sqnr;
    snprintf(s->found->output, sizeof s->found->output, "%s", worst->name);
}

mq_status mq_convert_search_look(mq_convert_search *s, const char *what, int round, size_t n_changes, bool *found)
{
    const mq_job *job = &s->job->job;
    mq_against_opts against = mq_against_opts_default();
    const mq_proof_opts bounds = bounds_of(s);
    const mq_agreement *worst;
    mq_against_result *r = NULL;
    mq_report *aside = NULL;
    mq_model *copy = NULL;
    mq_status rc = MQ_OK;

    against.source = s->job->opts->verify_on;
    against.only_measure = true;
    MQ_TRY(mq_model_clone(&copy, job->model, job->err));
    MQ_TRY(mq_report_create(&aside, "convert", job->err)); /* each look would leave its tensors in the report */
    MQ_TRY(mq_check_against(copy, s->original, &against, aside, job->hooks, &r, job->err));
    s->found->n_compared++;
    *found = !mq_prove_holds(&bounds, r, &worst);
    note(s, worst);
    if (*found) {
        snprintf(s->found->pass, sizeof s->found->pass, "%s", what);
        s->found->round = round;
        s->found->n_changes = n_changes;
    }
done:
    if (rc != MQ_OK)
        mq_error_prefix(job->err, "%s", what);
    mq_against_result_free(r);
    mq_report_free(aside);
    mq_model_free(copy);
    return rc;
}

mq_status mq_convert_search_report(const mq_convert_search *s)
{
    const mq_proof_opts bounds = bounds_of(s);
    const mq_bisect *f = s->found;
    mq_str asked = { 0 }, got = { 0 };
    mq_status rc;

    mq_str_addf(&asked, ">= %g dB after each rewrite",
                isfinite(bounds.min_sqnr) ? bounds.min_sqnr : bounds.expected_sqnr);
    if (!*f->pass)
        mq_str_addf(&got, "no rewrite changes the outputs (%zu compared)", f->n_compared);
    else
        mq_str_addf(&got, "%.2f dB after %s in round %d", f->sqnr, f->pass, f->round);
    rc = asked.failed || got.failed ? mq_oom(s->job->job.err)
                                    : mq_report_add_bound_of(s->job->job.report, "bisect", f->output, asked.s, got.s,
                                                             !*f->pass, s->job->job.err);
    mq_str_release(&asked);
    mq_str_release(&got);
    return rc;
}
