/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Numbers that look random and are the same on every machine: splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom
 * number generators", 2014). Integers only. A state is any number; equal states give equal numbers. */
#ifndef MQ_BASE_RANDOM_H
#define MQ_BASE_RANDOM_H

#include <stdint.h>

/* The next number, of 64 bits. */
static inline uint64_t mq_random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Number i of the stream that begins at `seed`, whoever asks and in whichever order. */
static inline uint64_t mq_random_at(uint64_t seed, uint64_t i)
{
    uint64_t state = seed + i * UINT64_C(0x9e3779b97f4a7c15);

    return mq_random_next(&state);
}

/* The upper 53 bits as 0 <= x < 1. */
static inline double mq_random_unit(uint64_t bits)
{
    return (double)(bits >> 11) * 0x1p-53;
}

/* The next number below n, each as likely as the others (what would favour some is drawn again); n > 0. */
static inline uint64_t mq_random_below(uint64_t *state, uint64_t n)
{
    const uint64_t unfair = (UINT64_MAX % n + 1) % n; /* 2^64 modulo n */
    uint64_t r;

    do
        r = mq_random_next(state);
    while (r > UINT64_MAX - unfair);
    return r % n;
}

/* 0 to n - 1 in an order where each is as likely as the others. */
static inline void mq_random_order(uint64_t *order, uint64_t n, uint64_t seed)
{
    for (uint64_t i = 0; i < n; i++)
        order[i] = i;
    for (uint64_t i = n; i > 1; i--) {
        const uint64_t k = mq_random_below(&seed, i), at = order[k];

        order[k] = order[i - 1];
        order[i - 1] = at;
    }
}

#endif
