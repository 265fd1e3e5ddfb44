/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What a target (--target RUNTIME[,CPU]) asks of the options, and which options exclude one another. */
#ifndef MQ_QUANT_TARGETS_H
#define MQ_QUANT_TARGETS_H

#include "base/dtype.h"
#include "mq/quantize.h"

/* Checks the options and fills in what the target decides where the user did not: symmetric, reduce_range, act_type,
 * act_symmetric. Needs no model.
 * Warns ("saturation-x86") when products of 8 bits may saturate on CPUs that the target allows. MQ_ERR_USAGE: options that
 * contradict each other or the target. */
mq_status mq_quant_apply_target(mq_quantize_opts *opts, const mq_hooks *hooks, mq_error *err);

/* Does the target take weights of this type? MQ_ERR_USAGE says no, beginning with `what` ("--type"). The target's name must
 * be right. */
mq_status mq_quant_target_type(const char *target, const char *what, mq_dtype type, mq_error *err);
/* Does it take other zero points than 0, and blocks of values with a scale each? */
bool mq_quant_target_zero_points(const char *target);
bool mq_quant_target_blocks(const char *target);
/* Does it quantize biases itself (--mode static leaves them in float)? */
bool mq_quant_target_float_bias(const char *target);
/* Do sums of two products of 8 bits saturate on its CPU? With --mode static those layers get 7 bits that need them
 * (saturate.h), with dynamic all. */
bool mq_quant_target_saturates(const char *target);
/* Has it the operators of --mode dynamic? */
bool mq_quant_target_dynamic(const char *target);

#endif
