/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* mq_check_against: two models on the same data, or one beside stored outputs or beside ONNX Runtime, tensor by tensor. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/against_peer.h"
#include "api/running.h"
#include "base/pattern.h"
#include "base/str.h"
#include "base/threads.h"
#include "data/convert.h"
#include "exec/compare.h"
#include "report/report.h"

/* The result and what its pointers point to. */
typedef struct holder {
    mq_against_result result;
    mq_arena *arena;
} holder;

/* A tensor that is compared: the output of that number in each plan. */
typedef struct pair {
    const char *name, *reference; /* in each model */
    bool is_output;
    mq_compare sums;
    char *note; /* why it could not be compared */
    bool open;  /* nothing says what it should be: not judged */
} pair;

typedef struct job {
    const mq_against_opts *opts;
    const mq_hooks *hooks;
    mq_model *model, *reference;
    mq_running a, b; /* b is not open without a reference */
    mq_peer_side onnxruntime; /* where that is the reference */
    mq_dataset *data;
    mq_arena *arena;
    pair *pairs;
    size_t n_pairs;
    size_t *feeds; /* for each input of the reference's plan the model's that feeds it; SIZE_MAX: its default */
    uint64_t n_samples, n_runs;
} job;

mq_against_opts mq_against_opts_default(void)
{
    return (mq_against_opts){ .min_sqnr = -INFINITY, .atol = 1e-5, .rtol = 1e-3 };
}

void mq_against_result_free(mq_against_result *result)
{
    if (result)
        mq_arena_free(((holder *)result)->arena); /* its first member */
}

/* ---- what is compared ---------------------------------------------------------------------------------------------- */

static bool runs_in(const mq_model *m, const char *name)
{
    const mq_value *v = mq_graph_find_here(m->graph, name);

    for (size_t i = 0; i < m->graph->outputs.n; i++)
        if (strcmp(m->graph->outputs.items[i]->name, name) == 0)
            return true;
    return v && v->producer;
}

static mq_status add_pair(job *j, const char *name, const char *reference, bool is_output, mq_error *err)
{
    pair *p = &j->pairs[j->n_pairs];

    for (size_t i = 0; i < j->n_pairs; i++)
        if (strcmp(j->pairs[i].name, name) == 0)
            return MQ_OK;
    if (!(p->name = mq_arena_strdup(j->arena, name)) || !(p->reference = mq_arena_strdup(j->arena, reference)))
        return mq_oom(err);
    p->is_output = is_output;
    j->n_pairs++;
    return MQ_OK;
}

/* Outputs that nobody chose go by position when the reference has as many and none of the names. */
static bool by_position(const job *j)
{
    const mq_value_vec *outs = &j->model->graph->outputs;

    if (j->opts->outputs || !j->reference || outs->n != j->reference->graph->outputs.n)
        return false;
    for (size_t i = 0; i < outs->n; i++)
        if (runs_in(j->reference, outs->items[i]->name))
            return false;
    return true;
}

static mq_status pair_outputs(job *j, mq_error *err)
{
    const mq_value_vec *outs = &j->model->graph->outputs;
    const bool positions = by_position(j);
    mq_status rc = mq_need_tensors(j->model, "--outputs", j->opts->outputs, j->opts->outputs ? j->opts->n_outputs : 0, err);

    if (positions)
        mq_tell(j->opts->note, j->opts->user,
                "the reference has other names for its outputs: they are compared by position");
    for (size_t i = 0; i < (j->opts->outputs ? j->opts->n_outputs : outs->n) && rc == MQ_OK; i++) {
        const char *name = j->opts->outputs ? j->opts->outputs[i] : outs->items[i]->name;

        if (j->reference && !positions && !runs_in(j->reference, name))
            return mq_fail(err, j->opts->outputs ? MQ_ERR_USAGE : MQ_ERR_INPUT,
                           "the reference has no tensor '%s': --outputs names those to compare", name);
        rc = add_pair(j, name, positions ? j->reference->graph->outputs.items[i]->name : name, true, err);
    }
    return rc;
}

