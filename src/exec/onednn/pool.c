/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Pooling: MaxPool without indices, AveragePool, both over whole images, and ReduceMean over all spatial axes. Floats
 * as they come; 8-bit integers only from the library's own order. The result has the order of the input. */
#include <string.h>

#include "exec/onednn/kernels.h"
#include "exec/ref/pool.h"

typedef struct pool_case {
    dnnl_alg_kind_t alg;
    mq_window w;
    int64_t dims[MQ_MAX_RANK]; /* of the pooled image */
    int rank, out_rank;        /* of the output: with or without the spatial dims */
} pool_case;

/* With ceil_mode the last windows reach over the padding: the library is told of more, which an average that counts padding
 * would count too. Windows of padding alone are left to the reference kernel. */
static bool set_padding(pool_case *p, bool count_pads)
{
    for (int d = 0; d < p->w.rank; d++) {
        const int64_t extent = mq_slide_extent(&p->w, d);
        const int64_t hi = (p->w.out[d] - 1) * p->w.stride[d] + extent - p->w.in[d] - p->w.lo[d];

        if (hi > p->w.hi[d]) {
            if (count_pads)
                return false;
            p->w.hi[d] = hi;
        }
        if (p->w.lo[d] >= extent || p->w.hi[d] >= extent)
            return false;
    }
    return true;
}

static mq_status prepare(mq_call *c, pool_case *p, void **state)
{
    const mq_array *x = c->in[0];
    int64_t dims[MQ_MAX_RANK];
    const int rank = mq_dn_image_dims(p->rank, p->dims, dims);
    mq_dn_desc src, dst;
    mq_dn_window w;
    mq_dn_task *t;
    mq_status rc;

    if (!x->count || !mq_window_count(p->rank, p->dims) || !mq_dn_window_of(&p->w, &w) || !mq_dn_of_image(&src, x) ||
        !mq_dn_any(&dst, x->dtype, rank, dims))
        return MQ_OK;
    if (!(t = mq_dn_task_create(c, 1)))
        return MQ_ERR_NOMEM;
    rc = mq_dn_make_pool(c, mq_dn_threads_bytes(c, (double)mq_dn_bytes(&src) * 2), p->alg, &src, &dst, &w, &t->op);
    if (rc == MQ_OK && t->op && mq_dn_is_slow(t->op))
        rc = MQ_ERR_UNSUPPORTED;
    if (rc == MQ_OK && t->op)
        rc = mq_dn_task_feed(c, t, 0, MQ_DN_SRC, &src);
    if (rc == MQ_OK && t->op)
        rc = mq_dn_task_result(c, t, x->dtype, p->out_rank, p->dims);
    return mq_dn_prepared(rc, t->op, t, mq_dn_task_release, state);
}

static bool fits(const mq_call *c)
{
    const mq_array *x = c->n_in > 0 ? c->in[0] : NULL;

    return x && x->kind == MQ_TYPE_TENSOR && x->rank >= 3 && x->rank <= 5 &&
           (x->dtype == MQ_FLOAT || (x->layout && (x->dtype == MQ_UINT8 || x->dtype == MQ_INT8)));
}

static mq_status window_prepare(mq_call *c, void **state, dnnl_alg_kind_t alg)
{
    pool_case p = { .alg = alg };

    if (!fits(c) || mq_call_wants(c, 1) || mq_pool_shape(c, c->in[0], &p.w, p.dims) != MQ_OK ||
        !set_padding(&p, alg == dnnl_pooling_avg_include_padding))
        return MQ_OK;
    p.rank = p.out_rank = c->in[0]->rank;
    return prepare(c, &p, state);
}

static mq_status max_prepare(mq_call *c, void **state)
{
    return window_prepare(c, state, dnnl_pooling_max);
}

static mq_status average_prepare(mq_call *c, void **state)
{
    return window_prepare(c, state, mq_node_attr_int(c->node, "count_include_pad", 0) ? dnnl_pooling_avg_include_padding
                                                                                      : dnnl_pooling_avg_exclude_padding);
}

/* One window: the image. */
static mq_status whole_prepare(mq_call *c, void **state, dnnl_alg_kind_t alg, bool keep_dims)
{
    const mq_array *x = c->in[0];
    pool_case p = { .alg = alg, .rank = x->rank, .out_rank = keep_dims ? x->rank : 2, .w = { .rank = x->rank - 2 } };

    memcpy(p.dims, x->dims, 2 * sizeof *p.dims);
    for (int d = 0; d < p.w.rank; d++) {
        p.w.in[d] = p.w.kernel[d] = x->dims[d + 2];
        p.w.stride[d] = p.w.dilation[d] = p.w.out[d] = p.dims[d + 2] = 1;
        if (x->dims[d + 2] > 1 << 15)
            return MQ_OK;
    }
    return prepare(c, &p, state);
}

static mq_status global_average_prepare(mq_call *c, void **state)
{
    return fits(c) ? whole_prepare(c, state, dnnl_pooling_avg_include_padding, true) : MQ_OK;
}

/* Only from the library's order: plain planes are as fast without it, and keep a NaN. */
static mq_status global_max_prepare(mq_call *c, void **state)
{
    return fits(c) && c->in[0]->layout ? whole_prepare(c, state, dnnl_pooling_max, true) : MQ_OK;
}

/* Constant axes that are all spatial ones, each once; only from the library's order (plain rows are as fast without it). */
static mq_status mean_prepare(mq_call *c, void **state)
{
    const mq_array *axes = c->n_in > 1 ? c->in[1] : NULL;
    unsigned seen = 0;

    if (!fits(c) || !c->in[0]->layout || c->in[0]->dtype != MQ_FLOAT || !axes || !axes->constant ||
        axes->dtype != MQ_INT64 ||
        axes->rank != 1 || axes->count != (size_t)c->in[0]->rank - 2)
        return MQ_OK;
    for (size_t i = 0; i < axes->count; i++) {
        int64_t a = mq_array_i64(axes, i);

        a += a < 0 ? c->in[0]->rank : 0;
        if (a < 2 || a >= c->in[0]->rank || seen >> a & 1)
            return MQ_OK;
        seen |= 1u << a;
    }
    return whole_prepare(c, state, dnnl_pooling_avg_include_padding, mq_node_attr_int(c->node, "keepdims", 1) != 0);
}

const mq_fast mq_dn_pool_rows[] = {
    { "", "MaxPool", "onednn:pool", max_prepare, mq_dn_task_run, mq_dn_task_release, 1 },
    { "", "AveragePool", "onednn:pool", average_prepare, mq_dn_task_run, mq_dn_task_release, 1 },
    { "", "GlobalMaxPool", "onednn:pool", global_max_prepare, mq_dn_task_run, mq_dn_task_release, 1 },
    { "", "GlobalAveragePool", "onednn:pool", global_average_prepare, mq_dn_task_run, mq_dn_task_release, 1 },
    { "", "ReduceMean", "onednn:pool", mean_prepare, mq_dn_task_run, mq_dn_task_release, 1 },
    { 0 },
};
