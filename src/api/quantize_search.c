/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Bounds that the model does not hold as it was asked for: a form for each layer is chosen (search.h) by what the layer
 * loses alone (--sensitivity), and whole models are measured. For bounds on quality layers begin in float and are quantized
 * as far as that goes; for a size alone they begin as the options say and get fewer bits. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/quantize_hunt.h"
#include "api/running.h"
#include "report/report.h"

/* ---- choices ------------------------------------------------------------------------------------------------------- */

int mq_hunt_form(const mq_hunt *h, size_t level)
{
    if (h->fewer_bits)
        return (int)(level ? h->l.n_forms - 1 : h->l.asked);
    return (int)level - 1; /* 0 is float */
}

/* What a layer gets, unless it is what the options say. */
static void put_layer(const mq_hunt *h, const mq_quant_layer *layer, int form, mq_levels *to)
{
    mq_level as = { NULL, MQ_FLOAT, true };

    if (form == (int)h->l.asked)
        return;
    if (form != MQ_IN_FLOAT) {
        as.type = h->l.forms[form].type;
        as.float_inputs = h->l.forms[form].float_inputs;
    }
    as.name = layer->name;
    if (!layer->n_weights)
        h->room[to->n++] = as;
    for (size_t k = 0; k < layer->n_weights; k++) {
        as.name = layer->weights[k];
        h->room[to->n++] = as;
    }
}

mq_levels mq_hunt_levels(const mq_hunt *h, const size_t *level)
{
    mq_levels l = { .items = h->room };

    for (size_t i = 0; i < h->l.items.n; i++)
        put_layer(h, &h->l.items.items[i], mq_hunt_form(h, level[i]), &l);
    return l;
}

size_t mq_hunt_others(const mq_hunt *h, const size_t *level)
{
    size_t n = 0;

    for (size_t i = 0; i < h->l.items.n; i++)
        n += mq_hunt_form(h, level[i]) != (int)h->l.asked;
    return n;
}

static bool has_layers(const mq_hunt *h, const size_t *level)
{
    for (size_t i = 0; i < h->l.items.n; i++)
        if (mq_hunt_form(h, level[i]) != MQ_IN_FLOAT)
            return true;
    return false;
}

/* ---- trying -------------------------------------------------------------------------------------------------------- */

void mq_hunt_report(mq_hunt *h, const mq_trial *t)
{
    mq_report *r = h->j->job.report;
    json_t *to = mq_report_append(r, h->tried);

    mq_report_put_int(r, to, "others", (int64_t)t->n_other);
    mq_report_put_int(r, to, "bytes", (int64_t)t->bytes);
    mq_quality_put(r, to, &t->quality);
    if (t->speedup.value > 0) {
        mq_report_put_real(r, to, "latency_ms", t->latency.value * 1e3);
        mq_report_put_real(r, to, "speedup", t->speedup.value);
        mq_report_put_bool(r, to, "held", mq_hunt_is_fast(h, t));
    }
}

/* Builds the model of a choice; its quality where that is asked for. */
static mq_status try_choice(mq_hunt *h, const size_t *level, bool measured, mq_trial *out)
{
    const mq_quantize_job *j = h->j;
    const mq_levels levels = mq_hunt_levels(h, level);
    mq_candidate c = { 0 };
    mq_status rc;

    *out = (mq_trial){ .quality = { NAN, NAN, NAN, 0 }, .n_other = mq_hunt_others(h, level) };
    MQ_TRY(mq_candidate_open(&c, j, &levels, false));
    if (measured && h->by_quality)
        c.opts.dry_run = false; /* weights are rounded by data there, too */
    MQ_TRY(mq_candidate_build(&c));
    MQ_TRY(mq_candidate_size(&c, &out->bytes));
    if (measured && h->by_quality) {
        MQ_TRY(mq_quant_make_all(&c.job.plan, &c.quiet, j->job.err));
        rc = mq_judging_quality(j->judging, c.job.job.model, j->job.model, &j->opts->verify_on, &out->quality, j->job.err);
    }
done:
    mq_candidate_close(&c);
    return rc;
}

