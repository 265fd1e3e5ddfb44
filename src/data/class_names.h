/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The names of classes, which exporters leave in a model's metadata in a form of their own. */
#ifndef MQ_DATA_CLASS_NAMES_H
#define MQ_DATA_CLASS_NAMES_H

#include "graph/graph.h"

/* The names of n classes, from the arena: under the keys names, labels, classes, class_names or id2label. *out stays NULL
 * where there are none, or not as many: exactly n, or at least n where n is what has been seen of them (`seen`). */
mq_status mq_class_names(const mq_model *m, size_t n, bool seen, mq_arena *arena, const char ***out, mq_error *err);

/* The same of one text: a list or dict as JSON or Python write it (["cat", "dog"], {0: 'cat', 1: 'dog'}, {"0": "cat"}), or
 * names between commas or in lines. Control characters become blanks. */
mq_status mq_class_names_parse(const char *text, size_t n, bool seen, mq_arena *arena, const char ***out, mq_error *err);

#endif
