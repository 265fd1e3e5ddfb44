/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* SHA-256 of files and of what is made of several: for reports that ask for it, and to know data again. */
#ifndef MQ_BASE_HASH_H
#define MQ_BASE_HASH_H

#include <stddef.h>

#include "mq/status.h"

#define MQ_SHA256_HEX 65 /* 64 digits and the NUL */

/* The SHA-256 (FIPS 180-4) of a file's bytes in lower-case hex. Reads the whole file once. */
mq_status mq_sha256_file(const char *path, char hex[MQ_SHA256_HEX], mq_error *err);
void mq_sha256_bytes(const void *data, size_t n, char hex[MQ_SHA256_HEX]);

/* A hash of a list: hex, which begins as "", becomes that of itself and a text behind it. */
void mq_sha256_chain(char hex[MQ_SHA256_HEX], const char *text);

#endif
