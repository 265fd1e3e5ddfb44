/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/model/onnx_info.c: metadata that are set, written and read again, and scales of inputs in them. */
#include "model/onnx_info.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "graph/clone.h"
#include "save_make.h"

static void set(mq_model *to, const char *key, const char *value)
{
    assert_int_equal(mq_metadata_set(to, key, value, NULL), MQ_OK);
}

static void test_set_and_get(void **state)
{
    (void)state;
    assert_null(mq_metadata_get(m, "a"));
    set(m, "a", "1");
    set(m, "b", "2");
    set(m, "a", "3");
    assert_string_equal(mq_metadata_get(m, "a"), "3");
    assert_string_equal(mq_metadata_get(m, "b"), "2");
    assert_int_equal(m->metadata.n, 2);
}

/* What was in the file stays, and what is set again is there once. */
static void test_written(void **state)
{
    const mq_save_opts o = with(MQ_EXTERNAL_AUTO, 1024);
    mq_model *one, *two, *copy = NULL;
    const char *key, *value;

    (void)state;
    set(m, "a", "1");
    set(m, "b", "2");
    save_as(m, "one.onnx", &o, NULL);
    one = load("one.onnx");
    assert_int_equal(mq_onnx_n_metadata(one), 2);
    assert_string_equal(mq_metadata_get(one, "a"), "1");
    set(one, "a", "new");
    set(one, "c", "3");
    save_as(one, "two.onnx", &o, NULL);
    two = load("two.onnx");
    assert_int_equal(mq_onnx_n_metadata(two), 3);
    assert_string_equal(mq_metadata_get(two, "a"), "new");
    assert_string_equal(mq_metadata_get(two, "b"), "2");
    mq_onnx_metadata(two, 2, &key, &value);
    assert_string_equal(key, "c");
    assert_string_equal(value, "3");
    set(two, "b", "4");
    assert_int_equal(mq_model_clone(&copy, two, NULL), MQ_OK); /* knows both */
    assert_string_equal(mq_metadata_get(copy, "a"), "new");
    assert_string_equal(mq_metadata_get(copy, "b"), "4");
    mq_model_free(copy);
    mq_model_free(two);
    mq_model_free(one);
}

/* ---- integers at the edges ----------------------------------------------------------------------------------------- */

static bool reads(mq_dtype dtype, const char *scale, const char *zero_point, mq_edge *out)
{
    mq_value *v = mq_graph_find(m->graph, "x");

    make_type(v, dtype, "N,10");
    set(m, "mq.io.x.scale", scale);
    set(m, "mq.io.x.zero_point", zero_point);
    return mq_edge_get(v, out);
}

static void test_edge(void **state)
{
    const mq_edge edge = { 0.0123456789f, -7 };
    mq_edge got = { 0 };
    mq_value *v = mq_graph_find(m->graph, "x");

    (void)state;
    assert_int_equal(mq_edge_set(v, &edge, NULL), MQ_OK);
    assert_false(mq_edge_get(v, &got)); /* it is float still */
    assert_int_equal(mq_value_retype(v, MQ_INT8, NULL), MQ_OK);
    assert_true(mq_edge_get(v, &got));
    assert_true(got.scale == edge.scale); /* to the last bit */
    assert_int_equal(got.zero_point, -7);
    assert_string_equal(mq_metadata_get(m, "mq.io.x.zero_point"), "-7");
    assert_false(mq_edge_get(mq_graph_find(m->graph, "y"), &got));
}

static void test_retyped_is_written(void **state)
{
    const mq_save_opts o = with(MQ_EXTERNAL_AUTO, 1024);
    mq_model *one, *two;

    (void)state;
    save_as(m, "one.onnx", &o, NULL);
    one = load("one.onnx");
    assert_int_equal(mq_value_retype(mq_graph_find(one->graph, "x"), MQ_UINT8, NULL), MQ_OK);
    assert_int_equal(mq_value_retype(mq_graph_find(one->graph, "y"), MQ_INT8, NULL), MQ_OK);
    save_as(one, "two.onnx", &o, NULL);
    two = load("two.onnx");
    assert_int_equal(two->graph->inputs.items[0]->declared->dtype, MQ_UINT8);
    assert_int_equal(two->graph->inputs.items[0]->declared->rank, 2);
    assert_string_equal(two->graph->inputs.items[0]->declared->dims[0].symbol, "N");
    assert_int_equal(two->graph->outputs.items[0]->declared->dtype, MQ_INT8);
    mq_model_free(two);
    mq_model_free(one);
}

static void test_edges_that_say_nothing(void **state)
{
    mq_edge got = { 0 };

    (void)state;
    assert_true(reads(MQ_UINT8, "0.5", "255", &got));
    assert_true(reads(MQ_INT16, "1e-3", "-32768", &got));
    assert_true(reads(MQ_UINT16, "1", "65535", &got));
    assert_false(reads(MQ_UINT8, "0.5", "256", &got));
    assert_false(reads(MQ_UINT8, "0.5", "-1", &got));
    assert_false(reads(MQ_INT8, "0.5", "128", &got));
    assert_false(reads(MQ_INT8, "0.5", "", &got));
    assert_false(reads(MQ_INT8, "0.5", "1.5", &got));
    assert_false(reads(MQ_INT8, "0.5", "99999999999999999999", &got));
    assert_false(reads(MQ_INT8, "", "0", &got));
    assert_false(reads(MQ_INT8, "0", "0", &got));
    assert_false(reads(MQ_INT8, "-1", "0", &got));
    assert_false(reads(MQ_INT8, "inf", "0", &got));
    assert_false(reads(MQ_INT8, "nan", "0", &got));
    assert_false(reads(MQ_INT8, "1x", "0", &got));
    assert_false(reads(MQ_INT32, "1", "0", &got));
    assert_false(reads(MQ_FLOAT, "1", "0", &got));
}

#define SAVING(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SAVING(test_set_and_get),        SAVING(test_written),
        SAVING(test_edge),               SAVING(test_retyped_is_written),
        SAVING(test_edges_that_say_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
