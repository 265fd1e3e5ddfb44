/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The steps of an element-wise chain. Each is the expression that the operator's own kernel has (unary.c, binary.c,
 * activation.c, logic.c), so that a chain gives the same bits; tests/unit/passes/fuse_elementwise.c compares them all. */
#include "exec/ref/chain_lanes.h"

#include <math.h>

#include "exec/ref/lanes.h"
#include "exec/ref/vmath.h"
#include "exec/ref/vmath_lane.h"

#define HEAD(name) \
    static void name(int64_t n, const void *const *in, const int64_t *step, void *out, const float *param)
#define CLONES(name)                                                                                                  \
    MQ_CLONES(void, name, (int64_t n, const void *const *in, const int64_t *step, void *out, const float *param),     \
              (n, in, step, out, param))

/* ---- one operand --------------------------------------------------------------------------------------------------- */

#define BODY(head, T, lanes, expr)                        \
    head                                                  \
    {                                                     \
        const T *from = in[0];                            \
        T *to = out;                                      \
        MQ_UNUSED const float a = param[0], b = param[1]; \
        (void)step;                                       \
        lanes                                             \
        for (int64_t i = 0; i < n; i++) {                 \
            const T x = from[i];                          \
            to[i] = (T)(expr);                            \
        }                                                 \
    }
