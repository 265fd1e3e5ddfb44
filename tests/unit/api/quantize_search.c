/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/api/quantize_search.c and what it is made of, on models and bounds that stood in its way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_make.h"
#include "mq/quantize.h"
#include "rng.h"
#include "scratch.h"

static mq_report *report;

static void put(mq_model *m)
{
    mq_save_opts o = mq_save_opts_default();
    mq_error e = { 0 };

    if (mq_model_save(m, "in.onnx", &o, NULL, NULL, &e) != MQ_OK)
        fail_msg("%s", e.text);
    mq_model_free(m);
}

static void quantizes(const mq_quantize_opts *o)
{
    mq_error err = { 0 };

    if (mq_quantize_file("in.onnx", "out.onnx", o, report, NULL, &err) != MQ_OK)
        fail_msg("%s", err.text);
}

static void report_says(const char *part)
{
    char *text = NULL;

    assert_int_equal(mq_report_render(report, MQ_REPORT_JSON, &text, NULL), MQ_OK);
    if (!strstr(text, part))
        fail_msg("'%s' is not in %s", part, text);
    free(text);
}

static int setup(void **state)
{
    return scratch_open(state) != 0 || mq_report_create(&report, "quantize", NULL) != MQ_OK ? -1 : 0;
}

static int teardown(void **state)
{
    mq_report_free(report);
    return scratch_close(state);
}

/* Two products with random weights. */
static mq_model *two_layers(int opset)
{
    static float w[64 * 64];
    mq_model *m = make_model(opset);
    uint64_t rng = 1;

    for (size_t i = 0; i < 64 * 64; i++)
        w[i] = rng_float(&rng);
    make_input(m->graph, "x", MQ_FLOAT, "4,64");
    make_init(m->graph, "w", MQ_FLOAT, "64,64", w);
    make_init(m->graph, "v", MQ_FLOAT, "64,64", w);
    make_node(m->graph, "MatMul", "x,w", "a");
    return m;
}

static mq_model *small_model(void)
{
    mq_model *m = two_layers(17);

    make_node(m->graph, "Relu", "a", "b");
    make_node(m->graph, "MatMul", "b,v", "y");
    make_type(make_output(m->graph, "y"), MQ_FLOAT, "4,64");
    return m;
}

/* Weights that could be fed are constants all the same. */
static void test_weights_as_inputs(void **state)
{
    mq_quantize_opts o = mq_quantize_opts_default();
    mq_model *m = small_model();

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        mq_value *v = mq_graph_find_here(m->graph, i ? "v" : "w");

        make_type(v, MQ_FLOAT, "64,64");
        assert_int_equal(mq_graph_add_input(m->graph, v, NULL), MQ_OK);
    }
    put(m);
    o.sensitivity = true;
    quantizes(&o);
    report_says("\"sensitivity\"");
}

/* A model that cannot be raised has no forms that need it; without them it still has what was asked for. */
static void test_opset_that_stays(void **state)
{
    mq_quantize_opts o = mq_quantize_opts_default();
    mq_model *m = two_layers(10);

    (void)state;
    make_node(m->graph, "Dropout", "a", "d,mask");
    make_node(m->graph, "MatMul", "d,v", "y");
    make_type(make_output(m->graph, "y"), MQ_FLOAT, "4,64");
    make_type(make_output(m->graph, "mask"), MQ_BOOL, "4,64");
    put(m);
    o.mode = MQ_MODE_WEIGHT;
    o.per_tensor = true;
    o.verify = MQ_VERIFY_LOAD;
    o.bounds.limits.has_drop = true;
    o.bounds.limits.max_drop = 0.05;
    o.bounds.eval_cmd = "echo 0.9";
    quantizes(&o);
    report_says("\"met\": true");
}

/* Two searches, one after the other, share max_evals. */
static void test_max_evals(void **state)
{
    mq_quantize_opts o = mq_quantize_opts_default();

    (void)state;
    put(small_model());
    o.bounds.limits.has_drop = true;
    o.bounds.limits.max_drop = 0.05;
    o.bounds.limits.max_size_ratio = 0.05;
    o.bounds.eval_cmd = "echo 0.9";
    o.bounds.max_evals = 2;
    quantizes(&o);
    assert_true(mq_report_n_missed(report) > 0);
    report_says("\"evaluations\": 2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_weights_as_inputs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_opset_that_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(test_max_evals, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
