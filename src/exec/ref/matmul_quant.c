/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Matrix products of 8-bit integers: zero points are taken off first, sums are int32 and exact, scales come last. */
#include <math.h>
#include <string.h>

#include "exec/ref/families.h"
#include "exec/ref/matmul.h"
#include "exec/ref/quant_lanes.h"
#include "exec/ref/util.h"

/* A parameter (scale, zero point) spread over an array of `rank` axes: strides of its elements, 0 where it is repeated. */
typedef struct spread {
    const mq_array *a; /* NULL: absent */
    int64_t strides[MQ_MAX_RANK];
} spread;

/* Input i over an array of these dims; a list belongs to the last axis but one (`by_row`) or to the last. */
static mq_status spread_of(mq_call *c, size_t i, int rank, const int64_t *dims, bool by_row, spread *s)
{
    int64_t own[MQ_MAX_RANK];

    memset(s, 0, sizeof *s);
    if (!mq_call_has(c, i))
        return MQ_OK;
    const mq_array *a = s->a = c->in[i];
    if (a->count == 1)
        return MQ_OK;
    const int shift = by_row && a->rank == 1 ? 1 : 0;
    if (a->rank + shift > rank)
        return mq_call_fail(c, "input %zu has rank %d; at most %d is allowed", i, a->rank, rank - shift);
    mq_strides(a->rank, a->dims, own);
    for (int k = 0; k < a->rank; k++) {
        const int d = rank - shift - a->rank + k;
        if (a->dims[k] != 1 && a->dims[k] != dims[d])
            return mq_call_fail(c, "axis %d of input %zu has %lld elements; 1 or %lld are allowed", k, i,
                                (long long)a->dims[k], (long long)dims[d]);
        s->strides[d] = a->dims[k] == 1 ? 0 : own[k];
    }
    return MQ_OK;
}

static float scale_at(const spread *s, int64_t at)
{
    return s->a ? ((const float *)s->a->data)[at] : 1;
}

static int32_t zero_at(const spread *s, int64_t at)
{
    return s->a ? (int32_t)mq_array_i64(s->a, (size_t)at) : 0;
}

static int64_t row_at(const spread *s, int rank, const int64_t *dims, int64_t row)
{
    return rank > 1 ? mq_offset_at(rank - 1, dims, s->strides, row) : 0;
}

/* Input i as int32 without the zero points that input z holds. */
static mq_status widen(mq_call *c, size_t i, size_t z, bool by_row, int32_t **out)
{
    const mq_array *a = c->in[i];
    spread s;
    mq_status rc = MQ_OK;

    if (!mq_is_i8(a))
        return mq_call_bad_type(c, a->dtype);
    if (mq_call_has(c, z) && c->in[z]->dtype != a->dtype)
        return mq_call_fail(c, "zero point of input %zu has type %s, not %s", i, mq_dtype_name(c->in[z]->dtype),
                            mq_dtype_name(a->dtype));
    MQ_TRY(spread_of(c, z, a->rank, a->dims, by_row, &s));
    if (!(*out = mq_call_scratch(c, a->count * sizeof **out + 1)))
        return MQ_ERR_NOMEM;
    if (a->count == 0)
        return MQ_OK;
    const int64_t n = a->rank > 0 ? a->dims[a->rank - 1] : 1, rows = (int64_t)a->count / n;
    const int64_t step = a->rank > 0 ? s.strides[a->rank - 1] : 0;
    for (int64_t r = 0; r < rows; r++) {
        const int64_t at = row_at(&s, a->rank, a->dims, r);
        int32_t *to = *out + r * n;
        mq_i8_widen(a->dtype, (const char *)a->data + r * n, n, step ? 0 : zero_at(&s, at), to);
        for (int64_t j = 0; step && j < n; j++)
            to[j] -= zero_at(&s, at + j * step);
    }
done:
    return rc;
}

static const mq_matmul_side plain = { false, false };

/* The exact product of inputs ia and ib into acc (NULL: scratch memory), with zero points at za and zb. */
static mq_status sums(mq_call *c, size_t ia, size_t za, size_t ib, size_t zb, mq_matmul *m, int32_t *acc)
{
    int32_t *a = NULL, *b = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(widen(c, ia, za, true, &a));
    MQ_TRY(widen(c, ib, zb, false, &b));
    m->g.dtype = MQ_INT32;
    m->g.a = a;
    m->g.b = b;
    m->g.c = acc;
    MQ_TRY(mq_gemm_run(c, &m->g));
done:
    return rc;
}

