/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/model/tensor_file.c: the same bytes out as in, for each kind of value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/tensor_file.h"
#include "proto_make.h"
#include "scratch.h"

static mq_model *m;

static int setup(void **state)
{
    (void)state;
    return mq_model_create(&m, NULL) == MQ_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    mq_model_free(m);
    return 0;
}

enum { SEQ_NAME = 1, SEQ_TYPE = 2, SEQ_TENSORS = 3, SEQ_SPARSES = 4, SEQ_SEQS = 5, SEQ_MAPS = 6, SEQ_OPTIONALS = 7 };
enum { MAP_NAME = 1, MAP_KEY_TYPE = 2, MAP_KEYS = 3, MAP_STRING_KEYS = 4, MAP_VALUES = 5 };
enum { KIND_TENSOR = 1, KIND_SPARSE = 2, KIND_SEQUENCE = 3, KIND_MAP = 4, KIND_OPTIONAL = 5 };

/* Loads the bytes (released) as that kind, saves, compares; gives what was loaded. */
static mq_datum *goes_round(mq_type_kind kind, mq_str *bytes)
{
    const mq_type type = { .kind = kind };
    mq_datum *d = NULL;
    mq_error err = { 0 };
    size_t n;
    char *got;

    scratch_put("in.pb", bytes->n ? bytes->s : "", bytes->n);
    if (mq_datum_load(m, "in.pb", &type, &d, &err) != MQ_OK)
        fail_msg("%s", err.text);
    assert_int_equal(mq_datum_save(d, "out.pb", NULL), MQ_OK);
    got = scratch_get("out.pb", &n);
    assert_int_equal(n, bytes->n);
    if (n)
        assert_memory_equal(got, bytes->s, n);
    free(got);
    mq_str_release(bytes);
    return d;
}

static const float numbers[3] = { 1.5f, -2, 3 };

static mq_str sequence(const char *name)
{
    mq_str s = { 0 }, t = pb_float_tensor("first", numbers, 3);

    pb_text(&s, SEQ_NAME, name);
    pb_int(&s, SEQ_TYPE, KIND_TENSOR);
    pb_message(&s, SEQ_TENSORS, &t);
    t = pb_float_tensor("second", numbers, 1);
    pb_message(&s, SEQ_TENSORS, &t);
    return s;
}

static void test_tensor(void **state)
{
    mq_str t = pb_float_tensor("x", numbers, 3);
    mq_datum *d = goes_round(MQ_TYPE_TENSOR, &t);
    float got[3];

    (void)state;
    assert_int_equal(d->kind, MQ_TYPE_TENSOR);
    assert_string_equal(d->name, "x");
    assert_int_equal(mq_tensor_read_f32(d->tensor, 0, 3, got, NULL), MQ_OK);
    assert_memory_equal(got, numbers, sizeof got);
    t = pb_float_tensor("x", numbers, 3);
    scratch_put("in.pb", t.s, t.n);
    mq_str_release(&t);
    assert_int_equal(mq_datum_load(m, "in.pb", NULL, &d, NULL), MQ_OK); /* a tensor when nothing is said */
    assert_int_equal(d->kind, MQ_TYPE_TENSOR);
}

static void test_strings(void **state)
{
    mq_str t = { 0 };
    mq_datum *d;

    (void)state;
    pb_int(&t, TENSOR_DIMS, 2);
    pb_int(&t, TENSOR_TYPE, 8);
    pb_bytes(&t, TENSOR_STRINGS, "", 0);
    pb_bytes(&t, TENSOR_STRINGS, "a\0b", 3);
    d = goes_round(MQ_TYPE_TENSOR, &t);
    assert_int_equal(d->tensor->n_items, 2);
    assert_int_equal(d->tensor->strings[1].n, 3);
}

static void test_sequence(void **state)
{
    mq_str s = sequence("s");
    mq_datum *d = goes_round(MQ_TYPE_SEQUENCE, &s);

    (void)state;
    assert_int_equal(d->n, 2);
    assert_string_equal(d->items[1]->name, "second");
    assert_int_equal(mq_tensor_count(d->items[0]->tensor), 3);
}

static void test_sequence_of_sequences(void **state)
{
    mq_str s = { 0 }, inner = sequence("inner");
    mq_datum *d;

    (void)state;
    pb_int(&s, SEQ_TYPE, KIND_SEQUENCE);
    pb_message(&s, SEQ_SEQS, &inner);
    d = goes_round(MQ_TYPE_SEQUENCE, &s);
    assert_string_equal(d->items[0]->name, "inner");
    assert_int_equal(d->items[0]->n, 2);
}

static mq_str map(int key_type, bool strings)
{
    mq_str s = { 0 }, values = sequence("values");

    pb_text(&s, MAP_NAME, "m");
    pb_int(&s, MAP_KEY_TYPE, (uint64_t)key_type);
    if (strings) {
        pb_text(&s, MAP_STRING_KEYS, "one");
        pb_text(&s, MAP_STRING_KEYS, "two");
    } else {
        pb_int(&s, MAP_KEYS, 7);
        pb_int(&s, MAP_KEYS, (uint64_t)-8);
    }
    pb_message(&s, MAP_VALUES, &values);
    return s;
}

