/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/equalize.c: the function stays, weights on both sides of a channel become alike, and what cannot take a
 * factor is left alone. */
#include "quant/equalize.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../passes/pass_check.h"

#define TOLERANCE 1e-4

static float *floats(const char *name)
{
    return (float *)(uintptr_t)mq_graph_find_here(g, name)->init->data;
}

/* Random weights whose rows (runs of `inner`) differ in size by up to 2^10. */
static void make_uneven(const char *name, const char *dims, int64_t inner)
{
    const int64_t count = mq_tensor_count(make_random(name, MQ_FLOAT, dims)->init);

    for (int64_t i = 0; i < count; i++)
        floats(name)[i] = ldexpf(floats(name)[i], (int)(i / inner * 7 % 11) - 5);
}

static size_t equalize(void)
{
    mq_error err = { 0 };
    size_t n = 99;

    if (mq_equalize(m, &n, &err) != MQ_OK)
        fail_msg("%s", err.text);
    graph_check(m);
    if (mq_model_verify(m, &err) != MQ_OK)
        fail_msg("%s", err.text);
    return n;
}

/* That many pairs, the same outputs, and nothing left to do. */
static void becomes(size_t n_pairs)
{
    pass_io before = { .n_in = 0 }, after;

    make_output(g, "y");
    pass_run(&before);
    after = before;
    assert_int_equal(equalize(), n_pairs);
    pass_run(&after);
    pass_near(&before, &after, TOLERANCE);
    assert_int_equal(equalize(), 0);
    pass_release(before.in, before.n_in);
    pass_release(before.out, before.n_out);
    pass_release(after.out, after.n_out);
}

/* Largest |w| of element e where e / inner % channels is the channel. */
static float largest(const char *name, int64_t channels, int64_t inner, int64_t channel)
{
    const int64_t count = mq_tensor_count(mq_graph_find_here(g, name)->init);
    float most = 0;

    for (int64_t e = 0; e < count; e++)
        if (e / inner % channels == channel)
            most = fmaxf(most, fabsf(floats(name)[e]));
    return most;
}

/* Channels lie along dim 0 of a, dim 1 of b. */
static void alike(const char *a, const char *b, int64_t channels, int64_t inner_a, int64_t inner_b)
{
    for (int64_t c = 0; c < channels; c++) {
        const float r1 = largest(a, channels, inner_a, c), r2 = largest(b, channels, inner_b, c);
        if (!(fabsf(r1 / r2 - 1) < 0.03f))
            fail_msg("channel %d: %g and %g", (int)c, (double)r1, (double)r2);
    }
}

static void two_convs(const char *op)
{
    make_input(g, "x", MQ_FLOAT, "N,4,6,6");
    make_uneven("w", "6,4,3,3", 36);
    make_node(g, "Conv", "x,w", "t");
    if (op)
        make_node(g, op, "t", "u");
    make_uneven("w2", "5,6,3,3", 9);
    make_random("b2", MQ_FLOAT, "5");
    make_node(g, "Conv", op ? "u,w2,b2" : "t,w2,b2", "y");
}

static void conv_conv(void **state)
{
    (void)state;
    two_convs(NULL);
    becomes(1);
    alike("w", "w2", 6, 36, 9);
}

static void conv_relu_conv(void **state)
{
    (void)state;
    two_convs("Relu");
    becomes(1);
    alike("w", "w2", 6, 36, 9);
    assert_int_equal(g->inits.n, 3);
}

static void through_what_takes_factors(void **state)
{
    static const char *const ops[] = { "LeakyRelu", "GlobalMaxPool", "GlobalAveragePool", "MaxPool", "AveragePool" };

    for (size_t i = 0; i < MQ_ARRAY_LEN(ops); i++) {
        make_input(g, "x", MQ_FLOAT, "N,4,6,6");
        make_uneven("w", "6,4,3,3", 36);
        make_uneven("b", "6", 1);
        make_node(g, "Conv", "x,w,b", "t");
        node_ints(make_node(g, ops[i], "t", "u"), "kernel_shape", "2,2");
        if (i < 3)
            mq_node_remove_attr(g->last, "kernel_shape");
        make_uneven("w2", "5,6,1,1", 1);
        make_node(g, "Conv", "u,w2", "y");
        becomes(1);
        pass_teardown(state);
        pass_setup(state);
    }
}