static mq_status cost(void *user, const size_t *level, double *cost, mq_error *err)
{
    mq_hunt *h = user;
    mq_trial t;
    mq_status rc = mq_check_cancelled(h->j->job.hooks, err);

    *cost = 0;
    if (rc != MQ_OK || !has_layers(h, level))
        return rc;
    if (!mq_hunt_others(h, level)) { /* it has been tried first of all */
        *cost = h->asked.quality.share;
        return MQ_OK;
    }
    if ((rc = try_choice(h, level, true, &t)) != MQ_OK)
        return rc;
    *cost = t.quality.share;
    if (!h->fewer_bits && t.quality.share < h->least_share) { /* `least` counts from float */
        h->least_share = t.quality.share;
        memcpy(h->least, level, h->l.items.n * sizeof *level);
    }
    mq_hunt_report(h, &t);
    mq_progress(h->j->job.hooks, "search", ++h->evals, h->j->opts->bounds.max_evals);
    return MQ_OK;
}

/* Bytes that are saved against what was asked for. */
static mq_status saved(void *user, const size_t *level, double *gain, mq_error *err)
{
    mq_hunt *h = user;
    mq_trial t;
    mq_status rc = mq_check_cancelled(h->j->job.hooks, err);

    if (rc == MQ_OK && (rc = try_choice(h, level, false, &t)) == MQ_OK)
        *gain = (double)h->asked.bytes - (double)t.bytes;
    return rc;
}

bool mq_hunt_is_over(void *user)
{
    const mq_hunt *h = user;

    return h->evals >= h->j->opts->bounds.max_evals || (h->deadline > 0 && mq_seconds() >= h->deadline);
}

/* ---- the search ---------------------------------------------------------------------------------------------------- */

/* Bytes that are saved, and products that are made of integers, each as a share of the whole; bytes alone where a size is
 * asked for. */
static double gain_of(const mq_hunt *h, const mq_quant_layer *layer, size_t form)
{
    double gain = 0;

    if (!layer->usable[form])
        return NAN;
    if (h->l.bytes > 0)
        gain = ((double)layer->bytes_before - (double)layer->bytes[form]) / h->l.bytes;
    if (!h->by_size && !h->l.forms[form].float_inputs && layer->n_results && h->l.macs > 0)
        gain += layer->macs / h->l.macs;
    return gain;
}

static void describe_levels(mq_hunt *h)
{
    const size_t first = h->fewer_bits ? h->l.n_forms - 1 : 0;

    for (size_t i = 0; i < h->l.items.n; i++) {
        const mq_quant_layer *layer = &h->l.items.items[i];
        mq_search_level *to = &h->levels[i * MQ_HUNT_LEVELS];

        h->options[i] = (mq_search_item){ to, h->l.n_forms - first };
        for (size_t f = first; f < h->l.n_forms; f++)
            to[f - first] = (mq_search_level){ gain_of(h, layer, f), layer->alone[f].noise };
        if (h->fewer_bits && first > h->l.asked) {
            to[0].gain = (double)layer->bytes[h->l.asked] - (double)layer->bytes[first];
            to[0].cost -= layer->alone[h->l.asked].noise;
        }
    }
}

static mq_status find(mq_hunt *h, mq_search_result *found)
{
    mq_search_goal goal = { .max_cost = INFINITY, .straight = true, .max_evals = SIZE_MAX };
    mq_search_calls calls = { .stop = mq_hunt_is_over, .user = h }; /* --max-evals are of all searches together */

    if (h->by_quality) {
        goal.max_cost = 1;
        calls.cost = cost;
    }
    if (h->fewer_bits) {
        goal.min_gain = fmax((double)h->asked.bytes - (double)h->most_bytes, 1);
        calls.gain = saved;
    }
    return mq_search(h->options, h->l.items.n, &goal, &calls, h->level, found, h->j->job.err);
}

