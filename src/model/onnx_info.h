/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What a model file says of itself and nothing computes with. Strings are borrowed from the model. */
#ifndef MQ_MODEL_ONNX_INFO_H
#define MQ_MODEL_ONNX_INFO_H

#include "graph/graph.h"

/* metadata_props: keys and values; never NULL. None for a model that was not read from a file. */
size_t mq_onnx_n_metadata(const mq_model *m);
void mq_onnx_metadata(const mq_model *m, size_t i, const char **key, const char **value);

/* Takes documentation and metadata out of everything that was read. The model must be as deep as one that was loaded. */
void mq_onnx_strip(mq_model *m, bool docs, bool metadata);

#endif
