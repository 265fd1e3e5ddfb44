/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Status codes with sentences; nothing here allocates, so that it works when memory is out. */
#include "base/error.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *mq_status_name(mq_status status)
{
    switch (status) {
    case MQ_OK: return "ok";
    case MQ_ERR_USAGE: return "usage";
    case MQ_ERR_INPUT: return "input";
    case MQ_ERR_UNSUPPORTED: return "unsupported";
    case MQ_ERR_SYSTEM: return "system";
    case MQ_ERR_NOMEM: return "memory";
    case MQ_ERR_CANCELLED: return "cancelled";
    }
    return "unknown";
}

mq_status mq_fail(mq_error *err, mq_status status, const char *fmt, ...)
{
    if (err) {
        va_list ap;
        va_start(ap, fmt);
        err->status = status;
        vsnprintf(err->text, sizeof err->text, fmt, ap);
        va_end(ap);
    }
    return status;
}

mq_status mq_oom(mq_error *err)
{
    return mq_fail(err, MQ_ERR_NOMEM, "out of memory");
}

mq_status mq_fail_errno(mq_error *err, mq_status status, const char *what, const char *path)
{
    int e = errno;
    return e == ENOMEM ? mq_oom(err) : mq_fail(err, status, "cannot %s '%s': %s", what, path, strerror(e));
}

void mq_error_prefix(mq_error *err, const char *fmt, ...)
{
    char prefix[MQ_ERROR_SIZE / 2];
    size_t n, keep;
    va_list ap;

    if (!err)
        return;
    va_start(ap, fmt);
    vsnprintf(prefix, sizeof prefix - 2, fmt, ap);
    va_end(ap);
    strcat(prefix, ": ");
    n = strlen(prefix);
    keep = strnlen(err->text, sizeof err->text - n - 1);
    memmove(err->text + n, err->text, keep);
    memcpy(err->text, prefix, n);
    err->text[n + keep] = '\0';
}

void mq_error_one_line(mq_error *err)
{
    for (char *at = err ? err->text : ""; *at; at++)
        if (iscntrl((unsigned char)*at))
            *at = ' ';
}

void mq_bug(const char *file, int line, const char *what)
{
    fprintf(stderr, "mq: internal error at %s:%d: %s\n", file, line, what);
    abort();
}

void mq_warn(const mq_hooks *hooks, const char *code, const char *place, const char *fmt, ...)
{
    char text[MQ_ERROR_SIZE];
    va_list ap;

    if (!hooks || !hooks->warn)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    hooks->warn(hooks->user, &(mq_warning){ .code = code, .place = place ? place : "", .text = text });
}

void mq_progress(const mq_hooks *hooks, const char *step, uint64_t done, uint64_t total)
{
    if (hooks && hooks->progress)
        hooks->progress(hooks->user, step, done, total);
}

void mq_note_file(const mq_hooks *hooks, const char *path, bool written)
{
    if (hooks && hooks->file)
        hooks->file(hooks->user, path, written);
}

bool mq_cancelled(const mq_hooks *hooks)
{
    return hooks && hooks->cancelled && hooks->cancelled(hooks->user);
}

mq_status mq_check_cancelled(const mq_hooks *hooks, mq_error *err)
{
    return mq_cancelled(hooks) ? mq_fail(err, MQ_ERR_CANCELLED, "interrupted") : MQ_OK;
}
