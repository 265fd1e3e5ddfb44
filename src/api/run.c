/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* mq_run: a model on data, its outputs told one by one and saved. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/running.h"
#include "report/report.h"

typedef struct job {
    const mq_run_opts *opts;
    const mq_hooks *hooks;
    mq_running run;
    mq_dataset *data;
    mq_results *results;
    mq_run_summary sum;
    char (*types)[128];    /* of the outputs in the first run */
    const char **sources;  /* of the samples of a call, in `texts` */
    char *texts;
    size_t n_sources;
} job;

enum { SOURCE_SIZE = 512 };

/* The tensors wanted: outputs (the model's, or those named), then what the patterns match and is not among them. */
static mq_status choose_outputs(mq_model *m, const mq_run_opts *o, const char ***names, size_t *n, mq_error *err)
{
    const mq_graph *g = m->graph;
    const char **list, **more = NULL;
    size_t n_more = 0;
    mq_status rc;

    if (o->n_tensors && (rc = mq_match_tensors(m, "--tensors", o->tensors, o->n_tensors, &more, &n_more, err)) != MQ_OK)
        return rc;
    if (!(list = mq_arena_calloc(m->arena, g->outputs.n + o->n_outputs + n_more + 1, sizeof *list)))
        return mq_oom(err);
    *n = 0;
    for (size_t i = 0; i < (o->outputs ? o->n_outputs : g->outputs.n); i++)
        list[(*n)++] = o->outputs ? o->outputs[i] : g->outputs.items[i]->name;
    for (size_t i = 0; i < n_more; i++) {
        bool there = false;

        for (size_t k = 0; k < *n && !there; k++)
            there = strcmp(list[k], more[i]) == 0;
        if (!there)
            list[(*n)++] = more[i];
    }
    *names = list;
    return MQ_OK;
}

/* What would fail at the end fails at the beginning: the run may take hours. */
static mq_status check_target(const mq_run_opts *o, mq_error *err)
{
    const char *slash;
    char dir[4096];

    if (!o->save)
        return MQ_OK;
    if (!mq_results_form(o->save))
        return mq_fail(err, MQ_ERR_USAGE, "'%s': outputs are saved as .npz, .npy or .pb", o->save);
    if (!o->force && access(o->save, F_OK) == 0)
        return mq_fail(err, MQ_ERR_USAGE, "output '%s' exists (-f replaces it)", o->save);
    slash = strrchr(o->save, '/');
    snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - o->save + 1) : 1, slash ? o->save : ".");
    if (access(dir, W_OK) != 0)
        return mq_fail_errno(err, MQ_ERR_SYSTEM, "write", o->save);
    return MQ_OK;
}

/* Where the samples of a call come from. */
static mq_status name_sources(job *j, const mq_data_call *call, mq_error *err)
{
    if (call->n > j->n_sources) {
        free(j->sources);
        free(j->texts);
        j->sources = calloc(call->n, sizeof *j->sources);
        j->texts = calloc(call->n, SOURCE_SIZE);
        j->n_sources = j->sources && j->texts ? call->n : 0;
        if (!j->n_sources)
            return mq_oom(err);
    }
    for (size_t i = 0; i < call->n; i++) {
        j->sources[i] = j->texts + i * SOURCE_SIZE;
        j->texts[i * SOURCE_SIZE] = '\0';
        if (!mq_dataset_generated(j->data))
            mq_dataset_sample_text(j->data, call->samples[i], j->texts + i * SOURCE_SIZE, SOURCE_SIZE);
    }
    return MQ_OK;
}

static void tell_result(const job *j, size_t i, const mq_data_call *call)
{
    const mq_array *a = j->run.out[i];
    char text[256];
    mq_run_result r = { .name = j->run.outputs[i]->name, .n_samples = call->n, .samples = call->samples,
                        .sources = j->sources, .text = text };

    if (!j->opts->result || !a)
        return;
    mq_array_text(a, text, sizeof text);
    r.is_tensor = a->kind == MQ_TYPE_TENSOR;
    if (r.is_tensor) {
        r.view = (mq_view){ .type = (int)a->dtype, .rank = a->rank, .data = a->data, .n_bytes = mq_array_bytes(a) };
        memcpy(r.view.dims, a->dims, (size_t)a->rank * sizeof *a->dims);
        r.batched = call->rows && a->rank && a->dims[0] == (int64_t)call->rows;
    }
    j->opts->result(j->opts->user, &r);
}

static mq_status run_call(job *j, const mq_data_call *call, mq_error *err)
{
    const double start = mq_seconds();
    mq_status rc;

    MQ_TRY(mq_running_run(&j->run, call->in, err));
    j->sum.seconds += mq_seconds() - start;
    if (j->sum.n_runs++ == 0)
        mq_source_look(j->data, j->run.inputs, j->run.n_in, j->opts->detail, j->opts->user);
    if (j->opts->result)
        MQ_TRY(name_sources(j, call, err));
    j->sum.n_samples += call->n ? call->n : 1;
    if (mq_runner_peak(j->run.runner) > j->sum.peak_bytes)
        j->sum.peak_bytes = mq_runner_peak(j->run.runner);
    for (size_t i = 0; i < j->run.n_out; i++) {
        if (j->sum.n_runs == 1 && j->run.out[i])
            mq_array_text(j->run.out[i], j->types[i], sizeof j->types[i]);
        tell_result(j, i, call);
        if (j->results && j->run.out[i])
            MQ_TRY(mq_results_add(j->results, i, j->run.out[i], call, err));
    }
    if (j->opts->source.n_carry)
        MQ_TRY(mq_dataset_carry(j->data, j->run.out, err));
    mq_progress(j->hooks, "run", j->sum.n_samples, mq_dataset_n_samples(j->data));
    rc = mq_check_cancelled(j->hooks, err);
done:
    return rc;
}

