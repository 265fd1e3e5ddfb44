/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* gzip (RFC 1952) in and out. */
#ifndef MQ_MODEL_GZIP_H
#define MQ_MODEL_GZIP_H

#include "base/buf.h"
#include "base/file.h"

/* Do the bytes begin like a gzip file? */
bool mq_gzip_detect(const mq_buf *b);

/* Unpacks into an unnamed temporary file, which it maps. MQ_ERR_INPUT for corrupt or truncated data. */
mq_status mq_gzip_unpack(mq_buf **out, const mq_buf *in, const char *name, mq_error *err);

/* Appends the compressed bytes of [0, size) of a file to f; no time, no name: the same bytes every time. */
mq_status mq_gzip_pack(mq_outfile *f, int fd, uint64_t size, const mq_hooks *hooks, mq_error *err);

/* How many bytes mq_gzip_pack would write. */
mq_status mq_gzip_size(int fd, uint64_t size, uint64_t *packed, mq_error *err);

/* About how many bytes mq_gzip_pack would make of n in memory: blocks that lie evenly spread are compressed, each by itself;
 * all of them when there is no more than 1 MB. MQ_ERR_NOMEM. */
mq_status mq_gzip_estimate(const void *data, size_t n, int n_threads, uint64_t *packed, mq_error *err);

#endif
