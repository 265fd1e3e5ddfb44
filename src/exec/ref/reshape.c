/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Operators about the shape alone: views (Reshape, Flatten, Squeeze, Unsqueeze), sizes (Shape, Size), and repetition
 * (Expand, Tile). */
#include "exec/ref/move.h"

/* Product of dims; false on overflow (dims beside a 0 may be anything). */
static bool product(const int64_t *dims, int from, int to, int64_t *out)
{
    bool zero = false;

    *out = 1;
    for (int i = from; i < to; i++)
        zero |= dims[i] == 0;
    for (int i = from; i < to && !zero; i++)
        if (__builtin_mul_overflow(*out, dims[i], out))
            return false;
    if (zero)
        *out = 0;
    return true;
}

/* ---- views -------------------------------------------------------------------------------------------------------- */

static mq_status view(mq_call *c, size_t rank, const int64_t *dims)
{
    int64_t n;

    if (rank > MQ_MAX_RANK)
        return mq_call_fail(c, "the result has rank %zu; at most %d is allowed", rank, MQ_MAX_RANK);
    if (!product(dims, 0, (int)rank, &n) || n != (int64_t)c->in[0]->count)
        return mq_call_fail(c, "%zu elements do not fill the new shape", c->in[0]->count);
    return mq_call_out_view(c, 0, 0, (int)rank, dims);
}

static mq_status op_reshape(mq_call *c)
{
    const bool allow_zero = mq_node_attr_int(c->node, "allowzero", 0) != 0;
    int64_t dims[MQ_MAX_RANK], n;
    size_t rank = 0;
    int unknown = -1;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 2));
    MQ_TRY(mq_call_ints(c, 1, dims, MQ_MAX_RANK, &rank));
    for (size_t i = 0; i < rank; i++) {
        if (dims[i] == 0 && !allow_zero) {
            if ((int)i >= c->in[0]->rank)
                return mq_call_fail(c, "dim %zu of the new shape is 0, but the input has only %d dims", i, c->in[0]->rank);
            dims[i] = c->in[0]->dims[i];
        } else if (dims[i] == -1 && unknown < 0) {
            unknown = (int)i;
        } else if (dims[i] < 0) {
            return mq_call_fail(c, "dim %zu of the new shape is %lld", i, (long long)dims[i]);
        }
    }
    if (unknown >= 0) {
        dims[unknown] = 1;
        if (!product(dims, 0, (int)rank, &n) || n == 0 || (int64_t)c->in[0]->count % n != 0)
            return mq_call_fail(c, "the dim given as -1 cannot be worked out for %zu elements", c->in[0]->count);
        dims[unknown] = (int64_t)c->in[0]->count / n;
    }
    rc = view(c, rank, dims);
done:
    return rc;
}

static mq_status op_flatten(mq_call *c)
{
    const int64_t axis = mq_node_attr_int(c->node, "axis", 1);
    int64_t dims[2];
    int rank, at;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 1));
    rank = c->in[0]->rank;
    if (axis < -(int64_t)rank || axis > rank)
        return mq_call_fail(c, "axis %lld is outside of [%d, %d]", (long long)axis, -rank, rank);
    at = (int)(axis < 0 ? axis + rank : axis);
    if (!product(c->in[0]->dims, 0, at, &dims[0]) || !product(c->in[0]->dims, at, rank, &dims[1]))
        return mq_call_fail(c, "the result's dims are too large");
    rc = view(c, 2, dims);
done:
    return rc;
}

static mq_status op_squeeze(mq_call *c)
{
    bool flag[MQ_MAX_RANK], given;
    int64_t dims[MQ_MAX_RANK];
    size_t rank = 0;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 1));
    MQ_TRY(mq_call_axes(c, 1, NULL, c->in[0]->rank, flag, &given));
    for (int i = 0; i < c->in[0]->rank; i++) {
        if (flag[i] && c->in[0]->dims[i] != 1)
            return mq_call_fail(c, "axis %d has %lld elements; only axes of 1 can be squeezed", i,
                                (long long)c->in[0]->dims[i]);
        if (given ? !flag[i] : c->in[0]->dims[i] != 1)
            dims[rank++] = c->in[0]->dims[i];
    }
    rc = view(c, rank, dims);
done:
    return rc;
}

static mq_status op_unsqueeze(mq_call *c)
{
    int64_t axes[MQ_MAX_RANK], dims[MQ_MAX_RANK];
    bool flag[MQ_MAX_RANK] = { 0 };
    size_t n = 0;
    int rank, axis, from = 0;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 2));
    MQ_TRY(mq_call_ints(c, 1, axes, MQ_MAX_RANK, &n));
    rank = c->in[0]->rank + (int)n;
    if (rank > MQ_MAX_RANK)
        return mq_call_fail(c, "the result has rank %d; at most %d is allowed", rank, MQ_MAX_RANK);
    for (size_t i = 0; i < n; i++) {
        MQ_TRY(mq_call_axis(c, axes[i], rank, &axis));
        if (flag[axis])
            return mq_call_fail(c, "axis %d is given twice", axis);
        flag[axis] = true;
    }
    for (int i = 0; i < rank; i++)
        dims[i] = flag[i] ? 1 : c->in[0]->dims[from++];
    rc = view(c, (size_t)rank, dims);
