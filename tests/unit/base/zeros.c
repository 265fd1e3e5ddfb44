/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/base/zeros.c against a loop over bytes, at every address and instruction set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/zeros.h"
#include "rng.h"

static size_t plain(int bits, const unsigned char *data, size_t n, uint64_t mask)
{
    size_t zeros = 0;

    for (size_t i = 0; i < n; i++) {
        uint64_t x = 0;
        for (int b = bits / 8; b-- > 0;)
            x = x << 8 | data[i * (size_t)bits / 8 + (size_t)b];
        zeros += (x & mask) == 0;
    }
    return zeros;
}

static void test_all_widths(void **state)
{
    unsigned char data[1000];
    uint64_t r = 5;

    (void)state;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = rng_below(&r, 8) ? 0 : rng_below(&r, 2) ? 0x80 : (unsigned char)rng_below(&r, 256);
    for (int bits = 8; bits <= 64; bits *= 2)
        for (size_t at = 0; at < 9; at++)
            for (size_t n = 0; n <= 110; n++) {
                assert_int_equal(mq_zeros_count(bits, data + at, n, UINT64_MAX), plain(bits, data + at, n, UINT64_MAX));
                assert_int_equal(mq_zeros_count(bits, data + at, n, UINT64_MAX >> (65 - bits)),
                                 plain(bits, data + at, n, UINT64_MAX >> (65 - bits)));
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_all_widths) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
