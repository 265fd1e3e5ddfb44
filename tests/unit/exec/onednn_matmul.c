/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Matrix products of oneDNN against the reference kernels. With terms in [-1, 1) the difference is at most 2^-23 (8 +
 * K / 4) for sums of K products (times alpha), beside 1e-5 of the value. */
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

static int64_t size(net *t)
{
    static const int64_t usual[] = { 1, 16, 64, 128, 384 };

    return net_pick(t, 0, 2) ? net_pick(t, 1, 70) : usual[net_pick(t, 0, 4)];
}

static void one_matmul(uint64_t seed)
{
    net t;

    net_open(&t, seed);
    const int ra = (int)net_pick(&t, 1, 4), rb = net_pick(&t, 0, 1) ? 2 : (int)net_pick(&t, 1, 4);
    const int64_t m = size(&t), n = size(&t), k = size(&t), batch[2] = { net_pick(&t, 1, 3), net_pick(&t, 1, 3) };
    int64_t a[4], b[4];

    for (int i = 0; i < 2; i++) {
        a[i] = net_pick(&t, 0, 3) ? batch[i] : 1;
        b[i] = net_pick(&t, 0, 3) ? batch[i] : 1;
    }
    a[2] = m;
    a[3] = b[2] = k;
    b[3] = n;
    net_input(&t, "a", MQ_FLOAT, ra, a + 4 - ra);
    if (rb == 1)
        b[3] = k;
    net_either(&t, net_pick(&t, 0, 1), "b", MQ_FLOAT, rb, b + 4 - rb);
    net_node(&t, "", "MatMul", "a,b", "y");
    net_output(&t, "y");
    net_check(&t, bound_of(k), 1);
    net_close(&t);
}

static void test_matmul(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++)
        one_matmul(seed);
}

static void one_fused(uint64_t seed)
{
    net t;

    net_open(&t, seed);
    const int rank = (int)net_pick(&t, 2, 4);
    const int64_t m = size(&t), n = size(&t), k = size(&t);
    const bool ta = net_pick(&t, 0, 1), tb = net_pick(&t, 0, 1), tba = net_pick(&t, 0, 1), tbb = net_pick(&t, 0, 1);
    int64_t a[4] = { net_pick(&t, 1, 3), net_pick(&t, 1, 3) }, b[4] = { a[0], a[1] }, ma[4], mb[4];

    a[rank - 2] = m;
    a[rank - 1] = b[rank - 2] = k;
    b[rank - 1] = n;
    if (ta) {
        a[rank - 2] = k;
        a[rank - 1] = m;
    }
    if (tb) {
        b[rank - 2] = n;
        b[rank - 1] = k;
    }
    for (int i = 0; i < rank; i++) { /* the dim before the last goes to the front */
        ma[i] = !tba || i == rank - 1 ? a[i] : i == 0 ? a[rank - 2] : a[i - 1];
        mb[i] = !tbb || i == rank - 1 ? b[i] : i == 0 ? b[rank - 2] : b[i - 1];
    }
    net_input(&t, "a", MQ_FLOAT, rank, ma);
    net_either(&t, net_pick(&t, 0, 1), "b", MQ_FLOAT, rank, mb);
    mq_node *node = net_node(&t, "com.microsoft", "FusedMatMul", "a,b", "y");
    net_int(node, "transA", ta);
    net_int(node, "transB", tb);
    net_int(node, "transBatchA", tba);
    net_int(node, "transBatchB", tbb);
    net_float(node, "alpha", net_pick(&t, 0, 1) ? 1 : 0.125f);
    net_output(&t, "y");
    net_check(&t, bound_of(k), 0);
    net_close(&t);
}

static void test_fused(void **state)
{
    (void)state;
    for (uint64_t seed = 1001; seed <= 1120; seed++)
        one_fused(seed);
}

static void one_gemm(uint64_t seed)
{
    static const char *const acts[] = { "Relu", "LeakyRelu", "Sigmoid", "Tanh" };
    net t;

    net_open(&t, seed);
    const int64_t m = size(&t), n = size(&t), k = size(&t), form = net_pick(&t, 0, 6);
    const bool ta = net_pick(&t, 0, 1), tb = net_pick(&t, 0, 1), fused = net_pick(&t, 0, 1), plain = net_pick(&t, 0, 1);
    const int64_t forms[6][2] = { { 1, 1 }, { 1, n }, { m, 1 }, { m, n }, { n, 0 }, { 1, 0 } };

    net_input(&t, "a", MQ_FLOAT, 2, ta ? (int64_t[]){ k, m } : (int64_t[]){ m, k });
    net_either(&t, net_pick(&t, 0, 1), "b", MQ_FLOAT, 2, tb ? (int64_t[]){ n, k } : (int64_t[]){ k, n });
    if (form < 6)
        net_either(&t, net_pick(&t, 0, 1), "c", MQ_FLOAT, form < 4 ? 2 : 1, forms[form]);
    mq_node *node = net_node(&t, fused ? "com.microsoft" : "", fused ? "FusedGemm" : "Gemm", form < 6 ?
                             "a,b,c" : "a,b", "y");
    net_int(node, "transA", ta);
    net_int(node, "transB", tb);
    if (!plain) {
        net_float(node, "alpha", net_pick(&t, 0, 1) ? 0.5f : 1);
        net_float(node, "beta", (float)net_pick(&t, 0, 2) * 0.5f);
    }
    if (fused) {
        const int64_t act = net_pick(&t, 0, 3);

        net_string(node, "activation", acts[act]);
        if (act == 1)
            net_float(node, "activation_alpha", 0.2f);
    }
    net_output(&t, "y");
    net_check(&t, bound_of(k), 0);
    net_close(&t);
}

static void test_gemm(void **state)
{
    (void)state;
    for (uint64_t seed = 2001; seed <= 2150; seed++)
        one_gemm(seed);
}

/* Long sums into few results: a library might share one sum between threads. */
static void test_long_sums(void **state)
{
    (void)state;
    for (int64_t m = 1; m <= 33; m += 8) {
        net t;

        net_open(&t, (uint64_t)m);
        net_input(&t, "a", MQ_FLOAT, 2, (int64_t[]){ m, 20000 });
        net_either(&t, m % 16 == 1, "b", MQ_FLOAT, 2, (int64_t[]){ 20000, 2 * m });
        net_node(&t, "", "MatMul", "a,b", "y");
        net_output(&t, "y");
        net_check(&t, bound_of(20000), 1);
        net_close(&t);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matmul),
        cmocka_unit_test(test_fused),
        cmocka_unit_test(test_gemm),
        cmocka_unit_test(test_long_sums),
    };

    net_bench = argc > 1 && strcmp(argv[1], "--bench") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
