/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Files of JSON that a user wrote. */
#ifndef MQ_DATA_JSON_FILE_H
#define MQ_DATA_JSON_FILE_H

#include <jansson.h>

#include "base/error.h"

/* The value in a file; keys that stand twice are refused. What is wrong with it is said with its line, as MQ_ERR_INPUT. */
mq_status mq_json_load(json_t **root, const char *path, mq_error *err);

#endif
