/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* From what a tensor's values were to the range that its integers stand for.
 *
 *   minmax      all of them
 *   ema         extremes of runs, averaged with exponentially falling weights (constant 0.02 of the newest; Jacob et al.,
 *               "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", 2018)
 *   percentile  the least range that leaves out (100 - P) % of the values: half at either end, and at one end only when the
 *               other end is 0
 *   entropy     least Kullback-Leibler divergence between the values and their quantized form (Migacz, "8-bit Inference with
 *               TensorRT", 2017)
 *   mse         least squared error of rounding and clipping together
 *
 * Zero is always in the range. */
#ifndef MQ_QUANT_RANGE_H
#define MQ_QUANT_RANGE_H

#include "quant/observer.h"
#include "quant/scheme.h"

typedef enum mq_calibration_method {
    MQ_CALIBRATE_MINMAX,
    MQ_CALIBRATE_EMA,
    MQ_CALIBRATE_PERCENTILE,
    MQ_CALIBRATE_ENTROPY,
    MQ_CALIBRATE_MSE,
} mq_calibration_method;

/* The range for integers of scheme s. percentile: of the values that are kept, as 99.99. An observer without finite values
 * gives 0..0. */
void mq_observer_range(const mq_observer *o, mq_calibration_method method, double percentile, const mq_scheme *s, float *lo,
                       float *hi);

/* Mean squared error that the histogram has when quantized with this range: rounding (within bins taken as uniform) and
 * clipping; and the mean square of the values, for a signal to noise ratio. */
void mq_observer_error(const mq_observer *o, const mq_scheme *s, float lo, float hi, double *mse, double *power);

/* Values outside of lo..hi. */
uint64_t mq_observer_clipped(const mq_observer *o, float lo, float hi);

#endif
