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

static int setup(void **state)
{
    quant_setup(state);
    make_input(g, "x", MQ_FLOAT, "N,64");
    make_input(g, "img", MQ_FLOAT, "N,8,16,16");
    make_input(g, "ids", MQ_INT64, "N,S");
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
    const mq_quant_item *it = quant_find(name);

    assert_non_null(it);
    assert_int_equal(it->stay, stay);
    assert_string_equal(it->stay_detail, detail);
}

static void quantized(const char *name, int axis, int64_t n_channels)
{
    const mq_quant_item *it = quant_find(name);

    is(name, MQ_STAY_NOT, "");
    assert_int_equal(it->axis, axis);
    assert_int_equal(it->weight.grid.n_scales, n_channels);
    assert_int_equal(it->bytes_before, 4 * it->weight.source.n);
    assert_int_equal(it->bytes_after, it->weight.source.n + 4 * n_channels);
}

/* Between integers only a matrix on the right has a scale per column. */
static void test_axes_static(void **state)
{
    (void)state;
    opts.mode = MQ_MODE_STATIC;
    opts.act_type = "uint8";
    make_weight(g, "mm", "64,40");
    make_node(g, "MatMul", "x,mm", "y2");
    make_weight(g, "mm3", "2,64,32");
    make_node(g, "MatMul", "x,mm3", "y4");
    make_weight(g, "mm3_left", "2,32,64");
    make_node(g, "MatMul", "mm3_left,xt", "y5");
    make_weight(g, "left", "32,64");
    make_node(g, "MatMul", "left,xt", "y6");
    quant_select();
    quantized("mm", 1, 40);
    quantized("mm3", -1, 1);
    quantized("mm3_left", -1, 1);
    quantized("left", -1, 1);
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
    quant_select();
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
    assert_true(quant_find("table")->embedding);
    assert_false(quant_find("mm")->embedding);
    assert_int_equal(plan.needed_opset, 13);
    assert_int_equal(plan.n_quantized, 12);
}

static void test_per_tensor(void **state)
{
    (void)state;
    make_weight(g, "mm", "64,40");
    make_node(g, "MatMul", "x,mm", "y");
    opts.per_tensor = true;
    quant_select();
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
    quant_select();
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
    quant_select();
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
    make_node_int(g, "Gather", "columns,ids", "y7", "axis", 1);
    make_init(g, "shape_table", MQ_INT64, "100", ids);
    make_node(g, "Gather", "shape_table,ids", "y9");
    make_weight(g, "both_sides", "40,40");
    make_node(g, "MatMul", "both_sides,both_sides", "y10");
    make_weight(g, "nine", "1,1,1,1,1,1,1,1,4");
    make_node(g, "Gather", "nine,ids", "y11");
    make_weight_of(g, "float8", MQ_FLOAT8E4M3FN, "64,64");
    make_node(g, "MatMul", "x,float8", "y12");
    quant_select();
    is("double", MQ_STAY_TYPE, "double");
    is("small", MQ_STAY_SMALL, "");
    is("empty", MQ_STAY_SMALL, "");
    is("shared", MQ_STAY_SHARED, "relu");
    is("as_bias", MQ_STAY_SHARED, "y5");
    is("both_sides", MQ_STAY_SHARED, "y10");
    is("out", MQ_STAY_OUTPUT, "");
    is("columns", MQ_STAY_AXIS, "");
    is("float8", MQ_STAY_TYPE, "float8e4m3fn");
    for (size_t i = 0; i < plan.items.n; i++) {
        assert_string_not_equal(plan.items.items[i]->value->name, "shape_table"); /* integers are no weights */
        assert_int_equal(plan.items.items[i]->bytes_after, plan.items.items[i]->bytes_before);
    }
    assert_int_equal(plan.n_quantized, 0);
    for (mq_stay s = MQ_STAY_EXCLUDED; s < MQ_N_STAYS; s++) {
        assert_true(strlen(mq_stay_code(s)) > 0);
        assert_true(strlen(mq_stay_text(s)) > 0);
    }
}

