/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Operators along one axis or over positions: NonZero, ArgMax, ArgMin, Hardmax, CumSum, CumProd. Sorting ones are in
 * order.c. */
#include <string.h>

#include "exec/ref/util.h"

#define LANES 256 /* neighbours along the inner axes that are worked on together */

/* ---- NonZero ------------------------------------------------------------------------------------------------------ */

#define NON_ZERO(T)                                 \
    {                                               \
        const T *x = a->data;                       \
                                                    \
        for (size_t i = 0; i < a->count; i++)       \
            flags[i] = x[i] != 0;                   \
        return MQ_OK;                               \
    }

static mq_status non_zero_flags(mq_call *c, const mq_array *a, unsigned char *flags)
{
    switch (a->dtype) {
    MQ_CASES_NUMERIC(NON_ZERO)
    case MQ_BOOL: NON_ZERO(unsigned char)
    case MQ_COMPLEX64:
        for (size_t i = 0; i < a->count; i++)
            flags[i] = ((const float *)a->data)[2 * i] != 0 || ((const float *)a->data)[2 * i + 1] != 0;
        return MQ_OK;
    case MQ_COMPLEX128:
        for (size_t i = 0; i < a->count; i++)
            flags[i] = ((const double *)a->data)[2 * i] != 0 || ((const double *)a->data)[2 * i + 1] != 0;
        return MQ_OK;
    case MQ_STRING:
        for (size_t i = 0; i < a->count; i++)
            flags[i] = ((const mq_bytes *)a->data)[i].n > 0;
        return MQ_OK;
    default: return mq_call_bad_type(c, a->dtype);
    }
}

/* The coordinates of the flagged elements: a row of `n` for each axis. */
static void write_coordinates(const mq_array *a, const unsigned char *flags, int64_t *out, int64_t n)
{
    int64_t at[MQ_MAX_RANK] = { 0 }, found = 0;
    const int rank = a->rank > 0 ? a->rank : 1;

    for (size_t i = 0; i < a->count && found < n; i++) {
        if (flags[i]) {
            for (int k = 0; k < rank; k++)
                out[k * n + found] = at[k];
            found++;
        }
        for (int k = a->rank - 1; k >= 0 && ++at[k] == a->dims[k]; k--)
            at[k] = 0;
    }
}

static mq_status op_non_zero(mq_call *c)
{
    unsigned char *flags;
    int64_t dims[2];
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 1));
    if (!(flags = mq_call_scratch(c, c->in[0]->count + 1)))
        return MQ_ERR_NOMEM;
    MQ_TRY(non_zero_flags(c, c->in[0], flags));
    dims[0] = c->in[0]->rank > 0 ? c->in[0]->rank : 1; /* a scalar counts as a list of one, as in ONNX Runtime */
    dims[1] = 0;
    for (size_t i = 0; i < c->in[0]->count; i++)
        dims[1] += flags[i];
    MQ_TRY(mq_call_out(c, 0, MQ_INT64, 2, dims, &out));
    if (out)
        write_coordinates(c->in[0], flags, out, dims[1]);
done:
    return rc;
}

/* ---- ArgMax, ArgMin, Hardmax -------------------------------------------------------------------------------------- */

/* Work along one axis of [outer, n, inner]. */
typedef struct along {
    int64_t outer, n, inner;
} along;

static along along_axis(const mq_array *a, int axis)
{
    return (along){ mq_span(a->dims, 0, axis), a->dims[axis], mq_span(a->dims, axis + 1, a->rank) };
}

