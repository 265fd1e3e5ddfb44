/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* 8-bit integers of oneDNN against the reference kernels: integers are equal, floats within the rounding of the last
 * scale. Values are over the whole range, so that sums that saturate would be seen; every other model has powers of two
 * as scales, so that many results lie halfway between two integers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "onednn_net.h"

static void byte(net *t, const char *name, mq_dtype dtype, int value)
{
    *(uint8_t *)net_const(t, name, dtype, 0, NULL) = (uint8_t)value;
}

static mq_dtype any_byte(net *t)
{
    return net_pick(t, 0, 1) ? MQ_UINT8 : MQ_INT8;
}

static bool halves(const net *t)
{
    return t->first_seed / 4 % 2 == 0;
}

/* A scale, or the power of two below it. */
static float step(const net *t, float scale)
{
    return halves(t) ? exp2f(floorf(log2f(scale))) : scale;
}

/* Scales so that results fill the range. */
static void weight_scales(net *t, const char *name, int64_t n, int64_t k)
{
    float *s = net_const(t, name, MQ_FLOAT, n > 0, &n);

    for (int64_t i = 0; i < (n ? n : 1); i++)
        s[i] = step(t, (1 + 0.5f * rng_float(&t->seed)) * 0.01f / sqrtf((float)k));
}

static void one_qconv(uint64_t seed, bool integer)
{
    net t;

    net_open(&t, seed);
    const int rank = net_pick(&t, 0, 4) ? 2 : 1;
    const bool depthwise = net_pick(&t, 0, 2) == 0;
    const int64_t group = depthwise ? net_pick(&t, 1, 40) : 1, in = depthwise ? 1 : net_pick(&t, 1, 70);
    const int64_t out = depthwise ? group : net_pick(&t, 1, 70), kernel = net_pick(&t, 0, 1) ? 1 : net_pick(&t, 2, 3);
    const int64_t x[4] = { net_pick(&t, 1, 2), in * group, net_pick(&t, 3, 12), net_pick(&t, 3, 12) };
    const int64_t w[4] = { out, in, kernel, kernel };
    const mq_dtype xt = any_byte(&t), wt = any_byte(&t), yt = any_byte(&t);
    const bool bias = !integer && net_pick(&t, 0, 1), zero = net_pick(&t, 0, 1);

    net_input(&t, "x", xt, rank + 2, x);
    byte(&t, "xz", xt, zero ? (int)net_pick(&t, 0, 255) : 0);
    net_const(&t, "w", wt, rank + 2, w);
    byte(&t, "wz", wt, wt == MQ_UINT8 ? 128 : 0);
    if (!integer) {
        net_scalar(&t, "xs", MQ_FLOAT, (double)step(&t, 0.05f));
        weight_scales(&t, "ws", net_pick(&t, 0, 1) ? out : 0, in * kernel * (rank == 2 ? kernel : 1));
        net_scalar(&t, "ys", MQ_FLOAT, (double)step(&t, 0.02f));
        byte(&t, "yz", yt, net_pick(&t, 0, 2) ? (int)net_pick(&t, 0, 255) : 0);
    }
    if (bias)
        net_const(&t, "b", MQ_INT32, 1, &out);
    mq_node *n = net_node(&t, "", integer ? "ConvInteger" : "QLinearConv",
                          integer ? "x,w,xz,wz" : bias ? "x,xs,xz,w,ws,wz,ys,yz,b" : "x,xs,xz,w,ws,wz,ys,yz", "y");
    net_int(n, "group", group);
    net_ints(n, "strides", (size_t)rank, (int64_t[]){ net_pick(&t, 1, 2), 1 });
    if (net_pick(&t, 0, 1))
        net_string(n, "auto_pad", "SAME_UPPER");
    net_output(&t, "y");
    net_check(&t, 0, 1);
    net_close(&t);
}

static void test_qconv(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++)
        one_qconv(seed, false);
}

