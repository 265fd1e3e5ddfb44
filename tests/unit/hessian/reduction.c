/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/hessian/reduction.c: what a row gives on the sums of gram.c is what the engine computes; gathering and
 * scattering are each other's inverse; what no such matrix can say is refused. */
#include "hessian/reduction.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hessian/gram.h"
#include "rng.h"
#include "run_one.h"

static run_one t;
static mq_reduction r;
static mq_gram g;
static mq_error err;

static float *numbers(const char *dims_text, uint64_t seed, size_t *n)
{
    int64_t dims[MQ_MAX_RANK];
    const int rank = run_dims(dims_text, dims);
    float *x;

    *n = 1;
    for (int i = 0; i < rank; i++)
        *n *= (size_t)dims[i];
    x = malloc(*n * sizeof *x + 1);
    assert_non_null(x);
    for (size_t i = 0; i < *n; i++)
        x[i] = rng_float(&seed);
    return x;
}

/* Attributes as "name=1,2;name=3". */
static void set_attrs(const char *text)
{
    char *copy = strdup(text), *save = NULL;

    for (char *p = strtok_r(copy, ";", &save); p; p = strtok_r(NULL, ";", &save)) {
        int64_t list[8];
        char *eq = strchr(p, '=');
        int n;
        *eq = '\0';
        if (eq[1] >= 'A') {
            assert_int_equal(mq_node_set_attr_string(t.node, p, eq + 1, NULL), MQ_OK);
            continue;
        }
        n = run_dims(eq + 1, list);
        if (strcmp(p, "group") == 0 || strncmp(p, "trans", 5) == 0 || strcmp(p, "hidden_size") == 0)
            assert_int_equal(mq_node_set_attr_int(t.node, p, list[0], NULL), MQ_OK);
        else
            assert_int_equal(mq_node_set_attr_ints(t.node, p, list, (size_t)n, NULL), MQ_OK);
    }
    free(copy);
}

/* Sum over all rows of w H w'. */
static double power_on_gram(const float *weight, size_t n_weight)
{
    float *m = malloc(n_weight * sizeof *m);
    double sum = 0;

    for (int64_t k = 0; k < r.groups; k++) {
        mq_reduction_gather(&r, weight, k, m);
        for (int64_t row = 0; row < r.rows; row++)
            for (int64_t i = 0; i < r.cols; i++)
                for (int64_t j = 0; j < r.cols; j++)
                    sum += (double)m[row * r.cols + i] * (double)m[row * r.cols + j] * mq_gram_at(&g, k, i, j);
    }
    free(m);
    return sum;
}

static void check_inverse(const float *weight, size_t n)
{
    float *m = malloc(n * sizeof *m), *back = malloc(n * sizeof *back);

    for (size_t i = 0; i < n; i++)
        back[i] = -9;
    assert_int_equal(r.groups * r.rows * r.cols, n);
    for (int64_t k = 0; k < r.groups; k++) {
        mq_reduction_gather(&r, weight, k, m);
        mq_reduction_scatter(&r, m, k, back);
        assert_float_equal(m[r.cols - 1], weight[mq_reduction_at(&r, k, 0, r.cols - 1)], 0);
    }
    assert_memory_equal(weight, back, n * sizeof *back);
    free(m);
    free(back);
}

/* The engine's results against the sums: the weight is input `at`. */
static void check(const char *op, const char *attrs, const char *x_dims, const char *w_dims, size_t at)
{
    size_t n_x, n_w;
    float *x = numbers(x_dims, 1, &n_x), *w = numbers(w_dims, 2, &n_w);
    int64_t dims[MQ_MAX_RANK];
    const int rank = run_dims(w_dims, dims);
    double want = 0, got;

    run_open(&t, "", op);
    set_attrs(attrs);
    run_f32(&t, at == 0 ? w_dims : x_dims, at == 0 ? w : x);
    run_f32(&t, at == 0 ? x_dims : w_dims, at == 0 ? x : w);
    run_node(&t, 1);
    assert_true(mq_reduction_of(&r, t.node, at, rank, dims));
    assert_int_equal(mq_gram_init(&g, &r, false, &err), MQ_OK);
    assert_int_equal(mq_gram_add(&g, &r, t.in[1 - at], 2, &err), MQ_OK);
    mq_gram_finish(&g);
    check_inverse(w, n_w);
    for (size_t i = 0; i < t.out[0]->count; i++)
        want += mq_array_f64(t.out[0], i) * mq_array_f64(t.out[0], i);
    got = power_on_gram(w, n_w);
    if (!(fabs(got - want) <= 1e-5 * want))
        fail_msg("%s %s of %s, %s: %.9g instead of %.9g", op, attrs, x_dims, w_dims, got, want);
    mq_gram_release(&g);
    run_close(&t);
    free(x);
    free(w);
}

static void test_products(void **state)
{
    (void)state;
    check("MatMul", "", "2,3,5,7", "7,4", 1);
    check("MatMul", "", "7", "7,4", 1);
    check("MatMul", "", "2,3,7,5", "4,7", 0);
    check("MatMul", "", "7", "4,7", 0);
    check("Gemm", "", "6,5", "5,3", 1);
    check("Gemm", "transA=1;transB=1", "5,6", "3,5", 1);
    check("Gemm", "transA=1", "5,6", "5,3", 0);
    check("Gemm", "transB=1", "6,5", "3,5", 0);
}

