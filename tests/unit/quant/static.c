/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/static.c: scales from what was seen, and the graph with QuantizeLinear and DequantizeLinear, as text. */
#include "quant/static.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/onnx_info.h"
#include "quant_make.h"

static mq_calibration seen;
static mq_static_opts how;
static size_t n_unseen;

static const mq_hooks noting = { .warn = quant_note_warning };

static int setup(void **state)
{
    seen = (mq_calibration){ 0 };
    how = (mq_static_opts){ .scheme = mq_scheme_of(MQ_UINT8, false, false, MQ_FLOAT), .method = MQ_CALIBRATE_MINMAX,
                            .percentile = 99.99 };
    n_unseen = 99;
    quant_setup(state);
    opts.mode = MQ_MODE_STATIC;
    opts.act_type = "uint8";
    return 0;
}

static int teardown(void **state)
{
    mq_calibration_release(&seen);
    return quant_teardown(state);
}

#define ON_STATIC(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static mq_calibrated *see(const char *name)
{
    mq_calibrated *t = NULL;

    assert_int_equal(mq_calibration_add(&seen, name, &t, NULL), MQ_OK);
    return t;
}

static void see_range(const char *name, float lo, float hi)
{
    mq_calibrated *t = see(name);

    t->has_range = true;
    t->lo = lo;
    t->hi = hi;
}

static void see_values(const char *name, const float *values, int64_t n)
{
    mq_array *a = NULL;
    mq_error err = { 0 };

    assert_int_equal(mq_array_create(&a, MQ_FLOAT, 1, &n, &err), MQ_OK);
    memcpy(a->data, values, (size_t)n * sizeof *values);
    assert_int_equal(mq_observer_add(&see(name)->observer, a, 1, &err), MQ_OK);
    mq_array_unref(a);
}

/* Values from 0 to the end, all alike often. */
static void see_evenly(const char *name, float end)
{
    float values[512];

    for (int i = 0; i < 512; i++)
        values[i] = end * (float)i / 511;
    see_values(name, values, 512);
}

static void ranges(void)
{
    quant_select();
    mq_static_ranges(plan.placement, &seen, &how, &n_unseen);
}

static const mq_point *point(const char *name)
{
    const mq_point *p = mq_placement_find(plan.placement, mq_graph_find(g, name));

    assert_non_null(p);
    return p;
}

static void rewrite(void)
{
    mq_error err = { 0 };

    ranges();
    if (mq_static_rewrite(plan.placement, &plan, &how, &noting, &err) != MQ_OK ||
        mq_quant_rewrite(&plan, &noting, &err) != MQ_OK || mq_model_verify(m, &err) != MQ_OK)
        fail_msg("%s", err.text);
    graph_check(m);
}

static void becomes(const char *want)
{
    char *got;

    rewrite();
    got = mq_model_dump(m);
    assert_string_equal(strchr(got, '\n') + 1, want);
    free(got);
}

static mq_value *floats(const char *name, const char *dims, float first, float step)
{
    int64_t d[8];
    const int rank = make_dims(dims, d);
    int64_t count = 1;
    float *data;

    for (int i = 0; i < rank; i++)
        count *= d[i];
    data = mq_arena_alloc(m->arena, (size_t)count * sizeof *data);
    assert_non_null(data);
    for (int64_t i = 0; i < count; i++)
        data[i] = first + step * (float)i;
    return make_init(g, name, MQ_FLOAT, dims, data);
}

static const float *float_data(const char *name)
{
    return mq_graph_find(g, name)->init->data;
}

static const int32_t *int_data(const char *name)
{
    return mq_graph_find(g, name)->init->data;
}

/* x [N,8] by w [8,n] and bias of these dims. */
static void gemm(const char *w_dims, const char *bias, float first, float step)
{
    make_input(g, "x", MQ_FLOAT, "N,8");
    floats("w", w_dims, -1, 0.0625f);
    if (bias)
        floats("b", bias, first, step);
    make_node(g, "Gemm", bias ? "x,w,b" : "x,w", "y");
    make_output(g, "y");
    see_range("x", 0, 2.55f);
}

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-6 * fabs(b);
}

/* ---- ranges -------------------------------------------------------------------------------------------------------- */

static void test_scale_from_values(void **state)
{
    static const float values[] = { -1, 0.5f, 1.55f, 0 };

    (void)state;
    gemm("8,32", NULL, 0, 0);
    mq_calibration_release(&seen);
    seen = (mq_calibration){ 0 };
    see_values("x", values, 4);
    ranges();
    assert_int_equal(n_unseen, 0);
    assert_true(near((double)point("x")->scale, 0.01));
    assert_int_equal(point("x")->zero_point, 100);
    assert_int_equal(point("x")->n, 4);
    assert_int_equal(point("x")->n_clipped, 0);
    assert_true(point("x")->sqnr > 30);
}

