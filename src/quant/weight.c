/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Makes the integers, scales and zero points of one weight: a pass over it for the ranges, where the fit needs it one over
 * the values of each scale, and one for the integers, in blocks that threads share. Memory: a block per thread, the scales,
 * and the pages of the weight, which are given back as they are done with. What is summed is summed per block and added up
 * in order, so that no figure depends on the number of threads. */
#include "quant/weight.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"

enum {
    STEP = 1 << 16,   /* elements per step of a thread; a multiple of what a byte packs */
    WINDOW = 4 << 20, /* elements whose pages are asked for at a time */
    TILE = 16,        /* neighbouring columns that are fitted together: the floats of a cache line */
    ROWS = 64,        /* rows of a transposed matrix that are made together, so that its pages are visited less often */
    FEW = 4096,       /* scales that are not worth other threads */
};
/* A weight up to this many bytes stays resident between its passes. */
#define KEEP_BYTES ((size_t)80 << 20)

/* One pass over the weight. */
struct pass {
    mq_weight *w;
    mq_source source; /* the weight's, or the same elements in the order in which they are stored */
    const void *bytes;
    const mq_hooks *hooks;
    int n_threads;
    bool give_back;
    uint64_t done, total; /* elements, for progress */
};

static mq_status start_pass(struct pass *p, mq_weight *w, const mq_hooks *hooks, mq_error *err)
{
    *p = (struct pass){ .w = w, .hooks = hooks, .source = w->source,
                        .n_threads = mq_threads(hooks ? hooks->n_threads : 0) };
    p->total = (uint64_t)w->source.n * 2;
    p->give_back = (size_t)w->source.n * 4 > KEEP_BYTES;
    return mq_tensor_bytes(w->source.tensor, &p->bytes, err);
}

/* Work on elements [from, to) of the view; `room` holds STEP floats. */
typedef mq_status (*step_fn)(void *user, int thread, size_t step, const mq_unaligned_f32 *x, size_t from, size_t to,
                             mq_error *err);

static mq_status run_steps(const struct pass *p, size_t first, size_t last, float *rooms, step_fn body, void *user,
                           mq_error *err)
{
    size_t n = (size_t)p->source.n;
    bool failed = false;
    mq_status rc = MQ_OK;

#pragma omp parallel for schedule(static) num_threads(p->n_threads) if (last - first > 1 && p->n_threads > 1)
    for (size_t s = first; s < last; s++) {
        int thread = mq_thread_number();
        size_t from = s * STEP, to = from + STEP < n ? from + STEP : n;
        float *room = rooms ? rooms + (size_t)thread * STEP : NULL;
        mq_error mine = { MQ_OK, "" };
        mq_status got =
            body(user, thread, s, mq_source_read(&p->source, p->bytes, from, to - from, room), from, to, &mine);
        if (got != MQ_OK && !__atomic_exchange_n(&failed, true, __ATOMIC_RELAXED)) { /* the first failure is told */
            rc = got;
            if (err)
                *err = mine;
        }
    }
    return rc;
}

/* Calls body for the whole weight, window by window. */
static mq_status each_step(struct pass *p, step_fn body, void *user, mq_error *err)
{
    const mq_source *src = &p->source;
    size_t n = (size_t)src->n, n_steps = (n + STEP - 1) / STEP;
    bool in_place = mq_source_is_plain(src) && src->tensor->dtype == MQ_FLOAT;
    float *rooms = in_place ? NULL : malloc((size_t)p->n_threads * STEP * sizeof *rooms);
    mq_status rc = in_place || rooms ? MQ_OK : mq_oom(err);

    for (size_t s = 0; rc == MQ_OK && s < n_steps; s += WINDOW / STEP) {
        size_t last = s + WINDOW / STEP < n_steps ? s + WINDOW / STEP : n_steps;
        size_t from = s * STEP, count = (last * STEP < n ? last * STEP : n) - from;
        mq_source_want(src, from, count);
        rc = run_steps(p, s, last, rooms, body, user, err);
        if (p->give_back)
            mq_source_done_with(src, from, count);
        p->done += count;
        mq_progress(p->hooks, "quantizing", p->done, p->total);
        if (rc == MQ_OK)
            rc = mq_check_cancelled(p->hooks, err);
    }
    free(rooms);
    return rc;
}

