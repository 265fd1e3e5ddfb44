/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Slice and its gradient (ops/grad_ops.h), Split and Concat. */
#include "exec/ref/move.h"
#include "ops/grad_ops.h"

#include <string.h>

/* One axis as Python's slice(start, end, step).indices(dim) sees it: the first element, how many. */
static void slice_axis(int64_t dim, int64_t *start, int64_t end, int64_t *step, int64_t *n)
{
    const bool back = *step < 0;
    const int64_t low = back ? -1 : 0, high = back ? dim - 1 : dim;
    int64_t from = *start < 0 ? *start + dim : *start, to = end < 0 ? end + dim : end;

    from = from < low ? low : from > high ? high : from;
    to = to < low ? low : to > high ? high : to;
    *step = *step == INT64_MIN ? -INT64_MAX : *step;
    if (back)
        *n = from <= to ? 0 : 1 + (from - to - 1) / -*step;
    else
        *n = from >= to ? 0 : 1 + (to - from - 1) / *step;
    *start = from;
    if (*n <= 1)
        *step = 1; /* a huge step must not reach the strides */
}

typedef struct slice_args {
    int64_t starts[MQ_MAX_RANK], ends[MQ_MAX_RANK], axes[MQ_MAX_RANK], steps[MQ_MAX_RANK];
    size_t n;
} slice_args;

/* Inputs from `at` on: starts, ends, axes, steps. */
static mq_status get_slice(mq_call *c, size_t at, slice_args *a)
{
    size_t n_ends = 0, n_axes, n_steps;
    mq_status rc;

    MQ_TRY(mq_call_need(c, at + 2));
    MQ_TRY(mq_call_ints(c, at, a->starts, MQ_MAX_RANK, &a->n));
    MQ_TRY(mq_call_ints(c, at + 1, a->ends, MQ_MAX_RANK, &n_ends));
    n_axes = n_steps = a->n;
    for (size_t i = 0; i < a->n; i++) {
        a->axes[i] = (int64_t)i;
        a->steps[i] = 1;
    }
    if (mq_call_has(c, at + 2))
        MQ_TRY(mq_call_ints(c, at + 2, a->axes, MQ_MAX_RANK, &n_axes));
    if (mq_call_has(c, at + 3))
        MQ_TRY(mq_call_ints(c, at + 3, a->steps, MQ_MAX_RANK, &n_steps));
    if (n_ends != a->n || n_axes != a->n || n_steps != a->n)
        rc = mq_call_fail(c, "there are %zu starts, %zu ends, %zu axes and %zu steps", a->n, n_ends, n_axes, n_steps);
done:
    return rc;
}

/* What is taken of `in`, as inputs from `at` on say: sizes and strides as m's source, and the first element. */
static mq_status taken(mq_call *c, size_t at, const mq_array *in, mq_move *m, int64_t *first, bool *whole)
{
    slice_args a = { .n = 0 };
    bool seen[MQ_MAX_RANK] = { 0 };
    int axis;
    mq_status rc;

    MQ_TRY(get_slice(c, at, &a));
    *first = 0;
    *whole = true;
    m->rank = in->rank;
    mq_strides(in->rank, in->dims, m->src);
    for (int i = 0; i < in->rank; i++)
        m->dims[i] = in->dims[i];
    for (size_t i = 0; i < a.n; i++) {
        MQ_TRY(mq_call_axis(c, a.axes[i], in->rank, &axis));
        if (seen[axis] || a.steps[i] == 0)
            return mq_call_fail(c, seen[axis] ? "axis %d is given twice" : "the step of axis %d is 0", axis);
        seen[axis] = true;
        slice_axis(in->dims[axis], &a.starts[i], a.ends[i], &a.steps[i], &m->dims[axis]);
        *whole &= m->dims[axis] == in->dims[axis] && a.steps[i] == 1;
        if (m->dims[axis] > 0 && in->count > 0) {
            *first += a.starts[i] * m->src[axis];
            m->src[axis] *= a.steps[i];
        }
    }
done:
    return rc;
}

