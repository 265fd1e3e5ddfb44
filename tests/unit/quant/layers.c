/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/layers.c: rows and columns of each kind of product, and weights times factors against a plain loop. */
#include "quant/layers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../passes/pass_check.h"

static mq_layer l;
static mq_error err;

static int setup(void **state)
{
    l = (mq_layer){ 0 };
    return pass_setup(state);
}

static int teardown(void **state)
{
    mq_layer_release(&l);
    return pass_teardown(state);
}

#define ON_LAYER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static const float *floats(const char *name)
{
    return mq_graph_find_here(g, name)->init->data;
}

static mq_node *conv(const char *dims, int64_t groups, bool bias)
{
    make_input(g, "x", MQ_FLOAT, "N,4,6,6");
    make_random("w", MQ_FLOAT, dims);
    if (bias)
        make_random("b", MQ_FLOAT, "6");
    return node_int(make_node(g, "Conv", bias ? "x,w,b" : "x,w", "y"), "group", groups);
}

static mq_node *product(const char *op, const char *dims, bool trans_b)
{
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_random("w", MQ_FLOAT, dims);
    return trans_b ? node_int(make_node(g, op, "x,w", "y"), "transB", 1) : make_node(g, op, "x,w", "y");
}

static void sizes(int64_t rows, int64_t cols, int64_t group_rows, int64_t group_cols, int64_t inner)
{
    assert_int_equal(l.rows, rows);
    assert_int_equal(l.cols, cols);
    assert_int_equal(l.group_rows, group_rows);
    assert_int_equal(l.group_cols, group_cols);
    assert_int_equal(l.inner, inner);
}

static void test_conv(void **state)
{
    (void)state;
    assert_true(mq_layer_read(conv("6,4,3,3", 1, false), &l));
    sizes(6, 4, 6, 4, 9);
    assert_int_equal(mq_layer_place(&l, 2, 3), (2 * 4 + 3) * 9);
    assert_int_equal(mq_layer_axis(l.node), 1);
}

static void test_groups(void **state)
{
    (void)state;
    assert_true(mq_layer_read(conv("6,2,3,3", 2, false), &l));
    sizes(6, 4, 3, 2, 9);
    assert_int_equal(mq_layer_place(&l, 5, 1), (5 * 2 + 1) * 9);
}

static void test_gemm(void **state)
{
    (void)state;
    assert_true(mq_layer_read(product("Gemm", "4,6", false), &l));
    sizes(6, 4, 6, 4, 1);
    assert_int_equal(mq_layer_place(&l, 2, 3), 3 * 6 + 2);
    assert_int_equal(mq_layer_axis(l.node), -1);
}

static void test_gemm_transposed(void **state)
{
    (void)state;
    assert_true(mq_layer_read(product("Gemm", "6,4", true), &l));
    sizes(6, 4, 6, 4, 1);
    assert_int_equal(mq_layer_place(&l, 2, 3), 2 * 4 + 3);
}

static void test_what_is_none(void **state)
{
    (void)state;
    assert_false(mq_layer_read(product("MatMul", "2,4,6", false), &l));
    make_random("w2", MQ_FLOAT, "4,6");
    assert_false(mq_layer_read(node_int(make_node(g, "Gemm", "x,w2", "a"), "transA", 1), &l));
    assert_false(mq_layer_read(make_node(g, "MatMul", "w2,x", "b"), &l));
    assert_false(mq_layer_read(make_node(g, "ConvTranspose", "x,w", "c"), &l));
    assert_false(mq_layer_read(make_node(g, "Relu", "x", "d"), &l));
    make_random("w3", MQ_FLOAT, "5,4,3,3"); /* 5 rows in 2 groups */
    assert_false(mq_layer_read(node_int(make_node(g, "Conv", "x,w3", "e"), "group", 2), &l));
    make_init(g, "none", MQ_FLOAT, "0,4", NULL);
    assert_false(mq_layer_read(make_node(g, "MatMul", "x,none", "f"), &l));
}

static void test_takes_factors(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_float("zero", 0);
    make_float("one", 1);
    assert_true(mq_takes_factors(make_node(g, "Relu", "x", "a")));
    assert_true(mq_takes_factors(make_node(g, "Clip", "x,zero", "b")));
    assert_false(mq_takes_factors(make_node(g, "Clip", "x,one", "c")));
    assert_false(mq_takes_factors(make_node(g, "Clip", "x,zero,one", "d")));
    assert_false(mq_takes_factors(make_node(g, "Clip", "x", "e")));
    assert_false(mq_takes_factors(make_node(g, "Sigmoid", "x", "f")));
}

