/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What several families share beyond ops.h: shapes, axes and scalars read from inputs or attributes, and contents of
 * results. Elements of contents and dims differ (MQ_ELEM_UNKNOWN in ops.h): vectors here hold elements, shapes dims. */
#ifndef MQ_OPS_CONTENTS_H
#define MQ_OPS_CONTENTS_H

#include "ops/rule_parts.h"

/* Are both the same number or the same symbol? */
bool mq_elem_same(mq_dim a, mq_dim b);
/* Never negative: a number from 0, or a symbol (which stands for a size; differences are not kept as symbols). */
bool mq_elem_is_size(mq_dim e);

/* The one element of input i, of rank 0 or 1; MQ_ELEM_UNKNOWN when it is not known or there is no input i. A constant of
 * floating type counts when its value is whole. */
mq_dim mq_in_element(mq_infer *in, size_t i);

/* A vector of integers. n -1: not even its length is known. */
typedef struct mq_elems {
    int n;
    const mq_dim *e; /* each may be unknown */
} mq_elems;

/* Input i as such a vector. Lengths over MQ_KNOWN_MAX count as unknown; an absent input too. */
mq_status mq_in_elems(mq_infer *in, size_t i, mq_elems *out);
/* The same from attribute `name` (integers); n -1 when it is absent. */
mq_status mq_attr_elems(mq_infer *in, const char *name, mq_elems *out);

/* Input i as the shape of a result. *rank -1: unknown. MQ_ERR_INPUT for a negative size. */
mq_status mq_in_shape(mq_infer *in, size_t i, int *rank, mq_dim **dims);

/* Axes into 0..rank-1: at[k] is the axis of element k. MQ_ERR_INPUT when one is outside or given twice. *known false when
 * an element is no number. *at is from the arena. */
mq_status mq_axes_norm(mq_infer *in, mq_elems axes, int rank, int **at, bool *known);

/* Output i has this rank (-1: unknown) and dimensions that are not known. */
mq_status mq_out_rank(mq_infer *in, size_t i, int rank);

/* Contents for output i, whose type and shape are set already: dropped unless that is an integer or bool tensor of n
 * elements. Numbers that its type cannot hold become unknown. Nothing with vals NULL. Of any rank, in row-major order: a
 * matrix comes up between vectors (padding amounts are reshaped, turned and flattened). */
mq_status mq_out_contents(mq_infer *in, size_t i, const mq_dim *vals, size_t n);
/* Contents for output i where element (x, y, ...) is element base + x * strides[0] + y * strides[1] + ... of input 0's.
 * Nothing when those or the sizes of output i are not known. strides: one for each dimension of output i. */
mq_status mq_out_contents_strided(mq_infer *in, size_t i, int64_t base, const int64_t *strides);
/* The strides of input 0 in its own row-major order; *strides NULL: its contents or sizes are not known. */
mq_status mq_in_strides(mq_infer *in, int64_t **strides);
/* Output i has the elements of input j in the same order (Reshape, Identity): their contents go along. */
mq_status mq_out_contents_of(mq_infer *in, size_t i, size_t j);

/* The element type that attribute `name` gives, `absent` when it is not there; MQ_ERR_INPUT for a number that is none.
 * MQ_UNDEFINED in a function body where the caller gives it. */
mq_status mq_attr_dtype(const mq_infer *in, const char *name, mq_dtype absent, mq_dtype *out);

/* Is the attribute there, but its value the caller's (function bodies)? Then nothing that depends on it can be said. */
bool mq_attr_open(const mq_infer *in, const char *name);

#endif
