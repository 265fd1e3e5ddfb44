/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Element by element: unary and activation functions, arithmetic, comparison and logic with broadcasting, Where, and
 * what keeps its input's shape beside them (Dropout, Softmax). Contents of small integer tensors are computed for the
 * operators that shape arithmetic uses; the others leave them unknown. */
#include <string.h>

#include "base/compiler.h"
#include "ops/contents.h"
#include "ops/families.h"

/* ---- contents ----------------------------------------------------------------------------------------------------- */

/* One element of the result from one element of each input. */
typedef mq_dim (*fold_fn)(mq_infer *in, const mq_dim *a, size_t n);

static mq_dim fold_add(mq_infer *in, const mq_dim *a, size_t n)
{
    mq_dim r = a[0];

    for (size_t i = 1; i < n; i++)
        r = mq_elem_add(in, r, a[i]);
    return r;
}

static mq_dim fold_sub(mq_infer *in, const mq_dim *a, size_t n)
{
    return n == 2 ? mq_elem_sub(in, a[0], a[1]) : MQ_ELEM_UNKNOWN;
}

static mq_dim fold_mul(mq_infer *in, const mq_dim *a, size_t n)
{
    return n == 2 ? mq_elem_mul(in, a[0], a[1]) : MQ_ELEM_UNKNOWN;
}

static mq_dim fold_div(mq_infer *in, const mq_dim *a, size_t n)
{
    return n == 2 ? mq_elem_div(in, a[0], a[1]) : MQ_ELEM_UNKNOWN;
}

/* fmod 0: the sign of the divisor; 1: the sign of the dividend, as in C. */
static mq_dim fold_mod(mq_infer *in, const mq_dim *a, size_t n)
{
    int64_t r;

    if (n != 2 || !mq_elem_known(a[0]) || !mq_elem_known(a[1]) || a[1].value == 0)
        return MQ_ELEM_UNKNOWN;
    if (a[1].value == -1)
        return MQ_DIM(0);
    r = a[0].value % a[1].value;
    if (r != 0 && (r < 0) != (a[1].value < 0) && mq_node_attr_int(in->node, "fmod", 0) == 0)
        r += a[1].value;
    return MQ_DIM(r);
}

/* The larger (sign 1) or the smaller (sign -1). A size is at least 0, so it can be compared with numbers up to 0. */
static mq_dim extreme(mq_dim a, mq_dim b, int sign)
{
    if (mq_elem_same(a, b))
        return a;
    if (mq_elem_known(a) && mq_elem_known(b))
        return (a.value > b.value) == (sign > 0) ? a : b;
    if (mq_elem_is_size(a) && mq_elem_known(b) && b.value <= 0)
        return sign > 0 ? a : b;
    if (mq_elem_is_size(b) && mq_elem_known(a) && a.value <= 0)
        return sign > 0 ? b : a;
    return MQ_ELEM_UNKNOWN;
}

static mq_dim fold_max(mq_infer *in, const mq_dim *a, size_t n)
{
    mq_dim r = a[0];

    (void)in;
    for (size_t i = 1; i < n; i++)
        r = extreme(r, a[i], 1);
    return r;
}

static mq_dim fold_min(mq_infer *in, const mq_dim *a, size_t n)
{
    mq_dim r = a[0];

    (void)in;
    for (size_t i = 1; i < n; i++)
        r = extreme(r, a[i], -1);
    return r;
}

static mq_dim fold_neg(mq_infer *in, const mq_dim *a, size_t n)
{
    (void)n;
    return mq_elem_sub(in, MQ_DIM(0), a[0]);
}

static mq_dim fold_abs(mq_infer *in, const mq_dim *a, size_t n)
{
    if (mq_elem_is_size(a[0]))
        return a[0];
    return mq_elem_known(a[0]) ? fold_neg(in, a, n) : MQ_ELEM_UNKNOWN;
}

static mq_dim fold_sign(mq_infer *in, const mq_dim *a, size_t n)
{
    (void)in;
    (void)n;
    return mq_elem_known(a[0]) ? MQ_DIM((a[0].value > 0) - (a[0].value < 0)) : MQ_ELEM_UNKNOWN;
}

static mq_dim fold_relu(mq_infer *in, const mq_dim *a, size_t n)
{
    (void)in;
    (void)n;
    return extreme(a[0], MQ_DIM(0), 1);
}

