/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* ConvGradInput and ConvGradWeight (ops/grad_ops.h), tap by tap in double: what faster kernels are compared with. */
#include <string.h>

#include "exec/ref/conv_core.h"
#include "exec/ref/families.h"
#include "exec/ref/grad_core.h"
#include "exec/ref/util.h"
#include "ops/grad_ops.h"

/* A tap that walks over the rows of results: at[] counts all dims but the last. */
typedef struct walk {
    const mq_window *w;
    int64_t strides[MQ_MAX_WINDOW]; /* of the image */
    int64_t at[MQ_MAX_WINDOW];
    int64_t from, to; /* results of a row that meet the image */
} walk;

/* Where the row's result 0 would lie in the image; false: the tap lies outside for the whole row. */
static bool row_of(const walk *k, const int64_t *tap, int64_t *base)
{
    const mq_window *w = k->w;
    const int last = w->rank - 1;

    *base = tap[last] * w->dilation[last] - w->lo[last];
    for (int d = 0; d < last; d++) {
        const int64_t p = k->at[d] * w->stride[d] + tap[d] * w->dilation[d] - w->lo[d];

        if (p < 0 || p >= w->in[d])
            return false;
        *base += p * k->strides[d];
    }
    return k->from < k->to;
}

static void start(walk *k, const mq_window *w, const int64_t *tap)
{
    memset(k->at, 0, sizeof k->at);
    k->w = w;
    mq_strides(w->rank, w->in, k->strides);
    mq_window_inside(w, w->rank - 1, tap[w->rank - 1], &k->from, &k->to);
}

/* dx += what the results' gradients give through one tap of weight v. */
static void scatter(const mq_window *w, const int64_t *tap, double v, const double *dy, double *dx)
{
    const int last = w->rank - 1;
    const int64_t step = w->stride[last];
    int64_t base;
    walk k;

    start(&k, w, tap);
    do {
        if (row_of(&k, tap, &base))
            for (int64_t j = k.from; j < k.to; j++)
                dx[base + j * step] += v * dy[j];
        dy += w->out[last];
    } while (mq_window_next(last, w->out, k.at));
}

/* The sum of dy times what the tap sees. */
static double gather(const mq_window *w, const int64_t *tap, const double *dy, const double *x)
{
    const int last = w->rank - 1;
    const int64_t step = w->stride[last];
    double sum = 0;
    int64_t base;
    walk k;

    start(&k, w, tap);
    do {
        if (row_of(&k, tap, &base))
            for (int64_t j = k.from; j < k.to; j++)
                sum += dy[j] * x[base + j * step];
        dy += w->out[last];
    } while (mq_window_next(last, w->out, k.at));
    return sum;
}

typedef struct grad_conv {
    mq_conv v;
    int64_t plane_in, plane_out, taps;
    int64_t in, out; /* channels of a group */
} grad_conv;

/* Shapes from the inputs that are x, w and dy. */
static mq_status read_case(mq_call *c, size_t x, size_t w, size_t dy, grad_conv *g)
{
    mq_status rc = MQ_OK;

    MQ_TRY(mq_grad_need(c, 3));
    MQ_TRY(mq_conv_shape(c, c->in[x], c->in[w], &g->v));
    MQ_TRY(mq_grad_want_shape(c, dy, g->v.out_rank, g->v.out_dims, "the result"));
    g->plane_in = mq_window_count(g->v.w.rank, g->v.w.in);
    g->plane_out = mq_window_count(g->v.w.rank, g->v.w.out);
    g->taps = mq_window_taps(&g->v.w);
    g->in = g->v.in_ch / g->v.group;
    g->out = g->v.out_ch / g->v.group;
done:
    return rc;
}

/* One channel of one image. */
static void input_plane(const grad_conv *g, int64_t image, int64_t ch, const double *dy, const double *w, double *dx)
{
    const int64_t group = ch / g->in;

    memset(dx, 0, (size_t)g->plane_in * sizeof *dx);
    for (int64_t m = group * g->out; m < (group + 1) * g->out; m++) {
        int64_t tap[MQ_MAX_WINDOW] = { 0 };
        const double *v = w + (m * g->in + ch % g->in) * g->taps;

        do {
            scatter(&g->v.w, tap, *v++, dy + (image * g->v.out_ch + m) * g->plane_out, dx);
        } while (mq_window_next(g->v.w.rank, g->v.w.kernel, tap));
    }
}

