/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Values of tensor files as values at run time, and back. */
#include <stdlib.h>
#include <string.h>

#include "model/sparse.h"
#include "model/tensor_file.h"

#define MAX_DEPTH 16

mq_status mq_array_of_sparse(mq_array **out, const mq_sparse *s, mq_error *err)
{
    mq_array *dense = NULL;
    mq_status rc;

    MQ_TRY(mq_array_create(&dense, s->values->dtype, s->n_dims, s->dims, err));
    memset(dense->data, 0, mq_array_bytes(dense));
    MQ_TRY(mq_sparse_scatter(s, dense->data, err));
    *out = dense;
    dense = NULL;
done:
    mq_array_unref(dense);
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
