/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Each operator's gradient compared with differences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "grad_check.h"

static void check_all(const grad_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++)
        grad_check_case(&cases[i]);
}

#define CHECK(cases) check_all(cases, MQ_ARRAY_LEN(cases))

static void elementary(void **state)
{
    static const grad_case cases[] = {
        { "Neg", "f2x3", NULL, 0, 0 },
        { "Abs", "f2x3", NULL, 0, 0 },
        { "Exp", "f2x3", NULL, 0, 0 },
        { "Log", "f2x3", NULL, 0.1, 3 },
        { "Sqrt", "f2x3", NULL, 0.1, 3 },
        { "Reciprocal", "f2x3", NULL, 0.3, 3 },
        { "Erf", "f2x3", NULL, -2, 2 },
        { "Sin", "f2x3", NULL, -3, 3 },
        { "Cos", "f2x3", NULL, -3, 3 },
        { "Tan", "f2x3", NULL, 0, 0 },
        { "Sinh", "f2x3", NULL, 0, 0 },
        { "Cosh", "f2x3", NULL, 0, 0 },
        { "Atan", "f2x3", NULL, -2, 2 },
        { "Asin", "f2x3", NULL, -0.9, 0.9 },
        { "Acos", "f2x3", NULL, -0.9, 0.9 },
        { "Atanh", "f2x3", NULL, -0.9, 0.9 },
        { "Asinh", "f2x3", NULL, -2, 2 },
        { "Acosh", "f2x3", NULL, 1.2, 3 },
        { "Floor", "f2x3", NULL, -2, 2 },
        { "Round", "f2x3", NULL, -2, 2 },
        { "Identity", "f2x3", NULL, 0, 0 },
    };

    (void)state;
    CHECK(cases);
}

static void activations(void **state)
{
    static const grad_case cases[] = {
        { "Relu", "f3x5", NULL, -3, 3 },
        { "LeakyRelu", "f3x5", NULL, -3, 3 },
        { "LeakyRelu", "f3x5", "alpha=0.3", -3, 3 },
        { "Elu", "f3x5", "alpha=0.7", -3, 3 },
        { "Celu", "f3x5", "alpha=0.7", -3, 3 },
        { "Selu", "f3x5", NULL, -3, 3 },
        { "Selu", "f3x5", "alpha=0.5 gamma=1.5", -3, 3 },
        { "ThresholdedRelu", "f3x5", "alpha=0.5", -3, 3 },
        { "Shrink", "f3x5", "lambd=1.0 bias=0.5", -3, 3 },
        { "Sigmoid", "f3x5", NULL, -3, 3 },
        { "Tanh", "f3x5", NULL, -3, 3 },
        { "Softplus", "f3x5", NULL, -3, 3 },
        { "Softsign", "f3x5", NULL, -3, 3 },
        { "Swish", "f3x5", NULL, -3, 3 },
        { "Swish", "f3x5", "alpha=0.5", -3, 3 },
        { "Mish", "f3x5", NULL, -3, 3 },
        { "Gelu", "f3x5", NULL, -3, 3 },
        { "Gelu", "f3x5", "approximate=tanh", -3, 3 },
        { "HardSigmoid", "f3x5", NULL, -5, 5 },
        { "HardSigmoid", "f3x5", "alpha=0.4 beta=0.1", -5, 5 },
        { "HardSwish", "f3x5", NULL, -5, 5 },
        { "Clip", "f3x5 d-0.5 d0.7", NULL, -2, 2 },
        { "Clip", "f3x5 - d0.7", NULL, -2, 2 },
        { "Clip", "f3x5 d0.1", NULL, -2, 2 },
        { "PRelu", "f2x3x4 f3x1", NULL, -2, 2 },
        { "PRelu", "f2x3x4 f", NULL, -2, 2 },
    };

    (void)state;
    CHECK(cases);
}

