/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/base/arena.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "rng.h"

/* A request that no machine can fill is answered with NULL, under AddressSanitizer too. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static mq_arena *a;

static int setup(void **state)
{
    (void)state;
    a = mq_arena_create();
    return a ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    mq_arena_free(a);
    return 0;
}

static void test_aligned_zeroed_and_apart(void **state)
{
    enum { N = 5000 };
    static unsigned char *got[N];
    static size_t sizes[N];
    uint64_t rng = 1;
    size_t used = 0;

    (void)state;
    for (size_t i = 0; i < N; i++) {
        sizes[i] = rng_below(&rng, rng_below(&rng, 50) == 0 ? 200000 : 200);
        got[i] = mq_arena_alloc(a, sizes[i]);
        assert_non_null(got[i]);
        assert_int_equal((uintptr_t)got[i] % _Alignof(max_align_t), 0);
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal(got[i][k], 0);
        memset(got[i], (int)(i % 255 + 1), sizes[i]);
        used += sizes[i];
    }
    assert_int_equal(mq_arena_used(a), used);
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal(got[i][k], i % 255 + 1);
}

static void test_size_zero_is_a_pointer_of_its_own(void **state)
{
    char *p = mq_arena_alloc(a, 0), *q = mq_arena_alloc(a, 0), *r = mq_arena_calloc(a, 0, 8);

    (void)state;
    assert_non_null(p);
    assert_non_null(q);
    assert_non_null(r);
    assert_ptr_not_equal(p, q);
    assert_ptr_not_equal(q, r);
    assert_non_null(mq_arena_memdup(a, NULL, 0));
}

static void test_overflow_and_no_memory_give_null(void **state)
{
    (void)state;
    assert_null(mq_arena_calloc(a, SIZE_MAX / 2, 3));
    assert_null(mq_arena_calloc(a, SIZE_MAX, SIZE_MAX));
    assert_null(mq_arena_alloc(a, SIZE_MAX));
    assert_null(mq_arena_alloc(a, SIZE_MAX - 8));
    assert_null(mq_arena_alloc(a, SIZE_MAX / 2));
    assert_null(mq_arena_alloc(a, (size_t)1 << 50));
    assert_null(mq_arena_grow(a, NULL, 0, SIZE_MAX / 4, 16));
    assert_int_equal(mq_arena_used(a), 0);
    assert_non_null(mq_arena_alloc(a, 1)); /* and it goes on working */
}

/* A large block of its own does not end the block that small ones come from. */
static void test_large_block_keeps_the_current_one(void **state)
{
    char *before = mq_arena_alloc(a, 8), *large = mq_arena_alloc(a, 1 << 20), *after = mq_arena_alloc(a, 8);

    (void)state;
    assert_non_null(large);
    assert_true(after > before && after - before < 256);
}

static void test_copies(void **state)
{
    const int numbers[] = { 1, 2, 3 };
    int *grown;
    char *s;

    (void)state;
    assert_memory_equal(mq_arena_memdup(a, numbers, sizeof numbers), numbers, sizeof numbers);
    assert_string_equal(mq_arena_strdup(a, "text"), "text");
    assert_string_equal(mq_arena_strdup(a, ""), "");
    assert_null(mq_arena_strdup(a, NULL));
    s = mq_arena_printf(a, "%s-%d-%0*d", "x", 7, 100, 1);
    assert_int_equal(strlen(s), 104);
    assert_memory_equal(s, "x-7-000", 7);
    assert_string_equal(mq_arena_printf(a, "%s", ""), "");
    grown = mq_arena_grow(a, numbers, 3, 6, sizeof *numbers);
    assert_memory_equal(grown, numbers, sizeof numbers);
    assert_int_equal(grown[3] | grown[4] | grown[5], 0);
}

static void test_free_of_nothing(void **state)
{
    (void)state;
    mq_arena_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_aligned_zeroed_and_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_size_zero_is_a_pointer_of_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(test_overflow_and_no_memory_give_null, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_block_keeps_the_current_one, setup, teardown),
        cmocka_unit_test_setup_teardown(test_copies, setup, teardown),
        cmocka_unit_test(test_free_of_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