static mq_status op_conv_grad_input(mq_call *c)
{
    grad_conv g;
    mq_grad_out dx;
    const double *dy, *w;
    mq_status rc = MQ_OK;

    MQ_TRY(read_case(c, 2, 1, 0, &g));
    MQ_TRY(mq_grad_open(c, &dx, 0, c->in[0]->dtype, c->in[2]->rank, c->in[2]->dims));
    MQ_TRY(mq_grad_read(c, 0, &dy));
    MQ_TRY(mq_grad_read(c, 1, &w));
    const int64_t planes = g.plane_in > 0 ? g.v.batch * g.v.in_ch : 0;
    const int threads = mq_call_threads(c, dx.count);
    if (g.plane_out == 0)
        memset(dx.data, 0, (size_t)dx.count * sizeof *dx.data);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t p = 0; p < (g.plane_out > 0 ? planes : 0); p++)
        input_plane(&g, p / g.v.in_ch, p % g.v.in_ch, dy, w, dx.data + p * g.plane_in);
    mq_grad_close(c, &dx);
done:
    return rc;
}

/* All taps between channel ch of the input (of its group) and output channel m. */
static void weight_plane(const grad_conv *g, int64_t m, int64_t ch, const double *x, const double *dy, double *dw)
{
    const int64_t from = m / g->out * g->in + ch;
    int64_t tap[MQ_MAX_WINDOW] = { 0 };

    do {
        double sum = 0;

        for (int64_t i = 0; i < g->v.batch; i++)
            sum += gather(&g->v.w, tap, dy + (i * g->v.out_ch + m) * g->plane_out,
                          x + (i * g->v.in_ch + from) * g->plane_in);
        *dw++ = sum;
    } while (mq_window_next(g->v.w.rank, g->v.w.kernel, tap));
}

static void sum_bias(const grad_conv *g, const double *dy, double *db)
{
    for (int64_t m = 0; m < g->v.out_ch; m++) {
        db[m] = 0;
        for (int64_t i = 0; i < g->v.batch; i++)
            for (int64_t p = 0; p < g->plane_out; p++)
                db[m] += dy[(i * g->v.out_ch + m) * g->plane_out + p];
    }
}

static mq_status op_conv_grad_weight(mq_call *c)
{
    grad_conv g;
    mq_grad_out dw, db;
    const double *x, *dy;
    mq_status rc = MQ_OK;

    MQ_TRY(read_case(c, 0, 2, 1, &g));
    MQ_TRY(mq_grad_open(c, &dw, 0, c->in[0]->dtype, c->in[2]->rank, c->in[2]->dims));
    MQ_TRY(mq_grad_open(c, &db, 1, c->in[0]->dtype, 1, c->in[2]->dims));
    MQ_TRY(mq_grad_read(c, 0, &x));
    MQ_TRY(mq_grad_read(c, 1, &dy));
    const int64_t pairs = g.plane_in > 0 && g.plane_out > 0 ? g.v.out_ch * g.in : 0;
    const int threads = mq_call_threads(c, (int64_t)c->in[0]->count);
    if (pairs == 0)
        memset(dw.data, 0, (size_t)dw.count * sizeof *dw.data);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t p = 0; p < pairs; p++)
        weight_plane(&g, p / g.in, p % g.in, x, dy, dw.data + p * g.taps);
    if (mq_call_wants(c, 1))
        sum_bias(&g, dy, db.data);
    mq_grad_close(c, &dw);
    mq_grad_close(c, &db);
done:
    return rc;
}

const mq_kernel mq_kernels_grad_conv[] = {
    { MQ_GRAD_DOMAIN, "ConvGradInput", op_conv_grad_input, 0 },
    { MQ_GRAD_DOMAIN, "ConvGradWeight", op_conv_grad_weight, 0 },
    { 0 },
};
