/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The proof of a merged model: its inputs, read again, run one after another on what their predecessors gave; their outputs
 * are what the merged model's should be. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/merge_job.h"
#include "api/prove.h"
#include "api/running.h"
#include "api/sound.h"
#include "data/convert.h"
#include "exec/compare.h"
#include "ops/ops.h"

#define SAME_PRECISION 100 /* dB: operators on both sides of a connection may be computed as one */
#define COARSE_PRECISION 40
#define NONE SIZE_MAX

/* Where an array comes from: output `at` of model `part`, or with NONE input `at` of the whole (NONE: from nowhere). */
typedef struct place {
    size_t part, at;
} place;

typedef struct side {
    mq_model *model;
    mq_running r;
    place *feeds;  /* of each input */
    mq_array **in; /* of the running call, borrowed */
} side;

typedef struct proving {
    const merge_job *j;
    mq_running whole;
    mq_dataset *data;
    side *sides;
    size_t *order; /* in which the models run */
    place *made;   /* for each output of the whole (an average: of the first model) */
    mq_compare *sums;
    const char **notes;
    uint64_t n_samples;
    mq_error *err;
} proving;

/* ---- who feeds whom ------------------------------------------------------------------------------------------------ */

static size_t find(const mq_value *const *values, size_t n, const char *prefix, const char *name)
{
    const size_t len = strlen(prefix);

    for (size_t i = 0; i < n; i++)
        if (values[i] && strncmp(values[i]->name, prefix, len) == 0 && strcmp(values[i]->name + len, name) == 0)
            return i;
    return NONE;
}

static mq_status find_feed(const proving *p, size_t part, size_t input)
{
    const merge_job *j = p->j;
    const side *s = &p->sides[part];
    const char *name = s->r.inputs[input]->name;
    place *to = &s->feeds[input];

    *to = (place){ NONE, NONE };
    for (size_t i = 0; i < j->links.n; i++) {
        const mq_merge_link *l = &j->links.items[i];

        if (l->to == part && strcmp(l->in_name, name) == 0) {
            const side *from = &p->sides[l->from];

            *to = (place){ l->from, find(from->r.outputs, from->r.n_out, "", l->out_name) };
        }
    }
    if (to->part == NONE)
        to->at = find(p->whole.inputs, p->whole.n_in, j->opts->average ? "" : j->parts[part].prefix, name);
    if (to->at == NONE && !mq_plan_input_optional(s->r.plan, input))
        return mq_fail(p->err, MQ_ERR_UNSUPPORTED, "input '%s' of %s cannot be found in the merged model", name,
                       j->parts[part].label);
    return MQ_OK;
}

static bool is_ready(const proving *p, size_t part, const bool *done)
{
    for (size_t i = 0; i < p->j->links.n; i++)
        if (p->j->links.items[i].to == part && !done[p->j->links.items[i].from])
            return false;
    return true;
}

static mq_status find_order(proving *p)
{
    const size_t n = p->j->n;
    bool *done = calloc(n, sizeof *done);
    size_t n_done = 0, before = NONE;

    p->order = calloc(n, sizeof *p->order);
    if (!done || !p->order) {
        free(done);
        return mq_oom(p->err);
    }
    while (n_done < n && n_done != before) {
        before = n_done;
        for (size_t i = 0; i < n; i++)
            if (!done[i] && is_ready(p, i, done)) {
                done[i] = true;
                p->order[n_done++] = i;
            }
    }
    free(done);
    if (n_done == n)
        return MQ_OK;
    return mq_fail(p->err, MQ_ERR_UNSUPPORTED, "the models feed each other: none of them can be run before the others");
}

static mq_status find_made(proving *p)
{
    const merge_job *j = p->j;

    for (size_t i = 0; i < p->whole.n_out; i++) {
        const char *name = p->whole.outputs[i]->name;

        p->made[i] = (place){ NONE, NONE };
        for (size_t s = 0; s < j->n && p->made[i].at == NONE; s++) {
            const mq_running *r = &p->sides[s].r;
            const char *prefix = j->opts->average ? "" : j->parts[s].prefix;
            const size_t len = strlen(prefix);

            if (strncmp(name, prefix, len) == 0)
                p->made[i] = (place){ s, find(r->outputs, r->n_out, "", name + len) };
        }
        if (p->made[i].at == NONE)
            return mq_fail(p->err, MQ_ERR_UNSUPPORTED, "output '%s' cannot be found in the models", name);
    }
    return MQ_OK;
}

/* ---- opening ------------------------------------------------------------------------------------------------------- */

