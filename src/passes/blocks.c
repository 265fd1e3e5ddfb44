/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Blocks by post-dominators.
 *
 * A node post-dominates another when everything that goes through that one goes through it, too. From the input on, each
 * node's next post-dominator makes a chain: between two links lies what branches and joins again (a residual branch, an
 * attention layer). What comes from the side (a mask) is no matter: it is read, not passed on. Post-dominators are found in
 * one pass backwards (Cooper, Harvey and Kennedy 2001: in a graph without cycles one is enough). */
#include "passes/blocks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "passes/pass.h"

/* Links of the chain: what is between goes, and the tensor of `from` takes the place of that of `to`. */
typedef struct stretch {
    size_t from, to;
} stretch;

struct mq_blocks {
    mq_graph *g;
    size_t n;              /* nodes: positions 1 to n; n + 1 is the end */
    mq_node **nodes;       /* by position; from mq_pass_positions */
    size_t *next;          /* post-dominator of each position */
    size_t *chain;         /* positions */
    uint64_t *signature;   /* of what lies between link i and i + 1 */
    bool *weighted;        /* a weight is among it */
    bool *branched;        /* it is a branch and the Add that joins it with link i's tensor */
    size_t n_chain;
    bool *reached;
    size_t n_runs;
    mq_arena *arena;       /* lists of weights */
    MQ_VEC(stretch) stretches;
    MQ_VEC(mq_blocks_item) list; /* as many */
};

typedef struct mq_blocks blocks;

/* The node of the main graph that n is, or is inside. */
static const mq_node *outermost(const blocks *b, const mq_node *n)
{
    while (n->graph != b->g && n->graph->owner)
        n = n->graph->owner;
    return n;
}

static size_t meet(const blocks *b, size_t x, size_t y)
{
    if (!x || !y)
        return x ? x : y;
    while (x != y) {
        while (x < y)
            x = b->next[x];
        while (y < x)
            y = b->next[y];
    }
    return x;
}

/* Where all readers of v meet; 0: nobody reads it. */
static size_t meet_readers(const blocks *b, const mq_value *v)
{
    size_t at = v->n_output_uses ? b->n + 1 : 0;

    for (size_t i = 0; i < v->uses.n; i++)
        at = meet(b, at, outermost(b, v->uses.items[i].node)->tag);
    return at;
}

static void find_next(blocks *b)
{
    b->next[b->n + 1] = b->n + 1;
    for (size_t i = b->n; i > 0; i--) {
        size_t at = 0;

        for (size_t k = 0; k < b->nodes[i]->n_outputs; k++)
            if (b->nodes[i]->outputs[k])
                at = meet(b, at, meet_readers(b, b->nodes[i]->outputs[k]));
        b->next[i] = at ? at : b->n + 1;
    }
}

static size_t follow(const blocks *b, size_t at, size_t *chain)
{
    size_t n = 0;

    for (; at && at <= b->n; at = b->next[at]) {
        if (chain)
            chain[n] = at;
        n++;
    }
    return n;
}

/* The chain of the input that has the longest. */
static void find_chain(blocks *b)
{
    size_t best = 0;

    for (size_t i = 0; i < b->g->inputs.n; i++) {
        const mq_value *v = b->g->inputs.items[i];
        const size_t first = v->init ? 0 : meet_readers(b, v), n = follow(b, first, NULL);

        if (n > b->n_chain) {
            b->n_chain = n;
            best = first;
        }
    }
    follow(b, best, b->chain);
}

static uint64_t add_number(uint64_t h, uint64_t x)
{
    h = (h ^ x) * UINT64_C(0x100000001b3);
    return h ^ h >> 29;
}

static uint64_t add_node(uint64_t h, const mq_node *n, bool *weighted)
{
    for (const char *p = n->op_type; *p; p++)
        h = add_number(h, (uint8_t)*p);
    for (size_t i = 0; i < n->n_inputs; i++) {
        const mq_tensor *t = n->inputs[i] ? mq_value_constant(n->inputs[i], true) : NULL;

        for (int k = 0; t && k < t->n_dims; k++)
            h = add_number(h, (uint64_t)t->dims[k] + 1);
        *weighted |= t && t->n_dims >= 2 && mq_dtype_is_float(t->dtype);
    }
    return add_number(h, n->n_inputs);
}

static bool is_reached(const blocks *b, const mq_node *n, const mq_value *start)
{
    for (size_t i = 0; i < n->n_inputs; i++) {
        const mq_value *v = n->inputs[i];

        if (v && (v == start || (v->producer && v->producer->graph == b->g && b->reached[v->producer->tag])))
            return true;
    }
    return false;
}

