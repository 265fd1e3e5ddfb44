/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* MatMul, Gemm and the like in floats and wide integers, and Det. */
#include "exec/ref/matmul.h"

#include <math.h>
#include <string.h>

#include "exec/ref/families.h"
#include "exec/ref/util.h"

static bool has_gemm(mq_dtype t)
{
    return t == MQ_FLOAT || t == MQ_DOUBLE || t == MQ_INT32 || t == MQ_UINT32 || t == MQ_INT64 || t == MQ_UINT64;
}

static mq_status check_types(mq_call *c)
{
    if (!has_gemm(c->in[0]->dtype))
        return mq_call_bad_type(c, c->in[0]->dtype);
    for (size_t i = 1; i < c->n_in; i++) {
        if (mq_call_has(c, i) && c->in[i]->dtype != c->in[0]->dtype)
            return mq_call_fail(c, "inputs have element types %s and %s", mq_dtype_name(c->in[0]->dtype),
                                mq_dtype_name(c->in[i]->dtype));
    }
    return MQ_OK;
}

/* y[i] = y[i] * factor. */
static void scale_all(mq_call *c, double factor)
{
    mq_array *y = c->out[0];
    const int threads = mq_call_threads(c, (int64_t)y->count);

    if (factor == 1)
        return;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (size_t i = 0; i < y->count; i++) {
        if (y->dtype == MQ_FLOAT)
            ((float *)y->data)[i] *= (float)factor;
        else
            ((double *)y->data)[i] *= factor;
    }
}

static mq_status matmul(mq_call *c, mq_matmul_side ta, mq_matmul_side tb, double alpha)
{
    mq_matmul m;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 2));
    MQ_TRY(check_types(c));
    if (alpha != 1 && c->in[0]->dtype != MQ_FLOAT && c->in[0]->dtype != MQ_DOUBLE)
        return mq_call_bad_type(c, c->in[0]->dtype);
    MQ_TRY(mq_matmul_plan(c, c->in[0], c->in[1], ta, tb, &m));
    MQ_TRY(mq_call_out(c, 0, c->in[0]->dtype, m.rank, m.dims, &m.g.c));
    m.g.dtype = c->in[0]->dtype;
    m.g.a = c->in[0]->data;
    m.g.b = c->in[1]->data;
    if (c->out[0]->count > 0)
        MQ_TRY(mq_gemm_run(c, &m.g));
    scale_all(c, alpha);
done:
    return rc;
}

static mq_status op_matmul(mq_call *c)
{
    const mq_matmul_side plain = { false, false };

    return matmul(c, plain, plain, 1);
}

static bool flag(const mq_call *c, const char *name)
{
    return mq_node_attr_int(c->node, name, 0) != 0;
}

static mq_status op_fused_matmul(mq_call *c)
{
    const mq_matmul_side a = { flag(c, "transA"), flag(c, "transBatchA") };
    const mq_matmul_side b = { flag(c, "transB"), flag(c, "transBatchB") };

    return matmul(c, a, b, (double)mq_node_attr_float(c->node, "alpha", 1.0f));
}

/* ---- Gemm --------------------------------------------------------------------------------------------------------- */

/* y = alpha * y + beta * c, in the element type; integers through double unless both factors are 1. */
#define FINISH(T, U)                                                                                                 \
    static void finish_##U(T *y, const T *c, int64_t n, int64_t step, double alpha, double beta)                     \
    {                                                                                                                \
        for (int64_t j = 0; j < n; j++) {                                                                            \
            const T add = c ? c[j * step] : 0;                                                                       \
            if (alpha == 1 && beta == 1)                                                                             \
                y[j] = (T)(y[j] + add);                                                                              \
            else                                                                                                     \
                y[j] = U##_of(alpha, y[j], beta, add);                                                               \
        }                                                                                                            \
    }

static float f32_of(double alpha, float y, double beta, float add)
{
    return (float)alpha * y + (float)beta * add;
}

static double f64_of(double alpha, double y, double beta, double add)
{
    return alpha * y + beta * add;
}

/* Truncated towards zero, saturated. */
static double within(double v, double low, double high)
{
    return v > low ? (v < high ? v : high) : low;
}

static uint32_t i32_of(double alpha, uint32_t y, double beta, uint32_t add)
{
    return (uint32_t)(int32_t)within(alpha * (int32_t)y + beta * (int32_t)add, INT32_MIN, INT32_MAX);
}

static uint32_t u32_of(double alpha, uint32_t y, double beta, uint32_t add)
{
    return (uint32_t)within(alpha * y + beta * add, 0, UINT32_MAX);
}

static uint64_t i64_of(double alpha, uint64_t y, double beta, uint64_t add)
{
    return (uint64_t)(int64_t)within(alpha * (double)(int64_t)y + beta * (double)(int64_t)add, -0x1p63,
                                     0x1.fffffffffffffp62);
}

static uint64_t u64_of(double alpha, uint64_t y, double beta, uint64_t add)
{
    return (uint64_t)within(alpha * (double)y + beta * (double)add, 0, 0x1.fffffffffffffp63);
}

FINISH(float, f32)
FINISH(double, f64)
FINISH(uint32_t, i32)
FINISH(uint32_t, u32)
FINISH(uint64_t, i64)
FINISH(uint64_t, u64)

