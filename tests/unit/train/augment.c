/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Augmentation: what flips and crops make of known pixels, in both layouts; nothing depends on the batch or threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "train/augment.h"

enum { N = 64, H = 5, W = 6, C = 3 };

/* Pixel values say where they come from; none is 0. */
static float pixel(int64_t n, int64_t c, int64_t y, int64_t x)
{
    return (float)(1 + ((n * C + c) * H + y) * W + x);
}

static mq_array *images(bool last)
{
    const int64_t first_dims[] = { N, C, H, W }, last_dims[] = { N, H, W, C };
    mq_array *a;
    float *p;

    assert_int_equal(mq_array_create(&a, MQ_FLOAT, 4, last ? last_dims : first_dims, NULL), MQ_OK);
    p = a->data;
    for (int64_t n = 0; n < N; n++)
        for (int64_t c = 0; c < C; c++)
            for (int64_t y = 0; y < H; y++)
                for (int64_t x = 0; x < W; x++)
                    p[last ? ((n * H + y) * W + x) * C + c : ((n * C + c) * H + y) * W + x] = pixel(n, c, y, x);
    return a;
}

static mq_array *augmented(const char *how, bool last, const uint64_t *samples, uint64_t epoch, int threads)
{
    mq_array *a = images(last);
    mq_augment g;

    assert_int_equal(mq_augment_parse(&g, how, NULL), MQ_OK);
    assert_int_equal(mq_augment_batch(&g, a, samples, 7, epoch, threads, NULL), MQ_OK);
    return a;
}

/* Is image n of a the original moved by dy, dx and perhaps flipped? */
static bool is_moved(const float *p, int64_t n, int64_t dy, int64_t dx, bool flip)
{
    for (int64_t c = 0; c < C; c++)
        for (int64_t y = 0; y < H; y++)
            for (int64_t x = 0; x < W; x++) {
                const int64_t fy = y + dy, fx = (flip ? W - 1 - x : x) + dx;
                const float want = fy < 0 || fy >= H || fx < 0 || fx >= W ? 0 : pixel(n, c, fy, fx);

                if (p[((n * C + c) * H + y) * W + x] != want)
                    return false;
            }
    return true;
}

static void flips_and_crops(void **state)
{
    uint64_t samples[N];
    size_t flipped = 0, seen[3][3] = { { 0 } };
    mq_array *a;

    (void)state;
    for (uint64_t i = 0; i < N; i++)
        samples[i] = 1000 + i;
    a = augmented("crop=1,flip", false, samples, 0, 1);
    for (int64_t n = 0; n < N; n++) {
        bool found = false;

        for (int k = 0; k < 18 && !found; k++) {
            if ((found = is_moved(a->data, n, k / 6 - 1, k / 2 % 3 - 1, k % 2))) {
                flipped += (size_t)(k % 2);
                seen[k / 6][k / 2 % 3]++;
            }
        }
        assert_true(found);
    }
    assert_in_range(flipped, N / 4, 3 * N / 4);
    for (int k = 0; k < 9; k++)
        assert_in_range(seen[k / 3][k % 3], 1, N / 3);
    mq_array_unref(a);
}

static void layouts_agree(void **state)
{
    uint64_t samples[N];
    mq_array *a, *b;

    (void)state;
    for (uint64_t i = 0; i < N; i++)
        samples[i] = i;
    a = augmented("flip,crop=2", false, samples, 3, 1);
    b = augmented("flip,crop=2", true, samples, 3, 1);
    for (int64_t n = 0; n < N; n++)
        for (int64_t c = 0; c < C; c++)
            for (int64_t y = 0; y < H; y++)
                for (int64_t x = 0; x < W; x++)
                    assert_true(((float *)a->data)[((n * C + c) * H + y) * W + x] ==
                                ((float *)b->data)[((n * H + y) * W + x) * C + c]);
    mq_array_unref(a);
    mq_array_unref(b);
}

static void by_sample_and_epoch(void **state)
{
    uint64_t samples[N];
    mq_array *a, *b;

    (void)state;
    for (uint64_t i = 0; i < N; i++)
        samples[i] = i;
    a = augmented("flip,crop=2", false, samples, 1, 1);
    b = augmented("flip,crop=2", false, samples, 1, 3);
    assert_memory_equal(a->data, b->data, mq_array_bytes(a));
    mq_array_unref(b);
    b = augmented("flip,crop=2", false, samples, 2, 1);
    assert_memory_not_equal(a->data, b->data, mq_array_bytes(a));
    mq_array_unref(b);
    samples[0] = 99; /* the others stay what they were */
    b = augmented("flip,crop=2", false, samples, 1, 1);
    assert_memory_equal((float *)a->data + C * H * W, (float *)b->data + C * H * W,
                        mq_array_bytes(a) - C * H * W * sizeof(float));
    mq_array_unref(b);
    mq_array_unref(a);
}

static void refused(void **state)
{
    static const char *const bad[] = { "",        "flip,",   "crop",       "crop=", "crop=0",
                                       "crop=-1", "crop=4x", "crop=99999", "rotate" };
    const uint64_t samples[N] = { 0 };
    mq_augment g = { .crop = H };
    mq_array *a = images(false), *flat;
    mq_error err;

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(bad); i++)
        assert_int_equal(mq_augment_parse(&g, bad[i], &err), MQ_ERR_USAGE);
    assert_true(g.crop == H && !g.flip);
    assert_int_equal(mq_augment_batch(&g, a, samples, 0, 0, 1, &err), MQ_ERR_USAGE);
    assert_int_equal(mq_array_create(&flat, MQ_FLOAT, 2, (int64_t[]){ 2, 3 }, NULL), MQ_OK);
    assert_int_equal(mq_augment_batch(&g, flat, samples, 0, 0, 1, &err), MQ_ERR_USAGE);
    mq_array_unref(flat);
    mq_array_unref(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flips_and_crops),
        cmocka_unit_test(layouts_agree),
        cmocka_unit_test(by_sample_and_epoch),
        cmocka_unit_test(refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
