/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Softmax and LayerNormalization over the last axis, BatchNormalization with given statistics, LRN. */
#include <string.h>

#include "exec/onednn/kernels.h"

static mq_status finish(mq_status rc, mq_dn_task *t, void **state)
{
    return mq_dn_prepared(rc, t->op && !mq_dn_is_slow(t->op), t, mq_dn_task_release, state);
}

/* ---- softmax ------------------------------------------------------------------------------------------------------ */

/* Not LogSoftmax: the library's is off by 1e-6 near 0, where a sure answer lies. */
static mq_status softmax_prepare(mq_call *c, void **state)
{
    const mq_array *x = c->n_in == 1 ? c->in[0] : NULL;
    const int64_t axis = mq_node_attr_int(c->node, "axis", -1);
    mq_dn_desc d;
    mq_dn_task *t;
    mq_status rc;

    if (!mq_dn_inputs_are(c, 1, MQ_FLOAT) || !x || !x->count || x->rank < 1 || (axis != -1 && axis != x->rank - 1))
        return MQ_OK;
    const int64_t n = x->dims[x->rank - 1];
    if (!mq_dn_plain(&d, MQ_FLOAT, 2, (int64_t[]){ (int64_t)x->count / n, n }))
        return MQ_OK;
    if (!(t = mq_dn_task_create(c, 1)))
        return MQ_ERR_NOMEM;
    rc = mq_dn_make_softmax(c, mq_dn_threads_bytes(c, (double)x->count * 16), 1, &d, &t->op);
    if (rc == MQ_OK && t->op)
        rc = mq_dn_task_feed(c, t, 0, MQ_DN_SRC, &d);
    if (rc == MQ_OK && t->op)
        rc = mq_dn_task_result(c, t, MQ_FLOAT, x->rank, x->dims);
    return finish(rc, t, state);
}

/* ---- normalization ------------------------------------------------------------------------------------------------ */

static bool is_vector(const mq_array *a, int64_t n)
{
    return a->rank == 1 && a->dims[0] == n;
}

static mq_status layer_prepare(mq_call *c, void **state)
{
    const mq_array *x = c->n_in > 0 ? c->in[0] : NULL;
    const int64_t axis = mq_node_attr_int(c->node, "axis", -1);
    const float epsilon = mq_node_attr_float(c->node, "epsilon", 1e-5f);
    mq_dn_desc d, v;
    mq_dn_task *t;
    mq_status rc;

    if (c->n_in != 3 || !mq_dn_inputs_are(c, 7, MQ_FLOAT) || mq_call_wants(c, 1) || mq_call_wants(c, 2) || !x->count ||
        x->rank < 1 || (axis != -1 && axis != x->rank - 1))
        return MQ_OK;
    const int64_t n = x->dims[x->rank - 1];
    if (!is_vector(c->in[1], n) || !is_vector(c->in[2], n) ||
        !mq_dn_plain(&d, MQ_FLOAT, 2, (int64_t[]){ (int64_t)x->count / n, n }) || !mq_dn_plain(&v, MQ_FLOAT, 1, &n))
        return MQ_OK;
    if (!(t = mq_dn_task_create(c, 3)))
        return MQ_ERR_NOMEM;
    rc = mq_dn_make_layer_norm(c, mq_dn_threads_bytes(c, (double)x->count * 12), epsilon, &d, &t->op);
    if (rc == MQ_OK && t->op)
        rc = mq_dn_task_feed(c, t, 0, MQ_DN_SRC, &d);
    if (rc == MQ_OK && t->op)
        rc = mq_dn_task_feed(c, t, 1, DNNL_ARG_SCALE, &v);
    if (rc == MQ_OK && t->op)
        rc = mq_dn_task_feed(c, t, 2, DNNL_ARG_SHIFT, &v);
    if (rc == MQ_OK && t->op)
        rc = mq_dn_task_result(c, t, MQ_FLOAT, x->rank, x->dims);
    return finish(rc, t, state);
}

/* Inputs: X, scale, shift, mean, variance. */
static mq_status batch_prepare(mq_call *c, void **state)
{
    static const int what[] = { MQ_DN_SRC, DNNL_ARG_SCALE, DNNL_ARG_SHIFT, DNNL_ARG_MEAN, DNNL_ARG_VARIANCE };
    const mq_array *x = c->n_in > 0 ? c->in[0] : NULL;
    const float epsilon = mq_node_attr_float(c->node, "epsilon", 1e-5f);
    mq_dn_desc d, v;
    mq_dn_task *t;
    mq_status rc;

    if (c->n_in != 5 || !mq_dn_inputs_are(c, 31, MQ_FLOAT) || mq_call_wants(c, 1) || !x->layout ||
        mq_node_attr_int(c->node, "training_mode", 0))
        return MQ_OK;
    for (size_t i = 1; i < 5; i++)
        if (!is_vector(c->in[i], x->dims[1]))
            return MQ_OK;
    if (!mq_dn_of_array(&d, x) || !mq_dn_plain(&v, MQ_FLOAT, 1, &x->dims[1]))
        return MQ_OK;
    if (!(t = mq_dn_task_create(c, 5)))
        return MQ_ERR_NOMEM;
    rc = mq_dn_make_batch_norm(c, mq_dn_threads_bytes(c, (double)x->count * 8), epsilon, &d, &t->op);
    for (size_t i = 0; rc == MQ_OK && t->op && i < 5; i++)
        rc = mq_dn_task_feed(c, t, i, what[i], i ? &v : &d);
    if (rc == MQ_OK && t->op)
        rc = mq_dn_task_result(c, t, MQ_FLOAT, x->rank, x->dims);
    return finish(rc, t, state);
}

static mq_status lrn_prepare(mq_call *c, void **state)
{
    const mq_array *x = c->n_in > 0 ? c->in[0] : NULL;
    const int64_t size = mq_node_attr_int(c->node, "size", 0);
    mq_dn_desc d;
    mq_dn_task *t;
    mq_status rc;

    if (!mq_dn_inputs_are(c, 1, MQ_FLOAT) || !x->count || x->rank != 4 || size < 1 || size % 2 == 0 ||
        !mq_dn_of_array(&d, x))
        return MQ_OK;
    if (!(t = mq_dn_task_create(c, 1)))
        return MQ_ERR_NOMEM;
    rc = mq_dn_make_lrn(c, mq_dn_threads_bytes(c, (double)x->count * 32), size, mq_node_attr_float(c->node, "alpha", 1e-4f),
                        mq_node_attr_float(c->node, "beta", 0.75f), mq_node_attr_float(c->node, "bias", 1), &d, &t->op);
    if (rc == MQ_OK && t->op)
        rc = mq_dn_task_feed(c, t, 0, MQ_DN_SRC, &d);
    if (rc == MQ_OK && t->op)
        rc = mq_dn_task_result(c, t, MQ_FLOAT, x->rank, x->dims);
    return finish(rc, t, state);
}

const mq_fast mq_dn_norm_rows[] = {
    { "", "Softmax", "onednn:softmax", softmax_prepare, mq_dn_task_run, mq_dn_task_release, 0 },
    { "", "LayerNormalization", "onednn:layer_norm", layer_prepare, mq_dn_task_run, mq_dn_task_release, 0 },
    { "", "BatchNormalization", "onednn:batch_norm", batch_prepare, mq_dn_task_run, mq_dn_task_release, 1 },
    { "", "LRN", "onednn:lrn", lrn_prepare, mq_dn_task_run, mq_dn_task_release, 1 },
    { 0 },
};
