/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The sums of a convolution, for floats and for integers that were widened before. */
#ifndef MQ_EXEC_REF_CONV_CORE_H
#define MQ_EXEC_REF_CONV_CORE_H

#include "exec/ref/slide.h"

typedef struct mq_conv {
    int64_t batch, in_ch, out_ch, group;
    mq_window w;
    int out_rank;
    int64_t out_dims[MQ_MAX_RANK];
} mq_conv;

/* Checks X [N, C, ...] and W [M, C/group, ...] against each other and the attributes. */
mq_status mq_conv_shape(mq_call *c, const mq_array *x, const mq_array *w, mq_conv *v);
/* The checks that bias b (may be NULL) has one element for each of n channels. */
mq_status mq_conv_check_bias(mq_call *c, const mq_array *b, int64_t n);
/* y = conv(x, w) without bias, not empty; all of `dtype` (what mq_gemm has). */
mq_status mq_conv_run(mq_call *c, const mq_conv *v, mq_dtype dtype, const void *x, const void *w, void *y);

/* dst[positions of a padded image] = src, the rest zero, for `planes` images of dims; elem bytes each. */
void mq_conv_pad(const mq_window *w, int64_t planes, const void *src, void *dst, size_t elem, int n_threads);
/* Sizes of the padded image; false: unreasonably large (more than `most` elements). */
bool mq_conv_padded(const mq_window *w, int64_t planes, double most, int64_t dims[MQ_MAX_WINDOW], int64_t *plane);

#endif
