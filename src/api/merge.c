/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* `mq merge` from files to a file: load and check each, bring them to one opset, connect, write beside, read back, run
 * against the models by themselves, report, and only then put in place. How models become one is in src/convert/merge.c. */
#include "mq/merge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/merge_job.h"
#include "api/running.h"
#include "base/threads.h"
#include "convert/convert.h"
#include "graph/cut.h"
#include "ops/ops.h"
#include "report/report.h"

mq_merge_opts mq_merge_opts_default(void)
{
    return (mq_merge_opts){ .min_sqnr = -INFINITY, .save = mq_save_opts_default() };
}

/* ---- inputs -------------------------------------------------------------------------------------------------------- */

static mq_status load_all(merge_job *j, const char *const *inputs)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < j->n && rc == MQ_OK; i++) {
        mq_merge_part *p = &j->parts[i];

        p->label = inputs[i];
        p->prefix = "";
        rc = mq_job_open_one(&j->job, inputs[i], &p->model);
        if (rc == MQ_OK && p->model->has_ir_version && p->model->ir_version < 4)
            mq_model_unlist_inits(p->model); /* where initializers had to be inputs none is one that somebody feeds */
    }
    return rc;
}

/* Where rounding is coarse, operators that are computed as one differ more from operators that are not. */
static bool is_coarse(const mq_model *m)
{
    for (size_t i = 0; i < m->graphs.n; i++) {
        const mq_graph *g = m->graphs.items[i];

        for (size_t v = 0; v < g->values.n; v++) {
            const mq_type *t = g->values.items[v]->type;

            if (t && (t->dtype == MQ_FLOAT16 || t->dtype == MQ_BFLOAT16))
                return true;
        }
        for (const mq_node *n = g->first; n; n = n->next)
            if (strstr(n->op_type, "uantize") || strstr(n->op_type, "QLinear") || strstr(n->op_type, "Integer"))
                return true;
    }
    return false;
}

static mq_status raise_one(const merge_job *j, const mq_merge_part *p, int opset)
{
    const int64_t has = mq_opset_of(p->model->graph, "");
    mq_hooks quiet = j->job.hooks ? *j->job.hooks : (mq_hooks){ 0 };
    mq_status rc;

    quiet.warn = NULL;
    if (!has || has == opset)
        return MQ_OK;
    if (has > opset)
        return mq_fail(j->job.err, MQ_ERR_UNSUPPORTED, "--opset %d: %s has opset %lld: mq convert --opset lowers it", opset,
                       p->label, (long long)has);
    rc = mq_opset_raise(p->model, opset, &quiet, j->job.err);
    if (rc != MQ_OK)
        mq_error_prefix(j->job.err, "%s", p->label);
    else if (!j->opts->opset)
        mq_warn(j->job.hooks, "opset-raised", "", "%s: opset %lld is raised to %d, which another model has", p->label,
                (long long)has, opset);
    return rc;
}

/* All to one opset, and types. */
static mq_status make_even(merge_job *j)
{
    int opset = j->opts->opset;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < j->n && !j->opts->opset; i++) {
        const int64_t has = mq_opset_of(j->parts[i].model->graph, "");

        opset = has > opset ? (int)has : opset;
    }
    j->exact = true;
    for (size_t i = 0; i < j->n; i++) {
        MQ_TRY(raise_one(j, &j->parts[i], opset));
        MQ_TRY(mq_infer_model(j->parts[i].model, NULL, NULL, j->job.err));
        j->exact = j->exact && !is_coarse(j->parts[i].model);
    }
done:
    return rc;
}

/* ---- output -------------------------------------------------------------------------------------------------------- */

static mq_status merge(merge_job *j)
{
    const mq_merge_opts *o = j->opts;
    mq_error *err = j->job.err;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_merge_set_prefixes(j->parts, j->n, o->prefix.items, o->prefix.n, o->average, err));
    if (o->average) {
        MQ_TRY(mq_merge_average(&j->job.model, j->parts, j->n, err));
    } else {
        MQ_TRY(mq_merge_connect(j->parts, j->n, o->connect.items, o->connect.n, &j->links, err));
        MQ_TRY(mq_merge_chain(&j->job.model, j->parts, j->n, &j->links, err));
    }
    rc = mq_infer_model(j->job.model, NULL, NULL, err);
done:
    return rc;
}

static mq_status tell(void *user)
{
    const merge_job *j = user;

    mq_report_set_mode(j->job.report, j->opts->average ? "average" : "chain",
                       j->opts->average ? "each output is the mean of the models' outputs" : NULL);
    for (size_t i = 0; i < j->links.n; i++) {
        const mq_merge_link *l = &j->links.items[i];

        mq_report_add_connection(j->job.report, j->parts[l->from].label, l->out_name, j->parts[l->to].label, l->in_name);
    }
    return mq_report_status(j->job.report, j->job.err);
}

static mq_status prove(void *user, mq_model *written, mq_error *err)
{
    return mq_merge_prove(user, written, err);
}

static mq_job_opts job_opts(const mq_merge_opts *o)
{
    return (mq_job_opts){ .save = o->save, .verify = o->verify, .verify_on = &o->verify_on, .min_sqnr = o->min_sqnr,
                          .expected_sqnr = -INFINITY, .max_size_ratio = o->max_size_ratio, .max_size = o->max_size,
                          .strict = o->strict, .dry_run = o->dry_run, .hash = o->hash, .keep_failed = o->keep_failed };
}

/* What cannot be read again for the proof, if anything, stands for all of them. */
static const char *input_of(const char *const *inputs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(inputs[i], "-") == 0)
            return inputs[i];
    return inputs[0];
}

mq_status mq_merge_files(const char *const *inputs, size_t n_inputs, const char *output, const mq_merge_opts *opts,
                         mq_report *report, const mq_hooks *hooks, mq_error *err)
{
    const mq_merge_opts o = opts ? *opts : mq_merge_opts_default();
    merge_job j = { .opts = &o, .n = n_inputs, .job = { .output = output, .opts = job_opts(&o), .report = report,
                                                        .hooks = hooks, .err = err, .since = mq_seconds() } };
    mq_status rc = MQ_OK;

    if (n_inputs < 2)
        return mq_fail(err, MQ_ERR_USAGE, "two models or more are merged, not %zu", n_inputs);
    j.job.input = input_of(inputs, n_inputs);
    j.job.prove = prove;
    j.job.user = &j;
    mq_report_set_threads(report, mq_threads(hooks ? hooks->n_threads : 0));
    if (!(j.parts = calloc(n_inputs, sizeof *j.parts)))
        return mq_oom(err);
    MQ_TRY(load_all(&j, inputs));
    MQ_TRY(mq_job_end_step(&j.job, "load and check"));
    MQ_TRY(make_even(&j));
    MQ_TRY(merge(&j));
    MQ_TRY(mq_job_end_step(&j.job, "merge"));
    rc = mq_job_finish(&j.job, "write", tell, &j);
done:
    mq_job_close(&j.job); /* borrows from the others */
    for (size_t i = 0; i < n_inputs; i++)
        mq_model_free(j.parts[i].model);
    free(j.parts);
    mq_vec_release(&j.links);
    return rc;
}
