/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Learning rates: warm-up, steps and cosine at their corners. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "base/compiler.h"
#include "train/schedule.h"

static void is(const mq_schedule *s, uint64_t step, double want)
{
    const double got = mq_schedule_at(s, step);

    if (!(fabs(got - want) <= 1e-12))
        fail_msg("%s: step %llu has %.12g, not %.12g", mq_schedule_name(s->kind), (unsigned long long)step, got, want);
}

static void constant(void **state)
{
    const mq_schedule s = { .lr = 0.5, .warmup = 4, .total = 10 };

    (void)state;
    is(&s, 0, 0.1);
    is(&s, 3, 0.4);
    is(&s, 4, 0.5);
    is(&s, 1000, 0.5);
}

static void steps(void **state)
{
    const mq_schedule s = { .kind = MQ_SCHEDULE_STEP, .lr = 1, .total = 100, .every = 10, .factor = 0.5 };
    const mq_schedule thirds = { .kind = MQ_SCHEDULE_STEP, .lr = 1, .total = 10, .warmup = 1 };

    (void)state;
    is(&s, 9, 1);
    is(&s, 10, 0.5);
    is(&s, 35, 0.125);
    is(&thirds, 0, 0.5);
    is(&thirds, 3, 1);
    is(&thirds, 4, 0.1);
    is(&thirds, 7, 0.01);
}

static void cosine(void **state)
{
    const mq_schedule s = { .kind = MQ_SCHEDULE_COSINE, .lr = 2, .total = 12, .warmup = 2, .floor = 0.1 };

    (void)state;
    is(&s, 2, 2);
    is(&s, 7, 2 * 0.55);
    is(&s, 12, 0.2);
    is(&s, 99, 0.2);
}

static void refused(void **state)
{
    const mq_schedule bad[] = {
        { .lr = 0 }, { .lr = NAN }, { .lr = 1, .warmup = 5, .total = 5 }, { .lr = 1, .factor = 2 }, { .lr = 1, .floor = -1 },
    };
    mq_schedule_kind kind;

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(bad); i++)
        assert_int_equal(mq_schedule_check(&bad[i], NULL), MQ_ERR_USAGE);
    assert_int_equal(mq_schedule_check(&(mq_schedule){ .lr = 1, .total = 1 }, NULL), MQ_OK);
    assert_true(mq_schedule_find("cosine", &kind) && kind == MQ_SCHEDULE_COSINE);
    assert_false(mq_schedule_find("linear", &kind));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constant),
        cmocka_unit_test(steps),
        cmocka_unit_test(cosine),
        cmocka_unit_test(refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
