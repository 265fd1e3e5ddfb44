/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The values of data options as the user writes them, taken apart. Nothing here opens a file or looks at a model,
 * but for names to split at and whether a file of that name exists. */
#ifndef MQ_DATA_PARSE_H
#define MQ_DATA_PARSE_H

#include "graph/graph.h"

/* A distribution of generated numbers. */
typedef enum mq_spread { MQ_SPREAD_DEFAULT, MQ_SPREAD_NORMAL, MQ_SPREAD_UNIFORM } mq_spread;
typedef struct mq_distribution {
    mq_spread spread;
    double a, b; /* mean and deviation, or bounds */
} mq_distribution;

/* [INPUT=]SOURCE[:KEY]. Strings live in the arena. */
typedef struct mq_source_spec {
    const char *text;  /* as written */
    int input;         /* index among the names; -1: none was said */
    const char *path;  /* NULL: generated */
    const char *key;   /* NULL: none */
    uint64_t n_random; /* generated rows */
    mq_distribution dist;
} mq_source_spec;

/* names: the model's inputs. option is for messages. */
mq_status mq_parse_source(mq_source_spec *s, mq_arena *a, const char *text, const char *const *names, size_t n_names,
                          const char *option, mq_error *err);

typedef enum mq_fill_kind {
    MQ_FILL_ZEROS,
    MQ_FILL_ONES,
    MQ_FILL_RANGE,
    MQ_FILL_EMPTY,
    MQ_FILL_RANDOM,
    MQ_FILL_NUMBER,
} mq_fill_kind;
typedef struct mq_fill {
    mq_fill_kind kind;
    double number;
    mq_distribution dist; /* of MQ_FILL_RANDOM */
} mq_fill;

/* PATTERN=VALUE; the pattern goes into the arena. */
mq_status mq_parse_fill(const char **pattern, mq_fill *f, mq_arena *a, const char *text, mq_error *err);

/* LEFT=RIGHT, split at the last '='. */
mq_status mq_parse_pair(const char **left, const char **right, mq_arena *a, const char *text, const char *option,
                        mq_error *err);

/* A size from 0: digits only; false otherwise. */
bool mq_parse_size(const char *text, size_t n, int64_t *out);

#endif
