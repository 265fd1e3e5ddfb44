/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "prune/pick.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "prune/ask.h"
#include "prune/score.h"
#include "prune/walk.h"

enum { BINS = 1 << 16 };

uint64_t mq_prune_units(const mq_prune_plan *plan, const mq_prune_item *it)
{
    return plan->kind == MQ_PRUNE_BLOCKS ? mq_prune_blocks_of(plan, it).n : (uint64_t)it->view.n;
}

/* ---- keys ---------------------------------------------------------------------------------------------------------- */

/* Keys of units [from, from + n); from several threads at once. */
typedef void (*keys_fn)(void *user, int thread, const uint32_t *keys, uint64_t from, size_t n);

struct walking {
    const mq_prune_plan *plan;
    const mq_prune_item *it;
    uint32_t *rooms; /* of each thread */
    size_t room;
    keys_fn fn;
    void *user;
};

static mq_status take_step(void *user, int thread, const mq_prune_step *step, mq_error *err)
{
    const struct walking *w = user;
    uint32_t *keys = w->rooms + (size_t)thread * w->room;

    (void)err;
    mq_prune_keys(w->plan->opts->method, w->it->seed, step->x, step->from, step->n, keys);
    w->fn(w->user, thread, keys, step->from, step->n);
    return MQ_OK;
}

/* Calls fn with all keys of an item; with one thread in order. */
static mq_status each_key(const mq_prune_plan *plan, const mq_prune_item *it, bool in_order, keys_fn fn, void *user,
                          const mq_hooks *hooks, mq_error *err)
{
    struct walking w = { .plan = plan, .it = it, .fn = fn, .user = user };
    uint32_t *keys = NULL;
    mq_prune_walk walk;
    mq_status rc = MQ_OK;

    if (plan->kind == MQ_PRUNE_BLOCKS) {
        MQ_TRY(mq_prune_block_keys(plan, it, hooks, &keys, err));
        fn(user, 0, keys, 0, mq_prune_blocks_of(plan, it).n);
        goto done;
    }
    MQ_TRY(mq_prune_walk_init(&walk, plan, it, hooks, err));
    if (in_order)
        walk.n_threads = 1;
    w.room = walk.longest;
    if (!(w.rooms = malloc((size_t)walk.n_threads * w.room * sizeof *w.rooms))) {
        rc = mq_oom(err);
        goto done;
    }
    rc = mq_prune_walk_run(&walk, "comparing weights", take_step, &w, err);
done:
    free(w.rooms);
    free(keys);
    return rc;
}

/* ---- counting ------------------------------------------------------------------------------------------------------ */

struct counting {
    uint64_t *bins; /* BINS per thread */
    bool low;       /* count the lower halves of keys whose upper half is `high` */
    uint32_t high;
};

