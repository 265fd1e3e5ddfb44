/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/passes/edges.c: a model with integers at its edges as a float model, as text. */
#include "passes/edges.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/onnx_info.h"
#include "pass_check.h"
#include "qdq_make.h"

static void edge(const char *name, float scale, int zero_point)
{
    assert_int_equal(mq_edge_set(mq_graph_find(g, name), &(mq_edge){ scale, zero_point }, NULL), MQ_OK);
}

/* x int8 -> y int8, by way of DequantizeLinear and QuantizeLinear; z int64 beside them. */
static void make_chain(void)
{
    make_input(g, "x", MQ_INT8, "N,4");
    make_input(g, "i", MQ_INT64, "N");
    make_parameters("x", MQ_INT8, 0.5f, -3);
    make_parameters("y", MQ_UINT8, 0.25f, 200);
    dequantize("x", "f", "x");
    make_node(g, "Neg", "f", "h");
    quantize("h", "y", "y");
    make_node(g, "Identity", "i", "k");
    make_type(make_output(g, "y"), MQ_UINT8, "N,4");
    make_output(g, "k");
}

static size_t opened(void)
{
    mq_error err = { 0 };
    size_t n = 99;

    if (mq_edges_to_float(m, &n, &err) != MQ_OK || mq_model_verify(m, &err) != MQ_OK)
        fail_msg("%s", err.text);
    graph_check(m);
    return n;
}

static void test_input_and_output(void **state)
{
    int32_t zero;
    char *got;

    (void)state;
    make_chain();
    edge("x", 0.5f, -3);
    edge("y", 0.25f, 200);
    assert_int_equal(opened(), 2);
    got = mq_model_dump(m);
    assert_non_null(strstr(got, "input x float[N,4]\ninput i int64[N]\n"));
    assert_non_null(strstr(got, "QuantizeLinear(x, edge_scale, edge_zero_point) -> x_1\n"));
    assert_non_null(strstr(got, "DequantizeLinear(x_1, x_s, x_z) -> f\n"));
    assert_non_null(strstr(got, "QuantizeLinear(h, y_s, y_z) -> y_1\n"));
    assert_non_null(strstr(got, "DequantizeLinear(y_1, edge_scale_1, edge_zero_point_1) -> y\n"));
    assert_non_null(strstr(got, "output y float[N,4]\n"));
    free(got);
    zero = *(const int8_t *)mq_graph_find(g, "edge_zero_point")->init->data;
    assert_int_equal(zero, -3);
    assert_int_equal(*(const uint8_t *)mq_graph_find(g, "edge_zero_point_1")->init->data, 200);
    assert_int_equal(opened(), 0); /* both are float now */
}

static void test_output_with_another_reader(void **state)
{
    (void)state;
    make_chain();
    dequantize("y", "g", "y");
    make_output(g, "g");
    edge("y", 0.25f, 200);
    assert_int_equal(opened(), 1);
    assert_string_equal(mq_graph_find(g, "g")->producer->inputs[0]->name, "y_1");
}

static void test_nothing_said(void **state)
{
    (void)state;
    make_chain();
    assert_int_equal(opened(), 0);
    assert_int_equal(g->inputs.items[0]->declared->dtype, MQ_INT8);
}

static void test_input_that_is_an_output(void **state)
{
    (void)state;
    make_input(g, "x", MQ_INT8, "N,4");
    make_output(g, "x");
    edge("x", 0.5f, 0);
    assert_int_equal(opened(), 0);
}

static void test_opset_without_quantization(void **state)
{
    (void)state;
    make_chain();
    edge("x", 0.5f, -3);
    assert_int_equal(mq_opset_set(m, "", 9, NULL), MQ_OK);
    assert_int_equal(opened(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(test_input_and_output),        ON_MODEL(test_output_with_another_reader),
        ON_MODEL(test_nothing_said),            ON_MODEL(test_input_that_is_an_output),
        ON_MODEL(test_opset_without_quantization),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
