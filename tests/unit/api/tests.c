/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/api/tests.c: ONNX test folders that are equal, differ, need what is not there, are broken, or draw
 * random numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "data_make.h"
#include "model/save.h"
#include "mq/run.h"
#include "report/report.h"

static mq_tests_opts opts;
static mq_tests_summary sum;
static mq_report *report;
static char told[1000];

static void tell(void *user, const char *folder, mq_test_outcome outcome, const char *text)
{
    static const char *const words[] = { "equal", "differs", "unsupported", "broken", "random" };

    (void)user;
    snprintf(told + strlen(told), sizeof told - strlen(told), "%s %s%s; ", folder, words[outcome], *text ? " ..." : "");
}

static int setup(void **state)
{
    opts = (mq_tests_opts){ .outcome = tell };
    *told = '\0';
    return mq_report_create(&report, "check", NULL) == MQ_OK ? data_setup(state) : -1;
}

static int teardown(void **state)
{
    mq_report_free(report);
    return data_teardown(state);
}

/* A TensorProto: float[1] with that value (dims 1: 08 01; data_type 2: 10 01; raw_data 9: 4a 04 ...). */
static void put_value(const char *path, float value)
{
    unsigned char bytes[10] = { 0x08, 0x01, 0x10, 0x01, 0x4a, 0x04 };

    memcpy(bytes + 6, &value, sizeof value);
    scratch_put(path, bytes, sizeof bytes);
}

/* FOLDER: y = OP(x), x = in, expected y = want. */
static void put_test(const char *folder, const char *domain, const char *op, float in, float want)
{
    mq_model *t = make_model(17);
    mq_save_opts save = mq_save_opts_default();
    char path[200];

    make_input(t->graph, "x", MQ_FLOAT, "1");
    assert_int_equal(mq_opset_set(t, "com.example", 1, NULL), MQ_OK);
    make_node(t->graph, op, "x", "y")->domain = domain;
    make_type(make_output(t->graph, "y"), MQ_FLOAT, "1");
    assert_int_equal(mkdir(folder, 0700), 0);
    snprintf(path, sizeof path, "%s/test_data_set_0", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    assert_int_equal(mq_model_save(t, path, &save, NULL, NULL, &err), MQ_OK);
    mq_model_free(t);
    snprintf(path, sizeof path, "%s/test_data_set_0/input_0.pb", folder);
    put_value(path, in);
    snprintf(path, sizeof path, "%s/test_data_set_0/output_0.pb", folder);
    put_value(path, want);
}

static void check(const char *folder)
{
    if (mq_check_tests(folder, &opts, report, &hooks, &sum, &err) != MQ_OK)
        fail_msg("%s", err.text);
}

static void a_folder_of_tests_is_run_in_order(void **state)
{
    (void)state;
    assert_int_equal(mkdir("all", 0700), 0);
    put_test("all/a", "", "Neg", 2, -2);
    put_test("all/b", "", "Neg", 2, 2);
    put_test("all/c", "com.example", "Mystery", 2, 2);
    put_test("all/d", "", "RandomNormalLike", 2, 77);
    put_test("all/e", "", "Neg", 2, -2);
    scratch_put_text("all/e/test_data_set_0/input_0.pb", "no tensor");
    scratch_put_text("all/readme.txt", "no test");
    check("all");
    assert_string_equal(told, "all/a equal; all/b differs ...; all/c unsupported ...; all/d random ...; all/e broken ...; ");
    assert_true(sum.n_equal == 1 && sum.n_differs == 1 && sum.n_unsupported == 1 && sum.n_random == 1 && sum.n_broken == 1);
    assert_int_equal(mq_report_n_missed(report), 2); /* differs, broken */
    assert_int_equal(mq_report_n_warnings(report), 2);
    assert_int_equal(json_integer_value(json_object_get(mq_report_peek(report, "tests"), "equal")), 1);
}

static void tolerances_come_from_the_folder_or_the_caller(void **state)
{
    (void)state;
    put_test("t", "", "Neg", 2, -2.01f);
    check("t");
    assert_int_equal(sum.n_differs, 1);
    scratch_put_text("t/tol.txt", "0.01 0\n");
    check("t");
    assert_int_equal(sum.n_equal, 1);
    opts.has_tolerance = true;
    opts.atol = 1e-3;
    check("t");
    assert_int_equal(sum.n_differs, 1);
}

static void a_folder_without_tests_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(mkdir("none", 0700), 0);
    assert_int_equal(mq_check_tests("none", &opts, report, NULL, &sum, &err), MQ_ERR_INPUT);
    assert_non_null(strstr(err.text, "holds no test"));
    assert_int_equal(mq_check_tests("missing", &opts, report, NULL, &sum, &err), MQ_ERR_INPUT);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_folder_of_tests_is_run_in_order), T(tolerances_come_from_the_folder_or_the_caller),
        T(a_folder_without_tests_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
