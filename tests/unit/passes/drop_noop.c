/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_drop_noop;

#define END()                         \
    make_node(g, "Exp", "t", "y");    \
    make_output(g, "y")

static void views_that_come_back(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,1,4");
    make_longs("one", "1", (const int64_t[]){ 1 });
    make_longs("shape", "3", (const int64_t[]){ 0, 1, 4 });
    make_node(g, "Squeeze", "x,one", "a");
    make_node(g, "Unsqueeze", "a,one", "b");
    make_node(g, "Reshape", "b,shape", "t");
    END();
    pass_becomes(&mq_pass_drop_noop, "Exp", 0);
}

static void everything_that_does_nothing(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,4");
    make_longs("start", "2", (const int64_t[]){ 0, 0 });
    make_longs("end", "2", (const int64_t[]){ 100, 4 });
    make_longs("shape", "2", (const int64_t[]){ 2, 1 });
    make_longs("ones", "2", (const int64_t[]){ 1, 1 });
    make_longs("pads", "4", (const int64_t[]){ 0, 0, 0, 0 });
    make_float("zero", 0);
    make_float("one", 1);
    make_node(g, "Slice", "x,start,end", "a");
    make_node(g, "Expand", "a,shape", "b");
    make_node(g, "Tile", "b,ones", "c");
    make_node(g, "Pad", "c,pads", "d");
    make_node(g, "Add", "zero,d", "e");
    make_node(g, "Div", "e,one", "f");
    node_int(make_node(g, "Concat", "f", "t"), "axis", 0);
    END();
    pass_becomes(&mq_pass_drop_noop, "Exp", 0);
}

static void transposes_become_one(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,3,4");
    node_ints(make_node(g, "Transpose", "x", "a"), "perm", "1,2,0");
    make_node(g, "Transpose", "a", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_drop_noop, "Transpose", 0);
}

static void what_does_something_stays(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "4,4");
    make_longs("axes", "1", (const int64_t[]){ 0 });
    make_longs("start", "1", (const int64_t[]){ -1 });
    make_longs("end", "1", (const int64_t[]){ -100 });
    make_longs("back", "1", (const int64_t[]){ -1 });
    make_longs("pads", "4", (const int64_t[]){ 1, 0, -1, 0 });
    make_longs("shape", "2", (const int64_t[]){ 2, 8 });
    make_float("one", 1);
    make_node(g, "Slice", "x,start,end,axes,back", "a");
    make_node(g, "Pad", "a,pads", "b");
    make_node(g, "Div", "one,b", "c");
    make_node(g, "Sub", "c,one", "d");
    make_node(g, "Reshape", "d,shape", "t");
    END();
    pass_leaves(&mq_pass_drop_noop);
}

static void stretching_arithmetic_stays(void **state)
{
    const float ones[] = { 1 };

    (void)state;
    make_input(g, "x", MQ_FLOAT, "4");
    make_init(g, "one", MQ_FLOAT, "1,1", ones);
    make_node(g, "Mul", "x,one", "t");
    END();
    pass_leaves(&mq_pass_drop_noop);
}

static void outputs_keep_their_names(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,4");
    make_longs("shape", "2", (const int64_t[]){ 2, 4 });
    make_node(g, "Reshape", "x,shape", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_drop_noop);
}

static void pads_of_old_files(void **state)
{
    (void)state;
    assert_int_equal(mq_opset_set(m, "", 10, NULL), MQ_OK);
    make_input(g, "x", MQ_FLOAT, "2,4");
    node_ints(make_node(g, "Pad", "x", "a"), "pads", "0,0,0,0");
    node_ints(make_node(g, "Pad", "a", "t"), "pads", "0,1,0,0");
    END();
    pass_becomes(&mq_pass_drop_noop, "Pad Exp", 0);
}

static void not_dropped_when_sizes_are_unknown(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "M,N");
    make_input(g, "shape", MQ_INT64, "2");
    make_node(g, "Reshape", "x,shape", "a");
    make_node(g, "Expand", "a,shape", "t");
    make_node(g, "Exp", "t", "y");
    make_output(g, "y");
    assert_int_equal(pass_apply(&mq_pass_drop_noop, NULL), 0);
}

static void not_dropped_when_pads_are_computed(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,4");
    make_input(g, "pads", MQ_INT64, "4");
    make_node(g, "Pad", "x,pads", "a");
    make_node(g, "Exp", "a", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_drop_noop);
}

static void not_dropped_when_it_joins_two(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,4");
    node_int(make_node(g, "Concat", "x,x", "a"), "axis", 0);
    make_node(g, "Exp", "a", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_drop_noop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(views_that_come_back),
        ON_MODEL(everything_that_does_nothing),
        ON_MODEL(transposes_become_one),
        ON_MODEL(what_does_something_stays),
        ON_MODEL(stretching_arithmetic_stays),
        ON_MODEL(outputs_keep_their_names),
        ON_MODEL(pads_of_old_files),
        ON_MODEL(not_dropped_when_sizes_are_unknown),
        ON_MODEL(not_dropped_when_pads_are_computed),
        ON_MODEL(not_dropped_when_it_joins_two),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