static void test_bias_fits(void **state)
{
    static const char *const dims[] = { "6", "1,6", "1", "6,1" };

    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_random("w", MQ_FLOAT, "4,6");
    for (size_t i = 0; i < MQ_ARRAY_LEN(dims); i++) {
        make_random(dims[i], MQ_FLOAT, dims[i]);
        mq_node *n = make_node(g, "Gemm", "x,w,-", (const char *const[]){ "a", "b", "c", "d" }[i]);
        assert_int_equal(mq_node_set_input(n, 2, mq_graph_find(g, dims[i]), &err), MQ_OK);
        assert_true(mq_layer_read(n, &l));
        assert_int_equal(mq_layer_bias_fits(&l), i < 2);
    }
}

/* Each weight times the factor of its row and that of its column; the bias times that of its row. */
static void check_write(void)
{
    float *w, *b, want;

    assert_int_equal(mq_layer_load(&l, &err), MQ_OK);
    assert_int_equal(mq_layer_constant(l.node, 1, &w, &err), MQ_OK);
    assert_int_equal(mq_layer_constant(l.node, l.node->n_inputs > 2 ? 2 : 1, &b, &err), MQ_OK);
    for (int64_t r = 0; r < l.rows; r++)
        l.by_row[r] = 1 + 0.25 * (double)r;
    for (int64_t c = 0; c < l.cols; c++)
        l.by_col[c] = 2 - 0.125 * (double)c;
    assert_int_equal(mq_layer_write(&l, &err), MQ_OK);
    for (int64_t r = 0; r < l.rows; r++) {
        for (int64_t c = 0; c < l.group_cols; c++)
            for (int64_t k = 0; k < l.inner; k++) {
                const size_t at = mq_layer_place(&l, r, c) + (size_t)k;
                const int64_t col = r / l.group_rows * l.group_cols + c;
                want = (float)((double)w[at] * ((1 + 0.25 * (double)r) * (2 - 0.125 * (double)col)));
                assert_true(floats("w")[at] == want);
            }
        want = (float)((double)b[r] * (1 + 0.25 * (double)r));
        if (l.node->n_inputs > 2)
            assert_true(floats("b")[r] == want);
    }
    graph_check(m);
    free(w);
    free(b);
}

static void test_write_conv(void **state)
{
    (void)state;
    assert_true(mq_layer_read(conv("6,2,3,3", 2, true), &l));
    check_write();
}

static void test_write_gemm(void **state)
{
    (void)state;
    assert_true(mq_layer_read(product("Gemm", "4,6", false), &l));
    check_write();
}

/* What somebody else reads, too, stays as it is: the product gets its own. */
static void test_write_shared(void **state)
{
    const float *before;
    mq_value *w;

    (void)state;
    make_node(g, "Exp", "w", "e");
    assert_true(mq_layer_read(product("MatMul", "4,6", false), &l));
    w = mq_graph_find(g, "w");
    before = floats("w");
    assert_int_equal(mq_layer_load(&l, &err), MQ_OK);
    l.by_row[1] = 2;
    assert_int_equal(mq_layer_write(&l, &err), MQ_OK);
    assert_ptr_not_equal(l.node->inputs[1], w);
    assert_ptr_equal(floats("w"), before);
    assert_true(((const float *)l.node->inputs[1]->init->data)[1] == 2 * before[1]);
    graph_check(m);
}

static void test_factors_of_one_change_nothing(void **state)
{
    const void *before;

    (void)state;
    assert_true(mq_layer_read(product("MatMul", "4,6", false), &l));
    before = floats("w");
    assert_int_equal(mq_layer_load(&l, &err), MQ_OK);
    assert_int_equal(mq_layer_write(&l, &err), MQ_OK);
    assert_ptr_equal(floats("w"), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_LAYER(test_conv),
        ON_LAYER(test_groups),
        ON_LAYER(test_gemm),
        ON_LAYER(test_gemm_transposed),
        ON_LAYER(test_what_is_none),
        ON_LAYER(test_takes_factors),
        ON_LAYER(test_bias_fits),
        ON_LAYER(test_write_conv),
        ON_LAYER(test_write_gemm),
        ON_LAYER(test_write_shared),
        ON_LAYER(test_factors_of_one_change_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
