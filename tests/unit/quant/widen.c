/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/widen.c: 16 bits in the range of 8, and what stays. */
#include "quant/widen.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "quant_make.h"

static void parameters(mq_dtype dtype, int zero)
{
    const float scale = 0.05f;
    const uint8_t byte = (uint8_t)zero;

    make_init(g, "s", MQ_FLOAT, "", &scale);
    make_init(g, "z", dtype, "", &byte);
}

static void pair(const char *from, const char *to)
{
    char q[40], in[100];

    snprintf(q, sizeof q, "%s_q", from);
    snprintf(in, sizeof in, "%s,s,z", from);
    make_node(g, "QuantizeLinear", in, q);
    snprintf(in, sizeof in, "%s,s,z", q);
    make_node(g, "DequantizeLinear", in, to);
}

static size_t widened(void)
{
    mq_error err = { 0 };
    size_t n = 99;

    if (mq_quant_widen(m, &n, &err) != MQ_OK || mq_model_verify(m, &err) != MQ_OK)
        fail_msg("%s", err.text);
    graph_check(m);
    return n;
}

/* The ends of the range, by what the node before `name` says. */
static void has_range(const char *name, mq_dtype dtype, double lo, double hi)
{
    const mq_node *dq = mq_graph_find(g, name)->producer;
    mq_tensor *scale = dq->inputs[1]->init, *zero = dq->inputs[2]->init;
    const double least = dtype == MQ_INT16 ? INT16_MIN : 0;
    int64_t z;
    float s;

    assert_int_equal(zero->dtype, dtype);
    assert_int_equal(mq_tensor_read_f32(scale, 0, 1, &s, NULL), MQ_OK);
    assert_int_equal(mq_tensor_read_i64(zero, 0, 1, &z, NULL), MQ_OK);
    assert_true(fabs((least - (double)z) * (double)s - lo) < 1e-4);
    assert_true(fabs((least + 65535 - (double)z) * (double)s - hi) < 1e-4);
    assert_ptr_equal(dq->inputs[0]->producer->inputs[1], dq->inputs[1]);
    assert_ptr_equal(dq->inputs[0]->producer->inputs[2], dq->inputs[2]);
}

static void one_pair(mq_dtype dtype, int zero)
{
    make_input(g, "x", MQ_FLOAT, "N,8");
    parameters(dtype, zero);
    pair("x", "y");
    make_output(g, "y");
    assert_int_equal(widened(), 1);
}

static void test_uint8(void **state)
{
    (void)state;
    one_pair(MQ_UINT8, 100);
    has_range("y", MQ_UINT16, -100 * 0.05, 155 * 0.05);
    assert_int_equal(widened(), 0);
}

static void test_int8(void **state)
{
    (void)state;
    one_pair(MQ_INT8, -3);
    has_range("y", MQ_INT16, -125 * 0.05, 130 * 0.05);
}

static void test_opset_rises(void **state)
{
    (void)state;
    assert_int_equal(mq_opset_set(m, "", 13, NULL), MQ_OK);
    one_pair(MQ_UINT8, 0);
    assert_int_equal(mq_opset_of(g, ""), 21);
    has_range("y", MQ_UINT16, 0, 255 * 0.05);
}

/* Integers that something computes with, or that leave the graph, and those that are wide already. */
static void test_what_stays(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,8");
    make_input(g, "w", MQ_FLOAT, "N,8");
    make_input(g, "v", MQ_FLOAT, "N,8");
    parameters(MQ_UINT8, 7);
    pair("x", "a");
    make_node(g, "Cast", "x_q", "c");
    assert_int_equal(mq_node_set_attr_int(mq_graph_find(g, "c")->producer, "to", MQ_FLOAT, NULL), MQ_OK);
    pair("w", "b");
    make_init(g, "wide", MQ_UINT16, "", (const uint16_t[]){ 7 });
    make_node(g, "QuantizeLinear", "v,s,wide", "q");
    make_node(g, "DequantizeLinear", "q,s,wide", "d");
    for (const char *const *name = (const char *const[]){ "a", "b", "c", "d", "w_q", NULL }; *name; name++)
        make_output(g, *name);
    assert_int_equal(mq_opset_set(m, "", 13, NULL), MQ_OK);
    assert_int_equal(widened(), 0);
    assert_int_equal(mq_opset_of(g, ""), 13);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(test_uint8), ON_MODEL(test_int8), ON_MODEL(test_opset_rises), ON_MODEL(test_what_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
