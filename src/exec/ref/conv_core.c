/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Convolution of any spatial rank as a matrix product whose right side is the image itself, seen through two tables: offsets
 * of taps and offsets of output positions. The image is copied once with its padding, so nothing asks for bounds. With few
 * output channels per group (depthwise) rows are summed directly instead. */
#include "exec/ref/conv_core.h"

#include <string.h>

#include "exec/ref/gemm.h"
#include "exec/ref/util.h"

typedef struct tables {
    int64_t k, n;        /* taps of all input channels of a group; output positions */
    int64_t *rows, *cols;
} tables;

#define T float
#define N(name) name##_f32
#include "exec/ref/conv.inc"
#undef T
#undef N
#define T double
#define N(name) name##_f64
#include "exec/ref/conv.inc"
#undef T
#undef N
#define T uint32_t
#define N(name) name##_u32
#include "exec/ref/conv.inc"
#undef T
#undef N

mq_status mq_conv_shape(mq_call *c, const mq_array *x, const mq_array *w, mq_conv *v)
{
    mq_status rc = MQ_OK;

    memset(v, 0, sizeof *v);
    if (x->rank < 3 || w->rank != x->rank)
        return mq_call_fail(c, "input has rank %d and weight rank %d; equal ranks of at least 3 are wanted", x->rank,
                            w->rank);
    v->group = mq_node_attr_int(c->node, "group", 1);
    v->batch = x->dims[0];
    v->in_ch = x->dims[1];
    v->out_ch = w->dims[0];
    if (v->group < 1 || v->in_ch % v->group || v->out_ch % v->group || v->in_ch / v->group != w->dims[1])
        return mq_call_fail(c, "input has %lld channels, weight is for %lld of %lld groups and has %lld outputs",
                            (long long)v->in_ch, (long long)w->dims[1], (long long)v->group, (long long)v->out_ch);
    MQ_TRY(mq_call_window(c, x->rank - 2, x->dims + 2, w->dims + 2, &v->w));
    v->out_rank = x->rank;
    v->out_dims[0] = v->batch;
    v->out_dims[1] = v->out_ch;
    memcpy(v->out_dims + 2, v->w.out, (size_t)v->w.rank * sizeof(int64_t));
done:
    return rc;
}

mq_status mq_conv_check_bias(mq_call *c, const mq_array *b, int64_t n)
{
    if (b && (b->rank != 1 || b->dims[0] != n))
        return mq_call_fail(c, "bias has rank %d and %zu elements; a list of %lld is wanted", b->rank, b->count,
                            (long long)n);
    return MQ_OK;
}

bool mq_conv_padded(const mq_window *w, int64_t planes, double most, int64_t dims[MQ_MAX_WINDOW], int64_t *plane)
{
    double total = (double)planes;

    *plane = 1;
    for (int d = 0; d < w->rank; d++) {
        dims[d] = w->in[d] + w->lo[d] + w->hi[d];
        total *= (double)dims[d];
        if (total > most || (double)*plane * (double)dims[d] > most)
            return false;
        *plane *= dims[d];
    }
    return true;
}

/* One plane: rows of the image go to their place. */
static void pad_plane(const mq_window *w, const int64_t *strides, const char *src, char *dst, size_t elem)
{
    const int last = w->rank - 1;
    const size_t row = (size_t)w->in[last] * elem;
    int64_t at[MQ_MAX_WINDOW] = { 0 };

    do {
        int64_t offset = w->lo[last];
        for (int d = 0; d < last; d++)
            offset += (at[d] + w->lo[d]) * strides[d];
        memcpy(dst + (size_t)offset * elem, src, row);
        src += row;
    } while (mq_window_next(last, w->in, at));
}

void mq_conv_pad(const mq_window *w, int64_t planes, const void *src, void *dst, size_t elem, int n_threads)
{
    int64_t dims[MQ_MAX_WINDOW], strides[MQ_MAX_WINDOW];

    for (int d = 0; d < w->rank; d++)
        dims[d] = w->in[d] + w->lo[d] + w->hi[d];
    mq_strides(w->rank, dims, strides);
    const size_t from = (size_t)mq_window_count(w->rank, w->in) * elem;
    const size_t to = (size_t)mq_window_count(w->rank, dims) * elem;
#pragma omp parallel for num_threads(n_threads) if (n_threads > 1)
    for (int64_t p = 0; p < planes; p++) {
        memset((char *)dst + (size_t)p * to, 0, to);
        if (from > 0)
            pad_plane(w, strides, (const char *)src + (size_t)p * from, (char *)dst + (size_t)p * to, elem);
    }
}