/* As the specification defines it: Min(max, Max(input, min)). */
static mq_dim fold_clip(mq_infer *in, const mq_dim *a, size_t n)
{
    mq_dim r = a[0];

    if (n > 1 && mq_in_has(in, 1))
        r = extreme(r, a[1], 1);
    if (n > 2 && mq_in_has(in, 2))
        r = extreme(r, a[2], -1);
    return r;
}

static mq_dim fold_equal(mq_infer *in, const mq_dim *a, size_t n)
{
    (void)in;
    if (n != 2)
        return MQ_ELEM_UNKNOWN;
    if (mq_elem_same(a[0], a[1]))
        return MQ_DIM(1);
    if (mq_elem_known(a[0]) && mq_elem_known(a[1]))
        return MQ_DIM(0);
    for (size_t i = 0; i < 2; i++)
        if (mq_elem_is_size(a[i]) && mq_elem_known(a[1 - i]) && a[1 - i].value < 0)
            return MQ_DIM(0);
    return MQ_ELEM_UNKNOWN;
}

/* -1, 0 or 1 as a is less than, equal to or greater than b; 2 when that is not known. */
static int compare(const mq_dim *a, size_t n)
{
    if (n != 2)
        return 2;
    if (mq_elem_same(a[0], a[1]))
        return 0;
    if (mq_elem_known(a[0]) && mq_elem_known(a[1]))
        return a[0].value < a[1].value ? -1 : 1;
    if (mq_elem_is_size(a[0]) && mq_elem_known(a[1]) && a[1].value < 0)
        return 1;
    if (mq_elem_is_size(a[1]) && mq_elem_known(a[0]) && a[0].value < 0)
        return -1;
    return 2;
}

static mq_dim fold_greater(mq_infer *in, const mq_dim *a, size_t n)
{
    const int c = compare(a, n);

    (void)in;
    return c == 2 ? MQ_ELEM_UNKNOWN : MQ_DIM(c > 0);
}

static mq_dim fold_greater_equal(mq_infer *in, const mq_dim *a, size_t n)
{
    const int c = compare(a, n);

    (void)in;
    return c == 2 ? MQ_ELEM_UNKNOWN : MQ_DIM(c >= 0);
}

static mq_dim fold_less(mq_infer *in, const mq_dim *a, size_t n)
{
    const int c = compare(a, n);

    (void)in;
    return c == 2 ? MQ_ELEM_UNKNOWN : MQ_DIM(c < 0);
}

static mq_dim fold_less_equal(mq_infer *in, const mq_dim *a, size_t n)
{
    const int c = compare(a, n);

    (void)in;
    return c == 2 ? MQ_ELEM_UNKNOWN : MQ_DIM(c <= 0);
}

static mq_dim fold_not(mq_infer *in, const mq_dim *a, size_t n)
{
    (void)in;
    (void)n;
    return mq_elem_known(a[0]) ? MQ_DIM(!a[0].value) : MQ_ELEM_UNKNOWN;
}

static mq_dim fold_and(mq_infer *in, const mq_dim *a, size_t n)
{
    (void)in;
    if (n != 2 || !mq_elem_known(a[0]) || !mq_elem_known(a[1]))
        return MQ_ELEM_UNKNOWN;
    return MQ_DIM(a[0].value && a[1].value);
}

static mq_dim fold_or(mq_infer *in, const mq_dim *a, size_t n)
{
    (void)in;
    if (n != 2 || !mq_elem_known(a[0]) || !mq_elem_known(a[1]))
        return MQ_ELEM_UNKNOWN;
    return MQ_DIM(a[0].value || a[1].value);
}

static mq_dim fold_where(mq_infer *in, const mq_dim *a, size_t n)
{
    (void)in;
    if (n != 3)
        return MQ_ELEM_UNKNOWN;
    if (mq_elem_known(a[0]))
        return a[0].value ? a[1] : a[2];
    return mq_elem_same(a[1], a[2]) ? a[1] : MQ_ELEM_UNKNOWN;
}

static const struct {
    const char *op_type;
    fold_fn fold;
} folds[] = {
    { "Abs", fold_abs },
    { "Add", fold_add },
    { "And", fold_and },
    { "Clip", fold_clip },
    { "Div", fold_div },
    { "Equal", fold_equal },
    { "Greater", fold_greater },
    { "GreaterOrEqual", fold_greater_equal },
    { "Less", fold_less },
    { "LessOrEqual", fold_less_equal },
    { "Max", fold_max },
    { "Min", fold_min },
    { "Mod", fold_mod },
    { "Mul", fold_mul },
    { "Neg", fold_neg },
    { "Not", fold_not },
    { "Or", fold_or },
    { "Relu", fold_relu },
    { "Sign", fold_sign },
    { "Sub", fold_sub },
    { "Sum", fold_add },
    { "Where", fold_where },
};

