/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Minimum cuts of small random graphs, compared with all cuts there are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rng.h"
#include "passes/min_cut.h"

#define THINGS 8 /* the sides among them */
#define ROUNDS 300

/* Bit i of `first`: thing i is on the first side. */
static int64_t sum_of(int64_t prices[THINGS][THINGS], unsigned first)
{
    int64_t sum = 0;

    for (int a = 0; a < THINGS; a++)
        for (int b = 0; b < THINGS; b++)
            if (first >> a & 1 && !(first >> b & 1))
                sum += prices[a][b];
    return sum;
}

static void the_cheapest_of_all(void **state)
{
    uint64_t seed = 7;

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t prices[THINGS][THINGS] = { { 0 } }, best = INT64_MAX, price;
        mq_cut c = { .failed = false };
        unsigned first = 1;

        for (int i = 2; i < THINGS; i++)
            assert_int_equal(mq_cut_add(&c), i);
        for (int e = 0; e < 20; e++) {
            const int a = (int)rng_below(&seed, THINGS), b = (int)rng_below(&seed, THINGS);

            if (a == b || a == MQ_CUT_SECOND || b == MQ_CUT_FIRST)
                continue;
            price = (int64_t)rng_below(&seed, 10);
            mq_cut_price(&c, a, b, price);
            prices[a][b] += price;
        }
        assert_true(mq_cut_solve(&c, 1000000));
        for (int i = 2; i < THINGS; i++)
            first |= (unsigned)mq_cut_is_first(&c, i) << i;
        for (unsigned other = 1; other < 1u << THINGS; other += 2)
            if (!(other >> MQ_CUT_SECOND & 1) && sum_of(prices, other) < best)
                best = sum_of(prices, other);
        assert_int_equal(sum_of(prices, first), best);
        mq_cut_release(&c);
    }
}

static void too_much_effort(void **state)
{
    mq_cut c = { .failed = false };
    const int thing = mq_cut_add(&c);

    (void)state;
    mq_cut_price(&c, MQ_CUT_FIRST, thing, 3);
    mq_cut_price(&c, thing, MQ_CUT_SECOND, 2);
    assert_false(mq_cut_solve(&c, 1));
    mq_cut_release(&c);
}

static void nothing_to_divide(void **state)
{
    mq_cut c = { .failed = false };

    (void)state;
    assert_false(mq_cut_solve(&c, 1));
    mq_cut_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cheapest_of_all),
        cmocka_unit_test(too_much_effort),
        cmocka_unit_test(nothing_to_divide),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
