/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Operators between two convolutions, on images in oneDNN's own order, against the reference kernels; channels fill
 * blocks or do not. The bound is 1e-5 of the largest sums that can occur. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "onednn_net.h"

typedef struct chain {
    net t;
    int rank; /* spatial */
    int64_t batch, ch, size;
} chain;

/* x to a: a convolution of 3 to ch channels, size stays. */
static void chain_open(chain *k, uint64_t seed)
{
    static const int64_t channels[] = { 1, 5, 8, 16, 24, 32, 40 };
    int64_t dims[5], w[5], pads[6];

    net_open(&k->t, seed);
    k->rank = (int)net_pick(&k->t, 0, 5);
    k->rank = k->rank < 1 ? 1 : k->rank < 5 ? 2 : 3;
    k->batch = net_pick(&k->t, 1, 2);
    k->ch = channels[net_pick(&k->t, 0, 6)];
    k->size = net_pick(&k->t, 4, k->rank == 3 ? 6 : 12);
    dims[0] = k->batch;
    dims[1] = 3;
    w[0] = k->ch;
    w[1] = 3;
    for (int i = 0; i < k->rank; i++) {
        dims[i + 2] = k->size;
        w[i + 2] = 3;
        pads[i] = pads[i + k->rank] = 1;
    }
    net_input(&k->t, "x", MQ_FLOAT, k->rank + 2, dims);
    net_const(&k->t, "w", MQ_FLOAT, k->rank + 2, w);
    net_ints(net_node(&k->t, "", "Conv", "x,w", "a"), "pads", 2 * (size_t)k->rank, pads);
}

/* b (with ch channels) to y: a convolution over points. */
static void chain_close(chain *k, int64_t ch, double bound, size_t fast)
{
    int64_t w[5] = { 7, ch, 1, 1, 1 };

    net_const(&k->t, "v", MQ_FLOAT, k->rank + 2, w);
    net_node(&k->t, "", "Conv", "b,v", "y");
    net_output(&k->t, "y");
    net_check(&k->t, bound, k->ch == 1 ? 1 : fast); /* an image of one channel is plain */
    net_close(&k->t);
}

static void test_functions(void **state)
{
    static const char *const ops[] = { "Relu", "LeakyRelu", "Elu", "Sigmoid", "Tanh", "HardSwish", "Abs", "Neg", "Clip" };

    (void)state;
    for (uint64_t seed = 1; seed <= 90; seed++) {
        const char *op = ops[seed % 9];
        chain k;

        chain_open(&k, seed);
        if (seed % 9 == 8) {
            net_scalar(&k.t, "low", MQ_FLOAT, -1.5);
            net_scalar(&k.t, "high", MQ_FLOAT, 2);
        }
        net_node(&k.t, "", op, seed % 9 == 8 ? "a,low,high" : "a", "b");
        chain_close(&k, k.ch, 1e-5 * 10 * (double)k.ch, 3);
    }
}

/* Two images, or an image and a value (for each channel). */
static void test_pairs(void **state)
{
    static const char *const ops[] = { "Add", "Sub", "Mul", "Div", "Max", "Min" };

    (void)state;
    for (uint64_t seed = 1; seed <= 180; seed++) {
        const char *op = ops[seed % 6];
        int64_t dims[5] = { 1, 0, 1, 1, 1 };
        chain k;

        chain_open(&k, seed);
        const int64_t form = net_pick(&k.t, 0, 4);
        const bool first = net_pick(&k.t, 0, 1);
        net_node(&k.t, "", "Abs", "a", "c");
        if (form == 0) { /* an image in the same order */
            net_scalar(&k.t, "one", MQ_FLOAT, 1);
            net_node(&k.t, "", "Add", "c,one", "other");
        } else if (form == 1) { /* a plain image */
            dims[0] = k.batch;
            for (int i = 0; i < k.rank; i++)
                dims[i + 2] = k.size;
            dims[1] = k.ch;
            net_input(&k.t, "p", MQ_FLOAT, k.rank + 2, dims);
            net_node(&k.t, "", "Abs", "p", "q");
            net_scalar(&k.t, "one", MQ_FLOAT, 1);
            net_node(&k.t, "", "Add", "q,one", "other");
        } else if (form == 2) { /* a value for each channel */
            dims[1] = k.ch;
            float *p = net_const(&k.t, "other", MQ_FLOAT, k.rank + 2, dims);
            for (int64_t i = 0; i < k.ch; i++)
                p[i] = 1 + fabsf(p[i]);
        } else if (form == 3) {
            net_scalar(&k.t, "other", MQ_FLOAT, 1.5);
        } else { /* a gate */
            net_node(&k.t, "", "GlobalAveragePool", "c", "m");
            net_scalar(&k.t, "one", MQ_FLOAT, 1);
            net_node(&k.t, "", "Add", "m,one", "other");
        }
        net_node(&k.t, "", op, first && seed % 6 != 3 ? "other,c" : "c,other", "b"); /* no division by what may be 0 */
        chain_close(&k, k.ch, 1e-5 * 30 * (double)k.ch, 2);
    }
}

