/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Operators that ONNX Runtime adds and that move or look at elements: axes put in, windows unfolded, rows looked up,
 * distinct elements, ranges, tokens banned. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "exec/ref/move.h"

static mq_status op_expand_dims(mq_call *c)
{
    int64_t at, dims[MQ_MAX_RANK];
    const mq_array *x;
    mq_status rc = MQ_OK;
    size_t n;
    int axis;

    MQ_TRY(mq_call_need(c, 2));
    MQ_TRY(mq_call_ints(c, 1, &at, 1, &n));
    x = c->in[0];
    if (n != 1 || x->rank >= MQ_MAX_RANK)
        return mq_call_fail(c, "one axis is wanted, and a rank below %d", MQ_MAX_RANK);
    MQ_TRY(mq_call_axis(c, at, x->rank + 1, &axis));
    memcpy(dims, x->dims, (size_t)axis * sizeof *dims);
    dims[axis] = 1;
    memcpy(dims + axis + 1, x->dims + axis, (size_t)(x->rank - axis) * sizeof *dims);
    rc = mq_call_out_view(c, 0, 0, x->rank + 1, dims);
done:
    return rc;
}

static mq_status op_identity(mq_call *c)
{
    mq_status rc = mq_call_need(c, 1);

    return rc != MQ_OK ? rc : mq_call_out_view(c, 0, 0, c->in[0]->rank, c->in[0]->dims);
}

/* Windows of `size`, `step` apart; the window's elements become a new last axis. */
static mq_status op_unfold_tensor(mq_call *c)
{
    const int64_t size = mq_node_attr_int(c->node, "size", 1), step = mq_node_attr_int(c->node, "step", 1);
    int64_t strides[MQ_MAX_RANK], dims[MQ_MAX_RANK];
    const mq_array *x;
    mq_status rc = MQ_OK;
    mq_move m = { 0 };
    void *out;
    int axis;

    MQ_TRY(mq_call_need(c, 1));
    x = c->in[0];
    MQ_TRY(mq_call_axis(c, mq_node_attr_int(c->node, "dim", -1), x->rank, &axis));
    if (size < 1 || step < 1 || size > x->dims[axis] || x->rank >= MQ_MAX_RANK)
        return mq_call_fail(c, "windows of %lld, %lld apart, do not fit an axis of %lld", (long long)size, (long long)step,
                            (long long)x->dims[axis]);
    memcpy(dims, x->dims, sizeof dims);
    dims[axis] = (x->dims[axis] - size) / step + 1;
    dims[x->rank] = size;
    MQ_TRY(mq_call_out(c, 0, x->dtype, x->rank + 1, dims, &out));
    if (x->count == 0 || !out)
        goto done;
    mq_strides(x->rank, x->dims, strides);
    m.rank = x->rank + 1;
    for (int i = 0; i < m.rank; i++) {
        m.dims[i] = dims[i];
        m.src[i] = i == x->rank ? strides[axis] : i == axis ? strides[axis] * step : strides[i];
    }
    mq_strides(m.rank, dims, m.dst);
    mq_move_run(&m, x->data, out, mq_array_elem_size(x), c->n_threads);
done:
    return rc;
}

static mq_status op_torch_embedding(mq_call *c)
{
    const mq_array *weight, *at;
    int64_t dims[MQ_MAX_RANK];
    mq_status rc = MQ_OK;
    size_t row;
    char *out;

    MQ_TRY(mq_call_need(c, 2));
    weight = c->in[0];
    at = c->in[1];
    if (weight->rank != 2 || at->rank >= MQ_MAX_RANK)
        return mq_call_fail(c, "the weight must be a matrix, and the indices of a rank below %d", MQ_MAX_RANK);
    for (size_t i = 0; i < at->count; i++)
        if (mq_array_i64(at, i) < 0 || mq_array_i64(at, i) >= weight->dims[0])
            return mq_call_fail(c, "index %zu is %lld, it must be below %lld", i, (long long)mq_array_i64(at, i),
                                (long long)weight->dims[0]);
    memcpy(dims, at->dims, sizeof dims);
    dims[at->rank] = weight->dims[1];
    MQ_TRY(mq_call_out(c, 0, weight->dtype, at->rank + 1, dims, (void **)&out));
    row = (size_t)weight->dims[1] * mq_array_elem_size(weight);
    for (size_t i = 0; out && row > 0 && i < at->count; i++)
        memcpy(out + i * row, (const char *)weight->data + (size_t)mq_array_i64(at, i) * row, row);
done:
    return rc;
}

