/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* A weight as its operator sees it: the stored constant, seen through the Transpose, Reshape, Identity and Cast nodes
 * between the two. Elements are read as float in the order of the view; nothing is copied to be seen. */
#ifndef MQ_PASSES_SOURCE_H
#define MQ_PASSES_SOURCE_H

#include "base/compiler.h"
#include "graph/graph.h"

#define MQ_SOURCE_MAX_DIMS 8

typedef struct mq_source {
    mq_tensor *tensor; /* float, float16, bfloat16 or double */
    int n_dims;
    int64_t dims[MQ_SOURCE_MAX_DIMS];
    int64_t strides[MQ_SOURCE_MAX_DIMS]; /* in elements of the tensor */
    int64_t n;                           /* elements */
} mq_source;

/* The tensor as it is; false when it has too many dimensions, no valid shape, or another type. */
bool mq_source_init(mq_source *s, mq_tensor *t);

/* The view that a Transpose with this perm gives. */
void mq_source_transpose(mq_source *s, const int64_t *perm);
/* The same elements in another shape; false when the view is transposed, so that strides cannot say it. */
bool mq_source_reshape(mq_source *s, int n_dims, const int64_t *dims);

/* Are the elements consecutive in the tensor, in the order of the view? */
bool mq_source_is_plain(const mq_source *s);

/* Is it a matrix that is stored transposed? Then *stored is the view of it as it is stored. */
bool mq_source_is_turned(const mq_source *s, mq_source *stored);

/* Elements [from, from + n) as float: a pointer into the file when they are stored so (not aligned), else into room, which
 * has space for n. mq_tensor_bytes must have succeeded for the tensor (bytes). Thread-safe. */
const mq_unaligned_f32 *mq_source_read(const mq_source *s, const void *bytes, size_t from, size_t n, float *room);

/* Pages of elements [from, from + n) will be read, or are done with (see mq_buf_want). For transposed views: all pages. */
void mq_source_want(const mq_source *s, size_t from, size_t n);
void mq_source_done_with(const mq_source *s, size_t from, size_t n);

#endif
