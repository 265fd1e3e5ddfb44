/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Picking elements or runs of elements by index: Gather, its gradient (ops/grad_ops.h) and its relatives, Compress,
 * ReverseSequence, OneHot. */
#include "exec/ref/move.h"
#include "ops/grad_ops.h"

#include <string.h>

/* Input i's elements as indices into an axis of `dim` elements, negative ones counted from its end, each times `scale`. NULL
 * with *rc set when one is outside. */
static int64_t *get_indices(mq_call *c, size_t i, int64_t dim, int64_t scale, mq_status *rc)
{
    const mq_array *a = c->in[i];
    int64_t *out;

    if (a->dtype != MQ_INT64 && a->dtype != MQ_INT32) {
        *rc = mq_call_bad_type(c, a->dtype);
        return NULL;
    }
    if (!(out = mq_call_scratch(c, (a->count + 1) * sizeof(*out)))) {
        *rc = MQ_ERR_NOMEM;
        return NULL;
    }
    for (size_t k = 0; k < a->count; k++) {
        const int64_t v = a->dtype == MQ_INT64 ? ((const int64_t *)a->data)[k] : ((const int32_t *)a->data)[k];

        if (v < -dim || v >= dim) {
            *rc = mq_call_fail(c, "index %lld (element %zu of input %zu) is outside of [%lld, %lld]", (long long)v, k, i,
                               (long long)-dim, (long long)dim - 1);
            return NULL;
        }
        out[k] = (v < 0 ? v + dim : v) * scale;
    }
    return out;
}

/* ---- runs --------------------------------------------------------------------------------------------------------- */

MQ_INLINE void pick_elems(const char *src, char *dst, const int64_t *offsets, int64_t n, size_t elem)
{
    for (int64_t i = 0; i < n; i++)
        memcpy(dst + (size_t)i * elem, src + (size_t)offsets[i] * elem, elem);
}

/* dst gets n runs of `bytes`, one after the other, that start at src + offsets[i] * bytes. */
static void pick_runs(const char *src, char *dst, const int64_t *offsets, int64_t n, size_t bytes)
{
    switch (bytes) {
    case 1: pick_elems(src, dst, offsets, n, 1); break;
    case 2: pick_elems(src, dst, offsets, n, 2); break;
    case 4: pick_elems(src, dst, offsets, n, 4); break;
    case 8: pick_elems(src, dst, offsets, n, 8); break;
    case 16: pick_elems(src, dst, offsets, n, 16); break;
    default: pick_elems(src, dst, offsets, n, bytes); break;
    }
}

/* src is [outer, dim, run], dst [outer, n, run]: along the middle axis, the given ones. */
static void pick(mq_call *c, const void *src, void *dst, int64_t outer, int64_t dim, const int64_t *indices, int64_t n,
                 size_t run_bytes)
{
    const int64_t block = n < 256 ? (n > 0 ? n : 1) : 256, blocks = (n + block - 1) / block;
    const int threads = mq_call_threads(c, outer * n * (int64_t)(run_bytes < 8 ? 1 : run_bytes / 8));

    #pragma omp parallel for num_threads(threads)
    for (int64_t k = 0; k < outer * blocks; k++) {
        const int64_t o = k / blocks, from = k % blocks * block;

        pick_runs((const char *)src + (size_t)(o * dim) * run_bytes, (char *)dst + (size_t)(o * n + from) * run_bytes,
                  indices + from, n - from < block ? n - from : block, run_bytes);
    }
}

