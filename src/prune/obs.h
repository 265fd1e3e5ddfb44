/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Pruning by what data say of a layer's inputs, on a matrix whose rows are results (hessian/reduction.h):
 *
 *   Wanda      the smallest |w| times the norm of its input go, within each row (Sun, Liu, Bair, Kolter, "A Simple and
 *              Effective Pruning Approach for Large Language Models", 2023); what stays is left as it is
 *   SparseGPT  in blocks of 128 columns those go whose loss is cheapest to make up for, and the columns behind them do it
 *              (Frantar, Alistarh, "SparseGPT", 2023)
 *
 * What is zero already goes first and is zero afterwards, so that masks grow from round to round. Ties go by row and column;
 * NaN goes last. One thread: callers are parallel over layers. */
#ifndef MQ_PRUNE_OBS_H
#define MQ_PRUNE_OBS_H

#include "hessian/factor.h"

typedef struct mq_obs_ask {
    uint64_t zeros;     /* that the matrix is to have (those which are there count) */
    size_t keep, of;    /* instead, when `of` is not 0: so many of each `of` columns stay (of a shorter rest as many) */
    int64_t run;        /* groups of `of` begin anew with each run of columns; divides cols */
} mq_obs_ask;

/* w: [rows][cols], changed in place. norms: the sum of squares that each column saw. The zeros are spread evenly over the
 * rows. MQ_ERR_NOMEM. */
mq_status mq_obs_wanda(float *w, int64_t rows, int64_t cols, const double *norms, const mq_obs_ask *ask, mq_error *err);

/* The same with the factor of the columns' Hessian; the zeros are spread evenly over blocks of columns. MQ_ERR_NOMEM. */
mq_status mq_obs_sparsegpt(float *w, int64_t rows, int64_t cols, const mq_factor *f, const mq_obs_ask *ask, mq_error *err);

#endif
