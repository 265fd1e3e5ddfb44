/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Bounds on results, for every job: costs are counted on the graph; what has to be run is given a copy of the result under
 * a name, and mq_bench, which knows intervals, data and other engines, compares it with the original. */
#include "api/bounds.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/eval_cmd.h"
#include "base/file.h"
#include "base/str.h"
#include "mq/inspect.h"
#include "ops/ops.h"
#include "report/report.h"

#define PEER_SQNR 40 /* dB: engines round differently, and a value at the edge between two integers may fall either way */
#define SEARCH_SECONDS 2.0 /* of a comparison of times in a search, which makes several */
enum { PATH_SIZE = 320, JUDGE_BATCH = 64, PEER_SAMPLES = 32 };

struct mq_judging {
    mq_judging_opts o;
    mq_measured before;     /* of it only the costs, where a bound is a share of them */
    char folder[256];       /* "": none is there */
    char original[PATH_SIZE]; /* a copy in it; "": opts.input is read again */
    uint64_t n_evals;
    double eval_before;     /* what eval_cmd says of the original; NAN: it has not been asked */
    double metric_before;   /* of the original by labels; NAN: not measured yet, or by its own outputs */
};

mq_bounds mq_bounds_default(void)
{
    return (mq_bounds){ .max_evals = 50 };
}

const mq_judging_opts *mq_judging_asked(const mq_judging *j)
{
    return &j->o;
}

/* ---- copies -------------------------------------------------------------------------------------------------------- */

static mq_status make_folder(mq_judging *j, mq_error *err)
{
    return *j->folder ? MQ_OK : mq_folder_make(j->folder, sizeof j->folder, "mq-model", err);
}

static void remove_copy(const char *path)
{
    char data[PATH_SIZE + 8];

    snprintf(data, sizeof data, "%s.data", path);
    unlink(path);
    unlink(data);
}

static mq_status save_copy(mq_judging *j, mq_model *m, const char *name, char path[PATH_SIZE], mq_error *err)
{
    mq_save_opts save = mq_save_opts_default();
    mq_status rc = make_folder(j, err);

    if (rc != MQ_OK)
        return rc;
    save.external = MQ_EXTERNAL_FILE;
    save.external_threshold = 1u << 20; /* 2 GB may be too few for one file */
    snprintf(path, PATH_SIZE, "%s/%s", j->folder, name);
    if ((rc = mq_model_save(m, path, &save, NULL, NULL, err)) != MQ_OK)
        remove_copy(path);
    return rc;
}

const char *mq_judging_original(const mq_judging *j)
{
    return *j->original ? j->original : j->o.input;
}

static bool needs_original(const mq_bounds *b)
{
    return b->eval_cmd || b->limits.has_drop || b->limits.has_metric || b->limits.min_speedup > 0 ||
           b->limits.max_latency > 0;
}

/* ---- counted ------------------------------------------------------------------------------------------------------- */

mq_status mq_judging_count(mq_model *m, mq_measured *out, mq_error *err)
{
    mq_inspect_opts o = mq_inspect_opts_default();
    mq_inspection *in = NULL;
    mq_status rc;

    o.read_limit = 0;
    rc = mq_inspect(m, &o, NULL, NULL, &in, err);
    if (rc == MQ_OK) {
        out->macs = in->macs;
        out->macs_unknown = in->macs_unknown;
        out->ram = in->activation_peak;
        out->ram_unknown = in->activations_unknown;
    }
    mq_inspection_free(in);
    return rc == MQ_OK ? mq_infer_model(m, NULL, NULL, err) : rc;
}

static mq_status add_bound(const mq_judging *j, const char *name, mq_str *asked, mq_str *got, bool pass, mq_error *err)
{
    const mq_status rc = asked->failed || got->failed ? mq_oom(err)
                                                      : mq_report_add_bound(j->o.report, name, asked->s, got->s, pass, err);

    mq_str_release(asked);
    mq_str_release(got);
    return rc;
}

