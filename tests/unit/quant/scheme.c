/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/scheme.c: every scale is usable, and every element has the scale that the definition says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <float.h>
#include <math.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "quant/scheme.h"
#include "rng.h"

static const mq_dtype types[] = { MQ_INT8, MQ_UINT8, MQ_INT4, MQ_UINT4, MQ_INT2, MQ_UINT2, MQ_INT16, MQ_UINT16 };
static const mq_dtype scale_types[] = { MQ_FLOAT, MQ_FLOAT16, MQ_BFLOAT16 };

static void test_integers_used(void **state)
{
    static const struct {
        mq_dtype type;
        bool symmetric, reduce;
        int q_min, q_max, middle;
        bool peak;
    } want[] = {
        { MQ_INT8, true, false, -127, 127, 0, false },    { MQ_INT8, false, false, -128, 127, 0, false },
        { MQ_INT8, true, true, -63, 63, 0, false },       { MQ_INT8, false, true, -64, 63, 0, false },
        { MQ_UINT8, true, false, 1, 255, 128, false },    { MQ_UINT8, false, false, 0, 255, 128, false },
        { MQ_UINT8, true, true, 1, 127, 64, false },      { MQ_INT4, true, false, -8, 7, 0, true },
        { MQ_UINT4, true, false, 0, 15, 8, true },        { MQ_INT2, true, false, -2, 1, 0, true },
        { MQ_UINT2, true, false, 0, 3, 2, true },         { MQ_INT4, false, false, -8, 7, 0, false },
        { MQ_INT16, true, false, -32767, 32767, 0, false }, { MQ_UINT16, false, false, 0, 65535, 32768, false },
    };

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(want); i++) {
        const mq_scheme s = mq_scheme_of(want[i].type, want[i].symmetric, want[i].reduce, MQ_FLOAT);
        assert_int_equal(s.q_min, want[i].q_min);
        assert_int_equal(s.q_max, want[i].q_max);
        assert_int_equal(mq_scheme_middle(&s), want[i].middle);
        assert_int_equal(s.peak, want[i].peak);
        assert_int_equal(mq_scheme_width(&s), mq_dtype_bits(s.type) == 16 ? 2 : 1);
    }
}

/* As the file holds it. */
static float stored(mq_dtype type, float f)
{
    if (type == MQ_FLOAT16)
        return mq_f16_to_f32(mq_f16_from_f32(f));
    return type == MQ_BFLOAT16 ? mq_bf16_to_f32(mq_bf16_from_f32(f)) : f;
}

static double top_of(mq_dtype type)
{
    return type == MQ_FLOAT16 ? 65504 : type == MQ_BFLOAT16 ? 0x1.fep127 : FLT_MAX;
}

/* The value comes back within a step of what the integers can say, half a step where no end is near. */
static void check_value(const mq_scheme *s, float w, float scale, int32_t zp, double slack)
{
    double q = nearbyint((double)w / (double)scale) + zp, back;

    q = q < s->q_min ? s->q_min : q > s->q_max ? s->q_max : q;
    back = (q - zp) * (double)scale;
    if (fabs(back - (double)w) > slack * fabs((double)scale))
        fail_msg("type %s, sym %d, scale type %s: %g comes back as %g with scale %g, zero point %d", mq_dtype_name(s->type),
                 s->symmetric, mq_dtype_name(s->scale_type), (double)w, back, (double)scale, zp);
}