static void test_symmetric_int8(void **state)
{
    (void)state;
    how.scheme = mq_scheme_of(MQ_INT8, true, false, MQ_FLOAT);
    gemm("8,32", NULL, 0, 0);
    ranges();
    assert_int_equal(point("x")->zero_point, 0);
    assert_true(near((double)point("x")->scale, 2.55 / 127));
}

/* Nothing but zeros: any scale will do, but it is one. */
static void test_constant_activations(void **state)
{
    static const float zeros[16] = { 0 }, ones[3] = { 7, 7, 7 };

    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,8");
    make_input(g, "z", MQ_FLOAT, "N,8");
    floats("w", "8,32", -1, 0.0625f);
    make_node(g, "MatMul", "x,w", "a");
    make_node(g, "MatMul", "z,w", "b");
    make_output(g, "a");
    make_output(g, "b");
    see_values("x", zeros, 16);
    see_values("z", ones, 3);
    ranges();
    assert_int_equal(n_unseen, 0);
    assert_true(point("x")->scale > 0 && isfinite(point("x")->scale));
    assert_true(near((double)point("z")->scale, 7.0 / 255));
}

/* What nobody saw stays float. */
static void test_unseen(void **state)
{
    (void)state;
    gemm("8,32", "32", 0, 1);
    make_weight(g, "w2", "32,32");
    make_node(g, "MatMul", "y,w2", "z");
    make_output(g, "z");
    ranges();
    assert_int_equal(n_unseen, 1);
    rewrite();
    assert_string_equal(mq_graph_find(g, "z")->producer->inputs[0]->name, "y");
    assert_true(mq_node_is(mq_graph_find(g, "y")->producer, "", "Gemm"));
}

/* The graph's bound cuts what was seen, a range put in by hand is what it is. */
static void test_bounds(void **state)
{
    static const float wide[] = { -3, 9 };

    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,8");
    floats("w", "8,8", -1, 0.0625f);
    make_node(g, "Sigmoid", "x", "s");
    make_node(g, "MatMul", "s,w", "a");
    make_node(g, "Relu", "a", "r");
    make_node(g, "MatMul", "r,w", "y");
    make_output(g, "y");
    see_values("s", wide, 2);
    see_range("r", -3, 9);
    ranges();
    assert_true(point("s")->lo == 0 && point("s")->hi == 1);
    assert_true(point("r")->lo == -3 && point("r")->hi == 9);
}

/* Values that stand at the bound of a Clip are kept: divergence alone would leave them out. */
static void test_entropy_keeps_a_bound(void **state)
{
    static const float lo = 0, hi = 6;
    float values[3000];

    (void)state;
    how.method = MQ_CALIBRATE_ENTROPY;
    make_init(g, "lo", MQ_FLOAT, "", &lo);
    make_init(g, "hi", MQ_FLOAT, "", &hi);
    make_input(g, "x", MQ_FLOAT, "N,8");
    floats("w", "8,8", -1, 0.0625f);
    make_node(g, "Clip", "x,lo,hi", "k");
    make_node(g, "MatMul", "k,w", "y");
    make_output(g, "y");
    for (int i = 0; i < 3000; i++)
        values[i] = i % 3 ? 6 : (float)(i % 601) * 0.01f;
    see_values("k", values, 3000);
    ranges();
    assert_true(point("k")->lo == 0 && point("k")->hi == 6);
}

/* What the margin of few samples adds to the largest floats is no infinity. */
static void test_range_of_the_largest(void **state)
{
    static const float values[] = { -3.3e38f, 3.3e38f, 1e38f };

    (void)state;
    how.method = MQ_CALIBRATE_MSE;
    gemm("8,32", NULL, 0, 0);
    mq_calibration_release(&seen);
    seen = (mq_calibration){ .samples = 4 };
    see_values("x", values, 3);
    ranges();
    assert_true(isfinite(point("x")->lo) && isfinite(point("x")->hi));
    assert_in_range(point("x")->zero_point, 127, 128);
}

/* Between integers a Softmax keeps the step that its range by definition has; behind floats it takes what was seen. */
static void test_softmax(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,8,6,6");
    make_weight(g, "w1", "8,8,1,1");
    make_node(g, "Conv", "x,w1", "a");
    make_node(g, "Softmax", "a", "s");
    make_node(g, "Exp", "a", "e");
    make_node(g, "Softmax", "e", "f");
    make_weight(g, "w2", "6,6");
    make_node(g, "MatMul", "s,w2", "y");
    make_node(g, "MatMul", "f,w2", "z");
    make_output(g, "y");
    make_output(g, "z");
    see_evenly("x", 1);
    see_evenly("a", 1);
    see_evenly("s", 0.125f);
    see_evenly("f", 0.125f);
    ranges();
    assert_true(near((double)point("s")->scale, 1.0 / 255));
    assert_true(near((double)point("f")->scale, 0.125 / 255));
}

