/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Arithmetic of broadcast inputs: what the ONNX node tests leave out (integer edges, NaN, nothing at all). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "lib/run_one.h"

/* Two inputs of one type, and the bytes that come out. */
static void gives(const char *op, mq_dtype in, mq_dtype out, const char *da, const void *a, const char *db, const void *b,
                  const char *dy, const void *y)
{
    run_one t;

    run_open(&t, "", op);
    run_input(&t, in, da, a, false);
    run_input(&t, in, db, b, false);
    run_node(&t, 1);
    assert_true(run_is(&t, 0, out, dy, y));
    run_close(&t);
}

#define I32(...) (const int32_t[]){ __VA_ARGS__ }
#define I8(...) (const int8_t[]){ __VA_ARGS__ }
#define F32(...) (const float[]){ __VA_ARGS__ }

static void test_integers_wrap_and_never_trap(void **state)
{
    (void)state;
    gives("Div", MQ_INT32, MQ_INT32, "4", I32(INT32_MIN, 7, -7, 5), "4", I32(-1, 0, 2, -2), "4", I32(INT32_MIN, 0, -3, -2));
    gives("Mod", MQ_INT32, MQ_INT32, "4", I32(INT32_MIN, 7, -7, 7), "4", I32(-1, 0, 2, -3), "4", I32(0, 0, 1, -2));
    gives("Mul", MQ_INT8, MQ_INT8, "2", I8(-128, 127), "2", I8(-1, 2), "2", I8(-128, -2));
    gives("Mul", MQ_UINT16, MQ_UINT16, "1", (const uint16_t[]){ 65535 }, "1", (const uint16_t[]){ 65535 }, "1",
          (const uint16_t[]){ 1 });
    gives("Add", MQ_INT32, MQ_INT32, "2", I32(INT32_MAX, 1), "", I32(1), "2", I32(INT32_MIN, 2));
    gives("Div", MQ_UINT32, MQ_UINT32, "1", (const uint32_t[]){ 10 }, "1", (const uint32_t[]){ UINT32_MAX }, "1",
          (const uint32_t[]){ 0 });
    gives("Pow", MQ_INT32, MQ_INT32, "5", I32(2, 2, -1, 0, 3), "5", I32(31, -1, -3, -1, 0), "5",
          I32(INT32_MIN, 0, -1, 0, 1));
}

static void test_nothing_at_all(void **state)
{
    (void)state;
    gives("Add", MQ_FLOAT, MQ_FLOAT, "0,3", NULL, "1,3", F32(1, 2, 3), "0,3", NULL);
    gives("Max", MQ_FLOAT, MQ_FLOAT, "2,0", NULL, "1", F32(1), "2,0", NULL);
    gives("Sub", MQ_FLOAT, MQ_FLOAT, "", F32(3), "", F32(1), "", F32(2));
}

static void test_nan_goes_through(void **state)
{
    static const char *const ops[] = { "Max", "Min", "Sum", "Mean", "Add", "Mod" };

    (void)state;
    for (size_t k = 0; k < MQ_ARRAY_LEN(ops); k++) {
        run_one t;

        run_open(&t, "", ops[k]);
        run_f32(&t, "2", F32(NAN, 1));
        run_f32(&t, "2", F32(1, NAN));
        run_node(&t, 1);
        assert_true(run_is_f32(&t, 0, "2", F32(NAN, NAN), 0));
        run_close(&t);
    }
}

static void test_many_inputs_of_many_shapes(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "", "Sum");
    run_f32(&t, "2,1", F32(1, 2));
    run_f32(&t, "1", F32(10));
    run_f32(&t, "3", F32(100, 200, 300));
    run_f32(&t, "", F32(1000));
    run_f32(&t, "1,1,1", F32(0.5f));
    run_node(&t, 1);
    assert_true(run_is_f32(&t, 0, "1,2,3", F32(1111.5f, 1211.5f, 1311.5f, 1112.5f, 1212.5f, 1312.5f), 0));
    run_close(&t);
}

/* Bytes do not depend on the number of threads, nor on how broadcasting cuts the loop. */
static void test_threads(void **state)
{
    enum { ROWS = 300, COLS = 701 };
    static float a[ROWS * COLS], b[COLS], y[ROWS * COLS];

    (void)state;
    for (int i = 0; i < ROWS * COLS; i++)
        a[i] = (float)(i % 1013) * 0.37f;
    for (int i = 0; i < COLS; i++)
        b[i] = (float)i;
    for (int i = 0; i < ROWS * COLS; i++)
        y[i] = a[i] - b[i % COLS];
    for (int threads = 1; threads <= 5; threads += 2) {
        run_one t;

        run_open(&t, "", "Sub");
        t.threads = threads;
        run_f32(&t, "300,701", a);
        run_f32(&t, "701", b);
        run_node(&t, 1);
        assert_true(run_is(&t, 0, MQ_FLOAT, "300,701", y));
        run_close(&t);
    }
}

static void test_shapes_that_do_not_fit(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "", "Add");
    run_f32(&t, "2", F32(1, 2));
    run_f32(&t, "3", F32(1, 2, 3));
    assert_int_not_equal(run_try(&t, 1), MQ_OK);
    run_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers_wrap_and_never_trap),
        cmocka_unit_test(test_nothing_at_all),
        cmocka_unit_test(test_nan_goes_through),
        cmocka_unit_test(test_many_inputs_of_many_shapes),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_shapes_that_do_not_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