static mq_status op_matmul_integer(mq_call *c)
{
    mq_matmul m;
    void *y = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 2));
    MQ_TRY(mq_matmul_plan(c, c->in[0], c->in[1], plain, plain, &m));
    MQ_TRY(mq_call_out(c, 0, MQ_INT32, m.rank, m.dims, &y));
    MQ_TRY(sums(c, 0, 2, 1, 3, &m, y));
done:
    return rc;
}

/* ---- scales ------------------------------------------------------------------------------------------------------- */

/* Where the scales of the operands and of the result are among the inputs, and the result's zero point. */
typedef struct scales {
    spread a, b, y, zero;
} scales;

/* Scales of a belong to rows of the result, scales of b to its columns; for operands of one axis there is only one. */
static mq_status read_scales(mq_call *c, const mq_matmul *m, size_t ia, size_t ib, size_t iy, size_t iz, scales *s)
{
    const size_t all[] = { ia, ib, iy };
    mq_status rc = MQ_OK;

    for (size_t k = 0; k < 3; k++) {
        if (mq_call_has(c, all[k]) && c->in[all[k]]->dtype != MQ_FLOAT)
            return mq_call_fail(c, "input %zu must be a float scale", all[k]);
    }
    MQ_TRY(spread_of(c, ia, m->rank, m->dims, true, &s->a));
    MQ_TRY(spread_of(c, ib, m->rank, m->dims, false, &s->b));
    MQ_TRY(spread_of(c, iy, m->rank, m->dims, true, &s->y));
    MQ_TRY(spread_of(c, iz, m->rank, m->dims, true, &s->zero));
done:
    return rc;
}

/* One row of the result. */
static void requantize_row(const mq_array *y, const scales *s, const int32_t *acc, int64_t row)
{
    const int last = y->rank - 1;
    const int64_t n = y->rank > 0 ? y->dims[last] : 1;
    const int64_t a = row_at(&s->a, y->rank, y->dims, row), b = row_at(&s->b, y->rank, y->dims, row);
    const int64_t ys = row_at(&s->y, y->rank, y->dims, row), z = row_at(&s->zero, y->rank, y->dims, row);
    const int64_t sa = last < 0 ? 0 : s->a.strides[last], sb = last < 0 ? 0 : s->b.strides[last];
    const int64_t sy = last < 0 ? 0 : s->y.strides[last], sz = last < 0 ? 0 : s->zero.strides[last];
    char *to = (char *)y->data + row * n;

    if (!sa && !sb && !sy && !sz) {
        mq_i8_requantize(acc + row * n, n, scale_at(&s->a, a) * scale_at(&s->b, b) / scale_at(&s->y, ys),
                         zero_at(&s->zero, z), y->dtype, to);
        return;
    }
    for (int64_t j = 0; j < n; j++) {
        const float f = scale_at(&s->a, a + j * sa) * scale_at(&s->b, b + j * sb) / scale_at(&s->y, ys + j * sy);
        mq_i8_requantize(acc + row * n + j, 1, f, zero_at(&s->zero, z + j * sz), y->dtype, to + j);
    }
}

static mq_status op_qlinear_matmul(mq_call *c)
{
    mq_matmul m;
    scales s;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 8));
    if (!mq_is_i8(c->in[7]))
        return mq_call_bad_type(c, c->in[7]->dtype);
    MQ_TRY(mq_matmul_plan(c, c->in[0], c->in[3], plain, plain, &m));
    MQ_TRY(mq_call_out(c, 0, c->in[7]->dtype, m.rank, m.dims, NULL));
    mq_array *y = c->out[0];
    int32_t *acc = mq_call_scratch(c, y->count * sizeof *acc + 1);
    if (!acc)
        return MQ_ERR_NOMEM;
    MQ_TRY(read_scales(c, &m, 1, 4, 6, 7, &s));
    MQ_TRY(sums(c, 0, 2, 3, 5, &m, acc));
    if (y->count == 0)
        return MQ_OK;
    const int64_t rows = (int64_t)y->count / (y->rank > 0 ? y->dims[y->rank - 1] : 1);
    const int threads = mq_call_threads(c, (int64_t)y->count);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t r = 0; r < rows; r++)
        requantize_row(y, &s, acc, r);
done:
    return rc;
}

