/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What all tables share: making, freeing, rows of dense columns, texts for messages. */
#include "data/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

mq_status mq_table_create(mq_table **out, size_t size, const mq_table_ops *ops, const char *path, size_t n_columns,
                          mq_error *err)
{
    mq_table *t = calloc(1, size);

    if (!t)
        return mq_oom(err);
    t->ops = ops;
    t->path = strdup(path);
    t->columns = calloc(n_columns ? n_columns : 1, sizeof *t->columns);
    t->n_columns = n_columns;
    if (!t->path || !t->columns) {
        free(t->path);
        free(t->columns);
        free(t);
        return mq_oom(err);
    }
    for (size_t i = 0; i < n_columns; i++)
        t->columns[i].name = "";
    *out = t;
    return MQ_OK;
}

void mq_table_free(mq_table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n_columns; i++)
        mq_array_unref(t->columns[i].array);
    if (t->ops->release)
        t->ops->release(t);
    free(t->columns);
    free(t->path);
    free(t);
}

int mq_table_find(const mq_table *t, const char *name)
{
    for (size_t i = 0; i < t->n_columns; i++)
        if (strcmp(t->columns[i].name, name) == 0)
            return (int)i;
    return -1;
}

mq_status mq_table_whole(mq_table *t, size_t column, mq_array **out, mq_error *err)
{
    mq_column *c = &t->columns[column];
    const mq_status rc = c->array ? MQ_OK : t->ops->load(t, column, err);

    if (rc == MQ_OK)
        *out = c->array;
    return rc;
}

mq_status mq_table_row(mq_table *t, size_t column, uint64_t row, mq_array **out, mq_error *err)
{
    const mq_column *c = &t->columns[column];
    mq_array *a;
    size_t count = 1;
    mq_status rc;

    if (!c->dense || (t->ops->row && !c->array))
        return t->ops->row(t, column, row, out, err);
    if ((rc = mq_table_whole(t, column, &a, err)) != MQ_OK)
        return rc;
    for (int i = 1; i < a->rank; i++)
        count *= (size_t)a->dims[i];
    return mq_array_wrap(out, a->dtype, a->rank - 1, a->dims + 1,
                         (char *)a->data + (size_t)row * count * mq_array_elem_size(a), a->block, err);
}

void mq_table_row_text(const mq_table *t, uint64_t row, char *out, size_t size)
{
    if (t->ops->row_text)
        t->ops->row_text(t, row, out, size);
    else
        snprintf(out, size, "%s, row %llu", t->path, (unsigned long long)row);
}

void mq_column_text(const mq_column *c, char *out, size_t size)
{
    size_t n;

    if (c->image) {
        snprintf(out, size, "images");
        return;
    }
    n = (size_t)snprintf(out, size, "%s", c->dtype ? mq_dtype_name(c->dtype) : "numbers");
    if (c->rank < 0 || n >= size)
        return;
    n += (size_t)snprintf(out + n, size - n, c->dense ? "[" : " rows of [");
    for (int i = 0; i < c->rank && n < size; i++)
        n += c->dims[i] < 0 ? (size_t)snprintf(out + n, size - n, i ? ",?" : "?")
                            : (size_t)snprintf(out + n, size - n, i ? ",%lld" : "%lld", (long long)c->dims[i]);
    if (n < size)
        snprintf(out + n, size - n, "]");
}

mq_status mq_table_of_array(mq_table **out, const char *path, mq_array *array, mq_error *err)
{
    static const mq_table_ops ops = { 0 };
    mq_table *t = NULL;
    const mq_status rc = mq_table_create(&t, sizeof *t, &ops, path, 1, err);

    if (rc != MQ_OK)
        return rc;
    t->columns[0] = (mq_column){ .name = "", .dtype = array->dtype, .rank = array->rank, .dense = true,
                                 .array = mq_array_ref(array) };
    memcpy(t->columns[0].dims, array->dims, sizeof array->dims);
    t->n_rows = array->rank > 0 ? (uint64_t)array->dims[0] : 0;
    *out = t;
    return MQ_OK;
}
