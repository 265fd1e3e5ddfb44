/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/dynamic_lstm.c: the graph with DynamicQuantizeLSTM, its integers and scales, and each reason for which an
 * LSTM keeps DequantizeLinear. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "quant_make.h"

static int setup(void **state)
{
    quant_setup(state);
    opts.mode = MQ_MODE_DYNAMIC;
    return 0;
}

/* An LSTM of x [N, T, 24] with 16 cells. */
static mq_node *make_lstm(const char *in, const char *out)
{
    return make_node_int(g, "LSTM", in, out, "hidden_size", 16);
}

static void make_weights(const char *w, const char *r)
{
    make_input(g, "x", MQ_FLOAT, "T,N,24");
    make_weight(g, "w", w);
    make_weight(g, "r", r);
}

static void test_one_direction(void **state)
{
    (void)state;
    make_weights("1,64,24", "1,64,16");
    make_lstm("x,w,r", "y");
    make_output(g, "y");
    quant_becomes("opset com.microsoft 1\n"
                  "input x float[T,N,24]\n"
                  "init w_quantized int8[1,24,64]\n"
                  "init w_scale float[1,64]\n"
                  "init w_zero_point int8[1,64]\n"
                  "init r_quantized int8[1,16,64]\n"
                  "init r_scale float[1,64]\n"
                  "init r_zero_point int8[1,64]\n"
                  "node 'y_DynamicQuantizeLSTM' com.microsoft.DynamicQuantizeLSTM(x, w_quantized, "
                  "r_quantized, -, -, -, -, -, "
                  "w_scale, w_zero_point, r_scale, r_zero_point) -> y hidden_size=16\n"
                  "output y ?\n");
    assert_string_equal(warned, "");
}

/* All that a node can have stays: bias, lengths, states, peepholes, outputs that nobody wants. */
static void test_all_inputs(void **state)
{
    mq_node *n;

    (void)state;
    make_weights("2,64,24", "2,64,16");
    make_weight(g, "b", "2,128");
    make_weight(g, "p", "2,48");
    make_input(g, "lens", MQ_INT32, "N");
    make_input(g, "h", MQ_FLOAT, "2,N,16");
    make_input(g, "c", MQ_FLOAT, "2,N,16");
    n = make_lstm("x,w,r,b,lens,h,c,p", "-,-,last");
    mq_node_set_attr_string(n, "direction", "bidirectional", NULL);
    mq_node_set_attr_int(n, "layout", 0, NULL);
    mq_node_remove_attr(n, "hidden_size");
    make_output(g, "last");
    opts.per_tensor = true;
    quant_becomes("opset com.microsoft 1\n"
                  "input x float[T,N,24]\n"
                  "input lens int32[N]\n"
                  "input h float[2,N,16]\n"
                  "input c float[2,N,16]\n"
                  "init b float[2,128]\n"
                  "init p float[2,48]\n"
                  "init w_quantized int8[2,24,64]\n"
                  "init w_scale float[2]\n"
                  "init w_zero_point int8[2]\n"
                  "init r_quantized int8[2,16,64]\n"
                  "init r_scale float[2]\n"
                  "init r_zero_point int8[2]\n"
                  "node '-,-,last_DynamicQuantizeLSTM' com.microsoft.DynamicQuantizeLSTM(x, w_quantized, r_quantized, b, "
                  "lens, h, c, p, w_scale, w_zero_point, r_scale, r_zero_point) -> -, -, last direction='bidirectional' "
                  "hidden_size=16\n"
                  "output last ?\n");
}

/* Scales per direction and channel; integers with the channels last. */
static void test_values(void **state)
{
    static float w[2 * 64 * 24];
    const mq_quant_item *it;
    mq_hooks hooks = { 0 };
    float *scales;
    int8_t *q;

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(w); i++) /* largest in a column: its number */
        w[i] = (float)(1 + i / 24) * ((float)(i * 7 % 24) - 23) / 23;
    make_weights("2,64,24", "2,64,16");
    mq_graph_find(g, "w")->init->data = w;
    mq_node_set_attr_string(make_lstm("x,w,r", "y"), "direction", "bidirectional", NULL);
    make_output(g, "y");
    quant_select();
    assert_int_equal(mq_quant_rewrite(&plan, &hooks, NULL), MQ_OK);
    it = plan.items.items[0];
    assert_string_equal(mq_treatment_name(it), "dynamic");
    assert_int_equal(it->bytes_after, 2 * 64 * (24 + 5));
    scales = (float *)quant_made(&it->weight.make_scales, 2);
    q = (int8_t *)quant_made(&it->weight.make_integers, 2);
    for (size_t d = 0; d < 2; d++)
        for (size_t c = 0; c < 64; c++) {
            assert_true(scales[d * 64 + c] == (float)(1 + d * 64 + c) / 127);
            for (size_t k = 0; k < 24; k++) {
                double want = (double)w[(d * 64 + c) * 24 + k] / (double)scales[d * 64 + c];
                double error = want - q[(d * 24 + k) * 64 + c];
                assert_true(error > -0.5001 && error < 0.5001);
            }
        }
    free(scales);
    free(q);
}

