/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* --shape and --dim. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data_make.h"

static mq_status apply(const char *shape, const char *dim)
{
    return mq_shapes_apply(m, &shape, shape != NULL, &dim, dim != NULL, &err);
}

static void declared(const char *name, const char *want)
{
    char text[200];

    mq_type_text(mq_graph_find(m->graph, name)->declared, text, sizeof text);
    assert_string_equal(text, want);
}

static void bare_shape(void **state)
{
    (void)state;
    make_input(m->graph, "x", MQ_FLOAT, "N,3,H,W");
    assert_int_equal(apply("1x3x224x224", NULL), MQ_OK);
    declared("x", "float[1,3,224,224]");
    assert_int_equal(apply("batch,3,?,8", NULL), MQ_OK);
    declared("x", "float[batch,3,?,8]");
    assert_int_equal(apply("x:2x3x4x5", NULL), MQ_OK);
    declared("x", "float[2,3,4,5]");
    assert_int_equal(apply("1x3x4", NULL), MQ_ERR_USAGE);
    assert_int_equal(apply("1x3xx4", NULL), MQ_ERR_USAGE);
}

static void several_inputs(void **state)
{
    (void)state;
    make_input(m->graph, "in:0", MQ_FLOAT, "N,3");
    make_input(m->graph, "b", MQ_INT64, "N,S");
    assert_int_equal(apply("in:0=4x3,b=batch,7", NULL), MQ_OK);
    declared("in:0", "float[4,3]");
    declared("b", "int64[batch,7]");
    assert_int_equal(apply("in:0:5x3", NULL), MQ_OK);
    declared("in:0", "float[5,3]");
    assert_int_equal(apply("1x3", NULL), MQ_ERR_USAGE);
    assert_int_equal(apply("im:0=1x3", NULL), MQ_ERR_USAGE);
    assert_non_null(strstr(err.text, "did you mean 'in:0'"));
}

static void dims(void **state)
{
    (void)state;
    make_input(m->graph, "a", MQ_FLOAT, "N,P");
    make_input(m->graph, "b", MQ_FLOAT, "N,P + S");
    assert_int_equal(apply(NULL, "N=2,P=3"), MQ_OK);
    declared("a", "float[2,3]");
    declared("b", "float[2,3 + S]");
    assert_int_equal(apply(NULL, "S=4"), MQ_OK);
    declared("b", "float[2,7]");
    assert_int_equal(apply(NULL, "Q=4"), MQ_ERR_USAGE);
    assert_int_equal(apply(NULL, "N=x"), MQ_ERR_USAGE);
    assert_int_equal(apply(NULL, "N"), MQ_ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = { ON_DATA(bare_shape), ON_DATA(several_inputs), ON_DATA(dims) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