static void test_float16(void **state)
{
    static const mq_dtype types[] = { MQ_FLOAT16, MQ_BFLOAT16 };

    (void)state;
    make_input(g, "xh", MQ_FLOAT16, "N,64");
    make_weight_of(g, "float16", MQ_FLOAT16, "64,64");
    make_node(g, "MatMul", "xh,float16", "y1");
    make_input(g, "xb", MQ_BFLOAT16, "N,64");
    make_weight_of(g, "bfloat16", MQ_BFLOAT16, "64,64");
    make_node(g, "MatMul", "xb,bfloat16", "y2");
    make_weight_of(g, "cast", MQ_FLOAT16, "64,64");
    make_node_int(g, "Cast", "cast", "wide", "to", MQ_FLOAT);
    make_node(g, "MatMul", "x,wide", "y3");
    quant_select();
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(quant_find(mq_dtype_name(types[i]))->weight.scheme.scale_type, types[i]);
    assert_int_equal(quant_find("wide")->weight.scheme.scale_type, MQ_FLOAT);
    assert_string_equal(quant_find("wide")->constant->name, "cast");
    assert_int_equal(quant_find("float16")->bytes_after, 64 * 64 + 2 * 64);
    assert_int_equal(plan.needed_opset, 19);
    assert_int_equal(plan.n_quantized, 3);
}

/* ---- constants behind operators ------------------------------------------------------------------------------------ */

static void test_chains(void **state)
{
    static const int64_t shape[2] = { 64, 50 };

    (void)state;
    make_weight(g, "a", "40,64");
    make_node(g, "Transpose", "a", "a_t");
    make_node(g, "Identity", "a_t", "a_i");
    make_node(g, "MatMul", "x,a_i", "y1");
    make_weight(g, "b", "3200");
    make_init(g, "shape", MQ_INT64, "2", shape);
    make_node(g, "Reshape", "b,shape", "b_r");
    make_node(g, "MatMul", "x,b_r", "y2");
    quant_select();
    quantized("a_i", 1, 40);
    quantized("b_r", 1, 50);
    assert_string_equal(quant_find("a_i")->constant->name, "a");
    assert_string_equal(quant_find("b_r")->constant->name, "b");
}

/* Used behind its Transpose by something that is no product: the constant has to stay. */
static void test_other_use_behind_a_chain(void **state)
{
    (void)state;
    make_weight(g, "a", "64,64");
    make_node(g, "MatMul", "x,a", "y1");
    make_node(g, "Transpose", "a", "a_t");
    make_node(g, "Relu", "a_t", "relu");
    make_weight(g, "b", "64,64");
    make_node(g, "MatMul", "x,b", "y2");
    make_node(g, "Transpose", "b", "b_t");
    make_output(g, "b_t");
    quant_select();
    is("a", MQ_STAY_SHARED, "relu");
    is("b", MQ_STAY_OUTPUT, "");
}

/* One constant, seen two ways: each way has its integers, unless one has to stay. */
static void test_shared_constant(void **state)
{
    (void)state;
    make_weight(g, "w", "64,64");
    make_node(g, "MatMul", "x,w", "first");
    make_node(g, "Transpose", "w", "w_t");
    make_node(g, "MatMul", "first,w_t", "second");
    quant_select();
    quantized("w", 1, 64);
    quantized("w_t", 1, 64);
    SET(&opts.exclude_nodes, "second");
    quant_select();
    is("w_t", MQ_STAY_EXCLUDED, "");
    is("w", MQ_STAY_SHARED, "second");
    assert_int_equal(quant_find("w")->bytes_after, quant_find("w")->bytes_before);
}

/* ---- types of few bits --------------------------------------------------------------------------------------------- */

static void has(const char *name, mq_dtype type, mq_granularity kind, size_t n_scales)
{
    const mq_quant_item *it = quant_find(name);

    is(name, MQ_STAY_NOT, "");
    assert_int_equal(it->weight.scheme.type, type);
    assert_int_equal(it->weight.grid.kind, kind);
    assert_int_equal(it->weight.grid.n_scales, n_scales);
}

