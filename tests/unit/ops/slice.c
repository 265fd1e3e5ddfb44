/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/ops/slice.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/one_node.h"

/* data[starts:ends:steps] on one axis */
static void open_slice(one_node *t, const char *dims, int64_t start, int64_t end, int64_t axis, int64_t step)
{
    one_open(t, "Slice", 13);
    one_in(t, MQ_FLOAT, dims);
    one_ints(t, start);
    one_ints(t, end);
    one_ints(t, axis);
    one_ints(t, step);
}

static void slice_is(const char *dims, int64_t start, int64_t end, int64_t axis, int64_t step, const char *want)
{
    one_node t;

    open_slice(&t, dims, start, end, axis, step);
    one_gives(&t, want);
}

static void forward(void **state)
{
    one_node t;

    (void)state;
    (void)t;
    slice_is("10,N", 2, 7, 0, 2, "float[3,N]");
    slice_is("10", -3, INT64_MAX, 0, 1, "float[3]");
    slice_is("10", 7, 2, 0, 1, "float[0]");
    slice_is("10", -100, 100, -1, 3, "float[4]");
    slice_is("10", 0, 10, 0, INT64_MAX, "float[1]");
    slice_is("0", 0, 10, 0, 1, "float[0]");
}

static void backward(void **state)
{
    one_node t;

    (void)state;
    (void)t;
    slice_is("10", -1, -INT64_MAX, 0, -1, "float[10]");
    slice_is("10", 9, 0, 0, -2, "float[5]");
    slice_is("10", INT64_MAX, -100, 0, -3, "float[4]");
    slice_is("10", 2, 7, 0, -1, "float[0]");
    slice_is("10", 5, -INT64_MAX, 0, -INT64_MAX, "float[1]");
    slice_is("0", -1, -INT64_MAX, 0, -1, "float[0]");
    slice_is("10", -1, INT64_MAX, 0, -1, "float[?]"); /* runtimes differ */
}

static void symbolic_sizes(void **state)
{
    one_node t;

    (void)state;
    (void)t;
    slice_is("N,4", 0, INT64_MAX, 0, 1, "float[N,4]");
    slice_is("N,4", 0, INT32_MAX, 0, 1, "float[N,4]");
    slice_is("N,4", -1, -INT64_MAX, 0, -1, "float[N,4]");
    slice_is("N,4", 0, 1, 0, 1, "float[?,4]");
    slice_is("N,4", 1, INT64_MAX, 0, 1, "float[?,4]");
}

static void table_cut_to_a_length(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Slice", 13);
    one_in(&t, MQ_FLOAT, "1,512");
    one_ints(&t, 0);
    one_shape_of(&t, "seq");
    one_ints(&t, 1);
    one_gives(&t, "float[1,seq]");
}

static void contents_backward(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Slice", 13);
    one_shape_of(&t, "N,2,?,4");
    one_ints(&t, -1);
    one_ints(&t, -INT64_MAX);
    one_ints(&t, 0);
    one_ints(&t, -2);
    one_gives_contents(&t, "int64[2]", "4,2");
}

static void attributes_before_opset_10(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Slice", 9);
    one_in(&t, MQ_FLOAT, "10,20");
    one_attr_ints(&t, "starts", 1, 0);
    one_attr_ints(&t, "ends", -1, 1000);
    one_gives(&t, "float[8,20]");
}

static void starts_not_known(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Slice", 13);
    one_in(&t, MQ_FLOAT, "10,20");
    one_in(&t, MQ_INT64, "1");
    one_in(&t, MQ_INT64, "1");
    one_ints(&t, 1);
    one_gives(&t, "float[10,?]");
}

static void axes_not_known(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Slice", 13);
    one_in(&t, MQ_FLOAT, "10,20");
    one_ints(&t, 1);
    one_ints(&t, 2);
    one_in(&t, MQ_INT64, "1");
    one_gives(&t, "float[?,?]");
}

static void refuses_a_step_of_zero(void **state)
{
    one_node t;

    (void)state;
    open_slice(&t, "10", 0, 1, 0, 0);
    one_refused(&t, 1, "step 0 is 0");
}

static void refuses_an_axis_outside(void **state)
{
    one_node t;

    (void)state;
    open_slice(&t, "10", 0, 1, 1, 1);
    one_refused(&t, 1, "axis 1");
}

static void refuses_lists_of_two_lengths(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Slice", 13);
    one_in(&t, MQ_FLOAT, "10,20");
    one_ints(&t, 1, 2);
    one_ints(&t, 2);
    one_refused(&t, 1, "not as many");
}

