/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Bounds. With several models the first is what the others are compared with, and is not judged itself. A bound of time is
 * missed when the whole interval misses it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/bench_parts.h"
#include "api/peer.h"
#include "exec/metrics.h"

static bool needs_reference(const mq_bench_bounds *b, const char **option)
{
    const struct {
        bool given;
        const char *option;
    } all[] = { { b->min_speedup > 0, "--min-speedup" }, { b->has_drop, "--max-drop" }, { b->has_sqnr, "--min-sqnr" },
                { b->max_size_ratio > 0, "--max-size with a ratio" }, { b->max_macs_ratio > 0, "--max-macs with a ratio" } };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        *option = all[i].option;
        if (all[i].given)
            return true;
    }
    return false;
}

mq_status mq_bench_check_bounds(const char *const *files, size_t n_files, const mq_bench_opts *o, mq_error *err)
{
    const char *option;
    mq_metric metric;

    if (n_files == 0)
        return mq_fail(err, MQ_ERR_USAGE, "no model is given");
    if (n_files == 1 && needs_reference(&o->bounds, &option))
        return mq_fail(err, MQ_ERR_USAGE, "%s needs a model to compare with: mq bench REFERENCE MODEL", option);
    if (o->metric && !o->eval_cmd && !mq_metric_find(o->metric, &metric))
        return mq_fail(err, MQ_ERR_USAGE, "--metric is top1, top5, precision, recall, f1, mse, mae, cosine, "
                                          "sqnr, agreement, ce or "
                       "perplexity, not '%s'", o->metric);
    if (o->eval_cmd && n_files - 1 > o->max_evals)
        return mq_fail(err, MQ_ERR_USAGE, "--max-evals %llu: there are %zu models behind the first",
                       (unsigned long long)o->max_evals,
                       n_files - 1);
    if (o->with_onnxruntime && (o->inputs || o->outputs))
        return mq_fail(err, MQ_ERR_USAGE, "--with-onnxruntime runs whole models: no --inputs and --outputs beside it");
    if (o->eval_cmd && o->metric_output)
        return mq_fail(err, MQ_ERR_USAGE, "--metric-output and --eval-cmd contradict each other");
    for (size_t i = 0; i < n_files && (o->with_onnxruntime || o->eval_cmd); i++)
        if (strcmp(files[i], "-") == 0)
            return mq_fail(err, MQ_ERR_USAGE, "%s needs a model with a name, not standard input",
                           o->eval_cmd ? "--eval-cmd" : "--with-onnxruntime");
    return MQ_OK;
}

static size_t first_judged(const mq_bench_job *j)
{
    return j->n_entries > 1;
}

/* The model that a peer's runs are compared with: the first one in the same engine. */
static const mq_racer *first_of(const mq_racer *racers, const mq_racer *r, size_t n_entries)
{
    return r->peer ? &racers[n_entries] : &racers[0];
}

static bool is_inside(double bound, const mq_bench_figure *f)
{
    return f->lo < bound && bound < f->hi;
}

/* ---- time ---------------------------------------------------------------------------------------------------------- */

/* The figures that bounds of time look at. */
static mq_status time_figures(const mq_bench_job *j, const mq_racer *racers, const mq_racer *r, mq_bench_figure *median,
                              mq_bench_figure *speedup, mq_error *err)
{
    mq_status rc = mq_racer_median(r, median, err);

    if (rc == MQ_OK && j->opts->bounds.min_speedup > 0)
        rc = mq_racer_speedup(first_of(racers, r, j->n_entries), r, speedup, err);
    return rc;
}

mq_status mq_bench_straddles(const mq_bench_job *j, const mq_racer *racers, size_t n, bool *out, mq_error *err)
{
    const mq_bench_bounds *b = &j->opts->bounds;

    *out = false;
    if (b->max_latency <= 0 && b->min_speedup <= 0)
        return MQ_OK;
    for (size_t i = 0; i < n && !*out; i++) {
        mq_bench_figure median, speedup = { 0 };
        mq_status rc;

        if (i % j->n_entries < first_judged(j))
            continue;
        if ((rc = time_figures(j, racers, &racers[i], &median, &speedup, err)) != MQ_OK)
            return rc;
        *out = is_inside(b->max_latency * 1e3, &median) || is_inside(b->min_speedup, &speedup);
    }
    return MQ_OK;
}