/* y = acc * scale of a * scale of b + bias, of float result y. */
static mq_status dequantize(mq_call *c, const scales *s, const int32_t *acc, size_t bias)
{
    mq_array *y = c->out[0];
    const int last = y->rank - 1;
    spread add;
    mq_status rc = MQ_OK;

    MQ_TRY(spread_of(c, bias, y->rank, y->dims, false, &add));
    if (add.a && add.a->dtype != MQ_FLOAT)
        return mq_call_bad_type(c, add.a->dtype);
    if (y->count == 0)
        return MQ_OK;
    const int64_t n = y->rank > 0 ? y->dims[last] : 1, rows = (int64_t)y->count / n;
    const int64_t sb = last < 0 ? 0 : s->b.strides[last], sadd = last < 0 ? 0 : add.strides[last];
    const int threads = mq_call_threads(c, (int64_t)y->count);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t r = 0; r < rows; r++) {
        const int64_t a = row_at(&s->a, y->rank, y->dims, r), b = row_at(&s->b, y->rank, y->dims, r);
        const int64_t at = row_at(&add, y->rank, y->dims, r), sa = last < 0 ? 0 : s->a.strides[last];
        for (int64_t j = 0; j < n; j++) {
            const float f = scale_at(&s->a, a + j * sa) * scale_at(&s->b, b + j * sb);
            const float v = (float)acc[r * n + j] * f;
            ((float *)y->data)[r * n + j] = add.a ? v + ((const float *)add.a->data)[at + j * sadd] : v;
        }
    }
done:
    return rc;
}

static mq_status op_matmul_integer_to_float(mq_call *c)
{
    mq_matmul m;
    scales s;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 4));
    MQ_TRY(mq_matmul_plan(c, c->in[0], c->in[1], plain, plain, &m));
    MQ_TRY(mq_call_out(c, 0, MQ_FLOAT, m.rank, m.dims, NULL));
    int32_t *acc = mq_call_scratch(c, c->out[0]->count * sizeof *acc + 1);
    if (!acc)
        return MQ_ERR_NOMEM;
    MQ_TRY(read_scales(c, &m, 2, 3, SIZE_MAX, SIZE_MAX, &s));
    MQ_TRY(sums(c, 0, 4, 1, 5, &m, acc));
    MQ_TRY(dequantize(c, &s, acc, 6));
done:
    return rc;
}

/* ---- DynamicQuantizeMatMul ---------------------------------------------------------------------------------------- */

/* A as uint8 by its own range (DynamicQuantizeLinear), already without the zero point. */
static void quantize_a(const mq_array *a, int32_t *out, float *scale)
{
    const float *x = a->data;
    float low = 0, high = 0;

    for (size_t i = 0; i < a->count; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    *scale = high == low ? 1 : (high - low) / 255;
    const float zero = rintf(fminf(fmaxf(-low / *scale, 0), 255));
    for (size_t i = 0; i < a->count; i++) {
        const float q = rintf(x[i] / *scale) + zero;
        out[i] = (int32_t)(q >= 0 ? (q > 255 ? 255 : q) : 0) - (int32_t)zero;
    }
}

static mq_status op_dynamic_quantize_matmul(mq_call *c)
{
    mq_matmul m;
    scales s = { 0 };
    int32_t *b = NULL;
    float scale = 1;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 3));
    if (c->in[0]->dtype != MQ_FLOAT || c->in[2]->dtype != MQ_FLOAT)
        return mq_call_bad_type(c, c->in[0]->dtype);
    MQ_TRY(mq_matmul_plan(c, c->in[0], c->in[1], plain, plain, &m));
    MQ_TRY(mq_call_out(c, 0, MQ_FLOAT, m.rank, m.dims, NULL));
    int32_t *acc = mq_call_scratch(c, c->out[0]->count * sizeof *acc + 1);
    int32_t *a = mq_call_scratch(c, c->in[0]->count * sizeof *a + 1);
    if (!acc || !a)
        return MQ_ERR_NOMEM;
    MQ_TRY(widen(c, 1, 3, false, &b));
    MQ_TRY(spread_of(c, 2, m.rank, m.dims, false, &s.b));
    quantize_a(c->in[0], a, &scale);
    m.g.dtype = MQ_INT32;
    m.g.a = a;
    m.g.b = b;
    m.g.c = acc;
    MQ_TRY(mq_gemm_run(c, &m.g));
    mq_array one = { .kind = MQ_TYPE_TENSOR, .dtype = MQ_FLOAT, .count = 1, .data = &scale };
    s.a.a = &one;
    MQ_TRY(dequantize(c, &s, acc, 4));
done:
    return rc;
}

/* ---- QGemm -------------------------------------------------------------------------------------------------------- */

enum { G_A, G_A_SCALE, G_A_ZERO, G_B, G_B_SCALE, G_B_ZERO, G_C, G_Y_SCALE, G_Y_ZERO };

