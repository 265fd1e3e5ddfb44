/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/ops/gather.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/one_node.h"

static void gather_replaces_an_axis(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Gather", 13);
    one_in(&t, MQ_FLOAT, "30522,384");
    one_in(&t, MQ_INT64, "B,S");
    one_gives(&t, "float[B,S,384]");
}

static void gather_takes_contents(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Gather", 13);
    one_shape_of(&t, "N,?,5");
    one_ints(&t, -1, 0, 1);
    one_gives_contents(&t, "int64[3]", "5,N,?");
}

static void gather_takes_one_size(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Gather", 13);
    one_shape_of(&t, "N,?,5");
    one_scalar(&t, 0);
    one_gives_contents(&t, "int64[]", "N");
}

static void gather_refuses_an_index_outside(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Gather", 13);
    one_shape_of(&t, "N,?,5");
    one_scalar(&t, 3);
    one_refused(&t, 1, "index 3");
}

static void gather_refuses_a_scalar(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Gather", 13);
    one_in(&t, MQ_FLOAT, "");
    one_scalar(&t, 0);
    one_refused(&t, 1, "scalar");
}

static void gather_refuses_an_axis_outside(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Gather", 13);
    one_in(&t, MQ_FLOAT, "2,3");
    one_scalar(&t, 0);
    one_attr(&t, "axis", 2);
    one_refused(&t, 1, "axis 2");
}

static void elements_have_the_shape_of_the_indices(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "GatherElements", 13);
    one_in(&t, MQ_FLOAT, "2,3");
    one_in(&t, MQ_INT64, "N,2");
    one_gives(&t, "float[N,2]");
}

static void elements_refuse_other_ranks(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "GatherElements", 13);
    one_in(&t, MQ_FLOAT, "2,3");
    one_in(&t, MQ_INT64, "N");
    one_refused(&t, 1, "the indices 1");
}

static void nd_with_batches(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "GatherND", 13);
    one_in(&t, MQ_FLOAT, "N,3,4,5");
    one_in(&t, MQ_INT64, "N,7,2");
    one_attr(&t, "batch_dims", 1);
    one_gives(&t, "float[N,7,5]");
}

static void nd_of_an_unknown_depth(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "GatherND", 13);
    one_in(&t, MQ_FLOAT, "N,3,4,5");
    one_in(&t, MQ_INT64, "N,7,?");
    one_gives(&t, "float[...]");
}

static void nd_refuses_too_deep_an_index(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "GatherND", 13);
    one_in(&t, MQ_FLOAT, "N,3");
    one_in(&t, MQ_INT64, "7,3");
    one_refused(&t, 1, "1 to 2");
}

static void nd_refuses_batches_outside(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "GatherND", 13);
    one_in(&t, MQ_FLOAT, "N,3");
    one_in(&t, MQ_INT64, "N,2");
    one_attr(&t, "batch_dims", INT64_MAX);
    one_refused(&t, 1, "batch_dims");
}

static void scatter_keeps_the_data(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "ScatterND", 16);
    one_in(&t, MQ_FLOAT, "N,3");
    one_in(&t, MQ_INT64, "7,1");
    one_in(&t, MQ_FLOAT, "7,3");
    one_gives(&t, "float[N,3]");
}

static void scatter_refuses_too_deep_an_index(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "ScatterND", 16);
    one_in(&t, MQ_FLOAT, "N,3");
    one_in(&t, MQ_INT64, "7,3");
    one_in(&t, MQ_FLOAT, "7");
    one_refused(&t, 1, "rank 2");
}

static void scatter_elements_refuses_other_ranks(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "ScatterElements", 16);
    one_in(&t, MQ_FLOAT, "N,3");
    one_in(&t, MQ_INT64, "7");
    one_in(&t, MQ_FLOAT, "7");
    one_refused(&t, 1, "input 1 has rank 1");
}

static void cache_is_not_cut_along_the_batch(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "TensorScatter", 24);
    one_in(&t, MQ_FLOAT, "N,100,3");
    one_in(&t, MQ_FLOAT, "N,1,3");
    one_attr(&t, "axis", 0);
    one_refused(&t, 1, "batch");
}

static void compress_leaves_one_size_open(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Compress", 11);
    one_in(&t, MQ_FLOAT, "N,3");
    one_in(&t, MQ_BOOL, "3");
    one_attr(&t, "axis", -1);
    one_gives(&t, "float[N,?]");
}

static void non_zero_has_a_row_per_axis(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "NonZero", 13);
    one_in(&t, MQ_FLOAT, "N,3,4");
    one_gives(&t, "int64[3,?]");
}

static void unique_of_the_flat_input(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Unique", 11);
    one_in(&t, MQ_FLOAT, "N,3");
    one_run(&t, 4);
    one_type(&t, 0, "float[?]");
    one_type(&t, 1, "int64[?]");
    one_type(&t, 2, "int64[3*N]");
    one_type(&t, 3, "int64[?]");
    mq_model_free(t.model);
}

