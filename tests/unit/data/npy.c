/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* .npy: headers of every kind, orders of bytes and axes, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data_make.h"

/* A file of version 1 with that header; elements follow. */
static size_t make_npy(char *out, const char *dict, const void *elements, size_t n)
{
    const size_t length = strlen(dict) + 1;

    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = (char)(length & 255);
    out[9] = (char)(length >> 8);
    memcpy(out + 10, dict, length - 1);
    out[10 + length - 1] = '\n';
    if (n)
        memcpy(out + 10 + length, elements, n);
    return 10 + length + n;
}

static mq_array *loads(const char *dict, const void *elements, size_t n)
{
    char file[4096];
    mq_array *a = NULL;

    scratch_put("a.npy", file, make_npy(file, dict, elements, n));
    if (mq_array_load_npy(&a, "a.npy", &err) != MQ_OK)
        fail_msg("%s", err.text);
    return a;
}

static void refused(const char *dict, size_t n, const char *text)
{
    char file[4096], elements[256] = { 0 };
    mq_array *a = NULL;

    scratch_put("a.npy", file, make_npy(file, dict, elements, n));
    assert_int_equal(mq_array_load_npy(&a, "a.npy", &err), MQ_ERR_INPUT);
    if (!strstr(err.text, text))
        fail_msg("'%s' is not in: %s", text, err.text);
}

static void orders(void **state)
{
    const int16_t plain[] = { 1, 2, 3, 4, 5, 6 };
    mq_array *a;

    (void)state;
    a = loads("{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }", plain, sizeof plain);
    array_is(a, "int16[2,3]: 1 2 3 4 5 6");
    mq_array_unref(a);
    a = loads("{\"shape\": (2,3), 'fortran_order':True,'descr': '<i2'}", plain, sizeof plain);
    array_is(a, "int16[2,3]: 1 3 5 2 4 6");
    mq_array_unref(a);
    a = loads("{'descr': '>i2', 'fortran_order': False, 'shape': (6L,), }", plain, sizeof plain);
    array_is(a, "int16[6]: 256 512 768 1024 1280 1536");
    mq_array_unref(a);
    a = loads("{'descr': '<i2', 'fortran_order': False, 'shape': (), }", plain, 2);
    array_is(a, "int16[]: 1");
    mq_array_unref(a);
}

static void strings(void **state)
{
    /* "a€", "", a half of a pair and "b" behind a zero */
    const uint32_t wide[] = { 'a', 0x20ac, 0, 0, 0, 0, 0xd800, 0, 'b' };
    const mq_bytes *s;
    mq_array *a;

    (void)state;
    a = loads("{'descr': '<U3', 'fortran_order': False, 'shape': (3,), }", wide, sizeof wide);
    s = a->data;
    assert_int_equal(s[0].n, 4);
    assert_memory_equal(s[0].data, "a\xe2\x82\xac", 4);
    assert_int_equal(s[1].n, 0);
    assert_int_equal(s[2].n, 5); /* U+FFFD, the zero, b */
    mq_array_unref(a);
    a = loads("{'descr': '|S2', 'fortran_order': True, 'shape': (2, 2), }", "abc\0\0\0de", 8);
    s = a->data;
    assert_memory_equal(s[0].data, "ab", 2);
    assert_int_equal(s[1].n, 0); /* columns first */
    assert_int_equal(s[2].n, 1);
    mq_array_unref(a);
}

static void what_is_refused(void **state)
{
    char many[400] = "{'descr': '<f4', 'fortran_order': False, 'shape': (";

    (void)state;
    refused("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", 8, "Python objects");
    refused("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", 8, "structured");
    refused("{'descr': '<f16', 'fortran_order': False, 'shape': (1,), }", 16, "'<f16'");
    refused("{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (1,), }", 8, "type that is not read");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", 8,
            "12 bytes of elements are declared but 8 are there");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", 8, "too large");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", 8, "broken");
    refused("{'descr': '<U0', 'fortran_order': False, 'shape': (999999999,), }", 8, "too large");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", 8, "broken");
    refused("{'descr': '<f4', 'fortran_order': False}", 8, "broken");
    refused("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (1,), }", 8, "broken");
    refused("{'descr': '<f4', 'shape': (1,), 'x': 1", 8, "broken");
    refused("", 8, "broken");
    for (int i = 0; i < MQ_MAX_RANK + 1; i++)
        strcat(many, "1,");
    strcat(many, ")}");
    refused(many, 4, "too many axes");
    scratch_put_text("a.npy", "\x93NUMPY");
    assert_int_equal(mq_array_load_npy(&(mq_array *){ NULL }, "a.npy", &err), MQ_ERR_INPUT);
    scratch_put("a.npy", "\x93NUMPY\x02\x00\xff\xff\xff\xff{}", 14);
    assert_int_equal(mq_array_load_npy(&(mq_array *){ NULL }, "a.npy", &err), MQ_ERR_INPUT);
    assert_non_null(strstr(err.text, "cut off or too long"));
}

static void headers_read_back(void **state)
{
    const mq_dtype types[] = { MQ_BOOL, MQ_INT8, MQ_UINT16, MQ_INT64, MQ_FLOAT16, MQ_DOUBLE, MQ_COMPLEX64 };
    const int64_t dims[] = { 3, 0, 7 };
    char room[MQ_NPY_ROOM];
    mq_npy h;

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(types); i++)
        for (int rank = 0; rank <= 3; rank++) {
            const size_t n = mq_npy_header(room, types[i], 0, false, rank, dims);

            assert_int_equal(n % 64, 0);
            assert_int_equal(mq_npy_parse(&h, room, n, n + 1000, "x", &err), MQ_OK);
            assert_int_equal(h.dtype, types[i]);
            assert_int_equal(h.rank, rank);
            assert_memory_equal(h.dims, dims, (size_t)rank * sizeof *dims);
        }
    assert_int_equal(mq_npy_dtype(MQ_BFLOAT16), MQ_FLOAT);
    assert_int_equal(mq_npy_dtype(MQ_INT4), MQ_INT8);
}

int main(void)
{
    const struct CMUnitTest tests[] = { ON_DATA(orders), ON_DATA(strings), ON_DATA(what_is_refused),
                                        ON_DATA(headers_read_back) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
