/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The making of each kind of primitive on oneDNN 2.6: an operation's description, then a primitive. */
#include <string.h>

#include "exec/onednn/private.h"

/* The library's first implementation that is not to be avoided; else its first. */
static dnnl_status_t choose(const_dnnl_op_desc_t desc, const char *avoid, dnnl_primitive_attr_t attr, mq_dn_op *op)
{
    const dnnl_status_t st = dnnl_primitive_desc_create(&op->pd, desc, attr, op->engine, NULL);
    dnnl_primitive_desc_iterator_t it;

    if (st != dnnl_success || !avoid || strncmp(mq_dn_impl(op), avoid, strlen(avoid)) != 0 ||
        dnnl_primitive_desc_iterator_create(&it, desc, attr, op->engine, NULL) != dnnl_success)
        return st;
    const dnnl_primitive_desc_t first = op->pd;
    do {
        op->pd = dnnl_primitive_desc_iterator_fetch(it);
        if (op->pd && strncmp(mq_dn_impl(op), avoid, strlen(avoid)) != 0 && !mq_dn_is_slow(op) && !mq_dn_is_gemm(op)) {
            dnnl_primitive_desc_destroy(first);
            dnnl_primitive_desc_iterator_destroy(it);
            return dnnl_success;
        }
        if (op->pd)
            dnnl_primitive_desc_destroy(op->pd);
    } while (dnnl_primitive_desc_iterator_next(it) == dnnl_success);
    dnnl_primitive_desc_iterator_destroy(it);
    op->pd = first;
    return dnnl_success;
}

mq_status mq_dn_op_make(mq_call *c, int threads, dnnl_status_t st, const_dnnl_op_desc_t desc, const mq_dn_attr *a,
                        mq_dn_op **out)
{
    dnnl_primitive_attr_t attr;
    mq_dn_op *op;
    mq_status rc;
    int before;

    *out = NULL;
    if (st != dnnl_success)
        return MQ_OK;
    if (!(op = mq_dn_op_create(threads, c->err)))
        return MQ_ERR_NOMEM;
    before = mq_dn_enter(threads);
    if ((st = mq_dn_attr_create(a, &attr)) == dnnl_success) {
        st = choose(desc, a ? a->avoid : NULL, attr, op);
        dnnl_primitive_attr_destroy(attr);
    }
    rc = mq_dn_op_finish(op, st, out, c->err);
    mq_dn_leave(threads, before);
    return rc;
}

mq_status mq_dn_make_conv(mq_call *c, int threads, bool transposed, const mq_dn_desc *src, const mq_dn_desc *weights,
                          const mq_dn_desc *bias, const mq_dn_desc *dst, const mq_dn_window *w, const mq_dn_attr *a,
                          mq_dn_op **out)
{
    dnnl_convolution_desc_t d; /* a deconvolution's is the same type */
    dnnl_status_t st;

    if (transposed)
        st = dnnl_dilated_deconvolution_forward_desc_init(&d, dnnl_forward_inference, dnnl_deconvolution_direct, &src->md,
                                                          &weights->md, bias ? &bias->md : NULL, &dst->md, w->stride,
                                                          w->dilation, w->lo, w->hi);
    else
        st = dnnl_dilated_convolution_forward_desc_init(&d, dnnl_forward_inference, dnnl_convolution_direct, &src->md,
                                                        &weights->md, bias ? &bias->md : NULL, &dst->md, w->stride,
                                                        w->dilation, w->lo, w->hi);
    return mq_dn_op_make(c, threads, st, &d, a, out);
}

/* The library has one of 4x4 results too, which is a little faster in some shapes, less exact, and packs weights into four
 * times their size; it comes second, so it is what is made where the first does not fit. */
