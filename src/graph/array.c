/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Arrays: making, sharing, converting between tensors of the graph and values at run time. */
#include "graph/array.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN 64
#define SMALL_PAYLOAD 4096 /* a misaligned payload up to this size is copied at once */

static void free_heap_block(mq_block *b)
{
    free(b);
}

mq_block *mq_block_create(size_t size)
{
    const size_t head = (sizeof(mq_block) + ALIGN - 1) / ALIGN * ALIGN;
    mq_block *b;
    size_t total;

    if (__builtin_add_overflow(size, head + ALIGN, &total) || !(b = aligned_alloc(ALIGN, total / ALIGN * ALIGN)))
        return NULL;
    *b = (mq_block){ .data = (char *)b + head, .size = size, .refs = 1, .free = free_heap_block };
    return b;
}

mq_block *mq_block_ref(mq_block *b)
{
    if (b)
        b->refs++;
    return b;
}

void mq_block_unref(mq_block *b)
{
    if (b && --b->refs == 0)
        b->free(b);
}

/* ---- making ------------------------------------------------------------------------------------------------------- */

static mq_status new_array(mq_array **out, mq_type_kind kind, mq_error *err)
{
    mq_array *a = malloc(sizeof *a); /* not calloc: this is done for every output of every node */

    if (!a)
        return mq_oom(err);
    *a = (mq_array){ .kind = kind, .refs = 1 };
    *out = a;
    return MQ_OK;
}

/* Bytes of `count` elements as an array holds them. */
static bool storage_bytes(mq_dtype dtype, size_t count, size_t *bytes)
{
    uint64_t n;

    if (dtype == MQ_STRING)
        return !__builtin_mul_overflow(count, sizeof(mq_bytes), bytes);
    if (!mq_dtype_bytes(dtype, count, &n) || n > PTRDIFF_MAX)
        return false;
    *bytes = (size_t)n;
    return true;
}

mq_status mq_array_wrap(mq_array **out, mq_dtype dtype, int rank, const int64_t *dims, void *data, mq_block *block,
                        mq_error *err)
{
    mq_array *a = NULL;
    int64_t count = 1;
    bool empty = false, overflow = false;
    mq_status rc;

    if (rank < 0 || rank > MQ_MAX_RANK)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "a tensor has rank %d; ranks up to %d can be run", rank, MQ_MAX_RANK);
    for (int i = 0; i < rank; i++) {
        if (dims[i] < 0)
            return mq_fail(err, MQ_ERR_INPUT, "a dim of a tensor is %lld", (long long)dims[i]);
        empty |= dims[i] == 0;
        overflow |= dims[i] && __builtin_mul_overflow(count, dims[i], &count);
    }
    if (overflow) /* of an empty tensor, too: kernels multiply some of its sizes */
        return mq_fail(err, MQ_ERR_INPUT, "the size of a tensor overflows");
    if ((rc = new_array(&a, MQ_TYPE_TENSOR, err)) != MQ_OK)
        return rc;
    a->dtype = dtype;
    a->rank = rank;
    if (rank)
        memcpy(a->dims, dims, (size_t)rank * sizeof *dims);
    a->count = empty ? 0 : (size_t)count;
    a->data = data;
    a->block = mq_block_ref(block);
    *out = a;
    return MQ_OK;
}

mq_status mq_array_create(mq_array **out, mq_dtype dtype, int rank, const int64_t *dims, mq_error *err)
{
    mq_array *a = NULL;
    size_t bytes = 0;
    mq_status rc = mq_array_wrap(&a, dtype, rank, dims, NULL, NULL, err);

    if (rc != MQ_OK)
        return rc;
    if (!storage_bytes(dtype, a->count, &bytes))
        rc = mq_fail(err, MQ_ERR_INPUT, "a tensor of %s would have more bytes than fit", mq_dtype_name(dtype));
    else if (!(a->block = mq_block_create(bytes)))
        rc = mq_oom(err);
    if (rc != MQ_OK) {
        mq_array_unref(a);
        return rc;
    }
    a->data = a->block->data;
    if (dtype == MQ_STRING)
        memset(a->data, 0, bytes);
    *out = a;
    return MQ_OK;
}

static mq_status of_strings(mq_array **out, const mq_tensor *t, mq_error *err)
{
    mq_array *a = NULL;
    mq_status rc;

    if (t->storage != MQ_STORE_STRINGS && mq_tensor_count(t) != 0)
        return mq_fail(err, MQ_ERR_INPUT, "tensor '%s': its strings are missing", t->name);
    if ((rc = mq_array_create(&a, MQ_STRING, t->n_dims, t->dims, err)) != MQ_OK)
        return rc;
    if (a->count != (t->storage == MQ_STORE_STRINGS ? t->n_items : 0)) {
        mq_array_unref(a);
        return mq_fail(err, MQ_ERR_INPUT, "tensor '%s': %zu strings are stored where its shape asks for another number",
                       t->name, t->n_items);
    }
    if (a->count)
        memcpy(a->data, t->strings, a->count * sizeof(mq_bytes));
    *out = a;
    return MQ_OK;
}

