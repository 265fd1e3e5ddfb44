/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Rows that are added one after the other, to become an array. */
#ifndef MQ_API_TRAIN_ROWS_H
#define MQ_API_TRAIN_ROWS_H

#include "graph/array.h"

typedef struct mq_rows {
    mq_dtype dtype;
    int rank; /* 0: nothing has been added */
    int64_t dims[MQ_MAX_RANK];
    char *data;
    size_t row, n, cap; /* bytes of a row; rows */
} mq_rows;

/* Adds the first n rows of a. MQ_ERR_INPUT when it is no tensor of numbers with at least so many, or of another type or
 * shape than those before; `what` begins the sentence. */
mq_status mq_rows_add(mq_rows *r, const mq_array *a, size_t n, const char *what, mq_error *err);
/* Room for n more rows behind the last, once something has been added. */
mq_status mq_rows_reserve(mq_rows *r, size_t n, mq_error *err);
/* All rows as an array; frees r. */
mq_status mq_rows_finish(mq_rows *r, mq_array **out, mq_error *err);
void mq_rows_release(mq_rows *r);

#endif
