/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"
#include "qdq_make.h"

extern const mq_pass mq_pass_move_transposes;

#define CLOSE 1e-6

static void turn(const char *in, const char *out, const char *perm)
{
    node_ints(make_node(g, "Transpose", in, out), "perm", perm);
}

/* x, as channels last, is read by what follows as t. */
static void begin(void)
{
    make_input(g, "x", MQ_FLOAT, "N,4,5,6");
    turn("x", "t", "0,2,3,1");
}

/* And `in` goes back, to y. */
static void end(const char *in)
{
    turn(in, "y", "0,3,1,2");
    make_output(g, "y");
}

static void becomes(const char *ops)
{
    pass_becomes(&mq_pass_move_transposes, ops, CLOSE);
}

static void arithmetic_between_is_turned(void **state)
{
    (void)state;
    begin();
    make_random("b", MQ_FLOAT, "4");
    make_random("c", MQ_FLOAT, "1,5,6,1");
    make_random("d", MQ_FLOAT, "3,5,6,4");
    make_node(g, "Add", "b,t", "u");
    make_node(g, "Mul", "u,c", "v");
    make_node(g, "Sub", "v,d", "s");
    make_node(g, "Relu", "s", "w");
    end("w");
    becomes("Add Mul Sub Relu");
    assert_string_equal(g->last->outputs[0]->name, "y");
}

static void residual_of_two_ends(void **state)
{
    (void)state;
    begin();
    make_input(g, "x2", MQ_FLOAT, "N,4,5,6");
    turn("x2", "t2", "0,2,3,1");
    make_node(g, "Relu", "t", "r");
    make_node(g, "Add", "r,t2", "s");
    make_node(g, "Tanh", "s", "w");
    turn("r", "z", "0,3,1,2");
    make_output(g, "z");
    end("w");
    becomes("Relu Add Tanh");
}

static void several_become_one(void **state)
{
    (void)state;
    begin();
    make_input(g, "x2", MQ_FLOAT, "N,2,5,6");
    turn("x2", "t2", "0,2,3,1");
    node_int(make_node(g, "Concat", "t,t2", "u"), "axis", -1);
    make_node(g, "Exp", "u", "y");
    make_output(g, "y");
    becomes("Concat Transpose Exp");
    assert_int_equal(mq_node_attr_int(g->first, "axis", 0), 1);
}

static void a_part_is_turned(void **state)
{
    (void)state;
    begin();
    make_input(g, "plain", MQ_FLOAT, "N,5,6,4");
    make_input(g, "plain2", MQ_FLOAT, "N,5,6,4");
    make_node(g, "Relu", "t", "u");
    turn("u", "z", "0,3,1,2");
    make_output(g, "z");
    make_node(g, "Add", "u,plain", "v");
    make_node(g, "Mul", "v,plain2", "y");
    make_output(g, "y");
    becomes("Relu Transpose Add Mul");
}

static void a_smaller_tensor_is_turned(void **state)
{
    (void)state;
    begin();
    make_longs("axes", "2", (const int64_t[]){ 1, -2 });
    make_node(g, "ReduceMean", "t,axes", "m");
    make_node(g, "Sigmoid", "m", "y");
    make_output(g, "y");
    becomes("ReduceMean Transpose Sigmoid");
}

static void what_is_left_keeps_its_order(void **state)
{
    (void)state;
    begin();
    make_longs("axes", "2", (const int64_t[]){ 1, 2 });
    node_int(make_node(g, "ReduceMean", "t,axes", "y"), "keepdims", 0);
    make_output(g, "y");
    becomes("ReduceMean");
}

