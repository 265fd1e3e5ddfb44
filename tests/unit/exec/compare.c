/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Figures of comparison on values that can be worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "exec/compare.h"

static mq_array *floats(int64_t rows, int64_t n, const float *data)
{
    mq_array *a = NULL;

    assert_int_equal(mq_array_create(&a, MQ_FLOAT, 2, (int64_t[]){ rows, n }, NULL), MQ_OK);
    memcpy(a->data, data, (size_t)(rows * n) * sizeof *data);
    return a;
}

static mq_compare compare(int64_t rows, int64_t n, const float *a, const float *b)
{
    mq_array *x = floats(rows, n, a), *y = floats(rows, n, b);
    mq_compare c = { 0 };

    assert_int_equal(mq_compare_add(&c, x, y, 1e-3, 1e-5, NULL), MQ_OK);
    mq_array_unref(x);
    mq_array_unref(y);
    return c;
}

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-9 * (1 + fabs(b));
}

static void equal_arrays(void **state)
{
    const float v[] = { 1, 2, NAN, INFINITY };
    const mq_compare c = compare(1, 4, v, v);

    (void)state;
    assert_int_equal(c.differ, 0);
    assert_true(isinf(mq_compare_sqnr(&c)) && mq_compare_sqnr(&c) > 0);
    assert_true(near(mq_compare_cosine(&c), 1));
    assert_true(near(mq_compare_agreement(&c), 1));
}

static void known_differences(void **state)
{
    const mq_compare c = compare(1, 2, (float[]){ 3, 4.5f }, (float[]){ 3, 4 });

    (void)state;
    assert_int_equal(c.count, 2);
    assert_int_equal(c.differ, 1);
    assert_int_equal(c.outside, 1);
    assert_int_equal(c.first, 1);
    assert_true(near(c.max_abs, 0.5));
    assert_true(near(c.max_rel, 0.125));
    assert_true(near(mq_compare_sqnr(&c), 20)); /* 25 / 0.25 */
    assert_true(near(mq_compare_cosine(&c), (9 + 18) / (5 * sqrt(9 + 20.25))));
}

static void what_is_not_finite_counts(void **state)
{
    const mq_compare c = compare(1, 3, (float[]){ NAN, 1, -INFINITY }, (float[]){ 1, 1, INFINITY });

    (void)state;
    assert_int_equal(c.nonfinite, 2);
    assert_int_equal(c.outside, 2);
    assert_true(isinf(c.max_abs));
    assert_true(mq_compare_sqnr(&c) < 0);
}

static void zero_signals(void **state)
{
    const mq_compare same = compare(1, 2, (float[]){ 0, -0.0f }, (float[]){ 0, 0 });
    const mq_compare noise = compare(1, 2, (float[]){ 0, 1 }, (float[]){ 0, 0 });

    (void)state;
    assert_true(mq_compare_sqnr(&same) > 0);
    assert_true(near(mq_compare_cosine(&same), 1));
    assert_true(isinf(mq_compare_sqnr(&noise)) && mq_compare_sqnr(&noise) < 0);
    assert_true(near(mq_compare_cosine(&noise), 0));
}

static void rows_agree_or_not(void **state)
{
    const mq_compare c = compare(2, 3, (float[]){ 1, 5, 2, 9, 8, 7 }, (float[]){ 1, 4, 2, 7, 8, 9 });

    (void)state;
    assert_int_equal(c.rows, 2);
    assert_true(near(mq_compare_agreement(&c), 0.5));
}

static void large_integers_differ_by_one(void **state)
{
    mq_array *a = NULL, *b = NULL;
    mq_compare c = { 0 };

    (void)state;
    assert_int_equal(mq_array_create(&a, MQ_INT64, 1, (int64_t[]){ 1 }, NULL), MQ_OK);
    assert_int_equal(mq_array_create(&b, MQ_INT64, 1, (int64_t[]){ 1 }, NULL), MQ_OK);
    *(int64_t *)a->data = INT64_MAX;
    *(int64_t *)b->data = INT64_MAX - 1;
    assert_int_equal(mq_compare_add(&c, a, b, 0, 0, NULL), MQ_OK);
    *(int64_t *)b->data = INT64_MAX;
    assert_int_equal(mq_compare_add(&c, a, b, 0, 0, NULL), MQ_OK);
    assert_int_equal(c.count, 2);
    assert_int_equal(c.differ, 1);
    assert_true(near(c.max_abs, 1));
    mq_array_unref(a);
    mq_array_unref(b);
}

static void shapes_must_agree(void **state)
{
    mq_array *a = floats(1, 2, (float[]){ 1, 2 }), *b = floats(2, 1, (float[]){ 1, 2 });
    mq_compare c = { 0 };
    mq_error err;

    (void)state;
    assert_int_equal(mq_compare_add(&c, a, b, 0, 0, &err), MQ_ERR_INPUT);
    assert_string_equal(err.text, "float[1,2] cannot be compared with float[2,1]");
    mq_array_unref(a);
    mq_array_unref(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_arrays),      cmocka_unit_test(known_differences),
            cmocka_unit_test(what_is_not_finite_counts),
        cmocka_unit_test(zero_signals),      cmocka_unit_test(rows_agree_or_not),
            cmocka_unit_test(large_integers_differ_by_one),
        cmocka_unit_test(shapes_must_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
