/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* A model in several files: MODEL.parts.json names them, in an order in which each needs only what those before it give.
 * Tensors go by one name in all of them. docs/formats.md describes the file. */
#ifndef MQ_MODEL_PARTS_H
#define MQ_MODEL_PARTS_H

#include "graph/graph.h"

/* What mq_model_load does when a file holds JSON: loads the parts, which lie beside it, and joins them.
 * MQ_ERR_INPUT: no such file, or parts that do not fit together. */
mq_status mq_parts_load(mq_model **out, const mq_buf *text, const char *path, mq_error *err);

/* Joins n > 0 models to one that has these inputs and outputs. A tensor whose name was made before is that tensor;
 * constants that several parts have are there once. Takes the models, also on failure: the result keeps them. */
mq_status mq_parts_join(mq_model **out, mq_model **parts, size_t n, const char *const *inputs, size_t n_inputs,
                        const char *const *outputs, size_t n_outputs, mq_error *err);

/* One file of a manifest. */
typedef struct mq_parts_entry {
    const char *file;
    uint64_t bytes; /* with external data */
    int64_t macs;   /* -1: not known */
    const mq_graph *graph;
} mq_parts_entry;

/* The manifest of a model that was split: of `whole` and its parts. To be freed with free(); NULL: out of memory. */
char *mq_parts_text(const char *model_name, const mq_graph *whole, const mq_parts_entry *parts, size_t n);

#endif
