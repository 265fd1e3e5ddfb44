/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Features of ai.onnx.ml: selecting, scaling, replacing and encoding columns. What gives or takes maps is not here,
 * models are in ml_models.c. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec/ref/util.h"

/* Attribute `name` of a type; NULL: absent. */
static const mq_attr *attr_of(const mq_call *c, const char *name, mq_attr_type type)
{
    const mq_attr *a = mq_node_attr(c->node, name);

    return a && a->type == type ? a : NULL;
}

/* The last dim: features; 1 for a scalar. */
static int64_t features(const mq_array *x)
{
    return x->rank > 0 ? x->dims[x->rank - 1] : 1;
}

/* A list attribute that has one value for all features, or one for each. */
static mq_status check_per_feature(mq_call *c, const char *name, size_t n, int64_t wanted)
{
    if (n != 1 && (uint64_t)n != (uint64_t)wanted)
        return mq_call_fail(c, "attribute '%s' has %zu values, it must have 1 or %lld", name, n, (long long)wanted);
    return MQ_OK;
}

/* ---- ArrayFeatureExtractor ---------------------------------------------------------------------------------------- */

static mq_status op_array_feature_extractor(mq_call *c)
{
    int64_t dims[MQ_MAX_RANK], rows, width;
    const mq_array *x, *at;
    mq_status rc = MQ_OK;
    size_t elem;
    char *out;

    MQ_TRY(mq_call_need(c, 2));
    x = c->in[0];
    at = c->in[1];
    if (x->rank < 1)
        return mq_call_fail(c, "the input must have at least one axis");
    width = features(x);
    for (size_t i = 0; i < at->count; i++)
        if (mq_array_i64(at, i) < 0 || mq_array_i64(at, i) >= width)
            return mq_call_fail(c, "index %zu is %lld, it must be below %lld", i, (long long)mq_array_i64(at, i),
                                (long long)width);
    memcpy(dims, x->dims, sizeof dims);
    dims[x->rank == 1 ? 1 : x->rank - 1] = (int64_t)at->count;
    dims[0] = x->rank == 1 ? 1 : dims[0];
    MQ_TRY(mq_call_out(c, 0, x->dtype, x->rank == 1 ? 2 : x->rank, dims, (void **)&out));
    elem = mq_array_elem_size(x);
    rows = mq_span(x->dims, 0, x->rank - 1);
    for (int64_t r = 0; at->count > 0 && r < rows; r++)
        for (size_t i = 0; i < at->count; i++)
            memcpy(out + ((size_t)r * at->count + i) * elem,
                   (const char *)x->data + (size_t)(r * width + mq_array_i64(at, i)) * elem, elem);
done:
    return rc;
}

/* ---- Binarizer, Scaler, Imputer, Normalizer ----------------------------------------------------------------------- */

static mq_status op_binarizer(mq_call *c)
{
    const float threshold = mq_node_attr_float(c->node, "threshold", 0);
    const mq_array *x;
    mq_status rc = MQ_OK;
    void *out;

    MQ_TRY(mq_call_need(c, 1));
    x = c->in[0];
    MQ_TRY(mq_call_out(c, 0, x->dtype, x->rank, x->dims, &out));
#define BINARIZE(T) \
    for (size_t i = 0; i < x->count; i++) \
        ((T *)out)[i] = (double)((const T *)x->data)[i] > (double)threshold; \
    break;
    switch (x->dtype) {
        MQ_CASES_NUMERIC(BINARIZE)
    default:
        rc = mq_call_bad_type(c, x->dtype);
    }
#undef BINARIZE
done:
    return rc;
}