/* Embeddings, last layers and what has no room for blocks take the type of the ends. */
static void test_low_bits(void **state)
{
    (void)state;
    make_weight(g, "conv", "12,64,3,3");
    make_node(g, "Conv", "img64,conv", "c1");
    make_weight(g, "depthwise", "64,1,3,3");
    make_node(g, "Conv", "c1,depthwise", "c2");
    make_weight(g, "table", "100,64");
    make_node(g, "Gather", "table,ids", "rows");
    make_weight(g, "inner", "64,70");
    make_node(g, "MatMul", "rows,inner", "h");
    make_node(g, "Relu", "h", "r");
    make_weight(g, "last", "70,50");
    make_node(g, "MatMul", "r,last", "s");
    make_node(g, "Softmax", "s", "out");
    make_output(g, "out");
    opts.type = "int4";
    quant_select();
    has("conv", MQ_INT4, MQ_PER_BLOCK, 12 * 2 * 9);
    has("depthwise", MQ_INT8, MQ_PER_CHANNEL, 64);
    has("table", MQ_INT8, MQ_PER_CHANNEL, 100);
    has("inner", MQ_INT4, MQ_PER_BLOCK, 2 * 70);
    has("last", MQ_INT8, MQ_PER_CHANNEL, 50);
    assert_true(quant_find("last")->last);
    assert_false(quant_find("inner")->last);
    assert_int_equal(plan.needed_opset, 21);
    opts.ends_type = "int16";
    quant_select();
    has("last", MQ_INT16, MQ_PER_CHANNEL, 50);
    opts.type = "uint2";
    quant_select();
    has("inner", MQ_UINT2, MQ_PER_BLOCK, 2 * 70);
    assert_int_equal(plan.needed_opset, 25);
}

/* A type that is asked for by name is taken, also where there is no axis for blocks. */
static void test_tensor_types(void **state)
{
    (void)state;
    make_weight(g, "vector", "640");
    make_node(g, "MatMul", "x640,vector", "y1");
    make_weight(g, "flat_table", "700");
    make_node(g, "Gather", "flat_table,ids", "y2");
    make_weight(g, "table", "100,64");
    make_node(g, "Gather", "table,ids", "y3");
    make_weight(g, "left_alone", "64,64");
    make_node(g, "MatMul", "y3,left_alone", "y4");
    SET(&opts.tensor_types, "*=int4", "left_alone=float");
    quant_select();
    has("vector", MQ_INT4, MQ_PER_TENSOR, 1);
    has("flat_table", MQ_INT4, MQ_PER_TENSOR, 1);
    has("table", MQ_INT4, MQ_PER_BLOCK, 200);
    is("left_alone", MQ_STAY_EXCLUDED, "");
    opts.format = MQ_FORMAT_NBITS;
    opts.per_tensor = true; /* those operators know nothing but blocks */
    quant_select();
    has("flat_table", MQ_INT4, MQ_PER_TENSOR, 1);
    has("table", MQ_INT4, MQ_PER_BLOCK, 200);
    assert_string_equal(mq_treatment_name(quant_find("table")), "gather-nbits");
}

static void test_block_fallback(void **state)
{
    mq_error err = { 0 };

    (void)state;
    make_input(g, "x80", MQ_FLOAT, "N,80");
    make_weight(g, "w", "80,64");
    make_node(g, "MatMul", "x80,w", "y");
    make_weight(g, "even", "64,64");
    make_node(g, "MatMul", "x,even", "y2");
    opts.type = "int4";
    quant_select();
    has("w", MQ_INT4, MQ_PER_BLOCK, 3 * 64);
    opts.block_fallback = MQ_BLOCK_ADJUST;
    quant_select();
    has("w", MQ_INT4, MQ_PER_BLOCK, 5 * 64);
    opts.block_fallback = MQ_BLOCK_SKIP;
    quant_select();
    is("w", MQ_STAY_BLOCKS, "");
    has("even", MQ_INT4, MQ_PER_BLOCK, 2 * 64);
    opts.block_fallback = MQ_BLOCK_ERROR;
    assert_int_equal(quant_try(&err), MQ_ERR_UNSUPPORTED);
    assert_string_equal(err.text, "weight 'w': blocks of 32 do not divide 80 (--block-fallback)");
}