static mq_status op_slice(mq_call *c)
{
    const mq_array *in;
    mq_move m = { 0 };
    int64_t first = 0;
    bool whole = true;
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 3));
    in = c->in[0];
    MQ_TRY(taken(c, 1, in, &m, &first, &whole));
    if (whole)
        return mq_call_out_view(c, 0, 0, in->rank, in->dims);
    MQ_TRY(mq_call_out(c, 0, in->dtype, m.rank, m.dims, &out));
    if (!out || in->count == 0)
        return MQ_OK;
    mq_strides(m.rank, m.dims, m.dst);
    mq_move_run(&m, (const char *)in->data + first * (int64_t)mq_array_elem_size(in), out, mq_array_elem_size(in),
                c->n_threads);
done:
    return rc;
}

/* dy goes to where the slice was taken from, into zeros. */
static mq_status op_slice_grad(mq_call *c)
{
    const mq_array *dy, *x;
    mq_move m = { 0 };
    int64_t first = 0;
    bool whole = true;
    char *dx;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 4));
    dy = c->in[0];
    x = c->in[1];
    MQ_TRY(taken(c, 2, x, &m, &first, &whole));
    if (dy->rank != m.rank || dy->dtype != x->dtype || memcmp(dy->dims, m.dims, (size_t)m.rank * sizeof *m.dims) != 0)
        return mq_call_fail(c, "the gradient has not the type and shape of the slice");
    if (whole)
        return mq_call_out_view(c, 0, 0, x->rank, x->dims);
    MQ_TRY(mq_call_out(c, 0, x->dtype, x->rank, x->dims, (void **)&dx));
    if (!dx || x->count == 0)
        return MQ_OK;
    memset(dx, 0, mq_array_bytes(c->out[0]));
    memcpy(m.dst, m.src, sizeof m.dst);
    mq_strides(m.rank, m.dims, m.src);
    if (dy->count > 0)
        mq_move_run(&m, dy->data, dx + first * (int64_t)mq_array_elem_size(x), mq_array_elem_size(x), c->n_threads);
done:
    return rc;
}

/* ---- splitting ---------------------------------------------------------------------------------------------------- */

/* The part of each output along the axis. */
static mq_status get_parts(mq_call *c, int64_t dim, int64_t *parts)
{
    const int64_t n = (int64_t)c->n_out;
    int64_t left = dim;

    if (mq_call_has(c, 1)) {
        size_t given = 0;
        const mq_status rc = mq_call_ints(c, 1, parts, c->n_out, &given);

        if (rc != MQ_OK)
            return rc;
        if (given != c->n_out)
            return mq_call_fail(c, "%zu parts are given for %zu outputs", given, c->n_out);
        for (int64_t i = 0; i < n; i++) {
            if (parts[i] < 0 || parts[i] > left)
                return mq_call_fail(c, "the parts do not add up to the %lld elements of the axis", (long long)dim);
            left -= parts[i];
        }
    } else {
        if (mq_node_attr_int(c->node, "num_outputs", n) != n)
            return mq_call_fail(c, "num_outputs is %lld, but there are %lld outputs",
                                (long long)mq_node_attr_int(c->node, "num_outputs", n), (long long)n);
        for (int64_t i = 0; i < n; i++) {
            const int64_t even = dim / n + (dim % n != 0);

            parts[i] = even < left ? even : left;
            left -= parts[i];
        }
    }
    if (left != 0)
        return mq_call_fail(c, "the parts do not add up to the %lld elements of the axis", (long long)dim);
    return MQ_OK;
}