static mq_status search(mq_hunt *h, mq_search_result *found)
{
    mq_report *r = h->j->job.report;
    mq_status rc;

    h->fewer_bits = !h->by_quality || h->asked.quality.share <= 1;
    describe_levels(h);
    MQ_TRY(find(h, found));
    if (h->by_quality && h->fewer_bits && !found->met && !found->stopped) { /* float for some may make room for others */
        h->fewer_bits = false;
        describe_levels(h);
        MQ_TRY(find(h, found));
    }
    if (h->by_quality && !h->fewer_bits && !(found->met && has_layers(h, h->level))) { /* what came nearest */
        found->met = false;
        memcpy(h->level, h->least, h->l.items.n * sizeof *h->level);
    }
    mq_report_put_bool(r, h->section, "stopped", found->stopped);
    if (found->stopped)
        mq_warn(h->j->job.hooks, "search-stopped", "", "the search was stopped after %zu models (--max-evals, "
                "--time-limit): a smaller or faster one may hold the bounds", h->evals);
done:
    return rc;
}

/* ---- the report ---------------------------------------------------------------------------------------------------- */

typedef struct rank {
    double noise;
    size_t layer;
} rank;

static int by_noise(const void *a, const void *b)
{
    const rank *x = a, *y = b;

    if (x->noise > y->noise || x->noise < y->noise)
        return x->noise > y->noise ? -1 : 1;
    return x->layer < y->layer ? -1 : x->layer > y->layer;
}

/* What the layer loses in each form that was measured, the coarsest last. */
static void report_layer(const mq_hunt *h, size_t i)
{
    const mq_quant_layer *layer = &h->l.items.items[i];
    const mq_sense_result *r = &h->l.sense;
    mq_report_point points[1 + MQ_LAYER_FORMS] = { { NAN, INFINITY, r->first, "float" } };
    size_t n = 1;

    for (size_t k = 0; k < h->l.n_measured; k++) {
        const size_t f = h->l.measured[k];
        const mq_sense_point *p = &r->points[i * r->n_levels + k]; /* not what stands in for it */

        if (layer->usable[f])
            points[n++] = (mq_report_point){ NAN, mq_sense_db(p->noise), p->metric, h->l.forms[f].name };
    }
    mq_report_add_sensitivity(h->j->job.report,
                              &(mq_report_sensitivity){ layer->name, r->has_metric ? mq_metric_name(r->metric) : NULL,
                                                        r->n_samples, points, n });
}

/* The layers that lose most come first. */
static mq_status report_ranking(const mq_hunt *h)
{
    rank *order = malloc((h->l.items.n + 1) * sizeof *order);

    if (!order)
        return mq_oom(h->j->job.err);
    for (size_t i = 0; i < h->l.items.n; i++)
        order[i] = (rank){ h->l.items.items[i].alone[h->l.asked].noise, i };
    qsort(order, h->l.items.n, sizeof *order, by_noise);
    for (size_t i = 0; i < h->l.items.n; i++)
        report_layer(h, order[i].layer);
    free(order);
    if (h->l.sense.n_measured < h->l.items.n)
        mq_warn(h->j->job.hooks, "search-stopped", "", "sensitivity was measured of %zu of %zu layers (--time-limit)",
                h->l.sense.n_measured, h->l.items.n);
    return MQ_OK;
}

static void report_choice(const mq_hunt *h)
{
    mq_report *r = h->j->job.report;
    json_t *list = mq_report_array(r, h->section, "kept");

    for (size_t i = 0; i < h->l.items.n; i++) {
        const mq_quant_layer *layer = &h->l.items.items[i];
        const int form = mq_hunt_form(h, h->level[i]);
        const uint64_t bytes = form == MQ_IN_FLOAT ? layer->bytes_before : layer->bytes[form];
        json_t *to;

        if (form == (int)h->l.asked)
            continue;
        to = mq_report_append(r, list);
        mq_report_put_text(r, to, "name", layer->name);
        mq_report_put_text(r, to, "op_type", layer->op_type);
        mq_report_put_text(r, to, "form", form == MQ_IN_FLOAT ? "float" : h->l.forms[form].name);
        mq_report_put_real(r, to, "sqnr_db", mq_sense_db(layer->alone[h->l.asked].noise));
        mq_report_put_int(r, to, "bytes_more", (int64_t)bytes - (int64_t)layer->bytes[h->l.asked]);
    }
}

