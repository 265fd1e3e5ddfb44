/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Data against type and shape, by the lengths that the file gives: nothing is unpacked and no page of a weight is
 * touched. Which field of TensorProto holds which type, and how many items it needs, is the table below. */
#include "graph/verify_tensor.h"

#include <inttypes.h>
#include <stdlib.h>

enum { MOST_INDICES = 1 << 16 }; /* of a sparse tensor, looked at together: those of one entry at least */

/* Field numbers of TensorProto. */
enum {
    FLOAT_DATA = 4,
    INT32_DATA = 5,
    STRING_DATA = 6,
    INT64_DATA = 7,
    RAW_DATA = 9,
    DOUBLE_DATA = 10,
    UINT64_DATA = 11,
};

static const char *const field_names[] = {
    [FLOAT_DATA] = "float_data", [INT32_DATA] = "int32_data",   [STRING_DATA] = "string_data",
    [INT64_DATA] = "int64_data", [RAW_DATA] = "raw_data",       [DOUBLE_DATA] = "double_data",
    [UINT64_DATA] = "uint64_data",
};

/* The field that holds elements of a type when raw_data does not. */
static int field_of(mq_dtype t)
{
    switch (t) {
    case MQ_FLOAT:
    case MQ_COMPLEX64:
        return FLOAT_DATA;
    case MQ_DOUBLE:
    case MQ_COMPLEX128:
        return DOUBLE_DATA;
    case MQ_INT64:
        return INT64_DATA;
    case MQ_UINT32:
    case MQ_UINT64:
        return UINT64_DATA;
    case MQ_STRING:
        return STRING_DATA;
    default:
        return INT32_DATA;
    }
}

/* Items of that field that n elements need at least. Types of 2 and 4 bits: one item per byte is what writers make,
 * but four bytes in an item are accepted by the specification's checker, and so here. */
static uint64_t items_needed(mq_dtype t, uint64_t n)
{
    int bits = mq_dtype_bits(t);
    unsigned per_item = bits == 2 || bits == 4 ? 32u / (unsigned)bits : 1;

    return n / per_item + (n % per_item != 0);
}

static void error(mq_findings *fs, mq_place at, const char *code, const char *what)
{
    mq_finding_add(fs, MQ_SEVERITY_ERROR, code, at, "%s", what);
}

static bool shape_ok(const mq_tensor *t, mq_place at, mq_findings *fs)
{
    int64_t count = 1;
    uint64_t bytes;
    bool ok = true;

    for (int i = 0; i < t->n_dims; i++) {
        if (t->dims[i] < 0) {
            mq_finding_add(fs, MQ_SEVERITY_ERROR, "tensor-shape", at, "dimension %d is %" PRId64, i, t->dims[i]);
            return false;
        }
        ok = ok && !__builtin_mul_overflow(count, t->dims[i], &count);
    }
    if (!ok || (t->dtype != MQ_STRING && !mq_dtype_bytes(t->dtype, (uint64_t)count, &bytes))) {
        error(fs, at, "tensor-shape", "its shape has more elements than can be counted");
        return false;
    }
    return true;
}

static bool type_ok(const mq_tensor *t, mq_place at, mq_findings *fs)
{
    if (t->dtype == MQ_UNDEFINED)
        error(fs, at, "tensor-type", "it has no data_type");
    else if (!mq_dtype_bits(t->dtype) && t->dtype != MQ_STRING)
        mq_finding_add(fs, MQ_SEVERITY_ERROR, "tensor-type", at, "data_type is %d, which ONNX does not know",
                       t->dtype);
    else
        return true;
    return false;
}

/* Bits above the last 6-bit code must be 0: some readers keep them. */
static bool has_stray_bits(const mq_tensor *t, uint64_t count)
{
    const uint8_t *bytes = t->data;
    unsigned used = count * 6 % 8;

    if (mq_dtype_bits(t->dtype) != 6 || !used)
        return false;
    return bytes[count * 6 / 8] >> used;
}

