/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The vectors of an array are laid out in chunks, a row each; a chunk is added tile by tile. */
#include "hessian/gram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/threads.h"
#include "exec/ref/conv_core.h"
#include "exec/ref/gemm.h"

enum { CHUNK = 512, TILE = 128 };

/* The vectors of one array. */
typedef struct vectors {
    const mq_reduction *r;
    const float *x;
    int64_t count;
    /* along an axis: [outer][groups * cols][inner] */
    int64_t inner;
    /* windows of images of in_ch planes */
    mq_conv conv;
    int64_t plane, places; /* elements of a plane, of a plane of results */
} vectors;

/* Memory of one thread. */
typedef struct desk {
    float *rows, *tile;
    void *scratch;
} desk;

static bool full_size(const mq_reduction *r, bool diagonal, uint64_t *n)
{
    uint64_t each = (uint64_t)r->cols;

    if (!diagonal && __builtin_mul_overflow(each, each, &each))
        return false;
    return !__builtin_mul_overflow(each, (uint64_t)r->groups, n) && *n <= SIZE_MAX / sizeof(double);
}

uint64_t mq_gram_bytes(const mq_reduction *r, bool diagonal)
{
    uint64_t n;

    return full_size(r, diagonal, &n) ? n * sizeof(double) : UINT64_MAX;
}

mq_status mq_gram_init(mq_gram *g, const mq_reduction *r, bool diagonal, mq_error *err)
{
    uint64_t n;

    *g = (mq_gram){ .groups = r->groups, .n = r->cols, .diagonal = diagonal };
    if (!full_size(r, diagonal, &n) || !(g->sums = calloc((size_t)n, sizeof *g->sums)))
        return mq_oom(err);
    return MQ_OK;
}

void mq_gram_release(mq_gram *g)
{
    free(g->sums);
    *g = (mq_gram){ 0 };
}

/* ---- vectors ------------------------------------------------------------------------------------------------------- */

static mq_status along_axis(vectors *v, const mq_array *x, mq_error *err)
{
    const mq_reduction *r = v->r;
    int axis = r->axis < 0 ? r->axis + x->rank : r->axis;

    if (r->axis == -2 && x->rank == 1) /* matrix times vector */
        axis = 0;
    if (axis < 0 || axis >= x->rank || x->dims[axis] != r->groups * r->cols)
        return mq_fail(err, MQ_ERR_INPUT, "node '%s': the other input does not fit the weight, which takes %lld values",
                       mq_node_label(r->node), (long long)(r->groups * r->cols));
    v->inner = 1;
    for (int d = axis + 1; d < x->rank; d++)
        v->inner *= x->dims[d];
    v->count = (int64_t)x->count / x->dims[axis];
    return MQ_OK;
}

static mq_status windows(vectors *v, const mq_array *x, mq_error *err)
{
    mq_array weight = { .kind = MQ_TYPE_TENSOR, .dtype = MQ_FLOAT, .rank = v->r->rank };
    mq_call call = { .node = v->r->node, .err = err };
    mq_status rc = MQ_OK;

    memcpy(weight.dims, v->r->dims, (size_t)v->r->rank * sizeof *weight.dims);
    MQ_TRY(mq_conv_shape(&call, x, &weight, &v->conv));
    v->plane = mq_window_count(v->conv.w.rank, v->conv.w.in);
    v->places = mq_window_count(v->conv.w.rank, v->conv.w.out);
    v->count = v->conv.batch * v->places;
done:
    return rc;
}

static void axis_row(const vectors *v, int64_t group, int64_t p, float *out)
{
    const int64_t cols = v->r->cols, all = v->r->groups * cols;
    const float *from = v->x + (p / v->inner * all + group * cols) * v->inner + p % v->inner;

    for (int64_t c = 0; c < cols; c++)
        out[c] = from[c * v->inner];
}

/* Where tap t of the window at result `at` lies in its plane; -1: in the padding. */
static int64_t tap_place(const mq_window *w, const int64_t *at, int64_t t)
{
    int64_t place = 0, step = 1;

    for (int d = w->rank - 1; d >= 0; d--) {
        const int64_t i = at[d] * w->stride[d] - w->lo[d] + t % w->kernel[d] * w->dilation[d];
        if (i < 0 || i >= w->in[d])
            return -1;
        place += i * step;
        step *= w->in[d];
        t /= w->kernel[d];
    }
    return place;
}

