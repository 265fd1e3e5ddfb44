/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Activation functions, Clip, and Dropout. In float by the approximations of vmath_lane.h, fused into one loop; in double by
 * the C library. NaN goes through. */
#include <math.h>

#include "base/random.h"
#include "exec/ref/families.h"
#include "exec/ref/lanes.h"
#include "exec/ref/vmath.h"
#include "exec/ref/vmath_lane.h"

/* What a leaf needs to know: the attributes. */
typedef struct coefs {
    float a, b;
} coefs;

#define HEAD(name) static void name(int64_t n, const void *in, void *out, const void *param)
#define CLONES(name) MQ_CLONES(void, name, (int64_t n, const void *in, void *out, const void *param), (n, in, out, param))

/* A leaf that is an expression of x, a and b. LANES: vector code, also when out is in. */
#define BODY(head, T, lanes, expr)                                                            \
    head                                                                                      \
    {                                                                                         \
        const T *from = in;                                                                   \
        T *to = out;                                                                          \
        MQ_UNUSED const T a = (T)((const coefs *)param)->a, b = (T)((const coefs *)param)->b; \
        lanes                                                                                 \
        for (int64_t i = 0; i < n; i++) {                                                     \
            const T x = from[i];                                                              \
            to[i] = (T)(expr);                                                                \
        }                                                                                     \
    }
#define LEAF(name, T, expr) BODY(HEAD(name), T, , expr)
#define FAST_LEAF(name, T, expr) BODY(CLONES(name), T, MQ_LANES, expr)

