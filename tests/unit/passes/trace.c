/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/passes/trace.c: the constant behind a value, and how the value sees it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "passes/trace.h"
#include "quant_make.h"

static void infer(void)
{
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
}

static mq_value *value(const char *name)
{
    mq_value *v = mq_graph_find(g, name);

    assert_non_null(v);
    return v;
}

/* v sees constant `w` in this shape with these strides. */
static void sees(const char *name, const char *dims_text, const char *strides_text)
{
    mq_value *constant = NULL;
    int64_t dims[16], strides[16];
    const int n = make_dims(dims_text, dims);
    mq_source view;

    make_dims(strides_text, strides);
    assert_true(mq_trace_constant(value(name), &constant, &view));
    assert_string_equal(constant->name, "w");
    assert_ptr_equal(mq_trace_behind(value(name)), constant);
    assert_int_equal(view.n_dims, n);
    assert_memory_equal(view.dims, dims, (size_t)n * sizeof *dims);
    assert_memory_equal(view.strides, strides, (size_t)n * sizeof *strides);
}

static void sees_nothing(const char *name, bool constant)
{
    mq_value *c = NULL;
    mq_source view;

    assert_false(mq_trace_constant(value(name), &c, &view));
    assert_int_equal(mq_trace_behind(value(name)) != NULL, constant);
}

static void test_operators(void **state)
{
    static const int64_t shape[2] = { 12, -1 }, axes[1] = { 0 }, perm[3] = { 2, 0, 1 };

    (void)state;
    make_weight(g, "w", "4,6,10");
    make_node(g, "Identity", "w", "same");
    make_node(g, "Transpose", "w", "reversed");
    mq_node_set_attr_ints(make_node(g, "Transpose", "same", "turned"), "perm", perm, 3, NULL);
    make_init(g, "shape", MQ_INT64, "2", shape);
    make_node(g, "Reshape", "w,shape", "reshaped");
    make_node_int(g, "Flatten", "w", "flat", "axis", 2);
    make_init(g, "axes", MQ_INT64, "1", axes);
    make_node(g, "Unsqueeze", "w,axes", "longer");
    make_node(g, "Squeeze", "longer,axes", "shorter");
    make_node_int(g, "Cast", "reversed", "half", "to", MQ_FLOAT16);
    make_node_int(g, "Cast", "w", "integers", "to", MQ_INT32);
    make_node_int(g, "Cast", "w", "bytes", "to", MQ_FLOAT8E4M3FN);
    make_node(g, "Reshape", "reversed,shape", "mixed");
    make_node(g, "Relu", "w", "computed");
    infer();
    sees("w", "4,6,10", "60,10,1");
    sees("same", "4,6,10", "60,10,1");
    sees("reversed", "10,6,4", "1,10,60");
    sees("turned", "10,4,6", "1,60,10");
    sees("reshaped", "12,20", "20,1");
    sees("flat", "24,10", "10,1");
    sees("longer", "1,4,6,10", "240,60,10,1");
    sees("shorter", "4,6,10", "60,10,1");
    sees("half", "10,6,4", "1,10,60");
    sees_nothing("integers", true);
    sees_nothing("bytes", true);
    sees_nothing("mixed", true); /* no strides say a transposed matrix in another shape */
    sees_nothing("computed", false);
}

static void test_types(void **state)
{
    (void)state;
    make_weight_of(g, "w", MQ_BFLOAT16, "4,6");
    make_node(g, "Transpose", "w", "t");
    make_weight_of(g, "ints", MQ_INT8, "4,6");
    make_weight_of(g, "nine", MQ_FLOAT, "1,1,1,1,1,1,1,1,1");
    infer();
    sees("t", "6,4", "1,6");
    sees_nothing("ints", true);
    sees_nothing("nine", true);
}

/* Hostile permutations and shapes, and chains without end. */
static void test_refused(void **state)
{
    static const int64_t twice[2] = { 0, 0 }, outside[2] = { 0, 2 }, negative[2] = { 0, -1 }, one[1] = { 0 };
    static const int64_t wrong[2] = { 5, 5 };
    char in[20] = "w", out[20];

    (void)state;
    make_weight(g, "w", "4,6");
    mq_node_set_attr_ints(make_node(g, "Transpose", "w", "twice"), "perm", twice, 2, NULL);
    mq_node_set_attr_ints(make_node(g, "Transpose", "w", "outside"), "perm", outside, 2, NULL);
    mq_node_set_attr_ints(make_node(g, "Transpose", "w", "negative"), "perm", negative, 2, NULL);
    mq_node_set_attr_ints(make_node(g, "Transpose", "w", "short"), "perm", one, 1, NULL);
    make_init(g, "wrong_shape", MQ_INT64, "2", wrong);
    make_node(g, "Reshape", "w,wrong_shape", "wrong");
    make_node(g, "Reshape", "w,unknown", "unsaid");
    make_node(g, "Identity", "loop", "loop");
    make_node(g, "Identity", "-", "absent");
    for (int i = 0; i < 20; i++, strcpy(in, out)) {
        snprintf(out, sizeof out, "chain%d", i);
        make_node(g, "Identity", in, out);
    }
    infer();
    sees_nothing("twice", true);
    sees_nothing("outside", true);
    sees_nothing("negative", true);
    sees_nothing("short", true);
    sees_nothing("wrong", true);
    sees_nothing("unsaid", true);
    sees_nothing("loop", false);
    sees_nothing("absent", false);
    sees("chain10", "4,6", "6,1");
    sees_nothing("chain19", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = { ON_MODEL(test_operators), ON_MODEL(test_types), ON_MODEL(test_refused) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
