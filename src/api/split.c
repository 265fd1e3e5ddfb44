/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* `mq split` from a file to files: plan, write every part beside its place, read all back, join them and run the joined
 * model against the input, and only then put them in place. Where to cut is decided in src/convert/split.c. */
#include "mq/split.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/inspect_parts.h"
#include "api/job.h"
#include "api/prove.h"
#include "api/running.h"
#include "base/file.h"
#include "base/str.h"
#include "base/threads.h"
#include "convert/split.h"
#include "graph/clone.h"
#include "graph/cut.h"
#include "model/parts.h"
#include "mq/check.h"
#include "ops/ops.h"
#include "report/report.h"

#define SAME_PRECISION 80 /* dB: a cut may keep two operators from being computed as one */
#define TRIES 8           /* at a bound on sizes: the plan only estimates the structure */

mq_split_opts mq_split_opts_default(void)
{
    return (mq_split_opts){ .n_parts = 2, .save = mq_save_opts_default() };
}

typedef struct part_file {
    mq_model *model; /* a copy, cut */
    char *path;
    mq_saving *saving;
    mq_saved size;
    int64_t macs;
} part_file;

typedef struct split_job {
    mq_job job;
    const mq_split_opts *opts;
    mq_value **at;
    mq_split_part *plan;
    part_file *parts;
    size_t n;
    char *list_path;
} split_job;

/* ---- names ---------------------------------------------------------------------------------------------------------- */

/* "folder/model" of "models/model.onnx.gz". */
static mq_status stem_of(const split_job *j, mq_str *stem)
{
    const char *slash = strrchr(j->job.input, '/'), *name = slash ? slash + 1 : j->job.input;
    size_t n = strlen(name);
    const char *const ends[] = { ".gz", ".onnx", ".parts.json" };

    if (strcmp(name, "-") == 0) {
        name = "model";
        n = strlen(name);
    }
    for (size_t i = 0; i < MQ_ARRAY_LEN(ends); i++)
        if (n > strlen(ends[i]) && strncmp(name + n - strlen(ends[i]), ends[i], strlen(ends[i])) == 0)
            n -= strlen(ends[i]);
    mq_str_add(stem, j->job.output);
    if (stem->n && stem->s[stem->n - 1] != '/')
        mq_str_add(stem, "/");
    mq_str_addf(stem, "%.*s", (int)n, name);
    return stem->failed ? mq_oom(j->job.err) : MQ_OK;
}

static mq_status name_files(split_job *j)
{
    mq_arena *arena = j->job.model->arena;
    mq_str stem = { 0 };
    mq_status rc = stem_of(j, &stem);

    for (size_t i = 0; i < j->n && rc == MQ_OK; i++)
        if (!(j->parts[i].path = mq_arena_printf(arena, "%s.%zuof%zu.onnx", stem.s, i + 1, j->n)))
            rc = mq_oom(j->job.err);
    if (rc == MQ_OK && !(j->list_path = mq_arena_printf(arena, "%s.parts.json", stem.s)))
        rc = mq_oom(j->job.err);
    mq_str_release(&stem);
    return rc;
}

/* ---- parts ---------------------------------------------------------------------------------------------------------- */

static void drop_parts(split_job *j)
{
    for (size_t i = 0; i < j->n; i++) {
        mq_saving_abort(j->parts[i].saving);
        mq_model_free(j->parts[i].model);
    }
    free(j->parts);
    j->parts = NULL;
    j->n = 0;
}

/* The copy's values of those names. */
static mq_status values_of(const mq_model *m, const mq_value_vec *names, mq_value ***out, mq_error *err)
{
    mq_value **v = mq_arena_calloc(m->arena, names->n, sizeof *v);

    if (!v && names->n)
        return mq_oom(err);
    for (size_t i = 0; i < names->n; i++)
        v[i] = mq_graph_find_here(m->graph, names->items[i]->name);
    *out = v;
    return MQ_OK;
}

static mq_status make_part(const split_job *j, const mq_split_part *p, part_file *f)
{
    mq_value **inputs = NULL, **outputs = NULL;
    mq_error *err = j->job.err;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_model_clone(&f->model, j->job.model, err));
    f->model->origin = j->job.model->origin; /* what the file says of itself comes along */
    MQ_TRY(mq_infer_model(f->model, NULL, NULL, err));
    MQ_TRY(values_of(f->model, &p->inputs, &inputs, err));
    MQ_TRY(values_of(f->model, &p->outputs, &outputs, err));
    MQ_TRY(mq_model_cut(f->model, inputs, p->inputs.n, outputs, p->outputs.n, false, err));
    f->macs = mq_model_macs(f->model);
done:
    return rc;
}

