/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Numbers as people write them on a command line. All are strict: nothing before or after, no sign where
 * none makes sense, no overflow, a point and never a comma. Each returns false and leaves *out alone when
 * the text is not one. */
#ifndef CLI_VALUES_H
#define CLI_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mq/status.h"

/* A whole number: "0", "512". */
bool cli_parse_count(const char *text, uint64_t *out);

/* Bytes: "4096", "4K", "1.5M", "2G"; K, M and G (either case) are powers of 1024. */
bool cli_parse_size(const char *text, uint64_t *out);

/* "0.5" or "50%", both 0.5; never negative, may be over 1. */
bool cli_parse_ratio(const char *text, double *out);

/* A finite number: "30", "-1.5", "1e-3". */
bool cli_parse_real(const char *text, double *out);

/* Seconds: "250ms", "10s", "1.5m", "2h"; a bare number is refused, for nobody knows its unit. */
bool cli_parse_time(const char *text, double *out);

/* "-1..1", "0..255", "stddev=2.5": the lower end is below the upper one, K is over zero. */
typedef struct cli_range {
    bool is_stddev;
    double lo, hi; /* else */
    double k;      /* is_stddev */
} cli_range;
bool cli_parse_range(const char *text, cli_range *out);

/* "N:VALUE" forms are split at the last '=': names may hold ':' and even '='. *name_len is the length of the name;
 * *value points behind the '='. false when there is no '=' or a side is empty. */
bool cli_split_name(const char *text, size_t *name_len, const char **value);

#define CLI_MAX_RANK 32

/* One --shape: "input=1x3x224x224", "input:1x3x224x224", "1,3,224,224" (name NULL), "ids=batch,seq". */
typedef struct cli_shape {
    char *name; /* NULL: the model's one input */
    int rank;   /* 0: a scalar ("x=") is refused, so 1 or more */
    int64_t dims[CLI_MAX_RANK];  /* -1 where symbols has a name */
    char *symbols[CLI_MAX_RANK]; /* NULL where the size is a number */
} cli_shape;

/* Fills *out, to be released; MQ_ERR_USAGE with what is wrong. */
mq_status cli_shape_parse(cli_shape *out, const char *text, mq_error *err);
void cli_shape_release(cli_shape *s);

#endif