static void concat_of(float first, float second)
{
    make_input(g, "x", MQ_FLOAT, "N,8,6,6");
    make_weight(g, "w1", "8,8,1,1");
    make_weight(g, "w2", "8,8,1,1");
    make_weight(g, "w3", "8,16,1,1");
    make_node(g, "Conv", "x,w1", "a");
    make_node(g, "Conv", "x,w2", "b");
    make_node_int(g, "Concat", "a,b", "j", "axis", 1);
    make_node(g, "Conv", "j,w3", "y");
    make_output(g, "y");
    see_range("x", -1, 1);
    see_range("a", 0, first);
    see_range("b", 0, second);
    see_range("j", 0, fmaxf(first, second));
    see_range("y", -1, 1);
    ranges();
}

static void test_concat_of_alike_ranges(void **state)
{
    (void)state;
    concat_of(6, 4);
    assert_true(near((double)point("a")->scale, 6.0 / 255));
    assert_true(point("b")->scale == point("a")->scale && point("j")->scale == point("a")->scale);
}

/* Boxes up to 640 beside scores up to 1: each keeps its scale. */
static void test_concat_of_unlike_ranges(void **state)
{
    (void)state;
    concat_of(640, 1);
    assert_true(near((double)point("b")->scale, 1.0 / 255));
    assert_true(near((double)point("a")->scale, 640.0 / 255));
}

/* a [0, 4] and b [0, 7] share the scale of one Concat; a is concatenated with c [0, 4], too, whose result would clip b. */
static void test_concats_in_a_chain(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,8,6,6");
    for (int i = 0; i < 3; i++)
        make_weight(g, (const char *const[]){ "wa", "wb", "wc" }[i], "8,8,1,1");
    make_node(g, "Conv", "x,wa", "a");
    make_node(g, "Conv", "x,wb", "b");
    make_node(g, "Conv", "x,wc", "c");
    make_node_int(g, "Concat", "a,b", "ab", "axis", 1);
    make_node_int(g, "Concat", "a,c", "ac", "axis", 1);
    make_weight(g, "w1", "8,16,1,1");
    make_weight(g, "w2", "8,16,1,1");
    make_node(g, "Conv", "ab,w1", "y1");
    make_node(g, "Conv", "ac,w2", "y2");
    make_output(g, "y1");
    make_output(g, "y2");
    see_evenly("x", 1);
    see_evenly("a", 4);
    see_evenly("b", 7);
    see_evenly("c", 4);
    see_evenly("ab", 7);
    see_evenly("ac", 4);
    see_evenly("y1", 1);
    see_evenly("y2", 1);
    ranges();
    assert_true(near((double)point("b")->scale, 7.0 / 255));
    assert_true(point("a")->scale == point("b")->scale && point("ac")->scale == point("b")->scale);
    assert_int_equal(point("b")->n_clipped, 0);
}

/* Each is like the next, the last is not like the first: 3, 5 and 9 have no scale in common. */
static void test_concats_do_not_drift(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,8,6,6");
    for (int i = 0; i < 3; i++)
        make_weight(g, (const char *const[]){ "wa", "wb", "wc" }[i], "8,8,1,1");
    make_node(g, "Conv", "x,wa", "a");
    make_node(g, "Conv", "x,wb", "b");
    make_node(g, "Conv", "x,wc", "c");
    make_node_int(g, "Concat", "a,b", "ab", "axis", 1);
    make_node_int(g, "Concat", "ab,c", "abc", "axis", 1);
    make_weight(g, "w1", "8,24,1,1");
    make_node(g, "Conv", "abc,w1", "y");
    make_output(g, "y");
    see_evenly("x", 1);
    see_evenly("a", 3);
    see_evenly("b", 5);
    see_evenly("c", 9);
    see_evenly("ab", 5);
    see_evenly("abc", 9);
    see_evenly("y", 1);
    ranges();
    assert_true(near((double)point("a")->scale, 5.0 / 255));
    assert_true(near((double)point("c")->scale, 9.0 / 255));
}

/* ---- the graph ----------------------------------------------------------------------------------------------------- */

static void test_input_and_bias(void **state)
{
    (void)state;
    gemm("8,32", "32", 0, 1);
    becomes("input x float[N,8]\n"
            "init b_quantized int32[32]\n"
            "init b_scale float[32]\n"
            "init x_scale float[]\n"
            "init x_zero_point uint8[]\n"
            "init w_quantized int8[8,32]\n"
            "init w_scale float[32]\n"
                   "init w_zero_point int8[32]\n"
            "node 'x_QuantizeLinear' QuantizeLinear(x, x_scale, x_zero_point) -> x_quantized\n"
            "node 'x_DequantizeLinear' DequantizeLinear(x_quantized, x_scale, x_zero_point) -> x_dequantized\n"
            "node 'b_DequantizeLinear' DequantizeLinear(b_quantized, b_scale) -> b_dequantized axis=0\n"
            "node 'w_DequantizeLinear' DequantizeLinear(w_quantized, w_scale, w_zero_point) -> w axis=1\n"
            "node 'y' Gemm(x_dequantized, w, b_dequantized) -> y\n"
            "output y ?\n");
}