static mq_status plan_parts(split_job *j, uint64_t max_bytes)
{
    const mq_split_plan_opts o = { .n_parts = j->opts->n_parts, .max_bytes = max_bytes, .at = j->at, .n_at = j->opts->at.n,
                                   .macs = j->opts->by_macs ? mq_node_macs : NULL };
    size_t n = 0;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_split_plan(j->job.model, &o, &j->plan, &n, j->job.err));
    if (!(j->parts = calloc(n, sizeof *j->parts)))
        MQ_TRY(mq_oom(j->job.err));
    j->n = n;
    MQ_TRY(name_files(j));
    for (size_t i = 0; i < n; i++) {
        MQ_TRY(make_part(j, &j->plan[i], &j->parts[i]));
        MQ_TRY(mq_saving_estimate(j->parts[i].model, j->parts[i].path, &j->opts->save, &j->parts[i].size, j->job.err));
    }
done:
    return rc;
}

static uint64_t largest(const split_job *j)
{
    uint64_t most = 0;

    for (size_t i = 0; i < j->n; i++) {
        const uint64_t bytes = j->parts[i].size.model_bytes + j->parts[i].size.data_bytes;

        most = bytes > most ? bytes : most;
    }
    return most;
}

/* The bound is on files, the plan knows weights and guesses the rest: what a try is over by is taken off the next. */
static mq_status plan(split_job *j)
{
    const uint64_t bound = j->opts->max_size;
    uint64_t aim = bound;
    mq_status rc = plan_parts(j, aim);

    for (int i = 0; i < TRIES && rc == MQ_OK && bound && !j->opts->n_parts && largest(j) > bound; i++) {
        const uint64_t over = largest(j) - bound;

        if (over >= aim)
            break;
        aim -= over;
        drop_parts(j);
        rc = plan_parts(j, aim);
    }
    return rc;
}

/* ---- writing -------------------------------------------------------------------------------------------------------- */

static mq_status make_folder(const split_job *j)
{
    if (mkdir(j->job.output, 0777) == 0 || errno == EEXIST)
        return MQ_OK;
    return mq_fail_errno(j->job.err, MQ_ERR_SYSTEM, "make folder", j->job.output);
}

static mq_status write_parts(split_job *j)
{
    mq_status rc = make_folder(j);

    if (rc == MQ_OK)
        rc = mq_outfile_try(j->list_path, j->opts->save.force, j->job.err);
    for (size_t i = 0; i < j->n && rc == MQ_OK; i++) {
        part_file *f = &j->parts[i];

        rc = mq_saving_begin(&f->saving, f->model, f->path, &j->opts->save, j->job.hooks, j->job.err);
        if (rc == MQ_OK)
            f->size = mq_saving_sizes(f->saving);
    }
    return rc;
}

static mq_status name_list(const mq_value_vec *values, const char ***names, mq_error *err)
{
    if (!(*names = calloc(values->n + 1, sizeof **names)))
        return mq_oom(err);
    for (size_t i = 0; i < values->n; i++)
        (*names)[i] = values->items[i]->name;
    return MQ_OK;
}

/* A part as it was written, checked. */
static mq_status reload_part(const split_job *j, const part_file *f, mq_model **out)
{
    mq_check_result *result = NULL;
    mq_model *m = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_saving_reload(f->saving, &m, j->job.err));
    MQ_TRY(mq_check(m, NULL, NULL, j->job.hooks, &result, j->job.err));
    if (!result->valid)
        MQ_TRY(mq_fail(j->job.err, MQ_ERR_SYSTEM, "%s: the part is not valid: %s: %s (please report this)", f->path,
                       result->findings[0].place, result->findings[0].text));
    *out = m;
    m = NULL;
done:
    mq_check_result_free(result);
    mq_model_free(m);
    return rc;
}

/* The parts as they were written, joined again. */
static mq_status reload(split_job *j, mq_model **whole)
{
    const mq_graph *g = j->job.model->graph;
    mq_model **models = calloc(j->n, sizeof *models);
    const char **inputs = NULL, **outputs = NULL;
    size_t n_loaded = 0, n_inputs = 0;
    mq_status rc = MQ_OK;

    if (!models)
        return mq_oom(j->job.err);
    for (; n_loaded < j->n; n_loaded++)
        MQ_TRY(reload_part(j, &j->parts[n_loaded], &models[n_loaded]));
    MQ_TRY(name_list(&g->inputs, &inputs, j->job.err));
    MQ_TRY(name_list(&g->outputs, &outputs, j->job.err));
    for (size_t i = 0; i < g->inputs.n; i++) /* those that a caller gives, and that some part reads */
        if (!g->inputs.items[i]->init && (g->inputs.items[i]->uses.n || g->inputs.items[i]->n_output_uses))
            inputs[n_inputs++] = g->inputs.items[i]->name;
    n_loaded = 0;
    rc = mq_parts_join(whole, models, j->n, inputs, n_inputs, outputs, g->outputs.n, j->job.err);
done:
    for (size_t i = 0; i < n_loaded; i++)
        mq_model_free(models[i]);
    free(models);
    free(inputs);
    free(outputs);
    return rc;
}

