/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* A fuzz target without a fuzzer: a fixed number of inputs, each a seed that was changed a few times, the same ones on every
 * machine and for every version of the library (what libFuzzer makes depends on what the code does).
 *
 * usage: mutations COUNT KEPT FILE|FOLDER...
 *
 * KEPT holds the input that runs, for when it is the last one; it is removed in the end. An input may take 20 seconds of CPU
 * time (SIGPROF ends the program). */
#include <fts.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/vec.h"
#include "lib/rng.h"

enum { MOST_CHANGES = 6, MOST_SECONDS = 20, SEED_BYTES = 40960, INPUT_BYTES = 65536 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
#ifdef MQ_STRUCTURED
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);
#endif

typedef MQ_VEC(mq_buf *) buf_vec;

static uint64_t random_state = 1;

/* Bytes change, come and go: what libFuzzer has under this name. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size)
{
    const size_t at = rng_below(&random_state, size + 1), n = 1 + rng_below(&random_state, 8);
    const size_t behind = size - at, gone = n < behind ? n : behind;

    switch (rng_below(&random_state, 4)) {
    case 0: /* repeated */
        if (size + gone > max_size || !gone)
            break;
        memmove(data + at + gone, data + at, behind);
        return size + gone;
    case 1:
        memmove(data + at, data + at + gone, behind - gone);
        return size - gone;
    case 2:
        if (size + n > max_size)
            break;
        memmove(data + at + n, data + at, behind);
        for (size_t i = 0; i < n; i++)
            data[at + i] = (uint8_t)rng_next(&random_state);
        return size + n;
    default:
        if (behind)
            data[at] ^= (uint8_t)(1u << rng_below(&random_state, 8));
    }
    return size;
}

static size_t change(uint8_t *data, size_t size)
{
#ifdef MQ_STRUCTURED
    return LLVMFuzzerCustomMutator(data, size, INPUT_BYTES, (unsigned)rng_next(&random_state));
#else
    return LLVMFuzzerMutate(data, size, INPUT_BYTES);
#endif
}

static _Noreturn void fail(const char *what)
{
    perror(what);
    exit(2);
}

/* Input `number`: all seeds have their turn, with one change, then with two, ... */
static void run(const mq_buf *seed, uint64_t number, size_t n_changes, const char *kept)
{
    const struct itimerval limit = { .it_value = { .tv_sec = MOST_SECONDS } };
    uint8_t *data = malloc(INPUT_BYTES), *exact;
    size_t size = seed->size;
    FILE *f;

    if (!data)
        fail("memory");
    random_state = number;
    memcpy(data, seed->data, size);
    while (n_changes-- > 0)
        size = change(data, size);
    if (!(f = fopen(kept, "wb")) || fwrite(data, 1, size, f) != size || fclose(f) != 0)
        fail(kept);
    if (!(exact = malloc(size + !size))) /* a block of that size: reading behind it is seen */
        fail("memory");
    memcpy(exact, data, size);
    free(data);
    setitimer(ITIMER_PROF, &limit, NULL);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void read_seeds(buf_vec *seeds, char **paths, const char *ending)
{
    FTS *walk = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, by_name);

    if (!walk)
        fail("seeds");
    for (const FTSENT *e; (e = fts_read(walk));) {
        const size_t n = strlen(e->fts_name), m = strlen(ending);
        mq_buf *b = NULL;

        if (e->fts_info != FTS_F || e->fts_statp->st_size > SEED_BYTES || n < m || strcmp(e->fts_name + n - m, ending) != 0)
            continue;
        if (mq_buf_map(&b, e->fts_path, NULL) != MQ_OK || !mq_vec_push(seeds, b))
            fail(e->fts_path);
    }
    fts_close(walk);
}

int main(int argc, char **argv)
{
    buf_vec seeds = { 0 };
    uint64_t count;

    if (argc < 4) {
        fprintf(stderr, "usage: %s COUNT KEPT FILE|FOLDER...\n", argv[0]);
        return 2;
    }
    count = strtoull(argv[1], NULL, 10);
#ifdef MQ_STRUCTURED
    read_seeds(&seeds, argv + 3, ".onnx");
#else
    read_seeds(&seeds, argv + 3, "");
#endif
    if (!seeds.n) {
        fprintf(stderr, "no seeds\n");
        return 2;
    }
    for (uint64_t i = 0; i < count; i++)
        run(seeds.items[i % seeds.n], i + 1, 1 + i / seeds.n % MOST_CHANGES, argv[2]);
    unlink(argv[2]);
    printf("%llu inputs of %zu seeds\n", (unsigned long long)count, seeds.n);
    for (size_t i = 0; i < seeds.n; i++)
        mq_buf_unref(seeds.items[i]);
    mq_vec_release(&seeds);
    return 0;
}
