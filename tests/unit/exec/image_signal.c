/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Resize, sampling and transforms: what the ONNX node tests leave out: empty tensors, other types, odd lengths, hostile
 * attributes. */
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
#define I64(...) (const int64_t[]){ __VA_ARGS__ }

static void set_text(run_one *t, const char *name, const char *value)
{
    assert_int_equal(mq_node_set_attr_string(t->node, name, value, NULL), MQ_OK);
}

static void resize_to(run_one *t, mq_dtype dtype, const char *dims, const void *x, size_t rank, const int64_t *sizes)
{
    char n[8];

    snprintf(n, sizeof n, "%zu", rank);
    run_open(t, "", "Resize");
    run_input(t, dtype, dims, x, false);
    run_absent(t);
    run_absent(t);
    run_i64(t, n, sizes);
}

static void test_resize_of_integers_rounds_and_saturates(void **state)
{
    run_one t;

    (void)state;
    resize_to(&t, MQ_UINT8, "1,2", (const uint8_t[]){ 0, 255 }, 2, I64(1, 4));
    set_text(&t, "mode", "cubic");
    run_node(&t, 1);
    assert_true(run_has_shape(&t, 0, MQ_UINT8, "1,4"));
    assert_int_equal(((const uint8_t *)t.out[0]->data)[0], 0);
    assert_int_equal(((const uint8_t *)t.out[0]->data)[3], 255);
    run_close(&t);
    resize_to(&t, MQ_INT16, "2", (const int16_t[]){ -3, 4 }, 1, I64(3));
    set_text(&t, "mode", "linear");
    run_node(&t, 1);
    assert_true(run_is(&t, 0, MQ_INT16, "3", (const int16_t[]){ -3, 0, 4 }));
    run_close(&t);
}

static void test_resize_moves_any_type_and_nothing(void **state)
{
    static const char *const modes[] = { "nearest", "linear" };
    run_one t;

    (void)state;
    resize_to(&t, MQ_COMPLEX64, "2", F32(1, 2, 3, 4), 1, I64(4));
    run_node(&t, 1);
    assert_true(run_is(&t, 0, MQ_COMPLEX64, "4", F32(1, 2, 1, 2, 3, 4, 3, 4)));
    run_close(&t);
    for (size_t i = 0; i < MQ_ARRAY_LEN(modes); i++) {
        resize_to(&t, MQ_FLOAT, "0,3", NULL, 2, I64(0, 5));
        set_text(&t, "mode", modes[i]);
        run_node(&t, 1);
        assert_true(run_has_shape(&t, 0, MQ_FLOAT, "0,5"));
        run_close(&t);
    }
}

static void test_resize_refuses_what_cannot_be(void **state)
{
    static const int64_t sizes[] = { -1, INT64_MAX, INT64_MIN };
    run_one t;

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(sizes); i++) {
        resize_to(&t, MQ_FLOAT, "1,2", F32(1, 2), 2, I64(2, sizes[i]));
        assert_true(run_try(&t, 1) != MQ_OK);
        assert_true(t.err.text[0] != '\0');
        run_close(&t);
    }
    resize_to(&t, MQ_FLOAT, "1,0", NULL, 2, I64(2, 3));
    assert_int_equal(run_try(&t, 1), MQ_ERR_INPUT);
    run_close(&t);
}

static void test_grid_of_no_numbers_is_the_first_corner(void **state)
{
    run_one t;

    (void)state;
    run_open(&t, "", "GridSample");
    run_f32(&t, "1,1,2,2", F32(1, 2, 3, 4));
    run_f32(&t, "1,1,3,2", F32(NAN, NAN, INFINITY, INFINITY, -1e30f, 0));
    set_text(&t, "padding_mode", "border");
    run_node(&t, 1);
    assert_true(run_is_f32(&t, 0, "1,1,1,3", F32(1, 4, 2), 0));
    run_close(&t);
}

/* Against the sum that defines it, for lengths of every kind: short, power of two, prime, long. */
static void test_dft_of_any_length(void **state)
{
    static const int lengths[] = { 1, 2, 3, 16, 31, 33, 64, 97, 100 };
    float x[200];
    char dims[16];

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(lengths); i++) {
        const int n = lengths[i];
        run_one t;

        for (int k = 0; k < 2 * n; k++)
            x[k] = (float)((k * 7 + 3) % 11) - 5;
        snprintf(dims, sizeof dims, "%d,2", n);
        run_open(&t, "", "DFT");
        run_f32(&t, dims, x);
        run_node(&t, 1);
        assert_true(run_has_shape(&t, 0, MQ_FLOAT, dims));
        for (int k = 0; k < n; k++) {
            double re = 0, im = 0;

            for (int j = 0; j < n; j++) {
                const double a = -2 * M_PI * (double)(j * k % n) / n, c = cos(a), s = sin(a);

                re += (double)x[2 * j] * c - (double)x[2 * j + 1] * s;
                im += (double)x[2 * j] * s + (double)x[2 * j + 1] * c;
            }
            assert_true(fabs(re - (double)((const float *)t.out[0]->data)[2 * k]) < 1e-4);
            assert_true(fabs(im - (double)((const float *)t.out[0]->data)[2 * k + 1]) < 1e-4);
        }
        run_close(&t);
    }
}

static void test_dft_refuses_what_cannot_be(void **state)
{
    static const int64_t lengths[] = { 0, -1, INT64_MIN, INT64_MAX };
    run_one t;

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(lengths); i++) {
        run_open(&t, "", "DFT");
        run_f32(&t, "2,1", F32(1, 2));
        run_i64(&t, "", &lengths[i]);
        assert_true(run_try(&t, 1) != MQ_OK);
        run_close(&t);
    }
    run_open(&t, "", "DFT");
    run_f32(&t, "2,1", F32(1, 2));
    run_absent(&t);
    run_i64(&t, "", I64(-1));
    assert_int_equal(run_try(&t, 1), MQ_ERR_INPUT);
    run_close(&t);
}

static void test_roi_align_checks_its_indices(void **state)
{
    static const int64_t batches[] = { -1, 1, INT64_MAX };
    run_one t;

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(batches); i++) {
        run_open(&t, "", "RoiAlign");
        run_f32(&t, "1,1,2,2", F32(1, 2, 3, 4));
        run_f32(&t, "1,4", F32(0, 0, 1, 1));
        run_i64(&t, "1", &batches[i]);
        assert_int_equal(run_try(&t, 1), MQ_ERR_INPUT);
        run_close(&t);
    }
    run_open(&t, "", "RoiAlign"); /* regions that are no numbers have no points */
    run_f32(&t, "1,1,2,2", F32(1, 2, 3, 4));
    run_f32(&t, "1,4", F32(NAN, NAN, NAN, NAN));
    run_i64(&t, "1", I64(0));
    run_node(&t, 1);
    assert_true(run_is_f32(&t, 0, "1,1,1,1", F32(0), 0));
    run_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resize_of_integers_rounds_and_saturates),
        cmocka_unit_test(test_resize_moves_any_type_and_nothing),
        cmocka_unit_test(test_resize_refuses_what_cannot_be),
        cmocka_unit_test(test_grid_of_no_numbers_is_the_first_corner),
        cmocka_unit_test(test_dft_of_any_length),
        cmocka_unit_test(test_dft_refuses_what_cannot_be),
        cmocka_unit_test(test_roi_align_checks_its_indices),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