static mq_status pair_tensors(job *j, mq_error *err)
{
    const char **names;
    size_t n, had = j->n_pairs;
    mq_status rc;

    if (!j->opts->n_tensors)
        return MQ_OK;
    if (!j->reference)
        return mq_fail(err, MQ_ERR_USAGE, "--tensors needs --against REFERENCE");
    if ((rc = mq_match_tensors(j->model, "--tensors", j->opts->tensors, j->opts->n_tensors, &names, &n, err)) != MQ_OK)
        return rc;
    for (size_t i = 0; i < n && rc == MQ_OK; i++)
        if (runs_in(j->model, names[i]) && runs_in(j->reference, names[i]))
            rc = add_pair(j, names[i], names[i], false, err);
    if (rc == MQ_OK && n && j->n_pairs == had)
        mq_tell(j->opts->note, j->opts->user, "--tensors: the reference has none of the %zu tensors that match", n);
    return rc;
}

static const char **names_of_pairs(const job *j)
{
    const char **names = mq_arena_calloc(j->arena, j->n_pairs + 1, sizeof *names);

    for (size_t i = 0; names && i < j->n_pairs; i++)
        names[i] = j->pairs[i].name;
    return names;
}

static mq_status open_peer(job *j, mq_error *err)
{
    const char **names = names_of_pairs(j);

    if (!names)
        return mq_oom(err);
    return mq_peer_side_open(&j->onnxruntime, j->model, names, j->n_pairs, mq_threads(j->hooks ? j->hooks->n_threads : 0),
                             err);
}

static mq_status open_plans(job *j, mq_error *err)
{
    const char **names = names_of_pairs(j);
    const char **theirs = mq_arena_calloc(j->arena, j->n_pairs + 1, sizeof *names);
    const bool edges = j->reference; /* two models are compared, and fed, in numbers */
    const mq_plan_opts a = { .outputs = names, .n_outputs = j->n_pairs, .float_edges = edges };
    const mq_plan_opts b = { .outputs = theirs, .n_outputs = j->n_pairs, .float_edges = edges };
    mq_status rc;

    if (!names || !theirs)
        return mq_oom(err);
    for (size_t i = 0; i < j->n_pairs; i++)
        theirs[i] = j->pairs[i].reference;
    if ((rc = mq_running_open(&j->a, j->model, &a, j->hooks, err)) != MQ_OK)
        return rc;
    if (j->reference && (rc = mq_running_open(&j->b, j->reference, &b, j->hooks, err)) != MQ_OK)
        mq_error_prefix(err, "reference");
    return rc;
}

/* Without a reference the data have to hold what outputs should be: of one at least. */
static mq_status match_wanted(job *j, mq_error *err)
{
    size_t n = 0;

    for (size_t i = 0; i < j->n_pairs; i++) {
        if (mq_dataset_has_want(j->data, i)) {
            n++;
            continue;
        }
        if (j->opts->outputs)
            return mq_fail(err, MQ_ERR_INPUT, "the data hold no reference values of output '%s'", j->pairs[i].name);
        j->pairs[i].open = true;
        if (!(j->pairs[i].note = mq_arena_strdup(j->arena, "the data hold no reference values of it")))
            return mq_oom(err);
    }
    if (!n)
        return mq_fail(err, MQ_ERR_INPUT, "the data hold no reference values: no array is called like output '%s' "
                       "(--against REFERENCE compares with another model)", j->n_pairs ? j->pairs[0].name : "");
    return MQ_OK;
}

/* ---- running ------------------------------------------------------------------------------------------------------- */

static bool is_number(const mq_array *a)
{
    return a->kind == MQ_TYPE_TENSOR && mq_can_convert(a->dtype, MQ_DOUBLE);
}

/* Elements of different types are compared as numbers. */
static mq_status add_arrays(const job *j, pair *p, mq_array *a, mq_array *b, mq_error *err)
{
    mq_array *x = NULL, *y = NULL;
    mq_status rc = MQ_OK;

    if (a->dtype == b->dtype || !is_number(a) || !is_number(b))
        return mq_compare_add(&p->sums, a, b, j->opts->rtol, j->opts->atol, err);
    MQ_TRY(mq_array_convert(&x, a, MQ_DOUBLE, err));
    MQ_TRY(mq_array_convert(&y, b, MQ_DOUBLE, err));
    MQ_TRY(mq_compare_add(&p->sums, x, y, j->opts->rtol, j->opts->atol, err));
done:
    mq_array_unref(x);
    mq_array_unref(y);
    return rc;
}

