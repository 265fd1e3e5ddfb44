/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* `mq convert` from file to file: load, repair, check, change, write beside, read back, run against the input, report, and
 * only then put in place. What the changes are is in src/passes and src/convert. */
#include "mq/convert.h"

#include <math.h>
#include <string.h>

#include "api/convert_job.h"
#include "api/running.h"
#include "api/sound.h"
#include "base/file.h"
#include "base/pattern.h"
#include "base/str.h"
#include "base/threads.h"
#include "convert/convert.h"
#include "convert/weights.h"
#include "exec/evaluate.h"
#include "model/onnx_info.h"
#include "graph/cut.h"
#include "ops/ops.h"
#include "ops/targets.h"
#include "passes/hide.h"
#include "report/census.h"

mq_convert_opts mq_convert_opts_default(void)
{
    return (mq_convert_opts){ .level = 2, .fold_limit = 16u << 20, .min_sqnr = -INFINITY, .save = mq_save_opts_default() };
}

/* ---- which rewrites ------------------------------------------------------------------------------------------------ */

static bool is_for(const mq_convert_pass *row, mq_convert_target target)
{
    return row->targets & 1u << target; /* mq_pass_target has their order */
}

static mq_status compile(mq_patterns **out, const char *option, const mq_names *names, mq_convert_target target,
                         mq_error *err)
{
    mq_status rc = mq_patterns_create(out, option, names->items, names->n, err);

    for (const mq_convert_pass *row = mq_convert_passes; rc == MQ_OK && row->pass; row++)
        if (is_for(row, target))
            mq_patterns_offer(*out, row->pass->name);
    return rc;
}

mq_status mq_convert_check_passes(const char *option, const mq_names *names, mq_convert_target target, mq_error *err)
{
    mq_patterns *p = NULL;
    mq_status rc = compile(&p, option, names, target, err);

    if (rc == MQ_OK)
        for (const mq_convert_pass *row = mq_convert_passes; row->pass; row++)
            if (is_for(row, target))
                mq_patterns_match(p, row->pass->name);
    if (rc == MQ_OK)
        rc = mq_patterns_check_used(p, err);
    mq_patterns_free(p);
    return rc;
}

static mq_status choose_passes(mq_convert_run *run, const mq_convert_opts *o, bool *any, mq_error *err)
{
    mq_patterns *only = NULL, *not = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_convert_check_passes("--passes", &o->passes, o->target, err));
    MQ_TRY(mq_convert_check_passes("--disable-pass", &o->disable, o->target, err));
    MQ_TRY(compile(&only, "--passes", &o->passes, o->target, err));
    MQ_TRY(compile(&not, "--disable-pass", &o->disable, o->target, err));
    for (size_t i = 0; mq_convert_passes[i].pass; i++) {
        const mq_convert_pass *row = &mq_convert_passes[i];
        const char *name = row->pass->name;

        run->on[i] = is_for(row, o->target) && (o->passes.n ? mq_patterns_match(only, name) : row->level <= o->level) &&
                     !mq_patterns_match(not, name);
        *any |= run->on[i];
    }
done:
    mq_patterns_free(only);
    mq_patterns_free(not);
    return rc;
}

/* The targets of a row that is not for all. */
static const char *targets_of(const mq_convert_pass *row)
{
    switch (row->targets) {
    case MQ_PASS_ONNX: return " (onnx)";
    case MQ_PASS_ONNXRUNTIME: return " (onnxruntime)";
    case MQ_PASS_ONNX | MQ_PASS_ONNXRUNTIME: return " (onnx, onnxruntime)";
    default: return "";
    }
}

char *mq_convert_list_passes(void)
{
    mq_str s = { 0 };

    mq_str_add(&s, "pass                   from  what it does (--target)\n");
    for (const mq_convert_pass *row = mq_convert_passes; row->pass; row++) {
        mq_str_addf(&s, "%-21s  ", row->pass->name);
        if (row->level < MQ_CONVERT_NAMED)
            mq_str_addf(&s, "-O%d   ", row->level);
        else
            mq_str_add(&s, "named ");
        mq_str_addf(&s, "%s%s\n", row->pass->summary, targets_of(row));
    }
    mq_str_add(&s, "\nThey run in this order, again and again until none finds anything; named ones only where --passes\n"
                   "has them.\n");
    if (s.failed) {
        mq_str_release(&s);
        return NULL;
    }
    return s.s;
}

/* ---- counting ------------------------------------------------------------------------------------------------------ */

