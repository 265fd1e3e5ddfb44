/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Sparse initializers become dense ones. */
#include <stdlib.h>
#include <string.h>

#include "graph/array.h"
#include "model/sparse.h"

enum { BLOCK = 4096 }; /* indices read at once */

/* Elements of s as a dense tensor; -1: its parts disagree. */
static int64_t dense_count(const mq_sparse *s)
{
    const mq_tensor shape = { .n_dims = s->n_dims, .dims = s->dims };
    const int64_t n = s->values && s->indices ? mq_tensor_count(s->values) : -1;
    int64_t n_indices;

    if (n < 0 || s->values->n_dims != 1 || s->n_dims < 1 || s->n_dims > MQ_MAX_RANK || s->indices->dtype != MQ_INT64)
        return -1;
    if (__builtin_mul_overflow(n, s->indices->n_dims == 1 ? 1 : s->n_dims, &n_indices) ||
        mq_tensor_count(s->indices) != n_indices)
        return -1;
    return mq_tensor_count(&shape);
}

mq_status mq_sparse_scatter(const mq_sparse *s, void *dense, mq_error *err)
{
    const int64_t total = dense_count(s);
    const size_t elem = total < 0 ? 0 : (size_t)mq_dtype_bits(s->values->dtype) / 8;
    const size_t width = s->indices && s->indices->n_dims == 1 ? 1 : (size_t)s->n_dims, step = BLOCK / (width ? width : 1);
    const void *values, *indices;
    int64_t idx[BLOCK];
    uint64_t at;
    mq_status rc;

    if (total < 0)
        return mq_fail(err, MQ_ERR_INPUT, "a sparse tensor's values and indices disagree");
    if (!elem || s->values->dtype == MQ_STRING)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "a sparse tensor of %s cannot be read", mq_dtype_name(s->values->dtype));
    MQ_TRY(mq_tensor_bytes(s->values, &values, err));
    MQ_TRY(mq_tensor_bytes(s->indices, &indices, err));
    for (uint64_t i = 0, n = (uint64_t)mq_tensor_count(s->values); i < n; i += step) {
        const uint64_t m = n - i < step ? n - i : step;

        memcpy(idx, (const int64_t *)indices + i * width, (size_t)m * width * sizeof *idx);
        for (uint64_t k = 0; k < m; k++) {
            if (!mq_sparse_position(s, idx + k * width, (uint64_t)total, &at))
                return mq_fail(err, MQ_ERR_INPUT, "index %llu of sparse tensor '%s' is outside of its shape",
                               (unsigned long long)(i + k), s->values->name);
            memcpy((char *)dense + at * elem, (const char *)values + (i + k) * elem, elem);
        }
    }
done:
    return rc;
}

mq_status mq_sparse_dense(mq_model *m, const mq_sparse *s, const char *name, mq_tensor **out, mq_error *err)
{
    const int64_t n = dense_count(s);
    uint64_t size;
    mq_buf *buf = NULL;
    mq_tensor *t;
    void *data;
    mq_status rc;

    if (n < 0 || !mq_dtype_bytes(s->values->dtype, (uint64_t)n, &size))
        return mq_fail(err, MQ_ERR_INPUT, "the parts of sparse tensor '%s' disagree", name);
    if (size >= SIZE_MAX || !(data = calloc(1, (size_t)size + 1)))
        return mq_oom(err);
    if ((rc = mq_sparse_scatter(s, data, err)) != MQ_OK) {
        free(data);
        return rc;
    }
    MQ_TRY(mq_buf_from_heap(&buf, data, (size_t)size, err));
    MQ_TRY(mq_model_keep_buf(m, buf, err));
    if (!(t = mq_tensor_create(m, name, s->values->dtype, s->n_dims, s->dims, NULL)))
        return mq_oom(err);
    t->storage = MQ_STORE_RAW;
    t->buf = buf;
    t->data = data;
    t->n_bytes = (size_t)size;
    *out = t;
done:
    return rc;
}

static mq_status make_dense(mq_value *v, mq_error *err)
{
    mq_tensor *t = NULL;
    const mq_status rc = mq_sparse_dense(v->graph->model, v->sparse, v->name, &t, err);

    return rc == MQ_OK ? mq_value_set_init(v, t, err) : rc;
}

mq_status mq_model_make_dense(mq_model *m, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < m->graphs.n; i++)
        for (size_t k = 0; k < m->graphs.items[i]->inits.n && rc == MQ_OK; k++)
            if (m->graphs.items[i]->inits.items[k]->sparse)
                rc = make_dense(m->graphs.items[i]->inits.items[k], err);
    return rc;
}
