/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* mq::Lookup (ops/lookup.h). */
#include "ops/lookup.h"

#include "exec/ref/families.h"
#include "exec/ref/quant_lanes.h"
#include "exec/ref/util.h"

#define PIECE 16384 /* elements that a thread takes at a time */

/* One table for all. */
static void look_up(mq_call *c, uint8_t *y)
{
    const mq_array *x = c->in[0], *table = c->in[1];
    const int64_t n = (int64_t)x->count, pieces = (n + PIECE - 1) / PIECE;
    const int threads = mq_call_threads(c, n / 4);

#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t k = 0; k < pieces; k++) {
        const int64_t at = k * PIECE, left = n - at;
        mq_i8_look_up(table->data, (const uint8_t *)x->data + at, left < PIECE ? left : PIECE, y + at);
    }
}

static void look_up_channels(mq_call *c, uint8_t *y)
{
    const mq_array *x = c->in[0], *table = c->in[1];
    const int64_t channels = x->dims[1], planes = x->dims[0] * channels, n = mq_span(x->dims, 2, x->rank);
    const int threads = mq_call_threads(c, (int64_t)x->count / 4);

#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t p = 0; p < planes; p++)
        mq_i8_look_up((const uint8_t *)table->data + p % channels * MQ_LOOKUP_SIZE, (const uint8_t *)x->data + p * n, n,
                      y + p * n);
}

static mq_status op_lookup(mq_call *c)
{
    uint8_t *y = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 2));
    const mq_array *x = c->in[0], *table = c->in[1];
    const bool channels = table->rank == 2;
    if (!mq_is_i8(x) || !mq_is_i8(table))
        return mq_call_bad_type(c, mq_is_i8(x) ? table->dtype : x->dtype);
    if (table->rank < 1 || table->rank > 2 || table->dims[table->rank - 1] != MQ_LOOKUP_SIZE)
        return mq_call_fail(c, "a table has %d entries", MQ_LOOKUP_SIZE);
    if (channels && (x->rank < 2 || x->dims[1] != table->dims[0]))
        return mq_call_fail(c, "there are tables for %lld channels", (long long)table->dims[0]);
    MQ_TRY(mq_call_out_over(c, 0, 0, table->dtype, x->rank, x->dims, (void **)&y));
    if (x->count > 0 && channels)
        look_up_channels(c, y);
    else if (x->count > 0)
        look_up(c, y);
done:
    return rc;
}

const mq_kernel mq_kernels_lookup[] = {
    { MQ_LOOKUP_DOMAIN, MQ_LOOKUP_OP, op_lookup, 0 },
    { 0 },
};