/* The attributes a and b by their names, and what they are when absent; "" for none. */
#define ACTIVATION(name, attr_a, absent_a, attr_b, absent_b, fexpr, dexpr)                   \
    FAST_LEAF(name##_f32, float, fexpr)                                                      \
    LEAF(name##_f64, double, dexpr)                                                          \
    static mq_status op_##name(mq_call *c)                                                   \
    {                                                                                        \
        const coefs k = { mq_node_attr_float(c->node, attr_a, absent_a),                     \
                          mq_node_attr_float(c->node, attr_b, absent_b) };                   \
        static const mq_map_fn leaves[MQ_N_DTYPES] = { [MQ_FLOAT] = name##_f32, [MQ_DOUBLE] = name##_f64 }; \
        return mq_call_map_typed(c, leaves, &k);                                             \
    }

static double sigmoid(double x)
{
    const double e = exp(-fabs(x));
    return (x < 0 ? e : 1) / (1 + e);
}

static double softplus(double x)
{
    return (x < 0 ? 0 : x) + log1p(exp(-fabs(x)));
}

static double gelu(double x)
{
    return 0.5 * x * erfc(-x * M_SQRT1_2);
}

static double gelu_tanh(double x)
{
    return x * sigmoid(2 * 0.79788456080286535588 * x * (1 + 0.044715 * x * x));
}

/* 0 <= x <= 1, by choosing */
static double unit_f64(double x)
{
    return x < 0 ? 0 : x > 1 ? 1 : x;
}

MQ_INLINE float unit(float x)
{
    return mq_lane_at_most(mq_lane_at_least(x, 0), 1);
}

#define SELECT(condition, yes, no) mq_lane_select(mq_bits_mask(condition), yes, no)

ACTIVATION(leaky_relu, "alpha", 0.01f, "", 0, SELECT(x < 0, a * x, x), x < 0 ? a * x : x)
ACTIVATION(elu, "alpha", 1, "", 0, SELECT(x < 0, a * mq_lane_expm1(x), x), x < 0 ? a * expm1(x) : x)
ACTIVATION(celu, "alpha", 1, "", 0, mq_lane_at_least(x, 0) + mq_lane_at_most(a * mq_lane_expm1(x / a), 0),
           (x < 0 ? 0 : x) + fmin(a * expm1(x / a), 0))
ACTIVATION(selu, "alpha", 1.67326319217681884765625f, "gamma", 1.05070102214813232421875f,
           b * SELECT(x < 0, a * mq_lane_expm1(x), x), b * (x < 0 ? a * expm1(x) : x))
ACTIVATION(sigmoid, "", 0, "", 0, mq_lane_sigmoid(x), sigmoid(x))
ACTIVATION(hard_sigmoid, "alpha", 0.2f, "beta", 0.5f, unit(a * x + b), unit_f64(a * x + b))
ACTIVATION(hard_swish, "", 0, "", 0, x * unit(x * (1.0f / 6) + 0.5f), x * unit_f64(x / 6 + 0.5))
ACTIVATION(softplus, "", 0, "", 0, mq_lane_softplus(x), softplus(x))
ACTIVATION(softsign, "", 0, "", 0, x / (1 + fabsf(x)), x / (1 + fabs(x)))
ACTIVATION(thresholded_relu, "alpha", 1, "", 0, SELECT(x > a, x, 0), x > a ? x : 0)
ACTIVATION(mish, "", 0, "", 0, mq_lane_mish(x), x * tanh(softplus(x)))
ACTIVATION(swish, "alpha", 1, "", 0, x * mq_lane_sigmoid(a * x), x * sigmoid(a * x))
ACTIVATION(quick_gelu, "alpha", 1.702f, "", 0, x * mq_lane_sigmoid(a * x), x * sigmoid(a * x))
ACTIVATION(gelu_erf, "", 0, "", 0, mq_lane_gelu(x), gelu(x))
ACTIVATION(gelu_tanh, "", 0, "", 0, mq_lane_gelu_tanh(x), gelu_tanh(x))

static mq_status op_gelu(mq_call *c)
{
    if (mq_node_attr_is(c->node, "approximate", "tanh"))
        return op_gelu_tanh(c);
    if (mq_node_attr(c->node, "approximate") && !mq_node_attr_is(c->node, "approximate", "none"))
        return mq_call_fail(c, "attribute 'approximate' must be 'none' or 'tanh'");
    return op_gelu_erf(c);
}

/* ---- Relu, Shrink: integers too ---------------------------------------------------------------------------------- */

FAST_LEAF(relu_f32, float, mq_lane_at_least(x, 0))
LEAF(relu_f64, double, x < 0 ? 0 : x)
LEAF(relu_i8, int8_t, x < 0 ? 0 : x)
LEAF(relu_i16, int16_t, x < 0 ? 0 : x)
LEAF(relu_i32, int32_t, x < 0 ? 0 : x)
LEAF(relu_i64, int64_t, x < 0 ? 0 : x)

static mq_status op_relu(mq_call *c)
{
    static const mq_map_fn leaves[MQ_N_DTYPES] = {
        [MQ_FLOAT] = relu_f32, [MQ_DOUBLE] = relu_f64, [MQ_INT8] = relu_i8,
        [MQ_INT16] = relu_i16, [MQ_INT32] = relu_i32,  [MQ_INT64] = relu_i64,
    };
    const coefs none = { 0, 0 };

    return mq_call_map_typed(c, leaves, &none);
}

/* Integers are shrunk in double and cut off; what the type cannot hold wraps. a is lambd, b is bias. */
static int64_t shrink_int(double x, double lambd, double bias)
{
    const double y = x < -lambd ? x + bias : x > lambd ? x - bias : 0;

    return y >= -0x1p63 && y < 0x1p63 ? (int64_t)y : INT64_MIN;
}

#define SHRINK_INT(name, T)                                                                              \
    static void name(int64_t n, const void *in, void *out, const void *param)                            \
    {                                                                                                    \
        const coefs *k = param;                                                                          \
        for (int64_t i = 0; i < n; i++)                                                                  \
            ((T *)out)[i] = (T)shrink_int((double)((const T *)in)[i], (double)k->a, (double)k->b);       \
    }

LEAF(shrink_f32, float, x < -a ? x + b : x > a ? x - b : 0)
LEAF(shrink_f64, double, x < -a ? x + b : x > a ? x - b : 0)
SHRINK_INT(shrink_i8, int8_t)
SHRINK_INT(shrink_i16, int16_t)
SHRINK_INT(shrink_i32, int32_t)
SHRINK_INT(shrink_i64, int64_t)
SHRINK_INT(shrink_u8, uint8_t)
SHRINK_INT(shrink_u16, uint16_t)
SHRINK_INT(shrink_u32, uint32_t)
SHRINK_INT(shrink_u64, uint64_t)

static mq_status op_shrink(mq_call *c)
{
    static const mq_map_fn leaves[MQ_N_DTYPES] = {
        [MQ_FLOAT] = shrink_f32, [MQ_DOUBLE] = shrink_f64, [MQ_INT8] = shrink_i8,    [MQ_INT16] = shrink_i16,
        [MQ_INT32] = shrink_i32, [MQ_INT64] = shrink_i64,  [MQ_UINT8] = shrink_u8,   [MQ_UINT16] = shrink_u16,
        [MQ_UINT32] = shrink_u32, [MQ_UINT64] = shrink_u64,
    };
    const coefs k = { mq_node_attr_float(c->node, "lambd", 0.5f), mq_node_attr_float(c->node, "bias", 0) };

    return mq_call_map_typed(c, leaves, &k);
}

/* ---- Clip -------------------------------------------------------------------------------------------------------- */

/* The bounds that are there, each of the data's own type. */
typedef struct bounds {
    const void *low, *high;
} bounds;

/* A bound that is NaN makes everything NaN (b != b: never for integers). */
#define CLIP(head, T, lanes)                                                                                 \
    head                                                                                                     \
    {                                                                                                        \
        const bounds *k = param;                                                                             \
        const T *from = in, low = k->low ? *(const T *)k->low : 0, high = k->high ? *(const T *)k->high : 0; \
        const bool has_low = k->low, has_high = k->high;                                                     \
        T *to = out;                                                                                         \
        lanes                                                                                                \
        for (int64_t i = 0; i < n; i++) {                                                                    \
            T x = from[i];                                                                                   \
            x = has_low && (x < low || low != low) ? low : x;                                                \
            to[i] = has_high && (x > high || high != high) ? high : x;                                       \
        }                                                                                                    \
    }

CLIP(CLONES(clip_f32), float, MQ_LANES)
CLIP(HEAD(clip_f64), double, )
CLIP(HEAD(clip_i8), int8_t, )
CLIP(HEAD(clip_i16), int16_t, )
CLIP(HEAD(clip_i32), int32_t, )
CLIP(HEAD(clip_i64), int64_t, )
CLIP(HEAD(clip_u8), uint8_t, )
CLIP(HEAD(clip_u16), uint16_t, )
CLIP(HEAD(clip_u32), uint32_t, )
CLIP(HEAD(clip_u64), uint64_t, )

static mq_status bound(mq_call *c, size_t i, const char *name, const void **out)
{
    *out = NULL;
    if (!mq_call_has(c, i))
        return MQ_OK;
    if (c->in[i]->dtype != c->in[0]->dtype)
        return mq_call_fail(c, "'%s' is %s, the data are %s", name, mq_dtype_name(c->in[i]->dtype),
                            mq_dtype_name(c->in[0]->dtype));
    if (c->in[i]->count != 1)
        return mq_call_fail(c, "'%s' has %zu elements, it must be one number", name, c->in[i]->count);
    *out = c->in[i]->data;
    return MQ_OK;
}

static mq_status op_clip(mq_call *c)
{
    static const mq_map_fn leaves[MQ_N_DTYPES] = {
        [MQ_FLOAT] = clip_f32, [MQ_DOUBLE] = clip_f64, [MQ_INT8] = clip_i8,    [MQ_INT16] = clip_i16,
        [MQ_INT32] = clip_i32, [MQ_INT64] = clip_i64,  [MQ_UINT8] = clip_u8,   [MQ_UINT16] = clip_u16,
        [MQ_UINT32] = clip_u32, [MQ_UINT64] = clip_u64,
    };
    bounds k;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 1));
    MQ_TRY(bound(c, 1, "min", &k.low));
    MQ_TRY(bound(c, 2, "max", &k.high));
    MQ_TRY(mq_call_map_typed(c, leaves, &k));
done:
    return rc;
}

/* ---- two inputs: PRelu, SwiGLU, Gelu with a bias ----------------------------------------------------------------- */

#define COEF(T) MQ_UNUSED const T a = (T)((const coefs *)param)->a
#define ZIP(name, T, expr) MQ_ZIP(name, T, T, COEF(T), expr)
#define FAST_ZIP(name, expr) MQ_ZIP_FAST(name, float, float, COEF(float), expr)

FAST_ZIP(prelu_f32, SELECT(x < 0, x * y, x))
ZIP(prelu_f64, double, x < 0 ? x * y : x)
ZIP(prelu_i32, int32_t, x < 0 ? (int32_t)((uint32_t)x * (uint32_t)y) : x)
ZIP(prelu_i64, int64_t, x < 0 ? (int64_t)((uint64_t)x * (uint64_t)y) : x)
ZIP(first_u32, uint32_t, ((void)y, x))
ZIP(first_u64, uint64_t, ((void)y, x))
FAST_ZIP(swiglu_f32, x * mq_lane_sigmoid(a * x) * y)
ZIP(swiglu_f64, double, x * sigmoid(a * x) * y)
FAST_ZIP(bias_gelu_f32, mq_lane_gelu(x + y))
ZIP(bias_gelu_f64, double, gelu(x + y))
FAST_ZIP(fast_gelu_f32, mq_lane_gelu_tanh(x + y))
ZIP(fast_gelu_f64, double, gelu_tanh(x + y))

/* Input 1 is stretched to input 0, never the other way round. */
static mq_status zip_onto_first(mq_call *c, const mq_zip_fn leaves[MQ_N_DTYPES], coefs k)
{
    mq_bcast b;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 2));
    MQ_TRY(mq_call_broadcast(c, 2, c->in, &b));
    if (b.out_rank != c->in[0]->rank || b.count != (int64_t)c->in[0]->count)
        return mq_call_fail(c, "the second input cannot be stretched to the shape of the first");
    MQ_TRY(mq_call_zip_typed(c, leaves, MQ_UNDEFINED, &k));
