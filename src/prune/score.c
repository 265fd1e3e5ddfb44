/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "prune/score.h"

#include <math.h>
#include <stdlib.h>

#include "base/bits.h"
#include "base/error.h"
#include "base/random.h"
#include "prune/walk.h"

#define INFINITE 0x7f800000u
#define LAST UINT32_MAX

/* Bit patterns of magnitudes are in their order as integers. */
MQ_CLONES(void, keys_of_magnitudes, (const mq_unaligned_f32 *x, size_t n, uint32_t *keys), (x, n, keys))
{
    for (size_t i = 0; i < n; i++) {
        const uint32_t u = mq_bits_of(x[i]) & 0x7fffffff;
        keys[i] = u > INFINITE ? LAST : u;
    }
}

/* Values in their order as integers (negative ones are turned round); `flip` all ones: the largest first. */
static void keys_of_values(const mq_unaligned_f32 *x, size_t n, uint32_t flip, uint32_t *keys)
{
    for (size_t i = 0; i < n; i++) {
        const uint32_t u = mq_bits_of(x[i]), order = u ^ (u >> 31 ? UINT32_MAX : 0x80000000u);
        const uint32_t key = (u & 0x7fffffff) > INFINITE ? LAST : order ^ flip;
        keys[i] = u << 1 ? key : 0;
    }
}

static void keys_by_chance(uint64_t seed, const mq_unaligned_f32 *x, uint64_t from, size_t n, uint32_t *keys)
{
    for (size_t i = 0; i < n; i++) {
        const uint32_t u = mq_bits_of(x[i]), chance = (uint32_t)(mq_random_at(seed, from + i) >> 33) + 1; /* below LAST */
        keys[i] = (u & 0x7fffffff) > INFINITE ? LAST : u << 1 ? chance : 0;
    }
}

void mq_prune_keys(mq_prune_method method, uint64_t seed, const mq_unaligned_f32 *x, uint64_t from, size_t n,
                   uint32_t *keys)
{
    switch (method) {
    case MQ_PRUNE_L1:
    case MQ_PRUNE_WANDA: /* of what they cannot see */
    case MQ_PRUNE_SPARSEGPT:
    case MQ_PRUNE_L2: keys_of_magnitudes(x, n, keys); break;
    case MQ_PRUNE_RANDOM: keys_by_chance(seed, x, from, n, keys); break;
    case MQ_PRUNE_MAX: keys_of_values(x, n, UINT32_MAX, keys); break;
    case MQ_PRUNE_MIN: keys_of_values(x, n, 0, keys); break;
    case MQ_PRUNE_GEOMEDIAN: /* not of single weights: refused beforehand */
    case MQ_PRUNE_TAYLOR:
    case MQ_PRUNE_ACTIVATION: break;
    }
}

/* The least float that is not below the threshold, so that the comparison is exact. */
uint32_t mq_prune_key_of(double threshold)
{
    float f = (float)threshold;

    if ((double)f < threshold)
        f = nextafterf(f, INFINITY);
    return mq_bits_of(f);
}

/* ---- blocks -------------------------------------------------------------------------------------------------------- */

mq_prune_blocks mq_prune_blocks_of(const mq_prune_plan *plan, const mq_prune_item *it)
{
    const mq_source *v = &it->view;
    const int64_t outer = v->strides[it->channel_axis], inner = v->strides[it->reduce_axis];
    const bool channels_first = outer > inner || (outer == inner && v->dims[it->reduce_axis] == 1);
    const int x = channels_first ? it->channel_axis : it->reduce_axis;
    const int y = channels_first ? it->reduce_axis : it->channel_axis;
    mq_prune_blocks b = { .x = (size_t)v->dims[x], .y = (size_t)v->dims[y], .c = (size_t)v->strides[y],
                          .bx = channels_first ? plan->rows : plan->cols, .by = channels_first ? plan->cols : plan->rows };

    b.b = (size_t)v->strides[x] / (b.y * b.c);
    b.nx = (b.x + b.bx - 1) / b.bx;
    b.ny = (b.y + b.by - 1) / b.by;
    b.n = (size_t)v->n / (b.x * b.b * b.y * b.c) * b.nx * b.b * b.ny * b.c;
    return b;
}

void mq_prune_block_of(const mq_prune_blocks *b, uint64_t from, size_t n, uint64_t *block)
{
    size_t c = from % b->c, row = from / b->c, y = row % b->y;
    size_t done = 0;

    row /= b->y; /* [a, x, b] */
    while (done < n) {
        const size_t at_b = row % b->b, x = row / b->b % b->x, a = row / b->b / b->x;
        const uint64_t first = (((uint64_t)a * b->nx + x / b->bx) * b->b + at_b) * b->ny * b->c;
        for (; y < b->y && done < n; y++, c = 0) {
            const uint64_t here = first + y / b->by * b->c;
            for (; c < b->c && done < n; c++)
                block[done++] = here + c;
            if (c < b->c)
                return;
        }
        y = 0;
        row++;
    }
}

struct summing {
    mq_prune_blocks blocks;
    mq_prune_method method;
    uint64_t *block; /* of each element of a step */
    double *sums;
    uint32_t *sizes;
};

static mq_status add_step(void *user, int thread, const mq_prune_step *step, mq_error *err)
{
    struct summing *s = user;

    (void)thread;
    (void)err;
    mq_prune_block_of(&s->blocks, step->from, step->n, s->block);
    for (size_t i = 0; i < step->n; i++) {
        const double v = (double)step->x[i];
        s->sums[s->block[i]] += s->method == MQ_PRUNE_L2 ? v * v : s->method > MQ_PRUNE_RANDOM ? v : fabs(v);
        s->sizes[s->block[i]]++;
    }
    return MQ_OK;
}

static void finish_keys(const struct summing *s, uint64_t seed, uint32_t *keys)
{
    for (size_t i = 0; i < s->blocks.n; i++) {
        const mq_unaligned_f32 mean = (float)(s->sums[i] / (double)s->sizes[i]);
        mq_prune_keys(s->method, seed, &mean, i, 1, &keys[i]);
    }
}

mq_status mq_prune_block_keys(const mq_prune_plan *plan, const mq_prune_item *it, const mq_hooks *hooks, uint32_t **out,
                              mq_error *err)
{
    struct summing s = { .blocks = mq_prune_blocks_of(plan, it), .method = plan->opts->method };
    uint32_t *keys = NULL;
    mq_prune_walk w;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_prune_walk_init(&w, plan, it, hooks, err));
    w.n_threads = 1; /* blocks reach over several steps */
    s.block = malloc(w.longest * sizeof *s.block);
    s.sums = calloc(s.blocks.n, sizeof *s.sums);
    s.sizes = calloc(s.blocks.n, sizeof *s.sizes);
    keys = malloc(s.blocks.n * sizeof *keys);
    if (!s.block || !s.sums || !s.sizes || !keys) {
        rc = mq_oom(err);
        goto done;
    }
    MQ_TRY(mq_prune_walk_run(&w, "comparing weights", add_step, &s, err));
    finish_keys(&s, it->seed, keys);
    *out = keys;
    keys = NULL;
done:
    free(s.block);
    free(s.sums);
    free(s.sizes);
    free(keys);
    return rc;
}
