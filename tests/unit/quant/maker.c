/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/maker.c: every layout against a plain loop, and the same bytes and sums at any number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_make.h"
#include "quant/quant.h"
#include "rng.h"

/* LLVM's OpenMP keeps records of its threads to the end. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libomp.so";
}

static mq_model *m;

/* A sink that checks that each byte comes once. */
struct memory {
    mq_sink base;
    unsigned char *bytes, *seen;
    uint64_t n;
};

static mq_status memory_write(mq_sink *base, uint64_t offset, const void *data, size_t n, mq_error *err)
{
    struct memory *s = (struct memory *)base;

    (void)err;
    assert_true(offset <= s->n && n <= s->n - offset);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(s->seen[offset + i]++, 0);
    memcpy(s->bytes + offset, data, n);
    return MQ_OK;
}

static struct memory memory_of(uint64_t n)
{
    struct memory s = { { memory_write }, malloc(n + 1), calloc(1, n + 1), n };

    assert_true(s.bytes && s.seen);
    return s;
}

static void memory_release(struct memory *s)
{
    for (uint64_t i = 0; i < s->n; i++)
        assert_int_equal(s->seen[i], 1);
    free(s->bytes);
    free(s->seen);
}

static void item_init(mq_quant_item *it, const char *dims_text, int axis, const float *w)
{
    int64_t dims[8];

    *it = (mq_quant_item){ .axis = axis, .stay_detail = "" };
    it->tensor = mq_tensor_create(m, "w", MQ_FLOAT, make_dims(dims_text, dims), dims, w);
    assert_non_null(it->tensor);
    it->n = mq_tensor_count(it->tensor);
    it->n_channels = axis < 0 ? 1 : dims[axis];
    mq_weight_makers_init(it);
}

static float *random_weights(int64_t n)
{
    float *w = malloc((size_t)n * sizeof *w);
    uint64_t rng = (uint64_t)n;

    assert_non_null(w);
    for (int64_t i = 0; i < n; i++)
        w[i] = rng_float(&rng) * (float)(1 + i % 7);
    return w;
}

static mq_status run(const mq_maker *maker, struct memory *s, int n_threads, mq_error *err)
{
    const mq_hooks hooks = { .n_threads = n_threads };

    return maker->make(maker->user, &s->base, &hooks, err);
}

/* The channel of element i. */
static int64_t channel_of(const mq_quant_item *it, int64_t i)
{
    int64_t inner = 1;

    for (int d = it->axis + 1; d < it->tensor->n_dims; d++)
        inner *= it->tensor->dims[d];
    return it->axis < 0 ? 0 : i / inner % it->n_channels;
}

/* Scales and integers are those of the definition. */
static void check_values(const mq_quant_item *it, const float *w, const float *scales, const int8_t *q)
{
    float *max = calloc((size_t)it->n_channels, sizeof *max);

    assert_non_null(max);
    for (int64_t i = 0; i < it->n; i++)
        if (fabsf(w[i]) > max[channel_of(it, i)])
            max[channel_of(it, i)] = fabsf(w[i]);
    for (int64_t c = 0; c < it->n_channels; c++)
        assert_true(scales[c] == mq_scale_symmetric(max[c], 127));
    for (int64_t i = 0; i < it->n; i++)
        assert_int_equal(q[i], (int)nearbyintf(w[i] / scales[channel_of(it, i)]));
    free(max);
}

static void check_layout(const char *dims, int axis, int64_t n)
{
    static const int threads[] = { 1, 2, 3, 7 };
    float *w = random_weights(n);
    struct memory q1, s1;
    mq_quant_item first;

    item_init(&first, dims, axis, w);
    q1 = memory_of(first.make_q.n_bytes);
    s1 = memory_of(first.make_scale.n_bytes);
    assert_int_equal(first.n, n);
    assert_int_equal(run(&first.make_q, &q1, 1, NULL), MQ_OK);
    assert_int_equal(run(&first.make_scale, &s1, 1, NULL), MQ_OK);
    check_values(&first, w, (const float *)s1.bytes, (const int8_t *)q1.bytes);
    assert_true(first.measured);
    for (size_t t = 1; t < MQ_ARRAY_LEN(threads); t++) {
        struct memory q = memory_of(first.make_q.n_bytes), s = memory_of(first.make_scale.n_bytes);
        mq_quant_item it;
        item_init(&it, dims, axis, w);
        assert_int_equal(run(&it.make_scale, &s, threads[t], NULL), MQ_OK); /* the scales first, as in a data file */
        assert_int_equal(run(&it.make_q, &q, threads[t], NULL), MQ_OK);
        assert_memory_equal(q.bytes, q1.bytes, q.n);
        assert_memory_equal(s.bytes, s1.bytes, s.n);
        assert_memory_equal(&it.signal, &first.signal, sizeof it.signal);
        assert_memory_equal(&it.error, &first.error, sizeof it.error);
        assert_true(it.max_error == first.max_error);
        memory_release(&q);
        memory_release(&s);
        free(it.scales);
    }
    memory_release(&q1);
    memory_release(&s1);
    free(first.scales);
    free(w);
}

