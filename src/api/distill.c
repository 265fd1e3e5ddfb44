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
#include "base/random.h"
#include "base/str.h"
#include "base/threads.h"
#include "distill/derive.h"
#include "graph/clone.h"
#include "ops/ops.h"
#include "passes/pass.h"
#include "report/report.h"

extern const mq_pass mq_pass_close_inputs;

mq_distill_opts mq_distill_opts_default(void)
{
    return (mq_distill_opts){
        .train = { .epochs = 30, .batch = 64, .early_stop = 5, .optimizer = "adam", .lr = 1e-3, .momentum = 0.9,
                   .lr_schedule = "cosine", .temperature = 4, .alpha = 0.9 },
        .width = 0.5, .depth = 1, .n_students = 1, .val_split = 0.1, .max_drop = NAN, .min_metric = NAN,
        .save = mq_save_opts_default(),
    };
}

/* ---- the teacher ---------------------------------------------------------------------------------------------------- */

/* Weights are constants, calls are nodes, types are known. */
static mq_status make_plain(mq_model *m, mq_error *err)
{
    const mq_pass_ctx none = { 0 };
    size_t n = 0;
    mq_status rc;

    MQ_TRY(mq_pass_close_inputs.run(m->graph, &none, &n, err));
    MQ_TRY(mq_model_inline_functions(m, &n, err));
    MQ_TRY(mq_graph_sort(m->graph, &n, err));
    MQ_TRY(mq_infer_model(m, NULL, NULL, err));
done:
    return rc;
}

/* The teacher runs up to what its Softmax reads, and to the tensors of hints. */
static mq_status open_teacher(mq_distill_job *j)
{
    const mq_graph *g = j->teacher->graph;
    const size_t n = g->outputs.n, n_hints = j->opts->hints.n;
    const char **names = mq_arena_calloc(j->teacher->arena, n + n_hints + 1, sizeof *names);
    mq_status rc = MQ_OK;

    if (!names)
        return mq_oom(j->job.err);
    for (size_t i = 0; i < n; i++) {
        mq_value *logits;
        const bool probability = mq_loss_logits(g->outputs.items[i], &logits, NULL);

        names[i] = logits->name;
        if (i == 0)
            j->classes = probability;
    }
    for (size_t i = 0; i < n_hints; i++) {
        const char *hint = j->opts->hints.items[i], *end = strrchr(hint, '=');

        if (!end || end == hint || !end[1])
            return mq_fail(j->job.err, MQ_ERR_USAGE, "--hint takes TEACHER=STUDENT, not '%s'", hint);
        names[n + i] = mq_arena_printf(j->teacher->arena, "%.*s", (int)(end - hint), hint);
        if (!names[n + i])
            return mq_oom(j->job.err);
        MQ_TRY(mq_need_tensors(j->teacher, "--hint", &names[n + i], 1, j->job.err));
    }
    j->n_scores = n;
    rc = mq_running_open(&j->run, j->teacher, &(mq_plan_opts){ .outputs = names, .n_outputs = n + n_hints }, j->job.hooks,
                         j->job.err);
done:
    return rc;
}

/* ---- data ----------------------------------------------------------------------------------------------------------- */

/* Labels as losses and metrics want them: no axis of one number, no ones among zeros. */
static mq_status plain_labels(mq_samples *s, const mq_array *scores, mq_error *err)
{
    mq_array *classes = NULL;
    mq_status rc;

    if (!s->labels)
        return MQ_OK;
    if ((rc = mq_metrics_one_hot(&classes, scores, s->labels, err)) != MQ_OK)
        return rc;
    if (classes) {
        mq_array_unref(s->labels);
        s->labels = classes;
    }
    if (s->labels->dtype == MQ_INT64 && s->labels->rank == scores->rank && s->labels->rank > 1 &&
        s->labels->dims[s->labels->rank - 1] == 1)
        s->labels->rank--;
    return MQ_OK;
}

/* Classes lie below what the model tells apart. */
static mq_status check_labels(const mq_samples *s, const mq_array *scores, const char *option, mq_error *err)
{
    const int axis = scores->rank == 4 || scores->rank == 5 ? 1 : scores->rank - 1;
    const int64_t n = scores->rank > 1 ? scores->dims[axis] : 1;

    if (!s->labels || s->labels->dtype != MQ_INT64)
        return MQ_OK;
    if (s->labels->rank != scores->rank - 1)
        return mq_fail(err, MQ_ERR_INPUT, "%s: labels of rank %d do not fit scores of rank %d", option, s->labels->rank,
                       scores->rank);
    for (size_t i = 0; i < s->labels->count; i++) {
        const int64_t label = ((const int64_t *)s->labels->data)[i];

        if (label >= n)
            return mq_fail(err, MQ_ERR_INPUT, "%s: label %lld of sample %zu is out of range: the model has %lld classes",
                           option, (long long)label, i / (s->labels->count / (size_t)s->n), (long long)n);
    }
    return MQ_OK;
}

