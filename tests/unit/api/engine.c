/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/api/engine.c: running a model from a program, and every way of feeding it wrongly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_make.h"
#include "mq/run.h"

static mq_model *m;
static mq_engine *engine;
static mq_execution *x;
static mq_error err;

/* y = x + w, z = relu(x) */
static int setup(void **state)
{
    static const float w[3] = { 10, 20, 30 };

    (void)state;
    m = make_model(17);
    make_input(m->graph, "x", MQ_FLOAT, "N,3");
    make_init(m->graph, "w", MQ_FLOAT, "3", w);
    make_node(m->graph, "Add", "x,w", "y");
    make_node(m->graph, "Relu", "x", "z");
    make_output(m->graph, "y");
    make_output(m->graph, "z");
    err = (mq_error){ 0 };
    if (mq_engine_create(&engine, m, NULL, &err) != MQ_OK || mq_execution_create(&x, engine, 1, &err) != MQ_OK)
        fail_msg("%s", err.text);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mq_execution_free(x);
    mq_engine_free(engine);
    mq_model_free(m);
    return 0;
}

static mq_view view_of(const float *data, int64_t n)
{
    return (mq_view){ .type = MQ_FLOAT, .rank = 2, .dims = { n, 3 }, .data = data, .n_bytes = (size_t)n * 3 * sizeof *data };
}

static void inputs_and_outputs_have_names_and_types(void **state)
{
    char text[64];
    mq_view v;

    (void)state;
    assert_string_equal(mq_engine_input(engine, 0), "x");
    assert_null(mq_engine_input(engine, 1));
    assert_string_equal(mq_engine_output(engine, 0), "y");
    assert_string_equal(mq_engine_output(engine, 1), "z");
    assert_null(mq_engine_output(engine, 2));
    mq_engine_input_text(engine, 0, text, sizeof text);
    assert_string_equal(text, "float[N,3]");
    assert_true(mq_engine_input_view(engine, 0, &v));
    assert_true(v.type == MQ_FLOAT && v.rank == 2 && v.dims[0] == -1 && v.dims[1] == 3);
    assert_false(mq_engine_input_view(engine, 1, &v));
}

static void shapes_may_change_from_run_to_run(void **state)
{
    static const float in[9] = { -1, 2, 3, 4, 5, 6, 7, 8, 9 };
    mq_view v, out;

    (void)state;
    for (int64_t n = 1; n <= 3; n++) {
        v = view_of(in, n);
        assert_int_equal(mq_execution_set(x, "x", &v, &err), MQ_OK);
        assert_int_equal(mq_execution_run(x, &err), MQ_OK);
        assert_int_equal(mq_execution_get(x, "y", &out, &err), MQ_OK);
        assert_true(out.type == MQ_FLOAT && out.rank == 2 && out.dims[0] == n && out.dims[1] == 3);
        assert_int_equal(mq_view_count(&out), n * 3);
        assert_true(mq_view_number(&out, 0) == 9 && mq_view_number(&out, (size_t)n * 3 - 1) == in[n * 3 - 1] + 30);
        assert_int_equal(mq_execution_get(x, "z", &out, &err), MQ_OK);
        assert_true(mq_view_number(&out, 0) == 0 && mq_view_number(&out, 1) == 2);
    }
}

static void executions_of_one_engine_are_apart(void **state)
{
    static const float a[3] = { 1, 1, 1 }, b[3] = { 2, 2, 2 };
    mq_view va = view_of(a, 1), vb = view_of(b, 1), out;
    mq_execution *other = NULL;

    (void)state;
    assert_int_equal(mq_execution_create(&other, engine, 1, &err), MQ_OK);
    assert_int_equal(mq_execution_set(x, "x", &va, &err), MQ_OK);
    assert_int_equal(mq_execution_set(other, "x", &vb, &err), MQ_OK);
    assert_int_equal(mq_execution_run(x, &err), MQ_OK);
    assert_int_equal(mq_execution_run(other, &err), MQ_OK);
    assert_int_equal(mq_execution_get(x, "y", &out, &err), MQ_OK);
    assert_true(mq_view_number(&out, 0) == 11);
    assert_int_equal(mq_execution_get(other, "y", &out, &err), MQ_OK);
    assert_true(mq_view_number(&out, 0) == 12);
    mq_execution_free(other);
}

static void what_does_not_fit_is_refused(void **state)
{
    static const float in[8] = { 0 };
    mq_view v = view_of(in, 1), out;

    (void)state;
    assert_int_equal(mq_execution_get(x, "y", &out, &err), MQ_ERR_USAGE); /* nothing has run */
    assert_int_equal(mq_execution_run(x, &err), MQ_ERR_INPUT);            /* nothing is fed */
    assert_non_null(strstr(err.text, "'x'"));
    assert_int_equal(mq_execution_set(x, "u", &v, &err), MQ_ERR_INPUT);
    assert_non_null(strstr(err.text, "'x' float[N,3]"));
    v.n_bytes--;
    assert_int_equal(mq_execution_set(x, "x", &v, &err), MQ_ERR_INPUT);
    v = (mq_view){ .type = MQ_STRING, .rank = 1, .dims = { 1 }, .data = in, .n_bytes = 8 };
    assert_int_equal(mq_execution_set(x, "x", &v, &err), MQ_ERR_INPUT);
    v = (mq_view){ .type = MQ_FLOAT, .rank = 2, .dims = { 2, 4 }, .data = in, .n_bytes = sizeof in };
    assert_int_equal(mq_execution_set(x, "x", &v, &err), MQ_OK);
    assert_int_equal(mq_execution_run(x, &err), MQ_ERR_INPUT);
    v = view_of(in, 1);
    assert_int_equal(mq_execution_set(x, "x", &v, &err), MQ_OK);
    assert_int_equal(mq_execution_run(x, &err), MQ_OK);
    assert_int_equal(mq_execution_get(x, "w", &out, &err), MQ_ERR_USAGE);
}

static void views_count_safely(void **state)
{
    mq_view v = { .rank = 2, .dims = { INT64_MAX, INT64_MAX } };

    (void)state;
    assert_int_equal(mq_view_count(&v), 0);
    v.dims[1] = -1;
    assert_int_equal(mq_view_count(&v), 0);
    v.rank = 0;
    assert_int_equal(mq_view_count(&v), 1);
    assert_string_equal(mq_type_name(MQ_FLOAT), "float");
    assert_string_equal(mq_type_name(1000), "undefined");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(inputs_and_outputs_have_names_and_types), T(shapes_may_change_from_run_to_run),
        T(executions_of_one_engine_are_apart), T(what_does_not_fit_is_refused), cmocka_unit_test(views_count_safely),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