static mq_status compare_pair(job *j, pair *p, mq_array *a, mq_array *b, mq_error *err)
{
    mq_error why = { 0 };
    mq_status rc;

    if (p->note)
        return MQ_OK;
    if (!a || !b)
        return (p->note = mq_arena_strdup(j->arena, "no reference values")) ? MQ_OK : mq_oom(err);
    rc = add_arrays(j, p, a, b, &why);
    if (rc == MQ_ERR_INPUT)
        return (p->note = mq_arena_strdup(j->arena, why.text)) ? MQ_OK : mq_oom(err);
    if (rc != MQ_OK && err)
        *err = why;
    return rc;
}

static mq_status run_reference(job *j, const mq_data_call *call, mq_error *err)
{
    mq_array **in = calloc(j->b.n_in + 1, sizeof *in);
    mq_status rc = in ? mq_running_feed(&j->b, j->feeds, call->in, in, err) : mq_oom(err);

    if (rc == MQ_OK)
        rc = mq_running_run(&j->b, in, err);
    if (rc != MQ_OK && rc != MQ_ERR_NOMEM)
        mq_error_prefix(err, "reference");
    for (size_t k = 0; in && k < j->b.n_in; k++)
        mq_array_unref(in[k]);
    free(in);
    return rc;
}

static mq_status run_call(job *j, const mq_data_call *call, mq_error *err)
{
    mq_array *const *theirs;
    mq_status rc;

    MQ_TRY(mq_running_run(&j->a, call->in, err));
    if (j->reference)
        MQ_TRY(run_reference(j, call, err));
    if (j->onnxruntime.peer)
        MQ_TRY(mq_peer_side_run(&j->onnxruntime, j->a.inputs, call->in, j->a.n_in, err));
    if (j->onnxruntime.refused)
        return MQ_OK;
    theirs = j->reference ? j->b.out : j->onnxruntime.peer ? j->onnxruntime.out : call->want;
    for (size_t i = 0; i < j->n_pairs; i++)
        MQ_TRY(compare_pair(j, &j->pairs[i], j->a.out[i], theirs[i], err));
    j->n_samples += call->n ? call->n : 1;
    if (j->n_runs++ == 0)
        mq_source_look(j->data, j->a.inputs, j->a.n_in, j->opts->detail, j->opts->user);
    if (j->opts->source.n_carry) /* the reference's state for both: each step is judged by itself */
        MQ_TRY(mq_dataset_carry(j->data, j->reference || j->onnxruntime.peer ? theirs : j->a.out, err));
    mq_progress(j->hooks, "compare", j->n_samples, mq_dataset_n_samples(j->data));
    rc = mq_check_cancelled(j->hooks, err);
done:
    return rc;
}

static mq_status run_all(job *j, mq_error *err)
{
    const mq_data_call *call;
    mq_status rc;

    for (;;) {
        MQ_TRY(mq_dataset_next(j->data, &call, err));
        if (!call || j->onnxruntime.refused)
            break;
        MQ_TRY(run_call(j, call, err));
    }
    mq_source_warn(&j->opts->source, j->data, j->hooks);
done:
    return rc;
}

/* ---- results ------------------------------------------------------------------------------------------------------- */

/* Without a bound the default tolerance is one. */
static bool tolerance_counts(const mq_against_opts *o)
{
    return !o->only_measure && (o->has_tolerance || !isfinite(o->min_sqnr));
}

static bool sqnr_counts(const mq_against_opts *o)
{
    return !o->only_measure && isfinite(o->min_sqnr);
}

static mq_agreement judge(const job *j, const pair *p)
{
    const mq_compare *c = &p->sums;
    mq_agreement a = {
        .name = p->name, .reference = p->reference, .is_output = p->is_output, .count = c->count, .differ = c->differ,
        .outside = c->outside, .nonfinite = c->nonfinite, .max_abs = c->max_abs, .max_rel = c->max_rel,
        .sqnr = mq_compare_sqnr(c), .cosine = mq_compare_cosine(c), .agree = mq_compare_agreement(c),
        .note = p->note ? p->note : "",
    };

    a.ok = p->open || !p->note;
    if (!p->note && sqnr_counts(j->opts))
        a.ok = a.sqnr >= j->opts->min_sqnr;
    if (!p->note && tolerance_counts(j->opts))
        a.ok = a.ok && c->outside == 0;
    return a;
}

static mq_status add_bound(mq_report *report, const char *name, const mq_agreement *a, mq_str *asked, mq_str *got, bool pass,
                           mq_error *err)
{
    mq_status rc = asked->failed || got->failed ? mq_oom(err)
                                                : mq_report_add_bound_of(report, name, a->name, asked->s, got->s, pass, err);

    mq_str_release(asked);
    mq_str_release(got);
    return rc;
}

