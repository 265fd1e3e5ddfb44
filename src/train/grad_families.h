/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The gradients' rules by family: each list ends with an empty row. */
#ifndef MQ_TRAIN_GRAD_FAMILIES_H
#define MQ_TRAIN_GRAD_FAMILIES_H

#include "train/grad_build.h"

#define MQ_GRAD_FAMILIES(X)                                                                                        \
    X(activation) X(attention) X(conv) X(einsum) X(elementwise) X(index) X(loss) X(matmul) X(norm) X(reduce) X(resize)  \
    X(rnn) X(shape)

#define MQ_GRAD_DECLARE(family) extern const mq_grad_rule mq_grad_rules_##family[];
MQ_GRAD_FAMILIES(MQ_GRAD_DECLARE)

#endif
