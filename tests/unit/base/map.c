/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/base/map.c against an array as the model of a map. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/map.h"
#include "rng.h"

enum { KEYS = 700 };

static char keys[KEYS][16];
static int values[KEYS];

static void make_keys(void)
{
    for (int i = 0; i < KEYS; i++)
        snprintf(keys[i], sizeof keys[i], "key%d", i * i);
}

static void check_all(const mq_map *m, int *const *model)
{
    size_t n = 0;

    for (int i = 0; i < KEYS; i++) {
        assert_ptr_equal(mq_map_get(m, keys[i]), model[i]);
        n += model[i] != NULL;
    }
    assert_int_equal(m->n, n);
}

/* Puts, replaces and removes at random; the map and the array always agree. Few keys at a time make long chains, many make
 * it grow. */
static void test_random_operations(void **state)
{
    int *model[KEYS] = { 0 };
    mq_map m = { 0 };
    uint64_t rng = 7;

    (void)state;
    make_keys();
    for (int step = 0; step < 60000; step++) {
        size_t range = step % 20000 < 10000 ? 12 : KEYS;
        size_t i = rng_below(&rng, range);
        char copy[16];
        snprintf(copy, sizeof copy, "%s", keys[i]); /* found by text, not by address */
        switch (rng_below(&rng, 3)) {
        case 0:
            model[i] = &values[rng_below(&rng, KEYS)];
            assert_true(mq_map_put(&m, keys[i], model[i]));
            break;
        case 1:
            model[i] = NULL;
            mq_map_remove(&m, copy);
            break;
        default:
            assert_ptr_equal(mq_map_get(&m, copy), model[i]);
        }
        if (step % 1000 == 0)
            check_all(&m, model);
    }
    check_all(&m, model);
    mq_map_release(&m);
    assert_int_equal(m.n + m.cap, 0);
}

static void test_empty_map(void **state)
{
    mq_map m = { 0 };

    (void)state;
    assert_null(mq_map_get(&m, "x"));
    mq_map_remove(&m, "x");
    assert_null(m.slots);
    mq_map_release(&m);
}

static void test_empty_key_and_replacement(void **state)
{
    mq_map m = { 0 };

    (void)state;
    assert_true(mq_map_put(&m, "", &values[0]));
    assert_true(mq_map_put(&m, "a", &values[1]));
    assert_true(mq_map_put(&m, "", &values[2]));
    assert_int_equal(m.n, 2);
    assert_ptr_equal(mq_map_get(&m, ""), &values[2]);
    mq_map_remove(&m, "");
    assert_null(mq_map_get(&m, ""));
    assert_ptr_equal(mq_map_get(&m, "a"), &values[1]);
    mq_map_release(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_operations),
        cmocka_unit_test(test_empty_map),
        cmocka_unit_test(test_empty_key_and_replacement),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
