/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/hessian/gram.c: sums against a plain loop in double at sizes around tiles and chunks; diagonals; numbers that
 * are not finite; other types; the same bytes with any number of threads; hostile shapes. (Windows: reduction.c.) */
#include "hessian/gram.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "graph_make.h"
#include "rng.h"

static mq_model *m;
static mq_reduction r;
static mq_error err;

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

/* A MatMul of n columns. */
static void reduce(int64_t n)
{
    mq_node *node = make_node(m->graph, "MatMul", "x,w", "y");

    assert_true(mq_reduction_of(&r, node, 1, 2, (int64_t[]){ n, 3 }));
}

static mq_array *array(mq_dtype dtype, int rank, const int64_t *dims, uint64_t seed)
{
    mq_array *a = NULL;
    float x;

    assert_int_equal(mq_array_create(&a, dtype, rank, dims, &err), MQ_OK);
    for (size_t i = 0; i < a->count; i++) {
        x = rng_float(&seed) + 0.25f;
        mq_dtype_from_f32(dtype, &x, 1, (char *)a->data + i * mq_array_elem_size(a), false);
    }
    return a;
}

static double plain(const mq_array *a, int64_t n, int64_t i, int64_t j)
{
    double sum = 0;

    for (size_t p = 0; p < a->count / (size_t)n; p++)
        sum += mq_array_f64(a, p * (size_t)n + (size_t)i) * mq_array_f64(a, p * (size_t)n + (size_t)j);
    return sum;
}

static void check_sums(int64_t vectors, int64_t n, mq_dtype dtype)
{
    mq_array *a = array(dtype, 2, (int64_t[]){ vectors, n }, 7);
    mq_gram whole, diagonal;

    reduce(n);
    assert_int_equal(mq_gram_init(&whole, &r, false, &err), MQ_OK);
    assert_int_equal(mq_gram_init(&diagonal, &r, true, &err), MQ_OK);
    assert_int_equal(mq_gram_add(&whole, &r, a, 2, &err), MQ_OK);
    assert_int_equal(mq_gram_add(&diagonal, &r, a, 2, &err), MQ_OK);
    mq_gram_finish(&whole);
    assert_int_equal(whole.vectors, vectors);
    assert_int_equal(whole.skipped + diagonal.skipped, 0);
    for (int64_t i = 0; i < n; i += 1 + n / 40)
        for (int64_t j = 0; j < n; j += 1 + n / 40) {
            const double want = plain(a, n, i, j);
            assert_true(fabs(mq_gram_at(&whole, 0, i, j) - want) <= 2e-6 * (double)vectors);
            assert_true(i != j || fabs(mq_gram_at(&diagonal, 0, i, i) - want) <= 1e-9 * want);
        }
    mq_gram_release(&whole);
    mq_gram_release(&diagonal);
    mq_array_unref(a);
}

static void test_sums(void **state)
{
    (void)state;
    check_sums(1, 1, MQ_FLOAT);
    check_sums(3, 17, MQ_FLOAT);
    check_sums(512, 128, MQ_FLOAT);
    check_sums(513, 129, MQ_FLOAT);
    check_sums(1100, 300, MQ_FLOAT);
    check_sums(100, 20, MQ_FLOAT16);
    check_sums(100, 20, MQ_BFLOAT16);
    check_sums(100, 20, MQ_DOUBLE);
}

static void test_vectors_that_are_not_finite(void **state)
{
    mq_array *a = array(MQ_FLOAT, 2, (int64_t[]){ 4, 5 }, 3), *finite = array(MQ_FLOAT, 2, (int64_t[]){ 2, 5 }, 0);
    mq_gram g;

    (void)state;
    memcpy(finite->data, (float *)a->data + 5, 10 * sizeof(float));
    ((float *)a->data)[2] = NAN;
    ((float *)a->data)[19] = -INFINITY;
    reduce(5);
    assert_int_equal(mq_gram_init(&g, &r, false, &err), MQ_OK);
    assert_int_equal(mq_gram_add(&g, &r, a, 1, &err), MQ_OK);
    mq_gram_finish(&g);
    assert_int_equal(g.skipped, 2);
    for (int64_t i = 0; i < 5; i++)
        for (int64_t j = 0; j < 5; j++)
            assert_true(fabs(mq_gram_at(&g, 0, i, j) - plain(finite, 5, i, j)) <= 1e-6);
    mq_gram_release(&g);
    mq_array_unref(a);
    mq_array_unref(finite);
}

