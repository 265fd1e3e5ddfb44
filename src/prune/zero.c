/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "prune/zero.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/error.h"
#include "prune/score.h"
#include "prune/walk.h"

enum {
    TILE = 64,  /* groups that are looked at together */
    LANES = 16, /* elements that are counted together */
};

/* ---- which of a step stay ------------------------------------------------------------------------------------------- */

static void keep_above(const mq_prune_rule *rule, const uint32_t *keys, uint64_t from, size_t n, uint8_t *keep)
{
    const uint64_t until = rule->tie_end < from ? 0 : rule->tie_end - from;
    const size_t ties = until < n ? (size_t)until : n;

    for (size_t i = 0; i < ties; i++)
        keep[i] = keys[i] > rule->key;
    for (size_t i = ties; i < n; i++)
        keep[i] = keys[i] >= rule->key;
}

/* Of `m` rows of `w` groups side by side (element r of group g at keys[r * row + g * column]) the n_keep largest stay. A
 * key's place is the number of those that go before it. */
static void keep_largest(const uint32_t *keys, size_t m, size_t row, size_t w, size_t column, size_t n_keep, uint8_t *keep)
{
    for (size_t r = 0; r < m; r++) {
        uint8_t place[TILE] = { 0 };
        for (size_t k = 0; k < m; k++)
            for (size_t g = 0; g < w; g++) {
                const uint32_t a = keys[k * row + g * column], b = keys[r * row + g * column];
                place[g] = (uint8_t)(place[g] + (k < r ? a <= b : a < b));
            }
        for (size_t g = 0; g < w; g++)
            keep[r * row + g * column] = place[g] + n_keep >= m;
    }
}

/* N of each M of a step of whole groups; of a shorter group at the end of a column as many stay. */
static void keep_groups(const mq_prune_plan *plan, const mq_prune_slabs *s, const uint32_t *keys, uint64_t from, size_t n,
                        uint8_t *keep)
{
    size_t row = from / s->inner % s->depth;

    for (size_t at = 0; at < n;) {
        const size_t left = s->depth - row, m = left < plan->of ? left : plan->of;
        size_t w = TILE;
        if (s->inner == 1) { /* groups lie one behind the other */
            w = (left < n - at ? left : n - at) / plan->of; /* of the column, and of this step */
            w = w < TILE ? w ? w : 1 : TILE;
            keep_largest(keys + at, m, 1, w, plan->of, plan->keep, keep + at);
            at += w * m;
            row = (row + w * m) % s->depth;
            continue;
        }
        for (size_t c = 0; c < s->inner; c += w) {
            w = s->inner - c < TILE ? s->inner - c : TILE;
            keep_largest(keys + at + c, m, s->inner, w, 1, plan->keep, keep + at + c);
        }
        at += m * s->inner;
        row = (row + m) % s->depth;
    }
}

struct keeping {
    const mq_prune_plan *plan;
    const mq_prune_item *it;
    mq_prune_slabs slabs;   /* of groups */
    mq_prune_blocks blocks;
    uint32_t *block_keys;   /* of blocks */
    size_t room;            /* elements of the longest step */
    uint32_t *keys;         /* room per thread */
    uint64_t *block;        /* likewise */
    uint8_t *keep;          /* likewise */
};

static void release_keeping(struct keeping *k)
{
    free(k->block_keys);
    free(k->keys);
    free(k->block);
    free(k->keep);
}

static mq_status init_keeping(struct keeping *k, const mq_prune_plan *plan, const mq_prune_item *it, const mq_prune_walk *w,
                              mq_error *err)
{
    const size_t n = (size_t)w->n_threads * w->longest;

    *k = (struct keeping){ .plan = plan, .it = it, .room = w->longest };
    k->keys = malloc(n * sizeof *k->keys);
    k->keep = malloc(n);
    if (plan->kind == MQ_PRUNE_GROUPS)
        k->slabs = mq_prune_slabs_of(it);
    if (plan->kind == MQ_PRUNE_BLOCKS) {
        k->blocks = mq_prune_blocks_of(plan, it);
        k->block = malloc(n * sizeof *k->block);
    }
    if (!k->keys || !k->keep || (plan->kind == MQ_PRUNE_BLOCKS && !k->block))
        return mq_oom(err);
    return plan->kind == MQ_PRUNE_BLOCKS ? mq_prune_block_keys(plan, it, w->hooks, &k->block_keys, err) : MQ_OK;
}