static void check_raw(const mq_tensor *t, uint64_t count, mq_place at, mq_findings *fs)
{
    int64_t need = mq_tensor_size(t);

    if (t->dtype == MQ_STRING)
        error(fs, at, "tensor-data", "strings are stored in raw_data, but must be in string_data");
    else if (t->n_bytes < (uint64_t)need)
        mq_finding_add(fs, MQ_SEVERITY_ERROR, "tensor-data", at,
                       "raw_data has %zu bytes, its type and shape need %" PRId64, t->n_bytes, need);
    else if (has_stray_bits(t, count))
        error(fs, at, "tensor-data", "bits behind the last 6-bit element are not 0");
    else if (t->n_bytes > (uint64_t)need)
        mq_finding_add(fs, MQ_SEVERITY_WARNING, "tensor-extra", at,
                       "raw_data has %zu bytes, its type and shape need only %" PRId64, t->n_bytes, need);
}

/* Items in the one field that is set. */
static uint64_t items_of(const mq_tensor *t)
{
    if (t->storage == MQ_STORE_FLOATS)
        return t->n_bytes / (field_of(t->dtype) == DOUBLE_DATA ? 8 : 4);
    return t->n_items;
}

static bool has_wide_code(const mq_tensor *t)
{
    const int32_t *items = t->data;

    if (mq_dtype_bits(t->dtype) != 6)
        return false;
    for (size_t i = 0; i < t->n_items; i++)
        if (items[i] < 0 || items[i] > 0x3f)
            return true;
    return false;
}

static void check_field(const mq_tensor *t, uint64_t count, int field, mq_place at, mq_findings *fs)
{
    int right = field_of(t->dtype);
    const int bits = mq_dtype_bits(t->dtype);
    uint64_t need = items_needed(t->dtype, count), most;

    if (t->dtype == MQ_COMPLEX64 || t->dtype == MQ_COMPLEX128)
        need *= 2; /* fits: shape_ok counted 8 or 16 bytes for each */
    most = bits == 2 || bits == 4 ? (uint64_t)mq_tensor_size(t) : need; /* one item per byte */
    if (field != right)
        mq_finding_add(fs, MQ_SEVERITY_ERROR, "tensor-data", at,
                       "%s elements are in %s, but must be in %s or raw_data",
                       mq_dtype_name(t->dtype), field_names[field], field_names[right]);
    else if (items_of(t) < need)
        mq_finding_add(fs, MQ_SEVERITY_ERROR, "tensor-data", at,
                       "%s has %" PRIu64 " items, its type and shape need %" PRIu64, field_names[field], items_of(t),
                       need);
    else if (has_wide_code(t))
        error(fs, at, "tensor-data", "an item of int32_data has more than 6 bits");
    else if (items_of(t) > most)
        mq_finding_add(fs, MQ_SEVERITY_WARNING, "tensor-extra", at,
                       "%s has %" PRIu64 " items, its type and shape need only %" PRIu64, field_names[field], items_of(t),
                       most);
}

void mq_tensor_verify(const mq_tensor *t, mq_place at, mq_findings *fs)
{
    uint64_t count;

    if (!type_ok(t, at, fs))
        return;
    if (t->storage == MQ_STORE_EXTERNAL) {
        if (t->fields)
            error(fs, at, "tensor-data", "its data are external, but it has a data field too");
        shape_ok(t, at, fs);
        return;
    }
    if (!shape_ok(t, at, fs) || !t->origin)
        return; /* what was made in memory has its data in one place by construction */
    count = (uint64_t)mq_tensor_count(t);
    if (!count && t->fields)
        error(fs, at, "tensor-data", "its shape has no elements, but there are data");
    else if (count && !t->fields)
        error(fs, at, "tensor-data", "it has no data");
    else if (count && t->fields & (t->fields - 1))
        error(fs, at, "tensor-data", "more than one data field is set");
    else if (count && t->fields == 1 << RAW_DATA)
        check_raw(t, count, at, fs);
    else if (count)
        check_field(t, count, __builtin_ctz(t->fields), at, fs);
}

/* ---- sparse tensors ----------------------------------------------------------------------------------------------- */

