/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* DeformConv of any spatial rank: samples each tap where its offset says (linear interpolation, zero outside), times its
 * mask; a block of positions at a time becomes a matrix that the weights are multiplied with. */
#ifdef _OPENMP
#include <omp.h>
#endif
#include <math.h>
#include <string.h>

#include "exec/ref/conv_core.h"
#include "exec/ref/families.h"
#include "exec/ref/gemm.h"
#include "exec/ref/util.h"

enum { BLOCK = 128, MAX_RANK = 4, MAX_CORNERS = 1 << MAX_RANK };

typedef struct deform {
    mq_conv v;
    int64_t offset_groups, taps, positions, image; /* positions of the result and elements of an input plane */
    int64_t strides[MQ_MAX_WINDOW];
} deform;

/* Where a sample's corners lie and what each counts; n 0: outside of the image. */
typedef struct corners {
    int n;
    int64_t at[MAX_CORNERS];
    double weight[MAX_CORNERS];
} corners;

static void find_corners(const deform *f, const double *place, double factor, corners *k)
{
    const mq_window *w = &f->v.w;

    k->n = 1;
    k->at[0] = 0;
    k->weight[0] = factor;
    for (int d = 0; d < w->rank; d++) {
        if (!(place[d] > -1 && place[d] < (double)w->in[d])) {
            k->n = 0;
            return;
        }
        const int64_t low = (int64_t)floor(place[d]);
        const double part = place[d] - (double)low;
        int n = 0;
        corners old = *k;
        for (int i = 0; i < old.n; i++) {
            if (low >= 0) {
                k->at[n] = old.at[i] + low * f->strides[d];
                k->weight[n++] = old.weight[i] * (1 - part);
            }
            if (low + 1 < w->in[d]) {
                k->at[n] = old.at[i] + (low + 1) * f->strides[d];
                k->weight[n++] = old.weight[i] * part;
            }
        }
        k->n = n;
    }
}

static double element(const mq_array *a, int64_t i)
{
    return a->dtype == MQ_FLOAT ? (double)((const float *)a->data)[i] : ((const double *)a->data)[i];
}

/* The sample of tap number t (at tap[]) of offset group og for output position o (at[]) of image i. */
static void place_tap(mq_call *c, const deform *f, int64_t i, int64_t og, int64_t t, const int64_t *tap, int64_t o,
                      const int64_t *at, corners *k)
{
    const mq_window *w = &f->v.w;
    const int64_t group = (i * f->offset_groups + og) * f->taps + t;
    double place[MAX_RANK], factor = 1;

    for (int d = 0; d < w->rank; d++)
        place[d] = (double)(at[d] * w->stride[d] - w->lo[d] + tap[d] * w->dilation[d]) +
                   element(c->in[2], (group * w->rank + d) * f->positions + o);
    if (mq_call_has(c, 4))
        factor = element(c->in[4], group * f->positions + o);
    find_corners(f, place, factor, k);
}

/* Samples of n positions from o on: matrix[channel * taps + tap][n]. */
static void sample(mq_call *c, const deform *f, int64_t i, int64_t o, int64_t n, void *matrix)
{
    const mq_array *x = c->in[0];
    const int64_t channels = f->v.in_ch / f->offset_groups;
    int64_t at[MQ_MAX_WINDOW];
    corners k;

    for (int64_t j = 0; j < n; j++) {
        int64_t rest = o + j;
        for (int d = f->v.w.rank - 1; d >= 0; d--) {
            at[d] = rest % f->v.w.out[d];
            rest /= f->v.w.out[d];
        }
        for (int64_t og = 0; og < f->offset_groups; og++) {
            int64_t tap[MQ_MAX_WINDOW] = { 0 };
            for (int64_t t = 0; t < f->taps; t++, mq_window_next(f->v.w.rank, f->v.w.kernel, tap)) {
                place_tap(c, f, i, og, t, tap, o + j, at, &k);
                for (int64_t ch = og * channels; ch < (og + 1) * channels; ch++) {
                    const int64_t plane = (i * f->v.in_ch + ch) * f->image;
                    double sum = 0;
                    for (int q = 0; q < k.n; q++)
                        sum += k.weight[q] * element(x, plane + k.at[q]);
                    if (x->dtype == MQ_FLOAT)
                        ((float *)matrix)[(ch * f->taps + t) * BLOCK + j] = (float)sum;
                    else
                        ((double *)matrix)[(ch * f->taps + t) * BLOCK + j] = sum;
                }
            }
        }
    }
}

