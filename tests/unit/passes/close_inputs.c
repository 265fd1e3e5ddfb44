/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_close_inputs;

static void make_old(int64_t ir_version)
{
    m->ir_version = ir_version;
    make_input(g, "x", MQ_FLOAT, "2,3");
    make_input(g, "w", MQ_FLOAT, "3,4");
    make_random("w", MQ_FLOAT, "3,4");
    make_node(g, "MatMul", "x,w", "y");
    make_output(g, "y");
}

static void weights_are_no_inputs(void **state)
{
    (void)state;
    make_old(3);
    assert_int_equal(pass_apply(&mq_pass_close_inputs, NULL), 1);
    assert_int_equal(g->inputs.n, 1);
    assert_string_equal(g->inputs.items[0]->name, "x");
    assert_non_null(mq_value_constant(mq_graph_find(g, "w"), false));
    assert_int_equal(m->ir_version, 4);
    pass_leaves(&mq_pass_close_inputs);
}

static void not_closed_when_callers_may_set_them(void **state)
{
    (void)state;
    make_old(4);
    make_random("other", MQ_FLOAT, "4"); /* is none */
    make_node(g, "Add", "y,other", "z");
    make_output(g, "z");
    pass_leaves(&mq_pass_close_inputs);
    assert_int_equal(g->inputs.n, 2);
}

static void newer_files_that_list_all_weights(void **state)
{
    (void)state;
    make_old(7);
    assert_int_equal(pass_apply(&mq_pass_close_inputs, NULL), 1);
    assert_int_equal(m->ir_version, 7);
}

static void not_closed_when_none_is_a_weight(void **state)
{
    (void)state;
    m->ir_version = 4;
    make_input(g, "x", MQ_FLOAT, "2,3");
    make_input(g, "w", MQ_FLOAT, "3");
    make_random("w", MQ_FLOAT, "3");
    make_node(g, "Add", "x,w", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_close_inputs);
}

static void not_closed_when_nothing_is_given(void **state)
{
    (void)state;
    m->ir_version = 3;
    make_input(g, "x", MQ_FLOAT, "2,3");
    make_node(g, "Exp", "x", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_close_inputs);
    assert_int_equal(m->ir_version, 3);
}

static void not_closed_when_the_version_is_not_said(void **state)
{
    (void)state;
    make_old(3);
    m->has_ir_version = false;
    pass_leaves(&mq_pass_close_inputs);
    assert_int_equal(g->inputs.n, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(weights_are_no_inputs),
        ON_MODEL(not_closed_when_callers_may_set_them),
        ON_MODEL(newer_files_that_list_all_weights),
        ON_MODEL(not_closed_when_none_is_a_weight),
        ON_MODEL(not_closed_when_nothing_is_given),
        ON_MODEL(not_closed_when_the_version_is_not_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
