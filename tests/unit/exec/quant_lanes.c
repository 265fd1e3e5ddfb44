/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Loops over bytes: what the CPU has against what the compiler was told, byte for byte; every other case has powers of two
 * as scales, so that many results lie halfway between two integers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/isa.h"
#include "exec/ref/quant_lanes.h"
#include "rng.h"

enum { MOST = 300, LOOPS = 5 };

typedef struct bench {
    uint64_t seed;
    int64_t n;
    mq_dtype type;
    uint8_t a[MOST], b[MOST], table[256];
    float x[MOST], scales[MOST], scale[3];
    int32_t acc[MOST];
    int32_t zero[3];
} bench;

static void fill(bench *t, uint64_t seed)
{
    memset(t, 0, sizeof *t);
    t->seed = seed;
    t->n = (int64_t)rng_below(&t->seed, MOST + 1);
    t->type = seed % 2 ? MQ_INT8 : MQ_UINT8;
    for (int i = 0; i < 3; i++) {
        t->scale[i] = 0.03f * (1.5f + rng_float(&t->seed));
        if (seed / 2 % 2)
            t->scale[i] = exp2f(floorf(log2f(t->scale[i])));
        t->zero[i] = (int32_t)rng_below(&t->seed, 256) - (t->type == MQ_INT8 ? 128 : 0);
    }
    for (int i = 0; i < MOST; i++) {
        t->a[i] = (uint8_t)rng_below(&t->seed, 256);
        t->b[i] = (uint8_t)rng_below(&t->seed, 256);
        t->x[i] = rng_float(&t->seed) * 8;
        t->acc[i] = (int32_t)rng_below(&t->seed, 20000) - 10000;
        t->scales[i] = exp2f(-(float)rng_below(&t->seed, 8)) * (seed / 2 % 2 ? 0.25f : 0.27f);
        if (seed / 2 % 2)
            t->x[i] = rintf(t->x[i] / t->scale[0] * 2) * t->scale[0] / 2;
    }
    for (int i = 0; i < 256; i++)
        t->table[i] = (uint8_t)rng_below(&t->seed, 256);
    memcpy(t->x, (float[]){ NAN, INFINITY, -INFINITY, 1e30f, -1e30f, -0.0f }, 6 * sizeof *t->x);
}

static void run(const bench *t, uint8_t out[LOOPS][MOST + 1])
{
    const mq_i8_pair p = mq_i8_pair_of(t->scale[0], t->zero[0], t->scale[1], t->zero[1], t->scale[2], t->zero[2]);

    memset(out, 77, LOOPS * (MOST + 1));
    mq_i8_add(t->type, t->a, t->b, t->n, &p, out[0]);
    mq_i8_mul(t->type, t->a, t->b, t->n, &p, out[1]);
    mq_i8_quantize(t->x, t->n, t->scale[0], t->zero[0], t->type, out[2]);
    mq_i8_look_up(t->table, t->a, t->n, out[3]);
    mq_i8_requantize_each(t->acc, t->n, t->scales, t->zero[0], t->type, out[4]);
}

static void test_instruction_sets(void **state)
{
    static const mq_isa sets[] = { MQ_ISA_AVX2, MQ_ISA_AVX512, MQ_ISA_NATIVE };
    uint8_t wanted[LOOPS][MOST + 1], got[LOOPS][MOST + 1];
    const mq_isa before = mq_isa_limited();
    bench t;

    (void)state;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        fill(&t, seed);
        mq_isa_limit(MQ_ISA_BASE);
        run(&t, wanted);
        for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
            if (!mq_isa_is_there(sets[i]))
                continue;
            mq_isa_limit(sets[i]);
            run(&t, got);
            assert_memory_equal(got, wanted, sizeof got);
        }
    }
    mq_isa_limit(before);
}

/* Against the definition, in double: sums and products are exact there. */
static void test_definition(void **state)
{
    uint8_t got[LOOPS][MOST + 1];
    bench t;

    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        fill(&t, 4 * seed + 2 + seed % 2); /* powers of two */
        run(&t, got);
        for (int64_t i = 0; i < t.n; i++) {
            const int low = t.type == MQ_INT8 ? -128 : 0;
            const int a = (t.type == MQ_INT8 ? (int8_t)t.a[i] : t.a[i]) - t.zero[0];
            const int b = (t.type == MQ_INT8 ? (int8_t)t.b[i] : t.b[i]) - t.zero[1];
            const double sum = a * (double)t.scale[0] + b * (double)t.scale[1];
            const double product = a * (double)t.scale[0] * b * (double)t.scale[1];
            const double want[2] = { rint(sum / (double)t.scale[2] + t.zero[2]),
                                     rint(product / (double)t.scale[2] + t.zero[2]) };

            for (int k = 0; k < 2; k++) {
                const int code = t.type == MQ_INT8 ? (int8_t)got[k][i] : got[k][i];
                assert_int_equal(code, (int)fmin(fmax(want[k], low), low + 255));
            }
            assert_int_equal(got[3][i], t.table[t.a[i]]);
        }
    }
}

/* Rows and columns of every length, each sum by itself. */
static void test_sums(void **state)
{
    int32_t rows[MOST], columns[MOST];
    bench t;

    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        fill(&t, seed);
        const int64_t n = 1 + (int64_t)(seed % 37), m = t.n / n;
        mq_i8_row_sums(t.type, t.a, m, n, rows);
        mq_i8_column_sums(t.type, t.a, m, n, columns);
        for (int64_t r = 0; r < m; r++)
            for (int64_t k = 0; k < n; k++) {
                const int32_t code = t.type == MQ_INT8 ? (int8_t)t.a[r * n + k] : t.a[r * n + k];
                rows[r] -= code;
                columns[k] -= code;
            }
        for (int64_t r = 0; r < m; r++)
            assert_int_equal(rows[r], 0);
        for (int64_t k = 0; k < n; k++)
            assert_int_equal(columns[k], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_instruction_sets),
        cmocka_unit_test(test_definition),
        cmocka_unit_test(test_sums),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
