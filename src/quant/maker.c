/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Makes the integers and the scales of one weight while the file is written: a pass over the weight for the ranges, one for
 * the integers, in blocks that threads share. Memory: one block per thread, the scales, and the pages of the weight, which
 * are given back as they are done with. */
#include <stdlib.h>
#include <string.h>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "base/threads.h"
#include "quant/quant.h"

enum {
    BLOCK_BYTES = 1 << 18,   /* of the weight, per step of a thread */
    WINDOW_BYTES = 16 << 20, /* pages asked for at a time */
};
/* A weight up to this size stays resident between its two passes. */
#define KEEP_BYTES ((size_t)80 << 20)

/* The weight as runs: `n_runs` runs of `run` values; run r has scale (r / repeat) % n_channels. With columns every value
 * of a run has its own scale instead. */
struct layout {
    const mq_unaligned_f32 *w;
    size_t n_runs, run, repeat;
    bool columns;
};

static struct layout layout_of(const mq_quant_item *it, const mq_unaligned_f32 *w)
{
    const mq_tensor *t = it->tensor;
    struct layout l = { .w = w };
    size_t inner = 1;

    if (it->axis < 0)
        return (struct layout){ .w = w, .n_runs = 1, .run = (size_t)it->n, .repeat = 1 };
    for (int i = it->axis + 1; i < t->n_dims; i++)
        inner *= (size_t)t->dims[i];
    l.columns = inner == 1 && it->n_channels > 1;
    l.run = l.columns ? (size_t)it->n_channels : inner;
    l.n_runs = (size_t)it->n / l.run;
    l.repeat = 1;
    return l;
}

/* A piece of the weight for one thread: values [from, to) of the whole, inside which runs may begin and end. */
static void piece_max_abs(const mq_quant_item *it, const struct layout *l, size_t from, size_t to, float *max_abs,
                          int64_t *n_nan, int64_t *n_inf)
{
    while (from < to) {
        size_t run = from / l->run, at = from % l->run, n = l->run - at;
        if (n > to - from)
            n = to - from;
        if (l->columns) {
            mq_columns_max_abs(l->w + from, n, max_abs + at, n_nan, n_inf);
        } else {
            size_t c = it->axis < 0 ? 0 : run % (size_t)it->n_channels;
            float m = mq_run_max_abs(l->w + from, n, n_nan, n_inf);
            max_abs[c] = m > max_abs[c] ? m : max_abs[c];
        }
        from += n;
    }
}

static void piece_quantize(const mq_quant_item *it, const struct layout *l, size_t from, size_t to, int8_t *q,
                           mq_quant_sums *sums)
{
    size_t start = from;

    while (from < to) {
        size_t run = from / l->run, at = from % l->run, n = l->run - at;
        if (n > to - from)
            n = to - from;
        if (l->columns)
            mq_columns_quantize(l->w + from, n, it->scales + at, q + (from - start), sums);
        else
            mq_run_quantize(l->w + from, n, it->scales[it->axis < 0 ? 0 : run % (size_t)it->n_channels],
                            q + (from - start), sums);
        from += n;
    }
}

/* Calls body(user, thread, block) for every block of the weight, window by window. */
typedef mq_status (*block_fn)(void *user, int thread, size_t block, size_t from, size_t to, mq_error *err);

struct pass {
    const mq_quant_item *item;
    const mq_hooks *hooks;
    int n_threads;
    bool give_back;       /* pages of a window after it */
    uint64_t done, total; /* for progress */
};

static mq_status window_blocks(const struct pass *p, size_t first, size_t last, block_fn body, void *user, mq_error *err)
{
    size_t step = BLOCK_BYTES / sizeof(float), n = (size_t)p->item->n;
    bool failed = false;
    mq_status rc = MQ_OK;

#pragma omp parallel for schedule(static) num_threads(p->n_threads) if (last - first > 1 && p->n_threads > 1)
    for (size_t b = first; b < last; b++) {
        mq_error mine = { MQ_OK, "" };
#ifdef _OPENMP
        int thread = omp_get_thread_num();
#else
        int thread = 0;
#endif
        mq_status got = body(user, thread, b, b * step, b * step + step < n ? b * step + step : n, &mine);
        if (got != MQ_OK && !__atomic_exchange_n(&failed, true, __ATOMIC_RELAXED)) { /* the first failure is told */
            rc = got;
            if (err)
                *err = mine;
        }
    }
    return rc;
}