static void arithmetic(void **state)
{
    static const grad_case cases[] = {
        { "Add", "f2x3 f2x3", NULL, 0, 0 },
        { "Add", "f2x1x3 f4x1", NULL, 0, 0 },
        { "Add", "f f2", NULL, 0, 0 },
        { "Sub", "f2x3 f3", NULL, 0, 0 },
        { "Sub", "f3 f2x3", NULL, 0, 0 },
        { "Mul", "f2x3 f1x3", NULL, 0, 0 },
        { "Mul", "f2x3 n3", NULL, 0, 0 },
        { "Div", "f2x3 f3", NULL, 0.3, 2 },
        { "Div", "f f2x3", NULL, 0.3, 2 },
        { "Pow", "f2x3 f3", NULL, 0.3, 2 },
        { "Pow", "f2x3 d2", NULL, -2, 2 },
        { "Pow", "f2x3 d0", NULL, -2, 2 },
        { "Pow", "f2x3 d3", NULL, -2, 2 },
        { "Pow", "f2x3 s2", NULL, -2, 2 },
        { "Pow", "f2x3 d0.5", NULL, 0.2, 2 },
        { "Sum", "f2x3 f3 f2x1", NULL, 0, 0 },
        { "Mean", "f2x3 f3 f2x1", NULL, 0, 0 },
        { "Max", "f2x3 f3 f2x1", NULL, 0, 0 },
        { "Min", "f2x3 f3", NULL, 0, 0 },
        { "Min", "f2x3", NULL, 0, 0 },
        { "Where", "b2x3 f2x3 f3", NULL, 0, 0 },
        { "Where", "b3 f f2x3", NULL, 0, 0 },
        { "Dropout", "f2x3 d0.5 o", NULL, 0, 0 },
        { "CastLike", "f2x3 n1", NULL, 0, 0 },
    };

    (void)state;
    CHECK(cases);
}

static void products(void **state)
{
    static const grad_case cases[] = {
        { "MatMul", "f2x3 f3x4", NULL, 0, 0 },
        { "MatMul", "f5x2x3 f3x4", NULL, 0, 0 },
        { "MatMul", "f2x5x2x3 f3x4", NULL, 0, 0 },
        { "MatMul", "f5x2x3 f5x3x4", NULL, 0, 0 },
        { "MatMul", "f2x1x2x3 f5x3x4", NULL, 0, 0 },
        { "MatMul", "f2x3 f5x3x4", NULL, 0, 0 },
        { "MatMul", "f3 f3", NULL, 0, 0 },
        { "MatMul", "f3 f3x4", NULL, 0, 0 },
        { "MatMul", "f3 f2x3x4", NULL, 0, 0 },
        { "MatMul", "f2x3 f3", NULL, 0, 0 },
        { "MatMul", "f5x2x3 f3", NULL, 0, 0 },
        { "Gemm", "f2x3 f3x4", NULL, 0, 0 },
        { "Gemm", "f2x3 f3x4 f4", "alpha=0.5 beta=0.25", 0, 0 },
        { "Gemm", "f3x2 f3x4 f2x1", "transA=1", 0, 0 },
        { "Gemm", "f2x3 f4x3 f2x4", "transB=1", 0, 0 },
        { "Gemm", "f3x2 f4x3 f", "transA=1 transB=1 alpha=2.0", 0, 0 },
    };

    (void)state;
    CHECK(cases);
}

static void reductions(void **state)
{
    static const char *const ops[] = { "ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceLogSum", "ReduceMax", "ReduceMean",
                                       "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare" };

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(ops); i++) {
        const grad_case cases[] = {
            { ops[i], "f2x3x4", NULL, 0.2, 2 },
            { ops[i], "f2x3x4", "keepdims=0", 0.2, 2 },
            { ops[i], "f2x3x4 i1,", NULL, 0.2, 2 },
            { ops[i], "f2x3x4 i-1,0", "keepdims=0", 0.2, 2 },
            { ops[i], "f2x3", "noop_with_empty_axes=1", 0.2, 2 },
        };
        CHECK(cases);
    }
}