/* Both readers take what is dequantized; the graph's output keeps its name. */
static void test_made_value_with_two_readers(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,8,6,6");
    make_weight(g, "w1", "8,8,1,1");
    make_node(g, "Conv", "x,w1", "a");
    make_node(g, "Exp", "a", "e");
    make_output(g, "e");
    make_output(g, "a");
    see_range("x", 0, 2.55f);
    see_range("a", -1, 1);
    becomes("input x float[N,8,6,6]\n"
            "init x_scale float[]\n"
            "init x_zero_point uint8[]\n"
            "init a_scale float[]\n"
            "init a_zero_point uint8[]\n"
            "init w1_quantized int8[8,8,1,1]\n"
            "init w1_scale float[8]\n"
            "node 'x_QuantizeLinear' QuantizeLinear(x, x_scale, x_zero_point) -> x_quantized\n"
            "node 'x_DequantizeLinear' DequantizeLinear(x_quantized, x_scale, x_zero_point) -> x_dequantized\n"
            "node 'w1_DequantizeLinear' DequantizeLinear(w1_quantized, w1_scale) -> w1 axis=0\n"
            "node 'a' Conv(x_dequantized, w1) -> a_unquantized\n"
            "node 'a_QuantizeLinear' QuantizeLinear(a_unquantized, a_scale, a_zero_point) -> a_quantized\n"
            "node 'a_DequantizeLinear' DequantizeLinear(a_quantized, a_scale, a_zero_point) -> a\n"
            "node 'e' Exp(a) -> e\n"
            "output e ?\n"
            "output a ?\n");
}

/* An input that is handed through is still there under its name. */
static void test_input_that_is_an_output(void **state)
{
    (void)state;
    gemm("8,32", NULL, 0, 0);
    make_output(g, "x");
    rewrite();
    assert_true(mq_graph_find(g, "x")->n_output_uses && mq_graph_find(g, "x")->is_input);
    assert_int_equal(mq_graph_find(g, "x")->uses.n, 1);
}

static void test_names_taken(void **state)
{
    (void)state;
    gemm("8,32", NULL, 0, 0);
    make_node(g, "Exp", "y", "x_scale");
    make_node(g, "Exp", "x_scale", "x_quantized");
    make_output(g, "x_quantized");
    rewrite();
    assert_non_null(mq_graph_find(g, "x_scale_1"));
    assert_true(mq_node_is(mq_graph_find(g, "x_scale")->producer, "", "Exp"));
    assert_true(mq_graph_find(g, "x_quantized")->n_output_uses);
}

/* Tensors of one scale have one initializer. */
static void test_shared_scale_is_one_initializer(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,8,6,6");
    make_weight(g, "w1", "8,8,1,1");
    make_weight(g, "w2", "8,8,1,1");
    make_node(g, "Conv", "x,w1", "a");
    make_node(g, "Transpose", "a", "t");
    assert_int_equal(mq_node_set_attr_ints(g->last, "perm", (const int64_t[]){ 0, 1, 3, 2 }, 4, NULL), MQ_OK);
    make_node(g, "Conv", "t,w2", "y");
    make_output(g, "y");
    see_range("x", 0, 1);
    see_range("a", 0, 3);
    see_range("t", 0, 5);
    see_range("y", 0, 7);
    rewrite();
    assert_null(mq_graph_find(g, "t_scale"));
    assert_ptr_equal(mq_graph_find(g, "t")->producer->inputs[1], mq_graph_find(g, "a_scale"));
    assert_true(near((double)*float_data("a_scale"), 3.0 / 255));
}

/* ---- biases -------------------------------------------------------------------------------------------------------- */

/* int32 of scale input x weight; what it stands for is as near as that scale allows. */
static void test_bias_values(void **state)
{
    (void)state;
    gemm("8,32", "32", -3, 0.25f);
    rewrite();
    for (int i = 0; i < 32; i++) {
        const double scale = (double)float_data("b_scale")[i], want = -3 + 0.25 * i;
        assert_true(fabs((double)int_data("b_quantized")[i] * scale - want) <= scale / 2 + 1e-9);
    }
    assert_true(!mq_graph_find(g, "b")->init && mq_value_unused(mq_graph_find(g, "b")));
}

static void test_bias_per_tensor(void **state)
{
    (void)state;
    opts.per_tensor = true;
    gemm("8,32", "32", -3, 0.25f);
    rewrite();
    assert_int_equal(mq_graph_find(g, "b_scale")->init->n_dims, 0);
    assert_int_equal(mq_graph_find(g, "b_quantized")->init->dims[0], 32);
    assert_null(mq_node_attr(mq_graph_find(g, "b_dequantized")->producer, "axis"));
}

/* [1, n] keeps its shape: the scales lie along its last axis. */
static void test_bias_as_a_row(void **state)
{
    (void)state;
    gemm("8,32", "1,32", -3, 0.25f);
    rewrite();
    assert_int_equal(mq_graph_find(g, "b_quantized")->init->n_dims, 2);
    assert_int_equal(mq_node_attr_int(mq_graph_find(g, "b_dequantized")->producer, "axis", 0), 1);
}

