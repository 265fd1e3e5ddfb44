/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/ops/sequence.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/one_node.h"

/* The elements of a sequence come from a SequenceConstruct in front of the node. */
static void sequence_in(one_node *t, const char *a, const char *b)
{
    mq_node *n = mq_node_create(t->model->graph, t->node, "", "SequenceConstruct", "s");
    mq_value *v = one_value(t, "seq");

    assert_int_equal(mq_node_set_input(n, 0, one_graph_input(t, MQ_FLOAT, a), NULL), MQ_OK);
    assert_int_equal(mq_node_set_input(n, 1, one_graph_input(t, MQ_FLOAT, b), NULL), MQ_OK);
    assert_int_equal(mq_node_set_output(n, 0, v, NULL), MQ_OK);
    one_add(t, v);
}

static void elements(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "SequenceAt", 11);
    sequence_in(&t, "N,3,4", "N,5,4");
    one_scalar(&t, 0);
    one_gives(&t, "float[N,?,4]");
    one_open(&t, "SequenceAt", 11);
    sequence_in(&t, "N,3", "3");
    one_scalar(&t, 0);
    one_gives(&t, "float[...]");
    one_open(&t, "SequenceInsert", 11);
    sequence_in(&t, "N,3", "N,3");
    one_in(&t, MQ_FLOAT, "N,4");
    one_gives(&t, "seq(float[N,?])");
    one_open(&t, "SequenceAt", 11);
    one_in(&t, MQ_FLOAT, "N,3");
    one_scalar(&t, 0);
    one_run(&t, 1);
    assert_true(t.n_findings > 0);
    mq_model_free(t.model);
}

static void concatenation(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "ConcatFromSequence", 11);
    sequence_in(&t, "N,3", "N,3");
    one_attr(&t, "axis", -1);
    one_gives(&t, "float[N,?]");
    one_open(&t, "ConcatFromSequence", 11);
    sequence_in(&t, "N,3", "N,3");
    one_attr(&t, "axis", 2);
    one_attr(&t, "new_axis", 1);
    one_gives(&t, "float[N,3,?]");
    one_open(&t, "ConcatFromSequence", 11);
    sequence_in(&t, "N,3", "N,3");
    one_attr(&t, "axis", 2);
    one_refused(&t, 1, "outside");
    one_open(&t, "ConcatFromSequence", 11);
    sequence_in(&t, "N,3", "N,3");
    one_attr(&t, "axis", 0);
    one_attr(&t, "new_axis", INT64_MIN);
    one_refused(&t, 1, "0 or 1");
}

static void splitting(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "SplitToSequence", 11);
    one_in(&t, MQ_FLOAT, "N,6");
    one_attr(&t, "axis", 1);
    one_attr(&t, "keepdims", 0);
    one_gives(&t, "seq(float[N])");
    one_open(&t, "SplitToSequence", 11);
    one_in(&t, MQ_FLOAT, "N,6");
    one_scalar(&t, 4);
    one_attr(&t, "axis", 1);
    one_gives(&t, "seq(float[N,?])");
    one_open(&t, "SplitToSequence", 11);
    one_in(&t, MQ_FLOAT, "N,6");
    one_ints(&t, 3, 3);
    one_attr(&t, "axis", 1);
    one_gives(&t, "seq(float[N,3])");
    one_open(&t, "SplitToSequence", 11);
    one_in(&t, MQ_FLOAT, "N,6");
    one_scalar(&t, 0);
    one_attr(&t, "axis", 1);
    one_refused(&t, 1, "size 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements),
        cmocka_unit_test(concatenation),
        cmocka_unit_test(splitting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
