/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* QuantizeLinear and DequantizeLinear as passes see them: constant parameters, read once. */
#ifndef MQ_PASSES_QDQ_H
#define MQ_PASSES_QDQ_H

#include "passes/pass.h"

typedef struct mq_qdq {
    mq_node *node;
    mq_value *real, *codes; /* the float side and the integer side */
    mq_value *scale, *zero; /* constants; zero NULL: no zero point */
    mq_dtype dtype;         /* of codes: an integer type of 16 bits or fewer */
    mq_dtype type;          /* of real: float, float16 or bfloat16 */
    bool one;               /* one scale for the whole tensor, a float: s and z below */
    float s;                /* normal and positive */
    int64_t z;
    int axis;               /* of the scales, as written; may be negative */
    int64_t block;          /* elements that share a scale along axis; 0: scales per slice, or one */
} mq_qdq;

/* Is n a DequantizeLinear (QuantizeLinear) of float numbers and of integers, with constant parameters? */
bool mq_qdq_dequantize(mq_node *n, mq_qdq *out);
bool mq_qdq_quantize(mq_node *n, mq_qdq *out);
/* The DequantizeLinear that makes v, in the graph of v. */
bool mq_qdq_made(const mq_value *v, mq_qdq *out);
/* int8 or uint8 with one scale. */
bool mq_qdq_is_i8(const mq_qdq *q);
/* One scale each, and the same. */
bool mq_qdq_equal(const mq_qdq *a, const mq_qdq *b);

/* Smallest and largest integer of the type. */
void mq_qdq_range(mq_dtype dtype, int64_t *low, int64_t *high);
/* What QuantizeLinear makes of x. */
int64_t mq_qdq_code(const mq_qdq *q, double x);

/* Scale and zero point as inputs of a quantized operator: scalars when there is one of them; a zero point is made
 * when there is none. */
mq_status mq_qdq_scale(mq_graph *g, const mq_qdq *q, mq_value **out, mq_error *err);
mq_status mq_qdq_zero(mq_graph *g, const mq_qdq *q, mq_value **out, mq_error *err);
/* A constant scalar of q's integer type. */
mq_status mq_qdq_constant(mq_graph *g, const mq_qdq *q, int64_t code, mq_value **out, mq_error *err);

/* ---- weights of integer operators (qweight.c) ----------------------------------------------------------------------- */

/* Products of bytes that a sum in int32 surely holds, with room for a bias. */
#define MQ_QWEIGHT_DEPTH 32768

typedef struct mq_qweight {
    mq_qdq q;            /* a constant of int8 or uint8, with one scale or one per channel */
    float *scales;       /* one, or one per channel */
    int64_t channels;
    int64_t inner;       /* element e belongs to channel (e / inner) % channels */
} mq_qweight;

/* v as a weight whose channels lie along `axis`; false: it is none, or its sums could leave int32. */
bool mq_qweight_read(const mq_value *v, int axis, mq_qweight *w);
/* A bias times `factor` as int32 in steps of x_scale times the weight's scale. v: a float constant or int32 behind
 * DequantizeLinear, one per channel. Channels whose scale is so small that the bias would leave int32 get a larger
 * one (w then holds new constants). *good false: it cannot be held to a quarter of a step of y_scale (0: the output
 * is float). */
mq_status mq_qweight_bias(mq_graph *g, mq_qweight *w, mq_value *v, double factor, float x_scale, float y_scale,
                          mq_value **out, bool *good, mq_error *err);

#endif