static void test_conv_integer(void **state)
{
    (void)state;
    for (uint64_t seed = 1001; seed <= 1080; seed++)
        one_qconv(seed, true);
}

/* Convolutions, a sum and a pool one after the other. */
static void test_chain(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        net t;

        net_open(&t, seed);
        const int64_t ch = net_pick(&t, 1, 50);
        const mq_dtype type = any_byte(&t);
        net_input(&t, "x", type, 4, (int64_t[]){ net_pick(&t, 1, 2), 3, 10, 9 });
        net_const(&t, "w1", MQ_INT8, 4, (int64_t[]){ ch, 3, 3, 3 });
        net_const(&t, "w2", MQ_INT8, 4, (int64_t[]){ ch, ch, 1, 1 });
        net_const(&t, "w3", MQ_INT8, 4, (int64_t[]){ 5, ch, 3, 3 });
        byte(&t, "z", type, type == MQ_UINT8 ? 100 : 3);
        byte(&t, "wz", MQ_INT8, 0);
        net_scalar(&t, "s", MQ_FLOAT, (double)step(&t, 0.05f));
        weight_scales(&t, "ws1", 0, 27);
        weight_scales(&t, "ws2", ch, ch);
        weight_scales(&t, "ws3", 0, ch * 9);
        net_node(&t, "", "QLinearConv", "x,s,z,w1,ws1,wz,s,z", "a");
        net_node(&t, "", "QLinearConv", "a,s,z,w2,ws2,wz,s,z", "b");
        net_node(&t, "com.microsoft", seed % 3 ? "QLinearAdd" : "QLinearMul", "a,s,z,b,s,z,s,z", "c");
        net_ints(net_node(&t, "", "MaxPool", "c", "d"), "kernel_shape", 2, (int64_t[]){ 2, 2 });
        net_node(&t, "", "QLinearConv", "d,s,z,w3,ws3,wz,s,z", "y");
        net_output(&t, "y");
        net_check(&t, 0, ch == 1 ? 3 : 5);
        net_close(&t);
    }
}

/* Convolutions whose results are joined, looked up and averaged where they lie; channels are not multiples of anything. */
static void test_bytes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        net t;

        net_open(&t, seed);
        const int64_t ch[2] = { net_pick(&t, 2, 90), net_pick(&t, 2, 90) }, all = ch[0] + ch[1], batch = net_pick(&t, 1, 2);
        const mq_dtype type = any_byte(&t);
        const char *const average = seed % 2 ? "QLinearGlobalAveragePool" : "QLinearAveragePool";
        int8_t *table;

        net_input(&t, "x", type, 4, (int64_t[]){ batch, 3, 10, 9 });
        net_const(&t, "w1", MQ_INT8, 4, (int64_t[]){ ch[0], 3, 3, 3 });
        net_const(&t, "w2", MQ_INT8, 4, (int64_t[]){ ch[1], ch[0], 1, 1 });
        net_const(&t, "w3", MQ_INT8, 4, (int64_t[]){ 5, all, 1, 1 });
        byte(&t, "z", type, type == MQ_UINT8 ? 100 : 3);
        byte(&t, "z2", type, 9);
        byte(&t, "wz", MQ_INT8, 0);
        net_scalar(&t, "s", MQ_FLOAT, (double)step(&t, 0.05f));
        net_scalar(&t, "s2", MQ_FLOAT, (double)step(&t, 0.08f));
        weight_scales(&t, "ws1", 0, 27);
        weight_scales(&t, "ws2", 0, ch[0]);
        weight_scales(&t, "ws3", 0, all);
        table = net_const(&t, "table", type, 1, (int64_t[]){ 256 });
        table[0] = 1;
        net_node(&t, "", "QLinearConv", "x,s,z,w1,ws1,wz,s,z", "a");
        net_node(&t, "", "QLinearConv", "a,s,z,w2,ws2,wz,s2,z2", "b");
        net_int(seed % 3 ? net_node(&t, "com.microsoft", "QLinearConcat", "s,z,a,s,z,b,s2,z2", "c") :
                           net_node(&t, "", "Concat", "a,b", "c"), "axis", 1);
        net_node(&t, "mq", "Lookup", "c,table", "d");
        net_node(&t, "", "QLinearConv", "d,s,z,w3,ws3,wz,s,z", "e");
        mq_node *n = net_node(&t, "com.microsoft", average, "e,s,z,s2,z2", "y");
        if (seed % 2 == 0)
            net_ints(n, "kernel_shape", 2, (int64_t[]){ 8, 7 });
        net_output(&t, "y");
        net_check(&t, 0, 6);
        net_close(&t);
    }
}