/* Elements of the result when the inputs, scalars and vectors, are broadcast to one vector; -1: not all contents are
 * known, or they do not fit. */
static int64_t fold_count(const mq_infer *in)
{
    int64_t count = 1;

    for (size_t i = 0; i < in->node->n_inputs; i++) {
        size_t n;

        if (!mq_in_has(in, i))
            continue;
        if (!mq_in_known(in, i, &n) || mq_in_rank(in, i) > 1 || n > MQ_KNOWN_MAX)
            return -1;
        if (n != 1 && count != 1 && (int64_t)n != count)
            return -1;
        if (n != 1)
            count = (int64_t)n;
    }
    return count;
}

/* Sets the contents of output 0 when those of all inputs are known, element by element. */
static mq_status fold_contents(mq_infer *in, fold_fn fold)
{
    const size_t n_in = in->node->n_inputs;
    const int64_t count = n_in ? fold_count(in) : -1;
    mq_dim *result, *args;

    if (count < 0)
        return MQ_OK;
    result = mq_dims_new(in, (int)count);
    args = mq_dims_new(in, (int)n_in);
    if (!result || !args)
        return mq_oom(in->err);
    for (int64_t k = 0; k < count; k++) {
        for (size_t i = 0; i < n_in; i++) {
            size_t n = 0;
            const mq_dim *e = mq_in_has(in, i) ? mq_in_known(in, i, &n) : NULL;

            args[i] = e ? e[n == 1 ? 0 : k] : MQ_ELEM_UNKNOWN;
        }
        result[k] = fold(in, args, n_in);
    }
    return mq_out_contents(in, 0, result, (size_t)count);
}

static mq_status fold_node(mq_infer *in)
{
    for (size_t i = 0; i < MQ_ARRAY_LEN(folds); i++)
        if (strcmp(folds[i].op_type, in->node->op_type) == 0)
            return fold_contents(in, folds[i].fold);
    return MQ_OK;
}

/* ---- shapes ------------------------------------------------------------------------------------------------------- */

static mq_status infer_unary(mq_infer *in)
{
    mq_status rc = mq_out_like(in, 0, 0);

    return rc == MQ_OK ? fold_node(in) : rc;
}

/* All inputs broadcast to one shape; unknown as soon as one rank is. */
static mq_status broadcast_all(mq_infer *in)
{
    const size_t n = in->node->n_inputs;
    const mq_dim **dims = mq_arena_calloc(in->model->arena, n, sizeof *dims);
    int *ranks = mq_arena_calloc(in->model->arena, n, sizeof *ranks);
    mq_dim *result;
    int rank;

    if (!dims || !ranks)
        return mq_oom(in->err);
    for (size_t i = 0; i < n; i++) {
        ranks[i] = mq_in_rank(in, i);
        dims[i] = mq_in_dims(in, i);
        if (ranks[i] < 0 || !dims[i])
            return mq_out_rank(in, 0, -1);
    }
    if (n == 0)
        return MQ_OK;
    MQ_RULE_TRY(mq_broadcast(in, n, dims, ranks, &rank, &result));
    MQ_RULE_TRY(mq_out_shape(in, 0, rank, result));
    return MQ_OK;
}

/* Before the version with NumPy's broadcasting the result has the shape of the first input. */
static mq_status infer_broadcast_since(mq_infer *in, int64_t since)
{
    mq_status rc = in->version < since ? mq_out_like(in, 0, 0) : broadcast_all(in);

    return rc == MQ_OK ? fold_node(in) : rc;
}

static mq_status infer_binary(mq_infer *in)
{
    return infer_broadcast_since(in, 7);
}

static mq_status infer_variadic(mq_infer *in)
{
    return infer_broadcast_since(in, 8);
}

/* Both inputs have one shape: each is as good as the other. */
static mq_status infer_same_shape(mq_infer *in)
{
    const mq_dim *a = mq_in_dims(in, 0), *b = mq_in_dims(in, 1);
    const int rank = mq_in_rank(in, 0);
    mq_dim *dims;

    if (!a || !b)
        return mq_out_like(in, 0, a ? 0 : 1);
    if (rank != mq_in_rank(in, 1))
        return mq_fail(in->err, MQ_ERR_INPUT, "the inputs have ranks %d and %d but must have the same shape", rank,
                       mq_in_rank(in, 1));
    dims = mq_dims_new(in, rank);
    if (!dims)
        return mq_oom(in->err);
    for (int i = 0; i < rank; i++) {
        bool conflict = false;

        dims[i] = mq_dim_merge(a[i], b[i], &conflict);
        if (conflict)
            return mq_fail(in->err, MQ_ERR_INPUT, "the inputs differ in dimension %d: %lld and %lld", i,
                           (long long)a[i].value, (long long)b[i].value);
    }
    return mq_out_shape(in, 0, rank, dims);
}

