/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/passes/qweight.c: weights of integer operators, and a bias in the steps of their sums. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"
#include "passes/qdq.h"
#include "qdq_make.h"

/* A weight "w" of 2 channels of 3, integers and scales as given. */
static void make_weight_of(const int8_t *codes, const float *scales)
{
    make_init(g, "w_q", MQ_INT8, "2,3", codes);
    make_init(g, "w_s", MQ_FLOAT, "2", scales);
    node_int(make_node(g, "DequantizeLinear", "w_q,w_s", "w"), "axis", 0);
}

static bool read_it(const char *name, int axis, mq_qweight *w)
{
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    return mq_qweight_read(mq_graph_find(g, name), axis, w);
}

static void channels(void **state)
{
    mq_qweight w;

    (void)state;
    make_weights("w", MQ_INT8, "4,3,2,2", "4", 0);
    assert_true(read_it("w", 0, &w));
    assert_int_equal(w.channels, 4);
    assert_int_equal(w.inner, 12);
    assert_false(read_it("w", 1, &w)); /* scales lie along another axis */
    make_weights("last", MQ_UINT8, "6,5", "5", -1);
    assert_true(read_it("last", 1, &w));
    assert_int_equal(w.channels, 5);
    assert_int_equal(w.inner, 1);
}

static void what_is_no_weight(void **state)
{
    mq_qweight w;

    (void)state;
    make_quantized("fed", MQ_INT8, "4,3", 0.5f, 0);
    assert_false(read_it("fed", 0, &w)); /* no constant */
    make_weights("wide", MQ_INT16, "4,3", "4", 0);
    assert_false(read_it("wide", 0, &w));
    make_weights("vector", MQ_INT8, "4", "4", 0);
    assert_false(read_it("vector", 0, &w));
    make_weights("deep", MQ_INT8, "1,32769", "1", 0); /* its sums could leave int32 */
    assert_false(read_it("deep", 0, &w));
    make_weights("fits", MQ_INT8, "1,32768", "1", 0);
    assert_true(read_it("fits", 0, &w));
    make_weights("empty", MQ_INT8, "0,3", "0", 0);
    assert_false(read_it("empty", 0, &w));
}

/* The bias of the weight in its steps; NULL: it cannot be held. */
static const int32_t *bias_of(mq_qweight *w, const char *bias, float x_scale, float y_scale)
{
    mq_value *out = NULL;
    const void *data;
    bool good;

    assert_int_equal(mq_qweight_bias(g, w, mq_graph_find(g, bias), 1, x_scale, y_scale, &out, &good, NULL), MQ_OK);
    if (!good)
        return NULL;
    assert_int_equal(mq_value_dtype(out), MQ_INT32);
    assert_int_equal(mq_tensor_bytes(out->init, &data, NULL), MQ_OK);
    return data;
}

static void a_bias_in_steps(void **state)
{
    const int32_t steps[] = { 100, -7 };
    const float bias[] = { 3, -1 }, one = 0.5f;
    const int32_t *got;
    mq_qweight w;

    (void)state;
    make_weight_of((int8_t[]){ 1, 2, 3, 4, 5, 6 }, (float[]){ 0.5f, 0.25f });
    make_init(g, "b", MQ_FLOAT, "2", bias);
    make_init(g, "b_q", MQ_INT32, "2", steps);
    make_init(g, "b_s", MQ_FLOAT, "", &one);
    make_node(g, "DequantizeLinear", "b_q,b_s", "bq");
    assert_true(read_it("w", 0, &w));
    assert_non_null(got = bias_of(&w, "b", 0.5f, 0));
    assert_int_equal(got[0], 12); /* 3 / (0.5 * 0.5) */
    assert_int_equal(got[1], -8);
    assert_non_null(got = bias_of(&w, "bq", 0.5f, 0)); /* 50 and -3.5 */
    assert_int_equal(got[0], 200);
    assert_int_equal(got[1], -28);
    assert_string_equal(w.q.codes->name, "w_q"); /* nothing had to change */
}

/* A channel whose step is too small for its bias gets a larger one; weights beside that bias lose nothing that counts. */
static void a_bias_too_large_for_its_steps(void **state)
{
    const float bias[] = { 1, 1000 };
    const int32_t *got;
    const void *codes;
    mq_qweight w;

    (void)state;
    make_weight_of((int8_t[]){ 100, 20, 30, 40, 50, 60 }, (float[]){ 0.5f, 1e-9f });
    make_init(g, "b", MQ_FLOAT, "2", bias);
    assert_true(read_it("w", 0, &w));
    assert_non_null(got = bias_of(&w, "b", 1, 8));
    assert_int_equal(got[0], 2);
    assert_true(fabs((double)got[1] * (double)w.scales[1] - 1000) < 1e-3);
    assert_true(w.scales[0] == 0.5f && w.scales[1] > 1e-9f);
    assert_int_equal(mq_tensor_bytes(w.q.codes->init, &codes, NULL), MQ_OK);
    assert_memory_equal(codes, ((int8_t[]){ 100, 20, 30 }), 3);
    assert_true(((const int8_t *)codes)[5] < 60);
}

static void a_bias_that_cannot_be_held(void **state)
{
    mq_qweight w;

    (void)state;
    make_weight_of((int8_t[]){ 100, 20, 30, 40, 50, 60 }, (float[]){ 0.5f, 1e-9f });
    make_init(g, "b", MQ_FLOAT, "2", (float[]){ 1, 1e30f });
    make_init(g, "nan", MQ_FLOAT, "2", (float[]){ NAN, 1 });
    make_init(g, "short", MQ_FLOAT, "1", (float[]){ 1 });
    make_input(g, "fed", MQ_FLOAT, "2");
    assert_true(read_it("w", 0, &w));
    assert_null(bias_of(&w, "b", 1, 1));
    assert_null(bias_of(&w, "nan", 1, 0));
    assert_null(bias_of(&w, "short", 1, 0));
    assert_null(bias_of(&w, "fed", 1, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(channels),
        ON_MODEL(what_is_no_weight),
        ON_MODEL(a_bias_in_steps),
        ON_MODEL(a_bias_too_large_for_its_steps),
        ON_MODEL(a_bias_that_cannot_be_held),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