static void with_threads(mq_gram *g, const mq_array *a, int n_threads, bool diagonal)
{
    assert_int_equal(mq_gram_init(g, &r, diagonal, &err), MQ_OK);
    assert_int_equal(mq_gram_add(g, &r, a, n_threads, &err), MQ_OK);
}

static void test_threads_do_not_matter(void **state)
{
    mq_array *a = array(MQ_FLOAT, 2, (int64_t[]){ 700, 260 }, 5), *image = array(MQ_FLOAT, 4, (int64_t[]){ 2, 12, 9, 9 }, 5);
    mq_node *conv = make_node(m->graph, "Conv", "image,k", "z");
    mq_gram one, three;

    (void)state;
    assert_int_equal(mq_node_set_attr_int(conv, "group", 4, NULL), MQ_OK);
    for (int way = 0; way < 4; way++) {
        const mq_array *x = way < 2 ? a : image;
        if (way < 2)
            reduce(260);
        else
            assert_true(mq_reduction_of(&r, conv, 1, 4, (int64_t[]){ 8, 3, 3, 3 }));
        with_threads(&one, x, 1, way & 1);
        with_threads(&three, x, 3, way & 1);
        assert_memory_equal(one.sums, three.sums,
                            (size_t)(one.groups * one.n * (way & 1 ? 1 : one.n)) * sizeof(double));
        mq_gram_release(&one);
        mq_gram_release(&three);
    }
    mq_array_unref(a);
    mq_array_unref(image);
}

/* Two parts are the whole. */
static void test_parts(void **state)
{
    mq_array *a = array(MQ_FLOAT, 2, (int64_t[]){ 512, 9 }, 5), *b = array(MQ_FLOAT, 2, (int64_t[]){ 100, 9 }, 6);
    mq_array *whole = array(MQ_FLOAT, 2, (int64_t[]){ 612, 9 }, 7);
    mq_gram both, once;

    (void)state;
    reduce(9);
    with_threads(&both, a, 1, false);
    assert_int_equal(mq_gram_add(&both, &r, b, 1, &err), MQ_OK);
    memcpy(whole->data, a->data, 512 * 9 * sizeof(float));
    memcpy((float *)whole->data + 512 * 9, b->data, 100 * 9 * sizeof(float));
    with_threads(&once, whole, 1, false);
    mq_gram_finish(&both);
    assert_int_equal(both.vectors, 612);
    assert_memory_equal(once.sums, both.sums, 81 * sizeof(double));
    mq_gram_release(&both);
    mq_gram_release(&once);
    mq_array_unref(whole);
    mq_array_unref(a);
    mq_array_unref(b);
}

static void test_shapes_that_do_not_fit(void **state)
{
    mq_array *a = array(MQ_FLOAT, 2, (int64_t[]){ 3, 4 }, 5), *empty = array(MQ_FLOAT, 2, (int64_t[]){ 0, 5 }, 5);
    mq_array *ints = array(MQ_INT32, 2, (int64_t[]){ 3, 5 }, 5);
    mq_gram g;

    (void)state;
    reduce(5);
    assert_int_equal(mq_gram_init(&g, &r, false, &err), MQ_OK);
    assert_int_equal(mq_gram_add(&g, &r, a, 1, &err), MQ_ERR_INPUT);
    assert_int_equal(mq_gram_add(&g, &r, ints, 1, &err), MQ_ERR_INPUT);
    assert_int_equal(mq_gram_add(&g, &r, empty, 1, &err), MQ_OK);
    assert_int_equal(g.vectors, 0);
    mq_gram_release(&g);
    assert_true(mq_gram_bytes(&r, false) == 25 * sizeof(double));
    reduce(INT64_C(1) << 40);
    assert_true(mq_gram_bytes(&r, false) == UINT64_MAX);
    assert_int_equal(mq_gram_init(&g, &r, false, &err), MQ_ERR_NOMEM);
    mq_array_unref(a);
    mq_array_unref(ints);
    mq_array_unref(empty);
}

#define ON_MODEL(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(test_sums),  ON_MODEL(test_vectors_that_are_not_finite), ON_MODEL(test_threads_do_not_matter),
        ON_MODEL(test_parts), ON_MODEL(test_shapes_that_do_not_fit),
    };

    return cmocka_run_group_tests_name("hessian/gram", tests, NULL, NULL);
}