static mq_status each_block(struct pass *p, block_fn body, void *user, mq_error *err)
{
    const mq_tensor *t = p->item->tensor;
    const size_t step = BLOCK_BYTES / sizeof(float), per_window = WINDOW_BYTES / BLOCK_BYTES;
    size_t n = (size_t)p->item->n, n_blocks = (n + step - 1) / step;
    mq_status rc = MQ_OK;

    for (size_t b = 0; rc == MQ_OK && b < n_blocks; b += per_window) {
        size_t last = b + per_window < n_blocks ? b + per_window : n_blocks;
        size_t bytes = (last * step < n ? last * step : n) * sizeof(float) - b * BLOCK_BYTES;
        const char *at = (const char *)t->data + b * BLOCK_BYTES;
        bool mapped = t->buf && t->data && !t->unpacked;
        if (mapped)
            mq_buf_want(t->buf, at, bytes);
        rc = window_blocks(p, b, last, body, user, err);
        if (mapped && p->give_back)
            mq_buf_done_with(t->buf, at, bytes);
        p->done += bytes;
        mq_progress(p->hooks, "quantizing", p->done, p->total);
        if (rc == MQ_OK)
            rc = mq_check_cancelled(p->hooks, err);
    }
    return rc;
}

/* ---- ranges and scales -------------------------------------------------------------------------------------------- */

struct ranges {
    const mq_quant_item *item;
    struct layout layout;
    float *max_abs; /* n_channels per thread */
    int64_t *n_nan, *n_inf; /* one per thread */
};

static mq_status range_block(void *user, int thread, size_t block, size_t from, size_t to, mq_error *err)
{
    struct ranges *r = user;

    (void)block;
    (void)err;
    piece_max_abs(r->item, &r->layout, from, to, r->max_abs + (size_t)thread * (size_t)r->item->n_channels,
                  &r->n_nan[thread], &r->n_inf[thread]);
    return MQ_OK;
}

static void scales_from_ranges(mq_quant_item *it, const struct ranges *r, int n_threads)
{
    for (int64_t c = 0; c < it->n_channels; c++) {
        float max = 0;
        for (int t = 0; t < n_threads; t++) {
            float m = r->max_abs[(size_t)t * (size_t)it->n_channels + (size_t)c];
            max = m > max ? m : max;
        }
        it->n_zero_channels += max == 0;
        it->scales[c] = mq_scale_symmetric(max, 127);
    }
    for (int t = 0; t < n_threads; t++) {
        it->n_nan += r->n_nan[t];
        it->n_inf += r->n_inf[t];
    }
}

static mq_status find_scales(mq_quant_item *it, const mq_unaligned_f32 *w, struct pass *p, mq_error *err)
{
    size_t n = (size_t)p->n_threads;
    struct ranges r = { .item = it, .layout = layout_of(it, w) };
    mq_status rc;

    it->n_nan = it->n_inf = it->n_zero_channels = 0;
    free(it->scales);
    it->scales = calloc((size_t)it->n_channels + 1, sizeof *it->scales);
    r.max_abs = calloc(n * (size_t)it->n_channels + 1, sizeof *r.max_abs);
    r.n_nan = calloc(n, sizeof *r.n_nan);
    r.n_inf = calloc(n, sizeof *r.n_inf);
    if (it->scales && r.max_abs && r.n_nan && r.n_inf)
        rc = each_block(p, range_block, &r, err);
    else
        rc = mq_oom(err);
    if (rc == MQ_OK)
        scales_from_ranges(it, &r, p->n_threads);
    free(r.max_abs);
    free(r.n_nan);
    free(r.n_inf);
    return rc;
}

