/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/weight.c: every layout against a plain loop, and the same bytes and sums at any number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "quant_make.h"
#include "rng.h"

/* LLVM's OpenMP keeps records of its threads to the end. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libomp.so";
}

static float *random_weights(size_t n)
{
    float *w = malloc(n * sizeof *w + 1);
    uint64_t rng = n;

    assert_non_null(w);
    for (size_t i = 0; i < n; i++)
        w[i] = rng_float(&rng) * (float)(1 + i % 7) + 0.25f;
    return w;
}

/* A case: the tensor's shape, whether it is seen transposed, and the grid of the view. */
struct layout {
    const char *dims;
    bool turned;
    mq_granularity kind;
    int axis;
    size_t block;
    mq_packing packing;
};

static void weight_init(mq_weight *w, const struct layout *l, const mq_scheme *s, const mq_fit *fit, const float *data)
{
    static const int64_t swap[2] = { 1, 0 };
    int64_t dims[8];
    int n_dims = make_dims(l->dims, dims);
    mq_tensor *t = mq_tensor_create(m, "w", MQ_FLOAT, n_dims, dims, NULL);

    *w = (mq_weight){ .scheme = *s, .fit = *fit, .packing = l->packing };
    assert_non_null(t);
    t->data = data;
    t->n_bytes = (size_t)mq_tensor_size(t);
    assert_true(mq_source_init(&w->source, t));
    if (l->turned)
        mq_source_transpose(&w->source, swap);
    w->grid = mq_grid_of(l->kind, n_dims, w->source.dims, l->axis, l->block);
    mq_weight_init_makers(w);
}

static int unpack(const mq_scheme *s, const uint8_t *bytes, size_t i)
{
    int64_t v;

    mq_dtype_to_i64(s->type, bytes, i, 1, &v);
    return (int)v;
}

/* The view in one piece; to be freed. */
static float *view_of(const mq_weight *w)
{
    const void *bytes;
    float *all = malloc((size_t)w->source.n * sizeof *all + 1);

    assert_non_null(all);
    assert_int_equal(mq_tensor_bytes(w->source.tensor, &bytes, NULL), MQ_OK);
    for (size_t i = 0; i < (size_t)w->source.n; i++)
        all[i] = *mq_source_read(&w->source, bytes, i, 1, &all[i]);
    return all;
}

/* Scales of plain rounding, and all integers, are those of the definition; bytes too. */
static void check_values(const mq_weight *w, const uint8_t *q, const uint8_t *scales, const uint8_t *zps)
{
    const mq_scheme *s = &w->scheme;
    const bool nbits = w->packing == MQ_PACK_NBITS;
    const int bits = mq_dtype_bits(s->type);
    const size_t per_row = w->grid.n_blocks, row_bytes = (per_row * (size_t)bits + 7) / 8;
    const size_t k = w->grid.n, padded = w->grid.n_blocks * w->grid.block;
    float *view = view_of(w);

    for (size_t i = 0; i < w->grid.n_scales; i++) {
        const mq_group group = mq_grid_group(&w->grid, i);
        float lo = 0, hi = 0, scale, got;
        int32_t zp;
        for (size_t p = 0; p < group.n_pieces; p++)
            for (size_t e = 0; e < group.piece; e++) {
                const float x = view[group.from + p * group.stride + e];
                lo = x < lo ? x : lo;
                hi = x > hi ? x : hi;
            }
        mq_scheme_affine(s, lo, hi, &scale, &zp);
        mq_dtype_to_f32(s->scale_type, scales, i, 1, &got);
        assert_true(w->fit.kind != MQ_FIT_MINMAX || got == scale);
        assert_true(got == w->scales[i]);
        assert_int_equal(nbits ? unpack(s, zps + i / per_row * row_bytes, i % per_row) : unpack(s, zps, i),
                         w->fit.kind != MQ_FIT_MINMAX ? w->zero_points[i] : zp);
        for (size_t p = 0; p < group.n_pieces; p++)
            for (size_t e = 0; e < group.piece; e++) {
                const size_t at = group.from + p * group.stride + e;
                int v = (int)nearbyintf(view[at] / got) + w->zero_points[i];
                v = v < s->q_min ? s->q_min : v > s->q_max ? s->q_max : v;
                assert_int_equal(unpack(s, q, nbits ? at / k * padded + at % k : at), v);
            }
    }
    for (size_t row = 0; nbits && row < w->grid.outer; row++) /* what fills the last block stands for 0 */
        for (size_t i = k; i < padded; i++)
            assert_int_equal(unpack(s, q, row * padded + i), w->zero_points[row * per_row + per_row - 1]);
    free(view);
}