static mq_status bound_macs(const mq_judging *j, const mq_measured *is, mq_error *err)
{
    const mq_bench_bounds *b = &j->o.asked->limits;
    const double was = (double)j->before.macs, most = b->max_macs_ratio > 0 ? b->max_macs_ratio * was : b->max_macs;
    mq_str asked = { 0 }, got = { 0 };

    if (!(b->max_macs > 0) && !(b->max_macs_ratio > 0))
        return MQ_OK;
    if (b->max_macs_ratio > 0)
        mq_str_addf(&asked, "<= %g%%", b->max_macs_ratio * 100);
    else
        mq_str_addf(&asked, "<= %g", b->max_macs);
    mq_str_add_count(&got, is->macs);
    if (is->macs_unknown)
        mq_str_addf(&got, " and %llu nodes that are not known", (unsigned long long)is->macs_unknown);
    else if (b->max_macs_ratio > 0 && was > 0)
        mq_str_addf(&got, " (%.1f%%)", 100 * (double)is->macs / was);
    return add_bound(j, "max-macs", &asked, &got, !is->macs_unknown && (double)is->macs <= most, err);
}

static mq_status bound_ram(const mq_judging *j, const mq_measured *is, mq_error *err)
{
    const uint64_t most = j->o.asked->limits.max_ram;
    mq_str asked = { 0 }, got = { 0 };

    if (!most)
        return MQ_OK;
    mq_str_add(&asked, "<= ");
    mq_str_add_bytes(&asked, most);
    mq_str_add_bytes(&got, is->ram);
    if (is->ram_unknown)
        mq_str_addf(&got, " and %llu tensors whose size is not known", (unsigned long long)is->ram_unknown);
    return add_bound(j, "max-ram", &asked, &got, !is->ram_unknown && is->ram <= most, err);
}

mq_status mq_judging_cost(mq_judging *j, mq_model *m, mq_error *err)
{
    const mq_bench_bounds *b = &j->o.asked->limits;
    mq_measured is = { 0 };
    mq_status rc = MQ_OK;

    if (!(b->max_macs > 0) && !(b->max_macs_ratio > 0) && !b->max_ram)
        return MQ_OK;
    MQ_TRY(mq_judging_count(m, &is, err));
    MQ_TRY(bound_macs(j, &is, err));
    rc = bound_ram(j, &is, err);
done:
    return rc;
}

/* ---- the user's command -------------------------------------------------------------------------------------------- */

static mq_status evaluate(mq_judging *j, const char *copy, mq_measured *out, mq_error *err)
{
    const mq_bounds *b = j->o.asked;
    const mq_eval e = { .command = b->eval_cmd, .reference = mq_judging_original(j), .metric = b->metric,
                        .hooks = j->o.hooks };
    mq_status rc = MQ_OK;

    if (isnan(j->eval_before))
        MQ_TRY(mq_eval_run(&e, e.reference, &j->eval_before, err));
    MQ_TRY(mq_eval_run(&e, copy, &out->metric, err));
    j->n_evals++;
    snprintf(out->metric_name, sizeof out->metric_name, "%s", b->metric ? b->metric : "eval");
    out->lower_is_better = b->lower_is_better;
    out->drop = mq_eval_drop(j->eval_before, out->metric, b->lower_is_better);
done:
    return rc;
}

static mq_status bound_eval(mq_judging *j, const char *copy, mq_error *err)
{
    const mq_bench_bounds *b = &j->o.asked->limits;
    mq_measured is = { 0 };
    mq_str asked = { 0 }, got = { 0 };
    mq_status rc = MQ_OK;

    if (!j->o.asked->eval_cmd)
        return MQ_OK;
    MQ_TRY(evaluate(j, copy, &is, err));
    if (b->has_drop) {
        mq_str_addf(&asked, "%s: <= %g%%", is.metric_name, b->max_drop * 100);
        mq_str_addf(&got, "%.3g%% (%.6g, was %.6g)", is.drop * 100, is.metric, j->eval_before);
        MQ_TRY(add_bound(j, "max-drop", &asked, &got, is.drop <= b->max_drop + 1e-12, err));
    }
    if (b->has_metric) {
        mq_str_addf(&asked, "%s %s %g", is.metric_name, is.lower_is_better ? "<=" : ">=", b->min_metric);
        mq_str_addf(&got, "%.6g", is.metric);
        rc = add_bound(j, "min-metric", &asked, &got,
                       is.lower_is_better ? is.metric <= b->min_metric : is.metric >= b->min_metric, err);
    }
done:
    return rc;
}

