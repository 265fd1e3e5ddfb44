/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Floats as bits, and 16-bit floats from and to them: without branches, so that loops over them become vector code. Of
 * code that computes with floats bit by bit: dtype.c, dtype_from.c, exec/ref/vmath_lane.h. */
#ifndef MQ_BASE_BITS_H
#define MQ_BASE_BITS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"

MQ_INLINE uint32_t mq_bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

MQ_INLINE float mq_bits_float(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

/* All ones when the condition holds. */
MQ_INLINE uint32_t mq_bits_mask(bool condition)
{
    return -(uint32_t)condition;
}

MQ_INLINE uint32_t mq_bits_choose(uint32_t m, uint32_t yes, uint32_t no)
{
    return (yes & m) | (no & ~m);
}

/* The exponent is moved by a product, which is exact and takes denormals along. */
MQ_INLINE float mq_bits_widen_f16(uint32_t h)
{
    const uint32_t shifted = (h & 0x7fff) << 13, moved = mq_bits_of(mq_bits_float(shifted) * 0x1p112f);
    const uint32_t special = mq_bits_mask((h & 0x7c00) == 0x7c00);

    return mq_bits_float((h & 0x8000) << 16 | mq_bits_choose(special, shifted | 0x7f800000, moved));
}

MQ_INLINE uint16_t mq_bits_f16(uint32_t u)
{
    const uint32_t sign = u >> 16 & 0x8000, mag = u & 0x7fffffff;
    const uint32_t normal = (mag + 0xfff + (mag >> 13 & 1) - 0x38000000) >> 13;
    /* a multiple of 2^-24: the sum rounds to it */
    const uint32_t denormal = mq_bits_of(mq_bits_float(mag) + 0.5f) - 0x3f000000;
    uint32_t h = mq_bits_choose(mq_bits_mask(mag < 0x38800000), denormal, normal);

    h = mq_bits_choose(mq_bits_mask(mag >= 0x477ff000), 0x7c00, h); /* 65520 and above round to infinity */
    h = mq_bits_choose(mq_bits_mask(mag > 0x7f800000), 0x7e00 | (mag >> 13 & 0x3ff), h);
    return (uint16_t)(sign | h);
}

MQ_INLINE uint16_t mq_bits_bf16(uint32_t u)
{
    const uint32_t nan = mq_bits_mask((u & 0x7fffffff) > 0x7f800000);

    return (uint16_t)mq_bits_choose(nan, u >> 16 | 0x40, (u + 0x7fff + (u >> 16 & 1)) >> 16);
}

#endif
