/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Element types: their sizes, names, and conversion of packed bytes to numbers. */
#ifndef MQ_BASE_DTYPE_H
#define MQ_BASE_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The numbers of TensorProto.DataType (ONNX IR specification). */
typedef enum mq_dtype {
    MQ_UNDEFINED = 0,
    MQ_FLOAT = 1,
    MQ_UINT8 = 2,
    MQ_INT8 = 3,
    MQ_UINT16 = 4,
    MQ_INT16 = 5,
    MQ_INT32 = 6,
    MQ_INT64 = 7,
    MQ_STRING = 8,
    MQ_BOOL = 9,
    MQ_FLOAT16 = 10,
    MQ_DOUBLE = 11,
    MQ_UINT32 = 12,
    MQ_UINT64 = 13,
    MQ_COMPLEX64 = 14,
    MQ_COMPLEX128 = 15,
    MQ_BFLOAT16 = 16,
    MQ_FLOAT8E4M3FN = 17,
    MQ_FLOAT8E4M3FNUZ = 18,
    MQ_FLOAT8E5M2 = 19,
    MQ_FLOAT8E5M2FNUZ = 20,
    MQ_UINT4 = 21,
    MQ_INT4 = 22,
    MQ_FLOAT4E2M1 = 23,
    MQ_FLOAT8E8M0 = 24,
    MQ_UINT2 = 25,
    MQ_INT2 = 26,
    MQ_FLOAT6E2M3 = 27,
    MQ_FLOAT6E3M2 = 28,
    MQ_N_DTYPES = 29,
} mq_dtype;

/* ONNX's own lower-case names ("float", "int8", "float8e4m3fn"); "undefined" for unknown numbers. */
const char *mq_dtype_name(mq_dtype t);
/* The type of that name; also "fp32", "fp16", "bf16", "fp64". MQ_UNDEFINED when there is none. */
mq_dtype mq_dtype_from_name(const char *name);

/* Bits of one element as raw_data packs it (2, 4, 6, 8 ... 128); 0 for STRING and unknown types. */
int mq_dtype_bits(mq_dtype t);
bool mq_dtype_is_float(mq_dtype t);   /* float, double, float16, bfloat16, all float8/6/4 */
bool mq_dtype_is_integer(mq_dtype t); /* signed or unsigned, 2 to 64 bits; not bool */
bool mq_dtype_is_signed(mq_dtype t);
/* The range of an integer type. */
int64_t mq_dtype_min(mq_dtype t);
int64_t mq_dtype_max(mq_dtype t);

/* Bytes of n packed elements (sub-byte types are packed along the whole tensor, low bits first, and rounded up);
 * false on overflow or a type without a size. */
bool mq_dtype_bytes(mq_dtype t, uint64_t n, uint64_t *bytes);

/* Elements [start, start+n) of packed little-endian bytes as float or as int64. Any numeric type (complex: the real
 * part); floats to int64 truncate and saturate, NaN gives 0. Strings give 0. */
void mq_dtype_to_f32(mq_dtype t, const void *packed, uint64_t start, uint64_t n, float *out);
void mq_dtype_to_i64(mq_dtype t, const void *packed, uint64_t start, uint64_t n, int64_t *out);

/* The reverse: n floats as packed little-endian elements from `packed` on (elements under 8 bits start a byte; what
 * is left of the last one is 0). Floats round to nearest even. Beyond the range: float16, bfloat16 and double give
 * infinity; 8 bits the largest value, or when not `saturate` what the ONNX Cast operator says (infinity or NaN);
 * float4 and float6 always the largest. NaN stays NaN, in float4 and float6, which have none, -0. float8e8m0 rounds
 * up, see below. Integers round to nearest even and saturate, NaN gives 0; bool is x != 0; complex gets no imaginary
 * part. Strings: nothing. */
void mq_dtype_from_f32(mq_dtype t, const float *in, uint64_t n, void *packed, bool saturate);

/* The same for integers, bool and floats of at most 8 bits, with one element to a byte. */
void mq_dtype_codes_from_f32(mq_dtype t, const float *in, uint64_t n, uint8_t *codes, bool saturate);

/* n codes, one to a byte (high bits are dropped), to packed elements of 2, 4 or 6 bits, low bits first. */
void mq_dtype_pack(mq_dtype t, const uint8_t *codes, uint64_t n, void *packed);

/* float8e8m0, powers of two from 2^-127 (code 0) to 2^127 (254); 255 is NaN. The sign is not looked at. Saturating,
 * what lies outside (0, infinity) becomes the nearest end; else NaN. */
typedef enum mq_round_mode { MQ_ROUND_UP, MQ_ROUND_DOWN, MQ_ROUND_NEAREST } mq_round_mode; /* nearest: halves up */
uint8_t mq_e8m0_from_f32(float f, mq_round_mode mode, bool saturate);

/* A float that rounds to any type of at most 22 bits of mantissa as the double (or integer) itself would: towards
 * zero, and the last bit set when something was lost ("round to odd"). */
float mq_f32_to_odd(double d);
float mq_f32_to_odd_i64(int64_t i);

/* IEEE 754 binary16 and bfloat16, round to nearest even; NaN stays NaN, overflow becomes infinity. */
float mq_f16_to_f32(uint16_t h);
uint16_t mq_f16_from_f32(float f);
float mq_bf16_to_f32(uint16_t h);
uint16_t mq_bf16_from_f32(float f);

#endif
