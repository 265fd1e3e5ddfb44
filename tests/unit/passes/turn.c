/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Orders of axes; operators on turned tensors are tested with move_transposes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"
#include "passes/turn.h"

static mq_turn read(const char *perm)
{
    mq_turn t;
    mq_node *n;

    make_input(g, "x", MQ_FLOAT, "N,3,4,5");
    n = make_node(g, "Transpose", "x", "y");
    if (perm)
        node_ints(n, "perm", perm);
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    assert_true(mq_turn_read(n, &t));
    return t;
}

static void there_and_back_is_nothing(void **state)
{
    const mq_turn t = read("2,0,3,1"), back = mq_turn_back(&t), a = mq_turn_join(&t, &back), b = mq_turn_join(&back, &t);

    (void)state;
    assert_true(mq_turn_none(&a) && mq_turn_none(&b));
    assert_false(mq_turn_none(&t) || mq_turn_same(&t, &back));
}

static void without_a_list_all_axes_are_reversed(void **state)
{
    const mq_turn t = read(NULL);

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(t.perm[i], 3 - i);
}

/* Two in a row do what the joined one does. */
static void joined(void **state)
{
    const mq_turn a = read("2,0,3,1"), b = read("1,0,2,3"), both = mq_turn_join(&a, &b);
    const int64_t want[] = { 0, 2, 3, 1 };

    (void)state;
    assert_memory_equal(both.perm, want, sizeof want);
}

static void not_read_when_the_list_is_no_order(void **state)
{
    mq_turn t;
    mq_node *n;

    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,3,4");
    n = node_ints(make_node(g, "Transpose", "x", "y"), "perm", "0,1,1");
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL) == MQ_OK && mq_turn_read(n, &t), 0);
    node_ints(n, "perm", "0,1");
    assert_false(mq_turn_read(n, &t));
    node_ints(n, "perm", "0,1,7");
    assert_false(mq_turn_read(n, &t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(there_and_back_is_nothing),
        ON_MODEL(without_a_list_all_axes_are_reversed),
        ON_MODEL(joined),
        ON_MODEL(not_read_when_the_list_is_no_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
