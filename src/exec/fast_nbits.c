/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* MatMulNBits (com.microsoft) with few rows of A, as when a text is written word by word: each column of weights is read
 * once, and expanded into a near cache, and multiplied there with all rows. Sums are in fixed lanes, so they are
 * the same on every machine and for any number of threads. Many rows are left to the reference kernel, which expands
 * some columns at a time and multiplies matrices; so are groups (g_idx) and blocks under 32. */
#ifdef _OPENMP
#include <omp.h>
#endif
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "exec/fast.h"
#include "exec/kernel.h"

enum { IN_A, IN_B, IN_SCALES, IN_ZEROS, IN_GROUPS, IN_BIAS };
#define LANES 32 /* that a row's sum is made of */
#define PIECE 16 /* bytes of codes */
#define MOST_ROWS 64
#define COLUMNS 32 /* that a thread takes at a time */
#define TILE 8     /* and expands at a time when there are many rows: these stay while the rows pass */

typedef struct nbits {
    int bits;
    int64_t m, n, k, block, blocks, blob, zero_row;
    int threads;
} nbits;

/* ---- one column --------------------------------------------------------------------------------------------------- */

/* A column's weights; of 4 bits a block's low halves first, then its high ones. */
MQ_CLONES(void, expand_4, (const uint8_t *restrict q, int64_t blocks, int64_t half, const mq_unaligned_f32 *scales,
                           const float *restrict zeros, float *restrict out), (q, blocks, half, scales, zeros, out))
{
    for (int64_t b = 0; b < blocks; b++, out += 2 * half) {
        const float scale = scales[b], zero = zeros[b];

        for (int64_t i = 0; i < half; i += PIECE, q += PIECE)
            for (int l = 0; l < PIECE; l++) {
                out[i + l] = ((float)(int32_t)(q[l] & 15) - zero) * scale;
                out[half + i + l] = ((float)(int32_t)(q[l] >> 4) - zero) * scale;
            }
    }
}

MQ_CLONES(void, expand_8, (const uint8_t *restrict q, int64_t blocks, int64_t block, const mq_unaligned_f32 *scales,
                           const float *restrict zeros, float *restrict out), (q, blocks, block, scales, zeros, out))
{
    for (int64_t b = 0; b < blocks; b++) {
        const float scale = scales[b], zero = zeros[b];

        for (int64_t i = 0; i < block; i += PIECE, q += PIECE, out += PIECE)
            for (int l = 0; l < PIECE; l++)
                out[l] = ((float)(int32_t)q[l] - zero) * scale;
    }
}

static float sum_lanes(float *lane)
{
    for (int step = LANES / 2; step; step /= 2)
        for (int l = 0; l < step; l++)
            lane[l] += lane[l + step];
    return lane[0];
}

/* n is a multiple of LANES. */
MQ_CLONES(void, add_1, (int64_t n, const float *restrict w, const float *restrict a, float *restrict out),
          (n, w, a, out))
{
    float lane[LANES] = { 0 };

    for (int64_t i = 0; i < n; i += LANES)
        for (int l = 0; l < LANES; l++)
            lane[l] += a[i + l] * w[i + l];
    for (int l = 0; l < LANES; l++)
        out[l] = lane[l];
}

/* Four rows of a, n apart. */
MQ_CLONES(void, add_4, (int64_t n, const float *restrict w, const float *restrict a, float (*restrict out)[LANES]),
          (n, w, a, out))
{
    float lane0[LANES] = { 0 }, lane1[LANES] = { 0 }, lane2[LANES] = { 0 }, lane3[LANES] = { 0 };

    for (int64_t i = 0; i < n; i += LANES)
        for (int l = 0; l < LANES; l++) {
            lane0[l] += a[i + l] * w[i + l];
            lane1[l] += a[n + i + l] * w[i + l];
            lane2[l] += a[2 * n + i + l] * w[i + l];
            lane3[l] += a[3 * n + i + l] * w[i + l];
        }
    for (int l = 0; l < LANES; l++) {
        out[0][l] = lane0[l];
        out[1][l] = lane1[l];
        out[2][l] = lane2[l];
        out[3][l] = lane3[l];
    }
}

