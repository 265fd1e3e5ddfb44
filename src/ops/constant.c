/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What makes tensors from nothing, or from no more than a shape: Constant, ConstantOfShape, Range, EyeLike, random numbers
 * and the windows of signal processing. Contents are set for small integer results. */
#include <math.h>
#include <string.h>

#include "base/compiler.h"
#include "ops/contents.h"
#include "ops/families.h"

/* ---- Constant ----------------------------------------------------------------------------------------------------- */

/* The shape as the file says, checked. */
static mq_status out_file_shape(mq_infer *in, mq_dtype dtype, int n_dims, const int64_t *sizes)
{
    mq_dim *dims = mq_dims_new(in, n_dims);

    if (!dims)
        return mq_oom(in->err);
    for (int i = 0; i < n_dims; i++) {
        if (sizes[i] < 0)
            return mq_fail(in->err, MQ_ERR_INPUT, "dimension %d of the value is %lld", i, (long long)sizes[i]);
        dims[i] = MQ_DIM(sizes[i]);
    }
    MQ_RULE_TRY(mq_out_shape(in, 0, n_dims, dims));
    return mq_out_dtype(in, 0, dtype);
}

static mq_status out_ints(mq_infer *in, const int64_t *ints, size_t n)
{
    mq_dim *elems;

    if (n > MQ_KNOWN_MAX)
        return MQ_OK;
    elems = mq_dims_new(in, (int)n);
    if (!elems)
        return mq_oom(in->err);
    for (size_t i = 0; i < n; i++)
        elems[i] = MQ_DIM(ints[i]);
    return mq_out_contents(in, 0, elems, n);
}

static mq_status infer_value(mq_infer *in, mq_tensor *t)
{
    const int64_t count = mq_tensor_count(t);
    mq_error unread;
    int64_t *ints;

    MQ_RULE_TRY(out_file_shape(in, t->dtype, t->n_dims, t->dims));
    if (count < 0 || count > MQ_KNOWN_MAX || t->n_dims > 1 || !(mq_dtype_is_integer(t->dtype) || t->dtype == MQ_BOOL))
        return MQ_OK;
    ints = mq_arena_calloc(in->model->arena, (size_t)count, sizeof *ints);
    if (!ints)
        return mq_oom(in->err);
    /* elements that cannot be read (an external file is missing) leave the contents unknown, not the shape */
    if (mq_tensor_read_i64(t, 0, (uint64_t)count, ints, &unread) != MQ_OK)
        return unread.status == MQ_ERR_NOMEM ? mq_oom(in->err) : MQ_OK;
    return out_ints(in, ints, (size_t)count);
}

/* value_int, value_floats and the like: a scalar, or a vector of n. */
static mq_status infer_plain_value(mq_infer *in, const mq_attr *a, mq_dtype dtype, bool list)
{
    const mq_dim dim = MQ_DIM((int64_t)a->n);

    MQ_RULE_TRY(mq_out_shape(in, 0, list ? 1 : 0, &dim));
    MQ_RULE_TRY(mq_out_dtype(in, 0, dtype));
    if (dtype != MQ_INT64)
        return MQ_OK;
    return list ? out_ints(in, a->ints, a->n) : out_ints(in, &a->i, 1);
}

static mq_status infer_constant(mq_infer *in)
{
    static const struct {
        const char *name;
        mq_attr_type type;
        mq_dtype dtype;
        bool list;
    } plain[] = {
        { "value_float", MQ_ATTR_FLOAT, MQ_FLOAT, false },   { "value_floats", MQ_ATTR_FLOATS, MQ_FLOAT, true },
        { "value_int", MQ_ATTR_INT, MQ_INT64, false },       { "value_ints", MQ_ATTR_INTS, MQ_INT64, true },
        { "value_string", MQ_ATTR_STRING, MQ_STRING, false }, { "value_strings", MQ_ATTR_STRINGS, MQ_STRING, true },
    };
    const mq_attr *a = mq_node_attr(in->node, "value");

    if (a && a->type == MQ_ATTR_TENSOR && a->n)
        return infer_value(in, a->tensors[0]);
    a = mq_node_attr(in->node, "sparse_value");
    if (a && a->type == MQ_ATTR_SPARSE_TENSOR && a->n && a->sparses[0]->values)
        return out_file_shape(in, a->sparses[0]->values->dtype, a->sparses[0]->n_dims, a->sparses[0]->dims);
    for (size_t i = 0; i < MQ_ARRAY_LEN(plain); i++) {
        a = mq_node_attr(in->node, plain[i].name);
        if (a && a->type == plain[i].type)
            return infer_plain_value(in, a, plain[i].dtype, plain[i].list);
    }
    return MQ_OK;
}

/* ---- ConstantOfShape ---------------------------------------------------------------------------------------------- */