static void shapes(void **state)
{
    static const grad_case cases[] = {
        { "Reshape", "f2x3x4 i0,-1", NULL, 0, 0 },
        { "Flatten", "f2x3x4", "axis=2", 0, 0 },
        { "Squeeze", "f2x1x4 i1,", NULL, 0, 0 },
        { "Unsqueeze", "f2x4 i0,-1", NULL, 0, 0 },
        { "Transpose", "f2x3x4", "perm=1,2,0", 0, 0 },
        { "Transpose", "f2x3x4", NULL, 0, 0 },
        { "Concat", "f2x3 f2x1 n2x2 f2x4", "axis=1", 0, 0 },
        { "Concat", "f2x3 f1x3", "axis=-2", 0, 0 },
        { "Split", "f2x6", "axis=1 num_outputs=3", 0, 0, 3 },
        { "Split", "f2x6 i1,3,2", "axis=-1", 0, 0, 3 },
        { "Expand", "f3x1 i2,3,4", NULL, 0, 0 },
    };

    (void)state;
    CHECK(cases);
}

static void picking(void **state)
{
    static const grad_case cases[] = {
        { "Slice", "f4x5 i1, i3,", NULL, 0, 0 },
        { "Slice", "f4x5 i1,4 i3,0 i0,1 i1,-2", NULL, 0, 0 },
        { "Gather", "f4x5 j3x2:4", NULL, 0, 0 },
        { "Gather", "f4x5 j7:5", "axis=-1", 0, 0 },
        { "GatherElements", "f4x5 j3x5:4", NULL, 0, 0 },
        { "GatherElements", "f4x5 j4x2:5", "axis=1", 0, 0 },
        { "GatherND", "f4x3x2 j5x2:3", NULL, 0, 0 },
        { "GatherND", "f4x3x2 j4x2x1:3", "batch_dims=1", 0, 0 },
        { "Tile", "f2x3 i2,3", NULL, 0, 0 },
        { "Pad", "f2x3 i1,0,2,1", NULL, 0, 0 },
        { "Pad", "f4x5 i1,-1,-2,1", NULL, 0, 0 },
        { "Pad", "f4x5 i2,1 d0.5 i1,", NULL, 0, 0 },
        { "Pad", "f4x5 i2,1,1,2", "mode=reflect", 0, 0 },
        { "Pad", "f4x5 i2,1,1,2", "mode=edge", 0, 0 },
        { "Pad", "f4x5 i2,1,1,2", "mode=wrap", 0, 0 },
        { "DepthToSpace", "f1x8x2x3", "blocksize=2", 0, 0 },
        { "DepthToSpace", "f1x8x2x3", "blocksize=2 mode=CRD", 0, 0 },
        { "SpaceToDepth", "f1x2x4x6", "blocksize=2", 0, 0 },
        { "CumSum", "f3x4 s1", NULL, 0, 0 },
        { "CumSum", "f3x4 s-2", "exclusive=1 reverse=1", 0, 0 },
        { "TopK", "f3x5 i2,", NULL, 0, 0, 2 },
        { "TopK", "f5x3 i2,", "axis=0 largest=0", 0, 0, 2 },
        { "ScatterElements", "f4 i1,3 f2", NULL, 0, 0 },
        { "ScatterElements", "f4x5 j3x5:4 f3x5", "reduction=add", 0, 0 },
        { "ScatterElements", "f1x5 j1x2:1 f1x2", "axis=0", 0, 0 },
        { "ScatterND", "f4x5 j3x1:4 f3x5", "reduction=add", 0, 0 },
        { "ReverseSequence", "f4x3 i4,2,3", "batch_axis=1 time_axis=0", 0, 0 },
        { "Compress", "f4x5 b4", "axis=0", 0, 0 },
        { "Trilu", "f2x3x4 s1", "upper=0", 0, 0 },
    };

    (void)state;
    CHECK(cases);
}