mq_status mq_array_of_tensor(mq_array **out, mq_tensor *t, bool align, mq_error *err)
{
    const void *data;
    mq_array *a = NULL;
    size_t elem = (size_t)mq_dtype_bits(t->dtype) / 8;
    mq_status rc;

    if (t->dtype == MQ_STRING)
        return of_strings(out, t, err);
    if ((rc = mq_tensor_bytes(t, &data, err)) != MQ_OK)
        return rc;
    if ((rc = mq_array_wrap(&a, t->dtype, t->n_dims, t->dims, (void *)(uintptr_t)data, NULL, err)) != MQ_OK) {
        mq_error_prefix(err, "tensor '%s'", t->name);
        return rc;
    }
    elem = elem > 8 ? elem / 2 : elem; /* of a complex number each part counts */
    if (elem > 1 && (uintptr_t)data % elem && (align || mq_array_bytes(a) <= SMALL_PAYLOAD)) {
        rc = mq_array_copy(out, a, err);
        mq_array_unref(a);
        return rc;
    }
    *out = a;
    return MQ_OK;
}

static mq_status fill_strings(mq_tensor *t, mq_model *m, const mq_array *a, mq_error *err)
{
    const mq_bytes *in = a->data;
    mq_bytes *copy = mq_arena_calloc(m->arena, a->count, sizeof *copy);

    if (!copy)
        return mq_oom(err);
    for (size_t i = 0; i < a->count; i++) {
        copy[i].n = in[i].n;
        if (!(copy[i].data = mq_arena_memdup(m->arena, in[i].data, in[i].n)))
            return mq_oom(err);
    }
    t->storage = MQ_STORE_STRINGS;
    t->strings = copy;
    t->n_items = a->count;
    return MQ_OK;
}

mq_status mq_tensor_of_array(mq_tensor **out, mq_model *m, const char *name, const mq_array *a, mq_error *err)
{
    mq_array *packed = NULL;
    mq_tensor *t;
    mq_status rc = MQ_OK;

    if (a->dtype == MQ_STRING) {
        t = mq_tensor_create(m, name, a->dtype, a->rank, a->dims, NULL);
        if (!t)
            return mq_oom(err);
        rc = fill_strings(t, m, a, err);
    } else {
        MQ_TRY(mq_array_pack(&packed, a, err));
        t = mq_tensor_create(m, name, a->dtype, a->rank, a->dims, packed->data);
        if (!t)
            rc = mq_oom(err);
    }
    if (rc == MQ_OK)
        *out = t;
done:
    mq_array_unref(packed);
    return rc;
}

mq_status mq_array_sequence(mq_array **out, mq_dtype dtype, size_t n, mq_array *const *items, mq_error *err)
{
    mq_array *a = NULL;
    mq_status rc = new_array(&a, MQ_TYPE_SEQUENCE, err);

    if (rc != MQ_OK)
        return rc;
    a->dtype = dtype;
    if (!(a->items = calloc(n ? n : 1, sizeof(mq_array *)))) {
        free(a);
        return mq_oom(err);
    }
    for (size_t i = 0; i < n; i++)
        a->items[i] = mq_array_ref(items[i]);
    a->n_items = n;
    *out = a;
    return MQ_OK;
}

mq_status mq_array_none(mq_array **out, mq_error *err)
{
    return new_array(out, MQ_TYPE_OPTIONAL, err);
}

mq_status mq_array_copy(mq_array **out, const mq_array *a, mq_error *err)
{
    mq_array *c = NULL;
    mq_status rc;

    if (a->kind == MQ_TYPE_SEQUENCE)
        return mq_array_sequence(out, a->dtype, a->n_items, a->items, err);
    if (a->kind != MQ_TYPE_TENSOR)
        return mq_array_none(out, err);
    if ((rc = mq_array_wrap(&c, a->dtype, a->rank, a->dims, NULL, NULL, err)) != MQ_OK)
        return rc;
    c->codes = a->codes;
    if (!(c->block = mq_block_create(mq_array_bytes(a)))) {
        mq_array_unref(c);
        return mq_oom(err);
    }
    c->data = c->block->data;
    if (c->count)
        memcpy(c->data, a->data, mq_array_bytes(a));
    *out = c;
    return MQ_OK;
}

mq_array *mq_array_ref(mq_array *a)
{
    if (a && !a->constant)
        a->refs++;
    return a;
}

void mq_array_unref(mq_array *a)
{
    if (!a || a->constant || --a->refs > 0)
        return;
    for (size_t i = 0; i < a->n_items; i++)
        mq_array_unref(a->items[i]);
    free(a->items);
    mq_block_unref(a->block);
    free(a);
}