/* ---- IsAllFinite -------------------------------------------------------------------------------------------------- */

static mq_status op_is_all_finite(mq_call *c)
{
    const bool only_inf = mq_node_attr_int(c->node, "isinf_only", 0) != 0;
    const bool only_nan = mq_node_attr_int(c->node, "isnan_only", 0) != 0;
    mq_status rc = MQ_OK;
    bool good = true;
    uint8_t *out;

    MQ_TRY(mq_call_need(c, c->n_in));
    if (only_inf && only_nan)
        return mq_call_fail(c, "attributes 'isinf_only' and 'isnan_only' exclude each other");
    for (size_t i = 0; i < c->n_in; i++) {
        for (size_t k = 0; good && k < c->in[i]->count; k++) {
            const double v = mq_array_f64(c->in[i], k);

            good = !((isinf(v) && !only_nan) || (isnan(v) && !only_inf));
        }
    }
    MQ_TRY(mq_call_out(c, 0, MQ_BOOL, 0, NULL, (void **)&out));
    if (out)
        *out = good;
done:
    return rc;
}

/* ---- Range -------------------------------------------------------------------------------------------------------- */

static mq_status range_size(mq_call *c, double v[3], int64_t *n)
{
    double count;

    for (size_t i = 0; i < 3; i++) {
        v[i] = 1;
        if (mq_call_has(c, i)) {
            if (c->in[i]->count != 1 || c->in[i]->dtype != c->in[0]->dtype)
                return mq_call_fail(c, "input %zu must be one number of the first one's type", i);
            v[i] = mq_array_f64(c->in[i], 0);
        }
    }
    count = ceil((v[1] - v[0]) / v[2]);
    if (v[2] == 0 || !(count < 1e15))
        return mq_call_fail(c, "a range from %g to %g by %g is not possible", v[0], v[1], v[2]);
    *n = count > 0 ? (int64_t)count : 0;
    return MQ_OK;
}

static mq_status op_range(mq_call *c)
{
    mq_dtype dtype;
    mq_status rc = MQ_OK;
    int64_t n, from, by;
    double v[3];
    void *out;

    MQ_TRY(mq_call_need(c, 2));
    dtype = c->in[0]->dtype;
    MQ_TRY(range_size(c, v, &n));
    from = mq_array_i64(c->in[0], 0);
    by = mq_call_has(c, 2) ? mq_array_i64(c->in[2], 0) : 1;
    MQ_TRY(mq_call_out(c, 0, dtype, 1, &n, &out));
#define FILL_FLOAT(T) \
    for (int64_t i = 0; i < n; i++) \
        ((T *)out)[i] = (T)(v[0] + (double)i * v[2]); \
    break;
#define FILL(T) \
    for (int64_t i = 0; i < n; i++) \
        ((T *)out)[i] = (T)((uint64_t)from + (uint64_t)i * (uint64_t)by); \
    break;
    switch (dtype) {
        MQ_CASES_FLOAT(FILL_FLOAT)
        MQ_CASES_SIGNED(FILL)
    default:
        rc = mq_call_bad_type(c, dtype);
    }
#undef FILL_FLOAT
#undef FILL
done:
    return rc;
}

/* ---- Unique ------------------------------------------------------------------------------------------------------- */

typedef struct place {
    const void *data; /* the element */
    size_t size;
    size_t index;
} place;

static int by_bytes(const void *va, const void *vb)
{
    const place *a = va, *b = vb;
    const size_t n = a->size < b->size ? a->size : b->size;
    const int d = n ? memcmp(a->data, b->data, n) : 0;

    return d ? d : (a->size > b->size) - (a->size < b->size);
}

static int by_bytes_then_index(const void *va, const void *vb)
{
    const place *a = va, *b = vb;
    const int d = by_bytes(a, b);

    return d ? d : (a->index > b->index) - (a->index < b->index);
}

/* first[i]: where the element equal to element i stands first. Elements are equal when their bytes are. */
static mq_status find_first(mq_call *c, const mq_array *x, size_t *first)
{
    const size_t elem = mq_array_elem_size(x);
    place *p = mq_call_scratch(c, (x->count + 1) * sizeof *p);
    size_t head = 0;

    if (!p)
        return MQ_ERR_NOMEM;
    for (size_t i = 0; i < x->count; i++) {
        p[i] = (place){ (const char *)x->data + i * elem, elem, i };
        if (x->dtype == MQ_STRING) {
            p[i].data = ((const mq_bytes *)x->data)[i].data;
            p[i].size = ((const mq_bytes *)x->data)[i].n;
        }
    }
    qsort(p, x->count, sizeof *p, by_bytes_then_index);
    for (size_t i = 0; i < x->count; i++) {
        if (by_bytes(&p[i], &p[head]) != 0)
            head = i;
        first[p[i].index] = p[head].index;
    }
    return MQ_OK;
}