/* Contents of a small result: `value` everywhere. */
static mq_status fill_contents(mq_infer *in, int rank, const mq_dim *dims, mq_tensor *value)
{
    const int64_t n = rank == 0 ? 1 : dims[0].value;
    mq_error unread;
    mq_dim *elems;
    int64_t v = 0;

    if (rank > 1 || n < 0 || n > MQ_KNOWN_MAX || !mq_dtype_is_integer(value->dtype))
        return MQ_OK;
    if (mq_tensor_read_i64(value, 0, 1, &v, &unread) != MQ_OK)
        return unread.status == MQ_ERR_NOMEM ? mq_oom(in->err) : MQ_OK;
    elems = mq_dims_new(in, (int)n);
    if (!elems)
        return mq_oom(in->err);
    for (int64_t i = 0; i < n; i++)
        elems[i] = MQ_DIM(v);
    return mq_out_contents(in, 0, elems, (size_t)n);
}

static mq_status infer_constant_of_shape(mq_infer *in)
{
    const mq_attr *a = mq_node_attr(in->node, "value");
    mq_tensor *value = a && a->type == MQ_ATTR_TENSOR && a->n ? a->tensors[0] : NULL;
    mq_dim *dims;
    int rank;

    if (value && mq_tensor_count(value) != 1)
        return mq_fail(in->err, MQ_ERR_INPUT, "attribute 'value' must hold one element");
    MQ_RULE_TRY(mq_out_dtype(in, 0, value ? value->dtype : MQ_FLOAT));
    MQ_RULE_TRY(mq_in_shape(in, 0, &rank, &dims));
    MQ_RULE_TRY(mq_out_shape(in, 0, rank, dims));
    return rank >= 0 && value ? fill_contents(in, rank, dims, value) : MQ_OK;
}

/* ---- Range -------------------------------------------------------------------------------------------------------- */

/* ceil((limit - start) / delta), at least 0. */
static int64_t range_count(int64_t start, int64_t limit, int64_t delta)
{
    const __int128 span = (__int128)limit - start, step = delta;
    const __int128 n = step > 0 ? (span + step - 1) / step : (-span - step - 1) / -step;

    if (step > 0 ? span <= 0 : span >= 0)
        return 0;
    return n > INT64_MAX ? -1 : (int64_t)n;
}

/* One floating constant, as a double. */
static bool real_element(mq_infer *in, size_t i, double *v)
{
    const float *f = NULL;
    size_t n = 0;

    if (mq_in_dtype(in, i) != MQ_DOUBLE) {
        if (mq_in_floats(in, i, &f, &n) != MQ_OK || !f || n != 1)
            return false;
        *v = (double)*f;
        return true;
    }
    mq_tensor *t = mq_in_has(in, i) ? mq_value_constant(in->node->inputs[i], in->model->ir_version < 4) : NULL;
    const void *data;

    if (!t || mq_tensor_count(t) != 1 || mq_tensor_bytes(t, &data, NULL) != MQ_OK)
        return false;
    memcpy(v, data, sizeof *v);
    return true;
}

/* The number of elements as runtimes compute it: the difference in the tensor's type, the quotient in double. */
static mq_dim real_range_count(mq_infer *in)
{
    double start, limit, delta, span, n;

    if (!real_element(in, 0, &start) || !real_element(in, 1, &limit) || !real_element(in, 2, &delta) || delta == 0)
        return MQ_DIM_UNKNOWN;
    span = mq_in_dtype(in, 0) == MQ_DOUBLE ? limit - start : (double)((float)limit - (float)start);
    n = ceil(span / delta);
    if (!(fabs(n) < 9e15)) /* NaN too */
        return MQ_DIM_UNKNOWN;
    return MQ_DIM(n > 0 ? (int64_t)n : 0);
}

static mq_status range_contents(mq_infer *in, int64_t start, int64_t delta, int64_t n)
{
    mq_dim *elems;

    if (n > MQ_KNOWN_MAX)
        return MQ_OK;
    elems = mq_dims_new(in, (int)n);
    if (!elems)
        return mq_oom(in->err);
    for (int64_t i = 0; i < n; i++)
        elems[i] = MQ_DIM((int64_t)((uint64_t)start + (uint64_t)i * (uint64_t)delta)); /* before limit: it fits */
    return mq_out_contents(in, 0, elems, (size_t)n);
}

static mq_status infer_range(mq_infer *in)
{
    const mq_dim start = mq_in_element(in, 0), limit = mq_in_element(in, 1), delta = mq_in_element(in, 2);
    const mq_dtype type = mq_in_dtype(in, 0);
    mq_dim count = MQ_DIM_UNKNOWN;

    if (mq_elem_known(delta) && delta.value == 0)
        return mq_fail(in->err, MQ_ERR_INPUT, "the step is 0");
    if (mq_dtype_is_float(type))
        count = real_range_count(in);
    else if (mq_elem_known(start) && mq_elem_known(limit) && mq_elem_known(delta))
        count = MQ_DIM(range_count(start.value, limit.value, delta.value));
    else if (mq_elem_known(delta) && delta.value == 1)
        count = mq_dim_of_elem(mq_elem_sub(in, limit, start));
    MQ_RULE_TRY(mq_out_shape(in, 0, 1, &count));
    if (mq_dtype_is_integer(type) && mq_dim_known(count) && mq_elem_known(start) && mq_elem_known(delta))
        return range_contents(in, start.value, delta.value, count.value);
    return MQ_OK;
}