/* What the figures are of: those who look at them should know. */
static void tell_data(const mq_hunt *h)
{
    const mq_quantize_opts *o = h->j->opts;
    const bool own = o->judge_on.n_data && !o->judge_on.val, seen = own && o->mode == MQ_MODE_STATIC;

    mq_report_put_text(h->j->job.report, h->section, "judged_on",
                       own ? "data" : o->judge_on.n_data ? "val-data" : "generated");
    if (seen && h->by_quality)
        mq_tell(o->note, o->user, "bounds are judged on --data, on which ranges are found, too: --val-data says otherwise");
}

static void report_end(const mq_hunt *h, bool met)
{
    mq_report *r = h->j->job.report;

    mq_report_put_int(r, h->section, "layers", (int64_t)h->l.items.n);
    mq_report_put_int(r, h->section, "evaluations", (int64_t)h->evals);
    mq_report_put_bool(r, h->section, "met", met);
}

/* ---- the whole ----------------------------------------------------------------------------------------------------- */

static mq_status make_room(mq_hunt *h)
{
    const size_t n = h->l.items.n;
    size_t names = 0;

    for (size_t i = 0; i < n; i++)
        names += h->l.items.items[i].n_weights + 1;
    h->levels = calloc(n * MQ_HUNT_LEVELS + 1, sizeof *h->levels);
    h->options = calloc(n + 1, sizeof *h->options);
    h->level = calloc(n + 1, sizeof *h->level);
    h->least = calloc(n + 1, sizeof *h->least);
    h->room = calloc(names + 1, sizeof *h->room);
    if (!h->levels || !h->options || !h->level || !h->least || !h->room)
        return mq_oom(h->j->job.err);
    for (size_t i = 0; i < n; i++)
        h->level[i] = h->least[i] = h->l.asked + 1;
    return MQ_OK;
}

/* The choice becomes the job's. */
static mq_status settle(mq_hunt *h)
{
    const mq_levels found = mq_hunt_levels(h, h->level);
    mq_arena *a = h->j->job.model->arena;
    mq_levels *levels = mq_arena_alloc(a, sizeof *levels);
    mq_level *items = mq_arena_alloc(a, (found.n + 1) * sizeof *items);

    if (!levels || !items)
        return mq_oom(h->j->job.err);
    for (size_t i = 0; i < found.n; i++) {
        items[i] = found.items[i];
        if (!(items[i].name = mq_arena_strdup(a, found.items[i].name)))
            return mq_oom(h->j->job.err);
    }
    *levels = (mq_levels){ items, found.n };
    h->j->levels = levels;
    return MQ_OK;
}

static bool fits(const mq_hunt *h, uint64_t bytes)
{
    return !h->by_size || bytes <= h->most_bytes;
}

/* What was asked for, as a whole, and what a search would cost. */
static mq_status try_asked(mq_hunt *h)
{
    const mq_quantize_opts *o = h->j->opts;
    const double since = mq_seconds();
    mq_status rc;

    MQ_TRY(try_choice(h, h->level, true, &h->asked));
    h->least_share = isnan(h->asked.quality.share) ? INFINITY : h->asked.quality.share;
    h->evals = 1;
    mq_hunt_report(h, &h->asked);
    if (h->by_quality && !(h->asked.quality.share <= 1))
        mq_tell(o->note, o->user, "search: %zu layers, at most %llu models, about %.2g s each", h->l.items.n,
                (unsigned long long)o->bounds.max_evals, mq_seconds() - since);
done:
    return rc;
}