/* The line at `from`, as far as it lies before `to`. */
static mq_line line_within(const mq_grid *g, size_t from, size_t to)
{
    mq_line l = mq_grid_line(g, from);

    l.n = l.n < to - from ? l.n : to - from;
    return l;
}

/* ---- ranges -------------------------------------------------------------------------------------------------------- */

/* The ranges are found in the order in which the elements are stored: those of a transposed matrix in its turned grid. */
struct ranges {
    mq_grid grid;
    bool turned;
    float *lo, *hi; /* n_scales per thread; least and most do not depend on who saw what */
    mq_nonfinite *bad; /* one per thread */
};

static mq_status range_step(void *user, int thread, size_t step, const mq_unaligned_f32 *x, size_t from, size_t to,
                            mq_error *err)
{
    struct ranges *r = user;
    float *lo = r->lo + (size_t)thread * r->grid.n_scales, *hi = r->hi + (size_t)thread * r->grid.n_scales;

    (void)step;
    (void)err;
    while (from < to) {
        mq_line l = line_within(&r->grid, from, to);
        if (l.columns)
            mq_columns_range(x, l.n, lo + l.scale, hi + l.scale, &r->bad[thread]);
        else if (l.block)
            mq_blocks_range(x, l.n, l.block, lo + l.scale, hi + l.scale, &r->bad[thread]);
        else
            mq_run_range(x, l.n, lo + l.scale, hi + l.scale, &r->bad[thread]);
        x += l.n;
        from += l.n;
    }
    return MQ_OK;
}

/* The threads' ranges become one, in lo[0..n_scales) and hi[0..n_scales). */
static void merge_ranges(mq_weight *w, struct ranges *r, int n_threads)
{
    size_t n = r->grid.n_scales, n_zero = 0;

    w->bad = r->bad[0];
    for (int t = 1; t < n_threads; t++) {
        w->bad.n_nan += r->bad[t].n_nan;
        w->bad.n_inf += r->bad[t].n_inf;
    }
#pragma omp parallel for schedule(static) num_threads(n_threads) reduction(+ : n_zero) if (n > FEW && n_threads > 1)
    for (size_t i = 0; i < n; i++) {
        for (int t = 1; t < n_threads; t++) {
            float lo = r->lo[(size_t)t * n + i], hi = r->hi[(size_t)t * n + i];
            r->lo[i] = lo < r->lo[i] ? lo : r->lo[i];
            r->hi[i] = hi > r->hi[i] ? hi : r->hi[i];
        }
        n_zero += r->lo[i] == 0 && r->hi[i] == 0;
    }
    w->n_zero_groups = n_zero;
}

/* ---- fitting ------------------------------------------------------------------------------------------------------- */

/* Neighbouring scales whose values lie beside each other; else one at a time. */
static size_t tile_of(const mq_grid *g, size_t scale, const mq_group *group)
{
    size_t row = g->kind == MQ_PER_BLOCK ? g->inner : g->n_scales, left = row - scale % row;

    if (group->piece != 1 || group->n_pieces == 1)
        return 1;
    return left < TILE ? left : TILE;
}

