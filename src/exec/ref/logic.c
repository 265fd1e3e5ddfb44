/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Comparisons, Boolean and bitwise operators of two broadcast inputs, shifts, and Where. A comparison with NaN is false. */
#include <string.h>

#include "exec/ref/families.h"
#include "exec/ref/lanes.h"

#define ZIP(name, T, R, expr) MQ_ZIP(name, T, R, (void)param, expr)
#define FAST_ZIP(name, T, R, expr) MQ_ZIP_FAST(name, T, R, (void)param, expr)

/* ---- comparisons ------------------------------------------------------------------------------------------------- */

#define COMPARISON_LEAVES(name, op)               \
    FAST_ZIP(name##_f32, float, uint8_t, x op y)  \
    ZIP(name##_f64, double, uint8_t, x op y)      \
    ZIP(name##_i8, int8_t, uint8_t, x op y)       \
    ZIP(name##_i16, int16_t, uint8_t, x op y)     \
    ZIP(name##_i32, int32_t, uint8_t, x op y)     \
    ZIP(name##_i64, int64_t, uint8_t, x op y)     \
    ZIP(name##_u8, uint8_t, uint8_t, x op y)      \
    ZIP(name##_u16, uint16_t, uint8_t, x op y)    \
    ZIP(name##_u32, uint32_t, uint8_t, x op y)    \
    ZIP(name##_u64, uint64_t, uint8_t, x op y)
#define NUMERIC_ROWS(name)                                                                                   \
    [MQ_FLOAT] = name##_f32, [MQ_DOUBLE] = name##_f64, [MQ_INT8] = name##_i8, [MQ_INT16] = name##_i16,       \
    [MQ_INT32] = name##_i32, [MQ_INT64] = name##_i64, [MQ_UINT8] = name##_u8, [MQ_UINT16] = name##_u16,      \
    [MQ_UINT32] = name##_u32, [MQ_UINT64] = name##_u64
#define COMPARISON(name, op)                                                                \
    COMPARISON_LEAVES(name, op)                                                             \
    static mq_status op_##name(mq_call *c)                                                  \
    {                                                                                       \
        static const mq_zip_fn leaves[MQ_N_DTYPES] = { NUMERIC_ROWS(name) };                \
        return mq_call_zip_typed(c, leaves, MQ_BOOL, NULL);                                 \
    }

COMPARISON(less, <)
COMPARISON(less_or_equal, <=)
COMPARISON(greater, >)
COMPARISON(greater_or_equal, >=)
COMPARISON_LEAVES(equal, ==)

static bool same_bytes(mq_bytes a, mq_bytes b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.data, b.data, a.n) == 0);
}

ZIP(equal_bool, uint8_t, uint8_t, (x != 0) == (y != 0))
ZIP(equal_string, mq_bytes, uint8_t, same_bytes(x, y))

static mq_status op_equal(mq_call *c)
{
    static const mq_zip_fn leaves[MQ_N_DTYPES] = {
        NUMERIC_ROWS(equal), [MQ_BOOL] = equal_bool, [MQ_STRING] = equal_string,
    };

    return mq_call_zip_typed(c, leaves, MQ_BOOL, NULL);
}

/* ---- Boolean and bitwise ----------------------------------------------------------------------------------------- */

#define BITS(name, bool_name, op)                                             \
    ZIP(name##_bool, uint8_t, uint8_t, (x != 0)op(y != 0))                    \
    ZIP(name##_8, uint8_t, uint8_t, x op y)                                   \
    ZIP(name##_16, uint16_t, uint16_t, x op y)                                \
    ZIP(name##_32, uint32_t, uint32_t, x op y)                                \
    ZIP(name##_64, uint64_t, uint64_t, x op y)                                \
    static mq_status op_##bool_name(mq_call *c)                               \
    {                                                                         \
        static const mq_zip_fn leaves[MQ_N_DTYPES] = { [MQ_BOOL] = name##_bool }; \
        return mq_call_zip_typed(c, leaves, MQ_BOOL, NULL);                   \
    }                                                                         \
    static mq_status op_##name(mq_call *c)                                    \
    {                                                                         \
        static const mq_zip_fn leaves[MQ_N_DTYPES] = {                        \
            [MQ_INT8] = name##_8,   [MQ_INT16] = name##_16,                   \
            [MQ_INT32] = name##_32, [MQ_INT64] = name##_64,                   \
            [MQ_UINT8] = name##_8,  [MQ_UINT16] = name##_16,                  \
            [MQ_UINT32] = name##_32, [MQ_UINT64] = name##_64,                 \
        };                                                                    \
        return mq_call_zip_typed(c, leaves, MQ_UNDEFINED, NULL);              \
    }

BITS(bitwise_and, and, &)
BITS(bitwise_or, or, |)
BITS(bitwise_xor, xor, ^)

/* ---- BitShift ---------------------------------------------------------------------------------------------------- */

/* Out of range (as unsigned: negative too) only the sign is left. Right shifts of negative numbers keep the sign: those
 * of ~x bring in zeros, which ~ turns over. */
#define SHIFTS(sfx, T, U, bits)                                                                        \
    ZIP(left_##sfx, T, T, (U)y < bits ? (T)(U)((uint64_t)(U)x << (U)y) : 0)                            \
    ZIP(right_##sfx, T, T,                                                                             \
        (U)y >= bits ? (x < (T)1 && x != 0 ? (T)-1 : 0)                                                \
                     : x < (T)1 && x != 0 && (T)-1 < (T)1 ? (T)~(U)((U)~(U)x >> (U)y) : (T)((U)x >> (U)y))

SHIFTS(i8, int8_t, uint8_t, 8)
SHIFTS(i16, int16_t, uint16_t, 16)
SHIFTS(i32, int32_t, uint32_t, 32)
SHIFTS(i64, int64_t, uint64_t, 64)
SHIFTS(u8, uint8_t, uint8_t, 8)
SHIFTS(u16, uint16_t, uint16_t, 16)
SHIFTS(u32, uint32_t, uint32_t, 32)
SHIFTS(u64, uint64_t, uint64_t, 64)

#define INTEGER_ROWS(name)                                                                                  \
    [MQ_INT8] = name##_i8, [MQ_INT16] = name##_i16, [MQ_INT32] = name##_i32, [MQ_INT64] = name##_i64,       \
    [MQ_UINT8] = name##_u8, [MQ_UINT16] = name##_u16, [MQ_UINT32] = name##_u32, [MQ_UINT64] = name##_u64

static mq_status op_bit_shift(mq_call *c)
{
    static const mq_zip_fn left[MQ_N_DTYPES] = { INTEGER_ROWS(left) }, right[MQ_N_DTYPES] = { INTEGER_ROWS(right) };

    if (mq_node_attr_is(c->node, "direction", "LEFT"))
        return mq_call_zip_typed(c, left, MQ_UNDEFINED, NULL);
    if (mq_node_attr_is(c->node, "direction", "RIGHT"))
        return mq_call_zip_typed(c, right, MQ_UNDEFINED, NULL);
    return mq_call_fail(c, "attribute 'direction' must be 'LEFT' or 'RIGHT'");
}

/* ---- Where ------------------------------------------------------------------------------------------------------- */

typedef struct bytes16 {
    uint64_t low, high;
} bytes16;

#define WHERE(name, T)                                                    \
    MQ_ZIP_HEAD(name)                                                     \
    {                                                                     \
        const uint8_t *which = in[0];                                     \
        const T *p = in[1], *q = in[2];                                   \
        T *to = out;                                                      \
        (void)param;                                                      \
        for (int64_t i = 0; i < n; i++) {                                 \
            const T x = p[i * step[1]], y = q[i * step[2]];               \
            to[i] = which[i * step[0]] ? x : y;                           \
        }                                                                 \
    }

WHERE(where_1, uint8_t)
WHERE(where_2, uint16_t)
WHERE(where_8, uint64_t)
WHERE(where_16, bytes16)
WHERE(where_string, mq_bytes)

/* The common ones as vector code, when the condition is there for each element. */
MQ_ZIP_CLONES(where_4)
{
    const uint8_t *which = in[0];
    const uint32_t *p = in[1], *q = in[2];
    uint32_t *to = out;

    (void)param;
    if (step[0] && step[1] && step[2]) {
        MQ_LANES
        for (int64_t i = 0; i < n; i++)
            to[i] = which[i] ? p[i] : q[i];
    } else if (step[0] && step[1]) {
        const uint32_t y = *q;
        MQ_LANES
        for (int64_t i = 0; i < n; i++)
            to[i] = which[i] ? p[i] : y;
    } else if (step[0] && step[2]) {
        const uint32_t x = *p;
        MQ_LANES
        for (int64_t i = 0; i < n; i++)
            to[i] = which[i] ? x : q[i];
    } else {
        for (int64_t i = 0; i < n; i++)
            to[i] = which[i * step[0]] ? p[i * step[1]] : q[i * step[2]];
    }
}

static mq_zip_fn where_leaf(const mq_array *x)
{
    if (x->dtype == MQ_STRING)
        return where_string;
    switch (mq_array_elem_size(x)) {
    case 1: return where_1;
    case 2: return where_2;
    case 4: return where_4;
    case 8: return where_8;
    case 16: return where_16;
    default: return NULL;
    }
}

static mq_status op_where(mq_call *c)
{
    mq_bcast b;
    mq_zip_fn leaf;
    mq_dtype type;
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 3));
    type = c->in[1]->dtype;
    leaf = where_leaf(c->in[1]);
    if (!leaf)
        return mq_call_bad_type(c, type);
    if (c->in[0]->dtype != MQ_BOOL || c->in[2]->dtype != type)
        return mq_call_fail(c, "the inputs are %s, %s and %s, they must be bool and two of one type",
                            mq_dtype_name(c->in[0]->dtype), mq_dtype_name(type), mq_dtype_name(c->in[2]->dtype));
    MQ_TRY(mq_call_broadcast(c, 3, c->in, &b));
    MQ_TRY(mq_call_out(c, 0, type, b.out_rank, b.out_dims, &out));
    if (out)
        mq_zip_run(c, 3, c->in, &b, out, mq_array_elem_size(c->in[1]), leaf, NULL);
done:
    return rc;
}

const mq_kernel mq_kernels_logic[] = {
    { "", "And", op_and, 0 },
    { "", "BitShift", op_bit_shift, 0 },
    { "", "BitwiseAnd", op_bitwise_and, 0 },
    { "", "BitwiseOr", op_bitwise_or, 0 },
    { "", "BitwiseXor", op_bitwise_xor, 0 },
    { "", "Equal", op_equal, MQ_KERNEL_WIDEN },
    { "", "Greater", op_greater, MQ_KERNEL_WIDEN },
    { "", "GreaterOrEqual", op_greater_or_equal, MQ_KERNEL_WIDEN },
    { "", "Less", op_less, MQ_KERNEL_WIDEN },
    { "", "LessOrEqual", op_less_or_equal, MQ_KERNEL_WIDEN },
    { "", "Or", op_or, 0 },
    { "", "Where", op_where, MQ_KERNEL_MOVES },
    { "", "Xor", op_xor, 0 },
    { 0 },
};
