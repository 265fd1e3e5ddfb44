/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* SoftmaxGrad and LogSoftmaxGrad (ops/grad_ops.h): dx = y * (dy - sum(dy * y)), and dx = dy - exp(y) * sum(dy), over each
 * set of elements along the axis; sums are double. */
#include <math.h>

#include "exec/ref/families.h"
#include "exec/ref/grad_core.h"
#include "exec/ref/util.h"
#include "ops/grad_ops.h"

#define SET(T, exp_of)                                                                                      \
    static void set_##T(const T *y, const T *dy, int64_t n, int64_t step, bool log, T *dx)                  \
    {                                                                                                       \
        double sum = 0;                                                                                     \
        for (int64_t i = 0; i < n; i++)                                                                     \
            sum += log ? (double)dy[i * step] : (double)dy[i * step] * (double)y[i * step];                 \
        for (int64_t i = 0; i < n; i++)                                                                     \
            dx[i * step] = log ? dy[i * step] - exp_of(y[i * step]) * (T)sum                                \
                               : y[i * step] * (T)((double)dy[i * step] - sum);                             \
    }
SET(float, expf)
SET(double, exp)

static mq_status softmax_grad(mq_call *c, bool log)
{
    void *dx = NULL;
    int axis = 0;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_grad_need(c, 2));
    const mq_array *y = c->in[0], *dy = c->in[1];
    MQ_TRY(mq_grad_want_shape(c, 1, y->rank, y->dims, "input 0"));
    MQ_TRY(mq_call_axis(c, mq_node_attr_int(c->node, "axis", -1), y->rank, &axis));
    MQ_TRY(mq_call_out_over(c, 0, 1, y->dtype, y->rank, y->dims, &dx));
    if (y->count == 0)
        return MQ_OK;
    const int64_t n = y->dims[axis], inner = mq_span(y->dims, axis + 1, y->rank), sets = (int64_t)y->count / n;
    const int threads = mq_call_threads(c, (int64_t)y->count);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t k = 0; k < sets; k++) {
        const int64_t at = k / inner * n * inner + k % inner;

        if (y->dtype == MQ_FLOAT)
            set_float((const float *)y->data + at, (const float *)dy->data + at, n, inner, log, (float *)dx + at);
        else
            set_double((const double *)y->data + at, (const double *)dy->data + at, n, inner, log, (double *)dx + at);
    }
done:
    return rc;
}

static mq_status op_softmax_grad(mq_call *c)
{
    return softmax_grad(c, false);
}

static mq_status op_log_softmax_grad(mq_call *c)
{
    return softmax_grad(c, true);
}

const mq_kernel mq_kernels_grad_softmax[] = {
    { MQ_GRAD_DOMAIN, "LogSoftmaxGrad", op_log_softmax_grad, 0 },
    { MQ_GRAD_DOMAIN, "SoftmaxGrad", op_softmax_grad, 0 },
    { 0 },
};