mq_status mq_dn_make_winograd(mq_call *c, int threads, const mq_dn_desc *src, const mq_dn_desc *weights,
                              const mq_dn_desc *bias, const mq_dn_desc *dst, const mq_dn_window *w, const mq_dn_attr *a,
                              mq_dn_op **out)
{
    dnnl_convolution_desc_t d;
    const dnnl_status_t st = dnnl_convolution_forward_desc_init(&d, dnnl_forward_inference, dnnl_convolution_winograd,
                                                                &src->md, &weights->md, bias ? &bias->md : NULL, &dst->md,
                                                                w->stride, w->lo, w->hi);
    mq_status rc = mq_dn_op_make(c, threads, st, &d, a, out);

    if (rc == MQ_OK && *out && !strstr(mq_dn_impl(*out), "wino_2x3")) {
        mq_dn_free(*out);
        *out = NULL;
    }
    return rc;
}

mq_status mq_dn_make_matmul(mq_call *c, int threads, const mq_dn_desc *src, const mq_dn_desc *weights,
                            const mq_dn_desc *bias,
                            const mq_dn_desc *dst, const mq_dn_attr *a, mq_dn_op **out)
{
    dnnl_matmul_desc_t d;
    const dnnl_status_t st = dnnl_matmul_desc_init(&d, &src->md, &weights->md, bias ? &bias->md : NULL, &dst->md);

    return mq_dn_op_make(c, threads, st, &d, a, out);
}

mq_status mq_dn_make_eltwise(mq_call *c, int threads, dnnl_alg_kind_t alg, float alpha, float beta, const mq_dn_desc *data,
                             const mq_dn_attr *a, mq_dn_op **out)
{
    dnnl_eltwise_desc_t d;
    const dnnl_status_t st = dnnl_eltwise_forward_desc_init(&d, dnnl_forward_inference, alg, &data->md, alpha, beta);

    return mq_dn_op_make(c, threads, st, &d, a, out);
}

mq_status mq_dn_make_binary(mq_call *c, int threads, dnnl_alg_kind_t alg, const mq_dn_desc *src0, const mq_dn_desc *src1,
                            const mq_dn_desc *dst, mq_dn_op **out)
{
    dnnl_binary_desc_t d;
    const dnnl_status_t st = dnnl_binary_desc_init(&d, alg, &src0->md, &src1->md, &dst->md);

    return mq_dn_op_make(c, threads, st, &d, NULL, out);
}

mq_status mq_dn_make_pool(mq_call *c, int threads, dnnl_alg_kind_t alg, const mq_dn_desc *src, const mq_dn_desc *dst,
                          const mq_dn_window *w, mq_dn_op **out)
{
    dnnl_pooling_v2_desc_t d;
    const dnnl_status_t st = dnnl_pooling_v2_forward_desc_init(&d, dnnl_forward_inference, alg, &src->md, &dst->md,
                                                               w->stride,
                                                               w->kernel, w->dilation, w->lo, w->hi);

    return mq_dn_op_make(c, threads, st, &d, NULL, out);
}

mq_status mq_dn_make_softmax(mq_call *c, int threads, int axis, const mq_dn_desc *data, mq_dn_op **out)
{
    dnnl_softmax_v2_desc_t d;
    const dnnl_status_t st = dnnl_softmax_v2_forward_desc_init(&d, dnnl_forward_inference, dnnl_softmax_accurate, &data->md,
                                                               &data->md, axis);

    return mq_dn_op_make(c, threads, st, &d, NULL, out);
}

mq_status mq_dn_make_batch_norm(mq_call *c, int threads, float epsilon, const mq_dn_desc *data, mq_dn_op **out)
{
    dnnl_batch_normalization_desc_t d;
    const dnnl_status_t st = dnnl_batch_normalization_forward_desc_init(&d, dnnl_forward_inference, &data->md, epsilon,
                                                                        dnnl_use_global_stats | dnnl_use_scale |
                                                                            dnnl_use_shift);

    return mq_dn_op_make(c, threads, st, &d, NULL, out);
}

