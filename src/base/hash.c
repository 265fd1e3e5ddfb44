/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

static void finish(struct sha256_ctx *ctx, char hex[MQ_SHA256_HEX])
{
    unsigned char digest[SHA256_DIGEST_SIZE];

    sha256_digest(ctx, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

void mq_sha256_bytes(const void *data, size_t n, char hex[MQ_SHA256_HEX])
{
    struct sha256_ctx ctx;

    sha256_init(&ctx);
    sha256_update(&ctx, n, data);
    finish(&ctx, hex);
}

void mq_sha256_chain(char hex[MQ_SHA256_HEX], const char *text)
{
    struct sha256_ctx ctx;

    sha256_init(&ctx);
    sha256_update(&ctx, strlen(hex), (const uint8_t *)hex);
    sha256_update(&ctx, strlen(text) + 1, (const uint8_t *)text); /* with its NUL: "ab", "c" is not "a", "bc" */
    finish(&ctx, hex);
}

mq_status mq_sha256_file(const char *path, char hex[MQ_SHA256_HEX], mq_error *err)
{
    enum { CHUNK = 1 << 18 };
    struct sha256_ctx ctx;
    unsigned char *chunk = malloc(CHUNK);
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
    finish(&ctx, hex);
done:
    free(chunk);
    if (fd >= 0)
        close(fd);
    return rc;
}
