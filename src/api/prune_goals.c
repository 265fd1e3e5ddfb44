/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* How many channels of each group go when bounds say it: what each group alone costs (prune_curves.h) against what it saves
 * (search.h). Multiply-accumulates and bytes are counted; times are measured, multiply-accumulates stand for them in
 * between; with bounds on quality alone whole models are measured against these. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/prune_curves.h"
#include "api/prune_structure.h"
#include "api/running.h"
#include "api/search.h"
#include "graph/clone.h"
#include "report/report.h"

#define AIM 0.95   /* of a time that is allowed: the next measurement differs */
#define CLOSE 0.9  /* used so much of it, a model is as large as it may be */
#define FIRST 0.3  /* of the multiply-accumulates go at first, where nothing says more */

enum { MOST_TIMES = 7 }; /* models whose times are measured */

typedef struct goals {
    mq_prune_job *j;
    mq_structure *s;
    mq_structure_group *groups;
    size_t n_groups;
    mq_prune_curves curves;
    bool measured;               /* the curves are; else importance decides */
    mq_search_level *levels;     /* of curve i: i * MQ_PRUNE_LEVELS */
    mq_search_item *options;
    size_t *choice;
    double most_macs, most_bytes; /* that may be left at the moment; INFINITY: any */
    json_t *tried;
    double deadline;
} goals;

/* ---- options -------------------------------------------------------------------------------------------------------- */

static bool by_time(const mq_prune_opts *o)
{
    return o->bounds.limits.max_latency > 0 || o->bounds.limits.min_speedup > 0;
}

static bool by_size(const mq_prune_opts *o)
{
    const mq_bench_bounds *l = &o->bounds.limits;

    return l->max_macs > 0 || l->max_macs_ratio > 0 || l->max_size || l->max_size_ratio > 0;
}

bool mq_prune_structure_by_bounds(const mq_prune_opts *o)
{
    const mq_bench_bounds *l = &o->bounds.limits;

    return !o->sparsity.n && (by_time(o) || by_size(o) || l->has_drop || l->has_metric || l->has_sqnr);
}

/* What may be left by --max-macs and --max-size. */
static void read_budgets(goals *g)
{
    const mq_bench_bounds *l = &g->j->opts->bounds.limits;
    const double file = (double)(g->j->job.bytes_before + g->j->job.data_before);
    double size = l->max_size ? (double)l->max_size : INFINITY;

    g->most_macs = l->max_macs > 0 ? l->max_macs : INFINITY;
    if (l->max_macs_ratio > 0)
        g->most_macs = fmin(g->most_macs, l->max_macs_ratio * g->j->structured->macs);
    if (l->max_size_ratio > 0)
        size = fmin(size, l->max_size_ratio * file);
    g->most_bytes = isfinite(size) ? g->j->structured->bytes - (file - size) : INFINITY;
}

/* ---- so much less at the least loss --------------------------------------------------------------------------------- */

/* How much of the way from `whole` to `most` is done: up to 1. */
static double part_done(double whole, double now, double most)
{
    return now <= most ? 1 : (whole - now) / (whole - most);
}

static double macs_done(const goals *g)
{
    return part_done(g->j->structured->macs, mq_structure_cost(g->s, MQ_STRUCTURE_MACS), g->most_macs);
}

static double bytes_done(const goals *g)
{
    return part_done(g->j->structured->bytes, mq_structure_cost(g->s, MQ_STRUCTURE_BYTES), g->most_bytes);
}

static void keep_all(const goals *g)
{
    for (size_t i = 0; i < g->n_groups; i++)
        g->groups[i].left = g->groups[i].n;
}

static void apply_levels(const goals *g, const size_t *level)
{
    for (size_t i = 0; i < g->curves.n; i++) {
        const mq_prune_curve *c = &g->curves.items[i];

        c->group->left = level[i] ? c->left[level[i] - 1] : c->group->n;
    }
}

static mq_status gain_of_budgets(void *user, const size_t *level, double *gain, mq_error *err)
{
    const goals *g = user;

    (void)err;
    apply_levels(g, level);
    *gain = fmin(macs_done(g), bytes_done(g));
    return MQ_OK;
}

