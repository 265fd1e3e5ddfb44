/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Cast, CastLike and BitCast between all element types. Types of C ("plain") are converted to each other directly;
 * half and smaller floats go through float, small integers through int8, a block at a time; strings have a file of
 * their own.
 *
 * Integers keep their low bits. Floats to integers are cut towards zero; what the type cannot hold becomes what x86
 * makes of it, as in NumPy: the least 32 or 64 bit number, of which smaller types keep the low bits. Nothing is
 * rounded twice: a double or integer on its way to a small float goes through a float that is rounded to odd. */
#include "exec/ref/cast.h"

#include <math.h>
#include <string.h>

#include "exec/ref/families.h"
#include "exec/ref/lanes.h"

/* ---- plain types ------------------------------------------------------------------------------------------------- */

MQ_INLINE int32_t to_i32(double v)
{
    return v > -0x1p31 - 1 && v < 0x1p31 ? (int32_t)v : INT32_MIN;
}

MQ_INLINE int64_t to_i64(double v)
{
    return v >= -0x1p63 && v < 0x1p63 ? (int64_t)v : INT64_MIN;
}

MQ_INLINE uint64_t to_u64(double v)
{
    return v >= 0x1p63 ? (v < 0x1p64 ? (uint64_t)v : 0) : (uint64_t)to_i64(v);
}

#define LEAF(from, S, to, D, expr) LEAF_OF(from, S, a[i], to, D, expr)
#define LEAF_OF(from, S, element, to, D, expr)                                               \
    static void from##_to_##to(int64_t n, const void *in, void *out, const void *param)      \
    {                                                                                        \
        const S *a = in;                                                                     \
        D *o = out;                                                                          \
        (void)param;                                                                         \
        for (int64_t i = 0; i < n; i++) {                                                    \
            const S x = element;                                                             \
            o[i] = (D)(expr);                                                                \
        }                                                                                    \
    }

#define LEAVES(from, S, to32, toi64, tou64) LEAVES_OF(from, S, a[i], to32, toi64, tou64)
#define LEAVES_OF(from, S, element, to32, toi64, tou64) \
    LEAF_OF(from, S, element, i8, int8_t, to32)         \
    LEAF_OF(from, S, element, i16, int16_t, to32)       \
    LEAF_OF(from, S, element, i32, int32_t, to32)       \
    LEAF_OF(from, S, element, i64, int64_t, toi64)      \
    LEAF_OF(from, S, element, u8, uint8_t, to32)        \
    LEAF_OF(from, S, element, u16, uint16_t, to32)      \
    LEAF_OF(from, S, element, u32, uint32_t, toi64)     \
    LEAF_OF(from, S, element, u64, uint64_t, tou64)     \
    LEAF_OF(from, S, element, f32, float, x)            \
    LEAF_OF(from, S, element, f64, double, x)           \
    LEAF_OF(from, S, element, b8, uint8_t, x != 0)

LEAVES(i8, int8_t, x, x, x)
LEAVES(i16, int16_t, x, x, x)
LEAVES(i32, int32_t, x, x, x)
LEAVES(i64, int64_t, x, x, x)
LEAVES(u8, uint8_t, x, x, x)
LEAVES(u16, uint16_t, x, x, x)
LEAVES(u32, uint32_t, x, x, x)
LEAVES(u64, uint64_t, x, x, x)
LEAVES_OF(b8, uint8_t, a[i] != 0, x, x, x) /* whatever byte says true */
LEAVES(f32, float, to_i32((double)x), to_i64((double)x), to_u64((double)x))
LEAVES(f64, double, to_i32(x), to_i64(x), to_u64(x))

