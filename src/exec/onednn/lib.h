/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* oneDNN as this room sees it: tensors' descriptions by value, primitives with their memory objects, attributes as a
 * plain struct. What differs between versions of its C interface is behind these functions (lib.c, make.c); other
 * files of the room name only constants of dnnl.h. Version 2.6 is what is used here.
 *
 * Every primitive has an engine and a stream of its own (0.2 microseconds), its scratch memory comes from the call. */
#ifndef MQ_EXEC_ONEDNN_LIB_H
#define MQ_EXEC_ONEDNN_LIB_H

#include <dnnl.h>

#include "exec/kernel.h"

/* ---- descriptions ------------------------------------------------------------------------------------------------- */

typedef struct mq_dn_desc {
    dnnl_memory_desc_t md;
} mq_dn_desc;

/* Row-major; any order that the library likes; with strides in elements; nothing (an absent bias). False: a type or a
 * rank that the library does not have. */
bool mq_dn_plain(mq_dn_desc *d, mq_dtype dtype, int rank, const int64_t *dims);
bool mq_dn_any(mq_dn_desc *d, mq_dtype dtype, int rank, const int64_t *dims);
bool mq_dn_strided(mq_dn_desc *d, mq_dtype dtype, int rank, const int64_t *dims, const int64_t *strides);
void mq_dn_none(mq_dn_desc *d);
/* In blocks of channels as x is; false: x is not. */
bool mq_dn_blocked_like(mq_dn_desc *d, const mq_dn_desc *x, mq_dtype dtype, int rank, const int64_t *dims);

/* As an array lies there: its layout, or row-major. */
bool mq_dn_of_array(mq_dn_desc *d, const mq_array *a);
/* The same; images of one spatial dim get a second one of 1 before it. */
bool mq_dn_of_image(mq_dn_desc *d, const mq_array *a);
/* [N, C, L] to [N, C, 1, L]: the new rank. */
int mq_dn_image_dims(int rank, const int64_t *dims, int64_t out[MQ_MAX_RANK]);

size_t mq_dn_bytes(const mq_dn_desc *d);
int mq_dn_rank(const mq_dn_desc *d);
const int64_t *mq_dn_dims(const mq_dn_desc *d);
/* The same elements at the same places. */
bool mq_dn_same(const mq_dn_desc *a, const mq_dn_desc *b);
bool mq_dn_is_plain(const mq_dn_desc *d);
/* Are there more places than elements? */
bool mq_dn_is_padded(const mq_dn_desc *d);

/* The first n images of a batch that lies as x does, and the bytes from one image to the next; false: images do not lie one
 * behind the other. */
bool mq_dn_part_of(mq_dn_desc *d, const mq_dn_desc *x, int64_t n, size_t *step);

/* Floats as [images][groups][n] in memory: element i of a group belongs to channel group * block + i % block; channels
 * behind the last one are zeros and stay so. block is 1 (row-major), 8 or 16. */
typedef struct mq_dn_planes {
    int64_t images, groups, n, channels;
    int block;
} mq_dn_planes;
/* false: x lies otherwise. */
bool mq_dn_planes_of(mq_dn_planes *p, const mq_dn_desc *x);
/* The order in which x is to be walked so: its own where it lies so, else blocks of channels. false: there is none. */
bool mq_dn_planes_order(mq_dn_desc *d, mq_dn_planes *p, const mq_dn_desc *x);

/* ---- attributes --------------------------------------------------------------------------------------------------- */

typedef enum mq_dn_post_kind { MQ_DN_ELTWISE, MQ_DN_BINARY, MQ_DN_SUM } mq_dn_post_kind;

typedef struct mq_dn_post {
    mq_dn_post_kind kind;
    dnnl_alg_kind_t alg;
    float alpha, beta; /* ELTWISE */
    mq_dn_desc other;   /* BINARY */
} mq_dn_post;