static mq_status gain_of_macs(void *user, const size_t *level, double *gain, mq_error *err)
{
    const goals *g = user;
    const mq_structure_unit unit = g->j->structured->macs > 0 ? MQ_STRUCTURE_MACS : MQ_STRUCTURE_BYTES;
    const double whole = unit == MQ_STRUCTURE_MACS ? g->j->structured->macs : g->j->structured->bytes;

    (void)err;
    apply_levels(g, level);
    *gain = whole > 0 ? 1 - mq_structure_cost(g->s, unit) / whole : 0;
    return MQ_OK;
}

/* Each level's gain alone. */
static mq_status set_gains(goals *g, mq_status (*gain)(void *user, const size_t *level, double *out, mq_error *err))
{
    mq_status rc = MQ_OK;

    memset(g->choice, 0, g->curves.n * sizeof *g->choice);
    for (size_t i = 0; i < g->curves.n; i++) {
        const mq_prune_curve *c = &g->curves.items[i];

        for (size_t l = 0; l < MQ_PRUNE_LEVELS; l++) {
            mq_search_level *out = &g->levels[i * MQ_PRUNE_LEVELS + l];

            out->cost = c->cost[l];
            g->choice[i] = l + 1;
            MQ_TRY(gain(g, g->choice, &out->gain, g->j->job.err));
        }
        g->choice[i] = 0;
    }
done:
    return rc;
}

/* The next larger count of a group that may stay. */
static size_t more_of(const mq_structure_group *g)
{
    const size_t more = g->left / g->step * g->step + g->step;

    return more < g->n ? more : g->n;
}

/* Gives channels back, most noise first, as long as the budgets hold. */
static void give_back(const goals *g)
{
    for (;;) {
        mq_structure_group *best = NULL;
        double most = -1;

        for (size_t i = 0; i < g->curves.n; i++) {
            const mq_prune_curve *c = &g->curves.items[i];
            const size_t now = c->group->left, more = more_of(c->group);
            const double gained = mq_prune_curve_cost(c, now) - mq_prune_curve_cost(c, more);

            if (now == c->group->n)
                continue;
            c->group->left = more;
            if (gained > most && macs_done(g) >= 1 && bytes_done(g) >= 1) {
                best = c->group;
                most = gained;
            }
            c->group->left = now;
        }
        if (!best)
            return;
        best->left = more_of(best);
    }
}

static mq_status reach_by_importance(const goals *g)
{
    const bool raw = g->j->opts->method == MQ_PRUNE_TAYLOR; /* what a loss changes by compares as it is */
    bool met;
    mq_status rc = MQ_OK;

    keep_all(g);
    if (isfinite(g->most_macs))
        MQ_TRY(mq_structure_budget(g->s, MQ_STRUCTURE_MACS, g->most_macs, raw, &met, g->j->job.err));
    if (isfinite(g->most_bytes))
        MQ_TRY(mq_structure_budget(g->s, MQ_STRUCTURE_BYTES, g->most_bytes, raw, &met, g->j->job.err));
done:
    return rc;
}

/* Where next to nothing would be left of the outputs, a training begins anew, and curves do not say with which groups best:
 * not with a narrower residual stream, which looks no worse to them. */
static mq_status reach_by_curves(goals *g)
{
    const mq_search_goal goal = { .max_cost = INFINITY, .min_gain = 1 };
    const mq_search_calls calls = { .gain = gain_of_budgets, .user = g };
    mq_search_result found;
    mq_status rc;

    MQ_TRY(set_gains(g, gain_of_budgets));
    MQ_TRY(mq_search(g->options, g->curves.n, &goal, &calls, g->choice, &found, g->j->job.err));
    if (g->j->opts->rounds && g->j->opts->train.epochs && !(found.cost <= MQ_PRUNE_LOUD))
        return reach_by_importance(g);
    apply_levels(g, g->choice);
    if (found.met)
        give_back(g);
done:
    return rc;
}

/* Sets `left` of the groups; what cannot be reached is judged later, by what was written. */
static mq_status reach(goals *g)
{
    return g->measured ? reach_by_curves(g) : reach_by_importance(g);
}

/* ---- whole models --------------------------------------------------------------------------------------------------- */

