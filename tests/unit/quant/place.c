/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/place.c: which tensors become integers, which share a scale, and what stays float. */
#include "quant/place.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "quant_make.h"

static void place(void)
{
    opts.mode = MQ_MODE_STATIC;
    opts.act_type = "uint8";
    quant_select();
    assert_non_null(plan.placement);
}

/* Points in order: "x"; "y=x" has the scale of x; "y!" is read by no integer operator. */
static void points_are(const char *want)
{
    char got[400] = "";

    place();
    for (size_t i = 0; i < plan.placement->points.n; i++) {
        mq_point *p = plan.placement->points.items[i], *root = mq_point_root(p);
        const size_t n = strlen(got);

        assert_ptr_equal(mq_placement_find(plan.placement, p->value), p);
        snprintf(got + n, sizeof got - n, "%s%s%s%s%s", n ? " " : "", p->value->name, root != p ? "=" : "",
                 root != p ? root->value->name : "", p->tail ? "!" : "");
    }
    assert_string_equal(got, want);
}

static void counts_are(size_t products, size_t carriers, size_t biases)
{
    assert_int_equal(plan.placement->products.n, products);
    assert_int_equal(plan.placement->n_carriers, carriers);
    assert_int_equal(plan.placement->biases.n, biases);
}

static void conv(const char *x, const char *w, const char *y)
{
    char in[60];

    if (!mq_graph_find(g, w))
        make_weight(g, w, "8,8,1,1");
    snprintf(in, sizeof in, "%s,%s", x, w);
    make_node(g, "Conv", in, y);
}

static void image(void)
{
    make_input(g, "x", MQ_FLOAT, "N,8,6,6");
}

static const mq_point *point(const char *name)
{
    const mq_point *p = mq_placement_find(plan.placement, mq_graph_find(g, name));

    assert_non_null(p);
    return p;
}

/* ---- products ------------------------------------------------------------------------------------------------------ */

/* A convolution's result is an integer even at the graph's end; Relu and Clip belong to it. */
static void test_convolutions(void **state)
{
    (void)state;
    image();
    conv("x", "w1", "a");
    make_node(g, "Relu", "a", "b");
    conv("b", "w2", "c");
    make_output(g, "c");
    points_are("x b c!");
    counts_are(2, 0, 0);
    assert_true(point("b")->bound_lo == 0 && isinf(point("b")->bound_hi));
    assert_true(isinf(point("x")->bound_lo) && isinf(point("x")->bound_hi));
    assert_string_equal(point("b")->reader, "c");
}

static void test_matmul_and_gemm_have_float_results(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,64");
    make_weight(g, "w", "64,64");
    make_weight(g, "v", "64,64");
    make_node(g, "MatMul", "x,w", "a");
    make_node(g, "Gemm", "a,v", "b");
    make_output(g, "b");
    points_are("x a");
    counts_are(2, 0, 0);
}

static void test_two_activations(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,8,8");
    make_weight(g, "w", "8,8");
    make_node(g, "MatMul", "x,w", "a");
    make_node(g, "Softmax", "a", "p");
    make_node(g, "MatMul", "p,x", "y");
    make_output(g, "y");
    points_are("x p");
    counts_are(2, 0, 0);
    assert_true(point("p")->bound_lo == 0 && point("p")->bound_hi == 1);
}

static void test_weight_on_the_left(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "64,N");
    make_weight(g, "w", "64,64");
    make_node(g, "MatMul", "w,x", "y");
    make_output(g, "y");
    points_are("x");
}

static void test_weight_that_stays_float(void **state)
{
    const char *const names[] = { "a" };

    (void)state;
    opts.exclude_nodes = (mq_names){ names, 1 };
    image();
    conv("x", "w1", "a");
    conv("a", "w2", "b");
    make_output(g, "b");
    points_are("a b!");
    counts_are(1, 0, 0);
}

/* Runtimes have no such products. */
static void test_weight_of_two_bits(void **state)
{
    const char *const types[] = { "w1=int2" };

    (void)state;
    opts.tensor_types = (mq_names){ types, 1 };
    image();
    conv("x", "w1", "a");
    conv("a", "w2", "b");
    make_output(g, "b");
    points_are("a b!");
    assert_int_equal(plan.n_quantized, 2);
}