static void along_axes(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "4,5,6,N");
    turn("x", "t", "3,1,2,0");
    make_longs("pads", "8", (const int64_t[]){ 0, 1, 0, 0, 0, 0, 2, 0 });
    make_longs("starts", "2", (const int64_t[]){ 1, 0 });
    make_longs("ends", "2", (const int64_t[]){ 5, 3 });
    make_longs("axes", "2", (const int64_t[]){ 1, -1 });
    make_longs("repeats", "4", (const int64_t[]){ 1, 1, 1, 2 });
    make_longs("three", "2", (const int64_t[]){ 3, 3 });
    make_longs("index", "2", (const int64_t[]){ 1, 0 });
    make_node(g, "Pad", "t,pads", "a");
    make_node(g, "Slice", "a,starts,ends,axes", "b");
    make_node(g, "Tile", "b,repeats", "c");
    node_int(make_node(g, "Softmax", "c", "d"), "axis", 2);
    node_int(make_node(g, "Split", "d,three", "e,f"), "axis", -1);
    node_int(make_node(g, "Gather", "f,index", "h"), "axis", 2);
    node_int(make_node(g, "ArgMax", "h", "i"), "axis", 1);
    turn("e", "y", "3,1,2,0");
    turn("i", "z", "3,1,2,0");
    make_output(g, "y");
    make_output(g, "z");
    becomes("Pad Slice Tile Softmax Split Gather ArgMax");
}

static void slices_of_the_first_axes(void **state)
{
    (void)state;
    begin();
    make_longs("starts", "2", (const int64_t[]){ 0, 1 });
    make_longs("ends", "2", (const int64_t[]){ 2, 4 });
    make_node(g, "Slice", "t,starts,ends", "u");
    end("u");
    becomes("Slice");
}

static void old_files_have_attributes(void **state)
{
    (void)state;
    assert_int_equal(mq_opset_set(m, "", 9, NULL), MQ_OK);
    make_input(g, "x", MQ_FLOAT, "3,4,5,6");
    turn("x", "t", "0,2,3,1");
    node_ints(make_node(g, "Pad", "t", "a"), "pads", "0,1,0,0,0,0,2,0");
    node_ints(node_ints(node_ints(make_node(g, "Slice", "a", "b"), "starts", "1"), "ends", "3"), "axes", "1");
    node_ints(make_node(g, "ReduceMax", "b", "c"), "axes", "1,2");
    end("c");
    becomes("Pad Slice ReduceMax");
}

static void integers_of_one_scale_and_of_channels(void **state)
{
    (void)state;
    begin();
    make_parameters("p", MQ_UINT8, 0.05f, 100);
    quantize("t", "q", "p");
    dequantize("q", "d", "p");
    make_positive("s", "4", 0.1f);
    make_random("z", MQ_UINT8, "4");
    node_int(make_node(g, "QuantizeLinear", "d,s,z", "u"), "axis", 3);
    end("u");
    becomes("QuantizeLinear DequantizeLinear QuantizeLinear");
    assert_int_equal(mq_node_attr_int(g->last, "axis", 0), 1);
}

static void another_order_is_joined(void **state)
{
    (void)state;
    begin();
    make_node(g, "Relu", "t", "u");
    turn("u", "z", "3,0,1,2");
    make_output(g, "z");
    end("u");
    becomes("Relu Transpose");
}

/* The Transpose of what everybody reads may stand anywhere behind it. */
static void a_turned_form_that_is_there_is_used(void **state)
{
    (void)state;
    make_input(g, "a", MQ_FLOAT, "N,5,6,4");
    begin();
    make_node(g, "Add", "a,t", "u");
    end("u");
    turn("a", "z", "0,3,1,2");
    make_output(g, "z");
    becomes("Transpose Add");
}

static void branches_read_the_plain_form(void **state)
{
    static const char *const names[] = { "then_branch", "else_branch" };
    mq_node *n;

    (void)state;
    begin();
    make_input(g, "on", MQ_BOOL, "");
    make_node(g, "Relu", "t", "u");
    end("u");
    n = make_node(g, "If", "on", "z");
    for (int i = 0; i < 2; i++) {
        mq_graph *branch = make_subgraph(n, names[i]);

        make_node(branch, i ? "Neg" : "Abs", "u", names[i]);
        make_output(branch, names[i]);
    }
    make_output(g, "z");
    becomes("Relu Transpose If");
}

static void not_turned_when_it_saves_nothing(void **state)
{
    (void)state;
    begin();
    make_node(g, "Relu", "t", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_move_transposes);
}