static mq_status check(mq_call *c, deform *f)
{
    const mq_array *offset = c->in[2], *mask = mq_call_has(c, 4) ? c->in[4] : NULL;
    const mq_conv *v = &f->v;
    bool fits = offset->rank == v->out_rank && (!mask || mask->rank == v->out_rank);

    f->offset_groups = mq_node_attr_int(c->node, "offset_group", 1);
    f->taps = mq_window_taps(&v->w);
    if (v->w.rank > MAX_RANK)
        return mq_call_unsupported(c, "%d spatial axes; at most %d are supported", v->w.rank, MAX_RANK);
    if (f->offset_groups < 1 || v->in_ch % f->offset_groups)
        return mq_call_fail(c, "attribute 'offset_group' is %lld for %lld channels", (long long)f->offset_groups,
                            (long long)v->in_ch);
    for (int d = 2; fits && d < v->out_rank; d++)
        fits = offset->dims[d] == v->out_dims[d] && (!mask || mask->dims[d] == v->out_dims[d]);
    const double planes = (double)f->offset_groups * (double)f->taps;
    if (!fits || offset->dims[0] != v->batch || (double)offset->dims[1] != planes * v->w.rank ||
        (mask && (mask->dims[0] != v->batch || (double)mask->dims[1] != planes)))
        return mq_call_fail(c, "offset (or mask) does not fit the result's positions, the kernel and 'offset_group'");
    return MQ_OK;
}

/* One block of positions of one image, all groups. */
static void run_block(mq_call *c, const deform *f, mq_gemm g, int64_t i, int64_t o, char *memory)
{
    const size_t elem = (size_t)mq_dtype_bits(g.dtype) / 8;
    const int64_t n = f->positions - o < BLOCK ? f->positions - o : BLOCK;

    sample(c, f, i, o, n, memory);
    g.n = n;
    for (int64_t q = 0; q < f->v.group; q++) {
        g.a = (const char *)c->in[1]->data + (size_t)(q * g.m * g.k) * elem;
        g.b = memory + (size_t)(q * g.k * BLOCK) * elem;
        g.c = (char *)c->out[0]->data + (size_t)((i * f->v.out_ch + q * g.m) * f->positions + o) * elem;
        mq_gemm_serial(&g, memory + (size_t)(f->v.in_ch * f->taps * BLOCK) * elem);
    }
    for (int64_t m = 0; mq_call_has(c, 3) && m < f->v.out_ch; m++) {
        const int64_t row = (i * f->v.out_ch + m) * f->positions + o;
        for (int64_t j = 0; j < n; j++) {
            if (g.dtype == MQ_FLOAT)
                ((float *)c->out[0]->data)[row + j] += ((const float *)c->in[3]->data)[m];
            else
                ((double *)c->out[0]->data)[row + j] += ((const double *)c->in[3]->data)[m];
        }
    }
}

static mq_status run(mq_call *c, deform *f)
{
    const mq_conv *v = &f->v;

    f->positions = mq_span(v->w.out, 0, v->w.rank);
    f->image = mq_window_count(v->w.rank, v->w.in);
    if (f->image > 0)
        mq_strides(v->w.rank, v->w.in, f->strides);
    const mq_gemm g = { .dtype = c->in[0]->dtype, .m = v->out_ch / v->group, .n = BLOCK, .k = v->in_ch / v->group * f->taps,
                        .a_row = v->in_ch / v->group * f->taps, .a_col = 1, .b_row = BLOCK, .b_col = 1,
                        .c_row = f->positions, .batch = 1 };
    const size_t elem = (size_t)mq_dtype_bits(g.dtype) / 8;
    const size_t size = (size_t)(v->in_ch * f->taps * BLOCK) * elem + mq_gemm_scratch(&g) + 64;
    const int64_t blocks = (f->positions + BLOCK - 1) / BLOCK, n = v->batch * blocks;
    const int threads = n < c->n_threads ? (int)n : c->n_threads;
    char *memory = mq_call_scratch(c, size * (size_t)threads);
    if (!memory)
        return MQ_ERR_NOMEM;
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < n; i++) {
#ifdef _OPENMP
        run_block(c, f, g, i / blocks, i % blocks * BLOCK, memory + size * (size_t)omp_get_thread_num());
#else
        run_block(c, f, g, i / blocks, i % blocks * BLOCK, memory);
#endif
    }
    return MQ_OK;
}

static mq_status op_deform_conv(mq_call *c)
{
    deform f = { 0 };
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 3));
    const mq_dtype type = c->in[0]->dtype;
    if (type != MQ_FLOAT && type != MQ_DOUBLE)
        return mq_call_bad_type(c, type);
    for (size_t i = 1; i < c->n_in; i++) {
        if (mq_call_has(c, i) && c->in[i]->dtype != type)
            return mq_call_fail(c, "inputs have different element types");
    }
    MQ_TRY(mq_conv_shape(c, c->in[0], c->in[1], &f.v));
    MQ_TRY(mq_conv_check_bias(c, mq_call_has(c, 3) ? c->in[3] : NULL, f.v.out_ch));
    MQ_TRY(check(c, &f));
    MQ_TRY(mq_call_out(c, 0, type, f.v.out_rank, f.v.out_dims, NULL));
    if (c->out[0]->count > 0)
        MQ_TRY(run(c, &f));
done:
    return rc;
}

const mq_kernel mq_kernels_deform_conv[] = {
    { "", "DeformConv", op_deform_conv, MQ_KERNEL_WIDEN },
    { 0 },
};