/* What stays of a step, 1 or 0 for each element; borrowed until the thread's next step. */
static const uint8_t *keep_step(const struct keeping *k, int thread, const mq_prune_step *step)
{
    uint32_t *keys = k->keys + (size_t)thread * k->room;
    uint8_t *keep = k->keep + (size_t)thread * k->room;
    const mq_prune_rule *rule = &k->it->rule;

    if (k->plan->kind == MQ_PRUNE_BLOCKS) {
        uint64_t *block = k->block + (size_t)thread * k->room;
        mq_prune_block_of(&k->blocks, step->from, step->n, block);
        for (size_t i = 0; i < step->n; i++) {
            const uint32_t key = k->block_keys[block[i]];
            keep[i] = key > rule->key || (key == rule->key && block[i] >= rule->tie_end);
        }
        return keep;
    }
    mq_prune_keys(k->plan->opts->method, k->it->seed, step->x, step->from, step->n, keys);
    if (k->plan->kind == MQ_PRUNE_GROUPS)
        keep_groups(k->plan, &k->slabs, keys, step->from, step->n, keep);
    else
        keep_above(rule, keys, step->from, step->n, keep);
    return keep;
}

/* ---- masks --------------------------------------------------------------------------------------------------------- */

struct masking {
    struct keeping keeping;
    uint8_t *mask;
};

static mq_status mask_step(void *user, int thread, const mq_prune_step *step, mq_error *err)
{
    const struct masking *m = user;

    (void)err;
    memcpy(m->mask + step->from, keep_step(&m->keeping, thread, step), step->n);
    return MQ_OK;
}

mq_status mq_prune_mask(const mq_prune_plan *plan, const mq_prune_item *it, const mq_hooks *hooks, uint8_t **out,
                        mq_error *err)
{
    struct masking m = { 0 };
    mq_prune_walk w;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_prune_walk_init(&w, plan, it, hooks, err));
    MQ_TRY(init_keeping(&m.keeping, plan, it, &w, err));
    if (!(m.mask = malloc((size_t)it->view.n + 1))) {
        rc = mq_oom(err);
        goto done;
    }
    MQ_TRY(mq_prune_walk_run(&w, "masking", mask_step, &m, err));
    *out = m.mask;
    m.mask = NULL;
done:
    release_keeping(&m.keeping);
    free(m.mask);
    return rc;
}

/* ---- writing ------------------------------------------------------------------------------------------------------- */

struct zeroing {
    struct keeping keeping;
    const mq_prune_walk *walk;
    mq_sink *sink;         /* NULL: only counting */
    uint8_t *rooms;        /* bytes of a step, per thread */
    mq_prune_stats *stats; /* per step */
};

/* Sums in fixed lanes, so that they do not depend on the instruction set. */
struct sums {
    double before[LANES], after[LANES];
    uint32_t zeros_before[LANES], zeros[LANES], nan[LANES];
};

MQ_INLINE void count_lane(float x, uint32_t stays, struct sums *s, size_t l)
{
    const uint32_t u = mq_bits_of(x), was_zero = u << 1 == 0, nan = (u & 0x7fffffff) > 0x7f800000;
    const double v = (double)mq_bits_float(u & -(1 - nan)), square = v * v;

    s->before[l] += square;
    s->after[l] += stays ? square : 0;
    s->zeros_before[l] += was_zero;
    s->zeros[l] += was_zero | (1 - stays);
    s->nan[l] += nan;
}

MQ_CLONES(void, count_elements, (const mq_unaligned_f32 *x, const uint8_t *keep, size_t n, struct sums *s), (x, keep, n, s))
{
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        MQ_LANES
        for (size_t l = 0; l < LANES; l++)
            count_lane(x[i + l], keep[i + l], s, l);
    }
    for (size_t l = 0; i < n; i++, l++)
        count_lane(x[i], keep[i], s, l);
}

static mq_prune_stats count_step(const mq_prune_step *step, const uint8_t *keep)
{
    mq_prune_stats all = { .n = step->n };
    struct sums s = { 0 };

    count_elements(step->x, keep, step->n, &s);
    for (size_t l = 0; l < LANES; l++) {
        all.energy_before += s.before[l];
        all.energy += s.after[l];
        all.zeros_before += s.zeros_before[l];
        all.zeros += s.zeros[l];
        all.n_nan += s.nan[l];
    }
    return all;
}

