/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* QLinearMatMul with one constant matrix of symmetric weights (zero points 0, or 128 of uint8): a product that the library
 * itself brings to 8 bits, as its convolutions do. All scales and zero points must be constants. What else there is, is
 * left to imatmul.c, which has a pass of its own for that. */
#include <stdlib.h>

#include "exec/onednn/kernels.h"
#include "exec/ref/quant_lanes.h"

enum { A, A_SCALE, A_ZERO, B, B_SCALE, B_ZERO, Y_SCALE, Y_ZERO };

static bool is_one(const mq_call *c, size_t i, mq_dtype dtype)
{
    return mq_dn_is_const(c, i, dtype) && c->in[i]->count == 1;
}

static bool inputs_fit(const mq_call *c)
{
    const mq_array *a = c->n_in > Y_ZERO ? c->in[A] : NULL, *b = a ? c->in[B] : NULL;

    if (!mq_dn_int8_is_exact() || !a || !b || !mq_is_i8(a) || !mq_is_i8(b) || !b->constant || a->rank < 2 || b->rank != 2 ||
        !a->count || !b->count || a->dims[a->rank - 1] != b->dims[0] || !mq_dn_is_symmetric(c, B, B_ZERO))
        return false;
    return is_one(c, A_SCALE, MQ_FLOAT) && is_one(c, A_ZERO, a->dtype) && mq_dn_is_const(c, B_SCALE, MQ_FLOAT) &&
           (c->in[B_SCALE]->count == 1 || (c->in[B_SCALE]->rank == 1 && c->in[B_SCALE]->dims[0] == b->dims[1])) &&
           is_one(c, Y_SCALE, MQ_FLOAT) && (is_one(c, Y_ZERO, MQ_UINT8) || is_one(c, Y_ZERO, MQ_INT8));
}

static mq_status make(mq_call *c, const mq_dn_attr *attr, mq_dn_task *t)
{
    const mq_array *x = c->in[A];
    const int64_t k = c->in[B]->dims[0], n = c->in[B]->dims[1], m = (int64_t)x->count / k;
    const mq_dtype y_type = c->in[Y_ZERO]->dtype;
    mq_dn_desc a, b, any, y;
    int64_t dims[MQ_MAX_RANK];
    mq_status rc = MQ_OK;

    if (!mq_dn_plain(&a, x->dtype, 2, (int64_t[]){ m, k }) || !mq_dn_plain(&b, MQ_INT8, 2, c->in[B]->dims) ||
        !mq_dn_any(&any, MQ_INT8, 2, c->in[B]->dims) || !mq_dn_plain(&y, y_type, 2, (int64_t[]){ m, n }))
        return MQ_OK;
    MQ_TRY(mq_dn_make_matmul(c, mq_dn_threads_macs(c, (double)m * (double)n * (double)k / 3), &a, &any, NULL, &y, attr,
                             &t->op));
    if (!t->op || mq_dn_is_slow(t->op))
        return t->op ? MQ_ERR_UNSUPPORTED : MQ_OK;
    MQ_TRY(mq_dn_task_feed(c, t, A, MQ_DN_SRC, &a));
    MQ_TRY(mq_dn_task_feed(c, t, B, MQ_DN_WEIGHTS, &b));
    t->feeds[1].flip = c->in[B]->dtype == MQ_UINT8;
    if (attr->src_zero)
        mq_dn_task_zero(t, MQ_DN_SRC, (int32_t)mq_array_i64(c->in[A_ZERO], 0));
    if (attr->dst_zero)
        mq_dn_task_zero(t, MQ_DN_DST, (int32_t)mq_array_i64(c->in[Y_ZERO], 0));
    for (int d = 0; d < x->rank; d++)
        dims[d] = d < x->rank - 1 ? x->dims[d] : n;
    MQ_TRY(mq_dn_task_result(c, t, y_type, x->rank, dims));
done:
    return rc;
}

static mq_status prepare(mq_call *c, void **state)
{
    mq_dn_attr attr = { 0 };
    float *scales = NULL;
    mq_dn_task *t;
    mq_status rc;

    if (!inputs_fit(c))
        return MQ_OK;
    if (!(t = mq_dn_task_create(c, 2)))
        return MQ_ERR_NOMEM;
    rc = mq_dn_add_requantize(c, &attr, A_SCALE, B_SCALE, Y_SCALE, 1, &scales);
    if (rc == MQ_OK)
        rc = make(c, &attr, t);
    free(scales);
    return mq_dn_prepared(rc, t->op, t, mq_dn_task_release, state);
}

const mq_fast mq_dn_qmatmul_rows[] = {
    { "", "QLinearMatMul", "onednn:qmatmul", prepare, mq_dn_task_run, mq_dn_task_release, 0 },
    { 0 },
};