static mq_status verify(split_job *j)
{
    const mq_proof_opts proof = { .verify = j->opts->verify, .source = &j->opts->verify_on, .input = j->job.input,
                                  .input_bytes = j->job.bytes_before + j->job.data_before, .min_sqnr = -INFINITY,
                                  .expected_sqnr = SAME_PRECISION };
    mq_model *whole = NULL;
    mq_status rc = MQ_OK;

    if (j->opts->verify == MQ_VERIFY_NONE) {
        mq_report_set_proof(j->job.report, "none", true, NULL);
        return MQ_OK;
    }
    MQ_TRY(reload(j, &whole));
    mq_report_set_proof(j->job.report, "load", true, "the written parts were read again, checked and joined");
    if (mq_proof_runs(&proof))
        rc = mq_prove_run(&proof, whole, j->job.report, j->job.hooks, j->job.err);
done:
    mq_model_free(whole);
    return rc;
}

/* What the list says. */
static mq_status write_list(const split_job *j, mq_outfile **list)
{
    const char *slash = strrchr(j->job.input, '/');
    mq_parts_entry *entries = calloc(j->n, sizeof *entries);
    mq_outfile *f = NULL;
    char *text = NULL;
    mq_status rc = MQ_OK;

    if (!entries)
        return mq_oom(j->job.err);
    for (size_t i = 0; i < j->n; i++) {
        const part_file *p = &j->parts[i];

        entries[i] = (mq_parts_entry){ strrchr(p->path, '/') + 1, p->size.model_bytes + p->size.data_bytes, p->macs,
                                       p->model->graph };
    }
    if (!(text = mq_parts_text(slash ? slash + 1 : j->job.input, j->job.model->graph, entries, j->n)))
        MQ_TRY(mq_oom(j->job.err));
    MQ_TRY(mq_outfile_open(&f, j->list_path, j->opts->save.force, j->job.err));
    MQ_TRY(mq_outfile_write(f, text, strlen(text), j->job.err));
    *list = f;
    f = NULL;
done:
    mq_outfile_abort(f);
    free(entries);
    free(text);
    return rc;
}

/* Data files of part i, for those who keep track. */
static mq_status note_data(split_job *j, size_t i)
{
    const char *data;
    uint64_t bytes;

    for (size_t k = 0; (data = mq_saving_data_file(j->parts[i].saving, k, &bytes)); k++) {
        const char *copy = mq_arena_strdup(j->job.model->arena, data);

        if (!copy)
            return mq_oom(j->job.err);
        mq_note_file(j->job.hooks, copy, true);
        mq_report_add_file(j->job.report, "output-data", copy, bytes, NULL);
    }
    return MQ_OK;
}

static mq_status report_files(split_job *j, uint64_t list_bytes)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < j->n; i++)
        MQ_TRY(mq_job_report_file(&j->job, "output", j->parts[i].path, j->parts[i].size.model_bytes));
    MQ_TRY(mq_job_report_file(&j->job, "list", j->list_path, list_bytes));
done:
    if (rc != MQ_OK)
        mq_error_prefix(j->job.err, "the parts were written and stay in place, but not their report");
    return rc;
}

/* "STEM.3of4.onnx" with another number of parts than these? */
static bool is_old_part(const char *name, const char *stem, size_t n_stem, size_t n_parts)
{
    size_t i, n;
    int end = 0;

    return strncmp(name, stem, n_stem) == 0 && isdigit((unsigned char)name[n_stem]) &&
           sscanf(name + n_stem, "%zuof%zu.onnx%n", &i, &n, &end) == 2 && end && !name[n_stem + (size_t)end] && n != n_parts;
}

/* Parts of an earlier split into another number are not replaced. */
static void warn_of_old_parts(const split_job *j)
{
    const char *list = strrchr(j->list_path, '/') + 1;
    const size_t n_stem = strlen(list) - strlen("parts.json");
    DIR *d = opendir(j->job.output);
    const struct dirent *e;
    char first[256] = "";
    size_t n = 0;

    while (d && (e = readdir(d)))
        if (is_old_part(e->d_name, list, n_stem, j->n) && (n++ == 0 || strcmp(e->d_name, first) < 0))
            snprintf(first, sizeof first, "%s", e->d_name);
    if (d)
        closedir(d);
    if (n)
        mq_warn(j->job.hooks, "parts-left", first, "%zu part%s of another split lie%s in the folder: the list does not name "
                "%s", n, n == 1 ? "" : "s", n == 1 ? "s" : "", n == 1 ? "it" : "them");
}

