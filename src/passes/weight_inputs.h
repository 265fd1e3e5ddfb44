/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Which inputs of which operators are weights, by the traits of the operator table. */
#ifndef MQ_PASSES_WEIGHT_INPUTS_H
#define MQ_PASSES_WEIGHT_INPUTS_H

#include "ops/ops.h"

/* The traits of the node's operator; NULL: it takes no weight. */
const mq_quant_traits *mq_weight_traits(const mq_node *n);

/* Is input `at` of n a place for a weight? MatMul may have it on either side: on the left only when the right is none. */
bool mq_weight_is_input(const mq_node *n, size_t at);

/* The axis of output channels of the weight at input `at` of n, and the axis that is summed over; -1: none. */
void mq_weight_axes(const mq_node *n, size_t at, int rank, int *channel, int *reduce);

/* Does n stand in a function's body, inner graphs included? Its constants belong to every call. */
bool mq_weight_in_function(const mq_node *n);

/* A use of the constant that is not as a weight, also behind the operators that are looked through (trace.h). NULL: there is
 * none. *is_output: it leaves the graph. */
const mq_node *mq_weight_other_user(const mq_value *constant, bool *is_output);

/* A node that only quantized models have; NULL: there is none. */
const mq_node *mq_weight_find_quantized(const mq_model *m);

#endif
