/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/ops/window.c through Conv and MaxPool, and src/ops/conv.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/one_node.h"

/* Conv of version 11 with 8 output channels for 4 input channels. */
static void open_conv(one_node *t, const char *x, const char *w)
{
    one_open(t, "Conv", 11);
    one_in(t, MQ_FLOAT, x);
    one_in(t, MQ_FLOAT, w);
}

static void auto_pad(one_node *t, const char *how)
{
    assert_int_equal(mq_node_set_attr_string(t->node, "auto_pad", how, NULL), MQ_OK);
}

static void explicit_padding(void **state)
{
    one_node t;

    (void)state;
    open_conv(&t, "N,4,224,H", "8,4,7,7");
    one_attr_ints(&t, "strides", 2, 1);
    one_attr_ints(&t, "pads", 3, 3, 3, 3);
    one_gives(&t, "float[N,8,112,H]"); /* 7 - 1 of padding and stride 1 keep a symbol */
    open_conv(&t, "N,4,10", "8,4,3");
    one_attr_ints(&t, "dilations", 3);
    one_gives(&t, "float[N,8,4]");
    open_conv(&t, "N,4,H", "8,4,3");
    one_attr_ints(&t, "strides", 2);
    one_gives(&t, "float[N,8,?]");
}

static void same_and_valid(void **state)
{
    one_node t;

    (void)state;
    open_conv(&t, "N,4,9,H", "8,4,3,5");
    auto_pad(&t, "SAME_UPPER");
    one_attr_ints(&t, "strides", 2, 1);
    one_gives(&t, "float[N,8,5,H]");
    open_conv(&t, "N,4,9,H", "8,4,3,5");
    auto_pad(&t, "VALID");
    one_attr_ints(&t, "pads", 9, 9, 9, 9);
    one_gives(&t, "float[N,8,7,?]");
    open_conv(&t, "N,4,9,H", "8,4,3,5");
    auto_pad(&t, "SAME");
    one_refused(&t, 1, "'SAME', it must be");
}

static void unknown_operands(void **state)
{
    one_node t;

    (void)state;
    open_conv(&t, "...", "8,4,3,3");
    one_gives(&t, "float[?,8,?,?]");
    open_conv(&t, "N,4,9,9", "...");
    one_attr_ints(&t, "kernel_shape", 3, 3);
    one_gives(&t, "float[N,?,7,7]");
    open_conv(&t, "...", "...");
    one_gives(&t, "float[...]");
}

static void refuses_hostile_attributes(void **state)
{
    static const struct {
        const char *name, *part;
        int64_t v;
    } bad[] = {
        { "strides", "at least 1", 0 },          { "strides", "at least 1", -1 },
        { "dilations", "at least 1", 0 },        { "kernel_shape", "at least 1", INT64_MIN },
        { "kernel_shape", "same size", 5 },      { "dilations", "does not fit", INT64_MAX / 4 },
    };
    one_node t;

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(bad); i++) {
        open_conv(&t, "N,4,9", "8,4,3");
        one_attr_ints(&t, bad[i].name, bad[i].v);
        one_refused(&t, 1, bad[i].part);
    }
    open_conv(&t, "N,4,9,9", "8,4,3,3");
    one_attr_ints(&t, "kernel_shape", 3);
    one_refused(&t, 1, "has 1 entries, 2 are needed");
    open_conv(&t, "N,4,9", "8,4,3");
    one_attr_ints(&t, "pads", 1);
    one_refused(&t, 1, "has 1 entries, 2 are needed");
    open_conv(&t, "N,4,9", "8,4,3");
    one_attr_ints(&t, "pads", INT64_MAX, INT64_MAX);
    one_refused(&t, 1, "out of range");
    open_conv(&t, "N,4,9", "8,4,3");
    one_attr(&t, "group", 0);
    one_refused(&t, 1, "'group' is 0");
    open_conv(&t, "N,4,9", "8,4,3");
    one_attr(&t, "group", INT64_MAX);
    one_refused(&t, 1, "groups");
    open_conv(&t, "N,4,9", "8,4");
    one_refused(&t, 1, "rank 2");
    open_conv(&t, "N,4,2", "8,4,3");
    one_refused(&t, 1, "does not fit");
}

