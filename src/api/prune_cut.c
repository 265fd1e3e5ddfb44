/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Structured pruning in rounds. How many channels or blocks go was decided on the model as it was; each round takes the
 * least important ones of what training has made of it since. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/prune_structure.h"
#include "ops/ops.h"
#include "passes/pass.h"

/* ---- channels ------------------------------------------------------------------------------------------------------- */

/* How many of g's channels stay when `share` of the way is done. Between the rounds no multiples of anything are needed. */
static size_t left_at(const mq_structure_group *g, double share)
{
    return g->n - (size_t)lround(fmin(share, 1) * (double)(g->n - g->left));
}

static mq_status begin(mq_prune_job *j)
{
    struct mq_prune_structured *p = j->structured;
    size_t n;
    const mq_structure_group *groups = mq_structure_groups(p->groups, &n);

    if (!(p->left = malloc((n + 1) * sizeof *p->left)))
        return mq_oom(j->job.err);
    for (size_t i = 0; i < n; i++) {
        p->left[i] = groups[i].n;
        for (size_t k = 0; k < groups[i].n; k++)
            groups[i].keep[k] = true;
    }
    return mq_prune_structure_note(j);
}

/* Groups are found in one order, by the nodes that make them: training changes neither. */
static mq_status same_groups(const mq_prune_job *j, const mq_structure *s)
{
    const struct mq_prune_structured *p = j->structured;
    size_t n, n_now;
    const mq_structure_group *was = mq_structure_groups(p->groups, &n), *now = mq_structure_groups(s, &n_now);
    bool same = n == n_now;

    for (size_t i = 0; same && i < n; i++)
        same = strcmp(was[i].channels->name, now[i].channels->name) == 0 &&
               now[i].n == (j->opts->zero_only ? was[i].n : p->left[i]);
    if (same)
        return MQ_OK;
    return mq_fail(j->job.err, MQ_ERR_UNSUPPORTED, "after a round other channels belong together than before: this model "
                   "takes --rounds 1");
}

/* What is zero stays zero, whatever the method thinks of it. */
static void hold_zeros(const mq_structure_group *was, mq_structure_group *now)
{
    for (size_t k = 0; k < now->n; k++)
        now->scores[k] = was->keep[k] ? now->scores[k] : -INFINITY;
}

static mq_status cut(mq_prune_job *j, mq_structure *s, double share)
{
    struct mq_prune_structured *p = j->structured;
    size_t n, n_gone;
    mq_structure_group *was = mq_structure_groups(p->groups, &n), *now = mq_structure_groups(s, &n);
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < n; i++) {
        p->left[i] = left_at(&was[i], share);
        now[i].chosen = p->left[i] < now[i].n;
        now[i].left = p->left[i];
    }
    MQ_TRY(mq_prune_structure_score(j, s));
    for (size_t i = 0; i < n && j->opts->zero_only; i++)
        hold_zeros(&was[i], &now[i]);
    MQ_TRY(mq_structure_pick(s, &n_gone, j->job.err));
    for (size_t i = 0; i < n && j->opts->zero_only; i++)
        memcpy(was[i].keep, now[i].keep, now[i].n * sizeof *now[i].keep);
    rc = j->opts->zero_only ? mq_structure_zero(s, j->job.err) : mq_structure_shrink(s, j->job.err);
done:
    return rc;
}

static mq_status cut_channels(mq_prune_job *j, double share, double *gone)
{
    struct mq_prune_structured *p = j->structured;
    size_t n, before = 0, after = 0;
    const mq_structure_group *groups = mq_structure_groups(p->groups, &n);
    mq_structure *s = NULL;
    mq_status rc = MQ_OK;

    if (!p->left)
        MQ_TRY(begin(j));
    MQ_TRY(mq_structure_find(&s, j->job.model, j->job.err));
    MQ_TRY(same_groups(j, s));
    MQ_TRY(cut(j, s, share));
    for (size_t i = 0; i < n; i++) {
        before += groups[i].chosen ? groups[i].n : 0;
        after += groups[i].chosen ? p->left[i] : 0;
    }
    *gone = before ? 1 - (double)after / (double)before : 0;
done:
    mq_structure_free(s);
    return rc;
}

/* ---- blocks --------------------------------------------------------------------------------------------------------- */

/* The number of the block of the model as it was that is called so; n_blocks: it is none of them. */
static size_t find_block(const struct mq_prune_structured *p, const char *name)
{
    size_t i = 0;

    while (i < p->n_blocks && strcmp(p->names[i], name) != 0)
        i++;
    return i;
}

/* Leaves out the n_gone blocks that are needed least now. */
static mq_status leave_out(mq_prune_job *j, mq_blocks *b, size_t n_gone)
{
    struct mq_prune_structured *p = j->structured;
    size_t n;
    const mq_blocks_item *list = mq_blocks_list(b, &n);
    double *scores = calloc(n + 1, sizeof *scores);
    bool *gone = calloc(n + 1, sizeof *gone);
    mq_status rc = scores && gone ? MQ_OK : mq_oom(j->job.err);

    if (rc != MQ_OK)
        goto done;
    MQ_TRY(mq_structure_rank_blocks(b, j->opts->method == MQ_PRUNE_L2 ? 2 : 1, scores, j->job.err));
    for (size_t i = 0; i < n; i++)
        if (find_block(p, list[i].to->name) == p->n_blocks)
            scores[i] = INFINITY; /* what has become one by others' leaving was not asked about */
    MQ_TRY(mq_structure_pick_blocks(b, scores, n_gone, gone, &n_gone, j->job.err));
    p->n_cut += n_gone;
    for (size_t i = 0; i < n; i++)
        if (gone[i])
            p->gone[find_block(p, list[i].to->name)] = true; /* one place more than there are blocks */
    MQ_TRY(mq_blocks_leave_out(b, gone, j->job.err));
    mq_graph_drop_dead(j->job.model->graph, NULL);
    mq_model_drop_unused(j->job.model);
    rc = mq_infer_model(j->job.model, NULL, NULL, j->job.err);
done:
    free(scores);
    free(gone);
    return rc;
}

static mq_status cut_blocks(mq_prune_job *j, double share, double *gone)
{
    struct mq_prune_structured *p = j->structured;
    const size_t goal = (size_t)lround(share * (double)p->n_gone);
    mq_blocks *b = NULL;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < p->n_blocks && !p->n_cut; i++)
        p->gone[i] = false;
    if (goal > p->n_cut) {
        MQ_TRY(mq_blocks_find(&b, j->job.model, j->job.err));
        MQ_TRY(leave_out(j, b, goal - p->n_cut));
    }
    if (share >= 1)
        p->n_gone = p->n_cut;
    *gone = (double)p->n_cut / (double)p->n_blocks;
done:
    mq_blocks_free(b);
    return rc;
}

mq_status mq_prune_structure_cut(mq_prune_job *j, double share, double *gone)
{
    return j->structured->groups ? cut_channels(j, share, gone) : cut_blocks(j, share, gone);
}
