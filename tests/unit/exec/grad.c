/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The reference kernels of gradients in double: each against central finite differences of the operator that it belongs to,
 * over random shapes and attributes, within 1e-6; the engine's in float against them. And what they refuse. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "grad_probe.h"

/* Strides, dilations, pads, and for pools kernel_shape of at most the image. */
static void set_window(run_one *t, int rank, const int64_t *kernel, bool pool)
{
    int64_t strides[3], dilations[3], pads[6];

    for (int d = 0; d < rank; d++) {
        strides[d] = pick(1, 2);
        dilations[d] = pick(0, 2) ? 1 : 2;
        pads[d] = pick(0, kernel[d] - 1);
        pads[rank + d] = pick(0, kernel[d] - 1);
    }
    set_ints(t, "strides", strides, (size_t)rank);
    set_ints(t, "dilations", dilations, (size_t)rank);
    set_ints(t, "pads", pads, 2 * (size_t)rank);
    if (pool) {
        set_ints(t, "kernel_shape", kernel, (size_t)rank);
        set_int(t, "ceil_mode", pick(0, 1));
    }
}

static void test_conv(void **state)
{
    (void)state;
    for (uint64_t k = 1; k <= 25; k++) {
        seed = k;
        const int rank = (int)pick(1, 3);
        const int64_t group = pick(1, 2), in = pick(1, 2), out = pick(1, 2);
        int64_t x[5] = { pick(1, 2), group * in }, w[5] = { group * out, in }, b = group * out;
        probe p;
        run_one g;

        for (int d = 0; d < rank; d++) {
            w[d + 2] = pick(1, 3);
            x[d + 2] = pick(5, 6);
        }
        run_open(&p.f, "", "Conv");
        set_window(&p.f, rank, w + 2, false);
        set_int(&p.f, "group", group);
        input(&p.f, rank + 2, x, NULL);
        input(&p.f, rank + 2, w, NULL);
        input(&p.f, 1, &b, NULL);
        probe_run(&p, 1);
        grad_open(&g, "ConvGradInput", &p.f);
        copy_of(&g, p.dy[0]);
        copy_of(&g, p.f.in[1]);
        copy_of(&g, p.f.in[0]);
        run_node(&g, 1);
        check(&p, 0, g.out[0]);
        grad_close(&g);
        grad_open(&g, "ConvGradWeight", &p.f);
        copy_of(&g, p.f.in[0]);
        copy_of(&g, p.dy[0]);
        copy_of(&g, p.f.in[1]);
        run_node(&g, 2);
        check(&p, 1, g.out[0]);
        check(&p, 2, g.out[1]);
        grad_close(&g);
        probe_close(&p);
    }
}

static void one_pool(const char *op, const char *grad, bool max)
{
    const int rank = (int)pick(1, 3);
    int64_t x[5] = { pick(1, 2), pick(1, 2) }, kernel[3];
    probe p;
    run_one g;

    for (int d = 0; d < rank; d++) {
        kernel[d] = pick(1, 3);
        x[d + 2] = pick(5, 7);
    }
    run_open(&p.f, "", op);
    set_window(&p.f, rank, kernel, true);
    if (!max)
        set_int(&p.f, "count_include_pad", pick(0, 1));
    input(&p.f, rank + 2, x, NULL);
    probe_run(&p, 1);
    grad_open(&g, grad, &p.f);
    copy_of(&g, max ? p.f.in[0] : p.dy[0]);
    copy_of(&g, max ? p.dy[0] : p.f.in[0]);
    run_node(&g, 1);
    check(&p, 0, g.out[0]);
    grad_close(&g);
    probe_close(&p);
}

static void test_pool(void **state)
{
    const int64_t x[4] = { 2, 3, 2, 5 };
    probe p;
    run_one g;

    (void)state;
    for (uint64_t k = 1; k <= 25; k++) {
        seed = k;
        one_pool("MaxPool", "MaxPoolGrad", true);
        one_pool("AveragePool", "AveragePoolGrad", false);
    }
    run_open(&p.f, "", "GlobalAveragePool");
    input(&p.f, 4, x, NULL);
    probe_run(&p, 1);
    grad_open(&g, "GlobalAveragePoolGrad", NULL);
    copy_of(&g, p.dy[0]);
    copy_of(&g, p.f.in[0]);
    run_node(&g, 1);
    check(&p, 0, g.out[0]);
    grad_close(&g);
    probe_close(&p);
}

/* Of equal elements the first one takes all. */
static void test_max_ties(void **state)
{
    run_one g;

    (void)state;
    run_open(&g, "mq", "MaxPoolGrad");
    g.reference = true;
    set_ints(&g, "kernel_shape", (int64_t[]){ 2, 2 }, 2);
    run_f32(&g, "1,1,2,3", (float[]){ 1, 2, 2, 2, 1, 2 });
    run_f32(&g, "1,1,1,2", (float[]){ 10, 20 });
    run_node(&g, 1);
    assert_true(run_is_f32(&g, 0, "1,1,2,3", (float[]){ 0, 30, 0, 0, 0, 0 }, 0));
    run_close(&g);
}