/* A filter also holds for what has no weight. */
static void test_carrier_that_is_excluded(void **state)
{
    const char *const names[] = { "p" };

    (void)state;
    opts.exclude_nodes = (mq_names){ names, 1 };
    image();
    conv("x", "w1", "a");
    make_node(g, "GlobalAveragePool", "a", "p");
    conv("p", "w2", "b");
    make_output(g, "b");
    points_are("x a! p b!");
}

static void test_half_precision_has_no_points(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT16, "N,64");
    make_weight_of(g, "w", MQ_FLOAT16, "64,64");
    make_node(g, "MatMul", "x,w", "y");
    make_output(g, "y");
    points_are("");
    assert_int_equal(plan.n_quantized, 1);
}

static void test_embeddings_are_no_products(void **state)
{
    (void)state;
    make_input(g, "ids", MQ_INT64, "N");
    make_weight(g, "table", "100,16");
    make_node(g, "Gather", "table,ids", "y");
    make_output(g, "y");
    points_are("");
}

static void name_types(const char *const *types, size_t n)
{
    opts.op_types = (mq_names){ types, n };
}

static void attention(void)
{
    make_input(g, "x", MQ_FLOAT, "N,8,8");
    make_weight(g, "w", "8,8");
    make_weight(g, "scale", "8");
    make_node(g, "LayerNormalization", "x,scale", "n");
    make_node(g, "MatMul", "n,w", "a");
    make_node(g, "Softmax", "a", "p");
    make_node(g, "MatMul", "p,x", "y");
    make_output(g, "y");
}

static void test_float_operators_stay_float_unless_named(void **state)
{
    (void)state;
    attention();
    points_are("n p x");
}

static void test_float_operators_that_are_named(void **state)
{
    (void)state;
    attention();
    name_types((const char *const[]){ "MatMul", "Softmax", "LayerNormalization" }, 3);
    points_are("x n a p");
    counts_are(2, 2, 0);
}

static void test_one_float_operator_alone(void **state)
{
    (void)state;
    image();
    conv("x", "w1", "a");
    make_node(g, "Sigmoid", "a", "s");
    make_node(g, "Mul", "a,s", "y");
    make_output(g, "y");
    name_types((const char *const[]){ "Conv", "Mul" }, 2);
    points_are("x a s y!");
    assert_true(point("s")->bound_hi == 1);
}

/* What has no integer form cannot be asked for, but may be excluded. */
static void test_names_of_what_has_no_integer_form(void **state)
{
    const char *const exp[] = { "Exp" }, *const both[] = { "Conv", "Exp" };
    mq_error err;

    (void)state;
    opts.mode = MQ_MODE_STATIC;
    opts.act_type = "uint8";
    image();
    conv("x", "w1", "a");
    make_node(g, "Exp", "a", "e");
    make_output(g, "e");
    name_types(both, 2);
    assert_int_equal(quant_try(&err), MQ_ERR_USAGE);
    assert_non_null(strstr(err.text, "--op-types: 'Exp' matches nothing that the option is for"));
    name_types(NULL, 0);
    opts.exclude_op_types = (mq_names){ exp, 1 };
    points_are("x a!");
}

/* An activation that is excluded is no part of the product; one that is not named is. */
static void test_activation_of_a_product_and_filters(void **state)
{
    const char *const relu[] = { "Relu" }, *const both[] = { "Conv", "Relu" };

    (void)state;
    image();
    conv("x", "w1", "a");
    make_node(g, "Relu", "a", "r");
    make_output(g, "r");
    opts.exclude_op_types = (mq_names){ relu, 1 };
    points_are("x a!");
    opts.exclude_op_types = (mq_names){ NULL, 0 };
    name_types(both, 2);
    points_are("x r!");
    name_types(both, 1);
    points_are("x r!");
}

/* Inner graphs have float activations; what they read from outside is no integer's reader. */
static void test_inner_graphs_stay_float(void **state)
{
    mq_graph *branch;

    (void)state;
    make_input(g, "cond", MQ_BOOL, "");
    make_input(g, "x", MQ_FLOAT, "N,64");
    make_weight(g, "outer", "64,64");
    make_node(g, "MatMul", "x,outer", "a");
    branch = make_subgraph(make_node(g, "If", "cond", "y"), "then_branch");
    make_weight(branch, "inner", "64,64");
    make_node(branch, "MatMul", "a,inner", "b");
    make_node(branch, "Relu", "b", "c");
    make_output(branch, "c");
    make_output(g, "y");
    points_are("x");
    counts_are(1, 0, 0);
    assert_int_equal(plan.placement->n_inner, 1);
    assert_string_equal(plan.placement->inner, "b");
}