/* A share of the samples is held out: they are drawn by the seed. What the teacher says of the others stays with them. */
static mq_status hold_out(mq_distill_job *j)
{
    mq_samples all = j->samples;
    const uint64_t n = all.n, held = (uint64_t)llround(j->opts->val_split * (double)n);
    uint64_t *order = malloc((n + 1) * sizeof *order), state = mq_random_at(j->opts->train.seed, UINT64_MAX);
    mq_status rc = MQ_OK;

    if (!order)
        return mq_oom(j->job.err);
    j->samples = (mq_samples){ .n = 0 };
    for (uint64_t i = 0; i < n; i++)
        order[i] = i;
    for (uint64_t i = n; i > 1; i--) {
        const uint64_t k = mq_random_below(&state, i), at = order[k];

        order[k] = order[i - 1];
        order[i - 1] = at;
    }
    for (size_t i = 0; j->taught && i < j->run.n_out && rc == MQ_OK; i++) {
        mq_array *part = NULL;

        if (held < n && (rc = mq_array_rows(&part, j->taught[i], order + held, n - held, j->job.err)) == MQ_OK) {
            mq_array_unref(j->taught[i]);
            j->taught[i] = part;
        }
    }
    if (rc == MQ_OK && (!held || held >= n))
        MQ_TRY(mq_fail(j->job.err, MQ_ERR_USAGE, "--val-split %g of %llu samples leaves nothing to judge or to train on",
                       j->opts->val_split, (unsigned long long)n));
    MQ_TRY(mq_samples_take(&j->judge.samples, &all, order, held, j->job.err));
    MQ_TRY(mq_samples_take(&j->samples, &all, order + held, n - held, j->job.err));
    j->judge.held_out = true;
done:
    free(order);
    mq_samples_release(&all);
    return rc;
}

static void forget(mq_distill_job *j)
{
    for (size_t i = 0; j->taught && i < j->run.n_out; i++)
        mq_array_unref(j->taught[i]);
    free(j->taught);
    j->taught = NULL;
}

/* The teacher's outputs are known beforehand, unless each step will have other images. */
static mq_status ask(mq_distill_job *j)
{
    const mq_distill_opts *o = j->opts;

    if (o->dry_run || (mq_augment_any(&j->augment) && !o->teacher_cache && !o->soft_labels))
        return MQ_OK;
    if (!(j->taught = calloc(j->run.n_out + 1, sizeof *j->taught)))
        return mq_oom(j->job.err);
    return mq_distill_ask(j, j->taught);
}

static mq_status read_data(mq_distill_job *j)
{
    const mq_distill_opts *o = j->opts;
    mq_status rc;

    if (!o->train_on.n_data)
        return mq_fail(j->job.err, MQ_ERR_USAGE, "--data is what the student learns from: it has to be given");
    MQ_TRY(mq_samples_read(&j->samples, &o->train_on, &j->run, j->job.hooks, o->note, o->user, j->job.err));
    MQ_TRY(ask(j));
    if (o->judge_on.n_data)
        MQ_TRY(mq_samples_read(&j->judge.samples, &o->judge_on, &j->run, j->job.hooks, o->note, o->user, j->job.err));
    else
        MQ_TRY(hold_out(j));
    if (mq_augment_any(&j->augment))
        forget(j);
done:
    return rc;
}

