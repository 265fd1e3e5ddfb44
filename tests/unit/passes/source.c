/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/passes/source.c: views against plain index arithmetic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_make.h"
#include "passes/source.h"
#include "rng.h"

enum { MOST = 5000 };

static mq_model *m;

static int setup(void **state)
{
    (void)state;
    m = make_model(21);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mq_model_free(m);
    return 0;
}

/* What the view should show, kept as a whole. */
struct naive {
    float w[MOST];
    int64_t dims[8];
    int n_dims;
    size_t n;
};

static void naive_transpose(struct naive *v, const int64_t *perm)
{
    static float old[MOST];
    int64_t dims[8], strides[8];

    memcpy(old, v->w, sizeof old);
    for (int64_t i = v->n_dims - 1, stride = 1; i >= 0; i--) {
        strides[i] = stride;
        stride *= v->dims[i];
    }
    memcpy(dims, v->dims, sizeof dims);
    for (int i = 0; i < v->n_dims; i++)
        v->dims[i] = dims[perm[i]];
    for (size_t at = 0; at < v->n; at++) {
        size_t left = at, from = 0;
        for (int i = v->n_dims - 1; i >= 0; i--) {
            from += left % (size_t)v->dims[i] * (size_t)strides[perm[i]];
            left /= (size_t)v->dims[i];
        }
        v->w[at] = old[from];
    }
}

static void check_reads(const mq_source *s, const struct naive *want, uint64_t *rng)
{
    static float room[MOST + 1];
    const void *bytes;

    assert_int_equal(s->n_dims, want->n_dims);
    assert_memory_equal(s->dims, want->dims, (size_t)want->n_dims * sizeof *want->dims);
    assert_int_equal(s->n, want->n);
    assert_int_equal(mq_tensor_bytes(s->tensor, &bytes, NULL), MQ_OK);
    for (int k = 0; k < 12; k++) {
        const size_t from = k ? rng_below(rng, want->n) : 0, n = k ? 1 + rng_below(rng, want->n - from) : want->n;
        const mq_unaligned_f32 *got;
        room[n] = 77;
        got = mq_source_read(s, bytes, from, n, room);
        assert_memory_equal(got, want->w + from, n * sizeof(float));
        assert_true(room[n] == 77);
    }
}

static mq_tensor *random_tensor(mq_dtype dtype, struct naive *v, uint64_t *rng)
{
    static unsigned char packed[8 * MOST];

    v->n_dims = (int)rng_below(rng, 5);
    v->n = 1;
    for (int i = 0; i < v->n_dims; i++) {
        v->dims[i] = 1 + (int64_t)rng_below(rng, rng_below(rng, 4) ? 5 : 40);
        if (v->n * (size_t)v->dims[i] > MOST)
            v->dims[i] = 1;
        v->n *= (size_t)v->dims[i];
    }
    for (size_t i = 0; i < v->n; i++) {
        const float f = rng_float(rng);
        const double d = (double)f;
        const uint16_t half = dtype == MQ_FLOAT16 ? mq_f16_from_f32(f) : mq_bf16_from_f32(f);
        if (dtype == MQ_FLOAT)
            memcpy(packed + 4 * i, &f, 4);
        else if (dtype == MQ_DOUBLE)
            memcpy(packed + 8 * i, &d, 8);
        else
            memcpy(packed + 2 * i, &half, 2);
        v->w[i] = mq_dtype_bits(dtype) >= 32 ? f : dtype == MQ_FLOAT16 ? mq_f16_to_f32(half) : mq_bf16_to_f32(half);
    }
    return mq_tensor_create(m, "w", dtype, v->n_dims, v->dims, packed);
}

static void shuffle(int64_t *perm, int n, uint64_t *rng)
{
    for (int i = 0; i < n; i++)
        perm[i] = i;
    for (int i = n - 1; i > 0; i--) {
        const int k = (int)rng_below(rng, (uint64_t)i + 1);
        const int64_t t = perm[i];
        perm[i] = perm[k];
        perm[k] = t;
    }
}

