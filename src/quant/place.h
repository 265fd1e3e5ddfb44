/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Where activations become integers (--mode static).
 *
 *   products    Conv, ConvTranspose, Gemm and MatMul with a quantized weight, and MatMul of two activations: their inputs
 *               are integers; so is what a convolution makes (behind its Relu or Clip), for runtimes have integer kernels
 *               for the whole of QuantizeLinear(Conv(DequantizeLinear)) only
 *   carriers    what stands between two products and loses nothing or little on integers: pools, Add, Concat, Reshape and
 *               the like. What only leads to the graph's outputs, or comes from float operators, stays float
 *   points      the tensors that get QuantizeLinear and DequantizeLinear; those that a carrier only moves share one scale
 *
 * Everything else is float: normalization, softmax, what decodes outputs. Some of it (place.c, is_asked) gets integers at
 * its input and its result when --op-types names it. */
#ifndef MQ_QUANT_PLACE_H
#define MQ_QUANT_PLACE_H

#include "quant/filters.h"
#include "quant/quant.h"

typedef struct mq_point {
    mq_value *value;
    struct mq_point *same; /* its scale is that one's; NULL: its own */
    size_t n_others;       /* that have its scale */
    bool edge;             /* an input or output of the model that is this tensor's integers (io_type.h) */
    bool tail;             /* read by no integer operator: the end of the integer part */
    /* What the graph says of its values; infinite where it says nothing. */
    float bound_lo, bound_hi;
    const char *reader;    /* label of the first node that wants it, or of its producer */
    /* found by calibration: */
    mq_scheme scheme;
    float lo, hi, scale;
    float least;           /* the largest magnitude of the smallest range that has its scale */
    int32_t zero_point;
    double sqnr;           /* of the tensor's values by the histogram, dB; NAN: not known */
    uint64_t n, n_clipped;
} mq_point;

/* A product with a constant bias that becomes int32 with scale input x weight. */
typedef struct mq_bias {
    mq_node *node;
    size_t index;        /* of the bias among the inputs */
    mq_point *input;     /* of the activation */
    mq_quant_item *item; /* of the weight */
    float *shift;        /* one per output channel, added to the bias; NULL: none */
} mq_bias;

/* An input of a layer that stays float (mq_quant_plan.levels), which no integer operator makes: it is read as it is, though
 * others read its integers. */
typedef struct mq_raw_input {
    mq_node *node;
    size_t index;
    const mq_value *value;
} mq_raw_input;

typedef struct mq_placement {
    MQ_VEC(mq_point *) points; /* in the order of the graph */
    MQ_VEC(mq_bias) biases;
    MQ_VEC(mq_raw_input) raw_inputs;
    MQ_VEC(mq_node *) products; /* on integers, of the main graph */
    MQ_VEC(mq_node *) concats;   /* on integers: where ranges are alike, one scale saves work */
    size_t n_carriers;
    size_t n_inner;     /* products in the graphs inside If, Loop and Scan, which stay float */
    const char *inner;  /* label of the first of them */
} mq_placement;

/* Chooses points and biases of the main graph. plan: selected, its model not yet rewritten. Everything is in the model's
 * arena. Errors: MQ_ERR_NOMEM. */
mq_status mq_placement_choose(mq_placement *p, const mq_quant_plan *plan, mq_quant_filters *filters, mq_error *err);

/* The point of a value; NULL: none. Uses value->tag: valid until somebody else does. */
mq_point *mq_placement_find(const mq_placement *p, const mq_value *v);

/* The point whose scale p has. */
mq_point *mq_point_root(mq_point *p);
/* From now on the two have one scale, that of the root of `with`. */
void mq_point_join(mq_point *p, mq_point *with);

#endif
