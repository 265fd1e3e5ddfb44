/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* `mq prune` from file to file: load, mend, check, find the weights, choose what goes, write beside with zeros, read back,
 * judge, report, and only then put in place. */
#include "mq/prune.h"

#include <math.h>
#include <string.h>

#include "api/prune_job.h"
#include "api/running.h"
#include "base/file.h"
#include "base/threads.h"
#include "model/sparse.h"
#include "ops/ops.h"
#include "passes/weight_inputs.h"
#include "prune/ask.h"
#include "prune/pick.h"
#include "prune/zero.h"
#include "report/report.h"

mq_prune_opts mq_prune_opts_default(void)
{
    mq_prune_opts o = { .threshold = -1, .nonzeros = -1, .pattern = "none", .round_to = 8, .keep_ends = true,
                        .schedule = "cubic", .train = mq_train_opts_default(), .val_split = 0.1,
                        .bounds = mq_bounds_default(), .save = mq_save_opts_default() };

    o.train.epochs = 2;
    o.train.lr = 2e-3; /* in ten rounds half a point better than 1e-3, whatever is learned from */
    return o;
}

/* ---- input --------------------------------------------------------------------------------------------------------- */

static mq_status open_input(mq_prune_job *j)
{
    const mq_node *q;
    mq_status rc = mq_job_open(&j->job);

    if (rc == MQ_OK)
        rc = mq_model_make_dense(j->job.model, j->job.err);
    if (rc == MQ_OK && (q = mq_weight_find_quantized(j->job.model)))
        rc = mq_fail(j->job.err, MQ_ERR_USAGE,
                     "the model is quantized already: node '%s' is a %s: prune the float model, then quantize the result "
                     "(zeros stay zeros)", mq_node_label(q), q->op_type);
    return rc;
}

static mq_status raise_opset(const mq_prune_job *j)
{
    const int64_t have = mq_opset_of(j->job.model->graph, "");

    if (!j->opts->opset || j->opts->opset == have)
        return MQ_OK;
    if (j->opts->opset < have)
        return mq_fail(j->job.err, MQ_ERR_UNSUPPORTED, "--opset %d: the model has opset %lld, which is not lowered",
                       j->opts->opset, (long long)have);
    return mq_opset_raise(j->job.model, j->opts->opset, j->job.hooks, j->job.err);
}

static mq_status fail_nothing(const mq_prune_job *j)
{
    const mq_prune_plan *p = &j->plan;
    size_t counts[MQ_PRUNE_N_STAYS] = { 0 };
    mq_prune_stay most = MQ_PRUNE_GOES;

    for (size_t i = 0; i < p->items.n; i++)
        counts[p->items.items[i]->stay]++;
    for (mq_prune_stay s = MQ_PRUNE_GOES; s < MQ_PRUNE_N_STAYS; s++)
        most = counts[s] > counts[most] ? s : most;
    if (!p->items.n)
        return mq_fail(j->job.err, MQ_ERR_UNSUPPORTED, "%s: nothing to prune: no layer has a constant weight", j->job.input);
    return mq_fail(j->job.err, MQ_ERR_UNSUPPORTED, "%s: nothing to prune: %zu of %zu weights stay as they are: %s",
                   j->job.input, counts[most], p->items.n, mq_prune_stay_text(most));
}

/* ---- choosing ------------------------------------------------------------------------------------------------------ */

static mq_status choose(mq_prune_job *j)
{
    mq_status rc = MQ_OK;

    if (mq_prune_is_structured(j->opts))
        return mq_prune_structure_choose(j);
    if (j->opts->method == MQ_PRUNE_GEOMEDIAN || j->opts->zero_only)
        return mq_fail(j->job.err, MQ_ERR_USAGE, "--%s is for --pattern channel, head or mlp",
                       j->opts->zero_only ? "zero-only" : "method geomedian");
    MQ_TRY(mq_infer_model(j->job.model, NULL, NULL, j->job.err));
    j->plan = (mq_prune_plan){ .model = j->job.model, .opts = j->opts };
    MQ_TRY(mq_prune_find(&j->plan, j->job.err));
    if (!j->plan.n_pruned)
        return fail_nothing(j);
done:
    return rc;
}

static mq_status choose_zeros(mq_prune_job *j)
{
    mq_status rc = MQ_OK;

    if (j->structured)
        return mq_prune_structure_counts(j);
    if (j->opts->sensitivity || mq_prune_by_bounds(j->opts))
        MQ_TRY(mq_prune_search(j));
    rc = mq_prune_pick(&j->plan, j->job.hooks, j->job.err);
done:
    return rc;
}

