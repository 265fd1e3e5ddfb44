/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/softmax_input.c: Softmax of what is lifted is Softmax of what was there, and masks are gone. */
#include "quant/softmax_input.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "quant_make.h"
#include "rng.h"

static void lift(float *x, int rank, const int64_t *dims, int axis)
{
    mq_array *a = NULL;
    float *got = NULL;
    mq_error err;

    assert_int_equal(mq_array_wrap(&a, MQ_FLOAT, rank, dims, x, NULL, &err), MQ_OK);
    assert_int_equal(mq_softmax_lift(a, axis, &got, &err), MQ_OK);
    memcpy(x, got, a->count * sizeof *x);
    free(got);
    mq_array_unref(a);
}

static void test_masks(void **state)
{
    float x[12] = { 1, -3.4e38f, 2, -10000, -1e9f, -1e9f, -1e9f, -1e9f, -INFINITY, 5, 4, NAN };
    const float below = 2 - logf(4) - 10 * logf(2), far = 5 - logf(4) - 10 * logf(2);

    (void)state;
    lift(x, 2, (const int64_t[]){ 3, 4 }, -1);
    assert_true(x[0] == 1 && x[2] == 2 && fabsf(x[1] - below) < 1e-5f && x[3] == x[1]);
    for (int i = 4; i < 8; i++) /* all alike: any value says the same */
        assert_true(x[i] == 0);
    assert_true(fabsf(x[8] - far) < 1e-5f && x[9] == 5 && x[10] == 4 && isnan(x[11]));
}

static double softmax(const float *x, size_t n, size_t stride, size_t at)
{
    double most = -INFINITY, sum = 0;

    for (size_t i = 0; i < n; i++)
        most = fmax(most, (double)x[i * stride]);
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i * stride] - most);
    return exp((double)x[at * stride] - most) / sum;
}

/* Along each axis, rows of any size and spread. */
static void test_result_stays(void **state)
{
    enum { A = 3, B = 5, C = 7, ALL = A * B * C };
    const int64_t dims[3] = { A, B, C };
    const size_t sizes[3] = { A, B, C }, strides[3] = { B * C, C, 1 };
    uint64_t rng = 5;

    (void)state;
    for (int axis = 0; axis < 3; axis++) {
        float x[ALL], y[ALL];
        for (size_t i = 0; i < ALL; i++)
            x[i] = y[i] = rng_float(&rng) * (i % 3 ? 4.0f : 4000.0f);
        lift(y, 3, dims, axis - 3);
        for (size_t i = 0; i < ALL; i++) {
            const size_t at = i / strides[axis] % sizes[axis], row = i - at * strides[axis];
            assert_true(y[i] >= x[i]);
            assert_true(fabs(softmax(x + row, sizes[axis], strides[axis], at) -
                             softmax(y + row, sizes[axis], strides[axis], at)) < 1.0 / 1024);
        }
    }
}

static void test_who_reads(void **state)
{
    int axis = 9;

    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,8");
    make_node_int(g, "Softmax", "x", "y", "axis", 1);
    assert_true(mq_softmax_reads(mq_graph_find(g, "x"), &axis));
    assert_int_equal(axis, 1);
    make_node(g, "Exp", "x", "z");
    assert_false(mq_softmax_reads(mq_graph_find(g, "x"), &axis));
    assert_false(mq_softmax_reads(mq_graph_find(g, "y"), &axis));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_masks),
        cmocka_unit_test(test_result_stays),
        ON_MODEL(test_who_reads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