/* ---- carriers ------------------------------------------------------------------------------------------------------ */

static void test_residual_addition(void **state)
{
    (void)state;
    image();
    conv("x", "w1", "a");
    conv("a", "w2", "b");
    make_node(g, "Add", "a,b", "s");
    make_node(g, "Relu", "s", "r");
    conv("r", "w3", "c");
    make_output(g, "c");
    points_are("x a b r c!");
    counts_are(3, 1, 0);
    assert_true(point("r")->bound_lo == 0);
}

/* What only moves values has the scale of its input. */
static void test_movers_share_scales(void **state)
{
    (void)state;
    image();
    conv("x", "w1", "a");
    make_node(g, "MaxPool", "a", "m");
    assert_int_equal(mq_node_set_attr_ints(g->last, "kernel_shape", (const int64_t[]){ 2, 2 }, 2, NULL), MQ_OK);
    make_node(g, "Transpose", "m", "t");
    assert_int_equal(mq_node_set_attr_ints(g->last, "perm", (const int64_t[]){ 0, 1, 3, 2 }, 4, NULL), MQ_OK);
    conv("t", "w2", "b");
    make_output(g, "b");
    points_are("x a m=a t=a b!");
    counts_are(2, 2, 0);
}

static void test_average_has_its_own_scale(void **state)
{
    (void)state;
    image();
    conv("x", "w1", "a");
    make_node(g, "GlobalAveragePool", "a", "p");
    conv("p", "w2", "b");
    make_output(g, "b");
    points_are("x a p b!");
}

static void test_concat(void **state)
{
    (void)state;
    image();
    conv("x", "w1", "a");
    conv("x", "w2", "b");
    make_node_int(g, "Concat", "a,b", "j", "axis", 2);
    conv("j", "w3", "c");
    make_output(g, "c");
    points_are("x a b j c!");
    assert_int_equal(plan.placement->concats.n, 1);
}

/* Nobody behind it wants integers: they would only cost. */
static void test_tails_stay_float(void **state)
{
    (void)state;
    image();
    conv("x", "w1", "a");
    conv("x", "w2", "b");
    make_node(g, "Add", "a,b", "s");
    make_node(g, "GlobalAveragePool", "s", "p");
    make_output(g, "p");
    points_are("x a! b!");
    counts_are(2, 0, 0);
}

/* What only moves int8 at the end does so between integers, from the opset on where ONNX Runtime needs that. */
static void test_moves_at_the_end(void **state)
{
    (void)state;
    image();
    conv("x", "w1", "a");
    make_node(g, "Transpose", "a", "t");
    assert_int_equal(mq_node_set_attr_ints(g->last, "perm", (const int64_t[]){ 0, 1, 3, 2 }, 4, NULL), MQ_OK);
    make_node(g, "Flatten", "t", "f");
    make_output(g, "f");
    points_are("x a!");
    opts.act_type = "int8";
    quant_select();
    assert_int_equal(plan.placement->points.n, 3);
    assert_ptr_equal(mq_point_root((mq_point *)point("t")), point("a"));
    counts_are(1, 1, 0);
    assert_int_equal(mq_opset_set(m, "", 20, NULL), MQ_OK);
    quant_select();
    assert_int_equal(plan.placement->points.n, 2);
}

/* Arithmetic that decodes a head stays float, the other branch of the same tensor does not. */
static void test_one_reader_is_float(void **state)
{
    (void)state;
    image();
    conv("x", "w1", "a");
    make_node(g, "Exp", "a", "e");
    make_output(g, "e");
    make_node(g, "GlobalAveragePool", "a", "p");
    conv("p", "w2", "b");
    make_output(g, "b");
    points_are("x a p b!");
    assert_false(point("a")->tail);
}

/* A carrier behind a float operator is float; the product behind it takes integers from it. */
static void test_behind_float_operators(void **state)
{
    (void)state;
    image();
    conv("x", "w1", "a");
    make_node(g, "Exp", "a", "e");
    make_node(g, "GlobalAveragePool", "e", "p");
    conv("p", "w2", "b");
    make_output(g, "b");
    points_are("x a! p b!");
    counts_are(2, 0, 0);
}

