/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/base/vec.c and the macros of vec.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/vec.h"

static void test_push_and_remove(void **state)
{
    MQ_VEC(int) v = { 0 };

    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_true(mq_vec_push(&v, i));
    assert_int_equal(v.n, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(v.items[i], i);
    mq_vec_remove(&v, 0);
    mq_vec_remove(&v, 498);
    mq_vec_remove(&v, v.n - 1);
    assert_int_equal(v.n, 997);
    assert_int_equal(v.items[0], 1);
    assert_int_equal(v.items[497], 498);
    assert_int_equal(v.items[498], 500);
    assert_int_equal(v.items[996], 998);
    mq_vec_release(&v);
    assert_null(v.items);
    assert_int_equal(v.n + v.cap, 0);
}

static void test_in_an_arena(void **state)
{
    typedef struct pair {
        char c;
        double d;
    } pair;
    MQ_VEC(pair) v = { 0 };
    mq_arena *a = mq_arena_create();

    (void)state;
    assert_non_null(a);
    for (int i = 0; i < 1000; i++)
        assert_true(mq_vec_push_in(a, &v, ((pair){ (char)i, i })));
    for (int i = 0; i < 1000; i++)
        assert_true(v.items[i].d == i && v.items[i].c == (char)i);
    mq_arena_free(a);
}

/* A capacity that cannot be doubled fails and leaves everything as it was. */
static void test_overflow(void **state)
{
    int one[1] = { 5 };
    void *items = one;
    size_t cap = SIZE_MAX / 2 + 1;

    (void)state;
    assert_false(mq_vec_grow(&items, &cap, sizeof(int)));
    cap = SIZE_MAX / 8;
    assert_false(mq_vec_grow(&items, &cap, 64));
    assert_ptr_equal(items, one);
    assert_int_equal(cap, SIZE_MAX / 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_push_and_remove),
        cmocka_unit_test(test_in_an_arena),
        cmocka_unit_test(test_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
