/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* MaxPoolGrad, AveragePoolGrad and GlobalAveragePoolGrad (ops/grad_ops.h) of floats, row-major or in blocks of channels. Our
 * own code: the library's maximum needs what its forward pass has noted, which is not at hand. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "exec/onednn/kernels.h"
#include "exec/ref/pool.h"
#include "exec/ref/util.h"
#include "ops/grad_ops.h"

enum { BLOCK = 16 };

typedef enum pool_kind { POOL_MAX, POOL_AVERAGE, POOL_WHOLE } pool_kind;

typedef struct pool_state {
    pool_kind kind;
    bool pads; /* an average counts padding */
    mq_window w;
    int64_t strides[MQ_MAX_WINDOW];
    mq_dn_planes p; /* of x */
    int64_t n_dy;   /* elements of dy's group */
    mq_dn_feed x, dy;
    bool has_x, has_dy;
    mq_dn_result dx;
    int threads;
} pool_state;

static void release(void *state)
{
    pool_state *s = state;

    if (s->has_x)
        mq_dn_feed_release(&s->x);
    if (s->has_dy)
        mq_dn_feed_release(&s->dy);
    mq_dn_result_release(&s->dx);
    free(s);
}

/* ---- one group of one image --------------------------------------------------------------------------------------- */

static void max_group(const pool_state *s, const float *x, const float *dy, float *dx)
{
    const int block = s->p.block;
    int64_t at[MQ_MAX_WINDOW] = { 0 };
    mq_window_view v;

    do {
        int64_t tap[MQ_MAX_WINDOW] = { 0 }, where[BLOCK];
        float best[BLOCK];
        bool first = true;

        if (mq_window_view_at(&s->w, at, &v)) {
            do {
                const int64_t p = mq_window_place(&s->w, &v, s->strides, tap) * block;

                for (int k = 0; k < block; k++)
                    if (first || x[p + k] > best[k] || isnan(x[p + k])) {
                        best[k] = x[p + k];
                        where[k] = p + k;
                    }
                first = false;
            } while (mq_window_next(s->w.rank, v.n, tap));
            for (int k = 0; k < block; k++)
                dx[where[k]] += dy[k];
        }
        dy += block;
    } while (mq_window_next(s->w.rank, s->w.out, at));
}

static void average_group(const pool_state *s, const float *dy, float *dx)
{
    const int block = s->p.block;
    int64_t at[MQ_MAX_WINDOW] = { 0 };
    mq_window_view v;

    do {
        int64_t tap[MQ_MAX_WINDOW] = { 0 }, count = 1;

        for (int d = 0; d < s->w.rank; d++)
            count *= mq_window_count_taps(&s->w, d, at[d], s->pads);
        if (mq_window_view_at(&s->w, at, &v))
            do {
                const int64_t p = mq_window_place(&s->w, &v, s->strides, tap) * block;

                for (int k = 0; k < block; k++)
                    dx[p + k] += dy[k] / (float)count;
            } while (mq_window_next(s->w.rank, v.n, tap));
        dy += block;
    } while (mq_window_next(s->w.rank, s->w.out, at));
}

static void whole_group(const pool_state *s, const float *dy, float *dx)
{
    const int block = s->p.block;
    const float n = (float)(s->p.n / block);
    float v[BLOCK];

    for (int k = 0; k < block; k++)
        v[k] = dy[k] / n;
    for (int64_t i = 0; i < s->p.n; i += block)
        memcpy(dx + i, v, (size_t)block * sizeof *v);
}

static void run_groups(const pool_state *s, const float *x, const float *dy, float *dx)
{
#pragma omp parallel for num_threads(s->threads) schedule(static) if (s->threads > 1)
    for (int64_t i = 0; i < s->p.images * s->p.groups; i++) {
        const float *from = dy + i * s->n_dy;
        float *to = dx + i * s->p.n;

        if (s->kind != POOL_WHOLE)
            memset(to, 0, (size_t)s->p.n * sizeof *to);
        if (s->kind == POOL_MAX)
            max_group(s, x + i * s->p.n, from, to);
        else if (s->kind == POOL_AVERAGE)
            average_group(s, from, to);
        else
            whole_group(s, from, to);
    }
}

/* ---- the case ----------------------------------------------------------------------------------------------------- */

/* dx's order and dy's: x's where it has one of its own that can be walked, else dy's, else plain. */
static bool choose_orders(const mq_array *x, const mq_array *dy, mq_dn_desc *of_x, mq_dn_desc *of_dy)
{
    int64_t dims[MQ_MAX_RANK], dy_dims[MQ_MAX_RANK];
    const int rank = mq_dn_image_dims(x->rank, x->dims, dims);
    mq_dn_desc own, like;
    mq_dn_planes p;

    mq_dn_image_dims(x->rank, dy->dims, dy_dims);
    if ((x->layout && mq_dn_of_array(&own, x)) || (dy->layout && mq_dn_of_array(&own, dy)))
        return mq_dn_planes_order(&like, &p, &own) && mq_dn_blocked_like(of_x, &like, MQ_FLOAT, rank, dims) &&
               mq_dn_blocked_like(of_dy, &like, MQ_FLOAT, rank, dy_dims);
    return mq_dn_plain(of_x, MQ_FLOAT, rank, dims) && mq_dn_plain(of_dy, MQ_FLOAT, rank, dy_dims);
}

