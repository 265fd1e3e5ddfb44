/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Blocks of a network: which there are, and what is left when some go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"
#include "passes/blocks.h"

/* Four branches x + relu(x w), the weights of branch i zero where bit i of `zero` is set; then a product. */
static mq_blocks *make_branches(unsigned zero)
{
    static const float none[36];
    mq_blocks *b = NULL;
    const char *x = "r";

    make_input(g, "x", MQ_FLOAT, "n,6");
    make_node(g, "Relu", "x", "r");
    for (int i = 0; i < 4; i++) {
        const char *w = mq_arena_printf(m->arena, "w%d", i), *s = mq_arena_printf(m->arena, "s%d", i);

        if (zero >> i & 1)
            make_init(g, w, MQ_FLOAT, "6,6", none);
        else
            make_random(w, MQ_FLOAT, "6,6");
        make_node(g, "MatMul", mq_arena_printf(m->arena, "%s,%s", x, w), mq_arena_printf(m->arena, "p%d", i));
        make_node(g, "Relu", mq_arena_printf(m->arena, "p%d", i), mq_arena_printf(m->arena, "q%d", i));
        make_node(g, "Add", mq_arena_printf(m->arena, "%s,q%d", x, i), s);
        x = s;
    }
    make_random("wf", MQ_FLOAT, "6,2");
    make_node(g, "MatMul", mq_arena_printf(m->arena, "%s,wf", x), "y");
    make_output(g, "y");
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    assert_int_equal(mq_blocks_find(&b, m, NULL), MQ_OK);
    return b;
}

static void branches_are_blocks(void **state)
{
    mq_blocks *b = make_branches(0);
    size_t n;
    const mq_blocks_item *list = mq_blocks_list(b, &n);

    (void)state;
    assert_int_equal(n, 4);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(list[i].n_weights, 1);
        assert_ptr_equal(list[i].weights[0], mq_graph_find_here(g, mq_arena_printf(m->arena, "w%zu", i)));
        assert_int_equal(list[i].run, 1);
        assert_int_equal(list[i].first, i == 0);
    }
    assert_string_equal(list[0].from->name, "r");
    assert_string_equal(list[3].to->name, "s3");
    mq_blocks_free(b);
}

/* Branches that add nothing can go; whoever else works with the model in between may use the nodes' tags. */
static void nothing_is_lost_with_what_adds_nothing(void **state)
{
    const bool gone[] = { true, true, false, true };
    mq_blocks *b = make_branches(1 | 2 | 8);
    pass_io before = { .n_in = 0 }, after;

    (void)state;
    pass_run(&before);
    for (mq_node *n = g->first; n; n = n->next)
        n->tag = 1;
    assert_int_equal(mq_blocks_leave_out(b, gone, NULL), MQ_OK);
    mq_blocks_free(b);
    mq_graph_drop_dead(g, NULL);
    pass_ops("Relu MatMul Relu Add MatMul");
    graph_check(m);
    after = before;
    pass_run(&after);
    pass_near(&before, &after, 0);
    pass_release(before.in, before.n_in);
    pass_release(before.out, before.n_out);
    pass_release(after.out, after.n_out);
}

static void spread_evenly(void **state)
{
    mq_blocks *b = make_branches(0);
    bool gone[4];

    (void)state;
    assert_int_equal(mq_blocks_spread(b, 0.5, gone), 2);
    assert_false(gone[0]);
    assert_int_equal(mq_blocks_spread(b, 0, gone), 3);
    assert_false(gone[0]);
    assert_int_equal(mq_blocks_spread(b, 1, gone), 0);
    mq_blocks_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(branches_are_blocks),
        ON_MODEL(nothing_is_lost_with_what_adds_nothing),
        ON_MODEL(spread_evenly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