/* Softmax and its kin: the axis has changed its default and meaning in opset 13, but never the shape. */
static mq_status infer_softmax(mq_infer *in)
{
    const int rank = mq_in_rank(in, 0);
    int axis;

    if (rank >= 0)
        MQ_RULE_TRY(mq_norm_axis(in, mq_node_attr_int(in->node, "axis", in->version < 13 ? 1 : -1), rank, &axis));
    MQ_RULE_TRY(mq_out_like(in, 0, 0));
    return MQ_OK;
}

/* The mask has the data's shape; its type comes from the schema (bool since opset 10). */
static mq_status infer_dropout(mq_infer *in)
{

    MQ_RULE_TRY(mq_out_like(in, 0, 0));
    if (in->node->n_outputs > 1 && mq_in_rank(in, 0) >= 0)
        MQ_RULE_TRY(mq_out_shape(in, 1, mq_in_rank(in, 0), mq_in_dims(in, 0)));
    return MQ_OK;
}

#define UNARY(name) { "", name, infer_unary, NULL, NULL }
#define BINARY(name) { "", name, infer_binary, NULL, NULL }
#define VARIADIC(name) { "", name, infer_variadic, NULL, NULL }

const mq_op_rule mq_rules_elementwise[] = {
    UNARY("Abs"),
    UNARY("Acos"),
    UNARY("Acosh"),
    BINARY("Add"),
    BINARY("And"),
    UNARY("Asin"),
    UNARY("Asinh"),
    UNARY("Atan"),
    UNARY("Atanh"),
    BINARY("BitShift"),
    BINARY("BitwiseAnd"),
    UNARY("BitwiseNot"),
    BINARY("BitwiseOr"),
    BINARY("BitwiseXor"),
    UNARY("Ceil"),
    UNARY("Celu"),
    UNARY("Clip"),
    UNARY("Cos"),
    UNARY("Cosh"),
    BINARY("Div"),
    { "", "Dropout", infer_dropout, NULL, NULL },
    UNARY("Elu"),
    BINARY("Equal"),
    UNARY("Erf"),
    UNARY("Exp"),
    UNARY("Floor"),
    UNARY("Gelu"),
    BINARY("Greater"),
    BINARY("GreaterOrEqual"),
    UNARY("HardSigmoid"),
    UNARY("HardSwish"),
    { "", "Hardmax", infer_softmax, NULL, NULL },
    UNARY("IsInf"),
    UNARY("IsNaN"),
    UNARY("LeakyRelu"),
    BINARY("Less"),
    BINARY("LessOrEqual"),
    UNARY("Log"),
    { "", "LogSoftmax", infer_softmax, NULL, NULL },
    VARIADIC("Max"),
    VARIADIC("Mean"),
    VARIADIC("Min"),
    UNARY("Mish"),
    BINARY("Mod"),
    BINARY("Mul"),
    UNARY("Neg"),
    UNARY("Not"),
    BINARY("Or"),
    UNARY("PRelu"), /* the slope is broadcast to the input, not the other way */
    BINARY("Pow"),
    UNARY("Reciprocal"),
    UNARY("Relu"),
    UNARY("Round"),
    UNARY("Selu"),
    UNARY("Shrink"),
    UNARY("Sigmoid"),
    UNARY("Sign"),
    UNARY("Sin"),
    UNARY("Sinh"),
    { "", "Softmax", infer_softmax, NULL, NULL },
    UNARY("Softplus"),
    UNARY("Softsign"),
    UNARY("Sqrt"),
    BINARY("Sub"),
    VARIADIC("Sum"),
    { "", "SwiGLU", infer_same_shape, NULL, NULL },
    UNARY("Swish"),
    UNARY("Tan"),
    UNARY("Tanh"),
    UNARY("ThresholdedRelu"),
    BINARY("Where"),
    BINARY("Xor"),
};
const size_t mq_rules_elementwise_n = MQ_ARRAY_LEN(mq_rules_elementwise);
