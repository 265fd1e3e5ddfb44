/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Writing files so that nobody ever sees half of one: beside the target without a name (or under a temporary one where
 * the file system cannot), then renamed. */
#ifndef MQ_BASE_FILE_H
#define MQ_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mq/status.h"

/* A file being written. */
typedef struct mq_outfile mq_outfile;

/* Begins writing what will be `path`; with force false an existing target is MQ_ERR_USAGE at once. A target that is a
 * folder or cannot be created is MQ_ERR_SYSTEM. A symbolic link as target is followed: the file it names is replaced.
 * "-" (standard output) and an existing target that is no regular file (/dev/null, a pipe) are written at the end, when
 * everything has succeeded. Permissions are the old file's. */
mq_status mq_outfile_open(mq_outfile **out, const char *path, bool force, mq_error *err);
/* The same for an unnamed scratch file in $TMPDIR (else /tmp); it can only be read back and aborted. */
mq_status mq_outfile_scratch(mq_outfile **out, mq_error *err);

/* Could `path` be written so, as far as one can tell before? For long work; leaves nothing behind. */
mq_status mq_outfile_try(const char *path, bool force, mq_error *err);

int mq_outfile_fd(const mq_outfile *f);
const char *mq_outfile_path(const mq_outfile *f);

/* Appends. */
mq_status mq_outfile_write(mq_outfile *f, const void *data, size_t n, mq_error *err);
/* At an offset; thread-safe. */
mq_status mq_outfile_write_at(mq_outfile *f, uint64_t offset, const void *data, size_t n, mq_error *err);
/* Appends n bytes of another file from an offset, in the kernel where it can. */
mq_status mq_outfile_copy(mq_outfile *f, int fd, uint64_t offset, uint64_t n, mq_error *err);
/* Moves the append position by n bytes that are written with write_at, and makes room for them (finds out early that the
 * disk is full). */
mq_status mq_outfile_reserve(mq_outfile *f, uint64_t n, mq_error *err);
uint64_t mq_outfile_pos(const mq_outfile *f);

/* Puts the file in place. Frees f, also on failure (when the target is what it was). */
mq_status mq_outfile_commit(mq_outfile *f, bool sync, mq_error *err);
/* Puts `data` and then `model` in place so that at every moment there is the old pair, the new pair, or no model.
 * data may be several. Frees all, also on failure. */
mq_status mq_outfile_commit_with(mq_outfile *model, mq_outfile **data, size_t n_data, bool sync, mq_error *err);
/* Throws it away; NULL is fine. */
void mq_outfile_abort(mq_outfile *f);

/* A new folder of our own in TMPDIR, else /tmp: "NAME-XXXXXX". path: room for its path; "" after an error. */
mq_status mq_folder_make(char *path, size_t size, const char *name, mq_error *err);

/* Writes a whole small file this way (replacing); "-" writes to standard output. */
mq_status mq_file_put(const char *path, const void *data, size_t n, mq_error *err);

#endif