/* ---- what mq_bench measures ---------------------------------------------------------------------------------------- */

/* Data and models have been talked about before: only what is about times, or about the metric, is passed on. */
static void warn_of_times(void *user, const mq_warning *w)
{
    const mq_hooks *hooks = user;

    if (hooks->warn && (strcmp(w->code, "bench-undecided") == 0 || strcmp(w->code, "bench-busy") == 0))
        hooks->warn(hooks->user, &(mq_warning){ .code = w->code, .place = "", .text = w->text });
}

static void warn_of_metric(void *user, const mq_warning *w)
{
    const mq_hooks *hooks = user;

    if (hooks->warn && strcmp(w->code, "bench-bound-fine") == 0)
        hooks->warn(hooks->user, &(mq_warning){ .code = w->code, .place = "", .text = w->text });
}

/* The caller's hooks are one pointer further away while warnings are chosen. */
static void pass_progress(void *user, const char *step, uint64_t done, uint64_t total)
{
    const mq_hooks *hooks = user;

    if (hooks->progress)
        hooks->progress(hooks->user, step, done, total);
}

static bool pass_cancelled(void *user)
{
    const mq_hooks *hooks = user;

    return hooks->cancelled && hooks->cancelled(hooks->user);
}

/* Compares a copy with the original, unless what that one has is known. `limits`: what of the bounds is judged, times or
 * what the data say; report may be NULL. */
static mq_status compare_by(mq_judging *j, const char *copy, const mq_bench_bounds *limits, int64_t batch,
                            mq_report *report, mq_bench_result **out, mq_error *err)
{
    const bool alone = limits->has_metric && !limits->has_drop && !report && !isnan(j->metric_before);
    const char *const files[] = { mq_judging_original(j), copy };
    const mq_bounds *b = j->o.asked;
    const mq_hooks none = { 0 }, *outer = j->o.hooks ? j->o.hooks : &none;
    const bool metric = limits->has_drop || limits->has_metric;
    const mq_hooks hooks = { .user = (void *)(uintptr_t)outer,
                             .warn = !report ? NULL : metric ? warn_of_metric : warn_of_times,
                             .progress = pass_progress, .cancelled = pass_cancelled, .n_threads = outer->n_threads };
    mq_bench_opts o = mq_bench_opts_default();

    o.source = *j->o.source;
    o.bounds = *limits;
    o.with_onnxruntime = b->with_onnxruntime && report;
    if (metric) {
        o.metric = b->metric;
        o.metric_output = b->metric_output;
        o.runs = 1;
        o.warmup = 0;
        o.batches = &batch;
        o.n_batches = batch > 0;
    } else {
        o.source.n_labels = 0;
        o.seconds = j->o.seconds > 0 || report ? j->o.seconds : SEARCH_SECONDS;
    }
    return mq_bench(files + alone, 2 - alone, &o, report, &hooks, out, err);
}

/* Metrics are those of single samples, whatever the batch; not every model or form of data takes one of our choice. */
static mq_status compare(mq_judging *j, const char *copy, const mq_bench_bounds *limits, mq_report **report,
                         mq_bench_result **out, mq_error *err)
{
    const bool metric = limits->has_drop || limits->has_metric;
    mq_error why = { 0 };
    mq_status rc = MQ_OK;

    for (int64_t batch = metric ? JUDGE_BATCH : 0;; batch = 0) {
        if (report) {
            mq_report_free(*report);
            *report = NULL;
            MQ_TRY(mq_report_create(report, "bench", err));
        }
        rc = compare_by(j, copy, limits, batch, report ? *report : NULL, out, &why);
        if (rc == MQ_OK || rc == MQ_ERR_CANCELLED || !batch)
            break;
    }
    if (rc != MQ_OK)
        rc = mq_fail(err, rc, "%s", why.text);
done:
    return rc;
}