/* Chains of shapes and transpositions. A reshape of a view that is not plain is refused and changes nothing. */
static void test_views(void **state)
{
    static const mq_dtype types[] = { MQ_FLOAT, MQ_FLOAT16, MQ_BFLOAT16, MQ_DOUBLE };
    static struct naive v;
    uint64_t rng = 1;
    int refused = 0;

    (void)state;
    for (int round = 0; round < 800; round++) {
        mq_source s;
        int64_t perm[8];
        assert_true(mq_source_init(&s, random_tensor(types[round % 4], &v, &rng)));
        assert_true(mq_source_is_plain(&s));
        check_reads(&s, &v, &rng);
        for (int step = 0; step < 3; step++) {
            if (rng_below(&rng, 3)) {
                shuffle(perm, v.n_dims, &rng);
                mq_source_transpose(&s, perm);
                naive_transpose(&v, perm);
            } else {
                const int64_t dims[3] = { 1, (int64_t)v.n, 1 };
                const bool plain = mq_source_is_plain(&s);
                assert_int_equal(mq_source_reshape(&s, 3, dims), plain);
                if (plain) {
                    v.n_dims = 3;
                    memcpy(v.dims, dims, sizeof dims);
                }
                refused += !plain;
            }
            check_reads(&s, &v, &rng);
        }
    }
    assert_true(refused > 10);
}

/* A wide matrix, so that tiles of several rows and pieces of rows are read. */
static void test_large_matrix(void **state)
{
    static struct naive v;
    static const int64_t dims[2] = { 33, 150 }, swap[2] = { 1, 0 };
    uint64_t rng = 2;
    mq_source s;

    (void)state;
    v = (struct naive){ .n_dims = 2, .dims = { 33, 150 }, .n = 33 * 150 };
    for (size_t i = 0; i < v.n; i++)
        v.w[i] = rng_float(&rng);
    assert_true(mq_source_init(&s, mq_tensor_create(m, "w", MQ_FLOAT, 2, dims, v.w)));
    mq_source_transpose(&s, swap);
    naive_transpose(&v, swap);
    for (int i = 0; i < 50; i++)
        check_reads(&s, &v, &rng);
}

static void test_turned(void **state)
{
    static const int64_t dims[3] = { 5, 7, 1 }, swap[2] = { 1, 0 }, perm[3] = { 1, 0, 2 };
    static const float zeros[35];
    mq_source s, stored;

    (void)state;
    assert_true(mq_source_init(&s, mq_tensor_create(m, "w", MQ_FLOAT, 2, dims, zeros)));
    assert_false(mq_source_is_turned(&s, &stored));
    mq_source_transpose(&s, swap);
    assert_true(mq_source_is_turned(&s, &stored));
    assert_true(mq_source_is_plain(&stored) && stored.dims[0] == 5 && stored.dims[1] == 7 && stored.n == 35);
    assert_true(mq_source_init(&s, mq_tensor_create(m, "w", MQ_FLOAT, 3, dims, zeros)));
    mq_source_transpose(&s, perm);
    assert_false(mq_source_is_turned(&s, &stored)); /* no matrix */
}

static void test_refused(void **state)
{
    static const int64_t nine[9] = { 1, 1, 1, 1, 1, 1, 1, 1, 1 }, negative[1] = { -1 };
    static const char zeros[8];
    mq_source s;

    (void)state;
    assert_false(mq_source_init(&s, mq_tensor_create(m, "i", MQ_INT32, 1, nine, zeros)));
    assert_false(mq_source_init(&s, mq_tensor_create(m, "i", MQ_FLOAT, 9, nine, zeros)));
    assert_false(mq_source_init(&s, mq_tensor_create(m, "i", MQ_FLOAT, 1, negative, NULL)));
    assert_true(mq_source_init(&s, mq_tensor_create(m, "i", MQ_FLOAT, 1, nine, zeros)));
    assert_false(mq_source_reshape(&s, 9, nine));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_views), cmocka_unit_test(test_large_matrix), cmocka_unit_test(test_turned),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
