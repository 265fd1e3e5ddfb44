/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The matrix product that reference kernels share: C = A B for many pairs of matrices, in blocks, with sums in a fixed
 * order. */
#ifndef MQ_EXEC_REF_GEMM_H
#define MQ_EXEC_REF_GEMM_H

#include "exec/kernel.h"

/* Element (i, p) of A lies at a[i * a_row + p * a_col], element (p, j) of B at b[p * b_row + j * b_col], or, with tables, at
 * b[b_rows[p] + b_cols[j]] (a convolution's windows, without writing them out); element (i, j) of C at c[i * c_row + j].
 * Product number q starts at offsets a_at[q], b_at[q], c_at[q]. All in elements. */
typedef struct mq_gemm {
    mq_dtype dtype; /* FLOAT, DOUBLE; INT32, UINT32, INT64, UINT64: sums wrap */
    int64_t m, n, k;
    const void *a, *b;
    void *c;
    int64_t a_row, a_col, b_row, b_col, c_row;
    const int64_t *b_rows, *b_cols;         /* both or none */
    int64_t batch;                          /* products */
    const int64_t *a_at, *b_at, *c_at;      /* NULL: 0 for all */
    void *scratch; /* for mq_gemm_run: mq_gemm_scratch for each thread of the call; NULL: asked for at each run */
} mq_gemm;

/* On all threads of the call. Errors: MQ_ERR_NOMEM. */
mq_status mq_gemm_run(mq_call *c, const mq_gemm *g);

/* The same on the calling thread, with scratch memory of that many bytes (for loops that are parallel outside). */
size_t mq_gemm_scratch(const mq_gemm *g);
void mq_gemm_serial(const mq_gemm *g, void *scratch);

#endif
