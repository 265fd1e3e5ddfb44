/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* ConvTranspose of any spatial rank: for each output channel, products of weights and inputs (taps by positions, a block
 * at a time) are added into a plane of full size, of which the result is a part. */
#ifdef _OPENMP
#include <omp.h>
#endif
#include <string.h>

#include "exec/ref/conv_core.h"
#include "exec/ref/families.h"
#include "exec/ref/gemm.h"
#include "exec/ref/util.h"

enum { TAPS = 64, POSITIONS = 1024 }; /* of one block of products */

typedef struct transpose {
    mq_window w;
    int64_t batch, in_ch, out_ch, group;
    int64_t full[MQ_MAX_WINDOW], strides[MQ_MAX_WINDOW]; /* of the plane before cropping */
    int64_t plane, taps, positions;
    int64_t *rows, *cols; /* offsets of taps, of input positions */
} transpose;

/* lo[] from the size that is wanted; out[] is that size. */
static void pads_for(mq_window *w, const int64_t *out_pad, bool upper)
{
    for (int d = 0; d < w->rank; d++) {
        int64_t total = w->stride[d] * (w->in[d] - 1) + out_pad[d] + mq_slide_extent(w, d) - w->out[d];
        total = total > 0 ? total : 0;
        w->lo[d] = upper ? total / 2 : total - total / 2;
    }
}

static mq_status read_output(mq_call *c, mq_window *w)
{
    const bool upper = mq_node_attr_is(c->node, "auto_pad", "SAME_UPPER");
    const bool lower = mq_node_attr_is(c->node, "auto_pad", "SAME_LOWER");
    const bool valid = mq_node_attr_is(c->node, "auto_pad", "VALID");
    int64_t out_pad[MQ_MAX_WINDOW];
    size_t n = 0;
    const int64_t *wanted = mq_node_attr_ints(c->node, "output_shape", &n);
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_window_list(c, "output_padding", w->rank, 0, 0, out_pad));
    if (wanted && n > 0 && n != (size_t)w->rank && n != (size_t)w->rank + 2)
        return mq_call_fail(c, "attribute 'output_shape' has %zu elements; %d are wanted", n, w->rank);
    for (int d = 0; d < w->rank; d++) {
        if (wanted && n > 0)
            w->out[d] = wanted[n - (size_t)w->rank + (size_t)d];
        else if (upper || lower)
            w->out[d] = w->in[d] * w->stride[d];
        else
            w->out[d] = w->stride[d] * (w->in[d] - 1) + out_pad[d] + mq_slide_extent(w, d) -
                        (valid ? 0 : w->lo[d] + w->hi[d]);
        if (w->out[d] < 0)
            return mq_call_fail(c, "the result would have %lld elements along spatial axis %d", (long long)w->out[d], d);
        if (valid)
            w->lo[d] = w->hi[d] = 0;
    }
    if ((wanted && n > 0) || upper || lower)
        pads_for(w, out_pad, upper);
done:
    return rc;
}

static mq_status read_shapes(mq_call *c, transpose *t)
{
    const mq_array *x = c->in[0], *w = c->in[1];
    mq_status rc = MQ_OK;

    if (x->rank < 3 || w->rank != x->rank)
        return mq_call_fail(c, "input has rank %d and weight rank %d; equal ranks of at least 3 are wanted", x->rank,
                            w->rank);
    t->group = mq_node_attr_int(c->node, "group", 1);
    t->batch = x->dims[0];
    t->in_ch = x->dims[1];
    if (t->group < 1 || t->in_ch % t->group || w->dims[0] != t->in_ch ||
        __builtin_mul_overflow(w->dims[1], t->group, &t->out_ch))
        return mq_call_fail(c, "input has %lld channels, weight is for %lld, with %lld groups", (long long)t->in_ch,
                            (long long)w->dims[0], (long long)t->group);
    MQ_TRY(mq_call_window_attrs(c, x->rank - 2, x->dims + 2, w->dims + 2, &t->w));
    MQ_TRY(read_output(c, &t->w));
done:
    return rc;
}

