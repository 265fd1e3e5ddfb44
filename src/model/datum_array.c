/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Values of tensor files as values at run time, and back. */
#include <stdlib.h>
#include <string.h>

#include "model/tensor_file.h"

#define MAX_DEPTH 16

/* Writes the elements of a coordinate list into zeroed dense memory. */
static mq_status scatter(const mq_sparse *s, mq_array *dense, const mq_array *values, mq_error *err)
{
    const size_t elem = mq_array_elem_size(values), n = values->count;
    const bool linear = s->indices->n_dims == 1;
    int64_t idx[MQ_MAX_RANK];
    mq_status rc = MQ_OK;

    if (!elem || dense->dtype == MQ_STRING)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "a sparse tensor of %s cannot be read", mq_dtype_name(values->dtype));
    for (size_t i = 0; i < n && rc == MQ_OK; i++) {
        const size_t width = linear ? 1 : (size_t)dense->rank;
        int64_t at = 0;

        if ((rc = mq_tensor_read_i64(s->indices, i * width, width, idx, err)) != MQ_OK)
            break;
        for (size_t d = 0; !linear && d < width; d++) {
            if (idx[d] < 0 || idx[d] >= dense->dims[d])
                return mq_fail(err, MQ_ERR_INPUT, "an index of a sparse tensor is %lld", (long long)idx[d]);
            at = at * dense->dims[d] + idx[d];
        }
        at = linear ? idx[0] : at;
        if (at < 0 || (size_t)at >= dense->count)
            return mq_fail(err, MQ_ERR_INPUT, "an index of a sparse tensor is %lld", (long long)at);
        memcpy((char *)dense->data + (size_t)at * elem, (const char *)values->data + i * elem, elem);
    }
    return rc;
}

mq_status mq_array_of_sparse(mq_array **out, const mq_sparse *s, mq_error *err)
{
    mq_array *values = NULL, *dense = NULL;
    mq_status rc;
    const int64_t n = mq_tensor_count(s->values);

    if (n < 0 || mq_tensor_count(s->indices) != (s->indices->n_dims == 1 ? n : n * s->n_dims))
        return mq_fail(err, MQ_ERR_INPUT, "a sparse tensor's values and indices disagree");
    MQ_TRY(mq_array_of_tensor(&values, s->values, true, err));
    MQ_TRY(mq_array_create(&dense, s->values->dtype, s->n_dims, s->dims, err));
    memset(dense->data, 0, mq_array_bytes(dense));
    MQ_TRY(scatter(s, dense, values, err));
    *out = dense;
    dense = NULL;
done:
    mq_array_unref(dense);
    mq_array_unref(values);
    return rc;
}

static mq_status of_items(mq_array **out, const mq_datum *d, int depth, mq_error *err);

static mq_status of_datum(mq_array **out, const mq_datum *d, int depth, mq_error *err)
{
    switch (depth < MAX_DEPTH ? d->kind : MQ_TYPE_OPAQUE) {
    case MQ_TYPE_TENSOR:
        return mq_array_of_tensor(out, d->tensor, true, err);
    case MQ_TYPE_SPARSE_TENSOR:
        return mq_array_of_sparse(out, d->sparse, err);
    case MQ_TYPE_SEQUENCE:
        return of_items(out, d, depth, err);
    case MQ_TYPE_OPTIONAL:
        return d->n ? of_datum(out, d->items[0], depth + 1, err) : mq_array_none(out, err);
    case MQ_TYPE_UNKNOWN:
        return mq_array_none(out, err);
    default:
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "'%s' is a map, or nested too deep, and cannot be run", d->name);
    }
}

static mq_status of_items(mq_array **out, const mq_datum *d, int depth, mq_error *err)
{
    mq_array *list = NULL, *item = NULL;
    mq_status rc;

    MQ_TRY(mq_array_sequence(&list, MQ_UNDEFINED, 0, NULL, err));
    for (size_t i = 0; i < d->n; i++) {
        mq_array **items = realloc(list->items, (list->n_items + 1) * sizeof(mq_array *));

        if (!items)
            MQ_TRY(mq_oom(err));
        list->items = items;
        MQ_TRY(of_datum(&item, d->items[i], depth + 1, err));
        items[list->n_items++] = item;
        list->dtype = item->dtype;
    }
    *out = list;
    list = NULL;
done:
    mq_array_unref(list);
    return rc;
}

mq_status mq_array_of_datum(mq_array **out, const mq_datum *d, mq_error *err)
{
    return of_datum(out, d, 0, err);
}

mq_status mq_datum_of_array(mq_datum **out, mq_model *m, const char *name, const mq_array *a, mq_error *err)
{
    mq_datum *d = mq_arena_alloc(m->arena, sizeof *d);
    mq_status rc = MQ_OK;

    if (!d || !(d->name = mq_arena_strdup(m->arena, name)))
        return mq_oom(err);
    d->kind = a->kind == MQ_TYPE_OPTIONAL ? MQ_TYPE_UNKNOWN : a->kind;
    if (a->kind == MQ_TYPE_TENSOR)
        rc = mq_tensor_of_array(&d->tensor, m, name, a, err);
    if (a->kind == MQ_TYPE_SEQUENCE && !(d->items = mq_arena_calloc(m->arena, a->n_items, sizeof(mq_datum *))))
        return mq_oom(err);
    for (size_t i = 0; i < a->n_items && rc == MQ_OK; i++, d->n++)
        rc = mq_datum_of_array(&d->items[i], m, "", a->items[i], err);
    if (rc == MQ_OK)
        *out = d;
    return rc;
}
