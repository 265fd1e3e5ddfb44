/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Which initializers of a model are learned. */
#ifndef MQ_TRAIN_PARAMETERS_H
#define MQ_TRAIN_PARAMETERS_H

#include "graph/graph.h"

/* Is v, a float initializer, a weight by what reads it: directly, or through nodes that only move elements? What an
 * element-wise operator applies to an input of the graph (the images' mean, say), single numbers in Add and Mul, and masks
 * (constants with an element of 10^4 or more, or not finite) are none. Asks for the newest opset. */
bool mq_is_weight(const mq_value *v);

#endif
