/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Parts that rules of several families share: sliding windows, products of matrices, small readers, counting of
 * multiply-accumulates. Everything here follows the conventions of ops.h. */
#ifndef MQ_OPS_RULE_PARTS_H
#define MQ_OPS_RULE_PARTS_H

#include "ops/ops.h"

/* Passes a failure on from a rule that has nothing to free. */
#define MQ_RULE_TRY(call)           \
    do {                            \
        mq_status rc_ = (call);     \
        if (rc_ != MQ_OK)           \
            return rc_;             \
    } while (0)

/* ---- reading ------------------------------------------------------------------------------------------------------ */

/* n dims, all unknown, in the model's arena (n <= 0 gives a valid pointer); NULL: out of memory. */
mq_dim *mq_dims_new(mq_infer *in, int n);
/* Output `out` has the shape of input i, where that is known, and one axis more behind it. */
mq_status mq_out_one_more(mq_infer *in, size_t out, size_t i, mq_dim last);
/* The dims of input i when its rank is known, copied for changing; *rank -1 and NULL otherwise. */
mq_status mq_dims_copy_in(mq_infer *in, size_t i, int *rank, mq_dim **dims);
/* MQ_ERR_INPUT when input i has a known rank outside lo..hi. */
mq_status mq_want_rank(mq_infer *in, size_t i, int lo, int hi);
/* *d becomes the better known of *d and other; MQ_ERR_INPUT, naming `what`, when both are known and differ. */
mq_status mq_want_same(mq_infer *in, mq_dim *d, mq_dim other, const char *what);
/* Has the node an attribute whose value is the caller's (in a function body)? What depends on attributes is then open. */
bool mq_attrs_open(const mq_infer *in);
/* The number in input i when it is one known integer; false otherwise. */
bool mq_in_scalar(const mq_infer *in, size_t i, int64_t *v);
/* The floats of a constant input, n <= MQ_KNOWN_MAX of them, in the arena; *out NULL when it is not such a constant. */
mq_status mq_in_floats(mq_infer *in, size_t i, const float **out, size_t *n);

/* What holds for values of both types: sizes that differ become unknown, an unknown type (NULL) leaves the other one's kind
 * and element type. *conflict is set true where kinds or element types differ (NULL or MQ_UNDEFINED then). */
mq_status mq_type_union(mq_infer *in, const mq_type *a, const mq_type *b, mq_type **out, bool *conflict);
/* Are both the same in all that is known? */
bool mq_type_same(const mq_type *a, const mq_type *b);

/* The whole rule of an operator whose output 0 is as its input 0. */
mq_status mq_infer_same(mq_infer *in);

/* ---- sliding windows (window.c) ----------------------------------------------------------------------------------- */

typedef enum mq_auto_pad { MQ_PAD_EXPLICIT, MQ_PAD_SAME, MQ_PAD_VALID } mq_auto_pad;

/* The attributes of convolution and pooling, checked: n spatial axes, strides and dilations > 0, kernel > 0 or unknown. */
typedef struct mq_window {
    int n;
    mq_dim *kernel;
    int64_t *strides, *dilations;
    int64_t *pads; /* 2n: begins, then ends */
    mq_auto_pad auto_pad;
    bool ceil;
} mq_window;

/* Reads the attributes of the node; MQ_ERR_INPUT for lists of the wrong length and sizes outside their range. */
mq_status mq_window_read(mq_infer *in, int n, mq_window *w);
/* Size of output axis i from an input of that size; MQ_ERR_INPUT when the window does not fit. */
mq_status mq_window_slide(mq_infer *in, const mq_window *w, int i, mq_dim size, mq_dim *out);
/* dilation * (kernel - 1) + 1 along axis i. */
mq_dim mq_window_extent(mq_infer *in, const mq_window *w, int i);

/* ---- rules used by several rows ----------------------------------------------------------------------------------- */

/* Convolution of input x with the weights in input w ([M, C/group, k...]); channels_last: x is [N, d..., C]. */
mq_status mq_infer_conv_with(mq_infer *in, size_t x, size_t w, bool channels_last);
int64_t mq_macs_conv_with(const mq_node *n, size_t w, bool channels_last);
extern const mq_quant_traits mq_quant_conv;

/* Pooling of input 0 in a window; every output gets the shape. */
mq_status mq_infer_pool_with(mq_infer *in, bool channels_last);
mq_status mq_infer_global_pool_with(mq_infer *in, bool channels_last);

/* NumPy's matmul of two shapes into output `out`; rank -1: unknown. */
mq_status mq_infer_matmul_dims(mq_infer *in, size_t out, int ra, const mq_dim *a, int rb, const mq_dim *b);
/* The same of inputs a and b. */
mq_status mq_infer_matmul_with(mq_infer *in, size_t a, size_t b);
/* Size of output 0 times the summed axis: the last of input a, or the one before when trans_a. */
int64_t mq_macs_matmul_with(const mq_node *n, size_t a, bool trans_a);
/* [M, N] from inputs a and b with the attributes transA and transB. */
mq_status mq_infer_gemm_with(mq_infer *in, size_t a, size_t b);
extern const mq_quant_traits mq_quant_matmul, mq_quant_gemm;

/* Quantizing keeps the shape; the element type is that of the zero point in input zp, else `absent`. */
mq_status mq_infer_quantized(mq_infer *in, size_t zp, mq_dtype absent);

/* LayerNormalization and its kin: output 0 like X, outputs `mean` and mean + 1 with ones from `axis` on. */
mq_status mq_infer_layer_norm(mq_infer *in, size_t mean);
/* Recurrent layers with the weights R [dirs, hidden * k, hidden] or, transposed, [dirs, hidden, hidden * k] in input r. */
mq_status mq_infer_recurrent(mq_infer *in, bool transposed_r);
int64_t mq_macs_recurrent(const mq_node *n, int n_gates, bool transposed_r);
/* LinearAttention, in two domains the same. */
mq_status mq_infer_linear_attention(mq_infer *in);
int64_t mq_macs_linear_attention(const mq_node *n);
/* Output 0 is inputs i[0..n-1] broadcast together (n <= 4). */
mq_status mq_infer_broadcast_of(mq_infer *in, size_t n, const size_t *i);

/* ---- multiply-accumulates ----------------------------------------------------------------------------------------- */

/* Size of a value's axis (negative: from the end); -1: not known. */
int64_t mq_macs_dim(const mq_value *v, int axis);
/* Number of elements of a value; -1: not known. */
int64_t mq_macs_count(const mq_value *v);
/* Product and sum where -1 is unknown; overflow gives -1. */
int64_t mq_macs_mul(int64_t a, int64_t b);
int64_t mq_macs_add(int64_t a, int64_t b);
/* Input or output i, NULL when there is none. */
const mq_value *mq_macs_in(const mq_node *n, size_t i);
const mq_value *mq_macs_out(const mq_node *n, size_t i);

#endif
