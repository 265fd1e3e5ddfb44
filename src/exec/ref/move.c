/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The strided copy: axes are merged where both sides walk them alike, then rows are copied whole, transposed in
 * tiles, or walked by their strides. Elements are only bytes here. */
#include "exec/ref/move.h"

#include <string.h>

#define PIECE ((int64_t)1 << 18) /* bytes of one contiguous run that one step copies */
#define PIECE_LONG 256           /* elements along the destination's last axis of one transposing step */

/* A place in the outer axes, counted up without division. */
typedef struct cursor {
    const mq_move *m;
    int rank;
    int64_t at[MQ_MOVE_RANK];
    int64_t src, dst; /* in elements */
} cursor;

static void cursor_set(cursor *k, const mq_move *m, int rank, int64_t row)
{
    k->m = m;
    k->rank = rank;
    k->src = k->dst = 0;
    for (int i = rank - 1; i >= 0; i--) {
        k->at[i] = row % m->dims[i];
        row /= m->dims[i];
        k->src += k->at[i] * m->src[i];
        k->dst += k->at[i] * m->dst[i];
    }
}

static void cursor_next(cursor *k)
{
    for (int i = k->rank - 1; i >= 0; i--) {
        k->src += k->m->src[i];
        k->dst += k->m->dst[i];
        if (++k->at[i] < k->m->dims[i])
            return;
        k->src -= k->m->src[i] * k->m->dims[i];
        k->dst -= k->m->dst[i] * k->m->dims[i];
        k->at[i] = 0;
    }
}

/* Drops axes of 1, merges neighbours; false: nothing to move. */
static bool simplify(const mq_move *m, mq_move *out)
{
    int r = 0;

    for (int i = 0; i < m->rank; i++)
        if (m->dims[i] == 0)
            return false;
    for (int i = 0; i < m->rank; i++) {
        if (m->dims[i] == 1)
            continue;
        if (r > 0 && out->src[r - 1] == m->src[i] * m->dims[i] && out->dst[r - 1] == m->dst[i] * m->dims[i])
            out->dims[r - 1] *= m->dims[i];
        else
            out->dims[r++] = m->dims[i];
        out->src[r - 1] = m->src[i];
        out->dst[r - 1] = m->dst[i];
    }
    if (r == 0) { /* one element */
        out->dims[0] = out->src[0] = out->dst[0] = 1;
        r = 1;
    }
    out->rank = r;
    return true;
}

/* Short contiguous runs become elements of their own: then they can be transposed in tiles, and memcpy knows its size. */
static void widen(mq_move *m, size_t *elem)
{
    const int last = m->rank - 1;
    const int64_t n = m->dims[last];

    if (last == 0 || m->src[last] != 1 || m->dst[last] != 1 || n > 16 || (n & (n - 1)) != 0 || (size_t)n * *elem > 16)
        return;
    for (int i = 0; i < last; i++)
        if (m->src[i] % n != 0 || m->dst[i] % n != 0)
            return;
    for (int i = 0; i < last; i++) {
        m->src[i] /= n;
        m->dst[i] /= n;
    }
    *elem *= (size_t)n;
    m->rank--;
}

/* ---- rows contiguous on both sides --------------------------------------------------------------------------------- */

static void move_rows(const mq_move *m, const char *src, char *dst, size_t elem, int n_threads)
{
    const int last = m->rank - 1;
    const int64_t bytes = m->dims[last] * (int64_t)elem, pieces = (bytes + PIECE - 1) / PIECE;
    const int64_t steps = mq_span(m->dims, 0, last) * pieces;

    #pragma omp parallel for num_threads(n_threads) schedule(static) if (n_threads > 1)
    for (int t = 0; t < n_threads; t++) {
        const int64_t from = steps / n_threads * t + (t < steps % n_threads ? t : steps % n_threads);
        const int64_t to = from + steps / n_threads + (t < steps % n_threads);
        int64_t piece = from % pieces;
        cursor k;

        cursor_set(&k, m, last, from / pieces);
        for (int64_t s = from; s < to; s++) {
            const int64_t start = piece * PIECE, left = bytes - start;

            memcpy(dst + k.dst * (int64_t)elem + start, src + k.src * (int64_t)elem + start,
                   (size_t)(left < PIECE ? left : PIECE));
            if (++piece == pieces) {
                piece = 0;
                cursor_next(&k);
            }
        }
    }
}

