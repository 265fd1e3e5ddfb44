/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Windows that slide over an image: the attributes kernel_shape, strides, dilations, pads, auto_pad and ceil_mode. */
#ifndef MQ_EXEC_REF_SLIDE_H
#define MQ_EXEC_REF_SLIDE_H

#include "exec/kernel.h"

#define MQ_MAX_WINDOW (MQ_MAX_RANK - 2)
#define MQ_WINDOW_LIMIT INT32_MAX /* of every number in a window: so products of two cannot overflow */

typedef struct mq_window {
    int rank; /* spatial dims */
    int64_t in[MQ_MAX_WINDOW], kernel[MQ_MAX_WINDOW], stride[MQ_MAX_WINDOW], dilation[MQ_MAX_WINDOW];
    int64_t lo[MQ_MAX_WINDOW], hi[MQ_MAX_WINDOW]; /* padding before and behind, not negative */
    int64_t out[MQ_MAX_WINDOW];
} mq_window;

/* Attribute `name` as exactly `rank` numbers within [least, MQ_WINDOW_LIMIT]; absent: all `absent`. */
mq_status mq_call_window_list(mq_call *c, const char *name, int rank, int64_t least, int64_t absent, int64_t *out);
/* All but lo, hi from auto_pad and `out`: in holds rank dims; kernel the weight's, or NULL: from kernel_shape. */
mq_status mq_call_window_attrs(mq_call *c, int rank, const int64_t *in, const int64_t *kernel, mq_window *w);
/* The whole window with paddings and the output's size. */
mq_status mq_call_window(mq_call *c, int rank, const int64_t *in, const int64_t *kernel, mq_window *w);

/* Extent of the kernel along dim d, gaps included. */
int64_t mq_slide_extent(const mq_window *w, int d);
int64_t mq_window_taps(const mq_window *w); /* at most 2^40 */
/* Is there one window, and it is the image? */
bool mq_window_covers(const mq_window *w);
/* Product of dims; 0 when one is 0, however large the others. */
int64_t mq_window_count(int rank, const int64_t *dims);

/* Advances position at[] in dims[]; false: it was the last one. */
bool mq_window_next(int rank, const int64_t *dims, int64_t *at);

/* Along dim d, tap t lies inside the image for results [*from, *to). */
void mq_window_inside(const mq_window *w, int d, int64_t t, int64_t *from, int64_t *to);
/* Taps [*from, *to) of a window that starts at `first` along dim d lie in [low, high). */
void mq_window_taps_in(const mq_window *w, int d, int64_t first, int64_t low, int64_t high, int64_t *from, int64_t *to);
/* Where the taps of a window lie that meet the image: `first` + dilation * k for k below n, along each dim. */
typedef struct mq_window_view {
    int64_t first[MQ_MAX_WINDOW], n[MQ_MAX_WINDOW];
} mq_window_view;
/* Of the window of the result at at[]; false: it sees nothing. */
bool mq_window_view_at(const mq_window *w, const int64_t *at, mq_window_view *v);
/* Of tap[] (below v->n), the place in an image with these strides. */
int64_t mq_window_place(const mq_window *w, const mq_window_view *v, const int64_t *strides, const int64_t *tap);
/* Taps that count for result o along dim d of an average; pads: those in the padding too. */
int64_t mq_window_count_taps(const mq_window *w, int d, int64_t o, bool pads);

#endif
