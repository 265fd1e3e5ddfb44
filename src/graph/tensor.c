/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tensors: sizes, and their elements as packed bytes wherever they are stored. */
#include <stdlib.h>
#include <string.h>

#include "graph/graph.h"

int64_t mq_tensor_count(const mq_tensor *t)
{
    int64_t n = 1;

    for (int i = 0; i < t->n_dims; i++)
        if (t->dims[i] < 0)
            return -1;
    for (int i = 0; i < t->n_dims; i++)
        if (t->dims[i] == 0)
            return 0;
    for (int i = 0; i < t->n_dims; i++)
        if (__builtin_mul_overflow(n, t->dims[i], &n))
            return -1;
    return n;
}

int64_t mq_tensor_size(const mq_tensor *t)
{
    int64_t n = mq_tensor_count(t);
    uint64_t bytes;

    if (t->dtype == MQ_STRING && n >= 0)
        return 0;
    return n < 0 || !mq_dtype_bytes(t->dtype, (uint64_t)n, &bytes) || bytes > INT64_MAX ? -1 : (int64_t)bytes;
}

static const char *label(const mq_tensor *t)
{
    return t->name[0] ? t->name : "(unnamed)";
}

/* How many items of a *_data field hold n elements: one each, but packed bytes for 2 and 4 bits, pairs for complex. */
static uint64_t items_for(mq_dtype t, uint64_t n)
{
    int bits = mq_dtype_bits(t);

    if (bits == 2 || bits == 4)
        return n / (8 / (unsigned)bits) + (n % (8 / (unsigned)bits) != 0);
    return n;
}

/* Narrows *_data items into packed little-endian bytes. */
static void pack_items(const mq_tensor *t, uint8_t *out)
{
    size_t width = (size_t)(mq_dtype_bits(t->dtype) < 8 ? 8 : mq_dtype_bits(t->dtype)) / 8;
    size_t stride = t->storage == MQ_STORE_INT32S ? 4 : 8;
    const uint8_t *in = t->data;

    if (mq_dtype_bits(t->dtype) == 6) { /* one code per item becomes a stream of 6 bits each */
        for (size_t i = 0; i < t->n_items; i++) {
            size_t bit = i * 6;
            unsigned v = (in[i * stride] & 0x3fu) << (bit % 8);
            out[bit / 8] |= (uint8_t)v;
            if (v >> 8)
                out[bit / 8 + 1] |= (uint8_t)(v >> 8);
        }
        return;
    }
    for (size_t i = 0; i < t->n_items; i++) /* both are little-endian: the low bytes come first */
        memcpy(out + i * width, in + i * stride, width);
}

static mq_status unpack_items(mq_tensor *t, uint64_t count, uint64_t size, mq_error *err)
{
    if (t->n_items != items_for(t->dtype, count))
        return mq_fail(err, MQ_ERR_INPUT, "tensor '%s': %zu values are stored where %llu are needed", label(t), t->n_items,
                       (unsigned long long)items_for(t->dtype, count));
    if (mq_dtype_bits(t->dtype) > (t->storage == MQ_STORE_INT32S ? 32 : 64))
        return mq_fail(err, MQ_ERR_INPUT, "tensor '%s': %s values are stored in the wrong field", label(t),
                       mq_dtype_name(t->dtype));
    if (!(t->unpacked = calloc(1, size ? size : 1)))
        return mq_oom(err);
    if (!mq_vec_push_in(t->model->arena, &t->model->tensors, t)) {
        free(t->unpacked);
        t->unpacked = NULL;
        return mq_oom(err);
    }
    pack_items(t, t->unpacked);
    return MQ_OK;
}

/* The bytes of an external tensor inside its mapped file. */
static mq_status external_bytes(mq_tensor *t, uint64_t size, const void **data, mq_error *err)
{
    mq_model *m = t->model;
    mq_buf *buf = NULL;
    mq_status rc;

    if (t->external.length >= 0 && (uint64_t)t->external.length != size)
        return mq_fail(err, MQ_ERR_INPUT, "tensor '%s': %lld bytes are stored in '%s' where %llu are needed", label(t),
                       (long long)t->external.length, t->external.location, (unsigned long long)size);
    if (!m->open_external)
        return mq_fail(err, MQ_ERR_INPUT, "tensor '%s': external data cannot be read here", label(t));
    if ((rc = m->open_external(m, t->external.location, &buf, err)) != MQ_OK) {
        mq_error_prefix(err, "tensor '%s'", label(t));
        return rc;
    }
    if (t->external.offset > buf->size || size > buf->size - t->external.offset)
        return mq_fail(err, MQ_ERR_INPUT, "tensor '%s': needs %llu bytes at %llu of '%s', which has %zu", label(t),
                       (unsigned long long)size, (unsigned long long)t->external.offset, t->external.location,
                       buf->size);
    t->buf = buf;
    t->data = buf->data + t->external.offset;
    t->n_bytes = size;
    *data = t->data;
    return MQ_OK;
}

