/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Rounding a matrix so that its results change least, not its elements: the error of a row w that becomes w' is
 * (w - w') H (w - w')' with H the sum of x x' over what the row is multiplied by (hessian/gram.h).
 *
 *   GPTQ     column after column is rounded, and those behind it make up for its error (Frantar, Ashkboos, Hoefler,
 *            Alistarh, "GPTQ", 2023); the columns that see most come first
 *   DESCENT  integers are changed one at a time while that lowers the error, given all others: coordinate descent
 *            (Behdin et al., "QuantEase", 2023), on the objective that AdaRound relaxes (Nagel et al., "Up or Down?", 2020)
 *
 * Rows do not depend on each other; 16 of them are worked on together. One thread: callers are parallel over layers. */
#ifndef MQ_QUANT_ROUND_H
#define MQ_QUANT_ROUND_H

#include "hessian/gram.h"
#include "quant/scheme.h"

typedef enum mq_round_kind { MQ_ROUND_RTN, MQ_ROUND_GPTQ, MQ_ROUND_DESCENT } mq_round_kind;

/* One group of a weight. */
typedef struct mq_round_matrix {
    int64_t rows, cols;
    const float *w;            /* [rows][cols], finite */
    const uint32_t *which;     /* [rows][cols]: the number of each element's scale */
    const mq_scheme *scheme;
    float *scales;             /* of the whole weight */
    const int32_t *zero_points;
    int16_t *levels;           /* [rows][cols]: integers less their zero points. Out; in, too, for DESCENT */
    double *errors;            /* [rows]: of the levels. Out */
} mq_round_matrix;

/* What is known of a matrix's columns, for several matrices that see the same vectors. */
typedef struct mq_round_base mq_round_base;

/* Of one group of a finished gram, whose mean diagonal times `damping` is added to the diagonal (more in the factor, where
 * it needs it; gptq: it is made). Nothing was seen: all errors are 0. Errors: MQ_ERR_INPUT when the sums are not
 * finite, MQ_ERR_NOMEM. */
mq_status mq_round_base_make(mq_round_base **out, const mq_gram *g, int64_t group, double damping, bool gptq, mq_error *err);
void mq_round_base_free(mq_round_base *b);

/* Rounds m. MQ_ERR_NOMEM. */
mq_status mq_round(const mq_round_base *b, mq_round_matrix *m, mq_round_kind kind, mq_error *err);

/* The sum of w H w' of each row: what the errors are part of. */
mq_status mq_round_signals(const mq_round_base *b, const mq_round_matrix *m, double *signals, mq_error *err);

/* Moves the scale of each row to where its levels as they are fit best, where all its elements have one scale. No other row
 * may have it. The levels should be found anew then. MQ_ERR_NOMEM. */
mq_status mq_round_rescale(const mq_round_base *b, mq_round_matrix *m, mq_error *err);

#endif