static void test_map(void **state)
{
    static const mq_dtype types[] = { MQ_INT64, MQ_INT32, MQ_INT16, MQ_INT8 };
    int64_t keys[2];

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        mq_str s = map(types[i], false);
        mq_datum *d = goes_round(MQ_TYPE_MAP, &s);
        assert_int_equal(d->tensor->dtype, types[i]);
        assert_int_equal(mq_tensor_read_i64(d->tensor, 0, 2, keys, NULL), MQ_OK);
        assert_int_equal(keys[0], 7);
        assert_int_equal(keys[1], -8);
        assert_int_equal(d->items[0]->n, 2);
    }
}

static void test_map_of_strings(void **state)
{
    mq_str s = map(MQ_STRING, true), list = { 0 };
    mq_datum *d = goes_round(MQ_TYPE_MAP, &s);

    (void)state;
    assert_int_equal(d->tensor->storage, MQ_STORE_STRINGS);
    assert_memory_equal(d->tensor->strings[1].data, "two", 3);
    s = map(MQ_STRING, true);
    pb_int(&list, SEQ_TYPE, KIND_MAP);
    pb_message(&list, SEQ_MAPS, &s);
    d = goes_round(MQ_TYPE_SEQUENCE, &list);
    assert_int_equal(d->items[0]->kind, MQ_TYPE_MAP);
}

static void test_optional(void **state)
{
    mq_str s = { 0 }, t = pb_float_tensor("x", numbers, 3), inner = sequence("s");
    mq_datum *d;

    (void)state;
    pb_text(&s, SEQ_NAME, "o");
    pb_int(&s, SEQ_TYPE, KIND_TENSOR);
    pb_message(&s, SEQ_TENSORS, &t);
    d = goes_round(MQ_TYPE_OPTIONAL, &s);
    assert_int_equal(d->n, 1);
    assert_string_equal(d->name, "o");
    pb_int(&s, SEQ_TYPE, KIND_SEQUENCE);
    pb_message(&s, SEQ_SEQS, &inner);
    d = goes_round(MQ_TYPE_OPTIONAL, &s);
    assert_int_equal(d->items[0]->n, 2);
    pb_int(&s, SEQ_TYPE, 0);
    d = goes_round(MQ_TYPE_OPTIONAL, &s); /* nothing in it */
    assert_int_equal(d->n, 0);
}

static void test_sparse(void **state)
{
    static const int64_t at[2] = { 1, 5 };
    mq_str s = { 0 }, values = pb_float_tensor("sparse", numbers, 2), indices = { 0 };
    mq_datum *d;

    (void)state;
    pb_message(&s, 1, &values);
    pb_int(&indices, TENSOR_DIMS, 2);
    pb_int(&indices, TENSOR_TYPE, 7);
    pb_bytes(&indices, TENSOR_RAW, at, sizeof at);
    pb_message(&s, 2, &indices);
    pb_int(&s, 3, 9);
    d = goes_round(MQ_TYPE_SPARSE_TENSOR, &s);
    assert_string_equal(d->name, "sparse");
    assert_int_equal(d->sparse->dims[0], 9);
}

static void test_broken(void **state)
{
    const mq_type type = { .kind = MQ_TYPE_SEQUENCE };
    mq_error err = { 0 };
    mq_datum *d = NULL;

    (void)state;
    assert_int_equal(mq_datum_load(m, "missing.pb", NULL, &d, &err), MQ_ERR_INPUT);
    scratch_put("bad.pb", "\x1a\x7f", 2);
    assert_int_equal(mq_datum_load(m, "bad.pb", &type, &d, &err), MQ_ERR_INPUT);
    assert_non_null(strstr(err.text, "bad.pb: not a valid ONNX file"));
    assert_null(d);
}

static void test_mixed_sequence(void **state)
{
    mq_datum empty = { .name = "", .kind = MQ_TYPE_OPTIONAL }, list = { .name = "", .kind = MQ_TYPE_SEQUENCE };
    mq_datum *items[2] = { &empty, &list }, mixed = { .name = "", .kind = MQ_TYPE_SEQUENCE, .items = items, .n = 2 };
    mq_error err = { 0 };

    (void)state;
    assert_int_equal(mq_datum_save(&mixed, "mixed.pb", &err), MQ_ERR_UNSUPPORTED);
    assert_string_equal(err.text, "a sequence of different kinds cannot be stored");
    assert_int_equal(access("mixed.pb", F_OK), -1);
}

#define WITH_MODEL(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_MODEL(test_tensor),   WITH_MODEL(test_strings),        WITH_MODEL(test_sequence),
        WITH_MODEL(test_map),      WITH_MODEL(test_map_of_strings), WITH_MODEL(test_sequence_of_sequences),
        WITH_MODEL(test_optional), WITH_MODEL(test_sparse),         WITH_MODEL(test_broken),
        WITH_MODEL(test_mixed_sequence),
    };

    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
