/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests mq_convert_bisect (src/api/convert_bisect.c): the first rewrite that changes outputs is named, and only that. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data_make.h"
#include "model/save.h"
#include "mq/convert.h"

static mq_report *report;
static mq_bisect found;

static int setup(void **state)
{
    return mq_report_create(&report, "convert", NULL) == MQ_OK ? data_setup(state) : -1;
}

static int teardown(void **state)
{
    mq_report_free(report);
    return data_teardown(state);
}

static void save(mq_model *made)
{
    mq_save_opts o = mq_save_opts_default();

    make_type(make_output(made->graph, "y"), MQ_FLOAT, "4,8");
    assert_int_equal(mq_model_save(made, "model.onnx", &o, NULL, NULL, &err), MQ_OK);
    mq_model_free(made);
}

/* x / its length, where it is much shorter than what LpNormalization and Clip take alike. */
static void save_short(void)
{
    const float small = 1e-18f, least = 1e-12f;
    const int64_t last = -1;
    mq_model *made = make_model(18);

    make_input(made->graph, "x", MQ_FLOAT, "4,8");
    make_init(made->graph, "small", MQ_FLOAT, "", &small);
    make_init(made->graph, "least", MQ_FLOAT, "", &least);
    make_init(made->graph, "last", MQ_INT64, "1", &last);
    make_node(made->graph, "Mul", "x,small", "a");
    make_node(made->graph, "Identity", "a", "b");
    make_node(made->graph, "ReduceL2", "b,last", "c");
    make_node(made->graph, "Clip", "c,least", "d");
    make_node(made->graph, "Div", "b,d", "y");
    save(made);
}

/* Products with a number behind, which goes into the weights: these are rounded again. */
static void save_scaled(void)
{
    float w[64];
    const float third = 1.0f / 3;
    mq_model *made = make_model(18);

    for (int i = 0; i < 64; i++)
        w[i] = sinf((float)i);
    make_input(made->graph, "x", MQ_FLOAT, "4,8");
    make_init(made->graph, "w", MQ_FLOAT, "8,8", w);
    make_init(made->graph, "third", MQ_FLOAT, "", &third);
    make_node(made->graph, "MatMul", "x,w", "a");
    make_node(made->graph, "Mul", "a,third", "b");
    make_node(made->graph, "Tanh", "b", "y");
    save(made);
}

static void search(const mq_convert_opts *o)
{
    if (mq_convert_bisect("model.onnx", o, &found, report, &hooks, &err) != MQ_OK)
        fail_msg("%s", err.text);
}

static void the_rewrite_is_named(void **state)
{
    (void)state;
    save_short();
    search(NULL);
    assert_string_equal(found.pass, "fuse-length");
    assert_int_equal(found.round, 1);
    assert_true(found.n_changes > 0 && found.n_compared == 2); /* drop-identity before it changes nothing */
    assert_string_equal(found.output, "y");
    assert_true(found.sqnr < 80);
    assert_int_equal(mq_report_n_missed(report), 1);
}

static void not_named_when_it_does_not_run(void **state)
{
    const char *const not[] = { "fuse-length" };
    mq_convert_opts o = mq_convert_opts_default();

    (void)state;
    save_short();
    o.disable = (mq_names){ not, 1 };
    search(&o);
    assert_string_equal(found.pass, "");
    assert_int_equal(mq_report_n_missed(report), 0);
}

static void roundings_count_when_they_are_asked_for(void **state)
{
    mq_convert_opts o = mq_convert_opts_default();

    (void)state;
    save_scaled();
    search(&o);
    assert_string_equal(found.pass, "");
    o.min_sqnr = 300;
    search(&o);
    assert_string_equal(found.pass, "fold-scale");
    assert_true(found.sqnr > 80 && found.sqnr < 300);
}

static void what_comes_before_is_kept_apart(void **state)
{
    mq_convert_opts o = mq_convert_opts_default();

    (void)state;
    save_short();
    o.opset = 20;
    search(&o);
    assert_string_equal(found.pass, "fuse-length");
    assert_int_equal(found.n_compared, 3); /* the opset, too */
}

static void what_cannot_run_is_said(void **state)
{
    mq_model *made = make_model(18);

    (void)state;
    make_input(made->graph, "x", MQ_FLOAT, "4,8");
    assert_int_equal(mq_opset_set(made, "com.example", 1, NULL), MQ_OK);
    make_node(made->graph, "Mystery", "x", "a")->domain = "com.example";
    make_node(made->graph, "Identity", "a", "b");
    make_node(made->graph, "Abs", "b", "y");
    save(made);
    assert_int_equal(mq_convert_bisect("model.onnx", NULL, &found, report, &hooks, &err), MQ_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "Mystery"));
}

#define BISECTS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BISECTS(the_rewrite_is_named),
        BISECTS(not_named_when_it_does_not_run),
        BISECTS(roundings_count_when_they_are_asked_for),
        BISECTS(what_comes_before_is_kept_apart),
        BISECTS(what_cannot_run_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