/* "small.onnx", and what tells this case from others. */
static void name_racer(const mq_bench_job *j, const mq_racer *r, char *out, size_t size)
{
    int n = snprintf(out, size, "%s", mq_bench_label(j, r->entry->path));

    if (r->peer && n >= 0 && (size_t)n < size)
        n += snprintf(out + n, size - (size_t)n, ", %s", mq_peer_name(r->peer));
    if (j->opts->n_threads > 1 && n >= 0 && (size_t)n < size)
        n += snprintf(out + n, size - (size_t)n, ", %d thread%s", j->threads, j->threads == 1 ? "" : "s");
    if (j->opts->n_batches > 1 && n >= 0 && (size_t)n < size)
        snprintf(out + n, size - (size_t)n, ", batch %lld", (long long)j->batch);
}

static mq_status add_time_bound(mq_bench_job *j, const mq_racer *r, const char *name, const char *asked, const char *got,
                                bool pass, bool unsure, mq_error *err)
{
    char who[512];

    name_racer(j, r, who, sizeof who);
    if (pass && unsure)
        mq_warn(j->hooks, "bench-undecided", r->entry->path, "%s of %s: asked %s, got %s: the bound lies inside "
                                                             "the interval, which "
                "counts as held", name, who, asked, got);
    return j->report ? mq_report_add_bound_of(j->report, name, who, asked, got, pass, err) : MQ_OK;
}

static mq_status bound_latency(mq_bench_job *j, const mq_racer *r, const mq_bench_figure *f, mq_error *err)
{
    const double most = j->opts->bounds.max_latency * 1e3;
    char asked[64], got[128];

    snprintf(asked, sizeof asked, "<= %.4g ms", most);
    snprintf(got, sizeof got, "%.4g ms (%.4g to %.4g)", f->value, f->lo, f->hi);
    return add_time_bound(j, r, "max-latency", asked, got, !(f->lo > most), is_inside(most, f), err);
}

static mq_status bound_speedup(mq_bench_job *j, const mq_racer *r, const mq_bench_figure *f, mq_error *err)
{
    const double least = j->opts->bounds.min_speedup;
    char asked[64], got[128];

    snprintf(asked, sizeof asked, ">= %.4g", least);
    snprintf(got, sizeof got, "%.4g (%.4g to %.4g)", f->value, f->lo, f->hi);
    return add_time_bound(j, r, "min-speedup", asked, got, !(f->hi < least), is_inside(least, f), err);
}

static mq_status bound_ram(mq_bench_job *j, const mq_racer *r, mq_error *err)
{
    mq_str asked = { 0 }, got = { 0 };
    char who[512];
    mq_status rc;

    name_racer(j, r, who, sizeof who);
    mq_str_add(&asked, "<= ");
    mq_str_add_bytes(&asked, j->opts->bounds.max_ram);
    mq_str_add_bytes(&got, r->peak);
    rc = asked.failed || got.failed
             ? mq_oom(err)
             : mq_report_add_bound_of(j->report, "max-ram", who, asked.s, got.s, r->peak <= j->opts->bounds.max_ram, err);
    mq_str_release(&asked);
    mq_str_release(&got);
    return rc;
}

mq_status mq_bench_case_bounds(mq_bench_job *j, const mq_racer *racers, size_t n, mq_error *err)
{
    const mq_bench_bounds *b = &j->opts->bounds;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < n && rc == MQ_OK; i++) {
        mq_bench_figure median, speedup = { 0 };

        if (i % j->n_entries < first_judged(j))
            continue;
        rc = time_figures(j, racers, &racers[i], &median, &speedup, err);
        if (rc == MQ_OK && b->max_latency > 0)
            rc = bound_latency(j, &racers[i], &median, err);
        if (rc == MQ_OK && b->min_speedup > 0)
            rc = bound_speedup(j, &racers[i], &speedup, err);
        if (rc == MQ_OK && b->max_ram && j->report && !racers[i].peer)
            rc = bound_ram(j, &racers[i], err);
    }
    return rc;
}