mq_status mq_tensor_bytes(mq_tensor *t, const void **data, mq_error *err)
{
    int64_t count = mq_tensor_count(t), size = mq_tensor_size(t);
    mq_status rc = MQ_OK;

    if (count < 0 || size < 0)
        return mq_fail(err, MQ_ERR_INPUT, "tensor '%s': its shape or type (%d) is not valid", label(t), (int)t->dtype);
    if (t->dtype == MQ_STRING || t->storage == MQ_STORE_STRINGS)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "tensor '%s' holds strings", label(t));
    if (t->unpacked) {
        *data = t->unpacked;
        return MQ_OK;
    }
    switch (t->storage) {
    case MQ_STORE_RAW:
    case MQ_STORE_FLOATS:
        if (t->n_bytes != (uint64_t)size)
            return mq_fail(err, MQ_ERR_INPUT, "tensor '%s': %zu bytes are stored where %lld are needed", label(t),
                           t->n_bytes, (long long)size);
        *data = t->data;
        return MQ_OK;
    case MQ_STORE_EXTERNAL:
        return external_bytes(t, (uint64_t)size, data, err);
    case MQ_STORE_INT32S:
    case MQ_STORE_INT64S:
    case MQ_STORE_UINT64S:
        if ((rc = unpack_items(t, (uint64_t)count, (uint64_t)size, err)) == MQ_OK)
            *data = t->unpacked;
        return rc;
    case MQ_STORE_MADE:
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "tensor '%s' is made when it is written", label(t));
    case MQ_STORE_STRINGS:
        break;
    }
    return MQ_OK;
}

/* Common start of the two readers: the bytes, and a check of the range. */
static mq_status readable(mq_tensor *t, uint64_t start, uint64_t n, const void **data, mq_error *err)
{
    mq_status rc = mq_tensor_bytes(t, data, err);
    uint64_t count = (uint64_t)mq_tensor_count(t);

    if (rc == MQ_OK && (start > count || n > count - start))
        rc = mq_fail(err, MQ_ERR_INPUT, "tensor '%s': element %llu is beyond its %llu", label(t),
                     (unsigned long long)(start + n), (unsigned long long)count);
    return rc;
}

/* A sink that is a piece of memory. */
struct memory_sink {
    mq_sink base;
    uint8_t *data;
    uint64_t n_bytes;
};

static mq_status write_memory(mq_sink *base, uint64_t offset, const void *data, size_t n, mq_error *err)
{
    const struct memory_sink *s = (const struct memory_sink *)base;

    if (offset > s->n_bytes || n > s->n_bytes - offset)
        return mq_fail(err, MQ_ERR_SYSTEM, "a tensor was made larger than it said");
    if (n)
        memcpy(s->data + offset, data, n);
    return MQ_OK;
}

mq_status mq_tensor_make(mq_tensor *t, const mq_hooks *hooks, mq_error *err)
{
    struct memory_sink sink = { .base = { .write_at = write_memory } };
    mq_buf *buf;
    mq_status rc;

    if (t->storage != MQ_STORE_MADE)
        return MQ_OK;
    sink.n_bytes = t->maker->n_bytes;
    if (!(sink.data = calloc(1, (size_t)sink.n_bytes + 1)))
        return mq_oom(err);
    if ((rc = t->maker->make(t->maker->user, &sink.base, hooks, err)) != MQ_OK) {
        free(sink.data);
        return rc;
    }
    MQ_TRY(mq_buf_from_heap(&buf, sink.data, (size_t)sink.n_bytes, err)); /* takes the memory, on failure too */
    MQ_TRY(mq_model_keep_buf(t->model, buf, err));
    t->storage = MQ_STORE_RAW;
    t->maker = NULL;
    t->buf = buf;
    t->data = sink.data;
    t->n_bytes = (size_t)sink.n_bytes;
done:
    return rc;
}

mq_status mq_tensor_read_f32(mq_tensor *t, uint64_t start, uint64_t n, float *out, mq_error *err)
{
    const void *data = NULL;
    mq_status rc = readable(t, start, n, &data, err);

    if (rc == MQ_OK)
        mq_dtype_to_f32(t->dtype, data, start, n, out);
    return rc;
}

mq_status mq_tensor_read_i64(mq_tensor *t, uint64_t start, uint64_t n, int64_t *out, mq_error *err)
{
    const void *data = NULL;
    mq_status rc = readable(t, start, n, &data, err);

    if (rc == MQ_OK)
        mq_dtype_to_i64(t->dtype, data, start, n, out);
    return rc;
}

bool mq_sparse_position(const mq_sparse *s, const int64_t *indices, uint64_t total, uint64_t *position)
{
    *position = (uint64_t)indices[0];
    if (s->indices->n_dims == 1)
        return indices[0] >= 0 && (uint64_t)indices[0] < total;
    *position = 0;
    for (int k = 0; k < s->n_dims; k++) {
        if (indices[k] < 0 || indices[k] >= s->dims[k])
            return false;
        *position = *position * (uint64_t)s->dims[k] + (uint64_t)indices[k];
    }
    return true;
}

mq_tensor *mq_tensor_create(mq_model *m, const char *name, mq_dtype dtype, int n_dims, const int64_t *dims,
                            const void *data)
{
    mq_tensor *t = mq_arena_alloc(m->arena, sizeof *t);

    if (!t || !(t->name = mq_arena_strdup(m->arena, name)) ||
        !(t->dims = mq_arena_memdup(m->arena, dims, (size_t)n_dims * sizeof *dims)))
        return NULL;
    t->dtype = dtype;
    t->n_dims = n_dims;
    t->model = m;
    t->storage = MQ_STORE_RAW;
    if (data) {
        t->n_bytes = (size_t)mq_tensor_size(t);
        if (!(t->data = mq_arena_memdup(m->arena, data, t->n_bytes)))
            return NULL;
    }
    return t;
}
