/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Static quantization: ranges of activations become scales, and the graph gets QuantizeLinear and DequantizeLinear.
 *
 *   producer -> v              =>  producer -> v_unquantized -> QuantizeLinear -> v_quantized -> DequantizeLinear -> v
 *   bias (float)               =>  bias_quantized (int32, scale input x weight) -> DequantizeLinear -> bias
 *
 * A dequantized tensor keeps the name of the float one it stands for; graph inputs keep theirs, too, and what is dequantized
 * behind them is NAME_dequantized. */
#ifndef MQ_QUANT_STATIC_H
#define MQ_QUANT_STATIC_H

#include "quant/calibration.h"
#include "quant/channels.h"
#include "quant/place.h"
#include "quant/range.h"
#include "quant/smooth.h"

typedef struct mq_static_opts {
    mq_scheme scheme; /* of activations */
    mq_calibration_method method;
    double percentile;
    bool float_bias;  /* biases stay float: the runtime quantizes them itself */
} mq_static_opts;

/* Before anything is chosen: initializers that are listed as inputs become constants (warned about: "constant-input"), and
 * batch normalization goes into the weights before it. equalize: channels are rescaled between layers (equalize.h);
 * *n_equalized: how many tensors. */
mq_status mq_static_prepare(mq_model *m, bool equalize, const mq_hooks *hooks, size_t *n_equalized, mq_error *err);
/* Its name in files of calibrations: what was seen of a model prepared otherwise does not count for this one. NULL: out of
 * memory. */
const char *mq_static_preparation(const mq_model *m, bool equalize, const mq_smooth_result *smoothed);

/* Scale and zero point of every point, from what was seen of it: points without a scale of their own get that of their root,
 * and concatenated tensors of alike ranges get one scale. Points nobody saw a value of (they lie behind what cannot run) get
 * scale 0 and stay float; their number goes to *n_unseen. */
void mq_static_ranges(mq_placement *p, const mq_calibration *c, const mq_static_opts *o, size_t *n_unseen);

/* Bias correction (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019, with
 * measured means): rounding moves the mean of a product's weights, clipping that of what it gets, and both that of each
 * output channel; its bias takes that back. seen: what the channels of the float activations hold. That integers of
 * activations are rounded moves no mean worth mentioning (channels.h has what clipping does). Borders, where a convolution
 * sees padding, are taken for the middle. *n_corrected: biases. */
mq_status mq_static_correct(mq_placement *p, const mq_channel_table *seen, const mq_hooks *hooks, size_t *n_corrected,
                            mq_error *err);

/* Rewrites points and biases. To be called before mq_quant_rewrite; finds the scales of weights whose products have biases,
 * and makes them larger where a bias would not fit into 32 bits. */
mq_status mq_static_rewrite(mq_placement *p, mq_quant_plan *plan, const mq_static_opts *o, const mq_hooks *hooks,
                            mq_error *err);

#endif
