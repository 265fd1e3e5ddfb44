/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Normalization of rows, for the operators that normalize the last axes. */
#ifndef MQ_EXEC_REF_NORM_LAYER_H
#define MQ_EXEC_REF_NORM_LAYER_H

#include "base/dtype.h"

/* What one row is multiplied with and what is added: element j lies at j, or at `at[j]`. NULL data: 1, or 0. */
typedef struct mq_row_param {
    const void *data;
    const int64_t *at;
} mq_row_param;

/* y = (x - mean) * inv * scale + bias over n elements of `dtype`; mean and 1 / deviation are worked out (centered) or
 * only the root of the mean square (not centered: *mean is 0). y may be x. */
void mq_normalize_row(mq_dtype dtype, const void *x, int64_t n, bool centered, double eps, mq_row_param scale,
                      mq_row_param bias, void *y, double *mean, double *inv);

#endif