static void resizing(void **state)
{
    static const grad_case cases[] = {
        { "Resize", "f1x2x3x4 - - i1,2,6,8", "mode=nearest", 0, 0 },
        { "Resize", "f1x2x5x4 - - i3,2", "mode=nearest axes=2,3", 0, 0 },
        { "Resize", "f1x2x3x4 - - i1,2,6,7", "mode=linear", 0, 0 },
        { "Resize", "f1x2x5x4 - - i3,7", "mode=linear axes=2,3 coordinate_transformation_mode=align_corners", 0, 0 },
        { "Resize", "f1x2x5x7 - - i3,4", "mode=linear axes=2,3 antialias=1", 0, 0 },
        { "Resize", "f1x2x5x4 - - i6,", "mode=cubic axes=2, exclude_outside=1", 0, 0 },
        { "Resize", "f2x4 - c1.0,1.7", "mode=linear coordinate_transformation_mode=asymmetric", 0, 0 },
        { "Resize", "f2x4 - c1.0,1.7", "mode=nearest", 0, 0 },
    };

    (void)state;
    CHECK(cases);
}

static void einsum(void **state)
{
    static const grad_case cases[] = {
        { "Einsum", "f2x3 f3x4", "equation=ij,jk->ik", 0, 0 },
        { "Einsum", "f2x3x4 f2x5x4", "equation=bij,bkj->bik", 0, 0 },
        { "Einsum", "f2x3 f3x4 f4", "equation=ij,jk,k->i", 0, 0 },
        { "Einsum", "f2x3", "equation=ij->ji", 0, 0 },
        { "Einsum", "f3 f4", "equation=i,j", 0, 0 },
    };

    (void)state;
    CHECK(cases);
}

static void convolutions(void **state)
{
    static const grad_case cases[] = {
        { "Conv", "f2x3x5x6 f4x3x3x3 f4", NULL, 0, 0 },
        { "Conv", "f2x3x5x6 f4x3x3x3", "pads=1,1,1,1 strides=2,2", 0, 0 },
        { "Conv", "f1x4x5x6 f6x2x3x2 f6", "group=2 pads=1,0,0,2 dilations=2,1", 0, 0 },
        { "Conv", "f2x3x6 f3x1x3", "group=3 auto_pad=SAME_UPPER", 0, 0 },
        { "Conv", "f1x2x3x4x3 f2x2x2x2x2 f2", NULL, 0, 0 },
        { "ConvTranspose", "f2x3x4x3 f3x4x3x2 f4", NULL, 0, 0 },
        { "ConvTranspose", "f1x4x3x4 f4x2x3x3 f4", "group=2 strides=2,2 pads=1,1,1,1 output_padding=1,1", 0, 0 },
        { "ConvTranspose", "f2x3x4 f3x2x3", "dilations=2, strides=3,", 0, 0 },
        { "MaxPool", "f2x3x5x6", "kernel_shape=3,2 strides=2,1", 0, 0 },
        { "MaxPool", "f1x2x5x6", "kernel_shape=3,3 pads=1,1,1,1 strides=2,2 ceil_mode=1", 0, 0 },
        { "MaxPool", "f1x2x9", "kernel_shape=3, dilations=2,", 0, 0, 2 },
        { "MaxPool", "f1x1x4x4x4", "kernel_shape=2,2,2 dilations=2,2,2", 0, 0 },
        { "AveragePool", "f2x3x5x6", "kernel_shape=3,2 strides=2,1", 0, 0 },
        { "AveragePool", "f1x2x5x6", "kernel_shape=3,3 pads=1,1,1,1 strides=2,2", 0, 0 },
        { "AveragePool", "f1x2x5x6", "kernel_shape=3,3 pads=1,1,1,1 strides=2,2 count_include_pad=1 ceil_mode=1", 0, 0 },
        { "GlobalAveragePool", "f2x3x4x5", NULL, 0, 0 },
        { "GlobalMaxPool", "f2x3x4x5", NULL, 0, 0 },
    };

    (void)state;
    CHECK(cases);
}

