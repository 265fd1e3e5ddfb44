/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Products whose channels can be rescaled: what equalization and smoothing share. */
#ifndef MQ_QUANT_LAYERS_H
#define MQ_QUANT_LAYERS_H

#include "graph/graph.h"

/* A product: `rows` channels out, `cols` in. Row r reads the group_cols columns of group r / group_rows. */
typedef struct mq_layer {
    mq_node *node;
    int64_t rows, cols, group_rows, group_cols;
    int64_t inner;            /* weights per row and column, one after the other */
    bool turned;              /* a column's weights lie together: Gemm's [cols, rows] */
    float *most;              /* [rows][group_cols]: the largest |weight|; NULL: in no pair */
    float *bias;              /* [rows] or NULL */
    double *by_row, *by_col;  /* what weights are multiplied by */
    double *making, *reading; /* the largest weight of each row, of each column, as the factors are now */
} mq_layer;

/* Conv, Gemm and MatMul with constant float weights. False: n is no product that can be rescaled on either side. */
bool mq_layer_read(mq_node *n, mq_layer *l);
/* Along which axis of its first input the columns lie: 1, or -1 for the last. */
int mq_layer_axis(const mq_node *n);
/* Reads what factors are found from; all factors are 1. Twice for one layer is fine. */
mq_status mq_layer_load(mq_layer *l, mq_error *err);
/* Where the weights of row r and column c (within its group) begin, `inner` of them. */
size_t mq_layer_place(const mq_layer *l, int64_t r, int64_t c);
/* Multiplies weights and bias by the factors: they become new constants, of the same names where nobody else reads them. */
mq_status mq_layer_write(mq_layer *l, mq_error *err);
/* What load has taken; l itself is the caller's. */
void mq_layer_release(mq_layer *l);

/* Whether there is no bias, or a constant one per channel. */
bool mq_layer_bias_fits(const mq_layer *l);

/* f(s x) = s f(x) for every s > 0, channel by channel. */
bool mq_takes_factors(const mq_node *n);
/* The node that reads v as its first input, when nobody else does. */
mq_node *mq_next_of(const mq_value *v);

/* Input i of n becomes a constant of these floats (from malloc, taken over), of the same shape as before and under the same
 * name when nobody else reads the old one. */
mq_status mq_layer_replace(mq_node *n, size_t i, float *data, mq_error *err);
/* The floats of constant input i of n, from malloc. */
mq_status mq_layer_constant(mq_node *n, size_t i, float **out, mq_error *err);

#endif
