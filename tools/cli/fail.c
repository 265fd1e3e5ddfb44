/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Fills the caller's mq_error. Allocates nothing, prints nothing. */
#include "cli/fail.h"

#include <stdarg.h>
#include <stdio.h>

mq_status cli_fail(mq_error *err, mq_status status, const char *fmt, ...)
{
    va_list ap;

    if (err) {
        va_start(ap, fmt);
        vsnprintf(err->text, sizeof err->text, fmt, ap);
        va_end(ap);
        err->status = status;
    }
    return status;
}

mq_status cli_oom(mq_error *err)
{
    return cli_fail(err, MQ_ERR_NOMEM, "out of memory");
}