/* ---- looking ------------------------------------------------------------------------------------------------------ */

size_t mq_array_elem_size(const mq_array *a)
{
    return a->dtype == MQ_STRING ? sizeof(mq_bytes) : a->codes ? 1 : (size_t)mq_dtype_bits(a->dtype) / 8;
}

size_t mq_array_bytes(const mq_array *a)
{
    size_t bytes = 0;

    if (a->kind != MQ_TYPE_TENSOR)
        return 0;
    if (a->codes)
        return a->count;
    return storage_bytes(a->dtype, a->count, &bytes) ? bytes : 0;
}

int64_t mq_array_i64(const mq_array *a, size_t i)
{
    int64_t v;

    if (a->codes)
        return mq_dtype_is_signed(a->dtype) ? ((const int8_t *)a->data)[i] : ((const uint8_t *)a->data)[i];
    mq_dtype_to_i64(a->dtype, a->data, i, 1, &v);
    return v;
}

double mq_array_f64(const mq_array *a, size_t i)
{
    float f;

    if (a->dtype == MQ_DOUBLE)
        return ((const double *)a->data)[i];
    if (mq_dtype_is_float(a->dtype)) {
        mq_dtype_to_f32(a->dtype, a->data, i, 1, &f);
        return (double)f;
    }
    return (double)mq_array_i64(a, i);
}

void mq_array_text(const mq_array *a, char *out, size_t size)
{
    size_t n;

    if (a->kind != MQ_TYPE_TENSOR) {
        snprintf(out, size, a->kind == MQ_TYPE_SEQUENCE ? "a sequence of %zu" : "an empty optional", a->n_items);
        return;
    }
    n = (size_t)snprintf(out, size, "%s[", mq_dtype_name(a->dtype));
    for (int i = 0; i < a->rank && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, i ? ",%lld" : "%lld", (long long)a->dims[i]);
    if (n < size)
        snprintf(out + n, size - n, "]");
}

/* ---- elements of fewer than 8 bits -------------------------------------------------------------------------------- */

static bool is_small(const mq_array *a)
{
    const int bits = mq_dtype_bits(a->dtype);

    return a->kind == MQ_TYPE_TENSOR && bits > 0 && bits < 8;
}

static unsigned code_at(const uint8_t *in, size_t i, unsigned bits, size_t n_bytes)
{
    const size_t bit = i * bits, byte = bit / 8;
    unsigned v = in[byte];

    if (byte + 1 < n_bytes)
        v |= (unsigned)in[byte + 1] << 8;
    return v >> (bit % 8) & ((1u << bits) - 1);
}

mq_status mq_array_unpack(mq_array **out, const mq_array *a, mq_error *err)
{
    /* types of 8 bits and more return below */
    const unsigned bits = (unsigned)mq_dtype_bits(a->dtype) & 7, sign = 1u << bits >> 1;
    const bool is_signed = mq_dtype_is_integer(a->dtype) && mq_dtype_is_signed(a->dtype);
    const size_t n_bytes = mq_array_bytes(a);
    mq_block *block;
    mq_status rc;
    uint8_t *p;

    if (!is_small(a) || a->codes) {
        *out = mq_array_ref((mq_array *)(uintptr_t)a);
        return MQ_OK;
    }
    if (!(block = mq_block_create(a->count)))
        return mq_oom(err);
    p = block->data;
    for (size_t i = 0; i < a->count; i++) {
        const unsigned v = code_at(a->data, i, bits, n_bytes);

        p[i] = (uint8_t)(is_signed ? (v ^ sign) - sign : v);
    }
    if ((rc = mq_array_wrap(out, a->dtype, a->rank, a->dims, p, block, err)) == MQ_OK)
        (*out)->codes = true;
    mq_block_unref(block);
    return rc;
}

mq_status mq_array_pack(mq_array **out, const mq_array *a, mq_error *err)
{
    const unsigned bits = (unsigned)mq_dtype_bits(a->dtype);
    const uint8_t *in = a->data;
    uint8_t *p;
    mq_status rc;

    if (!is_small(a) || !a->codes) {
        *out = mq_array_ref((mq_array *)(uintptr_t)a);
        return MQ_OK;
    }
    if ((rc = mq_array_create(out, a->dtype, a->rank, a->dims, err)) != MQ_OK)
        return rc;
    p = (*out)->data;
    memset(p, 0, mq_array_bytes(*out));
    for (size_t i = 0; i < a->count; i++) {
        const size_t bit = i * bits;
        const unsigned v = (in[i] & ((1u << bits) - 1)) << (bit % 8);

        p[bit / 8] |= (uint8_t)v;
        if (v >> 8)
            p[bit / 8 + 1] |= (uint8_t)(v >> 8);
    }
    return MQ_OK;
}