/* One number for all channels has no scale per channel: it stays float. */
static void test_bias_of_one_number(void **state)
{
    (void)state;
    gemm("8,32", "1", -3, 0);
    rewrite();
    assert_null(mq_graph_find(g, "b_quantized"));
    assert_string_equal(mq_graph_find(g, "y")->producer->inputs[2]->name, "b");
}

static void test_float_bias(void **state)
{
    (void)state;
    how.float_bias = true;
    gemm("8,32", "32", -3, 0.25f);
    rewrite();
    assert_null(mq_graph_find(g, "b_quantized"));
}

/* Weights next to nothing with a large bias: the weight's scale grows until the bias fits into 32 bits. */
static void test_bias_that_would_overflow(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,8");
    floats("w", "8,32", 1e-12f, 0);
    floats("b", "32", 1000, 1);
    make_node(g, "Gemm", "x,w,b", "y");
    make_output(g, "y");
    see_range("x", 0, 2.55f);
    rewrite();
    for (int i = 0; i < 32; i++) {
        const double got = (double)int_data("b_quantized")[i] * (double)float_data("b_scale")[i];
        assert_true(abs(int_data("b_quantized")[i]) <= 1 << 30);
        assert_true(fabs(got - (1000 + i)) <= 1e-5 * 1000);
    }
}

/* Of integers found by data only those of the scale that grows are found anew. */
static void test_bias_that_would_overflow_beside_rounded_weights(void **state)
{
    mq_weight *w;
    float scale;

    (void)state;
    gemm("8,32", "32", 1, 1);
    for (int i = 0; i < 8; i++)
        ((float *)mq_graph_find(g, "w")->init->data)[i * 32 + 5] = 1e-12f;
    ranges();
    w = (mq_weight *)&quant_find("w")->weight;
    assert_int_equal(mq_weight_find_params(w, NULL, NULL), MQ_OK);
    scale = w->scales[5];
    w->rounded = malloc(8 * 32);
    assert_non_null(w->rounded);
    memset(w->rounded, 11, 8 * 32);
    assert_int_equal(mq_static_rewrite(plan.placement, &plan, &how, &noting, &(mq_error){ 0 }), MQ_OK);
    assert_true(w->scales[5] > 2 * scale);
    assert_non_null(w->rounded);
    for (int i = 0; i < 8 * 32; i++)
        assert_int_equal(w->rounded[i], i % 32 == 5 ? 0 : 11);
}

/* Two products with one bias and other inputs: each has its own integers. */
static void test_shared_bias(void **state)
{
    (void)state;
    gemm("8,8", "8", 1, 1);
    floats("w2", "8,8", -2, 0.125f);
    make_node(g, "Gemm", "y,w2,b", "z");
    make_output(g, "z");
    see_range("y", -10, 10);
    rewrite();
    assert_non_null(mq_graph_find(g, "b_quantized_1"));
    assert_true(!mq_graph_find(g, "b")->init && mq_value_unused(mq_graph_find(g, "b")));
    assert_true(float_data("b_scale")[0] != float_data("b_scale_1")[0]);
}

/* A bias that something else reads as a float stays beside its integers. */
static void test_bias_with_another_reader(void **state)
{
    (void)state;
    gemm("8,32", "32", 1, 1);
    make_node(g, "Exp", "b", "e");
    make_output(g, "e");
    rewrite();
    assert_non_null(mq_graph_find(g, "b")->init);
    assert_non_null(mq_graph_find(g, "b_quantized"));
}

/* Two products with one weight: its scale is widened before either bias is written. */
static void test_shared_weight(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,8");
    floats("w", "8,8", 1e-12f, 0);
    floats("small", "8", 0, 0);
    floats("large", "8", 500, 1);
    make_node(g, "Gemm", "x,w,small", "a");
    make_node(g, "Gemm", "x,w,large", "b");
    make_output(g, "a");
    make_output(g, "b");
    see_range("x", 0, 2.55f);
    rewrite();
    assert_memory_equal(float_data("small_scale"), float_data("large_scale"), 8 * sizeof(float));
}

/* There is no integer for infinity, and 0 would be something else. */
static void test_bias_that_is_not_finite(void **state)
{
    (void)state;
    gemm("8,32", "32", -3, 0.25f);
    ((float *)(uintptr_t)float_data("b"))[4] = -INFINITY;
    rewrite();
    assert_null(mq_graph_find(g, "b_quantized"));
    assert_string_equal(mq_graph_find(g, "y")->producer->inputs[2]->name, "b");
}

/* ---- bias correction ----------------------------------------------------------------------------------------------- */