/* Of floats: as integers, so that NaN keeps its bits. */
MQ_CLONES(void, zero_words, (const mq_unaligned_f32 *in, const uint8_t *keep, size_t n, uint32_t *out), (in, keep, n, out))
{
    for (size_t i = 0; i < n; i++)
        out[i] = mq_bits_of(in[i]) & -(uint32_t)keep[i];
}

/* The bytes as they are, but +0 for what goes. */
static void zero_bytes(const uint8_t *in, const uint8_t *keep, size_t n, size_t width, uint8_t *out)
{
    if (width == 4) {
        zero_words((const mq_unaligned_f32 *)(const void *)in, keep, n, (uint32_t *)(void *)out);
        return;
    }
    memcpy(out, in, n * width);
    for (size_t i = 0; i < n; i++)
        if (!keep[i])
            memset(out + i * width, 0, width);
}

static mq_status zero_step(void *user, int thread, const mq_prune_step *step, mq_error *err)
{
    const struct zeroing *z = user;
    const size_t width = z->walk->width;
    const uint8_t *keep = keep_step(&z->keeping, thread, step);
    uint8_t *room = z->rooms + (size_t)thread * z->keeping.room * width;

    z->stats[step->index] = count_step(step, keep);
    if (!z->sink || !step->n)
        return MQ_OK;
    zero_bytes((const uint8_t *)z->walk->bytes + step->from * width, keep, step->n, width, room);
    return z->sink->write_at(z->sink, step->from * width, room, step->n * width, err);
}

static void add_stats(mq_prune_item *it, const mq_prune_stats *steps, size_t n)
{
    mq_prune_stats all = { .measured = true };

    for (size_t i = 0; i < n; i++) {
        all.n += steps[i].n;
        all.zeros_before += steps[i].zeros_before;
        all.zeros += steps[i].zeros;
        all.n_nan += steps[i].n_nan;
        all.energy_before += steps[i].energy_before;
        all.energy += steps[i].energy;
    }
    it->stats = all;
}

static mq_status zero(const mq_prune_plan *plan, mq_prune_item *it, mq_sink *sink, const mq_hooks *hooks, mq_error *err)
{
    struct zeroing z = { .sink = sink };
    mq_prune_walk w;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_prune_walk_init(&w, plan, it, hooks, err));
    z.walk = &w;
    MQ_TRY(init_keeping(&z.keeping, plan, it, &w, err));
    z.rooms = malloc((size_t)w.n_threads * w.longest * w.width);
    z.stats = calloc(w.n_steps + 1, sizeof *z.stats);
    if (!z.rooms || !z.stats) {
        rc = mq_oom(err);
        goto done;
    }
    MQ_TRY(mq_prune_walk_run(&w, "pruning", zero_step, &z, err));
    add_stats(it, z.stats, w.n_steps);
done:
    release_keeping(&z.keeping);
    free(z.rooms);
    free(z.stats);
    return rc;
}

mq_status mq_prune_measure(const mq_prune_plan *plan, mq_prune_item *it, const mq_hooks *hooks, mq_error *err)
{
    return zero(plan, it, NULL, hooks, err);
}

/* ---- when it is written --------------------------------------------------------------------------------------------- */

struct deferred {
    mq_maker maker;
    const mq_prune_plan *plan;
    mq_prune_item *it;
};

static mq_status make(void *user, mq_sink *sink, const mq_hooks *hooks, mq_error *err)
{
    const struct deferred *d = user;

    return zero(d->plan, d->it, sink, hooks, err);
}

mq_status mq_prune_defer(const mq_prune_plan *plan, mq_prune_item *it, mq_error *err)
{
    mq_tensor *t = it->view.tensor, *was = mq_arena_memdup(plan->model->arena, t, sizeof *t);
    struct deferred *d = mq_arena_calloc(plan->model->arena, 1, sizeof *d);
    mq_status rc;

    if (!was || !d)
        return mq_oom(err);
    if (it->constant->producer && (rc = mq_value_set_constant(it->constant, t, err)) != MQ_OK)
        return rc; /* it may have been a list of numbers */
    *d = (struct deferred){ .maker = { .n_bytes = (uint64_t)mq_tensor_size(t), .make = make, .user = d },
                            .plan = plan, .it = it };
    it->view.tensor = was;
    t->storage = MQ_STORE_MADE;
    t->maker = &d->maker;
    return MQ_OK;
}
