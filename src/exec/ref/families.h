/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The families of reference kernels: each is a file here that defines mq_kernels_<family>, ended by an empty row. */
#ifndef MQ_EXEC_REF_FAMILIES_H
#define MQ_EXEC_REF_FAMILIES_H

#include "exec/kernel.h"

#define MQ_KERNEL_FAMILIES(F) \
    F(activation) \
    F(attention) \
    F(attention_contrib) \
    F(attention_gqa) \
    F(binary) \
    F(cast) \
    F(chain) \
    F(col2im) \
    F(constant) \
    F(contrib) \
    F(contrib_fused) \
    F(contrib_move) \
    F(control) \
    F(conv) \
    F(conv_transpose) \
    F(deform_conv) \
    F(einsum) \
    F(flex_attention) \
    F(gather) \
    F(grad) \
    F(grad_conv) \
    F(grad_norm) \
    F(grad_pool) \
    F(grad_rnn) \
    F(grad_softmax) \
    F(grid_sample) \
    F(image) \
    F(index) \
    F(linear_attention) \
    F(logic) \
    F(lookup) \
    F(loss) \
    F(matmul) \
    F(matmul_nbits) \
    F(matmul_quant) \
    F(ml) \
    F(ml_models) \
    F(nms) \
    F(norm) \
    F(norm_layer) \
    F(norm_skip) \
    F(optimizer) \
    F(order) \
    F(pad) \
    F(pool) \
    F(pool_global) \
    F(qlinear) \
    F(quantize) \
    F(random) \
    F(reduce) \
    F(regex) \
    F(reshape) \
    F(resize) \
    F(rnn) \
    F(rnn_quant) \
    F(rotary) \
    F(scatter) \
    F(sequence) \
    F(signal) \
    F(signal_window) \
    F(slice) \
    F(softmax) \
    F(text) \
    F(tfidf) \
    F(transpose) \
    F(unary)

#define MQ_DECLARE_FAMILY(name) extern const mq_kernel mq_kernels_##name[];
MQ_KERNEL_FAMILIES(MQ_DECLARE_FAMILY)
#undef MQ_DECLARE_FAMILY

#endif
