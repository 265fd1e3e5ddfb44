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

static void not_merged_when_constants_differ(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_float("a", 3);
    make_float("b", 4);
    make_node(g, "Mul", "x,a", "v");
    make_node(g, "Mul", "x,b", "w");
    make_node(g, "Add", "v,w", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_merge_equal);
}

static void not_merged_when_constants_have_other_shapes(void **state)
{
    const float three = 3;

    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_init(g, "a", MQ_FLOAT, "", &three);
    make_init(g, "b", MQ_FLOAT, "1,1,1", &three);
    make_node(g, "Mul", "x,a", "v");
    make_node(g, "Mul", "x,b", "w");
    make_node(g, "Add", "v,w", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_merge_equal);
}

/* Large ones are left to merge-constants. */
static void not_merged_when_constants_are_large(void **state)
{
    const float many[20] = { 1, 2, 3 };

    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,20");
    make_init(g, "a", MQ_FLOAT, "20", many);
    make_init(g, "b", MQ_FLOAT, "20", many);
    make_node(g, "Mul", "x,a", "v");
    make_node(g, "Mul", "x,b", "w");
    make_node(g, "Add", "v,w", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_merge_equal);
}

static void not_merged_when_there_are_graphs(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_input(g, "c", MQ_BOOL, "");
    for (int i = 0; i < 2; i++) {
        mq_node *n = make_node(g, "If", "c", i ? "w" : "v");

        for (int k = 0; k < 2; k++) {
            mq_graph *inner = make_subgraph(n, k ? "else_branch" : "then_branch");

            make_node(inner, k ? "Exp" : "Abs", "x", k ? "e" : "t");
            assert_int_equal(mq_graph_add_output(inner, mq_graph_find_here(inner, k ? "e" : "t"), NULL), MQ_OK);
        }
    }
    make_node(g, "Add", "v,w", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_merge_equal);
}

static void not_merged_when_the_first_makes_less(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,8,5,5");
    node_ints(make_node(g, "MaxPool", "x", "v"), "kernel_shape", "2,2");
    node_ints(make_node(g, "MaxPool", "x", "w,at"), "kernel_shape", "2,2");
    make_node(g, "Add", "v,w", "y");
    make_node(g, "Abs", "at", "z");
    make_output(g, "y");
    make_output(g, "z");
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
        ON_MODEL(not_merged_when_constants_differ),
        ON_MODEL(not_merged_when_constants_have_other_shapes),
        ON_MODEL(not_merged_when_constants_are_large),
        ON_MODEL(not_merged_when_there_are_graphs),
        ON_MODEL(not_merged_when_the_first_makes_less),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
