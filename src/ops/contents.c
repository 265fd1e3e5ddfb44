/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Reading shapes, axes and scalars from inputs and attributes, and setting contents of results, for the rules of several
 * families. Sizes are not trusted: a vector longer than MQ_KNOWN_MAX counts as unknown. */
#include "ops/contents.h"

#include <math.h>
#include <string.h>

bool mq_elem_same(mq_dim a, mq_dim b)
{
    if (a.symbol || b.symbol)
        return a.symbol && b.symbol && strcmp(a.symbol, b.symbol) == 0;
    return mq_elem_known(a) && mq_elem_known(b) && a.value == b.value;
}

bool mq_elem_is_size(mq_dim e)
{
    return e.symbol || (mq_elem_known(e) && e.value >= 0);
}

/* The only element of a floating constant, when it is whole and exact in float32. */
static mq_dim float_element(mq_infer *in, size_t i)
{
    const float *f;
    size_t n;

    if (mq_dtype_is_float(mq_in_dtype(in, i)) && mq_in_floats(in, i, &f, &n) == MQ_OK && f && n == 1 &&
        fabsf(*f) <= 16777216.0f && truncf(*f) == *f)
        return MQ_DIM((int64_t)*f);
    return MQ_ELEM_UNKNOWN;
}

mq_dim mq_in_element(mq_infer *in, size_t i)
{
    size_t n;
    const mq_dim *e;

    if (!mq_in_has(in, i))
        return MQ_ELEM_UNKNOWN;
    e = mq_in_known(in, i, &n);
    if (e)
        return n == 1 ? *e : MQ_ELEM_UNKNOWN;
    return float_element(in, i);
}

mq_status mq_in_elems(mq_infer *in, size_t i, mq_elems *out)
{
    size_t n;
    const mq_dim *e = mq_in_known(in, i, &n);
    const mq_dim *dims = mq_in_dims(in, i);
    mq_dim *unknown;

    *out = (mq_elems){ .n = -1 };
    if (e && n <= MQ_KNOWN_MAX) {
        *out = (mq_elems){ .n = (int)n, .e = e };
        return MQ_OK;
    }
    if (e || !dims || mq_in_rank(in, i) != 1 || !mq_dim_known(dims[0]) || dims[0].value > MQ_KNOWN_MAX)
        return MQ_OK;
    unknown = mq_dims_new(in, (int)dims[0].value);
    if (!unknown)
        return mq_oom(in->err);
    for (int64_t k = 0; k < dims[0].value; k++)
        unknown[k] = MQ_ELEM_UNKNOWN;
    *out = (mq_elems){ .n = (int)dims[0].value, .e = unknown };
    return MQ_OK;
}

mq_status mq_attr_elems(mq_infer *in, const char *name, mq_elems *out)
{
    const mq_attr *a = mq_node_attr(in->node, name);
    mq_dim *e;

    *out = (mq_elems){ .n = -1 };
    if (!a || a->ref || a->type != MQ_ATTR_INTS || a->n > INT32_MAX / 2)
        return MQ_OK;
    e = mq_dims_new(in, (int)a->n);
    if (!e)
        return mq_oom(in->err);
    for (size_t k = 0; k < a->n; k++)
        e[k] = MQ_DIM(a->ints[k]);
    *out = (mq_elems){ .n = (int)a->n, .e = e };
    return MQ_OK;
}

mq_status mq_in_shape(mq_infer *in, size_t i, int *rank, mq_dim **dims)
{
    mq_elems shape;

    *rank = -1;
    *dims = NULL;
    MQ_RULE_TRY(mq_in_elems(in, i, &shape));
    if (shape.n < 0)
        return MQ_OK;
    *dims = mq_dims_new(in, shape.n);
    if (!*dims)
        return mq_oom(in->err);
    for (int k = 0; k < shape.n; k++) {
        if (mq_elem_known(shape.e[k]) && shape.e[k].value < 0)
            return mq_fail(in->err, MQ_ERR_INPUT, "size %d of the shape is %lld", k, (long long)shape.e[k].value);
        (*dims)[k] = mq_dim_of_elem(shape.e[k]);
    }
    *rank = shape.n;
    return MQ_OK;
}

mq_status mq_axes_norm(mq_infer *in, mq_elems axes, int rank, int **at, bool *known)
{
    bool *seen = mq_arena_calloc(in->model->arena, (size_t)rank + 1, sizeof *seen);

    *known = axes.n >= 0;
    *at = mq_arena_calloc(in->model->arena, axes.n > 0 ? (size_t)axes.n : 0, sizeof **at);
    if (!seen || !*at)
        return mq_oom(in->err);
    for (int k = 0; k < axes.n && *known; k++) {
        if (!mq_elem_known(axes.e[k])) {
            *known = false;
            break;
        }
        MQ_RULE_TRY(mq_norm_axis(in, axes.e[k].value, rank, &(*at)[k]));
        if (seen[(*at)[k]])
            return mq_fail(in->err, MQ_ERR_INPUT, "axis %d is given twice", (*at)[k]);
        seen[(*at)[k]] = true;
    }
    return MQ_OK;
}