static void window_row(const vectors *v, int64_t group, int64_t p, float *out)
{
    const mq_window *w = &v->conv.w;
    const int64_t run = v->r->run, taps = v->r->cols / run;
    const float *image = v->x + (p / v->places * v->conv.in_ch + group * run) * v->plane;
    int64_t at[MQ_MAX_WINDOW], rest = p % v->places;

    for (int d = w->rank - 1; d >= 0; d--) {
        at[d] = rest % w->out[d];
        rest /= w->out[d];
    }
    for (int64_t t = 0; t < taps; t++, out += run) {
        const int64_t place = tap_place(w, at, t);
        for (int64_t c = 0; c < run; c++)
            out[c] = place < 0 ? 0 : image[c * v->plane + place];
    }
}

/* Vector p as a row; a vector that is not finite is left out, as zeros: 1 for it. */
static int64_t make_row(const vectors *v, int64_t group, int64_t p, float *out)
{
    const int64_t n = v->r->cols;

    if (v->r->windows)
        window_row(v, group, p, out);
    else
        axis_row(v, group, p, out);
    for (int64_t c = 0; c < n; c++)
        if (!isfinite(out[c])) {
            memset(out, 0, (size_t)n * sizeof *out);
            return 1;
        }
    return 0;
}

/* ---- adding -------------------------------------------------------------------------------------------------------- */

MQ_CLONES(void, add_to, (double *restrict sums, const float *restrict more, int64_t n), (sums, more, n))
{
    for (int64_t i = 0; i < n; i++)
        sums[i] += (double)more[i];
}

MQ_CLONES(void, add_squares, (double *restrict sums, const float *restrict row, int64_t n), (sums, row, n))
{
    for (int64_t i = 0; i < n; i++)
        sums[i] += (double)row[i] * (double)row[i];
}

static int64_t tiles_of(int64_t n)
{
    return (n + TILE - 1) / TILE;
}

/* rows NULL: only its sizes count. */
static mq_gemm tile_product(const float *rows, int64_t n_rows, int64_t n, int64_t i0, int64_t j0, float *out)
{
    return (mq_gemm){ .dtype = MQ_FLOAT, .m = n - i0 < TILE ? n - i0 : TILE, .n = n - j0 < TILE ? n - j0 : TILE,
                      .k = n_rows, .a = rows ? rows + i0 : NULL, .a_row = 1, .a_col = n, .b = rows ? rows + j0 : NULL,
                      .b_row = n, .b_col = 1, .c = out, .c_row = TILE, .batch = 1 };
}

/* Tile number `tile` of the upper half, row by row. */
static void add_tile(double *sums, const float *rows, int64_t n_rows, int64_t n, int64_t tile, const desk *b)
{
    int64_t i = 0, in_row = tiles_of(n);

    for (; tile >= in_row; i++)
        tile -= in_row--;
    const int64_t i0 = i * TILE, j0 = (i + tile) * TILE;
    const mq_gemm g = tile_product(rows, n_rows, n, i0, j0, b->tile);
    mq_gemm_serial(&g, b->scratch);
    for (int64_t k = 0; k < g.m; k++)
        add_to(sums + (i0 + k) * n + j0, b->tile + k * TILE, g.n);
}

static int64_t n_tiles(const mq_gram *g)
{
    const int64_t side = tiles_of(g->n);

    return side * (side + 1) / 2;
}

static void desk_release(desk *b)
{
    free(b->rows);
    free(b->tile);
    free(b->scratch);
}

static bool desk_init(desk *b, int64_t n, bool rows)
{
    const mq_gemm g = tile_product(NULL, CHUNK, n, 0, 0, NULL);

    *b = (desk){ .rows = rows ? calloc((size_t)n, CHUNK * sizeof(float)) : NULL,
                 .tile = malloc(TILE * TILE * sizeof(float)), .scratch = malloc(mq_gemm_scratch(&g)) };
    return (b->rows || !rows) && b->tile && b->scratch;
}

static int64_t chunk_at(const vectors *v, int64_t from)
{
    return v->count - from < CHUNK ? v->count - from : CHUNK;
}

static void add_diagonal(double *sums, const float *rows, int64_t n_rows, int64_t n)
{
    for (int64_t p = 0; p < n_rows; p++)
        add_squares(sums, rows + p * n, n);
}

/* A group on one thread, where there are many. */
static int64_t add_group(mq_gram *g, const vectors *v, int64_t group, const desk *b)
{
    double *sums = g->sums + group * g->n * (g->diagonal ? 1 : g->n);
    int64_t skipped = 0;

    for (int64_t from = 0; from < v->count; from += CHUNK) {
        const int64_t n = chunk_at(v, from);
        for (int64_t p = 0; p < n; p++)
            skipped += make_row(v, group, from + p, b->rows + p * g->n);
        if (g->diagonal)
            add_diagonal(sums, b->rows, n, g->n);
        for (int64_t t = 0; t < n_tiles(g) && !g->diagonal; t++)
            add_tile(sums, b->rows, n, g->n, t, b);
    }
    return skipped;
}

