/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Bytes that several owners share: a mapped file or heap memory, with a reference count. */
#ifndef MQ_BASE_BUF_H
#define MQ_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "mq/status.h"

typedef struct mq_buf {
    const unsigned char *data; /* never NULL; read only */
    size_t size;
    int fd;  /* of a mapped file, for copy_file_range; -1 for heap memory */
    int refs;
} mq_buf;

/* Maps a regular file, or reads a pipe or device to an unlinked temporary file and maps that. An empty file gives size 0.
 * Errors: MQ_ERR_INPUT with the path for what cannot be read (missing, a folder, no permission); MQ_ERR_CANCELLED when a
 * signal comes while a pipe is read. */
mq_status mq_buf_map(mq_buf **out, const char *path, mq_error *err);

/* The same for an open descriptor, whose ownership passes (closed on failure too); name is for messages. */
mq_status mq_buf_map_fd(mq_buf **out, int fd, const char *name, mq_error *err);

/* Takes over heap memory from malloc, freed on failure too. */
mq_status mq_buf_from_heap(mq_buf **out, void *data, size_t size, mq_error *err);

/* ref returns its argument; unref accepts NULL and frees at the last reference. Not for two threads at once. */
mq_buf *mq_buf_ref(mq_buf *b);
void mq_buf_unref(mq_buf *b);

/* Tells the kernel that a range of a mapped file will be read soon (maps its pages at once), or is done with (resident
 * memory falls; reading it again is correct, only slower). Hints: nothing happens for heap memory. Thread-safe. */
void mq_buf_want(const mq_buf *b, const void *p, size_t n);
void mq_buf_done_with(const mq_buf *b, const void *p, size_t n);

#endif
