/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The original's runs: what it was given, what it gave, and the values in between that are needed at some place. */
#include <string.h>

#include "api/sensitivity_parts.h"

/* ---- the original -------------------------------------------------------------------------------------------------- */

mq_status mq_sense_open_data(mq_sense *s, uint64_t samples)
{
    mq_data_source source = *s->o->source;

    mq_dataset_free(s->data);
    s->data = NULL;
    if (samples && (!source.samples || samples < source.samples))
        source.samples = samples;
    return mq_source_open(&s->data, &source, s->whole.inputs, s->whole.n_in, s->whole.outputs, s->whole.n_out, s->o->hooks,
                          s->err);
}

/* What the model is given, copied: it lies in the data's own memory. */
static mq_status hold_inputs(mq_sense *s, mq_held *h, const mq_data_call *call)
{
    const mq_graph *g = s->model->graph;
    mq_status rc = MQ_OK;

    h->n = call->n;
    h->rows = call->rows;
    for (size_t i = 0; i < g->inputs.n && i < s->whole.n_in && rc == MQ_OK; i++)
        if (g->inputs.items[i]->tag && call->in[i])
            rc = mq_array_copy(&h->at[g->inputs.items[i]->tag - 1], call->in[i], s->err);
    if (rc == MQ_OK && call->labels)
        rc = mq_array_copy(&h->labels, call->labels, s->err);
    return rc;
}

static mq_status hold_run(mq_sense *s, mq_held *h, const mq_data_call *call)
{
    mq_status rc;

    h->at = calloc(s->spans.n + 1, sizeof *h->at);
    h->truth = calloc(s->whole.n_out + 1, sizeof *h->truth);
    if (!h->at || !h->truth)
        return mq_oom(s->err);
    MQ_TRY(hold_inputs(s, h, call));
    MQ_TRY(mq_running_run(&s->whole, call->in, s->err));
    for (size_t i = 0; i < s->whole.n_out; i++)
        h->truth[i] = mq_array_ref(s->whole.out[i]);
    if (s->o->source->n_carry)
        rc = mq_dataset_carry(s->data, s->whole.out, s->err);
done:
    return rc;
}

mq_status mq_sense_hold(mq_sense *s)
{
    const mq_data_call *call;
    size_t n = 0;
    mq_status rc;

    MQ_TRY(mq_sense_open_data(s, s->n_samples));
    if (!(s->runs = calloc(s->n_runs + 1, sizeof *s->runs)))
        MQ_TRY(mq_oom(s->err));
    MQ_TRY(mq_dataset_next(s->data, &call, s->err));
    for (; call && n < s->n_runs; n++) {
        MQ_TRY(hold_run(s, &s->runs[n], call));
        s->out->n_samples += call->n ? call->n : 1;
        MQ_TRY(mq_dataset_next(s->data, &call, s->err));
    }
    s->n_runs = n;
done:
    return rc;
}

static void let_go_run(const mq_sense *s, mq_held *h)
{
    for (size_t i = 0; h->at && i < s->spans.n; i++)
        mq_array_unref(h->at[i]);
    for (size_t i = 0; h->truth && i < s->whole.n_out; i++)
        mq_array_unref(h->truth[i]);
    mq_array_unref(h->labels);
    free(h->at);
    free(h->truth);
}

void mq_sense_let_go(mq_sense *s)
{
    for (size_t i = 0; s->runs && i < s->n_runs; i++)
        let_go_run(s, &s->runs[i]);
    free(s->runs);
    s->runs = NULL;
}

/* ---- the metric ---------------------------------------------------------------------------------------------------- */

mq_status mq_sense_judge(const mq_sense *s, mq_metrics *sums, const mq_held *h, const mq_array *out)
{
    mq_array *classes = NULL;
    const mq_array *labels = h->labels;
    mq_status rc = MQ_OK;

    if (s->one_hot) {
        MQ_TRY(mq_metrics_one_hot(&classes, out, labels, s->err));
        labels = classes ? classes : labels;
    }
    rc = (mq_metric_of_classes(s->out->metric) ? mq_metrics_add_classes : mq_metrics_add_values)(sums, out, labels, h->n,
                                                                                                   s->err);
done:
    mq_array_unref(classes);
    return rc;
}