/* The model that the groups' `left` make. */
static mq_status make_model(const goals *g, mq_model **out)
{
    const mq_prune_job *j = g->j;
    mq_structure *copy = NULL;
    mq_structure_group *groups;
    size_t n, n_gone;
    mq_status rc;

    MQ_TRY(mq_model_clone(out, j->job.model, j->job.err));
    MQ_TRY(mq_structure_find(&copy, *out, j->job.err));
    groups = mq_structure_groups(copy, &n);
    for (size_t i = 0; i < n && i < g->n_groups; i++) { /* the same ones, in the same order */
        groups[i].left = g->groups[i].left;
        memcpy(groups[i].scores, g->groups[i].scores, groups[i].n * sizeof *groups[i].scores);
    }
    MQ_TRY(mq_structure_pick(copy, &n_gone, j->job.err));
    rc = j->opts->zero_only ? mq_structure_zero(copy, j->job.err) : mq_structure_shrink(copy, j->job.err);
done:
    mq_structure_free(copy);
    return rc;
}

static json_t *report_try(const goals *g, const mq_quality *q)
{
    mq_report *r = g->j->job.report;
    json_t *to = mq_report_append(r, g->tried);
    double before = 0;

    for (size_t i = 0; i < g->n_groups; i++)
        before += g->groups[i].chosen ? (double)g->groups[i].n : 0;
    mq_report_put_real(r, to, "sparsity", 1 - mq_structure_cost(g->s, MQ_STRUCTURE_COUNT) / before);
    if (g->j->structured->macs > 0)
        mq_report_put_real(r, to, "macs", mq_structure_cost(g->s, MQ_STRUCTURE_MACS) / g->j->structured->macs);
    mq_quality_put(r, to, q);
    return to;
}

/* ---- times ---------------------------------------------------------------------------------------------------------- */

/* A share of the multiply-accumulates that goes, and how much of the time that is allowed is used then. */
typedef struct timed {
    double share, used;
} timed;

/* before: what the original uses of it. */
static mq_status measure_time(const goals *g, double *used, double *before)
{
    const mq_prune_job *j = g->j;
    const mq_bench_bounds *l = &j->opts->bounds.limits;
    mq_quality q = { NAN, NAN, NAN, NAN };
    mq_measured f;
    mq_model *m = NULL;
    json_t *to;
    mq_status rc;

    *used = *before = 0;
    MQ_TRY(make_model(g, &m));
    MQ_TRY(mq_judging_measure(j->judging, m, MQ_MEASURE_TIME, &f, j->job.err));
    if (l->max_latency > 0) {
        *used = f.latency.value / l->max_latency;
        *before = *used * f.speedup.value;
    }
    if (l->min_speedup > 0) {
        *used = fmax(*used, l->min_speedup / f.speedup.value);
        *before = fmax(*before, l->min_speedup);
    }
    q.share = *used;
    to = report_try(g, &q);
    mq_report_put_real(j->job.report, to, "latency_ms", f.latency.value * 1e3);
    mq_report_put_real(j->job.report, to, "speedup", f.speedup.value);
done:
    mq_model_free(m);
    return rc;
}

/* The share at which AIM is used, on the line through two measurements. */
static double between(timed a, timed b)
{
    const double slope = (b.used - a.used) / (b.share - a.share);

    return slope < 0 ? a.share + (AIM - a.used) / slope : a.share + (b.share - a.share) / 2;
}

/* What has been seen: the original, the largest share that is too slow, the smallest that is fast enough (used 0: none). */
typedef struct seen {
    double before;
    timed slow, fast;
} seen;

static double next_share(const seen *k, double most)
{
    double next;

    if (k->fast.used > 0) {
        const double edge = (k->fast.share - k->slow.share) / 8;

        return fmin(fmax(between(k->slow, k->fast), k->slow.share + edge), k->fast.share - edge);
    }
    next = between((timed){ 0, k->before }, k->slow);
    return next > k->slow.share ? fmin(next, most) : (k->slow.share + most) / 2;
}

static void save_left(const goals *g, size_t *left)
{
    for (size_t i = 0; i < g->n_groups; i++)
        left[i] = g->groups[i].left;
}