/* What models are judged by, and how the teacher does. */
static mq_status settle(mq_distill_job *j)
{
    mq_array **out = calloc(j->run.n_out + 1, sizeof *out);
    mq_error *err = j->job.err;
    mq_status rc = MQ_OK;

    if (!out)
        return mq_oom(err);
    MQ_TRY(mq_samples_run(out, &j->run, &j->judge.samples, j->job.hooks, err));
    MQ_TRY(plain_labels(&j->samples, out[0], err));
    MQ_TRY(plain_labels(&j->judge.samples, out[0], err));
    if (j->samples.labels)
        j->classes = j->samples.labels->dtype == MQ_INT64;
    MQ_TRY(check_labels(&j->samples, out[0], "--labels", err));
    MQ_TRY(check_labels(&j->judge.samples, out[0], j->judge.held_out ? "--labels" : "--val-labels", err));
    if (j->judge.samples.labels && (j->judge.samples.labels->dtype == MQ_INT64) != j->classes)
        MQ_TRY(mq_fail(err, MQ_ERR_INPUT, "labels to train on and labels to judge by are of different kinds"));
    MQ_TRY(mq_judge_settle(&j->judge, out[0], j->classes, j->opts->metric, err));
    rc = mq_judge_model(&j->judge, j->teacher, j->job.hooks, &j->of_teacher.metric, err);
done:
    for (size_t i = 0; i < j->run.n_out; i++)
        mq_array_unref(out[i]);
    free(out);
    return rc;
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
        if (at == j->run.n_in)
            return mq_fail(err, MQ_ERR_INPUT, "the student's input '%s' is none of the teacher's", v->name);
        rc = check_ends(v, j->run.inputs[at++], "input", err);
    }
    if (rc == MQ_OK && at != j->run.n_in)
        rc = mq_fail(err, MQ_ERR_INPUT, "the student has %zu inputs, the teacher %zu", at, j->run.n_in);
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
        MQ_TRY(make_plain(m, j->job.err));
        MQ_TRY(check_student(j, m));
        if (o->random_init)
            MQ_TRY(mq_weights_draw(m, seed, j->job.err));
    } else {
        MQ_TRY(mq_model_clone(&m, j->teacher, j->job.err));
        MQ_TRY(mq_infer_model(m, NULL, NULL, j->job.err));
        MQ_TRY(mq_student_derive(m, &derive, made, j->job.err));
        if (!o->dry_run)
            MQ_TRY(mq_samples_normalize(m, &j->samples, o->random_init, j->job.hooks, j->job.err));
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

/* How much worse than the teacher: points for metrics between 0 and 1, else relative to the teacher's. */
static double drop_of(const mq_distill_job *j, double got)
{
    const double was = j->of_teacher.metric;
    const double worse = mq_metric_lower_is_better(j->judge.metric) ? got - was : was - got;

    return (got > 1 || was > 1 || got < 0 || was < 0) && was != 0 ? worse / fabs(was) : worse;
}

static void put_metric(mq_distill_job *j, const char *model, const mq_distill_figure *f, bool first)
{
    mq_report *r = j->job.report;
    json_t *m = mq_report_append(r, mq_report_section(r, "metrics")), *v;

    mq_report_put_text(r, m, "model", model);
    mq_report_put_text(r, m, "output", j->teacher->graph->outputs.items[0]->name);
    mq_report_put_int(r, m, "samples", (int64_t)j->judge.samples.n);
    v = mq_report_append(r, mq_report_array(r, m, "values"));
    mq_report_put_text(r, v, "name", mq_metric_name(j->judge.metric));
    mq_report_put_real(r, v, "value", f->metric);
    mq_report_put_bool(r, v, "main", true);
    mq_report_put_bool(r, v, "lower_is_better", mq_metric_lower_is_better(j->judge.metric));
    if (!first)
        mq_report_put_real(r, mq_report_object(r, v, "drop"), "value", drop_of(j, f->metric));
}

/* The curves. */
static void put_training(mq_distill_job *j, const char *model, const mq_loop_result *l)
{
    mq_report *r = j->job.report;
    json_t *t = mq_report_append(r, mq_report_section(r, "training")), *list;

    mq_report_put_text(r, t, "model", model);
    mq_report_put_text(r, t, "metric", mq_metric_name(j->judge.metric));
    mq_report_put_int(r, t, "best", (int64_t)l->best + 1);
    mq_report_put_int(r, t, "steps", (int64_t)l->steps);
    list = mq_report_array(r, t, "epochs");
    for (size_t i = 0; i < l->n_epochs; i++) {
        json_t *e = mq_report_append(r, list);

        mq_report_put_int(r, e, "epoch", (int64_t)i + 1);
        mq_report_put_real(r, e, "loss", l->epochs[i].loss);
        mq_report_put_real(r, e, "metric", l->epochs[i].metric);
        mq_report_put_real(r, e, "rate", l->epochs[i].lr);
    }
}

static bool is_better(const mq_distill_job *j, double a, double b)
{
    return mq_metric_lower_is_better(j->judge.metric) ? a < b : a > b;
}

static mq_status bound(mq_distill_job *j, const char *name, const char *asked_form, double asked, const char *got_form,
                       double got, bool pass)
{
    char want[80], have[80];

    snprintf(want, sizeof want, asked_form, asked);
    snprintf(have, sizeof have, got_form, got);
    return mq_report_add_bound(j->job.report, name, want, have, pass, j->job.err);
}

static mq_status judge_bounds(mq_distill_job *j)
{
    const mq_distill_opts *o = j->opts;
    const double got = j->of_student.metric;
    const double macs = (double)j->of_student.macs, macs_was = (double)j->of_teacher.macs;
    const bool lower = mq_metric_lower_is_better(j->judge.metric);
    const double worse = drop_of(j, got);
    mq_status rc = MQ_OK;

    if (!isnan(o->max_drop))
        MQ_TRY(bound(j, "max-drop", "<= %g%%", o->max_drop * 100, "%.3g%%", worse * 100, worse <= o->max_drop + 1e-12));
    if (!isnan(o->min_metric))
        MQ_TRY(bound(j, "min-metric", lower ? "<= %g" : ">= %g", o->min_metric, "%.6g", got,
                     lower ? got <= o->min_metric : got >= o->min_metric));
    if (o->max_macs > 0)
        MQ_TRY(bound(j, "max-macs", "<= %g", o->max_macs, "%g", macs, macs >= 0 && macs <= o->max_macs));
    if (o->max_macs_ratio > 0)
        MQ_TRY(bound(j, "max-macs", "<= %g%%", o->max_macs_ratio * 100, "%.1f%%", 100 * macs / macs_was,
                     macs >= 0 && macs_was > 0 && macs <= o->max_macs_ratio * macs_was));
done:
    return rc;
}

/* Of one sample. */
static int64_t count_macs(mq_model *m)
{
    mq_model *one = NULL;
    int64_t macs = -1;

    if (mq_model_clone(&one, m, NULL) != MQ_OK)
        return -1;
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
    if (mq_infer_model(one, NULL, NULL, NULL) == MQ_OK)
        macs = mq_model_macs(one);
    mq_model_free(one);
    return macs;
}

static mq_status tell(void *user)
{
    mq_distill_job *j = user;
    const mq_distill_judge *judge = &j->judge;
    mq_report *r = j->job.report;
    const char *name = mq_metric_name(judge->metric);
    mq_str note = { 0 };

    put_metric(j, "teacher", &j->of_teacher, true);
    if (j->opts->control)
        put_metric(j, "control", &j->of_control, false);
    put_metric(j, "student", &j->of_student, false);
    put_training(j, "student", &j->loop);
    if (j->opts->control)
        put_training(j, "control", &j->control_loop);
    mq_str_addf(&note, "%s of the student %.4f, of the teacher %.4f", name, j->of_student.metric, j->of_teacher.metric);
    if (j->opts->control)
        mq_str_addf(&note, ", of the same student without the teacher %.4f%s", j->of_control.metric,
                    is_better(j, j->of_student.metric, j->of_control.metric) ? "" : ": the teacher did not help");
    if (j->opts->quantize)
        mq_str_addf(&note, ", of the student before it was quantized %.4f", j->in_float);
    mq_str_addf(&note, " (%llu samples%s%s); best epoch %zu of %zu", (unsigned long long)judge->samples.n,
                judge->held_out ? " held out of the training data" : "", judge->by_teacher ? ", judged by the teacher" : "",
                j->loop.best + 1, j->loop.n_epochs);
    if (!note.failed)
        mq_report_set_mode(r, "distill", note.s);
    mq_report_set_rewrites(r, &(mq_report_graph){ .nodes = j->teacher->graph->n_nodes, .macs = j->of_teacher.macs },
                           &(mq_report_graph){ .nodes = j->job.model->graph->n_nodes, .macs = j->of_student.macs });
    mq_str_release(&note);
    return note.failed ? mq_oom(j->job.err) : mq_report_status(r, j->job.err);
}

/* What was written gives the figure that is reported, or is not put in place. */
static mq_status prove(void *user, mq_model *written, mq_error *err)
{
    mq_distill_job *j = user;
    double metric = NAN;
    char note[200];
    mq_status rc;

    MQ_TRY(mq_judge_model(&j->judge, written, j->job.hooks, &metric, err));
    if (!(fabs(metric - j->of_student.metric) <= 1e-6 * (1 + fabs(metric))))
        return mq_fail(err, MQ_ERR_SYSTEM, "the written model gives %s %.6g, what was trained %.6g (please report this)",
                       mq_metric_name(j->judge.metric), metric, j->of_student.metric);
    snprintf(note, sizeof note, "the written model was read and run again: %s %.6g", mq_metric_name(j->judge.metric),
             metric);
    mq_report_set_proof(j->job.report, "run", true, note);
    if (j->opts->hash)
        MQ_TRY(mq_prove_speed(&(mq_proven){ .written = written, .original = j->teacher, .source = &j->opts->train_on,
                                            .report = j->job.report, .hooks = j->job.hooks }, err));
    rc = judge_bounds(j);
done:
    return rc;
}

static mq_job_opts job_opts(const mq_distill_opts *o)
{
    return (mq_job_opts){ .save = o->save, .verify = o->verify, .verify_on = &o->train_on, .min_sqnr = -INFINITY,
                          .expected_sqnr = -INFINITY, .max_size_ratio = o->max_size_ratio, .max_size = o->max_size,
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

static mq_status check_opts(mq_distill_job *j)
{
    const mq_train_opts *t = &j->opts->train;
    static const char *const losses[] = { "kd", "ce", "mse", "cosine" };
    mq_error *err = j->job.err;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < t->losses.n; i++) {
        size_t k = 0;

        while (k < 4 && strcmp(losses[k], t->losses.items[i]) != 0)
            k++;
        if (k == 4)
            return mq_fail(err, MQ_ERR_USAGE, "--loss is kd, ce, mse or cosine, not '%s'", t->losses.items[i]);
    }
    for (size_t i = 0; i < t->augment.n; i++) {
        mq_augment one;

        MQ_TRY(mq_augment_parse(&one, t->augment.items[i], err));
        j->augment.flip |= one.flip;
        j->augment.crop = one.crop ? one.crop : j->augment.crop;
    }
    if (!(t->alpha >= 0 && t->alpha <= 1))
        return mq_fail(err, MQ_ERR_USAGE, "--alpha is from 0 to 1, not %g", t->alpha);
    if (t->resume && !t->checkpoint)
        return mq_fail(err, MQ_ERR_USAGE, "--resume goes on from --checkpoint DIR, which is not given");
    if (!(t->temperature > 0))
        rc = mq_fail(err, MQ_ERR_USAGE, "--temperature is more than 0, not %g", t->temperature);
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
    if (!j->samples.n_labelled)
        return mq_fail(j->job.err, MQ_ERR_USAGE, "--control trains on labels alone: --labels is not given");
    MQ_TRY(make_student(j, o->train.seed, &m, &made));
    MQ_TRY(mq_distill_train(j, m, true, o->train.seed, "control", &j->control_loop));
    MQ_TRY(mq_judge_model(&j->judge, m, j->job.hooks, &j->of_control.metric, j->job.err));
    rc = mq_job_end_step(&j->job, "train the control");
done:
    mq_model_free(m);
    return rc;
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
        MQ_TRY(mq_distill_train(j, j->job.model, false, o->train.seed + number, name, &j->loop));
    MQ_TRY(mq_judge_model(&j->judge, j->job.model, j->job.hooks, &j->of_student.metric, j->job.err));
    j->of_student.macs = count_macs(j->job.model);
    MQ_TRY(mq_job_end_step(&j->job, "train"));
    j->in_float = j->of_student.metric;
    if (o->quantize && !o->dry_run) {
        MQ_TRY(mq_distill_quantize(j));
        MQ_TRY(mq_judge_model(&j->judge, j->job.model, j->job.hooks, &j->of_student.metric, j->job.err));
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
    mq_samples_release(&j->samples);
    mq_judge_release(&j->judge);
    forget(j);
    mq_running_close(&j->run);
    mq_loop_result_release(&j->loop);
    mq_loop_result_release(&j->control_loop);
    mq_job_close(&j->job);
    mq_model_free(j->teacher);
}

mq_status mq_distill_file(const char *teacher, const char *output, const mq_distill_opts *opts, mq_report *report,
                          const mq_hooks *hooks, mq_error *err)
{
    const mq_distill_opts o = opts ? *opts : mq_distill_opts_default();
    mq_distill_job j = { .opts = &o, .job = { .input = teacher, .output = output, .opts = job_opts(&o), .report = report,
                                              .hooks = hooks, .err = err, .since = mq_seconds(), .prove = prove } };
    mq_status rc;

    j.job.user = &j;
    mq_report_set_threads(report, mq_threads(hooks ? hooks->n_threads : 0));
    MQ_TRY(check_opts(&j));
    MQ_TRY(mq_job_open(&j.job));
    j.teacher = j.job.model;
    j.job.model = NULL;
    MQ_TRY(try_outputs(&j, output));
    MQ_TRY(make_plain(j.teacher, err));
    j.of_teacher.macs = count_macs(j.teacher);
    MQ_TRY(open_teacher(&j));
    MQ_TRY(mq_job_end_step(&j.job, "load and check"));
    MQ_TRY(read_data(&j));
    MQ_TRY(settle(&j));
    MQ_TRY(mq_job_end_step(&j.job, "ask the teacher"));
    MQ_TRY(train_control(&j));
    rc = train_all(&j, output);
done:
    close_job(&j);
    return rc;
}
