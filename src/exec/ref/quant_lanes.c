/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* 8-bit integers to numbers and back, and the scales and zero points among a node's inputs. */
#include "exec/ref/quant_lanes.h"

#include <math.h>
#include <string.h>

#include "base/compiler.h"
#include "exec/ref/quant_avx512.h"

bool mq_is_i8(const mq_array *a)
{
    return a->dtype == MQ_INT8 || a->dtype == MQ_UINT8;
}

mq_status mq_call_scales(mq_call *c, size_t i, int64_t n, const float **all, int *step)
{
    if (!mq_call_has(c, i) || c->in[i]->dtype != MQ_FLOAT)
        return mq_call_fail(c, "input %zu must be a float scale", i);
    if (c->in[i]->count != 1 && c->in[i]->count != (uint64_t)n)
        return mq_call_fail(c, "input %zu has %zu scales; 1 or %lld are wanted", i, c->in[i]->count, (long long)n);
    *all = c->in[i]->data;
    *step = c->in[i]->count != 1;
    return MQ_OK;
}

mq_status mq_call_zeros(mq_call *c, size_t i, mq_dtype type, int64_t n, int32_t **all, int *step)
{
    const bool given = mq_call_has(c, i);
    const size_t count = given ? c->in[i]->count : 1;

    if (given && c->in[i]->dtype != type)
        return mq_call_fail(c, "input %zu is a zero point of type %s; %s is wanted", i, mq_dtype_name(c->in[i]->dtype),
                            mq_dtype_name(type));
    if (count != 1 && count != (uint64_t)n)
        return mq_call_fail(c, "input %zu has %zu zero points; 1 or %lld are wanted", i, count, (long long)n);
    *all = mq_call_scratch(c, (count ? count : 1) * sizeof **all);
    if (!*all)
        return MQ_ERR_NOMEM;
    if (!given)
        **all = 0;
    for (size_t k = 0; given && k < count; k++)
        (*all)[k] = (int32_t)mq_array_i64(c->in[i], k);
    *step = count != 1;
    return MQ_OK;
}

mq_status mq_call_scale(mq_call *c, size_t i, float *out)
{
    const float *all = NULL;
    int step = 0;
    const mq_status rc = mq_call_scales(c, i, 1, &all, &step);

    if (rc == MQ_OK)
        *out = *all;
    return rc;
}

mq_status mq_call_zero(mq_call *c, size_t i, mq_dtype type, int32_t *out)
{
    int32_t *all = NULL;
    int step = 0;
    const mq_status rc = mq_call_zeros(c, i, type, 1, &all, &step);

    if (rc == MQ_OK)
        *out = *all;
    return rc;
}

MQ_CLONES_EXPORTED(void, mq_i8_widen, (mq_dtype type, const void *src, int64_t n, int32_t zero,
                                       int32_t *restrict out), (type, src, n, zero, out))
{
    const int8_t *s = src;
    const uint8_t *u = src;

    if (type == MQ_INT8) {
        for (int64_t k = 0; k < n; k++)
            out[k] = s[k] - zero;
    } else {
        for (int64_t k = 0; k < n; k++)
            out[k] = u[k] - zero;
    }
}

MQ_CLONES_EXPORTED(void, mq_i8_dequantize, (mq_dtype type, const void *src, int64_t n, float scale, int32_t zero,
                                            float *restrict out), (type, src, n, scale, zero, out))
{
    const int8_t *s = src;
    const uint8_t *u = src;

    if (type == MQ_INT8) {
        for (int64_t k = 0; k < n; k++)
            out[k] = (float)(s[k] - zero) * scale;
    } else {
        for (int64_t k = 0; k < n; k++)
            out[k] = (float)(u[k] - zero) * scale;
    }
}

/* Rounds and saturates in float, where both are exact: a zero point has 8 bits. */
MQ_INLINE int32_t to_i8(float v, float zero, float low, float high)
{
    const float q = rintf(v) + zero;

    return (int32_t)(q >= low ? (q > high ? high : q) : low);
}