/* Indices of entries from..from+n; `last` is the position of the one before. */
static bool check_rows(const mq_sparse *s, const int64_t *rows, uint64_t from, uint64_t n, uint64_t total, uint64_t *last,
                       mq_place at, mq_findings *fs)
{
    const uint64_t width = s->indices->n_dims == 1 ? 1 : (uint64_t)s->n_dims;
    uint64_t position;

    for (uint64_t i = 0; i < n; i++) {
        if (!mq_sparse_position(s, rows + i * width, total, &position)) {
            mq_finding_add(fs, MQ_SEVERITY_ERROR, "sparse", at, "index %" PRIu64 " is outside the shape", from + i);
            return false;
        }
        if (from + i && position <= *last) {
            mq_finding_add(fs, MQ_SEVERITY_ERROR, "sparse", at, "index %" PRIu64 " is not above the one before it",
                           from + i);
            return false;
        }
        *last = position;
    }
    return true;
}

/* Reads the indices some rows at a time: they are as long as the values. */
static mq_status check_indices(const mq_sparse *s, uint64_t total, mq_place at, mq_findings *fs, mq_error *err)
{
    const uint64_t width = s->indices->n_dims == 1 ? 1 : (uint64_t)s->n_dims, count = (uint64_t)s->indices->dims[0];
    const uint64_t fit = width < MOST_INDICES ? MOST_INDICES / width : 1, step = fit < count ? fit : count;
    int64_t *rows = calloc(width * step + 1, sizeof *rows);
    uint64_t last = 0;
    bool good = true;
    mq_status rc = rows ? MQ_OK : mq_oom(err);

    for (uint64_t i = 0; rc == MQ_OK && good && i < count; i += step) {
        const uint64_t n = count - i < step ? count - i : step;

        rc = mq_tensor_read_i64(s->indices, i * width, n * width, rows, err);
        if (rc == MQ_ERR_INPUT) {
            rc = MQ_OK;
            error(fs, at, "sparse", "its indices cannot be read");
            break;
        }
        good = rc != MQ_OK || check_rows(s, rows, i, n, total, &last, at, fs);
    }
    free(rows);
    return rc;
}

static bool sparse_shape_ok(const mq_sparse *s, uint64_t *total)
{
    *total = 1;
    for (int k = 0; k < s->n_dims; k++)
        if (s->dims[k] <= 0 || __builtin_mul_overflow(*total, (uint64_t)s->dims[k], total))
            return false;
    return s->n_dims > 0;
}

/* Not in the file: NULL, or a tensor that says nothing. */
static bool is_absent(const mq_tensor *t)
{
    return !t || (t->dtype == MQ_UNDEFINED && !t->n_dims && !t->fields);
}

mq_status mq_sparse_verify(const mq_sparse *s, mq_place at, mq_findings *fs, mq_error *err)
{
    const mq_tensor *values = s->values, *indices = s->indices;
    size_t errors = fs->n_errors;
    uint64_t total = 1;

    if (is_absent(values)) {
        error(fs, at, "sparse", "the sparse tensor has no values");
        return MQ_OK;
    }
    mq_tensor_verify(values, at, fs);
    if (values->n_dims != 1)
        error(fs, at, "sparse", "the values of a sparse tensor have one dimension");
    else if (!sparse_shape_ok(s, &total))
        error(fs, at, "sparse", "the shape of a sparse tensor has at least one dimension, and all are above 0");
    else if (is_absent(indices) && values->dims[0])
        error(fs, at, "sparse", "the sparse tensor has no indices");
    if (is_absent(indices) || fs->n_errors > errors)
        return MQ_OK;
    mq_tensor_verify(indices, at, fs);
    if (indices->dtype != MQ_INT64)
        error(fs, at, "sparse", "indices must be int64");
    else if ((indices->n_dims != 1 && indices->n_dims != 2) || indices->dims[0] != values->dims[0] ||
             (indices->n_dims == 2 && indices->dims[1] != s->n_dims))
        error(fs, at, "sparse", "indices must have the shape [values] or [values, rank]");
    if (fs->n_errors > errors || indices->storage == MQ_STORE_EXTERNAL)
        return MQ_OK;
    return check_indices(s, total, at, fs, err);
}
