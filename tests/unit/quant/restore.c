/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/restore.c: what comes back is the nearest number that the integers of each scale can stand for. */
#include "quant/restore.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "quant_make.h"
#include "rng.h"

enum { ROWS = 6, COLS = 40 };

/* The scale that element i of the view has. */
static size_t scale_of(const mq_grid *grid, size_t i)
{
    for (size_t s = 0; s < grid->n_scales; s++) {
        const mq_group group = mq_grid_group(grid, s);

        for (size_t p = 0; p < group.n_pieces; p++)
            if (i >= group.from + p * group.stride && i < group.from + p * group.stride + group.piece)
                return s;
    }
    fail();
    return 0;
}

static void check(mq_dtype type, bool symmetric, mq_granularity kind, int axis, size_t block, bool turned)
{
    static const int64_t dims[] = { ROWS, COLS }, swap[] = { 1, 0 };
    static float data[ROWS * COLS];
    float out[ROWS * COLS], x;
    mq_weight w = { .scheme = mq_scheme_of(type, symmetric, false, MQ_FLOAT), .packing = MQ_PACK_PLAIN };
    uint64_t seed = 3;
    const void *bytes;

    for (size_t i = 0; i < ROWS * COLS; i++)
        data[i] = rng_float(&seed) * (float)(1 + i % 5) + 0.1f;
    assert_true(mq_source_init(&w.source, mq_tensor_create(m, "w", MQ_FLOAT, 2, dims, data)));
    if (turned)
        mq_source_transpose(&w.source, swap);
    w.grid = mq_grid_of(kind, 2, w.source.dims, axis, block);
    assert_int_equal(mq_weight_restore(&w, out, NULL, NULL), MQ_OK);
    assert_int_equal(mq_tensor_bytes(w.source.tensor, &bytes, NULL), MQ_OK);
    for (size_t i = 0; i < ROWS * COLS; i++) {
        const size_t s = scale_of(&w.grid, i);
        const float want = *mq_source_read(&w.source, bytes, i, 1, &x), step = fabsf(w.scales[s]);
        const float q = out[i] / w.scales[s] + (float)w.zero_points[s];

        assert_true(fabsf(q - rintf(q)) < 0.01f && q > (float)w.scheme.q_min - 0.01f && q < (float)w.scheme.q_max + 0.01f);
        assert_true(fabsf(out[i] - want) <= step * 0.501f || rintf(q) == (float)w.scheme.q_min ||
                    rintf(q) == (float)w.scheme.q_max);
        assert_true(fabsf(out[i] - want) <= step);
    }
    mq_weight_release(&w);
}

static void types_and_grids(void **state)
{
    static const mq_dtype types[] = { MQ_INT8, MQ_UINT8, MQ_INT4, MQ_UINT4, MQ_INT16, MQ_UINT16, MQ_INT2 };

    (void)state;
    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
        for (int turned = 0; turned < 2; turned++) {
            check(types[t], true, MQ_PER_TENSOR, -1, 0, turned);
            check(types[t], false, MQ_PER_CHANNEL, 0, 0, turned);
            check(types[t], true, MQ_PER_CHANNEL, 1, 0, turned);
            check(types[t], false, MQ_PER_BLOCK, 1, 16, turned);
            check(types[t], true, MQ_PER_BLOCK, 0, 16, turned);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = { ON_MODEL(types_and_grids) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