/* ---- by shape, or like another ------------------------------------------------------------------------------------ */

/* The input's shape, with the type of attribute 'dtype' or else the input's. */
static mq_status infer_like_with_dtype(mq_infer *in)
{
    mq_dtype dtype;

    MQ_RULE_TRY(mq_attr_dtype(in, "dtype", mq_in_dtype(in, 0), &dtype));
    MQ_RULE_TRY(mq_out_shape(in, 0, mq_in_rank(in, 0), mq_in_dims(in, 0)));
    return dtype == MQ_UNDEFINED ? MQ_OK : mq_out_dtype(in, 0, dtype);
}

static mq_status infer_eye_like(mq_infer *in)
{
    MQ_RULE_TRY(mq_want_rank(in, 0, 2, 2));
    return infer_like_with_dtype(in);
}

static mq_status infer_random(mq_infer *in)
{
    mq_dtype dtype;
    mq_elems shape;
    mq_dim *dims;

    MQ_RULE_TRY(mq_attr_dtype(in, "dtype", MQ_FLOAT, &dtype));
    if (dtype != MQ_UNDEFINED)
        MQ_RULE_TRY(mq_out_dtype(in, 0, dtype));
    MQ_RULE_TRY(mq_attr_elems(in, "shape", &shape));
    if (shape.n < 0)
        return mq_out_rank(in, 0, -1);
    dims = mq_dims_new(in, shape.n);
    if (!dims)
        return mq_oom(in->err);
    for (int i = 0; i < shape.n; i++) {
        if (shape.e[i].value < 0)
            return mq_fail(in->err, MQ_ERR_INPUT, "size %d of attribute 'shape' is %lld", i, (long long)shape.e[i].value);
        dims[i] = MQ_DIM(shape.e[i].value);
    }
    return mq_out_shape(in, 0, shape.n, dims);
}

/* [batch, classes] becomes [batch, samples]. */
static mq_status infer_multinomial(mq_infer *in)
{
    const int64_t samples = mq_node_attr_int(in->node, "sample_size", 1);
    mq_dim dims[2] = { MQ_DIM_UNKNOWN, MQ_DIM_UNKNOWN };
    mq_dtype dtype;

    MQ_RULE_TRY(mq_attr_dtype(in, "dtype", MQ_INT32, &dtype));
    if (dtype != MQ_UNDEFINED)
        MQ_RULE_TRY(mq_out_dtype(in, 0, dtype));
    MQ_RULE_TRY(mq_want_rank(in, 0, 2, 2));
    if (samples < 0)
        return mq_fail(in->err, MQ_ERR_INPUT, "attribute 'sample_size' is %lld", (long long)samples);
    if (mq_in_dims(in, 0))
        dims[0] = mq_in_dims(in, 0)[0];
    dims[1] = MQ_DIM(samples);
    return mq_out_shape(in, 0, 2, dims);
}

/* A window function's result has as many elements as its one input says. */
static mq_status infer_window(mq_infer *in)
{
    const mq_dim size = mq_in_element(in, 0), dim = mq_dim_of_elem(size);
    mq_dtype dtype;

    MQ_RULE_TRY(mq_attr_dtype(in, "output_datatype", MQ_FLOAT, &dtype));
    if (dtype != MQ_UNDEFINED)
        MQ_RULE_TRY(mq_out_dtype(in, 0, dtype));
    MQ_RULE_TRY(mq_want_rank(in, 0, 0, 1));
    if (mq_elem_known(size) && size.value < 0)
        return mq_fail(in->err, MQ_ERR_INPUT, "the size is %lld", (long long)size.value);
    return mq_out_shape(in, 0, 1, &dim);
}

const mq_op_rule mq_rules_constant[] = {
    { "", "Bernoulli", infer_like_with_dtype, NULL, NULL },
    { "", "BlackmanWindow", infer_window, NULL, NULL },
    { "", "Constant", infer_constant, NULL, NULL },
    { "", "ConstantOfShape", infer_constant_of_shape, NULL, NULL },
    { "", "EyeLike", infer_eye_like, NULL, NULL },
    { "", "HammingWindow", infer_window, NULL, NULL },
    { "", "HannWindow", infer_window, NULL, NULL },
    { "", "Multinomial", infer_multinomial, NULL, NULL },
    { "", "RandomNormal", infer_random, NULL, NULL },
    { "", "RandomNormalLike", infer_like_with_dtype, NULL, NULL },
    { "", "RandomUniform", infer_random, NULL, NULL },
    { "", "RandomUniformLike", infer_like_with_dtype, NULL, NULL },
    { "", "Range", infer_range, NULL, NULL },
};
const size_t mq_rules_constant_n = MQ_ARRAY_LEN(mq_rules_constant);