/* Floats between convolutions of integers. */
static void test_floats_between(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        net t;

        net_open(&t, seed);
        const int64_t ch = net_pick(&t, 2, 70);
        const mq_dtype type = any_byte(&t);

        net_input(&t, "x", type, 4, (int64_t[]){ net_pick(&t, 1, 2), 3, 10, 9 });
        net_const(&t, "w1", MQ_INT8, 4, (int64_t[]){ ch, 3, 3, 3 });
        net_const(&t, "w2", MQ_INT8, 4, (int64_t[]){ 7, ch, 1, 1 });
        byte(&t, "z", type, type == MQ_UINT8 ? 100 : 3);
        byte(&t, "wz", MQ_INT8, 0);
        net_scalar(&t, "s", MQ_FLOAT, (double)step(&t, 0.05f));
        weight_scales(&t, "ws1", 0, 27);
        weight_scales(&t, "ws2", 0, ch);
        net_node(&t, "", "QLinearConv", "x,s,z,w1,ws1,wz,s,z", "a");
        net_node(&t, "", "DequantizeLinear", "a,s,z", "b");
        if (seed % 2) {
            float *var;

            net_const(&t, "bias", MQ_FLOAT, 1, &ch);
            net_const(&t, "mean", MQ_FLOAT, 1, &ch);
            var = net_const(&t, "var", MQ_FLOAT, 1, &ch);
            for (int64_t i = 0; i < ch; i++)
                var[i] = 0.5f + fabsf(var[i]);
            net_input(&t, "factor", MQ_FLOAT, 1, &ch); /* no constant: else it would become a table */
            net_node(&t, "", "BatchNormalization", "b,factor,bias,mean,var", "c");
        } else {
            net_node(&t, "", "Relu", "b", "c");
        }
        net_node(&t, "", "QuantizeLinear", "c,s,z", "d");
        net_node(&t, "", "QLinearConv", "d,s,z,w2,ws2,wz,s,z", "y");
        net_output(&t, "y");
        net_check(&t, 0, 3);
        net_close(&t);
    }
}