/* Channel i of `name` had the mean i / 4 - 1 over 10 values, from 1 below that to 1 above, and most of them there. */
static void see_means(mq_channel_table *t, const char *name, int axis, size_t n)
{
    mq_channels *c;

    assert_int_equal(mq_channel_table_add(t, mq_graph_find(g, name), axis, NULL), MQ_OK);
    c = mq_channel_table_find(t, name);
    assert_int_equal(mq_channels_begin(c, n, NULL), MQ_OK);
    c->count = 10;
    for (size_t i = 0; i < n; i++) {
        const double mean = (double)i / 4 - 1;
        c->low[i] = (float)fmin(mean - 1, 0);
        c->high[i] = (float)fmax(mean + 1, 0);
        c->sum[i] = 10 * mean;
        c->square[i] = 10 * (mean * mean + 0.25);
    }
}

/* What the rounded weight w is. */
static double as_stored(const mq_weight *by, size_t row, float w)
{
    const size_t at = by->grid.n_scales == 1 ? 0 : row;

    return rint(fmin(fmax((double)w / (double)by->scales[at], -127), 127)) * (double)by->scales[at];
}

/* The sum over the weights of a row of stored weight x clipped mean - weight x mean, taken back. */
static void shifts(const mq_channel_table *t, const char *weight, size_t rows, size_t group_rows, size_t group_cols,
                   size_t inner, bool turned)
{
    const mq_bias *b = &plan.placement->biases.items[0];
    const mq_channels *c = mq_channel_table_find(t, "x");
    const float *w = float_data(weight);
    const double scale = (double)b->input->scale;
    const double lo = -scale * b->input->zero_point, hi = scale * (255 - b->input->zero_point);

    assert_int_equal(plan.placement->biases.n, 1);
    assert_non_null(b->shift);
    for (size_t r = 0; r < rows; r++) {
        double moved = 0;
        for (size_t k = 0; k < group_cols; k++) {
            const size_t col = r / group_rows * group_cols + k;
            const double x = (double)col / 4 - 1, q = mq_channels_clipped_mean(c, col, lo, hi);
            for (size_t i = 0; i < inner; i++) {
                const float here = w[turned ? col * rows + r : (r * group_cols + k) * inner + i];
                moved += as_stored(&b->item->weight, r, here) * q - (double)here * x;
            }
        }
        assert_true(fabs((double)b->shift[r] + moved) <= 1e-6 * (1 + fabs(moved)));
    }
}

static size_t correct(const mq_channel_table *t)
{
    mq_error err = { 0 };
    size_t n = 99;

    assert_int_equal(mq_static_correct(plan.placement, t, NULL, &n, &err), MQ_OK);
    return n;
}

static void test_correction_of_gemm(void **state)
{
    mq_channel_table t = { 0 };

    (void)state;
    gemm("8,32", "32", -3, 0.25f);
    ranges();
    see_means(&t, "x", -1, 8);
    assert_int_equal(correct(&t), 1);
    shifts(&t, "w", 32, 32, 8, 1, true);
    mq_channel_table_release(&t);
}

static void grouped_conv(void)
{
    make_input(g, "x", MQ_FLOAT, "N,8,6,6");
    floats("w", "4,4,3,3", -1, 0.017f);
    floats("b", "4", 1, 1);
    make_node_int(g, "Conv", "x,w,b", "y", "group", 2);
    make_output(g, "y");
    see_range("x", -1, 1);
    see_range("y", -10, 10);
    ranges();
}

static void test_correction_of_grouped_convolution(void **state)
{
    mq_channel_table t = { 0 };

    (void)state;
    grouped_conv();
    see_means(&t, "x", 1, 8);
    assert_int_equal(correct(&t), 1);
    shifts(&t, "w", 4, 2, 4, 9, false);
    mq_channel_table_release(&t);
}

/* Means along another axis, of another number of channels, or of none: nothing is known of this bias. */
static void test_no_correction(void **state)
{
    static const struct { int axis; size_t n; } others[] = { { -1, 8 }, { 1, 7 } };
    mq_channel_table t = { 0 };

    (void)state;
    grouped_conv();
    assert_int_equal(correct(&t), 0);
    for (int i = 0; i < 2; i++) {
        see_means(&t, "x", others[i].axis, others[i].n);
        assert_int_equal(correct(&t), 0);
        mq_channel_table_release(&t);
        t = (mq_channel_table){ 0 };
    }
    assert_null(plan.placement->biases.items[0].shift);
}

/* The integers stand for the bias and its shift. */
static void test_correction_is_written(void **state)
{
    mq_channel_table t = { 0 };
    mq_error err = { 0 };
    float shift[32];
    int n_moved = 0;

    (void)state;
    gemm("8,32", "32", -3, 0.25f);
    ranges();
    see_means(&t, "x", -1, 8);
    correct(&t);
    mq_channel_table_release(&t);
    memcpy(shift, plan.placement->biases.items[0].shift, sizeof shift);
    assert_int_equal(mq_static_rewrite(plan.placement, &plan, &how, &noting, &err), MQ_OK);
    for (int i = 0; i < 32; i++) {
        const double scale = (double)float_data("b_scale")[i], want = -3 + 0.25 * i + (double)shift[i];
        assert_true(fabs((double)int_data("b_quantized")[i] * scale - want) <= scale / 2 + 1e-6);
        n_moved += fabs((double)shift[i]) > scale;
    }
    assert_true(n_moved > 16);
}

