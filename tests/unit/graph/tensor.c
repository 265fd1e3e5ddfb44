/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/graph/tensor.c: the same elements from every kind of storage, and lengths that do not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "graph_make.h"

static mq_model *m;

static int setup(void **state)
{
    (void)state;
    m = make_model(17);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mq_model_free(m);
    return 0;
}

static mq_tensor *tensor(mq_dtype dtype, const char *dims_text, const void *data)
{
    int64_t dims[80];
    mq_tensor *t = mq_tensor_create(m, "t", dtype, make_dims(dims_text, dims), dims, data);

    assert_non_null(t);
    return t;
}

static mq_tensor *stored(mq_dtype dtype, const char *dims, mq_storage storage, const void *items, size_t n)
{
    mq_tensor *t = tensor(dtype, dims, NULL);

    t->storage = storage;
    t->data = items;
    t->n_items = n;
    return t;
}

static void counts(const char *dims, int64_t count, int64_t size)
{
    const mq_tensor *t = tensor(MQ_FLOAT, dims, NULL);

    assert_true(mq_tensor_count(t) == count);
    assert_true(mq_tensor_size(t) == size);
}

static void test_counts(void **state)
{
    (void)state;
    counts("", 1, 4);
    counts("3,4", 12, 48);
    counts("3,0,4", 0, 0);
    counts("-1", -1, -1);
    counts("-4,-3", -1, -1);
    counts("0,-1", -1, -1);
    counts("4611686018427387904,4,0", 0, 0); /* huge sizes and a zero: nothing */
    counts("4294967296,4294967296", -1, -1);
    counts("4611686018427387904", 4611686018427387904, -1);
    assert_true(mq_tensor_size(tensor(MQ_STRING, "5", NULL)) == 0);
    assert_true(mq_tensor_size(tensor(MQ_UNDEFINED, "5", NULL)) == -1);
    assert_true(mq_tensor_size(tensor((mq_dtype)77, "5", NULL)) == -1);
    assert_true(mq_tensor_size(tensor(MQ_INT4, "5", NULL)) == 3);
}

static void reads(mq_tensor *t, const float *want, size_t n)
{
    float f[16];
    int64_t i64[16];

    assert_int_equal(mq_tensor_read_f32(t, 0, n, f, NULL), MQ_OK);
    assert_int_equal(mq_tensor_read_i64(t, 0, n, i64, NULL), MQ_OK);
    for (size_t i = 0; i < n; i++) {
        assert_true(f[i] == want[i]);
        assert_true(i64[i] == (int64_t)want[i]);
    }
    for (size_t start = 0; start < n; start++) {
        assert_int_equal(mq_tensor_read_f32(t, start, n - start, f, NULL), MQ_OK);
        assert_memory_equal(f, want + start, (n - start) * sizeof *f);
    }
}

static void test_every_storage(void **state)
{
    static const float want[] = { 1, -2, 3, 0 };
    static const int32_t i32[] = { 1, -2, 3, 0 };
    static const int64_t i64[] = { 1, -2, 3, 0 };
    static const uint64_t u64[] = { 1, 2, UINT32_MAX, 0 };
    static const int32_t f16[] = { 0x3c00, 0xc000, 0x4200, 0 }, bf16[] = { 0x3f80, 0xc000, 0x4040, 0 };
    static const int32_t bools[] = { 1, 0, 1, 1 };
    mq_tensor *t;

    (void)state;
    reads(tensor(MQ_FLOAT, "4", want), want, 4);
    t = tensor(MQ_FLOAT, "4", want);
    t->storage = MQ_STORE_FLOATS;
    reads(t, want, 4);
    reads(stored(MQ_INT32, "4", MQ_STORE_INT32S, i32, 4), want, 4);
    reads(stored(MQ_INT16, "4", MQ_STORE_INT32S, i32, 4), want, 4);
    reads(stored(MQ_INT8, "2,2", MQ_STORE_INT32S, i32, 4), want, 4);
    reads(stored(MQ_INT64, "4", MQ_STORE_INT64S, i64, 4), want, 4);
    reads(stored(MQ_UINT64, "2", MQ_STORE_UINT64S, u64, 2), (const float[]){ 1, 2 }, 2);
    reads(stored(MQ_UINT32, "4", MQ_STORE_UINT64S, u64, 4), (const float[]){ 1, 2, 4294967296.0f, 0 } + 0, 2);
    reads(stored(MQ_FLOAT16, "4", MQ_STORE_INT32S, f16, 4), want, 4);
    reads(stored(MQ_BFLOAT16, "4", MQ_STORE_INT32S, bf16, 4), want, 4);
    reads(stored(MQ_BOOL, "4", MQ_STORE_INT32S, bools, 4), (const float[]){ 1, 0, 1, 1 }, 4);
    reads(stored(MQ_INT32, "0", MQ_STORE_INT32S, i32, 0), want, 0);
}