static mq_status put_in_place(split_job *j)
{
    mq_saving **all = calloc(j->n, sizeof *all);
    mq_outfile *list = NULL;
    uint64_t list_bytes;
    mq_status rc = MQ_OK;

    if (!all)
        return mq_oom(j->job.err);
    for (size_t i = 0; i < j->n; i++) {
        MQ_TRY(note_data(j, i));
        mq_note_file(j->job.hooks, j->parts[i].path, true);
    }
    mq_note_file(j->job.hooks, j->list_path, true);
    MQ_TRY(write_list(j, &list));
    list_bytes = mq_outfile_pos(list);
    for (size_t i = 0; i < j->n; i++) {
        all[i] = j->parts[i].saving;
        j->parts[i].saving = NULL;
    }
    MQ_TRY(mq_saving_commit_all(all, j->n, list, j->opts->save.sync, j->job.err));
    warn_of_old_parts(j);
    rc = report_files(j, list_bytes);
done:
    free(all);
    return rc;
}

/* ---- report --------------------------------------------------------------------------------------------------------- */

static mq_status tell(split_job *j)
{
    for (size_t i = 0; i < j->n; i++) {
        const part_file *f = &j->parts[i];
        const mq_report_part p = { .file = f->path, .bytes = f->size.model_bytes + f->size.data_bytes, .macs = f->macs,
                                   .nodes = j->plan[i].n_nodes, .graph = f->model->graph };

        mq_report_add_part(j->job.report, &p);
    }
    return mq_report_status(j->job.report, j->job.err);
}

static mq_status add_size_bound(split_job *j)
{
    mq_str asked = { 0 }, got = { 0 };
    mq_status rc;

    if (!j->opts->max_size)
        return MQ_OK;
    mq_str_add(&asked, "<= ");
    mq_str_add_bytes(&asked, j->opts->max_size);
    mq_str_add(&asked, " each");
    mq_str_add_bytes(&got, largest(j));
    rc = asked.failed || got.failed ? mq_oom(j->job.err)
                                    : mq_report_add_bound(j->job.report, "max-size", asked.s, got.s,
                                                          largest(j) <= j->opts->max_size, j->job.err);
    mq_str_release(&asked);
    mq_str_release(&got);
    return rc;
}

/* ---- all of it ------------------------------------------------------------------------------------------------------- */

static mq_status find_tensors(split_job *j)
{
    const mq_names *at = &j->opts->at;
    mq_status rc = mq_need_tensors(j->job.model, "--at", at->items, at->n, j->job.err);

    if (rc == MQ_OK && !(j->at = mq_arena_calloc(j->job.model->arena, at->n + 1, sizeof *j->at)))
        rc = mq_oom(j->job.err);
    for (size_t i = 0; i < at->n && rc == MQ_OK; i++)
        j->at[i] = mq_graph_find_here(j->job.model->graph, at->items[i]);
    return rc;
}

static mq_status run(split_job *j)
{
    mq_status rc = MQ_OK;

    MQ_TRY(mq_job_open(&j->job));
    MQ_TRY(mq_infer_model(j->job.model, NULL, NULL, j->job.err));
    MQ_TRY(find_tensors(j));
    MQ_TRY(mq_job_end_step(&j->job, "load and check"));
    MQ_TRY(plan(j));
    MQ_TRY(mq_job_end_step(&j->job, "plan"));
    if (!j->opts->dry_run) {
        MQ_TRY(write_parts(j));
        MQ_TRY(mq_job_end_step(&j->job, "write"));
        MQ_TRY(verify(j));
        MQ_TRY(mq_job_end_step(&j->job, "verify"));
    } else {
        mq_report_set_proof(j->job.report, "none", true, "dry run: nothing was written");
    }
    MQ_TRY(tell(j));
    MQ_TRY(add_size_bound(j));
    if (!j->opts->dry_run && !mq_report_n_missed(j->job.report))
        rc = put_in_place(j);
done:
    return rc;
}

mq_status mq_split_file(const char *input, const char *output, const mq_split_opts *opts, mq_report *report,
                        const mq_hooks *hooks, mq_error *err)
{
    const mq_split_opts o = opts ? *opts : mq_split_opts_default();
    split_job j = { .opts = &o, .job = { .input = input, .output = output, .opts = { .hash = o.hash }, .report = report,
                                         .hooks = hooks, .err = err, .since = mq_seconds() } };
    mq_status rc;

    mq_report_set_threads(report, mq_threads(hooks ? hooks->n_threads : 0));
    rc = run(&j);
    drop_parts(&j);
    mq_job_close(&j.job);
    return rc;
}