done:
    return rc;
}

static mq_status op_prelu(mq_call *c)
{
    static const mq_zip_fn leaves[MQ_N_DTYPES] = {
        [MQ_FLOAT] = prelu_f32, [MQ_DOUBLE] = prelu_f64, [MQ_INT32] = prelu_i32,
        [MQ_INT64] = prelu_i64, [MQ_UINT32] = first_u32, [MQ_UINT64] = first_u64,
    };

    return zip_onto_first(c, leaves, (coefs){ 0, 0 });
}

static mq_status op_swiglu(mq_call *c)
{
    static const mq_zip_fn leaves[MQ_N_DTYPES] = { [MQ_FLOAT] = swiglu_f32, [MQ_DOUBLE] = swiglu_f64 };
    mq_status rc;

    MQ_TRY(mq_call_need(c, 2));
    if (c->in[0]->rank != c->in[1]->rank ||
        memcmp(c->in[0]->dims, c->in[1]->dims, (size_t)c->in[0]->rank * sizeof *c->in[0]->dims) != 0)
        return mq_call_fail(c, "the inputs have different shapes");
    MQ_TRY(zip_onto_first(c, leaves, (coefs){ mq_node_attr_float(c->node, "alpha", 1), 0 }));
done:
    return rc;
}

static mq_status op_bias_gelu(mq_call *c)
{
    static const mq_zip_fn leaves[MQ_N_DTYPES] = { [MQ_FLOAT] = bias_gelu_f32, [MQ_DOUBLE] = bias_gelu_f64 };

    return zip_onto_first(c, leaves, (coefs){ 0, 0 });
}

