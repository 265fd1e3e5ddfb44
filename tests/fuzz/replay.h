/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The main program of a fuzz target that is built without a fuzzer (MQ_REPLAY): it runs the files and folders named on
 * its command line through LLVMFuzzerTestOneInput, and with "--random COUNT" as many inputs made from the numbers 0,
 * 1, 2, ... */
#ifndef MQ_TESTS_FUZZ_REPLAY_H
#define MQ_TESTS_FUZZ_REPLAY_H

#include <fts.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "lib/rng.h"

enum { REPLAY_SLOW = 10, REPLAY_BYTES = 256 }; /* seconds that no input may take; size of a random one */

static bool replay(const char *name, const uint8_t *data, size_t size)
{
    struct timespec from, to;

    clock_gettime(CLOCK_MONOTONIC, &from);
    LLVMFuzzerTestOneInput(data, size);
    clock_gettime(CLOCK_MONOTONIC, &to);
    if (to.tv_sec - from.tv_sec > REPLAY_SLOW)
        fprintf(stderr, "%s: took %ld s\n", name, (long)(to.tv_sec - from.tv_sec));
    return to.tv_sec - from.tv_sec <= REPLAY_SLOW;
}

static bool replay_file(const char *path)
{
    mq_error err = { 0 };
    mq_buf *buf = NULL;
    bool good;

    if (mq_buf_map(&buf, path, &err) != MQ_OK) {
        fprintf(stderr, "%s\n", err.text);
        return false;
    }
    good = replay(path, buf->data, buf->size);
    mq_buf_unref(buf);
    return good;
}

static bool replay_number(uint64_t number)
{
    uint8_t data[REPLAY_BYTES];
    char name[64];

    snprintf(name, sizeof name, "--random %llu", (unsigned long long)number);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)rng_next(&number);
    return replay(name, data, sizeof data);
}

static int replay_by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

int main(int argc, char **argv)
{
    const bool random = argc > 2 && strcmp(argv[1], "--random") == 0;
    const uint64_t count = random ? strtoull(argv[2], NULL, 10) : 0;
    char **paths = argv + (random ? 3 : 1);
    size_t n = 0, n_bad = 0;
    FTS *walk;

    if (argc < 2) {
        fprintf(stderr, "usage: %s [--random COUNT] [FILE|FOLDER...]\n", argv[0]);
        return 2;
    }
    for (; n < count; n++)
        n_bad += !replay_number(n);
    walk = *paths ? fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, replay_by_name) : NULL;
    for (const FTSENT *e; walk && (e = fts_read(walk));) {
        if (e->fts_info != FTS_F)
            continue;
        n++;
        n_bad += !replay_file(e->fts_path);
    }
    if (walk)
        fts_close(walk);
    printf("%zu inputs, %zu bad\n", n, n_bad);
    return n == 0 || n_bad > 0;
}

#endif