static void check_layout(const struct layout *l, const mq_scheme *s, const mq_fit *fit)
{
    static const int threads[] = { 1, 2, 3, 7 };
    unsigned char *first[3] = { NULL };
    mq_quant_sums sums = { 0 };
    int64_t dims[8];
    size_t n = 1;
    float *data;

    for (int i = make_dims(l->dims, dims); i-- > 0;)
        n *= (size_t)dims[i];
    data = random_weights(n);
    for (size_t t = 0; t < MQ_ARRAY_LEN(threads); t++) {
        unsigned char *got[3];
        mq_weight w;
        weight_init(&w, l, s, fit, data);
        got[1] = t % 2 ? quant_made(&w.make_scales, threads[t]) : NULL; /* the scales first, as in a data file */
        got[0] = quant_made(&w.make_integers, threads[t]);
        got[1] = got[1] ? got[1] : quant_made(&w.make_scales, threads[t]);
        got[2] = quant_made(&w.make_zero_points, threads[t]);
        assert_true(w.measured && mq_weight_sqnr(&w) > 3);
        if (t == 0) {
            memcpy(first, got, sizeof first);
            memcpy(&sums, &w.sums, sizeof sums);
            check_values(&w, got[0], got[1], got[2]);
        } else {
            assert_memory_equal(got[0], first[0], w.make_integers.n_bytes);
            assert_memory_equal(got[1], first[1], w.make_scales.n_bytes);
            assert_memory_equal(got[2], first[2], w.make_zero_points.n_bytes);
            assert_memory_equal(&w.sums, &sums, sizeof sums);
            for (int i = 0; i < 3; i++)
                free(got[i]);
        }
        mq_weight_release(&w);
    }
    for (int i = 0; i < 3; i++)
        free(first[i]);
    free(data);
}

static const mq_fit minmax = { .kind = MQ_FIT_MINMAX };

static void test_layouts(void **state)
{
    static const struct layout layouts[] = {
        { "16,8,3,3", false, MQ_PER_CHANNEL, 0, 0, MQ_PACK_PLAIN }, /* Conv */
        { "30,51", false, MQ_PER_CHANNEL, 1, 0, MQ_PACK_PLAIN },    /* MatMul: columns */
        { "30,51", true, MQ_PER_CHANNEL, 0, 0, MQ_PACK_PLAIN },
        { "3,20,7", false, MQ_PER_CHANNEL, 2, 0, MQ_PACK_PLAIN },
        { "3,20,7", false, MQ_PER_CHANNEL, 1, 0, MQ_PACK_PLAIN },
        { "77", false, MQ_PER_TENSOR, -1, 0, MQ_PACK_PLAIN },
        { "5,7", true, MQ_PER_TENSOR, -1, 0, MQ_PACK_PLAIN },
        { "", false, MQ_PER_TENSOR, -1, 0, MQ_PACK_PLAIN },
        { "7,1", false, MQ_PER_CHANNEL, 0, 0, MQ_PACK_PLAIN },
        { "64,33", false, MQ_PER_BLOCK, 0, 16, MQ_PACK_PLAIN },
        { "70,33", false, MQ_PER_BLOCK, 0, 32, MQ_PACK_PLAIN }, /* the last block is shorter */
        { "70,33", false, MQ_PER_BLOCK, 1, 16, MQ_PACK_PLAIN },
        { "70,33", true, MQ_PER_BLOCK, 0, 16, MQ_PACK_PLAIN },
        { "4,50,3,3", false, MQ_PER_BLOCK, 1, 16, MQ_PACK_PLAIN },
        { "64,33", true, MQ_PER_BLOCK, 1, 16, MQ_PACK_NBITS },
        { "70,33", true, MQ_PER_BLOCK, 1, 32, MQ_PACK_NBITS }, /* K is not a multiple of the block */
        { "70,33", true, MQ_PER_BLOCK, 1, 16, MQ_PACK_NBITS }, /* an odd number of blocks */
        { "19,100", false, MQ_PER_BLOCK, 1, 32, MQ_PACK_NBITS },
    };
    static const mq_dtype types[] = { MQ_INT8, MQ_UINT8, MQ_INT4, MQ_UINT4, MQ_INT2, MQ_UINT2, MQ_INT16, MQ_UINT16 };
    static const mq_dtype scale_types[] = { MQ_FLOAT, MQ_FLOAT16, MQ_BFLOAT16 };

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(layouts); i++)
        for (size_t t = 0; t < 2 * MQ_ARRAY_LEN(types); t++) {
            const mq_scheme s = mq_scheme_of(types[t / 2], t % 2, false, scale_types[(i + t) % 3]);
            const mq_fit fits[] = { minmax, { .kind = MQ_FIT_MSE }, { .kind = MQ_FIT_HQQ },
                                    { .kind = MQ_FIT_STDDEV, .k = 3 } };
            if (layouts[i].packing == MQ_PACK_NBITS && (mq_dtype_bits(s.type) == 16 || mq_dtype_is_signed(s.type)))
                continue;
            check_layout(&layouts[i], &s, &fits[0]);
            check_layout(&layouts[i], &s, &fits[1 + t % 3]);
        }
}