/* ---- what does not depend on the case ------------------------------------------------------------------------------ */

static mq_status add(mq_bench_job *j, const mq_bench_model *m, const char *name, const mq_str *asked,
                     const mq_str *got, bool pass,
                     mq_error *err)
{
    char who[512];

    if (asked->failed || got->failed)
        return mq_oom(err);
    snprintf(who, sizeof who, strcmp(m->engine, "mq") == 0 ? "%s" : "%s, %s", mq_bench_label(j, m->file), m->engine);
    return mq_report_add_bound_of(j->report, name, who, asked->s, got->s, pass, err);
}

static mq_status bound_size(mq_bench_job *j, const mq_bench_model *m, mq_error *err)
{
    const mq_bench_bounds *b = &j->opts->bounds;
    const mq_bench_model *first = j->entries[0].out;
    const uint64_t have = m->model_bytes + m->data_bytes, was = first->model_bytes + first->data_bytes;
    mq_str asked = { 0 }, got = { 0 };
    bool pass = have <= b->max_size;
    mq_status rc;

    mq_str_add(&asked, "<= ");
    mq_str_add_bytes(&got, have);
    if (b->max_size_ratio > 0) {
        mq_str_addf(&asked, "%g%%", b->max_size_ratio * 100);
        mq_str_addf(&got, " (%.1f%%)", was ? 100.0 * (double)have / (double)was : 0);
        pass = (double)have <= b->max_size_ratio * (double)was;
    } else {
        mq_str_add_bytes(&asked, b->max_size);
    }
    rc = add(j, m, "max-size", &asked, &got, pass, err);
    mq_str_release(&asked);
    mq_str_release(&got);
    return rc;
}

static mq_status bound_macs(mq_bench_job *j, const mq_bench_model *m, mq_error *err)
{
    const mq_bench_bounds *b = &j->opts->bounds;
    const double was = j->entries[0].out->macs, most = b->max_macs_ratio > 0 ? b->max_macs_ratio * was : b->max_macs;
    mq_str asked = { 0 }, got = { 0 };
    mq_status rc;

    if (b->max_macs_ratio > 0)
        mq_str_addf(&asked, "<= %g%%", b->max_macs_ratio * 100);
    else
        mq_str_addf(&asked, "<= %g", b->max_macs);
    mq_str_add_count(&got, (uint64_t)m->macs);
    if (b->max_macs_ratio > 0 && was > 0)
        mq_str_addf(&got, " (%.1f%%)", 100 * m->macs / was);
    rc = add(j, m, "max-macs", &asked, &got, m->macs <= most, err);
    mq_str_release(&asked);
    mq_str_release(&got);
    return rc;
}

static const mq_bench_metric *main_metric(const mq_bench_model *m)
{
    for (size_t i = 0; i < m->n_metrics; i++)
        if (m->metrics[i].main && m->metrics[i].known)
            return &m->metrics[i];
    return NULL;
}

static mq_status bound_metric(mq_bench_job *j, const mq_bench_model *m, mq_error *err)
{
    const mq_bench_metric *x = main_metric(m);
    const double least = j->opts->bounds.min_metric;
    mq_str asked = { 0 }, got = { 0 };
    mq_status rc;

    if (!x)
        return mq_fail(err, MQ_ERR_USAGE,
                       "--min-metric: there is nothing to measure '%s' by: --data with --labels or reference "
                       "outputs, or --eval-cmd", m->file);
    mq_str_addf(&asked, "%s %s %g", x->name, x->lower_is_better ? "<=" : ">=", least);
    mq_str_addf(&got, "%.6g", x->value);
    rc = add(j, m, "min-metric", &asked, &got, x->lower_is_better ? x->value <= least : x->value >= least, err);
    mq_str_release(&asked);
    mq_str_release(&got);
    return rc;
}