/* What depends on link i's node, up to link i + 1: between the two nothing leaves it. */
static void look_between(blocks *b, size_t i)
{
    const size_t from = b->chain[i], to = b->chain[i + 1];
    const mq_node *join = b->nodes[to];
    const mq_value *start = b->nodes[from]->outputs[0];
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    size_t n = 0;

    for (size_t k = from; k <= to; k++)
        b->reached[k] = k == from;
    for (size_t k = from + 1; k <= to; k++) {
        if (!is_reached(b, b->nodes[k], start))
            continue;
        b->reached[k] = true;
        h = add_node(h, b->nodes[k], &b->weighted[i]);
        n++;
    }
    memset(b->reached + from, 0, (to - from + 1) * sizeof *b->reached);
    b->signature[i] = h;
    b->branched[i] = n > 1 && mq_node_is(join, "", "Add") && join->n_inputs == 2 &&
                     (join->inputs[0] == start || join->inputs[1] == start);
}

/* Links whose tensors are interchangeable. */
static bool same_type(const blocks *b, size_t i, size_t k)
{
    const mq_node *x = b->nodes[b->chain[i]], *y = b->nodes[b->chain[k]];

    return x->n_outputs == 1 && y->n_outputs == 1 && !y->outputs[0]->n_output_uses &&
           mq_value_dtype(x->outputs[0]) == mq_value_dtype(y->outputs[0]) &&
           mq_same_shape(x->outputs[0], y->outputs[0]);
}

/* How often the `period` stretches from i on stand there in a row. */
static size_t count_equal(const blocks *b, size_t i, size_t period)
{
    size_t n = 1;
    bool weighted = false;

    for (size_t k = i; k < i + period && k + 1 < b->n_chain; k++)
        weighted |= b->weighted[k];
    if (!weighted || i + period >= b->n_chain || !same_type(b, i, i + period))
        return 0;
    while (i + (n + 1) * period < b->n_chain) {
        for (size_t k = 0; k < period; k++)
            if (b->signature[i + k] != b->signature[i + n * period + k])
                return n;
        if (!same_type(b, i, i + (n + 1) * period))
            return n;
        n++;
    }
    return n;
}

static const mq_value *link_value(const blocks *b, size_t i)
{
    return b->nodes[b->chain[i]]->outputs[0];
}

static mq_status add_block(blocks *b, size_t from, size_t to, size_t run, bool first, mq_error *err)
{
    const stretch s = { from, to };
    const mq_blocks_item made = { .from = link_value(b, from), .to = link_value(b, to), .run = run, .first = first };

    return mq_vec_push(&b->stretches, s) && mq_vec_push(&b->list, made) ? MQ_OK : mq_oom(err);
}

static mq_status add_run(blocks *b, size_t i, size_t period, size_t n, mq_error *err)
{
    mq_status rc = MQ_OK;

    b->n_runs++;
    for (size_t k = 0; k < n && rc == MQ_OK; k++)
        rc = add_block(b, i + k * period, i + (k + 1) * period, b->n_runs, k == 0, err);
    return rc;
}

enum { MAX_PERIOD = 64 };

/* From the left: the longest run of equal stretches, else a residual branch. */
static mq_status find_stretches(blocks *b, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i + 1 < b->n_chain && rc == MQ_OK;) {
        size_t best = 0, n = 0;

        for (size_t period = 1; period <= MAX_PERIOD && i + 2 * period < b->n_chain; period++) {
            const size_t k = count_equal(b, i, period);

            if (k >= 2 && k * period > n * best) {
                best = period;
                n = k;
            }
        }
        if (best) {
            rc = add_run(b, i, best, n, err);
            i += n * best;
            continue;
        }
        if (b->branched[i] && b->weighted[i] && same_type(b, i, i + 1))
            rc = add_block(b, i, i + 1, 0, false, err);
        i++;
    }
    return rc;
}

static bool is_weight(const mq_value *v)
{
    const mq_tensor *t = v ? mq_value_constant(v, true) : NULL;

    return t && t->n_dims >= 2 && mq_dtype_is_float(t->dtype);
}

static mq_status add_weights(blocks *b, mq_blocks_item *block, const mq_node *n, mq_error *err)
{
    for (size_t i = 0; i < n->n_inputs; i++) {
        mq_value **list;

        if (!is_weight(n->inputs[i]))
            continue;
        list = mq_arena_grow(b->arena, (void *)(uintptr_t)block->weights, block->n_weights, block->n_weights + 1,
                             sizeof *list);
        if (!list)
            return mq_oom(err);
        list[block->n_weights++] = n->inputs[i];
        block->weights = list;
    }
    return MQ_OK;
}

