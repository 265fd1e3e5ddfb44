/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/rewrite.c: the graph after the rewrite, as text, for each form of weight. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "quant_make.h"

static void test_conv(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,8,16,16");
    make_weight(g, "w", "12,8,3,3");
    make_weight(g, "b", "12");
    mq_node_set_attr_ints(make_node(g, "Conv", "x,w,b", "y"), "pads", (const int64_t[]){ 1, 1, 1, 1 }, 4, NULL);
    make_output(g, "y");
    quant_becomes("input x float[N,8,16,16]\n"
                  "init b float[12]\n"
                  "init w_quantized int8[12,8,3,3]\n"
                  "init w_scale float[12]\n"
                  "node 'w_DequantizeLinear' DequantizeLinear(w_quantized, w_scale) -> w axis=0\n"
                  "node 'y' Conv(x, w, b) -> y pads=[1,1,1,1]\n"
                  "output y ?\n");
}

static void test_matmul_right_and_left(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "64,64");
    make_weight(g, "right", "64,40");
    make_weight(g, "left", "40,64");
    make_node(g, "MatMul", "x,right", "y");
    make_node(g, "MatMul", "left,y", "z");
    make_output(g, "z");
    quant_becomes("input x float[64,64]\n"
                  "init right_quantized int8[64,40]\n"
                  "init right_scale float[40]\n"
                  "init left_quantized int8[40,64]\n"
                  "init left_scale float[40]\n"
                  "node 'right_DequantizeLinear' DequantizeLinear(right_quantized, right_scale) -> right axis=1\n"
                  "node 'y' MatMul(x, right) -> y\n"
                  "node 'left_DequantizeLinear' DequantizeLinear(left_quantized, left_scale) -> left axis=0\n"
                  "node 'z' MatMul(left, y) -> z\n"
                  "output z ?\n");
}

static void test_gemm(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,64");
    make_weight(g, "plain", "64,40");
    make_weight(g, "turned", "50,40");
    make_node(g, "Gemm", "x,plain", "y");
    mq_node_set_attr_int(make_node(g, "Gemm", "y,turned", "z"), "transB", 1, NULL);
    make_output(g, "z");
    quant_becomes("input x float[N,64]\n"
                  "init plain_quantized int8[64,40]\n"
                  "init plain_scale float[40]\n"
                  "init turned_quantized int8[50,40]\n"
                  "init turned_scale float[50]\n"
                  "node 'plain_DequantizeLinear' DequantizeLinear(plain_quantized, plain_scale) -> plain axis=1\n"
                  "node 'y' Gemm(x, plain) -> y\n"
                  "node 'turned_DequantizeLinear' DequantizeLinear(turned_quantized, turned_scale) -> turned axis=0\n"
                  "node 'z' Gemm(y, turned) -> z transB=1\n"
                  "output z ?\n");
}

static void test_per_tensor(void **state)
{
    (void)state;
    opts.per_tensor = true;
    make_input(g, "x", MQ_FLOAT, "N,64");
    make_weight(g, "w", "64,40");
    make_node(g, "MatMul", "x,w", "y");
    make_output(g, "y");
    quant_becomes("input x float[N,64]\n"
                  "init w_quantized int8[64,40]\n"
                  "init w_scale float[]\n"
                  "node 'w_DequantizeLinear' DequantizeLinear(w_quantized, w_scale) -> w\n"
                  "node 'y' MatMul(x, w) -> y\n"
                  "output y ?\n");
}

static void gather(const char *ids_dims)
{
    make_input(g, "ids", MQ_INT64, ids_dims);
    make_weight(g, "table", "100,16");
    make_node(g, "Gather", "table,ids", "y");
    make_output(g, "y");
}

static void test_gather_scalar(void **state)
{
    (void)state;
    gather("");
    quant_becomes("input ids int64[]\n"
                  "init table_quantized int8[100,16]\n"
                  "init table_scale float[100]\n"
                  "node 'y_Gather' Gather(table_quantized, ids) -> y_quantized\n"
                  "node 'y_Gather_1' Gather(table_scale, ids) -> y_scale\n"
                  "node 'y_DequantizeLinear' DequantizeLinear(y_quantized, y_scale) -> y\n"
                  "output y ?\n");
}

