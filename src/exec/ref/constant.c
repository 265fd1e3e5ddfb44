/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Values out of nothing: Constant, ConstantOfShape, EyeLike, Range. */
#include <math.h>
#include <string.h>

#include "exec/ref/move.h"
#include "model/sparse.h"

/* ---- Constant ----------------------------------------------------------------------------------------------------- */

/* A sparse tensor as a dense one, zero where it says nothing. */
static mq_status dense_of_sparse(mq_call *c, const mq_sparse *s)
{
    const size_t elem = (size_t)mq_dtype_bits(s->values->dtype) / 8;
    void *out;
    mq_status rc = elem ? mq_call_out(c, 0, s->values->dtype, s->n_dims, s->dims, &out)
                        : mq_call_bad_type(c, s->values->dtype);

    if (rc != MQ_OK || !out)
        return rc;
    memset(out, 0, c->out[0]->count * elem);
    return mq_sparse_scatter(s, out, c->err);
}

static mq_status of_numbers(mq_call *c, mq_dtype dtype, int rank, size_t n, const void *data, size_t elem)
{
    const int64_t dims[] = { (int64_t)n };
    void *out;
    const mq_status rc = mq_call_out(c, 0, dtype, rank, dims, &out);

    if (rc == MQ_OK && out && n > 0)
        memcpy(out, data, n * elem);
    return rc;
}

static mq_status of_attr(mq_call *c, const mq_attr *a)
{
    mq_array *made = NULL;
    mq_status rc;

    if (strcmp(a->name, "value") == 0 && a->type == MQ_ATTR_TENSOR && a->n == 1) {
        rc = mq_array_of_tensor(&made, a->tensors[0], true, c->err);
        return rc == MQ_OK ? mq_call_out_array(c, 0, made) : rc;
    }
    if (strcmp(a->name, "sparse_value") == 0 && a->type == MQ_ATTR_SPARSE_TENSOR && a->n == 1)
        return dense_of_sparse(c, a->sparses[0]);
    if (strcmp(a->name, "value_int") == 0 && a->type == MQ_ATTR_INT)
        return of_numbers(c, MQ_INT64, 0, 1, &a->i, sizeof a->i);
    if (strcmp(a->name, "value_ints") == 0 && a->type == MQ_ATTR_INTS)
        return of_numbers(c, MQ_INT64, 1, a->n, a->ints, sizeof *a->ints);
    if (strcmp(a->name, "value_float") == 0 && a->type == MQ_ATTR_FLOAT)
        return of_numbers(c, MQ_FLOAT, 0, 1, &a->f, sizeof a->f);
    if (strcmp(a->name, "value_floats") == 0 && a->type == MQ_ATTR_FLOATS)
        return of_numbers(c, MQ_FLOAT, 1, a->n, a->floats, sizeof *a->floats);
    if (strcmp(a->name, "value_string") == 0 && a->type == MQ_ATTR_STRING)
        return of_numbers(c, MQ_STRING, 0, 1, &a->s, sizeof a->s);
    if (strcmp(a->name, "value_strings") == 0 && a->type == MQ_ATTR_STRINGS)
        return of_numbers(c, MQ_STRING, 1, a->n, a->strings, sizeof *a->strings);
    return mq_call_fail(c, "attribute '%s' gives no value", a->name);
}

static mq_status op_constant(mq_call *c)
{
    if (c->node->n_attrs != 1)
        return mq_call_fail(c, "there are %zu attributes; one is wanted", c->node->n_attrs);
    return of_attr(c, c->node->attrs[0]);
}

/* ---- ConstantOfShape ---------------------------------------------------------------------------------------------- */

static mq_status op_constant_of_shape(mq_call *c)
{
    static const float zero = 0;
    const mq_attr *attr = mq_node_attr(c->node, "value");
    mq_array *value = NULL, *codes = NULL;
    int64_t dims[MQ_MAX_RANK];
    size_t rank = 0;
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 1));
    MQ_TRY(mq_call_ints(c, 0, dims, MQ_MAX_RANK, &rank));
    if (attr && attr->type == MQ_ATTR_TENSOR && attr->n == 1) {
        MQ_TRY(mq_array_of_tensor(&value, attr->tensors[0], true, c->err));
        MQ_TRY(mq_array_unpack(&codes, value, c->err));
        if (codes->count != 1)
            MQ_TRY(mq_call_fail(c, "the value has %zu elements; one is wanted", codes->count));
    }
    MQ_TRY(mq_call_out(c, 0, codes ? codes->dtype : MQ_FLOAT, (int)rank, dims, &out));
    if (out)
        mq_move_fill(codes ? codes->data : &zero, out, c->out[0]->count, codes ? mq_array_elem_size(codes) : sizeof zero);
done:
    mq_array_unref(codes);
    mq_array_unref(value);
    return rc;
}