static mq_status op_scaler(mq_call *c)
{
    const mq_attr *scale = attr_of(c, "scale", MQ_ATTR_FLOATS), *offset = attr_of(c, "offset", MQ_ATTR_FLOATS);
    const mq_array *x;
    mq_status rc = MQ_OK;
    int64_t width;
    float *out;

    MQ_TRY(mq_call_need(c, 1));
    x = c->in[0];
    width = features(x);
    if (scale)
        MQ_TRY(check_per_feature(c, "scale", scale->n, width));
    if (offset)
        MQ_TRY(check_per_feature(c, "offset", offset->n, width));
    MQ_TRY(mq_call_out(c, 0, MQ_FLOAT, x->rank, x->dims, (void **)&out));
    for (size_t i = 0; i < x->count; i++) {
        const size_t f = i % (size_t)width;
        const double s = scale ? (double)scale->floats[scale->n == 1 ? 0 : f] : 1;
        const double o = offset ? (double)offset->floats[offset->n == 1 ? 0 : f] : 0;

        out[i] = (float)((mq_array_f64(x, i) - o) * s);
    }
done:
    return rc;
}

static mq_status impute_floats(mq_call *c, const mq_array *x, void *out)
{
    const mq_attr *value = attr_of(c, "imputed_value_floats", MQ_ATTR_FLOATS);
    const double replaced = (double)mq_node_attr_float(c->node, "replaced_value_float", 0);
    const int64_t width = features(x);
    mq_status rc = MQ_OK;

    if (!value)
        return mq_call_fail(c, "attribute 'imputed_value_floats' is missing");
    MQ_TRY(check_per_feature(c, "imputed_value_floats", value->n, width));
    for (size_t i = 0; i < x->count; i++) {
        const double v = mq_array_f64(x, i);
        const double put = (double)value->floats[value->n == 1 ? 0 : i % (size_t)width];
        const double w = v == replaced || (isnan(v) && isnan(replaced)) ? put : v;

        if (x->dtype == MQ_FLOAT)
            ((float *)out)[i] = (float)w;
        else
            ((double *)out)[i] = w;
    }
done:
    return rc;
}

static mq_status impute_ints(mq_call *c, const mq_array *x, void *out)
{
    const mq_attr *value = attr_of(c, "imputed_value_int64s", MQ_ATTR_INTS);
    const int64_t replaced = mq_node_attr_int(c->node, "replaced_value_int64", 0), width = features(x);
    mq_status rc = MQ_OK;

    if (!value)
        return mq_call_fail(c, "attribute 'imputed_value_int64s' is missing");
    MQ_TRY(check_per_feature(c, "imputed_value_int64s", value->n, width));
    for (size_t i = 0; i < x->count; i++) {
        const int64_t v = mq_array_i64(x, i), w = v == replaced ? value->ints[value->n == 1 ? 0 : i % (size_t)width] : v;

        if (x->dtype == MQ_INT64)
            ((int64_t *)out)[i] = w;
        else
            ((int32_t *)out)[i] = (int32_t)w;
    }
done:
    return rc;
}

static mq_status op_imputer(mq_call *c)
{
    const mq_array *x;
    mq_status rc = MQ_OK;
    void *out;

    MQ_TRY(mq_call_need(c, 1));
    x = c->in[0];
    MQ_TRY(mq_call_out(c, 0, x->dtype, x->rank, x->dims, &out));
    if (x->dtype == MQ_FLOAT || x->dtype == MQ_DOUBLE)
        rc = impute_floats(c, x, out);
    else if (x->dtype == MQ_INT32 || x->dtype == MQ_INT64)
        rc = impute_ints(c, x, out);
    else
        rc = mq_call_bad_type(c, x->dtype);
done:
    return rc;
}

static mq_status op_normalizer(mq_call *c)
{
    const bool l1 = mq_node_attr_is(c->node, "norm", "L1"), l2 = mq_node_attr_is(c->node, "norm", "L2");
    const mq_array *x;
    mq_status rc = MQ_OK;
    size_t width;
    float *out;

    MQ_TRY(mq_call_need(c, 1));
    x = c->in[0];
    if (!l1 && !l2 && mq_node_attr(c->node, "norm") && !mq_node_attr_is(c->node, "norm", "MAX"))
        return mq_call_fail(c, "attribute 'norm' must be MAX, L1 or L2");
    MQ_TRY(mq_call_out(c, 0, MQ_FLOAT, x->rank, x->dims, (void **)&out));
    width = (size_t)features(x);
    for (size_t from = 0; from < x->count; from += width) {
        double norm = 0;

        for (size_t i = from; i < from + width; i++) {
            const double v = mq_array_f64(x, i);

            norm = l1 ? norm + fabs(v) : l2 ? norm + v * v : i == from || v > norm ? v : norm;
        }
        norm = l2 ? sqrt(norm) : norm;
        for (size_t i = from; i < from + width; i++)
            out[i] = (float)(mq_array_f64(x, i) / (norm != 0 ? norm : 1));
    }
done:
    return rc;
}