/* Two nodes with one W. */
static void test_shared(void **state)
{
    (void)state;
    make_weights("1,64,24", "1,64,16");
    make_weight(g, "r2", "1,64,16");
    make_lstm("x,w,r", "y");
    make_lstm("x,w,r2", "z");
    make_output(g, "y");
    make_output(g, "z");
    quant_becomes("opset com.microsoft 1\n"
                  "input x float[T,N,24]\n"
                  "init w_quantized int8[1,24,64]\n"
                  "init w_scale float[1,64]\n"
                  "init w_zero_point int8[1,64]\n"
                  "init r_quantized int8[1,16,64]\n"
                  "init r_scale float[1,64]\n"
                  "init r_zero_point int8[1,64]\n"
                  "init r2_quantized int8[1,16,64]\n"
                  "init r2_scale float[1,64]\n"
                  "init r2_zero_point int8[1,64]\n"
                  "node 'y_DynamicQuantizeLSTM' com.microsoft.DynamicQuantizeLSTM(x, w_quantized, "
                  "r_quantized, -, -, -, -, -, "
                  "w_scale, w_zero_point, r_scale, r_zero_point) -> y hidden_size=16\n"
                  "node 'z_DynamicQuantizeLSTM' com.microsoft.DynamicQuantizeLSTM(x, w_quantized, "
                  "r2_quantized, -, -, -, -, -, "
                  "w_scale, w_zero_point, r2_scale, r2_zero_point) -> z hidden_size=16\n"
                  "output y ?\n"
                  "output z ?\n");
}

/* Of one column, W alone would not get smaller; with R it goes along. */
static void test_small_goes_along(void **state)
{
    mq_hooks hooks = { 0 };

    (void)state;
    make_input(g, "x", MQ_FLOAT, "T,N,1");
    make_weight(g, "w", "1,64,1");
    make_weight(g, "r", "1,64,16");
    make_lstm("x,w,r", "y");
    make_output(g, "y");
    opts.mode = MQ_MODE_WEIGHT;
    quant_select();
    assert_int_equal(quant_find("w")->stay, MQ_STAY_SMALL);
    opts.mode = MQ_MODE_DYNAMIC;
    quant_select();
    assert_int_equal(mq_quant_rewrite(&plan, &hooks, NULL), MQ_OK);
    assert_int_equal(plan.items.items[0]->stay, MQ_STAY_NOT);
    assert_int_equal(plan.n_quantized, 2);
    assert_string_equal(mq_treatment_name(plan.items.items[0]), "dynamic");
}

static void test_reduced_range(void **state)
{
    mq_hooks hooks = { 0 };

    (void)state;
    make_weights("1,64,24", "1,64,16");
    make_lstm("x,w,r", "y");
    make_output(g, "y");
    opts.reduce_range = MQ_CHOICE_YES;
    quant_select();
    assert_int_equal(mq_quant_rewrite(&plan, &hooks, NULL), MQ_OK);
    assert_int_equal(plan.items.items[0]->weight.scheme.q_max, 63);
}

/* The model is not rewritten, and why is said. */
static void stays(const char *why)
{
    mq_hooks hooks = { .warn = quant_note_warning };

    quant_select();
    assert_int_equal(mq_quant_rewrite(&plan, &hooks, NULL), MQ_OK);
    graph_check(m);
    for (const mq_node *n = g->first; n; n = n->next)
        assert_string_not_equal(n->op_type, "DynamicQuantizeLSTM");
    assert_int_equal(mq_opset_of(g, "com.microsoft"), 0);
    if (!strstr(warned, "dynamic-lstm-float") || !strstr(warned, why))
        fail_msg("'%s' is not in '%s'", why, warned);
}