static void test_batch_norm(void **state)
{
    (void)state;
    for (uint64_t k = 1; k <= 20; k++) {
        seed = k;
        const int rank = (int)pick(2, 4);
        int64_t x[4] = { pick(3, 4), pick(1, 3), pick(2, 3), pick(2, 4) };
        probe p;
        run_one g;

        run_open(&p.f, "mq", "BatchNormTrain");
        input(&p.f, rank, x, NULL);
        for (int i = 0; i < 4; i++)
            input(&p.f, 1, &x[1], NULL);
        probe_run(&p, 5);
        grad_open(&g, "BatchNormGrad", NULL);
        copy_of(&g, p.f.in[0]);
        copy_of(&g, p.dy[0]);
        copy_of(&g, p.f.in[1]);
        copy_of(&g, p.f.out[3]);
        copy_of(&g, p.f.out[4]);
        run_node(&g, 3);
        for (size_t i = 0; i < 3; i++)
            check(&p, i, g.out[i]);
        grad_close(&g);
        probe_close(&p);
    }
}

/* The same numbers as BatchNormalization's in training, running statistics included. */
static void test_batch_norm_is_onnx(void **state)
{
    const int64_t x[4] = { 3, 2, 4, 5 };
    run_one a, b;

    (void)state;
    seed = 7;
    run_open(&a, "mq", "BatchNormTrain");
    run_open(&b, "", "BatchNormalization");
    set_int(&b, "training_mode", 1);
    assert_int_equal(mq_node_set_attr_float(a.node, "momentum", 0.25f, NULL), MQ_OK);
    assert_int_equal(mq_node_set_attr_float(b.node, "momentum", 0.25f, NULL), MQ_OK);
    a.reference = b.reference = true;
    input(&a, 4, x, NULL);
    for (int i = 0; i < 4; i++)
        input(&a, 1, &x[1], NULL);
    for (int i = 0; i < 5; i++)
        copy_of(&b, a.in[i]);
    run_node(&a, 5);
    run_node(&b, 3);
    for (int k = 0; k < 3; k++)
        for (size_t i = 0; i < a.out[k]->count; i++)
            assert_true(fabs(((double *)a.out[k]->data)[i] - ((double *)b.out[k]->data)[i]) < 1e-12);
    run_close(&a);
    run_close(&b);
}

static void test_layer_norm(void **state)
{
    (void)state;
    for (uint64_t k = 1; k <= 20; k++) {
        seed = k;
        const int64_t x[4] = { pick(1, 3), pick(2, 4), pick(2, 5), pick(2, 5) };
        const int axis = (int)pick(1, 3);
        probe p;
        run_one g;

        run_open(&p.f, "", "LayerNormalization");
        set_int(&p.f, "axis", pick(0, 1) ? axis : axis - 4);
        input(&p.f, 4, x, NULL);
        input(&p.f, 4 - axis, x + axis, NULL);
        input(&p.f, 4 - axis, x + axis, NULL);
        probe_run(&p, 1);
        grad_open(&g, "LayerNormGrad", &p.f);
        copy_of(&g, p.f.in[0]);
        copy_of(&g, p.dy[0]);
        copy_of(&g, p.f.in[1]);
        run_node(&g, 3);
        for (size_t i = 0; i < 3; i++)
            check(&p, i, g.out[i]);
        grad_close(&g);
        probe_close(&p);
    }
}

static void test_softmax(void **state)
{
    static const char *const ops[] = { "Softmax", "LogSoftmax" }, *const grads[] = { "SoftmaxGrad", "LogSoftmaxGrad" };

    (void)state;
    for (uint64_t k = 1; k <= 20; k++) {
        seed = k;
        const int64_t x[3] = { pick(1, 4), pick(1, 4), pick(1, 4) };
        const int which = (int)pick(0, 1);
        probe p;
        run_one g;

        run_open(&p.f, "", ops[which]);
        set_int(&p.f, "axis", pick(-3, 2));
        input(&p.f, 3, x, NULL);
        probe_run(&p, 1);
        grad_open(&g, grads[which], &p.f);
        copy_of(&g, p.f.out[0]);
        copy_of(&g, p.dy[0]);
        run_node(&g, 1);
        check(&p, 0, g.out[0]);
        grad_close(&g);
        probe_close(&p);
    }
}

static void test_relu(void **state)
{
    const int64_t x[2] = { 7, 11 };
    probe p;
    run_one g;

    (void)state;
    run_open(&p.f, "", "Relu");
    input(&p.f, 2, x, NULL);
    probe_run(&p, 1);
    grad_open(&g, "ReluGrad", NULL);
    copy_of(&g, p.f.out[0]);
    copy_of(&g, p.dy[0]);
    run_node(&g, 1);
    check(&p, 0, g.out[0]);
    grad_close(&g);
    probe_close(&p);
}

