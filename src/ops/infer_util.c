/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What rules read and write: types, shapes and contents of a node's inputs and outputs, axes, broadcasting. Nothing here
 * knows an operator. Arithmetic on sizes is in dim_math.c, the walk over the graph in infer.c. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "ops/ops.h"

/* Types inside types: deeper ones are not copied. */
#define MAX_TYPE_DEPTH 32

static const mq_dim no_dims[1];

/* ---- inputs ------------------------------------------------------------------------------------------------------- */

bool mq_in_has(const mq_infer *in, size_t i)
{
    return i < in->node->n_inputs && in->node->inputs[i] != NULL;
}

const mq_type *mq_in_type(const mq_infer *in, size_t i)
{
    const mq_type *t = mq_in_has(in, i) ? in->node->inputs[i]->type : NULL;

    return t && t->kind != MQ_TYPE_UNKNOWN ? t : NULL;
}

static const mq_type *tensor_in(const mq_infer *in, size_t i)
{
    const mq_type *t = mq_in_type(in, i);

    return t && t->kind == MQ_TYPE_TENSOR ? t : NULL;
}

int mq_in_rank(const mq_infer *in, size_t i)
{
    const mq_type *t = tensor_in(in, i);

    return t ? t->rank : -1;
}

const mq_dim *mq_in_dims(const mq_infer *in, size_t i)
{
    const mq_type *t = tensor_in(in, i);

    if (!t || t->rank < 0)
        return NULL;
    return t->rank == 0 ? no_dims : t->dims;
}

mq_dtype mq_in_dtype(const mq_infer *in, size_t i)
{
    const mq_type *t = tensor_in(in, i);

    return t ? t->dtype : MQ_UNDEFINED;
}

const mq_dim *mq_in_known(const mq_infer *in, size_t i, size_t *n)
{
    const mq_value *v = mq_in_has(in, i) ? in->node->inputs[i] : NULL;

    *n = v && v->known ? v->n_known : 0;
    return v ? v->known : NULL;
}

const int64_t *mq_in_ints(const mq_infer *in, size_t i, size_t *n)
{
    size_t count;
    const mq_dim *e = mq_in_known(in, i, &count);
    int64_t *ints;

    *n = 0;
    for (size_t k = 0; e && k < count; k++)
        if (!mq_elem_known(e[k]))
            e = NULL;
    ints = e ? mq_arena_calloc(in->model->arena, count, sizeof *ints) : NULL;
    if (!ints)
        return NULL;
    for (size_t k = 0; k < count; k++)
        ints[k] = e[k].value;
    *n = count;
    return ints;
}

/* ---- outputs ------------------------------------------------------------------------------------------------------ */

/* Output i as a tensor type to be filled; NULL: nobody asks for it, or it is known to be something else. */
static mq_type *tensor_out(mq_infer *in, size_t i)
{
    mq_type *t = i < in->node->n_outputs ? in->out[i] : NULL;

    if (!t || (t->kind != MQ_TYPE_UNKNOWN && t->kind != MQ_TYPE_TENSOR))
        return NULL;
    if (t->kind == MQ_TYPE_UNKNOWN)
        *t = (mq_type){ .kind = MQ_TYPE_TENSOR, .rank = -1 };
    return t;
}

mq_status mq_out_shape(mq_infer *in, size_t i, int rank, const mq_dim *dims)
{
    mq_type *t = tensor_out(in, i);
    mq_dim *copy = NULL;

    if (!t)
        return MQ_OK;
    if (rank >= 0) {
        copy = mq_arena_calloc(in->model->arena, (size_t)rank, sizeof *copy);
        if (!copy)
            return mq_oom(in->err);
    }
    for (int k = 0; k < rank; k++) {
        copy[k] = dims[k];
        if (dims[k].value < 0)
            copy[k].value = -1;
        else
            copy[k].symbol = NULL;
    }
    t->rank = rank < 0 ? -1 : rank;
    t->dims = copy;
    return MQ_OK;
}

mq_status mq_out_dtype(mq_infer *in, size_t i, mq_dtype dtype)
{
    mq_type *t = tensor_out(in, i);

    if (t)
        t->dtype = dtype;
    return MQ_OK;
}

static mq_type *copy_type(mq_model *m, const mq_type *t, int depth)
{
    mq_type *c = depth < MAX_TYPE_DEPTH ? mq_arena_memdup(m->arena, t, sizeof *t) : NULL;

    if (!c)
        return NULL;
    if (t->rank > 0 && t->dims) {
        c->dims = mq_arena_memdup(m->arena, t->dims, (size_t)t->rank * sizeof *t->dims);
        if (!c->dims)
            return NULL;
    }
    if (t->elem) {
        c->elem = copy_type(m, t->elem, depth + 1);
        if (!c->elem)
            return NULL;
    }
    return c;
}