mq_status mq_out_rank(mq_infer *in, size_t i, int rank)
{
    mq_dim *dims = mq_dims_new(in, rank);

    return dims ? mq_out_shape(in, i, rank < 0 ? -1 : rank, dims) : mq_oom(in->err);
}

/* Can a tensor of this type hold the number? uint64 is taken up to the largest int64. */
static bool fits(mq_dtype t, int64_t v)
{
    if (t == MQ_BOOL)
        return v == 0 || v == 1;
    return v >= mq_dtype_min(t) && (t == MQ_UINT64 || v <= mq_dtype_max(t));
}

/* Elements of a tensor with so few of them that contents are kept; -1 otherwise. */
static int64_t small_count(int rank, const mq_dim *dims)
{
    int64_t n = 1;

    if (rank < 0)
        return -1;
    for (int k = 0; k < rank; k++)
        if (!mq_dim_known(dims[k]) || __builtin_mul_overflow(n, dims[k].value, &n))
            return -1;
    return n <= MQ_KNOWN_MAX ? n : -1;
}

mq_status mq_out_contents(mq_infer *in, size_t i, const mq_dim *vals, size_t n)
{
    const mq_type *t = i < in->node->n_outputs ? in->out[i] : NULL;
    mq_dim *copy;

    if (!vals || !t || t->kind != MQ_TYPE_TENSOR || !(mq_dtype_is_integer(t->dtype) || t->dtype == MQ_BOOL) ||
        small_count(t->rank, t->dims) != (int64_t)n)
        return MQ_OK;
    copy = mq_dims_new(in, (int)n);
    if (!copy)
        return mq_oom(in->err);
    for (size_t k = 0; k < n; k++)
        copy[k] = mq_elem_known(vals[k]) && !fits(t->dtype, vals[k].value) ? MQ_ELEM_UNKNOWN : vals[k];
    return mq_out_known(in, i, copy, n);
}

mq_status mq_in_strides(mq_infer *in, int64_t **strides)
{
    const int rank = mq_in_rank(in, 0);
    const mq_dim *dims = mq_in_dims(in, 0);
    int64_t step = 1;
    size_t n;

    *strides = NULL;
    if (!mq_in_known(in, 0, &n) || small_count(rank, dims) < 0)
        return MQ_OK;
    *strides = mq_arena_calloc(in->model->arena, (size_t)rank, sizeof **strides);
    if (!*strides)
        return mq_oom(in->err);
    for (int k = rank - 1; k >= 0; k--) {
        (*strides)[k] = step;
        if (dims[k].value > 0 && __builtin_mul_overflow(step, dims[k].value, &step)) { /* empty by another size */
            *strides = NULL;
            break;
        }
    }
    return MQ_OK;
}

mq_status mq_out_contents_strided(mq_infer *in, size_t i, int64_t base, const int64_t *strides)
{
    const mq_type *t = i < in->node->n_outputs ? in->out[i] : NULL;
    const int64_t count = t && t->kind == MQ_TYPE_TENSOR ? small_count(t->rank, t->dims) : -1;
    size_t n;
    const mq_dim *e = mq_in_known(in, 0, &n);
    mq_dim *elems;

    if (!e || count < 0)
        return MQ_OK;
    elems = mq_dims_new(in, (int)count);
    if (!elems)
        return mq_oom(in->err);
    for (int64_t flat = 0; flat < count; flat++) {
        int64_t at = base, rest = flat;

        for (int k = t->rank - 1; k >= 0; k--) {
            at += rest % t->dims[k].value * strides[k];
            rest /= t->dims[k].value;
        }
        elems[flat] = at >= 0 && (uint64_t)at < n ? e[at] : MQ_ELEM_UNKNOWN;
    }
    return mq_out_contents(in, i, elems, (size_t)count);
}

mq_status mq_out_contents_of(mq_infer *in, size_t i, size_t j)
{
    size_t n;
    const mq_dim *e = mq_in_known(in, j, &n);

    return e ? mq_out_contents(in, i, e, n) : MQ_OK;
}

mq_status mq_attr_dtype(const mq_infer *in, const char *name, mq_dtype absent, mq_dtype *out)
{
    const mq_attr *a = mq_node_attr(in->node, name);

    *out = MQ_UNDEFINED;
    if (a && a->ref)
        return MQ_OK;
    if (!a || a->type != MQ_ATTR_INT) {
        *out = absent;
        return MQ_OK;
    }
    if (a->i <= MQ_UNDEFINED || a->i >= MQ_N_DTYPES)
        return mq_fail(in->err, MQ_ERR_INPUT, "attribute '%s' is %lld, which is no data type", name, (long long)a->i);
    *out = (mq_dtype)a->i;
    return MQ_OK;
}

bool mq_attr_open(const mq_infer *in, const char *name)
{
    const mq_attr *a = mq_node_attr(in->node, name);

    return a && a->ref;
}