/* A bound for each output and each thing asked of it; what could not be compared is a finding. */
static mq_status report_verdict(const job *j, mq_report *report, const mq_agreement *a, mq_error *err)
{
    const mq_against_opts *o = j->opts;
    mq_str asked = { 0 }, got = { 0 };
    mq_status rc = MQ_OK;

    if (*a->note) {
        if (!a->ok && !o->only_measure)
            mq_report_add_finding(report, MQ_REPORT_ERROR, "output-not-compared", a->name, a->note);
        return MQ_OK;
    }
    if (sqnr_counts(o)) {
        mq_str_addf(&asked, ">= %g dB", o->min_sqnr);
        if (isfinite(a->sqnr))
            mq_str_addf(&got, "%.2f dB", a->sqnr);
        else
            mq_str_add(&got, a->sqnr > 0 ? "equal" : a->nonfinite ? "NaN or infinity" : "noise without a signal");
        rc = add_bound(report, "min-sqnr", a, &asked, &got, a->sqnr >= o->min_sqnr, err);
    }
    if (rc == MQ_OK && tolerance_counts(o)) {
        mq_str_addf(&asked, "|a-b| <= %g + %g*|b|", o->atol, o->rtol);
        mq_str_addf(&got, "%llu of %llu outside, largest error %.3g", (unsigned long long)a->outside,
                    (unsigned long long)a->count, a->max_abs);
        rc = add_bound(report, "tolerance", a, &asked, &got, a->outside == 0, err);
    }
    return rc;
}

void mq_agreement_report(mq_report *report, const mq_agreement *a)
{
    json_t *o = mq_report_append(report, mq_report_section(report, "agreement"));

    mq_report_put_text(report, o, "tensor", a->name);
    if (strcmp(a->name, a->reference) != 0)
        mq_report_put_text(report, o, "reference", a->reference);
    mq_report_put_bool(report, o, "output", a->is_output);
    mq_report_put_bool(report, o, "ok", a->ok);
    if (*a->note) {
        mq_report_put_text(report, o, "note", a->note);
        return;
    }
    mq_report_put_int(report, o, "elements", (int64_t)a->count);
    mq_report_put_int(report, o, "differ", (int64_t)a->differ);
    mq_report_put_int(report, o, "outside", (int64_t)a->outside);
    mq_report_put_int(report, o, "not_finite", (int64_t)a->nonfinite);
    mq_report_put_real(report, o, "max_abs", a->max_abs);
    mq_report_put_real(report, o, "max_rel", a->max_rel);
    mq_report_put_real(report, o, "sqnr_db", a->sqnr);
    mq_report_put_real(report, o, "cosine", a->cosine);
    mq_report_put_real(report, o, "agreement", a->agree);
}

/* What was not compared first, then by SQNR, then as listed. */
static int worse_first(const void *x, const void *y)
{
    const mq_agreement *a = *(const mq_agreement *const *)x, *b = *(const mq_agreement *const *)y;

    if (!*a->note != !*b->note)
        return *a->note ? -1 : 1;
    if (a->sqnr != b->sqnr)
        return a->sqnr < b->sqnr ? -1 : 1;
    return a < b ? -1 : a > b;
}

/* The report has the outputs worst first, inner tensors as they follow each other in the graph. */
static mq_status fill_report(const job *j, mq_report *report, const mq_agreement *list, size_t n_outputs, mq_error *err)
{
    const mq_agreement **order = mq_arena_calloc(j->arena, j->n_pairs + 1, sizeof *order);

    if (!order)
        return mq_oom(err);
    for (size_t i = 0; i < j->n_pairs; i++)
        order[i] = &list[i];
    qsort(order, n_outputs, sizeof *order, worse_first);
    for (size_t i = 0; i < j->n_pairs; i++) {
        mq_status rc = i < n_outputs ? report_verdict(j, report, order[i], err) : MQ_OK;

        if (rc != MQ_OK)
            return rc;
        mq_agreement_report(report, order[i]);
    }
    return MQ_OK;
}