static void not_turned_when_a_tensor_has_fewer_dimensions(void **state)
{
    (void)state;
    begin();
    make_input(g, "b", MQ_FLOAT, "4");
    make_node(g, "Add", "t,b", "u");
    end("u");
    pass_leaves(&mq_pass_move_transposes);
}

static void not_turned_when_a_list_is_no_constant(void **state)
{
    (void)state;
    begin();
    make_input(g, "pads", MQ_INT64, "8");
    make_node(g, "Pad", "t,pads", "u");
    end("u");
    pass_leaves(&mq_pass_move_transposes);
}

static void not_turned_when_softmax_would_leave_the_last_axis(void **state)
{
    (void)state;
    begin();
    node_int(make_node(g, "Softmax", "t", "u"), "axis", -1);
    end("u");
    pass_leaves(&mq_pass_move_transposes);
}

static void not_turned_when_softmax_is_of_all_axes_behind(void **state)
{
    (void)state;
    assert_int_equal(mq_opset_set(m, "", 11, NULL), MQ_OK);
    begin();
    node_int(make_node(g, "Softmax", "t", "u"), "axis", 1);
    end("u");
    pass_leaves(&mq_pass_move_transposes);
}

static void not_turned_when_what_is_left_changes_its_order(void **state)
{
    (void)state;
    begin();
    make_longs("axes", "1", (const int64_t[]){ 1 });
    node_int(make_node(g, "ReduceMean", "t,axes", "y"), "keepdims", 0);
    make_output(g, "y");
    pass_leaves(&mq_pass_move_transposes);
}

static void not_turned_when_blocks_share_a_scale(void **state)
{
    (void)state;
    begin();
    make_positive("s", "3,5,6,2", 0.1f);
    make_random("z", MQ_UINT8, "3,5,6,2");
    node_int(node_int(make_node(g, "QuantizeLinear", "t,s,z", "u"), "axis", 3), "block_size", 2);
    end("u");
    pass_leaves(&mq_pass_move_transposes);
}

static void not_turned_when_a_large_constant_is_shared(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "1,4,50,60");
    turn("x", "t", "0,2,3,1");
    make_random("c", MQ_FLOAT, "1,50,60,4");
    make_node(g, "Add", "t,c", "u");
    make_node(g, "Exp", "c", "z");
    make_output(g, "z");
    end("u");
    pass_leaves(&mq_pass_move_transposes);
}

static void not_turned_when_a_transpose_would_have_both_ends_inside(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "3,3");
    make_node(g, "Transpose", "x", "t");
    make_node(g, "Relu", "t", "a");
    make_node(g, "Transpose", "a", "b");
    make_node(g, "Add", "a,b", "c");
    make_node(g, "Transpose", "c", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_move_transposes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(arithmetic_between_is_turned),
        ON_MODEL(residual_of_two_ends),
        ON_MODEL(several_become_one),
        ON_MODEL(a_part_is_turned),
        ON_MODEL(a_smaller_tensor_is_turned),
        ON_MODEL(what_is_left_keeps_its_order),
        ON_MODEL(along_axes),
        ON_MODEL(slices_of_the_first_axes),
        ON_MODEL(old_files_have_attributes),
        ON_MODEL(integers_of_one_scale_and_of_channels),
        ON_MODEL(another_order_is_joined),
        ON_MODEL(a_turned_form_that_is_there_is_used),
        ON_MODEL(branches_read_the_plain_form),
        ON_MODEL(not_turned_when_it_saves_nothing),
        ON_MODEL(not_turned_when_a_tensor_has_fewer_dimensions),
        ON_MODEL(not_turned_when_a_list_is_no_constant),
        ON_MODEL(not_turned_when_softmax_would_leave_the_last_axis),
        ON_MODEL(not_turned_when_softmax_is_of_all_axes_behind),
        ON_MODEL(not_turned_when_what_is_left_changes_its_order),
        ON_MODEL(not_turned_when_blocks_share_a_scale),
        ON_MODEL(not_turned_when_a_large_constant_is_shared),
        ON_MODEL(not_turned_when_a_transpose_would_have_both_ends_inside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
