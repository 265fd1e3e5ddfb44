/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The pool: blocks are used again, free memory never adds to a peak, blocks may outlive the pool. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "exec/memory.h"

static void a_block_is_used_again(void **state)
{
    mq_pool *p = mq_pool_create();
    mq_block *a = mq_pool_block(p, 1000);
    void *at = a->data;

    (void)state;
    assert_int_equal((uintptr_t)at % 64, 0);
    mq_block_unref(a);
    a = mq_pool_block(p, 900);
    assert_ptr_equal(a->data, at);
    assert_int_equal(p->n_live, 1);
    mq_block_unref(a);
    mq_pool_close(p);
}

static void a_far_larger_one_is_not(void **state)
{
    mq_pool *p = mq_pool_create();
    mq_block *a = mq_pool_block(p, 1 << 20), *b;

    (void)state;
    mq_block_unref(a);
    b = mq_pool_block(p, 100); /* a megabyte would be held for it */
    assert_true(b->size < 1 << 20);
    mq_block_unref(b);
    mq_pool_close(p);
}

static void free_memory_makes_room(void **state)
{
    mq_pool *p = mq_pool_create();
    mq_block *a = mq_pool_block(p, 1 << 20), *b;

    (void)state;
    mq_block_unref(a);
    assert_true(p->free_bytes >= 1 << 20);
    b = mq_pool_block(p, 2 << 20);
    assert_int_equal(p->free_bytes, 0);
    assert_true(p->peak_bytes < 3 << 20);
    mq_block_unref(b);
    mq_pool_close(p);
}

static void blocks_outlive_the_pool(void **state)
{
    mq_pool *p = mq_pool_create();
    mq_block *a = mq_pool_block(p, 64), *b = mq_pool_block(p, 64);

    (void)state;
    mq_pool_close(p);
    memset(a->data, 1, 64);
    memset(b->data, 2, 64);
    mq_block_unref(a);
    mq_block_unref(b);
}

static void nothing_is_a_block_too(void **state)
{
    mq_pool *p = mq_pool_create();
    mq_block *a = mq_pool_block(p, 0);

    (void)state;
    assert_non_null(a);
    assert_non_null(a->data);
    mq_block_unref(a);
    assert_null(mq_pool_block(p, SIZE_MAX - 8));
    mq_pool_close(p);
    mq_pool_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_used_again),   cmocka_unit_test(a_far_larger_one_is_not),
        cmocka_unit_test(free_memory_makes_room),  cmocka_unit_test(blocks_outlive_the_pool),
        cmocka_unit_test(nothing_is_a_block_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