static void test_preparation(void **state)
{
    mq_smooth_result smoothed = { 0 };

    (void)state;
    assert_string_equal(mq_static_preparation(m, false, &smoothed), "fold-batchnorm");
    assert_string_equal(mq_static_preparation(m, true, &smoothed), "fold-batchnorm, equalize");
    smoothed.n_folded = 2;
    smoothed.n_inserted = 1;
    strcpy(smoothed.digest, "0123456789abcdef");
    assert_string_equal(mq_static_preparation(m, false, &smoothed), "fold-batchnorm, smooth 3 (0123456789ab)");
}

/* ---- before -------------------------------------------------------------------------------------------------------- */

static void prepare(void)
{
    mq_error err = { 0 };

    if (mq_static_prepare(m, false, &noting, &n_unseen, &err) != MQ_OK)
        fail_msg("%s", err.text);
    graph_check(m);
}

static void test_weights_that_are_inputs(void **state)
{
    (void)state;
    gemm("8,32", NULL, 0, 0);
    make_type(mq_graph_find(g, "w"), MQ_FLOAT, "8,32");
    assert_int_equal(mq_graph_add_input(g, mq_graph_find(g, "w"), NULL), MQ_OK);
    prepare();
    assert_int_equal(g->inputs.n, 1);
    assert_non_null(strstr(warned, "constant-input"));
}

/* Before IR 4 every initializer is an input, and nobody means it. */
static void test_old_models(void **state)
{
    (void)state;
    m->ir_version = 3;
    gemm("8,32", NULL, 0, 0);
    make_type(mq_graph_find(g, "w"), MQ_FLOAT, "8,32");
    assert_int_equal(mq_graph_add_input(g, mq_graph_find(g, "w"), NULL), MQ_OK);
    prepare();
    assert_int_equal(g->inputs.n, 1);
    assert_non_null(strstr(warned, "ir-raised"));
    assert_int_equal(m->ir_version, 4);
}

/* Batch normalization is in the weights, and its own numbers are gone; what was unused before is none of our business. */
static void test_batch_normalization(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,8,6,6");
    floats("w", "8,8,1,1", -1, 0.125f);
    floats("s", "8", 1, 1);
    floats("o", "8", 1, 1);
    floats("mean", "8", 1, 1);
    floats("var", "8", 1, 1);
    floats("spare", "8", 1, 1);
    make_node(g, "Conv", "x,w", "a");
    make_node(g, "BatchNormalization", "a,s,o,mean,var", "y");
    make_output(g, "y");
    prepare();
    assert_int_equal(g->n_nodes, 1);
    assert_int_equal(g->inits.n, 3); /* weight, bias, spare */
    assert_non_null(mq_graph_find(g, "w")->init); /* under its old name, for filters */
    assert_ptr_equal(g->first->inputs[1], mq_graph_find(g, "w"));
    assert_non_null(mq_graph_find(g, "spare")->init);
}

/* ---- integers at the edges ----------------------------------------------------------------------------------------- */

static const char *const all_uint8[] = { "uint8" };

/* The input is what was x_quantized; what is given back, too, and Relu has no pair before it. */
static void test_edges(void **state)
{
    mq_edge edge;

    (void)state;
    opts.io_types = (mq_names){ all_uint8, 1 };
    make_input(g, "x", MQ_FLOAT, "N,8");
    floats("w", "8,32", -1, 0.0625f);
    make_node(g, "MatMul", "x,w", "a");
    make_node(g, "Softmax", "a", "y");
    make_type(make_output(g, "y"), MQ_FLOAT, "N,32");
    see_range("x", 0, 2.55f);
    see_range("y", 0, 1);
    becomes("input x uint8[N,8]\n"
            "init x_scale float[]\n"
            "init x_zero_point uint8[]\n"
            "init y_scale float[]\n"
            "init y_zero_point uint8[]\n"
            "init w_quantized int8[8,32]\n"
            "init w_scale float[32]\n"
            "node 'x_DequantizeLinear' DequantizeLinear(x, x_scale, x_zero_point) -> x_dequantized\n"
            "node 'w_DequantizeLinear' DequantizeLinear(w_quantized, w_scale) -> w axis=1\n"
            "node 'a' MatMul(x_dequantized, w) -> a\n"
            "node 'y' Softmax(a) -> y_unquantized\n"
            "node 'y_QuantizeLinear' QuantizeLinear(y_unquantized, y_scale, y_zero_point) -> y\n"
            "output y uint8[N,32]\n");
    assert_true(mq_edge_get(mq_graph_find(g, "y"), &edge));
    assert_true(near((double)edge.scale, 1.0 / 255));
    assert_int_equal(edge.zero_point, 0);
    assert_true(mq_edge_get(mq_graph_find(g, "x"), &edge));
    assert_true(near((double)edge.scale, 0.01));
}