static mq_status op_gather(mq_call *c)
{
    const mq_array *in, *at;
    int64_t dims[2 * MQ_MAX_RANK], *indices;
    int axis = 0, rank = 0;
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 2));
    in = c->in[0];
    at = c->in[1];
    MQ_TRY(mq_call_axis(c, mq_node_attr_int(c->node, "axis", 0), in->rank, &axis));
    for (int i = 0; i < axis; i++)
        dims[rank++] = in->dims[i];
    for (int i = 0; i < at->rank; i++)
        dims[rank++] = at->dims[i];
    for (int i = axis + 1; i < in->rank; i++)
        dims[rank++] = in->dims[i];
    MQ_TRY(mq_call_out(c, 0, in->dtype, rank, dims, &out));
    if (!(indices = get_indices(c, 1, in->dims[axis], 1, &rc)))
        return rc;
    if (out && c->out[0]->count > 0)
        pick(c, in->data, out, mq_span(in->dims, 0, axis), in->dims[axis], indices, (int64_t)at->count,
             (size_t)mq_span(in->dims, axis + 1, in->rank) * mq_array_elem_size(in));
done:
    return rc;
}

/* ---- the gradient of Gather --------------------------------------------------------------------------------------- */

#define ADD_RUNS(T)                                                                                                 \
    static void add_runs_##T(const T *dy, const int64_t *at, int64_t n, int64_t run, int64_t from, int64_t to, T *dx) \
    {                                                                                                               \
        for (int64_t k = 0; k < n; k++)                                                                             \
            for (int64_t i = from; i < to; i++)                                                                     \
                dx[at[k] + i] += dy[k * run + i];                                                                   \
    }
ADD_RUNS(float)
ADD_RUNS(double)

/* Each thread has a part of every run, so that what meets adds up in the order of the indices. */
static void add_all(mq_call *c, const int64_t *at, int64_t n, int64_t outer, int64_t step, int64_t run)
{
    const mq_array *dy = c->in[0];
    const int64_t part = 256, parts = (run + part - 1) / part;
    const int threads = mq_call_threads(c, (int64_t)dy->count);

#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t k = 0; k < outer * parts; k++) {
        const int64_t o = k / parts, from = k % parts * part, to = from + part < run ? from + part : run;

        if (dy->dtype == MQ_FLOAT)
            add_runs_float((const float *)dy->data + o * n * run, at, n, run, from, to,
                           (float *)c->out[0]->data + o * step);
        else
            add_runs_double((const double *)dy->data + o * n * run, at, n, run, from, to,
                            (double *)c->out[0]->data + o * step);
    }
}

static mq_status op_gather_grad(mq_call *c)
{
    const mq_array *dy, *like;
    int64_t outer, run, *indices;
    int axis = 0;
    void *dx;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 3));
    dy = c->in[0];
    like = c->in[2];
    if (like->dtype != dy->dtype || (dy->dtype != MQ_FLOAT && dy->dtype != MQ_DOUBLE))
        return mq_call_bad_type(c, dy->dtype);
    MQ_TRY(mq_call_axis(c, mq_node_attr_int(c->node, "axis", 0), like->rank, &axis));
    outer = mq_span(like->dims, 0, axis);
    run = mq_span(like->dims, axis + 1, like->rank);
    if (dy->rank != like->rank - 1 + c->in[1]->rank || mq_span(dy->dims, 0, axis) != outer ||
        mq_span(dy->dims, axis + c->in[1]->rank, dy->rank) != run ||
        mq_span(dy->dims, axis, axis + c->in[1]->rank) != (int64_t)c->in[1]->count)
        return mq_call_fail(c, "the gradient has not the shape of what was gathered");
    MQ_TRY(mq_call_out(c, 0, like->dtype, like->rank, like->dims, &dx));
    if (!(indices = get_indices(c, 1, like->dims[axis], run, &rc)))
        return rc;
    if (!dx || like->count == 0)
        return MQ_OK;
    memset(dx, 0, mq_array_bytes(c->out[0]));
    if (dy->count > 0)
        add_all(c, indices, (int64_t)c->in[1]->count, outer, like->dims[axis] * run, run);
done:
    return rc;
}

