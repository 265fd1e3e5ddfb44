/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* A string builder that remembers when memory ran out, so that callers check once at the end. */
#ifndef MQ_BASE_STR_H
#define MQ_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>

#include "mq/status.h"

/* {0} is an empty string; `s` is NULL or NUL-terminated. */
typedef struct mq_str {
    char *s;
    size_t n, cap;
    bool failed; /* out of memory somewhere: the text is incomplete */
} mq_str;

void mq_str_release(mq_str *b);
void mq_str_add(mq_str *b, const char *s);
void mq_str_add_n(mq_str *b, const char *s, size_t n);
void mq_str_addf(mq_str *b, const char *fmt, ...) MQ_PRINTF(2, 3);

/* "1.2 MB" (decimal units, as disks and file managers count), "345 B". */
void mq_str_add_bytes(mq_str *b, uint64_t bytes);
/* 1234567 -> "1,234,567". */
void mq_str_add_count(mq_str *b, uint64_t n);

/* Is `end` the end of s, whatever the case of its letters? */
bool mq_ends_with(const char *s, const char *end);

#endif
