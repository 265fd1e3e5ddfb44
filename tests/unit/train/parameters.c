/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Which constants are weights. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "graph_make.h"
#include "train/parameters.h"

static void by_what_reads_them(void **state)
{
    const float data[9] = { 0.5f }, mask[9] = { 0, -10000 };
    mq_model *m = make_model(21);
    mq_graph *g = m->graph;

    (void)state;
    make_input(g, "x", MQ_FLOAT, "n,3");
    make_init(g, "w", MQ_FLOAT, "3,3", data);
    make_init(g, "turned", MQ_FLOAT, "3,3", data);
    make_init(g, "bias", MQ_FLOAT, "3", data);
    make_init(g, "mean", MQ_FLOAT, "3", data);
    make_init(g, "spread", MQ_FLOAT, "3", data);
    make_init(g, "shift", MQ_FLOAT, "3", data);
    make_init(g, "half", MQ_FLOAT, "1", data);
    make_init(g, "mask", MQ_FLOAT, "3,3", mask);
    make_init(g, "table", MQ_FLOAT, "3,3", data);
    make_init(g, "ids", MQ_INT64, "1", (int64_t[]){ 1 });
    make_init(g, "least", MQ_FLOAT, "", data);
    make_node(g, "Sub", "x,mean", "a");
    make_node(g, "Div", "a,spread", "b");
    make_node(g, "Add", "b,shift", "c");
    make_node(g, "MatMul", "c,w", "d");
    make_node(g, "Transpose", "turned", "t");
    make_node(g, "MatMul", "d,t", "e");
    make_node(g, "Add", "bias,e", "f");
    make_node(g, "Mul", "f,half", "h");
    make_node(g, "Add", "h,mask", "i");
    make_node(g, "Gather", "table,ids", "j");
    make_node(g, "Add", "i,j", "k");
    make_node(g, "Clip", "k,least", "y");
    for (const char *const *p = (const char *[]){ "w", "turned", "bias", "table", NULL }; *p; p++)
        assert_true(mq_is_weight(make_value(g, *p)));
    for (const char *const *p = (const char *[]){ "x", "mean", "spread", "shift", "half", "mask", "ids", "least", NULL }; *p;
         p++)
        assert_false(mq_is_weight(make_value(g, *p)));
    mq_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_what_reads_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
