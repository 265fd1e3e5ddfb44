/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What reference kernels share: attributes, axes, broadcasting, strides, and switching over element types. */
#ifndef MQ_EXEC_REF_UTIL_H
#define MQ_EXEC_REF_UTIL_H

#include "base/compiler.h"
#include "exec/kernel.h"

/* ---- types -------------------------------------------------------------------------------------------------------- */

/* switch (dtype) { MQ_CASES_NUMERIC(F) default: ... } where F(ctype) is a statement that ends in return, break or a block.
 * float16 and bfloat16 do not appear: the executor widens them (MQ_KERNEL_WIDEN). */
#define MQ_CASES_FLOAT(F) case MQ_FLOAT: F(float) case MQ_DOUBLE: F(double)
#define MQ_CASES_SIGNED(F) \
    case MQ_INT8: F(int8_t) case MQ_INT16: F(int16_t) case MQ_INT32: F(int32_t) case MQ_INT64: F(int64_t)
#define MQ_CASES_UNSIGNED(F) \
    case MQ_UINT8: F(uint8_t) case MQ_UINT16: F(uint16_t) case MQ_UINT32: F(uint32_t) case MQ_UINT64: F(uint64_t)
#define MQ_CASES_INTEGER(F) MQ_CASES_SIGNED(F) MQ_CASES_UNSIGNED(F)
#define MQ_CASES_NUMERIC(F) MQ_CASES_FLOAT(F) MQ_CASES_INTEGER(F)

/* "element type TYPE is not supported here": MQ_ERR_UNSUPPORTED. */
mq_status mq_call_bad_type(mq_call *c, mq_dtype dtype);
/* The element 1 as bytes (as many as the type has); false: no number of 8 bits or more. */
bool mq_one_bytes(mq_dtype dtype, uint64_t *bytes);

/* ---- inputs and attributes ---------------------------------------------------------------------------------------- */

/* Input i must be there, a tensor. Absent: MQ_ERR_INPUT. */
mq_status mq_call_need(mq_call *c, size_t n_inputs);
/* Input i as int64 list of at most `max` (any integer type, rank 0 or 1); *n is its length. */
mq_status mq_call_ints(mq_call *c, size_t i, int64_t *out, size_t max, size_t *n);
/* The axis attribute (or given axis) as 0..rank-1; MQ_ERR_INPUT when outside. */
mq_status mq_call_axis(mq_call *c, int64_t axis, int rank, int *out);
/* A list of axes from input i or, when absent there, from attribute `name`: a flag per axis. *given false: neither was there
 * (or the list is empty). */
mq_status mq_call_axes(mq_call *c, size_t i, const char *name, int rank, bool flag[MQ_MAX_RANK], bool *given);

/* ---- shapes ------------------------------------------------------------------------------------------------------- */

/* Product of dims[from..to); 1 for an empty range. Cannot overflow for dims of an existing array without a 0. */
int64_t mq_span(const int64_t *dims, int from, int to);
/* Row-major strides in elements. */
void mq_strides(int rank, const int64_t *dims, int64_t *strides);

/* NumPy broadcasting of n arrays: the common shape, and the strides of each array in it (0 where it is stretched).
 * Then a loop over the outer dims with an inner loop over the last one. MQ_ERR_INPUT when they do not fit. */
#define MQ_MAX_BROADCAST 4
typedef struct mq_bcast {
    int rank; /* after merging neighbouring dims that all arrays walk alike */
    int64_t dims[MQ_MAX_RANK];
    int64_t strides[MQ_MAX_BROADCAST][MQ_MAX_RANK];
    int out_rank;
    int64_t out_dims[MQ_MAX_RANK]; /* the common shape, not merged */
    int64_t count;
} mq_bcast;
mq_status mq_call_broadcast(mq_call *c, size_t n, const mq_array *const *arrays, mq_bcast *out);

/* The offset (in elements) of array k at outer position `row` of b: row counts the positions of all dims but the last
 * (b->rank >= 1; a scalar has rank 1 with dims {1}). */
int64_t mq_bcast_offset(const mq_bcast *b, int k, int64_t row);

/* From position `row` in row-major order of dims[0..rank) to an offset by strides. */
int64_t mq_offset_at(int rank, const int64_t *dims, const int64_t *strides, int64_t row);

/* A transposed copy of plain memory: out has dims in[perm[0]], in[perm[1]], ...; elem is 1, 2, 4, 8 or 16 bytes. */
void mq_transpose(const void *in, void *out, int rank, const int64_t *dims, const int *perm, size_t elem, int n_threads);

/* Work under this many elements is done on one thread: forking costs more. */
#define MQ_GRAIN 32768
/* The threads worth using for `count` elements of light work. */
int mq_call_threads(const mq_call *c, int64_t count);

#endif
