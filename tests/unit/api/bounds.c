/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/api/bounds.c: what is counted, what a command and the data say, times, another engine played by a script; that
 * nothing is left behind. */
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "api/bounds.h"
#include "data_make.h"
#include "report/report.h"
#include "turned_make.h"

static mq_bounds asked;
static mq_data_source source;
static mq_judging_opts opts;
static mq_judging *judging;
static mq_report *report;
static mq_model *original, *result;

static int setup(void **state)
{
    asked = mq_bounds_default();
    source = (mq_data_source){ 0 };
    judging = NULL;
    if (mq_report_create(&report, "prune", NULL) != MQ_OK || data_setup(state) != 0)
        return -1;
    mkdir("tmp", 0777);
    setenv("TMPDIR", "tmp", 1);
    save_turned("a.onnx", 0);
    save_turned_data();
    original = make_turned(0);
    result = make_turned(1);
    opts = (mq_judging_opts){ .asked = &asked, .input = "a.onnx", .output = "out.onnx", .source = &source, .seconds = 0.05,
                              .report = report, .hooks = &hooks };
    return 0;
}

static int teardown(void **state)
{
    mq_judging_close(judging);
    assert_int_equal(scratch_count("tmp"), 0);
    mq_model_free(original);
    mq_model_free(result);
    mq_report_free(report);
    unsetenv("MQ_PYTHON");
    unsetenv("TMPDIR");
    return data_teardown(state);
}

static void use_data(void)
{
    static const char *const x[] = { "x.npy" }, *const y[] = { "y.npy" };

    source.data = x;
    source.labels = y;
    source.n_data = source.n_labels = 1;
}

static void open_judging(void)
{
    mq_judging_close(judging);
    judging = NULL;
    if (mq_judging_open(&judging, &opts, original, &err) != MQ_OK)
        fail_msg("%s", err.text);
}

static void run_on(mq_model *model)
{
    if (mq_judging_run(judging, model, &err) != MQ_OK)
        fail_msg("%s", err.text);
}

/* The i-th bound of the report, as a sentence: "max-drop of onnxruntime 9.9: asked a, got b, missed". */
static const char *bound(size_t i)
{
    static char text[512];
    const json_t *b = json_array_get(mq_report_peek(report, "bounds"), i);
    const char *tensor = json_string_value(json_object_get(b, "tensor"));

    assert_non_null(b);
    snprintf(text, sizeof text, "%s%s%s: asked %s, got %s, %s", json_string_value(json_object_get(b, "name")),
             tensor ? " of " : "", tensor ? tensor : "", json_string_value(json_object_get(b, "asked")),
             json_string_value(json_object_get(b, "got")), json_is_true(json_object_get(b, "pass")) ? "held" : "missed");
    return text;
}

static void nothing_asked_is_nothing_done(void **state)
{
    (void)state;
    opts.input = "none.onnx";
    open_judging();
    assert_int_equal(mq_judging_cost(judging, result, &err), MQ_OK);
    run_on(result);
    assert_null(mq_report_peek(report, "bounds"));
    assert_false(mq_judging_runs(&asked));
}

static void costs_are_counted(void **state)
{
    (void)state;
    asked.limits.max_macs = 11;
    asked.limits.max_ram = 28;
    open_judging();
    assert_int_equal(mq_judging_cost(judging, result, &err), MQ_OK);
    assert_string_equal(bound(0), "max-macs: asked <= 11, got 12, missed");
    assert_string_equal(bound(1), "max-ram: asked <= 28 B, got 28 B, held");
    asked.limits = (mq_bench_bounds){ .max_macs_ratio = 1 };
    open_judging();
    assert_int_equal(mq_judging_cost(judging, result, &err), MQ_OK);
    assert_string_equal(bound(2), "max-macs: asked <= 100%, got 12 (100.0%), held");
}

static void data_judge(void **state)
{
    (void)state;
    use_data();
    asked.limits = (mq_bench_bounds){ .has_drop = true, .max_drop = 0.01, .has_metric = true, .min_metric = 0.75 };
    asked.metric = "top1";
    open_judging();
    run_on(original);
    assert_non_null(strstr(bound(0), "max-drop: asked top1: <= 1%, got 0%"));
    assert_non_null(strstr(bound(0), "held"));
    assert_string_equal(bound(1), "min-metric: asked top1 >= 0.75, got 0.75, held");
    run_on(result);
    assert_non_null(strstr(bound(2), "missed"));
    assert_string_equal(bound(3), "min-metric: asked top1 >= 0.75, got 0.25, missed");
    assert_string_equal(json_string_value(json_object_get(json_array_get(mq_report_peek(report, "metrics"), 1), "model")),
                        "out.onnx");
}