static void ceil_leaves_out_windows_in_the_padding(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "MaxPool", 12);
    one_in(&t, MQ_FLOAT, "N,4,16");
    one_attr_ints(&t, "kernel_shape", 2);
    one_attr_ints(&t, "strides", 3);
    one_attr_ints(&t, "pads", 1, 1);
    one_attr(&t, "ceil_mode", 1);
    one_gives(&t, "float[N,4,6]"); /* a seventh would start at 18 of 1 + 16 + 1 */
    one_open(&t, "MaxPool", 12);
    one_in(&t, MQ_FLOAT, "N,4,8");
    one_attr_ints(&t, "kernel_shape", 3);
    one_attr_ints(&t, "strides", 2);
    one_attr(&t, "ceil_mode", 1);
    one_gives(&t, "float[N,4,4]");
}

/* ConvTranspose of version 11, 4 channels to 3 in each group */
static void open_transposed(one_node *t, const char *x)
{
    one_open(t, "ConvTranspose", 11);
    one_in(t, MQ_FLOAT, x);
    one_in(t, MQ_FLOAT, "4,3,3,3");
    one_attr(t, "group", 2);
    one_attr_ints(t, "strides", 2, 1);
}

static void transposed(void **state)
{
    one_node t;

    (void)state;
    open_transposed(&t, "N,4,5,H");
    one_attr_ints(&t, "pads", 1, 1, 1, 1);
    one_attr_ints(&t, "output_padding", 1, 0);
    one_gives(&t, "float[N,6,10,H]");
    open_transposed(&t, "N,4,5,H");
    auto_pad(&t, "SAME_LOWER");
    one_gives(&t, "float[N,6,10,H]");
    open_transposed(&t, "N,4,5,H");
    one_attr_ints(&t, "output_shape", 10, 8);
    one_gives(&t, "float[N,6,10,8]");
    open_transposed(&t, "N,4,5,5");
    one_attr_ints(&t, "pads", 1, 9, 1, 9);
    one_refused(&t, 1, "pads are too large");
    open_transposed(&t, "N,4,5,5");
    one_attr_ints(&t, "output_padding", INT64_MAX, 0);
    one_refused(&t, 1, "out of range");
    open_transposed(&t, "N,4,5,5");
    one_attr_ints(&t, "output_shape", -1, 0);
    one_refused(&t, 1, "'output_shape' holds -1");
}

static void counts_macs(void **state)
{
    one_node t;
    const mq_op_rule *rule = mq_rule_find("", "Conv");

    (void)state;
    open_conv(&t, "2,4,10,10", "8,2,3,3");
    one_attr(&t, "group", 2);
    one_run(&t, 1);
    assert_int_equal(rule->macs(t.node), 2 * 8 * 8 * 8 * 2 * 3 * 3);
    mq_model_free(t.model);
    open_conv(&t, "N,4,10,10", "8,4,3,3");
    one_run(&t, 1);
    assert_int_equal(rule->macs(t.node), -1);
    mq_model_free(t.model);
    open_conv(&t, "4611686018427387904,4,1000000,10", "8,4,3,3");
    one_run(&t, 1);
    assert_int_equal(rule->macs(t.node), -1);
    mq_model_free(t.model);
    open_transposed(&t, "2,4,5,5");
    one_run(&t, 1);
    assert_int_equal(mq_rule_find("", "ConvTranspose")->macs(t.node), 2 * 5 * 5 * 4 * 3 * 9);
    mq_model_free(t.model);
}

static void folds_columns(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Col2Im", 18);
    one_in(&t, MQ_FLOAT, "N,20,9");
    one_shape_of(&t, "H,7");
    one_ints(&t, 2, 5);
    one_gives(&t, "float[N,2,H,7]");
    one_open(&t, "Col2Im", 18);
    one_in(&t, MQ_FLOAT, "N,20,9");
    one_ints(&t, 5, 5);
    one_ints(&t, 0, 5);
    one_refused(&t, 1, "multiple");
    one_open(&t, "Col2Im", 18);
    one_in(&t, MQ_FLOAT, "N,20,9");
    one_ints(&t, 5, -5);
    one_ints(&t, 1, 5);
    one_refused(&t, 1, "-5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(explicit_padding),
        cmocka_unit_test(same_and_valid),
        cmocka_unit_test(unknown_operands),
        cmocka_unit_test(refuses_hostile_attributes),
        cmocka_unit_test(ceil_leaves_out_windows_in_the_padding),
        cmocka_unit_test(transposed),
        cmocka_unit_test(counts_macs),
        cmocka_unit_test(folds_columns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