static void test_gather_vector(void **state)
{
    (void)state;
    gather("N");
    quant_becomes("input ids int64[N]\n"
                  "init table_quantized int8[100,16]\n"
                  "init table_scale float[100]\n"
                  "node 'y_Gather' Gather(table_quantized, ids) -> y_quantized\n"
                  "node 'y_Gather_1' Gather(table_scale, ids) -> y_scale\n"
                  "node 'y_DequantizeLinear' DequantizeLinear(y_quantized, y_scale) -> y axis=0\n"
                  "output y ?\n");
}

static void test_gather_matrix(void **state)
{
    (void)state;
    gather("N,S");
    quant_becomes("input ids int64[N,S]\n"
                  "init table_quantized int8[100,16]\n"
                  "init table_scale float[100]\n"
                  "init y_flat_shape int64[1]\n"
                  "init y_row_shape int64[1]\n"
                  "node 'y_Reshape' Reshape(ids, y_flat_shape) -> y_flat_ids\n"
                  "node 'y_Gather' Gather(table_quantized, y_flat_ids) -> y_quantized\n"
                  "node 'y_Gather_1' Gather(table_scale, y_flat_ids) -> y_scale\n"
                  "node 'y_DequantizeLinear' DequantizeLinear(y_quantized, y_scale) -> y_rows axis=0\n"
                  "node 'y_Shape' Shape(ids) -> y_ids_shape\n"
                  "node 'y_Concat' Concat(y_ids_shape, y_row_shape) -> y_rows_shape axis=0\n"
                  "node 'y_Reshape_1' Reshape(y_rows, y_rows_shape) -> y allowzero=1\n"
                  "output y ?\n");
}

static void test_gather_per_tensor(void **state)
{
    (void)state;
    opts.per_tensor = true;
    gather("N,S");
    quant_becomes("input ids int64[N,S]\n"
                  "init table_quantized int8[100,16]\n"
                  "init table_scale float[]\n"
                  "node 'y_Gather' Gather(table_quantized, ids) -> y_quantized\n"
                  "node 'y_DequantizeLinear' DequantizeLinear(y_quantized, table_scale) -> y\n"
                  "output y ?\n");
}

/* Two look-ups in one table share its integers. */
static void test_gather_twice(void **state)
{
    (void)state;
    make_input(g, "ids", MQ_INT64, "N");
    make_weight(g, "table", "100,16");
    make_node(g, "Gather", "table,ids", "y");
    make_node(g, "Gather", "table,ids", "z");
    make_output(g, "y");
    make_output(g, "z");
    quant_becomes("input ids int64[N]\n"
                  "init table_quantized int8[100,16]\n"
                  "init table_scale float[100]\n"
                  "node 'y_Gather' Gather(table_quantized, ids) -> y_quantized\n"
                  "node 'y_Gather_1' Gather(table_scale, ids) -> y_scale\n"
                  "node 'y_DequantizeLinear' DequantizeLinear(y_quantized, y_scale) -> y axis=0\n"
                  "node 'z_Gather' Gather(table_quantized, ids) -> z_quantized\n"
                  "node 'z_Gather_1' Gather(table_scale, ids) -> z_scale\n"
                  "node 'z_DequantizeLinear' DequantizeLinear(z_quantized, z_scale) -> z axis=0\n"
                  "output y ?\n"
                  "output z ?\n");
}

static void test_shared_weight(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,64");
    make_weight(g, "w", "64,64");
    make_node(g, "Relu", "x", "a");
    make_node(g, "MatMul", "a,w", "y");
    mq_node_set_attr_int(make_node(g, "Gemm", "y,w", "z"), "transB", 1, NULL);
    make_output(g, "z");
    quant_becomes("input x float[N,64]\n"
                  "init w_quantized int8[64,64]\n"
                  "init w_scale float[64]\n"
                  "node 'w_DequantizeLinear' DequantizeLinear(w_quantized, w_scale) -> w axis=1\n"
                  "node 'a' Relu(x) -> a\n"
                  "node 'y' MatMul(a, w) -> y\n"
                  "node 'z' Gemm(y, w) -> z transB=1\n"
                  "output z ?\n");
}

