/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/api/train_labels.c through trainings of models that end in Sigmoid: every form of labels is learned, by itself
 * and from a teacher; labels that do not fit are refused. */
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "data_make.h"
#include "mq/distill.h"
#include "report/report.h"

enum { N = 96, WIDE = 3 };

static mq_distill_opts opts;
static mq_report *report;
static float x[N * WIDE];

/* p = sigmoid(x * w + b), weights small or of a model that knows */
static void save_model(const char *path, int outputs, float strength)
{
    const mq_save_opts save = { .force = true };
    const int64_t dims[2] = { WIDE, outputs };
    mq_model *g = make_model(17);
    float w[WIDE * WIDE] = { 0 }, b[WIDE] = { 0 };

    for (int i = 0; i < outputs; i++)
        w[i * outputs + i] = strength;
    make_input(g->graph, "x", MQ_FLOAT, "N,3");
    make_init(g->graph, "w", MQ_FLOAT, dims[1] == 1 ? "3,1" : "3,3", w);
    make_init(g->graph, "b", MQ_FLOAT, dims[1] == 1 ? "1" : "3", b);
    make_node(g->graph, "Gemm", "x,w,b", "z");
    make_node(g->graph, "Sigmoid", "z", "p");
    make_type(make_output(g->graph, "p"), MQ_FLOAT, dims[1] == 1 ? "N,1" : "N,3");
    assert_int_equal(mq_model_save(g, path, &save, NULL, NULL, NULL), MQ_OK);
    mq_model_free(g);
}

/* Element k of a sample says yes to question k: is it above 0? */
static int setup(void **state)
{
    static const char *const data_list[] = { "x.npy" };
    uint64_t seed = 1;

    opts = mq_distill_opts_default();
    opts.train.epochs = 20;
    opts.train.batch = 16;
    opts.train.lr = 0.1;
    opts.train.early_stop = 0;
    opts.student = "s.onnx";
    opts.train_on.data = data_list;
    opts.train_on.n_data = 1;
    opts.save.force = true;
    if (mq_report_create(&report, "distill", NULL) != MQ_OK || data_setup(state) != 0)
        return -1;
    for (int i = 0; i < N * WIDE; i++)
        x[i] = (float)(2 * mq_random_unit(mq_random_next(&seed)) - 1);
    put_npy("x.npy", MQ_FLOAT, "96,3", x);
    save_model("t.onnx", 3, 8);
    save_model("s.onnx", 3, 0.01f);
    return 0;
}

static int teardown(void **state)
{
    mq_report_free(report);
    return data_teardown(state);
}

static void use_labels(void)
{
    static const char *const labels[] = { "y.npy" };

    opts.train_on.labels = labels;
    opts.train_on.n_labels = 1;
}

static mq_status try(void)
{
    mq_report_free(report);
    assert_int_equal(mq_report_create(&report, "distill", NULL), MQ_OK);
    return mq_distill_file("t.onnx", "out.onnx", &opts, report, &hooks, &err);
}

/* The student's metric. */
static double metric(const char **name)
{
    const json_t *metrics, *values;

    if (try() != MQ_OK)
        fail_msg("%s", err.text);
    metrics = mq_report_peek(report, "metrics");
    values = json_array_get(json_object_get(json_array_get(metrics, json_array_size(metrics) - 1), "values"), 0);
    *name = json_string_value(json_object_get(values, "name"));
    return json_real_value(json_object_get(values, "value"));
}

/* Of labels alone. */
static void alone(void)
{
    static const char *const ce[] = { "ce" };

    use_labels();
    opts.train.losses = (mq_names){ ce, 1 };
}

static void many_answers(void **state)
{
    int64_t y[N * WIDE];
    const char *name;
    double got;

    (void)state;
    for (int i = 0; i < N * WIDE; i++)
        y[i] = x[i] > 0;
    put_npy("y.npy", MQ_INT64, "96,3", y);
    alone();
    got = metric(&name);
    assert_string_equal(name, "mse");
    if (!(got < 0.06))
        fail_msg("the error of answers is %g", got);
}

static void class_numbers(void **state)
{
    int64_t y[N];
    const char *name;
    double got;

    (void)state;
    for (int i = 0; i < N; i++) {
        const float *row = x + (size_t)i * WIDE;

        y[i] = row[0] >= row[1] && row[0] >= row[2] ? 0 : row[1] >= row[2] ? 1 : 2;
    }
    put_npy("y.npy", MQ_INT64, "96", y);
    alone();
    got = metric(&name);
    assert_string_equal(name, "top1");
    if (!(got >= 0.9))
        fail_msg("%g of the classes are right", got);
    y[5] = 3;
    put_npy("y.npy", MQ_INT64, "96", y);
    assert_int_equal(try(), MQ_ERR_INPUT);
    assert_non_null(strstr(err.text, "out of range"));
}

static void one_answer(void **state)
{
    int64_t y[N];
    const char *name;
    double got;

    (void)state;
    save_model("t.onnx", 1, 8);
    save_model("s.onnx", 1, -0.5f);
    for (int i = 0; i < N; i++)
        y[i] = x[(size_t)i * WIDE] > 0;
    put_npy("y.npy", MQ_INT64, "96", y);
    alone();
    got = metric(&name);
    assert_string_equal(name, "top1");
    if (!(got >= 0.9))
        fail_msg("%g of the answers are right", got);
    opts.control = true; /* labels alone by another way */
    assert_true(metric(&name) >= 0.9);
    opts.control = false;
    y[0] = 2;
    put_npy("y.npy", MQ_INT64, "96", y);
    assert_int_equal(try(), MQ_ERR_INPUT);
    assert_non_null(strstr(err.text, "out of range"));
}

/* Half of the samples have no label: the control takes turns among the others. */
static void some_answers(void **state)
{
    static const char *const val[] = { "x.npy" }, *const val_labels[] = { "full.npy" };
    int64_t y[N], full[N];
    const char *name;

    (void)state;
    save_model("t.onnx", 1, 8);
    save_model("s.onnx", 1, -0.5f);
    for (int i = 0; i < N; i++) {
        full[i] = x[(size_t)i * WIDE] > 0;
        y[i] = i % 2 ? -1 : full[i];
    }
    put_npy("y.npy", MQ_INT64, "96", y);
    put_npy("full.npy", MQ_INT64, "96", full);
    use_labels();
    opts.judge_on = (mq_data_source){ .data = val, .n_data = 1, .labels = val_labels, .n_labels = 1, .val = true };
    opts.control = true;
    assert_true(metric(&name) >= 0.95);
    assert_string_equal(name, "top1");
}

/* Without labels: the teacher's probabilities, or its answers. */
static void a_teacher_answers(void **state)
{
    const char *name;
    double soft, hard;

    (void)state;
    opts.train.temperature = 2;
    soft = metric(&name);
    assert_string_equal(name, "mse");
    opts.train.hard = true;
    hard = metric(&name);
    if (!(soft < 0.02 && hard < 0.05 && soft != hard))
        fail_msg("the errors are %g and %g", soft, hard);
}

static void labels_of_another_shape(void **state)
{
    float y[N * 2] = { 0 };

    (void)state;
    put_npy("y.npy", MQ_FLOAT, "96,2", y);
    alone();
    assert_int_equal(try(), MQ_ERR_INPUT);
    assert_non_null(strstr(err.text, "2 labels for each sample do not fit an output of 3 probabilities"));
}

#define LABELS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LABELS(many_answers),
        LABELS(class_numbers),
        LABELS(one_answer),
        LABELS(some_answers),
        LABELS(a_teacher_answers),
        LABELS(labels_of_another_shape),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
