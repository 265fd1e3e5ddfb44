/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Fast kernels of gradients against the reference kernels: one node at a time on plain arrays, and steps of training in
 * which arrays stay in blocked orders. Sums of K products of numbers below m differ by at most 2^-23 m^2 (8 + K / 4), beside
 * 1e-5 of the value. One thread and two give the same bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "onednn_net.h"

static double bound_of(int64_t k)
{
    return 0x1p-23 * (8 + (double)k / 4);
}

/* A node with outputs "a,b,c". */
static mq_node *node(net *t, const char *domain, const char *op, const char *in, const char *out)
{
    char first[64];
    size_t i = 0;

    snprintf(first, sizeof first, "%.*s", (int)strcspn(out, ","), out);
    mq_node *n = net_node(t, domain, op, in, first);
    for (const char *p = out; *p; p += strcspn(p, ","), p += *p == ',', i++) {
        char name[64];

        snprintf(name, sizeof name, "%.*s", (int)strcspn(p, ","), p);
        assert_int_equal(mq_node_set_output(n, i, make_value(t->g, name), NULL), MQ_OK);
    }
    return n;
}

static int64_t channels(net *t)
{
    static const int64_t usual[] = { 3, 8, 16, 32, 48 };

    return net_pick(t, 0, 2) ? usual[net_pick(t, 0, 4)] : net_pick(t, 1, 40);
}

/* A convolution's two gradients with random attributes. */
static void one_conv(uint64_t seed)
{
    net t;

    net_open(&t, seed);
    assert_int_equal(mq_opset_set(t.m, "mq", 1, NULL), MQ_OK);
    const int rank = (int)net_pick(&t, 1, 3);
    const int64_t kind = net_pick(&t, 0, 3); /* 3: depthwise */
    const int64_t group = kind < 2 ? 1 : kind == 2 ? net_pick(&t, 2, 3) : channels(&t);
    const int64_t in = kind == 3 ? 1 : kind == 2 ? net_pick(&t, 1, 20) : channels(&t);
    const int64_t out = kind == 3 ? 1 : kind == 2 ? net_pick(&t, 1, 20) : channels(&t);
    int64_t x[5] = { net_pick(&t, 1, 11), in * group }, w[5] = { out * group, in }, y[5] = { x[0], w[0] };
    int64_t pads[6], strides[3], dilations[3], points = x[0], taps = 1;

    for (int d = 0; d < rank; d++) {
        w[d + 2] = net_pick(&t, 1, 3);
        dilations[d] = net_pick(&t, 0, 4) ? 1 : 2;
        strides[d] = net_pick(&t, 1, 2);
        pads[d] = net_pick(&t, 0, w[d + 2] - 1);
        pads[d + rank] = net_pick(&t, 0, w[d + 2] - 1);
        x[d + 2] = net_pick(&t, 5, rank == 1 ? 40 : rank == 2 ? 14 : 7);
        y[d + 2] = (x[d + 2] + pads[d] + pads[d + rank] - dilations[d] * (w[d + 2] - 1) - 1) / strides[d] + 1;
        points *= y[d + 2];
        taps *= w[d + 2];
    }
    net_input(&t, "x", MQ_FLOAT, rank + 2, x);
    net_input(&t, "w", MQ_FLOAT, rank + 2, w);
    net_input(&t, "dy", MQ_FLOAT, rank + 2, y);
    const bool bias = net_pick(&t, 0, 1);
    mq_node *const nodes[] = { node(&t, "mq", "ConvGradInput", "dy,w,x", "dx"),
                               node(&t, "mq", "ConvGradWeight", "x,dy,w", bias ? "dw,db" : "dw") };
    for (int i = 0; i < 2; i++) {
        net_int(nodes[i], "group", group);
        net_ints(nodes[i], "strides", (size_t)rank, strides);
        net_ints(nodes[i], "dilations", (size_t)rank, dilations);
        net_ints(nodes[i], "pads", 2 * (size_t)rank, pads);
    }
    net_output(&t, "dx");
    net_output(&t, "dw");
    if (bias)
        net_output(&t, "db");
    net_check(&t, bound_of(points + taps * out), 0);
    net_close(&t);
}

static void test_conv(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++)
        one_conv(seed);
}

/* The usual shapes have kernels of the library. */
static void test_usual_conv(void **state)
{
    static const int64_t cases[][5] = { { 3, 16, 3, 1, 16 }, { 16, 16, 3, 1, 16 }, { 16, 32, 3, 2, 16 },
                                        { 16, 32, 1, 2, 16 }, { 64, 64, 3, 1, 8 }, { 64, 128, 1, 1, 7 } };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int64_t *k = cases[i], pad = k[2] / 2, out = (k[4] - 1) / k[3] + 1;
        net t;

        net_open(&t, i + 1);
        assert_int_equal(mq_opset_set(t.m, "mq", 1, NULL), MQ_OK);
        net_input(&t, "x", MQ_FLOAT, 4, (int64_t[]){ 9, k[0], k[4], k[4] });
        net_input(&t, "w", MQ_FLOAT, 4, (int64_t[]){ k[1], k[0], k[2], k[2] });
        net_input(&t, "dy", MQ_FLOAT, 4, (int64_t[]){ 9, k[1], out, out });
        mq_node *const nodes[] = { node(&t, "mq", "ConvGradInput", "dy,w,x", "dx"),
                                   node(&t, "mq", "ConvGradWeight", "x,dy,w", "dw,db") };
        for (int n = 0; n < 2; n++) {
            net_ints(nodes[n], "strides", 2, (int64_t[]){ k[3], k[3] });
            net_ints(nodes[n], "pads", 4, (int64_t[]){ pad, pad, pad, pad });
        }
        net_output(&t, "dx");
        net_output(&t, "dw");
        net_output(&t, "db");
        net_check(&t, bound_of(9 * out * out + k[1] * k[2] * k[2]), 2);
        net_close(&t);
    }
}

