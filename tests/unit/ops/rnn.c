/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/ops/rnn.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/one_node.h"

static void open_lstm(one_node *t, const char *x, const char *w, const char *r)
{
    one_open(t, "LSTM", 14);
    one_in(t, MQ_FLOAT, x);
    one_in(t, MQ_FLOAT, w);
    one_in(t, MQ_FLOAT, r);
}

static void both_layouts(void **state)
{
    one_node t;

    (void)state;
    open_lstm(&t, "S,B,10", "2,80,10", "2,80,20");
    assert_int_equal(mq_node_set_attr_string(t.node, "direction", "bidirectional", NULL), MQ_OK);
    one_run(&t, 3);
    assert_string_equal(t.finding, "");
    one_type(&t, 0, "float[S,2,B,20]");
    one_type(&t, 1, "float[2,B,20]");
    one_type(&t, 2, "float[2,B,20]");
    mq_model_free(t.model);
    open_lstm(&t, "B,S,10", "1,80,10", "...");
    one_attr(&t, "layout", 1);
    one_attr(&t, "hidden_size", 20);
    one_run(&t, 2);
    one_type(&t, 0, "float[B,S,1,20]");
    one_type(&t, 1, "float[B,1,20]");
    mq_model_free(t.model);
}

static void refuses(void **state)
{
    one_node t;

    (void)state;
    open_lstm(&t, "S,B,10", "2,80,10", "2,80,20");
    one_refused(&t, 1, "1 and 2");
    open_lstm(&t, "S,B,10", "1,80,10", "1,80,20");
    one_attr(&t, "hidden_size", 0);
    one_refused(&t, 1, "'hidden_size' is 0");
    open_lstm(&t, "S,B,10", "1,80,10", "1,80,20");
    one_attr(&t, "hidden_size", 30);
    one_refused(&t, 1, "20 and 30");
    open_lstm(&t, "S,B", "1,80,10", "1,80,20");
    one_refused(&t, 1, "rank 2");
    open_lstm(&t, "S,B,10", "1,80,10", "1,80,20");
    assert_int_equal(mq_node_set_attr_string(t.node, "direction", "sideways", NULL), MQ_OK);
    one_refused(&t, 1, "'sideways'");
}

static void counts_macs(void **state)
{
    const mq_op_rule *rule = mq_rule_find("", "LSTM");
    one_node t;

    (void)state;
    open_lstm(&t, "7,2,10", "1,80,10", "1,80,20");
    one_run(&t, 1);
    assert_int_equal(rule->macs(t.node), 7 * 2 * 4 * 20 * (10 + 20));
    mq_model_free(t.model);
    open_lstm(&t, "9223372036854775807,2,10", "1,80,10", "1,80,20");
    one_run(&t, 1);
    assert_int_equal(rule->macs(t.node), -1);
    mq_model_free(t.model);
    assert_int_equal(rule->quant->weight_input, 1);
    assert_int_equal(rule->quant->weight_input2, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_layouts),
        cmocka_unit_test(refuses),
        cmocka_unit_test(counts_macs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
