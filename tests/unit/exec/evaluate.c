/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/exec/evaluate.c: one node on constants, of the newest opset and of older ones that mean something else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exec/evaluate.h"
#include "graph_make.h"

static mq_model *m;
static mq_evaluator *e;
static mq_error err;

static int setup(void **state)
{
    (void)state;
    assert_int_equal(mq_evaluator_create(&e, 1, NULL), MQ_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mq_evaluator_free(e);
    mq_model_free(m);
    return 0;
}

/* A node of one input, 2x3: 0 to 5. */
static mq_node *node_at(int opset, const char *op)
{
    static const float x[] = { 0, 1, 2, 3, 4, 5 };

    m = make_model(opset);
    make_init(m->graph, "x", MQ_FLOAT, "2,3", x);
    return make_node(m->graph, op, "x", "y");
}

static mq_status run(mq_node *n, mq_array **out)
{
    mq_array *in = NULL;
    mq_status rc;

    assert_int_equal(mq_array_of_tensor(&in, n->inputs[0]->init, true, NULL), MQ_OK);
    rc = mq_evaluator_run(e, n, &in, out, &err);
    mq_array_unref(in);
    return rc;
}

static void gives(mq_node *n, size_t count, const float *want)
{
    mq_array *out = NULL;

    if (run(n, &out) != MQ_OK)
        fail_msg("%s", err.text);
    assert_int_equal(out->count, count);
    assert_memory_equal(out->data, want, count * sizeof *want);
    mq_array_unref(out);
}

static void the_newest(void **state)
{
    (void)state;
    gives(node_at(28, "Neg"), 6, (const float[]){ -0.0f, -1, -2, -3, -4, -5 });
}

/* Axes are an attribute before 18: the newest meaning would sum up everything. */
static void an_older_form(void **state)
{
    mq_node *n = node_at(11, "ReduceSum");

    (void)state;
    assert_int_equal(mq_node_set_attr_ints(n, "axes", (const int64_t[]){ 1 }, 1, NULL), MQ_OK);
    assert_int_equal(mq_node_set_attr_int(n, "keepdims", 0, NULL), MQ_OK);
    gives(n, 2, (const float[]){ 3, 12 });
}

static void bounds_that_were_attributes(void **state)
{
    mq_node *n = node_at(6 + 1, "Clip");

    (void)state;
    assert_int_equal(mq_node_set_attr_float(n, "max", 2.5f, NULL), MQ_OK);
    gives(n, 6, (const float[]){ 0, 1, 2, 2.5f, 2.5f, 2.5f });
}

/* What only moves its input: the result must outlive the model it was computed in. */
static void a_view_of_an_older_form(void **state)
{
    mq_node *n = node_at(11, "Unsqueeze");

    (void)state;
    assert_int_equal(mq_node_set_attr_ints(n, "axes", (const int64_t[]){ 0 }, 1, NULL), MQ_OK);
    gives(n, 6, (const float[]){ 0, 1, 2, 3, 4, 5 });
}

static void not_what_differs_each_time(void **state)
{
    mq_array *out = NULL;

    (void)state;
    assert_int_equal(run(node_at(28, "RandomNormalLike"), &out), MQ_ERR_UNSUPPORTED);
    assert_null(out);
}

static void not_what_nobody_knows(void **state)
{
    mq_array *out = NULL;

    (void)state;
    assert_int_equal(run(node_at(28, "Nonsense"), &out), MQ_ERR_UNSUPPORTED);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_newest),
        TEST(an_older_form),
        TEST(bounds_that_were_attributes),
        TEST(a_view_of_an_older_form),
        TEST(not_what_differs_each_time),
        TEST(not_what_nobody_knows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
