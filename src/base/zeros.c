/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Counting zeros, an instance per width. */
#include "base/zeros.h"

#include <string.h>

#include "base/compiler.h"

#define COUNT_ZEROS(name, type)                                                                \
    MQ_CLONES(size_t, name, (const unsigned char *data, size_t n, type mask), (data, n, mask)) \
    {                                                                                          \
        size_t zeros = 0;                                                                      \
        for (size_t i = 0; i < n; i++) {                                                       \
            type x;                                                                            \
            memcpy(&x, data + i * sizeof x, sizeof x);                                         \
            zeros += (x & mask) == 0;                                                          \
        }                                                                                      \
        return zeros;                                                                          \
    }
COUNT_ZEROS(zeros8, uint8_t)
COUNT_ZEROS(zeros16, uint16_t)
COUNT_ZEROS(zeros32, uint32_t)
COUNT_ZEROS(zeros64, uint64_t)

size_t mq_zeros_count(int bits, const void *data, size_t n, uint64_t mask)
{
    switch (bits) {
    case 8: return zeros8(data, n, (uint8_t)mask);
    case 16: return zeros16(data, n, (uint16_t)mask);
    case 32: return zeros32(data, n, (uint32_t)mask);
    default: return zeros64(data, n, mask);
    }
}
