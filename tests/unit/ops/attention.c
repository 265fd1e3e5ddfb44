/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/ops/attention.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/one_node.h"

static int64_t macs(const one_node *t)
{
    return mq_rule_find(mq_domain_norm(t->node->domain), t->node->op_type)->macs(t->node);
}

static void attention(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Attention", 23);
    one_in(&t, MQ_FLOAT, "B,S,32");
    one_in(&t, MQ_FLOAT, "B,6,16");
    one_in(&t, MQ_FLOAT, "B,6,24");
    one_absent(&t);
    one_in(&t, MQ_FLOAT, "B,2,5,8");
    one_in(&t, MQ_FLOAT, "B,2,5,12");
    one_attr(&t, "q_num_heads", 4);
    one_attr(&t, "kv_num_heads", 2);
    one_run(&t, 4);
    assert_string_equal(t.finding, "");
    one_type(&t, 0, "float[B,S,48]");
    one_type(&t, 1, "float[B,2,11,8]");
    one_type(&t, 2, "float[B,2,11,12]");
    one_type(&t, 3, "float[B,4,S,11]");
    mq_model_free(t.model);
}

static void attention_refuses(void **state)
{
    static const int64_t heads[] = { 0, -3, 5 };
    one_node t;

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(heads); i++) {
        one_open(&t, "Attention", 23);
        for (int k = 0; k < 3; k++)
            one_in(&t, MQ_FLOAT, "2,3,32");
        one_attr(&t, "q_num_heads", heads[i]);
        one_attr(&t, "kv_num_heads", 4);
        one_refused(&t, 1, heads[i] < 1 ? "at least 1" : "cannot be divided");
    }
}

static void attention_macs(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Attention", 23);
    one_in(&t, MQ_FLOAT, "2,4,3,8");
    one_in(&t, MQ_FLOAT, "2,2,6,8");
    one_in(&t, MQ_FLOAT, "2,2,6,10");
    one_run(&t, 1);
    assert_int_equal(macs(&t), 2 * 4 * 3 * 6 * (8 + 10));
    mq_model_free(t.model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention),
        cmocka_unit_test(attention_refuses),
        cmocka_unit_test(attention_macs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