static void test_concat(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        int64_t dims[5], more;
        chain k;

        chain_open(&k, seed);
        more = net_pick(&k.t, 0, 1) ? k.ch : net_pick(&k.t, 1, 20);
        dims[0] = k.batch;
        dims[1] = more;
        for (int i = 0; i < k.rank; i++)
            dims[i + 2] = k.size;
        net_input(&k.t, "p", MQ_FLOAT, k.rank + 2, dims);
        net_node(&k.t, "", "Relu", "a", "c");
        net_int(net_node(&k.t, "", "Concat", seed % 3 == 0 ? "a,c" : seed % 3 == 1 ? "a,p" : "p,a,c,a", "b"), "axis",
                seed % 2 ? 1 : 1 - 2 - k.rank);
        if (seed % 5 == 0)
            net_output(&k.t, "b");
        chain_close(&k, seed % 3 == 0 ? 2 * k.ch : seed % 3 == 1 ? k.ch + more : 3 * k.ch + more,
                    1e-5 * 60 * (double)(k.ch + more),
                    2);
    }
}

static void test_pool(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        const bool average = seed % 2, plain = seed % 5 == 0;
        int64_t kernel[3], strides[3], pads[6];
        chain k;
        mq_node *n;

        chain_open(&k, seed);
        for (int i = 0; i < k.rank; i++) {
            kernel[i] = net_pick(&k.t, 1, 4);
            strides[i] = net_pick(&k.t, 1, 3);
            pads[i] = net_pick(&k.t, 0, kernel[i] - 1);
            pads[i + k.rank] = net_pick(&k.t, 0, kernel[i] - 1);
        }
        n = net_node(&k.t, "", average ? "AveragePool" : "MaxPool", plain ? "x" : "a", "b");
        net_ints(n, "kernel_shape", (size_t)k.rank, kernel);
        net_ints(n, "strides", (size_t)k.rank, strides);
        net_ints(n, "pads", 2 * (size_t)k.rank, pads);
        net_int(n, "ceil_mode", net_pick(&k.t, 0, 1));
        if (average)
            net_int(n, "count_include_pad", net_pick(&k.t, 0, 1));
        chain_close(&k, plain ? 3 : k.ch, 1e-5 * 10 * (double)k.ch, plain ? 1 : 2);
    }
}

static void test_means(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        int64_t count, *axes;
        chain k;

        chain_open(&k, seed);
        count = k.rank;
        if (seed % 4 == 0) {
            net_node(&k.t, "", "GlobalMaxPool", "a", "b");
        } else if (seed % 4 == 1) {
            net_node(&k.t, "", "GlobalAveragePool", "a", "b");
        } else {
            axes = mq_arena_alloc(k.t.m->arena, 3 * sizeof *axes);
            for (int i = 0; i < k.rank; i++)
                axes[i] = seed % 8 < 4 ? i + 2 : -1 - i;
            mq_tensor *t = mq_tensor_create(k.t.m, "axes", MQ_INT64, 1, &count, axes);
            assert_int_equal(mq_value_set_init(make_value(k.t.g, "axes"), t, NULL), MQ_OK);
            net_int(net_node(&k.t, "", "ReduceMean", "a,axes", seed % 4 == 2 ? "b" : "r"), "keepdims", seed % 4 == 2);
            if (seed % 4 == 3) {
                net_output(&k.t, "r");
                net_node(&k.t, "", "Relu", "a", "b");
            }
        }
        chain_close(&k, k.ch, 1e-5 * 10 * (double)k.ch, 3);
    }
}

