/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Groups of channels measured one by one: a channel that goes is zero in the weights that make and read it. */
#include "api/prune_curves.h"

#include <math.h>
#include <stdlib.h>

#define LOUD 0.9   /* noise */
#define STEEP 10.0 /* cost of a whole group behind it */
#define LARGE 1e11 /* multiply-accumulates of all levels on one sample: behind it every second one will do */

typedef struct measuring {
    mq_prune_curves *curves;
    mq_prune_job *j;
    mq_sense_item *parts;
    bool coarse;         /* every second level will do */
    mq_value ***values;  /* per group: constants that become zero, and their names */
    const char ***names;
} measuring;

/* ---- levels --------------------------------------------------------------------------------------------------------- */

static void set_levels(mq_prune_curve *c)
{
    for (size_t l = 0; l < MQ_PRUNE_LEVELS; l++) {
        c->left[l] = mq_structure_left(c->group, (double)(l + 1) / (MQ_PRUNE_LEVELS + 1));
        c->cost[l] = NAN;
    }
}

mq_status mq_prune_curves_list(mq_prune_curves *out, mq_structure *s, mq_error *err)
{
    size_t n;
    mq_structure_group *groups = mq_structure_groups(s, &n);

    if (!(out->items = calloc(n + 1, sizeof *out->items)))
        return mq_oom(err);
    for (size_t i = 0; i < n; i++) {
        if (!groups[i].chosen || groups[i].n <= groups[i].step)
            continue;
        out->items[out->n].group = &groups[i];
        set_levels(&out->items[out->n++]);
    }
    return MQ_OK;
}

void mq_prune_curves_release(mq_prune_curves *c)
{
    free(c->items);
    *c = (mq_prune_curves){ 0 };
}

/* ---- measuring ------------------------------------------------------------------------------------------------------ */

static bool skips(void *user, size_t item, size_t level)
{
    const measuring *m = user;
    const mq_prune_curve *c = &m->curves->items[item];
    const size_t step = m->coarse ? 2 : 1;

    return (m->coarse && level % 2 == 0) || c->left[level] == (level >= step ? c->left[level - step] : c->group->n);
}

static mq_status change(void *user, size_t item, size_t level, size_t k, const mq_array *whole, mq_array **out,
                        mq_error *err)
{
    const measuring *m = user;
    const mq_prune_curve *c = &m->curves->items[item];
    bool *keep = calloc(c->group->n + 1, sizeof *keep);
    mq_status rc = keep ? MQ_OK : mq_oom(err);

    if (rc == MQ_OK)
        rc = mq_narrow_pick(c->group->scores, c->group->n, c->left[level], keep, err);
    if (rc == MQ_OK)
        rc = mq_array_copy(out, whole, err);
    if (rc == MQ_OK)
        mq_structure_zero_slices(c->group, m->values[item][k], keep, (*out)->data);
    free(keep);
    return rc;
}

static mq_status list_parts(measuring *m)
{
    const size_t n = m->curves->n;
    mq_arena *arena = m->j->job.model->arena;

    m->parts = mq_arena_calloc(arena, n + 1, sizeof *m->parts);
    m->values = mq_arena_calloc(arena, n + 1, sizeof *m->values);
    m->names = mq_arena_calloc(arena, n + 1, sizeof *m->names);
    if (!m->parts || !m->values || !m->names)
        return mq_oom(m->j->job.err);
    for (size_t i = 0; i < n; i++) {
        const mq_channel_group *g = m->curves->items[i].group->channels;
        size_t count;

        m->values[i] = mq_arena_calloc(arena, g->n_axes + 1, sizeof **m->values);
        m->names[i] = mq_arena_calloc(arena, g->n_axes + 1, sizeof **m->names);
        if (!m->values[i] || !m->names[i])
            return mq_oom(m->j->job.err);
        count = mq_structure_zeroed(m->curves->items[i].group, m->values[i]);
        for (size_t k = 0; k < count; k++)
            m->names[i][k] = m->values[i][k]->name;
        m->parts[i] = (mq_sense_item){ g->name, m->names[i], count };
    }
    return MQ_OK;
}

