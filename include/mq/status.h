/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Status codes, error texts, and what a caller hands to long work: warnings, progress, cancellation. */
#ifndef MQ_STATUS_H
#define MQ_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MQ_API __attribute__((visibility("default")))
#define MQ_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#else
#define MQ_API
#define MQ_PRINTF(fmt, first)
#endif

/* What a call came to. 0 is success, everything below is a failure; `mq` turns each into its exit code. */
typedef enum mq_status {
    MQ_OK = 0,
    MQ_ERR_USAGE = -2,       /* the caller's wish: contradiction, pattern without a match, output exists (exit 2) */
    MQ_ERR_INPUT = -3,       /* an input: missing, unreadable, corrupt, invalid (exit 3) */
    MQ_ERR_UNSUPPORTED = -4, /* understood, but not possible, or nothing to do (exit 4) */
    MQ_ERR_SYSTEM = -5,      /* the machine: cannot write, disk full (exit 5) */
    MQ_ERR_NOMEM = -6,       /* out of memory (exit 5) */
    MQ_ERR_CANCELLED = -7,   /* mq_hooks.cancelled said so; nothing was left behind */
} mq_status;

/* Room for one sentence; owned by the caller, so that being out of memory can be said too. */
#define MQ_ERROR_SIZE 1024
typedef struct mq_error {
    mq_status status;
    char text[MQ_ERROR_SIZE]; /* lower case, no full stop, names the file, node or tensor; "" when there was no error */
} mq_error;

/* One thing that is not as the user may expect. All strings are borrowed for the duration of the call. */
typedef struct mq_warning {
    const char *code;  /* stable, for scripts: "weight-nonfinite", "opset-raised", ... */
    const char *place; /* the tensor, node or file it is about, or "" */
    const char *text;  /* the sentence */
} mq_warning;

/* Callbacks for long work; every member may be NULL or 0. Callbacks are called from the calling thread only. */
typedef struct mq_hooks {
    void *user;
    void (*warn)(void *user, const mq_warning *warning);
    /* `done` of `total` units of `step`; called often, the receiver decides what to show */
    void (*progress)(void *user, const char *step, uint64_t done, uint64_t total);
    /* asked between blocks of work; true stops the call with MQ_ERR_CANCELLED and removes what it had begun */
    bool (*cancelled)(void *user);
    /* a file besides those named in the call was read, or written (external data) */
    void (*file)(void *user, const char *path, bool written);
    int n_threads; /* 0: all CPUs that the process may use; never changes the bytes written */
} mq_hooks;

/* "ok", "usage", "input", "unsupported", "system", "memory", "cancelled"; never NULL. */
MQ_API const char *mq_status_name(mq_status status);

#ifdef __cplusplus
}
#endif
#endif