/* ---- EyeLike ------------------------------------------------------------------------------------------------------ */

static mq_status op_eye_like(mq_call *c)
{
    const int64_t k = mq_node_attr_int(c->node, "k", 0);
    mq_dtype dtype;
    uint64_t one;
    size_t elem;
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 1));
    if (c->in[0]->rank != 2)
        return mq_call_fail(c, "the input has rank %d; 2 is wanted", c->in[0]->rank);
    dtype = (mq_dtype)mq_node_attr_int(c->node, "dtype", c->in[0]->dtype);
    if (!mq_one_bytes(dtype, &one))
        return mq_call_bad_type(c, dtype);
    MQ_TRY(mq_call_out(c, 0, dtype, 2, c->in[0]->dims, &out));
    if (!out)
        return MQ_OK;
    elem = (size_t)mq_dtype_bits(dtype) / 8;
    memset(out, 0, c->out[0]->count * elem);
    for (int64_t i = 0; i < c->in[0]->dims[0]; i++) {
        const int64_t columns = c->in[0]->dims[1];

        if (k >= -i && k < columns - i)
            memcpy((char *)out + (size_t)(i * columns + i + k) * elem, &one, elem);
    }
done:
    return rc;
}

/* ---- Range -------------------------------------------------------------------------------------------------------- */

/* How many floats there are in the range; -1: too many, or no number. */
static int64_t range_count_float(double start, double limit, double delta)
{
    const double n = ceil((limit - start) / delta);

    return n <= 0 ? 0 : n < 9e15 ? (int64_t)n : -1;
}

/* The same for integers, without overflow; delta is not 0. */
static int64_t range_count_int(int64_t start, int64_t limit, int64_t delta)
{
    const uint64_t gap = delta > 0 ? (uint64_t)limit - (uint64_t)start : (uint64_t)start - (uint64_t)limit;
    const uint64_t step = delta > 0 ? (uint64_t)delta : 0 - (uint64_t)delta;

    if (delta > 0 ? limit <= start : limit >= start)
        return 0;
    return (gap - 1) / step + 1 > INT64_MAX ? -1 : (int64_t)((gap - 1) / step + 1);
}

#define RANGE_FLOAT(T)                                                                                        \
    {                                                                                                         \
        const T start = *(const T *)c->in[0]->data, delta = *(const T *)c->in[2]->data;                       \
        T *to = out;                                                                                          \
                                                                                                              \
        for (int64_t i = 0; i < n; i++)                                                                       \
            to[i] = start + (T)i * delta;                                                                     \
        break;                                                                                                \
    }
#define RANGE_INT(T)                                                                                          \
    {                                                                                                         \
        const T start = *(const T *)c->in[0]->data, delta = *(const T *)c->in[2]->data;                       \
        T *to = out;                                                                                          \
                                                                                                              \
        for (int64_t i = 0; i < n; i++)                                                                       \
            to[i] = (T)((uint64_t)start + (uint64_t)i * (uint64_t)delta);                                     \
        break;                                                                                                \
    }

static mq_status op_range(mq_call *c)
{
    const mq_array *a;
    int64_t n;
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 3));
    a = c->in[0];
    for (size_t i = 0; i < 3; i++)
        if (c->in[i]->count != 1 || c->in[i]->dtype != a->dtype)
            return mq_call_fail(c, "input %zu is %zu elements of %s; one of %s is wanted", i, c->in[i]->count,
                                mq_dtype_name(c->in[i]->dtype), mq_dtype_name(a->dtype));
    if (mq_array_f64(c->in[2], 0) == 0)
        return mq_call_fail(c, "the step is 0");
    if (mq_dtype_is_float(a->dtype))
        n = range_count_float(mq_array_f64(a, 0), mq_array_f64(c->in[1], 0), mq_array_f64(c->in[2], 0));
    else
        n = range_count_int(mq_array_i64(a, 0), mq_array_i64(c->in[1], 0), mq_array_i64(c->in[2], 0));
    if (n < 0)
        return mq_call_fail(c, "the range has no end");
    MQ_TRY(mq_call_out(c, 0, a->dtype, 1, &n, &out));
    if (!out)
        return MQ_OK;
    switch (a->dtype) {
    MQ_CASES_FLOAT(RANGE_FLOAT)
    MQ_CASES_SIGNED(RANGE_INT)
    default: return mq_call_bad_type(c, a->dtype);
    }
done:
    return rc;
}

const mq_kernel mq_kernels_constant[] = {
    { "", "Constant", op_constant, 0 },
    { "", "ConstantOfShape", op_constant_of_shape, MQ_KERNEL_MOVES },
    { "", "EyeLike", op_eye_like, 0 },
    { "", "Range", op_range, MQ_KERNEL_WIDEN },
    { 0 },
};