/* Values of scales [scale, scale + tile), group after group, where they lie or in `out`; what is not finite becomes 0. */
static const mq_unaligned_f32 *gather_groups(const struct pass *p, const mq_group *g, size_t tile, size_t len, float *out)
{
    bool all_finite = p->w->bad.n_nan == 0 && p->w->bad.n_inf == 0;
    float room[TILE];

    if (g->n_pieces == 1 && all_finite)
        return mq_source_read(&p->w->source, p->bytes, g->from, g->piece, out);
    if (tile == 1) {
        for (size_t k = 0; k < g->n_pieces; k++) {
            float *to = out + k * g->piece;
            const mq_unaligned_f32 *x =
                mq_source_read(&p->w->source, p->bytes, g->from + k * g->stride, g->piece, to);
            if ((const void *)x != (const void *)to)
                memcpy(to, x, g->piece * sizeof *to);
        }
    } else {
        for (size_t k = 0; k < g->n_pieces; k++) {
            const mq_unaligned_f32 *x = mq_source_read(&p->w->source, p->bytes, g->from + k * g->stride, tile, room);
            for (size_t c = 0; c < tile; c++)
                out[c * len + k] = x[c];
        }
    }
    for (size_t i = 0; !all_finite && i < tile * len; i++)
        out[i] = isfinite(out[i]) ? out[i] : 0;
    return (const mq_unaligned_f32 *)out;
}

/* Scale and zero point of one scale; x as for mq_fit_group. */
static void fit_one(mq_weight *w, const struct ranges *r, size_t scale, const mq_unaligned_f32 *x, size_t n)
{
    size_t at = r->turned ? mq_grid_turned_scale(&w->grid, scale) : scale;

    mq_fit_group(&w->fit, &w->scheme, x, n, r->lo[at], r->hi[at], &w->scales[scale], &w->zero_points[scale]);
}

static void fit_tile(const struct pass *p, const struct ranges *r, size_t scale, size_t tile, float *room)
{
    mq_weight *w = p->w;
    mq_group g = mq_grid_group(&w->grid, scale);
    size_t len = g.piece * g.n_pieces;
    const mq_unaligned_f32 *x = gather_groups(p, &g, tile, len, room);

    for (size_t c = 0; c < tile; c++)
        fit_one(w, r, scale + c, x + c * len, len);
}

/* The tiles of the grid, as the scale each begins with. */
static size_t *list_tiles(const mq_grid *g, size_t *n)
{
    size_t *starts = malloc((g->n_scales + 1) * sizeof *starts);

    *n = 0;
    for (size_t s = 0; starts && s < g->n_scales;) {
        mq_group group = mq_grid_group(g, s);
        starts[(*n)++] = s;
        s += tile_of(g, s, &group);
    }
    if (starts)
        starts[*n] = g->n_scales;
    return starts;
}

static mq_status fit_values(struct pass *p, const struct ranges *r, mq_error *err)
{
    const mq_grid *g = &p->w->grid;
    mq_group first = mq_grid_group(g, 0);
    size_t n_tiles, *starts = list_tiles(g, &n_tiles);
    size_t room = tile_of(g, 0, &first) * first.piece * first.n_pieces + 1; /* the first tile is the largest */
    float *rooms = malloc((size_t)p->n_threads * room * sizeof *rooms);
    mq_status rc = starts && rooms ? MQ_OK : mq_oom(err);

    for (size_t t = 0; rc == MQ_OK && t < n_tiles; t += 4096) {
        size_t last = t + 4096 < n_tiles ? t + 4096 : n_tiles;
#pragma omp parallel for schedule(dynamic, 4) num_threads(p->n_threads) if (last - t > 1 && p->n_threads > 1)
        for (size_t i = t; i < last; i++)
            fit_tile(p, r, starts[i], starts[i + 1] - starts[i], rooms + (size_t)mq_thread_number() * room);
        mq_progress(p->hooks, "fitting", last, n_tiles);
        rc = mq_check_cancelled(p->hooks, err);
    }
    free(starts);
    free(rooms);
    return rc;
}