/* Constants of a function body belong to every call: they are not looked at. */
static void test_function_body(void **state)
{
    mq_function *f = mq_arena_calloc(m->arena, 1, sizeof *f);

    (void)state;
    assert_non_null(f);
    f->name = "F";
    f->domain = "my";
    f->overload = "";
    f->body = mq_graph_create(m, NULL, NULL, "F");
    f->body->function = f;
    assert_int_equal(mq_model_add_function(m, f, NULL), MQ_OK);
    make_weight(f->body, "w", "64,64");
    make_node(f->body, "MatMul", "a,w", "b");
    quant_select();
    assert_int_equal(plan.items.n, 0);
}

/* Every Gather of a table counts, not only the first. */
static void test_table_looked_up_both_ways(void **state)
{
    (void)state;
    make_weight(g, "table", "50,64");
    make_node(g, "Gather", "table,ids", "rows");
    mq_node_set_attr_int(make_node(g, "Gather", "table,ids", "columns"), "axis", 1, NULL);
    quant_select();
    is("table", MQ_STAY_AXIS, "");
}

/* Looked up and multiplied: the whole table goes behind one DequantizeLinear, whatever the axis. */
static void test_table_that_is_also_a_factor(void **state)
{
    (void)state;
    make_weight(g, "tied", "64,50");
    mq_node_set_attr_int(make_node(g, "Gather", "tied,ids", "columns"), "axis", 1, NULL);
    make_node(g, "MatMul", "x,tied", "y");
    quant_select();
    is("tied", MQ_STAY_NOT, "");
    assert_false(quant_find("tied")->embedding);
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
    quant_select();
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
        quant_select();
        is("w1", table[i].first, "");
        is("w2", table[i].second, "");
        is("w3", table[i].third, "");
    }
}

static void refused(const char *text)
{
    mq_error err = { 0 };

    assert_int_equal(quant_try(&err), MQ_ERR_USAGE);
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

/* Two users of a shared weight are excluded by name: both names have matched. */
static void test_shared_weight_excluded_twice(void **state)
{
    (void)state;
    make_weight(g, "w", "64,64");
    make_node(g, "MatMul", "x,w", "first");
    make_node(g, "MatMul", "first,w", "second");
    SET(&opts.exclude_nodes, "first", "second");
    quant_select();
    is("w", MQ_STAY_EXCLUDED, "");
}

/* One of two users of a shared weight is excluded: the weight stays. */
static void test_shared_weight_partly_excluded(void **state)
{
    (void)state;
    make_weight(g, "w", "64,64");
    make_node(g, "MatMul", "x,w", "first");
    make_node(g, "MatMul", "first,w", "second");
    SET(&opts.exclude_nodes, "second");
    quant_select();
    is("w", MQ_STAY_EXCLUDED, "");
}

#define SELECTING(test) cmocka_unit_test_setup_teardown(test, setup, quant_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SELECTING(test_axes),
        SELECTING(test_axes_static),
        SELECTING(test_per_tensor),
        SELECTING(test_what_is_no_weight),
        SELECTING(test_constant_nodes_and_inputs),
        SELECTING(test_stays),
        SELECTING(test_float16),
        SELECTING(test_chains),
        SELECTING(test_other_use_behind_a_chain),
        SELECTING(test_shared_constant),
        SELECTING(test_low_bits),
        SELECTING(test_tensor_types),
        SELECTING(test_block_fallback),
        SELECTING(test_function_body),
        SELECTING(test_table_looked_up_both_ways),
        SELECTING(test_table_that_is_also_a_factor),
        SELECTING(test_weights_in_subgraphs),
        SELECTING(test_filters),
        SELECTING(test_filters_without_a_match),
        SELECTING(test_shared_weight_partly_excluded),
        SELECTING(test_shared_weight_excluded_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