MQ_CLONES_EXPORTED(void, mq_i8_requantize, (const int32_t *restrict acc, int64_t n, float scale, int32_t zero,
                                            mq_dtype type, void *restrict dst), (acc, n, scale, zero, type, dst))
{
    const float low = type == MQ_INT8 ? -128.0f : 0.0f, high = type == MQ_INT8 ? 127.0f : 255.0f;
    uint8_t *out = dst;

    for (int64_t k = 0; k < n; k++)
        out[k] = (uint8_t)to_i8((float)acc[k] * scale, (float)zero, low, high);
}

MQ_CLONES(void, requantize_each, (const int32_t *restrict acc, int64_t n, const float *restrict scales, int32_t zero,
                                  mq_dtype type, uint8_t *restrict out), (acc, n, scales, zero, type, out))
{
    const float low = type == MQ_INT8 ? -128.0f : 0.0f, high = type == MQ_INT8 ? 127.0f : 255.0f;

    for (int64_t k = 0; k < n; k++)
        out[k] = (uint8_t)to_i8((float)acc[k] * scales[k], (float)zero, low, high);
}

void mq_i8_requantize_each(const int32_t *acc, int64_t n, const float *scales, int32_t zero, mq_dtype type, void *dst)
{
    const int64_t done = mq_i8_requantize_zmm(acc, n, scales, zero, type, dst);

    if (done < n)
        requantize_each(acc + done, n - done, scales + done, zero, type, (uint8_t *)dst + done);
}

MQ_CLONES(void, quantize, (const float *restrict x, int64_t n, float scale, int32_t zero, mq_dtype type,
                           uint8_t *restrict out), (x, n, scale, zero, type, out))
{
    const float low = type == MQ_INT8 ? -128.0f : 0.0f, high = type == MQ_INT8 ? 127.0f : 255.0f;

    for (int64_t k = 0; k < n; k++)
        out[k] = (uint8_t)to_i8(x[k] / scale, (float)zero, low, high);
}

void mq_i8_quantize(const float *x, int64_t n, float scale, int32_t zero, mq_dtype type, void *dst)
{
    const int64_t done = mq_i8_quantize_zmm(x, n, scale, zero, type, dst);

    if (done < n)
        quantize(x + done, n - done, scale, zero, type, (uint8_t *)dst + done);
}

/* ---- sums and means ----------------------------------------------------------------------------------------------- */

#define SUMS(T)                                                                                                      \
    MQ_CLONES(void, row_sums_##T, (const T *x, int64_t rows, int64_t n, int32_t *restrict sums), (x, rows, n, sums)) \
    {                                                                                                                \
        for (int64_t r = 0; r < rows; r++) {                                                                         \
            int32_t sum = 0;                                                                                         \
                                                                                                                     \
            for (int64_t i = 0; i < n; i++)                                                                          \
                sum += x[r * n + i];                                                                                 \
            sums[r] = sum;                                                                                           \
        }                                                                                                            \
    }                                                                                                                \
    MQ_CLONES(void, add_row_##T, (const T *restrict x, int64_t n, int32_t *restrict sums), (x, n, sums))             \
    {                                                                                                                \
        for (int64_t i = 0; i < n; i++)                                                                              \
            sums[i] += x[i];                                                                                         \
    }
SUMS(int8_t)
SUMS(uint8_t)

void mq_i8_row_sums(mq_dtype type, const void *x, int64_t rows, int64_t n, int32_t *sums)
{
    if (type == MQ_INT8)
        row_sums_int8_t(x, rows, n, sums);
    else
        row_sums_uint8_t(x, rows, n, sums);
}

void mq_i8_column_sums(mq_dtype type, const void *x, int64_t rows, int64_t n, int32_t *sums)
{
    memset(sums, 0, (size_t)n * sizeof *sums);
    for (int64_t r = 0; r < rows; r++) {
        if (type == MQ_INT8)
            add_row_int8_t((const int8_t *)x + r * n, n, sums);
        else
            add_row_uint8_t((const uint8_t *)x + r * n, n, sums);
    }
}

mq_i8_mean mq_i8_mean_of(float from_scale, int32_t from_zero, float to_scale, int64_t n)
{
    return (mq_i8_mean){ .scale = from_scale / (to_scale * (float)n), .less = from_zero * n };
}

float mq_i8_mean_step(const mq_i8_mean *m, int64_t sum)
{
    return (float)(sum - m->less) * m->scale;
}

/* ---- pairs -------------------------------------------------------------------------------------------------------- */

mq_i8_pair mq_i8_pair_of(float a_scale, int32_t a_zero, float b_scale, int32_t b_zero, float y_scale, int32_t y_zero)
{
    mq_i8_pair p = { .a_ratio = a_scale / y_scale, .b_ratio = b_scale / y_scale, .ratio = a_scale * b_scale / y_scale,
                     .a_zero = a_zero, .b_zero = b_zero, .y_zero = y_zero };

    p.base = (float)y_zero - fmaf(p.a_ratio, (float)a_zero, p.b_ratio * (float)b_zero);
    return p;
}

MQ_INLINE int32_t round_i8(float q, float low, float high)
{
    q = rintf(q);
    return (int32_t)(q >= low ? (q > high ? high : q) : low);
}

#define PAIRS(T, low, high)                                                                                           \
    MQ_CLONES(void, add_##T, (const T *restrict a, const T *restrict b, int64_t n, const mq_i8_pair *p,               \
                              T *restrict y), (a, b, n, p, y))                                                        \
    {                                                                                                                 \
        const float ra = p->a_ratio, rb = p->b_ratio, base = p->base;                                                 \
                                                                                                                      \
        for (int64_t k = 0; k < n; k++)                                                                               \
            y[k] = (T)round_i8(fmaf(a[k], ra, fmaf(b[k], rb, base)), low, high);                                    \
    }                                                                                                                 \
    MQ_CLONES(void, mul_##T, (const T *restrict a, const T *restrict b, int64_t n, const mq_i8_pair *p,               \
                              T *restrict y), (a, b, n, p, y))                                                        \
    {                                                                                                                 \
        const int32_t za = p->a_zero, zb = p->b_zero;                                                                 \
        const float ratio = p->ratio, zero = (float)p->y_zero;                                                        \
                                                                                                                      \
        for (int64_t k = 0; k < n; k++)                                                                               \
            y[k] = (T)round_i8((float)((a[k] - za) * (b[k] - zb)) * ratio + zero, low, high);                         \
    }
