/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/select.c: which constants are weights, along which axis, and each reason to stay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "quant_make.h"

static mq_model *m;
static mq_graph *g;
static mq_quant_plan plan;
static mq_quantize_opts opts;

static int setup(void **state)
{
    (void)state;
    m = make_model(17);
    g = m->graph;
    plan = (mq_quant_plan){ 0 };
    opts = mq_quantize_opts_default();
    make_input(g, "x", MQ_FLOAT, "N,64");
    make_input(g, "img", MQ_FLOAT, "N,8,16,16");
    make_input(g, "ids", MQ_INT64, "N,S");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mq_quant_plan_release(&plan);
    mq_model_free(m);
    return 0;
}

static void set(mq_names *names, const char *const *items, size_t n)
{
    *names = (mq_names){ items, n };
}

#define SET(names, ...)                                                                     \
    set(names, (const char *const[]){ __VA_ARGS__ }, MQ_ARRAY_LEN(((const char *const[]){ __VA_ARGS__ })))

static void is(const char *name, mq_stay stay, const char *detail)
{
    const mq_quant_item *it = make_find(&plan, name);

    assert_non_null(it);
    assert_int_equal(it->stay, stay);
    assert_string_equal(it->stay_detail, detail);
}

static void quantized(const char *name, int axis, int64_t n_channels)
{
    const mq_quant_item *it = make_find(&plan, name);

    is(name, MQ_STAY_NOT, "");
    assert_int_equal(it->axis, axis);
    assert_int_equal(it->n_channels, n_channels);
    assert_int_equal(it->bytes_before, 4 * it->n);
    assert_int_equal(it->bytes_after, it->n + 4 * n_channels);
}

static void test_axes(void **state)
{
    (void)state;
    make_weight(g, "conv", "12,8,3,3");
    make_node(g, "Conv", "img,conv", "y1");
    make_weight(g, "conv1d", "12,8,9");
    make_node(g, "Conv", "img1,conv1d", "y1b");
    make_weight(g, "mm", "64,40");
    make_node(g, "MatMul", "x,mm", "y2");
    make_weight(g, "mm_left", "40,64");
    make_node(g, "MatMul", "mm_left,xt", "y3");
    make_weight(g, "mm3", "2,64,32");
    make_node(g, "MatMul", "x,mm3", "y4");
    make_weight(g, "mm3_left", "2,32,64");
    make_node(g, "MatMul", "mm3_left,xt", "y5");
    make_weight(g, "mm1", "640");
    make_node(g, "MatMul", "x640,mm1", "y6");
    make_weight(g, "gemm", "64,40");
    make_node(g, "Gemm", "x,gemm", "y7");
    make_weight(g, "gemm_t", "40,64");
    mq_node_set_attr_int(make_node(g, "Gemm", "x,gemm_t", "y8"), "transB", 1, NULL);
    make_weight(g, "table", "100,16");
    make_node(g, "Gather", "table,ids", "y9");
    make_weight(g, "one_channel", "64,1,3,3");
    make_node(g, "Gather", "one_channel,ids", "y10");
    make_weight(g, "one_output", "1,64,3,3");
    make_node(g, "Conv", "img64,one_output", "y11");
    make_plan(&plan, m, &opts);
    quantized("conv", 0, 12);
    quantized("conv1d", 0, 12);
    quantized("mm", 1, 40);
    quantized("mm_left", 0, 40);
    quantized("mm3", 2, 32);
    quantized("mm3_left", 1, 32);
    quantized("mm1", -1, 1);
    quantized("gemm", 1, 40);
    quantized("gemm_t", 0, 40);
    quantized("table", 0, 100);
    quantized("one_channel", 0, 64);
    quantized("one_output", -1, 1);
    assert_true(make_find(&plan, "table")->embedding);
    assert_false(make_find(&plan, "mm")->embedding);
    assert_int_equal(plan.needed_opset, 13);
    assert_int_equal(plan.n_quantized, 12);
}

static void test_per_tensor(void **state)
{
    (void)state;
    make_weight(g, "mm", "64,40");
    make_node(g, "MatMul", "x,mm", "y");
    opts.per_tensor = true;
    make_plan(&plan, m, &opts);
    quantized("mm", -1, 1);
    assert_int_equal(plan.needed_opset, 10);
}