static void normalizations(void **state)
{
    static const grad_case cases[] = {
        { "BatchNormalization", "f2x3x4 f3 f3 n3 n3", NULL, 0.5, 2 },
        { "BatchNormalization", "f4x3 f3 f3 n3 n3", "epsilon=0.01", 0.5, 2 },
        { "BatchNormTrain", "f2x3x4 f3 f3 n3 n3", "epsilon=0.01", 0.5, 2, 1, "mq" },
        { "BatchNormTrain", "f5x3 f3 f3 n3 n3", NULL, 0.5, 2, 1, "mq" },
        { "LayerNormalization", "f2x3x4 f4 f4", NULL, -2, 2 },
        { "LayerNormalization", "f2x3x4 f3x4", "axis=1 epsilon=0.01", -2, 2 },
        { "LayerNormalization", "f2x3x4 f4 f", NULL, -2, 2 },
        { "InstanceNormalization", "f2x3x4x2 f3 f3", NULL, -2, 2 },
        { "GroupNormalization", "f2x6x4 f6 f6", "num_groups=3 epsilon=0.01", -2, 2 },
        { "RMSNormalization", "f2x3x4 f4", NULL, -2, 2 },
        { "RMSNormalization", "f2x3x4 f4", "axis=1", -2, 2 },
        { "LpNormalization", "f2x3x4", NULL, -2, 2 },
        { "LRN", "f2x6x3x2", "size=3 alpha=0.5 beta=0.6 bias=1.5", -2, 2 },
        { "LRN", "f1x5x3", "size=4 alpha=0.5", -2, 2 },
        { "MeanVarianceNormalization", "f2x3x4x2", NULL, -2, 2 },
        { "MeanVarianceNormalization", "f2x3x4", "axes=1,", -2, 2 },
        { "LpNormalization", "f2x3x4", "p=1 axis=1", -2, 2 },
        { "Softmax", "f2x3x4", NULL, -2, 2 },
        { "Softmax", "f2x3x4", "axis=1", -2, 2 },
        { "LogSoftmax", "f2x3x4", NULL, -2, 2 },
        { "LogSoftmax", "f2x3x4", "axis=0", -2, 2 },
    };

    (void)state;
    CHECK(cases);
}

static void attention(void **state)
{
    static const grad_case cases[] = {
        { "Attention", "f2x3x4x5 f2x3x6x5 f2x3x6x2", NULL, -2, 2 },
        { "Attention", "f2x3x4x5 f2x1x6x5 f2x1x6x2", NULL, -2, 2 },
        { "Attention", "f1x2x4x5 f1x2x4x5 f1x2x4x5", "is_causal=1 scale=0.7", -2, 2 },
        { "Attention", "f1x2x4x5 f1x2x6x5 f1x2x6x5 f4x6", "softcap=1.5 scale=1.0", -2, 2 },
        { "Attention", "f2x2x4x5 f2x2x6x5 f2x2x6x5 b2x1x4x6", "scale=0.5", -2, 2 },
        { "Attention", "f2x4x6 f2x5x6 f2x5x4", "q_num_heads=2 kv_num_heads=2", -2, 2 },
    };

    (void)state;
    CHECK(cases);
}

static void losses(void **state)
{
    static const grad_case cases[] = {
        { "SoftmaxCrossEntropyLoss", "f4x5 j4:5", NULL, -2, 2 },
        { "SoftmaxCrossEntropyLoss", "f4x5 j4:5 n5", "reduction=sum", 0.5, 2 },
        { "SoftmaxCrossEntropyLoss", "f4x5x3 j4x3:5 n5", "ignore_index=2", 0.5, 2, 2 },
        { "SoftmaxCrossEntropyLoss", "f4x5x3 j4x3:5", "reduction=none", -2, 2, 2 },
        { "NegativeLogLikelihoodLoss", "f4x5 j4:5", NULL, -2, 2 },
        { "NegativeLogLikelihoodLoss", "f4x5x3 j4x3:5 n5", "ignore_index=2", 0.5, 2 },
        { "NegativeLogLikelihoodLoss", "f4x5 j4:5", "reduction=none", -2, 2 },
    };

    (void)state;
    CHECK(cases);
}