/* ---- integers ----------------------------------------------------------------------------------------------------- */

struct quantizing {
    const mq_quant_item *item;
    struct layout layout;
    mq_sink *sink;
    int8_t *q;           /* one block per thread */
    mq_quant_sums *sums; /* one per block, added up in order */
};

static mq_status quantize_one_block(void *user, int thread, size_t block, size_t from, size_t to, mq_error *err)
{
    struct quantizing *z = user;
    int8_t *q = z->q + (size_t)thread * (BLOCK_BYTES / sizeof(float));

    piece_quantize(z->item, &z->layout, from, to, q, &z->sums[block]);
    return z->sink->write_at(z->sink, from, q, to - from, err);
}

static void add_sums(mq_quant_item *it, const mq_quant_sums *sums, size_t n_blocks)
{
    it->signal = it->error = 0;
    it->max_error = 0;
    for (size_t b = 0; b < n_blocks; b++) {
        it->signal += sums[b].signal;
        it->error += sums[b].error;
        it->max_error = sums[b].max_error > it->max_error ? sums[b].max_error : it->max_error;
    }
    it->measured = true;
}

static mq_status write_integers(mq_quant_item *it, const mq_unaligned_f32 *w, mq_sink *sink, struct pass *p, mq_error *err)
{
    const size_t step = BLOCK_BYTES / sizeof(float);
    size_t n_blocks = ((size_t)it->n + step - 1) / step;
    struct quantizing z = { .item = it, .layout = layout_of(it, w), .sink = sink };
    mq_status rc;

    z.q = malloc((size_t)p->n_threads * step);
    z.sums = calloc(n_blocks + 1, sizeof *z.sums);
    rc = z.q && z.sums ? each_block(p, quantize_one_block, &z, err) : mq_oom(err);
    if (rc == MQ_OK)
        add_sums(it, z.sums, n_blocks);
    free(z.q);
    free(z.sums);
    return rc;
}

/* ---- makers ------------------------------------------------------------------------------------------------------- */

static struct pass pass_over(const mq_quant_item *it, const mq_hooks *hooks)
{
    size_t bytes = (size_t)it->n * sizeof(float);

    return (struct pass){ .item = it, .hooks = hooks, .n_threads = mq_threads(hooks ? hooks->n_threads : 0),
                          .total = 2 * bytes, .give_back = bytes > KEEP_BYTES };
}

static mq_status make_integers(void *user, mq_sink *sink, const mq_hooks *hooks, mq_error *err)
{
    mq_quant_item *it = user;
    struct pass p = pass_over(it, hooks);
    const void *w = NULL;
    mq_status rc = mq_tensor_bytes(it->tensor, &w, err);

    if (rc == MQ_OK)
        rc = find_scales(it, w, &p, err);
    p.give_back = true;
    if (rc == MQ_OK)
        rc = write_integers(it, w, sink, &p, err);
    return rc;
}

static mq_status make_scales(void *user, mq_sink *sink, const mq_hooks *hooks, mq_error *err)
{
    mq_quant_item *it = user;
    struct pass p = pass_over(it, hooks);
    const void *w = NULL;
    mq_status rc = MQ_OK;

    if (!it->scales) { /* they may lie in another file, which is written first */
        if ((rc = mq_tensor_bytes(it->tensor, &w, err)) != MQ_OK || (rc = find_scales(it, w, &p, err)) != MQ_OK)
            return rc;
    }
    return sink->write_at(sink, 0, it->scales, (size_t)it->n_channels * sizeof(float), err);
}

void mq_weight_makers_init(mq_quant_item *it)
{
    it->make_q = (mq_maker){ .n_bytes = (uint64_t)it->n, .make = make_integers, .user = it };
    it->make_scale =
        (mq_maker){ .n_bytes = (uint64_t)it->n_channels * sizeof(float), .make = make_scales, .user = it };
}
