/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* --depfile: one make rule, "what was written: what was read". */
#ifndef CLI_DEPFILE_H
#define CLI_DEPFILE_H

#include <stddef.h>

#include "mq/status.h"

/* A growing set of file names in order; {0} is empty. */
typedef struct cli_paths {
    char **items;
    size_t n;
} cli_paths;

/* Adds a copy unless it is there already. */
mq_status cli_paths_add(cli_paths *p, const char *path, mq_error *err);
void cli_paths_release(cli_paths *p);

/* Replaces path in one step (beside it, renamed). MQ_ERR_SYSTEM when it cannot be written; MQ_ERR_USAGE for
 * a name that no make rule can hold (a line break). */
mq_status cli_depfile_write(const char *path, const cli_paths *targets, const cli_paths *sources, mq_error *err);

#endif
