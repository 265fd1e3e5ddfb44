/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* How right models are: all of them on all of the data, sample by sample side by side, so that differences between them
 * can be paired. What is right is said by labels, else by reference outputs among the data, else by the first model's
 * outputs. What the metrics mean is exec/metrics.h's. */
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "api/against_peer.h"
#include "api/bench_parts.h"
#include "api/eval_cmd.h"
#include "base/threads.h"
#include "data/class_names.h"
#include "exec/metrics.h"
#include "passes/pass.h"

enum { MOST_LISTED_CLASSES = 1000 };

typedef enum truth { BY_NOBODY, BY_LABELS, BY_REFERENCE, BY_FIRST } truth;

/* One model in one engine. */
typedef struct judged {
    mq_bench_entry *entry;
    mq_bench_model *out;
    mq_peer_side side;    /* ONNX Runtime; not open: mq's own engine */
    mq_metrics *metrics;
    mq_metrics **beside;  /* per output of the first model: against that one's; NULL where there is none such here */
    size_t *same;         /* per output of the first model: the one here that is compared */
    const mq_data_call *call;
    size_t output;        /* that is judged */
    uint64_t n_pairs;     /* of samples, this model and the first */
    double worse, squares; /* sums of how much worse each is */
} judged;

typedef struct trial {
    mq_bench_job *job;
    truth truth;
    bool classes;         /* BY_LABELS: they are classes */
    bool one_hot;         /* classes that are written so */
    bool tokens;          /* several labels a sample, one row of scores each */
    bool many;            /* more than five classes */
    bool decided;         /* `classes` and `main` are */
    mq_metric main;
    judged *models;
    size_t n_own, n;      /* in mq's engine; then the same in ONNX Runtime */
} trial;

/* The first model in the same engine, which others are compared with. */
static judged *first_of(const trial *t, const judged *m)
{
    return m - t->models < (ptrdiff_t)t->n_own ? t->models : t->models + t->n_own;
}

static mq_array *const *outputs_of(const judged *m)
{
    return m->side.peer ? m->side.out : m->entry->run.out;
}

/* ---- what is judged ------------------------------------------------------------------------------------------------ */

static bool is_asked(const mq_bench_opts *o)
{
    return (o->metric || o->bounds.has_drop || o->bounds.has_metric) && !o->eval_cmd;
}

static truth find_truth(const mq_bench_job *j)
{
    const mq_bench_entry *e = &j->entries[0];

    if (mq_dataset_has_labels(e->data) && !j->opts->eval_cmd)
        return BY_LABELS;
    for (size_t i = 0; i < e->run.n_out && !j->opts->eval_cmd; i++)
        if (mq_dataset_has_want(e->data, i))
            return BY_REFERENCE;
    return j->n_entries > 1 && (is_asked(j->opts) || j->opts->bounds.has_sqnr) ? BY_FIRST : BY_NOBODY;
}

static size_t find_output(const mq_bench_entry *e, const char *name)
{
    size_t i = 0;

    while (i < e->run.n_out && strcmp(e->run.outputs[i]->name, name) != 0)
        i++;
    return i < e->run.n_out ? i : SIZE_MAX;
}

/* The judged output of a model: the one that is named, the first with a reference, the first. */
static mq_status choose_output(const trial *t, judged *m, mq_error *err)
{
    const char *name = t->job->opts->metric_output;
    const mq_bench_entry *e = m->entry;

    m->output = 0;
    if (name && (m->output = find_output(e, name)) == SIZE_MAX)
        return mq_fail(err, MQ_ERR_USAGE, "--metric-output: '%s' has no output '%s'", e->path, name);
    while (!name && t->truth == BY_REFERENCE && m->output + 1 < e->run.n_out && !mq_dataset_has_want(e->data, m->output))
        m->output++;
    if (e->run.n_out == 0)
        return mq_fail(err, MQ_ERR_INPUT, "'%s' has no outputs", e->path);
    if (t->truth == BY_REFERENCE && !mq_dataset_has_want(e->data, m->output))
        return mq_fail(err, MQ_ERR_INPUT, "the data hold no reference values of output '%s' of '%s'",
                       e->run.outputs[m->output]->name, e->path);
    return MQ_OK;
}

