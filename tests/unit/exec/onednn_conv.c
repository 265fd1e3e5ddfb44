/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Convolutions of oneDNN against the reference kernels: random shapes and attributes, chains in blocked orders. With
 * terms in [-1, 1) the difference is at most 2^-23 (8 + K / 4) for sums of K products, beside 1e-5 of the value. */
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

static int64_t channels(net *t)
{
    static const int64_t usual[] = { 1, 3, 8, 16, 32, 48, 64 };

    return net_pick(t, 0, 1) ? usual[net_pick(t, 0, 6)] : net_pick(t, 1, 40);
}

/* A Conv or FusedConv (with what is added and an activation) of random attributes. */
static void one_conv(uint64_t seed, bool fused)
{
    static const char *const acts[] = { "Relu", "Clip", "LeakyRelu", "Sigmoid", "HardSigmoid", "Tanh", "Gelu", "FastGelu" };
    net t;

    net_open(&t, seed);
    const int rank = (int)net_pick(&t, 1, 3);
    const int64_t kind = net_pick(&t, 0, 3); /* 3: depthwise */
    const int64_t group = kind < 2 ? 1 : kind == 2 ? net_pick(&t, 2, 3) : channels(&t);
    const int64_t in = kind == 3 ? 1 : kind == 2 ? net_pick(&t, 1, 20) : channels(&t);
    const int64_t out = kind == 3 ? (net_pick(&t, 0, 3) ? 1 : 2) : kind == 2 ? net_pick(&t, 1, 20) : channels(&t);
    int64_t x[5] = { net_pick(&t, 1, 3), in * group }, w[5] = { out * group, in }, pads[6], strides[3], dilations[3];
    int64_t taps = 1;
    bool hard = false; /* the library has no good kernel: ours runs */

    for (int d = 0; d < rank; d++) {
        w[d + 2] = net_pick(&t, 1, rank == 3 ? 3 : 5);
        dilations[d] = net_pick(&t, 0, 3) ? 1 : net_pick(&t, 1, 3);
        strides[d] = net_pick(&t, 1, 3);
        pads[d] = net_pick(&t, 0, w[d + 2] / 2 + 1);
        pads[d + rank] = net_pick(&t, 0, w[d + 2] / 2 + 1);
        x[d + 2] = net_pick(&t, 1, rank == 1 ? 60 : rank == 2 ? 24 : 9);
        taps *= w[d + 2];
        hard = hard || (rank == 3 && dilations[d] > 1 && w[d + 2] > 1) || pads[d] >= w[d + 2] || pads[d + rank] >= w[d + 2];
    }
    net_input(&t, "x", MQ_FLOAT, rank + 2, x);
    net_either(&t, net_pick(&t, 0, 4) > 0, "w", MQ_FLOAT, rank + 2, w);
    const bool bias = net_pick(&t, 0, 1);
    if (bias)
        net_either(&t, net_pick(&t, 0, 4) > 0, "b", MQ_FLOAT, 1, w);
    mq_node *n = net_node(&t, fused ? "com.microsoft" : "", fused ? "FusedConv" : "Conv", bias ? "x,w,b" : "x,w", "y");
    net_int(n, "group", group);
    net_ints(n, "strides", (size_t)rank, strides);
    net_ints(n, "dilations", (size_t)rank, dilations);
    const int64_t pad = net_pick(&t, 0, 5);
    if (pad == 0)
        net_string(n, "auto_pad", net_pick(&t, 0, 1) ? "SAME_UPPER" : "SAME_LOWER");
    else if (pad == 1)
        net_string(n, "auto_pad", "VALID");
    else
        net_ints(n, "pads", 2 * (size_t)rank, pads);
    const int64_t act = net_pick(&t, 0, 8);
    if (fused && act < 8)
        net_string(n, "activation", acts[act]);
    if (fused && act == 1)
        net_floats(n, "activation_params", 2, (float[]){ -0.5f, 0.75f });
    if (fused && act == 2)
        net_floats(n, "activation_params", 1, (float[]){ 0.1f });
    net_output(&t, "y");
    net_check(&t, bound_of(in * taps), !hard);
    net_close(&t);
}

