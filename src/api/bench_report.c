/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What was measured, as sections of the report: models, latency, metrics, profile. */
#include <math.h>

#include "api/bench_parts.h"

/* The clock has nanoseconds. */
static double ms_of(double ms)
{
    return round(ms * 1e6) / 1e6;
}

static void put_figure(mq_report *r, json_t *object, const char *key, const mq_bench_figure *f)
{
    json_t *o = mq_report_object(r, object, key), *ci;

    mq_report_put_real(r, o, "value", f->value);
    ci = mq_report_array(r, o, "ci95");
    mq_report_push_real(r, ci, f->lo);
    mq_report_push_real(r, ci, f->hi);
}

static void put_models(const mq_bench_job *j)
{
    json_t *list = mq_report_section(j->report, "models");

    for (size_t i = 0; i < j->n_entries; i++) {
        const mq_bench_model *m = j->entries[i].out;
        json_t *e = mq_report_append(j->report, list);

        mq_report_put_text(j->report, e, "model", m->file);
        mq_report_put_int(j->report, e, "total_bytes", (int64_t)(m->model_bytes + m->data_bytes));
        mq_report_put_int(j->report, e, "file_bytes", (int64_t)m->model_bytes);
        mq_report_put_int(j->report, e, "data_bytes", (int64_t)m->data_bytes);
        if (m->macs > 0)
            mq_report_put_int(j->report, e, "macs", (int64_t)m->macs);
        if (!isnan(m->sqnr)) {
            mq_report_put_real(j->report, e, "sqnr_db", m->sqnr);
            mq_report_put_text(j->report, e, "sqnr_output", m->sqnr_output);
        }
        mq_report_add_file(j->report, "input", m->file, m->model_bytes, NULL);
    }
}

static const mq_bench_model *model_of(const mq_bench_job *j, const char *file)
{
    for (size_t i = 0; i < j->n_entries; i++)
        if (j->entries[i].path == file)
            return j->entries[i].out;
    return NULL;
}

static void put_row(const mq_bench_job *j, json_t *e, const mq_bench_latency *l)
{
    const mq_bench_model *m = model_of(j, l->file);
    mq_report *r = j->report;
    json_t *ms, *ci;

    mq_report_put_text(r, e, "model", l->file);
    mq_report_put_text(r, e, "engine", l->engine);
    mq_report_put_int(r, e, "threads", l->threads);
    mq_report_put_int(r, e, "batch", l->batch);
    ms = mq_report_object(r, e, "ms");
    mq_report_put_real(r, ms, "min", ms_of(l->min_ms));
    mq_report_put_real(r, ms, "median", ms_of(l->median_ms.value));
    mq_report_put_real(r, ms, "p90", ms_of(l->p90_ms));
    mq_report_put_real(r, ms, "p99", ms_of(l->p99_ms));
    ci = mq_report_array(r, ms, "ci95");
    mq_report_push_real(r, ci, ms_of(l->median_ms.lo));
    mq_report_push_real(r, ci, ms_of(l->median_ms.hi));
    put_figure(r, e, "speedup", &l->speedup);
    mq_report_put_real(r, e, "samples_per_second", l->per_second);
    mq_report_put_int(r, e, "runs", (int64_t)l->n_runs);
    mq_report_put_int(r, e, "warmup_runs", (int64_t)l->n_warmup);
    mq_report_put_real(r, e, "first_ms", ms_of(l->first_ms));
    if (l->peak_bytes) {
        mq_report_put_real(r, e, "load_ms", m ? ms_of(m->load_ms) : 0);
        mq_report_put_real(r, e, "plan_ms", m ? ms_of(m->plan_ms) : 0);
        mq_report_put_int(r, e, "peak_activation_bytes", (int64_t)l->peak_bytes);
    }
    ms = mq_report_array(r, e, "raw_ms");
    for (size_t i = 0; i < l->n_runs; i++)
        mq_report_push_real(r, ms, ms_of(l->raw_ms[i]));
}