/* acc + C, which is int32 and stretches to the result. */
static mq_status add_c(mq_call *c, int32_t *acc)
{
    const mq_array *y = c->out[0];
    spread s;
    mq_status rc = MQ_OK;

    MQ_TRY(spread_of(c, G_C, 2, y->dims, false, &s));
    if (s.a && s.a->dtype != MQ_INT32)
        return mq_call_bad_type(c, s.a->dtype);
    for (int64_t i = 0; s.a && i < y->dims[0]; i++)
        for (int64_t j = 0; j < y->dims[1]; j++)
            acc[i * y->dims[1] + j] = (int32_t)((uint32_t)acc[i * y->dims[1] + j] +
                                                ((const uint32_t *)s.a->data)[i * s.strides[0] + j * s.strides[1]]);
done:
    return rc;
}

static mq_status qgemm_check(mq_call *c)
{
    for (size_t i = 0; i < G_C; i++) {
        if (!mq_call_has(c, i))
            return mq_call_fail(c, "input %zu is missing", i);
    }
    if (c->in[G_A]->rank != 2 || c->in[G_B]->rank != 2)
        return mq_call_fail(c, "inputs have ranks %d and %d; 2 is wanted", c->in[G_A]->rank, c->in[G_B]->rank);
    if (c->in[G_A_SCALE]->count != 1 || c->in[G_A_ZERO]->count != 1)
        return mq_call_fail(c, "A must have one scale and one zero point");
    if (mq_call_has(c, G_Y_SCALE) && (!mq_call_has(c, G_Y_ZERO) || !mq_is_i8(c->in[G_Y_ZERO])))
        return mq_call_fail(c, "the result's zero point must be int8 or uint8");
    return MQ_OK;
}

static mq_status op_qgemm(mq_call *c)
{
    const mq_matmul_side ta = { mq_node_attr_int(c->node, "transA", 0) != 0, false };
    const mq_matmul_side tb = { mq_node_attr_int(c->node, "transB", 0) != 0, false };
    const float alpha = mq_node_attr_float(c->node, "alpha", 1.0f);
    const bool quantized = mq_call_has(c, G_Y_SCALE);
    mq_matmul m;
    scales s;
    int32_t *a = NULL, *b = NULL, *zeros = NULL;
    int step = 0;
    mq_status rc = MQ_OK;

    MQ_TRY(qgemm_check(c));
    MQ_TRY(mq_matmul_plan(c, c->in[G_A], c->in[G_B], ta, tb, &m));
    MQ_TRY(mq_call_out(c, 0, quantized ? c->in[G_Y_ZERO]->dtype : MQ_FLOAT, 2, m.dims, NULL));
    int32_t *acc = mq_call_scratch(c, c->out[0]->count * sizeof *acc + 1);
    if (!acc)
        return MQ_ERR_NOMEM;
    MQ_TRY(read_scales(c, &m, G_A_SCALE, G_B_SCALE, quantized ? G_Y_SCALE : SIZE_MAX, quantized ? G_Y_ZERO : SIZE_MAX, &s));
    MQ_TRY(widen(c, G_A, G_A_ZERO, true, &a));
    MQ_TRY(mq_call_zeros(c, G_B_ZERO, c->in[G_B]->dtype, m.dims[1], &zeros, &step));
    MQ_TRY(widen(c, G_B, SIZE_MAX, false, &b));
    for (int64_t i = 0; i < (int64_t)c->in[G_B]->count; i++)
        b[i] -= zeros[step * (tb.transposed ? i / c->in[G_B]->dims[1] : i % c->in[G_B]->dims[1])];
    m.g.dtype = MQ_INT32;
    m.g.a = a;
    m.g.b = b;
    m.g.c = acc;
    MQ_TRY(mq_gemm_run(c, &m.g));
    MQ_TRY(add_c(c, acc));
    mq_array one = *s.a.a;
    float factor = alpha * scale_at(&s.a, 0);
    one.data = &factor;
    s.a.a = &one;
    if (!quantized)
        MQ_TRY(dequantize(c, &s, acc, SIZE_MAX));
    for (int64_t i = 0; quantized && i < m.dims[0]; i++)
        requantize_row(c->out[0], &s, acc, i);
done:
    return rc;
}

const mq_kernel mq_kernels_matmul_quant[] = {
    { "", "MatMulInteger", op_matmul_integer, 0 },
    { "", "QLinearMatMul", op_qlinear_matmul, MQ_KERNEL_WIDEN },
    { "com.microsoft", "DynamicQuantizeMatMul", op_dynamic_quantize_matmul, 0 },
    { "com.microsoft", "MatMulIntegerToFloat", op_matmul_integer_to_float, MQ_KERNEL_WIDEN },
    { "com.microsoft", "QGemm", op_qgemm, 0 },
    { 0 },
};
