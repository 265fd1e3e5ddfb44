/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The families of operators: one file and one sorted array of rows each. table.c lists them; each family file includes
 * this header and defines its own two names. Rows are sorted by domain, then name (strcmp), no pair twice in all.
 *
 * Note on contents (mq_in_known, mq_out_known): their elements are not dims. -1 is a number there; an element that is not
 * known is MQ_ELEM_UNKNOWN. Shape converts with mq_elem_of_dim, Reshape and the like with mq_dim_of_elem, and arithmetic
 * on contents is mq_elem_add and so on (ops.h). */
#ifndef MQ_OPS_FAMILIES_H
#define MQ_OPS_FAMILIES_H

#include "ops/ops.h"

#define MQ_FAMILIES(X) \
    X(elementwise)     \
    X(cast)            \
    X(constant)        \
    X(shape)           \
    X(slice)           \
    X(gather)          \
    X(conv)            \
    X(pool)            \
    X(matmul)          \
    X(reduce)          \
    X(norm)            \
    X(rnn)             \
    X(attention)       \
    X(quant)           \
    X(image)           \
    X(signal)          \
    X(sequence)        \
    X(control)         \
    X(ml)              \
    X(text)            \
    X(loss)            \
    X(contrib)         \
    X(contrib_attention) \
    X(contrib_quant)   \
    X(grad)

#define MQ_DECLARE_FAMILY(name)              \
    extern const mq_op_rule mq_rules_##name[]; \
    extern const size_t mq_rules_##name##_n;
MQ_FAMILIES(MQ_DECLARE_FAMILY)
#undef MQ_DECLARE_FAMILY

#endif