mq_status mq_out_type(mq_infer *in, size_t i, const mq_type *t)
{
    mq_type *c;

    if (i >= in->node->n_outputs || !t)
        return MQ_OK;
    c = copy_type(in->model, t, 0);
    if (!c)
        return mq_oom(in->err);
    *in->out[i] = *c;
    return MQ_OK;
}

mq_status mq_out_like(mq_infer *in, size_t i, size_t j)
{
    const mq_type *from = mq_in_type(in, j);
    const mq_type *to = i < in->node->n_outputs ? in->out[i] : NULL;

    if (!from || !to)
        return MQ_OK;
    if (from->kind != MQ_TYPE_TENSOR)
        return mq_out_type(in, i, from);
    if (to->kind == MQ_TYPE_UNKNOWN || (to->kind == MQ_TYPE_TENSOR && to->dtype == MQ_UNDEFINED))
        (void)mq_out_dtype(in, i, from->dtype);
    return mq_out_shape(in, i, from->rank, from->dims);
}

mq_status mq_out_known(mq_infer *in, size_t i, const mq_dim *vals, size_t n)
{
    if (i >= in->node->n_outputs || !vals || n > MQ_KNOWN_MAX)
        return MQ_OK;
    in->known[i] = mq_arena_memdup(in->model->arena, vals, n * sizeof *vals);
    if (!in->known[i])
        return mq_oom(in->err);
    in->n_known[i] = n;
    return MQ_OK;
}

/* ---- axes and broadcasting ---------------------------------------------------------------------------------------- */

mq_status mq_norm_axis(mq_infer *in, int64_t axis, int rank, int *out)
{
    if (axis < -(int64_t)rank || axis >= rank) {
        if (rank <= 0)
            return mq_fail(in->err, MQ_ERR_INPUT, "axis %" PRId64 " of a scalar", axis);
        return mq_fail(in->err, MQ_ERR_INPUT, "axis %" PRId64 " is outside %d..%d", axis, -rank, rank - 1);
    }
    *out = (int)(axis < 0 ? axis + rank : axis);
    return MQ_OK;
}

char *mq_dims_text(int rank, const mq_dim *dims, char *buf, size_t size)
{
    size_t at = (size_t)snprintf(buf, size, rank < 0 ? "[..." : "[");

    for (int i = 0; i < rank && at < size; i++) {
        if (mq_dim_known(dims[i]))
            at += (size_t)snprintf(buf + at, size - at, "%s%" PRId64, i ? "," : "", dims[i].value);
        else
            at += (size_t)snprintf(buf + at, size - at, "%s%s", i ? "," : "", dims[i].symbol ? dims[i].symbol : "?");
    }
    if (at < size)
        snprintf(buf + at, size - at, "]");
    return buf;
}

/* What `b` makes of `a` in broadcasting; false when they do not fit. */
static bool broadcast_dim(mq_dim a, mq_dim b, mq_dim *out)
{
    if (b.value == 1)
        *out = a;
    else if (a.value == 1)
        *out = b;
    else if (mq_dim_known(a) && mq_dim_known(b)) {
        *out = a;
        return a.value == b.value;
    } else if (mq_dim_known(a) || mq_dim_known(b))
        *out = mq_dim_known(a) ? a : b; /* the other is 1 or the same */
    else
        *out = mq_dim_equal(a, b) ? a : MQ_DIM_UNKNOWN;
    return true;
}

static mq_status broadcast_misfit(mq_infer *in, size_t n, const mq_dim *const *dims, const int *ranks)
{
    char text[400], one[160];
    size_t at = 0;

    for (size_t i = 0; i < n && at < sizeof text; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", i == 0 ? "" : i + 1 < n ? ", " : " and ",
                               mq_dims_text(ranks[i], dims[i], one, sizeof one));
    return mq_fail(in->err, MQ_ERR_INPUT, "shapes %s do not broadcast", text);
}

mq_status mq_broadcast(mq_infer *in, size_t n, const mq_dim *const *dims, const int *ranks, int *out_rank,
                       mq_dim **out_dims)
{
    int rank = 0;
    mq_dim *out;

    for (size_t i = 0; i < n; i++) {
        if (ranks[i] < 0) {
            *out_rank = -1;
            *out_dims = NULL;
            return MQ_OK;
        }
        rank = ranks[i] > rank ? ranks[i] : rank;
    }
    out = mq_arena_calloc(in->model->arena, (size_t)rank, sizeof *out);
    if (!out)
        return mq_oom(in->err);
    for (int k = 0; k < rank; k++) {
        out[k] = MQ_DIM(1);
        for (size_t i = 0; i < n; i++) {
            const int at = k - (rank - ranks[i]);

            if (at >= 0 && !broadcast_dim(out[k], dims[i][at], &out[k]))
                return broadcast_misfit(in, n, dims, ranks);
        }
    }
    *out_rank = rank;
    *out_dims = out;
    return MQ_OK;
}
