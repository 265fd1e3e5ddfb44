/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The options of data, for every command that runs models. */
#ifndef CLI_SOURCE_H
#define CLI_SOURCE_H

#include "cli/session.h"
#include "mq/run.h"

/* For a command's list of options. */
#define CLI_SOURCE_OPTS                                                                                                   \
    OPT_DATA, OPT_PREPROCESS, OPT_SAMPLES, OPT_BATCH, OPT_FILL, OPT_CARRY, OPT_SKIP_BAD, OPT_ALLOW_NONFINITE, OPT_SEED, \
        OPT_SHAPE, OPT_DIM

/* What the options say; borrowed from the session. */
mq_data_source cli_source(const cli_session *s);

/* mq_*_opts.note: a line on standard error, unless -q. user is the session. */
void cli_source_note(void *user, const char *text);
/* mq_*_opts.detail: the same with -v only. */
void cli_source_detail(void *user, const char *text);

#endif