/* What lies between the two ends depends on the first of them. */
static mq_status find_weights(blocks *b, size_t i, mq_error *err)
{
    const stretch *s = &b->stretches.items[i];
    mq_status rc = MQ_OK;

    for (size_t link = s->from; link < s->to; link++) {
        const size_t from = b->chain[link], to = b->chain[link + 1];

        b->reached[from] = true;
        for (size_t k = from + 1; k <= to && rc == MQ_OK; k++) {
            b->reached[k] = is_reached(b, b->nodes[k], link_value(b, link));
            if (b->reached[k])
                rc = add_weights(b, &b->list.items[i], b->nodes[k], err);
        }
        memset(b->reached + from, 0, (to - from + 1) * sizeof *b->reached);
    }
    return rc;
}

mq_status mq_blocks_leave_out(mq_blocks *b, const bool *gone, mq_error *err)
{
    size_t *instead = calloc(b->n_chain + 1, sizeof *instead); /* per link: the one whose tensor stands in its place */
    mq_status rc = MQ_OK;

    if (!instead)
        return mq_oom(err);
    for (size_t i = 0; i < b->n_chain; i++)
        instead[i] = i;
    for (size_t i = 0; i < b->list.n && rc == MQ_OK; i++) {
        const stretch *s = &b->stretches.items[i];

        if (!gone[i])
            continue;
        /* the block before it may have gone as well: blocks come in their order, so its end is settled */
        instead[s->to] = instead[s->from];
        rc = mq_value_replace_uses(b->nodes[b->chain[s->to]]->outputs[0], b->nodes[b->chain[instead[s->to]]]->outputs[0],
                                   err);
    }
    free(instead);
    return rc;
}

size_t mq_blocks_spread(const mq_blocks *b, double depth, bool *gone)
{
    size_t n_free = 0, n_gone = b->list.n - (size_t)lround(depth * (double)b->list.n), at = 0, seen = 0;

    for (size_t i = 0; i < b->list.n; i++)
        n_free += !b->list.items[i].first;
    n_gone = n_gone < n_free ? n_gone : n_free;
    for (size_t i = 0; i < b->list.n; i++) {
        gone[i] = !b->list.items[i].first && at < n_gone && seen++ == (2 * at + 1) * n_free / (2 * n_gone);
        at += gone[i];
    }
    return at;
}

const mq_blocks_item *mq_blocks_list(const mq_blocks *b, size_t *n)
{
    *n = b->list.n;
    return b->list.items;
}

static mq_status find(blocks *b, mq_error *err)
{
    mq_status rc = MQ_OK;

    b->nodes = mq_pass_positions(b->g);
    b->next = calloc(b->n + 2, sizeof *b->next);
    b->chain = calloc(b->n + 2, sizeof *b->chain);
    b->signature = calloc(b->n + 2, sizeof *b->signature);
    b->weighted = calloc(b->n + 2, sizeof *b->weighted);
    b->branched = calloc(b->n + 2, sizeof *b->branched);
    b->reached = calloc(b->n + 2, sizeof *b->reached);
    b->arena = mq_arena_create();
    if (!b->nodes || !b->next || !b->chain || !b->signature || !b->weighted || !b->branched || !b->reached || !b->arena)
        return mq_oom(err);
    find_next(b);
    find_chain(b);
    for (size_t i = 0; i + 1 < b->n_chain; i++)
        if (b->nodes[b->chain[i]]->n_outputs && b->nodes[b->chain[i]]->outputs[0])
            look_between(b, i);
    rc = find_stretches(b, err);
    for (size_t i = 0; i < b->list.n && rc == MQ_OK; i++)
        rc = find_weights(b, i, err);
    return rc;
}

mq_status mq_blocks_find(mq_blocks **out, mq_model *m, mq_error *err)
{
    blocks *b = calloc(1, sizeof *b);
    mq_status rc;

    if (!b)
        return mq_oom(err);
    b->g = m->graph;
    b->n = m->graph->n_nodes;
    if ((rc = find(b, err)) == MQ_OK)
        *out = b;
    else
        mq_blocks_free(b);
    return rc;
}

void mq_blocks_free(mq_blocks *b)
{
    if (!b)
        return;
    free(b->nodes);
    free(b->next);
    free(b->chain);
    free(b->signature);
    free(b->weighted);
    free(b->branched);
    free(b->reached);
    mq_arena_free(b->arena);
    mq_vec_release(&b->stretches);
    mq_vec_release(&b->list);
    free(b);
}