static void recurrent(void **state)
{
    static const grad_case cases[] = {
        { "LSTM", "f3x2x4 f1x12x4 f1x12x3 f1x24", "hidden_size=3", 0, 0, 3 },
        { "LSTM", "f3x2x4 f2x12x4 f2x12x3 f2x24 - f2x2x3 f2x2x3 f2x9", "hidden_size=3 direction=bidirectional", 0, 0, 3 },
        { "LSTM", "f3x2x4 f1x12x4 f1x12x3", "hidden_size=3 direction=reverse", 0, 0, 1 },
        { "RNN", "f3x2x4 f1x3x4 f1x3x3 f1x6", "hidden_size=3", 0, 0, 2 },
        { "RNN", "f3x2x4 f2x3x4 f2x3x3 - - f2x2x3", "hidden_size=3 direction=bidirectional", 0, 0, 2 },
        { "GRU", "f3x2x4 f1x9x4 f1x9x3 f1x18", "hidden_size=3", 0, 0, 2 },
        { "GRU", "f3x2x4 f2x9x4 f2x9x3 f2x18 - f2x2x3", "hidden_size=3 direction=bidirectional linear_before_reset=1", 0, 0,
          2 },
    };

    (void)state;
    CHECK(cases);
}

/* Through another type and back: the gradient has the input's type. */
static void casts(void **state)
{
    static const grad_case c = { "Cast", "f2x3", "to=1", 0, 0 };
    grad_check t;
    mq_value *back;

    (void)state;
    grad_open(&t, &c, MQ_DOUBLE, false);
    back = mq_value_create(t.m->graph, "back");
    t.n = mq_node_create(t.m->graph, NULL, "", "Cast", "");
    assert_int_equal(mq_node_set_attr_int(t.n, "to", MQ_DOUBLE, NULL), MQ_OK);
    assert_int_equal(mq_node_set_input(t.n, 0, mq_graph_find(t.m->graph, "y0"), NULL), MQ_OK);
    assert_int_equal(mq_node_set_output(t.n, 0, back, NULL), MQ_OK);
    grad_loss(&t);
    grad_append(&t);
    for (size_t i = 0; i < 6; i++) {
        const double want = grad_get(t.in[1], i); /* the weights of the loss, which are float's */
        mq_array *got = grad_by_graph(&t, 0);

        assert_int_equal(got->dtype, MQ_DOUBLE);
        assert_true(grad_get(got, i) == want);
        mq_array_unref(got);
    }
    grad_close(&t);
}

/* Of ones, what comes out of Dropout is the gradient of their sum: 0 or 1 / (1 - ratio). */
static void dropping(void **state)
{
    static const grad_case c = { "Dropout", "f8x8 d0.25 t", NULL, 0, 0 };
    const mq_grad_opts opts = { .dropout = true };
    const char *names[2] = { "y0" };
    mq_array *out[2] = { NULL };
    grad_check t;
    size_t kept = 0;

    (void)state;
    grad_open(&t, &c, MQ_FLOAT, false);
    for (size_t i = 0; i < 64; i++)
        grad_put(t.in[0], i, 1);
    t.loss = grad_make(&t, "ReduceSum", t.n->outputs[0], NULL);
    assert_int_equal(mq_graph_add_output(t.m->graph, t.loss, NULL), MQ_OK);
    assert_int_equal(mq_grad_prepare(t.m, &opts, NULL, &t.err), MQ_OK);
    assert_int_equal(mq_grad_append(t.m->graph, t.loss, t.x, 1, t.grads, &t.err), MQ_OK);
    names[1] = t.grads[0]->name;
    grad_run(&t, names, 2, out, false);
    for (size_t i = 0; i < 64; i++) {
        assert_true(grad_get(out[0], i) == grad_get(out[1], i));
        kept += grad_get(out[0], i) > 0;
    }
    assert_in_range(kept, 36, 60);
    mq_array_unref(out[0]);
    mq_array_unref(out[1]);
    grad_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elementary),
        cmocka_unit_test(activations),
        cmocka_unit_test(arithmetic),
        cmocka_unit_test(products),
        cmocka_unit_test(reductions),
        cmocka_unit_test(shapes),
        cmocka_unit_test(picking),
        cmocka_unit_test(resizing),
        cmocka_unit_test(einsum),
        cmocka_unit_test(convolutions),
        cmocka_unit_test(normalizations),
        cmocka_unit_test(attention),
        cmocka_unit_test(losses),
        cmocka_unit_test(recurrent),
        cmocka_unit_test(casts),
        cmocka_unit_test(dropping),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
