/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* LayerNormalization and RMSNormalization (SimplifiedLayerNormalization is its older name). Statistics are double. */
#include "exec/ref/norm_layer.h"

#ifdef _OPENMP
#include <omp.h>
#endif
#include <math.h>
#include <string.h>

#include "exec/ref/families.h"
#include "exec/ref/slide.h"
#include "exec/ref/sums.h"
#include "exec/ref/util.h"

#define ROW(T)                                                                                                       \
    MQ_CLONES(void, row_##T, (const T *x, int64_t n, T mean, T inv, mq_row_param scale, mq_row_param bias, T *y),    \
              (x, n, mean, inv, scale, bias, y))                                                                     \
    {                                                                                                                \
        const T *s = scale.data, *b = bias.data;                                                                     \
        for (int64_t j = 0; j < n; j++)                                                                              \
            y[j] = (x[j] - mean) * inv;                                                                              \
        for (int64_t j = 0; s && scale.at && j < n; j++)                                                             \
            y[j] *= s[scale.at[j]];                                                                                  \
        for (int64_t j = 0; s && !scale.at && j < n; j++)                                                            \
            y[j] *= s[j];                                                                                            \
        for (int64_t j = 0; b && bias.at && j < n; j++)                                                              \
            y[j] += b[bias.at[j]];                                                                                   \
        for (int64_t j = 0; b && !bias.at && j < n; j++)                                                             \
            y[j] += b[j];                                                                                            \
    }
ROW(float)
ROW(double)

void mq_normalize_row(mq_dtype dtype, const void *x, int64_t n, bool centered, double eps, mq_row_param scale,
                      mq_row_param bias, void *y, double *mean, double *inv)
{
    *mean = centered ? mq_sum(dtype, x, n) / (double)n : 0;
    *inv = 1 / sqrt(mq_sum_squares(dtype, x, n, *mean) / (double)n + eps);
    if (dtype == MQ_FLOAT)
        row_float(x, n, (float)*mean, (float)*inv, scale, bias, y);
    else
        row_double(x, n, *mean, *inv, scale, bias, y);
}

/* A scale or bias, broadcast to the input: where rows begin, and where a row's elements lie. */
typedef struct param {
    const char *data;
    int64_t strides[MQ_MAX_RANK]; /* along the outer axes */
    const int64_t *at;
} param;

/* Input i, of x's element type, stretched to x's shape; rows are the axes from `axis` on, n elements each. */
static mq_status read_param(mq_call *c, size_t i, int axis, int64_t n, param *p)
{
    const mq_array *x = c->in[0], *a = c->in[i];
    int64_t own[MQ_MAX_RANK], strides[MQ_MAX_RANK] = { 0 };
    bool plain = true;

    if (a->rank > x->rank)
        return mq_call_fail(c, "input %zu has rank %d, over the input's %d", i, a->rank, x->rank);
    mq_strides(a->rank, a->dims, own);
    for (int d = 0; d < x->rank; d++) {
        const int k = d - (x->rank - a->rank);
        const int64_t dim = k < 0 ? 1 : a->dims[k];
        if (dim != 1 && dim != x->dims[d])
            return mq_call_fail(c, "axis %d of input %zu has %lld elements, the input has %lld", k, i, (long long)dim,
                                (long long)x->dims[d]);
        strides[d] = dim == 1 ? 0 : own[k];
        plain = plain && (d < axis || dim == x->dims[d]);
    }
    memcpy(p->strides, strides, sizeof strides);
    if (a->dtype == x->dtype) {
        p->data = a->data;
    } else { /* of another float type */
        char *copy = mq_call_scratch(c, a->count * mq_array_elem_size(x) + 1);
        if (!copy)
            return MQ_ERR_NOMEM;
        for (size_t k = 0; k < a->count; k++) {
            if (x->dtype == MQ_FLOAT)
                ((float *)copy)[k] = (float)mq_array_f64(a, k);
            else
                ((double *)copy)[k] = mq_array_f64(a, k);
        }
        p->data = copy;
    }
    if (plain)
        return MQ_OK;
    int64_t *at = mq_call_scratch(c, (size_t)n * sizeof *at), place[MQ_MAX_RANK] = { 0 };
    if (!at)
        return MQ_ERR_NOMEM;
    for (int64_t j = 0; j < n; j++, mq_window_next(x->rank - axis, x->dims + axis, place)) {
        at[j] = 0;
        for (int d = axis; d < x->rank; d++)
            at[j] += place[d - axis] * strides[d];
    }
    p->at = at;
    return MQ_OK;
}

static mq_row_param row_of(const mq_array *x, const param *p, int axis, int64_t row)
{
    const int64_t offset = p->data ? mq_offset_at(axis, x->dims, p->strides, row) : 0;

    return (mq_row_param){ p->data ? p->data + (size_t)offset * mq_array_elem_size(x) : NULL, p->at };
}

static void put(mq_array *a, int64_t i, double v)
{
    if (a->dtype == MQ_BFLOAT16)
        ((uint16_t *)a->data)[i] = mq_bf16_from_f32((float)v);
    else if (a->dtype == MQ_FLOAT16)
        ((uint16_t *)a->data)[i] = mq_f16_from_f32((float)v);
    else if (a->dtype == MQ_FLOAT)
        ((float *)a->data)[i] = (float)v;
    else
        ((double *)a->data)[i] = v;
}