static void one_matmul(uint64_t seed)
{
    static const char *const ops[] = { "MatMulInteger", "QLinearMatMul", "MatMulIntegerToFloat", "DynamicQuantizeMatMul" };
    const uint64_t op = seed % 4;
    net t;

    net_open(&t, seed);
    const int rank = (int)net_pick(&t, 2, 4);
    const int64_t m = net_pick(&t, 1, 40), k = net_pick(&t, 1, 150), n = net_pick(&t, 1, 80);
    const int64_t a[4] = { net_pick(&t, 1, 2), net_pick(&t, 1, 3), m, k }, b[4] = { a[0], a[1], k, n };
    const bool two = net_pick(&t, 0, 2) > 0, constant = net_pick(&t, 0, 1), columns = net_pick(&t, 0, 1),
        bias = net_pick(&t, 0, 1);
    const mq_dtype at = any_byte(&t), bt = any_byte(&t), yt = any_byte(&t);

    if (op == 3) {
        net_input(&t, "a", MQ_FLOAT, rank, a + 4 - rank);
    } else {
        net_input(&t, "a", at, rank, a + 4 - rank);
        byte(&t, "az", at, (int)net_pick(&t, 0, 255));
        net_scalar(&t, "as", MQ_FLOAT, (double)step(&t, 0.05f));
    }
    net_either(&t, constant, "b", bt, two ? 2 : rank, two ? b + 2 : b + 4 - rank);
    uint8_t *bz = net_const(&t, "bz", bt, columns && two, &n);
    if (net_pick(&t, 0, 1))
        memset(bz, bt == MQ_UINT8 ? 128 : 0, columns && two ? (size_t)n : 1);
    weight_scales(&t, "bs", columns && two ? n : 0, k);
    if (op == 1) {
        net_scalar(&t, "ys", MQ_FLOAT, (double)step(&t, 0.02f));
        byte(&t, "yz", yt, (int)net_pick(&t, 0, 255));
    }
    if (bias && op > 1)
        net_const(&t, "bias", MQ_FLOAT, 1, &n);
    net_node(&t, op > 1 ? "com.microsoft" : "", ops[op],
             op == 0   ? "a,b,az,bz"
             : op == 1 ? "a,as,az,b,bs,bz,ys,yz"
             : op == 2 ? (bias ? "a,b,as,bs,az,bz,bias" : "a,b,as,bs,az,bz")
                       : (bias ? "a,b,bs,bz,bias" : "a,b,bs,bz"),
             "y");
    net_output(&t, "y");
    net_check(&t, op < 2 ? 0 : 1e-5, 1);
    net_close(&t);
}

static void test_matmul(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 240; seed++)
        one_matmul(seed);
}

static void one_gemm(uint64_t seed)
{
    net t;

    net_open(&t, seed);
    const int64_t m = net_pick(&t, 1, 20), k = net_pick(&t, 1, 150), n = net_pick(&t, 1, 80), form = net_pick(&t, 0, 3);
    const bool turned = net_pick(&t, 0, 1), columns = net_pick(&t, 0, 1), quantized = net_pick(&t, 0, 1);
    const mq_dtype at = any_byte(&t), bt = any_byte(&t), yt = any_byte(&t);
    char in[80];

    net_input(&t, "a", at, 2, (int64_t[]){ m, k });
    byte(&t, "az", at, (int)net_pick(&t, 0, 255));
    net_scalar(&t, "as", MQ_FLOAT, (double)step(&t, 0.05f));
    net_const(&t, "b", bt, 2, turned ? (int64_t[]){ n, k } : (int64_t[]){ k, n });
    net_const(&t, "bz", bt, columns, &n);
    weight_scales(&t, "bs", columns ? n : 0, k);
    if (form)
        net_const(&t, "c", MQ_INT32, form == 1 ? 1 : 2,
                  form == 1 ? &n : form == 2 ? (int64_t[]){ 1, n } : (int64_t[]){ 1, 1 });
    net_scalar(&t, "ys", MQ_FLOAT, (double)step(&t, 0.02f));
    byte(&t, "yz", yt, (int)net_pick(&t, 0, 255));
    snprintf(in, sizeof in, "a,as,az,b,bs,bz,%s%s", form ? "c" : "-", quantized ? ",ys,yz" : "");
    mq_node *node = net_node(&t, "com.microsoft", "QGemm", in, "y");
    net_int(node, "transB", turned);
    net_float(node, "alpha", net_pick(&t, 0, 1) ? 1 : 0.5f);
    net_output(&t, "y");
    net_check(&t, quantized ? 0 : 1e-5, 1);
    net_close(&t);
}

static void test_gemm(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++)
        one_gemm(seed);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_qconv),
        cmocka_unit_test(test_conv_integer),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_floats_between),
        cmocka_unit_test(test_matmul),
        cmocka_unit_test(test_gemm),
    };

    net_bench = argc > 1 && strcmp(argv[1], "--bench") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