/* ---- FeatureVectorizer -------------------------------------------------------------------------------------------- */

static mq_status op_feature_vectorizer(mq_call *c)
{
    size_t n;
    const int64_t *width = mq_node_attr_ints(c->node, "inputdimensions", &n);
    int64_t dims[2] = { 0, 0 }, at = 0;
    mq_status rc = MQ_OK;
    float *out;

    MQ_TRY(mq_call_need(c, c->n_in));
    if (c->n_in == 0 || n != c->n_in)
        return mq_call_fail(c, "attribute 'inputdimensions' has %zu elements, it must have %zu", n, c->n_in);
    for (size_t i = 0; i < n; i++) {
        const mq_array *x = c->in[i];
        const int64_t rows = x->rank == 2 ? x->dims[0] : 1;

        if (x->rank < 1 || x->rank > 2 || width[i] < 0 || (i > 0 && rows != dims[0]) ||
            __builtin_add_overflow(dims[1], width[i], &dims[1]))
            return mq_call_fail(c, "input %zu does not fit: it must be [N, C], and its length not negative", i);
        dims[0] = rows;
    }
    MQ_TRY(mq_call_out(c, 0, MQ_FLOAT, 2, dims, (void **)&out));
    for (size_t i = 0; i < n; i++) {
        const int64_t has = features(c->in[i]);

        for (int64_t r = 0; r < dims[0]; r++)
            for (int64_t k = 0; k < width[i]; k++)
                out[r * dims[1] + at + k] = k < has ? (float)mq_array_f64(c->in[i], (size_t)(r * has + k)) : 0;
        at += width[i];
    }
done:
    return rc;
}

/* ---- keys: LabelEncoder, OneHotEncoder ---------------------------------------------------------------------------- */

typedef struct key {
    mq_bytes s;
    int64_t i;
    double f;
    size_t index; /* where it stands in the list */
} key;

static int by_bytes(mq_bytes a, mq_bytes b)
{
    const size_t n = a.n < b.n ? a.n : b.n;
    const int d = n ? memcmp(a.data, b.data, n) : 0;

    return d ? d : (a.n > b.n) - (a.n < b.n);
}

/* Members that a key does not use are 0 in both. What is not a number is equal to itself, and first. */
static int by_key(const void *va, const void *vb)
{
    const key *a = va, *b = vb;

    if (a->i != b->i)
        return a->i < b->i ? -1 : 1;
    if (isnan(a->f) || isnan(b->f))
        return !isnan(a->f) - !isnan(b->f);
    if (a->f < b->f || a->f > b->f)
        return a->f < b->f ? -1 : 1;
    return by_bytes(a->s, b->s);
}

static int by_key_then_index(const void *va, const void *vb)
{
    const key *a = va, *b = vb;
    const int d = by_key(a, b);

    return d ? d : (a->index > b->index) - (a->index < b->index);
}

/* Element i of a as a key; floats for OneHotEncoder count as integers when `whole`. */
static key key_of(const mq_array *a, size_t i, bool whole)
{
    key k = { .index = i };

    if (a->dtype == MQ_STRING)
        k.s = ((const mq_bytes *)a->data)[i];
    else if (mq_dtype_is_integer(a->dtype))
        k.i = mq_array_i64(a, i);
    else if (whole) {
        const double v = mq_array_f64(a, i);
        k.i = v > -0x1p62 && v < 0x1p62 ? (int64_t)v : INT64_MIN;
    } else
        k.f = mq_array_f64(a, i);
    return k;
}

