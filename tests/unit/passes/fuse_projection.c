/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_fuse_projection;

#define TOLERANCE 1e-5

/* x times the weights of Q, K and V; the attention reads `in`. */
static mq_node *attention_of(const char *sum, const char *in)
{
    static const int64_t sizes[] = { 8, 8, 8 };
    mq_node *n;

    make_input(g, "x", MQ_FLOAT, "N,S,6");
    make_input(g, "mask", MQ_FLOAT, "N,1,S,S");
    make_random("w", MQ_FLOAT, "6,24");
    make_random("b", MQ_FLOAT, "24");
    make_longs("sizes", "3", sizes);
    make_node(g, "MatMul", "x,w", "p");
    make_node(g, "Add", sum, "u");
    node_int(make_node(g, "Split", "u,sizes", "q,k,v"), "axis", -1);
    n = node_float(node_int(make_node(g, "MultiHeadAttention", in, "y"), "num_heads", 2), "scale", 0.3f);
    n->domain = "com.microsoft";
    make_output(g, "y");
    return n;
}

static void with_a_mask(void **state)
{
    (void)state;
    attention_of("p,b", "q,k,v,-,-,mask");
    pass_becomes(&mq_pass_fuse_projection, "Attention", TOLERANCE);
    assert_int_equal(mq_node_attr_int(g->first, "num_heads", 0), 2);
    assert_true(mq_node_attr_float(g->first, "scale", 0) == 0.3f);
    assert_string_equal(g->first->inputs[5]->name, "mask");
}

static void without_a_mask(void **state)
{
    (void)state;
    node_int(attention_of("b,p", "q,k,v"), "unidirectional", 1);
    pass_becomes(&mq_pass_fuse_projection, "Attention", TOLERANCE);
    assert_int_equal(g->first->n_inputs, 3);
    assert_int_equal(mq_node_attr_int(g->first, "unidirectional", 0), 1);
}

/* The same with the sequence first; `turn`: how x comes there. */
static void turned_attention(const char *turn)
{
    static const int64_t sizes[] = { 8, 8, 8 };

    make_input(g, "x", MQ_FLOAT, "3,3,6");
    make_random("w", MQ_FLOAT, "6,24");
    make_random("b", MQ_FLOAT, "24");
    make_longs("sizes", "3", sizes);
    node_ints(make_node(g, "Transpose", "x", "t"), "perm", turn);
    make_node(g, "MatMul", "t,w", "p");
    make_node(g, "Add", "p,b", "u");
    node_ints(make_node(g, "Transpose", "u", "s"), "perm", "1,0,2");
    node_int(make_node(g, "Split", "s,sizes", "q,k,v"), "axis", 2);
    node_int(make_node(g, "MultiHeadAttention", "q,k,v", "y"), "num_heads", 2)->domain = "com.microsoft";
    make_output(g, "y");
}

static void sequence_first(void **state)
{
    (void)state;
    turned_attention("1,0,2");
    pass_becomes(&mq_pass_fuse_projection, "Attention", TOLERANCE);
}

static void not_fused_when_turned_once_only(void **state)
{
    (void)state;
    turned_attention("0,1,2");
    pass_leaves(&mq_pass_fuse_projection);
}

static void not_fused_when_in_another_order(void **state)
{
    (void)state;
    attention_of("p,b", "k,q,v");
    pass_leaves(&mq_pass_fuse_projection);
}

static void not_fused_when_a_part_is_read(void **state)
{
    (void)state;
    attention_of("p,b", "q,k,v");
    make_output(g, "k");
    pass_leaves(&mq_pass_fuse_projection);
}

static void not_fused_when_the_product_is_read(void **state)
{
    (void)state;
    attention_of("p,b", "q,k,v");
    make_output(g, "p");
    pass_leaves(&mq_pass_fuse_projection);
}

static void not_fused_when_there_is_a_bias_of_heads(void **state)
{
    (void)state;
    attention_of("p,b", "q,k,v,b");
    pass_leaves(&mq_pass_fuse_projection);
}

static void not_fused_when_other_outputs_are_read(void **state)
{
    (void)state;
    mq_node *n = attention_of("p,b", "q,k,v");

    assert_int_equal(mq_node_set_output(n, 1, make_value(g, "present"), NULL), MQ_OK);
    make_output(g, "present");
    pass_leaves(&mq_pass_fuse_projection);
}

static void not_fused_when_the_sum_is_of_no_row(void **state)
{
    (void)state;
    make_random("c", MQ_FLOAT, "1,1,24");
    attention_of("p,c", "q,k,v");
    pass_leaves(&mq_pass_fuse_projection);
}

static void not_fused_when_weights_vary(void **state)
{
    (void)state;
    attention_of("p,b", "q,k,v");
    mq_value_clear_init(mq_graph_find(g, "w"));
    make_type(mq_graph_find(g, "w"), MQ_FLOAT, "6,24");
    assert_int_equal(mq_graph_add_input(g, mq_graph_find(g, "w"), NULL), MQ_OK);
    pass_leaves(&mq_pass_fuse_projection);
}

static void not_fused_when_parts_differ(void **state)
{
    (void)state;
    attention_of("p,b", "q,k,v");
    mq_graph_find(g, "sizes")->init->data = (const int64_t[]){ 6, 6, 12 };
    pass_leaves(&mq_pass_fuse_projection);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(with_a_mask),
        ON_MODEL(without_a_mask),
        ON_MODEL(sequence_first),
        ON_MODEL(not_fused_when_turned_once_only),
        ON_MODEL(not_fused_when_in_another_order),
        ON_MODEL(not_fused_when_a_part_is_read),
        ON_MODEL(not_fused_when_the_product_is_read),
        ON_MODEL(not_fused_when_there_is_a_bias_of_heads),
        ON_MODEL(not_fused_when_other_outputs_are_read),
        ON_MODEL(not_fused_when_the_sum_is_of_no_row),
        ON_MODEL(not_fused_when_weights_vary),
        ON_MODEL(not_fused_when_parts_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