#define ROW(from)                                                                                             \
    { [MQ_INT8] = from##_to_i8, [MQ_INT16] = from##_to_i16, [MQ_INT32] = from##_to_i32,                       \
      [MQ_INT64] = from##_to_i64, [MQ_UINT8] = from##_to_u8, [MQ_UINT16] = from##_to_u16,                     \
      [MQ_UINT32] = from##_to_u32, [MQ_UINT64] = from##_to_u64, [MQ_FLOAT] = from##_to_f32,                   \
      [MQ_DOUBLE] = from##_to_f64, [MQ_BOOL] = from##_to_b8 }

static const mq_map_fn plain[MQ_N_DTYPES][MQ_N_DTYPES] = {
    [MQ_INT8] = ROW(i8),     [MQ_INT16] = ROW(i16),   [MQ_INT32] = ROW(i32),   [MQ_INT64] = ROW(i64),
    [MQ_UINT8] = ROW(u8),    [MQ_UINT16] = ROW(u16),  [MQ_UINT32] = ROW(u32),  [MQ_UINT64] = ROW(u64),
    [MQ_FLOAT] = ROW(f32),   [MQ_DOUBLE] = ROW(f64),  [MQ_BOOL] = ROW(b8),
};

/* ---- to small floats: by a float that rounds as the number itself would ------------------------------------------ */

static float odd_of_u64(uint64_t x)
{
    return x >> 63 ? 2 * mq_f32_to_odd_i64((int64_t)(x >> 1 | (x & 1))) : mq_f32_to_odd_i64((int64_t)x);
}

LEAF(i32, int32_t, odd, float, mq_f32_to_odd(x))
LEAF(u32, uint32_t, odd, float, mq_f32_to_odd(x))
LEAF(i64, int64_t, odd, float, mq_f32_to_odd_i64(x))
LEAF(u64, uint64_t, odd, float, odd_of_u64(x))
LEAF(f64, double, odd, float, mq_f32_to_odd(x))

/* Of types that float holds exactly: the plain conversion. */
static mq_map_fn to_odd(mq_dtype from)
{
    switch (from) {
    case MQ_INT32: return i32_to_odd;
    case MQ_UINT32: return u32_to_odd;
    case MQ_INT64: return i64_to_odd;
    case MQ_UINT64: return u64_to_odd;
    case MQ_DOUBLE: return f64_to_odd;
    default: return plain[from][MQ_FLOAT];
    }
}

static void to_small_float(const mq_cast *k, const float *in, size_t n, uint8_t *out)
{
    if (k->to == MQ_FLOAT8E8M0)
        for (size_t i = 0; i < n; i++)
            out[i] = mq_e8m0_from_f32(in[i], k->mode, k->saturate);
    else
        mq_dtype_from_f32(k->to, in, n, out, k->saturate);
}

/* ---- any type ---------------------------------------------------------------------------------------------------- */

#define BLOCK 512

static bool is_plain(mq_dtype t)
{
    return plain[t][MQ_FLOAT] != NULL;
}

/* Elements [at, at + n) as float, by way of `block` unless they are floats already. */
static const float *as_floats(const mq_cast *k, const void *in, size_t at, size_t n, float *block)
{
    if (k->from == MQ_FLOAT)
        return (const float *)in + at;
    if (is_plain(k->from))
        to_odd(k->from)((int64_t)n, (const char *)in + at * (size_t)(mq_dtype_bits(k->from) / 8), block, NULL);
    else
        mq_dtype_to_f32(k->from, in, at, n, block);
    return block;
}

/* At most BLOCK elements; `at` is a multiple of 8, so it is the beginning of a byte. */
static void cast_block(const mq_cast *k, const void *in, size_t at, size_t n, void *out)
{
    uint8_t *to = (uint8_t *)out + at / 8 * (size_t)mq_dtype_bits(k->to);
    float block[BLOCK];
    uint8_t codes[BLOCK];

    if (is_plain(k->to) && is_plain(k->from))
        plain[k->from][k->to]((int64_t)n, (const char *)in + at * (size_t)(mq_dtype_bits(k->from) / 8), to, NULL);
    else if (k->to == MQ_FLOAT)
        mq_dtype_to_f32(k->from, in, at, n, (float *)to);
    else if (is_plain(k->to))
        plain[MQ_FLOAT][k->to]((int64_t)n, as_floats(k, in, at, n, block), to, NULL);
    else if (mq_dtype_is_float(k->to))
        to_small_float(k, as_floats(k, in, at, n, block), n, to);
    else {
        if (is_plain(k->from))
            plain[k->from][MQ_INT8]((int64_t)n, (const char *)in + at * (size_t)(mq_dtype_bits(k->from) / 8), codes, NULL);
        else
            plain[MQ_FLOAT][MQ_INT8]((int64_t)n, as_floats(k, in, at, n, block), codes, NULL);
        mq_dtype_pack(k->to, codes, n, to);
    }
}

void mq_cast_run(const mq_cast *k, int threads, const void *in, size_t count, void *out)
{
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (size_t at = 0; at < count; at += BLOCK)
        cast_block(k, in, at, count - at < BLOCK ? count - at : BLOCK, out);
}

bool mq_cast_has(mq_dtype t)
{
    return is_plain(t) || mq_dtype_is_float(t) || mq_dtype_is_integer(t);
}

static mq_status cast_to(mq_call *c, mq_dtype to)
{
    const mq_array *x = c->in[0];
    const mq_attr *mode = mq_node_attr(c->node, "round_mode");
    mq_cast k = { x->dtype, to, MQ_ROUND_UP, mq_node_attr_int(c->node, "saturate", 1) != 0 };
    void *out;
    mq_status rc;

    if (mq_node_attr_is(c->node, "round_mode", "down"))
        k.mode = MQ_ROUND_DOWN;
    else if (mq_node_attr_is(c->node, "round_mode", "nearest"))
        k.mode = MQ_ROUND_NEAREST;
    else if (mode && !mq_node_attr_is(c->node, "round_mode", "up"))
        return mq_call_fail(c, "attribute 'round_mode' must be 'up', 'down' or 'nearest'");
    if (x->dtype == to)
        return mq_call_out_view(c, 0, 0, x->rank, x->dims);
    if (to == MQ_STRING && mq_cast_has(x->dtype))
        return mq_cast_to_strings(c);
    if (x->dtype == MQ_STRING && mq_cast_has(to))
        return mq_cast_from_strings(c, &k);
    if (!mq_cast_has(x->dtype) || !mq_cast_has(to))
        return mq_call_bad_type(c, mq_cast_has(to) ? x->dtype : to);
    MQ_TRY(mq_call_out(c, 0, to, x->rank, x->dims, &out));
    if (out)
        mq_cast_run(&k, mq_call_threads(c, (int64_t)x->count), x->data, x->count, out);
done:
    return rc;
}

/* ---- the operators ----------------------------------------------------------------------------------------------- */

static mq_status attr_type(mq_call *c, mq_dtype *out)
{
    const int64_t to = mq_node_attr_int(c->node, "to", 0);

    if (to <= 0 || to >= MQ_N_DTYPES)
        return mq_call_fail(c, "attribute 'to' is %lld, which is no element type", (long long)to);
    *out = (mq_dtype)to;
    return MQ_OK;
}

static mq_status op_cast(mq_call *c)
{
    mq_dtype to = MQ_UNDEFINED;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 1));
    MQ_TRY(attr_type(c, &to));
    MQ_TRY(cast_to(c, to));
