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

/* IEEE 754 binary16 and bfloat16, round to nearest even; NaN stays NaN, overflow becomes infinity. */
float mq_f16_to_f32(uint16_t h);
uint16_t mq_f16_from_f32(float f);
float mq_bf16_to_f32(uint16_t h);
uint16_t mq_bf16_from_f32(float f);

#endif
