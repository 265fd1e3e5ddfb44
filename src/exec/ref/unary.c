/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Functions of one element: arithmetic, rounding, exponentials, trigonometry, tests for NaN and infinity; and Identity. Each
 * is a leaf per element type and a row in a table. Integers wrap. */
#include <math.h>

#include "exec/ref/families.h"
#include "exec/ref/lanes.h"
#include "exec/ref/vmath.h"

#define HEAD(name) static void name(int64_t n, const void *in, void *out, const void *p)
#define CLONES(name) MQ_CLONES(void, name, (int64_t n, const void *in, void *out, const void *p), (n, in, out, p))

/* A leaf that is an expression of x; `p` is the operator's parameter block. LANES: vector code, also when out is in. */
#define BODY(head, T, R, lanes, expr)                                              \
    head                                                                           \
    {                                                                              \
        const T *a = in;                                                           \
        R *o = out;                                                                \
        (void)p;                                                                   \
        lanes                                                                      \
        for (int64_t i = 0; i < n; i++) {                                          \
            const T x = a[i];                                                      \
            o[i] = (R)(expr);                                                      \
        }                                                                          \
    }
#define LEAF(name, T, R, expr) BODY(HEAD(name), T, R, , expr)
#define FAST_LEAF(name, T, R, expr) BODY(CLONES(name), T, R, MQ_LANES, expr)

/* The leaf of each element type; NULL: the operator does not have it. */
typedef mq_map_fn leaf_table[MQ_N_DTYPES];

/* ---- float and double alone -------------------------------------------------------------------------------------- */