static void count_keys(void *user, int thread, const uint32_t *keys, uint64_t from, size_t n)
{
    const struct counting *c = user;
    uint64_t *bins = c->bins + (size_t)thread * BINS;

    (void)from;
    if (!c->low) {
        for (size_t i = 0; i < n; i++)
            bins[keys[i] >> 16]++;
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (keys[i] >> 16 == c->high)
            bins[keys[i] & 0xffff]++;
}

/* The bin in which the count-th key lies; *count becomes its number within the bin, *in_bin how many that has. */
static uint32_t find_bin(const uint64_t *bins, uint64_t *count, uint64_t *in_bin)
{
    uint32_t b = 0;

    while (b < BINS - 1 && *count > bins[b])
        *count -= bins[b++];
    *in_bin = bins[b];
    return b;
}

static mq_status count_all(const mq_prune_plan *plan, mq_prune_item *const *items, size_t n, struct counting *c,
                           int n_threads, const mq_hooks *hooks, mq_error *err)
{
    mq_status rc = MQ_OK;

    memset(c->bins, 0, (size_t)n_threads * BINS * sizeof *c->bins);
    for (size_t i = 0; rc == MQ_OK && i < n; i++)
        rc = each_key(plan, items[i], false, count_keys, c, hooks, err);
    for (int t = 1; t < n_threads; t++)
        for (size_t b = 0; b < BINS; b++)
            c->bins[b] += c->bins[(size_t)t * BINS + b];
    return rc;
}

/* ---- ties ---------------------------------------------------------------------------------------------------------- */

struct ties {
    uint32_t key;
    uint64_t left; /* that still go */
    uint64_t end;  /* behind the last that goes; 0: none */
};

static void take_ties(void *user, int thread, const uint32_t *keys, uint64_t from, size_t n)
{
    struct ties *t = user;

    (void)thread;
    for (size_t i = 0; t->left && i < n; i++)
        if (keys[i] == t->key) {
            t->left--;
            t->end = from + i + 1;
        }
}

static mq_status end_ties(const mq_prune_plan *plan, mq_prune_item *const *items, size_t n, uint64_t left,
                          const mq_hooks *hooks, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; rc == MQ_OK && i < n; i++) {
        struct ties t = { .key = items[i]->rule.key, .left = left };
        if (left)
            rc = each_key(plan, items[i], true, take_ties, &t, hooks, err);
        items[i]->rule.tie_end = t.left ? UINT64_MAX : t.end;
        left = t.left;
    }
    return rc;
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

mq_status mq_prune_pick_count(const mq_prune_plan *plan, mq_prune_item *const *items, size_t n, uint64_t count,
                              const mq_hooks *hooks, mq_error *err)
{
    const int n_threads = mq_prune_walk_threads(hooks);
    struct counting c = { .bins = malloc((size_t)n_threads * BINS * sizeof *c.bins) };
    mq_prune_rule rule = { 0, 0 };
    uint64_t in_bin = 0;
    mq_status rc = MQ_OK;

    if (!c.bins)
        return mq_oom(err);
    if (count) {
        MQ_TRY(count_all(plan, items, n, &c, n_threads, hooks, err));
        c.high = find_bin(c.bins, &count, &in_bin);
        c.low = true;
        MQ_TRY(count_all(plan, items, n, &c, n_threads, hooks, err));
        rule.key = c.high << 16 | find_bin(c.bins, &count, &in_bin);
        rule.tie_end = UINT64_MAX;
    }
    for (size_t i = 0; i < n; i++)
        items[i]->rule = rule;
    if (count < in_bin)
        MQ_TRY(end_ties(plan, items, n, count, hooks, err));
done:
    free(c.bins);
    return rc;
}

/* The key that a magnitude has: blocks are compared by means of squares where the method says so. */
static uint32_t threshold_key(const mq_prune_plan *plan)
{
    const double t = plan->opts->threshold * plan->share;

    return mq_prune_key_of(plan->kind == MQ_PRUNE_BLOCKS && plan->opts->method == MQ_PRUNE_L2 ? t * t : t);
}

uint64_t mq_prune_count_of(const mq_prune_plan *plan, double ratio, uint64_t total)
{
    const int64_t stay = plan->opts->nonzeros;

    if (stay >= 0)
        return (uint64_t)stay < total ? mq_prune_count(plan->share, total - (uint64_t)stay) : 0;
    return mq_prune_count(ratio * plan->share, total);
}

static mq_status pick_together(const mq_prune_plan *plan, mq_prune_item **list, const mq_hooks *hooks, mq_error *err)
{
    uint64_t total = 0;
    size_t n = 0;

    for (size_t i = 0; i < plan->items.n; i++) {
        mq_prune_item *it = plan->items.items[i];
        if (it->stay || it->done || it->own)
            continue;
        list[n++] = it;
        total += mq_prune_units(plan, it);
    }
    return n ? mq_prune_pick_count(plan, list, n, mq_prune_count_of(plan, list[0]->ratio, total), hooks, err) : MQ_OK;
}

mq_status mq_prune_pick(const mq_prune_plan *plan, const mq_hooks *hooks, mq_error *err)
{
    const mq_prune_opts *o = plan->opts;
    const bool together = o->scope == MQ_PRUNE_GLOBAL;
    mq_prune_item **list;
    mq_status rc = MQ_OK;

    if (plan->kind == MQ_PRUNE_GROUPS)
        return MQ_OK;
    if (!(list = malloc((plan->items.n + 1) * sizeof *list)))
        return mq_oom(err);
    if (together && o->threshold < 0)
        MQ_TRY(pick_together(plan, list, hooks, err));
    for (size_t i = 0; i < plan->items.n; i++) {
        mq_prune_item *it = plan->items.items[i];
        if (it->stay || it->done)
            continue;
        if (!(o->threshold < 0))
            it->rule = (mq_prune_rule){ threshold_key(plan), 0 };
        else if (!together || it->own)
            MQ_TRY(mq_prune_pick_count(plan, &it, 1, mq_prune_count_of(plan, it->ratio, mq_prune_units(plan, it)), hooks,
                                       err));
    }
done:
    free(list);
    return rc;
}