static void refuses_more_axes_than_there_are(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Slice", 9);
    one_in(&t, MQ_FLOAT, "10");
    one_attr_ints(&t, "starts", 1, 0);
    one_attr_ints(&t, "ends", -1, 1000);
    one_refused(&t, 1, "2 axes");
}

static void concat_sums_one_axis(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Concat", 13);
    one_in(&t, MQ_FLOAT, "N,3,4");
    one_in(&t, MQ_FLOAT, "2,5,?");
    one_attr(&t, "axis", -2);
    one_gives(&t, "float[2,8,4]");
}

static void concat_with_an_unknown_rank(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Concat", 13);
    one_in(&t, MQ_FLOAT, "...");
    one_in(&t, MQ_FLOAT, "2,5");
    one_attr(&t, "axis", 1);
    one_gives(&t, "float[2,?]");
}

static void concat_joins_contents(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Concat", 13);
    one_shape_of(&t, "N,?");
    one_ints(&t, -1);
    one_in(&t, MQ_INT64, "2");
    one_attr(&t, "axis", 0);
    one_gives_contents(&t, "int64[5]", "N,?,-1,?,?");
}

static void concat_overflows(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Concat", 13);
    one_in(&t, MQ_FLOAT, "4611686018427387904");
    one_in(&t, MQ_FLOAT, "4611686018427387904");
    one_attr(&t, "axis", 0);
    one_gives(&t, "float[?]");
}

static void concat_refuses_other_sizes(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Concat", 13);
    one_in(&t, MQ_FLOAT, "3,3");
    one_in(&t, MQ_FLOAT, "2,5");
    one_attr(&t, "axis", 1);
    one_refused(&t, 1, "dimension 0");
}

static void concat_refuses_other_ranks(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Concat", 13);
    one_in(&t, MQ_FLOAT, "3,3");
    one_in(&t, MQ_FLOAT, "2");
    one_attr(&t, "axis", 0);
    one_refused(&t, 1, "rank 1");
}

static void concat_refuses_scalars(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Concat", 13);
    one_in(&t, MQ_FLOAT, "");
    one_attr(&t, "axis", 0);
    one_refused(&t, 1, "scalar");
}

static void split_by_sizes(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Split", 13);
    one_shape_of(&t, "N,2,?");
    one_ints(&t, 1, 2);
    one_run(&t, 2);
    one_type(&t, 0, "int64[1]");
    one_contents(&t, 0, "N");
    one_contents(&t, 1, "2,?");
    mq_model_free(t.model);
}

static void split_into_uneven_parts(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Split", 18);
    one_in(&t, MQ_FLOAT, "7,N");
    one_attr(&t, "num_outputs", 3);
    one_run(&t, 3);
    one_type(&t, 0, "float[3,N]");
    one_type(&t, 2, "float[1,N]");
    mq_model_free(t.model);
}

static void split_of_a_symbol(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Split", 13);
    one_in(&t, MQ_FLOAT, "6*N,2");
    one_run(&t, 3);
    one_type(&t, 1, "float[2*N,2]");
    mq_model_free(t.model);
}

static void split_refuses_another_sum(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Split", 13);
    one_in(&t, MQ_FLOAT, "7");
    one_ints(&t, 3, 3);
    one_refused(&t, 2, "sum up to 6");
}

static void split_refuses_another_count(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Split", 13);
    one_in(&t, MQ_FLOAT, "7");
    one_ints(&t, 3, 4);
    one_refused(&t, 3, "2 sizes");
}

static void split_refuses_uneven_parts(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Split", 13);
    one_in(&t, MQ_FLOAT, "7");
    one_refused(&t, 2, "cannot be split");
}

static void split_refuses_neither(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Split", 18);
    one_in(&t, MQ_FLOAT, "7");
    one_refused(&t, 2, "neither");
}

static void pad_adds_and_takes(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Pad", 13);
    one_in(&t, MQ_FLOAT, "3,10");
    one_ints(&t, 1, -2, 1, -3);
    one_gives(&t, "float[5,5]");
}

static void pad_on_axes(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Pad", 18);
    one_in(&t, MQ_FLOAT, "N,10");
    one_ints(&t, 1, 2);
    one_absent(&t);
    one_ints(&t, -1);
    one_gives(&t, "float[N,13]");
}

static void pad_by_nothing_keeps_symbols(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Pad", 2);
    one_in(&t, MQ_FLOAT, "N,10");
    one_attr_ints(&t, "pads", 0, 1, 0, 1);
    one_gives(&t, "float[N,12]");
}

static void pad_overflows(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Pad", 13);
    one_in(&t, MQ_FLOAT, "3");
    one_ints(&t, INT64_MAX, INT64_MAX);
    one_gives(&t, "float[?]");
}