static void prelu_and_clip_from_zero(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4,6,6");
    make_uneven("w", "6,4,1,1", 4);
    make_node(g, "Conv", "x,w", "t");
    make_random("slope", MQ_FLOAT, "6,1,1");
    make_node(g, "PRelu", "t,slope", "u");
    make_uneven("w2", "5,6,1,1", 1);
    make_node(g, "Conv", "u,w2", "v");
    make_float("zero", 0);
    make_node(g, "Clip", "v,zero", "c");
    make_uneven("w3", "2,5,1,1", 1);
    make_node(g, "Conv", "c,w3", "y");
    becomes(2);
}

/* A chain with a depthwise product in the middle, and biases. */
static void depthwise(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4,6,6");
    make_uneven("w", "6,4,1,1", 4);
    make_uneven("b", "6", 1);
    make_node(g, "Conv", "x,w,b", "t");
    make_node(g, "Relu", "t", "u");
    make_uneven("d", "6,1,3,3", 9);
    make_random("e", MQ_FLOAT, "6");
    node_int(make_node(g, "Conv", "u,d,e", "v"), "group", 6);
    make_node(g, "Relu", "v", "q");
    make_uneven("w3", "5,6,1,1", 1);
    make_node(g, "Conv", "q,w3", "y");
    becomes(2);
}

static void groups_on_both_sides(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4,6,6");
    make_uneven("w", "6,2,3,3", 18);
    node_int(make_node(g, "Conv", "x,w", "t"), "group", 2);
    make_uneven("w2", "9,2,3,3", 9);
    node_int(make_node(g, "Conv", "t,w2", "y"), "group", 3);
    becomes(1);
}

static void gemms_of_both_orders(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_uneven("w", "6,4", 4);
    make_uneven("b", "1,6", 1);
    node_float(node_float(node_int(make_node(g, "Gemm", "x,w,b", "t"), "transB", 1), "alpha", 0.5f), "beta", 2);
    make_node(g, "Relu", "t", "u");
    make_uneven("w2", "6,5", 5);
    make_random("b2", MQ_FLOAT, "");
    make_node(g, "Gemm", "u,w2,b2", "v");
    make_uneven("w3", "3,5", 1);
    node_int(make_node(g, "Gemm", "v,w3", "y"), "transB", 1);
    becomes(1); /* the second bias is one number for all channels */
}

static void left_alone(void)
{
    assert_int_equal(equalize(), 0);
}

static void several_readers(void **state)
{
    (void)state;
    two_convs("Relu");
    make_uneven("w3", "2,2,1,1", 1);
    node_int(make_node(g, "Conv", "u,w3", "z"), "group", 3);
    left_alone(); /* 2 rows are not of 3 groups */
    make_uneven("w4", "3,2,1,1", 1);
    assert_int_equal(mq_node_set_input(g->last, 1, mq_graph_find_here(g, "w4"), NULL), MQ_OK);
    make_output(g, "z");
    becomes(1);
}

/* The weight of both products, which somebody else reads as well. */
static void shared_weights(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_uneven("w", "4,4", 1);
    make_node(g, "Gemm", "x,w", "t");
    make_node(g, "Gemm", "t,w", "u");
    make_node(g, "MatMul", "u,w", "y");
    becomes(1);
    assert_string_equal(g->last->inputs[1]->name, "w");
    assert_ptr_not_equal(g->first->inputs[1], g->first->next->inputs[1]);
}

static void weight_of_a_constant_node(void **state)
{
    mq_tensor *t;

    (void)state;
    two_convs("Relu");
    t = mq_graph_find_here(g, "w")->init;
    mq_value_clear_init(mq_graph_find_here(g, "w"));
    make_node(g, "Constant", "", "made");
    mq_node_move(g->last, g->first);
    assert_int_equal(mq_node_set_attr_tensor(g->first, "value", t, NULL), MQ_OK);
    assert_int_equal(mq_node_set_input(g->first->next, 1, g->first->outputs[0], NULL), MQ_OK);
    becomes(1);
    pass_ops("Conv Relu Conv");
}