static void report_arrays(mq_report *report, const job *j, json_t *section)
{
    json_t *list = mq_report_array(report, section, "inputs"), *e;

    for (size_t i = 0; i < j->run.n_in; i++) {
        const mq_input_look *look = mq_dataset_look(j->data, i);

        if (!look->seen)
            continue;
        e = mq_report_append(report, list);
        mq_report_put_text(report, e, "name", j->run.inputs[i]->name);
        mq_report_put_text(report, e, "type", look->text);
        mq_report_put_real(report, e, "min", look->min);
        mq_report_put_real(report, e, "max", look->max);
    }
    list = mq_report_array(report, section, "outputs");
    for (size_t i = 0; i < j->run.n_out; i++) {
        if (!*j->types[i])
            continue;
        e = mq_report_append(report, list);
        mq_report_put_text(report, e, "name", j->run.outputs[i]->name);
        mq_report_put_text(report, e, "type", j->types[i]);
    }
}

static mq_status fill_report(mq_report *report, const mq_model *m, const job *j, mq_error *err)
{
    json_t *s = mq_report_section(report, "run");
    struct stat st;

    mq_report_put_int(report, s, "samples", (int64_t)j->sum.n_samples);
    mq_report_put_int(report, s, "runs", (int64_t)j->sum.n_runs);
    mq_report_put_bool(report, s, "generated_data", mq_dataset_generated(j->data));
    mq_report_put_int(report, s, "not_finite_samples", (int64_t)j->sum.nonfinite);
    mq_report_put_int(report, s, "skipped_samples", (int64_t)j->sum.skipped);
    report_arrays(report, j, s);
    mq_report_add_file(report, "input", m->path ? m->path : "-", m->file_bytes, NULL);
    if (j->opts->save && stat(j->opts->save, &st) == 0)
        mq_report_add_file(report, "output", j->opts->save, (uint64_t)st.st_size, NULL);
    return report ? mq_report_add_step(report, "run", j->sum.seconds, err) : MQ_OK;
}

static mq_status run_all(job *j, mq_error *err)
{
    const mq_data_call *call;
    mq_status rc;

    for (;;) {
        MQ_TRY(mq_dataset_next(j->data, &call, err));
        if (!call)
            break;
        MQ_TRY(run_call(j, call, err));
    }
    j->sum.nonfinite = mq_dataset_counts(j->data)->nonfinite;
    j->sum.skipped = mq_dataset_counts(j->data)->skipped;
    mq_source_warn(&j->opts->source, j->data, j->hooks);
done:
    return rc;
}

mq_status mq_run(mq_model *model, const mq_run_opts *opts, mq_report *report, const mq_hooks *hooks, mq_run_summary *summary,
                 mq_error *err)
{
    job j = { .opts = opts, .hooks = hooks };
    mq_plan_opts plan = { .inputs = opts->inputs, .n_inputs = opts->n_inputs };
    const char **names = NULL;
    mq_status rc;

    if (!model->graph)
        return mq_fail(err, MQ_ERR_INPUT, "the model has no graph");
    MQ_TRY(check_target(opts, err));
    MQ_TRY(mq_source_declare(&opts->source, model, err));
    MQ_TRY(mq_need_tensors(model, "--inputs", opts->inputs, opts->inputs ? opts->n_inputs : 0, err));
    MQ_TRY(mq_need_tensors(model, "--outputs", opts->outputs, opts->outputs ? opts->n_outputs : 0, err));
    MQ_TRY(choose_outputs(model, opts, &names, &plan.n_outputs, err));
    plan.outputs = names;
    MQ_TRY(mq_running_open(&j.run, model, &plan, hooks, err));
    mq_runner_seed(j.run.runner, opts->source.seed);
    MQ_TRY(mq_source_open(&j.data, &opts->source, j.run.inputs, j.run.n_in, j.run.outputs, j.run.n_out, hooks, err));
    mq_source_tell(&opts->source, j.data, opts->note, opts->user);
    if (!(j.types = calloc(j.run.n_out + 1, sizeof *j.types)))
        MQ_TRY(mq_oom(err));
    if (opts->save)
        MQ_TRY(mq_results_create(&j.results, names, plan.n_outputs, err));
    MQ_TRY(run_all(&j, err));
    if (opts->save) {
        MQ_TRY(mq_results_save(j.results, opts->save, opts->force, opts->sync, err));
        mq_note_file(hooks, opts->save, true);
    }
    MQ_TRY(fill_report(report, model, &j, err));
    if (summary)
        *summary = j.sum;
    rc = mq_report_status(report, err);
done:
    mq_results_free(j.results);
    mq_dataset_free(j.data);
    mq_running_close(&j.run);
    free(j.types);
    free(j.sources);
    free(j.texts);
    return rc;
}