#define MQ_DN_MAX_POST 4
typedef struct mq_dn_attr {
    int n_post;
    mq_dn_post post[MQ_DN_MAX_POST];
    int64_t n_scales;    /* of the result before the post-ops: 0, 1, or one for each channel (axis scale_axis) */
    const float *scales;
    int scale_axis;
    bool src_zero, dst_zero; /* zero points, given at each run (int32) */
    const char *avoid;       /* implementations whose names begin so are passed over where there is another */
} mq_dn_attr;

/* false: no room, or not expressible. No two eltwise of one kind: version 2.6 would take the first one's numbers for
 * both. */
bool mq_dn_add_eltwise(mq_dn_attr *a, dnnl_alg_kind_t alg, float alpha, float beta);
/* The result is added to what the output's memory holds. */
bool mq_dn_add_sum(mq_dn_attr *a);
bool mq_dn_add_binary(mq_dn_attr *a, dnnl_alg_kind_t alg, const mq_dn_desc *other);

/* ---- primitives --------------------------------------------------------------------------------------------------- */

/* What is handed to a primitive at run time. */
#define MQ_DN_SRC DNNL_ARG_SRC_0
#define MQ_DN_SRC1 DNNL_ARG_SRC_1
#define MQ_DN_WEIGHTS DNNL_ARG_WEIGHTS
#define MQ_DN_BIAS DNNL_ARG_BIAS
#define MQ_DN_DST DNNL_ARG_DST
#define MQ_DN_POST(i) (DNNL_ARG_ATTR_MULTIPLE_POST_OP(i) | DNNL_ARG_SRC_1)

typedef struct mq_dn_arg {
    int what;
    const void *data;
} mq_dn_arg;

typedef struct mq_dn_op mq_dn_op;
#define MQ_DN_MAX_ARGS 40 /* of one primitive, scratch memory not counted */

/* Runs with memory for each argument. */
mq_status mq_dn_run(mq_call *c, mq_dn_op *op, int n, const mq_dn_arg *args);
/* The same with mq_dn_scratch_bytes of scratch memory, outside of a call or on another thread than its own. */
mq_status mq_dn_execute(mq_dn_op *op, int n, const mq_dn_arg *args, void *scratch, mq_error *err);
size_t mq_dn_scratch_bytes(const mq_dn_op *op);
void mq_dn_free(mq_dn_op *op); /* NULL is fine */
/* What the primitive wants or makes for an argument. */
mq_dn_desc mq_dn_wants(const mq_dn_op *op, int what);
/* "jit:avx512_core" */
const char *mq_dn_impl(const mq_dn_op *op);
/* Is it the plain C++ code of the library? */
bool mq_dn_is_slow(const mq_dn_op *op);
/* Is it made of the library's older matrix product? Its sums depend on the number of threads: make it for one. */
bool mq_dn_is_gemm(const mq_dn_op *op);

/* Are products of 8-bit integers exact here? Without VNNI (of AVX512 or AVX2) the library's pairwise sums saturate at 16
 * bits. */
bool mq_dn_int8_is_exact(void);

/* Threads worth using. */
int mq_dn_threads_macs(const mq_call *c, double macs);
int mq_dn_threads_bytes(const mq_call *c, double bytes);

/* Each makes a primitive, or NULL when the library has none. Errors: MQ_ERR_NOMEM. */
typedef struct mq_dn_window {
    dnnl_dims_t stride, dilation, lo, hi, kernel; /* dilation 0: none */
} mq_dn_window;

mq_status mq_dn_make_conv(mq_call *c, int threads, bool transposed, const mq_dn_desc *src, const mq_dn_desc *weights,
                          const mq_dn_desc *bias, const mq_dn_desc *dst, const mq_dn_window *w, const mq_dn_attr *a,
                          mq_dn_op **out);