static int64_t add_groups(mq_gram *g, const vectors *v, const desk *desks, int n_threads)
{
    int64_t skipped = 0;

#pragma omp parallel for num_threads(n_threads) schedule(dynamic) reduction(+ : skipped)
    for (int64_t i = 0; i < g->groups; i++)
        skipped += add_group(g, v, i, &desks[mq_thread_number()]);
    return skipped;
}

/* The only group, on all threads; rows lie on the first desk. */
static int64_t add_only(mq_gram *g, const vectors *v, const desk *desks, int n_threads)
{
    float *rows = desks[0].rows;
    int64_t skipped = 0;

    for (int64_t from = 0; from < v->count; from += CHUNK) {
        const int64_t n = chunk_at(v, from), tiles = g->diagonal ? 0 : n_tiles(g);
#pragma omp parallel for num_threads(n_threads) reduction(+ : skipped)
        for (int64_t p = 0; p < n; p++)
            skipped += make_row(v, 0, from + p, rows + p * g->n);
        if (g->diagonal)
            add_diagonal(g->sums, rows, n, g->n);
#pragma omp parallel for num_threads(n_threads) schedule(dynamic)
        for (int64_t t = 0; t < tiles; t++)
            add_tile(g->sums, rows, n, g->n, t, &desks[mq_thread_number()]);
    }
    return skipped;
}

/* The array's elements as floats: its own, or converted into *room (heap). */
static mq_status as_floats(const mq_array *x, float **room, const float **out, mq_error *err)
{
    if (x->dtype == MQ_FLOAT) {
        *out = x->data;
        return MQ_OK;
    }
    if (!mq_dtype_is_float(x->dtype) || mq_dtype_bits(x->dtype) < 16)
        return mq_fail(err, MQ_ERR_INPUT, "the other input holds %s, no floats", mq_dtype_name(x->dtype));
    if (!(*room = malloc(x->count * sizeof **room + 1)))
        return mq_oom(err);
    mq_dtype_to_f32(x->dtype, x->data, 0, x->count, *room);
    *out = *room;
    return MQ_OK;
}

/* One for each thread; only the first holds rows where all share them. NULL: out of memory. */
static desk *make_desks(const mq_gram *g, int n)
{
    desk *desks = calloc((size_t)n, sizeof *desks);
    bool ok = desks != NULL;

    for (int i = 0; ok && i < n; i++)
        ok = desk_init(&desks[i], g->n, i == 0 || g->groups > 1);
    for (int i = 0; desks && !ok && i < n; i++)
        desk_release(&desks[i]);
    if (!ok) {
        free(desks);
        return NULL;
    }
    return desks;
}

mq_status mq_gram_add(mq_gram *g, const mq_reduction *r, const mq_array *x, int n_threads, mq_error *err)
{
    vectors v = { .r = r };
    desk *desks = NULL;
    float *room = NULL;
    mq_status rc = MQ_OK;

    if (x->count == 0)
        return MQ_OK;
    MQ_TRY(as_floats(x, &room, &v.x, err));
    MQ_TRY(r->windows ? windows(&v, x, err) : along_axis(&v, x, err));
    if (!(desks = make_desks(g, n_threads))) {
        rc = mq_oom(err);
        goto done;
    }
    g->skipped += (uint64_t)(g->groups > 1 ? add_groups(g, &v, desks, n_threads) : add_only(g, &v, desks, n_threads));
    g->vectors += (uint64_t)(v.count * g->groups);
done:
    for (int i = 0; desks && i < n_threads; i++)
        desk_release(&desks[i]);
    free(desks);
    free(room);
    return rc;
}

void mq_gram_finish(mq_gram *g)
{
    for (int64_t k = 0; k < g->groups && !g->diagonal; k++) {
        double *h = g->sums + k * g->n * g->n;
        for (int64_t i = 1; i < g->n; i++)
            for (int64_t j = 0; j < i; j++)
                h[i * g->n + j] = h[j * g->n + i];
    }
}

double mq_gram_at(const mq_gram *g, int64_t group, int64_t i, int64_t j)
{
    return g->diagonal ? g->sums[group * g->n + i] : g->sums[(group * g->n + i) * g->n + j];
}
