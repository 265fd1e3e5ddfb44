/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* LSTM of oneDNN against the reference kernel: directions, batches, with and without bias and first states. Weights in
 * [-0.5, 0.5): states stay in (-1, 1) or grow by at most 1 a step, and differ by at most 2e-5. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "onednn_net.h"

static void halve(float *w, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        w[i] *= 0.5f;
}

static void one(uint64_t seed)
{
    static const char *const directions[] = { "forward", "reverse", "bidirectional" };
    net t;

    net_open(&t, seed);
    const int64_t way = net_pick(&t, 0, 2), dirs = way == 2 ? 2 : 1, seq = net_pick(&t, 1, 12), batch = net_pick(&t, 1, 5);
    const int64_t in = net_pick(&t, 1, 50), hidden = net_pick(&t, 1, seed % 10 ? 50 : 200);
    const bool bias = net_pick(&t, 0, 1), first = net_pick(&t, 0, 1);
    const int64_t state[] = { dirs, batch, hidden };

    net_input(&t, "x", MQ_FLOAT, 3, (int64_t[]){ seq, batch, in });
    halve(net_const(&t, "w", MQ_FLOAT, 3, (int64_t[]){ dirs, 4 * hidden, in }), dirs * 4 * hidden * in);
    halve(net_const(&t, "r", MQ_FLOAT, 3, (int64_t[]){ dirs, 4 * hidden, hidden }), dirs * 4 * hidden * hidden);
    if (bias)
        net_const(&t, "b", MQ_FLOAT, 2, (int64_t[]){ dirs, 8 * hidden });
    if (first) {
        net_input(&t, "h", MQ_FLOAT, 3, state);
        net_input(&t, "c", MQ_FLOAT, 3, state);
    }
    mq_node *n = net_node(&t, "", "LSTM", bias ? first ? "x,w,r,b,-,h,c" : "x,w,r,b" : first ? "x,w,r,-,-,h,c" : "x,w,r",
                          seed % 4 ? "y,yh,yc" : "-,yh,yc");
    net_string(n, "direction", directions[way]);
    net_int(n, "hidden_size", hidden);
    if (seed % 4)
        net_output(&t, "y");
    net_output(&t, "yh");
    net_output(&t, "yc");
    net_check(&t, 2e-5, 1);
    net_close(&t);
}

static void test_lstm(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++)
        one(seed);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lstm),
    };

    net_bench = argc > 1 && strcmp(argv[1], "--bench") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