static void test_conv(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++)
        one_conv(seed, false);
}

/* ConvTranspose; what its attributes make empty is refused by both. */
static void one_transpose(uint64_t seed)
{
    net t;

    net_open(&t, seed);
    const int rank = (int)net_pick(&t, 1, 3);
    const int64_t group = net_pick(&t, 0, 1) ? 1 : net_pick(&t, 1, 4);
    const int64_t in = net_pick(&t, 1, 24) * group, out = net_pick(&t, 1, 24);
    int64_t x[5] = { net_pick(&t, 1, 2), in }, w[5] = { in, out }, b = out * group, pads[6], strides[3], more[3], taps = 1;

    for (int d = 0; d < rank; d++) {
        w[d + 2] = net_pick(&t, 1, 4);
        strides[d] = net_pick(&t, 1, 3);
        more[d] = net_pick(&t, 0, 3) ? 0 : net_pick(&t, 0, strides[d] - 1);
        pads[d] = net_pick(&t, 0, (w[d + 2] - 1) / 2);
        pads[d + rank] = net_pick(&t, 0, (w[d + 2] - 1) / 2);
        x[d + 2] = net_pick(&t, 2, rank == 3 ? 6 : 14);
        taps *= w[d + 2];
    }
    net_input(&t, "x", MQ_FLOAT, rank + 2, x);
    net_either(&t, net_pick(&t, 0, 4) > 0, "w", MQ_FLOAT, rank + 2, w);
    const bool bias = net_pick(&t, 0, 1);
    if (bias)
        net_const(&t, "b", MQ_FLOAT, 1, &b);
    mq_node *n = net_node(&t, "", "ConvTranspose", bias ? "x,w,b" : "x,w", "y");
    net_int(n, "group", group);
    net_ints(n, "strides", (size_t)rank, strides);
    net_ints(n, "pads", 2 * (size_t)rank, pads);
    net_ints(n, "output_padding", (size_t)rank, more);
    net_output(&t, "y");
    net_check(&t, bound_of(in * taps), 0);
    net_close(&t);
}

static void test_transpose(void **state)
{
    (void)state;
    for (uint64_t seed = 2001; seed <= 2080; seed++)
        one_transpose(seed);
}

/* Convolutions one after the other, a residual sum: the orders between them are the library's own. */
static void one_chain(uint64_t seed)
{
    net t;

    net_open(&t, seed);
    const int64_t c = channels(&t), c2 = channels(&t), size = net_pick(&t, 5, 20);
    net_input(&t, "x", MQ_FLOAT, 4, (int64_t[]){ net_pick(&t, 1, 2), 3, size, size });
    net_const(&t, "w1", MQ_FLOAT, 4, (int64_t[]){ c, 3, 3, 3 });
    net_const(&t, "w2", MQ_FLOAT, 4, (int64_t[]){ c, 1, 3, 3 });
    net_const(&t, "w3", MQ_FLOAT, 4, (int64_t[]){ c, c, 1, 1 });
    net_const(&t, "w4", MQ_FLOAT, 4, (int64_t[]){ c2, c, 3, 3 });
    net_ints(net_node(&t, "com.microsoft", "FusedConv", "x,w1", "a"), "pads", 4, (int64_t[]){ 1, 1, 1, 1 });
    mq_node *n = net_node(&t, "", "Conv", "a,w2", "b");
    net_int(n, "group", c);
    net_ints(n, "pads", 4, (int64_t[]){ 1, 1, 1, 1 });
    n = net_node(&t, "com.microsoft", "FusedConv", "b,w3,-,a", "c");
    net_string(n, "activation", "Relu");
    net_node(&t, "", "Conv", "c,w4", "y");
    net_output(&t, "y");
    if (net_pick(&t, 0, 1))
        net_output(&t, "c");
    net_check(&t, 0x1p-23 * (double)(27 * 9 * c * 9), 4);
    net_close(&t);
}