static mq_status open_side(const proving *p, size_t i)
{
    side *s = &p->sides[i];
    mq_status rc = MQ_OK;

    MQ_TRY(mq_model_load(&s->model, p->j->parts[i].label, p->err));
    MQ_TRY(mq_sound_mend(s->model, p->j->parts[i].label, NULL, p->err));
    MQ_TRY(mq_infer_model(s->model, NULL, NULL, p->err));
    MQ_TRY(mq_running_open(&s->r, s->model, NULL, p->j->job.hooks, p->err));
    s->feeds = calloc(s->r.n_in + 1, sizeof *s->feeds);
    s->in = calloc(s->r.n_in + 1, sizeof *s->in);
    rc = s->feeds && s->in ? MQ_OK : mq_oom(p->err);
done:
    return rc;
}

static mq_status open_all(proving *p, mq_model *written)
{
    const merge_job *j = p->j;
    const mq_data_source *source = &j->opts->verify_on;
    mq_status rc = MQ_OK;

    MQ_TRY(find_order(p));
    MQ_TRY(mq_source_declare(source, written, p->err));
    MQ_TRY(mq_running_open(&p->whole, written, NULL, j->job.hooks, p->err));
    MQ_TRY(mq_source_open(&p->data, source, p->whole.inputs, p->whole.n_in, p->whole.outputs, p->whole.n_out, j->job.hooks,
                          p->err));
    for (size_t i = 0; i < j->n; i++)
        MQ_TRY(open_side(p, i));
    for (size_t i = 0; i < j->n; i++)
        for (size_t e = 0; e < p->sides[i].r.n_in; e++)
            MQ_TRY(find_feed(p, i, e));
    p->made = calloc(p->whole.n_out + 1, sizeof *p->made);
    p->sums = calloc(p->whole.n_out + 1, sizeof *p->sums);
    p->notes = calloc(p->whole.n_out + 1, sizeof *p->notes);
    if (!p->made || !p->sums || !p->notes)
        MQ_TRY(mq_oom(p->err));
    rc = find_made(p);
done:
    return rc;
}

static void close_all(proving *p)
{
    mq_dataset_free(p->data);
    mq_running_close(&p->whole);
    for (size_t i = 0; p->sides && i < p->j->n; i++) {
        mq_running_close(&p->sides[i].r);
        mq_model_free(p->sides[i].model);
        free(p->sides[i].feeds);
        free(p->sides[i].in);
    }
    free(p->sides);
    free(p->order);
    free(p->made);
    free(p->sums);
    free(p->notes);
}

/* ---- running ------------------------------------------------------------------------------------------------------- */

static mq_status run_sides(const proving *p, const mq_data_call *call)
{
    for (size_t i = 0; i < p->j->n; i++) {
        side *s = &p->sides[p->order[i]];
        mq_status rc;

        for (size_t e = 0; e < s->r.n_in; e++) {
            const place at = s->feeds[e];

            s->in[e] = at.at == NONE ? NULL : at.part == NONE ? call->in[at.at] : p->sides[at.part].r.out[at.at];
        }
        if ((rc = mq_running_run(&s->r, s->in, p->err)) != MQ_OK) {
            mq_error_prefix(p->err, "%s", p->j->parts[p->order[i]].label);
            return rc;
        }
    }
    return MQ_OK;
}

/* The mean of all models' outputs of one name, in double. */
static mq_status mean_of(const proving *p, const char *name, mq_array **out)
{
    mq_array *sum = NULL, *next = NULL;
    mq_status rc = MQ_OK;

    for (size_t s = 0; s < p->j->n; s++) {
        const mq_running *r = &p->sides[s].r;
        const size_t at = find(r->outputs, r->n_out, "", name);
        double *to;

        if (at == NONE)
            MQ_TRY(mq_fail(p->err, MQ_ERR_UNSUPPORTED, "output '%s' cannot be found in %s", name, p->j->parts[s].label));
        MQ_TRY(mq_array_convert(&next, r->out[at], MQ_DOUBLE, p->err));
        if (!sum)
            MQ_TRY(mq_array_create(&sum, MQ_DOUBLE, next->rank, next->dims, p->err));
        if (next->count != sum->count)
            MQ_TRY(mq_fail(p->err, MQ_ERR_INPUT, "the models give output '%s' in different shapes", name));
        to = sum->data;
        for (size_t i = 0; i < sum->count; i++)
            to[i] = (s ? to[i] : 0) + ((const double *)next->data)[i] / (double)p->j->n;
        mq_array_unref(next);
        next = NULL;
    }
    *out = sum;
    sum = NULL;
done:
    mq_array_unref(next);
    mq_array_unref(sum);
    return rc;
}