static mq_status make_tables(mq_call *c, const mq_window *w, int64_t channels, const int64_t *dims, int64_t plane, tables *t)
{
    int64_t strides[MQ_MAX_WINDOW], at[MQ_MAX_WINDOW] = { 0 };
    const int64_t taps = mq_window_taps(w);

    mq_strides(w->rank, dims, strides);
    t->k = channels * taps;
    t->n = mq_span(w->out, 0, w->rank);
    t->rows = mq_call_scratch(c, (size_t)(t->k + t->n) * sizeof *t->rows);
    if (!t->rows)
        return MQ_ERR_NOMEM;
    t->cols = t->rows + t->k;
    for (int64_t p = 0; p < taps && channels > 0; p++, mq_window_next(w->rank, w->kernel, at)) {
        int64_t offset = 0;
        for (int d = 0; d < w->rank; d++)
            offset += at[d] * w->dilation[d] * strides[d];
        for (int64_t ch = 0; ch < channels; ch++)
            t->rows[ch * taps + p] = ch * plane + offset;
    }
    memset(at, 0, sizeof at);
    for (int64_t p = 0; p < t->n; p++, mq_window_next(w->rank, w->out, at)) {
        t->cols[p] = 0;
        for (int d = 0; d < w->rank; d++)
            t->cols[p] += at[d] * w->stride[d] * strides[d];
    }
    return MQ_OK;
}

/* Per group: offsets of weights, image and result. */
static mq_status group_offsets(mq_call *c, const mq_conv *v, const tables *t, int64_t plane, mq_gemm *g)
{
    int64_t *at = mq_call_scratch(c, (size_t)v->group * 3 * sizeof *at);

    if (!at)
        return MQ_ERR_NOMEM;
    for (int64_t i = 0; i < v->group; i++) {
        at[i] = i * g->m * t->k;
        at[v->group + i] = i * (v->in_ch / v->group) * plane;
        at[2 * v->group + i] = i * g->m * t->n;
    }
    g->a_at = at;
    g->b_at = at + v->group;
    g->c_at = at + 2 * v->group;
    return MQ_OK;
}

/* Each output channel on its own. */
static void run_channels(mq_call *c, const mq_conv *v, const tables *t, const mq_gemm *g, mq_dtype dtype)
{
    const size_t elem = (size_t)mq_dtype_bits(dtype) / 8;
    const double work = (double)v->out_ch * (double)t->n * (double)t->k;
    const int threads = mq_call_threads(c, work < 1e15 ? (int64_t)work : (int64_t)1e15);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t o = 0; o < v->out_ch; o++) {
        const void *x = (const char *)g->b + (size_t)g->b_at[o / g->m] * elem;
        const void *w = (const char *)g->a + (size_t)(o * t->k) * elem;
        void *y = (char *)g->c + (size_t)(o * t->n) * elem;
        if (dtype == MQ_FLOAT)
            channel_f32(&v->w, t, x, w, y);
        else if (dtype == MQ_DOUBLE)
            channel_f64(&v->w, t, x, w, y);
        else
            channel_u32(&v->w, t, x, w, y);
    }
}

mq_status mq_conv_run(mq_call *c, const mq_conv *v, mq_dtype dtype, const void *x, const void *w, void *y)
{
    const size_t elem = (size_t)mq_dtype_bits(dtype) / 8;
    const int64_t image = v->in_ch ? mq_window_count(v->w.rank, v->w.in) * v->in_ch : 0;
    const int64_t out = mq_span(v->out_dims, 1, v->out_rank);
    int64_t dims[MQ_MAX_WINDOW], plane = 0;
    tables t = { 0 };
    void *padded = NULL;
    mq_status rc = MQ_OK;

    if (!mq_conv_padded(&v->w, v->in_ch, 1e6 + 16 * ((double)image + (double)out), dims, &plane))
        return mq_call_unsupported(c, "paddings make the image too large");
    mq_gemm g = { .dtype = dtype, .m = v->out_ch / v->group, .batch = v->group };
    MQ_TRY(make_tables(c, &v->w, v->in_ch / v->group, dims, plane, &t));
    MQ_TRY(group_offsets(c, v, &t, plane, &g));
    g.n = t.n;
    g.k = g.a_row = t.k;
    g.a_col = 1;
    g.a = w;
    g.b_rows = t.rows;
    g.b_cols = t.cols;
    g.c_row = t.n;
    if (v->batch > 1 && !(g.scratch = mq_call_scratch(c, mq_gemm_scratch(&g) * (size_t)c->n_threads)))
        return MQ_ERR_NOMEM;
    if (plane * v->in_ch != image && !(padded = mq_call_scratch(c, (size_t)(plane * v->in_ch) * elem)))
        return MQ_ERR_NOMEM;
    for (int64_t i = 0; i < v->batch; i++) {
        g.b = (const char *)x + (size_t)(i * image) * elem;
        g.c = (char *)y + (size_t)(i * out) * elem;
        if (padded) {
            mq_conv_pad(&v->w, v->in_ch, g.b, padded, elem, mq_call_threads(c, plane * v->in_ch));
            g.b = padded;
        }
        if (g.m < 4)
            run_channels(c, v, &t, &g, dtype);
        else
            MQ_TRY(mq_gemm_run(c, &g));
    }
done:
    return rc;
}
