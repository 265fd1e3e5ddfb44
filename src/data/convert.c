/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Element types in and out: through double for floats, through int64 for integers, in blocks. No rounding between
 * integers. */
#include "data/convert.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 512 };

static bool is_whole(mq_dtype t)
{
    return mq_dtype_is_integer(t) || t == MQ_BOOL;
}

/* Types that can be written element by element. */
static bool is_plain(mq_dtype t)
{
    return t == MQ_FLOAT || t == MQ_DOUBLE || t == MQ_FLOAT16 || t == MQ_BFLOAT16 || t == MQ_BOOL ||
           (mq_dtype_is_integer(t) && mq_dtype_bits(t) >= 8);
}

bool mq_can_convert(mq_dtype from, mq_dtype to)
{
    if (from == to)
        return true;
    if (mq_dtype_is_float(from))
        return mq_dtype_is_float(to) && is_plain(to);
    return is_whole(from) && is_plain(to);
}

/* ---- reading and writing blocks ----------------------------------------------------------------------------------- */

static void get_f64(mq_dtype from, const void *data, size_t at, double *v, size_t n)
{
    float f[BLOCK];
    int64_t w[BLOCK];

    if (from == MQ_DOUBLE) {
        memcpy(v, (const double *)data + at, n * sizeof *v);
    } else if (mq_dtype_is_float(from)) {
        mq_dtype_to_f32(from, data, at, n, f);
        for (size_t i = 0; i < n; i++)
            v[i] = (double)f[i];
    } else {
        mq_dtype_to_i64(from, data, at, n, w);
        for (size_t i = 0; i < n; i++)
            v[i] = (double)w[i];
    }
}

static void put_i64(mq_dtype to, void *data, size_t at, const int64_t *v, size_t n)
{
    const size_t size = (size_t)mq_dtype_bits(to) / 8;
    char *p = (char *)data + at * size;

    for (size_t i = 0; i < n; i++, p += size) {
        const int64_t w = to == MQ_BOOL ? v[i] != 0 : v[i];

        memcpy(p, &w, size); /* low bytes first */
    }
}

void mq_put_f64(mq_dtype to, void *data, size_t at, const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (to == MQ_FLOAT) {
            ((float *)data)[at + i] = (float)v[i];
        } else if (to == MQ_DOUBLE) {
            ((double *)data)[at + i] = v[i];
        } else if (to == MQ_FLOAT16) {
            ((uint16_t *)data)[at + i] = mq_f16_from_f32((float)v[i]);
        } else if (to == MQ_BFLOAT16) {
            ((uint16_t *)data)[at + i] = mq_bf16_from_f32((float)v[i]);
        } else {
            const int64_t low = to == MQ_BOOL ? 0 : mq_dtype_min(to), high = to == MQ_BOOL ? 1 : mq_dtype_max(to);
            const double r = isnan(v[i]) ? 0 : rint(v[i]);
            const int64_t w = r <= (double)low ? low : r >= (double)high ? high : (int64_t)r;

            put_i64(to, data, at + i, &w, 1);
        }
    }
}

static bool fits(mq_dtype to, int64_t v, bool from_u64)
{
    if (to == MQ_BOOL || to == MQ_INT64)
        return !(from_u64 && v == INT64_MAX); /* what saturated */
    if (to == MQ_UINT64)
        return v >= 0;
    return v >= mq_dtype_min(to) && v <= mq_dtype_max(to);
}

static mq_status convert_block(mq_array *out, const mq_array *a, size_t at, size_t n, mq_error *err)
{
    double v[BLOCK];
    int64_t w[BLOCK];

    if (mq_dtype_is_float(out->dtype)) {
        get_f64(a->dtype, a->data, at, v, n);
        mq_put_f64(out->dtype, out->data, at, v, n);
        return MQ_OK;
    }
    mq_dtype_to_i64(a->dtype, a->data, at, n, w);
    for (size_t i = 0; i < n; i++)
        if (!fits(out->dtype, w[i], a->dtype == MQ_UINT64))
            return mq_fail(err, MQ_ERR_INPUT, "the value %lld does not fit %s", (long long)w[i], mq_dtype_name(out->dtype));
    put_i64(out->dtype, out->data, at, w, n);
    return MQ_OK;
}

mq_status mq_array_convert(mq_array **out, const mq_array *a, mq_dtype to, mq_error *err)
{
    mq_array *c = NULL, *packed = NULL;
    mq_status rc = MQ_OK;

    if (a->dtype == to || a->kind != MQ_TYPE_TENSOR) {
        *out = mq_array_ref((mq_array *)(uintptr_t)a);
        return MQ_OK;
    }
    if (!mq_can_convert(a->dtype, to))
        return mq_fail(err, MQ_ERR_INPUT, "%s cannot stand for %s", mq_dtype_name(a->dtype), mq_dtype_name(to));
    MQ_TRY(mq_array_pack(&packed, a, err));
    MQ_TRY(mq_array_create(&c, to, a->rank, a->dims, err));
    for (size_t at = 0; at < a->count; at += BLOCK)
        MQ_TRY(convert_block(c, packed, at, a->count - at < BLOCK ? a->count - at : BLOCK, err));
    *out = c;
    c = NULL;
done:
    mq_array_unref(c);
    mq_array_unref(packed);
    return rc;
}

