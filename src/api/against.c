/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* mq_check_against: two models on the same data, or one beside stored outputs, tensor by tensor. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/running.h"
#include "base/pattern.h"
#include "exec/compare.h"
#include "report/report.h"

/* The result and what its pointers point to. */
typedef struct holder {
    mq_against_result result;
    mq_arena *arena;
} holder;

/* A tensor that is compared: the i-th output of the model's plan and the k-th of the reference's. */
typedef struct pair {
    const char *name;
    bool is_output;
    size_t i, k;
    mq_compare sums;
    char *note; /* why it could not be compared */
} pair;

typedef struct job {
    const mq_against_opts *opts;
    const mq_hooks *hooks;
    mq_model *model, *reference;
    mq_running a, b; /* b is not open without a reference */
    mq_dataset *data;
    mq_arena *arena;
    pair *pairs;
    size_t n_pairs;
    uint64_t n_samples;
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

static bool has_output(const mq_model *m, const char *name)
{
    for (size_t i = 0; i < m->graph->outputs.n; i++)
        if (strcmp(m->graph->outputs.items[i]->name, name) == 0)
            return true;
    return false;
}

static bool runs_in(const mq_model *m, const char *name)
{
    const mq_value *v = mq_graph_find_here(m->graph, name);

    return v && v->producer;
}

static mq_status add_pair(job *j, const char *name, bool is_output, mq_error *err)
{
    for (size_t i = 0; i < j->n_pairs; i++)
        if (strcmp(j->pairs[i].name, name) == 0)
            return MQ_OK;
    if (!(j->pairs[j->n_pairs].name = mq_arena_strdup(j->arena, name)))
        return mq_oom(err);
    j->pairs[j->n_pairs].is_output = is_output;
    j->pairs[j->n_pairs].i = j->pairs[j->n_pairs].k = j->n_pairs;
    j->n_pairs++;
    return MQ_OK;
}

/* Outputs by name; when no name agrees but the number does, by position. */
static mq_status pair_outputs(job *j, mq_error *err)
{
    const mq_value_vec *outs = &j->model->graph->outputs;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < (j->opts->outputs ? j->opts->n_outputs : outs->n) && rc == MQ_OK; i++) {
        const char *name = j->opts->outputs ? j->opts->outputs[i] : outs->items[i]->name;

        if (j->opts->outputs && !has_output(j->model, name))
            return mq_fail(err, MQ_ERR_USAGE, "--outputs: the model has no output '%s'", name);
        if (j->reference && !runs_in(j->reference, name) && !has_output(j->reference, name))
            return mq_fail(err, MQ_ERR_USAGE, "output '%s' is not in the reference: --outputs names those to compare", name);
        rc = add_pair(j, name, true, err);
    }
    return rc;
}

static mq_status pair_tensors(job *j, mq_error *err)
{
    const char **names;
    size_t n;
    mq_status rc;

    if (!j->opts->n_tensors || !j->reference)
        return MQ_OK;
    if ((rc = mq_match_tensors(j->model, "--tensors", j->opts->tensors, j->opts->n_tensors, &names, &n, err)) != MQ_OK)
        return rc;
    for (size_t i = 0; i < n && rc == MQ_OK; i++)
        if (runs_in(j->model, names[i]) && runs_in(j->reference, names[i]))
            rc = add_pair(j, names[i], false, err);
    return rc;
}

static mq_status open_plans(job *j, mq_error *err)
{
    const char **names = mq_arena_calloc(j->arena, j->n_pairs + 1, sizeof *names);
    mq_plan_opts o = { .outputs = names, .n_outputs = j->n_pairs };
    mq_status rc;

    if (!names)
        return mq_oom(err);
    for (size_t i = 0; i < j->n_pairs; i++)
        names[i] = j->pairs[i].name;
    if ((rc = mq_running_open(&j->a, j->model, &o, j->hooks, err)) != MQ_OK)
        return rc;
    if (j->reference && (rc = mq_running_open(&j->b, j->reference, &o, j->hooks, err)) != MQ_OK)
        mq_error_prefix(err, "reference");
    return rc;
}

/* ---- running ------------------------------------------------------------------------------------------------------- */

/* The reference's inputs, by name, of what the model is fed. */
static mq_status feed_reference(job *j, const mq_call *call, mq_array **in, mq_error *err)
{
    for (size_t k = 0; k < j->b.n_in; k++) {
        in[k] = NULL;
        for (size_t i = 0; i < j->a.n_in && !in[k]; i++)
            if (strcmp(j->a.inputs[i]->name, j->b.inputs[k]->name) == 0)
                in[k] = call->in[i];
        if (!in[k] && !mq_plan_input_optional(j->b.plan, k))
            return mq_fail(err, MQ_ERR_INPUT, "the reference wants input '%s', which the model does not have", j->b.inputs[k]->name);
    }
    return MQ_OK;
}

/* Quantized models may give another element type: floats of any width are compared as numbers. */
static mq_status compare_pair(job *j, pair *p, const mq_array *a, const mq_array *b, mq_error *err)
{
    mq_error why = { 0 };
    mq_status rc;

    if (p->note)
        return MQ_OK;
    if (!a || !b)
        return (p->note = mq_arena_strdup(j->arena, "no reference values")) ? MQ_OK : mq_oom(err);
    rc = mq_compare_add(&p->sums, a, b, j->opts->rtol, j->opts->atol, &why);
    if (rc == MQ_ERR_INPUT)
        return (p->note = mq_arena_strdup(j->arena, why.text)) ? MQ_OK : mq_oom(err);
    return rc;
}