PAIRS(int8_t, -128.0f, 127.0f)
PAIRS(uint8_t, 0.0f, 255.0f)

void mq_i8_add(mq_dtype type, const void *a, const void *b, int64_t n, const mq_i8_pair *p, void *y)
{
    const int64_t done = mq_i8_add_zmm(type, a, b, n, p, y);

    if (done < n && type == MQ_INT8)
        add_int8_t((const int8_t *)a + done, (const int8_t *)b + done, n - done, p, (int8_t *)y + done);
    else if (done < n)
        add_uint8_t((const uint8_t *)a + done, (const uint8_t *)b + done, n - done, p, (uint8_t *)y + done);
}

void mq_i8_mul(mq_dtype type, const void *a, const void *b, int64_t n, const mq_i8_pair *p, void *y)
{
    const int64_t done = mq_i8_mul_zmm(type, a, b, n, p, y);

    if (done < n && type == MQ_INT8)
        mul_int8_t((const int8_t *)a + done, (const int8_t *)b + done, n - done, p, (int8_t *)y + done);
    else if (done < n)
        mul_uint8_t((const uint8_t *)a + done, (const uint8_t *)b + done, n - done, p, (uint8_t *)y + done);
}

void mq_i8_regrid(mq_dtype type, float from_scale, int32_t from_zero, float to_scale, int32_t to_zero, uint8_t table[256])
{
    uint8_t codes[256];
    float x[256];

    for (int i = 0; i < 256; i++)
        codes[i] = (uint8_t)i;
    mq_i8_dequantize(type, codes, 256, from_scale, from_zero, x);
    mq_i8_quantize(x, 256, to_scale, to_zero, type, table);
}

void mq_i8_look_up(const uint8_t table[256], const void *in, int64_t n, void *out)
{
    mq_i8_look_up_rows(table, in, 1, n, out, n);
}

void mq_i8_look_up_rows(const uint8_t table[256], const void *in, int64_t rows, int64_t n, void *out, int64_t step)
{
    const uint8_t *from = in;
    uint8_t *to = out;

    if (mq_i8_look_up_zmm(table, from, rows, n, to, step))
        return;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < n; i++)
            to[r * step + i] = table[from[r * n + i]];
}
