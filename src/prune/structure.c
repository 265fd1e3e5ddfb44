/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Groups of channels as pruning sees them: what they are, whether they may change, how many stay. */
#include "prune/structure.h"

#include <math.h>
#include <stdlib.h>

#include "prune/structure_parts.h"

/* ---- kinds ---------------------------------------------------------------------------------------------------------- */

static bool is_product(const mq_node *n)
{
    return mq_node_is(n, "", "MatMul") || mq_node_is(n, "", "Gemm");
}

/* Made by products and read by products, all by constants: the columns of a multilayer perceptron. */
static bool is_mlp(const mq_channel_group *g)
{
    bool made = false, is_read = false;

    if (g->heads || g->mixes)
        return false;
    for (size_t i = 0; i < g->n_axes; i++) {
        const mq_channel_axis *a = &g->axes[i];
        const mq_tensor *t = mq_value_constant(a->value, true);

        if (a->born && !is_product(a->born))
            return false;
        made |= a->born != NULL;
        for (size_t u = 0; t && t->n_dims >= 2 && !a->born && u < a->value->uses.n; u++)
            is_read |= is_product(a->value->uses.items[u].node);
    }
    return made && is_read;
}

static unsigned kinds_of(const mq_channel_group *g)
{
    if (g->heads)
        return MQ_STRUCTURE_HEAD;
    return MQ_STRUCTURE_CHANNEL | (is_mlp(g) ? MQ_STRUCTURE_MLP : 0);
}

/* ---- finding -------------------------------------------------------------------------------------------------------- */

static mq_status fill_group(mq_structure *s, size_t i, mq_error *err)
{
    mq_structure_group *g = &s->groups[i];

    g->channels = mq_channels_group(s->narrow.channels, i);
    g->n = g->left = g->channels->n;
    g->kinds = kinds_of(g->channels);
    g->step = 1;
    g->scores = mq_arena_calloc(s->arena, g->n + 1, sizeof *g->scores);
    g->keep = mq_arena_calloc(s->arena, g->n + 1, sizeof *g->keep);
    return g->scores && g->keep ? MQ_OK : mq_oom(err);
}

static mq_status find(mq_structure *s, mq_model *m, mq_error *err)
{
    mq_status rc = mq_narrow_begin(&s->narrow, m, err);

    if (rc != MQ_OK)
        return rc;
    s->n_groups = mq_channels_n_groups(s->narrow.channels);
    s->groups = mq_arena_calloc(s->arena, s->n_groups + 1, sizeof *s->groups);
    if (!s->groups)
        return mq_oom(err);
    for (size_t i = 0; i < s->n_groups && rc == MQ_OK; i++)
        rc = fill_group(s, i, err);
    return rc == MQ_OK ? mq_structure_count(s, err) : rc;
}

mq_status mq_structure_find(mq_structure **out, mq_model *m, mq_error *err)
{
    mq_structure *s = calloc(1, sizeof *s);
    mq_status rc;

    if (!s || !(s->arena = mq_arena_create())) {
        free(s);
        return mq_oom(err);
    }
    if ((rc = find(s, m, err)) == MQ_OK)
        *out = s;
    else
        mq_structure_free(s);
    return rc;
}

void mq_structure_free(mq_structure *s)
{
    if (!s)
        return;
    mq_narrow_release(&s->narrow);
    mq_vec_release(&s->shares);
    mq_vec_release(&s->factors);
    mq_vec_release(&s->terms);
    mq_arena_free(s->arena);
    free(s);
}

mq_structure_group *mq_structure_groups(const mq_structure *s, size_t *n)
{
    *n = s->n_groups;
    return s->groups;
}

const mq_channels *mq_structure_channels(const mq_structure *s)
{
    return s->narrow.channels;
}

/* ---- choosing ------------------------------------------------------------------------------------------------------- */

void mq_structure_choose(mq_structure *s, unsigned kinds, size_t round_to,
                         bool (*wanted)(void *user, const mq_node *n, const mq_value *weight), void *user)
{
    for (size_t i = 0; i < s->n_groups; i++) {
        mq_structure_group *g = &s->groups[i];

        g->spared_by = NULL;
        g->step = g->kinds & MQ_STRUCTURE_HEAD || round_to < 1 ? 1 : round_to;
        g->chosen = g->kinds & kinds;
        for (size_t k = 0; g->chosen && wanted && k < g->channels->n_axes; k++) {
            const mq_channel_axis *a = &g->channels->axes[k];

            if (a->born && !wanted(user, a->born, a->value)) {
                g->spared_by = a->born;
                g->chosen = false;
            }
        }
    }
}

size_t mq_structure_left(const mq_structure_group *g, double sparsity)
{
    const double want = (1 - sparsity) * (double)g->n;
    size_t left = (size_t)floor(want / (double)g->step + 0.5) * g->step;

    left = left < g->step ? g->step : left;
    return left >= g->n || (double)g->n - want < fabs((double)left - want) ? g->n : left;
}
