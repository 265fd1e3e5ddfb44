/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/api/against.c: two models, or one and stored outputs; what counts, what is said, what goes into the report. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data_make.h"
#include "mq/run.h"
#include "report/report.h"

static mq_model *reference;
static mq_against_opts opts;
static mq_against_result *result;
static mq_report *report;
static char notes[1000];

static void note(void *user, const char *text)
{
    (void)user;
    snprintf(notes + strlen(notes), sizeof notes - strlen(notes), "%s; ", text);
}

/* out = (in * 2 + by), and the product under the name "a" */
static mq_model *fill(mq_model *g, mq_dtype dtype, const char *in, const char *out, double by)
{
    const double two = 2;
    const float two_f = 2, by_f = (float)by;
    char names[64];

    make_input(g->graph, in, dtype, "N,2");
    make_init(g->graph, "two", dtype, "", dtype == MQ_FLOAT ? (const void *)&two_f : &two);
    make_init(g->graph, "by", dtype, "", dtype == MQ_FLOAT ? (const void *)&by_f : &by);
    snprintf(names, sizeof names, "%s,two", in);
    make_node(g->graph, "Mul", names, "a");
    make_node(g->graph, "Add", "a,by", out);
    make_type(make_output(g->graph, out), dtype, "N,2");
    return g;
}

static int setup(void **state)
{
    opts = mq_against_opts_default();
    opts.note = note;
    *notes = '\0';
    result = NULL;
    reference = NULL;
    if (mq_report_create(&report, "check", NULL) != MQ_OK)
        return -1;
    return data_setup(state);
}

static int teardown(void **state)
{
    mq_against_result_free(result);
    mq_model_free(reference);
    mq_report_free(report);
    return data_teardown(state);
}

static void data_is(const char *const *list, size_t n)
{
    opts.source.data = list;
    opts.source.n_data = n;
}

static void compare(void)
{
    mq_against_result_free(result);
    result = NULL;
    if (mq_check_against(m, reference, &opts, report, &hooks, &result, &err) != MQ_OK)
        fail_msg("%s", err.text);
}

static void refused(mq_status want, const char *part)
{
    mq_against_result *r = NULL;

    assert_int_equal(mq_check_against(m, reference, &opts, report, &hooks, &r, &err), want);
    if (!strstr(err.text, part))
        fail_msg("'%s' is not in: %s", part, err.text);
}

static const char *const x_npy[] = { "x.npy" };

static void equal_models_agree(void **state)
{
    (void)state;
    fill(m, MQ_FLOAT, "x", "y", 1);
    reference = fill(make_model(17), MQ_FLOAT, "x", "y", 1);
    put_floats("x.npy", "3,2");
    data_is(x_npy, 1);
    compare();
    assert_true(result->ok && result->n_samples == 3 && !result->generated && result->n_tensors == 1);
    assert_true(result->tensors[0].count == 6 && result->tensors[0].differ == 0 && isinf(result->tensors[0].sqnr));
    assert_int_equal(mq_report_n_missed(report), 0);
    assert_int_equal(json_array_size(mq_report_peek(report, "bounds")), 1); /* the default tolerance */
    opts.source.n_data = 0;
    compare();
    assert_true(result->ok && result->generated);
}

static void a_difference_misses_its_bounds(void **state)
{
    const json_t *entry;

    (void)state;
    fill(m, MQ_FLOAT, "x", "y", 1.5);
    reference = fill(make_model(17), MQ_FLOAT, "x", "y", 1);
    put_floats("x.npy", "3,2");
    data_is(x_npy, 1);
    compare();
    assert_false(result->ok);
    assert_true(result->tensors[0].max_abs == 0.5 && result->tensors[0].outside == 6 && result->tensors[0].agree == 1);
    assert_int_equal(mq_report_n_missed(report), 1);
    entry = json_array_get(mq_report_peek(report, "bounds"), 0);
    assert_string_equal(json_string_value(json_object_get(entry, "tensor")), "y");
    opts.has_tolerance = true;
    opts.atol = 0.6;
    compare();
    assert_true(result->ok);
    opts.min_sqnr = 100; /* both count */
    compare();
    assert_false(result->ok);
    opts.has_tolerance = false;
    opts.min_sqnr = 5;
    compare();
    assert_true(result->ok);
}

static void measuring_judges_nothing(void **state)
{
    (void)state;
    fill(m, MQ_FLOAT, "x", "y", 100);
    reference = fill(make_model(17), MQ_FLOAT, "x", "y", 1);
    opts.only_measure = true;
    compare();
    assert_true(result->ok);
    assert_null(mq_report_peek(report, "bounds"));
    assert_int_equal(json_array_size(mq_report_peek(report, "agreement")), 1);
}

