/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* `mq distill-export` from file to file: load the teacher, read the data, let it speak, make a student, train it, write it,
 * and run what was written again. */
#include "mq/distill.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/distill_job.h"
#include "api/inspect_parts.h"
#include "api/prove.h"
#include "api/sound.h"
#include "base/file.h"
#include "base/str.h"
#include "base/threads.h"
#include "distill/derive.h"
#include "graph/clone.h"
#include "ops/ops.h"
#include "passes/pass.h"
#include "report/report.h"

extern const mq_pass mq_pass_fold_batchnorm;

mq_distill_opts mq_distill_opts_default(void)
{
    return (mq_distill_opts){
        .train = mq_train_opts_default(),
        .width = 0.5, .depth = 1, .n_students = 1, .val_split = 0.1, .target = "onnx",
        .bounds = mq_bounds_default(), .save = mq_save_opts_default(),
    };
}

/* ---- the student ---------------------------------------------------------------------------------------------------- */

static mq_status check_ends(const mq_value *a, const mq_value *b, const char *what, mq_error *err)
{
    const mq_type *s = a->type ? a->type : a->declared, *t = b->type ? b->type : b->declared;
    char of_student[160], of_teacher[160];
    bool fit = s && t && s->kind == t->kind && s->dtype == t->dtype && s->rank == t->rank;

    for (int i = 1; fit && i < s->rank; i++)
        fit = !mq_dim_known(s->dims[i]) || !mq_dim_known(t->dims[i]) || s->dims[i].value == t->dims[i].value;
    if (fit)
        return MQ_OK;
    mq_type_text(s, of_student, sizeof of_student);
    mq_type_text(t, of_teacher, sizeof of_teacher);
    return mq_fail(err, MQ_ERR_INPUT, "the student's %s '%s' is %s, but the teacher's '%s' is %s", what, a->name, of_student,
                   b->name, of_teacher);
}

static mq_status check_student(const mq_distill_job *j, const mq_model *m)
{
    const mq_value_vec *out = &m->graph->outputs, *want = &j->teacher->graph->outputs;
    mq_error *err = j->job.err;
    size_t at = 0;
    mq_status rc = MQ_OK;

    if (out->n != want->n)
        return mq_fail(err, MQ_ERR_INPUT, "the student has %zu outputs, the teacher %zu", out->n, want->n);
    for (size_t i = 0; i < out->n && rc == MQ_OK; i++)
        rc = check_ends(out->items[i], want->items[i], "output", err);
    for (size_t i = 0; i < m->graph->inputs.n && rc == MQ_OK; i++) {
        const mq_value *v = m->graph->inputs.items[i];

        if (v->init)
            continue;
        if (at == j->train.run.n_in)
            return mq_fail(err, MQ_ERR_INPUT, "the student's input '%s' is none of the teacher's", v->name);
        rc = check_ends(v, j->train.run.inputs[at++], "input", err);
    }
    if (rc == MQ_OK && at != j->train.run.n_in)
        rc = mq_fail(err, MQ_ERR_INPUT, "the student has %zu inputs, the teacher %zu", at, j->train.run.n_in);
    return rc;
}

static mq_status make_student(mq_distill_job *j, uint64_t seed, mq_model **out, mq_derived *made)
{
    const mq_distill_opts *o = j->opts;
    const mq_derive_opts derive = { o->width, o->depth, o->random_init, seed };
    mq_model *m = NULL;
    mq_status rc;

    *made = (mq_derived){ .n_blocks = 0 };
    if (o->student) {
        mq_note_file(j->job.hooks, o->student, false);
        MQ_TRY(mq_model_load(&m, o->student, j->job.err));
        MQ_TRY(mq_sound_mend(m, o->student, j->job.hooks, j->job.err));
        MQ_TRY(mq_sound_check(m, o->student, NULL, j->job.hooks, j->job.err));
        MQ_TRY(mq_train_plain(m, j->job.err));
        MQ_TRY(check_student(j, m));
        if (o->random_init)
            MQ_TRY(mq_weights_draw(m, seed, j->job.err));
    } else {
        MQ_TRY(mq_model_clone(&m, j->teacher, j->job.err));
        MQ_TRY(mq_infer_model(m, NULL, NULL, j->job.err));
        if (!o->dry_run && !o->random_init)
            MQ_TRY(mq_samples_normalize(m, &j->train.samples, false, j->job.hooks, j->job.err));
        MQ_TRY(mq_student_derive(m, &derive, made, j->job.err));
        if (!o->dry_run && o->random_init)
            MQ_TRY(mq_samples_normalize(m, &j->train.samples, true, j->job.hooks, j->job.err));
        if (!o->random_init)
            MQ_TRY(mq_norms_resize(m, j->job.err));
    }
    if (o->opset)
        MQ_TRY(mq_opset_raise(m, o->opset, NULL, j->job.err));
    *out = m;
    m = NULL;
done:
    mq_model_free(m);
    return rc;
}