static void put_costs(mq_report *r, json_t *list, const mq_bench_cost *costs, size_t n, bool nodes)
{
    for (size_t i = 0; i < n; i++) {
        const mq_bench_cost *c = &costs[i];
        json_t *e = mq_report_append(r, list);

        if (nodes)
            mq_report_put_text(r, e, "name", c->name);
        mq_report_put_text(r, e, "op_type", c->op_type);
        if (nodes)
            mq_report_put_text(r, e, "kernel", c->kernel);
        else
            mq_report_put_int(r, e, "nodes", (int64_t)c->n_nodes);
        mq_report_put_real(r, e, "ms", c->ms);
        mq_report_put_real(r, e, "share", c->share);
        mq_report_put_int(r, e, "macs", (int64_t)c->macs);
        mq_report_put_int(r, e, "bytes", (int64_t)c->bytes);
        mq_report_put_real(r, e, "gflops", c->gflops);
        mq_report_put_real(r, e, "gbytes_per_second", c->gbytes);
    }
}

static void put_profile(const mq_bench_job *j)
{
    json_t *list = mq_report_section(j->report, "profile");

    for (size_t i = 0; i < j->n_entries; i++) {
        const mq_bench_model *m = j->entries[i].out;
        json_t *e = mq_report_append(j->report, list);

        mq_report_put_text(j->report, e, "model", m->file);
        put_costs(j->report, mq_report_array(j->report, e, "operators"), m->operators, m->n_operators, false);
        put_costs(j->report, mq_report_array(j->report, e, "nodes"), m->nodes, m->n_nodes, true);
    }
}

static void put_metric(mq_report *r, json_t *e, const mq_bench_metric *m)
{
    mq_report_put_text(r, e, "name", m->name);
    if (m->known)
        mq_report_put_real(r, e, "value", m->value);
    else
        mq_report_put_null(r, e, "value");
    mq_report_put_bool(r, e, "main", m->main);
    mq_report_put_bool(r, e, "lower_is_better", m->lower_is_better);
    if (m->has_drop && m->has_interval)
        put_figure(r, e, "drop", &m->drop);
    else if (m->has_drop)
        mq_report_put_real(r, mq_report_object(r, e, "drop"), "value", m->drop.value);
}

/* In mq, then in ONNX Runtime. */
static void put_metrics(const mq_bench_job *j)
{
    mq_report *r = j->report;

    for (size_t i = 0; i < j->n_entries * (j->peers ? 2 : 1); i++) {
        const mq_bench_model *m = i < j->n_entries ? j->entries[i].out : &j->peers[i - j->n_entries];
        json_t *e, *list;

        if (!m->n_metrics)
            continue;
        e = mq_report_append(r, mq_report_section(r, "metrics"));
        mq_report_put_text(r, e, "model", m->file);
        mq_report_put_text(r, e, "engine", m->engine);
        mq_report_put_text(r, e, "output", m->metric_output);
        mq_report_put_int(r, e, "samples", (int64_t)m->n_judged);
        list = mq_report_array(r, e, "values");
        for (size_t k = 0; k < m->n_metrics; k++)
            put_metric(r, mq_report_append(r, list), &m->metrics[k]);
        if (!m->n_classes)
            continue;
        list = mq_report_array(r, e, "classes");
        for (size_t k = 0; k < m->n_classes; k++) {
            json_t *c = mq_report_append(r, list);

            if (*m->classes[k].name)
                mq_report_put_text(r, c, "name", m->classes[k].name);
            mq_report_put_int(r, c, "samples", (int64_t)m->classes[k].n);
            mq_report_put_real(r, c, "precision", m->classes[k].precision);
            mq_report_put_real(r, c, "recall", m->classes[k].recall);
            mq_report_put_real(r, c, "f1", m->classes[k].f1);
        }
    }
}

mq_status mq_bench_fill_report(const mq_bench_job *j, mq_error *err)
{
    if (!j->report)
        return MQ_OK;
    put_models(j);
    for (size_t i = 0; i < j->rows.n; i++)
        put_row(j, mq_report_append(j->report, mq_report_section(j->report, "latency")), &j->rows.items[i]);
    put_metrics(j);
    if (j->opts->profile)
        put_profile(j);
    return mq_report_status(j->report, err);
}
