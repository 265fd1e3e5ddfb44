/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Operators that ONNX Runtime adds and that compute: sums with biases, complex products, distances, inverses. Those
 * that are ONNX's own under another domain run as these. Attention, normalization and what is quantized are elsewhere;
 * what moves elements is in contrib_move.c. */
#include <math.h>
#include <string.h>

#include "exec/ref/util.h"

static double read_at(const mq_array *a, int64_t i)
{
    return a->dtype == MQ_FLOAT ? (double)((const float *)a->data)[i] : ((const double *)a->data)[i];
}

static void write_at(mq_dtype dtype, void *p, int64_t i, double v)
{
    if (dtype == MQ_FLOAT)
        ((float *)p)[i] = (float)v;
    else
        ((double *)p)[i] = v;
}

/* The first n inputs must be there, and all of one floating-point type. */
static mq_status need_floats(mq_call *c, size_t n)
{
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, n));
    for (size_t i = 0; i < n; i++)
        if ((c->in[i]->dtype != MQ_FLOAT && c->in[i]->dtype != MQ_DOUBLE) || c->in[i]->dtype != c->in[0]->dtype)
            return mq_call_bad_type(c, c->in[i]->dtype);
done:
    return rc;
}

/* ---- sums with biases --------------------------------------------------------------------------------------------- */

/* The sum of n broadcast inputs, of the shape of the first. *out is NULL when output 0 is not asked for. */
static mq_status sum_inputs(mq_call *c, const mq_array *const *in, size_t n, void **out)
{
    const mq_dtype dtype = in[0]->dtype;
    mq_status rc = MQ_OK;
    int64_t last, rows;
    mq_bcast b;

    MQ_TRY(mq_call_broadcast(c, n, in, &b));
    if (b.out_rank != in[0]->rank || memcmp(b.out_dims, in[0]->dims, (size_t)b.out_rank * sizeof *b.out_dims) != 0)
        return mq_call_fail(c, "the other inputs do not broadcast to the shape of the first");
    MQ_TRY(mq_call_out(c, 0, dtype, b.out_rank, b.out_dims, out));
    if (b.count == 0 || !*out)
        goto done;
    last = b.rank - 1;
    rows = b.count / b.dims[last];
#pragma omp parallel for num_threads(mq_call_threads(c, b.count)) schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        int64_t from[MQ_MAX_BROADCAST];

        for (size_t k = 0; k < n; k++)
            from[k] = mq_bcast_offset(&b, (int)k, row);
        for (int64_t j = 0; j < b.dims[last]; j++) {
            double sum = 0;

            for (size_t k = 0; k < n; k++)
                sum += read_at(in[k], from[k] + j * b.strides[k][last]);
            write_at(dtype, *out, row * b.dims[last] + j, sum);
        }
    }
done:
    return rc;
}

static mq_status op_bias_add(mq_call *c)
{
    mq_status rc = need_floats(c, 3);
    void *out;

    return rc != MQ_OK ? rc : sum_inputs(c, c->in, 3, &out);
}

/* As outside of training: nothing is dropped. */
static mq_status op_bias_dropout(mq_call *c)
{
    const mq_array *in[3] = { NULL };
    size_t n = 2;
    mq_status rc = MQ_OK;
    void *out, *mask;

    MQ_TRY(need_floats(c, 2));
    if (mq_call_has(c, 4) && c->in[4]->count > 0 && mq_array_i64(c->in[4], 0) != 0)
        return mq_call_unsupported(c, "dropout in training mode is not supported");
    in[0] = c->in[0];
    in[1] = c->in[1];
    if (mq_call_has(c, 2)) {
        if (c->in[2]->dtype != in[0]->dtype)
            return mq_call_bad_type(c, c->in[2]->dtype);
        in[n++] = c->in[2];
    }
    MQ_TRY(sum_inputs(c, in, n, &out));
    MQ_TRY(mq_call_out(c, 1, MQ_BOOL, in[0]->rank, in[0]->dims, &mask));
    if (mask)
        memset(mask, 1, in[0]->count);
done:
    return rc;
}

static mq_status op_bias_softmax(mq_call *c)
{
    mq_status rc = MQ_OK;
    int64_t rows, width;
    const mq_array *x;
    void *out;
    int axis;

    MQ_TRY(need_floats(c, 2));
    x = c->in[0];
    MQ_TRY(mq_call_axis(c, mq_node_attr_int(c->node, "axis", 1), x->rank, &axis));
    MQ_TRY(sum_inputs(c, c->in, 2, &out));
    rows = x->count && out ? mq_span(x->dims, 0, axis) : 0;
    width = mq_span(x->dims, axis, x->rank);
#pragma omp parallel for num_threads(mq_call_threads(c, rows * width * 8)) schedule(static)
    for (int64_t r = 0; r < rows; r++) {
        const mq_array row = { .dtype = x->dtype, .data = (char *)out + (size_t)(r * width) * mq_array_elem_size(x) };
        double top = -INFINITY, sum = 0;

        for (int64_t i = 0; i < width; i++)
            top = fmax(top, read_at(&row, i));
        for (int64_t i = 0; i < width; i++)
            sum += exp(read_at(&row, i) - top);
        for (int64_t i = 0; i < width; i++)
            write_at(x->dtype, row.data, i, exp(read_at(&row, i) - top) / sum);
    }
done:
    return rc;
}

