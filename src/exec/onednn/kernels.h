/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The tables of this room's kernels, and what several of its files need. */
#ifndef MQ_EXEC_ONEDNN_KERNELS_H
#define MQ_EXEC_ONEDNN_KERNELS_H

#include "exec/onednn/lib.h"
#include "exec/ref/conv_core.h"

extern const mq_fast mq_dn_attention_rows[], mq_dn_concat_rows[], mq_dn_conv_rows[], mq_dn_eltwise_rows[],
    mq_dn_grad_rows[], mq_dn_grad_conv_rows[], mq_dn_grad_norm_rows[], mq_dn_grad_pool_rows[],
    mq_dn_imatmul_rows[], mq_dn_lstm_rows[], mq_dn_matmul_rows[], mq_dn_norm_rows[], mq_dn_pool_rows[], mq_dn_qadd_rows[],
    mq_dn_qbytes_rows[], mq_dn_qconv_rows[], mq_dn_qmatmul_rows[], mq_dn_resize_rows[];

/* The end of every prepare: takes the case with state s when rc is MQ_OK and `taken`; else lets go of s, and only want
 * of memory is an error. */
mq_status mq_dn_prepared(mq_status rc, bool taken, void *s, void (*release)(void *), void **state);

/* The inputs named by the bits of `mask` are there, dense, and of that type; others are not looked at. */
bool mq_dn_inputs_are(const mq_call *c, unsigned mask, mq_dtype dtype);
/* The same for every input that is there. */
bool mq_dn_all_inputs_are(const mq_call *c, mq_dtype dtype);

/* Input i is a constant of that type, of one element or more. */
bool mq_dn_is_const(const mq_call *c, size_t i, mq_dtype dtype);
/* Weights at input w, zero points at input `zero` (constant, or absent): all 0, or 128 of uint8, which becomes int8. */
bool mq_dn_is_symmetric(const mq_call *c, size_t w, size_t zero);
/* Scales and zero points of an integer product that becomes 8-bit integers: constants at inputs x (input's scale, then its
 * zero point), w (weights' scales) and y (as x). *scales is the caller's to free when the primitive is made. */
mq_status mq_dn_add_requantize(const mq_call *c, mq_dn_attr *a, size_t x, size_t w, size_t y, int axis, float **scales);

/* Attributes `activation` and `activation_params` (com.microsoft) as post-ops; false: not expressible. */
bool mq_dn_add_activation_attr(const mq_node *n, mq_dn_attr *a);
/* The same with `activation_alpha` and `activation_beta`. */
bool mq_dn_add_scalar_activation(const mq_node *n, mq_dn_attr *a);

/* May a stand beside first along this axis: the same type, and the same shape but for it? */
bool mq_dn_joins(const mq_array *a, const mq_array *first, int axis);

/* Of at most three spatial dims; one becomes two. */
bool mq_dn_window_of(const mq_window *v, mq_dn_window *w);
/* Weights as the library counts them: [group,] output channels, input channels of a group, taps; as they lie in ONNX's
 * order, and in any. */
bool mq_dn_conv_weights(const mq_conv *v, mq_dtype dtype, bool transposed, mq_dn_desc *plain, mq_dn_desc *any);

#endif
