/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_merge_parts;

/* A Slice of one axis. */
static void slice(const char *x, const char *out, int64_t start, int64_t end, int64_t axis, int64_t step)
{
    const int64_t lists[] = { start, end, axis, step };
    char in[100], name[20];
    int n = snprintf(in, sizeof in, "%s", x);

    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%s%d", out, i);
        make_longs(name, "1", &lists[i]);
        n += snprintf(in + n, sizeof in - (size_t)n, ",%s", name);
    }
    make_node(g, "Slice", in, out);
}

static void slices_of(int64_t start, int64_t end, int64_t axis, int64_t step)
{
    make_input(g, "x", MQ_FLOAT, "N,9,8");
    slice("x", "t", 2, 7, 1, 1);
    slice("t", "y", start, end, axis, step);
    make_output(g, "y");
}

static void slices_of_two_axes(void **state)
{
    (void)state;
    slices_of(-1, -7, -1, -2);
    pass_becomes(&mq_pass_merge_parts, "Slice", 0);
}

static void slices_of_one_axis(void **state)
{
    (void)state;
    slices_of(1, INT64_MAX, -2, 1);
    pass_becomes(&mq_pass_merge_parts, "Slice", 0);
    assert_int_equal(g->first->n_inputs, 4);
}

static void a_shorter_slice_of_one_axis(void **state)
{
    (void)state;
    slices_of(1, 3, 1, 1);
    pass_becomes(&mq_pass_merge_parts, "Slice", 0);
}

static void old_slices_have_attributes(void **state)
{
    (void)state;
    assert_int_equal(mq_opset_set(m, "", 9, NULL), MQ_OK);
    make_input(g, "x", MQ_FLOAT, "3,6");
    node_ints(node_ints(node_ints(make_node(g, "Slice", "x", "t"), "starts", "1"), "ends", "5"), "axes", "1");
    node_ints(node_ints(make_node(g, "Slice", "t", "y"), "starts", "0,1"), "ends", "2,3");
    make_output(g, "y");
    pass_becomes(&mq_pass_merge_parts, "Slice", 0);
}

static void not_merged_when_a_slice_of_the_axis_has_steps(void **state)
{
    (void)state;
    slices_of(0, 5, 1, 2);
    pass_leaves(&mq_pass_merge_parts);
}

static void not_merged_when_a_slice_counts_from_the_end(void **state)
{
    (void)state;
    slices_of(0, -1, 1, 1);
    pass_leaves(&mq_pass_merge_parts);
}

static void not_merged_when_the_first_slice_is_read_elsewhere(void **state)
{
    (void)state;
    slices_of(0, 5, 2, 1);
    make_output(g, "t");
    pass_leaves(&mq_pass_merge_parts);
}

static void not_merged_when_a_range_is_no_constant(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,9,8");
    make_input(g, "start", MQ_INT64, "1");
    make_longs("end", "1", (const int64_t[]){ 5 });
    make_longs("axis", "1", (const int64_t[]){ 2 });
    make_node(g, "Slice", "x,start,end,axis", "t");
    slice("t", "y", 0, 5, 1, 1);
    make_output(g, "y");
    pass_leaves(&mq_pass_merge_parts);
}

static void gathers_of(const char *dims, const int64_t *places, int64_t axis)
{
    make_input(g, "x", MQ_FLOAT, "N,9,8");
    make_longs("i", "3", (const int64_t[]){ 5, -1, 2 });
    make_longs("j", dims, places);
    node_int(make_node(g, "Gather", "x,i", "t"), "axis", 1);
    node_int(make_node(g, "Gather", "t,j", "y"), "axis", axis);
    make_output(g, "y");
}

static void places_of_places(void **state)
{
    (void)state;
    gathers_of("2,2", (const int64_t[]){ -1, 0, 1, 1 }, -2);
    pass_becomes(&mq_pass_merge_parts, "Gather", 0);
}

static void one_of_several_places(void **state)
{
    (void)state;
    gathers_of("", (const int64_t[]){ 1 }, 1);
    pass_becomes(&mq_pass_merge_parts, "Gather", 0);
    assert_int_equal(mq_value_rank(g->first->inputs[1]), 0);
}

static void not_merged_when_places_are_of_another_axis(void **state)
{
    (void)state;
    gathers_of("1", (const int64_t[]){ 1 }, 2);
    pass_leaves(&mq_pass_merge_parts);
}

static void not_merged_when_a_place_lies_outside(void **state)
{
    (void)state;
    gathers_of("1", (const int64_t[]){ 3 }, 1);
    pass_leaves(&mq_pass_merge_parts);
}

static void not_merged_when_the_first_gather_is_read_elsewhere(void **state)
{
    (void)state;
    gathers_of("1", (const int64_t[]){ 1 }, 1);
    make_output(g, "t");
    pass_leaves(&mq_pass_merge_parts);
}