/* ---- writing -------------------------------------------------------------------------------------------------------- */

static void put_drop(const mq_distill_job *j, json_t *drop, const mq_distill_figure *f)
{
    const double value = mq_train_drop(&j->train, f->metric), half = f->half * mq_train_drop_scale(&j->train, f->metric);
    mq_report *r = j->job.report;
    json_t *ci;

    mq_report_put_real(r, drop, "value", value);
    if (isnan(half))
        return;
    ci = mq_report_array(r, drop, "ci95");
    mq_report_push_real(r, ci, value - half);
    mq_report_push_real(r, ci, value + half);
}

static void put_metric(mq_distill_job *j, const char *model, const mq_distill_figure *f, bool first)
{
    mq_report *r = j->job.report;
    json_t *m = mq_report_append(r, mq_report_section(r, "metrics")), *v;

    mq_report_put_text(r, m, "model", model);
    mq_report_put_text(r, m, "output", j->teacher->graph->outputs.items[j->train.judged]->name);
    mq_report_put_int(r, m, "samples", (int64_t)j->train.judge.samples.n);
    v = mq_report_append(r, mq_report_array(r, m, "values"));
    mq_report_put_text(r, v, "name", mq_metric_name(j->train.judge.metric));
    mq_report_put_real(r, v, "value", f->metric);
    mq_report_put_bool(r, v, "main", true);
    mq_report_put_bool(r, v, "lower_is_better", mq_metric_lower_is_better(j->train.judge.metric));
    if (!first)
        put_drop(j, mq_report_object(r, v, "drop"), f);
}

static bool is_better(const mq_distill_job *j, double a, double b)
{
    return mq_metric_lower_is_better(j->train.judge.metric) ? a < b : a > b;
}

static mq_status bound(mq_distill_job *j, const char *name, const char *asked_form, double asked, const char *got_form,
                       double got, bool pass)
{
    char want[80], have[80];

    snprintf(want, sizeof want, asked_form, asked);
    snprintf(have, sizeof have, got_form, got);
    return mq_report_add_bound(j->job.report, name, want, have, pass, j->job.err);
}

/* One sample more or less is the finest that the data can show of a share. */
static mq_status bound_drop(mq_distill_job *j)
{
    const double most = j->opts->bounds.limits.max_drop, got = j->of_student.metric;
    const double worse = mq_train_drop(&j->train, got), half = j->of_student.half * mq_train_drop_scale(&j->train, got);
    const unsigned long long n = j->train.judge.samples.n;
    char want[80], have[160];

    snprintf(want, sizeof want, "%s: <= %g%%", mq_metric_name(j->train.judge.metric), most * 100);
    if (isnan(half))
        snprintf(have, sizeof have, "%.3g%% (%llu samples)", worse * 100, n);
    else
        snprintf(have, sizeof have, "%.3g%% (%.3g%% to %.3g%%, %llu samples)", worse * 100, (worse - half) * 100,
                 (worse + half) * 100, n);
    if (j->train.judge.classes && most > 0 && n && most < 1.0 / (double)n)
        mq_warn(j->job.hooks, "bench-bound-fine", "", "--max-drop %g%%: one of %llu samples is %.2g%% already", most * 100,
                n, 100.0 / (double)n);
    return mq_report_add_bound(j->job.report, "max-drop", want, have, worse <= most + 1e-12, j->job.err);
}

/* The metric that students are trained by; a command's is the judging's. */
static mq_status bound_metric(mq_distill_job *j)
{
    const mq_bench_bounds *b = &j->opts->bounds.limits;
    const double got = j->of_student.metric;
    const bool lower = mq_metric_lower_is_better(j->train.judge.metric), eval = j->opts->bounds.eval_cmd != NULL;
    mq_status rc = MQ_OK;

    if (b->has_drop && !eval)
        MQ_TRY(bound_drop(j));
    if (b->has_metric && !eval)
        MQ_TRY(bound(j, "min-metric", lower ? "<= %g" : ">= %g", b->min_metric, "%.6g", got,
                     lower ? got <= b->min_metric : got >= b->min_metric));
done:
    return rc;
}

