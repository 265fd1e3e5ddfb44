/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Arithmetic of two or more broadcast inputs: Add, Sub, Mul, Div, Mod, Pow, and Max, Min, Sum, Mean of any number. Integers
 * wrap; dividing by 0 gives 0, in them. NaN goes through, also through Max and Min. */
#include <math.h>

#include "exec/ref/families.h"
#include "exec/ref/lanes.h"
#include "exec/ref/vmath_lane.h"

#define ZIP(name, T, R, expr) MQ_ZIP(name, T, R, (void)param, expr)
#define FAST_ZIP(name, T, R, expr) MQ_ZIP_FAST(name, T, R, (void)param, expr)

/* F(suffix, type, unsigned type wide enough that nothing promotes to int, name of the element type) */
#define INTEGERS(F, name)                     \
    F(name, i8, int8_t, uint32_t)             \
    F(name, i16, int16_t, uint32_t)           \
    F(name, i32, int32_t, uint32_t)           \
    F(name, i64, int64_t, uint64_t)           \
    F(name, u8, uint8_t, uint32_t)            \
    F(name, u16, uint16_t, uint32_t)          \
    F(name, u32, uint32_t, uint32_t)          \
    F(name, u64, uint64_t, uint64_t)
#define INTEGER_ROWS(name)                                                                        \
    [MQ_INT8] = name##_i8, [MQ_INT16] = name##_i16, [MQ_INT32] = name##_i32, [MQ_INT64] = name##_i64, \
    [MQ_UINT8] = name##_u8, [MQ_UINT16] = name##_u16, [MQ_UINT32] = name##_u32, [MQ_UINT64] = name##_u64
#define TABLE(name) { [MQ_FLOAT] = name##_f32, [MQ_DOUBLE] = name##_f64, INTEGER_ROWS(name) }

/* ---- Add, Sub, Mul, Div ------------------------------------------------------------------------------------------ */

#define ADD_INT(name, sfx, T, W) ZIP(name##_##sfx, T, T, (W)x + (W)y)
#define SUB_INT(name, sfx, T, W) ZIP(name##_##sfx, T, T, (W)x - (W)y)
#define MUL_INT(name, sfx, T, W) ZIP(name##_##sfx, T, T, (W)x * (W)y)
/* The least number by -1 wraps; the processor would trap. */
#define IS_MINUS_ONE(T, y) ((T)-1 < (T)1 && (y) == (T)-1)
#define DIV_INT(name, sfx, T, W) ZIP(name##_##sfx, T, T, y == 0 ? 0 : IS_MINUS_ONE(T, y) ? (T)(0 - (W)x) : (T)(x / y))