/* int32_data of the types below a byte: packed bytes for 2 and 4 bits, a code each for 6 (onnx.numpy_helper.to_array). */
static void test_small_types_in_int32_data(void **state)
{
    static const int32_t nibbles[] = { 0x21, 0xf8, 0x07 }, pairs[] = { 0xe4, 0x02 }, sixes[] = { 0, 8, 31, 63, 40 };

    (void)state;
    reads(stored(MQ_INT4, "5", MQ_STORE_INT32S, nibbles, 3), (const float[]){ 1, 2, -8, -1, 7 }, 5);
    reads(stored(MQ_UINT4, "5", MQ_STORE_INT32S, nibbles, 3), (const float[]){ 1, 2, 8, 15, 7 }, 5);
    reads(stored(MQ_INT2, "5", MQ_STORE_INT32S, pairs, 2), (const float[]){ 0, 1, -2, -1, -2 }, 5);
    reads(stored(MQ_UINT2, "5", MQ_STORE_INT32S, pairs, 2), (const float[]){ 0, 1, 2, 3, 2 }, 5);
    reads(stored(MQ_FLOAT6E2M3, "5", MQ_STORE_INT32S, sixes, 5), (const float[]){ 0, 1, 7.5f, -7.5f, -1 }, 5);
}

static void fails(mq_tensor *t, mq_status status, const char *text)
{
    const void *data = NULL;
    mq_error err = { 0 };

    assert_int_equal(mq_tensor_bytes(t, &data, &err), status);
    assert_string_equal(err.text, text);
}

static void test_lengths_that_do_not_fit(void **state)
{
    static const int32_t items[4] = { 0 };
    mq_tensor *t = tensor(MQ_FLOAT, "4", "0123456789abcdef");

    (void)state;
    t->n_bytes = 15;
    fails(t, MQ_ERR_INPUT, "tensor 't': 15 bytes are stored where 16 are needed");
    t->n_bytes = 17;
    fails(t, MQ_ERR_INPUT, "tensor 't': 17 bytes are stored where 16 are needed");
    fails(stored(MQ_INT8, "5", MQ_STORE_INT32S, items, 4), MQ_ERR_INPUT,
          "tensor 't': 4 values are stored where 5 are needed");
    fails(stored(MQ_INT4, "9", MQ_STORE_INT32S, items, 4), MQ_ERR_INPUT,
          "tensor 't': 4 values are stored where 5 are needed");
    fails(stored(MQ_INT64, "4", MQ_STORE_INT32S, items, 4), MQ_ERR_INPUT,
          "tensor 't': int64 values are stored in the wrong field");
    fails(tensor(MQ_FLOAT, "-4", NULL), MQ_ERR_INPUT, "tensor 't': its shape or type (1) is not valid");
    fails(tensor(MQ_UNDEFINED, "4", NULL), MQ_ERR_INPUT, "tensor 't': its shape or type (0) is not valid");
    fails(tensor(MQ_STRING, "4", NULL), MQ_ERR_UNSUPPORTED, "tensor 't' holds strings");
    t = tensor(MQ_FLOAT, "4", NULL);
    t->storage = MQ_STORE_MADE;
    fails(t, MQ_ERR_UNSUPPORTED, "tensor 't' is made when it is written");
}

static void test_ranges(void **state)
{
    static const float w[4] = { 0 };
    mq_tensor *t = tensor(MQ_FLOAT, "4", w);
    mq_error err = { 0 };
    float f[4];

    (void)state;
    assert_int_equal(mq_tensor_read_f32(t, 4, 0, f, NULL), MQ_OK);
    assert_int_equal(mq_tensor_read_f32(t, 2, 3, f, &err), MQ_ERR_INPUT);
    assert_string_equal(err.text, "tensor 't': element 5 is beyond its 4");
    assert_int_equal(mq_tensor_read_f32(t, UINT64_MAX, 2, f, &err), MQ_ERR_INPUT);
    assert_int_equal(mq_tensor_read_f32(t, 1, UINT64_MAX, f, &err), MQ_ERR_INPUT);
}

/* ---- external ------------------------------------------------------------------------------------------------------ */

static mq_buf *file;

static mq_status open_file(mq_model *model, const char *location, mq_buf **out, mq_error *err)
{
    (void)model;
    if (strcmp(location, "file") != 0)
        return mq_fail(err, MQ_ERR_INPUT, "no such file");
    *out = file;
    return MQ_OK;
}

static mq_tensor *external(const char *dims, const char *location, uint64_t offset, int64_t length)
{
    mq_tensor *t = tensor(MQ_INT8, dims, NULL);

    t->storage = MQ_STORE_EXTERNAL;
    t->external = (mq_external){ location, offset, length };
    return t;
}

