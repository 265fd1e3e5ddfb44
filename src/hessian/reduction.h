/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* A weight as a matrix: which of its elements are multiplied by which elements of the node's other input, and summed.
 *
 * In each of `groups` groups the weight is a matrix of `rows` (results) by `cols` (what is summed over), and the activation
 * gives vectors of `cols` elements: rows of a matrix product, windows of a convolution. So the error of a changed row w + d
 * is d H d' with H the sum of x x' over those vectors (gram.h).
 *
 * Columns of a convolution stand tap by tap, all input channels of a tap together: a run. A matrix product is one run. */
#ifndef MQ_HESSIAN_REDUCTION_H
#define MQ_HESSIAN_REDUCTION_H

#include "graph/array.h"

typedef struct mq_reduction {
    const mq_node *node;
    size_t weight, x;      /* inputs of the node */
    bool windows;          /* vectors are windows of an image; else they lie along an axis */
    int axis;              /* of x; negative: from behind */
    int64_t groups, rows, cols;
    int64_t run;           /* columns in a run; divides cols */
    /* Element (group, row, column) of the weight, in its own row-major order. */
    int64_t group_step, row_step, run_step, col_step;
    int rank;              /* of the weight */
    int64_t dims[MQ_MAX_RANK];
} mq_reduction;

/* How node n reduces the weight at input `weight`, which has these dims as the node sees it: Conv, ConvTranspose (each tap a
 * row: exact where windows do not overlap), Gemm, MatMul with a matrix on either side, input weights of LSTM, GRU and RNN.
 * false: another operator, another rank, sizes that do not fit, or no activation to see (recurrent weights). */
bool mq_reduction_of(mq_reduction *r, const mq_node *n, size_t weight, int rank, const int64_t *dims);

/* Do the vectors of x mean the same for both? Then they share one sum. */
bool mq_reduction_same_vectors(const mq_reduction *a, const mq_reduction *b);

/* Where element (group, row, column) lies. */
int64_t mq_reduction_at(const mq_reduction *r, int64_t group, int64_t row, int64_t col);
/* One group of the weight (whole, row-major) as a matrix [rows][cols], and back. */
void mq_reduction_gather(const mq_reduction *r, const float *weight, int64_t group, float *matrix);
void mq_reduction_scatter(const mq_reduction *r, const float *matrix, int64_t group, float *weight);

#endif