/* By Winograd's transformation of 2x2 results at a time: windows of 3x3, all steps 1. */
mq_status mq_dn_make_winograd(mq_call *c, int threads, const mq_dn_desc *src, const mq_dn_desc *weights,
                              const mq_dn_desc *bias, const mq_dn_desc *dst, const mq_dn_window *w, const mq_dn_attr *a,
                              mq_dn_op **out);
/* Gradients of a convolution (grad_ops.h): arguments DNNL_ARG_DIFF_DST and WEIGHTS make DIFF_SRC; SRC and DIFF_DST make
 * DIFF_WEIGHTS and, with a bias, DIFF_BIAS. */
mq_status mq_dn_make_conv_grad_input(mq_call *c, int threads, const mq_dn_desc *dx, const mq_dn_desc *weights,
                                     const mq_dn_desc *dy, const mq_dn_window *w, mq_dn_op **out);
mq_status mq_dn_make_conv_grad_weight(mq_call *c, int threads, const mq_dn_desc *x, const mq_dn_desc *dweights,
                                      const mq_dn_desc *dbias, const mq_dn_desc *dy, const mq_dn_window *w, mq_dn_op **out);
mq_status mq_dn_make_matmul(mq_call *c, int threads, const mq_dn_desc *src, const mq_dn_desc *weights,
                            const mq_dn_desc *bias,
                            const mq_dn_desc *dst, const mq_dn_attr *a, mq_dn_op **out);
mq_status mq_dn_make_eltwise(mq_call *c, int threads, dnnl_alg_kind_t alg, float alpha, float beta, const mq_dn_desc *data,
                             const mq_dn_attr *a, mq_dn_op **out);
mq_status mq_dn_make_binary(mq_call *c, int threads, dnnl_alg_kind_t alg, const mq_dn_desc *src0, const mq_dn_desc *src1,
                            const mq_dn_desc *dst, mq_dn_op **out);
mq_status mq_dn_make_pool(mq_call *c, int threads, dnnl_alg_kind_t alg, const mq_dn_desc *src, const mq_dn_desc *dst,
                          const mq_dn_window *w, mq_dn_op **out);
mq_status mq_dn_make_concat(mq_call *c, int threads, int axis, int n, const mq_dn_desc *src, const mq_dn_desc *dst,
                            mq_dn_op **out);
mq_status mq_dn_make_softmax(mq_call *c, int threads, int axis, const mq_dn_desc *data, mq_dn_op **out);
mq_status mq_dn_make_batch_norm(mq_call *c, int threads, float epsilon, const mq_dn_desc *data, mq_dn_op **out);
mq_status mq_dn_make_layer_norm(mq_call *c, int threads, float epsilon, const mq_dn_desc *data, mq_dn_op **out);
mq_status mq_dn_make_resample(mq_call *c, int threads, dnnl_alg_kind_t alg, const mq_dn_desc *src, const mq_dn_desc *dst,
                              mq_dn_op **out);
mq_status mq_dn_make_lrn(mq_call *c, int threads, int64_t size, float alpha, float beta, float k, const mq_dn_desc *data,
                         mq_dn_op **out);
/* One layer; the states that it starts from may say nothing (mq_dn_none). */
typedef struct mq_dn_lstm {
    mq_dn_desc x, h, c, w, r, bias, y, y_h, y_c;
    dnnl_rnn_direction_t direction;
} mq_dn_lstm;
mq_status mq_dn_make_lstm(mq_call *c, int threads, const mq_dn_lstm *l, mq_dn_op **out);
mq_status mq_dn_make_reorder(int threads, const mq_dn_desc *src, const mq_dn_desc *dst, mq_dn_op **out, mq_error *err);

/* Packed 8-bit weights, with what the library keeps behind them: is d such a matrix? *bare: the weights alone. */
bool mq_dn_without_sums(const mq_dn_desc *d, mq_dn_desc *bare);
/* What goes behind the bare weights at `to`, from the plain ones (strides as in `plain`). */
void mq_dn_write_sums(const mq_dn_desc *plain, const int8_t *from, const mq_dn_desc *bare, void *to);

