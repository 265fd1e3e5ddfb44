/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Writing elements or runs of elements to given places of a copy: ScatterElements, ScatterND, TensorScatter. Updates
 * are taken in their order on one thread, so that places named twice give the same bytes always. */
#include "exec/ref/move.h"

#include <string.h>

typedef enum reduction { RED_NONE, RED_ADD, RED_MUL, RED_MAX, RED_MIN } reduction;

static mq_status get_reduction(mq_call *c, reduction *out)
{
    static const char *const names[] = { "none", "add", "mul", "max", "min" };

    *out = RED_NONE;
    if (!mq_node_attr(c->node, "reduction"))
        return MQ_OK;
    for (size_t i = 0; i < MQ_ARRAY_LEN(names); i++)
        if (mq_node_attr_is(c->node, "reduction", names[i])) {
            *out = (reduction)i;
            return MQ_OK;
        }
    return mq_call_fail(c, "reduction is none of 'none', 'add', 'mul', 'max', 'min'");
}

/* Runs of `run` elements, one after the other in `from`, to to + offsets[i]. */
typedef struct updates {
    void *to;
    const void *from;
    const int64_t *offsets;
    int64_t n, run;
} updates;

#define EACH(T, VALUE)                                                                        \
    for (int64_t i = 0; i < u->n; i++) {                                                      \
        T *const to = (T *)u->to + u->offsets[i];                                             \
        const T *const from = (const T *)u->from + i * u->run;                                \
                                                                                              \
        for (int64_t j = 0; j < u->run; j++) {                                                \
            const T a = to[j], b = from[j];                                                   \
                                                                                              \
            to[j] = (T)(VALUE);                                                               \
        }                                                                                     \
    }                                                                                         \
    return MQ_OK;

/* Integers wrap. NaN wins, as in NumPy's maximum and minimum. */
#define REDUCE_FLOAT(T)                                                  \
    switch (red) {                                                       \
    case RED_ADD: EACH(T, a + b)                                         \
    case RED_MUL: EACH(T, a * b)                                         \
    case RED_MAX: EACH(T, a > b || a != a ? a : b)                       \
    default: EACH(T, a < b || a != a ? a : b)                            \
    }
#define REDUCE_INTEGER(T)                                                \
    switch (red) {                                                       \
    case RED_ADD: EACH(T, (uint64_t)a + (uint64_t)b)                     \
    case RED_MUL: EACH(T, (uint64_t)a * (uint64_t)b)                     \
    case RED_MAX: EACH(T, a > b ? a : b)                                 \
    default: EACH(T, a < b ? a : b)                                      \
    }

static mq_status reduce_bool(const updates *u, reduction red)
{
    switch (red) {
    case RED_ADD:
    case RED_MAX: EACH(unsigned char, a || b)
    default: EACH(unsigned char, a && b)
    }
}

static mq_status write_updates(mq_call *c, const updates *u, reduction red)
{
    if (red == RED_NONE) {
        const size_t elem = mq_array_elem_size(c->in[0]), bytes = (size_t)u->run * elem;

        for (int64_t i = 0; i < u->n; i++)
            memcpy((char *)u->to + (size_t)u->offsets[i] * elem, (const char *)u->from + (size_t)i * bytes, bytes);
        return MQ_OK;
    }
    switch (c->in[0]->dtype) {
    MQ_CASES_FLOAT(REDUCE_FLOAT)
    MQ_CASES_INTEGER(REDUCE_INTEGER)
    case MQ_BOOL: return reduce_bool(u, red);
    default: return mq_call_bad_type(c, c->in[0]->dtype);
    }
}

/* Output 0 is made as a copy of input 0, over it where that is possible: not when another input is in the same memory. */
static mq_status copy_data(mq_call *c, void **out)
{
    const mq_array *in = c->in[0];
    bool over = true;
    mq_status rc;

    for (size_t i = 1; i < c->n_in; i++)
        over &= !c->in[i] || c->in[i]->data != in->data;
    rc = over ? mq_call_out_over(c, 0, 0, in->dtype, in->rank, in->dims, out)
              : mq_call_out(c, 0, in->dtype, in->rank, in->dims, out);
    if (rc == MQ_OK && *out && *out != in->data)
        mq_move_bytes(in->data, *out, in->count * mq_array_elem_size(in), c->n_threads);
    return rc;
}