static void check_affine(const mq_scheme *s, float lo, float hi)
{
    const double top = top_of(s->scale_type);
    float scale = NAN, from = lo < 0 ? lo : 0, to = hi > 0 ? hi : 0;
    int32_t zp = 1 << 20;

    mq_scheme_affine(s, lo, hi, &scale, &zp);
    assert_true(isfinite(scale) && scale != 0);
    assert_true(fabsf(scale) >= (s->scale_type == MQ_FLOAT16 ? 0x1p-24f : FLT_MIN));
    assert_true(stored(s->scale_type, scale) == scale);
    assert_true(scale > 0 || s->peak);
    assert_in_range(zp - s->q_min, 0, s->q_max - s->q_min);
    if (s->symmetric)
        assert_int_equal(zp, mq_scheme_middle(s));
    if (from == 0 && to == 0) {
        assert_true(scale == 1);
        return;
    }
    assert_true(fabs((double)(s->q_min - zp) * (double)scale) <= top);
    assert_true(fabs((double)(s->q_max - zp) * (double)scale) <= top);
    /* bfloat16 keeps 8 bits of a scale: as much as half a step in 128 may be missing at the far end; the other end of a
     * peak is a step short */
    if (fabs((double)from) <= top && fabs((double)to) <= top) {
        const double rounding = s->scale_type == MQ_FLOAT ? 1e-6 : s->scale_type == MQ_FLOAT16 ? 0x1p-11 : 0x1p-8;
        const double slack = 1.01 + rounding * (s->q_max - s->q_min);
        check_value(s, from, scale, zp, slack);
        check_value(s, to, scale, zp, slack);
        check_value(s, from / 3, scale, zp, 0.501);
        check_value(s, to / 3, scale, zp, 0.501);
    }
}

static void test_scales_are_usable(void **state)
{
    static const float ends[] = { 0,      FLT_TRUE_MIN, 1e-44f, 0x1p-130f, FLT_MIN, FLT_MIN * 100, 1e-30f, 1e-9f, 6e-8f,
                                  1e-5f, 1e-3f,        0.1f,   1,         127,     1000,          65504, 65505, 1e30f,
                                  FLT_MAX / 2, FLT_MAX };

    (void)state;
    for (size_t t = 0; t < MQ_ARRAY_LEN(types); t++)
        for (size_t k = 0; k < MQ_ARRAY_LEN(scale_types); k++)
            for (int flags = 0; flags < 4; flags++) {
                const mq_scheme s = mq_scheme_of(types[t], flags & 1, flags & 2 && mq_dtype_bits(types[t]) == 8,
                                                 scale_types[k]);
                for (size_t a = 0; a < MQ_ARRAY_LEN(ends); a++)
                    for (size_t b = 0; b < MQ_ARRAY_LEN(ends); b++) {
                        check_affine(&s, -ends[a], ends[b]);
                        if (ends[a] <= ends[b])
                            check_affine(&s, ends[a], ends[b]); /* zero is taken in */
                        else
                            check_affine(&s, -ends[a], -ends[b]);
                    }
            }
}

static void test_known_scales(void **state)
{
    mq_scheme s = mq_scheme_of(MQ_INT8, true, false, MQ_FLOAT);
    float scale;
    int32_t zp;

    (void)state;
    mq_scheme_affine(&s, -127, 3, &scale, &zp);
    assert_true(scale == 1 && zp == 0);
    s = mq_scheme_of(MQ_UINT8, false, false, MQ_FLOAT);
    mq_scheme_affine(&s, -55, 200, &scale, &zp);
    assert_true(scale == 1 && zp == 55);
    s = mq_scheme_of(MQ_UINT16, false, false, MQ_FLOAT);
    mq_scheme_affine(&s, -65535, 0, &scale, &zp);
    assert_true(scale == 1 && zp == 65535);
    s = mq_scheme_of(MQ_INT4, true, false, MQ_FLOAT);
    mq_scheme_affine(&s, -8, 7, &scale, &zp);
    assert_true(scale == 1 && zp == 0);
    mq_scheme_affine(&s, -4, 8, &scale, &zp); /* the value of largest magnitude is the lowest integer */
    assert_true(scale == -1 && zp == 0);
}

/* A naive formula: the coordinates of an element, and the scale that they have. */
static size_t naive_scale(mq_granularity kind, int n_dims, const int64_t *dims, int axis, size_t block, size_t at)
{
    size_t index[8] = { 0 }, scale = 0;

    for (int i = n_dims - 1; i >= 0; i--) {
        index[i] = at % (size_t)dims[i];
        at /= (size_t)dims[i];
    }
    if (kind == MQ_PER_TENSOR)
        return 0;
    if (kind == MQ_PER_CHANNEL)
        return index[axis];
    for (int i = 0; i < n_dims; i++) {
        size_t size = (size_t)dims[i];
        scale = scale * (i == axis ? (size + block - 1) / block : size) + (i == axis ? index[i] / block : index[i]);
    }
    return scale;
}