static void pad_refuses_what_leaves_nothing(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Pad", 13);
    one_in(&t, MQ_FLOAT, "3");
    one_ints(&t, -2, -2);
    one_refused(&t, 1, "leaves nothing");
}

static void pad_refuses_another_length(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Pad", 13);
    one_in(&t, MQ_FLOAT, "3,4");
    one_ints(&t, 1, 1);
    one_refused(&t, 1, "4 are needed");
}

static void tile_multiplies(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Tile", 13);
    one_in(&t, MQ_FLOAT, "N,3");
    one_ints(&t, 2, 0);
    one_gives(&t, "float[2*N,0]");
}

static void tile_overflows(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Tile", 13);
    one_in(&t, MQ_FLOAT, "4");
    one_ints(&t, (int64_t)1 << 62);
    one_gives(&t, "float[?]");
}

static void tile_repeats_contents(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Tile", 13);
    one_ints(&t, 1, -2);
    one_ints(&t, 2);
    one_gives_contents(&t, "int64[4]", "1,-2,1,-2");
}

static void tile_refuses_another_length(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Tile", 13);
    one_in(&t, MQ_FLOAT, "4,2");
    one_ints(&t, 2);
    one_refused(&t, 1, "rank 2");
}

static void blocks_to_space_and_back(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "DepthToSpace", 13);
    one_in(&t, MQ_FLOAT, "N,8,H,3");
    one_attr(&t, "blocksize", 2);
    one_gives(&t, "float[N,2,2*H,6]");
    one_open(&t, "SpaceToDepth", 13);
    one_in(&t, MQ_FLOAT, "N,2,2*H,6");
    one_attr(&t, "blocksize", 2);
    one_gives(&t, "float[N,8,H,3]");
}

static void blocks_refuse_a_depth_that_does_not_divide(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "DepthToSpace", 13);
    one_in(&t, MQ_FLOAT, "N,6,H,3");
    one_attr(&t, "blocksize", 2);
    one_refused(&t, 1, "multiple of 4");
}

static void blocks_refuse_a_side_of_zero(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "SpaceToDepth", 13);
    one_in(&t, MQ_FLOAT, "N,6,H,3");
    one_attr(&t, "blocksize", 0);
    one_refused(&t, 1, "blocksize");
}

static void blocks_of_any_size_do_not_overflow(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "DepthToSpace", 13);
    one_in(&t, MQ_FLOAT, "N,C,4611686018427387904,3");
    one_attr(&t, "blocksize", INT32_MAX);
    one_gives(&t, "float[N,?,?,6442450941]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward),
        cmocka_unit_test(backward),
        cmocka_unit_test(symbolic_sizes),
        cmocka_unit_test(table_cut_to_a_length),
        cmocka_unit_test(contents_backward),
        cmocka_unit_test(attributes_before_opset_10),
        cmocka_unit_test(starts_not_known),
        cmocka_unit_test(axes_not_known),
        cmocka_unit_test(refuses_a_step_of_zero),
        cmocka_unit_test(refuses_an_axis_outside),
        cmocka_unit_test(refuses_lists_of_two_lengths),
        cmocka_unit_test(refuses_more_axes_than_there_are),
        cmocka_unit_test(concat_sums_one_axis),
        cmocka_unit_test(concat_with_an_unknown_rank),
        cmocka_unit_test(concat_joins_contents),
        cmocka_unit_test(concat_overflows),
        cmocka_unit_test(concat_refuses_other_sizes),
        cmocka_unit_test(concat_refuses_other_ranks),
        cmocka_unit_test(concat_refuses_scalars),
        cmocka_unit_test(split_by_sizes),
        cmocka_unit_test(split_into_uneven_parts),
        cmocka_unit_test(split_of_a_symbol),
        cmocka_unit_test(split_refuses_another_sum),
        cmocka_unit_test(split_refuses_another_count),
        cmocka_unit_test(split_refuses_uneven_parts),
        cmocka_unit_test(split_refuses_neither),
        cmocka_unit_test(pad_adds_and_takes),
        cmocka_unit_test(pad_on_axes),
        cmocka_unit_test(pad_by_nothing_keeps_symbols),
        cmocka_unit_test(pad_overflows),
        cmocka_unit_test(pad_refuses_what_leaves_nothing),
        cmocka_unit_test(pad_refuses_another_length),
        cmocka_unit_test(tile_multiplies),
        cmocka_unit_test(tile_overflows),
        cmocka_unit_test(tile_repeats_contents),
        cmocka_unit_test(tile_refuses_another_length),
        cmocka_unit_test(blocks_to_space_and_back),
        cmocka_unit_test(blocks_refuse_a_depth_that_does_not_divide),
        cmocka_unit_test(blocks_refuse_a_side_of_zero),
        cmocka_unit_test(blocks_of_any_size_do_not_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