done:
    return rc;
}

static mq_status op_cast_like(mq_call *c)
{
    mq_status rc;

    MQ_TRY(mq_call_need(c, 2));
    MQ_TRY(cast_to(c, c->in[1]->dtype));
done:
    return rc;
}

static mq_status op_bit_cast(mq_call *c)
{
    const mq_array *x;
    mq_dtype to = MQ_UNDEFINED;
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 1));
    MQ_TRY(attr_type(c, &to));
    x = c->in[0];
    if (mq_dtype_bits(to) == 0 || mq_dtype_bits(to) != mq_dtype_bits(x->dtype))
        return mq_call_fail(c, "%s and %s do not have the same number of bits", mq_dtype_name(x->dtype), mq_dtype_name(to));
    if (x->dtype == to)
        return mq_call_out_view(c, 0, 0, x->rank, x->dims);
    MQ_TRY(mq_call_out(c, 0, to, x->rank, x->dims, &out));
    if (out && x->count)
        memcpy(out, x->data, mq_array_bytes(x));
done:
    return rc;
}

const mq_kernel mq_kernels_cast[] = {
    { "", "BitCast", op_bit_cast, 0 },
    { "", "Cast", op_cast, 0 },
    { "", "CastLike", op_cast_like, 0 },
    { 0 },
};