static void finish_row(mq_array *y, int64_t row, const mq_array *add, int64_t at, int64_t step, double alpha, double beta)
{
    const int64_t n = y->dims[1];
    const size_t elem = mq_array_elem_size(y);
    void *to = (char *)y->data + (size_t)(row * n) * elem;
    const void *from = add ? (const char *)add->data + (size_t)at * elem : NULL;

    switch (y->dtype) {
    case MQ_FLOAT: finish_f32(to, from, n, step, alpha, beta); break;
    case MQ_DOUBLE: finish_f64(to, from, n, step, alpha, beta); break;
    case MQ_INT32: finish_i32(to, from, n, step, alpha, beta); break;
    case MQ_UINT32: finish_u32(to, from, n, step, alpha, beta); break;
    case MQ_INT64: finish_i64(to, from, n, step, alpha, beta); break;
    default: finish_u64(to, from, n, step, alpha, beta); break;
    }
}

static mq_status op_gemm(mq_call *c)
{
    const mq_matmul_side ta = { flag(c, "transA"), false }, tb = { flag(c, "transB"), false };
    const double alpha = (double)mq_node_attr_float(c->node, "alpha", 1.0f);
    const double beta = (double)mq_node_attr_float(c->node, "beta", 1.0f);
    mq_matmul m;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 2));
    MQ_TRY(check_types(c));
    const mq_array *add = mq_call_has(c, 2) && beta != 0 ? c->in[2] : NULL;
    if (c->in[0]->rank != 2 || c->in[1]->rank != 2)
        return mq_call_fail(c, "inputs have ranks %d and %d; 2 is wanted", c->in[0]->rank, c->in[1]->rank);
    MQ_TRY(mq_matmul_plan(c, c->in[0], c->in[1], ta, tb, &m));
    const int64_t rows = add && add->rank == 2 ? add->dims[0] : 1;
    const int64_t cols = add && add->rank > 0 ? add->dims[add->rank - 1] : 1;
    if (add && (add->rank > 2 || (rows != 1 && rows != m.dims[0]) || (cols != 1 && cols != m.dims[1])))
        return mq_call_fail(c, "C is [%lld, %lld] and does not stretch to [%lld, %lld]", (long long)rows, (long long)cols,
                            (long long)m.dims[0], (long long)m.dims[1]);
    MQ_TRY(mq_call_out(c, 0, c->in[0]->dtype, 2, m.dims, &m.g.c));
    mq_array *y = c->out[0];
    m.g.dtype = y->dtype;
    m.g.a = c->in[0]->data;
    m.g.b = c->in[1]->data;
    if (y->count == 0)
        return MQ_OK;
    MQ_TRY(mq_gemm_run(c, &m.g));
    if (!add && alpha == 1)
        return MQ_OK;
    const int threads = mq_call_threads(c, (int64_t)y->count);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < m.dims[0]; i++)
        finish_row(y, i, add, rows == 1 ? 0 : i * cols, cols != 1, alpha, add ? beta : 1);
done:
    return rc;
}

/* ---- Det ---------------------------------------------------------------------------------------------------------- */

/* By elimination with row pivots; m is destroyed. */
static double determinant(double *m, int64_t n)
{
    double det = 1;

    for (int64_t k = 0; k < n; k++) {
        int64_t best = k;
        for (int64_t i = k + 1; i < n; i++) {
            if (fabs(m[i * n + k]) > fabs(m[best * n + k]))
                best = i;
        }
        const double pivot = m[best * n + k];
        det *= best == k ? pivot : -pivot;
        if (pivot == 0)
            return 0;
        for (int64_t j = 0; best != k && j < n; j++) {
            const double t = m[k * n + j];
            m[k * n + j] = m[best * n + j];
            m[best * n + j] = t;
        }
        for (int64_t i = k + 1; i < n; i++) {
            const double f = m[i * n + k] / pivot;
            for (int64_t j = k + 1; j < n; j++)
                m[i * n + j] -= f * m[k * n + j];
        }
    }
    return det;
}

static mq_status op_det(mq_call *c)
{
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 1));
    const mq_array *x = c->in[0];
    if (x->dtype != MQ_FLOAT && x->dtype != MQ_DOUBLE)
        return mq_call_bad_type(c, x->dtype);
    if (x->rank < 2 || x->dims[x->rank - 1] != x->dims[x->rank - 2])
        return mq_call_fail(c, "the last two axes are no square matrix");
    MQ_TRY(mq_call_out(c, 0, x->dtype, x->rank - 2, x->dims, NULL));
    mq_array *y = c->out[0];
    const int64_t n = x->dims[x->rank - 1];
    double *m = y->count > 0 ? mq_call_scratch(c, (size_t)(n * n) * sizeof *m + 1) : NULL;
    if (y->count > 0 && !m)
        return MQ_ERR_NOMEM;
    for (int64_t i = 0; i < (int64_t)y->count; i++) {
        for (int64_t k = 0; k < n * n; k++)
            m[k] = x->dtype == MQ_FLOAT ? (double)((const float *)x->data)[i * n * n + k]
                                        : ((const double *)x->data)[i * n * n + k];
        if (x->dtype == MQ_FLOAT)
            ((float *)y->data)[i] = (float)determinant(m, n);
        else
            ((double *)y->data)[i] = determinant(m, n);
    }
done:
    return rc;
}

const mq_kernel mq_kernels_matmul[] = {
    { "", "Det", op_det, MQ_KERNEL_WIDEN },
    { "", "Gemm", op_gemm, MQ_KERNEL_WIDEN },
    { "", "MatMul", op_matmul, MQ_KERNEL_WIDEN },
    { "com.microsoft", "FusedMatMul", op_fused_matmul, MQ_KERNEL_WIDEN },
    { "com.microsoft", "TransposeMatMul", op_fused_matmul, MQ_KERNEL_WIDEN },
    { 0 },
};
