/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Activations by name (fused_activation.c): those of recurrent cells and of operators with an activation fused in. */
#ifndef MQ_EXEC_REF_FUSED_ACTIVATION_H
#define MQ_EXEC_REF_FUSED_ACTIVATION_H

#include "graph/graph.h"

typedef enum mq_activation_kind {
    MQ_ACT_NONE,
    MQ_ACT_AFFINE,
    MQ_ACT_CLIP, /* alpha to beta */
    MQ_ACT_ELU,
    MQ_ACT_GELU,
    MQ_ACT_GELU_TANH,
    MQ_ACT_HARD_SIGMOID,
    MQ_ACT_LEAKY_RELU,
    MQ_ACT_RELU,
    MQ_ACT_SCALED_TANH,
    MQ_ACT_SIGMOID,
    MQ_ACT_SOFTPLUS,
    MQ_ACT_SOFTSIGN,
    MQ_ACT_TANH,
    MQ_ACT_THRESHOLDED_RELU,
} mq_activation_kind;

typedef struct mq_activation {
    mq_activation_kind kind;
    double alpha, beta;
} mq_activation;

/* By name, letters of either case, with the operator's defaults; false: unknown. Clip and the two Gelu are of fused
 * operators only. */
bool mq_activation_find(mq_bytes name, mq_activation *out);
/* Over n elements (FLOAT or DOUBLE) in place. */
void mq_activation_run(const mq_activation *a, mq_dtype dtype, void *x, int64_t n);

#endif
