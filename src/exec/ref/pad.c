/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Pad and CenterCropPad: per axis a table says which source index each position shows; rows are put together from it. */
#include "exec/ref/move.h"

#include <string.h>

typedef enum pad_mode { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE, PAD_WRAP } pad_mode;

/* What to put around an axis; negative: what to take away. */
typedef struct pads {
    int64_t begin[MQ_MAX_RANK], end[MQ_MAX_RANK];
    pad_mode mode;
    const void *value; /* one element */
} pads;

/* Source index of a position before, in or behind n elements; -1: the constant. n > 0 unless mode is constant. */
static int64_t source_index(int64_t at, int64_t n, pad_mode mode)
{
    if (at >= 0 && at < n)
        return at;
    if (mode == PAD_CONSTANT)
        return -1;
    if (mode == PAD_EDGE || n == 1)
        return at < 0 ? 0 : n - 1;
    if (mode == PAD_WRAP)
        return (at % n + n) % n;
    at = (at % (2 * n - 2) + 2 * n - 2) % (2 * n - 2);
    return at < n ? at : 2 * n - 2 - at;
}

/* The result's dims, and of the source what is left when the negative pads are taken away: its start and size per axis. */
static mq_status pad_dims(mq_call *c, const pads *p, int64_t *dims, int64_t *start, int64_t *left)
{
    const mq_array *in = c->in[0];

    for (int i = 0; i < in->rank; i++) {
        const int64_t before = p->begin[i] > 0 ? p->begin[i] : 0, after = p->end[i] > 0 ? p->end[i] : 0;

        start[i] = p->begin[i] < 0 ? -p->begin[i] : 0;
        left[i] = in->dims[i] - start[i] + (p->end[i] < 0 ? p->end[i] : 0);
        if (__builtin_add_overflow(left[i], before, &dims[i]) || __builtin_add_overflow(dims[i], after, &dims[i]))
            return mq_call_fail(c, "the pads of axis %d are too large", i);
        if (dims[i] < 0)
            return mq_call_fail(c, "axis %d has %lld elements, the pads take away more", i, (long long)in->dims[i]);
        if (left[i] <= 0 && p->mode != PAD_CONSTANT && dims[i] > 0)
            return mq_call_fail(c, "axis %d has nothing left to be repeated", i);
    }
    return MQ_OK;
}

/* Tables of all axes behind one another: where axis i's position shows which index of the source, or -1. */
static int64_t *make_tables(mq_call *c, const pads *p, int rank, const int64_t *dims, const int64_t *start,
                            const int64_t *left)
{
    size_t total = 0;
    int64_t *tables, *t;

    for (int i = 0; i < rank; i++)
        total += (size_t)dims[i]; /* of an array that exists */
    if (!(tables = t = mq_call_scratch(c, (total + 1) * sizeof(*tables))))
        return NULL;
    for (int i = 0; i < rank; i++)
        for (int64_t at = 0; at < dims[i]; at++) {
            /* when both ends take away more than there is, what is left is less than nothing */
            const int64_t from = source_index(at - (p->begin[i] > 0 ? p->begin[i] : 0), left[i] < 0 ? 0 : left[i], p->mode);

            *t++ = from < 0 ? -1 : from + start[i];
        }
    return tables;
}

typedef struct row_job {
    const char *value;  /* one element */
    size_t elem;
    int64_t unit;       /* elements that one position of the last axis stands for */
    int64_t n;          /* positions of the last axis */
    const int64_t *last; /* its table */
} row_job;

/* A row: stretches of neighbouring indices are copied whole. src NULL: all constant. */
static void pad_row(const row_job *j, const char *src, char *dst)
{
    const size_t bytes = (size_t)j->unit * j->elem;
    int64_t at = 0;

    if (!src) {
        mq_move_fill(j->value, dst, (size_t)(j->n * j->unit), j->elem);
        return;
    }
    while (at < j->n) {
        int64_t end = at + 1;

        while (end < j->n && (j->last[at] < 0 ? j->last[end] < 0 : j->last[end] == j->last[end - 1] + 1))
            end++;
        if (j->last[at] < 0)
            mq_move_fill(j->value, dst + (size_t)at * bytes, (size_t)((end - at) * j->unit), j->elem);
        else
            memcpy(dst + (size_t)at * bytes, src + (size_t)j->last[at] * bytes, (size_t)(end - at) * bytes);
        at = end;
    }
}

static mq_status pad(mq_call *c, const pads *p)
{
    const mq_array *in = c->in[0];
    int64_t dims[MQ_MAX_RANK], start[MQ_MAX_RANK], left[MQ_MAX_RANK], strides[MQ_MAX_RANK], rows;
    const int64_t *tables[MQ_MAX_RANK];
    row_job job = { .value = p->value, .elem = mq_array_elem_size(in) };
    int rank = in->rank;
    void *out;
    mq_status rc;

    MQ_TRY(pad_dims(c, p, dims, start, left));
    while (rank > 0 && p->begin[rank - 1] == 0 && p->end[rank - 1] == 0)
        rank--;
    if (rank == 0)
        return mq_call_out_view(c, 0, 0, in->rank, in->dims);
    MQ_TRY(mq_call_out(c, 0, in->dtype, in->rank, dims, &out));
    if (!out || c->out[0]->count == 0)
        return MQ_OK;
    if (!(tables[0] = make_tables(c, p, rank, dims, start, left)))
        return MQ_ERR_NOMEM;
    for (int i = 1; i < rank; i++)
        tables[i] = tables[i - 1] + dims[i - 1];
    mq_strides(in->rank, in->dims, strides);
    job.unit = mq_span(in->dims, rank, in->rank);
    job.n = dims[rank - 1];
    job.last = tables[rank - 1];
    rows = mq_span(dims, 0, rank - 1);
    #pragma omp parallel for num_threads(mq_call_threads(c, (int64_t)c->out[0]->count))
    for (int64_t row = 0; row < rows; row++) {
        int64_t offset = 0, r = row;
        bool constant = false;

        for (int i = rank - 2; i >= 0; r /= dims[i--]) {
            const int64_t from = tables[i][r % dims[i]];

            constant |= from < 0;
            offset += from * strides[i];
        }
        pad_row(&job, constant || in->count == 0 ? NULL : (const char *)in->data + (size_t)offset * job.elem,
                (char *)out + (size_t)(row * job.n * job.unit) * job.elem);
    }
done:
    return rc;
}

