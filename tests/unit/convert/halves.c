/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/convert/halves.c: what is measured of a constant, and its bytes in another type, small and large. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "convert/precision.h"
#include "graph_make.h"
#include "rng.h"

static mq_model *m;

static int setup(void **state)
{
    (void)state;
    m = make_model(17);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mq_model_free(m);
    return 0;
}

static void what_rounding_does(void **state)
{
    static const float x[] = { 1, -2.0004f, 1e-9f, 7e4f, -INFINITY, NAN };
    mq_precision_item item = { 0 };

    (void)state;
    assert_int_equal(mq_halves_measure(make_init(m->graph, "x", MQ_FLOAT, "6", x)->init, MQ_FLOAT16, &item, NULL), MQ_OK);
    assert_int_equal(item.count, 6);
    assert_int_equal(item.overflowed, 1);
    assert_int_equal(item.flushed, 1);
    assert_true(item.max_error > 3e-4 && item.max_error < 5e-4);
    assert_true(item.sqnr > 70 && item.sqnr < 80);
}

static void what_is_exact(void **state)
{
    static const float x[] = { 1, 0.5f, 65504 };
    mq_precision_item item = { 0 };

    (void)state;
    assert_int_equal(mq_halves_measure(make_init(m->graph, "x", MQ_FLOAT, "3", x)->init, MQ_FLOAT16, &item, NULL), MQ_OK);
    assert_true(isinf(item.sqnr));
    assert_int_equal(item.overflowed + item.flushed, 0);
}

static void small_ones_are_made_at_once(void **state)
{
    static const float x[] = { 1.5f, -3 };
    mq_tensor *t = NULL;

    (void)state;
    assert_int_equal(mq_halves_make(make_init(m->graph, "x", MQ_FLOAT, "2", x)->init, MQ_BFLOAT16, &t, NULL), MQ_OK);
    assert_int_equal(t->storage, MQ_STORE_RAW);
    assert_int_equal(t->dtype, MQ_BFLOAT16);
    assert_int_equal(((const uint16_t *)t->data)[0], mq_bf16_from_f32(1.5f));
    assert_int_equal(((const uint16_t *)t->data)[1], mq_bf16_from_f32(-3));
}

/* More than one block, and a rest. */
static void large_ones_when_they_are_written(void **state)
{
    enum { N = 200001 };
    float *x = malloc(N * sizeof *x);
    uint64_t rng = 3;
    mq_tensor *t = NULL;
    const void *data;

    (void)state;
    assert_non_null(x);
    for (size_t i = 0; i < N; i++)
        x[i] = rng_float(&rng) * 3;
    assert_int_equal(mq_halves_make(make_init(m->graph, "x", MQ_FLOAT, "200001", x)->init, MQ_FLOAT16, &t, NULL), MQ_OK);
    assert_int_equal(t->storage, MQ_STORE_MADE);
    assert_int_equal(mq_tensor_make(t, &(mq_hooks){ .n_threads = 2 }, NULL), MQ_OK);
    assert_int_equal(mq_tensor_bytes(t, &data, NULL), MQ_OK);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(((const uint16_t *)data)[i], mq_f16_from_f32(x[i]));
    free(x);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_rounding_does),
        TEST(what_is_exact),
        TEST(small_ones_are_made_at_once),
        TEST(large_ones_when_they_are_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
