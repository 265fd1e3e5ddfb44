/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* How real numbers become integers: the integer type and the range of it that is used, which elements share a scale, and how
 * scale and zero point follow from their range. x ~ (q - zero_point) * scale (ONNX, QuantizeLinear and DequantizeLinear). */
#ifndef MQ_QUANT_SCHEME_H
#define MQ_QUANT_SCHEME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"

typedef struct mq_scheme {
    mq_dtype type;       /* of the integers: (u)int2, 4, 8, 16 */
    bool symmetric;      /* zero point 0, or the middle of an unsigned type */
    bool peak;           /* symmetric 2 and 4 bits: the value of largest magnitude maps to q_min, so that all 2^n integers
                            are used; the scale may be negative */
    int q_min, q_max;    /* the integers used */
    mq_dtype scale_type; /* float, float16 or bfloat16: scales are rounded to it before they are used */
} mq_scheme;

/* The scheme of a type. Symmetric types of 8 bits and more leave out the lowest integer, so that q and -q both exist.
 * reduce_range: one bit less (7 of 8), for x86 without VNNI, where sums of two products saturate in 16 bits. */
mq_scheme mq_scheme_of(mq_dtype type, bool symmetric, bool reduce_range, mq_dtype scale_type);

/* Scale and zero point for values in [lo, hi] (finite). Zero is always in the range and always exact. A range of zero gives
 * scale 1. */
void mq_scheme_affine(const mq_scheme *s, float lo, float hi, float *scale, int32_t *zero_point);

/* The scale as scale_type holds it: never zero, not below the smallest normal float, and so that no integer stands for a
 * number beyond scale_type's largest. The sign is kept. */
float mq_scheme_store(const mq_scheme *s, double scale, int32_t zero_point);

/* The zero point of a symmetric scheme. */
int32_t mq_scheme_middle(const mq_scheme *s);

/* Bytes per integer while computing: 1, or 2 for 16-bit types. */
size_t mq_scheme_width(const mq_scheme *s);

/* ---- which elements share a scale ---------------------------------------------------------------------------------- */

typedef enum mq_granularity { MQ_PER_TENSOR, MQ_PER_CHANNEL, MQ_PER_BLOCK } mq_granularity;

/* A tensor seen as [outer, n, inner] around one axis. Per channel: one scale per index of the axis. Per block: one scale per
 * `block` consecutive indices, for each outer and inner (the last block may be shorter). Per tensor: n is 1. */
typedef struct mq_grid {
    mq_granularity kind;
    size_t outer, n, inner;
    size_t block;    /* MQ_PER_BLOCK only */
    size_t n_blocks; /* along the axis: ceil(n / block); else n */
    size_t n_scales;
} mq_grid;

/* axis is ignored per tensor. No dimension is negative and the product fits (mq_tensor_count >= 0). */
mq_grid mq_grid_of(mq_granularity kind, int n_dims, const int64_t *dims, int axis, size_t block);

/* Consecutive elements from `from` on: with columns their scales are scale, scale + 1, ...; with a block the first `block`
 * of them have `scale`, the next ones scale + 1, and so on; else all have `scale`. */
typedef struct mq_line {
    size_t n;
    size_t scale;
    size_t block; /* 0: none */
    bool columns;
} mq_line;
mq_line mq_grid_line(const mq_grid *g, size_t from);

/* The scale of element `at`. */
size_t mq_grid_scale_at(const mq_grid *g, size_t at);

/* The grid of the transposed matrix, for a grid with one dimension on either side of the blocks' or channels' axis: what
 * shares a scale there shares one here. */
mq_grid mq_grid_turned(const mq_grid *g);
/* The number that a scale of g has in the turned grid. */
size_t mq_grid_turned_scale(const mq_grid *g, size_t scale);

/* Elements of one scale as `n_pieces` pieces of `piece` consecutive elements, `stride` apart, the first at `from`. */
typedef struct mq_group {
    size_t from, piece, stride, n_pieces;
} mq_group;
mq_group mq_grid_group(const mq_grid *g, size_t scale);

#endif