/* The float leaf calls mq_v<fn>; the double leaf is an expression. */
#define FLOATS_BY_VMATH(name, fn, dexpr)                                           \
    static void name##_f32(int64_t n, const void *in, void *out, const void *p)    \
    {                                                                              \
        (void)p;                                                                   \
        mq_v##fn(in, out, n);                                                      \
    }                                                                              \
    LEAF(name##_f64, double, double, dexpr)                                      \
    FLOATS_OP(name)

#define FLOATS_OP(name)                                                            \
    static mq_status op_##name(mq_call *c)                                         \
    {                                                                              \
        static const leaf_table t = { [MQ_FLOAT] = name##_f32, [MQ_DOUBLE] = name##_f64 }; \
        return mq_call_map_typed(c, t, NULL);                                                  \
    }

#define FLOATS(name, leaf, fexpr, dexpr)                 \
    leaf(name##_f32, float, float, fexpr)                \
    LEAF(name##_f64, double, double, dexpr)             \
    FLOATS_OP(name)

FLOATS_BY_VMATH(exp, exp, exp(x))
FLOATS_BY_VMATH(log, log, log(x))
FLOATS_BY_VMATH(tanh, tanh, tanh(x))
FLOATS_BY_VMATH(erf, erf, erf(x))
FLOATS(sqrt, FAST_LEAF, sqrtf(x), sqrt(x))
FLOATS(reciprocal, FAST_LEAF, 1.0f / x, 1.0 / x)
FLOATS(ceil, FAST_LEAF, ceilf(x), ceil(x))
FLOATS(floor, FAST_LEAF, floorf(x), floor(x))
FLOATS(round, FAST_LEAF, rintf(x), rint(x))
FLOATS(sin, LEAF, sinf(x), sin(x))
FLOATS(cos, LEAF, cosf(x), cos(x))
FLOATS(tan, LEAF, tanf(x), tan(x))
FLOATS(asin, LEAF, asinf(x), asin(x))
FLOATS(acos, LEAF, acosf(x), acos(x))
FLOATS(atan, LEAF, atanf(x), atan(x))
FLOATS(sinh, LEAF, sinhf(x), sinh(x))
FLOATS(cosh, LEAF, coshf(x), cosh(x))
FLOATS(asinh, LEAF, asinhf(x), asinh(x))
FLOATS(acosh, LEAF, acoshf(x), acosh(x))
FLOATS(atanh, LEAF, atanhf(x), atanh(x))

/* ---- all numeric types ------------------------------------------------------------------------------------------- */

#define SIGNED_LEAVES(name, T8, T16, T32, T64)  \
    LEAF(name##_i8, int8_t, int8_t, T8)       \
    LEAF(name##_i16, int16_t, int16_t, T16)   \
    LEAF(name##_i32, int32_t, int32_t, T32)   \
    LEAF(name##_i64, int64_t, int64_t, T64)
#define SIGNED_ROWS(name) [MQ_INT8] = name##_i8, [MQ_INT16] = name##_i16, [MQ_INT32] = name##_i32, [MQ_INT64] = name##_i64
#define UNSIGNED_LEAVES(name, expr)             \
    LEAF(name##_u8, uint8_t, uint8_t, expr)   \
    LEAF(name##_u16, uint16_t, uint16_t, expr) \
    LEAF(name##_u32, uint32_t, uint32_t, expr) \
    LEAF(name##_u64, uint64_t, uint64_t, expr)
#define UNSIGNED_ROWS(name) \
    [MQ_UINT8] = name##_u8, [MQ_UINT16] = name##_u16, [MQ_UINT32] = name##_u32, [MQ_UINT64] = name##_u64

FAST_LEAF(neg_f32, float, float, -x)
LEAF(neg_f64, double, double, -x)
SIGNED_LEAVES(neg, -x, -x, 0u - (uint32_t)x, 0u - (uint64_t)x)

static mq_status op_neg(mq_call *c)
{
    static const leaf_table t = { [MQ_FLOAT] = neg_f32, [MQ_DOUBLE] = neg_f64, SIGNED_ROWS(neg) };
    return mq_call_map_typed(c, t, NULL);
}

FAST_LEAF(abs_f32, float, float, fabsf(x))
LEAF(abs_f64, double, double, fabs(x))
SIGNED_LEAVES(abs, x < 0 ? -x : x, x < 0 ? -x : x, x < 0 ? 0u - (uint32_t)x : (uint32_t)x,
              x < 0 ? 0u - (uint64_t)x : (uint64_t)x)
UNSIGNED_LEAVES(same, x)

static mq_status op_abs(mq_call *c)
{
    static const leaf_table t = { [MQ_FLOAT] = abs_f32, [MQ_DOUBLE] = abs_f64, SIGNED_ROWS(abs), UNSIGNED_ROWS(same) };
    return mq_call_map_typed(c, t, NULL);
}

/* NaN stays. */
FAST_LEAF(sign_f32, float, float, x != x ? x : (float)((x > 0) - (x < 0)))
LEAF(sign_f64, double, double, x != x ? x : (double)((x > 0) - (x < 0)))
#define SIGN_OF_INT ((x > 0) - (x < 0))
SIGNED_LEAVES(sign, SIGN_OF_INT, SIGN_OF_INT, SIGN_OF_INT, SIGN_OF_INT)
UNSIGNED_LEAVES(sign, x > 0)

static mq_status op_sign(mq_call *c)
{
    static const leaf_table t = { [MQ_FLOAT] = sign_f32, [MQ_DOUBLE] = sign_f64, SIGNED_ROWS(sign), UNSIGNED_ROWS(sign) };
    return mq_call_map_typed(c, t, NULL);
}

UNSIGNED_LEAVES(flip, ~x)

static mq_status op_bitwise_not(mq_call *c)
{
    static const leaf_table t = { UNSIGNED_ROWS(flip), [MQ_INT8] = flip_u8, [MQ_INT16] = flip_u16,
                                  [MQ_INT32] = flip_u32, [MQ_INT64] = flip_u64 };
    return mq_call_map_typed(c, t, NULL);
}

LEAF(not_bool, uint8_t, uint8_t, x == 0)

static mq_status op_not(mq_call *c)
{
    static const leaf_table t = { [MQ_BOOL] = not_bool };
    return mq_call_map_typed(c, t, NULL);
}

/* ---- tests for NaN and infinity ---------------------------------------------------------------------------------- */

enum { POSITIVE = 1, NEGATIVE = 2, NEITHER = 4 }; /* kinds of numbers that are looked for: infinities, NaN */

#define IS(what) ((*(const int *)p & (what)) != 0)
#define IS_KIND(T) \
    ((IS(POSITIVE) && x == (T)INFINITY) || (IS(NEGATIVE) && x == -(T)INFINITY) || (IS(NEITHER) && x != x))

LEAF(is_f32, float, uint8_t, IS_KIND(float))
LEAF(is_f64, double, uint8_t, IS_KIND(double))

/* Small floats a block at a time. */
static mq_status find_in_small(mq_call *c, int what)
{
    const mq_array *x = c->in[0];
    float block[256];
    uint8_t *out;
    mq_status rc;

    MQ_TRY(mq_call_out(c, 0, MQ_BOOL, x->rank, x->dims, (void **)&out));
    for (size_t i = 0; out && i < x->count; i += MQ_ARRAY_LEN(block)) {
        const size_t n = x->count - i < MQ_ARRAY_LEN(block) ? x->count - i : MQ_ARRAY_LEN(block);

        mq_dtype_to_f32(x->dtype, x->data, i, n, block);
        is_f32((int64_t)n, block, out + i, &what);
    }
done:
    return rc;
}

static mq_status find(mq_call *c, int what)
{
    mq_status rc;

    MQ_TRY(mq_call_need(c, 1));
    if (c->in[0]->dtype == MQ_FLOAT)
        return mq_call_map(c, MQ_BOOL, is_f32, &what);
    if (c->in[0]->dtype == MQ_DOUBLE)
        return mq_call_map(c, MQ_BOOL, is_f64, &what);
    if (!mq_dtype_is_float(c->in[0]->dtype))
        return mq_call_bad_type(c, c->in[0]->dtype);
    return find_in_small(c, what);
done:
    return rc;
}

static mq_status op_is_nan(mq_call *c)
{
    return find(c, NEITHER);
}

static mq_status op_is_inf(mq_call *c)
{
    return find(c, (mq_node_attr_int(c->node, "detect_positive", 1) ? POSITIVE : 0) |
                       (mq_node_attr_int(c->node, "detect_negative", 1) ? NEGATIVE : 0));
}

/* ---- Identity ---------------------------------------------------------------------------------------------------- */

static mq_status op_identity(mq_call *c)
{
    const mq_array *x = c->n_in ? c->in[0] : NULL;

    if (!x)
        return mq_call_need(c, 1);
    if (x->kind == MQ_TYPE_TENSOR)
        return mq_call_out_view(c, 0, 0, x->rank, x->dims);
    return mq_call_out_array(c, 0, mq_array_ref((mq_array *)x));
}

const mq_kernel mq_kernels_unary[] = {
    { "", "Abs", op_abs, MQ_KERNEL_WIDEN },
    { "", "Acos", op_acos, MQ_KERNEL_WIDEN },
    { "", "Acosh", op_acosh, MQ_KERNEL_WIDEN },
    { "", "Asin", op_asin, MQ_KERNEL_WIDEN },
    { "", "Asinh", op_asinh, MQ_KERNEL_WIDEN },
    { "", "Atan", op_atan, MQ_KERNEL_WIDEN },
    { "", "Atanh", op_atanh, MQ_KERNEL_WIDEN },
    { "", "BitwiseNot", op_bitwise_not, 0 },
    { "", "Ceil", op_ceil, MQ_KERNEL_WIDEN },
    { "", "Cos", op_cos, MQ_KERNEL_WIDEN },
    { "", "Cosh", op_cosh, MQ_KERNEL_WIDEN },
    { "", "Erf", op_erf, MQ_KERNEL_WIDEN },
    { "", "Exp", op_exp, MQ_KERNEL_WIDEN },
    { "", "Floor", op_floor, MQ_KERNEL_WIDEN },
    { "", "Identity", op_identity, 0 },
    { "", "IsInf", op_is_inf, MQ_KERNEL_WIDEN },
    { "", "IsNaN", op_is_nan, MQ_KERNEL_WIDEN },
    { "", "Log", op_log, MQ_KERNEL_WIDEN },
    { "", "Neg", op_neg, MQ_KERNEL_WIDEN },
    { "", "Not", op_not, 0 },
    { "", "Reciprocal", op_reciprocal, MQ_KERNEL_WIDEN },
    { "", "Round", op_round, MQ_KERNEL_WIDEN },
    { "", "Sign", op_sign, MQ_KERNEL_WIDEN },
    { "", "Sin", op_sin, MQ_KERNEL_WIDEN },
    { "", "Sinh", op_sinh, MQ_KERNEL_WIDEN },
    { "", "Sqrt", op_sqrt, MQ_KERNEL_WIDEN },
    { "", "Tan", op_tan, MQ_KERNEL_WIDEN },
    { "", "Tanh", op_tanh, MQ_KERNEL_WIDEN },
    { 0 },
};