static mq_status compare(const proving *p, size_t i)
{
    const mq_against_opts tolerance = mq_against_opts_default();
    mq_array *got = NULL, *want = NULL;
    mq_status rc = MQ_OK;

    if (p->j->opts->average) {
        MQ_TRY(mean_of(p, p->whole.outputs[i]->name, &want));
        MQ_TRY(mq_array_convert(&got, p->whole.out[i], MQ_DOUBLE, p->err));
    } else {
        want = mq_array_ref(p->sides[p->made[i].part].r.out[p->made[i].at]);
        got = mq_array_ref(p->whole.out[i]);
    }
    rc = mq_compare_add(&p->sums[i], got, want, tolerance.rtol, tolerance.atol, p->err);
    if (rc == MQ_ERR_INPUT) { /* other shapes or kinds: what the bound is about */
        p->notes[i] = "another shape than the models give by themselves";
        rc = MQ_OK;
    }
done:
    mq_array_unref(got);
    mq_array_unref(want);
    return rc;
}

static mq_status run_all(proving *p)
{
    const mq_hooks *hooks = p->j->job.hooks;
    const mq_data_call *call;
    mq_status rc = MQ_OK;

    for (;;) {
        MQ_TRY(mq_dataset_next(p->data, &call, p->err));
        if (!call)
            break;
        MQ_TRY(mq_running_run(&p->whole, call->in, p->err));
        MQ_TRY(run_sides(p, call));
        for (size_t i = 0; i < p->whole.n_out; i++)
            if (!p->notes[i])
                MQ_TRY(compare(p, i));
        p->n_samples += call->n ? call->n : 1;
        mq_progress(hooks, "compare", p->n_samples, mq_dataset_n_samples(p->data));
        MQ_TRY(mq_check_cancelled(hooks, p->err));
    }
    mq_source_warn(&p->j->opts->verify_on, p->data, hooks);
done:
    return rc;
}

/* ---- results ------------------------------------------------------------------------------------------------------- */

static mq_agreement judge(const proving *p, size_t i)
{
    const mq_compare *c = &p->sums[i];

    return (mq_agreement){
        .name = p->whole.outputs[i]->name, .reference = p->whole.outputs[i]->name, .is_output = true, .ok = !p->notes[i],
        .count = c->count, .differ = c->differ, .outside = c->outside, .nonfinite = c->nonfinite, .max_abs = c->max_abs,
        .max_rel = c->max_rel, .sqnr = mq_compare_sqnr(c), .cosine = mq_compare_cosine(c),
        .agree = mq_compare_agreement(c), .note = p->notes[i] ? p->notes[i] : "",
    };
}

static mq_status finish(const proving *p, const mq_proof_opts *o)
{
    mq_agreement *list = calloc(p->whole.n_out + 1, sizeof *list);
    const mq_against_result r = { .ok = true, .engine = "", .refused = NULL, .tensors = list, .n_tensors = p->whole.n_out,
                                  .n_samples = p->n_samples, .generated = mq_dataset_generated(p->data) };
    mq_status rc;

    if (!list)
        return mq_oom(p->err);
    for (size_t i = 0; i < p->whole.n_out; i++) {
        list[i] = judge(p, i);
        mq_agreement_report(p->j->job.report, &list[i]);
    }
    rc = mq_prove_judge(o, &r, p->j->job.report, p->err);
    free(list);
    return rc;
}

mq_status mq_merge_prove(const merge_job *j, mq_model *written, mq_error *err)
{
    const mq_proof_opts o = { .verify = j->opts->verify, .source = &j->opts->verify_on, .input = j->job.input,
                              .min_sqnr = j->opts->min_sqnr,
                              .expected_sqnr = j->exact ? SAME_PRECISION : COARSE_PRECISION,
                              .beside = "the models by themselves" };
    mq_error why = { 0 };
    proving p = { .j = j, .sides = calloc(j->n, sizeof *p.sides), .err = &why };
    mq_status rc = p.sides ? MQ_OK : mq_oom(&why);

    if (rc == MQ_OK && strcmp(j->job.input, "-") == 0)
        rc = mq_fail(&why, MQ_ERR_UNSUPPORTED, "a model from standard input cannot be read again to be run");
    if (rc == MQ_OK)
        rc = open_all(&p, written);
    if (rc == MQ_OK)
        rc = run_all(&p);
    if (rc == MQ_OK)
        rc = finish(&p, &o);
    close_all(&p);
    return mq_prove_settle(&o, rc, &why, j->job.report, err);
}
