/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Conversion of elements between types: what cast.c and cast_string.c share. */
#ifndef MQ_EXEC_REF_CAST_H
#define MQ_EXEC_REF_CAST_H

#include "exec/kernel.h"

typedef struct mq_cast {
    mq_dtype from, to;
    mq_round_mode mode; /* to float8e8m0 */
    bool saturate;      /* to 8-bit floats */
} mq_cast;

/* Types that can be converted to each other: numbers and bool. */
bool mq_cast_has(mq_dtype t);
/* count elements; packed types are packed. Both types are of mq_cast_has. */
void mq_cast_run(const mq_cast *k, int threads, const void *in, size_t count, void *out);

/* Output 0 of a Cast whose input is strings; one of whose output is. */
mq_status mq_cast_from_strings(mq_call *c, const mq_cast *k);
mq_status mq_cast_to_strings(mq_call *c);

#endif