/* The first NaN wins, as in NumPy; with `last`, the last one. */
#define ARG(T)                                                                                                 \
    {                                                                                                          \
        const T *const x = (const T *)a->data + o * l.n * l.inner + from;                                      \
        T best[LANES];                                                                                         \
                                                                                                               \
        for (int64_t i = 0; i < m; i++) {                                                                      \
            best[i] = x[i];                                                                                    \
            to[i] = 0;                                                                                         \
        }                                                                                                      \
        for (int64_t k = 1; k < l.n; k++)                                                                      \
            for (int64_t i = 0; i < m; i++) {                                                                  \
                const T v = x[k * l.inner + i], b = best[i];                                                   \
                const bool wins = min ? v < b : v > b, nan = v != v;                                           \
                                                                                                               \
                if (b != b ? nan && last : wins || nan || (last && v == b)) {                                  \
                    best[i] = v;                                                                               \
                    to[i] = k;                                                                                 \
                }                                                                                              \
            }                                                                                                  \
        break;                                                                                                 \
    }

static mq_status arg_best(mq_call *c, int axis, bool min, bool last, int64_t *out)
{
    const mq_array *a = c->in[0];
    const along l = along_axis(a, axis);
    const int64_t blocks = (l.inner + LANES - 1) / LANES;

    if (!mq_dtype_is_integer(a->dtype) && a->dtype != MQ_FLOAT && a->dtype != MQ_DOUBLE)
        return mq_call_bad_type(c, a->dtype);
    #pragma omp parallel for num_threads(mq_call_threads(c, (int64_t)a->count))
    for (int64_t k0 = 0; k0 < l.outer * blocks; k0++) {
        const int64_t o = k0 / blocks, from = k0 % blocks * LANES, m = l.inner - from < LANES ? l.inner - from : LANES;
        int64_t *const to = out + o * l.inner + from;

        switch (a->dtype) {
        MQ_CASES_NUMERIC(ARG)
        default: break;
        }
    }
    return MQ_OK;
}

static mq_status arg(mq_call *c, bool min)
{
    const bool keep = mq_node_attr_int(c->node, "keepdims", 1) != 0;
    const bool last = mq_node_attr_int(c->node, "select_last_index", 0) != 0;
    const mq_array *a;
    int64_t dims[MQ_MAX_RANK];
    int axis = 0, rank = 0;
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 1));
    a = c->in[0];
    MQ_TRY(mq_call_axis(c, mq_node_attr_int(c->node, "axis", 0), a->rank, &axis));
    for (int i = 0; i < a->rank; i++)
        if (i != axis || keep)
            dims[rank++] = i == axis ? 1 : a->dims[i];
    MQ_TRY(mq_call_out(c, 0, MQ_INT64, rank, dims, &out));
    if (!out || c->out[0]->count == 0)
        return MQ_OK;
    if (a->dims[axis] == 0)
        return mq_call_fail(c, "axis %d has no elements to choose from", axis);
    rc = arg_best(c, axis, min, last, out);
done:
    return rc;
}

static mq_status op_arg_max(mq_call *c)
{
    return arg(c, false);
}

static mq_status op_arg_min(mq_call *c)
{
    return arg(c, true);
}

static mq_status op_hardmax(mq_call *c)
{
    const mq_array *a;
    int64_t *best;
    along l;
    int axis = 0;
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 1));
    a = c->in[0];
    MQ_TRY(mq_call_axis(c, mq_node_attr_int(c->node, "axis", -1), a->rank, &axis));
    if (a->dtype != MQ_FLOAT && a->dtype != MQ_DOUBLE)
        return mq_call_bad_type(c, a->dtype);
    MQ_TRY(mq_call_out(c, 0, a->dtype, a->rank, a->dims, &out));
    if (!out || a->count == 0)
        return MQ_OK;
    l = along_axis(a, axis);
    if (!(best = mq_call_scratch(c, (size_t)(l.outer * l.inner) * sizeof(*best))))
        return MQ_ERR_NOMEM;
    MQ_TRY(arg_best(c, axis, false, false, best));
    memset(out, 0, a->count * mq_array_elem_size(a));
    for (int64_t o = 0; o < l.outer; o++)
        for (int64_t i = 0; i < l.inner; i++) {
            const int64_t at = (o * l.n + best[o * l.inner + i]) * l.inner + i;

            if (a->dtype == MQ_FLOAT)
                ((float *)out)[at] = 1;
            else
                ((double *)out)[at] = 1;
        }
done:
    return rc;
}

