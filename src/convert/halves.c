/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Constants in another float type: what rounding does to them, and their bytes, block by block. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "convert/precision.h"

#define BLOCK 65536
#define SMALL 4096 /* elements up to which the bytes are made at once */

/* ---- measuring ----------------------------------------------------------------------------------------------------- */

typedef struct sums {
    double signal, noise, max_error;
    uint64_t overflowed, flushed;
} sums;

static void measure_block(mq_dtype to, const float *x, const float *y, uint64_t n, sums *s)
{
    (void)to;
    for (uint64_t i = 0; i < n; i++) {
        const double e = (double)y[i] - (double)x[i];

        if (!isfinite(x[i]))
            continue;
        if (!isfinite(y[i])) {
            s->overflowed++;
            continue;
        }
        s->flushed += x[i] != 0 && y[i] == 0;
        s->signal += (double)x[i] * (double)x[i];
        s->noise += e * e;
        s->max_error = fabs(e) > s->max_error ? fabs(e) : s->max_error;
    }
}

static void measure_at(const void *data, mq_dtype from, mq_dtype to, uint64_t start, uint64_t n, float *x, float *y,
                       void *half, sums *s)
{
    mq_dtype_to_f32(from, data, start, n, x);
    mq_dtype_from_f32(to, x, n, half, false);
    mq_dtype_to_f32(to, half, 0, n, y);
    measure_block(to, x, y, n, s);
}

/* Weights are read from front to back, once to be measured and once to be written: memory need not hold them between. */
static void give_back(const mq_tensor *t, const void *data)
{
    if (t->buf)
        mq_buf_done_with(t->buf, data, (size_t)mq_tensor_size(t));
}

mq_status mq_halves_measure(mq_tensor *t, mq_dtype to, mq_precision_item *item, mq_error *err)
{
    const int64_t count = mq_tensor_count(t);
    float *room = malloc(3 * BLOCK * sizeof *room);
    const void *data;
    sums s = { 0 };
    mq_status rc = room ? mq_tensor_bytes(t, &data, err) : mq_oom(err);

    for (int64_t at = 0; rc == MQ_OK && at < count; at += BLOCK)
        measure_at(data, t->dtype, to, (uint64_t)at, (uint64_t)(count - at < BLOCK ? count - at : BLOCK), room,
                   room + BLOCK, room + 2 * BLOCK, &s);
    free(room);
    if (rc != MQ_OK)
        return rc;
    give_back(t, data);
    item->from = t->dtype;
    item->to = to;
    item->count = count;
    item->n_dims = t->n_dims;
    item->dims = t->dims;
    item->measured = true;
    item->sqnr = s.noise > 0 ? 10 * log10(s.signal / s.noise) : INFINITY;
    item->max_error = s.max_error;
    item->overflowed = s.overflowed;
    item->flushed = s.flushed;
    return MQ_OK;
}

/* ---- making -------------------------------------------------------------------------------------------------------- */

typedef struct recipe {
    mq_maker maker;
    mq_tensor *source;
    mq_dtype to;
} recipe;

static mq_status make_block(const recipe *r, const void *data, uint64_t at, uint64_t n, mq_sink *sink, mq_error *err)
{
    const uint64_t size = (uint64_t)mq_dtype_bits(r->to) / 8;
    float *x = malloc((size_t)n * (sizeof *x + sizeof(float)));
    mq_status rc;

    if (!x)
        return mq_oom(err);
    mq_dtype_to_f32(r->source->dtype, data, at, n, x);
    mq_dtype_from_f32(r->to, x, n, x + n, false);
    rc = sink->write_at(sink, at * size, x + n, (size_t)(n * size), err);
    free(x);
    return rc;
}

/* Blocks are shared out among threads; where each lies does not depend on who makes it. */
static mq_status make(void *user, mq_sink *sink, const mq_hooks *hooks, mq_error *err)
{
    const recipe *r = user;
    const int64_t count = mq_tensor_count(r->source), n_blocks = (count + BLOCK - 1) / BLOCK;
    const void *data;
    mq_error first = { 0 };
    mq_status rc = mq_tensor_bytes(r->source, &data, err);

    if (rc != MQ_OK)
        return rc;
#pragma omp parallel for schedule(static) num_threads(mq_threads(hooks ? hooks->n_threads : 0))
    for (int64_t b = 0; b < n_blocks; b++) {
        const uint64_t at = (uint64_t)b * BLOCK, left = (uint64_t)count - at;
        mq_error mine = { 0 };
        const mq_status failed = make_block(r, data, at, left < BLOCK ? left : BLOCK, sink, &mine);

        if (failed != MQ_OK) {
#pragma omp critical(mq_halves)
            {
                rc = failed;
                first = mine;
            }
        }
    }
    if (rc != MQ_OK && err)
        *err = first;
    give_back(r->source, data);
    return rc == MQ_OK ? mq_check_cancelled(hooks, err) : rc;
}

mq_status mq_halves_make(mq_tensor *t, mq_dtype to, mq_tensor **out, mq_error *err)
{
    mq_model *m = t->model;
    const int64_t count = mq_tensor_count(t);
    uint64_t bytes = 0;
    recipe *r;
    mq_tensor *made;

    if (count < 0 || !mq_dtype_bytes(to, (uint64_t)count, &bytes))
        return mq_fail(err, MQ_ERR_INPUT, "constant '%s' has no size", t->name);
    if (!(made = mq_tensor_create(m, t->name, to, t->n_dims, t->dims, NULL)))
        return mq_oom(err);
    *out = made;
    if (count <= SMALL) {
        float x[SMALL];
        void *data = mq_arena_alloc(m->arena, (size_t)bytes + 1);
        const mq_status rc = data ? mq_tensor_read_f32(t, 0, (uint64_t)count, x, err) : mq_oom(err);

        if (rc != MQ_OK)
            return rc;
        mq_dtype_from_f32(to, x, (uint64_t)count, data, false);
        made->storage = MQ_STORE_RAW;
        made->data = data;
        made->n_bytes = (size_t)bytes;
        return MQ_OK;
    }
    if (!(r = mq_arena_calloc(m->arena, 1, sizeof *r)))
        return mq_oom(err);
    *r = (recipe){ .maker = { .n_bytes = bytes, .make = make, .user = r }, .source = t, .to = to };
    made->storage = MQ_STORE_MADE;
    made->maker = &r->maker;
    return MQ_OK;
}