done:
    return rc;
}

/* ---- sizes -------------------------------------------------------------------------------------------------------- */

static int64_t clamp(int64_t v, int rank)
{
    v = v < 0 ? v + rank : v;
    return v < 0 ? 0 : v > rank ? rank : v;
}

static mq_status op_shape(mq_call *c)
{
    int64_t start, n, *out;
    void *data;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 1));
    start = clamp(mq_node_attr_int(c->node, "start", 0), c->in[0]->rank);
    n = clamp(mq_node_attr_int(c->node, "end", INT64_MAX), c->in[0]->rank) - start;
    n = n < 0 ? 0 : n;
    MQ_TRY(mq_call_out(c, 0, MQ_INT64, 1, &n, &data));
    out = data;
    for (int64_t i = 0; out && i < n; i++)
        out[i] = c->in[0]->dims[start + i];
done:
    return rc;
}

static mq_status op_size(mq_call *c)
{
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 1));
    MQ_TRY(mq_call_out(c, 0, MQ_INT64, 0, NULL, &out));
    if (out)
        *(int64_t *)out = (int64_t)c->in[0]->count;
done:
    return rc;
}

/* ---- repetition --------------------------------------------------------------------------------------------------- */

static mq_status op_expand(mq_call *c)
{
    int64_t shape[MQ_MAX_RANK], strides[MQ_MAX_RANK];
    const mq_array *in;
    mq_move m = { 0 };
    size_t n = 0;
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 2));
    MQ_TRY(mq_call_ints(c, 1, shape, MQ_MAX_RANK, &n));
    in = c->in[0];
    mq_strides(in->rank, in->dims, strides);
    m.rank = in->rank > (int)n ? in->rank : (int)n;
    for (int i = 0; i < m.rank; i++) {
        const int at = i - (m.rank - in->rank), want = i - (m.rank - (int)n);
        const int64_t has = at < 0 ? 1 : in->dims[at], wish = want < 0 ? 1 : shape[want];

        if (wish < 0 || (wish != 1 && has != 1 && wish != has))
            return mq_call_fail(c, "axis %d has %lld elements and cannot become %lld", i, (long long)has, (long long)wish);
        m.dims[i] = has == 1 ? wish : has;
        m.src[i] = has == 1 ? 0 : strides[at];
    }
    MQ_TRY(mq_call_out(c, 0, in->dtype, m.rank, m.dims, &out));
    if (!out)
        return MQ_OK;
    mq_strides(m.rank, m.dims, m.dst);
    mq_move_run(&m, in->data, out, mq_array_elem_size(in), c->n_threads);
done:
    return rc;
}

static mq_status op_tile(mq_call *c)
{
    int64_t repeats[MQ_MAX_RANK], dims[MQ_MAX_RANK], from[MQ_MAX_RANK], to[MQ_MAX_RANK];
    const mq_array *in;
    mq_move m = { 0 };
    size_t n = 0;
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 2));
    MQ_TRY(mq_call_ints(c, 1, repeats, MQ_MAX_RANK, &n));
    in = c->in[0];
    if ((int)n != in->rank)
        return mq_call_fail(c, "%zu repeats are given for an input of rank %d", n, in->rank);
    for (int i = 0; i < in->rank; i++)
        if (repeats[i] < 0 || __builtin_mul_overflow(in->dims[i], repeats[i], &dims[i]))
            return mq_call_fail(c, "axis %d with %lld elements cannot be repeated %lld times", i, (long long)in->dims[i],
                                (long long)repeats[i]);
    MQ_TRY(mq_call_out(c, 0, in->dtype, in->rank, dims, &out));
    if (!out)
        return MQ_OK;
    mq_strides(in->rank, in->dims, from);
    mq_strides(in->rank, dims, to);
    m.rank = 2 * in->rank;
    for (int i = 0; i < in->rank; i++) {
        m.dims[2 * i] = repeats[i];
        m.dst[2 * i] = (int64_t)((uint64_t)to[i] * (uint64_t)in->dims[i]); /* of no use when it wraps: nothing is moved */
        m.dims[2 * i + 1] = in->dims[i];
        m.src[2 * i + 1] = from[i];
        m.dst[2 * i + 1] = to[i];
    }
    mq_move_run(&m, in->data, out, mq_array_elem_size(in), c->n_threads);
done:
    return rc;
}

const mq_kernel mq_kernels_reshape[] = {
    { "", "Expand", op_expand, MQ_KERNEL_MOVES },
    { "", "Flatten", op_flatten, MQ_KERNEL_MOVES },
    { "", "Reshape", op_reshape, MQ_KERNEL_MOVES },
    { "", "Shape", op_shape, 0 },
    { "", "Size", op_size, 0 },
    { "", "Squeeze", op_squeeze, MQ_KERNEL_MOVES },
    { "", "Tile", op_tile, MQ_KERNEL_MOVES },
    { "", "Unsqueeze", op_unsqueeze, MQ_KERNEL_MOVES },
    { 0 },
};