#define ARITHMETIC(name, int_leaf, op)                     \
    FAST_ZIP(name##_f32, float, float, x op y)             \
    ZIP(name##_f64, double, double, x op y)                \
    INTEGERS(int_leaf, name)                               \
    static mq_status op_##name(mq_call *c)                 \
    {                                                      \
        static const mq_zip_fn leaves[MQ_N_DTYPES] = TABLE(name);      \
        return mq_call_zip_typed(c, leaves, MQ_UNDEFINED, NULL);       \
    }

ARITHMETIC(add, ADD_INT, +)
ARITHMETIC(sub, SUB_INT, -)
ARITHMETIC(mul, MUL_INT, *)
ARITHMETIC(div, DIV_INT, /)

/* ---- Mod --------------------------------------------------------------------------------------------------------- */

/* The remainder with the divisor's sign. */
static double floor_mod(double x, double y)
{
    const double r = fmod(x, y);

    if (r == 0)
        return copysign(0, y);
    return (r < 0) != (y < 0) ? r + y : r;
}

static float floor_modf(float x, float y)
{
    const float r = fmodf(x, y);

    if (r == 0)
        return copysignf(0, y);
    return (r < 0) != (y < 0) ? r + y : r;
}

#define REM(T, x, y) ((T)((y) == 0 || IS_MINUS_ONE(T, y) ? 0 : (x) % (y)))
#define REM_INT(name, sfx, T, W) ZIP(name##_##sfx, T, T, REM(T, x, y))
#define MOD_INT(name, sfx, T, W) \
    ZIP(name##_##sfx, T, T, (T)((W)REM(T, x, y) + (REM(T, x, y) != 0 && (REM(T, x, y) < 1) != (y < 1) ? (W)y : 0)))

ZIP(mod_f32, float, float, floor_modf(x, y))
ZIP(mod_f64, double, double, floor_mod(x, y))
INTEGERS(MOD_INT, mod)
ZIP(rem_f32, float, float, fmodf(x, y))
ZIP(rem_f64, double, double, fmod(x, y))
INTEGERS(REM_INT, rem)

static mq_status op_mod(mq_call *c)
{
    static const mq_zip_fn floored[MQ_N_DTYPES] = TABLE(mod), truncated[MQ_N_DTYPES] = TABLE(rem);
    const int64_t how = mq_node_attr_int(c->node, "fmod", 0);

    if (how != 0 && how != 1)
        return mq_call_fail(c, "attribute 'fmod' is %lld, it must be 0 or 1", (long long)how);
    return mq_call_zip_typed(c, how ? truncated : floored, MQ_UNDEFINED, NULL);
}

/* ---- Pow --------------------------------------------------------------------------------------------------------- */

/* What the type cannot hold becomes the least number, as in a cast. */
static int64_t to_i64(double v)
{
    return v >= -0x1p63 && v < 0x1p63 ? (int64_t)v : INT64_MIN;
}

static int32_t to_i32(double v)
{
    return v > -0x1p31 - 1 && v < 0x1p31 ? (int32_t)v : INT32_MIN;
}

/* Wraps; a negative exponent leaves something only of 1 and -1. */
static uint64_t power(uint64_t base, uint64_t exponent, bool negative)
{
    uint64_t result = 1;

    if (negative)
        return base == 1 ? 1 : base == UINT64_MAX ? (exponent & 1 ? base : 1) : 0;
    for (; exponent; exponent >>= 1) {
        if (exponent & 1)
            result *= base;
        base *= base;
    }
    return result;
}

#define POW_BY_INT(T, sfx, E) MQ_ZIP_HEAD(pow_##T##_##sfx)                                                  \
    {                                                                                                       \
        const T##_t *p = in[0];                                                                             \
        const E *q = in[1];                                                                                 \
        T##_t *to = out;                                                                                    \
        (void)param;                                                                                        \
        for (int64_t i = 0; i < n; i++) {                                                                   \
            const E y = q[i * step[1]];                                                                     \
            to[i] = (T##_t)power((uint64_t)p[i * step[0]], (uint64_t)y, y < (E)1 && y != 0);                \
        }                                                                                                   \
    }
#define POW_MIXED(name, T, E, convert) MQ_ZIP_HEAD(name)                                                    \
    {                                                                                                       \
        const T *p = in[0];                                                                                 \
        const E *q = in[1];                                                                                 \
        T *to = out;                                                                                        \
        (void)param;                                                                                        \
        for (int64_t i = 0; i < n; i++)                                                                     \
            to[i] = convert(pow((double)p[i * step[0]], (double)q[i * step[1]]));                           \
    }
#define POWS_BY(sfx, E)                            \
    POW_BY_INT(int32, sfx, E)                      \
    POW_BY_INT(int64, sfx, E)                      \
    POW_MIXED(pow_float_##sfx, float, E, (float))  \
    POW_MIXED(pow_double_##sfx, double, E, )

POWS_BY(i8, int8_t)
POWS_BY(i16, int16_t)
POWS_BY(i32, int32_t)
POWS_BY(i64, int64_t)
POWS_BY(u8, uint8_t)
POWS_BY(u16, uint16_t)
POWS_BY(u32, uint32_t)
POWS_BY(u64, uint64_t)
POW_MIXED(pow_int32_f32, int32_t, float, to_i32)
POW_MIXED(pow_int32_f64, int32_t, double, to_i32)
POW_MIXED(pow_int64_f32, int64_t, float, to_i64)
POW_MIXED(pow_int64_f64, int64_t, double, to_i64)
POW_MIXED(pow_float_f64, float, double, (float))
POW_MIXED(pow_double_f32, double, float, )
POW_MIXED(pow_double_f64, double, double, )
ZIP(pow_any_f32, float, float, powf(x, y))
FAST_ZIP(pow_2_f32, float, float, ((void)y, x * x))
FAST_ZIP(pow_3_f32, float, float, ((void)y, (float)((double)x * (double)x * (double)x)))
/* x + 0 makes -0 to 0; the root of -infinity would be NaN, the power is infinite */
FAST_ZIP(pow_half_f32, float, float, ((void)y, mq_lane_select(mq_bits_mask(x == -INFINITY), INFINITY, sqrtf(x + 0.0f))))

/* The exponents that models have most are products and roots: the same result, to half a unit of the last place. */
MQ_ZIP_HEAD(pow_float_f32)
{
    const float y = *(const float *)in[1];
    const bool one = step[1] == 0;

    (one && y == 2 ? pow_2_f32 : one && y == 3 ? pow_3_f32 : one && y == 0.5f ? pow_half_f32 : pow_any_f32)(n, in, step,
                                                                                                         out, param);
}

#define POW_ROWS(T)                                                                                     \
    { [MQ_FLOAT] = pow_##T##_f32, [MQ_DOUBLE] = pow_##T##_f64, INTEGER_ROWS(pow_##T) }

static mq_status op_pow(mq_call *c)
{
    static const mq_zip_fn floats[MQ_N_DTYPES] = POW_ROWS(float), doubles[MQ_N_DTYPES] = POW_ROWS(double),
                           int32s[MQ_N_DTYPES] = POW_ROWS(int32), int64s[MQ_N_DTYPES] = POW_ROWS(int64);
    const mq_zip_fn *leaves;
    mq_dtype base;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 2));
    base = c->in[0]->dtype;
    leaves = base == MQ_FLOAT    ? floats
             : base == MQ_DOUBLE ? doubles
             : base == MQ_INT32  ? int32s
             : base == MQ_INT64  ? int64s
                                 : NULL;
    if (!leaves)
        return mq_call_bad_type(c, base);
    if (!leaves[c->in[1]->dtype])
        return mq_call_bad_type(c, c->in[1]->dtype);
    MQ_TRY(mq_call_zip(c, 2, base, leaves[c->in[1]->dtype], NULL));
done:
    return rc;
}

/* ---- Max, Min, Sum, Mean ----------------------------------------------------------------------------------------- */

#define MAX_INT(name, sfx, T, W) ZIP(name##_##sfx, T, T, x > y ? x : y)
#define MIN_INT(name, sfx, T, W) ZIP(name##_##sfx, T, T, x < y ? x : y)
FAST_ZIP(max_f32, float, float, mq_lane_select(mq_bits_mask((x > y) | (x != x)), x, y))
FAST_ZIP(min_f32, float, float, mq_lane_select(mq_bits_mask((x < y) | (x != x)), x, y))
ZIP(max_f64, double, double, x > y || x != x ? x : y)
ZIP(min_f64, double, double, x < y || x != x ? x : y)
INTEGERS(MAX_INT, max)
INTEGERS(MIN_INT, min)

/* acc takes the common shape of all inputs, which have one type. */
static mq_status common_shape(mq_call *c, mq_array *acc)
{
    mq_bcast b;
    mq_status rc = MQ_OK;

    *acc = *c->in[0];
    for (size_t k = 1; k < c->n_in; k++) {
        const mq_array *two[] = { acc, c->in[k] };

        if (c->in[k]->dtype != acc->dtype)
            return mq_call_fail(c, "the inputs are %s and %s, they must be the same", mq_dtype_name(acc->dtype),
                                mq_dtype_name(c->in[k]->dtype));
        MQ_TRY(mq_call_broadcast(c, 2, two, &b));
        acc->rank = b.out_rank;
        memcpy(acc->dims, b.out_dims, (size_t)b.out_rank * sizeof *b.out_dims);
        acc->count = (size_t)b.count;
    }
done:
    return rc;
}

/* The result may lie over the first input when no other is the same memory: it is read again and again. */
static mq_status make_result(mq_call *c, mq_array *acc)
{
    bool over = c->in[0]->count == acc->count;

    for (size_t k = 1; k < c->n_in; k++)
        over = over && c->in[k]->data != c->in[0]->data;
    return over ? mq_call_out_over(c, 0, 0, acc->dtype, acc->rank, acc->dims, &acc->data)
                : mq_call_out(c, 0, acc->dtype, acc->rank, acc->dims, &acc->data);
}

/* From left to right; at last divided by `divisor`. */
static mq_status fold(mq_call *c, const mq_zip_fn leaves[MQ_N_DTYPES], mq_map_fn divide)
{
    mq_array acc;
    mq_bcast b;
    mq_zip_fn leaf;
    mq_status rc;

    MQ_TRY(mq_call_need(c, c->n_in ? c->n_in : 1));
    leaf = leaves[c->in[0]->dtype];
    if (!leaf)
        return mq_call_bad_type(c, c->in[0]->dtype);
    if (c->n_in == 1)
        return mq_call_out_view(c, 0, 0, c->in[0]->rank, c->in[0]->dims);
    MQ_TRY(common_shape(c, &acc));
    MQ_TRY(make_result(c, &acc));
    if (!acc.data)
        return MQ_OK;
    for (size_t k = 1; k < c->n_in; k++) {
        /* the first step reads two inputs; the result is there for its shape */
        const mq_array *three[] = { k == 1 ? c->in[0] : &acc, c->in[k], &acc };

        MQ_TRY(mq_call_broadcast(c, 3, three, &b));
        mq_zip_run(c, 2, three, &b, acc.data, mq_array_elem_size(&acc), leaf, NULL);
    }
    if (divide)
        mq_map_run(c, (int64_t)acc.count, acc.data, mq_array_elem_size(&acc), acc.data, mq_array_elem_size(&acc), divide,
                   &c->n_in);
done:
    return rc;
}

#define DIVIDE(name, T)                                                               \
    static void name(int64_t n, const void *in, void *out, const void *param)         \
    {                                                                                 \
        const T by = (T)*(const size_t *)param;                                       \
        for (int64_t i = 0; i < n; i++)                                               \
            ((T *)out)[i] = ((const T *)in)[i] / by;                                  \
    }
DIVIDE(divide_f32, float)
DIVIDE(divide_f64, double)

static mq_status op_max(mq_call *c)
{
    static const mq_zip_fn leaves[MQ_N_DTYPES] = TABLE(max);
    return fold(c, leaves, NULL);
}

static mq_status op_min(mq_call *c)
{
    static const mq_zip_fn leaves[MQ_N_DTYPES] = TABLE(min);
    return fold(c, leaves, NULL);
}

static const mq_zip_fn sums[MQ_N_DTYPES] = { [MQ_FLOAT] = add_f32, [MQ_DOUBLE] = add_f64 };

static mq_status op_sum(mq_call *c)
{
    return fold(c, sums, NULL);
}

static mq_status op_mean(mq_call *c)
{
    return fold(c, sums, c->n_in && c->in[0] && c->in[0]->dtype == MQ_FLOAT ? divide_f32 : divide_f64);
}

const mq_kernel mq_kernels_binary[] = {
    { "", "Add", op_add, MQ_KERNEL_WIDEN }, { "", "Div", op_div, MQ_KERNEL_WIDEN },
    { "", "Max", op_max, MQ_KERNEL_WIDEN }, { "", "Mean", op_mean, MQ_KERNEL_WIDEN },
    { "", "Min", op_min, MQ_KERNEL_WIDEN }, { "", "Mod", op_mod, MQ_KERNEL_WIDEN },
    { "", "Mul", op_mul, MQ_KERNEL_WIDEN }, { "", "Pow", op_pow, MQ_KERNEL_WIDEN },
    { "", "Sub", op_sub, MQ_KERNEL_WIDEN }, { "", "Sum", op_sum, MQ_KERNEL_WIDEN },
    { 0 },
};
