/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_fuse_nbits;

#define TOLERANCE 1e-5

typedef struct form {
    mq_dtype dtype;
    bool zeros, rows; /* zero points; stored [N, K] behind a Transpose */
    int block;        /* 0: a scale per output; -1: one scale */
    int k, n;
} form;

static mq_node *weight(const form *f)
{
    char dims[40], scale_dims[40] = "";
    const int blocks = f->block > 0 ? (f->k + f->block - 1) / f->block : 1;
    mq_node *dq;

    snprintf(dims, sizeof dims, "%d,%d", f->rows ? f->n : f->k, f->rows ? f->k : f->n);
    if (f->block > 0)
        snprintf(scale_dims, sizeof scale_dims, "%d,%d", f->rows ? f->n : blocks, f->rows ? blocks : f->n);
    else if (f->block == 0)
        snprintf(scale_dims, sizeof scale_dims, "%d", f->n);
    make_random("w_q", f->dtype, dims);
    make_positive("w_s", scale_dims, 0.01f);
    if (f->zeros)
        make_random("w_z", f->dtype, scale_dims);
    dq = make_node(g, "DequantizeLinear", f->zeros ? "w_q,w_s,w_z" : "w_q,w_s", f->rows ? "w_t" : "w");
    if (f->rows)
        node_ints(make_node(g, "Transpose", "w_t", "w"), "perm", "1,0");
    if (f->block > 0)
        node_int(dq, "block_size", f->block);
    return node_int(dq, "axis", (f->block > 0) != f->rows ? 0 : 1);
}

static void input_of(int k)
{
    char dims[20];

    snprintf(dims, sizeof dims, "N,3,%d", k);
    make_input(g, "x", MQ_FLOAT, dims);
}

static void every_form(void **state)
{
    static const form forms[] = {
        { MQ_UINT4, true, false, 16, 64, 5 },  { MQ_UINT4, false, false, 32, 70, 6 }, { MQ_INT4, false, false, 16, 40, 7 },
        { MQ_INT4, true, true, 32, 96, 5 },    { MQ_UINT8, true, false, 16, 48, 4 },  { MQ_INT8, true, true, 16, 50, 4 },
        { MQ_UINT2, true, false, 16, 64, 4 },  { MQ_INT2, false, true, 16, 64, 8 },   { MQ_INT8, false, false, 0, 100, 70 },
        { MQ_INT8, true, true, 0, 256, 3 },    { MQ_UINT8, true, false, -1, 40, 3 },  { MQ_INT4, false, false, 0, 33, 130 },
        { MQ_UINT4, true, true, 64, 65, 3 },
    };

    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        pass_setup(state);
        pass_seed = i + 1;
        input_of(forms[i].k);
        weight(&forms[i]);
        make_node(g, "MatMul", "x,w", "y");
        make_output(g, "y");
        pass_becomes(&mq_pass_fuse_nbits, "MatMulNBits", TOLERANCE);
        pass_teardown(state);
    }
}

static void bias_goes_with_it(void **state)
{
    (void)state;
    input_of(64);
    weight(&(form){ MQ_INT4, false, false, 16, 64, 6 });
    make_random("b", MQ_FLOAT, "6");
    make_node(g, "MatMul", "x,w", "t");
    make_node(g, "Add", "b,t", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_nbits, "MatMulNBits", TOLERANCE);
    assert_int_equal(g->first->n_inputs, 6);
    assert_null(g->first->inputs[3]); /* signed without zero points: the operator's default */
}

static void product_of_the_model_takes_the_bias(void **state)
{
    (void)state;
    input_of(64);
    make_random("w", MQ_UINT8, "6,4,8");
    make_positive("s", "6,4", 0.01f);
    make_random("b", MQ_FLOAT, "6");
    node_int(node_int(make_node(g, "MatMulNBits", "x,w,s", "t"), "K", 64), "N", 6)->domain = "com.microsoft";
    node_int(node_int(g->first, "bits", 4), "block_size", 16);
    make_node(g, "Add", "t,b", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_nbits, "MatMulNBits", TOLERANCE);
}

static void gemm_by_rows(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,64");
    make_random("w_q", MQ_INT8, "6,64");
    make_positive("w_s", "6", 0.01f);
    node_int(make_node(g, "DequantizeLinear", "w_q,w_s", "w"), "axis", 0);
    make_random("b", MQ_FLOAT, "6");
    node_int(make_node(g, "Gemm", "x,w,b", "y"), "transB", 1);
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_nbits, "MatMulNBits", TOLERANCE);
}

static void left_alone(const form *f)
{
    input_of(f->k);
    weight(f);
    make_node(g, "MatMul", "x,w", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_nbits);
}

static void not_fused_with_odd_blocks(void **state)
{
    (void)state;
    left_alone(&(form){ MQ_INT4, false, false, 24, 48, 6 });
}

static void not_fused_with_small_blocks(void **state)
{
    (void)state;
    left_alone(&(form){ MQ_INT4, false, false, 8, 48, 6 });
}

static void not_fused_with_16_bits(void **state)
{
    (void)state;
    left_alone(&(form){ MQ_INT16, false, false, 16, 48, 6 });
}

static void not_fused_with_scales_along_the_inner_axis(void **state)
{
    (void)state;
    input_of(48);
    make_random("w_q", MQ_INT8, "48,48");
    make_positive("w_s", "48", 0.01f);
    node_int(make_node(g, "DequantizeLinear", "w_q,w_s", "w"), "axis", 0);
    make_node(g, "MatMul", "x,w", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_nbits);
}

static void not_fused_when_the_input_is_transposed(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "64,N");
    weight(&(form){ MQ_INT4, false, false, 16, 64, 6 });
    node_int(make_node(g, "Gemm", "x,w", "y"), "transA", 1);
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_nbits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form),
        ON_MODEL(bias_goes_with_it),
        ON_MODEL(product_of_the_model_takes_the_bias),
        ON_MODEL(gemm_by_rows),
        ON_MODEL(not_fused_with_odd_blocks),
        ON_MODEL(not_fused_with_small_blocks),
        ON_MODEL(not_fused_with_16_bits),
        ON_MODEL(not_fused_with_scales_along_the_inner_axis),
        ON_MODEL(not_fused_when_the_input_is_transposed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
