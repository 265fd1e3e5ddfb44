/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/ops/reduce.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/one_node.h"

static void open_reduce(one_node *t, const char *op, int opset, const char *dims)
{
    one_open(t, op, opset);
    one_in(t, MQ_FLOAT, dims);
}

static void axes_as_attribute(void **state)
{
    one_node t;

    (void)state;
    open_reduce(&t, "ReduceMean", 13, "N,3,4");
    one_attr_ints(&t, "axes", -1, 0);
    one_attr(&t, "keepdims", 0);
    one_gives(&t, "float[3]");
    open_reduce(&t, "ReduceMean", 13, "N,3,4");
    one_gives(&t, "float[1,1,1]");
    open_reduce(&t, "ReduceMean", 13, "...");
    one_attr(&t, "keepdims", 0);
    one_gives(&t, "float[]");
    open_reduce(&t, "ReduceMean", 13, "N,3");
    one_attr_ints(&t, "axes", 2);
    one_refused(&t, 1, "outside -2..1");
}

static void axes_as_input(void **state)
{
    one_node t;

    (void)state;
    open_reduce(&t, "ReduceMean", 18, "N,3,4");
    one_ints(&t, 1);
    one_attr(&t, "keepdims", 0);
    one_gives(&t, "float[N,4]");
    open_reduce(&t, "ReduceMean", 18, "N,3,4");
    one_in(&t, MQ_INT64, "2");
    one_gives(&t, "float[?,?,?]");
    open_reduce(&t, "ReduceMean", 18, "N,3,4");
    one_in(&t, MQ_INT64, "2");
    one_attr(&t, "keepdims", 0);
    one_gives(&t, "float[?]");
    open_reduce(&t, "ReduceMean", 18, "N,3,4");
    one_in(&t, MQ_INT64, "9223372036854775807");
    one_attr(&t, "keepdims", 0);
    one_refused(&t, 1, "axes of a tensor of rank 3");
    open_reduce(&t, "ReduceMean", 18, "N,3,4");
    one_in(&t, MQ_INT64, "0");
    one_attr(&t, "noop_with_empty_axes", 1);
    one_gives(&t, "float[N,3,4]");
    open_reduce(&t, "ReduceMean", 18, "N,3,4");
    one_ints(&t, -INT64_MAX);
    one_refused(&t, 1, "outside");
}

static void contents_of(const char *op, const char *shape, const char *want)
{
    one_node t;

    one_open(&t, op, 18);
    one_shape_of(&t, shape);
    one_attr(&t, "keepdims", 0);
    one_gives_contents(&t, "int64[]", want);
}

static void contents(void **state)
{
    (void)state;
    contents_of("ReduceProd", "3,N,4", "12*N");
    contents_of("ReduceSum", "3,5,4", "12");
    contents_of("ReduceMax", "3,5,4", "5");
    contents_of("ReduceMin", "3,5,4", "3");
    contents_of("ReduceMin", "3,N,4", "?");
    contents_of("ReduceProd", "9223372036854775807,2", "?");
}

static void arg(void **state)
{
    one_node t;

    (void)state;
    open_reduce(&t, "ArgMax", 13, "N,3,4");
    one_attr(&t, "axis", -2);
    one_attr(&t, "keepdims", 0);
    one_gives(&t, "int64[N,4]");
    open_reduce(&t, "ArgMin", 13, "N,3,4");
    one_gives(&t, "int64[1,3,4]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(axes_as_attribute),
        cmocka_unit_test(axes_as_input),
        cmocka_unit_test(contents),
        cmocka_unit_test(arg),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
