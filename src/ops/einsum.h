/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Einsum: its equation and what follows from it. */
#ifndef MQ_OPS_EINSUM_H
#define MQ_OPS_EINSUM_H

#include "ops/ops.h"

#define MQ_EINSUM_ELLIPSIS '.' /* stands for "..." in a parsed term */

/* One term: letters and at most one MQ_EINSUM_ELLIPSIS, without spaces. */
typedef struct mq_einsum_term {
    char *labels;
    int n;
    int n_letters; /* without the ellipsis */
    bool ellipsis;
} mq_einsum_term;

typedef struct mq_einsum {
    mq_einsum_term *in;
    size_t n_in;
    mq_einsum_term out; /* worked out by the rule of the implicit form when the equation has no "->" */
} mq_einsum;

/* Parses an equation into the arena; MQ_ERR_INPUT for what is no equation. */
mq_status mq_einsum_parse(mq_arena *a, mq_bytes equation, mq_einsum *out, mq_error *err);

mq_status mq_infer_einsum(mq_infer *in);
/* The product of the sizes of all indices, ellipses included; 0 for a single operand, which multiplies nothing. */
int64_t mq_macs_einsum(const mq_node *n);

#endif
