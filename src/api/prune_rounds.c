/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Rounds of `mq prune`: what a round prunes is what a plan says that goes a part of the way. */
#include <stdlib.h>
#include <string.h>

#include "api/prune_job.h"
#include "ops/ops.h"
#include "prune/pick.h"
#include "prune/zero.h"
#include "report/report.h"

enum { BLOCK = 4096 }; /* elements that are counted together */

/* ---- what weights were ---------------------------------------------------------------------------------------------- */

/* Counts a tensor; *energy: the sum of squares, NaN 0. */
static mq_status count(mq_tensor *t, mq_prune_stats *out, mq_error *err)
{
    const uint64_t n = (uint64_t)mq_tensor_count(t);
    float x[BLOCK];
    mq_status rc = MQ_OK;

    *out = (mq_prune_stats){ .n = n, .measured = true };
    for (uint64_t at = 0; at < n; at += BLOCK) {
        const uint64_t some = n - at < BLOCK ? n - at : BLOCK;

        MQ_TRY(mq_tensor_read_f32(t, at, some, x, err));
        for (uint64_t i = 0; i < some; i++) {
            out->zeros += x[i] == 0;
            out->n_nan += x[i] != x[i];
            out->energy += x[i] == x[i] ? (double)x[i] * (double)x[i] : 0;
        }
    }
done:
    return rc;
}

/* A weight as it was, and what was decided about it: a search may have. */
typedef struct known {
    const char *name;
    mq_prune_stats stats;
    mq_prune_stay stay;
    bool own;
    double ratio;
} known;

typedef struct rounds {
    mq_prune_job *job;
    known *weights; /* in the model's arena */
    size_t n;
} rounds;

static mq_status know_all(rounds *r)
{
    const mq_prune_plan *p = &r->job->plan;
    mq_error *err = r->job->job.err;
    mq_status rc = MQ_OK;

    if (!(r->weights = mq_arena_calloc(r->job->job.model->arena, p->items.n + 1, sizeof *r->weights)))
        return mq_oom(err);
    for (size_t i = 0; i < p->items.n; i++) {
        const mq_prune_item *it = p->items.items[i];
        known *k = &r->weights[r->n++];

        *k = (known){ .name = it->constant->name, .stay = it->stay, .own = it->own, .ratio = it->ratio };
        if (!it->stay)
            MQ_TRY(count(it->view.tensor, &k->stats, err));
    }
done:
    return rc;
}

static const known *find_known(const rounds *r, const mq_prune_item *it)
{
    for (size_t k = 0; k < r->n; k++)
        if (strcmp(r->weights[k].name, it->constant->name) == 0)
            return &r->weights[k];
    return NULL;
}

/* The plan's weights are pruned: what the report says of them. */
static mq_status compare_all(const rounds *r)
{
    const mq_prune_plan *p = &r->job->plan;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < p->items.n; i++) {
        mq_prune_item *it = p->items.items[i];
        mq_tensor *now = it->stay ? NULL : mq_value_constant(it->constant, true);
        const known *was = now ? find_known(r, it) : NULL;

        if (!was)
            continue;
        MQ_TRY(count(now, &it->stats, r->job->job.err));
        it->done = true;
        it->stats.energy_before = was->stats.energy;
        it->stats.zeros_before = was->stats.zeros;
    }
done:
    return rc;
}

/* ---- one round ------------------------------------------------------------------------------------------------------ */

/* The item's constant, with zeros where the mask has them. */
static mq_status put_zeros(const mq_prune_item *it, const uint8_t *mask, mq_error *err)
{
    mq_value *v = it->constant;
    mq_model *m = v->graph->model;
    mq_tensor *t = it->view.tensor, *now;
    const size_t n = (size_t)mq_tensor_count(t), width = n ? (size_t)mq_tensor_size(t) / n : 0;
    const void *data;
    char *bytes;
    mq_status rc;

    if ((rc = mq_tensor_bytes(t, &data, err)) != MQ_OK)
        return rc;
    if (!(now = mq_tensor_create(m, v->name, t->dtype, t->n_dims, t->dims, data)))
        return mq_oom(err);
    bytes = (char *)(uintptr_t)now->data; /* just made */
    for (size_t i = 0; i < n; i++)
        if (!mask[i])
            memset(bytes + i * width, 0, width);
    return mq_value_set_constant(v, now, err);
}

