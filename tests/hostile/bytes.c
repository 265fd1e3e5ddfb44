/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Runs the fuzz target (tests/fuzz/model.c) over systematic damage to a file: cut at every byte, every bit turned, or
 * bytes at random. Anything but a clean refusal or a clean run aborts.
 *
 * usage: bytes cut|bits FILE STEP      every STEP-th byte or bit
 *        bytes random FILE N           N copies with one to four random bytes */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A block of exactly that size, so that reading past the end is seen. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    if (!copy)
        exit(2);
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static size_t cut(const uint8_t *data, size_t size, size_t step)
{
    size_t n = 0;

    for (size_t i = 0; i < size; i += step, n++)
        run(data, i);
    return n;
}

static size_t bits(uint8_t *data, size_t size, size_t step)
{
    size_t n = 0;

    for (size_t i = 0; i < size * 8; i += step, n++) {
        data[i / 8] ^= (uint8_t)(1u << i % 8);
        run(data, size);
        data[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    return n;
}

static size_t random_bytes(uint8_t *data, size_t size, size_t n)
{
    uint64_t x = 1;

    for (size_t i = 0; i < n; i++) {
        size_t at[4], changes = 1 + i % 4;
        uint8_t old[4];
        for (size_t k = 0; k < changes; k++) {
            x = x * 6364136223846793005ULL + 1442695040888963407ULL;
            at[k] = (size_t)(x >> 20) % size;
            old[k] = data[at[k]];
            data[at[k]] = (uint8_t)(x >> 56);
        }
        run(data, size);
        for (size_t k = changes; k-- > 0;)
            data[at[k]] = old[k];
    }
    return n;
}

int main(int argc, char **argv)
{
    mq_error err = { 0 };
    mq_buf *buf = NULL;
    uint8_t *data;
    size_t step, n = 0;

    if (argc != 4 || (step = strtoul(argv[3], NULL, 10)) == 0) {
        fprintf(stderr, "usage: %s cut|bits|random FILE N\n", argv[0]);
        return 2;
    }
    if (mq_buf_map(&buf, argv[2], &err) != MQ_OK || !(data = malloc(buf->size + 1))) {
        fprintf(stderr, "%s\n", err.text);
        return 2;
    }
    memcpy(data, buf->data, buf->size);
    if (strcmp(argv[1], "cut") == 0)
        n = cut(data, buf->size, step);
    else if (strcmp(argv[1], "bits") == 0)
        n = bits(data, buf->size, step);
    else if (strcmp(argv[1], "random") == 0)
        n = random_bytes(data, buf->size, step);
    free(data);
    mq_buf_unref(buf);
    printf("%zu damaged copies\n", n);
    return n == 0;
}