mq_status mq_array_quantize(mq_array **out, const mq_array *a, mq_dtype to, float scale, int32_t zero_point, mq_error *err)
{
    mq_array *floats = NULL, *q = NULL;
    double v[BLOCK];
    mq_status rc;

    MQ_TRY(mq_array_convert(&floats, a, MQ_FLOAT, err));
    MQ_TRY(mq_array_create(&q, to, a->rank, a->dims, err));
    for (size_t at = 0; at < a->count; at += BLOCK) {
        const size_t n = a->count - at < BLOCK ? a->count - at : BLOCK;

        for (size_t i = 0; i < n; i++)
            v[i] = (double)(rintf(((const float *)floats->data)[at + i] / scale) + (float)zero_point);
        mq_put_f64(to, q->data, at, v, n);
    }
    *out = q;
    q = NULL;
done:
    mq_array_unref(q);
    mq_array_unref(floats);
    return rc;
}

/* ---- copies, ranges, stacks --------------------------------------------------------------------------------------- */

static mq_status own_strings(mq_array **out, const mq_array *a, mq_error *err)
{
    const mq_bytes *in = a->data;
    size_t size = a->count * sizeof *in; /* in memory already: cannot overflow */
    mq_block *b;
    mq_bytes *table;
    char *text;
    mq_status rc;

    for (size_t i = 0; i < a->count; i++)
        if (__builtin_add_overflow(size, in[i].n, &size))
            return mq_oom(err);
    if (!(b = mq_block_create(size)))
        return mq_oom(err);
    table = b->data;
    text = (char *)b->data + a->count * sizeof *in;
    for (size_t i = 0; i < a->count; i++) {
        if (in[i].n)
            memcpy(text, in[i].data, in[i].n);
        table[i] = (mq_bytes){ text, in[i].n };
        text += in[i].n;
    }
    rc = mq_array_wrap(out, MQ_STRING, a->rank, a->dims, b->data, b, err);
    mq_block_unref(b);
    return rc;
}

mq_status mq_array_own(mq_array **out, const mq_array *a, mq_error *err)
{
    return a->kind == MQ_TYPE_TENSOR && a->dtype == MQ_STRING ? own_strings(out, a, err) : mq_array_copy(out, a, err);
}

size_t mq_array_range(const mq_array *a, double *min, double *max)
{
    size_t bad = 0;
    double v[BLOCK], low = INFINITY, high = -INFINITY;

    if (a->kind == MQ_TYPE_TENSOR && !a->codes && (mq_dtype_is_float(a->dtype) || is_whole(a->dtype)))
        for (size_t at = 0; at < a->count; at += BLOCK) {
            const size_t n = a->count - at < BLOCK ? a->count - at : BLOCK;

            get_f64(a->dtype, a->data, at, v, n);
            for (size_t i = 0; i < n; i++) {
                if (!isfinite(v[i])) {
                    bad++;
                    continue;
                }
                low = v[i] < low ? v[i] : low;
                high = v[i] > high ? v[i] : high;
            }
        }
    *min = low <= high ? low : 0;
    *max = low <= high ? high : 0;
    return bad;
}

/* Do the rows lie behind each other in one block? */
static bool are_consecutive(mq_array *const *in, size_t n, size_t bytes)
{
    const size_t elem = mq_array_elem_size(in[0]);

    if (elem && (uintptr_t)in[0]->data % (elem < 8 ? elem : 8))
        return false;
    for (size_t i = 1; i < n; i++)
        if (in[i]->block != in[0]->block || (char *)in[i]->data != (char *)in[0]->data + i * bytes)
            return false;
    return n == 1 || in[0]->block;
}

mq_status mq_array_stack(mq_array **out, mq_array *const *in, size_t n, size_t rows, mq_error *err)
{
    const mq_array *first = in[0];
    const size_t bytes = mq_array_bytes(first);
    int64_t dims[MQ_MAX_RANK + 1] = { (int64_t)rows };
    mq_array *a = NULL;
    mq_status rc;

    if (first->rank >= MQ_MAX_RANK)
        return mq_fail(err, MQ_ERR_INPUT, "a tensor would have more than %d axes", MQ_MAX_RANK);
    memcpy(dims + 1, first->dims, (size_t)first->rank * sizeof *dims);
    if (rows == n && are_consecutive(in, n, bytes))
        return mq_array_wrap(out, first->dtype, first->rank + 1, dims, first->data, first->block, err);
    MQ_TRY(mq_array_create(&a, first->dtype, first->rank + 1, dims, err));
    for (size_t i = 0; i < rows && bytes; i++)
        memcpy((char *)a->data + i * bytes, in[i < n ? i : n - 1]->data, bytes);
    if (a->dtype == MQ_STRING) { /* the text still belongs to the rows */
        rc = mq_array_own(out, a, err);
    } else {
        *out = a;
        a = NULL;
    }
done:
    mq_array_unref(a);
    return rc;
}
