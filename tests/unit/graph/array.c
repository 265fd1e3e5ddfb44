/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Arrays: memory is counted, small types are unpacked and packed, hostile shapes are refused, constants stay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "graph/array.h"
#include "graph_make.h"

static void memory_is_shared_and_counted(void **state)
{
    mq_array *a = NULL, *view = NULL;

    (void)state;
    assert_int_equal(mq_array_create(&a, MQ_FLOAT, 2, (int64_t[]){ 2, 3 }, NULL), MQ_OK);
    assert_int_equal((uintptr_t)a->data % 64, 0);
    assert_int_equal(mq_array_bytes(a), 24);
    assert_int_equal(mq_array_wrap(&view, MQ_FLOAT, 1, (int64_t[]){ 6 }, a->data, a->block, NULL), MQ_OK);
    assert_int_equal(a->block->refs, 2);
    mq_array_unref(a);
    ((float *)view->data)[5] = 1;
    mq_array_unref(view);
}

static void constants_are_not_counted(void **state)
{
    mq_array *a = NULL;

    (void)state;
    assert_int_equal(mq_array_create(&a, MQ_FLOAT, 0, NULL, NULL), MQ_OK);
    a->constant = true;
    assert_ptr_equal(mq_array_ref(a), a);
    mq_array_unref(a);
    mq_array_unref(a);
    assert_int_equal(a->refs, 1);
    a->constant = false;
    mq_array_unref(a);
}

static void impossible_shapes_are_refused(void **state)
{
    int64_t many[MQ_MAX_RANK + 1] = { 0 };
    mq_array *a = NULL;
    mq_error err;

    (void)state;
    assert_int_equal(mq_array_create(&a, MQ_FLOAT, 1, (int64_t[]){ -1 }, &err), MQ_ERR_INPUT);
    assert_int_equal(mq_array_create(&a, MQ_FLOAT, 2, (int64_t[]){ INT64_MAX, 2 }, &err), MQ_ERR_INPUT);
    assert_int_equal(mq_array_create(&a, MQ_DOUBLE, 1, (int64_t[]){ INT64_MAX / 4 }, &err), MQ_ERR_INPUT);
    assert_int_equal(mq_array_create(&a, MQ_FLOAT, MQ_MAX_RANK + 1, many, &err), MQ_ERR_UNSUPPORTED);
    /* empty: kernels multiply the other sizes */
    assert_int_equal(mq_array_create(&a, MQ_FLOAT, 3, (int64_t[]){ INT64_MAX, INT64_MAX, 0 }, &err), MQ_ERR_INPUT);
    assert_int_equal(mq_array_create(&a, MQ_FLOAT, 2, (int64_t[]){ INT64_MAX, 0 }, &err), MQ_OK);
    assert_int_equal(a->count, 0);
    mq_array_unref(a);
}

static void small_types_are_unpacked(void **state)
{
    static const struct {
        mq_dtype dtype;
        uint8_t packed[3];
        int8_t codes[4];
    } cases[] = {
        { MQ_INT4, { 0x8f, 0x07, 0 }, { -1, -8, 7, 0 } },
        { MQ_UINT4, { 0x8f, 0x07, 0 }, { 15, 8, 7, 0 } },
        { MQ_INT2, { 0xe4, 0, 0 }, { 0, 1, -2, -1 } },
        { MQ_UINT2, { 0xe4, 0, 0 }, { 0, 1, 2, 3 } },
        { MQ_FLOAT6E2M3, { 0x41, 0x30, 0x04 }, { 1, 1, 3, 1 } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mq_array *a = NULL, *codes = NULL, *again = NULL;

        assert_int_equal(mq_array_create(&a, cases[i].dtype, 1, (int64_t[]){ 4 }, NULL), MQ_OK);
        memcpy(a->data, cases[i].packed, mq_array_bytes(a));
        assert_int_equal(mq_array_unpack(&codes, a, NULL), MQ_OK);
        assert_true(codes->codes);
        assert_int_equal(mq_array_elem_size(codes), 1);
        assert_memory_equal(codes->data, cases[i].codes, 4);
        assert_int_equal(mq_array_pack(&again, codes, NULL), MQ_OK);
        assert_memory_equal(again->data, cases[i].packed, mq_array_bytes(a));
        assert_int_equal(mq_array_i64(codes, 1), cases[i].codes[1]);
        mq_array_unref(a);
        mq_array_unref(codes);
        mq_array_unref(again);
    }
}

static void sequences_hold_their_items(void **state)
{
    mq_array *a = NULL, *list = NULL, *copy = NULL;

    (void)state;
    assert_int_equal(mq_array_create(&a, MQ_INT64, 0, NULL, NULL), MQ_OK);
    assert_int_equal(mq_array_sequence(&list, MQ_INT64, 2, (mq_array *[]){ a, a }, NULL), MQ_OK);
    assert_int_equal(a->refs, 3);
    assert_int_equal(mq_array_copy(&copy, list, NULL), MQ_OK);
    mq_array_unref(list);
    assert_int_equal(a->refs, 3);
    assert_ptr_equal(copy->items[1], a);
    mq_array_unref(copy);
    mq_array_unref(a);
}

static void tensors_become_arrays_and_back(void **state)
{
    mq_model *m = make_model(20);
    mq_value *w = make_init(m->graph, "w", MQ_FLOAT, "2", (float[]){ 1.5f, -2 });
    mq_tensor *t = NULL;
    mq_array *a = NULL;
    char text[64];

    (void)state;
    assert_int_equal(mq_array_of_tensor(&a, w->init, false, NULL), MQ_OK);
    assert_true(mq_array_f64(a, 1) == -2);
    mq_array_text(a, text, sizeof text);
    assert_string_equal(text, "float[2]");
    assert_int_equal(mq_tensor_of_array(&t, m, "v", a, NULL), MQ_OK);
    assert_int_equal(t->dims[0], 2);
    mq_array_unref(a);
    mq_model_free(m);
}

static void a_misaligned_payload_is_copied(void **state)
{
    static _Alignas(8) unsigned char bytes[12];
    mq_model *m = make_model(20);
    mq_tensor *t = mq_tensor_create(m, "w", MQ_FLOAT, 1, (int64_t[]){ 2 }, NULL);
    mq_array *a = NULL;

    (void)state;
    assert_non_null(t);
    memcpy(bytes + 1, (float[]){ 3, 4 }, 8);
    t->storage = MQ_STORE_RAW;
    t->data = bytes + 1;
    t->n_bytes = 8;
    assert_int_equal(mq_array_of_tensor(&a, t, true, NULL), MQ_OK);
    assert_int_equal((uintptr_t)a->data % 4, 0);
    assert_true(((float *)a->data)[1] == 4);
    mq_array_unref(a);
    mq_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_shared_and_counted), cmocka_unit_test(constants_are_not_counted),
        cmocka_unit_test(impossible_shapes_are_refused), cmocka_unit_test(small_types_are_unpacked),
        cmocka_unit_test(sequences_hold_their_items), cmocka_unit_test(tensors_become_arrays_and_back),
        cmocka_unit_test(a_misaligned_payload_is_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