/* The bounds' rows: which engine they are about, instead of which of the two files. */
static mq_status copy_bounds(const mq_judging *j, const mq_report *from, mq_error *err)
{
    const json_t *bounds = mq_report_peek(from, "bounds"), *b;
    size_t i;
    mq_status rc = MQ_OK;

    json_array_foreach(bounds, i, b) {
        const char *who = json_string_value(json_object_get(b, "tensor")), *engine = who ? strstr(who, ".onnx, ") : NULL;

        rc = mq_report_add_bound_of(j->o.report, json_string_value(json_object_get(b, "name")),
                                    engine ? engine + strlen(".onnx, ") : NULL,
                                    json_string_value(json_object_get(b, "asked")),
                                    json_string_value(json_object_get(b, "got")),
                                    json_is_true(json_object_get(b, "pass")), err);
        if (rc != MQ_OK)
            break;
    }
    return rc;
}

/* The metrics of both models under the names that people know, unless the job tells of them itself. */
static mq_status copy_metrics(const mq_judging *j, const mq_report *from, const char *copy, mq_error *err)
{
    const json_t *metrics = mq_report_peek(from, "metrics"), *m;
    json_t *list;
    size_t i;

    if (!j->o.report || !metrics || mq_report_peek(j->o.report, "metrics"))
        return MQ_OK;
    list = mq_report_section(j->o.report, "metrics");
    json_array_foreach(metrics, i, m) {
        const char *file = json_string_value(json_object_get(m, "model"));
        json_t *own = json_deep_copy(m);

        if (!own)
            return mq_oom(err);
        mq_report_put_text(j->o.report, own, "model", file && strcmp(file, copy) == 0 ? j->o.output : j->o.input);
        if (json_array_append_new(list, own) != 0)
            return mq_oom(err);
    }
    return mq_report_status(j->o.report, err);
}

/* Those of times, or of what the data say. */
static mq_status bound_by_bench(mq_judging *j, const char *copy, const mq_bench_bounds *limits, mq_error *err)
{
    mq_bench_result *result = NULL;
    mq_report *aside = NULL;
    mq_status rc;

    MQ_TRY(compare(j, copy, limits, &aside, &result, err));
    MQ_TRY(copy_bounds(j, aside, err));
    rc = copy_metrics(j, aside, copy, err);
done:
    mq_bench_result_free(result);
    mq_report_free(aside);
    return rc;
}

static mq_status bound_measured(mq_judging *j, const char *copy, mq_error *err)
{
    const mq_bench_bounds *all = &j->o.asked->limits;
    const mq_bench_bounds times = { .max_latency = all->max_latency, .min_speedup = all->min_speedup };
    const mq_bench_bounds metric = { .has_drop = all->has_drop, .max_drop = all->max_drop,
                                     .has_metric = all->has_metric, .min_metric = all->min_metric };
    mq_status rc = MQ_OK;

    if ((metric.has_drop || metric.has_metric) && !j->o.asked->eval_cmd)
        MQ_TRY(bound_by_bench(j, copy, &metric, err));
    if (times.max_latency > 0 || times.min_speedup > 0)
        rc = bound_by_bench(j, copy, &times, err);
done:
    return rc;
}

/* ---- another engine ------------------------------------------------------------------------------------------------ */

/* The output furthest from what ONNX Runtime gives. */
static const mq_agreement *worst_of(const mq_against_result *r)
{
    const mq_agreement *worst = NULL;

    for (size_t i = 0; i < r->n_tensors; i++)
        if (!*r->tensors[i].note && (!worst || r->tensors[i].sqnr < worst->sqnr))
            worst = &r->tensors[i];
    return worst;
}