/* The left half of every row times gelu of the right half, bias added to both. */
static mq_status op_bias_split_gelu(mq_call *c)
{
    const mq_array *x, *bias;
    int64_t dims[MQ_MAX_RANK], rows, half;
    mq_status rc = MQ_OK;
    void *out;

    MQ_TRY(need_floats(c, 2));
    x = c->in[0];
    bias = c->in[1];
    if (x->rank < 1 || x->dims[x->rank - 1] % 2 || bias->rank != 1 || bias->dims[0] != x->dims[x->rank - 1])
        return mq_call_fail(c, "the last axis must be even, and the bias as long");
    half = bias->dims[0] / 2;
    memcpy(dims, x->dims, sizeof dims);
    dims[x->rank - 1] = half;
    MQ_TRY(mq_call_out(c, 0, x->dtype, x->rank, dims, &out));
    rows = x->count ? mq_span(dims, 0, x->rank - 1) : 0;
#pragma omp parallel for num_threads(mq_call_threads(c, rows * half * 8)) schedule(static)
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t i = 0; i < half; i++) {
            const double left = read_at(x, r * 2 * half + i) + read_at(bias, i);
            const double right = read_at(x, (2 * r + 1) * half + i) + read_at(bias, half + i);

            write_at(x->dtype, out, r * half + i, left * right * 0.5 * (1 + erf(right * M_SQRT1_2)));
        }
    }
done:
    return rc;
}

/* ---- complex products --------------------------------------------------------------------------------------------- */

static mq_status op_complex_mul(mq_call *c)
{
    const double sign = strcmp(c->node->op_type, "ComplexMulConj") == 0 ? -1 : 1;
    mq_array pairs[2];
    const mq_array *in[2] = { &pairs[0], &pairs[1] };
    mq_status rc = MQ_OK;
    mq_bcast b;
    void *out;

    MQ_TRY(need_floats(c, 2));
    for (size_t i = 0; i < 2; i++) {
        pairs[i] = *c->in[i]; /* seen without the last axis: one element is two numbers */
        if (pairs[i].rank < 1 || pairs[i].dims[pairs[i].rank - 1] != 2)
            return mq_call_fail(c, "the last axis of input %zu must hold real and imaginary part", i);
        pairs[i].rank--;
    }
    MQ_TRY(mq_call_broadcast(c, 2, in, &b));
    if (b.out_rank >= MQ_MAX_RANK)
        return mq_call_fail(c, "rank %d is too high", b.out_rank + 1);
    b.out_dims[b.out_rank] = 2;
    MQ_TRY(mq_call_out(c, 0, c->in[0]->dtype, b.out_rank + 1, b.out_dims, &out));
    for (int64_t row = 0; b.count && row < b.count / b.dims[b.rank - 1]; row++) {
        for (int64_t j = 0; j < b.dims[b.rank - 1]; j++) {
            const int64_t at = row * b.dims[b.rank - 1] + j;
            const int64_t x = 2 * (mq_bcast_offset(&b, 0, row) + j * b.strides[0][b.rank - 1]);
            const int64_t y = 2 * (mq_bcast_offset(&b, 1, row) + j * b.strides[1][b.rank - 1]);
            const double xr = read_at(in[0], x), xi = read_at(in[0], x + 1);
            const double yr = read_at(in[1], y), yi = sign * read_at(in[1], y + 1);

            write_at(in[0]->dtype, out, 2 * at, xr * yr - xi * yi);
            write_at(in[0]->dtype, out, 2 * at + 1, xr * yi + xi * yr);
        }
    }
done:
    return rc;
}

/* ---- matrices ----------------------------------------------------------------------------------------------------- */