/* ---- what kernels share (feed.c) ---------------------------------------------------------------------------------- */

/* An input as the primitive wants it. */
typedef struct mq_dn_feed {
    size_t input;
    int what;
    mq_dn_desc have, want;
    mq_dn_op *reorder; /* NULL: as it lies there; or it is constant */
    bool constant;
    bool flip; /* of a constant: uint8 becomes int8 by taking 128 off */
    bool flush; /* of a constant: it has numbers too small for full precision, which become 0 */
} mq_dn_feed;

/* Input i, lying there as `have`, is wanted as op wants it. Constants are put into the order once for the plan. */
mq_status mq_dn_feed_init(mq_call *c, mq_dn_feed *f, size_t i, int what, const mq_dn_desc *have, const mq_dn_op *op);
/* The same in the order `want`, for no primitive. */
mq_status mq_dn_feed_as(mq_call *c, mq_dn_feed *f, size_t i, const mq_dn_desc *have, const mq_dn_desc *want);
void mq_dn_feed_release(mq_dn_feed *f);
/* Its memory for this call. */
mq_status mq_dn_feed_data(mq_call *c, mq_dn_feed *f, mq_dn_arg *arg);

/* An output: handed on in the order in which op makes it when all readers take that, else plain. */
typedef struct mq_dn_result {
    size_t output;
    int what;           /* of op */
    mq_dtype dtype;
    int rank;
    int64_t dims[MQ_MAX_RANK];
    const void *layout; /* NULL: plain */
    size_t bytes;       /* as op makes it */
    mq_dn_op *reorder;  /* to plain; NULL: it is already what is handed on */
    void *data, *plain;
} mq_dn_result;

mq_status mq_dn_result_init(mq_call *c, mq_dn_result *r, size_t i, mq_dtype dtype, int rank, const int64_t *dims,
                            const mq_dn_desc *made);
void mq_dn_result_release(mq_dn_result *r);
/* Makes the output; r->data is where op writes to. */
mq_status mq_dn_result_open(mq_call *c, mq_dn_result *r, mq_dn_arg *arg);
mq_status mq_dn_result_close(mq_call *c, mq_dn_result *r);

/* The state of a kernel that is one primitive: inputs in, one output out. */
typedef struct mq_dn_task {
    mq_dn_op *op;
    mq_dn_result y;
    int n_zeros; /* zero points: of what, and their values */
    int zero_of[2];
    int32_t zeros[2];
    bool has_sum; /* the output begins with this input */
    mq_dn_feed sum;
    int n_feeds;
    mq_dn_feed feeds[];
} mq_dn_task;

/* With room for so many inputs. NULL: out of memory, and c->err says so. */
mq_dn_task *mq_dn_task_create(mq_call *c, int most_feeds);
/* t->op is there: input i, lying there as `have`, is its argument `what`. */
mq_status mq_dn_task_feed(mq_call *c, mq_dn_task *t, size_t i, int what, const mq_dn_desc *have);
/* t->op adds to input i: the output begins with it, in its memory when nobody needs it any more. */
mq_status mq_dn_task_sum(mq_call *c, mq_dn_task *t, size_t i, const mq_dn_desc *have);
/* t->op's result is output 0. */
mq_status mq_dn_task_result(mq_call *c, mq_dn_task *t, mq_dtype dtype, int rank, const int64_t *dims);
/* The same where that is op's argument `what`. */
mq_status mq_dn_task_result_of(mq_call *c, mq_dn_task *t, int what, mq_dtype dtype, int rank, const int64_t *dims);
/* The primitive was made to take a zero point for MQ_DN_SRC or MQ_DN_DST. */
void mq_dn_task_zero(mq_dn_task *t, int what, int32_t value);
mq_status mq_dn_task_run(mq_call *c, void *task);
void mq_dn_task_release(void *task);

#endif