static mq_status plan_round(const rounds *r, mq_model *m, double share)
{
    mq_prune_job *j = r->job;
    mq_prune_plan *p = &j->plan;
    mq_status rc;

    MQ_TRY(mq_infer_model(m, NULL, NULL, j->job.err));
    mq_prune_plan_release(p);
    *p = (mq_prune_plan){ .model = m, .opts = j->opts, .share = share };
    MQ_TRY(mq_prune_find(p, j->job.err));
    p->n_pruned = 0;
    for (size_t i = 0; i < p->items.n; i++) {
        mq_prune_item *it = p->items.items[i];
        const known *k = find_known(r, it);

        it->stay = k ? k->stay : it->stay;
        it->own = k ? k->own : it->own;
        it->ratio = k ? k->ratio : it->ratio;
        p->n_pruned += !it->stay;
    }
    rc = mq_prune_pick(p, j->job.hooks, j->job.err);
done:
    return rc;
}

static mq_status prune_round(void *user, mq_model *m, double share, const char ***names, size_t *n_names, mq_error *err)
{
    const rounds *r = user;
    mq_prune_job *j = r->job;
    uint8_t *mask = NULL;
    mq_status rc;

    MQ_TRY(plan_round(r, m, share));
    MQ_TRY(mq_prune_with_data(j));
    if (!(*names = mq_arena_calloc(m->arena, j->plan.items.n + 1, sizeof **names)))
        return mq_oom(err);
    for (size_t i = 0; i < j->plan.items.n; i++) {
        mq_prune_item *it = j->plan.items.items[i];

        if (it->stay)
            continue;
        if (!it->done) {
            MQ_TRY(mq_prune_mask(&j->plan, it, j->job.hooks, &mask, err));
            MQ_TRY(put_zeros(it, mask, err));
            free(mask);
            mask = NULL;
        }
        (*names)[(*n_names)++] = it->constant->name;
    }
done:
    free(mask);
    return rc;
}

static mq_status cut_round(void *user, mq_model *m, double share, const char ***names, size_t *n_names, mq_error *err)
{
    mq_prune_job *j = ((const rounds *)user)->job;
    mq_status rc;

    (void)m;
    (void)err;
    MQ_TRY(mq_prune_structure_cut(j, share, &j->tuning.done[j->tuning.n_done].sparsity));
    if (j->opts->zero_only)
        rc = mq_prune_structure_names(j, names, n_names);
done:
    return rc;
}

/* ---- all ------------------------------------------------------------------------------------------------------------ */

bool mq_prune_trains(const mq_prune_opts *o)
{
    return o->rounds && o->train.epochs && !o->dry_run;
}

mq_status mq_prune_in_rounds(mq_prune_job *j)
{
    const mq_prune_opts *o = j->opts;
    static const mq_data_source none = { .n_data = 0 };
    mq_prune_tuning *t = &j->tuning;
    mq_error *err = j->job.err;
    rounds r = { .job = j };
    mq_status rc;

    if (!mq_prune_trains(o))
        return MQ_OK;
    *t = (mq_prune_tuning){ .rounds = o->rounds, .prune = j->structured ? cut_round : prune_round, .user = &r };
    t->train = (mq_train_job){ .opts = &o->train, .train_on = &o->data, .judge_on = o->judge_on.val ? &o->judge_on : &none,
                               .val_split = o->val_split, .metric = o->bounds.eval_cmd ? NULL : o->bounds.metric,
                               .metric_output = o->bounds.metric_output, .note = o->note, .detail = o->detail,
                               .user = o->user, .hooks = j->job.hooks, .err = err };
    if (!mq_prune_schedule_find(o->schedule, &t->schedule))
        return mq_fail(err, MQ_ERR_USAGE, "--sparsity-schedule is cubic or linear, not '%s'", o->schedule);
    MQ_TRY(know_all(&r));
    MQ_TRY(mq_prune_tuning_open(t, j->job.model));
    MQ_TRY(mq_job_end_step(&j->job, "ask the model"));
    MQ_TRY(mq_prune_tuning_run(t, j->job.model));
    MQ_TRY(compare_all(&r));
    rc = mq_job_end_step(&j->job, "prune and train");
done:
    return rc;
}

void mq_prune_tell_rounds(mq_prune_job *j)
{
    const mq_prune_tuning *t = &j->tuning;
    mq_report *r = j->job.report;
    json_t *section, *list;

    if (!t->n_done)
        return;
    section = mq_report_section(r, "prune");
    mq_report_put_text(r, section, "schedule", j->opts->schedule);
    mq_report_put_text(r, section, "metric", mq_metric_name(t->train.judge.metric));
    mq_report_put_real(r, section, "metric_before", t->train.teacher_metric);
    list = mq_report_array(r, section, "rounds");
    for (size_t i = 0; i < t->n_done; i++) {
        json_t *to = mq_report_append(r, list);

        mq_report_put_int(r, to, "round", (int64_t)i + 1);
        mq_report_put_real(r, to, "sparsity", t->done[i].sparsity);
        mq_report_put_real(r, to, "metric", t->done[i].metric);
    }
    mq_train_report(&t->train, r, "last round", &t->last);
}