enum { MOST = 3000 };

static void check_grid(const mq_grid *g, const size_t *want, size_t n)
{
    static size_t seen[MOST];

    for (size_t from = 0; from < n; from++) {
        const mq_line l = mq_grid_line(g, from);
        assert_in_range(l.n, 1, n - from);
        for (size_t i = 0; i < l.n; i++)
            assert_int_equal(want[from + i], l.scale + (l.columns ? i : l.block ? i / l.block : 0));
    }
    for (size_t i = 0; i < n; i++)
        seen[i] = 0;
    for (size_t s = 0; s < g->n_scales; s++) {
        const mq_group group = mq_grid_group(g, s);
        for (size_t k = 0; k < group.n_pieces; k++)
            for (size_t i = 0; i < group.piece; i++) {
                const size_t at = group.from + k * group.stride + i;
                assert_in_range(at, 0, n - 1);
                assert_int_equal(want[at], s);
                seen[at]++;
            }
    }
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(seen[i], 1);
        assert_int_equal(mq_grid_scale_at(g, i), want[i]);
    }
}

/* Of matrices: what is element (i, k) here is (k, i) in the turned grid, with the scale of the same number. */
static void test_turned_grids(void **state)
{
    static size_t turned_of[MOST];

    (void)state;
    for (int axis = 0; axis < 2; axis++)
        for (int64_t rows = 1; rows < 9; rows++)
            for (int64_t columns = 1; columns < 20; columns += 3) {
                const mq_granularity kind = rows % 2 ? MQ_PER_BLOCK : MQ_PER_CHANNEL;
                const mq_grid g = mq_grid_of(kind, 2, (const int64_t[]){ rows, columns }, axis, 4);
                const mq_grid turned = mq_grid_turned(&g);
                const mq_grid want = mq_grid_of(kind, 2, (const int64_t[]){ columns, rows }, 1 - axis, 4);
                assert_true(turned.kind == want.kind && turned.outer == want.outer && turned.inner == want.inner);
                assert_true(turned.n == want.n && turned.block == want.block && turned.n_scales == want.n_scales);
                for (size_t s = 0; s < g.n_scales; s++)
                    turned_of[s] = mq_grid_turned_scale(&g, s);
                for (size_t i = 0; i < (size_t)(rows * columns); i++) {
                    const size_t at = i % (size_t)columns * (size_t)rows + i / (size_t)columns;
                    assert_int_equal(mq_grid_line(&turned, at).scale, turned_of[mq_grid_line(&g, i).scale]);
                }
            }
}

static void test_grids(void **state)
{
    static size_t want[MOST];
    uint64_t rng = 7;

    (void)state;
    for (int round = 0; round < 600; round++) {
        const int n_dims = (int)rng_below(&rng, 5);
        const mq_granularity kind = n_dims ? (mq_granularity)rng_below(&rng, 3) : MQ_PER_TENSOR;
        const int axis = n_dims ? (int)rng_below(&rng, (uint64_t)n_dims) : 0;
        const size_t block = 1 + rng_below(&rng, 9);
        int64_t dims[5];
        size_t n = 1;
        mq_grid g;
        for (int i = 0; i < n_dims; i++) {
            dims[i] = 1 + (int64_t)rng_below(&rng, 7);
            n *= (size_t)dims[i];
        }
        for (size_t i = 0; i < n; i++)
            want[i] = naive_scale(kind, n_dims, dims, axis, block, i);
        g = mq_grid_of(kind, n_dims, dims, axis, block);
        assert_int_equal(g.n_scales, want[n - 1] + 1);
        check_grid(&g, want, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers_used), cmocka_unit_test(test_scales_are_usable),
        cmocka_unit_test(test_known_scales), cmocka_unit_test(test_grids),
        cmocka_unit_test(test_turned_grids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