/* ---- A ------------------------------------------------------------------------------------------------------------ */

/* A row as the weights lie, padded with zeros to whole blocks. */
static void arrange_row(const nbits *w, const float *from, float *to)
{
    const int64_t half = w->block / 2;

    for (int64_t b = 0; b < w->blocks; b++, to += w->block) {
        const int64_t at = b * w->block, n = w->k - at < w->block ? w->k - at : w->block;

        for (int64_t i = 0; i < w->block; i++)
            to[w->bits == 4 ? i / 2 + i % 2 * half : i] = i < n ? from[at + i] : 0;
    }
}

/* ---- columns ------------------------------------------------------------------------------------------------------ */

typedef struct operands {
    const uint8_t *codes, *zeros;
    const mq_unaligned_f32 *scales, *float_zeros, *bias; /* constants lie anywhere */
    const float *a;
    float *y;
} operands;

static void read_zeros(const nbits *w, const operands *o, int64_t n, float *out)
{
    for (int64_t b = 0; b < w->blocks; b++) {
        if (o->float_zeros)
            out[b] = o->float_zeros[n * w->blocks + b];
        else if (o->zeros && w->bits == 4)
            out[b] = (float)(o->zeros[n * w->zero_row + b / 2] >> (b % 2 * 4) & 15);
        else
            out[b] = o->zeros ? (float)o->zeros[n * w->zero_row + b] : (float)(1 << (w->bits - 1));
    }
}

static int64_t tile_of(const nbits *w)
{
    return w->m > 4 ? TILE : 1;
}

/* Floats that a thread needs: a tile's weights, and behind each column its zero points. */
static int64_t room_of(const nbits *w)
{
    return w->blocks * w->block + (w->blocks + 15) / 16 * 16;
}

static void expand_column(const nbits *w, const operands *o, int64_t n, float *out)
{
    const uint8_t *q = o->codes + n * w->blocks * w->blob;
    const mq_unaligned_f32 *scales = o->scales + n * w->blocks;
    float *zeros = out + w->blocks * w->block;

    read_zeros(w, o, n, zeros);
    if (w->bits == 4)
        expand_4(q, w->blocks, w->block / 2, scales, zeros, out);
    else
        expand_8(q, w->blocks, w->block, scales, zeros, out);
}

/* Columns n to `end`, which are a tile at most. */
static void run_tile(const nbits *w, const operands *o, int64_t n, int64_t end, float *memory)
{
    const int64_t padded = w->blocks * w->block, room = room_of(w);

    for (int64_t j = n; j < end; j++)
        expand_column(w, o, j, memory + (j - n) * room);
    for (int64_t r = 0, rows; r < w->m; r += rows) {
        rows = w->m - r >= 4 ? 4 : 1;
        for (int64_t j = n; j < end; j++) {
            const float *weights = memory + (j - n) * room;
            float lanes[4][LANES];

            if (rows == 4)
                add_4(padded, weights, o->a + r * padded, lanes);
            else
                add_1(padded, weights, o->a + r * padded, lanes[0]);
            for (int64_t i = 0; i < rows; i++)
                o->y[(r + i) * w->n + j] = sum_lanes(lanes[i]) + (o->bias ? o->bias[j] : 0);
        }
    }
}

