/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* A plan on data: opening, running, and what is said about the data. */
#include "api/running.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/sound.h"
#include "base/pattern.h"
#include "data/convert.h"
#include "graph/clone.h"
#include "ops/ops.h"

double mq_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* An inner tensor that is fed has no producer in the plan, whose passes then know no type of it: the model does. */
static const mq_value *known_input(const mq_model *m, const mq_value *of_plan)
{
    const mq_value *v = of_plan->type || of_plan->declared ? NULL : mq_graph_find_here(m->graph, of_plan->name);

    return v && v->type ? v : of_plan;
}

mq_status mq_running_open(mq_running *r, mq_model *m, const mq_plan_opts *opts, const mq_hooks *hooks, mq_error *err)
{
    mq_status rc;

    *r = (mq_running){ 0 };
    MQ_TRY(mq_plan_create(&r->plan, m, opts, hooks, err));
    MQ_TRY(mq_runner_create(&r->runner, r->plan, hooks ? hooks->n_threads : 0, err));
    mq_runner_hooks(r->runner, hooks);
    r->n_in = mq_plan_n_inputs(r->plan);
    r->n_out = mq_plan_n_outputs(r->plan);
    r->inputs = calloc(r->n_in + 1, sizeof *r->inputs);
    r->outputs = calloc(r->n_out + 1, sizeof *r->outputs);
    r->in = calloc(r->n_in + 1, sizeof *r->in);
    r->out = calloc(r->n_out + 1, sizeof *r->out);
    if (!r->inputs || !r->outputs || !r->in || !r->out)
        MQ_TRY(mq_oom(err));
    for (size_t i = 0; i < r->n_in; i++)
        r->inputs[i] = known_input(m, mq_plan_input(r->plan, i));
    for (size_t i = 0; i < r->n_out; i++)
        r->outputs[i] = mq_plan_output(r->plan, i);
done:
    if (rc != MQ_OK)
        mq_running_close(r);
    return rc;
}

static void drop_outputs(mq_running *r)
{
    for (size_t i = 0; r->out && i < r->n_out; i++) {
        mq_array_unref(r->out[i]);
        r->out[i] = NULL;
    }
}

void mq_running_close(mq_running *r)
{
    drop_outputs(r);
    mq_runner_free(r->runner);
    mq_plan_free(r->plan);
    free(r->inputs);
    free(r->outputs);
    free(r->in);
    free(r->out);
    *r = (mq_running){ 0 };
}

mq_status mq_running_run(mq_running *r, mq_array *const *in, mq_error *err)
{
    drop_outputs(r);
    memcpy(r->in, in, r->n_in * sizeof *in);
    return mq_runner_run(r->runner, r->in, r->out, err);
}

uint64_t mq_running_batch(const mq_running *r)
{
    for (size_t i = 0; i < r->n_in; i++) {
        const mq_type *t = r->inputs[i]->declared ? r->inputs[i]->declared : r->inputs[i]->type;

        if (t && t->kind == MQ_TYPE_TENSOR && t->rank > 0 && t->dims[0].value > 0)
            return (uint64_t)t->dims[0].value;
    }
    return 0;
}

static size_t find_input(const mq_running *r, const char *name)
{
    size_t i = 0;

    while (i < r->n_in && strcmp(r->inputs[i]->name, name) != 0)
        i++;
    return i < r->n_in ? i : SIZE_MAX;
}

mq_status mq_running_pair(size_t *feeds, const mq_running *model, const mq_running *reference,
                          void (*tell)(void *user, const char *text), void *user, mq_error *err)
{
    size_t n_found = 0;

    for (size_t k = 0; k < reference->n_in; k++) {
        feeds[k] = find_input(model, reference->inputs[k]->name);
        n_found += feeds[k] != SIZE_MAX;
    }
    if (n_found == 0 && reference->n_in && reference->n_in == model->n_in) {
        mq_tell(tell, user, "the reference has other names for its inputs: they are fed by position");
        for (size_t k = 0; k < reference->n_in; k++)
            feeds[k] = k;
    }
    for (size_t k = 0; k < reference->n_in; k++)
        if (feeds[k] == SIZE_MAX && !mq_plan_input_optional(reference->plan, k))
            return mq_fail(err, MQ_ERR_INPUT, "the reference wants input '%s', which the model does not have",
                           reference->inputs[k]->name);
    return MQ_OK;
}