/* Outputs that are compared with the first model's: by name, or by position when both have as many and no name agrees. */
static mq_status pair_outputs(const trial *t, judged *m, mq_error *err)
{
    const mq_running *first = &t->models[0].entry->run;
    size_t n_same = 0;
    mq_status rc = MQ_OK;

    if (m == first_of(t, m))
        return MQ_OK;
    m->beside = mq_arena_calloc(t->job->arena, first->n_out + 1, sizeof *m->beside);
    m->same = mq_arena_calloc(t->job->arena, first->n_out + 1, sizeof *m->same);
    if (!m->beside || !m->same)
        return mq_oom(err);
    for (size_t i = 0; i < first->n_out; i++) {
        m->same[i] = find_output(m->entry, first->outputs[i]->name);
        n_same += m->same[i] != SIZE_MAX;
    }
    for (size_t i = 0; i < first->n_out && rc == MQ_OK; i++) {
        if (n_same == 0 && first->n_out == m->entry->run.n_out)
            m->same[i] = i;
        if (m->same[i] != SIZE_MAX)
            rc = mq_metrics_create(&m->beside[i], err);
    }
    return rc;
}

static mq_metric default_main(const trial *t)
{
    if (t->classes)
        return t->tokens ? MQ_METRIC_PERPLEXITY : MQ_METRIC_TOP1;
    return t->truth == BY_FIRST ? MQ_METRIC_AGREEMENT : t->truth == BY_REFERENCE ? MQ_METRIC_SQNR : MQ_METRIC_MSE;
}

/* After the first run of the first model: are labels classes, and is the metric one of these? */
static mq_status decide(trial *t, const mq_array *out, const mq_array *labels, mq_error *err)
{
    const char *name = t->job->opts->metric;

    t->decided = true;
    t->classes = t->one_hot || (t->truth == BY_LABELS && out && mq_metrics_are_classes(out, labels));
    t->tokens = t->classes && labels->rank == 2 && labels->dims[1] > 1 && out->rank == 3;
    t->many = t->classes && out->rank > 1 && out->count / labels->count > 5;
    t->main = default_main(t);
    if (!name || t->job->opts->eval_cmd)
        return MQ_OK;
    mq_metric_find(name, &t->main); /* mq_bench_check_bounds has seen that there is such */
    if (mq_metric_of_classes(t->main) != t->classes)
        return mq_fail(err, MQ_ERR_USAGE, "--metric %s does not fit the labels, which are %s", name,
                       t->classes ? "classes" : "values of the output's shape");
    return MQ_OK;
}

/* ---- running ------------------------------------------------------------------------------------------------------- */

/* Samples of a run in this output; SIZE_MAX: it is no batch. */
static size_t samples_of(const mq_data_call *call, const mq_array *out)
{
    return call->rows && out->rank && out->dims[0] == (int64_t)call->rows ? call->n : SIZE_MAX;
}

static mq_status judge_beside(const trial *t, judged *m, mq_error *err)
{
    const mq_running *first = &t->models[0].entry->run;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < first->n_out && m->beside && rc == MQ_OK; i++) {
        const mq_array *want = outputs_of(first_of(t, m))[i], *got = m->beside[i] ? outputs_of(m)[m->same[i]] : NULL;

        if (want && got && want->kind == MQ_TYPE_TENSOR && want->dtype != MQ_STRING)
            rc = mq_metrics_add_values(m->beside[i], got, want, samples_of(m->call, want), err);
    }
    return rc;
}

/* Could the labels be one-hot, as far as the metric goes? */
static bool may_be_one_hot(const trial *t)
{
    const char *name = t->job->opts->metric;
    mq_metric which;

    return t->decided ? t->one_hot : !name || (mq_metric_find(name, &which) && mq_metric_of_classes(which));
}

static mq_status judge_labels(trial *t, judged *m, const mq_array *out, mq_error *err)
{
    const mq_array *labels = m->call->labels;
    mq_array *classes = NULL;
    mq_status rc = MQ_OK;

    if (may_be_one_hot(t))
        MQ_TRY(mq_metrics_one_hot(&classes, out, labels, err));
    if (t->decided && t->one_hot && !classes)
        MQ_TRY(mq_fail(err, MQ_ERR_INPUT, "labels are one 1 among zeros at first, and something else later on"));
    if (!t->decided) {
        t->one_hot = classes != NULL;
        MQ_TRY(decide(t, out, classes ? classes : labels, err));
    }
    labels = classes ? classes : labels;
    rc = (t->classes ? mq_metrics_add_classes : mq_metrics_add_values)(m->metrics, out, labels, m->call->n, err);
done:
    mq_array_unref(classes);
    return rc;
}