static void fit_ranges(const struct pass *p, const struct ranges *r)
{
    size_t n = r->grid.n_scales;

#pragma omp parallel for schedule(static) num_threads(p->n_threads) if (n > FEW && p->n_threads > 1)
    for (size_t i = 0; i < n; i++)
        fit_one(p->w, r, i, NULL, 0);
}

static mq_status find_params(mq_weight *w, struct pass *p, mq_error *err)
{
    size_t n = w->grid.n_scales, t = (size_t)p->n_threads;
    struct ranges r = { .grid = w->grid, .lo = calloc(t * n + 1, sizeof(float)), .hi = calloc(t * n + 1, sizeof(float)),
                        .bad = calloc(t, sizeof(mq_nonfinite)) };
    mq_status rc = MQ_OK;

    r.turned = w->grid.kind != MQ_PER_TENSOR && mq_source_is_turned(&w->source, &p->source);
    if (r.turned)
        r.grid = mq_grid_turned(&w->grid);
    rc = r.lo && r.hi && r.bad ? each_step(p, range_step, &r, err) : mq_oom(err);
    if (rc == MQ_OK) {
        merge_ranges(w, &r, p->n_threads);
        if (mq_fit_needs_values(&w->fit))
            rc = fit_values(p, &r, err);
        else
            fit_ranges(p, &r);
    }
    free(r.lo);
    free(r.hi);
    free(r.bad);
    return rc;
}

mq_status mq_weight_find_params(mq_weight *w, const mq_hooks *hooks, mq_error *err)
{
    struct pass p;
    mq_status rc;

    if (w->scales)
        return MQ_OK;
    if ((rc = start_pass(&p, w, hooks, err)) != MQ_OK)
        return rc;
    w->scales = malloc((w->grid.n_scales + 1) * sizeof *w->scales);
    w->zero_points = malloc((w->grid.n_scales + 1) * sizeof *w->zero_points);
    rc = w->scales && w->zero_points ? find_params(w, &p, err) : mq_oom(err);
    if (rc != MQ_OK) { /* nothing half-found stays behind */
        free(w->scales);
        free(w->zero_points);
        w->scales = NULL;
        w->zero_points = NULL;
    }
    return rc;
}

/* ---- integers ------------------------------------------------------------------------------------------------------ */

struct quantizing {
    const mq_weight *w;
    mq_sink *sink;
    uint8_t *rooms;      /* STEP integers per thread */
    mq_quant_sums *sums; /* one per step */
};

/* What elements [from, to) lose by the integers that they were given. */
static void sum_rounded(const mq_weight *w, const mq_unaligned_f32 *x, size_t from, size_t to, mq_quant_sums *sums)
{
    for (size_t i = from; i < to; i++, x++) {
        const size_t scale = mq_grid_scale_at(&w->grid, i);
        const float back = (float)(mq_weight_integer(w, i) - w->zero_points[scale]) * w->scales[scale];
        const float error = fabsf(*x - back);
        const double q = (double)*x / (double)w->scales[scale] + w->zero_points[scale];
        if (!isfinite(*x))
            continue;
        sums->signal += (double)*x * (double)*x;
        sums->error += (double)error * (double)error;
        sums->max_error = error > sums->max_error ? error : sums->max_error;
        sums->n_clipped += q < w->scheme.q_min - 0.5 || q > w->scheme.q_max + 0.5;
    }
}

/* Integers of elements [from, to), one per byte or two bytes, into q. */
static void quantize_span(const mq_weight *w, const mq_unaligned_f32 *x, size_t from, size_t to, uint8_t *q,
                          mq_quant_sums *sums)
{
    size_t width = mq_scheme_width(&w->scheme);

    if (w->rounded) {
        memcpy(q, w->rounded + from, to - from);
        sum_rounded(w, x, from, to, sums);
        return;
    }
    while (from < to) {
        mq_line l = line_within(&w->grid, from, to);
        const float *scales = w->scales + l.scale;
        const int32_t *zero_points = w->zero_points + l.scale;
        if (l.columns)
            mq_columns_quantize(&w->scheme, x, l.n, scales, zero_points, q, sums);
        else if (l.block)
            mq_blocks_quantize(&w->scheme, x, l.n, l.block, scales, zero_points, q, sums);
        else
            mq_run_quantize(&w->scheme, x, l.n, *scales, *zero_points, q, sums);
        x += l.n;
        q += l.n * width;
        from += l.n;
    }
}

