/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What a model file says of itself. Strings are borrowed from the model. */
#ifndef MQ_MODEL_ONNX_INFO_H
#define MQ_MODEL_ONNX_INFO_H

#include "graph/graph.h"

/* metadata_props: keys and values; never NULL. None for a model that was not read from a file. */
size_t mq_onnx_n_metadata(const mq_model *m);
void mq_onnx_metadata(const mq_model *m, size_t i, const char **key, const char **value);

/* Takes documentation and metadata out of everything that was read. The model must be as deep as one that was loaded. */
void mq_onnx_strip(mq_model *m, bool docs, bool metadata);

/* The value of a key, as it was read or set since; NULL: none. */
const char *mq_metadata_get(const mq_model *m, const char *key);
/* Sets it: mq_model_save writes it, the model's `origin` stays as it was read. Both are copied. */
mq_status mq_metadata_set(mq_model *m, const char *key, const char *value, mq_error *err);

/* ---- integers at the edges ------------------------------------------------------------------------------------------
 * An input or output that is stored as integers says in the metadata what they stand for: keys "mq.io.NAME.scale" and
 * "mq.io.NAME.zero_point". x = (q - zero_point) * scale. */

typedef struct mq_edge {
    float scale;
    int32_t zero_point;
} mq_edge;

/* false: the value is no tensor of 8 or 16-bit integers, or nothing usable is said of it. */
bool mq_edge_get(const mq_value *v, mq_edge *out);
mq_status mq_edge_set(const mq_value *v, const mq_edge *edge, mq_error *err);

#endif