/* Several steps of 65536 values and several windows; rows and channels end inside steps. */
static void test_large_layouts(void **state)
{
    static const struct layout layouts[] = {
        { "1500,1001", false, MQ_PER_CHANNEL, 1, 0, MQ_PACK_PLAIN },
        { "1001,1500", false, MQ_PER_BLOCK, 0, 32, MQ_PACK_PLAIN },
        { "1001,150", true, MQ_PER_BLOCK, 1, 32, MQ_PACK_NBITS },
        { "7,50000", false, MQ_PER_CHANNEL, 0, 0, MQ_PACK_PLAIN },
        { "3,70001", false, MQ_PER_CHANNEL, 1, 0, MQ_PACK_PLAIN }, /* a run longer than a step */
        { "65536,2", false, MQ_PER_CHANNEL, 0, 0, MQ_PACK_PLAIN },
    };

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(layouts); i++) {
        const mq_scheme s = mq_scheme_of(i % 2 ? MQ_INT4 : MQ_UINT4, i == 0, false, MQ_FLOAT);
        check_layout(&layouts[i], &s, &minmax);
    }
}

static void test_not_finite(void **state)
{
    static const float data[12] = { 1, NAN, -2, INFINITY, 0, 0, 0, 0, -INFINITY, NAN, NAN, INFINITY };
    static const int8_t want[12] = { 64, 0, -127, 127, 0, 0, 0, 0, -127, 0, 0, 127 };
    const struct layout l = { "3,4", false, MQ_PER_CHANNEL, 0, 0, MQ_PACK_PLAIN };
    const mq_scheme s = mq_scheme_of(MQ_INT8, true, false, MQ_FLOAT);
    unsigned char *q, *scales;
    mq_weight w;

    (void)state;
    weight_init(&w, &l, &s, &minmax, data);
    q = quant_made(&w.make_integers, 2);
    scales = quant_made(&w.make_scales, 2);
    assert_memory_equal(q, want, sizeof want);
    assert_true(w.scales[0] == 2.0f / 127 && w.scales[1] == 1 && w.scales[2] == 1);
    assert_int_equal(w.bad.n_nan, 3);
    assert_int_equal(w.bad.n_inf, 3);
    assert_int_equal(w.n_zero_groups, 2);
    assert_true(isfinite(w.sums.signal) && isfinite(w.sums.error));
    free(q);
    q = quant_made(&w.make_integers, 2); /* once more, for a second file: counted anew */
    assert_int_equal(w.bad.n_nan, 3);
    assert_int_equal(w.n_zero_groups, 2);
    free(q);
    free(scales);
    mq_weight_release(&w);
}

/* The fits do not see what is not finite. */
static void test_fit_without_nonfinite(void **state)
{
    float data[64], clean[64];
    const struct layout l = { "64,1", false, MQ_PER_BLOCK, 0, 32, MQ_PACK_PLAIN };
    const mq_scheme s = mq_scheme_of(MQ_INT4, false, false, MQ_FLOAT);
    const mq_fit mse = { .kind = MQ_FIT_MSE };
    uint64_t rng = 8;
    mq_weight a, b;

    (void)state;
    for (int i = 0; i < 64; i++) {
        data[i] = i % 10 == 3 ? NAN : i % 10 == 5 ? INFINITY : rng_float(&rng);
        clean[i] = isfinite(data[i]) ? data[i] : 0;
    }
    weight_init(&a, &l, &s, &mse, data);
    weight_init(&b, &l, &s, &mse, clean);
    assert_int_equal(mq_weight_find_params(&a, NULL, NULL), MQ_OK);
    assert_int_equal(mq_weight_find_params(&b, NULL, NULL), MQ_OK);
    assert_memory_equal(a.scales, b.scales, 2 * sizeof *a.scales);
    assert_memory_equal(a.zero_points, b.zero_points, 2 * sizeof *a.zero_points);
    mq_weight_release(&a);
    mq_weight_release(&b);
}

