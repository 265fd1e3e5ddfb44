/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tables are made by the engine's evaluator, so models run in plans: with all passes, and with none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"
#include "qdq_make.h"

/* The operators that the plan runs, and the same as without passes, within `steps`. */
static void becomes_within(const char *ops, const mq_plan_opts *opts, double steps)
{
    pass_io before = { .n_in = 0 }, after;
    mq_runner *r = NULL;
    mq_plan *p = NULL;
    char got[400] = "";
    size_t n = 0;

    pass_run(&before);
    assert_int_equal(mq_plan_create(&p, m, opts, NULL, NULL), MQ_OK);
    for (const mq_node *node = mq_plan_model(p)->graph->first; node; node = node->next)
        n += (size_t)snprintf(got + n, sizeof got - n, "%s%s", n ? " " : "", node->op_type);
    assert_string_equal(got, ops);
    assert_int_equal(mq_runner_create(&r, p, 1, NULL), MQ_OK);
    after = before;
    assert_int_equal(mq_runner_run(r, before.in, after.out, NULL), MQ_OK);
    pass_near(&before, &after, steps);
    pass_release(after.out, after.n_out);
    mq_runner_free(r);
    mq_plan_free(p);
    pass_release(before.in, before.n_in);
    pass_release(before.out, before.n_out);
}

static void becomes(const char *ops, const mq_plan_opts *opts)
{
    becomes_within(ops, opts, 0);
}

static void float_activations(void **state)
{
    (void)state;
    make_quantized("x", MQ_UINT8, "N,300", 0.05f, 100);
    make_node(g, "HardSwish", "x", "a");
    make_node(g, "Tanh", "a", "b");
    make_parameters("y", MQ_INT8, 0.01f, 3);
    quantize("b", "y_q", "y");
    make_output(g, "y_q");
    becomes("Lookup", NULL);
}

static void a_diamond_with_rounding_in_it(void **state)
{
    (void)state;
    make_quantized("x", MQ_UINT8, "N,8,40", 0.05f, 100);
    make_node(g, "Erf", "x", "e");
    make_parameters("e", MQ_UINT8, 0.01f, 128);
    quantize("e", "e_q", "e");
    dequantize("e_q", "f", "e");
    make_node(g, "Mul", "x,f", "z");
    make_parameters("y", MQ_UINT8, 0.04f, 7);
    quantize("z", "y_q", "y");
    make_output(g, "y_q");
    becomes_within("Lookup", NULL, 1); /* the product of integers is rounded otherwise than that of floats */
}

static void two_tensors_are_no_table(void **state)
{
    (void)state;
    make_quantized("x", MQ_UINT8, "N,40", 0.05f, 100);
    make_quantized("y", MQ_UINT8, "N,40", 0.03f, 90);
    make_node(g, "Div", "x,y", "z");
    make_parameters("z", MQ_UINT8, 0.04f, 7);
    quantize("z", "z_q", "z");
    make_output(g, "z_q");
    becomes("DequantizeLinear DequantizeLinear Div QuantizeLinear", NULL);
}

static void rows_of_constants_are_no_table(void **state)
{
    (void)state;
    make_quantized("x", MQ_UINT8, "N,40", 0.05f, 100);
    make_positive("row", "40", 1);
    make_node(g, "Div", "x,row", "z");
    make_parameters("z", MQ_UINT8, 0.04f, 7);
    quantize("z", "z_q", "z");
    make_output(g, "z_q");
    becomes("DequantizeLinear Div QuantizeLinear", NULL);
}

static void channels_have_tables_of_their_own(void **state)
{
    (void)state;
    make_quantized("x", MQ_UINT8, "N,5,4,6", 0.05f, 100);
    make_random("b", MQ_FLOAT, "5");
    make_random("mean", MQ_FLOAT, "5");
    make_positive("g", "5", 1);
    make_positive("var", "5", 1);
    make_positive("slope", "5,1,1", 1);
    make_node(g, "BatchNormalization", "x,g,b,mean,var", "n");
    make_node(g, "Mul", "slope,n", "z");
    make_parameters("z", MQ_UINT8, 0.04f, 90);
    quantize("z", "z_q", "z");
    make_output(g, "z_q");
    becomes("Lookup", NULL);
}

/* A vector lies along the last axis, not along the channels. */
static void rows_are_no_channels(void **state)
{
    (void)state;
    make_quantized("x", MQ_UINT8, "N,5,4,5", 0.05f, 100);
    make_positive("row", "5", 1);
    make_node(g, "Div", "x,row", "z");
    make_parameters("z", MQ_UINT8, 0.04f, 7);
    quantize("z", "z_q", "z");
    make_output(g, "z_q");
    becomes("DequantizeLinear Div QuantizeLinear", NULL);
}

/* The number has more dims than the tensor: so has the result. */
static void a_result_of_another_rank_is_no_table(void **state)
{
    (void)state;
    make_quantized("x", MQ_UINT8, "40", 0.05f, 100);
    make_positive("two", "1,1", 1);
    make_node(g, "Div", "x,two", "z");
    make_parameters("z", MQ_UINT8, 0.04f, 7);
    quantize("z", "z_q", "z");
    make_output(g, "z_q");
    becomes("DequantizeLinear Div QuantizeLinear", NULL);
}

/* What somebody watches, or puts other numbers into, is made, and what follows depends on it. */
static void kept_tensors_are_made(void **state)
{
    static const char *const keep[] = { "a" };
    const mq_plan_opts opts = { .keep = keep, .n_keep = 1 };

    (void)state;
    make_quantized("x", MQ_UINT8, "N,40", 0.05f, 100);
    make_node(g, "HardSwish", "x", "a");
    make_parameters("y", MQ_INT8, 0.01f, 3);
    quantize("a", "y_q", "y");
    make_output(g, "y_q");
    becomes("DequantizeLinear HardSwish QuantizeLinear", &opts);
}

/* Floats that others read stay for those. */
static void readers_of_the_middle(void **state)
{
    (void)state;
    make_quantized("x", MQ_UINT8, "N,40", 0.05f, 100);
    make_node(g, "Sigmoid", "x", "a");
    make_parameters("y", MQ_INT8, 0.01f, 3);
    quantize("a", "y_q", "y");
    node_int(make_node(g, "Softmax", "x", "s"), "axis", 1);
    make_output(g, "y_q");
    make_output(g, "s");
    becomes_within("DequantizeLinear Lookup Softmax", NULL, 1e-5); /* of floats; integers are the same */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(float_activations),
        ON_MODEL(a_diamond_with_rounding_in_it),
        ON_MODEL(two_tensors_are_no_table),
        ON_MODEL(rows_of_constants_are_no_table),
        ON_MODEL(channels_have_tables_of_their_own),
        ON_MODEL(rows_are_no_channels),
        ON_MODEL(a_result_of_another_rank_is_no_table),
        ON_MODEL(kept_tensors_are_made),
        ON_MODEL(readers_of_the_middle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
