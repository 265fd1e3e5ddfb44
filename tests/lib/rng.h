/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Numbers that are the same in every run (splitmix64). */
#ifndef MQ_TESTS_RNG_H
#define MQ_TESTS_RNG_H

#include <stdint.h>

static inline uint64_t rng_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* 0 <= x < n */
static inline uint64_t rng_below(uint64_t *state, uint64_t n)
{
    return rng_next(state) % n;
}

/* -1 <= x < 1 */
static inline float rng_float(uint64_t *state)
{
    return (float)(rng_next(state) >> 40) * 0x1p-23f - 1.0f;
}

#endif
