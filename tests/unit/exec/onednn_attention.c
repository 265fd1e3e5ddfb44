/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Attention, standard and fused, against the reference kernel: heads apart and joined, masks of all shapes, rows that a mask
 * hides, NaN and infinity. V is in [-1, 1), and so is every result; scores are sums of up to 70 products, and their error
 * goes into the result as it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "onednn_net.h"

#define BOUND 2e-5

static mq_array *operand(net *t, const char *name, bool apart, int64_t batch, int64_t heads, int64_t rows, int64_t n)
{
    return apart ? net_input(t, name, MQ_FLOAT, 4, (int64_t[]){ batch, heads, rows, n })
                 : net_input(t, name, MQ_FLOAT, 3, (int64_t[]){ batch, rows, heads * n });
}

/* Numbers far down, as masks have them; rows of -infinity. */
static void hide(net *t, mq_array *mask, int64_t keys)
{
    static const float low[] = { -INFINITY, -1e4f, -90.0f, 0 };
    float *m = mask->data;

    for (size_t i = 0; i < mask->count; i++)
        m[i] = net_pick(t, 0, 2) ? m[i] : low[net_pick(t, 0, 3)];
    for (int64_t k = 0; net_pick(t, 0, 2) == 0 && k < keys; k++)
        m[k] = -INFINITY;
}

static mq_array *add_mask(net *t, const int64_t dims[4])
{
    const int rank = (int)net_pick(t, 1, 4);
    int64_t d[4];

    for (int i = 0; i < rank; i++)
        d[i] = i + 1 < rank && net_pick(t, 0, 1) ? 1 : dims[4 - rank + i];
    return net_input(t, "mask", MQ_FLOAT, rank, d);
}

static void one(uint64_t seed)
{
    net t;

    net_open(&t, seed);
    const bool fused = seed % 3 != 0, apart = net_pick(&t, 0, 1), masked = net_pick(&t, 0, 2);
    const int64_t batch = net_pick(&t, 1, 3), heads = net_pick(&t, 1, 5), s = net_pick(&t, 1, seed % 10 ? 40 : 130);
    const int64_t keys = net_pick(&t, 1, seed % 10 ? 40 : 130), n = net_pick(&t, 1, 70), v_n = net_pick(&t, 1, 40);
    mq_array *q = operand(&t, "q", apart, batch, heads, s, n);

    operand(&t, "k", apart, batch, heads, keys, n);
    operand(&t, "v", apart, batch, heads, keys, v_n);
    mq_array *mask = masked ? add_mask(&t, (int64_t[]){ batch, heads, s, keys }) : NULL;
    if (mask && net_pick(&t, 0, 1))
        hide(&t, mask, keys);
    if (seed % 7 == 0)
        ((float *)q->data)[net_pick(&t, 0, (int64_t)q->count - 1)] = seed % 2 ? NAN : INFINITY;
    mq_node *node = net_node(&t, fused ? "mq" : "", "Attention", masked ? "q,k,v,mask" : "q,k,v", "y");
    if (!apart) {
        net_int(node, "q_num_heads", heads);
        net_int(node, "kv_num_heads", heads);
    }
    if (net_pick(&t, 0, 1))
        net_float(node, "scale", 0.3f);
    net_output(&t, "y");
    net_check(&t, BOUND, 1);
    net_close(&t);
}

static void test_all(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 240; seed++)
        one(seed);
}

/* What the kernel does not have is left to the reference: fewer heads of keys, windows, softcap, shorter masks. */
static void test_others(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        net t;

        net_open(&t, 5);
        net_input(&t, "q", MQ_FLOAT, 4, (int64_t[]){ 2, 4, 9, 8 });
        net_input(&t, "k", MQ_FLOAT, 4, (int64_t[]){ 2, kind == 0 ? 2 : 4, 12, 8 });
        net_input(&t, "v", MQ_FLOAT, 4, (int64_t[]){ 2, kind == 0 ? 2 : 4, 12, 8 });
        if (kind == 1)
            net_input(&t, "mask", MQ_FLOAT, 2, (int64_t[]){ 9, 7 });
        mq_node *node = net_node(&t, "", "Attention", kind == 1 ? "q,k,v,mask" : "q,k,v", "y");
        if (kind == 2)
            net_int(node, "is_causal", 1);
        if (kind == 3)
            net_float(node, "softcap", 0.5f);
        net_output(&t, "y");
        net_check(&t, BOUND, 0);
        assert_string_equal(net_last_kernel, "reference");
        net_close(&t);
    }
}

/* Softmax makes NaN of a row that is hidden, Attention 0. */
static void test_hidden(void **state)
{
    (void)state;
    for (int fused = 0; fused < 2; fused++) {
        mq_array *y[NET_MAX] = { 0 };
        size_t slow;
        net t;

        net_open(&t, 6);
        for (int i = 0; i < 3; i++)
            net_input(&t, (const char *[]){ "q", "k", "v" }[i], MQ_FLOAT, 4, (int64_t[]){ 1, 1, 2, 4 });
        mq_array *mask = net_input(&t, "mask", MQ_FLOAT, 2, (int64_t[]){ 2, 2 });
        net_node(&t, fused ? "mq" : "", "Attention", "q,k,v,mask", "y");
        net_output(&t, "y");
        for (int i = 0; i < 2; i++)
            ((float *)mask->data)[i] = -INFINITY;
        for (int reference = 0; reference < 2; reference++) {
            net_run(&t, reference != 0, 1, y, &slow);
            for (size_t i = 0; i < 8; i++) {
                const double v = net_value(y[0], i);
                assert_true(i >= 4 ? isfinite(v) && v != 0 : fused ? isnan(v) : v == 0);
            }
            mq_array_unref(y[0]);
        }
        net_close(&t);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_hidden),
    };

    net_bench = argc > 1 && strcmp(argv[1], "--bench") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