/* Only when the result is not empty. */
static mq_status make_tables(mq_call *c, transpose *t)
{
    const mq_window *w = &t->w;
    double size = 1;
    int64_t at[MQ_MAX_WINDOW] = { 0 };

    t->taps = mq_window_taps(w);
    t->positions = mq_window_count(w->rank, w->in);
    t->plane = 1;
    for (int d = 0; d < w->rank; d++) {
        t->full[d] = w->in[d] ? w->stride[d] * (w->in[d] - 1) + mq_slide_extent(w, d) : 0;
        if ((size *= (double)t->full[d]) > 1e6 + 16 * ((double)t->positions + (double)c->out[0]->count))
            return mq_call_unsupported(c, "paddings cut away nearly all of the result");
        t->plane *= t->full[d];
    }
    mq_strides(w->rank, t->full, t->strides);
    t->rows = mq_call_scratch(c, (size_t)(t->taps + t->positions + 1) * sizeof *t->rows);
    if (!t->rows)
        return MQ_ERR_NOMEM;
    t->cols = t->rows + t->taps;
    memset(t->rows, 0, (size_t)(t->taps + t->positions) * sizeof *t->rows);
    for (int64_t p = 0; p < t->taps; p++, mq_window_next(w->rank, w->kernel, at))
        for (int d = 0; d < w->rank; d++)
            t->rows[p] += at[d] * w->dilation[d] * t->strides[d];
    memset(at, 0, sizeof at);
    for (int64_t p = 0; p < t->positions; p++, mq_window_next(w->rank, w->in, at))
        for (int d = 0; d < w->rank; d++)
            t->cols[p] += at[d] * w->stride[d] * t->strides[d];
    return MQ_OK;
}

#define BODY(T)                                                                                                    \
    static void add_##T(T *plane, const int64_t *rows, const int64_t *cols, const T *block, int64_t m, int64_t n)  \
    {                                                                                                              \
        for (int64_t i = 0; i < m; i++) {                                                                          \
            T *to = plane + rows[i];                                                                               \
            for (int64_t j = 0; j < n; j++)                                                                        \
                to[cols[j]] += block[i * n + j];                                                                   \
        }                                                                                                          \
    }                                                                                                              \
    /* The part of the plane that is the result, + bias. */                                                        \
    static void crop_##T(const transpose *t, const T *plane, T bias, T *y)                                         \
    {                                                                                                              \
        const mq_window *w = &t->w;                                                                                \
        const int last = w->rank - 1;                                                                              \
        int64_t at[MQ_MAX_WINDOW] = { 0 };                                                                         \
        do {                                                                                                       \
            bool inside = t->plane > 0;                                                                            \
            int64_t row = 0;                                                                                       \
            for (int d = 0; d < last; d++) {                                                                       \
                inside = inside && at[d] + w->lo[d] < t->full[d];                                                  \
                row += inside ? (at[d] + w->lo[d]) * t->strides[d] : 0;                                            \
            }                                                                                                      \
            const int64_t left = inside ? t->full[last] - w->lo[last] : 0, n = w->out[last];                       \
            const int64_t m = left < 0 ? 0 : left < n ? left : n;                                                  \
            for (int64_t j = 0; j < m; j++)                                                                        \
                y[j] = plane[row + w->lo[last] + j] + bias;                                                        \
            for (int64_t j = m; j < n; j++)                                                                        \
                y[j] = bias;                                                                                       \
            y += n;                                                                                                \
        } while (mq_window_next(last, w->out, at));                                                                \
    }
BODY(float)
BODY(double)