/* Nodes of all graphs and function bodies without Constant nodes. Types have been inferred. */
static mq_status count(mq_convert_job *j, mq_report_graph *c)
{
    const mq_model *m = j->job.model;

    c->nodes = 0;

    for (size_t i = 0; i < m->graphs.n; i++) {
        if (!mq_graph_is_live(m->graphs.items[i]))
            continue;
        for (const mq_node *n = m->graphs.items[i]->first; n; n = n->next)
            c->nodes += !mq_node_is(n, "", "Constant");
    }
    return mq_convert_count_macs(j, &c->macs);
}

/* ---- changing ------------------------------------------------------------------------------------------------------ */

static bool takes(void *user, const mq_node *n)
{
    return mq_which_takes(user, n);
}

static mq_status look_behind(void *user, size_t row, size_t n_changed, mq_error *err)
{
    mq_convert_job *j = user;

    (void)err; /* the job's own */
    return mq_convert_search_look(j->search, mq_convert_passes[row].pass->name, (int)j->run.n_rounds + 1, n_changed,
                                  &j->run.stop);
}

static mq_status rewrite(mq_convert_job *j)
{
    mq_evaluator *e = NULL;
    const mq_hooks *hooks = j->job.hooks;
    mq_hidden hidden = { 0 };
    bool any = false;
    mq_status rc = choose_passes(&j->run, j->opts, &any, j->job.err);

    if (rc != MQ_OK || !any)
        return rc;
    MQ_TRY(mq_evaluator_create(&e, hooks ? hooks->n_threads : 0, j->job.err));
    j->run.hooks = hooks;
    j->run.after = j->search ? look_behind : NULL;
    j->run.user = j;
    if (j->which)
        MQ_TRY(mq_nodes_hide(j->job.model, takes, j->which, &hidden, j->job.err));
    MQ_TRY(mq_passes_settle(j->job.model, &j->run, &(mq_pass_ctx){ .evaluate = mq_evaluator_run, .user = e,
                                                                   .fold_limit = j->opts->fold_limit,
                                                                   .keep_functions = j->which != NULL,
                                                                   .for_file = true }, j->job.err));
    if (!j->run.settled && !j->run.stop)
        mq_warn(hooks, "passes-unsettled", "", "rewrites still found something after %d rounds", MQ_CONVERT_ROUNDS);
done:
    mq_nodes_show(&hidden);
    mq_evaluator_free(e);
    return rc == MQ_OK && j->which ? mq_infer_model(j->job.model, NULL, NULL, j->job.err) : rc;
}

/* Types and layouts of inputs and outputs, pixels. */
static mq_status change_io(const mq_convert_opts *o, mq_model *m, mq_error *err)
{
    mq_status rc = MQ_OK;

    if (!o->pixels.n && !o->io_types.n && !o->io_layouts.n)
        return MQ_OK;
    MQ_TRY(mq_convert_pixels(m, o->pixels.items, o->pixels.n, NULL, err));
    MQ_TRY(mq_convert_io_types(m, o->io_types.items, o->io_types.n, err));
    MQ_TRY(mq_convert_io_layouts(m, o->io_layouts.items, o->io_layouts.n, err));
    rc = mq_infer_model(m, NULL, NULL, err);
done:
    return rc;
}

/* Weights, inputs, outputs and sizes. Types have been inferred. */
static mq_status change_edges(const mq_convert_opts *o, mq_model *m, const mq_hooks *hooks, mq_error *err)
{
    mq_status rc = MQ_OK;

    if (o->weights_in) {
        MQ_TRY(mq_weights_read(m, o->weights_in, &(mq_weights_names){ o->weights_map, o->weights_by_order }, hooks, err));
        MQ_TRY(mq_infer_model(m, NULL, NULL, err));
    }
    MQ_TRY(mq_need_tensors(m, "--inputs", o->inputs.items, o->inputs.n, err));
    MQ_TRY(mq_need_tensors(m, "--outputs", o->outputs.items, o->outputs.n, err));
    if (o->inputs.n || o->outputs.n)
        MQ_TRY(mq_convert_cut(m, o->inputs.items, o->inputs.n, o->outputs.items, o->outputs.n, err));
    if (o->shapes.n || o->dims.n)
        MQ_TRY(mq_convert_shapes(m, o->shapes.items, o->shapes.n, o->dims.items, o->dims.n, err));
done:
    return rc;
}

/* The original for the proof: with the edges of the result it is run on the same arrays. */
static mq_status give_edges(void *user, mq_model *original, mq_error *err)
{
    const mq_convert_job *j = user;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_sound_mend(original, j->job.input, NULL, err));
    MQ_TRY(mq_infer_model(original, NULL, NULL, err));
    MQ_TRY(change_edges(j->opts, original, NULL, err));
    MQ_TRY(mq_convert_give_types(j, original, err));
    MQ_TRY(mq_infer_model(original, NULL, NULL, err));
    MQ_TRY(change_io(j->opts, original, err));
    MQ_TRY(mq_convert_rename(original, j->opts->renames.items, j->opts->renames.n, err));
