/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"
#include "qdq_make.h"

extern const mq_pass mq_pass_move_qdq;
extern const mq_pass mq_pass_cancel_qdq;

static void end(const char *f, float scale, int zero)
{
    make_parameters("y", MQ_UINT8, scale, zero);
    quantize(f, "y_q", "y");
    make_output(g, "y_q");
}

static void between_equal_parameters_all_are_integers(void **state)
{
    (void)state;
    make_quantized("x", MQ_UINT8, "N,3,4", 0.05f, 100);
    make_longs("shape", "2", (const int64_t[]){ -1, 12 });
    node_ints(make_node(g, "Transpose", "x", "t"), "perm", "0,2,1");
    make_node(g, "Reshape", "t,shape", "u");
    end("u", 0.05f, 100);
    pass_becomes(&mq_pass_move_qdq, "Transpose Reshape Identity", 0);
}

static void dequantize_goes_behind(void **state)
{
    (void)state;
    make_quantized("x", MQ_INT8, "N,3,6,6", 0.05f, 3);
    node_ints(make_node(g, "MaxPool", "x", "t"), "kernel_shape", "2,2");
    make_node(g, "Exp", "t", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_move_qdq, "MaxPool DequantizeLinear Exp", 0);
}

static void several_inputs_and_outputs(void **state)
{
    (void)state;
    make_quantized("a", MQ_UINT8, "N,3", 0.05f, 100);
    make_quantized("b", MQ_UINT8, "N,3", 0.05f, 100);
    node_int(make_node(g, "Concat", "a,b", "t"), "axis", 1);
    node_int(node_int(make_node(g, "Split", "t", "u,v"), "axis", 1), "num_outputs", 2);
    make_output(g, "u");
    make_output(g, "v");
    pass_becomes(&mq_pass_move_qdq, "Concat Split DequantizeLinear DequantizeLinear", 0);
}

static void quantize_goes_before(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,3,4,4");
    make_longs("pads", "8", (const int64_t[]){ 0, 0, 1, 1, 0, 0, 1, 1 });
    make_float("value", 0.3f);
    make_node(g, "Exp", "x", "t");
    make_node(g, "Pad", "t,pads,value", "u");
    node_ints(make_node(g, "Transpose", "u", "v"), "perm", "0,2,3,1");
    end("v", 0.05f, 10);
    pass_becomes(&mq_pass_move_qdq, "Exp QuantizeLinear Pad Transpose", 0);
}

static void pad_with_zero(void **state)
{
    (void)state;
    make_quantized("x", MQ_UINT8, "N,3", 0.05f, 100);
    make_longs("pads", "4", (const int64_t[]){ 0, 1, 0, 2 });
    make_node(g, "Pad", "x,pads", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_move_qdq, "Pad DequantizeLinear", 0);
    assert_int_equal(*(const uint8_t *)g->first->inputs[2]->init->data, 100);
}

static void pad_with_another_number_stays(void **state)
{
    (void)state;
    make_quantized("x", MQ_UINT8, "N,3", 0.05f, 100);
    make_longs("pads", "4", (const int64_t[]){ 0, 1, 0, 2 });
    make_float("value", 0.03f);
    make_node(g, "Pad", "x,pads,value", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_move_qdq);
}

static void relu_is_a_bound(void **state)
{
    (void)state;
    make_quantized("x", MQ_INT8, "N,30", 0.05f, 3);
    make_node(g, "Relu", "x", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_move_qdq, "Clip DequantizeLinear", 0);
}

static void relu_of_what_is_positive_goes(void **state)
{
    (void)state;
    make_quantized("x", MQ_UINT8, "N,30", 0.05f, 0);
    make_node(g, "Relu", "x", "t");
    make_node(g, "Exp", "t", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_move_qdq, "DequantizeLinear Exp", 0);
}

static void places_and_shapes_need_no_floats(void **state)
{
    (void)state;
    make_quantized("x", MQ_UINT8, "N,30", 0.05f, 7);
    node_int(make_node(g, "ArgMax", "x", "y"), "axis", 1);
    make_node(g, "Shape", "x", "z");
    make_output(g, "y");
    make_output(g, "z");
    pass_becomes(&mq_pass_move_qdq, "ArgMax Shape", 0);
}

