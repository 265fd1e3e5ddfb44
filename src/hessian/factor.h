/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What updates of a weight need of its Hessian H: the upper triangular U with U' U = (H + damping)^-1, as GPTQ and SparseGPT
 * use it (Frantar, Ashkboos, Hoefler, Alistarh, "GPTQ", 2023; Frantar, Alistarh, "SparseGPT", 2023): row j of U, divided by
 * its diagonal, says how columns behind j make up for a change of column j when those before it stay as they are.
 *
 * It is found without the inverse: H = R R' with R upper triangular (a Cholesky decomposition from the last column on), and
 * U = R^-1. In double, in blocks over the engine's own matrix product (38 GFLOP/s on one core with AVX-512): 3072 columns
 * take about a second, so LAPACK, with its threads and start-up, is not needed. One thread: callers are parallel over
 * layers. */
#ifndef MQ_HESSIAN_FACTOR_H
#define MQ_HESSIAN_FACTOR_H

#include "hessian/gram.h"

typedef struct mq_factor {
    int64_t n;
    double *u;     /* [n][n], zero below the diagonal */
    bool *dead;    /* [n] columns that no vector reached: their weights do nothing */
    double share;  /* of the diagonal's mean that was added to it */
} mq_factor;

/* Of one group of a finished gram. `damping` is the share of the mean diagonal that is added to the diagonal; ten times as
 * much, up to 10, where H cannot be decomposed so (fewer vectors than columns). Dead columns count as independent of others.
 * Errors: MQ_ERR_INPUT when nothing finite was seen, MQ_ERR_NOMEM. */
mq_status mq_factor_make(mq_factor *f, const mq_gram *g, int64_t group, double damping, mq_error *err);
void mq_factor_release(mq_factor *f);

#endif