/* Which metric it is, by labels and options. */
static mq_status choose_metric(mq_sense *s)
{
    const mq_array *out, *labels = s->n_runs ? s->runs[0].labels : NULL;
    mq_array *one_hot = NULL;
    bool classes;
    mq_status rc = MQ_OK;

    while (s->o->metric_output && s->judged < s->whole.n_out &&
           strcmp(s->whole.outputs[s->judged]->name, s->o->metric_output) != 0)
        s->judged++;
    if (s->judged >= s->whole.n_out)
        return mq_fail(s->err, MQ_ERR_USAGE, "--metric-output: there is no output '%s'", s->o->metric_output);
    if (!labels || !(out = s->runs[0].truth[s->judged]))
        return MQ_OK;
    MQ_TRY(mq_metrics_one_hot(&one_hot, out, labels, s->err));
    s->one_hot = one_hot != NULL;
    classes = one_hot || mq_metrics_are_classes(out, labels);
    s->out->metric = classes ? MQ_METRIC_TOP1 : MQ_METRIC_MSE;
    if (s->o->metric && mq_metric_find(s->o->metric, &s->out->metric) && mq_metric_of_classes(s->out->metric) != classes)
        MQ_TRY(mq_fail(s->err, MQ_ERR_USAGE, "--metric %s does not fit the labels, which are %s", s->o->metric,
                       classes ? "classes" : "values of the output's shape"));
    s->out->has_metric = true;
done:
    mq_array_unref(one_hot);
    return rc;
}

mq_status mq_sense_judge_original(mq_sense *s)
{
    mq_metrics *sums = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(choose_metric(s));
    if (!s->out->has_metric)
        return MQ_OK;
    MQ_TRY(mq_metrics_create(&sums, s->err));
    for (size_t i = 0; i < s->n_runs; i++)
        MQ_TRY(mq_sense_judge(s, sums, &s->runs[i], s->runs[i].truth[s->judged]));
    s->out->has_metric = mq_metrics_value(sums, s->out->metric, &s->out->first);
done:
    mq_metrics_free(sums);
    return rc;
}

/* ---- from part to part --------------------------------------------------------------------------------------------- */

/* Names of the spans that lie on both sides of a place. */
size_t mq_sense_names_at(const mq_sense *s, size_t place, const char **names)
{
    size_t n = 0;

    for (size_t i = 0; i < s->spans.n; i++)
        if (mq_span_crosses(&s->spans.items[i], place))
            names[n++] = s->spans.items[i].value->name;
    return n;
}

/* What the nodes from `place` on are given, in the order of names_at. */
void mq_sense_arrays_at(const mq_sense *s, const mq_held *h, size_t place, mq_array **in)
{
    size_t n = 0;

    for (size_t i = 0; i < s->spans.n; i++)
        if (mq_span_crosses(&s->spans.items[i], place))
            in[n++] = h->at[i];
}

/* Holds what is needed from `to` on, and no more than that. */
static mq_status carry_run(const mq_sense *s, mq_running *run, mq_held *h, size_t from, size_t to, mq_array **in)
{
    mq_status rc = MQ_OK;

    if (run->plan) {
        mq_sense_arrays_at(s, h, from, in);
        rc = mq_running_run(run, in, s->err);
    }
    for (size_t i = 0, n = 0; i < s->spans.n && rc == MQ_OK; i++) {
        const mq_span *p = &s->spans.items[i];

        if (mq_span_crosses(p, to) && !mq_span_crosses(p, from))
            h->at[i] = mq_array_ref(run->out[n++]);
        else if (!mq_span_crosses(p, to)) {
            mq_array_unref(h->at[i]);
            h->at[i] = NULL;
        }
    }
    return rc;
}

/* Runs the nodes from one place to another, on all that is held. */
mq_status mq_sense_carry(mq_sense *s, size_t from, size_t to)
{
    mq_array **in = calloc(s->spans.n + 1, sizeof *in);
    mq_plan_opts opts = { .inputs = s->names, .outputs = s->names + s->spans.n };
    mq_running run = { 0 };
    mq_status rc = MQ_OK;

    if (!in)
        return mq_oom(s->err);
    opts.n_inputs = mq_sense_names_at(s, from, s->names);
    for (size_t i = 0; i < s->spans.n; i++)
        if (mq_span_crosses(&s->spans.items[i], to) && !mq_span_crosses(&s->spans.items[i], from))
            s->names[s->spans.n + opts.n_outputs++] = s->spans.items[i].value->name;
    if (opts.n_outputs)
        MQ_TRY(mq_running_open(&run, s->model, &opts, s->o->hooks, s->err));
    for (size_t i = 0; i < s->n_runs; i++) {
        MQ_TRY(mq_check_cancelled(s->o->hooks, s->err));
        MQ_TRY(carry_run(s, &run, &s->runs[i], from, to, in));
    }
done:
    mq_running_close(&run);
    free(in);
    return rc;
}

