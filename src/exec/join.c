/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Concat without copying: the nodes that make the parts write them side by side into one block.
 *
 * Where the parts begin is known from the run before. A part that is not where it should be (another shape than last time, a
 * kernel that hands on memory of its inputs) is copied with all others, as if this file were not there: what is done
 * rests on where the parts lie, never on what was foreseen. */
#include <stdlib.h>
#include <string.h>

#include "exec/internal.h"

#define ALIGN 64

/* What the last run joined, and the block of this one. */
struct mq_join {
    mq_block *block; /* NULL: no part of this run has been made */
    size_t n, total;
    size_t at[]; /* where part i begins; at[n] is the total */
};

/* The place of a value that a step of this body makes for one reader alone; NULL: another value. */
static mq_place *place_of(const mq_body *body, const mq_value *v)
{
    const mq_node *maker = v ? v->producer : NULL;

    if (!maker || maker->graph != body->graph || !maker->tag || v->uses.n != 1 || v->n_output_uses)
        return NULL;
    return &body->steps[maker->tag - 1].place[v->producer_index];
}

void mq_join_mark(mq_body *body, mq_step *join)
{
    const mq_node *n = join->node;

    for (size_t i = 0; i < n->n_inputs; i++)
        if (!place_of(body, n->inputs[i]))
            return;
    for (size_t i = 0; i < n->n_inputs; i++)
        *place_of(body, n->inputs[i]) = (mq_place){ .join = join, .part = i };
}

void mq_join_close(mq_join *j)
{
    if (j)
        mq_block_unref(j->block);
    free(j);
}

/* Lets go of this run's block, where there is one. */
static void drop(mq_runner *r, mq_join *j)
{
    if (!j || !j->block)
        return;
    mq_block_unref(j->block);
    j->block = NULL;
    r->n_joining--;
}

/* After a run that ended early: parts without their whole. */
void mq_joins_drop(mq_runner *r)
{
    for (size_t i = 0; r->n_joining && i < r->plan->n_steps; i++)
        drop(r, r->states[i].join);
}

mq_block *mq_join_block(mq_call *c, size_t i, size_t bytes, size_t *at)
{
    mq_call_state *s = c->frame;
    const mq_place *place = s->step->place ? &s->step->place[i] : NULL;
    mq_join *j = place && place->join ? s->runner->states[place->join->id].join : NULL;

    *at = 0;
    if (!j || j->at[place->part + 1] - j->at[place->part] != bytes)
        return mq_pool_block(s->runner->pool, bytes);
    if (!j->block) {
        if (!(j->block = mq_pool_block(s->runner->pool, j->total)))
            return NULL;
        s->runner->n_joining++;
    }
    *at = j->at[place->part];
    return mq_block_ref(j->block);
}

/* Remembers the sizes for the next run; sizes that would leave a part unaligned are not worth it. */
static void learn(const mq_call *c, mq_step_state *st)
{
    mq_join *j = st->join;
    size_t total = 0;

    if (!j && !(j = calloc(1, sizeof *j + (c->n_in + 1) * sizeof *j->at)))
        return;
    st->join = j;
    j->n = c->n_in;
    for (size_t k = 0; k < c->n_in; k++) {
        j->at[k] = total;
        if (total % ALIGN || __builtin_add_overflow(total, mq_array_bytes(c->in[k]), &total)) {
            mq_join_close(j);
            st->join = NULL;
            return;
        }
    }
    j->total = j->at[j->n] = total;
}

static bool side_by_side(const mq_call *c)
{
    const mq_array *first = c->in[0];
    const char *at = first->data;

    for (size_t k = 0; k < c->n_in; k++) {
        if (!first->block || c->in[k]->block != first->block || c->in[k]->data != at)
            return false;
        at += mq_array_bytes(c->in[k]);
    }
    return true;
}

mq_status mq_call_out_joined(mq_call *c, size_t i, int rank, const int64_t *dims, const void *layout, bool *done)
{
    mq_call_state *s = c->frame;
    mq_step_state *st = s->runner->states ? &s->runner->states[s->step->id] : NULL;
    mq_array *a = NULL;
    mq_status rc = MQ_OK;

    *done = false;
    if (!st || c->n_in < 2 || !mq_call_wants(c, i))
        return MQ_OK;
    if (side_by_side(c)) {
        const mq_array *first = c->in[0];

        if ((rc = mq_array_wrap(&a, first->dtype, rank, dims, first->data, first->block, c->err)) != MQ_OK)
            return rc;
        a->layout = layout;
        rc = mq_call_out_array(c, i, a);
        *done = true;
    }
    drop(s->runner, st->join);
    learn(c, st);
    return rc;
}