static mq_status check_updates(mq_call *c)
{
    if (c->in[2]->dtype != c->in[0]->dtype)
        return mq_call_fail(c, "the updates are of %s, the data of %s", mq_dtype_name(c->in[2]->dtype),
                            mq_dtype_name(c->in[0]->dtype));
    if (c->in[1]->dtype != MQ_INT64 && c->in[1]->dtype != MQ_INT32)
        return mq_call_bad_type(c, c->in[1]->dtype);
    return MQ_OK;
}

static mq_status bad_index(mq_call *c, int64_t v, int64_t dim)
{
    return mq_call_fail(c, "index %lld is outside of [%lld, %lld]", (long long)v, (long long)-dim, (long long)dim - 1);
}

static mq_status op_scatter_elements(mq_call *c)
{
    const mq_array *in, *at;
    int64_t strides[MQ_MAX_RANK], *offsets, n;
    updates u = { .run = 1 };
    reduction red = RED_NONE;
    int axis = 0;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 3));
    MQ_TRY(check_updates(c));
    MQ_TRY(get_reduction(c, &red));
    in = c->in[0];
    at = c->in[1];
    MQ_TRY(mq_call_axis(c, mq_node_attr_int(c->node, "axis", 0), in->rank, &axis));
    if (at->rank != in->rank || c->in[2]->rank != in->rank)
        return mq_call_fail(c, "the ranks are %d, %d and %d", in->rank, at->rank, c->in[2]->rank);
    for (int i = 0; i < in->rank; i++)
        if (at->dims[i] != c->in[2]->dims[i] || (i != axis && at->dims[i] > in->dims[i]))
            return mq_call_fail(c, "axis %d has %lld elements, in the indices %lld, in the updates %lld", i,
                                (long long)in->dims[i], (long long)at->dims[i], (long long)c->in[2]->dims[i]);
    if (!(offsets = mq_call_scratch(c, (at->count + 1) * sizeof(*offsets))))
        return MQ_ERR_NOMEM;
    mq_strides(in->rank, in->dims, strides);
    n = at->count > 0 ? at->dims[in->rank - 1] : 1;
    for (int64_t row = 0; row < (int64_t)at->count / n; row++) {
        int64_t base = 0, r = row;

        for (int i = in->rank - 2; i >= 0; r /= at->dims[i--])
            base += i == axis ? 0 : r % at->dims[i] * strides[i];
        for (int64_t i = 0; i < n; i++) {
            const int64_t v = mq_array_i64(at, (size_t)(row * n + i)), dim = in->dims[axis];

            if (v < -dim || v >= dim)
                return bad_index(c, v, dim);
            offsets[row * n + i] = base + (axis == in->rank - 1 ? 0 : i) + (v < 0 ? v + dim : v) * strides[axis];
        }
    }
    MQ_TRY(copy_data(c, &u.to));
    u.from = c->in[2]->data;
    u.offsets = offsets;
    u.n = (int64_t)at->count;
    rc = u.to && at->count > 0 ? write_updates(c, &u, red) : MQ_OK;
done:
    return rc;
}

/* updates: the indices' dims but the last, then the data's dims behind those indexed. */
static mq_status check_nd(mq_call *c)
{
    const mq_array *in = c->in[0], *at = c->in[1], *up = c->in[2];
    int64_t k;

    if (at->rank < 1 || (k = at->dims[at->rank - 1]) > in->rank)
        return mq_call_fail(c, "indices of rank %d do not fit data of rank %d", at->rank, in->rank);
    if (up->rank != at->rank - 1 + in->rank - (int)k)
        return mq_call_fail(c, "the updates have rank %d; %d is wanted", up->rank, at->rank - 1 + in->rank - (int)k);
    for (int i = 0; i < up->rank; i++) {
        const int64_t want = i < at->rank - 1 ? at->dims[i] : in->dims[(int)k + i - (at->rank - 1)];

        if (up->dims[i] != want)
            return mq_call_fail(c, "axis %d of the updates has %lld elements; %lld are wanted", i, (long long)up->dims[i],
                                (long long)want);
    }
    return MQ_OK;
}

