/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* MatMulNBits (com.microsoft) with few rows of A, as when a text is written word by word: each column of weights is read
 * once and multiplied with all rows: with AVX512 as its weights are made, else expanded into a near cache first. Sums are
 * in fixed lanes, so they are the same on every machine and for any number of threads. Many rows are left to the reference
 * kernel, which expands some columns at a time and multiplies matrices; so are groups (g_idx) and blocks under 32. */
#ifdef _OPENMP
#include <omp.h>
#endif
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/intrinsics.h"
#include "exec/fast.h"
#include "exec/fast_nbits.h"
#include "exec/kernel.h"
#include "exec/ref/nbits_rows.h"

enum { IN_A, IN_B, IN_SCALES, IN_ZEROS, IN_GROUPS, IN_BIAS };
#define LANES 32 /* that a row's sum is made of */
#define PIECE 16 /* bytes of codes, and half of the lanes */
#define MOST_ROWS 64
#define TILE 8     /* and expands at a time when there are many rows: these stay while the rows pass */

/* ---- one column --------------------------------------------------------------------------------------------------- */

/* A column's weights; of 4 bits the low halves of each piece first, then its high ones. */
MQ_CLONES(void, expand_4, (const uint8_t *restrict q, int64_t blocks, int64_t half, const mq_unaligned_f32 *scales,
                           const float *restrict zeros, float *restrict out), (q, blocks, half, scales, zeros, out))
{
    for (int64_t b = 0; b < blocks; b++) {
        const float scale = scales[b], zero = zeros[b];

        for (int64_t i = 0; i < half; i += PIECE, q += PIECE, out += 2 * PIECE)
            for (int l = 0; l < PIECE; l++) {
                out[l] = ((float)(int32_t)(q[l] & 15) - zero) * scale;
                out[PIECE + l] = ((float)(int32_t)(q[l] >> 4) - zero) * scale;
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

#ifdef MQ_HAS_INTRINSICS
#define AVX512 MQ_TARGET("avx512f,avx512bw,avx512dq")
#define AVX512_LEAF MQ_TARGET("avx512f,avx512bw,avx512dq") MQ_INLINE

/* The same weights, multiplied as they are made: of 4 bits a look-up in the block's 16. */
AVX512_LEAF void look_up_512(const uint8_t *q, int64_t blocks, int64_t half, const mq_unaligned_f32 *scales,
                             const float *zeros, int rows, int64_t step, const float *a, float (*out)[LANES])
{
    const __m512 codes = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512 even[4], odd[4];

    for (int r = 0; r < rows; r++)
        even[r] = odd[r] = _mm512_setzero_ps();
    for (int64_t b = 0; b < blocks; b++) {
        const __m512 weights = _mm512_mul_ps(_mm512_sub_ps(codes, _mm512_set1_ps(zeros[b])), _mm512_set1_ps(scales[b]));

        for (int64_t i = 0; i < half; i += PIECE, q += PIECE, a += 2 * PIECE) {
            const __m512i at = _mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)q)); /* the low four bits count */
            const __m512 low = _mm512_permutexvar_ps(at, weights);
            const __m512 high = _mm512_permutexvar_ps(_mm512_srli_epi32(at, 4), weights);

            for (int r = 0; r < rows; r++) {
                even[r] = _mm512_add_ps(even[r], _mm512_mul_ps(_mm512_loadu_ps(a + r * step), low));
                odd[r] = _mm512_add_ps(odd[r], _mm512_mul_ps(_mm512_loadu_ps(a + r * step + PIECE), high));
            }
        }
    }
    for (int r = 0; r < rows; r++) {
        _mm512_storeu_ps(out[r], even[r]);
        _mm512_storeu_ps(out[r] + PIECE, odd[r]);
    }
}

AVX512_LEAF void multiply_512(const uint8_t *q, int64_t blocks, int64_t block, const mq_unaligned_f32 *scales,
                              const float *zeros, int rows, int64_t step, const float *a, float (*out)[LANES])
{
    __m512 sums[4][2];

    for (int r = 0; r < rows; r++)
        sums[r][0] = sums[r][1] = _mm512_setzero_ps();
    for (int64_t b = 0; b < blocks; b++) {
        const __m512 zero = _mm512_set1_ps(zeros[b]), scale = _mm512_set1_ps(scales[b]);

        for (int64_t i = 0; i < block; i += LANES, q += LANES, a += LANES)
            for (int h = 0; h < 2; h++) {
                const __m512i codes = _mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)(q + PIECE * h)));
                const __m512 w = _mm512_mul_ps(_mm512_sub_ps(_mm512_cvtepi32_ps(codes), zero), scale);

                for (int r = 0; r < rows; r++)
                    sums[r][h] = _mm512_add_ps(sums[r][h], _mm512_mul_ps(_mm512_loadu_ps(a + r * step + PIECE * h), w));
            }
    }
    for (int r = 0; r < rows; r++)
        for (int h = 0; h < 2; h++)
            _mm512_storeu_ps(out[r] + PIECE * h, sums[r][h]);
}