static mq_status quantize_step(void *user, int thread, size_t step, const mq_unaligned_f32 *x, size_t from, size_t to,
                               mq_error *err)
{
    struct quantizing *z = user;
    int bits = mq_dtype_bits(z->w->scheme.type);
    uint8_t *q = z->rooms + (size_t)thread * STEP * mq_scheme_width(&z->w->scheme);

    quantize_span(z->w, x, from, to, q, &z->sums[step]);
    if (bits < 8)
        mq_pack_bits(bits, q, to - from, q);
    return z->sink->write_at(z->sink, (uint64_t)from * (uint64_t)bits / 8, q,
                             ((to - from) * (size_t)bits + 7) / 8, err);
}

static void add_sums(mq_weight *w, const mq_quant_sums *sums, size_t n)
{
    w->sums = (mq_quant_sums){ 0 };
    for (size_t i = 0; i < n; i++) {
        w->sums.signal += sums[i].signal;
        w->sums.error += sums[i].error;
        w->sums.n_clipped += sums[i].n_clipped;
        w->sums.max_error = sums[i].max_error > w->sums.max_error ? sums[i].max_error : w->sums.max_error;
    }
    w->measured = true;
}

static mq_status make_plain(mq_weight *w, struct pass *p, mq_sink *sink, mq_error *err)
{
    size_t n_steps = ((size_t)w->source.n + STEP - 1) / STEP;
    struct quantizing z = { .w = w, .sink = sink };
    mq_status rc;

    z.rooms = malloc((size_t)p->n_threads * STEP * mq_scheme_width(&w->scheme));
    z.sums = calloc(n_steps + 1, sizeof *z.sums);
    rc = z.rooms && z.sums ? each_step(p, quantize_step, &z, err) : mq_oom(err);
    if (rc == MQ_OK)
        add_sums(w, z.sums, n_steps);
    free(z.rooms);
    free(z.sums);
    return rc;
}

/* MatMulNBits: the view is [rows, k]; each row becomes n_blocks blocks of block elements, the last padded with the integer
 * of its zero point (which stands for 0). Makes n rows from `first` on, at most ROWS: the columns of the stored matrix that
 * share cache lines are read together. room: ROWS * k floats, then ROWS * padded bytes. */
static mq_status make_rows(const struct quantizing *z, const struct pass *p, size_t first, size_t n, float *room,
                           mq_error *err)
{
    const mq_weight *w = z->w;
    const mq_grid *g = &w->grid;
    size_t k = g->n, padded = g->n_blocks * g->block;
    int bits = mq_dtype_bits(w->scheme.type);
    size_t bytes = padded * (size_t)bits / 8;
    const mq_unaligned_f32 *x = mq_source_read(&w->source, p->bytes, first * k, n * k, room);
    uint8_t *q = (uint8_t *)(room + ROWS * k);

    for (size_t i = 0; i < n; i++) {
        size_t row = first + i;
        uint8_t *mine = q + i * padded;
        quantize_span(w, x + i * k, row * k, row * k + k, mine, &z->sums[row]);
        memset(mine + k, w->zero_points[row * g->n_blocks + g->n_blocks - 1], padded - k);
        if (bits < 8) /* moves towards the front, never past what is still to be read */
            mq_pack_bits(bits, mine, padded, q + i * bytes);
    }
    return z->sink->write_at(z->sink, (uint64_t)first * bytes, q, n * bytes, err);
}