static mq_status start(mq_call *c, size_t ix, size_t idy, pool_state *s)
{
    const mq_array *x = c->in[ix], *dy = c->in[idy];
    mq_dn_desc of_x, of_dy, have_x, have_dy;
    mq_dn_planes dy_planes;
    mq_status rc = MQ_OK;

    if (!choose_orders(x, dy, &of_x, &of_dy) || !mq_dn_planes_of(&s->p, &of_x) || !mq_dn_planes_of(&dy_planes, &of_dy) ||
        s->p.block != dy_planes.block || s->p.groups != dy_planes.groups || !mq_dn_of_image(&have_x, x) ||
        !mq_dn_of_image(&have_dy, dy))
        return MQ_ERR_UNSUPPORTED;
    s->n_dy = dy_planes.n;
    mq_strides(s->w.rank, s->w.in, s->strides);
    s->threads = mq_dn_threads_bytes(c, (double)x->count * 16);
    if (s->kind == POOL_MAX)
        MQ_TRY(mq_dn_feed_as(c, &s->x, ix, &have_x, &of_x));
    s->has_x = s->kind == POOL_MAX;
    MQ_TRY(mq_dn_feed_as(c, &s->dy, idy, &have_dy, &of_dy));
    s->has_dy = true;
    MQ_TRY(mq_dn_result_init(c, &s->dx, 0, MQ_FLOAT, x->rank, x->dims, &of_x));
done:
    return rc;
}

static mq_status prepare(mq_call *c, size_t ix, size_t idy, pool_kind kind, void **state)
{
    int64_t dims[MQ_MAX_RANK];
    const mq_array *x = c->n_in == 2 ? c->in[ix] : NULL, *dy = x ? c->in[idy] : NULL;
    pool_state *s;
    mq_status rc = MQ_OK;

    if (!x || !mq_dn_inputs_are(c, 3, MQ_FLOAT) || x->rank < 3 || x->rank > 5 || dy->rank != x->rank || !x->count ||
        !dy->count)
        return MQ_OK;
    if (!(s = calloc(1, sizeof *s)))
        return mq_oom(c->err);
    s->kind = kind;
    s->pads = mq_node_attr_int(c->node, "count_include_pad", 0) != 0;
    memcpy(dims, (int64_t[MQ_MAX_RANK]){ x->dims[0], x->dims[1], 1, 1, 1 }, sizeof dims);
    if (kind != POOL_WHOLE)
        rc = mq_pool_shape(c, x, &s->w, dims);
    if (rc == MQ_OK && memcmp(dims, dy->dims, (size_t)dy->rank * sizeof *dims) != 0)
        rc = MQ_ERR_UNSUPPORTED;
    if (rc == MQ_OK)
        rc = start(c, ix, idy, s);
    return mq_dn_prepared(rc, true, s, release, state);
}

static mq_status max_prepare(mq_call *c, void **state)
{
    return prepare(c, 0, 1, POOL_MAX, state);
}

static mq_status average_prepare(mq_call *c, void **state)
{
    return prepare(c, 1, 0, POOL_AVERAGE, state);
}

static mq_status whole_prepare(mq_call *c, void **state)
{
    return prepare(c, 1, 0, POOL_WHOLE, state);
}

static mq_status run(mq_call *c, void *state)
{
    pool_state *s = state;
    mq_dn_arg x = { 0 }, dy, dx;
    mq_status rc = MQ_OK;

    if (s->has_x)
        MQ_TRY(mq_dn_feed_data(c, &s->x, &x));
    MQ_TRY(mq_dn_feed_data(c, &s->dy, &dy));
    MQ_TRY(mq_dn_result_open(c, &s->dx, &dx));
    run_groups(s, x.data, dy.data, s->dx.data);
    MQ_TRY(mq_dn_result_close(c, &s->dx));
done:
    return rc;
}

const mq_fast mq_dn_grad_pool_rows[] = {
    { MQ_GRAD_DOMAIN, "MaxPoolGrad", "blocks:pool_grad", max_prepare, run, release, 3 },
    { MQ_GRAD_DOMAIN, "AveragePoolGrad", "blocks:pool_grad", average_prepare, run, release, 3 },
    { MQ_GRAD_DOMAIN, "GlobalAveragePoolGrad", "blocks:pool_grad", whole_prepare, run, release, 3 },
    { 0 },
};
