/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "passes/source.h"

#include <string.h>

enum {
    TILE = 16, /* floats of a cache line */
    WIDE = 64, /* rows of a transposed matrix that are read together: neighbouring lines of one page */
};

/* Without elements no stride is ever used, and a product of the other sizes may not fit. */
static void set_plain_strides(mq_source *s)
{
    int64_t stride = s->n > 0;

    for (int i = s->n_dims - 1; i >= 0; i--) {
        s->strides[i] = stride;
        if (s->n > 0)
            stride *= s->dims[i];
    }
}

bool mq_source_init(mq_source *s, mq_tensor *t)
{
    int64_t n = mq_tensor_count(t);

    if (n < 0 || t->n_dims > MQ_SOURCE_MAX_DIMS ||
        (t->dtype != MQ_FLOAT && t->dtype != MQ_FLOAT16 && t->dtype != MQ_BFLOAT16 && t->dtype != MQ_DOUBLE))
        return false;
    *s = (mq_source){ .tensor = t, .n_dims = t->n_dims, .n = n };
    if (t->n_dims)
        memcpy(s->dims, t->dims, (size_t)t->n_dims * sizeof *s->dims);
    set_plain_strides(s);
    return true;
}

void mq_source_transpose(mq_source *s, const int64_t *perm)
{
    mq_source old = *s;

    for (int i = 0; i < s->n_dims; i++) {
        s->dims[i] = old.dims[perm[i]];
        s->strides[i] = old.strides[perm[i]];
    }
}

bool mq_source_is_plain(const mq_source *s)
{
    int64_t stride = 1;

    if (s->n == 0)
        return true;
    for (int i = s->n_dims - 1; i >= 0; i--) {
        if (s->dims[i] != 1 && s->strides[i] != stride)
            return false;
        stride *= s->dims[i];
    }
    return true;
}

bool mq_source_reshape(mq_source *s, int n_dims, const int64_t *dims)
{
    if (n_dims > MQ_SOURCE_MAX_DIMS || !mq_source_is_plain(s))
        return false;
    s->n_dims = n_dims;
    if (n_dims)
        memcpy(s->dims, dims, (size_t)n_dims * sizeof *dims);
    set_plain_strides(s);
    return true;
}

bool mq_source_is_turned(const mq_source *s, mq_source *stored)
{
    static const int64_t swap[2] = { 1, 0 };

    if (s->n_dims != 2 || mq_source_is_plain(s))
        return false;
    *stored = *s;
    mq_source_transpose(stored, swap);
    return mq_source_is_plain(stored);
}

/* Offset in the tensor of element `at` of the view. */
static size_t offset_of(const mq_source *s, size_t at)
{
    size_t offset = 0;

    for (int i = s->n_dims - 1; i >= 0; i--) {
        offset += at % (size_t)s->dims[i] * (size_t)s->strides[i];
        at /= (size_t)s->dims[i];
    }
    return offset;
}

/* The view as rows of consecutive steps of one stride: the last dimension together with those before it that continue it.
 * Strides of dimensions of size 1 say nothing. */
static size_t row_length(const mq_source *s, size_t *stride)
{
    size_t n = 1;
    int64_t next = 0;

    *stride = 1;
    for (int i = s->n_dims - 1; i >= 0; i--) {
        if (s->dims[i] == 1)
            continue;
        if (n == 1)
            *stride = (size_t)s->strides[i];
        else if (s->strides[i] != next)
            break;
        n *= (size_t)s->dims[i];
        next = s->strides[i] * s->dims[i];
    }
    return n;
}

static void read_strided(const mq_source *s, const void *bytes, size_t offset, size_t stride, size_t n, float *out)
{
    if (s->tensor->dtype == MQ_FLOAT) {
        const mq_unaligned_f32 *w = bytes;
        for (size_t i = 0; i < n; i++)
            out[i] = w[offset + i * stride];
        return;
    }
    for (size_t i = 0; i < n; i++)
        mq_dtype_to_f32(s->tensor->dtype, bytes, offset + i * stride, 1, &out[i]);
}

