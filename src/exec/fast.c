/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Which tables of fast kernels this build has, in order of preference. */
#include "exec/fast.h"

#include "exec/layout.h"
#ifdef MQ_HAVE_ONEDNN
#include "exec/onednn/kernels.h"
#endif

const mq_fast *const mq_fast_tables[] = {
#ifdef MQ_HAVE_ONEDNN
    mq_dn_conv_rows,
    mq_dn_matmul_rows,
    mq_dn_qconv_rows,
    mq_dn_qmatmul_rows,
    mq_dn_imatmul_rows,
    mq_dn_qadd_rows,
    mq_dn_qbytes_rows,
    mq_dn_pool_rows,
    mq_dn_eltwise_rows,
    mq_dn_concat_rows,
    mq_dn_grad_rows,
    mq_dn_grad_conv_rows,
    mq_dn_grad_norm_rows,
    mq_dn_grad_pool_rows,
    mq_dn_norm_rows,
    mq_dn_attention_rows,
    mq_dn_lstm_rows,
    mq_dn_resize_rows,
#endif
    mq_fast_nbits,
    NULL,
};

#ifndef MQ_HAVE_ONEDNN
bool mq_fast_limit_isa(mq_isa isa)
{
    (void)isa;
    return true;
}

mq_status mq_layout_to_plain(mq_array **out, const mq_array *a, int n_threads, mq_error *err)
{
    (void)out;
    (void)a;
    (void)n_threads;
    return mq_fail(err, MQ_ERR_UNSUPPORTED, "this build has no kernel library, so no tensor is in its order");
}
#endif