/* points: of the curve's levels. */
static void set_costs(mq_prune_curve *c, const mq_sense_point *points)
{
    double last = 0, from = NAN;

    for (size_t l = 0; l < MQ_PRUNE_LEVELS; l++) {
        const double noise = points[l].noise, share = 1 - (double)c->left[l] / (double)c->group->n;

        if (isnan(noise))
            continue;
        if (noise < LOUD && isnan(from)) {
            last = fmax(last, -log(1 - noise));
        } else {
            from = isnan(from) ? share : from;
            last = fmax(last, MQ_PRUNE_LOUD + STEEP * (share - from));
        }
        c->cost[l] = last;
    }
}

/* ---- report --------------------------------------------------------------------------------------------------------- */

/* Each curve begins with the group as it is. */
static void report_curve(const measuring *m, const mq_sense_result *r, size_t i)
{
    const mq_prune_curve *c = &m->curves->items[i];
    mq_report_point points[1 + MQ_PRUNE_LEVELS] = { { 0, INFINITY, r->first } };
    size_t n = 1;

    for (size_t l = 0; l < MQ_PRUNE_LEVELS; l++) {
        const mq_sense_point *p = &r->points[i * MQ_PRUNE_LEVELS + l];

        if (!isnan(p->noise))
            points[n++] = (mq_report_point){ 1 - (double)c->left[l] / (double)c->group->n, mq_sense_db(p->noise),
                                             p->metric };
    }
    mq_report_add_sensitivity(m->j->job.report,
                              &(mq_report_sensitivity){ c->group->channels->name,
                                                        r->has_metric ? mq_metric_name(r->metric) : NULL, r->n_samples,
                                                        points, n });
}

/* ---- all ------------------------------------------------------------------------------------------------------------ */

mq_status mq_prune_curves_measure(mq_prune_curves *c, mq_prune_job *j, double deadline)
{
    const mq_prune_opts *o = j->opts;
    measuring m = { .curves = c, .j = j };
    mq_sense_opts opts = { .n_items = c->n, .n_levels = MQ_PRUNE_LEVELS, .change = change, .skips = skips, .user = &m,
                           .source = o->data.n_data ? &o->data : o->judge_on.n_data ? &o->judge_on : &o->verify_on,
                           .metric = o->bounds.eval_cmd ? NULL : o->bounds.metric,
                           .metric_output = o->bounds.metric_output, .deadline = deadline, .note = o->note,
                           .note_user = o->user, .hooks = j->job.hooks };
    mq_sense_result result = { 0 };
    mq_status rc;

    m.coarse = j->worth.macs_before > 0 && (double)j->worth.macs_before * (double)c->n * MQ_PRUNE_LEVELS / 2 > LARGE;
    MQ_TRY(list_parts(&m));
    opts.items = m.parts;
    MQ_TRY(mq_sense_measure(&result, j->job.model, &opts, j->job.err));
    for (size_t i = 0; i < c->n; i++) {
        set_costs(&c->items[i], &result.points[i * MQ_PRUNE_LEVELS]);
        report_curve(&m, &result, i);
    }
done:
    mq_sense_release(&result);
    return rc;
}

double mq_prune_curve_cost(const mq_prune_curve *c, size_t left)
{
    size_t from = c->group->n;
    double cost = 0;

    for (size_t l = 0; l < MQ_PRUNE_LEVELS && left < from; l++) {
        if (isnan(c->cost[l]))
            continue;
        if (c->left[l] <= left)
            return cost + (c->cost[l] - cost) * (double)(from - left) / (double)(from - c->left[l]);
        from = c->left[l];
        cost = c->cost[l];
    }
    return left < from ? NAN : cost;
}
