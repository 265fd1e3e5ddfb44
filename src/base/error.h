/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Failing with a sentence, and passing failures on. */
#ifndef MQ_BASE_ERROR_H
#define MQ_BASE_ERROR_H

#include "mq/status.h"

/* Writes the sentence into err (may be NULL) and returns status: `return mq_fail(err, MQ_ERR_INPUT, "...")`. */
mq_status mq_fail(mq_error *err, mq_status status, const char *fmt, ...) MQ_PRINTF(3, 4);

/* mq_fail with MQ_ERR_NOMEM. Allocates nothing. */
mq_status mq_oom(mq_error *err);

/* mq_fail with MQ_ERR_SYSTEM for a failed system call: "cannot WHAT 'PATH': strerror(errno)". */
mq_status mq_fail_errno(mq_error *err, mq_status status, const char *what, const char *path);

/* Puts "PREFIX: " in front of err's text. */
void mq_error_prefix(mq_error *err, const char *fmt, ...) MQ_PRINTF(2, 3);

/* Control characters, such as names and quotations of a file may hold, become blanks. */
void mq_error_one_line(mq_error *err);

/* In a function with `mq_status rc` and a `done:` label that frees everything. */
#define MQ_TRY(call)                  \
    do {                              \
        if ((rc = (call)) != MQ_OK)   \
            goto done;                \
    } while (0)

/* A broken invariant of our own: prints the place and aborts. Never for anything that an input can cause. */
#define MQ_BUG(what) mq_bug(__FILE__, __LINE__, what)
_Noreturn void mq_bug(const char *file, int line, const char *what);

/* Hooks with their NULL members taken care of; hooks itself may be NULL. */
void mq_warn(const mq_hooks *hooks, const char *code, const char *place, const char *fmt, ...) MQ_PRINTF(4, 5);
void mq_progress(const mq_hooks *hooks, const char *step, uint64_t done, uint64_t total);
bool mq_cancelled(const mq_hooks *hooks);
void mq_note_file(const mq_hooks *hooks, const char *path, bool written);
/* mq_cancelled as a status with its sentence. */
mq_status mq_check_cancelled(const mq_hooks *hooks, mq_error *err);

#endif
