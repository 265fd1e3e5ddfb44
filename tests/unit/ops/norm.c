/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/ops/norm.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/one_node.h"

static void open_batch_norm(one_node *t, int opset, const char *channels)
{
    one_open(t, "BatchNormalization", opset);
    one_in(t, MQ_FLOAT, "N,3,H");
    for (int i = 0; i < 4; i++)
        one_in(t, MQ_FLOAT, channels);
}

static void batch_norm(void **state)
{
    one_node t;

    (void)state;
    open_batch_norm(&t, 9, "3");
    one_run(&t, 5);
    one_type(&t, 0, "float[N,3,H]");
    one_type(&t, 4, "float[3]");
    mq_model_free(t.model);
    open_batch_norm(&t, 15, "C");
    one_attr(&t, "training_mode", 1);
    one_run(&t, 3);
    one_type(&t, 1, "float[3]");
    mq_model_free(t.model);
    open_batch_norm(&t, 15, "4");
    one_refused(&t, 1, "3 and 4");
    open_batch_norm(&t, 15, "3,1");
    one_refused(&t, 1, "rank 2");
    open_batch_norm(&t, 7, "3,8");
    one_attr(&t, "spatial", 0);
    one_gives(&t, "float[N,3,H]");
}

static void layer_norm(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "LayerNormalization", 17);
    one_in(&t, MQ_FLOAT16, "N,S,8");
    one_in(&t, MQ_FLOAT16, "S,8");
    one_attr(&t, "axis", -2);
    one_run(&t, 3);
    one_type(&t, 0, "float16[N,S,8]");
    one_type(&t, 1, "float[N,1,1]");
    one_type(&t, 2, "float[N,1,1]");
    mq_model_free(t.model);
    one_open(&t, "LayerNormalization", 17);
    one_in(&t, MQ_FLOAT, "N,S,8");
    one_in(&t, MQ_FLOAT, "8");
    one_attr(&t, "axis", 3);
    one_refused(&t, 1, "outside");
    one_open(&t, "LayerNormalization", 17);
    one_in(&t, MQ_FLOAT, "N,S,8");
    one_in(&t, MQ_FLOAT, "8");
    one_attr(&t, "stash_type", INT64_MAX);
    one_refused(&t, 1, "no data type");
}

static void groups(void **state)
{
    static const int64_t bad[] = { 0, -1, 5, INT64_MAX };
    one_node t;

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(bad); i++) {
        one_open(&t, "GroupNormalization", 21);
        one_in(&t, MQ_FLOAT, "N,8,H");
        one_in(&t, MQ_FLOAT, "8");
        one_in(&t, MQ_FLOAT, "8");
        one_attr(&t, "num_groups", bad[i]);
        one_refused(&t, 1, "groups");
    }
    one_open(&t, "GroupNormalization", 18);
    one_in(&t, MQ_FLOAT, "N,8,H");
    one_in(&t, MQ_FLOAT, "2");
    one_in(&t, MQ_FLOAT, "2");
    one_attr(&t, "num_groups", 2);
    one_gives(&t, "float[N,8,H]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_norm),
        cmocka_unit_test(layer_norm),
        cmocka_unit_test(groups),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