static mq_status op_compress(mq_call *c)
{
    const mq_array *in;
    const bool flat = !mq_node_attr(c->node, "axis");
    const unsigned char *wanted;
    int64_t dims[MQ_MAX_RANK], dim, limit, n = 0, outer, run, *indices;
    int axis = 0;
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 2));
    in = c->in[0];
    if (!flat)
        MQ_TRY(mq_call_axis(c, mq_node_attr_int(c->node, "axis", 0), in->rank, &axis));
    if (c->in[1]->dtype != MQ_BOOL)
        return mq_call_bad_type(c, c->in[1]->dtype);
    dim = flat ? (int64_t)in->count : in->dims[axis];
    outer = flat ? 1 : mq_span(in->dims, 0, axis);
    run = flat ? 1 : mq_span(in->dims, axis + 1, in->rank);
    wanted = c->in[1]->data;
    limit = (int64_t)c->in[1]->count < dim ? (int64_t)c->in[1]->count : dim;
    if (!(indices = mq_call_scratch(c, (c->in[1]->count + 1) * sizeof(*indices))))
        return MQ_ERR_NOMEM;
    for (int64_t i = 0; i < limit; i++)
        if (wanted[i])
            indices[n++] = i;
    for (int i = 0; !flat && i < in->rank; i++)
        dims[i] = in->dims[i];
    dims[axis] = n;
    MQ_TRY(mq_call_out(c, 0, in->dtype, flat ? 1 : in->rank, dims, &out));
    if (out && c->out[0]->count > 0)
        pick(c, in->data, out, outer, dim, indices, n, (size_t)run * mq_array_elem_size(in));
done:
    return rc;
}

/* ---- single elements ---------------------------------------------------------------------------------------------- */

/* out[i] = src[i * step + offsets[i]] in elements. */
MQ_INLINE void pick_row(const char *src, char *dst, const int64_t *offsets, int64_t n, int64_t step, size_t elem)
{
    for (int64_t i = 0; i < n; i++)
        memcpy(dst + (size_t)i * elem, src + (i * step + offsets[i]) * (int64_t)elem, elem);
}

static mq_status op_gather_elements(mq_call *c)
{
    const mq_array *in, *at;
    int64_t strides[MQ_MAX_RANK], n, rows, step, *offsets;
    size_t elem;
    int axis = 0;
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 2));
    in = c->in[0];
    at = c->in[1];
    if (in->rank != at->rank)
        return mq_call_fail(c, "the input has rank %d, the indices have %d", in->rank, at->rank);
    MQ_TRY(mq_call_axis(c, mq_node_attr_int(c->node, "axis", 0), in->rank, &axis));
    for (int i = 0; i < in->rank; i++)
        if (i != axis && at->dims[i] > in->dims[i])
            return mq_call_fail(c, "axis %d of the indices has %lld elements, of the input %lld", i, (long long)at->dims[i],
                                (long long)in->dims[i]);
    MQ_TRY(mq_call_out(c, 0, in->dtype, at->rank, at->dims, &out));
    if (!out || at->count == 0)
        return MQ_OK;
    mq_strides(in->rank, in->dims, strides);
    if (!(offsets = get_indices(c, 1, in->dims[axis], strides[axis], &rc)))
        return rc;
    strides[axis] = 0;
    step = strides[at->rank - 1];
    n = at->dims[at->rank - 1];
    rows = (int64_t)at->count / n;
    elem = mq_array_elem_size(in);
    #pragma omp parallel for num_threads(mq_call_threads(c, (int64_t)at->count))
    for (int64_t row = 0; row < rows; row++) {
        const char *src = (const char *)in->data + mq_offset_at(at->rank - 1, at->dims, strides, row) * (int64_t)elem;
        char *dst = (char *)out + (size_t)(row * n) * elem;

        switch (elem) {
        case 1: pick_row(src, dst, offsets + row * n, n, step, 1); break;
        case 2: pick_row(src, dst, offsets + row * n, n, step, 2); break;
        case 4: pick_row(src, dst, offsets + row * n, n, step, 4); break;
        case 8: pick_row(src, dst, offsets + row * n, n, step, 8); break;
        default: pick_row(src, dst, offsets + row * n, n, step, 16); break;
        }
    }
