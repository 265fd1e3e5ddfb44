/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Reads the window attributes of convolution and pooling and works out paddings and output sizes. */
#include "exec/ref/slide.h"

#include <string.h>

mq_status mq_call_window_list(mq_call *c, const char *name, int rank, int64_t least, int64_t absent, int64_t *out)
{
    size_t n = 0;
    const int64_t *v = mq_node_attr_ints(c->node, name, &n);

    if (v && n > 0 && n != (size_t)rank)
        return mq_call_fail(c, "attribute '%s' has %zu elements; %d are wanted", name, n, rank);
    for (int d = 0; d < rank; d++) {
        out[d] = v && n > 0 ? v[d] : absent;
        if (out[d] < least || out[d] > MQ_WINDOW_LIMIT)
            return mq_call_fail(c, "attribute '%s' holds %lld; numbers from %lld to %d are allowed", name, (long long)out[d],
                                (long long)least, MQ_WINDOW_LIMIT);
    }
    return MQ_OK;
}

static mq_status read_kernel(mq_call *c, const int64_t *kernel, mq_window *w)
{
    size_t n = 0;
    const bool given = mq_node_attr_ints(c->node, "kernel_shape", &n) && n > 0;
    double taps = 1;
    mq_status rc = MQ_OK;

    if (!given && !kernel)
        return mq_call_fail(c, "attribute 'kernel_shape' is missing");
    MQ_TRY(mq_call_window_list(c, "kernel_shape", w->rank, 1, 1, w->kernel));
    for (int d = 0; kernel && d < w->rank; d++) {
        if (given && kernel[d] != w->kernel[d])
            return mq_call_fail(c, "attribute 'kernel_shape' says %lld along spatial axis %d, the weight has %lld",
                                (long long)w->kernel[d], d, (long long)kernel[d]);
        if (kernel[d] < 1 || kernel[d] > MQ_WINDOW_LIMIT)
            return mq_call_fail(c, "the weight has %lld elements along spatial axis %d; 1 to %d are allowed",
                                (long long)kernel[d], d, MQ_WINDOW_LIMIT);
        w->kernel[d] = kernel[d];
    }
    for (int d = 0; d < w->rank; d++) {
        if ((taps *= (double)w->kernel[d]) > 0x1p40)
            return mq_call_fail(c, "the kernel has over 2^40 elements");
    }
done:
    return rc;
}

mq_status mq_call_window_attrs(mq_call *c, int rank, const int64_t *in, const int64_t *kernel, mq_window *w)
{
    int64_t pads[2 * MQ_MAX_WINDOW];
    mq_status rc = MQ_OK;

    memset(w, 0, sizeof *w);
    w->rank = rank;
    if (rank < 1 || rank > MQ_MAX_WINDOW)
        return mq_call_fail(c, "%d spatial axes; 1 to %d are allowed", rank, MQ_MAX_WINDOW);
    for (int d = 0; d < rank; d++) {
        if (in[d] > MQ_WINDOW_LIMIT)
            return mq_call_fail(c, "spatial axis %d has %lld elements; at most %d are allowed", d, (long long)in[d],
                                MQ_WINDOW_LIMIT);
        w->in[d] = in[d];
    }
    MQ_TRY(read_kernel(c, kernel, w));
    MQ_TRY(mq_call_window_list(c, "strides", rank, 1, 1, w->stride));
    MQ_TRY(mq_call_window_list(c, "dilations", rank, 1, 1, w->dilation));
    MQ_TRY(mq_call_window_list(c, "pads", 2 * rank, 0, 0, pads));
    memcpy(w->lo, pads, (size_t)rank * sizeof *pads);
    memcpy(w->hi, pads + rank, (size_t)rank * sizeof *pads);
done:
    return rc;
}

int64_t mq_slide_extent(const mq_window *w, int d)
{
    return (w->kernel[d] - 1) * w->dilation[d] + 1;
}

int64_t mq_window_taps(const mq_window *w)
{
    return mq_window_count(w->rank, w->kernel);
}

bool mq_window_covers(const mq_window *w)
{
    for (int d = 0; d < w->rank; d++)
        if (w->kernel[d] != w->in[d] || w->out[d] != 1 || w->lo[d] || w->hi[d])
            return false;
    return true;
}

int64_t mq_window_count(int rank, const int64_t *dims)
{
    int64_t n = 1;

    for (int d = 0; d < rank; d++) {
        if (dims[d] == 0)
            return 0;
    }
    for (int d = 0; d < rank; d++)
        n *= dims[d];
    return n;
}

bool mq_window_next(int rank, const int64_t *dims, int64_t *at)
{
    for (int d = rank - 1; d >= 0; d--) {
        if (++at[d] < dims[d])
            return true;
        at[d] = 0;
    }
    return false;
}

