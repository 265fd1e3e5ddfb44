/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_simplify_views;

static void reshape(const char *in, const char *out, const char *name, const char *dims, const int64_t *shape)
{
    char both[64];

    snprintf(both, sizeof both, "%s,%s", in, name);
    make_longs(name, dims, shape);
    make_node(g, "Reshape", both, out);
}

static void transpose(const char *in, const char *out, const char *perm)
{
    node_ints(make_node(g, "Transpose", in, out), "perm", perm);
}

static void pick(const char *in, const char *out, const char *name, int64_t axis, int64_t index)
{
    char both[64];

    snprintf(both, sizeof both, "%s,%s", in, name);
    make_longs(name, "", &index);
    node_int(make_node(g, "Gather", both, out), "axis", axis);
}

static void shuffle(void)
{
    make_input(g, "x", MQ_FLOAT, "1,6,2,2");
    reshape("x", "a", "s1", "3", (const int64_t[]){ 3, 2, 4 });
    transpose("a", "b", "1,0,2");
    reshape("b", "c", "s2", "5", (const int64_t[]){ 2, -1, 3, 2, 2 });
}

static void shuffled_channels_are_slices(void **state)
{
    (void)state;
    shuffle();
    pick("c", "y", "i0", 0, 0);
    pick("c", "z", "i1", 0, -1);
    make_output(g, "y");
    make_output(g, "z");
    pass_becomes(&mq_pass_simplify_views, "Slice Slice", 0);
}

static void not_sliced_when_another_reads_the_row(void **state)
{
    (void)state;
    shuffle();
    pick("c", "y", "i0", 0, 0);
    make_node(g, "Exp", "c", "z");
    make_output(g, "y");
    make_output(g, "z");
    pass_becomes(&mq_pass_simplify_views, "Reshape Transpose Gather Exp", 0);
}

static void not_sliced_when_an_old_slice_has_no_steps(void **state)
{
    (void)state;
    assert_int_equal(mq_opset_set(m, "", 9, NULL), MQ_OK);
    shuffle();
    pick("c", "y", "i0", 0, 0);
    make_output(g, "y");
    pass_becomes(&mq_pass_simplify_views, "Reshape Slice Reshape", 0);
}

static void parts_of_a_projection(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "5,N,12");
    make_longs("zero", "1", (const int64_t[]){ 0 });
    make_longs("three", "1", (const int64_t[]){ 3 });
    reshape("x", "a", "s1", "4", (const int64_t[]){ 5, 0, 3, 4 });
    make_node(g, "Unsqueeze", "a,zero", "b");
    transpose("b", "c", "3,1,2,0,4");
    make_node(g, "Squeeze", "c,three", "d");
    pick("d", "q", "i0", 0, 0);
    pick("d", "k", "i1", 0, 1);
    pick("d", "v", "i2", 0, 2);
    make_output(g, "q");
    make_output(g, "k");
    make_output(g, "v");
    pass_becomes(&mq_pass_simplify_views, "Slice Slice Slice", 0);
}

static void heads_of_an_unknown_batch(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "5,N,8");
    reshape("x", "a", "s1", "3", (const int64_t[]){ 5, -1, 4 });
    transpose("a", "b", "1,0,2");
    reshape("b", "c", "s2", "4", (const int64_t[]){ -1, 2, 5, 4 });
    transpose("c", "y", "0,1,3,2");
    make_output(g, "y");
    pass_becomes(&mq_pass_simplify_views, "Transpose Reshape", 0);
}

static void sizes_of_one_move_with_the_transpose(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,1,3,4");
    make_longs("one", "1", (const int64_t[]){ 1 });
    make_longs("last", "1", (const int64_t[]){ -1 });
    make_node(g, "Squeeze", "x,one", "a");
    transpose("a", "b", "2,0,1");
    make_node(g, "Unsqueeze", "b,last", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_simplify_views, "Transpose", 0);
}

static void what_comes_back_goes(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,6,N");
    reshape("x", "a", "s1", "4", (const int64_t[]){ 2, 2, 3, -1 });
    transpose("a", "b", "0,1,3,2");
    transpose("b", "c", "0,1,3,2");
    reshape("c", "d", "s2", "3", (const int64_t[]){ 2, 6, -1 });
    make_node(g, "Exp", "d", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_simplify_views, "Exp", 0);
}

static void flatten_is_a_reshape(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,2,3,4");
    reshape("x", "a", "s1", "3", (const int64_t[]){ 0, 6, 4 });
    node_int(make_node(g, "Flatten", "a", "y"), "axis", 1);
    make_output(g, "y");
    pass_becomes(&mq_pass_simplify_views, "Reshape", 0);
}

static void an_element_between_is_a_slice_and_a_reshape(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "4,6,2");
    reshape("x", "a", "s1", "4", (const int64_t[]){ 4, 3, 2, 2 });
    pick("a", "b", "i0", 1, 2);
    reshape("b", "y", "s2", "2", (const int64_t[]){ 4, 4 });
    make_output(g, "y");
    pass_becomes(&mq_pass_simplify_views, "Slice Reshape", 0);
}

static void two_unknown_sizes_keep_both_reshapes(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,S,8");
    transpose("x", "a", "1,0,2");
    reshape("a", "b", "s1", "4", (const int64_t[]){ 0, 0, 2, 4 });
    transpose("b", "c", "0,2,1,3");
    reshape("c", "y", "s2", "2", (const int64_t[]){ -1, 4 });
    make_output(g, "y");
    pass_becomes(&mq_pass_simplify_views, "Reshape Transpose Reshape", 0);
}

static void not_simplified_when_shapes_are_computed(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "4,6");
    make_input(g, "s", MQ_INT64, "2");
    make_node(g, "Transpose", "x", "a");
    make_node(g, "Reshape", "a,s", "b");
    make_node(g, "Transpose", "b", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_simplify_views);
}

static void not_simplified_when_an_axis_may_be_empty(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "0,6");
    reshape("x", "a", "s1", "2", (const int64_t[]){ 0, 6 });
    reshape("a", "y", "s2", "2", (const int64_t[]){ 0, 6 });
    make_output(g, "y");
    pass_leaves(&mq_pass_simplify_views);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(shuffled_channels_are_slices),
        ON_MODEL(not_sliced_when_another_reads_the_row),
        ON_MODEL(not_sliced_when_an_old_slice_has_no_steps),
        ON_MODEL(parts_of_a_projection),
        ON_MODEL(heads_of_an_unknown_batch),
        ON_MODEL(sizes_of_one_move_with_the_transpose),
        ON_MODEL(what_comes_back_goes),
        ON_MODEL(flatten_is_a_reshape),
        ON_MODEL(an_element_between_is_a_slice_and_a_reshape),
        ON_MODEL(two_unknown_sizes_keep_both_reshapes),
        ON_MODEL(not_simplified_when_shapes_are_computed),
        ON_MODEL(not_simplified_when_an_axis_may_be_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