static mq_status judge_call(trial *t, judged *m, mq_error *err)
{
    const mq_array *out = outputs_of(m)[m->output], *first = outputs_of(first_of(t, m))[first_of(t, m)->output];

    if (!out)
        return mq_fail(err, MQ_ERR_INPUT, "output '%s' was not made", m->entry->run.outputs[m->output]->name);
    if (t->truth == BY_LABELS)
        return judge_labels(t, m, out, err);
    if (!t->decided) {
        mq_status rc = decide(t, out, m->call->labels, err);

        if (rc != MQ_OK)
            return rc;
    }
    if (t->truth == BY_REFERENCE && m->call->want[m->output])
        return mq_metrics_add_values(m->metrics, out, m->call->want[m->output], samples_of(m->call, out), err);
    if (t->truth == BY_FIRST && m != first_of(t, m) && first)
        return mq_metrics_add_values(m->metrics, out, first, samples_of(m->call, out), err);
    return MQ_OK;
}

static void pair_samples(const trial *t, judged *m)
{
    size_t n_first, n;
    const double *first = mq_metrics_last(first_of(t, m)->metrics, t->main, &n_first);
    const double *own = mq_metrics_last(m->metrics, t->main, &n);
    const double sign = mq_metric_lower_is_better(t->main) ? 1 : -1;

    for (size_t i = 0; first && own && i < n && n == n_first; i++) {
        const double d = sign * (own[i] - first[i]);

        m->n_pairs++;
        m->worse += d;
        m->squares += d * d;
    }
}

/* On the inputs of mq's own run, which stand before it. */
static mq_status run_peer(const trial *t, judged *m, mq_error *err)
{
    const mq_bench_entry *e = m->entry;
    mq_status rc;

    m->call = m[-(ptrdiff_t)t->n_own].call;
    if (!m->call)
        return MQ_OK;
    rc = mq_peer_side_run(&m->side, e->run.inputs, m->call->in, e->run.n_in, err);
    return rc == MQ_OK && m->side.refused ? mq_fail(err, MQ_ERR_UNSUPPORTED, "%s", m->side.refused) : rc;
}

static mq_status run_own(judged *m, mq_error *err)
{
    const mq_status rc = mq_dataset_next(m->entry->data, &m->call, err);

    return rc != MQ_OK || !m->call ? rc : mq_running_run(&m->entry->run, m->call->in, err);
}

/* One run of one model; m->call NULL: its data are at their end. */
static mq_status run_model(trial *t, judged *m, mq_error *err)
{
    mq_bench_entry *e = m->entry;
    mq_status rc = m->side.peer ? run_peer(t, m, err) : run_own(m, err);

    if (rc != MQ_OK || !m->call)
        return rc;
    if (t->truth != BY_FIRST || is_asked(t->job->opts))
        MQ_TRY(judge_call(t, m, err));
    MQ_TRY(judge_beside(t, m, err));
    if (m != first_of(t, m))
        pair_samples(t, m);
    if (t->job->opts->source.n_carry && !m->side.peer)
        rc = mq_dataset_carry(e->data, e->run.out, err);
done:
    return rc;
}

static mq_status run_all(trial *t, mq_error *err)
{
    const uint64_t total = mq_dataset_n_samples(t->models[0].entry->data);
    mq_status rc = MQ_OK;

    for (uint64_t done_n = 0;;) {
        for (size_t i = 0; i < t->n; i++) {
            rc = run_model(t, &t->models[i], err);
            if (rc != MQ_OK && t->n > 1)
                mq_error_prefix(err, "%s", t->models[i].entry->path);
            if (rc != MQ_OK)
                return rc;
        }
        if (!t->models[0].call)
            return MQ_OK;
        for (size_t i = 1; i < t->n_own; i++)
            if (!t->models[i].call || t->models[i].call->n != t->models[0].call->n)
                return mq_fail(err, MQ_ERR_INPUT,
                               "%s: its batches differ from those of '%s': they cannot be judged side by side",
                               t->models[i].entry->path, t->models[0].entry->path);
        done_n += t->models[0].call->n ? t->models[0].call->n : 1;
        mq_progress(t->job->hooks, "judge", done_n, total);
        if ((rc = mq_check_cancelled(t->job->hooks, err)) != MQ_OK)
            return rc;
        if (mq_seconds() >= t->job->deadline && done_n < total) {
            mq_warn(t->job->hooks, "bench-time-limit", "", "the time is up: %llu of %llu samples are judged",
                    (unsigned long long)done_n, (unsigned long long)total);
            return MQ_OK;
        }
    }
}

/* ---- what came out ------------------------------------------------------------------------------------------------- */