static void load_left(const goals *g, const size_t *left)
{
    for (size_t i = 0; i < g->n_groups; i++)
        g->groups[i].left = left[i];
}

/* The largest share of multiply-accumulates that can go. */
static double most_share(const goals *g)
{
    double least;

    for (size_t i = 0; i < g->n_groups; i++)
        g->groups[i].left = g->groups[i].chosen && g->groups[i].step < g->groups[i].n ? g->groups[i].step : g->groups[i].n;
    least = mq_structure_cost(g->s, MQ_STRUCTURE_MACS);
    keep_all(g);
    return g->j->structured->macs > 0 ? 1 - least / g->j->structured->macs : 0;
}

static mq_status reach_share(goals *g, double share)
{
    const double asked = g->most_macs;
    mq_status rc;

    g->most_macs = fmin(asked, (1 - share) * g->j->structured->macs);
    rc = reach(g);
    g->most_macs = asked;
    return rc;
}

/* Measures the model of a share; *close: it is as large as it may be, or nothing smaller can be made. */
static mq_status try_share(goals *g, seen *k, double share, double most, double *used, bool *close)
{
    double before;
    mq_status rc;

    MQ_TRY(reach_share(g, share));
    MQ_TRY(measure_time(g, used, &before));
    if (!(k->before > 0)) {
        k->before = before;
        k->slow = (timed){ 0, before };
    }
    *(*used <= 1 ? &k->fast : &k->slow) = (timed){ share, *used };
    *close = *used <= 1 ? *used >= CLOSE : share >= most;
done:
    return rc;
}

/* Fewer and fewer multiply-accumulates, or more again, until the time fits: the largest model that holds, else the
 * fastest. */
static mq_status reach_time(goals *g)
{
    const double most = most_share(g), speedup = g->j->opts->bounds.limits.min_speedup;
    double share = fmin(speedup > 1 ? 1 - AIM / speedup : FIRST, most), fastest = INFINITY;
    size_t *left = malloc((g->n_groups + 1) * sizeof *left);
    mq_status rc = left ? MQ_OK : mq_oom(g->j->job.err);
    bool close = false;
    seen k = { 0 };

    for (int i = 0; rc == MQ_OK && !close && i < MOST_TIMES; i++) {
        double used;

        if (i && g->deadline > 0 && mq_seconds() >= g->deadline)
            break;
        MQ_TRY(mq_check_cancelled(g->j->job.hooks, g->j->job.err));
        MQ_TRY(try_share(g, &k, share, most, &used, &close));
        if (k.before <= 1) { /* it holds as it is */
            keep_all(g);
            goto done;
        }
        if (used <= 1 || (!(k.fast.used > 0) && used < fastest))
            save_left(g, left);
        fastest = fmin(fastest, used);
        share = next_share(&k, most);
    }
    if (k.before > 0)
        load_left(g, left);
done:
    free(left);
    return rc;
}

/* ---- quality -------------------------------------------------------------------------------------------------------- */

/* The largest share of a bound that the choice uses. */
static mq_status measure_choice(void *user, const size_t *level, double *cost, mq_error *err)
{
    goals *g = user;
    const mq_prune_job *j = g->j;
    mq_quality q;
    mq_model *m = NULL;
    mq_status rc;

    apply_levels(g, level);
    MQ_TRY(make_model(g, &m));
    MQ_TRY(mq_judging_quality(j->judging, m, j->job.model, &j->opts->verify_on, &q, err));
    *cost = q.share;
    report_try(g, &q);
done:
    mq_model_free(m);
    return rc;
}

static bool time_is_up(void *user)
{
    const goals *g = user;

    return mq_seconds() >= g->deadline;
}

/* As many multiply-accumulates less as the bounds on quality allow. */
static mq_status search_by_quality(goals *g, mq_search_result *found)
{
    const mq_prune_job *j = g->j;
    const mq_search_goal goal = { .max_cost = 1, .max_evals = (size_t)j->opts->bounds.max_evals };
    const mq_search_calls calls = { .cost = measure_choice, .gain = gain_of_macs,
                                    .stop = g->deadline > 0 ? time_is_up : NULL, .user = g };
    mq_status rc;

    MQ_TRY(set_gains(g, gain_of_macs));
    MQ_TRY(mq_search(g->options, g->curves.n, &goal, &calls, g->choice, found, j->job.err));
    keep_all(g);
    if (found->met)
        apply_levels(g, g->choice);
    else
        rc = mq_report_add_bound(j->job.report, "sparsity", "> 0 within the bounds",
                                 "0: every group loses more than they allow", false, j->job.err);
    if (found->stopped)
        mq_warn(j->job.hooks, "search-stopped", "", "the search was stopped after %zu evaluations (--max-evals, "
                "--time-limit): fewer channels may be possible", found->evals);
done:
    return rc;
}

