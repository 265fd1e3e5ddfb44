/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/ops/contrib.c, contrib_attention.c and contrib_quant.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/one_node.h"

static void open_ms(one_node *t, const char *op)
{
    one_open(t, op, 17);
    assert_int_equal(mq_opset_set(t->model, "com.microsoft", 1, NULL), MQ_OK);
    t->node->domain = "com.microsoft";
}

static int64_t macs(const one_node *t)
{
    return mq_rule_find(mq_domain_norm(t->node->domain), t->node->op_type)->macs(t->node);
}

static void projecting_attention(void **state)
{
    one_node t;

    (void)state;
    open_ms(&t, "Attention");
    one_in(&t, MQ_FLOAT, "2,S,8");
    one_in(&t, MQ_FLOAT, "8,24");
    one_in(&t, MQ_FLOAT, "24");
    one_attr(&t, "num_heads", 2);
    one_run(&t, 2);
    assert_string_equal(t.finding, "");
    one_type(&t, 0, "float[2,S,8]");
    one_type(&t, 1, "float[2,2,2,S,4]");
    mq_model_free(t.model);
    open_ms(&t, "Attention");
    one_in(&t, MQ_FLOAT, "2,5,8");
    one_in(&t, MQ_FLOAT, "8,24");
    one_attr(&t, "num_heads", 2);
    one_run(&t, 1);
    assert_int_equal(macs(&t), 2 * 5 * 8 * 24 + 2 * 5 * 5 * (8 + 8));
    mq_model_free(t.model);
}

static void products(void **state)
{
    one_node t;

    (void)state;
    open_ms(&t, "FusedMatMul");
    one_in(&t, MQ_FLOAT, "4,B,3"); /* [K, batch, M] with both transpositions */
    one_in(&t, MQ_FLOAT, "B,5,4");
    one_attr(&t, "transA", 1);
    one_attr(&t, "transBatchA", 1);
    one_attr(&t, "transB", 1);
    one_gives(&t, "float[B,3,5]");
    open_ms(&t, "MatMulNBits");
    one_in(&t, MQ_FLOAT, "2,3,64");
    one_in(&t, MQ_UINT8, "10,2,16");
    one_in(&t, MQ_FLOAT, "20");
    one_attr(&t, "K", 64);
    one_attr(&t, "N", 10);
    one_run(&t, 1);
    one_type(&t, 0, "float[2,3,10]");
    assert_int_equal(macs(&t), 2 * 3 * 64 * 10);
    mq_model_free(t.model);
    open_ms(&t, "MatMulNBits");
    one_in(&t, MQ_FLOAT, "2,3,65");
    one_in(&t, MQ_UINT8, "10,2,16");
    one_in(&t, MQ_FLOAT, "20");
    one_attr(&t, "K", 64);
    one_attr(&t, "N", 10);
    one_refused(&t, 1, "65 and 64");
}

static void quantized(void **state)
{
    one_node t;

    (void)state;
    open_ms(&t, "QLinearConv");
    one_in(&t, MQ_UINT8, "N,9,9,4");
    one_in(&t, MQ_FLOAT, "");
    one_in(&t, MQ_UINT8, "");
    one_in(&t, MQ_INT8, "6,4,3,3");
    one_in(&t, MQ_FLOAT, "6");
    one_in(&t, MQ_INT8, "6");
    one_in(&t, MQ_FLOAT, "");
    one_in(&t, MQ_UINT8, "");
    one_attr(&t, "channels_last", 1);
    one_gives(&t, "uint8[N,7,7,6]");
    open_ms(&t, "QLinearConcat");
    one_in(&t, MQ_FLOAT, "");
    one_in(&t, MQ_UINT8, "");
    for (int i = 0; i < 2; i++) {
        one_in(&t, MQ_UINT8, i ? "N,5,8" : "N,3,8");
        one_in(&t, MQ_FLOAT, "");
        one_in(&t, MQ_UINT8, "");
    }
    one_attr(&t, "axis", 1);
    one_gives(&t, "uint8[N,8,8]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(projecting_attention),
        cmocka_unit_test(products),
        cmocka_unit_test(quantized),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