/* Metrics that are told: all of the kind, without those that say nothing here. */
static bool is_told(const trial *t, mq_metric which)
{
    if (which == t->main)
        return true;
    if (mq_metric_of_classes(which) != t->classes)
        return false;
    return which == MQ_METRIC_TOP5 ? t->many : which == MQ_METRIC_PERPLEXITY ? t->tokens : true;
}

/* How much worse than the first, with the interval of the paired difference where samples can be paired. */
static void set_drop(const trial *t, const judged *m, mq_metric which, mq_bench_metric *out)
{
    const bool shares = which == MQ_METRIC_AGREEMENT || which == MQ_METRIC_COSINE;
    double first = 1, scale, half;

    if (m == first_of(t, m) ||
        (t->truth == BY_FIRST ? !shares : !mq_metrics_value(first_of(t, m)->metrics, which, &first)))
        return;
    out->has_drop = isfinite(first) && isfinite(out->value);
    if (!out->has_drop && first == out->value)
        out->has_drop = true;
    out->drop.value = first == out->value ? 0 : mq_eval_drop(first, out->value, out->lower_is_better);
    out->drop.lo = out->drop.hi = out->drop.value;
    if (which != t->main || m->n_pairs < 2 || !out->has_drop)
        return;
    scale = (first >= 0 && first <= 1 && out->value >= 0 && out->value <= 1) || first == 0 ? 1 : 1 / fabs(first);
    half = mq_metrics_half_interval(which, m->n_pairs, m->worse, m->squares);
    out->has_interval = true;
    out->drop.lo -= half * scale;
    out->drop.hi += half * scale;
}

static mq_status tell_classes(const trial *t, const judged *m, mq_error *err)
{
    size_t n;
    const mq_class_counts *counts = mq_metrics_classes(m->metrics, &n);
    const char **names;
    mq_bench_class *list;
    mq_status rc;

    if (!t->classes || n > MOST_LISTED_CLASSES)
        return MQ_OK;
    rc = mq_class_names(m->entry->model, n, mq_dtype_is_integer(mq_value_dtype(m->entry->run.outputs[m->output])),
                        t->job->arena, &names, err);
    if (rc != MQ_OK)
        return rc;
    if (!(list = mq_arena_calloc(t->job->arena, n + 1, sizeof *list)))
        return mq_oom(err);
    for (size_t i = 0; i < n; i++)
        list[i] = (mq_bench_class){ .precision = mq_class_precision(&counts[i]), .recall = mq_class_recall(&counts[i]),
                                    .f1 = mq_class_f1(&counts[i]), .n = counts[i].right + counts[i].missed,
                                    .name = names ? names[i] : "" };
    m->out->classes = list;
    m->out->n_classes = n;
    return MQ_OK;
}

static mq_status tell_metrics(const trial *t, const judged *m, mq_error *err)
{
    mq_bench_model *out = m->out;
    mq_bench_metric *list = mq_arena_calloc(t->job->arena, MQ_N_METRICS, sizeof *list);

    if (!list || !(out->metric_output = mq_arena_strdup(t->job->arena, m->entry->run.outputs[m->output]->name)))
        return mq_oom(err);
    for (int i = 0; i < MQ_N_METRICS; i++) {
        mq_bench_metric *x = &list[out->n_metrics];

        if (!is_told(t, (mq_metric)i) || !mq_metrics_value(m->metrics, (mq_metric)i, &x->value))
            continue;
        x->name = mq_metric_name((mq_metric)i);
        x->known = true;
        x->main = (mq_metric)i == t->main;
        x->lower_is_better = mq_metric_lower_is_better((mq_metric)i);
        set_drop(t, m, (mq_metric)i, x);
        out->n_metrics++;
    }
    out->metrics = list;
    out->n_judged = mq_metrics_count(m->metrics);
    return tell_classes(t, m, err);
}

/* The worst output beside the first model's. */
static mq_status tell_sqnr(const trial *t, const judged *m, mq_error *err)
{
    const mq_running *first = &t->models[0].entry->run;

    for (size_t i = 0; m->beside && i < first->n_out; i++) {
        double v;

        if (!m->beside[i] || !mq_metrics_value(m->beside[i], MQ_METRIC_SQNR, &v) || !(isnan(m->out->sqnr) ||
                                                                                      v < m->out->sqnr))
            continue;
        m->out->sqnr = v;
        if (!(m->out->sqnr_output = mq_arena_strdup(t->job->arena, first->outputs[i]->name)))
            return mq_oom(err);
    }
    return MQ_OK;
}