static void embedding_stays_small(void **state)
{
    (void)state;
    make_random("w_q", MQ_INT8, "2,5");
    make_parameters("w", MQ_INT8, 0.1f, 2);
    dequantize("w_q", "w", "w");
    make_input(g, "ids", MQ_INT64, "N");
    make_node(g, "Gather", "w,ids", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_move_qdq, "Gather DequantizeLinear", 0);
}

static void pairs_that_round_stay(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,3");
    make_parameters("a", MQ_UINT8, 0.05f, 100);
    quantize("x", "q", "a");
    dequantize("q", "y", "a");
    make_output(g, "y");
    pass_leaves(&mq_pass_move_qdq);
}

static void other_parameters_stay(void **state)
{
    (void)state;
    make_quantized("x", MQ_UINT8, "N,3", 0.05f, 100);
    end("x", 0.06f, 100);
    pass_leaves(&mq_pass_move_qdq);
}

static void concat_of_other_parameters_stays(void **state)
{
    (void)state;
    make_quantized("a", MQ_UINT8, "N,3", 0.05f, 100);
    make_quantized("b", MQ_UINT8, "N,3", 0.05f, 101);
    node_int(make_node(g, "Concat", "a,b", "y"), "axis", 1);
    make_output(g, "y");
    pass_leaves(&mq_pass_move_qdq);
}

static void resize_that_computes_stays(void **state)
{
    (void)state;
    make_quantized("x", MQ_UINT8, "N,3,4,4", 0.05f, 100);
    make_init(g, "scales", MQ_FLOAT, "4", (const float[]){ 1, 1, 2, 2 });
    assert_int_equal(mq_node_set_attr_string(make_node(g, "Resize", "x,-,scales", "y"), "mode", "linear", NULL), MQ_OK);
    make_output(g, "y");
    pass_leaves(&mq_pass_move_qdq);
}

static void quantize_stays_when_floats_are_read(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,3");
    make_node(g, "Exp", "x", "t");
    make_node(g, "Flatten", "t", "u");
    make_output(g, "t");
    end("u", 0.05f, 10);
    pass_leaves(&mq_pass_move_qdq);
}

/* ---- cancel-qdq ---------------------------------------------------------------------------------------------------- */

static void what_moves_between_runs_on_integers(void **state)
{
    (void)state;
    make_quantized("x", MQ_UINT8, "N,3,4,4", 0.05f, 100);
    make_longs("pads", "8", (const int64_t[]){ 0, 0, 1, 1, 0, 0, 1, 1 });
    make_node(g, "Pad", "x,pads", "u");
    node_ints(make_node(g, "MaxPool", "u", "v"), "kernel_shape", "2,2");
    node_int(node_int(make_node(g, "Split", "v", "a,b"), "axis", -1), "num_outputs", 2);
    make_parameters("y", MQ_UINT8, 0.05f, 100);
    quantize("a", "a_q", "y");
    quantize("b", "b_q", "y");
    dequantize("a_q", "c", "y");
    dequantize("b_q", "d", "y");
    make_output(g, "c");
    make_output(g, "d");
    pass_becomes(&mq_pass_cancel_qdq, "Pad MaxPool Split DequantizeLinear DequantizeLinear", 0);
}

static void joined_tensors_of_equal_parameters(void **state)
{
    (void)state;
    make_quantized("a", MQ_INT8, "N,3", 0.05f, 3);
    make_quantized("b", MQ_INT8, "N,3", 0.05f, 3);
    node_int(make_node(g, "Concat", "a,b", "t"), "axis", 1);
    make_parameters("y", MQ_INT8, 0.05f, 3);
    quantize("t", "q", "y");
    dequantize("q", "y", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_cancel_qdq, "Concat DequantizeLinear", 0);
}