/* One sample more or less is the finest that the data can show of a share. */
static void warn_if_too_fine(const mq_bench_job *j, const mq_bench_model *m, const mq_bench_metric *x)
{
    const double most = j->opts->bounds.max_drop;

    if (x->has_interval && most > 0 && m->n_judged && most < 1.0 / (double)m->n_judged)
        mq_warn(j->hooks, "bench-bound-fine", "", "--max-drop %g%%: one of %llu samples is %.2g%% already", most * 100,
                (unsigned long long)m->n_judged, 100.0 / (double)m->n_judged);
}

static mq_status bound_drop(mq_bench_job *j, const mq_bench_model *m, mq_error *err)
{
    const mq_bench_metric *x = main_metric(m);
    mq_str asked = { 0 }, got = { 0 };
    mq_status rc;

    if (!x || !x->has_drop)
        return mq_fail(err, MQ_ERR_USAGE,
                       "--max-drop: there is nothing to measure '%s' by: --data with --labels or reference "
                       "outputs, or --eval-cmd", m->file);
    mq_str_addf(&asked, "%s: <= %g%%", x->name, j->opts->bounds.max_drop * 100);
    mq_str_addf(&got, "%.3g%%", x->drop.value * 100);
    if (x->has_interval)
        mq_str_addf(&got, " (%.3g%% to %.3g%%, %llu samples)", x->drop.lo * 100, x->drop.hi * 100,
                    (unsigned long long)m->n_judged);
    rc = add(j, m, "max-drop", &asked, &got, x->drop.value <= j->opts->bounds.max_drop + 1e-12, err);
    mq_str_release(&asked);
    mq_str_release(&got);
    if (m == j->entries[first_judged(j)].out)
        warn_if_too_fine(j, m, x);
    return rc;
}

static mq_status bound_sqnr(mq_bench_job *j, const mq_bench_model *m, mq_error *err)
{
    mq_str asked = { 0 }, got = { 0 };
    mq_status rc;

    mq_str_addf(&asked, ">= %g dB", j->opts->bounds.min_sqnr);
    if (isfinite(m->sqnr))
        mq_str_addf(&got, "%.2f dB, output '%s'", m->sqnr, m->sqnr_output);
    else
        mq_str_add(&got, isnan(m->sqnr) ? "not compared" : m->sqnr > 0 ? "no difference" :
                   "NaN, infinity or no signal");
    rc = add(j, m, "min-sqnr", &asked, &got, m->sqnr >= j->opts->bounds.min_sqnr, err);
    mq_str_release(&asked);
    mq_str_release(&got);
    return rc;
}

/* Of metrics: in each engine. */
static mq_status bound_quality(mq_bench_job *j, const mq_bench_model *m, mq_error *err)
{
    const mq_bench_bounds *b = &j->opts->bounds;
    const bool measured = !j->opts->eval_cmd || strcmp(m->engine, "mq") == 0; /* the command sees a file, no engine */
    mq_status rc = MQ_OK;

    if (b->has_drop && measured)
        MQ_TRY(bound_drop(j, m, err));
    if (b->has_metric && measured)
        MQ_TRY(bound_metric(j, m, err));
    if (b->has_sqnr)
        MQ_TRY(bound_sqnr(j, m, err));
done:
    return rc;
}

mq_status mq_bench_model_bounds(mq_bench_job *j, mq_error *err)
{
    const mq_bench_bounds *b = &j->opts->bounds;
    mq_status rc = MQ_OK;

    for (size_t i = first_judged(j); i < j->n_entries && j->report; i++) {
        const mq_bench_model *m = j->entries[i].out;

        if (b->max_size || b->max_size_ratio > 0)
            MQ_TRY(bound_size(j, m, err));
        if (b->max_macs > 0 || b->max_macs_ratio > 0)
            MQ_TRY(bound_macs(j, m, err));
        MQ_TRY(bound_quality(j, m, err));
        if (j->peers)
            MQ_TRY(bound_quality(j, &j->peers[i], err));
    }
done:
    return rc;
}
