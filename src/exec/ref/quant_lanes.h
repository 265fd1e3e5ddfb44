/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* 8-bit integers to numbers and back, for the operators that compute on quantized tensors. */
#ifndef MQ_EXEC_REF_QUANT_LANES_H
#define MQ_EXEC_REF_QUANT_LANES_H

#include "exec/kernel.h"

bool mq_is_i8(const mq_array *a); /* int8 or uint8 */
/* Input i must be a single float (a scale), or a single 8-bit integer of type `type` (a zero point; absent: 0). */
mq_status mq_call_scale(mq_call *c, size_t i, float *out);
mq_status mq_call_zero(mq_call *c, size_t i, mq_dtype type, int32_t *out);
/* The same with one element, or n of them: *step is 0 or 1. *all points at them. Absent zero points: one 0. */
mq_status mq_call_scales(mq_call *c, size_t i, int64_t n, const float **all, int *step);
mq_status mq_call_zeros(mq_call *c, size_t i, mq_dtype type, int64_t n, int32_t **all, int *step);

/* out[k] = src[k] - zero, from 8-bit elements. */
void mq_i8_widen(mq_dtype type, const void *src, int64_t n, int32_t zero, int32_t *out);
/* out[k] = (src[k] - zero) * scale. */
void mq_i8_dequantize(mq_dtype type, const void *src, int64_t n, float scale, int32_t zero, float *out);
/* dst[k] = saturate(round_half_even(acc[k] * scale) + zero). */
void mq_i8_requantize(const int32_t *acc, int64_t n, float scale, int32_t zero, mq_dtype type, void *dst);
/* The same with a scale for each. */
void mq_i8_requantize_each(const int32_t *acc, int64_t n, const float *scales, int32_t zero, mq_dtype type, void *dst);
/* dst[k] = saturate(round_half_even(x[k] / scale) + zero). NaN becomes the least number. */
void mq_i8_quantize(const float *x, int64_t n, float scale, int32_t zero, mq_dtype type, void *dst);

/* Of rows of n that follow each other: the sum of each row, or of each column. */
void mq_i8_row_sums(mq_dtype type, const void *x, int64_t rows, int64_t n, int32_t *sums);
void mq_i8_column_sums(mq_dtype type, const void *x, int64_t rows, int64_t n, int32_t *sums);

/* Means of codes: sums are exact, and are scaled and rounded once. */
typedef struct mq_i8_mean {
    float scale;
    int64_t less; /* what zero points add to a sum */
} mq_i8_mean;

mq_i8_mean mq_i8_mean_of(float from_scale, int32_t from_zero, float to_scale, int64_t n);
/* The mean of n codes with this sum, in steps of the result's scale; mq_i8_quantize by 1 and its zero point rounds it. */
float mq_i8_mean_step(const mq_i8_mean *m, int64_t sum);

/* Sum and product of elements of one type. A sum is rounded once: a * a_ratio + (b * b_ratio + base), each product and sum
 * as one fused operation, where ratios are scales over the result's and base gathers the zero points; then half to even. */
typedef struct mq_i8_pair {
    float a_ratio, b_ratio, base;   /* of a sum */
    float ratio;                    /* of a product: both scales over the result's */
    int32_t a_zero, b_zero, y_zero; /* of a product */
} mq_i8_pair;

mq_i8_pair mq_i8_pair_of(float a_scale, int32_t a_zero, float b_scale, int32_t b_zero, float y_scale, int32_t y_zero);
void mq_i8_add(mq_dtype type, const void *a, const void *b, int64_t n, const mq_i8_pair *p, void *y);
void mq_i8_mul(mq_dtype type, const void *a, const void *b, int64_t n, const mq_i8_pair *p, void *y);
/* table[code] becomes what dequantizing a code of one grid and quantizing it to another gives. */
void mq_i8_regrid(mq_dtype type, float from_scale, int32_t from_zero, float to_scale, int32_t to_zero, uint8_t table[256]);
/* out[k] = table[in[k]]; out may be in. */
void mq_i8_look_up(const uint8_t table[256], const void *in, int64_t n, void *out);
/* The same for rows of n that follow each other, to rows `step` apart. */
void mq_i8_look_up_rows(const uint8_t table[256], const void *in, int64_t rows, int64_t n, void *out, int64_t step);

#endif