static void test_norms(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        chain k;

        chain_open(&k, seed);
        if (seed % 2) {
            net_const(&k.t, "s", MQ_FLOAT, 1, &k.ch);
            net_const(&k.t, "o", MQ_FLOAT, 1, &k.ch);
            net_const(&k.t, "m", MQ_FLOAT, 1, &k.ch);
            float *v = net_const(&k.t, "var", MQ_FLOAT, 1, &k.ch);
            for (int64_t i = 0; i < k.ch; i++)
                v[i] = 0.5f + fabsf(v[i]);
            net_float(net_node(&k.t, "", "BatchNormalization", "a,s,o,m,var", "b"), "epsilon", 1e-3f);
        } else {
            mq_node *n = net_node(&k.t, "", "LRN", "a", "b");
            net_int(n, "size", 5);
            net_float(n, "alpha", 0.01f);
        }
        chain_close(&k, k.ch, 1e-5 * 20 * (double)k.ch, seed % 2 ? 3 : 2);
    }
}

static void test_resize(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        const bool linear = seed % 2;
        int64_t count;
        chain k;

        chain_open(&k, seed);
        count = k.rank + 2;
        int64_t *sizes = mq_arena_alloc(k.t.m->arena, 5 * sizeof *sizes);
        sizes[0] = k.batch;
        sizes[1] = k.ch;
        for (int i = 0; i < k.rank; i++)
            sizes[i + 2] = linear ? net_pick(&k.t, 1, 20) : k.size * net_pick(&k.t, 1, 3);
        mq_tensor *t = mq_tensor_create(k.t.m, "sizes", MQ_INT64, 1, &count, sizes);
        assert_int_equal(mq_value_set_init(make_value(k.t.g, "sizes"), t, NULL), MQ_OK);
        mq_node *n = net_node(&k.t, "", "Resize", "a,-,-,sizes", "b");
        net_string(n, "mode", linear ? "linear" : "nearest");
        if (!linear && net_pick(&k.t, 0, 1)) {
            net_string(n, "coordinate_transformation_mode", "asymmetric");
            net_string(n, "nearest_mode", "floor");
        }
        chain_close(&k, k.ch, 1e-5 * 10 * (double)k.ch, 2);
    }
}

/* Rows: on plain arrays. */
static void test_rows(void **state)
{
    static const char *const ops[] = { "Softmax", "LayerNormalization" };

    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        net t;

        net_open(&t, seed);
        const int rank = (int)net_pick(&t, 1, 4);
        const int64_t n = net_pick(&t, 2, 400), dims[4] = { net_pick(&t, 1, 3), net_pick(&t, 1, 3), net_pick(&t, 1, 40), n };
        mq_array *x = net_input(&t, "x", MQ_FLOAT, rank, dims + 4 - rank);
        for (size_t i = 0; i < x->count; i++)
            ((float *)x->data)[i] *= 8;
        if (seed % 2) {
            net_const(&t, "s", MQ_FLOAT, 1, &n);
            net_const(&t, "o", MQ_FLOAT, 1, &n);
        }
        net_int(net_node(&t, "", ops[seed % 2], seed % 2 ? "x,s,o" : "x", "y"), "axis", -1);
        net_output(&t, "y");
        net_check(&t, 2e-6, 1);
        net_close(&t);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions), cmocka_unit_test(test_pairs), cmocka_unit_test(test_concat),
        cmocka_unit_test(test_pool),      cmocka_unit_test(test_means), cmocka_unit_test(test_norms),
        cmocka_unit_test(test_resize),    cmocka_unit_test(test_rows),
    };

    net_bench = argc > 1 && strcmp(argv[1], "--bench") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
