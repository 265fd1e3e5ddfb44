/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Initializers in coordinate form (sparse_initializer): from dense and back, the same bits both ways. */
#ifndef MQ_MODEL_SPARSE_H
#define MQ_MODEL_SPARSE_H

#include "base/vec.h"
#include "graph/graph.h"

/* What became of one initializer. An element is zero when all its bits are: -0 is kept. */
typedef struct mq_sparse_choice {
    mq_value *value;
    uint64_t elements, nonzero;
    uint64_t dense_bytes;
    uint64_t sparse_bytes; /* of values and indices */
    const char *why;       /* why it stays dense (static text); NULL: sparse from now on */
} mq_sparse_choice;

typedef MQ_VEC(mq_sparse_choice) mq_sparse_choices;

/* Bytes that the coordinate form of a tensor takes in a model file, what describes it included: nonzero values of `bits`
 * bits and an index of eight bytes for each. */
uint64_t mq_sparse_bytes(int bits, uint64_t nonzero);

/* Makes every initializer sparse that is smaller then: of floats and 8-bit integers, with at least one dimension, not
 * fed by the caller. Nothing is held: each tensor is read (or made, MQ_STORE_MADE) once now to count, and again when
 * its values and its indices are written, so it must be made in the same pieces each time. Sparse tensors stay inside
 * the model file, and leave room there (2 GB) for the rest. Appends a choice per initializer of these types to `list`
 * (heap, may be NULL). The IR version becomes one that has sparse initializers.
 * Errors: those of mq_tensor_bytes and of makers, MQ_ERR_CANCELLED, MQ_ERR_NOMEM. */
mq_status mq_model_make_sparse(mq_model *m, mq_sparse_choices *list, const mq_hooks *hooks, mq_error *err);

/* Makes every sparse initializer dense, in heap memory that the model owns. Errors: MQ_ERR_INPUT (values and indices
 * disagree, an index outside), MQ_ERR_UNSUPPORTED (strings), MQ_ERR_NOMEM. */
mq_status mq_model_make_dense(mq_model *m, mq_error *err);
/* A dense tensor of that name with what s holds, in memory of m. Same errors. */
mq_status mq_sparse_dense(mq_model *m, const mq_sparse *s, const char *name, mq_tensor **out, mq_error *err);

/* Puts the entries of s into zeroed memory of its shape (mq_tensor_size bytes for its dims and the values' type). Same
 * errors. */
mq_status mq_sparse_scatter(const mq_sparse *s, void *dense, mq_error *err);

#endif