/* Weights are made with their zeros when they are written; a dry run only counts. */
static mq_status prune(mq_prune_job *j)
{
    mq_status rc = MQ_OK;

    if (j->structured)
        return j->tuning.n_done ? MQ_OK : mq_prune_structure_apply(j);
    for (size_t i = 0; rc == MQ_OK && i < j->plan.items.n; i++) {
        mq_prune_item *it = j->plan.items.items[i];
        if (it->stay || it->done)
            continue;
        if (j->opts->dry_run)
            MQ_TRY(mq_prune_measure(&j->plan, it, j->job.hooks, j->job.err));
        MQ_TRY(mq_prune_defer(&j->plan, it, j->job.err));
    }
done:
    return rc;
}

/* ---- result -------------------------------------------------------------------------------------------------------- */

static mq_status tell(void *user)
{
    mq_prune_job *j = user;
    const mq_status rc = mq_prune_tell(j);

    mq_prune_tell_rounds(j);
    return rc == MQ_OK ? mq_judging_cost(j->judging, j->job.model, j->job.err) : rc;
}

static mq_status judge(void *user)
{
    const mq_prune_job *j = user;

    return mq_judging_run(j->judging, j->job.model, j->job.err);
}

static mq_job_opts job_opts(const mq_prune_opts *o)
{
    const mq_bench_bounds *limits = &o->bounds.limits;

    return (mq_job_opts){ .save = o->save, .verify = o->verify, .verify_on = &o->verify_on,
                          .min_sqnr = limits->has_sqnr ? limits->min_sqnr : -INFINITY, .expected_sqnr = -INFINITY,
                          .max_size_ratio = limits->max_size_ratio, .max_size = limits->max_size, .strict = o->strict,
                          .dry_run = o->dry_run, .hash = o->hash, .speed = o->hash, .keep_failed = o->keep_failed };
}

mq_status mq_prune_file(const char *input, const char *output, const mq_prune_opts *opts, mq_report *report,
                        const mq_hooks *hooks, mq_error *err)
{
    const mq_prune_opts fallback = mq_prune_opts_default();
    mq_prune_job j = { .opts = opts ? opts : &fallback, .job = { .input = input, .output = output, .report = report,
                                                                 .hooks = hooks, .err = err, .since = mq_seconds() } };
    const mq_judging_opts judged = { .asked = &j.opts->bounds, .input = input, .output = output,
                                     .source = &j.opts->judge_on, .report = report, .hooks = hooks };
    mq_status rc = MQ_OK;

    mq_report_set_threads(report, mq_threads(hooks ? hooks->n_threads : 0));
    j.job.opts = job_opts(j.opts);
    j.job.judge = judge;
    j.job.look = mq_prune_look;
    j.job.user = &j;
    MQ_TRY(mq_prune_check_data(j.opts, err));
    MQ_TRY(open_input(&j));
    MQ_TRY(raise_opset(&j));
    if (!j.opts->dry_run) /* what is sure to fail behind long work fails before it */
        MQ_TRY(mq_outfile_try(output, j.opts->save.force, err));
    MQ_TRY(mq_job_end_step(&j.job, "load and check"));
    if (mq_prune_trains(j.opts))
        MQ_TRY(mq_train_plain(j.job.model, err));
    MQ_TRY(choose(&j));
    MQ_TRY(mq_prune_worth_begin(&j));
    MQ_TRY(mq_judging_open(&j.judging, &judged, j.job.model, err));
    MQ_TRY(choose_zeros(&j));
    MQ_TRY(mq_job_end_step(&j.job, "choose"));
    MQ_TRY(mq_prune_in_rounds(&j));
    if (!j.tuning.n_done)
        MQ_TRY(mq_prune_with_data(&j));
    MQ_TRY(prune(&j));
    MQ_TRY(mq_prune_store(&j));
    rc = mq_job_finish(&j.job, "prune and write", tell, &j);
done:
    if (rc == MQ_ERR_USAGE && strncmp(err ? err->text : "", "--", 2) == 0 && j.plan.items.n)
        mq_error_prefix(err, "%s", input); /* an option and what is in this model */
    mq_prune_tuning_close(&j.tuning);
    mq_judging_close(j.judging);
    mq_prune_structure_close(&j);
    mq_prune_plan_release(&j.plan);
    mq_job_close(&j.job);
    return rc;
}
