/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Quantizing weights: which tensors, how, and the rewrite of the graph around them.
 *
 * A weight W becomes W_quantized (int8) and W_scale behind a DequantizeLinear whose output keeps W's name. The integers
 * are not made here but when the file is written (mq_maker), one tensor at a time; what that finds out (error, values that
 * are not finite) is in mq_quant_item afterwards. */
#ifndef MQ_QUANT_QUANT_H
#define MQ_QUANT_QUANT_H

#include "base/compiler.h"
#include "base/pattern.h"
#include "graph/graph.h"
#include "mq/quantize.h"

/* Why a tensor stays as it is; the report names it. */
typedef enum mq_stay {
    MQ_STAY_NOT,        /* it is quantized */
    MQ_STAY_EXCLUDED,   /* by a filter */
    MQ_STAY_TYPE,       /* not float32 */
    MQ_STAY_SMALL,      /* would not make the file smaller */
    MQ_STAY_SHARED,     /* something else than such operators uses it too */
    MQ_STAY_OUTPUT,     /* it is also an output of the graph */
    MQ_STAY_AXIS,       /* looked up along another axis than 0 */
} mq_stay;

/* One constant that at least one operator takes as its weight. */
typedef struct mq_quant_item {
    mq_value *value;   /* the weight as the operators see it */
    mq_tensor *tensor; /* its elements */
    mq_stay stay;
    const char *stay_detail; /* the other user's name, the type, ... or "" */
    bool embedding;    /* looked up by rows: integers are gathered first */
    int axis;          /* of the channels; -1: one scale for all */
    int64_t n_channels; /* number of scales */
    int64_t n;         /* elements */
    uint64_t bytes_before, bytes_after; /* payload: the weight; integers and scales */

    /* set while the file is written */
    float *scales;     /* n_channels, heap */
    bool measured;
    double signal, error; /* sums of w^2 and (w - w')^2 over finite values */
    float max_error;
    int64_t n_nan, n_inf, n_zero_channels;
    mq_maker make_q, make_scale;
} mq_quant_item;

typedef struct mq_quant_plan {
    mq_model *model;
    const mq_quantize_opts *opts;
    MQ_VEC(mq_quant_item *) items; /* in the order in which the file names them */
    size_t n_quantized;
    int needed_opset;
} mq_quant_plan;

/* Finds every weight and decides. Types and shapes must have been inferred. Errors: MQ_ERR_USAGE for patterns without a
 * match. */
mq_status mq_quant_select(mq_quant_plan *plan, mq_error *err);

/* Rewrites the graph for the items that do not stay. The model's opset must be at least plan->needed_opset. */
mq_status mq_quant_rewrite(mq_quant_plan *plan, const mq_hooks *hooks, mq_error *err);

void mq_quant_plan_release(mq_quant_plan *plan);

/* "small", "excluded", ... and the sentence for people. */
const char *mq_stay_code(mq_stay stay);
const char *mq_stay_text(mq_stay stay);

/* ---- scales and kernels ------------------------------------------------------------------------------------------- */

/* The scale that maps [-max_abs, max_abs] onto -127..127 with zero exact (ONNX, QuantizeLinear). A range of zero gives 1;
 * a scale below the smallest normal float is that float, so that dividing by it stays finite. max_abs is finite, >= 0. */
float mq_scale_symmetric(float max_abs, int q_max);

/* Sums over quantized values, to be added up in a fixed order. */
typedef struct mq_quant_sums {
    double signal, error;
    float max_error;
} mq_quant_sums;

/* The weights of these four need not be aligned.
 * max |w| over finite values; counts the others. */
float mq_run_max_abs(const mq_unaligned_f32 *w, size_t n, int64_t *n_nan, int64_t *n_inf);
/* max_abs[i] = max(max_abs[i], |w[i]|), likewise. */
void mq_columns_max_abs(const mq_unaligned_f32 *w, size_t n, float *max_abs, int64_t *n_nan, int64_t *n_inf);

/* q = round half to even (w / scale) clamped to [-127, 127]; NaN gives 0, infinities saturate. One scale for the run. */
void mq_run_quantize(const mq_unaligned_f32 *w, size_t n, float scale, int8_t *q, mq_quant_sums *sums);
/* One scale per element. */
void mq_columns_quantize(const mq_unaligned_f32 *w, size_t n, const float *scales, int8_t *q, mq_quant_sums *sums);

/* Sets up item->make_q and item->make_scale. */
void mq_weight_makers_init(mq_quant_item *item);

#endif