/* TILE rows of TILE floats that lie `stride` apart, transposed. */
static void turn_tile(const mq_unaligned_f32 *w, size_t stride, float *out, size_t row)
{
    float tile[TILE][TILE], turned[TILE][TILE];

    for (size_t k = 0; k < TILE; k++)
        memcpy(tile[k], w + k * stride, sizeof tile[k]);
    for (size_t r = 0; r < TILE; r++)
        for (size_t k = 0; k < TILE; k++)
            turned[r][k] = tile[k][r];
    for (size_t r = 0; r < TILE; r++)
        memcpy(out + r * row, turned[r], sizeof turned[r]);
}

/* A matrix whose columns are consecutive in the file, at most WIDE rows at once, so that a cache line is read once. */
static void read_rows_tiled(const mq_source *s, const void *bytes, size_t offset, size_t stride, size_t row, size_t n_rows,
                            float *out)
{
    for (size_t k = 0; k < row; k += TILE) {
        size_t m = row - k < TILE ? row - k : TILE, r = 0, at = offset + k * stride;
        for (; m == TILE && r + TILE <= n_rows && s->tensor->dtype == MQ_FLOAT; r += TILE)
            turn_tile((const mq_unaligned_f32 *)bytes + at + r, stride, out + r * row + k, row);
        for (; r < n_rows; r++)
            read_strided(s, bytes, at + r, stride, m, out + r * row + k);
    }
}

/* Whole rows from `from` on that lie beside each other in the file: at most WIDE, at most n elements; at least 1. */
static size_t rows_beside(const mq_source *s, size_t from, size_t n, size_t row)
{
    size_t first = offset_of(s, from), rows = 1;

    while (rows < WIDE && (rows + 1) * row <= n && offset_of(s, from + rows * row) == first + rows)
        rows++;
    return rows;
}

const mq_unaligned_f32 *mq_source_read(const mq_source *s, const void *bytes, size_t from, size_t n, float *room)
{
    size_t stride, row = row_length(s, &stride), done = 0;

    if (mq_source_is_plain(s)) {
        if (s->tensor->dtype == MQ_FLOAT)
            return (const mq_unaligned_f32 *)bytes + from;
        mq_dtype_to_f32(s->tensor->dtype, bytes, from, n, room);
        return (const mq_unaligned_f32 *)room;
    }
    while (done < n) {
        size_t at = from + done, in_row = at % row, m = row - in_row < n - done ? row - in_row : n - done;
        if (in_row == 0 && m == row && n - done >= 2 * row) {
            size_t rows = rows_beside(s, at, n - done, row);
            read_rows_tiled(s, bytes, offset_of(s, at), stride, row, rows, room + done);
            m = rows * row;
        } else {
            read_strided(s, bytes, offset_of(s, at), stride, m, room + done);
        }
        done += m;
    }
    return (const mq_unaligned_f32 *)room;
}

/* The mapped bytes behind elements of a plain view. */
static bool pages_of(const mq_source *s, size_t from, size_t n, const char **at, size_t *bytes)
{
    const mq_tensor *t = s->tensor;
    size_t width = (size_t)mq_dtype_bits(t->dtype) / 8;

    if (!t->buf || !t->data || t->unpacked)
        return false;
    if (!mq_source_is_plain(s)) {
        from = 0;
        n = (size_t)s->n;
    }
    *at = (const char *)t->data + from * width;
    *bytes = n * width;
    return true;
}

void mq_source_want(const mq_source *s, size_t from, size_t n)
{
    const char *at;
    size_t bytes;

    /* a transposed view touches everything in every window: its pages are read as they are met */
    if (mq_source_is_plain(s) && pages_of(s, from, n, &at, &bytes))
        mq_buf_want(s->tensor->buf, at, bytes);
}

void mq_source_done_with(const mq_source *s, size_t from, size_t n)
{
    const char *at;
    size_t bytes;

    if ((mq_source_is_plain(s) || from + n == (size_t)s->n) && pages_of(s, from, n, &at, &bytes))
        mq_buf_done_with(s->tensor->buf, at, bytes);
}