static void split_x(void)
{
    make_input(g, "x", MQ_FLOAT, "N,6");
    make_longs("sizes", "3", (const int64_t[]){ 1, 2, 3 });
    node_int(make_node(g, "Split", "x,sizes", "a,b,c"), "axis", 1);
}

static void put_together_again(void **state)
{
    (void)state;
    split_x();
    make_node(g, "Exp", "x", "e");
    node_int(make_node(g, "Concat", "e,a,b,c,e", "y"), "axis", -1);
    make_output(g, "y");
    pass_becomes(&mq_pass_merge_parts, "Exp Concat", 0);
    assert_int_equal(g->last->n_inputs, 3);
}

static void not_whole_when_parts_change_places(void **state)
{
    (void)state;
    split_x();
    node_int(make_node(g, "Concat", "a,c,b", "y"), "axis", 1);
    make_output(g, "y");
    pass_leaves(&mq_pass_merge_parts);
}

static void not_whole_when_a_part_is_missing(void **state)
{
    (void)state;
    split_x();
    node_int(make_node(g, "Concat", "a,b", "y"), "axis", 1);
    make_output(g, "y");
    make_output(g, "c");
    pass_leaves(&mq_pass_merge_parts);
}

static void not_whole_when_a_part_is_read_elsewhere(void **state)
{
    (void)state;
    split_x();
    node_int(make_node(g, "Concat", "a,b,c", "y"), "axis", 1);
    make_output(g, "y");
    make_output(g, "b");
    pass_leaves(&mq_pass_merge_parts);
}

static void not_whole_when_put_together_along_another_axis(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    node_int(node_int(make_node(g, "Split", "x", "a,b"), "axis", 1), "num_outputs", 2);
    node_int(make_node(g, "Concat", "a,b", "y"), "axis", 0);
    make_output(g, "y");
    pass_leaves(&mq_pass_merge_parts);
}

/* a and b put together, and cut into n columns and the rest. */
static void joined_and_cut(int64_t n)
{
    const int64_t sizes[] = { n, 5 - n };

    make_input(g, "a", MQ_FLOAT, "N,2");
    make_input(g, "b", MQ_FLOAT, "N,3");
    make_longs("sizes", "2", sizes);
    node_int(make_node(g, "Concat", "a,b", "t"), "axis", 1);
    node_int(make_node(g, "Split", "t,sizes", "u,v"), "axis", -1);
    make_node(g, "Exp", "u", "y");
    make_node(g, "Neg", "v", "z");
    make_output(g, "y");
    make_output(g, "z");
}

static void cut_where_it_was_joined(void **state)
{
    (void)state;
    joined_and_cut(2);
    pass_becomes(&mq_pass_merge_parts, "Exp Neg", 0);
}

static void not_the_parts_when_cut_elsewhere(void **state)
{
    (void)state;
    joined_and_cut(3);
    pass_leaves(&mq_pass_merge_parts);
}

static void not_the_parts_when_one_must_have_a_name(void **state)
{
    (void)state;
    joined_and_cut(2);
    make_output(g, "v");
    pass_leaves(&mq_pass_merge_parts);
}

static void not_the_parts_when_sizes_are_unknown(void **state)
{
    (void)state;
    make_input(g, "a", MQ_FLOAT, "N,2");
    node_int(make_node(g, "Concat", "a,a", "t"), "axis", 0);
    node_int(node_int(make_node(g, "Split", "t", "u,v"), "axis", 0), "num_outputs", 2);
    make_node(g, "Add", "u,v", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_merge_parts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(slices_of_two_axes),
        ON_MODEL(slices_of_one_axis),
        ON_MODEL(a_shorter_slice_of_one_axis),
        ON_MODEL(old_slices_have_attributes),
        ON_MODEL(not_merged_when_a_slice_of_the_axis_has_steps),
        ON_MODEL(not_merged_when_a_slice_counts_from_the_end),
        ON_MODEL(not_merged_when_the_first_slice_is_read_elsewhere),
        ON_MODEL(not_merged_when_a_range_is_no_constant),
        ON_MODEL(places_of_places),
        ON_MODEL(one_of_several_places),
        ON_MODEL(not_merged_when_places_are_of_another_axis),
        ON_MODEL(not_merged_when_a_place_lies_outside),
        ON_MODEL(not_merged_when_the_first_gather_is_read_elsewhere),
        ON_MODEL(put_together_again),
        ON_MODEL(not_whole_when_parts_change_places),
        ON_MODEL(not_whole_when_a_part_is_missing),
        ON_MODEL(not_whole_when_a_part_is_read_elsewhere),
        ON_MODEL(not_whole_when_put_together_along_another_axis),
        ON_MODEL(cut_where_it_was_joined),
        ON_MODEL(not_the_parts_when_cut_elsewhere),
        ON_MODEL(not_the_parts_when_one_must_have_a_name),
        ON_MODEL(not_the_parts_when_sizes_are_unknown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