/* ---- Pad ---------------------------------------------------------------------------------------------------------- */

static mq_status get_mode(mq_call *c, pads *p)
{
    static const struct { const char *name; pad_mode mode; } modes[] = {
        { "constant", PAD_CONSTANT }, { "reflect", PAD_REFLECT }, { "edge", PAD_EDGE }, { "wrap", PAD_WRAP },
    };

    p->mode = PAD_CONSTANT;
    if (!mq_node_attr(c->node, "mode"))
        return MQ_OK;
    for (size_t i = 0; i < MQ_ARRAY_LEN(modes); i++)
        if (mq_node_attr_is(c->node, "mode", modes[i].name)) {
            p->mode = modes[i].mode;
            return MQ_OK;
        }
    return mq_call_fail(c, "mode is none of 'constant', 'reflect', 'edge', 'wrap'");
}

static mq_status get_pads(mq_call *c, pads *p)
{
    int64_t list[2 * MQ_MAX_RANK], axes[MQ_MAX_RANK];
    bool seen[MQ_MAX_RANK] = { 0 };
    const int rank = c->in[0]->rank;
    size_t n = 0, n_axes = (size_t)rank;
    int axis;
    mq_status rc;

    MQ_TRY(mq_call_ints(c, 1, list, 2 * MQ_MAX_RANK, &n));
    for (int i = 0; i < rank; i++)
        axes[i] = i;
    if (mq_call_has(c, 3))
        MQ_TRY(mq_call_ints(c, 3, axes, MQ_MAX_RANK, &n_axes));
    if (n != 2 * n_axes)
        return mq_call_fail(c, "%zu pads are given for %zu axes", n, n_axes);
    for (size_t i = 0; i < n_axes; i++) {
        MQ_TRY(mq_call_axis(c, axes[i], rank, &axis));
        if (seen[axis])
            return mq_call_fail(c, "axis %d is given twice", axis);
        if (list[i] < -INT64_MAX / 4 || list[n_axes + i] < -INT64_MAX / 4)
            return mq_call_fail(c, "the pads of axis %d are out of range", axis);
        seen[axis] = true;
        p->begin[axis] = list[i];
        p->end[axis] = list[n_axes + i];
    }
done:
    return rc;
}

static mq_status op_pad(mq_call *c)
{
    static const mq_bytes zero[2]; /* 16 bytes or more: any type's 0, false or "" */
    pads p = { .value = zero };
    mq_status rc;

    MQ_TRY(mq_call_need(c, 2));
    MQ_TRY(get_mode(c, &p));
    MQ_TRY(get_pads(c, &p));
    if (mq_call_has(c, 2) && c->in[2]->count > 0) {
        if (c->in[2]->dtype != c->in[0]->dtype || c->in[2]->count != 1)
            return mq_call_fail(c, "the constant is %zu of %s; one of %s is wanted", c->in[2]->count,
                                mq_dtype_name(c->in[2]->dtype), mq_dtype_name(c->in[0]->dtype));
        p.value = c->in[2]->data;
    }
    rc = pad(c, &p);
done:
    return rc;
}

static mq_status op_center_crop_pad(mq_call *c)
{
    static const mq_bytes zero[2];
    pads p = { .value = zero };
    int64_t shape[MQ_MAX_RANK];
    bool seen[MQ_MAX_RANK] = { 0 };
    const int64_t *axes;
    size_t n = 0, n_axes;
    int axis;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 2));
    MQ_TRY(mq_call_ints(c, 1, shape, MQ_MAX_RANK, &n));
    axes = mq_node_attr_ints(c->node, "axes", &n_axes);
    if (n != (axes ? n_axes : (size_t)c->in[0]->rank))
        return mq_call_fail(c, "%zu sizes are given for %zu axes", n, axes ? n_axes : (size_t)c->in[0]->rank);
    for (size_t i = 0; i < n; i++) {
        int64_t more;

        MQ_TRY(mq_call_axis(c, axes ? axes[i] : (int64_t)i, c->in[0]->rank, &axis));
        if (seen[axis] || shape[i] < 0)
            return mq_call_fail(c, seen[axis] ? "axis %d is given twice" : "the size of axis %d is negative", axis);
        seen[axis] = true;
        more = shape[i] - c->in[0]->dims[axis];
        p.begin[axis] = more / 2; /* towards 0: the odd one is put on, or taken off, at the end */
        p.end[axis] = more - more / 2;
    }
    rc = pad(c, &p);
done:
    return rc;
}

const mq_kernel mq_kernels_pad[] = {
    { "", "CenterCropPad", op_center_crop_pad, MQ_KERNEL_MOVES },
    { "", "Pad", op_pad, MQ_KERNEL_MOVES },
    { 0 },
};