static void test_chain(void **state)
{
    (void)state;
    for (uint64_t seed = 3001; seed <= 3060; seed++)
        one_chain(seed);
}

/* What Winograd's transformation is taken for, and shapes around it. */
static size_t n_winograd;

static void one_winograd(uint64_t seed)
{
    static const int64_t some[] = { 15, 16, 17, 32, 40, 48, 64 };
    net t;

    net_open(&t, seed);
    const int64_t in = some[net_pick(&t, 0, 6)], out = net_pick(&t, 0, 4) ? 32 + net_pick(&t, 0, 40) : net_pick(&t, 1, 31);
    const int64_t h = net_pick(&t, 9, 40), w = net_pick(&t, 12, 30), pad = net_pick(&t, 0, 1), kind = net_pick(&t, 0, 2);

    net_input(&t, "x", MQ_FLOAT, 4, (int64_t[]){ net_pick(&t, 1, 2), in, h, w });
    net_const(&t, "w", MQ_FLOAT, 4, (int64_t[]){ out, in, 3, 3 });
    net_const(&t, "b", MQ_FLOAT, 1, &out);
    mq_node *n = net_node(&t, kind ? "com.microsoft" : "", kind ? "FusedConv" : "Conv", "x,w,b", "y");
    net_ints(n, "pads", 4, (int64_t[]){ pad, pad, pad, pad });
    if (kind)
        net_string(n, "activation", kind == 1 ? "Relu" : "Sigmoid");
    net_output(&t, "y");
    net_check(&t, bound_of(in * 9), 1);
    const int64_t shorter = (h < w ? h : w) + 2 * pad - 2;
    if (strcmp(net_last_kernel, "onednn:winograd") == 0) {
        assert_true(in >= 16 && out >= 32 && shorter >= 12);
        n_winograd++;
    }
    net_close(&t);
}

static void test_winograd(void **state)
{
    (void)state;
    for (uint64_t seed = 4001; seed <= 4080; seed++)
        one_winograd(seed);
    assert_true(n_winograd > 15 || !net_all_kernels());
}

/* Subnormal weights count as zero, packed or not. */
static void test_subnormal(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2 && net_all_kernels(); kind++) {
        mq_array *out[NET_MAX] = { 0 };
        const int64_t n = 20;
        size_t slow;
        float *w, *b;
        net t;

        net_open(&t, 5001);
        net_input(&t, "x", MQ_FLOAT, 4, (int64_t[]){ 1, 7, 9, 9 });
        w = net_const(&t, "w", MQ_FLOAT, 4, (int64_t[]){ n, 7, 3, 3 });
        b = net_const(&t, "b", MQ_FLOAT, 1, &n);
        for (int i = 0; i < n * 7 * 9; i++)
            w[i] = (float)(i % 2 ? 1e-40 : -1e-42);
        for (int i = 0; i < n; i++)
            b[i] = kind ? 1.5f : (float)1e-39;
        net_node(&t, "", "Conv", "x,w,b", "y");
        net_output(&t, "y");
        assert_true(net_run(&t, false, 1, out, &slow));
        for (size_t i = 0; i < out[0]->count; i++)
            assert_true(((const float *)out[0]->data)[i] == (kind ? 1.5f : 0));
        mq_array_unref(out[0]);
        net_close(&t);
    }
}

static void test_fused_conv(void **state)
{
    (void)state;
    for (uint64_t seed = 1001; seed <= 1100; seed++)
        one_conv(seed, true);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv),
        cmocka_unit_test(test_fused_conv),
        cmocka_unit_test(test_transpose),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_winograd),
        cmocka_unit_test(test_subnormal),
    };

    net_bench = argc > 1 && strcmp(argv[1], "--bench") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
