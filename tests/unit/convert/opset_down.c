/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/convert/opset_down.c: the older form of an operator that has one computes the same; what has none is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../passes/pass_check.h"
#include "convert/convert.h"

/* The model at another opset than the fixture's. */
static void at_opset(int opset)
{
    assert_int_equal(mq_opset_set(m, "", opset, NULL), MQ_OK);
}

static void lower(int to)
{
    mq_error err = { 0 };

    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    if (mq_convert_lower_opset(m, to, &err) != MQ_OK)
        fail_msg("%s", err.text);
    assert_int_equal(mq_opset_of(g, ""), to);
    graph_check(m);
    mq_model_drop_unused(m);
    if (mq_model_verify(m, &err) != MQ_OK)
        fail_msg("%s", err.text);
}

/* The same outputs before and after. */
static void lowers(int to)
{
    pass_io before = { .n_in = 0 }, after;

    pass_run(&before);
    after = before;
    lower(to);
    pass_run(&after);
    pass_near(&before, &after, 1e-6);
    pass_release(before.in, before.n_in);
    pass_release(before.out, before.n_out);
    pass_release(after.out, after.n_out);
}

static void refuses(int to, const char *why)
{
    mq_error err = { 0 };

    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    assert_int_equal(mq_convert_lower_opset(m, to, &err), MQ_ERR_UNSUPPORTED);
    if (!strstr(err.text, why))
        fail_msg("'%s' is not in '%s'", why, err.text);
}

static void axes_become_attributes(void **state)
{
    (void)state;
    at_opset(18);
    make_input(g, "x", MQ_FLOAT, "2,1,4");
    make_longs("one", "1", (const int64_t[]){ 1 });
    make_longs("last", "1", (const int64_t[]){ -1 });
    make_node(g, "Squeeze", "x,one", "a");
    make_node(g, "Unsqueeze", "a,one", "b");
    make_node(g, "ReduceMean", "b,last", "c");
    make_node(g, "ReduceSum", "c,one", "d");
    make_node(g, "ReduceMax", "d", "y");
    make_output(g, "y");
    lowers(11);
    for (const mq_node *n = g->first; n; n = n->next)
        assert_int_equal(n->n_inputs, 1);
    assert_non_null(mq_node_attr(g->first, "axes"));
    assert_null(mq_node_attr(g->last, "axes"));
}

static void not_lowered_when_axes_are_computed(void **state)
{
    (void)state;
    at_opset(18);
    make_input(g, "x", MQ_FLOAT, "2,1,4");
    make_input(g, "axes", MQ_INT64, "1");
    make_node(g, "Squeeze", "x,axes", "y");
    make_output(g, "y");
    refuses(12, "its axes are no constant");
}

static void not_lowered_when_reducing_nothing(void **state)
{
    (void)state;
    at_opset(18);
    make_input(g, "x", MQ_FLOAT, "2,4");
    node_int(make_node(g, "ReduceMean", "x", "y"), "noop_with_empty_axes", 1);
    make_output(g, "y");
    refuses(17, "it reduces nothing");
}

static void lists_of_slice_pad_and_split(void **state)
{
    (void)state;
    at_opset(18);
    make_input(g, "x", MQ_FLOAT, "4,6");
    make_longs("starts", "2", (const int64_t[]){ 1, 0 });
    make_longs("ends", "2", (const int64_t[]){ 3, 6 });
    make_longs("axes", "2", (const int64_t[]){ 0, 1 });
    make_longs("steps", "2", (const int64_t[]){ 1, 1 });
    make_longs("pads", "4", (const int64_t[]){ 0, 1, 1, 0 });
    make_float("value", 2.5f);
    make_longs("sizes", "2", (const int64_t[]){ 3, 4 });
    make_node(g, "Slice", "x,starts,ends,axes,steps", "a");
    make_node(g, "Pad", "a,pads,value", "b");
    node_int(make_node(g, "Split", "b,sizes", "c,d"), "axis", 1);
    node_int(node_int(make_node(g, "Split", "c", "e,f,h"), "axis", 0), "num_outputs", 3);
    make_output(g, "d");
    make_output(g, "e");
    make_output(g, "h");
    lowers(9);
}

static void not_lowered_when_slices_have_steps(void **state)
{
    (void)state;
    at_opset(13);
    make_input(g, "x", MQ_FLOAT, "4");
    make_longs("starts", "1", (const int64_t[]){ 0 });
    make_longs("ends", "1", (const int64_t[]){ 4 });
    make_longs("axes", "1", (const int64_t[]){ 0 });
    make_longs("steps", "1", (const int64_t[]){ 2 });
    make_node(g, "Slice", "x,starts,ends,axes,steps", "y");
    make_output(g, "y");
    refuses(9, "it has steps");
}