/* Channels without weights on one side, with little but bias, or broken ones: no factor runs away. */
static void odd_channels(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_uneven("w", "5,4", 4);
    make_positive("b", "5", 1);
    node_int(make_node(g, "Gemm", "x,w,b", "t"), "transB", 1);
    make_uneven("w2", "5,3", 3);
    make_node(g, "Gemm", "t,w2", "y");
    for (int i = 0; i < 4; i++) {
        floats("w")[i] = 0;
        floats("w")[8 + i] *= 1e-20f;
    }
    for (int i = 0; i < 3; i++)
        floats("w2")[3 + i] = 0;
    becomes(1);
    for (int64_t c = 0; c < 5; c++)
        assert_true(fabsf(floats("b")[c]) < 200);
    floats("w")[12] = INFINITY;
    floats("w2")[14] = NAN;
    equalize();
    assert_true(isinf(floats("w")[12]) && isnan(floats("w2")[14]));
}

static void not_through_others(void **state)
{
    static const char *const ops[] = { "Sigmoid", "Softmax", "HardSwish", "Elu", "Abs" };

    for (size_t i = 0; i < MQ_ARRAY_LEN(ops); i++) {
        two_convs(ops[i]);
        left_alone();
        pass_teardown(state);
        pass_setup(state);
    }
}

static void not_through_an_upper_end(void **state)
{
    (void)state;
    two_convs("Clip");
    make_float("zero", 0);
    make_float("six", 6);
    assert_int_equal(mq_node_set_input(g->first->next, 1, mq_graph_find_here(g, "zero"), NULL), MQ_OK);
    assert_int_equal(mq_node_set_input(g->first->next, 2, mq_graph_find_here(g, "six"), NULL), MQ_OK);
    left_alone();
    assert_int_equal(mq_node_set_input(g->first->next, 1, mq_graph_find_here(g, "six"), NULL), MQ_OK);
    assert_int_equal(mq_node_set_input(g->first->next, 2, NULL, NULL), MQ_OK);
    left_alone();
}

static void not_with_another_reader(void **state)
{
    (void)state;
    two_convs("Relu");
    make_node(g, "Sigmoid", "t", "z");
    left_alone();
}

static void not_of_an_output(void **state)
{
    (void)state;
    two_convs("Relu");
    make_output(g, "u");
    left_alone();
}

static void not_without_constants(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4,6,6");
    make_input(g, "w", MQ_FLOAT, "6,4,3,3");
    make_node(g, "Conv", "x,w", "t");
    make_uneven("w2", "5,6,3,3", 9);
    make_node(g, "Conv", "t,w2", "u");
    make_input(g, "b", MQ_FLOAT, "2");
    make_uneven("w3", "2,5,1,1", 1);
    make_node(g, "Conv", "u,w3,b", "v");
    make_uneven("w4", "2,2,1,1", 1);
    make_node(g, "Conv", "v,w4", "y");
    assert_int_equal(equalize(), 1); /* only w2 and w3 */
}

static void not_of_a_turned_input(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "4,4");
    make_uneven("w", "4,4", 4);
    make_node(g, "Gemm", "x,w", "t");
    make_uneven("w2", "4,4", 4);
    node_int(make_node(g, "Gemm", "t,w2", "y"), "transA", 1);
    left_alone();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(conv_conv), ON_MODEL(conv_relu_conv), ON_MODEL(through_what_takes_factors),
        ON_MODEL(prelu_and_clip_from_zero), ON_MODEL(depthwise), ON_MODEL(groups_on_both_sides),
        ON_MODEL(gemms_of_both_orders), ON_MODEL(several_readers), ON_MODEL(shared_weights),
        ON_MODEL(weight_of_a_constant_node), ON_MODEL(odd_channels), ON_MODEL(not_through_others),
        ON_MODEL(not_through_an_upper_end), ON_MODEL(not_with_another_reader), ON_MODEL(not_of_an_output),
        ON_MODEL(not_without_constants), ON_MODEL(not_of_a_turned_input),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
