/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/ops/signal.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/one_node.h"

static void dft(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "DFT", 20);
    one_in(&t, MQ_FLOAT, "N,10,1");
    one_absent(&t);
    one_scalar(&t, 1);
    one_attr(&t, "onesided", 1);
    one_gives(&t, "float[N,6,2]");
    one_open(&t, "DFT", 20); /* back from one side */
    one_in(&t, MQ_FLOAT, "N,6,2");
    one_attr(&t, "onesided", 1);
    one_attr(&t, "inverse", 1);
    one_gives(&t, "float[N,10,1]");
    one_open(&t, "DFT", 17);
    one_in(&t, MQ_FLOAT, "N,10,1");
    one_scalar(&t, -7);
    one_gives(&t, "float[N,?,2]");
    one_open(&t, "DFT", 17);
    one_in(&t, MQ_FLOAT, "N,10,1");
    one_attr(&t, "axis", 2);
    one_refused(&t, 1, "real and imaginary");
}

static void stft(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "STFT", 17);
    one_in(&t, MQ_FLOAT, "N,128,1");
    one_scalar(&t, 8);
    one_in(&t, MQ_FLOAT, "16");
    one_gives(&t, "float[N,15,9,2]");
    one_open(&t, "STFT", 17);
    one_in(&t, MQ_FLOAT, "N,128,1");
    one_scalar(&t, 0);
    one_refused(&t, 1, "frame_step is 0");
    one_open(&t, "STFT", 17);
    one_in(&t, MQ_FLOAT, "N,128,1");
    one_scalar(&t, -8);
    one_gives(&t, "float[N,?,65,2]");
    one_open(&t, "STFT", 17);
    one_in(&t, MQ_FLOAT, "N,128,1");
    one_scalar(&t, 8);
    one_in(&t, MQ_FLOAT, "16");
    one_scalar(&t, 200);
    one_refused(&t, 1, "200 and 16");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dft),
        cmocka_unit_test(stft),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
