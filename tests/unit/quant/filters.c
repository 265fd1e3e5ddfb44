/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/filters.c: which weights the options mean, and what mistakes they tell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "quant/filters.h"
#include "quant_make.h"

static mq_node *nodes[3];

/* Three operators with the weights w1, w2 and w3. */
static int setup(void **state)
{
    quant_setup(state);
    nodes[0] = make_node(g, "MatMul", "x,w1", "first");
    nodes[1] = make_node(g, "Gemm", "first,w2", "second");
    nodes[2] = make_node(g, "MatMul", "second,w3", "third");
    return 0;
}

#define SET(names, ...)                                                     \
    (names) = (mq_names){ (const char *const[]){ __VA_ARGS__ },             \
                          MQ_ARRAY_LEN(((const char *const[]){ __VA_ARGS__ })) }

static mq_quant_filters *offered(void)
{
    mq_quant_filters *f = NULL;

    assert_int_equal(mq_quant_filters_create(&f, &opts, NULL), MQ_OK);
    for (int i = 0; i < 3; i++)
        mq_quant_filters_offer(f, nodes[i], nodes[i]->inputs[1]);
    return f;
}

/* Which of the three are wanted, as bits. */
static void wants(unsigned mask)
{
    mq_quant_filters *f = offered();

    for (int i = 0; i < 3; i++)
        assert_int_equal(mq_quant_filters_want(f, nodes[i], nodes[i]->inputs[1]), mask >> i & 1);
    assert_int_equal(mq_quant_filters_check(f, NULL), MQ_OK);
    mq_quant_filters_free(f);
    opts = mq_quantize_opts_default();
}

static void test_each_filter(void **state)
{
    (void)state;
    wants(7);
    SET(opts.nodes, "second");
    wants(2);
    SET(opts.exclude_nodes, "second");
    wants(5);
    SET(opts.tensors, "w1", "re:w[3-9]");
    wants(5);
    SET(opts.exclude_tensors, "w*");
    wants(0);
    SET(opts.op_types, "MatMul");
    wants(5);
    SET(opts.exclude_op_types, "MatMul");
    wants(2);
    SET(opts.op_types, "MatMul");
    SET(opts.exclude_nodes, "third", "second"); /* matches, though the other filter has taken it out already */
    wants(1);
}

static void refused(const char *text)
{
    mq_quant_filters *f = NULL;
    mq_error err = { 0 };

    if (mq_quant_filters_create(&f, &opts, &err) == MQ_OK) {
        mq_quant_filters_free(f);
        f = offered();
        for (int i = 0; i < 3; i++) {
            mq_quant_filters_want(f, nodes[i], nodes[i]->inputs[1]);
            mq_quant_filters_type(f, nodes[i]->inputs[1]);
        }
        assert_int_equal(mq_quant_filters_check(f, &err), MQ_ERR_USAGE);
    }
    assert_int_equal(err.status, MQ_ERR_USAGE);
    assert_string_equal(err.text, text);
    mq_quant_filters_free(f);
    opts = mq_quantize_opts_default();
}

static void test_without_a_match(void **state)
{
    (void)state;
    SET(opts.nodes, "frist");
    refused("--nodes: 'frist' matches nothing (did you mean 'first'?)");
    SET(opts.exclude_nodes, "first", "nowhere*");
    refused("--exclude-nodes: 'nowhere*' matches nothing");
    SET(opts.tensors, "w9");
    refused("--tensors: 'w9' matches nothing (did you mean 'w1', 'w2', 'w3'?)");
    SET(opts.exclude_tensors, "q");
    refused("--exclude-tensors: 'q' matches nothing");
    SET(opts.op_types, "Conv");
    refused("--op-types: 'Conv' matches nothing");
    SET(opts.exclude_op_types, "Matmul");
    refused("--exclude-op-types: 'Matmul' matches nothing (did you mean 'MatMul'?)");
    SET(opts.tensor_types, "other=int4");
    refused("--tensor-type: 'other' matches nothing");
}

static void test_bad_patterns(void **state)
{
    mq_quant_filters *f = NULL;

    (void)state;
    SET(opts.nodes, "re:(");
    assert_int_equal(mq_quant_filters_create(&f, &opts, NULL), MQ_ERR_USAGE);
    assert_null(f);
    mq_quant_filters_free(NULL);
}

static void test_types(void **state)
{
    mq_quant_filters *f;

    (void)state;
    SET(opts.tensor_types, "w*=int4", "w1=float", "re:w[=3]=uint16"); /* the last one that matches counts */
    f = offered();
    assert_int_equal(mq_quant_filters_type(f, nodes[0]->inputs[1]), MQ_FLOAT);
    assert_int_equal(mq_quant_filters_type(f, nodes[1]->inputs[1]), MQ_INT4);
    assert_int_equal(mq_quant_filters_type(f, nodes[2]->inputs[1]), MQ_UINT16);
    assert_int_equal(mq_quant_filters_check(f, NULL), MQ_OK);
    mq_quant_filters_free(f);
    opts = mq_quantize_opts_default();
    f = offered();
    assert_int_equal(mq_quant_filters_type(f, nodes[0]->inputs[1]), MQ_UNDEFINED);
    mq_quant_filters_free(f);
}

static void test_types_refused(void **state)
{
    mq_error err = { 0 };
    mq_dtype type = MQ_STRING;

    (void)state;
    SET(opts.tensor_types, "w1");
    refused("--tensor-type: 'w1' is not PATTERN=TYPE");
    SET(opts.tensor_types, "=int8");
    refused("--tensor-type: '=int8' is not PATTERN=TYPE");
    SET(opts.tensor_types, "w1=int3");
    refused("--tensor-type: 'int3' is none of int8, uint8, int4, uint4, int2, uint2, int16, uint16, float");
    assert_int_equal(mq_quant_type("--type", "float", false, &type, &err), MQ_ERR_USAGE);
    assert_string_equal(err.text, "--type: 'float' is none of int8, uint8, int4, uint4, int2, uint2, int16, uint16");
    assert_int_equal(mq_quant_type("--type", "int32", false, &type, &err), MQ_ERR_USAGE);
    assert_int_equal(type, MQ_STRING);
    assert_int_equal(mq_quant_type("--type", "uint2", false, &type, &err), MQ_OK);
    assert_int_equal(type, MQ_UINT2);
}

#define FILTERING(test) cmocka_unit_test_setup_teardown(test, setup, quant_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILTERING(test_each_filter), FILTERING(test_without_a_match), FILTERING(test_bad_patterns),
        FILTERING(test_types),       FILTERING(test_types_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
