/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What reference kernels share: inputs as lists of integers, axes, strides, broadcasting. Moving elements is in move.c. */
#include "exec/ref/util.h"

#include <string.h>


mq_status mq_call_bad_type(mq_call *c, mq_dtype dtype)
{
    return mq_call_unsupported(c, "element type %s is not supported here", mq_dtype_name(dtype));
}

bool mq_one_bytes(mq_dtype dtype, uint64_t *bytes)
{
    const float one = 1;
    const double one_wide = 1;

    *bytes = 1; /* integers and bool, little-endian */
    if (dtype == MQ_FLOAT)
        memcpy(bytes, &one, sizeof one);
    else if (dtype == MQ_DOUBLE)
        memcpy(bytes, &one_wide, sizeof one_wide);
    else if (dtype == MQ_FLOAT16)
        *bytes = mq_f16_from_f32(1);
    else if (dtype == MQ_BFLOAT16)
        *bytes = mq_bf16_from_f32(1);
    else
        return dtype == MQ_BOOL || (mq_dtype_is_integer(dtype) && mq_dtype_bits(dtype) >= 8);
    return true;
}

/* ---- inputs and attributes ---------------------------------------------------------------------------------------- */

mq_status mq_call_need(mq_call *c, size_t n_inputs)
{
    for (size_t i = 0; i < n_inputs; i++) {
        if (!mq_call_has(c, i))
            return mq_call_fail(c, "input %zu is missing", i);
        if (c->in[i]->kind != MQ_TYPE_TENSOR)
            return mq_call_fail(c, "input %zu is no tensor", i);
    }
    return MQ_OK;
}

mq_status mq_call_ints(mq_call *c, size_t i, int64_t *out, size_t max, size_t *n)
{
    const mq_array *a;
    mq_status rc = mq_call_has(c, i) && c->in[i]->kind == MQ_TYPE_TENSOR
                       ? MQ_OK
                       : mq_call_fail(c, "input %zu is missing, or no tensor", i);

    if (rc != MQ_OK)
        return rc;
    a = c->in[i];
    if (!mq_dtype_is_integer(a->dtype))
        return mq_call_fail(c, "input %zu has element type %s; integers are wanted", i, mq_dtype_name(a->dtype));
    if (a->rank > 1)
        return mq_call_fail(c, "input %zu has rank %d; a list is wanted", i, a->rank);
    if (a->count > max)
        return mq_call_fail(c, "input %zu has %zu elements; at most %zu are allowed", i, a->count, max);
    for (size_t k = 0; k < a->count; k++)
        out[k] = mq_array_i64(a, k);
    *n = a->count;
    return MQ_OK;
}

mq_status mq_call_axis(mq_call *c, int64_t axis, int rank, int *out)
{
    if (axis < -(int64_t)rank || axis >= rank)
        return mq_call_fail(c, "axis %lld is outside of [%d, %d] for rank %d", (long long)axis, -rank, rank - 1, rank);
    *out = (int)(axis < 0 ? axis + rank : axis);
    return MQ_OK;
}

mq_status mq_call_axes(mq_call *c, size_t i, const char *name, int rank, bool flag[MQ_MAX_RANK], bool *given)
{
    int64_t axes[4 * MQ_MAX_RANK]; /* the same axis twice is allowed, as in ONNX Runtime */
    size_t n = 0;
    mq_status rc = MQ_OK;
    int axis = 0;

    for (int k = 0; k < MQ_MAX_RANK; k++)
        flag[k] = false;
    if (mq_call_has(c, i)) {
        rc = mq_call_ints(c, i, axes, MQ_ARRAY_LEN(axes), &n);
    } else if (name) {
        const int64_t *attr = mq_node_attr_ints(c->node, name, &n);

        if (n > MQ_ARRAY_LEN(axes))
            return mq_call_fail(c, "attribute '%s' has %zu elements; at most %zu are allowed", name, n,
                                MQ_ARRAY_LEN(axes));
        for (size_t k = 0; k < n; k++)
            axes[k] = attr[k];
    }
    for (size_t k = 0; k < n && rc == MQ_OK; k++)
        if ((rc = mq_call_axis(c, axes[k], rank, &axis)) == MQ_OK)
            flag[axis] = true;
    *given = n > 0;
    return rc;
}

/* ---- shapes ------------------------------------------------------------------------------------------------------- */

