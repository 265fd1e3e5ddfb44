/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_drop_identity;

static void all_kinds(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,4");
    make_node(g, "Identity", "x", "a");
    node_int(make_node(g, "Cast", "a", "b"), "to", MQ_FLOAT);
    node_ints(make_node(g, "Transpose", "b", "c"), "perm", "0,1");
    make_node(g, "Dropout", "c", "d");
    make_node(g, "Exp", "d", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_drop_identity, "Exp", 0);
}

static void outputs_keep_their_names(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,4");
    make_node(g, "Identity", "x", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_drop_identity);
}

static void what_does_something_stays(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,4");
    node_int(make_node(g, "Cast", "x", "a"), "to", MQ_DOUBLE);
    make_node(g, "Transpose", "a", "b");
    make_node(g, "Dropout", "b", "c,mask");
    make_node(g, "Exp", "c", "y");
    make_output(g, "y");
    make_output(g, "mask");
    pass_leaves(&mq_pass_drop_identity);
}

/* With an input or constant `training` that is there already. */
static void dropout(void)
{
    make_input(g, "x", MQ_FLOAT, "2,4");
    make_float("ratio", 0.5f);
    make_node(g, "Dropout", "x,ratio,training", "a");
    make_node(g, "Exp", "a", "y");
    make_output(g, "y");
}

static void dropout_out_of_training(void **state)
{
    (void)state;
    make_byte("training", MQ_BOOL, 0);
    dropout();
    pass_becomes(&mq_pass_drop_identity, "Exp", 0);
}

static void not_dropped_when_it_trains(void **state)
{
    (void)state;
    make_byte("training", MQ_BOOL, 1);
    dropout();
    pass_leaves(&mq_pass_drop_identity);
}

static void not_dropped_when_it_may_train(void **state)
{
    (void)state;
    make_input(g, "training", MQ_BOOL, "");
    dropout();
    pass_leaves(&mq_pass_drop_identity);
}

static void not_dropped_when_axes_change_places(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,4,3");
    node_ints(make_node(g, "Transpose", "x", "a"), "perm", "0,2,1");
    make_node(g, "Exp", "a", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_drop_identity);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(all_kinds),
        ON_MODEL(outputs_keep_their_names),
        ON_MODEL(what_does_something_stays),
        ON_MODEL(dropout_out_of_training),
        ON_MODEL(not_dropped_when_it_trains),
        ON_MODEL(not_dropped_when_it_may_train),
        ON_MODEL(not_dropped_when_axes_change_places),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