static mq_status op_fast_gelu(mq_call *c)
{
    static const mq_zip_fn leaves[MQ_N_DTYPES] = { [MQ_FLOAT] = fast_gelu_f32, [MQ_DOUBLE] = fast_gelu_f64 };

    if (!mq_call_has(c, 1))
        return op_gelu_tanh(c);
    return zip_onto_first(c, leaves, (coefs){ 0, 0 });
}

/* ---- Dropout ----------------------------------------------------------------------------------------------------- */

/* Every element has a number of its own, whichever thread asks. In [0, 1). */
static double uniform(uint64_t seed, uint64_t i)
{
    return mq_random_unit(mq_random_at(seed, i));
}

/* 256 elements at a time (which is a whole number of bytes), as float; double by itself. */
static void drop(const mq_array *x, size_t from, size_t n, double ratio, uint64_t seed, void *out, uint8_t *mask)
{
    const double scale = 1 / (1 - ratio);
    const size_t size = (size_t)mq_dtype_bits(x->dtype) / 8;
    float block[256];

    if (x->dtype != MQ_DOUBLE)
        mq_dtype_to_f32(x->dtype, x->data, from, n, block);
    for (size_t i = 0; i < n; i++) {
        const bool keep = uniform(seed, from + i) >= ratio;

        if (x->dtype == MQ_DOUBLE)
            ((double *)out)[from + i] = keep ? ((const double *)x->data)[from + i] * scale : 0;
        else
            block[i] = keep ? (float)((double)block[i] * scale) : 0;
        if (mask)
            mask[from + i] = keep;
    }
    if (x->dtype != MQ_DOUBLE)
        mq_dtype_from_f32(x->dtype, block, n, (char *)out + from * size, true);
}

