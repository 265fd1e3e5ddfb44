/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Files that hold one value: TensorProto, SequenceProto or OptionalProto, as in ONNX's test data (`input_0.pb`). The wire
 * format does not say which of them a file is: the caller knows from the graph's type. */
#ifndef MQ_MODEL_TENSOR_FILE_H
#define MQ_MODEL_TENSOR_FILE_H

#include "graph/array.h"

/* A value in memory, in the arena of the model it was read into. */
typedef struct mq_datum mq_datum;
struct mq_datum {
    const char *name;
    mq_type_kind kind; /* TENSOR, SPARSE_TENSOR, SEQUENCE, MAP, OPTIONAL; UNKNOWN: an empty optional */
    mq_tensor *tensor; /* TENSOR; MAP: the keys */
    mq_sparse *sparse;
    mq_datum **items; /* SEQUENCE: n of them; OPTIONAL: one; MAP: one, the sequence of values */
    size_t n;
};

/* Reads a file of the kind that `type` says (NULL: a tensor). Bytes stay mapped with the model. Errors: MQ_ERR_INPUT. */
mq_status mq_datum_load(mq_model *m, const char *path, const mq_type *type, mq_datum **out, mq_error *err);

/* Writes a datum to a file, replacing it. */
mq_status mq_datum_save(const mq_datum *d, const char *path, mq_error *err);

/* The datum as a value at run time; elements are borrowed from its model where they can be. A sparse tensor comes dense.
 * MQ_ERR_UNSUPPORTED for maps. */
mq_status mq_array_of_datum(mq_array **out, const mq_datum *d, mq_error *err);
/* A sparse tensor as a dense array. */
mq_status mq_array_of_sparse(mq_array **out, const mq_sparse *s, mq_error *err);
/* The reverse, in the arena of m, elements copied. */
mq_status mq_datum_of_array(mq_datum **out, mq_model *m, const char *name, const mq_array *a, mq_error *err);

#endif