static mq_status make_nbits(mq_weight *w, struct pass *p, mq_sink *sink, mq_error *err)
{
    enum { WAVE = 64 }; /* tiles between two looks at the clock */
    size_t rows = w->grid.outer, k = w->grid.n, padded = w->grid.n_blocks * w->grid.block;
    size_t n_tiles = (rows + ROWS - 1) / ROWS, room = ROWS * (k + (padded + 3) / 4);
    struct quantizing z = { .w = w, .sink = sink, .sums = calloc(rows + 1, sizeof *z.sums) };
    float *rooms = malloc((size_t)p->n_threads * room * sizeof *rooms);
    bool failed = false;
    mq_status rc = z.sums && rooms ? MQ_OK : mq_oom(err);

    for (size_t at = 0; rc == MQ_OK && at < n_tiles; at += WAVE) {
        size_t last = at + WAVE < n_tiles ? at + WAVE : n_tiles;
#pragma omp parallel for schedule(static) num_threads(p->n_threads) if (last - at > 1 && p->n_threads > 1)
        for (size_t t = at; t < last; t++) {
            size_t first = t * ROWS, n = rows - first < ROWS ? rows - first : ROWS;
            mq_error e = { MQ_OK, "" };
            mq_status got = make_rows(&z, p, first, n, rooms + (size_t)mq_thread_number() * room, &e);
            if (got != MQ_OK && !__atomic_exchange_n(&failed, true, __ATOMIC_RELAXED)) {
                rc = got;
                if (err)
                    *err = e;
            }
        }
        mq_progress(p->hooks, "quantizing", last, n_tiles);
        if (rc == MQ_OK)
            rc = mq_check_cancelled(p->hooks, err);
    }
    mq_source_done_with(&w->source, 0, (size_t)w->source.n);
    if (rc == MQ_OK)
        add_sums(w, z.sums, rows);
    free(z.sums);
    free(rooms);
    return rc;
}

/* ---- makers -------------------------------------------------------------------------------------------------------- */

static mq_status make_integers(void *user, mq_sink *sink, const mq_hooks *hooks, mq_error *err)
{
    mq_weight *w = user;
    struct pass p;
    mq_status rc = mq_weight_find_params(w, hooks, err);

    if (rc == MQ_OK)
        rc = start_pass(&p, w, hooks, err);
    if (rc != MQ_OK)
        return rc;
    p.give_back = true;
    p.done = (uint64_t)w->source.n;
    return w->packing == MQ_PACK_NBITS ? make_nbits(w, &p, sink, err) : make_plain(w, &p, sink, err);
}

static mq_status make_scales(void *user, mq_sink *sink, const mq_hooks *hooks, mq_error *err)
{
    mq_weight *w = user;
    size_t n = w->grid.n_scales;
    mq_status rc = mq_weight_find_params(w, hooks, err); /* they may be written before the integers */
    uint16_t *half;

    if (rc != MQ_OK)
        return rc;
    if (w->scheme.scale_type == MQ_FLOAT)
        return sink->write_at(sink, 0, w->scales, n * sizeof(float), err);
    if (!(half = malloc(n * sizeof *half + 1)))
        return mq_oom(err);
    for (size_t i = 0; i < n; i++)
        half[i] = w->scheme.scale_type == MQ_FLOAT16 ? mq_f16_from_f32(w->scales[i]) : mq_bf16_from_f32(w->scales[i]);
    rc = sink->write_at(sink, 0, half, n * sizeof *half, err);
    free(half);
    return rc;
}

