/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_merge_slices;

static void slice(const char *x, const char *out, int64_t start, int64_t end, int64_t axis)
{
    char s[32], e[32], a[32], in[128];

    snprintf(s, sizeof s, "%ss", out);
    snprintf(e, sizeof e, "%se", out);
    snprintf(a, sizeof a, "%sa", out);
    snprintf(in, sizeof in, "%s,%s,%s,%s", x, s, e, a);
    make_longs(s, "1", &start);
    make_longs(e, "1", &end);
    make_longs(a, "1", &axis);
    make_node(g, "Slice", in, out);
    make_output(g, out);
}

static void make_concat(void)
{
    make_input(g, "a", MQ_FLOAT, "N,2");
    make_input(g, "b", MQ_FLOAT, "N,3");
    node_int(make_node(g, "Concat", "a,b", "x"), "axis", -1);
}

/* An output keeps its name: something has to follow. */
static void slice_of_concat(int64_t start, int64_t end, int64_t axis)
{
    make_concat();
    slice("x", "t", start, end, axis);
    g->outputs.n = 0;
    mq_graph_find(g, "t")->n_output_uses = 0;
    make_node(g, "Exp", "t", "y");
    make_output(g, "y");
}

static void a_part_of_a_concat_is_that_part(void **state)
{
    (void)state;
    slice_of_concat(2, INT64_MAX, 1);
    pass_becomes(&mq_pass_merge_slices, "Exp", 0);
}

static void not_merged_when_the_slice_is_no_part(void **state)
{
    (void)state;
    slice_of_concat(1, 4, 1);
    pass_leaves(&mq_pass_merge_slices);
}

static void not_merged_when_the_part_must_have_a_name(void **state)
{
    (void)state;
    make_concat();
    slice("x", "y", 2, 5, 1);
    pass_leaves(&mq_pass_merge_slices);
}

static void slices_of_everything_are_a_split(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,6");
    slice("x", "b", 2, -1, 1);
    slice("x", "a", 0, 2, -1);
    slice("x", "c", 5, 100, 1);
    pass_becomes(&mq_pass_merge_slices, "Split", 0);
}

static void old_files_have_attributes(void **state)
{
    (void)state;
    assert_int_equal(mq_opset_set(m, "", 9, NULL), MQ_OK);
    make_input(g, "x", MQ_FLOAT, "2,6");
    node_ints(node_ints(node_ints(make_node(g, "Slice", "x", "y"), "starts", "0"), "ends", "2"), "axes", "1");
    node_ints(node_ints(node_ints(make_node(g, "Slice", "x", "z"), "starts", "2"), "ends", "6"), "axes", "1");
    make_output(g, "y");
    make_output(g, "z");
    pass_becomes(&mq_pass_merge_slices, "Split", 0);
}

static void not_merged_when_something_is_left_out(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,6");
    slice("x", "a", 0, 2, 1);
    slice("x", "b", 3, 6, 1);
    pass_leaves(&mq_pass_merge_slices);
}

static void not_merged_when_ranges_overlap(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,6");
    slice("x", "a", 0, 3, 1);
    slice("x", "b", 2, 6, 1);
    pass_leaves(&mq_pass_merge_slices);
}

static void not_merged_when_the_size_is_unknown(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "6,N");
    slice("x", "a", 0, 1, 1);
    slice("x", "b", 1, 100, 1);
    pass_leaves(&mq_pass_merge_slices);
}

static void not_merged_when_there_are_steps(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,6");
    slice("x", "a", 0, 3, 1);
    make_longs("s", "1", (const int64_t[]){ 3 });
    make_longs("e", "1", (const int64_t[]){ 6 });
    make_longs("two", "1", (const int64_t[]){ 2 });
    make_longs("one", "1", (const int64_t[]){ 1 });
    make_node(g, "Slice", "x,s,e,one,two", "b");
    make_output(g, "b");
    pass_leaves(&mq_pass_merge_slices);
}

static void not_merged_when_the_axis_is_another(void **state)
{
    (void)state;
    make_input(g, "a", MQ_FLOAT, "2,2");
    make_input(g, "b", MQ_FLOAT, "2,2");
    node_int(make_node(g, "Concat", "a,b", "x"), "axis", 0);
    slice("x", "t", 0, 2, 1);
    pass_leaves(&mq_pass_merge_slices);
}

static void not_merged_when_slices_have_several_axes(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "4,6");
    make_longs("zeros", "2", (const int64_t[]){ 0, 0 });
    make_longs("middle", "2", (const int64_t[]){ 4, 3 });
    make_longs("right", "2", (const int64_t[]){ 0, 3 });
    make_longs("ends", "2", (const int64_t[]){ 4, 6 });
    make_node(g, "Slice", "x,zeros,middle", "y");
    make_node(g, "Slice", "x,right,ends", "z");
    make_output(g, "y");
    make_output(g, "z");
    pass_leaves(&mq_pass_merge_slices);
}

static void not_merged_when_ranges_are_computed(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "6");
    make_input(g, "end", MQ_INT64, "1");
    make_longs("start", "1", (const int64_t[]){ 0 });
    make_longs("last", "1", (const int64_t[]){ 6 });
    make_node(g, "Slice", "x,start,end", "y");
    make_node(g, "Slice", "x,end,last", "z");
    make_output(g, "y");
    make_output(g, "z");
    pass_leaves(&mq_pass_merge_slices);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(a_part_of_a_concat_is_that_part),
        ON_MODEL(not_merged_when_the_slice_is_no_part),
        ON_MODEL(not_merged_when_the_part_must_have_a_name),
        ON_MODEL(slices_of_everything_are_a_split),
        ON_MODEL(old_files_have_attributes),
        ON_MODEL(not_merged_when_something_is_left_out),
        ON_MODEL(not_merged_when_ranges_overlap),
        ON_MODEL(not_merged_when_the_size_is_unknown),
        ON_MODEL(not_merged_when_there_are_steps),
        ON_MODEL(not_merged_when_the_axis_is_another),
        ON_MODEL(not_merged_when_slices_have_several_axes),
        ON_MODEL(not_merged_when_ranges_are_computed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