static void inner_tensors_explain_and_do_not_decide(void **state)
{
    static const char *const all[] = { "*" }, *const none[] = { "none*" };

    (void)state;
    fill(m, MQ_FLOAT, "x", "y", 1);
    reference = fill(make_model(17), MQ_FLOAT, "x", "y", 1);
    opts.tensors = all;
    opts.n_tensors = 1;
    compare();
    assert_int_equal(result->n_tensors, 2);
    assert_string_equal(result->tensors[1].name, "a");
    assert_false(result->tensors[1].is_output);
    assert_int_equal(json_array_size(mq_report_peek(report, "bounds")), 1);
    opts.tensors = none;
    refused(MQ_ERR_USAGE, "none*");
}

static void other_names_go_by_position_and_other_types_as_numbers(void **state)
{
    (void)state;
    fill(m, MQ_FLOAT, "x", "y", 1);
    reference = fill(make_model(17), MQ_DOUBLE, "in", "out", 1);
    put_floats("x.npy", "3,2");
    data_is(x_npy, 1);
    compare();
    assert_true(result->ok && result->tensors[0].count == 6);
    assert_string_equal(result->tensors[0].reference, "out");
    assert_non_null(strstr(notes, "outputs"));
    assert_non_null(strstr(notes, "inputs"));
}

static void what_the_reference_lacks_is_named(void **state)
{
    static const char *const inner[] = { "a" };

    (void)state;
    fill(m, MQ_FLOAT, "x", "y", 1);
    make_type(make_output(m->graph, "a"), MQ_FLOAT, "N,2");
    reference = fill(make_model(17), MQ_FLOAT, "x", "out", 1);
    refused(MQ_ERR_INPUT, "the reference has no tensor 'y'"); /* two outputs beside one: positions say nothing */
    opts.outputs = inner;
    opts.n_outputs = 1;
    compare();
    assert_true(result->ok && result->n_tensors == 1);
}

static void shapes_that_differ_are_a_finding(void **state)
{
    static const int64_t shape[1] = { -1 };

    (void)state;
    fill(m, MQ_FLOAT, "x", "y", 1);
    reference = make_model(17);
    make_input(reference->graph, "x", MQ_FLOAT, "N,2");
    make_init(reference->graph, "shape", MQ_INT64, "1", shape);
    make_node(reference->graph, "Reshape", "x,shape", "y");
    make_type(make_output(reference->graph, "y"), MQ_FLOAT, "M");
    compare();
    assert_false(result->ok);
    assert_non_null(strstr(result->tensors[0].note, "float[1,2]"));
    assert_int_equal(json_array_size(mq_report_peek(report, "findings")), 1);
}

static void stored_outputs_are_a_reference(void **state)
{
    static const char *const both[] = { "both.jsonl" }, *const one[] = { "one.jsonl" };

    (void)state;
    fill(m, MQ_FLOAT, "x", "y", 1);
    scratch_put_text("both.jsonl", "{\"x\": [1, 2], \"y\": [3, 5]}\n{\"x\": [0, 0], \"y\": [1, 1.5]}\n");
    scratch_put_text("one.jsonl", "{\"x\": [1, 2]}\n");
    data_is(both, 1);
    compare();
    assert_false(result->ok);
    assert_true(result->tensors[0].count == 4 && result->tensors[0].outside == 1 && result->tensors[0].max_abs == 0.5);
    data_is(one, 1);
    refused(MQ_ERR_INPUT, "no array is called like output 'y'");
}

static void not_a_number_in_one_only_is_no_agreement(void **state)
{
    static const float bad[2] = { NAN, 1 };

    (void)state;
    fill(m, MQ_FLOAT, "x", "y", 1);
    reference = fill(make_model(17), MQ_FLOAT, "x", "y", 1);
    put_npy("x.npy", MQ_FLOAT, "1,2", bad);
    data_is(x_npy, 1);
    compare();
    assert_true(result->ok); /* in both */
    assert_non_null(strstr(warned, "data-nonfinite"));
    mq_model_free(reference);
    reference = make_model(17);
    make_input(reference->graph, "x", MQ_FLOAT, "N,2");
    make_node(reference->graph, "IsNaN", "x", "b");
    mq_node_set_attr_int(make_node(reference->graph, "Cast", "b", "y"), "to", MQ_FLOAT, NULL);
    make_type(make_output(reference->graph, "y"), MQ_FLOAT, "N,2");
    opts.min_sqnr = -100;
    compare();
    assert_false(result->ok);
    assert_true(result->tensors[0].nonfinite == 1 && isinf(result->tensors[0].sqnr) && result->tensors[0].sqnr < 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(equal_models_agree), T(a_difference_misses_its_bounds), T(measuring_judges_nothing),
        T(inner_tensors_explain_and_do_not_decide), T(other_names_go_by_position_and_other_types_as_numbers),
        T(what_the_reference_lacks_is_named), T(shapes_that_differ_are_a_finding), T(stored_outputs_are_a_reference),
        T(not_a_number_in_one_only_is_no_agreement),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