mq_status mq_dn_make_layer_norm(mq_call *c, int threads, float epsilon, const mq_dn_desc *data, mq_dn_op **out)
{
    dnnl_layer_normalization_desc_t d;
    const dnnl_status_t st = dnnl_layer_normalization_forward_desc_init(&d, dnnl_forward_inference, &data->md, NULL, epsilon,
                                                                        dnnl_use_scale | dnnl_use_shift);

    return mq_dn_op_make(c, threads, st, &d, NULL, out);
}

mq_status mq_dn_make_resample(mq_call *c, int threads, dnnl_alg_kind_t alg, const mq_dn_desc *src, const mq_dn_desc *dst,
                              mq_dn_op **out)
{
    dnnl_resampling_desc_t d;
    const dnnl_status_t st = dnnl_resampling_forward_desc_init(&d, dnnl_forward_inference, alg, NULL, &src->md, &dst->md);

    return mq_dn_op_make(c, threads, st, &d, NULL, out);
}

mq_status mq_dn_make_lrn(mq_call *c, int threads, int64_t size, float alpha, float beta, float k, const mq_dn_desc *data,
                         mq_dn_op **out)
{
    dnnl_lrn_desc_t d;
    const dnnl_status_t st = dnnl_lrn_forward_desc_init(&d, dnnl_forward_inference, dnnl_lrn_across_channels,
                                                        &data->md, size,
                                                        alpha, beta, k);

    return mq_dn_op_make(c, threads, st, &d, NULL, out);
}

mq_status mq_dn_make_lstm(mq_call *c, int threads, const mq_dn_lstm *l, mq_dn_op **out)
{
    dnnl_rnn_desc_t d;
    const dnnl_status_t st = dnnl_lstm_forward_desc_init(&d, dnnl_forward_inference, l->direction, &l->x.md,
                                                         &l->h.md, &l->c.md,
                                                         &l->w.md, &l->r.md, &l->bias.md, &l->y.md, &l->y_h.md,
                                                         &l->y_c.md, 0);

    return mq_dn_op_make(c, threads, st, &d, NULL, out);
}

/* ---- without an operation's description --------------------------------------------------------------------------- */

mq_status mq_dn_make_concat(mq_call *c, int threads, int axis, int n, const mq_dn_desc *src, const mq_dn_desc *dst,
                            mq_dn_op **out)
{
    mq_dn_op *op = mq_dn_op_create(threads, c->err);
    const int before = mq_dn_enter(threads);
    dnnl_primitive_attr_t attr;
    dnnl_status_t st;
    mq_status rc;

    *out = NULL;
    if (!op) {
        mq_dn_leave(threads, before);
        return MQ_ERR_NOMEM;
    }
    if ((st = mq_dn_attr_create(NULL, &attr)) == dnnl_success) {
        st = dnnl_concat_primitive_desc_create(&op->pd, dst ? &dst->md : NULL, n, axis, &src->md, attr, op->engine);
        dnnl_primitive_attr_destroy(attr);
    }
    rc = mq_dn_op_finish(op, st, out, c->err);
    mq_dn_leave(threads, before);
    return rc;
}

mq_status mq_dn_make_reorder(int threads, const mq_dn_desc *src, const mq_dn_desc *dst, mq_dn_op **out, mq_error *err)
{
    mq_dn_op *op = mq_dn_op_create(threads, err);
    const int before = mq_dn_enter(threads);
    dnnl_primitive_attr_t attr;
    dnnl_status_t st;
    mq_status rc;

    *out = NULL;
    if (!op) {
        mq_dn_leave(threads, before);
        return MQ_ERR_NOMEM;
    }
    if ((st = mq_dn_attr_create(NULL, &attr)) == dnnl_success) {
        st = dnnl_reorder_primitive_desc_create(&op->pd, &src->md, op->engine, &dst->md, op->engine, attr);
        dnnl_primitive_attr_destroy(attr);
    }
    rc = mq_dn_op_finish(op, st, out, err);
    mq_dn_leave(threads, before);
    return rc;
}
