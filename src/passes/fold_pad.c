/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* fold-pad: zeros around an image are padding of the convolution or the average that follows.
 *   Pad by zeros -> Conv                                                       =>  Conv with larger pads
 *   Pad by zeros -> AveragePool that counts its padding, or has none           =>  AveragePool that counts its padding
 * Skipped when Pad has another reader, pads batch or channels, takes something away, is not constant, or fills with another
 * value; when the node behind chooses its padding itself (auto_pad) or rounds its size up (ceil_mode).
 * Numerics: exact, zeros are added up in other places. */
#include <string.h>

#include "passes/pass.h"

#define MAX_PADS 16
#define PADS_ARE_INPUTS 11 /* opset */

/* Fills with zeros? */
static bool fills_with_zeros(const mq_node *pad)
{
    double value = (double)mq_node_attr_float(pad, "value", 0);

    if (mq_node_attr(pad, "mode") && !mq_node_attr_is(pad, "mode", "constant"))
        return false;
    if (pad->n_inputs > 3 && pad->inputs[3]) /* axes */
        return false;
    if (pad->n_inputs > 2 && pad->inputs[2] && !mq_constant_number(pad->inputs[2], &value))
        return false;
    return value == 0;
}

/* Begins and ends of every axis: 2 * rank of them; none is negative, batch and channels have none. */
static bool read_pads(const mq_node *pad, size_t rank, int64_t *pads)
{
    mq_tensor *t = mq_constant_input(pad, 1);
    size_t count;
    const int64_t *list = mq_node_attr_ints(pad, "pads", &count);

    if (mq_opset_of(pad->graph, "") < PADS_ARE_INPUTS) {
        if (count != 2 * rank)
            return false;
        memcpy(pads, list, count * sizeof *pads);
    } else if (!t || mq_tensor_count(t) != (int64_t)(2 * rank) ||
               mq_tensor_read_i64(t, 0, 2 * rank, pads, NULL) != MQ_OK) {
        return false;
    }
    for (size_t i = 0; i < 2 * rank; i++)
        if (pads[i] < 0 || (pads[i] && i % rank < 2))
            return false;
    return true;
}

/* The pads of n with those of Pad added; false: n cannot take them. */
static bool add_pads(const mq_node *n, size_t rank, const int64_t *more, int64_t *pads)
{
    const size_t axes = rank - 2;
    const bool average = mq_node_is(n, "", "AveragePool");
    bool any = false;
    size_t count;
    const int64_t *own = mq_node_attr_ints(n, "pads", &count);

    if ((own && count != 2 * axes) || (mq_node_attr(n, "auto_pad") && !mq_node_attr_is(n, "auto_pad", "NOTSET")))
        return false;
    for (size_t i = 0; i < 2 * axes; i++) {
        const int64_t add = more[i < axes ? i + 2 : i - axes + rank + 2];

        pads[i] = own ? own[i] : 0;
        any |= pads[i] != 0;
        if (__builtin_add_overflow(pads[i], add, &pads[i]))
            return false;
    }
    return !average || (!mq_node_attr_int(n, "ceil_mode", 0) && (!any || mq_node_attr_int(n, "count_include_pad", 0)));
}

/* A runtime may refuse a window that lies in the padding alone. */
static bool window_reaches_in(const mq_node *n, size_t axes, const int64_t *pads)
{
    size_t count;
    const int64_t *kernel = mq_node_attr_ints(n, "kernel_shape", &count);

    if (count != axes)
        return false;
    for (size_t i = 0; i < 2 * axes; i++)
        if (pads[i] >= kernel[i % axes])
            return false;
    return true;
}

static mq_status fold(mq_node *n, size_t *n_changed, mq_error *err)
{
    mq_node *pad = n->n_inputs ? mq_pass_only_producer(n->inputs[0], "Pad") : NULL;
    const int rank = pad ? mq_value_rank(pad->inputs[0]) : -1;
    int64_t more[MAX_PADS], pads[MAX_PADS];
    mq_status rc = MQ_OK;

    if (!pad || rank < 3 || 2 * rank > MAX_PADS || !fills_with_zeros(pad) || !read_pads(pad, (size_t)rank, more) ||
        !add_pads(n, (size_t)rank, more, pads))
        return MQ_OK;
    if (mq_node_is(n, "", "AveragePool") && !window_reaches_in(n, (size_t)rank - 2, pads))
        return MQ_OK;
    MQ_TRY(mq_node_set_attr_ints(n, "pads", pads, 2 * ((size_t)rank - 2), err));
    if (mq_node_is(n, "", "AveragePool"))
        MQ_TRY(mq_node_set_attr_int(n, "count_include_pad", 1, err));
    MQ_TRY(mq_node_set_input(n, 0, pad->inputs[0], err));
    mq_pass_drop(pad);
    ++*n_changed;
done:
    return rc;
}

static mq_status visit(mq_node *n, size_t *n_changed, mq_error *err)
{
    return mq_node_is(n, "", "Conv") || mq_node_is(n, "", "AveragePool") ? fold(n, n_changed, err) : MQ_OK;
}

const mq_pass mq_pass_fold_pad = {
    .name = "fold-pad", .summary = "pad in the convolution or average that follows", .node = visit
};
