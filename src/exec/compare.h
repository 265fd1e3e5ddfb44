/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* How far two tensors are apart: every figure that reports, bounds and proofs use is defined here, once. */
#ifndef MQ_EXEC_COMPARE_H
#define MQ_EXEC_COMPARE_H

#include "graph/array.h"

/* Sums over any number of pairs of arrays (samples): {0} before the first. a is what is judged, b the reference. Only
 * pairs in which both are finite count in sums; equal infinities and NaN against NaN agree. */
typedef struct mq_compare {
    uint64_t count;         /* elements */
    uint64_t differ;        /* that are not equal */
    uint64_t outside;       /* with |a-b| > atol + rtol*|b|, or NaN or infinity in one only */
    uint64_t nonfinite;     /* pairs in which one is NaN or infinite and the other is not the same */
    double max_abs;         /* largest |a-b| */
    double max_rel;         /* largest |a-b| / |b| where b is not 0 */
    double sum_bb, sum_dd;  /* of b*b and (a-b)*(a-b) */
    double sum_aa, sum_ab;
    /* rows of the last axis (more than one element), and in how many the largest element is the same one */
    uint64_t rows, agree;
    /* the first element that is outside */
    bool has_first;
    uint64_t first;
    double first_a, first_b;
} mq_compare;

/* Adds a pair. Same kind, element count and shape are needed: else MQ_ERR_INPUT with both. Sequences item by item.
 * Strings: equal or outside. */
mq_status mq_compare_add(mq_compare *c, const mq_array *a, const mq_array *b, double rtol, double atol, mq_error *err);

/* Signal to noise in dB: 10 log10(sum b^2 / sum (a-b)^2); infinity when nothing differs; -infinity when something is not
 * finite or the signal is 0 and the noise is not. */
double mq_compare_sqnr(const mq_compare *c);
/* Cosine of the angle between a and b; 1 when both are 0, 0 when one is. */
double mq_compare_cosine(const mq_compare *c);
/* Share of rows whose largest element is the same; 1 without rows. */
double mq_compare_agreement(const mq_compare *c);

#endif