/* Convolution, normalization, activation, convolution; then back. Everything but the first input stays in blocks. */
static void one_step(uint64_t seed)
{
    net t;

    net_open(&t, seed);
    assert_int_equal(mq_opset_set(t.m, "mq", 1, NULL), MQ_OK);
    const int64_t n = net_pick(&t, 2, 19), in = net_pick(&t, 0, 1) ? 3 : 16;
    const int64_t c = net_pick(&t, 0, 3) ? 16 : net_pick(&t, 5, 40);
    const int64_t out = 16 * net_pick(&t, 1, 2), size = net_pick(&t, 4, 13), pads[] = { 1, 1, 1, 1 };

    net_input(&t, "x", MQ_FLOAT, 4, (int64_t[]){ n, in, size, size });
    net_either(&t, net_pick(&t, 0, 1), "w1", MQ_FLOAT, 4, (int64_t[]){ c, in, 3, 3 }); /* of a constant: other orders */
    net_input(&t, "w2", MQ_FLOAT, 4, (int64_t[]){ out, c, 3, 3 });
    net_input(&t, "scale", MQ_FLOAT, 1, &c);
    net_input(&t, "b", MQ_FLOAT, 1, &c);
    net_input(&t, "mean", MQ_FLOAT, 1, &c);
    net_input(&t, "var", MQ_FLOAT, 1, &c);
    net_ints(node(&t, "", "Conv", "x,w1", "h"), "pads", 4, pads);
    node(&t, "mq", "BatchNormTrain", "h,scale,b,mean,var", "y,rm,rv,sm,si");
    node(&t, "", "Relu", "y", "r");
    net_ints(node(&t, "", "Conv", "r,w2", "o"), "pads", 4, pads);
    net_ints(node(&t, "mq", "ConvGradInput", "o,w2,r", "dr"), "pads", 4, pads);
    net_ints(node(&t, "mq", "ConvGradWeight", "r,o,w2", "dw2"), "pads", 4, pads);
    node(&t, "mq", "ReluGrad", "r,dr", "dy");
    node(&t, "mq", "BatchNormGrad", "h,dy,scale,sm,si", "dh,ds,db");
    net_ints(node(&t, "mq", "ConvGradWeight", "x,dh,w1", "dw1,dbias"), "pads", 4, pads);
    static const char *const outputs[] = { "rm", "rv", "dw2", "ds", "db", "dw1" };
    for (size_t i = 0; i < 6; i++)
        net_output(&t, outputs[i]);
    /* the gradients' terms are up to 9 * c * the weights and activations */
    net_check(&t, 64 * bound_of(n * size * size * 9 * c), 8);
    net_close(&t);
}

static void test_step(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++)
        one_step(seed);
}

/* Pools behind a convolution, or on plain arrays. */
static void one_pool(uint64_t seed)
{
    net t;

    net_open(&t, seed);
    assert_int_equal(mq_opset_set(t.m, "mq", 1, NULL), MQ_OK);
    const bool blocked = net_pick(&t, 0, 2) > 0;
    const int64_t n = net_pick(&t, 1, 5), c = net_pick(&t, 0, 1) ? 32 : net_pick(&t, 1, 20), size = net_pick(&t, 5, 12);
    const int64_t kernel[2] = { net_pick(&t, 1, 3), net_pick(&t, 1, 3) }, strides[2] = { net_pick(&t, 1, 2), 2 };
    const int64_t pads[4] = { kernel[0] / 2, kernel[1] / 2, kernel[0] / 2, 0 };

    net_input(&t, "x", MQ_FLOAT, 4, (int64_t[]){ n, blocked ? 16 : c, size, size });
    if (blocked) {
        net_either(&t, net_pick(&t, 0, 1), "w", MQ_FLOAT, 4, (int64_t[]){ c, 16, 1, 1 });
        node(&t, "", "Conv", "x,w", "h");
    }
    const char *const h = blocked ? "h" : "x";
    char pair[8];

    mq_node *nodes[4];
    nodes[0] = node(&t, "", "MaxPool", h, "m");
    nodes[1] = node(&t, "", "AveragePool", h, "a");
    node(&t, "", "GlobalAveragePool", h, "g");
    snprintf(pair, sizeof pair, "%s,m", h);
    nodes[2] = node(&t, "mq", "MaxPoolGrad", pair, "dm");
    snprintf(pair, sizeof pair, "a,%s", h);
    nodes[3] = node(&t, "mq", "AveragePoolGrad", pair, "da");
    snprintf(pair, sizeof pair, "g,%s", h);
    node(&t, "mq", "GlobalAveragePoolGrad", pair, "dg");
    for (int i = 0; i < 4; i++) {
        net_ints(nodes[i], "kernel_shape", 2, kernel);
        net_ints(nodes[i], "strides", 2, strides);
        net_ints(nodes[i], "pads", 4, pads);
        if (i % 2)
            net_int(nodes[i], "count_include_pad", (int64_t)seed % 2);
    }
    net_output(&t, "dm");
    net_output(&t, "da");
    net_output(&t, "dg");
    net_check(&t, 16 * bound_of(16 * 9), 3);
    net_close(&t);
}

static void test_pool(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++)
        one_pool(seed);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv),
        cmocka_unit_test(test_usual_conv),
        cmocka_unit_test(test_step),
        cmocka_unit_test(test_pool),
    };

    net_bench = argc > 1 && strcmp(argv[1], "--bench") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