static mq_status op_scatter_nd(mq_call *c)
{
    const mq_array *in, *at;
    int64_t strides[MQ_MAX_RANK], *offsets, k;
    updates u = { 0 };
    reduction red = RED_NONE;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 3));
    MQ_TRY(check_updates(c));
    MQ_TRY(get_reduction(c, &red));
    MQ_TRY(check_nd(c));
    in = c->in[0];
    at = c->in[1];
    k = at->dims[at->rank - 1];
    MQ_TRY(copy_data(c, &u.to));
    if (!u.to || c->in[2]->count == 0)
        return MQ_OK;
    u.n = mq_span(at->dims, 0, at->rank - 1);
    u.run = mq_span(in->dims, (int)k, in->rank);
    if (!(offsets = mq_call_scratch(c, (size_t)u.n * sizeof(*offsets))))
        return MQ_ERR_NOMEM;
    mq_strides(in->rank, in->dims, strides);
    for (int64_t i = 0; i < u.n; i++) {
        offsets[i] = 0;
        for (int64_t j = 0; j < k; j++) {
            const int64_t v = mq_array_i64(at, (size_t)(i * k + j)), dim = in->dims[j];

            if (v < -dim || v >= dim)
                return bad_index(c, v, dim);
            offsets[i] += (v < 0 ? v + dim : v) * strides[j];
        }
    }
    u.from = c->in[2]->data;
    u.offsets = offsets;
    rc = write_updates(c, &u, red);
done:
    return rc;
}

/* ---- TensorScatter ------------------------------------------------------------------------------------------------ */

static mq_status check_cache(mq_call *c, int axis, bool circular)
{
    const mq_array *cache = c->in[0], *up = c->in[1];

    if (axis == 0 || up->rank != cache->rank || up->dtype != cache->dtype)
        return mq_call_fail(c, "axis %d of a cache of rank %d and an update of rank %d", axis, cache->rank, up->rank);
    for (int i = 0; i < cache->rank; i++)
        if (i == axis ? up->dims[i] > cache->dims[i] : up->dims[i] != cache->dims[i])
            return mq_call_fail(c, "axis %d has %lld elements in the cache, %lld in the update", i,
                                (long long)cache->dims[i], (long long)up->dims[i]);
    if (!mq_call_has(c, 2))
        return MQ_OK;
    if (c->in[2]->dtype != MQ_INT64 || (int64_t)c->in[2]->count != cache->dims[0])
        return mq_call_fail(c, "there are %zu write indices for a batch of %lld", c->in[2]->count,
                            (long long)cache->dims[0]);
    for (int64_t i = 0; i < cache->dims[0] && !circular; i++) {
        const int64_t at = ((const int64_t *)c->in[2]->data)[i], most = cache->dims[axis] - up->dims[axis];

        if (at < 0 || at > most)
            return mq_call_fail(c, "write index %lld is outside of [0, %lld]", (long long)at, (long long)most);
    }
    return MQ_OK;
}

static mq_status op_tensor_scatter(mq_call *c)
{
    const bool circular = mq_node_attr_is(c->node, "mode", "circular");
    int64_t outer, per_batch, max, n;
    size_t bytes;
    int axis = 0;
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 2));
    MQ_TRY(mq_call_axis(c, mq_node_attr_int(c->node, "axis", -2), c->in[0]->rank, &axis));
    MQ_TRY(check_cache(c, axis, circular));
    MQ_TRY(copy_data(c, &out));
    if (!out || c->in[1]->count == 0)
        return MQ_OK;
    outer = mq_span(c->in[0]->dims, 0, axis);
    per_batch = outer / c->in[0]->dims[0];
    max = c->in[0]->dims[axis];
    n = c->in[1]->dims[axis];
    bytes = (size_t)mq_span(c->in[0]->dims, axis + 1, c->in[0]->rank) * mq_array_elem_size(c->in[0]);
    for (int64_t o = 0; o < outer; o++) {
        const int64_t given = mq_call_has(c, 2) ? ((const int64_t *)c->in[2]->data)[o / per_batch] : 0;
        const int64_t at = (given % max + max) % max, first = n < max - at ? n : max - at; /* then round the end */
        const char *from = (const char *)c->in[1]->data + (size_t)(o * n) * bytes;
        char *to = (char *)out + (size_t)(o * max) * bytes;

        memcpy(to + (size_t)at * bytes, from, (size_t)first * bytes);
        memcpy(to, from + (size_t)first * bytes, (size_t)(n - first) * bytes);
    }
done:
    return rc;
}

const mq_kernel mq_kernels_scatter[] = {
    { "", "ScatterElements", op_scatter_elements, MQ_KERNEL_WIDEN | MQ_KERNEL_MOVES },
    { "", "ScatterND", op_scatter_nd, MQ_KERNEL_WIDEN | MQ_KERNEL_MOVES },
    { "", "TensorScatter", op_tensor_scatter, MQ_KERNEL_MOVES },
    { 0 },
};