done:
    return rc;
}

static mq_status op_gather_nd(mq_call *c)
{
    const int64_t batch_dims = mq_node_attr_int(c->node, "batch_dims", 0);
    const mq_array *in, *at;
    int64_t dims[2 * MQ_MAX_RANK], strides[MQ_MAX_RANK], *offsets, n, per_batch, k;
    int rank = 0, b;
    size_t run_bytes;
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 2));
    in = c->in[0];
    at = c->in[1];
    if (at->rank < 1 || batch_dims < 0 || batch_dims >= at->rank || batch_dims > in->rank)
        return mq_call_fail(c, "batch_dims is %lld for ranks %d and %d", (long long)batch_dims, in->rank, at->rank);
    b = (int)batch_dims;
    k = at->dims[at->rank - 1];
    if (k > in->rank - b || at->dtype != MQ_INT64)
        return mq_call_fail(c, "indices of %lld numbers for %d axes", (long long)k, in->rank - b);
    for (int i = 0; i < at->rank - 1; i++) {
        if (i < b && at->dims[i] != in->dims[i])
            return mq_call_fail(c, "batch axis %d has %lld and %lld elements", i, (long long)in->dims[i],
                                (long long)at->dims[i]);
        dims[rank++] = at->dims[i];
    }
    for (int i = b + (int)k; i < in->rank; i++)
        dims[rank++] = in->dims[i];
    MQ_TRY(mq_call_out(c, 0, in->dtype, rank, dims, &out));
    if (!out || c->out[0]->count == 0)
        return MQ_OK;
    n = mq_span(at->dims, 0, at->rank - 1);
    per_batch = mq_span(at->dims, b, at->rank - 1);
    mq_strides(in->rank, in->dims, strides);
    run_bytes = (size_t)mq_span(in->dims, b + (int)k, in->rank);
    if (!(offsets = mq_call_scratch(c, (size_t)n * sizeof(*offsets))))
        return MQ_ERR_NOMEM;
    for (int64_t i = 0; i < n; i++) {
        offsets[i] = i / per_batch * mq_span(in->dims, b, in->rank);
        for (int64_t j = 0; j < k; j++) {
            const int64_t dim = in->dims[b + j], v = ((const int64_t *)at->data)[i * k + j];

            if (v < -dim || v >= dim)
                return mq_call_fail(c, "index %lld is outside of [%lld, %lld]", (long long)v, (long long)-dim,
                                    (long long)dim - 1);
            offsets[i] += (v < 0 ? v + dim : v) * strides[b + j];
        }
        offsets[i] /= (int64_t)run_bytes; /* in runs */
    }
    run_bytes *= mq_array_elem_size(in);
    pick(c, in->data, out, 1, 0, offsets, n, run_bytes);
done:
    return rc;
}

/* ---- ReverseSequence ---------------------------------------------------------------------------------------------- */