static mq_status train(mq_call *c, double ratio)
{
    const mq_array *x = c->in[0];
    const int threads = mq_call_threads(c, (int64_t)x->count);
    const mq_attr *given = mq_node_attr(c->node, "seed");
    const uint64_t seed = given ? (uint64_t)given->i : c->seed;
    uint8_t *mask;
    void *out;
    mq_status rc;

    if (!mq_dtype_is_float(x->dtype) || mq_dtype_bits(x->dtype) < 8)
        return mq_call_bad_type(c, x->dtype);
    if (!(ratio >= 0 && ratio < 1))
        return mq_call_fail(c, "the ratio is %g, it must be in [0, 1)", ratio);
    MQ_TRY(mq_call_out(c, 0, x->dtype, x->rank, x->dims, &out));
    MQ_TRY(mq_call_out(c, 1, MQ_BOOL, x->rank, x->dims, (void **)&mask));
    if (!out)
        return mq_call_fail(c, "the first output has no name");
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (size_t i = 0; i < x->count; i += 256)
        drop(x, i, x->count - i < 256 ? x->count - i : 256, ratio, seed, out, mask);
done:
    return rc;
}

/* Dropping nothing: also what training with ratio 0 is. */
static mq_status op_dropout(mq_call *c)
{
    const bool training = mq_call_has(c, 2) && c->in[2]->count == 1 && mq_array_i64(c->in[2], 0) != 0;
    double ratio = 0.5;
    uint8_t *mask;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 1));
    if (mq_call_has(c, 1)) {
        if (c->in[1]->count != 1)
            return mq_call_fail(c, "the ratio has %zu elements, it must be one number", c->in[1]->count);
        ratio = mq_array_f64(c->in[1], 0);
    }
    if (training && ratio != 0)
        return train(c, ratio);
    MQ_TRY(mq_call_out_view(c, 0, 0, c->in[0]->rank, c->in[0]->dims));
    MQ_TRY(mq_call_out(c, 1, MQ_BOOL, c->in[0]->rank, c->in[0]->dims, (void **)&mask));
    if (mask)
        memset(mask, 1, c->in[0]->count);
done:
    return rc;
}

const mq_kernel mq_kernels_activation[] = {
    { "", "Celu", op_celu, MQ_KERNEL_WIDEN },
    { "", "Clip", op_clip, MQ_KERNEL_WIDEN },
    { "", "Dropout", op_dropout, MQ_KERNEL_RANDOM },
    { "", "Elu", op_elu, MQ_KERNEL_WIDEN },
    { "", "Gelu", op_gelu, MQ_KERNEL_WIDEN },
    { "", "HardSigmoid", op_hard_sigmoid, MQ_KERNEL_WIDEN },
    { "", "HardSwish", op_hard_swish, MQ_KERNEL_WIDEN },
    { "", "LeakyRelu", op_leaky_relu, MQ_KERNEL_WIDEN },
    { "", "Mish", op_mish, MQ_KERNEL_WIDEN },
    { "", "PRelu", op_prelu, MQ_KERNEL_WIDEN },
    { "", "Relu", op_relu, MQ_KERNEL_WIDEN },
    { "", "Selu", op_selu, MQ_KERNEL_WIDEN },
    { "", "Shrink", op_shrink, MQ_KERNEL_WIDEN },
    { "", "Sigmoid", op_sigmoid, MQ_KERNEL_WIDEN },
    { "", "Softplus", op_softplus, MQ_KERNEL_WIDEN },
    { "", "Softsign", op_softsign, MQ_KERNEL_WIDEN },
    { "", "SwiGLU", op_swiglu, MQ_KERNEL_WIDEN },
    { "", "Swish", op_swish, MQ_KERNEL_WIDEN },
    { "", "ThresholdedRelu", op_thresholded_relu, MQ_KERNEL_WIDEN },
    { "com.microsoft", "BiasGelu", op_bias_gelu, MQ_KERNEL_WIDEN },
    { "com.microsoft", "FastGelu", op_fast_gelu, MQ_KERNEL_WIDEN },
    { "com.microsoft", "Gelu", op_gelu_erf, MQ_KERNEL_WIDEN },
    { "com.microsoft", "QuickGelu", op_quick_gelu, MQ_KERNEL_WIDEN },
    { 0 },
};