static mq_status finish(job *j, mq_report *report, holder *h, mq_error *err)
{
    mq_agreement *list = mq_arena_calloc(j->arena, j->n_pairs + 1, sizeof *list);
    size_t n_outputs = 0;
    mq_status rc;

    if (!list)
        return mq_oom(err);
    h->result = (mq_against_result){ .ok = true, .tensors = list, .n_tensors = j->n_pairs, .n_samples = j->n_samples,
                                     .generated = mq_dataset_generated(j->data), .engine = "" };
    if (j->onnxruntime.peer &&
        !(h->result.engine = mq_arena_strdup(j->arena, mq_peer_name(j->onnxruntime.peer))))
        return mq_oom(err);
    for (size_t i = 0; i < j->n_pairs; i++) {
        list[i] = judge(j, &j->pairs[i]);
        n_outputs += list[i].is_output;
        if (list[i].is_output) /* inner tensors explain, outputs decide */
            h->result.ok = h->result.ok && list[i].ok;
    }
    if ((rc = fill_report(j, report, list, n_outputs, err)) != MQ_OK)
        return rc;
    return mq_report_status(report, err);
}

/* A model that ONNX Runtime does not take is a finding, and nothing is compared. */
static mq_status finish_refused(const job *j, mq_report *report, holder *h, mq_error *err)
{
    h->result = (mq_against_result){ .engine = "onnxruntime", .refused = mq_arena_strdup(j->arena, j->onnxruntime.refused) };
    if (!h->result.refused)
        return mq_oom(err);
    mq_report_add_finding(report, MQ_REPORT_ERROR, "onnxruntime-refuses", "", h->result.refused);
    return mq_report_status(report, err);
}

static mq_status run_plans(job *j, holder *h, mq_report *report, mq_error *err)
{
    const mq_against_opts *o = j->opts;
    mq_status rc;

    MQ_TRY(open_plans(j, err));
    if (!(j->feeds = mq_arena_calloc(j->arena, j->b.n_in + 1, sizeof *j->feeds)))
        MQ_TRY(mq_oom(err));
    MQ_TRY(mq_running_pair(j->feeds, &j->a, &j->b, o->note, o->user, err));
    mq_runner_seed(j->a.runner, o->source.seed);
    if (j->reference)
        mq_runner_seed(j->b.runner, o->source.seed);
    MQ_TRY(mq_source_open(&j->data, &o->source, j->a.inputs, j->a.n_in, j->a.outputs, j->a.n_out, j->hooks, err));
    if (!j->reference && !j->onnxruntime.peer)
        MQ_TRY(match_wanted(j, err));
    mq_source_tell(&o->source, j->data, o->note, o->user);
    MQ_TRY(run_all(j, err));
    rc = j->onnxruntime.refused ? MQ_OK : finish(j, report, h, err);
done:
    return rc;
}

mq_status mq_check_against(mq_model *model, mq_model *reference, const mq_against_opts *opts, mq_report *report,
                           const mq_hooks *hooks, mq_against_result **out, mq_error *err)
{
    job j = { .opts = opts, .hooks = hooks, .model = model, .reference = reference, .arena = mq_arena_create() };
    holder *h = j.arena ? mq_arena_alloc(j.arena, sizeof *h) : NULL;
    mq_status rc;

    if (!h)
        MQ_TRY(mq_oom(err));
    h->arena = j.arena;
    if (!model->graph || (reference && !reference->graph))
        MQ_TRY(mq_fail(err, MQ_ERR_INPUT, "a model has no graph"));
    if (!(j.pairs = mq_arena_calloc(j.arena, model->graph->values.n + opts->n_outputs + 1, sizeof *j.pairs)))
        MQ_TRY(mq_oom(err));
    MQ_TRY(mq_source_declare(&opts->source, model, err));
    if (reference && (rc = mq_source_declare(&opts->source, reference, err)) != MQ_OK) {
        mq_error_prefix(err, "reference");
        goto done;
    }
    MQ_TRY(pair_outputs(&j, err));
    MQ_TRY(pair_tensors(&j, err));
    if (opts->with_onnxruntime)
        MQ_TRY(open_peer(&j, err));
    if (!j.onnxruntime.refused)
        MQ_TRY(run_plans(&j, h, report, err));
    if (j.onnxruntime.refused)
        MQ_TRY(finish_refused(&j, report, h, err));
    *out = &h->result;
    j.arena = NULL;
done:
    mq_peer_side_close(&j.onnxruntime);
    mq_dataset_free(j.data);
    mq_running_close(&j.a);
    mq_running_close(&j.b);
    mq_arena_free(j.arena);
    return rc;
}