/* ---- rows by their strides ----------------------------------------------------------------------------------------- */

MQ_INLINE void strided_row(const char *src, char *dst, int64_t n, int64_t src_step, int64_t dst_step, size_t elem)
{
    for (int64_t i = 0; i < n; i++)
        memcpy(dst + i * dst_step, src + i * src_step, elem);
}

static void copy_row(const char *src, char *dst, int64_t n, int64_t src_stride, int64_t dst_stride, size_t elem)
{
    const int64_t s = src_stride * (int64_t)elem, d = dst_stride * (int64_t)elem;

    if (src_stride == 0 && dst_stride == 1) {
        mq_move_fill(src, dst, (size_t)n, elem);
        return;
    }
    switch (elem) {
    case 1: strided_row(src, dst, n, s, d, 1); break;
    case 2: strided_row(src, dst, n, s, d, 2); break;
    case 4: strided_row(src, dst, n, s, d, 4); break;
    case 8: strided_row(src, dst, n, s, d, 8); break;
    default: strided_row(src, dst, n, s, d, 16); break;
    }
}

static void move_strided(const mq_move *m, const char *src, char *dst, size_t elem, int n_threads)
{
    const int last = m->rank - 1;
    const int64_t rows = mq_span(m->dims, 0, last);

    #pragma omp parallel for num_threads(n_threads) schedule(static) if (n_threads > 1)
    for (int t = 0; t < n_threads; t++) {
        const int64_t from = rows / n_threads * t + (t < rows % n_threads ? t : rows % n_threads);
        const int64_t to = from + rows / n_threads + (t < rows % n_threads);
        cursor k;

        cursor_set(&k, m, last, from);
        for (int64_t row = from; row < to; row++) {
            copy_row(src + k.src * (int64_t)elem, dst + k.dst * (int64_t)elem, m->dims[last], m->src[last],
                     m->dst[last], elem);
            cursor_next(&k);
        }
    }
}

/* ---- transposing --------------------------------------------------------------------------------------------------- */

#define MICRO 8 /* by so many: what compilers turn into moves without loops */
#define TILE 64 /* a tile and its cache lines on both sides stay in the first level cache */

/* `rows` along the axis that is contiguous in the source, n along the one that is contiguous in the destination. */
MQ_INLINE void transpose_micro(const char *src, char *dst, int64_t rows, int64_t n, int64_t src_step, int64_t dst_step,
                               size_t elem)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < n; i++)
            memcpy(dst + r * dst_step + i * (int64_t)elem, src + i * src_step + r * (int64_t)elem, elem);
}

MQ_INLINE void transpose_tile(const char *src, char *dst, int64_t rows, int64_t n, int64_t src_step, int64_t dst_step,
                              size_t elem)
{
    for (int64_t r = 0; r < rows; r += MICRO)
        for (int64_t i = 0; i < n; i += MICRO) {
            const char *from = src + i * src_step + r * (int64_t)elem;
            char *to = dst + r * dst_step + i * (int64_t)elem;

            if (r + MICRO <= rows && i + MICRO <= n)
                transpose_micro(from, to, MICRO, MICRO, src_step, dst_step, elem);
            else
                transpose_micro(from, to, rows - r < MICRO ? rows - r : MICRO, n - i < MICRO ? n - i : MICRO, src_step,
                                dst_step, elem);
        }
}

static void tile(const char *src, char *dst, int64_t rows, int64_t n, int64_t src_step, int64_t dst_step, size_t elem)
{
    switch (elem) {
    case 1: transpose_tile(src, dst, rows, n, src_step, dst_step, 1); break;
    case 2: transpose_tile(src, dst, rows, n, src_step, dst_step, 2); break;
    case 4: transpose_tile(src, dst, rows, n, src_step, dst_step, 4); break;
    case 8: transpose_tile(src, dst, rows, n, src_step, dst_step, 8); break;
    default: transpose_tile(src, dst, rows, n, src_step, dst_step, 16); break;
    }
}