/* Times are measured on the first samples, in each engine. */
static mq_status open_bounds(mq_distill_job *j)
{
    const mq_distill_opts *o = j->opts;

    j->by_bounds = o->bounds;
    if (!o->bounds.eval_cmd)
        j->by_bounds.limits.has_drop = j->by_bounds.limits.has_metric = false;
    j->judge_on = o->judge_on.n_data ? o->judge_on : o->train_on;
    j->judge_on.n_labels = 0;
    return mq_judging_open(&j->judging, &(mq_judging_opts){ .asked = &j->by_bounds, .input = j->job.input,
                                                            .output = j->job.output, .source = &j->judge_on,
                                                            .report = j->job.report, .hooks = j->job.hooks },
                           j->teacher, j->job.err);
}

static mq_status judge_bounds(void *user)
{
    mq_distill_job *j = user;

    return mq_judging_run(j->judging, j->job.model, j->job.err);
}

static bool is_dequantized(const mq_value *v)
{
    return v && v->producer && strcmp(v->producer->op_type, "DequantizeLinear") == 0;
}

/* Those of products of integers: both factors are dequantized. */
static int64_t count_int8(const mq_graph *g)
{
    int64_t sum = 0;

    for (const mq_node *n = g->first; n; n = n->next) {
        const int64_t macs = n->n_inputs > 1 && is_dequantized(n->inputs[0]) && is_dequantized(n->inputs[1]) ?
                                 mq_node_macs(n) : 0;

        sum += macs > 0 ? macs : 0;
    }
    return sum;
}

/* Of one sample. */
static void count_macs(mq_model *m, mq_distill_figure *out)
{
    mq_model *one = NULL;

    out->macs = -1;
    out->int8_macs = 0;
    if (mq_model_clone(&one, m, NULL) != MQ_OK)
        return;
    for (size_t i = 0; i < one->graph->inputs.n; i++) {
        mq_value *v = one->graph->inputs.items[i];
        const mq_type *t = v->declared;

        if (!v->init && t && t->kind == MQ_TYPE_TENSOR && t->rank > 0 && !mq_dim_known(t->dims[0])) {
            mq_type *fixed = mq_type_create(one, MQ_TYPE_TENSOR, t->dtype, t->rank, t->dims);

            if (fixed)
                fixed->dims[0] = MQ_DIM(1);
            v->declared = fixed ? fixed : v->declared;
        }
    }
    if (mq_infer_model(one, NULL, NULL, NULL) == MQ_OK) {
        out->macs = mq_model_macs(one);
        out->int8_macs = count_int8(one->graph);
    }
    mq_model_free(one);
}

static mq_status tell(void *user)
{
    mq_distill_job *j = user;
    const mq_train_judge *judge = &j->train.judge;
    mq_report *r = j->job.report;
    const char *name = mq_metric_name(judge->metric);
    mq_str note = { 0 };
    mq_status rc = MQ_OK;

    put_metric(j, "teacher", &j->of_teacher, true);
    if (j->opts->control)
        put_metric(j, "control", &j->of_control, false);
    put_metric(j, "student", &j->of_student, false);
    mq_train_report(&j->train, r, "student", &j->loop);
    if (j->opts->control)
        mq_train_report(&j->train, r, "control", &j->control_loop);
    mq_str_addf(&note, "%s of the student %.4f, of the teacher %.4f", name, j->of_student.metric, j->of_teacher.metric);
    if (j->opts->control)
        mq_str_addf(&note, ", of the same student without the teacher %.4f%s", j->of_control.metric,
                    is_better(j, j->of_student.metric, j->of_control.metric) ? "" : ": the teacher did not help");
    if (j->opts->quantize)
        mq_str_addf(&note, ", of the student before it was quantized %.4f", j->in_float);
    if (j->of_student.int8_macs && j->of_student.macs > 0)
        mq_str_addf(&note, "; %.1f%% of its MACs are of 8-bit integers",
                    100 * (double)j->of_student.int8_macs / (double)j->of_student.macs);
    mq_str_addf(&note, " (%llu samples%s%s); best epoch %zu of %zu", (unsigned long long)judge->samples.n,
                judge->held_out ? " held out of the training data" : "", judge->by_teacher ? ", judged by the teacher" : "",
                j->loop.best + 1, j->loop.n_epochs);
    if (!note.failed)
        mq_report_set_mode(r, "distill", note.s);
    mq_report_set_rewrites(r, &(mq_report_graph){ .nodes = j->teacher->graph->n_nodes, .macs = j->of_teacher.macs },
                           &(mq_report_graph){ .nodes = j->job.model->graph->n_nodes, .macs = j->of_student.macs });
    MQ_TRY(note.failed ? mq_oom(j->job.err) : MQ_OK);
    if (!j->opts->dry_run)
        MQ_TRY(bound_metric(j));
    MQ_TRY(mq_judging_cost(j->judging, j->job.model, j->job.err));
    rc = mq_report_status(r, j->job.err);
done:
    mq_str_release(&note);
    return rc;
}