static void test_convolutions(void **state)
{
    (void)state;
    check("Conv", "", "2,3,7,9", "4,3,3,3", 1);
    check("Conv", "pads=1,2,0,1;strides=2,1;dilations=1,2", "2,3,7,9", "4,3,3,2", 1);
    check("Conv", "group=3;auto_pad=SAME_UPPER;strides=2,2", "2,6,8,9", "9,2,3,3", 1);
    check("Conv", "group=4;auto_pad=SAME_LOWER", "1,4,6,6", "4,1,3,3", 1);
    check("Conv", "pads=2,2", "2,3,17", "5,3,5", 1);
    check("Conv", "", "1,2,4,5,6", "3,2,2,3,2", 1);
    check("Conv", "auto_pad=VALID", "1,130,24,24", "2,130,1,1", 1);
    check("ConvTranspose", "strides=2,3", "2,4,5,6", "4,3,2,3", 1);
    check("ConvTranspose", "group=2;strides=2,2", "2,4,5,6", "4,3,2,2", 1);
}

static void refused(const char *op, const char *attrs, size_t at, int rank, const int64_t *dims)
{
    run_open(&t, "", op);
    set_attrs(attrs);
    run_f32(&t, "2,2", (float[4]){ 0 });
    run_f32(&t, "2,2", (float[4]){ 0 });
    assert_false(mq_reduction_of(&r, t.node, at, rank, dims));
    run_close(&t);
}

static void test_what_is_no_matrix(void **state)
{
    (void)state;
    refused("Add", "", 1, 2, (int64_t[]){ 2, 2 });
    refused("MatMul", "", 1, 3, (int64_t[]){ 2, 2, 2 });
    refused("MatMul", "", 1, 2, (int64_t[]){ 0, 2 });
    refused("MatMul", "", 1, 2, (int64_t[]){ INT64_MAX, INT64_MAX });
    refused("MatMul", "", 1, 0, NULL);
    refused("Conv", "group=3", 1, 4, (int64_t[]){ 4, 1, 3, 3 });
    refused("Conv", "group=0", 1, 4, (int64_t[]){ 4, 1, 3, 3 });
    refused("Conv", "", 1, 2, (int64_t[]){ 4, 1 });
    refused("Conv", "", 0, 4, (int64_t[]){ 4, 1, 3, 3 });
    refused("ConvTranspose", "group=3", 1, 4, (int64_t[]){ 4, 1, 3, 3 });
    refused("LSTM", "", 2, 3, (int64_t[]){ 1, 8, 2 });
}

/* Two nodes that read one tensor share a sum when their windows are the same. */
static void test_shared_vectors(void **state)
{
    mq_reduction a, b;
    mq_node *second;

    (void)state;
    run_open(&t, "", "Conv");
    run_f32(&t, "1,2,5,5", (float[50]){ 0 });
    run_f32(&t, "3,2,3,3", (float[54]){ 0 });
    second = mq_node_create(t.model->graph, NULL, "", "Conv", "second");
    assert_int_equal(mq_node_set_input(second, 0, t.node->inputs[0], NULL), MQ_OK);
    assert_int_equal(mq_node_set_input(second, 1, t.node->inputs[1], NULL), MQ_OK);
    assert_true(mq_reduction_of(&a, t.node, 1, 4, (int64_t[]){ 3, 2, 3, 3 }));
    assert_true(mq_reduction_of(&b, second, 1, 4, (int64_t[]){ 7, 2, 3, 3 }));
    assert_true(mq_reduction_same_vectors(&a, &b));
    assert_true(mq_reduction_of(&b, second, 1, 4, (int64_t[]){ 7, 2, 1, 9 }));
    assert_false(mq_reduction_same_vectors(&a, &b));
    assert_int_equal(mq_node_set_attr_ints(second, "strides", (int64_t[]){ 2, 2 }, 2, NULL), MQ_OK);
    assert_true(mq_reduction_of(&b, second, 1, 4, (int64_t[]){ 7, 2, 3, 3 }));
    assert_false(mq_reduction_same_vectors(&a, &b));
    run_close(&t);
}

/* Along runs: all channels of a tap, then the next tap. */
static void test_runs(void **state)
{
    (void)state;
    run_open(&t, "", "Conv");
    run_f32(&t, "1,2,5,5", (float[50]){ 0 });
    run_f32(&t, "3,2,3,3", (float[54]){ 0 });
    assert_true(mq_reduction_of(&r, t.node, 1, 4, (int64_t[]){ 3, 2, 3, 3 }));
    assert_int_equal(r.run, 2);
    assert_int_equal(r.cols, 18);
    assert_int_equal(mq_reduction_at(&r, 0, 2, 5), 2 * 18 + 1 * 9 + 2);
    run_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),       cmocka_unit_test(test_convolutions), cmocka_unit_test(test_what_is_no_matrix),
        cmocka_unit_test(test_shared_vectors), cmocka_unit_test(test_runs),
    };

    return cmocka_run_group_tests_name("hessian/reduction", tests, NULL, NULL);
}
