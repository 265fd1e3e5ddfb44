/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The inner loops of quantization: ranges, integers, packing. Weights need not be aligned. "Columns" have a scale each, a
 * "run" has one for all, "blocks" one for each `block` consecutive values (the last may be shorter). */
#ifndef MQ_QUANT_KERNELS_H
#define MQ_QUANT_KERNELS_H

#include "base/compiler.h"
#include "quant/scheme.h"

/* Values that no range covers. */
typedef struct mq_nonfinite {
    int64_t n_nan, n_inf;
} mq_nonfinite;

/* Sums over quantized values, to be added up in a fixed order. Values that are not finite are left out. */
typedef struct mq_quant_sums {
    double signal, error; /* of w^2, of (w - w')^2 */
    float max_error;
    int64_t n_clipped;    /* further than half a step outside the integers used */
} mq_quant_sums;

/* lo = min(lo, w), hi = max(hi, w) over finite values; the others are counted. */
void mq_run_range(const mq_unaligned_f32 *w, size_t n, float *lo, float *hi, mq_nonfinite *bad);
void mq_columns_range(const mq_unaligned_f32 *w, size_t n, float *lo, float *hi, mq_nonfinite *bad);
void mq_blocks_range(const mq_unaligned_f32 *w, size_t n, size_t block, float *lo, float *hi, mq_nonfinite *bad);

/* q = clamp(round half to even(w / scale) + zero point, q_min, q_max) as int8/uint8, or int16/uint16 for 16-bit schemes.
 * NaN becomes the zero point, infinities the nearest end. sums may be NULL. */
void mq_run_quantize(const mq_scheme *s, const mq_unaligned_f32 *w, size_t n, float scale, int32_t zero_point, void *q,
                     mq_quant_sums *sums);
void mq_columns_quantize(const mq_scheme *s, const mq_unaligned_f32 *w, size_t n, const float *scales,
                         const int32_t *zero_points, void *q, mq_quant_sums *sums);
void mq_blocks_quantize(const mq_scheme *s, const mq_unaligned_f32 *w, size_t n, size_t block, const float *scales,
                        const int32_t *zero_points, void *q, mq_quant_sums *sums);

/* sum of (w - w')^2 for finite w, as mq_run_quantize would give; the sum in double lanes. */
double mq_run_error(const mq_scheme *s, const mq_unaligned_f32 *w, size_t n, float scale, int32_t zero_point);

/* Packs n integers of 2 or 4 bits, one per byte, low bits first; the last byte is filled with zeros. q and out may be the
 * same. */
void mq_pack_bits(int bits, const uint8_t *q, size_t n, uint8_t *out);

#endif
