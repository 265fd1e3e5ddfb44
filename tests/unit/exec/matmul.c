/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Matrix products and convolutions by the reference kernels: sizes around their blocks against plain loops, the same
 * bytes at any number of threads, integers that wrap and saturate, empty operands. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/run_one.h"

#define F32(...) (const float[]){ __VA_ARGS__ }
#define I32(...) (const int32_t[]){ __VA_ARGS__ }
#define U8(...) (const uint8_t[]){ __VA_ARGS__ }

/* Numbers in [-1, 1) that depend on the place alone. */
static float *numbers(size_t n, uint32_t seed)
{
    float *x = malloc((n + 1) * sizeof *x);

    assert_non_null(x);
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = (float)(int32_t)(seed >> 8) / 8388608.0f - 1;
    }
    return x;
}

/* The bytes of MatMul at some number of threads; the caller frees them. */
static float *multiply(int m, int k, int n, const float *a, const float *b, int threads)
{
    char da[32], db[32], dy[32];
    float *y = malloc((size_t)(m * n + 1) * sizeof *y);
    run_one t;

    assert_non_null(y);
    snprintf(da, sizeof da, "%d,%d", m, k);
    snprintf(db, sizeof db, "%d,%d", k, n);
    snprintf(dy, sizeof dy, "%d,%d", m, n);
    run_open(&t, "", "MatMul");
    t.reference = true;
    t.threads = threads;
    run_f32(&t, da, a);
    run_f32(&t, db, b);
    run_node(&t, 1);
    assert_true(run_has_shape(&t, 0, MQ_FLOAT, dy));
    memcpy(y, t.out[0]->data, (size_t)(m * n) * sizeof *y);
    run_close(&t);
    return y;
}

static void test_blocks(void **state)
{
    static const int sizes[][3] = { { 1, 1, 1 },    { 1, 300, 257 }, { 4, 1, 17 },     { 5, 7, 15 },
                                    { 97, 257, 16 }, { 6, 256, 255 }, { 200, 513, 260 }, { 300, 9, 1 } };

    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const int m = sizes[s][0], k = sizes[s][1], n = sizes[s][2];
        float *a = numbers((size_t)(m * k), 1), *b = numbers((size_t)(k * n), 2);
        float *y = multiply(m, k, n, a, b, 1), *again = multiply(m, k, n, a, b, 4);

        assert_memory_equal(y, again, (size_t)(m * n) * sizeof *y);
        for (int i = 0; i < m; i++) {
            for (int j = 0; j < n; j++) {
                double sum = 0;
                for (int p = 0; p < k; p++)
                    sum += (double)a[i * k + p] * (double)b[p * n + j];
                assert_true(fabs(sum - (double)y[i * n + j]) <= 1e-5 + 1e-7 * k);
            }
        }
        free(a);
        free(b);
        free(y);
        free(again);
    }
}

static void test_empty_operands(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "", "MatMul");
    run_f32(&t, "2,0", NULL);
    run_f32(&t, "0,3", NULL);
    run_node(&t, 1);
    assert_true(run_is_f32(&t, 0, "2,3", F32(0, 0, 0, 0, 0, 0), 0));
    run_close(&t);
    run_open(&t, "", "MatMul");
    run_f32(&t, "0,2,2", NULL);
    run_f32(&t, "2,3", F32(1, 2, 3, 4, 5, 6));
    run_node(&t, 1);
    assert_true(run_has_shape(&t, 0, MQ_FLOAT, "0,2,3"));
    run_close(&t);
}

static void test_integers_wrap(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "", "MatMul");
    run_input(&t, MQ_INT32, "1,2", I32(INT32_MAX, INT32_MIN), false);
    run_input(&t, MQ_INT32, "2,2", I32(2, 1, 0, 1), false);
    run_node(&t, 1);
    assert_true(run_is(&t, 0, MQ_INT32, "1,2", I32(-2, -1)));
    run_close(&t);
}