mq_status mq_bench_check_quality(const mq_bench_job *j, mq_error *err)
{
    const mq_bench_opts *o = j->opts;
    const truth t = find_truth(j);
    mq_metric which;

    if (!is_asked(o))
        return MQ_OK;
    if (t == BY_NOBODY)
        return mq_fail(err, MQ_ERR_USAGE, "%s: nothing says what is right: --data with --labels, data with "
                                          "reference outputs, or "
                       "--eval-cmd", o->metric ? "--metric" : o->bounds.has_drop ? "--max-drop" : "--min-metric");
    if (!o->metric || !mq_metric_find(o->metric, &which))
        return MQ_OK;
    if (mq_metric_of_classes(which) && t != BY_LABELS)
        return mq_fail(err, MQ_ERR_USAGE, "--metric %s needs --labels", o->metric);
    if (t == BY_FIRST && o->bounds.has_drop && which != MQ_METRIC_AGREEMENT && which != MQ_METRIC_COSINE)
        return mq_fail(err, MQ_ERR_USAGE,
                       "--max-drop: against another model's outputs --metric %s has no value to drop from: "
                       "agreement and cosine have", o->metric);
    return MQ_OK;
}

/* ONNX Runtime beside each model, with a result of its own. */
static mq_status open_peers(trial *t, mq_error *err)
{
    mq_bench_job *j = t->job;

    if (t->n == t->n_own)
        return MQ_OK;
    if (!(j->peers = mq_arena_calloc(j->arena, t->n_own, sizeof *j->peers)))
        return mq_oom(err);
    for (size_t i = 0; i < t->n_own; i++) {
        judged *m = &t->models[t->n_own + i];
        const mq_running *r = &j->entries[i].run;
        const char **names = mq_arena_calloc(j->arena, r->n_out + 1, sizeof *names);
        mq_status rc = names ? MQ_OK : mq_oom(err);

        for (size_t k = 0; k < r->n_out && rc == MQ_OK; k++)
            names[k] = r->outputs[k]->name;
        if (rc == MQ_OK)
            rc = mq_peer_side_open(&m->side, j->entries[i].model, names, r->n_out, j->threads, err);
        if (rc == MQ_OK && m->side.refused)
            rc = mq_fail(err, MQ_ERR_UNSUPPORTED, "%s", m->side.refused);
        if (rc != MQ_OK)
            return rc;
        m->entry = &j->entries[i];
        m->out = &j->peers[i];
        *m->out = (mq_bench_model){ .file = m->entry->path, .metric_output = "", .sqnr_output = "", .sqnr = NAN };
        if (!(m->out->engine = mq_arena_strdup(j->arena, mq_peer_name(m->side.peer))))
            return mq_oom(err);
    }
    return MQ_OK;
}

mq_status mq_bench_quality(mq_bench_job *j, mq_error *err)
{
    trial t = { .job = j, .truth = find_truth(j), .n_own = j->n_entries,
                .n = j->n_entries * (j->opts->with_onnxruntime ? 2 : 1) };
    mq_status rc = MQ_OK;

    if (t.truth == BY_NOBODY)
        return MQ_OK;
    if (!(t.models = mq_arena_calloc(j->arena, t.n, sizeof *t.models)))
        return mq_oom(err);
    for (size_t i = 0; i < t.n_own; i++) {
        t.models[i].entry = &j->entries[i];
        t.models[i].out = j->entries[i].out;
        mq_dataset_rewind(j->entries[i].data);
    }
    MQ_TRY(open_peers(&t, err));
    for (size_t i = 0; i < t.n; i++) {
        MQ_TRY(mq_metrics_create(&t.models[i].metrics, err));
        MQ_TRY(choose_output(&t, &t.models[i], err));
        MQ_TRY(pair_outputs(&t, &t.models[i], err));
    }
    MQ_TRY(run_all(&t, err));
    for (size_t i = 0; i < t.n; i++) {
        if (!j->opts->eval_cmd)
            MQ_TRY(tell_metrics(&t, &t.models[i], err));
        MQ_TRY(tell_sqnr(&t, &t.models[i], err));
    }
done:
    for (size_t i = 0; i < t.n; i++) {
        mq_metrics_free(t.models[i].metrics);
        mq_peer_side_close(&t.models[i].side);
        for (size_t k = 0; t.models[i].beside && k < t.models[0].entry->run.n_out; k++)
            mq_metrics_free(t.models[i].beside[k]);
    }
    return rc;
}
