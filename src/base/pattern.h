/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Names given as patterns: exact first, then glob (`*` crosses '/' and '.'), `re:REGEX` for the whole name. */
#ifndef MQ_BASE_PATTERN_H
#define MQ_BASE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "mq/status.h"

typedef struct mq_patterns mq_patterns;

/* Compiles a list. `option` ("--nodes") is for messages. n 0 gives an empty set that matches nothing.
 * MQ_ERR_USAGE for a bad regular expression. */
mq_status mq_patterns_create(mq_patterns **out, const char *option, const char *const *texts, size_t n,
                             mq_error *err);
void mq_patterns_free(mq_patterns *p); /* NULL is fine */

/* Whether there is any pattern. NULL counts as none. */
bool mq_patterns_any(const mq_patterns *p);

/* Whether a name matches; remembers which patterns have matched something. A pattern that equals some name of the graph
 * exactly stands for that name alone, so first every name is offered with mq_patterns_offer, then asked for. */
void mq_patterns_offer(mq_patterns *p, const char *name);
bool mq_patterns_match(mq_patterns *p, const char *name);
/* The index of the last pattern that matches, or -1. */
int mq_patterns_find(mq_patterns *p, const char *name);

/* MQ_ERR_USAGE with the nearest names (of those offered) when a pattern has matched nothing of what was offered. */
mq_status mq_patterns_check_used(const mq_patterns *p, mq_error *err);

/* Writes " (did you mean 'a', 'b'?)" into out: the up to 3 names of `names` nearest to `wanted` by edit distance; ""
 * when none is near. */
void mq_suggest(char *out, size_t out_size, const char *wanted, const char *const *names, size_t n);

#endif
