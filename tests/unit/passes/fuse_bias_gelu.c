/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_fuse_bias_gelu;

#define TOLERANCE 1e-5

static void sum(const char *in, const char *row)
{
    make_input(g, "x", MQ_FLOAT, "N,3,8");
    make_random("b", MQ_FLOAT, row);
    make_node(g, "Add", in, "t");
}

/* A Gelu of ONNX Runtime. */
static mq_node *contrib(const char *op, const char *in, const char *out)
{
    mq_node *n = make_node(g, op, in, out);

    n->domain = "com.microsoft";
    return n;
}

static void standard_gelu(void **state)
{
    (void)state;
    sum("x,b", "8");
    make_node(g, "Gelu", "t", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_bias_gelu, "BiasGelu", TOLERANCE);
    assert_string_equal(g->first->inputs[1]->name, "b");
}

static void older_gelu_and_the_row_first(void **state)
{
    (void)state;
    sum("b,x", "8");
    contrib("Gelu", "t", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_bias_gelu, "BiasGelu", TOLERANCE);
    assert_string_equal(g->first->inputs[0]->name, "x");
}

static void gelu_by_tanh(void **state)
{
    (void)state;
    sum("x,b", "8");
    assert_int_equal(mq_node_set_attr_string(make_node(g, "Gelu", "t", "y"), "approximate", "tanh", NULL), MQ_OK);
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_bias_gelu, "FastGelu", TOLERANCE);
}

static void fast_gelu_takes_its_bias(void **state)
{
    (void)state;
    sum("x,b", "8");
    contrib("FastGelu", "t", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_bias_gelu, "FastGelu", TOLERANCE);
    assert_int_equal(g->first->n_inputs, 2);
}

static void not_fused_when_the_sum_is_read(void **state)
{
    (void)state;
    sum("x,b", "8");
    make_node(g, "Gelu", "t", "y");
    make_output(g, "y");
    make_output(g, "t");
    pass_leaves(&mq_pass_fuse_bias_gelu);
}

static void not_fused_when_the_row_is_short(void **state)
{
    (void)state;
    sum("x,b", "1");
    make_node(g, "Gelu", "t", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_bias_gelu);
}

static void not_fused_when_it_is_no_row(void **state)
{
    (void)state;
    sum("x,b", "3,8");
    make_node(g, "Gelu", "t", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_bias_gelu);
}

static void not_fused_when_the_row_varies(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,3,8");
    make_input(g, "b", MQ_FLOAT, "8");
    make_node(g, "Add", "x,b", "t");
    make_node(g, "Gelu", "t", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_bias_gelu);
}

static void not_fused_when_there_is_a_bias(void **state)
{
    (void)state;
    sum("x,b", "8");
    contrib("FastGelu", "t,b", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_bias_gelu);
}

static void not_fused_when_other_types(void **state)
{
    (void)state;
    make_input(g, "x", MQ_DOUBLE, "N,8");
    make_init(g, "b", MQ_DOUBLE, "8", (const double[8]){ 1 });
    make_node(g, "Add", "x,b", "t");
    make_node(g, "Gelu", "t", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_bias_gelu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(standard_gelu),
        ON_MODEL(older_gelu_and_the_row_first),
        ON_MODEL(gelu_by_tanh),
        ON_MODEL(fast_gelu_takes_its_bias),
        ON_MODEL(not_fused_when_the_sum_is_read),
        ON_MODEL(not_fused_when_the_row_is_short),
        ON_MODEL(not_fused_when_it_is_no_row),
        ON_MODEL(not_fused_when_the_row_varies),
        ON_MODEL(not_fused_when_there_is_a_bias),
        ON_MODEL(not_fused_when_other_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