static void unique_along_an_axis(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Unique", 11);
    one_in(&t, MQ_FLOAT, "N,3");
    one_attr(&t, "axis", -1);
    one_run(&t, 3);
    one_type(&t, 0, "float[N,?]");
    one_type(&t, 2, "int64[3]");
    mq_model_free(t.model);
}

static void top_k_of_an_attribute(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "TopK", 1);
    one_in(&t, MQ_FLOAT, "N,30");
    one_attr(&t, "k", 5);
    one_run(&t, 2);
    one_type(&t, 0, "float[N,5]");
    one_type(&t, 1, "int64[N,5]");
    mq_model_free(t.model);
}

static void top_k_of_a_symbol(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "TopK", 11);
    one_in(&t, MQ_FLOAT, "N,30");
    one_shape_of(&t, "k");
    one_gives(&t, "float[N,k]");
}

static void top_k_refuses_more_than_there_are(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "TopK", 11);
    one_in(&t, MQ_FLOAT, "N,3");
    one_ints(&t, 4);
    one_refused(&t, 2, "the axis has 3");
}

static void top_k_refuses_less_than_none(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "TopK", 11);
    one_in(&t, MQ_FLOAT, "N,3");
    one_ints(&t, -1);
    one_refused(&t, 2, "-1");
}

static void one_hot_adds_an_axis(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "OneHot", 11);
    one_in(&t, MQ_INT64, "N,4");
    one_scalar(&t, 10);
    one_in(&t, MQ_FLOAT, "2");
    one_attr(&t, "axis", 0);
    one_gives(&t, "float[10,N,4]");
}

static void one_hot_of_a_float_depth(void **state)
{
    one_node t;

    (void)state;
    const float depth = 7;

    one_open(&t, "OneHot", 11);
    one_in(&t, MQ_INT64, "N");
    one_const(&t, MQ_FLOAT, -1, &depth);
    one_in(&t, MQ_INT8, "2");
    one_gives(&t, "int8[N,7]");
}

static void one_hot_refuses_an_axis_outside(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "OneHot", 11);
    one_in(&t, MQ_INT64, "N,4");
    one_scalar(&t, 10);
    one_in(&t, MQ_FLOAT, "2");
    one_attr(&t, "axis", 3);
    one_refused(&t, 1, "axis 3");
}

static void triangle_wants_a_matrix(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Trilu", 14);
    one_in(&t, MQ_FLOAT, "N");
    one_refused(&t, 1, "rank 1");
}

static void weights_are_looked_up_by_rows(void **state)
{
    one_node t;

    (void)state;
    const mq_op_rule *rule = mq_rule_find("", "Gather");

    (void)t;
    assert_non_null(rule);
    assert_non_null(rule->quant);
    assert_true(rule->quant->embedding);
    assert_int_equal(rule->quant->weight_input, 0);
    assert_int_equal(rule->quant->channel_axis, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gather_replaces_an_axis),
        cmocka_unit_test(gather_takes_contents),
        cmocka_unit_test(gather_takes_one_size),
        cmocka_unit_test(gather_refuses_an_index_outside),
        cmocka_unit_test(gather_refuses_a_scalar),
        cmocka_unit_test(gather_refuses_an_axis_outside),
        cmocka_unit_test(elements_have_the_shape_of_the_indices),
        cmocka_unit_test(elements_refuse_other_ranks),
        cmocka_unit_test(nd_with_batches),
        cmocka_unit_test(nd_of_an_unknown_depth),
        cmocka_unit_test(nd_refuses_too_deep_an_index),
        cmocka_unit_test(nd_refuses_batches_outside),
        cmocka_unit_test(scatter_keeps_the_data),
        cmocka_unit_test(scatter_refuses_too_deep_an_index),
        cmocka_unit_test(scatter_elements_refuses_other_ranks),
        cmocka_unit_test(cache_is_not_cut_along_the_batch),
        cmocka_unit_test(compress_leaves_one_size_open),
        cmocka_unit_test(non_zero_has_a_row_per_axis),
        cmocka_unit_test(unique_of_the_flat_input),
        cmocka_unit_test(unique_along_an_axis),
        cmocka_unit_test(top_k_of_an_attribute),
        cmocka_unit_test(top_k_of_a_symbol),
        cmocka_unit_test(top_k_refuses_more_than_there_are),
        cmocka_unit_test(top_k_refuses_less_than_none),
        cmocka_unit_test(one_hot_adds_an_axis),
        cmocka_unit_test(one_hot_of_a_float_depth),
        cmocka_unit_test(one_hot_refuses_an_axis_outside),
        cmocka_unit_test(triangle_wants_a_matrix),
        cmocka_unit_test(weights_are_looked_up_by_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
