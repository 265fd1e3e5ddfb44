/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_merge_equal;

static void chains_become_one(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_float("a", 3);
    make_float("b", 3);
    make_node(g, "Mul", "x,a", "t");
    make_node(g, "Mul", "x,b", "u");
    node_float(make_node(g, "LeakyRelu", "t", "v"), "alpha", 0.5f);
    node_float(make_node(g, "LeakyRelu", "u", "w"), "alpha", 0.5f);
    make_node(g, "Add", "v,w", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_merge_equal, "Mul LeakyRelu Add", 0);
}

static void attributes_count(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    node_float(make_node(g, "LeakyRelu", "x", "v"), "alpha", 0.5f);
    node_float(make_node(g, "LeakyRelu", "x", "w"), "alpha", 0.25f);
    make_node(g, "Add", "v,w", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_merge_equal);
}

static void order_of_inputs_counts(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_input(g, "z", MQ_FLOAT, "N,4");
    make_node(g, "Sub", "x,z", "v");
    make_node(g, "Sub", "z,x", "w");
    make_node(g, "Mul", "v,w", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_merge_equal);
}

static void outputs_keep_their_names(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_node(g, "Exp", "x", "y");
    make_node(g, "Exp", "x", "z");
    make_output(g, "y");
    make_output(g, "z");
    pass_leaves(&mq_pass_merge_equal);
}

static void random_ones_stay(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_node(g, "RandomNormalLike", "x", "v");
    make_node(g, "RandomNormalLike", "x", "w");
    make_node(g, "Add", "v,w", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_merge_equal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(chains_become_one),
        ON_MODEL(attributes_count),
        ON_MODEL(order_of_inputs_counts),
        ON_MODEL(outputs_keep_their_names),
        ON_MODEL(random_ones_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