/* The distinct elements in the order of their first appearance, where each element's is, and how many of each there
 * are. */
static mq_status op_unique(mq_call *c)
{
    const mq_array *x;
    size_t *first, elem;
    int64_t *at, *idx = NULL, *counts = NULL, n = 0;
    mq_status rc = MQ_OK;
    char *y = NULL;

    MQ_TRY(mq_call_need(c, 1));
    x = c->in[0];
    if (x->rank != 1)
        return mq_call_fail(c, "the input must be a list");
    first = mq_call_scratch(c, (x->count + 1) * sizeof *first);
    at = mq_call_scratch(c, (x->count + 1) * sizeof *at);
    if (!first || !at)
        return MQ_ERR_NOMEM;
    MQ_TRY(find_first(c, x, first));
    for (size_t i = 0; i < x->count; i++)
        at[i] = first[i] == i ? n++ : at[first[i]];
    MQ_TRY(mq_call_out(c, 0, x->dtype, 1, &n, (void **)&y));
    MQ_TRY(mq_call_out(c, 1, MQ_INT64, 1, x->dims, (void **)&idx));
    MQ_TRY(mq_call_out(c, 2, MQ_INT64, 1, &n, (void **)&counts));
    elem = mq_array_elem_size(x);
    if (counts)
        memset(counts, 0, (size_t)n * sizeof *counts);
    for (size_t i = 0; i < x->count; i++) {
        if (y && first[i] == i)
            memcpy(y + (size_t)at[i] * elem, (const char *)x->data + i * elem, elem);
        if (idx)
            idx[i] = at[i];
        if (counts)
            counts[at[i]]++;
    }
done:
    return rc;
}

/* ---- NGramRepeatBlock --------------------------------------------------------------------------------------------- */

/* Scores of tokens that would repeat a group of `size` tokens become minus infinity. */
static mq_status op_ngram_repeat_block(mq_call *c)
{
    const int64_t size = mq_node_attr_int(c->node, "ngram_size", 0);
    const mq_array *ids, *scores;
    int64_t length, words;
    mq_status rc = MQ_OK;
    float *out;

    MQ_TRY(mq_call_need(c, 2));
    ids = c->in[0];
    scores = c->in[1];
    if (size < 1 || ids->rank != 2 || scores->rank != 2 || ids->dims[0] != scores->dims[0] || ids->dtype != MQ_INT64 ||
        scores->dtype != MQ_FLOAT)
        return mq_call_fail(c, "the tokens must be int64 [N, L], the scores float [N, V], and 'ngram_size' positive");
    length = ids->dims[1];
    words = scores->dims[1];
    MQ_TRY(mq_call_out(c, 0, MQ_FLOAT, 2, scores->dims, (void **)&out));
    if (!out || scores->count == 0)
        goto done;
    memcpy(out, scores->data, scores->count * sizeof *out);
    for (int64_t b = 0; b < scores->dims[0]; b++) {
        const int64_t *row = (const int64_t *)ids->data + b * length;

        for (int64_t i = 0; i <= length - size; i++) {
            const int64_t next = row[i + size - 1];

            if (memcmp(row + i, row + length - size + 1, (size_t)(size - 1) * sizeof *row) != 0)
                continue;
            if (next < 0 || next >= words)
                return mq_call_fail(c, "token %lld is outside of %lld scores", (long long)next, (long long)words);
            out[b * words + next] = -INFINITY;
        }
    }
done:
    return rc;
}

const mq_kernel mq_kernels_contrib_move[] = {
    { "com.microsoft", "ExpandDims", op_expand_dims, MQ_KERNEL_MOVES },
    { "com.microsoft", "IsAllFinite", op_is_all_finite, MQ_KERNEL_WIDEN },
    { "com.microsoft", "NGramRepeatBlock", op_ngram_repeat_block, 0 },
    { "com.microsoft", "Range", op_range, 0 },
    { "com.microsoft", "SampleOp", op_identity, MQ_KERNEL_MOVES },
    { "com.microsoft", "TorchEmbedding", op_torch_embedding, MQ_KERNEL_MOVES },
    { "com.microsoft", "UnfoldTensor", op_unfold_tensor, MQ_KERNEL_MOVES },
    { "com.microsoft", "Unique", op_unique, 0 },
    { 0 },
};