static mq_status op_split(mq_call *c)
{
    const mq_array *in;
    int64_t dims[MQ_MAX_RANK], *parts, before, after, at = 0;
    size_t elem;
    int axis = 0;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 1));
    in = c->in[0];
    MQ_TRY(mq_call_axis(c, mq_node_attr_int(c->node, "axis", 0), in->rank, &axis));
    if (!(parts = mq_call_scratch(c, (c->n_out + 1) * sizeof(*parts))))
        return MQ_ERR_NOMEM;
    MQ_TRY(get_parts(c, in->dims[axis], parts));
    for (int i = 0; i < in->rank; i++)
        dims[i] = in->dims[i];
    before = mq_span(in->dims, 0, axis);
    after = mq_span(in->dims, axis + 1, in->rank);
    elem = mq_array_elem_size(in);
    for (size_t k = 0; k < c->n_out; k++) {
        void *out;

        dims[axis] = parts[k];
        MQ_TRY(mq_call_out(c, k, in->dtype, in->rank, dims, &out));
        if (out && in->count > 0) {
            const mq_move m = { .rank = 2, .dims = { before, parts[k] * after },
                                .src = { in->dims[axis] * after, 1 }, .dst = { parts[k] * after, 1 } };

            mq_move_run(&m, (const char *)in->data + (size_t)(at * after) * elem, out, elem, c->n_threads);
        }
        at += parts[k];
    }
done:
    return rc;
}

/* ---- joining ------------------------------------------------------------------------------------------------------ */

/* All inputs alike but for the axis; *sum is what they have together there. */
static mq_status check_parts(mq_call *c, int axis, int64_t *sum)
{
    *sum = 0;
    for (size_t k = 0; k < c->n_in; k++) {
        const mq_array *a = c->in[k], *b = c->in[0];

        if (a->rank != b->rank || a->dtype != b->dtype)
            return mq_call_fail(c, "input %zu is %s of rank %d, input 0 %s of rank %d", k, mq_dtype_name(a->dtype), a->rank,
                                mq_dtype_name(b->dtype), b->rank);
        for (int i = 0; i < a->rank; i++)
            if (i != axis && a->dims[i] != b->dims[i])
                return mq_call_fail(c, "input %zu has %lld elements along axis %d, input 0 %lld", k, (long long)a->dims[i],
                                    i, (long long)b->dims[i]);
        if (__builtin_add_overflow(*sum, a->dims[axis], sum))
            return mq_call_fail(c, "the result's dims are too large");
    }
    return MQ_OK;
}

static mq_status op_concat(mq_call *c)
{
    int64_t dims[MQ_MAX_RANK], before, after, at = 0;
    size_t elem;
    int axis = 0;
    void *out;
    bool done = false;
    mq_status rc;

    MQ_TRY(mq_call_need(c, c->n_in));
    if (c->n_in == 0)
        return mq_call_fail(c, "there is no input");
    MQ_TRY(mq_call_axis(c, mq_node_attr_int(c->node, "axis", 0), c->in[0]->rank, &axis));
    for (int i = 0; i < c->in[0]->rank; i++)
        dims[i] = c->in[0]->dims[i];
    MQ_TRY(check_parts(c, axis, &dims[axis]));
    elem = mq_array_elem_size(c->in[0]);
    if (mq_span(dims, 0, axis) == 1 && elem > 0 && !c->in[0]->codes && c->in[0]->dtype != MQ_STRING)
        MQ_TRY(mq_call_out_joined(c, 0, c->in[0]->rank, dims, NULL, &done));
    if (done)
        return MQ_OK;
    MQ_TRY(mq_call_out(c, 0, c->in[0]->dtype, c->in[0]->rank, dims, &out));
    if (!out)
        return MQ_OK;
    before = mq_span(dims, 0, axis);
    after = mq_span(dims, axis + 1, c->in[0]->rank);
    for (size_t k = 0; k < c->n_in; k++) {
        if (c->in[k]->count > 0) {
            const int64_t run = c->in[k]->dims[axis] * after;
            const mq_move m = { .rank = 2, .dims = { before, run }, .src = { run, 1 }, .dst = { dims[axis] * after, 1 } };

            mq_move_run(&m, c->in[k]->data, (char *)out + (size_t)(at * after) * elem, elem, c->n_threads);
            at += c->in[k]->dims[axis];
        }
    }
done:
    return rc;
}

const mq_kernel mq_kernels_slice[] = {
    { "", "Concat", op_concat, MQ_KERNEL_MOVES },
    { "", "Slice", op_slice, MQ_KERNEL_MOVES },
    { "", "Split", op_split, MQ_KERNEL_MOVES },
    { MQ_GRAD_DOMAIN, "SliceGrad", op_slice_grad, 0 },
    { 0 },
};