/* Swaps the axis that is contiguous in the source to the last but one place; false: there is none worth tiles. */
static bool find_tiles(mq_move *m)
{
    const int last = m->rank - 1;

    if (last < 1 || m->dst[last] != 1 || m->dims[last] < 4)
        return false;
    for (int i = 0; i < last; i++)
        if (m->src[i] == 1 && m->dims[i] > 1) {
            const int64_t dim = m->dims[i], to = m->dst[i];

            for (int k = i; k < last - 1; k++) {
                m->dims[k] = m->dims[k + 1];
                m->src[k] = m->src[k + 1];
                m->dst[k] = m->dst[k + 1];
            }
            m->dims[last - 1] = dim;
            m->src[last - 1] = 1;
            m->dst[last - 1] = to;
            return true;
        }
    return false;
}

static void move_tiles(const mq_move *m, const char *src, char *dst, size_t elem, int n_threads)
{
    const int last = m->rank - 1;
    const int64_t e = (int64_t)elem;
    const int64_t n_rows = m->dims[last - 1], n_long = m->dims[last];
    const int64_t bands = (n_rows + TILE - 1) / TILE, pieces = (n_long + PIECE_LONG - 1) / PIECE_LONG;
    const int64_t steps = mq_span(m->dims, 0, last - 1) * bands * pieces;
    const int64_t src_step = m->src[last] * e, dst_step = m->dst[last - 1] * e;

    #pragma omp parallel for num_threads(n_threads) schedule(static) if (n_threads > 1)
    for (int64_t s = 0; s < steps; s++) {
        const int64_t band = s / pieces % bands * TILE, from = s % pieces * PIECE_LONG;
        const int64_t rows = n_rows - band < TILE ? n_rows - band : TILE;
        const int64_t to = n_long - from < PIECE_LONG ? n_long : from + PIECE_LONG;
        cursor k;

        cursor_set(&k, m, last - 1, s / pieces / bands);
        for (int64_t i = from; i < to; i += TILE)
            tile(src + (k.src + band) * e + i * src_step, dst + (k.dst + i) * e + band * dst_step, rows,
                 to - i < TILE ? to - i : TILE, src_step, dst_step, elem);
    }
}

/* ---- entry points -------------------------------------------------------------------------------------------------- */

static int threads_for(int64_t bytes, int n_threads)
{
    const int64_t worth = bytes / (4 * MQ_GRAIN);

    return worth < 1 || n_threads < 1 ? 1 : worth < n_threads ? (int)worth : n_threads;
}

void mq_move_run(const mq_move *m, const void *src, void *dst, size_t elem, int n_threads)
{
    mq_move s;
    int last;

    if (!simplify(m, &s))
        return;
    n_threads = threads_for(mq_span(s.dims, 0, s.rank) * (int64_t)elem, n_threads);
    widen(&s, &elem);
    last = s.rank - 1;
    if (s.src[last] == 1 && s.dst[last] == 1)
        move_rows(&s, src, dst, elem, n_threads);
    else if (find_tiles(&s))
        move_tiles(&s, src, dst, elem, n_threads);
    else
        move_strided(&s, src, dst, elem, n_threads);
}

void mq_move_bytes(const void *src, void *dst, size_t n, int n_threads)
{
    const mq_move m = { .rank = 1, .dims = { (int64_t)n }, .src = { 1 }, .dst = { 1 } };

    mq_move_run(&m, src, dst, 1, n_threads);
}

void mq_move_fill(const void *value, void *dst, size_t n, size_t elem)
{
    const size_t bytes = n * elem;
    size_t done = elem;

    if (n == 0)
        return;
    if (elem == 1) {
        memset(dst, *(const unsigned char *)value, n);
        return;
    }
    memcpy(dst, value, elem);
    while (done < bytes) { /* doubling what is there, up to what stays in cache */
        const size_t most = done < 4096 ? done : 4096 / elem * elem, left = bytes - done;

        memcpy((char *)dst + done, dst, left < most ? left : most);
        done += left < most ? left : most;
    }
}

void mq_transpose(const void *in, void *out, int rank, const int64_t *dims, const int *perm, size_t elem, int n_threads)
{
    int64_t strides[MQ_MAX_RANK];
    mq_move m = { .rank = rank };

    mq_strides(rank, dims, strides);
    for (int i = 0; i < rank; i++) {
        m.dims[i] = dims[perm[i]];
        m.src[i] = strides[perm[i]];
    }
    mq_strides(rank, m.dims, m.dst);
    mq_move_run(&m, in, out, elem, n_threads);
}