static mq_status judge_peer(const mq_judging *j, const mq_against_result *r, mq_error *err)
{
    const mq_bench_bounds *b = &j->o.asked->limits;
    const double bound = b->has_sqnr ? b->min_sqnr : PEER_SQNR;
    const bool refused = r->refused && *r->refused;
    const mq_agreement *worst = refused ? NULL : worst_of(r);
    char asked[64], got[MQ_ERROR_SIZE + 64];

    snprintf(asked, sizeof asked, ">= %g dB", bound);
    if (refused)
        snprintf(got, sizeof got, "refused: %s", r->refused);
    else if (!worst)
        snprintf(got, sizeof got, "no output could be compared");
    else if (isinf(worst->sqnr) && worst->sqnr > 0)
        snprintf(got, sizeof got, "no difference");
    else
        snprintf(got, sizeof got, "%.2f dB, output '%s'", worst->sqnr, worst->name);
    return mq_report_add_bound_of(j->o.report, "min-sqnr", *r->engine ? r->engine : "onnxruntime", asked, got,
                                  worst && worst->sqnr >= bound, err);
}

/* What ONNX Runtime computes with the result, beside what is computed here. *takes: it runs the model at all. */
static mq_status bound_peer(mq_judging *j, const char *copy, bool *takes, mq_error *err)
{
    mq_against_opts o = mq_against_opts_default();
    mq_against_result *r = NULL;
    mq_model *m = NULL;
    mq_status rc = MQ_OK;

    *takes = true;
    if (!j->o.asked->with_onnxruntime)
        return MQ_OK;
    o.source = *j->o.source;
    if (!o.source.samples || o.source.samples > PEER_SAMPLES)
        o.source.samples = PEER_SAMPLES;
    o.only_measure = o.with_onnxruntime = true;
    MQ_TRY(mq_model_load(&m, copy, err));
    MQ_TRY(mq_check_against(m, NULL, &o, NULL, j->o.hooks, &r, err));
    *takes = !r->refused || !*r->refused;
    rc = judge_peer(j, r, err);
done:
    mq_against_result_free(r);
    mq_model_free(m);
    return rc;
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

bool mq_judging_runs(const mq_bounds *b)
{
    return needs_original(b) || b->with_onnxruntime;
}

mq_status mq_judging_open(mq_judging **out, const mq_judging_opts *opts, mq_model *original, mq_error *err)
{
    const bool piped = strcmp(opts->input, "-") == 0;
    const mq_bounds *b = opts->asked;
    mq_judging *j = calloc(1, sizeof *j);
    mq_status rc = MQ_OK;

    if (!j)
        return mq_oom(err);
    j->o = *opts;
    j->eval_before = j->metric_before = NAN;
    if (b->limits.max_macs_ratio > 0) {
        MQ_TRY(mq_judging_count(original, &j->before, err));
        if (j->before.macs_unknown)
            MQ_TRY(mq_fail(err, MQ_ERR_USAGE, "--max-macs %g%%: the MACs of %llu nodes of the input are not known: --shape "
                           "and --dim give sizes", b->limits.max_macs_ratio * 100,
                           (unsigned long long)j->before.macs_unknown));
    }
    if ((needs_original(b) && (piped || mq_ends_with(opts->input, ".gz"))) || (b->limits.has_sqnr && piped))
        rc = save_copy(j, original, "original.onnx", j->original, err);
done:
    if (rc == MQ_OK)
        *out = j;
    else
        mq_judging_close(j);
    return rc;
}

void mq_judging_close(mq_judging *j)
{
    if (!j)
        return;
    if (*j->original)
        remove_copy(j->original);
    if (*j->folder)
        rmdir(j->folder);
    free(j);
}

mq_status mq_judging_run(mq_judging *j, mq_model *m, mq_error *err)
{
    char copy[PATH_SIZE];
    bool takes;
    mq_status rc;

    if (!mq_judging_runs(j->o.asked))
        return MQ_OK;
    if ((rc = save_copy(j, m, "result.onnx", copy, err)) != MQ_OK)
        return rc;
    MQ_TRY(bound_eval(j, copy, err));
    MQ_TRY(bound_peer(j, copy, &takes, err));
    if (takes) /* what it refuses has missed a bound, and nothing can be measured there */
        rc = bound_measured(j, copy, err);
done:
    remove_copy(copy);
    return rc;
}

static double value_of(const mq_bench_model *m)
{
    for (size_t i = 0; i < m->n_metrics; i++)
        if (m->metrics[i].main && m->metrics[i].known)
            return m->metrics[i].value;
    return NAN;
}

/* Of the last model. */
static void read_metric(const mq_judging *j, const mq_bench_result *r, mq_measured *out)
{
    const mq_bench_model *m = &r->models[r->n_models - 1];

    for (size_t i = 0; i < m->n_metrics; i++)
        if (m->metrics[i].main && m->metrics[i].known) {
            snprintf(out->metric_name, sizeof out->metric_name, "%s", m->metrics[i].name);
            out->metric = m->metrics[i].value;
            out->lower_is_better = m->metrics[i].lower_is_better;
            out->drop = m->metrics[i].has_drop ? m->metrics[i].drop.value : j->metric_before == out->metric ? 0 :
                        mq_eval_drop(j->metric_before, out->metric, out->lower_is_better);
        }
}

static void read_times(const mq_bench_result *r, mq_measured *out)
{
    const mq_bench_latency *l = &r->latency[1];

    out->latency = (mq_bench_figure){ l->median_ms.value * 1e-3, l->median_ms.lo * 1e-3, l->median_ms.hi * 1e-3 };
    out->speedup = l->speedup;
}

/* Runs the copy beside the original. */
static mq_status measure_runs(mq_judging *j, const char *copy, bool metric, bool times, mq_measured *out, mq_error *err)
{
    const mq_bench_bounds any_drop = { .has_drop = true, .max_drop = INFINITY }, none = { 0 };
    const mq_bench_bounds any_metric = { .has_metric = true, .min_metric = -INFINITY };
    mq_bench_result *of_metric = NULL, *of_times = NULL;
    mq_status rc = MQ_OK;

    if (metric) {
        MQ_TRY(compare(j, copy, isnan(j->metric_before) ? &any_drop : &any_metric, NULL, &of_metric, err));
        read_metric(j, of_metric, out);
        if (j->o.source->n_labels && of_metric->n_models > 1)
            j->metric_before = value_of(&of_metric->models[0]);
    }
    if (times) {
        MQ_TRY(compare(j, copy, &none, NULL, &of_times, err));
        read_times(of_times, out);
    }
done:
    mq_bench_result_free(of_metric);
    mq_bench_result_free(of_times);
    return rc;
}

mq_status mq_judging_measure(mq_judging *j, mq_model *m, unsigned what, mq_measured *out, mq_error *err)
{
    const bool metric = what & MQ_MEASURE_METRIC, times = what & MQ_MEASURE_TIME;
    const bool eval = metric && j->o.asked->eval_cmd;
    char copy[PATH_SIZE] = "";
    mq_measured f = { .metric = NAN, .drop = NAN };
    mq_status rc = MQ_OK;

    if (what & MQ_MEASURE_COST)
        MQ_TRY(mq_judging_count(m, &f, err));
    if (eval && j->n_evals >= j->o.asked->max_evals)
        MQ_TRY(mq_fail(err, MQ_ERR_USAGE, "--max-evals %llu are used up", (unsigned long long)j->n_evals));
    if (metric || times)
        MQ_TRY(save_copy(j, m, "candidate.onnx", copy, err));
    if (eval)
        MQ_TRY(evaluate(j, copy, &f, err));
    MQ_TRY(measure_runs(j, copy, metric && !eval, times, &f, err));
    *out = f;
done:
    if (*copy)
        remove_copy(copy);
    return rc;
}