mq_status mq_running_feed(const mq_running *reference, const size_t *feeds, mq_array *const *given, mq_array **in,
                          mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t k = 0; k < reference->n_in && rc == MQ_OK; k++) {
        mq_array *a = feeds[k] != SIZE_MAX ? given[feeds[k]] : NULL;
        const mq_value *v = reference->inputs[k];
        const mq_type *want = v->declared ? v->declared : v->type;

        if (!a)
            continue;
        if (a->kind == MQ_TYPE_TENSOR && want && want->kind == MQ_TYPE_TENSOR && want->dtype != a->dtype &&
            mq_can_convert(a->dtype, want->dtype))
            rc = mq_array_convert(&in[k], a, want->dtype, err);
        else
            in[k] = mq_array_ref(a);
    }
    return rc;
}

/* ---- data ---------------------------------------------------------------------------------------------------------- */

mq_status mq_source_declare(const mq_data_source *s, mq_model *m, mq_error *err)
{
    const char *place = m->path ? m->path : "-";
    mq_status rc;

    MQ_TRY(mq_sound_mend(m, place, NULL, err));
    MQ_TRY(mq_sound_check(m, place, "value-type", NULL, err)); /* shapes come with the data, or --shape */
    MQ_TRY(mq_shapes_apply(m, s->shapes, s->n_shapes, s->dims, s->n_dims, err));
    MQ_TRY(mq_infer_model(m, NULL, NULL, err));
done:
    return rc;
}

mq_status mq_source_shape(const mq_data_source *s, mq_model *m, mq_model **shaped, mq_error *err)
{
    mq_status rc = MQ_OK;

    *shaped = NULL;
    if (!s->n_shapes && !s->n_dims)
        return MQ_OK;
    MQ_TRY(mq_model_clone(shaped, m, err));
    MQ_TRY(mq_shapes_apply(*shaped, s->shapes, s->n_shapes, s->dims, s->n_dims, err));
    MQ_TRY(mq_infer_model(*shaped, NULL, NULL, err));
done:
    if (rc != MQ_OK) {
        mq_model_free(*shaped);
        *shaped = NULL;
    }
    return rc;
}

static mq_data_opts data_opts(const mq_data_source *s)
{
    static const char *const generated[] = { "random:1" };

    return (mq_data_opts){
        .data = s->n_data ? s->data : generated, .n_data = s->n_data ? s->n_data : 1, .labels = s->labels,
        .n_labels = s->n_labels, .preprocess = s->preprocess, .n_preprocess = s->n_preprocess, .fills = s->fills,
        .n_fills = s->n_fills, .carry = s->carry, .n_carry = s->n_carry, .samples = s->samples, .batch = s->batch,
        .seed = s->seed, .skip_bad = s->skip_bad, .val = s->val,
    };
}

mq_status mq_source_open(mq_dataset **out, const mq_data_source *s, const mq_value *const *inputs, size_t n_inputs,
                         const mq_value *const *outputs, size_t n_outputs, const mq_hooks *hooks, mq_error *err)
{
    const mq_data_opts opts = data_opts(s);

    return mq_dataset_open(out, &opts, inputs, n_inputs, outputs, n_outputs, hooks, err);
}

