/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Functions of one element: edges that the ONNX node tests leave out. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "lib/run_one.h"

#define F32(...) (const float[]){ __VA_ARGS__ }

/* NaN goes through every function of one float. */
static void test_nan_goes_through(void **state)
{
    static const char *const ops[] = { "Relu", "LeakyRelu", "Elu", "Celu", "Selu", "Sigmoid", "HardSigmoid", "HardSwish",
                                       "Softplus", "Softsign", "Mish", "Gelu", "Swish", "Tanh", "Erf", "Exp", "Log", "Sqrt",
                                       "Abs", "Neg", "Sign", "Round", "Floor", "Ceil", "Reciprocal", "Clip" };

    (void)state;
    for (size_t k = 0; k < MQ_ARRAY_LEN(ops); k++) {
        run_one t;

        run_open(&t, "", ops[k]);
        run_f32(&t, "", F32(NAN));
        run_node(&t, 1);
        assert_true(run_is_f32(&t, 0, "", F32(NAN), 0));
        run_close(&t);
    }
}

static void is(const char *op, const float *in, const float *out)
{
    run_one t;

    run_open(&t, "", op);
    run_f32(&t, "3", in);
    run_node(&t, 1);
    assert_true(run_is_f32(&t, 0, "3", out, 0));
    run_close(&t);
}

static void test_far_out(void **state)
{
    (void)state;
    is("Sigmoid", F32(-INFINITY, INFINITY, -1000), F32(0, 1, 0));
    is("Softplus", F32(-INFINITY, INFINITY, 1000), F32(0, INFINITY, 1000));
    is("Tanh", F32(-INFINITY, INFINITY, -0.0f), F32(-1, 1, 0));
    is("Elu", F32(-INFINITY, INFINITY, -1000), F32(-1, INFINITY, -1));
    is("Gelu", F32(-1000, INFINITY, 1000), F32(0, INFINITY, 1000));
    is("Log", F32(0, -1, INFINITY), F32(-INFINITY, NAN, INFINITY));
    is("Round", F32(0.5f, 1.5f, -2.5f), F32(0, 2, -2));
}

static void test_clip_bounds(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "", "Clip"); /* the upper bound wins */
    run_f32(&t, "3", F32(-INFINITY, 0, INFINITY));
    run_f32(&t, "", F32(5));
    run_f32(&t, "", F32(2));
    run_node(&t, 1);
    assert_true(run_is_f32(&t, 0, "3", F32(2, 2, 2), 0));
    run_close(&t);
    run_open(&t, "", "Clip");
    run_f32(&t, "3", F32(-INFINITY, 0, INFINITY));
    run_f32(&t, "0", NULL);
    assert_int_not_equal(run_try(&t, 1), MQ_OK);
    run_close(&t);
}

static void test_integers_at_the_end(void **state)
{
    static const int32_t in[] = { INT32_MIN, -1, INT32_MAX }, neg[] = { INT32_MIN, 1, -INT32_MAX },
                         abs[] = { INT32_MIN, 1, INT32_MAX };
    run_one t;

    (void)state;
    run_open(&t, "", "Neg");
    run_input(&t, MQ_INT32, "3", in, false);
    run_node(&t, 1);
    assert_true(run_is(&t, 0, MQ_INT32, "3", neg));
    run_close(&t);
    run_open(&t, "", "Abs");
    run_input(&t, MQ_INT32, "3", in, false);
    run_node(&t, 1);
    assert_true(run_is(&t, 0, MQ_INT32, "3", abs));
    run_close(&t);
}

/* Dropped elements are 0, others scaled; the share is about the ratio, and the same for any number of threads. */
static void test_dropout(void **state)
{
    enum { N = 100000 };
    static float in[N], first[N];
    int dropped = 0;

    (void)state;
    for (int i = 0; i < N; i++)
        in[i] = (float)(i + 1);
    for (int threads = 1; threads <= 3; threads++) {
        run_one t;

        run_open(&t, "", "Dropout");
        t.threads = threads;
        run_f32(&t, "100000", in);
        run_f32(&t, "", F32(0.25f));
        run_input(&t, MQ_BOOL, "", (const uint8_t[]){ 1 }, false);
        run_node(&t, 2);
        assert_true(run_has_shape(&t, 0, MQ_FLOAT, "100000") && run_has_shape(&t, 1, MQ_BOOL, "100000"));
        if (threads == 1)
            memcpy(first, t.out[0]->data, sizeof first);
        assert_memory_equal(t.out[0]->data, first, sizeof first);
        for (int i = 0; i < N && threads == 1; i++) {
            const bool kept = ((const uint8_t *)t.out[1]->data)[i];
            assert_true(first[i] == (kept ? (float)((double)in[i] * (1 / 0.75)) : 0));
            dropped += !kept;
        }
        run_close(&t);
    }
    assert_true(dropped > N / 4 - 1000 && dropped < N / 4 + 1000);
}

static void test_dropout_ratio_out_of_range(void **state)
{
    static const float ratios[] = { 1, -0.5f, NAN, INFINITY };

    (void)state;
    for (size_t k = 0; k < MQ_ARRAY_LEN(ratios); k++) {
        run_one t;

        run_open(&t, "", "Dropout");
        run_f32(&t, "2", F32(1, 2));
        run_f32(&t, "", &ratios[k]);
        run_input(&t, MQ_BOOL, "", (const uint8_t[]){ 1 }, false);
        assert_int_equal(run_try(&t, 1), MQ_ERR_INPUT);
        run_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nan_goes_through),
        cmocka_unit_test(test_far_out),
        cmocka_unit_test(test_clip_bounds),
        cmocka_unit_test(test_integers_at_the_end),
        cmocka_unit_test(test_dropout),
        cmocka_unit_test(test_dropout_ratio_out_of_range),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