/* Bias, normalization, shapes and computed weights are no weights. */
static void test_what_is_no_weight(void **state)
{
    (void)state;
    make_weight(g, "w", "12,8,3,3");
    make_weight(g, "bias", "600");
    make_node(g, "Conv", "img,w,bias", "y1");
    make_node(g, "MatMul", "x,xt", "y2");
    make_weight(g, "added", "64,64");
    make_node(g, "Add", "x,added", "y3");
    make_weight(g, "c", "64,64");
    make_node(g, "Gemm", "x,xt,c", "y4");
    make_weight(g, "other_domain", "64,64");
    make_node(g, "MatMul", "x,other_domain", "y5")->domain = "my.domain";
    make_plan(&plan, m, &opts);
    assert_int_equal(plan.items.n, 1);
    quantized("w", 0, 12);
}

static void test_constant_nodes_and_inputs(void **state)
{
    mq_value *v;
    int64_t dims[2] = { 64, 40 };
    mq_tensor *t = mq_tensor_create(m, "", MQ_FLOAT, 2, dims, NULL);

    (void)state;
    mq_node_set_attr_tensor(make_node(g, "Constant", "", "c"), "value", t, NULL);
    make_node(g, "MatMul", "x,c", "y");
    v = make_weight(g, "default", "64,40");
    make_type(v, MQ_FLOAT, "64,40");
    mq_graph_add_input(g, v, NULL);
    make_node(g, "MatMul", "x,default", "z");
    make_plan(&plan, m, &opts);
    quantized("c", 1, 40);
    quantized("default", 1, 40);
}

static void test_stays(void **state)
{
    static const int64_t ids[128] = { 0 };

    (void)state;
    make_init(g, "double", MQ_DOUBLE, "64,2", ids);
    make_node(g, "MatMul", "xd,double", "y1");
    make_weight(g, "small", "4,5");
    make_node(g, "MatMul", "x4,small", "y2");
    make_weight(g, "empty", "64,0");
    make_node(g, "MatMul", "x,empty", "y3");
    make_weight(g, "shared", "64,64");
    make_node(g, "MatMul", "x,shared", "y4");
    make_node(g, "Relu", "shared", "relu");
    make_weight(g, "as_bias", "64,64");
    make_node(g, "Gemm", "x,as_bias,as_bias", "y5");
    make_weight(g, "out", "64,40");
    make_node(g, "MatMul", "x,out", "y6");
    make_output(g, "out");
    make_weight(g, "columns", "10,64");
    mq_node_set_attr_int(make_node(g, "Gather", "columns,ids", "y7"), "axis", 1, NULL);
    make_init(g, "half", MQ_FLOAT16, "64,2", ids);
    make_node(g, "MatMul", "xh,half", "y8");
    make_init(g, "shape_table", MQ_INT64, "100", ids);
    make_node(g, "Gather", "shape_table,ids", "y9");
    make_weight(g, "both_sides", "40,40");
    make_node(g, "MatMul", "both_sides,both_sides", "y10");
    make_plan(&plan, m, &opts);
    is("double", MQ_STAY_TYPE, "double");
    is("half", MQ_STAY_TYPE, "float16");
    is("shape_table", MQ_STAY_TYPE, "int64");
    is("small", MQ_STAY_SMALL, "");
    is("empty", MQ_STAY_SMALL, "");
    is("shared", MQ_STAY_SHARED, "relu");
    is("as_bias", MQ_STAY_SHARED, "y5");
    is("both_sides", MQ_STAY_SHARED, "y10");
    is("out", MQ_STAY_OUTPUT, "");
    is("columns", MQ_STAY_AXIS, "");
    assert_int_equal(plan.n_quantized, 0);
    for (mq_stay s = MQ_STAY_EXCLUDED; s <= MQ_STAY_AXIS; s++) {
        assert_true(strlen(mq_stay_code(s)) > 0);
        assert_true(strlen(mq_stay_text(s)) > 0);
    }
}

/* Every Gather of a table counts, not only the first. */
static void test_table_looked_up_both_ways(void **state)
{
    (void)state;
    make_weight(g, "table", "50,64");
    make_node(g, "Gather", "table,ids", "rows");
    mq_node_set_attr_int(make_node(g, "Gather", "table,ids", "columns"), "axis", 1, NULL);
    make_plan(&plan, m, &opts);
    is("table", MQ_STAY_AXIS, "");
}

/* Looked up and multiplied: the whole table goes behind one DequantizeLinear, whatever the axis. */
static void test_table_that_is_also_a_factor(void **state)
{
    (void)state;
    make_weight(g, "tied", "64,50");
    mq_node_set_attr_int(make_node(g, "Gather", "tied,ids", "columns"), "axis", 1, NULL);
    make_node(g, "MatMul", "x,tied", "y");
    make_plan(&plan, m, &opts);
    is("tied", MQ_STAY_NOT, "");
    assert_false(make_find(&plan, "tied")->embedding);
}