/* An operator of somebody else's is float. */
static void test_unknown_operator(void **state)
{
    (void)state;
    image();
    conv("x", "w1", "a");
    assert_int_equal(mq_opset_set(m, "mine", 1, NULL), MQ_OK);
    make_node(g, "Relu", "a", "u")->domain = "mine";
    make_type(mq_graph_find(g, "u"), MQ_FLOAT, "N,8,6,6");
    conv("u", "w2", "b");
    make_output(g, "b");
    points_are("x a! u b!");
    assert_true(isinf(point("u")->bound_lo));
}

/* Maxima with indices have no integer form, nor has a Pad with anything but 0. */
static void test_not_carried(void **state)
{
    static const float one = 1;
    static const int64_t pads[8] = { 0 };

    (void)state;
    image();
    conv("x", "w1", "a");
    make_node(g, "MaxPool", "a", "m,i");
    assert_int_equal(mq_node_set_attr_ints(g->last, "kernel_shape", (const int64_t[]){ 1, 1 }, 2, NULL), MQ_OK);
    make_init(g, "pads", MQ_INT64, "8", pads);
    make_init(g, "one", MQ_FLOAT, "", &one);
    make_node(g, "Pad", "m,pads,one", "p");
    conv("p", "w2", "b");
    make_output(g, "b");
    points_are("x a! p b!");
    counts_are(2, 0, 0);
}

/* ---- activations that belong to a product -------------------------------------------------------------------------- */

static void test_clip(void **state)
{
    static const float lo = -1, hi = 6;

    (void)state;
    image();
    make_init(g, "lo", MQ_FLOAT, "", &lo);
    make_init(g, "hi", MQ_FLOAT, "", &hi);
    conv("x", "w1", "a");
    make_node(g, "Clip", "a,lo,hi", "k");
    conv("k", "w2", "b");
    make_output(g, "b");
    points_are("x k b!");
    assert_true(point("k")->bound_lo == -1 && point("k")->bound_hi == 6);
}

/* Bounds that may change are no property of the tensor. */
/* With min above max everything is max. */
static void test_clip_with_crossed_bounds(void **state)
{
    const float lo = 2, hi = -1;

    (void)state;
    image();
    make_init(g, "lo", MQ_FLOAT, "", &lo);
    make_init(g, "hi", MQ_FLOAT, "", &hi);
    conv("x", "w1", "a");
    make_node(g, "Clip", "a,lo,hi", "k");
    conv("k", "w2", "b");
    make_output(g, "b");
    points_are("x k b!");
    assert_true(point("k")->bound_lo == -1 && point("k")->bound_hi == -1);
}

static void test_clip_with_open_bounds(void **state)
{
    (void)state;
    image();
    make_input(g, "hi", MQ_FLOAT, "");
    conv("x", "w1", "a");
    make_node(g, "Clip", "a,-,hi", "k");
    conv("k", "w2", "b");
    make_output(g, "b");
    points_are("x a k b!");
    assert_true(isinf(point("k")->bound_hi));
}

/* Somebody else reads what Relu reads: the product makes that, and Relu is a carrier. */
static void test_relu_beside_another_reader(void **state)
{
    (void)state;
    image();
    conv("x", "w1", "a");
    make_node(g, "Relu", "a", "r");
    conv("r", "w2", "b");
    conv("a", "w3", "c");
    make_node(g, "Add", "b,c", "y");
    make_output(g, "y");
    points_are("x a r b! c!");
    counts_are(3, 1, 0);
}

static void test_graph_output_inside(void **state)
{
    (void)state;
    image();
    conv("x", "w1", "a");
    make_output(g, "a");
    make_node(g, "Relu", "a", "r");
    conv("r", "w2", "b");
    make_output(g, "b");
    points_are("x a r b!");
}

/* ---- biases -------------------------------------------------------------------------------------------------------- */

static void test_biases(void **state)
{
    (void)state;
    image();
    make_weight(g, "w1", "8,8,1,1");
    make_weight(g, "b1", "8");
    make_node(g, "Conv", "x,w1,b1", "a");
    make_node(g, "Flatten", "a", "f");
    make_weight(g, "w2", "288,10");
    make_weight(g, "b2", "1,10");
    make_node(g, "Gemm", "f,w2,b2", "g");
    make_weight(g, "w3", "10,64");
    make_weight(g, "b3", "64");
    make_node(g, "Gemm", "g,w3,b3", "y");
    assert_int_equal(mq_node_set_attr_float(g->last, "alpha", 0.5f, NULL), MQ_OK);
    make_output(g, "y");
    points_are("x a f=a g");
    counts_are(3, 1, 2); /* not that of alpha */
    assert_ptr_equal(plan.placement->biases.items[0].input, point("x"));
    assert_string_equal(plan.placement->biases.items[1].item->value->name, "w2");
}

