/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* JSON as text. */
#ifndef MQ_BASE_JSON_PRINT_H
#define MQ_BASE_JSON_PRINT_H

#include <jansson.h>

/* json_dumps, but for what that does when memory runs out: jansson 2.14 goes on behind a key it could not write, so that the
 * text lacks the key. To be freed with free(); NULL: out of memory. */
char *mq_json_print(const json_t *value, size_t flags);

#endif
