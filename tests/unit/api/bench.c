/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/api/bench*.c: cases and rows, costs, metrics and bounds; another engine played by a script. Times themselves
 * are not looked at, only what must hold of any. */
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

#include "data_make.h"
#include "mq/bench.h"
#include "report/report.h"
#include "turned_make.h"

static mq_bench_opts opts;
static mq_bench_result *result;
static mq_report *report;

static int setup(void **state)
{
    opts = mq_bench_opts_default();
    opts.runs = 12;
    opts.warmup = 1;
    result = NULL;
    if (mq_report_create(&report, "bench", NULL) != MQ_OK || data_setup(state) != 0)
        return -1;
    save_turned("a.onnx", 0);
    save_turned("b.onnx", 0);
    save_turned("turned.onnx", 1);
    save_turned_data();
    return 0;
}

static int teardown(void **state)
{
    mq_bench_result_free(result);
    mq_report_free(report);
    unsetenv("MQ_PYTHON");
    return data_teardown(state);
}

static mq_status try(size_t n, const char *a, const char *b)
{
    const char *const files[] = { a, b };

    mq_bench_result_free(result);
    result = NULL;
    return mq_bench(files, n, &opts, report, &hooks, &result, &err);
}

static void bench(size_t n, const char *a, const char *b)
{
    if (try(n, a, b) != MQ_OK)
        fail_msg("%s", err.text);
}

static void refused(mq_status want, size_t n, const char *a, const char *b, const char *part)
{
    assert_int_equal(try(n, a, b), want);
    if (!strstr(err.text, part))
        fail_msg("'%s' is not in: %s", part, err.text);
}

static void use_data(void)
{
    static const char *const x[] = { "x.npy" }, *const y[] = { "y.npy" };

    opts.source.data = x;
    opts.source.labels = y;
    opts.source.n_data = opts.source.n_labels = 1;
}

static double metric(size_t model, const char *name)
{
    const mq_bench_model *of = &result->models[model];

    for (size_t i = 0; i < of->n_metrics; i++)
        if (strcmp(of->metrics[i].name, name) == 0)
            return of->metrics[i].value;
    fail_msg("no metric %s", name);
    return 0;
}

/* Missed bounds so far; the report starts anew. */
static size_t missed(void)
{
    const size_t n = mq_report_n_missed(report);

    mq_report_free(report);
    assert_int_equal(mq_report_create(&report, "bench", NULL), MQ_OK);
    return n;
}

static void rows_of_models_in_order(void **state)
{
    (void)state;
    bench(2, "a.onnx", "b.onnx");
    assert_int_equal(result->n_latency, 2);
    assert_true(result->generated);
    for (size_t i = 0; i < 2; i++) {
        const mq_bench_latency *l = &result->latency[i];

        assert_string_equal(l->file, i ? "b.onnx" : "a.onnx");
        assert_string_equal(l->engine, "mq");
        assert_int_equal(l->n_runs, 12);
        assert_int_equal(l->n_warmup, 1);
        assert_true(l->min_ms > 0 && l->min_ms <= l->median_ms.value && l->median_ms.lo <= l->median_ms.value);
        assert_true(l->median_ms.value <= l->median_ms.hi && l->median_ms.value <= l->p90_ms && l->p90_ms <= l->p99_ms);
        assert_true(l->speedup.lo <= l->speedup.value && l->speedup.value <= l->speedup.hi);
        assert_true(l->peak_bytes >= 12 && l->per_second > 0);
    }
    assert_true(result->latency[0].speedup.lo == 1 && result->latency[0].speedup.hi == 1);
    assert_true(result->models[0].model_bytes > 48 && result->models[0].data_bytes == 0);
}

static void lists_make_cases(void **state)
{
    static const int threads[] = { 1, 2 };
    static const int64_t batches[] = { 1, 3 };

    (void)state;
    opts.threads = threads;
    opts.batches = batches;
    opts.n_threads = opts.n_batches = 2;
    bench(2, "a.onnx", "b.onnx");
    assert_int_equal(result->n_latency, 8);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(result->latency[i].threads, threads[i / 2 % 2]);
        assert_int_equal(result->latency[i].batch, batches[i / 4]);
        assert_string_equal(result->latency[i].file, i % 2 ? "b.onnx" : "a.onnx");
    }
}

static void warming_up_ends(void **state)
{
    (void)state;
    opts.warmup = -1;
    opts.runs = 0;
    opts.seconds = 0.05;
    bench(1, "a.onnx", NULL);
    assert_true(result->latency[0].n_warmup >= 3 && result->latency[0].n_runs >= 5);
    assert_true(result->latency[0].first_ms > 0);
}

static void a_limit_ends_it(void **state)
{
    (void)state;
    use_data();
    opts.runs = UINT32_MAX; /* would take hours */
    opts.time_limit = 1e-9; /* over at once: a turn of each and one sample are left */
    bench(2, "a.onnx", "b.onnx");
    assert_true(result->latency[1].n_runs >= 1 && result->latency[1].n_runs < 1000000);
    assert_int_equal(result->models[0].n_judged, 1);
}