AVX512 static void column_512(const mq_nbits *w, const uint8_t *q, const mq_unaligned_f32 *scales, const float *zeros,
                              int rows, const float *a, float (*out)[LANES])
{
    const int64_t step = w->blocks * w->block, half = w->block / 2;

    if (w->bits == 4 && rows == 1)
        look_up_512(q, w->blocks, half, scales, zeros, 1, step, a, out);
    else if (w->bits == 4)
        look_up_512(q, w->blocks, half, scales, zeros, 4, step, a, out);
    else if (rows == 1)
        multiply_512(q, w->blocks, w->block, scales, zeros, 1, step, a, out);
    else
        multiply_512(q, w->blocks, w->block, scales, zeros, 4, step, a, out);
}
#endif

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
static void arrange_row(const mq_nbits *w, const float *from, float *to)
{
    for (int64_t i = 0; i < w->blocks * w->block; i++) {
        const int64_t in = i % LANES;
        to[w->bits == 4 ? i - in + in / 2 + in % 2 * PIECE : i] = i < w->k ? from[i] : 0;
    }
}

/* ---- columns ------------------------------------------------------------------------------------------------------ */

/* Of 4 bits there may be one too many, behind the last. */
MQ_CLONES(void, widen_zeros, (const uint8_t *restrict from, int bits, int64_t n, float *restrict out), (from, bits, n, out))
{
    for (int64_t b = 0; bits == 8 && b < n; b++)
        out[b] = (float)(int32_t)from[b];
    for (int64_t b = 0; bits == 4 && b < (n + 1) / 2; b++) {
        out[2 * b] = (float)(int32_t)(from[b] & 15);
        out[2 * b + 1] = (float)(int32_t)(from[b] >> 4);
    }
}

static void read_zeros(const mq_nbits *w, const mq_nbits_operands *o, int64_t n, float *out)
{
    if (o->zeros)
        widen_zeros(o->zeros + n * w->zero_row, w->bits, w->blocks, out);
    for (int64_t b = 0; !o->zeros && b < w->blocks; b++)
        out[b] = o->float_zeros ? o->float_zeros[n * w->blocks + b] : (float)(1 << (w->bits - 1));
}

static int64_t tile_of(const mq_nbits *w)
{
    return w->m > 4 ? TILE : 1;
}

/* Floats that a thread needs: a tile's weights, and behind each column its zero points. */
static int64_t room_of(const mq_nbits *w)
{
    return w->blocks * w->block + (w->blocks + 15) / 16 * 16;
}

static void expand_column(const mq_nbits *w, const mq_nbits_operands *o, int64_t n, float *out)
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

static void write_sums(const mq_nbits *w, const mq_nbits_operands *o, int64_t r, int64_t rows, int64_t n,
                       float (*lanes)[LANES])
{
    for (int64_t i = 0; i < rows; i++)
        o->y[(r + i) * w->n + n] = sum_lanes(lanes[i]) + (o->bias ? o->bias[n] : 0);
}

/* Columns n to `end`, which are a tile at most. */
static void run_tile(const mq_nbits *w, const mq_nbits_operands *o, int64_t n, int64_t end, float *memory)
{
    const int64_t padded = w->blocks * w->block, room = room_of(w);
    float lanes[4][LANES];

    for (int64_t j = n; j < end; j++)
        expand_column(w, o, j, memory + (j - n) * room);
    for (int64_t r = 0, rows; r < w->m; r += rows) {
        rows = w->m - r >= 4 ? 4 : 1;
        for (int64_t j = n; j < end; j++) {
            const float *weights = memory + (j - n) * room;

            if (rows == 4)
                add_4(padded, weights, o->a + r * padded, lanes);
            else
                add_1(padded, weights, o->a + r * padded, lanes[0]);
            write_sums(w, o, r, rows, j, lanes);
        }
    }
}

#ifdef MQ_HAS_INTRINSICS
/* Column n: its weights are never written down. */
static void run_column_512(const mq_nbits *w, const mq_nbits_operands *o, int64_t n, float *zeros)
{
    float lanes[4][LANES];

    read_zeros(w, o, n, zeros);
    for (int64_t r = 0, rows; r < w->m; r += rows) {
        rows = w->m - r >= 4 ? 4 : 1;
        column_512(w, o->codes + n * w->blocks * w->blob, o->scales + n * w->blocks, zeros, (int)rows,
                   o->a + r * w->blocks * w->block, lanes);
        write_sums(w, o, r, rows, n, lanes);
    }
}
#endif

