/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* MatMulNBits of few rows against the reference kernel: all widths, blocks, kinds of zero points. With weights up to
 * 16 (or 256) steps of a scale of at most 1 / 8 (1 / 128) and A in [-1, 1), the difference is at most 2^-22 (8 + K). At
 * accuracy level 4 both round A in the same way; how is checked by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "onednn_net.h"

/* On every instruction set the same bytes. */
static void same_on_all(net *t)
{
    static const mq_isa sets[] = { MQ_ISA_AVX2, MQ_ISA_AVX512, MQ_ISA_NATIVE };
    const mq_isa before = mq_isa_limited();
    mq_array *want[NET_MAX] = { 0 }, *have[NET_MAX] = { 0 };
    size_t slow;

    mq_isa_limit(MQ_ISA_BASE);
    net_run(t, false, 1, want, &slow);
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        if (!mq_isa_is_there(sets[i]))
            continue;
        mq_isa_limit(sets[i]);
        net_run(t, false, 1, have, &slow);
        if (memcmp(want[0]->data, have[0]->data, mq_array_bytes(want[0])) != 0)
            net_fail(t, "instruction sets", mq_isa_name(sets[i]));
        mq_array_unref(have[0]);
    }
    mq_isa_limit(before);
    mq_array_unref(want[0]);
}

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
    net_int(node, "accuracy_level", net_pick(&t, 0, 1) ? 4 : net_pick(&t, 0, 3));
    net_output(&t, "y");
    if (seed % 16 == 0)
        ((float *)t.in[0]->data)[net_pick(&t, 0, m * k - 1)] = seed % 32 ? NAN : INFINITY;
    else if (seed % 5 == 0)
        memset(t.in[0]->data, 0, (size_t)(k < block ? k : block) * sizeof(float));
    net_check(&t, 0x1p-22 * (double)(8 + k), 1);
    same_on_all(&t);
    net_close(&t);
}

/* Level 4 against the definition: weights 1 .. 3 with scale 2, zero point 8; A's block has 1 / 127 steps of 0.5. */
static void test_rounding(void **state)
{
    const float a[] = { 127, 0.5f, 1.5f, -2.5f, 3.49f, -127 };
    const double rounded[] = { 127, 0, 2, -2, 3, -127 }, weights[] = { 1, 2, 3, 1, 2, 3 };
    double want = 0;

    (void)state;
    for (int level = 0; level <= 4; level += 4) {
        net t;

        net_open(&t, 3);
        mq_array *x = net_input(&t, "a", MQ_FLOAT, 2, (int64_t[]){ 1, 32 });
        uint8_t *codes = net_const(&t, "b", MQ_UINT8, 3, (int64_t[]){ 1, 1, 16 });
        float *scale = net_const(&t, "s", MQ_FLOAT, 1, (int64_t[]){ 1 });
        mq_node *node = net_node(&t, "com.microsoft", "MatMulNBits", "a,b,s", "y");
        mq_array *y[NET_MAX] = { 0 };
        size_t slow;

        memset(x->data, 0, 32 * sizeof(float));
        memset(codes, 0x88, 16);
        for (int i = 0; i < 6; i++) {
            ((float *)x->data)[i] = a[i] * 0.5f;
            codes[i / 2] = (uint8_t)(codes[i / 2] + ((int)weights[i] << (i % 2 * 4)));
        }
        *scale = 2;
        net_int(node, "block_size", 32);
        net_int(node, "N", 1);
        net_int(node, "K", 32);
        net_int(node, "accuracy_level", level);
        net_output(&t, "y");
        want = 0;
        for (int i = 0; i < 6; i++)
            want += (level == 4 ? rounded[i] : (double)a[i]) * 0.5 * weights[i] * 2;
        for (int reference = 0; reference < 2; reference++) {
            net_run(&t, reference, 1, y, &slow);
            assert_true(fabs((double)*(float *)y[0]->data - want) <= 1e-4);
            mq_array_unref(y[0]);
        }
        net_close(&t);
    }
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
    for (int64_t kind = 0; net_bench && kind < 6; kind++) {
        const int64_t m = kind % 3 == 0 ? 1 : kind % 3 == 1 ? 4 : 16;
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
        net_int(node, "accuracy_level", kind < 3 ? 0 : 4);
        net_output(&t, "y");
        net_check(&t, 0x1p-22 * (double)(8 + k), 1);
        net_close(&t);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_large),
    };

    net_bench = argc > 1 && strcmp(argv[1], "--bench") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
