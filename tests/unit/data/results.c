/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Outputs to files and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/table.h"
#include "data_make.h"

static mq_array *made(mq_dtype dtype, const char *dims_text)
{
    int64_t dims[16];
    const int rank = make_dims(dims_text, dims);
    mq_array *a = NULL;

    assert_int_equal(mq_array_create(&a, dtype, rank, dims, NULL), MQ_OK);
    for (size_t i = 0; i < mq_array_bytes(a); i++)
        ((unsigned char *)a->data)[i] = (unsigned char)(dtype == MQ_UINT8 || dtype == MQ_INT4 ? i : 0);
    return a;
}

static mq_results *begin(const char *first, const char *second)
{
    const char *const names[] = { first, second };
    mq_results *r = NULL;

    assert_int_equal(mq_results_create(&r, names, second ? 2 : 1, &err), MQ_OK);
    return r;
}

static void add(mq_results *r, size_t i, mq_array *a, size_t n, size_t rows)
{
    const mq_data_call call = { .n = n, .rows = rows };

    if (mq_results_add(r, i, a, &call, &err) != MQ_OK)
        fail_msg("%s", err.text);
    mq_array_unref(a);
}

static void saves(mq_results *r, const char *path)
{
    if (mq_results_save(r, path, true, false, &err) != MQ_OK)
        fail_msg("%s", err.text);
    mq_results_free(r);
}

static void member_is(const char *name, const char *want)
{
    mq_table *t = NULL;
    mq_array *a = NULL;
    int column;

    assert_int_equal(mq_table_npz(&t, "o.npz", &err), MQ_OK);
    column = mq_table_find(t, name);
    if (column < 0)
        fail_msg("no member '%s'", name);
    assert_int_equal(mq_table_whole(t, (size_t)column, &a, &err), MQ_OK);
    array_is(a, want);
    mq_table_free(t);
}

static void runs_are_joined_or_numbered(void **state)
{
    mq_results *r = begin("y", "z");

    (void)state;
    add(r, 0, made(MQ_UINT8, "2,2"), 2, 2);
    add(r, 0, made(MQ_UINT8, "2,2"), 1, 2); /* the second row fills the batch up */
    add(r, 1, made(MQ_UINT8, "2,2"), 2, 2);
    add(r, 1, made(MQ_UINT8, "2,3"), 2, 2);
    saves(r, "o.npz");
    member_is("y", "uint8[3,2]: 0 1 2 3 0 1");
    member_is("z.0", "uint8[2,2]: 0 1 2 3");
    member_is("z.1", "uint8[2,3]: 0 1 2 3 4 5");
}

static void types_that_numpy_lacks(void **state)
{
    mq_results *r = begin("b", "i");
    mq_array *a = made(MQ_BFLOAT16, "2");

    (void)state;
    ((uint16_t *)a->data)[1] = 0x3fc0;
    add(r, 0, a, 1, 0);
    a = made(MQ_INT4, "3");
    ((uint8_t *)a->data)[0] = 0x8f;
    add(r, 1, a, 1, 0);
    saves(r, "o.npz");
    member_is("b", "float[2]: 0 1.5");
    member_is("i", "int8[3]: -1 -8 1");
}

static void strings_and_sequences(void **state)
{
    const char *const words[] = { "a", "h\xc3\xa4\xc3\x9f" };
    mq_results *r = begin("s", "q");
    mq_array *s = made(MQ_STRING, "2"), *items[2], *q = NULL;
    mq_table *t = NULL;
    mq_array *a;

    (void)state;
    for (int i = 0; i < 2; i++) {
        ((mq_bytes *)s->data)[i] = (mq_bytes){ words[i], strlen(words[i]) };
        items[i] = made(MQ_UINT8, i ? "3" : "1");
    }
    add(r, 0, s, 2, 2);
    assert_int_equal(mq_array_sequence(&q, MQ_UINT8, 2, items, &err), MQ_OK);
    add(r, 1, q, 1, 0);
    mq_array_unref(items[0]);
    mq_array_unref(items[1]);
    saves(r, "o.npz");
    member_is("q.0.0", "uint8[1]: 0");
    member_is("q.0.1", "uint8[3]: 0 1 2");
    assert_int_equal(mq_table_npz(&t, "o.npz", &err), MQ_OK);
    assert_int_equal(mq_table_whole(t, 0, &a, &err), MQ_OK);
    assert_int_equal(((mq_bytes *)a->data)[1].n, 5);
    assert_memory_equal(((mq_bytes *)a->data)[1].data, words[1], 5);
    mq_table_free(t);
}

static void forms_of_one_array(void **state)
{
    mq_results *r = begin("y", NULL);
    mq_array *a = NULL;

    (void)state;
    add(r, 0, made(MQ_UINT8, "1,2"), 1, 1);
    add(r, 0, made(MQ_UINT8, "1,2"), 1, 1);
    assert_int_equal(mq_results_save(r, "o.bin", true, false, &err), MQ_ERR_USAGE);
    assert_int_equal(mq_results_save(r, "o.pb", true, false, &err), MQ_OK);
    saves(r, "o.npy");
    assert_int_equal(mq_array_load_npy(&a, "o.npy", &err), MQ_OK);
    array_is(a, "uint8[2,2]: 0 1 0 1");
    mq_array_unref(a);
    assert_int_equal(mq_array_load_pb(&a, "o.pb", NULL, &err), MQ_OK);
    array_is(a, "uint8[2,2]: 0 1 0 1");
    mq_array_unref(a);
    r = begin("y", "z");
    add(r, 0, made(MQ_UINT8, "1"), 1, 1);
    add(r, 1, made(MQ_UINT8, "1"), 1, 1);
    assert_int_equal(mq_results_save(r, "p.npy", true, false, &err), MQ_ERR_USAGE);
    assert_int_equal(mq_results_save(r, "o.npy", false, false, &err), MQ_ERR_USAGE); /* exists */
    assert_int_equal(mq_results_save(r, "o.npz", false, false, &err), MQ_OK);
    mq_results_free(r);
    assert_int_equal(scratch_count("."), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = { ON_DATA(runs_are_joined_or_numbered), ON_DATA(types_that_numpy_lacks),
                                        ON_DATA(strings_and_sequences), ON_DATA(forms_of_one_array) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