static void not_with_another_layout(void **state)
{
    (void)state;
    make_weights("1,64,24", "1,64,16");
    mq_node_set_attr_int(make_lstm("x,w,r", "y"), "layout", 1, NULL);
    make_output(g, "y");
    stays("layout");
}

static void not_with_a_weight_in_float(void **state)
{
    const char *kept = "w";

    (void)state;
    make_weights("1,64,24", "1,64,16");
    make_lstm("x,w,r", "y");
    make_output(g, "y");
    opts.exclude_tensors = (mq_names){ .items = &kept, .n = 1 };
    stays("stays in float");
}

static void not_with_a_computed_weight(void **state)
{
    (void)state;
    make_weights("1,64,24", "1,64,16");
    make_input(g, "other", MQ_FLOAT, "1,64,24");
    make_lstm("x,other,r", "y");
    make_output(g, "y");
    stays("not constant");
}

static void not_with_many_zero_points(void **state)
{
    (void)state;
    make_weights("1,64,24", "1,64,16");
    make_lstm("x,w,r", "y");
    make_output(g, "y");
    opts.symmetric = MQ_CHOICE_NO;
    stays("one zero point");
}

static void not_with_half_floats(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT16, "T,N,24");
    make_weight_of(g, "w", MQ_FLOAT16, "1,64,24");
    make_weight_of(g, "r", MQ_FLOAT16, "1,64,16");
    make_lstm("x,w,r", "y");
    make_output(g, "y");
    stays("not float");
}

static void not_with_wrong_shapes(void **state)
{
    (void)state;
    make_weights("1,64,24", "1,64,20");
    make_lstm("x,w,r", "y");
    make_output(g, "y");
    stays("shapes");
}

static void not_with_standard_operators(void **state)
{
    (void)state;
    make_weights("1,64,24", "1,64,16");
    make_lstm("x,w,r", "y");
    make_output(g, "y");
    opts.target = "c";
    stays("standard operators");
}

/* z cannot be; y shares a weight with it, and v one with y. */
static void not_beside_one_that_is_not(void **state)
{
    (void)state;
    make_weights("1,64,24", "1,64,16");
    make_weight(g, "r2", "1,64,16");
    make_weight(g, "w2", "1,64,24");
    make_lstm("x,w2,r2", "v");
    make_lstm("x,w,r2", "y");
    mq_node_set_attr_int(make_lstm("x,w,r", "z"), "layout", 1, NULL);
    make_output(g, "v");
    make_output(g, "y");
    make_output(g, "z");
    stays("layout");
}

/* Nor beside an operator that knows no such form; it is told when all others fit. */
static void not_beside_another_operator(void **state)
{
    (void)state;
    make_weights("1,64,24", "1,64,16");
    make_node_int(g, "RNN", "x,w2,r2", "v", "hidden_size", 64);
    make_weight(g, "w2", "1,64,24");
    make_weight(g, "r2", "1,64,64");
    make_lstm("x,w2,r", "y");
    make_output(g, "v");
    make_output(g, "y");
    stays("another operator");
}

/* Weights for size alone: no word about speed. */
static void not_in_other_modes(void **state)
{
    mq_hooks hooks = { .warn = quant_note_warning };

    (void)state;
    make_weights("1,64,24", "1,64,16");
    make_lstm("x,w,r", "y");
    make_output(g, "y");
    opts.mode = MQ_MODE_WEIGHT;
    quant_select();
    assert_int_equal(mq_quant_rewrite(&plan, &hooks, NULL), MQ_OK);
    assert_string_equal(mq_treatment_name(quant_find("w")), "qdq-weight");
    assert_string_equal(warned, "");
}

#define DYNAMIC(test) cmocka_unit_test_setup_teardown(test, setup, quant_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DYNAMIC(test_one_direction),
        DYNAMIC(test_all_inputs),
        DYNAMIC(test_values),
        DYNAMIC(test_shared),
        DYNAMIC(test_small_goes_along),
        DYNAMIC(test_reduced_range),
        DYNAMIC(not_with_another_layout),
        DYNAMIC(not_with_a_weight_in_float),
        DYNAMIC(not_with_a_computed_weight),
        DYNAMIC(not_with_many_zero_points),
        DYNAMIC(not_with_half_floats),
        DYNAMIC(not_with_wrong_shapes),
        DYNAMIC(not_with_standard_operators),
        DYNAMIC(not_beside_one_that_is_not),
        DYNAMIC(not_beside_another_operator),
        DYNAMIC(not_in_other_modes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
