/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The pool: blocks are used again, free neighbours become one, blocks do not overlap, blocks may outlive the pool. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
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

static void the_smallest_that_fits_is_taken(void **state)
{
    mq_pool *p = mq_pool_create();
    mq_block *large = mq_pool_block(p, 1 << 20), *wall = mq_pool_block(p, 64), *small = mq_pool_block(p, 5000),
             *end = mq_pool_block(p, 64), *b;
    void *at = small->data;

    (void)state;
    mq_block_unref(large);
    mq_block_unref(small);
    b = mq_pool_block(p, 4900);
    assert_ptr_equal(b->data, at);
    mq_block_unref(b);
    mq_block_unref(wall);
    mq_block_unref(end);
    mq_pool_close(p);
}

static void neighbours_become_one(void **state)
{
    mq_pool *p = mq_pool_create();
    mq_block *a = mq_pool_block(p, 1 << 20), *b = mq_pool_block(p, 1 << 20), *c = mq_pool_block(p, 1 << 20), *d;
    void *at = a->data;
    const size_t extent = mq_pool_extent(p);

    (void)state;
    mq_block_unref(a);
    mq_block_unref(c);
    mq_block_unref(b); /* between two free ones */
    d = mq_pool_block(p, 3 << 20);
    assert_ptr_equal(d->data, at);
    assert_int_equal(mq_pool_extent(p), extent);
    mq_block_unref(d);
    mq_pool_close(p);
}

static void more_than_is_reserved_at_once(void **state)
{
    mq_pool *p = mq_pool_create();
    mq_block *a = mq_pool_block(p, 100), *b = mq_pool_block(p, (size_t)3 << 30), *c = mq_pool_block(p, 100);

    (void)state;
    assert_non_null(b);
    ((char *)b->data)[0] = 1;
    ((char *)b->data)[((size_t)3 << 30) - 1] = 1;
    mq_block_unref(b);
    mq_block_unref(a);
    mq_pool_start(p);
    mq_pool_start(p); /* the second range is empty and was not needed */
    assert_true(mq_pool_extent(p) < 1 << 20);
    mq_block_unref(c);
    mq_pool_close(p);
}

static void what_is_not_needed_goes_back(void **state)
{
    mq_pool *p = mq_pool_create();
    mq_block *a = mq_pool_block(p, 8 << 20);

    (void)state;
    memset(a->data, 1, 8 << 20);
    mq_block_unref(a);
    mq_pool_start(p);
    a = mq_pool_block(p, 1000);
    memset(a->data, 1, 1000);
    assert_true(mq_pool_extent(p) >= 8 << 20); /* the last run needed it */
    mq_block_unref(a);
    mq_pool_start(p);
    assert_true(mq_pool_extent(p) < 1 << 20);
    mq_pool_close(p);
}

/* Requests and returns in no order: contents stay as they are written. */
static void blocks_do_not_overlap(void **state)
{
    enum { N = 40, ROUNDS = 5000 };
    mq_pool *p = mq_pool_create();
    mq_block *held[N] = { NULL };
    size_t sizes[N] = { 0 };

    (void)state;
    srand(1);
    for (int round = 0; round < ROUNDS; round++) {
        const int i = rand() % N;

        if (held[i]) {
            const unsigned char *data = held[i]->data;

            for (size_t k = 0; k < sizes[i]; k++)
                assert_int_equal(data[k], i);
            mq_block_unref(held[i]);
            held[i] = NULL;
        } else {
            sizes[i] = (size_t)rand() % (rand() % 8 ? 3000 : 30000);
            held[i] = mq_pool_block(p, sizes[i]);
            assert_int_equal((uintptr_t)held[i]->data % 64, 0);
            memset(held[i]->data, i, sizes[i]);
        }
        if (round % 100 == 0)
            mq_pool_start(p);
    }
    assert_true(mq_pool_extent(p) < 1 << 20);
    mq_pool_close(p);
    for (int i = 0; i < N; i++)
        mq_block_unref(held[i]);
}

static void blocks_outlive_the_pool(void **state)
{
    mq_pool *p = mq_pool_create();
    mq_block *a = mq_pool_block(p, 64), *gap = mq_pool_block(p, 1 << 20), *b = mq_pool_block(p, 64);

    (void)state;
    memset(a->data, 1, 64);
    memset(b->data, 2, 64);
    mq_block_unref(gap);
    mq_pool_close(p);
    assert_int_equal(((char *)a->data)[63], 1);
    assert_int_equal(((char *)b->data)[0], 2);
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
        cmocka_unit_test(a_block_is_used_again),        cmocka_unit_test(the_smallest_that_fits_is_taken),
        cmocka_unit_test(neighbours_become_one),        cmocka_unit_test(more_than_is_reserved_at_once),
        cmocka_unit_test(what_is_not_needed_goes_back), cmocka_unit_test(blocks_do_not_overlap),
        cmocka_unit_test(blocks_outlive_the_pool),      cmocka_unit_test(nothing_is_a_block_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
