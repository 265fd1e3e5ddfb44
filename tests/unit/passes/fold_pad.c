/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_fold_pad;

static mq_node *padded(const char *op, const char *in, const int64_t *pads, float value)
{
    make_input(g, "x", MQ_FLOAT, "1,2,5,5");
    make_random("w", MQ_FLOAT, "3,2,3,3");
    make_longs("pads", "8", pads);
    make_float("value", value);
    make_node(g, "Pad", "x,pads,value", "p");
    make_output(g, "y");
    return node_ints(make_node(g, op, in, "y"), "kernel_shape", "3,3");
}

#define CONV "Conv", "p,w"
#define POOL "AveragePool", "p"

static const int64_t around[] = { 0, 0, 1, 2, 0, 0, 2, 0 };

static void a_convolution_pads_itself(void **state)
{
    (void)state;
    node_ints(padded(CONV, around, 0), "pads", "1,0,0,1");
    pass_becomes(&mq_pass_fold_pad, "Conv", 1e-5);
}

static void an_average_counts_its_padding(void **state)
{
    (void)state;
    padded(POOL, around, 0);
    pass_becomes(&mq_pass_fold_pad, "AveragePool", 1e-5);
}

static void old_files_have_attributes(void **state)
{
    (void)state;
    assert_int_equal(mq_opset_set(m, "", 10, NULL), MQ_OK);
    make_input(g, "x", MQ_FLOAT, "1,2,5,5");
    make_random("w", MQ_FLOAT, "3,2,3,3");
    node_ints(make_node(g, "Pad", "x", "p"), "pads", "0,0,1,1,0,0,1,1");
    make_node(g, "Conv", "p,w", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fold_pad, "Conv", 1e-5);
}

static void not_folded_when_the_value_is_not_zero(void **state)
{
    (void)state;
    padded(CONV, around, 1);
    pass_leaves(&mq_pass_fold_pad);
}

static void not_folded_when_channels_are_padded(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "1,1,5,5");
    make_random("w", MQ_FLOAT, "3,2,3,3");
    make_longs("pads", "8", (const int64_t[]){ 0, 1, 0, 0, 0, 0, 0, 0 });
    make_node(g, "Pad", "x,pads", "p");
    make_node(g, "Conv", "p,w", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fold_pad);
}

static void not_folded_when_something_is_taken_away(void **state)
{
    (void)state;
    padded(CONV, (const int64_t[]){ 0, 0, -1, 0, 0, 0, 0, 0 }, 0);
    pass_leaves(&mq_pass_fold_pad);
}

static void not_folded_when_padding_is_chosen(void **state)
{
    (void)state;
    assert_int_equal(mq_node_set_attr_string(padded(CONV, around, 0), "auto_pad", "SAME_UPPER", NULL), MQ_OK);
    pass_leaves(&mq_pass_fold_pad);
}

static void not_folded_when_the_average_leaves_its_own_out(void **state)
{
    (void)state;
    node_ints(padded(POOL, (const int64_t[]){ 0, 0, 1, 1, 0, 0, 1, 1 }, 0), "pads", "1,1,1,1");
    pass_leaves(&mq_pass_fold_pad);
}

static void not_folded_when_the_average_rounds_up(void **state)
{
    (void)state;
    node_int(node_ints(padded(POOL, around, 0), "strides", "2,2"), "ceil_mode", 1);
    pass_leaves(&mq_pass_fold_pad);
}

static void not_folded_when_another_reads_it(void **state)
{
    (void)state;
    padded(CONV, around, 0);
    make_node(g, "Exp", "p", "z");
    make_output(g, "z");
    pass_leaves(&mq_pass_fold_pad);
}

static void not_folded_when_it_reflects(void **state)
{
    (void)state;
    padded(CONV, around, 0);
    assert_int_equal(mq_node_set_attr_string(g->first, "mode", "reflect", NULL), MQ_OK);
    pass_leaves(&mq_pass_fold_pad);
}

static void not_folded_when_axes_are_named(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "1,2,5,5");
    make_random("w", MQ_FLOAT, "3,2,3,3");
    make_longs("pads", "2", (const int64_t[]){ 1, 1 });
    make_longs("axes", "1", (const int64_t[]){ 2 });
    make_node(g, "Pad", "x,pads,,axes", "p");
    make_node(g, "Conv", "p,w", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fold_pad);
}

static void not_folded_when_pads_are_computed(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "1,2,5,5");
    make_input(g, "pads", MQ_INT64, "8");
    make_random("w", MQ_FLOAT, "3,2,3,3");
    make_node(g, "Pad", "x,pads", "p");
    make_node(g, "Conv", "p,w", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fold_pad);
}

static void not_folded_when_a_window_would_lie_in_the_padding(void **state)
{
    (void)state;
    padded(POOL, (const int64_t[]){ 0, 0, 3, 0, 0, 0, 0, 0 }, 0);
    pass_leaves(&mq_pass_fold_pad);
}

static void not_folded_when_it_is_an_output(void **state)
{
    (void)state;
    padded(CONV, around, 0);
    make_output(g, "p");
    pass_leaves(&mq_pass_fold_pad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(a_convolution_pads_itself),
        ON_MODEL(an_average_counts_its_padding),
        ON_MODEL(old_files_have_attributes),
        ON_MODEL(not_folded_when_the_value_is_not_zero),
        ON_MODEL(not_folded_when_channels_are_padded),
        ON_MODEL(not_folded_when_something_is_taken_away),
        ON_MODEL(not_folded_when_padding_is_chosen),
        ON_MODEL(not_folded_when_the_average_leaves_its_own_out),
        ON_MODEL(not_folded_when_the_average_rounds_up),
        ON_MODEL(not_folded_when_another_reads_it),
        ON_MODEL(not_folded_when_it_reflects),
        ON_MODEL(not_folded_when_axes_are_named),
        ON_MODEL(not_folded_when_pads_are_computed),
        ON_MODEL(not_folded_when_a_window_would_lie_in_the_padding),
        ON_MODEL(not_folded_when_it_is_an_output),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