/* Who reads an output inside reads what it stands for; carriers on the way to it are on integers. */
static void test_edge_with_readers(void **state)
{
    (void)state;
    opts.io_types = (mq_names){ all_uint8, 1 };
    make_input(g, "x", MQ_FLOAT, "N,8,6,6");
    make_weight(g, "w1", "8,8,1,1");
    make_node(g, "Conv", "x,w1", "a");
    make_node(g, "GlobalAveragePool", "a", "p");
    make_node(g, "Exp", "a", "e");
    make_output(g, "p");
    make_output(g, "a");
    see_range("x", 0, 2.55f);
    see_range("a", -1, 1);
    see_range("p", -1, 1);
    rewrite();
    assert_string_equal(mq_graph_find(g, "e")->producer->inputs[0]->name, "a_dequantized");
    assert_string_equal(mq_graph_find(g, "p_unquantized")->producer->inputs[0]->name, "a_dequantized");
    assert_string_equal(mq_graph_find(g, "a_dequantized")->producer->inputs[0]->name, "a");
    assert_true(mq_node_is(mq_graph_find(g, "a")->producer, "", "QuantizeLinear"));
    assert_true(mq_node_is(mq_graph_find(g, "p")->producer, "", "QuantizeLinear"));
}

/* Divergence is not asked about what leaves the model. */
static void test_edge_by_entropy(void **state)
{
    float values[3000], inside, by_error;

    (void)state;
    for (int i = 0; i < 3000; i++)
        values[i] = -5 * logf(((float)i + 0.5f) / 3000);
    make_input(g, "x", MQ_FLOAT, "N,8");
    floats("w", "8,8", -1, 0.0625f);
    make_node(g, "MatMul", "x,w", "y");
    make_node(g, "MatMul", "y,w", "z");
    make_output(g, "y");
    make_output(g, "z");
    see_range("x", -1, 1);
    see_range("z", -1, 1);
    see_values("y", values, 3000);
    how.method = MQ_CALIBRATE_MSE;
    ranges();
    by_error = point("y")->hi;
    how.method = MQ_CALIBRATE_ENTROPY;
    ranges();
    inside = point("y")->hi;
    opts.io_types = (mq_names){ all_uint8, 1 };
    ranges();
    assert_false(inside == by_error);
    assert_true(point("y")->hi == by_error);
}

static void test_edge_that_nobody_saw(void **state)
{
    mq_error err = { 0 };

    (void)state;
    opts.io_types = (mq_names){ all_uint8, 1 };
    gemm("8,32", NULL, 0, 0);
    ranges();
    assert_int_equal(mq_static_rewrite(plan.placement, &plan, &how, &noting, &err), MQ_ERR_UNSUPPORTED);
    assert_string_equal(err.text, "--io-type: 'y' had no value during calibration: it cannot become integers");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_STATIC(test_edges),
        ON_STATIC(test_edge_with_readers),
        ON_STATIC(test_edge_by_entropy),
        ON_STATIC(test_edge_that_nobody_saw),
        ON_STATIC(test_scale_from_values),
        ON_STATIC(test_symmetric_int8),
        ON_STATIC(test_constant_activations),
        ON_STATIC(test_unseen),
        ON_STATIC(test_bounds),
        ON_STATIC(test_entropy_keeps_a_bound),
        ON_STATIC(test_range_of_the_largest),
        ON_STATIC(test_softmax),
        ON_STATIC(test_concat_of_alike_ranges),
        ON_STATIC(test_concat_of_unlike_ranges),
        ON_STATIC(test_concats_in_a_chain),
        ON_STATIC(test_concats_do_not_drift),
        ON_STATIC(test_input_and_bias),
        ON_STATIC(test_made_value_with_two_readers),
        ON_STATIC(test_input_that_is_an_output),
        ON_STATIC(test_names_taken),
        ON_STATIC(test_shared_scale_is_one_initializer),
        ON_STATIC(test_bias_values),
        ON_STATIC(test_bias_per_tensor),
        ON_STATIC(test_bias_as_a_row),
        ON_STATIC(test_bias_of_one_number),
        ON_STATIC(test_float_bias),
        ON_STATIC(test_bias_that_would_overflow),
        ON_STATIC(test_bias_that_would_overflow_beside_rounded_weights),
        ON_STATIC(test_bias_that_is_not_finite),
        ON_STATIC(test_correction_of_gemm),
        ON_STATIC(test_correction_of_grouped_convolution),
        ON_STATIC(test_no_correction),
        ON_STATIC(test_correction_is_written),
        ON_STATIC(test_preparation),
        ON_STATIC(test_shared_bias),
        ON_STATIC(test_bias_with_another_reader),
        ON_STATIC(test_shared_weight),
        ON_STATIC(test_weights_that_are_inputs),
        ON_STATIC(test_old_models),
        ON_STATIC(test_batch_normalization),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
