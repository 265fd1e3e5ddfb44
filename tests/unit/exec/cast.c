/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Cast: edges that the ONNX node tests leave out. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "lib/run_one.h"

static mq_status cast(run_one *t, mq_dtype from, const char *dims, const void *in, int64_t to)
{
    run_open(t, "", "Cast");
    assert_int_equal(mq_node_set_attr_int(t->node, "to", to, NULL), MQ_OK);
    run_input(t, from, dims, in, false);
    return run_try(t, 1);
}

static void gives(mq_dtype from, const char *dims, const void *in, mq_dtype to, const void *out)
{
    run_one t;

    if (cast(&t, from, dims, in, to) != MQ_OK)
        fail_msg("%s", t.err.text);
    assert_true(run_is(&t, 0, to, dims, out));
    run_close(&t);
}

#define F32(...) (const float[]){ __VA_ARGS__ }
#define U8(...) (const uint8_t[]){ __VA_ARGS__ }

static void test_out_of_range(void **state)
{
    static const float in[] = { NAN, INFINITY, -INFINITY, 3e9f, -3e9f, 1e30f, -1.9f, 300 };
    static const int32_t i32[] = { INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN, -1, 300 };
    static const int64_t i64[] = { INT64_MIN, INT64_MIN, INT64_MIN, 3000000000, -3000000000, INT64_MIN, -1, 300 };

    (void)state;
    gives(MQ_FLOAT, "8", in, MQ_INT32, i32);
    gives(MQ_FLOAT, "8", in, MQ_INT64, i64);
    gives(MQ_FLOAT, "8", in, MQ_UINT8, U8(0, 0, 0, 0, 0, 0, 255, 44));
    gives(MQ_FLOAT, "8", in, MQ_BOOL, U8(1, 1, 1, 1, 1, 1, 1, 1));
    gives(MQ_FLOAT, "3", F32(0, -0.0f, 1e-45f), MQ_BOOL, U8(0, 0, 1));
    gives(MQ_INT16, "2", (const int16_t[]){ 200, -300 }, MQ_INT8, (const int8_t[]){ -56, -44 });
}

static void test_packed(void **state)
{
    (void)state;
    gives(MQ_FLOAT, "3", F32(7, -8, 9), MQ_INT4, U8(0x87, 0x09));
    gives(MQ_INT4, "3", U8(0x87, 0x09), MQ_INT8, (const int8_t[]){ 7, -8, -7 });
    gives(MQ_UINT2, "5", U8(0xe4, 0x02), MQ_INT64, (const int64_t[]){ 0, 1, 2, 3, 2 });
    gives(MQ_INT4, "3", U8(0x87, 0x09), MQ_UINT2, U8(0x13));
    gives(MQ_FLOAT, "0", NULL, MQ_INT4, NULL);
}

static void test_bytes_of_bool(void **state)
{
    (void)state;
    gives(MQ_BOOL, "3", U8(0, 1, 7), MQ_FLOAT, F32(0, 1, 1));
    gives(MQ_BOOL, "3", U8(0, 1, 7), MQ_INT4, U8(0x10, 0x01));
}

/* A tie in float that the double has not. */
static void test_rounded_once(void **state)
{
    static const double in[] = { 1 + 0x1p-11 + 0x1p-50, 1 + 0x1p-11, 65519.99999999, 65520 };
    static const uint16_t out[] = { 0x3c01, 0x3c00, 0x7bff, 0x7c00 };

    (void)state;
    gives(MQ_DOUBLE, "4", in, MQ_FLOAT16, out);
}

/* Number to string to number, for all sorts. */
static void test_strings(void **state)
{
    static const float in[] = { 0.1f, -0.0f, 1e-30f, 3.4028235e38f, 123456.79f, INFINITY, -INFINITY, 1 };
    static const char *const want[] = { "0.1", "-0.0", "1e-30", "3.4028235e+38", "123456.79", "INF", "-INF", "1.0" };
    run_one t, back;

    (void)state;
    assert_int_equal(cast(&t, MQ_FLOAT, "8", in, MQ_STRING), MQ_OK);
    assert_true(run_has_shape(&t, 0, MQ_STRING, "8"));
    for (int i = 0; i < 8; i++) {
        const mq_bytes s = ((const mq_bytes *)t.out[0]->data)[i];
        assert_int_equal(s.n, strlen(want[i]));
        assert_memory_equal(s.data, want[i], s.n);
    }
    assert_int_equal(cast(&back, MQ_STRING, "8", t.out[0]->data, MQ_FLOAT), MQ_OK);
    assert_true(run_is(&back, 0, MQ_FLOAT, "8", in));
    run_close(&back);
    run_close(&t);
}

static void test_strings_that_are_no_numbers(void **state)
{
    static const mq_bytes bad[] = { { "Hello", 5 }, { "", 0 }, { "1\0002", 3 }, { "1x", 2 } };

    (void)state;
    for (size_t k = 0; k < MQ_ARRAY_LEN(bad); k++) {
        run_one t;

        assert_int_equal(cast(&t, MQ_STRING, "1", &bad[k], MQ_INT64), MQ_ERR_INPUT);
        run_close(&t);
    }
}

static void test_no_such_type(void **state)
{
    static const int64_t types[] = { 0, -1, 29, INT64_MAX, MQ_COMPLEX64 };

    (void)state;
    for (size_t k = 0; k < MQ_ARRAY_LEN(types); k++) {
        run_one t;

        assert_int_not_equal(cast(&t, MQ_FLOAT, "1", F32(1), types[k]), MQ_OK);
        run_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_out_of_range),
        cmocka_unit_test(test_packed),
        cmocka_unit_test(test_bytes_of_bool),
        cmocka_unit_test(test_rounded_once),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_strings_that_are_no_numbers),
        cmocka_unit_test(test_no_such_type),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
