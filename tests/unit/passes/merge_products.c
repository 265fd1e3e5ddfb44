/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_merge_products;

/* One projection of x: [2,5,8] -> [2,5,columns], with names that begin with `name` */
static void make_projection(const char *name, const char *dims, const char *columns, bool sum)
{
    char w[32], bias[32], p[32], in[64], out[32];

    snprintf(w, sizeof w, "%sw", name);
    snprintf(bias, sizeof bias, "%sb", name);
    snprintf(p, sizeof p, "%sp", name);
    snprintf(out, sizeof out, "%sa", name);
    make_random(w, MQ_FLOAT, dims);
    make_random(bias, MQ_FLOAT, columns);
    snprintf(in, sizeof in, "x,%s", w);
    make_node(g, "MatMul", in, p);
    snprintf(in, sizeof in, "%s,%s", p, bias);
    if (sum)
        make_node(g, "Add", in, out);
}

static void make_heads(const char *name, const char *perm)
{
    char in[64], r[32];

    snprintf(in, sizeof in, "%sa,heads", name);
    snprintf(r, sizeof r, "%sr", name);
    make_node(g, "Reshape", in, r);
    node_ints(make_node(g, "Transpose", r, name), "perm", perm);
}

static void make_three(bool sums)
{
    make_input(g, "x", MQ_FLOAT, "2,5,8");
    make_longs("heads", "4", (const int64_t[]){ 0, 0, 2, 4 });
    make_projection("q", "8,8", "8", sums);
    make_projection("k", "8,8", "8", sums);
    make_projection("v", "8,8", "8", sums);
}

static void attention_has_one_product(void **state)
{
    (void)state;
    make_three(true);
    make_heads("q", "0,2,1,3");
    make_heads("k", "0,2,3,1");
    make_heads("v", "0,2,1,3");
    make_node(g, "MatMul", "q,k", "s");
    make_node(g, "MatMul", "s,v", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_merge_products, "MatMul Add Reshape Transpose Split Transpose MatMul MatMul", 1e-4);
}

static void before_opset_13_sizes_are_an_attribute(void **state)
{
    (void)state;
    assert_int_equal(mq_opset_set(m, "", 11, NULL), MQ_OK);
    make_three(true);
    make_node(g, "Mul", "qa,ka", "s");
    make_node(g, "Mul", "s,va", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_merge_products, "MatMul Add Split Mul Mul", 1e-4);
}

static void columns_may_differ_and_outputs_keep_their_names(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,5,8");
    make_projection("q", "8,8", "8", true);
    make_projection("k", "8,3", "3", true);
    make_output(g, "qa");
    make_output(g, "ka");
    pass_becomes(&mq_pass_merge_products, "MatMul Add Split", 1e-4);
    assert_string_equal(g->outputs.items[1]->name, "ka");
}

static void different_heads_are_split_before(void **state)
{
    (void)state;
    make_three(true);
    make_longs("other", "4", (const int64_t[]){ 0, 0, 4, 2 });
    make_node(g, "Reshape", "qa,heads", "q");
    make_node(g, "Reshape", "ka,other", "k");
    make_node(g, "Reshape", "va,heads", "v");
    make_output(g, "q");
    make_output(g, "k");
    make_output(g, "v");
    pass_becomes(&mq_pass_merge_products, "MatMul Add Split Reshape Reshape Reshape", 1e-4);
}

static void a_bias_that_not_all_have_stays_behind(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,5,8");
    make_projection("q", "8,8", "8", true);
    make_projection("k", "8,8", "8", false);
    make_projection("v", "8,8", "8", true);
    make_output(g, "qa");
    make_output(g, "kp");
    make_output(g, "va");
    pass_becomes(&mq_pass_merge_products, "MatMul Split Add Add", 1e-4);
}

static void not_merged_when_nothing_is_saved(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,5,8");
    make_projection("q", "8,8", "8", false);
    make_projection("k", "8,8", "8", false);
    make_output(g, "qp");
    make_output(g, "kp");
    pass_leaves(&mq_pass_merge_products);
}

static void not_merged_when_weights_are_read_twice(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,5,8");
    make_projection("q", "8,8", "8", true);
    make_projection("k", "8,8", "8", true);
    make_node(g, "Neg", "kw", "z");
    make_node(g, "Mul", "qa,ka", "y");
    make_output(g, "y");
    make_output(g, "z");
    pass_leaves(&mq_pass_merge_products);
}

static void not_merged_when_a_product_is_read_beside_its_sum(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,5,8");
    make_projection("q", "8,8", "8", true);
    make_projection("k", "8,8", "8", true);
    make_node(g, "Mul", "qa,ka", "s");
    make_node(g, "Mul", "s,kp", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_merge_products);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(attention_has_one_product),
        ON_MODEL(before_opset_13_sizes_are_an_attribute),
        ON_MODEL(columns_may_differ_and_outputs_keep_their_names),
        ON_MODEL(different_heads_are_split_before),
        ON_MODEL(a_bias_that_not_all_have_stays_behind),
        ON_MODEL(not_merged_when_nothing_is_saved),
        ON_MODEL(not_merged_when_weights_are_read_twice),
        ON_MODEL(not_merged_when_a_product_is_read_beside_its_sum),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