/* ---- CumSum, CumProd ---------------------------------------------------------------------------------------------- */

typedef struct scan {
    along l;
    bool product, exclusive, reverse;
} scan;

/* One band of lanes. ACC is double for floats, uint64_t for integers, which wrap. */
#define SCAN(T, ACC)                                                                                           \
    {                                                                                                          \
        const T *const x = (const T *)in + first;                                                              \
        T *const to = (T *)out + first;                                                                        \
        ACC acc[LANES];                                                                                        \
                                                                                                               \
        for (int64_t i = 0; i < m; i++)                                                                        \
            acc[i] = s->product;                                                                               \
        for (int64_t k = 0; k < s->l.n; k++) {                                                                 \
            const int64_t row = (s->reverse ? s->l.n - 1 - k : k) * s->l.inner;                                \
                                                                                                               \
            for (int64_t i = 0; i < m; i++) {                                                                  \
                const ACC before = acc[i], v = (ACC)x[row + i];                                                \
                                                                                                               \
                acc[i] = s->product ? before * v : before + v;                                                 \
                to[row + i] = (T)(s->exclusive ? before : acc[i]);                                             \
            }                                                                                                  \
        }                                                                                                      \
        break;                                                                                                 \
    }
#define SCAN_FLOAT(T) SCAN(T, double)
#define SCAN_INT(T) SCAN(T, uint64_t)

static void scan_all(mq_call *c, const scan *s, const void *in, void *out)
{
    const mq_dtype dtype = c->in[0]->dtype;
    const int64_t blocks = (s->l.inner + LANES - 1) / LANES;

    #pragma omp parallel for num_threads(mq_call_threads(c, (int64_t)c->in[0]->count))
    for (int64_t b = 0; b < s->l.outer * blocks; b++) {
        const int64_t from = b % blocks * LANES, first = b / blocks * s->l.n * s->l.inner + from;
        const int64_t m = s->l.inner - from < LANES ? s->l.inner - from : LANES;

        switch (dtype) {
        MQ_CASES_FLOAT(SCAN_FLOAT)
        MQ_CASES_INTEGER(SCAN_INT)
        default: break;
        }
    }
}

static mq_status cumulate(mq_call *c, bool product)
{
    scan s = { .product = product };
    const mq_array *a;
    int64_t given = 0;
    size_t n = 0;
    int axis = 0;
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 2));
    a = c->in[0];
    if (!mq_dtype_is_integer(a->dtype) && a->dtype != MQ_FLOAT && a->dtype != MQ_DOUBLE)
        return mq_call_bad_type(c, a->dtype);
    MQ_TRY(mq_call_ints(c, 1, &given, 1, &n));
    if (n != 1)
        return mq_call_fail(c, "there is no axis in input 1");
    MQ_TRY(mq_call_axis(c, given, a->rank, &axis));
    s.l = along_axis(a, axis);
    s.exclusive = mq_node_attr_int(c->node, "exclusive", 0) != 0;
    s.reverse = mq_node_attr_int(c->node, "reverse", 0) != 0;
    MQ_TRY(mq_call_out_over(c, 0, 0, a->dtype, a->rank, a->dims, &out));
    if (out && a->count > 0)
        scan_all(c, &s, a->data, out);
done:
    return rc;
}

static mq_status op_cum_sum(mq_call *c)
{
    return cumulate(c, false);
}

static mq_status op_cum_prod(mq_call *c)
{
    return cumulate(c, true);
}

const mq_kernel mq_kernels_index[] = {
    { "", "ArgMax", op_arg_max, MQ_KERNEL_WIDEN },
    { "", "ArgMin", op_arg_min, MQ_KERNEL_WIDEN },
    { "", "CumProd", op_cum_prod, MQ_KERNEL_WIDEN },
    { "", "CumSum", op_cum_sum, MQ_KERNEL_WIDEN },
    { "", "Hardmax", op_hardmax, MQ_KERNEL_WIDEN },
    { "", "NonZero", op_non_zero, MQ_KERNEL_WIDEN },
    { 0 },
};