static mq_status failing_write(mq_sink *base, uint64_t offset, const void *data, size_t n, mq_error *err)
{
    (void)base;
    (void)offset;
    (void)data;
    (void)n;
    return mq_fail(err, MQ_ERR_SYSTEM, "the disk is full");
}

static bool yes(void *user)
{
    (void)user;
    return true;
}

static void check_failures(const struct layout *l, const float *data)
{
    const mq_scheme s = mq_scheme_of(MQ_UINT4, false, false, MQ_FLOAT);
    const mq_fit mse = { .kind = MQ_FIT_MSE };
    const mq_hooks hooks = { .n_threads = 3 }, cancel = { .n_threads = 2, .cancelled = yes };
    mq_sink sink = { failing_write };
    mq_error err = { 0 };
    mq_weight w;

    weight_init(&w, l, &s, &mse, data);
    assert_int_equal(w.make_integers.make(&w, &sink, &cancel, &err), MQ_ERR_CANCELLED);
    assert_null(w.scales);
    assert_int_equal(w.make_integers.make(&w, &sink, &hooks, &err), MQ_ERR_SYSTEM);
    assert_string_equal(err.text, "the disk is full");
    assert_int_equal(w.make_integers.make(&w, &sink, &hooks, NULL), MQ_ERR_SYSTEM);
    assert_int_equal(w.make_scales.make(&w, &sink, &hooks, NULL), MQ_ERR_SYSTEM);
    assert_int_equal(w.make_zero_points.make(&w, &sink, &hooks, NULL), MQ_ERR_SYSTEM);
    w.source.tensor->n_bytes--;
    assert_int_equal(w.make_integers.make(&w, &sink, &hooks, &err), MQ_ERR_INPUT);
    mq_weight_release(&w);
}

static void test_failures_are_passed_on(void **state)
{
    const struct layout plain = { "200,1000", false, MQ_PER_BLOCK, 0, 32, MQ_PACK_PLAIN };
    const struct layout nbits = { "200,1000", true, MQ_PER_BLOCK, 1, 32, MQ_PACK_NBITS };
    float *data = random_weights(200000);

    (void)state;
    check_failures(&plain, data);
    check_failures(&nbits, data);
    free(data);
}

struct progress {
    char step[20];
    uint64_t last, total;
};

static void note(void *user, const char *step, uint64_t done, uint64_t total)
{
    struct progress *p = user;

    assert_true(done <= total && (strcmp(step, p->step) != 0 || done >= p->last));
    snprintf(p->step, sizeof p->step, "%s", step);
    p->last = done;
    p->total = total;
}

static void test_progress(void **state)
{
    const struct layout l = { "200,1000", false, MQ_PER_CHANNEL, 0, 0, MQ_PACK_PLAIN };
    const mq_scheme s = mq_scheme_of(MQ_INT8, true, false, MQ_FLOAT);
    float *data = random_weights(200000);
    struct progress p = { "", 0, 0 };
    const mq_hooks hooks = { .user = &p, .progress = note };
    struct quant_memory sink = { { quant_memory_write }, calloc(1, 200000), calloc(1, 200000), 200000 };
    mq_weight w;

    (void)state;
    weight_init(&w, &l, &s, &minmax, data);
    assert_int_equal(w.make_integers.make(&w, &sink.base, &hooks, NULL), MQ_OK);
    assert_string_equal(p.step, "quantizing");
    assert_int_equal(p.last, p.total);
    free(sink.bytes);
    free(sink.seen);
    mq_weight_release(&w);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(test_layouts),
        ON_MODEL(test_large_layouts),
        ON_MODEL(test_not_finite),
        ON_MODEL(test_fit_without_nonfinite),
        ON_MODEL(test_failures_are_passed_on),
        ON_MODEL(test_progress),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
