/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The strided copy against loops that are plainly right: every element size, any order of axes, any thread count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exec/ref/move.h"
#include "lib/rng.h"

/* Moves with strides by mq_move_run, and one element at a time. */
static void compare(const mq_move *m, size_t n_src, size_t n_dst, size_t elem, int threads)
{
    unsigned char *src = malloc(n_src * elem), *got = calloc(n_dst, elem), *want = calloc(n_dst, elem);
    int64_t at[MQ_MOVE_RANK] = { 0 };
    int k;

    for (size_t i = 0; i < n_src * elem; i++)
        src[i] = (unsigned char)(i * 131 + i / 251);
    mq_move_run(m, src, got, elem, threads);
    for (bool more = mq_span(m->dims, 0, m->rank) > 0; more; more = k >= 0) {
        int64_t from = 0, to = 0;

        for (k = 0; k < m->rank; k++) {
            from += at[k] * m->src[k];
            to += at[k] * m->dst[k];
        }
        memcpy(want + to * (int64_t)elem, src + from * (int64_t)elem, elem);
        for (k = m->rank - 1; k >= 0 && ++at[k] == m->dims[k]; k--)
            at[k] = 0;
    }
    assert_memory_equal(got, want, n_dst * elem);
    free(src);
    free(got);
    free(want);
}

static void test_transposes(void **state)
{
    uint64_t rng = 7;

    (void)state;
    for (int turn = 0; turn < 400; turn++) {
        int64_t dims[5], strides[5];
        const int rank = (int)(rng_next(&rng) % 6);
        int perm[5] = { 0, 1, 2, 3, 4 };
        mq_move m = { .rank = rank };
        size_t n = 1;

        for (int i = 0; i < rank; i++) {
            dims[i] = (int64_t)(rng_next(&rng) % (turn % 8 ? 7 : 40)) + (turn % 11 != 0);
            n *= (size_t)dims[i];
        }
        for (int i = rank - 1; i > 0; i--) {
            const int other = (int)(rng_next(&rng) % (uint64_t)(i + 1)), was = perm[i];

            perm[i] = perm[other];
            perm[other] = was;
        }
        if (n > 1000000)
            continue;
        mq_strides(rank, dims, strides);
        for (int i = 0; i < rank; i++) {
            m.dims[i] = dims[perm[i]];
            m.src[i] = strides[perm[i]];
        }
        mq_strides(rank, m.dims, m.dst);
        compare(&m, n + 1, n + 1, (size_t)1 << turn % 5, 1 + turn % 3);
    }
}

static void test_large_ones_on_threads(void **state)
{
    static const mq_move moves[] = {
        { 2, { 700, 900 }, { 1, 700 }, { 900, 1 } },                      /* transposed */
        { 3, { 3, 300, 500 }, { 1, 1500, 3 }, { 150000, 500, 1 } },       /* channels to the front */
        { 2, { 300, 2000 }, { 0, 1 }, { 2000, 1 } },                      /* a row repeated */
        { 2, { 2000, 300 }, { 1, 0 }, { 300, 1 } },                       /* elements repeated */
        { 1, { 600000 }, { 1 }, { 1 } },                                  /* copied */
        { 2, { 500, 600 }, { 1200, 2 }, { 600, 1 } },                     /* every other one */
        { 3, { 400, 500, 2 }, { 2, 800, 1 }, { 1000, 2, 1 } },            /* pairs transposed */
    };

    (void)state;
    for (size_t i = 0; i < sizeof moves / sizeof *moves; i++)
        for (int threads = 1; threads <= 3; threads++)
            for (size_t elem = 1; elem <= 16; elem *= 2)
                compare(&moves[i], 700000, 700000, elem, threads);
}

static void test_fill(void **state)
{
    unsigned char buffer[5000], value[16];

    (void)state;
    for (size_t i = 0; i < sizeof value; i++)
        value[i] = (unsigned char)(i + 1);
    for (size_t elem = 1; elem <= 16; elem *= 2)
        for (size_t n = 0; n * elem < sizeof buffer; n += n / 3 + 1) {
            memset(buffer, 0xee, sizeof buffer);
            mq_move_fill(value, buffer, n, elem);
            for (size_t i = 0; i < n * elem; i++)
                assert_int_equal(buffer[i], value[i % elem]);
            assert_int_equal(buffer[n * elem], 0xee);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transposes),
        cmocka_unit_test(test_large_ones_on_threads),
        cmocka_unit_test(test_fill),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
