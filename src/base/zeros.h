/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Counting zeros in memory. */
#ifndef MQ_BASE_ZEROS_H
#define MQ_BASE_ZEROS_H

#include <stddef.h>
#include <stdint.h>

/* How many of n elements of `bits` bits (8, 16, 32 or 64), at any address, have no bit of mask set: a mask without the sign
 * bit takes both zeros of a float for one. */
size_t mq_zeros_count(int bits, const void *data, size_t n, uint64_t mask);

#endif