static void test_reduce_to(void **state)
{
    (void)state;
    for (uint64_t k = 1; k <= 25; k++) {
        seed = k;
        const int rank = (int)pick(0, 4), more = (int)pick(0, 2);
        int64_t x[4], y[6];
        probe p;
        run_one g;

        for (int d = 0; d < more; d++)
            y[d] = pick(1, 3);
        for (int d = 0; d < rank; d++) {
            y[more + d] = pick(1, 3);
            x[d] = pick(0, 1) ? 1 : y[more + d];
        }
        run_open(&p.f, "", "Expand");
        input(&p.f, rank, x, NULL);
        list(&p.f, y, (size_t)(rank + more));
        probe_run(&p, 1);
        grad_open(&g, "ReduceTo", NULL);
        copy_of(&g, p.dy[0]);
        copy_of(&g, p.f.in[0]);
        run_node(&g, 1);
        check(&p, 0, g.out[0]);
        grad_close(&g);
        probe_close(&p);
    }
}

static void test_gather(void **state)
{
    (void)state;
    for (uint64_t k = 1; k <= 20; k++) {
        seed = k;
        const int64_t x[3] = { pick(1, 4), pick(1, 4), pick(1, 4) }, n = pick(1, 6);
        const int axis = (int)pick(0, 2);
        int64_t at[6];
        probe p;
        run_one g;

        for (int64_t i = 0; i < n; i++)
            at[i] = pick(-x[axis], x[axis] - 1);
        run_open(&p.f, "", "Gather");
        set_int(&p.f, "axis", axis);
        input(&p.f, 3, x, NULL);
        list(&p.f, at, (size_t)n);
        probe_run(&p, 1);
        grad_open(&g, "GatherGrad", &p.f);
        copy_of(&g, p.dy[0]);
        list(&g, at, (size_t)n);
        copy_of(&g, p.f.in[0]);
        run_node(&g, 1);
        check(&p, 0, g.out[0]);
        grad_close(&g);
        probe_close(&p);
    }
}

static void test_slice(void **state)
{
    (void)state;
    for (uint64_t k = 1; k <= 20; k++) {
        seed = k;
        const int64_t x[3] = { pick(1, 5), pick(1, 5), pick(1, 5) }, axes[2] = { 2, -3 };
        int64_t starts[2], ends[2], steps[2];
        probe p;
        run_one g;

        for (int i = 0; i < 2; i++) {
            steps[i] = pick(0, 1) ? pick(1, 2) : -pick(1, 2);
            starts[i] = steps[i] > 0 ? pick(-2, 2) : pick(1, 5);
            ends[i] = steps[i] > 0 ? pick(2, 6) : pick(-9, 0);
        }
        run_open(&p.f, "", "Slice");
        input(&p.f, 3, x, NULL);
        list(&p.f, starts, 2);
        list(&p.f, ends, 2);
        list(&p.f, axes, 2);
        list(&p.f, steps, 2);
        probe_run(&p, 1);
        grad_open(&g, "SliceGrad", NULL);
        copy_of(&g, p.dy[0]);
        copy_of(&g, p.f.in[0]);
        list(&g, starts, 2);
        list(&g, ends, 2);
        list(&g, axes, 2);
        list(&g, steps, 2);
        run_node(&g, 1);
        check(&p, 0, g.out[0]);
        grad_close(&g);
        probe_close(&p);
    }
}

/* Shapes that cannot be are refused. */
static void refuse(const char *op, const char *a, const char *b, const char *third)
{
    const char *const dims[] = { a, b, third };
    run_one g;

    run_open(&g, "mq", op);
    g.reference = true;
    for (int i = 0; i < 3 && dims[i]; i++)
        run_f32(&g, dims[i], NULL);
    assert_int_equal(run_try(&g, 1), MQ_ERR_INPUT);
    run_close(&g);
}

static void test_refused(void **state)
{
    (void)state;
    refuse("ConvGradInput", "1,2,4", "2,3,3", "1,3,7");
    refuse("ConvGradInput", "1,2,5", "2,3,3", "1,4,7");
    refuse("ConvGradWeight", "1,3,7", "1,2,6", "2,3,3");
    refuse("MaxPoolGrad", "1,3,7", "1,3,7", NULL);
    refuse("GlobalAveragePoolGrad", "1,3", "1,2,4", NULL);
    refuse("ReluGrad", "3", "4", NULL);
    refuse("SoftmaxGrad", "3", "3,1", NULL);
    refuse("ReduceTo", "3,4", "3", NULL);
    refuse("ReduceTo", "3", "1,3", NULL);
    refuse("LayerNormGrad", "3,4", "4,3", "4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv),       cmocka_unit_test(test_pool),
        cmocka_unit_test(test_max_ties),   cmocka_unit_test(test_batch_norm),
        cmocka_unit_test(test_batch_norm_is_onnx),
        cmocka_unit_test(test_layer_norm), cmocka_unit_test(test_softmax),
        cmocka_unit_test(test_relu),       cmocka_unit_test(test_reduce_to),
        cmocka_unit_test(test_gather),     cmocka_unit_test(test_slice),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