done:
    return rc;
}

static void strip(mq_model *m, unsigned what)
{
    if (what & (MQ_STRIP_DOCS | MQ_STRIP_METADATA))
        mq_onnx_strip(m, what & MQ_STRIP_DOCS, what & MQ_STRIP_METADATA);
    for (size_t i = 0; what & MQ_STRIP_NAMES && i < m->graphs.n; i++)
        for (mq_node *n = m->graphs.items[i]->first; n; n = n->next)
            n->name = "";
}

/* That the opset is raised is no news to who asks for it. */
static mq_status change_opset(mq_convert_job *j)
{
    mq_hooks quiet = j->job.hooks ? *j->job.hooks : (mq_hooks){ 0 };

    quiet.warn = NULL;
    if (j->opts->opset < mq_opset_of(j->job.model->graph, ""))
        return mq_convert_lower_opset(j->job.model, j->opts->opset, j->job.err);
    return mq_opset_raise(j->job.model, j->opts->opset, &quiet, j->job.err);
}

/* Exporters list weights as inputs that nobody ever feeds. */
static void make_constants(mq_convert_job *j)
{
    const size_t n = mq_model_unlist_inits(j->job.model);

    if (n)
        mq_warn(j->job.hooks, "constant-input", "", "%zu initializers were also graph inputs and are constants now", n);
}

static mq_status change(mq_convert_job *j)
{
    const mq_convert_opts *o = j->opts;
    mq_model *m = j->job.model;
    mq_error *err = j->job.err;
    mq_status rc = MQ_OK;

    MQ_TRY(change_edges(o, m, j->job.hooks, err));
    if (o->opset)
        MQ_TRY(change_opset(j));
    MQ_TRY(mq_which_create(&j->which, &(mq_which_names){ o->nodes, o->exclude_nodes, o->op_types, o->exclude_op_types }, m,
                           err));
    MQ_TRY(rewrite(j));
    if (o->precision)
        make_constants(j);
    MQ_TRY(mq_convert_change_precision(j));
    if (o->precision)
        MQ_TRY(mq_infer_model(m, NULL, NULL, err));
    MQ_TRY(change_io(o, m, err));
    MQ_TRY(mq_convert_rename(m, o->renames.items, o->renames.n, err));
    strip(m, o->strip);
    mq_convert_tidy(m);
    mq_convert_raise_ir(m);
    MQ_TRY(mq_infer_model(m, NULL, NULL, err));
done:
    return rc;
}

/* What the target does not take of the result, one warning each. */
static mq_status check_target(mq_convert_job *j)
{
    static const char *const names[] = { "onnx", "onnxruntime", "portable" }; /* as mq_convert_target counts */
    mq_findings fs = { 0 };
    mq_status rc = MQ_OK;

    if (j->opts->target == MQ_CONVERT_ONNX)
        return MQ_OK;
    rc = mq_check_target(j->job.model, mq_target_find(names[j->opts->target]), &fs, j->job.err);
    for (size_t i = 0; i < fs.list.n && rc == MQ_OK; i++)
        if (fs.list.items[i].severity == MQ_SEVERITY_ERROR)
            mq_warn(j->job.hooks, fs.list.items[i].code, fs.list.items[i].place, "%s", fs.list.items[i].text);
    mq_findings_release(&fs);
    return rc;
}

/* JSON instead of a model. */
static mq_status write_json(mq_convert_job *j)
{
    mq_job *job = &j->job;
    mq_outfile *f = NULL;
    mq_str text = { 0 };
    mq_status rc = MQ_OK;

    MQ_TRY(mq_convert_json(job->model, &text, job->err));
    job->after = (mq_saved){ .model_bytes = text.n };
    mq_report_set_model(job->report, MQ_REPORT_AFTER, job->model, text.n, 0);
    mq_report_set_proof(job->report, "none", true, "JSON is for reading");
    if (job->opts.dry_run)
        goto done;
    MQ_TRY(mq_outfile_open(&f, job->output, job->opts.save.force, job->err));
    MQ_TRY(mq_outfile_write(f, text.s, text.n, job->err));
    rc = mq_outfile_commit(f, job->opts.save.sync, job->err);
    f = NULL;
    if (rc == MQ_OK)
        rc = mq_job_report_file(job, "output", job->output, text.n);
done:
    mq_outfile_abort(f);
    mq_str_release(&text);
    return rc;
}

/* ---- report -------------------------------------------------------------------------------------------------------- */