static mq_status op_reverse_sequence(mq_call *c)
{
    const mq_array *in;
    int64_t lens_dim, run, d0, d1;
    const int64_t *lens;
    int batch = 0, time = 0;
    size_t bytes;
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 2));
    in = c->in[0];
    if (in->rank < 2)
        return mq_call_fail(c, "the input has rank %d; at least 2 is wanted", in->rank);
    MQ_TRY(mq_call_axis(c, mq_node_attr_int(c->node, "batch_axis", 1), 2, &batch));
    MQ_TRY(mq_call_axis(c, mq_node_attr_int(c->node, "time_axis", 0), 2, &time));
    lens_dim = in->dims[batch];
    if (batch == time || c->in[1]->dtype != MQ_INT64 || (int64_t)c->in[1]->count != lens_dim)
        return mq_call_fail(c, "axes %d and %d, and %zu lengths for a batch of %lld", batch, time, c->in[1]->count,
                            (long long)lens_dim);
    lens = c->in[1]->data;
    for (int64_t i = 0; i < lens_dim; i++)
        if (lens[i] < 0 || lens[i] > in->dims[time])
            return mq_call_fail(c, "length %lld is outside of [0, %lld]", (long long)lens[i], (long long)in->dims[time]);
    MQ_TRY(mq_call_out(c, 0, in->dtype, in->rank, in->dims, &out));
    if (!out || in->count == 0)
        return MQ_OK;
    d0 = in->dims[0];
    d1 = in->dims[1];
    run = mq_span(in->dims, 2, in->rank);
    bytes = (size_t)run * mq_array_elem_size(in);
    #pragma omp parallel for num_threads(mq_call_threads(c, (int64_t)in->count))
    for (int64_t i = 0; i < d0; i++)
        for (int64_t j = 0; j < d1; j++) {
            const int64_t len = lens[batch == 0 ? i : j], t = time == 0 ? i : j, from = t < len ? len - 1 - t : t;
            const int64_t at = time == 0 ? from * d1 + j : i * d1 + from;

            memcpy((char *)out + (size_t)(i * d1 + j) * bytes, (const char *)in->data + (size_t)at * bytes, bytes);
        }
done:
    return rc;
}

/* ---- OneHot ------------------------------------------------------------------------------------------------------- */

static mq_status op_one_hot(mq_call *c)
{
    const mq_array *at, *values;
    int64_t dims[MQ_MAX_RANK + 1], depth, outer, inner;
    int axis = 0;
    size_t elem;
    char *out;
    void *data;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 3));
    at = c->in[0];
    values = c->in[2];
    MQ_TRY(mq_call_axis(c, mq_node_attr_int(c->node, "axis", -1), at->rank + 1, &axis));
    if (c->in[1]->count != 1 || values->count != 2)
        return mq_call_fail(c, "there are %zu depths and %zu values; 1 and 2 are wanted", c->in[1]->count, values->count);
    depth = mq_array_i64(c->in[1], 0);
    if (depth < 0)
        return mq_call_fail(c, "the depth is %lld", (long long)depth);
    for (int i = 0; i <= at->rank; i++)
        dims[i] = i < axis ? at->dims[i] : i == axis ? depth : at->dims[i - 1];
    MQ_TRY(mq_call_out(c, 0, values->dtype, at->rank + 1, dims, &data));
    if (!(out = data) || c->out[0]->count == 0)
        return MQ_OK;
    elem = mq_array_elem_size(values);
    outer = mq_span(at->dims, 0, axis);
    inner = mq_span(at->dims, axis, at->rank);
    mq_move_fill(values->data, out, c->out[0]->count, elem);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            const int64_t v = mq_array_i64(at, (size_t)(o * inner + i));

            if (v >= -depth && v < depth)
                memcpy(out + (size_t)((o * depth + (v < 0 ? v + depth : v)) * inner + i) * elem,
                       (const char *)values->data + elem, elem);
        }
done:
    return rc;
}

const mq_kernel mq_kernels_gather[] = {
    { "", "Compress", op_compress, MQ_KERNEL_MOVES },
    { "", "Gather", op_gather, MQ_KERNEL_MOVES },
    { "", "GatherElements", op_gather_elements, MQ_KERNEL_MOVES },
    { "", "GatherND", op_gather_nd, MQ_KERNEL_MOVES },
    { "", "OneHot", op_one_hot, MQ_KERNEL_MOVES },
    { "", "ReverseSequence", op_reverse_sequence, MQ_KERNEL_MOVES },
    { MQ_GRAD_DOMAIN, "GatherGrad", op_gather_grad, 0 },
    { 0 },
};