static void without_a_warm_up_the_first_run_counts(void **state)
{
    (void)state;
    opts.warmup = 0;
    bench(1, "a.onnx", NULL);
    assert_int_equal(result->latency[0].n_warmup, 0);
    assert_true(result->latency[0].first_ms == result->latency[0].raw_ms[0]);
}

static void profiles_count_macs_and_bytes(void **state)
{
    static const int64_t batch[] = { 5 };

    (void)state;
    opts.profile = true;
    opts.batches = batch;
    opts.n_batches = 1;
    bench(1, "a.onnx", NULL);
    assert_int_equal(result->models[0].n_nodes, 1);
    assert_int_equal(result->models[0].n_operators, 1);
    assert_true(result->models[0].macs == 5 * 4 * 3);
    assert_true(result->models[0].nodes[0].bytes == 4 * (5 * 4 + 4 * 3 + 5 * 3));
    assert_true(result->models[0].operators[0].share == 1 && result->models[0].operators[0].gflops > 0);
}

static void traces_are_json(void **state)
{
    json_t *doc, *events;
    size_t n_runs = 0;

    (void)state;
    opts.trace = "trace.json";
    bench(2, "a.onnx", "b.onnx");
    assert_non_null(doc = json_load_file("trace.json", 0, NULL));
    events = json_object_get(doc, "traceEvents");
    for (size_t i = 0; i < json_array_size(events); i++)
        n_runs += strcmp(json_string_value(json_object_get(json_array_get(events, i), "name")), "run") == 0;
    assert_int_equal(n_runs, 2 * 3);
    assert_int_equal(json_array_size(events), 2 * (2 + 3 * 2)); /* two names; a run has one node */
    json_decref(doc);
}

static void labels_give_metrics(void **state)
{
    (void)state;
    use_data();
    bench(2, "a.onnx", "turned.onnx");
    assert_false(result->generated);
    assert_int_equal(result->models[0].n_judged, 4);
    assert_true(metric(0, "top1") == 0.75);
    assert_true(metric(1, "top1") == 0.25);
    assert_true(result->models[1].metrics[0].has_drop && result->models[1].metrics[0].drop.value == 0.5);
    assert_true(result->models[1].metrics[0].has_interval && result->models[1].metrics[0].drop.lo < 0.5);
    assert_int_equal(result->models[0].n_classes, 3);
    assert_true(result->models[0].classes[2].recall == 0.5);
}

static void batches_change_no_metric(void **state)
{
    static const int64_t batch[] = { 3 };

    (void)state;
    use_data();
    opts.batches = batch;
    opts.n_batches = 1;
    bench(2, "a.onnx", "turned.onnx");
    assert_true(metric(0, "top1") == 0.75 && metric(1, "top1") == 0.25);
}

static void without_labels_the_first_model_is_right(void **state)
{
    (void)state;
    opts.bounds.has_drop = true;
    opts.bounds.max_drop = 0.1;
    opts.bounds.has_sqnr = true;
    opts.bounds.min_sqnr = 20;
    bench(2, "a.onnx", "b.onnx");
    assert_true(metric(1, "agreement") == 1 && metric(1, "mse") == 0);
    assert_true(isinf(result->models[1].sqnr) && result->models[1].sqnr > 0);
    assert_int_equal(missed(), 0);
    bench(2, "a.onnx", "turned.onnx");
    assert_true(result->models[1].sqnr < 20);
    assert_int_equal(missed(), 2);
}

static void bounds_of_time_look_at_intervals(void **state)
{
    (void)state;
    opts.bounds = (mq_bench_bounds){ .max_latency = 3600, .min_speedup = 1e-6 };
    bench(2, "a.onnx", "b.onnx");
    assert_int_equal(missed(), 0);
    opts.bounds = (mq_bench_bounds){ .max_latency = 1e-12, .min_speedup = 1e6 };
    bench(2, "a.onnx", "b.onnx");
    assert_int_equal(missed(), 2);
}

static void other_bounds(void **state)
{
    (void)state;
    use_data();
    opts.bounds = (mq_bench_bounds){ .max_size_ratio = 1, .max_macs_ratio = 1, .max_ram = 1 << 20, .has_metric = true,
                                     .min_metric = 0.75, .has_drop = true };
    bench(2, "a.onnx", "b.onnx");
    assert_int_equal(missed(), 0);
    opts.bounds = (mq_bench_bounds){ .max_size = 10, .max_macs = 11, .max_ram = 1, .has_metric = true, .min_metric = 0.76 };
    bench(1, "a.onnx", NULL);
    assert_int_equal(missed(), 4);
}