mq_status mq_source_open_part(mq_dataset **out, const mq_data_source *s, int shard, int n_shards,
                              const mq_value *const *inputs, size_t n_inputs, const mq_value *const *outputs,
                              size_t n_outputs, const mq_hooks *hooks, mq_error *err)
{
    mq_data_opts opts = data_opts(s);

    opts.refuse_nonfinite = !s->allow_nonfinite;
    opts.shard = shard;
    opts.n_shards = n_shards;
    return mq_dataset_open(out, &opts, inputs, n_inputs, outputs, n_outputs, hooks, err);
}

void mq_tell(void (*tell)(void *user, const char *text), void *user, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    if (!tell)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    tell(user, text);
}

void mq_source_tell(const mq_data_source *s, const mq_dataset *ds, void (*tell)(void *user, const char *text), void *user)
{
    const char *const *notes;
    const size_t n = mq_dataset_notes(ds, &notes);

    if (!tell)
        return;
    if (!s->n_data && mq_dataset_generated(ds))
        tell(user, "no data are given: the inputs are generated (--data)");
    for (size_t i = 0; i < n; i++)
        tell(user, notes[i]);
}

void mq_source_look(const mq_dataset *ds, const mq_value *const *inputs, size_t n_inputs,
                    void (*tell)(void *user, const char *text), void *user)
{
    for (size_t i = 0; tell && i < n_inputs; i++) {
        const mq_input_look *look = mq_dataset_look(ds, i);

        if (look->seen)
            mq_tell(tell, user, "'%.200s' is %s, %.6g to %.6g", inputs[i]->name, look->text, look->min, look->max);
    }
}

void mq_source_warn(const mq_data_source *s, const mq_dataset *ds, const mq_hooks *hooks)
{
    const mq_data_counts *c = mq_dataset_counts(ds);

    if (c->nonfinite && !s->allow_nonfinite)
        mq_warn(hooks, "data-nonfinite", "", "%llu of %llu samples have NaN or infinity; the first is %s",
                (unsigned long long)c->nonfinite, (unsigned long long)c->samples, c->first_nonfinite);
    if (c->skipped)
        mq_warn(hooks, "data-skipped", "", "%llu samples could not be read and are left out",
                (unsigned long long)c->skipped);
}

/* ---- names --------------------------------------------------------------------------------------------------------- */

static bool runs(const mq_value *v)
{
    return v->producer || (v->is_input && !v->init);
}

mq_status mq_match_tensors(mq_model *m, const char *option, const char *const *patterns, size_t n, const char ***names,
                           size_t *n_names, mq_error *err)
{
    const mq_value_vec *values = &m->graph->values;
    mq_patterns *p = NULL;
    const char **found;
    mq_status rc;

    *n_names = 0;
    if (!(found = mq_arena_calloc(m->arena, values->n + 1, sizeof *found)))
        return mq_oom(err);
    MQ_TRY(mq_patterns_create(&p, option, patterns, n, err));
    for (size_t i = 0; i < values->n; i++)
        if (runs(values->items[i]))
            mq_patterns_offer(p, values->items[i]->name);
    for (size_t i = 0; i < values->n; i++)
        if (runs(values->items[i]) && mq_patterns_match(p, values->items[i]->name))
            found[(*n_names)++] = values->items[i]->name;
    MQ_TRY(mq_patterns_check_used(p, err));
    *names = found;
done:
    mq_patterns_free(p);
    return rc;
}

mq_status mq_need_tensors(const mq_model *m, const char *option, const char *const *names, size_t n, mq_error *err)
{
    const mq_value_vec *values = &m->graph->values;
    const char **all;
    char near[512];

    for (size_t i = 0; i < n; i++) {
        if (mq_graph_find_here(m->graph, names[i]))
            continue;
        if (!(all = mq_arena_calloc(m->arena, values->n + 1, sizeof *all)))
            return mq_oom(err);
        for (size_t k = 0; k < values->n; k++)
            all[k] = values->items[k]->name;
        mq_suggest(near, sizeof near, names[i], all, values->n);
        return mq_fail(err, MQ_ERR_USAGE, "%s: the model has no tensor '%s'%s", option, names[i], near);
    }
    return MQ_OK;
}
