/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* MatMulNBits of few rows against the reference kernel: all widths, blocks, kinds of zero points. With weights up to
 * 16 (or 256) steps of a scale of at most 1 / 8 (1 / 128) and A in [-1, 1), the difference is at most 2^-22 (8 + K). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "onednn_net.h"

static void one(uint64_t seed)
{
    static const int64_t sizes[] = { 32, 64, 128, 256 };
    net t;

    net_open(&t, seed);
    const int64_t bits = net_pick(&t, 0, 2) ? 4 : 8, block = sizes[net_pick(&t, 0, 3)];
    const int64_t m = net_pick(&t, 1, seed % 4 ? 9 : 64);
    const int64_t n = net_pick(&t, 1, 100), k = net_pick(&t, 1, 700), blocks = (k + block - 1) / block;
    const int64_t zeros = net_pick(&t, 0, 2), row = (blocks * bits + 7) / 8, all = n * blocks, packed = n * row;
    const bool bias = net_pick(&t, 0, 1);

    net_input(&t, "a", MQ_FLOAT, 3, (int64_t[]){ 1, m, k });
    net_const(&t, "b", MQ_UINT8, 3, (int64_t[]){ n, blocks, block * bits / 8 });
    float *s = net_const(&t, "s", MQ_FLOAT, 1, &all);
    for (int64_t i = 0; i < all; i++)
        s[i] /= bits == 4 ? 8 : 128;
    if (seed % 3 == 0) { /* as in a mapped file: at any address */
        mq_tensor *x = mq_graph_find_here(t.g, "s")->init;
        char *at = mq_arena_alloc(t.m->arena, x->n_bytes + 1);

        assert_non_null(at);
        memcpy(at + 1, s, x->n_bytes);
        x->data = at + 1;
    }
    if (zeros == 1)
        net_const(&t, "z", MQ_UINT8, 1, &packed);
    else if (zeros == 2)
        net_const(&t, "z", MQ_FLOAT, 1, &all);
    if (bias)
        net_const(&t, "bias", MQ_FLOAT, 1, &n);
    mq_node *node = net_node(&t, "com.microsoft", "MatMulNBits",
                             zeros ? bias ? "a,b,s,z,-,bias" : "a,b,s,z" : bias ? "a,b,s,-,-,bias" : "a,b,s", "y");
    net_int(node, "bits", bits);
    net_int(node, "block_size", block);
    net_int(node, "N", n);
    net_int(node, "K", k);
    net_output(&t, "y");
    net_check(&t, 0x1p-22 * (double)(8 + k), 1);
    net_close(&t);
}

static void test_all(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 120; seed++)
        one(seed);
}

/* With --bench: a product of a small language model. */
static void test_large(void **state)
{
    (void)state;
    for (int64_t m = 1; net_bench && m <= 16; m *= 4) {
        const int64_t n = 4096, k = 4096, all = n * k / 32;
        net t;

        net_open(&t, 7);
        net_input(&t, "a", MQ_FLOAT, 2, (int64_t[]){ m, k });
        net_const(&t, "b", MQ_UINT8, 3, (int64_t[]){ n, k / 32, 16 });
        float *s = net_const(&t, "s", MQ_FLOAT, 1, &all);
        for (int64_t i = 0; i < all; i++)
            s[i] /= 8;
        mq_node *node = net_node(&t, "com.microsoft", "MatMulNBits", "a,b,s", "y");
        net_int(node, "block_size", 32);
        net_int(node, "N", n);
        net_int(node, "K", k);
        net_output(&t, "y");
        net_check(&t, 0x1p-22 * (double)(8 + k), 1);
        net_close(&t);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_large),
    };

    net_bench = argc > 1 && strcmp(argv[1], "--bench") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