/* What was written gives the figure that is reported, or is not put in place. */
static mq_status prove(void *user, mq_model *written, mq_error *err)
{
    mq_distill_job *j = user;
    double metric = NAN;
    char note[200];
    mq_status rc;

    MQ_TRY(mq_judge_model(&j->train.judge, written, j->job.hooks, &metric, err));
    if (!(fabs(metric - j->of_student.metric) <= 1e-6 * (1 + fabs(metric))))
        return mq_fail(err, MQ_ERR_SYSTEM, "the written model gives %s %.6g, what was trained %.6g (please report this)",
                       mq_metric_name(j->train.judge.metric), metric, j->of_student.metric);
    snprintf(note, sizeof note, "the written model was read and run again: %s %.6g", mq_metric_name(j->train.judge.metric),
             metric);
    mq_report_set_proof(j->job.report, "run", true, note);
    if (j->opts->hash)
        MQ_TRY(mq_prove_speed(&(mq_proven){ .written = written, .original = j->teacher, .source = &j->opts->train_on,
                                            .report = j->job.report, .hooks = j->job.hooks }, err));
done:
    return rc;
}

static mq_job_opts job_opts(const mq_distill_opts *o)
{
    return (mq_job_opts){ .save = o->save, .verify = o->verify, .verify_on = &o->train_on, .min_sqnr = -INFINITY,
                          .expected_sqnr = -INFINITY, .max_size_ratio = o->bounds.limits.max_size_ratio,
                          .max_size = o->bounds.limits.max_size,
                          .strict = o->strict, .dry_run = o->dry_run, .hash = o->hash, .keep_failed = o->keep_failed };
}

/* ---- all ------------------------------------------------------------------------------------------------------------ */

/* NAME.onnx becomes NAME-2.onnx. */
static const char *output_name(mq_arena *a, const char *output, uint64_t number, uint64_t n)
{
    const char *base = strrchr(output, '/'), *dot = strrchr(base ? base : output, '.');

    if (n < 2)
        return output;
    if (!dot)
        dot = output + strlen(output);
    return mq_arena_printf(a, "%.*s-%llu%s", (int)(dot - output), output, (unsigned long long)number + 1, dot);
}

/* Nobody wants to know after hours that the output is in the way. */
static mq_status try_outputs(const mq_distill_job *j, const char *output)
{
    mq_status rc = MQ_OK;

    for (uint64_t i = 0; i < j->opts->n_students && !j->opts->dry_run && strcmp(output, "-") != 0 && rc == MQ_OK; i++) {
        const char *name = output_name(j->teacher->arena, output, i, j->opts->n_students);

        rc = name ? mq_outfile_try(name, j->opts->save.force, j->job.err) : mq_oom(j->job.err);
    }
    return rc;
}

/* The parameters of the best epoch, BatchNormalization folded. */
static mq_status train(mq_distill_job *j, mq_model *m, const mq_train_call *call, mq_loop_result *out)
{
    static const mq_pass *const folds[] = { &mq_pass_fold_batchnorm, NULL };
    const mq_pass_ctx ctx = { .for_file = true };
    mq_status rc;

    MQ_TRY(mq_train_run(&j->train, m, call, out));
    MQ_TRY(mq_passes_run(m, folds, &ctx, j->job.err));
    mq_model_drop_unused(m);
    rc = mq_infer_model(m, NULL, NULL, j->job.err);
done:
    return rc;
}

static mq_status train_control(mq_distill_job *j)
{
    const mq_distill_opts *o = j->opts;
    mq_model *m = NULL;
    mq_derived made;
    mq_status rc;

    if (!o->control)
        return MQ_OK;
    if (!j->train.samples.n_labelled)
        return mq_fail(j->job.err, MQ_ERR_USAGE, "--control trains on labels alone: --labels is not given");
    MQ_TRY(make_student(j, o->train.seed, &m, &made));
    MQ_TRY(train(j, m, &(mq_train_call){ .control = true, .seed = o->train.seed, .name = "control", .label = "control, " },
                 &j->control_loop));
    MQ_TRY(mq_judge_beside(&j->train.judge, m, j->job.hooks, &j->of_control.metric, &j->of_control.half,
                           j->job.err));
    rc = mq_job_end_step(&j->job, "train the control");
done:
    mq_model_free(m);
    return rc;
}