static void test_external(void **state)
{
    mq_tensor *t;

    (void)state;
    fails(external("4", "file", 0, 4), MQ_ERR_INPUT, "tensor 't': external data cannot be read here");
    m->open_external = open_file;
    assert_int_equal(mq_buf_from_heap(&file, strdup("\001\002\003\004\005\006\007"), 7, NULL), MQ_OK);
    assert_int_equal(mq_model_keep_buf(m, file, NULL), MQ_OK);
    reads(external("4", "file", 0, 4), (const float[]){ 1, 2, 3, 4 }, 4);
    reads(external("4", "file", 3, -1), (const float[]){ 4, 5, 6, 7 }, 4);
    reads(external("0", "file", 7, 0), NULL, 0);
    t = external("2", "file", 5, 2);
    reads(t, (const float[]){ 6, 7 }, 2);
    fails(external("4", "else", 0, 4), MQ_ERR_INPUT, "tensor 't': no such file");
    fails(external("4", "file", 4, 4), MQ_ERR_INPUT, "tensor 't': needs 4 bytes at 4 of 'file', which has 7");
    fails(external("4", "file", UINT64_MAX - 1, 4), MQ_ERR_INPUT,
          "tensor 't': needs 4 bytes at 18446744073709551614 of 'file', which has 7");
    fails(external("4", "file", 0, 5), MQ_ERR_INPUT, "tensor 't': 5 bytes are stored in 'file' where 4 are needed");
}

/* A conversion is made once and kept. */
static void test_conversion_is_kept(void **state)
{
    static const int32_t items[2] = { 5, 6 };
    mq_tensor *t = stored(MQ_INT8, "2", MQ_STORE_INT32S, items, 2);
    const void *first = NULL, *second = NULL;

    (void)state;
    assert_int_equal(mq_tensor_bytes(t, &first, NULL), MQ_OK);
    assert_int_equal(mq_tensor_bytes(t, &second, NULL), MQ_OK);
    assert_ptr_equal(first, second);
    assert_int_equal(m->tensors.n, 1);
}

static void test_create_copies(void **state)
{
    float w[2] = { 1, 2 };
    int64_t dims[1] = { 2 };
    char name[] = "name";
    mq_tensor *t = mq_tensor_create(m, name, MQ_FLOAT, 1, dims, w);

    (void)state;
    w[0] = 9;
    dims[0] = 9;
    name[0] = 'x';
    assert_string_equal(t->name, "name");
    assert_int_equal(t->dims[0], 2);
    reads(t, (const float[]){ 1, 2 }, 2);
    assert_non_null(mq_tensor_create(m, "", MQ_FLOAT, 0, NULL, w));
}

/* ---- making ---------------------------------------------------------------------------------------------------------- */

/* 8, 9, 10, ...: from the back, in two pieces; user: what is asked beyond the size. */
static mq_status make_numbers(void *user, mq_sink *sink, const mq_hooks *hooks, mq_error *e)
{
    const size_t *beyond = user;
    mq_status rc;

    (void)hooks;
    if ((rc = sink->write_at(sink, 8, (const float[]){ 10, 11, 12, 13 }, 8 + *beyond, e)) != MQ_OK)
        return rc;
    return sink->write_at(sink, 0, (const float[]){ 8, 9 }, 8, e);
}

static void test_make(void **state)
{
    size_t beyond = 0;
    const mq_maker maker = { .n_bytes = 16, .make = make_numbers, .user = &beyond };
    mq_tensor *t = stored(MQ_FLOAT, "4", MQ_STORE_MADE, NULL, 0);
    const void *data;

    (void)state;
    t->maker = &maker;
    assert_int_equal(mq_tensor_bytes(t, &data, NULL), MQ_ERR_UNSUPPORTED);
    assert_int_equal(mq_tensor_make(t, NULL, NULL), MQ_OK);
    assert_int_equal(t->storage, MQ_STORE_RAW);
    reads(t, (const float[]){ 8, 9, 10, 11 }, 4);
    data = t->data;
    assert_int_equal(mq_tensor_make(t, NULL, NULL), MQ_OK); /* made once */
    assert_ptr_equal(t->data, data);
}

/* A maker that writes past its size changes nothing. */
static void test_make_too_much(void **state)
{
    size_t beyond = 4;
    const mq_maker maker = { .n_bytes = 16, .make = make_numbers, .user = &beyond };
    mq_tensor *t = stored(MQ_FLOAT, "4", MQ_STORE_MADE, NULL, 0);
    mq_error e = { 0 };

    (void)state;
    t->maker = &maker;
    assert_int_equal(mq_tensor_make(t, NULL, &e), MQ_ERR_SYSTEM);
    assert_int_equal(t->storage, MQ_STORE_MADE);
    assert_null(t->data);
}

#define ON_MODEL(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(test_counts),
        ON_MODEL(test_every_storage),
        ON_MODEL(test_small_types_in_int32_data),
        ON_MODEL(test_lengths_that_do_not_fit),
        ON_MODEL(test_ranges),
        ON_MODEL(test_external),
        ON_MODEL(test_conversion_is_kept),
        ON_MODEL(test_create_copies),
        ON_MODEL(test_make),
        ON_MODEL(test_make_too_much),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
