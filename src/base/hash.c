/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"

mq_status mq_sha256_file(const char *path, char hex[MQ_SHA256_HEX], mq_error *err)
{
    enum { CHUNK = 1 << 18 };
    struct sha256_ctx ctx;
    unsigned char digest[SHA256_DIGEST_SIZE], *chunk = malloc(CHUNK);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    mq_status rc = MQ_OK;
    ssize_t n;

    if (!chunk) {
        rc = mq_oom(err);
        goto done;
    }
    if (fd < 0) {
        rc = mq_fail_errno(err, MQ_ERR_INPUT, "open", path);
        goto done;
    }
    sha256_init(&ctx);
    while ((n = read(fd, chunk, CHUNK)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            rc = mq_fail_errno(err, MQ_ERR_INPUT, "read", path);
            goto done;
        }
        sha256_update(&ctx, (size_t)n, chunk);
    }
    sha256_digest(&ctx, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
done:
    free(chunk);
    if (fd >= 0)
        close(fd);
    return rc;
}
