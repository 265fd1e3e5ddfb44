/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Sums of x x' over the vectors that a weight is multiplied by: the Hessian of the squared error of a layer's results, up to
 * a factor. Or only its diagonal: the squared norm of each input channel. Nothing is kept per sample.
 *
 * Products are summed in float over 512 vectors, those sums in double, in an order that depends neither on threads nor on
 * the instruction set. */
#ifndef MQ_HESSIAN_GRAM_H
#define MQ_HESSIAN_GRAM_H

#include "hessian/reduction.h"

typedef struct mq_gram {
    int64_t groups, n; /* n: columns of the reduction */
    bool diagonal;
    double *sums;      /* [groups][n][n], of which the upper half is kept until mq_gram_finish; [groups][n] of a diagonal */
    uint64_t vectors;  /* that were added */
    uint64_t skipped;  /* left out: not all of their elements are finite */
} mq_gram;

/* Bytes that it takes; UINT64_MAX: more than can be said. */
uint64_t mq_gram_bytes(const mq_reduction *r, bool diagonal);

/* Empty sums. MQ_ERR_NOMEM. */
mq_status mq_gram_init(mq_gram *g, const mq_reduction *r, bool diagonal, mq_error *err);
void mq_gram_release(mq_gram *g);

/* Adds the vectors of one run's array x, in plain layout, of a floating-point type. MQ_ERR_INPUT when its shape does not fit
 * r; MQ_ERR_NOMEM. */
mq_status mq_gram_add(mq_gram *g, const mq_reduction *r, const mq_array *x, int n_threads, mq_error *err);

/* Fills the lower half. */
void mq_gram_finish(mq_gram *g);

/* The sum that belongs to columns i and j of a group; works for a diagonal when i == j. */
double mq_gram_at(const mq_gram *g, int64_t group, int64_t i, int64_t j);

#endif