static void a_command_judges(void **state)
{
    (void)state;
    asked.eval_cmd = "echo x >>calls; test \"$MQ_REFERENCE\" = a.onnx && test -s {} && case {} in a.onnx) echo 0.5;; "
                     "*) echo 0.4; esac";
    asked.limits = (mq_bench_bounds){ .has_drop = true, .max_drop = 0.05, .has_metric = true, .min_metric = 0.4 };
    asked.max_evals = 1;
    open_judging();
    run_on(result);
    assert_string_equal(bound(0), "max-drop: asked eval: <= 5%, got 10% (0.4, was 0.5), missed");
    assert_string_equal(bound(1), "min-metric: asked eval >= 0.4, got 0.4, held");
    run_on(result); /* the original has been asked */
    scratch_has("calls", "x\nx\nx\n");
}

static void figures_for_a_search(void **state)
{
    mq_measured f;

    (void)state;
    use_data();
    open_judging();
    assert_int_equal(mq_judging_measure(judging, result, MQ_MEASURE_COST | MQ_MEASURE_METRIC | MQ_MEASURE_TIME, &f, &err),
                     MQ_OK);
    assert_int_equal(f.macs, 12);
    assert_string_equal(f.metric_name, "top1");
    assert_true(f.metric == 0.25 && f.drop == 0.5 && !f.lower_is_better);
    assert_true(f.latency.value > 0 && f.latency.value < 1 && f.speedup.lo <= f.speedup.hi);
    assert_null(mq_report_peek(report, "bounds"));
    asked.eval_cmd = "echo 2";
    asked.max_evals = 1;
    open_judging();
    assert_int_equal(mq_judging_measure(judging, result, MQ_MEASURE_METRIC, &f, &err), MQ_OK);
    assert_true(f.metric == 2 && f.drop == 0);
    assert_int_equal(mq_judging_measure(judging, result, MQ_MEASURE_METRIC, &f, &err), MQ_ERR_USAGE);
}

static void times_are_bounds(void **state)
{
    (void)state;
    asked.limits = (mq_bench_bounds){ .max_latency = 3600, .min_speedup = 1e6 };
    open_judging();
    run_on(result);
    assert_non_null(strstr(bound(0), "max-latency: asked <= 3.6e+06 ms"));
    assert_non_null(strstr(bound(0), "held"));
    assert_non_null(strstr(bound(1), "min-speedup: asked >= 1e+06"));
    assert_non_null(strstr(bound(1), "missed"));
}

/* What came through a pipe is judged by a copy. */
static void originals_without_a_file(void **state)
{
    (void)state;
    use_data();
    opts.input = "-";
    asked.limits = (mq_bench_bounds){ .has_drop = true, .max_drop = 0.01 };
    open_judging();
    assert_int_equal(scratch_count("tmp"), 1);
    run_on(result);
    assert_non_null(strstr(bound(0), "missed"));
}

/* An engine that refuses. */
static void another_engine_must_take_it(void **state)
{
    static const char engine[] = "#!/bin/sh\nprintf 'has 9.9\\nrefused no such operator\\n'\n";

    (void)state;
    scratch_put_text("engine", engine);
    assert_int_equal(chmod("engine", 0755), 0);
    setenv("MQ_PYTHON", "./engine", 1);
    asked.with_onnxruntime = true;
    asked.limits.max_latency = 1;
    open_judging();
    run_on(result);
    assert_non_null(strstr(bound(0), "min-sqnr of onnxruntime"));
    assert_non_null(strstr(bound(0), "no such operator, missed"));
    assert_int_equal(json_array_size(mq_report_peek(report, "bounds")), 1);
}

#define BOUNDS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOUNDS(nothing_asked_is_nothing_done),
        BOUNDS(costs_are_counted),
        BOUNDS(data_judge),
        BOUNDS(a_command_judges),
        BOUNDS(figures_for_a_search),
        BOUNDS(times_are_bounds),
        BOUNDS(originals_without_a_file),
        BOUNDS(another_engine_must_take_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
