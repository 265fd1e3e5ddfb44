/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* MatMulNBits at accuracy level 4 with few rows of A: these become integers of 8 bits (nbits_rows.h), and columns are
 * multiplied as they lie in memory, which is what such a product waits for. Rounded as the reference kernel does, summed
 * in another order. */
#ifdef _OPENMP
#include <omp.h>
#endif
#include <string.h>

#include "exec/fast_nbits.h"
#include "exec/nbits_dot.h"
#include "exec/ref/nbits_rows.h"

#define BEHIND 4 /* zeros behind a column's factors */

typedef struct rounded {
    const mq_nbits *w;
    const mq_nbits_operands *o;
    int shift;           /* of a block's bytes */
    int64_t steps, wide; /* of a column; a row's bytes */
    int64_t factors;     /* floats for a row's factors of one column */
    int8_t *q;
    int32_t *sums;
    float *scales; /* of A: `blocks` a row */
} rounded;

/* ---- A ------------------------------------------------------------------------------------------------------------ */

/* A row of codes as their partners lie (nbits_dot.h), and its sums. */
static void arrange(const rounded *d, const int8_t *from, int8_t *to, int32_t *sums)
{
    const int64_t n = d->w->blocks * d->w->block;
    const int halves = d->w->bits == 4 ? 2 : 1;

    memset(to, 0, (size_t)d->wide);
    for (int64_t i = 0; i < n; i++) {
        const int64_t byte = i / halves;
        to[(byte / MQ_NBITS_STEP * halves + i % halves) * MQ_NBITS_STEP + byte % MQ_NBITS_STEP] = from[i];
    }
    for (int64_t i = 0; i < d->steps * MQ_NBITS_LANES; i++) {
        const int8_t *four = to + i / MQ_NBITS_LANES * halves * MQ_NBITS_STEP + i % MQ_NBITS_LANES * 4;
        sums[i] = 0;
        for (int j = 0; j < 4; j++)
            sums[i] += four[j] + (halves == 2 ? four[MQ_NBITS_STEP + j] : 0);
    }
}

/* false: a row is not finite. */
static bool round_rows(const rounded *d, const float *a, int8_t *one)
{
    const mq_nbits *w = d->w;

    for (int64_t r = 0; r < w->m; r++) {
        if (!mq_nbits_round_row(a + r * w->k, w->k, w->block, one, d->scales + r * w->blocks))
            return false;
        arrange(d, one, d->q + r * d->wide, d->sums + r * d->steps * MQ_NBITS_LANES);
    }
    return true;
}

/* ---- columns ------------------------------------------------------------------------------------------------------ */

MQ_CLONES(void, multiply, (const mq_unaligned_f32 *restrict a, const float *restrict b, int64_t n, float *restrict out),
          (a, b, n, out))
{
    for (int64_t i = 0; i < n; i++)
        out[i] = a[i] * b[i];
}

/* Of 4 bits there may be one too many, behind the last. */
MQ_CLONES(void, unpack, (const uint8_t *restrict from, int bits, int64_t n, int32_t *restrict out), (from, bits, n, out))
{
    for (int64_t b = 0; bits == 8 && b < n; b++)
        out[b] = from[b];
    for (int64_t b = 0; bits == 4 && b < (n + 1) / 2; b++) {
        out[2 * b] = from[b] & 15;
        out[2 * b + 1] = from[b] >> 4;
    }
}

/* Column n with all rows. memory: factors of four rows, then zero points; all 0 at first. */
static void run_column(const rounded *d, int64_t n, float *memory)
{
    const mq_nbits *w = d->w;
    const mq_nbits_operands *o = d->o;
    const int64_t bytes = w->blocks * w->blob;
    int32_t *zeros = (int32_t *)(void *)(memory + MQ_NBITS_ROWS * d->factors);
    const mq_nbits_column column = { w->bits, o->codes + n * bytes, bytes, d->shift, memory, d->factors,
                                     o->zeros ? zeros : NULL };
    mq_nbits_row rows[MQ_NBITS_ROWS];
    float sums[MQ_NBITS_ROWS];

    if (o->zeros)
        unpack(o->zeros + n * w->zero_row, w->bits, w->blocks, zeros);
    for (int64_t r = 0, count; r < w->m; r += count) {
        count = w->m - r >= MQ_NBITS_ROWS ? MQ_NBITS_ROWS : 1;
        for (int64_t i = 0; i < count; i++) {
            multiply(o->scales + n * w->blocks, d->scales + (r + i) * w->blocks, w->blocks, memory + i * d->factors);
            rows[i] = (mq_nbits_row){ d->q + (r + i) * d->wide, d->sums + (r + i) * d->steps * MQ_NBITS_LANES };
        }
        mq_nbits_dot(&column, (int)count, rows, sums);
        for (int64_t i = 0; i < count; i++)
            o->y[(r + i) * w->n + n] = sums[i] + (o->bias ? o->bias[n] : 0);
    }
}

static mq_status run_columns(mq_call *c, const rounded *d)
{
    const mq_nbits *w = d->w;
    const int64_t pieces = (w->n + MQ_NBITS_COLUMNS - 1) / MQ_NBITS_COLUMNS, room = (MQ_NBITS_ROWS + 1) * d->factors;
    const size_t size = (size_t)(w->threads * room) * sizeof(float);
    float *memory = mq_call_scratch(c, size);

    if (!memory)
        return MQ_ERR_NOMEM;
    memset(memory, 0, size);
#pragma omp parallel for num_threads(w->threads) schedule(static) if (w->threads > 1)
    for (int64_t p = 0; p < pieces; p++) {
        float *mine = memory;
#ifdef _OPENMP
        mine += omp_get_thread_num() * room;
#endif
        for (int64_t n = p * MQ_NBITS_COLUMNS; n < (p + 1) * MQ_NBITS_COLUMNS && n < w->n; n++)
            run_column(d, n, mine);
    }
    return MQ_OK;
}

mq_status mq_nbits_run_rounded(mq_call *c, const mq_nbits *w, const mq_nbits_operands *o, bool *done)
{
    const int64_t steps = (w->blocks * w->blob + MQ_NBITS_STEP - 1) / MQ_NBITS_STEP;
    const int64_t wide = steps * MQ_NBITS_STEP * (w->bits == 4 ? 2 : 1), padded = w->blocks * w->block;
    rounded d = { w, o, __builtin_ctzll((unsigned long long)w->blob), steps, wide,
                  (w->blocks + BEHIND + 15) / 16 * 16, NULL, NULL, NULL };

    *done = false;
    if ((w->blob & (w->blob - 1)) || o->float_zeros)
        return MQ_OK;
    int8_t *one = mq_call_scratch(c, (size_t)padded);
    d.q = mq_call_scratch(c, (size_t)(w->m * wide));
    d.sums = mq_call_scratch(c, (size_t)(w->m * steps * MQ_NBITS_LANES) * sizeof *d.sums);
    d.scales = mq_call_scratch(c, (size_t)(w->m * w->blocks) * sizeof *d.scales);
    if (!one || !d.q || !d.sums || !d.scales)
        return MQ_ERR_NOMEM;
    *done = round_rows(&d, c->in[0]->data, one);
    return *done ? run_columns(c, &d) : MQ_OK;
}