typedef struct layer {
    int axis;
    int64_t rows, n;
    bool centered;
    double eps;
    size_t mean_out, inv_out; /* SIZE_MAX: not an output of the operator */
    param scale, bias;
} layer;

static void run_row(mq_call *c, const layer *l, int64_t row, char *memory)
{
    const mq_array *x = c->in[0];
    mq_array *y = c->out[0];
    const size_t elem = mq_array_elem_size(x);
    char *to = memory ? memory : (char *)y->data + (size_t)(row * l->n) * elem;
    double mean = 0, inv = 0;

    mq_normalize_row(x->dtype, (const char *)x->data + (size_t)(row * l->n) * elem, l->n, l->centered, l->eps,
                     row_of(x, &l->scale, l->axis, row), row_of(x, &l->bias, l->axis, row), to, &mean, &inv);
    for (int64_t j = 0; memory && j < l->n; j++)
        put(y, row * l->n + j, x->dtype == MQ_FLOAT ? (double)((float *)to)[j] : ((double *)to)[j]);
    if (l->mean_out != SIZE_MAX && mq_call_wants(c, l->mean_out))
        put(c->out[l->mean_out], row, mean);
    if (l->inv_out != SIZE_MAX && mq_call_wants(c, l->inv_out))
        put(c->out[l->inv_out], row, inv);
}

static mq_status normalize(mq_call *c, layer *l, mq_dtype out, mq_dtype stats)
{
    const mq_array *x = c->in[0];
    int64_t dims[MQ_MAX_RANK];
    mq_status rc = MQ_OK;

    if (!mq_call_wants(c, 0))
        return mq_call_fail(c, "the first output has no name");
    if (x->dtype != MQ_FLOAT && x->dtype != MQ_DOUBLE)
        return mq_call_bad_type(c, x->dtype);
    MQ_TRY(mq_call_axis(c, mq_node_attr_int(c->node, "axis", -1), x->rank, &l->axis));
    for (int d = 0; d < x->rank; d++)
        dims[d] = d < l->axis ? x->dims[d] : 1;
    MQ_TRY(mq_call_out(c, 0, out, x->rank, x->dims, NULL));
    if (l->mean_out != SIZE_MAX)
        MQ_TRY(mq_call_out(c, l->mean_out, stats, x->rank, dims, NULL));
    if (l->inv_out != SIZE_MAX)
        MQ_TRY(mq_call_out(c, l->inv_out, stats, x->rank, dims, NULL));
    l->rows = mq_window_count(l->axis, x->dims);
    l->n = mq_window_count(x->rank - l->axis, x->dims + l->axis);
    if (l->rows == 0)
        return MQ_OK;
    MQ_TRY(read_param(c, 1, l->axis, l->n, &l->scale));
    if (mq_call_has(c, 2))
        MQ_TRY(read_param(c, 2, l->axis, l->n, &l->bias));
    int threads = mq_call_threads(c, (int64_t)x->count);
    threads = threads > l->rows ? (int)l->rows : threads;
    const size_t size = ((size_t)l->n * mq_array_elem_size(x) + 63) / 64 * 64;
    char *memory = out == x->dtype ? NULL : mq_call_scratch(c, size * (size_t)threads + 1);
    if (out != x->dtype && !memory)
        return MQ_ERR_NOMEM;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t row = 0; row < l->rows; row++) {
#ifdef _OPENMP
        run_row(c, l, row, memory ? memory + size * (size_t)omp_get_thread_num() : NULL);
#else
        run_row(c, l, row, memory);
#endif
    }
done:
    return rc;
}

/* The element type that 'stash_type' asks for. */
static mq_dtype stash_type(const mq_call *c)
{
    const int64_t t = mq_node_attr_int(c->node, "stash_type", MQ_FLOAT);

    return t == MQ_DOUBLE || t == MQ_FLOAT16 || t == MQ_BFLOAT16 ? (mq_dtype)t : MQ_FLOAT;
}

static mq_status op_layer_normalization(mq_call *c)
{
    layer l = { .centered = true, .eps = (double)mq_node_attr_float(c->node, "epsilon", 1e-5f), .mean_out = 1,
                .inv_out = 2 };
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 2));
    MQ_TRY(normalize(c, &l, c->in[0]->dtype, stash_type(c)));
done:
    return rc;
}

/* The result has the scale's element type. */
static mq_status rms(mq_call *c, size_t inv_out)
{
    layer l = { .eps = (double)mq_node_attr_float(c->node, "epsilon", 1e-5f), .mean_out = SIZE_MAX, .inv_out = inv_out };
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 2));
    if (c->in[1]->dtype != MQ_FLOAT && c->in[1]->dtype != MQ_DOUBLE)
        return mq_call_bad_type(c, c->in[1]->dtype);
    MQ_TRY(normalize(c, &l, c->in[1]->dtype, stash_type(c)));
done:
    return rc;
}

static mq_status op_rms_normalization(mq_call *c)
{
    return rms(c, SIZE_MAX);
}

static mq_status op_simplified_layer_normalization(mq_call *c)
{
    return rms(c, 1);
}

const mq_kernel mq_kernels_norm_layer[] = {
    { "", "LayerNormalization", op_layer_normalization, MQ_KERNEL_WIDEN },
    { "", "RMSNormalization", op_rms_normalization, MQ_KERNEL_WIDEN },
    { "", "SimplifiedLayerNormalization", op_simplified_layer_normalization, MQ_KERNEL_WIDEN },
    { 0 },
};