static mq_status tell(void *user)
{
    mq_convert_job *j = user;
    mq_report_graph after;
    mq_status rc = MQ_OK;

    MQ_TRY(count(j, &after));
    mq_report_set_rewrites(j->job.report, &j->before, &after);
    for (size_t i = 0; mq_convert_passes[i].pass; i++)
        if (j->run.on[i])
            mq_report_add_rewrite(j->job.report, mq_convert_passes[i].pass->name, mq_convert_passes[i].pass->summary,
                                  j->run.n_changed[i]);
    mq_convert_report_precision(j);
    MQ_TRY(mq_judging_cost(j->judging, j->job.model, j->job.err));
    rc = mq_report_status(j->job.report, j->job.err);
done:
    return rc;
}

static mq_job_opts job_opts(const mq_convert_opts *o)
{
    return (mq_job_opts){ .save = o->save, .verify = o->verify, .verify_on = &o->verify_on, .min_sqnr = o->min_sqnr,
                          .expected_sqnr = mq_convert_expected_sqnr(o),
                          .max_size_ratio = o->max_size_ratio, .max_size = o->max_size,
                          .strict = o->strict, .dry_run = o->dry_run, .hash = o->hash, .keep_failed = o->keep_failed };
}

mq_status mq_convert_file(const char *input, const char *output, const mq_convert_opts *opts, mq_report *report,
                          const mq_hooks *hooks, mq_error *err)
{
    const mq_convert_opts o = opts ? *opts : mq_convert_opts_default();
    mq_convert_job j = { .opts = &o, .job = { .input = input, .output = output, .opts = job_opts(&o), .report = report,
                                           .hooks = hooks, .err = err, .since = mq_seconds() } };
    mq_status rc = MQ_OK;

    j.job.prepare = give_edges;
    j.job.judge = mq_convert_judge;
    j.job.user = &j;
    mq_report_set_threads(report, mq_threads(hooks ? hooks->n_threads : 0));
    if (o.weights_out && !o.dry_run)
        MQ_TRY(mq_outfile_try(o.weights_out, o.save.force, err));
    MQ_TRY(mq_job_open(&j.job));
    MQ_TRY(mq_infer_model(j.job.model, NULL, NULL, err));
    MQ_TRY(count(&j, &j.before));
    MQ_TRY(mq_convert_open_bounds(&j));
    MQ_TRY(mq_job_end_step(&j.job, "load and check"));
    MQ_TRY(change(&j));
    MQ_TRY(check_target(&j));
    MQ_TRY(mq_job_end_step(&j.job, "convert"));
    if (o.json)
        MQ_TRY(tell(&j));
    MQ_TRY(o.json ? write_json(&j) : mq_job_finish(&j.job, "write", tell, &j));
    if (o.weights_out && !o.dry_run && !mq_job_missed(&j.job)) {
        mq_note_file(hooks, o.weights_out, true);
        rc = mq_weights_write(j.job.model, o.weights_out, o.save.force, hooks, err);
        if (rc != MQ_OK)
            mq_error_prefix(err, "the model was written and stays in place, but not its weights");
    }
done:
    mq_judging_close(j.judging);
    mq_convert_release_precision(&j);
    mq_which_free(j.which);
    mq_job_close(&j.job);
    return rc;
}

mq_status mq_convert_bisect(const char *input, const mq_convert_opts *opts, mq_bisect *found, mq_report *report,
                            const mq_hooks *hooks, mq_error *err)
{
    const mq_convert_opts o = opts ? *opts : mq_convert_opts_default();
    mq_convert_job j = { .opts = &o, .job = { .input = input, .opts = job_opts(&o), .report = report, .hooks = hooks,
                                              .err = err, .since = mq_seconds() } };
    bool early = false;
    mq_status rc = MQ_OK;

    *found = (mq_bisect){ .sqnr = INFINITY };
    j.job.prepare = give_edges;
    j.job.user = &j;
    mq_report_set_threads(report, mq_threads(hooks ? hooks->n_threads : 0));
    MQ_TRY(mq_job_open(&j.job));
    MQ_TRY(mq_infer_model(j.job.model, NULL, NULL, err));
    MQ_TRY(change_edges(&o, j.job.model, hooks, err));
    MQ_TRY(mq_job_end_step(&j.job, "load and check"));
    MQ_TRY(mq_convert_search_open(&j, found));
    if (o.opset) {
        MQ_TRY(change_opset(&j));
        MQ_TRY(mq_infer_model(j.job.model, NULL, NULL, err));
        MQ_TRY(mq_convert_search_look(j.search, "--opset", 0, 0, &early));
    }
    if (!early)
        MQ_TRY(rewrite(&j));
    MQ_TRY(mq_job_end_step(&j.job, "bisect"));
    rc = mq_convert_search_report(j.search);
done:
    mq_convert_search_close(j.search);
    mq_job_close(&j.job);
    return rc;
}