/* Zero points in the integers' type; for MatMulNBits each row of blocks begins a byte. */
static mq_status make_zero_points(void *user, mq_sink *sink, const mq_hooks *hooks, mq_error *err)
{
    mq_weight *w = user;
    int bits = mq_dtype_bits(w->scheme.type);
    size_t n = w->grid.n_scales, per_row = w->packing == MQ_PACK_NBITS ? w->grid.n_blocks : n;
    size_t row_bytes = (per_row * (size_t)bits + 7) / 8;
    mq_status rc = mq_weight_find_params(w, hooks, err);
    uint8_t *q, *out;

    if (rc != MQ_OK)
        return rc;
    if (!(q = malloc(3 * n + 3)))
        return mq_oom(err);
    out = q + n;
    for (size_t i = 0; i < n; i++)
        q[i] = (uint8_t)w->zero_points[i];
    for (size_t row = 0; row * per_row < n && per_row; row++) {
        if (bits < 8)
            mq_pack_bits(bits, q + row * per_row, per_row, out + row * row_bytes);
        else if (bits == 8)
            memcpy(out + row * row_bytes, q + row * per_row, per_row);
    }
    for (size_t i = 0; bits == 16 && i < n; i++) {
        out[2 * i] = q[i];
        out[2 * i + 1] = (uint8_t)((uint32_t)w->zero_points[i] >> 8);
    }
    rc = sink->write_at(sink, 0, out, (size_t)mq_weight_zero_point_bytes(w), err);
    free(q);
    return rc;
}

uint64_t mq_weight_integer_bytes(const mq_weight *w)
{
    uint64_t n = w->packing == MQ_PACK_NBITS ? (uint64_t)w->grid.outer * w->grid.n_blocks * w->grid.block
                                             : (uint64_t)w->source.n;
    return (n * (uint64_t)mq_dtype_bits(w->scheme.type) + 7) / 8;
}

uint64_t mq_weight_scale_bytes(const mq_weight *w)
{
    return (uint64_t)w->grid.n_scales * (uint64_t)mq_dtype_bits(w->scheme.scale_type) / 8;
}

uint64_t mq_weight_zero_point_bytes(const mq_weight *w)
{
    uint64_t bits = (uint64_t)mq_dtype_bits(w->scheme.type);

    if (w->packing == MQ_PACK_NBITS)
        return (uint64_t)w->grid.outer * ((w->grid.n_blocks * bits + 7) / 8);
    return (w->grid.n_scales * bits + 7) / 8;
}

void mq_weight_init_makers(mq_weight *w)
{
    w->make_integers = (mq_maker){ .n_bytes = mq_weight_integer_bytes(w), .make = make_integers, .user = w };
    w->make_scales = (mq_maker){ .n_bytes = mq_weight_scale_bytes(w), .make = make_scales, .user = w };
    w->make_zero_points = (mq_maker){ .n_bytes = mq_weight_zero_point_bytes(w), .make = make_zero_points, .user = w };
}

void mq_weight_release(mq_weight *w)
{
    free(w->scales);
    free(w->zero_points);
    free(w->rounded);
    w->scales = NULL;
    w->zero_points = NULL;
    w->rounded = NULL;
}

mq_status mq_weight_round_scale(mq_weight *w, size_t scale, mq_error *err)
{
    const mq_group g = mq_grid_group(&w->grid, scale);
    float *room = malloc(g.piece * sizeof *room + 1);
    const void *bytes;
    mq_status rc = room ? mq_tensor_bytes(w->source.tensor, &bytes, err) : mq_oom(err);

    for (size_t k = 0; rc == MQ_OK && k < g.n_pieces; k++) {
        const size_t from = g.from + k * g.stride;
        mq_run_quantize(&w->scheme, mq_source_read(&w->source, bytes, from, g.piece, room), g.piece, w->scales[scale],
                        w->zero_points[scale], w->rounded + from, NULL);
    }
    free(room);
    return rc;
}

int mq_weight_integer(const mq_weight *w, size_t at)
{
    return w->scheme.q_min < 0 ? (int8_t)w->rounded[at] : w->rounded[at];
}

double mq_weight_sqnr(const mq_weight *w)
{
    return w->sums.error > 0 ? 10 * log10(w->sums.signal / w->sums.error) : INFINITY;
}