/* Sizes with pads as given: windows that would start in the padding behind the image do not count. */
static int64_t explicit_size(const mq_window *w, int d, bool ceil_mode)
{
    const int64_t span = w->in[d] + w->lo[d] + w->hi[d] - mq_slide_extent(w, d), stride = w->stride[d];
    int64_t out = (span >= 0 ? span / stride : -((-span + stride - 1) / stride)) + 1;

    if (ceil_mode && span > 0 && span % stride) {
        out++;
        if ((out - 1) * stride >= w->in[d] + w->lo[d])
            out--;
    }
    return out;
}

static int64_t same_size(mq_window *w, int d, bool upper)
{
    const int64_t out = (w->in[d] + w->stride[d] - 1) / w->stride[d];
    int64_t total = (out - 1) * w->stride[d] + mq_slide_extent(w, d) - w->in[d];

    total = total > 0 ? total : 0;
    w->lo[d] = upper ? total / 2 : total - total / 2;
    w->hi[d] = total - w->lo[d];
    return out;
}

mq_status mq_call_window(mq_call *c, int rank, const int64_t *in, const int64_t *kernel, mq_window *w)
{
    const mq_attr *pad = mq_node_attr(c->node, "auto_pad");
    const bool upper = mq_node_attr_is(c->node, "auto_pad", "SAME_UPPER");
    const bool lower = mq_node_attr_is(c->node, "auto_pad", "SAME_LOWER");
    const bool valid = mq_node_attr_is(c->node, "auto_pad", "VALID");
    const bool ceil_mode = mq_node_attr_int(c->node, "ceil_mode", 0) != 0;
    mq_status rc = MQ_OK;

    if (pad && !upper && !lower && !valid && !mq_node_attr_is(c->node, "auto_pad", "NOTSET"))
        return mq_call_fail(c, "attribute 'auto_pad' must be NOTSET, SAME_UPPER, SAME_LOWER or VALID");
    MQ_TRY(mq_call_window_attrs(c, rank, in, kernel, w));
    for (int d = 0; d < rank; d++) {
        if (valid)
            w->lo[d] = w->hi[d] = 0;
        w->out[d] = upper || lower ? same_size(w, d, upper) : explicit_size(w, d, ceil_mode && !valid);
        if (w->out[d] < 0)
            return mq_call_fail(c, "the window is %lld elements long along spatial axis %d, the padded input has %lld",
                                (long long)mq_slide_extent(w, d), d, (long long)(w->in[d] + w->lo[d] + w->hi[d]));
    }
done:
    return rc;
}

void mq_window_inside(const mq_window *w, int d, int64_t t, int64_t *from, int64_t *to)
{
    const int64_t shift = t * w->dilation[d] - w->lo[d], stride = w->stride[d], left = w->in[d] - 1 - shift;

    *from = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
    *to = left < 0 ? 0 : left / stride + 1;
    if (*to > w->out[d])
        *to = w->out[d];
}

void mq_window_taps_in(const mq_window *w, int d, int64_t first, int64_t low, int64_t high, int64_t *from, int64_t *to)
{
    const int64_t step = w->dilation[d];

    *from = first >= low ? 0 : (low - first + step - 1) / step;
    *to = high <= first ? 0 : (high - first - 1) / step + 1;
    if (*to > w->kernel[d])
        *to = w->kernel[d];
}

int64_t mq_window_count_taps(const mq_window *w, int d, int64_t o, bool pads)
{
    const int64_t low = pads ? -w->lo[d] : 0, high = pads ? w->in[d] + w->hi[d] : w->in[d]; /* places that count */
    int64_t from, to;

    mq_window_taps_in(w, d, o * w->stride[d] - w->lo[d], low, high, &from, &to);
    return to > from ? to - from : 0;
}

bool mq_window_view_at(const mq_window *w, const int64_t *at, mq_window_view *v)
{
    for (int d = 0; d < w->rank; d++) {
        const int64_t first = at[d] * w->stride[d] - w->lo[d];
        int64_t from, to;

        mq_window_taps_in(w, d, first, 0, w->in[d], &from, &to);
        v->first[d] = first + from * w->dilation[d];
        v->n[d] = to - from;
        if (v->n[d] <= 0)
            return false;
    }
    return true;
}

int64_t mq_window_place(const mq_window *w, const mq_window_view *v, const int64_t *strides, const int64_t *tap)
{
    int64_t p = 0;

    for (int d = 0; d < w->rank; d++)
        p += (v->first[d] + tap[d] * w->dilation[d]) * strides[d];
    return p;
}