static void not_lowered_when_parts_may_differ(void **state)
{
    (void)state;
    at_opset(18);
    make_input(g, "x", MQ_FLOAT, "5,2");
    node_int(make_node(g, "Split", "x", "y,z"), "num_outputs", 2);
    make_output(g, "y");
    make_output(g, "z");
    refuses(17, "its parts are not known to be equal");
}

static void numbers_of_clip_topk_and_dropout(void **state)
{
    (void)state;
    at_opset(13);
    make_input(g, "x", MQ_FLOAT, "2,6");
    make_float("low", -0.5f);
    make_float("high", 0.75f);
    make_longs("k", "1", (const int64_t[]){ 3 });
    make_float("ratio", 0.25f);
    make_node(g, "Clip", "x,low,high", "a");
    make_node(g, "Dropout", "a,ratio", "b");
    make_node(g, "TopK", "b,k", "y,i");
    make_output(g, "y");
    make_output(g, "i");
    lowers(9);
}

static void absent_inputs_at_the_end(void **state)
{
    (void)state;
    at_opset(11);
    make_input(g, "x", MQ_FLOAT, "4");
    make_node(g, "Clip", "x,-,-", "y");
    make_output(g, "y");
    lowers(10);
    assert_int_equal(g->first->n_inputs, 1);
}

static void softmax_along_the_last_axis(void **state)
{
    (void)state;
    at_opset(13);
    make_input(g, "x", MQ_FLOAT, "2,3,4");
    make_node(g, "Softmax", "x", "a");
    node_int(make_node(g, "LogSoftmax", "a", "y"), "axis", 2);
    make_output(g, "y");
    lowers(11);
    assert_int_equal(mq_node_attr_int(g->first, "axis", -5), 2);
}

static void not_lowered_when_softmax_has_another_axis(void **state)
{
    (void)state;
    at_opset(13);
    make_input(g, "x", MQ_FLOAT, "2,3,4");
    node_int(make_node(g, "Softmax", "x", "y"), "axis", 1);
    make_output(g, "y");
    refuses(12, "its axis is not the last one");
}

static void resize_gets_what_it_leaves_out(void **state)
{
    static const float scales[] = { 1, 1, 2, 2 };

    (void)state;
    at_opset(13);
    make_input(g, "x", MQ_FLOAT, "1,1,2,3");
    make_init(g, "scales", MQ_FLOAT, "4", scales);
    make_node(g, "Resize", "x,-,scales", "y");
    make_output(g, "y");
    lowers(11);
    assert_non_null(g->first->inputs[1]);
}

static void what_says_nothing_goes(void **state)
{
    (void)state;
    at_opset(19);
    make_input(g, "x", MQ_FLOAT, "2,4");
    make_longs("shape", "1", (const int64_t[]){ 8 });
    node_int(make_node(g, "Reshape", "x,shape", "a"), "allowzero", 0);
    node_int(node_int(make_node(g, "Cast", "a", "y"), "to", MQ_INT32), "saturate", 1);
    make_output(g, "y");
    lowers(12);
    assert_null(mq_node_attr(g->first, "allowzero"));
    assert_null(mq_node_attr(g->last, "saturate"));
}

static void not_lowered_when_it_did_not_exist(void **state)
{
    (void)state;
    at_opset(20);
    make_input(g, "x", MQ_FLOAT, "2,4");
    make_node(g, "Gelu", "x", "a");
    make_node(g, "Gelu", "a", "y");
    make_output(g, "y");
    refuses(19, "2 nodes cannot be lowered to opset 19: 'a' (Gelu): it does not exist before opset 20; 'y'");
}

static void not_lowered_when_the_type_is_newer(void **state)
{
    (void)state;
    at_opset(14);
    make_input(g, "x", MQ_INT8, "4");
    make_node(g, "Add", "x,x", "y");
    make_output(g, "y");
    refuses(13, "may not be int8[4] before");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(axes_become_attributes),
        ON_MODEL(not_lowered_when_axes_are_computed),
        ON_MODEL(not_lowered_when_reducing_nothing),
        ON_MODEL(lists_of_slice_pad_and_split),
        ON_MODEL(not_lowered_when_slices_have_steps),
        ON_MODEL(not_lowered_when_parts_may_differ),
        ON_MODEL(numbers_of_clip_topk_and_dropout),
        ON_MODEL(absent_inputs_at_the_end),
        ON_MODEL(softmax_along_the_last_axis),
        ON_MODEL(not_lowered_when_softmax_has_another_axis),
        ON_MODEL(resize_gets_what_it_leaves_out),
        ON_MODEL(what_says_nothing_goes),
        ON_MODEL(not_lowered_when_it_did_not_exist),
        ON_MODEL(not_lowered_when_the_type_is_newer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
