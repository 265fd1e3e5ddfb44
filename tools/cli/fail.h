/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Failing with a sentence, for the tools: the public mq_error, filled in. */
#ifndef CLI_FAIL_H
#define CLI_FAIL_H

#include "mq/status.h"

/* Writes the sentence into err (may be NULL) and returns status: `return cli_fail(err, MQ_ERR_USAGE,
 * "...")`. Lower case, names in single quotes, what was found and what is allowed, no full stop. */
mq_status cli_fail(mq_error *err, mq_status status, const char *fmt, ...) MQ_PRINTF(3, 4);

/* cli_fail with MQ_ERR_NOMEM. */
mq_status cli_oom(mq_error *err);

/* In a function with `mq_status rc` and a `done:` label that frees everything. */
#define CLI_TRY(call)                 \
    do {                              \
        if ((rc = (call)) != MQ_OK)   \
            goto done;                \
    } while (0)

#endif