#define FLOAT_LEAF(name, expr) BODY(CLONES(name##_f32), float, MQ_LANES, expr)
#define BOTH(name, fexpr, dexpr)   \
    FLOAT_LEAF(name, fexpr)        \
    BODY(HEAD(name##_f64), double, , dexpr)

#define BY_VMATH(name)                     \
    HEAD(name##_f32)                       \
    {                                      \
        (void)step;                        \
        (void)param;                       \
        mq_v##name(in[0], out, n);         \
    }
#define BOTH_BY_VMATH(name, dexpr) \
    BY_VMATH(name)                 \
    BODY(HEAD(name##_f64), double, , dexpr)

#define SELECT(condition, yes, no) mq_lane_select(mq_bits_mask(condition), yes, no)

/* 0 <= x <= 1, by choosing */
MQ_INLINE float unit(float x)
{
    return mq_lane_at_most(mq_lane_at_least(x, 0), 1);
}

BOTH_BY_VMATH(erf, erf(x))
BOTH_BY_VMATH(exp, exp(x))
BOTH_BY_VMATH(log, log(x))
BOTH_BY_VMATH(tanh, tanh(x))
BY_VMATH(gelu)
BY_VMATH(gelu_tanh)
BY_VMATH(mish)
BY_VMATH(sigmoid)
BY_VMATH(softplus)
BOTH(abs, fabsf(x), fabs(x))
BOTH(ceil, ceilf(x), ceil(x))
BOTH(floor, floorf(x), floor(x))
BOTH(neg, -x, -x)
BOTH(reciprocal, 1.0f / x, 1.0 / x)
BOTH(relu, mq_lane_at_least(x, 0), x < 0 ? 0 : x)
BOTH(round, rintf(x), rint(x))
BOTH(sqrt, sqrtf(x), sqrt(x))
FLOAT_LEAF(celu, mq_lane_at_least(x, 0) + mq_lane_at_most(a * mq_lane_expm1(x / a), 0))
FLOAT_LEAF(elu, SELECT(x < 0, a * mq_lane_expm1(x), x))
FLOAT_LEAF(hard_sigmoid, unit(a * x + b))
FLOAT_LEAF(hard_swish, x * unit(x * (1.0f / 6) + 0.5f))
FLOAT_LEAF(leaky_relu, SELECT(x < 0, a * x, x))
FLOAT_LEAF(selu, b * SELECT(x < 0, a * mq_lane_expm1(x), x))
FLOAT_LEAF(softsign, x / (1 + fabsf(x)))
FLOAT_LEAF(swish, x * mq_lane_sigmoid(a * x))
FLOAT_LEAF(thresholded_relu, SELECT(x > a, x, 0))

/* ---- two operands -------------------------------------------------------------------------------------------------- */

#define ZIP(name, T, R, expr)              \
    CLONES(name)                           \
    {                                      \
        (void)param;                       \
        MQ_ZIP_LOOPS(T, R, MQ_LANES, expr) \
    }
#define SLOW_ZIP(name, T, expr)     \
    HEAD(name)                      \
    {                               \
        (void)param;                \
        MQ_ZIP_LOOP(T, T, expr)     \
    }
#define OPERATOR(name, op)                     \
    ZIP(name##_f32, float, float, x op y)      \
    ZIP(name##_f64, double, double, x op y)
#define COMPARISON(name, op)                    \
    ZIP(name##_f32, float, uint8_t, x op y)     \
    ZIP(name##_f64, double, uint8_t, x op y)

OPERATOR(add, +)
OPERATOR(div, /)
OPERATOR(mul, *)
OPERATOR(sub, -)
COMPARISON(equal, ==)
COMPARISON(greater, >)
COMPARISON(greater_or_equal, >=)
COMPARISON(less, <)
COMPARISON(less_or_equal, <=)
ZIP(max_f32, float, float, SELECT((x > y) | (x != x), x, y))
ZIP(min_f32, float, float, SELECT((x < y) | (x != x), x, y))
SLOW_ZIP(max_f64, double, x > y || x != x ? x : y)
SLOW_ZIP(min_f64, double, x < y || x != x ? x : y)
ZIP(prelu_f32, float, float, SELECT(x < 0, x * y, x))
SLOW_ZIP(prelu_f64, double, x < 0 ? x * y : x)
ZIP(square_f32, float, float, ((void)y, x * x))
ZIP(cube_f32, float, float, ((void)y, (float)((double)x * (double)x * (double)x)))
/* x + 0 makes -0 to 0; the root of -infinity would be NaN, the power is infinite */
ZIP(root_f32, float, float, ((void)y, SELECT(x == -INFINITY, INFINITY, sqrtf(x + 0.0f))))
SLOW_ZIP(any_pow_f32, float, powf(x, y))
SLOW_ZIP(pow_f64, double, pow(x, y))

HEAD(pow_f32)
{
    const float y = *(const float *)in[1];
    const bool one = step[1] == 0;

    (one && y == 2 ? square_f32 : one && y == 3 ? cube_f32 : one && y == 0.5f ? root_f32 : any_pow_f32)(n, in, step, out,
                                                                                                    param);
}

/* ---- three operands ------------------------------------------------------------------------------------------------ */

/* A bound that is NaN makes everything NaN. */
#define CLIP(name, T)                                                                                                \
    CLONES(name)                                                                                                     \
    {                                                                                                                \
        const bool has_low = in[1], has_high = in[2];                                                                \
        const T *from = in[0], low = has_low ? *(const T *)in[1] : 0, high = has_high ? *(const T *)in[2] : 0;       \
        T *to = out;                                                                                                 \
        (void)step;                                                                                                  \
        (void)param;                                                                                                 \
        MQ_LANES                                                                                                     \
        for (int64_t i = 0; i < n; i++) {                                                                            \
            T x = from[i];                                                                                           \
            x = has_low && (x < low || low != low) ? low : x;                                                        \
            to[i] = has_high && (x > high || high != high) ? high : x;                                               \
        }                                                                                                            \
    }

/* Bits are chosen, so that every NaN stays as it is. */
#define WHERE(name, T)                                                                 \
    CLONES(name)                                                                       \
    {                                                                                  \
        const uint8_t *which = in[0];                                                  \
        const T *p = in[1], *q = in[2];                                                \
        T *to = out;                                                                   \
        (void)param;                                                                   \
        if (step[0] && step[1] && step[2]) {                                           \
            MQ_LANES                                                                   \
            for (int64_t i = 0; i < n; i++)                                            \
                to[i] = which[i] ? p[i] : q[i];                                        \
        } else if (step[0] && step[1]) {                                               \
            const T y = *q;                                                            \
            MQ_LANES                                                                   \
            for (int64_t i = 0; i < n; i++)                                            \
                to[i] = which[i] ? p[i] : y;                                           \
        } else if (step[0] && step[2]) {                                               \
            const T x = *p;                                                            \
            MQ_LANES                                                                   \
            for (int64_t i = 0; i < n; i++)                                            \
                to[i] = which[i] ? x : q[i];                                           \
        } else {                                                                       \
            for (int64_t i = 0; i < n; i++)                                            \
                to[i] = which[i * step[0]] ? p[i * step[1]] : q[i * step[2]];          \
        }                                                                              \
    }

CLIP(clip_f32, float)
CLIP(clip_f64, double)
WHERE(where_f32, uint32_t)
WHERE(where_f64, uint64_t)

/* ---- the table ----------------------------------------------------------------------------------------------------- */

#define ROW(step, name) [MQ_CHAIN_##step] = { name##_f32, name##_f64 }
#define FLOAT_ROW(step, name) [MQ_CHAIN_##step] = { name##_f32, NULL }

static const mq_chain_leaf leaves[MQ_CHAIN_KINDS][2] = {
    ROW(ABS, abs),
    ROW(CEIL, ceil),
    ROW(ERF, erf),
    ROW(EXP, exp),
    ROW(FLOOR, floor),
    ROW(LOG, log),
    ROW(NEG, neg),
    ROW(RECIPROCAL, reciprocal),
    ROW(RELU, relu),
    ROW(ROUND, round),
    ROW(SQRT, sqrt),
    ROW(TANH, tanh),
    FLOAT_ROW(CELU, celu),
    FLOAT_ROW(ELU, elu),
    FLOAT_ROW(GELU, gelu),
    FLOAT_ROW(HARD_SIGMOID, hard_sigmoid),
    FLOAT_ROW(HARD_SWISH, hard_swish),
    FLOAT_ROW(LEAKY_RELU, leaky_relu),
    FLOAT_ROW(MISH, mish),
    FLOAT_ROW(SELU, selu),
    FLOAT_ROW(SIGMOID, sigmoid),
    FLOAT_ROW(SOFTPLUS, softplus),
    FLOAT_ROW(SOFTSIGN, softsign),
    FLOAT_ROW(SWISH, swish),
    FLOAT_ROW(THRESHOLDED_RELU, thresholded_relu),
    FLOAT_ROW(TANH_GELU, gelu_tanh),
    ROW(ADD, add),
    ROW(DIV, div),
    ROW(MAX, max),
    ROW(MIN, min),
    ROW(MUL, mul),
    ROW(POW, pow),
    ROW(PRELU, prelu),
    ROW(SUB, sub),
    ROW(EQUAL, equal),
    ROW(GREATER, greater),
    ROW(GREATER_OR_EQUAL, greater_or_equal),
    ROW(LESS, less),
    ROW(LESS_OR_EQUAL, less_or_equal),
    ROW(CLIP, clip),
    ROW(WHERE, where),
};

mq_chain_leaf mq_chain_leaf_of(mq_chain_step step, mq_dtype type)
{
    return type == MQ_FLOAT ? leaves[step][0] : type == MQ_DOUBLE ? leaves[step][1] : NULL;
}
