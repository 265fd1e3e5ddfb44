/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Concat of images of which at least one is in the library's own order; floats and 8-bit integers. */
#include <stdlib.h>
#include <string.h>

#include "exec/onednn/kernels.h"

/* The result's shape; false: the reference kernel has to look at it. */
static bool shape(const mq_call *c, int axis, int64_t *dims)
{
    const mq_array *x = c->in[0];

    memcpy(dims, x->dims, (size_t)x->rank * sizeof *dims);
    for (size_t i = 1; i < c->n_in; i++) {
        if (!c->in[i] || c->in[i]->kind != MQ_TYPE_TENSOR || c->in[i]->dtype != x->dtype || c->in[i]->rank != x->rank ||
            !c->in[i]->count)
            return false;
        for (int d = 0; d < x->rank; d++)
            if (d != axis && c->in[i]->dims[d] != x->dims[d])
                return false;
        dims[axis] += c->in[i]->dims[axis];
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

const mq_fast mq_dn_concat_rows[] = {
    { "", "Concat", "onednn:concat", prepare, mq_dn_task_run, mq_dn_task_release, 0xffffffff },
    { 0 },
};