static void test_weight_that_is_an_input(void **state)
{
    mq_value *w;

    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,64");
    w = make_weight(g, "w", "64,40");
    make_type(w, MQ_FLOAT, "64,40");
    mq_graph_add_input(g, w, NULL);
    make_node(g, "MatMul", "x,w", "y");
    make_output(g, "y");
    quant_becomes("input x float[N,64]\n"
                  "init w_quantized int8[64,40]\n"
                  "init w_scale float[40]\n"
                  "node 'w_DequantizeLinear' DequantizeLinear(w_quantized, w_scale) -> w axis=1\n"
                  "node 'y' MatMul(x, w) -> y\n"
                  "output y ?\n");
    assert_string_equal(warned, "weight-input: 1 quantized weights were also graph inputs (as 'w') and are not any more");
}

static void test_constant_node(void **state)
{
    int64_t dims[2] = { 64, 40 };
    mq_tensor *t = mq_tensor_create(m, "", MQ_FLOAT, 2, dims, NULL);

    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,64");
    mq_node_set_attr_tensor(make_node(g, "Constant", "", "c"), "value", t, NULL);
    make_node(g, "Relu", "x", "a");
    make_node(g, "MatMul", "a,c", "y");
    make_output(g, "y");
    quant_becomes("input x float[N,64]\n"
                  "init c_quantized int8[64,40]\n"
                  "init c_scale float[40]\n"
                  "node 'a' Relu(x) -> a\n"
                  "node 'c_DequantizeLinear' DequantizeLinear(c_quantized, c_scale) -> c axis=1\n"
                  "node 'y' MatMul(a, c) -> y\n"
                  "output y ?\n");
}

static void test_subgraphs(void **state)
{
    mq_graph *branch;

    (void)state;
    make_input(g, "cond", MQ_BOOL, "");
    make_input(g, "x", MQ_FLOAT, "N,64");
    make_weight(g, "outer", "64,40");
    make_node(g, "Relu", "x", "a");
    branch = make_subgraph(make_node(g, "If", "cond", "y"), "then_branch");
    make_weight(branch, "inner", "40,50");
    make_weight(branch, "table", "100,16");
    make_node(branch, "MatMul", "a,outer", "b1");
    make_node(branch, "MatMul", "b1,inner", "b2");
    make_output(branch, "b2");
    make_output(g, "y");
    quant_becomes("input cond bool[]\n"
                  "input x float[N,64]\n"
                  "init outer_quantized int8[64,40]\n"
                  "init outer_scale float[40]\n"
                  "node 'outer_DequantizeLinear' DequantizeLinear(outer_quantized, outer_scale) -> outer axis=1\n"
                  "node 'a' Relu(x) -> a\n"
                  "node 'y' If(cond) -> y then_branch=(type 5, 1)\n"
                  "  then_branch:\n"
                  "    init table float[100,16]\n"
                  "    init inner_quantized int8[40,50]\n"
                  "    init inner_scale float[50]\n"
                  "    node 'b1' MatMul(a, outer) -> b1\n"
                  "    node 'inner_DequantizeLinear' DequantizeLinear(inner_quantized, inner_scale) -> inner axis=1\n"
                  "    node 'b2' MatMul(b1, inner) -> b2\n"
                  "    output b2 ?\n"
                  "output y ?\n");
}