static mq_status run_call(job *j, const mq_call *call, mq_error *err)
{
    mq_array **in = calloc(j->b.n_in + 1, sizeof *in);
    mq_status rc;

    if (!in)
        return mq_oom(err);
    MQ_TRY(mq_running_run(&j->a, call->in, err));
    if (j->reference) {
        MQ_TRY(feed_reference(j, call, in, err));
        MQ_TRY(mq_running_run(&j->b, in, err));
    }
    for (size_t i = 0; i < j->n_pairs; i++)
        MQ_TRY(compare_pair(j, &j->pairs[i], j->a.out[i], j->reference ? j->b.out[i] : call->want[i], err));
    j->n_samples += call->n ? call->n : 1;
    if (j->opts->source.n_carry)
        MQ_TRY(mq_dataset_carry(j->data, j->reference ? j->b.out : j->a.out, err));
    mq_progress(j->hooks, "compare", j->n_samples, mq_dataset_n_samples(j->data));
    rc = mq_check_cancelled(j->hooks, err);
done:
    free(in);
    return rc;
}

static mq_status run_all(job *j, mq_error *err)
{
    const mq_call *call;
    mq_status rc;

    for (;;) {
        MQ_TRY(mq_dataset_next(j->data, &call, err));
        if (!call)
            break;
        MQ_TRY(run_call(j, call, err));
    }
    mq_source_warn(j->data, j->hooks);
done:
    return rc;
}

/* ---- results ------------------------------------------------------------------------------------------------------- */

static mq_agreement judge(const job *j, const pair *p)
{
    const mq_compare *c = &p->sums;
    const mq_against_opts *o = j->opts;
    mq_agreement a = { .name = p->name, .is_output = p->is_output, .count = c->count, .differ = c->differ, .outside = c->outside,
                       .max_abs = c->max_abs, .max_rel = c->max_rel, .sqnr = mq_compare_sqnr(c),
                       .cosine = mq_compare_cosine(c), .agree = mq_compare_agreement(c), .note = p->note ? p->note : "" };
    const bool bounded = o->has_tolerance || isfinite(o->min_sqnr);

    a.ok = !p->note && (!isfinite(o->min_sqnr) || a.sqnr >= o->min_sqnr);
    if (o->has_tolerance || !bounded) /* without a bound the tolerance that the options' defaults name counts */
        a.ok = a.ok && c->outside == 0;
    return a;
}

static void report_pair(mq_report *report, const mq_agreement *a)
{
    json_t *o = mq_report_append(report, mq_report_section(report, "agreement"));

    mq_report_put_text(report, o, "tensor", a->name);
    mq_report_put_bool(report, o, "output", a->is_output);
    mq_report_put_bool(report, o, "ok", a->ok);
    mq_report_put_int(report, o, "elements", (int64_t)a->count);
    mq_report_put_int(report, o, "differ", (int64_t)a->differ);
    mq_report_put_int(report, o, "outside", (int64_t)a->outside);
    mq_report_put_real(report, o, "max_abs", a->max_abs);
    mq_report_put_real(report, o, "max_rel", a->max_rel);
    mq_report_put_real(report, o, "sqnr_db", a->sqnr);
    mq_report_put_real(report, o, "cosine", a->cosine);
    mq_report_put_real(report, o, "agreement", a->agree);
    if (*a->note)
        mq_report_put_text(report, o, "note", a->note);
}

static mq_status finish(job *j, mq_report *report, holder *h, mq_error *err)
{
    mq_agreement *list = mq_arena_calloc(j->arena, j->n_pairs + 1, sizeof *list);

    if (!list)
        return mq_oom(err);
    h->result = (mq_against_result){ .ok = true, .tensors = list, .n_tensors = j->n_pairs, .n_samples = j->n_samples,
                                     .generated = mq_dataset_generated(j->data) };
    for (size_t i = 0; i < j->n_pairs; i++) {
        list[i] = judge(j, &j->pairs[i]);
        if (list[i].is_output) /* inner tensors explain, outputs decide */
            h->result.ok = h->result.ok && list[i].ok;
        report_pair(report, &list[i]);
    }
    return mq_report_status(report, err);
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
    if (reference)
        MQ_TRY(mq_source_declare(&opts->source, reference, err));
    MQ_TRY(pair_outputs(&j, err));
    MQ_TRY(pair_tensors(&j, err));
    MQ_TRY(open_plans(&j, err));
    MQ_TRY(mq_source_open(&j.data, &opts->source, j.a.inputs, j.a.n_in, j.a.outputs, j.a.n_out, hooks, err));
    mq_source_tell(j.data, opts->note, opts->user);
    MQ_TRY(run_all(&j, err));
    MQ_TRY(finish(&j, report, h, err));
    *out = &h->result;
    j.arena = NULL;
done:
    mq_dataset_free(j.data);
    mq_running_close(&j.a);
    mq_running_close(&j.b);
    mq_arena_free(j.arena);
    return rc;
}
