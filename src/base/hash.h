/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* SHA-256 of files, for reports that ask for it. */
#ifndef MQ_BASE_HASH_H
#define MQ_BASE_HASH_H

#include "mq/status.h"

#define MQ_SHA256_HEX 65 /* 64 digits and the NUL */

/* The SHA-256 (FIPS 180-4) of a file's bytes in lower-case hex. Reads the whole file once. */
mq_status mq_sha256_file(const char *path, char hex[MQ_SHA256_HEX], mq_error *err);

#endif