/* Output channel o of image i. */
static void run_channel(mq_call *c, const transpose *t, mq_gemm g, int64_t i, int64_t o, char *memory)
{
    const int64_t in = t->in_ch / t->group, out = t->out_ch / t->group, group = o / out, m = o % out;
    const size_t elem = (size_t)mq_dtype_bits(g.dtype) / 8;
    void *plane = memory, *block = memory + ((size_t)t->plane * elem + 63) / 64 * 64;
    void *scratch = (char *)block + TAPS * POSITIONS * elem;
    const char *w = (const char *)c->in[1]->data + (size_t)((group * in * out + m) * t->taps) * elem;
    const char *x = (const char *)c->in[0]->data + (size_t)((i * t->in_ch + group * in) * t->positions) * elem;

    memset(plane, 0, (size_t)t->plane * elem);
    g.c = block;
    for (int64_t p = 0; p < t->taps; p += TAPS) {
        for (int64_t j = 0; j < t->positions; j += POSITIONS) {
            g.m = t->taps - p < TAPS ? t->taps - p : TAPS;
            g.n = g.c_row = t->positions - j < POSITIONS ? t->positions - j : POSITIONS;
            g.a = w + (size_t)p * elem;
            g.b = x + (size_t)j * elem;
            mq_gemm_serial(&g, scratch);
            if (g.dtype == MQ_FLOAT)
                add_float(plane, t->rows + p, t->cols + j, block, g.m, g.n);
            else
                add_double(plane, t->rows + p, t->cols + j, block, g.m, g.n);
        }
    }
    const mq_array *bias = mq_call_has(c, 2) ? c->in[2] : NULL;
    void *y = (char *)c->out[0]->data + (size_t)((i * t->out_ch + o) * mq_span(t->w.out, 0, t->w.rank)) * elem;
    if (g.dtype == MQ_FLOAT)
        crop_float(t, plane, bias ? ((const float *)bias->data)[o] : 0, y);
    else
        crop_double(t, plane, bias ? ((const double *)bias->data)[o] : 0, y);
}

static mq_status run(mq_call *c, const transpose *t)
{
    const mq_dtype type = c->in[0]->dtype;
    const int64_t in = t->in_ch / t->group, out = t->out_ch / t->group, n = t->batch * t->out_ch;
    const mq_gemm g = { .dtype = type, .m = TAPS, .n = POSITIONS, .k = in, .a_row = 1, .a_col = out * t->taps,
                        .b_row = t->positions, .b_col = 1, .batch = 1 };
    const size_t elem = (size_t)mq_dtype_bits(type) / 8;
    const size_t size = ((size_t)t->plane * elem + 63) / 64 * 64 + TAPS * POSITIONS * elem + mq_gemm_scratch(&g);
    const int threads = n < c->n_threads ? (int)n : c->n_threads;
    char *memory = mq_call_scratch(c, size * (size_t)threads);

    if (!memory)
        return MQ_ERR_NOMEM;
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < n; i++) {
#ifdef _OPENMP
        run_channel(c, t, g, i / t->out_ch, i % t->out_ch, memory + size * (size_t)omp_get_thread_num());
#else
        run_channel(c, t, g, i / t->out_ch, i % t->out_ch, memory);
#endif
    }
    return MQ_OK;
}

static mq_status op_conv_transpose(mq_call *c)
{
    const mq_array *bias = mq_call_has(c, 2) ? c->in[2] : NULL;
    transpose t = { 0 };
    int64_t dims[MQ_MAX_RANK];
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 2));
    const mq_dtype type = c->in[0]->dtype;
    if (type != MQ_FLOAT && type != MQ_DOUBLE)
        return mq_call_bad_type(c, type);
    if (c->in[1]->dtype != type || (bias && bias->dtype != type))
        return mq_call_fail(c, "inputs have different element types");
    MQ_TRY(read_shapes(c, &t));
    MQ_TRY(mq_conv_check_bias(c, bias, t.out_ch));
    dims[0] = t.batch;
    dims[1] = t.out_ch;
    memcpy(dims + 2, t.w.out, (size_t)t.w.rank * sizeof *dims);
    MQ_TRY(mq_call_out(c, 0, type, t.w.rank + 2, dims, NULL));
    if (c->out[0]->count == 0)
        return MQ_OK;
    MQ_TRY(make_tables(c, &t));
    MQ_TRY(run(c, &t));
done:
    return rc;
}

const mq_kernel mq_kernels_conv_transpose[] = {
    { "", "ConvTranspose", op_conv_transpose, MQ_KERNEL_WIDEN },
    { 0 },
};