static void bounds_that_cannot_be_judged_are_refused(void **state)
{
    (void)state;
    opts.bounds.min_speedup = 1;
    refused(MQ_ERR_USAGE, 1, "a.onnx", NULL, "--min-speedup needs a model to compare with");
    opts.bounds = (mq_bench_bounds){ .has_metric = true };
    refused(MQ_ERR_USAGE, 1, "a.onnx", NULL, "--min-metric: nothing says what is right");
    opts.bounds = (mq_bench_bounds){ 0 };
    opts.metric = "top1";
    refused(MQ_ERR_USAGE, 2, "a.onnx", "b.onnx", "--labels");
    opts.metric = "best";
    refused(MQ_ERR_USAGE, 1, "a.onnx", NULL, "perplexity, not 'best'");
    opts.metric = NULL;
    refused(MQ_ERR_INPUT, 2, "a.onnx", "none.onnx", "none.onnx");
}

static void commands_measure(void **state)
{
    (void)state;
    opts.eval_cmd = "echo before; test {} = \"$MQ_MODEL\" && test \"$MQ_REFERENCE\" = a.onnx && case {} in a*) "
                    "echo 50;; *) echo 40; esac";
    opts.bounds.has_drop = true;
    opts.bounds.max_drop = 0.2;
    bench(2, "a.onnx", "b.onnx");
    assert_true(metric(0, "eval") == 50 && metric(1, "eval") == 40);
    assert_int_equal(missed(), 0);
    opts.bounds.max_drop = 0.19;
    bench(2, "a.onnx", "b.onnx");
    assert_int_equal(missed(), 1);
    opts.lower_is_better = true;
    bench(2, "a.onnx", "b.onnx");
    assert_int_equal(missed(), 0);
    opts.eval_cmd = "echo '{\"map\": 0.5, \"n\": 3}'";
    opts.metric = "map";
    bench(2, "a.onnx", "b.onnx");
    assert_true(metric(1, "map") == 0.5);
}

static void commands_that_fail(void **state)
{
    (void)state;
    opts.eval_cmd = "exit 3";
    refused(MQ_ERR_SYSTEM, 1, "a.onnx", NULL, "exit status 3");
    opts.eval_cmd = "echo fine";
    refused(MQ_ERR_SYSTEM, 1, "a.onnx", NULL, "'fine'");
    opts.eval_cmd = "echo '{ }'";
    refused(MQ_ERR_USAGE, 1, "a.onnx", NULL, "--metric names the key");
    opts.max_evals = 0;
    refused(MQ_ERR_USAGE, 2, "a.onnx", "b.onnx", "--max-evals 0");
}

/* An engine that takes a second a run. */
static void put_engine(const char *greeting)
{
    char text[512];
    const int n = snprintf(text, sizeof text,
                           "#!/bin/sh\nprintf '%s\\n'\nwhile read -r order call n; do\n"
                           "if [ $order = hold ]; then test -s \"$5/in.npz\" && echo done; continue; fi\n"
                           "out= i=0\nwhile [ $i -lt $n ]; do out=\"$out 1000000000\"; i=$((i + 1)); done\necho "
                           "$out\ndone\n",
                           greeting);

    scratch_put("engine", text, (size_t)n);
    assert_int_equal(chmod("engine", 0755), 0);
    setenv("MQ_PYTHON", "./engine", 1);
}

static void another_engine_takes_turns(void **state)
{
    (void)state;
    put_engine("has 9.9\\nready");
    opts.with_onnxruntime = true;
    opts.bounds.max_latency = 0.5;
    opts.bounds.min_speedup = 0.5;
    bench(2, "a.onnx", "b.onnx");
    assert_int_equal(result->n_latency, 4);
    assert_string_equal(result->latency[3].engine, "onnxruntime 9.9");
    assert_true(result->latency[3].median_ms.value == 1000 && result->latency[3].n_runs == 12);
    assert_true(result->latency[3].speedup.value < 0.5);
    assert_int_equal(missed(), 1); /* its latency; its speedup is over its own run of the first model */
}

static void engines_that_are_not_there(void **state)
{
    (void)state;
    opts.with_onnxruntime = true;
    setenv("MQ_PYTHON", "./none", 1);
    refused(MQ_ERR_UNSUPPORTED, 1, "a.onnx", NULL, "MQ_PYTHON");
    put_engine("none No module named onnxruntime");
    refused(MQ_ERR_UNSUPPORTED, 1, "a.onnx", NULL, "pip install onnxruntime");
    put_engine("has 9.9\\nrefused no such operator");
    refused(MQ_ERR_UNSUPPORTED, 1, "a.onnx", NULL, "no such operator");
}

#define BENCH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH(rows_of_models_in_order),
        BENCH(lists_make_cases),
        BENCH(warming_up_ends),
        BENCH(a_limit_ends_it),
        BENCH(without_a_warm_up_the_first_run_counts),
        BENCH(profiles_count_macs_and_bytes),
        BENCH(traces_are_json),
        BENCH(labels_give_metrics),
        BENCH(batches_change_no_metric),
        BENCH(without_labels_the_first_model_is_right),
        BENCH(bounds_of_time_look_at_intervals),
        BENCH(other_bounds),
        BENCH(bounds_that_cannot_be_judged_are_refused),
        BENCH(commands_measure),
        BENCH(commands_that_fail),
        BENCH(another_engine_takes_turns),
        BENCH(engines_that_are_not_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