/* round half to even, then the zero point, then the range: 0.5 -> 0, 1.5 -> 2, 1000 -> 255. */
static void test_requantize(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "", "QLinearMatMul");
    t.reference = true;
    run_input(&t, MQ_UINT8, "4,1", U8(1, 3, 5, 255), false);
    run_f32(&t, "", F32(0.5f));
    run_input(&t, MQ_UINT8, "", U8(0), false);
    run_input(&t, MQ_UINT8, "1,2", U8(1, 0), false);
    run_f32(&t, "", F32(1));
    run_input(&t, MQ_UINT8, "", U8(0), false);
    run_f32(&t, "", F32(1));
    run_input(&t, MQ_UINT8, "", U8(129), false);
    run_node(&t, 1);
    assert_true(run_is(&t, 0, MQ_UINT8, "4,2", U8(129, 129, 131, 129, 131, 129, 255, 129)));
    run_close(&t);
}

/* y = conv(x, w) of 2 images of 6 channels, 7 x 9, with `group` groups and 3 x 2 kernels; strides 2 and 1, dilations 1
 * and 2, pads 1, 0, 2, 1. Against plain loops. */
static void convolve(int group, int out_ch)
{
    enum { C = 6, H = 7, W = 9, KH = 3, KW = 2, OH = 4, OW = 8 };
    const int per = C / group;
    float *x = numbers(2 * C * H * W, 3), *w = numbers((size_t)(out_ch * per * KH * KW), 4);
    char dw[32], dy[32];
    run_one t;

    snprintf(dw, sizeof dw, "%d,%d,3,2", out_ch, per);
    snprintf(dy, sizeof dy, "2,%d,4,8", out_ch);
    run_open(&t, "", "Conv");
    t.reference = true;
    run_f32(&t, "2,6,7,9", x);
    run_f32(&t, dw, w);
    assert_int_equal(mq_node_set_attr_ints(t.node, "strides", (int64_t[]){ 2, 1 }, 2, NULL), MQ_OK);
    assert_int_equal(mq_node_set_attr_ints(t.node, "dilations", (int64_t[]){ 1, 2 }, 2, NULL), MQ_OK);
    assert_int_equal(mq_node_set_attr_ints(t.node, "pads", (int64_t[]){ 1, 0, 2, 1 }, 4, NULL), MQ_OK);
    assert_int_equal(mq_node_set_attr_int(t.node, "group", group, NULL), MQ_OK);
    run_node(&t, 1);
    assert_true(run_has_shape(&t, 0, MQ_FLOAT, dy));
    for (int at = 0; at < 2 * out_ch * OH * OW; at++) {
        const int image = at / (out_ch * OH * OW), o = at / (OH * OW) % out_ch, oh = at / OW % OH, ow = at % OW;
        double sum = 0;
        for (int k = 0; k < per * KH * KW; k++) {
            const int ch = k / (KH * KW) + o / (out_ch / group) * per;
            const int h = oh * 2 - 1 + k / KW % KH, v = ow + k % KW * 2;
            if (h >= 0 && h < H && v < W)
                sum += (double)x[((image * C + ch) * H + h) * W + v] * (double)w[o * per * KH * KW + k];
        }
        assert_true(fabs(sum - (double)((const float *)t.out[0]->data)[at]) < 1e-5);
    }
    run_close(&t);
    free(x);
    free(w);
}

static void test_convolution(void **state)
{
    (void)state;
    convolve(1, 8);
    convolve(2, 10);
    convolve(6, 6);
    convolve(6, 12);
}

static void test_convolution_refuses(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "", "Conv");
    t.reference = true;
    run_f32(&t, "1,1,2", F32(1, 2));
    run_f32(&t, "1,1,1", F32(1));
    assert_int_equal(mq_node_set_attr_ints(t.node, "pads", (int64_t[]){ INT32_MAX, 0 }, 2, NULL), MQ_OK);
    assert_int_equal(mq_node_set_attr_ints(t.node, "strides", (int64_t[]){ INT32_MAX }, 1, NULL), MQ_OK);
    assert_int_equal(run_try(&t, 1), MQ_ERR_UNSUPPORTED);
    assert_non_null(strstr(t.err.text, "paddings make the image too large"));
    run_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_empty_operands),
        cmocka_unit_test(test_integers_wrap),
        cmocka_unit_test(test_requantize),
        cmocka_unit_test(test_convolution),
        cmocka_unit_test(test_convolution_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
