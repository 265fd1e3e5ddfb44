/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* MaxPoolGrad, AveragePoolGrad and GlobalAveragePoolGrad (ops/grad_ops.h), window by window in double. */
#include <math.h>
#include <string.h>

#include "exec/ref/families.h"
#include "exec/ref/grad_core.h"
#include "exec/ref/pool.h"
#include "exec/ref/util.h"
#include "ops/grad_ops.h"

static void max_plane(const mq_window *w, const int64_t *strides, const double *x, const double *dy, double *dx)
{
    int64_t at[MQ_MAX_WINDOW] = { 0 };
    mq_window_view v;

    do {
        int64_t tap[MQ_MAX_WINDOW] = { 0 }, best = -1;

        if (mq_window_view_at(w, at, &v)) {
            do {
                const int64_t p = mq_window_place(w, &v, strides, tap);

                if (best < 0 || x[p] > x[best] || isnan(x[p]))
                    best = p;
            } while (mq_window_next(w->rank, v.n, tap));
            dx[best] += *dy;
        }
        dy++;
    } while (mq_window_next(w->rank, w->out, at));
}

static void average_plane(const mq_window *w, const int64_t *strides, bool pads, const double *dy, double *dx)
{
    int64_t at[MQ_MAX_WINDOW] = { 0 };
    mq_window_view v;

    do {
        int64_t tap[MQ_MAX_WINDOW] = { 0 }, count = 1;

        for (int d = 0; d < w->rank; d++)
            count *= mq_window_count_taps(w, d, at[d], pads);
        if (mq_window_view_at(w, at, &v))
            do {
                dx[mq_window_place(w, &v, strides, tap)] += *dy / (double)count;
            } while (mq_window_next(w->rank, v.n, tap));
        dy++;
    } while (mq_window_next(w->rank, w->out, at));
}

/* x NULL: averages. */
static void run_planes(mq_call *c, const mq_window *w, int64_t planes, const double *x, const double *dy, double *dx)
{
    const bool pads = mq_node_attr_int(c->node, "count_include_pad", 0) != 0;
    const int64_t in = mq_window_count(w->rank, w->in), out = mq_window_count(w->rank, w->out);
    int64_t strides[MQ_MAX_WINDOW];
    const int threads = mq_call_threads(c, planes * in);

    mq_strides(w->rank, w->in, strides);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t p = 0; p < planes; p++) {
        memset(dx + p * in, 0, (size_t)in * sizeof *dx);
        if (out > 0 && x)
            max_plane(w, strides, x + p * in, dy + p * out, dx + p * in);
        else if (out > 0)
            average_plane(w, strides, pads, dy + p * out, dx + p * in);
    }
}

/* The gradient of a window over the input `ix` from the input `idy`. */
static mq_status pool_grad(mq_call *c, size_t ix, size_t idy, bool max)
{
    int64_t dims[MQ_MAX_RANK];
    const double *x = NULL, *dy;
    mq_grad_out dx;
    mq_window w;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_grad_need(c, 2));
    MQ_TRY(mq_pool_shape(c, c->in[ix], &w, dims));
    MQ_TRY(mq_grad_want_shape(c, idy, c->in[ix]->rank, dims, "the result"));
    MQ_TRY(mq_grad_open(c, &dx, 0, c->in[ix]->dtype, c->in[ix]->rank, c->in[ix]->dims));
    MQ_TRY(mq_grad_read(c, idy, &dy));
    if (max)
        MQ_TRY(mq_grad_read(c, ix, &x));
    if (dx.count > 0)
        run_planes(c, &w, dims[0] * dims[1], x, dy, dx.data);
    mq_grad_close(c, &dx);
done:
    return rc;
}

static mq_status op_max_pool_grad(mq_call *c)
{
    return pool_grad(c, 0, 1, true);
}

static mq_status op_average_pool_grad(mq_call *c)
{
    return pool_grad(c, 1, 0, false);
}

static mq_status op_global_average_pool_grad(mq_call *c)
{
    const double *dy;
    mq_grad_out dx;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_grad_need(c, 2));
    const mq_array *x = c->in[1];
    if (x->rank < 3 || (int64_t)c->in[0]->count != mq_span(x->dims, 0, 2))
        return mq_call_fail(c, "the gradient has not the shape of the averages");
    MQ_TRY(mq_grad_open(c, &dx, 0, x->dtype, x->rank, x->dims));
    MQ_TRY(mq_grad_read(c, 0, &dy));
    const int64_t n = mq_window_count(x->rank - 2, x->dims + 2);
    for (int64_t i = 0; i < dx.count; i++)
        dx.data[i] = dy[i / n] / (double)n;
    mq_grad_close(c, &dx);
done:
    return rc;
}

const mq_kernel mq_kernels_grad_pool[] = {
    { MQ_GRAD_DOMAIN, "AveragePoolGrad", op_average_pool_grad, 0 },
    { MQ_GRAD_DOMAIN, "GlobalAveragePoolGrad", op_global_average_pool_grad, 0 },
    { MQ_GRAD_DOMAIN, "MaxPoolGrad", op_max_pool_grad, 0 },
    { 0 },
};