static mq_status op_cdist(mq_call *c)
{
    const bool root = !mq_node_attr_is(c->node, "metric", "sqeuclidean");
    const mq_array *a, *b;
    mq_status rc = MQ_OK;
    int64_t dims[2], k;
    void *out;

    MQ_TRY(need_floats(c, 2));
    a = c->in[0];
    b = c->in[1];
    if (a->rank != 2 || b->rank != 2 || a->dims[1] != b->dims[1])
        return mq_call_fail(c, "the inputs must be matrices with rows of one length");
    if (root && mq_node_attr(c->node, "metric") && !mq_node_attr_is(c->node, "metric", "euclidean"))
        return mq_call_unsupported(c, "attribute 'metric' must be euclidean or sqeuclidean");
    dims[0] = a->dims[0];
    dims[1] = b->dims[0];
    k = a->dims[1];
    MQ_TRY(mq_call_out(c, 0, a->dtype, 2, dims, &out));
#pragma omp parallel for num_threads(mq_call_threads(c, mq_span(dims, 0, 2))) schedule(static)
    for (int64_t i = 0; i < dims[0]; i++) {
        for (int64_t j = 0; j < dims[1]; j++) {
            double sum = 0;

            for (int64_t p = 0; p < k; p++) {
                const double d = read_at(a, i * k + p) - read_at(b, j * k + p);

                sum += d * d;
            }
            write_at(a->dtype, out, i * dims[1] + j, root ? sqrt(sum) : sum);
        }
    }
done:
    return rc;
}

/* Gauss and Jordan, with the largest pivot of each column. m is n rows of 2n: the matrix, and the identity, which
 * becomes its inverse. A singular matrix gives infinities and what is not a number. */
static void invert(double *m, int64_t n)
{
    for (int64_t col = 0; col < n; col++) {
        int64_t best = col;

        for (int64_t r = col + 1; r < n; r++)
            best = fabs(m[r * 2 * n + col]) > fabs(m[best * 2 * n + col]) ? r : best;
        for (int64_t k = 0; best != col && k < 2 * n; k++) {
            const double t = m[col * 2 * n + k];

            m[col * 2 * n + k] = m[best * 2 * n + k];
            m[best * 2 * n + k] = t;
        }
        const double pivot = m[col * 2 * n + col];

        for (int64_t k = 0; k < 2 * n; k++)
            m[col * 2 * n + k] /= pivot;
        for (int64_t r = 0; r < n; r++) {
            const double f = m[r * 2 * n + col];

            for (int64_t k = 0; r != col && f != 0 && k < 2 * n; k++)
                m[r * 2 * n + k] -= f * m[col * 2 * n + k];
        }
    }
}

static mq_status op_inverse(mq_call *c)
{
    const mq_array *x;
    mq_status rc = MQ_OK;
    int64_t n, count;
    double *m;
    void *out;

    MQ_TRY(need_floats(c, 1));
    x = c->in[0];
    if (x->rank < 2 || x->dims[x->rank - 1] != x->dims[x->rank - 2])
        return mq_call_fail(c, "the last two axes must be square");
    n = x->dims[x->rank - 1];
    MQ_TRY(mq_call_out(c, 0, x->dtype, x->rank, x->dims, &out));
    count = x->count ? mq_span(x->dims, 0, x->rank - 2) : 0;
    if (!(m = mq_call_scratch(c, count ? (size_t)(n * n) * 2 * sizeof *m : 1)))
        return MQ_ERR_NOMEM;
    for (int64_t i = 0; i < count; i++) {
        for (int64_t r = 0; r < n; r++) {
            for (int64_t k = 0; k < n; k++) {
                m[r * 2 * n + k] = read_at(x, (i * n + r) * n + k);
                m[r * 2 * n + n + k] = r == k;
            }
        }
        invert(m, n);
        for (int64_t r = 0; r < n; r++)
            for (int64_t k = 0; k < n; k++)
                write_at(x->dtype, out, (i * n + r) * n + k, m[r * 2 * n + n + k]);
    }
done:
    return rc;
}

/* ---- other operators' kernels ------------------------------------------------------------------------------------- */

/* ONNX's own operator of that name. */
static mq_status op_as_onnx(mq_call *c)
{
    const mq_kernel *k = mq_kernel_find("", c->node->op_type);

    return k ? k->run(c) : mq_call_unsupported(c, "ONNX's own operator of that name is not there");
}

const mq_kernel mq_kernels_contrib[] = {
    { "com.microsoft", "BiasAdd", op_bias_add, MQ_KERNEL_WIDEN },
    { "com.microsoft", "BiasDropout", op_bias_dropout, MQ_KERNEL_WIDEN },
    { "com.microsoft", "BiasSoftmax", op_bias_softmax, MQ_KERNEL_WIDEN },
    { "com.microsoft", "BiasSplitGelu", op_bias_split_gelu, MQ_KERNEL_WIDEN },
    { "com.microsoft", "CDist", op_cdist, MQ_KERNEL_WIDEN },
    { "com.microsoft", "ComplexMul", op_complex_mul, MQ_KERNEL_WIDEN },
    { "com.microsoft", "ComplexMulConj", op_complex_mul, MQ_KERNEL_WIDEN },
    { "com.microsoft", "GatherND", op_as_onnx, MQ_KERNEL_MOVES },
    { "com.microsoft", "Inverse", op_inverse, MQ_KERNEL_WIDEN },
    { "com.microsoft", "Pad", op_as_onnx, MQ_KERNEL_MOVES },
    { "com.microsoft", "Trilu", op_as_onnx, MQ_KERNEL_MOVES },
    { 0 },
};