static void run_columns(const mq_nbits *w, const mq_nbits_operands *o, int64_t first, int64_t end, float *memory)
{
    const int64_t tile = tile_of(w);

#ifdef MQ_HAS_INTRINSICS
    if (mq_isa_now() >= MQ_ISA_AVX512) {
        for (int64_t n = first; n < end; n++)
            run_column_512(w, o, n, memory);
        return;
    }
#endif
    for (int64_t n = first; n < end; n += tile)
        run_tile(w, o, n, n + tile < end ? n + tile : end, memory);
}

/* A as the weights lie; rounded before where that is asked for. NULL: out of memory. */
static const float *arrange(mq_call *c, const mq_nbits *w)
{
    const int64_t padded = w->blocks * w->block;
    const float *a = c->in[IN_A]->data;
    float *x = mq_call_scratch(c, (size_t)(w->m * padded) * sizeof *x);

    if (x && w->rounds) {
        float *floats = mq_call_scratch(c, (size_t)(w->m * w->k) * sizeof *floats);
        float *scales = mq_call_scratch(c, (size_t)w->blocks * sizeof *scales);
        int8_t *q = mq_call_scratch(c, (size_t)padded);

        if (!floats || !scales || !q)
            return NULL;
        mq_nbits_round_floats(a, w->m, w->k, w->block, q, scales, floats);
        a = floats;
    }
    for (int64_t r = 0; x && r < w->m; r++)
        arrange_row(w, a + r * w->k, x + r * padded);
    return x;
}

static mq_status run_floats(mq_call *c, const mq_nbits *w, mq_nbits_operands *o)
{
    const int64_t pieces = (w->n + MQ_NBITS_COLUMNS - 1) / MQ_NBITS_COLUMNS, room = tile_of(w) * room_of(w);
    float *memory = mq_call_scratch(c, (size_t)(w->threads * room) * sizeof *memory);

    if (!memory || !(o->a = arrange(c, w)))
        return MQ_ERR_NOMEM;
#pragma omp parallel for num_threads(w->threads) schedule(static) if (w->threads > 1)
    for (int64_t p = 0; p < pieces; p++) {
        const int64_t first = p * MQ_NBITS_COLUMNS, end = first + MQ_NBITS_COLUMNS < w->n ? first + MQ_NBITS_COLUMNS : w->n;
        float *mine = memory;
#ifdef _OPENMP
        mine += omp_get_thread_num() * room;
#endif
        run_columns(w, o, first, end, mine);
    }
    return MQ_OK;
}

static mq_status run(mq_call *c, void *state)
{
    const mq_nbits *w = state;
    const mq_array *a = c->in[IN_A], *z = mq_call_has(c, IN_ZEROS) ? c->in[IN_ZEROS] : NULL;
    mq_nbits_operands o = { .codes = c->in[IN_B]->data, .scales = c->in[IN_SCALES]->data,
                            .bias = mq_call_has(c, IN_BIAS) ? c->in[IN_BIAS]->data : NULL };
    int64_t dims[MQ_MAX_RANK];
    bool done = false;
    mq_status rc;

    o.zeros = z && z->dtype == MQ_UINT8 ? z->data : NULL;
    o.float_zeros = z && z->dtype == MQ_FLOAT ? z->data : NULL;
    memcpy(dims, a->dims, (size_t)a->rank * sizeof *dims);
    dims[a->rank - 1] = w->n;
    rc = mq_call_out(c, 0, MQ_FLOAT, a->rank, dims, (void **)&o.y);
    if (rc == MQ_OK && w->rounds)
        rc = mq_nbits_run_rounded(c, w, &o, &done);
    if (rc == MQ_OK && !done)
        rc = run_floats(c, w, &o);
    return rc;
}

/* ---- making ------------------------------------------------------------------------------------------------------- */

static bool has_floats(const mq_call *c, size_t i, int64_t count)
{
    return c->in[i]->dtype == MQ_FLOAT && c->in[i]->count == (size_t)count;
}

static bool zeros_fit(const mq_call *c, const mq_nbits *w)
{
    if (!mq_call_has(c, IN_ZEROS))
        return true;
    return has_floats(c, IN_ZEROS, w->n * w->blocks) ||
           (c->in[IN_ZEROS]->dtype == MQ_UINT8 && c->in[IN_ZEROS]->count == (size_t)(w->n * w->zero_row));
}

/* Attributes and inputs that this kernel has; what is wrong with others the reference kernel says. */
static bool read_case(const mq_call *c, mq_nbits *w)
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
    w->rounds = mq_nbits_rounds(c->node, false);
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
    mq_nbits w = { 0 }, *s;

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
