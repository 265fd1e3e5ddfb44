/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Do the data of a tensor fit its type and shape? */
#ifndef MQ_GRAPH_VERIFY_TENSOR_H
#define MQ_GRAPH_VERIFY_TENSOR_H

#include "graph/finding.h"

/* Adds what is wrong with t; `at` says where it stands. The contents are not read (but for 6-bit types, whose
 * padding is a rule); external files are not opened. Codes: tensor-type, tensor-shape, tensor-data, tensor-extra. */
void mq_tensor_verify(const mq_tensor *t, mq_place at, mq_findings *fs);

/* The same for a sparse tensor: values, indices, that the indices are sorted and inside the shape. Code: sparse. */
mq_status mq_sparse_verify(const mq_sparse *s, mq_place at, mq_findings *fs, mq_error *err);

#endif
