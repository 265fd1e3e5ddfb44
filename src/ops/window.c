/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The sliding window of convolution and pooling: its attributes checked once, and the size it leaves of an axis.
 * Computes no padding amounts: kernels do that themselves. */
#include "ops/rule_parts.h"

/* An integer list of n entries >= least, or n times `absent`. */
static mq_status read_list(mq_infer *in, const char *name, int n, int64_t absent, int64_t least, int64_t **out)
{
    size_t count;
    const int64_t *given = mq_node_attr_ints(in->node, name, &count);
    int64_t *list = mq_arena_calloc(in->model->arena, n > 0 ? (size_t)n : 1, sizeof *list);

    if (!list)
        return mq_oom(in->err);
    if (given && count != (size_t)n)
        return mq_fail(in->err, MQ_ERR_INPUT, "attribute '%s' has %zu entries, %d are needed", name, count, n);
    for (int i = 0; i < n; i++) {
        list[i] = given ? given[i] : absent;
        if (list[i] < least)
            return mq_fail(in->err, MQ_ERR_INPUT, "attribute '%s' holds %lld, it must be at least %lld", name,
                           (long long)list[i], (long long)least);
    }
    *out = list;
    return MQ_OK;
}

static mq_status read_auto_pad(mq_infer *in, mq_auto_pad *out)
{
    const mq_attr *a = mq_node_attr(in->node, "auto_pad");

    *out = MQ_PAD_EXPLICIT;
    if (!a || a->type != MQ_ATTR_STRING || a->s.n == 0 || mq_node_attr_is(in->node, "auto_pad", "NOTSET"))
        return MQ_OK;
    if (mq_node_attr_is(in->node, "auto_pad", "SAME_UPPER") || mq_node_attr_is(in->node, "auto_pad", "SAME_LOWER"))
        *out = MQ_PAD_SAME;
    else if (mq_node_attr_is(in->node, "auto_pad", "VALID"))
        *out = MQ_PAD_VALID;
    else
        return mq_fail(in->err, MQ_ERR_INPUT,
                       "attribute 'auto_pad' is '%.*s', it must be NOTSET, SAME_UPPER, SAME_LOWER or VALID",
                       a->s.n > 40 ? 40 : (int)a->s.n, (const char *)a->s.data);
    return MQ_OK;
}

mq_status mq_window_read(mq_infer *in, int n, mq_window *w)
{
    size_t n_kernel;
    int64_t *kernel;

    *w = (mq_window){ .n = n, .kernel = mq_dims_new(in, n) };
    if (!w->kernel)
        return mq_oom(in->err);
    if (mq_node_attr_ints(in->node, "kernel_shape", &n_kernel)) {
        MQ_RULE_TRY(read_list(in, "kernel_shape", n, 1, 1, &kernel));
        for (int i = 0; i < n; i++)
            w->kernel[i] = MQ_DIM(kernel[i]);
    }
    MQ_RULE_TRY(read_list(in, "strides", n, 1, 1, &w->strides));
    MQ_RULE_TRY(read_list(in, "dilations", n, 1, 1, &w->dilations));
    MQ_RULE_TRY(read_list(in, "pads", 2 * n, 0, INT64_MIN, &w->pads));
    MQ_RULE_TRY(read_auto_pad(in, &w->auto_pad));
    w->ceil = mq_node_attr_int(in->node, "ceil_mode", 0) != 0;
    return MQ_OK;
}

mq_dim mq_window_extent(mq_infer *in, const mq_window *w, int i)
{
    const mq_dim steps = mq_dim_sub(in, w->kernel[i], MQ_DIM(1));

    return mq_dim_add(in, mq_dim_mul(in, steps, MQ_DIM(w->dilations[i])), MQ_DIM(1));
}

/* Numbers only: positions of a window of `extent` over size + begin + end. */
static mq_status slide_numbers(mq_infer *in, const mq_window *w, int i, int64_t size, int64_t extent, mq_dim *out)
{
    const int64_t begin = w->auto_pad == MQ_PAD_EXPLICIT ? w->pads[i] : 0;
    const int64_t end = w->auto_pad == MQ_PAD_EXPLICIT ? w->pads[w->n + i] : 0;
    const int64_t stride = w->strides[i];
    int64_t padded, room, last;

    if (__builtin_add_overflow(size, begin, &padded) || __builtin_add_overflow(padded, end, &padded) ||
        __builtin_sub_overflow(padded, extent, &room))
        return mq_fail(in->err, MQ_ERR_INPUT, "padding of axis %d is out of range", i + 2);
    if (room < 0)
        return mq_fail(in->err, MQ_ERR_INPUT,
                       "a window of %lld does not fit into spatial axis %d: %lld with %lld of padding",
                       (long long)extent, i, (long long)size, (long long)(padded - size));
    last = room / stride;
    /* a window that would start in the padding behind the data is left out */
    if (w->ceil && room % stride && !__builtin_mul_overflow(last + 1, stride, &room) && room < size + begin)
        last++;
    if (last == INT64_MAX)
        return MQ_OK;
    *out = MQ_DIM(last + 1);
    return MQ_OK;
}

mq_status mq_window_slide(mq_infer *in, const mq_window *w, int i, mq_dim size, mq_dim *out)
{
    const mq_dim extent = mq_window_extent(in, w, i), stride = MQ_DIM(w->strides[i]);
    mq_dim pad = MQ_DIM(0);

    *out = MQ_DIM_UNKNOWN;
    if (w->auto_pad == MQ_PAD_SAME) {
        *out = w->strides[i] == 1 ? size : mq_dim_div(in, mq_dim_add(in, size, MQ_DIM(w->strides[i] - 1)), stride);
        return MQ_OK;
    }
    if (mq_dim_known(size) && mq_dim_known(extent))
        return slide_numbers(in, w, i, size.value, extent.value, out);
    if (w->auto_pad == MQ_PAD_EXPLICIT) {
        int64_t both;

        if (__builtin_add_overflow(w->pads[i], w->pads[w->n + i], &both) || both < 0)
            return MQ_OK;
        pad = MQ_DIM(both);
    }
    /* the usual "same" convolution written out: the size stays, even when it is a symbol */
    if (w->strides[i] == 1 && mq_dim_known(extent) && extent.value == pad.value + 1)
        *out = size;
    else if (!w->ceil && mq_dim_known(extent))
        *out = mq_dim_add(in, mq_dim_div(in, mq_dim_sub(in, mq_dim_add(in, size, pad), extent), stride), MQ_DIM(1));
    return MQ_OK;
}
