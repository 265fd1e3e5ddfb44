/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* One file that training goes on from: named records of bytes, behind a hash that tells damage. Written whole or not at
 * all. Numbers are little-endian as in memory here: a checkpoint belongs to the machine it was made on, as the bits of its
 * training do.
 *
 *   "mqtrain1", uint64 records, uint64 XXH3 of all that follows; then per record uint64 length of the name, uint64 bytes,
 *   name, bytes */
#ifndef MQ_TRAIN_CHECKPOINT_H
#define MQ_TRAIN_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>

#include "mq/status.h"

typedef struct mq_checkpoint mq_checkpoint;

mq_status mq_checkpoint_create(mq_checkpoint **out, mq_error *err);
void mq_checkpoint_free(mq_checkpoint *c); /* NULL is fine */

/* Appends a record; name and bytes are copied. */
mq_status mq_checkpoint_put(mq_checkpoint *c, const char *name, const void *data, size_t n, mq_error *err);
/* Replaces the file. */
mq_status mq_checkpoint_save(const mq_checkpoint *c, const char *path, mq_error *err);

/* MQ_ERR_INPUT for a file that is missing, damaged or none. */
mq_status mq_checkpoint_load(mq_checkpoint **out, const char *path, mq_error *err);
/* The bytes of a record, borrowed; NULL: there is none. */
const void *mq_checkpoint_find(const mq_checkpoint *c, const char *name, size_t *n);
/* Copies a record of exactly n bytes; MQ_ERR_INPUT when it is missing or of another length. */
mq_status mq_checkpoint_get(const mq_checkpoint *c, const char *name, void *data, size_t n, mq_error *err);

#endif