static mq_status judge_student(mq_distill_job *j)
{
    return mq_judge_beside(&j->train.judge, j->job.model, j->job.hooks, &j->of_student.metric, &j->of_student.half,
                           j->job.err);
}

static mq_status train_student(mq_distill_job *j, uint64_t number)
{
    const mq_distill_opts *o = j->opts;
    char name[40] = "student";
    mq_derived made;
    mq_status rc;

    if (o->n_students > 1)
        snprintf(name, sizeof name, "student-%llu", (unsigned long long)number + 1);
    MQ_TRY(make_student(j, o->train.seed + number, &j->job.model, &made));
    if (!o->dry_run)
        MQ_TRY(train(j, j->job.model, &(mq_train_call){ .seed = o->train.seed + number, .name = name, .label = "" },
                     &j->loop));
    MQ_TRY(judge_student(j));
    count_macs(j->job.model, &j->of_student);
    MQ_TRY(mq_job_end_step(&j->job, "train"));
    j->in_float = j->of_student.metric;
    if (o->quantize && !o->dry_run) {
        MQ_TRY(mq_distill_quantize(j));
        count_macs(j->job.model, &j->of_student);
        MQ_TRY(judge_student(j));
        MQ_TRY(mq_job_end_step(&j->job, "quantize"));
    }
    rc = mq_job_finish(&j->job, "write", tell, j);
done:
    return rc;
}

static mq_status train_all(mq_distill_job *j, const char *output)
{
    const uint64_t n = j->opts->n_students;
    mq_status rc = MQ_OK;

    for (uint64_t i = 0; i < n && rc == MQ_OK; i++) {
        j->job.output = output_name(j->teacher->arena, output, i, n);
        if (!j->job.output)
            return mq_oom(j->job.err);
        rc = train_student(j, i);
        mq_loop_result_release(&j->loop);
        mq_model_free(j->job.model);
        j->job.model = NULL;
    }
    return rc;
}

static void close_job(mq_distill_job *j)
{
    mq_train_close(&j->train);
    mq_judging_close(j->judging);
    mq_loop_result_release(&j->loop);
    mq_loop_result_release(&j->control_loop);
    mq_job_close(&j->job);
    mq_model_free(j->teacher);
}

static void plan_training(mq_distill_job *j)
{
    const mq_distill_opts *o = j->opts;

    j->train = (mq_train_job){ .opts = &o->train, .hints = o->hints, .train_on = &o->train_on, .judge_on = &o->judge_on,
                               .val_split = o->val_split, .metric = o->bounds.eval_cmd ? NULL : o->bounds.metric,
                               .metric_output = o->bounds.metric_output, .dry_run = o->dry_run,
                               .n_trainings = (size_t)o->n_students + o->control,
                               .ask = mq_distill_ask, .ask_anyhow = o->teacher_cache || o->soft_labels, .owner = j,
                               .note = o->note, .detail = o->detail, .user = o->user, .hooks = j->job.hooks,
                               .err = j->job.err };
}

mq_status mq_distill_file(const char *teacher, const char *output, const mq_distill_opts *opts, mq_report *report,
                          const mq_hooks *hooks, mq_error *err)
{
    const mq_distill_opts o = opts ? *opts : mq_distill_opts_default();
    mq_distill_job j = { .opts = &o, .job = { .input = teacher, .output = output, .opts = job_opts(&o), .report = report,
                                              .hooks = hooks, .err = err, .since = mq_seconds(), .prove = prove,
                                              .judge = judge_bounds } };
    mq_status rc;

    j.job.user = &j;
    mq_report_set_threads(report, mq_threads(hooks ? hooks->n_threads : 0));
    plan_training(&j);
    MQ_TRY(mq_train_check(&j.train));
    MQ_TRY(mq_job_open(&j.job));
    j.teacher = j.job.model;
    j.job.model = NULL;
    MQ_TRY(try_outputs(&j, output));
    MQ_TRY(mq_train_plain(j.teacher, err));
    count_macs(j.teacher, &j.of_teacher);
    MQ_TRY(open_bounds(&j));
    MQ_TRY(mq_train_open(&j.train, j.teacher));
    MQ_TRY(mq_job_end_step(&j.job, "load and check"));
    MQ_TRY(mq_train_read(&j.train));
    j.of_teacher.metric = j.train.teacher_metric;
    MQ_TRY(mq_job_end_step(&j.job, "ask the teacher"));
    MQ_TRY(train_control(&j));
    rc = train_all(&j, output);
done:
    close_job(&j);
    return rc;
}
