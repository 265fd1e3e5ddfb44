/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Loops over bytes by hand, 64 at a time, for AVX512: compilers make them two to five times slower. Each does a multiple of
 * 64 of the n elements and returns how many (0: not on this CPU, or not under this limit), bit for bit as quant_lanes.c does
 * the rest. */
#ifndef MQ_EXEC_REF_QUANT_AVX512_H
#define MQ_EXEC_REF_QUANT_AVX512_H

#include "exec/ref/quant_lanes.h"

int64_t mq_i8_add_zmm(mq_dtype type, const void *a, const void *b, int64_t n, const mq_i8_pair *p, void *y);
int64_t mq_i8_mul_zmm(mq_dtype type, const void *a, const void *b, int64_t n, const mq_i8_pair *p, void *y);
/* Whole rows, and all of them; false: none. */
bool mq_i8_look_up_zmm(const uint8_t *table, const uint8_t *in, int64_t rows, int64_t n, uint8_t *out, int64_t step);
int64_t mq_i8_quantize_zmm(const float *x, int64_t n, float scale, int32_t zero, mq_dtype type, void *dst);
int64_t mq_i8_requantize_zmm(const int32_t *acc, int64_t n, const float *factors, int32_t zero, mq_dtype type, void *dst);

#endif