/* An outer table looked up inside a branch: the look-ups stay where they are. */
static void test_outer_table_in_a_branch(void **state)
{
    mq_graph *branch;

    (void)state;
    make_input(g, "cond", MQ_BOOL, "");
    make_input(g, "ids", MQ_INT64, "N,S");
    make_weight(g, "table", "100,16");
    branch = make_subgraph(make_node(g, "If", "cond", "y"), "then_branch");
    make_node(branch, "Gather", "table,ids", "rows");
    make_output(branch, "rows");
    make_output(g, "y");
    quant_becomes("input cond bool[]\n"
                  "input ids int64[N,S]\n"
                  "init table_quantized int8[100,16]\n"
                  "init table_scale float[100]\n"
                  "init rows_flat_shape int64[1]\n"
                  "init rows_row_shape int64[1]\n"
                  "node 'y' If(cond) -> y then_branch=(type 5, 1)\n"
                  "  then_branch:\n"
                  "    node 'rows_Reshape' Reshape(ids, rows_flat_shape) -> rows_flat_ids\n"
                  "    node 'rows_Gather' Gather(table_quantized, rows_flat_ids) -> rows_quantized\n"
                  "    node 'rows_Gather_1' Gather(table_scale, rows_flat_ids) -> rows_scale\n"
                  "    node 'rows_DequantizeLinear' DequantizeLinear(rows_quantized, rows_scale) -> rows_rows axis=0\n"
                  "    node 'rows_Shape' Shape(ids) -> rows_ids_shape\n"
                  "    node 'rows_Concat' Concat(rows_ids_shape, rows_row_shape) -> rows_rows_shape axis=0\n"
                  "    node 'rows_Reshape_1' Reshape(rows_rows, rows_rows_shape) -> rows allowzero=1\n"
                  "    output rows ?\n"
                  "output y ?\n");
}

/* Names that are taken are left to who has them. */
static void test_names_taken(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,64");
    make_weight(g, "w", "64,40");
    make_node(g, "Relu", "x", "w_scale");
    make_node(g, "MatMul", "w_scale,w", "w_quantized");
    make_output(g, "w_quantized");
    quant_becomes("input x float[N,64]\n"
                  "init w_quantized_1 int8[64,40]\n"
                  "init w_scale_1 float[40]\n"
                  "node 'w_scale' Relu(x) -> w_scale\n"
                  "node 'w_DequantizeLinear' DequantizeLinear(w_quantized_1, w_scale_1) -> w axis=1\n"
                  "node 'w_quantized' MatMul(w_scale, w) -> w_quantized\n"
                  "output w_quantized ?\n");
}

/* One constant seen two ways becomes two sets of integers, and the operators between are gone. */
static void test_seen_two_ways(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,64");
    make_weight(g, "w", "64,64");
    make_node(g, "Transpose", "w", "t");
    make_node(g, "Identity", "t", "i");
    make_node(g, "Identity", "w", "unused");
    make_node(g, "MatMul", "x,w", "y");
    make_node(g, "MatMul", "y,i", "z");
    make_output(g, "z");
    quant_becomes("input x float[N,64]\n"
                  "init w_quantized int8[64,64]\n"
                  "init w_scale float[64]\n"
                  "init i_quantized int8[64,64]\n"
                  "init i_scale float[64]\n"
                  "node 'w_DequantizeLinear' DequantizeLinear(w_quantized, w_scale) -> w axis=1\n"
                  "node 'y' MatMul(x, w) -> y\n"
                  "node 'i_DequantizeLinear' DequantizeLinear(i_quantized, i_scale) -> i axis=1\n"
                  "node 'z' MatMul(y, i) -> z\n"
                  "output z ?\n");
}

