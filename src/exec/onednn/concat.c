/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Concat of images of which at least one is in the library's own order; floats and 8-bit integers. */
#include <stdlib.h>
#include <string.h>

#include "exec/onednn/kernels.h"

bool mq_dn_joins(const mq_array *a, const mq_array *first, int axis)
{
    if (a->dtype != first->dtype || a->rank != first->rank)
        return false;
    for (int d = 0; d < a->rank; d++)
        if (d != axis && a->dims[d] != first->dims[d])
            return false;
    return true;
}

/* The result's shape; false: the reference kernel has to look at it. */
static bool shape(const mq_call *c, int axis, int64_t *dims)
{
    const mq_array *x = c->in[0];

    memcpy(dims, x->dims, (size_t)x->rank * sizeof *dims);
    for (size_t i = 1; i < c->n_in; i++) {
        const mq_array *a = c->in[i];

        if (!a || a->kind != MQ_TYPE_TENSOR || !a->count || !mq_dn_joins(a, x, axis))
            return false;
        dims[axis] += a->dims[axis];
    }
    return true;
}

static mq_status make(mq_call *c, int axis, const int64_t *dims, mq_dn_task *t)
{
    const mq_array *x = c->in[0];
    mq_dn_desc *src = malloc(c->n_in * sizeof *src), dst;
    int64_t image[MQ_MAX_RANK];
    double bytes = 0;
    mq_status rc = MQ_OK;

    if (!src)
        return mq_oom(c->err);
    for (size_t i = 0; i < c->n_in; i++) {
        if (!mq_dn_of_image(&src[i], c->in[i]))
            goto done;
        bytes += (double)mq_dn_bytes(&src[i]);
    }
    if (!mq_dn_plain(&dst, x->dtype, mq_dn_image_dims(x->rank, dims, image), image))
        goto done;
    MQ_TRY(mq_dn_make_concat(c, mq_dn_threads_bytes(c, 2 * bytes), axis + (x->rank == 3 && axis == 2), (int)c->n_in, src,
                             mq_call_readers_take_layout(c, 0) ? NULL : &dst, &t->op));
    for (size_t i = 0; t->op && i < c->n_in; i++)
        MQ_TRY(mq_dn_task_feed(c, t, i, DNNL_ARG_MULTIPLE_SRC + (int)i, &src[i]));
    if (t->op)
        MQ_TRY(mq_dn_task_result(c, t, x->dtype, x->rank, dims));
done:
    free(src);
    return rc;
}

static mq_status prepare(mq_call *c, void **state)
{
    int64_t axis = mq_node_attr_int(c->node, "axis", 0), dims[MQ_MAX_RANK];
    bool any = false;
    mq_dn_task *t;
    mq_status rc;

    for (size_t i = 0; i < c->n_in; i++)
        any |= c->in[i] && c->in[i]->layout;
    if (!any || c->n_in + 1 > MQ_DN_MAX_ARGS || !c->in[0] || c->in[0]->rank < 3 || c->in[0]->rank > 5 || !c->in[0]->count)
        return MQ_OK;
    axis += axis < 0 ? c->in[0]->rank : 0;
    if (axis < 0 || axis >= c->in[0]->rank || !shape(c, (int)axis, dims))
        return MQ_OK;
    if (!(t = mq_dn_task_create(c, (int)c->n_in)))
        return MQ_ERR_NOMEM;
    rc = make(c, (int)axis, dims, t);
    return mq_dn_prepared(rc, t->op, t, mq_dn_task_release, state);
}

/* ---- along blocked channels --------------------------------------------------------------------------------------- */

/* The parts of each image lie one behind the other: with one image nothing need be moved. */
typedef struct join {
    const void *layout;
    int rank;
    int64_t dims[MQ_MAX_RANK];
    int threads;
} join;

static mq_status join_run(mq_call *c, void *state)
{
    const join *s = state;
    const mq_array *x = c->in[0];
    const size_t n = (size_t)s->dims[0], elem = mq_array_elem_size(x);
    size_t whole = elem, at = 0;
    bool done = false;
    char *y;
    mq_status rc;

    for (int d = 1; d < s->rank; d++)
        whole *= (size_t)s->dims[d];
    if (n == 1)
        MQ_TRY(mq_call_out_joined(c, 0, s->rank, s->dims, s->layout, &done));
    if (done)
        return MQ_OK;
    MQ_TRY(mq_call_out_layout(c, 0, x->dtype, s->rank, s->dims, s->layout, whole * n, (void **)&y));
    for (size_t k = 0; k < c->n_in; k++) {
        const char *part = c->in[k]->data;
        const size_t size = mq_array_bytes(c->in[k]) / n;

#pragma omp parallel for num_threads(s->threads) if (s->threads > 1 && n > 1)
        for (size_t i = 0; i < n; i++)
            memcpy(y + i * whole + at, part + i * size, size);
        at += size;
    }
done:
    return rc;
}

/* In full blocks, as x is. */
static bool is_blocked_like(const mq_array *a, const mq_dn_desc *x)
{
    int64_t image[MQ_MAX_RANK];
    mq_dn_desc have, blocks;

    return a->layout && mq_dn_of_array(&have, a) && !mq_dn_is_padded(&have) &&
           mq_dn_blocked_like(&blocks, x, a->dtype, mq_dn_image_dims(a->rank, a->dims, image), image) &&
           mq_dn_same(&blocks, &have);
}

static mq_status join_prepare(mq_call *c, void **state)
{
    const mq_array *x = c->n_in > 1 ? c->in[0] : NULL;
    const int64_t axis = mq_node_attr_int(c->node, "axis", 0);
    int64_t image[MQ_MAX_RANK];
    mq_dn_desc first, made;
    size_t bytes = 0;
    join *s;

    if (!x || !x->layout || !x->count || x->rank < 3 || x->rank > 5 || (axis != 1 && axis != 1 - x->rank) ||
        !mq_call_readers_take_layout(c, 0) || !mq_dn_of_array(&first, x))
        return MQ_OK;
    if (!(s = calloc(1, sizeof *s)))
        return mq_oom(c->err);
    s->rank = x->rank;
    bool fits = shape(c, 1, s->dims);
    for (size_t i = 0; fits && i < c->n_in; i++) {
        fits = is_blocked_like(c->in[i], &first);
        bytes += mq_array_bytes(c->in[i]);
    }
    fits = fits && mq_dn_blocked_like(&made, &first, x->dtype, mq_dn_image_dims(s->rank, s->dims, image), image);
    s->threads = mq_dn_threads_bytes(c, 2.0 * (double)bytes);
    if (fits && !(s->layout = mq_call_layout(c, &made, sizeof made))) {
        free(s);
        return MQ_ERR_NOMEM;
    }
    return mq_dn_prepared(MQ_OK, fits, s, free, state);
}

const mq_fast mq_dn_concat_rows[] = {
    { "", "Concat", "join", join_prepare, join_run, free, 0xffffffff },
    { "", "Concat", "onednn:concat", prepare, mq_dn_task_run, mq_dn_task_release, 0xffffffff },
    { 0 },
};
