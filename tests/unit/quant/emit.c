/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/emit.c: what is not seen in the rewrites of weights (rewrite.c tests those). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "quant/emit.h"
#include "quant_make.h"

static void becomes(const char *want)
{
    char *got = mq_model_dump(m);

    graph_check(m);
    assert_string_equal(strchr(got, '\n') + 1, want);
    free(got);
}

static void reshape_at(int64_t opset)
{
    mq_emit e = { .model = m, .graph = g };
    mq_node *n = make_node(g, "Relu", "x", "z");

    assert_int_equal(mq_opset_set(m, "", opset, NULL), MQ_OK);
    mq_emit_reshape(&e, n, "r", mq_graph_find(g, "x"), mq_graph_find(g, "shape"), mq_value_create(g, "y"));
    assert_int_equal(e.rc, MQ_OK);
}

/* With a 0 the shape of no ids, [2, 0, 8], would take over the 8 of [0, 8]. */
static void test_reshape_to_nothing(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "0,8");
    make_input(g, "shape", MQ_INT64, "3");
    reshape_at(14);
    becomes("input x float[0,8]\n"
            "input shape int64[3]\n"
            "node 'r_Reshape' Reshape(x, shape) -> y allowzero=1\n"
            "node 'z' Relu(x) -> z\n");
}

static void test_reshape_before_allowzero(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "0,8");
    make_input(g, "shape", MQ_INT64, "3");
    reshape_at(13);
    assert_null(mq_node_attr(g->first, "allowzero"));
}

static void test_dropped_constants(void **state)
{
    static const int64_t shape[2] = { 4, 2 };
    mq_node *n;

    (void)state;
    make_input(g, "x", MQ_FLOAT, "8");
    make_init(g, "alone", MQ_INT64, "2", shape);
    make_init(g, "shared", MQ_INT64, "2", shape);
    make_input(g, "passed", MQ_INT64, "2");
    make_init(g, "passed", MQ_INT64, "2", shape);
    mq_emit_drop_node(make_node(g, "Reshape", "x,alone", "a"));
    n = make_node(g, "Reshape", "x,shared", "b");
    make_node(g, "Reshape", "x,shared", "c");
    mq_emit_drop_node(n);
    mq_emit_drop_node(make_node(g, "Reshape", "x,passed", "d"));
    becomes("input x float[8]\n"
            "input passed int64[2]\n"
            "init shared int64[2]\n"
            "init passed int64[2]\n"
            "node 'c' Reshape(x, shared) -> c\n");
}

static void test_dropped_constant_node(void **state)
{
    static const int64_t two = 2, shape[2] = { 4, 2 };
    mq_node *made;

    (void)state;
    make_input(g, "x", MQ_FLOAT, "8");
    made = make_node(g, "Constant", "", "shape");
    assert_int_equal(mq_node_set_attr_tensor(made, "value", mq_tensor_create(m, "", MQ_INT64, 1, &two, shape), NULL), MQ_OK);
    mq_emit_drop_node(make_node(g, "Reshape", "x,shape", "a"));
    becomes("input x float[8]\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(test_reshape_to_nothing),
        ON_MODEL(test_reshape_before_allowzero),
        ON_MODEL(test_dropped_constants),
        ON_MODEL(test_dropped_constant_node),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
