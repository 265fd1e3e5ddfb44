/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/model/sparse.c and dense.c: the same bits there and back, which tensors become sparse, hostile entries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph/verify_tensor.h"
#include "model/sparse.h"
#include "rng.h"
#include "save_make.h"

enum { N = 300000 };

/* n elements of which about `share` of 1000 are not zero, all bits of them random. */
static unsigned char *numbers(size_t elem, size_t n, unsigned share, uint64_t seed)
{
    unsigned char *data = calloc(n, elem);

    assert_non_null(data);
    for (size_t i = 0; i < n; i++)
        for (size_t b = 0; b < elem && rng_below(&seed, 1000) < (b ? 1000 : share); b++)
            data[i * elem + b] = (unsigned char)(1 + rng_below(&seed, 255));
    return data;
}

static mq_sparse_choices make_sparse(int n_threads)
{
    const mq_hooks h = { .n_threads = n_threads };
    mq_sparse_choices list = { 0 };
    mq_error err = { 0 };

    if (mq_model_make_sparse(m, &list, &h, &err) != MQ_OK)
        fail_msg("%s", err.text);
    return list;
}

static const mq_sparse_choice *choice(const mq_sparse_choices *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->items[i].value->name, name) == 0)
            return &list->items[i];
    return NULL;
}

static void dense_again(mq_model *got, const char *name, const void *want, size_t n)
{
    mq_findings fs = { 0 };
    mq_value *v = mq_graph_find(got->graph, name);
    mq_error err = { 0 };
    const void *data;

    assert_non_null(v->sparse);
    assert_int_equal(mq_sparse_verify(v->sparse, MQ_PLACE_TENSOR(got->graph, name), &fs, NULL), MQ_OK);
    assert_int_equal(fs.n_errors, 0);
    mq_findings_release(&fs);
    if (mq_model_make_dense(got, &err) != MQ_OK)
        fail_msg("%s", err.text);
    assert_null(v->sparse);
    assert_int_equal(mq_tensor_size(v->init), n);
    assert_int_equal(mq_tensor_bytes(v->init, &data, NULL), MQ_OK);
    assert_memory_equal(data, want, n);
}

static void test_there_and_back(void **state)
{
    static const mq_dtype types[] = { MQ_FLOAT, MQ_DOUBLE, MQ_FLOAT16, MQ_BFLOAT16, MQ_INT8, MQ_UINT8 };

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(types); i++) {
        const size_t elem = (size_t)mq_dtype_bits(types[i]) / 8;
        unsigned char *data = numbers(elem, N, 80, i + 1);
        mq_sparse_choices list;
        mq_saved one = { 0 }, two = { 0 };
        mq_model *got;

        make_init(m->graph, "s", types[i], "3,1000,100", data);
        list = make_sparse(1);
        assert_null(choice(&list, "s")->why);
        assert_in_range(choice(&list, "s")->nonzero, N * 7 / 100, N * 9 / 100);
        assert_int_equal(choice(&list, "s")->sparse_bytes, mq_sparse_bytes((int)elem * 8, choice(&list, "s")->nonzero));
        save_as(m, "a.onnx", NULL, &one);
        assert_true(one.model_bytes < choice(&list, "s")->sparse_bytes + 5000);
        mq_vec_release(&list);
        got = load("a.onnx");
        assert_int_equal(got->ir_version, m->ir_version);
        save_as(got, "b.onnx", NULL, &two); /* from the file that was read */
        same_files("a.onnx", "b.onnx");
        dense_again(got, "s", data, N * elem);
        mq_model_free(got);
        unlink("a.onnx");
        unlink("b.onnx");
        mq_value_clear_init(mq_graph_find(m->graph, "s"));
        free(data);
    }
}

/* A tensor that is made in two pieces, the second first, with other threads: the same file. */
static mq_status make_some(void *user, mq_sink *sink, const mq_hooks *h, mq_error *err)
{
    const unsigned char *data = numbers(1, N, 50, 3);
    mq_status rc = sink->write_at(sink, N / 2, data + N / 2, N - N / 2, err);

    (void)h;
    (void)user;
    if (rc == MQ_OK)
        rc = sink->write_at(sink, 0, data, N / 2, err);
    free((void *)data);
    return rc;
}

static void test_made_while_written(void **state)
{
    unsigned char *data = numbers(1, N, 50, 3), *big = numbers(8, N * 2, 50, 4);
    mq_sparse_choices list;
    mq_model *got;

    (void)state;
    make_init(m->graph, "big", MQ_DOUBLE, "600,1000", big);
    save_as(m, "x.onnx", NULL, NULL);
    made("q", N, make_some);
    list = make_sparse(1);
    assert_null(choice(&list, "q")->why);
    assert_null(choice(&list, "big")->why);
    save_as(m, "a.onnx", NULL, NULL);
    mq_vec_release(&list);
    mq_model_free(m);
    m = load("x.onnx");
    made("q", N, make_some);
    list = make_sparse(4);
    save_as(m, "b.onnx", NULL, NULL);
    mq_vec_release(&list);
    same_files("a.onnx", "b.onnx");
    got = load("b.onnx");
    dense_again(got, "q", data, N);
    mq_model_free(got);
    free(data);
    free(big);
}

