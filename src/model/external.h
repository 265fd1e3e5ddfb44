/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tensors in files beside the model. */
#ifndef MQ_MODEL_EXTERNAL_H
#define MQ_MODEL_EXTERNAL_H

#include "graph/graph.h"

/* The path of an external file of m, checked to lie inside the model's folder (relative, no "..", no link that leads
 * out) and to be a regular file; to be freed with free(). MQ_ERR_INPUT says what is wrong. */
mq_status mq_external_path(const mq_model *m, const char *location, char **path, mq_error *err);

/* The same for a file in a folder ("": the current one), which `what` calls by its kind. */
mq_status mq_external_find(const char *folder, const char *location, const char *what, char **path, mq_error *err);

/* mq_model.open_external: maps a file once per model. */
mq_status mq_external_open(mq_model *m, const char *location, mq_buf **out, mq_error *err);

#endif