static void a_pair_alone_goes(void **state)
{
    (void)state;
    make_quantized("x", MQ_INT8, "N,3", 0.05f, 3);
    make_parameters("y", MQ_INT8, 0.05f, 3);
    quantize("x", "q", "y");
    dequantize("q", "y", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_cancel_qdq, "DequantizeLinear", 0);
}

/* x -> Transpose -> the other integers; `extra` is a graph output, too. */
static void turned_between(float scale, const char *extra)
{
    make_quantized("x", MQ_UINT8, "N,3,4", 0.05f, 100);
    node_ints(make_node(g, "Transpose", "x", "t"), "perm", "0,2,1");
    make_parameters("y", MQ_UINT8, scale, 100);
    quantize("t", "q", "y");
    dequantize("q", "y", "y");
    make_output(g, "y");
    if (extra)
        make_output(g, extra);
}

static void turned_between_equal_parameters(void **state)
{
    (void)state;
    turned_between(0.05f, NULL);
    pass_becomes(&mq_pass_cancel_qdq, "Transpose DequantizeLinear", 0);
}

static void not_cancelled_when_parameters_differ(void **state)
{
    (void)state;
    turned_between(0.06f, NULL);
    pass_leaves(&mq_pass_cancel_qdq);
}

static void not_cancelled_when_floats_are_read_behind(void **state)
{
    (void)state;
    turned_between(0.05f, "t");
    pass_leaves(&mq_pass_cancel_qdq);
}

static void not_cancelled_when_floats_are_read_before(void **state)
{
    (void)state;
    turned_between(0.05f, "x");
    pass_leaves(&mq_pass_cancel_qdq);
}

static void not_cancelled_when_the_middle_computes(void **state)
{
    (void)state;
    make_quantized("x", MQ_UINT8, "N,3,4", 0.05f, 100);
    make_node(g, "Neg", "x", "t");
    end("t", 0.05f, 100);
    pass_leaves(&mq_pass_cancel_qdq);
}

static void not_cancelled_when_runtimes_lack_bytes(void **state)
{
    (void)state;
    assert_int_equal(mq_opset_set(m, "", 12, NULL), MQ_OK);
    turned_between(0.05f, NULL);
    pass_leaves(&mq_pass_cancel_qdq);
}

static void not_cancelled_when_no_integer_is_the_padding(void **state)
{
    (void)state;
    make_quantized("x", MQ_UINT8, "N,3", 0.05f, 100);
    make_longs("pads", "4", (const int64_t[]){ 0, 1, 0, 2 });
    make_float("value", 0.03f);
    make_node(g, "Pad", "x,pads,value", "t");
    end("t", 0.05f, 100);
    pass_leaves(&mq_pass_cancel_qdq);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(between_equal_parameters_all_are_integers),
        ON_MODEL(dequantize_goes_behind),
        ON_MODEL(several_inputs_and_outputs),
        ON_MODEL(quantize_goes_before),
        ON_MODEL(pad_with_zero),
        ON_MODEL(pad_with_another_number_stays),
        ON_MODEL(relu_is_a_bound),
        ON_MODEL(relu_of_what_is_positive_goes),
        ON_MODEL(places_and_shapes_need_no_floats),
        ON_MODEL(embedding_stays_small),
        ON_MODEL(pairs_that_round_stay),
        ON_MODEL(other_parameters_stay),
        ON_MODEL(concat_of_other_parameters_stays),
        ON_MODEL(resize_that_computes_stays),
        ON_MODEL(quantize_stays_when_floats_are_read),
        ON_MODEL(what_moves_between_runs_on_integers),
        ON_MODEL(joined_tensors_of_equal_parameters),
        ON_MODEL(a_pair_alone_goes),
        ON_MODEL(turned_between_equal_parameters),
        ON_MODEL(not_cancelled_when_parameters_differ),
        ON_MODEL(not_cancelled_when_floats_are_read_behind),
        ON_MODEL(not_cancelled_when_floats_are_read_before),
        ON_MODEL(not_cancelled_when_the_middle_computes),
        ON_MODEL(not_cancelled_when_runtimes_lack_bytes),
        ON_MODEL(not_cancelled_when_no_integer_is_the_padding),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
