/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Reductions: what the ONNX node tests leave out. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/run_one.h"

#define I32(...) (const int32_t[]){ __VA_ARGS__ }
#define I64(...) (const int64_t[]){ __VA_ARGS__ }
#define F32(...) (const float[]){ __VA_ARGS__ }

/* Reduces x over `axes` (their count; 0: none given), and compares bytes. */
static void gives(const char *op, mq_dtype dtype, const char *dx, const void *x, const char *n_axes, const int64_t *axes,
                  const char *dy, const void *y)
{
    run_one t;

    run_open(&t, "", op);
    run_input(&t, dtype, dx, x, false);
    if (axes)
        run_i64(&t, n_axes, axes);
    run_node(&t, 1);
    assert_true(run_is(&t, 0, dtype, dy, y));
    run_close(&t);
}

static void test_nothing_to_reduce(void **state)
{
    (void)state;
    gives("ReduceSum", MQ_FLOAT, "2,0", NULL, "1", I64(1), "2,1", F32(0, 0));
    gives("ReduceProd", MQ_INT32, "2,0", NULL, "1", I64(1), "2,1", I32(1, 1));
    gives("ReduceMax", MQ_FLOAT, "0,2", NULL, "1", I64(0), "1,2", F32(-INFINITY, -INFINITY));
    gives("ReduceMin", MQ_INT32, "0", NULL, "1", I64(0), "1", I32(INT32_MAX));
    gives("ReduceLogSum", MQ_FLOAT, "0", NULL, "1", I64(0), "1", F32(-INFINITY));
    gives("ReduceLogSumExp", MQ_FLOAT, "1,0,2", NULL, "1", I64(1), "1,1,2", F32(-INFINITY, -INFINITY));
    gives("ReduceMean", MQ_INT32, "0", NULL, "1", I64(0), "1", I32(0));
    gives("ReduceSum", MQ_FLOAT, "0,2", NULL, "1", I64(1), "0,1", NULL);
}

static void test_nan_and_infinity(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "", "ReduceMax");
    run_f32(&t, "2,9", F32(1, 2, 3, 4, NAN, 5, 6, 7, 8, -1, -2, -3, -4, -5, -6, -7, -8, -INFINITY));
    run_i64(&t, "1", I64(1));
    run_node(&t, 1);
    assert_true(run_is_f32(&t, 0, "2,1", F32(NAN, -1), 0));
    run_close(&t);
    gives("ReduceLogSumExp", MQ_FLOAT, "2", F32(-INFINITY, -INFINITY), "1", I64(0), "1", F32(-INFINITY));
    gives("ReduceLogSumExp", MQ_FLOAT, "2", F32(INFINITY, 3), "1", I64(0), "1", F32(INFINITY));
    gives("ReduceLogSumExp", MQ_FLOAT, "2", F32(1000, -1000), "1", I64(0), "1", F32(1000));
}

static void test_integers_wrap(void **state)
{
    (void)state;
    gives("ReduceSum", MQ_INT32, "2", I32(INT32_MAX, 1), "1", I64(0), "1", I32(INT32_MIN));
    gives("ReduceL1", MQ_INT32, "2", I32(INT32_MIN, 1), "1", I64(0), "1", I32(INT32_MIN + 1));
    gives("ReduceMean", MQ_INT32, "2", I32(INT32_MAX, INT32_MAX), "1", I64(0), "1", I32(INT32_MAX));
    gives("ReduceMean", MQ_INT32, "2", I32(-3, 0), "1", I64(0), "1", I32(-1));
    gives("ReduceProd", MQ_INT64, "2", I64(INT64_MIN, -1), "1", I64(0), "1", I64(INT64_MIN));
    gives("ReduceMean", MQ_INT64, "1", I64(INT64_MIN), "1", I64(0), "1", I64(INT64_MIN));
}

/* Every pattern of kept and reduced axes, against sums that are plainly right. */
static void test_axes(void **state)
{
    enum { A = 3, B = 4, C = 5, D = 2 };
    int32_t x[A * B * C * D];

    (void)state;
    for (int i = 0; i < A * B * C * D; i++)
        x[i] = i * i % 97;
    for (int set = 1; set < 16; set++) {
        const int64_t dims[] = { A, B, C, D };
        int32_t want[A * B * C * D] = { 0 };
        int64_t axes[4];
        int n = 0, k = 0;
        char n_axes[2] = "0", out_dims[32];

        for (int i = 0; i < 4; i++)
            if (set >> i & 1)
                axes[n++] = i - 4;
        n_axes[0] = (char)('0' + n);
        snprintf(out_dims, sizeof out_dims, "%d,%d,%d,%d", set & 1 ? 1 : A, set & 2 ? 1 : B, set & 4 ? 1 : C,
                 set & 8 ? 1 : D);
        for (int64_t at[4] = { 0 }; at[0] < A; k++) {
            int64_t to = 0;

            for (int i = 0; i < 4; i++)
                to = set >> i & 1 ? to : to * dims[i] + at[i];
            want[to] += x[k];
            for (int i = 3; i >= 0 && ++at[i] == dims[i] && i > 0; i--)
                at[i] = 0;
        }
        gives("ReduceSum", MQ_INT32, "3,4,5,2", x, n_axes, axes, out_dims, want);
    }
}

static void test_without_axes(void **state)
{
    run_one t;

    (void)state;
    gives("ReduceSum", MQ_FLOAT, "2,2", F32(1, 2, 3, 4), "0", I64(0), "1,1", F32(10));
    run_open(&t, "", "ReduceSumSquare");
    assert_int_equal(mq_node_set_attr_int(t.node, "noop_with_empty_axes", 1, NULL), MQ_OK);
    run_f32(&t, "2", F32(-3, 2)); /* nothing is reduced, but squared all the same */
    run_node(&t, 1);
    assert_true(run_is_f32(&t, 0, "2", F32(9, 4), 0));
    run_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_to_reduce),
        cmocka_unit_test(test_nan_and_infinity),
        cmocka_unit_test(test_integers_wrap),
        cmocka_unit_test(test_axes),
        cmocka_unit_test(test_without_axes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
