/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "quant/softmax_input.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "passes/pass.h"

/* All n values of a row that count as lying this far below its largest add at most 2^-10 to a sum that is at least 1. */
#define LOG_PART (10 * 0.69314718f)

bool mq_softmax_reads(const mq_value *v, int *axis)
{
    const mq_node *n = mq_only_reader(v);

    if (!n || !mq_node_is(n, "", "Softmax") || mq_opset_of(n->graph, "") < 13)
        return false;
    *axis = (int)mq_node_attr_int(n, "axis", -1);
    return true;
}

static void lift_row(float *x, size_t n, size_t stride)
{
    const float depth = logf((float)n) + LOG_PART;
    float least = INFINITY, most = -INFINITY;

    for (size_t i = 0; i < n; i++) {
        const float v = x[i * stride];
        least = v < least ? v : least;
        most = v > most ? v : most;
    }
    for (size_t i = 0; i < n; i++) {
        float *v = &x[i * stride];
        if (least == most)
            *v = 0;
        else if (isfinite(most) && *v < most - depth)
            *v = most - depth;
    }
}

mq_status mq_softmax_lift(const mq_array *a, int axis, float **out, mq_error *err)
{
    size_t n, inner = 1;
    float *x = malloc((a->count + 1) * sizeof *x);

    if (!x)
        return mq_oom(err);
    memcpy(x, a->data, a->count * sizeof *x);
    axis = axis < 0 ? axis + a->rank : axis;
    n = axis >= 0 && axis < a->rank ? (size_t)a->dims[axis] : 0;
    for (int i = axis + 1; n && i < a->rank; i++)
        inner *= (size_t)a->dims[i];
    for (size_t row = 0; n && inner && row < a->count / n; row++)
        lift_row(x + row / inner * n * inner + row % inner, n, inner);
    *out = x;
    return MQ_OK;
}