/* A table that is looked up, and multiplied with in another type. */
static void test_table_seen_two_ways(void **state)
{
    (void)state;
    opts.type = "int4";
    opts.symmetric = MQ_CHOICE_YES;
    make_input(g, "ids", MQ_INT64, "N");
    make_weight(g, "table", "100,64");
    make_node(g, "Gather", "table,ids", "x");
    make_node(g, "Transpose", "table", "t");
    make_node(g, "MatMul", "x,t", "y");
    make_weight(g, "last", "100,64");
    make_node(g, "MatMul", "y,last", "z");
    make_output(g, "z");
    quant_becomes("input ids int64[N]\n"
                  "init table_quantized int8[100,64]\n"
                  "init table_scale float[100]\n"
                  "init t_quantized int4[64,100]\n"
                  "init t_scale float[2,100]\n"
                  "init last_quantized int8[100,64]\n"
                  "init last_scale float[64]\n"
                  "node 'x_Gather' Gather(table_quantized, ids) -> x_quantized\n"
                  "node 'x_Gather_1' Gather(table_scale, ids) -> x_scale\n"
                  "node 'x_DequantizeLinear' DequantizeLinear(x_quantized, x_scale) -> x axis=0\n"
                  "node 't_DequantizeLinear' DequantizeLinear(t_quantized, t_scale) -> t axis=0 block_size=32\n"
                  "node 'y' MatMul(x, t) -> y\n"
                  "node 'last_DequantizeLinear' DequantizeLinear(last_quantized, last_scale) -> last axis=1\n"
                  "node 'z' MatMul(y, last) -> z\n"
                  "output z ?\n");
}

static void test_float16(void **state)
{
    (void)state;
    opts.type = "uint8";
    make_input(g, "x", MQ_FLOAT16, "N,64");
    make_weight_of(g, "w", MQ_FLOAT16, "64,64");
    make_node(g, "MatMul", "x,w", "y");
    make_output(g, "y");
    quant_becomes("input x float16[N,64]\n"
                  "init w_quantized uint8[64,64]\n"
                  "init w_scale float16[64]\n"
                  "init w_zero_point uint8[64]\n"
                  "node 'w_DequantizeLinear' DequantizeLinear(w_quantized, w_scale, w_zero_point) -> w axis=1\n"
                  "node 'y' MatMul(x, w) -> y\n"
                  "output y ?\n");
}

/* The body behind a Constant node, a Reshape and a Cast. */
static void test_chain_from_a_constant_node(void **state)
{
    static const int64_t shape[2] = { 64, 40 };
    int64_t dims[1] = { 2560 };
    mq_tensor *c = mq_tensor_create(m, "", MQ_FLOAT16, 1, dims, NULL);

    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,64");
    mq_node_set_attr_tensor(make_node(g, "Constant", "", "c"), "value", c, NULL);
    make_init(g, "shape", MQ_INT64, "2", shape);
    make_node(g, "Reshape", "c,shape", "r");
    make_node_int(g, "Cast", "r", "w", "to", MQ_FLOAT);
    make_node(g, "MatMul", "x,w", "y");
    make_output(g, "y");
    quant_becomes("input x float[N,64]\n"
                  "init w_quantized int8[64,40]\n"
                  "init w_scale float[40]\n"
                  "node 'w_DequantizeLinear' DequantizeLinear(w_quantized, w_scale) -> w axis=1\n"
                  "node 'y' MatMul(x, w) -> y\n"
                  "output y ?\n");
}

/* What stays is untouched. */
static void test_nothing_chosen(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_weight(g, "w", "4,4");
    make_node(g, "MatMul", "x,w", "y");
    make_output(g, "y");
    quant_becomes("input x float[N,4]\n"
                  "init w float[4,4]\n"
                  "node 'y' MatMul(x, w) -> y\n"
                  "output y ?\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(test_conv),
        ON_MODEL(test_matmul_right_and_left),
        ON_MODEL(test_gemm),
        ON_MODEL(test_per_tensor),
        ON_MODEL(test_gather_scalar),
        ON_MODEL(test_gather_vector),
        ON_MODEL(test_gather_matrix),
        ON_MODEL(test_gather_per_tensor),
        ON_MODEL(test_gather_twice),
        ON_MODEL(test_shared_weight),
        ON_MODEL(test_weight_that_is_an_input),
        ON_MODEL(test_constant_node),
        ON_MODEL(test_subgraphs),
        ON_MODEL(test_outer_table_in_a_branch),
        ON_MODEL(test_names_taken),
        ON_MODEL(test_seen_two_ways),
        ON_MODEL(test_table_seen_two_ways),
        ON_MODEL(test_float16),
        ON_MODEL(test_chain_from_a_constant_node),
        ON_MODEL(test_nothing_chosen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