static int setup(void **state)
{
    (void)state;
    m = make_model(17);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mq_model_free(m);
    return 0;
}

static void test_layouts(void **state)
{
    (void)state;
    check_layout("16,8,3,3", 0, 16 * 72); /* Conv */
    check_layout("30,50", 1, 1500);       /* MatMul: columns */
    check_layout("30,50", 0, 1500);       /* Gemm transB */
    check_layout("3,20,7", 2, 420);       /* MatMul of rank 3 */
    check_layout("3,20,7", 1, 420);       /* the left one of rank 3 */
    check_layout("77", -1, 77);
    check_layout("5,7", -1, 35);
    check_layout("", -1, 1);
    check_layout("7,1", 0, 7);
    check_layout("1,9", 1, 9);
}

/* Several blocks of 65536 values and several windows of 64 blocks; rows and channels end inside blocks. */
static void test_large_layouts(void **state)
{
    (void)state;
    check_layout("1500,1001", 1, 1500 * 1001);
    check_layout("1001,1500", 0, 1500 * 1001);
    check_layout("7,50000", 0, 350000);
    check_layout("3,70001", 1, 210003); /* a run longer than a block */
    check_layout("2200,2000", -1, 4400000);
    check_layout("65536,2", 0, 131072);
}

static void test_not_finite(void **state)
{
    float w[12] = { 1, NAN, -2, INFINITY, 0, 0, 0, 0, -INFINITY, NAN, NAN, INFINITY };
    struct memory q = memory_of(12), s = memory_of(12);
    mq_quant_item it;
    static const int8_t want[12] = { 64, 0, -127, 127, 0, 0, 0, 0, -127, 0, 0, 127 };
    const float *scales = (const float *)s.bytes;

    (void)state;
    item_init(&it, "3,4", 0, w);
    assert_int_equal(run(&it.make_q, &q, 2, NULL), MQ_OK);
    assert_int_equal(run(&it.make_scale, &s, 2, NULL), MQ_OK);
    assert_memory_equal(q.bytes, want, sizeof want);
    assert_true(scales[0] == 2.0f / 127 && scales[1] == 1 && scales[2] == 1);
    assert_int_equal(it.n_nan, 3);
    assert_int_equal(it.n_inf, 3);
    assert_int_equal(it.n_zero_channels, 2);
    assert_true(isfinite(it.signal) && isfinite(it.error));
    memory_release(&q);
    q = memory_of(12);
    assert_int_equal(run(&it.make_q, &q, 2, NULL), MQ_OK); /* once more, for a second file: counted anew */
    assert_int_equal(it.n_nan, 3);
    assert_int_equal(it.n_zero_channels, 2);
    memory_release(&q);
    memory_release(&s);
    free(it.scales);
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

static void test_failures_are_passed_on(void **state)
{
    float *w = random_weights(200000);
    mq_quant_item it;
    mq_sink sink = { failing_write };
    const mq_hooks hooks = { .n_threads = 3 }, cancel = { .n_threads = 2, .cancelled = yes };
    mq_error err = { 0 };

    (void)state;
    item_init(&it, "200,1000", 0, w);
    assert_int_equal(it.make_q.make(&it, &sink, &hooks, &err), MQ_ERR_SYSTEM);
    assert_string_equal(err.text, "the disk is full");
    assert_int_equal(it.make_q.make(&it, &sink, &hooks, NULL), MQ_ERR_SYSTEM);
    assert_int_equal(it.make_q.make(&it, &sink, &cancel, &err), MQ_ERR_CANCELLED);
    it.tensor->n_bytes--;
    assert_int_equal(it.make_q.make(&it, &sink, &hooks, &err), MQ_ERR_INPUT);
    free(it.scales);
    free(w);
}

struct progress {
    uint64_t last, total;
};

static void note(void *user, const char *step, uint64_t done, uint64_t total)
{
    struct progress *p = user;

    assert_string_equal(step, "quantizing");
    assert_true(done >= p->last && done <= total);
    *p = (struct progress){ done, total };
}

static void test_progress(void **state)
{
    float *w = random_weights(200000);
    struct memory q = memory_of(200000);
    mq_quant_item it;
    struct progress p = { 0, 0 };
    const mq_hooks hooks = { .user = &p, .progress = note };

    (void)state;
    item_init(&it, "200,1000", 0, w);
    assert_int_equal(it.make_q.make(&it, &q.base, &hooks, NULL), MQ_OK);
    assert_int_equal(p.last, p.total);
    assert_int_equal(p.total, 2 * 800000);
    memory_release(&q);
    free(it.scales);
    free(w);
}

#define ON_MODEL(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(test_layouts),                ON_MODEL(test_large_layouts), ON_MODEL(test_not_finite),
        ON_MODEL(test_failures_are_passed_on), ON_MODEL(test_progress),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