static mq_status run(mq_call *c, void *state)
{
    const nbits *w = state;
    const mq_array *a = c->in[IN_A], *z = mq_call_has(c, IN_ZEROS) ? c->in[IN_ZEROS] : NULL;
    const int64_t padded = w->blocks * w->block, pieces = (w->n + COLUMNS - 1) / COLUMNS, tile = tile_of(w);
    float *x = mq_call_scratch(c, (size_t)(w->m * padded) * sizeof *x);
    const int64_t room = tile * room_of(w);
    float *memory = mq_call_scratch(c, (size_t)(w->threads * room) * sizeof *memory);
    operands o = { .codes = c->in[IN_B]->data, .scales = c->in[IN_SCALES]->data, .a = x,
                   .bias = mq_call_has(c, IN_BIAS) ? c->in[IN_BIAS]->data : NULL };
    int64_t dims[MQ_MAX_RANK];
    mq_status rc;

    if (!x || !memory)
        return MQ_ERR_NOMEM;
    memcpy(dims, a->dims, (size_t)a->rank * sizeof *dims);
    dims[a->rank - 1] = w->n;
    if ((rc = mq_call_out(c, 0, MQ_FLOAT, a->rank, dims, (void **)&o.y)) != MQ_OK)
        return rc;
    o.zeros = z && z->dtype == MQ_UINT8 ? z->data : NULL;
    o.float_zeros = z && z->dtype == MQ_FLOAT ? z->data : NULL;
    for (int64_t r = 0; r < w->m; r++)
        arrange_row(w, (const float *)a->data + r * w->k, x + r * padded);
#pragma omp parallel for num_threads(w->threads) schedule(static) if (w->threads > 1)
    for (int64_t p = 0; p < pieces; p++) {
        float *mine = memory;
#ifdef _OPENMP
        mine += omp_get_thread_num() * room;
#endif
        for (int64_t n = p * COLUMNS; n < (p + 1) * COLUMNS && n < w->n; n += tile)
            run_tile(w, &o, n, n + tile < w->n ? n + tile : w->n, mine);
    }
    return MQ_OK;
}

/* ---- making ------------------------------------------------------------------------------------------------------- */

static bool has_floats(const mq_call *c, size_t i, int64_t count)
{
    return c->in[i]->dtype == MQ_FLOAT && c->in[i]->count == (size_t)count;
}

static bool zeros_fit(const mq_call *c, const nbits *w)
{
    if (!mq_call_has(c, IN_ZEROS))
        return true;
    return has_floats(c, IN_ZEROS, w->n * w->blocks) ||
           (c->in[IN_ZEROS]->dtype == MQ_UINT8 && c->in[IN_ZEROS]->count == (size_t)(w->n * w->zero_row));
}

/* Attributes and inputs that this kernel has; what is wrong with others the reference kernel says. */
static bool read_case(const mq_call *c, nbits *w)
{
    const mq_array *a = c->in[IN_A];
    const int64_t bits = mq_node_attr_int(c->node, "bits", 4);

    w->n = mq_node_attr_int(c->node, "N", 0);
    w->k = mq_node_attr_int(c->node, "K", 0);
    w->block = mq_node_attr_int(c->node, "block_size", 0);
    if ((bits != 4 && bits != 8) || w->n < 1 || w->k < 1 || w->n > INT32_MAX || w->k > INT32_MAX || w->block < 32 ||
        w->block > 1 << 20 || w->block % 32 || mq_node_attr_int(c->node, "weight_prepacked", 0))
        return false;
    w->bits = (int)bits;
    w->blocks = (w->k + w->block - 1) / w->block;
    w->blob = w->block * bits / 8;
    w->zero_row = (w->blocks * bits + 7) / 8;
    if (a->dtype != MQ_FLOAT || a->rank < 1 || a->dims[a->rank - 1] != w->k || !a->count || mq_call_has(c, IN_GROUPS))
        return false;
    w->m = (int64_t)a->count / w->k;
    return w->m <= MOST_ROWS && c->in[IN_B]->dtype == MQ_UINT8 &&
           (double)c->in[IN_B]->count == (double)w->n * (double)w->blocks * (double)w->blob &&
           has_floats(c, IN_SCALES, w->n * w->blocks) && zeros_fit(c, w) &&
           (!mq_call_has(c, IN_BIAS) || has_floats(c, IN_BIAS, w->n));
}

static mq_status prepare(mq_call *c, void **state)
{
    nbits w = { 0 }, *s;

    if (c->n_in < 3 || !mq_call_has(c, IN_A) || !mq_call_has(c, IN_B) || !mq_call_has(c, IN_SCALES) || !read_case(c, &w))
        return MQ_OK;
    w.threads = (double)w.n * (double)w.k * (double)w.m < 200e3 ? 1 : c->n_threads;
    if (!(s = malloc(sizeof *s)))
        return mq_oom(c->err);
    *s = w;
    *state = s;
    return MQ_OK;
}

const mq_fast mq_fast_nbits[] = {
    { "com.microsoft", "MatMulNBits", "nbits", prepare, run, free, 0 },
    { 0 },
};