static void test_only_where_it_is_smaller(void **state)
{
    enum { ALL = 3000 };
    float *data = calloc(ALL, sizeof *data);
    mq_sparse_choices list;
    size_t kept;

    (void)state;
    assert_non_null(data);
    for (kept = 0; mq_sparse_bytes(32, kept) < ALL * sizeof *data; kept++)
        data[kept] = 1;
    assert_in_range(kept, ALL * 32 / 100, ALL * 34 / 100); /* two thirds must be zero */
    make_init(m->graph, "over", MQ_FLOAT, "3000", data);
    data[kept - 1] = 0;
    make_init(m->graph, "under", MQ_FLOAT, "3000", data);
    make_init(m->graph, "number", MQ_FLOAT, "", data);
    make_init(m->graph, "shape", MQ_INT64, "300", data + 2400);
    assert_int_equal(mq_graph_add_input(m->graph, make_init(m->graph, "in", MQ_FLOAT, "500", data + 2500), NULL), MQ_OK);
    list = make_sparse(0);
    assert_string_equal(choice(&list, "over")->why, "it would be larger");
    assert_null(choice(&list, "under")->why);
    assert_string_equal(choice(&list, "in")->why, "it is an input as well");
    assert_null(choice(&list, "number"));
    assert_null(choice(&list, "shape"));
    assert_null(mq_graph_find(m->graph, "over")->sparse);
    mq_vec_release(&list);
    free(data);
}

static void test_nothing_but_zeros(void **state)
{
    static const float zeros[1000];
    mq_sparse_choices list;
    mq_model *got;

    (void)state;
    make_init(m->graph, "z", MQ_FLOAT, "10,100", zeros);
    list = make_sparse(0);
    assert_int_equal(choice(&list, "z")->nonzero, 0);
    mq_vec_release(&list);
    save_as(m, "a.onnx", NULL, NULL);
    got = load("a.onnx");
    dense_again(got, "z", zeros, sizeof zeros);
    mq_model_free(got);
}

/* Before version 4 every initializer was listed as an input; before 6 none was sparse. */
static void test_old_versions(void **state)
{
    static const float zeros[1000];
    mq_sparse_choices list;

    (void)state;
    assert_int_equal(mq_graph_add_input(m->graph, make_init(m->graph, "z", MQ_FLOAT, "10,100", zeros), NULL), MQ_OK);
    m->has_ir_version = true;
    m->ir_version = 3;
    list = make_sparse(0);
    assert_null(choice(&list, "z")->why);
    assert_int_equal(m->ir_version, 6);
    assert_int_equal(m->graph->inputs.n, 1);
    mq_vec_release(&list);
}

static void test_inside_and_renamed(void **state)
{
    static const float zeros[1000];
    mq_save_opts o = with(MQ_EXTERNAL_FILE, 100);
    mq_sparse_choices list;
    mq_model *got;

    (void)state;
    make_init(m->graph, "z", MQ_FLOAT, "10,100", zeros);
    list = make_sparse(0);
    mq_vec_release(&list);
    save_as(m, "a.onnx", &o, NULL);
    mq_model_free(m);
    m = load("a.onnx");
    assert_non_null(where(m, "w"));
    assert_int_equal(mq_graph_find(m->graph, "z")->sparse->values->storage, MQ_STORE_RAW);
    assert_int_equal(mq_value_rename(mq_graph_find(m->graph, "z"), "other", NULL), MQ_OK);
    save_as(m, "b.onnx", &o, NULL);
    got = load("b.onnx");
    assert_null(mq_graph_find(got->graph, "z"));
    dense_again(got, "other", zeros, sizeof zeros);
    mq_model_free(got);
}

/* ---- what others write ---------------------------------------------------------------------------------------------- */

static mq_status scatter(int n_dims, const int64_t *dims, int64_t n, const int64_t *indices, int width, float *out)
{
    const float values[] = { 1, 2, 3 };
    int64_t copy[4] = { 0 };
    mq_sparse s = { .n_dims = n_dims, .dims = copy };

    memcpy(copy, dims, (size_t)n_dims * sizeof *copy);
    s.values = mq_tensor_create(m, "v", MQ_FLOAT, 1, &n, values);
    s.indices = mq_tensor_create(m, "", MQ_INT64, width ? 2 : 1, (const int64_t[]){ n, width }, indices);
    return mq_sparse_scatter(&s, out, NULL);
}

static void test_entries_of_others(void **state)
{
    const int64_t dims[] = { 2, 3 }, huge[] = { (int64_t)1 << 40, (int64_t)1 << 40 };
    const int64_t linear[] = { 5, 0, 3 }, pairs[] = { 0, 1, 1, 2, 1, 0 };
    const int64_t far[] = { 0, 6 }, low[] = { -1 }, beside[] = { 0, 3 };
    float out[6] = { 0 };

    (void)state;
    assert_int_equal(scatter(2, dims, 3, linear, 0, out), MQ_OK); /* in any order */
    assert_memory_equal(out, ((const float[]){ 2, 0, 0, 3, 0, 1 }), sizeof out);
    memset(out, 0, sizeof out);
    assert_int_equal(scatter(2, dims, 3, pairs, 2, out), MQ_OK);
    assert_memory_equal(out, ((const float[]){ 0, 1, 0, 3, 0, 2 }), sizeof out);
    assert_int_equal(scatter(2, dims, 2, far, 0, out), MQ_ERR_INPUT);
    assert_int_equal(scatter(2, dims, 1, low, 0, out), MQ_ERR_INPUT);
    assert_int_equal(scatter(2, dims, 1, beside, 2, out), MQ_ERR_INPUT);
    assert_int_equal(scatter(2, dims, 3, pairs, 1, out), MQ_ERR_INPUT);
    assert_int_equal(scatter(2, huge, 1, linear, 0, out), MQ_ERR_INPUT);
    assert_int_equal(scatter(0, dims, 1, linear, 0, out), MQ_ERR_INPUT);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(test_there_and_back),     IN_SCRATCH(test_made_while_written), IN_SCRATCH(test_only_where_it_is_smaller),
        IN_SCRATCH(test_nothing_but_zeros),  IN_SCRATCH(test_old_versions),       IN_SCRATCH(test_inside_and_renamed),
        IN_SCRATCH(test_entries_of_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