/* ---- all ------------------------------------------------------------------------------------------------------------ */

/* Does importance alone decide? Curves of generated inputs mislead. */
static bool by_importance(const mq_prune_opts *o)
{
    return !(o->data.n_data || o->judge_on.n_data) && (by_size(o) || by_time(o));
}

/* Is there a curve with a point? --time-limit may have come before all of them. */
static bool any_measured(const mq_prune_curves *c)
{
    for (size_t i = 0; i < c->n; i++)
        for (size_t l = 0; l < MQ_PRUNE_LEVELS; l++)
            if (isfinite(c->items[i].cost[l]))
                return true;
    return false;
}

/* A model that cannot be run here is pruned by importance alone where that is enough. */
static mq_status measure_curves(goals *g)
{
    const mq_prune_opts *o = g->j->opts;
    mq_status rc;

    if (by_importance(o) && !o->sensitivity)
        return MQ_OK;
    rc = mq_prune_curves_measure(&g->curves, g->j, g->deadline);
    g->measured = rc == MQ_OK && !by_importance(o) && any_measured(&g->curves);
    if (rc != MQ_ERR_UNSUPPORTED || o->sensitivity || !by_size(o))
        return rc;
    mq_warn(g->j->job.hooks, "prune-unmeasured", "", "what groups lose cannot be measured, importance decides: %s",
            g->j->job.err ? g->j->job.err->text : "");
    return MQ_OK;
}

static mq_status choose(goals *g)
{
    const mq_prune_job *j = g->j;
    mq_search_result found = { .evals = 0 };
    json_t *search = NULL;
    mq_status rc = MQ_OK;

    read_budgets(g);
    if (by_time(j->opts) || !by_size(j->opts)) {
        search = mq_report_object(j->job.report, mq_report_section(j->job.report, "prune"), "search");
        g->tried = mq_report_array(j->job.report, search, "tried");
    }
    if (by_time(j->opts))
        rc = reach_time(g);
    else
        rc = by_size(j->opts) ? reach(g) : search_by_quality(g, &found);
    if (rc == MQ_OK && search) {
        mq_report_put_int(j->job.report, search, "evaluations", (int64_t)json_array_size(g->tried));
        mq_report_put_bool(j->job.report, search, "stopped", found.stopped);
    }
    return rc;
}

mq_status mq_prune_structure_goals(mq_prune_job *j)
{
    goals g = { .j = j, .s = j->structured->groups,
                .deadline = j->opts->time_limit > 0 ? mq_seconds() + j->opts->time_limit : 0 };
    mq_status rc;

    g.groups = mq_structure_groups(g.s, &g.n_groups);
    MQ_TRY(mq_prune_curves_list(&g.curves, g.s, j->job.err));
    g.levels = calloc(g.curves.n * MQ_PRUNE_LEVELS + 1, sizeof *g.levels);
    g.options = calloc(g.curves.n + 1, sizeof *g.options);
    g.choice = calloc(g.curves.n + 1, sizeof *g.choice);
    if (!g.levels || !g.options || !g.choice)
        MQ_TRY(mq_oom(j->job.err));
    for (size_t i = 0; i < g.curves.n; i++)
        g.options[i] = (mq_search_item){ &g.levels[i * MQ_PRUNE_LEVELS], MQ_PRUNE_LEVELS };
    if (g.curves.n)
        MQ_TRY(measure_curves(&g));
    if (g.curves.n && mq_prune_structure_by_bounds(j->opts))
        rc = choose(&g);
done:
    mq_prune_curves_release(&g.curves);
    free(g.levels);
    free(g.options);
    free(g.choice);
    return rc;
}