/* Unsigned products: dims beside a 0 may be anything. */
int64_t mq_span(const int64_t *dims, int from, int to)
{
    uint64_t n = 1;

    for (int i = from; i < to; i++)
        n *= (uint64_t)dims[i];
    return (int64_t)n;
}

void mq_strides(int rank, const int64_t *dims, int64_t *strides)
{
    uint64_t n = 1;

    for (int i = rank - 1; i >= 0; i--) {
        strides[i] = (int64_t)n;
        n *= (uint64_t)dims[i];
    }
}

/* The common shape and its size. */
static mq_status common_shape(mq_call *c, size_t n, const mq_array *const *arrays, mq_bcast *b)
{
    bool empty = false;

    b->out_rank = 0;
    for (size_t k = 0; k < n; k++)
        b->out_rank = arrays[k]->rank > b->out_rank ? arrays[k]->rank : b->out_rank;
    for (int i = 0; i < b->out_rank; i++) {
        b->out_dims[i] = 1;
        for (size_t k = 0; k < n; k++) {
            const int at = i - (b->out_rank - arrays[k]->rank);
            const int64_t d = at < 0 ? 1 : arrays[k]->dims[at];

            if (d != 1 && b->out_dims[i] != 1 && d != b->out_dims[i])
                return mq_call_fail(c, "shapes do not broadcast: axis %d is %lld and %lld", i,
                                    (long long)b->out_dims[i], (long long)d);
            b->out_dims[i] = d == 1 ? b->out_dims[i] : d;
        }
        empty |= b->out_dims[i] == 0;
    }
    b->count = empty ? 0 : 1;
    for (int i = 0; i < b->out_rank; i++)
        if (__builtin_mul_overflow(b->count, b->out_dims[i], &b->count))
            return mq_call_fail(c, "the broadcast shape is too large");
    return MQ_OK;
}

/* Can axis i with these strides be walked as one with the last axis of b? */
static bool merges(const mq_bcast *b, size_t n, const int64_t *strides, int64_t dim)
{
    for (size_t k = 0; k < n; k++)
        if (b->strides[k][b->rank - 1] != strides[k] * dim)
            return false;
    return true;
}

mq_status mq_call_broadcast(mq_call *c, size_t n, const mq_array *const *arrays, mq_bcast *out)
{
    int64_t strides[MQ_MAX_BROADCAST][MQ_MAX_RANK], at_axis[MQ_MAX_BROADCAST];
    mq_status rc;

    *out = (mq_bcast){ 0 };
    if ((rc = common_shape(c, n, arrays, out)) != MQ_OK)
        return rc;
    if (out->count == 0) { /* nothing to walk: one row without elements */
        out->rank = 1;
        return MQ_OK;
    }
    for (size_t k = 0; k < n; k++)
        mq_strides(arrays[k]->rank, arrays[k]->dims, strides[k]);
    for (int i = 0; i < out->out_rank; i++) {
        const int64_t dim = out->out_dims[i];

        if (dim == 1)
            continue;
        for (size_t k = 0; k < n; k++) {
            const int at = i - (out->out_rank - arrays[k]->rank);

            at_axis[k] = at < 0 || arrays[k]->dims[at] == 1 ? 0 : strides[k][at];
        }
        if (out->rank > 0 && merges(out, n, at_axis, dim))
            out->dims[out->rank - 1] *= dim;
        else
            out->dims[out->rank++] = dim;
        for (size_t k = 0; k < n; k++)
            out->strides[k][out->rank - 1] = at_axis[k];
    }
    if (out->rank == 0)
        out->dims[out->rank++] = 1;
    return MQ_OK;
}

int64_t mq_offset_at(int rank, const int64_t *dims, const int64_t *strides, int64_t row)
{
    int64_t offset = 0;

    for (int i = rank - 1; i >= 0 && row > 0; i--) {
        offset += row % dims[i] * strides[i];
        row /= dims[i];
    }
    return offset;
}

int64_t mq_bcast_offset(const mq_bcast *b, int k, int64_t row)
{
    return mq_offset_at(b->rank - 1, b->dims, b->strides[k], row);
}

int mq_call_threads(const mq_call *c, int64_t count)
{
    const int64_t worth = count / MQ_GRAIN;

    return worth < 1 ? 1 : worth < c->n_threads ? (int)worth : c->n_threads;
}
