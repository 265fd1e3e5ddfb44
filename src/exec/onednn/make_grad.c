/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The making of primitives that compute gradients, on oneDNN 2.6. Direct ways only: their sums are the most exact. */
#include "exec/onednn/private.h"

mq_status mq_dn_make_conv_grad_input(mq_call *c, int threads, const mq_dn_desc *dx, const mq_dn_desc *weights,
                                     const mq_dn_desc *dy, const mq_dn_window *w, mq_dn_op **out)
{
    dnnl_convolution_desc_t d;
    const dnnl_status_t st =
        dnnl_dilated_convolution_backward_data_desc_init(&d, dnnl_convolution_direct, &dx->md, &weights->md, &dy->md,
                                                         w->stride, w->dilation, w->lo, w->hi);

    return mq_dn_op_make(c, threads, st, &d, NULL, out);
}

mq_status mq_dn_make_conv_grad_weight(mq_call *c, int threads, const mq_dn_desc *x, const mq_dn_desc *dweights,
                                      const mq_dn_desc *dbias, const mq_dn_desc *dy, const mq_dn_window *w, mq_dn_op **out)
{
    dnnl_convolution_desc_t d;
    const dnnl_status_t st =
        dnnl_dilated_convolution_backward_weights_desc_init(&d, dnnl_convolution_direct, &x->md, &dweights->md,
                                                            dbias ? &dbias->md : NULL, &dy->md, w->stride, w->dilation,
                                                            w->lo, w->hi);

    return mq_dn_op_make(c, threads, st, &d, NULL, out);
}