/* MatMul, Add of a bias of that shape, Relu; k numbers the names. */
static void dense(int k, const char *x, const char *bias)
{
    char w[8], b[8], m1[8], a[8], y[8], in[20];

    snprintf(w, sizeof w, "w%d", k);
    snprintf(b, sizeof b, "b%d", k);
    snprintf(m1, sizeof m1, "m%d", k);
    snprintf(a, sizeof a, "a%d", k);
    snprintf(y, sizeof y, "r%d", k);
    make_weight(g, w, "64,64");
    make_weight(g, b, bias);
    snprintf(in, sizeof in, "%s,%s", x, w);
    make_node(g, "MatMul", in, m1);
    snprintf(in, sizeof in, "%s,%s", m1, b);
    make_node(g, "Add", in, a);
    make_node(g, "Relu", a, y);
}

/* MatMul and Add become one Gemm in ONNX Runtime, which wants zero points to be one of integers. */
static void test_zero_points_of_a_matmul_with_a_bias(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,64");
    dense(0, "x", "64");
    dense(1, "r0", "1,64");
    dense(2, "r1", "64");
    make_output(g, "r2");
    points_are("x r0 r1");
    assert_true(plan.items.items[0]->all_zero_points);
    assert_false(plan.items.items[1]->all_zero_points); /* another form of bias */
    assert_true(plan.items.items[2]->all_zero_points);
    counts_are(3, 0, 1);
    assert_string_equal(plan.placement->biases.items[0].node->outputs[0]->name, "a2"); /* no integers are made of it */
}

/* A bias that comes from outside or is computed stays as it is. */
static void test_bias_that_is_no_constant(void **state)
{
    (void)state;
    image();
    make_input(g, "bias", MQ_FLOAT, "8");
    make_weight(g, "w", "8,8,1,1");
    make_node(g, "Conv", "x,w,bias", "y");
    make_output(g, "y");
    points_are("x y!");
    counts_are(1, 0, 0);
}

static void test_joining(void **state)
{
    mq_point a = { .value = NULL }, b = a, c = a;

    (void)state;
    mq_point_join(&a, &b);
    mq_point_join(&b, &c);
    mq_point_join(&c, &a); /* no circle */
    assert_ptr_equal(mq_point_root(&a), &c);
    assert_ptr_equal(mq_point_root(&b), &c);
    assert_null(c.same);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(test_convolutions),
        ON_MODEL(test_matmul_and_gemm_have_float_results),
        ON_MODEL(test_two_activations),
        ON_MODEL(test_weight_on_the_left),
        ON_MODEL(test_weight_that_stays_float),
        ON_MODEL(test_weight_of_two_bits),
        ON_MODEL(test_carrier_that_is_excluded),
        ON_MODEL(test_half_precision_has_no_points),
        ON_MODEL(test_embeddings_are_no_products),
        ON_MODEL(test_float_operators_stay_float_unless_named),
        ON_MODEL(test_float_operators_that_are_named),
        ON_MODEL(test_one_float_operator_alone),
        ON_MODEL(test_names_of_what_has_no_integer_form),
        ON_MODEL(test_activation_of_a_product_and_filters),
        ON_MODEL(test_inner_graphs_stay_float),
        ON_MODEL(test_residual_addition),
        ON_MODEL(test_movers_share_scales),
        ON_MODEL(test_average_has_its_own_scale),
        ON_MODEL(test_concat),
        ON_MODEL(test_tails_stay_float),
        ON_MODEL(test_moves_at_the_end),
        ON_MODEL(test_one_reader_is_float),
        ON_MODEL(test_behind_float_operators),
        ON_MODEL(test_unknown_operator),
        ON_MODEL(test_not_carried),
        ON_MODEL(test_clip),
        ON_MODEL(test_clip_with_open_bounds),
        ON_MODEL(test_clip_with_crossed_bounds),
        ON_MODEL(test_relu_beside_another_reader),
        ON_MODEL(test_graph_output_inside),
        ON_MODEL(test_biases),
        ON_MODEL(test_zero_points_of_a_matmul_with_a_bias),
        ON_MODEL(test_bias_that_is_no_constant),
        cmocka_unit_test(test_joining),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