/* Where only a size is asked for, a model that cannot be run here is no reason to end: its largest weights go first. */
static mq_status measure_layers(mq_hunt *h)
{
    const mq_job *job = &h->j->job;
    const mq_status rc = mq_quant_layers_measure(&h->l, h->j, h->deadline);

    if (rc == MQ_OK)
        return report_ranking(h);
    if ((rc != MQ_ERR_INPUT && rc != MQ_ERR_UNSUPPORTED) || h->by_quality || h->by_speed || h->j->opts->sensitivity)
        return rc;
    mq_warn(job->hooks, "search-unmeasured", "", "what layers lose cannot be measured, the largest get fewer bits first: %s",
            job->err ? job->err->text : "");
    mq_quant_layers_guess(&h->l);
    return MQ_OK;
}

static mq_status hunt_levels(mq_hunt *h)
{
    const bool bounded = h->by_quality || h->by_size || h->by_speed;
    mq_search_result found = { .met = true };
    mq_trial last = { .bytes = 0 };
    mq_status rc = MQ_OK;
    bool holds, fast = true;

    MQ_TRY(make_room(h));
    if (bounded) {
        h->section = mq_report_section(h->j->job.report, "search");
        tell_data(h);
        h->tried = mq_report_array(h->j->job.report, h->section, "tried");
        if (h->by_quality || h->by_size)
            MQ_TRY(try_asked(h));
    }
    holds = !(h->by_quality || h->by_size) || (h->asked.quality.share <= 1 && fits(h, h->asked.bytes));
    if (h->j->opts->sensitivity || !holds)
        MQ_TRY(measure_layers(h));
    if (!holds)
        MQ_TRY(search(h, &found));
    if (h->by_speed)
        MQ_TRY(mq_hunt_speed(h, &fast));
    if (!holds || h->by_speed) {
        MQ_TRY(try_choice(h, h->level, false, &last));
        report_choice(h);
        MQ_TRY(settle(h));
    }
    if (bounded)
        report_end(h, found.met && fast && fits(h, last.bytes));
done:
    return rc;
}

static void release(mq_hunt *h)
{
    mq_quant_layers_release(&h->l);
    free(h->levels);
    free(h->options);
    free(h->level);
    free(h->least);
    free(h->room);
}

/* The smaller of both bounds; the whole file is no bound that asks for anything. */
static void find_size(mq_hunt *h)
{
    const mq_bench_bounds *b = &h->j->opts->bounds.limits;
    const double before = (double)h->j->job.bytes_before + (double)h->j->job.data_before;

    h->by_size = b->max_size || (b->max_size_ratio > 0 && b->max_size_ratio < 1);
    h->most_bytes = b->max_size ? b->max_size : UINT64_MAX;
    if (b->max_size_ratio > 0 && b->max_size_ratio * before < (double)h->most_bytes)
        h->most_bytes = (uint64_t)(b->max_size_ratio * before);
}

mq_status mq_job_search(mq_quantize_job *j)
{
    const mq_quantize_opts *o = j->opts;
    const mq_bench_bounds *b = &o->bounds.limits;
    mq_hunt h = { .j = j, .by_quality = b->has_drop || b->has_metric || b->has_sqnr };
    mq_status rc = MQ_OK;

    find_size(&h);
    h.by_speed = (b->max_latency > 0 || b->min_speedup > 0) && !o->dry_run;
    if (!o->sensitivity && !h.by_quality && !h.by_size && !h.by_speed)
        return MQ_OK;
    h.deadline = o->time_limit > 0 ? j->round_until : 0;
    MQ_TRY(mq_quant_layers_find(&h.l, j, h.by_size));
    if (h.l.items.n)
        MQ_TRY(hunt_levels(&h));
    MQ_TRY(mq_job_choose(j)); /* others have used the tags of its values meanwhile */
    rc = mq_job_end_step(&j->job, "search");
done:
    release(&h);
    return rc;
}