/* The last of the sorted keys that is equal; SIZE_MAX: none. */
static size_t find_key(const key *keys, size_t n, key wanted)
{
    size_t low = 0, high = n;

    while (low < high) { /* the first that is greater */
        const size_t mid = low + (high - low) / 2;

        if (by_key(&keys[mid], &wanted) <= 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low > 0 && by_key(&keys[low - 1], &wanted) == 0 ? keys[low - 1].index : SIZE_MAX;
}

/* A list attribute as an array: PREFIX_strings, _int64s, _floats or _tensor (each may have a name of its own); *out
 * NULL when there is none. Borrows the attribute's memory. */
static mq_status list_of(mq_call *c, const char *prefix, mq_array **out)
{
    static const struct {
        const char *suffix;
        mq_attr_type type;
        mq_dtype dtype;
    } forms[] = { { "_strings", MQ_ATTR_STRINGS, MQ_STRING },
                  { "_int64s", MQ_ATTR_INTS, MQ_INT64 },
                  { "_floats", MQ_ATTR_FLOATS, MQ_FLOAT } };
    char name[64];
    const mq_attr *a;

    *out = NULL;
    for (size_t i = 0; i < MQ_ARRAY_LEN(forms); i++) {
        snprintf(name, sizeof name, "%s%s", prefix, forms[i].suffix);
        if ((a = attr_of(c, name, forms[i].type)) && a->n > 0) {
            const int64_t n = (int64_t)a->n;
            const void *data = a->type == MQ_ATTR_STRINGS ? (const void *)a->strings
                               : a->type == MQ_ATTR_INTS  ? (const void *)a->ints
                                                          : (const void *)a->floats;

            return mq_array_wrap(out, forms[i].dtype, 1, &n, (void *)data, NULL, c->err);
        }
    }
    snprintf(name, sizeof name, "%s_tensor", prefix);
    a = attr_of(c, name, MQ_ATTR_TENSOR);
    return a ? mq_array_of_tensor(out, a->tensors[0], true, c->err) : MQ_OK;
}

static mq_status sorted_keys(mq_call *c, const mq_array *list, key **out)
{
    key *keys = mq_call_scratch(c, (list->count + 1) * sizeof *keys);

    if (!keys)
        return MQ_ERR_NOMEM;
    for (size_t i = 0; i < list->count; i++)
        keys[i] = key_of(list, i, false);
    qsort(keys, list->count, sizeof *keys, by_key_then_index);
    *out = keys;
    return MQ_OK;
}

/* What a label without a key becomes: an element of dtype. */
static mq_status default_value(mq_call *c, mq_dtype dtype, char out[16])
{
    const mq_attr *tensor = attr_of(c, "default_tensor", MQ_ATTR_TENSOR);
    const mq_attr *text = attr_of(c, "default_string", MQ_ATTR_STRING);
    const int64_t i = mq_node_attr_int(c->node, "default_int64", -1);
    mq_array *a = NULL;
    mq_status rc = MQ_OK;

    memset(out, 0, 16);
    if (tensor) {
        MQ_TRY(mq_array_of_tensor(&a, tensor->tensors[0], true, c->err));
        if (a->count != 1 || a->dtype != dtype)
            rc = mq_call_fail(c, "attribute 'default_tensor' must be one %s", mq_dtype_name(dtype));
        else
            memcpy(out, a->data, mq_array_elem_size(a));
    } else if (dtype == MQ_STRING) {
        *(mq_bytes *)out = text ? text->s : (mq_bytes){ "_Unused", 7 };
    } else if (dtype == MQ_FLOAT) {
        *(float *)out = mq_node_attr_float(c->node, "default_float", -0.0f);
    } else if (dtype == MQ_DOUBLE) {
        *(double *)out = (double)mq_node_attr_float(c->node, "default_float", -0.0f);
    } else if (dtype == MQ_INT64) {
        *(int64_t *)out = i;
    } else if (dtype == MQ_INT32) {
        *(int32_t *)out = (int32_t)i;
    } else {
        *(int16_t *)out = (int16_t)i;
    }
done:
    mq_array_unref(a);
    return rc;
}

static bool label_type(mq_dtype t)
{
    return t == MQ_FLOAT || t == MQ_DOUBLE || t == MQ_STRING || t == MQ_INT16 || t == MQ_INT32 || t == MQ_INT64;
}

static mq_status op_label_encoder(mq_call *c)
{
    mq_array *keys = NULL, *values = NULL;
    _Alignas(16) char absent[16];
    const mq_array *x;
    mq_status rc = MQ_OK;
    key *sorted = NULL;
    size_t elem;
    char *out;

    MQ_TRY(mq_call_need(c, 1));
    x = c->in[0];
    MQ_TRY(list_of(c, "keys", &keys));
    MQ_TRY(list_of(c, "values", &values));
    if (!keys || !values || keys->count != values->count || !label_type(keys->dtype) || !label_type(values->dtype) ||
        !label_type(x->dtype) || (keys->dtype == MQ_STRING) != (x->dtype == MQ_STRING) ||
        mq_dtype_is_integer(keys->dtype) != mq_dtype_is_integer(x->dtype)) {
        rc = mq_call_fail(c, "keys and values must be lists of one length, and the keys of the input's type");
        goto done;
    }
    MQ_TRY(sorted_keys(c, keys, &sorted));
    MQ_TRY(default_value(c, values->dtype, absent));
    MQ_TRY(mq_call_out(c, 0, values->dtype, x->rank, x->dims, (void **)&out));
    elem = mq_array_elem_size(values);
    for (size_t i = 0; i < x->count; i++) {
        const size_t at = find_key(sorted, keys->count, key_of(x, i, false));

        memcpy(out + i * elem, at == SIZE_MAX ? absent : (const char *)values->data + at * elem, elem);
    }
done:
    mq_array_unref(keys);
    mq_array_unref(values);
    return rc;
}

static mq_status op_one_hot_encoder(mq_call *c)
{
    const bool zeros = mq_node_attr_int(c->node, "zeros", 1) != 0;
    int64_t dims[MQ_MAX_RANK];
    mq_array *cats = NULL;
    const mq_array *x;
    mq_status rc = MQ_OK;
    key *sorted = NULL;
    float *out;

    MQ_TRY(mq_call_need(c, 1));
    x = c->in[0];
    MQ_TRY(list_of(c, "cats", &cats));
    if (!cats || x->rank >= MQ_MAX_RANK || (cats->dtype == MQ_STRING) != (x->dtype == MQ_STRING)) {
        rc = mq_call_fail(c, "the categories must be a list of strings for strings, of integers for numbers");
        goto done;
    }
    MQ_TRY(sorted_keys(c, cats, &sorted));
    memcpy(dims, x->dims, sizeof dims);
    dims[x->rank] = (int64_t)cats->count;
    MQ_TRY(mq_call_out(c, 0, MQ_FLOAT, x->rank + 1, dims, (void **)&out));
    memset(out, 0, x->count * cats->count * sizeof *out);
    for (size_t i = 0; i < x->count; i++) {
        const size_t at = find_key(sorted, cats->count, key_of(x, i, true));

        if (at != SIZE_MAX)
            out[i * cats->count + at] = 1;
        else if (!zeros) {
            rc = mq_call_fail(c, "element %zu is none of the categories", i);
            goto done;
        }
    }
done:
    mq_array_unref(cats);
    return rc;
}

const mq_kernel mq_kernels_ml[] = {
    { "ai.onnx.ml", "ArrayFeatureExtractor", op_array_feature_extractor, 0 },
    { "ai.onnx.ml", "Binarizer", op_binarizer, 0 },
    { "ai.onnx.ml", "FeatureVectorizer", op_feature_vectorizer, 0 },
    { "ai.onnx.ml", "Imputer", op_imputer, 0 },
    { "ai.onnx.ml", "LabelEncoder", op_label_encoder, 0 },
    { "ai.onnx.ml", "Normalizer", op_normalizer, 0 },
    { "ai.onnx.ml", "OneHotEncoder", op_one_hot_encoder, 0 },
    { "ai.onnx.ml", "Scaler", op_scaler, 0 },
    { 0 },
};
