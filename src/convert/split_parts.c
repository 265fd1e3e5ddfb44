/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Cutting behind given tensors, and what parts hand on, once each step has its part. */
#include "convert/split_parts.h"

#include <stdlib.h>

/* ---- at given tensors ---------------------------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b)
{
    const size_t x = (*(mq_value *const *)a)->producer->tag, y = (*(mq_value *const *)b)->producer->tag;

    return x < y ? -1 : x > y;
}

typedef struct claiming {
    mq_splitting *s;
    size_t part;
} claiming;

/* What makes v, if a step does, belongs to the part or to one before it. */
static mq_status claim(void *user, mq_value *v)
{
    const claiming *c = user;

    if (v->producer && !mq_split_is_aside(v->producer) && c->s->steps[v->producer->tag].part > c->part)
        c->s->steps[v->producer->tag].part = c->part;
    return MQ_OK;
}

mq_status mq_split_at_tensors(mq_splitting *s, size_t *n_parts)
{
    const size_t n = s->o->n_at;
    mq_value **at = malloc((n + 1) * sizeof *at);
    bool *some = calloc(n + 1, sizeof *some);
    mq_status rc = at && some ? MQ_OK : mq_oom(s->err);

    for (size_t i = 0; i < n && rc == MQ_OK; i++) {
        at[i] = s->o->at[i];
        if (at[i]->graph != s->g || !at[i]->producer || mq_split_is_aside(at[i]->producer))
            rc = mq_fail(s->err, MQ_ERR_USAGE, "--at %s: no node computes it from the model's inputs", at[i]->name);
    }
    if (rc == MQ_OK)
        qsort(at, n, sizeof *at, by_place);
    for (size_t t = 0; t < s->n && rc == MQ_OK; t++)
        s->steps[t].part = n;
    for (size_t i = 0; i < n && rc == MQ_OK; i++)
        claim(&(claiming){ s, i }, at[i]);
    for (size_t t = s->n; t-- > 0 && rc == MQ_OK;) /* from the last step to the first: all that is needed is claimed */
        rc = mq_node_each_read(s->steps[t].node, s->g, claim, &(claiming){ s, s->steps[t].part });
    for (size_t t = 0; t < s->n && rc == MQ_OK; t++)
        some[s->steps[t].part] = true;
    for (size_t i = 0; i <= n && rc == MQ_OK; i++)
        if (!some[i])
            rc = mq_fail(s->err, MQ_ERR_USAGE, "--at %s: nothing is left %s", at[i < n ? i : n - 1]->name,
                         i < n ? "before it" : "behind it");
    *n_parts = n + 1;
    free(at);
    free(some);
    return rc;
}

/* ---- parts --------------------------------------------------------------------------------------------------------- */

static bool has(const mq_value_vec *vec, const mq_value *v)
{
    for (size_t i = vec->n; i-- > 0;)
        if (vec->items[i] == v)
            return true;
    return false;
}

static mq_status put(mq_splitting *s, mq_value_vec *vec, mq_value *v)
{
    return has(vec, v) || mq_vec_push_in(s->g->model->arena, vec, v) ? MQ_OK : mq_oom(s->err);
}

typedef struct handing {
    mq_splitting *s;
    mq_split_part *parts;
    size_t to; /* the part that reads */
} handing;

/* v goes from where it is made (MQ_SPLIT_NONE: the model's input) to the part that reads it. */
static mq_status hand_over(void *user, mq_value *v)
{
    const handing *h = user;
    const bool fixed = mq_split_is_fixed(v);
    const size_t from = v->producer && !fixed ? h->s->steps[v->producer->tag].part : MQ_SPLIT_NONE;
    mq_status rc = MQ_OK;

    if (fixed || from == h->to)
        return MQ_OK;
    if (from != MQ_SPLIT_NONE)
        rc = put(h->s, &h->parts[from].outputs, v);
    return rc == MQ_OK ? put(h->s, &h->parts[h->to].inputs, v) : rc;
}

mq_status mq_split_make_parts(mq_splitting *s, mq_split_part **out, size_t n)
{
    mq_split_part *parts = mq_arena_calloc(s->g->model->arena, n, sizeof *parts);
    mq_status rc = parts ? MQ_OK : mq_oom(s->err);

    for (size_t t = 0; t < s->n && rc == MQ_OK; t++) {
        parts[s->steps[t].part].n_nodes++;
        rc = mq_node_each_read(s->steps[t].node, s->g, hand_over, &(handing){ s, parts, s->steps[t].part });
    }
    for (size_t i = 0; i < s->g->outputs.n && rc == MQ_OK; i++) {
        mq_value *v = s->g->outputs.items[i];
        const bool made = v->producer && !mq_split_is_aside(v->producer);

        rc = put(s, &parts[made ? s->steps[v->producer->tag].part : 0].outputs, v);
        if (rc == MQ_OK && v->is_input && !v->init)
            rc = put(s, &parts[0].inputs, v); /* straight through */
    }
    *out = parts;
    return rc;
}