static void test_weights_in_subgraphs(void **state)
{
    mq_graph *branch;

    (void)state;
    make_weight(g, "outer", "64,40");
    branch = make_subgraph(make_node(g, "If", "cond", "y"), "then_branch");
    make_weight(branch, "inner", "64,40");
    make_node(branch, "MatMul", "x,outer", "b1");
    make_node(branch, "MatMul", "x,inner", "b2");
    make_output(branch, "b1");
    make_plan(&plan, m, &opts);
    quantized("outer", 1, 40);
    quantized("inner", 1, 40);
}

/* ---- filters ------------------------------------------------------------------------------------------------------- */

static void two_layers(void)
{
    make_weight(g, "w1", "64,64");
    make_weight(g, "w2", "64,64");
    make_weight(g, "w3", "64,64");
    make_node(g, "MatMul", "x,w1", "first");
    make_node(g, "Gemm", "first,w2", "second");
    make_node(g, "MatMul", "second,w3", "third");
}

static void test_filters(void **state)
{
    static const struct {
        const char *kind, *text;
        mq_stay first, second, third;
    } table[] = {
        { "nodes", "second", MQ_STAY_EXCLUDED, MQ_STAY_NOT, MQ_STAY_EXCLUDED },
        { "exclude-nodes", "second", MQ_STAY_NOT, MQ_STAY_EXCLUDED, MQ_STAY_NOT },
        { "tensors", "w*", MQ_STAY_NOT, MQ_STAY_NOT, MQ_STAY_NOT },
        { "exclude-tensors", "re:w[12]", MQ_STAY_EXCLUDED, MQ_STAY_EXCLUDED, MQ_STAY_NOT },
        { "op-types", "MatMul", MQ_STAY_NOT, MQ_STAY_EXCLUDED, MQ_STAY_NOT },
        { "exclude-op-types", "MatMul", MQ_STAY_EXCLUDED, MQ_STAY_NOT, MQ_STAY_EXCLUDED },
    };

    (void)state;
    two_layers();
    for (size_t i = 0; i < MQ_ARRAY_LEN(table); i++) {
        mq_names *all[] = { &opts.nodes, &opts.exclude_nodes, &opts.tensors, &opts.exclude_tensors, &opts.op_types,
                            &opts.exclude_op_types };
        opts = mq_quantize_opts_default();
        SET(all[i], table[i].text);
        mq_quant_plan_release(&plan);
        make_plan(&plan, m, &opts);
        is("w1", table[i].first, "");
        is("w2", table[i].second, "");
        is("w3", table[i].third, "");
    }
}

static void refused(const char *text)
{
    mq_error err = { 0 };

    mq_quant_plan_release(&plan);
    plan = (mq_quant_plan){ .model = m, .opts = &opts };
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    assert_int_equal(mq_quant_select(&plan, &err), MQ_ERR_USAGE);
    assert_string_equal(err.text, text);
    opts = mq_quantize_opts_default();
}

static void test_filters_without_a_match(void **state)
{
    (void)state;
    two_layers();
    SET(&opts.nodes, "frist");
    refused("--nodes: 'frist' matches nothing (did you mean 'first'?)");
    SET(&opts.exclude_nodes, "first", "nowhere*");
    refused("--exclude-nodes: 'nowhere*' matches nothing");
    SET(&opts.tensors, "w9");
    refused("--tensors: 'w9' matches nothing (did you mean 'w1', 'w2', 'w3'?)");
    SET(&opts.exclude_tensors, "q");
    refused("--exclude-tensors: 'q' matches nothing");
    SET(&opts.op_types, "Conv");
    refused("--op-types: 'Conv' matches nothing");
    SET(&opts.exclude_op_types, "Matmul");
    refused("--exclude-op-types: 'Matmul' matches nothing (did you mean 'MatMul'?)");
}

/* One of two users of a shared weight is excluded: the weight stays. */
static void test_shared_weight_partly_excluded(void **state)
{
    (void)state;
    make_weight(g, "w", "64,64");
    make_node(g, "MatMul", "x,w", "first");
    make_node(g, "MatMul", "first,w", "second");
    SET(&opts.exclude_nodes, "second");
    make_plan(&plan, m, &opts);
    is("w", MQ_STAY_EXCLUDED, "");
}

#define ON_MODEL(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(test_axes),
        ON_MODEL(test_per_tensor),
        ON_MODEL(test_what_is_no_weight),
        ON_MODEL(test_constant_nodes_and_inputs),
        ON_MODEL(test_stays),
        ON_MODEL(test_table_looked_up_both_ways),
        ON_MODEL(test_table_that_is_also_a_factor),
        ON_MODEL(test_weights_in_subgraphs),
        ON_MODEL(test_filters),
        ON_MODEL(test_filters_without_a_match),
        ON_MODEL(test_shared_weight_partly_excluded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
