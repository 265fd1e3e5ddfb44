/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The steps of an element-wise chain over short stretches of memory. */
#ifndef MQ_EXEC_REF_CHAIN_LANES_H
#define MQ_EXEC_REF_CHAIN_LANES_H

#include <stdint.h>

#include "base/dtype.h"
#include "ops/chain.h"

/* n elements; operand k advances by step[k] elements, 0 or 1; functions of one operand want 1. Out may be an operand with
 * step 1 that has elements of the same size. `param` are the step's two floats. */
typedef void (*mq_chain_leaf)(int64_t n, const void *const *in, const int64_t *step, void *out, const float *param);

/* For elements of that type; NULL: there is none. */
mq_chain_leaf mq_chain_leaf_of(mq_chain_step step, mq_dtype type);

#endif
